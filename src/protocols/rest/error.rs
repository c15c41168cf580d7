//! What a REST client is told when something went wrong: one table of statuses and texts.
//!
//! Clients read the `error` string, and some compare it, so texts with a source are kept letter by letter. Source:
//! Firebase REST reference 8; those without a text there are ours.

use std::borrow::Cow;
use std::fmt;

use hyper::StatusCode;

use crate::base::limits::DEPTH_MAX;
use crate::engine::DENIED;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: StatusCode,
    pub text: Cow<'static, str>,
}

impl Failure {
    pub const NO_SUFFIX: Self = Self::new(403, "append .json to your request URI to use the REST API");
    pub const METHOD: Self = Self::new(405, "Method not allowed");
    pub const NAMESPACE: Self = Self::new(403, "Invalid Firebase database name");
    pub const DENIED: Self = Self::new(401, DENIED);
    pub const UNAUTHORIZED: Self = Self::new(401, "Unauthorized request.");
    pub const NOT_FOUND: Self = Self::new(404, "404 Not Found");
    pub const INVALID_PATH: Self = Self::bad("Invalid path: Invalid token in path");
    pub const PATH_ENCODING: Self = Self::bad("Invalid path: Invalid percent-encoding or UTF-8");
    pub const PARAMETER_ENCODING: Self = Self::bad("Invalid percent-encoding or UTF-8 in the query string");
    pub const TIMEOUT: Self = Self::bad("timeout must be a positive number of ms, s or min, at most 15min");
    pub const TIMED_OUT: Self = Self::bad("The read took longer than its timeout");
    pub const CALLBACK: Self = Self::bad("callback must be a JavaScript name");
    pub const WRITE_SIZE_LIMIT: Self =
        Self::bad("writeSizeLimit must be one of tiny, small, medium, large and unlimited");
    pub const SHALLOW_QUERY: Self = Self::bad("Mixing 'shallow' and querying parameters is not supported");
    pub const ETAG: Self = Self::bad("ETag is not supported for this request");
    pub const IF_MATCH: Self = Self::bad("If-Match is not supported for this request");
    pub const SILENT_IF_MATCH: Self = Self::bad("print=silent is not supported together with If-Match");
    pub const EVENT_TYPES: Self = Self::bad(
        "on must be a list of child_added, child_changed, child_removed, child_moved and value, with commas between",
    );
    pub const PRIORITY_USE: Self = Self::bad("A priority can only be read, written by PUT and removed by DELETE");
    pub const FORM: Self = Self::bad("The body must be multipart/form-data with one JSON file");
    pub const READ_TOO_BIG: Self =
        Self::bad("Data requested exceeds the maximum size that can be accessed with a single request.");
    pub const WRITE_TOO_BIG: Self =
        Self::bad("Data to write exceeds the maximum size that can be modified with a single request.");
    pub const BODY_TOO_BIG: Self = Self::new(413, "Payload is too large");
    pub const INTERNAL: Self = Self::new(500, "An internal error occurred");
    pub const UNAVAILABLE: Self = Self::new(503, "Service temporarily unavailable");

    pub const fn new(status: u16, text: &'static str) -> Self {
        Self { status: to_status(status), text: Cow::Borrowed(text) }
    }

    pub fn with_status(status: u16, text: String) -> Self {
        Self { status: to_status(status), text: Cow::Owned(text) }
    }

    const fn bad(text: &'static str) -> Self {
        Self::new(400, text)
    }

    pub fn too_deep() -> Self {
        Self::invalid(format!("Invalid path: more than {DEPTH_MAX} segments"))
    }

    /// A 400 with a text of its own.
    pub fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, text: text.into() }
    }
}

const fn to_status(status: u16) -> StatusCode {
    match StatusCode::from_u16(status) {
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
