//! The tree of rules: what each place in a database is ruled by.
//!
//! Source: Firebase rules reference 1.2 to 1.4, 10.1.

use std::collections::HashMap;

use super::dialect::{Json, Member, Value};
use super::error::Fault;
use super::expression::{Expression, Patterns, RuleKind, Scope};
use super::place::{Counter, Position, raw_offset};
use crate::base::limits::{RULES_EXPRESSION_BYTES_MAX, RULES_INDEXES_MAX, RULES_PROBLEMS_MAX};
use crate::model::{Index, IndexRule, Key, Path, Segment};

/// The rules of one place, and of those below it.
#[derive(Debug, Default)]
pub struct RuleNode {
    pub read: Option<Rule>,
    pub write: Option<Rule>,
    pub validate: Option<Rule>,
    /// `Value` and `Child` only: the other orders need none.
    pub indexes: Vec<Index>,
    pub children: HashMap<Key, RuleNode>,
    /// Rules of all children that are not named above.
    pub wildcard: Option<Box<Wildcard>>,
    /// Whether a `.validate` here or below could refuse data.
    pub(super) validates: bool,
}

/// The rules of any child; `name` is bound to its key.
#[derive(Debug)]
pub struct Wildcard {
    /// With its `$`.
    pub name: String,
    pub node: RuleNode,
}

/// What grants or refuses.
#[derive(Debug)]
pub struct Rule {
    /// Where it begins in the file: an expression behind its quote.
    pub position: Position,
    /// The byte of that.
    pub(super) offset: usize,
    pub(super) kind: RuleKind,
    /// Its number in the file.
    pub(super) number: usize,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Constant(bool),
    Expression(Expression),
}

impl RuleNode {
    /// The rules of the child `key`: a named child hides the wildcard completely.
    pub fn child(&self, key: &Key) -> Option<&Self> {
        self.children.get(key).or_else(|| self.wildcard.as_ref().map(|wildcard| &wildcard.node))
    }

    /// The rules of the place `path` below.
    pub fn at(&self, path: &Path) -> Option<&Self> {
        path.keys().iter().try_fold(self, |node, key| node.child(key))
    }

    /// Adds the indexes of this node, whose place is `pattern`, and of all below.
    pub(super) fn collect_indexes(&self, pattern: &mut Vec<Segment>, rules: &mut Vec<IndexRule>) {
        let here = self.indexes.iter().map(|index| IndexRule { pattern: pattern.clone(), index: index.clone() });
        rules.extend(here);
        let named = self.children.iter().map(|(key, node)| (Segment::Key(key.clone()), node));
        let any = self.wildcard.iter().map(|wildcard| (Segment::Any, &wildcard.node));
        for (segment, node) in named.chain(any) {
            pattern.push(segment);
            node.collect_indexes(pattern, rules);
            pattern.pop();
        }
    }
}

impl Rule {
    /// One that is not in a file.
    pub(super) fn constant(kind: RuleKind, value: bool) -> Self {
        let position = Position { line: 1, column: 1 };
        Self { position, offset: 0, kind, number: 0, body: Body::Constant(value) }
    }

    /// Whether it says yes whatever is asked.
    pub fn is_true(&self) -> bool {
        match &self.body {
            Body::Constant(value) => *value,
            Body::Expression(expression) => expression.is_true(),
        }
    }

    /// What is written.
    pub fn text(&self) -> &str {
        match &self.body {
            Body::Constant(true) => "true",
            Body::Constant(false) => "false",
            Body::Expression(expression) => &expression.text,
        }
    }

    /// The position of a byte of its text in `source`, the file that it is from.
    pub(super) fn position_of(&self, source: &str, within: usize) -> Position {
        let mut counter = Counter::from(source.as_bytes(), self.offset, self.position);
        counter.position(raw_offset(source, self.offset, within))
    }
}

/// Makes the tree, and notes what is wrong on the way.
pub(super) struct Builder<'a> {
    pub faults: Vec<Fault>,
    source: &'a str,
    counter: Counter<'a>,
    /// Names bound by the nodes above the present one, and the depth of the key that each is bound to.
    bound: Vec<(String, usize)>,
    /// Of the present node: 0 for the root.
    depth: usize,
    indexes: usize,
    rules: usize,
    patterns: Patterns,
}

impl<'a> Builder<'a> {
    /// One for the file `source`.
    pub fn new(source: &'a str) -> Self {
        Self {
            faults: Vec::new(),
            source,
            counter: Counter::new(source.as_bytes()),
            bound: Vec::new(),
            depth: 0,
            indexes: 0,
            rules: 0,
            patterns: Patterns::default(),
        }
    }

    /// The rules of a whole file.
    pub fn file(&mut self, json: Json) -> RuleNode {
        let mut root = None;
        let members = match json.value {
            Value::Object(members) => members,
            _ => Vec::new(),
        };
        for Member { offset, name, json } in members {
            if name == "rules" {
                root = Some(self.node(json));
            } else {
                self.fault(offset, format!("Expected nothing beside the 'rules' property, found {name:?}."));
            }
        }
        root.unwrap_or_else(|| {
            self.fault(json.offset, "Expected 'rules' property.");
            RuleNode::default()
        })
    }

