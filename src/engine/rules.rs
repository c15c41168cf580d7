//! The rules of a database, as everybody who reads them sees them: those that were last put on disk.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::oneshot;

use super::authorize::Judge;
use super::database::Database;
use super::request::Unavailable;
use super::writer::Command;
use crate::model::{Identity, Index, Path, Query};
use crate::rules::Rules;
use crate::store::{self, Snapshot, StoreError};

/// The rules in force, shared by the front of a database and its writer.
#[derive(Clone)]
pub(super) struct InForce(Arc<RwLock<Arc<Rules>>>);

impl InForce {
    /// What the file holds; `default` where none were ever set.
    pub fn load(store: &store::Writer, default: &Arc<Rules>) -> Result<Self, StoreError> {
        let rules = match store.rules_text()?.map(|text| Rules::parse(&text)) {
            None => Arc::clone(default),
            Some(Ok(rules)) => Arc::new(rules),
            // They were valid when they were stored, by a server that knew other rules.
            Some(Err(error)) => {
                tracing::error!(
                    %error,
                    "the stored rules cannot be read: set them again. Until then only administrators get in"
                );
                Arc::new(Rules::closed())
            }
        };
        Ok(Self(Arc::new(RwLock::new(rules))))
    }

    pub fn get(&self) -> Arc<Rules> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts rules in force. They are counted where the former ones were.
    pub fn set(&self, rules: Arc<Rules>) {
        let mut in_force = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *in_force = if in_force.counts_coverage() { counted(&rules) } else { rules };
    }

    /// Counts from now on what rules come to; says whether they were not counted before.
    pub fn count(&self) -> bool {
        let mut in_force = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let begins = !in_force.counts_coverage();
        if begins {
            *in_force = counted(&in_force);
        }
        begins
    }
}

/// The same rules, counted for one database alone: others may share them.
fn counted(rules: &Arc<Rules>) -> Arc<Rules> {
    let own = Rules::parse(rules.text()).map_or_else(|_| Arc::clone(rules), Arc::new);
    own.count_coverage(true);
    own
}

impl Database {
    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.in_force.get()
    }

    /// Puts rules in force, and waits until they are on disk. Indexes that they ask for are built afterwards, beside
    /// the writes; until one is ready its queries pass over all children.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn set_rules(&self, rules: Arc<Rules>) -> Result<(), Unavailable> {
        let (reply, done) = oneshot::channel();
        self.send(Command::SetRules { rules, reply }).await?;
        done.await.map_err(|_| Unavailable)
    }

    /// Whether `who` may read what `query` selects of the children of `path`, as `snapshot` shows it.
    pub fn may_read(
        &self,
        snapshot: &Snapshot,
        who: &Identity,
        path: &Path,
        query: &Query,
    ) -> Result<bool, StoreError> {
        Judge { rules: self.rules(), now: self.now() }.may_read(&snapshot.tree(), who, path, query)
    }

    /// Whether the rules allow for a query on the children of `path` in this order: see [`Rules::is_indexed`].
    pub fn is_indexed(&self, path: &Path, index: &Index) -> bool {
        self.rules().is_indexed(path, index)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{engine, path, run, set};
    use super::*;
    use crate::model::order::IndexValue;
    use crate::model::{Format, Limit, Query, Scalar};

    const RULES: &str = r#"{"rules":{".read":true,".write":true,"list":{".indexOn":"n"}}} // mine"#;

    fn window(database: &Database) -> String {
        let index = Index::Child(path("/n"));
        let query = Query { index, limit: Some(Limit::Last(2)), ..Query::default() };
        let snapshot = database.snapshot().unwrap();
        database.window(&snapshot, &path("/list"), &query).unwrap().to_json(Format::Plain)
    }

    #[test]
    fn rules_survive_a_restart_and_their_index_serves_queries() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let before = engine(&directory, Duration::ZERO);
            let database = before.database("test").await.unwrap();
            let children: Vec<String> = (0..9_000).map(|n| format!("\"k{n}\":{{\"n\":{n}}}")).collect();
            set(&database, "/list", &format!("{{{}}}", children.join(","))).await;
            assert!(database.rules().is_open());
            database.set_rules(Arc::new(Rules::parse(RULES).unwrap())).await.unwrap();
            assert!(database.is_indexed(&path("/list"), &Index::Child(path("/n"))));
            // Also while it is being built.
            assert_eq!(window(&database), r#"{"k8998":{"n":8998},"k8999":{"n":8999}}"#);
            before.shutdown().await;

            let after = engine(&directory, Duration::ZERO);
            let database = after.database("test").await.unwrap();
            assert_eq!(database.rules().text(), RULES);
            let index = Index::Child(path("/n"));
            // Cannot wait for an event: nobody is told when an index is ready. It takes a few chunks.
            while !database.snapshot().unwrap().tree().is_ordered(&path("/list"), &index).unwrap() {
                tokio::task::yield_now().await;
            }
            set(&database, "/list/k5", r#"{"n":1e9}"#).await;
            assert_eq!(window(&database), r#"{"k5":{"n":1000000000},"k8999":{"n":8999}}"#);
            let mut places = Vec::new();
            let query = Query { index, limit: Some(Limit::Last(1)), ..Query::default() };
            let visit = &mut |place: crate::model::order::Place| {
                places.push(place.value);
                std::ops::ControlFlow::Break(())
            };
            let told = database.snapshot().unwrap().tree().ordered(&path("/list"), &query, visit);
            assert!(told.unwrap());
            assert_eq!(places, [IndexValue::Scalar(Scalar::Int(1_000_000_000))]);
            after.shutdown().await;
        });
    }
}
