//! Snapshots for readers, on a small pool of read-only connections.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::log::newest;
use super::open::open_reader;
use super::{StoreError, Tree};

/// Connections that wait for use. More are opened when more are needed at once, and closed afterwards.
const IDLE_MAX: usize = 8;

/// Where snapshots come from. Cheap to clone; all clones share one pool.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

struct Pool {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(file: &Path) -> Self {
        Self(Arc::new(Pool { file: file.to_owned(), idle: Mutex::default() }))
    }

    /// A snapshot of what is committed now. It never waits for the writer, nor the writer for it; but the WAL cannot be
    /// reused while it lives, so it should not live long.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let pooled = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = pooled.map_or_else(|| open_reader(&self.0.file), Ok)?;
        let snapshot = Snapshot { conn: Some(conn), pool: Arc::clone(&self.0) };
        let conn = snapshot.conn();
        conn.prepare_cached("BEGIN")?.execute([])?;
        // The first read is what takes the snapshot.
        newest(conn)?;
        Ok(snapshot)
    }
}

/// What was committed when it was taken. Goes back to the pool when dropped.
pub struct Snapshot {
    conn: Option<Connection>,
    pool: Arc<Pool>,
}

impl Snapshot {
    pub fn tree(&self) -> Tree<'_> {
        Tree { conn: self.conn() }
    }

    fn conn(&self) -> &Connection {
        // Cannot fail: the connection is only taken out by drop.
        self.conn.as_ref().expect("a connection until dropped")
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if conn.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([])).is_err() {
            return;
        }
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(conn);
        }
    }
}
