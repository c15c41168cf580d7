//! One WebSocket: text messages in, one after the other, and an outbox of whole frames out.
//!
//! tokio-websockets takes a client's frames apart and judges them; all that is sent leaves through the `writer` that
//! event streams use, control frames between whole frames of the outbox. Reading, writing and the one timer are one
//! task. While the peer is silent the task holds a socket, an outbox, a conversation and that timer, but no buffer: the
//! library is made anew when bytes come (`tap`). Sources: RFC 6455; firebase-wire.md section 3; dependencies.md 2.2.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tokio_websockets::proto::ProtocolError;
use tokio_websockets::{CloseCode, Error, Limits, Message, ServerBuilder, WebSocketStream};

use super::frame::{self, code};
use super::outbox::{Item, Outbox};
use super::socket::{Socket, WriteHalf, linger};
use super::tap::Tap;
use super::writer::{Stop, Writer};
use crate::base::limits::{LINGER_SECONDS, MESSAGE_SILENCES_MAX};

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A WebSocket as a protocol hands it over.
pub struct WebSocket {
    /// What accepted the handshake (see [`super::accept`]); written first, as it is.
    pub head: Bytes,
    /// Holds whole server frames, made by [`frame`]. When it overflows, the connection is closed (1013). When it is
    /// closed, what it holds is written and the connection closed (1000).
    pub outbox: Arc<Outbox>,
    pub conversation: Box<dyn Conversation>,
    /// Bytes of one message, its fragments taken together. Beyond: close code 1009.
    pub message_bytes_max: usize,
    /// After how long a silence the peer is asked whether it is there.
    pub ping_every: Duration,
    /// After how long a silence a peer that was asked counts as gone. Bytes taken after a time when it took none are no
    /// silence.
    pub silence_max: Duration,
}

/// What a protocol makes of one WebSocket's messages.
pub trait Conversation: Send {
    /// Takes one whole text message, valid UTF-8. The next is not read before the future is done; writing goes on
    /// meanwhile. The future is dropped undone where the connection or the server ends first.
    ///
    /// `text` shares the memory that it was read into: what is to live long should be copied out of it.
    fn text(&mut self, text: Bytes) -> BoxFuture<'_, Next>;

    /// Frames to be sent last where the server ends the connection because it stops.
    fn last_words(&self) -> Bytes {
        Bytes::new()
    }

