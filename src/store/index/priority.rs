//! The order by priority, which needs no rule.
//!
//! Most nodes have no priorities, so entries are kept only where they are needed: once a child of a node has a
//! priority, all children of that node get an entry, and keep it until the node is written anew without priorities or
//! is gone. So a node without entries is in key order, and one seek tells.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension};

use super::super::children::{child_place, child_places};
use super::super::encode::{bad_key, path_key, split_segment};
use super::super::scan::key_of;
use super::super::{StoreError, Tree};
use super::entry::{self, entries_below, entry_key};
use super::rows::{last_between, put};
use super::spec::PRIORITY;
use crate::model::order::IndexValue;
use crate::model::{Index, Path};

impl Tree<'_> {
    /// Whether a child of `path` has a priority. Costs one seek.
    pub fn has_child_priority(&self, path: &Path) -> Result<bool, StoreError> {
        let prefix = entries_below(PRIORITY, &path_key(path));
        let (from, to) = entry::own_range(&prefix);
        let last = last_between(self.conn, &from, &to, |key| {
            Ok(key.strip_prefix(prefix.as_slice()).is_some_and(entry::has_value))
        })?;
        Ok(last.unwrap_or(false))
    }
}

/// Whether the children of the node at the row key `parent` have entries: all of them have, or none.
pub fn has_entries(conn: &Connection, parent: &[u8]) -> Result<bool, StoreError> {
    let (from, to) = entry::own_range(&entries_below(PRIORITY, parent));
    Ok(last_between(conn, &from, &to, |_| Ok(()))?.is_some())
}

/// Gives the siblings of `path` entries, if it has a priority and they have none.
pub fn begin_above(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let (Some(parent), Some(key)) = (path.parent(), path.last()) else { return Ok(()) };
    let place = child_place(conn, &path_key(path), key, &Index::Priority)?;
    if place.is_some_and(|place| place.value != IndexValue::Null) {
        begin(conn, &path_key(&parent))?;
    }
    Ok(())
}

/// Gives all children of the node at the row key `parent` entries, if they have none.
fn begin(conn: &Connection, parent: &[u8]) -> Result<(), StoreError> {
    if has_entries(conn, parent)? {
        return Ok(());
    }
    let prefix = entries_below(PRIORITY, parent);
    child_places(conn, parent, &Index::Priority, &mut |place| {
        put(conn, &entry_key(&prefix, &place))?;
        Ok(ControlFlow::Continue(()))
    })
}

/// Makes entries for the priorities of a file of the first schema, which had none. That is once one pass over the file,
/// and only if it has priorities.
pub fn adopt(conn: &Connection) -> Result<(), StoreError> {
    let has_unindexed = conn.query_row("SELECT 1 FROM meta WHERE name = 'priorities'", [], |_| Ok(())).optional()?;
    if has_unindexed.is_none() {
        return Ok(());
    }
    let batch = conn.unchecked_transaction()?;
    let mut statement = batch.prepare("SELECT key FROM node WHERE priority IS NOT NULL ORDER BY key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(parent) = parent_of(key_of(row)?)? {
            begin(&batch, parent)?;
        }
    }
    drop(rows);
    drop(statement);
    batch.execute("DELETE FROM meta WHERE name = 'priorities'", [])?;
    Ok(batch.commit()?)
}

/// The row key above `key`; `None` above the root.
fn parent_of(key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
    let mut parent = None;
    let mut rest = key;
    while !rest.is_empty() {
        parent = key.get(..key.len() - rest.len());
        rest = split_segment(rest).ok_or_else(bad_key)?.1;
    }
    Ok(parent)
}
