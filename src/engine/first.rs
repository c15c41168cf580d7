//! The first events of a listener: everything there is now.
//!
//! Small ones are encoded at once. Large ones are written piece by piece from a read snapshot that is pinned in the
//! writer's turn: they show exactly the state at which the listener was registered, and the writer does not wait for
//! them.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::event::{Encoder, Event, EventType, Position};
use super::feed::Feed;
use super::request::Shape;
use super::snapshot::window_node;
use crate::model::json::JsonWriter;
use crate::model::{Key, Node, Path};
use crate::store::{Readers, Snapshot, StoreError, Tree};
use crate::transport::Outbox;

/// Rows up to which a first snapshot is encoded in the writer's turn.
const ROWS_INLINE_MAX: u64 = 500;
/// Bytes of one piece of a large snapshot.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces waiting for a connection. When full, the reading thread waits.
const PIECES_WAITING_MAX: usize = 4;
/// How long a piece may wait for a connection that reads nothing. Beyond: the stream is closed, so that its read
/// snapshot does not keep the database from tidying up.
const PIECE_WAIT_MAX: Duration = Duration::from_mins(1);

/// Where the first events come from.
pub(super) struct First<'a> {
    pub tree: &'a Tree<'a>,
    pub readers: &'a Readers,
    pub runtime: &'a tokio::runtime::Handle,
    pub epoch: &'a str,
    pub seq: u64,
}

impl First<'_> {
    /// Queues everything that `feed` holds now on `outbox`.
    pub fn send(&self, feed: &Feed, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
        let small = self.tree.rows(&feed.path, ROWS_INLINE_MAX + 1)? <= ROWS_INLINE_MAX;
        match (feed.shape, &feed.window) {
            (Shape::Value, window) if small || window.is_some() => {
                let node = window_node(self.tree, &feed.path, &feed.query)?;
                let bytes = feed.encode(&Event::Put { path: &Path::root(), node: &node }, None);
                whole(bytes, outbox);
            }
            (Shape::Value, _) => {
                let (path, encoder) = (feed.path.clone(), Arc::clone(&feed.encoder));
                self.in_pieces(outbox, move |tree, pieces| value_pieces(tree, &path, encoder.as_ref(), pieces))?;
            }
            (Shape::Children(types), Some(window)) => {
                let keys: Vec<Key> = window.keys().cloned().collect();
                let children = Children {
                    path: feed.path.clone(),
                    keys,
                    value: types.contains(EventType::Value).then(|| feed.query.clone()),
                    added: types.contains(EventType::ChildAdded),
                    encoder: Arc::clone(&feed.encoder),
                    epoch: self.epoch.to_owned(),
                    seq: self.seq,
                };
                if small {
                    let mut out = Vec::new();
                    children.write(self.tree, &mut |piece| {
                        out.extend_from_slice(piece);
                        ControlFlow::Continue(())
                    })?;
                    if !out.is_empty() {
                        whole(Bytes::from(out), outbox);
                    }
                } else {
                    self.in_pieces(outbox, move |tree, pieces| children.write(tree, &mut |piece| pieces.add(piece)))?;
                }
            }
            (Shape::Children(_), None) => {}
        }
        Ok(())
    }

    /// Queues events that were missed.
    pub fn send_missed(events: &[Bytes], outbox: &Outbox) {
        if !events.is_empty() {
            whole(Bytes::from(events.concat()), outbox);
        }
    }

    /// Runs `produce` on a thread of its own over a snapshot that is pinned now.
    fn in_pieces<F>(&self, outbox: &Arc<Outbox>, produce: F) -> Result<(), StoreError>
    where
        F: FnOnce(&Tree<'_>, &mut Pieces) -> Result<(), StoreError> + Send + 'static,
    {
        let snapshot: Snapshot = self.readers.snapshot()?.pinned()?;
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        outbox.push_chunks(receiver);
        let outbox = Arc::clone(outbox);
        let runtime = self.runtime.clone();
        self.runtime.spawn_blocking(move || {
            let mut pieces = Pieces { sender, runtime, piece: Vec::new(), is_over: false };
            if let Err(error) = produce(&snapshot.tree(), &mut pieces) {
                tracing::error!(%error, "a first snapshot could not be read; its stream is broken off");
                pieces.is_over = true;
            }
            pieces.flush();
            if pieces.is_over {
                // What was sent is no whole event: nothing may follow it.
                outbox.abandon();
            }
        });
        Ok(())
    }
}

