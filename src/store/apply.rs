//! What a change does to the rows: a pure function of rows and change.
//!
//! New data is merged with the rows in its range, both in key order: rows that stay as they are are not touched, others
//! are written, rows that are left over are deleted by range. Old rows are read in chunks, so memory holds the new data
//! (which a client sent) and one chunk, whatever is stored.

use std::collections::VecDeque;

use rusqlite::Connection;

use super::StoreError;
use super::encode::{Cell, bad_key, end_of, node_rows, path_key, scalar, split_segment};
use super::record::{Row, Undo};
use super::scan::{KEY_FIRST, ROW, ROWS, key_between, key_of};
use crate::model::walk::ScalarRef;
use crate::model::{Change, Node, Scalar, Value};

/// A chunk of old rows ends at this many rows or this many bytes, whatever comes first.
const CHUNK_ROWS_MAX: usize = 256;
const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// What applying a change did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether any row differs afterwards.
    pub is_changed: bool,
    /// Whether a row with a priority was written.
    pub wrote_priority: bool,
}

/// Applies `change` to the rows of the tree, noting in `undo` each row before it is touched.
pub fn apply(conn: &Connection, change: &Change, undo: &mut Undo) -> Result<Outcome, StoreError> {
    let key = path_key(&change.path);
    let mut rows = Rows { conn, undo, outcome: Outcome::default() };
    match &change.value {
        Value::Node(node) => rows.set(&key, node)?,
        Value::Priority(priority) => rows.set_priority(&key, priority.as_ref())?,
    }
    Ok(rows.outcome)
}

struct Rows<'a> {
    conn: &'a Connection,
    undo: &'a mut Undo,
    outcome: Outcome,
}

impl Rows<'_> {
    fn set(&mut self, key: &[u8], node: &Node) -> Result<(), StoreError> {
        let end = end_of(key);
        let mut old = Chunks::new(self.conn, key.to_vec(), &end)?;
        if old.peek().is_none() {
            if node.is_empty() {
                return Ok(());
            }
            // Only where nothing is can a leaf be above.
            self.empty_leaf_above(key)?;
        }
        node_rows(node, &mut key.to_vec(), &mut |key, value, priority| {
            self.delete_up_to(&mut old, key)?;
            let before = old.next_if(key)?;
            let same = |row: &OldRow| row.row.value.as_ref() == value && row.row.priority.as_ref() == priority;
            if before.as_ref().is_some_and(same) {
                return Ok(());
            }
            self.write(key, before.as_ref().map(|old| &old.row), value, priority)
        })?;
        self.delete_up_to(&mut old, &end)?;
        if node.is_empty() { self.prune_above(key) } else { Ok(()) }
    }

    fn set_priority(&mut self, key: &[u8], priority: Option<&Scalar>) -> Result<(), StoreError> {
        match self.row(key)? {
            Some(row) if row.priority.as_ref() == priority => Ok(()),
            Some(row) if row.value.is_none() && priority.is_none() => self.delete(key, &row),
            Some(row) => self.write(key, Some(&row), row.value.as_ref(), priority),
            None if priority.is_some() && self.has_rows_below(key)? => self.write(key, None, None, priority),
            None => Ok(()),
        }
    }

    /// Takes the value from the leaf above `key`, if there is one; with a priority its row stays.
    ///
    /// Nothing may be stored at or below `key`. Then no row stands between such a leaf and `key`: it is the one before.
    fn empty_leaf_above(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT key FROM node WHERE key < ?1 ORDER BY key DESC LIMIT 1")?;
        let mut rows = statement.query([key])?;
        let before = rows.next()?.map(key_of).transpose()?;
        let above = before.filter(|before| key.starts_with(before)).map(<[u8]>::to_vec);
        let Some(leaf) = above else {
            return Ok(());
        };
        match self.row(&leaf)? {
            Some(row) if row.value.is_none() => Ok(()),
            Some(row) if row.priority.is_none() => self.delete(&leaf, &row),
            Some(row) => self.write(&leaf, Some(&row), None, row.priority.as_ref()),
            None => Ok(()),
        }
    }

    /// Deletes the priority rows above `key` that have nothing left below them, nearest first.
    fn prune_above(&mut self, key: &[u8]) -> Result<(), StoreError> {
        for above in ancestors(key)? {
            if self.has_rows_below(above)? {
                break;
            }
            if let Some(row) = self.row(above)? {
                self.delete(above, &row)?;
            }
        }
        Ok(())
    }

    /// Deletes the old rows before `end`.
    fn delete_up_to(&mut self, old: &mut Chunks<'_>, end: &[u8]) -> Result<(), StoreError> {
        let Some(first) = old.next_before(end)? else {
            return Ok(());
        };
        self.undo.note(&first.key, Some(&first.row));
        while !self.undo.is_full()
            && let Some(row) = old.next_before(end)?
        {
            self.undo.note(&row.key, Some(&row.row));
        }
        old.skip_to(end)?;
        let mut statement = self.conn.prepare_cached("DELETE FROM node WHERE key >= ?1 AND key < ?2")?;
        statement.execute((first.key, end))?;
        self.outcome.is_changed = true;
        Ok(())
    }

    fn write(
        &mut self,
        key: &[u8],
        before: Option<&Row>,
        value: Option<&Scalar>,
        priority: Option<&Scalar>,
    ) -> Result<(), StoreError> {
        self.undo.note(key, before);
        // Without another index a REPLACE is one seek, whether the row is there or not.
        let mut statement = self.conn.prepare_cached("REPLACE INTO node (key, value, priority) VALUES (?1, ?2, ?3)")?;
        statement.execute((key, Cell::of(value), Cell::of(priority)))?;
        self.outcome.wrote_priority |= priority.is_some();
        self.outcome.is_changed = true;
        Ok(())
    }

    fn delete(&mut self, key: &[u8], before: &Row) -> Result<(), StoreError> {
        self.undo.note(key, Some(before));
        self.conn.prepare_cached("DELETE FROM node WHERE key = ?1")?.execute([key])?;
        self.outcome.is_changed = true;
        Ok(())
    }

    fn row(&self, key: &[u8]) -> Result<Option<Row>, StoreError> {
        let mut statement = self.conn.prepare_cached(ROW)?;
        let mut rows = statement.query([key])?;
        rows.next()?.map(|row| read_row(row, 0)).transpose()
    }

    fn has_rows_below(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(key_between(self.conn, KEY_FIRST, key, &end_of(key), |_| Ok(()))?.is_some())
    }
}

