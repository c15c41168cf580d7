//! Child events of a listener whose children stand in key order: the tree itself knows them, so nothing is held.
//!
//! This is the usual case (no query, no priorities): a listener on a million children costs what is written, neither
//! memory nor a scan. As soon as a child is given a priority the feed goes over to a window.

use std::collections::BTreeMap;

use super::event::EventType;
use super::view::{ChildEvent, Touched};
use crate::model::{Change, Key, Node, Path, Record, Value};
use crate::store::{StoreError, Tree};

/// Children in key order, as of after the record.
pub(super) trait Siblings {
    fn before(&self, key: &Key) -> Result<Option<Key>, StoreError>;
}

/// What happened to the touched children: removed, then added, then changed, each in key order.
pub(super) fn changes(
    touched: &BTreeMap<Key, Touched>,
    siblings: &dyn Siblings,
) -> Result<Vec<ChildEvent>, StoreError> {
    let (mut removed, mut added, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for (key, child) in touched.iter().filter(|(_, child)| child.before != child.after) {
        let (event_type, node) = match (child.before.is_empty(), child.after.is_empty()) {
            (_, true) => (EventType::ChildRemoved, &child.before),
            (true, false) => (EventType::ChildAdded, &child.after),
            (false, false) => (EventType::ChildChanged, &child.after),
        };
        let prev_key = if child.after.is_empty() { None } else { siblings.before(key)? };
        let events = match event_type {
            EventType::ChildRemoved => &mut removed,
            EventType::ChildAdded => &mut added,
            _ => &mut changed,
        };
        events.push(ChildEvent { event_type, key: key.clone(), node: node.clone(), prev_key });
    }
    removed.append(&mut added);
    removed.append(&mut changed);
    Ok(removed)
}

/// The tree as it is.
pub(super) struct TreeSiblings<'a, 'c> {
    pub tree: &'a Tree<'c>,
    pub path: &'a Path,
}

impl Siblings for TreeSiblings<'_, '_> {
    fn before(&self, key: &Key) -> Result<Option<Key>, StoreError> {
        self.tree.child_before(self.path, key)
    }
}

/// The tree as it was: what has been altered since stands in `altered`, empty where there was nothing.
pub(super) struct PastSiblings<'a, 'c> {
    pub tree: &'a Tree<'c>,
    pub path: &'a Path,
    pub altered: BTreeMap<Key, Node>,
}

impl Siblings for PastSiblings<'_, '_> {
    fn before(&self, key: &Key) -> Result<Option<Key>, StoreError> {
        let mut still_there = self.tree.child_before(self.path, key)?;
        while let Some(sibling) = still_there.take_if(|sibling| self.altered.contains_key(sibling)) {
            still_there = self.tree.child_before(self.path, &sibling)?;
        }
        let altered = self.altered.range(..key).rev().find(|(_, node)| !node.is_empty()).map(|(key, _)| key.clone());
        Ok(still_there.max(altered))
    }
}

/// Whether a record gives a child of `parent` a priority.
pub(super) fn gives_priority(parent: &Path, record: &Record) -> bool {
    record.changes.iter().any(|Change { path, value }| match value {
        Value::Priority(priority) => priority.is_some() && path.parent().as_ref() == Some(parent),
        Value::Node(node) => match parent.strip_prefix(path) {
            Some(below) => node.at(&below).into_iter().flat_map(Node::children).any(|(_, child)| has_priority(child)),
            None => path.parent().as_ref() == Some(parent) && has_priority(node),
        },
    })
}

fn has_priority(node: &Node) -> bool {
    node.priority().is_some()
}

/// The children of `path` that a record may touch, and that a listener is to hear of: with `known`, which wants to hear
/// of children that were there, all of them; else only those that were not. `tree` is that before the record.
pub(super) fn touched_keys(tree: &Tree<'_>, path: &Path, record: &Record, known: bool) -> Result<Vec<Key>, StoreError> {
    let mut keys = Vec::new();
    for change in &record.changes {
        if let Some(key) = change.path.strip_prefix(path).and_then(|below| below.keys().first().cloned()) {
            keys.push(key);
        } else if let (Some(below), Value::Node(node)) = (path.strip_prefix(&change.path), &change.value) {
            keys.extend(node.at(&below).into_iter().flat_map(Node::children).map(|(key, _)| key.clone()));
            let mut next = if known { tree.first_child(path)? } else { None };
            while let Some(key) = next {
                next = tree.child_after(path, &key)?;
                keys.push(key);
            }
        }
    }
    keys.sort();
    keys.dedup();
    if !known {
        let mut new = Vec::new();
        for key in keys {
            if !tree.exists(&path.child(key.clone()))? {
                new.push(key);
            }
        }
        return Ok(new);
    }
    Ok(keys)
}
