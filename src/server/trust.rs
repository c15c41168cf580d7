//! Whom a server in production believes: secrets, administrators' keys, issuers. From files, read again when they
//! change.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Config;
use crate::engine::{AdminKey, Issuer, Keyring, KeyringError, Secret, Trust};

/// Administrators' keys, in the data directory.
pub const KEYS_FILE: &str = "admin-keys.json";

/// Why nobody can be believed.
#[derive(Debug)]
pub enum TrustError {
    Read {
        path: PathBuf,
        error: io::Error,
    },
    /// What is in a file makes no sense. The text never holds a secret.
    Content {
        path: PathBuf,
        problem: String,
    },
    Keyring(KeyringError),
    /// There is nobody to believe.
    Nobody {
        keys: PathBuf,
    },
}

/// All that a server in production believes. The keys of issuers come later.
///
/// # Errors
/// See [`TrustError`].
pub fn load(config: &Config, data: &Path) -> Result<Keyring, TrustError> {
    let keys = data.join(KEYS_FILE);
    let mut trust = Trust { admin_keys: admin_keys(&keys)?, ..Trust::default() };
    if let Some(path) = &config.secrets_file {
        trust.secrets = secrets(path)?;
    }
    if let Some(path) = &config.issuers_file {
        trust.issuers = issuers(path)?;
    }
    trust.issuers.extend(config.firebase_project.as_deref().map(Issuer::firebase));
    if trust.secrets.is_empty() && trust.admin_keys.is_empty() && trust.issuers.is_empty() {
        return Err(TrustError::Nobody { keys });
    }
    Keyring::production(trust).map_err(TrustError::Keyring)
}

/// The administrators' keys in a file; none if it is not there.
///
/// # Errors
/// It cannot be read.
pub fn admin_keys(path: &Path) -> Result<Vec<AdminKey>, TrustError> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| content(path, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(TrustError::Read { path: path.to_owned(), error }),
    }
}

fn secrets(path: &Path) -> Result<Vec<Secret>, TrustError> {
    let text = read(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| Secret::new(line).map_err(|error| content(path, error))).collect()
}

fn issuers(path: &Path) -> Result<Vec<Issuer>, TrustError> {
    serde_json::from_str(&read(path)?).map_err(|error| content(path, error))
}

fn read(path: &Path) -> Result<String, TrustError> {
    std::fs::read_to_string(path).map_err(|error| TrustError::Read { path: path.to_owned(), error })
}

fn content(path: &Path, problem: impl fmt::Display) -> TrustError {
    TrustError::Content { path: path.to_owned(), problem: problem.to_string() }
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Content { path, problem } => write!(f, "{}: {problem}", path.display()),
            Self::Keyring(error) => error.fmt(f),
            Self::Nobody { keys } => write!(
                f,
                "in production somebody must hold a key, and nobody does.\n\
                 Make one: `beaconfire key create --data {}`, or name a `--secrets-file`, an `--issuers-file` or a \
                 `--firebase-project`.",
                keys.parent().unwrap_or(keys).display()
            ),
        }
    }
}

impl std::error::Error for TrustError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_how_to_become_somebody_and_secrets_are_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let error = load(&config, directory.path()).unwrap_err();
        assert!(error.to_string().contains("beaconfire key create --data "), "{error}");
        let path = directory.path().join("secrets");
        config.secrets_file = Some(path.clone());
        std::fs::write(&path, "hush\n").unwrap();
        let error = format!("{0} {0:?}", load(&config, directory.path()).unwrap_err());
        assert!(error.contains("at least 32 bytes") && !error.contains("hush"), "{error}");
        std::fs::write(&path, format!("# mine\n\n{}\n", "hush".repeat(10))).unwrap();
        assert!(load(&config, directory.path()).is_ok());
        config.issuers_file = Some(directory.path().join("absent"));
        assert!(matches!(load(&config, directory.path()), Err(TrustError::Read { .. })));
    }
}
