//! Denials, explanations and coverage: what people are told.

use serde_json::json;

use super::*;

const RULES: &str = r#"{
  "rules": {
    ".read": false,
    "rooms": {
      "$room": {
        ".read": "root.child('members').child($room).child(auth.uid).exists()",
        ".write": "auth != null && (auth.age > 17 || data.exists())",
        "name": {".validate": "newData.isString() && newData.val().length < 5"},
        "size": {".validate": "newData.val() > 0"}
      }
    }
  }
}"#;

fn case(auth: &str) -> Case {
    Case {
        rules: Rules::parse(RULES).unwrap(),
        identity: Identity::of(serde_json::from_str(auth).unwrap()),
        now: 5,
        before: node(r#"{"members":{"r1":{"ann":true}}}"#, 0),
    }
}

/// The sentence of a denial.
#[track_caller]
fn sentence(verdict: Verdict) -> String {
    match verdict {
        Verdict::Denied(denial) => denial.to_string(),
        Verdict::Allowed => panic!("allowed"),
    }
}

#[test]
fn denial_says_which_rule_decided_and_what_to_do() {
    let case = case(r#"{"uid":"bob"}"#);
    let read = |at: &str| sentence(case.read(at, &Query::default()));
    let write = |at: &str, value: &str| sentence(case.write(&[(at, node(value, 0))]));
    assert_eq!(
        read("rooms/r1/name"),
        "the .read rule of /rooms/r1 (line 6, column 19) is false: \
         ask as somebody it grants this to, or change the rule"
    );
    assert!(read("/").starts_with("the .read rule of / (line 3, column 14) is false: "));
    assert_eq!(write("other", "1"), "no .write rule covers /other: add one there or above, which grants this");
    assert_eq!(
        write("rooms/r1/name", "1"),
        "the .write rule of /rooms/r1 (line 7, column 20) failed at line 7, column 37, which counts as false: type \
         error: > compares two numbers or two strings, not null with a number; guard this part of the rule, or send \
         what it expects"
    );
}

#[test]
fn denial_of_a_value_names_its_place() {
    let case = case(r#"{"uid":"bob","age":18}"#);
    let Verdict::Denied(denial) = case.write(&[("rooms/r1", node(r#"{"name":"Lobby","size":"x"}"#, 0))]) else {
        panic!()
    };
    let rule = Some(Position { line: 8, column: 32 });
    assert_eq!(denial, Denial { kind: RuleKind::Validate, path: path("rooms/r1/name"), rule, reason: Reason::False });
    assert!(denial.to_string().ends_with("is false: write data that it accepts, or change the rule"));
}

#[test]
fn explanation_tells_every_rule_and_every_part() {
    let case = case(r#"{"uid":"ann"}"#);
    let explained =
        case.rules.explain_read(&case.asker(), &path("rooms/r1/name"), &Query::default(), &case.before).unwrap();
    let part = |column: usize, text: &str, value: &str| {
        let position = json!({"line": 6, "column": column});
        json!({"position": position, "text": text, "value": value})
    };
    let whole = "root.child('members').child($room).child(auth.uid).exists()";
    let expected = json!({
        "allowed": true,
        "because": "the .read rule of /rooms/r1 (line 6, column 19) grants this",
        "rules": [
            {"kind": "read", "path": "/", "position": {"line": 3, "column": 14}, "text": "false", "value": "false",
                "parts": []},
            {"kind": "read", "path": "/rooms/r1", "position": {"line": 6, "column": 19}, "text": whole, "value": "true",
                "parts": [
                    part(19, "root", "data at /"),
                    part(19, "root.child('members')", "data at /members"),
                    part(47, "$room", "\"r1\""),
                    part(19, "root.child('members').child($room)", "data at /members/r1"),
                    part(60, "auth", "{uid}"),
                    part(60, "auth.uid", "\"ann\""),
                    part(19, "root.child('members').child($room).child(auth.uid)", "data at /members/r1/ann"),
                    part(19, whole, "true"),
                ]},
        ],
        "is_cut": false,
    });
    assert_eq!(serde_json::to_value(explained).unwrap(), expected);
}

#[test]
fn explanation_of_a_write_tells_all_that_refuses() {
    let case = case(r#"{"uid":"ann","age":20}"#);
    let new = node(r#"{"name":"Lobby","size":"x"}"#, 0);
    let mut after = case.before.clone();
    after.set(path("rooms/r1").keys(), new.clone());
    let explained =
        case.rules.explain_write(&case.asker(), &path("rooms/r1"), Some(&new), &case.before, &after).unwrap();
    let told: Vec<_> = explained.rules.iter().map(|rule| (rule.path.as_str(), rule.result.clone())).collect();
    let value = |text: &str| PartResult::Value(text.to_owned());
    let error = "type error: > compares two numbers or two strings, not a string with a number";
    assert_eq!(
        told,
        [
            ("/rooms/r1", value("true")),
            ("/rooms/r1/name", value("false")),
            ("/rooms/r1/size", PartResult::Error(error.to_owned())),
        ]
    );
    assert!(!explained.allowed && explained.because.starts_with("the .validate rule of /rooms/r1/name (line 8, "));
    // What was not looked at is not told.
    let texts: Vec<_> = explained.rules[0].parts.iter().map(|part| part.text.as_str()).collect();
    let or = "(auth.age > 17 || data.exists())";
    assert!(texts.contains(&"auth.age > 17") && !texts.contains(&"data.exists()") && !texts.contains(&or), "{texts:?}");
}

#[test]
fn explanation_for_an_admin_says_so() {
    let mut case = case("null");
    case.identity = Identity::Admin;
    let explained = case.rules.explain_read(&case.asker(), &path("x"), &Query::default(), &case.before).unwrap();
    assert!(explained.allowed && explained.rules.is_empty() && explained.because.contains("admin"));
}

#[test]
fn explanation_has_a_limit() {
    let case = Case::new(r#"{".write":true,"$k":{".validate":"newData.isString()"}}"#, "null", "null");
    let new = node(&format!("[{}]", ["1"; 200].join(",")), 0);
    let explained = case.rules.explain_write(&case.asker(), &Path::root(), Some(&new), &case.before, &new).unwrap();
    assert_eq!((explained.rules.len(), explained.allowed), (100, false));
    let long = format!("{{\".read\":\"{}\"}}", vec!["now == 0"; 700].join(" || "));
    let case = Case::new(&long, "null", "null");
    let explained = case.rules.explain_read(&case.asker(), &Path::root(), &Query::default(), &case.before).unwrap();
    assert_eq!((explained.rules[0].parts.len(), explained.is_cut), (1_000, true));
    assert!(explained.rules[0].text.ends_with('…'));
}

#[test]
fn coverage_counts_what_every_part_came_to() {
    let case = case(r#"{"uid":"ann"}"#);
    let read = || case.read("rooms/r1", &Query::default());
    read();
    let unused = case.rules.coverage();
    assert_eq!(unused.rules.len(), 4);
    assert!(unused.rules.iter().flat_map(|rule| &rule.parts).all(|part| part.count == 0), "it was not asked for");

    case.rules.count_coverage(true);
    read();
    case.read("rooms/r2", &Query::default());
    read();
    case.rules.count_coverage(false);
    read();
    let coverage = case.rules.coverage();
    let places: Vec<_> = coverage.rules.iter().map(|rule| (rule.path.as_str(), rule.position.line)).collect();
    let expected = [("/rooms/$room", 6), ("/rooms/$room", 7), ("/rooms/$room/name", 8), ("/rooms/$room/size", 9)];
    assert_eq!(places, expected);
    let whole = coverage.rules[0].parts.last().unwrap();
    let count = |text: &str, count: u64| ValueCount { result: PartResult::Value(text.to_owned()), count };
    assert_eq!((whole.count, &whole.values[..]), (3, &[count("true", 2), count("false", 1)][..]));
    assert_eq!(whole.text, coverage.rules[0].text);
    assert!(coverage.rules[1].parts.iter().all(|part| part.count == 0));
}
