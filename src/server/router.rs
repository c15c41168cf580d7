//! Which request goes where: one line for each protocol.
//!
//! Keys cannot begin with a dot and data requests end in `.json`, so all protocols share one URL space (architecture.md
//! 6).

use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};

use super::assets::{self, LANDING};
use crate::protocols::{Context, admin, answer, namespace, realtime, rest, sessions};
use crate::transport::body::{accepts_gzip, compress_if};
use crate::transport::{Body, Reply};

/// Answers one request.
pub async fn route(context: &Context, mut request: Request<Incoming>) -> Reply {
    if request.method() == Method::OPTIONS {
        return answer::preflight(request.headers()).into();
    }
    if let Some(meant) = namespace::repair(request.uri()) {
        *request.uri_mut() = meant;
    }
    let may_gzip = accepts_gzip(request.headers());
    match dispatch(context, request).await {
        Reply::Http(response) => Reply::Http(compress_if(may_gzip, response)),
        Reply::Held(answer) => Reply::Held(Box::pin(async move { compress_if(may_gzip, answer.await) })),
        takeover @ (Reply::Stream(_) | Reply::WebSocket(_)) => takeover,
    }
}

/// The table of protocols.
async fn dispatch(context: &Context, request: Request<Incoming>) -> Reply {
    let path = request.uri().path();
    match path {
        "/.beaconfire/livez" | "/.beaconfire/readyz" => plain_text("ok\n").into(),
        "/.ws" | "/.lp" => realtime::handle(context, request).await,
        admin::EXPLAIN | admin::COVERAGE | admin::COVERAGE_PAGE => admin::handle(context, request).await,
        _ if path.starts_with(sessions::PREFIX) => sessions::handle(context, request).await,
        _ if is_data(path) => rest::handle(context, request).await,
        _ => own_page(&request).await.into(),
    }
}

fn is_data(path: &str) -> bool {
    let mut ends = [".json", "/.upload"].iter();
    ends.any(|end| path.ends_with(end)) || path.starts_with("/.settings/") || path.starts_with("/.inspect/")
}

/// Embedded scripts and pages; for all else what Firebase says to a forgotten `.json`.
async fn own_page(request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    if let Some(asset) = assets::find(path).filter(|_| reads) {
        return asset.answer(request.headers()).await;
    }
    if path == "/demo" && reads {
        return redirect("/demo/");
    }
    if path == "/" && reads && wants_html(request) {
        return LANDING.answer(request.headers()).await;
    }
    answer::error(StatusCode::FORBIDDEN, "append .json to your request URI to use the REST API")
}

fn wants_html(request: &Request<Incoming>) -> bool {
    let accepted = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/html"))
}

fn plain_text(text: &'static str) -> Response<Body> {
    let mut response = answer::empty(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    *response.body_mut() = Body::full(text);
    response
}

fn redirect(to: &'static str) -> Response<Body> {
    let mut response = answer::empty(StatusCode::PERMANENT_REDIRECT);
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    response
}
