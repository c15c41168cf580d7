//! One client that long polling carries: its polls, what it is told in them, and what it sends with them.
//!
//! One task for each such client, asleep while nothing happens, with one timer: for the poll that is held, or for the
//! next that has to come. What the client sends is handled one message at a time, while answers go out beside. Nothing
//! is taken from the session's outbox unless a poll waits for it, so the outbox bounds what waits.
//!
//! In an upgrade the client ends this transport with a last message (`n`). From then on the outbox is the WebSocket's,
//! with what was taken from it and not said; here only the answer (`n`) to that last message is left to say. Source:
//! Firebase realtime protocol 4.3 to 4.7.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::exchange::Exchange;
use super::pieces::{Assembly, BadPiece, Piece};
use super::script::{self, CLOSE, ResponseWriter};
use crate::base::limits::{LONG_POLL_BACKLOG_BYTES_MAX, LONG_POLL_HOLD_SECONDS, POLL_GIVEN_UP_SECONDS};
use crate::protocols::realtime::codec::{self, Control, Malformed};
use crate::protocols::realtime::frames;
use crate::protocols::realtime::session::Session;
use crate::transport::{Body, BoxFuture, Chunks, Drained, Item};

/// What reaches a client's task.
#[derive(Debug)]
pub enum Event {
    /// A poll. Dropped unanswered, it is to be told that the session is over.
    Poll { pieces: Vec<Piece>, answer: oneshot::Sender<Body> },
    /// The client's page is gone. Answered, or dropped, when that has had its effect.
    Leave(oneshot::Sender<()>),
    /// A WebSocket takes the session over. Answered with what was taken from the outbox and not said, as soon as the
    /// client has ended this transport; dropped if that cannot be.
    Adopt(oneshot::Sender<VecDeque<Item>>),
}

pub struct Carrier {
    session: Arc<Session>,
    stage: Stage,
    exchange: Exchange<oneshot::Sender<Body>>,
    /// What goes before the first response.
    greeting: String,
    /// Taken from the outbox, not said.
    waiting: VecDeque<Item>,
    /// A response that goes out piece by piece. Gives whether it went out whole.
    streaming: Option<JoinHandle<bool>>,
    assembly: Assembly,
    backlog: Backlog,
    /// The message that is being handled.
    message: Option<Handling>,
    leaving: Option<oneshot::Sender<()>>,
    /// The poll that was held broke off, and none came since. SDKs then start anew with another session; a page that is
    /// gone, without a goodbye, does nothing more.
    is_given_up: bool,
    adopting: Option<oneshot::Sender<VecDeque<Item>>>,
    /// When the last poll came, or broke off.
    last_poll: Instant,
    /// How long the client may stay away.
    silence_max: Duration,
}

/// Bytes of a response that are made at once. Beyond, what comes in pieces goes out in pieces.
const INLINE_BYTES_MAX: usize = 256 * 1_024;

type Handling = BoxFuture<'static, Result<Option<Control>, Malformed>>;

/// Who carries the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Here,
    /// The client has ended this transport, and the WebSocket has not taken over yet.
    Between,
    WebSocket,
}

/// Messages that wait to be handled.
#[derive(Default)]
struct Backlog {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

impl Extend<String> for Backlog {
    fn extend<T: IntoIterator<Item = String>>(&mut self, messages: T) {
        for message in messages {
            self.bytes += message.len();
            self.messages.push_back(message.into());
        }
    }
}

impl Backlog {
    fn pop(&mut self) -> Option<Bytes> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }
}

/// What a task waits for.
enum Happening {
    Event(Event),
    Drained(Drained),
    Handled(Result<Option<Control>, Malformed>),
    Streamed {
        whole: bool,
    },
    /// The connection of the held poll broke.
    GivenUp,
    Time,
    Stop,
}

/// What ends the task.
enum Over {
    /// The client, the session or the server went away.
    Gone,
    /// The client sent what cannot be.
    Malformed(Malformed),
}

impl From<BadPiece> for Over {
    fn from(bad: BadPiece) -> Self {
        Self::Malformed(match bad {
            BadPiece::TooLong | BadPiece::TooFarAhead => Malformed::TooLong,
            BadPiece::Count | BadPiece::Base64 => Malformed::NoMessage,
        })
    }
}

impl Carrier {
    /// Carries `session`. `greeting` is script that goes before the first response. The client is gone when no poll has
    /// come for `silence_max`.
    pub fn new(session: Arc<Session>, greeting: String, silence_max: Duration) -> Self {
        Self {
            session,
            stage: Stage::Here,
            exchange: Exchange::new(),
            greeting,
            waiting: VecDeque::new(),
            streaming: None,
            assembly: Assembly::default(),
            backlog: Backlog::default(),
            message: None,
            leaving: None,
            is_given_up: false,
            adopting: None,
            last_poll: Instant::now(),
            silence_max,
        }
    }

