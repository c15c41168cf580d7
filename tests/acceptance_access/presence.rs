//! Sessions over event streams, as the SDK of this project has them.

use serde_json::{Value, json};

use crate::support::{Events, Server};
use crate::{seed, server_with, set_rules, stored, token};

const RULES: &str = r#"{
    "public": {".read": true, ".write": true},
    "users": {"$uid": {".read": "auth.uid === $uid", ".write": "auth.uid === $uid"}}
}"#;

fn open(server: &Server) -> (String, Events) {
    let mut stream = server.events("/.beaconfire/sessions?ns=chat");
    let id = stream.next().json()["session"].as_str().unwrap().to_owned();
    (id, stream)
}

fn ask(server: &Server, id: &str, credential: &str, requests: &Value) -> Value {
    let target = format!("/.beaconfire/sessions/{id}?ns=chat{credential}");
    let answer = server.request("POST", &target, &[], &requests.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["replies"].clone()
}

#[test]
fn requests_of_a_session_are_judged_and_its_listens_follow_the_credential() {
    let server = server_with(RULES);
    seed(&server, "/users/ann", &json!(1));
    let (id, stream) = open(&server);
    let replies = ask(
        &server,
        &id,
        "",
        &json!([
            {"n": 1, "listen": "/users/ann", "key": "k"},
            {"n": 2, "get": "/users/ann"},
            {"n": 3, "set": "/users/ann", "data": 2},
        ]),
    );
    for reply in replies.as_array().unwrap() {
        assert_eq!(reply["error"], "Permission denied", "{reply}");
    }
    // Listeners are judged by the credential of the newest stream, requests by their own.
    drop(stream);
    let again = |auth: &str| server.events(&format!("/.beaconfire/sessions/{id}?ns=chat{auth}"));
    let mut stream = again(&format!("&auth={}", token("ann")));
    assert_eq!(stream.next().json()["auth"]["uid"], "ann");
    let replies = ask(&server, &id, "", &json!([{"n": 4, "listen": "/users/ann", "key": "k"}]));
    assert_eq!((&replies[0]["n"], &replies[0]["error"]), (&json!(4), &Value::Null), "{replies}");
    while stream.next().name != "put" {}
    let mut stream = again("");
    assert_eq!(stream.next().json().get("auth"), None);
    while stream.next().name != "cancel" {}
    let refused = server.get(&format!("/.beaconfire/sessions/{id}?ns=chat&auth=x.y.z"));
    assert_eq!(
        (refused.status, refused.json()["error"].as_str()),
        (401, Some("invalid_token: Could not parse auth token."))
    );
    assert_eq!(stored(&server, "/users/ann"), json!(1));
}

#[test]
fn listen_that_rules_took_while_its_client_was_away_is_cancelled_on_return() {
    let server = server_with(r#"{".read":true,".write":true}"#);
    let (id, mut stream) = open(&server);
    ask(&server, &id, "", &json!([{"n": 1, "listen": "/a", "key": "k"}]));
    while stream.next().name != "ack" {}
    drop(stream);
    set_rules(&server, RULES);
    let mut stream = server.events(&format!("/.beaconfire/sessions/{id}?ns=chat"));
    let mut names = Vec::new();
    while !names.iter().any(|name| name == "ack") {
        names.push(stream.next().name);
    }
    assert!(names.iter().any(|name| name == "cancel"), "{names:?}");
}
