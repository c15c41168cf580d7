//! Rules files over REST, and the indexes that queries need from them.
//!
//! Source: Firebase REST reference 6.6, 6.7, 10.1.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

mod support;

use serde_json::json;
use support::{Answer, Server};

const RULES: &str = "/.settings/rules.json";
const OPEN: &str = r#"{"rules":{".read":true,".write":true}}"#;
const TAKEN: &str = "{\n  \"status\" : \"ok\"\n}\n";
const WANT_ETAG: (&str, &str) = ("X-Firebase-ETag", "true");

/// Status and body of an answer.
fn seen(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.text())
}

/// A request that must be refused: gives the error text.
fn refused(server: &Server, method: &str, target: &str, headers: &[(&str, &str)], body: &str, status: u16) -> String {
    let answer = server.request(method, target, headers, body);
    assert_eq!(answer.status, status, "{method} {target} {body}: {}", answer.text());
    answer.json()["error"].as_str().unwrap().to_owned()
}

/// Gives the default database open rules with these further members, as in `{"list":{".indexOn":"n"}}`.
fn index(server: &Server, members: &str) {
    let rules = format!("{{\"rules\":{{\".read\":true,\".write\":true,{}}}", members.trim_start_matches('{'));
    assert_eq!(seen(&server.put(RULES, &rules)), (200, TAKEN), "{rules}");
}

#[test]
fn rules_are_served_as_they_were_uploaded() {
    let server = Server::ephemeral();
    let target = |query: &str| format!("{RULES}?ns=n{query}");
    assert_eq!(seen(&server.get(&target(""))), (200, OPEN));
    assert_eq!(seen(&server.get("/.settings/rules/.json?ns=n&format=strict")), (200, OPEN));
    let text = "\u{feff}// Everyone.\n{ \"rules\": {\".read\": true, /* yes, \"really\" */\n\
        \".write\": \"true\\n||\n\tfalse\"} }\n";
    for content_type in ["text/plain;charset=UTF-8", "application/json; charset=utf-8"] {
        let headers = [("Authorization", "Bearer owner"), ("Content-Type", content_type)];
        assert_eq!(server.request("PUT", &target(""), &headers, text).status, 200);
        let read = server.request("GET", &target(""), &headers[..1], "");
        assert_eq!(seen(&read), (200, text));
        assert_eq!(read.header("content-type"), Some("application/json; charset=utf-8"));
    }
    let strict = json!({"rules": {".read": true, ".write": "true\n||\n\tfalse"}});
    assert_eq!(seen(&server.get(&target("&format=strict"))), (200, strict.to_string().as_str()));
    assert_eq!(server.get(&target("&format=strict&print=pretty")).json(), strict);
    assert_eq!(seen(&server.get(&target("&access_token=owner"))), (200, text));
    assert_eq!(seen(&server.get(RULES)), (200, OPEN), "each database has its own");
    for method in ["DELETE", "POST", "PATCH"] {
        refused(&server, method, &target(""), &[], OPEN, 405);
    }
}

#[test]
fn rules_are_in_force_from_their_answer_on() {
    let server = Server::ephemeral();
    assert_eq!(seen(&server.put(RULES, OPEN)), (200, TAKEN));
    assert_eq!(seen(&server.put("/a.json", "1")), (200, "1"));
    let closed = r#"{"rules":{".read":"auth != null",".write":true,"a":{".validate":"newData.isString()"}}}"#;
    assert_eq!(seen(&server.put(RULES, closed)), (200, TAKEN));
    assert_eq!(refused(&server, "GET", "/a.json", &[], "", 401), "Permission denied");
    assert_eq!(refused(&server, "PUT", "/a.json", &[], "1", 401), "Permission denied");
    assert_eq!(seen(&server.put("/a.json", "\"x\"")), (200, "\"x\""));
    assert_eq!(seen(&server.get("/a.json?access_token=owner")), (200, "\"x\""));
}

