//! What entries have to be, worked out from a plain node in memory, for tests.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::super::Tree;
use super::super::encode::{path_key, push_segment};
use super::super::scan::key_of;
use super::entry::{entries_below, entry_key};
use super::spec::{Indexes, PRIORITY, State};
use crate::model::order::{IndexValue, Place};
use crate::model::{Bound, BoundKey, Index, IndexRule, Key, Limit, Node, Path, Query, Scalar, Segment};

type Entries = BTreeSet<Vec<u8>>;

/// Checks all entries, whatever state each index is in.
pub fn check_entries(tree: &Tree<'_>, whole: &Node) {
    let indexes = Indexes::load(tree.conn).unwrap();
    let nodes = inner_nodes(whole);
    for spec in indexes.specs.iter() {
        let covered = nodes.iter().filter(|(path, _)| spec.rule.covers(path));
        let expected = covered.flat_map(|(path, node)| children(spec.id, path, node, &spec.rule.index));
        let stored = stored(tree, spec.id);
        match &spec.state {
            State::Ready => assert_eq!(stored, expected.map(|(_, entry)| entry).collect(), "{spec:?}"),
            State::Building { cursor } => {
                let (done, due): (Vec<_>, Vec<_>) = expected.partition(|(child, _)| child < cursor);
                let of = |part: Vec<(Vec<u8>, Vec<u8>)>| part.into_iter().map(|(_, entry)| entry).collect::<Entries>();
                let (done, due) = (of(done), of(due));
                assert!(stored.is_superset(&done), "{spec:?}");
                assert!(stored.difference(&done).all(|entry| due.contains(entry)), "{spec:?}");
            }
            State::Gone => {}
        }
    }
    check_priorities(tree, &nodes);
    let known = |id: u32| id == PRIORITY || indexes.specs.iter().any(|spec| spec.id == id);
    let (from, to) = (entries_below(0, &[]), entries_below(1_000, &[]));
    assert!(between(tree, &from, &to).iter().all(|key| known(u32::from_be_bytes(*key.first_chunk().unwrap()))));
}

/// All children of a node have entries by priority if one has a priority; else all or none.
fn check_priorities(tree: &Tree<'_>, nodes: &[(Path, &Node)]) {
    let mut stored = stored(tree, PRIORITY);
    for (path, node) in nodes {
        let expected = children(PRIORITY, path, node, &Index::Priority).map(|(_, entry)| entry).collect::<Entries>();
        let found = stored.intersection(&expected).count();
        let has_priority = node.children().any(|(_, child)| child.priority().is_some());
        assert!(found == expected.len() || (found == 0 && !has_priority), "{path}");
        assert_eq!(tree.has_child_priority(path).unwrap(), has_priority, "{path}");
        stored.retain(|entry| !expected.contains(entry));
    }
    assert_eq!(stored, Entries::new());
}

fn inner_nodes(whole: &Node) -> Vec<(Path, &Node)> {
    let mut nodes = vec![(Path::root(), whole)];
    let mut at = 0;
    while let Some((path, node)) = nodes.get(at).cloned() {
        nodes.extend(node.children().map(|(key, child)| (path.child(key.clone()), child)));
        at += 1;
    }
    nodes
}

/// Row key and entry of each child.
fn children<'a>(
    id: u32,
    path: &Path,
    node: &'a Node,
    index: &'a Index,
) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + use<'a> {
    let base = path_key(path);
    node.children().map(move |(key, child)| {
        let mut row = base.clone();
        push_segment(&mut row, key);
        let place = Place { value: index.value(key, child), key: key.clone() };
        (row, entry_key(&entries_below(id, &base), &place))
    })
}

fn stored(tree: &Tree<'_>, id: u32) -> Entries {
    between(tree, &entries_below(id, &[]), &entries_below(id + 1, &[]))
}

fn between(tree: &Tree<'_>, from: &[u8], to: &[u8]) -> Entries {
    let mut statement = tree.conn.prepare(super::rows::FORWARDS).unwrap();
    let mut rows = statement.query((from, to)).unwrap();
    let mut entries = Entries::new();
    while let Some(row) = rows.next().unwrap() {
        entries.insert(key_of(row).unwrap().to_vec());
    }
    entries
}

