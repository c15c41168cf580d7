//! Clients with armed onDisconnect writes, who leave in every way there is. Protocol: docs/sessions.md.
//!
//! Each session arms an increment of a number of its own, so that the number tells how often the write ran.

use std::io;

use serde_json::Value;

use super::World;
use super::dice::Dice;
use super::gate::{Phase, Turn};
use super::lean_client::{Connection, EventStream};
use super::ledger::Armed;

/// Sessions that one client opens in one life of the server.
const SESSIONS_MAX: usize = 20;

pub fn run(world: &World, mut dice: Dice) {
    let mut turn = Turn::default();
    while let Some(next) = world.gate.next(turn, &[Phase::Load]) {
        turn = next;
        // Held until the server is dead: a session whose stream is open must not end before.
        let mut streams = Vec::new();
        if let Err(error) = work(world, &turn, &mut dice, &mut streams) {
            world.broke(&turn, "session", &error);
        }
        world.gate.wait_for_end(&turn);
    }
}

fn work(world: &World, turn: &Turn, dice: &mut Dice, streams: &mut Vec<EventStream>) -> io::Result<()> {
    let mut connection = Connection::open(world.address)?;
    for _ in 0..SESSIONS_MAX {
        let (session, stream) = open(world)?;
        let number = world.ledger().next_session();
        let place = format!("/b{}/armed/s{number}", turn.bucket);
        let note = |runs_min, runs_max| {
            world.ledger().armed.insert(number, Armed { runs_min, runs_max });
        };
        let mut ask = |requests: &str| ask(&mut connection, &session, requests);

        note(0, 1);
        ask(&format!("[{{\"n\":1,\"onDisconnectSet\":\"{place}\",\"data\":{{\".sv\":{{\"increment\":1}}}}}}]"))?;
        note(1, 1);
        match dice.below(5) {
            0 => {
                note(0, 1);
                ask(&format!("[{{\"n\":2,\"onDisconnectCancel\":\"{place}\"}}]"))?;
                note(0, 0);
                streams.push(stream);
            }
            1 => {
                let answer = connection.ask("POST", &format!("/.beaconfire/sessions/{session}/close?ns=crash"), "")?;
                if answer.status != 204 {
                    return Err(bad(&format!("close: {answer:?}")));
                }
            }
            2 => drop(stream), // within its grace when the server dies
            _ => streams.push(stream),
        }
    }
    Ok(())
}

fn open(world: &World) -> io::Result<(String, EventStream)> {
    let mut stream = Connection::open(world.address)?.listen("/.beaconfire/sessions?ns=crash", None)?;
    let hello = stream.next()?;
    let data: Option<Value> = serde_json::from_str(&hello.data).ok();
    let session = data.as_ref().and_then(|data| data.get("session")).and_then(Value::as_str);
    match session {
        Some(session) if hello.name == "hello" => Ok((session.to_owned(), stream)),
        _ => Err(bad(&format!("not a hello: {hello:?}"))),
    }
}

fn ask(connection: &mut Connection, session: &str, requests: &str) -> io::Result<()> {
    let answer = connection.ask("POST", &format!("/.beaconfire/sessions/{session}?ns=crash"), requests)?;
    let replies: Option<Value> = serde_json::from_str(&answer.body).ok();
    let status = replies.as_ref().and_then(|replies| replies.pointer("/replies/0/status")).and_then(Value::as_str);
    if answer.status == 200 && status == Some("ok") { Ok(()) } else { Err(bad(&format!("{requests}: {answer:?}"))) }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
