//! Long polling of a real server, spoken by hand over HTTP.
//!
//! Source: Firebase realtime protocol, section 4, and rows 16 to 22 of its checklist (section 23) as far as bare
//! sockets show them.
//!
//! - `poller`: the client
//! - `messages`: starts, polls, pieces in, scripts out
//! - `ends`: leaving, expiry, what cannot be
//! - `upgrade`: a WebSocket takes over

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

#[path = "../support/realtime_client.rs"]
mod realtime_client;
#[path = "../support/mod.rs"]
mod support;

mod ends;
mod messages;
mod poller;
mod upgrade;
