//! The store against a plain node in memory: random writes, batches that are dropped, other rules, indexes half built,
//! reopening; then every read is compared, and what each record replaced is put back from the newest to the oldest.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;
use tempfile::TempDir;

use super::encode::{node_rows, path_key};
use super::index::check;
use super::testing::Temp;
use super::*;
use crate::model::order::Place;
use crate::model::walk::Step;
use crate::model::{Change, Index, IndexRule, Key, Node, Path, Query, Record, Scalar, Value, hash};

#[derive(Clone, Debug)]
enum Op {
    /// Some records, one batch.
    Commit(Vec<Vec<Change>>),
    /// The same, with rules, dropped.
    Drop(Vec<Vec<Change>>, Vec<IndexRule>),
    SetRules(Vec<IndexRule>),
    /// A chunk of this many steps.
    Build(u32),
    Reopen,
}

/// Few keys, so that writes meet; array indexes and keys that nearly are.
fn key() -> impl Strategy<Value = Key> {
    prop::sample::select(vec!["0", "1", "2", "3", "01", "-1", "a", "ab", "b", "\u{e000}", "\u{10000}", "\"\\"])
        .prop_map(|text| Key::parse(text).unwrap())
}

fn path() -> impl Strategy<Value = Path> {
    prop::collection::vec(key(), 0..4).prop_map(Path::from_keys)
}

fn priority() -> impl Strategy<Value = Option<Scalar>> {
    prop::option::weighted(
        0.3,
        prop_oneof![(0..3_i64).prop_map(Scalar::Int), Just(Scalar::Double(1.5)), Just(Scalar::string("p"))],
    )
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        (0..3_i64).prop_map(Scalar::Int),
        any::<i64>().prop_map(Scalar::Int),
        any::<f64>().prop_filter_map("finite", Scalar::number),
        "\\PC{0,3}|\u{0}x|\"".prop_map(Scalar::string),
        // Beyond what an index row keeps.
        "[ab]{0,2}".prop_map(|tail| Scalar::string("x".repeat(256) + &tail)),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = (scalar(), priority()).prop_map(|(value, priority)| Node::Leaf { value, priority });
    let inner = leaf.prop_recursive(3, 24, 4, |child| {
        (prop::collection::btree_map(key(), child, 1..4), priority())
            .prop_map(|(children, priority)| Node::inner(children, priority))
    });
    prop_oneof![3 => inner, 1 => Just(Node::Empty)]
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![4 => node().prop_map(Value::Node), 1 => priority().prop_map(Value::Priority)];
    (path(), value).prop_map(|(path, value)| Change { path, value })
}

fn op() -> impl Strategy<Value = Op> {
    let batch = || prop::collection::vec(prop::collection::vec(change(), 1..4), 1..4);
    prop_oneof![
        8 => batch().prop_map(Op::Commit),
        1 => (batch(), check::rules(key().boxed())).prop_map(|(records, rules)| Op::Drop(records, rules)),
        2 => check::rules(key().boxed()).prop_map(Op::SetRules),
        2 => (1..8_u32).prop_map(Op::Build),
        1 => Just(Op::Reopen),
    ]
}

fn apply(node: &mut Node, change: &Change) {
    match &change.value {
        Value::Node(value) => node.set(change.path.keys(), value.clone()),
        Value::Priority(priority) => node.set_priority(change.path.keys(), priority.clone()),
    }
}

/// Appends the records and says what the tree is after each.
fn append(batch: &mut Batch<'_>, records: &[Vec<Change>], last: &(Record, Node)) -> Vec<(Record, Node)> {
    let mut made: Vec<(Record, Node)> = Vec::new();
    for changes in records {
        let (before, mut tree) = made.last().unwrap_or(last).clone();
        let seq = before.seq + 1;
        let path = changes[0].path.clone();
        let time = 1_000 + seq.cast_signed();
        let record = Record { seq, time, path, update: changes.len() > 1, changes: changes.clone() };
        let changed = record.changes.iter().map(|change| {
            let old = tree.clone();
            apply(&mut tree, change);
            tree != old
        });
        let expected = Applied { changed: changed.collect() };
        assert_eq!(batch.append(&record).unwrap(), expected);
        assert!(batch.tree().equals(&Path::root(), &tree).unwrap());
        made.push((record, tree));
    }
    made
}

fn rows(node: &Node) -> BTreeMap<Vec<u8>, Row> {
    let mut rows = BTreeMap::new();
    node_rows(node, &mut Vec::new(), &mut |key, value, priority| {
        rows.insert(key.to_vec(), Row { value: value.cloned(), priority: priority.cloned() });
        Ok::<_, ()>(())
    })
    .unwrap();
    rows
}

