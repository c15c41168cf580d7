//! TLS: every kind of connection over it, the certificate taken anew, and those that speak it badly or not at all.
//!
//! - clients speak through a tunnel that trusts one certificate (`support/tls.rs`)
//! - openssl is a second judge, where the machine has it

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

#[path = "support/realtime_client.rs"]
mod realtime_client;
mod support;
#[path = "support/tls.rs"]
mod tls;

use std::fs;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use realtime_client::Realtime;
use serde_json::{Value, json};
use support::{Connection, Events, PATIENCE, Server, run};
use tls::{Pair, Tunnel};

/// A server with a certificate, and a way to it.
struct Secured {
    server: Server,
    tunnel: Tunnel,
    /// Where `cert.pem` and `key.pem` are.
    directory: tempfile::TempDir,
}

impl Secured {
    fn start(flags: &[&str]) -> Self {
        let (pair, directory) = (Pair::new(), tempfile::tempdir().unwrap());
        let (certificate, key) = pair.write(directory.path());
        let files = ["--ephemeral", "--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        let server = Server::start(&[&files, flags].concat());
        let tunnel = Tunnel::open(server.address(), &pair);
        Self { server, tunnel, directory }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.tunnel.address)
    }

    fn put(&self, target: &str, body: &str) {
        assert_eq!(self.connect().request("PUT", target, &[], body).status, 200, "{target}");
    }

    fn events(&self, target: &str) -> Events {
        events_on(self.connect(), target)
    }

    /// A way to the server that trusts `pair` alone, once the server shows it. New connections are made all the while.
    fn until_shown(&self, pair: &Pair) -> Tunnel {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let way = Tunnel::open(self.server.address(), pair);
            if !Connection::open(way.address).is_refused() {
                return way;
            }
        }
        panic!("the certificate is not shown: {}", self.server.log());
    }
}

trait Refused {
    /// Whether the tunnel closes the connection instead of taking a request.
    fn is_refused(&mut self) -> bool;
}

