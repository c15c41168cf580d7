//! Reads of the tree, all within one snapshot.
//!
//! Rows come in key order, so a subtree streams from disk as steps of a walk: a stack of open inner nodes is all that
//! is kept. Whatever is made of it (JSON, a hash, a node) never needs the whole.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row};

use super::children::{array_len, exists};
use super::encode::{bad_key, end_of, node_rows, path_key, scalar, segment_text, split_segment};
use super::scan::{Next, ROW, ROWS, key_of, scan};
use super::{LogEntry, StoreError, log};
use crate::model::hash::Hasher;
use crate::model::walk::{NodeBuilder, ScalarRef, Step};
use crate::model::{Node, Path, Scalar};

/// What is at one place.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    Nothing,
    Leaf(Scalar),
    Children,
}

/// The tree as one snapshot shows it.
///
/// All reads of one `Tree` see the same data. They fail only if the disk does, or what it holds is damaged.
pub struct Tree<'a> {
    pub(super) conn: &'a Connection,
}

impl Tree<'_> {
    /// Sequence of the newest applied record; 0 before the first.
    pub fn seq(&self) -> Result<u64, StoreError> {
        log::newest(self.conn).map(|newest| newest.seq)
    }

    /// Walks everything at and below `path` in key order, until `visit` breaks. Nothing is visited where there is no
    /// data.
    ///
    /// `array_len` is filled in. Memory: one row, and the path to it.
    pub fn walk(&self, path: &Path, visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.walk_rows(path, true, visit)
    }

    /// As [`Tree::walk`], but `array_len` is `None` everywhere: for readers that do not show arrays, a little faster.
    pub fn walk_objects(
        &self,
        path: &Path,
        visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.walk_rows(path, false, visit)
    }

    fn walk_rows(
        &self,
        path: &Path,
        arrays: bool,
        visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let base = path_key(path);
        let mut walk =
            Walk { conn: self.conn, arrays, open: base.clone(), ends: Vec::new(), scratch: Vec::new(), visit };
        let mut flow = ControlFlow::Continue(());
        scan(self.conn, ROWS, base.clone(), &end_of(&base), |key, row, _| {
            flow = walk.row(key, row)?;
            Ok(if flow.is_break() { Next::Stop } else { Next::Row })
        })?;
        while flow.is_continue() && walk.ends.pop().is_some() {
            flow = (walk.visit)(Step::Leave);
        }
        Ok(())
    }

    /// Everything at and below `path`, held in memory.
    pub fn node(&self, path: &Path) -> Result<Node, StoreError> {
        let mut builder = NodeBuilder::default();
        self.walk_objects(path, &mut |step| {
            builder.step(step);
            ControlFlow::Continue(())
        })?;
        Ok(builder.finish())
    }

    /// The value of the leaf at exactly `path`.
    pub fn value(&self, path: &Path) -> Result<Option<Scalar>, StoreError> {
        self.cell(path, 0)
    }

    /// What is at `path`: one look at the first row there.
    pub fn look(&self, path: &Path) -> Result<Stored, StoreError> {
        let base = path_key(path);
        let mut statement =
            self.conn.prepare_cached("SELECT key = ?1, value FROM node WHERE key >= ?1 AND key < ?2 LIMIT 1")?;
        let mut rows = statement.query((&base, end_of(&base)))?;
        let Some(row) = rows.next()? else { return Ok(Stored::Nothing) };
        let own = if row.get(0)? { scalar(row.get_ref(1)?)? } else { None };
        Ok(own.map_or(Stored::Children, |value| Stored::Leaf(value.to_scalar())))
    }

    /// The priority of the node at `path`.
    pub fn priority(&self, path: &Path) -> Result<Option<Scalar>, StoreError> {
        self.cell(path, 1)
    }

    fn cell(&self, path: &Path, column: usize) -> Result<Option<Scalar>, StoreError> {
        let mut statement = self.conn.prepare_cached(ROW)?;
        let mut rows = statement.query([path_key(path)])?;
        match rows.next()? {
            Some(row) => Ok(scalar(row.get_ref(column)?)?.map(ScalarRef::to_scalar)),
            None => Ok(None),
        }
    }

    /// Whether there is data at or below `path`.
    pub fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        exists(self.conn, &path_key(path))
    }

    /// Whether the data at `path` is exactly `node`, priorities included. Stops at the first difference.
    pub fn equals(&self, path: &Path, node: &Node) -> Result<bool, StoreError> {
        let mut base = path_key(path);
        let mut statement = self.conn.prepare_cached(ROWS)?;
        let mut rows = statement.query((&base, end_of(&base)))?;
        let mut same = |key: &[u8], value: Option<&Scalar>, priority: Option<&Scalar>| -> Result<(), Unequal> {
            let row = rows.next()?.ok_or(Unequal::Differs)?;
            let equal = key_of(row)? == key
                && scalar(row.get_ref(1)?)? == value.map(Scalar::borrowed)
                && scalar(row.get_ref(2)?)? == priority.map(Scalar::borrowed);
            if equal { Ok(()) } else { Err(Unequal::Differs) }
        };
        match node_rows(node, &mut base, &mut same) {
            Ok(()) => Ok(rows.next()?.is_none()),
            Err(Unequal::Differs) => Ok(false),
            Err(Unequal::Failed(error)) => Err(error),
        }
    }

    /// Leaves at and below `path`, counted up to `max`.
    pub fn leaves(&self, path: &Path, max: u64) -> Result<u64, StoreError> {
        self.count("SELECT 1 FROM node WHERE key >= ?1 AND key < ?2 AND value IS NOT NULL LIMIT ?3", path, max)
    }

    /// Rows at and below `path` (leaves, and inner nodes with a priority), counted up to `max`.
    pub fn rows(&self, path: &Path, max: u64) -> Result<u64, StoreError> {
        self.count("SELECT 1 FROM node WHERE key >= ?1 AND key < ?2 LIMIT ?3", path, max)
    }

    fn count(&self, rows: &str, path: &Path, max: u64) -> Result<u64, StoreError> {
        let base = path_key(path);
        let mut statement = self.conn.prepare_cached(&format!("SELECT count(*) FROM ({rows})"))?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let count = statement.query_row((&base, end_of(&base), max), |row| row.get::<_, i64>(0))?;
        Ok(count.cast_unsigned())
    }

    /// The node hash of `path`; empty where there is no data.
    pub fn hash(&self, path: &Path) -> Result<String, StoreError> {
        let mut hasher = Hasher::new();
        self.walk_objects(path, &mut |step| {
            hasher.step(step);
            ControlFlow::Continue(())
        })?;
        Ok(hasher.finish())
    }

    /// Sequence of the oldest record still in the log; the next sequence when there is none.
    pub fn log_start(&self) -> Result<u64, StoreError> {
        log::start(self.conn)
    }

    /// Bytes of the kept records after `after`, with what they replaced.
    pub fn log_bytes(&self, after: u64) -> Result<u64, StoreError> {
        log::bytes_after(self.conn, after)
    }

    /// Visits the records behind `after` that are still in the log, in order, until `visit` breaks.
    pub fn log(&self, after: u64, visit: &mut dyn FnMut(LogEntry) -> ControlFlow<()>) -> Result<(), StoreError> {
        log::read(self.conn, after, visit)
    }
}

