//! Memory of the server per idle event stream, at 10,000 of them, against 10,000 bare sockets in as many tasks.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::client::{Client, request};
use crate::floor::Floor;
use crate::measure::{Pairs, Setup, Table, server};
use crate::server_process::resident_bytes;

const STREAMS: usize = 10_000;
/// What the allocators get to give back what they freed.
const SETTLE: Duration = Duration::from_secs(2);

pub fn run(setup: &Setup, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    for (where_, paths) in [("one path", 1), ("as many paths", STREAMS)] {
        let mut memory = Pairs::default();
        for _ in 0..setup.rounds.min(3) {
            let floor = runtime.block_on(on_floor());
            memory.push(runtime.block_on(on_server(setup, paths)), floor);
        }
        table.row(&format!("{STREAMS} idle streams on {where_}: memory each"), &memory, "KB", "10 KB", "");
    }
}

async fn on_floor() -> f64 {
    let floor = Floor::start("idle");
    let before = resident_bytes(floor.id());
    let mut sockets = Vec::new();
    for _ in 0..STREAMS {
        let mut socket = TcpStream::connect(floor.address).await.unwrap();
        socket.read_u8().await.unwrap();
        sockets.push(socket);
    }
    per_stream(floor.id(), before).await
}

async fn on_server(setup: &Setup, paths: usize) -> f64 {
    let data = setup.fresh("idle");
    let server = server(&data).start();
    fill(server.address, paths).await;
    let before = resident_bytes(server.id());
    let mut sockets = Vec::new();
    for number in 0..STREAMS {
        let client = Client::connect(server.address).await.unwrap();
        sockets.push(client.listen(&format!("/rooms/r{}.json", number % paths)).await.unwrap());
    }
    per_stream(server.id(), before).await
}

async fn fill(address: SocketAddr, writes: usize) {
    let mut client = Client::connect(address).await.unwrap();
    for number in 0..writes {
        client.ask(request("PUT", &format!("/rooms/r{number}.json"), "", "{\"a\":1}").as_bytes()).await.unwrap();
    }
}

async fn per_stream(process: u32, before: u64) -> f64 {
    tokio::time::sleep(SETTLE).await;
    resident_bytes(process).saturating_sub(before) as f64 / STREAMS as f64 / 1_024.0
}
