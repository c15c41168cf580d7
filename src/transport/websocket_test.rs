//! WebSockets on real sockets: messages, control frames, liveness, and every way to end.

use std::collections::VecDeque;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use hyper::Response;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tokio_websockets::{ClientBuilder, CloseCode, Error, Limits, Message, ServerBuilder};

use super::frame::{CLOSE, PING, PONG, TEXT};
use super::websocket::Opened;
use super::*;
use crate::base::limits::MESSAGE_SILENCES_MAX;

const CONTINUATION: u8 = 0x0;
const BINARY: u8 = 0x2;
const FINAL: u8 = 0x80;
const PATIENCE: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(100_000);
/// More than the kernel takes at once.
const LARGE: usize = 16 << 20;
const HANDSHAKE: &str = "GET /.ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A conversation that echoes, but for some words.
struct Script {
    outbox: Arc<Outbox>,
    second: Arc<Outbox>,
    seen: mpsc::UnboundedSender<String>,
    over: oneshot::Sender<()>,
}

impl Conversation for Script {
    fn text(&mut self, text: Bytes) -> BoxFuture<'_, Next> {
        let text = String::from_utf8(text.to_vec()).unwrap();
        self.seen.send(text.clone()).unwrap();
        Box::pin(async move {
            match text.as_str() {
                "close" => {
                    self.outbox.push(message("last words"));
                    return Next::Close { code: 4_001, reason: "as asked" };
                }
                "switch" => {
                    self.outbox.push(message("last of the first"));
                    let first = Item::Bytes(message("first of the second"));
                    return Next::Drain(Arc::clone(&self.second), VecDeque::from([first]));
                }
                "stall" => pending().await,
                "panic" => panic!("as asked"),
                "silence" => {}
                _ => drop(self.outbox.push(message(&text))),
            }
            Next::Go
        })
    }

    fn last_words(&self) -> Bytes {
        message("see you")
    }

    fn over(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.over.send(()).unwrap_or_default() })
    }
}

fn message(text: &str) -> Bytes {
    let mut out = Vec::new();
    frame::push_text(&mut out, text.as_bytes());
    out.into()
}

/// A server for one connection whose `/.ws` is a WebSocket.
struct Harness {
    peer: TcpStream,
    task: JoinHandle<()>,
    drain: CancellationToken,
    outbox: Arc<Outbox>,
    second: Arc<Outbox>,
    seen: mpsc::UnboundedReceiver<String>,
    over: oneshot::Receiver<()>,
}

struct Settings {
    outbox_bytes: usize,
    message_bytes_max: usize,
    ping_every: Duration,
    silence_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { outbox_bytes: 1 << 20, message_bytes_max: MESSAGE_BYTES_MAX, ping_every: LONG, silence_max: LONG }
    }
}

const MESSAGE_BYTES_MAX: usize = 1 << 20;

