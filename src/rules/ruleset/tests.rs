//! Rules files that are good, and what is said of those that are not.

use super::*;
use crate::base::limits::{RULES_DEPTH_MAX, RULES_INDEXES_MAX};
use crate::model::{Key, Segment};

fn rules(text: &str) -> Rules {
    Rules::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    Rules::parse(text).expect_err(text).to_string()
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn child(text: &str) -> Index {
    Index::Child(path(text))
}

const BAD_KEY: &str = r##"Key names can't contain ".", "#", "$", "/", "[", or "]" (unbound names start with "$")"##;

#[test]
fn rules_keep_their_text_and_give_it_as_plain_json() {
    let text = "// who may\n{\"rules\": {\".read\": \"auth != null &&\n\tauth.uid === 'a\\\"b'\", \
        /* open */ \".write\": true}}";
    assert_eq!(rules(text).text(), text);
    let strict = r#"{"rules":{".read":"auth != null &&\n\tauth.uid === 'a\"b'",".write":true}}"#;
    assert_eq!(rules(text).strict_text(), strict);
    assert_eq!(rules(strict).strict_text(), strict);
}

#[test]
fn tree_has_rules_names_and_places_of_expressions() {
    let source = r#"{"rules":{".read":"now > 1","x":{".write":false},"$k":{"$n":{".validate":"$k != $n"}}}}"#;
    let rules = rules(source);
    let root = rules.root();
    let read = root.read.as_ref().unwrap();
    assert_eq!((read.text(), source.get(read.position.column - 1..).unwrap().get(..3)), ("now > 1", Some("now")));
    assert_eq!(root.at(&path("x")).unwrap().write.as_ref().unwrap().text(), "false");
    assert!(root.at(&path("x/y")).is_none());
    let wildcard = root.wildcard.as_ref().unwrap();
    assert_eq!((wildcard.name.as_str(), wildcard.node.wildcard.as_ref().unwrap().name.as_str()), ("$k", "$n"));
    assert!(root.at(&path("any/thing")).unwrap().validate.is_some());
}

#[test]
fn only_what_refuses_nobody_is_open() {
    assert!(Rules::open().is_open());
    assert_eq!(Rules::open(), rules(Rules::open().text()));
    assert!(!Rules::closed().is_open());
    assert_eq!(Rules::closed(), rules(Rules::closed().text()));
    for open in [
        r#"{"rules":{".read":" true; /* all */",".write":"true","a":{".read":false,".indexOn":"h"}}}"#,
        r#"{"rules":{".read":true,".write":true,"$a":{"b":{".validate":true}}}}"#,
    ] {
        assert!(rules(open).is_open(), "{open}");
    }
    for closed in [
        r#"{"rules":{}}"#,
        r#"{"rules":{".read":true}}"#,
        r#"{"rules":{".read":true,".write":"auth != null"}}"#,
        r#"{"rules":{".read":true,".write":true,"$a":{"b":{".validate":"newData.isString()"}}}}"#,
        r#"{"rules":{"a":{".read":true,".write":true}}}"#,
    ] {
        assert!(!rules(closed).is_open(), "{closed}");
    }
}

#[test]
fn index_holds_at_exactly_its_place() {
    let rules = rules(
        r#"{"rules":{
            "dinosaurs": {".indexOn": ["height", "ratings/pos", "height"]},
            "scores": {".indexOn": ".value"},
            "rooms": {"$room": {".indexOn": ".value", "messages": {".indexOn": "/at/"}}, "hall": {}}
        }}"#,
    );
    let table = [
        ("/dinosaurs", child("height"), true),
        ("/dinosaurs", child("ratings/pos"), true),
        ("/dinosaurs", child("ratings"), false),
        ("/dinosaurs", Index::Value, false),
        ("/dinosaurs/x", child("height"), false),
        ("/", child("height"), false),
        ("/scores", Index::Value, true),
        ("/rooms/1", Index::Value, true),
        ("/rooms/1/messages", child("at"), true),
        // Its own rules hide those of `$room`.
        ("/rooms/hall", Index::Value, false),
        ("/rooms/hall/messages", child("at"), false),
        ("/nowhere", Index::Key, true),
        ("/nowhere", Index::Priority, true),
    ];
    for (at, index, expected) in table {
        assert_eq!(rules.is_indexed(&path(at), &index), expected, "{at} {index:?}");
    }
    let key = |text| Segment::Key(Key::parse(text).unwrap());
    let rule = |pattern: Vec<Segment>, index| IndexRule { pattern, index };
    let found = rules.index_rules();
    let expected = [
        rule(vec![key("dinosaurs")], child("height")),
        rule(vec![key("dinosaurs")], child("ratings/pos")),
        rule(vec![key("scores")], Index::Value),
        rule(vec![key("rooms"), Segment::Any], Index::Value),
        rule(vec![key("rooms"), Segment::Any, key("messages")], child("at")),
    ];
    assert_eq!(found.len(), expected.len());
    assert!(expected.iter().all(|rule| found.contains(rule)), "{found:?}");
}

