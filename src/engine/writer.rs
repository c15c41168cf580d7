//! The one writer of a database: a thread that takes what is waiting, commits it together, answers, and tells the
//! listeners.
//!
//! Group commit: everything that arrived while the last commit was being written goes into the next one, so that many
//! writes share one fsync and a single write waits for nobody. No reply before the commit; events in the order of the
//! log. A listener is registered between two commits, so its first snapshot and the events after it join without a gap.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::event::Event;
use super::first::First;
use super::listeners::Listeners;
use super::on_disconnect::Pending;
use super::replay::{Replay, replay};
use super::request::{Arm, ListenRequest, Shape, WriteError, WriteRequest, Written};
use super::settle::{Refusal, settle, settle_one};
use crate::base::limits::{BATCH_OPERATIONS_MAX, SESSION_ARMED_MAX};
use crate::base::{Clock, Millis};
use crate::model::{Draft, Path, Record, hash};
use crate::store::{self, Batch, Readers, StoreError};
use crate::transport::Outbox;

/// Replies from which on it pays to hand them to the runtime.
const REPLIES_HANDED_OVER_MIN: usize = 4;

/// A pause of this length is used to tidy up.
const TIDY_AFTER: Duration = Duration::from_millis(100);

/// What the writer is asked. A reply that is dropped means: the disk failed or the database is closing, and it was not
/// done.
pub(super) enum Command {
    Write {
        request: WriteRequest,
        reply: oneshot::Sender<Result<Written, WriteError>>,
    },
    Arm {
        session: Arc<str>,
        arm: Arm,
        reply: oneshot::Sender<Result<(), WriteError>>,
    },
    /// Runs what the session has armed, and forgets the session.
    End {
        session: Arc<str>,
        reply: oneshot::Sender<()>,
    },
    /// The reply is the sequence as of which the listener was told what there is.
    Listen {
        id: u64,
        request: Box<ListenRequest>,
        reply: oneshot::Sender<u64>,
    },
    Unlisten {
        id: u64,
    },
    /// Fresh first events for listeners whose common outbox overflowed.
    Refresh {
        ids: Vec<u64>,
    },
    /// Queues bytes behind everything that earlier commands caused.
    Notify {
        outbox: Arc<Outbox>,
        make: Box<dyn FnOnce(u64) -> Bytes + Send>,
    },
}

impl Command {
    fn writes(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Arm { .. } | Self::End { .. })
    }
}

pub(super) struct Writer {
    store: store::Writer,
    readers: Readers,
    runtime: tokio::runtime::Handle,
    /// The newest committed sequence, for those who read beside the writer.
    newest: Arc<AtomicU64>,
    /// Nothing was asked since the store last tidied up: an idle database does nothing at all.
    is_tidy: bool,
    state: State,
}

/// What the writer knows beside the tree.
struct State {
    listeners: Listeners,
    /// Armed onDisconnect writes by session; the rows in the store say the same.
    armed: HashMap<Arc<str>, Pending>,
    clock: Clock,
    epoch: String,
    seq: u64,
    /// Time of the newest record: the next one is never earlier, also after a restart with a clock that was set back.
    time: Millis,
}

/// What a batch will send once it is on disk.
#[derive(Default)]
struct Outgoing {
    replies: Vec<Box<dyn FnOnce() + Send>>,
    /// Encoded events by feed.
    events: Vec<(u64, Bytes)>,
}

impl Writer {
    /// Takes over an open store, and runs what was armed by sessions that did not survive the last process.
    pub fn new(
        store: store::Writer,
        readers: Readers,
        runtime: tokio::runtime::Handle,
        clock: Clock,
        newest: Arc<AtomicU64>,
    ) -> Result<Self, StoreError> {
        let state = State {
            listeners: Listeners::default(),
            armed: load_armed(&store)?,
            clock,
            epoch: store.epoch().to_owned(),
            seq: store.last_seq(),
            time: store.last_time(),
        };
        let mut writer = Self { store, readers, runtime, newest, is_tidy: false, state };
        writer.run_left_over()?;
        writer.newest.store(writer.state.seq, Ordering::Release);
        Ok(writer)
    }

