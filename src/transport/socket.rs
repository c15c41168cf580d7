//! A connection's socket, bare or with TLS upon it: its options, its readiness, its halves, and its polite end.
//!
//! All protocols speak to [`Socket`] and know of no difference. A bare socket costs them nothing for it: no buffer, no
//! allocation, the same vectored writes and readiness. Under TLS an idle connection keeps the session's keys and what
//! of a record has come, some 8 KB.
//!
//! A peer that vanishes without a word (a pulled cable, a sleeping laptop) is noticed by the kernel: keep-alive probes
//! for an idle connection, `TCP_USER_TIMEOUT` for one with bytes under way. No timer of ours is needed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, tcp};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::base::limits::{LINGER_SECONDS, PROBE_IDLE_SECONDS, PROBE_INTERVAL_SECONDS, UNACKNOWLEDGED_SECONDS};

/// The socket of one connection.
pub enum Socket {
    Plain(TcpStream),
    /// The lock is for [`Socket::split`]: both halves are of one task, so that nobody ever waits for it.
    Tls(Box<Mutex<TlsStream<TcpStream>>>),
}

/// The reading side of a [`Socket`].
pub(super) enum ReadHalf<'a> {
    Plain(tcp::ReadHalf<'a>),
    Tls(&'a Mutex<TlsStream<TcpStream>>),
}

/// The writing side of a [`Socket`].
pub(super) enum WriteHalf<'a> {
    Plain(tcp::WriteHalf<'a>),
    Tls(&'a Mutex<TlsStream<TcpStream>>),
}

impl From<TcpStream> for Socket {
    fn from(socket: TcpStream) -> Self {
        Self::Plain(socket)
    }
}

impl From<TlsStream<TcpStream>> for Socket {
    fn from(socket: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(Mutex::new(socket)))
    }
}

impl Socket {
    /// Sets what every accepted connection needs: no delay, and the death of silent peers within 30 s.
    ///
    /// # Errors
    /// Those of the system; the connection is then usually gone already.
    pub(super) fn tune(&mut self) -> io::Result<()> {
        tune(self.tcp())
    }

    /// Both directions at once, for one task.
    pub(super) fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        match self {
            Self::Plain(socket) => {
                let (reading, writing) = socket.split();
                (ReadHalf::Plain(reading), WriteHalf::Plain(writing))
            }
            Self::Tls(socket) => (ReadHalf::Tls(socket), WriteHalf::Tls(socket)),
        }
    }

    /// Ready when the peer sends no more. Takes nothing: bytes that wait to be read hide the end.
    pub(super) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let has_ended = match self {
            Self::Plain(socket) => {
                let mut byte = [0];
                let mut byte = ReadBuf::new(&mut byte);
                matches!(ready!(socket.poll_peek(context, &mut byte)), Ok(0) | Err(_))
            }
            Self::Tls(socket) => matches!(ready!(tls(socket).poll_fill_buf(context)), Ok([]) | Err(_)),
        };
        if has_ended { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Reads and forgets what comes. Ready when the peer sends no more.
    pub(super) fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(socket) => loop {
                if ready!(socket.poll_read_ready(context)).is_err() || discard_input(socket) == Input::Ended {
                    return Poll::Ready(());
                }
            },
            Self::Tls(socket) => {
                let mut socket = tls(socket);
                while let Ok(bytes @ [_, ..]) = ready!(socket.as_mut().poll_fill_buf(context)) {
                    let length = bytes.len();
                    socket.as_mut().consume(length);
                }
                Poll::Ready(())
            }
        }
    }

    /// Closes at once what a peer should not take for a broken connection: under TLS that needs a word.
    pub(super) fn hang_up(mut self) {
        if let Self::Tls(socket) = &mut self {
            // A socket that takes nothing now has a peer that does not read.
            let _ = tls(socket).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    fn tcp(&mut self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(socket) => tls(socket).get_mut().get_ref().0,
        }
    }
}

impl ReadHalf<'_> {
    /// Ready when reading will give bytes, or the end or error that the socket came to.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(socket) => socket.as_ref().poll_read_ready(context).map(drop),
            Self::Tls(socket) => Pin::new(&mut *lock(socket)).poll_fill_buf(context).map(drop),
        }
    }
}

/// Under TLS as on a bare socket, where nothing else holds it.
fn tls(socket: &mut Mutex<TlsStream<TcpStream>>) -> Pin<&mut TlsStream<TcpStream>> {
    Pin::new(socket.get_mut().unwrap_or_else(PoisonError::into_inner))
}

fn lock(socket: &Mutex<TlsStream<TcpStream>>) -> MutexGuard<'_, TlsStream<TcpStream>> {
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(socket) => tls(socket).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(socket) => tls(socket).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(context, slices),
            Self::Tls(socket) => tls(socket).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(socket) => tls(socket).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(socket) => tls(socket).poll_shutdown(context),
        }
    }
}

impl AsyncRead for ReadHalf<'_> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(socket) => Pin::new(&mut *lock(socket)).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for WriteHalf<'_> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(socket) => Pin::new(&mut *lock(socket)).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(context, slices),
            Self::Tls(socket) => Pin::new(&mut *lock(socket)).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(socket) => Pin::new(&mut *lock(socket)).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(socket) => Pin::new(&mut *lock(socket)).poll_shutdown(context),
        }
    }
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(PROBE_IDLE_SECONDS))
        .with_interval(Duration::from_secs(PROBE_INTERVAL_SECONDS));
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_secs(UNACKNOWLEDGED_SECONDS)))?;
    Ok(())
}

/// Ends a connection so that its peer can still read what was sent last.
///
/// A socket closed with unread input is reset, and a reset destroys the answer that is still on its way (as when a body
/// was refused half-way). So: no more output, then discard input until the peer closes too, for [`LINGER_SECONDS`] at
/// most.
pub(super) async fn linger(mut socket: Socket) {
    let _ = timeout(Duration::from_secs(LINGER_SECONDS), async {
        if socket.shutdown().await.is_err() {
            return;
        }
        // What the peer says now needs no decrypting.
        let socket = socket.tcp();
        while socket.readable().await.is_ok() {
            if discard_input(socket) == Input::Ended {
                break;
            }
        }
    })
    .await;
}

/// Whether a peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    Ended,
}

/// Reads and forgets what has arrived, without waiting.
fn discard_input(socket: &TcpStream) -> Input {
    let mut scratch = [0_u8; 1_024];
    loop {
        match socket.try_read(&mut scratch) {
            Ok(0) => return Input::Ended,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Input::Open,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Input::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tuned_socket_notices_a_vanished_peer_within_thirty_seconds() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tune(&socket).unwrap();
        assert!(socket.nodelay().unwrap());
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive().unwrap());
        let idle = socket.tcp_keepalive_time().unwrap();
        assert!(idle + socket.tcp_keepalive_interval().unwrap() < Duration::from_secs(20));
        #[cfg(target_os = "linux")]
        assert!(idle + socket.tcp_user_timeout().unwrap().unwrap() < Duration::from_secs(30));
    }
}
