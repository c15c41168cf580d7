//! What a stranger tries: tokens bent in all ways, questions and spellings that lead around a rule, what is armed.
//!
//! Every attack here aims at one text, which no answer may hold. Rules and credentials as such are tested beside this.

use std::thread;

use serde_json::{Map, Value, json};

use crate::realtime_client::Realtime;
use crate::support::{Answer, Server};
use crate::{seed, server_with, set_rules, stored, token, unsigned};

/// What nobody may learn.
const SECRET: &str = "s3cret";
const RULES: &str = r#"{
    "public": {".read": true, ".write": true},
    "users": {"$uid": {".read": "auth.uid === $uid", ".write": "auth.uid === $uid"}},
    "tasks": {".indexOn": ["owner", "n"], ".read": "query.orderByChild === 'owner' && query.equalTo === auth.uid"},
    "recent": {".indexOn": "n", ".read": "query.orderByKey && query.limitToLast <= 2"},
    "number": {".write": true, ".validate": "newData.isNumber() && newData.val() < 10 && newData.getPriority() == null"}
}"#;

fn guarded() -> Server {
    let server = server_with(RULES);
    seed_secret(&server);
    server
}

fn seed_secret(server: &Server) {
    seed(server, "/users/bob", &json!({ "word": SECRET }));
}

#[track_caller]
fn told_nothing(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    assert!(!answer.text().contains(SECRET), "{what}: {}", answer.text());
}

/// Asks, and gives the answer with what was pushed before it as one text.
fn heard(client: &mut Realtime, number: u64, action: &str, body: &Value) -> (Value, String) {
    let (pushes, answer) = client.ask(number, action, &body.to_string());
    let all = format!("{pushes:?} {answer}");
    (answer["s"].clone(), all)
}

#[track_caller]
fn denied(client: &mut Realtime, number: u64, action: &str, body: &Value) {
    let (status, all) = heard(client, number, action, body);
    assert_eq!(status, "permission_denied", "{action} {body}: {all}");
    assert!(!all.contains(SECRET) && all.starts_with("[] "), "{action} {body}: {all}");
}

fn bent_tokens() -> Vec<String> {
    let whole = token("bob");
    let (head, body) = whole.trim_end_matches('.').split_once('.').unwrap();
    let mut bent: Vec<String> = (1..whole.len()).map(|len| whole[..len].to_owned()).collect();
    bent.extend((0..body.len()).map(|len| format!("{head}.{}.", &body[..len])));
    bent.extend((0..head.len()).map(|len| format!("{}.{body}.", &head[..len])));
    // `null`, `[]`, `"x"` and `7` in base64, then odd texts.
    bent.extend(["bnVsbA", "W10", "Ing", "Nw"].map(|other| format!("{head}.{other}.")));
    bent.extend(["bnVsbA", "W10", "Ing", "Nw"].map(|other| format!("{other}.{body}.")));
    bent.extend([format!("{whole}x.y"), format!("{whole}.."), format!("x{whole}"), format!(".{whole}")]);
    bent.extend(["owner", "null", "{}", "..", ".", "admin", "undefined", "Bearer"].map(str::to_owned));
    bent
}

#[test]
fn bent_tokens_are_refused_and_their_owners_not_taken_for_nobody() {
    let server = guarded();
    let mut connection = server.connect();
    let mut client = Realtime::connect(server.address(), "chat");
    for (number, bent) in (1..).zip(bent_tokens()) {
        let answer = connection.request("GET", &format!("/public.json?ns=chat&auth={bent}"), &[], "");
        assert_eq!(answer.status, 401, "{bent}: {}", answer.text());
        told_nothing(&connection.request("GET", &format!("/users/bob.json?ns=chat&auth={bent}"), &[], ""), &bent);
        let (answer, _) = heard(&mut client, number * 2, "auth", &json!({ "cred": bent }));
        assert_eq!(answer, "invalid_token", "{bent}");
        denied(&mut client, number * 2 + 1, "g", &json!({ "p": "/users/bob" }));
    }
    // Of several the last counts, and is refused as a whole.
    told_nothing(&server.get(&format!("/users/bob.json?ns=chat&auth={}&auth=x", token("bob"))), "the last");
    told_nothing(&server.get(&format!("/users/bob.json?ns=chat&auth=x&auth={}", token("ann"))), "the last");
}