    /// Works until every sender is gone.
    pub fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut waiting = Vec::with_capacity(BATCH_OPERATIONS_MAX);
        while self.receive(&mut commands, &mut waiting) {
            self.turn(&mut waiting);
        }
        self.state.listeners.clear();
    }

    /// Waits for commands; in the first pause after some, the store tidies up. `false` once every sender is gone.
    fn receive(&mut self, commands: &mut mpsc::Receiver<Command>, waiting: &mut Vec<Command>) -> bool {
        while !self.is_tidy {
            let soon = async { timeout(TIDY_AFTER, commands.recv_many(waiting, BATCH_OPERATIONS_MAX)).await };
            match self.runtime.block_on(soon) {
                Ok(count) => return count > 0,
                Err(_) => self.is_tidy = !self.store.idle(),
            }
        }
        let count = commands.blocking_recv_many(waiting, BATCH_OPERATIONS_MAX);
        self.is_tidy = false;
        count > 0
    }

    /// Everything that waited, in its order; neighbouring writes share a commit.
    fn turn(&mut self, waiting: &mut Vec<Command>) {
        let mut commands = waiting.drain(..).peekable();
        while let Some(command) = commands.next() {
            if !command.writes() {
                self.answer(command);
                continue;
            }
            let mut batch = vec![command];
            while let Some(next) = commands.next_if(Command::writes) {
                batch.push(next);
            }
            self.commit(batch);
        }
    }

    fn commit(&mut self, commands: Vec<Command>) {
        let mut outgoing = Outgoing::default();
        match self.state.apply_all(&mut self.store, commands, &mut outgoing) {
            Ok(()) => {
                self.newest.store(self.state.seq, Ordering::Release);
                self.send_replies(outgoing.replies);
                for (feed, bytes) in outgoing.events {
                    self.state.listeners.deliver(feed, &bytes);
                }
            }
            Err(error) => self.recover(&error),
        }
    }

    /// Many replies are sent from the runtime's own threads: waking a task from there costs less, and this thread goes
    /// on.
    fn send_replies(&self, replies: Vec<Box<dyn FnOnce() + Send>>) {
        let is_few = replies.len() < REPLIES_HANDED_OVER_MIN;
        let send = move || replies.into_iter().for_each(|reply| reply());
        if is_few {
            send();
        } else {
            self.runtime.spawn(async move { send() });
        }
    }

    /// Nothing of the batch was stored, and its askers are told so by their dropped replies. Views have run ahead of
    /// the tree: every listener is closed, and its client starts again.
    fn recover(&mut self, error: &StoreError) {
        tracing::error!(%error, "a commit failed: its writes are refused and all listeners start again");
        self.state.listeners.clear();
        self.state.seq = self.store.last_seq();
        match load_armed(&self.store) {
            Ok(armed) => self.state.armed = armed,
            Err(error) => tracing::error!(%error, "armed onDisconnect writes cannot be read"),
        }
    }

    fn answer(&mut self, command: Command) {
        let outcome = match command {
            Command::Listen { id, request, reply } => self.listen(id, &request).map(|seq| {
                // The asker may be gone; its dropped handle unlistens.
                let _ = reply.send(seq);
            }),
            Command::Unlisten { id } => {
                self.state.listeners.remove(id);
                Ok(())
            }
            Command::Refresh { ids } => self.refresh(&ids),
            Command::Notify { outbox, make } => {
                outbox.push(make(self.state.seq));
                Ok(())
            }
            Command::Write { .. } | Command::Arm { .. } | Command::End { .. } => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "a listener could not be served");
        }
    }

    fn listen(&mut self, id: u64, request: &ListenRequest) -> Result<u64, StoreError> {
        let tree = self.store.tree();
        let number = self.state.listeners.add(id, request, &tree)?;
        let Some(feed) = self.state.listeners.feed(number) else { return Ok(self.state.seq) };
        let first = First {
            tree: &tree,
            readers: &self.readers,
            runtime: &self.runtime,
            epoch: &self.state.epoch,
            seq: self.state.seq,
        };
        let outcome = match &request.resume {
            None => first.send(feed, &request.outbox),
            Some(resume) => match replay(feed, &tree, &self.state.epoch, resume) {
                Ok(Replay::Events(events)) => {
                    First::send_missed(&events, &request.outbox);
                    Ok(())
                }
                Ok(Replay::Impossible) => {
                    if matches!(feed.shape, Shape::Children(_)) {
                        request.outbox.push(feed.encode(&Event::Reset, None));
                    }
                    first.send(feed, &request.outbox)
                }
                Err(error) => Err(error),
            },
        };
        if outcome.is_err() {
            self.state.listeners.remove(id);
        }
        outcome.map(|()| self.state.seq)
    }

    fn refresh(&mut self, ids: &[u64]) -> Result<(), StoreError> {
        let tree = self.store.tree();
        let first = First {
            tree: &tree,
            readers: &self.readers,
            runtime: &self.runtime,
            epoch: &self.state.epoch,
            seq: self.state.seq,
        };
        for (feed, outbox) in ids.iter().filter_map(|id| self.state.listeners.of_listener(*id)) {
            outbox.reopen();
            first.send(feed, &outbox)?;
        }
        Ok(())
    }

    fn run_left_over(&mut self) -> Result<(), StoreError> {
        let sessions: Vec<Arc<str>> = self.state.armed.keys().cloned().collect();
        if sessions.is_empty() {
            return Ok(());
        }
        tracing::info!(
            sessions = sessions.len(),
            "running the onDisconnect writes of sessions that ended with the last process"
        );
        let mut outgoing = Outgoing::default();
        let mut batch = self.store.begin()?;
        for session in sessions {
            self.state.end(&mut batch, &session, &mut outgoing)?;
        }
        batch.commit()
    }
}

