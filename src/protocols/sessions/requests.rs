//! The requests of a POST: handled strictly in order, each done once.
//!
//! Writes that follow each other are put into the writer's queue one after the other and share a commit; a read waits
//! for the writes before it. A number that was done before is not done again: its remembered reply is given.

use std::ops::ControlFlow;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request as HttpRequest, StatusCode};
use tokio::sync::oneshot;

use super::codec::{self, Request, SessionEncoder, Verb};
use super::error;
use crate::base::limits::{OUTBOX_BYTES_MAX, SESSION_REQUEST_BYTES_MAX, SESSION_REQUESTS_MAX};
use crate::engine::{
    Arm, Condition, DENIED, Database, ListenRequest, Session, Shape, WriteError, WriteRequest, Written,
};
use crate::model::json::JsonWriter;
use crate::model::{Format, Identity, Path, Query, Write, hash};
use crate::protocols::answer;
use crate::transport::{Body, Outbox, Reply, read_body};

/// Bytes of what one read gives. Beyond: an error; listen instead, which streams.
const REPLY_BYTES_MAX: usize = SESSION_REQUEST_BYTES_MAX;
const TOO_LARGE: &str = "Data requested exceeds the maximum size that can be accessed with a single request.";

/// Does what a POST asks, and replies.
pub async fn handle(
    database: &Arc<Database>,
    session: &Arc<Session>,
    who: Identity,
    request: HttpRequest<Incoming>,
) -> Reply {
    match read(request).await {
        Ok(requests) => match done(database, session, who, requests).await {
            Some(body) => answer::json(StatusCode::OK, Body::full(body)).into(),
            None => error(StatusCode::INTERNAL_SERVER_ERROR, "An internal error occurred"),
        },
        Err(refused) => refused,
    }
}

/// Does the last requests, if the body holds any, and ends the session.
pub async fn close(
    database: &Arc<Database>,
    session: &Arc<Session>,
    who: Identity,
    request: HttpRequest<Incoming>,
) -> Reply {
    // Whatever is wrong with the body: the client is leaving and reads no answer.
    if let Ok(requests) = read(request).await {
        done(database, session, who, requests).await;
    }
    session.end().await;
    answer::empty(StatusCode::NO_CONTENT).into()
}

async fn read(request: HttpRequest<Incoming>) -> Result<Vec<Request>, Reply> {
    let (head, body) = request.into_parts();
    let body = read_body(&head.headers, body, SESSION_REQUEST_BYTES_MAX).await.map_err(|refused| {
        let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
        error(status, &refused.to_string())
    })?;
    match codec::parse(&body) {
        Ok(requests) if requests.len() > SESSION_REQUESTS_MAX => {
            Err(error(StatusCode::BAD_REQUEST, &format!("at most {SESSION_REQUESTS_MAX} requests at a time")))
        }
        Ok(requests) => Ok(requests),
        Err(text) => Err(error(StatusCode::BAD_REQUEST, &text)),
    }
}

/// Runs the requests on a task of its own: a client that gives up waiting does not leave them half done and
/// unremembered.
async fn done(
    database: &Arc<Database>,
    session: &Arc<Session>,
    who: Identity,
    requests: Vec<Request>,
) -> Option<String> {
    let (database, session) = (Arc::clone(database), Arc::clone(session));
    tokio::spawn(async move { run(&database, &session, &who, requests).await }).await.ok()
}

/// A reply that is there, or that the writer still owes.
enum Owed {
    Ready(String),
    Write(oneshot::Receiver<Result<Written, WriteError>>),
    Arm(oneshot::Receiver<Result<(), WriteError>>),
}

async fn run(database: &Arc<Database>, session: &Arc<Session>, who: &Identity, requests: Vec<Request>) -> String {
    let mut answered = session.answered.lock().await;
    let mut replies: Vec<(u64, String)> = Vec::with_capacity(requests.len());
    let mut owed: Vec<(u64, Owed)> = Vec::new();
    let mut reads = Vec::new();
    let mut done = answered.n;
    // Not the whole identity: the claims of a token change when it is refreshed.
    let uid = who.auth().and_then(|auth| auth.get("uid")).cloned();
    let is_theirs = answered.uid == uid;
    for request in requests {
        let n = request.n;
        // A read may be done again: its answer, which can be large, is not remembered.
        let is_read = matches!(request.verb, Verb::Get { .. });
        if n <= done && !is_read {
            let remembered = answered.replies.iter().find(|(old, _)| is_theirs && *old == n);
            let remembered = remembered.map(|(_, reply)| reply.clone());
            owed.push((n, Owed::Ready(remembered.unwrap_or_else(|| codec::reply_ok(n)))));
            continue;
        }
        if is_read {
            settle(&mut owed, &mut replies).await;
            reads.push(n);
        }
        owed.push((n, start(database, session, who.clone(), request).await));
        done = done.max(n);
    }
    settle(&mut owed, &mut replies).await;
    let epoch = database.epoch().to_owned();
    // Queued behind everything above, so all data of these requests comes before it. A session that is over gets none.
    let _ = session.notify(move |seq| codec::ack(done, &epoch, seq).into()).await;
    answered.n = done;
    let texts: Vec<&str> = replies.iter().map(|(_, reply)| reply.as_str()).collect();
    let body = format!("{{\"replies\":[{}]}}", texts.join(","));
    replies.retain(|(n, _)| !reads.contains(n));
    answered.replies = replies;
    answered.uid = uid;
    body
}

