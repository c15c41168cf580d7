//! One message to many listeners of one path, as CPU per delivery, against writing the same bytes to as many bare
//! sockets: over event streams, and over the realtime protocol.
//!
//! Paced: each message has left before the next is written. Bursts: 50 writes are under way at once, so that messages
//! queue up and should leave together; the floor there has the whole burst in hand and writes it at once, which no
//! server that is handed one message after the other can reach.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::client::{Client, request};
use crate::floor::Floor;
use crate::measure::{Latencies, Setup, Sides, Table, server};
use crate::peer::Peer;
use crate::realtime::Realtime;
use crate::receivers::{Receivers, Wanted};
use crate::server_process::{cpu_since, cpu_time};
use crate::websocket::push_server_text;

const PACE: Duration = Duration::from_millis(50);
const TIME: Duration = Duration::from_secs(4);
const BURST: usize = 50;
const TEXT_BYTES: usize = 200;
const PATH: &str = "/news";

pub fn streams(setup: &Setup, table: &mut Table) {
    run(setup, table, Carrier::Stream);
}

pub fn realtime(setup: &Setup, table: &mut Table) {
    run(setup, table, Carrier::WebSocket);
}

fn run(setup: &Setup, table: &mut Table, carrier: Carrier) {
    let runtime = Runtime::new().unwrap();
    let data = setup.fresh("fan-out");
    let server = server(&data).start();
    for listeners in [1_000, 5_000] {
        for is_burst in [false, true] {
            let (mut cpu, mut latencies, mut peer_times) =
                (Sides::default(), Latencies::default(), Latencies::default());
            let plan = Plan::new(setup, carrier, listeners, is_burst);
            for _ in 0..setup.rounds {
                let floor = Floor::start("fan-out");
                let (on_floor, _) = runtime.block_on(plan.on_floor(&floor));
                let (on_server, times) = runtime.block_on(plan.on_server(server.address, server.id()));
                cpu.push(on_server, on_floor);
                latencies.extend(times);
                if setup.with_peer && matches!(carrier, Carrier::WebSocket) {
                    // A new one each time: it never lets go of a listener.
                    let peer = Peer::start();
                    // And fewer bursts: of its 20 us and more per delivery two tell as much.
                    let plan = Plan { messages: plan.messages.min(2 * BURST), ..plan };
                    let (cost, times) = runtime.block_on(plan.over_realtime(peer.address, peer.id()));
                    cpu.push_peer(cost);
                    peer_times.extend(times);
                }
            }
            plan.report(table, &cpu, &latencies.text(), peer_times);
        }
    }
}

#[derive(Clone, Copy)]
enum Carrier {
    Stream,
    WebSocket,
}

impl Carrier {
    /// What a listener gets for one message.
    fn event(self) -> Vec<u8> {
        let text = text(0);
        match self {
            Self::Stream => format!("event: put\ndata: {{\"path\":\"/\",\"data\":{text}}}\n\n").into_bytes(),
            Self::WebSocket => {
                let path = PATH.trim_matches('/');
                let push = format!(r#"{{"t":"d","d":{{"b":{{"p":"{path}","d":{text}}},"a":"d"}}}}"#);
                let mut frame = Vec::new();
                push_server_text(push.as_bytes(), &mut frame);
                frame
            }
        }
    }
}

/// A message as JSON: no two in a row are the same, or nothing would be sent.
fn text(number: usize) -> String {
    format!("\"{number:0TEXT_BYTES$}\"")
}

struct Plan {
    carrier: Carrier,
    listeners: usize,
    is_burst: bool,
    messages: usize,
}

/// CPU per delivery in microseconds, and the latencies.
type Cost = (f64, Vec<u32>);

impl Plan {
    fn new(setup: &Setup, carrier: Carrier, listeners: usize, is_burst: bool) -> Self {
        let paced = (setup.time(TIME).as_millis() / PACE.as_millis()) as usize;
        let bursts = if setup.is_quick { 2 } else { 8 };
        Self { carrier, listeners, is_burst, messages: if is_burst { bursts * BURST } else { paced } }
    }

