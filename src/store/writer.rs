//! The one writer of a database file.
//!
//! Records come in batches; a batch is committed whole and is on disk then, or it leaves no trace. The record, the rows
//! it changes and the onDisconnect writes it arms share the transaction.

use std::fs::{self, File};
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::index::{Indexes, build, spec, upkeep};
use super::log::{self, Newest};
use super::open::{LOCK_WAIT, beside};
use super::record::{Undo, parse_path};
use super::{Options, StoreError, Tree};
use crate::base::Millis;
use crate::model::{IndexRule, Path, Record};

/// Records after which a commit trims the log, and how many it drops at most. It drops more than come in, so that a
/// limit that was lowered is reached in time, and the work per commit stays small.
const TRIM_EVERY_RECORDS: u64 = 128;
const TRIM_RECORDS_MAX: u32 = 512;
/// A share of the log's bytes after which a commit trims as well: large records must not wait for their number.
const TRIM_EVERY_SHARE: u64 = 8;
/// Bytes of WAL from which on an idle database is checkpointed and its WAL cut: 1,000 pages and their headers.
const IDLE_WAL_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// Appends records and applies them.
pub struct Writer {
    conn: Connection,
    /// Held, never read: whoever has it open is the writer.
    _lock: File,
    wal: PathBuf,
    epoch: String,
    newest: Newest,
    indexes: Indexes,
    options: Options,
    /// Position at which the log was last trimmed.
    trimmed: Newest,
    /// Whether nothing was committed since [`Writer::idle`] last found nothing to do.
    is_tidy: bool,
}

/// What applying a record did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// For each change of the record, in order: whether any row differs afterwards.
    pub changed: Vec<bool>,
}

/// An armed onDisconnect write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed {
    pub session: String,
    pub path: Path,
    /// The draft as text, as it was handed in.
    pub draft: String,
    /// Who armed it, as it was handed in.
    pub who: String,
}

impl Writer {
    pub(super) fn new(
        conn: Connection,
        lock: File,
        file: &FilePath,
        epoch: String,
        newest: Newest,
        indexes: Indexes,
        options: Options,
    ) -> Self {
        // Trimming starts anew: what an earlier run left over is caught up on.
        let trimmed = Newest::default();
        let wal = beside(file, "-wal");
        Self { conn, _lock: lock, wal, epoch, newest, indexes, options, trimmed, is_tidy: false }
    }

