//! Windows and their data, read from a tree.

use std::ops::ControlFlow;

use super::view::Source;
use super::window::Window;
use crate::model::{Key, Node, Path, Query};
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

/// The window of `query` at `path`.
pub(super) fn build_window(tree: &Tree<'_>, path: &Path, query: &Query) -> Result<Window, StoreError> {
    let mut window = Window::default();
    offer_children(tree, path, query, &mut window, &|_| true)?;
    Ok(window)
}

/// Offers a window of `query` the children of `path` that `is_wanted` lets through. Where the tree knows their order it
/// reads one more than the window takes of them; else it passes over all children once, holding no more than the
/// window.
pub(super) fn offer_children(
    tree: &Tree<'_>,
    path: &Path,
    query: &Query,
    window: &mut Window,
    is_wanted: &dyn Fn(&Key) -> bool,
) -> Result<(), StoreError> {
    let is_ordered = tree.ordered(path, query, &mut |place| {
        if !is_wanted(&place.key) {
            return ControlFlow::Continue(());
        }
        let key = place.key.clone();
        let out = window.offer(query, place);
        // The window has no room for it, nor for any that come later.
        if out.is_some_and(|out| out.key == key) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if !is_ordered {
        tree.child_index_values(path, &query.index, &mut |place| {
            if is_wanted(&place.key) {
                window.offer(query, place);
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
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
