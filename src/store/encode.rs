//! Paths as bytes whose order is Firebase key order, and scalars as SQLite values.
//!
//! A path is the concatenation of its keys' segments, so that a subtree is one range of the B-tree. A segment is
//!
//! - of an integer key: `02`, the value in four big-endian bytes with the sign flipped, two bytes that tell its
//!   spelling (`5`, `05`, `-0`): characters beyond the shortest spelling, doubled, plus 1 unless it is a zero with a
//!   minus sign;
//! - of any other key: `03`, its UTF-8 bytes with the lead bytes EE and EF raised by 10 (so that byte order is the
//!   order of UTF-16 code units), `00`. No key holds a byte below 20.
//!
//! No segment is a prefix of another. Everything below a path begins with it and then 02 or 03, so `path FF` ends its
//! range.
//!
//! Source of the order: Firebase realtime protocol 11.3.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::StoreError;
use crate::model::order::utf16_rank;
use crate::model::walk::ScalarRef;
use crate::model::{Key, Node, Path, Scalar};

const TAG_INT: u8 = 0x02;
const TAG_TEXT: u8 = 0x03;
const TERMINATOR: u8 = 0x00;
/// Sorts above every segment.
pub const ABOVE: u8 = 0xff;
/// Lead bytes as from here on were raised; UTF-8 itself ends at F4.
const RAISED: u8 = 0xfe;
const RAISED_BY: u8 = 0x10;
/// Tag, value and spelling.
const INT_BYTES: usize = 7;
/// The spelling of an integer key without leading zeros.
const SPELLED_SHORT: u16 = 1;

/// The row key of `path`.
pub fn path_key(path: &Path) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 * path.len());
    path.keys().iter().for_each(|key| push_segment(&mut out, key));
    out
}

/// The first key above `prefix` and everything below it.
pub fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = Vec::with_capacity(prefix.len() + 1);
    end.extend_from_slice(prefix);
    end.push(ABOVE);
    end
}

pub fn push_segment(out: &mut Vec<u8>, key: &Key) {
    let text = key.as_str();
    let Some(value) = key.as_int() else {
        push_text_segment(out, text.bytes());
        return;
    };
    out.push(TAG_INT);
    out.extend_from_slice(&(value.cast_unsigned() ^ 0x8000_0000).to_be_bytes());
    let extra = text.len().saturating_sub(short_len(value));
    let minus_zero = value == 0 && text.starts_with('-');
    // Keys are at most 768 bytes long; only a bound of a query may be longer, and then only order counts.
    let spelling = u16::try_from(extra * 2 + usize::from(!minus_zero)).unwrap_or(u16::MAX);
    out.extend_from_slice(&spelling.to_be_bytes());
}

/// As [`push_segment`], for a text that need not be a legal key: no key that sorts before it comes to stand behind it,
/// and none that sorts behind it before it.
pub fn push_bound(out: &mut Vec<u8>, text: &str) {
    // No key has a character below 20, so what follows such a one tells no two keys apart. What is before it is text,
    // also if it looks like an integer.
    match text.bytes().position(|byte| byte < 0x20) {
        Some(len) => push_text_segment(out, text.bytes().take(len)),
        None => push_segment(out, &Key::trusted(text)),
    }
}

fn push_text_segment(out: &mut Vec<u8>, text: impl Iterator<Item = u8>) {
    out.push(TAG_TEXT);
    out.extend(text.map(utf16_rank));
    out.push(TERMINATOR);
}

/// Characters of the shortest spelling.
fn short_len(value: i32) -> usize {
    let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + usize::from(value < 0)
}

/// Splits the first segment off `key`; `None` if it is empty or not as we write it.
pub fn split_segment(key: &[u8]) -> Option<(&[u8], &[u8])> {
    match *key.first()? {
        TAG_INT => key.split_at_checked(INT_BYTES),
        TAG_TEXT => {
            let end = key.iter().position(|byte| *byte == TERMINATOR)?;
            key.split_at_checked(end + 1)
        }
        _ => None,
    }
}

