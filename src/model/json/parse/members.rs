//! What becomes of the members of an object or an array: a node, and the server values in it.
//!
//! Server values travel upwards beside the nodes that hold them, since a later duplicate of a key drops them together
//! with the node.

use std::collections::BTreeMap;

use super::primitive::Primitive;
use crate::model::node::Inner;
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
    children: BTreeMap<Key, Node>,
    /// The server values of those children that hold any.
    held: BTreeMap<Key, Vec<Held>>,
}

impl Members {
    /// Adds a child; it takes the place of an earlier one with its key.
    pub(super) fn push(&mut self, key: Key, child: Parsed) {
        if !self.held.is_empty() {
            self.held.remove(&key);
        }
        if child.node.is_empty() {
            self.children.remove(&key);
            return;
        }
        if !child.held.is_empty() {
            self.held.insert(key.clone(), child.held);
        }
        self.children.insert(key, child.node);
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
        if self.children.is_empty() {
            return Parsed::default();
        }
        for (key, mut of_child) in self.held {
            for held in &mut of_child {
                held.keys.push(key.clone());
            }
            held.append(&mut of_child);
        }
        let priority = self.priority.map(|priority| priority.fill(Slot::Priority, &mut held));
        Parsed { node: Node::Inner(Box::new(Inner { priority, children: self.children })), held }
    }
}
