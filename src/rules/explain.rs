//! Explanations: every rule that was asked about a request, and what each part of it came to.

use serde::{Deserialize, Serialize};

use super::denial::{Denial, Reason};
use super::expression::{Outcome, RuleKind};
use super::node::{Body, Rule};
use super::place::Position;
use crate::base::limits::{EXPLAIN_PARTS_MAX, EXPLAIN_RULES_MAX};
use crate::model::{Key, Path};

/// What was decided, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub allowed: bool,
    /// One English sentence: what granted it, or what denied it and what to do about that.
    pub because: String,
    /// The rules that were asked, in that order. Of several `.validate` rules that refuse, all are here.
    pub rules: Vec<Consulted>,
    /// Whether more were asked than are told.
    pub is_cut: bool,
}

/// A rule that was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consulted {
    pub kind: RuleKind,
    /// The place where it was asked: keys in place of `$` names.
    pub path: String,
    /// Where it begins in the file.
    pub position: Position,
    pub text: String,
    /// What came of it: `true`, `false`, or the error that counts as false.
    #[serde(flatten)]
    pub result: PartResult,
    /// What its parts came to, in the order in which they were evaluated. Literals are left out, and so are parts that
    /// were not looked at.
    pub parts: Vec<ConsultedPart>,
}

/// A part of a rule that was evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsultedPart {
    pub position: Position,
    pub text: String,
    #[serde(flatten)]
    pub result: PartResult,
}

/// A value, as text for people, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartResult {
    Value(String),
    Error(String),
}

/// The rules that were asked so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    rules: Vec<Consulted>,
    is_cut: bool,
}

impl Record {
    /// Notes that `rule` of the file `source` was asked.
    pub fn add(&mut self, source: &str, rule: &Rule, place: &[Key], reason: Option<&Reason>, trace: &[Outcome]) {
        if self.is_full() {
            self.is_cut = true;
            return;
        }
        let parts = match &rule.body {
            Body::Constant(_) => Vec::new(),
            Body::Expression(expression) => {
                let told = |outcome: &Outcome| {
                    let part = expression.part(outcome.part);
                    ConsultedPart {
                        position: rule.position_of(source, part.start),
                        text: shown(expression.part_text(part)),
                        result: outcome.result.clone(),
                    }
                };
                trace.iter().take(EXPLAIN_PARTS_MAX).map(told).collect()
            }
        };
        self.is_cut |= trace.len() > EXPLAIN_PARTS_MAX;
        let result = match reason {
            None => PartResult::Value("true".to_owned()),
            Some(Reason::False | Reason::NoRule) => PartResult::Value("false".to_owned()),
            Some(Reason::Error { text, .. }) => PartResult::Error(text.clone()),
        };
        let path = Path::from_keys(place.to_vec()).to_string();
        let (position, text) = (rule.position, shown(rule.text()));
        self.rules.push(Consulted { kind: rule.kind, path, position, text, result, parts });
    }

    /// Whether no more is told.
    pub fn is_full(&self) -> bool {
        self.rules.len() == EXPLAIN_RULES_MAX
    }

    pub fn finish(self, denial: Option<&Denial>) -> Explanation {
        let because = denial.map_or_else(|| self.grant(), ToString::to_string);
        Explanation { allowed: denial.is_none(), because, rules: self.rules, is_cut: self.is_cut }
    }

    /// Why it is allowed: the rule that grants it is the last one that is no `.validate`.
    fn grant(&self) -> String {
        match self.rules.iter().rev().find(|rule| rule.kind != RuleKind::Validate) {
            Some(Consulted { kind, path, position, .. }) => {
                format!("the {} rule of {path} ({position}) grants this", kind.name())
            }
            None => "an admin is asking: rules do not hold for admins".to_owned(),
        }
    }
}

/// Text of a rule, cut off where it is long.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

const SHOWN_CHARS_MAX: usize = 200;
