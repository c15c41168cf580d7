//! A walk over a tree, step by step, in key order.
//!
//! Whatever is made of data (JSON text, a hash, a node in memory) is made from these steps, so that rows on disk and
//! nodes in memory share one writer and one hasher, and a tree of any size passes in bounded memory.

use super::node::Inner;
use super::{Key, Node, Scalar};

/// A scalar that is borrowed from wherever it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarRef<'a> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(&'a str),
}

/// One step. `key` is `None` for the topmost node only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step<'a> {
    /// An inner node begins; its children follow in key order, then its `Leave`.
    Enter {
        key: Option<&'a str>,
        priority: Option<ScalarRef<'a>>,
        /// Length of the array as which the plain format shows this node; `None`: an object.
        array_len: Option<u32>,
    },
    /// A leaf.
    Leaf { key: Option<&'a str>, value: ScalarRef<'a>, priority: Option<ScalarRef<'a>> },
    /// The innermost open node ends.
    Leave,
}

impl Scalar {
    pub fn borrowed(&self) -> ScalarRef<'_> {
        match self {
            Self::Bool(value) => ScalarRef::Bool(*value),
            Self::Int(value) => ScalarRef::Int(*value),
            Self::Double(value) => ScalarRef::Double(*value),
            Self::String(text) => ScalarRef::Str(text),
        }
    }
}

impl ScalarRef<'_> {
    pub fn to_scalar(self) -> Scalar {
        match self {
            Self::Bool(value) => Scalar::Bool(value),
            Self::Int(value) => Scalar::Int(value),
            Self::Double(value) => Scalar::Double(value),
            Self::Str(text) => Scalar::String(text.into()),
        }
    }
}

/// The array rule: every key an array index, and the largest below twice their number. Gives the length.
///
/// Source: Firebase REST reference 4.2.
pub fn array_len(keys_all_indexes: bool, key_max: u32, count: u64) -> Option<u32> {
    (keys_all_indexes && u64::from(key_max) < 2 * count).then(|| key_max.saturating_add(1))
}

impl Node {
    /// Walks this node. Nothing is visited for an empty one.
    pub fn walk(&self, visit: &mut impl FnMut(Step<'_>)) {
        self.walk_as(None, visit);
    }

    fn walk_as(&self, key: Option<&str>, visit: &mut impl FnMut(Step<'_>)) {
        match self {
            Self::Empty => {}
            Self::Leaf { value, priority } => {
                visit(Step::Leaf { key, value: value.borrowed(), priority: priority.as_ref().map(Scalar::borrowed) });
            }
            Self::Inner(inner) => {
                let priority = inner.priority.as_ref().map(Scalar::borrowed);
                visit(Step::Enter { key, priority, array_len: inner.array_len() });
                for (key, child) in &inner.children {
                    child.walk_as(Some(key.as_str()), visit);
                }
                visit(Step::Leave);
            }
        }
    }
}

impl Inner {
    fn array_len(&self) -> Option<u32> {
        // Integer keys sort first: if the first and the last are indexes, all are (negatives and `01` apart).
        let max = self.children.keys().next_back()?.as_array_index()?;
        let all = self.children.keys().all(|key| key.as_array_index().is_some());
        array_len(all, max, self.children.len() as u64)
    }
}

/// Builds a node from steps.
#[derive(Debug, Default)]
pub struct NodeBuilder {
    open: Vec<(Option<Key>, Inner)>,
    done: Node,
}

impl NodeBuilder {
    pub fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Enter { key, priority, .. } => {
                let priority = priority.map(ScalarRef::to_scalar);
                self.open.push((key.map(Key::trusted), Inner { priority, ..Inner::default() }));
            }
            Step::Leaf { key, value, priority } => {
                let leaf = Node::Leaf { value: value.to_scalar(), priority: priority.map(ScalarRef::to_scalar) };
                self.place(key.map(Key::trusted), leaf);
            }
            Step::Leave => {
                if let Some((key, inner)) = self.open.pop() {
                    let node = if inner.children.is_empty() { Node::Empty } else { Node::Inner(Box::new(inner)) };
                    self.place(key, node);
                }
            }
        }
    }

    pub fn finish(self) -> Node {
        self.done
    }

    fn place(&mut self, key: Option<Key>, node: Node) {
        match (self.open.last_mut(), key) {
            (Some((_, parent)), Some(key)) => {
                parent.children.insert(key, node);
            }
            _ => self.done = node,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::arbitrary;

    #[test]
    fn array_rule_follows_its_vectors() {
        assert_eq!(array_len(true, 1, 2), Some(2));
        assert_eq!(array_len(true, 1, 1), Some(2));
        assert_eq!(array_len(true, 2, 1), None);
        assert_eq!(array_len(true, 3, 2), Some(4));
        assert_eq!(array_len(true, 4, 2), None);
        assert_eq!(array_len(false, 1, 2), None);
    }

    proptest! {
        #[test]
        fn node_built_from_its_walk_is_the_same(node in arbitrary::node()) {
            let mut builder = NodeBuilder::default();
            node.walk(&mut |step| builder.step(step));
            prop_assert_eq!(builder.finish(), node);
        }

        #[test]
        fn array_is_shown_exactly_by_the_rule(keys in prop::collection::btree_set("(0|[1-9]|01|-1|[a-b])", 1..6)) {
            let keys: Vec<_> = keys.iter().map(|key| Key::parse(key).unwrap()).collect();
            let leaf = || Node::leaf(Scalar::Bool(true));
            let node = Node::inner(keys.iter().map(|key| (key.clone(), leaf())).collect(), None);
            let indexes: Option<Vec<_>> = keys.iter().map(Key::as_array_index).collect();
            let max = indexes.and_then(|indexes| indexes.into_iter().max());
            let is_array = max.is_some_and(|max| u64::from(max) < 2 * keys.len() as u64);
            prop_assert_eq!(node.to_json(crate::model::Format::Plain).starts_with('['), is_array);
        }
    }
}
