//! Long polling: the transport for clients without WebSocket, and the first one of those that are not sure.
//!
//! All is GET requests for scripts, made by a hidden frame of the client's page. Routes: `/.lp`. Source: Firebase
//! realtime protocol, section 4.
//!
//! Pure:
//! - `params`: what a request asks
//! - `pieces`: messages in pieces, on the way in; `script`: messages as scripts, on the way out
//! - `exchange`: which poll gets which response
//!
//! With a session:
//! - `carrier`: the task of one client
//! - `upgrade`: a WebSocket takes over from it

mod carrier;
mod exchange;
pub(super) mod params;
pub(super) mod pieces;
mod script;
mod upgrade;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::carrier::{Carrier, Event};
use self::params::{Ask, Callback, Ticket};
use self::upgrade::Upgrade;
use super::session::Session;
use super::websocket::NO_DATABASE;
use super::{codec, frames};
use crate::base::limits::LONG_POLL_SESSIONS_MAX;
use crate::base::random;
use crate::engine::DatabaseError;
use crate::protocols::{Context, answer};
use crate::transport::{Body, Conversation, Reply};

/// The clients that long polling carries, by the id of their session.
#[derive(Default)]
pub struct LongPolls {
    by_id: Mutex<HashMap<String, LongPoll>>,
    stop: CancellationToken,
}

/// The way to the task of one client.
#[derive(Clone)]
struct LongPoll {
    password: Arc<str>,
    /// Bound: a few. Beyond, a request waits until the task has taken those before it.
    events: mpsc::Sender<Event>,
}

/// Requests that wait for a client's task.
const EVENTS_MAX: usize = 4;

const SCRIPT: HeaderValue = HeaderValue::from_static("application/javascript; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const NEVER_CACHE: HeaderValue = HeaderValue::from_static("no-cache, no-store");

/// Answers a request for `/.lp`.
pub async fn handle(context: &Context, request: Request<Incoming>) -> Reply {
    let ask = match Ask::parse(request.uri().query().unwrap_or_default()) {
        Ok(ask) => ask,
        Err(bad) => return answer::error(StatusCode::BAD_REQUEST, &bad.to_string()).into(),
    };
    let is_allowed = match ask {
        // Beacons are POSTs.
        Ask::Leave(_) => [Method::GET, Method::POST].contains(request.method()),
        _ => request.method() == Method::GET,
    };
    if !is_allowed {
        return answer::error(StatusCode::METHOD_NOT_ALLOWED, "long polling is GET requests").into();
    }
    let polls = &context.realtime.long_polls;
    match ask {
        Ask::Start { callback, former } => start(context, &request, callback.as_ref(), former).await,
        Ask::Frame(ticket) => typed(HTML, Body::from(frame(&ticket))),
        Ask::Leave(ticket) => {
            polls.leave(&ticket).await;
            typed(HTML, Body::empty())
        }
        Ask::Poll(ticket, pieces) => {
            let (answer, answered) = oneshot::channel();
            if let Some(poll) = polls.find(&ticket) {
                // If its task is over, it drops the answer.
                let _ = poll.events.send(Event::Poll { pieces, answer }).await;
            } else {
                drop(answer);
            }
            return Reply::Held(Box::pin(async {
                typed(SCRIPT, answered.await.unwrap_or_else(|_| Body::full(script::CLOSE)))
            }));
        }
    }
    .into()
}

/// Opens a session, and answers with its hello.
async fn start(
    context: &Context,
    request: &Request<Incoming>,
    callback: Option<&Callback>,
    former: Option<String>,
) -> Response<Body> {
    let functions = callback.map_or_else(String::new, script::functions);
    let nowhere = || {
        let mut out = functions.clone().into_bytes();
        script::push_response(0, &frames::message(&codec::shutdown(NO_DATABASE)), &mut out);
        typed(SCRIPT, Body::full(out))
    };
    let Ok(namespace) = context.namespaces.resolve(request.uri(), request.headers()) else { return nowhere() };
    let refused = functions.clone() + script::CLOSE;
    let database = match context.engine.database(namespace.as_str()).await {
        Ok(database) => database,
        Err(DatabaseError::Unknown(_)) => return nowhere(),
        Err(error) => {
            tracing::error!(%error, database = %namespace, "a database cannot be opened");
            return typed(SCRIPT, Body::from(refused));
        }
    };
    let registry = &context.realtime;
    if let Some(former) = former.and_then(|id| registry.find(database.name(), &id)) {
        former.end().await;
    }
    let host = context.namespaces.host(request.uri(), request.headers());
    let session = Session::open(context, &database, &host);
    let Some(events) = carry(context, &session, functions) else {
        session.end().await;
        return typed(SCRIPT, Body::from(refused));
    };
    let (answer, answered) = oneshot::channel();
    let _ = events.send(Event::Poll { pieces: Vec::new(), answer }).await;
    typed(SCRIPT, answered.await.unwrap_or_else(|_| Body::from(refused)))
}

/// Starts the task that carries `session`; gives the way to it. `None` where [`LONG_POLL_SESSIONS_MAX`] are carried.
fn carry(context: &Context, session: &Arc<Session>, functions: String) -> Option<mpsc::Sender<Event>> {
    let registry = Arc::clone(&context.realtime);
    let ticket = Ticket { id: session.id().to_owned(), password: random::id() };
    let (events, received) = mpsc::channel(EVENTS_MAX);
    {
        let mut by_id = registry.long_polls.lock();
        if by_id.len() >= LONG_POLL_SESSIONS_MAX {
            return None;
        }
        let poll = LongPoll { password: ticket.password.as_str().into(), events: events.clone() };
        by_id.insert(ticket.id.clone(), poll);
    }
    let greeting = functions + &script::start(&ticket);
    let carrier = Carrier::new(Arc::clone(session), greeting, context.poll_silence_max);
    let stop = registry.long_polls.stop.clone();
    tokio::spawn(async move {
        carrier.run(received, stop).await;
        registry.long_polls.lock().remove(&ticket.id);
    });
    Some(events)
}

/// A WebSocket on its way to take over `session`, if long polling carries it. `then` is its conversation from then on.
pub fn upgrade(context: &Context, session: &Arc<Session>, then: Box<dyn Conversation>) -> Option<Upgrade> {
    let events = context.realtime.long_polls.lock().get(session.id())?.events.clone();
    Some(Upgrade::new(Arc::clone(session), events, then))
}

impl LongPolls {
    /// Ends all sessions that long polling carries: the server stops.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    async fn leave(&self, ticket: &Ticket) {
        let Some(poll) = self.find(ticket) else { return };
        let (done, is_done) = oneshot::channel();
        if poll.events.send(Event::Leave(done)).await.is_ok() {
            let _ = is_done.await;
        }
    }

    /// The client of that id, if the password is its own.
    fn find(&self, ticket: &Ticket) -> Option<LongPoll> {
        let poll = self.lock().get(&ticket.id)?.clone();
        (*poll.password == *ticket.password).then_some(poll)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, LongPoll>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn frame(ticket: &Ticket) -> String {
    include_str!("frame.html").replace("{id}", &ticket.id).replace("{pw}", &ticket.password)
}

fn typed(kind: HeaderValue, body: Body) -> Response<Body> {
    let mut response = answer::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, NEVER_CACHE);
    *response.body_mut() = body;
    response
}