#[test]
fn claims_that_only_resemble_an_owner_open_nothing() {
    let server = guarded();
    let mut client = Realtime::connect(server.address(), "chat");
    let claims = [
        json!({}),
        json!({ "sub": null }),
        json!({ "sub": ["bob"] }),
        json!({ "sub": { "bob": "bob" } }),
        json!({ "sub": "Bob" }),
        json!({ "sub": "bob " }),
        json!({ "sub": "bob\u{0}" }),
        json!({ "sub": "ann", "user_id": "ann", "uid": "bob" }),
        json!({ "sub": "ann", "admin": true }),
        json!({ "sub": "ann", "d": { "uid": "bob" } }),
        json!({ "sub": "ann", "token": { "uid": "bob" }, "auth": { "uid": "bob" } }),
        json!({ "v": 0, "iat": 0, "d": { "uid": ["bob"] } }),
        json!({ "v": 0, "iat": 0, "d": { "UID": "bob" } }),
        json!({ "v": 0, "iat": 0, "d": { "uid": "ann", "admin": true, "token": { "admin": true } } }),
        json!({ "v": 0, "iat": 0, "d": {}, "admin": "true" }),
        json!({ "v": 0, "iat": 0, "d": "admin" }),
        json!({ "v": 0, "iat": 0, "d": "\"admin\"", "sub": "\"admin\"" }),
    ];
    for (number, claims) in (1..).zip(&claims) {
        let bent = unsigned(claims);
        told_nothing(&server.get(&format!("/users/bob.json?ns=chat&auth={bent}")), &claims.to_string());
        client.ask(number * 2, "auth", &json!({ "cred": bent }).to_string());
        denied(&mut client, number * 2 + 1, "g", &json!({ "p": "/users/bob" }));
    }
}

#[test]
fn oversize_credentials_are_refused_and_the_connection_goes_on() {
    let server = guarded();
    let mut client = Realtime::connect(server.address(), "chat");
    let bearer = format!("Bearer {}", "x".repeat(70_000));
    told_nothing(&server.request("GET", "/users/bob.json?ns=chat", &[("Authorization", &bearer)], ""), "bearer");
    for (number, len) in [(1, 9_000), (3, 40_000), (5, 1_000_000), (7, 10_000_000)] {
        let huge = unsigned(&json!({ "sub": "bob", "x": "x".repeat(len) }));
        let (answer, _) = heard(&mut client, number, "auth", &json!({ "cred": huge }));
        assert_eq!(answer, "invalid_token", "{len}");
        denied(&mut client, number + 1, "g", &json!({ "p": "/users/bob" }));
        if len < 100_000 {
            told_nothing(&server.get(&format!("/users/bob.json?ns=chat&auth={huge}")), "parameter");
        }
    }
}

