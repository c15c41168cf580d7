//! Rules, requests and bytes that are made to hurt.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

/// The error of the rule `expression`, read at `/` with this data.
fn error(expression: &str, data: &Node) -> Option<String> {
    let text = format!("{{\"rules\":{{\".read\":{}}}}}", serde_json::Value::from(expression));
    let rules = Rules::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let asker = Asker { identity: &Identity::Nobody, now: 1 };
    match rules.may_read(&asker, &Path::root(), &Query::default(), data).unwrap() {
        Verdict::Denied(Denial { reason: Reason::Error { text, .. }, .. }) => Some(text),
        _ => None,
    }
}

fn refused(expression: &str) -> String {
    let text = format!("{{\"rules\":{{\".read\":{}}}}}", serde_json::Value::from(expression));
    Rules::parse(&text).expect_err(expression).to_string()
}

#[test]
fn brackets_and_operators_nest_up_to_a_limit() {
    let nested = |open: &str, close: &str, depth: usize| {
        let text = open.repeat(depth) + "true" + &close.repeat(depth);
        Rules::parse(&format!("{{\"rules\":{{\".read\":\"{text}\"}}}}")).map(drop).map_err(|error| error.to_string())
    };
    for (open, close) in [("(", ")"), ("!", ""), ("true ? ", " : true"), ("true || !(false && true != (", "))")] {
        assert_eq!(nested(open, close, 16), Ok(()), "{open}");
        let error = nested(open, close, 65).unwrap_err();
        assert!(error.contains("syntax error: nested more than 64 deep"), "{error}");
        assert!(nested(open, close, 1_000).is_err());
    }
    // All kinds of operators in each bracket: the deepest recursion that there can be.
    let all = "(true || true && 1 == 1 < 2 + 3 * ";
    assert!(refused(&(all.repeat(63) + "1" + &")".repeat(63))).contains("syntax error: more than 256 operators"));
    let index = "auth[".repeat(60) + "1" + &"]".repeat(60) + " == 1";
    assert_eq!(error(&index, &Node::Empty), None);
}

#[test]
fn long_chains_do_not_fill_the_stack() {
    let chain = |part: &str, sign: &str, count: usize| vec![part; count].join(sign);
    assert_eq!(error(&(chain("1", "+", 250) + " == 250"), &Node::Empty), None);
    assert_eq!(error(&format!("auth{} == null", ".a".repeat(250)), &Node::Empty), None);
    assert_eq!(error(&format!("data{}.exists()", ".child('a')".repeat(120)), &Node::Empty), None);
    assert_eq!(error(&chain("false", "||", 9_000), &Node::Empty), None);
    assert!(refused(&(chain("1", "+", 20_000) + " == 1")).contains("more than 256 operators"));
    assert!(refused(&format!("auth{} == null", ".a".repeat(20_000))).contains("more than 256 operators"));
}

#[test]
fn evaluation_has_budgets() {
    let steps = vec!["now == 0"; 4_000].join("||");
    assert_eq!(error(&steps, &Node::Empty).as_deref(), Some("the rule takes more than 10000 steps"));
    let long = Node::leaf(crate::model::Scalar::string("a".repeat(600_000)));
    let strings = Some("the rule makes strings of more than 1048576 bytes".to_owned());
    assert_eq!(error("(data.val() + data.val()).length > 1", &long), strings);
    assert_eq!(error("data.val().replace('a', 'bb') == ''", &long), strings);
    assert_eq!(error("data.val().toUpperCase() + data.val().toLowerCase() == ''", &long), strings);
    assert_eq!(error("data.val().contains('b') || data.val().length == 600000", &long), None);
    let looks = vec!["data.val() == 'x'"; 300].join("||");
    assert_eq!(error(&looks, &long).as_deref(), Some("the rule takes more than 10000 steps"));
}

