//! The floor of the store: the same rows and the same commits, with nothing around them.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::measure::Load;
use crate::server_process::{cpu_since, cpu_time};

/// Operations in one commit, as many as the server takes.
const BATCH_MAX: usize = 256;

/// One write: four leaves and a log record.
struct Operation {
    leaves: [(Vec<u8>, String); 4],
    record: String,
    done: SyncSender<()>,
}

/// Raw group commit: `writers` threads, each with `under_way` writes under way, and one that commits what is waiting.
/// The CPU is that of all these threads.
pub fn group_commit(folder: &Path, writers: usize, under_way: usize, time: Duration, object: &str) -> Load {
    fs::create_dir_all(folder).unwrap();
    let connection = open(&folder.join("floor.sqlite"));
    let (sender, operations) = sync_channel(1_024);
    let (start, cpu_start) = (Instant::now(), cpu_time(std::process::id()));
    let committer = thread::spawn(move || commit_all(connection, &operations));
    let writers: Vec<_> = (0..writers)
        .map(|writer| {
            let (sender, object) = (sender.clone(), object.to_owned());
            thread::spawn(move || write(&sender, writer, under_way, start + time, &object))
        })
        .collect();
    drop(sender);
    let latencies: Vec<u32> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    let elapsed = start.elapsed();
    committer.join().unwrap();
    Load::new(latencies, elapsed, cpu_since(std::process::id(), cpu_start))
}

fn write(sender: &SyncSender<Operation>, writer: usize, under_way: usize, end: Instant, object: &str) -> Vec<u32> {
    let (done, is_done) = sync_channel(under_way);
    let mut latencies = Vec::new();
    let mut asked = VecDeque::new();
    for sent in 0.. {
        if sent >= under_way {
            let Some(at): Option<Instant> = asked.pop_front() else { break };
            is_done.recv().unwrap();
            latencies.push(at.elapsed().as_micros() as u32);
        }
        if sent < under_way || Instant::now() < end {
            asked.push_back(Instant::now());
            sender.send(operation(writer, sent % super::writes::KEYS, object, done.clone())).unwrap();
        }
    }
    latencies
}

fn operation(writer: usize, number: usize, object: &str, done: SyncSender<()>) -> Operation {
    let leaf = |name: &str| {
        let key = format!("\u{3}w\0\u{3}{writer}\0\u{3}k{number}\0\u{3}{name}\0");
        (key.into_bytes(), object.chars().take(30).collect())
    };
    let leaves = ["from", "seq", "text", "time"].map(leaf);
    let path = format!("/w/{writer}/k{number}");
    let record = format!("{{\"v\":1,\"path\":\"{path}\",\"changes\":[[\"{path}\",{object}]]}}");
    Operation { leaves, record, done }
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8000;
             CREATE TABLE node (key BLOB NOT NULL PRIMARY KEY, value, priority) WITHOUT ROWID;
             CREATE TABLE log (seq INTEGER NOT NULL PRIMARY KEY, time INTEGER NOT NULL, record TEXT NOT NULL);",
        )
        .unwrap();
    connection
}

fn commit_all(mut connection: Connection, operations: &Receiver<Operation>) {
    let mut seq = 0_i64;
    while let Ok(first) = operations.recv() {
        let batch: Vec<Operation> = std::iter::once(first).chain(operations.try_iter()).take(BATCH_MAX).collect();
        let transaction = connection.transaction().unwrap();
        for operation in &batch {
            let mut put = transaction.prepare_cached("REPLACE INTO node (key, value) VALUES (?1, ?2)").unwrap();
            for (key, value) in &operation.leaves {
                put.execute((key, value)).unwrap();
            }
            seq += 1;
            let mut log = transaction.prepare_cached("INSERT INTO log VALUES (?1, ?2, ?3)").unwrap();
            log.execute((seq, 1_795_197_713_650_i64, &operation.record)).unwrap();
        }
        transaction.commit().unwrap();
        for operation in &batch {
            operation.done.send(()).unwrap();
        }
    }
}

/// Reads all rows of the server's own file.
pub fn scan(data: &Path) -> Duration {
    let connection = Connection::open(database_in(data)).unwrap();
    let start = Instant::now();
    let mut statement = connection.prepare("SELECT key, value, priority FROM node").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut bytes = 0;
    while let Some(row) = rows.next().unwrap() {
        bytes += row.get_ref(0).unwrap().as_blob().unwrap().len();
        bytes += row.get_ref(1).unwrap().as_str().map_or(8, str::len);
    }
    assert!(bytes > 0);
    start.elapsed()
}

/// Deletes all rows of the server's own file, durably.
pub fn delete(data: &Path) -> Duration {
    let connection = Connection::open(database_in(data)).unwrap();
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8000").unwrap();
    let start = Instant::now();
    // A range, so that SQLite does not take its short cut for whole tables.
    assert!(connection.execute("DELETE FROM node WHERE key >= x'02' AND key < x'ff'", []).unwrap() > 0);
    start.elapsed()
}

/// The one SQLite file below `data`.
fn database_in(data: &Path) -> PathBuf {
    let mut waiting = vec![data.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                waiting.push(entry);
            } else if fs::read(&entry).unwrap_or_default().starts_with(b"SQLite format 3\0") {
                return entry;
            }
        }
    }
    panic!("no database in {}", data.display());
}
