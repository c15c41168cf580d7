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