/// Why a comparison ended early.
enum Unequal {
    Differs,
    Failed(StoreError),
}

impl<E: Into<StoreError>> From<E> for Unequal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Turns rows into steps.
struct Walk<'a> {
    conn: &'a Connection,
    arrays: bool,
    /// Row key of the innermost open inner node; before the first row, of the place where the walk begins.
    open: Vec<u8>,
    /// Its length, and the lengths of its ancestors' keys within it, as far as they are open.
    ends: Vec<usize>,
    scratch: Vec<u8>,
    visit: &'a mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
}

impl Walk<'_> {
    fn row(&mut self, key: &[u8], row: &Row<'_>) -> Result<ControlFlow<()>, StoreError> {
        while !key.starts_with(&self.open) && self.ends.pop().is_some() {
            self.open.truncate(self.ends.last().copied().unwrap_or(0));
            if (self.visit)(Step::Leave).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let mut rest = key.strip_prefix(self.open.as_slice()).ok_or_else(bad_key)?;
        if self.ends.is_empty() {
            if rest.is_empty() {
                return self.own(None, row);
            }
            if self.enter(None, None, Some(rest))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        loop {
            let (segment, below) = split_segment(rest).ok_or_else(bad_key)?;
            if below.is_empty() {
                return self.own(Some(segment), row);
            }
            if self.enter(Some(segment), None, Some(below))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            rest = below;
        }
    }

    /// The node whose own row it is.
    fn own(&mut self, segment: Option<&[u8]>, row: &Row<'_>) -> Result<ControlFlow<()>, StoreError> {
        let priority = scalar(row.get_ref(2)?)?;
        match scalar(row.get_ref(1)?)? {
            Some(value) => {
                let key = segment.map(|segment| segment_text(segment, &mut self.scratch).ok_or_else(bad_key));
                Ok((self.visit)(Step::Leaf { key: key.transpose()?, value, priority }))
            }
            None => self.enter(segment, priority, None),
        }
    }

    /// Opens an inner node; `below` begins with the segment of its first child, if that is known.
    fn enter(
        &mut self,
        segment: Option<&[u8]>,
        priority: Option<ScalarRef<'_>>,
        below: Option<&[u8]>,
    ) -> Result<ControlFlow<()>, StoreError> {
        self.open.extend_from_slice(segment.unwrap_or_default());
        self.ends.push(self.open.len());
        let array_len = if self.arrays {
            let first = below.and_then(split_segment).map(|(first, _)| first);
            array_len(self.conn, &self.open, first)?
        } else {
            None
        };
        let key = segment.map(|segment| segment_text(segment, &mut self.scratch).ok_or_else(bad_key)).transpose()?;
        Ok((self.visit)(Step::Enter { key, priority, array_len }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Temp, node, path};
    use super::*;

    #[test]
    fn walk_ends_where_the_visitor_breaks() {
        let mut temp = Temp::new();
        temp.write(&[("/", r#"{"a":{"b":1,"c":{"d":2}},"e":{"f":3}}"#)]);
        let steps = |max: usize| {
            let mut count = 0;
            let walked = temp.tree().walk(&Path::root(), &mut |_| {
                count += 1;
                if count == max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            walked.unwrap();
            count
        };
        assert_eq!(steps(usize::MAX), 11);
        (1..=11).for_each(|max| assert_eq!(steps(max), max));
    }

    #[test]
    fn equals_sees_every_difference() {
        let mut temp = Temp::new();
        temp.write(&[("/a", r#"{".priority":1,"b":1,"c":{".value":"x",".priority":2}}"#), ("/b", "1")]);
        let equals = |json: &str| temp.tree().equals(&path("/a"), &node(json)).unwrap();
        assert!(equals(r#"{".priority":1,"b":1,"c":{".value":"x",".priority":2}}"#));
        for other in [
            "null",
            "1",
            r#"{"b":1,"c":{".value":"x",".priority":2}}"#,
            r#"{".priority":1,"b":1,"c":"x"}"#,
            r#"{".priority":1,"b":1.5,"c":{".value":"x",".priority":2}}"#,
            r#"{".priority":1,"b":1}"#,
            r#"{".priority":1,"b":1,"c":{".value":"x",".priority":2},"d":1}"#,
            r#"{".priority":1,"b":1,"c2":{".value":"x",".priority":2}}"#,
        ] {
            assert!(!equals(other), "{other}");
        }
    }

    #[test]
    fn several_walks_run_within_each_other() {
        let mut temp = Temp::new();
        temp.write(&[("/", r#"{"a":[1,[2,3]],"b":[4]}"#)]);
        let tree = temp.tree();
        let mut whole = Vec::new();
        let walked = tree.walk(&Path::root(), &mut |step| {
            if let Step::Enter { key, .. } = step {
                let inner = tree.node(&key.map_or_else(Path::root, path)).unwrap();
                whole.push((key.map(str::to_owned), inner.rows()));
            }
            ControlFlow::Continue(())
        });
        walked.unwrap();
        let row = |key: &str, rows| (Some(key.to_owned()), rows);
        assert_eq!(whole, [(None, 4), row("a", 3), row("1", 0), row("b", 1)]);
    }
}
