//! Who may read and write: the walk along the rules to a place.
//!
//! A grant holds for all below it; a grant below never opens what is above. `.validate` is asked at every place on the
//! way and within the new value, and does not hold for others. Source: Firebase rules reference 2.

use super::Rules;
use super::denial::{Denial, Reason};
use super::explain::{Explanation, Record};
use super::expression::{Env, Outcome, RuleKind, Seen, Stop, View, ViewError};
use super::node::{Body, Rule, RuleNode};
use crate::model::{Identity, Key, Node, Path, Query, Scalar};

/// Who asks, and when: `now` is in ms, and in writes that of the write's server values.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    pub identity: &'a Identity,
    pub now: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Denied(Denial),
}

impl Rules {
    /// Whether the asker may read `path` by `query` (the default one without a query). An admin may, and no data is
    /// looked at.
    ///
    /// # Errors
    /// The data that a rule looks at cannot be read.
    ///
    /// Source: Firebase rules reference 2.2, 2.6.
    pub fn may_read(
        &self,
        asker: &Asker<'_>,
        path: &Path,
        query: &Query,
        data: &dyn View,
    ) -> Result<Verdict, ViewError> {
        Walk::for_read(self, asker, query, data, None).read(path).map(verdict)
    }

    /// Whether the asker may write at `path`: `new` is the value there after the write, `None` or empty if there is
    /// nothing then. `before` and `after` are the whole database without the write and with it. Of a write to several
    /// places each is asked for by itself, with the same `before` and `after`. An admin may, and no data is looked at.
    ///
    /// # Errors
    /// The data that a rule looks at cannot be read.
    ///
    /// Source: Firebase rules reference 2.3, 2.4.
    pub fn may_write(
        &self,
        asker: &Asker<'_>,
        path: &Path,
        new: Option<&Node>,
        before: &dyn View,
        after: &dyn View,
    ) -> Result<Verdict, ViewError> {
        Walk::for_write(self, asker, before, after, None).write(path, new).map(verdict)
    }

    /// As [`Rules::may_read`], with every rule that was asked.
    ///
    /// # Errors
    /// As there.
    pub fn explain_read(
        &self,
        asker: &Asker<'_>,
        path: &Path,
        query: &Query,
        data: &dyn View,
    ) -> Result<Explanation, ViewError> {
        let mut record = Record::default();
        let denial = Walk::for_read(self, asker, query, data, Some(&mut record)).read(path)?;
        Ok(record.finish(denial.as_ref()))
    }

    /// As [`Rules::may_write`], with every rule that was asked. It goes on after the first `.validate` that refuses.
    ///
    /// # Errors
    /// As there.
    pub fn explain_write(
        &self,
        asker: &Asker<'_>,
        path: &Path,
        new: Option<&Node>,
        before: &dyn View,
        after: &dyn View,
    ) -> Result<Explanation, ViewError> {
        let mut record = Record::default();
        let denial = Walk::for_write(self, asker, before, after, Some(&mut record)).write(path, new)?;
        Ok(record.finish(denial.as_ref()))
    }
}

fn verdict(denial: Option<Denial>) -> Verdict {
    denial.map_or(Verdict::Allowed, Verdict::Denied)
}

/// The walk of one request.
struct Walk<'a> {
    rules: &'a Rules,
    /// With the place of nothing in particular.
    env: Env<'a>,
    /// What is to be told of it.
    record: Option<&'a mut Record>,
    /// The first `.validate` that refuses.
    invalid: Option<Denial>,
}

impl<'a> Walk<'a> {
    fn for_read(
        rules: &'a Rules,
        asker: &Asker<'a>,
        query: &'a Query,
        data: &'a dyn View,
        record: Option<&'a mut Record>,
    ) -> Self {
        let Asker { identity, now } = *asker;
        let env = Env { identity, now, place: &[], query: Some(query), before: data, after: None };
        Self { rules, env, record, invalid: None }
    }

    fn for_write(
        rules: &'a Rules,
        asker: &Asker<'a>,
        before: &'a dyn View,
        after: &'a dyn View,
        record: Option<&'a mut Record>,
    ) -> Self {
        let Asker { identity, now } = *asker;
        let env = Env { identity, now, place: &[], query: None, before, after: Some(after) };
        Self { rules, env, record, invalid: None }
    }

    fn read(&mut self, path: &Path) -> Result<Option<Denial>, ViewError> {
        if self.env.identity.is_admin() { Ok(None) } else { self.grant(RuleKind::Read, path) }
    }

    fn write(&mut self, path: &Path, new: Option<&Node>) -> Result<Option<Denial>, ViewError> {
        if self.env.identity.is_admin() {
            return Ok(None);
        }
        let denial = self.grant(RuleKind::Write, path)?;
        if denial.is_some() || !self.rules.root().validates {
            return Ok(denial);
        }
        self.validate(path, new.filter(|new| !new.is_empty()))?;
        Ok(self.invalid.take())
    }

