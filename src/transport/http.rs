//! One HTTP/1.1 connection, and how an event stream or a WebSocket takes its socket over.
//!
//! hyper reads requests and writes answers. When a protocol answers with an event stream, the connection stops being
//! hyper's: the head and the events are written to the bare socket (`stream`), not chunked, until the connection ends.
//! That is what Firebase does, and it leaves nothing of hyper in memory for an idle stream. A WebSocket (`websocket`)
//! begins in the same way.
//!
//! The way: the service puts the successor into a slot and never answers; the task that drives hyper sees the slot,
//! waits until hyper has written all answers before it (pipelined requests), and takes the socket out of hyper.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper::server::conn::http1::{self, Parts};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::body::Body;
use super::request_line::encode_quotes;
use super::socket::{Socket, linger};
use super::stream::{self, EventStream};
use super::websocket::{self, BoxFuture, Opened, WebSocket};
use crate::base::limits::{DRAIN_SECONDS, HEAD_BYTES_MAX, HEAD_SECONDS};

/// What a request is answered with.
pub enum Reply {
    Http(Response<Body>),
    /// An answer that comes when there is something to say. If the peer closes meanwhile, the future is dropped.
    Held(BoxFuture<'static, Response<Body>>),
    /// The connection becomes this stream and ends with it.
    Stream(Box<EventStream>),
    /// The connection becomes this WebSocket and ends with it.
    WebSocket(Box<WebSocket>),
}

impl From<Response<Body>> for Reply {
    fn from(response: Response<Body>) -> Self {
        Self::Http(response)
    }
}

/// Serves one accepted connection to its end, bare or with TLS upon it.
///
/// Requests of one connection are handled one after the other. A request that its client gave up is handled to its end
/// all the same, unless the connection breaks. When `drain` is cancelled an idle connection closes, a running request
/// gets [`DRAIN_SECONDS`] to finish, a stream ends at once, and a WebSocket is closed.
pub async fn serve<H, F>(socket: impl Into<Socket>, handler: H, drain: CancellationToken)
where
    H: Fn(Request<Incoming>) -> F + Send,
    F: Future<Output = Reply> + Send,
{
    let mut socket = socket.into();
    if socket.tune().is_err() {
        return;
    }
    // hyper's part is large and short-lived: boxed, so that the task of an idle stream does not carry its space along.
    let Some((socket, early, successor)) = Box::pin(speak_http(socket, handler, &drain)).await else { return };
    match successor {
        Some(Successor::Stream(stream)) => stream::run(socket, stream, drain).await,
        Some(Successor::WebSocket(websocket)) => websocket::run(socket, early, websocket, drain).await,
        None if drain.is_cancelled() => socket.hang_up(),
        None => linger(socket).await,
    }
}

/// What takes the socket over when hyper is through with it.
enum Successor {
    Stream(Box<EventStream>),
    WebSocket(Opened),
}

/// The socket, what was read from it behind the last request, and the successor. `None` where the connection was cut
/// off.
type Rest = Option<(Socket, Bytes, Option<Successor>)>;

async fn speak_http<H, F>(socket: Socket, handler: H, drain: &CancellationToken) -> Rest
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Reply>,
{
    let takeover = Arc::new(Takeover::default());
    let service = service_fn(|request| {
        let (reply, takeover) = (handler(request), Arc::clone(&takeover));
        takeover.is_handling.store(true, Ordering::Relaxed);
        Box::pin(async move {
            match reply.await {
                Reply::Http(response) => {
                    takeover.is_handling.store(false, Ordering::Relaxed);
                    Ok::<_, Infallible>(response)
                }
                Reply::Held(answer) => {
                    takeover.is_holding.store(true, Ordering::Relaxed);
                    let response = answer.await;
                    takeover.is_holding.store(false, Ordering::Relaxed);
                    takeover.is_handling.store(false, Ordering::Relaxed);
                    Ok(response)
                }
                Reply::Stream(stream) => {
                    takeover.offer(Successor::Stream(stream));
                    pending().await
                }
                Reply::WebSocket(websocket) => {
                    takeover.offer(Successor::WebSocket(Opened::new(websocket)));
                    pending().await
                }
            }
        })
    });
    let io = Watched { io: TokioIo::new(socket), takeover: Arc::clone(&takeover), encoded: Bytes::new() };
    let mut connection = builder().serve_connection(io, service);
    // hyper has answered a bad request before it returns the error, and a broken connection needs no words: the error
    // is the peer's business alone.
    let successor = tokio::select! {
        successor = poll_fn(|context| takeover.poll(context, |context| connection.poll_without_shutdown(context))) => {
            successor
        }
        () = drain.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            let rest = poll_fn(|context| takeover.poll(context, |context| connection.poll_without_shutdown(context)));
            timeout(Duration::from_secs(DRAIN_SECONDS), rest).await.ok()?
        }
    };
    let Parts { io: Watched { io, encoded, .. }, read_buf, .. } = connection.into_parts();
    // Copied, if there is anything: else the whole of hyper's buffer would live as long as this part of it.
    Some((io.into_inner(), Bytes::from([read_buf, encoded].concat()), successor))
}

