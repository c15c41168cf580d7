//! Why a database cannot be had.

use std::fmt;

use crate::base::limits::DATABASES_MAX;
use crate::store::{OpenError, StoreError};

/// Why a database cannot be had.
#[derive(Debug)]
pub enum DatabaseError {
    /// The name has other characters than `a-z 0-9 _ -`, or is longer than 100.
    Name(String),
    /// There is none of that name, and none is made by asking for it.
    Unknown(String),
    /// More than [`DATABASES_MAX`] would be open.
    TooMany,
    Open(OpenError),
    Store(StoreError),
    /// The system gives no thread for its writer.
    Thread(std::io::Error),
    /// The process is stopping.
    Stopping,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?} is no database name (a-z, 0-9, _ and -, at most 100)"),
            Self::Unknown(name) => write!(f, "there is no database {name}: name it in `databases`, and start again"),
            Self::TooMany => write!(f, "more than {DATABASES_MAX} databases would be open"),
            Self::Open(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "no thread for the writer: {error}"),
            Self::Stopping => f.write_str("the server is stopping"),
        }
    }
}

impl std::error::Error for DatabaseError {}

impl From<OpenError> for DatabaseError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<StoreError> for DatabaseError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for DatabaseError {
    fn from(error: std::io::Error) -> Self {
        Self::Thread(error)
    }
}
