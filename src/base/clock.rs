//! The wall clock, read in one place and never running backwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// A clock that can be shared and, in tests, set by hand.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// The newest time handed out: a wall clock that steps back is held here until it has caught up.
    newest: Arc<AtomicI64>,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self { source: Source::System, newest: Arc::new(AtomicI64::new(0)) }
    }

    /// A clock that stands at `start` until [`Clock::set`] moves it.
    pub fn manual(start: Millis) -> Self {
        Self { source: Source::Manual(Arc::new(AtomicI64::new(start))), newest: Arc::new(AtomicI64::new(0)) }
    }

    /// Moves a manual clock; the system clock stays as it is.
    pub fn set(&self, now: Millis) {
        if let Source::Manual(at) = &self.source {
            at.store(now, Ordering::Relaxed);
        }
    }

    /// Now, never less than any earlier answer of this clock or its clones.
    pub fn now(&self) -> Millis {
        let read = match &self.source {
            Source::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|since| i64::try_from(since.as_millis()).ok())
                .unwrap_or(0),
            Source::Manual(at) => at.load(Ordering::Relaxed),
        };
        self.newest.fetch_max(read, Ordering::Relaxed).max(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_that_steps_back_is_held() {
        let clock = Clock::manual(1_000);
        assert_eq!(clock.now(), 1_000);
        clock.set(900);
        assert_eq!(clock.now(), 1_000);
        clock.set(1_001);
        assert_eq!(clock.now(), 1_001);
    }
}