/// What the service, the IO and the driver of one connection share.
#[derive(Default)]
struct Takeover {
    successor: Mutex<Option<Successor>>,
    /// hyper holds bytes that the socket did not take yet. hyper flushes whatever it has before it yields, so the last
    /// write or flush tells.
    is_writing: AtomicBool,
    /// A request is being handled: what comes now is its body, not the beginning of another.
    is_handling: AtomicBool,
    /// An answer is held: a peer that closes does not wait for it.
    is_holding: AtomicBool,
    /// The peer closed while an answer was held.
    is_gone: AtomicBool,
}

impl Takeover {
    fn offer(&self, successor: Successor) {
        *self.lock() = Some(successor);
    }

    /// Ready with the successor when it may have the socket, or with `None` when hyper is through.
    fn poll(
        &self,
        context: &mut Context<'_>,
        hyper: impl FnOnce(&mut Context<'_>) -> Poll<hyper::Result<()>>,
    ) -> Poll<Option<Successor>> {
        if hyper(context).is_ready() || self.is_gone.load(Ordering::Relaxed) {
            return Poll::Ready(None);
        }
        if self.is_writing.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.lock().take().map_or(Poll::Pending, |successor| Poll::Ready(Some(successor)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Successor>> {
        self.successor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket as hyper sees it, with an eye on whether its writes go through.
struct Watched {
    io: TokioIo<Socket>,
    takeover: Arc<Takeover>,
    /// Bytes of a request that were read and changed, and not given to hyper yet.
    encoded: Bytes,
}

/// Bytes read at once where a request may begin.
const HEAD_READ_BYTES: usize = 4 * 1_024;

impl Watched {
    /// Reads what may be the beginning of a request: quotes in its query are encoded on the way.
    fn poll_read_head(&mut self, context: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.encoded.is_empty() {
            let mut space = [0; HEAD_READ_BYTES];
            let space = space.get_mut(..buffer.remaining().min(HEAD_READ_BYTES)).unwrap_or_default();
            let mut read = ReadBuf::new(space);
            ready!(Pin::new(&mut self.io).poll_read(context, read.unfilled()))?;
            let Some(encoded) = encode_quotes(read.filled()) else {
                buffer.put_slice(read.filled());
                return Poll::Ready(Ok(()));
            };
            self.encoded = Bytes::from(encoded);
        }
        let piece = self.encoded.split_to(self.encoded.len().min(buffer.remaining()));
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }

    /// Notes whether the peer has closed, and wakes the connection when it does. hyper reads nothing while it waits for
    /// an answer. Bytes that came already, of a request behind this one, hide a close.
    fn watch_peer(&mut self, context: &mut Context<'_>) {
        if self.io.inner_mut().poll_ended(context).is_ready() {
            self.takeover.is_gone.store(true, Ordering::Relaxed);
        }
    }

    fn note<T>(&self, outcome: Poll<T>) -> Poll<T> {
        self.takeover.is_writing.store(outcome.is_pending(), Ordering::Relaxed);
        outcome
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.encoded.is_empty() && self.takeover.is_handling.load(Ordering::Relaxed) {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        self.poll_read_head(context, buffer)
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, bytes);
        self.note(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.note(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(context);
        if self.takeover.is_holding.load(Ordering::Relaxed) {
            self.watch_peer(context);
        }
        self.note(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS))
        .max_header_size(HEAD_BYTES_MAX)
        // Room for a head of that size and the bytes that came with it.
        .max_buf_size(2 * HEAD_BYTES_MAX)
        // A client may close its sending side and still read the answer.
        .half_close(true)
        .keep_alive(true);
    builder
}
