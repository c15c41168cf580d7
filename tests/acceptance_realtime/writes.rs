//! Writes: data, server values, limits, transactions (7, 11, 12, 13).

use serde_json::{Value, json};

use crate::realtime_client::Realtime;
use crate::support::Server;

fn connect(server: &Server) -> Realtime {
    Realtime::connect(server.address(), "foo")
}

/// Reads as the SDKs' `get` does.
fn get(client: &mut Realtime, path: &str) -> Value {
    let (_, mut answer) = client.ask(800, "g", &format!(r#"{{"p":"{path}","q":{{}}}}"#));
    assert_eq!(answer["s"], "ok", "{path}: {answer}");
    answer["d"].take()
}

#[track_caller]
fn check_refused(client: &mut Realtime, action: &str, body: &str, status: &str) {
    let (pushes, answer) = client.ask(700, action, body);
    assert!(pushes.is_empty() && answer["s"] == status && answer["d"].is_string(), "{action} {body}: {answer}");
}

// ---- data (checklist 31, 32, 41, 44, 45) ---------------------------------------------------------------------------

#[test]
fn update_of_all_forms_is_one_write() {
    let server = Server::ephemeral();
    connect(&server).play(
        r#"
        C> {"r":1,"a":"p","b":{"p":"/u","d":{"a":{"keep":true},"e":1,"c":{"d":1}}}}
        S> {"r":1,"b":{"s":"ok","d":""}}
        C> {"r":2,"a":"q","b":{"p":"/","h":""}}
        S> {"b":{"p":"","d":{"u":{"a":{"keep":true},"c":{"d":1},"e":1}}},"a":"d"}
        S> {"r":2,"b":{"s":"ok","d":{}}}
        C> {"r":3,"a":"m","b":{"p":"/u","d":{"a/b":[1,null,3],"c":{"d":{}},"e":null,"f/g/h":"x"}}}
        S> {"b":{"p":"u","d":{"a/b":{"0":1,"2":3},"c":null,"e":null,"f/g/h":"x"}},"a":"m"}
        S> {"r":3,"b":{"s":"ok","d":""}}
        C> {"r":4,"a":"g","b":{"p":"/u","q":{}}}
        S> {"r":4,"b":{"s":"ok","d":{"a":{"b":{"0":1,"2":3},"keep":true},"f":{"g":{"h":"x"}}}}}
        "#,
    );
    let mut client = connect(&server);
    client.done(1, "m", r#"{"p":"/u","d":{".priority":5,"a/b/.priority":"p","f/g":{".value":1,".priority":2}}}"#);
    assert_eq!(
        get(&mut client, "/u"),
        json!({
            ".priority": 5,
            "a": { "b": { ".priority": "p", "0": 1, "2": 3 }, "keep": true },
            "f": { "g": { ".value": 1, ".priority": 2 } }
        })
    );
}

#[test]
fn values_of_all_forms_are_stored_by_the_rules_of_the_tree() {
    let server = Server::ephemeral();
    let mut client = connect(&server);
    for (data, stored) in [
        ("[]", "null"),
        (r#"{"a":{"b":null}}"#, "null"),
        (r#"{".priority":1}"#, "null"),
        (r#"{".value":null,".priority":1}"#, "null"),
        (r#"["a","b",null,"d"]"#, r#"{"0":"a","1":"b","3":"d"}"#),
        (r#"{".value":5}"#, "5"),
        (r#"{".value":true,".priority":0}"#, r#"{".value":true,".priority":0}"#),
        (r#"{".value":true,".priority":""}"#, r#"{".value":true,".priority":""}"#),
        (r#"{".value":true,".priority":null}"#, "true"),
        (r#""a\ud800b""#, "\"a\u{fffd}b\""),
        (r#"{"__proto__":{"x":1},"é😀":2}"#, r#"{"__proto__":{"x":1},"é😀":2}"#),
    ] {
        client.done(1, "p", &format!(r#"{{"p":"/v","d":{data}}}"#));
        assert_eq!(get(&mut client, "/v"), serde_json::from_str::<Value>(stored).unwrap(), "{data}");
    }
    // A leaf that becomes an inner node keeps its priority; null below a leaf does nothing; an emptied parent vanishes.
    client.done(1, "p", r#"{"p":"/leaf","d":{".value":1,".priority":5}}"#);
    client.done(2, "p", r#"{"p":"/leaf/x","d":null}"#);
    assert_eq!(get(&mut client, "/leaf"), json!({ ".value": 1, ".priority": 5 }));
    client.done(3, "p", r#"{"p":"/leaf/x/y","d":2}"#);
    assert_eq!(get(&mut client, "/leaf"), json!({ ".priority": 5, "x": { "y": 2 } }));
    client.done(4, "p", r#"{"p":"/leaf/x/y","d":null}"#);
    assert_eq!(get(&mut client, "/leaf"), Value::Null);
}

#[test]
fn numbers_come_back_as_they_are() {
    let server = Server::ephemeral();
    let mut client = connect(&server);
    for (sent, told) in [
        ("9007199254740993", "9007199254740993"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1e300", "1e+300"),
        ("5e-324", "5e-324"),
        ("1e+21", "1e+21"),
        ("-0", "0"),
        ("1.0", "1"),
        ("0.1", "0.1"),
    ] {
        client.request(1, "p", &format!(r#"{{"p":"/n","d":{sent}}}"#));
        client.request(2, "g", r#"{"p":"/n","q":{}}"#);
        client.expect();
        assert_eq!(client.expect(), format!(r#"{{"t":"d","d":{{"r":2,"b":{{"s":"ok","d":{told}}}}}}}"#));
        assert_eq!(server.get("/n.json?ns=foo").text(), told);
    }
}

#[test]
fn server_values_are_echoed_resolved() {
    let server = Server::ephemeral();
    let mut client = connect(&server);
    client.done(1, "q", r#"{"p":"/at","h":""}"#);
    let (pushes, _) =
        client.ask(2, "p", r#"{"p":"/at","d":{".value":{".sv":"timestamp"},".priority":{".sv":"timestamp"}}}"#);
    let (value, priority) = (&pushes[0]["b"]["d"][".value"], &pushes[0]["b"]["d"][".priority"]);
    assert!(value.as_i64().unwrap() >= client.hello["ts"].as_i64().unwrap() && value == priority);
    client.play(
        r#"
        C> {"r":3,"a":"n","b":{"p":"/at"}}
        C> {"r":4,"a":"p","b":{"p":"/c","d":{".sv":{"increment":2}}}}
        C> {"r":5,"a":"q","b":{"p":"/c","h":""}}
        C> {"r":6,"a":"p","b":{"p":"/c","d":{".sv":{"increment":0.5}}}}
        C> {"r":7,"a":"p","b":{"p":"/c","d":{".sv":{"increment":-0.5}}}}
        C> {"r":8,"a":"p","b":{"p":"/c","d":9223372036854775807}}
        C> {"r":9,"a":"p","b":{"p":"/c","d":{".sv":{"increment":-7}}}}
        C> {"r":10,"a":"p","b":{"p":"/c","d":{".sv":{"increment":8}}}}
        C> {"r":11,"a":"p","b":{"p":"/c","d":"text"}}
        C> {"r":12,"a":"p","b":{"p":"/c","d":{".sv":{"increment":3}}}}
        S> {"r":3,"b":{"s":"ok","d":""}}
        S> {"r":4,"b":{"s":"ok","d":""}}
        S> {"b":{"p":"c","d":2},"a":"d"}
        S> {"r":5,"b":{"s":"ok","d":{}}}
        S> {"b":{"p":"c","d":2.5},"a":"d"}
        S> {"r":6,"b":{"s":"ok","d":""}}
        S> {"b":{"p":"c","d":2},"a":"d"}
        S> {"r":7,"b":{"s":"ok","d":""}}
        S> {"b":{"p":"c","d":9223372036854775807},"a":"d"}
        S> {"r":8,"b":{"s":"ok","d":""}}
        S> {"b":{"p":"c","d":9223372036854775800},"a":"d"}
        S> {"r":9,"b":{"s":"ok","d":""}}
        S> {"b":{"p":"c","d":9.223372036854776e+18},"a":"d"}
        S> {"r":10,"b":{"s":"ok","d":""}}
        S> {"b":{"p":"c","d":"text"},"a":"d"}
        S> {"r":11,"b":{"s":"ok","d":""}}
        S> {"b":{"p":"c","d":3},"a":"d"}
        S> {"r":12,"b":{"s":"ok","d":""}}
        "#,
    );
}

#[test]
fn increments_of_several_clients_add_up() {
    let server = Server::ephemeral();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = connect(&server);
                (0..100).for_each(|n| client.request(n, "p", r#"{"p":"/n","d":{".sv":{"increment":1}}}"#));
                (0..100).for_each(|n| assert_eq!(client.expect_data(), json!({ "r": n, "b": { "s": "ok", "d": "" } })));
            });
        }
    });
    assert_eq!(server.get("/n.json?ns=foo").text(), "400");
}

// ---- limits (checklist 43) -----------------------------------------------------------------------------------------

#[test]
fn keys_depth_and_strings_are_limited() {
    let server = Server::ephemeral();
    let mut client = connect(&server);
    let deep = |levels: usize| vec!["a"; levels].join("/");
    client.done(1, "p", &format!(r#"{{"p":"/{}","d":1}}"#, "é".repeat(384)));
    client.done(2, "p", &format!(r#"{{"p":"/{}","d":1}}"#, deep(32)));
    client.done(3, "p", &format!(r#"{{"p":"/{}","d":{{"k":1}}}}"#, deep(31)));
    client.done(4, "p", &format!(r#"{{"p":"/s","d":"{}"}}"#, "x".repeat(10 << 20)));
    check_refused(&mut client, "p", &format!(r#"{{"p":"/{}","d":1}}"#, "é".repeat(384) + "x"), "failure");
    check_refused(&mut client, "p", &format!(r#"{{"p":"/","d":{{"{}":1}}}}"#, "k".repeat(769)), "failure");
    check_refused(&mut client, "p", &format!(r#"{{"p":"/{}","d":1}}"#, deep(33)), "failure");
    check_refused(&mut client, "p", &format!(r#"{{"p":"/{}","d":{{"k":1}}}}"#, deep(32)), "failure");
    check_refused(&mut client, "p", &format!(r#"{{"p":"/s","d":"{}"}}"#, "x".repeat((10 << 20) + 1)), "failure");
    let parts: Vec<String> = (0..17).map(|n| format!(r#""{n}":"{}""#, "x".repeat(1 << 20))).collect();
    check_refused(&mut client, "p", &format!(r#"{{"p":"/s","d":{{{}}}}}"#, parts.join(",")), "failure");
    client.done(5, "p", &format!(r#"{{"p":"/s","d":{{{}}}}}"#, parts[..15].join(",")));
    check_refused(&mut client, "p", r#"{"p":"/s","d":{"a.b":1}}"#, "failure");
    check_refused(&mut client, "m", r#"{"p":"/s","d":{"a":1,"a/b":2}}"#, "failure");
    check_refused(&mut client, "p", r#"{"p":"/.info/x","d":1}"#, "permission_denied");
    check_refused(&mut client, "q", r#"{"p":"/s","q":{"l":0},"t":1,"h":""}"#, "failure");
}

#[test]
fn priority_of_nothing_cannot_be_set() {
    let server = Server::ephemeral();
    let mut client = connect(&server);
    check_refused(&mut client, "p", r#"{"p":"/x/.priority","d":1}"#, "failure");
    client.done(1, "p", r#"{"p":"/x","d":1}"#);
    client.done(2, "p", r#"{"p":"/x/.priority","d":1}"#);
    assert_eq!(get(&mut client, "/x"), json!({ ".value": 1, ".priority": 1 }));
    // Within an update it has no effect.
    client.done(3, "m", r#"{"p":"/y","d":{".priority":1}}"#);
    assert_eq!(get(&mut client, "/y"), Value::Null);
}

// ---- transactions (checklist 46, 47, 49) ---------------------------------------------------------------------------

#[test]
fn transaction_with_the_right_hash_is_done_and_with_a_wrong_one_told_so() {
    let server = Server::ephemeral();
    connect(&server).play(
        r#"
        C> {"r":1,"a":"p","b":{"p":"/n","d":41,"h":""}}
        S> {"r":1,"b":{"s":"ok","d":""}}
        C> {"r":2,"a":"p","b":{"p":"/n","d":42,"h":""}}
        S> {"r":2,"b":{"s":"datastale","d":"Transaction hash does not match"}}
        C> {"r":3,"a":"p","b":{"p":"/n","d":42,"h":"FKQEQrg9eSmOibuEATBfMSlup8g="}}
        S> {"r":3,"b":{"s":"ok","d":""}}
                    the hash covers priorities
        C> {"r":4,"a":"p","b":{"p":"/o","d":{"a":1,".priority":100}}}
        S> {"r":4,"b":{"s":"ok","d":""}}
        C> {"r":5,"a":"p","b":{"p":"/o","d":{"a":{".sv":{"increment":1}}},"h":"oJMxZwbss9iAffKvrn5lsJX8Btk="}}
        S> {"r":5,"b":{"s":"ok","d":""}}
        C> {"r":6,"a":"g","b":{"p":"/o","q":{}}}
        S> {"r":6,"b":{"s":"ok","d":{"a":2}}}
                    as the JavaScript SDKs hash a number just below a power of two, and as it should be
        C> {"r":7,"a":"p","b":{"p":"/js","d":9007199254740991}}
        S> {"r":7,"b":{"s":"ok","d":""}}
        C> {"r":8,"a":"p","b":{"p":"/js","d":9007199254740991,"h":"m4qsp/5BbIWTdjthNlnOX+WCTB0="}}
        S> {"r":8,"b":{"s":"ok","d":""}}
        C> {"r":9,"a":"p","b":{"p":"/js","d":1,"h":"zP1cy9AKj8mOJfzxsijijNJ8QdY="}}
        S> {"r":9,"b":{"s":"ok","d":""}}
                    a stale one removes nothing
        C> {"r":10,"a":"p","b":{"p":"/js","d":null,"h":"zP1cy9AKj8mOJfzxsijijNJ8QdY="}}
        S> {"r":10,"b":{"s":"datastale","d":"Transaction hash does not match"}}
        C> {"r":11,"a":"p","b":{"p":"/js","d":null,"h":"YPVfR2bXt/lcDjiQZ8pOkAd3qkQ="}}
        S> {"r":11,"b":{"s":"ok","d":""}}
        "#,
    );
}

#[test]
fn hashes_of_the_vectors_are_those_of_the_server() {
    let server = Server::ephemeral();
    let mut client = connect(&server);
    let vectors = include_str!("../../src/model/hash/vectors.tsv");
    let mut count = 0;
    for line in vectors.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (data, hash) = (columns[0], columns[columns.len() - 1]);
        client.done(1, "p", &format!(r#"{{"p":"/v","d":{data}}}"#));
        client.done(2, "p", &format!(r#"{{"p":"/v","d":{data},"h":"{hash}"}}"#));
        count += 1;
    }
    assert!(count > 20, "{count}");
}

/// Each client retries as SDKs do: with what its listen has told it until the refusal.
#[test]
fn contended_transactions_sum_up_exactly() {
    const CLIENTS: u64 = 20;
    const EACH: u64 = 5;
    let server = Server::ephemeral();
    let hash = |n: Option<u64>| match n {
        None => String::new(),
        // The server says itself what it hashes to.
        Some(n) => {
            server.put(&format!("/h/{n}.json?ns=hashes"), &n.to_string());
            let answer = server.request("GET", &format!("/h/{n}.json?ns=hashes"), &[("X-Firebase-ETag", "true")], "");
            answer.header("etag").unwrap().trim_matches('"').to_owned()
        }
    };
    let hashes: Vec<String> = (0..=CLIENTS * EACH).map(|n| hash((n > 0).then_some(n))).collect();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = connect(&server);
                let (pushes, _) = client.ask(0, "q", r#"{"p":"/ctr"}"#);
                let mut known = pushes[0]["b"]["d"].as_u64().unwrap_or(0);
                let (mut done, mut number) = (0, 1);
                while done < EACH {
                    let body = format!(r#"{{"p":"/ctr","d":{},"h":"{}"}}"#, known + 1, hashes[known as usize]);
                    let (pushes, answer) = client.ask(number, "p", &body);
                    number += 1;
                    let before = known;
                    known = pushes.last().map_or(known, |push| push["b"]["d"].as_u64().unwrap());
                    match answer["s"].as_str() {
                        Some("ok") => done += 1,
                        Some("datastale") => assert_ne!(before, known, "refused without having been told of a change"),
                        _ => panic!("{answer}"),
                    }
                }
            });
        }
    });
    assert_eq!(server.get("/ctr.json?ns=foo").text(), (CLIENTS * EACH).to_string());
}
