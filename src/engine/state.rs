//! What the writer knows beside the tree, and what each command does to it within a batch.
//!
//! Everything here happens before the commit: replies and events are only collected, in [`Outgoing`].

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::authorize::Judge;
use super::listeners::Listeners;
use super::on_disconnect::{Armed, Pending};
use super::request::{Answered, Arm, DENIED, Reply, WriteError, WriteRequest, Written};
use super::rules::InForce;
use super::settle::{Refusal, settle, settle_one};
use super::writer::Command;
use crate::base::limits::SESSION_ARMED_MAX;
use crate::base::{Clock, Millis};
use crate::model::{Draft, Identity, Path, Query, Record, hash};
use crate::store::{self, Batch, StoreError, Tree};

/// What the writer knows beside the tree.
pub(super) struct State {
    pub listeners: Listeners,
    /// Armed onDisconnect writes by session; the rows in the store say the same.
    pub armed: HashMap<Arc<str>, Pending>,
    pub clock: Clock,
    pub rules: InForce,
    pub epoch: String,
    pub seq: u64,
    /// Time of the newest record: the next one is never earlier, also after a restart with a clock that was set back.
    pub time: Millis,
}

/// What a batch will send once it is on disk.
#[derive(Default)]
pub(super) struct Outgoing {
    /// To those who wait beside their connection: they need no order.
    pub replies: Vec<Box<dyn FnOnce() + Send>>,
    pub in_order: Vec<Out>,
}

/// What goes to outboxes, in this order.
pub(super) enum Out {
    /// An encoded event for the listeners of a feed's outlet.
    Event {
        feed: u64,
        outlet: usize,
        bytes: Bytes,
    },
    Answer {
        answer: Answered,
        bytes: Bytes,
    },
}

