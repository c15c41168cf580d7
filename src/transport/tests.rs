//! Connections on real sockets: takeover by streams, draining, slow and vanishing peers.

use std::any::Any;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;

const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
/// More than the kernel takes at once.
const LARGE: usize = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// A server for one connection whose `/stream` is a stream; all else echoes its body.
struct Harness {
    peer: TcpStream,
    task: JoinHandle<()>,
    drain: CancellationToken,
    stream: Arc<Streamed>,
    started: Option<oneshot::Receiver<()>>,
}

struct Streamed {
    outbox: Arc<Outbox>,
    keep_alive: Duration,
    overflows: AtomicUsize,
    /// Answers when the guard of the stream is dropped.
    over: Mutex<Option<oneshot::Sender<()>>>,
    over_seen: tokio::sync::Mutex<oneshot::Receiver<()>>,
}

impl Harness {
    async fn new() -> Self {
        Self::with(1 << 20, Duration::from_secs(30)).await
    }

    async fn with(outbox_bytes: usize, keep_alive: Duration) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let (over, over_seen) = oneshot::channel();
        let stream = Arc::new(Streamed {
            outbox: Outbox::new(outbox_bytes),
            keep_alive,
            overflows: AtomicUsize::new(0),
            over: Mutex::new(Some(over)),
            over_seen: tokio::sync::Mutex::new(over_seen),
        });
        let (begun, started) = oneshot::channel();
        let begun = Arc::new(Mutex::new(Some(begun)));
        let (drain, streamed) = (CancellationToken::new(), Arc::clone(&stream));
        let handler = move |request| {
            let (streamed, begun) = (Arc::clone(&streamed), begun.lock().unwrap().take());
            async move { answer(request, &streamed, begun).await }
        };
        let task = tokio::spawn(http::serve(socket, handler, drain.clone()));
        Self { peer, task, drain, stream, started: Some(started) }
    }

    async fn send(&mut self, text: &str) {
        self.peer.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads exactly what is expected.
    async fn expect(&mut self, text: &str) {
        let mut read = vec![0; text.len()];
        timeout(PATIENCE, self.peer.read_exact(&mut read)).await.expect(text).expect(text);
        assert_eq!(String::from_utf8_lossy(&read), text);
    }

    /// Reads until `end` has come.
    async fn read_until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            read.push(timeout(PATIENCE, self.peer.read_u8()).await.expect(end).expect(end));
        }
        String::from_utf8(read).unwrap()
    }

    async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.peer.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }

    async fn stream_is_over(&self) {
        timeout(PATIENCE, &mut *self.stream.over_seen.lock().await).await.unwrap().unwrap();
    }

    fn push(&self, text: &'static str) -> Push {
        self.stream.outbox.push(Bytes::from_static(text.as_bytes()))
    }
}

async fn answer(request: Request<Incoming>, streamed: &Arc<Streamed>, begun: Option<oneshot::Sender<()>>) -> Reply {
    if let Some(begun) = begun {
        let _ = begun.send(());
    }
    match request.uri().path() {
        "/stream" => Reply::Stream(Box::new(event_stream(streamed))),
        // Held until the stream's outbox has something to say.
        "/held" => {
            let held = event_stream(streamed);
            Reply::Held(Box::pin(async move {
                let mut items = VecDeque::new();
                poll_fn(|context| held.outbox.poll_drain(context, &mut items)).await;
                Response::new(Body::full("said"))
            }))
        }
        "/large" => Response::new(Body::full(vec![b'x'; LARGE])).into(),
        _ => {
            let (head, body) = request.into_parts();
            match read_body(&head.headers, body, 100).await {
                Ok(body) => Response::new(Body::full(body)).into(),
                Err(error) => {
                    let mut response = Response::new(Body::full(error.to_string()));
                    *response.status_mut() = StatusCode::from_u16(error.status()).unwrap();
                    response.into()
                }
            }
        }
    }
}

fn event_stream(streamed: &Arc<Streamed>) -> EventStream {
    struct Over(Option<oneshot::Sender<()>>);
    impl Drop for Over {
        fn drop(&mut self) {
            let _ = self.0.take().map(|over| over.send(()));
        }
    }
    let guard: Box<dyn Any + Send> = Box::new(Over(streamed.over.lock().unwrap().take()));
    let again = Arc::clone(streamed);
    EventStream {
        head: Bytes::from_static(HEAD.as_bytes()),
        outbox: Arc::clone(&streamed.outbox),
        keep_alive: (streamed.keep_alive, Bytes::from_static(b"alive\n")),
        guard,
        on_overflow: Box::new(move || {
            again.overflows.fetch_add(1, Ordering::SeqCst);
            again.outbox.reopen();
            again.outbox.push(Bytes::from_static(b"fresh\n"));
        }),
    }
}

