//! A feed: listeners that want exactly the same bytes, and what they are told of each record.
//!
//! Two turns per record: [`Feed::prepare`] before it is applied (what must be known of the old tree), [`Feed::events`]
//! after. An event is encoded once, whatever the number of subscribers.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::by_key::{self, TreeSiblings};
use super::encode::{encode_children, encode_projection};
use super::event::{Encoder, EventType, EventTypes, Position};
use super::project::{Projection, project, touches};
use super::request::Shape;
use super::snapshot::{TreeSource, build_window, window_node};
use super::view::{ChildEvent, Touched, advance};
use super::window::Window;
use crate::model::{Change, Format, Identity, Index, Key, Node, Path, Query, Record, Value};
use crate::store::{Applied, StoreError, Tree};
use crate::transport::Outbox;

pub(super) struct Feed {
    pub path: Path,
    pub query: Query,
    pub shape: Shape,
    /// In which its data shows: what only the other format would show is not told.
    pub format: Format,
    pub held: Held,
    /// One per way of writing its events.
    pub outlets: Vec<Outlet>,
}

/// Listeners that get the same bytes.
pub(super) struct Outlet {
    pub encoder: Arc<dyn Encoder>,
    pub subscribers: Vec<Subscriber>,
}

/// What a feed holds of the children that it shows.
pub(super) enum Held {
    /// Nothing: everything below the path is told as it is.
    Everything,
    /// Nothing: all children, in key order, which the tree knows. None of them has a priority that would order it.
    ByKey,
    Window(Window),
}

pub(super) struct Subscriber {
    pub id: u64,
    pub outbox: Arc<Outbox>,
    /// Whose it is: judged again when the rules change.
    pub who: Identity,
    /// Whether the outbox has no other use.
    pub is_alone: bool,
    /// The link whose it is.
    pub link: Option<u64>,
    /// Another listener of the same client, further up, is told everything that this one would be.
    pub is_muted: bool,
}

/// What a record makes a feed tell: bytes by outlet.
pub(super) type Told = Vec<(usize, Bytes)>;

/// What a feed must know of the tree before a record is applied.
#[derive(Default)]
pub(super) struct Prepared {
    /// Per change of the record: for one above the listened path, whether it alters what is listened to.
    above: Vec<bool>,
    /// Data before, of children in the window that the record touches.
    before: BTreeMap<Key, Node>,
}

impl Feed {
    /// A feed as of the tree now.
    pub fn new(path: Path, query: Query, shape: Shape, format: Format, tree: &Tree<'_>) -> Result<Self, StoreError> {
        let held = match shape {
            Shape::Value if query.is_whole() => Held::Everything,
            Shape::Children(_) if query.is_whole() && is_by_key(tree, &path, &query.index)? => Held::ByKey,
            _ => Held::Window(build_window(tree, &path, &query)?),
        };
        Ok(Self { path, query, shape, format, held, outlets: Vec::new() })
    }

    /// Whether a listener with these wishes can share it.
    pub fn serves(&self, query: &Query, shape: Shape, format: Format) -> bool {
        self.shape == shape && self.query == *query && self.format == format
    }

    /// Adds a listener to those who get the bytes of its encoder.
    pub fn subscribe(&mut self, encoder: &Arc<dyn Encoder>, subscriber: Subscriber) {
        match self.outlets.iter_mut().find(|outlet| outlet.encoder.id() == encoder.id()) {
            Some(outlet) => outlet.subscribers.push(subscriber),
            None => self.outlets.push(Outlet { encoder: Arc::clone(encoder), subscribers: vec![subscriber] }),
        }
    }

    /// Removes a listener. Gives whether it was the last.
    pub fn unsubscribe(&mut self, id: u64) -> bool {
        for outlet in &mut self.outlets {
            if let Some(at) = outlet.subscribers.iter().position(|subscriber| subscriber.id == id) {
                outlet.subscribers.swap_remove(at);
                break;
            }
        }
        self.outlets.retain(|outlet| !outlet.subscribers.is_empty());
        self.outlets.is_empty()
    }

    /// First turn, before `record` is applied to `tree`.
    pub fn prepare(&mut self, tree: &Tree<'_>, record: &Record) -> Result<Prepared, StoreError> {
        let mut prepared = Prepared::default();
        for change in &record.changes {
            prepared.above.push(self.alters_from_above(tree, change)?);
        }
        if matches!(self.held, Held::ByKey) {
            if self.query.index == Index::Key || !by_key::gives_priority(&self.path, record) {
                prepared.before = self.before_by_key(tree, record)?;
                return Ok(prepared);
            }
            self.held = Held::Window(build_window(tree, &self.path, &self.query)?);
        }
        let Held::Window(window) = &self.held else { return Ok(prepared) };
        if !self.needs_before() {
            return Ok(prepared);
        }
        for touched in self.touched_keys(window, record) {
            if window.contains(&touched) {
                let node = tree.node(&self.path.child(touched.clone()))?;
                prepared.before.insert(touched, node);
            }
        }
        Ok(prepared)
    }

