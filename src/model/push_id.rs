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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    #[test]
    fn id_has_twenty_characters_and_begins_with_its_time() {
        // The spec's example `-P6u6o2ktaF2Sho_EpxM`, taken apart.
        let place = |character| ALPHABET.iter().position(|digit| *digit == character).unwrap();
        let time = b"-P6u6o2k".iter().fold(0, |sum, character| sum * 64 + place(*character));
        let time = Millis::try_from(time).unwrap();
        let ids = PushIds::new(0);
        let id = ids.next(time);
        assert_eq!(id.as_str().len(), 20);
        assert!(id.as_str().starts_with("-P6u6o2k"), "{id}");
        assert!(Key::parse(id.as_str()).is_ok());
    }

    #[test]
    fn same_millisecond_counts_the_random_part_up() {
        let mut newest = Newest { time: 5, digits: [0; RANDOM_CHARS] };
        newest.digits[10] = 7;
        newest.digits[11] = DIGIT_MAX;
        newest.advance(5, [9; RANDOM_CHARS]);
        assert_eq!((newest.time, newest.digits[10], newest.digits[11]), (5, 8, 0));
    }

    #[test]
    fn used_up_millisecond_goes_on_in_the_next() {
        let mut newest = Newest { time: 5, digits: [DIGIT_MAX; RANDOM_CHARS] };
        newest.advance(5, [0xff; RANDOM_CHARS]);
        assert_eq!((newest.time, newest.digits), (6, [DIGIT_MAX; RANDOM_CHARS]));
        newest.advance(2, [65; RANDOM_CHARS]);
        assert_eq!((newest.time, newest.digits), (7, [1; RANDOM_CHARS]));
    }

    #[test]
    fn later_time_draws_anew() {
        let mut newest = Newest { time: 5, digits: [DIGIT_MAX; RANDOM_CHARS] };
        newest.advance(9, [3; RANDOM_CHARS]);
        assert_eq!((newest.time, newest.digits), (9, [3; RANDOM_CHARS]));
    }

    #[test]
    fn ids_of_a_restarted_server_sort_after_the_old_ones() {
        let old = PushIds::new(0);
        let last = (0..100).map(|_| old.next(1_000)).max().unwrap();
        let new = PushIds::new(1_000);
        assert!(new.next(400) > last);
    }

    #[test]
    fn ids_rise_in_every_thread_while_the_clock_jitters() {
        let ids = PushIds::new(0);
        let clock = std::sync::atomic::AtomicI64::new(1_700_000_000_000);
        let manual = Clock::manual(0);
        let per_thread: Vec<Vec<Key>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let (ids, clock, manual) = (&ids, &clock, &manual);
                    scope.spawn(move || {
                        (0..2_000)
                            .map(|turn| {
                                let step = if (turn + thread) % 3 == 0 { -2 } else { 1 };
                                let now = clock.fetch_add(step, std::sync::atomic::Ordering::Relaxed);
                                manual.set(now);
                                // Both a clock that steps back and the one that does not.
                                ids.next(if turn % 2 == 0 { now } else { manual.now() })
                            })
                            .collect()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for made in &per_thread {
            assert!(made.is_sorted_by(|a, b| a < b));
        }
        let mut all: Vec<_> = per_thread.into_iter().flatten().collect();
        all.sort_unstable();
        assert!(all.is_sorted_by(|a, b| a < b), "an id was given twice");
    }

    #[test]
    fn ids_sort_the_same_as_keys_and_as_text() {
        let ids = PushIds::new(0);
        let made: Vec<_> = (0..64).map(|turn| ids.next(turn * 97)).collect();
        assert!(made.is_sorted());
        assert!(made.is_sorted_by_key(|id| id.as_str().to_owned()));
    }
}