impl Refused for Connection {
    fn is_refused(&mut self) -> bool {
        let _ = self.stream.get_mut().write_all(b"GET /a.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.fill_buf().map_or(0, <[u8]>::len) == 0
    }
}

fn events_on(mut connection: Connection, target: &str) -> Events {
    connection.send("GET", target, &[("Accept", "text/event-stream")], "");
    let head = connection.read_head();
    assert_eq!(head.status, 200, "{target}: {head:?}");
    Events { head, connection }
}

// ---- Every kind of connection --------------------------------------------------------------------------------------

#[test]
fn rest_goes_over_tls_in_small_and_large() {
    let secured = Secured::start(&[]);
    let url = format!("https://127.0.0.1:{}", secured.server.port);
    assert!(secured.server.greeting.contains(&format!("URL       {url}\n")), "{}", secured.server.greeting);
    let mut connection = secured.connect();
    let large = json!("x".repeat(2 << 20)).to_string();
    for body in ["1", &large, "{\"a\":true}"] {
        assert_eq!(connection.request("PUT", "/a.json", &[], body).status, 200);
        assert_eq!(connection.request("GET", "/a.json", &[], "").text(), body);
    }
    let last = connection.request("GET", "/a.json", &[("Connection", "close")], "");
    assert_eq!(last.text(), "{\"a\":true}");
    assert!(connection.is_closed());
    let mut half_closed = secured.connect();
    half_closed.send("GET", "/a.json", &[], "");
    half_closed.end_sending();
    assert_eq!(half_closed.read_head().status, 200, "who has nothing more to say still hears");
    assert_eq!((secured.tunnel.refused(), secured.tunnel.torn()), (0, 0));
}

#[test]
fn event_stream_goes_over_tls_and_ends_politely() {
    let mut secured = Secured::start(&["--keep-alive", "50ms"]);
    let mut events = secured.events("/a.json");
    assert_eq!(events.next().data, r#"{"path":"/","data":null}"#);
    assert_eq!(events.next().name, "keep-alive");
    for number in 0..300 {
        secured.put("/a/n.json", &number.to_string());
    }
    let puts = std::iter::from_fn(|| Some(events.next())).filter(|event| event.name == "put");
    let numbers: Vec<Value> = puts.take(300).map(|event| event.json()["data"].take()).collect();
    assert_eq!(numbers, (0..300).map(Value::from).collect::<Vec<_>>());
    assert!(secured.server.stop().success());
    while let Some(event) = events.next_or_end() {
        assert_eq!(event.name, "keep-alive");
    }
    assert_eq!(secured.tunnel.torn(), 0, "the end was announced");
}

#[test]
fn reader_that_pauses_gets_all_of_a_large_event() {
    let secured = Secured::start(&["--outbox-bytes", "64MB"]);
    let mut events = secured.events("/a.json");
    let value = json!((0..6).map(|_| "x".repeat(4 << 20)).collect::<Vec<_>>());
    // More than all buffers on the way hold: it waits while the next requests are served, and is all there then.
    secured.put("/a.json", &value.to_string());
    secured.put("/a/last.json", "1");
    assert_eq!(events.next().data, r#"{"path":"/","data":null}"#);
    assert_eq!(events.next().json()["data"], value);
    assert_eq!(events.next().json(), json!({"path": "/last", "data": 1}));
}

#[test]
fn websocket_goes_over_tls_and_ends_politely() {
    let mut secured = Secured::start(&[]);
    let mut client = Realtime::connect(secured.tunnel.address, "foo");
    client.play(
        r#"
        C> {"r":1,"a":"q","b":{"p":"/a","h":""}}
        S> {"r":1,"b":{"s":"ok","d":{}}}
        C> {"r":2,"a":"p","b":{"p":"/a/x","d":1}}
        S> {"b":{"p":"a/x","d":1},"a":"d"}
        S> {"r":2,"b":{"s":"ok","d":""}}
        "#,
    );
    let large = "x".repeat(1 << 20);
    let (pushes, answer) = client.ask(3, "p", &json!({"p": "/a/x", "d": large}).to_string());
    assert_eq!((pushes[0]["b"]["d"].as_str(), answer["s"].as_str()), (Some(large.as_str()), Some("ok")));
    assert!(secured.server.stop().success());
    client.until_closed();
    assert_eq!(client.closed.as_ref().map(|(code, _)| *code), Some(1001));
    assert_eq!(secured.tunnel.torn(), 0, "the end was announced");
}

#[test]
fn long_poll_is_held_and_its_end_noticed() {
    let secured = Secured::start(&[]);
    let mut events = secured.events("/gone.json?ns=foo");
    assert_eq!(events.next().json()["data"], Value::Null);
    let poll = |parameters: &str| {
        let mut connection = secured.connect();
        connection.send("GET", &format!("/.lp?ns=foo&{parameters}"), &[], "");
        connection
    };
    let answer = |mut connection: Connection| {
        let head = connection.read_head();
        assert_eq!(head.status, 200);
        String::from_utf8(connection.read_body(&head)).unwrap()
    };
    let script = answer(poll("start=t&ser=1&v=5"));
    let (_, arguments) = script.split_once("pLPCommand('start','").unwrap_or_else(|| panic!("{script}"));
    let (id, arguments) = arguments.split_once("','").unwrap();
    let session = format!("id={id}&pw={}", arguments.split_once('\'').unwrap().0);

    let piece = |text: &str| BASE64_URL_SAFE.encode(text).replace('=', ".");
    let armed = piece(r#"{"t":"d","d":{"r":1,"a":"o","b":{"p":"/gone","d":true}}}"#);
    let listen = piece(r#"{"t":"d","d":{"r":2,"a":"q","b":{"p":"/a","h":""}}}"#);
    let pieces = format!("seg0=0&ts0=1&d0={armed}&seg1=1&ts1=1&d1={listen}");
    let mut heard = answer(poll(&format!("{session}&ser=2&{pieces}")));
    while !heard.contains("\"r\":2") {
        assert!(!heard.contains("close"), "{heard}");
        heard += &answer(poll(&format!("{session}&ser=3")));
    }
    let held = poll(&format!("{session}&ser=4"));
    secured.put("/a.json?ns=foo", "\"news\"");
    let news = answer(held);
    assert!(news.contains("news"), "{news}");
    // The client goes away while the server holds its poll.
    drop(poll(&format!("{session}&ser=5")));
    assert_eq!(events.next().json()["data"], true);
}

// ---- The certificate -----------------------------------------------------------------------------------------------

#[test]
fn changed_certificate_is_for_new_connections_and_ends_none() {
    let secured = Secured::start(&[]);
    let mut events = secured.events("/a.json");
    events.next();
    let mut kept = secured.connect();
    assert_eq!(kept.request("GET", "/a.json", &[], "").status, 200);

    // Seen by itself.
    let second = Pair::new();
    second.write(secured.directory.path());
    let way = secured.until_shown(&second);
    assert_eq!(Connection::open(way.address).request("PUT", "/a.json", &[], "2").status, 200);
    assert_eq!(events.next().json()["data"], 2, "the stream goes on");
    assert_eq!(kept.request("GET", "/a.json", &[], "").text(), "2", "and the connection, too");
    assert!(secured.connect().is_refused(), "the first certificate is not shown any more");

    // A file that cannot be used changes nothing.
    let mut mixed = Pair::new();
    mixed.key = Pair::new().key;
    mixed.write(secured.directory.path());
    secured.server.signal("HUP");
    let begun = Instant::now();
    while !secured.server.log().contains("is not the one that the certificate") {
        assert!(begun.elapsed() < PATIENCE, "{}", secured.server.log());
        assert_eq!(Connection::open(way.address).request("GET", "/a.json", &[], "").text(), "2");
    }

    let third = Pair::new();
    third.write(secured.directory.path());
    secured.server.signal("HUP");
    secured.until_shown(&third);
    assert_eq!(kept.request("PUT", "/a.json", &[], "3").status, 200);
    assert_eq!(events.next().json()["data"], 3);
}

#[test]
fn unusable_files_stop_the_start_and_say_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = Pair::new().write(directory.path());
    let check = |flags: &[&str], parts: &[&str]| {
        let refused = run(&[&["--ephemeral", "--port", "0"], flags].concat(), &[], "");
        assert_eq!(refused.code, 1, "{refused:?}");
        for part in parts {
            assert!(refused.err.contains(part), "{part} in {}", refused.err);
        }
    };
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    check(&["--tls-cert", certificate], &["`--tls-key FILE` is missing"]);
    check(&["--tls-key", key], &["`--tls-cert FILE` is missing"]);
    check(&["--tls-cert", "missing.pem", "--tls-key", key], &["missing.pem", "--tls-cert"]);
    check(&["--tls-cert", key, "--tls-key", certificate], &["holds no certificate", "fullchain.pem"]);
    check(&["--http-redirect", "127.0.0.1:0"], &["--http-redirect", "--tls-cert"]);
    fs::write(key, Pair::new().key).unwrap();
    check(&["--tls-cert", certificate, "--tls-key", key], &["is not the one that the certificate"]);
    Pair::until(2_020).write(directory.path());
    check(&["--tls-cert", certificate, "--tls-key", key], &["expired", "Renew it"]);
}

// ---- Those that speak it badly, or not at all ----------------------------------------------------------------------

#[test]
fn plain_http_on_the_port_is_told_to_use_https() {
    let secured = Secured::start(&[]);
    let answer = secured.server.request("PUT", "/a.json", &[], "1");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("use https"), "{}", answer.text());
    assert_eq!(secured.connect().request("GET", "/a.json", &[], "").text(), "null", "nothing was written");
}

#[test]
fn redirect_sends_plain_http_to_the_same_place() {
    let secured = Secured::start(&["--http-redirect", "127.0.0.1:0"]);
    let greeting = &secured.server.greeting;
    let (_, rest) = greeting.split_once("Redirect  http://").unwrap_or_else(|| panic!("{greeting}"));
    let address = rest.split_whitespace().next().unwrap().parse().unwrap();
    for (method, target) in [("GET", "/a.json?x=\"y\""), ("PUT", "/"), ("OPTIONS", "/.ws")] {
        let headers = [("Host", "db.example.com:80")];
        let answer = Connection::open(address).request(method, target, &headers, "");
        assert_eq!(answer.status, 308, "{method} {target}");
        let expected = format!("https://db.example.com:{}{}", secured.server.port, target.replace('"', "%22"));
        assert_eq!(answer.header("location"), Some(expected.as_str()));
    }
}

/// The beginning of a `ClientHello`.
const HALF_A_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00];

fn half_open(secured: &Secured) -> TcpStream {
    let mut socket = TcpStream::connect(secured.server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(HALF_A_HELLO).unwrap();
    socket
}

fn is_closed(socket: &mut TcpStream) -> bool {
    match socket.read(&mut [0; 64]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn handshake_that_never_ends_is_given_up() {
    let secured = Secured::start(&[]);
    let (mut silent, mut half) = (TcpStream::connect(secured.server.address()).unwrap(), half_open(&secured));
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(is_closed(&mut half) && is_closed(&mut silent));
}

#[test]
fn half_open_handshakes_make_place_for_others() {
    // A quarter of the connections may be in their handshakes.
    let secured = Secured::start(&["--connections-max", "16"]);
    let mut half_open: Vec<TcpStream> = (0..50).map(|_| half_open(&secured)).collect();
    for _ in 0..5 {
        secured.put("/a.json", "1");
    }
    for socket in &mut half_open[..40] {
        assert!(is_closed(socket));
    }
}

#[test]
fn bytes_that_are_no_handshake_end_the_connection() {
    let secured = Secured::start(&[]);
    for bytes in [&[0x16; 600][..], &[0; 100], &[0xFF; 10_000], b"\x16\x03\x01\x00\x02\x01\x00"] {
        let mut socket = TcpStream::connect(secured.server.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = socket.write_all(bytes);
        let mut alert = Vec::new();
        let _ = socket.read_to_end(&mut alert);
        assert!(alert.len() <= 7, "an alert at most: {alert:?}");
    }
    secured.put("/a.json", "1");
}

#[test]
fn openssl_agrees_to_every_version_and_is_offered_no_http_2() {
    let secured = Secured::start(&[]);
    let Some(openssl) =
        ["/usr/bin/openssl", "/usr/local/bin/openssl"].into_iter().find(|path| Path::new(path).exists())
    else {
        return;
    };
    let address = secured.server.address().to_string();
    let certificate = secured.directory.path().join("cert.pem");
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let mut client = Command::new(openssl)
            .args(["s_client", "-connect", &address, "-alpn", "h2,http/1.1", version, "-servername", "localhost"])
            .args(["-verify_return_error", "-verify_hostname", "localhost", "-ign_eof", "-CAfile"])
            .arg(&certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let request = b"GET /a.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        client.stdin.take().unwrap().write_all(request).unwrap();
        let output = client.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        for part in [name, "ALPN protocol: http/1.1", "Verify return code: 0 (ok)", "HTTP/1.1 200 OK", "null"] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(!said.contains("unexpected eof"), "{said}");
    }
}
