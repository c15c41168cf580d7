//! One client, whatever carries its messages: what it listens to, and its way to the engine.
//!
//! Requests are taken one after the other and answered in order, each exactly once: every answer goes through the
//! link's queue, so that it stands behind what the requests before it caused. Messages wait on the outbox as WebSocket
//! frames; long polling takes them apart again. Source: Firebase realtime protocol 2.2, 6, 9.2, 14.1.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::codec::{self, Control, Incoming, Malformed, Outcome};
use super::encoder::{Pushes, ReadAnswer};
use super::frames;
use super::listens::Listens;
use super::registry::Registry;
use super::request::{Action, Listen, ListenKey, Request, Shown};
use crate::base::Millis;
use crate::base::limits::REALTIME_LISTENS_MAX;
use crate::engine::{
    AuthError, Credential, Database, Engine, Identified, Link, LinkListen, LinkRead, ReadError, Unavailable,
    WriteError, WriteRequest,
};
use crate::model::{Identity, Index, Path, Query};
use crate::protocols::Context;
use crate::transport::Outbox;

/// Bytes of a message that is parsed where it is taken. Beyond: on a thread that may block.
const PARSE_INLINE_MAX: usize = 64 * 1024;

/// One client. Dropped, it ends; better, [`Session::end`] it and wait.
pub struct Session {
    link: Link,
    engine: Arc<Engine>,
    host: Box<str>,
    registry: Arc<Registry>,
    /// Held for the whole of a request, so that they are taken in order.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listens: Listens,
    who: Identity,
    /// When the credential of that is over (milliseconds since 1970), and what ends it then.
    expires_at: Option<Millis>,
    expiry: Option<AbortOnDropHandle<()>>,
    is_over: bool,
}

impl Session {
    /// A new session with its hello queued. `host` is where the client shall connect the next time.
    pub fn open(context: &Context, database: &Arc<Database>, host: &str) -> Arc<Self> {
        let outbox = Outbox::new(context.outbox_bytes);
        let link = database.open_link(Arc::clone(&outbox));
        let session = Arc::new(Self {
            link,
            engine: Arc::clone(&context.engine),
            host: host.into(),
            registry: Arc::clone(&context.realtime),
            state: Mutex::default(),
        });
        session.registry.insert(session.id().into(), Arc::downgrade(&session));
        outbox.push(frames::message(&codec::hello(database.now(), host, session.id())));
        session
    }

    pub fn id(&self) -> &str {
        self.link.session()
    }

    /// Where its client is to connect the next time.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name of its database.
    pub fn namespace(&self) -> &str {
        self.link.database().name()
    }

    /// What its client is to be sent, as WebSocket frames.
    pub fn outbox(&self) -> &Arc<Outbox> {
        self.link.outbox()
    }

    /// Takes one whole message. A control message is the transport's business and is given back.
    ///
    /// # Errors
    /// [`Malformed`]: the connection cannot go on.
    pub async fn message(self: &Arc<Self>, text: Bytes) -> Result<Option<Control>, Malformed> {
        let parsed = if text.len() > PARSE_INLINE_MAX {
            tokio::task::spawn_blocking(move || codec::parse(&text)).await.unwrap_or(Err(Malformed::NoMessage))
        } else {
            codec::parse(&text)
        };
        match parsed? {
            Incoming::Control(control) => Ok(Some(control)),
            Incoming::Request(request) => {
                self.request(request).await;
                Ok(None)
            }
        }
    }

    /// Has a request done; its answer comes on the outbox. Waits only for places in the writer's queue. Once the
    /// session has ended nothing happens.
    pub async fn request(self: &Arc<Self>, request: Request) {
        let mut state = self.state.lock().await;
        if state.is_over {
            return;
        }
        if self.start(&mut state, request).await.is_err() {
            // The database is closing: the client comes back and asks anew.
            self.outbox().close();
        }
    }

    /// Ends it: what it armed runs, and is on disk when this returns; what is queued is still sent. Ending twice does
    /// nothing more.
    pub async fn end(self: &Arc<Self>) {
        let session = Arc::clone(self);
        // On a task of its own: whoever waits may be cut off, and half an end is none.
        let _ = tokio::spawn(async move { session.end_now().await }).await;
    }

