//! Entries follow the tree: what a change does to them.
//!
//! A change below an indexed node touches one of its children, whose place is read before and after. A change at or
//! above indexed nodes replaces their children; their new entries are merged with those that are there. What stays as
//! it is is not written, whichever way it comes.

use std::sync::Arc;

use rusqlite::Connection;

use super::super::StoreError;
use super::super::apply::{self, Outcome};
use super::super::children::child_place;
use super::super::encode::{end_of, path_key, push_segment};
use super::super::record::Undo;
use super::entry::{entries_below, entry_key};
use super::priority;
use super::rows::{any_below, delete, delete_between, put};
use super::spec::{Indexes, PRIORITY, Spec};
use crate::model::order::Place;
use crate::model::{Change, Index, Key, Node, Path, Segment, Value};

/// Applies `change` to tree and entries, noting in `undo` each row of the tree before it is touched. Gives whether any
/// of those differs afterwards.
///
/// Where there are no indexes and no priorities this is the change to the tree and nothing more.
pub fn apply(conn: &Connection, indexes: &mut Indexes, change: &Change, undo: &mut Undo) -> Result<bool, StoreError> {
    let specs = Arc::clone(&indexes.specs);
    let touched = touched(conn, &specs, indexes.has_priorities, change)?;
    let Outcome { is_changed, wrote_priority } = apply::apply(conn, change, undo)?;
    if !is_changed {
        return Ok(false);
    }
    for child in &touched {
        child.settle(conn)?;
    }
    if wrote_priority {
        indexes.has_priorities = true;
        priority::begin_above(conn, &change.path)?;
    }
    if let Value::Node(node) = &change.value {
        replace_below(conn, &specs, indexes.has_priorities, &change.path, node)?;
    }
    Ok(true)
}

/// A child of an indexed node that a change touches.
struct Touched<'a> {
    /// What the entries of its siblings begin with.
    prefix: Vec<u8>,
    index: Index,
    /// Row key of the child.
    child: Vec<u8>,
    key: &'a Key,
    /// Its entry before the change, which need not be there while the index is being built.
    before: Option<Vec<u8>>,
}

impl Touched<'_> {
    fn entry(&self, conn: &Connection) -> Result<Option<Vec<u8>>, StoreError> {
        let place = child_place(conn, &self.child, self.key, &self.index)?;
        Ok(place.map(|place| entry_key(&self.prefix, &place)))
    }

    /// Brings the entry up to date, after the change.
    fn settle(&self, conn: &Connection) -> Result<(), StoreError> {
        let after = self.entry(conn)?;
        if after == self.before {
            return Ok(());
        }
        if let Some(before) = &self.before {
            delete(conn, before)?;
        }
        after.map_or(Ok(()), |after| put(conn, &after))
    }
}

/// The children of indexed nodes that `change`, at or below them, is about to touch.
fn touched<'a>(
    conn: &Connection,
    specs: &[Spec],
    has_priorities: bool,
    change: &'a Change,
) -> Result<Vec<Touched<'a>>, StoreError> {
    let mut touched = Vec::new();
    if specs.is_empty() && !has_priorities {
        return Ok(touched);
    }
    let is_data = matches!(change.value, Value::Node(_));
    let mut parent = Vec::new();
    for (depth, key) in change.path.keys().iter().enumerate() {
        let mut child = parent.clone();
        push_segment(&mut child, key);
        let mut touch = |id: u32, index: &Index| {
            let (prefix, child) = (entries_below(id, &parent), child.clone());
            let mut touch = Touched { prefix, index: index.clone(), child, key, before: None };
            touch.before = touch.entry(conn)?;
            touched.push(touch);
            Ok::<_, StoreError>(())
        };
        if has_priorities && priority::has_entries(conn, &parent)? {
            touch(PRIORITY, &Index::Priority)?;
        }
        let covers = |spec: &&Spec| spec.rule.pattern.len() == depth && meets(&spec.rule.pattern, &change.path);
        for spec in specs.iter().filter(|spec| is_data && spec.is_live()).filter(covers) {
            touch(spec.id, &spec.rule.index)?;
        }
        parent = child;
    }
    Ok(touched)
}