/// One item of any size: it does not count against the outbox's bound, which is for what piles up later.
fn whole(bytes: Bytes, outbox: &Outbox) {
    let (sender, receiver) = mpsc::channel(1);
    // Cannot fail: the channel is empty and its receiver is alive.
    let _ = sender.try_send(bytes);
    outbox.push_chunks(receiver);
}

struct Pieces {
    sender: mpsc::Sender<Bytes>,
    runtime: tokio::runtime::Handle,
    piece: Vec<u8>,
    /// The connection is gone or stuck.
    is_over: bool,
}

impl Pieces {
    fn add(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.piece.extend_from_slice(bytes);
        self.flush_if_full()
    }

    fn flush_if_full(&mut self) -> ControlFlow<()> {
        if self.piece.len() >= PIECE_BYTES {
            self.flush();
        }
        if self.is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn flush(&mut self) {
        if self.is_over || self.piece.is_empty() {
            return;
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.is_over = self.runtime.block_on(self.sender.send_timeout(piece, PIECE_WAIT_MAX)).is_err();
    }
}

fn value_pieces(tree: &Tree<'_>, path: &Path, encoder: &dyn Encoder, pieces: &mut Pieces) -> Result<(), StoreError> {
    let (before, after) = encoder.snapshot_frame();
    pieces.piece.extend_from_slice(&before);
    let mut writer = JsonWriter::new(encoder.format());
    tree.walk(path, &mut |step| {
        writer.step(step, &mut pieces.piece);
        pieces.flush_if_full()
    })?;
    pieces.piece.extend_from_slice(&after);
    Ok(())
}

/// The children of a window, each as an event.
struct Children {
    path: Path,
    keys: Vec<Key>,
    /// The query, if the whole value is wanted at the end.
    value: Option<crate::model::Query>,
    added: bool,
    encoder: Arc<dyn Encoder>,
    epoch: String,
    seq: u64,
}

impl Children {
    fn write(&self, tree: &Tree<'_>, out: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), StoreError> {
        let mut buffer = Vec::new();
        let mut previous = None;
        let keys = if self.added { self.keys.as_slice() } else { &[] };
        for (index, key) in keys.iter().enumerate() {
            let node = tree.node(&self.path.child(key.clone()))?;
            let event =
                Event::Child { event_type: EventType::ChildAdded, key: Some(key), node: &node, prev_key: previous };
            let is_last = index + 1 == keys.len() && self.value.is_none();
            self.encode(&event, is_last, &mut buffer);
            previous = Some(key);
            if out(&buffer).is_break() {
                return Ok(());
            }
            buffer.clear();
        }
        if let Some(query) = &self.value {
            let node: Node = window_node(tree, &self.path, query)?;
            let event = Event::Child { event_type: EventType::Value, key: None, node: &node, prev_key: None };
            self.encode(&event, true, &mut buffer);
            let _ = out(&buffer);
        }
        Ok(())
    }

    /// Only the last event moves the client's position: a stream that breaks before it starts afresh.
    fn encode(&self, event: &Event<'_>, is_last: bool, buffer: &mut Vec<u8>) {
        let position = Position { epoch: &self.epoch, seq: self.seq, part: 0, is_last: true };
        self.encoder.encode(event, is_last.then_some(&position), buffer);
    }
}