    async fn end_now(&self) {
        // Behind a request that is under way, so that nothing is asked of a link that has ended.
        let mut state = self.state.lock().await;
        *state = State { is_over: true, ..State::default() };
        self.link.end().await;
        // Until now a successor could find it, and wait for this end.
        self.registry.remove(self.id());
        self.outbox().close();
    }

    async fn start(self: &Arc<Self>, state: &mut State, request: Request) -> Result<(), Unavailable> {
        let number = request.number;
        let who = state.who.clone();
        match request.action {
            Action::Answer(outcome) => self.say(number, &outcome).await,
            Action::Listen(listen) => self.listen(state, number, listen).await,
            Action::Unlisten(key) => {
                let answer = answer(number, &Outcome::DONE);
                match state.listens.remove(&key) {
                    Some(id) => self.link.unlisten(id, answer).await,
                    None => self.link.say(answer).await,
                }
            }
            Action::Read { path, query } => self.read(number, who, path, query).await,
            Action::Write { write, condition } => {
                let request = WriteRequest { who, write, if_match: condition, rows_max: None, want_etag: false };
                let answer = move |written: Result<_, WriteError>| answer(number, &written_outcome(written.err()));
                self.link.write(request, Box::new(answer)).await
            }
            Action::Arm(arm) => {
                let answer = move |armed: Result<(), WriteError>| answer(number, &written_outcome(armed.err()));
                self.link.arm(who, arm, Box::new(answer)).await
            }
            Action::Identify(shown) => {
                let identified = self.identify(&shown);
                let outcome = match &identified {
                    Ok(identified) => Outcome::ok(identified.realtime_body().to_string()),
                    Err(error) => {
                        let (status, text) = error.realtime();
                        Outcome::refused(status, &text)
                    }
                };
                // Whoever shows a bad credential is nobody from then on (15.5).
                let (who, end) = identified.map_or((Identity::Nobody, None), |it| (it.identity, it.expires_at_ms));
                self.become_of(state, who, end, answer(number, &outcome)).await
            }
            Action::Unauthenticate => {
                self.become_of(state, Identity::Nobody, None, answer(number, &Outcome::UNAUTHENTICATED)).await
            }
        }
    }

    fn identify(&self, shown: &Shown) -> Result<Identified, AuthError> {
        let credential =
            if shown.is_bearer { Credential::Bearer(&shown.credential) } else { Credential::Auth(&shown.credential) };
        let identified = self.engine.identify(&credential)?;
        match &shown.act_as {
            None => Ok(identified),
            Some(auth) if auth.is_object() || auth.is_null() => identified.act_as(Identity::of(auth.clone())),
            Some(_) => Err(AuthError::BadOverride),
        }
    }

