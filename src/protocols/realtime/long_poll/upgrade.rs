//! The second transport of a client that began with long polling: a WebSocket that takes the session over.
//!
//! The client tries it with pings, adopts it (`a`), and ends long polling (`n`), each on its own connection, so that
//! either may arrive first. Nothing more is read here until both have: what the client sends behind its `a` comes after
//! all that it sent by polls. Until it is adopted, this WebSocket means nothing to the session. Source: Firebase
//! realtime protocol 4.7.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::carrier::Event;
use crate::protocols::realtime::codec::{self, Control, Incoming};
use crate::protocols::realtime::frames;
use crate::protocols::realtime::session::Session;
use crate::transport::{BoxFuture, Conversation, Next, Outbox};

pub struct Upgrade {
    session: Arc<Session>,
    /// The task that carries the session.
    events: mpsc::Sender<Event>,
    /// What is said before the session's own outbox is written here.
    outbox: Arc<Outbox>,
    /// The conversation of a WebSocket that carries the session.
    then: Box<dyn Conversation>,
    is_adopted: bool,
}

/// Bytes of the few short messages before the takeover. Beyond, the connection is closed, as for every slow reader.
const OUTBOX_BYTES_MAX: usize = 16 * 1_024;

const KEEP_ALIVE: &[u8] = b"0";

impl Upgrade {
    /// An upgrade of `session`, which the task behind `events` carries. Its outbox holds the first message already.
    pub(super) fn new(session: Arc<Session>, events: mpsc::Sender<Event>, then: Box<dyn Conversation>) -> Self {
        let outbox = Outbox::new(OUTBOX_BYTES_MAX);
        outbox.push(frames::message(&codec::accepted()));
        Self { session, events, outbox, then, is_adopted: false }
    }

    pub fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    async fn take(&mut self, text: Bytes) -> Next {
        if self.is_adopted {
            return self.then.text(text).await;
        }
        match codec::parse(&text) {
            Ok(Incoming::Control(Control::Ping)) => {
                self.outbox.push(frames::message(&codec::pong()));
                Next::Go
            }
            Ok(Incoming::Control(Control::Adopted)) => self.adopt().await,
            Ok(Incoming::Control(_)) => Next::Go,
            Err(_) if *text == *KEEP_ALIVE => Next::Go,
            _ => Next::Close { code: 1002, reason: "nothing may be asked before the transport is adopted" },
        }
    }

    /// Waits until the client has ended long polling too.
    async fn adopt(&mut self) -> Next {
        // From here on the end of this connection is the end of the session.
        self.is_adopted = true;
        let (items, given) = oneshot::channel();
        let _ = self.events.send(Event::Adopt(items)).await;
        if let Ok(items) = given.await {
            return Next::Drain(Arc::clone(self.session.outbox()), items);
        }
        // It is over, or another WebSocket was adopted.
        self.is_adopted = false;
        Next::Close { code: 1008, reason: "the session cannot be adopted" }
    }
}

impl Conversation for Upgrade {
    fn text(&mut self, text: Bytes) -> BoxFuture<'_, Next> {
        Box::pin(self.take(text))
    }

    fn last_words(&self) -> Bytes {
        if self.is_adopted { self.then.last_words() } else { Bytes::new() }
    }

    fn over(self: Box<Self>) -> BoxFuture<'static, ()> {
        if self.is_adopted { self.then.over() } else { Box::pin(std::future::ready(())) }
    }
}
