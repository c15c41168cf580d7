//! The one writer of a database: a thread that takes what is waiting, commits it together, answers, and tells the
//! listeners.
//!
//! Group commit: everything that arrived while the last commit was being written goes into the next one, so that many
//! writes share one fsync and a single write waits for nobody. No reply before the commit; events in the order of the
//! log, and a link's answers among them. A listener is registered between two commits, so its first snapshot and the
//! events after it join without a gap.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::content::Content;
use super::encode::encode;
use super::event::Event;
use super::first::{First, Telling};
use super::listeners::{Listeners, NewListener};
use super::replay::{Replay, replay};
use super::request::{
    Arm, LinkListen, LinkRead, ListenError, ListenRequest, Owed, ReadError, Reply, Shape, WriteError, WriteRequest,
    Written,
};
use super::rules::InForce;
use super::state::{Out, Outgoing, State, load_armed};
use super::tail::Tail;
use crate::base::Clock;
use crate::base::limits::BATCH_OPERATIONS_MAX;
use crate::model::Identity;
use crate::rules::Rules;
use crate::store::{self, Readers, StoreError, Tree};
use crate::transport::Outbox;

/// Replies from which on it pays to hand them to the runtime.
const REPLIES_HANDED_OVER_MIN: usize = 4;

/// While an index is built, writers that never pause wait for one chunk of it (some 20 ms) once in so many turns.
const TURNS_PER_CHUNK: u32 = 16;

/// From so many commands in a turn on, those who were just answered are given a moment to ask again: they share the
/// next commit instead of each waiting for one after it. Measured: a fifth to a half less CPU per write, at no cost in
/// latency.
const CROWD_MIN: usize = 8;
const CROWD_PAUSE: Duration = Duration::from_micros(100);

/// A pause of this length is used to tidy up.
const TIDY_AFTER: Duration = Duration::from_millis(100);

/// What the writer is asked. A reply that is dropped means: the disk failed or the database is closing, and it was not
/// done.
pub(super) enum Command {
    Write {
        request: WriteRequest,
        link: Option<u64>,
        reply: Reply<Result<Written, WriteError>>,
    },
    Arm {
        session: Arc<str>,
        link: Option<u64>,
        who: Identity,
        arm: Arm,
        reply: Reply<Result<(), WriteError>>,
    },
    /// Runs what the session has armed, and forgets the session, with the listeners of its link.
    End {
        session: Arc<str>,
        link: Option<u64>,
        reply: Option<oneshot::Sender<()>>,
    },
    /// The reply comes once they are on disk and in force.
    SetRules {
        rules: Arc<Rules>,
        reply: oneshot::Sender<()>,
    },
    /// The reply is the sequence as of which the listener was told what there is.
    Listen {
        id: u64,
        request: Box<ListenRequest>,
        reply: oneshot::Sender<Result<u64, ListenError>>,
    },
    Unlisten {
        id: u64,
        link: Option<u64>,
    },
    /// Fresh first events for listeners whose common outbox overflowed.
    Refresh {
        ids: Vec<u64>,
    },
    /// These listeners are those of somebody else from now on.
    Identify {
        ids: Vec<u64>,
        who: Identity,
    },
    /// Queues bytes behind everything that earlier commands caused.
    Notify {
        outbox: Arc<Outbox>,
        make: Box<dyn FnOnce(u64) -> Bytes + Send>,
    },
    Link {
        link: u64,
        command: LinkCommand,
    },
}

/// What a link asks beside writes. Answers go to its outbox.
pub(super) enum LinkCommand {
    Listen {
        id: u64,
        listen: Box<LinkListen>,
        answer: Owed<Result<(), ReadError>>,
    },
    Unlisten {
        id: u64,
        outbox: Arc<Outbox>,
        answer: Bytes,
    },
    Read {
        read: Box<LinkRead>,
        answer: Owed<Result<(), ReadError>>,
    },
    Say {
        outbox: Arc<Outbox>,
        bytes: Bytes,
    },
    /// The link's listeners are those of somebody else from now on.
    Identify {
        who: Identity,
        outbox: Arc<Outbox>,
        bytes: Bytes,
    },
}

impl Command {
    fn writes(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Arm { .. } | Self::End { .. } | Self::SetRules { .. })
    }

    /// Whose it is; commands of one link keep their order.
    fn link(&self) -> Option<u64> {
        match self {
            Self::Write { link, .. }
            | Self::Arm { link, .. }
            | Self::End { link, .. }
            | Self::Unlisten { link, .. } => *link,
            Self::Link { link, .. } => Some(*link),
            _ => None,
        }
    }
}

/// What those who read beside the writer see of it.
pub(super) struct Shared {
    /// The newest committed sequence.
    pub newest: Arc<AtomicU64>,
    pub rules: InForce,
}

