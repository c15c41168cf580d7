//! How bytes travel: HTTP bodies, event streams, and the bounded queue in front of each stream.
//!
//! Knows nothing of paths, events or protocols.
//!
//! - `outbox`: the bounded queue of one connection
//! - `stream`: writes an outbox to a socket for as long as it is open
//! - `http`: one HTTP/1.1 connection, and how a stream takes its socket over
//! - `body`: request bodies with a bound, answer bodies whole or in pieces
//! - `request_line`: raw quotes in queries
//! - `socket`: the options of a connection, and its polite end

pub mod body;
pub mod http;
pub mod outbox;
mod request_line;
mod socket;
pub mod stream;
#[cfg(test)]
mod tests;

pub use body::{Body, BodyError, read_body};
pub use http::Reply;
pub use outbox::{Chunks, Drained, Item, Outbox, Push};
pub use stream::EventStream;
