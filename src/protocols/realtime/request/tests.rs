//! What becomes of the bodies that SDKs send, and of those that nobody should.

use super::*;
use crate::model::json::Format;
use crate::model::{Node, Value};

/// An action in few words.
fn told(action: &Action) -> String {
    match action {
        Action::Answer(outcome) => format!("{} {}", outcome.status, outcome.data),
        Action::Listen(listen) => {
            let known = listen.known.as_ref().map_or("-", |known| known.hash.as_str());
            format!("listen {} known {known:?} whole {}", key(&listen.key), listen.query.is_whole())
        }
        Action::Unlisten(listen_key) => format!("unlisten {}", key(listen_key)),
        Action::Read { path, query } => format!("read {path} whole {}", query.is_whole()),
        Action::Write { write: Write { path, op: WriteOp::Set(draft) }, condition } => {
            format!("set {path} {} {condition:?}", draft.to_text())
        }
        Action::Write { write: Write { path, op: WriteOp::Update(drafts) }, .. } => {
            format!("update {path} {}", places(drafts))
        }
        Action::Arm(Arm::Set(drafts)) => format!("arm {}", places(drafts)),
        Action::Arm(Arm::Cancel(path)) => format!("disarm {path}"),
        Action::Identify(Shown { credential, is_bearer, act_as }) => {
            let act_as = act_as.as_ref().map_or("-".to_owned(), Json::to_string);
            format!("identify {credential} bearer {is_bearer} as {act_as}")
        }
        Action::Unauthenticate => "unauthenticate".to_owned(),
    }
}

fn key(key: &ListenKey) -> String {
    match key {
        ListenKey::Default { path, queries } => format!("{path} [{queries}]"),
        ListenKey::Tagged { path, tag } => format!("{path} #{tag}"),
    }
}

