//! onDisconnect: what runs when a session ends, however it ends (14).

use serde_json::{Value, json};

use crate::realtime_client::Realtime;
use crate::support::{Events, Server};

fn connect(server: &Server) -> Realtime {
    Realtime::connect(server.address(), "foo")
}

/// What the witness is told next.
fn next(events: &mut Events) -> Value {
    events.next().json()
}

/// Ends a session, and waits until what it armed is done: a successor is greeted no sooner.
fn end(server: &Server, client: &Realtime) {
    Realtime::connect_at(server.address(), "h", &format!("/.ws?v=5&ns=foo&ls={}", client.id()));
}

/// Arms by `requests` on top of `before`, ends the session, and compares what is there then, and that it came at once.
#[track_caller]
fn check(before: &str, requests: &[(&str, &str)], after: &str) {
    let server = Server::ephemeral();
    let target = "/p.json?ns=foo&format=export";
    server.put("/p.json?ns=foo", before);
    let mut witness = server.events(target);
    next(&mut witness);
    let mut client = connect(&server);
    for (number, (action, body)) in (0_u64..).zip(requests) {
        client.done(number, action, body);
    }
    end(&server, &client);
    // Behind all that the session caused: a second change would come first.
    server.put("/p/last.json?ns=foo", "1");
    let mut told = next(&mut witness);
    if told["path"] != "/last" {
        told = next(&mut witness);
    }
    assert_eq!(told["path"], "/last", "{requests:?}: more than one event");
    let mut now = server.get(target).json();
    now.as_object_mut().unwrap().remove("last");
    assert_eq!(now, serde_json::from_str::<Value>(after).unwrap(), "{requests:?}");
}

// ---- what runs (checklist 52) --------------------------------------------------------------------------------------

