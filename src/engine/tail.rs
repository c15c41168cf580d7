//! The newest part of the log, decoded and kept for a while: clients that come back together share one reading of it.

use std::ops::ControlFlow;

use crate::base::limits::{REPLAY_BYTES_MAX, REPLAY_RECORDS_MAX};
use crate::store::{LogEntry, StoreError, Tree};

/// Records that follow each other up to the newest one read so far. Bounded by what one resumption may cost.
#[derive(Default)]
pub(super) struct Tail {
    /// The record before the first of `entries`.
    after: u64,
    entries: Vec<LogEntry>,
}

impl Tail {
    /// The records after `after`, which the log still has; `None` if they are too many or weigh too much to be told one
    /// by one.
    pub fn after(&mut self, tree: &Tree<'_>, after: u64) -> Result<Option<&[LogEntry]>, StoreError> {
        let missed = tree.seq()?.saturating_sub(after);
        if missed > REPLAY_RECORDS_MAX || tree.log_bytes(after)? > REPLAY_BYTES_MAX {
            return Ok(None);
        }
        let is_too_long = self.entries.len() as u64 > 2 * REPLAY_RECORDS_MAX;
        if self.entries.is_empty() || after < self.after || after > self.newest() || is_too_long {
            *self = Self { after, entries: Vec::new() };
        }
        tree.log(self.newest(), &mut |entry| {
            self.entries.push(entry);
            ControlFlow::Continue(())
        })?;
        let skipped = usize::try_from(after - self.after).unwrap_or(usize::MAX);
        Ok(self.entries.get(skipped..))
    }

    fn newest(&self) -> u64 {
        self.after + self.entries.len() as u64
    }
}
