//! Index rows: the children of a node in the order of a query, so that a window costs what it holds.
//!
//! An index that the rules ask for covers every node that its pattern names; all children of such a node have an entry
//! each, also those that have no value there, so any window is a range of entries. The order by priority needs no rule:
//! a node has entries by priority from when one of its children first gets a priority; a node that has none is in key
//! order. Entries are made from the tree and hold nothing else: neither the log nor its undo rows know them.
//!
//! - `entry`: the key of an entry, which is all there is to it
//! - `spec`: which indexes there are
//! - `upkeep`: a change to the tree, and what it does to entries
//! - `priority`: when a node comes to have entries by priority
//! - `build`: entries of new indexes, and the end of old ones, bit by bit
//! - `rows`: entries in their table; `ordered`: reading children in order
//! - `check`: what entries have to be, for tests

pub mod build;
#[cfg(test)]
pub mod check;
mod entry;
mod ordered;
pub mod priority;
mod rows;
pub mod spec;
#[cfg(test)]
mod tests;
pub mod upkeep;

pub use spec::Indexes;