#[test]
fn dry_run_only_checks() {
    let server = Server::ephemeral();
    let dry = format!("{RULES}?dryRun=true");
    assert_eq!(seen(&server.put(&dry, "{\"rules\":{\".read\":true,\".write\":true} /**/ }")), (200, TAKEN));
    assert_eq!(seen(&server.get(RULES)), (200, OPEN));
    // As `firebase deploy` mangles it.
    let error = refused(&server, "PUT", "/?ns=n/.settings/rules.json?dryRun=true", &[], "{}", 400);
    assert_eq!(error, "1:1: Expected 'rules' property.\n");
    assert_eq!(seen(&server.put("/?ns=n/.settings/rules.json", "{\"rules\":{}}")).0, 200);
    assert_eq!(seen(&server.get(&format!("{RULES}?ns=n"))), (200, "{\"rules\":{}}"));
}

#[test]
fn bad_rules_are_refused_with_their_places_and_change_nothing() {
    let server = Server::ephemeral();
    index(&server, r#"{"d":{".indexOn":"h"}}"#);
    let before = server.get(RULES).text().to_owned();
    let key_names = r##"Key names can't contain ".", "#", "$", "/", "[", or "]" (unbound names start with "$")"##;
    for (rules, expected) in [
        ("", "1:1: Parse error. Expected a value, found the end.\n".to_owned()),
        ("{\"rules\":{},}", "1:13: Parse error. Expected a name in double quotes, found '}'.\n".to_owned()),
        ("{\n  \"rules\": {\"a\": true}\n}", "2:18: Expected an object.\n".to_owned()),
        ("{\n\"rules\":{\n  \"a.b\":{},\n  \".x\":1}}", format!("3:3: {key_names}\n4:3: {key_names}\n")),
        ("{\"rules\":{\".indexOn\":[1,\"\"]}}", "1:23: Invalid index.\n1:25: Invalid index.\n".to_owned()),
    ] {
        for target in [RULES, "/.settings/rules.json?dryRun=true"] {
            assert_eq!(refused(&server, "PUT", target, &[], rules, 400), expected, "{rules}");
        }
    }
    let mut connection = server.connect();
    connection.send("PUT", RULES, &[("Content-Length", "14")], "");
    connection.send_raw(b"{\"rules\":{}} \xff");
    let head = connection.read_head();
    assert_eq!(head.status, 400);
    assert!(String::from_utf8(connection.read_body(&head)).unwrap().contains("1:14: Parse error"));
    refused(&server, "PUT", RULES, &[], &format!("{OPEN}{}", " ".repeat(1024 * 1024)), 413);
    refused(&server, "PUT", RULES, &[], &"{\"rules\":".repeat(100_000), 400);
    assert_eq!(server.get(RULES).text(), before);
    assert_eq!(server.get("/d.json?orderBy=%22h%22").status, 200, "the index is still there");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn rules_and_their_indexes_survive_kill_and_restart() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::with_data(data.path());
    let rules = "{\"rules\":{\".read\":true,\".write\":true,\"d\":{\".indexOn\":\"h\"}}} // mine\n";
    assert_eq!(server.put("/.settings/rules.json?ns=n", rules).status, 200);
    server.put("/d.json?ns=n", r#"{"a":{"h":2},"b":{"h":1}}"#);
    server.kill();
    let server = Server::with_data(data.path());
    assert_eq!(seen(&server.get("/.settings/rules.json?ns=n")), (200, rules));
    let first = server.get("/d.json?ns=n&orderBy=%22h%22&limitToFirst=1");
    assert_eq!(seen(&first), (200, r#"{"b":{"h":1}}"#));
    refused(&server, "GET", "/d.json?ns=n&orderBy=%22x%22", &[], "", 400);
}

#[test]
fn query_without_its_index_is_told_what_to_add() {
    let server = Server::ephemeral();
    server.put("/dinosaurs.json", r#"{"a":{"height":3,"n":{"x":1}},"b":{"height":1}}"#);
    let missing = |name: &str, path: &str| {
        format!("Index not defined, add \".indexOn\": \"{name}\", for path \"{path}\", to the rules")
    };
    let accept = [("Accept", "text/event-stream")];
    let table = [
        ("/dinosaurs.json?orderBy=%22height%22", missing("height", "/dinosaurs")),
        ("/dinosaurs.json?orderBy=%22n/x%22&limitToFirst=1", missing("n/x", "/dinosaurs")),
        ("/dinosaurs/.json?orderBy=%22$value%22&equalTo=1", missing(".value", "/dinosaurs")),
        ("/.json?orderBy=%22height%22&auth=x&access_token=owner", missing("height", "/")),
        ("/r%C3%BC/x%20y.json?orderBy=%22h%22&limitToLast=2", missing("h", "/rü/x y")),
        ("/none.json?orderBy=%22h%22&print=silent", missing("h", "/none")),
    ];
    for (target, expected) in &table {
        for headers in [&[][..], &accept, &[("Authorization", "Bearer owner")]] {
            assert_eq!(refused(&server, "GET", target, headers, "", 400), *expected, "{target}");
        }
    }
    // What is wrong with the query itself is told first.
    let error = refused(&server, "GET", "/dinosaurs.json?orderBy=%22height%22&limitToFirst=0", &accept, "", 400);
    assert_eq!(error, "limitToFirst must be positive");
    let etag = refused(&server, "GET", "/dinosaurs.json?orderBy=%22height%22", &[WANT_ETAG], "", 400);
    assert_eq!(etag, "ETag is not supported for this request");
    for query in ["orderBy=%22$key%22&limitToFirst=1", "orderBy=%22$priority%22&limitToFirst=1"] {
        assert_eq!(server.get(&format!("/dinosaurs.json?{query}")).json(), json!({"a": {"height": 3, "n": {"x": 1}}}));
    }
}

#[test]
fn index_counts_at_exactly_its_place() {
    let server = Server::ephemeral();
    server.put("/rooms.json", r#"{"1":{"a":{"at":2},"b":{"at":1}},"hall":{"a":{"at":2}}}"#);
    server.put("/scores.json", r#"{"x":3,"y":1,"z":2}"#);
    index(&server, r#"{"rooms":{"$room":{".indexOn":["at","by/name"]},"hall":{}},"scores":{".indexOn":".value"}}"#);
    for (target, expected) in [
        ("/rooms/1.json?orderBy=%22at%22&limitToFirst=1", r#"{"b":{"at":1}}"#),
        ("/rooms/none.json?orderBy=%22by/name%22&limitToFirst=1", "null"),
        ("/scores.json?orderBy=%22$value%22&startAt=2", r#"{"x":3,"z":2}"#),
    ] {
        assert_eq!(seen(&server.get(target)), (200, expected), "{target}");
    }
    for target in
        ["/rooms.json?orderBy=%22at%22", "/rooms/1/a.json?orderBy=%22at%22", "/rooms/hall.json?orderBy=%22at%22"]
    {
        refused(&server, "GET", target, &[], "", 400);
    }
    let mut events = server.events("/rooms/1.json?orderBy=%22at%22&limitToLast=1");
    assert_eq!(events.next().data, r#"{"path":"/","data":{"a":{"at":2}}}"#);
    // New rules count from the next request on; what runs goes on.
    assert_eq!(seen(&server.put(RULES, OPEN)), (200, TAKEN));
    refused(&server, "GET", "/rooms/1.json?orderBy=%22at%22", &[], "", 400);
    server.put("/rooms/1/c.json", r#"{"at":3}"#);
    assert_eq!(events.next().data, r#"{"path":"/","data":{"a":null,"c":{"at":3}}}"#);
}
