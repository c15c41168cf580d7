//! A reader of pushes who comes back after each death with the newest event id that it got.

use std::io;

use serde_json::Value;

use super::World;
use super::gate::{Phase, Turn};
use super::lean_client::Connection;
use super::ledger::Seen;
use super::writers::LAST;

pub fn run(world: &World, reader: usize) {
    let mut turn = Turn::default();
    let (mut seen, mut newest_id) = (Seen::new(), None);
    while let Some(next) = world.gate.next(turn, &[Phase::Load, Phase::CatchUp]) {
        if next.bucket != turn.bucket {
            (seen, newest_id) = (Seen::new(), None);
        }
        turn = next;
        match read(world, &turn, &mut seen, &mut newest_id) {
            Ok(()) => drop(world.ledger().seen.insert(reader, std::mem::take(&mut seen))),
            Err(error) => world.broke(&turn, &format!("reader {reader}"), &error),
        }
    }
}

/// Reads until the last push has come.
fn read(world: &World, turn: &Turn, seen: &mut Seen, newest_id: &mut Option<String>) -> io::Result<()> {
    let target = format!("/b{}/push.json?ns=crash&on=child_added", turn.bucket);
    let mut stream = Connection::open(world.address)?.listen(&target, newest_id.as_deref())?;
    if newest_id.is_some() {
        world.ledger().resumptions += 1;
    } else {
        // Broken off within the first events: they come again.
        seen.clear();
    }
    loop {
        let event = stream.next()?;
        let data: Option<Value> = serde_json::from_str(&event.data).ok();
        let key = data.as_ref().and_then(|data| data.get("key")).and_then(Value::as_str);
        let (Some(data), Some(key), "child_added") = (&data, key, event.name.as_str()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("unexpected {event:?}")));
        };
        seen.push((event.id.clone(), key.to_owned()));
        *newest_id = event.id.or(newest_id.take());
        if data.pointer("/value/w").and_then(Value::as_u64) == Some(LAST) {
            return Ok(());
        }
    }
}
