//! `kill -9` under load, again and again, on one data directory: what the server promised, it kept.
//!
//! Writers, readers of event streams and sessions with armed onDisconnect writes work against a real server until it
//! is killed at a random moment, sometimes again while it is starting. After each restart the stored tree is compared
//! with what was acknowledged and what was sent: no acknowledged write is lost, no value appears that nobody sent, an
//! update is whole, an armed write of a vanished session ran exactly once. Every few rounds the readers, who have
//! resumed by
//! `Last-Event-ID` all along, are compared with the tree: every push once, in order.
//!
//! `BEACONFIRE_CRASHES=1000` makes it a long run, `BEACONFIRE_SEED` repeats one.
//!
//! - `gate`: when the clients may work, and which life of the server they are in
//! - `ledger`: what was sent and acknowledged, and the comparison
//! - `writers`, `readers`, `sessions`: the clients

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: what is wrong here shall stop it")]

mod gate;
mod ledger;
mod readers;
mod sessions;
mod writers;

#[path = "../support/dice.rs"]
mod dice;
#[path = "../support/lean_client.rs"]
mod lean_client;
#[path = "../support/server_process.rs"]
mod server_process;

use std::env;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use self::dice::Dice;
use self::gate::{Gate, Phase, Turn};
use self::lean_client::Connection;
use self::ledger::Ledger;
use self::server_process::{Launch, ServerProcess, wait_until};

const WRITERS: usize = 4;
const READERS: usize = 3;
const SESSION_CLIENTS: usize = 2;
/// After so many deaths the clients move to a fresh part of the tree, so that a long run does not get slower and
/// slower.
const ROUNDS_PER_BUCKET: u32 = 10;
/// A kill comes after at most so many acknowledged writes.
const ACKS_MAX: u64 = 300;

/// What all threads share.
pub struct World {
    address: SocketAddr,
    gate: Gate,
    ledger: Mutex<Ledger>,
}

#[test]
fn server_killed_under_load_keeps_what_it_promised() {
    let rounds: u32 = env::var("BEACONFIRE_CRASHES").map_or(50, |text| text.parse().unwrap());
    let mut dice = Dice::from_environment();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let address = free_address(&mut dice);
    // With this grace, what ran after a kill was run by the restart and by nothing else.
    let launch = Launch::new(env!("CARGO_BIN_EXE_beaconfire"), &folder.path().join("data"))
        .port(address.port())
        .flags(&["--presence-grace", "60s"]);
    let world = World { address, gate: Gate::default(), ledger: Mutex::default() };
    let mut starts = 0;
    thread::scope(|scope| {
        let _end = world.gate.end_when_dropped();
        let (world, launch) = (&world, &launch);
        for writer in 0..WRITERS {
            let dice = dice.fork();
            scope.spawn(move || writers::run(world, writer, dice));
        }
        for reader in 0..READERS {
            scope.spawn(move || readers::run(world, reader));
        }
        for _ in 0..SESSION_CLIENTS {
            let dice = dice.fork();
            scope.spawn(move || sessions::run(world, dice));
        }
        let mut server = launch.start();
        for round in 0..rounds {
            let bucket = round / ROUNDS_PER_BUCKET;
            kill_under_load(world, server, bucket, &mut dice);
            starts += 1 + kill_while_starting(launch, &mut dice);
            server = launch.start();
            check(world, launch, &format!("after death {round}"), Ledger::compare, bucket);
            if round + 1 == rounds || (round + 1) % ROUNDS_PER_BUCKET == 0 {
                finish_bucket(world, launch, bucket);
            }
        }
    });
    println!("{starts} starts; {}", world.ledger().summary());
}

fn kill_under_load(world: &World, server: ServerProcess, bucket: u32, dice: &mut Dice) {
    let acks = world.ledger().acks + 1 + dice.below(ACKS_MAX);
    world.gate.open(Phase::Load, bucket);
    wait_until("writes are acknowledged", || {
        let ledger = world.ledger();
        ledger.acks >= acks || !ledger.failures.is_empty()
    });
    // The moment itself is the chance here, nothing is waited for.
    thread::sleep(Duration::from_micros(dice.below(2_000)));
    world.gate.close();
    server.kill();
}

/// Now and then, kills a server that has not got ready. Gives how many were killed.
fn kill_while_starting(launch: &Launch, dice: &mut Dice) -> u32 {
    let mut killed = 0;
    while dice.below(4) == 0 {
        let mut child = launch.spawn().unwrap();
        thread::sleep(Duration::from_micros(dice.below(30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    killed
}

/// Lets the readers catch up with a last push, then compares what they saw with what is stored.
fn finish_bucket(world: &World, launch: &Launch, bucket: u32) {
    world.gate.open(Phase::CatchUp, bucket);
    let mut connection = Connection::open(world.address).unwrap();
    writers::push_last(world, &mut connection, bucket).unwrap();
    wait_until("all readers have seen the last push", || {
        let ledger = world.ledger();
        ledger.seen.len() == READERS || !ledger.failures.is_empty()
    });
    world.gate.close();
    check(world, launch, "when the readers had caught up", Ledger::compare_seen, bucket);
    world.ledger().forget_bucket();
}

fn check(
    world: &World,
    launch: &Launch,
    when: &str,
    compare: fn(&mut Ledger, &Value) -> Result<(), String>,
    bucket: u32,
) {
    let mut connection = Connection::open(world.address).unwrap();
    let answer = connection.ask("GET", &format!("/b{bucket}.json?ns=crash"), "").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let stored = serde_json::from_str(&answer.body).unwrap();
    let mut ledger = world.ledger();
    assert!(ledger.failures.is_empty(), "{when}: {:#?}\n{}", ledger.failures, launch.log_tail());
    if let Err(text) = compare(&mut ledger, &stored) {
        panic!("{when}: {text}\n{}", launch.log_tail());
    }
}

impl World {
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Notes an error of a client, unless it comes from the kill.
    fn broke(&self, turn: &Turn, who: &str, error: &std::io::Error) {
        if error.kind() == std::io::ErrorKind::InvalidData || self.gate.is_open(turn) {
            self.fail(format!("{who}: {error}"));
        }
    }

    fn fail(&self, text: String) {
        self.ledger().failures.push(text);
    }
}

/// A port that clients find again after each restart: below those that the kernel hands out to outgoing connections, or
/// one of them might hold it meanwhile.
fn free_address(dice: &mut Dice) -> SocketAddr {
    loop {
        let port = u16::try_from(20_000 + dice.below(10_000)).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
