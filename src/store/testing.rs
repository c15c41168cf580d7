//! What the tests of this room share: real files in directories that vanish.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::open::{beside, open_reader};
use super::{Applied, Durability, LogEntry, Options, Readers, Tree, Writer, open};
use crate::model::{Change, Draft, Index, IndexRule, Key, Node, Path, Record, Segment, Value};

/// An open database. Fields are dropped in this order.
pub struct Temp {
    pub writer: Writer,
    pub readers: Readers,
    pub file: PathBuf,
    _dir: TempDir,
}

impl Temp {
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// Never synced, whatever `options` say: tests are many.
    pub fn with(options: Options) -> Self {
        let options = Options { durability: Durability::Off, ..options };
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("test.sqlite");
        let (writer, readers) = open(&file, &options).unwrap();
        Self { writer, readers, file, _dir: dir }
    }

    /// Commits one record of these changes, each a path and JSON in export format.
    pub fn write(&mut self, changes: &[(&str, &str)]) -> Applied {
        let changes = changes.iter().map(|(at, json)| set(at, node(json))).collect();
        self.commit(changes, 0)
    }

    pub fn commit(&mut self, changes: Vec<Change>, time: i64) -> Applied {
        let record = record(self.writer.last_seq() + 1, time, changes);
        let mut batch = self.writer.begin().unwrap();
        let applied = batch.append(&record).unwrap();
        batch.commit().unwrap();
        applied
    }

    pub fn tree(&self) -> Tree<'_> {
        self.writer.tree()
    }

    /// Commits rules that ask for indexes: each a pattern with `$` for any key, and a child path or `.value`.
    pub fn set_rules(&mut self, indexes: &[(&str, &str)]) {
        let indexes: Vec<IndexRule> = indexes.iter().map(|(pattern, on)| index_rule(pattern, on)).collect();
        let mut batch = self.writer.begin().unwrap();
        batch.set_rules("rules", &indexes).unwrap();
        batch.commit().unwrap();
    }

    /// The same, built to the end.
    pub fn index(&mut self, indexes: &[(&str, &str)]) {
        self.set_rules(indexes);
        while self.writer.build_indexes().unwrap() {}
    }

    /// Steps of SQLite's virtual machine that a read takes. A row that is passed over takes at least three.
    pub fn steps(&self, read: impl FnOnce(&Tree<'_>)) -> u64 {
        let mut conn = open_reader(&self.file).unwrap();
        let steps = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&steps);
        let counter = move || {
            count.fetch_add(1, Ordering::Relaxed);
            false
        };
        conn.progress_handler(1, Some(counter)).unwrap();
        read(&Tree { conn: &conn });
        steps.load(Ordering::Relaxed)
    }

    /// Writes the WAL back into the file.
    pub fn checkpoint(&self) {
        self.tree().conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }

    /// What a start after a sudden end of the process would find: opens a copy of `file` and its WAL as they are now.
    pub fn after_crash(file: &FilePath) -> Self {
        let dir = TempDir::new().unwrap();
        let copy = dir.path().join("test.sqlite");
        fs::copy(file, &copy).unwrap();
        fs::copy(beside(file, "-wal"), beside(&copy, "-wal")).unwrap();
        let (writer, readers) = open(&copy, &Options::default()).unwrap();
        Self { writer, readers, file: copy, _dir: dir }
    }

    pub fn log(&self) -> Vec<LogEntry> {
        let mut entries = Vec::new();
        self.tree()
            .log(0, &mut |entry| {
                entries.push(entry);
                ControlFlow::Continue(())
            })
            .unwrap();
        entries
    }
}

pub fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

pub fn index_rule(pattern: &str, on: &str) -> IndexRule {
    let segments = pattern.split('/').filter(|segment| !segment.is_empty()).map(|segment| match segment {
        "$" => Segment::Any,
        key => Segment::Key(Key::parse(key).unwrap()),
    });
    let index = if on == ".value" { Index::Value } else { Index::Child(path(on)) };
    IndexRule { pattern: segments.collect(), index }
}

pub fn node(json: &str) -> Node {
    match Draft::parse(json.as_bytes(), 0).unwrap().value {
        Value::Node(node) => node,
        Value::Priority(_) => panic!("no data"),
    }
}

pub fn set(at: &str, node: Node) -> Change {
    Change { path: path(at), value: Value::Node(node) }
}

/// A record addressed at the place of its first change.
pub fn record(seq: u64, time: i64, changes: Vec<Change>) -> Record {
    let path = changes.first().map(|change| change.path.clone()).unwrap_or_default();
    Record { seq, time, path, update: changes.len() > 1, changes }
}
