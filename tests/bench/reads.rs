//! `once` reads: GETs of a small object over 32 keep-alive connections, against hyper's hello world.

use std::time::Duration;

use tokio::runtime::Runtime;

use crate::client::{Client, closed_loop, request};
use crate::floor::Floor;
use crate::measure::{Latencies, Setup, Sides, Table, server};

/// What is read and written: 200 bytes, four leaves.
pub const OBJECT: &str = concat!(
    r#"{"from":"user-000123","seq":12345,"text":"Lorem ipsum dolor sit amet, consetetur sadipscing elitr, "#,
    r#"sed diam nonumy eirmod tempor invidunt ut labore et dolore magna aliquyam erat","time":1795197713650}"#,
);
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
        assert_eq!(client.ask(get(0, 0).as_bytes()).await.unwrap(), OBJECT.len() as u64);
    });
    let (mut rate, mut cpu, mut latencies) = (Sides::default(), Sides::default(), Latencies::default());
    for _ in 0..setup.rounds {
        let load =
            |address, process| runtime.block_on(closed_loop(address, process, CONNECTIONS, setup.time(TIME), get));
        let on_floor = load(floor.address, floor.id());
        let on_server = load(server.address, server.id());
        rate.push(on_server.per_second, on_floor.per_second);
        cpu.push(on_server.cpu_micros, on_floor.cpu_micros);
        latencies.extend(on_server.latencies);
    }
    table.row("reads per second, 32 connections", &rate, "/s", "ratio > 0.5", &latencies.text());
    table.row("CPU per read", &cpu, "us", "ratio < 2", "");
}

fn get(_: usize, _: usize) -> String {
    request("GET", "/room/object.json", "", "")
}
