//! Query objects that clients were seen to send, and what they select.

use serde_json::{Value as Json, json};

use super::*;
use crate::model::{Draft, Key, Node, Value};

fn parse(object: &Json) -> Query {
    Query::from_wire(object).unwrap_or_else(|error| panic!("{object}: {error}"))
}

fn int(value: i64) -> IndexValue {
    IndexValue::Scalar(Scalar::Int(value))
}

fn string(text: &str) -> IndexValue {
    IndexValue::Scalar(Scalar::string(text))
}

fn text_key(text: &str) -> BoundKey {
    BoundKey::Text(text.to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "as a query has it")]
fn bound(value: IndexValue, key: impl Into<Option<BoundKey>>, inclusive: bool) -> Option<Bound> {
    Some(Bound { value, key: key.into(), inclusive })
}

fn child(path: &str) -> Index {
    Index::Child(Path::parse(path).unwrap())
}

/// Every form of the spec's table, in its order.
#[test]
fn forms_that_sdks_send_are_the_queries_they_mean() {
    let all = Query::default;
    let null = || IndexValue::Null;
    let table = [
        (json!({"l":3,"vf":"l"}), Query { limit: Some(Limit::First(3)), ..all() }),
        (json!({"l":2,"vf":"r"}), Query { limit: Some(Limit::Last(2)), ..all() }),
        (
            json!({"sp":null,"l":3,"vf":"l"}),
            Query { start: bound(null(), None, true), limit: Some(Limit::First(3)), ..all() },
        ),
        (
            json!({"sp":5,"sin":true,"i":".value"}),
            Query { index: Index::Value, start: bound(int(5), None, true), ..all() },
        ),
        (json!({"sp":5,"i":".value"}), Query { index: Index::Value, start: bound(int(5), None, true), ..all() }),
        (
            json!({"sp":"x","sin":true,"ep":"x","ein":true,"i":"a"}),
            Query {
                index: child("a"),
                start: bound(string("x"), None, true),
                end: bound(string("x"), None, true),
                ..all()
            },
        ),
        (
            json!({"sp":null,"sin":true,"ep":null,"ein":true,"i":"n"}),
            Query { index: child("n"), start: bound(null(), None, true), end: bound(null(), None, true), ..all() },
        ),
        (
            json!({"sp":5,"sn":"[MAX_NAME]","sin":false,"i":"a/b"}),
            Query { index: child("a/b"), start: bound(int(5), BoundKey::Max, false), ..all() },
        ),
        (json!({"sp":5,"sn":"k","sin":false}), Query { start: bound(int(5), text_key("k"), false), ..all() }),
        (json!({"ep":5,"en":"[MIN_NAME]","ein":false}), Query { end: bound(int(5), BoundKey::Min, false), ..all() }),
        (
            json!({"sp":"r1","sin":false,"i":".key"}),
            Query { index: Index::Key, start: bound(null(), text_key("r1"), false), ..all() },
        ),
        (json!({"sp":null,"sn":"m","sin":true}), Query { start: bound(null(), text_key("m"), true), ..all() }),
        (
            json!({"sp":2,"l":1,"vf":"l","i":"n"}),
            Query { index: child("n"), start: bound(int(2), None, true), limit: Some(Limit::First(1)), ..all() },
        ),
        (
            json!({"sp":null,"sn":"r2","ep":null,"en":"r3"}),
            Query { start: bound(null(), text_key("r2"), true), end: bound(null(), text_key("r3"), true), ..all() },
        ),
        (json!({"i":"x"}), Query { index: child("x"), ..all() }),
        (json!({}), all()),
        // Android: exclusive by a special or a computed key.
        (json!({"sp":5,"sn":"[MAX_KEY]"}), Query { start: bound(int(5), BoundKey::Max, true), ..all() }),
        (
            json!({"sp":"a-","i":".key"}),
            Query { index: Index::Key, start: bound(null(), text_key("a-"), true), ..all() },
        ),
        (
            json!({"sp":"[MAX_KEY]","i":".key"}),
            Query { index: Index::Key, start: bound(null(), BoundKey::Max, true), ..all() },
        ),
        // SDKs before 2.0: null keys, and no `vf`.
        (
            json!({"sp":null,"sn":null,"l":1}),
            Query { start: bound(null(), None, true), limit: Some(Limit::First(1)), ..all() },
        ),
        (json!({"ep":null,"en":"b"}), Query { end: bound(null(), text_key("b"), true), ..all() }),
        (json!({"l":2}), Query { limit: Some(Limit::Last(2)), ..all() }),
        // Beyond what is seen.
        (
            json!({"l":4_294_967_296_u64,"i":".priority","later":{}}),
            Query { limit: Some(Limit::Last(u32::MAX)), ..all() },
        ),
        (json!({"sn":"k","sin":false}), all()),
    ];
    for (object, query) in table {
        assert_eq!(parse(&object), query, "{object}");
    }
}