    /// Second turn, after it was applied: what is told, which may be nothing.
    pub fn events(
        &mut self,
        tree: &Tree<'_>,
        record: &Record,
        mut prepared: Prepared,
        applied: &Applied,
        epoch: &str,
    ) -> Result<Told, StoreError> {
        let above = std::mem::take(&mut prepared.above);
        let listened = self.path.clone();
        let differs = |index: usize| match record.changes.get(index) {
            Some(change) if change.path.len() < listened.len() => above.get(index).copied().unwrap_or(true),
            _ => applied.changed.get(index).copied().unwrap_or(true),
        };
        let touched = record
            .changes
            .iter()
            .enumerate()
            .any(|(index, change)| touches(&self.path, change, self.shows_priorities()) && differs(index));
        if !touched {
            return Ok(Told::new());
        }
        let position = Position { epoch, seq: record.seq, part: 0, is_last: true };
        let keys = match &self.held {
            Held::Everything => return self.project(tree, record, &differs, &position),
            Held::ByKey => prepared.before.keys().cloned().collect(),
            Held::Window(window) => self.touched_keys(window, record),
        };
        let children = self.touched_children(tree, keys, record, prepared)?;
        let events = match &mut self.held {
            Held::Window(window) => {
                advance(window, &self.query, &children, &mut TreeSource { tree, path: &self.path })?
            }
            _ => by_key::changes(&children, &TreeSiblings { tree, path: &self.path })?,
        };
        match self.shape {
            Shape::Children(types) => self.child_events(tree, &events, types, &position),
            Shape::Value => self.window_event(tree, record, &events, &differs, &position),
        }
    }

    fn shows_priorities(&self) -> bool {
        !matches!(self.held, Held::Everything) || self.format == Format::Export
    }

    /// Child listeners that only want additions need no old data; all others compare or show it.
    fn needs_before(&self) -> bool {
        match self.shape {
            Shape::Value => true,
            Shape::Children(types) => [EventType::ChildRemoved, EventType::ChildMoved, EventType::ChildChanged]
                .into_iter()
                .any(|event_type| types.contains(event_type)),
        }
    }

    fn alters_from_above(&self, tree: &Tree<'_>, change: &Change) -> Result<bool, StoreError> {
        match (&change.value, self.path.strip_prefix(&change.path)) {
            (Value::Node(node), Some(below)) if !below.is_root() => {
                let empty = Node::Empty;
                Ok(!tree.equals(&self.path, node.at(&below).unwrap_or(&empty))?)
            }
            _ => Ok(false),
        }
    }

    /// Children that a record may touch: the named ones, or all when it is written at or above the listened path.
    fn touched_keys(&self, window: &Window, record: &Record) -> Vec<Key> {
        let mut keys = Vec::new();
        for change in &record.changes {
            if let Some(below) = change.path.strip_prefix(&self.path) {
                match below.keys().first() {
                    Some(key) => keys.push(key.clone()),
                    None => keys.extend(all_keys(window, change, &Path::root())),
                }
            } else if let Some(below) = self.path.strip_prefix(&change.path) {
                keys.extend(all_keys(window, change, &below));
            }
        }
        keys.sort();
        keys.dedup();
        keys
    }

    /// Old data of the touched children; empty for those that were not there.
    fn before_by_key(&self, tree: &Tree<'_>, record: &Record) -> Result<BTreeMap<Key, Node>, StoreError> {
        let known = self.needs_before();
        let mut before = BTreeMap::new();
        for key in by_key::touched_keys(tree, &self.path, record, known)? {
            let node = if known { tree.node(&self.path.child(key.clone()))? } else { Node::Empty };
            before.insert(key, node);
        }
        Ok(before)
    }

    fn touched_children(
        &self,
        tree: &Tree<'_>,
        keys: Vec<Key>,
        record: &Record,
        mut prepared: Prepared,
    ) -> Result<BTreeMap<Key, Touched>, StoreError> {
        let mut children = BTreeMap::new();
        for key in keys {
            let after = match written_child(&self.path, &key, record) {
                Some(node) => node.clone(),
                None => tree.node(&self.path.child(key.clone()))?,
            };
            let before = prepared.before.remove(&key).unwrap_or_default();
            children.insert(key, Touched { before, after });
        }
        Ok(children)
    }

    /// The same for every outlet, in its own bytes.
    fn tell(&self, make: impl Fn(&dyn Encoder) -> Option<Bytes>) -> Told {
        let each = self.outlets.iter().enumerate();
        each.filter_map(|(index, outlet)| Some((index, make(outlet.encoder.as_ref())?))).collect()
    }

    fn tell_projection(&self, projection: &Projection<'_>, position: &Position<'_>) -> Told {
        self.tell(|encoder| Some(encode_projection(encoder, projection, Some(position))))
    }

