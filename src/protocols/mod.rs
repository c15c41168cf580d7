//! The wire protocols, one folder each. None knows another, nor storage, rules or auth: they speak to the engine.
//!
//! Here, for all of them:
//! - `namespace`: which database a request is for
//! - `answer`: the headers and error bodies that Firebase clients expect over HTTP
//!
//! A protocol's front is `pub async fn handle(context: &Context, request: Request<Incoming>) -> Reply`; `server/router.rs`
//! says by one line each which requests come to it.

pub mod answer;
pub mod namespace;

use std::time::Duration;

pub use namespace::{Namespace, Namespaces};

/// What every protocol is given.
#[derive(Clone, Debug)]
pub struct Context {
    pub namespaces: Namespaces,
    /// After how much silence an event stream sends a keep-alive.
    pub keep_alive: Duration,
    /// Bytes that may wait for one event stream: the bound of its outbox.
    pub outbox_bytes: usize,
}
