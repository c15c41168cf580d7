//! What becomes of the members of an object or an array: a node, and the server values in it.
//!
//! Server values travel upwards beside the nodes that hold them, since a later duplicate of a key drops them together
//! with the node.

use std::collections::{BTreeMap, HashMap};

use super::primitive::Primitive;
use crate::model::{Draft, Key, Node, Path, Placeholder, Scalar, ServerValue, Slot, Value};

/// A node, and the server values in it.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) node: Node,
    pub(super) held: Vec<Held>,
}

/// A server value on its way up.
pub(super) struct Held {
    /// From the innermost key outwards.
    pub(super) keys: Vec<Key>,
    pub(super) slot: Slot,
    pub(super) server_value: ServerValue,
}

impl Parsed {
    pub(super) fn leaf(value: Scalar) -> Self {
        Self { node: Node::leaf(value), held: Vec::new() }
    }

    pub(super) fn into_draft(self) -> Draft {
        let placeholders = self
            .held
            .into_iter()
            .map(|mut held| {
                held.keys.reverse();
                Placeholder { path: Path::from_keys(held.keys), slot: held.slot, server_value: held.server_value }
            })
            .collect();
        Draft { value: Value::Node(self.node), placeholders }
    }
}

/// An object whose members are being read, or an array.
#[derive(Default)]
pub(super) struct Members {
    pub(super) value: Option<Primitive>,
    pub(super) priority: Option<Primitive>,
    pub(super) server_value: Option<ServerValue>,
    /// As they came, empty ones and duplicates included.
    children: Vec<(Key, Node)>,
    has_empty: bool,
    /// Server values by the index of the child that holds them.
    pub(super) held: Vec<(usize, Vec<Held>)>,
}

impl Members {
    pub(super) fn push(&mut self, key: Key, mut child: Parsed) {
        self.has_empty |= child.node.is_empty();
        if !child.held.is_empty() {
            for held in &mut child.held {
                held.keys.push(key.clone());
            }
            self.held.push((self.children.len(), child.held));
        }
        self.children.push((key, child.node));
    }

    pub(super) fn finish(self) -> Parsed {
        let mut held = Vec::new();
        if let Some(server_value) = self.server_value {
            let value = Primitive::Server(server_value).fill(Slot::Value, &mut held);
            return Parsed { node: Node::leaf(value), held };
        }
        if let Some(value) = self.value {
            let value = value.fill(Slot::Value, &mut held);
            let priority = self.priority.map(|priority| priority.fill(Slot::Priority, &mut held));
            return Parsed { node: Node::Leaf { value, priority }, held };
        }
        held.extend(surviving(self.held, &self.children));
        // Of equal keys the last wins; sorting first and building the map from below is cheaper than inserting.
        let mut children: BTreeMap<Key, Node> = self.children.into_iter().collect();
        if self.has_empty {
            children.retain(|_, child| !child.is_empty());
        }
        if children.is_empty() {
            return Parsed::default();
        }
        let priority = self.priority.map(|priority| priority.fill(Slot::Priority, &mut held));
        Parsed { node: Node::inner(children, priority), held }
    }
}

/// The server values whose child is the last of its key.
fn surviving(held: Vec<(usize, Vec<Held>)>, children: &[(Key, Node)]) -> Vec<Held> {
    if held.is_empty() {
        return Vec::new();
    }
    let last: HashMap<&Key, usize> = children.iter().enumerate().map(|(index, (key, _))| (key, index)).collect();
    let is_last = |index: usize| children.get(index).and_then(|(key, _)| last.get(key)) == Some(&index);
    held.into_iter().filter(|(index, _)| is_last(*index)).flat_map(|(_, held)| held).collect()
}