    /// Looks for a rule that grants reading or writing, from the root to `path`. Gives the denial if there is none.
    fn grant(&mut self, kind: RuleKind, path: &Path) -> Result<Option<Denial>, ViewError> {
        let mut denial = None;
        let mut node = Some(self.rules.root());
        for depth in 0..=path.len() {
            let Some(here) = node else { break };
            let place = path.keys().get(..depth).unwrap_or_default();
            let rule = if kind == RuleKind::Read { &here.read } else { &here.write };
            if let Some(rule) = rule {
                match self.ask(rule, place)? {
                    None => return Ok(None),
                    Some(reason) => denial = Some((depth, rule, reason)),
                }
            }
            node = path.keys().get(depth).and_then(|key| here.child(key));
        }
        Ok(Some(match denial {
            Some((depth, rule, reason)) => denied(rule, path.keys().get(..depth).unwrap_or_default(), reason),
            None => Denial { kind, path: path.clone(), rule: None, reason: Reason::NoRule },
        }))
    }

    /// Asks every `.validate` on the way to `path` and within `new`, where there is data after the write; until one
    /// refuses, unless all are to be told.
    fn validate(&mut self, path: &Path, new: Option<&Node>) -> Result<(), ViewError> {
        let mut node = self.rules.root();
        for (depth, key) in path.keys().iter().enumerate() {
            let place = path.keys().get(..depth).unwrap_or_default();
            if self.is_refusing(node)
                // Above what exists, all exists.
                && (new.is_some() || self.exists(place)?)
            {
                self.ask_validate(node, place)?;
            }
            match node.child(key) {
                Some(child) if child.validates && !self.is_decided() => node = child,
                _ => return Ok(()),
            }
        }
        match new {
            Some(new) => self.validate_within(node, &mut path.keys().to_vec(), new),
            None => Ok(()),
        }
    }

    /// Asks every `.validate` of `node` and below that has data in `new`, which stands at `place`.
    fn validate_within(&mut self, node: &RuleNode, place: &mut Vec<Key>, new: &Node) -> Result<(), ViewError> {
        if self.is_refusing(node) {
            self.ask_validate(node, place)?;
        }
        for (key, child) in new.children() {
            if self.is_decided() {
                break;
            }
            let Some(below) = node.child(key).filter(|below| below.validates) else { continue };
            place.push(key.clone());
            self.validate_within(below, place, child)?;
            place.pop();
        }
        Ok(())
    }

    /// Whether its `.validate` could refuse something.
    fn is_refusing(&self, node: &RuleNode) -> bool {
        !self.is_decided() && node.validate.as_ref().is_some_and(|rule| !rule.is_true())
    }

    /// Whether nothing more needs to be asked.
    fn is_decided(&self) -> bool {
        self.invalid.is_some() && self.record.as_ref().is_none_or(|record| record.is_full())
    }

    /// Whether there is data at a place after the write.
    fn exists(&self, place: &[Key]) -> Result<bool, ViewError> {
        let after = self.env.after.unwrap_or(self.env.before);
        Ok(after.look(&Path::from_keys(place.to_vec()))? != Seen::Absent)
    }

    fn ask_validate(&mut self, node: &RuleNode, place: &[Key]) -> Result<(), ViewError> {
        if let Some(rule) = &node.validate
            && let Some(reason) = self.ask(rule, place)?
        {
            self.invalid.get_or_insert_with(|| denied(rule, place, reason));
        }
        Ok(())
    }

    /// Evaluates a rule at a place; gives why it is not true.
    fn ask(&mut self, rule: &Rule, place: &[Key]) -> Result<Option<Reason>, ViewError> {
        let is_counted = self.rules.counters.is_on();
        if self.record.is_none() && !is_counted {
            return self.evaluate(rule, place, None);
        }
        let mut trace = Vec::new();
        let reason = self.evaluate(rule, place, Some(&mut trace))?;
        if is_counted {
            self.rules.counters.add(rule.number, &trace);
        }
        if let Some(record) = &mut self.record {
            record.add(self.rules.text(), rule, place, reason.as_ref(), &trace);
        }
        Ok(reason)
    }

    fn evaluate(
        &self,
        rule: &Rule,
        place: &[Key],
        trace: Option<&mut Vec<Outcome>>,
    ) -> Result<Option<Reason>, ViewError> {
        let expression = match &rule.body {
            Body::Constant(true) => return Ok(None),
            Body::Constant(false) => return Ok(Some(Reason::False)),
            Body::Expression(expression) => expression,
        };
        match expression.evaluate(Env { place, ..self.env }, trace) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(Reason::False)),
            Err(Stop::View(error)) => Err(error),
            Err(Stop::Error(error)) => {
                let at = rule.position_of(self.rules.text(), expression.part(error.part).start);
                Ok(Some(Reason::Error { text: error.text, at }))
            }
        }
    }
}

fn denied(rule: &Rule, place: &[Key], reason: Reason) -> Denial {
    Denial { kind: rule.kind, path: Path::from_keys(place.to_vec()), rule: Some(rule.position), reason }
}

/// A whole database in memory, such as that of a test case.
impl View for Node {
    fn look(&self, path: &Path) -> Result<Seen, ViewError> {
        Ok(match self.at(path) {
            None | Some(Self::Empty) => Seen::Absent,
            Some(Self::Leaf { value, .. }) => Seen::Leaf(value.clone()),
            Some(Self::Inner(_)) => Seen::Branch,
        })
    }

    fn priority(&self, path: &Path) -> Result<Option<Scalar>, ViewError> {
        Ok(self.at(path).and_then(Self::priority).cloned())
    }
}
