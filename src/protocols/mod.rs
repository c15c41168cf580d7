//! The wire protocols, one folder each. None knows another, nor storage, rules or auth: they speak to the engine.
//!
//! Here, for all of them:
//! - `namespace`: which database a request is for
//! - `access`: who a request is from
//! - `answer`: the headers and error bodies that Firebase clients expect over HTTP
//!
//! A protocol's front is `pub async fn handle(context: &Context, request: Request<Incoming>) -> Reply`;
//! `server/router.rs` says by one line each which requests come to it.

pub mod access;
pub mod admin;
pub mod answer;
pub mod namespace;
pub mod realtime;
pub mod rest;
pub mod sessions;

use std::sync::Arc;
use std::time::Duration;

use hyper::{HeaderMap, Response, StatusCode, Uri};

use crate::engine::{Database, DatabaseError, Engine};
use crate::transport::Body;

pub use namespace::{Namespace, Namespaces};

/// What every protocol is given.
#[derive(Clone)]
pub struct Context {
    pub engine: Arc<Engine>,
    pub namespaces: Namespaces,
    /// After how much silence an event stream sends a keep-alive.
    pub keep_alive: Duration,
    /// Bytes that may wait for one stream or realtime client: the bound of its outbox.
    pub outbox_bytes: usize,
    /// How often a WebSocket is pinged, and after how much silence it counts as dead.
    pub ping_interval: Duration,
    pub silence_max: Duration,
    /// After how long without a poll the client of a long poll counts as gone.
    pub poll_silence_max: Duration,
    pub realtime: Arc<realtime::Registry>,
}

impl Context {
    /// The database that a request is for, opened if need be.
    ///
    /// # Errors
    /// The answer to give instead: 403 for a name that no database can have, 503 where it cannot be opened.
    pub async fn database(&self, uri: &Uri, headers: &HeaderMap) -> Result<Arc<Database>, Response<Body>> {
        let name = self
            .namespaces
            .resolve(uri, headers)
            .map_err(|invalid| answer::error(StatusCode::FORBIDDEN, &invalid.to_string()))?;
        self.engine.database(name.as_str()).await.map_err(|error| {
            if matches!(error, DatabaseError::Unknown(_)) {
                return answer::error(StatusCode::NOT_FOUND, "404 Not Found");
            }
            tracing::error!(%error, database = %name, "a database cannot be opened");
            answer::error(StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable")
        })
    }
}
