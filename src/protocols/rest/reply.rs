//! Answers as HTTP responses.
//!
//! Source: Firebase REST reference 5.5, 5.8, 8.1, 9.1, 9.3.

use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

use super::error::Failure;
use crate::engine::{DatabaseError, ListenError, StoreError, Unavailable, WriteError};
use crate::protocols::answer;
use crate::transport::{Body, Chunks};

/// An answer to a read or a write.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub etag: Option<String>,
    pub text: Text,
}

/// The body of an answer: JSON, laid out as it was asked for.
#[derive(Debug)]
pub enum Text {
    None,
    Whole(Vec<u8>),
    /// So many bytes in all, in pieces.
    Pieces {
        len: u64,
        pieces: Chunks,
    },
}

impl Answer {
    pub fn new(status: StatusCode) -> Self {
        Self { status, etag: None, text: Text::None }
    }

    /// A 200 with this text.
    pub fn text(text: Vec<u8>) -> Self {
        Self { text: Text::Whole(text), ..Self::new(StatusCode::OK) }
    }

    /// The response; `is_script`: the text is a call of a function, `download`: under this name it is to be saved.
    pub fn into_response(self, is_script: bool, download: Option<&str>) -> Response<Body> {
        let body = match self.text {
            Text::None => None,
            Text::Whole(text) => Some(Body::full(text)),
            Text::Pieces { len, pieces } => Some(Body::chunks(pieces, Some(len))),
        };
        let mut response = match body {
            None => answer::empty(self.status),
            Some(body) => answer::json(self.status, body),
        };
        let headers = response.headers_mut();
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            headers.insert(ETAG, etag);
        }
        if is_script {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/javascript; charset=utf-8"));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        let disposition = download.map(|name| format!("attachment; filename=\"{name}\""));
        if let Some(value) = disposition.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
            headers.insert(CONTENT_DISPOSITION, value);
        }
        response
    }
}

impl From<Failure> for Response<Body> {
    fn from(failure: Failure) -> Self {
        answer::error(failure.status, &failure.text)
    }
}

/// The client learns that it may try again; what happened is for the operator.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a read failed");
        Self::UNAVAILABLE
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        if let DatabaseError::Name(_) = error {
            return Self::NAMESPACE;
        }
        if let DatabaseError::Unknown(_) = error {
            return Self::NOT_FOUND;
        }
        tracing::error!(%error, "a database is not available");
        Self::UNAVAILABLE
    }
}

impl From<Unavailable> for Failure {
    fn from(_: Unavailable) -> Self {
        Self::UNAVAILABLE
    }
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        match error {
            ListenError::Denied => Self::DENIED,
            ListenError::Unavailable => Self::UNAVAILABLE,
        }
    }
}

/// Of a write whose condition does not hold the answer is not an error text but the data; see `write`.
impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Denied => Self::DENIED,
            WriteError::TooBig => Self::WRITE_TOO_BIG,
            WriteError::Invalid(text) => Self::invalid(text),
            WriteError::Stale(_) => Self::new(412, "The data is not what If-Match says"),
            WriteError::Unavailable => Self::UNAVAILABLE,
        }
    }
}
