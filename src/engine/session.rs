//! A session: one client's presence, with its listeners and what it has armed.
//!
//! It outlives its stream by the grace period. While no stream is attached nothing is queued for it: on resume its
//! listeners are told from the log what they missed. When it ends, for whatever reason, what it armed runs once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::database::{Database, Listener};
use super::encode::encode;
use super::event::Event;
use super::request::{Arm, DENIED, ListenError, ListenRequest, Reply, Resume, Unavailable, WriteError};
use super::writer::Command;
use crate::base::limits::SESSION_LISTENERS_MAX;
use crate::base::{Millis, random};
use crate::model::Identity;
use crate::transport::Outbox;

/// The living sessions of a database, by id.
pub(super) struct Sessions {
    grace: Duration,
    by_id: Mutex<HashMap<Arc<str>, Arc<Session>>>,
}

impl Sessions {
    pub fn new(grace: Duration) -> Self {
        Self { grace, by_id: Mutex::new(HashMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Session>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Session {
    id: Arc<str>,
    database: Weak<Database>,
    state: Mutex<State>,
    /// Held while something is armed and while the session ends, so that nothing is armed for a session that is over.
    order: tokio::sync::Mutex<()>,
    /// What was answered last, for a client that repeats a request because the answer was lost. Held for a whole POST:
    /// the requests of a session are handled in order.
    pub answered: tokio::sync::Mutex<Answered>,
}

/// The requests of a session that are done.
#[derive(Debug, Default)]
pub struct Answered {
    /// The highest number done; 0 for none.
    pub n: u64,
    /// Answers to the newest requests, by number.
    pub replies: Vec<(u64, String)>,
    /// Whose requests these were: nobody else is told what they were answered.
    pub uid: Option<serde_json::Value>,
}

#[derive(Default)]
struct State {
    /// Counts attached streams: what an older stream does at its end must not touch a newer one.
    generation: u64,
    outbox: Option<Arc<Outbox>>,
    listens: HashMap<String, Listen>,
    /// Whose its listeners are.
    who: Identity,
    /// When the credential of that ends, and what ends it then.
    credential_end: Option<Millis>,
    expiry: Option<AbortOnDropHandle<()>>,
    is_over: bool,
}

/// One listen as the client asked for it.
struct Listen {
    request: ListenRequest,
    /// Absent while no stream is attached.
    listener: Option<Listener>,
    /// It has been told everything up to here.
    seq: u64,
}

/// Why a session refuses a listen.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionError {
    TooManyListeners,
    /// The rules do not allow the listen.
    Denied,
    Unavailable,
    /// It has ended.
    Over,
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooManyListeners => write!(f, "a session can have at most {SESSION_LISTENERS_MAX} listeners"),
            Self::Denied => f.write_str(DENIED),
            Self::Unavailable => Unavailable.fmt(f),
            Self::Over => f.write_str("no such session"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<Unavailable> for SessionError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<ListenError> for SessionError {
    fn from(error: ListenError) -> Self {
        match error {
            ListenError::Denied => Self::Denied,
            ListenError::Unavailable => Self::Unavailable,
        }
    }
}

/// Held by a stream for as long as it is open. Dropped, it starts the grace period.
pub struct Attachment {
    session: Arc<Session>,
    generation: u64,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        Session::detach(&self.session, self.generation);
    }
}

impl Database {
    /// A new session with nothing attached; attach a stream at once, or the grace period runs out.
    pub fn open_session(self: &Arc<Self>) -> Arc<Session> {
        let id: Arc<str> = random::id().into();
        let session = Arc::new(Session {
            id: Arc::clone(&id),
            database: Arc::downgrade(self),
            state: Mutex::new(State::default()),
            order: tokio::sync::Mutex::new(()),
            answered: tokio::sync::Mutex::new(Answered::default()),
        });
        self.sessions.lock().insert(id, Arc::clone(&session));
        session
    }

    /// The session of that id, if it is not over.
    pub fn session(&self, id: &str) -> Option<Arc<Session>> {
        self.sessions.lock().get(id).cloned()
    }

    /// How long a session waits for its client to come back.
    pub fn presence_grace(&self) -> Duration {
        self.sessions.grace
    }

    pub(super) async fn end_sessions(&self) {
        let sessions: Vec<Arc<Session>> = self.sessions.lock().values().cloned().collect();
        for session in sessions {
            session.end().await;
        }
    }
}

impl Session {
    pub fn id(&self) -> &str {
        &self.id
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn database(&self) -> Result<Arc<Database>, SessionError> {
        self.database.upgrade().ok_or(SessionError::Over)
    }

    /// Makes `outbox` the session's stream; an older one is closed. Listeners stay silent until
    /// [`Session::listen_again`], which is to be called once the stream's greeting is queued.
    pub fn attach(self: &Arc<Self>, outbox: &Arc<Outbox>) -> Result<Attachment, SessionError> {
        let mut state = self.lock();
        if state.is_over {
            return Err(SessionError::Over);
        }
        state.generation += 1;
        let old = state.outbox.replace(Arc::clone(outbox));
        let silenced: Vec<Listener> = state.listens.values_mut().filter_map(|listen| listen.listener.take()).collect();
        let generation = state.generation;
        drop(state);
        drop(silenced);
        if let Some(old) = old {
            old.close();
        }
        Ok(Attachment { session: Arc::clone(self), generation })
    }

    /// Registers all listeners anew on the attached stream, each from where its client stopped.
    pub async fn listen_again(&self, position: &Resume) -> Result<(), SessionError> {
        let waiting: Vec<(String, ListenRequest)> = {
            let state = self.lock();
            let Some(outbox) = &state.outbox else { return Ok(()) };
            let again = |listen: &Listen| ListenRequest {
                outbox: Arc::clone(outbox),
                resume: Some(Resume { seq: position.seq.max(listen.seq), ..position.clone() }),
                ..listen.request.clone()
            };
            state.listens.iter().map(|(key, listen)| (key.clone(), again(listen))).collect()
        };
        for (key, request) in waiting {
            let (encoder, outbox) = (Arc::clone(&request.encoder), Arc::clone(&request.outbox));
            match self.register(key.clone(), request).await {
                Err(SessionError::Denied) => {
                    self.unlisten(&key);
                    outbox.push(encode(encoder.as_ref(), &Event::Cancel { reason: DENIED }, None));
                }
                outcome => outcome?,
            }
        }
        Ok(())
    }

    /// Adds a listener, or gives an existing one of the same key a fresh start. It is of whoever the session is.
    pub async fn listen(&self, key: String, mut request: ListenRequest) -> Result<(), SessionError> {
        let replaced = {
            let mut state = self.lock();
            if state.is_over {
                return Err(SessionError::Over);
            }
            if !state.listens.contains_key(&key) && state.listens.len() >= SESSION_LISTENERS_MAX {
                return Err(SessionError::TooManyListeners);
            }
            request.resume = None;
            request.who = state.who.clone();
            let Some(outbox) = state.outbox.clone() else {
                // Nothing is attached: it starts with the next stream.
                state.listens.insert(key, Listen { request, listener: None, seq: 0 });
                return Ok(());
            };
            request.outbox = outbox;
            state.listens.remove(&key)
        };
        drop(replaced);
        self.register(key, request).await
    }

    async fn register(&self, key: String, request: ListenRequest) -> Result<(), SessionError> {
        let listener = self.database()?.listen(request.clone()).await?;
        let mut state = self.lock();
        let is_current = state.outbox.as_ref().is_some_and(|outbox| Arc::ptr_eq(outbox, &request.outbox));
        let seq = listener.seq();
        // A newer stream may have come meanwhile, or none may be left: then it starts again with the next one.
        let listener = is_current.then_some(listener);
        state.listens.insert(key, Listen { request, listener, seq });
        Ok(())
    }

    /// From now on its listeners are those of `who`, until `end`; one that `who` may not have is told so, and is gone.
    /// At the end `revoked` is queued on its stream, which is closed, and it is nobody's.
    pub async fn identify(
        self: &Arc<Self>,
        who: &Identity,
        end: Option<Millis>,
        revoked: Bytes,
    ) -> Result<(), SessionError> {
        let now = self.database()?.now();
        {
            let mut state = self.lock();
            if state.credential_end != end {
                state.credential_end = end;
                state.expiry = end.map(|end| {
                    let left = Duration::from_millis(end.saturating_sub(now).max(0).unsigned_abs());
                    let session = Arc::downgrade(self);
                    AbortOnDropHandle::new(tokio::spawn(async move {
                        tokio::time::sleep(left).await;
                        if let Some(session) = session.upgrade() {
                            session.expire(end, revoked).await;
                        }
                    }))
                });
            }
        }
        self.become_of(who).await
    }

    async fn expire(&self, end: Millis, revoked: Bytes) {
        let outbox = {
            let mut state = self.lock();
            if state.is_over || state.credential_end != Some(end) {
                return;
            }
            state.credential_end = None;
            state.outbox.clone()
        };
        if let Some(outbox) = outbox {
            outbox.push(revoked);
            outbox.close();
        }
        // A database that is closing ends the session by itself.
        let _ = self.become_of(&Identity::Nobody).await;
    }

    async fn become_of(&self, who: &Identity) -> Result<(), SessionError> {
        let ids: Vec<u64> = {
            let mut state = self.lock();
            state.who = who.clone();
            let listens = state.listens.values_mut().filter(|listen| listen.request.who != *who);
            let changed = listens.map(|listen| {
                listen.request.who = who.clone();
                listen.listener.as_ref().map(|listener| listener.id)
            });
            changed.flatten().collect()
        };
        if ids.is_empty() {
            return Ok(());
        }
        Ok(self.database()?.send(Command::Identify { ids, who: who.clone() }).await?)
    }

    /// Removes a listener. No event for it is queued any more.
    pub fn unlisten(&self, key: &str) {
        let removed = self.lock().listens.remove(key);
        drop(removed);
    }

    /// Arms or disarms onDisconnect writes; on disk when the receiver gets its answer.
    /// They run as `who`.
    pub async fn arm(
        &self,
        who: Identity,
        arm: Arm,
    ) -> Result<oneshot::Receiver<Result<(), WriteError>>, SessionError> {
        let _order = self.order.lock().await;
        if self.lock().is_over {
            return Err(SessionError::Over);
        }
        let (reply, outcome) = oneshot::channel();
        self.database()?
            .send(Command::Arm { session: Arc::clone(&self.id), link: None, who, arm, reply: Reply::Asker(reply) })
            .await?;
        Ok(outcome)
    }

    /// Queues bytes on the attached stream behind everything that was asked before. `make` is given the sequence
    /// reached.
    pub async fn notify(&self, make: impl FnOnce(u64) -> Bytes + Send + 'static) -> Result<(), SessionError> {
        let Some(outbox) = self.lock().outbox.clone() else { return Ok(()) };
        Ok(self.database()?.send(Command::Notify { outbox, make: Box::new(make) }).await?)
    }

    /// After the outbox overflowed: a fresh start for every listener.
    pub fn refresh(&self) {
        let ids: Vec<u64> =
            self.lock().listens.values().filter_map(|listen| Some(listen.listener.as_ref()?.id)).collect();
        if let Some(database) = self.database.upgrade() {
            database.send_soon(Command::Refresh { ids });
        }
    }

    /// Ends it: its stream closes and what it armed runs. Returns once that is on disk. Ending twice does nothing more.
    pub async fn end(&self) {
        let _order = self.order.lock().await;
        let (outbox, listens) = {
            let mut state = self.lock();
            state.is_over = true;
            (state.outbox.take(), std::mem::take(&mut state.listens))
        };
        drop(listens);
        let Some(database) = self.database.upgrade() else { return };
        database.sessions.lock().remove(&self.id);
        let (reply, done) = oneshot::channel();
        if database.send(Command::End { session: Arc::clone(&self.id), link: None, reply: Some(reply) }).await.is_ok() {
            // A dropped reply means the disk failed: then it is still armed there, and runs at the next start.
            let _ = done.await;
        }
        if let Some(outbox) = outbox {
            outbox.close();
        }
    }

    /// The stream of `generation` is over: unless a newer one is attached, the grace period begins.
    fn detach(session: &Arc<Self>, generation: u64) {
        let silenced: Vec<Listener> = {
            let mut state = session.lock();
            if state.generation != generation || state.is_over {
                return;
            }
            state.outbox = None;
            state.listens.values_mut().filter_map(|listen| listen.listener.take()).collect()
        };
        drop(silenced);
        let Some(database) = session.database.upgrade() else { return };
        let grace = database.sessions.grace;
        let session = Arc::clone(session);
        database.runtime.spawn(async move {
            tokio::time::sleep(grace).await;
            let is_still_gone = {
                let state = session.lock();
                state.generation == generation && !state.is_over
            };
            if is_still_gone {
                session.end().await;
            }
        });
    }
}
