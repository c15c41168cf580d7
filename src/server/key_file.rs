//! The file of administrators' keys, as it is edited: whole or not at all, and by one editor after the other.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::data_dir::DataDir;
use super::trust::{self, KEYS_FILE, TrustError};
use crate::engine::{AdminKey, Keyring, KeyringError, Trust};

/// Why the keys of a data directory cannot be edited. They are as they were then.
#[derive(Debug)]
pub enum KeyFileError {
    /// What is there cannot be read.
    Read(TrustError),
    /// A server would not take what would be there.
    Unfit(KeyringError),
    Write {
        path: PathBuf,
        error: io::Error,
    },
}

/// Lets `change` edit the keys of the data directory `data`, which is made if it is missing, and stores them in a file
/// that is open to this user alone. A running server reads it by itself.
///
/// # Errors
/// See [`KeyFileError`].
pub fn edit<T>(data: &Path, change: impl FnOnce(&mut Vec<AdminKey>) -> T) -> Result<T, KeyFileError> {
    let path = data.join(KEYS_FILE);
    let unwritten = |error| KeyFileError::Write { path: path.clone(), error };
    let directory = DataDir::at(data).and_then(|_| File::open(data)).map_err(unwritten)?;
    // Held until it is closed at the end of this function: another editor waits.
    directory.lock().map_err(unwritten)?;
    let former = trust::admin_keys(&path).map_err(KeyFileError::Read)?;
    let mut keys = former.clone();
    let told = change(&mut keys);
    if keys != former {
        Keyring::production(Trust { admin_keys: keys.clone(), ..Trust::default() }).map_err(KeyFileError::Unfit)?;
        write(&path, &keys).and_then(|()| directory.sync_all()).map_err(unwritten)?;
    }
    Ok(told)
}

fn write(path: &Path, keys: &[AdminKey]) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    // What a killed editor has left may have another mode.
    let _ = fs::remove_file(&beside);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    serde_json::to_writer_pretty(&mut file, keys)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Unfit(error) => error.fmt(f),
            Self::Write { path, error } => write!(f, "{} cannot be written: {error}", path.display()),
        }
    }
}

impl std::error::Error for KeyFileError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(data: &Path, label: &str) -> Result<(), KeyFileError> {
        edit(data, |keys| keys.push(AdminKey::generate(label, 1, None).1))
    }

    #[test]
    fn edited_keys_are_kept_for_their_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("new");
        add(&data, "one").unwrap();
        add(&data, "two").unwrap();
        let path = data.join(KEYS_FILE);
        let labels: Vec<String> = trust::admin_keys(&path).unwrap().into_iter().map(|key| key.label).collect();
        assert_eq!(labels, ["one", "two"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn editors_at_the_same_time_lose_nothing() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let data = directory.path();
                scope.spawn(move || add(data, &number.to_string()).unwrap());
            }
        });
        assert_eq!(trust::admin_keys(&directory.path().join(KEYS_FILE)).unwrap().len(), 8);
    }

    #[test]
    fn file_that_is_no_key_file_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(KEYS_FILE);
        fs::write(&path, "{").unwrap();
        let error = add(directory.path(), "one").unwrap_err().to_string();
        assert!(error.contains(KEYS_FILE), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{");
        fs::write(&path, "[]").unwrap();
        let same = AdminKey::generate("one", 1, None).1;
        let twice = edit(directory.path(), |keys| keys.extend([same.clone(), same]));
        assert!(matches!(twice, Err(KeyFileError::Unfit(KeyringError::Twice(_)))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[]");
    }
}
