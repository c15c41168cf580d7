//! Writes what an outbox holds to a socket: whole queues in vectored writes, so that a burst costs few system calls.
//!
//! Shared by event streams and WebSockets. While nothing waits, this keeps no buffer. Source: dependencies.md 4.3.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::outbox::{Drained, IDLE_ITEMS_MAX, Item, Outbox};

/// Slices in one system call: as many as hyper uses; beyond, the call costs more than it saves.
const SLICES_MAX: usize = 64;

/// The writing side of one connection.
pub(super) struct Writer {
    /// Taken from the outbox, not yet written.
    waiting: VecDeque<Item>,
    /// Goes out before what the outbox holds next.
    aside: Option<Bytes>,
    /// When the socket last took bytes.
    last_write: Instant,
    /// The socket takes no more for now.
    is_blocked: bool,
    /// When it last took bytes after it had been blocked: the peer had then taken earlier ones.
    last_relief: Instant,
}

/// Why there is nothing more to write for now, or ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The socket is broken, or a producer failed half-way.
    Broken,
    /// The outbox has overflowed; all that was taken from it before is written.
    Overflowed,
    /// The outbox was closed and all of it is written.
    Closed,
}

impl Writer {
    /// Begins with `head`.
    pub fn new(head: Bytes) -> Self {
        let now = Instant::now();
        let waiting = VecDeque::from([Item::Bytes(head)]);
        Self { waiting, aside: None, last_write: now, is_blocked: false, last_relief: now }
    }

    /// Has `bytes` written between two whole messages, as soon as what was already taken from the outbox is written.
    /// One place: the newest replaces what waits there.
    pub fn put_aside(&mut self, bytes: Bytes) {
        self.aside = Some(bytes);
    }

    /// Appends whole messages to what was taken from the outbox.
    pub fn append(&mut self, mut items: VecDeque<Item>) {
        self.waiting.append(&mut items);
    }

    /// Appends what `outbox` holds now, whatever its bound has been doing.
    pub fn append_rest(&mut self, outbox: &Outbox) {
        let _ = outbox.poll_drain(&mut Context::from_waker(Waker::noop()), &mut self.waiting);
    }

