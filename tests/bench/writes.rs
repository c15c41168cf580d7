//! Acknowledged durable writes: PUTs of a 200-byte object with four leaves at 1, 16 and 64 writers, against raw SQLite
//! group commit in the same file system.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::client::{Client, request};
use crate::measure::{Latencies, Pairs, Setup, Table, median, server};
use crate::reads::OBJECT;
use crate::server_process::{cpu_since, cpu_time};
use crate::sqlite::group_commit;

/// Objects that each writer writes in turn: the first time they are new, then they are replaced.
pub const KEYS: u64 = 1_000;
const TIME: Duration = Duration::from_secs(3);

pub fn run(setup: &Setup, table: &mut Table) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    for writers in [1, 16, 64] {
        let (mut rate, mut cpu, mut latencies) = (Pairs::default(), Vec::new(), Latencies::default());
        for _ in 0..setup.rounds {
            let floor = group_commit(&setup.fresh("floor"), writers, setup.time(TIME), OBJECT);
            let on_server = on_server(setup, &runtime, writers);
            rate.push(on_server.per_second, floor);
            cpu.push(on_server.cpu_micros);
            latencies.extend(on_server.latencies);
        }
        let aim = if writers == 64 { "ratio > 0.5, CPU < 25 us" } else { "" };
        let remark = format!("CPU {:.1} us each; {}", median(&cpu), latencies.text());
        table.row(&format!("durable writes, {writers} writers"), &rate, "/s", aim, &remark);
    }
}

struct Load {
    per_second: f64,
    cpu_micros: f64,
    latencies: Vec<u32>,
}

fn on_server(setup: &Setup, runtime: &Runtime, writers: usize) -> Load {
    let data = setup.fresh("writes");
    let server = server(&data).start();
    runtime.block_on(load(server.address, server.id(), writers, setup.time(TIME)))
}

async fn load(address: SocketAddr, process: u32, writers: usize, time: Duration) -> Load {
    let mut clients = Vec::new();
    for _ in 0..writers {
        clients.push(Client::connect(address).await.unwrap());
    }
    // The first write makes the database.
    clients[0].ask(request("PUT", "/first.json", "", "1").as_bytes()).await.unwrap();
    let (start, cpu_start) = (Instant::now(), cpu_time(process));
    let mut tasks = JoinSet::new();
    for (writer, mut client) in clients.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < time {
                let target = format!("/w/{writer}/k{}.json", latencies.len() as u64 % KEYS);
                let put = request("PUT", &target, "", OBJECT);
                let asked = Instant::now();
                client.ask(put.as_bytes()).await.unwrap();
                latencies.push(asked.elapsed().as_micros() as u32);
            }
            latencies
        });
    }
    let latencies = tasks.join_all().await.concat();
    let (elapsed, cpu) = (start.elapsed(), cpu_since(process, cpu_start));
    let count = latencies.len() as f64;
    Load { per_second: count / elapsed.as_secs_f64(), cpu_micros: cpu.as_secs_f64() * 1e6 / count, latencies }
}
