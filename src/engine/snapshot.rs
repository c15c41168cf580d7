//! Windows and their data, read from a tree.

use std::ops::ControlFlow;

use super::view::Source;
use super::window::Window;
use crate::model::order::Place;
use crate::model::{BoundKey, Index, Key, Limit, Node, Path, Query};
use crate::store::{StoreError, Tree};

/// What a live view reads: the tree as it is.
pub(super) struct TreeSource<'a, 'c> {
    pub tree: &'a Tree<'c>,
    pub path: &'a Path,
}

impl Source for TreeSource<'_, '_> {
    fn window(&mut self, query: &Query) -> Result<Window, StoreError> {
        build_window(self.tree, self.path, query)
    }

    fn child(&mut self, key: &Key) -> Result<Node, StoreError> {
        self.tree.node(&self.path.child(key.clone()))
    }
}

/// The window of `query` at `path`. By key it reads what the window holds; by anything else it passes over all children
/// once, holding no more than the window.
pub(super) fn build_window(tree: &Tree<'_>, path: &Path, query: &Query) -> Result<Window, StoreError> {
    let mut window = Window::default();
    match (&query.index, query.limit) {
        (Index::Key, Some(Limit::Last(_))) => from_the_end(tree, path, query, &mut window)?,
        (Index::Key, _) => from_the_start(tree, path, query, &mut window)?,
        (index, _) => tree.child_index_values(path, index, &mut |place| {
            window.offer(query, place);
            ControlFlow::Continue(())
        })?,
    }
    Ok(window)
}

fn from_the_start(tree: &Tree<'_>, path: &Path, query: &Query, window: &mut Window) -> Result<(), StoreError> {
    let start = query.start.as_ref().and_then(|bound| bound_key(bound.key.as_ref()));
    let mut next = match start {
        Some(key) if tree.exists(&path.child(key.clone()))? => Some(key),
        Some(key) => tree.child_after(path, &key)?,
        None => tree.first_child(path)?,
    };
    while let Some(key) = next {
        let place = key_place(&key);
        if !window.is_full(query) && !past_end(query, &place) {
            window.offer(query, place);
            next = tree.child_after(path, &key)?;
        } else {
            break;
        }
    }
    Ok(())
}

fn from_the_end(tree: &Tree<'_>, path: &Path, query: &Query, window: &mut Window) -> Result<(), StoreError> {
    let end = query.end.as_ref().and_then(|bound| bound_key(bound.key.as_ref()));
    let mut next = match end {
        Some(key) if tree.exists(&path.child(key.clone()))? => Some(key),
        Some(key) => tree.child_before(path, &key)?,
        None => tree.last_child(path)?,
    };
    while let Some(key) = next {
        let place = key_place(&key);
        if !window.is_full(query) && !before_start(query, &place) {
            window.offer(query, place);
            next = tree.child_before(path, &key)?;
        } else {
            break;
        }
    }
    Ok(())
}

fn key_place(key: &Key) -> Place {
    Query { index: Index::Key, ..Query::default() }.place(key, &Node::Empty)
}

/// Beyond the end bound: no later key can match.
fn past_end(query: &Query, place: &Place) -> bool {
    let only_end = Query { start: None, limit: None, ..query.clone() };
    !only_end.contains(place)
        && bound_key(query.end.as_ref().and_then(|bound| bound.key.as_ref())).is_none_or(|key| place.key > key)
}

fn before_start(query: &Query, place: &Place) -> bool {
    let only_start = Query { end: None, limit: None, ..query.clone() };
    !only_start.contains(place)
        && bound_key(query.start.as_ref().and_then(|bound| bound.key.as_ref())).is_none_or(|key| place.key < key)
}

/// A bound as a key to seek to. Texts that are no legal keys are sought as they are: only their order counts.
fn bound_key(key: Option<&BoundKey>) -> Option<Key> {
    match key {
        Some(BoundKey::Text(text)) => Key::parse(text).ok(),
        _ => None,
    }
}

/// What a query selects, as one node. Without bounds and limits: everything, own priority included.
pub(super) fn window_node(tree: &Tree<'_>, path: &Path, query: &Query) -> Result<Node, StoreError> {
    if query.is_whole() {
        return tree.node(path);
    }
    let window = build_window(tree, path, query)?;
    let mut children = std::collections::BTreeMap::new();
    for key in window.keys() {
        children.insert(key.clone(), tree.node(&path.child(key.clone()))?);
    }
    Ok(Node::inner(children, None))
}
