//! The server as a process: start, settings, signals, embedded files, its connections, and the command line client.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use support::{BINARY, Connection, Finished, Server, command, run};

// ---- Start ---------------------------------------------------------------------------------------------------------

#[test]
fn greeting_tells_a_newcomer_what_is_needed() {
    let server = Server::ephemeral();
    let url = server.url();
    for part in [
        format!("URL       {url}\n"),
        "Mode      emulator".to_owned(),
        "removed at the end (--ephemeral)".to_owned(),
        format!("<script src=\"{url}/firebase.js\"></script>"),
        format!("{url}/demo/"),
    ] {
        assert!(server.greeting.contains(&part), "{part} in {}", server.greeting);
    }
    assert!(!server.greeting.contains('\x1b'), "colours only on a terminal");

    let data = tempfile::tempdir().unwrap();
    let data = data.path().join("deep/data");
    let relaxed = Server::start(&["--data", data.to_str().unwrap(), "--durability", "relaxed"]);
    assert!(relaxed.greeting.contains("deep/data, durability relaxed"), "{}", relaxed.greeting);
}

#[test]
fn taken_port_names_its_owner_and_the_way_out() {
    let first = Server::ephemeral();
    let second = run(&["--ephemeral", "--port", &first.port.to_string()], &[], "");
    assert_eq!(second.code, 1);
    let next = (first.port.checked_add(1)).unwrap_or(first.port - 1).to_string();
    for part in [&first.port.to_string(), &first.id().to_string(), "beaconfire", "--port 0", &format!("--port {next}")]
    {
        assert!(second.err.contains(part), "{part} in {}", second.err);
    }
}

#[test]
fn address_that_others_can_reach_wants_an_explicit_flag() {
    let refused = run(&["--ephemeral", "--port", "0", "--host", "0.0.0.0"], &[], "");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("--allow-public-emulator"), "{}", refused.err);
    let server = Server::start(&["--ephemeral", "--host", "0.0.0.0", "--allow-public-emulator"]);
    assert!(server.greeting.contains("PUBLIC"), "{}", server.greeting);
    assert!(server.greeting.contains(&server.url()), "{}", server.greeting);
}

#[test]
fn unusable_data_directory_says_what_to_do() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = run(&["--port", "0", "--data", file.to_str().unwrap()], &[], "");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("data directory") && refused.err.contains("--data DIR"), "{}", refused.err);
}

#[test]
fn data_directory_is_private_and_outlives_the_server() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let mut server = Server::with_data(&data);
    assert_eq!(server.put("/a.json", "1").status, 200);
    assert!(server.stop().success());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    }
    assert_eq!(Server::with_data(&data).get("/a.json").text(), "1");
}

#[test]
fn ephemeral_data_is_gone_at_the_end() {
    let mut server = Server::ephemeral();
    server.put("/a.json", "1");
    let line = server.greeting.lines().find(|line| line.contains("Data")).unwrap();
    let path = line.split_whitespace().nth(1).unwrap().trim_end_matches(',').to_owned();
    assert!(fs::exists(&path).unwrap(), "{path}");
    assert!(server.stop().success());
    assert!(!fs::exists(&path).unwrap(), "{path}");
    assert!(!fs::exists(server.scratch.path().join("port")).unwrap(), "the port file is gone, too");
}

// ---- Settings ------------------------------------------------------------------------------------------------------

#[test]
fn flags_win_over_the_environment_over_the_file() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("own.toml");
    fs::write(&file, "port = 1\npresence_grace = \"1s\"\nkeep_alive = \"1s\"\n").unwrap();
    let variables =
        [("BEACONFIRE_CONFIG", file.to_str().unwrap()), ("BEACONFIRE_PORT", "2"), ("BEACONFIRE_PRESENCE_GRACE", "2s")];
    let printed = run(&["config", "--port", "3"], &variables, "");
    assert_eq!(printed.code, 0, "{}", printed.err);
    for line in [
        "port = 3 # from the flag --port".to_owned(),
        "presence_grace = \"2s\" # from BEACONFIRE_PRESENCE_GRACE in the environment".to_owned(),
        format!("keep_alive = \"1s\" # from {}", file.display()),
        "host = \"127.0.0.1\" # default".to_owned(),
    ] {
        assert!(printed.out.lines().any(|printed| printed == line), "{line} in {}", printed.out);
    }
}

