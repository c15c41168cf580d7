//! Why something is denied, in words that say what to do next.

use std::fmt;

use super::expression::RuleKind;
use super::place::Position;
use crate::model::Path;

/// Why something is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Which kind of rule denied it, or is missing.
    pub kind: RuleKind,
    /// Where the deciding rule is; without one, the place that was asked for.
    pub path: Path,
    /// Where that rule begins in the file.
    pub rule: Option<Position>,
    pub reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No rule of this kind on the way.
    NoRule,
    /// It is false. Of several that could have granted it, this is the deepest.
    False,
    /// It could not be evaluated, which counts as false.
    Error {
        /// Such as `type error: ...`.
        text: String,
        /// Where in the file the part stands at which it ended.
        at: Position,
    },
}

/// One English sentence.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path) = (self.kind.name(), &self.path);
        match (&self.reason, self.rule) {
            (Reason::NoRule, _) | (_, None) => {
                write!(f, "no {kind} rule covers {path}: add one there or above, which grants this")
            }
            (Reason::False, Some(rule)) => {
                let next = match self.kind {
                    RuleKind::Read | RuleKind::Write => "ask as somebody it grants this to, or change the rule",
                    RuleKind::Validate => "write data that it accepts, or change the rule",
                };
                write!(f, "the {kind} rule of {path} ({rule}) is false: {next}")
            }
            (Reason::Error { text, at }, Some(rule)) => write!(
                f,
                "the {kind} rule of {path} ({rule}) failed at {at}, which counts as false: {text}; \
                 guard this part of the rule, or send what it expects"
            ),
        }
    }
}
