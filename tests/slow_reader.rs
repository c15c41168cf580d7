//! Two readers who stop reading beside 1,000 who do not: the server's memory stays bounded, the others get every
//! message in time, and each slow one is handled by its rule.
//!
//! Messages go out in rounds: the next round is written when all fast readers have the last one, so the time of a
//! round is their latency, and whoever is behind is so by his own fault. The slow ones also hear of what goes to
//! `/all/bulk`: as much for all readers would be 20 GB. All is over before the 18 s after which the server gives up on
//! a peer who takes nothing at all.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: what is wrong here shall stop it"
)]

#[path = "support/lean_client.rs"]
mod lean_client;
#[path = "support/server_process.rs"]
mod server_process;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::lean_client::{Connection, EventStream};
use self::server_process::{DEADLINE, Launch, resident_bytes};

const FAST_READERS: usize = 1_000;
const MESSAGE_BYTES: usize = 32 * 1024;
/// Of a round, for the fast readers. Far below the server's bound for one stream: none of them comes near it.
const ROOM_MESSAGES: usize = 4;
/// Of a round, only for the slow readers.
const BULK_MESSAGES: usize = 40;
/// Messages overwrite so many keys in turn.
const KEYS: usize = 16;
/// Rounds before anybody is slow, to compare with.
const ROUNDS_BEFORE: usize = 5;
/// Rounds with slow readers: 20 MB in all, five times what may wait for one stream.
const ROUNDS_SLOW: usize = 14;
/// What the server may grow by: each slow stream's queue is bounded by 4 MB, twice that may be held, and a snapshot.
const GROWTH_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[test]
fn slow_readers_cost_bounded_memory_and_nobody_elses_time() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let launch =
        Launch::new(env!("CARGO_BIN_EXE_beaconfire"), &folder.path().join("data")).flags(&["--durability", "relaxed"]);
    let server = launch.start();
    let runtime = Runtime::new().unwrap();
    let mut room = runtime.block_on(Room::fill(server.address));
    let before: Vec<Duration> = (0..ROUNDS_BEFORE).map(|_| runtime.block_on(room.round())).collect();

    let resident_before = resident_bytes(server.id());
    let mut value_stream = slow_stream(server.address, "/all.json");
    let mut child_stream = slow_stream(server.address, "/all/bulk.json?on=child_changed");
    let mut resident = 0;
    let during: Vec<Duration> = (0..ROUNDS_SLOW)
        .map(|_| {
            let time = runtime.block_on(room.round());
            resident = resident.max(resident_bytes(server.id()));
            time
        })
        .collect();

    let growth = resident.saturating_sub(resident_before);
    println!("round before: {:?}, with slow readers: {:?}; growth {growth} bytes", median(&before), median(&during));
    assert!(growth < GROWTH_BYTES_MAX, "the server grew by {growth} bytes for two slow readers");
    let bound = median(&before) * 5 + Duration::from_millis(200);
    assert!(median(&during) < bound, "fast readers were slowed: {during:?}, before {before:?}");

    value_stream_ends_in_the_right_state(&mut value_stream, &room.state);
    child_stream_is_closed_and_resumes(&mut child_stream, server.address, &room);
    runtime.block_on(room.leave());
}

/// The rule for value streams: what was waiting is folded into one fresh `put` at the root.
fn value_stream_ends_in_the_right_state(stream: &mut EventStream, state: &BTreeMap<String, String>) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let (mut events, mut fresh) = (0, 0);
    while fresh < 2 || seen != *state {
        let event =
            stream.next().unwrap_or_else(|error| panic!("after {events} events, {fresh} of them fresh: {error}"));
        events += 1;
        let event: Value = serde_json::from_str(&event.data).unwrap();
        let (path, data) = (event["path"].as_str().unwrap(), &event["data"]);
        if path == "/" {
            fresh += 1;
            seen.clear();
            for (place, messages) in data.as_object().unwrap() {
                for (key, text) in messages.as_object().unwrap() {
                    seen.insert(format!("{place}/{key}"), text.as_str().unwrap().to_owned());
                }
            }
        } else {
            seen.insert(path[1..].to_owned(), data.as_str().unwrap().to_owned());
        }
    }
    println!("slow value stream: {events} events, {fresh} of them whole");
}

/// The rule for child streams: closed when too much waits. Resuming gives the rest without a gap, or a reset and all.
fn child_stream_is_closed_and_resumes(stream: &mut EventStream, address: SocketAddr, room: &Room) {
    let mut newest = (None, 0);
    let mut take = |stream: &mut EventStream| {
        let event = stream.next()?;
        if event.name == "reset" {
            return Ok(true);
        }
        let data: Value = serde_json::from_str(&event.data)?;
        let number = number_of(data["value"].as_str().unwrap());
        // All of the first events are older than what was written later; there are none of type `child_changed`.
        assert!(newest.1 == 0 || number == newest.1 + 1, "message {number} came after {}", newest.1);
        newest = (event.id, number);
        Ok::<_, std::io::Error>(false)
    };
    while take(stream).is_ok() {}
    let (id, read) = newest;
    println!("slow child stream: closed after message {read} of {}", room.newest_bulk);
    assert!(read < room.newest_bulk, "a stream that nobody read was given everything");
    let id = id.unwrap();
    let target = "/all/bulk.json?on=child_changed,child_added";
    let mut stream = Connection::open(address).unwrap().listen(target, Some(&id)).unwrap();
    let mut next = read + 1;
    let mut left: BTreeSet<usize> = (next..=room.newest_bulk).collect();
    while !left.is_empty() {
        let event = stream.next().unwrap();
        if event.name == "reset" {
            println!("slow child stream: reset");
            let bulk = room.state.iter().filter(|(key, _)| key.starts_with("bulk/"));
            left = bulk.map(|(_, text)| number_of(text)).collect();
            next = 0;
            continue;
        }
        let data: Value = serde_json::from_str(&event.data).unwrap();
        let number = number_of(data["value"].as_str().unwrap());
        assert!(next == 0 || number == next, "message {number} came in the place of {next}");
        next += usize::from(next > 0);
        assert!(left.remove(&number), "message {number} came twice, or should not come");
    }
}

