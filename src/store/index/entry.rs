//! The key of an entry: the place of one child in one index, as bytes that sort as places do.
//!
//! - the index: its id in four big-endian bytes
//! - the parent: its row key
//! - the value: `10` null, `11` false, `12` true; `13` and eight bytes, a number as its nearest double, with the sign
//!   bit flipped, or all bits if it is negative; `14`, text, an end; `15` inner node
//! - the child: its segment
//!
//! Text is UTF-8 with raised lead bytes, as in keys; 00 is written `01 01` and 01 `01 02`, and `00` ends it. Of a long
//! text only the beginning is kept, and `01 03` ends that: such a text sorts behind its beginning and before whatever
//! sorts behind all texts that begin so. Entries that are equal up to there are a **run**: within it they stand in key
//! order, and who reads it has to look at the real values.
//!
//! Segments begin with 02 or 03, so the entries of a parent and those of all parents below it are one range.
//!
//! Source of the order: Firebase realtime protocol 11.4, 11.5.

use super::super::StoreError;
use super::super::encode::{ABOVE, lowered, push_bound, push_segment};
use crate::model::order::{IndexValue, Place, utf16_rank};
use crate::model::{Bound, BoundKey, Query, Scalar};

const NULL: u8 = 0x10;
const FALSE: u8 = 0x11;
const TRUE: u8 = 0x12;
const NUMBER: u8 = 0x13;
const TEXT: u8 = 0x14;
const INNER: u8 = 0x15;
/// Above every value.
const ABOVE_VALUES: u8 = 0x16;

const END: u8 = 0x00;
const ESCAPE: u8 = 0x01;
/// Behind [`ESCAPE`]: more than the bytes that are escaped so.
const ESCAPED: u8 = 1;
const CUT: u8 = 3;
/// Bytes of a text that an entry keeps. A row of SQLite has room for about a thousand before it spills to other pages.
const TEXT_BYTES_MAX: usize = 256;

/// What the keys of all entries of `index` at and below `parent` (a row key) begin with.
pub fn entries_below(index: u32, parent: &[u8]) -> Vec<u8> {
    [&index.to_be_bytes(), parent].concat()
}

/// The entry of the child at `place`, `prefix` being that of its parent.
pub fn entry_key(prefix: &[u8], place: &Place) -> Vec<u8> {
    let mut out = prefix.to_vec();
    push_value(&mut out, &place.value);
    push_segment(&mut out, &place.key);
    out
}

/// Appends a value. Gives whether it was cut.
fn push_value(out: &mut Vec<u8>, value: &IndexValue) -> bool {
    match value {
        IndexValue::Null => out.push(NULL),
        IndexValue::Scalar(Scalar::Bool(value)) => out.push(if *value { TRUE } else { FALSE }),
        IndexValue::Scalar(Scalar::String(text)) => return push_text(out, text),
        IndexValue::Scalar(number) => {
            out.push(NUMBER);
            let bits = number.as_f64().unwrap_or_default().to_bits();
            let is_negative = bits >> 63 == 1;
            out.extend_from_slice(&(bits ^ if is_negative { u64::MAX } else { 1 << 63 }).to_be_bytes());
        }
        IndexValue::Inner => out.push(INNER),
    }
    false
}

fn push_text(out: &mut Vec<u8>, text: &str) -> bool {
    out.push(TEXT);
    for byte in text.bytes().take(TEXT_BYTES_MAX) {
        match byte {
            END | ESCAPE => out.extend_from_slice(&[ESCAPE, byte + ESCAPED]),
            byte => out.push(utf16_rank(byte)),
        }
    }
    let is_cut = text.len() > TEXT_BYTES_MAX;
    out.extend_from_slice(if is_cut { &[ESCAPE, CUT] } else { &[END] });
    is_cut
}

/// Takes an entry's key apart, of which `below` is what follows its parent: value and segment. Without a value it was
/// cut. Numbers come back as their nearest doubles, which is all that order goes by.
pub fn split(below: &[u8]) -> Result<(Option<IndexValue>, &[u8]), StoreError> {
    split_value(below).ok_or_else(|| StoreError::damaged("an index row that no child has"))
}

