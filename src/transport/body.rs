//! Bodies of requests, read with a bound, and of answers, whole or in pieces.
//!
//! Bodies are gzipped here too, in both directions: a request's when it says so, an answer's when it is worth it.
//! Sources: Firebase REST reference (413 text, gzip of JSON above about 1 KB); RFC 9110 for `Accept-Encoding`.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_compression::Level;
use async_compression::tokio::bufread::{GzipDecoder, GzipEncoder};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use tokio::io::AsyncReadExt;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_util::io::{ReaderStream, StreamReader};

use super::outbox::Chunks;
use crate::base::limits::BODY_IDLE_SECONDS;

/// The body of an answer.
#[derive(Default)]
pub struct Body {
    content: Content,
    /// Bytes still to come, where known: sent as `Content-Length`, else the body is chunked.
    remaining: Option<u64>,
}

#[derive(Default)]
enum Content {
    #[default]
    Empty,
    Full(Bytes),
    Chunks(Chunks),
    Encoded(Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>),
}

/// JSON bodies below this many bytes are not worth compressing.
const COMPRESSED_BYTES_MIN: u64 = 1_024;

impl Body {
    /// No body; `Content-Length: 0` where a body would be allowed.
    pub fn empty() -> Self {
        Self { content: Content::Empty, remaining: Some(0) }
    }

    /// A body that is there already.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { remaining: u64::try_from(bytes.len()).ok(), content: Content::Full(bytes) }
    }

    /// A body that a producer makes piece by piece (see [`Chunks`]: an empty piece says that it failed, and the
    /// connection is broken off, so that no client takes half a body for a whole one). `len` is its size in bytes, if
    /// known.
    pub fn chunks(chunks: Chunks, len: Option<u64>) -> Self {
        Self { content: Content::Chunks(chunks), remaining: len }
    }

    fn encoded(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self { content: Content::Encoded(Box::pin(stream)), remaining: None }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.content {
            Content::Empty => Poll::Ready(None),
            Content::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.content = Content::Empty;
                Poll::Ready(Some(Ok(bytes)).filter(|_| self.remaining != Some(0)))
            }
            Content::Chunks(chunks) => Poll::Ready(match ready!(chunks.poll_recv(context)) {
                Some(piece) if piece.is_empty() => Some(Err(io::Error::other("the producer of this body failed"))),
                piece => piece.map(Ok),
            }),
            Content::Encoded(stream) => stream.as_mut().poll_next(context),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::full(text)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}

impl Stream for Body {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.poll_piece(context));
        if let (Some(Ok(bytes)), Some(remaining)) = (&piece, &mut self.remaining) {
            *remaining = remaining.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
        Poll::Ready(piece)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_next(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Gzips the body of a JSON or script answer if the request allows it and it is larger than 1 KB (or of unknown size).
///
/// Adds `Vary: Accept-Encoding` whether or not it was done. Answers that went through here already stay as they are.
pub fn compress(request: &HeaderMap, response: Response<Body>) -> Response<Body> {
    compress_if(accepts_gzip(request), response)
}

/// The same, where `allowed` is what [`accepts_gzip`] said of the request.
pub fn compress_if(allowed: bool, response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let is_small = body.remaining.is_some_and(|len| len <= COMPRESSED_BYTES_MIN);
    if is_small || head.headers.contains_key(VARY) || !is_text(&head.headers) {
        return Response::from_parts(head, body);
    }
    head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if !allowed {
        return Response::from_parts(head, body);
    }
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.remove(CONTENT_LENGTH);
    let encoder = GzipEncoder::with_quality(StreamReader::new(body), Level::Fastest);
    Response::from_parts(head, Body::encoded(ReaderStream::with_capacity(encoder, 16 * 1_024)))
}

/// All of `content`, gzipped as small as it gets: for what is sent often.
pub async fn gzip(content: Bytes) -> Bytes {
    let mut packed = Vec::new();
    let mut encoder = GzipEncoder::with_quality(content.as_ref(), Level::Best);
    // Cannot fail: it reads from memory and writes to memory.
    encoder.read_to_end(&mut packed).await.expect("memory to memory");
    packed.into()
}

fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["application/json", "application/javascript", "text/"].iter().any(|prefix| content_type.starts_with(prefix))
}

/// Whether `Accept-Encoding` names gzip (or `*`) with a weight above zero.
pub fn accepts_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f32>().ok());
        is_named && weight.unwrap_or(1.0) > 0.0
    })
}

/// Why a request body could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Larger than allowed, as sent or after decompression.
    TooLarge,
    /// Nothing came for too long.
    Idle,
    /// The connection ended, or its framing broke, half-way.
    BrokenOff,
    /// It says to be gzipped and is not.
    BadGzip,
    /// A `Content-Encoding` other than gzip or identity.
    UnknownEncoding,
}

