//! A cursor over the rows of a range, moving forward only, that steps over near rows and seeks past far ones.

use rusqlite::{Connection, Row};

use super::StoreError;

/// All columns of the rows from `?1` (included) to `?2` (excluded).
pub const ROWS: &str = "SELECT key, value, priority FROM node WHERE key >= ?1 AND key < ?2 ORDER BY key";
/// The same rows without their values, which may be long. Also the text that may run while [`ROWS`] is busy: a cached
/// statement serves one reader at a time.
pub const KEYS: &str = "SELECT key FROM node WHERE key >= ?1 AND key < ?2 ORDER BY key";
/// The first and the last key between two keys, both excluded.
pub const KEY_FIRST: &str = "SELECT key FROM node WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT 1";
pub const KEY_LAST: &str = "SELECT key FROM node WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT 1";
/// The rows before a key and from another one on, last first.
pub const KEYS_BACK: &str = "SELECT key FROM node WHERE key >= ?1 AND key < ?2 ORDER BY key DESC";
/// The row of exactly this key.
pub const ROW: &str = "SELECT value, priority FROM node WHERE key = ?1";

/// Rows stepped over before a seek is cheaper (a seek takes about as long as 15 steps).
const STEPS_MAX: u32 = 16;

/// Where a scan goes on.
pub enum Next {
    /// At the next row.
    Row,
    /// At the first row from the key on that the visitor has put into its last argument.
    Skip,
    Stop,
}

/// Visits rows of `sql` ([`ROWS`] or [`KEYS`]) from `from` up to `end`, in key order.
pub fn scan(
    conn: &Connection,
    sql: &str,
    mut from: Vec<u8>,
    end: &[u8],
    mut visit: impl FnMut(&[u8], &Row<'_>, &mut Vec<u8>) -> Result<Next, StoreError>,
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut skipping = false;
    'seek: loop {
        let mut rows = statement.query((&from, end))?;
        let mut passed = 0;
        while let Some(row) = rows.next()? {
            let key = key_of(row)?;
            if skipping && key < from.as_slice() {
                passed += 1;
                if passed > STEPS_MAX {
                    continue 'seek;
                }
                continue;
            }
            match visit(key, row, &mut from)? {
                Next::Row => skipping = false,
                Next::Skip => (skipping, passed) = (true, 0),
                Next::Stop => return Ok(()),
            }
        }
        return Ok(());
    }
}

/// The first column, the row key.
pub fn key_of<'a>(row: &'a Row<'_>) -> Result<&'a [u8], StoreError> {
    row.get_ref(0)?.as_blob().map_err(|_| StoreError::damaged("a row key that is no BLOB"))
}

/// Asks for one key ([`KEY_FIRST`] or [`KEY_LAST`]) strictly between two others.
pub fn key_between<T>(
    conn: &Connection,
    sql: &str,
    above: &[u8],
    below: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query((above, below))?;
    rows.next()?.map(|row| read(key_of(row)?)).transpose()
}
