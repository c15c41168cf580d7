//! Sessions over a real socket: `docs/sessions.md`, row by row.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test: what is wrong shall stop it")]

mod support;

use std::time::Instant;

use serde_json::{Value, json};
use support::{Answer, Events, PATIENCE, Server, ServerEvent};

const SESSIONS: &str = "/.beaconfire/sessions";

/// One client with its stream.
struct Client {
    id: String,
    stream: Events,
    hello: ServerEvent,
}

impl Client {
    fn open(server: &Server) -> Self {
        let mut stream = server.events(&format!("{SESSIONS}?ns=chat"));
        let hello = stream.next();
        assert_eq!(hello.name, "hello");
        let id = hello.json()["session"].as_str().unwrap().to_owned();
        assert!(id.len() >= 32, "{id} could be guessed");
        Self { id, stream, hello }
    }

    fn resume(server: &Server, id: &str, position: &str) -> Self {
        let mut stream = server.events(&format!("{SESSIONS}/{id}?ns=chat&lastEventId={position}"));
        let hello = stream.next();
        assert_eq!(hello.json()["resumed"], true);
        Self { id: id.to_owned(), stream, hello }
    }

    fn post(&self, server: &Server, requests: &Value) -> Answer {
        let target = format!("{SESSIONS}/{}?ns=chat", self.id);
        server.request("POST", &target, &[("Content-Type", "text/plain")], &requests.to_string())
    }

    /// Sends requests that must be understood; gives their replies.
    fn ask(&self, server: &Server, requests: &Value) -> Vec<Value> {
        let answer = self.post(server, requests);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["replies"].as_array().unwrap().clone()
    }

    fn close(&self, server: &Server) -> u16 {
        server.request("POST", &format!("{SESSIONS}/{}/close?ns=chat", self.id), &[], "").status
    }

    /// The events up to and with the acknowledgement of `n`.
    fn until_ack(&mut self, n: u64) -> Vec<ServerEvent> {
        let mut events = Vec::new();
        loop {
            let event = self.stream.next();
            let is_last = event.name == "ack" && event.json()["n"] == n;
            events.push(event);
            if is_last {
                return events;
            }
        }
    }
}

/// Reads until `expected` is there.
fn wait_for(server: &Server, target: &str, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = server.get(target).text().to_owned();
        if text == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{target} is {text}, not {expected}");
        std::thread::yield_now();
    }
}

#[test]
fn data_of_a_request_comes_before_its_ack_and_other_clients_see_it() {
    let server = Server::ephemeral();
    let mut writer = Client::open(&server);
    let mut reader = Client::open(&server);
    reader.ask(&server, &json!([{"n": 1, "listen": "/room"}]));
    let events = reader.until_ack(1);
    assert_eq!(events[0].json(), json!({"key": "/room", "path": "/", "data": null}));
    let replies = writer.ask(
        &server,
        &json!([
            {"n": 1, "listen": "/room"},
            {"n": 2, "set": "/room/a", "data": {"x": 1, ".priority": 5}},
            {"n": 3, "update": "/room", "data": {"b": 2, "a/y": true}},
            {"n": 4, "get": "/room"},
        ]),
    );
    assert_eq!(replies[0], json!({"n": 1, "status": "ok"}));
    assert_eq!(replies[3]["data"], json!({"a": {".priority": 5, "x": 1, "y": true}, "b": 2}));
    assert!(replies[3]["etag"].is_string());
    let seen = |events: &[ServerEvent]| {
        events.iter().map(|event| (event.name.clone(), event.json())).collect::<Vec<(String, Value)>>()
    };
    let put = json!({"key": "/room", "path": "/a", "data": {".priority": 5, "x": 1}});
    let patch = json!({"key": "/room", "path": "/", "data": {"a/y": true, "b": 2}});
    let told = seen(&writer.until_ack(4));
    assert_eq!(told[1], ("put".to_owned(), put.clone()));
    assert_eq!(told[2], ("patch".to_owned(), patch.clone()));
    assert_eq!(told[3], ("ack".to_owned(), json!({"n": 4})));
    assert_eq!(reader.stream.next().json(), put);
    assert_eq!(reader.stream.next().json(), patch);
}

#[test]
fn repeated_requests_are_not_done_again() {
    let server = Server::ephemeral();
    let client = Client::open(&server);
    let requests = json!([
        {"n": 1, "set": "/count", "data": {".sv": {"increment": 1}}},
        {"n": 2, "get": "/count"},
    ]);
    let first = client.ask(&server, &requests);
    assert_eq!(client.ask(&server, &requests), first);
    assert_eq!(server.get("/count.json?ns=chat").text(), "1");
}

