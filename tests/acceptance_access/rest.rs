//! REST and its streams.

use serde_json::json;

use crate::support::{Answer, Server};
use crate::{seed, server_with, set_rules, stored, token};

const DENIED: &str = "{\n  \"error\" : \"Permission denied\"\n}\n";
/// Everybody may write into the inbox, nobody may read it; users have a place of their own.
const RULES: &str = r#"{
    "inbox": {".write": true},
    "users": {"$uid": {".read": "auth.uid === $uid", ".write": "auth.uid === $uid",
        "n": {".validate": "newData.isNumber()"}}},
    "list": {".read": "query.orderByKey && query.limitToFirst <= 2"}
}"#;

#[track_caller]
fn denied(answer: &Answer) {
    assert_eq!((answer.status, answer.text()), (401, DENIED));
    assert_eq!(answer.header("etag"), None);
}

fn as_user(target: &str, uid: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}ns=chat&auth={}", token(uid))
}

#[test]
fn rules_decide_each_method() {
    let server = server_with(RULES);
    let mine = |target: &str| as_user(target, "ann");
    assert_eq!(server.put(&mine("/users/ann.json"), r#"{"n":1}"#).status, 200);
    assert_eq!(server.get(&mine("/users/ann/n.json")).text(), "1");
    denied(&server.get(&mine("/users/bob.json")));
    denied(&server.get(&mine("/users.json")));
    denied(&server.get("/users/ann.json?ns=chat"));
    denied(&server.put(&mine("/users/bob.json"), "{\"n\":1}"));
    denied(&server.put(&mine("/users/ann/n.json"), "\"no number\""));
    denied(&server.request("PATCH", &mine("/users/ann.json"), &[], r#"{"x":1,"n":"no number"}"#));
    denied(&server.request("PATCH", &mine("/.json"), &[], r#"{"users/ann/n":2,"users/bob/n":2}"#));
    denied(&server.request("POST", &mine("/users/bob.json"), &[], "1"));
    denied(&server.request("DELETE", &mine("/users.json"), &[], ""));
    assert_eq!(stored(&server, "/users"), json!({"ann": {"n": 1}}), "nothing of what was refused was done");
    assert_eq!(server.request("DELETE", &mine("/users/ann.json"), &[], "").status, 200);
}

#[test]
fn what_cannot_be_read_is_not_told_by_the_back_door() {
    let server = server_with(RULES);
    seed(&server, "/inbox", &json!({"secret": 7}));
    let etag =
        server.request("GET", "/inbox/secret.json?ns=chat&access_token=owner", &[("X-Firebase-ETag", "true")], "");
    let etag = etag.header("etag").unwrap().to_owned();
    denied(&server.get("/inbox/secret/.priority.json?ns=chat"));
    for target in ["/inbox.json", "/inbox/secret.json", "/inbox/nothing.json"] {
        let target = format!("{target}?ns=chat");
        for parameters in ["", "&shallow=true", "&callback=x", "&print=silent", "&format=export", "&download=x"] {
            denied(&server.get(&format!("{target}{parameters}")));
        }
        denied(&server.get(&format!("{target}&orderBy=%22nowhere%22")));
        denied(&server.request("GET", &target, &[("X-Firebase-ETag", "true")], ""));
        denied(&server.request("GET", &target, &[("If-None-Match", &etag)], ""));
        denied(&server.request("GET", &target, &[("Accept", "text/event-stream")], ""));
        denied(&server.request("GET", &format!("{target}&on=child_added"), &[("Accept", "text/event-stream")], ""));
        assert_eq!(server.request("HEAD", &target, &[], "").status, 401);
    }
    // Whoever may write and not read learns nothing by conditions, whether they hold or not.
    for guess in [etag.as_str(), "null_etag", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
        denied(&server.request("PUT", "/inbox/secret.json?ns=chat", &[("if-match", guess)], "7"));
    }
    assert_eq!(stored(&server, "/inbox"), json!({"secret": 7}));
}

#[test]
fn queries_are_judged_as_they_are_asked() {
    let server = server_with(RULES);
    seed(&server, "/list", &json!({"a": 1, "b": 2, "c": 3}));
    denied(&server.get("/list.json?ns=chat"));
    denied(&server.get("/list.json?ns=chat&orderBy=%22%24key%22&limitToFirst=3"));
    denied(&server.get("/list.json?ns=chat&orderBy=%22%24value%22&limitToFirst=2"));
    let two = server.get("/list.json?ns=chat&orderBy=%22%24key%22&limitToFirst=2");
    assert_eq!((two.status, two.json()), (200, json!({"a": 1, "b": 2})));
}

#[test]
fn administrators_pass_and_act_as_others() {
    let server = server_with(RULES);
    seed(&server, "/users/ann", &json!({"n": 1}));
    for (auth, status) in [("%7B%22uid%22:%22ann%22%7D", 200), ("%7B%22uid%22:%22bob%22%7D", 401), ("null", 401)] {
        let target = format!("/users/ann.json?ns=chat&access_token=owner&auth_variable_override={auth}");
        assert_eq!(server.get(&target).status, status, "{auth}");
    }
    let target = "/users/ann.json?ns=chat&access_token=owner&auth_variable_override=%7B";
    assert_eq!(server.get(target).status, 400);
    // Of others it is ignored.
    let target = as_user("/users/ann.json?auth_variable_override=%7B%22uid%22:%22ann%22%7D", "bob");
    denied(&server.get(&target));
}

#[test]
fn streams_end_when_new_rules_do_not_allow_them() {
    let server = server_with(r#"{".read":true,".write":true}"#);
    seed(&server, "/a", &json!(1));
    let mut values = server.events("/a.json?ns=chat");
    let mut children = server.events("/.json?ns=chat&on=child_added");
    let mut public = server.events("/public.json?ns=chat");
    assert_eq!(values.next().json(), json!({"path": "/", "data": 1}));
    assert_eq!(children.next().name, "child_added");
    assert_eq!(public.next().name, "put");
    set_rules(&server, r#"{"public":{".read":true}}"#);
    for stream in [&mut values, &mut children] {
        let cancelled = stream.next();
        assert_eq!((cancelled.name.as_str(), cancelled.data.as_str()), ("cancel", "\"Permission denied\""));
        assert!(stream.next_or_end().is_none(), "it is closed behind that");
    }
    seed(&server, "/public", &json!("heard"));
    assert_eq!(public.next().json()["data"], "heard");
}

#[test]
fn stored_rules_are_in_force_after_kill_and_restart() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::with_data(data.path());
    set_rules(&server, RULES);
    server.kill();
    let server = Server::with_data(data.path());
    denied(&server.get("/inbox.json?ns=chat"));
    assert_eq!(server.put("/inbox/x.json?ns=chat", "1").status, 200);
}
