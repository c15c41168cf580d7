//! The realtime protocol of a real server, spoken by hand over WebSocket.
//!
//! Source: Firebase realtime protocol (`spec/firebase-wire.md`); the sections in the files are its own, and its
//! checklist (section 23) is what is tested here as far as bare sockets show it.
//!
//! - `connection`: hello, namespaces, segments, liveness, malformed messages
//! - `transcripts`: conversations of official SDKs, letter by letter
//! - `listens`: initial data, hashes, overlaps, windows
//! - `writes`: data, limits, transactions
//! - `presence`: onDisconnect

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test: what is wrong shall stop it"
)]

#[allow(dead_code, reason = "other tests use all of it")]
#[path = "../support/dice.rs"]
mod dice;
#[path = "../support/realtime_client.rs"]
mod realtime_client;
#[path = "../support/mod.rs"]
mod support;

mod connection;
mod listens;
mod presence;
mod transcripts;
mod writes;
