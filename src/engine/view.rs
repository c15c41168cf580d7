//! What a record does to a window: children that leave, enter, move and change.
//!
//! The same code serves live records and the replay of old ones; both hand in a [`Source`] for what the window does not
//! hold. It costs what was touched, not what the window holds, except where a full window loses a child and is built
//! anew. Source: Firebase realtime protocol 10.5.
//!
//! Order of a record's events: removed; then added and moved together, by their new place; then changed. So a client
//! that applies them one by one, each behind its `prevKey`, ends in the right order. (The Firebase SDKs tell all added
//! before all moved, and a client that inserts by `prevKey` can go wrong there.)

use std::collections::{BTreeMap, BTreeSet};

use super::event::EventType;
use super::window::Window;
use crate::model::order::Place;
use crate::model::{Key, Node, Query};
use crate::store::StoreError;

/// Where a view reads what it does not hold, as of after the record.
pub(super) trait Source {
    /// The window as it should be, built anew.
    fn window(&mut self, query: &Query) -> Result<Window, StoreError>;
    /// A child's data.
    fn child(&mut self, key: &Key) -> Result<Node, StoreError>;
}

/// A child that a record touched.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    /// Its data before. Only children in the window need it.
    pub before: Node,
    pub after: Node,
}

/// One child event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ChildEvent {
    pub event_type: EventType,
    pub key: Key,
    pub node: Node,
    pub prev_key: Option<Key>,
}

/// Moves `window` past a record that touched these children, and tells what happened.
pub(super) fn advance(
    window: &mut Window,
    query: &Query,
    touched: &BTreeMap<Key, Touched>,
    source: &mut dyn Source,
) -> Result<Vec<ChildEvent>, StoreError> {
    let old: BTreeMap<&Key, Place> = touched.keys().filter_map(|key| Some((key, window.place(key)?.clone()))).collect();
    let Difference { mut left, entered } = step(window, query, touched, &old, source)?;

    let mut events = Vec::new();
    left.sort();
    for place in left {
        let node = match touched.get(&place.key) {
            Some(child) => child.before.clone(),
            // Only pushed out: it still has its data.
            None => source.child(&place.key)?,
        };
        events.push(ChildEvent { event_type: EventType::ChildRemoved, key: place.key, node, prev_key: None });
    }
    for key in entered {
        let node = match touched.get(&key) {
            Some(child) => child.after.clone(),
            None => source.child(&key)?,
        };
        events.push(ChildEvent { event_type: EventType::ChildAdded, key, node, prev_key: None });
    }
    for (&key, before) in &old {
        let (Some(place), Some(child)) = (window.place(key), touched.get(key)) else { continue };
        if child.before == child.after {
            continue;
        }
        let event = |event_type| ChildEvent { event_type, key: key.clone(), node: child.after.clone(), prev_key: None };
        if before.value != place.value {
            events.push(event(EventType::ChildMoved));
        }
        events.push(event(EventType::ChildChanged));
    }
    Ok(finish(window, events))
}

struct Difference {
    left: Vec<Place>,
    entered: Vec<Key>,
}

fn step(
    window: &mut Window,
    query: &Query,
    touched: &BTreeMap<Key, Touched>,
    old: &BTreeMap<&Key, Place>,
    source: &mut dyn Source,
) -> Result<Difference, StoreError> {
    let stays = |key: &Key, place: &Place| {
        touched.get(key).is_some_and(|child| !child.after.is_empty() && query.place(key, &child.after) == *place)
    };
    // Behind a full window others wait, and only the source knows which of them comes next once one leaves or moves.
    if window.is_full(query) && old.iter().any(|(key, place)| !stays(key, place)) {
        let next = source.window(query)?;
        let left = window.places().filter(|place| !next.contains(&place.key)).cloned().collect();
        let entered = next.keys().filter(|key| !window.contains(key)).cloned().collect();
        *window = next;
        return Ok(Difference { left, entered });
    }
    let mut out = Vec::new();
    for key in touched.keys() {
        window.remove(key);
    }
    for (key, child) in touched.iter().filter(|(_, child)| !child.after.is_empty()) {
        out.extend(window.offer(query, query.place(key, &child.after)));
    }
    let pushed_out = out.into_iter().filter(|place| !touched.contains_key(&place.key));
    let left = old.iter().filter(|(key, _)| !window.contains(key)).map(|(_, place)| place.clone());
    let entered = touched.keys().filter(|key| window.contains(key) && !old.contains_key(key)).cloned().collect();
    Ok(Difference { left: left.chain(pushed_out).collect::<BTreeSet<_>>().into_iter().collect(), entered })
}

/// Orders the events, and names the sibling before.
fn finish(window: &Window, mut events: Vec<ChildEvent>) -> Vec<ChildEvent> {
    let rank = |event_type| match event_type {
        EventType::ChildRemoved => 0,
        EventType::ChildAdded | EventType::ChildMoved => 1,
        EventType::ChildChanged | EventType::Value => 2,
    };
    // The sort is stable: removed children, which have no place any more, keep their old order.
    events.sort_by_cached_key(|event| (rank(event.event_type), window.place(&event.key).cloned()));
    for event in &mut events {
        event.prev_key = window.place(&event.key).and_then(|place| window.previous(place)).cloned();
    }
    events
}
