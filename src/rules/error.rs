//! What is wrong with a rules file, in the words that Firebase's tools show.
//!
//! Source: Firebase rules reference 10.1.

use std::fmt;

use super::place::{Counter, Position};
use crate::base::limits::RULES_PROBLEMS_MAX;

/// Why a text is no rules: at least one problem, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub text: String,
}

/// `3:15: Unknown variable 'tr'.`, each on a line of its own.
impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|Problem { line, column, text }| writeln!(f, "{line}:{column}: {text}"))
    }
}

impl std::error::Error for RulesError {}

/// A problem at a byte of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub offset: usize,
    pub text: String,
}

impl Fault {
    pub fn new(offset: usize, text: impl Into<String>) -> Self {
        Self { offset, text: text.into() }
    }

    /// The file is not even JSON. The first two words are what tools look for.
    pub fn parse(offset: usize, detail: &str) -> Self {
        Self::new(offset, format!("Parse error. {detail}"))
    }
}

impl RulesError {
    /// The first of these faults, with their places in `source` as people count them.
    pub(super) fn new(source: &[u8], mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.offset);
        faults.truncate(RULES_PROBLEMS_MAX);
        let mut counter = Counter::new(source);
        let problem = |Fault { offset, text }| {
            let Position { line, column } = counter.position(offset);
            Problem { line, column, text }
        };
        Self { problems: faults.into_iter().map(problem).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_in_the_order_of_the_file() {
        let source = "{\n  \"é😀\": x\r\n}".as_bytes();
        let at = |offset| Fault::new(offset, "here");
        let error = RulesError::new(source, vec![at(14), at(0), at(2), at(17)]);
        assert_eq!(error.to_string(), "1:1: here\n2:1: here\n2:9: here\n3:1: here\n");
    }

    #[test]
    fn problems_beyond_the_limit_are_left_out() {
        let faults = (0..=RULES_PROBLEMS_MAX).map(|offset| Fault::new(offset, "x")).collect();
        assert_eq!(RulesError::new(&[b' '; 1_000], faults).problems.len(), RULES_PROBLEMS_MAX);
    }
}
