//! Event streams as a client reads them: pieces of a body become whole events.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use eventsource_stream::{EventStream, EventStreamError};
use hyper::body::{Body, Incoming};
use tokio_stream::{Stream, StreamExt};

pub use eventsource_stream::Event;

/// The events of a body.
pub struct Events(EventStream<WholeEvents>);

/// The largest event that is taken in: Firebase's own bound. Beyond it the stream is an error.
const EVENT_BYTES_MAX: usize = 512 * 1_024 * 1_024;

impl Events {
    pub fn new(body: Incoming) -> Self {
        Self(EventStream::new(WholeEvents { body, waiting: BytesMut::new(), searched: 0 }))
    }

    /// The next event; `None` at the end of the stream. Cancel safe.
    ///
    /// # Errors
    /// With what is wrong with the connection or with what came.
    pub async fn next(&mut self) -> Option<Result<Event, String>> {
        let event = self.0.next().await?;
        Some(event.map_err(|error| match error {
            EventStreamError::Transport(reason) => reason,
            EventStreamError::Utf8(_) | EventStreamError::Parser(_) => "what came is no event stream".to_owned(),
        }))
    }
}

/// Hands on one whole event at a time. The parser looks at all it has with every piece that comes, and copies all it
/// has with every line: given a large event in small pieces, or many events at once, its time would grow with the
/// square.
struct WholeEvents {
    body: Incoming,
    waiting: BytesMut,
    /// How much of `waiting` certainly holds no end of an event.
    searched: usize,
}

impl WholeEvents {
    fn take_event(&mut self) -> Option<Bytes> {
        let end = end_of_event(&self.waiting, self.searched);
        if end.is_none() {
            // The end may be coming in two pieces.
            self.searched = self.waiting.len().saturating_sub(2);
        }
        let event = self.waiting.split_to(end?);
        self.searched = 0;
        Some(event.freeze())
    }
}

impl Stream for WholeEvents {
    type Item = Result<Bytes, String>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.take_event() {
                return Poll::Ready(Some(Ok(event)));
            }
            if this.waiting.len() > EVENT_BYTES_MAX {
                return Poll::Ready(Some(Err("an event is larger than 512 MB".to_owned())));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        this.waiting.extend_from_slice(&piece);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.to_string()))),
                // An event without its end does not count.
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Where the first event ends, its empty line included, looking from `from` on. Lines end with LF or CRLF.
fn end_of_event(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let mut ends = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    ends.find_map(|after| match rest.get(after..)? {
        [b'\n', ..] => Some(from + after + 1),
        [b'\r', b'\n', ..] => Some(from + after + 2),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_an_event_is_an_empty_line() {
        for (text, from, expected) in [
            ("data: 1\n\ndata: 2\n\n", 0, Some(9)),
            ("data: 1\n\ndata: 2\n\n", 9, Some(18)),
            ("data: 1\r\n\r\n", 0, Some(11)),
            ("data: 1\r\n\r", 8, None),
            ("data: 1\r\n\r\n", 8, Some(11)),
            ("data: 1\n", 0, None),
            ("", 0, None),
        ] {
            assert_eq!(end_of_event(text.as_bytes(), from), expected, "{text:?} from {from}");
        }
    }
}
