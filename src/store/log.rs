//! The log: records and what they replaced as text, and how long they are kept.
//!
//! A record is one line of JSON that an operator can read with `sqlite3`:
//! `{"v":1,"path":"/a","update":true,"changes":[["/a/x",DATA],["/a/y",".priority",PRIORITY]]}`, data in export format.
//! What it replaced is `[["/a/x",VALUE,PRIORITY],["/a/z"]]`: the rows as they were, in the order in which they were
//! touched; a row with a path alone was not there before. A value of null is an inner node's priority row.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::encode::{segment_text, split_segment};
use super::{Options, StoreError};
use crate::base::Millis;
use crate::base::limits::UNDO_BYTES_MAX;
use crate::model::json::JsonWriter;
use crate::model::walk::{ScalarRef, Step};
use crate::model::{Change, Draft, Format, Key, Node, Path, Record, Scalar, Value};

/// The version of the text that we write.
const VERSION: u32 = 1;
/// Stands where a change has data, if it is one of priority only. No key and no data is written so.
const PRIORITY_MARK: &str = "\".priority\"";

/// A record as the log kept it.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    pub record: Record,
    /// The rows it replaced, in the order in which they were touched: put back from last to first, they give the tree
    /// before it. `None` if they were more than [`UNDO_BYTES_MAX`] bytes.
    pub undo: Option<Vec<UndoRow>>,
}

/// A row that a record touched.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoRow {
    pub path: Path,
    /// The row before it; `None`: there was none.
    pub before: Option<Row>,
}

/// A row of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `None`: an inner node's row, which is there for its priority.
    pub value: Option<Scalar>,
    pub priority: Option<Scalar>,
}

/// The newest record ever; zeros before the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Newest {
    pub seq: u64,
    pub time: Millis,
    /// Bytes of all records ever.
    pub total: i64,
}

/// Reads the position. The newest record is never trimmed, so it tells.
pub fn newest(conn: &Connection) -> Result<Newest, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq, time, total FROM log ORDER BY seq DESC LIMIT 1")?;
    let newest = statement
        .query_row([], |row| {
            Ok(Newest { seq: row.get::<_, i64>(0)?.cast_unsigned(), time: row.get(1)?, total: row.get(2)? })
        })
        .optional()?;
    Ok(newest.unwrap_or_default())
}

/// The oldest record that is kept; the next sequence when there is none.
pub fn start(conn: &Connection) -> Result<u64, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq FROM log ORDER BY seq LIMIT 1")?;
    let oldest = statement.query_row([], |row| row.get::<_, i64>(0)).optional()?;
    Ok(oldest.map_or(1, i64::cast_unsigned))
}

/// Appends `record` behind `newest`, which becomes it.
pub fn append(conn: &Connection, record: &Record, undo: Undo, newest: &mut Newest) -> Result<(), StoreError> {
    let text = record_text(record);
    let undo = undo.finish();
    let bytes = text.len() + undo.as_ref().map_or(0, String::len);
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let total = newest.total.saturating_add(bytes);
    let mut statement =
        conn.prepare_cached("INSERT INTO log (seq, time, bytes, total, record, undo) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    statement.execute((record.seq.cast_signed(), record.time, bytes, total, text, undo))?;
    *newest = Newest { seq: record.seq, time: record.time, total };
    Ok(())
}

/// Visits the records behind `after`, in order.
pub fn read(
    conn: &Connection,
    after: u64,
    visit: &mut dyn FnMut(LogEntry) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq, time, record, undo FROM log WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = statement.query([i64::try_from(after).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.cast_unsigned();
        let broken = |what: &str| StoreError::damaged(format!("log record {seq}: {what}"));
        let text = row.get_ref(2)?.as_str().map_err(|_| broken("no text"))?;
        let record = parse_record(seq, row.get(1)?, text).map_err(broken)?;
        let undo = row.get_ref(3)?.as_str_or_null().map_err(|_| broken("no text"))?;
        let undo = undo.map(parse_undo).transpose().map_err(broken)?;
        if visit(LogEntry { record, undo }).is_break() {
            break;
        }
    }
    Ok(())
}

/// Drops records that `keep` wants no more: oldest first, at most `max`, never the newest. Ages are measured from the
/// newest record, not from now. Gives whether there may be more to drop.
pub fn trim(conn: &Connection, keep: &Options, newest: &Newest, max: u32) -> Result<bool, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq, time, bytes, total FROM log ORDER BY seq LIMIT ?1")?;
    let mut rows = statement.query([max])?;
    let (mut dropped, mut cut) = (0, None);
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?;
        let from_here_on = newest.total.saturating_sub(row.get::<_, i64>(3)?).saturating_add(row.get::<_, i64>(2)?);
        let behind = newest.seq.saturating_sub(seq.cast_unsigned());
        let is_over = behind >= keep.log_records_max
            || from_here_on.cast_unsigned() > keep.log_bytes_max
            || newest.time.saturating_sub(row.get(1)?) > keep.log_age_max_ms;
        if behind == 0 || !is_over {
            break;
        }
        dropped += 1;
        cut = Some(seq);
    }
    drop(rows);
    if let Some(cut) = cut {
        conn.prepare_cached("DELETE FROM log WHERE seq <= ?1")?.execute([cut])?;
    }
    Ok(dropped == max)
}

/// Collects the rows that a record replaces, as text, up to [`UNDO_BYTES_MAX`].
#[derive(Debug, Default)]
pub struct Undo {
    text: Vec<u8>,
    is_full: bool,
}