#[test]
fn each_kind_runs_as_one_change() {
    check("{\"a\":1}", &[("o", r#"{"p":"/p/a","d":2}"#)], r#"{"a":2}"#);
    check("{\"a\":1}", &[("o", r#"{"p":"/p/a","d":null}"#)], "{}");
    check(
        "{\"a\":1}",
        &[("o", r#"{"p":"/p/a","d":{".value":2,".priority":"x"}}"#)],
        r#"{"a":{".value":2,".priority":"x"}}"#,
    );
    check(
        r#"{"a":1,"b":{"c":true,"d":1}}"#,
        &[("om", r#"{"p":"/p","d":{"b/c":false,"b/d":null,"e":[1,2]}}"#)],
        r#"{"a":1,"b":{"c":false},"e":{"0":1,"1":2}}"#,
    );
    check("{\"a\":1}", &[("o", r#"{"p":"/p/a","d":2}"#), ("oc", r#"{"p":"/p/a","d":null}"#)], r#"{"a":1}"#);
    check("{\"a\":1}", &[("o", r#"{"p":"/p/a","d":{".sv":{"increment":5}}}"#)], r#"{"a":6}"#);
}

#[test]
fn later_registrations_win_and_lower_ones_go_into_upper_ones() {
    check("{\"a\":1}", &[("o", r#"{"p":"/p/a","d":2}"#), ("o", r#"{"p":"/p/a","d":3}"#)], r#"{"a":3}"#);
    check(r#"{"a":1,"b":1}"#, &[("o", r#"{"p":"/p/a/x","d":2}"#), ("o", r#"{"p":"/p","d":{"b":5}}"#)], r#"{"b":5}"#);
    check(
        r#"{"a":1,"b":1}"#,
        &[("o", r#"{"p":"/p","d":{"b":5}}"#), ("o", r#"{"p":"/p/a/x","d":2}"#)],
        r#"{"a":{"x":2},"b":5}"#,
    );
    check(
        r#"{"a":1,"b":1,"c":1}"#,
        &[("o", r#"{"p":"/p","d":{"a":7,"b":{"x":1,"y":2}}}"#), ("oc", r#"{"p":"/p/b/x","d":null}"#)],
        r#"{"a":7,"b":{"y":2},"c":1}"#,
    );
    check(
        r#"{"a":1,"b":1}"#,
        &[("om", r#"{"p":"/p","d":{"a":2,"b":2}}"#), ("oc", r#"{"p":"/p/a","d":null}"#)],
        r#"{"a":1,"b":2}"#,
    );
}

#[test]
fn time_is_that_of_the_end_and_one_for_all() {
    let server = Server::ephemeral();
    let mut client = connect(&server);
    client.done(1, "o", r#"{"p":"/a","d":{".sv":"timestamp"}}"#);
    client.done(2, "o", r#"{"p":"/b/c","d":{".sv":"timestamp"}}"#);
    let (_, armed) = client.ask(3, "p", r#"{"p":"/armed","d":{".sv":"timestamp"}}"#);
    assert_eq!(armed["s"], "ok");
    let mut witness = server.events("/.json?ns=foo");
    next(&mut witness);
    client.close();
    let told = next(&mut witness);
    let (a, c) = (&told["data"]["a"], &told["data"]["b/c"]);
    assert!(a.is_i64() && a == c, "{told}");
    assert!(a.as_i64() >= server.get("/armed.json?ns=foo").json().as_i64());
}

// ---- when it runs (checklist 53) -----------------------------------------------------------------------------------

#[test]
fn it_runs_once_however_the_session_ends() {
    let server = Server::ephemeral();
    let mut witness = server.events("/n.json?ns=foo");
    assert_eq!(next(&mut witness), json!({ "path": "/", "data": null }));
    let arm = || {
        let mut client = connect(&server);
        client.done(1, "o", r#"{"p":"/n","d":{".sv":{"increment":1}}}"#);
        client
    };
    let mut expected = 0;
    let mut check = |how: &str, client: Realtime| {
        expected += 1;
        assert_eq!(next(&mut witness), json!({ "path": "/", "data": expected }), "{how}");
        client
    };
    let mut client = arm();
    client.close();
    check("close frame", client);
    let client = arm();
    socket2::SockRef::from(client.socket()).shutdown(std::net::Shutdown::Both).unwrap();
    check("connection lost", client);
    let mut client = arm();
    client.send("junk");
    check("malformed message", client);
    let client = arm();
    let target = format!("/.ws?v=5&ns=foo&ls={}", client.id());
    let successor = Realtime::connect_at(server.address(), "h", &target);
    let client = check("successor", client);
    drop((client, successor));
    // Nothing runs twice.
    server.put("/n.json?ns=foo", "0");
    assert_eq!(next(&mut witness), json!({ "path": "/", "data": 0 }));
}

#[test]
fn it_is_on_disk_before_it_is_acknowledged_and_runs_after_a_crash() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::with_data(data.path());
    let mut client = connect(&server);
    client.done(1, "p", r#"{"p":"/p/u1","d":true}"#);
    client.done(2, "o", r#"{"p":"/p/u1","d":false}"#);
    client.done(3, "om", r#"{"p":"/p","d":{"u2/x":1,"u3":null}}"#);
    server.kill();
    let server = Server::with_data(data.path());
    assert_eq!(server.get("/p.json?ns=foo").json(), json!({ "u1": false, "u2": { "x": 1 } }));
}

#[test]
fn server_that_stops_sends_its_clients_to_the_next_and_has_run_everything() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::with_data(data.path());
    let mut client = connect(&server);
    client.done(1, "o", r#"{"p":"/gone","d":true}"#);
    server.signal("TERM");
    let reset = format!(r#"{{"t":"c","d":{{"t":"r","d":"{}"}}}}"#, server.address());
    assert_eq!(client.until_closed(), [reset]);
    assert_eq!(client.closed.as_ref().map(|(code, _)| *code), Some(1001));
    assert!(server.wait().success());
    assert_eq!(Server::with_data(data.path()).get("/gone.json?ns=foo").text(), "true");
}

#[test]
fn session_does_not_hear_its_own_end() {
    let server = Server::ephemeral();
    let mut client = connect(&server);
    client.done(1, "q", r#"{"p":"/a","h":""}"#);
    client.done(2, "o", r#"{"p":"/a","d":1}"#);
    client.send("junk");
    let said = client.until_closed();
    assert_eq!(said.len(), 1, "{said:?}");
    end(&server, &client);
    assert_eq!(server.get("/a.json?ns=foo").text(), "1");
}