/// The row keys above `key`, nearest first.
fn ancestors(key: &[u8]) -> Result<Vec<&[u8]>, StoreError> {
    let mut above = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        above.extend(key.get(..key.len() - rest.len()));
        rest = split_segment(rest).ok_or_else(bad_key)?.1;
    }
    above.reverse();
    Ok(above)
}

/// Reads value and priority from two columns of `row`, the first of them at `column`.
fn read_row(row: &rusqlite::Row<'_>, column: usize) -> Result<Row, StoreError> {
    let read = |column| Ok::<_, StoreError>(scalar(row.get_ref(column)?)?.map(ScalarRef::to_scalar));
    Ok(Row { value: read(column)?, priority: read(column + 1)? })
}

/// The old rows of a range, in key order, read in chunks: they may be changed behind the reader's back.
struct Chunks<'a> {
    conn: &'a Connection,
    end: &'a [u8],
    chunk: VecDeque<OldRow>,
    /// Where the next chunk begins; `None`: the chunk at hand is the last.
    from: Option<Vec<u8>>,
}

struct OldRow {
    key: Vec<u8>,
    row: Row,
}

impl<'a> Chunks<'a> {
    fn new(conn: &'a Connection, from: Vec<u8>, end: &'a [u8]) -> Result<Self, StoreError> {
        let mut chunks = Self { conn, end, chunk: VecDeque::new(), from: Some(from) };
        chunks.fill()?;
        Ok(chunks)
    }

    fn peek(&self) -> Option<&OldRow> {
        self.chunk.front()
    }

    /// Takes the next row if it comes before `end`.
    fn next_before(&mut self, end: &[u8]) -> Result<Option<OldRow>, StoreError> {
        self.take_if(|key| key < end)
    }

    /// Takes the next row if it is `key`.
    fn next_if(&mut self, key: &[u8]) -> Result<Option<OldRow>, StoreError> {
        self.take_if(|next| next == key)
    }

    fn take_if(&mut self, wanted: impl FnOnce(&[u8]) -> bool) -> Result<Option<OldRow>, StoreError> {
        let taken = self.chunk.pop_front_if(|row| wanted(&row.key));
        self.fill()?;
        Ok(taken)
    }

    /// Passes over all rows before `key`.
    fn skip_to(&mut self, key: &[u8]) -> Result<(), StoreError> {
        while self.chunk.pop_front_if(|row| row.key.as_slice() < key).is_some() {}
        if self.chunk.is_empty()
            && let Some(from) = &mut self.from
        {
            from.clear();
            from.extend_from_slice(key);
        }
        self.fill()
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        if !self.chunk.is_empty() {
            return Ok(());
        }
        let Some(from) = self.from.take() else {
            return Ok(());
        };
        let mut statement = self.conn.prepare_cached(ROWS)?;
        let mut rows = statement.query((from, self.end))?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let key = key_of(row)?;
            if self.chunk.len() == CHUNK_ROWS_MAX || bytes > CHUNK_BYTES_MAX {
                self.from = Some(key.to_vec());
                break;
            }
            let old = OldRow { key: key.to_vec(), row: read_row(row, 1)? };
            bytes += key.len() + old.row.value.as_ref().map_or(0, bytes_of);
            self.chunk.push_back(old);
        }
        Ok(())
    }
}

