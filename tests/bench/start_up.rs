//! Start-up: from the start of the process until the port file is there, and until the first read is answered; empty,
//! with a million leaves, and with those after a `kill -9`. Against the start of a program that does nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::client::{Client, request};
use crate::measure::{Setup, Sides, Table, median, server};
use crate::million::fill;
use crate::server_process::{Launch, ServerProcess};

pub fn run(setup: &Setup, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    let full = setup.fresh("million");
    fill(&runtime, &server(&full));
    for (name, is_full, end) in [
        ("empty", false, ServerProcess::terminate as fn(ServerProcess)),
        ("a million leaves", true, ServerProcess::terminate),
        ("a million leaves, after kill -9", true, ServerProcess::kill),
    ] {
        let (mut ready, mut first) = (Sides::default(), Vec::new());
        for _ in 0..setup.rounds {
            let data = if is_full { full.clone() } else { setup.fresh("empty") };
            let launch = server(&data);
            end(start(&runtime, &launch).2);
            let floor = do_nothing();
            let (until_ready, until_first, server) = start(&runtime, &launch);
            // Something for the next start to recover.
            runtime.block_on(put(&server));
            end(server);
            ready.push(millis(until_ready), millis(floor));
            first.push(millis(until_first));
        }
        let remark = format!("first answer after {:.1} ms", median(&first));
        table.row(&format!("start-up, {name}"), &ready, "ms", "50 ms", &remark);
    }
}

/// Starts the server; gives the time until its port is known and until it has answered.
fn start(runtime: &Runtime, launch: &Launch) -> (Duration, Duration, ServerProcess) {
    let start = Instant::now();
    let server = launch.start();
    let until_ready = start.elapsed();
    runtime.block_on(async {
        let mut client = Client::connect(server.address).await.unwrap();
        client.ask(request("GET", "/room.json", "", "").as_bytes()).await.unwrap();
    });
    (until_ready, start.elapsed(), server)
}

async fn put(server: &ServerProcess) {
    let mut client = Client::connect(server.address).await.unwrap();
    for number in 0..100 {
        client.ask(request("PUT", &format!("/room/k{number}.json"), "", "1").as_bytes()).await.unwrap();
    }
}

fn do_nothing() -> Duration {
    let start = Instant::now();
    Command::new("/bin/true").status().unwrap();
    start.elapsed()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
