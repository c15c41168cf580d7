//! A writer: one write at a time, numbered, every kind of it.

use std::io;

use serde_json::Value;

use super::World;
use super::dice::Dice;
use super::gate::{Phase, Turn};
use super::lean_client::{Answer, Connection};

/// Places that one writer overwrites and deletes.
const PLACES: u64 = 8;
/// The writer of a bucket's last push.
pub const LAST: u64 = 99;

pub fn run(world: &World, writer: usize, mut dice: Dice) {
    let mut turn = Turn::default();
    let mut n = 0;
    while let Some(next) = world.gate.next(turn, &[Phase::Load]) {
        turn = next;
        if let Err(error) = work(world, &turn, writer, &mut n, &mut dice) {
            world.broke(&turn, &format!("writer {writer}"), &error);
        }
    }
}

fn work(world: &World, turn: &Turn, writer: usize, n: &mut u64, dice: &mut Dice) -> io::Result<()> {
    let mut connection = Connection::open(world.address)?;
    let bucket = format!("/b{}", turn.bucket);
    // A writer that went on after the kill would only find a closed port.
    while world.gate.is_open(turn) {
        *n += 1;
        let place = format!("/slot/w{writer}/s{}", dice.below(PLACES));
        match dice.below(8) {
            0..4 => push(world, &mut connection, &bucket, (writer as u64, *n))?,
            4 | 5 => write(world, &mut connection, &bucket, &place, "PUT", "", Some(*n))?,
            6 => write(world, &mut connection, &bucket, &place, "DELETE", "", None)?,
            _ => {
                let update = format!("{{\"a\":{n},\"b/c\":{n}}}");
                write(world, &mut connection, &bucket, &format!("/pair/w{writer}"), "PATCH", &update, Some(*n))?;
            }
        }
    }
    Ok(())
}

/// The push after which a bucket's readers are through.
pub fn push_last(world: &World, connection: &mut Connection, bucket: u32) -> io::Result<()> {
    push(world, connection, &format!("/b{bucket}"), (LAST, 1))
}

fn push(world: &World, connection: &mut Connection, bucket: &str, (w, n): (u64, u64)) -> io::Result<()> {
    world.ledger().pushes_sent.insert((w, n));
    let body = format!("{{\"w\":{w},\"n\":{n}}}");
    let answer = done(connection.ask("POST", &format!("{bucket}/push.json?ns=crash"), &body)?)?;
    let name = serde_json::from_str::<Value>(&answer.body).ok();
    let name = name.as_ref().and_then(|answer| answer.get("name")).and_then(Value::as_str);
    let name = name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, answer.body.clone()))?;
    let mut ledger = world.ledger();
    ledger.acks += 1;
    ledger.pushes.insert(name.to_owned(), (w, n));
    Ok(())
}

/// Writes `value` to a place; `body` is what is sent for it, if not the number itself.
fn write(
    world: &World,
    connection: &mut Connection,
    bucket: &str,
    place: &str,
    method: &str,
    body: &str,
    value: Option<u64>,
) -> io::Result<()> {
    world.ledger().send(place, value);
    let number = value.map_or(String::new(), |value| value.to_string());
    let body = if body.is_empty() { &number } else { body };
    done(connection.ask(method, &format!("{bucket}{place}.json?ns=crash"), body)?)?;
    world.ledger().acknowledge(place);
    Ok(())
}

fn done(answer: Answer) -> io::Result<Answer> {
    if answer.status == 200 {
        return Ok(answer);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("{answer:?}")))
}
