//! The REST API of a real server, spoken to in raw HTTP: what a Firebase client sends and expects back.
//!
//! Source: Firebase REST reference, whose section numbers stand beside the tests.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

mod support;

use std::io::Read as _;
use std::time::Duration;

use serde_json::{Value, json};

use support::{Answer, Connection, Server};

/// Status and body of an answer.
type Seen<'a> = (u16, &'a str);

fn seen(answer: &Answer) -> Seen<'_> {
    (answer.status, answer.text())
}

/// Sends each request of a table in order and compares status and body.
fn check(server: &Server, table: &[(&str, &str, &str, Seen<'_>)]) {
    let mut connection = server.connect();
    for (method, target, body, expected) in table {
        let answer = connection.request(method, target, &[], body);
        assert_eq!(seen(&answer), *expected, "{method} {target} {body}");
    }
}

/// A request that must be refused: gives the error text, checked for status and layout.
fn refused(server: &Server, method: &str, target: &str, headers: &[(&str, &str)], body: &str, status: u16) -> String {
    let answer = server.request(method, target, headers, body);
    assert_eq!(answer.status, status, "{method} {target} {body}: {}", answer.text());
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert_eq!(answer.text(), format!("{{\n  \"error\" : {}\n}}\n", Value::from(error.as_str())));
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    error
}

/// Gives the default database open rules with these further members, as in `{"list":{".indexOn":"n"}}`.
fn index(server: &Server, members: &str) {
    let rules = format!("{{\"rules\":{{\".read\":true,\".write\":true,{}}}", members.trim_start_matches('{'));
    assert_eq!(server.put("/.settings/rules.json", &rules).status, 200, "{rules}");
}

// ---- Reading and writing (15.1, 15.2) ------------------------------------------------------------------------------

#[test]
fn put_value_is_answered_and_read_as_stored() {
    let server = Server::ephemeral();
    check(
        &server,
        &[
            ("PUT", "/t.json?ns=n", r#"{"a":[1,2],"b":null}"#, (200, r#"{"a":[1,2]}"#)),
            ("GET", "/t/.json?ns=n", "", (200, r#"{"a":[1,2]}"#)),
            ("GET", "/t/x.json?ns=n", "", (200, "null")),
            ("GET", "/t.json", "", (200, "null")),
            ("GET", "//t///a/1/.json?ns=n", "", (200, "2")),
            ("PUT", "/t/a.json?ns=n", "null", (200, "null")),
            ("GET", "/.json?ns=n", "", (200, "null")),
            ("PUT", "/sp%20ace/%C3%BC.json", "\"\\u0041\\n\"", (200, "\"A\\n\"")),
            ("GET", "/.json", "", (200, "{\"sp ace\":{\"ü\":\"A\\n\"}}")),
            ("DELETE", "/sp%20ace.json", "ignored", (200, "null")),
            ("PUT", "/n.json", "[1.0,-0,0.5,9007199254740993,1e2,1e-7]", (200, "[1,0,0.5,9007199254740993,100,1e-7]")),
            ("PUT", "/n.json", r#"{"1":"a"}"#, (200, r#"[null,"a"]"#)),
            ("PUT", "/n.json", r#"{"2":"a"}"#, (200, r#"{"2":"a"}"#)),
            (
                "PUT",
                "/__proto__.json",
                r#"{"constructor":{"__proto__":1}}"#,
                (200, r#"{"constructor":{"__proto__":1}}"#),
            ),
            ("GET", "/__proto__/constructor.json", "", (200, r#"{"__proto__":1}"#)),
        ],
    );
}

#[test]
fn patch_writes_deep_paths_all_or_none() {
    let server = Server::ephemeral();
    check(
        &server,
        &[
            ("PUT", "/t.json", r#"{"a":[1,2],"keep":true}"#, (200, r#"{"a":[1,2],"keep":true}"#)),
            ("PATCH", "/t.json", r#"{"a/0":9,"c":{"d":1}}"#, (200, r#"{"a/0":9,"c":{"d":1}}"#)),
            ("GET", "/t.json", "", (200, r#"{"a":[9,2],"c":{"d":1},"keep":true}"#)),
            ("PATCH", "/t.json", r#"{"/c/":null}"#, (200, r#"{"c":null}"#)),
            ("PATCH", "/t.json", "{}", (200, "{}")),
            ("GET", "/t.json", "", (200, r#"{"a":[9,2],"keep":true}"#)),
        ],
    );
    refused(&server, "PATCH", "/t.json", &[], r#"{"a":1,"a/b":2}"#, 400);
    refused(&server, "PATCH", "/t.json", &[], r#"{"x":1,"a$":2}"#, 400);
    refused(&server, "PATCH", "/t.json", &[], "[1]", 400);
    check(
        &server,
        &[
            ("GET", "/t.json", "", (200, r#"{"a":[9,2],"keep":true}"#)),
            ("PATCH", "/t.json?print=silent&writeSizeLimit=tiny&disableTriggers=false", "null", (204, "")),
            ("GET", "/t.json", "", (200, "null")),
        ],
    );
}

#[test]
fn names_of_1000_fast_posts_sort_in_their_order() {
    let server = Server::ephemeral();
    let mut connection = server.connect();
    let mut names = Vec::new();
    for index in 0..1_000 {
        let answer = connection.request("POST", "/q.json", &[], &index.to_string());
        names.push(answer.json()["name"].as_str().unwrap().to_owned());
        assert_eq!(answer.text(), format!("{{\"name\":\"{}\"}}", names[index]));
    }
    assert!(names.is_sorted() && names.iter().all(|name| name.len() == 20 && name.starts_with('-')));
    let stored = server.get("/q.json").json();
    let values: Vec<_> = names.iter().map(|name| stored[name].as_u64().unwrap()).collect();
    assert_eq!(values, (0..1_000).collect::<Vec<_>>());
}

#[test]
fn post_of_null_writes_nothing_and_has_a_name() {
    let server = Server::ephemeral();
    let answer = server.request("POST", "/q.json", &[("X-Firebase-ETag", "true")], "null");
    assert_eq!((answer.status, answer.header("etag")), (200, Some("null_etag")));
    assert!(answer.json()["name"].is_string());
    assert_eq!(seen(&server.get("/q.json")), (200, "null"));
}

#[test]
fn databases_are_chosen_by_parameter_host_and_default() {
    let server = Server::ephemeral();
    server.put("/who.json?ns=a", "\"a\"");
    server.put("/who.json", "\"default\"");
    assert_eq!(server.request("GET", "/who.json", &[("Host", "a.localhost:9000")], "").text(), "\"a\"");
    assert_eq!(server.request("GET", "/who.json?ns=A", &[("Host", "b.localhost")], "").text(), "\"a\"");
    assert_eq!(server.request("GET", "/who.json", &[("Host", "a.firebaseio.com")], "").text(), "\"a\"");
    assert_eq!(server.get("/who.json").text(), "\"default\"");
    assert_eq!(refused(&server, "GET", "/who.json?ns=..", &[], "", 403), "Invalid Firebase database name");
    let names: Vec<_> = server.get("/.inspect/databases.json?ns=x").json().as_array().unwrap().clone();
    assert!(names.contains(&json!({"name":"a"})) && !names.contains(&json!({"name":"x"})));
}

#[test]
fn credentials_that_make_no_sense_are_refused_and_others_taken() {
    let server = Server::ephemeral();
    server.put("/t.json", "1");
    for target in ["/t.json?access_token=owner", "/t.json?auth_variable_override=%7B%7D&ac=x"] {
        assert_eq!(seen(&server.get(target)), (200, "1"), "{target}");
    }
    assert_eq!(refused(&server, "GET", "/t.json?auth=a.b.c", &[], "", 401), "Could not parse auth token.");
    let answer = server.request("GET", "/t.json", &[("Authorization", "Bearer owner")], "");
    assert_eq!(seen(&answer), (200, "1"));
}

#[test]
fn server_values_are_settled_and_echoed() {
    let server = Server::ephemeral();
    let stored =
        server.put("/t.json", r#"{"a":{".sv":"timestamp"},"b":{".sv":"timestamp"},"n":{".sv":{"increment":5}}}"#);
    let stored = stored.json();
    assert!(stored["a"].as_u64().unwrap() > 1_600_000_000_000 && stored["a"] == stored["b"]);
    assert_eq!(stored["n"], 5);
    assert_eq!(server.get("/t.json").json(), stored);
    check(
        &server,
        &[
            ("PATCH", "/t.json", r#"{"n":{".sv":{"increment":-1.5}}}"#, (200, r#"{"n":3.5}"#)),
            ("PUT", "/t/n/.priority.json", r#"{".sv":{"increment":2}}"#, (200, "2")),
            ("GET", "/t/n.json?format=export", "", (200, r#"{".value":3.5,".priority":2}"#)),
        ],
    );
    refused(&server, "PUT", "/t.json", &[], r#"{".sv":"unknown"}"#, 400);
}

#[test]
fn priorities_are_virtual_children() {
    let server = Server::ephemeral();
    check(
        &server,
        &[
            ("PUT", "/none/.priority.json", "1", (200, "1")),
            ("GET", "/none.json", "", (200, "null")),
            ("PUT", "/t.json", r#"{"a":{".value":"x",".priority":2},".priority":"p"}"#, (200, r#"{"a":"x"}"#)),
            ("GET", "/t/.priority.json", "", (200, "\"p\"")),
            ("GET", "/t/a/.priority.json", "", (200, "2")),
            ("GET", "/t/a/b/.priority.json", "", (200, "null")),
            ("GET", "/t.json?format=export", "", (200, r#"{".priority":"p","a":{".value":"x",".priority":2}}"#)),
            ("PUT", "/t/a/.priority.json", "1.5", (200, "1.5")),
            ("PUT", "/t/a.json", "\"y\"", (200, "\"y\"")),
            ("GET", "/t/a/.priority.json", "", (200, "null")),
            ("DELETE", "/t/.priority.json", "", (200, "null")),
            ("GET", "/t.json?format=export", "", (200, r#"{"a":"y"}"#)),
        ],
    );
    for body in ["true", "{}", "[1]", "{\"a\":1}", ""] {
        refused(&server, "PUT", "/t/.priority.json", &[], body, 400);
    }
    refused(&server, "PATCH", "/t/.priority.json", &[], "{}", 400);
}

// ---- Conditional requests (5.8, 15.3) ------------------------------------------------------------------------------

const WANT_ETAG: (&str, &str) = ("X-Firebase-ETag", "true");

fn etag_of(server: &Server, target: &str) -> String {
    server.request("GET", target, &[WANT_ETAG], "").header("etag").unwrap().to_owned()
}

#[test]
fn etag_round_writes_only_what_was_seen() {
    let server = Server::ephemeral();
    server.put("/t.json", r#"{"n":1}"#);
    let stale = etag_of(&server, "/t.json");
    server.put("/t.json", r#"{"n":2}"#);
    let fresh = etag_of(&server, "/t.json");
    assert_ne!(stale, fresh);
    let missed = server.request("PUT", "/t.json", &[("if-match", &stale)], r#"{"n":9}"#);
    assert_eq!(seen(&missed), (412, r#"{"n":2}"#));
    assert_eq!(missed.header("etag"), Some(fresh.as_str()));
    assert_eq!(missed.header("content-type"), Some("application/json; charset=utf-8"));
    let quoted = format!("\"{fresh}\"");
    let hit = server.request("PUT", "/t.json", &[("If-Match", &quoted)], r#"{"n":3}"#);
    assert_eq!(seen(&hit), (200, r#"{"n":3}"#));
    assert_eq!(hit.header("etag"), Some(etag_of(&server, "/t.json").as_str()));
}

#[test]
fn null_etag_creates_only_where_nothing_is() {
    let server = Server::ephemeral();
    let create = |body: &str| server.request("PUT", "/t.json", &[("if-match", "null_etag")], body);
    assert_eq!(seen(&create("1")), (200, "1"));
    assert_eq!(seen(&create("2")), (412, "1"));
    let delete = |etag: &str| server.request("DELETE", "/t.json", &[("if-match", etag)], "");
    assert_eq!(delete("null_etag").status, 412);
    let deleted = delete(&etag_of(&server, "/t.json"));
    assert_eq!((seen(&deleted), deleted.header("etag")), ((200, "null"), Some("null_etag")));
    assert_eq!(seen(&create("3")), (200, "3"));
}

#[test]
fn etag_table_is_kept_for_every_method() {
    let server = Server::ephemeral();
    server.put("/t.json", r#"{"a":1}"#);
    let etag = etag_of(&server, "/t.json");
    let condition = ("if-match", etag.as_str());
    let unsupported = "ETag is not supported for this request";
    let if_match = "If-Match is not supported for this request";
    assert_eq!(refused(&server, "GET", "/t.json", &[condition], "", 400), if_match);
    assert_eq!(refused(&server, "POST", "/t.json", &[condition], "1", 400), if_match);
    assert_eq!(refused(&server, "PATCH", "/t.json", &[condition], "{}", 400), if_match);
    assert_eq!(refused(&server, "PATCH", "/t.json", &[WANT_ETAG], "{}", 400), unsupported);
    assert_eq!(refused(&server, "GET", "/t.json?orderBy=%22$key%22", &[WANT_ETAG], "", 400), unsupported);
    refused(&server, "PUT", "/t.json?print=silent", &[condition], "1", 400);
    assert_eq!(etag_of(&server, "/t.json"), etag, "nothing of this was written");

    let put = server.request("PUT", "/t.json?print=silent", &[WANT_ETAG], r#"{"a":2}"#);
    assert_eq!((put.status, put.header("etag")), (204, Some(etag_of(&server, "/t.json").as_str())));
    let pushed = server.request("POST", "/t.json", &[WANT_ETAG], r#"{"x":{".sv":"timestamp"}}"#);
    let name = pushed.json()["name"].as_str().unwrap().to_owned();
    assert_eq!(pushed.header("etag"), Some(etag_of(&server, &format!("/t/{name}.json")).as_str()));
    let deleted = server.request("DELETE", "/t.json", &[WANT_ETAG], "");
    assert_eq!(deleted.header("etag"), Some("null_etag"));
    assert_eq!(etag_of(&server, "/t.json"), "null_etag");
}

#[test]
fn if_none_match_answers_304_until_data_changes() {
    let server = Server::ephemeral();
    server.put("/t.json", "1");
    let etag = etag_of(&server, "/t.json");
    let ask = || server.request("GET", "/t.json", &[("If-None-Match", &etag)], "");
    assert_eq!(seen(&ask()), (304, ""));
    server.put("/t/.priority.json", "5");
    let changed = ask();
    assert_eq!(seen(&changed), (200, "1"));
    assert_eq!(changed.header("etag"), Some(etag_of(&server, "/t.json").as_str()), "without being asked for");
}

#[test]
fn etags_are_the_node_hashes_of_the_realtime_protocol() {
    let server = Server::ephemeral();
    for (json, hash) in [
        ("\"hello\"", "z6sRbrNLwbHX5fdjpvsTtWgXUFc="),
        (r#"{".value":5,".priority":7}"#, "5KHjKDqmEGEiJPaWRM1aPyhb2b0="),
        (r#"{"10":"j","9":"i","1":"a","a":"z","-5":"n"}"#, "TumC3ZXVmTD/9ONZ8FYHzAJNXYg="),
        (r#"["a","b",null,"d"]"#, "zHN5iF3roEMCibnMfTuhsuzvl8k="),
    ] {
        let put = server.request("PUT", "/t.json", &[WANT_ETAG], json);
        assert_eq!(put.header("etag"), Some(hash), "{json}");
        assert_eq!(etag_of(&server, "/t.json"), hash, "{json}");
    }
}

#[test]
fn two_hundred_racing_increments_by_etag_lose_none() {
    let server = Server::ephemeral();
    let add = |_| {
        let mut connection = server.connect();
        let mut done = 0;
        let mut answer = connection.request("GET", "/n.json", &[WANT_ETAG], "");
        while done < 50 {
            let (old, etag) = (answer.json().as_u64().unwrap_or(0), answer.header("etag").unwrap().to_owned());
            answer = connection.request("PUT", "/n.json", &[("if-match", &etag)], &(old + 1).to_string());
            match answer.status {
                200 => done += 1,
                412 => {}
                other => panic!("{other}"),
            }
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || add(thread)))));
    assert_eq!(server.get("/n.json").text(), "200");
}

// ---- Parameters and headers (15.6) ---------------------------------------------------------------------------------

#[test]
fn print_lays_out_or_silences() {
    let server = Server::ephemeral();
    let pretty = "{\n  \"name\" : \"Jack\",\n  \"tags\" : [ \"a\", \"b\" ]\n}\n";
    check(
        &server,
        &[
            ("PUT", "/t.json?print=pretty", r#"{"name":"Jack","tags":["a","b"]}"#, (200, pretty)),
            ("GET", "/t.json?print=pretty", "", (200, pretty)),
            ("GET", "/t.json?print=silent", "", (204, "")),
            ("PUT", "/s.json?print=silent", "1", (204, "")),
            ("PATCH", "/s.json?print=silent", "{\"a\":1}", (204, "")),
            ("POST", "/s.json?print=silent", "1", (204, "")),
            ("DELETE", "/s.json?print=silent", "", (204, "")),
            ("GET", "/s.json?print=loud", "", (200, "null")),
        ],
    );
    assert_eq!(server.get("/t.json?print=silent").header("content-type"), None);
    refused(&server, "PUT", "/t.json?print=silent", &[], "{", 400);
}

#[test]
fn shallow_names_children() {
    let server = Server::ephemeral();
    server.put("/t.json", r#"{"a":{"x":{"y":1}},"b":2,"c":[1,2]}"#);
    check(
        &server,
        &[
            ("GET", "/t.json?shallow=true", "", (200, r#"{"a":true,"b":true,"c":true}"#)),
            ("GET", "/t/c.json?shallow=true", "", (200, r#"{"0":true,"1":true}"#)),
            ("GET", "/t/b.json?shallow=true", "", (200, "2")),
            ("GET", "/t/b.json?shallow=true&limitToFirst=1", "", (200, "2")),
            ("GET", "/x.json?shallow=true", "", (200, "null")),
            ("GET", "/x.json?shallow=true&limitToFirst=1", "", (200, "null")),
            ("GET", "/t.json?shallow=true&limitToFirst=2", "", (200, r#"{"a":true,"b":true}"#)),
            ("GET", "/t.json?shallow=true&limitToFirst=1&startAfter=a&timeout=200ms", "", (200, r#"{"b":true}"#)),
            ("GET", "/t.json?shallow=true&startAfter=zz", "", (200, "{}")),
        ],
    );
    index(&server, r#"{"t":{".indexOn":"x"}}"#);
    check(
        &server,
        &[
            ("GET", "/t.json?shallow=true&orderBy=x&limitToLast=1", "", (200, r#"{"a":true}"#)),
            ("GET", "/t.json?shallow=true&orderBy=x&limitToFirst=50&equalTo=none", "", (200, "{}")),
            ("GET", "/t.json?shallow=true&orderBy=%22$key%22&endAt=%22b%22", "", (200, r#"{"a":true,"b":true}"#)),
            ("GET", "/t/b.json?shallow=true&orderBy=%22$key%22", "", (200, "2")),
        ],
    );
    refused(&server, "GET", "/t.json?shallow=true&orderBy=y", &[], "", 400);
    let error = refused(&server, "GET", "/t.json?shallow=true&limitToLast=1", &[], "", 400);
    assert_eq!(error, "Mixing 'shallow' and querying parameters is not supported");
    let full = etag_of(&server, "/t.json");
    assert_eq!(etag_of(&server, "/t.json?shallow=true"), full);
}

#[test]
fn callback_and_download_shape_the_answer() {
    let server = Server::ephemeral();
    server.put("/t.json", "{\"a\":\"\\u2028\"}");
    let script = server.get("/t.json?callback=my.fn");
    assert_eq!(seen(&script), (200, "/**/my.fn({\"a\":\"\\u2028\"});"));
    assert_eq!(script.header("content-type"), Some("application/javascript; charset=utf-8"));
    assert_eq!(script.header("x-content-type-options"), Some("nosniff"));
    refused(&server, "GET", "/t.json?callback=alert(1)", &[], "", 400);
    let saved = server.get("/t.json?download=a%22/b.json");
    assert_eq!(saved.header("content-disposition"), Some("attachment; filename=\"ab.json\""));
    assert_eq!(saved.header("content-type"), Some("application/json; charset=utf-8"));
}

#[test]
fn timeouts_and_size_limits_are_checked() {
    let server = Server::ephemeral();
    server.put("/t.json", &json!((0..1_500).map(|n| json!({"n": n})).collect::<Vec<_>>()).to_string());
    for timeout in ["0ms", "-1s", "16min", "10", "x"] {
        refused(&server, "GET", &format!("/t.json?timeout={timeout}"), &[], "", 400);
    }
    assert_eq!(server.get("/t/1.json?timeout=15min").text(), r#"{"n":1}"#);
    let too_big = "Data to write exceeds the maximum size that can be modified with a single request.";
    assert_eq!(refused(&server, "DELETE", "/t.json?writeSizeLimit=tiny", &[], "", 400), too_big);
    assert_eq!(refused(&server, "PATCH", "/t.json?writeSizeLimit=tiny&print=silent", &[], "null", 400), too_big);
    refused(&server, "PUT", "/t.json?writeSizeLimit=huge", &[], "1", 400);
    assert_eq!(server.get("/t/1499/n.json").text(), "1499", "nothing was removed");
    assert_eq!(server.request("DELETE", "/t.json?writeSizeLimit=unlimited", &[], "").status, 200);
}

#[test]
fn methods_are_overridden_on_post_only() {
    let server = Server::ephemeral();
    let put = |value| ("X-HTTP-Method-Override", value);
    assert_eq!(seen(&server.request("POST", "/t.json", &[put("PUT")], "{\"a\":1}")), (200, "{\"a\":1}"));
    assert_eq!(seen(&server.request("POST", "/t.json", &[put("patch")], "{\"b\":2}")), (200, "{\"b\":2}"));
    assert_eq!(seen(&server.request("POST", "/t.json?x-http-method-override=GET", &[], "")), (200, r#"{"a":1,"b":2}"#));
    assert_eq!(seen(&server.request("PUT", "/t/c.json", &[put("DELETE")], "3")), (200, "3"));
    assert_eq!(seen(&server.request("POST", "/t.json?x-http-method-override=DELETE", &[], "")), (200, "null"));
    assert_eq!(server.get("/t.json").text(), "null");
    refused(&server, "POST", "/t.json", &[put("TRACE")], "1", 405);
    refused(&server, "TRACE", "/t.json", &[], "", 405);
}

#[test]
fn queries_filter_order_and_limit() {
    let server = Server::ephemeral();
    index(&server, r#"{"d":{".indexOn":["h"]}}"#);
    server.put("/d.json", r#"{"a":{"h":3},"b":{"h":1},"c":{"h":2},"d":{"h":"x"},"e":{"z":true}}"#);
    let get = |query: &str| server.get(&format!("/d.json?{query}")).text().to_owned();
    assert_eq!(get("orderBy=%22h%22&limitToFirst=2"), r#"{"b":{"h":1},"e":{"z":true}}"#);
    assert_eq!(get("orderBy=%22h%22&startAt=2&endBefore=%22a%22"), r#"{"a":{"h":3},"c":{"h":2}}"#);
    assert_eq!(get("orderBy=%22h%22&startAfter=2&limitToLast=1"), r#"{"d":{"h":"x"}}"#);
    assert_eq!(get("orderBy=%22h%22&equalTo=null"), r#"{"e":{"z":true}}"#);
    assert_eq!(get("orderBy=%22$key%22&startAfter=%22b%22&endAt=%22d%22"), r#"{"c":{"h":2},"d":{"h":"x"}}"#);
    assert_eq!(get("orderBy=%22$key%22&startAt=%22x%22"), "{}");
    assert_eq!(server.get("/d/a/h.json?orderBy=%22$key%22").text(), "null");
    assert_eq!(server.get("/none.json?orderBy=%22$key%22").text(), "null");
    for (query, text) in [
        ("limitToFirst=1", "orderBy must be defined when other query parameters are defined"),
        ("orderBy=h", "orderBy must be a valid JSON encoded path"),
        ("orderBy=%22$key%22&startAt=1", "Provided key index type is invalid, must be string"),
        ("orderBy=%22h%22&startAt=[1]", "Constraint index field must be a JSON primitive"),
        ("orderBy=%22h%22&limitToLast=x", "limitToLast must be an integer"),
        ("orderBy=%22h%22&limitToFirst=0", "limitToFirst must be positive"),
    ] {
        assert_eq!(refused(&server, "GET", &format!("/d.json?{query}"), &[], "", 400), text);
    }
}

#[test]
fn raw_quotes_in_a_query_are_taken() {
    let server = Server::ephemeral();
    index(&server, r#"{"d":{".indexOn":"h"}}"#);
    server.put("/d.json", r#"{"a":{"h":3},"b":{"h":"<"}}"#);
    let mut connection = server.connect();
    for target in [r#"/d.json?orderBy="h"&equalTo="<""#, r#"/d.json?orderBy="$key"&limitToLast=1"#] {
        assert_eq!(seen(&connection.request("GET", target, &[], "")), (200, r#"{"b":{"h":"<"}}"#));
        assert_eq!(connection.request("PUT", "/x.json", &[], r#""GET /?\"""#).status, 200);
    }
    assert_eq!(server.get("/x.json").text(), r#""GET /?\"""#);
    let mut events = server.events(r#"/d.json?orderBy="h"&equalTo=3"#);
    assert_eq!(events.next().data, r#"{"path":"/","data":{"a":{"h":3}}}"#);
}

#[test]
fn uploaded_form_replaces_a_path() {
    let server = Server::ephemeral();
    let body =
        "--b\r\nContent-Disposition: form-data; name=\"myFile\"; filename=\"x.json\"\r\n\r\n{\"a\":1}\r\n--b--\r\n";
    let headers = [("Content-Type", "multipart/form-data; boundary=b")];
    let target = "/p/.upload?ns=n&access_token=owner&writeSizeLimit=unlimited&disableTriggers=true";
    assert_eq!(server.request("POST", target, &headers, body).status, 200);
    assert_eq!(server.get("/p.json?ns=n").text(), "{\"a\":1}");
}

#[test]
fn settings_say_what_they_can() {
    let server = Server::ephemeral();
    check(
        &server,
        &[
            ("GET", "/.settings/defaultWriteSizeLimit.json", "", (200, "\"large\"")),
            ("GET", "/.settings/strictTriggerValidation.json", "", (200, "{\"value\":true}")),
            ("GET", "/.settings/owners.json", "", (200, "null")),
        ],
    );
    refused(&server, "PUT", "/.settings/owners.json", &[], "{}", 404);
}

// ---- HTTP (9, 15.7) ------------------------------------------------------------------------------------------------

#[test]
fn every_answer_is_open_to_browsers() {
    let server = Server::ephemeral();
    let answer = server.put("/t.json", "1");
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("ETag"));
    assert_eq!(answer.header("content-length"), Some("1"));
}

#[test]
fn preflight_of_a_browser_is_granted() {
    let server = Server::ephemeral();
    let headers = [
        ("Origin", "http://app.example"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "authorization, content-type, if-match"),
        ("Access-Control-Request-Private-Network", "true"),
    ];
    let answer = server.request("OPTIONS", "/t.json?ns=n", &headers, "");
    assert_eq!(seen(&answer), (200, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, PUT, POST, PATCH, DELETE, OPTIONS"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization, content-type, if-match"));
    assert_eq!(answer.header("access-control-max-age"), Some("3600"));
    assert_eq!(answer.header("access-control-allow-private-network"), Some("true"));
}

#[test]
fn head_is_get_without_body() {
    let server = Server::ephemeral();
    server.put("/t.json", r#"{"a":1}"#);
    let mut connection = server.connect();
    let head = connection.request("HEAD", "/t.json", &[WANT_ETAG, ("Accept", "text/event-stream")], "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("7")));
    assert_eq!(head.header("etag"), Some(etag_of(&server, "/t.json").as_str()));
    assert_eq!(connection.request("GET", "/t/a.json", &[], "").text(), "1", "the connection goes on");
}

#[test]
fn body_in_chunks_of_any_content_type_is_taken() {
    let server = Server::ephemeral();
    let headers = [("Transfer-Encoding", "chunked"), ("Content-Type", "application/x-www-form-urlencoded")];
    let answer = server.request("PUT", "/t.json", &headers, "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n");
    assert_eq!(seen(&answer), (200, "{\"a\":1}"));
    assert_eq!(seen(&server.put("/t.json", "\u{feff}2")), (200, "2"));
}

#[test]
fn path_without_json_is_told_what_is_missing() {
    let server = Server::ephemeral();
    let text = "append .json to your request URI to use the REST API";
    assert_eq!(refused(&server, "GET", "/t", &[], "", 403), text);
    assert_eq!(refused(&server, "PUT", "/t", &[], "1", 403), text);
}

#[test]
fn large_answer_comes_whole_in_every_form() {
    let server = Server::ephemeral();
    let data: Value = (0..20_000).map(|n| (format!("k{n}"), json!({"n": n, "text": "é\"".repeat(20)}))).collect();
    let text = data.to_string();
    assert_eq!(server.put("/t.json", &text).json(), data);
    let plain = server.get("/t.json");
    assert_eq!(plain.header("content-length"), Some(plain.body.len().to_string().as_str()));
    assert!(plain.body.len() > 1_500_000 && plain.json() == data);
    assert_eq!(server.get("/t.json?print=pretty&timeout=1min").json(), data);
    assert_eq!(server.get("/t.json?format=export").json(), data);
    let packed = server.request("GET", "/t.json", &[("Accept-Encoding", "gzip, deflate")], "");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.header("vary").unwrap().contains("Accept-Encoding") && packed.body.len() < 1_000_000);
    let names = server.get("/t.json?shallow=true").json();
    assert_eq!(names.as_object().unwrap().len(), 20_000);
    index(&server, r#"{"t":{".indexOn":"n"}}"#);
    let last = server.get("/t.json?orderBy=%22n%22&limitToLast=1").json();
    assert_eq!(last, json!({"k19999": data["k19999"]}));
    let head = server.request("HEAD", "/t.json", &[], "");
    assert_eq!(head.header("content-length"), plain.header("content-length"));
    assert_eq!(server.get("/t.json?timeout=1ms").status, 400);
}

#[test]
fn written_data_is_read_again_after_kill_and_restart() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::with_data(data.path());
    server.put("/t.json?ns=n", r#"{"a":[1,{"b":"ü"}]}"#);
    let etag = etag_of(&server, "/t.json?ns=n");
    server.kill();
    let server = Server::with_data(data.path());
    assert_eq!(server.get("/t.json?ns=n").text(), r#"{"a":[1,{"b":"ü"}]}"#);
    assert_eq!(etag_of(&server, "/t.json?ns=n"), etag);
}

// ---- Bad input -----------------------------------------------------------------------------------------------------

/// Runs `attack` on a server that holds data and has a listener; afterwards nothing must have changed for anybody.
fn survives(attack: impl FnOnce(&Server)) {
    let server = Server::ephemeral();
    server.put("/t.json", r#"{"safe":true}"#);
    let mut witness = server.events("/.json");
    assert_eq!(witness.next().data, r#"{"path":"/","data":{"t":{"safe":true}}}"#);
    attack(&server);
    server.put("/last.json", "1");
    let told = std::iter::repeat_with(|| witness.next()).find(|event| event.name != "keep-alive").unwrap();
    assert_eq!(told.data, r#"{"path":"/last","data":1}"#, "nothing was written before");
    assert_eq!(server.get("/.json").text(), r#"{"last":1,"t":{"safe":true}}"#);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn bodies_that_are_no_data_are_refused() {
    let value = "Invalid data; couldn't parse JSON object, array, or value.";
    let object = "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?";
    let bodies = [
        "{",
        "[1,",
        "{\"a\":}",
        "nul",
        "'a'",
        "{a:1}",
        "1 2",
        "[1]]",
        "\"\u{1}\"",
        "01",
        "+1",
        "NaN",
        "Infinity",
        "1e999",
        "{\"a/b\":1}",
        "{\"a.b\":1}",
        "{\"a$\":1}",
        "{\"a#\":1}",
        "{\"[\":1}",
        "{\"]\":1}",
        "{\"\":1}",
        "{\"a\\u0000\":1}",
        "{\"a\\u007f\":1}",
        "\u{feff}",
        "\"\\x\"",
    ];
    survives(|server| {
        for body in bodies {
            for method in ["PUT", "POST"] {
                let error = refused(server, method, "/t.json", &[], body, 400);
                assert!(error == value || error == "Error: No data supplied.", "{body}: {error}");
            }
        }
        for body in ["[1]", "1", "\"a\"", "true", "{\"a..b\":1}", "{\"a/$b\":1}", "{\"/\":1", "{\"a\":1,}"] {
            assert_eq!(refused(server, "PATCH", "/t.json", &[], body, 400), object, "{body}");
        }
        for method in ["PUT", "POST", "PATCH"] {
            assert_eq!(refused(server, method, "/t.json", &[], "", 400), "Error: No data supplied.");
        }
        for body in
            ["{\".sv\":1}", "{\".sv\":\"timestamp\",\"a\":1}", "{\".value\":{\"a\":1}}", "{\"a\":1,\".priority\":true}"]
        {
            refused(server, "PUT", "/t.json", &[], body, 400);
        }
    });
}

#[test]
fn body_that_is_not_utf8_is_refused() {
    survives(|server| {
        for bytes in [&b"\"\xff\""[..], b"\"\xed\xa0\x80\"", b"{\"\xc3\":1}", b"\x80", b"\xfe\xff\0\"\0a\0\""] {
            let mut connection = server.connect();
            let length = bytes.len().to_string();
            connection.send("PUT", "/t.json", &[("Content-Length", &length)], "");
            connection.send_raw(bytes);
            let head = connection.read_head();
            assert_eq!(head.status, 400, "{bytes:?}");
            assert!(String::from_utf8(connection.read_body(&head)).unwrap().contains("\"error\""));
        }
    });
}

#[test]
fn deep_data_is_refused() {
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    survives(|server| {
        for body in [nested(33), nested(100_000), "[".repeat(100_000), "{\"a\":".repeat(100_000)] {
            for method in ["PUT", "POST", "PATCH"] {
                refused(server, method, "/t.json", &[], &body, 400);
            }
        }
        let deep = "/k".repeat(32);
        assert_eq!(server.request("PUT", &format!("{deep}.json?ns=other"), &[], "1").status, 200);
        refused(server, "PUT", &format!("{deep}.json"), &[], "{\"a\":1}", 400);
        refused(server, "POST", &format!("{deep}.json"), &[], "1", 400);
        refused(server, "PUT", &format!("{deep}/k.json"), &[], "1", 400);
        refused(server, "PATCH", "/t.json", &[], &format!("{{\"{deep}\":1}}"), 400);
    });
}

#[test]
fn sizes_beyond_the_limits_are_refused() {
    let long = |len: usize| "x".repeat(len);
    survives(|server| {
        refused(server, "PUT", "/t.json", &[], &format!("{{\"{}\":1}}", long(769)), 400);
        refused(server, "PUT", &format!("/{}.json", long(769)), &[], "1", 400);
        refused(server, "PUT", "/t.json", &[], &format!("\"{}\"", long(10 * 1024 * 1024 + 1)), 400);
        let mut connection = server.connect();
        connection.send("PUT", "/t.json", &[("Content-Length", "268435457")], "");
        let head = connection.read_head();
        assert_eq!(head.status, 413);
        let body = String::from_utf8(connection.read_body(&head)).unwrap();
        assert_eq!(body, "{\n  \"error\" : \"Payload is too large\"\n}\n");
    });
}

#[test]
fn a_million_keys_need_leave_to_be_written() {
    let keys: Vec<_> = (0..1_000_001).map(|n| format!("\"k{n:x}\":1")).collect();
    let body = format!("{{{}}}", keys.join(","));
    survives(|server| {
        let mut connection = server.connect();
        // A debug build on a busy machine takes its time.
        connection.stream.get_ref().set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        let answer = connection.request("PUT", "/m.json", &[], &body);
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("Data to write exceeds the maximum size"), "{}", answer.text());
    });
}

#[test]
fn bad_targets_are_refused() {
    survives(|server| {
        for path in ["/a%.json", "/a%2.json", "/a%zz.json", "/a%ff.json", "/a%ed%a0%80.json", "/%c3.json"] {
            let error = refused(server, "PUT", path, &[], "1", 400);
            assert!(error.starts_with("Invalid path: "), "{error}");
        }
        for path in
            ["/a$.json", "/a%23.json", "/a%5b0].json", "/a.b.json", "/.info/connected.json", "/%00.json", "/..json"]
        {
            assert_eq!(refused(server, "PUT", path, &[], "1", 400), "Invalid path: Invalid token in path", "{path}");
        }
        for query in ["x=%", "x=%zz", "%ff=1", "orderBy=%22%ff%22", "ns=default&a=%c3"] {
            refused(server, "GET", &format!("/t.json?{query}"), &[], "", 400);
        }
        let many = "&a=b".repeat(10_000);
        assert_eq!(server.get(&format!("/t/safe.json?x=1{many}")).text(), "true");
    });
}

/// The status of an answer, or `None` if the connection just ends.
fn status_or_end(connection: &mut Connection) -> Option<u16> {
    let mut text = Vec::new();
    // A reset is an end, too.
    let _ = connection.stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).split(' ').nth(1).and_then(|status| status.parse().ok())
}

#[test]
fn body_that_stops_half_way_writes_nothing() {
    survives(|server| {
        for (headers, body) in [
            (vec![("Content-Length", "100")], "{\"a\":1}"),
            (vec![("Transfer-Encoding", "chunked")], "7\r\n{\"a\":1}\r\n"),
            (vec![("Transfer-Encoding", "chunked")], "7\r\n{\"a\":1}\r\nzz\r\n"),
            (vec![("Content-Encoding", "gzip")], "no gzip"),
        ] {
            let mut connection = server.connect();
            connection.send("PUT", "/t.json", &headers, body);
            connection.end_sending();
            let status = status_or_end(&mut connection);
            assert!([None, Some(400)].contains(&status), "{headers:?}: {status:?}");
        }
    });
}

#[test]
fn absurd_heads_are_refused() {
    let long = "x".repeat(80_000);
    let many = "X: y\r\n".repeat(1_000);
    let heads = [
        format!("GET /t.json HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
        format!("GET /t.json?{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /t.json HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
        "GET /t.json HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
        "PUT /t.json HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n1".to_owned(),
        "PUT /t.json HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n1".to_owned(),
        "GET /t.json\r\n\r\n".to_owned(),
        "GET /t.json HTTP/9.9\r\n\r\n".to_owned(),
        "\0\0\0\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    survives(|server| {
        for head in &heads {
            let mut connection = server.connect();
            connection.send_raw(head.as_bytes());
            connection.end_sending();
            let status = status_or_end(&mut connection);
            assert!(status.is_none_or(|status| (400..500).contains(&status)), "{status:?} {head:.60?}");
        }
        let odd = [("If-Match", "\u{e9}"), ("X-Firebase-ETag", "maybe"), ("Accept", ";;,"), ("Cookie", "\u{fffd}")];
        assert_eq!(server.request("GET", "/t/safe.json", &odd[1..], "").text(), "true");
        assert_eq!(server.request("PUT", "/t/safe.json", &odd[..1], "false").status, 412);
    });
}
