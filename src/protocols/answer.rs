//! The HTTP answers that Firebase clients expect, whatever was asked: headers, error bodies, preflights, stream heads.
//!
//! Source: Firebase REST reference, errors (8.1), HTTP behaviour (9.1, 9.2), streaming (11.1).

use bytes::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, CACHE_CONTROL, CONTENT_TYPE,
    HeaderMap, HeaderName, HeaderValue,
};
use hyper::{Response, StatusCode};

use crate::transport::Body;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
const EXPOSED: HeaderValue = HeaderValue::from_static("ETag, X-Firebase-Auth-Debug");
const METHODS: HeaderValue = HeaderValue::from_static("GET, PUT, POST, PATCH, DELETE, OPTIONS");
const ONE_HOUR: HeaderValue = HeaderValue::from_static("3600");
const ASKS_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOWS_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// A JSON answer with the headers of every data response.
pub fn json(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = empty(status);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    *response.body_mut() = body.into();
    response
}

/// An answer without body or content type, open to every origin.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_CACHE);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

/// An error as Firebase lays it out, final newline included.
pub fn error(status: StatusCode, text: &str) -> Response<Body> {
    let text = serde_json::Value::from(text);
    json(status, format!("{{\n  \"error\" : {text}\n}}\n"))
}

/// The answer to OPTIONS on any path: everything is allowed from everywhere, credentials mode aside.
pub fn preflight(request: &HeaderMap) -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, ONE_HOUR);
    if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    if request.contains_key(ASKS_PRIVATE_NETWORK) {
        headers.insert(ALLOWS_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    response
}

/// Status line and headers of an event stream: not chunked, ended by its connection; proxies shall not hold events
/// back.
pub fn stream_head() -> Bytes {
    Bytes::from_static(
        b"HTTP/1.1 200 OK\r\n\
        content-type: text/event-stream; charset=utf-8\r\n\
        cache-control: no-cache\r\n\
        access-control-allow-origin: *\r\n\
        x-accel-buffering: no\r\n\
        connection: close\r\n\r\n",
    )
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn error_body_has_the_layout_of_firebase() {
        let response = error(StatusCode::UNAUTHORIZED, "Permission denied");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "{\n  \"error\" : \"Permission denied\"\n}\n");
        assert_eq!(body.len(), 36);
        let quoted = error(StatusCode::BAD_REQUEST, "say \"no\"").into_body().collect().await.unwrap().to_bytes();
        assert_eq!(quoted, "{\n  \"error\" : \"say \\\"no\\\"\"\n}\n");
    }

    #[test]
    fn preflight_echoes_what_was_asked() {
        let request = HeaderMap::from_iter([
            (ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("authorization, x-firebase-etag")),
            (ASKS_PRIVATE_NETWORK, HeaderValue::from_static("true")),
        ]);
        let headers = preflight(&request).headers().clone();
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "authorization, x-firebase-etag");
        assert_eq!(headers[ALLOWS_PRIVATE_NETWORK], "true");
        assert_eq!(headers[ACCESS_CONTROL_MAX_AGE], "3600");
        assert!(!preflight(&HeaderMap::new()).headers().contains_key(ACCESS_CONTROL_ALLOW_HEADERS));
    }
}
