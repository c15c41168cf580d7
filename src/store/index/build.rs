//! New indexes come to have their entries, and old ones lose them, in chunks beside other work.
//!
//! A cursor walks over the tree in key order and gives each child that it meets its entry. Changes meanwhile keep the
//! entries of all children right, before and behind the cursor; so it does not matter who comes first, and a restart
//! goes on where the last chunk ended.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::super::StoreError;
use super::super::children::child_place;
use super::super::encode::{bad_key, end_of, push_segment, segment_key, split_segment};
use super::super::scan::{KEYS, key_of};
use super::entry::{entries_below, entry_key};
use super::rows::{delete_between, put};
use super::spec::{Indexes, Spec, State};
use crate::model::Segment;

/// Steps of a chunk: each is a child that gets its entry, or a seek past what is not in the index.
pub const STEPS: u32 = 2_000;
/// Entries that are deleted per step.
const DELETED_PER_STEP: u32 = 5;

/// Goes on with what is unfinished, for about `steps` steps, within the caller's transaction.
pub fn chunk(conn: &Connection, indexes: &mut Indexes, steps: u32) -> Result<(), StoreError> {
    let specs = Arc::make_mut(&mut indexes.specs);
    // New indexes first: somebody waits for them.
    let wanted = |is_live: bool| move |spec: &Spec| !spec.is_settled() && spec.is_live() == is_live;
    let Some(position) = specs.iter().position(wanted(true)).or_else(|| specs.iter().position(wanted(false))) else {
        return Ok(());
    };
    let Some(spec) = specs.get_mut(position) else { return Ok(()) };
    match &spec.state {
        State::Ready => {}
        State::Building { cursor } => {
            let next = build(conn, spec, cursor.clone(), steps)?;
            spec.state = next.map_or(State::Ready, |cursor| State::Building { cursor });
            spec.save(conn)?;
        }
        State::Gone => {
            if clear(conn, spec.id, steps.saturating_mul(DELETED_PER_STEP))? {
                conn.prepare_cached("DELETE FROM index_spec WHERE id = ?1")?.execute([spec.id])?;
                specs.remove(position);
            }
        }
    }
    Ok(())
}

/// Makes entries for children at and behind `cursor`. Gives where to go on; nothing at the end.
fn build(conn: &Connection, spec: &Spec, mut cursor: Vec<u8>, steps: u32) -> Result<Option<Vec<u8>>, StoreError> {
    for _ in 0..steps {
        let mut statement = conn.prepare_cached(KEYS)?;
        let mut rows = statement.query((&cursor, end_of(&[])))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        cursor = match meet(&spec.rule.pattern, key_of(row)?)? {
            Met::Other { next } => next,
            Met::Child { parent, segment } => {
                let child = [parent, segment].concat();
                let key = segment_key(segment, &mut Vec::new())?;
                if let Some(place) = child_place(conn, &child, &key, &spec.rule.index)? {
                    put(conn, &entry_key(&entries_below(spec.id, parent), &place))?;
                }
                end_of(&child)
            }
        };
    }
    Ok(Some(cursor))
}

enum Met<'a> {
    /// The row is at or below this child of an indexed node.
    Child { parent: &'a [u8], segment: &'a [u8] },
    /// It is not; no such child comes before `next`.
    Other { next: Vec<u8> },
}

/// What the row `key` is to the nodes that `pattern` names.
fn meet<'a>(pattern: &[Segment], key: &'a [u8]) -> Result<Met<'a>, StoreError> {
    let behind = || Ok(Met::Other { next: [key, &[0]].concat() });
    let mut rest = key;
    for step in pattern {
        if rest.is_empty() {
            return behind();
        }
        let above = key.get(..key.len() - rest.len()).unwrap_or_default();
        let (segment, below) = split_segment(rest).ok_or_else(bad_key)?;
        if let Segment::Key(wanted) = step {
            let mut sought = Vec::new();
            push_segment(&mut sought, wanted);
            if segment < sought.as_slice() {
                return Ok(Met::Other { next: [above, &sought].concat() });
            }
            if segment > sought.as_slice() {
                return Ok(Met::Other { next: end_of(above) });
            }
        }
        rest = below;
    }
    if rest.is_empty() {
        return behind();
    }
    let parent = key.get(..key.len() - rest.len()).unwrap_or_default();
    let (segment, _) = split_segment(rest).ok_or_else(bad_key)?;
    Ok(Met::Child { parent, segment })
}

/// Deletes some entries of an index. Gives whether that were all.
fn clear(conn: &Connection, id: u32, max: u32) -> Result<bool, StoreError> {
    let prefix = entries_below(id, &[]);
    let end = end_of(&prefix);
    let sql = "SELECT key FROM entry WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT 1 OFFSET ?3";
    let mut statement = conn.prepare_cached(sql)?;
    let rest: Option<Vec<u8>> = statement.query_row((&prefix, &end, max), |row| row.get(0)).optional()?;
    delete_between(conn, &prefix, rest.as_ref().unwrap_or(&end))?;
    Ok(rest.is_none())
}
