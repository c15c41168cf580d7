//! Orders that several places need: text by UTF-16 code units, and index values.
//!
//! Source: Firebase realtime protocol 11.3 to 11.5.

use std::cmp::Ordering;

use super::{Key, Scalar};

/// Compares as JavaScript does: by UTF-16 code units.
///
/// This differs from UTF-8 order only where a character above U+FFFF (a surrogate pair, D800..DFFF) meets one of
/// U+E000..U+FFFF.
pub fn cmp_utf16(a: &str, b: &str) -> Ordering {
    let same = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    match (a.as_bytes().get(same), b.as_bytes().get(same)) {
        // The first byte that differs is a lead byte in both, or a continuation byte of the same lead in both;
        // only for lead bytes does the class of the character matter.
        (Some(&x), Some(&y)) => utf16_rank(x).cmp(&utf16_rank(y)),
        (x, y) => x.is_some().cmp(&y.is_some()),
    }
}

/// Lead bytes EE and EF (U+E000..U+FFFF) sort above F0..F4 (surrogate pairs); all others as they are.
pub fn utf16_rank(byte: u8) -> u8 {
    match byte {
        0xee | 0xef => byte + 0x10,
        other => other,
    }
}

/// What a child is ordered by: its key comes second.
///
/// Order: null, false, true, numbers, strings, inner nodes (all equal).
#[derive(Clone, Debug)]
pub enum IndexValue {
    Null,
    Scalar(Scalar),
    Inner,
}

impl IndexValue {
    fn class(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Scalar(scalar) => scalar.class(),
            Self::Inner => 4,
        }
    }
}

/// Equal in order: integers that have the same nearest double are.
impl PartialEq for IndexValue {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for IndexValue {}

impl Ord for IndexValue {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Scalar(a), Self::Scalar(b)) => a.cmp_value(b),
            _ => self.class().cmp(&other.class()),
        }
    }
}

impl PartialOrd for IndexValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The place of a child in an ordered view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub value: IndexValue,
    pub key: Key,
}