    fn node(&mut self, json: Json) -> RuleNode {
        let mut node = RuleNode::default();
        let Value::Object(members) = json.value else {
            self.fault(json.offset, "Expected an object.");
            return node;
        };
        for Member { offset, name, json } in members {
            match name.as_str() {
                ".read" => node.read = self.rule(RuleKind::Read, json),
                ".write" => node.write = self.rule(RuleKind::Write, json),
                ".validate" => node.validate = self.rule(RuleKind::Validate, json),
                ".indexOn" => node.indexes = self.indexes(json),
                wildcard if is_wildcard(wildcard) => self.wildcard(&mut node, offset, name, json),
                key => match Key::parse(key) {
                    Ok(key) => drop(node.children.insert(key, self.below(json))),
                    Err(_) => self.fault(offset, BAD_KEY),
                },
            }
        }
        let below = node.children.values().chain(node.wildcard.iter().map(|wildcard| &wildcard.node));
        let validates_below = below.into_iter().any(|below| below.validates);
        node.validates = validates_below || node.validate.as_ref().is_some_and(|rule| !rule.is_true());
        node
    }

    fn below(&mut self, json: Json) -> RuleNode {
        self.depth += 1;
        let node = self.node(json);
        self.depth -= 1;
        node
    }

    fn wildcard(&mut self, node: &mut RuleNode, offset: usize, name: String, json: Json) {
        if node.wildcard.is_some() {
            self.fault(offset, "Only one unbound ($) child is allowed.");
        }
        if self.bound.iter().any(|(bound, _)| *bound == name) {
            self.fault(offset, format!("Variable '{name}' is already bound."));
        }
        self.bound.push((name.clone(), self.depth));
        let below = self.below(json);
        self.bound.pop();
        node.wildcard = Some(Box::new(Wildcard { name, node: below }));
    }

    fn rule(&mut self, kind: RuleKind, json: Json) -> Option<Rule> {
        let (offset, body) = match json.value {
            Value::Bool(value) => (json.offset, Body::Constant(value)),
            Value::String(text) if text.len() <= RULES_EXPRESSION_BYTES_MAX => {
                // Behind the quote.
                let offset = json.offset + 1;
                (offset, Body::Expression(self.expression(kind, offset, &text)?))
            }
            Value::String(_) => {
                self.fault(json.offset, format!("The expression is longer than {RULES_EXPRESSION_BYTES_MAX} bytes."));
                return None;
            }
            _ => {
                self.fault(json.offset, "Expected a boolean or an expression in a string.");
                return None;
            }
        };
        let number = self.rules;
        self.rules += 1;
        Some(Rule { position: self.counter.position(offset), offset, kind, number, body })
    }

    fn expression(&mut self, kind: RuleKind, offset: usize, text: &str) -> Option<Expression> {
        let scope = Scope { kind, bound: &self.bound };
        match Expression::parse(text, &scope, &mut self.patterns) {
            Ok(expression) => Some(expression),
            Err(faults) => {
                for Fault { offset: within, text } in faults.into_iter().take(RULES_PROBLEMS_MAX) {
                    self.fault(raw_offset(self.source, offset, within), text);
                }
                None
            }
        }
    }

    fn indexes(&mut self, json: Json) -> Vec<Index> {
        let items = match json.value {
            Value::Array(items) => items,
            value => vec![Json { offset: json.offset, value }],
        };
        let mut indexes = Vec::new();
        for item in items {
            let Value::String(name) = item.value else {
                self.fault(item.offset, INVALID_INDEX);
                continue;
            };
            let index = match name.as_str() {
                ".value" => Index::Value,
                // Always there, but people write them.
                ".key" | ".priority" => continue,
                path => match Path::parse(path) {
                    Ok(path) if !path.is_root() => Index::Child(path),
                    _ => {
                        self.fault(item.offset, INVALID_INDEX);
                        continue;
                    }
                },
            };
            if !indexes.contains(&index) && self.count_index(item.offset) {
                indexes.push(index);
            }
        }
        indexes
    }

    /// Whether there may be one more. Each is looked at by every write.
    fn count_index(&mut self, offset: usize) -> bool {
        if self.indexes == RULES_INDEXES_MAX {
            self.fault(offset, format!("There are more than {RULES_INDEXES_MAX} indexes."));
            return false;
        }
        self.indexes += 1;
        true
    }

    fn fault(&mut self, offset: usize, text: impl Into<String>) {
        if self.faults.len() < RULES_PROBLEMS_MAX {
            self.faults.push(Fault::new(offset, text));
        }
    }
}

const BAD_KEY: &str = r##"Key names can't contain ".", "#", "$", "/", "[", or "]" (unbound names start with "$")"##;
const INVALID_INDEX: &str = "Invalid index.";

/// `$` and at least one letter, digit or `_`.
fn is_wildcard(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.strip_prefix('$').is_some_and(|name| !name.is_empty() && name.bytes().all(is_part))
}
