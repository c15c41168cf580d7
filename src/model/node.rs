//! Nodes: a piece of the tree held in memory.
//!
//! Source: Firebase realtime protocol 11.2. Stored data is never held whole as nodes; they carry what a request writes
//! and what a bounded read returns.

use std::collections::BTreeMap;

use super::{Key, Path, Scalar};

/// A value somewhere in the tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Node {
    #[default]
    Empty,
    Leaf {
        value: Scalar,
        priority: Option<Scalar>,
    },
    Inner(Box<Inner>),
}

/// One or more children, none of them empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inner {
    pub priority: Option<Scalar>,
    /// In Firebase key order.
    pub children: BTreeMap<Key, Node>,
}

impl Node {
    pub fn leaf(value: Scalar) -> Self {
        Self::Leaf { value, priority: None }
    }

    /// An inner node of `children`; empty ones are dropped, and with none left it is empty, priority and all.
    pub fn inner(children: BTreeMap<Key, Node>, priority: Option<Scalar>) -> Self {
        let mut children = children;
        children.retain(|_, child| !child.is_empty());
        if children.is_empty() { Self::Empty } else { Self::Inner(Box::new(Inner { priority, children })) }
    }

    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub fn priority(&self) -> Option<&Scalar> {
        match self {
            Self::Empty => None,
            Self::Leaf { priority, .. } => priority.as_ref(),
            Self::Inner(inner) => inner.priority.as_ref(),
        }
    }

    /// The same data with another priority. An empty node stays empty.
    #[must_use]
    pub fn with_priority(mut self, new: Option<Scalar>) -> Self {
        match &mut self {
            Self::Empty => {}
            Self::Leaf { priority, .. } => *priority = new,
            Self::Inner(inner) => inner.priority = new,
        }
        self
    }

    pub fn child(&self, key: &Key) -> Option<&Self> {
        match self {
            Self::Inner(inner) => inner.children.get(key),
            _ => None,
        }
    }

    /// The node at `path` below this one.
    pub fn at(&self, path: &Path) -> Option<&Self> {
        path.keys().iter().try_fold(self, |node, key| node.child(key)).filter(|node| !node.is_empty())
    }

    /// The node at `path` below this one, to change it in place. It must not be emptied so.
    pub(super) fn at_mut(&mut self, path: &Path) -> Option<&mut Self> {
        path.keys().iter().try_fold(self, |node, key| match node {
            Self::Inner(inner) => inner.children.get_mut(key),
            _ => None,
        })
    }

    /// Children in key order.
    pub fn children(&self) -> impl Iterator<Item = (&Key, &Self)> {
        let children = match self {
            Self::Inner(inner) => Some(&inner.children),
            _ => None,
        };
        children.into_iter().flatten()
    }

    /// Replaces the data at `path`. Below a leaf: an empty value changes nothing, any other turns the leaf into an inner node
    /// that keeps the leaf's priority. Emptied ancestors vanish with their priorities.
    pub fn set(&mut self, path: &[Key], value: Self) {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if value.is_empty() && self.child(first).is_none() {
            return;
        }
        if !matches!(self, Self::Inner(_)) {
            let priority = self.priority().cloned();
            *self = Self::Inner(Box::new(Inner { priority, children: BTreeMap::new() }));
        }
        if let Self::Inner(inner) = self {
            let child = inner.children.entry(first.clone()).or_default();
            child.set(rest, value);
            if child.is_empty() {
                inner.children.remove(first);
            }
            if inner.children.is_empty() {
                *self = Self::Empty;
            }
        }
    }

    /// Sets the priority of the node at `path`; nothing happens where there is no data.
    pub fn set_priority(&mut self, path: &[Key], new: Option<Scalar>) {
        match path.split_first() {
            None => *self = std::mem::take(self).with_priority(new),
            Some((first, rest)) => {
                if let Self::Inner(inner) = self
                    && let Some(child) = inner.children.get_mut(first)
                {
                    child.set_priority(rest, new);
                }
            }
        }
    }

    /// Leaves and inner priorities, which is what it weighs in rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Leaf { .. } => 1,
            Self::Inner(inner) => {
                usize::from(inner.priority.is_some()) + inner.children.values().map(Self::rows).sum::<usize>()
            }
        }
    }
}
