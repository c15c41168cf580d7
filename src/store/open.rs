//! Opening a database file: refusing what is not ours, migrating what is old.
//!
//! Opening takes the same time whatever is stored: the file is not read through. What SQLite checks itself (header,
//! size, schema), the ends of each table and the position are looked at; damage elsewhere shows when it is read.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use refinery::{Runner, embed_migrations};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::index::{Indexes, priority};
use super::log::newest;
use super::{OpenError, Readers, StoreError, Writer};
use crate::base::{Millis, random};

embed_migrations!("migrations");

/// Written into the header of our files (the letters `BcnF`), so that `file` and we can tell them from other programs'.
const APPLICATION_ID: i64 = 0x4263_6e46;
/// Pages of WAL (32 MB) after which a commit checkpoints. dependencies.md 4.2: 1,000 costs a quarter of the throughput.
const CHECKPOINT_PAGES: u32 = 8_000;
/// Page caches, in KB. They do not grow with what is stored; beyond them SQLite spills to the WAL and reads anew.
const WRITER_CACHE_KB: u32 = 8 * 1024;
const READER_CACHE_KB: u32 = 2 * 1024;
/// Hex digits of an epoch: 64 random bits.
const EPOCH_LEN: usize = 16;
/// Prepared statements kept per connection. We have about thirty texts.
const STATEMENTS_MAX: usize = 48;
/// How long we wait for locks of others: of an operator's `sqlite3`, or, for a reader, of the end of a checkpoint.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk: survives power loss.
    #[default]
    Full,
    /// When the system has it: survives the end of the process; power loss may take the newest commits, in order.
    Relaxed,
    /// Never synced: power loss may take everything. For databases that are thrown away anyway.
    Off,
}

/// How a database is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub durability: Durability,
    /// The log drops its oldest records beyond any of these. Its newest record always stays.
    pub log_bytes_max: u64,
    pub log_records_max: u64,
    /// Measured from the newest record.
    pub log_age_max_ms: Millis,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            log_bytes_max: 64 * 1024 * 1024,
            log_records_max: 100_000,
            log_age_max_ms: 24 * 60 * 60 * 1000,
        }
    }
}

/// Opens the database in `file`, which is made if it is missing or empty; its directory must be there.
///
/// Holds `<file>.lock` until the writer is dropped: one writer per file, across processes.
///
/// # Errors
/// See [`OpenError`]. A file that is refused is not changed.
pub fn open(file: &Path, options: &Options) -> Result<(Writer, Readers), OpenError> {
    let lock = lock(file)?;
    if fs::metadata(file).map_or(true, |file| file.len() == 0) {
        create(file, options.durability)?;
    }
    let refuse = |error: StoreError| refusal(file, &error);
    let mut conn = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(refuse)?;
    let migrations = migrations::runner();
    // Closing a file that is refused must not write its WAL back.
    let keep_wal = |on| conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on);
    keep_wal(true).map_err(|error| refuse(error.into()))?;
    let found = identify(&conn, file, newest_version(&migrations))?;
    keep_wal(false).map_err(|error| refuse(error.into()))?;
    prepare_writer(&conn, options.durability).map_err(refuse)?;
    if found < newest_version(&migrations) {
        migrate(&mut conn, file, &migrations)?;
    }
    let epoch = check(&conn).map_err(refuse)?;
    let newest = newest(&conn).map_err(refuse)?;
    priority::adopt(&conn).map_err(refuse)?;
    let indexes = Indexes::load(&conn).map_err(refuse)?;
    let writer = Writer::new(conn, lock, file, epoch, newest, indexes, *options);
    Ok((writer, Readers::new(file)))
}

/// A new read-only connection to a file that a writer has opened.
pub fn open_reader(file: &Path) -> Result<Connection, StoreError> {
    let conn = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Not `mmap_size`: it saves 1 us per point read and a tenth of a scan, but mapped pages count as our memory, once
    // per connection, and a read error of the disk would be a signal that ends the process.
    conn.execute_batch(&format!("PRAGMA cache_size = -{READER_CACHE_KB}"))?;
    Ok(conn)
}

/// Path of a companion file: `suffix` behind the name of `file`.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn lock(file: &Path) -> Result<File, OpenError> {
    let io = |error: io::Error| OpenError::Io { file: file.to_owned(), reason: error.to_string() };
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(beside(file, ".lock")).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { file: file.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

fn connect(file: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    // Each connection is used by one thread at a time, so SQLite's own mutex is not needed.
    let conn = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(LOCK_WAIT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Else SQLite prepares a statement anew whenever a range is bound to other values, to weigh them against its
    // statistics.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(conn)
}

/// Makes a new file, whole or not at all: under another name and unsynced until it is complete.
fn create(file: &Path, durability: Durability) -> Result<(), OpenError> {
    let refuse = |error: StoreError| refusal(file, &error);
    if beside(file, "-wal").exists() {
        let reason = "its -wal is there, but the file itself is missing or empty".to_owned();
        return Err(OpenError::Damaged { file: file.to_owned(), reason });
    }
    let draft = beside(file, ".new");
    // Left over from a start that was cut short, if it is there at all.
    let _ = fs::remove_file(&draft);
    let mut conn =
        connect(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).map_err(refuse)?;
    conn.execute_batch(&format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA application_id = {APPLICATION_ID};"
    ))
    .map_err(|error| refuse(error.into()))?;
    migrate(&mut conn, file, &migrations::runner())?;
    let id = random::id();
    let epoch = id.get(..EPOCH_LEN).unwrap_or(&id);
    conn.execute("INSERT INTO meta (name, value) VALUES ('epoch', ?1)", [epoch])
        .and_then(|_| conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())))
        .and_then(|()| conn.close().map_err(|(_, error)| error))
        .map_err(|error| refuse(error.into()))?;
    settle(&draft, file, durability).map_err(|error| refuse(error.into()))
}

