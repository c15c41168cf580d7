//! Indexes on real files: what they cost, how they come and go, and where order is hardest.

use std::ops::ControlFlow;
use std::sync::Arc;

use rusqlite::Connection;

use super::super::encode::path_key;
use super::super::testing::{Temp, index_rule, node, path, set};
use super::super::{Options, Tree, open};
use super::check::{check_entries, check_ordered, check_specs};
use super::spec::{Indexes, Spec, State};
use crate::model::order::IndexValue;
use crate::model::{Bound, BoundKey, Change, Index, Key, Limit, Node, Path, Query, Scalar, Value};

fn by(on: &str, limit: Limit) -> Query {
    Query { index: index_rule("", on).index, limit: Some(limit), ..Query::default() }
}

fn bound(value: Scalar) -> Bound {
    Bound { value: IndexValue::Scalar(value), key: None, inclusive: true }
}

fn specs(temp: &Temp) -> Arc<Vec<Spec>> {
    Indexes::load(temp.tree().conn).unwrap().specs
}

/// Keys that a query gives, as far as `max`.
fn keys(tree: &Tree<'_>, at: &str, query: &Query, max: usize) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let visited = tree.ordered(&path(at), query, &mut |place| {
        keys.push(place.key.to_string());
        if keys.len() == max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    visited.unwrap().then_some(keys)
}

/// `/list` with children `k000000`.., made by `child` of their numbers.
fn list(temp: &mut Temp, len: u32, child: impl Fn(u32) -> String) {
    for from in (0..len).step_by(10_000) {
        let changes = (from..len.min(from + 10_000)).map(|at| set(&format!("/list/k{at:06}"), node(&child(at))));
        temp.commit(changes.collect(), 0);
    }
}

/// A list of 200,000 leaves, each with its rank as value and priority. The rows are put there by themselves, as in a
/// file of the first schema, which is quicker than by records.
fn long_list() -> Temp {
    let mut temp = Temp::new();
    let mut conn = Connection::open(&temp.file).unwrap();
    let rows = conn.transaction().unwrap();
    let mut insert = rows.prepare("INSERT INTO node (key, value, priority) VALUES (?1, ?2, ?2)").unwrap();
    // 7 has no common divisor with 200,000: every rank comes once.
    for at in 0..200_000_u32 {
        insert.execute((path_key(&path(&format!("/list/k{at:06}"))), at * 7 % 200_000)).unwrap();
    }
    drop(insert);
    rows.execute("INSERT INTO meta (name, value) VALUES ('priorities', 1)", []).unwrap();
    rows.commit().unwrap();
    drop(conn);
    temp = Temp::after_crash(&temp.file);
    temp.index(&[("/list", ".value")]);
    temp
}

#[test]
fn window_on_200_000_children_reads_what_it_holds() {
    let temp = long_list();
    let number = |value: i64| Some(Bound { value: IndexValue::Scalar(Scalar::Int(value)), key: None, inclusive: true });
    let rank = |key: &str| key.strip_prefix('k').unwrap().parse::<u32>().unwrap() * 7 % 200_000;
    let check = |query: Query, expected: [u32; 3]| {
        let mut seen = Vec::new();
        let steps = temp.steps(|tree| seen = keys(tree, "/list", &query, 3).unwrap());
        assert_eq!(seen.iter().map(|key| rank(key)).collect::<Vec<_>>(), expected, "{query:?}");
        assert!(steps < 200, "{steps} steps for {query:?}");
    };
    for index in [Index::Value, Index::Priority] {
        let query = |limit| Query { index: index.clone(), limit, ..Query::default() };
        let (first, last) = (Some(Limit::First(3)), Some(Limit::Last(3)));
        check(query(first), [0, 1, 2]);
        check(query(last), [199_999, 199_998, 199_997]);
        for limit in [None, first] {
            check(Query { start: number(100_000), end: number(150_000), ..query(limit) }, [100_000, 100_001, 100_002]);
        }
        check(Query { start: number(100_000), end: number(150_000), ..query(last) }, [150_000, 149_999, 149_998]);
    }
    assert!(temp.steps(|tree| assert!(tree.has_child_priority(&path("/list")).unwrap())) < 50);
}

