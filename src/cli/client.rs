//! REST requests to any server: this one, or a hosted Firebase. Follows redirects, and says what to do when it fails.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, LOCATION};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use super::{FAILED, UNREACHED, USAGE};

/// What went wrong with a client command.
#[derive(Debug)]
pub enum ClientError {
    /// A URL, parameter or JSON that cannot be.
    Usage(String),
    /// No connection.
    Unreached { server: String, reason: String, is_refused: bool },
    /// The server answered with an error.
    Refused { status: StatusCode, text: String },
    /// The connection ended in the middle.
    Broken(String),
}

impl ClientError {
    /// The exit code of the process.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Unreached { .. } => UNREACHED,
            Self::Refused { .. } | Self::Broken(_) => FAILED,
        }
    }
}

/// Speaks HTTP/1.1, over TLS where the URL says so (system certificates, else those of Mozilla).
pub struct Client {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Redirects that are followed for one request.
const REDIRECTS_MAX: usize = 5;
/// How long a server may take to take a connection.
const CONNECT_SECONDS: u64 = 10;
/// Bytes read of an error's body; the rest is not shown.
const ERROR_BYTES_MAX: usize = 64 * 1_024;

impl Client {
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECONDS)));
        connector.set_keepalive(Some(Duration::from_secs(30)));
        let roots = HttpsConnectorBuilder::new().with_native_roots();
        let builder = roots.unwrap_or_else(|_| HttpsConnectorBuilder::new().with_webpki_roots());
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        Self { http: Http::builder(TokioExecutor::new()).build(connector) }
    }

    /// Sends a request, again wherever a 307 or 308 says, and gives back an answer of the 200s.
    ///
    /// # Errors
    /// See [`ClientError`]; an answer of any other kind is `Refused`.
    pub async fn send(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut uri = uri.clone();
        for _ in 0..=REDIRECTS_MAX {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = headers.clone();
            let response = self.http.request(request).await.map_err(|error| unreached(&uri, &error))?;
            match (response.status(), redirect(&uri, response.headers())) {
                (StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT, Some(next)) => uri = next,
                (status, _) if status.is_success() => return Ok(response),
                (status, _) => return Err(refused(status, response).await),
            }
        }
        Err(ClientError::Broken(format!("more than {REDIRECTS_MAX} redirects")))
    }
}

/// Where a redirect leads; a relative one stays on its server.
fn redirect(from: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let absolute = if location.starts_with('/') {
        format!("{}://{}{location}", from.scheme_str()?, from.authority()?)
    } else {
        location.to_owned()
    };
    absolute.parse().ok()
}

/// The error that a server's answer tells.
async fn refused(status: StatusCode, response: Response<Incoming>) -> ClientError {
    let body = http_body_util::Limited::new(response.into_body(), ERROR_BYTES_MAX).collect();
    let bytes = match timeout(Duration::from_secs(CONNECT_SECONDS), body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => Bytes::new(),
    };
    let json: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let told = json.as_ref().and_then(|json| json.get("error")).and_then(serde_json::Value::as_str);
    let text = told.map_or_else(|| String::from_utf8_lossy(&bytes).trim().to_owned(), str::to_owned);
    ClientError::Refused { status, text }
}

fn unreached(uri: &Uri, error: &hyper_util::client::legacy::Error) -> ClientError {
    let mut reason = error.to_string();
    let mut source = error.source();
    let mut is_refused = false;
    while let Some(deeper) = source {
        reason = deeper.to_string();
        let io = deeper.downcast_ref::<std::io::Error>();
        is_refused |= io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused);
        source = deeper.source();
    }
    if error.is_connect() {
        let server = uri.authority().map(ToString::to_string).unwrap_or_default();
        ClientError::Unreached { server, reason, is_refused }
    } else {
        ClientError::Broken(reason)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => f.write_str(text),
            Self::Unreached { server, is_refused: true, .. } => write!(
                f,
                "nobody listens on {server}.\n\
                 Is the server running? Start it with `beaconfire`, or name another with `--url`."
            ),
            Self::Unreached { server, reason, .. } => write!(f, "cannot reach {server}: {reason}"),
            Self::Refused { status, text } if *status == StatusCode::UNAUTHORIZED => {
                write!(f, "{text} ({status})\nSay who you are with `--auth TOKEN`, or ask who keeps the rules.")
            }
            Self::Refused { status, text } => write!(f, "{text} ({status})"),
            Self::Broken(reason) => write!(f, "the connection broke: {reason}"),
        }
    }
}

impl Error for ClientError {}