#[test]
fn unknown_or_impossible_settings_are_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("own.toml");
    fs::write(&file, "durabilty = \"full\"\n").unwrap();
    let file = file.to_str().unwrap();
    let check = |arguments: &[&str], variables: &[(&str, &str)], parts: &[&str]| {
        let refused = run(arguments, variables, "");
        assert_eq!(refused.code, 2, "{refused:?}");
        for part in parts {
            assert!(refused.err.contains(part), "{part} in {}", refused.err);
        }
    };
    check(&["--config", file], &[], &["durabilty", "own.toml", "did you mean `durability`?"]);
    check(&[], &[("BEACONFIRE_EPHEMERALLY", "1")], &["BEACONFIRE_EPHEMERALLY", "`BEACONFIRE_EPHEMERAL`?"]);
    check(&[], &[("BEACONFIRE_PORT", "http")], &["port", "BEACONFIRE_PORT", "`http`", "0 to 65535"]);
    check(&["--durability", "none"], &[], &["--durability", "`none`", "full or relaxed"]);
    check(&["--config", "missing.toml"], &[], &["missing.toml"]);
    check(&["--prot", "1"], &[], &["--prot", "--port"]);
}

#[test]
fn keep_alive_and_default_namespace_are_as_set() {
    let server = Server::start(&["--ephemeral", "--keep-alive", "20ms", "--default-namespace", "Mine"]);
    let mut events = server.events("/a.json");
    assert_eq!(events.next().name, "put");
    let keep_alive = events.next();
    assert_eq!((keep_alive.name.as_str(), keep_alive.data.as_str()), ("keep-alive", "null"));
    server.put("/a.json", "1");
    assert_eq!(server.get("/a.json?ns=mine").text(), "1");
    assert_eq!(server.get("/a.json?ns=other").text(), "null");
}

// ---- Signals -------------------------------------------------------------------------------------------------------

#[test]
fn stop_ends_streams_and_lets_a_running_request_finish() {
    let mut server = Server::ephemeral();
    let mut events = server.events("/.json");
    events.next();
    let mut idle = server.connect();
    assert_eq!(idle.request("GET", "/.beaconfire/livez", &[], "").status, 200);
    let mut running = server.connect();
    let headers = [("Content-Length", "4"), ("Expect", "100-continue")];
    running.send("PUT", "/a.json", &headers, "");
    assert_eq!(running.read_head().status, 100, "the request is being handled");
    server.signal("TERM");
    assert_eq!(events.next_or_end(), None);
    assert!(idle.is_closed());
    running.send_raw(b"1234");
    let head = running.read_head();
    assert_eq!((head.status, running.read_body(&head)), (200, b"1234".to_vec()));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn second_signal_ends_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut server = Server::ephemeral();
        let mut idle = server.connect();
        assert_eq!(idle.request("GET", "/.beaconfire/livez", &[], "").status, 200);
        let mut running = server.connect();
        running.send("PUT", "/a.json", &[("Content-Length", "4"), ("Expect", "100-continue")], "");
        assert_eq!(running.read_head().status, 100, "a request that never ends");
        server.signal(signal);
        assert!(idle.is_closed(), "the first signal has arrived");
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(code));
    }
}

// ---- Embedded files and fixed answers ------------------------------------------------------------------------------

#[test]
fn script_has_a_tag_and_is_open_to_every_page() {
    let server = Server::ephemeral();
    let script = server.get("/firebase.js");
    assert_eq!(script.status, 200);
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("access-control-allow-origin"), Some("*"));
    assert_eq!(script.header("cache-control"), Some("no-cache"));
    let tag = script.header("etag").unwrap();
    let again = server.request("GET", "/firebase.js", &[("If-None-Match", tag)], "");
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag)));
    let packed = server.request("GET", "/firebase.js", &[("Accept-Encoding", "gzip, deflate")], "");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("Accept-Encoding"));
    assert_eq!(
        server.request("HEAD", "/firebase.js", &[], "").header("content-length"),
        script.header("content-length")
    );
    assert_eq!(server.get("/sdk/firebase.js").body, script.body);
}

