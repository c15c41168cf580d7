//! Entries in their table.

use rusqlite::Connection;

use super::super::StoreError;
use super::super::encode::end_of;
use super::super::scan::key_between;

/// Entries from `?1` (included) to `?2` (excluded), in order.
pub const FORWARDS: &str = "SELECT key FROM entry WHERE key >= ?1 AND key < ?2 ORDER BY key";
/// The same, last first.
pub const BACKWARDS: &str = "SELECT key FROM entry WHERE key >= ?1 AND key < ?2 ORDER BY key DESC";
/// The first and the last between two keys, both excluded.
const FIRST: &str = "SELECT key FROM entry WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT 1";
const LAST: &str = "SELECT key FROM entry WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT 1";

/// Whether an entry is below `prefix`.
pub fn any_below(conn: &Connection, prefix: &[u8]) -> Result<bool, StoreError> {
    Ok(key_between(conn, FIRST, prefix, &end_of(prefix), |_| Ok(()))?.is_some())
}

/// What `read` makes of the last entry between two keys, both excluded.
pub fn last_between<T>(
    conn: &Connection,
    above: &[u8],
    below: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    key_between(conn, LAST, above, below, read)
}

/// Puts an entry there, if it is not.
pub fn put(conn: &Connection, key: &[u8]) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR IGNORE INTO entry (key) VALUES (?1)")?.execute([key])?;
    Ok(())
}

/// Deletes an entry, if it is there.
pub fn delete(conn: &Connection, key: &[u8]) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Deletes the entries between two keys, both excluded.
pub fn delete_between(conn: &Connection, above: &[u8], below: &[u8]) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM entry WHERE key > ?1 AND key < ?2")?.execute((above, below))?;
    Ok(())
}