#[test]
fn slow_regular_expressions_are_refused_or_bounded() {
    let overflowing = format!("/({}a{}|b)/", "(".repeat(9), "){999999}".repeat(9));
    for huge in [overflowing.as_str(), "/((a{1000}){1000}){1000}/", "/(.{500}){500}/", "/a{99999999}/", "/a{30000}/"] {
        let text = refused(&format!("$k.matches({huge})").replace("$k", "'a'"));
        assert!(text.contains("Illegal regular expression."), "{text}");
    }
    let many: Vec<_> = (0..3_000).map(|n| format!("'a'.matches(/{n}/)")).collect();
    assert!(refused(&many.join("||")).contains("Together with those before it, it is too large."));
    assert!(refused(&format!("'a'.matches(/{}a{}/)", "(".repeat(70), ")".repeat(70))).contains("nested too deep"));

    // Exponential for an engine that goes back, and too many states for a small automaton.
    let text = Node::leaf(crate::model::Scalar::string("a".repeat(100_000)));
    let start = Instant::now();
    assert_eq!(error("data.val().matches(/^(((a+)+)+)+b$/)", &text), None);
    assert_eq!(error("data.val().matches(/(a|b)*b(a|b){500}c/)", &text), None);
    let slow = error("data.val().matches(/(a|b)*b(a|b){9000}c/)", &text);
    assert_eq!(slow.as_deref(), Some("the rule takes more than 10000 steps"));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn file_full_of_problems_is_refused_soon() {
    let start = Instant::now();
    let expression = "x+".repeat(32_000);
    let members: Vec<_> = (0..15).map(|n| format!("\"k{n}\":{{\".read\":\"{expression}x\"}}")).collect();
    assert!(Rules::parse(&format!("{{\"rules\":{{{}}}}}", members.join(","))).is_err());
    let expression = "x||".repeat(21_000);
    let members: Vec<_> = (0..15).map(|n| format!("\"k{n}\":{{\".read\":\"{expression}x\"}}")).collect();
    let error = Rules::parse(&format!("{{\"rules\":{{{}}}}}", members.join(","))).unwrap_err();
    assert_eq!(error.problems.len(), 100);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// Pieces of expressions, sometimes valid ones.
fn expression() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "auth",
        "now",
        "data",
        "root",
        "newData",
        "query",
        "$k",
        ".",
        "uid",
        "val()",
        ".val()",
        ".child(",
        ".exists()",
        ".parent()",
        ".hasChildren([",
        "])",
        ".isString()",
        ".length",
        ".matches(/^a+(b|c){2,3}[^d-f]$/i)",
        "/a",
        "/",
        ".contains('a')",
        ".replace('a','b')",
        "(",
        ")",
        "[",
        "]",
        "'a'",
        "'a/b'",
        "1",
        "1.5",
        "0",
        "true",
        "false",
        "null",
        " == ",
        " != ",
        " && ",
        " || ",
        " ? ",
        " : ",
        " < ",
        " >= ",
        " + ",
        " - ",
        " * ",
        " % ",
        "!",
        "-",
        ",",
        ";",
        " ",
        "\\",
        "\"",
        "é",
        "😀",
        "/*",
        "*/",
        "//",
        "\n",
        "=",
        "&",
        ".orderByKey",
        ".limitToFirst",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Expressions that mostly are valid.
fn sound_expression() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "auth",
        "auth.uid",
        "auth.a.b",
        "now",
        "data.val()",
        "newData.child('a').val()",
        "1",
        "0",
        "'a'",
        "null",
        "$k",
        "data.getPriority()",
        "root.child('a/' + $k).val()",
        "auth[$k]",
        "data.child($k).val().length",
        "true",
    ]);
    let leaf = (value.clone(), prop::sample::select(vec!["==", "!=", "<", ">="]), value)
        .prop_map(|(left, sign, right)| format!("{left} {sign} {right}"));
    leaf.prop_recursive(4, 24, 3, |below| {
        prop_oneof![
            (below.clone(), below.clone()).prop_map(|(one, other)| format!("{one} && {other}")),
            (below.clone(), below.clone()).prop_map(|(one, other)| format!("({one} || {other})")),
            below.clone().prop_map(|one| format!("!({one})")),
            (below.clone(), below.clone(), below).prop_map(|(one, yes, no)| format!("({one} ? {yes} : {no})")),
        ]
    })
}

/// Asks the rules in every way, if they are any.
fn ask(source: &[u8]) {
    let Ok(rules) = Rules::parse_bytes(source) else { return };
    let identity = Identity::of(serde_json::json!({"uid": "a", "a": {"b": [1, true]}}));
    let asker = Asker { identity: &identity, now: 7 };
    let before = node(r#"{"a":{"a":"abc","b":1},"b":true}"#, 0);
    let new = node(r#"{"a":"abb","c":2.5}"#, 0);
    let mut after = before.clone();
    after.set(path("a").keys(), new.clone());
    let query = Query::from_params(&[("orderBy", "\"$key\""), ("limitToFirst", "3")]).unwrap().unwrap();
    rules.count_coverage(true);
    for at in ["/", "a", "a/a"] {
        let read = rules.may_read(&asker, &path(at), &query, &before).unwrap();
        let explained = rules.explain_read(&asker, &path(at), &query, &before).unwrap();
        assert_eq!(read == Verdict::Allowed, explained.allowed);
        let value = after.at(&path(at));
        let written = rules.may_write(&asker, &path(at), value, &before, &after).unwrap();
        let explained = rules.explain_write(&asker, &path(at), value, &before, &after).unwrap();
        assert_eq!(written == Verdict::Allowed, explained.allowed);
        if let Verdict::Denied(denial) = written {
            assert_eq!(denial.to_string(), explained.because);
        }
    }
    assert!(serde_json::to_string(&rules.coverage()).is_ok());
}

proptest! {
    #[test]
    fn any_expression_is_taken_or_refused(read in expression(), write in expression()) {
        let (read, write) = (serde_json::Value::from(read), serde_json::Value::from(write));
        ask(format!("{{\"rules\":{{\"$k\":{{\".read\":{read},\".write\":{write}}}}}}}").as_bytes());
    }

    #[test]
    fn sound_expression_is_evaluated_without_harm(expression in sound_expression()) {
        let expression = serde_json::Value::from(expression);
        let rules = format!("\".write\":{expression},\".validate\":{expression}");
        ask(format!("{{\"rules\":{{\".write\":true,\"$k\":{{{rules}}}}}}}").as_bytes());
    }

    #[test]
    fn any_bytes_are_taken_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..60) {
        ask(&bytes);
        let good = br#"{"rules":{".read":"auth.uid == 'a'","$k":{".write":"newData.val() > 1 && /* a */ true"}}}"#;
        bytes.truncate(3);
        ask(&[&good[..at], &bytes, &good[at..]].concat());
        ask(&[&good[..at], &bytes, &good[at + bytes.len()..]].concat());
    }
}
