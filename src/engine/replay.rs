//! Resuming a listener: what it missed, told from the log.
//!
//! A value listener gets each record as it would have seen it. A child listener needs to know what was there before
//! each record, too: the log keeps what a record replaced, so the state is rolled back from now to where the client
//! stopped, and then forward again, record by record, through the same view as live events. Where the log cannot tell
//! (too old, another epoch, a replaced subtree too large to keep), it says so, and the client starts afresh.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use bytes::Bytes;

use super::by_key::{self, PastSiblings};
use super::encode::{encode_children, encode_projection};
use super::event::{Encoder, EventType, EventTypes, Position};
use super::feed::{Feed, Held};
use super::project::{project, touches};
use super::request::{Resume, Shape};
use super::rows::Rows;
use super::snapshot::offer_children;
use super::tail::Tail;
use super::view::{ChildEvent, Source, Touched, advance};
use super::window::Window;
use crate::base::limits::REPLAY_BYTES_MAX;
use crate::model::order::Place;
use crate::model::{Format, Index, Key, Node, Path, Query};
use crate::store::{LogEntry, Row, StoreError, Tree};

/// What a resuming listener is owed.
pub(super) enum Replay {
    /// Exactly these events, which may be none.
    Events(Vec<Bytes>),
    /// It cannot be told: start afresh.
    Impossible,
}

/// Tells `feed`'s events after `resume`, up to the newest record.
pub(super) fn replay(
    feed: &Feed,
    encoder: &dyn Encoder,
    tree: &Tree<'_>,
    epoch: &str,
    resume: &Resume,
    tail: &mut Tail,
) -> Result<Replay, StoreError> {
    let newest = tree.seq()?;
    // With a part, the record itself is still owed in part.
    let after = if resume.part.is_some() { resume.seq.saturating_sub(1) } else { resume.seq };
    if resume.epoch != epoch || resume.seq > newest || tree.log_start()? > after.saturating_add(1) {
        return Ok(Replay::Impossible);
    }
    let Some(entries) = tail.after(tree, after)? else { return Ok(Replay::Impossible) };
    let concerns = |entry: &&LogEntry| entry.record.changes.iter().any(|change| touches(&feed.path, change, true));
    let entries: Vec<&LogEntry> = entries.iter().filter(concerns).collect();
    let replay = match feed.shape {
        Shape::Value => values(feed, encoder, tree, epoch, &entries),
        Shape::Children(types) => children(&Telling { feed, encoder, epoch, types, resume }, tree, &entries),
    };
    match replay? {
        Replay::Events(events) if events.iter().map(|bytes| bytes.len() as u64).sum::<u64>() > REPLAY_BYTES_MAX => {
            Ok(Replay::Impossible)
        }
        replay => Ok(replay),
    }
}

fn values(
    feed: &Feed,
    encoder: &dyn Encoder,
    tree: &Tree<'_>,
    epoch: &str,
    entries: &[&LogEntry],
) -> Result<Replay, StoreError> {
    if entries.is_empty() {
        return Ok(Replay::Events(Vec::new()));
    }
    if matches!(feed.held, Held::Window(_)) {
        return Ok(Replay::Impossible);
    }
    let priorities = feed.format == Format::Export;
    let mut events = Vec::new();
    for entry in entries {
        // Whether it altered anything is not known any more; telling the same value again changes nothing.
        let mut now = |path: &Path| tree.node(path);
        if let Some(seen) = project(&feed.path, &entry.record, priorities, &|_| true, &mut now)? {
            let position = Position { epoch, seq: entry.record.seq, part: 0, is_last: true };
            events.push(encode_projection(encoder, &seen, Some(&position)));
        }
    }
    Ok(Replay::Events(events))
}

/// One record with what it altered.
struct Step {
    seq: u64,
    touched: BTreeMap<Key, Touched>,
    /// The listened place's own row (a leaf's value, an inner node's priority) after the record.
    own: Option<Row>,
}

