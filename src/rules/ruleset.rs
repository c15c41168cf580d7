//! The rules of one database: their text as it was uploaded, and what it means.
//!
//! Source: Firebase rules reference 1, 10; REST reference 6.6, 10.1.

use super::coverage::Counters;
use super::dialect::Json;
use super::error::{Fault, RulesError};
use super::expression::RuleKind;
use super::node::{Builder, Rule, RuleNode};
use crate::base::limits::RULES_BYTES_MAX;
use crate::model::{Index, IndexRule, Path};

/// Rules that have been checked.
#[derive(Debug)]
pub struct Rules {
    text: String,
    root: RuleNode,
    pub(super) counters: Counters,
}

/// The same text means the same.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Rules {
    /// Reads a rules file: JSON with comments, at most 1 MB.
    ///
    /// # Errors
    /// All that is wrong with it, up to 100 problems; if it is no JSON, the first that is wrong.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let error = |faults| RulesError::new(text.as_bytes(), faults);
        if text.len() > RULES_BYTES_MAX {
            return Err(error(vec![Fault::new(0, format!("The rules are longer than {RULES_BYTES_MAX} bytes."))]));
        }
        let json = Json::parse(text).map_err(|fault| error(vec![fault]))?;
        let mut builder = Builder::new(text);
        let root = builder.file(json);
        if builder.faults.is_empty() { Ok(Self::new(text.to_owned(), root)) } else { Err(error(builder.faults)) }
    }

    /// As [`Rules::parse`], for what may not even be text.
    ///
    /// # Errors
    /// As there.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, RulesError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(error) => {
                let fault = Fault::parse(error.valid_up_to(), "This byte is not UTF-8.");
                Err(RulesError::new(bytes, vec![fault]))
            }
        }
    }

    /// Those of a database that nobody has given rules: everything is allowed.
    pub fn open() -> Self {
        Self::constant(true)
    }

    /// Those that deny everything: for a database whose rules cannot be told.
    pub fn closed() -> Self {
        Self::constant(false)
    }

    fn constant(value: bool) -> Self {
        let rule = |kind| Some(Rule::constant(kind, value));
        let root = RuleNode { read: rule(RuleKind::Read), write: rule(RuleKind::Write), ..RuleNode::default() };
        Self::new(format!(r#"{{"rules":{{".read":{value},".write":{value}}}}}"#), root)
    }

    fn new(text: String, root: RuleNode) -> Self {
        Self { text, root, counters: Counters::default() }
    }

    /// The text as it was uploaded, comments included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same rules as plain JSON.
    pub fn strict_text(&self) -> String {
        let mut out = String::new();
        if let Ok(json) = Json::parse(&self.text) {
            json.write_strict(&mut out);
        }
        out
    }

    /// Whether they allow everything to everyone.
    pub fn is_open(&self) -> bool {
        let is_true = |rule: &Option<Rule>| rule.as_ref().is_some_and(Rule::is_true);
        is_true(&self.root.read) && is_true(&self.root.write) && !self.root.validates
    }

    /// The rules of the root.
    pub fn root(&self) -> &RuleNode {
        &self.root
    }

    /// Whether the children of `path` may be asked for in this order: by key and by priority always, else where
    /// `.indexOn` at exactly this place names it.
    pub fn is_indexed(&self, path: &Path, index: &Index) -> bool {
        match index {
            Index::Key | Index::Priority => true,
            Index::Value | Index::Child(_) => self.root.at(path).is_some_and(|node| node.indexes.contains(index)),
        }
    }

    /// All indexes that are asked for, in no particular order. A pattern may cover places that a named sibling hides.
    pub fn index_rules(&self) -> Vec<IndexRule> {
        let mut rules = Vec::new();
        self.root.collect_indexes(&mut Vec::new(), &mut rules);
        rules
    }
}

#[cfg(test)]
mod tests;
