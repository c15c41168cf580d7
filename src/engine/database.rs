//! The front of one database: what protocols call.
//!
//! Writes and registrations go to the writer through a bounded queue; reads run beside it on snapshots.

use std::path::Path as FilePath;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::error::DatabaseError;
use super::request::{ListenError, ListenRequest, Reply, Unavailable, WriteError, WriteRequest, Written};
use super::rules::InForce;
use super::session::Sessions;
use super::snapshot::window_node;
use super::writer::{Command, Shared, Writer};
use crate::base::limits::WRITER_QUEUE_MAX;
use crate::base::{Clock, Millis};
use crate::model::push_id::PushIds;
use crate::model::{Key, Node, Path, Query};
use crate::rules::Rules;
use crate::store::{self, Readers, Snapshot, StoreError};

/// One database. Shared by everything that speaks to it.
pub struct Database {
    name: String,
    epoch: String,
    clock: Clock,
    push_ids: PushIds,
    readers: Readers,
    pub(super) in_force: InForce,
    /// `None` once it is closing. When the queue is full, askers wait.
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    newest: Arc<AtomicU64>,
    id_next: AtomicU64,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) sessions: Sessions,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// A registered listener. Dropping it ends it.
pub struct Listener {
    pub(super) id: u64,
    seq: u64,
    database: Weak<Database>,
}

impl Database {
    /// Opens the file and starts the writer. Blocks for the time of opening (a few milliseconds).
    pub(super) fn open(
        name: &str,
        file: &FilePath,
        options: &store::Options,
        clock: Clock,
        presence_grace: Duration,
        default_rules: &Arc<Rules>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Arc<Self>, DatabaseError> {
        let (store, readers) = store::open(file, options)?;
        let push_ids = PushIds::new(store.last_time());
        let epoch = store.epoch().to_owned();
        let newest = Arc::new(AtomicU64::new(0));
        let in_force = InForce::load(&store, default_rules)?;
        let shared = Shared { newest: Arc::clone(&newest), rules: in_force.clone() };
        let writer = Writer::new(store, readers.clone(), runtime.clone(), clock.clone(), shared)?;
        let (sender, receiver) = mpsc::channel(WRITER_QUEUE_MAX);
        let thread = std::thread::Builder::new().name(format!("writer {name}")).spawn(move || writer.run(receiver))?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            epoch,
            clock,
            push_ids,
            readers,
            in_force,
            commands: Mutex::new(Some(sender)),
            newest,
            id_next: AtomicU64::new(1),
            runtime,
            sessions: Sessions::new(presence_grace),
            writer: Mutex::new(Some(thread)),
        }))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Drawn when the file was made: positions of another epoch mean nothing here.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The newest sequence that is on disk.
    pub fn seq(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// A new push id, greater than all before it in this process.
    pub fn push_id(&self) -> Key {
        self.push_ids.next(self.clock.now())
    }

    /// Writes, and waits until it is on disk.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was stored then. A caller that stops waiting does not stop the write.
    pub async fn write(&self, request: WriteRequest) -> Result<Written, WriteError> {
        let pending = self.start_write(request).await.map_err(|_| WriteError::Unavailable)?;
        pending.await.unwrap_or(Err(WriteError::Unavailable))
    }

    /// Puts a write into the queue; the receiver gets its outcome. Writes started one after another are done in that
    /// order.
    pub async fn start_write(
        &self,
        request: WriteRequest,
    ) -> Result<oneshot::Receiver<Result<Written, WriteError>>, Unavailable> {
        let (reply, outcome) = oneshot::channel();
        self.send(Command::Write { request, link: None, reply: Reply::Asker(reply) }).await?;
        Ok(outcome)
    }

    /// Registers a listener. Its first events are queued on its outbox before this returns.
    pub async fn listen(self: &Arc<Self>, request: ListenRequest) -> Result<Listener, ListenError> {
        let id = self.next_id();
        let (reply, outcome) = oneshot::channel();
        // Made first: should this future be dropped while it waits, the listener is taken back.
        let mut listener = Listener { id, seq: 0, database: Arc::downgrade(self) };
        self.send(Command::Listen { id, request: Box::new(request), reply }).await?;
        listener.seq = outcome.await.map_err(|_| Unavailable)??;
        Ok(listener)
    }

    /// A read snapshot, of what is committed when it is first read from. Cheap; give it back soon.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.readers.snapshot()
    }

    /// The children of `path` that `query` selects, as one node; with no bounds and no limit everything, own priority
    /// included.
    pub fn window(&self, snapshot: &Snapshot, path: &Path, query: &Query) -> Result<Node, StoreError> {
        window_node(&snapshot.tree(), path, query)
    }

    /// A number for a listener or a link.
    pub(super) fn next_id(&self) -> u64 {
        self.id_next.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) async fn send(&self, command: Command) -> Result<(), Unavailable> {
        let sender = self.sender().ok_or(Unavailable)?;
        sender.send(command).await.map_err(|_| Unavailable)
    }

    /// Sends without waiting, from places that cannot wait (a dropped handle). When the queue is full, a task waits
    /// instead.
    pub(super) fn send_soon(&self, command: Command) {
        let Some(sender) = self.sender() else { return };
        if let Err(mpsc::error::TrySendError::Full(command)) = sender.try_send(command) {
            self.runtime.spawn(async move { sender.send(command).await });
        }
    }

    fn sender(&self) -> Option<mpsc::Sender<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends all sessions (their armed writes run), then the writer. What was asked before is still done.
    pub(super) async fn close(self: &Arc<Self>) {
        self.end_sessions().await;
        // Before the writer can end: its connection is to be the last, which writes everything back into the one file.
        self.readers.close_idle();
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!(database = self.name, "the writer ended badly");
            }
        }
    }
}

impl Listener {
    /// The sequence as of which it was told what there is.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Asks for a fresh start, after its outbox overflowed: reopens the outbox and queues everything there is now.
    pub fn refresh(&self) {
        if let Some(database) = self.database.upgrade() {
            database.send_soon(Command::Refresh { ids: vec![self.id] });
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(database) = self.database.upgrade() {
            database.send_soon(Command::Unlisten { id: self.id, link: None });
        }
    }
}
