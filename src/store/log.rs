//! The log in its table: appending, reading, and how long records are kept.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension};

use super::record::{Undo, UndoRow, parse_record, parse_undo, record_text};
use super::{Options, StoreError};
use crate::base::Millis;
use crate::model::Record;

/// Bytes of records after which [`trim`] stops for this time: the pages of long records are freed one by one.
const TRIM_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// A record as the log kept it.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    pub record: Record,
    /// The rows it replaced, in the order in which they were touched: put back from last to first, they give the tree
    /// before it. `None` if they were more than [`crate::base::limits::UNDO_BYTES_MAX`] bytes.
    pub undo: Option<Vec<UndoRow>>,
}

/// The newest record ever; zeros before the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Newest {
    pub seq: u64,
    pub time: Millis,
    /// Bytes of all records ever.
    pub total: i64,
}

/// Reads the position. The newest record is never trimmed, so it tells.
pub fn newest(conn: &Connection) -> Result<Newest, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq, time, total FROM log ORDER BY seq DESC LIMIT 1")?;
    let newest = statement
        .query_row([], |row| {
            Ok(Newest { seq: row.get::<_, i64>(0)?.cast_unsigned(), time: row.get(1)?, total: row.get(2)? })
        })
        .optional()?;
    Ok(newest.unwrap_or_default())
}

/// The oldest record that is kept; the next sequence when there is none.
pub fn start(conn: &Connection) -> Result<u64, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq FROM log ORDER BY seq LIMIT 1")?;
    let oldest = statement.query_row([], |row| row.get::<_, i64>(0)).optional()?;
    Ok(oldest.map_or(1, i64::cast_unsigned))
}