pub(super) struct Writer {
    store: store::Writer,
    readers: Readers,
    runtime: tokio::runtime::Handle,
    newest: Arc<AtomicU64>,
    /// Indexes are being built.
    is_building: bool,
    /// Turns since the last chunk of that.
    turns: u32,
    /// Nothing was asked since the store last tidied up: an idle database does nothing at all.
    is_tidy: bool,
    /// Shared by clients that resume at the same time; forgotten in the next pause.
    tail: Tail,
    state: State,
}

/// Waits a moment for more.
fn gather(commands: &mut mpsc::Receiver<Command>, waiting: &mut Vec<Command>) {
    std::thread::sleep(CROWD_PAUSE);
    while waiting.len() < BATCH_OPERATIONS_MAX
        && let Ok(command) = commands.try_recv()
    {
        waiting.push(command);
    }
}

impl Writer {
    /// Takes over an open store, and runs what was armed by sessions that did not survive the last process.
    pub fn new(
        store: store::Writer,
        readers: Readers,
        runtime: tokio::runtime::Handle,
        clock: Clock,
        shared: Shared,
    ) -> Result<Self, StoreError> {
        let Shared { newest, rules } = shared;
        let state = State {
            listeners: Listeners::default(),
            armed: load_armed(&store)?,
            clock,
            rules,
            epoch: store.epoch().to_owned(),
            seq: store.last_seq(),
            time: store.last_time(),
        };
        let mut writer = Self {
            store,
            readers,
            runtime,
            newest,
            // One that was interrupted goes on.
            is_building: true,
            turns: 0,
            is_tidy: false,
            tail: Tail::default(),
            state,
        };
        writer.run_left_over()?;
        writer.newest.store(writer.state.seq, Ordering::Release);
        Ok(writer)
    }

