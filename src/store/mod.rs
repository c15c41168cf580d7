//! The path store: one SQLite file per database, its log, and what must outlive a crash.
//!
//! Writes go through one [`Writer`], in batches that are committed whole. Reads run beside it on [`Readers`], each in a
//! snapshot. Knows nothing of listeners, rules or protocols, and never reads the clock.
//!
//! - `encode`: a path as bytes whose order is Firebase key order; a scalar as an SQLite value
//! - `open`: pragmas, migrations, refusal of damaged or newer files
//! - `writer`: batches: append to the log, apply to the tree, arm onDisconnect writes
//! - `tree`: reads within a snapshot; `readers`: the pool
//! - `log`: records as text, what they replaced, retention
