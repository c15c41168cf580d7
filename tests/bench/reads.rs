//! `once` reads: GETs of a small object over 32 keep-alive connections, against hyper's hello world.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::client::{Client, request};
use crate::floor::Floor;
use crate::measure::{Latencies, Pairs, Setup, Table, server};
use crate::server_process::{cpu_since, cpu_time};

/// What is read, 200 bytes with the key that is not shown.
pub const OBJECT: &str = "{\"from\":\"user-000123\",\"seq\":12345,\"text\":\"Lorem ipsum dolor sit amet, consetetur \
sadipscing elitr, sed diam nonumy eirmod tempor invidunt ut labore et dolore magna\",\"time\":1795197713650}";
const CONNECTIONS: usize = 32;
const TIME: Duration = Duration::from_secs(3);

pub fn run(setup: &Setup, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    let data = setup.fresh("reads");
    let (server, floor) = (server(&data).start(), Floor::start("hello"));
    runtime.block_on(async {
        let mut client = Client::connect(server.address).await.unwrap();
        client.ask(request("PUT", "/room/object.json", "", OBJECT).as_bytes()).await.unwrap();
        // Both send the same body.
        let get = request("GET", "/room/object.json", "", "");
        assert_eq!(client.ask(get.as_bytes()).await.unwrap(), OBJECT.len() as u64);
    });
    let (mut rate, mut cpu, mut latencies) = (Pairs::default(), Pairs::default(), Latencies::default());
    for _ in 0..setup.rounds {
        let on_floor = runtime.block_on(load(floor.address, floor.id(), setup.time(TIME)));
        let on_server = runtime.block_on(load(server.address, server.id(), setup.time(TIME)));
        rate.push(on_server.per_second, on_floor.per_second);
        cpu.push(on_server.cpu_micros, on_floor.cpu_micros);
        latencies.extend(on_server.latencies);
    }
    table.row("reads per second, 32 connections", &rate, "/s", "ratio > 0.5", &latencies.text());
    table.row("CPU per read", &cpu, "us", "ratio < 2", "");
}

struct Load {
    per_second: f64,
    cpu_micros: f64,
    latencies: Vec<u32>,
}

async fn load(address: SocketAddr, process: u32, time: Duration) -> Load {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(address).await.unwrap());
    }
    let (start, cpu_start) = (Instant::now(), cpu_time(process));
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            let get = request("GET", "/room/object.json", "", "");
            let mut latencies = Vec::new();
            while start.elapsed() < time {
                let asked = Instant::now();
                client.ask(get.as_bytes()).await.unwrap();
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