/// Waits for what the writer owes, in order.
async fn settle(owed: &mut Vec<(u64, Owed)>, replies: &mut Vec<(u64, String)>) {
    for (n, owed) in owed.drain(..) {
        let reply = match owed {
            Owed::Ready(reply) => reply,
            Owed::Write(outcome) => match outcome.await.unwrap_or(Err(WriteError::Unavailable)) {
                Ok(_) => codec::reply_ok(n),
                Err(WriteError::Stale(Some(current))) => {
                    codec::reply_data(n, "stale", &current.node.to_json(Format::Export), Some(&current.etag))
                }
                Err(refused) => codec::reply_error(n, &refused.to_string()),
            },
            Owed::Arm(outcome) => match outcome.await.unwrap_or(Err(WriteError::Unavailable)) {
                Ok(()) => codec::reply_ok(n),
                Err(refused) => codec::reply_error(n, &refused.to_string()),
            },
        };
        replies.push((n, reply));
    }
}

async fn start(database: &Arc<Database>, session: &Arc<Session>, who: Identity, request: Request) -> Owed {
    let n = request.n;
    let outcome = match request.verb {
        Verb::Listen { key, path, query } => listen(session, who, n, key, path, query).await,
        Verb::Unlisten { key } => {
            session.unlisten(&key);
            Ok(Owed::Ready(codec::reply_ok(n)))
        }
        Verb::Write { path, op, if_match } => {
            let if_match = if_match.map(Condition::Etag);
            let write = WriteRequest { who, write: Write { path, op }, if_match, rows_max: None, want_etag: false };
            database.start_write(write).await.map(Owed::Write).map_err(|refused| refused.to_string())
        }
        Verb::Get { path, query } => get(database, who, n, path, query).await.map(Owed::Ready),
        Verb::Arm(places) => {
            session.arm(who, Arm::Set(places)).await.map(Owed::Arm).map_err(|refused| refused.to_string())
        }
        Verb::Disarm(path) => {
            session.arm(who, Arm::Cancel(path)).await.map(Owed::Arm).map_err(|refused| refused.to_string())
        }
        Verb::Refused(text) => Err(text),
    };
    outcome.unwrap_or_else(|text| Owed::Ready(codec::reply_error(n, &text)))
}

async fn listen(
    session: &Arc<Session>,
    who: Identity,
    n: u64,
    key: String,
    path: Path,
    query: Query,
) -> Result<Owed, String> {
    let encoder = Arc::new(SessionEncoder::new(&key));
    // The session puts its own outbox in place of this one, which nothing ever drains.
    let outbox = Outbox::new(OUTBOX_BYTES_MAX);
    let request =
        ListenRequest { who, path, query, shape: Shape::Value, encoder, outbox, is_alone: false, resume: None };
    session.listen(key, request).await.map_err(|refused| refused.to_string())?;
    Ok(Owed::Ready(codec::reply_ok(n)))
}

/// Reads on a thread that may block; the writes before it are on disk.
async fn get(
    database: &Arc<Database>,
    who: Identity,
    n: u64,
    path: Path,
    query: Option<Query>,
) -> Result<String, String> {
    let database = Arc::clone(database);
    let read = move || {
        let snapshot = database.snapshot()?;
        if !database.may_read(&snapshot, &who, &path, query.as_ref().unwrap_or(&Query::default()))? {
            return Ok(codec::reply_error(n, DENIED));
        }
        if let Some(query) = query {
            let node = database.window(&snapshot, &path, &query)?;
            return Ok(codec::reply_data(n, "ok", &node.to_json(Format::Export), None));
        }
        let tree = snapshot.tree();
        let (mut json, mut text) = (JsonWriter::new(Format::Export), Vec::new());
        tree.walk_objects(&path, &mut |step| {
            json.step(step, &mut text);
            if text.len() > REPLY_BYTES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if text.len() > REPLY_BYTES_MAX {
            return Ok(codec::reply_error(n, TOO_LARGE));
        }
        json.finish(&mut text);
        let hash = tree.hash(&path)?;
        Ok(codec::reply_data(n, "ok", &String::from_utf8_lossy(&text), Some(hash::etag(&hash))))
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => {
            let error: crate::engine::StoreError = error;
            tracing::error!(%error, "a read failed");
            Err("Service temporarily unavailable".to_owned())
        }
        Err(_) => Err("An internal error occurred".to_owned()),
    }
}