    /// The connection is that of `who` until `end` (milliseconds since 1970): first the listens are ended that `who`
    /// may not have, then comes `bytes`.
    async fn become_of(
        self: &Arc<Self>,
        state: &mut State,
        who: Identity,
        end: Option<Millis>,
        bytes: Bytes,
    ) -> Result<(), Unavailable> {
        state.who = who.clone();
        state.expires_at = end;
        state.expiry = end.map(|end| {
            let left = end.saturating_sub(self.link.database().now());
            let session = Arc::downgrade(self);
            AbortOnDropHandle::new(tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(left.max(0).unsigned_abs())).await;
                if let Some(session) = session.upgrade() {
                    session.expire(end).await;
                }
            }))
        });
        self.link.identify(who, bytes).await
    }

    /// The credential that ends at `end` has ended.
    async fn expire(&self, end: Millis) {
        let mut state = self.state.lock().await;
        let is_current = state.expires_at == Some(end);
        if state.is_over || !is_current {
            return;
        }
        state.who = Identity::Nobody;
        state.expires_at = None;
        // In this order clients of today leave before they hear of listens that they lost.
        self.outbox().push(frames::message(&codec::revoked()));
        // A database that is closing ends the connection by itself.
        let _ = self.link.identify(Identity::Nobody, Bytes::new()).await;
    }

    async fn say(&self, number: u64, outcome: &Outcome) -> Result<(), Unavailable> {
        self.link.say(answer(number, outcome)).await
    }

    async fn listen(&self, state: &mut State, number: u64, listen: Listen) -> Result<(), Unavailable> {
        let State { listens, who, .. } = state;
        let Listen { key, query, query_text, known } = listen;
        let query_bytes = query_text.len();
        let Ok(replaced) = listens.replaced(&key, query_bytes) else {
            let text = format!("A connection may have at most {REALTIME_LISTENS_MAX} listens of moderate size");
            return self.say(number, &Outcome::failure(text)).await;
        };
        if let Some(id) = replaced {
            self.link.unlisten(id, Bytes::new()).await?;
        }
        let (path, tag) = match &key {
            ListenKey::Default { path, .. } => (path.clone(), None),
            ListenKey::Tagged { path, tag } => (path.clone(), Some(*tag)),
        };
        let listening = match tag {
            Some(_) if self.lacks_index(&path, &query) => Outcome::LISTENING_WITHOUT_INDEX,
            _ => Outcome::LISTENING,
        };
        // A client whose query becomes part of a listen of everything goes on taking what it holds for a window, and
        // misses changes outside of it, unless it is sent everything once (seen in 2.4.2 and 12).
        let known = known.filter(|_| tag.is_some() || !listens.has_tagged_below(&path));
        let encoder = Arc::new(Pushes::new(path.clone(), tag, query_text));
        let wanted = LinkListen { who: who.clone(), path, query, encoder, is_default: tag.is_none(), known };
        let answer = move |outcome| match outcome {
            Ok(()) => answer(number, &listening),
            Err(error) => answer(number, &unread(error)),
        };
        let id = self.link.listen(wanted, Box::new(answer)).await?;
        listens.insert(key, query_bytes, id);
        Ok(())
    }

    async fn read(&self, number: u64, who: Identity, path: Path, query: Query) -> Result<(), Unavailable> {
        let missing = no_index(&path, &query.index);
        let refused = move |error| match error {
            ReadError::NoIndex => answer(number, &missing),
            error => answer(number, &unread(error)),
        };
        let read = LinkRead { who, path, query, encoder: Arc::new(ReadAnswer { number }) };
        self.link.read(read, Box::new(refused)).await
    }

    /// Whether the author of the rules should be told to declare an index. Where rules are open nobody wrote any.
    fn lacks_index(&self, path: &Path, query: &Query) -> bool {
        let rules = self.link.database().rules();
        !rules.is_open() && !rules.is_indexed(path, &query.index)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.registry.remove(self.link.session());
    }
}

fn answer(number: u64, outcome: &Outcome) -> Bytes {
    frames::message(&codec::answer(number, outcome))
}

fn unread(error: ReadError) -> Outcome {
    match error {
        ReadError::TooBig => Outcome::TOO_BIG,
        // Listens get along without an index.
        ReadError::Denied | ReadError::NoIndex => Outcome::DENIED,
    }
}

fn written_outcome(refused: Option<WriteError>) -> Outcome {
    match refused {
        None => Outcome::DONE,
        Some(WriteError::Stale(_)) => Outcome::STALE,
        Some(WriteError::Denied) => Outcome::DENIED,
        Some(WriteError::Unavailable) => Outcome::UNAVAILABLE,
        Some(error @ (WriteError::TooBig | WriteError::Invalid(_))) => Outcome::failure(error),
    }
}

/// The text by which authors of rules know what to add (10.6).
fn no_index(path: &Path, index: &Index) -> Outcome {
    let name = match index {
        Index::Priority => ".priority".to_owned(),
        Index::Key => ".key".to_owned(),
        Index::Value => ".value".to_owned(),
        Index::Child(path) => path.to_string().trim_start_matches('/').to_owned(),
    };
    Outcome::failure(format_args!("Index not defined, add \".indexOn\": \"{name}\", for path \"{path}\", to the rules"))
}