#[test]
fn denied_listens_tell_nothing_whatever_the_client_claims_to_hold() {
    let server = guarded();
    let mut client = Realtime::connect(server.address(), "chat");
    client.done(1, "auth", &json!({ "cred": token("ann") }).to_string());
    let mut number = 1;
    for path in ["/", "/users", "/users/bob", "/users/bob/word", "/users/nobody", "/tasks", "/recent", "/number"] {
        let target = format!("{path}.json?ns=chat&access_token=owner");
        let etag = server.request("GET", &target, &[("X-Firebase-ETag", "true")], "");
        let hash = etag.header("etag").unwrap().trim_start_matches("null_etag");
        for known in [
            json!({ "h": "" }),
            json!({ "h": hash }),
            json!({ "h": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" }),
            json!({ "h": hash, "ch": { "ps": ["bob/word"], "hs": [hash, ""] } }),
            json!({ "h": hash, "q": { "i": ".priority" } }),
            json!({ "h": hash, "t": 1, "q": {} }),
            json!({ "h": hash, "t": 2, "q": { "i": ".key" } }),
            json!({ "h": hash, "t": 3, "q": { "i": ".value", "sp": SECRET, "ep": SECRET } }),
            json!({ "h": hash, "t": 4, "q": { "i": "word", "sp": SECRET, "ep": SECRET } }),
            json!({ "h": hash, "t": 5, "q": { "i": ".key", "l": 3, "vf": "l" } }),
        ] {
            number += 1;
            let mut body = known;
            body["p"] = path.into();
            denied(&mut client, number, "q", &body);
        }
        number += 1;
        denied(&mut client, number, "l", &json!({ "p": path, "h": hash }));
        number += 1;
        denied(&mut client, number, "g", &json!({ "p": path }));
    }
    // What was denied hears of no change either: the echo comes first.
    seed(&server, "/users/bob/word", &json!("s3cret too"));
    client.play("");
}

/// The children that an accepted listen is sent; none if it is refused.
fn children(client: &mut Realtime, number: u64, path: &str, query: &Value) -> Map<String, Value> {
    let body = json!({ "p": path, "q": query, "t": number, "h": "" });
    let (pushes, answer) = client.ask(number, "q", &body.to_string());
    assert!(answer["s"] == "ok" || pushes.is_empty(), "{query}: {pushes:?}");
    let data = pushes.into_iter().filter_map(|push| push["b"]["d"].as_object().cloned());
    data.fold(Map::new(), |mut all, data| {
        all.extend(data);
        all
    })
}

#[test]
fn windows_cannot_be_made_wider_than_their_rule() {
    let server = guarded();
    seed(&server, "/recent", &json!({ "a": { "n": 1 }, "b": { "n": 2 }, "c": { "n": 3 }, "d": { "n": 4 } }));
    let ann = |n: u32| json!({ "owner": "ann", "n": n });
    let tasks = json!({ "t1": ann(1), "t2": { "owner": "bob", "n": 2 }, "t3": ann(3), "t4": { "n": 4 } });
    seed(&server, "/tasks", &tasks);
    let mut client = Realtime::connect(server.address(), "chat");
    client.done(1, "auth", &json!({ "cred": token("ann") }).to_string());
    let limits =
        [json!(-1), json!(0), json!(2), json!(2.5), json!("2"), json!(null), json!(3), json!(1e300), json!([2])];
    let mut number = 1;
    for limit in limits {
        for mut query in [json!({ "i": ".key" }), json!({}), json!({ "i": "n" }), json!({ "i": ".key", "sp": "a" })] {
            for from in [json!("l"), json!("r"), json!(null), json!("x")] {
                number += 1;
                query["l"] = limit.clone();
                query["vf"] = from;
                let seen = children(&mut client, number, "/recent", &query);
                assert!(seen.len() <= 2, "{query}: {seen:?}");
            }
        }
    }
    number += 1;
    assert_eq!(children(&mut client, number, "/recent", &json!({ "i": ".key", "l": 2, "vf": "r" })).len(), 2);
    for query in [
        json!({ "i": "owner" }),
        json!({ "i": "owner", "sp": "ann" }),
        json!({ "i": "owner", "ep": "ann" }),
        json!({ "i": "owner", "sp": "ann", "ep": "bob" }),
        json!({ "i": "owner", "sp": null, "ep": "ann" }),
        json!({ "i": "owner", "sp": "ann", "ep": "bob", "l": 1, "vf": "r" }),
        json!({ "i": "owner", "sp": "ann", "sn": "t1", "ep": "bob", "en": "t2" }),
        json!({ "i": "owner", "sp": "ann", "sin": false, "ep": "bob" }),
        json!({ "i": "owner", "sp": "ann", "ep": "ann", "ein": false }),
        json!({ "i": "owner", "sp": ["ann"], "ep": "ann" }),
        json!({ "i": "n", "sp": "ann", "ep": "ann" }),
        json!({ "i": ".key", "sp": "ann", "ep": "ann" }),
        json!({ "i": "owner", "sp": "bob", "ep": "bob" }),
        json!({ "i": "owner/", "sp": "ann", "ep": "ann" }),
        json!({ "i": "owner", "sp": "ann", "ep": "ann" }),
    ] {
        number += 1;
        let seen = children(&mut client, number, "/tasks", &query);
        assert!(seen.values().all(|task| task["owner"] == "ann"), "{query}: {seen:?}");
    }
    number += 1;
    assert_eq!(children(&mut client, number, "/tasks", &json!({ "i": "owner", "sp": "ann", "ep": "ann" })).len(), 2);
}

#[test]
fn parameters_said_twice_or_against_each_other_widen_no_window() {
    let server = guarded();
    seed(&server, "/recent", &json!({ "a": 1, "b": 2, "c": 3, "d": 4 }));
    seed(&server, "/tasks", &json!({ "t1": { "owner": "ann" }, "t2": { "owner": "bob" }, "t3": { "owner": "ann" } }));
    let mut connection = server.connect();
    let mut ask = |path: &str, query: &str| {
        let target = format!("{path}.json?ns=chat&auth={}&{}", token("ann"), query.replace('"', "%22"));
        let answer = connection.request("GET", &target, &[], "");
        assert!([200, 400, 401].contains(&answer.status), "{query}: {}", answer.text());
        let json = answer.json();
        if answer.status == 200 { json.as_object().cloned().unwrap_or_default() } else { Map::new() }
    };
    let key = r#"orderBy="$key""#;
    for query in [
        "limitToLast=2&limitToLast=4",
        "limitToLast=4&limitToLast=2",
        "limitToLast=2&limitToFirst=4",
        "limitToLast=-1",
        "limitToLast=0",
        "limitToLast=2e9",
        "limitToLast=2.9",
        "limitToLast=%2B4",
        "limitToLast=0x4",
        "limitToLast=",
        "limitToLast=null",
        "limitToLast=\"2\"",
        "limitToLast=2&shallow=true",
        "limitToLast=2&startAt=\"a\"",
        "limit%54oLast=2&limitToLast=4",
        "limitToLast=2&limit%54oLast=4",
    ] {
        let seen = ask("/recent", &format!("{key}&{query}"));
        assert!(seen.len() <= 2, "{query}: {seen:?}");
    }
    assert_eq!(ask("/recent", &format!("{key}&limitToLast=2")).len(), 2);
    let owner = r#"orderBy="owner""#;
    for query in [
        r#"equalTo="ann"&equalTo="bob""#,
        r#"equalTo="bob"&equalTo="ann""#,
        r#"equalTo="ann"&startAt="a""#,
        r#"equalTo="ann"&endAt="z""#,
        r#"equalTo="ann"&orderBy="$key""#,
        r#"startAt="ann"&endAt="bob""#,
        r#"startAt="ann"&endAt="ann""#,
        r#"equalTo="ann","t2""#,
        r#"equalTo=["ann"]"#,
        "equalTo=ann",
        "shallow=true",
    ] {
        let seen = ask("/tasks", &format!("{owner}&{query}"));
        assert!(seen.values().all(|task| task["owner"] == "ann"), "{query}: {seen:?}");
    }
    assert_eq!(ask("/tasks", &format!(r#"{owner}&equalTo="ann""#)).len(), 2);
}

#[test]
fn other_spellings_of_a_place_lead_to_the_same_rule() {
    let server = guarded();
    let mut connection = server.connect();
    for place in [
        "//users//bob",
        "/users/bob/",
        "/users%2Fbob",
        "/users%2fbob%2Fword",
        "/%75sers/bob",
        "/public/../users/bob",
        "/public/%2e%2e/users/bob",
        "/./users/bob",
        "/users/bob/.priority",
        "/users/bob/.value",
        "/users/bob.json",
        "/users/bob%00",
        "/users/bob;",
        "/Users/../users/bob",
        "/public%2F..%2Fusers%2Fbob",
        "http://127.0.0.1/users/bob",
        "http://public@127.0.0.1/users/bob",
    ] {
        for query in ["ns=chat", "ns=CHAT", "ns=ch%61t", "ns=other&ns=chat", "n%73=chat", "ns=chat#&ns=other"] {
            let answer = connection.request("GET", &format!("{place}.json?{query}"), &[], "");
            // Where the bent place is another one, there is nothing, and no rule for it.
            told_nothing(&answer, place);
        }
        let answer = connection.request("PUT", &format!("{place}.json?ns=chat"), &[], "1");
        told_nothing(&answer, place);
    }
    let mut client = Realtime::connect(server.address(), "CHAT");
    let places =
        ["users/bob", "//users//bob//", "/users/bob/word", "users/bob/.priority", "public/../users/bob", "%75sers/bob"];
    for (number, place) in (1..).zip(places) {
        for action in ["q", "g", "p", "m", "l"] {
            let (status, all) = heard(&mut client, number, action, &json!({ "p": place, "d": { "x": 1 }, "h": "" }));
            assert!(status != "ok" && !all.contains(SECRET), "{action} {place}: {all}");
        }
    }
    assert_eq!(stored(&server, "/"), json!({ "users": { "bob": { "word": SECRET } } }));
}

#[test]
fn updates_reach_nothing_beside_what_is_granted() {
    let server = guarded();
    let mut connection = server.connect();
    let mut client = Realtime::connect(server.address(), "chat");
    for (number, (place, update)) in (1..).zip([
        ("/", json!({ "public/x": 1, "users/bob/word": "mine" })),
        ("/", json!({ "public": 1, "users": null })),
        ("/", json!({ "": { "users": null } })),
        ("/", json!({ "/": { "users": null } })),
        ("/", json!({ "public/x": 1, "/users/bob/": null })),
        ("/", json!({ "users": { "bob": null } })),
        ("/", json!({ "public/x": 1, "users/bob/.priority": 1 })),
        ("/public", json!({ "x": 1, "../users/bob": null })),
        ("/public", json!({ "x": 1, "/users/bob": null, "..": null })),
        ("/users", json!({ "bob": null })),
        ("/users/bob", json!({ "word": null })),
        ("/users/bob", json!({ ".priority": 3 })),
        ("/", json!({ "public/x": 1, "number": "no number" })),
    ]) {
        let answer = connection.request("PATCH", &format!("{place}.json?ns=chat"), &[], &update.to_string());
        told_nothing(&answer, &update.to_string());
        let (status, all) = heard(&mut client, number, "m", &json!({ "p": place, "d": update }));
        assert!(status != "ok", "{update}: {all}");
        assert_eq!(stored(&server, "/"), json!({ "users": { "bob": { "word": SECRET } } }), "{update}");
    }
}

#[test]
fn methods_in_disguise_are_judged_as_what_they_do() {
    let server = guarded();
    let mut connection = server.connect();
    for verb in ["PUT", "PATCH", "DELETE", "POST", "GET"] {
        let body = if verb == "GET" { "" } else { "{\"x\":1}" };
        for place in ["/users/bob", "/users/bob/word", "/users", "/"] {
            let target = format!("{place}.json?ns=chat");
            let answer = connection.request("POST", &target, &[("X-HTTP-Method-Override", verb)], body);
            told_nothing(&answer, verb);
            let target = format!("{target}&x-http-method-override={verb}");
            told_nothing(&connection.request("POST", &target, &[], body), verb);
        }
    }
    let form =
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.json\"\r\n\r\n{\"x\":1}\r\n--b--\r\n";
    let kind = [("Content-Type", "multipart/form-data; boundary=b")];
    told_nothing(&connection.request("POST", "/users/bob/.upload?ns=chat", &kind, form), "upload");
    assert_eq!(connection.request("POST", "/public/.upload?ns=chat", &kind, form).status, 200, "this form is one");
    told_nothing(&connection.request("POST", "/users/.upload?ns=chat", &kind, form), "upload above");
    assert_eq!(stored(&server, "/users"), json!({ "bob": { "word": SECRET } }));
}

#[test]
fn values_are_validated_as_what_they_come_to() {
    let server = guarded();
    let mut connection = server.connect();
    let mut client = Realtime::connect(server.address(), "chat");
    for (number, value) in (1..).zip([
        json!("9"),
        json!({ ".value": "x" }),
        json!({ ".value": 99 }),
        json!({ ".value": 1, ".priority": 5 }),
        json!({ ".sv": "timestamp" }),
        json!({ ".sv": { "increment": 10 } }),
        json!({ "x": 1 }),
        json!([1]),
        json!(true),
        json!(1e308),
    ]) {
        told_nothing(&connection.request("PUT", "/number.json?ns=chat", &[], &value.to_string()), "put");
        let update = json!({ "number": value }).to_string();
        told_nothing(&connection.request("PATCH", "/.json?ns=chat", &[], &update), "patch");
        denied(&mut client, number, "p", &json!({ "p": "/number", "d": value }));
        assert_eq!(stored(&server, "/number"), json!(null), "{value}");
    }
    // Each step is allowed for itself until the sum is too large.
    let increment = r#"{".sv":{"increment":6}}"#;
    assert_eq!(connection.request("PUT", "/number.json?ns=chat", &[], increment).status, 200);
    told_nothing(&connection.request("PUT", "/number.json?ns=chat", &[], increment), "the second");
    told_nothing(&connection.request("PUT", "/number/.priority.json?ns=chat", &[], "5"), "priority");
    denied(&mut client, 90, "p", &json!({ "p": "/number/.priority", "d": 5 }));
    assert_eq!(stored(&server, "/number"), json!(6));
}

#[test]
fn requests_in_one_breath_are_judged_each_by_the_identity_before_it() {
    let server = guarded();
    let mut client = Realtime::connect(server.address(), "chat");
    let (bob, secret) = (json!({ "cred": token("bob") }).to_string(), r#"{"p":"/users/bob/word"}"#);
    for round in 0..50 {
        for (step, (action, body)) in
            [("auth", bob.as_str()), ("g", secret), ("unauth", "{}"), ("g", secret)].iter().enumerate()
        {
            client.request(round * 4 + step as u64, action, body);
        }
    }
    let answers: Vec<Value> = (0..200).map(|_| client.expect_data()).collect();
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer["r"], number);
        let expected = if number % 4 == 3 { "permission_denied" } else { "ok" };
        assert_eq!(answer["b"]["s"], expected, "{answer}");
    }
}

#[test]
fn what_strangers_armed_is_not_written_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::with_data(data.path());
    set_rules(&server, RULES);
    seed_secret(&server);
    let mut stranger = Realtime::connect(server.address(), "chat");
    let mut bob = Realtime::connect(server.address(), "chat");
    bob.done(1, "auth", &json!({ "cred": token("bob") }).to_string());
    bob.done(2, "o", r#"{"p":"/users/bob/left","d":true}"#);
    for (number, action, body) in [
        (1, "o", json!({ "p": "/users/bob/word", "d": "mine" })),
        (2, "om", json!({ "p": "/users", "d": { "bob/x": 1, "ann": 1 } })),
        (3, "o", json!({ "p": "/number", "d": "no number" })),
        (4, "o", json!({ "p": "/users/bob/.priority", "d": 7 })),
        (5, "o", json!({ "p": "/public/gone", "d": true })),
    ] {
        // It may be refused now or when it runs.
        client_asks(&mut stranger, number, action, &body);
    }
    server.kill();
    let server = Server::with_data(data.path());
    let mut watch = server.events("/public/gone.json?ns=chat");
    while watch.next().json()["data"] != true {}
    let expected = json!({ "users": { "bob": { "word": SECRET, "left": true } }, "public": { "gone": true } });
    assert_eq!(stored(&server, "/"), expected);
    let exported = server.get("/.json?ns=chat&access_token=owner&format=export");
    assert!(!exported.text().contains(".priority"), "{}", exported.text());
}

fn client_asks(client: &mut Realtime, number: u64, action: &str, body: &Value) {
    let (_, all) = heard(client, number, action, body);
    assert!(!all.contains(SECRET), "{action} {body}: {all}");
}

#[test]
fn what_was_armed_under_looser_rules_is_judged_by_those_in_force_when_it_runs() {
    let server = server_with(r#"{".read":true,".write":true}"#);
    let mut client = Realtime::connect(server.address(), "chat");
    client.done(1, "o", r#"{"p":"/users/bob/word","d":"mine"}"#);
    client.done(2, "o", r#"{"p":"/public/gone","d":true}"#);
    set_rules(&server, RULES);
    let mut watch = server.events("/public/gone.json?ns=chat");
    client.close();
    while watch.next().json()["data"] != true {}
    assert_eq!(stored(&server, "/"), json!({ "public": { "gone": true } }));
}

#[test]
fn another_database_lends_neither_rules_nor_sessions() {
    let server = guarded();
    let open = "/.settings/rules.json?ns=open&access_token=owner";
    assert_eq!(server.put(open, r#"{"rules":{".read":true,".write":true}}"#).status, 200);
    let mut stream = server.events("/.beaconfire/sessions?ns=chat");
    let id = stream.next().json()["session"].as_str().unwrap().to_owned();
    let requests = r#"[{"n":1,"get":"/users/bob"},{"n":2,"set":"/users/bob","data":1}]"#;
    let answer = server.request("POST", &format!("/.beaconfire/sessions/{id}?ns=open"), &[], requests);
    assert_eq!((answer.status, answer.text().contains(SECRET)), (404, false), "{}", answer.text());
    for target in ["/users/bob.json?ns=open&ns=chat", "/users/bob.json?ns=chat&access_token="] {
        told_nothing(&server.request("GET", target, &[("Host", "open.localhost")], ""), target);
    }
    told_nothing(&server.request("GET", "/users/bob.json", &[("Host", "chat.localhost")], ""), "host");
    let forwarded = [("Host", "chat.localhost"), ("X-Forwarded-Host", "open.localhost")];
    told_nothing(&server.request("GET", "/users/bob.json", &forwarded, ""), "forwarded");
    let mut client = Realtime::connect_at(server.address(), "open.localhost", "/.ws?v=5&ns=open&ns=chat");
    denied(&mut client, 1, "g", &json!({ "p": "/users/bob" }));
    assert_eq!(stored(&server, "/users/bob"), json!({ "word": SECRET }));
}

#[test]
fn session_of_another_shows_a_stranger_nothing() {
    let server = guarded();
    let mut stream = server.events("/.beaconfire/sessions?ns=chat");
    let id = stream.next().json()["session"].as_str().unwrap().to_owned();
    let place = format!("/.beaconfire/sessions/{id}?ns=chat");
    let requests = json!([
        { "n": 1, "listen": "/users/bob" },
        { "n": 2, "set": "/users/bob/word", "data": "x", "ifMatch": "null_etag" },
        { "n": 3, "get": "/users/bob" },
    ])
    .to_string();
    let answer = server.request("POST", &format!("{place}&auth={}", token("bob")), &[], &requests);
    assert_eq!(answer.json()["replies"][1]["status"], "stale", "{}", answer.text());
    assert!(answer.text().contains(SECRET));
    // Somebody who has come to know the id, without the credential: asks once more, and takes the stream over.
    let again = requests.replace("\"n\":", "\"n\":1");
    let again = server.request("POST", &place, &[], &again);
    assert!(again.status == 200 && !again.text().contains(SECRET), "{}", again.text());
    let mut taken = server.events_with(&place, &[("Last-Event-ID", "0-0")]);
    seed(&server, "/users/bob/word", &json!("s3cret too"));
    server.request("POST", &place, &[], r#"[{"n":14,"set":"/public/end","data":1},{"n":15,"listen":"/public"}]"#);
    loop {
        let event = taken.next();
        assert!(!event.data.contains(SECRET), "{event:?}");
        if event.name == "ack" && event.json()["n"] == 15 {
            break;
        }
    }
}

#[test]
fn slow_rules_hold_nobody_up() {
    let text = |expression: &str| json!({ ".write": true, ".validate": expression }).to_string();
    let bomb = "newData.val()".to_owned() + &".replace('a', 'aaaaaaaaaaaaaaaa')".repeat(40) + " != ''";
    let sum = "newData.val().matches(/^(\\s|\\w+)*(x+x+)+y$/)";
    let rules = format!(
        r#"{{"public":{{".read":true,".write":true}},"regex":{},"bomb":{},"set":{},"many":{{".write":true,"$k":{}}}}}"#,
        text("newData.val().matches(/^(a+)+$/)"),
        text(&bomb),
        text(sum),
        json!({ ".validate": "newData.val().matches(/^(a|aa)+$/)" }),
    );
    let server = server_with(&rules);
    let long = json!("a".repeat(5_000_000) + "!").to_string();
    let members: Map<String, Value> = (0..20_000).map(|n| (format!("k{n:05}"), json!("aaaaaaaaaaaaaaaa!"))).collect();
    let many = Value::Object(members).to_string();
    thread::scope(|scope| {
        let attacks = [("/regex", &long), ("/set", &long), ("/bomb", &long), ("/many", &many)].map(|(place, body)| {
            let server = &server;
            scope.spawn(move || told_nothing(&server.put(&format!("{place}.json?ns=chat"), body), place))
        });
        let mut connection = server.connect();
        // Each read has a deadline: whoever is held up for good fails here.
        while !attacks.iter().all(thread::ScopedJoinHandle::is_finished) {
            assert_eq!(connection.request("PUT", "/public.json?ns=chat", &[], "1").status, 200);
            assert_eq!(connection.request("GET", "/public.json?ns=chat", &[], "").text(), "1");
        }
    });
    assert_eq!(stored(&server, "/"), json!({ "public": 1 }));
}
