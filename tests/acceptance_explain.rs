//! Why: explanations and coverage of a running server, and rules that are checked and tested without one.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Answer, Finished, Server, run};

const EXPLAIN: &str = "/.beaconfire/rules/explain";
const COVERAGE: &str = "/.inspect/coverage.json";
const RULES: &str = r#"{
  "rules": {
    "rooms": {
      "$room": {
        ".read": "data.child('members').child(auth.uid).exists()",
        ".write": "auth != null",
        "topic": {".validate": "newData.isString()"},
        "at": {".validate": "newData.val() == now"}
      }
    },
    "list": {".read": "query.limitToLast <= 10 && query.orderByKey"}
  }
}"#;

fn server() -> Server {
    let server = Server::ephemeral();
    assert_eq!(server.put("/rooms/a.json", r#"{"members":{"ann":true}}"#).status, 200);
    assert_eq!(server.put("/.settings/rules.json", RULES).status, 200);
    server
}

fn ask(server: &Server, question: &Value) -> Answer {
    server.request("POST", EXPLAIN, &[], &question.to_string())
}

/// Whether it is allowed, and why.
fn explained(server: &Server, question: &Value) -> (bool, String) {
    let answer = ask(server, question);
    assert_eq!(answer.status, 200, "{question}: {}", answer.text());
    let json = answer.json();
    (json["allowed"].as_bool().unwrap(), json["because"].as_str().unwrap().to_owned())
}

// ---- The endpoint --------------------------------------------------------------------------------------------------

#[test]
fn read_is_explained_part_by_part() {
    let server = server();
    let ann = json!({"auth": {"uid": "ann"}, "read": "/rooms/a/topic"});
    let answer = ask(&server, &ann).json();
    assert_eq!((&answer["allowed"], answer["places"].as_array().unwrap().len()), (&json!(true), 1), "{answer}");
    let place = &answer["places"][0];
    assert_eq!(place["decided_by"], json!({"line": 5, "column": 19}));
    assert_eq!((&place["path"], &place["rules"][0]["path"]), (&json!("/rooms/a/topic"), &json!("/rooms/a")));
    let parts = place["rules"][0]["parts"].as_array().unwrap();
    let uid = parts.iter().find(|part| part["text"] == "auth.uid").unwrap();
    assert_eq!(uid["value"], "\"ann\"");
    let (allowed, because) = explained(&server, &json!({"auth": {"uid": "bob"}, "read": "/rooms/a"}));
    assert!(!allowed && because.starts_with("the .read rule of /rooms/a (line 5, column 19) is false"), "{because}");
    let (allowed, because) = explained(&server, &json!({"read": "/other"}));
    assert!(!allowed && because.starts_with("no .read rule covers /other"), "{because}");
    assert!(explained(&server, &json!({"auth": "admin", "read": "/other"})).0);
}

#[test]
fn read_is_explained_with_its_query() {
    let server = server();
    for (query, allowed) in [
        (json!({"orderBy": "$key", "limitToLast": 10}), true),
        (json!({"orderBy": "$key", "limitToLast": 11}), false),
        (json!({"i": ".key", "l": 5, "vf": "r"}), true),
        (json!({}), false),
    ] {
        assert_eq!(explained(&server, &json!({"read": "/list", "query": query})).0, allowed, "{query}");
    }
}

#[test]
fn write_is_explained_as_it_would_be_settled_and_not_done() {
    let server = server();
    let before = server.get("/rooms.json?access_token=owner").text().to_owned();
    let write = |path: &str, value: Value| explained(&server, &json!({"auth": {}, "write": path, "value": value}));
    assert!(write("/rooms/a/at", json!({".sv": "timestamp"})).0);
    assert!(!write("/rooms/a/at", json!(5)).0);
    assert!(explained(&server, &json!({"auth": {}, "now": 5, "write": "/rooms/a/at", "value": 5})).0);
    let (allowed, because) = write("/rooms/b", json!({"topic": 5}));
    assert!(!allowed && because.contains("the .validate rule of /rooms/b/topic (line 7, column 33)"), "{because}");
    let update = json!({"auth": {}, "update": "/", "values": {"rooms/b/topic": "x", "other": 1}});
    let answer = ask(&server, &update).json();
    let places = answer["places"].as_array().unwrap();
    let told: Vec<_> = places.iter().map(|place| (&place["path"], &place["allowed"])).collect();
    let expected = [(json!("/other"), json!(false)), (json!("/rooms/b/topic"), json!(true))];
    assert_eq!(told, expected.iter().map(|(path, allowed)| (path, allowed)).collect::<Vec<_>>());
    assert_eq!(server.get("/rooms.json?access_token=owner").text(), before);
}

#[test]
fn explanation_agrees_with_what_happens() {
    let server = server();
    for (path, value) in [("/rooms/a/topic", json!("x")), ("/rooms/a/topic", json!(1)), ("/rooms/a", json!(null))] {
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJ1c2VyX2lkIjoiYW5uIiwiaWF0IjowLCJleHAiOjM2MDB9.";
        let (allowed, because) = explained(&server, &json!({"auth": {"uid": "ann"}, "write": path, "value": value}));
        let done = server.put(&format!("{path}.json?auth={token}"), &value.to_string());
        assert_eq!(done.status == 200, allowed, "{path} {value}: {because}; {}", done.text());
    }
}

#[test]
fn bad_questions_are_refused_with_what_is_wrong() {
    let server = server();
    for (question, part) in [
        (json!({}), "one of 'read', 'write' and 'update'"),
        (json!({"read": "/a.b"}), "'read' is no path"),
        (json!({"write": "/a"}), "needs a 'value'"),
        (json!({"read": "/", "auth": 5}), "'auth' must be"),
    ] {
        let answer = ask(&server, &question);
        assert_eq!(answer.status, 400, "{question}");
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{}", answer.text());
    }
    assert_eq!(server.get(EXPLAIN).status, 405);
    assert_eq!(server.request("POST", EXPLAIN, &[], &" ".repeat((16 << 20) + 1)).status, 413);
}

#[test]
fn strangers_in_production_are_told_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, rules) = (scratch.path().join("data"), scratch.path().join("rules.json"));
    let (data, rules_file) = (data.to_str().unwrap(), rules.to_str().unwrap());
    fs::write(&rules, RULES).unwrap();
    let key = run(&["key", "create", "--data", data], &[], "").out.trim().to_owned();
    let server = Server::start(&["--production", "--data", data, "--rules", rules_file]);
    let question = json!({"read": "/rooms/a"}).to_string();
    for headers in [&[][..], &[("Authorization", "Bearer owner")]] {
        assert_eq!(server.request("POST", EXPLAIN, headers, &question).status, 401);
        assert_eq!(server.request("GET", COVERAGE, headers, "").status, 401);
        assert_eq!(server.request("GET", "/.inspect/coverage", headers, "").status, 401);
        assert_eq!(server.request("GET", "/.inspect/coverage.json?ns=other", headers, "").status, 401);
    }
    let bearer = format!("Bearer {key}");
    let admin = [("Authorization", bearer.as_str())];
    assert_eq!(server.request("POST", EXPLAIN, &admin, &question).status, 200);
    assert_eq!(server.request("GET", COVERAGE, &admin, "").status, 200);
    assert_eq!(server.request("GET", &format!("{COVERAGE}?ns=other"), &admin, "").status, 404);
    let asked = ["rules", "explain", "--read", "/rooms/a", "--url", &server.url()];
    let refused = run(&asked, &[], "");
    assert!(refused.code == 1 && refused.err.contains("--token"), "{refused:?}");
    let told = run(&[&asked[..], &["--token", &key]].concat(), &[], "");
    assert!(told.code == 0 && told.out.starts_with("denied: "), "{told:?}");
}

