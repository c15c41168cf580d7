//! Who may: rules and credentials on real sockets, the same over REST, streams, sessions and the realtime protocol.
//!
//! Source: Firebase rules reference 2, 9; REST reference 7, 11.7, 11.8; realtime protocol 15.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test: what is wrong shall stop it")]

#[path = "../support/realtime_client.rs"]
mod realtime_client;
#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod forgeries;
mod presence;
mod realtime;
mod rest;
#[path = "../../src/rules/tests/vector_lines.rs"]
mod vector_lines;
mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use support::Server;

const RULES: &str = "/.settings/rules.json?ns=chat&access_token=owner";

/// A server whose database `chat` has these rules, the value of `rules`.
fn server_with(rules: &str) -> Server {
    let server = Server::ephemeral();
    set_rules(&server, rules);
    server
}

fn set_rules(server: &Server, rules: &str) {
    let answer = server.put(RULES, &format!("{{\"rules\":{rules}}}"));
    assert_eq!(answer.status, 200, "{rules}: {}", answer.text());
}

/// An unsigned token, as test clients of an emulator make them.
fn token(uid: &str) -> String {
    unsigned(&json!({ "sub": uid, "user_id": uid, "iat": 0, "exp": 3600 }))
}

/// An unsigned token with these claims.
fn unsigned(claims: &Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", part(r#"{"alg":"none","type":"JWT"}"#), part(&claims.to_string()))
}

/// Puts data there, whatever the rules.
fn seed(server: &Server, path: &str, value: &Value) {
    let answer = server.put(&format!("{path}.json?ns=chat&access_token=owner"), &value.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// What is there, whatever the rules.
fn stored(server: &Server, path: &str) -> Value {
    server.get(&format!("{path}.json?ns=chat&access_token=owner")).json()
}
