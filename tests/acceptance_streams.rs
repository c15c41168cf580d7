//! The event streams of a real server: Firebase's `put` and `patch`, and our own child events with their resumption.
//!
//! Source: Firebase REST reference 11 for the first; `protocols/rest/child_events` for the second.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

mod support;

use serde_json::{Value, json};

use support::{Events, Server, ServerEvent};

/// The next event of a stream as `name data`.
fn next(events: &mut Events) -> String {
    let event = events.next();
    format!("{} {}", event.name, event.data)
}

/// Does each write and compares the next event; writes without one must not be told.
fn check(server: &Server, events: &mut Events, table: &[(&str, &str, &str, &str)]) {
    let mut connection = server.connect();
    for (method, target, body, expected) in table {
        let answer = connection.request(method, target, &[], body);
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
        if let Some((name, data)) = expected.split_once(' ') {
            let event = events.next();
            let expected: Value = serde_json::from_str(data).unwrap();
            assert_eq!((event.name.as_str(), event.json()), (name, expected), "{method} {target} {body}");
        }
    }
}

/// Lets Firebase's streams query the children of `/s` by these: a JSON string, or a list of them.
fn index(server: &Server, names: &str) {
    let rules = format!(r#"{{"rules":{{".read":true,".write":true,"s":{{".indexOn":{names}}}}}}}"#);
    assert_eq!(server.put("/.settings/rules.json", &rules).status, 200);
}

// ---- Firebase's stream (11.1 to 11.6, 15.5) ------------------------------------------------------------------------

#[test]
fn stream_head_ends_with_its_connection() {
    let server = Server::ephemeral();
    let events =
        server.events_with("/s.json?auth=a.b.c", &[("Authorization", "Bearer owner"), ("Last-Event-ID", "x-1")]);
    assert_eq!(events.head.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(events.head.header("cache-control"), Some("no-cache"));
    assert_eq!(events.head.header("connection"), Some("close"));
    assert_eq!(events.head.header("access-control-allow-origin"), Some("*"));
    assert_eq!(events.head.header("x-accel-buffering"), Some("no"));
    assert_eq!((events.head.header("transfer-encoding"), events.head.header("content-length")), (None, None));
}

#[test]
fn events_are_two_lines_and_an_empty_one() {
    let server = Server::ephemeral();
    let mut events = server.events("/s.json");
    server.put("/s/%C3%BC%20x.json", "\"a\\nb\"");
    let lines: Vec<_> = (0..6).map(|_| events.connection.read_line()).collect();
    assert_eq!(
        lines,
        [
            "event: put",
            r#"data: {"path":"/","data":null}"#,
            "",
            "event: put",
            r#"data: {"path":"/ü x","data":"a\nb"}"#,
            "",
        ]
    );
}

#[test]
fn writes_at_below_and_above_are_told_as_the_client_must_apply_them() {
    let server = Server::ephemeral();
    server.put("/s.json", r#"{"q":[1,2]}"#);
    let mut events = server.events("/s.json");
    assert_eq!(next(&mut events), r#"put {"path":"/","data":{"q":[1,2]}}"#);
    check(
        &server,
        &mut events,
        &[
            ("PUT", "/s/a.json", r#"{"x":1,"l":[1,null,3]}"#, r#"put {"path":"/a","data":{"l":[1,null,3],"x":1}}"#),
            ("PUT", "/s/a.json", r#"{"x":1,"l":[1,null,3]}"#, ""),
            ("PUT", "/other.json", "1", ""),
            ("PATCH", "/s/a.json", r#"{"x":2,"y/z":true}"#, r#"patch {"path":"/a","data":{"x":2,"y/z":true}}"#),
            ("PATCH", "/s/a.json", "{}", ""),
            ("PATCH", "/s.json", r#"{"q":null,"b":1}"#, r#"patch {"path":"/","data":{"b":1,"q":null}}"#),
            ("PATCH", "/.json", r#"{"s/b":2,"t":3}"#, r#"put {"path":"/b","data":2}"#),
            ("PATCH", "/.json", r#"{"s/b":3,"s/c/d":4,"t":3}"#, r#"patch {"path":"/","data":{"b":3,"c/d":4}}"#),
            ("PATCH", "/.json", r#"{"t":5}"#, ""),
            ("DELETE", "/s/c.json", "", r#"put {"path":"/c","data":null}"#),
            ("DELETE", "/s/c.json", "", ""),
            ("PUT", "/s/b/.priority.json", "1", ""),
            ("PUT", "/.json", r#"{"s":{"z":1}}"#, r#"put {"path":"/","data":{"z":1}}"#),
            ("PATCH", "/.json", r#"{"s":7}"#, r#"put {"path":"/","data":7}"#),
            ("PUT", "/s/deep/er.json", "1", r#"put {"path":"/deep/er","data":1}"#),
            ("DELETE", "/.json", "", r#"put {"path":"/","data":null}"#),
        ],
    );
}

#[test]
fn server_values_and_pushes_are_told_as_stored() {
    let server = Server::ephemeral();
    let mut parent = server.events("/s.json");
    assert_eq!(next(&mut parent), r#"put {"path":"/","data":null}"#);
    let pushed = server.request("POST", "/s/list.json", &[], r#"{"at":{".sv":"timestamp"}}"#);
    let name = pushed.json()["name"].as_str().unwrap().to_owned();
    let event = parent.next();
    let at = server.get(&format!("/s/list/{name}/at.json")).json();
    assert_eq!(event.json(), json!({"path": format!("/list/{name}"), "data": {"at": at}}));
}

#[test]
fn export_stream_shows_priorities() {
    let server = Server::ephemeral();
    server.put("/s.json", r#"{"a":{".value":1,".priority":2},"l":["x"]}"#);
    let mut events = server.events("/s.json?format=export");
    assert_eq!(next(&mut events), r#"put {"path":"/","data":{"a":{".value":1,".priority":2},"l":{"0":"x"}}}"#);
    check(
        &server,
        &mut events,
        &[
            ("PUT", "/s/l/.priority.json", "\"p\"", r#"put {"path":"/l","data":{".priority":"p","0":"x"}}"#),
            (
                "PUT",
                "/s/b.json",
                r#"{".value":1,".priority":3}"#,
                r#"put {"path":"/b","data":{".value":1,".priority":3}}"#,
            ),
        ],
    );
}

#[test]
fn query_stream_keeps_its_window() {
    let server = Server::ephemeral();
    index(&server, "\"h\"");
    server.put("/s.json", r#"{"a":{"h":1,"t":"a"},"b":{"h":2},"c":{"h":3}}"#);
    let mut events = server.events("/s.json?orderBy=%22h%22&limitToFirst=2");
    assert_eq!(next(&mut events), r#"put {"path":"/","data":{"a":{"h":1,"t":"a"},"b":{"h":2}}}"#);
    check(
        &server,
        &mut events,
        &[
            ("PUT", "/s/c/t.json", "1", ""),
            ("PUT", "/s/a/t.json", "\"z\"", r#"put {"path":"/a/t","data":"z"}"#),
            ("PUT", "/s/a/.priority.json", "1", ""),
            ("PATCH", "/s/a.json", r#"{"t":"y","u":1}"#, r#"patch {"path":"/a","data":{"t":"y","u":1}}"#),
            ("PUT", "/s/0.json", r#"{"h":0}"#, r#"patch {"path":"/","data":{"0":{"h":0},"b":null}}"#),
            ("DELETE", "/s/c.json", "", ""),
            ("DELETE", "/s/0.json", "", r#"patch {"path":"/","data":{"0":null,"b":{"h":2}}}"#),
            ("DELETE", "/s/b.json", "", r#"put {"path":"/b","data":null}"#),
            ("PUT", "/s/d.json", r#"{"h":9}"#, r#"put {"path":"/d","data":{"h":9}}"#),
            // Moved, but still within.
            ("PUT", "/s/d/h.json", "-1", r#"put {"path":"/d/h","data":-1}"#),
            // Out, and another in.
            ("PUT", "/s/e.json", r#"{"h":5}"#, ""),
            ("PUT", "/s/d/h.json", "7", r#"patch {"path":"/","data":{"d":null,"e":{"h":5}}}"#),
            (
                "PATCH",
                "/s.json",
                r#"{"e/h":8,"a":null}"#,
                r#"patch {"path":"/","data":{"a":null,"d":{"h":7},"e":{"h":8}}}"#,
            ),
        ],
    );
}

#[test]
fn query_stream_is_told_what_is_written_inside_its_children() {
    let server = Server::ephemeral();
    index(&server, "\"h\"");
    server.put("/s.json", r#"{"a":{"h":1},"b":{"h":2},"c":{"h":3}}"#);
    let mut events = server.events("/s.json?orderBy=%22h%22&limitToFirst=2");
    assert_eq!(next(&mut events), r#"put {"path":"/","data":{"a":{"h":1},"b":{"h":2}}}"#);
    check(
        &server,
        &mut events,
        &[
            ("PATCH", "/s.json", r#"{"a/x/y":1}"#, r#"patch {"path":"/","data":{"a/x/y":1}}"#),
            ("PATCH", "/s.json", r#"{"a/t":1,"b/t":2}"#, r#"patch {"path":"/","data":{"a/t":1,"b/t":2}}"#),
            // What is written beside the window is not told.
            ("PATCH", "/s.json", r#"{"a/t":3,"c/t":4}"#, r#"put {"path":"/a/t","data":3}"#),
            ("PATCH", "/.json", r#"{"s/a/t":5,"other":6}"#, r#"put {"path":"/a/t","data":5}"#),
            ("PATCH", "/.json", r#"{"s/a/t":7,"s/b/t":8,"s/c/t":9}"#, r#"patch {"path":"/","data":{"a/t":7,"b/t":8}}"#),
            ("PATCH", "/s.json", r#"{"c/t":10,"d":{"h":11}}"#, ""),
            ("PUT", "/s/b.json", r#"{"h":2}"#, r#"put {"path":"/b","data":{"h":2}}"#),
            ("DELETE", "/s/a/x.json", "", r#"put {"path":"/a/x","data":null}"#),
        ],
    );
}

#[test]
fn query_stream_is_told_of_writes_at_its_place_and_above() {
    let server = Server::ephemeral();
    index(&server, "\"h\"");
    let mut events = server.events("/s.json?orderBy=%22h%22&limitToLast=2");
    assert_eq!(next(&mut events), r#"put {"path":"/","data":null}"#);
    check(
        &server,
        &mut events,
        &[
            (
                "PUT",
                "/s.json",
                r#"{"a":{"h":1},"b":{"h":2},"c":{"h":3}}"#,
                r#"put {"path":"/","data":{"b":{"h":2},"c":{"h":3}}}"#,
            ),
            ("PUT", "/s.json", r#"{"x":{"h":0},"b":{"h":2},"c":{"h":3}}"#, ""),
            ("PATCH", "/.json", r#"{"s":{"b":{"h":2},"c":{"h":3}}}"#, ""),
            ("PUT", "/s/.priority.json", "5", ""),
            ("PUT", "/.json", r#"{"s":{"c":{"h":4}}}"#, r#"put {"path":"/","data":{"c":{"h":4}}}"#),
            ("PUT", "/s.json", "\"primitive\"", r#"put {"path":"/","data":null}"#),
            ("PUT", "/s.json", "\"another\"", ""),
            ("PUT", "/s/d.json", r#"{"h":1}"#, r#"put {"path":"/d","data":{"h":1}}"#),
            ("DELETE", "/.json", "", r#"put {"path":"/","data":null}"#),
        ],
    );
}

#[test]
fn query_stream_with_a_range_lets_children_in_and_out_at_both_ends() {
    let server = Server::ephemeral();
    index(&server, r#"["h",".value"]"#);
    server.put("/s.json", r#"{"a":{"h":1},"b":{"h":2},"c":{"h":3},"d":{"h":"x"}}"#);
    let mut closed = server.events("/s.json?orderBy=%22h%22&startAt=2&endAt=3");
    let mut open = server.events("/s.json?orderBy=%22h%22&startAfter=1&endBefore=3");
    assert_eq!(next(&mut closed), r#"put {"path":"/","data":{"b":{"h":2},"c":{"h":3}}}"#);
    assert_eq!(next(&mut open), r#"put {"path":"/","data":{"b":{"h":2}}}"#);
    for (target, body, in_closed, in_open) in [
        ("/s/a/h", "2", r#"put {"path":"/a","data":{"h":2}}"#, r#"put {"path":"/a","data":{"h":2}}"#),
        ("/s/b/h", "3", r#"put {"path":"/b/h","data":3}"#, r#"put {"path":"/b","data":null}"#),
        ("/s/c/h", "3.5", r#"put {"path":"/c","data":null}"#, ""),
        ("/s/c/h", "2.5", r#"put {"path":"/c","data":{"h":2.5}}"#, r#"put {"path":"/c","data":{"h":2.5}}"#),
        ("/s/a", "null", r#"put {"path":"/a","data":null}"#, r#"put {"path":"/a","data":null}"#),
        ("/s/d/h", "true", "", ""),
        ("/s/c", "2.5", r#"put {"path":"/c","data":null}"#, r#"put {"path":"/c","data":null}"#),
    ] {
        server.put(&format!("{target}.json"), body);
        for (events, expected) in [(&mut closed, in_closed), (&mut open, in_open)] {
            if !expected.is_empty() {
                assert_eq!(next(events), expected, "{target} {body}");
            }
        }
    }
    let several = r#"{"a":{"h":2},"b":null,"d/h":2.75}"#;
    let patch = r#"patch {"path":"/","data":{"a":{"h":2},"b":null,"d":{"h":2.75}}}"#;
    check(&server, &mut closed, &[("PATCH", "/s.json", several, patch)]);
    assert_eq!(next(&mut open), r#"patch {"path":"/","data":{"a":{"h":2},"d":{"h":2.75}}}"#);

    server.put("/s.json", r#"{"x":1,"y":5}"#);
    let mut values = server.events("/s.json?orderBy=%22$value%22&startAt=5");
    assert_eq!(next(&mut values), r#"put {"path":"/","data":{"y":5}}"#);
    server.put("/s/x.json", "6");
    assert_eq!(next(&mut values), r#"put {"path":"/x","data":6}"#);
}

#[test]
fn stream_that_is_only_ordered_shows_children_and_no_primitive() {
    let server = Server::ephemeral();
    index(&server, "\"h\"");
    server.put("/s.json", "7");
    for query in ["orderBy=%22h%22", "orderBy=%22$key%22", "orderBy=%22$priority%22&format=export"] {
        let target = format!("/s.json?{query}");
        assert_eq!(server.get(&target).text(), "null", "{query}");
        let mut events = server.events(&target);
        assert_eq!(next(&mut events), r#"put {"path":"/","data":null}"#, "{query}");
        check(
            &server,
            &mut events,
            &[
                ("PUT", "/s/a.json", "1", r#"put {"path":"/a","data":1}"#),
                ("PATCH", "/.json", r#"{"s":8}"#, r#"put {"path":"/","data":null}"#),
                ("PATCH", "/s.json", r#"{"b":1,"c/d":2}"#, r#"patch {"path":"/","data":{"b":1,"c/d":2}}"#),
                ("PUT", "/s.json", "7", r#"put {"path":"/","data":null}"#),
            ],
        );
        assert_eq!(next(&mut server.events("/s.json")), r#"put {"path":"/","data":7}"#, "others see it");
    }
}

/// Random numbers from a seed, below a bound (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn key(&mut self) -> String {
        format!("k{}", self.below(5))
    }

    /// A value for a child: mostly a map with `h`, sometimes anything else.
    fn child(&mut self) -> Value {
        match self.below(8) {
            0 => Value::Null,
            1 => json!(self.below(4)),
            2 => json!({"h": "x", "t": true}),
            _ => json!({"h": self.below(4), "t": {"u": self.below(3)}}),
        }
    }

    /// A method, a path and a body, at or around `/s`.
    fn write(&mut self) -> (&'static str, String, Value) {
        let key = self.key();
        match self.below(8) {
            0 => ("PUT", format!("/s/{key}"), self.child()),
            1 => ("PUT", format!("/s/{key}/h"), json!(self.below(4))),
            2 => ("PUT", format!("/s/{key}/t/u"), json!(self.below(3))),
            3 => ("PATCH", format!("/s/{key}"), json!({"h": self.below(4), "t/v": self.below(3)})),
            4 => ("PATCH", "/s".into(), json!({key: self.child(), self.key() + "x": self.child()})),
            5 => ("PATCH", "/s".into(), json!({format!("{key}/h"): self.below(4), self.key() + "x/t/u": 1})),
            6 => ("PATCH", "/".into(), json!({format!("s/{key}/t/u"): self.below(3), "other": self.below(9)})),
            _ if self.below(4) == 0 => ("PUT", "/s".into(), json!({key: self.child(), self.key() + "x": self.child()})),
            _ => ("DELETE", format!("/s/{key}"), Value::Null),
        }
    }
}

/// Sets what is at the slash-separated path, as the database does: nothing empty stays.
fn set(data: &mut Value, path: &str, value: Value) {
    let Some((key, rest)) = path.split_once('/').or((!path.is_empty()).then_some((path, ""))) else {
        *data = value;
        return;
    };
    if !data.is_object() {
        *data = json!({});
    }
    let members = data.as_object_mut().unwrap();
    set(members.entry(key).or_insert(Value::Null), rest, value);
    members.retain(|_, value| !is_nothing(value));
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

#[test]
fn query_streams_add_up_to_what_reads_show_among_random_writes() {
    let server = Server::ephemeral();
    index(&server, r#"["h","t/u",".value"]"#);
    let targets = [
        "orderBy=%22h%22&limitToFirst=2",
        "orderBy=%22h%22&limitToLast=2&endAt=2",
        "orderBy=%22h%22&startAt=1&endBefore=3",
        "orderBy=%22t/u%22&equalTo=1",
        "orderBy=%22$value%22&limitToFirst=3&startAfter=null",
        "orderBy=%22$key%22&limitToLast=3",
        "orderBy=%22$key%22&startAt=%22k1%22&limitToFirst=3",
        "orderBy=%22h%22",
    ]
    .map(|query| format!("/s.json?{query}"));
    for seed in 1..=4 {
        let mut dice = Dice(seed);
        let read =
            |target: &String| Some(server.get(target).json()).filter(|data| !is_nothing(data)).unwrap_or(Value::Null);
        let mut streams = targets.each_ref().map(|target| {
            let mut events = server.events(target);
            assert_eq!(events.next().json(), json!({"path": "/", "data": read(target)}), "seed {seed}, {target}");
            (target, events, read(target))
        });
        for number in 0..60 {
            let (method, path, body) = dice.write();
            let place = format!("seed {seed}, write {number}: {method} {path} {body}");
            let answer = server.request(method, &format!("{path}.json"), &[], &body.to_string());
            assert_eq!(answer.status, 200, "{place}");
            for (target, events, seen) in &mut streams {
                let expected = read(target);
                // One event per write that changes what is shown, and none else: a further one would come up next time.
                if *seen != expected {
                    let event = events.next();
                    let data = event.json();
                    let at = data["path"].as_str().unwrap().trim_matches('/').to_owned();
                    match event.name.as_str() {
                        "put" => set(seen, &at, data["data"].clone()),
                        "patch" => {
                            for (key, value) in data["data"].as_object().unwrap() {
                                set(seen, format!("{at}/{key}").trim_matches('/'), value.clone());
                            }
                        }
                        other => panic!("{other}"),
                    }
                    let shown = if is_nothing(seen) { &Value::Null } else { &*seen };
                    assert_eq!(*shown, expected, "{place}: {target} was told {event:?}");
                }
                *seen = expected;
            }
        }
        server.request("DELETE", "/.json", &[], "");
    }
}

#[test]
fn shallow_stream_begins_shallow_and_goes_on_in_full() {
    let server = Server::ephemeral();
    server.put("/s.json", r#"{"a":{"b":1},"c":2}"#);
    let mut events = server.events("/s.json?shallow=true");
    assert_eq!(next(&mut events), r#"put {"path":"/","data":{"a":true,"c":true}}"#);
    check(&server, &mut events, &[("PUT", "/s/a/d.json", "[1]", r#"put {"path":"/a/d","data":[1]}"#)]);
    assert_eq!(next(&mut server.events("/none.json?shallow=true")), r#"put {"path":"/","data":null}"#);
}

#[test]
fn silence_is_filled_with_keep_alives() {
    let server = Server::start(&["--ephemeral", "--keep-alive", "50ms"]);
    let mut events = server.events("/s.json");
    assert_eq!(next(&mut events), r#"put {"path":"/","data":null}"#);
    for _ in 0..2 {
        assert_eq!(next(&mut events), "keep-alive null");
    }
}

#[test]
fn stream_that_cannot_be_is_an_ordinary_error() {
    let server = Server::ephemeral();
    for target in [
        "/a$.json",
        "/s.json?limitToFirst=1",
        "/s.json?orderBy=h",
        "/s.json?orderBy=%22h%22",
        "/s.json?orderBy=%22$value%22&limitToFirst=1",
        "/s.json?shallow=true&limitToFirst=1",
        "/s.json?on=added",
        "/s.json?on=",
        "/s.json?on=value&shallow=true",
        "/s/.priority.json",
    ] {
        let answer = server.request("GET", target, &[("Accept", "text/event-stream")], "");
        assert_eq!(answer.status, 400, "{target}");
        assert!(answer.json()["error"].is_string());
    }
}

/// Two streams, started at different times among concurrent writers, see their first state and then the same events.
#[test]
fn streams_among_concurrent_writers_see_one_order_without_gap() {
    let server = Server::ephemeral();
    let read_to_end = |mut events: Events| {
        let mut data = Value::Null;
        let mut seen = Vec::new();
        loop {
            let event = events.next().json();
            let path = event["path"].as_str().unwrap().to_owned();
            seen.push(event.to_string());
            if path == "/" {
                data = event["data"].clone();
            } else if let Some(key) = path.strip_prefix('/') {
                data[key] = event["data"].clone();
            }
            if path == "/end" {
                return (seen, data);
            }
        }
    };
    let early = server.events("/s.json");
    let write = |thread: usize| {
        let mut connection = server.connect();
        for n in 0..100 {
            assert_eq!(connection.request("PUT", &format!("/s/k{thread}.json"), &[], &n.to_string()).status, 200);
        }
    };
    let late = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4).map(|thread| scope.spawn(move || write(thread))).collect();
        let late = server.events("/s.json");
        for writer in writers {
            writer.join().unwrap();
        }
        late
    });
    server.put("/s/end.json", "1");
    let ((early, early_data), (late, late_data)) = (read_to_end(early), read_to_end(late));
    let expected = json!({"k0": 99, "k1": 99, "k2": 99, "k3": 99, "end": 1});
    assert_eq!((&early_data, &late_data), (&expected, &expected));
    assert_eq!(early.len(), 402, "each write is told once");
    assert!(early.ends_with(&late[1..]), "the later stream saw the same events in the same order");
}

// ---- Our stream of children ----------------------------------------------------------------------------------------

const ALL: &str = "on=child_added,child_changed,child_removed,child_moved";

/// An event in short: `added key value prev priority`.
fn short(event: &ServerEvent) -> String {
    let data = event.json();
    let name = event.name.trim_start_matches("child_");
    format!("{name} {} {} {} {}", data["key"], data["value"], data["prevKey"], data["priority"])
}

fn shorts(events: &mut Events, count: usize) -> Vec<String> {
    (0..count).map(|_| short(&events.next())).collect()
}

#[test]
fn children_are_told_in_order_and_then_live() {
    let server = Server::ephemeral();
    server.put("/s.json", r#"{"b":{"x":1},"a":[1],"10":true,"9":{".value":"v",".priority":5}}"#);
    let mut events = server.events(&format!("/s.json?{ALL}"));
    let first = (0..4).map(|_| events.next()).collect::<Vec<_>>();
    let told: Vec<_> = first.iter().map(short).collect();
    assert_eq!(
        told,
        [
            r#"added "10" true null null"#,
            r#"added "a" [1] "10" null"#,
            r#"added "b" {"x":1} "a" null"#,
            r#"added "9" "v" "b" 5"#,
        ]
    );
    assert!(first[..3].iter().all(|event| event.id.is_none()), "a position before the last would lose the rest");
    assert!(first[3].id.is_some());
    server.put("/s/c.json", "1");
    server.put("/s/b/x.json", "2");
    server.put("/s/a/.priority.json", "9");
    server.request("DELETE", "/s/10.json", &[], "");
    assert_eq!(
        shorts(&mut events, 5),
        [
            r#"added "c" 1 "b" null"#,
            r#"changed "b" {"x":2} "a" null"#,
            r#"moved "a" [1] "9" 9"#,
            r#"changed "a" [1] "9" 9"#,
            r#"removed "10" true null null"#,
        ]
    );
}

#[test]
fn only_the_wanted_event_types_are_told() {
    let server = Server::ephemeral();
    server.put("/s.json", r#"{"a":1}"#);
    let mut removals = server.events("/s.json?on=child_removed");
    let mut values = server.events("/s.json?on=value");
    assert_eq!(short(&values.next()), r#"value null {"a":1} null null"#);
    server.put("/s/b.json", "2");
    server.request("DELETE", "/s/a.json", &[], "");
    assert_eq!(short(&removals.next()), r#"removed "a" 1 null null"#);
    assert_eq!(shorts(&mut values, 2), [r#"value null {"a":1,"b":2} null null"#, r#"value null {"b":2} null null"#]);
}

#[test]
fn export_format_shapes_the_values_of_children() {
    let server = Server::ephemeral();
    server.put("/s.json", r#"{"a":{"x":{".value":1,".priority":2}},"l":["e"]}"#);
    let mut events = server.events(&format!("/s.json?{ALL}&format=export"));
    assert_eq!(
        shorts(&mut events, 2),
        [r#"added "a" {"x":{".priority":2,".value":1}} null null"#, r#"added "l" {"0":"e"} "a" null"#,]
    );
}

#[test]
fn child_stream_of_a_query_keeps_its_window() {
    let server = Server::ephemeral();
    server.put("/s.json", r#"{"a":{"h":3},"b":{"h":1},"c":{"h":2}}"#);
    let mut events = server.events(&format!("/s.json?{ALL}&orderBy=%22h%22&limitToFirst=2"));
    assert_eq!(shorts(&mut events, 2), [r#"added "b" {"h":1} null null"#, r#"added "c" {"h":2} "b" null"#]);
    server.put("/s/d.json", r#"{"h":0}"#);
    assert_eq!(shorts(&mut events, 2), [r#"removed "c" {"h":2} null null"#, r#"added "d" {"h":0} null null"#]);
    server.put("/s/d/h.json", "1.5");
    assert_eq!(shorts(&mut events, 2), [r#"moved "d" {"h":1.5} "b" null"#, r#"changed "d" {"h":1.5} "b" null"#]);
}

/// Writes that cause one, several and no child events.
fn write_a_few(server: &Server) {
    for (method, target, body) in [
        ("PUT", "/s/a.json", "1"),
        ("PATCH", "/s.json", r#"{"b":2,"c":3,"a":null}"#),
        ("PUT", "/other.json", "1"),
        ("PUT", "/s/b/.priority.json", "5"),
        ("PUT", "/.json", r#"{"s":{"c":{"deep":[1,2]},"z":true}}"#),
        ("PUT", "/s/end.json", "1"),
    ] {
        assert_eq!(server.request(method, target, &[], body).status, 200);
    }
}

/// All events up to the one of the key `end`.
fn up_to_end(events: &mut Events) -> Vec<ServerEvent> {
    let mut all = Vec::new();
    loop {
        let event = events.next();
        let is_end = event.json()["key"] == "end";
        all.push(event);
        if is_end {
            return all;
        }
    }
}

#[test]
fn stream_resumed_at_any_event_gets_exactly_the_rest() {
    let server = Server::ephemeral();
    server.put("/s/first.json", "0");
    for query in [ALL.to_owned(), format!("{ALL},value"), format!("{ALL}&orderBy=%22$key%22&limitToLast=2")] {
        let target = format!("/s.json?{query}");
        let mut events = server.events(&target);
        assert_eq!(short(&events.next()), r#"added "first" 0 null null"#);
        write_a_few(&server);
        let all = up_to_end(&mut events);
        let mut ids: Vec<_> = all.iter().filter_map(|event| event.id.clone()).collect();
        assert_eq!(ids.len(), all.len(), "every live event has an id");
        for (index, id) in ids.iter().enumerate().filter(|(index, _)| index + 1 < all.len()) {
            let by_header = &mut server.events_with(&target, &[("Last-Event-ID", id)]);
            let by_parameter = &mut server.events(&format!("{target}&lastEventId={id}"));
            assert_eq!(up_to_end(by_header), all[index + 1..], "{query} after {id}");
            assert_eq!(up_to_end(by_parameter), all[index + 1..], "{query} after {id}");
        }
        ids.dedup();
        assert_eq!(ids.len(), all.len(), "no id is used twice");
        server.put("/.json", r#"{"s":{"first":0}}"#);
    }
}

#[test]
fn first_events_can_be_resumed_from_their_last() {
    let server = Server::ephemeral();
    server.put("/s.json", r#"{"a":1,"b":2}"#);
    let target = format!("/s.json?{ALL}");
    let mut events = server.events(&target);
    assert_eq!(events.next().id, None);
    let id = events.next().id.unwrap();
    server.put("/s/c.json", "3");
    let mut resumed = server.events_with(&target, &[("Last-Event-ID", &id)]);
    assert_eq!(resumed.next(), events.next());
}

#[test]
fn stream_resumes_across_a_crash_of_the_server() {
    let data = tempfile::tempdir().unwrap();
    let target = format!("/s.json?{ALL}&ns=n");
    let mut server = Server::with_data(data.path());
    server.put("/s/a.json?ns=n", "1");
    let id = server.events(&target).next().id.unwrap();
    server.put("/s/b.json?ns=n", "2");
    server.kill();
    let server = Server::with_data(data.path());
    let mut events = server.events_with(&target, &[("Last-Event-ID", &id)]);
    assert_eq!(short(&events.next()), r#"added "b" 2 "a" null"#);
    server.put("/s/c.json?ns=n", "3");
    assert_eq!(short(&events.next()), r#"added "c" 3 "b" null"#);
}

#[test]
fn stream_that_cannot_resume_is_reset() {
    let server = Server::ephemeral();
    server.put("/s/a.json", "1");
    let target = format!("/s.json?{ALL}");
    let id = server.events(&target).next().id.unwrap();
    let epoch = id.split('-').next().unwrap();
    for unknown in ["nonsense", "0123456789abcdef-1", "-1", "\u{e9}", &format!("{epoch}-999999"), &format!("{epoch}-x")]
    {
        let mut events = server.events_with(&target, &[("Last-Event-ID", unknown)]);
        let reset = events.next();
        assert_eq!((reset.name.as_str(), reset.data.as_str(), reset.id), ("reset", "null", None), "{unknown}");
        assert_eq!(short(&events.next()), r#"added "a" 1 null null"#);
    }
    let mut fresh = server.events_with(&target, &[("Last-Event-ID", "")]);
    assert_eq!(short(&fresh.next()), r#"added "a" 1 null null"#, "an empty id is none");
}

#[test]
fn large_first_state_comes_whole_and_live_events_behind_it() {
    let server = Server::ephemeral();
    let data: Value = (0..5_000).map(|n| (format!("k{n:05}"), json!({"text": "x".repeat(100)}))).collect();
    server.put("/s.json", &data.to_string());
    let mut values = server.events("/s.json");
    let mut children = server.events(&format!("/s.json?{ALL}"));
    server.put("/s/last.json", "1");
    assert_eq!(values.next().json(), json!({"path": "/", "data": data}));
    assert_eq!(values.next().data, r#"{"path":"/last","data":1}"#);
    let keys: Vec<_> = (0..5_001).map(|_| children.next().json()["key"].as_str().unwrap().to_owned()).collect();
    assert!(keys.is_sorted() && keys.last().unwrap() == "last");
}