fn load_armed(store: &store::Writer) -> Result<HashMap<Arc<str>, Pending>, StoreError> {
    let mut armed: HashMap<Arc<str>, Pending> = HashMap::new();
    for row in store.armed()? {
        match Draft::from_text(&row.draft) {
            Ok(draft) => armed.entry(row.session.into()).or_default().restore(row.path, draft),
            Err(error) => {
                tracing::error!(%error, path = %row.path, "an armed onDisconnect write cannot be read; skipped");
            }
        }
    }
    Ok(armed)
}

impl State {
    fn apply_all(
        &mut self,
        store: &mut store::Writer,
        commands: Vec<Command>,
        outgoing: &mut Outgoing,
    ) -> Result<(), StoreError> {
        let mut batch = store.begin()?;
        for command in commands {
            match command {
                Command::Write { request, reply } => {
                    let answer = self.write(&mut batch, request, outgoing)?;
                    outgoing.reply(reply, answer);
                }
                Command::Arm { session, arm, reply } => {
                    let answer = self.arm(&mut batch, &session, arm)?;
                    outgoing.reply(reply, answer);
                }
                Command::End { session, reply } => {
                    self.end(&mut batch, &session, outgoing)?;
                    outgoing.reply(reply, ());
                }
                _ => {}
            }
        }
        batch.commit()
    }