/// What was altered, as it was before all the records.
struct Before {
    children: HashMap<Key, Node>,
    own: Option<Row>,
}

/// Who is told which child events, and from where on.
struct Telling<'a> {
    feed: &'a Feed,
    encoder: &'a dyn Encoder,
    epoch: &'a str,
    types: EventTypes,
    resume: &'a Resume,
}

impl Telling<'_> {
    /// The events of the record `seq` that are still owed.
    fn encode(&self, seq: u64, told: &[ChildEvent], value: Option<&Node>) -> Option<Bytes> {
        let position = Position { epoch: self.epoch, seq, part: 0, is_last: true };
        let already = if seq == self.resume.seq { self.resume.part } else { None };
        encode_children(self.encoder, told, value, self.types, &position, already)
    }
}

fn children(telling: &Telling<'_>, tree: &Tree<'_>, entries: &[&LogEntry]) -> Result<Replay, StoreError> {
    let Telling { feed, types, .. } = telling;
    if entries.iter().any(|entry| entry.undo.is_none()) {
        return Ok(Replay::Impossible);
    }
    let (steps, before) = roll_back(feed, tree, entries)?;
    if matches!(feed.held, Held::ByKey) && !types.contains(EventType::Value) && !orders_by_priority(feed, &steps) {
        return by_key(telling, tree, steps, before);
    }
    let mut source = Past::new(feed, tree, before)?;
    let mut window = source.window(&feed.query)?;
    let mut events = Vec::new();
    for step in steps {
        source.pass(&feed.query, &step);
        let told = advance(&mut window, &feed.query, &step.touched, &mut source)?;
        let value = if types.contains(EventType::Value) && (feed.query.is_whole() || !told.is_empty()) {
            Some(source.everything(&feed.query, &window)?)
        } else {
            None
        };
        events.extend(telling.encode(step.seq, &told, value.as_ref()));
    }
    Ok(Replay::Events(events))
}

/// Whether a child had a priority on the way, although none has now.
fn orders_by_priority(feed: &Feed, steps: &[Step]) -> bool {
    let mut touched = steps.iter().flat_map(|step| step.touched.values());
    feed.query.index == Index::Priority
        && touched.any(|child| child.before.priority().is_some() || child.after.priority().is_some())
}

/// The same where children stand in key order: neither a scan nor a window.
fn by_key(telling: &Telling<'_>, tree: &Tree<'_>, steps: Vec<Step>, before: Before) -> Result<Replay, StoreError> {
    let altered = before.children.into_iter().collect();
    let mut siblings = PastSiblings { tree, path: &telling.feed.path, altered };
    let mut events = Vec::new();
    for Step { seq, touched, .. } in steps {
        for (key, child) in &touched {
            siblings.altered.insert(key.clone(), child.after.clone());
        }
        let told = by_key::changes(&touched, &siblings)?;
        events.extend(telling.encode(seq, &told, None));
    }
    Ok(Replay::Events(events))
}

