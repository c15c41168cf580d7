//! Records, and what they replaced, as text.
//!
//! A record is one line of JSON that an operator can read with `sqlite3`:
//! `{"v":1,"path":"/a","update":true,"changes":[["/a/x",DATA],["/a/y",".priority",PRIORITY]]}`, data in export format.
//! What it replaced is `[["/a/x",VALUE,PRIORITY],["/a/z"]]`: the rows as they were, in the order in which they were
//! touched; a row with a path alone was not there before. A value of null is an inner node's priority row.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::encode::{segment_text, split_segment};
use crate::base::Millis;
use crate::base::limits::UNDO_BYTES_MAX;
use crate::model::json::JsonWriter;
use crate::model::walk::{ScalarRef, Step};
use crate::model::{Change, Draft, Format, Key, Node, Path, Record, Scalar, Value};

/// The version of the text that we write.
const VERSION: u32 = 1;
/// Stands where a change has data, if it is one of priority only. No data is written so: it has three parts then.
const PRIORITY_MARK: &str = "\".priority\"";

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

    pub fn finish(mut self) -> Option<String> {
        if self.text.is_empty() {
            self.text.push(b'[');
        }
        self.text.push(b']');
        // Cannot fail: only JSON was written, which is UTF-8.
        let text = String::from_utf8(self.text).expect("JSON is UTF-8");
        (!self.is_full).then_some(text)
    }
}

pub fn record_text(record: &Record) -> String {
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

pub fn parse_record(seq: u64, time: Millis, text: &str) -> Result<Record, &'static str> {
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

pub fn parse_undo(text: &str) -> Result<Vec<UndoRow>, &'static str> {
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

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::super::testing::{Temp, node, path, set};
    use super::*;

    fn priority(at: &str, priority: Option<Scalar>) -> Change {
        Change { path: path(at), value: Value::Priority(priority) }
    }

    /// Everything that a record can hold.
    fn changes() -> Vec<Change> {
        let values = r#"{"i":-9223372036854775808,"d":1.5,"big":1e300,"t":true,"f":false,
            "s":"\"\\\u0000\n\ue000\ud800\udc00","\"k\\":{".value":1,".priority":"p"}}"#;
        vec![
            set("/a/x", node(values)),
            set("/a/y", Node::Empty),
            set("/a/z", node(r#"{".priority":2.5,"0":"array","1":"element"}"#)),
            priority("/a/x/i", Some(Scalar::Int(3))),
            priority("/a/x/d", Some(Scalar::string("\"p"))),
            priority("/a/z", None),
        ]
    }

    #[test]
    fn record_is_a_line_of_json() {
        let mut temp = Temp::new();
        temp.commit(
            vec![set("/a/x", node(r#"{"k":1,"l":{".value":"v",".priority":2}}"#)), priority("/a/x/k", None)],
            7,
        );
        temp.commit(vec![set("/a/x", Node::Empty)], 8);
        let conn = temp.tree().conn;
        let mut statement = conn.prepare("SELECT record, undo FROM log").unwrap();
        let texts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let texts: Vec<(String, String)> = texts.map(Result::unwrap).collect();
        let first =
            r#"{"v":1,"path":"/a/x","update":true,"changes":[["/a/x",{"k":1,"l":{".value":"v",".priority":2}}],"#;
        assert_eq!(texts[0].0, format!(r#"{first}["/a/x/k",".priority",null]]}}"#));
        assert_eq!(texts[0].1, r#"[["/a/x/k"],["/a/x/l"]]"#);
        assert_eq!(texts[1].0, r#"{"v":1,"path":"/a/x","update":false,"changes":[["/a/x",null]]}"#);
        assert_eq!(texts[1].1, r#"[["/a/x/k",1,null],["/a/x/l","v",2]]"#);
    }

    #[test]
    fn record_with_everything_comes_back() {
        let mut temp = Temp::new();
        temp.commit(changes(), 7);
        temp.commit(vec![set("/", node("1"))], 8);
        let entries = temp.log();
        assert_eq!(entries[0].record, Record { seq: 1, time: 7, path: path("/a/x"), update: true, changes: changes() });
        assert_eq!(entries[1].record.path, Path::root());
        // The second replaced all that the first left: its undo rows hold every kind of value.
        let undo = entries[1].undo.as_ref().unwrap();
        let find = |at: &str| undo.iter().find(|row| row.path == path(at)).unwrap().before.clone();
        let row = |value: Scalar, priority| Some(Row { value: Some(value), priority });
        assert_eq!(find("/a/x/i"), row(Scalar::Int(i64::MIN), Some(Scalar::Int(3))));
        assert_eq!(find("/a/x/big"), row(Scalar::Double(1e300), None));
        assert_eq!(find("/a/x/f"), row(Scalar::Bool(false), None));
        assert_eq!(find("/a/x/s"), row(Scalar::string("\"\\\u{0}\n\u{e000}\u{10000}"), None));
        let odd_key = Path::root().join(&path("/a/x")).child(Key::parse("\"k\\").unwrap());
        let odd = undo.iter().find(|row| row.path == odd_key).unwrap();
        assert_eq!(odd.before, row(Scalar::Int(1), Some(Scalar::string("p"))));
        assert_eq!(find("/"), None);
    }

    #[test]
    fn undo_of_a_large_change_is_not_kept() {
        let mut temp = Temp::new();
        let text = "x".repeat(UNDO_BYTES_MAX);
        temp.write(&[("/a", &format!("\"{text}\""))]);
        temp.write(&[("/a", "1"), ("/b", "2")]);
        temp.write(&[("/a", "2")]);
        let undo: Vec<bool> = temp.log().iter().map(|entry| entry.undo.is_some()).collect();
        assert_eq!(undo, [true, false, true]);
    }

    #[test]
    fn record_that_no_one_wrote_is_damage() {
        for (column, text) in [
            ("record", "nothing"),
            ("record", r#"{"v":2,"path":"/","update":false,"changes":[]}"#),
            ("record", r#"{"v":1,"path":"/","update":false,"changes":[["/a"]]}"#),
            ("record", r#"{"v":1,"path":"/","update":false,"changes":[["/a","b","c"]]}"#),
            ("undo", "[1]"),
            ("undo", r#"[["/a",{"b":1},null]]"#),
        ] {
            let mut temp = Temp::new();
            temp.write(&[("/a", "1")]);
            temp.tree().conn.execute(&format!("UPDATE log SET {column} = ?1"), [text]).unwrap();
            let error = temp.tree().log(0, &mut |_| ControlFlow::Continue(())).unwrap_err();
            assert!(error.is_damaged() && error.to_string().contains("log record 1"), "{error}");
        }
    }
}