#[test]
fn boundary_key_that_no_child_may_have_is_taken_as_text() {
    let long = format!("a.{}", "\u{ffff}".repeat(785));
    let query = parse(&json!({"ep":5,"en":long,"i":"n"}));
    assert_eq!(query.end, bound(int(5), text_key(&long), true));
}

#[test]
fn query_that_makes_no_sense_is_refused_in_words() {
    let long = "x".repeat(QUERY_TEXT_BYTES_MAX + 1);
    let table = [
        (json!(null), "it must be an object"),
        (json!([{"l":1}]), "it must be an object"),
        (json!("i"), "it must be an object"),
        (json!({"i":1}), "i must be"),
        (json!({"i":""}), "i must be"),
        (json!({"i":"/"}), "i must be"),
        (json!({"i":".sv"}), "i must be"),
        (json!({"i":"a/.priority"}), "i must be"),
        (json!({"i":"a/".repeat(33)}), "i must be"),
        (json!({"sp":{}}), "sp must be null, a boolean, a number or a string"),
        (json!({"ep":[1]}), "ep must be null, a boolean, a number or a string"),
        (json!({"sp":1,"i":".key"}), "sp must be a string when ordering by key"),
        (json!({"ep":null,"i":".key"}), "ep must be a string when ordering by key"),
        (json!({"sp":1,"sn":2}), "sn must be a string"),
        (json!({"en":{}}), "en must be a string"),
        (json!({"sp":1,"sin":"true"}), "sin must be true or false"),
        (json!({"ep":1,"ein":null}), "ein must be true or false"),
        (json!({"sp":long}), "sp must be of at most 16384 bytes"),
        (json!({"ep":1,"en":long}), "ep must be of at most 16384 bytes"),
        (json!({"l":0}), "l must be a positive integer"),
        (json!({"l":-1}), "l must be a positive integer"),
        (json!({"l":1.5}), "l must be a positive integer"),
        (json!({"l":"1"}), "l must be a positive integer"),
        (json!({"l":null}), "l must be a positive integer"),
        (json!({"l":1,"vf":"left"}), "vf must be l or r"),
        (json!({"l":1,"vf":null}), "vf must be l or r"),
    ];
    for (object, text) in table {
        let error = Query::from_wire(&object).expect_err(text);
        assert!(error.starts_with(&format!("Invalid query: {text}")), "{object}: {error}");
    }
}

fn node(text: &str) -> Node {
    match Draft::parse(text.as_bytes(), 0).map(|draft| draft.value) {
        Ok(Value::Node(node)) => node,
        other => panic!("{text}: {other:?}"),
    }
}

