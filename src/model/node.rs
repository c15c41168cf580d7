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

    /// Replaces the data at `path`. Below a leaf: an empty value changes nothing, any other turns the leaf into an
    /// inner node that keeps the leaf's priority. Emptied ancestors vanish with their priorities.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap as Map;

    use proptest::prelude::*;

    use super::*;
    use crate::model::arbitrary;

    /// Leaves by path, without priorities.
    type Leaves = Map<Vec<Key>, Scalar>;

    fn leaves(node: &Node) -> Leaves {
        fn collect(node: &Node, path: &mut Vec<Key>, all: &mut Leaves) {
            if let Node::Leaf { value, .. } = node {
                all.insert(path.clone(), value.clone());
            }
            for (key, child) in node.children() {
                path.push(key.clone());
                collect(child, path, all);
                path.pop();
            }
        }
        let mut all = Leaves::new();
        collect(node, &mut Vec::new(), &mut all);
        all
    }

    /// What `set` must do, on a plain map.
    fn set(all: &mut Leaves, path: &[Key], value: &Node) {
        all.retain(|place, _| !place.starts_with(path));
        if !value.is_empty() {
            all.retain(|place, _| !path.starts_with(place));
        }
        all.extend(leaves(value).into_iter().map(|(below, scalar)| ([path, &below].concat(), scalar)));
    }

    fn is_sound(node: &Node) -> bool {
        let has_children = !matches!(node, Node::Inner(_)) || node.children().next().is_some();
        has_children && node.children().all(|(_, child)| !child.is_empty() && is_sound(child))
    }

    fn node(text: &str) -> Node {
        match crate::model::Draft::parse(text.as_bytes(), 0).map(|draft| draft.value) {
            Ok(crate::model::Value::Node(node)) => node,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[track_caller]
    fn check_set(before: &str, path: &str, value: &str, after: &str) {
        let mut changed = node(before);
        changed.set(Path::parse(path).unwrap().keys(), node(value));
        assert_eq!(changed, node(after), "{before} {path} {value}");
    }

    #[test]
    fn set_below_a_leaf_keeps_its_priority_and_null_there_does_nothing() {
        check_set(r#"{".value":1,".priority":5}"#, "a/b", "2", r#"{".priority":5,"a":{"b":2}}"#);
        check_set(r#"{".value":1,".priority":5}"#, "a/b", "null", r#"{".value":1,".priority":5}"#);
        check_set(r#"{"x":{".value":1,".priority":5}}"#, "x/y", "2", r#"{"x":{".priority":5,"y":2}}"#);
    }

    #[test]
    fn set_replaces_the_priority_of_its_place_and_keeps_those_above() {
        check_set(r#"{".priority":1,"a":{".value":1,".priority":2}}"#, "a", "3", r#"{".priority":1,"a":3}"#);
        check_set(r#"{".priority":1,"a":1}"#, "b/c", "3", r#"{".priority":1,"a":1,"b":{"c":3}}"#);
    }

    #[test]
    fn removing_the_last_child_empties_what_is_above() {
        check_set(r#"{".priority":1,"a":{".priority":2,"b":1}}"#, "a/b", "null", "null");
        check_set(r#"{".priority":1,"a":{".priority":2,"b":1},"c":1}"#, "a/b", "null", r#"{".priority":1,"c":1}"#);
        check_set("null", "a/b", "null", "null");
    }

    #[test]
    fn priority_is_set_only_where_data_is() {
        let mut node = node(r#"{"a":{"b":1}}"#);
        let path = |text: &str| Path::parse(text).unwrap();
        node.set_priority(path("a/b").keys(), Some(Scalar::Int(1)));
        node.set_priority(path("a").keys(), Some(Scalar::Int(2)));
        node.set_priority(path("a/x").keys(), Some(Scalar::Int(3)));
        node.set_priority(path("a/b/c").keys(), Some(Scalar::Int(4)));
        assert_eq!(node, self::node(r#"{"a":{".priority":2,"b":{".value":1,".priority":1}}}"#));
        assert_eq!(node.rows(), 2);
        let mut empty = Node::Empty;
        empty.set_priority(&[], Some(Scalar::Int(1)));
        assert_eq!(empty, Node::Empty);
    }

    proptest! {
        #[test]
        fn set_does_what_a_plain_map_of_leaves_does(
            start in arbitrary::node(),
            writes in prop::collection::vec((arbitrary::path(3), arbitrary::node()), 1..12)
        ) {
            let (mut node, mut model) = (start.clone(), leaves(&start));
            for (path, value) in writes {
                set(&mut model, path.keys(), &value);
                node.set(path.keys(), value.clone());
                prop_assert_eq!(leaves(&node), model.clone());
                prop_assert!(is_sound(&node));
                prop_assert_eq!(node.at(&path).cloned().unwrap_or_default(), value);
            }
        }
    }
}
