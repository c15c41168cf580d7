//! The engine: the one vocabulary that all protocols speak: read, listen, write, onDisconnect.
//!
//! Knows nothing of HTTP, frames or JSON envelopes; protocols hand in an [`Encoder`] and get bytes delivered in order.
//!
//! - `databases`: opens databases by name, closes them
//! - `database`: the front of one database; `writer`: its one writer, a thread; `state`: what that does within a batch
//! - `request`: what may be asked of the writer, and what it answers
//! - `settle`: server values, push ids and preconditions become a record
//! - `identify`: who shows a credential
//! - `authorize`: what rules see of the tree, before a write and after it; `explain`: why they say what they say
//! - `feed`: listeners that want the same events share one feed; `listeners`: feeds by path
//! - `view`, `window`: ordered views for queries and child events; `replay`: resuming them from the log; `tail`: its
//!   newest part, decoded
//! - `session`: presence; `on_disconnect`: what runs when it ends
//! - `event`: what listeners are told; `error`: why a database cannot be had

mod authorize;
mod by_key;
mod content;
mod database;
mod databases;
mod encode;
mod error;
pub mod event;
mod explain;
mod feed;
mod first;
mod first_children;
mod identify;
mod link;
mod listeners;
mod on_disconnect;
mod project;
mod replay;
mod request;
mod rows;
mod rules;
mod session;
mod settle;
mod snapshot;
mod state;
mod tail;
mod view;
mod window;
mod writer;

#[cfg(test)]
mod tests;

pub use database::{Database, Listener};
pub use databases::{Engine, EngineConfig, Powers};
pub use error::DatabaseError;
pub use event::{Encoder, Event, EventType, EventTypes, Packer, Position};
pub use explain::{Counted, Explained, Place};
pub use link::Link;
pub use request::{
    Answer, Arm, Condition, Current, DENIED, Known, LinkListen, LinkRead, ListenError, ListenRequest, ReadError,
    Resume, Shape, Unavailable, WriteError, WriteRequest, Written,
};
pub use session::{Attachment, Session, SessionError};

pub use crate::auth::{
    AdminKey, AuthError, Credential, Identified, Issuer, KEY_SET_BYTES_MAX, KeySet, KeyText, Keyring, KeyringError,
    Secret, Trust, act_as,
};
pub use crate::rules::{Coverage, PartResult, RuleCoverage, Rules, RulesError};
pub use crate::store::{Durability, Options as StoreOptions, Snapshot, StoreError, Tree};
