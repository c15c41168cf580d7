//! The reading side of a fan-out: thousands of sockets, each read by a task that ends when it has got everything.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::websocket::{Counter, pong};

/// What each socket waits for.
#[derive(Clone, Copy)]
pub enum Wanted {
    /// So many bytes: of an event stream, where all events are equally long.
    Bytes(usize),
    /// So many texts of at least `bytes_min`, over a WebSocket.
    Texts { count: usize, bytes_min: usize },
}

pub struct Receivers {
    tasks: JoinSet<Vec<u32>>,
    /// Since when the newest messages are being sent.
    sent: watch::Sender<Instant>,
    started: Instant,
    rounds: u32,
}

impl Receivers {
    pub fn new(sockets: Vec<TcpStream>, wanted: Wanted) -> Self {
        let started = Instant::now();
        let (sent, receiver) = watch::channel(started);
        let mut tasks = JoinSet::new();
        let receiver = Arc::new(receiver);
        for socket in sockets {
            tasks.spawn(receive(socket, wanted, Arc::clone(&receiver)));
        }
        Self { tasks, sent, started, rounds: 0 }
    }

    /// More messages are being sent now.
    pub fn sent(&self) {
        self.sent.send_replace(Instant::now());
    }

    /// The pace: rounds begin `period` apart.
    pub async fn pause(&mut self, period: Duration) {
        self.rounds += 1;
        tokio::time::sleep_until((self.started + period * self.rounds).into()).await;
    }

    /// Waits until all have got everything; gives the latencies of all reads in microseconds.
    pub async fn finish(self) -> Vec<u32> {
        self.tasks.join_all().await.concat()
    }
}

/// Gives for each read how long ago the newest message was sent.
async fn receive(socket: TcpStream, wanted: Wanted, sent: Arc<watch::Receiver<Instant>>) -> Vec<u32> {
    let mut latencies = Vec::new();
    let (mut rest, mut counter) = (wanted, Counter::default());
    while !matches!(rest, Wanted::Bytes(0) | Wanted::Texts { count: 0, .. }) {
        socket.readable().await.unwrap();
        // On the stack, and not across an await: thousands of tasks read.
        let mut buffer = [0; 16 * 1024];
        match socket.try_read(&mut buffer) {
            Ok(0) => panic!("a listener was closed too early"),
            Ok(count) => {
                if take(&mut rest, &mut counter, &buffer[..count], &socket) {
                    latencies.push(sent.borrow().elapsed().as_micros() as u32);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("a listener broke: {error}"),
        }
    }
    latencies
}

/// Takes what came off what is wanted; says whether it was part of that.
fn take(rest: &mut Wanted, counter: &mut Counter, bytes: &[u8], socket: &TcpStream) -> bool {
    match rest {
        Wanted::Bytes(rest) => {
            *rest = rest.checked_sub(bytes.len()).expect("more bytes than were sent");
            true
        }
        Wanted::Texts { count, bytes_min } => {
            let news = counter.take(bytes, *bytes_min).unwrap();
            *count = count.checked_sub(news.texts).expect("more messages than were sent");
            for _ in 0..news.pings {
                // A few bytes on a socket that hardly sends anything: there is room.
                socket.try_write(&pong()).unwrap();
            }
            news.texts > 0
        }
    }
}
