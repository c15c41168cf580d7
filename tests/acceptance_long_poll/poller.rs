//! A long-polling client that does what the SDKs do, and can be told to do otherwise.
//!
//! It keeps one poll open, and a second one while it sends. Responses are put in order by their numbers, which must
//! come without gap.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use serde_json::{Value, json};

use crate::support::{Answer, Connection, PATIENCE, Server};

pub struct Poller {
    address: SocketAddr,
    namespace: String,
    pub id: String,
    pub password: String,
    /// What the hello says.
    pub hello: Value,
    /// The number of its next piece.
    pub piece: u64,
    request: u64,
    /// Polls that are not answered, and the way that their answers come.
    open: usize,
    answers: (Sender<Answer>, Receiver<Answer>),
    /// Responses that are not next.
    early: BTreeMap<u64, Vec<Value>>,
    /// The number of the next response.
    pub next: u64,
    messages: VecDeque<Value>,
    /// What the server said to end it: 0, or the number of the last response.
    pub closed: Option<u64>,
}

/// A call in a script.
#[derive(Debug, PartialEq)]
pub enum Call {
    Start(String, String),
    Close(u64),
    Response(u64, Vec<Value>),
}

/// Characters of base64 in one piece, and about as many in one request.
const PIECE_MAX: usize = 1_840;

impl Poller {
    pub fn start(server: &Server, namespace: &str) -> Self {
        Self::start_with(server, namespace, "")
    }

    /// With more parameters.
    pub fn start_with(server: &Server, namespace: &str, parameters: &str) -> Self {
        let answer = server.get(&format!("/.lp?start=t&ser=1&v=5&ns={namespace}{parameters}"));
        let mut poller = Self {
            address: server.address(),
            namespace: namespace.to_owned(),
            id: String::new(),
            password: String::new(),
            hello: Value::Null,
            piece: 0,
            request: 0,
            open: 0,
            answers: channel(),
            early: BTreeMap::new(),
            next: 0,
            messages: VecDeque::new(),
            closed: None,
        };
        poller.file(&answer);
        poller.hello = poller.hear()["d"]["d"].clone();
        assert_eq!((poller.next, poller.hello["v"].as_str()), (1, Some("5")), "{}", poller.hello);
        poller
    }

    /// Its path and query for a request with more parameters.
    pub fn target(&self, parameters: &str) -> String {
        let Self { id, password, namespace, .. } = self;
        format!("/.lp?id={id}&pw={password}&ser=7&ns={namespace}{parameters}")
    }

    /// Sends a poll on a connection of its own, and does not wait for its answer.
    pub fn connect(&self, parameters: &str) -> Connection {
        let mut connection = Connection::open(self.address);
        connection.send("GET", &self.target(parameters), &[], "");
        connection
    }

    /// Sends a poll: it is open until it is answered.
    pub fn poll(&mut self, parameters: &str) {
        let (mut connection, answers) = (self.connect(parameters), self.answers.0.clone());
        self.open += 1;
        thread::spawn(move || {
            let mut answer = connection.read_head();
            answer.body = connection.read_body(&answer);
            let _ = answers.send(answer);
        });
    }

    /// Waits for the answer of any open poll, or of a new one; gives its script.
    pub fn take(&mut self) -> String {
        if self.open == 0 {
            self.poll("");
        }
        let answer = self.answers.1.recv_timeout(PATIENCE).expect("no poll is answered");
        self.open -= 1;
        self.file(&answer);
        answer.text().to_owned()
    }

    /// Hears what there is to hear, until the server holds a poll and has all that was sent before.
    pub fn hold(&mut self) {
        loop {
            while self.open < 2 {
                self.poll("");
            }
            assert_eq!(self.closed, None, "no poll is held any more");
            // One was let go, so the other is held.
            if self.take().is_empty() {
                return;
            }
        }
    }

    fn file(&mut self, answer: &Answer) {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/javascript; charset=utf-8"));
        for call in calls(answer.text()) {
            match call {
                Call::Start(id, password) => (self.id, self.password) = (id, password),
                Call::Close(last) => self.closed = Some(last),
                Call::Response(number, messages) => {
                    assert!(number >= self.next, "a response came twice: {number}");
                    let twice = self.early.insert(number, messages);
                    assert_eq!(twice, None, "response {number} came twice");
                }
            }
        }
        while let Some(messages) = self.early.remove(&self.next) {
            self.next += 1;
            self.messages.extend(messages);
        }
    }

