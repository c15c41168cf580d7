//! HTTP/1.1 and event streams with nothing but a blocking socket, for tests that must see a server die.
//!
//! What it does not get whole it does not give: an answer or event that breaks off is an error.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::indexing_slicing, reason = "a test: what is wrong here shall stop it")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::server_process::DEADLINE;

/// A keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    reader: BufReader<TcpStream>,
}

/// A status and a whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    /// Speaks over a socket that is connected already.
    pub fn over(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        Ok(Self { address: socket.peer_addr()?, reader: BufReader::new(socket) })
    }

    /// Sends one request and waits for its whole answer.
    pub fn ask(&mut self, method: &str, target: &str, body: &str) -> io::Result<Answer> {
        self.send(method, target, "", body)?;
        let head = self.head()?;
        let mut body = Vec::new();
        match head.content_length {
            Some(length) => {
                body.resize(length, 0);
                self.reader.read_exact(&mut body)?;
            }
            None if head.is_chunked => self.chunks(&mut body)?,
            None => {}
        }
        let body = String::from_utf8(body).map_err(|_| bad("a body that is no UTF-8"))?;
        Ok(Answer { status: head.status, body })
    }

    /// Asks for an event stream, which takes the connection. An answer other than 200 is an error.
    pub fn listen(mut self, target: &str, last_event_id: Option<&str>) -> io::Result<EventStream> {
        let last_event_id = last_event_id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        self.send("GET", target, &format!("Accept: text/event-stream\r\n{last_event_id}"), "")?;
        let head = self.head()?;
        if head.status != 200 || head.is_chunked || head.content_length.is_some() {
            return Err(bad(&format!("{target}: not an event stream but {head:?}")));
        }
        Ok(EventStream { reader: self.reader })
    }

    fn send(&mut self, method: &str, target: &str, headers: &str, body: &str) -> io::Result<()> {
        let (address, length) = (self.address, body.len());
        let text =
            format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        self.reader.get_mut().write_all(text.as_bytes())
    }

    fn head(&mut self) -> io::Result<Head> {
        let mut head = Head::default();
        let status = line(&mut self.reader)?;
        head.status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| bad(&status))?;
        loop {
            let header = line(&mut self.reader)?.to_ascii_lowercase();
            match header.split_once(": ") {
                Some(("content-length", length)) => head.content_length = length.parse().ok(),
                Some(("transfer-encoding", coding)) => head.is_chunked = coding == "chunked",
                _ if header.is_empty() => return Ok(head),
                _ => {}
            }
        }
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let length = line(&mut self.reader)?;
            let length = usize::from_str_radix(&length, 16).map_err(|_| bad("a chunk without a length"))?;
            let start = body.len();
            body.resize(start + length, 0);
            self.reader.read_exact(&mut body[start..])?;
            line(&mut self.reader)?;
            if length == 0 {
                return Ok(());
            }
        }
    }
}

#[derive(Debug, Default)]
struct Head {
    status: u16,
    content_length: Option<usize>,
    is_chunked: bool,
}

/// The events of one stream.
#[derive(Debug)]
pub struct EventStream {
    reader: BufReader<TcpStream>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: String,
}

impl EventStream {
    /// The next whole event but keep-alives. An error is the end of the stream, too.
    pub fn next(&mut self) -> io::Result<Event> {
        let mut event = Event::default();
        loop {
            let line = line(&mut self.reader)?;
            match line.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("data", data)) => data.clone_into(&mut event.data),
                _ if !line.is_empty() => return Err(bad(&format!("not a line of an event: {line}"))),
                _ if event.name == "keep-alive" => event = Event::default(),
                _ => return Ok(event),
            }
        }
    }
}

/// One line without its end.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(text) => Ok(text.strip_suffix('\r').unwrap_or(text).to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