/// Checks that exactly the indexes of `wanted` are kept.
pub fn check_specs(tree: &Tree<'_>, wanted: &[IndexRule]) {
    let indexes = Indexes::load(tree.conn).unwrap();
    let live: Vec<&IndexRule> = indexes.specs.iter().filter(|spec| spec.is_live()).map(|spec| &spec.rule).collect();
    assert!(live.iter().all(|rule| wanted.contains(rule)) && wanted.iter().all(|rule| live.contains(&rule)));
    assert!(live.iter().enumerate().all(|(at, rule)| !live[..at].contains(rule)), "none twice");
}

/// Checks what a query gives against a plain sort of all children.
pub fn check_ordered(tree: &Tree<'_>, whole: &Node, path: &Path, query: &Query) {
    let node = whole.at(path).cloned().unwrap_or_default();
    let mut expected: Vec<Place> =
        node.children().map(|(key, child)| query.place(key, child)).filter(|place| query.contains(place)).collect();
    expected.sort();
    if matches!(query.limit, Some(Limit::Last(_))) {
        expected.reverse();
    }
    let indexes = Indexes::load(tree.conn).unwrap();
    let serves = |rule: &IndexRule| rule.index == query.index && rule.covers(path);
    let is_ready = matches!(query.index, Index::Key | Index::Priority)
        || indexes.specs.iter().any(|spec| spec.state == State::Ready && serves(&spec.rule));
    for stop_after in [1, 2, usize::MAX] {
        let mut places = Vec::new();
        let visited = tree.ordered(path, query, &mut |place| {
            places.push(place);
            if places.len() == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(visited.unwrap(), is_ready);
        assert_eq!(tree.is_ordered(path, &query.index).unwrap(), is_ready);
        let seen = if is_ready { stop_after.min(expected.len()) } else { 0 };
        assert_eq!(places, expected[..seen], "{path} {query:?}");
    }
}

/// Indexes that random data meets, made of `key`.
pub fn rules(key: BoxedStrategy<Key>) -> impl Strategy<Value = Vec<IndexRule>> {
    let segment = prop_oneof![1 => key.clone().prop_map(Segment::Key), 2 => Just(Segment::Any)];
    let rule =
        (prop::collection::vec(segment, 0..3), index(key)).prop_map(|(pattern, index)| IndexRule { pattern, index });
    prop::collection::vec(rule, 0..4)
}

fn index(key: BoxedStrategy<Key>) -> impl Strategy<Value = Index> {
    let below = prop::collection::vec(key, 1..3);
    prop_oneof![Just(Index::Value), below.prop_map(|keys| Index::Child(Path::from_keys(keys)))]
}

/// Any query; its index is one of the rules' if there are some.
pub fn query(key: BoxedStrategy<Key>, scalar: BoxedStrategy<Scalar>) -> impl Strategy<Value = Query> {
    let value = prop_oneof![
        2 => Just(IndexValue::Null),
        4 => scalar.prop_map(IndexValue::Scalar),
        1 => Just(IndexValue::Inner),
    ];
    let bound_key = prop_oneof![
        1 => Just(BoundKey::Min),
        1 => Just(BoundKey::Max),
        4 => key.clone().prop_map(|key| BoundKey::Text(key.to_string())),
        1 => "[\u{0}a5]{0,3}".prop_map(BoundKey::Text),
    ];
    let bound = (value, prop::option::of(bound_key), any::<bool>()).prop_map(|(value, key, inclusive)| Bound {
        value,
        key,
        inclusive,
    });
    let limit = prop::option::of(prop_oneof![Just(Limit::First(1)), Just(Limit::Last(1))]);
    let index = prop_oneof![1 => Just(Index::Key), 2 => Just(Index::Priority), 2 => index(key)];
    (index, prop::option::of(bound.clone()), prop::option::of(bound), limit)
        .prop_map(|(index, start, end, limit)| Query { index, start, end, limit })
}
