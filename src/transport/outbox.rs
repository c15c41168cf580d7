//! The bounded queue in front of one event stream or WebSocket.
//!
//! The engine's writer pushes; the connection's task drains. A std mutex over a deque, one waker, and a byte bound:
//! thousands of pushes of one shared message happen on one thread, so a push is one short lock, and only the first push
//! after a drain wakes anybody. The drainer takes the whole queue at once, so that what is waiting leaves in few system
//! calls. Figures: dependencies.md 2.5.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::mpsc;

/// What waits to be written.
#[derive(Debug)]
pub enum Item {
    /// One or more whole messages.
    Bytes(Bytes),
    /// A large message that a reader produces piece by piece. It is drained in place, before what is queued behind it.
    Chunks(Chunks),
}

/// The receiving end of a message made piece by piece. The producer ends it by dropping its sender; an empty piece says
/// that the producer failed half-way, and the connection that carries the message is then broken off.
pub type Chunks = mpsc::Receiver<Bytes>;

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    Queued,
    /// The bound was reached, now or earlier: the whole queue, this message included, is dropped until
    /// [`Outbox::reopen`].
    Overflowed,
    /// The stream is over; nothing that is pushed will ever be written.
    Closed,
}

/// What a drain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Something was appended to the caller's deque.
    Items,
    /// The queue overflowed and was dropped. Told once per overflow.
    Overflowed,
    /// Nothing is left and nothing will come.
    Closed,
}

