//! The window of a query: which children it holds now, in order.
//!
//! Holds places (order value and key), never data: what it costs is what the client is looking at.
//! Source: Firebase realtime protocol 10.3, 10.5.

use std::collections::{BTreeSet, HashMap};

use crate::model::order::Place;
use crate::model::{Key, Limit, Query};

/// The children that a query selects, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    places: BTreeSet<Place>,
    by_key: HashMap<Key, Place>,
}

impl Window {
    /// Builds a window from every child's place, in any order.
    pub fn build(query: &Query, all: impl IntoIterator<Item = Place>) -> Self {
        let mut window = Self::default();
        for place in all {
            window.offer(query, place);
        }
        window
    }

    /// Takes a place if it is within the bounds and the limit. Gives the place that this pushed out, which may be
    /// itself.
    pub fn offer(&mut self, query: &Query, place: Place) -> Option<Place> {
        if !query.contains(&place) {
            return None;
        }
        self.by_key.insert(place.key.clone(), place.clone());
        self.places.insert(place);
        if limit(query).is_none_or(|limit| self.places.len() <= limit) {
            return None;
        }
        let out = match query.limit {
            Some(Limit::Last(_)) => self.places.pop_first(),
            _ => self.places.pop_last(),
        }?;
        self.by_key.remove(&out.key);
        Some(out)
    }

    pub fn remove(&mut self, key: &Key) -> Option<Place> {
        let place = self.by_key.remove(key)?;
        self.places.remove(&place);
        Some(place)
    }

    /// Whether children may be waiting outside because of the limit.
    pub fn is_full(&self, query: &Query) -> bool {
        limit(query).is_some_and(|limit| self.places.len() >= limit)
    }

    pub fn place(&self, key: &Key) -> Option<&Place> {
        self.by_key.get(key)
    }

    pub fn contains(&self, key: &Key) -> bool {
        self.by_key.contains_key(key)
    }

    /// The key before `place` in the window.
    pub fn previous(&self, place: &Place) -> Option<&Key> {
        self.places.range(..place).next_back().map(|place| &place.key)
    }

    /// Places in order.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    /// Keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.places.iter().map(|place| &place.key)
    }
}

fn limit(query: &Query) -> Option<usize> {
    match query.limit {
        Some(Limit::First(limit) | Limit::Last(limit)) => usize::try_from(limit).ok(),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scalar;
    use crate::model::order::IndexValue;

    fn place(value: i64, key: &str) -> Place {
        Place { value: IndexValue::Scalar(Scalar::Int(value)), key: Key::parse(key).unwrap() }
    }

    fn keys(window: &Window) -> Vec<&str> {
        window.keys().map(Key::as_str).collect()
    }

    #[test]
    fn first_keeps_the_lowest_and_last_the_highest() {
        let all = [place(3, "c"), place(1, "a"), place(2, "b")];
        let first = Query { limit: Some(Limit::First(2)), ..Query::default() };
        assert_eq!(keys(&Window::build(&first, all.clone())), ["a", "b"]);
        let last = Query { limit: Some(Limit::Last(2)), ..Query::default() };
        assert_eq!(keys(&Window::build(&last, all)), ["b", "c"]);
    }

    #[test]
    fn previous_is_the_neighbour_in_order() {
        let window = Window::build(&Query::default(), [place(1, "z"), place(2, "a")]);
        assert_eq!(window.previous(&place(2, "a")).map(Key::as_str), Some("z"));
        assert_eq!(window.previous(&place(1, "z")), None);
    }
}