impl Harness {
    /// Connected, and nothing sent yet.
    async fn fresh(settings: Settings) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let (outbox, second) = (Outbox::new(settings.outbox_bytes), Outbox::new(1 << 20));
        let ((seen_by, seen), (ended, over)) = (mpsc::unbounded_channel(), oneshot::channel());
        let script = Script { outbox: Arc::clone(&outbox), second: Arc::clone(&second), seen: seen_by, over: ended };
        let script = Mutex::new(Some(script));
        let handler = move |request: hyper::Request<_>| {
            let reply = match request.uri().path() {
                "/.ws" => match accept(&request) {
                    Ok(head) => {
                        let script = script.lock().unwrap().take().unwrap();
                        Reply::WebSocket(Box::new(WebSocket {
                            head,
                            outbox: Arc::clone(&script.outbox),
                            conversation: Box::new(script),
                            message_bytes_max: settings.message_bytes_max,
                            ping_every: settings.ping_every,
                            silence_max: settings.silence_max,
                        }))
                    }
                    Err(refused) => refused.into(),
                },
                _ => Response::new(Body::full(vec![b'x'; LARGE])).into(),
            };
            async move { reply }
        };
        let drain = CancellationToken::new();
        let task = tokio::spawn(http::serve(socket, handler, drain.clone()));
        Self { peer, task, drain, outbox, second, seen, over }
    }

    async fn with(settings: Settings) -> Self {
        let mut harness = Self::fresh(settings).await;
        harness.peer.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        harness.expect_head().await;
        harness
    }

    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    async fn expect_head(&mut self) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.peer.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).await.unwrap();
    }

    async fn say(&mut self, text: &str) {
        self.send(&masked(FINAL | TEXT, text.as_bytes())).await;
    }

    /// Reads one frame, with as much patience as the clock has.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let first = self.peer.read_u8().await.unwrap();
        assert_eq!(first & 0xF0, FINAL, "a server does not fragment");
        let length = match self.peer.read_u8().await.unwrap() {
            126 => u64::from(self.peer.read_u16().await.unwrap()),
            127 => self.peer.read_u64().await.unwrap(),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.peer.read_exact(&mut payload).await.unwrap();
        (first & 0x0F, payload)
    }

    async fn expect(&mut self, opcode: u8, payload: &str) {
        let (got, bytes) = self.frame().await;
        assert_eq!((got, String::from_utf8_lossy(&bytes).as_ref()), (opcode, payload));
    }

    async fn expect_close(&mut self, code: u16) {
        let (opcode, payload) = self.frame().await;
        assert_eq!(opcode, CLOSE, "{payload:?}");
        assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), code, "{}", String::from_utf8_lossy(&payload[2..]));
        self.expect_end().await;
    }

    /// Nothing more comes, and all is over.
    async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        // Whether the connection was reset does not matter.
        drop(timeout(PATIENCE, self.peer.read_to_end(&mut rest)).await.unwrap());
        assert_eq!(rest, b"");
        // What it has to take is taken.
        let _ = self.peer.shutdown().await;
        self.expect_over().await;
    }

    async fn expect_over(&mut self) {
        timeout(PATIENCE, &mut self.over).await.expect("over is called").expect("the conversation says so");
        assert_eq!(self.outbox.push(Bytes::new()), Push::Closed);
    }

    /// Pings the server for so long, or until it closes: what it says then.
    async fn stay_awake(&mut self, period: Duration) -> Option<Vec<u8>> {
        let start = Instant::now();
        while start.elapsed() < period {
            // In vain once the server has closed.
            let _ = self.peer.write_all(&masked(FINAL | PING, b"!")).await;
            loop {
                match self.frame().await {
                    (CLOSE, reason) => return Some(reason),
                    (PONG, _) => break,
                    (opcode, _) => assert!(opcode == PING || opcode == TEXT),
                }
            }
            sleep(SOON / 5).await;
        }
        None
    }

    fn push(&self, text: &str) -> Push {
        self.outbox.push(message(text))
    }
}

/// A client's frame.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut out = Vec::new();
    frame::push_text(&mut out, payload);
    let head = out.len() - payload.len();
    out.truncate(head);
    out[0] = first;
    out[1] |= 0x80;
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