/// Appends `record` behind `newest`, which becomes it.
pub fn append(conn: &Connection, record: &Record, undo: Undo, newest: &mut Newest) -> Result<(), StoreError> {
    let text = record_text(record);
    let undo = undo.finish();
    let bytes = text.len() + undo.as_ref().map_or(0, String::len);
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let total = newest.total.saturating_add(bytes);
    let mut statement =
        conn.prepare_cached("INSERT INTO log (seq, time, bytes, total, record, undo) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    statement.execute((record.seq.cast_signed(), record.time, bytes, total, text, undo))?;
    *newest = Newest { seq: record.seq, time: record.time, total };
    Ok(())
}

/// Visits the records behind `after`, in order.
pub fn read(
    conn: &Connection,
    after: u64,
    visit: &mut dyn FnMut(LogEntry) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq, time, record, undo FROM log WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = statement.query([i64::try_from(after).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.cast_unsigned();
        let broken = |what: &str| StoreError::damaged(format!("log record {seq}: {what}"));
        let text = row.get_ref(2)?.as_str().map_err(|_| broken("no text"))?;
        let record = parse_record(seq, row.get(1)?, text).map_err(broken)?;
        let undo = row.get_ref(3)?.as_str_or_null().map_err(|_| broken("no text"))?;
        let undo = undo.map(parse_undo).transpose().map_err(broken)?;
        if visit(LogEntry { record, undo }).is_break() {
            break;
        }
    }
    Ok(())
}

/// Bytes of the kept records after `after`: what all have come to, less what had come before the first of them.
pub fn bytes_after(conn: &Connection, after: u64) -> Result<u64, StoreError> {
    let sql = "SELECT (SELECT total FROM log ORDER BY seq DESC LIMIT 1) - (total - bytes) \
               FROM log WHERE seq > ?1 ORDER BY seq LIMIT 1";
    let mut statement = conn.prepare_cached(sql)?;
    let bytes: Option<i64> =
        statement.query_row([i64::try_from(after).unwrap_or(i64::MAX)], |row| row.get(0)).optional()?;
    Ok(bytes.map_or(0, i64::cast_unsigned))
}

/// Drops records that `keep` wants no more: oldest first, at most `max` and about [`TRIM_BYTES_MAX`], never the newest.
/// Ages are measured from the newest record, not from now. Gives whether there may be more to drop.
pub fn trim(conn: &Connection, keep: &Options, newest: &Newest, max: u32) -> Result<bool, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq, time, bytes, total FROM log ORDER BY seq LIMIT ?1")?;
    let mut rows = statement.query([max])?;
    let (mut dropped, mut dropped_bytes, mut cut) = (0, 0, None);
    let is_enough = |rows: u32, bytes: i64| rows >= max || bytes >= TRIM_BYTES_MAX;
    while !is_enough(dropped, dropped_bytes)
        && let Some(row) = rows.next()?
    {
        let (seq, bytes) = (row.get::<_, i64>(0)?, row.get::<_, i64>(2)?);
        let from_here_on = newest.total.saturating_sub(row.get::<_, i64>(3)?).saturating_add(bytes);
        let behind = newest.seq.saturating_sub(seq.cast_unsigned());
        let is_over = behind >= keep.log_records_max
            || from_here_on.cast_unsigned() > keep.log_bytes_max
            || newest.time.saturating_sub(row.get(1)?) > keep.log_age_max_ms;
        if behind == 0 || !is_over {
            break;
        }
        dropped += 1;
        dropped_bytes = bytes.saturating_add(dropped_bytes);
        cut = Some(seq);
    }
    drop(rows);
    if let Some(cut) = cut {
        conn.prepare_cached("DELETE FROM log WHERE seq <= ?1")?.execute([cut])?;
    }
    Ok(is_enough(dropped, dropped_bytes))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Temp, set};
    use super::*;
    use crate::model::{Node, Scalar};

    #[test]
    fn log_is_read_from_a_sequence_until_the_visitor_breaks() {
        let mut temp = Temp::new();
        (1..=5).for_each(|value| drop(temp.write(&[("/a", &value.to_string())])));
        let mut seen = Vec::new();
        temp.tree()
            .log(2, &mut |entry| {
                seen.push(entry.record.seq);
                if entry.record.seq == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!(seen, [3, 4]);
        temp.tree().log(u64::MAX, &mut |_| panic!("nothing is there")).unwrap();
    }

    /// What is left of ten records, made one millisecond apart, all but the first of the same size.
    fn kept(options: Options) -> Vec<u64> {
        let mut temp = Temp::with(options);
        (1..=10).for_each(|time| drop(temp.commit(vec![set("/a", Node::leaf(Scalar::Int(time % 2)))], time)));
        while temp.writer.idle() {}
        let kept: Vec<u64> = temp.log().iter().map(|entry| entry.record.seq).collect();
        assert_eq!(temp.tree().log_start().unwrap(), kept[0]);
        assert_eq!(temp.tree().seq().unwrap(), 10);
        kept
    }

    #[test]
    fn log_is_kept_by_count_bytes_and_age() {
        let all = Options::default();
        assert_eq!(kept(all), (1..=10).collect::<Vec<_>>());
        assert_eq!(kept(Options { log_records_max: 3, ..all }), [8, 9, 10]);
        assert_eq!(kept(Options { log_age_max_ms: 1, ..all }), [9, 10]);
        let bytes = r#"{"v":1,"path":"/a","update":false,"changes":[["/a",0]]}[["/a",1,null]]"#.len() as u64;
        assert_eq!(kept(Options { log_bytes_max: 4 * bytes, ..all }), [7, 8, 9, 10]);
        assert_eq!(kept(Options { log_bytes_max: 4 * bytes - 1, ..all }), [8, 9, 10]);
        // The newest record is the position, so it stays whatever the limits are.
        assert_eq!(kept(Options { log_records_max: 0, log_bytes_max: 0, log_age_max_ms: -1, ..all }), [10]);
    }

    #[test]
    fn log_under_load_stays_near_its_limits_without_idling() {
        let mut temp = Temp::with(Options { log_records_max: 100, ..Options::default() });
        for value in 0..1_000 {
            temp.write(&[("/a", &value.to_string())]);
        }
        assert!(temp.log().len() < 100 + 130, "{}", temp.log().len());
        let mut temp = Temp::with(Options { log_bytes_max: 100_000, ..Options::default() });
        for value in 0..100 {
            temp.write(&[("/a", &format!("\"{value}{}\"", "x".repeat(5_000)))]);
        }
        assert!(temp.log().len() < 20, "{}", temp.log().len());
    }

    #[test]
    fn log_of_a_new_database_starts_at_one() {
        assert_eq!(Temp::new().tree().log_start().unwrap(), 1);
    }
}