#[test]
fn condition_that_does_not_hold_is_stale_with_what_is_there() {
    let server = Server::ephemeral();
    let client = Client::open(&server);
    let replies = client.ask(
        &server,
        &json!([
            {"n": 1, "set": "/t", "data": "first", "ifMatch": "null_etag"},
            {"n": 2, "set": "/t", "data": "second", "ifMatch": "null_etag"},
        ]),
    );
    assert_eq!(replies[0]["status"], "ok");
    assert_eq!((&replies[1]["status"], &replies[1]["data"]), (&json!("stale"), &json!("first")));
    let etag = replies[1]["etag"].as_str().unwrap();
    let replies = client.ask(&server, &json!([{"n": 3, "set": "/t", "data": "second", "ifMatch": etag}]));
    assert_eq!(replies[0]["status"], "ok");
}

#[test]
fn close_runs_what_is_armed_at_once_and_ends_the_session() {
    let server = Server::start(&["--ephemeral", "--presence-grace", "1h"]);
    let client = Client::open(&server);
    let last = json!([{"n": 3, "set": "/room/last", "data": "word"}]).to_string();
    client.ask(
        &server,
        &json!([
            {"n": 1, "set": "/room", "data": {"me": true, "other": true}},
            {"n": 2, "onDisconnectSet": "/room/me", "data": null},
        ]),
    );
    let target = format!("{SESSIONS}/{}/close?ns=chat", client.id);
    assert_eq!(server.request("POST", &target, &[], &last).status, 204);
    assert_eq!(server.get("/room.json?ns=chat").text(), r#"{"last":"word","other":true}"#);
    assert_eq!(client.post(&server, &json!([])).status, 404);
    assert_eq!(client.close(&server), 404);
    let mut stream = client.stream;
    while let Some(event) = stream.next_or_end() {
        assert_eq!(event.name, "ack");
    }
}

#[test]
fn cancelled_and_replaced_on_disconnect_writes_do_not_run() {
    let server = Server::ephemeral();
    let client = Client::open(&server);
    let replies = client.ask(
        &server,
        &json!([
            {"n": 1, "onDisconnectSet": "/a", "data": 1},
            {"n": 2, "onDisconnectUpdate": "/b", "data": {"x": 1, "y": {".sv": "timestamp"}}},
            {"n": 3, "onDisconnectCancel": "/a"},
            {"n": 4, "onDisconnectCancel": "/b/x"},
            {"n": 5, "onDisconnectSet": "/b/z", "data": 3},
        ]),
    );
    assert!(replies.iter().all(|reply| reply["status"] == "ok"), "{replies:?}");
    assert_eq!(client.close(&server), 204);
    let left = server.get("/.json?ns=chat").json();
    assert_eq!(left["b"]["z"], 3);
    assert!(left["b"]["y"].is_number() && left["b"].get("x").is_none() && left.get("a").is_none(), "{left}");
}

#[test]
fn dropped_stream_that_resumes_in_time_loses_and_repeats_nothing() {
    let server = Server::start(&["--ephemeral", "--presence-grace", "1h"]);
    let mut client = Client::open(&server);
    client.ask(
        &server,
        &json!([
            {"n": 1, "listen": "/log"},
            {"n": 2, "onDisconnectSet": "/left", "data": true},
            {"n": 3, "set": "/log/a", "data": 1},
        ]),
    );
    let position = client.until_ack(3).last().unwrap().id.clone().unwrap();
    let id = client.id.clone();
    drop(client);
    server.put("/log/b.json?ns=chat", "2");
    server.request("PATCH", "/log.json?ns=chat", &[], r#"{"c":3,"d":4}"#);
    let mut client = Client::resume(&server, &id, &position);
    let missed: Vec<Value> = client.until_ack(3).iter().map(ServerEvent::json).collect();
    assert_eq!(missed[0], json!({"key": "/log", "path": "/b", "data": 2}));
    assert_eq!(missed[1], json!({"key": "/log", "path": "/", "data": {"c": 3, "d": 4}}));
    assert_eq!(missed[2], json!({"n": 3}));
    server.put("/log/e.json?ns=chat", "5");
    assert_eq!(client.stream.next().json(), json!({"key": "/log", "path": "/e", "data": 5}));
    assert_eq!(server.get("/left.json?ns=chat").text(), "null");
}

#[test]
fn dropped_stream_that_does_not_come_back_runs_what_is_armed_after_the_grace() {
    let server = Server::start(&["--ephemeral", "--presence-grace", "200ms"]);
    let client = Client::open(&server);
    client.ask(&server, &json!([{"n": 1, "onDisconnectSet": "/left", "data": true}]));
    let id = client.id.clone();
    drop(client);
    wait_for(&server, "/left.json?ns=chat", "true");
    let gone = server.request("GET", &format!("{SESSIONS}/{id}?ns=chat"), &[("Accept", "text/event-stream")], "");
    assert_eq!(gone.status, 404, "{}", gone.text());
}

#[test]
fn newer_stream_takes_over_and_the_older_one_ends() {
    let server = Server::start(&["--ephemeral", "--presence-grace", "1h"]);
    let mut first = Client::open(&server);
    first.ask(&server, &json!([{"n": 1, "onDisconnectSet": "/left", "data": true}]));
    let position = first.until_ack(1).last().unwrap().id.clone().unwrap();
    let second = Client::resume(&server, &first.id, &position);
    assert_eq!(first.stream.next_or_end(), None);
    assert_eq!(second.hello.json()["session"], first.id.as_str());
    assert_eq!(server.get("/left.json?ns=chat").text(), "null");
}

#[test]
fn armed_writes_run_once_after_the_server_was_killed() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::with_data(data.path());
    let client = Client::open(&server);
    client.ask(&server, &json!([{"n": 1, "onDisconnectSet": "/n", "data": {".sv": {"increment": 1}}}]));
    server.kill();
    for _ in 0..2 {
        let mut server = Server::with_data(data.path());
        assert_eq!(server.get("/n.json?ns=chat").text(), "1");
        assert_eq!(client.post(&server, &json!([])).status, 404);
        assert!(server.stop().success());
    }
}

#[test]
fn window_of_a_query_is_kept_as_asked() {
    let server = Server::ephemeral();
    let mut client = Client::open(&server);
    let key = r#"/scores?orderBy="points"&limitToLast=2"#;
    client.ask(
        &server,
        &json!([
            {"n": 1, "set": "/scores", "data": {"a": {"points": 1}, "b": {"points": 2}, "c": {"points": 3}}},
            {"n": 2, "listen": key},
            {"n": 3, "set": "/scores/a/points", "data": 9},
            {"n": 4, "set": "/scores/a/name", "data": "Ada"},
            {"n": 5, "set": "/scores/b/points", "data": 0},
        ]),
    );
    let told: Vec<Value> = client.until_ack(5).iter().map(ServerEvent::json).collect();
    assert_eq!(told[0]["data"], json!({"b": {"points": 2}, "c": {"points": 3}}));
    assert_eq!(told[1], json!({"key": key, "path": "/", "data": {"a": {"points": 9}, "b": null}}));
    assert_eq!(told[2], json!({"key": key, "path": "/a/name", "data": "Ada"}));
    assert_eq!(told[3], json!({"n": 5}), "what is outside the window is not told");
}

#[test]
fn bad_requests_get_a_clear_error_and_harm_nobody() {
    let server = Server::ephemeral();
    let client = Client::open(&server);
    for body in ["", "{", "{}", "[1]", "[{}]", r#"[{"n":"x"}]"#, "\u{0}", &"[".repeat(100_000)] {
        let target = format!("{SESSIONS}/{}?ns=chat", client.id);
        let answer = server.request("POST", &target, &[], body);
        assert_eq!(answer.status, 400, "{body:.40}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains("JSON array"), "{}", answer.text());
    }
    let long_key = "k".repeat(800);
    let replies = client.ask(
        &server,
        &json!([
            {"n": 1, "set": "/a.b", "data": 1},
            {"n": 2, "set": "/a", "data": {"x.y": 1}},
            {"n": 3, "listen": "/a?limitToFirst=0&orderBy=\"$key\""},
            {"n": 4, "listen": "/a?orderBy=unquoted"},
            {"n": 5, "update": "/a", "data": [1]},
            {"n": 6, "update": "/a", "data": {"b": 1, "b/c": 2}},
            {"n": 7, "onDisconnectSet": "/a", "data": {".sv": "moon"}},
            {"n": 8, "set": format!("/{long_key}"), "data": 1},
            {"n": 9, "set": "/a/%FF", "data": 1},
            {"n": 10},
            {"n": 11, "set": "/a", "get": "/b"},
            {"n": 12, "set": "/good", "data": {"__proto__": 1}},
        ]),
    );
    for reply in &replies[..11] {
        assert_eq!(reply["status"], "error", "{reply}");
        assert!(!reply["error"].as_str().unwrap().is_empty());
    }
    assert_eq!(replies[11]["status"], "ok");
    assert_eq!(server.get("/.json?ns=chat").text(), r#"{"good":{"__proto__":1}}"#);
    for target in [format!("{SESSIONS}/nobody?ns=chat"), format!("{SESSIONS}/nobody/close?ns=chat")] {
        assert_eq!(server.request("POST", &target, &[], "[]").status, 404);
    }
    let wrong_database = format!("{SESSIONS}/{}?ns=other", client.id);
    assert_eq!(server.request("POST", &wrong_database, &[], "[]").status, 404);
    assert_eq!(server.request("DELETE", &format!("{SESSIONS}/{}?ns=chat", client.id), &[], "").status, 405);
}
