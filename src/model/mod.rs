//! What data is: values without IO, clock or async.
//!
//! Source of the rules: Firebase realtime protocol and REST references (keys, order, hashes, export format).
//! Knows nothing of storage, listeners or wire protocols.
//!
//! - `key`, `path`: names of places and their limits; Firebase key order
//! - `scalar`, `node`: values; a node is empty, a leaf or an inner node
//! - `json`: JSON text into values and back, plain and export format
//! - `query`, `order`: which children, in which order; `index_rule`: which orders are kept beside the tree
//! - `change`: writes as asked, and records as settled
//! - `server_value`: `.sv` placeholders and how they are settled
//! - `identity`: who asks
//! - `hash`: the node hash, which is the `ETag`; `compound_hash`: which parts of a client's copy are out of date
//! - `walk`: a tree as a sequence of steps, from which text, hashes and nodes are made
//! - `push_id`: keys that sort by creation time

#[cfg(test)]
pub(crate) mod arbitrary;
pub mod change;
pub mod compound_hash;
pub mod hash;
pub mod identity;
pub mod index_rule;
pub mod json;
pub mod key;
pub mod node;
pub mod order;
pub mod path;
pub mod push_id;
pub mod query;
pub mod scalar;
pub mod server_value;
pub mod walk;

pub use change::{Change, Draft, Record, Value, Write, WriteOp};
pub use compound_hash::{CompoundHash, RangeMerge};
pub use identity::Identity;
pub use index_rule::{IndexRule, Segment};
pub use json::{DataError, Format};
pub use key::Key;
pub use node::Node;
pub use path::Path;
pub use query::{Bound, BoundKey, Index, Limit, Query, QueryError};
pub use scalar::Scalar;
pub use server_value::{Placeholder, ServerValue, Slot};
