//! Chance from a seed that is printed, so that a failure can be repeated.

#![allow(clippy::print_stdout, reason = "whoever repeats a failure needs the seed")]

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// `SplitMix64`: small, and good enough to choose moments.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Seeded by `BEACONFIRE_SEED`, else by the time; the seed is printed.
    pub fn from_environment() -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let seed = env::var("BEACONFIRE_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(time));
        println!("BEACONFIRE_SEED={seed}");
        Self(seed)
    }

    /// Dice of its own for a thread, so that the threads do not disturb each other's numbers.
    pub fn fork(&mut self) -> Self {
        Self(self.draw())
    }

    /// A number in `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
