//! A WebSocket takes over from long polling: checklist row 21.

use serde_json::{Value, json};

use crate::poller::{Poller, request};
use crate::realtime_client::Realtime;
use crate::support::Server;

const ADOPTED: &str = r#"{"t":"c","d":{"t":"a","d":{}}}"#;
const PING: &str = r#"{"t":"c","d":{"t":"p","d":{}}}"#;
const PONG: &str = r#"{"t":"c","d":{"t":"o","d":{}}}"#;
const END: &str = r#"{"t":"c","d":{"t":"n","d":{}}}"#;

/// A client that listens to `/a` and has armed a write of "gone" at `/state`.
fn client(server: &Server) -> Poller {
    server.put("/state.json?ns=chat", "\"here\"");
    let mut poller = Poller::start(server, "chat");
    poller.done("o", &json!({"p": "/state", "d": "gone"}));
    poller.done("q", &json!({"p": "/a", "h": ""}));
    poller
}

/// The second transport of a session, tried as SDKs try it.
fn second(server: &Server, session: &str) -> Realtime {
    let target = format!("/.ws?v=5&s={session}&ns=chat");
    let mut second = Realtime::open(server.address(), "localhost:9000", &target);
    assert_eq!(second.expect(), ADOPTED, "no hello");
    for _ in 0..2 {
        second.send(PING);
        assert_eq!(second.expect(), PONG);
    }
    second
}

fn state(server: &Server) -> String {
    server.get("/state.json?ns=chat").text().to_owned()
}

fn set(number: u64, value: u64) -> String {
    request(number, "p", &json!({"p": "/a", "d": value}))
}

/// The pushes and answers that writing `values` causes.
fn caused(values: std::ops::Range<u64>) -> Vec<Value> {
    let mut expected = Vec::new();
    for value in values {
        expected.push(json!({"b": {"p": "a", "d": value}, "a": "d"}));
        expected.push(json!({"r": 100 + value, "b": {"s": "ok", "d": ""}}));
    }
    expected
}

/// Ends long polling with these messages; gives what comes by polls until the end.
fn end_polls(poller: &mut Poller, mut messages: Vec<String>) -> Vec<Value> {
    messages.push(END.to_owned());
    poller.send(&messages);
    until_end(poller)
}

/// What comes by polls before the answer to their end.
fn until_end(poller: &mut Poller) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let mut message = poller.hear();
        if message["t"] == "c" {
            assert_eq!(message["d"], json!({"t": "n", "d": {}}));
            return heard;
        }
        heard.push(message["d"].take());
    }
}

#[test]
fn upgrade_amid_writes_loses_and_reorders_nothing() {
    let server = Server::ephemeral();
    let mut poller = client(&server);
    let mut socket = second(&server, &poller.id);
    // 100 writes: half of them by polls, the rest over the WebSocket, without waiting for anything.
    socket.send(ADOPTED);
    for value in 50..100 {
        socket.send(&set(100 + value, value));
    }
    let mut heard = end_polls(&mut poller, (0..50).map(|value| set(100 + value, value)).collect());
    let last = poller.next - 1;
    // A poll that is open may have been let go before.
    poller.until_closed();
    assert_eq!((poller.closed, poller.take()), (Some(last), format!("pLPCommand('close',{last});")));
    while heard.len() < 200 {
        heard.push(socket.expect_data());
    }
    assert_eq!(heard, caused(0..100));
    // The frame of the old transport is gone now, which it tells.
    assert_eq!((poller.leave("POST"), poller.leave("GET")), (200, 200));
    assert_eq!(state(&server), "\"here\"");
    server.put("/a.json?ns=chat", "1000");
    assert_eq!(socket.expect_data()["b"]["d"], 1_000);
    socket.close();
    let mut next = Poller::start_with(&server, "chat", &format!("&ls={}", poller.id));
    assert_eq!(next.ask("g", &json!({"p": "/state", "q": {}})).1["d"], "gone");
}

#[test]
fn polls_that_end_before_the_websocket_is_adopted_lose_nothing() {
    let server = Server::ephemeral();
    let mut poller = client(&server);
    let mut socket = second(&server, &poller.id);
    let mut heard = end_polls(&mut poller, vec![set(100, 0)]);
    // Neither transport carries the session now: what happens waits.
    server.put("/a.json?ns=chat", "7");
    socket.send(ADOPTED);
    socket.send(&set(101, 1));
    while heard.len() < 5 {
        heard.push(socket.expect_data());
    }
    let between = json!({"b": {"p": "a", "d": 7}, "a": "d"});
    assert_eq!(heard, [caused(0..1), vec![between], caused(1..2)].concat());
}

