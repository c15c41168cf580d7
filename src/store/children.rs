//! The children of a node: neighbours, the array rule, and the values by which queries order them.
//!
//! Children are found by skipping: from the first row of one to the first row behind it, whatever lies between.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row};

use super::encode::{bad_key, end_of, path_key, push_segment, scalar, segment_index, segment_key, split_segment};
use super::scan::{KEY_FIRST, KEY_LAST, KEYS, Next, ROWS, key_between, scan};
use super::{StoreError, Tree};
use crate::model::order::{IndexValue, Place};
use crate::model::walk::{self, ScalarRef};
use crate::model::{Index, Key, Path};

impl Tree<'_> {
    /// The first child in key order.
    pub fn first_child(&self, path: &Path) -> Result<Option<Key>, StoreError> {
        let base = path_key(path);
        self.child_between(KEY_FIRST, &base, &base, &end_of(&base))
    }

    /// The last child in key order.
    pub fn last_child(&self, path: &Path) -> Result<Option<Key>, StoreError> {
        let base = path_key(path);
        self.child_between(KEY_LAST, &base, &base, &end_of(&base))
    }

    /// The first child behind `after`, which need not be there.
    pub fn child_after(&self, path: &Path, after: &Key) -> Result<Option<Key>, StoreError> {
        let base = path_key(path);
        self.child_between(KEY_FIRST, &base, &end_of(&child_key(&base, after)), &end_of(&base))
    }

    /// The last child before `before`, which need not be there.
    pub fn child_before(&self, path: &Path, before: &Key) -> Result<Option<Key>, StoreError> {
        let base = path_key(path);
        self.child_between(KEY_LAST, &base, &base, &child_key(&base, before))
    }

    fn child_between(&self, sql: &str, base: &[u8], above: &[u8], below: &[u8]) -> Result<Option<Key>, StoreError> {
        key_between(self.conn, sql, above, below, |key| segment_key(child_segment(base, key)?, &mut Vec::new()))
    }

    /// Visits the place of every child of `path` in the order of `index`, in key order (not in that of the index).
    ///
    /// One pass; what lies below a child and does not matter is skipped. Memory: one row.
    pub fn child_index_values(
        &self,
        path: &Path,
        index: &Index,
        visit: &mut dyn FnMut(Place) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let base = path_key(path);
        let sought = match index {
            Index::Child(path) => path_key(path),
            Index::Priority | Index::Key | Index::Value => Vec::new(),
        };
        let sql = if *index == Index::Key { KEYS } else { ROWS };
        let mut scratch = Vec::new();
        // The place of the current child that decides, and its key while no row at or behind that place was seen.
        let mut target = base.clone();
        let mut undecided: Option<Key> = None;
        let mut child_end = Vec::new();
        scan(self.conn, sql, base.clone(), &end_of(&base), |key, row, skip_to| {
            if key == base {
                return Ok(Next::Row);
            }
            if let Some(child) = undecided.take_if(|_| key >= child_end.as_slice())
                && visit(Place { value: IndexValue::Null, key: child }).is_break()
            {
                return Ok(Next::Stop);
            }
            let child = if let Some(child) = undecided.take() {
                child
            } else {
                let segment = child_segment(&base, key)?;
                target.truncate(base.len());
                target.extend_from_slice(segment);
                child_end = end_of(&target);
                target.extend_from_slice(&sought);
                segment_key(segment, &mut scratch)?
            };
            if key < target.as_slice() {
                undecided = Some(child);
                skip_to.clone_from(&target);
                return Ok(Next::Skip);
            }
            let value = index_value(index, &target, key, row)?;
            skip_to.clone_from(&child_end);
            Ok(if visit(Place { value, key: child }).is_break() { Next::Stop } else { Next::Skip })
        })?;
        if let Some(child) = undecided {
            let _ = visit(Place { value: IndexValue::Null, key: child });
        }
        Ok(())
    }
}

/// The value of a child, told by the first row at or behind the place `target` that decides.
fn index_value(index: &Index, target: &[u8], key: &[u8], row: &Row<'_>) -> Result<IndexValue, StoreError> {
    let of_scalar = |scalar: ScalarRef<'_>| IndexValue::Scalar(scalar.to_scalar());
    Ok(match index {
        Index::Priority if key == target => scalar(row.get_ref(2)?)?.map_or(IndexValue::Null, of_scalar),
        Index::Value | Index::Child(_) if key == target => {
            scalar(row.get_ref(1)?)?.map_or(IndexValue::Inner, of_scalar)
        }
        Index::Value | Index::Child(_) if key.starts_with(target) => IndexValue::Inner,
        _ => IndexValue::Null,
    })
}

/// Length of the array as which the inner node at `base` shows; `first` is the segment of its first child, if at hand.
///
/// Costs nothing unless that is an array index, one seek more unless the last child's is one too, and a pass over the
/// children only then. Source: Firebase REST reference 4.2.
pub fn array_len(conn: &Connection, base: &[u8], first: Option<&[u8]>) -> Result<Option<u32>, StoreError> {
    let end = end_of(base);
    let index_at = |sql| key_between(conn, sql, base, &end, |key| Ok(segment_index(child_segment(base, key)?)));
    let first = match first {
        Some(segment) => segment_index(segment),
        None => index_at(KEY_FIRST)?.flatten(),
    };
    if first.is_none() {
        return Ok(None);
    }
    let Some(max) = index_at(KEY_LAST)?.flatten() else {
        return Ok(None);
    };
    let mut count = 0_u64;
    let mut all = true;
    scan(conn, KEYS, base.to_vec(), &end, |key, _, skip_to| {
        if key == base {
            return Ok(Next::Row);
        }
        let segment = child_segment(base, key)?;
        // Even if all that can still come comes, is it enough?
        let index = segment_index(segment);
        let count_max = count + 1 + u64::from(max.saturating_sub(index.unwrap_or(max)));
        if index.is_none() || walk::array_len(true, max, count_max).is_none() {
            all = false;
            return Ok(Next::Stop);
        }
        count += 1;
        skip_to.clear();
        skip_to.extend_from_slice(base);
        skip_to.extend_from_slice(segment);
        skip_to.push(0xff);
        Ok(Next::Skip)
    })?;
    Ok(walk::array_len(all, max, count))
}

fn child_key(base: &[u8], key: &Key) -> Vec<u8> {
    let mut out = base.to_vec();
    push_segment(&mut out, key);
    out
}

/// The segment of the child of `base` at or below which `key` is.
fn child_segment<'a>(base: &[u8], key: &'a [u8]) -> Result<&'a [u8], StoreError> {
    key.strip_prefix(base).and_then(split_segment).map(|(segment, _)| segment).ok_or_else(bad_key)
}
