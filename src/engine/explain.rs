//! Why something may be done or not: what the rules say of a request that is not made, and what they said of all that
//! were.
//!
//! Source: Firebase REST reference 10.6.

use serde::{Deserialize, Serialize};

use super::authorize::{After, Before, new_value, store_error};
use super::database::Database;
use super::settle::settle_one;
use crate::base::Millis;
use crate::model::{Change, Identity, Path, Query, Write, WriteOp};
use crate::rules::{Asker, Consulted, Coverage, Explanation, PartResult, Position, RuleKind};
use crate::store::{Snapshot, StoreError};

/// What the rules say of a request, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Whether all of it is allowed.
    pub allowed: bool,
    /// One English sentence: of the first place that is denied, else of the first.
    pub because: String,
    /// One for a read, and for a write each place that it writes, in the order in which they are judged.
    pub places: Vec<Place>,
}

/// What the rules say of one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub path: String,
    /// Where the rule begins that decided; `None` if there is none, or if an administrator asks.
    pub decided_by: Option<Position>,
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// What rules came to since counting began.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// The rules file.
    pub source: String,
    pub coverage: Coverage,
    /// Whether counting began only now.
    pub begins: bool,
}

impl Database {
    /// What the rules say if `who` reads at the time `now` what `query` selects of the children of `path`.
    pub fn explain_read(
        &self,
        snapshot: &Snapshot,
        who: &Identity,
        now: Millis,
        path: &Path,
        query: &Query,
    ) -> Result<Explained, StoreError> {
        let explanation =
            self.rules().explain_read(&Asker { identity: who, now }, path, query, &Before(&snapshot.tree()));
        Ok(Explained::of(vec![Place::new(path, explanation.map_err(store_error)?)]))
    }

    /// What the rules say if `who` writes this at the time `now`. Nothing is written.
    pub fn explain_write(
        &self,
        snapshot: &Snapshot,
        who: &Identity,
        now: Millis,
        write: Write,
    ) -> Result<Explained, StoreError> {
        let tree = &snapshot.tree();
        let drafts = match write.op {
            WriteOp::Set(draft) => vec![(Path::root(), draft)],
            WriteOp::Update(drafts) => drafts,
        };
        let drafts = drafts.into_iter().map(|(below, draft)| (write.path.join(&below), draft));
        let changes: Vec<Change> =
            drafts.map(|(path, draft)| settle_one(tree, path, draft, now)).collect::<Result<_, _>>()?;
        let (rules, asker) = (self.rules(), Asker { identity: who, now });
        let after = After { tree, changes: &changes };
        let places = changes.iter().map(|change| {
            let new = new_value(tree, change)?;
            let new = (!new.is_empty()).then_some(&*new);
            let explanation = rules.explain_write(&asker, &change.path, new, &Before(tree), &after);
            Ok(Place::new(&change.path, explanation.map_err(store_error)?))
        });
        places.collect::<Result<_, StoreError>>().map(Explained::of)
    }

    /// What the rules in force came to since they were set, or since this was first asked for: from then on it is
    /// counted, also for rules that are set later.
    pub fn coverage(&self) -> Counted {
        let begins = self.in_force.count();
        let rules = self.rules();
        Counted { source: rules.text().to_owned(), coverage: rules.coverage(), begins }
    }
}

impl Explained {
    fn of(places: Vec<Place>) -> Self {
        let deciding = places.iter().find(|place| !place.explanation.allowed).or(places.first());
        let (allowed, because) = match deciding {
            Some(place) => (place.explanation.allowed, place.explanation.because.clone()),
            None => (true, "nothing is written".to_owned()),
        };
        Self { allowed, because, places }
    }

    /// Where the rule begins that decided.
    pub fn decided_by(&self) -> Option<Position> {
        self.places.iter().find(|place| !place.explanation.allowed).or(self.places.first())?.decided_by
    }
}

impl Place {
    fn new(path: &Path, explanation: Explanation) -> Self {
        Self { path: path.to_string(), decided_by: decided_by(&explanation), explanation }
    }
}

/// The first `.validate` that refuses; else the last rule that could grant.
fn decided_by(explanation: &Explanation) -> Option<Position> {
    let refuses = |rule: &&Consulted| rule.kind == RuleKind::Validate && rule.result != is_true();
    let refusing = explanation.rules.iter().find(refuses).filter(|_| !explanation.allowed);
    let last = || explanation.rules.iter().rfind(|rule| rule.kind != RuleKind::Validate);
    refusing.or_else(last).map(|rule| rule.position)
}

