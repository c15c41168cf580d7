//! WebSocket frames as a server sends them: unmasked, unfragmented, on plain buffers.
//!
//! An event is framed once for all its receivers, and a connection sends what it is given, so frames are made here and
//! not by the library that reads a client's frames. Source: RFC 6455, sections 5.2, 5.5, 7.4.

use bytes::Bytes;

pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

/// Close codes that a server sends. Source: RFC 6455, section 7.4.1, and the IANA registry.
pub mod code {
    pub const NORMAL: u16 = 1_000;
    pub const GOING_AWAY: u16 = 1_001;
    pub const PROTOCOL_ERROR: u16 = 1_002;
    pub const UNSUPPORTED_DATA: u16 = 1_003;
    pub const INVALID_PAYLOAD: u16 = 1_007;
    pub const POLICY_VIOLATION: u16 = 1_008;
    pub const MESSAGE_TOO_BIG: u16 = 1_009;
    pub const TRY_AGAIN_LATER: u16 = 1_013;
}

/// The last frame of a message.
const FINAL: u8 = 0x80;
/// Bytes of the longest head.
const HEAD_BYTES_MAX: usize = 10;
/// Bytes that the payload of a control frame may have.
const CONTROL_BYTES_MAX: usize = 125;

/// Appends one text message in one frame. `text` must be UTF-8: the peer closes the connection otherwise.
pub fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    push(out, TEXT, text);
}

/// A ping without payload. Allocates nothing.
pub const fn ping() -> Bytes {
    Bytes::from_static(&[FINAL | PING, 0])
}

/// The answer to a ping with that payload, cut where no ping may be longer.
pub fn pong(payload: &[u8]) -> Bytes {
    control(PONG, payload)
}

/// The last frame of a connection. A reason longer than the 123 bytes that fit is left out.
pub fn close(code: u16, reason: &str) -> Bytes {
    let reason = if reason.len() + 2 > CONTROL_BYTES_MAX { "" } else { reason };
    control(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// The frames in `bytes`, as (opcode, payload), in order. `bytes` holds whole frames made by this file; an end that is
/// no whole frame is left out.
pub fn split(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (opcode, payload, behind) = split_first(rest)?;
        rest = behind;
        Some((opcode, payload))
    })
}

fn control(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(2 + CONTROL_BYTES_MAX);
    push(&mut out, opcode, payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload));
    out.into()
}

fn push(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.reserve(HEAD_BYTES_MAX + payload.len());
    out.push(FINAL | opcode);
    // The length has seven bits, or sixteen or sixty-four behind a mark.
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// The first frame's opcode and payload, and what is behind it.
fn split_first(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([first, mark], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match mark {
        126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        short => (u64::from(*short), rest),
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((first & 0x0F, payload, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn split_is_the_inverse_of_push_text(
            texts in prop::collection::vec(prop_oneof![".{0,20}", "a{100,200}", "b{65500,65600}"], 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            for text in &texts {
                push_text(&mut bytes, text.as_bytes());
            }
            let frames: Vec<_> = split(&bytes).collect();
            let expected: Vec<_> = texts.iter().map(|text| (TEXT, text.as_bytes())).collect();
            prop_assert_eq!(&frames, &expected);
            // Whatever is cut off takes away the last frames, and nothing else.
            let kept: Vec<_> = split(&bytes[..cut.index(bytes.len() + 1)]).collect();
            prop_assert!(expected.starts_with(&kept));
        }

        #[test]
        fn split_of_anything_ends(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(split(&bytes).count() <= bytes.len());
        }
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        let head = |length: usize| {
            let mut out = Vec::new();
            push_text(&mut out, &vec![b'x'; length]);
            out.truncate(out.len() - length);
            out
        };
        assert_eq!(head(0), [0x81, 0]);
        assert_eq!(head(125), [0x81, 125]);
        assert_eq!(head(126), [0x81, 126, 0, 126]);
        assert_eq!(head(65_535), [0x81, 126, 0xFF, 0xFF]);
        assert_eq!(head(65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn control_frames_never_exceed_their_bound() {
        assert_eq!(&ping()[..], [0x89, 0]);
        assert_eq!(&pong(b"abc")[..], b"\x8A\x03abc");
        assert_eq!(pong(&[0; 300]).len(), 2 + 125);
        assert_eq!(&close(code::NORMAL, "bye")[..], b"\x88\x05\x03\xE8bye");
        assert_eq!(close(code::NORMAL, &"x".repeat(123)).len(), 2 + 125);
        assert_eq!(&close(code::NORMAL, &"x".repeat(124))[..], b"\x88\x02\x03\xE8");
    }
}
