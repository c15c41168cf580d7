//! Against the vectors of the spec, and against what the mobile SDKs make of the ranges.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::client::{apply, compound_hash, is_cut_by_size, parse, sha1};
use super::*;
use crate::model::{Format, arbitrary};

fn compare(client: &Json, server: &Node) -> Option<Vec<RangeMerge>> {
    let mut comparison = Comparison::new(CompoundHash::parse(client).unwrap());
    server.walk(&mut |step| comparison.step(step));
    comparison.finish()
}

fn merge(start: Option<&str>, end: Option<&str>, data: &str) -> RangeMerge {
    RangeMerge { start: start.map(str::to_owned), end: end.map(str::to_owned), data: parse(data) }
}

/// The SDK's compound hash with a cut behind each of these places, and at the end.
fn cut_behind(node: &str, places: &[&str]) -> Json {
    compound_hash(&parse(node), &mut |_, path| {
        let path: Vec<_> = path.iter().map(Key::as_str).collect();
        places.contains(&path.join("/").as_str())
    })
}

/// Data, `ps`, `hs` without the last, and preimages, blanks between them.
const VECTORS: &str = include_str!("vectors.tsv");

#[test]
fn hashes_are_those_of_every_vector() {
    for vector in VECTORS.lines() {
        let [data, paths, hashes, preimages] = vector.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let paths: Vec<_> = paths.split(' ').collect();
        let hashes: Vec<_> = hashes.split(' ').collect();
        assert_eq!(preimages.split(' ').map(sha1).collect::<Vec<_>>(), hashes, "{data}");
        let client = json!({"ps": paths, "hs": ([hashes, vec![""]].concat())});
        assert_eq!(compare(&client, &parse(data)), Some(vec![]), "{data}");
        assert_eq!(cut_behind(data, &paths), client, "{data}");
    }
    assert_eq!(VECTORS.lines().count(), 8);
}

#[test]
fn compound_hash_that_is_malformed_is_none() {
    for object in [
        json!(null),
        json!([]),
        json!({"ps": [], "hs": []}),
        json!({"ps": ["a"], "hs": [""]}),
        json!({"ps": [], "hs": ["x", ""]}),
        json!({"ps": ["a"], "hs": ["x", "y"]}),
        json!({"ps": [1], "hs": ["x", ""]}),
        json!({"ps": ["a"], "hs": [null, ""]}),
        json!({"ps": "a", "hs": ["x", ""]}),
        json!({"ps": ["b", "a"], "hs": ["x", "y", ""]}),
        json!({"ps": ["a", "a"], "hs": ["x", "y", ""]}),
        json!({"ps": ["10", "9"], "hs": ["x", "y", ""]}),
        json!({"ps": ["a/b", "a"], "hs": ["x", "y", ""]}),
        json!({"ps": ["a", "a/.priority", "a/!"], "hs": ["x", "y", "z", ""]}),
        json!({"ps": ["a.b"], "hs": ["x", ""]}),
        json!({"ps": ["a/.priority/b"], "hs": ["x", ""]}),
        json!({"ps": ["a/".repeat(33)], "hs": ["x", ""]}),
        json!({"ps": (10_000..20_000).map(|n| n.to_string()).collect::<Vec<_>>(), "hs": vec![""; 10_001]}),
    ] {
        assert_eq!(CompoundHash::parse(&object), None, "{object}");
    }
    for object in [
        json!({"ps": [], "hs": [""]}),
        json!({"ps": ["/"], "hs": ["x", ""]}),
        json!({"ps": [".priority", "a", "a/!", "a/.priority", "a/a"], "hs": ["", "", "", "", "", ""]}),
        json!({"ps": (10_000..19_999).map(|n| n.to_string()).collect::<Vec<_>>(), "hs": vec![""; 10_000]}),
    ] {
        assert!(CompoundHash::parse(&object).is_some(), "{object}");
    }
}