impl State {
    /// Applies the commands and commits them.
    pub fn apply_all(
        &mut self,
        store: &mut store::Writer,
        commands: Vec<Command>,
        outgoing: &mut Outgoing,
    ) -> Result<(), StoreError> {
        let mut batch = store.begin()?;
        for command in commands {
            match command {
                Command::Write { request, reply, .. } => {
                    let outcome = self.write(&mut batch, request, outgoing)?;
                    outgoing.reply(reply, outcome);
                }
                Command::Arm { session, who, arm, reply, .. } => {
                    let outcome = self.arm(&mut batch, &session, &who, arm)?;
                    outgoing.reply(reply, outcome);
                }
                Command::End { session, link, reply } => {
                    // Its own listeners are told nothing of what it armed.
                    if let Some(link) = link {
                        self.listeners.remove_link(link);
                    }
                    self.end(&mut batch, &session, outgoing)?;
                    if let Some(reply) = reply {
                        outgoing.reply(Reply::Asker(reply), ());
                    }
                }
                Command::SetRules { rules, reply } => {
                    batch.set_rules(rules.text(), &rules.index_rules())?;
                    let in_force = self.rules.clone();
                    outgoing.replies.push(Box::new(move || {
                        in_force.set(rules);
                        // The asker may have gone away; they are in force all the same.
                        let _ = reply.send(());
                    }));
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
        let who = request.who.clone();
        let judge = self.judge(self.now());
        let record = match settle(&batch.tree(), request, self.seq + 1, &judge) {
            Ok(record) => record,
            Err(Refusal::Client(error)) => return Ok(Err(error)),
            Err(Refusal::Store(error)) => return Err(error),
        };
        self.append(batch, &record, outgoing)?;
        let etag = match path {
            // It tells of children that were not written, too.
            Some(path) if judge.may_read(&batch.tree(), &who, &path, &Query::default())? => {
                Some(hash::etag(&batch.tree().hash(&path)?).to_owned())
            }
            _ => None,
        };
        Ok(Ok(Written { seq: record.seq, changes: record.changes, etag }))
    }

    /// Appends and applies a record, and encodes what listeners will be told of it.
    fn append(&mut self, batch: &mut Batch<'_>, record: &Record, outgoing: &mut Outgoing) -> Result<(), StoreError> {
        let touched = self.listeners.touched(record);
        let mut prepared = Vec::with_capacity(touched.len());
        for number in touched {
            if let Some(feed) = self.listeners.feed_mut(number) {
                prepared.push((number, feed.prepare(&batch.tree(), record)?));
            }
        }
        let applied = batch.append(record)?;
        self.seq = record.seq;
        self.time = record.time;
        for (number, prepared) in prepared {
            if let Some(feed) = self.listeners.feed_mut(number) {
                let told = feed.events(&batch.tree(), record, prepared, &applied, &self.epoch)?;
                let out = |(outlet, bytes)| Out::Event { feed: number, outlet, bytes };
                outgoing.in_order.extend(told.into_iter().map(out));
            }
        }
        Ok(())
    }

    fn arm(
        &mut self,
        batch: &mut Batch<'_>,
        session: &Arc<str>,
        who: &Identity,
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
                let set = |(path, draft)| pending.set(&path, Armed { draft, who: who.clone() });
                places.into_iter().map(set).collect()
            }
        };
        for change in changes {
            for path in &change.gone {
                batch.disarm(session, path)?;
            }
            for path in &change.stored {
                if let Some(Armed { draft, who }) = pending.get(path) {
                    batch.arm(session, path, &draft.to_text(), &who.to_text())?;
                }
            }
        }
        if pending.is_empty() {
            self.armed.remove(session);
        }
        Ok(Ok(()))
    }

    /// Runs what a session has armed as one atomic write, in the same commit in which it is forgotten: exactly once.
    pub fn end(
        &mut self,
        batch: &mut Batch<'_>,
        session: &Arc<str>,
        outgoing: &mut Outgoing,
    ) -> Result<(), StoreError> {
        let Some(pending) = self.armed.remove(session) else { return Ok(()) };
        batch.disarm_all(session)?;
        let time = self.now();
        let mut changes = Vec::with_capacity(pending.len());
        for (path, Armed { draft, who }) in pending.into_places() {
            changes.push((who, settle_one(&batch.tree(), path, draft, time)?));
        }
        let changes = self.judge(time).allowed(&batch.tree(), changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        let update = changes.len() != 1;
        let path = changes.iter().map(|change| change.path.clone()).reduce(|a, b| common(&a, &b)).unwrap_or_default();
        self.append(batch, &Record { seq: self.seq + 1, time, path, update, changes }, outgoing)
    }

    /// Whether `who` may read what `query` selects of the children of `path`.
    pub fn may_read(&self, tree: &Tree<'_>, who: &Identity, path: &Path, query: &Query) -> Result<bool, StoreError> {
        self.judge(self.now()).may_read(tree, who, path, query)
    }

    /// Ends those listeners that the rules do not allow any more.
    pub fn judge_listeners(&mut self, tree: &Tree<'_>) -> Result<(), StoreError> {
        let judge = self.judge(self.now());
        let denied = self.listeners.denied(|who, path, query| judge.may_read(tree, who, path, query))?;
        for id in denied {
            self.listeners.cancel(id, DENIED);
        }
        Ok(())
    }

    /// From now on these listeners are those of `who`; those that `who` may not have end.
    pub fn identify(&mut self, tree: &Tree<'_>, ids: &[u64], who: &Identity) -> Result<(), StoreError> {
        self.listeners.identify(ids, who);
        let judge = self.judge(self.now());
        for &id in ids {
            if let Some((path, query)) = self.listeners.wanted(id)
                && !judge.may_read(tree, who, path, query)?
            {
                self.listeners.cancel(id, DENIED);
            }
        }
        Ok(())
    }

    fn judge(&self, now: Millis) -> Judge {
        Judge { rules: self.rules.get(), now }
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
    fn reply<T: Send + 'static>(&mut self, reply: Reply<T>, outcome: T) {
        match reply {
            // The asker may have gone away; the write stands all the same.
            Reply::Asker(asker) => self.replies.push(Box::new(move || drop(asker.send(outcome)))),
            Reply::Link(owed) => {
                let (answer, bytes) = owed.make(outcome);
                self.in_order.push(Out::Answer { answer, bytes });
            }
        }
    }
}

/// What is stored of armed writes, by session.
pub(super) fn load_armed(store: &store::Writer) -> Result<HashMap<Arc<str>, Pending>, StoreError> {
    let mut armed: HashMap<Arc<str>, Pending> = HashMap::new();
    for row in store.armed()? {
        match Draft::from_text(&row.draft) {
            Ok(draft) => {
                let who = Identity::from_text(&row.who);
                armed.entry(row.session.into()).or_default().restore(row.path, Armed { draft, who });
            }
            Err(error) => {
                tracing::error!(%error, path = %row.path, "an armed onDisconnect write cannot be read; skipped");
            }
        }
    }
    Ok(armed)
}
