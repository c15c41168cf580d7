//! Writes as clients ask for them, and records as they enter the log.
//!
//! A write may hold server values; a record never does. Applying a record is a pure function of tree and record.

use super::{Node, Path, Placeholder, Scalar};
use crate::base::Millis;

/// What stands at a place after a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The whole data there, with its priority; empty removes it.
    Node(Node),
    /// Only the priority; the data stays. Nothing happens where there is no data.
    Priority(Option<Scalar>),
}

/// A value from a client, in which server values still wait to be settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub value: Value,
    /// Places within `value` that hold a server value. At each stands a dummy (an empty string) until it is settled.
    pub placeholders: Vec<Placeholder>,
}

/// One write request: atomic, all or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub path: Path,
    pub op: WriteOp,
}

#[derive(Clone, Debug, PartialEq)]
pub enum WriteOp {
    /// Replaces what is at the path.
    Set(Draft),
    /// Replaces each named place below the path. Places are relative; none lies at or below one whose data is replaced;
    /// priorities come after all data, and may be that of the path itself.
    Update(Vec<(Path, Draft)>),
}

/// One settled change. The path is absolute.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub path: Path,
    pub value: Value,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub seq: u64,
    pub time: Millis,
    /// Where the write was addressed: event streams name places relative to it.
    pub path: Path,
    /// Whether it was an update (`patch`), not a set (`put`).
    pub update: bool,
    pub changes: Vec<Change>,
}

impl From<Node> for Draft {
    fn from(node: Node) -> Self {
        Self { value: Value::Node(node), placeholders: Vec::new() }
    }
}

impl Write {
    pub fn set(path: Path, node: Node) -> Self {
        Self { path, op: WriteOp::Set(node.into()) }
    }
}
