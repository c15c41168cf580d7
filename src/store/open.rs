//! Opening a database file: refusing what is not ours, migrating what is old.
//!
//! Opening takes the same time whatever is stored: the file is not read through. What SQLite checks itself (header, size,
//! schema), the ends of each table and the position are looked at; damage elsewhere shows when it is read.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use refinery::embed_migrations;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::log::newest;
use super::{OpenError, Readers, StoreError, Writer};
use crate::base::{Millis, random};

embed_migrations!("migrations");

/// Written into the header of our files ("BcnF"), so that `file` and we can tell them from other programs'.
const APPLICATION_ID: i64 = 0x4263_6e46;
/// Pages of WAL (32 MB) after which a commit checkpoints. dependencies.md 4.2: 1,000 costs a quarter of the throughput.
const CHECKPOINT_PAGES: u32 = 8_000;
/// Page caches, in KB. They do not grow with what is stored; beyond them SQLite spills to the WAL and reads anew.
const WRITER_CACHE_KB: u32 = 8 * 1024;
const READER_CACHE_KB: u32 = 2 * 1024;
/// Bytes of the file that readers map instead of copying. Address space, shared with the kernel's page cache.
const READER_MMAP_BYTES: u64 = 256 * 1024 * 1024;
/// Prepared statements kept per connection. We have about twenty texts.
const STATEMENTS_MAX: usize = 32;
/// How long a reader waits for the rare lock that WAL still needs (recovery, end of a checkpoint).
const READER_WAIT: Duration = Duration::from_secs(5);

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
#[derive(Clone, Debug)]
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

/// Opens the database in `file`, which is made if it is missing; its directory must be there.
///
/// Holds `<file>.lock` until the writer is dropped: one writer per file, across processes.
///
/// # Errors
/// See [`OpenError`]. A file that is refused is not changed.
pub fn open(file: &Path, options: &Options) -> Result<(Writer, Readers), OpenError> {
    let lock = lock(file)?;
    let refuse = |error: StoreError| refusal(file, &error);
    let mut conn = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).map_err(refuse)?;
    identify(&conn, file)?;
    let setup = prepare_writer(&conn, options.durability).map_err(refuse);
    setup.and_then(|()| migrate(&mut conn, file))?;
    let epoch = check(&conn).map_err(refuse)?;
    let newest = newest(&conn).map_err(refuse)?;
    let writer = Writer::new(conn, lock, file, epoch, newest, options.clone());
    Ok((writer, Readers::new(file)))
}

/// A new read-only connection to a file that a writer has opened.
pub fn open_reader(file: &Path) -> Result<Connection, StoreError> {
    let conn = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(READER_WAIT)?;
    conn.execute_batch(&format!(
        "PRAGMA cache_size = -{READER_CACHE_KB}; PRAGMA mmap_size = {READER_MMAP_BYTES}; PRAGMA query_only = 1;"
    ))?;
    Ok(conn)
}

/// Path of a companion file: `suffix` behind the name of `file`.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn lock(file: &Path) -> Result<File, OpenError> {
    let io = |error: std::io::Error| OpenError::Io { file: file.to_owned(), reason: error.to_string() };
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
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(conn)
}

/// Refuses, before anything is written, a file that another program or a newer version of this one made.
fn identify(conn: &Connection, file: &Path) -> Result<(), OpenError> {
    let refuse = |error: rusqlite::Error| refusal(file, &error.into());
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let id = number("PRAGMA application_id").map_err(refuse)?;
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(refuse)?;
    if id != APPLICATION_ID && (id != 0 || tables > 0) {
        return Err(OpenError::Foreign { file: file.to_owned() });
    }
    let (found, known) = (schema_version(conn).map_err(refuse)?, known_version());
    if found > known { Err(OpenError::Newer { file: file.to_owned(), found, known }) } else { Ok(()) }
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

fn migrate(conn: &mut Connection, file: &Path) -> Result<(), OpenError> {
    let refuse = |error: StoreError| refusal(file, &error);
    let found = schema_version(conn).map_err(|error| refuse(error.into()))?;
    if found == known_version() {
        return Ok(());
    }
    if found == 0 {
        // Marked before there is any table: a crash in between leaves a file that is taken up again.
        conn.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))
            .map_err(|error| refuse(error.into()))?;
    }
    let report = migrations::runner().set_grouped(true).run(conn);
    report.map(|_| ()).map_err(|error| OpenError::Io { file: file.to_owned(), reason: error.to_string() })
}

/// The newest migration that the file has seen; 0 for a new file.
fn schema_version(conn: &Connection) -> rusqlite::Result<i64> {
    let history = "SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history'";
    if conn.query_row(history, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    conn.query_row("SELECT coalesce(max(version), 0) FROM refinery_schema_history", [], |row| row.get(0))
}

fn known_version() -> i64 {
    migrations::runner().get_migrations().iter().map(|migration| i64::from(migration.version())).max().unwrap_or(0)
}

/// Looks at both ends of each table; gives the epoch, which is drawn when there is none yet.
fn check(conn: &Connection) -> Result<String, StoreError> {
    for sql in [
        "SELECT key, value, priority FROM node ORDER BY key LIMIT 1",
        "SELECT key, value, priority FROM node ORDER BY key DESC LIMIT 1",
        "SELECT seq, record, undo FROM log ORDER BY seq LIMIT 1",
        "SELECT id, path, draft FROM on_disconnect ORDER BY id DESC LIMIT 1",
    ] {
        conn.query_row(sql, [], |_| Ok(())).optional()?;
    }
    let find = || conn.query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| row.get(0)).optional();
    if let Some(epoch) = find()? {
        return Ok(epoch);
    }
    let id = random::id();
    let epoch = id.get(..16).unwrap_or(&id);
    conn.execute("INSERT INTO meta (name, value) VALUES ('epoch', ?1)", [epoch])?;
    Ok(epoch.to_owned())
}

fn refusal(file: &Path, error: &StoreError) -> OpenError {
    let (file, reason) = (file.to_owned(), error.to_string());
    if error.is_damaged() { OpenError::Damaged { file, reason } } else { OpenError::Io { file, reason } }
}
