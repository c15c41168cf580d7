//! What listeners are told, before any protocol has put it into bytes.

use crate::model::compound_hash::RangeMerge;
use crate::model::{Format, Key, Node, Path};

/// A place in the log of one database: `<epoch>-<sequence>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position<'a> {
    pub epoch: &'a str,
    pub seq: u64,
    /// Which event of the record it is (child events only; a record may cause several), from 0, and whether it is the
    /// last.
    pub part: u32,
    pub is_last: bool,
}

/// The five events of a child listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    ChildRemoved,
    ChildAdded,
    ChildMoved,
    ChildChanged,
    Value,
}

/// A set of event types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventTypes(u8);

impl EventTypes {
    #[must_use]
    pub fn with(self, event_type: EventType) -> Self {
        Self(self.0 | 1 << event_type as u8)
    }

    pub fn contains(self, event_type: EventType) -> bool {
        self.0 & (1 << event_type as u8) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl EventType {
    /// The name that Firebase SDKs use.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChildRemoved => "child_removed",
            Self::ChildAdded => "child_added",
            Self::ChildMoved => "child_moved",
            Self::ChildChanged => "child_changed",
            Self::Value => "value",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::ChildRemoved, Self::ChildAdded, Self::ChildMoved, Self::ChildChanged, Self::Value]
            .into_iter()
            .find(|event_type| event_type.name() == name)
    }
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Everything at `path` (relative to the listened path) is now `node`.
    Put { path: &'a Path, node: &'a Node },
    /// Each named place below `path` is now the node beside it.
    Patch { path: &'a Path, changes: &'a [(Path, Node)] },
    /// A child event; for `Value` key and previous key are absent and `node` is everything.
    Child { event_type: EventType, key: Option<&'a Key>, node: &'a Node, prev_key: Option<&'a Key> },
    /// Within each range the data is now that of the range, and nothing else. Only for listeners that told the hashes
    /// of their parts.
    Ranges { ranges: &'a [RangeMerge] },
    /// What was missed cannot be told in full: forget what you have, a fresh start follows.
    Reset,
    /// The listener is over.
    Cancel { reason: &'a str },
}

/// Puts events into the bytes of one protocol. Called once per event, whatever the number of listeners.
pub trait Encoder: Send + Sync {
    /// Encoders with the same id write the same bytes for the same event: their listeners share one encoding.
    /// Includes all that shapes the bytes, such as format or a listener key that is written into each event.
    fn id(&self) -> &str;

    /// The format in which data shows; a change that only `Export` shows is not told in `Plain`.
    fn format(&self) -> Format;

    /// Appends the event. `position` is absent for events that must not move the client's position (first snapshots).
    fn encode(&self, event: &Event<'_>, position: Option<&Position<'_>>, out: &mut Vec<u8>);

    /// What stands before and after the JSON text of a snapshot `put` at the root, so that a large one can be streamed.
    /// Together with the JSON they are what [`Encoder::encode`] writes for a `Put` at `/` without a position.
    fn snapshot_frame(&self) -> (Vec<u8>, Vec<u8>);

    /// Where the bytes of a message depend on its length (frames, segments): what puts the text of a large snapshot
    /// into them. `None`: its text goes out as it is.
    fn packer(&self) -> Option<Box<dyn Packer>> {
        None
    }
}

/// Puts one message of any length into its frames, in bounded memory.
///
/// The whole text is shown to [`Packer::measure`] first, then to [`Packer::pack`], in whatever pieces.
pub trait Packer: Send {
    fn measure(&mut self, text: &[u8]);
    /// Appends what is ready to `out`.
    fn pack(&mut self, text: &[u8], out: &mut Vec<u8>);
    /// Appends the rest.
    fn finish(&mut self, out: &mut Vec<u8>);
}
