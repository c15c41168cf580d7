//! A node as the rows it has in the store, so that replaced rows can be put back one by one.

use std::collections::BTreeMap;

use crate::model::{Node, Path};
use crate::store::Row;

/// Rows by path, relative to the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows(BTreeMap<Path, Row>);

impl Rows {
    pub fn of(node: &Node) -> Self {
        let mut rows = Self::default();
        rows.add(&mut Path::root(), node);
        rows
    }

    /// Puts a row in place, or takes it away.
    pub fn put(&mut self, path: Path, row: Option<Row>) {
        match row {
            Some(row) => self.0.insert(path, row),
            None => self.0.remove(&path),
        };
    }

    pub fn to_node(&self) -> Node {
        let mut node = Node::Empty;
        for (path, row) in &self.0 {
            if let Some(value) = &row.value {
                node.set(path.keys(), Node::Leaf { value: value.clone(), priority: row.priority.clone() });
            }
        }
        // Priorities of inner nodes come last: a node must have children before it can have one.
        for (path, row) in self.0.iter().filter(|(_, row)| row.value.is_none()) {
            node.set_priority(path.keys(), row.priority.clone());
        }
        node
    }

    fn add(&mut self, at: &mut Path, node: &Node) {
        match node {
            Node::Empty => {}
            Node::Leaf { value, priority } => {
                self.0.insert(at.clone(), Row { value: Some(value.clone()), priority: priority.clone() });
            }
            Node::Inner(inner) => {
                if inner.priority.is_some() {
                    self.0.insert(at.clone(), Row { value: None, priority: inner.priority.clone() });
                }
                for (key, child) in &inner.children {
                    at.push(key.clone());
                    self.add(at, child);
                    at.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scalar;

    #[test]
    fn node_comes_back_from_its_rows() {
        let mut node = Node::Empty;
        let path = |text: &str| Path::parse(text).unwrap();
        node.set(path("/a/b").keys(), Node::leaf(Scalar::Int(1)));
        node.set(path("/c").keys(), Node::leaf(Scalar::string("x")).with_priority(Some(Scalar::Int(2))));
        node.set_priority(path("/a").keys(), Some(Scalar::Int(7)));
        assert_eq!(Rows::of(&node).to_node(), node);
        assert_eq!(Rows::of(&Node::Empty).to_node(), Node::Empty);
    }
}