    /// Works until every sender is gone.
    pub fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut waiting = Vec::with_capacity(BATCH_OPERATIONS_MAX);
        let mut crowd = 0;
        while self.receive(&mut commands, &mut waiting) {
            if crowd >= CROWD_MIN && waiting.len() < crowd {
                gather(&mut commands, &mut waiting);
            }
            // Slow to forget, so that a small turn between large ones changes nothing.
            crowd = waiting.len().max(crowd * 7 / 8);
            self.turn(&mut waiting);
        }
        self.state.listeners.clear();
    }

    /// Waits for commands. While nobody asks, indexes are built, and in the first pause the store tidies up. `false`
    /// once every sender is gone.
    fn receive(&mut self, commands: &mut mpsc::Receiver<Command>, waiting: &mut Vec<Command>) -> bool {
        self.turns += 1;
        while self.is_building && (commands.is_empty() || self.turns >= TURNS_PER_CHUNK) && !commands.is_closed() {
            self.turns = 0;
            self.is_building = self.store.build_indexes().unwrap_or_else(|error| {
                tracing::error!(%error, "an index cannot be built: its queries pass over all children");
                false
            });
        }
        while !self.is_tidy {
            let soon = async { timeout(TIDY_AFTER, commands.recv_many(waiting, BATCH_OPERATIONS_MAX)).await };
            if let Ok(count) = self.runtime.block_on(soon) {
                return count > 0;
            }
            self.tail = Tail::default();
            self.is_tidy = !self.store.idle();
        }
        let count = commands.blocking_recv_many(waiting, BATCH_OPERATIONS_MAX);
        self.is_tidy = false;
        count > 0
    }

    /// Everything that waited. Writes share a commit, also when other links' reads and listens stand between them:
    /// those are served at once, as if they had come a moment earlier. Whatever else follows a write waits for its
    /// commit.
    fn turn(&mut self, waiting: &mut Vec<Command>) {
        let mut batch = Vec::new();
        let mut links: HashSet<u64> = HashSet::new();
        for command in waiting.drain(..) {
            if command.writes() {
                links.extend(command.link());
                batch.push(command);
                continue;
            }
            let is_apart = command.link().is_some_and(|link| !links.contains(&link));
            if !is_apart && !batch.is_empty() {
                self.commit(std::mem::take(&mut batch));
                links.clear();
            }
            self.answer(command);
        }
        if !batch.is_empty() {
            self.commit(batch);
        }
    }

    fn commit(&mut self, commands: Vec<Command>) {
        let mut outgoing = Outgoing::default();
        let has_rules = commands.iter().any(|command| matches!(command, Command::SetRules { .. }));
        self.is_building |= has_rules;
        match self.state.apply_all(&mut self.store, commands, &mut outgoing) {
            Ok(()) => {
                self.newest.store(self.state.seq, Ordering::Release);
                self.send_replies(outgoing.replies);
                for out in outgoing.in_order {
                    match out {
                        Out::Event { feed, outlet, bytes } => self.state.listeners.deliver(feed, outlet, &bytes),
                        Out::Answer { answer, bytes } => answer.send(bytes),
                    }
                }
                if has_rules && let Err(error) = self.state.judge_listeners(&self.store.tree()) {
                    tracing::error!(%error, "listeners cannot be judged by the new rules: all start again");
                    self.state.listeners.clear();
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
            Command::Listen { id, request, reply } => self.listen(id, &request).map(|outcome| {
                // The asker may be gone; its dropped handle unlistens.
                let _ = reply.send(outcome);
            }),
            Command::Unlisten { id, link } => {
                self.state.listeners.remove(id, link);
                Ok(())
            }
            Command::Link { link, command } => self.answer_link(link, command),
            Command::Refresh { ids } => self.refresh(&ids),
            Command::Identify { ids, who } => self.state.identify(&self.store.tree(), &ids, &who),
            Command::Notify { outbox, make } => {
                outbox.push(make(self.state.seq));
                Ok(())
            }
            // Those are committed.
            Command::Write { .. } | Command::Arm { .. } | Command::End { .. } | Command::SetRules { .. } => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "a listener could not be served");
        }
    }

    fn listen(&mut self, id: u64, request: &ListenRequest) -> Result<Result<u64, ListenError>, StoreError> {
        let tree = self.store.tree();
        let ListenRequest { who, path, query, shape, encoder, outbox, is_alone, resume } = request;
        if !self.state.may_read(&tree, who, path, query)? {
            return Ok(Err(ListenError::Denied));
        }
        let new = NewListener { id, path, query, shape: *shape, encoder, outbox, who, is_alone: *is_alone, link: None };
        let number = self.state.listeners.add(&new, &tree)?;
        let Some(feed) = self.state.listeners.feed(number) else { return Ok(Ok(self.state.seq)) };
        let missed = match resume {
            None => Ok(None),
            Some(resume) => replay(feed, encoder.as_ref(), &tree, &self.state.epoch, resume, &mut self.tail).map(Some),
        };
        let outcome = missed.and_then(|missed| {
            if let Some(Replay::Events(events)) = missed {
                First::send_missed(&events, outbox);
                return Ok(());
            }
            if missed.is_some() && matches!(feed.shape, Shape::Children(_)) {
                outbox.push(encode(encoder.as_ref(), &Event::Reset, None));
            }
            self.first(&tree).send(feed, encoder, outbox)
        });
        if outcome.is_err() {
            self.state.listeners.remove(id, None);
        }
        outcome.map(|()| Ok(self.state.seq))
    }

    fn answer_link(&mut self, link: u64, command: LinkCommand) -> Result<(), StoreError> {
        match command {
            LinkCommand::Listen { id, listen, answer } => self.listen_link(link, id, *listen, answer)?,
            LinkCommand::Unlisten { id, outbox, answer } => {
                self.state.listeners.remove(id, Some(link));
                outbox.push(answer);
            }
            LinkCommand::Read { read, answer } => {
                let LinkRead { who, path, query, encoder } = *read;
                let tree = self.store.tree();
                if !self.state.may_read(&tree, &who, &path, &query)? {
                    answer.refuse(Err(ReadError::Denied));
                    return Ok(());
                }
                // Behind that: what is indexed is nothing for strangers.
                if !query.is_whole() && !self.state.rules.get().is_indexed(&path, &query.index) {
                    answer.refuse(Err(ReadError::NoIndex));
                    return Ok(());
                }
                let content = Content::of_query(&tree, &path, &query)?;
                self.first(&tree).tell(content, Telling { encoder, known: None, answer })?;
            }
            LinkCommand::Say { outbox, bytes } => {
                outbox.push(bytes);
            }
            LinkCommand::Identify { who, outbox, bytes } => {
                let ids = self.state.listeners.of_link(link);
                self.state.identify(&self.store.tree(), &ids, &who)?;
                outbox.push(bytes);
            }
        }
        Ok(())
    }

    /// A failure drops the answer, which closes the link's outbox.
    fn listen_link(
        &mut self,
        link: u64,
        id: u64,
        listen: LinkListen,
        answer: Owed<Result<(), ReadError>>,
    ) -> Result<(), StoreError> {
        let tree = self.store.tree();
        let LinkListen { who, path, query, encoder, is_default, known } = listen;
        if !self.state.may_read(&tree, &who, &path, &query)? {
            answer.refuse(Err(ReadError::Denied));
            return Ok(());
        }
        let new = NewListener {
            id,
            path: &path,
            query: &query,
            shape: Shape::Value,
            encoder: &encoder,
            outbox: answer.outbox(),
            who: &who,
            is_alone: false,
            link: Some((link, is_default)),
        };
        let number = self.state.listeners.add(&new, &tree)?;
        let Some(feed) = self.state.listeners.feed(number) else { return Ok(()) };
        self.first(&tree).tell(Content::of_feed(feed), Telling { encoder, known, answer })
    }

    fn first<'a>(&'a self, tree: &'a Tree<'a>) -> First<'a> {
        let State { epoch, seq, .. } = &self.state;
        First { tree, readers: &self.readers, runtime: &self.runtime, epoch, seq: *seq }
    }

    fn refresh(&self, ids: &[u64]) -> Result<(), StoreError> {
        let tree = self.store.tree();
        let first = self.first(&tree);
        for (feed, encoder, outbox) in ids.iter().filter_map(|id| self.state.listeners.of_listener(*id)) {
            outbox.reopen();
            first.send(feed, encoder, &outbox)?;
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