#[test]
fn indexes_by_key_and_priority_are_taken_and_need_nothing() {
    assert_eq!(rules(r#"{"rules":{".indexOn":[".key",".priority"],"a":{".indexOn":[]}}}"#).index_rules(), []);
}

#[test]
fn every_fault_is_told_with_its_place() {
    let source = r#"{
  "rules": {
    ".read": null,
    ".wrong": true,
    "a": true,
    "é": {"b.c": {}, "": {}},
    "$": {},
    "$x": {"$x": {}, "y": {".indexOn": ["ok", 1, "", "$key", "a.b"]}},
    "$z": {".indexOn": {}}
  },
  "other": 1
}"#;
    let expected = format!(
        "3:14: Expected a boolean or an expression in a string.\n\
         4:5: {BAD_KEY}\n\
         5:10: Expected an object.\n\
         6:11: {BAD_KEY}\n\
         6:22: {BAD_KEY}\n\
         7:5: {BAD_KEY}\n\
         8:12: Variable '$x' is already bound.\n\
         8:47: Invalid index.\n\
         8:50: Invalid index.\n\
         8:54: Invalid index.\n\
         8:62: Invalid index.\n\
         9:5: Only one unbound ($) child is allowed.\n\
         9:24: Invalid index.\n\
         11:3: Expected nothing beside the 'rules' property, found \"other\".\n"
    );
    assert_eq!(refused(source), expected);
}

#[test]
fn file_without_rules_is_refused() {
    for source in ["{}", "1", "null", "[]", "\"rules\"", "{/* rules */}"] {
        assert_eq!(refused(source), "1:1: Expected 'rules' property.\n", "{source}");
    }
    assert_eq!(refused("{\"rules\":null}"), "1:10: Expected an object.\n");
}

#[test]
fn text_that_is_no_json_is_a_parse_error_at_its_place() {
    assert_eq!(refused(""), "1:1: Parse error. Expected a value, found the end.\n");
    assert_eq!(refused("{\n \"rules\": {]"), "2:12: Parse error. Expected a name in double quotes, found ']'.\n");
    let error = Rules::parse_bytes(b"{\"rules\":{}} // caf\xe9").unwrap_err().to_string();
    assert_eq!(error, "1:20: Parse error. This byte is not UTF-8.\n");
    assert_eq!(Rules::parse_bytes(b"{\"rules\":{}}"), Ok(rules("{\"rules\":{}}")));
}

#[test]
fn sizes_have_limits() {
    let padded = |len: usize| "{\"rules\":{}}".to_owned() + &" ".repeat(len - 12);
    assert!(Rules::parse(&padded(RULES_BYTES_MAX)).is_ok());
    assert_eq!(refused(&padded(RULES_BYTES_MAX + 1)), "1:1: The rules are longer than 1048576 bytes.\n");

    let nested =
        |depth: usize| format!("{{\"rules\":{}{}}}", "{\"a\":".repeat(depth - 2) + "{}", "}".repeat(depth - 2));
    assert!(Rules::parse(&nested(RULES_DEPTH_MAX)).is_ok());
    assert!(refused(&nested(RULES_DEPTH_MAX + 1)).contains("Parse error. Nested more than 64 deep."));

    let expression =
        |len: usize| format!("{{\"rules\":{{\".read\":\"{}\"}}}}", "true".to_owned() + &" ".repeat(len - 4));
    assert!(Rules::parse(&expression(64 * 1024)).is_ok());
    assert_eq!(refused(&expression(64 * 1024 + 1)), "1:19: The expression is longer than 65536 bytes.\n");

    let indexed = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("\"i{n}\"")).collect();
        format!("{{\"rules\":{{\".indexOn\":[{}]}}}}", names.join(","))
    };
    assert_eq!(rules(&indexed(RULES_INDEXES_MAX)).index_rules().len(), RULES_INDEXES_MAX);
    assert!(refused(&indexed(RULES_INDEXES_MAX + 1)).ends_with(": There are more than 1000 indexes.\n"));

    let wrong: Vec<_> = (0..200).map(|n| format!("\"k{n}\":1")).collect();
    assert_eq!(Rules::parse(&format!("{{\"rules\":{{{}}}}}", wrong.join(","))).unwrap_err().problems.len(), 100);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(
        source in "([{}\\[\\]:,]|\"(rules|\\.indexOn|\\.read|\\$a|a|x)\":?|true|1|//|\n|\\PC)*",
    ) {
        match Rules::parse(&source) {
            Ok(rules) => drop(rules.index_rules()),
            Err(error) => {
                let lines = source.split('\n').count();
                assert!(!error.problems.is_empty() && error.problems.iter().all(|problem| problem.line <= lines));
            }
        }
    }
}