fn split_value(below: &[u8]) -> Option<(Option<IndexValue>, &[u8])> {
    let (kind, rest) = below.split_first()?;
    let scalar = |scalar| Some(IndexValue::Scalar(scalar));
    Some(match *kind {
        NULL => (Some(IndexValue::Null), rest),
        FALSE => (scalar(Scalar::Bool(false)), rest),
        TRUE => (scalar(Scalar::Bool(true)), rest),
        NUMBER => {
            let (bytes, rest) = rest.split_first_chunk()?;
            let bits = u64::from_be_bytes(*bytes);
            let is_negative = bits >> 63 == 0;
            (scalar(Scalar::number(f64::from_bits(bits ^ if is_negative { u64::MAX } else { 1 << 63 }))?), rest)
        }
        TEXT => {
            let (text, rest) = split_text(rest)?;
            (text.and_then(|text| scalar(Scalar::string(text))), rest)
        }
        INNER => (Some(IndexValue::Inner), rest),
        _ => return None,
    })
}

/// The text, or none if it was cut, and what follows it.
fn split_text(bytes: &[u8]) -> Option<(Option<String>, &[u8])> {
    let mut text = Vec::new();
    let mut bytes = bytes.iter();
    loop {
        match *bytes.next()? {
            END => return Some((Some(String::from_utf8(text).ok()?), bytes.as_slice())),
            ESCAPE => match bytes.next()?.checked_sub(ESCAPED)? {
                byte @ (END | ESCAPE) => text.push(byte),
                _ => return Some((None, bytes.as_slice())),
            },
            byte => text.push(lowered(byte)),
        }
    }
}

/// The entries of a node itself, those at and below it beginning with `prefix`: from (included), to (excluded).
pub fn own_range(prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    range(prefix, &Query::default())
}

/// Where the entries that `query` selects begin (included) and end (excluded). All of them are there; at the edges some
/// may be there that it does not select. The limit does not count.
pub fn range(prefix: &[u8], query: &Query) -> (Vec<u8>, Vec<u8>) {
    (edge(prefix, query.start.as_ref(), false), edge(prefix, query.end.as_ref(), true))
}

fn edge(prefix: &[u8], bound: Option<&Bound>, is_end: bool) -> Vec<u8> {
    let mut out = prefix.to_vec();
    let Some(bound) = bound else {
        out.push(if is_end { ABOVE_VALUES } else { NULL });
        return out;
    };
    let is_cut = push_value(&mut out, &bound.value);
    let is_above = match &bound.key {
        // Keys do not tell where in a run the bound is.
        _ if is_cut => is_end,
        Some(BoundKey::Min) => false,
        Some(BoundKey::Max) => true,
        Some(BoundKey::Text(text)) => {
            push_bound(&mut out, text);
            is_end
        }
        None => is_end,
    };
    if is_above {
        out.push(ABOVE);
    }
    out
}

/// The same for children that all have the value null, in key order: row keys below `base`, that of their parent.
pub fn key_range(base: &[u8], query: &Query) -> (Vec<u8>, Vec<u8>) {
    let (from, to) = range(&[], query);
    // Below all children is the parent's own row, which is none of them.
    let first = [base, &[0]].concat();
    let row_key = |edge: Vec<u8>| match edge.strip_prefix(&[NULL]) {
        Some([]) => first.clone(),
        Some(child) => [base, child].concat(),
        None => [base, &[ABOVE]].concat(),
    };
    (row_key(from), row_key(to))
}

