//! Coverage: how often each part of each rule was evaluated, and to what. For those who test their rules.
//!
//! Off until it is asked for; then every evaluation is traced, which costs several times as much.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::Rules;
use super::explain::{PartResult, shown};
use super::expression::{Outcome, RuleKind};
use super::node::{Body, Rule, RuleNode};
use super::place::Position;
use crate::base::limits::{COVERAGE_PART_VALUES_MAX, COVERAGE_VALUES_MAX};

/// Every expression of a rules file, and what it came to since counting began.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// In the order of the file.
    pub rules: Vec<RuleCoverage>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleCoverage {
    pub kind: RuleKind,
    /// Its place in the file, such as `/users/$uid`.
    pub path: String,
    pub position: Position,
    pub text: String,
    /// The last one is the whole rule. Literals are left out.
    pub parts: Vec<PartCoverage>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartCoverage {
    pub position: Position,
    /// Cut off where it is long.
    pub text: String,
    /// Its length, in characters.
    pub length: usize,
    /// How often it was evaluated: 0 for one that no request has reached.
    pub count: u64,
    /// What it came to, most often first. Beyond some 10 different values they are counted, but not told.
    pub values: Vec<ValueCount>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueCount {
    #[serde(flatten)]
    pub result: PartResult,
    pub count: u64,
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    is_on: AtomicBool,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// By rule and part.
    parts: HashMap<(usize, u32), PartCount>,
    /// Different values of all parts.
    values: usize,
}

#[derive(Debug, Default)]
struct PartCount {
    count: u64,
    values: HashMap<PartResult, u64>,
}

impl Counters {
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    pub fn add(&self, rule: usize, trace: &[Outcome]) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { parts, values } = &mut *counts;
        for Outcome { part, result } in trace {
            let part = parts.entry((rule, *part)).or_default();
            part.count += 1;
            if let Some(count) = part.values.get_mut(result) {
                *count += 1;
            } else if part.values.len() < COVERAGE_PART_VALUES_MAX && *values < COVERAGE_VALUES_MAX {
                part.values.insert(result.clone(), 1);
                *values += 1;
            }
        }
    }
}

impl Rules {
    /// Begins to count what rules come to, or stops. What was counted stays.
    pub fn count_coverage(&self, is_on: bool) {
        self.counters.is_on.store(is_on, Ordering::Relaxed);
    }

    /// Whether they are counted.
    pub fn counts_coverage(&self) -> bool {
        self.counters.is_on()
    }

    /// What was counted so far, for every expression: also for those that were never asked.
    pub fn coverage(&self) -> Coverage {
        let counts = self.counters.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = Vec::new();
        collect(self.root(), &mut String::new(), &mut |path, rule| {
            rules.extend(rule_coverage(self.text(), path, rule, &counts).map(|coverage| (rule.number, coverage)));
        });
        rules.sort_by_key(|(number, _)| *number);
        Coverage { rules: rules.into_iter().map(|(_, coverage)| coverage).collect() }
    }
}

/// Hands over every rule of a node and of all below, with its place.
fn collect(node: &RuleNode, path: &mut String, found: &mut impl FnMut(&str, &Rule)) {
    let place = if path.is_empty() { "/" } else { path.as_str() };
    for rule in [&node.read, &node.write, &node.validate].into_iter().flatten() {
        found(place, rule);
    }
    let named = node.children.iter().map(|(key, node)| (key.as_str(), node));
    let any = node.wildcard.iter().map(|wildcard| (wildcard.name.as_str(), &wildcard.node));
    for (name, below) in named.chain(any) {
        let len = path.len();
        path.push('/');
        path.push_str(name);
        collect(below, path, found);
        path.truncate(len);
    }
}

/// `None` for one that is no expression.
fn rule_coverage(source: &str, path: &str, rule: &Rule, counts: &Counts) -> Option<RuleCoverage> {
    let Body::Expression(expression) = &rule.body else { return None };
    let part_coverage = |number: u32| {
        let part = expression.part(number);
        let counted = counts.parts.get(&(rule.number, number));
        let values = counted.iter().flat_map(|counted| &counted.values);
        let mut values: Vec<_> =
            values.map(|(result, count)| ValueCount { result: result.clone(), count: *count }).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.count));
        PartCoverage {
            position: rule.position_of(source, part.start),
            text: shown(expression.part_text(part)),
            length: expression.part_text(part).chars().count(),
            count: counted.map_or(0, |counted| counted.count),
            values,
        }
    };
    Some(RuleCoverage {
        kind: rule.kind,
        path: path.to_owned(),
        position: rule.position,
        text: rule.text().to_owned(),
        parts: expression.counted_parts().map(part_coverage).collect(),
    })
}
