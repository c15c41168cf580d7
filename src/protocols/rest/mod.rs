//! The Firebase REST API and its event streams, over plain HTTP.
//!
//! Routes: every path that ends in `.json` (data, with `Accept: text/event-stream` as a stream), `/.settings/*`,
//! `/.inspect/*` and `/<path>/.upload`. Spec: Firebase REST reference (`spec/firebase-rest.md`), whose section numbers
//! the headers of the files name. Knows nothing of storage or other protocols, and of rules only what the engine tells.
//!
//! Pure, from text to types and back:
//! - `target`, `params`, `selection`: path and query string; `request`: all of a request but its body
//! - `writing`: the body of a write, and its echo
//! - `layout`: pretty text and script callbacks; `error`: the table of errors; `reply`: headers
//! - `value_events`: Firebase's `put` and `patch`; `child_events`: our own stream of children
//! - `settings`: what tools ask for
//!
//! With the engine:
//! - `read`, `source`: GET; `write`: PUT, POST, PATCH, DELETE; `listen`: streams
//! - `rules`: the rules file, and queries that need an index from it

mod child_events;
mod error;
mod layout;
mod listen;
mod params;
mod read;
mod reply;
mod request;
mod rules;
mod selection;
mod settings;
mod source;
mod target;
mod value_events;
mod write;
mod writing;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response};

use self::error::Failure;
use self::reply::Answer;
use self::request::{Ask, RulesAsk};
use super::{Context, access};
use crate::base::limits::{REQUEST_BYTES_MAX, RULES_BYTES_MAX};
use crate::engine::{AuthError, Database};
use crate::transport::{Body, BodyError, Reply, read_body};

/// Answers one request. Preflights are answered before it comes here, and compression is done behind it.
pub async fn handle(context: &Context, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    respond(context, &head, body).await.unwrap_or_else(|failure| Response::from(failure).into())
}

/// In the order of 8.4: namespace, path and parameters, body, conditions; the last two in `writing`.
async fn respond(context: &Context, head: &Parts, body: Incoming) -> Result<Reply, Failure> {
    let namespace = context.namespaces.resolve(&head.uri, &head.headers).map_err(|_| Failure::NAMESPACE)?;
    let query = head.uri.query().unwrap_or_default();
    let access = access::identify(&context.engine, &head.headers, query)?;
    let who = &access.who;
    let database = || database(context, namespace.as_str());
    let ask = Ask::parse(&head.method, head.uri.path(), query, &head.headers)?;
    let is_data = matches!(ask, Ask::Read(_) | Ask::Listen(_) | Ask::Write(_));
    if !is_data && !access::may_administer(&context.engine, who) {
        return Err(Failure::UNAUTHORIZED);
    }
    Ok(match ask {
        Ask::Read(read) => {
            let (is_script, download) = (read.callback.is_some(), read.download.clone());
            let answer = read::answer(database().await?, who.clone(), read).await?;
            answer.into_response(is_script, download.as_deref()).into()
        }
        Ask::Listen(listen) => Reply::Stream(listen::start(context, &database().await?, access, listen).await?),
        Ask::Write(writing) => {
            let database = database().await?;
            let body = read_body(&head.headers, body, REQUEST_BYTES_MAX).await?;
            write::answer(database, who.clone(), writing, body).await?.into_response(false, None).into()
        }
        Ask::Rules(RulesAsk::Read { strict }) => {
            let database = database().await?;
            rules::text(&database, strict).into_response(false, None).into()
        }
        Ask::Rules(RulesAsk::Replace { dry_run }) => {
            let database = database().await?;
            let body = read_body(&head.headers, body, RULES_BYTES_MAX).await?;
            rules::replace(&database, body, dry_run).await?.into_response(false, None).into()
        }
        Ask::Settings { name, verb, print } => {
            let text = settings::settings(&name, verb)?;
            json_text(print, &text).into()
        }
        Ask::Inspect { name, print } => {
            let text = settings::inspect(&name, || context.engine.names())?;
            json_text(print, &text).into()
        }
    })
}

async fn database(context: &Context, name: &str) -> Result<Arc<Database>, Failure> {
    Ok(context.engine.database(name).await?)
}

fn json_text(print: request::Print, text: &str) -> Response<Body> {
    Answer::text(write::lay_out(print, |out| out.extend_from_slice(text.as_bytes()))).into_response(false, None)
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let (status, text) = error.rest();
        Self::new(status, text)
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BODY_TOO_BIG,
            other => Self::with_status(other.status(), other.to_string()),
        }
    }
}