fn bytes_of(scalar: &Scalar) -> usize {
    match scalar {
        Scalar::String(text) => text.len(),
        _ => size_of::<Scalar>(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::{Temp, node, path, set};
    use crate::model::{Change, Key, Node, Path, Scalar, Value};

    /// `/a` with a leaf at each `k0000`, `k0001`.. that `keys` wants; all values are the same long text.
    fn wide(keys: impl Fn(usize) -> bool, value_bytes: usize) -> Node {
        let value = Scalar::string("v".repeat(value_bytes));
        let keys = (0..1_000).filter(|key| keys(*key)).map(|key| Key::parse(&format!("k{key:04}")).unwrap());
        let children: BTreeMap<Key, Node> = keys.map(|key| (key, Node::leaf(value.clone()))).collect();
        Node::inner(children, None)
    }

    fn json(temp: &Temp) -> Node {
        temp.tree().node(&Path::root()).unwrap()
    }

    #[test]
    fn merge_across_many_chunks_gives_the_new_data() {
        // With short values the undo text has room for all rows, with long ones it is full soon.
        for (value_bytes, is_kept) in [(8, true), (200, false)] {
            let mut temp = Temp::new();
            let mut expected = Node::Empty;
            for (at, data) in [
                ("/0", node("\"before\"")),
                ("/b", node("\"behind\"")),
                ("/a", wide(|_| true, value_bytes)),
                ("/a", wide(|key| key % 3 == 0, value_bytes)),
                ("/a", wide(|key| key % 2 == 0 || key > 990, value_bytes)),
                ("/a", wide(|key| (300..310).contains(&key), value_bytes)),
                ("/a", wide(|key| key > 600, value_bytes)),
                ("/a", Node::Empty),
            ] {
                expected.set(path(at).keys(), data.clone());
                let applied = temp.commit(vec![set(at, data)], 0);
                assert_eq!(applied.changed, [true]);
                assert_eq!(json(&temp), expected);
            }
            assert_eq!(temp.log().iter().all(|entry| entry.undo.is_some()), is_kept);
        }
    }

    #[test]
    fn rows_that_stay_as_they_are_are_not_touched() {
        let mut temp = Temp::new();
        temp.commit(vec![set("/a", wide(|_| true, 8))], 0);
        assert_eq!(temp.commit(vec![set("/a", wide(|_| true, 8))], 0).changed, [false]);
        temp.commit(vec![set("/a", wide(|key| key != 500, 8))], 0);
        let undo: Vec<Vec<Path>> =
            temp.log().iter().map(|entry| entry.undo.iter().flatten().map(|row| row.path.clone()).collect()).collect();
        assert_eq!((undo[0].len(), undo[1].len()), (1_000, 0));
        assert_eq!(undo[2], [path("/a/k0500")]);
    }

    #[test]
    fn write_below_a_leaf_takes_its_value_and_keeps_its_priority() {
        let mut temp = Temp::new();
        temp.write(&[("/a/b", r#"{".value":1,".priority":"p"}"#)]);
        assert_eq!(temp.write(&[("/a/b/c/d", "null")]).changed, [false]);
        assert_eq!(json(&temp), node(r#"{"a":{"b":{".value":1,".priority":"p"}}}"#));
        temp.write(&[("/a/b/c/d", "2")]);
        assert_eq!(json(&temp), node(r#"{"a":{"b":{".priority":"p","c":{"d":2}}}}"#));
        temp.write(&[("/", "3")]);
        temp.write(&[("/a/b", "4")]);
        assert_eq!(json(&temp), node(r#"{"a":{"b":4}}"#));
    }

    #[test]
    fn delete_of_the_last_data_prunes_priorities_above() {
        let mut temp = Temp::new();
        temp.write(&[("/a", r#"{".priority":1,"b":{".priority":2,"c":{".priority":3,"d":4}},"e":5}"#)]);
        temp.write(&[("/a/b/c/d", "null")]);
        assert_eq!(json(&temp), node(r#"{"a":{".priority":1,"e":5}}"#));
        temp.write(&[("/a/e", "null")]);
        assert_eq!(temp.tree().rows(&Path::root(), 10).unwrap(), 0);
    }

    #[test]
    fn priority_goes_only_where_data_is() {
        let mut temp = Temp::new();
        temp.write(&[("/a/b", "1")]);
        let mut set_priority = |at: &str, priority: Option<&str>| {
            let value = Value::Priority(priority.map(Scalar::string));
            let changed = temp.commit(vec![Change { path: path(at), value }], 0).changed;
            (changed[0], temp.tree().node(&Path::root()).unwrap())
        };
        let plain = node(r#"{"a":{"b":1}}"#);
        assert_eq!(set_priority("/a/c", Some("p")), (false, plain.clone()));
        assert_eq!(set_priority("/a/b/c", Some("p")), (false, plain.clone()));
        assert_eq!(set_priority("/a", None), (false, plain.clone()));
        assert_eq!(set_priority("/a", Some("p")), (true, node(r#"{"a":{".priority":"p","b":1}}"#)));
        assert_eq!(set_priority("/a", Some("p")), (false, node(r#"{"a":{".priority":"p","b":1}}"#)));
        assert_eq!(set_priority("/a", None), (true, plain));
        assert_eq!(set_priority("/a/b", Some("q")), (true, node(r#"{"a":{"b":{".value":1,".priority":"q"}}}"#)));
    }
}
