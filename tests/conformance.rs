//! The scenarios of `tests/conformance/*.json`, run against a real server over its child event streams.
//!
//! `sdk-js` runs the same files over a session. Each scenario has a database of its own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test: what is wrong shall stop it")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use support::{Events, Server};

/// How long silence must last at the end of a scenario before it counts: every event was due long before.
const SILENCE: Duration = Duration::from_millis(50);

#[test]
fn every_scenario_is_told_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(files.len() >= 20, "the scenarios are missing");
    let server = Server::ephemeral();
    for (number, file) in files.iter().enumerate() {
        let scenario: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let run = Run { server: &server, ns: format!("s{number}"), streams: BTreeMap::new(), file };
        run.all(scenario["steps"].as_array().unwrap());
    }
}

struct Run<'a> {
    server: &'a Server,
    ns: String,
    streams: BTreeMap<String, Events>,
    file: &'a Path,
}

impl Run<'_> {
    fn all(mut self, steps: &[Value]) {
        for (number, step) in steps.iter().enumerate() {
            let (verb, what) = step.as_object().unwrap().iter().next().unwrap();
            let place = format!("{}, step {}: {step}", self.file.display(), number + 1);
            // Shown when the test fails: where it stood.
            eprintln!("{place}");
            self.step(verb, what, &place);
        }
        for (id, stream) in &mut self.streams {
            let socket = stream.connection.stream.get_ref();
            socket.set_read_timeout(Some(SILENCE)).unwrap();
            let mut more = [0; 4_096];
            if let Ok(count) = stream.connection.stream.read(&mut more) {
                let more = String::from_utf8_lossy(&more[..count]);
                panic!("{}: {id} was told more than expected:\n{more}", self.file.display());
            }
        }
    }

    fn step(&mut self, verb: &str, what: &Value, place: &str) {
        let path = what["path"].as_str().unwrap_or("/");
        match verb {
            "set" => self.write("PUT", path, &what["value"], place),
            "update" => self.write("PATCH", path, &what["value"], place),
            "push" => self.write("POST", path, &what["value"], place),
            "remove" => self.write("DELETE", path, &Value::Null, place),
            "setPriority" => {
                let path = format!("{}/.priority", path.trim_end_matches('/'));
                self.write("PUT", &path, &what["priority"], place);
            }
            "listen" => self.listen(what),
            "unlisten" => {
                self.streams.remove(what["id"].as_str().unwrap()).unwrap();
            }
            "expect" => self.expect(what, place),
            "get" => {
                let answer = self.server.get(&format!("{}&format=export", self.target(path)));
                check(&answer.json(), &what["value"], place);
            }
            other => panic!("{place}: unknown step {other}"),
        }
    }

    fn target(&self, path: &str) -> String {
        let segments: Vec<String> =
            path.split('/').map(|segment| utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string()).collect();
        let path = segments.join("/").replace("%2Epriority", ".priority");
        format!("/{}.json?ns={}", path.trim_start_matches('/'), self.ns)
    }

    fn write(&self, method: &str, path: &str, value: &Value, place: &str) {
        let answer = self.server.request(method, &self.target(path), &[], &value.to_string());
        assert_eq!(answer.status, 200, "{place}: {}", answer.text());
    }

    fn listen(&mut self, what: &Value) {
        let types: Vec<&str> = what["events"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let target = self.target(what["path"].as_str().unwrap());
        let mut target = format!("{target}&format=export&on={}", types.join(","));
        for (name, value) in what["query"].as_object().into_iter().flatten() {
            let value = utf8_percent_encode(&value.to_string(), NON_ALPHANUMERIC).to_string();
            let _ = write!(target, "&{name}={value}");
        }
        self.streams.insert(what["id"].as_str().unwrap().to_owned(), self.server.events(&target));
    }

    fn expect(&mut self, what: &Value, place: &str) {
        let stream = self.streams.get_mut(what["id"].as_str().unwrap()).unwrap();
        for expected in what["events"].as_array().unwrap() {
            let event = stream.next();
            let data = event.json();
            assert_eq!(event.name, expected["type"].as_str().unwrap(), "{place}: {event:?}");
            check(&data["value"], &expected["value"], place);
            for member in ["key", "prevKey"].into_iter().filter(|member| expected.get(member).is_some()) {
                check(&data[member], &expected[member], place);
            }
        }
    }
}

/// Compares, where `{"$type": "number"}` stands for any number, and a number for itself however it is written.
fn check(actual: &Value, expected: &Value, place: &str) {
    match (actual, expected) {
        (_, Value::Object(pattern)) if pattern.contains_key("$type") => {
            let is_right = match pattern["$type"].as_str() {
                Some("number") => actual.is_number(),
                Some("string") => actual.is_string(),
                other => panic!("{place}: unknown type {other:?}"),
            };
            assert!(is_right, "{place}: {actual} is no {}", pattern["$type"]);
        }
        (Value::Object(actual_members), Value::Object(members)) => {
            let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(actual_members), keys(members), "{place}: {actual}");
            for (key, expected) in members {
                check(&actual_members[key], expected, place);
            }
        }
        (Value::Number(a), Value::Number(b)) => assert_eq!(a.as_f64(), b.as_f64(), "{place}"),
        _ => assert_eq!(actual, expected, "{place}"),
    }
}
