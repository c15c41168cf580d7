//! The first events of a child listener: each child it shows as an event, in order.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::event::{Encoder, Event, EventType, EventTypes, Position};
use super::feed::{Feed, Held};
use super::snapshot::window_node;
use crate::model::walk::{NodeBuilder, Step};
use crate::model::{Key, Node, Path, Query};
use crate::store::{StoreError, Tree};

/// Where written events go. `Break`: nobody wants more.
type Out<'a> = dyn FnMut(&[u8]) -> ControlFlow<()> + 'a;

pub(super) struct FirstChildren {
    path: Path,
    /// The children, in order; `None`: all of them, in key order.
    keys: Option<Vec<Key>>,
    added: bool,
    /// The query, if the whole value is wanted at the end.
    value: Option<Query>,
    encoder: Arc<dyn Encoder>,
    epoch: String,
    seq: u64,
}

impl FirstChildren {
    pub fn new(feed: &Feed, encoder: Arc<dyn Encoder>, types: EventTypes, epoch: &str, seq: u64) -> Self {
        let keys = match &feed.held {
            Held::Window(window) => Some(window.keys().cloned().collect()),
            Held::ByKey | Held::Everything => None,
        };
        Self {
            path: feed.path.clone(),
            keys,
            added: types.contains(EventType::ChildAdded),
            value: types.contains(EventType::Value).then(|| feed.query.clone()),
            encoder,
            epoch: epoch.to_owned(),
            seq,
        }
    }

    /// Writes them one by one, in bounded memory.
    pub fn write(&self, tree: &Tree<'_>, out: &mut Out<'_>) -> Result<(), StoreError> {
        let mut line = Line { first: self, waiting: None, previous: None, buffer: Vec::new() };
        if self.added {
            match &self.keys {
                Some(keys) => {
                    for key in keys {
                        let node = tree.node(&self.path.child(key.clone()))?;
                        if line.add(key.clone(), node, out).is_break() {
                            return Ok(());
                        }
                    }
                }
                None => each_child(tree, &self.path, &mut |key, node| line.add(key, node, out))?,
            }
        }
        if line.send(self.value.is_none(), out).is_break() {
            return Ok(());
        }
        if let Some(query) = &self.value {
            let node: Node = window_node(tree, &self.path, query)?;
            let event = Event::Child { event_type: EventType::Value, key: None, node: &node, prev_key: None };
            let mut buffer = Vec::new();
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

/// Children on their way out. One waits, since only the next one tells whether it is the last.
struct Line<'a> {
    first: &'a FirstChildren,
    waiting: Option<(Key, Node)>,
    previous: Option<Key>,
    buffer: Vec<u8>,
}

impl Line<'_> {
    fn add(&mut self, key: Key, node: Node, out: &mut Out<'_>) -> ControlFlow<()> {
        let flow = self.send(false, out);
        self.waiting = Some((key, node));
        flow
    }

    fn send(&mut self, is_last: bool, out: &mut Out<'_>) -> ControlFlow<()> {
        let Some((key, node)) = self.waiting.take() else { return ControlFlow::Continue(()) };
        let prev_key = self.previous.as_ref();
        let event = Event::Child { event_type: EventType::ChildAdded, key: Some(&key), node: &node, prev_key };
        self.buffer.clear();
        self.first.encode(&event, is_last, &mut self.buffer);
        self.previous = Some(key);
        out(&self.buffer)
    }
}

/// Visits the children of `path` in key order, in one pass over the rows.
fn each_child(
    tree: &Tree<'_>,
    path: &Path,
    visit: &mut dyn FnMut(Key, Node) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut depth = 0_usize;
    let mut child: Option<(Key, NodeBuilder)> = None;
    tree.walk_objects(path, &mut |step| {
        let name = match step {
            Step::Enter { key, .. } | Step::Leaf { key, .. } if depth == 1 => key,
            _ => None,
        };
        if let Some(name) = name {
            child = Some((Key::trusted(name), NodeBuilder::default()));
        }
        if let Some((_, builder)) = &mut child {
            builder.step(if name.is_some() { unnamed(step) } else { step });
        }
        match step {
            Step::Enter { .. } => depth += 1,
            Step::Leave => depth -= 1,
            Step::Leaf { .. } => {}
        }
        match child.take_if(|_| depth == 1) {
            Some((key, builder)) => visit(key, builder.finish()),
            None => ControlFlow::Continue(()),
        }
    })
}

/// The same step as that of a topmost node.
fn unnamed(step: Step<'_>) -> Step<'_> {
    match step {
        Step::Enter { priority, array_len, .. } => Step::Enter { key: None, priority, array_len },
        Step::Leaf { value, priority, .. } => Step::Leaf { key: None, value, priority },
        Step::Leave => Step::Leave,
    }
}
