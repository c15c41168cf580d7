//! A lean WebSocket client: frames made and taken apart by hand, because what the load costs is taken from the same two
//! cores as the server (RFC 6455).

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Any mask does, as long as the server has to take it off.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// How long the head of a frame from a server can be.
const HEAD_BYTES_MAX: usize = 10;

/// One connection, read message by message.
pub struct WebSocket {
    pub socket: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer is not read yet begins here.
    start: usize,
}

impl WebSocket {
    pub async fn connect(address: SocketAddr, target: &str) -> io::Result<Self> {
        let mut new = Self::without_handshake(TcpStream::connect(address).await?)?;
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        new.socket.write_all(head.as_bytes()).await?;
        loop {
            let end = new.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) if new.buffer.starts_with(b"HTTP/1.1 101 ") => new.start = end + 4,
                Some(_) => return Err(io::Error::other(String::from_utf8_lossy(&new.buffer).into_owned())),
                None => {
                    new.more().await?;
                    continue;
                }
            }
            return Ok(new);
        }
    }

    /// For floors, which speak frames and nothing else.
    pub fn without_handshake(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::new(), start: 0 })
    }

    /// The next text. Pings on the way are answered.
    pub async fn next(&mut self) -> io::Result<&[u8]> {
        loop {
            let Some((first, payload)) = self.frame()? else {
                self.more().await?;
                continue;
            };
            self.start = payload.end;
            match first {
                TEXT => return Ok(&self.buffer[payload]),
                PING => {
                    let mut pong = Vec::new();
                    push_frame(PONG, &self.buffer[payload], &mut pong);
                    self.socket.write_all(&pong).await?;
                }
                _ => return Err(io::Error::other(format!("{:?}", &self.buffer[payload]))),
            }
        }
    }

    /// The socket, for a reader of its own. Nothing may have been read ahead.
    pub fn into_socket(self) -> TcpStream {
        assert_eq!(self.start, self.buffer.len(), "something came before it was caused");
        self.socket
    }

    /// The next frame, if it is there as a whole: its first byte, and where its payload lies.
    fn frame(&self) -> io::Result<Option<(u8, Range<usize>)>> {
        let rest = &self.buffer[self.start..];
        let Some((head_bytes, payload_bytes)) = head(rest)? else { return Ok(None) };
        let payload = self.start + head_bytes..self.start + head_bytes + payload_bytes;
        Ok((payload.end <= self.buffer.len()).then(|| (rest[0], payload)))
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.start == self.buffer.len() && self.start > 0 {
            // Most often all is read. Thousands of clients wait here: what they do not need they do not hold.
            self.buffer.clear();
            self.start = 0;
        } else if self.start > 64 * 1024 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.socket.readable().await?;
        self.buffer.reserve(4 * 1024);
        match self.socket.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// One text as a client sends it.
pub fn push_text(text: &[u8], out: &mut Vec<u8>) {
    push_frame(TEXT, text, out);
}

fn push_frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    push_head(first, 0x80, payload.len(), out);
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// One text as a server sends it.
pub fn push_server_text(text: &[u8], out: &mut Vec<u8>) {
    push_head(TEXT, 0, text.len(), out);
    out.extend(text);
}

fn push_head(first: u8, mask: u8, length: usize, out: &mut Vec<u8>) {
    out.push(first);
    match length {
        0..126 => out.push(mask + length as u8),
        126..65_536 => {
            out.push(mask + 126);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(mask + 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
}

/// Length of the head and of the payload of the frame from a server with which `bytes` begin, once they are there.
fn head(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let (Some(first), Some(length)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    if first & 0xf0 != 0x80 || length & 0x80 != 0 {
        return Err(io::Error::other("neither masks nor pieces are expected from a server"));
    }
    let number = |range: Range<usize>| {
        bytes.get(range).map(|bytes| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    Ok(match length {
        126 => number(2..4).map(|length| (4, length)),
        127 => number(2..10).map(|length| (10, length)),
        length => Some((2, usize::from(*length))),
    })
}

/// Takes the first text of a client out of `bytes`, once it is there as a whole; below 64 KB.
pub fn take_client_text(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let (head_bytes, length) = match *bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length => (2, usize::from(length)),
    };
    let masked = bytes.get(head_bytes + 4..head_bytes + 4 + length)?;
    let text = masked.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    bytes.drain(..head_bytes + 4 + length);
    Some(text)
}

/// Counts frames without keeping what is in them, for readers that only wait for a number of messages.
#[derive(Default)]
pub struct Counter {
    /// Bytes of the frame under way that are still to come, and whether it counts when they are here.
    rest: usize,
    is_counted: bool,
    head: Vec<u8>,
}

/// What a piece of the stream brought.
#[derive(Default)]
pub struct Counted {
    /// Texts of at least the length asked for that ended in it.
    pub texts: usize,
    /// Pings, which want a pong.
    pub pings: usize,
}

impl Counter {
    /// Takes in the next bytes; texts below `bytes_min` are not counted.
    pub fn take(&mut self, mut bytes: &[u8], bytes_min: usize) -> io::Result<Counted> {
        let mut counted = Counted::default();
        loop {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = &bytes[skipped..];
            if self.rest == 0 && std::mem::take(&mut self.is_counted) {
                counted.texts += 1;
            }
            if bytes.is_empty() {
                return Ok(counted);
            }
            let known = self.head.len();
            self.head.extend(bytes.iter().take(HEAD_BYTES_MAX - known));
            let Some((head_bytes, payload_bytes)) = head(&self.head)? else { return Ok(counted) };
            bytes = &bytes[head_bytes - known..];
            self.rest = payload_bytes;
            match self.head[0] {
                TEXT => self.is_counted = payload_bytes >= bytes_min,
                PING => counted.pings += 1,
                _ => return Err(io::Error::other("closed")),
            }
            self.head.clear();
        }
    }
}

/// A pong without a payload: whoever asked hears that somebody is there.
pub fn pong() -> Vec<u8> {
    let mut pong = Vec::new();
    push_frame(PONG, b"", &mut pong);
    pong
}