/// The bounded queue of one connection.
///
/// Bound: `bytes_max` bytes waiting, counted with [`ITEM_BYTES`] for each item. When a push would exceed it, the queue
/// is emptied and marked as overflowed: the slow-reader rule is the pusher's business. A single message may be larger
/// than the bound if nothing else is waiting, else it could never be sent at all. The drainer holds at most one drained
/// queue more.
#[derive(Debug)]
pub struct Outbox {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// Weight of `items`.
    bytes: usize,
    /// Set while the drainer sleeps; taken by whoever wakes it, so that it is woken once.
    waker: Option<Waker>,
    overflow: Overflow,
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Overflow {
    #[default]
    No,
    /// Happened; the drainer does not know yet.
    Untold,
    Told,
}

/// What an item weighs beside its bytes, so that a flood of tiny messages is bounded too.
const ITEM_BYTES: usize = 64;

/// Places kept in a queue that is idle: what a burst made larger is given back.
pub(super) const IDLE_ITEMS_MAX: usize = 16;

impl Outbox {
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, state: Mutex::default() })
    }

    /// Queues one message (or several whole ones). Never blocks, never calls out of this room but to wake the drainer.
    pub fn push(&self, bytes: Bytes) -> Push {
        let weight = bytes.len();
        self.push_item(Item::Bytes(bytes), weight)
    }

    /// Queues a message that comes in pieces. Its pieces do not count against the bound: its channel bounds them.
    pub fn push_chunks(&self, chunks: Chunks) -> Push {
        self.push_item(Item::Chunks(chunks), 0)
    }

    /// What is queued is still written, then the stream ends.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    /// Whether the stream is over, or will be once the queue is written.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether what was queued was dropped, and nothing can be queued until [`Outbox::reopen`].
    pub fn has_overflowed(&self) -> bool {
        self.lock().overflow != Overflow::No
    }

    /// Clears the mark of an overflow: pushes are queued again, beginning with a fresh snapshot.
    pub fn reopen(&self) {
        self.lock().overflow = Overflow::No;
    }

    /// The drainer's side went away: drops what is queued, and every later push. Wakes nobody.
    pub fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        // The waker too: it would keep the memory of the task that drained this.
        let rest = (state.empty(), state.waker.take());
        drop(state);
        drop(rest);
    }

    /// Moves all that is queued to the end of `into`, or says why there is nothing, or registers to be woken.
    ///
    /// One task at a time may drain. `Overflowed` is told before anything queued after [`Outbox::reopen`].
    pub fn poll_drain(&self, context: &mut Context<'_>, into: &mut VecDeque<Item>) -> Poll<Drained> {
        let mut state = self.lock();
        if state.overflow == Overflow::Untold {
            state.overflow = Overflow::Told;
            return Poll::Ready(Drained::Overflowed);
        }
        if !state.items.is_empty() {
            state.bytes = 0;
            if into.is_empty() {
                std::mem::swap(&mut state.items, into);
            } else {
                into.append(&mut state.items);
            }
            return Poll::Ready(Drained::Items);
        }
        if state.closed {
            return Poll::Ready(Drained::Closed);
        }
        if state.items.capacity() > IDLE_ITEMS_MAX {
            state.items = VecDeque::new();
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn push_item(&self, item: Item, weight: usize) -> Push {
        let mut state = self.lock();
        if state.closed {
            return Push::Closed;
        }
        if state.overflow != Overflow::No {
            return Push::Overflowed;
        }
        let bytes = state.bytes.saturating_add(weight).saturating_add(ITEM_BYTES);
        if bytes > self.bytes_max && !state.items.is_empty() {
            state.overflow = Overflow::Untold;
            let items = state.empty();
            let waker = state.waker.take();
            drop(state);
            drop(items);
            wake(waker);
            return Push::Overflowed;
        }
        state.bytes = bytes;
        state.items.push_back(item);
        let waker = state.waker.take();
        drop(state);
        wake(waker);
        Push::Queued
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock; were it poisoned all the same, the state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the queue out, so that the caller can drop it outside the lock.
    fn empty(&mut self) -> VecDeque<Item> {
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }
}

/// Wakes outside the lock: the drainer may run at once on another core.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn message(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn drain(outbox: &Outbox, into: &mut VecDeque<Item>) -> Poll<Drained> {
        outbox.poll_drain(&mut Context::from_waker(Waker::noop()), into)
    }

    fn texts(items: &VecDeque<Item>) -> Vec<String> {
        let text = |item: &Item| match item {
            Item::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Item::Chunks(_) => "chunks".to_owned(),
        };
        items.iter().map(text).collect()
    }

    #[test]
    fn drain_of_several_pushes_takes_all_in_order() {
        let outbox = Outbox::new(1_000);
        let mut taken = VecDeque::new();
        assert_eq!(outbox.push(message("a")), Push::Queued);
        assert_eq!(outbox.push_chunks(mpsc::channel(1).1), Push::Queued);
        assert_eq!(drain(&outbox, &mut taken), Poll::Ready(Drained::Items));
        assert_eq!(outbox.push(message("b")), Push::Queued);
        assert_eq!(drain(&outbox, &mut taken), Poll::Ready(Drained::Items));
        assert_eq!(texts(&taken), ["a", "chunks", "b"]);
        assert_eq!(drain(&outbox, &mut taken), Poll::Pending);
    }

    #[test]
    fn push_to_a_sleeping_drainer_wakes_it_once() {
        let (outbox, counter) = (Outbox::new(1_000), Arc::new(Counter::default()));
        let waker = Waker::from(Arc::clone(&counter));
        let mut taken = VecDeque::new();
        assert!(outbox.poll_drain(&mut Context::from_waker(&waker), &mut taken).is_pending());
        outbox.push(message("a"));
        outbox.push(message("b"));
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn push_beyond_the_bound_drops_the_queue_until_reopened() {
        let outbox = Outbox::new(2 * ITEM_BYTES + 2);
        let mut taken = VecDeque::new();
        assert_eq!(outbox.push(message("a")), Push::Queued);
        assert_eq!(outbox.push(message("b")), Push::Queued);
        assert_eq!(outbox.push(message("c")), Push::Overflowed);
        assert_eq!(outbox.push(message("d")), Push::Overflowed);
        assert_eq!(drain(&outbox, &mut taken), Poll::Ready(Drained::Overflowed));
        assert_eq!(drain(&outbox, &mut taken), Poll::Pending, "an overflow is told once");
        outbox.reopen();
        assert_eq!(outbox.push(message("fresh")), Push::Queued);
        assert_eq!(drain(&outbox, &mut taken), Poll::Ready(Drained::Items));
        assert_eq!(texts(&taken), ["fresh"]);
    }

    #[test]
    fn message_larger_than_the_bound_passes_alone() {
        let outbox = Outbox::new(10);
        assert_eq!(outbox.push(message("larger than ten bytes")), Push::Queued);
        assert_eq!(outbox.push(message("x")), Push::Overflowed);
    }

    #[test]
    fn close_lets_the_queue_out_first() {
        let outbox = Outbox::new(1_000);
        let mut taken = VecDeque::new();
        outbox.push(message("last"));
        outbox.close();
        assert_eq!(outbox.push(message("late")), Push::Closed);
        assert_eq!(drain(&outbox, &mut taken), Poll::Ready(Drained::Items));
        assert_eq!(drain(&outbox, &mut taken), Poll::Ready(Drained::Closed));
        assert_eq!(texts(&taken), ["last"]);
    }

    #[test]
    fn abandon_drops_the_queue_its_producers_and_its_drainer() {
        let (outbox, counter) = (Outbox::new(1_000), Arc::new(Counter::default()));
        let waker = Waker::from(Arc::clone(&counter));
        assert!(outbox.poll_drain(&mut Context::from_waker(&waker), &mut VecDeque::new()).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&counter), 2);
        outbox.abandon();
        assert_eq!(Arc::strong_count(&counter), 1);
        let outbox = Outbox::new(1_000);
        let (sender, chunks) = mpsc::channel(1);
        outbox.push_chunks(chunks);
        outbox.abandon();
        assert!(sender.is_closed());
        assert_eq!(outbox.push(message("late")), Push::Closed);
    }

    /// Four threads push numbered messages while a task drains: every message comes, in the order of its thread.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn pushes_of_many_threads_all_arrive_in_order() {
        const THREADS: u32 = 4;
        const EACH: u32 = 20_000;
        let outbox = Outbox::new(usize::MAX);
        let pushers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let outbox = Arc::clone(&outbox);
                let number = move |n: u32| Bytes::from([thread.to_be_bytes(), n.to_be_bytes()].concat());
                std::thread::spawn(move || (0..EACH).for_each(|n| assert_eq!(outbox.push(number(n)), Push::Queued)))
            })
            .collect();
        let (mut taken, mut next) = (VecDeque::new(), [0_u32; THREADS as usize]);
        while next.iter().sum::<u32>() < THREADS * EACH {
            assert_eq!(poll_fn(|context| outbox.poll_drain(context, &mut taken)).await, Drained::Items);
            for item in taken.drain(..) {
                let Item::Bytes(bytes) = item else { panic!("only bytes were pushed") };
                let (thread, n) = bytes.split_at(4);
                let thread = u32::from_be_bytes(thread.try_into().unwrap()) as usize;
                assert_eq!(u32::from_be_bytes(n.try_into().unwrap()), next[thread]);
                next[thread] += 1;
            }
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
    }
}