    /// Called once, when the connection is over, whatever ended it, also where it never began.
    fn over(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// What to do after a message.
#[derive(Debug)]
pub enum Next {
    Go,
    /// What the outbox holds is still written, then the connection is closed.
    Close {
        code: u16,
        reason: &'static str,
    },
    /// From now on that outbox is written: after what the old one still holds, and after these items. The old one is
    /// abandoned.
    Drain(Arc<Outbox>, VecDeque<Item>),
}

/// A WebSocket on its way to its connection or on it: its conversation hears of the end in any case.
pub(super) struct Opened(Option<Box<WebSocket>>);

impl Opened {
    pub fn new(websocket: Box<WebSocket>) -> Self {
        Self(Some(websocket))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let Some(websocket) = self.0.take() else { return };
        websocket.outbox.abandon();
        // Without a runtime the process is at its end.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(websocket.conversation.over());
        }
    }
}

/// How a WebSocket ended.
enum Over {
    /// The peer is gone, or cannot be spoken to any more.
    Gone,
    /// What is left in the outbox is to be written, then this frame.
    Close(Bytes),
}

impl Over {
    fn close(code: u16, reason: &str) -> Self {
        Self::Close(frame::close(code, reason))
    }
}

/// Serves `opened` on `socket` until either side closes it, the peer is gone, or `drain` is cancelled. `early` is what
/// was read from the socket already.
///
/// On return the outbox is abandoned (pushes answer `Closed`), the conversation is over and the socket closed.
pub(super) async fn run(mut socket: Socket, early: Bytes, mut opened: Opened, drain: CancellationToken) {
    let Some(websocket) = &mut opened.0 else { return };
    let mut writer = Writer::new(std::mem::take(&mut websocket.head));
    let over = {
        let (reading, socket) = socket.split();
        let WebSocket { outbox, conversation, message_bytes_max, ping_every, silence_max, .. } = &mut **websocket;
        let output = Output {
            socket,
            writer: &mut writer,
            outbox,
            timer: pin!(sleep(*ping_every)),
            ping_every: *ping_every,
            silence_max: *silence_max,
            is_asked: false,
            turn_messages: 0,
        };
        tokio::select! {
            over = talk(Tap::new(reading, early), *message_bytes_max, output, &mut **conversation) => over,
            () = drain.cancelled() => Over::close(code::GOING_AWAY, "the server stops"),
        }
    };
    let Some(websocket) = opened.0.take() else { return };
    if let Over::Close(_) = over {
        writer.append_rest(&websocket.outbox);
    }
    let last_words = if drain.is_cancelled() { websocket.conversation.last_words() } else { Bytes::new() };
    if !last_words.is_empty() {
        writer.append(VecDeque::from([Item::Bytes(last_words)]));
    }
    websocket.outbox.abandon();
    tokio::join!(part(socket, writer, over), websocket.conversation.over());
}

/// Says goodbye where that is possible, to a peer that takes it within [`LINGER_SECONDS`].
async fn part(mut socket: Socket, mut writer: Writer, over: Over) {
    let Over::Close(frame) = over else { return };
    writer.append(VecDeque::from([Item::Bytes(frame)]));
    let written = poll_fn(|context| writer.poll_write_taken(context, &mut socket));
    if let Ok(Ok(())) = timeout(Duration::from_secs(LINGER_SECONDS), written).await {
        linger(socket).await;
    }
}

/// Reads messages and has them answered until something ends that.
async fn talk(
    mut tap: Tap<'_>,
    message_bytes_max: usize,
    mut output: Output<'_>,
    conversation: &mut dyn Conversation,
) -> Over {
    let limits = Limits::default().max_payload_len(Some(message_bytes_max));
    let server = ServerBuilder::new().limits(limits);
    loop {
        if let Some(over) = poll_fn(|context| output.poll_idle(context, &tap)).await {
            return over;
        }
        let mut reader = server.serve(&mut tap);
        loop {
            let text = match poll_fn(|context| output.poll_input(context, &mut reader)).await {
                Input::Text(text) => text,
                Input::None => break,
                Input::Over(over) => return over,
            };
            let mut answer = conversation.text(text);
            let next = poll_fn(|context| match answer.as_mut().poll(context) {
                Poll::Ready(next) => Poll::Ready(Ok(next)),
                Poll::Pending => output.poll(context, None).map(Err),
            });
            match next.await {
                Ok(Next::Go) => {}
                Ok(Next::Close { code, reason }) => return Over::close(code, reason),
                Ok(Next::Drain(outbox, items)) => output.switch(outbox, items),
                Err(over) => return over,
            }
        }
    }
}

/// What reading led to.
enum Input {
    Text(Bytes),
    /// All that came was whole messages, and they are taken.
    None,
    Over(Over),
}

/// Messages taken in a row before it is looked whether there is something to write.
const TURN_MESSAGES_MAX: u8 = 32;

/// All of a connection but its reading side and its conversation.
struct Output<'a> {
    socket: WriteHalf<'a>,
    writer: &'a mut Writer,
    outbox: &'a mut Arc<Outbox>,
    timer: Pin<&'a mut Sleep>,
    ping_every: Duration,
    silence_max: Duration,
    /// The peer was asked whether it is there.
    is_asked: bool,
    turn_messages: u8,
}