fn is_true() -> PartResult {
    PartResult::Value("true".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use super::super::tests::{engine, path, run, set};
    use super::*;
    use crate::model::Draft;
    use crate::model::json::parse_update;
    use crate::rules::Rules;

    const RULES: &str = r#"{"rules": {
        ".read": "auth.uid == 'ann'",
        "a": {".write": "now < 5", ".validate": "newData.isNumber()"},
        "n": {".write": "newData.val() == data.val() + 1"}
    }}"#;

    #[test]
    fn explanation_settles_server_values_and_tells_each_place() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let engine = engine(&directory, Duration::ZERO);
            let database = engine.database("test").await.unwrap();
            set(&database, "/n", "6").await;
            database.set_rules(Arc::new(Rules::parse(RULES).unwrap())).await.unwrap();
            let snapshot = database.snapshot().unwrap();
            let update = br#"{"n":{".sv":{"increment":1}},"a":{".sv":"timestamp"}}"#;
            let write = Write { path: Path::root(), op: WriteOp::Update(parse_update(update, 0).unwrap().unwrap()) };
            let explain = |now| database.explain_write(&snapshot, &Identity::Nobody, now, write.clone()).unwrap();
            let told = explain(4);
            assert!(told.allowed, "{told:?}");
            let places: Vec<_> = told.places.iter().map(|place| place.path.as_str()).collect();
            assert_eq!(places, ["/a", "/n"]);
            let told = explain(5);
            assert!(!told.allowed && !told.places[0].explanation.allowed && told.places[1].explanation.allowed);
            assert_eq!(told.decided_by(), Some(Position { line: 3, column: 26 }));
            assert!(told.because.starts_with("the .write rule of /a (line 3, column 26) is false"), "{}", told.because);
            let write = Write { path: path("/a"), op: WriteOp::Set(Draft::parse(b"\"x\"", 1).unwrap()) };
            let told = database.explain_write(&snapshot, &Identity::Nobody, 4, write).unwrap();
            assert_eq!(told.decided_by(), Some(Position { line: 3, column: 50 }), "{told:?}");
            let none = Write { path: path("/a"), op: WriteOp::Update(Vec::new()) };
            assert!(database.explain_write(&snapshot, &Identity::Nobody, 4, none).unwrap().allowed);

            let ann = Identity::of(json!({"uid": "ann"}));
            let read = |who| database.explain_read(&snapshot, who, 0, &path("/a"), &Query::default()).unwrap();
            assert!(read(&ann).allowed && !read(&Identity::Nobody).allowed);
            assert_eq!(read(&Identity::Admin).decided_by(), None);
            drop(snapshot);
            engine.shutdown().await;
        });
    }

    #[test]
    fn coverage_counts_from_the_first_question_on_and_across_new_rules() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let engine = engine(&directory, Duration::ZERO);
            let database = engine.database("test").await.unwrap();
            let other = engine.database("other").await.unwrap();
            let rules = Arc::new(Rules::parse(RULES).unwrap());
            engine.set_file_rules(Arc::clone(&rules)).await.unwrap();
            let counts = |database: &Database| {
                let counted = database.coverage();
                let parts = counted.coverage.rules.iter().flat_map(|rule| &rule.parts);
                (counted.begins, parts.map(|part| part.count).sum::<u64>())
            };
            let read = |database: &Database| {
                let snapshot = database.snapshot().unwrap();
                database.may_read(&snapshot, &Identity::Nobody, &path("/a"), &Query::default()).unwrap()
            };
            assert!(!read(&database));
            assert_eq!(counts(&database), (true, 0));
            read(&database);
            assert_eq!(counts(&database), (false, 3));
            read(&other);
            assert_eq!(counts(&database), (false, 3), "other databases are not counted, although the rules are one");
            assert_eq!(counts(&other), (true, 0));
            engine.set_file_rules(rules).await.unwrap();
            assert_eq!(counts(&database), (false, 0), "since the rules were set");
            read(&database);
            assert_eq!(counts(&database), (false, 3));
            engine.shutdown().await;
        });
    }
}
