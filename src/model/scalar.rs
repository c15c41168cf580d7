//! Scalars: booleans, numbers and strings.
//!
//! Source: Firebase realtime protocol 11.4, 11.7. Integers that fit 64 bits are kept exactly; everything else is an
//! IEEE 754 double. A double with an integral value that fits is the same number as the integer, and stored so.

use std::cmp::Ordering;
use std::sync::Arc;

use super::order::cmp_utf16;

/// A value of a leaf, or a priority (which is never a boolean).
#[derive(Clone, Debug)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    /// Finite, and never a number that `Int` can hold; see [`Scalar::number`].
    Double(f64),
    String(Arc<str>),
}

impl Scalar {
    /// The number `value`, as an integer where it is one. `-0` becomes 0. `None` if it is not finite.
    pub fn number(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        // 2^63 itself does not fit; -2^63 does.
        let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
        #[expect(clippy::cast_possible_truncation, reason = "integral and in range")]
        Some(if fits && value.fract() == 0.0 { Self::Int(value as i64) } else { Self::Double(value) })
    }

    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// The nearest double of a number, which is what order and hash go by.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is wanted")]
            Self::Int(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether it may be a priority: a number or a string.
    pub fn is_priority(&self) -> bool {
        !matches!(self, Self::Bool(_))
    }

    /// Rank of the kind in the value order; null is 0, inner nodes are 4.
    pub(super) fn class(&self) -> u8 {
        match self {
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Double(_) => 2,
            Self::String(_) => 3,
        }
    }

    /// The value order: false, true, numbers, strings. Integers compare as their nearest doubles, as every client does
    /// it, so different ones beyond 2^53 can be equal here.
    pub fn cmp_value(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => cmp_utf16(a, b),
            (a, b) => match (a.as_f64(), b.as_f64()) {
                (Some(x), Some(y)) => x.total_cmp(&y),
                _ => a.class().cmp(&b.class()),
            },
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::String(a), Self::String(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Scalar {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_that_is_an_integer_is_kept_as_one() {
        assert_eq!(Scalar::number(1.0), Some(Scalar::Int(1)));
        assert_eq!(Scalar::number(-0.0), Some(Scalar::Int(0)));
        assert_eq!(Scalar::number(-9_223_372_036_854_775_808.0), Some(Scalar::Int(i64::MIN)));
        assert_eq!(Scalar::number(9_223_372_036_854_775_808.0), Some(Scalar::Double(9_223_372_036_854_775_808.0)));
        assert_eq!(Scalar::number(0.5), Some(Scalar::Double(0.5)));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Scalar::number(value), None);
        }
    }

    #[test]
    fn scalars_of_different_kinds_are_different() {
        let all =
            [Scalar::Bool(true), Scalar::Int(1), Scalar::Double(1.5), Scalar::string("1"), Scalar::string("true")];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(a == b, i == j, "{a:?} {b:?}");
            }
        }
        assert!(!Scalar::Bool(false).is_priority());
        assert!(Scalar::Int(0).is_priority() && Scalar::string("").is_priority());
    }
}
