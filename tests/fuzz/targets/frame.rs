//! A client's WebSocket bytes through a real connection: handshake, and what comes behind it, in any pieces.
//!
//! The first bytes of the input say how the rest is cut. Of it come the messages that the library alone makes of the
//! same bytes, read at once; what is answered is the head, and then whole frames.

#![no_main]

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beaconfire::transport::{BoxFuture, Conversation, Next, Outbox, Reply, WebSocket, accept, frame, http};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, join, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tokio_websockets::{Limits, ServerBuilder};

const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const MESSAGE_BYTES_MAX: usize = 1_000;
const PIECES_MAX: usize = 30;

struct Bench {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::new());
}

fuzz_target!(|data: &[u8]| BENCH.with_borrow(|bench| bench.runtime.block_on(bench.run(data))));

impl Bench {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        Self { runtime, listener, address }
    }

    async fn run(&self, data: &[u8]) {
        let [early, size, bytes @ ..] = data else { return };
        let texts = Texts::default();
        let (client, server) = tokio::join!(TcpStream::connect(self.address), self.listener.accept());
        let serving = http::serve(server.expect("a connection").0, texts.handler(), CancellationToken::new());
        let (_, answer) = tokio::join!(serving, speak(client.expect("a connection"), bytes, *early, *size));
        let came = texts.0.lock().expect("no panic").clone();
        assert_eq!(came, read_alone(bytes).await);
        check_answer(&answer, &came);
    }
}

/// Sends the bytes in pieces; gives all that is answered.
async fn speak(mut client: TcpStream, bytes: &[u8], early: u8, size: u8) -> Vec<u8> {
    client.set_nodelay(true).expect("an option of TCP");
    let (first, rest) = bytes.split_at(bytes.len().min(early.into()));
    let pieces = rest.chunks((usize::from(size) * 4).max(bytes.len() / PIECES_MAX) + 1);
    for piece in [&[HANDSHAKE, first].concat()[..]].into_iter().chain(pieces) {
        if client.write_all(piece).await.is_err() {
            break;
        }
        for _ in 0..8 {
            yield_now().await;
        }
    }
    let _ = client.shutdown().await;
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    answer
}

/// The texts that the library makes of these bytes before the first that is no message.
async fn read_alone(bytes: &[u8]) -> Vec<Bytes> {
    let limits = Limits::default().max_payload_len(Some(MESSAGE_BYTES_MAX));
    let mut reader = ServerBuilder::new().limits(limits).serve(join(bytes, sink()));
    let mut texts = Vec::new();
    while let Some(Ok(message)) = reader.next().await {
        if message.is_text() {
            // The library misses a character that is cut off where the last fragment is empty.
            if std::str::from_utf8(message.as_payload()).is_err() {
                break;
            }
            texts.push(message.into_payload().into());
        } else if !message.is_ping() && !message.is_pong() {
            break;
        }
    }
    texts
}

fn check_answer(answer: &[u8], texts: &[Bytes]) {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    let (head, frames) = answer.split_at(head);
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    let head_bytes = |payload: &[u8]| if payload.len() < 126 { 2 } else { 4 };
    let whole: usize = frame::split(frames).map(|(_, payload)| head_bytes(payload) + payload.len()).sum();
    assert_eq!(whole, frames.len(), "only whole frames");
    let echoed: Vec<_> = frame::split(frames).filter(|(opcode, _)| *opcode == frame::TEXT).collect();
    assert!(echoed.len() <= texts.len() && echoed.iter().zip(texts).all(|((_, echo), text)| echo == text));
    let closes = frame::split(frames).filter(|(opcode, _)| *opcode == frame::CLOSE).count();
    assert!(closes <= 1);
}

/// Answers every text with itself.
#[derive(Clone, Default)]
struct Texts(Arc<Mutex<Vec<Bytes>>>);

impl Texts {
    fn handler(&self) -> impl Fn(hyper::Request<hyper::body::Incoming>) -> std::future::Ready<Reply> + Send + use<> {
        let texts = self.clone();
        move |request| {
            let outbox = Outbox::new(1 << 20);
            let websocket = WebSocket {
                head: accept(&request).expect("a handshake"),
                outbox: Arc::clone(&outbox),
                conversation: Box::new(Echo { texts: texts.clone(), outbox }),
                message_bytes_max: MESSAGE_BYTES_MAX,
                ping_every: Duration::from_secs(60),
                silence_max: Duration::from_secs(120),
            };
            std::future::ready(Reply::WebSocket(Box::new(websocket)))
        }
    }
}

struct Echo {
    texts: Texts,
    outbox: Arc<Outbox>,
}

impl Conversation for Echo {
    fn text(&mut self, text: Bytes) -> BoxFuture<'_, Next> {
        assert!(std::str::from_utf8(&text).is_ok() && text.len() <= MESSAGE_BYTES_MAX);
        let mut echo = Vec::new();
        frame::push_text(&mut echo, &text);
        let _ = self.outbox.push(echo.into());
        self.texts.0.lock().expect("no panic").push(text);
        Box::pin(async { Next::Go })
    }

    fn over(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}
