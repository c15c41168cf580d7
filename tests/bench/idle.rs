//! Memory of the server per idle connection, at 10,000 of them: event streams, and WebSockets of the realtime protocol
//! with one listen each. Against 10,000 bare sockets in as many tasks.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::client::{Client, request};
use crate::floor::Floor;
use crate::measure::{Setup, Sides, Table, server};
use crate::peer::Peer;
use crate::realtime::Realtime;
use crate::server_process::resident_bytes;

const CLIENTS: usize = 10_000;
const PLACES: [(&str, usize); 2] = [("one path", 1), ("as many paths", CLIENTS)];
/// What the allocators get to give back what they freed.
const SETTLE: Duration = Duration::from_secs(2);

pub fn streams(setup: &Setup, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    for (where_, paths) in PLACES {
        let mut memory = Sides::default();
        for _ in 0..setup.rounds.min(3) {
            let floor = runtime.block_on(on_floor());
            let server = server(&setup.fresh("idle")).start();
            memory.push(runtime.block_on(over_streams(server.address, server.id(), paths)), floor);
        }
        table.row(&format!("{CLIENTS} idle streams on {where_}: memory each"), &memory, "KB", "10 KB", "");
    }
}

pub fn web_sockets(setup: &Setup, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    for (where_, paths) in PLACES {
        let mut memory = Sides::default();
        for _ in 0..setup.rounds.min(3) {
            let floor = runtime.block_on(on_floor());
            let server = server(&setup.fresh("idle")).start();
            memory.push(runtime.block_on(over_realtime(server.address, server.id(), paths)), floor);
            // Of many paths nothing can be told: writing them leaves Node with more room than listening takes.
            if setup.with_peer && paths == 1 {
                let peer = Peer::start();
                memory.push_peer(runtime.block_on(over_realtime(peer.address, peer.id(), paths)));
            }
        }
        table.row(&format!("{CLIENTS} idle WebSockets on {where_}: memory each"), &memory, "KB", "8 KB", "");
    }
}

async fn on_floor() -> f64 {
    let floor = Floor::start("idle");
    let before = resident_bytes(floor.id());
    let mut sockets = Vec::new();
    for _ in 0..CLIENTS {
        let mut socket = TcpStream::connect(floor.address).await.unwrap();
        socket.read_u8().await.unwrap();
        sockets.push(socket);
    }
    per_client(floor.id(), before).await
}

async fn over_streams(address: SocketAddr, process: u32, paths: usize) -> f64 {
    fill(address, paths).await;
    let before = resident_bytes(process);
    let mut sockets = Vec::new();
    for number in 0..CLIENTS {
        let client = Client::connect(address).await.unwrap();
        sockets.push(client.listen(&format!("/rooms/r{}.json", number % paths)).await.unwrap());
    }
    per_client(process, before).await
}

async fn over_realtime(address: SocketAddr, process: u32, paths: usize) -> f64 {
    let mut writer = Realtime::connect(address).await.unwrap();
    let sets = (0..paths).map(|number| (format!("/rooms/r{number}"), "{\"a\":1}".to_owned()));
    let last = writer.send_sets(sets).await.unwrap();
    writer.answered(last).await.unwrap();
    let before = resident_bytes(process);
    // They answer pings, as all clients do.
    let mut tasks = JoinSet::new();
    for number in 0..CLIENTS {
        let mut client = Realtime::connect(address).await.unwrap();
        client.listen(&format!("/rooms/r{}", number % paths), "").await.unwrap();
        tasks.spawn(client.stay());
    }
    let memory = per_client(process, before).await;
    assert!(tasks.try_join_next().is_none(), "a connection ended");
    memory
}

async fn fill(address: SocketAddr, writes: usize) {
    let mut client = Client::connect(address).await.unwrap();
    for number in 0..writes {
        client.ask(request("PUT", &format!("/rooms/r{number}.json"), "", "{\"a\":1}").as_bytes()).await.unwrap();
    }
}

async fn per_client(process: u32, before: u64) -> f64 {
    tokio::time::sleep(SETTLE).await;
    resident_bytes(process).saturating_sub(before) as f64 / CLIENTS as f64 / 1_024.0
}
