//! The opening handshake of a WebSocket: whether a request asks for one, and the head that accepts it.
//!
//! No subprotocol and no compression is agreed to, and every origin is welcome: credentials never come from cookies
//! (firebase-wire.md 1.5). Source: RFC 6455, sections 4.2 and 4.4.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};

use super::body::Body;

const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// What both sides add to the key before they hash it.
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// The head that makes the connection of `request` a WebSocket: see [`super::Reply::WebSocket`].
///
/// # Errors
/// The answer to give instead: 426 where no WebSocket of version 13 is asked for, 400 where the request cannot be one.
#[expect(clippy::result_large_err, reason = "made once for each connection")]
pub fn accept<B>(request: &Request<B>) -> Result<Bytes, Response<Body>> {
    let headers = request.headers();
    if !names(headers, &UPGRADE, "websocket") || !names(headers, &CONNECTION, "upgrade") {
        return Err(upgrade_required("WebSocket upgrade expected"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(upgrade_required("WebSocket version 13 expected"));
    }
    // What follows the head would be taken for frames.
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if request.method() != Method::GET || request.version() != Version::HTTP_11 || has_body {
        return Err(refusal(StatusCode::BAD_REQUEST, "A WebSocket begins with GET, HTTP/1.1, without a body"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if BASE64_STANDARD.decode(key).map(|key| key.len()) != Ok(KEY_BYTES) {
        return Err(refusal(StatusCode::BAD_REQUEST, "Invalid Sec-WebSocket-Key"));
    }
    let accept = BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, KEY_SUFFIX].concat()));
    Ok(Bytes::from(format!(
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )))
}

/// Whether a header that is a list has `token` in it.
fn names(headers: &HeaderMap, header: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|entry| entry.trim().eq_ignore_ascii_case(token)))
}

fn upgrade_required(text: &str) -> Response<Body> {
    let mut response = refusal(StatusCode::UPGRADE_REQUIRED, text);
    let headers = response.headers_mut();
    headers.insert(UPGRADE, WEBSOCKET);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
    response
}

/// Laid out as Firebase does it.
fn refusal(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(format!("{{\n  \"error\" : \"{text}\"\n}}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

#[cfg(test)]
mod tests {
    use hyper::http::request::Builder;

    use super::*;

    /// The example of RFC 6455, section 1.3, as a browser asks.
    fn example() -> Builder {
        Request::get("/.ws?v=5")
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "WebSocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-extensions", "permessage-deflate")
            .header("origin", "https://example.test")
    }

    fn status_with(change: impl FnOnce(&mut Request<()>)) -> u16 {
        let mut request = example().body(()).unwrap();
        change(&mut request);
        accept(&request).map_or_else(|refused| refused.status().as_u16(), |_| 101)
    }

    fn status_with_header(name: &'static str, value: &'static str) -> u16 {
        status_with(|request| drop(request.headers_mut().insert(name, HeaderValue::from_static(value))))
    }

    #[test]
    fn handshake_of_the_standard_is_accepted() {
        let head = accept(&example().body(()).unwrap()).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&head),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    }

    #[test]
    fn other_requests_are_told_what_is_expected() {
        assert_eq!(status_with_header("upgrade", "h2c"), 426);
        assert_eq!(status_with_header("connection", "keep-alive"), 426);
        assert_eq!(status_with_header("sec-websocket-version", "8"), 426);
        assert_eq!(status_with(|request| request.headers_mut().clear()), 426);
        let refused = accept(&Request::get("/.ws").body(()).unwrap()).unwrap_err();
        assert_eq!(refused.headers()["sec-websocket-version"], "13");
        assert_eq!(refused.headers()["upgrade"], "websocket");
    }

    #[test]
    fn requests_that_cannot_be_handshakes_are_bad() {
        assert_eq!(status_with_header("sec-websocket-key", "c2hvcnQ="), 400);
        assert_eq!(status_with_header("sec-websocket-key", "no base64 at all"), 400);
        assert_eq!(status_with(|request| drop(request.headers_mut().remove("sec-websocket-key"))), 400);
        assert_eq!(status_with_header("content-length", "5"), 400);
        assert_eq!(status_with_header("transfer-encoding", "chunked"), 400);
        assert_eq!(status_with(|request| *request.method_mut() = Method::POST), 400);
        assert_eq!(status_with(|request| *request.version_mut() = Version::HTTP_10), 400);
        assert_eq!(status_with_header("content-length", "0"), 101);
    }
}