impl Output<'_> {
    /// Ready with `None` when there is something to read.
    fn poll_idle(&mut self, context: &mut Context<'_>, tap: &Tap<'_>) -> Poll<Option<Over>> {
        match tap.poll_readable(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => self.poll(context, Some(tap)).map(Some),
        }
    }

    fn poll_input(&mut self, context: &mut Context<'_>, reader: &mut WebSocketStream<&mut Tap<'_>>) -> Poll<Input> {
        self.turn_messages += 1;
        if self.turn_messages >= TURN_MESSAGES_MAX
            && let Poll::Ready(over) = self.poll(context, Some(reader.get_ref()))
        {
            return Poll::Ready(Input::Over(over));
        }
        loop {
            let message = match Pin::new(&mut *reader).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Input::Over(refusal(&error))),
                Poll::Ready(None) => return Poll::Ready(Input::Over(Over::Gone)),
                Poll::Pending if reader.get_ref().half_since().is_none() => return Poll::Ready(Input::None),
                Poll::Pending => return self.poll(context, Some(reader.get_ref())).map(Input::Over),
            };
            if message.is_text() {
                let text = Bytes::from(message.into_payload());
                // The library lets a message through whose last fragment ends within a character.
                if std::str::from_utf8(&text).is_err() {
                    return Poll::Ready(Input::Over(Over::close(code::INVALID_PAYLOAD, "invalid UTF-8")));
                }
                return Poll::Ready(Input::Text(text));
            }
            if message.is_ping() {
                self.writer.put_aside(frame::pong(message.as_payload()));
            } else if !message.is_pong() {
                return Poll::Ready(Input::Over(farewell(&message)));
            }
        }
    }

    /// Writes, and sees to the timer. `tap` is missing while it is not read from.
    fn poll(&mut self, context: &mut Context<'_>, tap: Option<&Tap<'_>>) -> Poll<Over> {
        self.turn_messages = 0;
        loop {
            match self.writer.poll(context, self.outbox, &mut self.socket) {
                Poll::Ready(Stop::Broken) => return Poll::Ready(Over::Gone),
                Poll::Ready(Stop::Overflowed) => {
                    return Poll::Ready(Over::close(code::TRY_AGAIN_LATER, "too slow a reader"));
                }
                Poll::Ready(Stop::Closed) => return Poll::Ready(Over::close(code::NORMAL, "")),
                Poll::Pending => {}
            }
            ready!(self.timer.as_mut().poll(context));
            if let Some(over) = self.check(tap) {
                return Poll::Ready(over);
            }
        }
    }

    /// Judges the peer when the timer has fired, and sets it anew. The timer is moved only here, not at each message.
    fn check(&mut self, tap: Option<&Tap<'_>>) -> Option<Over> {
        let now = Instant::now();
        // The writer would have told, were it not stuck with what it took before.
        if self.outbox.has_overflowed() {
            return Some(Over::Gone);
        }
        let half_since = tap.and_then(Tap::half_since);
        if half_since.is_some_and(|since| now - since >= self.silence_max * MESSAGE_SILENCES_MAX) {
            return Some(Over::close(code::POLICY_VIOLATION, "half a message"));
        }
        // A silence that is not the peer's does not count.
        let tap = tap.filter(|_| !self.writer.is_starved());
        let last_sign = tap.map_or(now, |tap| tap.last_read().max(self.writer.last_relief()));
        let silence = now - last_sign;
        if silence < self.ping_every {
            self.is_asked = false;
            self.timer.as_mut().reset(last_sign + self.ping_every);
            return None;
        }
        if self.is_asked && silence >= self.silence_max {
            return Some(Over::Gone);
        }
        self.is_asked = true;
        // Where bytes wait for the peer, these ask.
        if self.writer.is_idle() {
            self.writer.put_aside(frame::ping());
        }
        let left = self.silence_max.saturating_sub(silence);
        let pause = if left.is_zero() { self.ping_every } else { self.ping_every.min(left) };
        self.timer.as_mut().reset(now + pause);
        None
    }

    fn switch(&mut self, outbox: Arc<Outbox>, items: VecDeque<Item>) {
        self.writer.append_rest(self.outbox);
        self.outbox.abandon();
        self.writer.append(items);
        *self.outbox = outbox;
    }
}

/// How a message that is neither text nor ping nor pong ends the connection.
fn farewell(message: &Message) -> Over {
    match message.as_close() {
        Some((CloseCode::NO_STATUS_RECEIVED, _)) => Over::close(code::NORMAL, ""),
        Some((code, _)) => Over::close(code.into(), ""),
        None => Over::close(code::UNSUPPORTED_DATA, "text expected"),
    }
}

/// How input that is no message ends the connection.
fn refusal(error: &Error) -> Over {
    match error {
        Error::Protocol(ProtocolError::InvalidUtf8) => Over::close(code::INVALID_PAYLOAD, "invalid UTF-8"),
        Error::Protocol(violation) => Over::close(code::PROTOCOL_ERROR, &violation.to_string()),
        Error::PayloadTooLong { .. } => Over::close(code::MESSAGE_TOO_BIG, "message too big"),
        _ => Over::Gone,
    }
}
