//! What a value listener or a read shows: everything at a path, or the children of a window.

use std::ops::ControlFlow;

use super::feed::{Feed, Held};
use super::snapshot::build_window;
use crate::model::walk::{self, NodeBuilder, Step};
use crate::model::{Key, Node, Path, Query};
use crate::store::{StoreError, Tree};

pub(super) struct Content {
    path: Path,
    /// The children that show, in key order; `None`: everything, with the node's own value and priority.
    keys: Option<Vec<Key>>,
}

type Visit<'a> = dyn FnMut(Step<'_>) -> ControlFlow<()> + 'a;

impl Content {
    /// What `feed` shows now.
    pub fn of_feed(feed: &Feed) -> Self {
        match &feed.held {
            Held::Window(window) if !feed.query.is_whole() => Self::of_keys(&feed.path, window.keys()),
            _ => Self { path: feed.path.clone(), keys: None },
        }
    }

    /// What `query` selects in `tree`.
    pub fn of_query(tree: &Tree<'_>, path: &Path, query: &Query) -> Result<Self, StoreError> {
        if query.is_whole() {
            return Ok(Self { path: path.clone(), keys: None });
        }
        Ok(Self::of_keys(path, build_window(tree, path, query)?.keys()))
    }

    fn of_keys<'a>(path: &Path, keys: impl Iterator<Item = &'a Key>) -> Self {
        let mut keys: Vec<Key> = keys.cloned().collect();
        keys.sort();
        Self { path: path.clone(), keys: Some(keys) }
    }

    /// Rows that show, counted up to `max`.
    pub fn rows(&self, tree: &Tree<'_>, max: u64) -> Result<u64, StoreError> {
        let Some(keys) = &self.keys else { return tree.rows(&self.path, max) };
        let mut rows = 0;
        for key in keys {
            if rows >= max {
                break;
            }
            rows += tree.rows(&self.path.child(key.clone()), max - rows)?;
        }
        Ok(rows)
    }

    /// Walks it as one node, in key order, until `visit` breaks. Memory: one row, and the path to it.
    pub fn walk(&self, tree: &Tree<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let Some(keys) = &self.keys else { return tree.walk(&self.path, visit) };
        if keys.is_empty() || visit(Step::Enter { key: None, priority: None, array_len: array_len(keys) }).is_break() {
            return Ok(());
        }
        let mut flow = ControlFlow::Continue(());
        for key in keys {
            let mut depth = 0_u32;
            tree.walk(&self.path.child(key.clone()), &mut |step| {
                flow = visit(if depth == 0 { named(step, key) } else { step });
                match step {
                    Step::Enter { .. } => depth += 1,
                    Step::Leave => depth -= 1,
                    Step::Leaf { .. } => {}
                }
                flow
            })?;
            if flow.is_break() {
                return Ok(());
            }
        }
        let _ = visit(Step::Leave);
        Ok(())
    }

    /// The same, held in memory.
    pub fn node(&self, tree: &Tree<'_>) -> Result<Node, StoreError> {
        let mut builder = NodeBuilder::default();
        self.walk(tree, &mut |step| {
            builder.step(step);
            ControlFlow::Continue(())
        })?;
        Ok(builder.finish())
    }
}

/// The first step of a child's own walk has no key yet. (Its last, at the same depth, is a `Leave` and stays as it is.)
fn named<'a>(step: Step<'a>, key: &'a Key) -> Step<'a> {
    let key = Some(key.as_str());
    match step {
        Step::Enter { priority, array_len, .. } => Step::Enter { key, priority, array_len },
        Step::Leaf { value, priority, .. } => Step::Leaf { key, value, priority },
        Step::Leave => Step::Leave,
    }
}

fn array_len(keys: &[Key]) -> Option<u32> {
    let max = keys.last()?.as_array_index()?;
    walk::array_len(keys.iter().all(|key| key.as_array_index().is_some()), max, keys.len() as u64)
}
