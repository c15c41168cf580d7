//! The language of rules: expressions from text to a verdict. Pure.
//!
//! - `lexer`, `parser`: text into tokens into a tree of what is written
//! - `check`: that tree into `code`, with names resolved and types checked against the tables in `types`
//! - `pattern`: regular expressions
//! - `evaluate`: code and data into true, false or an error; `value`: what there is on the way
//!
//! Source: Firebase rules reference 3 to 8.

mod check;
mod code;
mod evaluate;
mod lexer;
mod parser;
mod pattern;
mod types;
mod value;

use self::check::Checker;
use self::code::{Code, Op};
pub(super) use self::evaluate::{Env, Outcome, Stop};
pub use self::evaluate::{Seen, View, ViewError};
use self::parser::Syntax;
pub(super) use self::pattern::Patterns;
use super::error::Fault;

/// What an expression is there for, which decides the variables that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    Read,
    Write,
    Validate,
}

impl RuleKind {
    /// Its name in a rules file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => ".read",
            Self::Write => ".write",
            Self::Validate => ".validate",
        }
    }
}

/// What an expression may name.
pub(super) struct Scope<'a> {
    pub kind: RuleKind,
    /// `$names`, and at which depth of the rule's place the key stands that each is bound to.
    pub bound: &'a [(String, usize)],
}

/// An expression that may be evaluated.
#[derive(Debug)]
pub(super) struct Expression {
    pub text: Box<str>,
    code: Code,
    parts: Box<[Part]>,
}

/// The bytes of the text that a part of it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub start: usize,
    pub end: usize,
    /// Whether it is a number, a string or one of the words that stand for themselves.
    is_literal: bool,
}

impl Expression {
    /// Reads and checks it.
    ///
    /// # Errors
    /// All that is wrong, at bytes of `text`: at least one.
    pub fn parse(text: &str, scope: &Scope<'_>, patterns: &mut Patterns) -> Result<Self, Vec<Fault>> {
        let syntax = Syntax::parse(text).map_err(|fault| vec![fault])?;
        let mut checker = Checker { scope, patterns, parts: Vec::new(), faults: Vec::new() };
        let code = checker.rule(&syntax);
        if checker.faults.is_empty() {
            Ok(Self { text: text.into(), code, parts: checker.parts.into() })
        } else {
            Err(checker.faults)
        }
    }

    /// Whether it is `true` and nothing else.
    pub fn is_true(&self) -> bool {
        matches!(self.code.op, Op::Bool(true))
    }

    /// Where its part of this number stands in the text.
    pub fn part(&self, number: u32) -> Part {
        let part = usize::try_from(number).ok().and_then(|number| self.parts.get(number)).copied();
        part.unwrap_or(Part { start: 0, end: self.text.len(), is_literal: false })
    }

    /// The numbers of its parts that are no literals, the whole last.
    pub fn counted_parts(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.parts).filter(|(_, part)| !part.is_literal).map(|(number, _)| number)
    }

    /// The text of a part.
    pub fn part_text(&self, Part { start, end, .. }: Part) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }
}
