//! Query windows on a list of a million children against the same on a list of a hundred: what a write costs that
//! enters a window of the last 100 and pushes another child out, and one that leaves it, so that the next comes back.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::client::{Client, request};
use crate::measure::{Latencies, Load, Setup, Sides, Table, server};
use crate::realtime::{Realtime, Said};
use crate::server_process::{ServerProcess, cpu_since, cpu_time};

const MILLION: &str = "/million";
const HUNDRED: &str = "/hundred";
/// Children in one PATCH while filling.
const PART: usize = 20_000;
const WRITES: usize = 4_000;
/// Writes under way at once: with one, the commit would take most of the time, and hide the window.
const UNDER_WAY: usize = 16;

/// By what the window is ordered, and what a listener says for it.
const ORDERS: [(&str, Option<&str>); 4] = [
    ("no listener", None),
    ("last 100 by key", Some(r#","q":{"l":100,"vf":"r","i":".key"},"t":1"#)),
    ("last 100 by indexed child", Some(r#","q":{"l":100,"vf":"r","i":"n"},"t":1"#)),
    ("last 100 by priority", Some(r#","q":{"l":100,"vf":"r"},"t":1"#)),
];

const RULES: &str = r#"{"rules":{".read":true,".write":true,"million":{".indexOn":"n"},"hundred":{".indexOn":"n"}}}"#;

pub fn run(setup: &Setup, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    let data = setup.fresh("windows");
    let server = server(&data).start();
    runtime.block_on(async {
        let mut client = Client::connect(server.address).await.unwrap();
        client.ask(request("PUT", "/.settings/rules.json", "", RULES).as_bytes()).await.unwrap();
        fill(&mut client, MILLION, 1_000_000).await;
        fill(&mut client, HUNDRED, 100).await;
    });
    let writes = if setup.is_quick { WRITES / 4 } else { WRITES };
    for (order, query) in ORDERS {
        let mut rows = [Rows::default(), Rows::default()];
        for _ in 0..setup.rounds.min(3) {
            let small = runtime.block_on(measure(&server, HUNDRED, 100, query, writes));
            let big = runtime.block_on(measure(&server, MILLION, 1_000_000, query, writes));
            for (rows, (big, small)) in rows.iter_mut().zip(big.into_iter().zip(small)) {
                rows.push(big, small);
            }
        }
        let [enters, leaves] = rows;
        enters.report(table, &format!("{order}, a write enters"));
        leaves.report(table, &format!("{order}, a write leaves"));
    }
}

/// Fills `list` with so many children, each with a priority and a child `n` to order by.
async fn fill(client: &mut Client, list: &str, children: usize) {
    for first in (0..children).step_by(PART) {
        let part: Vec<String> = (first..children.min(first + PART))
            .map(|number| format!(r#""{}":{}"#, key(number), child(number)))
            .collect();
        let body = format!("{{{}}}", part.join(","));
        let patch = request("PATCH", &format!("{list}.json?print=silent"), "", &body);
        client.ask(patch.as_bytes()).await.unwrap();
    }
}

fn key(number: usize) -> String {
    format!("c{number:08}")
}

fn child(number: usize) -> String {
    format!(r#"{{"n":{number},"text":"a message of some words","time":1795197713650,".priority":{number}}}"#)
}

/// Writes children behind the last one, then removes them again, the last first: all orders agree on what is last.
async fn measure(
    server: &ServerProcess,
    list: &'static str,
    children: usize,
    query: Option<&'static str>,
    writes: usize,
) -> [Load; 2] {
    let listener = match query {
        Some(query) => Some(listen(server.address, list, query, 2 * writes).await),
        None => None,
    };
    let mut client = Realtime::connect(server.address).await.unwrap();
    let new = children..children + writes;
    let enters = write_all(server.id(), &mut client, list, new.clone().map(|number| (number, child(number)))).await;
    let leaves = write_all(server.id(), &mut client, list, new.rev().map(|number| (number, "null".to_owned()))).await;
    if let Some(listener) = listener {
        listener.await.unwrap();
    }
    [enters, leaves]
}

/// A listener that hears of `pushes` writes, one push each, and then leaves.
async fn listen(address: SocketAddr, list: &'static str, query: &'static str, pushes: usize) -> JoinHandle<()> {
    let mut listener = Realtime::connect(address).await.unwrap();
    listener.listen(list, query).await.unwrap();
    tokio::spawn(async move {
        for _ in 0..pushes {
            let said = listener.next().await.unwrap();
            // Who enters and who leaves, in one message.
            assert!(matches!(said, Said::Push(text) if text.contains("null")), "not what a window says");
        }
    })
}

/// The CPU of `process` per write, and the latencies.
async fn write_all(
    process: u32,
    client: &mut Realtime,
    list: &str,
    writes: impl Iterator<Item = (usize, String)>,
) -> Load {
    let (start, cpu_start) = (Instant::now(), cpu_time(process));
    let (mut latencies, mut asked) = (Vec::new(), VecDeque::new());
    let mut writes = writes.map(|(number, json)| (format!("{list}/{}", key(number)), json));
    loop {
        if asked.len() < UNDER_WAY
            && let Some((path, json)) = writes.next()
        {
            asked.push_back((client.send_set(&path, &json).await.unwrap(), Instant::now()));
        } else if let Some((number, at)) = asked.pop_front() {
            client.answered(number).await.unwrap();
            latencies.push(at.elapsed().as_micros() as u32);
        } else {
            return Load::new(latencies, start.elapsed(), cpu_since(process, cpu_start));
        }
    }
}

/// A million in the place of the server, a hundred in that of the floor.
#[derive(Default)]
struct Rows {
    cpu: Sides,
    million: Latencies,
    hundred: Latencies,
}

impl Rows {
    fn push(&mut self, million: Load, hundred: Load) {
        self.cpu.push(million.cpu_micros, hundred.cpu_micros);
        self.million.extend(million.latencies);
        self.hundred.extend(hundred.latencies);
    }

    fn report(mut self, table: &mut Table, what: &str) {
        let remark = format!("{}; on a hundred {}", self.million.text(), self.hundred.text());
        let what = format!("a million children, {what}: CPU (floor: a hundred)");
        table.row(&what, &self.cpu, "us", "ratio < 2", &remark);
    }
}
