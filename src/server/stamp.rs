//! Whether a file has changed since it was looked at.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells whether a file has changed, written or replaced: its number, size and time. `None` for one that cannot be
/// looked at.
pub type Stamp = Option<(u64, u64, i64, i64)>;

/// The stamp of `path` now. Blocks for one look into the directory.
pub fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}