#[test]
fn pages_are_served_to_browsers() {
    let server = Server::ephemeral();
    let accept = [("Accept", "text/html,application/xhtml+xml")];
    let landing = server.request("GET", "/", &accept, "");
    assert_eq!(landing.status, 200);
    assert!(landing.text().contains("/firebase.js") && landing.text().contains("href=\"/demo/\""));
    assert_eq!(server.request("GET", "/demo", &accept, "").header("location"), Some("/demo/"));
    for page in ["/demo/", "/demo/demo.css", "/demo/demo.js"] {
        assert_eq!(server.get(page).status, 200, "{page}");
    }
}

#[test]
fn forgotten_json_is_told_as_firebase_does() {
    let server = Server::ephemeral();
    for (method, target) in
        [("GET", "/"), ("GET", "/rooms/a"), ("POST", "/"), ("PUT", "/demo/"), ("GET", "/.beaconfire/x")]
    {
        let answer = server.request(method, target, &[], "");
        assert_eq!(answer.status, 403, "{method} {target}");
        let text = "{\n  \"error\" : \"append .json to your request URI to use the REST API\"\n}\n";
        assert_eq!(answer.text(), text);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
}

#[test]
fn preflight_is_answered_on_every_path() {
    let server = Server::ephemeral();
    for target in ["/a.json", "/.beaconfire/sessions", "/nothing", "/.json?ns=x"] {
        let headers = [("Origin", "http://a.example"), ("Access-Control-Request-Headers", "authorization")];
        let answer = server.request("OPTIONS", target, &headers, "");
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{target}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("authorization"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, PUT, POST, PATCH, DELETE, OPTIONS"));
    }
}

#[test]
fn request_of_firebase_deploy_reaches_the_rules() {
    let server = Server::ephemeral();
    let meant = server.get("/.settings/rules.json?ns=demo");
    let sent = server.get("/?ns=demo/.settings/rules.json");
    assert_eq!((sent.status, sent.body), (meant.status, meant.body));
    assert_ne!(sent.status, 403);
}

// ---- Connections ---------------------------------------------------------------------------------------------------

#[test]
fn connection_beyond_the_bound_waits_for_a_place() {
    let server = Server::start(&["--ephemeral", "--connections-max", "2"]);
    let mut events = server.events("/a.json");
    events.next();
    let mut second = server.connect();
    assert_eq!(second.request("GET", "/.beaconfire/livez", &[], "").status, 200);
    let mut third = server.connect();
    third.send("PUT", "/a.json", &[], "1");
    drop(second);
    assert_eq!(third.read_head().status, 200, "it got the place of the second");
    assert_eq!(events.next().data, r#"{"path":"/","data":1}"#);
}

#[test]
fn garbage_hurts_nobody_else() {
    let server = Server::ephemeral();
    let mut events = server.events("/a.json");
    events.next();
    let long_line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
    let many_headers = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(5_000));
    for (bytes, expected) in [
        (b"\x16\x03\x01\x02\x00\x01\x00".as_slice(), 400),
        (b"\0\0\0\0\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"PUT /a.json HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"PUT /a.json HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1", 400),
        (b"PUT /a.json HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\n1", 415),
        (b"PUT /a.json HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n1", 400),
        (long_line.as_bytes(), 431),
        (many_headers.as_bytes(), 431),
    ] {
        let mut connection = server.connect();
        connection.send_raw(bytes);
        connection.end_sending();
        let status = connection.read_head().status;
        assert_eq!(status, expected, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
    }
    // Bodies that stop half-way, in both framings.
    for head in ["Content-Length: 9\r\n\r\n{\"a\":", "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n"] {
        let mut connection = server.connect();
        connection.send_raw(format!("PUT /a.json HTTP/1.1\r\nHost: x\r\n{head}").as_bytes());
        connection.end_sending();
        let mut answer = String::new();
        let _ = connection.stream.read_to_string(&mut answer);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert_eq!(server.get("/a.json").text(), "null", "nothing was written");
    server.put("/a.json", "1");
    assert_eq!(events.next().data, r#"{"path":"/","data":1}"#, "the stream is untouched");
}

#[test]
fn gzipped_body_is_taken_and_large_answer_is_gzipped() {
    let server = Server::ephemeral();
    // gzip of `"gzip"`, made with gzip -n.
    let packed = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 83, 74, 175, 202, 44, 80, 2, 0, 134, 38, 111, 105, 6, 0, 0, 0];
    let mut connection = server.connect();
    let length = packed.len().to_string();
    connection.send("PUT", "/a.json", &[("Content-Encoding", "gzip"), ("Content-Length", &length)], "");
    connection.send_raw(&packed);
    let head = connection.read_head();
    assert_eq!((head.status, connection.read_body(&head)), (200, b"\"gzip\"".to_vec()));
    server.put("/b.json", &format!("\"{}\"", "x".repeat(5_000)));
    let large = server.request("GET", "/b.json", &[("Accept-Encoding", "gzip")], "");
    assert_eq!(large.header("content-encoding"), Some("gzip"));
    assert!(large.body.len() < 500);
    assert_eq!(server.request("GET", "/a.json", &[("Accept-Encoding", "gzip")], "").text(), "\"gzip\"");
}

// ---- The command line client ---------------------------------------------------------------------------------------

fn client(server: &Server, arguments: &[&str]) -> Finished {
    run(arguments, &[("BEACONFIRE_URL", &server.url())], "")
}

fn prints(server: &Server, arguments: &[&str], expected: &str) {
    let finished = client(server, arguments);
    assert_eq!((finished.out.as_str(), finished.code), (expected, 0), "{arguments:?}: {}", finished.err);
}

#[test]
fn client_writes_and_reads_back() {
    let server = Server::ephemeral();
    prints(&server, &["set", "/rooms", r#"{"b":2,"10":1,"9":{"x":"y"}}"#], "");
    prints(&server, &["get", "/rooms"], "{\"9\":{\"x\":\"y\"},\"10\":1,\"b\":2}\n");
    prints(&server, &["get", "rooms/9", "--pretty"], "{\n  \"x\" : \"y\"\n}\n");
    prints(&server, &["get", "/rooms", "--shallow"], "{\"9\":true,\"10\":true,\"b\":true}\n");
    prints(&server, &["get", "/rooms", "-q", "orderBy=\"$key\"", "-q", "limitToFirst=1"], "{\"9\":{\"x\":\"y\"}}\n");
    prints(&server, &["update", "/rooms", r#"{"9/x":null,"c":-1}"#, "--json"], "{\"9/x\":null,\"c\":-1}\n");
    prints(&server, &["remove", "/rooms/b"], "");
    prints(&server, &["get", &format!("{}/rooms.json", server.url())], "{\"10\":1,\"c\":-1}\n");
    prints(&server, &["set", "/p", r#"{".value":1,".priority":2}"#], "");
    prints(&server, &["get", "/p", "--export"], "{\".value\":1,\".priority\":2}\n");
    prints(&server, &["set", "/a b/ü%", "-5", "--ns", "other"], "");
    prints(&server, &["get", "/a b?ns=other"], "{\"ü%\":-5}\n");
    let key = client(&server, &["push", "/list", "true"]).out;
    prints(&server, &["get", &format!("/list/{}", key.trim())], "true\n");
}

#[test]
fn client_takes_data_from_a_file_and_from_standard_input() {
    let server = Server::ephemeral();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("data.json");
    fs::write(&file, "[1,2]").unwrap();
    prints(&server, &["set", "/file", &format!("@{}", file.display())], "");
    prints(&server, &["get", "/file"], "[1,2]\n");
    let finished = run(&["set", "/input", "-"], &[("BEACONFIRE_URL", &server.url())], "{\"a\":1}\n");
    assert_eq!(finished.code, 0, "{}", finished.err);
    prints(&server, &["get", "/input"], "{\"a\":1}\n");
}

#[test]
fn client_error_says_what_to_do_next() {
    let mut server = Server::ephemeral();
    let fails = |server: &Server, arguments: &[&str], code: i32, part: &str| {
        let finished = client(server, arguments);
        assert_eq!((finished.code, finished.out.as_str()), (code, ""), "{arguments:?}");
        assert!(finished.err.contains(part), "{part} in {}", finished.err);
    };
    fails(&server, &["set", "/x", "text"], 2, "A string needs quotes");
    fails(&server, &["set", "/x", "@missing.json"], 2, "missing.json");
    fails(&server, &["get", "http://"], 2, "http://127.0.0.1:9000/rooms/x");
    fails(&server, &["set", "/a.b", "1"], 1, "Invalid path");
    fails(&server, &["get", "/x", "--json", "--ns", "-"], 1, "{\"error\":\"Invalid Firebase database name");
    fails(&server, &["watch", "/x", "--on", "nonsense"], 1, "400");
    server.kill();
    fails(&server, &["get", "/x"], 3, "Is the server running? Start it with `beaconfire`");
    fails(&server, &["watch", "/x"], 3, "Is the server running?");
}

/// A `watch` that runs beside the test.
struct Watch {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.arg("watch").args(arguments).env_clear().env("BEACONFIRE_URL", server.url());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn json(&mut self) -> serde_json::Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn watch_prints_changes_until_it_has_enough() {
    let server = Server::ephemeral();
    let mut watch = Watch::start(&server, &["/rooms", "--count", "3"]);
    assert_eq!(watch.line(), "put           / null");
    server.put("/rooms/a.json", r#"{"x":1}"#);
    assert_eq!(watch.line(), r#"put           /a {"x":1}"#);
    server.request("PATCH", "/rooms.json", &[], r#"{"b":2,"c":3}"#);
    assert_eq!(watch.line(), r#"patch         / {"b":2,"c":3}"#);
    assert!(watch.process.wait().unwrap().success());
}

#[test]
fn watch_of_children_goes_on_after_a_restart_without_a_gap() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::with_data(data.path());
    server.put("/rooms/a.json", "1");
    let mut watch = Watch::start(&server, &["/rooms", "--on", "child_added,child_removed", "--json"]);
    assert_eq!(watch.json()["key"], "a");
    server.put("/rooms/b.json", "2");
    assert_eq!(watch.json()["key"], "b");
    server.kill();
    // While the watcher is away: on another port, so that it cannot see these writes as they happen.
    let mut between = Server::with_data(data.path());
    between.put("/rooms/c.json", "3");
    between.request("DELETE", "/rooms/a.json", &[], "");
    assert!(between.stop().success());
    let port = server.port.to_string();
    let _again = Server::start(&["--data", data.path().to_str().unwrap(), "--port", &port]);
    let (added, removed) = (watch.json(), watch.json());
    assert_eq!((added["event"].as_str(), added["key"].as_str()), (Some("child_added"), Some("c")));
    assert_eq!((removed["event"].as_str(), removed["key"].as_str()), (Some("child_removed"), Some("a")));
}

#[test]
fn watch_takes_a_large_first_snapshot() {
    let server = Server::ephemeral();
    let text = "x".repeat(64 * 1_024);
    let children: Vec<String> = (0..128).map(|n| format!("\"k{n:03}\":\"{text}\"")).collect();
    assert_eq!(server.put("/large.json", &format!("{{{}}}", children.join(","))).status, 200);
    let mut watch = Watch::start(&server, &["/large", "--count", "1", "--json"]);
    let put = watch.json();
    assert_eq!(put["data"].as_object().unwrap().len(), 128);
    assert_eq!(put["data"]["k127"], text);
}

#[test]
fn client_follows_a_redirect_to_another_server() {
    let server = Server::ephemeral();
    server.put("/a.json", "1");
    let target = format!("{}/a.json", server.url());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let redirecting = std::thread::spawn(move || {
        for _ in 0..2 {
            let (socket, _) = listener.accept().unwrap();
            let mut connection = Connection { stream: BufReader::new(socket) };
            while !connection.read_line().is_empty() {}
            let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
            connection.stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    let got = run(&["get", "/a", "--url", &url], &[], "");
    assert_eq!((got.out.as_str(), got.code), ("1\n", 0), "{}", got.err);
    let watched = run(&["watch", "/a", "--url", &url, "--count", "1", "--json"], &[], "");
    assert_eq!(watched.out, "{\"data\":1,\"event\":\"put\",\"path\":\"/\"}\n");
    redirecting.join().unwrap();
}

#[test]
fn help_and_completions_are_there() {
    let scratch = tempfile::tempdir().unwrap();
    let help = command(scratch.path()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for part in ["Examples:", "Exit codes:", "--presence-grace", "watch"] {
        assert!(help.contains(part), "{part}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell], &[], "");
        assert!(script.code == 0 && script.out.contains("presence-grace"), "{shell}");
    }
}
