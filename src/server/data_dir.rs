//! Where data lives: a directory of this user's alone, or a temporary one that is removed at the end.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

use crate::base::random;

/// A directory that exists; removed with all it holds when dropped, if it is a temporary one.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    is_temporary: bool,
}

impl DataDir {
    /// The directory at `path`, made if it is missing, open to this user alone.
    ///
    /// # Errors
    /// Those of the system.
    pub fn at(path: &Path) -> io::Result<Self> {
        make(path)?;
        Ok(Self { path: path.to_owned(), is_temporary: false })
    }

    /// A fresh one below the system's temporary directory. A killed process leaves it behind.
    ///
    /// # Errors
    /// Those of the system.
    pub fn temporary() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("beaconfire-{}", random::id()));
        make(&path)?;
        Ok(Self { path, is_temporary: true })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_directory_is_private_and_gone_when_dropped() {
        let dir = DataDir::temporary().unwrap();
        let path = dir.path().to_owned();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        fs::write(path.join("file"), "x").unwrap();
        drop(dir);
        assert!(!path.exists());
    }
}