    /// Runs until the session is over, or a WebSocket carries it and the client polls no more. Unless that is so, the
    /// session has ended when this returns.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>, stop: CancellationToken) {
        loop {
            if let ControlFlow::Break(over) = self.proceed() {
                return self.end(over).await;
            }
            let happening = self.wait(&mut events, &stop).await;
            if let ControlFlow::Break(over) = self.take(happening) {
                return self.end(over).await;
            }
        }
    }

    /// Does all that can be done without waiting.
    fn proceed(&mut self) -> ControlFlow<Over> {
        // A poll whose connection broke cannot be answered.
        if self.exchange.held().is_some_and(oneshot::Sender::is_closed) {
            self.release(None);
            self.is_given_up = true;
            self.last_poll = Instant::now();
        }
        if self.message.is_none()
            && let Some(message) = self.backlog.pop()
        {
            let session = Arc::clone(&self.session);
            self.message = Some(Box::pin(async move { session.message(message).await }));
        }
        // What it sent before it left is still done.
        if self.leaving.is_some() && self.message.is_none() {
            return ControlFlow::Break(Over::Gone);
        }
        if self.stage == Stage::Between
            && let Some(adopting) = self.adopting.take()
        {
            match adopting.send(std::mem::take(&mut self.waiting)) {
                Ok(()) => self.stage = Stage::WebSocket,
                Err(items) => self.waiting = items,
            }
        }
        if self.stage != Stage::Here
            && let Some((poll, script)) = self.exchange.last(&frames::message(&codec::end()))
        {
            let _ = poll.send(Body::full(script));
        }
        self.say()
    }

    async fn wait(&mut self, events: &mut mpsc::Receiver<Event>, stop: &CancellationToken) -> Happening {
        let is_open = self.exchange.is_ready() && self.streaming.is_none();
        let has_room = self.backlog.bytes < LONG_POLL_BACKLOG_BYTES_MAX;
        let hold = Duration::from_secs(LONG_POLL_HOLD_SECONDS);
        let is_held = self.exchange.held().is_some();
        let patience = match (is_held, self.is_given_up) {
            (true, _) => hold,
            (false, true) => Duration::from_secs(POLL_GIVEN_UP_SECONDS),
            (false, false) => self.silence_max,
        };
        // What the client sent is done before it counts as gone.
        let may_end = is_held || self.message.is_none();
        let Self { session, waiting, streaming, message, exchange, .. } = self;
        tokio::select! {
            biased;
            outcome = handled(message) => Happening::Handled(outcome),
            event = events.recv(), if has_room => event.map_or(Happening::Stop, Happening::Event),
            drained = poll_fn(|context| session.outbox().poll_drain(context, waiting)), if is_open => {
                Happening::Drained(drained)
            }
            () = given_up(exchange.held_mut()) => Happening::GivenUp,
            whole = streamed(streaming) => Happening::Streamed { whole },
            () = sleep_until(self.last_poll + patience), if may_end => Happening::Time,
            () = stop.cancelled() => Happening::Stop,
        }
    }

    fn take(&mut self, happening: Happening) -> ControlFlow<Over> {
        match happening {
            Happening::Event(event) => return self.event(event),
            Happening::Handled(outcome) => {
                self.message = None;
                return self.control(outcome);
            }
            Happening::Streamed { whole } => {
                self.streaming = None;
                // A client that lacks a response takes none behind it.
                if !whole && self.stage == Stage::Here {
                    return ControlFlow::Break(Over::Gone);
                }
            }
            Happening::Drained(Drained::Items) | Happening::GivenUp => {}
            Happening::Time if self.exchange.held().is_some() => self.release(None),
            Happening::Drained(Drained::Overflowed | Drained::Closed) | Happening::Time | Happening::Stop => {
                return ControlFlow::Break(Over::Gone);
            }
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, event: Event) -> ControlFlow<Over> {
        match event {
            Event::Poll { pieces, answer } => {
                self.last_poll = Instant::now();
                self.is_given_up = false;
                self.release(Some(answer));
                return self.put_together(pieces);
            }
            Event::Leave(done) => {
                // Behind the client's last message it tells no more than that the frame of this transport is gone.
                if self.stage == Stage::Here {
                    self.leaving = Some(done);
                }
            }
            Event::Adopt(items) => {
                if self.adopting.is_none() && self.stage != Stage::WebSocket {
                    self.adopting = Some(items);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Lets the held poll go, and holds `next` instead.
    fn release(&mut self, next: Option<oneshot::Sender<Body>>) {
        if let Some(poll) = self.exchange.hold(next) {
            let _ = poll.send(Body::empty());
        }
    }

    fn put_together(&mut self, pieces: Vec<Piece>) -> ControlFlow<Over> {
        // Behind its last message the client sends nothing here.
        if self.stage != Stage::Here {
            return ControlFlow::Continue(());
        }
        let taken = pieces.into_iter().try_for_each(|piece| self.assembly.take(piece, &mut self.backlog));
        taken.map_or_else(|bad| ControlFlow::Break(bad.into()), ControlFlow::Continue)
    }

    fn control(&mut self, handled: Result<Option<Control>, Malformed>) -> ControlFlow<Over> {
        match handled {
            Ok(Some(Control::Ping)) => {
                self.session.outbox().push(frames::message(&codec::pong()));
            }
            Ok(Some(Control::End)) => {
                self.stage = Stage::Between;
                self.exchange.finish();
                self.backlog = Backlog::default();
            }
            Ok(_) => {}
            Err(malformed) => return ControlFlow::Break(Over::Malformed(malformed)),
        }
        ControlFlow::Continue(())
    }

    /// Answers the held poll with what waits.
    fn say(&mut self) -> ControlFlow<Over> {
        if self.waiting.is_empty() || self.streaming.is_some() || !self.exchange.is_ready() {
            return ControlFlow::Continue(());
        }
        let Some((poll, number)) = self.exchange.respond() else { return ControlFlow::Continue(()) };
        let mut out = std::mem::take(&mut self.greeting).into_bytes();
        let mut response = ResponseWriter::begin(number, &mut out);
        while let Some(item) = self.waiting.pop_front() {
            match item {
                Item::Bytes(frames) => response.frames(&frames, &mut out),
                Item::Chunks(mut chunks) => {
                    // Short ones are there as a whole.
                    while out.len() < INLINE_BYTES_MAX
                        && let Ok(frames) = chunks.try_recv()
                    {
                        response.frames(&frames, &mut out);
                    }
                    if !(chunks.is_closed() && chunks.is_empty()) {
                        let (sender, body) = mpsc::channel(1);
                        // If nobody is there to take it, the sender hears of it.
                        let _ = poll.send(Body::chunks(body, None));
                        self.streaming = Some(tokio::spawn(stream(out, response, chunks, sender)));
                        return ControlFlow::Continue(());
                    }
                }
            }
        }
        // A client that lacks a response takes none behind it.
        if response.end(&mut out) && poll.send(Body::full(out)).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Over::Gone)
        }
    }

    /// Ends the session, unless a WebSocket carries it. Every poll that waits is then told so.
    async fn end(mut self, over: Over) {
        if self.stage == Stage::WebSocket {
            return;
        }
        if let Over::Malformed(malformed) = over
            && let Some((poll, number)) = self.exchange.respond()
        {
            let mut out = std::mem::take(&mut self.greeting).into_bytes();
            script::push_response(number, &frames::message(&codec::error(malformed.text())), &mut out);
            out.extend_from_slice(CLOSE.as_bytes());
            let _ = poll.send(Body::full(out));
        }
        // The end would wait for what is being handled.
        self.message = None;
        self.session.end().await;
    }
}

async fn handled(message: &mut Option<Handling>) -> Result<Option<Control>, Malformed> {
    match message {
        Some(message) => message.await,
        None => pending().await,
    }
}

async fn given_up(held: Option<&mut oneshot::Sender<Body>>) {
    match held {
        Some(poll) => poll.closed().await,
        None => pending().await,
    }
}

async fn streamed(streaming: &mut Option<JoinHandle<bool>>) -> bool {
    match streaming {
        Some(streaming) => streaming.await.unwrap_or(false),
        None => pending().await,
    }
}

/// Sends a response of which the last messages come in pieces. `out` is what it begins with. Gives whether it went out
/// whole; else the connection of its poll is broken off, which the client notices.
async fn stream(
    mut out: Vec<u8>,
    mut response: ResponseWriter,
    mut frames: Chunks,
    sender: mpsc::Sender<Bytes>,
) -> bool {
    while let Some(piece) = frames.recv().await {
        response.frames(&piece, &mut out);
        if !out.is_empty() && sender.send(std::mem::take(&mut out).into()).await.is_err() {
            return false;
        }
    }
    let is_whole = response.end(&mut out);
    let end = if is_whole { out.into() } else { Bytes::new() };
    sender.send(end).await.is_ok() && is_whole
}
