//! Segments of the realtime protocol, in both directions.
//!
//! WebSocket texts, parted by NUL: whatever comes, no more messages come of them than texts. The same bytes as one
//! message, repeated so that it is cut: it comes back from its segments.

#![no_main]

use beaconfire::protocols::realtime::fuzzing::{Segments, push_message};
use beaconfire::transport::frame;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const MESSAGE_BYTES_MAX: usize = 100_000;

fuzz_target!(|data: &[u8]| {
    let mut segments = Segments::default();
    let mut messages = 0;
    let mut texts = 0;
    for text in data.split(|byte| *byte == 0) {
        texts += 1;
        match segments.take(Bytes::copy_from_slice(text)) {
            Ok(Some(_)) => messages += 1,
            Ok(None) => {}
            Err(_) => break,
        }
    }
    assert!(messages + usize::from(segments.missing() > 0) <= texts);
    if let Some((times, text)) = data.split_first() {
        there_and_back(&String::from_utf8_lossy(text).repeat(1 << (times % 12)));
    }
});

fn there_and_back(text: &str) {
    if text.len() > MESSAGE_BYTES_MAX || text.len() <= 6 {
        return;
    }
    let mut wire = Vec::new();
    push_message(text.as_bytes(), &mut wire);
    let mut segments = Segments::default();
    let mut came = Vec::new();
    for (opcode, payload) in frame::split(&wire) {
        assert_eq!(opcode, frame::TEXT);
        assert!(std::str::from_utf8(payload).is_ok() && payload.len() <= 16_384);
        came.extend(segments.take(Bytes::copy_from_slice(payload)).expect("below the bound"));
    }
    assert_eq!(came, [text.as_bytes()]);
}