#[tokio::test]
async fn client_library_talks_pings_and_says_goodbye() {
    let mut harness = Harness::fresh(Settings::default()).await;
    let builder = ClientBuilder::new().uri("ws://x/.ws").unwrap();
    let (mut client, _) = builder.connect_on(&mut harness.peer).await.unwrap();
    let large = "é".repeat(MESSAGE_BYTES_MAX / 2);
    for text in ["hello", "", "🦊", &large] {
        client.send(Message::text(text.to_owned())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap().as_text(), Some(text));
    }
    client.send(Message::ping("are you there")).await.unwrap();
    let pong = client.next().await.unwrap().unwrap();
    assert!(pong.is_pong());
    assert_eq!(&pong.into_payload()[..], b"are you there");
    client.send(Message::close(Some(CloseCode::GOING_AWAY), "home")).await.unwrap();
    let goodbye = client.next().await.unwrap().unwrap();
    assert_eq!(goodbye.as_close(), Some((CloseCode::GOING_AWAY, "")));
    assert!(client.next().await.is_none());
    drop(client);
    harness.peer.shutdown().await.unwrap();
    harness.expect_over().await;
    timeout(PATIENCE, harness.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn message_that_ends_within_a_character_is_refused_however_it_is_cut() {
    for fragments in [&[&b"ok \xF3\x80"[..]][..], &[b"ok ", b"\xF3\x80\x80"], &[b"ok \xF3\x80\x80", b""]] {
        let mut harness = Harness::new().await;
        for (index, fragment) in fragments.iter().enumerate() {
            let opcode = if index == 0 { TEXT } else { CONTINUATION };
            let last = if index + 1 == fragments.len() { FINAL } else { 0 };
            harness.send(&masked(last | opcode, fragment)).await;
        }
        harness.expect_close(1_007).await;
    }
}

#[tokio::test]
async fn frames_behind_the_handshake_are_kept() {
    let mut harness = Harness::fresh(Settings::default()).await;
    // More than hyper reads at once.
    let long = "x".repeat(50_000);
    let mut bytes = HANDSHAKE.as_bytes().to_vec();
    for text in ["one", "GET /?a=\"\n", &long, "two"] {
        bytes.extend(masked(FINAL | TEXT, text.as_bytes()));
    }
    harness.send(&bytes).await;
    harness.expect_head().await;
    for text in ["one", "GET /?a=\"\n", &long, "two"] {
        harness.expect(TEXT, text).await;
    }
}

#[tokio::test]
async fn handshake_behind_a_large_answer_waits_for_it() {
    let mut harness = Harness::fresh(Settings::default()).await;
    harness.send(format!("GET /large HTTP/1.1\r\nHost: x\r\n\r\n{HANDSHAKE}").as_bytes()).await;
    harness.push("first");
    let mut answer = vec![0; LARGE];
    while harness.peer.read_u8().await.unwrap() != b'x' {}
    harness.peer.read_exact(&mut answer[1..]).await.unwrap();
    harness.expect_head().await;
    harness.expect(TEXT, "first").await;
}

#[tokio::test]
async fn message_arrives_whole_however_it_is_cut() {
    let mut harness = Harness::new().await;
    let frames =
        [masked(TEXT, b"on"), masked(CONTINUATION, b""), masked(FINAL | PING, b"!"), masked(FINAL, b"e")].concat();
    for byte in &frames {
        harness.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    harness.expect(PONG, "!").await;
    harness.expect(TEXT, "one").await;
    harness.say("two").await;
    harness.expect(TEXT, "two").await;
    assert_eq!(harness.seen.recv().await.unwrap(), "one");
}

#[tokio::test]
async fn what_no_peer_may_send_is_answered_by_its_close_code() {
    let unmasked = message("x");
    let oversize = vec![b'x'; MESSAGE_BYTES_MAX + 1];
    let halves = [masked(TEXT, &oversize[..600_000]), masked(FINAL, &oversize[..600_000])].concat();
    let huge = [FINAL | TEXT, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    let bad_text: &[&[u8]] = &[&masked(TEXT, b"a\xF0\x9F"), &masked(FINAL, b"x")];
    let cases: [(u16, &[u8]); 13] = [
        (1_003, &masked(FINAL | BINARY, b"x")),
        (1_002, &unmasked),
        (1_002, &masked(FINAL | 0x40 | TEXT, b"x")),
        (1_002, &masked(FINAL | 0x3, b"x")),
        (1_002, &masked(FINAL, b"orphan")),
        (1_002, &masked(PING, b"half a ping")),
        (1_002, &masked(FINAL | CLOSE, &1_005_u16.to_be_bytes())),
        (1_007, &masked(FINAL | TEXT, b"\xC3\x28")),
        (1_007, &bad_text.concat()),
        (1_009, &masked(FINAL | TEXT, &oversize)),
        (1_009, &halves),
        (1_009, &huge),
        (1_000, &masked(FINAL | CLOSE, b"")),
    ];
    for (code, bytes) in cases {
        let mut harness = Harness::new().await;
        harness.say("before").await;
        harness.send(bytes).await;
        harness.expect(TEXT, "before").await;
        harness.expect_close(code).await;
        timeout(PATIENCE, harness.task).await.unwrap().unwrap();
        assert_eq!(harness.seen.recv().await.unwrap(), "before");
        assert_eq!(harness.seen.recv().await, None, "nothing of it was a message");
    }
}

#[tokio::test]
async fn request_that_is_no_handshake_is_told_so() {
    let mut harness = Harness::fresh(Settings::default()).await;
    harness.send(b"GET /.ws HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\"\n}\n") {
        answer.push(harness.peer.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
    // And can try again.
    harness.send(HANDSHAKE.as_bytes()).await;
    harness.expect_head().await;
    harness.say("hello").await;
    harness.expect(TEXT, "hello").await;
}

#[tokio::test]
async fn answers_to_a_burst_leave_before_they_overflow() {
    let mut harness = Harness::with(Settings { outbox_bytes: 6_000, ..Settings::default() }).await;
    harness.send(&masked(FINAL | TEXT, b"x").repeat(1_000)).await;
    for _ in 0..1_000 {
        harness.expect(TEXT, "x").await;
    }
}

#[tokio::test]
async fn idle_connection_takes_a_small_task() {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let handler = |_| async { Reply::Http(Response::new(Body::empty())) };
    let task = http::serve(socket, handler, CancellationToken::new());
    assert!(size_of_val(&task) < 2_000, "{} bytes", size_of_val(&task));
}

#[tokio::test]
async fn conversation_that_closes_is_heard_out() {
    let mut harness = Harness::new().await;
    harness.say("close").await;
    harness.expect(TEXT, "last words").await;
    harness.expect_close(4_001).await;
}

#[tokio::test]
async fn closed_outbox_is_written_before_the_end() {
    let mut harness = Harness::new().await;
    harness.push("last");
    harness.outbox.close();
    harness.expect(TEXT, "last").await;
    harness.expect_close(1_000).await;
}

#[tokio::test]
async fn stopping_server_says_what_is_queued_and_goodbye() {
    let mut harness = Harness::new().await;
    harness.say("stall").await;
    assert_eq!(harness.seen.recv().await.unwrap(), "stall");
    harness.push("last");
    harness.drain.cancel();
    harness.expect(TEXT, "last").await;
    harness.expect(TEXT, "see you").await;
    harness.expect_close(1_001).await;
    timeout(PATIENCE, harness.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn switch_drains_the_first_outbox_then_the_second() {
    let mut harness = Harness::new().await;
    harness.second.push(message("second of the second"));
    harness.say("switch").await;
    for text in ["last of the first", "first of the second", "second of the second"] {
        harness.expect(TEXT, text).await;
    }
    assert_eq!(harness.push("late"), Push::Closed);
    harness.second.push(message("live"));
    harness.expect(TEXT, "live").await;
    harness.second.close();
    harness.expect_close(1_000).await;
}

#[tokio::test]
async fn stalled_conversation_holds_input_back_but_not_output() {
    let mut harness = Harness::new().await;
    harness.say("stall").await;
    harness.say("later").await;
    for text in ["a", "b"] {
        harness.push(text);
        harness.expect(TEXT, text).await;
    }
    assert_eq!(harness.seen.recv().await.unwrap(), "stall");
    assert!(harness.seen.try_recv().is_err());
}

#[tokio::test]
async fn panic_of_a_conversation_is_its_own_end_only() {
    let mut harness = Harness::new().await;
    harness.say("panic").await;
    harness.expect_end().await;
    assert!(harness.task.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn conversation_hears_of_the_end_of_what_never_began() {
    let (outbox, (seen, _), (ended, over)) = (Outbox::new(1), mpsc::unbounded_channel(), oneshot::channel());
    let script = Script { outbox: Arc::clone(&outbox), second: Outbox::new(1), seen, over: ended };
    drop(Opened::new(Box::new(WebSocket {
        head: Bytes::new(),
        outbox: Arc::clone(&outbox),
        conversation: Box::new(script),
        message_bytes_max: MESSAGE_BYTES_MAX,
        ping_every: LONG,
        silence_max: LONG,
    })));
    timeout(PATIENCE, over).await.unwrap().unwrap();
    assert!(outbox.is_closed());
}

#[tokio::test]
async fn peer_that_vanishes_is_over() {
    let mut harness = Harness::new().await;
    harness.peer.shutdown().await.unwrap();
    harness.expect_end().await;
    let mut harness = Harness::new().await;
    // With a message unread the socket is reset when it is dropped.
    harness.push("unread");
    harness.peer.readable().await.unwrap();
    harness.peer = TcpStream::from_std(unconnected()).unwrap();
    harness.expect_over().await;
}

/// A socket to put in the place of one that is to be dropped.
fn unconnected() -> std::net::TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.into()
}

#[tokio::test]
async fn reader_that_is_too_slow_gets_whole_frames_and_a_goodbye() {
    let mut harness = Harness::with(Settings { outbox_bytes: 1 << 18, ..Settings::default() }).await;
    let pushed = overflow(&harness.outbox).await;
    let mut read = 0;
    loop {
        let (opcode, payload) = harness.frame().await;
        if opcode == CLOSE {
            assert_eq!(payload[..2], 1_013_u16.to_be_bytes());
            break;
        }
        assert!(payload.iter().all(|byte| *byte == b'x'));
        read += 1;
    }
    assert!(read < pushed);
    harness.expect_end().await;
}

#[tokio::test]
async fn reader_that_never_reads_is_cut_off() {
    let ping_every = Duration::from_millis(20);
    let mut harness = Harness::with(Settings { outbox_bytes: 1 << 18, ping_every, ..Settings::default() }).await;
    overflow(&harness.outbox).await;
    harness.expect_over().await;
    timeout(PATIENCE, harness.task).await.unwrap().unwrap();
}

/// Pushes until nothing more goes in, and says how many messages did.
async fn overflow(outbox: &Outbox) -> usize {
    let large = message(&"x".repeat(64 << 10));
    let mut pushed = 0;
    while outbox.push(large.clone()) == Push::Queued {
        pushed += 1;
        tokio::task::yield_now().await;
    }
    pushed
}

#[tokio::test]
async fn message_in_pieces_is_not_interrupted() {
    let mut harness = Harness::with(Settings { ping_every: Duration::from_millis(5), ..Settings::default() }).await;
    let (sender, chunks) = mpsc::channel(1);
    let whole = message("in pieces");
    harness.outbox.push_chunks(chunks);
    harness.push("behind");
    for piece in whole.chunks(4) {
        sender.send(Bytes::copy_from_slice(piece)).await.unwrap();
        harness.send(&masked(FINAL | PING, b"?")).await;
        sleep(Duration::from_millis(10)).await;
    }
    drop(sender);
    harness.expect(TEXT, "in pieces").await;
    harness.expect(TEXT, "behind").await;
    harness.expect(PONG, "?").await;
}

#[tokio::test]
async fn flood_of_pings_leaves_the_newest_to_answer() {
    let mut harness = Harness::new().await;
    harness.push(&"x".repeat(LARGE));
    for n in 0..20_000 {
        harness.send(&masked(FINAL | PING, format!("{n}").as_bytes())).await;
    }
    harness.say("end").await;
    assert_eq!(harness.seen.recv().await.unwrap(), "end");
    assert_eq!(harness.frame().await.1.len(), LARGE);
    harness.expect(PONG, "19999").await;
    harness.expect(TEXT, "end").await;
}

const SOON: Duration = Duration::from_millis(25);
const LATER: Duration = Duration::from_secs(1);

async fn asking(ping_every: Duration, silence_max: Duration) -> (Harness, Instant) {
    (Harness::with(Settings { ping_every, silence_max, ..Settings::default() }).await, Instant::now())
}

#[tokio::test]
async fn silent_peer_is_asked_and_then_given_up() {
    let (mut harness, start) = asking(SOON, 2 * SOON).await;
    harness.expect(PING, "").await;
    harness.expect_end().await;
    assert!(start.elapsed() >= 2 * SOON);
}

#[tokio::test]
async fn peer_is_asked_before_it_is_given_up() {
    let (mut harness, start) = asking(2 * SOON, SOON).await;
    harness.expect(PING, "").await;
    harness.expect_end().await;
    assert!(start.elapsed() >= 4 * SOON);
}

#[tokio::test]
async fn peer_that_answers_pings_stays() {
    let (mut harness, start) = asking(SOON, LATER).await;
    while start.elapsed() < 2 * LATER {
        harness.expect(PING, "").await;
        harness.send(&masked(FINAL | PONG, b"")).await;
    }
}

#[tokio::test]
async fn peer_that_talks_is_not_asked() {
    let (mut harness, start) = asking(LATER, LONG).await;
    while start.elapsed() < 2 * LATER {
        harness.say("hello").await;
        harness.expect(TEXT, "hello").await;
        sleep(SOON).await;
    }
    harness.expect(PING, "").await;
}

#[tokio::test]
async fn silence_while_a_conversation_is_stalled_is_not_the_peers() {
    let (mut harness, _) = asking(SOON, 2 * SOON).await;
    harness.say("stall").await;
    sleep(8 * SOON).await;
    harness.push("still there");
    harness.expect(TEXT, "still there").await;
}

#[tokio::test]
async fn silence_while_a_producer_has_nothing_ready_is_not_the_peers() {
    let (mut harness, _) = asking(SOON, 2 * SOON).await;
    let (sender, chunks) = mpsc::channel(1);
    harness.outbox.push_chunks(chunks);
    sleep(8 * SOON).await;
    sender.send(message("at last")).await.unwrap();
    drop(sender);
    harness.expect(TEXT, "at last").await;
}

#[tokio::test]
async fn silent_peer_that_takes_bytes_slowly_stays() {
    let (mut harness, start) = asking(SOON, LATER).await;
    harness.push(&"x".repeat(2 * LARGE));
    let mut read = vec![0; 2 * LARGE + 10];
    for piece in read.chunks_mut(1 << 20) {
        sleep(3 * SOON).await;
        harness.peer.read_exact(piece).await.unwrap();
    }
    assert!(start.elapsed() > 2 * LATER);
}

#[tokio::test]
async fn peer_that_takes_nothing_is_given_up() {
    let (mut harness, _) = asking(SOON, 2 * SOON).await;
    harness.push(&"x".repeat(LARGE));
    harness.expect_over().await;
}

#[tokio::test]
async fn half_a_message_is_not_waited_for_without_end() {
    let (mut harness, _) = asking(SOON, 16 * SOON).await;
    let limit = 16 * SOON * MESSAGE_SILENCES_MAX;
    // Each in time, though together they take longer.
    for _ in 0..2 {
        harness.send(&masked(TEXT, b"half")).await;
        harness.stay_awake(limit * 5 / 8).await;
        harness.send(&masked(FINAL, b" whole")).await;
        assert_eq!(harness.seen.recv().await.unwrap(), "half whole");
    }
    let start = Instant::now();
    harness.send(&masked(TEXT, b"half")).await;
    let refusal = harness.stay_awake(LONG).await.unwrap();
    assert_eq!(refusal[..2], 1_008_u16.to_be_bytes());
    assert!(start.elapsed() >= limit);
    harness.expect_over().await;
}

/// Texts that arrived, and the close code that the peer was given; `None`: nothing was said, the input just ended.
type Outcome = (Vec<String>, Option<u16>);

/// What the library alone makes of `bytes` when it gets them at once: the judge of what comes of them in pieces, with a
/// library that is thrown away and made anew in between.
async fn verdict(bytes: &[u8], message_bytes_max: usize) -> Outcome {
    let limits = Limits::default().max_payload_len(Some(message_bytes_max));
    let mut library = ServerBuilder::new().limits(limits).serve(tokio::io::join(bytes, Vec::new()));
    let mut texts = Vec::new();
    loop {
        match library.next().await {
            Some(Ok(message)) if message.is_text() => texts.push(message.as_text().unwrap().to_owned()),
            Some(Ok(message)) if message.is_binary() => return (texts, Some(1_003)),
            Some(Ok(_)) => {}
            // It says no goodbye where only the fragments together are too much.
            Some(Err(Error::PayloadTooLong { .. })) => return (texts, Some(1_009)),
            Some(Err(_)) | None => break,
        }
    }
    // Has it write the goodbye.
    assert!(library.next().await.is_none());
    let written = library.get_ref().writer();
    let goodbye = frame::split(written).find(|(opcode, _)| *opcode == CLOSE);
    let code = goodbye.map(|(_, payload)| payload.first_chunk().map_or(1_000, |code| u16::from_be_bytes(*code)));
    (texts, code)
}

/// What a connection makes of `bytes`, cut into `pieces`.
async fn outcome(bytes: &[u8], cuts: &[usize], message_bytes_max: usize) -> Outcome {
    let mut harness = Harness::with(Settings { message_bytes_max, ..Settings::default() }).await;
    let mut from = 0;
    for to in cuts.iter().copied().chain([bytes.len()]) {
        // In vain once the server has closed.
        let _ = harness.peer.write_all(&bytes[from..to]).await;
        tokio::task::yield_now().await;
        from = to;
    }
    let _ = harness.peer.shutdown().await;
    let mut answers = Vec::new();
    let _ = timeout(PATIENCE, harness.peer.read_to_end(&mut answers)).await.unwrap();
    harness.expect_over().await;
    timeout(PATIENCE, harness.task).await.unwrap().unwrap();
    let mut texts = Vec::new();
    while let Ok(text) = harness.seen.try_recv() {
        texts.push(text);
    }
    let code = frame::split(&answers).find(|(opcode, _)| *opcode == CLOSE);
    (texts, code.map(|(_, payload)| u16::from_be_bytes([payload[0], payload[1]])))
}

/// A client's bytes: mostly whole messages, sometimes what no client may send.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let text = "x[a-zé🦊]{0,100}".prop_map(String::into_bytes);
    let whole = text.clone().prop_map(|text| masked(FINAL | TEXT, &text));
    let fragments = prop::collection::vec((text.clone(), any::<bool>()), 2..5).prop_map(|parts| {
        let last = parts.len() - 1;
        let frames = parts.into_iter().enumerate().flat_map(|(index, (text, has_ping))| {
            let opcode = if index == 0 { TEXT } else { CONTINUATION };
            let ping = if has_ping { masked(FINAL | PING, b"!") } else { Vec::new() };
            [masked(if index == last { FINAL | opcode } else { opcode }, &text), ping].concat()
        });
        frames.collect()
    });
    let control = prop::sample::select(vec![PING, PONG]).prop_map(|opcode| masked(FINAL | opcode, b"?"));
    let any_frame = (any::<u8>(), text).prop_map(|(first, text)| masked(first, &text));
    let garbage = prop::collection::vec(any::<u8>(), 0..20);
    let part = prop_oneof![8 => whole, 6 => fragments, 3 => control, 1 => any_frame, 1 => garbage];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_input_in_any_pieces_comes_out_as_the_library_judges_it(
        bytes in input(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        message_bytes_max in prop_oneof![Just(300_usize), Just(100_000)],
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (came, expected) = runtime.block_on(async {
            (outcome(&bytes, &cuts, message_bytes_max).await, verdict(&bytes, message_bytes_max).await)
        });
        prop_assert_eq!(came, expected);
    }
}
