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

    /// A snapshot of what is committed when it is first read from. It never waits for the writer, nor the writer for
    /// it; but the WAL cannot be reused while it lives, so it should not live long.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let pooled = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = pooled.map_or_else(|| open_reader(&self.0.file), Ok)?;
        let snapshot = Snapshot { conn: Some(conn), pool: Arc::clone(&self.0) };
        snapshot.conn().prepare_cached("BEGIN")?.execute([])?;
        Ok(snapshot)
    }

    /// Closes the connections that wait for use. The last connection to a file, closed, leaves it whole and without a
    /// WAL.
    pub fn close_idle(&self) {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What was committed when it was taken. Goes back to the pool when dropped.
pub struct Snapshot {
    conn: Option<Connection>,
    pool: Arc<Pool>,
}

impl Snapshot {
    /// The same, of what is committed now, for one that is read from later.
    pub fn pinned(self) -> Result<Self, StoreError> {
        newest(self.conn())?;
        Ok(self)
    }

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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::testing::{Temp, node, path};
    use super::super::{Batch, Writer};
    use super::*;
    use crate::model::Path as TreePath;

    #[test]
    fn snapshots_can_be_taken_and_used_by_any_thread() {
        fn check<T: Send>() {}
        fn check_shared<T: Send + Sync + Clone>() {}
        check::<Writer>();
        check::<Snapshot>();
        check_shared::<Readers>();
    }

    #[test]
    fn snapshot_shows_what_was_committed_when_it_was_taken() {
        let mut temp = Temp::new();
        temp.write(&[("/a", "1")]);
        let pinned = |temp: &Temp| temp.readers.snapshot().unwrap().pinned().unwrap();
        let first = pinned(&temp);
        temp.write(&[("/a", "2")]);
        let second = pinned(&temp);
        let batch: Batch<'_> = temp.writer.begin().unwrap();
        let third = temp.readers.snapshot().unwrap().pinned().unwrap();
        drop(batch);
        let seen = |snapshot: &Snapshot| (snapshot.tree().seq().unwrap(), snapshot.tree().node(&path("/a")).unwrap());
        assert_eq!(seen(&first), (1, node("1")));
        assert_eq!(seen(&second), (2, node("2")));
        assert_eq!(seen(&third), (2, node("2")));
        drop(first);
        assert_eq!(seen(&temp.readers.snapshot().unwrap()), (2, node("2")));
    }

    #[test]
    fn pool_keeps_a_bounded_number_of_connections() {
        let temp = Temp::new();
        let many: Vec<Snapshot> = (0..20).map(|_| temp.readers.snapshot().unwrap()).collect();
        drop(many);
        assert_eq!(temp.readers.0.idle.lock().unwrap().len(), IDLE_MAX);
    }

    #[test]
    fn records_are_seen_whole_by_readers_beside_the_writer() {
        let mut temp = Temp::new();
        temp.write(&[("/a", "0"), ("/b", "0")]);
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let readers = temp.readers.clone();
                thread::spawn(move || {
                    let mut last = 0;
                    while last < 300 {
                        let snapshot = readers.snapshot().unwrap();
                        let tree = snapshot.tree();
                        let (seq, a) = (tree.seq().unwrap(), tree.value(&path("/a")).unwrap());
                        assert!(seq >= last, "never a step back");
                        assert_eq!(a, Some(crate::model::Scalar::Int(seq.cast_signed() - 1)));
                        assert_eq!(tree.value(&path("/b")).unwrap(), a);
                        assert_eq!(tree.rows(&TreePath::root(), 10).unwrap(), 2);
                        last = seq;
                    }
                })
            })
            .collect();
        for value in 1..300 {
            temp.write(&[("/a", &value.to_string()), ("/b", &value.to_string())]);
        }
        for reader in readers {
            reader.join().unwrap();
        }
    }
}