// ---- Coverage ------------------------------------------------------------------------------------------------------

#[test]
fn coverage_counts_from_the_first_question_on() {
    let server = server();
    let first = server.get(COVERAGE).json();
    assert!(first["note"].as_str().unwrap().contains("counting begins now"), "{first}");
    assert_eq!(first["rules"], RULES);
    assert_eq!(server.get("/list.json").status, 401);
    assert_eq!(server.get("/list.json?orderBy=\"$key\"&limitToLast=3").status, 200);
    assert_eq!(server.get("/list.json?orderBy=\"$key\"&limitToLast=4").status, 200);
    let counted = server.get(COVERAGE).json();
    assert_eq!(counted.get("note"), None);
    let part = |counted: &Value, text: &str| {
        let report = counted["report"].as_array().unwrap();
        report.iter().find(|part| part["expression"] == text).unwrap_or_else(|| panic!("{text}: {counted}")).clone()
    };
    let whole = part(&counted, "query.limitToLast <= 10 && query.orderByKey");
    assert_eq!((&whole["line"], &whole["col"], &whole["length"]), (&json!(11), &json!(24), &json!(43)));
    assert_eq!(whole["values"][0], json!({"value": "true", "count": 2}));
    assert_eq!(part(&counted, "newData.isString()")["values"], json!([]));
    assert_eq!(server.request("HEAD", "/.inspect/coverage", &[], "").status, 200);
    assert_eq!(server.put(COVERAGE, "1").status, 405);
    let page = server.get("/.inspect/coverage");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("2 \u{d7} true"), "{}", page.text());
    // New rules are counted, from nothing.
    assert_eq!(server.put("/.settings/rules.json", &format!("{RULES} ")).status, 200);
    assert_eq!(server.get("/list.json?orderBy=\"$key\"&limitToLast=3").status, 200);
    let counted = server.get(COVERAGE).json();
    let whole = part(&counted, "query.limitToLast <= 10 && query.orderByKey");
    assert_eq!((counted.get("note"), &whole["values"]), (None, &json!([{"value": "true", "count": 1}])));
}