    fn write(
        &mut self,
        batch: &mut Batch<'_>,
        request: WriteRequest,
        outgoing: &mut Outgoing,
    ) -> Result<Result<Written, WriteError>, StoreError> {
        let want_etag = request.want_etag;
        let path = want_etag.then(|| request.write.path.clone());
        let record = match settle(&batch.tree(), request, self.seq + 1, self.now()) {
            Ok(record) => record,
            Err(Refusal::Client(error)) => return Ok(Err(error)),
            Err(Refusal::Store(error)) => return Err(error),
        };
        self.append(batch, &record, outgoing)?;
        let etag = match path {
            Some(path) => Some(hash::etag(&batch.tree().hash(&path)?).to_owned()),
            None => None,
        };
        Ok(Ok(Written { seq: record.seq, changes: record.changes, etag }))
    }

    /// Appends and applies a record, and encodes what listeners will be told of it.
    fn append(&mut self, batch: &mut Batch<'_>, record: &Record, outgoing: &mut Outgoing) -> Result<(), StoreError> {
        let touched = self.listeners.touched(record);
        let mut prepared = Vec::with_capacity(touched.len());
        for number in touched {
            if let Some(feed) = self.listeners.feed(number) {
                prepared.push((number, feed.prepare(&batch.tree(), record)?));
            }
        }
        let applied = batch.append(record)?;
        self.seq = record.seq;
        self.time = record.time;
        for (number, prepared) in prepared {
            if let Some(feed) = self.listeners.feed_mut(number)
                && let Some(bytes) = feed.events(&batch.tree(), record, prepared, &applied, &self.epoch)?
            {
                outgoing.events.push((number, bytes));
            }
        }
        Ok(())
    }

    fn arm(
        &mut self,
        batch: &mut Batch<'_>,
        session: &Arc<str>,
        arm: Arm,
    ) -> Result<Result<(), WriteError>, StoreError> {
        let pending = self.armed.entry(Arc::clone(session)).or_default();
        let changes = match arm {
            Arm::Cancel(path) => vec![pending.cancel(&path)],
            Arm::Set(places) => {
                if pending.len() + places.len() > SESSION_ARMED_MAX {
                    let text = format!("a session can arm at most {SESSION_ARMED_MAX} onDisconnect places");
                    return Ok(Err(WriteError::Invalid(text)));
                }
                places.into_iter().map(|(path, draft)| pending.set(&path, draft)).collect()
            }
        };
        for change in changes {
            for path in &change.gone {
                batch.disarm(session, path)?;
            }
            for path in &change.stored {
                if let Some(draft) = pending.get(path) {
                    batch.arm(session, path, &draft.to_text())?;
                }
            }
        }
        if pending.is_empty() {
            self.armed.remove(session);
        }
        Ok(Ok(()))
    }

    /// Runs what a session has armed as one atomic write, in the same commit in which it is forgotten: exactly once.
    fn end(&mut self, batch: &mut Batch<'_>, session: &Arc<str>, outgoing: &mut Outgoing) -> Result<(), StoreError> {
        let Some(pending) = self.armed.remove(session) else { return Ok(()) };
        batch.disarm_all(session)?;
        let time = self.now();
        let mut changes = Vec::with_capacity(pending.len());
        for (path, draft) in pending.into_places() {
            changes.push(settle_one(&batch.tree(), path, draft, time)?);
        }
        let update = changes.len() != 1;
        let path = changes.iter().map(|change| change.path.clone()).reduce(|a, b| common(&a, &b)).unwrap_or_default();
        self.append(batch, &Record { seq: self.seq + 1, time, path, update, changes }, outgoing)
    }

    fn now(&self) -> Millis {
        self.clock.now().max(self.time)
    }
}

/// The deepest path above both.
fn common(a: &Path, b: &Path) -> Path {
    Path::from_keys(a.keys().iter().zip(b.keys()).take_while(|(x, y)| x == y).map(|(x, _)| x.clone()).collect())
}

impl Outgoing {
    fn reply<T: Send + 'static>(&mut self, reply: oneshot::Sender<T>, answer: T) {
        // The asker may have gone away; the write stands all the same.
        self.replies.push(Box::new(move || drop(reply.send(answer))));
    }
}
