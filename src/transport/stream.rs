//! Writes an outbox to a socket for as long as both are open: the body of one event stream.
//!
//! An idle stream is one small task: a socket, an outbox, one timer, no buffer. When events wait, the whole queue is
//! taken and leaves in vectored writes, so that a burst costs few system calls. What the peer sends is discarded; when
//! it closes, the stream is over. Sources: Firebase REST reference (streams end with their connection, no chunking);
//! dependencies.md 4.3.

use std::any::Any;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::outbox::{Drained, IDLE_ITEMS_MAX, Item, Outbox};
use super::socket::{Input, discard_input, linger};

/// An event stream as a protocol hands it over.
pub struct EventStream {
    /// Status line and headers with the empty line behind them; written first, as they are.
    pub head: Bytes,
    pub outbox: Arc<Outbox>,
    /// What to send after how long a silence, counted from the last bytes sent.
    pub keep_alive: (Duration, Bytes),
    /// Dropped when the stream is over, whatever ended it: takes its listeners away.
    pub guard: Box<dyn Any + Send>,
    /// Called when the outbox has overflowed, once all that was taken from it before is written. It has the outbox
    /// reopened with fresh snapshots, or closed. Must not block.
    pub on_overflow: Box<dyn Fn() + Send>,
}

/// Slices in one system call: as many as hyper uses; beyond, the call costs more than it saves.
const SLICES_MAX: usize = 64;

/// Serves `stream` on `socket` until the peer leaves, the outbox is closed and written, or `drain` is cancelled.
///
/// On return the outbox is abandoned (pushes answer `Closed`), the guard dropped and the socket closed.
pub async fn run(socket: TcpStream, stream: Box<EventStream>, drain: CancellationToken) {
    let mut writer = Writer::new(socket, stream);
    let over = tokio::select! {
        over = writer.run() => over,
        () = drain.cancelled() => Over::Gone,
    };
    let Writer { socket, stream, .. } = writer;
    stream.outbox.abandon();
    drop(stream);
    if over == Over::Written {
        linger(socket).await;
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The outbox was closed and all of it is written.
    Written,
    /// The peer, or a producer, or the server went away.
    Gone,
}

struct Writer {
    socket: TcpStream,
    stream: Box<EventStream>,
    /// Taken from the outbox, not yet written.
    waiting: VecDeque<Item>,
    last_write: Instant,
}

impl Writer {
    fn new(socket: TcpStream, mut stream: Box<EventStream>) -> Self {
        let head = std::mem::take(&mut stream.head);
        Self { socket, stream, waiting: VecDeque::from([Item::Bytes(head)]), last_write: Instant::now() }
    }

    async fn run(&mut self) -> Over {
        let mut timer = pin!(sleep(self.stream.keep_alive.0));
        poll_fn(|context| self.poll(context, timer.as_mut())).await
    }

    fn poll(&mut self, context: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<Over> {
        if self.peer_left(context) {
            return Poll::Ready(Over::Gone);
        }
        loop {
            match self.poll_write_waiting(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Over::Gone),
                // The peer is slow, or a producer has nothing ready. Events queue up in the outbox, which is bounded.
                Poll::Pending => return Poll::Pending,
            }
            if self.waiting.capacity() > IDLE_ITEMS_MAX {
                self.waiting = VecDeque::new();
            }
            match self.stream.outbox.poll_drain(context, &mut self.waiting) {
                Poll::Ready(Drained::Items) => {}
                Poll::Ready(Drained::Overflowed) => (self.stream.on_overflow)(),
                Poll::Ready(Drained::Closed) => return Poll::Ready(Over::Written),
                Poll::Pending => {
                    ready!(self.poll_silence(context, timer.as_mut()));
                    let keep_alive = self.stream.keep_alive.1.clone();
                    self.waiting.push_back(Item::Bytes(keep_alive));
                }
            }
        }
    }

    /// Ready when nothing has been sent for the keep-alive period. The timer is moved only when it fires, not at each
    /// write.
    fn poll_silence(&self, context: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        let period = self.stream.keep_alive.0;
        loop {
            ready!(timer.as_mut().poll(context));
            let due = self.last_write + period;
            let now = Instant::now();
            if due <= now {
                timer.as_mut().reset(now + period);
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }

    /// Discards input and registers to hear of more. A closed reading side means that nobody listens any more.
    fn peer_left(&self, context: &mut Context<'_>) -> bool {
        while let Poll::Ready(ready) = self.socket.poll_read_ready(context) {
            if ready.is_err() || discard_input(&self.socket) == Input::Ended {
                return true;
            }
        }
        false
    }

    /// Writes all of `waiting`.
    fn poll_write_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(front) = self.waiting.front_mut() {
            if let Item::Chunks(chunks) = front {
                match ready!(chunks.poll_recv(context)) {
                    Some(piece) if piece.is_empty() => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                    Some(piece) => self.waiting.push_front(Item::Bytes(piece)),
                    None => drop(self.waiting.pop_front()),
                }
            } else {
                let written = ready!(self.poll_write_some(context))?;
                self.advance(written);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_some(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let ready_bytes = self.waiting.iter().map_while(|item| match item {
            Item::Bytes(bytes) => Some(bytes),
            Item::Chunks(_) => None,
        });
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(ready_bytes) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    /// Takes `written` bytes off the front.
    fn advance(&mut self, mut written: usize) {
        self.last_write = Instant::now();
        while let Some(Item::Bytes(bytes)) = self.waiting.front_mut() {
            if bytes.len() > written {
                bytes.advance(written);
                return;
            }
            written -= bytes.len();
            self.waiting.pop_front();
        }
    }
}