// ---- The command line ----------------------------------------------------------------------------------------------

/// Runs `beaconfire rules ...` where `rules.json` and `cases.json` have these texts.
fn rules(arguments: &[&str], rules: &str, cases: &str) -> Finished {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("rules.json"), rules).unwrap();
    fs::write(scratch.path().join("cases.json"), cases).unwrap();
    let mut command = support::command(scratch.path());
    let output = command.arg("rules").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Finished { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn check_prints_every_mistake_with_its_place() {
    let check = |text: &str, flags: &[&str]| rules(&[&["check", "rules.json"], flags].concat(), text, "");
    let fine = check(RULES, &[]);
    assert_eq!((fine.code, fine.out.as_str()), (0, "rules.json: no mistakes\n"), "{}", fine.err);
    let wrong = "{\"rules\": {\n  \".read\": \"tru\",\n  \".write\": \"auth.uid ==\"}}";
    let told = check(wrong, &[]);
    assert_eq!(told.code, 1);
    let lines: Vec<&str> = told.out.lines().collect();
    assert_eq!(lines[0], "rules.json:2:13: Unknown variable 'tru'.");
    assert!(lines.len() == 2 && lines[1].starts_with("rules.json:3:"), "{}", told.out);
    let told: Value = serde_json::from_str(&check(wrong, &["--json"]).out).unwrap();
    assert_eq!(told["problems"][0], json!({"line": 2, "column": 13, "text": "Unknown variable 'tru'."}));
    assert_eq!(rules(&["check", "absent.json"], "", "").code, 2);
}

#[test]
fn cases_that_come_out_otherwise_are_told_with_the_deciding_rule() {
    let cases = json!({
        "data": {"rooms": {"a": {"members": {"ann": true}}}},
        "cases": [
            {"name": "members read", "auth": {"uid": "ann"}, "read": "/rooms/a", "allow": true},
            {"name": "others read", "auth": {"uid": "bob"}, "read": "/rooms/a", "allow": true},
            {"name": "pages", "read": "/list", "query": {"orderBy": "$key", "limitToLast": 5}, "allow": true},
            {"name": "server time", "auth": {}, "write": "/rooms/a/at", "value": {".sv": "timestamp"}, "allow": true},
            {"name": "own time", "auth": {}, "now": 7, "write": "/rooms/a/at", "value": 7, "allow": true},
            {"name": "nothing is kept", "auth": {"uid": "ann"}, "write": "/rooms/a", "value": null, "allow": true},
            {"name": "still a member", "auth": {"uid": "ann"}, "read": "/rooms/a", "allow": true},
            {"auth": {}, "update": "/rooms", "values": {"a/topic": 1, "b/topic": "x"}, "allow": true},
            {"auth": {}, "update": "/rooms", "values": {"a/topic": "y", "b/topic": "x"}, "allow": false},
        ],
    });
    let test = ["test", "rules.json", "--cases", "cases.json"];
    let told = rules(&test, RULES, &cases.to_string());
    assert_eq!(told.code, 1, "{told:?}");
    assert_eq!(
        told.out,
        "failed: others read\n  expected to be allowed, but it is denied\n  rules.json:5:19: the .read rule of \
         /rooms/a (line 5, column 19) is false: ask as somebody it grants this to, or change the rule\n\
         failed: case 8\n  expected to be allowed, but it is denied\n  rules.json:7:33: the .validate rule of \
         /rooms/a/topic (line 7, column 33) is false: write data that it accepts, or change the rule\n\
         failed: case 9\n  expected to be denied, but it is allowed\n  rules.json:6:20: the .write rule of /rooms/a \
         (line 6, column 20) grants this\n\
         3 of 9 cases came out otherwise than they say\n"
    );
    let json: Value =
        serde_json::from_str(&rules(&[&test[..], &["--json"]].concat(), RULES, &cases.to_string()).out).unwrap();
    assert_eq!((&json["cases"], json["failed"].as_array().unwrap().len()), (&json!(9), 3));
    assert_eq!((&json["failed"][0]["name"], &json["failed"][0]["allow"]), (&json!("others read"), &json!(true)));

    let good = json!({"cases": [{"read": "/", "allow": false}]}).to_string();
    let told = rules(&test, RULES, &good);
    assert_eq!((told.code, told.out.as_str()), (0, "all 1 cases came out as they say\n"), "{}", told.err);
    assert_eq!(rules(&test, "{", &good).code, 1);
    for bad in [r#"{"cases":[{"read":"/"}]}"#, r#"{"cases":[{"read":"/","allow":true,"as":1}]}"#, "[]", "{}"] {
        let told = rules(&test, RULES, bad);
        assert!(told.code == 2 && told.err.contains("cases.json has no cases"), "{bad}: {told:?}");
    }
}

#[test]
fn running_server_is_asked_from_the_command_line() {
    let server = server();
    let url = server.url();
    let explain = |arguments: &[&str]| run(&[&["rules", "explain", "--url", &url], arguments].concat(), &[], "");
    let told = explain(&["--read", "/rooms/a", "--auth", r#"{"uid":"bob"}"#]);
    assert_eq!(told.code, 0, "{}", told.err);
    for line in [
        "denied: the .read rule of /rooms/a (line 5, column 19) is false: ask as somebody it grants this to, or change \
         the rule",
        "  .read of /rooms/a (line 5, column 19): false",
        "     5:47   auth.uid = \"bob\"",
    ] {
        assert!(told.out.lines().any(|told| told == line), "{line:?} in {}", told.out);
    }
    let told = explain(&["--write", "/rooms/a/topic", "--value", "\"x\"", "--auth", "{}", "--json"]);
    let json: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(json["allowed"], true);
    let update = explain(&["--update", "/", "--value", r#"{"rooms/a/topic":"x","b":1}"#, "--auth", "admin"]);
    assert!(update.out.starts_with("allowed: "), "{}", update.out);
    for (arguments, part) in [
        (&["--read", "/a.b"][..], "no path"),
        (&["--write", "/a"], "--value"),
        (&["--read", "/", "--write", "/", "--value", "1"], "cannot be used with"),
        (&[], "--read"),
        (&["--read", "/", "--auth", "ann"], "`--auth` is not JSON"),
    ] {
        let told = explain(arguments);
        assert!(told.code == 2 && told.err.contains(part), "{arguments:?}: {told:?}");
    }
}
