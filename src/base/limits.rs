//! Every bound of the server in one table: what is limited, its unit, and what happens beyond it.

/// UTF-8 bytes of one key. Beyond: the request is refused. Source: Firebase, usage limits.
pub const KEY_BYTES_MAX: usize = 768;
/// Segments of a path, counted from the root, values included. Beyond: refused. Source: Firebase.
pub const DEPTH_MAX: usize = 32;
/// UTF-8 bytes of one string value. Beyond: refused. Source: Firebase.
pub const STRING_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Bytes of one REST request body, after decompression. Beyond: 413. Source: Firebase (256 MB).
pub const REQUEST_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of one session request body. Beyond: 413.
pub const SESSION_REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Requests in one session POST. Beyond: 400.
pub const SESSION_REQUESTS_MAX: usize = 1_000;
/// Leaves of one write. Beyond: refused. Each takes some 100 bytes of memory while the write is under way.
pub const WRITE_LEAVES_MAX: usize = 5_000_000;
/// Rows below a conditional write (`if-match`). Beyond: refused, since the writer would hash them all while others
/// wait.
pub const CONDITION_ROWS_MAX: u64 = 1_000_000;
/// UTF-8 bytes of a value or key that bounds a realtime query, since every listen keeps its own. Beyond: refused.
pub const QUERY_TEXT_BYTES_MAX: usize = 16 * 1024;
/// Ranges of a compound hash. Beyond: it is ignored, and the client is sent all data.
pub const COMPOUND_RANGES_MAX: usize = 10_000;
/// Bytes of the ranges in which a client's copy is out of date. Beyond: the client is sent all data.
pub const RANGE_MERGE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one REST answer. Beyond: 400. Source: Firebase (256 MB).
pub const RESPONSE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of a request's head (line and headers). Beyond: 431.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes waiting for one event stream. Beyond: the slow-reader rule (fold a value stream into one snapshot, or close).
pub const OUTBOX_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Writes waiting for a database's writer. Beyond: the asker waits for a place (back-pressure, nothing is dropped).
pub const WRITER_QUEUE_MAX: usize = 1_024;
/// Operations in one commit. Beyond: they go into the next one.
pub const BATCH_OPERATIONS_MAX: usize = 256;
/// Listeners of one session. Beyond: the listen is refused.
pub const SESSION_LISTENERS_MAX: usize = 1_000;
/// Armed onDisconnect places of one session. Beyond: refused.
pub const SESSION_ARMED_MAX: usize = 10_000;
/// Bytes of the JSON text of one realtime write. Beyond: refused. Source: Firebase (16 MB).
pub const REALTIME_WRITE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Listens of one realtime client. Beyond: the listen is refused.
pub const REALTIME_LISTENS_MAX: usize = 20_000;
/// Bytes of their paths and queries, since each is kept. Beyond: the listen is refused.
pub const REALTIME_LISTEN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of replaced data kept beside a log record, so that child event streams can resume. Beyond: none are kept
/// for that record, and a stream that would have to resume across it gets a `reset`.
pub const UNDO_BYTES_MAX: usize = 64 * 1024;
/// Records that a listener may have missed to be told them one by one. Beyond: it starts afresh.
pub const REPLAY_RECORDS_MAX: u64 = 10_000;
/// Bytes of those records in the log, and of the events made of them. Beyond: it starts afresh.
pub const REPLAY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Open databases of one process in emulator mode. Beyond: 503 until one closes.
pub const DATABASES_MAX: usize = 10_000;
/// Bytes per second are not limited, but silence is: seconds a request body may pause. Beyond: 408, and the connection
/// ends.
pub const BODY_IDLE_SECONDS: u64 = 30;
/// Seconds a request's head may take to arrive, or an idle connection may stay without a next request. Beyond: closed.
pub const HEAD_SECONDS: u64 = 30;
/// Open connections of one process. Beyond: no more are accepted until one ends; newcomers wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 20_000;
/// Seconds that a TLS handshake may take. Beyond: the connection is closed.
pub const TLS_HANDSHAKE_SECONDS: u64 = 10;
/// TLS handshakes under way, and never more than a quarter of the connections. Beyond: the oldest is given up.
pub const TLS_HANDSHAKES_MAX: usize = 2_000;
/// Open connections of the port that only sends to https. Beyond: newcomers wait in the kernel's queue.
pub const REDIRECT_CONNECTIONS_MAX: usize = 100;
/// Seconds of silence after which the kernel asks whether a peer is still there, and seconds between such questions.
pub const PROBE_IDLE_SECONDS: u64 = 10;
pub const PROBE_INTERVAL_SECONDS: u64 = 5;
/// Seconds for which a peer may leave sent bytes or questions unacknowledged, or its receive window shut. Beyond: the
/// kernel ends the connection. Bytes sent just before the first question count from then: 10 + 18 s stay below 30 s.
pub const UNACKNOWLEDGED_SECONDS: u64 = 18;
/// Seconds for which a closing connection still takes (and discards) what its peer sends, so that the peer can read the
/// last answer. Beyond: it is reset.
pub const LINGER_SECONDS: u64 = 2;
/// Seconds that running requests get to finish when the server is told to stop. Beyond: they are cut off.
pub const DRAIN_SECONDS: u64 = 10;
/// Bytes of a token or key that a client shows. Beyond: refused. Source: Firebase rules reference 9.3.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a rules file. Beyond: refused, as beyond the next three. Source: Firebase rules reference 10.2.
pub const RULES_BYTES_MAX: usize = 1024 * 1024;
/// Open brackets in a rules file.
pub const RULES_DEPTH_MAX: usize = 64;
/// Bytes of one expression in it.
pub const RULES_EXPRESSION_BYTES_MAX: usize = 64 * 1024;
/// Parts of an expression one upon the other, as in a long sum; `&&` and `||` count once however many they join.
pub const RULES_EXPRESSION_HEIGHT_MAX: usize = 256;
/// What a regular expression weighs: its atoms, repetitions multiplied out, ten for one that takes in more than ASCII.
pub const RULES_PATTERN_WEIGHT_MAX: usize = 20_000;
/// What all regular expressions of a rules file weigh, each 100 more than that; equal ones count once.
pub const RULES_PATTERNS_WEIGHT_MAX: usize = 200_000;
/// Bytes of a compiled regular expression.
pub const RULES_PATTERN_BYTES_MAX: usize = 1024 * 1024;
/// Steps of a rule's evaluation: one for each part, and one for each so many bytes of text that it goes through.
/// Beyond: the rule is false. Source: Firebase rules reference 7.5.
pub const RULES_STEPS_MAX: usize = 10_000;
pub const RULES_STEP_BYTES: usize = 16 * 1024;
/// Bytes of the strings that a rule makes. Beyond: the rule is false. Source: Firebase rules reference 7.5.
pub const RULES_STRING_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a request to explain. Beyond: 413. As much as one realtime write.
pub const EXPLAIN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Places of an update that is explained, each with all of the next two. Beyond: refused.
pub const EXPLAIN_PLACES_MAX: usize = 100;
/// Rules that an explanation tells of, and parts of each. Beyond: it says that it is cut.
pub const EXPLAIN_RULES_MAX: usize = 100;
pub const EXPLAIN_PARTS_MAX: usize = 1_000;
/// Different values that are told of each part of a rule, and of all. Beyond: only counted.
pub const COVERAGE_PART_VALUES_MAX: usize = 10;
pub const COVERAGE_VALUES_MAX: usize = 100_000;
/// Indexes that it asks for. Every write looks which of them it touches.
pub const RULES_INDEXES_MAX: usize = 1_000;
/// Problems of a rules file that are told. Beyond: left out.
pub const RULES_PROBLEMS_MAX: usize = 100;
/// Bytes of one WebSocket message, its fragments taken together. Beyond: close code 1009. Source: firebase-wire.md 3.6.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How many of the longest silences (below) a WebSocket message may be half-received. Beyond: close code 1008. Four are
/// two minutes: enough for the largest message at 300 KB per second, and the SDKs' are a thousand times smaller.
pub const MESSAGE_SILENCES_MAX: u32 = 4;
/// Seconds without a word from a WebSocket's peer after which it is asked (a ping). Source: firebase-wire.md 3.4.
pub const PING_SECONDS: u64 = 15;
/// Seconds without a word, or a byte taken, after which a WebSocket's peer that was asked counts as gone. Beyond: the
/// connection is closed.
pub const SILENCE_SECONDS: u64 = 30;
/// Sessions that long polling carries. Beyond: a client that starts is told to come back.
pub const LONG_POLL_SESSIONS_MAX: usize = 10_000;
/// Seconds that a poll is held. Beyond: it gets an empty answer. Source: firebase-wire.md 4.3.
pub const LONG_POLL_HOLD_SECONDS: u64 = 25;
/// Seconds without a poll after which a client that long-polls counts as gone. Source: firebase-wire.md 4.6.
pub const POLL_SILENCE_SECONDS: u64 = 75;
/// Seconds without a poll after which a client that long-polls counts as gone, when its last one broke off unanswered.
pub const POLL_GIVEN_UP_SECONDS: u64 = 1;
/// Distance of a piece that a client sends by a poll from the one that is to come next. Beyond: the session ends, as
/// beyond the next. Source: firebase-wire.md 4.4.
pub const LONG_POLL_AHEAD_MAX: u64 = 1_024;
/// Bytes of base64 text of messages that are not whole.
pub const LONG_POLL_PIECES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of whole messages of a client that wait to be handled. Beyond: its polls wait.
pub const LONG_POLL_BACKLOG_BYTES_MAX: usize = 1024 * 1024;
