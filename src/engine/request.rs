//! What protocols ask of a database, and what they are answered.

use std::fmt;
use std::sync::Arc;

use super::event::{Encoder, EventTypes};
use crate::model::{Change, Draft, Node, Path, Query, Write};
use crate::transport::Outbox;

/// A write with its conditions.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    pub write: Write,
    /// Only if the node at the write's path has this hash (`null_etag`: nothing there). Compared within the writer's
    /// turn.
    pub if_match: Option<String>,
    /// Most rows, old and new together, that the write may touch; `None`: no limit.
    pub rows_max: Option<u64>,
    /// Whether the reply shall carry the hash of the new data at the write's path.
    pub want_etag: bool,
}

/// A write that is on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub seq: u64,
    /// The settled changes, server values filled in; absolute paths.
    pub changes: Vec<Change>,
    pub etag: Option<String>,
}

/// Why a write was not done. Nothing of it was stored.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteError {
    /// `if_match` did not match; what is there instead, and its hash.
    Stale { current: Node, etag: String },
    /// It would touch more than `rows_max` rows.
    TooBig,
    /// It breaks a limit or rule that only the writer can check; the text says which.
    Invalid(String),
    /// The database is closing, or its disk fails. It was certainly not done.
    Unavailable,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { .. } => f.write_str("the data is not what `if-match` says"),
            Self::TooBig => {
                f.write_str("Data to write exceeds the maximum size that can be modified with a single request.")
            }
            Self::Invalid(text) => f.write_str(text),
            Self::Unavailable => Unavailable.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {}

/// A change to what a session has armed.
#[derive(Clone, Debug)]
pub enum Arm {
    /// Remember these values, each at its absolute path.
    Set(Vec<(Path, Draft)>),
    /// Forget everything at and below the path.
    Cancel(Path),
}

/// The database is closing or its disk fails; nothing was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service temporarily unavailable")
    }
}

impl std::error::Error for Unavailable {}

/// What a listener wants.
#[derive(Clone)]
pub struct ListenRequest {
    pub path: Path,
    pub query: Query,
    pub shape: Shape,
    pub encoder: Arc<dyn Encoder>,
    /// Where its events go. Several listeners may share an outbox.
    pub outbox: Arc<Outbox>,
    /// Position after which it wants to go on, as its client gave it; `None`: from the beginning.
    pub resume: Option<Resume>,
}

/// Where a client stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    pub epoch: String,
    pub seq: u64,
    /// Events of record `seq` that it still has to get come after this part; `None`: it has them all.
    pub part: Option<u32>,
}

impl Resume {
    /// Reads `<epoch>-<sequence>` or `<epoch>-<sequence>-<part>`. The epoch has no `-` in it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let epoch = parts.next().filter(|epoch| !epoch.is_empty())?.to_owned();
        let seq = parts.next()?.parse().ok()?;
        let part = match parts.next() {
            Some(part) => Some(part.parse().ok()?),
            None => None,
        };
        parts.next().is_none().then_some(Self { epoch, seq, part })
    }
}

/// The two kinds of listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// First everything, then each change as a `Put` or `Patch`.
    Value,
    /// First one `ChildAdded` per child, then events of these types.
    Children(EventTypes),
}
