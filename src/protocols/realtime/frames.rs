//! Messages on their way out: segments where one is long, WebSocket frames around them.
//!
//! A text above 16384 bytes goes out as its number of segments, then the segments, each in a frame of its own, cut
//! between characters. (The protocol counts UTF-16 units, of which there are never more than bytes.) Long polling takes
//! the frames apart again. Source: Firebase realtime protocol 3.1, 3.3.

use bytes::Bytes;

use crate::engine::Packer;
use crate::transport::frame;

/// Bytes of a text that is not cut.
const WHOLE_BYTES_MAX: usize = 16_384;
/// Bytes from one cut to the next. A cut may lie up to three bytes earlier, where a character begins.
const SEGMENT_BYTES: usize = WHOLE_BYTES_MAX - 4;
/// Segments of one message, about: iOS reads a count of four digits. A longer message has larger segments.
const SEGMENTS_MAX: usize = 9_000;

/// A whole message, ready for an outbox.
pub fn message(text: &str) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 16);
    push_message(text.as_bytes(), &mut out);
    out.into()
}

/// Appends a message to `out`. `text` is UTF-8.
pub fn push_message(text: &[u8], out: &mut Vec<u8>) {
    if text.len() <= WHOLE_BYTES_MAX {
        frame::push_text(out, text);
        return;
    }
    let mut segmenter = Segmenter::default();
    segmenter.measure(text);
    segmenter.pack(text, out);
    segmenter.finish(out);
}

/// Cuts a text that comes in pieces. Holds one segment.
#[derive(Debug, Default)]
pub struct Segmenter {
    total: usize,
    /// Bytes that went out.
    sent: usize,
    /// Where the next cut is due, counted from the beginning of the text; 0 before the first piece.
    cut: usize,
    waiting: Vec<u8>,
}

impl Segmenter {
    fn segment_bytes(&self) -> usize {
        SEGMENT_BYTES.max(self.total.div_ceil(SEGMENTS_MAX))
    }

    /// Sends what waits before the cut.
    fn cut(&mut self, out: &mut Vec<u8>) {
        let due = self.cut.saturating_sub(self.sent);
        let begins = |at: &usize| self.waiting.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
        let at = (due.saturating_sub(3)..=due).rev().find(begins).unwrap_or(due);
        frame::push_text(out, self.waiting.get(..at).unwrap_or_default());
        self.waiting.drain(..at);
        self.sent += at;
        self.cut += self.segment_bytes();
    }
}

impl Packer for Segmenter {
    fn measure(&mut self, text: &[u8]) {
        self.total += text.len();
    }

    fn pack(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        if self.total <= WHOLE_BYTES_MAX {
            self.waiting.extend_from_slice(text);
            return;
        }
        if self.cut == 0 {
            self.cut = self.segment_bytes();
            let count = self.total.div_ceil(self.cut);
            frame::push_text(out, count.to_string().as_bytes());
        }
        loop {
            // The byte behind the cut is needed too: it tells whether a character begins there.
            let wanted = (self.cut + 1).saturating_sub(self.sent + self.waiting.len());
            let Some((now, later)) = text.split_at_checked(wanted) else { break };
            self.waiting.extend_from_slice(now);
            text = later;
            self.cut(out);
        }
        self.waiting.extend_from_slice(text);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        frame::push_text(out, &self.waiting);
        self.waiting = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payloads(out: &[u8]) -> Vec<String> {
        frame::split(out).map(|(_, payload)| String::from_utf8(payload.to_vec()).unwrap()).collect()
    }

    /// Cuts `text` by pieces of `piece` bytes, and checks what every receiver relies on.
    #[track_caller]
    fn check(text: &str, piece: usize) -> Vec<String> {
        let (mut segmenter, mut out) = (Segmenter::default(), Vec::new());
        text.as_bytes().chunks(piece).for_each(|piece| segmenter.measure(piece));
        text.as_bytes().chunks(piece).for_each(|piece| segmenter.pack(piece, &mut out));
        segmenter.finish(&mut out);
        let payloads = payloads(&out);
        let mut whole = Vec::new();
        push_message(text.as_bytes(), &mut whole);
        assert!(whole == out, "the same, whatever the pieces");
        if let [text_alone] = payloads.as_slice() {
            assert!(text_alone == text && text.len() <= 16_384);
            return payloads;
        }
        let (count, segments) = payloads.split_first().unwrap();
        assert_eq!(count.parse::<usize>().unwrap(), segments.len());
        assert!(segments.len() <= 9_999 && segments.iter().all(|segment| !segment.is_empty()));
        assert!(segments.concat() == text);
        payloads
    }

    #[test]
    fn message_is_cut_only_when_longer_than_a_segment() {
        assert_eq!(check("{}", 1).len(), 1);
        assert_eq!(check(&"x".repeat(16_384), 1_000).len(), 1);
        assert_eq!(check(&"x".repeat(16_385), 1_000)[0], "2");
        assert_eq!(check(&"x".repeat(40_051), 1_000)[0], "3");
        // A text that ends exactly at a cut has no empty segment behind it.
        assert_eq!(check(&"x".repeat(2 * 16_380), 7)[0], "2");
    }

    #[test]
    fn cut_falls_between_characters() {
        for before in 0..8 {
            let text = "x".repeat(before) + &"😀".repeat(20_000);
            let segments = check(&text, 4_099);
            assert!(segments.iter().all(|segment| segment.encode_utf16().count() <= 16_384));
        }
    }

    #[test]
    fn very_long_message_has_larger_segments() {
        let text = "é".repeat(9_000 * 16_384);
        let segments = check(&text, 1 << 20);
        assert!(segments[0].parse::<usize>().unwrap() <= 9_001, "{}", segments[0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_comes_back_whole(unit in "\\PC{1,40}", times in 1_usize..6_000, piece in 1_usize..40_000) {
            check(&unit.repeat(times), piece);
        }
    }
}
