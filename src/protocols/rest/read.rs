//! GET: the answer to a read, made within one snapshot of the database.
//!
//! A small answer is made at once where the request is handled. Everything else goes to a thread that may block, and
//! is read twice: once to learn its size (so that the status can still be an error and `Content-Length` is exact),
//! and once more, from the same snapshot, in pieces on its way out. Memory is bounded whatever the size; up to a
//! megabyte the first reading is kept and is the answer. Source: Firebase REST reference 3, 5.2, 5.3, 5.8, 6.5, 9.4.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::error::Failure;
use super::layout::Layout;
use super::reply::{Answer, Text};
use super::request::{Print, Read};
use super::rules::check_index;
use super::source::Source;
use crate::base::limits::RESPONSE_BYTES_MAX;
use crate::engine::{Database, Snapshot, StoreError};
use crate::model::json::JsonWriter;
use crate::model::walk::Step;
use crate::model::{Format, Identity};
use crate::model::{Node, hash};

/// Rows of an answer that is made where the request is handled. Beyond: a thread of its own.
const STEPS_INLINE_MAX: u64 = 500;
/// Bytes of such an answer.
const BYTES_INLINE_MAX: usize = 64 * 1024;
/// Bytes of an answer that is kept while it is measured. Beyond: it is read a second time.
const KEPT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one piece of a large answer.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces waiting for a client. When full, the reading thread waits.
const PIECES_WAITING_MAX: usize = 4;
/// How long a piece may wait for a client that reads nothing, and all pieces together for one that reads slowly.
/// Beyond: the connection is broken off, so that its snapshot does not keep the database from tidying up.
const PIECE_WAIT_MAX: Duration = Duration::from_mins(1);
const SEND_MAX: Duration = Duration::from_mins(15);
/// Large answers under way in this process. Beyond: the next one waits, within its timeout. So slow readers of large
/// answers never take all the threads that may block.
const LARGE_READS_MAX: usize = 128;
/// Steps between two looks at the clock.
const STEPS_PER_LOOK: u64 = 1_024;

/// Answers a read.
///
/// # Errors
/// 401 where the rules do not allow it, 400 if it takes too long or is too large, 503 if the disk fails.
pub async fn answer(database: Arc<Database>, who: Identity, read: Read) -> Result<Answer, Failure> {
    let deadline = Instant::now() + Duration::from_millis(read.timeout_ms.unsigned_abs());
    let snapshot = database.snapshot()?;
    let query = read.selection.query.clone().unwrap_or_default();
    // Before anything is said about the place, even that it lacks an index.
    if !database.may_read(&snapshot, &who, &read.place.path, &query)? {
        return Err(Failure::DENIED);
    }
    check_index(&database, &read.place.path, &read.selection)?;
    if read.print == Print::Silent && !read.has_etag() {
        return Ok(Answer::new(StatusCode::NO_CONTENT));
    }
    let reading = Reading { database, snapshot, read, deadline };
    if let Some(answer) = reading.small()? {
        return Ok(answer);
    }
    let Reading { database, snapshot, read, .. } = reading;
    // Whoever waits holds none.
    drop(snapshot);
    let place = timeout_at(deadline, LARGE_READS.acquire()).await.map_err(|_| Failure::TIMED_OUT)?;
    let (reply, answer) = oneshot::channel();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        match database.snapshot() {
            Ok(snapshot) => match database.may_read(&snapshot, &who, &read.place.path, &query) {
                Ok(true) => Reading { database, snapshot, read, deadline }.large(reply, runtime),
                // The data that a rule looks at, or the rules, changed meanwhile.
                Ok(false) => drop(reply.send(Err(Failure::DENIED))),
                Err(error) => drop(reply.send(Err(error.into()))),
            },
            Err(error) => drop(reply.send(Err(error.into()))),
        }
        drop(place);
    });
    // The sender is dropped unused only by a panic.
    answer.await.unwrap_or(Err(Failure::INTERNAL))
}

static LARGE_READS: Semaphore = Semaphore::const_new(LARGE_READS_MAX);