    /// The record as a value listener sees it from here.
    fn project(
        &self,
        tree: &Tree<'_>,
        record: &Record,
        differs: &dyn Fn(usize) -> bool,
        position: &Position<'_>,
    ) -> Result<Told, StoreError> {
        let mut after = |path: &Path| tree.node(path);
        let priorities = self.format == Format::Export;
        let seen = project(&self.path, record, priorities, differs, &mut after)?;
        Ok(seen.map_or_else(Told::new, |projection| self.tell_projection(&projection, position)))
    }

    /// A value listener with a window: what entered, left or changed, as one put or patch.
    fn window_event(
        &self,
        tree: &Tree<'_>,
        record: &Record,
        events: &[ChildEvent],
        differs: &dyn Fn(usize) -> bool,
        position: &Position<'_>,
    ) -> Result<Told, StoreError> {
        if events.is_empty() {
            return Ok(Told::new());
        }
        let at_or_above = record.changes.iter().any(|change| self.path.starts_with(&change.path));
        if at_or_above {
            let node = Cow::Owned(window_node(tree, &self.path, &self.query)?);
            return Ok(self.tell_projection(&Projection::Put { path: Path::root(), node }, position));
        }
        if events.iter().all(|event| matches!(event.event_type, EventType::ChildMoved | EventType::ChildChanged)) {
            return self.inside_event(tree, record, events, differs, position);
        }
        let mut changes: Vec<(Path, Node)> = Vec::new();
        for event in events.iter().filter(|event| event.event_type != EventType::ChildMoved) {
            let node = if event.event_type == EventType::ChildRemoved { Node::Empty } else { event.node.clone() };
            changes.push((Path::from_keys(vec![event.key.clone()]), node));
        }
        Ok(self.put_or_patch(changes, position))
    }

    /// Children of the window changed inside, nothing else: the deeper words of the record, as far as they are about
    /// these children.
    fn inside_event(
        &self,
        tree: &Tree<'_>,
        record: &Record,
        events: &[ChildEvent],
        differs: &dyn Fn(usize) -> bool,
        position: &Position<'_>,
    ) -> Result<Told, StoreError> {
        let keys: HashSet<&Key> = events.iter().map(|event| &event.key).collect();
        let is_shown = |change: &Change| change.path.keys().get(self.path.len()).is_some_and(|key| keys.contains(key));
        if record.changes.iter().all(is_shown) {
            return self.project(tree, record, differs, position);
        }
        let each = record.changes.iter().enumerate().filter(|(index, change)| differs(*index) && is_shown(change));
        let changes = each.map(|(_, change)| change.clone()).collect();
        let record = Record { seq: record.seq, time: record.time, path: self.path.clone(), update: false, changes };
        self.project(tree, &record, &|_| true, position)
    }

    fn put_or_patch(&self, mut changes: Vec<(Path, Node)>, position: &Position<'_>) -> Told {
        let projection = match (changes.len(), changes.pop()) {
            (1, Some((path, node))) => Projection::Put { path, node: Cow::Owned(node) },
            (_, Some(last)) => {
                changes.push(last);
                Projection::Patch { path: Path::root(), changes }
            }
            (_, None) => return Told::new(),
        };
        self.tell_projection(&projection, position)
    }

    fn child_events(
        &self,
        tree: &Tree<'_>,
        events: &[ChildEvent],
        types: EventTypes,
        position: &Position<'_>,
    ) -> Result<Told, StoreError> {
        // Something differs here; with bounds or a limit it counts only if the window shows it.
        let value = if types.contains(EventType::Value) && (self.query.is_whole() || !events.is_empty()) {
            Some(window_node(tree, &self.path, &self.query)?)
        } else {
            None
        };
        Ok(self.tell(|encoder| encode_children(encoder, events, value.as_ref(), types, position, None)))
    }
}

/// Whether the index orders the children of `path` by key alone.
fn is_by_key(tree: &Tree<'_>, path: &Path, index: &Index) -> Result<bool, StoreError> {
    match index {
        Index::Key => Ok(true),
        Index::Priority => Ok(!tree.has_child_priority(path)?),
        Index::Value | Index::Child(_) => Ok(false),
    }
}

/// Every child there was and every child there will be, for a change at or above their parent (`below` leads down to
/// it).
fn all_keys(window: &Window, change: &Change, below: &Path) -> Vec<Key> {
    let Value::Node(node) = &change.value else { return Vec::new() };
    let new = node.at(below).into_iter().flat_map(Node::children).map(|(key, _)| key.clone());
    window.keys().cloned().chain(new).collect()
}

/// The child's data if the record wrote exactly that child, and only once.
fn written_child<'a>(parent: &Path, key: &Key, record: &'a Record) -> Option<&'a Node> {
    let [Change { path, value: Value::Node(node) }] = record.changes.as_slice() else { return None };
    let is_child = path.len() == parent.len() + 1 && path.starts_with(parent) && path.last() == Some(key);
    is_child.then_some(node)
}
