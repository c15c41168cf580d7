//! Server values: placeholders that the server fills in when it settles a write.
//!
//! Source: Firebase realtime protocol 11.8.

use super::{Draft, Node, Path, Scalar, Value};
use crate::base::Millis;

/// What `{".sv": ...}` asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerValue {
    /// The time of the write, one for the whole write.
    Timestamp,
    /// The number before the write plus this one.
    Increment(Scalar),
}

/// Which part of a node it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Value,
    Priority,
}

/// A server value and its place, relative to the value that holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Placeholder {
    pub path: Path,
    pub slot: Slot,
    pub server_value: ServerValue,
}

impl ServerValue {
    /// The settled value; `before` is what stood at the same place before the write (a leaf's value, else `None`).
    pub fn settle(&self, before: Option<&Scalar>, now: Millis) -> Scalar {
        match self {
            Self::Timestamp => Scalar::Int(now),
            Self::Increment(by) => match (before, by) {
                (Some(Scalar::Int(old)), Scalar::Int(by)) if old.checked_add(*by).is_some() => {
                    Scalar::Int(old.wrapping_add(*by))
                }
                (Some(old), by) => match (old.as_f64(), by.as_f64()) {
                    (Some(old), Some(add)) => Scalar::number(old + add).unwrap_or_else(|| by.clone()),
                    _ => by.clone(),
                },
                (None, by) => by.clone(),
            },
        }
    }
}

impl Draft {
    /// Fills in the server values. `before` gives what stood at a place (relative to this draft) before the write: the
    /// value of a leaf, or with [`Slot::Priority`] its priority; it is asked for increments only.
    pub fn settle(self, mut before: impl FnMut(&Path, Slot) -> Option<Scalar>, now: Millis) -> Value {
        let mut value = self.value;
        for Placeholder { path, slot, server_value } in self.placeholders {
            let old = match server_value {
                ServerValue::Timestamp => None,
                ServerValue::Increment(_) => before(&path, slot),
            };
            let settled = server_value.settle(old.as_ref(), now);
            match (&mut value, slot) {
                (Value::Priority(priority), _) => *priority = Some(settled),
                (Value::Node(node), Slot::Priority) => node.set_priority(path.keys(), Some(settled)),
                (Value::Node(node), Slot::Value) => {
                    if let Some(Node::Leaf { value, .. }) = node.at_mut(&path) {
                        *value = settled;
                    }
                }
            }
        }
        value
    }
}
