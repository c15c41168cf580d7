//! The WebSocket transport: `GET /.ws`.
//!
//! A refusal that an SDK shall tell its user is a message on an accepted socket: a failed handshake it would only
//! repeat for ever. Source: Firebase realtime protocol 1.1 to 1.7, 3.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::StatusCode;
use hyper::body::Incoming;
use tokio_util::task::AbortOnDropHandle;

use super::codec::{self, Control, Malformed};
use super::segments::Assembly;
use super::{Session, frames, long_poll};
use crate::base::limits::{MESSAGE_BYTES_MAX, MESSAGE_SILENCES_MAX};
use crate::engine::DatabaseError;
use crate::protocols::namespace::parameter;
use crate::protocols::{Context, answer};
use crate::transport::{self, BoxFuture, Conversation, Next, Outbox, Reply, WebSocket};

/// What SDKs tell their users when there is no such database.
pub(super) const NO_DATABASE: &str = "Firebase error. Please ensure that you have the URL of your Firebase Realtime \
    Database instance configured correctly.";

/// Answers a request for `/.ws`.
pub async fn handle(context: &Context, request: &Request<Incoming>) -> Reply {
    let head = match transport::accept(request) {
        Ok(head) => head,
        Err(refused) => return refused.into(),
    };
    let open = |outbox, conversation| {
        Reply::WebSocket(Box::new(WebSocket {
            head,
            outbox,
            conversation,
            message_bytes_max: MESSAGE_BYTES_MAX,
            ping_every: context.ping_interval,
            silence_max: context.silence_max,
        }))
    };
    let Ok(namespace) = context.namespaces.resolve(request.uri(), request.headers()) else {
        return open(parting(&codec::shutdown(NO_DATABASE)), Box::new(Nobody));
    };
    let database = match context.engine.database(namespace.as_str()).await {
        Ok(database) => database,
        Err(DatabaseError::Unknown(_)) => return open(parting(&codec::shutdown(NO_DATABASE)), Box::new(Nobody)),
        Err(error) => {
            tracing::error!(%error, database = %namespace, "a database cannot be opened");
            return answer::error(StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable").into();
        }
    };
    let host = context.namespaces.host(request.uri(), request.headers());
    let named = |name| parameter(request.uri().query().unwrap_or_default(), name);
    if let Some(id) = named("s") {
        let found = context.realtime.find(database.name(), &id);
        let client = |session| Box::new(Client::new(session, context.silence_max));
        let upgrade = found.and_then(|session| long_poll::upgrade(context, &session, client(Arc::clone(&session))));
        return match upgrade {
            Some(upgrade) => open(upgrade.outbox(), Box::new(upgrade)),
            // The session that it would be the second transport of is gone: the client goes on with the first.
            None => open(parting(&codec::reset(&host)), Box::new(Nobody)),
        };
    }
    if let Some(former) = named("ls").and_then(|id| context.realtime.find(database.name(), &id)) {
        former.end().await;
    }
    let session = Session::open(context, &database, &host);
    open(Arc::clone(session.outbox()), Box::new(Client::new(session, context.silence_max)))
}

/// An outbox with one message, the first and last.
fn parting(message: &str) -> Arc<Outbox> {
    let outbox = Outbox::new(message.len());
    outbox.push(frames::message(message));
    outbox.close();
    outbox
}

/// The messages of one client.
pub struct Client {
    session: Arc<Session>,
    assembly: Assembly,
    silence_max: Duration,
    /// While segments are missing: what closes the connection when they do not come.
    deadline: Option<AbortOnDropHandle<()>>,
}

impl Client {
    pub fn new(session: Arc<Session>, silence_max: Duration) -> Self {
        Self { session, assembly: Assembly::default(), silence_max, deadline: None }
    }

    async fn take(&mut self, text: Bytes) -> Next {
        let message = match self.assembly.take(text) {
            Ok(Some(message)) => message,
            Ok(None) => {
                self.watch();
                return Next::Go;
            }
            Err(malformed) => return self.refuse(malformed),
        };
        self.deadline = None;
        match self.session.message(message).await {
            Ok(Some(Control::Ping)) => {
                // At once, whatever is being asked of the engine.
                self.session.outbox().push(frames::message(&codec::pong()));
                Next::Go
            }
            Ok(_) => Next::Go,
            Err(malformed) => self.refuse(malformed),
        }
    }

    /// Sets the deadline of a message that has begun.
    fn watch(&mut self) {
        if self.deadline.is_some() || self.assembly.missing() == 0 {
            return;
        }
        let time = self.silence_max * MESSAGE_SILENCES_MAX;
        let outbox = Arc::clone(self.session.outbox());
        self.deadline = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(time).await;
            outbox.push(frames::message(&codec::error("Segments of a message are missing")));
            outbox.close();
        })));
    }

    fn refuse(&self, malformed: Malformed) -> Next {
        self.session.outbox().push(frames::message(&codec::error(malformed.text())));
        Next::Close { code: malformed.close_code(), reason: malformed.text() }
    }
}

impl Conversation for Client {
    fn text(&mut self, text: Bytes) -> BoxFuture<'_, Next> {
        Box::pin(self.take(text))
    }

    /// Sends the client to where it is: to the server that will stand there next.
    fn last_words(&self) -> Bytes {
        frames::message(&codec::reset(self.session.host()))
    }

    fn over(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.session.end().await })
    }
}

/// At the other end of a connection that is over as soon as its one message is written.
struct Nobody;

impl Conversation for Nobody {
    fn text(&mut self, _: Bytes) -> BoxFuture<'_, Next> {
        Box::pin(std::future::ready(Next::Go))
    }

    fn over(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}