    fn report(&self, table: &mut Table, cpu: &Sides, latencies: &str, mut peer_times: Latencies) {
        let (to, paced_aim) = match self.carrier {
            Carrier::Stream => ("streams", "ratio < 2"),
            Carrier::WebSocket => ("WebSockets", "ratio < 1.7"),
        };
        let (how, aim) = if self.is_burst { ("bursts of 50", "< 1 us") } else { ("20 per second", paced_aim) };
        let what = format!("delivery to {} {to}, {how}: CPU each", self.listeners);
        let remark = format!("sent to read {latencies}{}", peer_times.text_of_peer());
        table.row(&what, cpu, "us", aim, &remark);
    }

    /// Messages that are under way at once.
    fn at_once(&self) -> usize {
        if self.is_burst { BURST } else { 1 }
    }

    async fn on_floor(&self, floor: &Floor) -> Cost {
        let mut sockets = Vec::new();
        for _ in 0..self.listeners {
            let mut socket = TcpStream::connect(floor.address).await.unwrap();
            socket.read_u8().await.unwrap();
            sockets.push(socket);
        }
        let mut control = TcpStream::connect(floor.control).await.unwrap();
        let frames = self.carrier.event().repeat(self.at_once());
        let cost = self.measure(floor.id(), sockets, async |_| {
            control.write_u32(frames.len() as u32).await.unwrap();
            control.write_all(&frames).await.unwrap();
            control.read_u8().await.unwrap();
        });
        cost.await
    }

    async fn on_server(&self, address: SocketAddr, process: u32) -> Cost {
        match self.carrier {
            Carrier::Stream => self.over_streams(address, process).await,
            Carrier::WebSocket => self.over_realtime(address, process).await,
        }
    }

    async fn over_streams(&self, address: SocketAddr, process: u32) -> Cost {
        let target = format!("{PATH}.json");
        let mut writers = Vec::new();
        for _ in 0..self.at_once() {
            writers.push(Client::connect(address).await.unwrap());
        }
        writers[0].ask(request("PUT", &target, "", "null").as_bytes()).await.unwrap();
        let mut sockets = Vec::new();
        for _ in 0..self.listeners {
            sockets.push(Client::connect(address).await.unwrap().listen(&target).await.unwrap());
        }
        let cost = self.measure(process, sockets, async |numbers| {
            let mut puts = JoinSet::new();
            for (mut writer, number) in writers.drain(..).zip(numbers) {
                let put = request("PUT", &format!("{target}?print=silent"), "", &text(number));
                puts.spawn(async move {
                    writer.ask(put.as_bytes()).await.unwrap();
                    writer
                });
            }
            writers.extend(puts.join_all().await);
        });
        cost.await
    }

    /// One client writes; a burst is 50 of its writes under way.
    async fn over_realtime(&self, address: SocketAddr, process: u32) -> Cost {
        let mut writer = Realtime::connect(address).await.unwrap();
        writer.set(PATH, "null").await.unwrap();
        let mut sockets = Vec::new();
        for _ in 0..self.listeners {
            let mut listener = Realtime::connect(address).await.unwrap();
            listener.listen(PATH, "").await.unwrap();
            sockets.push(listener.into_socket());
        }
        let cost = self.measure(process, sockets, async |numbers| {
            let last = writer.send_sets(numbers.map(|number| (PATH.to_owned(), text(number)))).await.unwrap();
            writer.answered(last).await.unwrap();
        });
        cost.await
    }

    /// Has `send` send the messages of these numbers, round by round, while every socket reads; gives the CPU of
    /// `process` for it.
    async fn measure(
        &self,
        process: u32,
        sockets: Vec<TcpStream>,
        mut send: impl AsyncFnMut(std::ops::Range<usize>),
    ) -> Cost {
        let wanted = match self.carrier {
            Carrier::Stream => Wanted::Bytes(self.messages * self.carrier.event().len()),
            Carrier::WebSocket => Wanted::Texts { count: self.messages, bytes_min: TEXT_BYTES },
        };
        let mut receivers = Receivers::new(sockets, wanted);
        let cpu_start = cpu_time(process);
        for first in (1..=self.messages).step_by(self.at_once()) {
            receivers.sent();
            send(first..first + self.at_once()).await;
            // Bursts need room to be bursts.
            receivers.pause(if self.is_burst { 10 * PACE } else { PACE }).await;
        }
        let latencies = receivers.finish().await;
        let cpu = cpu_since(process, cpu_start);
        (cpu.as_secs_f64() * 1e6 / (self.messages * self.listeners) as f64, latencies)
    }
}