impl BodyError {
    /// The HTTP status that says so.
    pub fn status(self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Idle => 408,
            Self::BrokenOff | Self::BadGzip => 400,
            Self::UnknownEncoding => 415,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "Payload is too large",
            Self::Idle => "The request body did not arrive in time",
            Self::BrokenOff => "The request body ended early",
            Self::BadGzip => "The request body is not valid gzip",
            Self::UnknownEncoding => "Content-Encoding is not supported; use gzip or none",
        })
    }
}

impl std::error::Error for BodyError {}

/// Reads a whole request body of at most `bytes_max` bytes; `headers` are those of its request.
///
/// A gzipped body is unpacked; the bound holds before and after. A body that says its size is refused before it is
/// read. A pause of more than [`BODY_IDLE_SECONDS`] is an error. Cancel safe in that nothing but the body is lost.
///
/// # Errors
/// See [`BodyError`].
pub async fn read_body(headers: &HeaderMap, body: Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let encoding = headers.get(CONTENT_ENCODING).map_or(Ok("identity"), HeaderValue::to_str);
    let is_gzip = match encoding.map(|encoding| encoding.trim().to_ascii_lowercase()).as_deref() {
        Ok("" | "identity") => false,
        Ok("gzip" | "x-gzip") => true,
        _ => return Err(BodyError::UnknownEncoding),
    };
    let declared = hyper::body::Body::size_hint(&body).lower();
    if declared > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(BodyError::TooLarge);
    }
    let sent = collect(body, bytes_max).await?;
    if is_gzip { unpack(&sent, bytes_max).await } else { Ok(sent) }
}

async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    loop {
        let frame = timeout(Duration::from_secs(BODY_IDLE_SECONDS), body.frame()).await.map_err(|_| BodyError::Idle)?;
        let Some(frame) = frame else { break };
        let Ok(piece) = frame.map_err(|_| BodyError::BrokenOff)?.into_data() else { continue };
        if first.len() + all.len() + piece.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        // Most bodies come in one piece: that one is not copied.
        if first.is_empty() && all.is_empty() {
            first = piece;
        } else {
            if all.is_empty() {
                all = BytesMut::from(std::mem::take(&mut first));
            }
            all.extend_from_slice(&piece);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Unpacks gzip, in steps, so that a small body that would unpack to gigabytes is refused at the bound, and other
/// connections get their turn in between.
async fn unpack(packed: &[u8], bytes_max: usize) -> Result<Bytes, BodyError> {
    const STEP_BYTES: usize = 64 * 1_024;
    let mut decoder = GzipDecoder::new(packed);
    decoder.multiple_members(true);
    let mut all = Vec::new();
    loop {
        all.reserve(STEP_BYTES);
        if decoder.read_buf(&mut all).await.map_err(|_| BodyError::BadGzip)? == 0 {
            return Ok(all.into());
        }
        if all.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    fn json(body: Body) -> Response<Body> {
        Response::builder().header(CONTENT_TYPE, "application/json; charset=utf-8").body(body).unwrap()
    }

    #[test]
    fn accept_encoding_weight_zero_refuses_gzip() {
        for (value, expected) in [
            ("gzip, deflate", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("deflate, br", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(&accepting(value)), expected, "{value}");
        }
    }

    #[tokio::test]
    async fn large_json_is_gzipped_and_unpacks_to_itself() {
        let text = "[1,2,3,4]".repeat(1_000);
        let response = compress_if(true, json(Body::from(text.clone())));
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[VARY], "Accept-Encoding");
        let packed = response.into_body().collect().await.unwrap().to_bytes();
        assert!(packed.len() < text.len() / 10);
        assert_eq!(unpack(&packed, text.len()).await.unwrap(), text);
        assert_eq!(unpack(&packed, text.len() - 1).await, Err(BodyError::TooLarge));
        assert_eq!(unpack(&packed.slice(..packed.len() / 2), text.len()).await, Err(BodyError::BadGzip));
    }

    #[test]
    fn small_or_refused_answers_stay_plain() {
        let small = compress_if(true, json(Body::full("true")));
        assert!(small.headers().get(CONTENT_ENCODING).is_none());
        let refused = compress_if(false, json(Body::from("x".repeat(5_000))));
        assert!(refused.headers().get(CONTENT_ENCODING).is_none());
        assert_eq!(refused.headers()[VARY], "Accept-Encoding");
        assert_eq!(hyper::body::Body::size_hint(refused.body()).exact(), Some(5_000));
    }

    #[tokio::test]
    async fn chunks_with_an_empty_piece_break_off() {
        let (sender, chunks) = tokio::sync::mpsc::channel(2);
        sender.send(Bytes::from_static(b"half")).await.unwrap();
        sender.send(Bytes::new()).await.unwrap();
        assert!(Body::chunks(chunks, None).collect().await.is_err());
    }
}
