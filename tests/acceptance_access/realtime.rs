//! The realtime protocol: statuses, cancelled listens, changes of identity, what is armed.

use serde_json::{Value, json};

use crate::realtime_client::Realtime;
use crate::{seed, server_with, set_rules, stored, token};

const RULES: &str = r#"{
    "public": {".read": true, ".write": true},
    "users": {"$uid": {".read": "auth.uid === $uid", ".write": "auth.uid === $uid"}},
    "log": {".write": "auth != null"}
}"#;
const DENIED: &str = r#""s":"permission_denied","d":"Permission denied""#;

fn auth(uid: &str) -> String {
    json!({ "cred": token(uid) }).to_string()
}

#[track_caller]
fn is_denied(answer: &Value) {
    assert_eq!(answer, &json!({"s": "permission_denied", "d": "Permission denied"}));
}

#[test]
fn each_request_is_judged_by_the_identity_before_it() {
    let server = server_with(RULES);
    let mut client = Realtime::connect(server.address(), "chat");
    for (number, action, body) in [
        (1, "q", r#"{"p":"/users/ann","h":""}"#),
        (2, "g", r#"{"p":"/users/ann","q":{}}"#),
        (3, "p", r#"{"p":"/users/ann","d":1}"#),
        (4, "m", r#"{"p":"/","d":{"public/x":1,"users/ann/n":1}}"#),
        (5, "p", r#"{"p":"/users/ann/.priority","d":1}"#),
        (6, "o", r#"{"p":"/users/ann","d":1}"#),
    ] {
        let (pushes, answer) = client.ask(number, action, body);
        assert!(pushes.is_empty(), "{action}: {pushes:?}");
        if action == "o" {
            // Judged when it runs, as the protocol's clients expect of an emulator; see below.
            continue;
        }
        is_denied(&answer);
    }
    assert_eq!(stored(&server, "/"), json!(null), "of the update nothing was done");
    let (_, ok) = client.ask(7, "auth", &auth("ann"));
    assert_eq!((&ok["s"], &ok["d"]["auth"]["uid"]), (&json!("ok"), &json!("ann")));
    client.done(8, "p", r#"{"p":"/users/ann","d":{"n":1}}"#);
    let (pushes, answer) = client.ask(9, "q", r#"{"p":"/users/ann","h":""}"#);
    assert_eq!((pushes.len(), &answer["s"]), (1, &json!("ok")));
    let (_, answer) = client.ask(10, "q", r#"{"p":"/users/bob","h":""}"#);
    is_denied(&answer);
}

#[test]
fn listens_that_are_lost_are_cancelled_and_others_undisturbed() {
    let server = server_with(RULES);
    seed(&server, "/users/ann", &json!(1));
    let mut client = Realtime::connect(server.address(), "chat");
    client.ask(1, "auth", &auth("ann"));
    client.ask(2, "q", r#"{"p":"/users/ann","h":""}"#);
    client.ask(3, "q", r#"{"p":"/users/ann","q":{"l":1,"vf":"r"},"t":7,"h":""}"#);
    client.ask(4, "q", r#"{"p":"/public","h":""}"#);
    // The hourly refresh of a token disturbs nobody.
    let (pushes, answer) = client.ask(5, "auth", &auth("ann"));
    assert_eq!((pushes.len(), &answer["s"]), (0, &json!("ok")));
    let (pushes, answer) = client.ask(6, "unauth", "{}");
    assert_eq!(answer["s"], "ok");
    assert_eq!(
        pushes,
        [
            json!({"a": "c", "b": {"p": "users/ann"}}),
            json!({"a": "c", "b": {"p": "users/ann", "q": [{"l": 1, "vf": "r"}]}}),
        ]
    );
    seed(&server, "/users/ann", &json!(2));
    seed(&server, "/public", &json!("heard"));
    assert_eq!(client.expect_data()["b"]["d"], "heard");
    set_rules(&server, "{}");
    assert_eq!(client.expect_data(), json!({"a": "c", "b": {"p": "public"}}));
}

#[test]
fn bad_credential_leaves_the_connection_nobodys() {
    let server = server_with(RULES);
    seed(&server, "/users/ann", &json!(1));
    let mut client = Realtime::connect(server.address(), "chat");
    client.ask(1, "auth", &auth("ann"));
    client.play(&format!(
        r#"
        C> {{"r":2,"a":"auth","b":{{"cred":"no.such.token"}}}}
        S> {{"r":2,"b":{{"s":"invalid_token","d":"Could not parse auth token."}}}}
        C> {{"r":3,"a":"g","b":{{"p":"/users/ann"}}}}
        S> {{"r":3,"b":{{{DENIED}}}}}
        C> {{"r":4,"a":"gauth","b":{{"cred":"owner","authvar":{{"uid":"ann"}}}}}}
        S> {{"r":4,"b":{{"s":"ok","d":{{"auth":{{"uid":"ann"}}}}}}}}
        C> {{"r":5,"a":"g","b":{{"p":"/users/ann"}}}}
        S> {{"r":5,"b":{{"s":"ok","d":1}}}}
        C> {{"r":6,"a":"gauth","b":{{"cred":"owner","noauth":true}}}}
        S> {{"r":6,"b":{{"s":"ok","d":{{"auth":null}}}}}}
        C> {{"r":7,"a":"g","b":{{"p":"/users/ann"}}}}
        S> {{"r":7,"b":{{{DENIED}}}}}
        "#
    ));
}

#[test]
fn transaction_hash_tells_nothing_of_what_cannot_be_read() {
    let server = server_with(r#"{"drop":{".write":true}}"#);
    seed(&server, "/drop", &json!("secret"));
    let mut client = Realtime::connect(server.address(), "chat");
    let hash = server.request("GET", "/drop.json?ns=chat&access_token=owner", &[("X-Firebase-ETag", "true")], "");
    for (number, guess) in [(1, ""), (2, hash.header("etag").unwrap())] {
        let (_, answer) = client.ask(number, "p", &json!({"p": "/drop", "d": "mine", "h": guess}).to_string());
        is_denied(&answer);
    }
    assert_eq!(stored(&server, "/drop"), json!("secret"));
}

#[test]
fn what_is_armed_runs_as_whoever_armed_it() {
    let server = server_with(RULES);
    for (uid, written) in [(None, json!(null)), (Some("ann"), json!({"gone": true}))] {
        let mut client = Realtime::connect(server.address(), "chat");
        if let Some(uid) = uid {
            client.ask(1, "auth", &auth(uid));
        }
        client.ask(2, "o", r#"{"p":"/log/gone","d":true}"#);
        client.ask(3, "o", r#"{"p":"/public/gone","d":true}"#);
        // Whose the connection is at its end does not matter.
        client.ask(4, "unauth", "{}");
        let mut watch = server.events("/public.json?ns=chat");
        watch.next();
        client.close();
        watch.next();
        assert_eq!(stored(&server, "/log"), written, "{uid:?}");
        seed(&server, "/", &json!(null));
    }
}
