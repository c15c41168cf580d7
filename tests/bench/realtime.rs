//! A client of the realtime protocol, as far as the bench speaks it: hello, stats, listen, set.
//!
//! It tells answers from pushes by how they begin, and parses nothing. Both orders of keys are known: that of the
//! hosted service, and that of `firebase-server`, which also says before each message in how many pieces it comes.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::measure::Load;
use crate::server_process::{cpu_since, cpu_time};
use crate::websocket::{WebSocket, push_text};

/// Where it is spoken; the namespace is that of plain requests to `localhost`.
const TARGET: &str = "/.ws?v=5";

/// One client on its own connection.
pub struct Realtime {
    web_socket: WebSocket,
    /// The number of the last request.
    requests: usize,
    /// A message that came in pieces.
    joined: Vec<u8>,
    frame: Vec<u8>,
}

/// What the server says.
pub enum Said<'a> {
    /// To the request of this number.
    Answer(usize),
    /// Of a listen; the whole text.
    Push(&'a str),
}

impl Realtime {
    /// Connects, waits for the hello and says what an SDK says first.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let mut new = Self::new(WebSocket::connect(address, TARGET).await?);
        let hello = new.message().await?;
        if !hello.contains(r#""t":"h""#) {
            return Err(io::Error::other(format!("no hello: {hello}")));
        }
        new.ask("s", r#""c":{"sdk.js.12-19-0":1}"#).await?;
        Ok(new)
    }

    /// For floors, which answer and push, but want no handshake.
    pub fn on_floor(socket: TcpStream) -> io::Result<Self> {
        Ok(Self::new(WebSocket::without_handshake(socket)?))
    }

    fn new(web_socket: WebSocket) -> Self {
        Self { web_socket, requests: 0, joined: Vec::new(), frame: Vec::new() }
    }

    /// Listens and waits for the answer, with which all initial data has come. `query` is what follows the path.
    pub async fn listen(&mut self, path: &str, query: &str) -> io::Result<()> {
        let number = self.ask("q", &format!(r#""p":"{path}"{query},"h":"""#)).await?;
        self.answered(number).await
    }

    /// Sets and waits for the answer.
    pub async fn set(&mut self, path: &str, json: &str) -> io::Result<()> {
        let number = self.send_set(path, json).await?;
        self.answered(number).await
    }

    /// Sets; gives the number that the answer will have.
    pub async fn send_set(&mut self, path: &str, json: &str) -> io::Result<usize> {
        self.ask("p", &format!(r#""p":"{path}","d":{json}"#)).await
    }

    /// Many at once, in one system call.
    pub async fn send_sets(&mut self, sets: impl Iterator<Item = (String, String)>) -> io::Result<usize> {
        self.frame.clear();
        for (path, json) in sets {
            self.push_request("p", &format!(r#""p":"{path}","d":{json}"#));
        }
        self.web_socket.socket.write_all(&self.frame).await?;
        Ok(self.requests)
    }

    /// Waits for an answer, whatever comes before it.
    pub async fn answered(&mut self, number: usize) -> io::Result<()> {
        while !matches!(self.next().await?, Said::Answer(answered) if answered == number) {}
        Ok(())
    }

    /// The next answer or push.
    pub async fn next(&mut self) -> io::Result<Said<'_>> {
        let text = self.message().await?;
        // A floor sends back what it was told: that is a push, though it begins as an answer does.
        let of_answer = |start: &str| {
            let (number, status) = text.strip_prefix(start)?.split_once(r#","b":{"s":""#)?;
            Some((number.parse().ok()?, status.starts_with("ok\"")))
        };
        match of_answer(r#"{"t":"d","d":{"r":"#).or_else(|| of_answer(r#"{"d":{"r":"#)) {
            Some((number, true)) => Ok(Said::Answer(number)),
            Some((_, false)) => Err(io::Error::other(format!("refused: {text}"))),
            None => Ok(Said::Push(text)),
        }
    }

    /// Reads, and answers pings, until the connection ends.
    pub async fn stay(mut self) {
        while self.web_socket.next().await.is_ok() {}
    }

    /// The socket, for a reader of its own.
    pub fn into_socket(self) -> TcpStream {
        self.web_socket.into_socket()
    }

    async fn ask(&mut self, action: &str, body: &str) -> io::Result<usize> {
        self.frame.clear();
        self.push_request(action, body);
        self.web_socket.socket.write_all(&self.frame).await?;
        Ok(self.requests)
    }

    fn push_request(&mut self, action: &str, body: &str) {
        self.requests += 1;
        let text = format!(r#"{{"t":"d","d":{{"r":{},"a":"{action}","b":{{{body}}}}}}}"#, self.requests);
        push_text(text.as_bytes(), &mut self.frame);
    }

    /// The next message, put together from its pieces.
    async fn message(&mut self) -> io::Result<&str> {
        self.joined.clear();
        let mut pieces = 1;
        while pieces > 0 {
            let text = self.web_socket.next().await?;
            let count = if self.joined.is_empty() && text.len() <= 6 { count(text) } else { None };
            if let Some(count) = count {
                pieces = count;
            } else {
                self.joined.extend(text);
                pieces -= 1;
            }
        }
        std::str::from_utf8(&self.joined).map_err(io::Error::other)
    }
}

fn count(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Each client sends its next set when one of the `under_way` before it is answered.
///
/// `next` gives path and value, from the number of the client and of the set.
pub async fn closed_loop(
    process: u32,
    clients: Vec<Realtime>,
    under_way: usize,
    time: Duration,
    next: fn(usize, usize) -> (String, String),
) -> Load {
    let (start, cpu_start) = (Instant::now(), cpu_time(process));
    let mut tasks = JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            let mut asked = VecDeque::from(vec![Instant::now(); under_way]);
            client.send_sets((0..under_way).map(|write| next(number, write))).await.unwrap();
            let mut sent = under_way;
            while let Some(at) = asked.pop_front() {
                while !matches!(client.next().await.unwrap(), Said::Answer(_)) {}
                latencies.push(at.elapsed().as_micros() as u32);
                if start.elapsed() < time {
                    let (path, json) = next(number, sent);
                    asked.push_back(Instant::now());
                    client.send_set(&path, &json).await.unwrap();
                    sent += 1;
                }
            }
            latencies
        });
    }
    let latencies = tasks.join_all().await.concat();
    Load::new(latencies, start.elapsed(), cpu_since(process, cpu_start))
}
