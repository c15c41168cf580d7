//! One message to many event streams, as CPU per delivery, against writing the same bytes to as many bare sockets.
//!
//! Paced: each message has left before the next is written. Bursts: 50 writes are under way at once, so that messages
//! queue up and should leave together; the floor there has the whole burst in hand and writes it at once, which no
//! server that is handed one message after the other can reach.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{Client, request};
use crate::floor::Floor;
use crate::measure::{Latencies, Pairs, Setup, Table, server};
use crate::server_process::{cpu_since, cpu_time};

const PACE: Duration = Duration::from_millis(50);
const TIME: Duration = Duration::from_secs(4);
const BURST: usize = 50;
const TEXT_BYTES: usize = 200;

/// What a listener gets for one message.
fn event() -> String {
    format!("event: put\ndata: {{\"path\":\"/\",\"data\":\"{}\"}}\n\n", text(0))
}

/// A message: no two in a row are the same, or nothing would be sent.
fn text(number: usize) -> String {
    format!("{number:0TEXT_BYTES$}")
}

pub fn run(setup: &Setup, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    let data = setup.fresh("fan-out");
    let server = server(&data).start();
    for listeners in [1_000, 5_000] {
        for is_burst in [false, true] {
            let (mut cpu, mut latencies) = (Pairs::default(), Latencies::default());
            for _ in 0..setup.rounds {
                let floor = Floor::start("fan-out");
                let plan = Plan::new(setup, listeners, is_burst);
                let (on_floor, _) = runtime.block_on(plan.on_floor(&floor));
                let (on_server, times) = runtime.block_on(plan.on_server(server.address, server.id()));
                cpu.push(on_server, on_floor);
                latencies.extend(times);
            }
            let (how, aim) = if is_burst { ("bursts of 50", "< 1 us") } else { ("20 per second", "ratio < 2") };
            let what = format!("delivery to {listeners} streams, {how}: CPU each");
            table.row(&what, &cpu, "us", aim, &format!("sent to read {}", latencies.text()));
        }
    }
}

struct Plan {
    listeners: usize,
    is_burst: bool,
    messages: usize,
}

/// CPU per delivery in microseconds, and the latencies.
type Cost = (f64, Vec<u32>);

impl Plan {
    fn new(setup: &Setup, listeners: usize, is_burst: bool) -> Self {
        let paced = (setup.time(TIME).as_millis() / PACE.as_millis()) as usize;
        let bursts = if setup.is_quick { 2 } else { 8 };
        Self { listeners, is_burst, messages: if is_burst { bursts * BURST } else { paced } }
    }

    async fn on_floor(&self, floor: &Floor) -> Cost {
        let mut sockets = Vec::new();
        for _ in 0..self.listeners {
            let mut socket = TcpStream::connect(floor.address).await.unwrap();
            socket.read_u8().await.unwrap();
            sockets.push(socket);
        }
        let mut control = TcpStream::connect(floor.control).await.unwrap();
        let at_once = if self.is_burst { BURST } else { 1 };
        let frame = event().repeat(at_once);
        let cost = self.measure(floor.id(), sockets, async |receivers| {
            for round in 1..=self.messages / at_once {
                receivers.sent(round * at_once);
                control.write_u32(frame.len() as u32).await.unwrap();
                control.write_all(frame.as_bytes()).await.unwrap();
                control.read_u8().await.unwrap();
                receivers.pause(self.is_burst).await;
            }
        });
        cost.await
    }

    async fn on_server(&self, address: SocketAddr, process: u32) -> Cost {
        let mut writers = Vec::new();
        for _ in 0..if self.is_burst { BURST } else { 1 } {
            writers.push(Client::connect(address).await.unwrap());
        }
        writers[0].ask(request("PUT", "/news.json", "", "null").as_bytes()).await.unwrap();
        let mut sockets = Vec::new();
        for _ in 0..self.listeners {
            sockets.push(Client::connect(address).await.unwrap().listen("/news.json").await.unwrap());
        }
        let cost = self.measure(process, sockets, async |receivers| {
            let mut number = 0;
            for round in 1..=self.messages / writers.len() {
                receivers.sent(round * writers.len());
                let mut puts = JoinSet::new();
                for mut writer in writers.drain(..) {
                    number += 1;
                    let put = request("PUT", "/news.json?print=silent", "", &format!("\"{}\"", text(number)));
                    puts.spawn(async move {
                        writer.ask(put.as_bytes()).await.unwrap();
                        writer
                    });
                }
                writers.extend(puts.join_all().await);
                receivers.pause(self.is_burst).await;
            }
        });
        cost.await
    }

    /// Has `send` send all messages while every socket reads; gives the CPU of `process` for it.
    async fn measure(&self, process: u32, sockets: Vec<TcpStream>, send: impl AsyncFnOnce(&mut Receivers)) -> Cost {
        let mut receivers = Receivers::new(sockets, self.messages);
        let cpu_start = cpu_time(process);
        send(&mut receivers).await;
        let latencies = receivers.tasks.join_all().await.concat();
        let cpu = cpu_since(process, cpu_start);
        (cpu.as_secs_f64() * 1e6 / (self.messages * self.listeners) as f64, latencies)
    }
}

/// The reading side: one task per socket, which ends when it has got everything.
struct Receivers {
    tasks: JoinSet<Vec<u32>>,
    /// Messages sent so far, and since when.
    sent: watch::Sender<(usize, Instant)>,
    started: Instant,
    rounds: u32,
}

impl Receivers {
    fn new(sockets: Vec<TcpStream>, messages: usize) -> Self {
        let started = Instant::now();
        let (sent, receiver) = watch::channel((0, started));
        let mut tasks = JoinSet::new();
        let times = Arc::new(receiver);
        for socket in sockets {
            tasks.spawn(receive(socket, messages * event().len(), Arc::clone(&times)));
        }
        Self { tasks, sent, started, rounds: 0 }
    }

    /// The messages up to number `count` are being sent now.
    fn sent(&self, count: usize) {
        self.sent.send_replace((count, Instant::now()));
    }

    /// The pace, one way or the other: bursts need room to be bursts.
    async fn pause(&mut self, is_burst: bool) {
        self.rounds += 1;
        let period = if is_burst { 10 * PACE } else { PACE };
        tokio::time::sleep_until((self.started + period * self.rounds).into()).await;
    }
}

/// Reads `bytes`; gives for each read how long ago the newest message was sent.
async fn receive(socket: TcpStream, mut bytes: usize, sent: Arc<watch::Receiver<(usize, Instant)>>) -> Vec<u32> {
    let mut latencies = Vec::new();
    while bytes > 0 {
        socket.readable().await.unwrap();
        // On the stack, and not across an await: thousands of tasks read.
        let mut buffer = [0; 16 * 1024];
        match socket.try_read(&mut buffer) {
            Ok(0) => panic!("a stream was closed, {bytes} bytes too early"),
            Ok(count) => {
                bytes = bytes.checked_sub(count).expect("more bytes than were sent");
                latencies.push(sent.borrow().1.elapsed().as_micros() as u32);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("a stream broke: {error}"),
        }
    }
    latencies
}
