//! The living sessions of all databases, by id: a client that comes back names its former one (`ls`), and a second
//! transport names the session that it joins (`s`).
//!
//! It holds no session alive. Source: Firebase realtime protocol 1.6, 4.7.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::long_poll::LongPolls;
use super::session::Session;

#[derive(Default)]
pub struct Registry {
    by_id: Mutex<HashMap<Arc<str>, Weak<Session>>>,
    /// Those of them that long polling carries.
    pub long_polls: LongPolls,
}

impl Registry {
    /// The session of that id, if it lives and is one of the database called `namespace`.
    pub fn find(&self, namespace: &str, id: &str) -> Option<Arc<Session>> {
        let session = self.lock().get(id)?.upgrade()?;
        (session.namespace() == namespace).then_some(session)
    }

    pub(super) fn insert(&self, id: Arc<str>, session: Weak<Session>) {
        self.lock().insert(id, session);
    }

    pub(super) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Weak<Session>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
