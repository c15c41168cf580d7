//! What protocols ask of a database, and what they are answered.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::event::{Encoder, EventTypes};
use crate::model::compound_hash::CompoundHash;
use crate::model::{Change, Draft, Identity, Node, Path, Query, Write, hash};
use crate::transport::Outbox;

/// A write with its conditions.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    /// Who writes: judged by the rules in the writer's turn.
    pub who: Identity,
    pub write: Write,
    /// Only if the node at the write's path is this. Compared within the writer's turn.
    pub if_match: Option<Condition>,
    /// Most rows, old and new together, that the write may touch; `None`: no limit.
    pub rows_max: Option<u64>,
    /// Whether the reply shall carry the hash of the new data at the write's path.
    pub want_etag: bool,
}

/// What must stand at the place of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The node with this `ETag`: its hash, or `null_etag` for nothing. A refusal tells what is there instead.
    Etag(String),
    /// The node with this hash, or nothing for an empty one. Numbers may be hashed as the JavaScript SDKs do (realtime
    /// protocol 12.2).
    Hash(String),
    /// Anything. A refusal is [`WriteError::Invalid`].
    Present,
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
    /// `if_match` did not match; for an [`Condition::Etag`]: what is there instead.
    Stale(Option<Box<Current>>),
    /// The rules do not allow it.
    Denied,
    /// It would touch more than `rows_max` rows.
    TooBig,
    /// It breaks a limit or rule that only the writer can check; the text says which.
    Invalid(String),
    /// The database is closing, or its disk fails. It was certainly not done.
    Unavailable,
}

/// What stands where something else was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Current {
    pub node: Node,
    pub etag: String,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(_) => f.write_str("the data is not what `if-match` says"),
            Self::Denied => f.write_str(DENIED),
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

/// What clients are told that may not do what they ask. Why is told to nobody but the log and those who explain.
pub const DENIED: &str = "Permission denied";

/// What a listener wants.
#[derive(Clone)]
pub struct ListenRequest {
    /// Who listens: judged when it starts, and again whenever rules change.
    pub who: Identity,
    pub path: Path,
    pub query: Query,
    pub shape: Shape,
    pub encoder: Arc<dyn Encoder>,
    /// Where its events go. Several listeners may share an outbox.
    pub outbox: Arc<Outbox>,
    /// Whether the outbox is its own, and is closed when rules no longer allow it.
    pub is_alone: bool,
    /// Position after which it wants to go on, as its client gave it; `None`: from the beginning.
    pub resume: Option<Resume>,
}

/// What a link's listener wants.
#[derive(Clone)]
pub struct LinkListen {
    pub who: Identity,
    pub path: Path,
    pub query: Query,
    pub encoder: Arc<dyn Encoder>,
    /// Whether it belongs to the family in which one below another is silent while the upper one is there.
    pub is_default: bool,
    pub known: Option<Known>,
}

/// One read of a link.
pub struct LinkRead {
    pub who: Identity,
    pub path: Path,
    pub query: Query,
    /// Writes all of the answer, as the `Put` at the root.
    pub encoder: Arc<dyn Encoder>,
}

/// What a client holds already at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Node hash; empty for nothing.
    pub hash: String,
    /// Hashes of its parts: then only the parts that differ are told, as [`super::Event::Ranges`].
    pub compound: Option<CompoundHash>,
}

impl Known {
    /// Whether it is `node`, with numbers hashed by the rules or as the JavaScript SDKs do.
    pub fn is(&self, node: &Node) -> bool {
        self.hash == hash::hash_of(node) || self.hash == hash::javascript_hash_of(node)
    }
}

/// Why data is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Above [`crate::base::limits::RESPONSE_BYTES_MAX`].
    TooBig,
    /// The rules do not allow it.
    Denied,
    /// The rules have no index for the query of a single read.
    NoIndex,
}

/// Why there is no listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// The rules do not allow it.
    Denied,
    Unavailable,
}

impl From<Unavailable> for ListenError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

/// Makes the bytes of an answer; none: nothing is sent.
pub type Answer<T> = Box<dyn FnOnce(T) -> Bytes + Send>;

/// An answer that an outbox is to get.
pub(super) struct Owed<T> {
    answer: Answer<T>,
    to: Answered,
}

/// The outbox of an answer that is made but not queued yet. Dropped before (the disk failed, the database closes) it
/// closes the outbox: the client starts again and asks anew.
pub(super) struct Answered {
    outbox: Arc<Outbox>,
    is_sent: bool,
}

impl<T> Owed<T> {
    pub fn new(outbox: &Arc<Outbox>, answer: Answer<T>) -> Self {
        Self { answer, to: Answered { outbox: Arc::clone(outbox), is_sent: false } }
    }

    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.to.outbox
    }

    /// Answers at once.
    pub fn refuse(self, outcome: T) {
        let (answer, bytes) = self.make(outcome);
        answer.send(bytes);
    }

    pub fn make(self, outcome: T) -> (Answered, Bytes) {
        (self.to, (self.answer)(outcome))
    }
}

impl Answered {
    /// Queues it.
    pub fn send(self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.outbox.push(bytes);
        }
        self.went_along();
    }

    /// The bytes have taken another way to the same outbox.
    pub fn went_along(mut self) {
        self.is_sent = true;
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        if !self.is_sent {
            self.outbox.close();
        }
    }
}

/// Where the outcome of a command goes.
pub(super) enum Reply<T> {
    Asker(oneshot::Sender<T>),
    Link(Owed<T>),
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
