//! Rules: what a database's rules file says, and which indexes it asks for.
//!
//! Expressions (`.read`, `.write`, `.validate`) are kept with their places in the file and not judged here yet; nothing
//! is refused by them. Knows nothing of storage, listeners or protocols. Source: Firebase rules reference
//! (`spec/firebase-rules.md`) 1, 10.
//!
//! - `dialect`: JSON as rules files have it, with comments and places
//! - `node`: the tree of rules that such JSON means
//! - `ruleset`: the rules of one database
//! - `error`: what is wrong with a file, and where

mod dialect;
mod error;
pub mod node;
mod ruleset;

pub use error::{Problem, RulesError};
pub use ruleset::Rules;