/// Whether an entry, of which `below` is what follows its parent, has a value other than null.
pub fn has_value(below: &[u8]) -> bool {
    below.first().is_some_and(|kind| *kind != NULL)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Key, arbitrary};

    /// Texts where order is hard: cut or not, both sides of the surrogates, with the bytes that are escaped.
    fn text() -> impl Strategy<Value = String> {
        let tail = "[\u{0}\u{1}\u{2}a\u{e000}\u{ffff}\u{10000}]{0,3}";
        prop_oneof![
            3 => tail,
            1 => arbitrary::any_text(),
            // Ends around the cut, also within a character.
            2 => (250..260_usize, tail).prop_map(|(len, tail)| "x".repeat(len) + &tail),
            1 => (120..130_usize, tail).prop_map(|(len, tail)| "é".repeat(len) + &tail),
        ]
    }

    fn number() -> impl Strategy<Value = Scalar> {
        let near = prop::sample::select(vec![0, 1 << 53, -(1 << 53), i64::MAX - 1, i64::MIN + 1]);
        prop_oneof![arbitrary::number(), (near, -1..=1_i64).prop_map(|(near, by)| Scalar::Int(near + by))]
    }

    fn value() -> impl Strategy<Value = IndexValue> {
        prop_oneof![
            Just(IndexValue::Null),
            Just(IndexValue::Inner),
            any::<bool>().prop_map(|value| IndexValue::Scalar(Scalar::Bool(value))),
            number().prop_map(IndexValue::Scalar),
            text().prop_map(|text| IndexValue::Scalar(Scalar::string(text))),
        ]
    }

    fn place() -> impl Strategy<Value = Place> {
        (value(), arbitrary::key()).prop_map(|(value, key)| Place { value, key })
    }

    fn bound() -> impl Strategy<Value = Bound> {
        let key = prop_oneof![
            Just(BoundKey::Min),
            Just(BoundKey::Max),
            arbitrary::key().prop_map(|key| BoundKey::Text(key.to_string())),
            "[\u{0}\u{2}\u{1f}5a-]{0,4}".prop_map(BoundKey::Text),
        ];
        (value(), prop::option::of(key), any::<bool>()).prop_map(|(value, key, inclusive)| Bound {
            value,
            key,
            inclusive,
        })
    }

    /// What entries of a run have in common, if the value is cut.
    fn run(value: &IndexValue) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        push_value(&mut out, value).then_some(out)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn entries_sort_as_places(a in place(), b in place()) {
            let runs = (run(&a.value), run(&b.value));
            let expected = if runs.0.is_some() && runs.0 == runs.1 { a.key.cmp(&b.key) } else { a.cmp(&b) };
            prop_assert_eq!(entry_key(b"p", &a).cmp(&entry_key(b"p", &b)), expected);
        }

        #[test]
        fn entry_comes_back_as_its_place(place in place()) {
            let entry = entry_key(&[], &place);
            let (value, segment) = split(&entry).unwrap();
            let mut expected = Vec::new();
            push_segment(&mut expected, &place.key);
            prop_assert_eq!(segment, expected.as_slice());
            match run(&place.value) {
                None => prop_assert_eq!(value, Some(place.value)),
                Some(run) => {
                    prop_assert_eq!(value, None);
                    prop_assert_eq!([run.as_slice(), segment].concat(), entry);
                }
            }
        }

        #[test]
        fn range_holds_all_that_a_query_selects(
            start in prop::option::of(bound()), end in prop::option::of(bound()), place in place()
        ) {
            let query = Query { start, end, ..Query::default() };
            let is_between = |key: Vec<u8>, (from, to): (Vec<u8>, Vec<u8>)| from <= key && key < to;
            let entry = entry_key(b"p", &place);
            prop_assert!(!query.contains(&place) || is_between(entry, range(b"p", &query)));
            let by_key = Place { value: IndexValue::Null, ..place };
            let mut child = b"p".to_vec();
            push_segment(&mut child, &by_key.key);
            for row in [child.clone(), [child.as_slice(), &[2, 0]].concat(), [child.as_slice(), &[3, 0xfe]].concat()] {
                prop_assert!(!query.contains(&by_key) || is_between(row, key_range(b"p", &query)));
            }
        }

        #[test]
        fn range_holds_little_more(bound in bound(), place in place()) {
            prop_assume!(run(&bound.value).is_none() && bound.value != place.value);
            let query = Query { start: Some(bound.clone()), end: Some(bound), ..Query::default() };
            let (from, to) = range(b"p", &query);
            let entry = entry_key(b"p", &place);
            prop_assert!(entry < from || to <= entry);
        }
    }

    #[test]
    fn parent_itself_is_none_of_its_children() {
        let (from, to) = key_range(b"p", &Query::default());
        assert!(from > b"p".to_vec() && to > from);
    }

    #[test]
    fn bytes_that_no_child_has_are_damage() {
        for bytes in [&[][..], &[9], &[NUMBER, 1], &[NUMBER, 255, 255, 255, 255, 255, 255, 255, 255], &[TEXT, b'a']] {
            assert!(split(bytes).unwrap_err().is_damaged());
        }
    }

    #[test]
    fn key_of_a_long_text_is_short() {
        let place = |text: &str| Place { value: IndexValue::Scalar(Scalar::string(text)), key: Key::index(0) };
        assert!(entry_key(&[], &place(&"x".repeat(1_000_000))).len() < 300);
        assert!(split(&entry_key(&[], &place(&"x".repeat(256)))).unwrap().0.is_some());
        assert!(split(&entry_key(&[], &place(&"x".repeat(257)))).unwrap().0.is_none());
    }
}
