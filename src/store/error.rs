//! Why a file could not be opened, and why an operation on an open one failed.

use std::path::PathBuf;
use std::{fmt, io};

use rusqlite::ErrorCode;

/// Why a database file was refused. The text says what the operator can do.
#[derive(Debug)]
pub enum OpenError {
    /// Its schema is newer than this program knows.
    Newer { file: PathBuf, found: i64, known: i64 },
    /// It is an SQLite file of another program.
    Foreign { file: PathBuf },
    /// It is no SQLite file, or its structure is broken.
    Damaged { file: PathBuf, reason: String },
    /// Another process, or another part of this one, has it open.
    Locked { file: PathBuf },
    /// The file system or the disk said no.
    Io { file: PathBuf, reason: String },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { file, found, known } => write!(
                f,
                "{}: written by a newer beaconfire (schema {found}, this one knows {known}); \
                 start that version or a later one, nothing was changed",
                file.display()
            ),
            Self::Foreign { file } => write!(
                f,
                "{}: an SQLite file, but none of beaconfire's; move it away or name another data directory, \
                 nothing was changed",
                file.display()
            ),
            Self::Damaged { file, reason } => write!(
                f,
                "{file}: damaged ({reason}); restore a backup in its place, or save what is readable with \
                 `sqlite3 {file} .recover | sqlite3 saved.sqlite`, after putting the file and its -wal aside",
                file = file.display()
            ),
            Self::Locked { file } => write!(
                f,
                "{}: in use by another process; stop that one, or name another data directory",
                file.display()
            ),
            Self::Io { file, reason } => {
                write!(f, "{}: {reason}; check permissions and free space of its directory", file.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// Why an operation on an open database failed.
///
/// Its text is for the operator's log, no contract. After an error within a batch, drop the batch.
#[derive(Debug)]
pub struct StoreError(Kind);

#[derive(Debug)]
enum Kind {
    Sqlite(rusqlite::Error),
    Io(io::Error),
    /// Stored bytes that this program never wrote so.
    Damaged(String),
    /// The caller broke the contract.
    Misuse(String),
}

impl StoreError {
    /// Whether the disk is full: writing again may work once there is room.
    pub fn is_disk_full(&self) -> bool {
        match &self.0 {
            Kind::Sqlite(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
            Kind::Io(error) => error.kind() == io::ErrorKind::StorageFull,
            Kind::Damaged(_) | Kind::Misuse(_) => false,
        }
    }

    /// Whether what is stored cannot be understood.
    pub fn is_damaged(&self) -> bool {
        match &self.0 {
            Kind::Sqlite(error) => {
                matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            }
            Kind::Damaged(_) => true,
            Kind::Io(_) | Kind::Misuse(_) => false,
        }
    }

    pub(super) fn damaged(reason: impl Into<String>) -> Self {
        Self(Kind::Damaged(reason.into()))
    }

    pub(super) fn misuse(reason: impl Into<String>) -> Self {
        Self(Kind::Misuse(reason.into()))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Sqlite(error) => write!(f, "database file: {error}"),
            Kind::Io(error) => write!(f, "database file: {error}"),
            Kind::Damaged(reason) => write!(f, "database file is damaged: {reason}"),
            Kind::Misuse(reason) => write!(f, "store: {reason}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Sqlite(error) => Some(error),
            Kind::Io(error) => Some(error),
            Kind::Damaged(_) | Kind::Misuse(_) => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self(Kind::Sqlite(error))
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self(Kind::Io(error))
    }
}