    /// The pieces of messages, as parameters: each string for a request of its own.
    pub fn pieces(&mut self, messages: &[String]) -> Vec<String> {
        let mut requests = vec![String::new()];
        let mut index = 0;
        for message in messages {
            let text = BASE64_URL_SAFE.encode(message).replace('=', ".");
            let parts: Vec<&str> = (0..text.len()).step_by(PIECE_MAX).map(|at| rest(&text, at)).collect();
            for part in &parts {
                let request = requests.last_mut().unwrap();
                if !request.is_empty() && request.len() + part.len() > PIECE_MAX {
                    requests.push(String::new());
                    index = 0;
                }
                let parameters = format!("&seg{index}={}&ts{index}={}&d{index}={part}", self.piece, parts.len());
                requests.last_mut().unwrap().push_str(&parameters);
                self.piece += 1;
                index += 1;
            }
        }
        requests
    }

    /// Sends messages with polls, the last of which stays open.
    pub fn send(&mut self, messages: &[String]) {
        let requests = self.pieces(messages);
        self.send_requests(&requests);
    }

    /// Sends polls with these parameters, one after the other. One stays open.
    pub fn send_requests(&mut self, requests: &[String]) {
        for parameters in requests {
            self.poll(parameters);
            if self.open > 1 {
                self.take();
            }
        }
    }

    /// Sends a request; gives its number.
    pub fn request(&mut self, action: &str, body: &Value) -> u64 {
        self.request += 1;
        let number = self.request;
        self.send(&[request(number, action, body)]);
        number
    }

    /// Sends a request and waits for its answer; gives the pushes before it, too.
    pub fn ask(&mut self, action: &str, body: &Value) -> (Vec<Value>, Value) {
        let number = self.request(action, body);
        let mut pushes = Vec::new();
        loop {
            let message = self.hear();
            if message["d"]["r"] == number {
                return (pushes, message["d"]["b"].clone());
            }
            assert!(message["d"].get("r").is_none(), "an answer out of turn: {message}");
            pushes.push(message["d"].clone());
        }
    }

    /// Asks for what must be done.
    pub fn done(&mut self, action: &str, body: &Value) {
        let (_, answer) = self.ask(action, body);
        assert_eq!(answer["s"], "ok", "{action} {body}: {answer}");
    }

    /// The next message. Polls until it is there.
    pub fn hear(&mut self) -> Value {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return message;
            }
            assert_eq!(self.closed, None, "nothing more will come");
            self.take();
        }
    }

    /// Polls until the server closes; gives the messages before.
    pub fn until_closed(&mut self) -> Vec<Value> {
        while self.closed.is_none() {
            self.take();
        }
        self.messages.drain(..).collect()
    }

    /// The page goes away. Gives the status.
    pub fn leave(&self, method: &str) -> u16 {
        let answer = Connection::open(self.address).request(method, &self.target("&disconn=t"), &[], "");
        assert_eq!(answer.text(), "");
        answer.status
    }
}

pub fn request(number: u64, action: &str, body: &Value) -> String {
    json!({"t": "d", "d": {"r": number, "a": action, "b": body}}).to_string()
}

fn rest(text: &str, at: usize) -> &str {
    &text[at..text.len().min(at + PIECE_MAX)]
}

/// What a script calls, read strictly. Functions that it defines are left out.
pub fn calls(script: &str) -> Vec<Call> {
    let mut rest = script.lines().filter(|line| !line.starts_with("function ")).collect::<Vec<_>>().concat();
    let mut calls = Vec::new();
    while !rest.is_empty() {
        let (call, behind) = first_call(&rest).unwrap_or_else(|| panic!("no call: {rest:?} in {script:?}"));
        calls.push(call);
        rest = behind.to_owned();
    }
    calls
}

fn first_call(script: &str) -> Option<(Call, &str)> {
    if let Some(rest) = script.strip_prefix("pRTLPCB(") {
        let (number, rest) = rest.split_once(',')?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter();
        let messages = values.next()?.ok()?;
        let behind = rest.get(values.byte_offset()..)?.strip_prefix(");")?;
        return Some((Call::Response(number.parse().ok()?, messages), behind));
    }
    let (arguments, behind) = script.strip_prefix("pLPCommand(")?.split_once(");")?;
    let arguments: Vec<&str> = arguments.split(',').map(|argument| argument.trim_matches('\'')).collect();
    let call = match arguments[..] {
        ["start", id, password] => Call::Start(id.to_owned(), password.to_owned()),
        ["close"] => Call::Close(0),
        ["close", last] => Call::Close(last.parse().ok()?),
        _ => return None,
    };
    Some((call, behind))
}
