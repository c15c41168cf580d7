//! Places in a rules file: bytes into lines and columns, and parts of an expression into bytes of the file.
//!
//! Source: Firebase rules reference 10.1.

use std::fmt;

/// A place as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// `line 3, column 15`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Counts lines and characters of a source, forward: asked for offsets that rise, it reads the source once.
#[derive(Clone, Debug)]
pub(super) struct Counter<'a> {
    source: &'a [u8],
    offset: usize,
    position: Position,
}

impl<'a> Counter<'a> {
    pub fn new(source: &'a [u8]) -> Self {
        Self::from(source, 0, Position { line: 1, column: 1 })
    }

    /// One that stands at a known place.
    pub fn from(source: &'a [u8], offset: usize, position: Position) -> Self {
        Self { source, offset, position }
    }

    /// The position of the byte `offset`; that of the last one asked for if that lay behind.
    pub fn position(&mut self, offset: usize) -> Position {
        for byte in self.source.get(self.offset..offset).unwrap_or_default() {
            match byte {
                b'\n' => self.position = Position { line: self.position.line + 1, column: 1 },
                // Not the first byte of its character.
                0x80..=0xbf => {}
                _ => self.position.column += 1,
            }
        }
        self.offset = self.offset.max(offset);
        self.position
    }
}

/// The byte of `source` that became the byte `within` of a JSON string, whose raw text begins at `start`, behind the
/// quote. The string is known to be valid.
pub(super) fn raw_offset(source: &str, start: usize, within: usize) -> usize {
    let mut rest = source.as_bytes().get(start..).unwrap_or_default();
    let (mut raw, mut decoded) = (start, 0);
    while decoded < within {
        let (raw_len, decoded_len) = match rest {
            [] => break,
            [b'\\', b'u', hex @ ..] => escape_len(hex),
            [b'\\', ..] => (2, 1),
            _ => (1, 1),
        };
        rest = rest.get(raw_len..).unwrap_or_default();
        raw += raw_len;
        decoded += decoded_len;
    }
    raw
}

/// The bytes of an escape that begins with `\u`, and those of the character that it means. A pair of surrogates is one
/// character.
fn escape_len(hex: &[u8]) -> (usize, usize) {
    match hex {
        [b'0', b'0', b'0'..=b'7', ..] => (6, 1),
        [b'0', b'0'..=b'7', ..] => (6, 2),
        [b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..] => (12, 4),
        _ => (6, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_counts_lines_and_characters_from_one() {
        let source = "{\n  \"é😀\": x\r\n}";
        let mut counter = Counter::new(source.as_bytes());
        let found: Vec<_> = [0, 2, 14, 17].map(|offset| counter.position(offset)).into();
        let expected = [(1, 1), (2, 1), (2, 9), (3, 1)].map(|(line, column)| Position { line, column });
        assert_eq!(found, expected);
        assert_eq!(counter.position(3), Position { line: 3, column: 1 }, "it does not go back");
    }

    #[test]
    fn part_of_a_string_is_found_behind_escapes() {
        let raw = r#""a\n\"\u0041\u00e9\u20ac\ud83d\ude00\uD83D\uDE00é😀z""#;
        let text: String = serde_json::from_str(raw).unwrap();
        let all: Vec<_> = text.char_indices().map(|(at, character)| (character, raw_offset(raw, 1, at))).collect();
        let starts = [1, 2, 4, 6, 12, 18, 24, 36, 48, 50, 54];
        let expected: Vec<_> = "a\n\"Aé€😀😀é😀z".chars().zip(starts).collect();
        assert_eq!(all, expected);
        assert_eq!(raw_offset(raw, 1, text.len()), raw.len() - 1);
        assert_eq!(raw_offset(raw, 1, 1_000), raw.len());
    }
}
