//! A client of the realtime protocol that is told every word: what it says and must hear stands in the test as text.
//!
//! ```ignore
//! let mut client = Realtime::connect(server.address(), "foo");
//! client.play(r#"
//!     C> {"r":1,"a":"q","b":{"p":"/a","h":""}}
//!     S> {"r":1,"b":{"s":"ok","d":{}}}
//! "#);
//! ```
//!
//! Frames are another implementation's (tokio-websockets). Nothing sleeps; every wait has a deadline.

#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::SinkExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_websockets::{ClientBuilder, Limits, Message, WebSocketStream};

/// How long to wait for a message that must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Realtime {
    runtime: Runtime,
    socket: WebSocketStream<TcpStream>,
    pub hello: Value,
    /// Code and reason of the close frame, once it came.
    pub closed: Option<(u16, String)>,
}

impl Realtime {
    /// A client of the database `namespace` that has read its hello.
    pub fn connect(address: SocketAddr, namespace: &str) -> Self {
        Self::connect_at(address, &address.to_string(), &format!("/.ws?v=5&ns={namespace}"))
    }

    /// With a `Host` header and a target of its own.
    pub fn connect_at(address: SocketAddr, host: &str, target: &str) -> Self {
        let mut client = Self::open(address, host, target);
        let hello: Value = serde_json::from_str(&client.expect()).unwrap();
        assert_eq!((&hello["t"], &hello["d"]["t"]), (&"c".into(), &"h".into()), "{hello}");
        client.hello = hello["d"]["d"].clone();
        client
    }

    /// Nothing is read yet.
    pub fn open(address: SocketAddr, host: &str, target: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let uri = format!("ws://{host}{target}");
        let socket = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let limits = Limits::default().max_payload_len(None);
            let builder = ClientBuilder::new().uri(&uri).unwrap().limits(limits);
            let (socket, response) = timeout(PATIENCE, builder.connect_on(stream)).await.unwrap().unwrap();
            assert_eq!(response.status().as_u16(), 101);
            socket
        });
        Self { runtime, socket, hello: Value::Null, closed: None }
    }

    /// The id of its session.
    pub fn id(&self) -> &str {
        self.hello["s"].as_str().unwrap()
    }

    /// Sends one WebSocket text, whatever it is.
    pub fn send(&mut self, text: &str) {
        self.send_message(Message::text(text.to_owned()));
    }

    pub fn send_message(&mut self, message: Message) {
        let sent = self.runtime.block_on(async { timeout(PATIENCE, self.socket.send(message)).await.unwrap() });
        sent.unwrap_or_else(|error| panic!("the connection is gone: {error}"));
    }

    /// Sends a request, in segments as the SDKs do it.
    pub fn request(&mut self, number: u64, action: &str, body: &str) {
        let text = format!(r#"{{"t":"d","d":{{"r":{number},"a":"{action}","b":{body}}}}}"#);
        for part in segments(&text) {
            self.send(&part);
        }
    }

    /// The next WebSocket message, pings included; `None` once the connection is closed.
    pub fn next_message(&mut self) -> Option<Message> {
        let next = self.runtime.block_on(async { timeout(PATIENCE, self.socket.next()).await });
        let message = next.unwrap_or_else(|_| panic!("nothing came in {PATIENCE:?}"))?.ok()?;
        if let Some((code, reason)) = message.as_close() {
            self.closed = Some((code.into(), reason.to_owned()));
        }
        Some(message)
    }

    /// The next text; `None` once the connection is closed.
    pub fn next_text(&mut self) -> Option<String> {
        loop {
            let message = self.next_message()?;
            if let Some(text) = message.as_text() {
                return Some(text.to_owned());
            }
        }
    }

    /// The next text with its segments put together.
    pub fn next(&mut self) -> Option<String> {
        let text = self.next_text()?;
        let Ok(count) = text.parse::<usize>() else { return Some(text) };
        (0..count).map(|_| self.next_text()).collect::<Option<Vec<_>>>().map(|parts| parts.concat())
    }

    /// The next message, which must come.
    pub fn expect(&mut self) -> String {
        self.next().unwrap_or_else(|| panic!("the connection is closed: {:?}", self.closed))
    }

    /// What the next data message carries.
    pub fn expect_data(&mut self) -> Value {
        let mut message: Value = serde_json::from_str(&self.expect()).unwrap();
        assert_eq!(message["t"], "d", "{message}");
        message["d"].take()
    }

    /// Waits until the connection is closed, and gives what came before.
    pub fn until_closed(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Asks, and gives the answer; pushes before it are returned too, in order.
    pub fn ask(&mut self, number: u64, action: &str, body: &str) -> (Vec<Value>, Value) {
        self.request(number, action, body);
        let mut pushes = Vec::new();
        loop {
            let mut data = self.expect_data();
            if data["r"] == number {
                return (pushes, data["b"].take());
            }
            assert!(data.get("r").is_none(), "an answer out of turn: {data}");
            pushes.push(data);
        }
    }

    /// Asks for what must be done without a push.
    pub fn done(&mut self, number: u64, action: &str, body: &str) {
        let (pushes, answer) = self.ask(number, action, body);
        assert_eq!((pushes.as_slice(), &answer["s"]), (&[][..], &"ok".into()), "{action} {body}: {answer}");
    }

    /// Plays a script: `C>` is said, `S>` must be heard next, letter by letter. Both stand for what `{"t":"d","d":..}`
    /// carries. What follows two spaces behind the text, and lines of another kind, are remarks.
    #[track_caller]
    pub fn play(&mut self, script: &str) {
        let mut expected = VecDeque::new();
        for line in script.lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("C> ") {
                self.hear(&mut expected);
                self.send(&wrapped(text));
            } else if let Some(text) = line.strip_prefix("S> ") {
                expected.push_back(wrapped(text));
            }
        }
        self.hear(&mut expected);
        // An echo is answered behind everything that was caused before: what comes first was too much.
        self.send(r#"{"t":"d","d":{"r":987654321,"a":"echo","b":{}}}"#);
        assert_eq!(self.expect(), r#"{"t":"d","d":{"r":987654321,"b":{"s":"ok","d":null}}}"#, "more than the script");
    }

    #[track_caller]
    fn hear(&mut self, expected: &mut VecDeque<String>) {
        for text in expected.drain(..) {
            assert_eq!(self.expect(), text);
        }
    }

    /// Closes the connection as SDKs do.
    pub fn close(&mut self) {
        let _ = self.runtime.block_on(async { timeout(PATIENCE, self.socket.close()).await });
        self.until_closed();
    }

    /// The bare socket below.
    pub fn socket(&self) -> &TcpStream {
        self.socket.get_ref()
    }
}

fn wrapped(text: &str) -> String {
    let text = text.split("  ").next().unwrap().trim_end();
    format!(r#"{{"t":"d","d":{text}}}"#)
}

/// The texts of one message: itself, or a count and segments of at most 16384 UTF-16 units, as SDKs cut them.
pub fn segments(text: &str) -> Vec<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    if units.len() <= 16_384 {
        return vec![text.to_owned()];
    }
    let parts: Vec<String> = units.chunks(16_384).map(String::from_utf16_lossy).collect();
    [vec![parts.len().to_string()], parts].concat()
}
