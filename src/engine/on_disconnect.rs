//! What a session wants written when it ends: pending values by place.
//!
//! Pure. Source: Firebase realtime protocol 14.2: a later registration wins at its place and below; one below a pending
//! value is written into that value; cancelling below a pending value splits it.

use std::collections::BTreeMap;

use crate::model::{Draft, Identity, Key, Node, Path, Placeholder, Value};

/// The pending values of one session. No place lies below another.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pending(BTreeMap<Path, Armed>);

/// A pending value, and who wants it written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Armed {
    pub draft: Draft,
    /// Where several have a part in it: the last, who may not be allowed the rest. Then nothing of it is written.
    pub who: Identity,
}

/// How the stored rows change with a registration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PendingChange {
    pub gone: Vec<Path>,
    pub stored: Vec<Path>,
}

impl Pending {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, path: &Path) -> Option<&Armed> {
        self.0.get(path)
    }

    /// Puts back what was stored, as it was.
    pub fn restore(&mut self, path: Path, armed: Armed) {
        self.0.insert(path, armed);
    }

    /// Remembers a value for `path`.
    pub fn set(&mut self, path: &Path, Armed { draft, who }: Armed) -> PendingChange {
        if let Some(above) = self.above(path) {
            if let Some(pending) = self.0.get_mut(&above)
                && let Some(below) = path.strip_prefix(&above)
            {
                write_into(&mut pending.draft, &below, draft);
                pending.who = who;
            }
            return PendingChange { gone: Vec::new(), stored: vec![above] };
        }
        let gone = self.forget_below(path);
        self.0.insert(path.clone(), Armed { draft, who });
        PendingChange { gone, stored: vec![path.clone()] }
    }

    /// Forgets everything at and below `path`.
    pub fn cancel(&mut self, path: &Path) -> PendingChange {
        let mut change = PendingChange { gone: self.forget_below(path), stored: Vec::new() };
        let Some(above) = self.above(path) else { return change };
        // A leaf above stays as it is: nothing of it lies at `path`.
        if !self.0.get(&above).is_some_and(|armed| matches!(armed.draft.value, Value::Node(Node::Inner(_)))) {
            return change;
        }
        if let Some(Armed { draft, who }) = self.0.remove(&above) {
            change.gone.push(above.clone());
            for (place, draft) in split(&above, draft, path) {
                change.stored.push(place.clone());
                self.0.insert(place, Armed { draft, who: who.clone() });
            }
        }
        change
    }

    pub fn into_places(self) -> impl Iterator<Item = (Path, Armed)> {
        self.0.into_iter()
    }

    /// The pending place that is a proper ancestor of `path`.
    fn above(&self, path: &Path) -> Option<Path> {
        let mut above = path.clone();
        while above.pop().is_some() {
            if self.0.contains_key(&above) {
                return Some(above);
            }
        }
        None
    }

    fn forget_below(&mut self, path: &Path) -> Vec<Path> {
        let gone: Vec<Path> = self.0.keys().filter(|place| place.starts_with(path)).cloned().collect();
        for place in &gone {
            self.0.remove(place);
        }
        gone
    }
}

fn write_into(pending: &mut Draft, below: &Path, draft: Draft) {
    let Value::Node(tree) = &mut pending.value else { return };
    let Value::Node(node) = draft.value else { return };
    tree.set(below.keys(), node);
    pending.placeholders.retain(|placeholder| !placeholder.path.starts_with(below));
    pending.placeholders.extend(
        draft
            .placeholders
            .into_iter()
            .map(|placeholder| Placeholder { path: below.join(&placeholder.path), ..placeholder }),
    );
}

/// The children of a pending value, one place each, down to `without`, which is left out.
fn split(at: &Path, pending: Draft, without: &Path) -> Vec<(Path, Draft)> {
    let Draft { value: Value::Node(Node::Inner(inner)), placeholders } = pending else { return Vec::new() };
    let mut places = Vec::new();
    for (key, node) in inner.children {
        let place = at.child(key.clone());
        let draft = Draft { value: Value::Node(node), placeholders: below(&placeholders, &key) };
        if place == *without {
            continue;
        }
        if without.starts_with(&place) && matches!(draft.value, Value::Node(Node::Inner(_))) {
            places.extend(split(&place, draft, without));
        } else {
            places.push((place, draft));
        }
    }
    places
}

fn below(placeholders: &[Placeholder], key: &Key) -> Vec<Placeholder> {
    let top = Path::from_keys(vec![key.clone()]);
    placeholders
        .iter()
        .filter_map(|placeholder| {
            let path = placeholder.path.strip_prefix(&top)?;
            Some(Placeholder { path, ..placeholder.clone() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scalar;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn armed(node: Node) -> Armed {
        Armed { draft: node.into(), who: Identity::Nobody }
    }

    fn leaf(value: i64) -> Armed {
        armed(Node::leaf(Scalar::Int(value)))
    }

    fn tree(leaves: &[(&str, i64)]) -> Armed {
        let mut node = Node::Empty;
        for (at, value) in leaves {
            node.set(path(at).keys(), Node::leaf(Scalar::Int(*value)));
        }
        armed(node)
    }

    fn check(pending: Pending, expected: &[(&str, Armed)]) {
        let places: Vec<(Path, Armed)> = pending.into_places().collect();
        let expected: Vec<(Path, Armed)> = expected.iter().map(|(at, armed)| (path(at), armed.clone())).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn set_forgets_what_was_pending_below_and_later_wins() {
        let mut pending = Pending::default();
        pending.set(&path("/a/b"), leaf(1));
        pending.set(&path("/a/c"), leaf(2));
        let change = pending.set(&path("/a"), leaf(3));
        assert_eq!(change.gone.len(), 2);
        check(pending, &[("/a", leaf(3))]);
    }

    #[test]
    fn set_below_a_pending_value_is_written_into_it() {
        let mut pending = Pending::default();
        pending.set(&path("/a"), tree(&[("/b", 1), ("/c", 2)]));
        let change = pending.set(&path("/a/b"), leaf(9));
        assert_eq!(change.stored, [path("/a")]);
        check(pending, &[("/a", tree(&[("/b", 9), ("/c", 2)]))]);
    }

    #[test]
    fn cancel_below_a_pending_value_splits_it() {
        let mut pending = Pending::default();
        pending.set(&path("/a"), tree(&[("/b/x", 1), ("/b/y", 2), ("/c", 3)]));
        pending.cancel(&path("/a/b/x"));
        check(pending, &[("/a/b/y", leaf(2)), ("/a/c", leaf(3))]);
    }

    #[test]
    fn cancel_leaves_other_places_alone() {
        let mut pending = Pending::default();
        pending.set(&path("/a"), leaf(1));
        pending.set(&path("/b"), leaf(2));
        pending.cancel(&path("/a"));
        check(pending.clone(), &[("/b", leaf(2))]);
        // Below a pending leaf there is nothing to cancel.
        pending.cancel(&path("/b/deeper"));
        check(pending, &[("/b", leaf(2))]);
    }
}
