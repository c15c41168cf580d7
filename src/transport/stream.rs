//! The body of one event stream: an outbox on a socket, for as long as both are open.
//!
//! An idle stream is one small task: a socket, an outbox, one timer, no buffer. What the peer sends is discarded; when
//! it closes, the stream is over. Sources: Firebase REST reference (streams end with their connection, no chunking);
//! dependencies.md 4.3.

use std::any::Any;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::outbox::Outbox;
use super::socket::{Socket, linger};
use super::writer::{Stop, Writer};

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

/// Serves `stream` on `socket` until the peer leaves, the outbox is closed and written, or `drain` is cancelled.
///
/// On return the outbox is abandoned (pushes answer `Closed`), the guard dropped and the socket closed.
pub async fn run(socket: Socket, mut stream: Box<EventStream>, drain: CancellationToken) {
    let writer = Writer::new(std::mem::take(&mut stream.head));
    let mut connection = Connection { socket, stream, writer };
    let over = tokio::select! {
        over = connection.run() => over,
        () = drain.cancelled() => Over::Gone,
    };
    let Connection { socket, stream, .. } = connection;
    stream.outbox.abandon();
    drop(stream);
    match over {
        Over::Written => linger(socket).await,
        Over::Gone => socket.hang_up(),
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

struct Connection {
    socket: Socket,
    stream: Box<EventStream>,
    writer: Writer,
}

impl Connection {
    async fn run(&mut self) -> Over {
        let mut timer = pin!(sleep(self.stream.keep_alive.0));
        poll_fn(|context| self.poll(context, timer.as_mut())).await
    }

    fn poll(&mut self, context: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<Over> {
        // A closed reading side means that nobody listens any more.
        if self.socket.poll_discard(context).is_ready() {
            return Poll::Ready(Over::Gone);
        }
        loop {
            match self.writer.poll(context, &self.stream.outbox, &mut self.socket) {
                Poll::Ready(Stop::Broken) => return Poll::Ready(Over::Gone),
                Poll::Ready(Stop::Overflowed) => (self.stream.on_overflow)(),
                Poll::Ready(Stop::Closed) => return Poll::Ready(Over::Written),
                Poll::Pending if self.writer.is_idle() => {
                    ready!(self.poll_silence(context, timer.as_mut()));
                    self.writer.put_aside(self.stream.keep_alive.1.clone());
                }
                // The peer is slow, or a producer has nothing ready. Events queue up in the outbox, which is bounded.
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Ready when nothing has been sent for the keep-alive period. The timer is moved only when it fires, not at each
    /// write.
    fn poll_silence(&self, context: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        let period = self.stream.keep_alive.0;
        loop {
            ready!(timer.as_mut().poll(context));
            let due = self.writer.last_write() + period;
            let now = Instant::now();
            if due <= now {
                timer.as_mut().reset(now + period);
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}
