//! A million leaves: what the server's memory makes of them when they are only stored, read whole, and deleted. The
//! floors are an empty server, a scan and a delete of the same rows by SQLite alone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::client::{Client, request};
use crate::measure::{Setup, Sides, Table, median, server};
use crate::server_process::{Launch, ServerProcess, forget_peak, peak_bytes, resident_bytes};
use crate::sqlite;

const OBJECTS: usize = 1_000;
const LEAVES_EACH: usize = 1_000;
const READS: usize = 1_000;
const MB: f64 = 1_048_576.0;

pub fn run(setup: &Setup, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    let full = setup.fresh("full");
    fill(&runtime, &server(&full));

    let (mut stored, mut read, mut deleted) = (Sides::default(), Sides::default(), Sides::default());
    let (mut read_peak, mut deleted_peak) = (Vec::new(), Vec::new());
    for _ in 0..setup.rounds.min(3) {
        let empty = server(&setup.fresh("empty")).start();
        let on_empty = small_reads(&runtime, &empty);
        empty.kill();
        let copy = setup.fresh("copy");
        copy_folder(&full, &copy);
        let server = server(&copy).start();
        stored.push(small_reads(&runtime, &server), on_empty);

        let scan = sqlite::scan(&full);
        let (time, peak) = timed(&runtime, &server, &request("GET", "/m.json", "", ""));
        read.push(millis(time), millis(scan));
        read_peak.push(peak);
        let (time, peak) = timed(&runtime, &server, &request("DELETE", "/m.json", "", ""));
        server.terminate();
        copy_folder(&full, &copy);
        deleted.push(millis(time), millis(sqlite::delete(&copy)));
        deleted_peak.push(peak);
    }
    table.row(
        "memory, a million leaves stored (floor: empty)",
        &stored,
        "MB",
        "ratio near 1",
        "after 1,000 small reads",
    );
    let peak = |peaks: &[f64]| format!("memory {:.1} MB above what it was, at most", median(peaks));
    table.row("read of a million leaves", &read, "ms", "", &peak(&read_peak));
    table.row("delete of a million leaves", &deleted, "ms", "", &peak(&deleted_peak));
}

/// Stores a million leaves below `/m` and stops the server.
pub fn fill(runtime: &Runtime, launch: &Launch) {
    let server = launch.start();
    runtime.block_on(async {
        let mut client = Client::connect(server.address).await.unwrap();
        for object in 0..OBJECTS {
            let leaves: Vec<String> = (0..LEAVES_EACH).map(|leaf| format!("\"k{leaf:04}\":\"value {leaf}\"")).collect();
            let body = format!("{{{}}}", leaves.join(","));
            let put = request("PUT", &format!("/m/o{object:04}.json?print=silent"), "", &body);
            client.ask(put.as_bytes()).await.unwrap();
        }
    });
    server.terminate();
}

/// Memory after some reads of single objects, found or not.
fn small_reads(runtime: &Runtime, server: &ServerProcess) -> f64 {
    runtime.block_on(async {
        let mut client = Client::connect(server.address).await.unwrap();
        for number in 0..READS {
            let target = format!("/m/o{:04}/k{:04}.json", number % OBJECTS, number * 7 % LEAVES_EACH);
            client.ask(request("GET", &target, "", "").as_bytes()).await.unwrap();
        }
    });
    resident_bytes(server.id()) as f64 / MB
}

/// How long one request takes, and by how many MB the server's memory rose for it at most.
fn timed(runtime: &Runtime, server: &ServerProcess, request: &str) -> (Duration, f64) {
    let before = resident_bytes(server.id());
    forget_peak(server.id());
    let start = Instant::now();
    runtime.block_on(async {
        Client::connect(server.address).await.unwrap().ask(request.as_bytes()).await.unwrap();
    });
    (start.elapsed(), peak_bytes(server.id()).saturating_sub(before) as f64 / MB)
}

fn copy_folder(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
