//! Rules: what a database's rules file says: who may read and write what, and which indexes there are. Pure.
//!
//! A rules file is parsed and checked once; then it answers who may do what, from data that it is shown. Knows nothing
//! of storage, listeners or protocols. Source: Firebase rules reference (`spec/firebase-rules.md`) 1 to 8, 10.
//!
//! - `dialect`: JSON as rules files have it, with comments and places
//! - `node`: the tree of rules that such JSON means
//! - `expression`: the language of `.read`, `.write` and `.validate`
//! - `ruleset`: the rules of one database
//! - `access`: who may read and write; `denial`, `explain`: why; `coverage`: what rules came to, in all
//! - `error`: what is wrong with a file; `place`: where

mod access;
mod coverage;
mod denial;
mod dialect;
mod error;
mod explain;
mod expression;
pub mod node;
mod place;
mod ruleset;

pub use access::{Asker, Verdict};
pub use coverage::{Coverage, PartCoverage, RuleCoverage, ValueCount};
pub use denial::{Denial, Reason};
pub use error::{Problem, RulesError};
pub use explain::{Consulted, ConsultedPart, Explanation, PartResult};
pub use expression::{RuleKind, Seen, View, ViewError};
pub use place::Position;
pub use ruleset::Rules;

#[cfg(test)]
mod tests;