    /// Writes and drains until there is nothing to write (see [`Writer::is_idle`]), the socket takes no more, or a
    /// message that comes in pieces has none ready. Whoever ends that state wakes the task.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        outbox: &Outbox,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Stop> {
        loop {
            if ready!(self.poll_write_taken(context, socket)).is_err() {
                return Poll::Ready(Stop::Broken);
            }
            if self.waiting.capacity() > IDLE_ITEMS_MAX {
                self.waiting = VecDeque::new();
            }
            self.waiting.extend(self.aside.take().map(Item::Bytes));
            match outbox.poll_drain(context, &mut self.waiting) {
                Poll::Ready(Drained::Items) => {}
                Poll::Pending if !self.waiting.is_empty() => {}
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Drained::Overflowed) => return Poll::Ready(Stop::Overflowed),
                Poll::Ready(Drained::Closed) => return Poll::Ready(Stop::Closed),
            }
        }
    }

    /// Writes all that was taken from the outbox.
    pub fn poll_write_taken(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while let Some(front) = self.waiting.front_mut() {
            if let Item::Chunks(chunks) = front {
                let Poll::Ready(piece) = chunks.poll_recv(context) else {
                    ready!(self.poll_flush(context, socket))?;
                    return Poll::Pending;
                };
                match piece {
                    Some(piece) if piece.is_empty() => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                    Some(piece) => self.waiting.push_front(Item::Bytes(piece)),
                    None => drop(self.waiting.pop_front()),
                }
            } else {
                let outcome = self.poll_write_some(context, socket);
                self.is_blocked |= outcome.is_pending();
                self.advance(ready!(outcome)?);
            }
        }
        self.poll_flush(context, socket)
    }

    /// Nothing taken waits to be written.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.is_blocked
    }

    /// A message that comes in pieces has none ready: that nothing is written is not the peer's fault.
    pub fn is_starved(&self) -> bool {
        matches!(self.waiting.front(), Some(Item::Chunks(_))) && !self.is_blocked
    }

    pub fn last_write(&self) -> Instant {
        self.last_write
    }

    pub fn last_relief(&self) -> Instant {
        self.last_relief
    }

    fn poll_write_some(
        &self,
        context: &mut Context<'_>,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<usize>> {
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
        Pin::new(socket).poll_write_vectored(context, slices)
    }

    /// Has the socket take what TLS holds back: bytes that it encrypted and the socket did not take yet. A bare socket
    /// holds nothing back.
    fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(socket).poll_flush(context);
        if outcome.is_pending() {
            self.is_blocked = true;
        } else if std::mem::take(&mut self.is_blocked) {
            self.last_relief = Instant::now();
        }
        outcome
    }

    /// Takes `written` bytes off the front.
    fn advance(&mut self, mut written: usize) {
        self.last_write = Instant::now();
        if std::mem::take(&mut self.is_blocked) {
            self.last_relief = self.last_write;
        }
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    use super::*;

    /// A socket that counts its system calls.
    struct Counted {
        socket: TcpStream,
        writes: usize,
    }

    impl AsyncWrite for Counted {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.writes += 1;
            Pin::new(&mut self.socket).poll_write(context, bytes)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.writes += 1;
            Pin::new(&mut self.socket).poll_write_vectored(context, slices)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.socket).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.socket).poll_shutdown(context)
        }
    }

    async fn connected() -> (Counted, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Counted { socket: listener.accept().await.unwrap().0, writes: 0 }, peer)
    }

    async fn write_all(writer: &mut Writer, outbox: &Arc<Outbox>, socket: &mut Counted) {
        outbox.close();
        assert_eq!(poll_fn(|context| writer.poll(context, outbox, socket)).await, Stop::Closed);
        assert!(writer.is_idle());
    }

    #[tokio::test]
    async fn burst_leaves_in_few_writes() {
        let (mut socket, mut peer) = connected().await;
        let (mut writer, outbox) = (Writer::new(Bytes::from_static(b"head")), Outbox::new(1 << 20));
        for _ in 0..1_000 {
            outbox.push(Bytes::from_static(b"message"));
        }
        write_all(&mut writer, &outbox, &mut socket).await;
        assert!(socket.writes <= 1 + 1_000_usize.div_ceil(SLICES_MAX), "{} writes", socket.writes);
        let mut read = vec![0; 4 + 7 * 1_000];
        peer.read_exact(&mut read).await.unwrap();
        assert!(read.ends_with(b"messagemessage"));
        assert!(writer.waiting.capacity() <= IDLE_ITEMS_MAX, "what the burst took is given back");
    }

    /// As under TLS: takes all, and holds it back.
    struct HoldsBack(bool);

    impl AsyncWrite for HoldsBack {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.0 { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_a_socket_holds_back_counts_as_not_written() {
        let (mut writer, outbox) = (Writer::new(Bytes::from_static(b"head")), Outbox::new(10));
        let begun = writer.last_relief();
        let mut poll = |is_held| {
            let is_pending =
                writer.poll(&mut Context::from_waker(Waker::noop()), &outbox, &mut HoldsBack(is_held)).is_pending();
            (is_pending, writer.is_idle(), writer.last_relief() > begun)
        };
        assert_eq!(poll(true), (true, false, false));
        outbox.push(Bytes::from_static(b"message"));
        assert_eq!(poll(true), (true, false, false), "nothing is drained into a socket that is full");
        outbox.push(Bytes::from_static(b"message"));
        assert_eq!(poll(false), (false, true, true), "the outbox has overflowed meanwhile");
    }

    #[tokio::test]
    async fn what_is_put_aside_goes_between_two_drains_and_the_newest_wins() {
        let (mut socket, mut peer) = connected().await;
        let (mut writer, outbox) = (Writer::new(Bytes::from_static(b"head ")), Outbox::new(1 << 20));
        let (sender, chunks) = mpsc::channel(2);
        outbox.push_chunks(chunks);
        sender.send(Bytes::from_static(b"first ")).await.unwrap();
        poll_fn(|context| {
            assert!(writer.poll(context, &outbox, &mut socket).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(writer.is_starved() && !writer.is_idle());
        writer.put_aside(Bytes::from_static(b"older "));
        writer.put_aside(Bytes::from_static(b"newer "));
        outbox.push(Bytes::from_static(b"last"));
        sender.send(Bytes::from_static(b"second ")).await.unwrap();
        drop(sender);
        write_all(&mut writer, &outbox, &mut socket).await;
        drop(socket);
        let mut read = String::new();
        peer.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "head first second newer last");
    }
}