fn steps(walk: impl FnOnce(&mut dyn FnMut(Step<'_>) -> ControlFlow<()>)) -> Vec<String> {
    let mut steps = Vec::new();
    walk(&mut |step| {
        steps.push(format!("{step:?}"));
        ControlFlow::Continue(())
    });
    steps
}

fn check_reads(tree: &Tree<'_>, whole: &Node, path: &Path, other: &Key) {
    let node = whole.at(path).cloned().unwrap_or_default();
    assert_eq!(tree.node(path).unwrap(), node);
    assert!(tree.equals(path, &node).unwrap());
    assert!(!tree.equals(path, &Node::leaf(Scalar::string("other"))).unwrap());
    assert_eq!(tree.exists(path).unwrap(), !node.is_empty());
    let value = if let Node::Leaf { value, .. } = &node { Some(value.clone()) } else { None };
    assert_eq!(tree.value(path).unwrap(), value);
    assert_eq!(tree.priority(path).unwrap(), node.priority().cloned());
    assert_eq!(tree.hash(path).unwrap(), hash::hash_of(&node));
    assert_eq!(tree.rows(path, 1_000).unwrap(), node.rows() as u64);
    assert_eq!(tree.rows(path, 2).unwrap(), node.rows().min(2) as u64);
    assert_eq!(
        steps(|visit| tree.walk(path, visit).unwrap()),
        steps(|visit| node.walk(&mut |step| {
            let _ = visit(step);
        }))
    );

    let keys: Vec<&Key> = node.children().map(|(key, _)| key).collect();
    assert_eq!(tree.first_child(path).unwrap().as_ref(), keys.first().copied());
    assert_eq!(tree.last_child(path).unwrap().as_ref(), keys.last().copied());
    let after = keys.iter().find(|key| **key > other).copied();
    let before = keys.iter().rfind(|key| **key < other).copied();
    assert_eq!(tree.child_after(path, other).unwrap().as_ref(), after);
    assert_eq!(tree.child_before(path, other).unwrap().as_ref(), before);
    let below = Path::root().child(other.clone());
    for index in [Index::Priority, Index::Key, Index::Value, Index::Child(Path::root()), Index::Child(below)] {
        let mut places = Vec::new();
        tree.child_index_values(path, &index, &mut |place| {
            places.push(place);
            ControlFlow::Continue(())
        })
        .unwrap();
        let expected = node.children().map(|(key, child)| Place { value: index.value(key, child), key: key.clone() });
        assert_eq!(places, expected.collect::<Vec<_>>(), "{index:?}");
    }
}

fn check_log(tree: &Tree<'_>, history: &[(Record, Node)]) {
    let mut entries = Vec::new();
    tree.log(0, &mut |entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(entries.len(), history.len() - 1);
    let mut now = rows(&history.last().unwrap().1);
    for (entry, at) in entries.iter().rev().zip((1..history.len()).rev()) {
        assert_eq!(entry.record, history[at].0);
        for undo in entry.undo.iter().flatten().rev() {
            let key = path_key(&undo.path);
            match &undo.before {
                Some(row) => drop(now.insert(key, row.clone())),
                None => drop(now.remove(&key)),
            }
        }
        assert_eq!(now, rows(&history[at - 1].1), "before record {at}");
    }
}

fn run(ops: &[Op], paths: &[Path], queries: &[Query], other: &Key) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("test.sqlite");
    let options = Options { durability: Durability::Off, ..Options::default() };
    let (mut writer, mut readers) = open(&file, &options).unwrap();
    let epoch = writer.epoch().to_owned();
    let record = Record { seq: 0, time: 0, path: Path::root(), update: false, changes: Vec::new() };
    let mut history = vec![(record, Node::Empty)];
    for op in ops {
        let before = readers.snapshot().unwrap().pinned().unwrap();
        let last = history.last().unwrap().clone();
        match op {
            Op::Commit(records) => {
                let mut batch = writer.begin().unwrap();
                let made = append(&mut batch, records, &last);
                batch.commit().unwrap();
                history.extend(made);
            }
            Op::Drop(records, rules) => {
                let mut batch = writer.begin().unwrap();
                batch.set_rules("dropped", rules).unwrap();
                append(&mut batch, records, &last);
                let crashed = Temp::after_crash(&file);
                assert!(crashed.tree().equals(&Path::root(), &last.1).unwrap());
                check_log(&crashed.tree(), &history);
                check::check_entries(&crashed.tree(), &last.1);
            }
            Op::SetRules(rules) => {
                let mut batch = writer.begin().unwrap();
                batch.set_rules("kept", rules).unwrap();
                batch.commit().unwrap();
                check::check_specs(&writer.tree(), rules);
            }
            Op::Build(steps) => drop(writer.build_some(*steps).unwrap()),
            Op::Reopen => {
                drop(writer);
                (writer, readers) = open(&file, &options).unwrap();
            }
        }
        assert!(before.tree().equals(&Path::root(), &last.1).unwrap(), "a snapshot stays as it was");
        let (record, tree) = history.last().unwrap();
        assert_eq!((writer.epoch(), writer.last_seq(), writer.last_time()), (&*epoch, record.seq, record.time));
        assert!(writer.tree().equals(&Path::root(), tree).unwrap());
        check::check_entries(&writer.tree(), tree);
        assert_eq!(writer.tree().log_start().unwrap(), 1);
    }
    let snapshot = readers.snapshot().unwrap();
    let tree = snapshot.tree();
    assert_eq!(tree.seq().unwrap(), history.last().unwrap().0.seq);
    for path in paths {
        check_reads(&tree, &history.last().unwrap().1, path, other);
    }
    check_log(&tree, &history);
    check_queries(&tree, &history.last().unwrap().1, paths, queries);
    drop(snapshot);
    while writer.build_indexes().unwrap() {}
    assert!(writer.rules_text().unwrap().is_none_or(|text| text == "kept"));
    check::check_entries(&writer.tree(), &history.last().unwrap().1);
    check_queries(&writer.tree(), &history.last().unwrap().1, paths, queries);
}

fn check_queries(tree: &Tree<'_>, whole: &Node, paths: &[Path], queries: &[Query]) {
    for path in paths {
        for query in queries {
            check::check_ordered(tree, whole, path, query);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn store_gives_what_a_node_in_memory_gives(
        ops in prop::collection::vec(op(), 1..12),
        paths in prop::collection::vec(path(), 8),
        queries in prop::collection::vec(check::query(key().boxed(), scalar().boxed()), 8),
        other in key(),
    ) {
        let mut paths = paths;
        paths.push(Path::root());
        run(&ops, &paths, &queries, &other);
    }
}