/// Goes back from now, record by record. Gives the steps in their own order, and what was there before all of them.
fn roll_back(feed: &Feed, tree: &Tree<'_>, entries: &[&LogEntry]) -> Result<(Vec<Step>, Before), StoreError> {
    let mut children: HashMap<Key, Rows> = HashMap::new();
    let mut own = own_row(tree, &feed.path)?;
    let mut steps = Vec::new();
    for entry in entries.iter().rev() {
        let mut undo: BTreeMap<Key, Vec<(Path, Option<Row>)>> = BTreeMap::new();
        let own_after = own.clone();
        // From last to first: a row that was touched twice ends as it was before both.
        for row in entry.undo.iter().flatten().rev() {
            let Some(below) = row.path.strip_prefix(&feed.path) else { continue };
            match below.keys().split_first() {
                Some((key, rest)) => {
                    undo.entry(key.clone()).or_default().push((Path::from_keys(rest.to_vec()), row.before.clone()));
                }
                None => own.clone_from(&row.before),
            }
        }
        let mut touched = BTreeMap::new();
        for (key, rows) in undo {
            if !children.contains_key(&key) {
                let now = tree.node(&feed.path.child(key.clone()))?;
                children.insert(key.clone(), Rows::of(&now));
            }
            if let Some(child) = children.get_mut(&key) {
                let after = child.to_node();
                for (at, before) in rows {
                    child.put(at, before);
                }
                touched.insert(key, Touched { before: child.to_node(), after });
            }
        }
        if !touched.is_empty() || own != own_after {
            steps.push(Step { seq: entry.record.seq, touched, own: own_after });
        }
    }
    steps.reverse();
    let children = children.into_iter().map(|(key, rows)| (key, rows.to_node())).collect();
    Ok((steps, Before { children, own }))
}

fn own_row(tree: &Tree<'_>, path: &Path) -> Result<Option<Row>, StoreError> {
    let (value, priority) = (tree.value(path)?, tree.priority(path)?);
    Ok((value.is_some() || priority.is_some()).then_some(Row { value, priority }))
}

/// The listened place at some moment in the past: what has not been altered since is read from the tree.
struct Past<'a, 'c> {
    tree: &'a Tree<'c>,
    path: &'a Path,
    altered: HashMap<Key, Node>,
    own: Option<Row>,
    /// Places of the altered children; those of all children, where the tree does not know their order.
    places: BTreeSet<Place>,
    is_ordered: bool,
}

impl<'a, 'c> Past<'a, 'c> {
    fn new(feed: &'a Feed, tree: &'a Tree<'c>, before: Before) -> Result<Self, StoreError> {
        let Before { children: altered, own } = before;
        let there = altered.iter().filter(|(_, node)| !node.is_empty());
        let mut places: BTreeSet<Place> = there.map(|(key, node)| feed.query.place(key, node)).collect();
        let is_ordered = tree.is_ordered(&feed.path, &feed.query.index)?;
        if !is_ordered {
            tree.child_index_values(&feed.path, &feed.query.index, &mut |place| {
                if !altered.contains_key(&place.key) {
                    places.insert(place);
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(Self { tree, path: &feed.path, altered, own, places, is_ordered })
    }

    /// Moves on past one record.
    fn pass(&mut self, query: &Query, step: &Step) {
        for (key, child) in &step.touched {
            self.places.remove(&query.place(key, &child.before));
            if !child.after.is_empty() {
                self.places.insert(query.place(key, &child.after));
            }
            self.altered.insert(key.clone(), child.after.clone());
        }
        self.own.clone_from(&step.own);
    }

    /// The value of the whole window.
    fn everything(&mut self, query: &Query, window: &Window) -> Result<Node, StoreError> {
        let mut children = BTreeMap::new();
        for key in window.keys() {
            children.insert(key.clone(), self.child(key)?);
        }
        Ok(match &self.own {
            Some(own) if query.is_whole() => match &own.value {
                Some(value) => Node::Leaf { value: value.clone(), priority: own.priority.clone() },
                None => Node::inner(children, own.priority.clone()),
            },
            _ => Node::inner(children, None),
        })
    }
}

impl Source for Past<'_, '_> {
    fn window(&mut self, query: &Query) -> Result<Window, StoreError> {
        let mut window = Window::build(query, self.places.iter().cloned());
        if self.is_ordered {
            let is_unaltered = |key: &Key| !self.altered.contains_key(key);
            offer_children(self.tree, self.path, query, &mut window, &is_unaltered)?;
        }
        Ok(window)
    }

    fn child(&mut self, key: &Key) -> Result<Node, StoreError> {
        match self.altered.get(key) {
            Some(node) => Ok(node.clone()),
            None => self.tree.node(&self.path.child(key.clone())),
        }
    }
}
