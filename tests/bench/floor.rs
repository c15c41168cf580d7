//! What a server cannot go below: bare sockets and hyper's hello world, each as a child process of the bench.
//!
//! A child prints the ports on which it listens, and ends when its standard input does.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

use crate::websocket::{push_server_text, take_client_text};

/// A floor in a process of its own; ended when dropped.
pub struct Floor {
    child: Child,
    /// Where it takes its clients.
    pub address: SocketAddr,
    /// Where it takes what it shall send to them.
    pub control: SocketAddr,
}

impl Floor {
    pub fn start(duty: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child =
            Command::new(program).args(["--floor", duty]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut addresses = line.split_whitespace().map(|address| address.parse().unwrap());
        Self { child, address: addresses.next().unwrap(), control: addresses.next().unwrap() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's side.
pub fn serve(duty: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let clients = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let control = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{} {}", clients.local_addr().unwrap(), control.local_addr().unwrap());
        match duty {
            "hello" => tokio::spawn(hello(clients)),
            "idle" => tokio::spawn(hold(clients)),
            "fan-out" => tokio::spawn(fan_out(clients, control)),
            "rooms" => tokio::spawn(rooms(clients)),
            _ => panic!("no floor is called {duty}"),
        };
        let end_of_input = || std::io::stdin().read_to_end(&mut Vec::new());
        tokio::task::spawn_blocking(end_of_input).await.unwrap().unwrap();
    });
    // The blocking reader is through, so nothing keeps the runtime.
}

/// hyper's hello world, with as many bytes as the server's answer has.
async fn hello(listener: TcpListener) {
    const BODY: &[u8] = super::reads::OBJECT.as_bytes();
    let answer = |_: Request<hyper::body::Incoming>| async {
        let response = Response::new(Full::new(Bytes::from_static(BODY)));
        let (mut parts, body) = response.into_parts();
        parts.headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
        Ok::<_, Infallible>(Response::from_parts(parts, body))
    };
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer)));
    }
}

/// Holds each connection in a task that waits for input.
async fn hold(listener: TcpListener) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let _ = socket.write_all(b"!").await;
            let mut byte = [0];
            while socket.read(&mut byte).await.is_ok_and(|count| count > 0) {}
        });
    }
}

/// Writes each frame (length, bytes) that comes over the control connection to all clients, one write each, then
/// answers with one byte.
async fn fan_out(listener: TcpListener, control: TcpListener) {
    let clients: Arc<Mutex<Vec<Arc<TcpStream>>>> = Arc::default();
    let newcomers = Arc::clone(&clients);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            socket.write_all(b"!").await.unwrap();
            newcomers.lock().unwrap().push(Arc::new(socket));
        }
    });
    loop {
        let (mut control, _) = control.accept().await.unwrap();
        let all = clients.lock().unwrap().clone();
        while let Ok(length) = control.read_u32().await {
            let mut frame = vec![0; length as usize];
            control.read_exact(&mut frame).await.unwrap();
            for client in &all {
                let mut rest = frame.as_slice();
                while !rest.is_empty() {
                    match client.try_write(rest) {
                        Ok(written) => rest = &rest[written..],
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                            client.writable().await.unwrap();
                        }
                        Err(_) => break, // it left
                    }
                }
            }
            control.write_all(b"!").await.unwrap();
        }
        clients.lock().unwrap().clear();
    }
}

/// Who is in a room; each socket is written to by one task at a time.
type Room = Arc<Mutex<Vec<Arc<tokio::sync::Mutex<OwnedWriteHalf>>>>>;

/// Hands each message to all members of its room, the sender included, and then answers it. A client says first in
/// which room it is. All are frames of WebSockets, but there are no handshakes, and only lengths are looked at.
async fn rooms(listener: TcpListener) {
    let mut rooms: HashMap<u32, Room> = HashMap::new();
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let room = Arc::clone(rooms.entry(socket.read_u32().await.unwrap()).or_default());
        tokio::spawn(member(socket, room));
    }
}

async fn member(socket: TcpStream, room: Room) {
    let (mut reader, writer) = socket.into_split();
    let writer = Arc::new(tokio::sync::Mutex::new(writer));
    room.lock().unwrap().push(Arc::clone(&writer));
    let mut answer = Vec::new();
    push_server_text(br#"{"t":"d","d":{"r":0,"b":{"s":"ok","d":""}}}"#, &mut answer);
    let (mut buffer, mut frame) = (Vec::with_capacity(4 * 1024), Vec::new());
    while reader.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
        while let Some(text) = take_client_text(&mut buffer) {
            frame.clear();
            push_server_text(&text, &mut frame);
            let members = room.lock().unwrap().clone();
            for member in members {
                let _ = member.lock().await.write_all(&frame).await;
            }
            let _ = writer.lock().await.write_all(&answer).await;
        }
    }
}
