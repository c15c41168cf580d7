//! 1,000 rooms of 4: each member listens to its room and pushes 20 messages of 1.5 KB, the next when the last one is
//! answered, all members at once. Against a program that hands each message to all members of its
//! room and keeps nothing.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::floor::Floor;
use crate::measure::{Latencies, Setup, Sides, Table, server};
use crate::peer::Peer;
use crate::realtime::{Realtime, Said};
use crate::server_process::{cpu_since, cpu_time};

const ROOMS: usize = 1_000;
const MEMBERS: usize = 4;
const MESSAGES: usize = 20;
const MESSAGES_QUICK: usize = 4;
/// The peer sends the whole room each time and becomes slower with each child it holds: 20 would take it hours.
const MESSAGES_OF_PEER: usize = 1;
const TEXT_BYTES: usize = 1_450;
/// Times in messages are microseconds since the start, all with ten digits.
const FIRST_TIME: u128 = 1_000_000_000;
/// No side takes as long.
const DEADLINE: Duration = Duration::from_mins(10);

pub fn run(setup: &Setup, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    let (mut time, mut cpu) = (Sides::default(), Sides::default());
    let (mut server_times, mut floor_times) = (Latencies::default(), Latencies::default());
    let messages = if setup.is_quick { MESSAGES_QUICK } else { MESSAGES };
    for _ in 0..setup.rounds.min(3) {
        let floor = Floor::start("rooms");
        let on_floor = runtime.block_on(talk(floor.id(), messages, |room| seat_on_floor(floor.address, room)));
        let data = setup.fresh("rooms");
        let server = server(&data).start();
        let on_server = runtime.block_on(talk(server.id(), messages, |room| seat(server.address, room)));
        time.push(on_server.time.as_secs_f64(), on_floor.time.as_secs_f64());
        cpu.push(on_server.cpu_micros, on_floor.cpu_micros);
        server_times.extend(on_server.latencies);
        floor_times.extend(on_floor.latencies);
        if setup.with_peer {
            let peer = Peer::start();
            let on_peer = runtime.block_on(talk(peer.id(), MESSAGES_OF_PEER, |room| seat(peer.address, room)));
            // The whole time would compare a part of the messages with all of them.
            cpu.push_peer(on_peer.cpu_micros);
        }
    }
    let what = format!("{ROOMS} rooms of {MEMBERS}, each member pushes {messages} messages");
    let remark = format!("sent to read {}; floor {}", server_times.text(), floor_times.text());
    let with_peer = format!("firebase-server: {MESSAGES_OF_PEER} message each, it slows down as rooms fill");
    let with_peer = if setup.with_peer { with_peer.as_str() } else { "" };
    table.row(&format!("{what}: all of it"), &time, "s", "", &remark);
    table.row(&format!("{what}: CPU per delivery"), &cpu, "us", "", with_peer);
}

struct Talk {
    time: Duration,
    /// Per delivery.
    cpu_micros: f64,
    /// From before a message is sent until each member has read it, in microseconds.
    latencies: Vec<u32>,
}

/// Has all members take their seats, then talk.
async fn talk<S>(process: u32, messages: usize, seat: impl Fn(usize) -> S) -> Talk
where
    S: Future<Output = io::Result<Realtime>>,
{
    let mut members = Vec::new();
    for room in 0..ROOMS {
        for _ in 0..MEMBERS {
            members.push((room, seat(room).await.unwrap()));
        }
    }
    let (start, cpu_start) = (Instant::now(), cpu_time(process));
    let mut tasks = JoinSet::new();
    for (number, (room, member)) in members.into_iter().enumerate() {
        tasks.spawn(async move { take_part(member, room, number, messages, start).await.unwrap() });
    }
    let all = tokio::time::timeout(DEADLINE, tasks.join_all()).await;
    let latencies = all.expect("every message reaches every member").concat();
    let (time, cpu) = (start.elapsed(), cpu_since(process, cpu_start));
    Talk { time, cpu_micros: cpu.as_secs_f64() * 1e6 / latencies.len() as f64, latencies }
}

async fn seat(address: SocketAddr, room: usize) -> io::Result<Realtime> {
    let mut member = Realtime::connect(address).await?;
    member.listen(&format!("/rooms/r{room}"), "").await?;
    Ok(member)
}

/// The floor wants to know the room and nothing else.
async fn seat_on_floor(address: SocketAddr, room: usize) -> io::Result<Realtime> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_u32(room as u32).await?;
    Realtime::on_floor(socket)
}

/// Pushes and reads until all is said and heard.
async fn take_part(
    mut member: Realtime,
    room: usize,
    number: usize,
    messages: usize,
    start: Instant,
) -> io::Result<Vec<u32>> {
    let mut latencies = Vec::with_capacity(messages * MEMBERS);
    let mut sent = 0;
    let mut answered = 0;
    while answered < messages || latencies.len() < messages * MEMBERS {
        if sent == answered && sent < messages {
            let now = FIRST_TIME + start.elapsed().as_micros();
            let path = format!("/rooms/r{room}/m{now}-{number}");
            let json = format!(r#"{{"text":"{number:0TEXT_BYTES$}","time":{now}}}"#);
            member.send_set(&path, &json).await?;
            sent += 1;
        }
        match member.next().await? {
            Said::Answer(_) => answered += 1,
            Said::Push(text) => latencies.push(age(text, start)),
        }
    }
    Ok(latencies)
}

/// How long ago the message was sent with which a push ends.
fn age(push: &str, start: Instant) -> u32 {
    let time = push.rsplit_once(r#""time":"#).and_then(|(_, rest)| rest.get(..10)?.parse::<u128>().ok());
    let sent = time.unwrap_or_else(|| panic!("not a message: {push}")) - FIRST_TIME;
    (start.elapsed().as_micros() - sent) as u32
}
