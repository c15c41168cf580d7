//! A server in production and tokens that are almost right: none opens anything, none is shown again, each one ends.
//!
//! Every forgery stands beside a token that is in order, and differs from it in one thing. Source: Firebase rules
//! reference 9.3, 9.7 to 9.9.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::realtime_client::Realtime;
use crate::support::{Server, command};

const SECRET: &str = "aSecretOfFortyCharactersLikeTheHostedOnes";
const OTHER: &str = "anotherSecretThatThisServerHasNeverSeen!";
const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
const RULES: &str = r#"{"rules":{
    "public": {".read": true, ".write": true},
    "users": {"$uid": {".read": "auth.uid === $uid", ".write": "auth.uid === $uid"}}
}}"#;
/// What nobody may learn.
const WORD: &str = "s3cret";

/// In production, with the word in bob's place. It logs all it can.
fn production() -> Server {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = command(scratch.path());
    fs::write(scratch.path().join("secrets"), SECRET).unwrap();
    fs::write(scratch.path().join("rules.json"), RULES).unwrap();
    command.args(["--production", "--ephemeral", "--secrets-file", "secrets", "--rules", "rules.json"]);
    command.args(["--databases", "chat", "--log-level", "trace"]);
    let server = Server::spawn(command, scratch).unwrap_or_else(|said| panic!("{said}"));
    let answer = server.put(&format!("/users/bob.json?ns=chat&auth={SECRET}"), &json!(WORD).to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    server
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn claims(uid: &str) -> Value {
    json!({ "v": 0, "iat": now(), "d": { "uid": uid } })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims("bob");
    claims[name] = value;
    claims
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signature(secret: &str, message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes()).as_ref().to_vec()
}

fn signed(secret: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = encode(signature(secret, &message));
    format!("{message}.{signature}")
}

fn token(claims: &Value) -> String {
    signed(SECRET, HEADER, &claims.to_string())
}

/// Tokens that say they are bob's, and are not.
fn forgeries() -> Vec<String> {
    let (good, anns) = (token(&claims("bob")), token(&claims("ann")));
    let parts: Vec<&str> = good.split('.').collect();
    let ann: Vec<&str> = anns.split('.').collect();
    let (message, bytes) = (format!("{}.{}", parts[0], parts[1]), URL_SAFE_NO_PAD.decode(parts[2]).unwrap());
    let mut forged: Vec<String> = (0..parts[2].len()).map(|len| format!("{message}.{}", &parts[2][..len])).collect();
    forged.extend((0..bytes.len()).map(|at| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        format!("{message}.{}", encode(bytes))
    }));
    forged.push(format!("{}.{}.{}", ann[0], parts[1], ann[2]));
    forged.push(format!("{message}.{}", encode([0; 32])));
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None","typ":"JWT"}"#,
        r#"{"alg":"NONE","typ":"JWT"}"#,
        r#"{"alg":"","typ":"JWT"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256","none"]}"#,
        r#"{"alg":"none","alg":"none","typ":"JWT"}"#,
        r#"{"alg":"hs256","typ":"JWT"}"#,
        r#"{"alg":"HS384","typ":"JWT"}"#,
        r#"{"alg":"HS512","typ":"JWT"}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        r#"{"alg":"RS256","kid":"../secrets","typ":"JWT"}"#,
        r#"{"alg":"ES256","typ":"JWT","jwk":{"kty":"oct","k":"YQ"}}"#,
        r#"{"alg":"EdDSA","typ":"JWT","jku":"http://127.0.0.1/keys"}"#,
    ] {
        let bob = claims("bob").to_string();
        forged.push(format!("{}.{}.", encode(header), encode(&bob)));
        forged.push(format!("{}.{}.{}", encode(header), encode(&bob), parts[2]));
        forged.push(signed(SECRET, header, &bob));
    }
    let bob = claims("bob").to_string();
    let secrets = [OTHER, "", &SECRET[1..], &SECRET.to_lowercase(), &format!("{SECRET}\n")];
    forged.extend(secrets.map(|secret| signed(secret, HEADER, &bob)));
    forged
}

/// Tokens that the secret did sign, and that do not hold, or not for this.
fn invalid() -> Vec<Value> {
    let day = 24 * 3_600;
    vec![
        with("exp", json!(now() - 1)),
        with("exp", json!(0)),
        with("iat", json!(now() - day - 1)),
        with("iat", json!(now() + 600)),
        with("iat", json!("now")),
        with("nbf", json!(now() + 600)),
        with("v", json!(1)),
        with("v", json!("0")),
        with("v", json!(null)),
        with("d", json!(null)),
        with("d", json!([{ "uid": "bob" }])),
        with("d", json!("{\"uid\":\"bob\"}")),
        with("d", json!({ "uid": "b".repeat(257) })),
        json!({ "iat": now(), "d": { "uid": "bob" } }),
        json!({ "v": 0, "d": { "uid": "bob" } }),
        json!({ "v": 0, "iat": now(), "sub": "bob", "uid": "bob" }),
        json!({ "v": 0, "iat": now(), "admin": "true" }),
        json!({ "v": 0, "iat": now(), "admin": 1 }),
    ]
}

