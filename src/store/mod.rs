//! The path store: one SQLite file per database, its log, and what must outlive a crash.
//!
//! Writes go through one [`Writer`], in batches that are committed whole. Reads run beside it on [`Readers`], each in a
//! snapshot. Knows nothing of listeners, rules or protocols, and never reads the clock.
//!
//! - `encode`: a path as bytes whose order is Firebase key order; a scalar as an SQLite value
//! - `open`: pragmas, migrations, refusal of foreign, damaged or newer files
//! - `writer`: batches: append to the log, apply to the tree, arm onDisconnect writes
//! - `apply`: what a change does to the rows
//! - `tree`: reads within a snapshot; `scan`: the moving cursor below them; `children`: neighbours, arrays, index
//!   values
//! - `index`: the children of a node in the order of a query, kept beside the tree
//! - `readers`: the pool of snapshots
//! - `log`: the log in its table, retention; `record`: records, and what they replaced, as text
//! - `model_test`: all of it against a plain node in memory; `memory_test`: that memory does not grow with what is
//!   stored
//! - `error`: why a file could not be opened; why an operation failed

mod apply;
mod children;
mod encode;
mod error;
mod index;
mod log;
#[cfg(test)]
mod memory_test;
#[cfg(test)]
mod model_test;
mod open;
mod readers;
mod record;
mod scan;
#[cfg(test)]
mod testing;
mod tree;
mod writer;

pub use error::{OpenError, StoreError};
pub use log::LogEntry;
pub use open::{Durability, Options, open};
pub use readers::{Readers, Snapshot};
pub use record::{Row, UndoRow};
pub use tree::{Stored, Tree};
pub use writer::{Applied, Armed, Batch, Writer};
