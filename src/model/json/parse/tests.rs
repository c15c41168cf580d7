//! Tests of reading data: what each rule makes of a text, and what hostile text meets.

use proptest::prelude::*;

use super::*;
use crate::model::arbitrary;
use crate::model::{Format, Node, Path, Placeholder, ServerValue, Value};

fn parse(text: &str) -> Result<Draft, DataError> {
    Draft::parse(text.as_bytes(), 0)
}

fn node(text: &str) -> Node {
    match parse(text) {
        Ok(Draft { value: Value::Node(node), placeholders }) if placeholders.is_empty() => node,
        other => panic!("{text}: {other:?}"),
    }
}

/// Reads each left text and compares its export format with the right one.
#[track_caller]
fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(node(text).to_json(Format::Export), *expected, "{text}");
    }
}

#[track_caller]
fn check_errors(table: &[(&str, DataError)]) {
    for (text, expected) in table {
        assert_eq!(parse(text).as_ref(), Err(expected), "{text}");
    }
}

/// The server values in a text, as `path slot value`.
fn held(text: &str) -> Vec<String> {
    let show = |Placeholder { path, slot, server_value }: &Placeholder| match server_value {
        ServerValue::Timestamp => format!("{path} {slot:?} timestamp"),
        ServerValue::Increment(by) => format!("{path} {slot:?} {}", Node::leaf(by.clone()).to_json(Format::Plain)),
    };
    parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).placeholders.iter().map(show).collect()
}

