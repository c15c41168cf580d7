//! A link: one client's ordered conversation with a database.
//!
//! What a link asks goes through the writer's queue in order; what it causes (the events of its own write, the first
//! data of a listener) and then its answer are put on the link's outbox, in that order. So an acknowledgement never
//! overtakes the event that it acknowledges, and a read is never older than what was told before. Source: Firebase
//! realtime protocol 9.2.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::database::Database;
use super::request::{
    Answer, Arm, LinkListen, LinkRead, Owed, ReadError, Reply, Unavailable, WriteError, WriteRequest, Written,
};
use super::writer::{Command, LinkCommand};
use crate::base::random;
use crate::model::Identity;
use crate::transport::Outbox;

/// One client's way to a database. Dropped, it ends: its listeners go and what it armed runs.
pub struct Link {
    id: u64,
    session: Arc<str>,
    database: Arc<Database>,
    outbox: Arc<Outbox>,
    is_over: AtomicBool,
}

impl Database {
    /// A new link whose events and answers go to `outbox`.
    pub fn open_link(self: &Arc<Self>, outbox: Arc<Outbox>) -> Link {
        Link {
            id: self.next_id(),
            session: random::id().into(),
            database: Arc::clone(self),
            outbox,
            is_over: AtomicBool::new(false),
        }
    }
}

/// All methods wait for a place in the writer's queue, and for nothing else.
impl Link {
    /// Unguessable: names the client's session.
    pub fn session(&self) -> &str {
        &self.session
    }

    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    pub async fn write(
        &self,
        request: WriteRequest,
        answer: Answer<Result<Written, WriteError>>,
    ) -> Result<(), Unavailable> {
        let reply = Reply::Link(Owed::new(&self.outbox, answer));
        self.database.send(Command::Write { request, link: Some(self.id), reply }).await
    }

    /// Arms or disarms onDisconnect writes. They run as `who`.
    pub async fn arm(
        &self,
        who: Identity,
        arm: Arm,
        answer: Answer<Result<(), WriteError>>,
    ) -> Result<(), Unavailable> {
        let (session, reply) = (Arc::clone(&self.session), Reply::Link(Owed::new(&self.outbox, answer)));
        self.database.send(Command::Arm { session, link: Some(self.id), who, arm, reply }).await
    }

    /// From now on its listeners are those of `who`: one that may no longer listen is told so, and is gone. Then come
    /// `bytes`.
    pub async fn identify(&self, who: Identity, bytes: Bytes) -> Result<(), Unavailable> {
        self.send(LinkCommand::Identify { who, outbox: Arc::clone(&self.outbox), bytes }).await
    }

    /// Adds a listener: what it shows now (unless the client knows it), then the answer, then its events. Refused, it
    /// is gone. Gives its number, for [`Link::unlisten`].
    pub async fn listen(&self, listen: LinkListen, answer: Answer<Result<(), ReadError>>) -> Result<u64, Unavailable> {
        let id = self.database.next_id();
        let (database, link) = (Arc::downgrade(&self.database), self.id);
        let answer: Answer<Result<(), ReadError>> = Box::new(move |outcome| {
            if outcome.is_err() {
                forget(&database, link, id);
            }
            answer(outcome)
        });
        let answer = Owed::new(&self.outbox, answer);
        self.send(LinkCommand::Listen { id, listen: Box::new(listen), answer }).await?;
        Ok(id)
    }

    /// Removes a listener; one that is not there is no error.
    pub async fn unlisten(&self, id: u64, answer: Bytes) -> Result<(), Unavailable> {
        self.send(LinkCommand::Unlisten { id, outbox: Arc::clone(&self.outbox), answer }).await
    }

    /// One read; `refused` makes what is said instead.
    pub async fn read(&self, read: LinkRead, refused: Answer<ReadError>) -> Result<(), Unavailable> {
        let answer: Answer<Result<(), ReadError>> = Box::new(|outcome| match outcome {
            Ok(()) => Bytes::new(),
            Err(error) => refused(error),
        });
        let answer = Owed::new(&self.outbox, answer);
        self.send(LinkCommand::Read { read: Box::new(read), answer }).await
    }

    /// Queues bytes behind everything that was asked before.
    pub async fn say(&self, bytes: Bytes) -> Result<(), Unavailable> {
        self.send(LinkCommand::Say { outbox: Arc::clone(&self.outbox), bytes }).await
    }

    /// Ends it: its listeners go, what it armed runs. Returns once that is on disk. Ending twice does nothing more.
    pub async fn end(&self) {
        if self.is_over.swap(true, Ordering::AcqRel) {
            return;
        }
        let (reply, done) = oneshot::channel();
        if self.database.send(self.end_command(Some(reply))).await.is_ok() {
            // A dropped reply means the disk failed: then it is still armed there, and runs at the next start.
            let _ = done.await;
        }
    }

    fn end_command(&self, reply: Option<oneshot::Sender<()>>) -> Command {
        Command::End { session: Arc::clone(&self.session), link: Some(self.id), reply }
    }

    async fn send(&self, command: LinkCommand) -> Result<(), Unavailable> {
        self.database.send(Command::Link { link: self.id, command }).await
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !*self.is_over.get_mut() {
            self.database.send_soon(self.end_command(None));
        }
    }
}

fn forget(database: &Weak<Database>, link: u64, id: u64) {
    if let Some(database) = database.upgrade() {
        database.send_soon(Command::Unlisten { id, link: Some(link) });
    }
}

#[cfg(test)]
mod tests;
