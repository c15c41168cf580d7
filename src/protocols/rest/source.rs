//! Where the text of a read comes from: the tree itself, the names of children, or a node made for it.
//!
//! Source: Firebase REST reference 5.2, 5.6, 6.5.

use std::ops::ControlFlow;

use super::request::Read;
use crate::engine::{Database, Snapshot, StoreError, Tree};
use crate::model::walk::{ScalarRef, Step};
use crate::model::{BoundKey, Format, Index, Key, Limit, Node, Path, Query};

/// What is shown. All of it within the snapshot with which it was made.
#[derive(Debug)]
pub enum Source {
    /// Everything at the path; `arrays`: its format shows them.
    Tree { path: Path, arrays: bool },
    /// The names of the children, behind the key and at most so many.
    Names { path: Path, after: Option<Key>, max: u32 },
    /// This node; `names`: only the names of its children.
    Node { node: Node, names: bool },
    /// A map in which nothing is left.
    EmptyMap,
}

impl Source {
    /// Decides what `read` shows, and reads what a query selects.
    pub fn of(database: &Database, snapshot: &Snapshot, read: &Read) -> Result<Self, StoreError> {
        let tree = snapshot.tree();
        let path = &read.place.path;
        let node = |node: Option<Node>| Self::Node { node: node.unwrap_or_default(), names: false };
        if read.place.is_priority {
            return Ok(node(tree.priority(path)?.map(Node::leaf)));
        }
        let names = read.selection.is_shallow;
        let Some(query) = &read.selection.query else {
            let whole = || Self::Tree { path: path.clone(), arrays: read.format == Format::Plain };
            return if names { Self::shallow(&tree, path) } else { Ok(whole()) };
        };
        // A query has no business with a primitive; only the names of its children are asked for as if it had none.
        if let Some(value) = tree.value(path)? {
            return Ok(node(names.then(|| Node::leaf(value))));
        }
        if let Some((after, max)) = keys_in_order(query).filter(|_| names) {
            return Ok(Self::Names { path: path.clone(), after, max });
        }
        let node = database.window(snapshot, path, query)?;
        Ok(if node.is_empty() && tree.exists(path)? { Self::EmptyMap } else { Self::Node { node, names } })
    }

    /// A primitive as it is, or the names of all children.
    pub fn shallow(tree: &Tree<'_>, path: &Path) -> Result<Self, StoreError> {
        Ok(match tree.value(path)? {
            Some(value) => Self::Node { node: Node::leaf(value), names: false },
            None => Self::Names { path: path.clone(), after: None, max: u32::MAX },
        })
    }

    /// Visits the steps of what is shown, until `visit` breaks (or to the end, where all is in memory anyway).
    pub fn visit(&self, tree: &Tree<'_>, visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        match self {
            Self::Tree { path, arrays: true } => tree.walk(path, visit),
            Self::Tree { path, arrays: false } => tree.walk_objects(path, visit),
            Self::Names { path, after, max } => visit_names(tree, path, after.as_ref(), *max, visit),
            Self::Node { node, names: true } if matches!(node, Node::Inner(_)) => {
                let _ = visit(ENTER);
                for (key, _) in node.children() {
                    let _ = visit(name_step(key));
                }
                let _ = visit(Step::Leave);
                Ok(())
            }
            Self::Node { node, .. } => {
                node.walk(&mut |step| {
                    let _ = visit(step);
                });
                Ok(())
            }
            Self::EmptyMap => {
                let _ = visit(ENTER);
                let _ = visit(Step::Leave);
                Ok(())
            }
        }
    }
}

const ENTER: Step<'static> = Step::Enter { key: None, priority: None, array_len: None };

fn name_step(key: &Key) -> Step<'_> {
    Step::Leaf { key: Some(key.as_str()), value: ScalarRef::Bool(true), priority: None }
}

/// One seek per child, whatever is below it.
fn visit_names(
    tree: &Tree<'_>,
    path: &Path,
    after: Option<&Key>,
    max: u32,
    visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut next = match after {
        Some(key) => tree.child_after(path, key)?,
        None => tree.first_child(path)?,
    };
    if next.is_none() && !tree.exists(path)? {
        return Ok(());
    }
    let mut flow = visit(ENTER);
    let mut count = 0;
    while let Some(key) = next.filter(|_| flow.is_continue() && count < max) {
        flow = visit(name_step(&key));
        count += 1;
        next = tree.child_after(path, &key)?;
    }
    if flow.is_continue() {
        let _ = visit(Step::Leave);
    }
    Ok(())
}

/// The start and the limit of a query that is just the next keys in order.
fn keys_in_order(query: &Query) -> Option<(Option<Key>, u32)> {
    if query.index != Index::Key || query.end.is_some() {
        return None;
    }
    let after = match &query.start {
        None => None,
        Some(bound) => match &bound.key {
            Some(BoundKey::Text(text)) if !bound.inclusive => Some(Key::parse(text).ok()?),
            _ => return None,
        },
    };
    match query.limit {
        None => Some((after, u32::MAX)),
        Some(Limit::First(max)) => Some((after, max)),
        Some(Limit::Last(_)) => None,
    }
}
