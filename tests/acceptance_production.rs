//! A server in production, from nothing: what it asks for at start, its keys, its rules file; the real binary.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use support::{PATIENCE, Server, command, run};

const CLOSED: &str = r#"{"rules": {"open": {".read": true}}}"#;
const RULES: &str = "/.settings/rules.json";

/// A data directory and a rules file.
struct Site {
    scratch: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { scratch: tempfile::tempdir().unwrap() };
        fs::write(site.rules(), CLOSED).unwrap();
        site
    }

    fn rules(&self) -> PathBuf {
        self.scratch.path().join("rules.json")
    }

    fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// Runs `beaconfire key ...`, which must succeed.
    fn key(&self, arguments: &[&str]) -> String {
        let data = self.data();
        let arguments = [&["key"], arguments, &["--data", text(&data)]].concat();
        let done = run(&arguments, &[], "");
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
        done.out.trim_end().to_owned()
    }

    /// A server in production, or what it said instead.
    fn start(&self, flags: &[&str]) -> Result<Server, String> {
        let scratch = tempfile::tempdir().unwrap();
        let mut command = command(scratch.path());
        command.args(["--production", "--data", text(&self.data())]).args(flags);
        Server::spawn(command, scratch)
    }

    fn serve(&self) -> Server {
        self.start(&["--rules", text(&self.rules())]).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The status of a request with this bearer token.
fn status_as(server: &Server, method: &str, target: &str, bearer: &str, body: &str) -> u16 {
    server.request(method, target, &[("Authorization", &format!("Bearer {bearer}"))], body).status
}

/// Waits for what a running server is to notice by itself.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

#[test]
fn start_without_rules_or_keys_says_what_to_do() {
    let site = Site::new();
    let error = site.start(&["--rules", text(&site.rules())]).err().unwrap();
    let told = format!("beaconfire key create --data {}", text(&site.data()));
    assert!(error.contains(&told), "{error}");
    site.key(&["create"]);
    let error = site.start(&[]).err().unwrap();
    assert!(error.contains("--rules FILE"), "{error}");
    fs::write(site.rules(), "{\"rules\":\n {\".read\": \"tru\"}}").unwrap();
    let error = site.start(&["--rules", text(&site.rules())]).err().unwrap();
    assert!(error.contains("rules.json:2:13: Unknown variable 'tru'."), "{error}");
}

#[test]
fn key_opens_until_it_is_revoked() {
    let site = Site::new();
    let key: Value = serde_json::from_str(&site.key(&["create", "--label", "tests", "--json"])).unwrap();
    let (id, text) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());
    let server = site.serve();
    assert_eq!(server.put("/a.json", "1").status, 401);
    assert_eq!(status_as(&server, "PUT", "/a.json", text, "1"), 200);
    assert_eq!(status_as(&server, "GET", "/a.json", &format!("{text}x"), ""), 401);
    assert_eq!(server.put(RULES, CLOSED).status, 401);
    assert_eq!(status_as(&server, "PUT", RULES, text, CLOSED), 200);
    let client = ["get", "/a", "--url", &server.url(), "--json"];
    assert_eq!(run(&[&client[..], &["--auth", text]].concat(), &[], "").out, "1\n");
    assert_eq!(run(&client, &[], "").code, 1);

    let second = site.key(&["create"]);
    until("a new key is taken", || status_as(&server, "GET", "/a.json", &second, "") == 200);
    site.key(&["revoke", id]);
    until("the revoked key is refused", || status_as(&server, "GET", "/a.json", text, "") == 401);
    assert_eq!(status_as(&server, "GET", "/a.json", &second, ""), 200, "the other stays");
}

#[test]
fn keys_are_kept_as_fingerprints_and_listed() {
    let site = Site::new();
    assert_eq!(site.key(&["list"]), "");
    let key = site.key(&["create", "--label", "backup", "--expires", "90d"]);
    let id = key.split('_').nth(1).unwrap();
    let file = site.data().join("admin-keys.json");
    let secret = key.splitn(3, '_').nth(2).unwrap();
    assert!(!fs::read_to_string(&file).unwrap().contains(secret));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let listed = site.key(&["list"]);
    assert!(listed.contains(id) && listed.contains("backup") && listed.contains("valid for 89 days"), "{listed}");
    assert!(!listed.contains(secret));
    site.key(&["revoke", id]);
    let listed: Value = serde_json::from_str(&site.key(&["list", "--json"])).unwrap();
    assert_eq!(listed[0]["id"], id);
    assert!(listed[0]["revoked_at_ms"].is_i64(), "{listed}");
    let data = site.data();
    let unknown = run(&["key", "revoke", "nobody", "--data", text(&data)], &[], "");
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("beaconfire key list"), "{}", unknown.err);
    assert_eq!(run(&["key", "create", "--expires", "soon", "--data", text(&data)], &[], "").code, 2);
}

#[test]
fn expired_key_opens_nothing() {
    let site = Site::new();
    let key = site.key(&["create", "--expires", "1ms"]);
    let server = site.serve();
    let answer = server.request("GET", "/a.json", &[("Authorization", &format!("Bearer {key}"))], "");
    assert_eq!(answer.status, 401, "{}", answer.text());
}

#[test]
fn emulators_credentials_and_powers_are_not_there() {
    let site = Site::new();
    let key = site.key(&["create"]);
    let server = site.serve();
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(json!({"alg": "none", "type": "JWT"}));
    let claims = part(json!({"sub": "u", "user_id": "u", "admin": true, "iat": 0, "exp": 4_000_000_000_u32}));
    let unsigned = format!("{header}.{claims}.");
    for bearer in ["owner", &unsigned] {
        for target in ["/a.json", RULES, "/.inspect/databases.json", "/open.json"] {
            assert_eq!(status_as(&server, "GET", target, bearer, ""), 401, "{bearer} {target}");
        }
    }
    for auth in ["owner", &unsigned] {
        assert_eq!(server.get(&format!("/open.json?auth={auth}")).status, 401, "{auth}");
    }
    assert_eq!(server.get(RULES).status, 401);
    assert_eq!(server.put(RULES, CLOSED).status, 401);
    assert_eq!(server.get("/.inspect/databases.json").status, 401);
    assert_eq!(server.get("/open.json").status, 200);
    assert_eq!(server.get("/open.json?ns=other").status, 404, "no database springs into being");
    assert_eq!(status_as(&server, "PUT", "/a.json?ns=other", &key, "1"), 404);
    assert!(!site.data().join("other.sqlite").exists());
}

#[test]
fn rules_file_is_read_again_and_a_broken_one_changes_nothing() {
    let site = Site::new();
    site.key(&["create"]);
    let server = site.serve();
    assert_eq!(server.get("/b.json").status, 401);
    fs::write(site.rules(), r#"{"rules": {"b": {".read": true}}}"#).unwrap();
    until("the changed file is in force", || server.get("/b.json").status == 200);
    assert_eq!(server.get("/open.json").status, 401);
    fs::write(site.rules(), r#"{"rules": {".read": "nobody"}}"#).unwrap();
    server.signal("HUP");
    until("the log tells of the broken file", || server.log().contains("Unknown variable 'nobody'."));
    assert!(server.log().contains("The former rules stay in force."));
    assert_eq!(server.get("/b.json").status, 200);
    fs::write(site.rules(), r#"{"rules": {"c": {".read": true}}}"#).unwrap();
    server.signal("HUP");
    until("the mended file is in force", || server.get("/c.json").status == 200);
}
