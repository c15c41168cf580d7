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

use super::content::Content;
use super::encode::encode;
use super::event::{Encoder, Event, Packer};
use super::feed::{Feed, Held};
use super::first_children::FirstChildren;
use super::request::{Known, Owed, ReadError, Shape};
use crate::base::limits::RESPONSE_BYTES_MAX;
use crate::model::compound_hash::{Comparison, RangeMerge};
use crate::model::hash::Hasher;
use crate::model::json::JsonWriter;
use crate::model::{Node, Path};
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

/// What a client is to be told of some content, once.
pub(super) struct Telling {
    pub encoder: Arc<dyn Encoder>,
    /// What it holds already: nothing is sent where that is the same.
    pub known: Option<Known>,
    /// Sent behind the data, or in its place.
    pub answer: Owed<Result<(), ReadError>>,
}

impl First<'_> {
    /// Queues everything that `feed` holds now on `outbox`.
    pub fn send(&self, feed: &Feed, encoder: &Arc<dyn Encoder>, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
        let encoder = Arc::clone(encoder);
        match feed.shape {
            Shape::Value => {
                let content = Content::of_feed(feed);
                if self.is_small(&content)? {
                    let node = content.node(self.tree)?;
                    whole(encode(encoder.as_ref(), &Event::Put { path: &Path::root(), node: &node }, None), outbox);
                } else {
                    self.in_pieces(outbox, move |tree, pieces| put(tree, &content, encoder.as_ref(), None, pieces))?;
                }
            }
            Shape::Children(types) => {
                let small = match &feed.held {
                    Held::Window(_) => self.is_small(&Content::of_feed(feed))?,
                    _ => self.tree.rows(&feed.path, ROWS_INLINE_MAX + 1)? <= ROWS_INLINE_MAX,
                };
                let children = FirstChildren::new(feed, encoder, types, self.epoch, self.seq);
                if small {
                    let mut out = Vec::new();
                    children.write(self.tree, &mut |piece| {
                        out.extend_from_slice(piece);
                        ControlFlow::Continue(())
                    })?;
                    whole(Bytes::from(out), outbox);
                } else {
                    self.in_pieces(outbox, move |tree, pieces| children.write(tree, &mut |piece| pieces.add(piece)))?;
                }
            }
        }
        Ok(())
    }

    /// Tells `content` and answers, both on the asker's outbox.
    pub fn tell(&self, content: Content, telling: Telling) -> Result<(), StoreError> {
        if self.is_small(&content)? {
            let outbox = Arc::clone(telling.answer.outbox());
            let mut out = told(&content.node(self.tree)?, &telling);
            let (answer, bytes) = telling.answer.make(Ok(()));
            out.extend_from_slice(&bytes);
            whole(Bytes::from(out), &outbox);
            answer.went_along();
            return Ok(());
        }
        let outbox = Arc::clone(telling.answer.outbox());
        self.in_pieces(&outbox, move |tree, pieces| tell_in_pieces(tree, &content, telling, pieces))
    }

    fn is_small(&self, content: &Content) -> Result<bool, StoreError> {
        Ok(content.rows(self.tree, ROWS_INLINE_MAX + 1)? <= ROWS_INLINE_MAX)
    }

    /// Queues events that were missed.
    pub fn send_missed(events: &[Bytes], outbox: &Outbox) {
        whole(Bytes::from(events.concat()), outbox);
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
    if bytes.is_empty() {
        return;
    }
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

    fn answer(&mut self, answer: Owed<Result<(), ReadError>>, outcome: Result<(), ReadError>) {
        let (answer, bytes) = answer.make(outcome);
        // Should the connection be gone, so is who asked.
        let _ = self.add(&bytes);
        answer.went_along();
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

/// The data as a whole message, or the parts that differ; nothing if the client holds it.
fn told(node: &Node, telling: &Telling) -> Vec<u8> {
    let mut out = Vec::new();
    let differing = match &telling.known {
        Some(known) if known.is(node) => return out,
        Some(Known { compound: Some(compound), .. }) => {
            let mut comparison = Comparison::new(compound.clone());
            node.walk(&mut |step| comparison.step(step));
            ranges(comparison)
        }
        _ => None,
    };
    let event = match &differing {
        Some(ranges) => Event::Ranges { ranges },
        None => Event::Put { path: &Path::root(), node },
    };
    telling.encoder.encode(&event, None, &mut out);
    out
}

/// What differs, where that can be told. (Hashes of parts do not cover everything: where they are all equal although
/// the whole is not, everything is told.)
fn ranges(comparison: Comparison) -> Option<Vec<RangeMerge>> {
    comparison.finish().filter(|ranges| !ranges.is_empty())
}

/// As [`told`] and the answer, for content of any size: once over it for its length and hash, and once more to send it.
fn tell_in_pieces(tree: &Tree<'_>, content: &Content, telling: Telling, pieces: &mut Pieces) -> Result<(), StoreError> {
    let Telling { encoder, known, answer } = telling;
    let measured = measure(tree, content, encoder.as_ref(), known)?;
    match measured {
        Measured::TooBig => {
            pieces.answer(answer, Err(ReadError::TooBig));
            return Ok(());
        }
        Measured::Known => {}
        Measured::Ranges(ranges) => {
            let _ = pieces.add(&encode(encoder.as_ref(), &Event::Ranges { ranges: &ranges }, None));
        }
        Measured::Whole(packer) => put(tree, content, encoder.as_ref(), packer, pieces)?,
    }
    pieces.answer(answer, Ok(()));
    Ok(())
}

/// What one pass over content tells.
enum Measured {
    TooBig,
    /// The client holds exactly this.
    Known,
    Ranges(Vec<RangeMerge>),
    /// To be told in full; the packer has seen all of it.
    Whole(Option<Box<dyn Packer>>),
}

fn measure(
    tree: &Tree<'_>,
    content: &Content,
    encoder: &dyn Encoder,
    known: Option<Known>,
) -> Result<Measured, StoreError> {
    let mut packer = encoder.packer();
    let (hash, compound) = known.map(|known| (known.hash, known.compound)).unzip();
    let mut hasher = hash.as_ref().map(|_| Hasher::new());
    let mut comparison = compound.flatten().map(Comparison::new);
    let (mut json, mut text, mut len) = (JsonWriter::new(encoder.format()), Vec::new(), 0_u64);
    let (before, after) = encoder.snapshot_frame();
    let mut take = |text: &mut Vec<u8>| {
        len += text.len() as u64;
        if let Some(packer) = &mut packer {
            packer.measure(text);
        }
        text.clear();
        if len > RESPONSE_BYTES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let _ = take(&mut before.clone());
    content.walk(tree, &mut |step| {
        json.step(step, &mut text);
        if let Some(hasher) = &mut hasher {
            hasher.step(step);
        }
        if let Some(comparison) = &mut comparison {
            comparison.step(step);
        }
        if text.len() >= PIECE_BYTES { take(&mut text) } else { ControlFlow::Continue(()) }
    })?;
    json.finish(&mut text);
    text.extend_from_slice(&after);
    let _ = take(&mut text);
    if len > RESPONSE_BYTES_MAX {
        return Ok(Measured::TooBig);
    }
    if hasher.map(Hasher::finish) == hash && hash.is_some() {
        return Ok(Measured::Known);
    }
    Ok(comparison.and_then(ranges).map_or(Measured::Whole(packer), Measured::Ranges))
}

/// The `Put` of `content` at the root, as `encoder` writes it, piece by piece.
fn put(
    tree: &Tree<'_>,
    content: &Content,
    encoder: &dyn Encoder,
    mut packer: Option<Box<dyn Packer>>,
    pieces: &mut Pieces,
) -> Result<(), StoreError> {
    let (before, after) = encoder.snapshot_frame();
    let (mut json, mut text) = (JsonWriter::new(encoder.format()), before);
    let mut pack = |text: &mut Vec<u8>, pieces: &mut Pieces| {
        match &mut packer {
            Some(packer) => packer.pack(text, &mut pieces.piece),
            None => pieces.piece.extend_from_slice(text),
        }
        text.clear();
        pieces.flush_if_full()
    };
    content.walk(tree, &mut |step| {
        json.step(step, &mut text);
        if text.len() >= PIECE_BYTES { pack(&mut text, pieces) } else { ControlFlow::Continue(()) }
    })?;
    json.finish(&mut text);
    text.extend_from_slice(&after);
    let _ = pack(&mut text, pieces);
    if let Some(packer) = &mut packer {
        packer.finish(&mut pieces.piece);
    }
    Ok(())
}