/// The writer and the fast readers.
struct Room {
    writer: TcpStream,
    readers: JoinSet<()>,
    /// All bytes that each fast reader must get after its first event.
    expected: watch::Sender<Arc<Vec<u8>>>,
    /// A reader that has got all of it says so.
    arrived: mpsc::Receiver<()>,
    /// What is stored, by key.
    state: BTreeMap<String, String>,
    /// Numbers of what was written last.
    newest_message: usize,
    newest_bulk: usize,
}

impl Room {
    async fn fill(address: SocketAddr) -> Self {
        let (expected, _) = watch::channel(Arc::default());
        let (tell, arrived) = mpsc::channel(FAST_READERS);
        let mut readers = JoinSet::new();
        let writer = TcpStream::connect(address).await.unwrap();
        writer.set_nodelay(true).unwrap();
        for _ in 0..FAST_READERS {
            let socket = listen(address).await;
            readers.spawn(read_fast(socket, expected.subscribe(), tell.clone()));
        }
        Self { writer, readers, expected, arrived, state: BTreeMap::new(), newest_message: 0, newest_bulk: 0 }
    }

    /// Writes some messages and waits until all fast readers have them; gives how long that took.
    async fn round(&mut self) -> Duration {
        let mut events = String::new();
        let mut messages = Vec::new();
        for _ in 0..ROOM_MESSAGES {
            let (key, text) = next_message("m", &mut self.newest_message);
            write!(events, "event: put\ndata: {{\"path\":\"/{key}\",\"data\":\"{text}\"}}\n\n").unwrap();
            messages.push((format!("room/{key}"), text));
        }
        for _ in 0..BULK_MESSAGES {
            let (key, text) = next_message("b", &mut self.newest_bulk);
            messages.push((format!("bulk/{key}"), text));
        }
        self.expected.send_replace(Arc::new(events.into_bytes()));
        let start = Instant::now();
        for (key, text) in messages {
            put(&mut self.writer, &format!("/all/{key}.json"), &format!("\"{text}\"")).await;
            self.state.insert(key, text);
        }
        for _ in 0..FAST_READERS {
            let arrived = timeout(DEADLINE, self.arrived.recv()).await;
            if !matches!(arrived, Ok(Some(()))) {
                let failed = self.readers.try_join_next();
                panic!("not all fast readers got message {}: {failed:?}", self.newest_message);
            }
        }
        start.elapsed()
    }

    async fn leave(mut self) {
        drop(self.expected);
        while let Some(reader) = self.readers.join_next().await {
            reader.unwrap();
        }
    }
}

fn next_message(prefix: &str, written: &mut usize) -> (String, String) {
    *written += 1;
    (format!("{prefix}{}", *written % KEYS), format!("{written:08}.{}", "x".repeat(MESSAGE_BYTES)))
}

fn number_of(text: &str) -> usize {
    text.split('.').next().unwrap().parse().unwrap()
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

async fn put(writer: &mut TcpStream, target: &str, body: &str) {
    let length = body.len();
    let request = format!("PUT {target}?print=silent HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    writer.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(writer).await;
    assert!(head.starts_with("HTTP/1.1 204"), "{target}: {head}");
}

/// Reads up to the end of a head, and not a byte further.
async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(DEADLINE, socket.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn listen(address: SocketAddr) -> TcpStream {
    const FIRST: &[u8] = b"event: put\ndata: {\"path\":\"/\",\"data\":null}\n\n";
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = "GET /all/room.json HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut first = [0; FIRST.len()];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(first, FIRST);
    socket
}

/// Compares each round's bytes with what comes; anything else, a fresh snapshot too, is a failure.
async fn read_fast(mut socket: TcpStream, mut expected: watch::Receiver<Arc<Vec<u8>>>, tell: mpsc::Sender<()>) {
    let mut buffer = vec![0; 16 * 1024];
    while expected.changed().await.is_ok() {
        let round = Arc::clone(&expected.borrow_and_update());
        let mut rest = round.as_slice();
        while !rest.is_empty() {
            let room = buffer.len().min(rest.len());
            let count = socket.read(&mut buffer[..room]).await.unwrap();
            assert!(count > 0, "a fast reader's stream was closed");
            assert!(rest.starts_with(&buffer[..count]), "a fast reader got something else");
            rest = &rest[count..];
        }
        tell.send(()).await.unwrap();
    }
}

/// A stream with the smallest buffer that the kernel gives, of which nothing is read before its first event is asked
/// for.
fn slow_stream(address: SocketAddr, target: &str) -> EventStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(&address.into()).unwrap();
    Connection::over(socket.into()).unwrap().listen(target, None).unwrap()
}
