//! Rules asked as the engine asks them: the vectors of the reference, and more.

mod hostile;
mod meaning;
mod problems;
mod vector_lines;
mod vectors;
mod why;

use super::*;
use crate::model::{Draft, Identity, Node, Path, Query, Value};

/// A database, and what it is asked.
struct Case {
    rules: Rules,
    identity: Identity,
    now: i64,
    before: Node,
}

impl Case {
    /// With the members of `rules`, such as `{".read":true}`.
    fn new(rules: &str, data: &str, auth: &str) -> Self {
        let text = format!("{{\"rules\":{rules}}}");
        let rules = Rules::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let identity = Identity::of(serde_json::from_str(auth).unwrap());
        Self { rules, identity, now: 1_000_000, before: node(data, 0) }
    }

    fn asker(&self) -> Asker<'_> {
        Asker { identity: &self.identity, now: self.now }
    }

    fn read(&self, at: &str, query: &Query) -> Verdict {
        self.rules.may_read(&self.asker(), &path(at), query, &self.before).unwrap()
    }

    /// Writes all of these values at once.
    fn write(&self, writes: &[(&str, Node)]) -> Verdict {
        let mut after = self.before.clone();
        for (at, new) in writes {
            after.set(path(at).keys(), new.clone());
        }
        let mut verdicts = writes
            .iter()
            .map(|(at, new)| self.rules.may_write(&self.asker(), &path(at), Some(new), &self.before, &after).unwrap());
        verdicts.find(|verdict| *verdict != Verdict::Allowed).unwrap_or(Verdict::Allowed)
    }
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

/// Data as a client writes it; timestamps are `now`.
fn node(text: &str, now: i64) -> Node {
    let draft = Draft::parse(text.as_bytes(), 0).unwrap_or_else(|error| panic!("{text}: {error}"));
    match draft.settle(|_, _| None, now) {
        Value::Node(node) => node,
        Value::Priority(_) => panic!("{text}"),
    }
}
