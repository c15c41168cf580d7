//! A lean HTTP/1.1 client: what the load costs is taken from the same two cores as the server.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::measure::Load;
use crate::server_process::{cpu_since, cpu_time};

/// A keep-alive connection.
pub struct Client {
    pub socket: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(4 * 1024) })
    }

    /// One request; the answer must be 200 or 204 and may be of any size. Gives the bytes of its body.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<u64> {
        self.socket.write_all(request).await?;
        let head = self.head().await?;
        self.buffer.drain(..head.bytes);
        match head.body {
            Body::Length(length) => {
                while self.buffer.len() < length {
                    self.more().await?;
                }
                self.buffer.drain(..length);
                Ok(length as u64)
            }
            Body::Chunks => self.chunks().await,
        }
    }

    /// Opens an event stream and reads its first event. What follows is the caller's to read from the socket.
    pub async fn listen(mut self, target: &str) -> io::Result<TcpStream> {
        self.socket.write_all(request("GET", target, "Accept: text/event-stream\r\n", "").as_bytes()).await?;
        let head = self.head().await?;
        let mut from = head.bytes;
        loop {
            match find(&self.buffer[from..], b"\n\n") {
                Some(end) if from + end + 2 == self.buffer.len() => return Ok(self.socket),
                Some(_) => return Err(io::Error::other("an event came before it was caused")),
                None => from = self.buffer.len().saturating_sub(1).max(head.bytes),
            }
            self.more().await?;
        }
    }

    async fn head(&mut self) -> io::Result<Head> {
        self.buffer.clear();
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Head::parse(&self.buffer[..end + 4]);
            }
            self.more().await?;
        }
    }

    async fn chunks(&mut self) -> io::Result<u64> {
        let mut body = 0;
        loop {
            let Some(end) = find(&self.buffer, b"\r\n") else {
                self.more().await?;
                continue;
            };
            let length = std::str::from_utf8(&self.buffer[..end]).ok();
            let length = length.and_then(|text| usize::from_str_radix(text, 16).ok());
            let length = length.ok_or_else(|| io::Error::other("a chunk without a length"))?;
            while self.buffer.len() < end + 2 + length + 2 {
                self.more().await?;
            }
            self.buffer.drain(..end + 2 + length + 2);
            body += length as u64;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        self.buffer.reserve(4 * 1024);
        match self.socket.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// `connections` clients, each of which sends its next request when the last one is answered.
///
/// `request` makes them, from the number of the connection and of the request.
pub async fn closed_loop(
    address: SocketAddr,
    process: u32,
    connections: usize,
    time: Duration,
    request: fn(usize, usize) -> String,
) -> Load {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Client::connect(address).await.unwrap());
    }
    let (start, cpu_start) = (Instant::now(), cpu_time(process));
    let mut tasks = JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < time {
                let text = request(number, latencies.len());
                let asked = Instant::now();
                client.ask(text.as_bytes()).await.unwrap();
                latencies.push(asked.elapsed().as_micros() as u32);
            }
            latencies
        });
    }
    let latencies = tasks.join_all().await.concat();
    Load::new(latencies, start.elapsed(), cpu_since(process, cpu_start))
}

struct Head {
    bytes: usize,
    body: Body,
}

enum Body {
    Length(usize),
    Chunks,
}

impl Head {
    fn parse(head: &[u8]) -> io::Result<Self> {
        let text = std::str::from_utf8(head).map_err(io::Error::other)?;
        if !matches!(text.get(9..12), Some("200" | "204")) {
            return Err(io::Error::other(format!("refused: {text}")));
        }
        let mut body = Body::Length(0);
        for line in text.split("\r\n") {
            match line.split_once(": ") {
                Some((name, length)) if name.eq_ignore_ascii_case("content-length") => {
                    body = Body::Length(length.parse().map_err(io::Error::other)?);
                }
                Some((name, _)) if name.eq_ignore_ascii_case("transfer-encoding") => body = Body::Chunks,
                _ => {}
            }
        }
        Ok(Self { bytes: head.len(), body })
    }
}

pub fn request(method: &str, target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