    /// 16 hex digits, drawn when the file was made: sequences of another epoch mean nothing here.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Sequence of the newest committed record; 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.newest.seq
    }

    /// Time of the newest committed record; 0 before the first.
    pub fn last_time(&self) -> Millis {
        self.newest.time
    }

    /// Begins a batch.
    pub fn begin(&mut self) -> Result<Batch<'_>, StoreError> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Batch { newest: self.newest, indexes: self.indexes.clone(), writer: self, is_over: false })
    }

    /// The tree as committed.
    pub fn tree(&self) -> Tree<'_> {
        Tree { conn: &self.conn }
    }

    /// All armed onDisconnect writes, in the order in which they were armed.
    pub fn armed(&self) -> Result<Vec<Armed>, StoreError> {
        let mut statement = self.conn.prepare("SELECT session, path, draft, who FROM on_disconnect ORDER BY id")?;
        let rows = statement.query_map([], |row| {
            let path = parse_path(&row.get::<_, String>(1)?);
            Ok(Armed { session: row.get(0)?, path, draft: row.get(2)?, who: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The rules as they were last set; `None` if they never were.
    pub fn rules_text(&self) -> Result<Option<String>, StoreError> {
        spec::rules_text(&self.conn)
    }

    /// Goes on with building the indexes that the rules ask for, and with deleting those that they asked for once, by
    /// one chunk: a transaction of its own that takes some 20 ms. Gives whether there is more to do: then call it
    /// again, with other work between. Where it stands is kept in the file.
    pub fn build_indexes(&mut self) -> Result<bool, StoreError> {
        self.build_some(build::STEPS)
    }

    pub(super) fn build_some(&mut self, steps: u32) -> Result<bool, StoreError> {
        if self.indexes.is_settled() {
            return Ok(false);
        }
        let mut batch = self.begin()?;
        build::chunk(&batch.writer.conn, &mut batch.indexes, steps)?;
        batch.commit()?;
        Ok(!self.indexes.is_settled())
    }

    /// Tidies up a little: trims the log, and writes the WAL back into the file where that is worth it.
    ///
    /// For when nothing has been asked for some 100 ms, not after each commit. Takes milliseconds, or a few tens of
    /// them when there is a WAL to write back. Gives whether there is more to do: then call it again.
    pub fn idle(&mut self) -> bool {
        if self.is_tidy {
            return false;
        }
        // Errors here are not lost: whatever ails the disk meets the next commit, which has someone to tell.
        let more = log::trim(&self.conn, &self.options, &self.newest, TRIM_RECORDS_MAX).unwrap_or(false);
        self.trimmed = self.newest;
        // A reader may keep the WAL from being cut; then a later call tries again.
        self.is_tidy = !more && self.cut_wal().unwrap_or(false);
        more
    }

    /// Writes the WAL back if it is long, and cuts it. Gives whether it is short now.
    fn cut_wal(&self) -> Result<bool, StoreError> {
        if fs::metadata(&self.wal)?.len() < IDLE_WAL_BYTES_MIN {
            return Ok(true);
        }
        // Nobody waits for readers that still need it.
        self.conn.busy_timeout(Duration::ZERO)?;
        let is_busy = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        self.conn.busy_timeout(LOCK_WAIT)?;
        Ok(!is_busy?)
    }
}

/// Records on their way to disk. Dropped without [`Batch::commit`], it leaves no trace.
pub struct Batch<'a> {
    writer: &'a mut Writer,
    newest: Newest,
    indexes: Indexes,
    is_over: bool,
}

impl Batch<'_> {
    /// The tree with what this batch has applied so far.
    pub fn tree(&self) -> Tree<'_> {
        Tree { conn: &self.writer.conn }
    }

    /// Appends `record`, which must follow the newest one, and applies its changes in order.
    ///
    /// # Errors
    /// After any, the batch must be dropped: the record may be half applied.
    pub fn append(&mut self, record: &Record) -> Result<Applied, StoreError> {
        if record.seq != self.newest.seq + 1 {
            return Err(StoreError::misuse(format!("record {} after {}", record.seq, self.newest.seq)));
        }
        let conn = &self.writer.conn;
        let mut undo = Undo::default();
        let indexes = &mut self.indexes;
        let each = record.changes.iter().map(|change| upkeep::apply(conn, indexes, change, &mut undo));
        let changed = each.collect::<Result<_, _>>()?;
        log::append(conn, record, undo, &mut self.newest)?;
        Ok(Applied { changed })
    }

    /// Keeps the text of the rules, and the indexes that they ask for instead of those that there are. Such a rule is
    /// by value or by child; others are ignored. An index that is new serves nobody before [`Writer::build_indexes`]
    /// has built it, one that is not asked for any more serves nobody from now on.
    pub fn set_rules(&mut self, text: &str, indexes: &[IndexRule]) -> Result<(), StoreError> {
        spec::set_rules_text(&self.writer.conn, text)?;
        self.indexes.set(&self.writer.conn, indexes)
    }

    /// Arms the onDisconnect write of `session` at `path`; it replaces one armed at the same place, and comes last.
    pub fn arm(&mut self, session: &str, path: &Path, draft: &str, who: &str) -> Result<(), StoreError> {
        let sql = "REPLACE INTO on_disconnect (session, path, draft, who) VALUES (?1, ?2, ?3, ?4)";
        self.writer.conn.prepare_cached(sql)?.execute((session, path.to_string(), draft, who))?;
        Ok(())
    }

    /// Disarms what `session` has armed at exactly `path`, if it has.
    pub fn disarm(&mut self, session: &str, path: &Path) -> Result<(), StoreError> {
        let sql = "DELETE FROM on_disconnect WHERE session = ?1 AND path = ?2";
        self.writer.conn.prepare_cached(sql)?.execute((session, path.to_string()))?;
        Ok(())
    }

    /// Disarms all that `session` has armed.
    pub fn disarm_all(&mut self, session: &str) -> Result<(), StoreError> {
        self.writer.conn.prepare_cached("DELETE FROM on_disconnect WHERE session = ?1")?.execute([session])?;
        Ok(())
    }

    /// Makes the batch last: with [`super::Durability::Full`] it is on disk afterwards.
    ///
    /// # Errors
    /// Nothing of the batch was kept.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let (newest, trimmed) = (self.newest, self.writer.trimmed);
        let options = &self.writer.options;
        let is_many = newest.seq - trimmed.seq >= TRIM_EVERY_RECORDS;
        let is_much = (newest.total - trimmed.total).cast_unsigned() > options.log_bytes_max / TRIM_EVERY_SHARE;
        let is_trimmed = is_many || is_much;
        if is_trimmed {
            log::trim(&self.writer.conn, options, &newest, TRIM_RECORDS_MAX)?;
        }
        self.writer.conn.prepare_cached("COMMIT")?.execute([])?;
        self.is_over = true;
        self.writer.newest = newest;
        self.writer.indexes = self.indexes.clone();
        self.writer.is_tidy = false;
        if is_trimmed {
            self.writer.trimmed = newest;
        }
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if !self.is_over && !self.writer.conn.is_autocommit() {
            // Should it fail, the next BEGIN fails too, and says why.
            let _ = self.writer.conn.execute_batch("ROLLBACK");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::super::testing::{Temp, node, path, record, set};
    use super::*;
    use crate::model::{Node, Scalar};

    fn armed(writer: &Writer) -> Vec<(String, String, String)> {
        let all = writer.armed().unwrap().into_iter();
        all.map(|armed| (armed.session, armed.path.to_string(), armed.draft)).collect()
    }

    #[test]
    fn batch_that_is_dropped_leaves_no_trace() {
        let mut temp = Temp::new();
        temp.write(&[("/a", "1")]);
        let mut batch = temp.writer.begin().unwrap();
        batch.append(&record(2, 9, vec![set("/a", node("2"))])).unwrap();
        batch.arm("s", &path("/a"), "null", "null").unwrap();
        assert_eq!(batch.tree().node(&path("/a")).unwrap(), node("2"));
        assert_eq!(batch.tree().seq().unwrap(), 2);
        drop(batch);
        assert_eq!((temp.writer.last_seq(), temp.writer.last_time()), (1, 0));
        assert_eq!(temp.tree().node(&path("/a")).unwrap(), node("1"));
        assert_eq!(armed(&temp.writer), []);
        temp.write(&[("/a", "3")]);
        assert_eq!(temp.writer.last_seq(), 2);
    }

    #[test]
    fn crash_within_a_batch_leaves_what_was_committed() {
        let mut temp = Temp::new();
        temp.write(&[("/a", "1")]);
        let file = temp.file.clone();
        let epoch = temp.writer.epoch().to_owned();
        let mut batch = temp.writer.begin().unwrap();
        // More than the page cache holds, so that uncommitted pages are in the WAL already.
        for seq in 2..40 {
            let text = Node::leaf(Scalar::string("x".repeat(500_000)));
            batch.append(&record(seq, 0, vec![set(&format!("/b/{seq}"), text), set("/a", node("2"))])).unwrap();
        }
        assert!(fs::metadata(beside(&file, "-wal")).unwrap().len() > 10_000_000);
        let crashed = Temp::after_crash(&file);
        assert_eq!(crashed.tree().node(&Path::root()).unwrap(), node(r#"{"a":1}"#));
        assert_eq!((crashed.writer.epoch(), crashed.writer.last_seq()), (&*epoch, 1));
        batch.commit().unwrap();
        let mut crashed = Temp::after_crash(&file);
        assert_eq!(crashed.writer.last_seq(), 39);
        assert_eq!(crashed.tree().rows(&Path::root(), 100).unwrap(), 39);
        crashed.write(&[("/a", "3")]);
    }

    #[test]
    fn record_out_of_sequence_is_refused() {
        let mut temp = Temp::new();
        let mut batch = temp.writer.begin().unwrap();
        for seq in [0, 2, u64::MAX] {
            assert!(batch.append(&record(seq, 0, vec![set("/a", node("2"))])).is_err());
        }
        assert!(!batch.tree().exists(&Path::root()).unwrap());
        batch.append(&record(1, 0, Vec::new())).unwrap();
        batch.append(&record(2, 0, Vec::new())).unwrap();
        batch.commit().unwrap();
        assert_eq!(temp.writer.last_seq(), 2);
    }

    #[test]
    fn armed_writes_keep_their_order_and_outlive_the_writer() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("test.sqlite");
        let (mut writer, _) = open(&file, &Options::default()).unwrap();
        let mut batch = writer.begin().unwrap();
        for (session, at) in [("s", "/b"), ("t", "/a"), ("s", "/a"), ("s", "/"), ("s", "/b/c")] {
            batch.arm(session, &path(at), "1", "null").unwrap();
        }
        batch.arm("s", &path("/b"), "2", "null").unwrap();
        batch.disarm("s", &path("/a")).unwrap();
        batch.disarm("s", &path("/not/armed")).unwrap();
        batch.commit().unwrap();
        drop(writer);
        let (mut writer, _) = open(&file, &Options::default()).unwrap();
        let row = |session: &str, at: &str, draft: &str| (session.to_owned(), at.to_owned(), draft.to_owned());
        assert_eq!(
            armed(&writer),
            [row("t", "/a", "1"), row("s", "/", "1"), row("s", "/b/c", "1"), row("s", "/b", "2")]
        );
        let mut batch = writer.begin().unwrap();
        batch.disarm_all("s").unwrap();
        batch.commit().unwrap();
        assert_eq!(armed(&writer), [row("t", "/a", "1")]);
    }

    #[test]
    fn full_disk_is_told_and_writing_goes_on_when_there_is_room() {
        let mut temp = Temp::new();
        temp.write(&[("/a", "1")]);
        let allow = |writer: &Writer, pages: u32| {
            writer.conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        };
        allow(&temp.writer, 40);
        let big = record(2, 0, vec![set("/b", node(&format!("\"{}\"", "x".repeat(1_000_000))))]);
        let mut batch = temp.writer.begin().unwrap();
        assert!(batch.append(&big).unwrap_err().is_disk_full());
        drop(batch);
        assert_eq!(temp.tree().node(&Path::root()).unwrap(), node(r#"{"a":1}"#));
        allow(&temp.writer, 1_000_000);
        temp.commit(big.changes, 0);
        assert!(temp.tree().exists(&path("/b")).unwrap());
    }

    #[test]
    fn idle_cuts_a_long_wal_once_no_snapshot_needs_it() {
        let mut temp = Temp::new();
        let text = format!("\"{}\"", "x".repeat(8_000_000));
        temp.write(&[("/a", &text)]);
        let wal_bytes = |temp: &Temp| fs::metadata(beside(&temp.file, "-wal")).unwrap().len();
        let snapshot = temp.readers.snapshot().unwrap().pinned().unwrap();
        temp.write(&[("/a", "1")]);
        assert!(!temp.writer.idle());
        assert!(wal_bytes(&temp) > IDLE_WAL_BYTES_MIN);
        drop(snapshot);
        assert!(!temp.writer.idle());
        assert_eq!(wal_bytes(&temp), 0);
        assert!(temp.writer.is_tidy);
        temp.write(&[("/a", "2")]);
        assert!(!temp.writer.is_tidy);
    }
}
