//! What the WebSocket library reads from: the socket, watched for where messages begin and end.
//!
//! Between two messages the library holds nothing, so it can be thrown away, buffer and all, until more comes: an idle
//! connection keeps no buffer. What the library writes (pongs, closes) is dropped: they are made by `frame`, since they
//! must go out between whole frames of our own. Source: RFC 6455, section 5.2.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::socket::ReadHalf;

/// The reading side of one WebSocket connection.
pub(super) struct Tap<'a> {
    socket: ReadHalf<'a>,
    /// What was read from the socket before this; comes first.
    early: Bytes,
    frames: Frames,
    last_read: Instant,
    /// Since when a message is half-received.
    half_since: Option<Instant>,
}

impl<'a> Tap<'a> {
    pub fn new(socket: ReadHalf<'a>, early: Bytes) -> Self {
        let frames = Frames { part: Part::First, is_open: false };
        Self { socket, early, frames, last_read: Instant::now(), half_since: None }
    }

    /// Ready when reading will give bytes, or the end or error that the socket came to.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.early.is_empty() { self.socket.poll_readable(context) } else { Poll::Ready(()) }
    }

    /// When the peer was last heard of.
    pub fn last_read(&self) -> Instant {
        self.last_read
    }

    /// Since when a message is half-received; `None`: all that was read is whole messages.
    pub fn half_since(&self) -> Option<Instant> {
        self.half_since
    }

    fn note(&mut self, read: &[u8]) {
        if read.is_empty() {
            return;
        }
        self.last_read = Instant::now();
        if self.frames.pass(read) {
            self.half_since = None;
        }
        if !self.frames.is_between_messages() {
            self.half_since.get_or_insert(self.last_read);
        }
    }
}

impl AsyncRead for Tap<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.early.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        } else {
            let length = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early.split_to(length));
            if self.early.is_empty() {
                self.early = Bytes::new();
            }
        }
        self.note(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Follows a client's frames as their bytes pass, in any pieces. Whether they are allowed is the library's business;
/// where it refuses one, the connection ends and what this says no longer matters.
struct Frames {
    part: Part,
    /// Fragments of a message have come, but not its last.
    is_open: bool,
}

/// Which part of a frame comes next.
#[derive(Clone, Copy)]
enum Part {
    /// The byte with the opcode.
    First,
    /// The byte with the mask bit and a short length.
    Second,
    /// Bytes still to come of a longer length, and what those before them say.
    Length(u8, u64),
    /// Bytes still to come of the mask and the payload.
    Rest(u64),
}

const MASK_BYTES: u64 = 4;

impl Frames {
    /// Whether a message, or a control frame outside of any, ended in `bytes`.
    fn pass(&mut self, mut bytes: &[u8]) -> bool {
        let mut has_ended = false;
        while let Some((&byte, behind)) = bytes.split_first() {
            bytes = behind;
            self.part = match self.part {
                Part::First => {
                    let (is_final, is_control) = (byte & 0x80 != 0, byte & 0x08 != 0);
                    self.is_open = if is_control { self.is_open } else { !is_final };
                    Part::Second
                }
                Part::Second => match byte & 0x7F {
                    126 => Part::Length(2, 0),
                    127 => Part::Length(8, 0),
                    short => Part::Rest(MASK_BYTES + u64::from(short)),
                },
                Part::Length(left, value) => {
                    let value = (value << 8) | u64::from(byte);
                    if left > 1 { Part::Length(left - 1, value) } else { Part::Rest(value.saturating_add(MASK_BYTES)) }
                }
                Part::Rest(left) => {
                    // One byte is taken already.
                    let skipped = behind.len().min(usize::try_from(left - 1).unwrap_or(usize::MAX));
                    bytes = behind.get(skipped..).unwrap_or_default();
                    match left - 1 - skipped as u64 {
                        0 => {
                            has_ended |= !self.is_open;
                            Part::First
                        }
                        left => Part::Rest(left),
                    }
                }
            };
        }
        has_ended
    }

    fn is_between_messages(&self) -> bool {
        matches!(self.part, Part::First) && !self.is_open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client's frame: the mask is zero, so that the payload is readable.
    fn frame(is_final: bool, opcode: u8, length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        super::super::frame::push_text(&mut out, &vec![b'x'; length]);
        out.truncate(out.len() - length);
        out[0] = opcode | if is_final { 0x80 } else { 0 };
        out[1] |= 0x80;
        out.extend([0; 4]);
        out.resize(out.len() + length, b'x');
        out
    }

    /// One message: its frames' payload lengths, with a ping in front of each but the first where asked.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![0..130_usize, 65_530..65_540_usize];
        prop::collection::vec((length, any::<bool>()), 1..4).prop_map(|fragments| {
            let last = fragments.len() - 1;
            let mut out = Vec::new();
            for (index, (length, has_ping)) in fragments.into_iter().enumerate() {
                if has_ping && index > 0 {
                    out.extend(frame(true, 0x9, 3));
                }
                out.extend(frame(index == last, u8::from(index == 0), length));
            }
            out
        })
    }

    proptest! {
        #[test]
        fn messages_end_where_they_end_in_whatever_pieces_they_come(
            messages in prop::collection::vec(message(), 1..4),
            mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let ends: Vec<usize> =
                messages.iter().scan(0, |end, message| { *end += message.len(); Some(*end) }).collect();
            let bytes = messages.concat();
            let mut frames = Frames { part: Part::First, is_open: false };
            cuts.sort_by_key(|cut| cut.index(bytes.len()));
            let mut from = 0;
            for to in cuts.iter().map(|cut| cut.index(bytes.len())).chain([bytes.len()]) {
                let has_ended = frames.pass(&bytes[from..to]);
                prop_assert_eq!(frames.is_between_messages(), to == 0 || ends.contains(&to), "at {}", to);
                prop_assert_eq!(has_ended, ends.iter().any(|end| (from + 1..=to).contains(end)));
                from = to;
            }
        }

        #[test]
        fn anything_passes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Frames { part: Part::First, is_open: false }.pass(&bytes);
        }
    }

    #[test]
    fn absurd_lengths_pass() {
        let mut frames = Frames { part: Part::First, is_open: false };
        frames.pass(&[0x81, 0xFF]);
        frames.pass(&[0xFF; 64]);
        assert!(!frames.is_between_messages());
    }
}