/// The keys that a query selects, in its order, parted by blanks.
fn selected(data: &Node, object: &Json) -> String {
    let query = parse(object);
    let mut places: Vec<_> = data.children().map(|(key, child)| query.place(key, child)).collect();
    places.sort();
    places.retain(|place| query.contains(place));
    match query.limit {
        Some(Limit::First(limit)) => places.truncate(limit as usize),
        Some(Limit::Last(limit)) => drop(places.drain(..places.len().saturating_sub(limit as usize))),
        None => {}
    }
    places.iter().map(|place| place.key.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn forms_select_what_the_sdks_select() {
    let by_n = node(
        r#"{"9":{"n":5}, "10":{"n":5}, "a":{"n":5}, "b":{"n":5,"x":1}, "c":{"n":6}, "d":{"n":"5"}, "e":{"n":{"n":5}},
            "f":{"n":true}, "g":{"n":false}, "h":{"m":1}, "i":1, "j":{"n":-0.5}}"#,
    );
    let priorities = node(
        r#"{"k":{".value":1,".priority":2}, "l":1, "m":1, "n":{".value":1,".priority":"2"},
            "o":{".priority":1,"x":1}}"#,
    );
    let values = node(r#"{"a":3, "b":1, "c":3, "d":"3", "e":{"x":1}, "f":false, "1":3}"#);
    let table = [
        (&by_n, json!({"i":"n"}), "h i g f j 9 10 a b c d e"),
        (&by_n, json!({"i":"n","sp":5,"sin":true}), "9 10 a b c d e"),
        (&by_n, json!({"i":"n","sp":5,"sn":"[MAX_NAME]","sin":false}), "c d e"),
        (&by_n, json!({"i":"n","sp":5,"sn":"[MAX_KEY]"}), "c d e"),
        (&by_n, json!({"i":"n","sp":5,"sn":"10","sin":false}), "a b c d e"),
        (&by_n, json!({"i":"n","sp":5,"sn":"10","sin":true}), "10 a b c d e"),
        (&by_n, json!({"i":"n","sp":5,"sn":"11"}), "a b c d e"),
        // Exclusive, but without a key: the bound lies before all keys, so nothing of that value is left out.
        (&by_n, json!({"i":"n","sp":5,"sin":false,"ep":5,"ein":false}), "9 10 a b"),
        (&by_n, json!({"i":"n","ep":5,"ein":true}), "h i g f j 9 10 a b"),
        (&by_n, json!({"i":"n","ep":5,"en":"[MIN_NAME]","ein":false}), "h i g f j"),
        (&by_n, json!({"i":"n","ep":5,"en":"a","ein":false}), "h i g f j 9 10"),
        (&by_n, json!({"i":"n","ep":5,"en":"a","ein":true}), "h i g f j 9 10 a"),
        (&by_n, json!({"i":"n","sp":5,"sn":"[MAX_NAME]","sin":false,"ep":"5","en":"[MIN_NAME]","ein":false}), "c"),
        (&by_n, json!({"i":"n","sp":5,"sn":"9","sin":false,"ep":5,"en":"b","ein":false}), "10 a"),
        (&by_n, json!({"i":"n","sp":null,"sin":true,"ep":null,"ein":true}), "h i"),
        (&by_n, json!({"i":"n","sp":null,"sn":"[MAX_NAME]","sin":false,"l":2,"vf":"l"}), "g f"),
        (&by_n, json!({"i":"n","sp":"x","sin":true,"ep":"x","ein":true}), ""),
        (&by_n, json!({"i":"n","sp":6,"ep":5}), ""),
        (&by_n, json!({"i":"n/n","sp":5,"ep":5}), "e"),
        (&by_n, json!({"i":"n","sp":5,"l":2,"vf":"l"}), "9 10"),
        (&by_n, json!({"i":"n","sp":5,"l":2,"vf":"r"}), "d e"),
        (&by_n, json!({"i":"n","ep":5,"l":2}), "a b"),
        (&by_n, json!({"i":".key"}), "9 10 a b c d e f g h i j"),
        (&by_n, json!({"i":".key","sp":"10","sin":false,"ep":"c","ein":false}), "a b"),
        (&by_n, json!({"i":".key","sp":"9","ep":"9"}), "9"),
        (&by_n, json!({"i":".key","sp":"a-","l":1,"vf":"l"}), "b"),
        (&by_n, json!({"i":".key","sp":"[MIN_NAME]","ep":"[MAX_NAME]","l":1,"vf":"l"}), "9"),
        (&by_n, json!({"i":".key","sp":"[MAX_KEY]"}), ""),
        (&priorities, json!({}), "l m o k n"),
        (&priorities, json!({"sp":null,"l":3,"vf":"l"}), "l m o"),
        (&priorities, json!({"sp":null,"sn":"m","sin":true}), "m o k n"),
        (&priorities, json!({"sp":null,"sn":"l","ep":null,"en":"m"}), "l m"),
        (&priorities, json!({"sp":1,"sn":"p","sin":true}), "k n"),
        (&priorities, json!({"sp":"","ep":"zz"}), "n"),
        (&values, json!({"i":".value"}), "f b 1 a c d e"),
        (&values, json!({"i":".value","sp":3,"sn":"a","sin":false,"ep":3,"ein":true}), "c"),
        (&values, json!({"i":".value","sp":false,"ep":3.5,"l":2,"vf":"r"}), "a c"),
        (&Node::Empty, json!({"l":3}), ""),
    ];
    for (data, object, keys) in table {
        assert_eq!(selected(data, &object), keys, "{object}");
    }
}

#[test]
fn bound_of_any_key_keeps_exactly_what_sorts_on_its_side() {
    let keys = ["-5", "0", "9", "10", "a", "a-", "z", "😀", "\u{fffd}"];
    let data = Node::inner(keys.iter().map(|key| (Key::parse(key).unwrap(), node("1"))).collect(), None);
    for (at, key) in keys.iter().enumerate() {
        let (before, after) = keys.split_at(at);
        let above = selected(&data, &json!({"i":".value","sp":1,"sn":key,"sin":false}));
        let below = selected(&data, &json!({"i":".key","ep":key,"ein":false}));
        assert_eq!((below, above), (before.join(" "), after[1..].join(" ")));
    }
}

/// Random queries on random data, and what `firebase` 12 (12.19, offline) gave for them: one line per data, in it pairs
/// of query object and keys in order.
const SDK_12: &str = include_str!("sdk12.jsonl");

#[test]
fn random_queries_select_what_sdk_12_selects() {
    let mut count = 0;
    for line in SDK_12.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let data = node(&line["data"].to_string());
        for case in line["queries"].as_array().unwrap() {
            let keys: Vec<_> = case[1].as_array().unwrap().iter().filter_map(Json::as_str).collect();
            assert_eq!(selected(&data, &case[0]), keys.join(" "), "{} of {}", case[0], line["data"]);
            count += 1;
        }
    }
    assert_eq!(count, 240);
}