/// The text of the key whose segment it is, borrowed from the segment or written into `scratch`.
pub fn segment_text<'a>(segment: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<&'a str> {
    match segment {
        [TAG_TEXT, text @ .., TERMINATOR] if text.iter().all(|byte| *byte < RAISED) => std::str::from_utf8(text).ok(),
        [TAG_TEXT, text @ .., TERMINATOR] => {
            scratch.clear();
            scratch.extend(text.iter().map(|byte| lowered(*byte)));
            std::str::from_utf8(scratch).ok()
        }
        [TAG_INT, a, b, c, d, high, low] => {
            let value = (u32::from_be_bytes([*a, *b, *c, *d]) ^ 0x8000_0000).cast_signed();
            write_int(value, u16::from_be_bytes([*high, *low]), scratch);
            std::str::from_utf8(scratch).ok()
        }
        _ => None,
    }
}

/// Takes back [`utf16_rank`].
pub fn lowered(byte: u8) -> u8 {
    if byte >= RAISED { byte - RAISED_BY } else { byte }
}

fn write_int(value: i32, spelling: u16, out: &mut Vec<u8>) {
    out.clear();
    let minus_zero = value == 0 && spelling.is_multiple_of(2);
    if value < 0 || minus_zero {
        out.push(b'-');
    }
    let zeros = usize::from(spelling / 2).saturating_sub(usize::from(minus_zero));
    out.resize(out.len() + zeros, b'0');
    out.extend_from_slice(value.unsigned_abs().to_string().as_bytes());
}

/// The index of an array element, if the segment's key is one.
pub fn segment_index(segment: &[u8]) -> Option<u32> {
    match segment {
        [TAG_INT, a, b, c, d, high, low] if u16::from_be_bytes([*high, *low]) == SPELLED_SHORT => {
            let flipped = u32::from_be_bytes([*a, *b, *c, *d]);
            // Below 8000_0000 are the negative values.
            flipped.checked_sub(0x8000_0000)
        }
        _ => None,
    }
}

/// The key whose segment it is.
pub fn segment_key(segment: &[u8], scratch: &mut Vec<u8>) -> Result<Key, StoreError> {
    segment_text(segment, scratch).map(Key::trusted).ok_or_else(bad_key)
}

pub fn bad_key() -> StoreError {
    StoreError::damaged("a row key that no path has")
}

/// A scalar, or none, on its way into a column.
pub struct Cell<'a>(pub Option<ScalarRef<'a>>);

