//! Acknowledged durable writes: PUTs of a 200-byte object with four leaves at 1, 16 and 64 writers, against raw SQLite
//! group commit in the same file system.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::client::{Client, closed_loop, request};
use crate::measure::{Latencies, Load, Pairs, Setup, Table, server};
use crate::reads::OBJECT;
use crate::sqlite::group_commit;

/// Objects that each writer writes in turn: the first time they are new, then they are replaced.
pub const KEYS: usize = 1_000;
const TIME: Duration = Duration::from_secs(3);

pub fn run(setup: &Setup, table: &mut Table) {
    // One thread: what the load costs is taken from the server's two cores.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    for writers in [1, 16, 64] {
        let (mut rate, mut cpu, mut latencies) = (Pairs::default(), Pairs::default(), Latencies::default());
        for _ in 0..setup.rounds {
            let on_floor = group_commit(&setup.fresh("floor"), writers, setup.time(TIME), OBJECT);
            let on_server = on_server(setup, &runtime, writers);
            rate.push(on_server.per_second, on_floor.per_second);
            cpu.push(on_server.cpu_micros, on_floor.cpu_micros);
            latencies.extend(on_server.latencies);
        }
        let (rate_aim, cpu_aim) = if writers == 64 { ("ratio > 0.5", "< 25 us") } else { ("", "") };
        table.row(&format!("durable writes, {writers} at once"), &rate, "/s", rate_aim, &latencies.text());
        table.row(&format!("CPU per write, {writers} at once"), &cpu, "us", cpu_aim, "");
    }
}

fn on_server(setup: &Setup, runtime: &Runtime, writers: usize) -> Load {
    let data = setup.fresh("writes");
    let server = server(&data).start();
    runtime.block_on(async {
        // The first write makes the database.
        let mut client = Client::connect(server.address).await.unwrap();
        client.ask(request("PUT", "/first.json", "", "1").as_bytes()).await.unwrap();
        closed_loop(server.address, server.id(), writers, setup.time(TIME), put).await
    })
}

fn put(writer: usize, number: usize) -> String {
    request("PUT", &format!("/w/{writer}/k{}.json", number % KEYS), "", OBJECT)
}
