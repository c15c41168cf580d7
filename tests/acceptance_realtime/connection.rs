//! Hello, namespaces, segments, liveness, malformed messages (1, 2, 3, 6).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_websockets::Message;

use crate::realtime_client::{Realtime, segments};
use crate::support::Server;

const PING: &str = r#"{"t":"c","d":{"t":"p","d":{}}}"#;
const PONG: &str = r#"{"t":"c","d":{"t":"o","d":{}}}"#;

fn control(text: &str) -> (String, Value) {
    let mut message: Value = serde_json::from_str(text).unwrap();
    assert_eq!(message["t"], "c", "{text}");
    (message["d"]["t"].as_str().unwrap().to_owned(), message["d"]["d"].take())
}

// ---- hello and namespaces (checklist 1 to 8) -----------------------------------------------------------------------

#[test]
fn hello_comes_first_and_echoes_the_host() {
    let server = Server::ephemeral();
    let mut ids = Vec::new();
    for host in ["127.0.0.1:9000", "localhost", "chat.rtdb.localhost:9000", "db.example.com"] {
        let mut client = Realtime::open(server.address(), host, "/.ws?v=5&ns=foo");
        let text = client.expect();
        let (kind, hello) = control(&text);
        assert_eq!((kind.as_str(), &hello["h"], &hello["v"]), ("h", &json!(host), &json!("5")));
        assert!(hello["ts"].as_i64().unwrap() > 1 << 31);
        let id = hello["s"].as_str().unwrap().to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !ids.contains(&id), "{id}");
        let (ts, h) = (&hello["ts"], &hello["h"]);
        assert_eq!(text, format!(r#"{{"t":"c","d":{{"t":"h","d":{{"ts":{ts},"v":"5","h":{h},"s":"{id}"}}}}}}"#));
        ids.push(id);
    }
}

#[test]
fn namespace_comes_from_ns_else_from_the_host_else_is_the_default() {
    let server = Server::ephemeral();
    for (host, target, namespace) in [
        ("127.0.0.1:9000", "/.ws?v=5&ns=Foo", "foo"),
        ("chat.rtdb.localhost:9000", "/.ws?v=5", "chat"),
        ("chat.rtdb.localhost:9000", "/.ws?v=5&ns=", "chat"),
        ("chat.rtdb.localhost:9000", "/.ws?v=5&ns=other", "other"),
        ("Chat2.example.test:9000", "/.ws?v=5", "chat2"),
        ("127.0.0.1:9000", "/.ws?v=5", "default"),
        ("localhost:9000", "/.ws?v=5&ns=", "default"),
        ("localhost:9000", "/.ws?p=1:2:web:3&r=f&x=y&ns=third&v=6", "third"),
        ("localhost:9000", "/.ws", "default"),
    ] {
        let mut client = Realtime::connect_at(server.address(), host, target);
        client.done(1, "p", r#"{"p":"/here","d":true}"#);
        assert_eq!(server.get(&format!("/here.json?ns={namespace}")).text(), "true", "{host}{target}");
        server.request("DELETE", &format!("/.json?ns={namespace}"), &[], "");
    }
}

#[test]
fn refused_namespace_is_a_shutdown_on_an_accepted_socket() {
    let server = Server::ephemeral();
    let mut client = Realtime::open(server.address(), "127.0.0.1", "/.ws?v=5&ns=..");
    let (kind, reason) = control(&client.expect());
    assert_eq!(kind, "s");
    assert!(reason.as_str().unwrap().starts_with("Firebase error. Please ensure"), "{reason}");
    assert!(client.until_closed().is_empty());
}

#[test]
fn request_that_is_no_handshake_is_told_so() {
    let server = Server::ephemeral();
    assert_eq!(server.get("/.ws?v=5&ns=foo").status, 426);
    let handshake = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")];
    assert_eq!(server.request("GET", "/.ws", &handshake, "").status, 400);
}

#[test]
fn handshake_of_browsers_and_of_admin_sdks_is_accepted() {
    let server = Server::ephemeral();
    let mut connection = server.connect();
    let headers = [
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Origin", "https://elsewhere.example"),
        ("Authorization", "Bearer owner"),
        ("User-Agent", "Firebase/5/12.19.0/linux/AdminNode"),
        ("X-Firebase-GMPID", ""),
    ];
    connection.send("GET", "/.ws?v=5&ns=foo", &headers, "");
    let head = connection.read_head();
    assert_eq!((head.status, head.header("sec-websocket-extensions")), (101, None));
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

#[test]
fn ls_ends_the_old_session_before_the_new_one_is_served() {
    let server = Server::ephemeral();
    let mut old = Realtime::connect(server.address(), "foo");
    old.done(1, "o", r#"{"p":"/gone","d":true}"#);
    // Another namespace has no power over it.
    let target = |namespace: &str| format!("/.ws?v=5&ls={}&ns={namespace}", old.id());
    let (foreign, successor) = (target("bar"), target("foo"));
    Realtime::connect_at(server.address(), "h", &foreign);
    old.done(2, "s", "{}");
    let mut new = Realtime::connect_at(server.address(), "h", &successor);
    assert_eq!(new.ask(1, "g", r#"{"p":"/gone","q":{}}"#).1, json!({ "s": "ok", "d": true }));
    assert!(old.until_closed().is_empty());
    assert_ne!(old.id(), new.id());
}

#[test]
fn unknown_former_session_is_ignored_and_unknown_first_transport_refused() {
    let server = Server::ephemeral();
    let mut client = Realtime::connect_at(server.address(), "h", "/.ws?v=5&ls=0123456789&ns=foo");
    client.done(1, "s", "{}");
    let mut second = Realtime::open(server.address(), "host:1", "/.ws?v=5&s=0123456789&ns=foo");
    assert_eq!(control(&second.expect()), ("r".to_owned(), json!("host:1")));
    assert!(second.until_closed().is_empty());
}

// ---- liveness (checklist 10 to 12) ---------------------------------------------------------------------------------

#[test]
fn ping_message_is_answered_and_keep_alive_swallowed() {
    let server = Server::ephemeral();
    let mut client = Realtime::connect(server.address(), "foo");
    for text in [PING, "0", "0", PING, r#"{"t":"c","d":{"t":"future","d":{}}}"#, r#"{"t":"c","d":{"t":"a","d":{}}}"#] {
        client.send(text);
    }
    assert_eq!([client.expect(), client.expect()], [PONG, PONG]);
    client.done(1, "s", "{}");
}

#[test]
fn idle_client_sees_only_ping_frames_and_stays() {
    let server = Server::start(&["--ephemeral", "--ping-interval", "20ms", "--silence-max", "10s"]);
    let mut client = Realtime::connect(server.address(), "foo");
    for _ in 0..10 {
        let message = client.next_message().unwrap();
        assert!(message.is_ping() && message.as_payload().len() <= 125, "{message:?}");
    }
    client.send(PING);
    while client.next_message().unwrap().as_text() != Some(PONG) {}
}

#[test]
fn silent_peer_is_dropped_and_what_it_armed_runs() {
    let server = Server::start(&["--ephemeral", "--ping-interval", "100ms", "--silence-max", "400ms"]);
    let mut witness = server.events("/online.json?ns=foo");
    assert_eq!(witness.next().data, r#"{"path":"/","data":null}"#);
    let mut client = Realtime::connect(server.address(), "foo");
    client.done(1, "p", r#"{"p":"/online","d":true}"#);
    client.done(2, "o", r#"{"p":"/online","d":false}"#);
    assert_eq!(witness.next().data, r#"{"path":"/","data":true}"#);
    // From here on nobody answers the server's pings: the client is only looked at when it is asked for a message.
    let start = Instant::now();
    assert_eq!(witness.next().data, r#"{"path":"/","data":false}"#);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

// ---- segments (checklist 13 to 15) ---------------------------------------------------------------------------------

#[test]
fn messages_in_segments_are_put_together() {
    let server = Server::ephemeral();
    let mut client = Realtime::connect(server.address(), "foo");
    let request = |number: u64, length: usize| {
        let empty = format!(r#"{{"t":"d","d":{{"r":{number},"a":"p","b":{{"p":"/text","d":""}}}}}}"#);
        empty.replace("\"\"", &format!("\"{}\"", "é".repeat(length - empty.len())))
    };
    for (number, length) in [(1, 16_383), (2, 16_384), (3, 16_385), (4, 40_051), (5, 1_000_000)] {
        let text = request(number, length);
        let parts = segments(&text);
        assert_eq!(parts.len() > 1, length > 16_384);
        for part in &parts {
            client.send(part);
        }
        assert_eq!(client.expect_data(), json!({ "r": number, "b": { "s": "ok", "d": "" } }));
    }
    // A count of one, and the smallest pieces.
    client.send("1");
    client.send(&request(6, 100));
    assert_eq!(client.expect_data()["r"], 6);
    let small = request(7, 100);
    client.send(&small.chars().count().to_string());
    small.chars().for_each(|letter| client.send(&letter.to_string()));
    assert_eq!(client.expect_data()["r"], 7);
    assert_eq!(server.get("/text.json?ns=foo").json().as_str().unwrap().chars().count(), 100 - 54);
}

#[test]
fn long_message_to_a_client_is_cut_between_characters() {
    let server = Server::ephemeral();
    let text = format!("{}{}", "x", "😀é".repeat(150_000));
    server.put("/text.json?ns=foo", &serde_json::to_string(&text).unwrap());
    let mut client = Realtime::connect(server.address(), "foo");
    client.request(1, "g", r#"{"p":"/text","q":{}}"#);
    let count: usize = client.next_text().unwrap().parse().unwrap();
    let parts: Vec<String> = (0..count).map(|_| client.next_text().unwrap()).collect();
    assert!(parts.iter().all(|part| part.encode_utf16().count() <= 16_384));
    assert_eq!(parts.concat(), format!(r#"{{"t":"d","d":{{"r":1,"b":{{"s":"ok","d":"{text}"}}}}}}"#));
    let (pushes, answer) = client.ask(2, "q", r#"{"p":"/","h":""}"#);
    assert_eq!((pushes[0]["b"]["d"]["text"].as_str(), &answer["s"]), (Some(text.as_str()), &json!("ok")));
}

#[test]
fn segments_that_do_not_come_end_the_connection() {
    let server = Server::start(&["--ephemeral", "--ping-interval", "100ms", "--silence-max", "200ms"]);
    let mut client = Realtime::connect(server.address(), "foo");
    client.done(1, "o", r#"{"p":"/gone","d":true}"#);
    client.send("2");
    client.send(r#"{"t":"d","#);
    let said = client.until_closed();
    assert_eq!(control(&said[0]).0, "e");
    let successor = format!("/.ws?v=5&ns=foo&ls={}", client.id());
    let (_, answer) = Realtime::connect_at(server.address(), "h", &successor).ask(1, "g", r#"{"p":"/gone"}"#);
    assert_eq!(answer["d"], true);
}

#[test]
fn malformed_messages_end_the_connection_with_an_error() {
    let server = Server::ephemeral();
    for text in ["junk", "{}", "[]", "7.5", r#"{"t":"x","d":{}}"#, r#"{"t":"d","d":{"r":1}}"#, "\u{0}", ""] {
        let mut client = Realtime::connect(server.address(), "foo");
        client.done(1, "s", "{}");
        client.send(text);
        let (kind, reason) = control(&client.expect());
        assert_eq!((kind.as_str(), reason), ("e", json!("Malformed message")), "{text}");
        assert!(client.until_closed().is_empty());
        assert_eq!(client.closed.as_ref().map(|(code, _)| *code), Some(1002), "{text}");
    }
    // More segments than were announced: the third is a message of its own.
    let mut client = Realtime::connect(server.address(), "foo");
    for text in ["2", r#"{"t":"c","d":"#, r#"{"t":"p","d":{}}}"#, "{}"] {
        client.send(text);
    }
    assert_eq!(client.expect(), PONG);
    assert_eq!(control(&client.expect()).0, "e");
    assert!(client.until_closed().is_empty());
}

#[test]
fn binary_and_endless_messages_end_the_connection_and_nothing_else() {
    let server = Server::ephemeral();
    let mut other = Realtime::connect(server.address(), "foo");
    let mut client = Realtime::connect(server.address(), "foo");
    client.send_message(Message::binary(vec![1_u8, 2, 3]));
    assert!(client.until_closed().is_empty());
    assert_eq!(client.closed.as_ref().map(|(code, _)| *code), Some(1003));
    let mut client = Realtime::connect(server.address(), "foo");
    client.send("999999");
    let part = "x".repeat(8 << 20);
    (0..5).for_each(|_| client.send(&part));
    assert_eq!(control(&client.expect()), ("e".to_owned(), json!("Message too long")));
    assert!(client.until_closed().is_empty());
    assert_eq!(client.closed.as_ref().map(|(code, _)| *code), Some(1008));
    other.done(1, "s", "{}");
}

// ---- requests (checklist 23, 24) -----------------------------------------------------------------------------------

#[test]
fn every_request_is_answered_once_in_order_with_both_members() {
    let server = Server::ephemeral();
    Realtime::connect(server.address(), "foo").play(
        r#"
        C> {"r":0,"a":"s","b":{"c":{"sdk.android.21-0-0":1}}}
        C> {"r":1,"a":"q","b":{"p":"/a","h":""}}
        C> {"r":2,"a":"q","b":{"p":"/a","q":{"l":1,"vf":"l"},"t":1,"h":""}}
        C> {"r":3,"a":"p","b":{"p":"/b","d":1}}
        C> {"r":4,"a":"m","b":{"p":"/b","d":{}}}
        C> {"r":5,"a":"g","b":{"p":"/b"}}
        C> {"r":6,"a":"g","b":{"p":"/nothing","q":{}}}
        C> {"r":7,"a":"n","b":{"p":"/a","q":{"l":1,"vf":"l"},"t":1}}
        C> {"r":8,"a":"n","b":{"p":"/never"}}
        C> {"r":9,"a":"o","b":{"p":"/c","d":1}}
        C> {"r":10,"a":"om","b":{"p":"/c","d":{"x":1}}}
        C> {"r":11,"a":"oc","b":{"p":"/c","d":null}}
        C> {"r":12,"a":"oc","b":{"p":"/never","d":null}}
        C> {"r":13,"a":"gauth","b":{"cred":"owner"}}
        C> {"r":14,"a":"auth","b":{"cred":"x"}}
        C> {"r":15,"a":"unauth","b":{}}
        C> {"r":16,"a":"appcheck","b":{"token":"x"}}
        C> {"r":17,"a":"unappeck","b":{}}
        C> {"r":18,"a":"unappcheck","b":{}}
        C> {"r":19,"a":"echo","b":{"d":{"x":[1]}}}
        C> {"r":20,"a":"l","b":{"p":"/a"}}
        C> {"r":21,"a":"u","b":{"p":"/a"}}
        C> {"r":22,"a":"frobnicate","b":{}}
        C> {"r":23,"a":"g","b":{"p":"/.info/connected","q":{}}}
        C> {"r":24,"a":"p","b":{"p":"/.info/x","d":1}}
        C> {"r":25,"a":"p","b":{"p":"/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a","d":1}}
        C> {"r":7,"a":"s","b":{}}
        S> {"r":0,"b":{"s":"ok","d":""}}
        S> {"r":1,"b":{"s":"ok","d":{}}}
        S> {"b":{"p":"a","d":null,"t":1},"a":"d"}
        S> {"r":2,"b":{"s":"ok","d":{}}}
        S> {"r":3,"b":{"s":"ok","d":""}}
        S> {"r":4,"b":{"s":"ok","d":""}}
        S> {"r":5,"b":{"s":"ok","d":1}}
        S> {"r":6,"b":{"s":"ok","d":null}}
        S> {"r":7,"b":{"s":"ok","d":""}}
        S> {"r":8,"b":{"s":"ok","d":""}}
        S> {"r":9,"b":{"s":"ok","d":""}}
        S> {"r":10,"b":{"s":"ok","d":""}}
        S> {"r":11,"b":{"s":"ok","d":""}}
        S> {"r":12,"b":{"s":"ok","d":""}}
        S> {"r":13,"b":{"s":"ok","d":{"auth":null}}}
        S> {"r":14,"b":{"s":"invalid_token","d":"Could not parse auth token."}}
        S> {"r":15,"b":{"s":"ok","d":"unauthenticated"}}
        S> {"r":16,"b":{"s":"ok","d":""}}
        S> {"r":17,"b":{"s":"ok","d":""}}
        S> {"r":18,"b":{"s":"ok","d":""}}
        S> {"r":19,"b":{"s":"ok","d":{"x":[1]}}}
        S> {"b":{"p":"a","d":null},"a":"d"}
        S> {"r":20,"b":{"s":"ok","d":{}}}
        S> {"r":21,"b":{"s":"ok","d":""}}
        S> {"r":22,"b":{"s":"failure","d":"Unknown action: frobnicate"}}
        S> {"r":23,"b":{"s":"ok","d":null}}
        S> {"r":24,"b":{"s":"permission_denied","d":"Permission denied"}}
        S> {"r":25,"b":{"s":"failure","d":"Invalid path: a path may have at most 32 segments"}}
        S> {"r":7,"b":{"s":"ok","d":""}}
        "#,
    );
}

#[test]
fn unsigned_token_of_the_sdks_is_accepted() {
    let server = Server::ephemeral();
    let mut client = Realtime::connect(server.address(), "foo");
    // {"alg":"none","type":"JWT"} . {"sub":"u1","user_id":"u1","iat":0,"exp":3600}
    let token = "eyJhbGciOiJub25lIiwidHlwZSI6IkpXVCJ9.eyJzdWIiOiJ1MSIsInVzZXJfaWQiOiJ1MSIsImlhdCI6MCwiZXhwIjozNjAwfQ.";
    let (_, answer) = client.ask(1, "auth", &format!(r#"{{"cred":"{token}"}}"#));
    assert_eq!(
        (&answer["s"], &answer["d"]["auth"]["uid"], &answer["d"]["expires"]),
        (&json!("ok"), &json!("u1"), &json!(3600))
    );
}
