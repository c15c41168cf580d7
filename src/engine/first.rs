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

use super::event::{Encoder, Event};
use super::feed::{Feed, Held};
use super::first_children::FirstChildren;
use super::request::Shape;
use super::snapshot::window_node;
use crate::model::Path;
use crate::model::json::JsonWriter;
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
        match feed.shape {
            Shape::Value if small || matches!(feed.held, Held::Window(_)) => {
                let node = window_node(self.tree, &feed.path, &feed.query)?;
                whole(feed.encode(&Event::Put { path: &Path::root(), node: &node }, None), outbox);
            }
            Shape::Value => {
                let (path, encoder) = (feed.path.clone(), Arc::clone(&feed.encoder));
                self.in_pieces(outbox, move |tree, pieces| value_pieces(tree, &path, encoder.as_ref(), pieces))?;
            }
            Shape::Children(types) => {
                let children = FirstChildren::new(feed, types, self.epoch, self.seq);
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
