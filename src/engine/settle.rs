//! From a request to a record: preconditions are checked, server values filled in.
//!
//! Runs in the writer's turn, against the tree before the write. What comes out is settled for good: applying it needs
//! no clock, no chance and no other knowledge.

use std::ops::ControlFlow;

use super::authorize::Judge;
use super::request::{Condition, Current, WriteError, WriteRequest};
use crate::base::Millis;
use crate::base::limits::CONDITION_ROWS_MAX;
use crate::model::hash::Hasher;
use crate::model::{Change, Draft, Path, Query, Record, Slot, Value, WriteOp, hash};
use crate::store::{StoreError, Tree};

/// Why a request became no record.
pub(super) enum Refusal {
    Client(WriteError),
    /// The disk; the whole batch fails.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Settles `request` as the record `seq`, of the time of `judge`.
///
/// Nothing about the data is said to those who may not write it, and nothing about what was there before to those who
/// may not read it: their conditions are refused unseen.
pub(super) fn settle(tree: &Tree<'_>, request: WriteRequest, seq: u64, judge: &Judge) -> Result<Record, Refusal> {
    let WriteRequest { who, write, if_match, rows_max, .. } = request;
    let time = judge.now;
    let (update, drafts) = match write.op {
        WriteOp::Set(draft) => (false, vec![(Path::root(), draft)]),
        WriteOp::Update(drafts) => (true, drafts),
    };
    let changes: Vec<Change> = drafts
        .into_iter()
        .map(|(below, draft)| settle_one(tree, write.path.join(&below), draft, time))
        .collect::<Result<_, _>>()?;
    if !judge.may_write(tree, &who, &changes)? {
        return Err(Refusal::Client(WriteError::Denied));
    }
    if let Some(expected) = if_match {
        if !judge.may_read(tree, &who, &write.path, &Query::default())? {
            return Err(Refusal::Client(WriteError::Denied));
        }
        compare(tree, &write.path, &expected)?;
    }
    if let Some(rows_max) = rows_max {
        weigh(tree, &changes, rows_max)?;
    }
    Ok(Record { seq, time, path: write.path, update, changes })
}

/// Settles one draft at an absolute path.
pub(super) fn settle_one(tree: &Tree<'_>, path: Path, draft: Draft, time: Millis) -> Result<Change, StoreError> {
    if draft.placeholders.is_empty() {
        return Ok(Change { path, value: draft.value });
    }
    let mut failed = None;
    let value = draft.settle(
        |below, slot| {
            let place = path.join(below);
            let before = match slot {
                Slot::Value => tree.value(&place),
                Slot::Priority => tree.priority(&place),
            };
            before.unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        },
        time,
    );
    match failed {
        Some(error) => Err(error),
        None => Ok(Change { path, value }),
    }
}

fn compare(tree: &Tree<'_>, path: &Path, expected: &Condition) -> Result<(), Refusal> {
    let refusal = match expected {
        Condition::Etag(expected) => {
            let etag = hash::etag(&bounded_hash(tree, path)?).to_owned();
            if etag == *expected {
                return Ok(());
            }
            WriteError::Stale(Some(Box::new(Current { node: tree.node(path)?, etag })))
        }
        Condition::Hash(expected) => {
            if bounded_hash(tree, path)? == *expected || javascript_hash(tree, path)? == *expected {
                return Ok(());
            }
            WriteError::Stale(None)
        }
        Condition::Present => {
            if tree.rows(path, 1)? > 0 {
                return Ok(());
            }
            WriteError::Invalid(format!("there is no data at {path}"))
        }
    };
    Err(Refusal::Client(refusal))
}

/// The hash of what is at `path`, unless there is too much of it.
fn bounded_hash(tree: &Tree<'_>, path: &Path) -> Result<String, Refusal> {
    if tree.rows(path, CONDITION_ROWS_MAX + 1)? > CONDITION_ROWS_MAX {
        let text = format!("a conditional write may cover at most {CONDITION_ROWS_MAX} values: choose a deeper path");
        return Err(Refusal::Client(WriteError::Invalid(text)));
    }
    Ok(tree.hash(path)?)
}

fn javascript_hash(tree: &Tree<'_>, path: &Path) -> Result<String, StoreError> {
    let mut hasher = Hasher::javascript();
    tree.walk_objects(path, &mut |step| {
        hasher.step(step);
        ControlFlow::Continue(())
    })?;
    Ok(hasher.finish())
}

fn weigh(tree: &Tree<'_>, changes: &[Change], rows_max: u64) -> Result<(), Refusal> {
    let mut rows = 0_u64;
    for Change { path, value } in changes {
        if let Value::Node(node) = value {
            rows = rows.saturating_add(node.rows() as u64);
        }
        if rows <= rows_max {
            rows = rows.saturating_add(tree.rows(path, rows_max.saturating_add(1))?);
        }
        if rows > rows_max {
            return Err(Refusal::Client(WriteError::TooBig));
        }
    }
    Ok(())
}
