//! Messages on their way in: pieces, numbered over the whole session, put in order and together. Pure.
//!
//! Requests run in parallel on several connections, so pieces arrive in any order, and twice. A message is base64
//! (`-` and `_` in the alphabet, `.` as padding), cut into pieces anywhere. Source: Firebase realtime protocol 4.4.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::base::limits::{LONG_POLL_AHEAD_MAX, LONG_POLL_PIECES_BYTES_MAX};

/// Padding is stripped before decoding. Bits behind the last character are not looked at.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Counted from 0 over the whole session.
    pub number: u64,
    /// Pieces of its message.
    pub count: u32,
    pub text: String,
}

/// Puts the messages of one session together.
#[derive(Debug, Default)]
pub struct Assembly {
    /// The number that is to come next.
    next: u64,
    /// Pieces that came too early, by number.
    ahead: BTreeMap<u64, Piece>,
    /// Bytes of text in `ahead` and `open`.
    bytes: usize,
    open: Option<Open>,
}

/// A message of which pieces are missing.
#[derive(Debug)]
struct Open {
    count: u32,
    missing: u32,
    text: String,
}

/// What no client sends. The session is over then: it can never go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPiece {
    /// Its number is [`LONG_POLL_AHEAD_MAX`] or more above the next.
    TooFarAhead,
    /// More than [`LONG_POLL_PIECES_BYTES_MAX`] bytes would wait.
    TooLong,
    /// It gives another count than the pieces before it, or none.
    Count,
    Base64,
}

impl Assembly {
    /// Takes a piece; appends the messages that are whole then to `messages`, in order. A repeated piece is ignored.
    ///
    /// # Errors
    /// See [`BadPiece`].
    pub fn take(&mut self, piece: Piece, messages: &mut impl Extend<String>) -> Result<(), BadPiece> {
        if piece.number < self.next || self.ahead.contains_key(&piece.number) {
            return Ok(());
        }
        if piece.number - self.next >= LONG_POLL_AHEAD_MAX {
            return Err(BadPiece::TooFarAhead);
        }
        self.bytes += piece.text.len();
        if self.bytes > LONG_POLL_PIECES_BYTES_MAX {
            return Err(BadPiece::TooLong);
        }
        self.ahead.insert(piece.number, piece);
        while let Some(piece) = self.ahead.remove(&self.next) {
            self.next += 1;
            messages.extend(self.append(piece)?);
        }
        Ok(())
    }

    /// Adds the next piece to the open message, or begins one.
    fn append(&mut self, Piece { count, text, .. }: Piece) -> Result<Option<String>, BadPiece> {
        let mut open = self.open.take().unwrap_or_else(|| Open { count, missing: count, text: String::new() });
        if open.count != count || count == 0 {
            return Err(BadPiece::Count);
        }
        if open.text.is_empty() {
            open.text = text;
        } else {
            open.text.push_str(&text);
        }
        open.missing -= 1;
        if open.missing > 0 {
            self.open = Some(open);
            return Ok(None);
        }
        self.bytes -= open.text.len();
        decode(&open.text).map(Some)
    }
}