#[test]
fn data_loses_nulls_and_empty_containers() {
    check(&[
        ("null", "null"),
        ("{}", "null"),
        ("[]", "null"),
        (r#"{"a":null,"b":{"c":[]}}"#, "null"),
        (r#"{"a":1,"b":null,"c":{"d":{}}}"#, r#"{"a":1}"#),
        (r#"[null,[],{"x":null}]"#, "null"),
        (r#"{".priority":3}"#, "null"),
        (r#"{".priority":3,"a":null}"#, "null"),
        (r#"{".value":null,".priority":3}"#, "null"),
    ]);
}

#[test]
fn array_becomes_map_and_is_shown_as_array_again() {
    let table = [
        (r#"["a","b",null,"d"]"#, r#"{"0":"a","1":"b","3":"d"}"#, r#"["a","b",null,"d"]"#),
        (r#"{"1":"a"}"#, r#"{"1":"a"}"#, r#"[null,"a"]"#),
        (r#"{"2":"a"}"#, r#"{"2":"a"}"#, r#"{"2":"a"}"#),
        (r#"{"2":2,"0":0}"#, r#"{"0":0,"2":2}"#, "[0,null,2]"),
        (r#"{"01":1}"#, r#"{"01":1}"#, r#"{"01":1}"#),
        (r#"{"0":1,"-1":1}"#, r#"{"-1":1,"0":1}"#, r#"{"-1":1,"0":1}"#),
        (r#"{"0":1,"a":1}"#, r#"{"0":1,"a":1}"#, r#"{"0":1,"a":1}"#),
        (r#"[[1],{"a":[true]}]"#, r#"{"0":{"0":1},"1":{"a":{"0":true}}}"#, r#"[[1],{"a":[true]}]"#),
        (r#"{".priority":1,"0":"a"}"#, r#"{".priority":1,"0":"a"}"#, r#"["a"]"#),
    ];
    for (text, exported, shown) in table {
        assert_eq!(node(text).to_json(Format::Export), exported, "{text}");
        assert_eq!(node(text).to_json(Format::Plain), shown, "{text}");
    }
}

#[test]
fn duplicate_key_keeps_the_last() {
    check(&[
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"a":1,"a":null}"#, "null"),
        (r#"{"a":{"x":1},"a":{"y":2}}"#, r#"{"a":{"y":2}}"#),
        (r#"{"a":1,".priority":1,".priority":2}"#, r#"{".priority":2,"a":1}"#),
        (r#"{".value":1,".value":2}"#, "2"),
        (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
    ]);
}

#[test]
fn value_and_priority_make_a_leaf_and_win_over_children() {
    check(&[
        (r#"{".value":"x",".priority":2}"#, r#"{".value":"x",".priority":2}"#),
        (r#"{".priority":"p",".value":false}"#, r#"{".value":false,".priority":"p"}"#),
        (r#"{".value":1}"#, "1"),
        (r#"{".value":1,".priority":null}"#, "1"),
        (r#"{"a":1,".value":5,"b":{"c":1}}"#, "5"),
        (r#"{"a":1,".value":null}"#, r#"{"a":1}"#),
        (
            r#"{"a":{".value":1,".priority":1.5},".priority":""}"#,
            r#"{".priority":"","a":{".value":1,".priority":1.5}}"#,
        ),
    ]);
}

#[test]
fn number_is_integer_if_written_so_and_in_range() {
    check(&[
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9007199254740993", "9007199254740993"),
        ("9223372036854775808", "9.223372036854776e+18"),
        ("1.0", "1"),
        ("1e2", "100"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0.1", "0.1"),
        ("1e300", "1e+300"),
        ("5e-324", "5e-324"),
        ("2.2250738585072011e-308", "2.225073858507201e-308"),
        ("1e-400", "0"),
        ("4.5623", "4.5623"),
    ]);
}

#[test]
fn server_value_is_held_with_its_place() {
    assert_eq!(held(r#"{".sv":"timestamp"}"#), ["/ Value timestamp"]);
    assert_eq!(held(r#"{"a":{"b":{".sv":{"increment":-2.5}}}}"#), ["/a/b Value -2.5"]);
    assert_eq!(held(r#"[{".sv":"timestamp"}]"#), ["/0 Value timestamp"]);
    assert_eq!(held(r#"{".value":{".sv":"timestamp"},".priority":1}"#), ["/ Value timestamp"]);
    assert_eq!(held(r#"{"x":1,".priority":{".sv":"timestamp"}}"#), ["/ Priority timestamp"]);
    assert_eq!(
        held(r#"{"x":{".value":{".sv":{"increment":1}},".priority":{".sv":"timestamp"}}}"#),
        ["/x Value 1", "/x Priority timestamp"]
    );
}

#[test]
fn server_value_in_data_that_is_dropped_is_dropped_too() {
    let none: [&str; 0] = [];
    assert_eq!(held(r#"{"a":{".sv":"timestamp"},"a":""}"#), none);
    assert_eq!(held(r#"{"a":{"b":{".sv":"timestamp"}},"a":{"b":""}}"#), none);
    assert_eq!(held(r#"{".value":1,"a":{".sv":"timestamp"}}"#), none);
    assert_eq!(held(r#"{".priority":{".sv":"timestamp"},"a":null}"#), none);
    assert_eq!(
        held(r#"{"a":1,"b":{".sv":"timestamp"},"a":{".sv":"timestamp"}}"#),
        ["/a Value timestamp", "/b Value timestamp"]
    );
}

#[test]
fn bad_text_is_refused() {
    use DataError::{BadData, BadPriority, BadServerValue, BadValue, NoData};
    check_errors(&[
        ("", NoData),
        (" \r\n\t", NoData),
        ("\u{feff}", NoData),
        ("{", BadData),
        ("nul", BadData),
        ("1 2", BadData),
        ("{\"a\":1}}", BadData),
        ("{a:1}", BadData),
        ("'a'", BadData),
        ("01", BadData),
        ("NaN", BadData),
        ("1e400", BadData),
        ("-1e400", BadData),
        ("[1,]", BadData),
        ("\"\u{1}\"", BadData),
        (r#""\x""#, BadData),
        (r#"{"":1}"#, BadData),
        (r#"{"a/b":1}"#, BadData),
        (r#"{"a.b":1}"#, BadData),
        (r#"{"$a":1}"#, BadData),
        (r#"{"a":{"[":1}}"#, BadData),
        (r#"{"\u007f":1}"#, BadData),
        (r#"{"\u0000":null}"#, BadData),
        (r#"{".foo":1}"#, BadData),
        (r#"{".value":{}}"#, BadValue),
        (r#"{".value":[]}"#, BadValue),
        (r#"{".value":{".value":1}}"#, BadValue),
        (r#"{".value":1,".priority":true}"#, BadPriority),
        (r#"{"a":1,".priority":{"x":1}}"#, BadPriority),
        (r#"{"a":1,".priority":[1]}"#, BadPriority),
        (r#"{".sv":"now"}"#, BadServerValue),
        (r#"{".sv":null}"#, BadServerValue),
        (r#"{".sv":{"increment":"1"}}"#, BadServerValue),
        (r#"{".sv":{"increment":1,"x":1}}"#, BadServerValue),
        (r#"{".sv":{}}"#, BadServerValue),
        (r#"{".sv":"timestamp","a":1}"#, BadServerValue),
        (r#"{".sv":"timestamp",".priority":1}"#, BadServerValue),
        (r#"{"a":1,".priority":{".sv":"timestamp","x":1}}"#, BadServerValue),
    ]);
    assert_eq!(Draft::parse(b"\"\xff\"", 0), Err(BadData));
    assert_eq!(Draft::parse(b"{\"\xc3\":1}", 0), Err(BadData));
}

#[test]
fn byte_order_mark_and_white_space_are_skipped() {
    check(&[("\u{feff}{ \"a\" : [ 1 , 2 ] }\n", r#"{"a":{"0":1,"1":2}}"#)]);
}

#[test]
fn lone_surrogate_becomes_the_replacement_character() {
    check(&[
        (r#""\ud800""#, "\"\u{fffd}\""),
        (r#""\udc00x\uD83D\uDE00\ud83d""#, "\"\u{fffd}x😀\u{fffd}\""),
        (r#""\ud800\ud83d\ude00""#, "\"\u{fffd}😀\""),
        (r#""\ud800\u0041""#, "\"\u{fffd}A\""),
        (r#""\\ud800\ud800""#, "\"\\\\ud800\u{fffd}\""),
        (r#"{"k\udfff":1}"#, "{\"k\u{fffd}\":1}"),
    ]);
    check_errors(&[
        (r#""\ud800"#, DataError::BadData),
        (r#""\ud80""#, DataError::BadData),
        (r#"{"a\ud800":{".priority":true,"x":1}}"#, DataError::BadPriority),
    ]);
    assert_eq!(Draft::parse("\"\\ud800\\é\"".as_bytes(), 0), Err(DataError::BadData));
}

#[test]
fn proto_is_an_ordinary_key() {
    check(&[(r#"{"__proto__":{"x":1},"constructor":2}"#, r#"{"__proto__":{"x":1},"constructor":2}"#)]);
}

#[test]
fn depth_is_counted_from_the_root() {
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    assert!(Draft::parse(nested(32).as_bytes(), 0).is_ok());
    assert_eq!(Draft::parse(nested(33).as_bytes(), 0), Err(DataError::TooDeep));
    assert!(Draft::parse(nested(2).as_bytes(), 30).is_ok());
    assert_eq!(Draft::parse(nested(3).as_bytes(), 30), Err(DataError::TooDeep));
    // What is no level of its own does not count.
    assert!(Draft::parse(br#"{".value":1,".priority":{".sv":{"increment":1}}}"#, 32).is_ok());
    assert!(Draft::parse(br#"{"a":null}"#, 32).is_ok());
    assert_eq!(Draft::parse(b"[0]", 32), Err(DataError::TooDeep));
}

#[test]
fn hostile_nesting_is_refused_without_deep_recursion() {
    for open in ["[", r#"{"a":"#, r#"[{"a":"#] {
        assert_eq!(parse(&open.repeat(100_000)), Err(DataError::TooDeep), "{open}");
    }
    let in_reserved = |name: &str| format!(r#"{{"{name}":{}"#, "[".repeat(100_000));
    assert_eq!(parse(&in_reserved(".value")), Err(DataError::BadValue));
    assert_eq!(parse(&in_reserved(".priority")), Err(DataError::BadPriority));
    assert_eq!(parse(&in_reserved(".sv")), Err(DataError::BadServerValue));
}

#[test]
fn long_string_is_refused() {
    let text = |len: usize| format!("\"{}\"", "x".repeat(len));
    assert!(parse(&text(STRING_BYTES_MAX)).is_ok());
    assert_eq!(parse(&text(STRING_BYTES_MAX + 1)), Err(DataError::StringTooLong));
    assert_eq!(parse(&format!(r#"{{"{}":1}}"#, "k".repeat(769))), Err(DataError::BadData));
    assert!(parse(&format!(r#"{{"{}":1}}"#, "k".repeat(768))).is_ok());
}

#[test]
fn priority_is_a_number_a_string_or_null() {
    let priority = |text: &str| parse_priority(text.as_bytes()).map(|draft| draft.to_text());
    assert_eq!(priority("5").as_deref(), Ok(r#"{".priority":5}"#));
    assert_eq!(priority("\"x\"").as_deref(), Ok(r#"{".priority":"x"}"#));
    assert_eq!(priority("null").as_deref(), Ok(r#"{".priority":null}"#));
    assert_eq!(priority(r#"{".sv":"timestamp"}"#).as_deref(), Ok(r#"{".priority":{".sv":"timestamp"}}"#));
    for (text, error) in [
        ("", DataError::NoData),
        ("true", DataError::BadPriority),
        ("{}", DataError::BadPriority),
        ("[1]", DataError::BadPriority),
        ("1,", DataError::BadPriority),
        (r#"{".sv":1}"#, DataError::BadServerValue),
    ] {
        assert_eq!(parse_priority(text.as_bytes()), Err(error), "{text}");
    }
}

#[test]
fn many_server_values_and_duplicates_take_linear_time() {
    let text = format!("{{{}\"a\":1}}", r#""a":{".sv":"timestamp"},"#.repeat(100_000));
    assert_eq!(parse(&text).map(|draft| draft.placeholders.len()), Ok(0));
}

proptest! {
    #[test]
    fn parse_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), depth in 0..34_usize) {
        let _ = Draft::parse(&bytes, depth);
        let _ = parse_update(&bytes, depth);
        let _ = parse_priority(&bytes);
    }

    #[test]
    fn parse_survives_shuffled_tokens(text in arbitrary::tokens(), depth in 0..34_usize) {
        let _ = parse_update(text.as_bytes(), depth);
        let _ = parse_priority(text.as_bytes());
        if let Ok(draft) = Draft::parse(text.as_bytes(), depth) {
            prop_assert_eq!(Draft::from_text(&draft.to_text()), Ok(draft));
        }
    }

    #[test]
    fn export_format_read_back_is_the_same_node(node in arbitrary::node()) {
        let text = node.to_json(Format::Export);
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(Draft::parse(text.as_bytes(), 0), Ok(node.into()));
    }

    #[test]
    fn plain_format_read_back_is_the_same_node_without_priorities(node in arbitrary::node()) {
        let bare = arbitrary::without_priorities(&node);
        prop_assert_eq!(Draft::parse(node.to_json(Format::Plain).as_bytes(), 0), Ok(bare.into()));
    }

    #[test]
    fn update_of_any_places_is_sorted_and_free_of_overlap(
        places in prop::collection::vec((arbitrary::path(3), any::<bool>()), 0..6)
    ) {
        let member = |(path, is_priority): &(Path, bool)| {
            let name = format!("{path}{}", if *is_priority { "/.priority" } else { "" });
            format!("{}:1", serde_json::to_string(&name).unwrap())
        };
        let overlap = |(upper, is_priority): &(Path, bool), other: &(Path, bool)| {
            !is_priority && (upper, is_priority) != (&other.0, &other.1) && other.0.starts_with(upper)
        };
        let named: Vec<_> = places.into_iter().filter(|(path, is_priority)| *is_priority || !path.is_root()).collect();
        let expected = named.iter().any(|upper| named.iter().any(|other| overlap(upper, other)));
        let members: Vec<_> = named.iter().map(member).collect();
        let parsed = parse_update(format!("{{{}}}", members.join(",")).as_bytes(), 0);
        prop_assert_eq!(matches!(parsed, Err(DataError::Conflict { .. })), expected, "{:?}", named);
    }
}