/// One read under way.
struct Reading {
    database: Arc<Database>,
    snapshot: Snapshot,
    read: Read,
    deadline: Instant,
}

impl Reading {
    /// The answer, if it is small; `None` if that turns out not to be so.
    fn small(&self) -> Result<Option<Answer>, Failure> {
        let path = &self.read.place.path;
        if self.read.selection.is_query() && self.snapshot.tree().rows(path, STEPS_INLINE_MAX)? == STEPS_INLINE_MAX {
            return Ok(None);
        }
        let source = self.source()?;
        let mut text = Renderer::new(&self.read);
        let (mut steps, mut is_small) = (0, true);
        source.visit(&self.snapshot.tree(), &mut |step| {
            text.step(step);
            steps += 1;
            is_small = steps <= STEPS_INLINE_MAX && text.out.len() <= BYTES_INLINE_MAX;
            if is_small { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if !is_small {
            return Ok(None);
        }
        let etag = self.etag()?;
        Ok(Some(match self.without_text(etag.as_deref()) {
            Some(status) => Answer { etag, ..Answer::new(status) },
            None => Answer { etag, text: Text::Whole(text.finish()), ..Answer::new(StatusCode::OK) },
        }))
    }

    /// Sends the answer as soon as it is known, and then its pieces.
    fn large(self, reply: oneshot::Sender<Result<Answer, Failure>>, runtime: Handle) {
        let measured = self.measure();
        let (len, source, etag) = match measured {
            Ok(Measured::Answer(answer)) => return drop(reply.send(Ok(answer))),
            Ok(Measured::Long { len, source, etag }) => (len, source, etag),
            Err(failure) => return drop(reply.send(Err(failure))),
        };
        let (pieces, receiver) = Pieces::new(runtime);
        let answer = Answer { etag, text: Text::Pieces { len, pieces: receiver }, ..Answer::new(StatusCode::OK) };
        if reply.send(Ok(answer)).is_ok() {
            self.send_pieces(&source, pieces);
        }
    }

    fn measure(&self) -> Result<Measured, Failure> {
        let etag = self.etag()?;
        if let Some(status) = self.without_text(etag.as_deref()) {
            return Ok(Measured::Answer(Answer { etag, ..Answer::new(status) }));
        }
        let source = self.source()?;
        let mut text = Renderer::new(&self.read);
        let mut dropped: u64 = 0;
        let mut failure = None;
        let mut steps: u64 = 0;
        source.visit(&self.snapshot.tree(), &mut |step| {
            text.step(step);
            steps += 1;
            if text.out.len() > KEPT_BYTES_MAX {
                dropped += text.out.len() as u64;
                text.out.clear();
            }
            if dropped > RESPONSE_BYTES_MAX {
                failure = Some(Failure::READ_TOO_BIG);
            } else if steps.is_multiple_of(STEPS_PER_LOOK) && self.is_late() {
                failure = Some(Failure::TIMED_OUT);
            }
            if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let last = text.finish();
        let len = dropped + last.len() as u64;
        match failure {
            Some(failure) => Err(failure),
            None if len > RESPONSE_BYTES_MAX => Err(Failure::READ_TOO_BIG),
            None if self.is_late() => Err(Failure::TIMED_OUT),
            None if dropped == 0 => {
                Ok(Measured::Answer(Answer { etag, text: Text::Whole(last), ..Answer::new(StatusCode::OK) }))
            }
            None => Ok(Measured::Long { len, source, etag }),
        }
    }

    fn send_pieces(&self, source: &Source, pieces: Pieces) {
        let mut text = Renderer::new(&self.read);
        let mut flow = ControlFlow::Continue(());
        let outcome = source.visit(&self.snapshot.tree(), &mut |step| {
            text.step(step);
            if text.out.len() >= PIECE_BYTES {
                flow = pieces.send(std::mem::take(&mut text.out));
            }
            flow
        });
        if let Err(error) = &outcome {
            tracing::error!(%error, "a read failed half-way; its connection is broken off");
        }
        if outcome.is_err() || flow.is_break() || pieces.send(text.finish()).is_break() {
            pieces.break_off();
        }
    }

    fn source(&self) -> Result<Source, StoreError> {
        Source::of(&self.database, &self.snapshot, &self.read)
    }

    fn is_late(&self) -> bool {
        Instant::now() > self.deadline
    }

    /// The hash of the whole node, however little of it is shown.
    fn etag(&self) -> Result<Option<String>, StoreError> {
        if !self.read.has_etag() {
            return Ok(None);
        }
        let (tree, place) = (self.snapshot.tree(), &self.read.place);
        let hash = if place.is_priority {
            hash::hash_of(&tree.priority(&place.path)?.map_or(Node::Empty, Node::leaf))
        } else {
            tree.hash(&place.path)?
        };
        Ok(Some(hash::etag(&hash).to_owned()))
    }

    /// The status, where the answer is not to have a text.
    fn without_text(&self, etag: Option<&str>) -> Option<StatusCode> {
        if etag.is_some() && etag == self.read.if_none_match.as_deref() {
            Some(StatusCode::NOT_MODIFIED)
        } else {
            (self.read.print == Print::Silent).then_some(StatusCode::NO_CONTENT)
        }
    }
}

impl Read {
    fn has_etag(&self) -> bool {
        self.want_etag || self.if_none_match.is_some()
    }
}

/// What the first reading of an answer that is not small tells.
enum Measured {
    Answer(Answer),
    Long { len: u64, source: Source, etag: Option<String> },
}

/// The way of pieces from the reading thread to the client.
struct Pieces {
    sender: mpsc::Sender<Bytes>,
    /// A place kept for saying that it is broken off, however full the channel is.
    last_word: Option<mpsc::OwnedPermit<Bytes>>,
    runtime: Handle,
    /// When all must be sent.
    end: Instant,
}

impl Pieces {
    fn new(runtime: Handle) -> (Self, mpsc::Receiver<Bytes>) {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX + 1);
        let last_word = sender.clone().try_reserve_owned().ok();
        (Self { sender, last_word, runtime, end: Instant::now() + SEND_MAX }, receiver)
    }

    /// Waits for a place. `Break`: the client is gone or stuck.
    fn send(&self, piece: Vec<u8>) -> ControlFlow<()> {
        if piece.is_empty() {
            return ControlFlow::Continue(());
        }
        let until = self.end.min(Instant::now() + PIECE_WAIT_MAX);
        // Within the runtime: that is where its timers are.
        let sent = self.runtime.block_on(async { timeout_at(until, self.sender.send(Bytes::from(piece))).await });
        if matches!(sent, Ok(Ok(()))) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// What came is not all: an empty piece says so.
    fn break_off(self) {
        if let Some(permit) = self.last_word {
            permit.send(Bytes::new());
        }
    }
}

/// Makes laid-out text of steps.
struct Renderer {
    json: JsonWriter,
    layout: Layout,
    /// Compact text of one step, where the layout changes it.
    compact: Vec<u8>,
    /// Text that is ready.
    out: Vec<u8>,
}

impl Renderer {
    fn new(read: &Read) -> Self {
        // A priority is told as it is, and so are the names of a shallow answer.
        let as_is = read.place.is_priority || read.selection.is_shallow;
        let format = if as_is { Format::Plain } else { read.format };
        let layout = Layout::new(read.print, read.callback.as_deref());
        let mut out = Vec::new();
        layout.begin(&mut out);
        Self { json: JsonWriter::new(format), layout, compact: Vec::new(), out }
    }

    fn step(&mut self, step: Step<'_>) {
        if self.layout.is_plain() {
            return self.json.step(step, &mut self.out);
        }
        self.compact.clear();
        self.json.step(step, &mut self.compact);
        self.layout.add(&self.compact, &mut self.out);
    }

    /// The rest of the text.
    fn finish(mut self) -> Vec<u8> {
        self.compact.clear();
        self.json.finish(&mut self.compact);
        self.layout.add(&self.compact, &mut self.out);
        self.layout.end(&mut self.out);
        self.out
    }
}
