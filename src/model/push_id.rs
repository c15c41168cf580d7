//! Push ids: 20 characters that sort by creation time.
//!
//! Source: Firebase realtime protocol 17. Eight characters are the time, twelve are random; within one millisecond the
//! random ones are counted up instead of drawn again.

use std::sync::{Mutex, PoisonError};

use super::Key;
use crate::base::{Millis, random};

/// The digits of base 64, in ascending ASCII order.
const ALPHABET: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const TIME_CHARS: u32 = 8;
const RANDOM_CHARS: usize = 12;
const DIGIT_MAX: u8 = 63;

/// Makes the push ids of one database: each sorts after all before it, also when the clock steps back and whichever
/// thread asks.
#[derive(Debug)]
pub struct PushIds(Mutex<Newest>);

/// The id handed out last.
#[derive(Clone, Copy, Debug)]
struct Newest {
    time: Millis,
    digits: [u8; RANDOM_CHARS],
}

impl PushIds {
    /// Ids will sort after all that were made up to and including `newest`; 0 if there are none.
    pub fn new(newest: Millis) -> Self {
        // As if the last id of that millisecond had been used: the next one belongs to the millisecond after it.
        Self(Mutex::new(Newest { time: newest.max(0), digits: [DIGIT_MAX; RANDOM_CHARS] }))
    }

    /// A new id for the time `now`.
    pub fn next(&self, now: Millis) -> Key {
        let mut drawn = [0; RANDOM_CHARS];
        random::fill(&mut drawn);
        let newest = {
            let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            newest.advance(now, drawn);
            *newest
        };
        newest.key()
    }
}

impl Newest {
    fn advance(&mut self, now: Millis, drawn: [u8; RANDOM_CHARS]) {
        if now <= self.time && self.count_up() {
            return;
        }
        self.time = now.max(self.time + 1);
        self.digits = drawn.map(|byte| byte & DIGIT_MAX);
    }

    /// Adds one to the random part; `false` if there is no higher one.
    fn count_up(&mut self) -> bool {
        for digit in self.digits.iter_mut().rev() {
            if *digit < DIGIT_MAX {
                *digit += 1;
                return true;
            }
            *digit = 0;
        }
        false
    }

    fn key(&self) -> Key {
        let time = (0..TIME_CHARS).rev().map(|place| (self.time >> (6 * place)) & 63);
        let digits = time.chain(self.digits.iter().map(|digit| i64::from(*digit)));
        let text: String = digits
            .filter_map(|digit| usize::try_from(digit).ok().and_then(|digit| ALPHABET.get(digit)))
            .map(|byte| char::from(*byte))
            .collect();
        Key::trusted(&text)
    }
}