#[test]
fn children_without_priorities_are_in_key_order_at_no_cost() {
    let mut temp = Temp::new();
    list(&mut temp, 20_000, |at| format!(r#"{{"a":{at},"b":{{".value":1,".priority":1}}}}"#));
    temp.write(&[("/other", r#"{"x":{".value":1,".priority":1}}"#)]);
    let last = Query { limit: Some(Limit::Last(2)), ..Query::default() };
    let middle =
        Some(Bound { value: IndexValue::Null, key: Some(BoundKey::Text("k010000".to_owned())), inclusive: false });
    let check = |query: Query, expected: [&str; 2]| {
        let steps = temp.steps(|tree| assert_eq!(keys(tree, "/list", &query, 2).unwrap(), expected));
        assert!(steps < 200, "{steps} steps");
    };
    check(last.clone(), ["k019999", "k019998"]);
    check(Query { end: middle.clone(), ..last }, ["k009999", "k009998"]);
    check(Query { start: middle, ..Query::default() }, ["k010001", "k010002"]);
    assert!(temp.steps(|tree| assert!(!tree.has_child_priority(&path("/list")).unwrap())) < 50);
}

/// Rows that a write changes, of whatever table.
fn rows_changed(temp: &mut Temp, change: Change) -> u64 {
    let before = temp.tree().conn.total_changes();
    temp.commit(vec![change], 0);
    temp.tree().conn.total_changes() - before
}

#[test]
fn entry_is_touched_only_when_its_place_changes() {
    let (mut plain, mut indexed) = (Temp::new(), Temp::new());
    indexed.set_rules(&[("/list", "score"), ("/list", "name")]);
    for temp in [&mut plain, &mut indexed] {
        let child = |at| format!(r#"{{".priority":{at},"score":{at},"name":"{}","text":"t"}}"#, "x".repeat(300));
        list(temp, 100, child);
    }
    while indexed.writer.build_indexes().unwrap() {}
    let mut more = |at: &str, json: &str| {
        let change = || set(at, node(json));
        rows_changed(&mut indexed, change()) - rows_changed(&mut plain, change())
    };
    assert_eq!(more("/list/k000007/text", "\"u\""), 0);
    assert_eq!(more("/list/k000007/score", "7"), 0);
    assert_eq!(more("/list/k000007/score", "8"), 2);
    let cut = format!("\"{}other\"", "x".repeat(290));
    assert_eq!(more("/list/k000007/name", &cut), 0, "the same as far as an entry goes");
    // The whole list again, with one score changed.
    let mut whole = plain.tree().node(&path("/list")).unwrap();
    whole.set(path("k000009/score").keys(), node("900"));
    let change = || set("/list", whole.clone());
    assert_eq!(rows_changed(&mut indexed, change()), rows_changed(&mut plain, change()) + 2);
    check_entries(&indexed.tree(), &indexed.tree().node(&Path::root()).unwrap());
    assert_eq!(rows_changed(&mut plain, set("/elsewhere", node("1"))), 2, "the row and the log");
}

/// Children in runs of equal beginnings, the longest one of `len`, between others.
fn runs(len: u32) -> Node {
    let long = |first: &str, tail: &str| {
        let text = Scalar::string(first.repeat(260) + tail);
        Node::Leaf { value: text.clone(), priority: Some(text) }
    };
    let mut node = Node::Empty;
    for at in 0..len {
        // 7 divides no `len` that is used: the order is another one than that of the keys.
        let tail = format!("{:04}", at * 7 % len);
        node.set(&[Key::parse(&format!("m{at:04}")).unwrap()], long("m", &tail));
    }
    for (key, first, tail) in [("a1", "a", "9"), ("a2", "a", "2"), ("z1", "z", "9"), ("z2", "z", "2")] {
        node.set(&[Key::parse(key).unwrap()], long(first, tail));
    }
    for (key, value) in [("n", "\"m\""), ("o", "\"mz\""), ("p", "7"), ("q", r#"{"x":1}"#)] {
        node.set(&[Key::parse(key).unwrap()], super::super::testing::node(value));
    }
    node
}

fn indexed_runs(len: u32) -> Temp {
    let mut temp = Temp::new();
    temp.commit(vec![set("/runs", runs(len))], 0);
    temp.index(&[("/runs", ".value")]);
    temp
}

#[test]
fn long_texts_of_equal_beginning_are_in_their_real_order() {
    let temp = indexed_runs(60);
    let whole = temp.tree().node(&Path::root()).unwrap();
    let text = |tail: &str| Some(bound(Scalar::string("m".repeat(260) + tail)));
    let with_key = |bound: Option<Bound>, key: &str| {
        bound.map(|bound| Bound { key: Some(BoundKey::Text(key.to_owned())), inclusive: false, ..bound })
    };
    let bounds = [
        (None, None),
        (text("0010"), None),
        (text("0010x"), text("0013")),
        (with_key(text("0010"), "m0010"), with_key(text("0015"), "m0000")),
        (None, text("")),
        (Some(bound(Scalar::string("m"))), Some(bound(Scalar::string("mz")))),
    ];
    for (start, end) in bounds {
        for limit in [None, Some(Limit::First(5)), Some(Limit::Last(5))] {
            for index in [Index::Value, Index::Priority] {
                let query = Query { index, start: start.clone(), end: end.clone(), limit };
                check_ordered(&temp.tree(), &whole, &path("/runs"), &query);
            }
        }
    }
}

#[test]
fn run_that_is_read_in_parts_comes_whole_and_in_order() {
    let temp = indexed_runs(1_020);
    let mut expected: Vec<(u32, String)> = (0..1_020).map(|at| (at * 7 % 1_020, format!("m{at:04}"))).collect();
    expected.sort();
    let mut expected: Vec<String> = expected.into_iter().map(|(_, key)| key).collect();
    let seen = |limit| {
        let query = Query { index: Index::Value, limit, ..Query::default() };
        let keys = keys(&temp.tree(), "/runs", &query, usize::MAX).unwrap();
        keys.into_iter().filter(|key| key.starts_with('m')).collect::<Vec<_>>()
    };
    assert_eq!(seen(None), expected);
    expected.reverse();
    assert_eq!(seen(Some(Limit::Last(1))), expected);
}

#[test]
fn index_serves_once_it_is_complete_and_goes_on_after_a_restart() {
    let mut temp = Temp::new();
    let room =
        |at: u32| format!(r#"{{"a":{at},"list":{{"x":{{"n":{at}}},"y":{{"n":-{at}}}}},"z":{{"list":{{"x":1}}}}}}"#);
    temp.write(&[("/b", "1"), ("/rooms", r#"{".priority":1,"none":"leaf"}"#), ("/z", "2")]);
    (0..50).for_each(|at| drop(temp.write(&[(&format!("/rooms/r{at}"), &room(at))])));
    temp.set_rules(&[("/rooms/$/list", "n"), ("/rooms", "a"), ("/$/r1/$", ".value")]);
    let query = by("n", Limit::First(2));
    let mut chunks = 0;
    loop {
        let is_ready = temp.tree().is_ordered(&path("/rooms/r7/list"), &query.index).unwrap();
        assert_eq!(keys(&temp.tree(), "/rooms/r7/list", &query, 9).is_some(), is_ready);
        let whole = temp.tree().node(&Path::root()).unwrap();
        check_entries(&temp.tree(), &whole);
        temp = Temp::after_crash(&temp.file);
        check_entries(&temp.tree(), &whole);
        chunks += 1;
        if !temp.writer.build_some(7).unwrap() {
            break;
        }
    }
    assert!(chunks > 20, "{chunks}");
    check_entries(&temp.tree(), &temp.tree().node(&Path::root()).unwrap());
    assert_eq!(keys(&temp.tree(), "/rooms/r7/list", &query, 9).unwrap(), ["y", "x"]);
    assert_eq!(keys(&temp.tree(), "/rooms/none/list", &query, 9).unwrap(), [""; 0]);
    assert_eq!(keys(&temp.tree(), "/rooms/r7", &query, 9), None);
    assert_eq!(keys(&temp.tree(), "/rooms/r7/list", &by("a", Limit::First(2)), 9), None);
}

#[test]
fn rules_that_stay_keep_their_index_and_others_lose_it_bit_by_bit() {
    let mut temp = Temp::new();
    list(&mut temp, 100, |at| format!(r#"{{"a":{at},"b":{at}}}"#));
    temp.index(&[("/list", "a"), ("/list", "b"), ("/list", "a")]);
    check_specs(&temp.tree(), &[index_rule("/list", "a"), index_rule("/list", "b")]);
    let kept = specs(&temp)[1].id;

    temp.set_rules(&[("/list", "b"), ("/$", "a")]);
    let served = |temp: &Temp, on| temp.tree().is_ordered(&path("/list"), &index_rule("", on).index).unwrap();
    assert!(served(&temp, "b") && !served(&temp, "a"));
    let entries = |temp: &Temp| temp.tree().conn.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap();
    let mut counts: Vec<u32> = vec![entries(&temp)];
    while temp.writer.build_some(10).unwrap() {
        counts.push(entries(&temp));
    }
    assert_eq!((counts[0], counts.iter().max().unwrap(), entries(&temp)), (200, &300, 200));
    assert!(counts.contains(&250), "deleted in chunks: {counts:?}");
    assert!(served(&temp, "b") && served(&temp, "a"));
    let specs = specs(&temp);
    assert_eq!((specs.len(), specs[0].id, &specs[0].state), (2, kept, &State::Ready));

    let mut batch = temp.writer.begin().unwrap();
    let mut odd = index_rule("/list", "b");
    odd.index = Index::Priority;
    batch.set_rules("{}", &[odd]).unwrap();
    batch.commit().unwrap();
    assert!(!temp.writer.build_indexes().unwrap() || !temp.writer.build_indexes().unwrap());
    assert_eq!(entries(&temp), 0);
    assert_eq!(temp.writer.rules_text().unwrap().as_deref(), Some("{}"));
}

#[test]
fn rules_of_a_dropped_batch_leave_no_trace() {
    let mut temp = Temp::new();
    temp.write(&[("/list", r#"{"x":1,"y":2}"#)]);
    assert_eq!(temp.writer.rules_text().unwrap(), None);
    let mut batch = temp.writer.begin().unwrap();
    batch.set_rules("{}", &[index_rule("/list", ".value")]).unwrap();
    drop(batch);
    assert_eq!(temp.writer.rules_text().unwrap(), None);
    assert!(!temp.writer.build_indexes().unwrap());
    temp.write(&[("/list/x", "3")]);
    assert!(!temp.tree().is_ordered(&path("/list"), &Index::Value).unwrap());
}

#[test]
fn priority_order_begins_with_the_first_priority_and_ends_with_its_node() {
    let mut temp = Temp::new();
    let order = |temp: &Temp| keys(&temp.tree(), "/a", &Query::default(), 9).unwrap().concat();
    let entries =
        |temp: &Temp| temp.tree().conn.query_row("SELECT count(*) FROM entry", [], |row| row.get::<_, u32>(0)).unwrap();
    temp.write(&[("/a", r#"{"x":1,"y":{"z":2},"w":3}"#)]);
    assert_eq!((order(&temp).as_str(), entries(&temp)), ("wxy", 0));
    let priority = |value| Change { path: path("/a/w"), value: Value::Priority(value) };
    temp.commit(vec![priority(Some(Scalar::Int(1)))], 0);
    assert_eq!((order(&temp).as_str(), entries(&temp)), ("xyw", 3));
    temp.write(&[("/a/v/deep", "1"), ("/a/y/z", "null")]);
    assert_eq!((order(&temp).as_str(), entries(&temp)), ("vxw", 3));
    temp.commit(vec![priority(None)], 0);
    assert_eq!((order(&temp).as_str(), entries(&temp)), ("vwx", 3));
    assert!(!temp.tree().has_child_priority(&path("/a")).unwrap());
    temp.write(&[("/a", r#"{"x":1,"y":2}"#)]);
    assert_eq!((order(&temp).as_str(), entries(&temp)), ("xy", 0));
}

/// A file as the first schema made it, closed.
fn file_of_the_first_schema(file: &std::path::Path, tree: &str) {
    let mut temp = Temp::new();
    temp.write(&[("/", tree)]);
    temp.checkpoint();
    std::fs::copy(&temp.file, file).unwrap();
    let conn = Connection::open(file).unwrap();
    conn.execute_batch(
        "DROP TABLE entry; DROP TABLE index_spec; ALTER TABLE on_disconnect DROP COLUMN who;
         DELETE FROM refinery_schema_history WHERE version > 1;
         INSERT INTO meta (name, value) SELECT 'priorities', 1 FROM node WHERE priority IS NOT NULL LIMIT 1;",
    )
    .unwrap();
}

#[test]
fn file_of_the_first_schema_gets_its_entries_when_opened() {
    let dir = tempfile::TempDir::new().unwrap();
    let json = r#"{".priority":9,"a":{"x":{".value":1,".priority":"p"},"y":2,
        "z":{".priority":1,"d":{".value":1,".priority":2}}}}"#;
    for (tree, entries) in [(json, 4), (r#"{"a":{"x":1}}"#, 0)] {
        let file = dir.path().join(format!("{entries}.sqlite"));
        file_of_the_first_schema(&file, tree);
        for _ in 0..2 {
            let (writer, _readers) = open(&file, &Options::default()).unwrap();
            assert_eq!(writer.tree().node(&Path::root()).unwrap(), node(tree));
            check_entries(&writer.tree(), &node(tree));
            let count: u32 = writer.tree().conn.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap();
            assert_eq!((count, writer.last_seq()), (entries, 1));
        }
    }
}

#[test]
fn migration_that_was_cut_short_after_the_schema_makes_the_entries_later() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("test.sqlite");
    let tree = r#"{"a":{"x":{".value":1,".priority":1},"y":2}}"#;
    file_of_the_first_schema(&file, tree);
    drop(open(&file, &Options::default()).unwrap());
    // As the crash would have left it: tables without entries, and the mark that they are due.
    let conn = Connection::open(&file).unwrap();
    conn.execute_batch("DELETE FROM entry; INSERT INTO meta (name, value) VALUES ('priorities', 1)").unwrap();
    drop(conn);
    let (writer, _readers) = open(&file, &Options::default()).unwrap();
    check_entries(&writer.tree(), &node(tree));
    assert!(writer.tree().has_child_priority(&path("/a")).unwrap());
}
