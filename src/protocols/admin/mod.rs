//! For those who write rules: why a request would be allowed or denied, and which rules were ever asked. Administrators
//! only.
//!
//! - `question`: what is to be explained (pure)
//! - `coverage`: counts as JSON, and as a page (pure)
//!
//! | route | |
//! |---|---|
//! | `POST /.beaconfire/rules/explain` | what rules say of a read or write, part by part; nothing is written |
//! | `GET /.inspect/coverage.json` | how often each part of each rule was evaluated, and to what |
//! | `GET /.inspect/coverage` | the same as a page |
//!
//! Source: Firebase REST reference 10.6.

mod coverage;
mod question;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

pub use self::question::{Members, Question, What};
use super::{Context, access, answer};
use crate::base::limits::EXPLAIN_BYTES_MAX;
use crate::engine::Database;
use crate::transport::{Body, Reply, read_body};

pub const EXPLAIN: &str = "/.beaconfire/rules/explain";
pub const COVERAGE: &str = "/.inspect/coverage.json";
pub const COVERAGE_PAGE: &str = "/.inspect/coverage";

/// Answers a request for one of the paths above.
pub async fn handle(context: &Context, request: Request<Incoming>) -> Reply {
    respond(context, request).await.unwrap_or_else(|refused| refused).into()
}

/// Nothing is said of databases to those who may not administer.
async fn respond(context: &Context, request: Request<Incoming>) -> Result<Response<Body>, Response<Body>> {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let access = access::identify(&context.engine, &head.headers, query).map_err(|refused| {
        let (status, text) = refused.rest();
        error(status, text)
    })?;
    if !access::may_administer(&context.engine, &access.who) {
        return Err(answer::error(StatusCode::UNAUTHORIZED, "Unauthorized request."));
    }
    let database = context.database(&head.uri, &head.headers).await?;
    match (head.uri.path(), &head.method) {
        (EXPLAIN, &Method::POST) => {
            let body = read_body(&head.headers, body, EXPLAIN_BYTES_MAX).await;
            let body = body.map_err(|refused| error(refused.status(), &refused.to_string()))?;
            let question = Question::parse(&body).map_err(|wrong| error(400, &wrong))?;
            explain(database, question).await
        }
        (COVERAGE, &Method::GET | &Method::HEAD) => {
            let report = aside(move || coverage::json(&database.coverage()).to_string()).await?;
            Ok(answer::json(StatusCode::OK, Body::full(report)))
        }
        (COVERAGE_PAGE, &Method::GET | &Method::HEAD) => {
            let page = aside(move || coverage::page(database.name(), &database.coverage())).await?;
            let mut response = answer::json(StatusCode::OK, Body::full(page));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            Ok(response)
        }
        _ => Err(error(405, "Method not allowed")),
    }
}

async fn explain(database: Arc<Database>, question: Question) -> Result<Response<Body>, Response<Body>> {
    let asked = aside(move || database.snapshot().and_then(|snapshot| question.ask(&database, &snapshot))).await?;
    let explained = asked.map_err(|failed| {
        tracing::error!(error = %failed, "an explanation cannot be made");
        error(503, "Service temporarily unavailable")
    })?;
    let text = serde_json::to_string(&explained).map_err(|_| internal())?;
    Ok(answer::json(StatusCode::OK, Body::full(text)))
}

/// Does `work` where it may take its time: rules may look at much of the data, and files of rules may be long.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response<Body>> {
    tokio::task::spawn_blocking(work).await.map_err(|_| internal())
}

fn internal() -> Response<Body> {
    error(500, "An internal error occurred")
}

fn error(status: u16, text: &str) -> Response<Body> {
    answer::error(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), text)
}