#[tokio::test]
async fn stream_takes_the_connection_over_after_pipelined_answers() {
    let mut harness = Harness::new().await;
    let post = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    harness.send(&format!("{post}{post}GET /stream HTTP/1.1\r\nHost: x\r\n\r\nignored")).await;
    for _ in 0..2 {
        assert!(harness.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
        harness.expect("hello").await;
    }
    harness.expect(HEAD).await;
    harness.push("one\n");
    harness.push("two\n");
    harness.expect("one\ntwo\n").await;
    harness.stream.outbox.close();
    harness.expect_end().await;
    harness.stream_is_over().await;
}

#[tokio::test]
async fn stream_waits_until_a_large_answer_before_it_is_written() {
    let mut harness = Harness::new().await;
    harness.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\nGET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await;
    harness.push("one\n");
    harness.read_until("\r\n\r\n").await;
    let mut body = vec![0; LARGE];
    timeout(PATIENCE, harness.peer.read_exact(&mut body)).await.unwrap().unwrap();
    assert!(body.iter().all(|byte| *byte == b'x'));
    harness.expect(HEAD).await;
    harness.expect("one\n").await;
}

#[tokio::test]
async fn stream_for_an_old_client_is_the_same() {
    let mut harness = Harness::new().await;
    harness.send("GET /stream HTTP/1.0\r\n\r\n").await;
    harness.expect(HEAD).await;
    harness.push("one\n");
    harness.expect("one\n").await;
}

#[tokio::test]
async fn stream_whose_peer_closes_is_over() {
    let mut harness = Harness::new().await;
    harness.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await;
    harness.expect(HEAD).await;
    harness.peer.shutdown().await.unwrap();
    harness.stream_is_over().await;
    assert_eq!(harness.push("late"), Push::Closed);
    timeout(PATIENCE, harness.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn stream_in_silence_says_that_it_is_alive() {
    let mut harness = Harness::with(1 << 20, Duration::from_millis(20)).await;
    harness.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await;
    harness.expect(HEAD).await;
    harness.expect("alive\nalive\n").await;
}

#[tokio::test]
async fn stream_writes_a_message_in_pieces_before_what_is_behind_it() {
    let mut harness = Harness::new().await;
    harness.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (sender, chunks) = mpsc::channel(1);
    harness.push("first\n");
    harness.stream.outbox.push_chunks(chunks);
    harness.push("last\n");
    for piece in ["a", "b", "c\n"] {
        sender.send(Bytes::from_static(piece.as_bytes())).await.unwrap();
    }
    drop(sender);
    harness.expect(HEAD).await;
    harness.expect("first\nabc\nlast\n").await;
}

#[tokio::test]
async fn stream_whose_producer_fails_is_broken_off() {
    let mut harness = Harness::new().await;
    harness.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (sender, chunks) = mpsc::channel(2);
    harness.stream.outbox.push_chunks(chunks);
    harness.push("never\n");
    sender.send(Bytes::from_static(b"half")).await.unwrap();
    sender.send(Bytes::new()).await.unwrap();
    harness.expect(HEAD).await;
    harness.expect("half").await;
    harness.expect_end().await;
}

#[tokio::test]
async fn slow_reader_gets_what_was_taken_and_then_a_fresh_start() {
    const MESSAGE: usize = 64 * 1_024;
    let mut harness = Harness::with(4 * MESSAGE, Duration::from_secs(30)).await;
    harness.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await;
    harness.expect(HEAD).await;
    // Nobody reads: the kernel's buffers fill, then the outbox.
    let message = Bytes::from(format!("{}\n", "x".repeat(MESSAGE - 1)));
    let mut pushed = 0;
    while harness.stream.outbox.push(message.clone()) != Push::Overflowed {
        pushed += 1;
        tokio::task::yield_now().await;
    }
    let mut text = Vec::new();
    while !text.ends_with(b"fresh\n") {
        assert!(timeout(PATIENCE, harness.peer.read_buf(&mut text)).await.unwrap().unwrap() > 0);
    }
    let whole = text.strip_suffix(b"fresh\n").unwrap();
    assert!(whole.len().is_multiple_of(MESSAGE), "no message is cut");
    assert!(whole.len() / MESSAGE <= pushed);
    assert_eq!(harness.stream.overflows.load(Ordering::SeqCst), 1);
    harness.push("next\n");
    harness.expect("next\n").await;
}

#[tokio::test]
async fn body_is_asked_for_and_bounded() {
    let mut harness = Harness::new().await;
    harness.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n").await;
    harness.expect("HTTP/1.1 100 Continue\r\n\r\n").await;
    harness.send("ab").await;
    harness.read_until("\r\n\r\n").await;
    harness.expect("ab").await;
    // Refused for what it says, and the refusal can be read although most of the body was never sent.
    harness.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101000\r\n\r\nxxx").await;
    assert!(harness.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 413 "));
    harness.expect("Payload is too large").await;
}

#[tokio::test]
async fn chunked_body_beyond_the_bound_is_refused_while_it_comes() {
    let mut harness = Harness::new().await;
    harness.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let chunk = format!("40\r\n{}\r\n", "x".repeat(64));
    // More than the server reads: the peer is still writing when it is refused, and must be able to read why.
    for _ in 0..2_000 {
        if harness.peer.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert!(harness.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 413 "));
    harness.expect("Payload is too large").await;
}

#[tokio::test]
async fn half_closed_peer_is_answered() {
    let mut harness = Harness::new().await;
    harness.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab").await;
    harness.peer.shutdown().await.unwrap();
    harness.read_until("\r\n\r\n").await;
    harness.expect("ab").await;
    harness.expect_end().await;
}

#[tokio::test]
async fn peer_that_closes_gives_up_an_answer_that_is_held() {
    let mut harness = Harness::new().await;
    harness.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n").await;
    harness.started.take().unwrap().await.unwrap();
    harness.peer.shutdown().await.unwrap();
    harness.stream_is_over().await;
    harness.expect_end().await;
    timeout(PATIENCE, harness.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn answer_that_is_held_comes_and_the_connection_goes_on() {
    let mut harness = Harness::new().await;
    harness.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n").await;
    harness.started.take().unwrap().await.unwrap();
    harness.push("now");
    harness.read_until("\r\n\r\n").await;
    harness.expect("said").await;
    harness.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab").await;
    harness.read_until("\r\n\r\n").await;
    harness.expect("ab").await;
}

#[tokio::test]
async fn head_beyond_the_bound_is_refused() {
    let mut harness = Harness::new().await;
    let line = format!("x-filler: {}\r\n", "x".repeat(1_000));
    harness.send(&format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", line.repeat(60))).await;
    assert!(harness.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200 "), "60 KB are fine");
    harness.send(&format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", line.repeat(70))).await;
    assert!(harness.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 431 "), "70 KB are not");
}

#[tokio::test]
async fn drain_closes_an_idle_connection_and_a_fresh_one() {
    for uses in [0, 1] {
        let mut harness = Harness::new().await;
        for _ in 0..uses {
            harness.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            harness.read_until("\r\n\r\n").await;
        }
        harness.drain.cancel();
        harness.expect_end().await;
        timeout(PATIENCE, harness.task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn drain_lets_a_running_request_finish() {
    let mut harness = Harness::new().await;
    harness.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab").await;
    harness.started.take().unwrap().await.unwrap();
    harness.drain.cancel();
    harness.send("cd").await;
    let head = harness.read_until("\r\n\r\n").await;
    assert!(head.contains("connection: close\r\n"), "{head}");
    harness.expect("abcd").await;
    harness.expect_end().await;
}

#[tokio::test]
async fn drain_ends_a_stream_at_once() {
    let mut harness = Harness::new().await;
    harness.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await;
    harness.expect(HEAD).await;
    harness.drain.cancel();
    harness.expect_end().await;
    harness.stream_is_over().await;
}

#[tokio::test]
async fn abandoned_outbox_wakes_no_one_and_keeps_nothing() {
    let outbox = Outbox::new(100);
    outbox.push(Bytes::from_static(b"x"));
    outbox.abandon();
    let mut taken = VecDeque::new();
    assert_eq!(poll_fn(|context| outbox.poll_drain(context, &mut taken)).await, Drained::Closed);
    assert!(taken.is_empty());
}
