//! Rules files, and what they say when they are asked.
//!
//! Rules that are taken are the same again when read from what they are written as, and an explanation never decides
//! otherwise than the verdict that it explains; those that are refused say where.

#![no_main]

use beaconfire::model::{Draft, Identity, Index, Node, Path, Query, Value};
use beaconfire::rules::{Asker, Rules, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| match Rules::parse_bytes(data) {
    Ok(rules) => {
        let strict = Rules::parse(&rules.strict_text()).expect("strict text is rules");
        assert_eq!(indexes(&strict), indexes(&rules));
        assert_eq!(strict.is_open(), rules.is_open());
        for rule in rules.index_rules() {
            assert!(matches!(rule.index, Index::Value | Index::Child(_)), "{rule:?}");
        }
        let place = Path::parse("/rooms/r1").expect("a path");
        assert_eq!(strict.is_indexed(&place, &Index::Value), rules.is_indexed(&place, &Index::Value));
        rules.count_coverage(true);
        for place in ["/", "/rooms", "/rooms/r1/name"] {
            ask(&rules, &strict, &Path::parse(place).expect("a path"));
        }
        assert!(serde_json::to_string(&rules.coverage()).is_ok());
    }
    Err(error) => {
        assert!(!error.problems.is_empty() && !error.to_string().is_empty());
        assert!(error.problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
    }
});

/// Asks both for everything at a place.
fn ask(rules: &Rules, strict: &Rules, place: &Path) {
    let identity = Identity::of(serde_json::json!({"uid": "alice", "admin": true, "list": ["a", 1, null]}));
    let asker = Asker { identity: &identity, now: 1_000 };
    let before = node(r#"{"rooms":{"r1":{"name":"lobby","n":1,"alice":true}},"users":{"alice":{"age":5.5}}}"#);
    let after = node(r#"{"rooms":{"r1":{"name":"hall","n":2}},"users":{"bob":{".value":"x",".priority":3}}}"#);
    let query = Query::default();
    let read = rules.may_read(&asker, place, &query, &before).expect("memory can be read");
    let written = rules.may_write(&asker, place, after.at(place), &before, &after).expect("memory can be read");
    let explained = rules.explain_read(&asker, place, &query, &before).expect("memory can be read");
    assert_eq!(explained.allowed, read == Verdict::Allowed);
    let explained = rules.explain_write(&asker, place, after.at(place), &before, &after).expect("memory can be read");
    assert_eq!(explained.allowed, written == Verdict::Allowed);
    let again = strict.may_read(&asker, place, &query, &before).expect("memory can be read");
    assert_eq!(again == Verdict::Allowed, read == Verdict::Allowed);
}

fn node(text: &str) -> Node {
    match Draft::parse(text.as_bytes(), 0).expect("data").value {
        Value::Node(node) => node,
        Value::Priority(_) => unreachable!(),
    }
}

/// The indexes that are asked for, in one order.
fn indexes(rules: &Rules) -> Vec<String> {
    let mut all: Vec<_> = rules.index_rules().iter().map(|rule| format!("{rule:?}")).collect();
    all.sort();
    all
}