/// Old clients encode half a surrogate pair as if it were a character: it becomes U+FFFD, as over a WebSocket.
fn decode(text: &str) -> Result<String, BadPiece> {
    let bytes = BASE64.decode(text.trim_end_matches('.')).map_err(|_| BadPiece::Base64)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|invalid| String::from_utf8_lossy(invalid.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text as clients send it.
    fn encode(text: &str) -> String {
        let unpadded = BASE64.encode(text);
        let length = unpadded.len().next_multiple_of(4);
        unpadded.trim_end_matches('=').to_owned() + &".".repeat(length - unpadded.trim_end_matches('=').len())
    }

    /// Messages cut as clients cut them, numbered from 0.
    fn cut(messages: &[String], size: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for message in messages {
            let text = encode(message);
            let parts: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            for part in &parts {
                let text = String::from_utf8(part.to_vec()).unwrap();
                let number = u64::try_from(pieces.len()).unwrap();
                pieces.push(Piece { number, count: u32::try_from(parts.len()).unwrap(), text });
            }
        }
        pieces
    }

    fn piece(number: u64, count: u32, text: &str) -> Piece {
        Piece { number, count, text: text.to_owned() }
    }

    fn take(pieces: impl IntoIterator<Item = Piece>) -> Result<Vec<String>, BadPiece> {
        let (mut assembly, mut messages) = (Assembly::default(), Vec::new());
        pieces.into_iter().try_for_each(|piece| assembly.take(piece, &mut messages))?;
        Ok(messages)
    }

    #[test]
    fn pieces_are_put_in_order_and_repeats_ignored() {
        let [a, b, c] = ["eyJ0I", "joiYy", "J9"].map(str::to_owned);
        let message = Ok(vec!["{\"t\":\"c\"}".to_owned()]);
        let pieces = [piece(0, 3, &a), piece(1, 3, &b), piece(2, 3, &c)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let twice = order.iter().flat_map(|at| [pieces[*at].clone(), pieces[*at].clone()]);
            assert_eq!(take(twice), message, "{order:?}");
        }
        assert_eq!(take([piece(0, 2, &a), piece(2, 1, "e30")]), Ok(vec![]), "what comes behind a gap waits");
    }

    #[test]
    fn base64_of_clients_is_read() {
        let check = |text: &str, expected: &str| assert_eq!(decode(text).as_deref(), Ok(expected), "{text}");
        check("e30.", "{}");
        check("e30", "{}");
        check("4oCo_-8", "\u{2028}\u{fffd}\u{fffd}");
        check("7aCA", "\u{fffd}\u{fffd}\u{fffd}");
        check("", "");
        for bad in ["e30=", "e3+", "e.30", "e", "é"] {
            assert_eq!(decode(bad), Err(BadPiece::Base64), "{bad}");
        }
    }

    #[test]
    fn what_no_client_sends_is_refused() {
        assert_eq!(take([piece(0, 0, "e30")]), Err(BadPiece::Count));
        assert_eq!(take([piece(0, 2, "e30"), piece(1, 3, "e30")]), Err(BadPiece::Count));
        assert_eq!(take([piece(0, 1, "?")]), Err(BadPiece::Base64));
        assert_eq!(take([piece(LONG_POLL_AHEAD_MAX, 1, "e30")]), Err(BadPiece::TooFarAhead));
        assert_eq!(take([piece(u64::MAX, 1, "e30")]), Err(BadPiece::TooFarAhead));
        assert_eq!(take([piece(LONG_POLL_AHEAD_MAX - 1, 1, "e30")]), Ok(vec![]));
        let half = "A".repeat(LONG_POLL_PIECES_BYTES_MAX / 2);
        let open = [piece(0, 9, &half), piece(2, 9, &half)];
        assert_eq!(take(open.clone()), Ok(vec![]));
        assert_eq!(take(open.into_iter().chain([piece(4, 9, "A")])), Err(BadPiece::TooLong));
    }

    #[test]
    fn bytes_of_whole_messages_are_given_back() {
        let long = "x".repeat(LONG_POLL_PIECES_BYTES_MAX / 4);
        let messages = take(cut(&[long.clone(), long.clone(), long.clone(), long.clone(), long], 1 << 20)).unwrap();
        assert_eq!(messages.len(), 5);
    }

    proptest! {
        #[test]
        fn messages_arrive_whole_and_in_order(
            messages in prop::collection::vec("\\PC{1,60}", 1..12),
            size in 4_usize..40,
            swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..40),
        ) {
            let mut pieces = cut(&messages, size);
            for (a, b) in swaps {
                let count = pieces.len();
                pieces.swap(a.index(count), b.index(count));
                // And some come twice.
                pieces.push(pieces[a.index(count)].clone());
            }
            prop_assert_eq!(take(pieces), Ok(messages));
        }

        #[test]
        fn any_pieces_are_taken_or_refused(
            pieces in prop::collection::vec((0_u64..20, 0_u32..4, "[A-Za-z0-9_.=-]{0,9}"), 0..40),
        ) {
            let _ = take(pieces.into_iter().map(|(number, count, text)| Piece { number, count, text }));
        }
    }
}