#[test]
fn only_the_range_that_differs_is_sent() {
    let client = cut_behind(r#"{"a":1,"b":{"x":1,"y":2},"c":3,"d":4}"#, &["a", "b/x", "c"]);
    let ranges = |server| compare(&client, &parse(server));
    assert_eq!(
        ranges(r#"{"a":1,"b":{"x":1,"y":5},"c":3,"d":4}"#),
        Some(vec![merge(Some("b/x"), Some("c"), r#"{"b":{"y":5},"c":3}"#)])
    );
    assert_eq!(ranges(r#"{"b":{"x":1,"y":2},"c":3,"d":4}"#), Some(vec![merge(None, Some("a"), "null")]));
    assert_eq!(
        ranges(r#"{"a":1,"b":{"x":1,"y":2},"c":3,"d":4,"e":{"f":5}}"#),
        Some(vec![merge(Some("d"), None, r#"{"e":{"f":5}}"#)])
    );
    assert_eq!(
        ranges(r#"{"a":2,"b":{"x":1,"y":2},"c":3,"d":5}"#),
        Some(vec![merge(None, Some("a"), r#"{"a":2}"#), merge(Some("c"), Some("d"), r#"{"d":5}"#)])
    );
    assert_eq!(ranges("null"), Some(vec![merge(None, Some("d"), "null")]));
    assert_eq!(ranges("7"), Some(vec![merge(None, Some("d"), "7")]));
    assert_eq!(compare(&json!({"ps":[],"hs":[""]}), &parse("7")), Some(vec![merge(None, None, "7")]));
    assert_eq!(compare(&json!({"ps":[],"hs":[""]}), &Node::Empty), Some(vec![]));
}

#[test]
fn neighbouring_ranges_that_differ_are_sent_as_one() {
    let client = cut_behind(r#"{"a":1,"b":2,"c":3}"#, &["a", "b", "c"]);
    assert_eq!(
        compare(&client, &parse(r#"{"a":2,"c":3,"d":4}"#)),
        Some(vec![merge(None, Some("b"), r#"{"a":2}"#), merge(Some("c"), None, r#"{"d":4}"#)])
    );
    assert_eq!(compare(&client, &parse(r#"{"e":5}"#)), Some(vec![merge(None, None, r#"{"e":5}"#)]));
}

#[test]
fn range_behind_a_leaf_with_a_priority_does_not_start_at_it() {
    let before = r#"{"a":{".value":1,".priority":2},"b":3}"#;
    let after = parse(r#"{"a":{".value":1,".priority":2},"b":4}"#);
    let ranges = compare(&cut_behind(before, &["a"]), &after).unwrap();
    assert_eq!(ranges, [merge(Some("a/~"), Some("b"), r#"{"b":4}"#)]);
    assert_eq!(apply(&parse(before), &ranges, false), after);
    // This is what clients would do otherwise.
    let naive = [merge(Some("a"), Some("b"), r#"{"b":4}"#)];
    assert_eq!(apply(&parse(before), &naive, false), parse(r#"{"a":1,"b":4}"#));
}

#[test]
fn priority_that_would_stand_alone_in_a_range_is_not_sent_in_one() {
    let before = r#"{"list":{"1":1,".priority":5,"x":1},"z":1}"#;
    let client = cut_behind(before, &["list/1", "list/x"]);
    let ranges = |server| compare(&client, &parse(server));
    assert!(ranges(r#"{"list":{"1":1,".priority":5,"x":2},"z":1}"#).is_some_and(|ranges| ranges.len() == 1));
    assert_eq!(ranges(r#"{"list":{"1":1,".priority":5},"z":1}"#), None);
    // Clients do not hash this one at all.
    let client = cut_behind(r#"{"list":{"1":1,".priority":5}}"#, &[]);
    assert_eq!(compare(&client, &parse(r#"{"list":{"1":1,".priority":5}}"#)), None);
}

#[test]
fn cut_behind_a_priority_is_served_only_while_nothing_differs() {
    let before = r#"{"foo":{"!a":1,".priority":1,"b":1}}"#;
    let client = cut_behind(before, &["foo/!a", "foo/.priority"]);
    assert_eq!(compare(&client, &parse(before)), Some(vec![]));
    assert_eq!(compare(&client, &parse(r#"{"foo":{".priority":1,"c":1}}"#)), None);
}

#[test]
fn data_above_the_bound_is_not_sent_in_ranges() {
    let small = r#"{"a":1,"c":1}"#;
    let client = cut_behind(small, &["a"]);
    let with = |text: String| parse(&format!(r#"{{"a":1,"b":"{text}","c":1}}"#));
    assert!(compare(&client, &with("x".repeat(RANGE_MERGE_BYTES_MAX / 2))).is_some_and(|ranges| ranges.len() == 1));
    let large = with("x".repeat(RANGE_MERGE_BYTES_MAX));
    assert_eq!(compare(&client, &large), None);
    // Two ranges, each below it.
    let client = cut_behind(r#"{"a":1,"b":1,"c":1}"#, &["a", "b"]);
    let half = "x".repeat(RANGE_MERGE_BYTES_MAX / 2);
    assert_eq!(compare(&client, &parse(&format!(r#"{{"a":"{half}","b":1,"c":"{half}"}}"#))), None);
    // A range that does not differ may be of any size.
    let client = cut_behind(&large.to_json(Format::Export), &["c"]);
    assert_eq!(compare(&client, &large), Some(vec![]));
    let leaves = (0..20_000).map(|n| (Key::index(n), Node::leaf(Scalar::Bool(true))));
    let large = Node::inner(leaves.collect(), None);
    assert_eq!(compare(&client, &large), None);
    let client = compound_hash(&large, &mut |_, _| false);
    assert_eq!(compare(&client, &large), Some(vec![]));
}

/// One change of a tree, anywhere or at one of its leaves.
#[derive(Clone, Debug)]
struct Edit {
    at: Result<Path, (Index, usize)>,
    change: Result<Node, Option<Scalar>>,
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = prop_oneof![arbitrary::path(3).prop_map(Ok), (any::<Index>(), 0..3_usize).prop_map(Err)];
    let change = prop_oneof![
        2 => Just(Ok(Node::Empty)),
        4 => (arbitrary::scalar(), arbitrary::priority())
            .prop_map(|(value, priority)| Ok(Node::Leaf { value, priority })),
        2 => arbitrary::node().prop_map(Ok),
        2 => arbitrary::priority().prop_map(Err),
    ];
    (at, change).prop_map(|(at, change)| Edit { at, change })
}

fn leaf_paths(node: &Node, path: &Path, all: &mut Vec<Path>) {
    if !matches!(node, Node::Inner(_)) {
        all.push(path.clone());
    }
    for (key, child) in node.children() {
        leaf_paths(child, &path.child(key.clone()), all);
    }
}

impl Edit {
    fn apply(&self, node: &mut Node) {
        let path = match &self.at {
            Ok(path) => path.clone(),
            Err((index, up)) => {
                let mut all = vec![];
                leaf_paths(node, &Path::root(), &mut all);
                let path = index.get(&all).keys();
                Path::from_keys(path[..path.len().saturating_sub(*up)].to_vec())
            }
        };
        match &self.change {
            Ok(value) => node.set(path.keys(), value.clone()),
            Err(priority) => node.set_priority(path.keys(), priority.clone()),
        }
    }
}

#[derive(Clone, Debug)]
enum Cuts {
    /// By what is in the list, for the leaves one after the other, over and over; behind priorities or not.
    At(Vec<bool>, bool),
    /// Above so many characters.
    Chars(usize),
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let list = || prop::collection::vec(any::<bool>(), 1..8);
    prop_oneof![
        4 => list().prop_map(|list| Cuts::At(list, false)),
        1 => list().prop_map(|list| Cuts::At(list, true)),
        2 => (0..300_usize).prop_map(Cuts::Chars),
    ]
}

impl Cuts {
    fn compound_hash(&self, node: &Node) -> Json {
        let mut turn = 0;
        compound_hash(node, &mut |text, path| {
            let is_priority = path.last().is_some_and(|key| key.as_str() == PRIORITY);
            turn += 1;
            match self {
                Self::At(list, priorities) => list[turn % list.len()] && (*priorities || !is_priority),
                Self::Chars(chars) => text.encode_utf16().count() > *chars && !is_priority,
            }
        })
    }
}

/// Whether a client holds what the server has. Of a priority that sorts behind all children clients do not say that
/// they have it, so they may keep one that is gone until the next time.
fn is_same(client: &Node, server: &Node) -> bool {
    let (Node::Inner(a), Node::Inner(b)) = (client, server) else { return client == server };
    let is_last = a.children.keys().all(|key| cmp_text(key.as_str(), PRIORITY).is_lt());
    (a.priority == b.priority || (is_last && b.priority.is_none()))
        && a.children.len() == b.children.len()
        && a.children.iter().zip(&b.children).all(|((a, x), (b, y))| a == b && is_same(x, y))
}

fn inner_priorities(node: &Node) -> usize {
    let own = usize::from(matches!(node, Node::Inner(_)) && node.priority().is_some());
    own + node.children().map(|(_, child)| inner_priorities(child)).sum::<usize>()
}

/// All places of a range's data lie within the range.
fn is_within(merge: &RangeMerge) -> bool {
    let cut = |text: &Option<String>| text.as_ref().map(|text| Cut::parse(text).unwrap().keys);
    let (start, end) = (cut(&merge.start), cut(&merge.end));
    let mut all = vec![];
    leaf_paths(&merge.data, &Path::root(), &mut all);
    let is_within = |path: &Path| {
        let keys = path.keys();
        start.as_ref().is_none_or(|start| keys > start.as_slice())
            && end.as_ref().is_none_or(|end| keys <= end.as_slice())
    };
    merge.data.is_empty() || all.iter().all(is_within)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn client_that_applies_the_ranges_holds_what_the_server_has(
        server in arbitrary::node(),
        other in arbitrary::node(),
        edits in prop::collection::vec(edit(), 0..6),
        is_other in prop::bool::weighted(0.1),
        cuts in cuts(),
    ) {
        let mut client = if is_other { other } else { server.clone() };
        for edit in &edits {
            edit.apply(&mut client);
        }
        let ranges = compare(&cuts.compound_hash(&client), &server);
        if inner_priorities(&server) == 0 && !matches!(cuts, Cuts::At(_, true)) {
            prop_assert!(ranges.is_some());
        }
        if let Some(ranges) = ranges {
            for backwards in [false, true] {
                let updated = apply(&client, &ranges, backwards);
                prop_assert!(is_same(&updated, &server), "{:?}: {:?} became {:?}", ranges, client, updated);
            }
            prop_assert!(ranges.iter().all(is_within), "{:?}", ranges);
            prop_assert!(ranges.iter().filter_map(|range| range.end.as_ref()).count() + 1 >= ranges.len());
            if client == server && inner_priorities(&server) == 0 {
                prop_assert_eq!(ranges, []);
            }
        }
    }
}

#[test]
fn large_tree_with_a_few_changes_costs_little() {
    let person = |n: usize| format!(r#"{{"name":"Person number {n}","mail":"p{n}@example.org",".priority":{n}}}"#);
    let people: Vec<_> = (0..2_000).map(|n| format!(r#""-N{n:05}":{}"#, person(n))).collect();
    let client = parse(&format!("{{{}}}", people.join(",")));
    let mut server = client.clone();
    let size = client.to_json(Format::Export).len();
    #[expect(clippy::cast_precision_loss, reason = "it is small")]
    let hash = compound_hash(&client, &mut |text, path| is_cut_by_size(size as f64, text, path));
    let ranges = hash["ps"].as_array().unwrap().len();
    assert!((40..80).contains(&ranges), "{ranges}");
    assert_eq!(compare(&hash, &server), Some(vec![]));
    let path = |text: &str| Path::parse(text).unwrap();
    server.set(path("-N00100/name").keys(), Node::leaf(Scalar::string("Else")));
    server.set(path("-N00700").keys(), Node::Empty);
    server.set(path("-N02001/name").keys(), Node::leaf(Scalar::string("New")));
    let ranges = compare(&hash, &server).unwrap();
    assert_eq!(ranges.len(), 3);
    assert_eq!(apply(&client, &ranges, false), server);
    let sent: usize = ranges.iter().map(|range| range.data.to_json(Format::Export).len()).sum();
    assert!(sent < size / 15, "{sent} of {size}");
}
