//! Firebase's realtime protocol: what unmodified Firebase SDKs speak, over WebSocket and long polling.
//!
//! Routes: `/.ws`, `/.lp`. Protocol version 5; SDKs from 0.5 on. Spec: `spec/firebase-wire.md`, whose section numbers
//! the headers of the files name. Knows nothing of storage, rules or other protocols.
//!
//! Pure, from text to types and back:
//! - `codec`: messages; `request`: the bodies of requests; `encoder`: pushes and read answers
//! - `segments`: messages in segments, on the way in; `frames`: on the way out
//! - `listens`: what a connection listens to, bounded
//!
//! With the engine:
//! - `session`: one client, whatever carries it; `registry`: sessions by id
//! - `websocket`: the WebSocket transport; `long_poll`: the other one

mod codec;
mod encoder;
mod frames;
mod listens;
mod long_poll;
mod registry;
mod request;
mod segments;
mod session;
mod websocket;

use hyper::Request;
use hyper::body::Incoming;

use self::session::Session;
use super::Context;
use crate::transport::Reply;

pub use self::registry::Registry;

/// Answers a request for one of the [routes](self).
pub async fn handle(context: &Context, request: Request<Incoming>) -> Reply {
    match request.uri().path() {
        "/.lp" => long_poll::handle(context, request).await,
        _ => websocket::handle(context, &request).await,
    }
}

/// What the fuzz targets of `tests/fuzz` decode; there for them only.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use super::codec::{Incoming, parse};
    pub use super::frames::push_message;
    pub use super::long_poll::params::Ask;
    pub use super::long_poll::pieces::Assembly as Pieces;
    pub use super::request::Action;
    pub use super::segments::Assembly as Segments;
}