impl Undo {
    /// Whether more was replaced than is kept: no need to look at more.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Notes the row `key` as it was before it is touched.
    pub fn note(&mut self, key: &[u8], before: Option<&Row>) {
        if self.is_full {
            return;
        }
        self.text.extend_from_slice(if self.text.is_empty() { b"[[" } else { b",[" });
        write_path(KeyText(key), &mut self.text);
        if let Some(row) = before {
            for scalar in [&row.value, &row.priority] {
                self.text.push(b',');
                write_scalar(scalar.as_ref().map(Scalar::borrowed), &mut self.text);
            }
        }
        self.text.push(b']');
        if self.text.len() > UNDO_BYTES_MAX {
            *self = Self { text: Vec::new(), is_full: true };
        }
    }

    fn finish(mut self) -> Option<String> {
        if self.text.is_empty() {
            self.text.push(b'[');
        }
        self.text.push(b']');
        // Cannot fail: only JSON was written, which is UTF-8.
        let text = String::from_utf8(self.text).expect("JSON is UTF-8");
        (!self.is_full).then_some(text)
    }
}

fn record_text(record: &Record) -> String {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"v\":1,\"path\":");
    write_path(&record.path, &mut out);
    out.extend_from_slice(if record.update { b",\"update\":true" } else { b",\"update\":false" });
    out.extend_from_slice(b",\"changes\":[");
    for (index, change) in record.changes.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"[" } else { b",[" });
        write_path(&change.path, &mut out);
        out.push(b',');
        match &change.value {
            Value::Node(node) => node.write_json(Format::Export, &mut out),
            Value::Priority(priority) => {
                out.extend_from_slice(PRIORITY_MARK.as_bytes());
                out.push(b',');
                write_scalar(priority.as_ref().map(Scalar::borrowed), &mut out);
            }
        }
        out.push(b']');
    }
    out.extend_from_slice(b"]}");
    // Cannot fail: only JSON was written, which is UTF-8.
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn parse_record(seq: u64, time: Millis, text: &str) -> Result<Record, &'static str> {
    #[derive(Deserialize)]
    struct Text<'a> {
        v: u32,
        #[serde(borrow)]
        path: Cow<'a, str>,
        update: bool,
        #[serde(borrow)]
        changes: Vec<Vec<&'a RawValue>>,
    }
    let Text { v, path, update, changes } = serde_json::from_str(text).map_err(|_| "no record")?;
    if v != VERSION {
        return Err("of a version that this program does not know");
    }
    let changes = changes.iter().map(|change| parse_change(change)).collect::<Result<_, _>>()?;
    Ok(Record { seq, time, path: parse_path(&path), update, changes })
}

fn parse_change(parts: &[&RawValue]) -> Result<Change, &'static str> {
    let (path, value) = match parts {
        [path, data] => (path, Value::Node(parse_node(data)?)),
        [path, mark, priority] if mark.get() == PRIORITY_MARK => (path, Value::Priority(parse_scalar(priority)?)),
        _ => return Err("no change"),
    };
    Ok(Change { path: parse_raw_path(path)?, value })
}

fn parse_undo(text: &str) -> Result<Vec<UndoRow>, &'static str> {
    let rows: Vec<Vec<&RawValue>> = serde_json::from_str(text).map_err(|_| "no undo rows")?;
    let rows = rows.iter().map(|parts| match parts.as_slice() {
        [path] => Ok(UndoRow { path: parse_raw_path(path)?, before: None }),
        [path, value, priority] => {
            let before = Row { value: parse_scalar(value)?, priority: parse_scalar(priority)? };
            Ok(UndoRow { path: parse_raw_path(path)?, before: Some(before) })
        }
        _ => Err("no undo row"),
    });
    rows.collect()
}

fn parse_node(json: &RawValue) -> Result<Node, &'static str> {
    match Draft::parse(json.get().as_bytes(), 0).map(|draft| draft.value) {
        Ok(Value::Node(node)) => Ok(node),
        _ => Err("no data"),
    }
}

fn parse_scalar(json: &RawValue) -> Result<Option<Scalar>, &'static str> {
    match parse_node(json)? {
        Node::Empty => Ok(None),
        Node::Leaf { value, priority: None } => Ok(Some(value)),
        _ => Err("no scalar"),
    }
}

fn parse_raw_path(json: &RawValue) -> Result<Path, &'static str> {
    let text: Cow<'_, str> = serde_json::from_str(json.get()).map_err(|_| "no path")?;
    Ok(parse_path(&text))
}

/// Takes back the text of a path that was checked before it was stored.
pub fn parse_path(text: &str) -> Path {
    Path::from_keys(text.split('/').filter(|key| !key.is_empty()).map(Key::trusted).collect())
}

fn write_path(path: impl fmt::Display, out: &mut Vec<u8>) {
    struct Text<T>(T);
    impl<T: fmt::Display> Serialize for Text<T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&self.0)
        }
    }
    // Cannot fail: text can always be serialised, and a vector takes every byte.
    serde_json::to_writer(out, &Text(path)).expect("text into memory");
}

fn write_scalar(scalar: Option<ScalarRef<'_>>, out: &mut Vec<u8>) {
    let mut writer = JsonWriter::new(Format::Plain);
    if let Some(value) = scalar {
        writer.step(Step::Leaf { key: None, value, priority: None }, out);
    }
    writer.finish(out);
}

/// A row key, shown as its path.
struct KeyText<'a>(&'a [u8]);

impl fmt::Display for KeyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut scratch = Vec::new();
        let mut key = self.0;
        f.write_str("/")?;
        while let Some((segment, rest)) = split_segment(key) {
            f.write_str(segment_text(segment, &mut scratch).unwrap_or_default())?;
            if !rest.is_empty() {
                f.write_str("/")?;
            }
            key = rest;
        }
        Ok(())
    }
}
