//! Which children are kept in order beside the tree: what `.indexOn` in the rules asks for.
//!
//! Source: Firebase REST reference 6.6.

use super::{Index, Key, Path};

/// One index on the children of every node that a pattern names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRule {
    /// The place whose children are ordered, from the root.
    pub pattern: Vec<Segment>,
    /// `Value` or `Child`: the orders by key and by priority need no rule.
    pub index: Index,
}

/// One step of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Key(Key),
    /// Any key (`$name` in the rules).
    Any,
}

impl IndexRule {
    /// Whether the children of `path` are in this index.
    pub fn covers(&self, path: &Path) -> bool {
        let fits = |(segment, key): (&Segment, &Key)| match segment {
            Segment::Key(wanted) => wanted == key,
            Segment::Any => true,
        };
        self.pattern.len() == path.len() && self.pattern.iter().zip(path.keys()).all(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_covers_paths_of_its_length_only() {
        let key = |text| Segment::Key(Key::parse(text).unwrap());
        let rule = IndexRule { pattern: vec![key("rooms"), Segment::Any], index: Index::Value };
        let covers = |path: &str| rule.covers(&Path::parse(path).unwrap());
        assert!(covers("/rooms/r1") && covers("/rooms/7"));
        assert!(!covers("/rooms") && !covers("/rooms/r1/x") && !covers("/other/r1"));
    }
}