fn places(drafts: &[(Path, Draft)]) -> String {
    drafts.iter().map(|(path, draft)| format!("{path}={}", draft.to_text())).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(name: &str, body: &str, expected: &str) {
    assert_eq!(told(&Action::parse(name, body)), expected, "{name} {body}");
}

/// The beginning of a failure's text.
#[track_caller]
fn check_failure(name: &str, body: &str, expected: &str) {
    let told = told(&Action::parse(name, body));
    assert!(told.starts_with(&format!("failure \"{expected}")), "{name} {body}: {told}");
}

#[test]
fn paths_have_any_slashes_and_no_percent_decoding() {
    for path in ["/a/b", "a/b", "//a//b//"] {
        check("g", &format!(r#"{{"p":"{path}"}}"#), "read /a/b whole true");
    }
    check("g", r#"{"p":"/","q":{}}"#, "read / whole true");
    check("g", r#"{"p":""}"#, "read / whole true");
    check("g", r#"{"p":"/a%2Fb"}"#, "read /a%2Fb whole true");
    check("g", r#"{"p":"/\ud800"}"#, "read /\u{fffd} whole true");
    for bad in ["/a.b", "/a#", "/$", "/a/\\u0007", "/.priorit", "/a/.value", "/.info2/x"] {
        check_failure("g", &format!(r#"{{"p":"{bad}"}}"#), "Invalid path");
        check_failure("p", &format!(r#"{{"p":"{bad}","d":1}}"#), "Invalid path");
    }
    check_failure("p", &format!(r#"{{"p":"{}","d":1}}"#, "/a".repeat(33)), "Invalid path");
    check_failure("q", &format!(r#"{{"p":"/{}","h":""}}"#, "k".repeat(769)), "Invalid path");
}

#[test]
fn listens_are_told_apart_by_path_or_tag() {
    check("q", r#"{"p":"/r","h":"x="}"#, r#"listen /r [] known "x=" whole true"#);
    check("q", r#"{"p":"/r","h":""}"#, r#"listen /r [] known "" whole true"#);
    check("q", r#"{"p":"/r"}"#, r#"listen /r [] known "-" whole true"#);
    check("q", r#"{"p":"/r","q":{"l":2,"vf":"r"},"t":1,"h":"x="}"#, r#"listen /r #1 known "x=" whole false"#);
    // An empty result is told to the first listen of a query.
    check("q", r#"{"p":"/r","q":{"l":2,"vf":"r"},"t":1,"h":""}"#, r#"listen /r #1 known "-" whole false"#);
    check("q", r#"{"p":"/r","q":{"i":"x"},"h":""}"#, r#"listen /r [] known "" whole true"#);
    check_failure("q", r#"{"p":"/r","q":{"l":2},"h":""}"#, "Invalid query: a listen that");
    check("n", r#"{"p":"/r"}"#, "unlisten /r []");
    check("n", r#"{"p":"/r","q":{"l":2,"vf":"r"},"t":7}"#, "unlisten /r #7");
}

#[test]
fn listen_remembers_its_query_as_written() {
    let Action::Listen(listen) = Action::parse("q", r#"{"p":"/r","q":{"sin":true,"sp":1,"i":"x"},"t":1,"h":""}"#)
    else {
        panic!("not a listen");
    };
    assert_eq!(listen.query_text, r#"{"sin":true,"sp":1,"i":"x"}"#);
}

#[test]
fn queries_that_make_no_sense_are_failures() {
    for query in ["[]", "1", r#"{"l":0}"#, r#"{"l":"x"}"#, r#"{"i":"a.b"}"#, r#"{"sp":{}}"#, r#"{"i":".key","sp":1}"#] {
        check_failure("g", &format!(r#"{{"p":"/r","q":{query}}}"#), "Invalid query");
        check_failure("q", &format!(r#"{{"p":"/r","q":{query},"t":1,"h":""}}"#), "Invalid query");
    }
    check_failure("q", r#"{"p":"/r","q":{"l":1},"t":"x","h":""}"#, "Invalid request");
}

#[test]
fn old_listens_are_told_apart_by_their_queries_in_any_order() {
    let all = r#"[{"l":2},{"sp":null,"sn":null,"l":1,"vf":"l"},{"ep":null,"en":"b"}]"#;
    let turned = r#"[{"vf":"l","l":1,"sn":null,"sp":null},{"en":"b","ep":null},{"l":2}]"#;
    let expected = told(&Action::parse("l", &format!(r#"{{"p":"/l","q":{all},"h":"x"}}"#)));
    assert!(expected.starts_with("listen /l [[{") && expected.ends_with(r#"known "x" whole true"#), "{expected}");
    check("l", &format!(r#"{{"p":"/l","q":{turned},"h":"x"}}"#), &expected);
    let canonical = expected.trim_start_matches("listen ").split(" known").next().unwrap();
    check("u", &format!(r#"{{"p":"/l","q":{turned}}}"#), &format!("unlisten {canonical}"));
    check("l", r#"{"p":"/l"}"#, r#"listen /l [] known "-" whole true"#);
    check_failure("l", r#"{"p":"/l","q":{"l":2}}"#, "Invalid query");
    check_failure("l", r#"{"p":"/l","q":[2]}"#, "Invalid query");
}

#[test]
fn writes_take_all_that_sdks_send() {
    check("p", r#"{"p":"/a","d":{"b":[1,null,3]}}"#, r#"set /a {"b":{"0":1,"2":3}} None"#);
    check("p", r#"{"p":"/a","d":null}"#, "set /a null None");
    check("p", r#"{"p":"/a","d":1,"h":""}"#, r#"set /a 1 Some(Hash(""))"#);
    check("p", r#"{"p":"/a/.priority","d":"x"}"#, r#"set /a {".priority":"x"} Some(Present)"#);
    check(
        "p",
        r#"{"p":"/.priority/","d":{".sv":"timestamp"}}"#,
        r#"set / {".priority":{".sv":"timestamp"}} Some(Present)"#,
    );
    check("p", r#"{"p":"/a","d":{".sv":{"increment":2}}}"#, r#"set /a {".sv":{"increment":2}} None"#);
    check(
        "m",
        r#"{"p":"/u","d":{"a/b":[1,null,3],"c":{"d":{}},".priority":5,"e":null}}"#,
        r#"update /u /a/b={"0":1,"2":3} /c=null /e=null /={".priority":5}"#,
    );
    check("m", r#"{"p":"/u","d":{}}"#, "ok \"\"");
}

#[test]
fn writes_that_cannot_be_stored_are_failures() {
    check_failure("p", r#"{"p":"/a"}"#, "Invalid request: no data");
    check_failure("p", r#"{"d":1}"#, "Invalid request: no path");
    check_failure("p", "{}", "Invalid request");
    check_failure("p", "[]", "Invalid request");
    check_failure("p", r#"{"p":5,"d":1}"#, "Invalid request");
    for data in
        [r#"{"a.b":1}"#, r#"{"":1}"#, r#"{".sv":"x"}"#, r#"{".value":{}}"#, r#"{".priority":true,"a":1}"#, "1e400"]
    {
        check_failure("p", &format!(r#"{{"p":"/a","d":{data}}}"#), "Invalid data");
        check_failure("o", &format!(r#"{{"p":"/a","d":{data}}}"#), "Invalid data");
        check_failure("m", &format!(r#"{{"p":"/a","d":{{"x":{data}}}}}"#), "Invalid data");
    }
    for data in ["null", "[1]", "5", r#"{"a":1,"a/b":2}"#, r#"{"a.b":1}"#] {
        check_failure("m", &format!(r#"{{"p":"/a","d":{data}}}"#), "Invalid data");
        check_failure("om", &format!(r#"{{"p":"/a","d":{data}}}"#), "Invalid data");
    }
    let large = format!(r#"{{"p":"/a","d":"{}"}}"#, "x".repeat(REALTIME_WRITE_BYTES_MAX));
    check_failure("p", &large, "Data to write exceeds");
    check_failure("m", r#"{"p":"/a/.priority","d":{"b":1}}"#, "Invalid path: a priority");
    check_failure("q", r#"{"p":"/a/.priority","h":""}"#, "Invalid path: a priority");
}

#[test]
fn on_disconnect_requests_name_absolute_places() {
    check("o", r#"{"p":"/presence/u1","d":false}"#, "arm /presence/u1=false");
    check("om", r#"{"p":"/p","d":{"b/c":false,"b/d":null}}"#, "arm /p/b/c=false /p/b/d=null");
    check("oc", r#"{"p":"/presence/u1","d":null}"#, "disarm /presence/u1");
    check("oc", r#"{"p":"/presence/u1"}"#, "disarm /presence/u1");
}

#[test]
fn requests_about_the_connection_itself_are_answered_at_once() {
    check("s", r#"{"c":{"sdk.node.12-19-0":1}}"#, "ok \"\"");
    for name in ["appcheck", "unappeck", "unappcheck"] {
        check(name, r#"{"token":"x"}"#, "ok \"\"");
    }
    check("unauth", "{}", "unauthenticate");
    check("echo", r#"{"d":{"a": [1]}}"#, r#"ok {"a": [1]}"#);
    check("gauth", r#"{"cred":"owner"}"#, "identify owner bearer true as -");
    check("gauth", r#"{"cred":"x","noauth":true,"authvar":{}}"#, "identify x bearer true as null");
    check("auth", r#"{"cred":"a.b.c","authvar":{"uid":"x"}}"#, r#"identify a.b.c bearer false as {"uid":"x"}"#);
    let Action::Identify(shown) = Action::parse("auth", r#"{"cred":"hush"}"#) else { panic!("no credential") };
    assert!(!format!("{shown:?}").contains("hush"), "credentials are never printed");
    check_failure("auth", "{}", "Invalid request: no credential");
}

#[test]
fn places_that_clients_know_themselves_hold_nothing() {
    check("g", r#"{"p":"/.info/connected","q":{}}"#, "ok null");
    check("q", r#"{"p":"/.info","h":""}"#, "ok {}");
    check("n", r#"{"p":"/.info"}"#, "ok \"\"");
    for name in ["p", "m", "o", "om", "oc"] {
        check(name, r#"{"p":".info/x","d":1}"#, r#"permission_denied "Permission denied""#);
    }
}

#[test]
fn numbers_keep_their_value() {
    for (text, kept) in [
        ("9007199254740993", "9007199254740993"),
        ("9223372036854775807", "9223372036854775807"),
        ("1e300", "1e+300"),
        ("5e-324", "5e-324"),
        ("-0", "0"),
        ("1.0", "1"),
    ] {
        let Action::Write { write: Write { op: WriteOp::Set(draft), .. }, .. } =
            Action::parse("p", &format!(r#"{{"p":"/n","d":{text}}}"#))
        else {
            panic!("not a set: {text}");
        };
        let Value::Node(node @ Node::Leaf { .. }) = draft.value else { panic!("not a leaf: {text}") };
        assert_eq!(node.to_json(Format::Export), kept, "{text}");
    }
}