/// Whether `pattern` and `path` agree as far as both go.
fn meets(pattern: &[Segment], path: &Path) -> bool {
    pattern.iter().zip(path.keys()).all(|(segment, key)| match segment {
        Segment::Key(wanted) => wanted == key,
        Segment::Any => true,
    })
}

/// Renews the entries of the indexed nodes at and below `path`, where `node` has been put.
fn replace_below(
    conn: &Connection,
    specs: &[Spec],
    has_priorities: bool,
    path: &Path,
    node: &Node,
) -> Result<(), StoreError> {
    let depth = path.len();
    let reaches = |spec: &&Spec| spec.rule.pattern.len() >= depth && meets(&spec.rule.pattern, path);
    for spec in specs.iter().filter(|spec| spec.is_live()).filter(reaches) {
        let mut merge = Merge::new(conn, spec.id, path)?;
        let below = spec.rule.pattern.get(depth..).unwrap_or_default();
        merge.matching(node, below, &spec.rule.index)?;
        merge.finish()?;
    }
    if has_priorities {
        let mut merge = Merge::new(conn, PRIORITY, path)?;
        merge.prioritized(node)?;
        merge.finish()?;
    }
    Ok(())
}

/// New entries of one index on their way into a range, in order.
struct Merge<'a> {
    conn: &'a Connection,
    /// The range holds nothing yet.
    is_fresh: bool,
    end: Vec<u8>,
    /// The entry that was put last; nothing behind it was looked at.
    last: Vec<u8>,
    /// What the entries of the node at hand and those below it begin with.
    prefix: Vec<u8>,
}

impl<'a> Merge<'a> {
    /// Into the entries of all nodes at and below `path`.
    fn new(conn: &'a Connection, id: u32, path: &Path) -> Result<Self, StoreError> {
        let prefix = entries_below(id, &path_key(path));
        let is_fresh = !any_below(conn, &prefix)?;
        Ok(Self { conn, is_fresh, end: end_of(&prefix), last: prefix.clone(), prefix })
    }

    /// The children of the nodes that `pattern` names, `node` being at its beginning.
    fn matching(&mut self, node: &Node, pattern: &[Segment], index: &Index) -> Result<(), StoreError> {
        match pattern.split_first() {
            None => self.children(node, index),
            Some((Segment::Key(key), rest)) => match node.child(key) {
                Some(child) => self.within(key, |merge| merge.matching(child, rest, index)),
                None => Ok(()),
            },
            Some((Segment::Any, rest)) => node
                .children()
                .try_for_each(|(key, child)| self.within(key, |merge| merge.matching(child, rest, index))),
        }
    }

    /// The children of `node` and of all nodes below, wherever one has a priority.
    fn prioritized(&mut self, node: &Node) -> Result<(), StoreError> {
        for (key, child) in node.children() {
            self.within(key, |merge| merge.prioritized(child))?;
        }
        // The own entries of a node sort behind those of the nodes below it.
        if node.children().any(|(_, child)| child.priority().is_some()) {
            self.children(node, &Index::Priority)?;
        }
        Ok(())
    }

    fn within(&mut self, key: &Key, visit: impl FnOnce(&mut Self) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let len = self.prefix.len();
        push_segment(&mut self.prefix, key);
        visit(self)?;
        self.prefix.truncate(len);
        Ok(())
    }

    fn children(&mut self, node: &Node, index: &Index) -> Result<(), StoreError> {
        let place = |(key, child): (&Key, &Node)| Place { value: index.value(key, child), key: key.clone() };
        let mut entries: Vec<Vec<u8>> = node.children().map(|child| entry_key(&self.prefix, &place(child))).collect();
        entries.sort_unstable();
        for entry in entries {
            self.delete_up_to(&entry)?;
            put(self.conn, &entry)?;
            self.last = entry;
        }
        Ok(())
    }

    fn delete_up_to(&self, end: &[u8]) -> Result<(), StoreError> {
        if self.is_fresh { Ok(()) } else { delete_between(self.conn, &self.last, end) }
    }

    fn finish(self) -> Result<(), StoreError> {
        self.delete_up_to(&self.end)
    }
}