/// Gives the complete file its name.
fn settle(draft: &Path, file: &Path, durability: Durability) -> io::Result<()> {
    if durability == Durability::Off {
        return fs::rename(draft, file);
    }
    File::open(draft)?.sync_all()?;
    fs::rename(draft, file)?;
    match file.parent() {
        // The name lives in the directory. Systems where directories cannot be opened keep it by themselves.
        Some(dir) if cfg!(unix) => {
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            File::open(dir)?.sync_all()
        }
        _ => Ok(()),
    }
}

/// Refuses, before anything is written, a file that another program or a newer version of this one made. Gives the
/// version of its schema.
fn identify(conn: &Connection, file: &Path, known: i64) -> Result<i64, OpenError> {
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let id = number("PRAGMA application_id").map_err(|error| refusal(file, &error.into()))?;
    if id != APPLICATION_ID {
        return Err(OpenError::Foreign { file: file.to_owned() });
    }
    let found = number("SELECT max(version) FROM refinery_schema_history")
        .map_err(|error| OpenError::Damaged { file: file.to_owned(), reason: error.to_string() })?;
    if found > known { Err(OpenError::Newer { file: file.to_owned(), found, known }) } else { Ok(found) }
}

fn prepare_writer(conn: &Connection, durability: Durability) -> Result<(), StoreError> {
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Relaxed => "NORMAL",
        Durability::Off => "OFF",
    };
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::misuse("its file system cannot hold a write-ahead log (is it a network share?)"));
    }
    conn.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; \
         PRAGMA cache_size = -{WRITER_CACHE_KB};"
    ))?;
    Ok(())
}

/// Brings the schema up to date, in one transaction.
fn migrate(conn: &mut Connection, file: &Path, migrations: &Runner) -> Result<(), OpenError> {
    let grouped = Runner::new(migrations.get_migrations()).set_grouped(true);
    let report = grouped.run(conn);
    report.map(|_| ()).map_err(|error| OpenError::Io { file: file.to_owned(), reason: error.to_string() })
}

fn newest_version(migrations: &Runner) -> i64 {
    migrations.get_migrations().iter().map(|migration| i64::from(migration.version())).max().unwrap_or(0)
}

/// Looks at both ends of each table; gives the epoch.
fn check(conn: &Connection) -> Result<String, StoreError> {
    for sql in [
        "SELECT key FROM node ORDER BY key LIMIT 1",
        "SELECT key FROM node ORDER BY key DESC LIMIT 1",
        "SELECT seq FROM log ORDER BY seq LIMIT 1",
        "SELECT id FROM on_disconnect ORDER BY id DESC LIMIT 1",
        "SELECT key FROM entry ORDER BY key LIMIT 1",
        "SELECT key FROM entry ORDER BY key DESC LIMIT 1",
    ] {
        conn.query_row(sql, [], |_| Ok(())).optional()?;
    }
    let epoch = conn.query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| row.get(0)).optional()?;
    epoch.ok_or_else(|| StoreError::damaged("it has no epoch"))
}

