//! How bytes travel: HTTP bodies, event streams, WebSockets, and the bounded queue in front of each connection.
//!
//! Knows nothing of paths, events or protocols.
//!
//! - `outbox`: the bounded queue of one connection
//! - `writer`: writes an outbox to a socket
//! - `stream`: one event stream
//! - `websocket`: one WebSocket; `handshake` begins it, `frame` makes what it sends, `tap` watches what it reads
//! - `http`: one HTTP/1.1 connection, and how a stream or WebSocket takes its socket over
//! - `body`: request bodies with a bound, answer bodies whole or in pieces
//! - `request_line`: raw quotes in queries
//! - `socket`: a connection's socket, bare or with TLS upon it, its options and its polite end

pub mod body;
pub mod frame;
mod handshake;
pub mod http;
pub mod outbox;
mod request_line;
mod socket;
pub mod stream;
mod tap;
#[cfg(test)]
mod tests;
pub mod websocket;
#[cfg(test)]
mod websocket_test;
mod writer;

pub use body::{Body, BodyError, read_body};
pub use handshake::accept;
pub use http::Reply;
pub use outbox::{Chunks, Drained, Item, Outbox, Push};
pub use socket::Socket;
pub use stream::EventStream;
pub use websocket::{BoxFuture, Conversation, Next, WebSocket};
