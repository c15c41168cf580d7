//! Long polling: the parameters of requests, one request per line, and the pieces of messages in them.
//!
//! Whatever comes, no more messages come of it than pieces. The same bytes as a message, cut, out of order and doubled:
//! it comes back from its pieces.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use beaconfire::protocols::realtime::fuzzing::{Ask, Pieces};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut pieces = Pieces::default();
    let (mut taken, mut messages) = (0, Vec::new());
    'session: for query in text.lines() {
        let Ok(Ask::Poll(_, new)) = Ask::parse(query) else { continue };
        for piece in new {
            taken += 1;
            if pieces.take(piece, &mut messages).is_err() {
                break 'session;
            }
        }
    }
    assert!(messages.len() <= taken);
    if let [size, turn, message @ ..] = data {
        there_and_back(&String::from_utf8_lossy(message), usize::from(*size) + 1, usize::from(*turn));
    }
});

const PIECES_MAX: usize = 100;

fn there_and_back(message: &str, size: usize, turn: usize) {
    let size = size.max(message.len() / PIECES_MAX);
    let encoded = URL_SAFE.encode(message).replace('=', ".");
    let parts: Vec<_> = encoded.as_bytes().chunks(size).map(|part| std::str::from_utf8(part).expect("ASCII")).collect();
    let query = |number: usize| {
        let (part, count) = (parts[number], parts.len());
        format!("id=a&pw=b&ser=1&ns=x&seg0={number}&ts0={count}&d0={part}")
    };
    // No client has more than a few on their way.
    let mut order: Vec<_> = (0..parts.len()).collect();
    order.chunks_mut(4).for_each(|few| few.rotate_left(turn % few.len()));
    let mut pieces = Pieces::default();
    let mut messages = Vec::new();
    for number in order {
        for _ in 0..=turn % 2 {
            let Ok(Ask::Poll(_, new)) = Ask::parse(&query(number)) else { panic!("{}", query(number)) };
            for piece in new {
                pieces.take(piece, &mut messages).expect("in bounds");
            }
        }
    }
    let expected: &[&str] = if parts.is_empty() { &[] } else { &[message] };
    assert_eq!(messages, expected);
}