fn refusal(file: &Path, error: &StoreError) -> OpenError {
    let (file, reason) = (file.to_owned(), error.to_string());
    if error.is_damaged() { OpenError::Damaged { file, reason } } else { OpenError::Io { file, reason } }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::testing::Temp;
    use super::*;
    use crate::model::Path as TreePath;

    fn new_file() -> (TempDir, PathBuf) {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("test.sqlite");
        (dir, file)
    }

    /// A closed file with `rows` rows of 4 KB.
    fn full_file(rows: usize) -> (TempDir, PathBuf) {
        let (dir, file) = new_file();
        let mut temp = Temp::new();
        for row in 0..rows {
            temp.write(&[(&format!("/at/{row}"), &format!("\"{}\"", "x".repeat(4096)))]);
        }
        temp.checkpoint();
        fs::copy(&temp.file, &file).unwrap();
        (dir, file)
    }

    /// Opens `file`, which must be refused and stay as it is, and gives why.
    fn refused(file: &Path) -> OpenError {
        let before = fs::read(file).unwrap();
        let error = open(file, &Options::default()).err().expect("a refusal");
        assert_eq!(fs::read(file).unwrap(), before);
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        error
    }

    #[test]
    fn new_file_is_ours_and_comes_back_with_its_epoch() {
        let (_dir, file) = new_file();
        let (writer, _) = open(&file, &Options::default()).unwrap();
        let epoch = writer.epoch().to_owned();
        assert!(epoch.len() == 16 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!((writer.last_seq(), writer.last_time()), (0, 0));
        drop(writer);
        let (writer, _) = open(&file, &Options::default()).unwrap();
        assert_eq!(writer.epoch(), epoch);
        assert_ne!(Temp::new().writer.epoch(), epoch);
    }

    #[test]
    fn file_that_is_open_is_refused_until_its_writer_is_gone() {
        let (_dir, file) = new_file();
        let (writer, readers) = open(&file, &Options::default()).unwrap();
        assert!(matches!(open(&file, &Options::default()), Err(OpenError::Locked { .. })));
        drop(writer);
        let _reader = readers.snapshot().unwrap();
        assert!(open(&file, &Options::default()).is_ok());
    }

    #[test]
    fn creation_that_was_cut_short_starts_again() {
        let (_dir, file) = new_file();
        fs::write(beside(&file, ".new"), b"half a file").unwrap();
        fs::write(&file, b"").unwrap();
        assert!(open(&file, &Options::default()).is_ok());
        assert!(!beside(&file, ".new").exists());
    }

    #[test]
    fn wal_without_its_file_is_refused() {
        let (_dir, file) = new_file();
        fs::write(beside(&file, "-wal"), b"acknowledged writes").unwrap();
        assert!(matches!(open(&file, &Options::default()), Err(OpenError::Damaged { .. })));
        assert!(beside(&file, "-wal").exists() && !file.exists());
    }

    #[test]
    fn file_of_a_newer_version_is_refused_with_what_to_do() {
        let (_dir, file) = full_file(1);
        let conn = Connection::open(&file).unwrap();
        conn.execute_batch("INSERT INTO refinery_schema_history VALUES (99, 'later', '2030-01-01T00:00:00Z', '1')")
            .unwrap();
        drop(conn);
        let error = refused(&file);
        assert!(matches!(error, OpenError::Newer { found: 99, known: 3, .. }), "{error}");
    }

    #[test]
    fn sqlite_file_of_another_program_is_refused() {
        let (_dir, file) = new_file();
        Connection::open(&file).unwrap().execute_batch("CREATE TABLE node (key, value)").unwrap();
        assert!(matches!(refused(&file), OpenError::Foreign { .. }));
    }

    #[test]
    fn file_that_is_no_database_is_refused() {
        let (_dir, file) = new_file();
        fs::write(&file, "not a database, but long enough to have a header. ".repeat(100)).unwrap();
        let error = refused(&file);
        assert!(matches!(error, OpenError::Damaged { .. }) && error.to_string().contains(".recover"), "{error}");
    }

    #[test]
    fn file_that_was_cut_off_is_refused() {
        let (_dir, file) = full_file(20);
        for keep in [100, 4_096, 20_000, 60_000] {
            let whole = fs::read(&file).unwrap();
            fs::write(&file, &whole[..keep]).unwrap();
            assert!(matches!(refused(&file), OpenError::Damaged { .. }), "cut to {keep} bytes");
            fs::write(&file, whole).unwrap();
        }
        assert_eq!(open(&file, &Options::default()).unwrap().0.last_seq(), 20);
    }

    #[test]
    fn file_with_broken_pages_never_panics() {
        let (_dir, file) = full_file(20);
        let whole = fs::read(&file).unwrap();
        for page in 0..whole.len() / 4_096 {
            let mut broken = whole.clone();
            broken[page * 4_096..][..4_096].fill(0x5a);
            fs::write(&file, &broken).unwrap();
            let Ok((writer, _)) = open(&file, &Options::default()) else { continue };
            // What the ends of the tables do not show shows when it is read: as an error, or as another value.
            let read = writer.tree().node(&TreePath::root());
            assert!(read.is_ok() || read.is_err_and(|error| error.is_damaged()), "page {page}");
            let _ = writer.tree().log(0, &mut |_| std::ops::ControlFlow::Continue(()));
        }
    }

    #[test]
    fn file_in_a_missing_directory_is_an_io_error() {
        let (dir, _) = new_file();
        let file = dir.path().join("missing").join("test.sqlite");
        assert!(matches!(open(&file, &Options::default()), Err(OpenError::Io { .. })));
        let file = dir.path().join("directory");
        fs::create_dir(&file).unwrap();
        assert!(matches!(open(&file, &Options::default()), Err(OpenError::Io { .. })));
    }

    #[test]
    fn durability_sets_how_a_commit_is_synced() {
        for (durability, expected) in [(Durability::Off, 0), (Durability::Relaxed, 1), (Durability::Full, 2)] {
            let (_dir, file) = new_file();
            let (writer, _) = open(&file, &Options { durability, ..Options::default() }).unwrap();
            let tree = writer.tree();
            let synchronous: i64 = tree.conn.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
            assert_eq!(synchronous, expected);
        }
    }
}
