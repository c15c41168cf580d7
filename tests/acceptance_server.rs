//! The server as a process: start, settings, signals, embedded files, the HTTP of its connections.

mod support;

use support::Server;

#[test]
fn livez_of_a_fresh_server_says_ok() {
    let server = Server::ephemeral();
    let answer = server.get("/.beaconfire/livez");
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
}

#[test]
fn write_is_seen_by_a_stream() {
    let server = Server::ephemeral();
    let mut events = server.events("/rooms.json");
    assert_eq!(events.next().data, r#"{"path":"/","data":null}"#);
    assert_eq!(server.put("/rooms/a.json", "1").status, 200);
    assert_eq!(events.next().data, r#"{"path":"/a","data":1}"#);
}