#[test]
fn forged_and_outlived_tokens_open_nothing_anywhere() {
    let server = production();
    let mut connection = server.connect();
    let mut stream = server.events("/.beaconfire/sessions?ns=chat");
    let session = stream.next().json()["session"].as_str().unwrap().to_owned();
    let mut client = Realtime::connect(server.address(), "chat");
    let in_order = token(&claims("bob"));
    let right = connection.request("GET", &format!("/users/bob.json?ns=chat&auth={in_order}"), &[], "");
    assert_eq!((right.status, right.json()), (200, json!(WORD)), "the one in order opens");
    client.done(1, "auth", &json!({ "cred": in_order }).to_string());
    let mut bad = forgeries();
    bad.extend(invalid().iter().map(token));
    bad.extend([&SECRET[1..], &SECRET[..39], OTHER, "owner"].map(str::to_owned));
    for (number, bad) in (1..).zip(&bad) {
        // Where nobody in particular is let in, too: who shows something must show something right.
        for place in ["/users/bob", "/public"] {
            for (target, header) in [
                (format!("{place}.json?ns=chat&auth={bad}"), None),
                (format!("{place}.json?ns=chat&access_token={bad}"), None),
                (format!("{place}.json?ns=chat"), Some(format!("Bearer {bad}"))),
            ] {
                let headers: Vec<_> = header.iter().map(|text| ("Authorization", text.as_str())).collect();
                let answer = connection.request("GET", &target, &headers, "");
                assert_eq!(answer.status, 401, "{bad} {target}: {}", answer.text());
                assert!(!answer.text().contains(WORD) && !answer.text().contains(bad.as_str()), "{}", answer.text());
            }
        }
        let target = format!("/.beaconfire/sessions/{session}?ns=chat&auth={bad}");
        let answer = connection.request("POST", &target, &[], r#"[{"n":1,"get":"/users/bob"}]"#);
        assert_eq!((answer.status, answer.text().contains(WORD)), (401, false), "{bad}: {}", answer.text());
        let action = if number % 2 == 0 { "auth" } else { "gauth" };
        let (_, answer) = client.ask(number * 2, action, &json!({ "cred": bad }).to_string());
        assert!(answer["s"] != "ok" && !answer["d"].to_string().contains(bad.as_str()), "{bad}: {answer}");
        let (_, answer) = client.ask(number * 2 + 1, "g", r#"{"p":"/users/bob"}"#);
        assert_eq!(answer["s"], "permission_denied", "{bad}");
    }
    let log = server.log();
    assert!(log.contains("refused by the rules"), "it does log");
    for shown in bad.iter().chain([&in_order, &SECRET.to_owned()]).filter(|shown| shown.len() > 30) {
        assert!(!log.contains(shown.as_str()), "a credential is in the log: {shown}");
    }
}

#[test]
fn token_of_a_user_never_makes_an_administrator() {
    let server = production();
    let user = token(&with("d", json!({ "uid": "ann", "admin": true, "token": { "admin": true } })));
    for target in ["/.json", "/users.json", "/.settings/rules.json", "/.inspect/databases.json"] {
        for way in ["auth", "access_token"] {
            let answer =
                server.get(&format!("{target}?ns=chat&{way}={user}&auth_variable_override=%7B%22uid%22:%22bob%22%7D"));
            assert_eq!(answer.status, 401, "{target} {way}: {}", answer.text());
        }
    }
    let rules = r#"{"rules":{".read":true}}"#;
    assert_eq!(server.put(&format!("/.settings/rules.json?ns=chat&auth={user}"), rules).status, 401);
    assert_eq!(server.get("/users/bob.json?ns=chat").status, 401);
}

#[test]
fn what_a_token_opened_closes_when_it_ends() {
    let server = production();
    // Long enough for all to be open, so short that the test goes on.
    let credential = token(&with("exp", json!(now() + 3)));
    let mut stream = server.events(&format!("/users/bob.json?ns=chat&auth={credential}"));
    assert_eq!(stream.next().json()["data"], WORD);
    let mut client = Realtime::connect(server.address(), "chat");
    client.done(1, "auth", &json!({ "cred": credential }).to_string());
    let (pushes, answer) = client.ask(2, "q", r#"{"p":"/users/bob","h":""}"#);
    assert_eq!((pushes.len(), &answer["s"]), (1, &json!("ok")));
    let mut name = stream.next().name;
    while name == "keep-alive" {
        name = stream.next().name;
    }
    assert_eq!(name, "auth_revoked");
    assert!(stream.next_or_end().is_none(), "it is closed behind that");
    let told = [client.expect_data(), client.expect_data()];
    assert_eq!(told[0]["a"], "ac", "{told:?}");
    assert_eq!(told[1], json!({ "a": "c", "b": { "p": "users/bob" } }));
    let (_, answer) = client.ask(3, "p", r#"{"p":"/users/bob","d":"mine"}"#);
    assert_eq!(answer["s"], "permission_denied");
    let (_, answer) = client.ask(4, "auth", &json!({ "cred": credential }).to_string());
    assert_ne!(answer["s"], "ok");
    client.done(5, "p", r#"{"p":"/public","d":1}"#);
}