#[test]
fn what_comes_over_the_websocket_waits_for_what_comes_by_polls() {
    let server = Server::ephemeral();
    let mut poller = client(&server);
    let mut socket = second(&server, &poller.id);
    // Of the messages by polls the first comes last.
    let mut requests = poller.pieces(&[set(100, 0)]);
    requests.extend(poller.pieces(&[END.to_owned()]));
    poller.poll(&requests[1]);
    socket.send(ADOPTED);
    socket.send(&set(101, 1));
    server.put("/a.json?ns=chat", "7");
    assert_eq!(poller.hear()["d"]["b"]["d"], 7);
    assert_eq!(server.get("/a.json?ns=chat").text(), "7");
    poller.poll(&requests[0]);
    let mut heard = until_end(&mut poller);
    while heard.len() < 4 {
        heard.push(socket.expect_data());
    }
    assert_eq!(heard, caused(0..2));
}

#[test]
fn losing_the_websocket_before_it_is_adopted_means_nothing() {
    let server = Server::ephemeral();
    let mut poller = client(&server);
    let mut socket = second(&server, &poller.id);
    socket.close();
    drop(second(&server, &poller.id));
    poller.done("p", &json!({"p": "/b", "d": 1}));
    assert_eq!(state(&server), "\"here\"");
    // And another may still be adopted.
    let mut socket = second(&server, &poller.id);
    socket.send(ADOPTED);
    end_polls(&mut poller, vec![]);
    socket.send(&set(100, 0));
    assert_eq!([socket.expect_data(), socket.expect_data()][..], caused(0..1));
}

#[test]
fn losing_the_polls_after_the_upgrade_means_nothing() {
    let server = Server::start(&["--ephemeral", "--poll-silence-max", "100ms"]);
    let mut poller = client(&server);
    let mut socket = second(&server, &poller.id);
    socket.send(ADOPTED);
    end_polls(&mut poller, vec![]);
    // Its client polls no more. Another one that does the same expires; this one does not.
    let mut watch = server.events("/other.json?ns=chat");
    watch.next();
    Poller::start(&server, "chat").done("o", &json!({"p": "/other", "d": "gone"}));
    assert_eq!(watch.next().json()["data"], "gone");
    assert_eq!(state(&server), "\"here\"");
    socket.send(&set(100, 0));
    assert_eq!([socket.expect_data(), socket.expect_data()][..], caused(0..1));
}

#[test]
fn client_that_dies_between_the_transports_is_missed() {
    let server = Server::start(&["--ephemeral", "--poll-silence-max", "200ms"]);
    for is_adopted in [true, false] {
        let mut poller = client(&server);
        let mut watch = server.events("/state.json?ns=chat");
        assert_eq!(watch.next().json()["data"], "here");
        let mut socket = second(&server, &poller.id);
        if is_adopted {
            socket.send(ADOPTED);
        } else {
            poller.send(&[END.to_owned()]);
        }
        assert_eq!(watch.next().json()["data"], "gone");
        if is_adopted {
            assert_eq!(socket.until_closed(), [] as [String; 0]);
        }
    }
}

#[test]
fn server_that_stops_sends_on_who_has_upgraded() {
    let mut server = Server::ephemeral();
    let mut poller = client(&server);
    let mut socket = second(&server, &poller.id);
    socket.send(ADOPTED);
    end_polls(&mut poller, vec![]);
    socket.send(&set(100, 0));
    assert_eq!([socket.expect_data(), socket.expect_data()][..], caused(0..1));
    server.signal("TERM");
    assert_eq!(socket.until_closed(), [r#"{"t":"c","d":{"t":"r","d":"127.0.0.1"}}"#]);
    assert!(server.wait().success());
}

#[test]
fn second_transport_without_a_session_is_sent_back() {
    let server = Server::ephemeral();
    let websocket = Realtime::connect(server.address(), "chat");
    let elsewhere = Poller::start(&server, "other");
    // Unknown, carried by a WebSocket already, of another namespace.
    for session in ["nobody", websocket.id(), &elsewhere.id] {
        let target = format!("/.ws?v=5&s={session}&ns=chat");
        let mut second = Realtime::open(server.address(), "localhost:9000", &target);
        assert_eq!(second.until_closed(), [r#"{"t":"c","d":{"t":"r","d":"localhost:9000"}}"#], "{session}");
    }
}

#[test]
fn nothing_is_asked_over_a_websocket_that_is_not_adopted() {
    let server = Server::ephemeral();
    let mut poller = client(&server);
    let mut socket = second(&server, &poller.id);
    socket.send("0");
    socket.send(&set(100, 0));
    assert_eq!(socket.until_closed(), [] as [String; 0]);
    assert_eq!(server.get("/a.json?ns=chat").text(), "null");
    poller.done("p", &json!({"p": "/a", "d": 1}));
}

#[test]
fn session_is_adopted_by_one_websocket_only() {
    let server = Server::ephemeral();
    let mut poller = client(&server);
    let (mut first, mut late) = (second(&server, &poller.id), second(&server, &poller.id));
    first.send(ADOPTED);
    end_polls(&mut poller, vec![]);
    first.send(&set(100, 0));
    assert_eq!([first.expect_data(), first.expect_data()][..], caused(0..1));
    late.send(ADOPTED);
    late.until_closed();
    first.send(&set(101, 1));
    assert_eq!([first.expect_data(), first.expect_data()][..], caused(1..2));
    assert_eq!(state(&server), "\"here\"");
}
