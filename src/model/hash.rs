//! The node hash: what transactions compare, and the `ETag` of REST.
//!
//! Source: Firebase realtime protocol 12.1.
