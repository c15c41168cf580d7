//! Keys: what one may contain, and the order in which they sort.
//!
//! Source: Firebase realtime protocol 11.1, 11.3. Integer keys come first, by value, then by length; all others by
//! UTF-16 code units, which is not the order of their UTF-8 bytes.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::order::cmp_utf16;
use crate::base::limits::KEY_BYTES_MAX;

/// One legal path segment. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<str>);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// No characters at all.
    Empty,
    /// One of `. # $ [ ] /`, U+0000 to U+001F, or U+007F.
    Forbidden(char),
    /// More than 768 UTF-8 bytes.
    TooLong,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a key must not be empty"),
            Self::Forbidden(character) => {
                write!(f, "a key must not contain {character:?} (forbidden: . # $ [ ] / and control characters)")
            }
            Self::TooLong => write!(f, "a key may have at most {KEY_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for KeyError {}

impl Key {
    /// Takes `text` as a key.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        // All forbidden characters are ASCII, so bytes are enough to find them.
        match text.bytes().find(|byte| is_forbidden(*byte)) {
            Some(byte) => Err(KeyError::Forbidden(char::from(byte))),
            None => Ok(Self(text.into())),
        }
    }

    /// A key whose text was checked before it was stored. Only for what comes back from our own store.
    pub(crate) fn trusted(text: &str) -> Self {
        Self(text.into())
    }

    /// The key of an array element.
    pub fn index(index: usize) -> Self {
        Self(index.to_string().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of an integer key: an optional `-`, digits, within 32 bits. `-0` counts, as 0.
    pub fn as_int(&self) -> Option<i32> {
        parse_int(&self.0)
    }

    /// The index of an array element: digits without a leading zero.
    pub fn as_array_index(&self) -> Option<u32> {
        let text = &*self.0;
        if text.starts_with('-') || (text.len() > 1 && text.starts_with('0')) {
            return None;
        }
        self.as_int().and_then(|value| u32::try_from(value).ok())
    }
}

fn is_forbidden(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'.' | b'#' | b'$' | b'[' | b']' | b'/' | 0x7f)
}

/// Any number of leading zeros is allowed, then at most ten digits (as the JS SDK 12 does).
fn parse_int(text: &str) -> Option<i32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 10 {
        return None;
    }
    let magnitude = significant.bytes().fold(0_i64, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    i32::try_from(if text.starts_with('-') { -magnitude } else { magnitude }).ok()
}

/// Key order for any two texts, legal keys or not.
pub fn cmp_text(a: &str, b: &str) -> Ordering {
    // Most keys begin like no integer: one look tells.
    let may_be_int = |text: &str| matches!(text.as_bytes().first(), Some(b'-' | b'0'..=b'9'));
    if !may_be_int(a) && !may_be_int(b) {
        return cmp_utf16(a, b);
    }
    match (parse_int(a), parse_int(b)) {
        // `-0` and `00` tie in the SDKs' order; the text decides, so that the order is total.
        (Some(x), Some(y)) => x.cmp(&y).then(a.len().cmp(&b.len())).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => cmp_utf16(a, b),
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_text(&self.0, &other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::arbitrary;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    /// The order as the spec words it.
    fn reference(a: &str, b: &str) -> Ordering {
        let int = |text: &str| {
            let digits = text.trim_start_matches('-');
            let is_form =
                text.len() - digits.len() <= 1 && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
            (is_form && digits.trim_start_matches('0').len() <= 10).then(|| text.parse::<i128>().unwrap())
        };
        let int = |text: &str| int(text).filter(|value| (-2_147_483_648..=2_147_483_647).contains(value));
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        match (int(a), int(b)) {
            (Some(x), Some(y)) => (x, a.len(), a).cmp(&(y, b.len(), b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => units(a).cmp(&units(b)),
        }
    }

    #[test]
    fn key_order_is_that_of_the_vectors() {
        let table: [&[&str]; 3] = [
            &["-2147483648", "-5", "0", "1", "01", "001", "9", "10", "2147483647", "-2147483649", "2147483648", "a"],
            &["z", "😀", "\u{fffd}"],
            &["-5", "0", "-0", "5", "-", "--1", "-a", "1a", "a", "a1", "aa", "b"],
        ];
        for keys in table {
            let keys: Vec<_> = keys.iter().map(|text| key(text)).collect();
            for (i, a) in keys.iter().enumerate() {
                for (j, b) in keys.iter().enumerate() {
                    assert_eq!(a.cmp(b), i.cmp(&j), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn key_with_many_leading_zeros_is_an_integer() {
        assert_eq!(key("00000000000000000001").as_int(), Some(1));
        assert_eq!(key("-0002147483648").as_int(), Some(i32::MIN));
        assert_eq!(key("-0").as_int(), Some(0));
        for text in ["2147483648", "-2147483649", "99999999999", "+1", " 1", "1e3", "-"] {
            if let Ok(key) = Key::parse(text) {
                assert_eq!(key.as_int(), None, "{text}");
            }
        }
    }

    #[test]
    fn array_index_has_no_leading_zero_and_no_sign() {
        let index = |text| key(text).as_array_index();
        assert_eq!((index("0"), index("10"), index("2147483647")), (Some(0), Some(10), Some(2_147_483_647)));
        for text in ["00", "01", "-0", "-1", "a", "2147483648", "1a"] {
            assert_eq!(index(text), None, "{text}");
        }
        assert_eq!(Key::index(7), key("7"));
    }

    #[test]
    fn key_with_forbidden_characters_or_size_is_refused() {
        for character in ['.', '#', '$', '[', ']', '/', '\0', '\n', '\u{1f}', '\u{7f}'] {
            assert_eq!(Key::parse(&format!("a{character}b")), Err(KeyError::Forbidden(character)));
        }
        assert_eq!(Key::parse(""), Err(KeyError::Empty));
        assert_eq!(Key::parse(&"é".repeat(385)), Err(KeyError::TooLong));
        for text in ["é".repeat(384), " ".to_owned(), "\u{80}".to_owned(), "a%\"\\'<>{}|^`~&?=+,:;@!()*".to_owned()] {
            assert_eq!(key(&text).as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn key_order_is_that_of_the_reference(a in arbitrary::key(), b in arbitrary::key()) {
            prop_assert_eq!(a.cmp(&b), reference(a.as_str(), b.as_str()));
            prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
        }

        #[test]
        fn key_order_is_total(keys in prop::collection::vec(arbitrary::key(), 3)) {
            let (a, b, c) = (&keys[0], &keys[1], &keys[2]);
            prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn key_parse_takes_exactly_the_legal_texts(text in any::<String>()) {
            let legal = !text.is_empty() && text.len() <= KEY_BYTES_MAX
                && !text.chars().any(|c| ".#$[]/".contains(c) || c < ' ' || c == '\u{7f}');
            prop_assert_eq!(Key::parse(&text).is_ok(), legal);
        }
    }
}
