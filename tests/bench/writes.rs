//! Acknowledged durable writes of a 200-byte object with four leaves at 1, 16 and 64 writers, against raw SQLite group
//! commit in the same file system: PUTs, and sets over the realtime protocol with each writer on its own WebSocket. And
//! PUTs under security rules, against the same under open ones.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::client::{Client, closed_loop, request};
use crate::measure::{Latencies, Load, Setup, Sides, Table, server};
use crate::peer::Peer;
use crate::reads::OBJECT;
use crate::realtime::{self, Realtime};
use crate::sqlite::group_commit;

/// Objects that each writer writes in turn: the first time they are new, then they are replaced.
pub const KEYS: usize = 1_000;
const TIME: Duration = Duration::from_secs(3);

pub fn rest(setup: &Setup, table: &mut Table) {
    let runtime = runtime();
    for writers in [1, 16, 64] {
        let aims = if writers == 64 { ("ratio > 0.5", "< 25 us") } else { ("", "") };
        let mut rows = Rows::default();
        for _ in 0..setup.rounds {
            let on_floor = group_commit(&setup.fresh("floor"), writers, 1, setup.time(TIME), OBJECT);
            rows.push(put_all(setup, &runtime, writers, None), &on_floor);
        }
        rows.report(table, "durable write", &format!("{writers} at once"), aims);
    }
}

/// Four rules on the way to each object, three of which look other places up, and one for each of its leaves.
const RULES: &str = r#"{"rules": {
    ".write": "auth.token.admin === true",
    "w": {".write": "root.child('closed').val() === true", "$writer": {
        ".write": "root.child('members').child($writer).val() === true",
        "$key": {
            ".validate": "newData.hasChildren(['from', 'seq', 'text', 'time']) && root.child('open').val() === true",
            "from": {".validate": "newData.isString() && newData.val().matches(/^user-[0-9]+$/)"},
            "seq": {".validate": "newData.isNumber() && newData.val() >= 0"},
            "text": {".validate": "newData.isString() && newData.val().length <= 500"},
            "time": {".validate": "newData.val() <= now"},
            "$other": {".validate": false}
        }
    }}
}}"#;

pub fn under_rules(setup: &Setup, table: &mut Table) {
    let runtime = runtime();
    for writers in [16, 64] {
        let mut rows = Rows::default();
        for _ in 0..setup.rounds {
            let under_open = put_all(setup, &runtime, writers, None);
            rows.push(put_all(setup, &runtime, writers, Some(RULES)), &under_open);
        }
        rows.report(table, "durable write", &format!("{writers} at once, under rules"), ("", "ratio < 1.3"));
    }
}

pub fn over_realtime(setup: &Setup, table: &mut Table) {
    let runtime = runtime();
    for (clients, under_way, aim) in [(1, 1, ""), (16, 1, ""), (64, 1, "< 25 us or 20x"), (1, 16, ""), (16, 16, "")] {
        let mut rows = Rows::default();
        for _ in 0..setup.rounds {
            let on_floor = group_commit(&setup.fresh("floor"), clients, under_way, setup.time(TIME), OBJECT);
            let data = setup.fresh("writes");
            let server = server(&data).start();
            let load =
                |address, process| runtime.block_on(set_all(address, process, clients, under_way, setup.time(TIME)));
            rows.push(load(server.address, server.id()), &on_floor);
            if setup.with_peer {
                let peer = Peer::start();
                rows.push_peer(load(peer.address, peer.id()));
            }
        }
        let who = if clients == 1 { "one client".to_owned() } else { format!("{clients} clients") };
        let how = if under_way == 1 { String::new() } else { format!(", {under_way} of each under way") };
        rows.report(table, "realtime write", &format!("{who}{how}"), ("", aim));
    }
}

/// One thread: what the load costs is taken from the server's two cores.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn put_all(setup: &Setup, runtime: &Runtime, writers: usize, rules: Option<&str>) -> Load {
    let data = setup.fresh("writes");
    let server = server(&data).start();
    runtime.block_on(async {
        // The first write makes the database.
        let mut client = Client::connect(server.address).await.unwrap();
        client.ask(request("PUT", "/first.json", "", "1").as_bytes()).await.unwrap();
        if let Some(rules) = rules {
            client.ask(request("PUT", "/.settings/rules.json", "", rules).as_bytes()).await.unwrap();
            let members: Vec<String> = (0..writers).map(|writer| format!("\"{writer}\":true")).collect();
            let data = format!("{{\"open\":true,\"members\":{{{}}}}}", members.join(","));
            let admin = "Authorization: Bearer owner\r\n";
            client.ask(request("PATCH", "/.json", admin, &data).as_bytes()).await.unwrap();
        }
        closed_loop(server.address, server.id(), writers, setup.time(TIME), put).await
    })
}

fn put(writer: usize, number: usize) -> String {
    request("PUT", &format!("/w/{writer}/k{}.json", number % KEYS), "", OBJECT)
}

async fn set_all(address: SocketAddr, process: u32, clients: usize, under_way: usize, time: Duration) -> Load {
    let mut connected = Vec::new();
    for _ in 0..clients {
        let mut client = Realtime::connect(address).await.unwrap();
        // The first write makes the database.
        client.set("/first", "1").await.unwrap();
        connected.push(client);
    }
    realtime::closed_loop(process, connected, under_way, time, set).await
}

fn set(writer: usize, number: usize) -> (String, String) {
    (format!("/w/{writer}/k{}", number % KEYS), OBJECT.to_owned())
}

/// Two rows, from all rounds: rate and CPU.
#[derive(Default)]
struct Rows {
    rate: Sides,
    cpu: Sides,
    latencies: Latencies,
    peer_times: Latencies,
}

impl Rows {
    fn push(&mut self, on_server: Load, on_floor: &Load) {
        self.rate.push(on_server.per_second, on_floor.per_second);
        self.cpu.push(on_server.cpu_micros, on_floor.cpu_micros);
        self.latencies.extend(on_server.latencies);
    }

    fn push_peer(&mut self, on_peer: Load) {
        self.rate.push_peer(on_peer.per_second);
        self.cpu.push_peer(on_peer.cpu_micros);
        self.peer_times.extend(on_peer.latencies);
    }

    fn report(mut self, table: &mut Table, what: &str, how: &str, (rate_aim, cpu_aim): (&str, &str)) {
        let remark = self.latencies.text() + &self.peer_times.text_of_peer();
        table.row(&format!("{what}s, {how}"), &self.rate, "/s", rate_aim, &remark);
        table.row(&format!("CPU per {what}, {how}"), &self.cpu, "us", cpu_aim, "");
    }
}
