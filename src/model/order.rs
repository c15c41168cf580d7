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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::arbitrary;

    #[test]
    fn values_sort_by_kind_then_by_value() {
        let scalar = IndexValue::Scalar;
        let string = |text: &str| scalar(Scalar::string(text));
        let sorted = [
            IndexValue::Null,
            scalar(Scalar::Bool(false)),
            scalar(Scalar::Bool(true)),
            scalar(Scalar::Double(-1e300)),
            scalar(Scalar::Int(i64::MIN)),
            scalar(Scalar::Int(-1)),
            scalar(Scalar::Double(-0.5)),
            scalar(Scalar::Int(0)),
            scalar(Scalar::Double(5e-324)),
            scalar(Scalar::Int(1)),
            scalar(Scalar::Int(10)),
            scalar(Scalar::Double(1e300)),
            string(""),
            string("10"),
            string("9"),
            string("a"),
            string("😀"),
            string("\u{fffd}"),
            IndexValue::Inner,
        ];
        assert!(sorted.is_sorted_by(|a, b| a < b));
        assert_eq!(IndexValue::Inner, IndexValue::Inner);
    }

    #[test]
    fn integers_beyond_doubles_are_equal_where_their_doubles_are() {
        let int = |value| IndexValue::Scalar(Scalar::Int(value));
        assert_eq!(int(9_007_199_254_740_993), int(9_007_199_254_740_992));
        assert_eq!(int(i64::MAX), IndexValue::Scalar(Scalar::Double(9_223_372_036_854_775_808.0)));
        assert!(int(9_007_199_254_740_993) < int(9_007_199_254_740_994));
    }

    #[test]
    fn places_of_equal_value_sort_by_key() {
        let place = |value, key| Place { value, key: Key::parse(key).unwrap() };
        let one = || IndexValue::Scalar(Scalar::Int(1));
        let sorted = [
            place(IndexValue::Null, "z"),
            place(one(), "9"),
            place(one(), "10"),
            place(one(), "a"),
            place(IndexValue::Inner, "0"),
        ];
        assert!(sorted.is_sorted_by(|a, b| a < b));
    }

    proptest! {
        #[test]
        fn utf16_order_is_that_of_the_code_units(
            a in arbitrary::any_text(), b in arbitrary::any_text(), same in ".{0,3}"
        ) {
            let (a, b) = (same.clone() + &a, same + &b);
            let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
            prop_assert_eq!(cmp_utf16(&a, &b), units(&a).cmp(&units(&b)));
        }

        #[test]
        fn value_order_is_total_and_agrees_with_equality(
            a in arbitrary::scalar(), b in arbitrary::scalar(), c in arbitrary::scalar()
        ) {
            prop_assert_eq!(a.cmp_value(&b), b.cmp_value(&a).reverse());
            if a.cmp_value(&b).is_le() && b.cmp_value(&c).is_le() {
                prop_assert!(a.cmp_value(&c).is_le());
            }
            prop_assert!(a != b || a.cmp_value(&b).is_eq());
        }
    }
}