impl<'a> Cell<'a> {
    pub fn of(scalar: Option<&'a Scalar>) -> Self {
        Self(scalar.map(Scalar::borrowed))
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            None => ValueRef::Null,
            Some(ScalarRef::Bool(false)) => ValueRef::Blob(&[0]),
            Some(ScalarRef::Bool(true)) => ValueRef::Blob(&[1]),
            Some(ScalarRef::Int(value)) => ValueRef::Integer(value),
            Some(ScalarRef::Double(value)) => ValueRef::Real(value),
            Some(ScalarRef::Str(text)) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// The scalar in a column, `None` for NULL.
pub fn scalar(value: ValueRef<'_>) -> Result<Option<ScalarRef<'_>>, StoreError> {
    Ok(Some(match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(value) => ScalarRef::Int(value),
        ValueRef::Real(value) => ScalarRef::Double(value),
        ValueRef::Blob([0]) => ScalarRef::Bool(false),
        ValueRef::Blob([1]) => ScalarRef::Bool(true),
        ValueRef::Text(bytes) => {
            ScalarRef::Str(std::str::from_utf8(bytes).map_err(|_| StoreError::damaged("text that is no UTF-8"))?)
        }
        ValueRef::Blob(_) => return Err(StoreError::damaged("a value of no known kind")),
    }))
}

/// Visits the rows of `node` in key order: row key, value (none: an inner node's priority row), priority.
///
/// `key` is the row key of the node itself; it is the same again afterwards.
pub fn node_rows<E>(
    node: &Node,
    key: &mut Vec<u8>,
    visit: &mut impl FnMut(&[u8], Option<&Scalar>, Option<&Scalar>) -> Result<(), E>,
) -> Result<(), E> {
    match node {
        Node::Empty => {}
        Node::Leaf { value, priority } => visit(key, Some(value), priority.as_ref())?,
        Node::Inner(inner) => {
            if inner.priority.is_some() {
                visit(key, None, inner.priority.as_ref())?;
            }
            let len = key.len();
            for (child_key, child) in &inner.children {
                push_segment(key, child_key);
                node_rows(child, key, visit)?;
                key.truncate(len);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The path of a row key.
    fn key_path(mut key: &[u8]) -> Result<Path, StoreError> {
        let mut path = Path::root();
        while !key.is_empty() {
            let (segment, rest) = split_segment(key).ok_or_else(bad_key)?;
            path.push(segment_key(segment, &mut Vec::new())?);
            key = rest;
        }
        Ok(path)
    }

    /// Keys where order is hard: integers in all spellings, both sides of the surrogates, prefixes of each other.
    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            "-?0{0,3}[0-9]{1,10}",
            "-?0{0,3}[0-5]?",
            "[a-c\u{e000}\u{ffff}\u{10000}\u{10ffff}é\u{d7ff}-]{1,3}",
            any::<i32>().prop_map(|value| value.to_string()),
            "\\PC{1,6}",
        ]
        .prop_filter_map("a key", |text| Key::parse(&text).ok())
    }

    fn path() -> impl Strategy<Value = Path> {
        prop::collection::vec(key(), 0..4).prop_map(Path::from_keys)
    }

    proptest! {
        #[test]
        fn path_key_comes_back_as_the_path(path in path()) {
            prop_assert_eq!(key_path(&path_key(&path)).unwrap(), path);
        }

        #[test]
        fn path_keys_sort_as_paths(a in path(), b in path()) {
            prop_assert_eq!(path_key(&a).cmp(&path_key(&b)), a.cmp(&b));
        }

        #[test]
        fn range_of_a_path_holds_it_and_what_is_below(a in path(), b in path()) {
            let (start, key) = (path_key(&a), path_key(&b));
            prop_assert_eq!(start <= key && key < end_of(&start), b.starts_with(&a));
        }

        #[test]
        fn segment_index_is_the_array_index(key in key()) {
            let mut segment = Vec::new();
            push_segment(&mut segment, &key);
            prop_assert_eq!(segment_index(&segment), key.as_array_index());
        }
    }

    #[test]
    fn integer_keys_in_all_spellings_sort_and_come_back() {
        let texts = [
            "-2147483648",
            "-10",
            "-5",
            "-05",
            "0",
            "-0",
            "00",
            "-00",
            "000",
            "1",
            "5",
            "05",
            "005",
            "10",
            "2147483647",
            "-",
            "-2147483649",
            "2147483648",
        ];
        let keys: Vec<Key> = texts.iter().map(|text| Key::parse(text).unwrap()).collect();
        assert!(keys.is_sorted());
        let encoded: Vec<Vec<u8>> = keys.iter().map(|key| path_key(&Path::root().child(key.clone()))).collect();
        assert!(encoded.is_sorted());
        for (key, bytes) in keys.iter().zip(&encoded) {
            assert_eq!(key_path(bytes).unwrap(), Path::root().child(key.clone()));
        }
    }

    #[test]
    fn bytes_that_no_path_has_are_damage() {
        for bytes in [&[1][..], &[2, 0], &[3, b'a'], &[3, 0xff, 0], &[3, 0xc0, 0]] {
            assert!(key_path(bytes).unwrap_err().is_damaged());
        }
    }
}
