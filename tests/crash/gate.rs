//! When the clients may work: a door that opens for each life of the server and closes before each kill.

use std::sync::{Condvar, Mutex};

/// What is wanted of the clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The server is dying, dead or starting.
    #[default]
    Closed,
    /// All work.
    Load,
    /// Only readers work, until they have seen the last push.
    CatchUp,
    /// The test is over.
    Over,
}

/// One opening of the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    pub number: u64,
    pub phase: Phase,
    pub bucket: u32,
}

#[derive(Default)]
pub struct Gate {
    turn: Mutex<Turn>,
    changed: Condvar,
}

impl Gate {
    /// Waits for the next opening after `turn` that is one of `phases`; `None` when the test is over.
    pub fn next(&self, turn: Turn, phases: &[Phase]) -> Option<Turn> {
        let waits =
            |now: &mut Turn| now.phase != Phase::Over && (now.number <= turn.number || !phases.contains(&now.phase));
        let now = *self.changed.wait_while(self.turn.lock().unwrap(), waits).unwrap();
        (now.phase != Phase::Over).then_some(now)
    }

    /// Waits until `turn` is over.
    pub fn wait_for_end(&self, turn: &Turn) {
        drop(self.changed.wait_while(self.turn.lock().unwrap(), |now| *now == *turn).unwrap());
    }

    pub fn is_open(&self, turn: &Turn) -> bool {
        *self.turn.lock().unwrap() == *turn
    }

    pub fn open(&self, phase: Phase, bucket: u32) {
        let mut turn = self.turn.lock().unwrap();
        *turn = Turn { number: turn.number + 1, phase, bucket };
        drop(turn);
        self.changed.notify_all();
    }

    pub fn close(&self) {
        self.shut(Phase::Closed);
    }

    /// Ends all waiting even when the test fails, or its threads would never come back.
    pub fn end_when_dropped(&self) -> impl Drop + '_ {
        struct End<'a>(&'a Gate);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.shut(Phase::Over);
            }
        }
        End(self)
    }

    fn shut(&self, phase: Phase) {
        self.turn.lock().unwrap().phase = phase;
        self.changed.notify_all();
    }
}
