//! What the integration tests share: a real server process, raw HTTP, and event streams, with std alone.
//!
//! ```ignore
//! let server = Server::ephemeral();
//! let answer = server.put("/rooms/a.json", r#"{"x":1}"#);
//! assert_eq!((answer.status, answer.text()), (200, r#"{"x":1}"#));
//! let mut events = server.events("/rooms.json");
//! assert_eq!(events.next().name, "put");
//! ```
//!
//! Nothing sleeps: a server is ready when it has printed its URL, and every read has a deadline after which it panics.

#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long a test waits for bytes before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_beaconfire");

/// A running server; killed when dropped.
pub struct Server {
    process: Child,
    pub port: u16,
    /// What it printed until it was ready.
    pub greeting: String,
    log: PathBuf,
    /// Working directory, port file and log; removed when dropped.
    pub scratch: tempfile::TempDir,
}

impl Server {
    /// A server on a free port that keeps nothing.
    pub fn ephemeral() -> Self {
        Self::start(&["--ephemeral"])
    }

    /// A server on a free port with its data in `data`.
    pub fn with_data(data: &Path) -> Self {
        Self::start(&["--data", data.to_str().unwrap()])
    }

    /// A server on a free port with these flags.
    pub fn start(flags: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut command = command(scratch.path());
        command.args(flags);
        Self::spawn(command, scratch).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// Runs a prepared [`command`] until it is ready; `Err` with what it said on standard error if it ends before.
    pub fn spawn(mut command: Command, scratch: tempfile::TempDir) -> Result<Self, String> {
        let (log, port_file) = (scratch.path().join("log"), scratch.path().join("port"));
        if command.get_args().all(|argument| argument != "--port") {
            command.args(["--port", "0"]);
        }
        command.arg("--port-file").arg(&port_file);
        command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("Stop with Ctrl+C") {
            if stdout.read_line(&mut greeting).unwrap() == 0 {
                let _ = process.wait();
                return Err(fs::read_to_string(&log).unwrap());
            }
        }
        let port = fs::read_to_string(&port_file).unwrap().parse().unwrap();
        Ok(Self { process, port, greeting, log, scratch })
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// A connection of its own.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.connect().request(method, target, headers, body)
    }

    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], "")
    }

    pub fn put(&self, target: &str, body: &str) -> Answer {
        self.request("PUT", target, &[], body)
    }

    /// An event stream; panics unless it is answered with 200.
    pub fn events(&self, target: &str) -> Events {
        self.events_with(target, &[])
    }

    pub fn events_with(&self, target: &str, headers: &[(&str, &str)]) -> Events {
        let mut connection = self.connect();
        connection.send("GET", target, &[&[("Accept", "text/event-stream")], headers].concat(), "");
        let head = connection.read_head();
        assert_eq!(head.status, 200, "{target}: {head:?}");
        Events { head, connection }
    }

    /// Sends a signal by name, as in `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Ends it without a word, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary with an empty environment, running in `directory`.
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(directory).env_clear().stdin(Stdio::null());
    command
}

/// What a program said until its end.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the binary with `arguments` to its end, with `input` on standard input and variables besides.
pub fn run(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(directory.path());
    command.args(arguments).envs(variables.iter().copied());
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Finished { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// One HTTP/1.1 connection, spoken by hand.
pub struct Connection {
    pub stream: BufReader<TcpStream>,
}

/// An HTTP answer, or its head alone. Header names are in lower case.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header (name in lower case); the first, if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a request whole. `Host` and `Content-Length` are added unless given.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) {
        let has = |name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        let mut text = format!("{method} {target} HTTP/1.1\r\n");
        if !has("Host") {
            text += "Host: 127.0.0.1\r\n";
        }
        if !body.is_empty() && !has("Content-Length") && !has("Transfer-Encoding") {
            let _ = write!(text, "Content-Length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        self.send_raw(format!("{text}\r\n{body}").as_bytes());
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Ends the sending side; answers can still be read.
    pub fn end_sending(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    pub fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(method, target, headers, body);
        let mut answer = self.read_head();
        // Answers to these have no body, whatever their headers say.
        if method != "HEAD" && ![204, 304].contains(&answer.status) {
            answer.body = self.read_body(&answer);
        }
        answer
    }

    /// Status line and headers; an answer that begins with 1 (`100 Continue`) is an answer of its own.
    pub fn read_head(&mut self) -> Answer {
        let status_line = self.read_line();
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {status_line:?}"));
        let mut answer = Answer { status, ..Answer::default() };
        loop {
            let line = self.read_line();
            let Some((name, value)) = line.split_once(':') else { return answer };
            answer.headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
    }

    /// The body that belongs to `head`: by its length, in chunks, or all until the end.
    pub fn read_body(&mut self, head: &Answer) -> Vec<u8> {
        let mut body = Vec::new();
        if let Some(len) = head.header("content-length") {
            body.resize(len.parse().unwrap(), 0);
            self.stream.read_exact(&mut body).unwrap();
        } else if head.header("transfer-encoding").is_some() {
            loop {
                let size = self.read_line();
                let mut chunk = vec![0; usize::from_str_radix(&size, 16).unwrap()];
                self.stream.read_exact(&mut chunk).unwrap();
                assert_eq!(self.read_line(), "");
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
        } else {
            self.stream.read_to_end(&mut body).unwrap();
        }
        body
    }

    /// One line without its end; empty at the end of the connection.
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap_or_else(|error| panic!("while waiting for a line: {error}"));
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        line
    }

    /// Whether the server has closed the connection; waits for it, discarding what comes before.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read_to_end(&mut Vec::new()) {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// An event stream.
pub struct Events {
    pub head: Answer,
    pub connection: Connection,
}

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerEvent {
    pub name: String,
    pub data: String,
    pub id: Option<String>,
}

impl ServerEvent {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

impl Events {
    /// The next event; panics at the end of the stream. Keep-alives count.
    #[allow(clippy::should_implement_trait, reason = "a stream that ends is a failure here, not a None")]
    pub fn next(&mut self) -> ServerEvent {
        self.next_or_end().expect("the stream has ended")
    }

    /// The next event, or `None` at the end of the stream.
    pub fn next_or_end(&mut self) -> Option<ServerEvent> {
        let mut event = ServerEvent::default();
        loop {
            let mut line = String::new();
            let read = self.connection.stream.read_line(&mut line);
            if read.unwrap_or_else(|error| panic!("while waiting for an event: {error}")) == 0 {
                return None;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("data", data)) => event.data.push_str(data),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                _ if line.is_empty() => return Some(event),
                _ => panic!("no line of an event: {line:?}"),
            }
        }
    }
}
