//! TLS: the handshake of each connection, with bounds, and the certificate, taken anew when its files change.
//!
//! A new certificate is for new connections; those that are open keep the keys that they agreed upon. A file that
//! cannot be used changes nothing and is told of. Handshakes that do not end cost little: after a time they are over,
//! and when there are too many the oldest makes place for the newest, so that honest clients, who need a few round
//! trips, are served in the midst of an attack.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::certificate::{CertificateError, Files, Loaded};
use super::stamp::Stamp;
use crate::base::limits::TLS_HANDSHAKE_SECONDS;
use crate::base::{Clock, Millis};
use crate::transport::Socket;

/// What a listener needs to speak TLS.
pub struct Tls {
    config: RwLock<Arc<ServerConfig>>,
    handshakes: Arc<Handshakes>,
}

/// What became of a connection that should speak TLS.
pub enum Opened {
    Tls(Socket),
    /// It speaks plain HTTP. Nothing is read yet.
    PlainHttp(TcpStream),
    /// It is over, or said nothing that we understand, or took too long.
    Nothing,
}

/// Looks after the files of a certificate.
pub struct Watch {
    tls: Arc<Tls>,
    files: Files,
    stamps: [Stamp; 2],
    not_after: Millis,
}

/// How often it is looked whether the files have changed, and whether the certificate expires soon.
const LOOK_SECONDS: u64 = 2;
/// Days before its end from which on a certificate is warned of, once for each.
const WARNING_DAYS: i64 = 14;
const DAY_MS: Millis = 24 * 60 * 60 * 1_000;

impl Tls {
    /// With what the files hold now. `handshakes_max` are under way at once; see [`Tls::begin`]. Blocks on files.
    ///
    /// # Errors
    /// If the files cannot be used.
    pub fn load(files: Files, handshakes_max: usize) -> Result<(Arc<Self>, Watch), CertificateError> {
        let stamps = files.stamps();
        let Loaded { config, not_after } = files.load(Clock::system().now())?;
        let handshakes = Arc::new(Handshakes::new(handshakes_max));
        let tls = Arc::new(Self { config: RwLock::new(config), handshakes });
        Ok((Arc::clone(&tls), Watch { tls, files, stamps, not_after }))
    }

    /// A place for the handshake of a connection that was just accepted: to be asked for in the order of accepting,
    /// since where more than the allowed number are under way the oldest are given up.
    pub fn begin(&self) -> Begun {
        self.handshakes.begin()
    }

    /// Shakes hands. Bounds: it takes [`TLS_HANDSHAKE_SECONDS`] at most, and ends when its place is taken away.
    pub async fn accept(&self, socket: TcpStream, (_place, pushed_out): Begun) -> Opened {
        tokio::select! {
            opened = timeout(Duration::from_secs(TLS_HANDSHAKE_SECONDS), self.shake(socket)) => {
                opened.unwrap_or(Opened::Nothing)
            }
            _ = pushed_out => Opened::Nothing,
        }
    }

    async fn shake(&self, socket: TcpStream) -> Opened {
        let mut first = [0];
        match socket.peek(&mut first).await {
            Ok(1) if first.iter().all(u8::is_ascii_alphabetic) => return Opened::PlainHttp(socket),
            Ok(1) => {}
            _ => return Opened::Nothing,
        }
        match TlsAcceptor::from(self.config()).accept(socket).await {
            Ok(socket) => Opened::Tls(socket.into()),
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed");
                Opened::Nothing
            }
        }
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, config: Arc<ServerConfig>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

impl Watch {
    /// Takes changed files over until `drain` is cancelled: a few seconds after the change, or when `asked` says so.
    pub async fn run(mut self, mut asked: watch::Receiver<()>, drain: CancellationToken) {
        let mut days_told = None;
        loop {
            self.warn(&mut days_told);
            let is_asked = tokio::select! {
                () = sleep(Duration::from_secs(LOOK_SECONDS)) => false,
                Ok(()) = asked.changed() => true,
                () = drain.cancelled() => return,
            };
            self.look(is_asked).await;
        }
    }

    /// Takes the files over if they have changed, or if it `is_asked` for.
    async fn look(&mut self, is_asked: bool) {
        let (files, known) = (self.files.clone(), self.stamps);
        let read = spawn_blocking(move || {
            // Before the files are read: what changes meanwhile is seen the next time.
            let stamps = files.stamps();
            (is_asked || stamps != known).then(|| (stamps, files.load(Clock::system().now())))
        });
        let Ok(Some((stamps, loaded))) = read.await else { return };
        self.stamps = stamps;
        match loaded {
            Ok(Loaded { config, not_after }) => {
                self.tls.replace(config);
                self.not_after = not_after;
                tracing::info!(days_left = self.days_left(), "new connections get the new TLS certificate");
            }
            Err(error) => tracing::error!(%error, "the TLS certificate stays as it was: the new one cannot be used"),
        }
    }

    fn warn(&self, told: &mut Option<i64>) {
        let days_left = self.days_left();
        if days_left < WARNING_DAYS && told.replace(days_left) != Some(days_left) {
            tracing::warn!(days_left, "the TLS certificate expires soon: renew it");
        }
    }

    fn days_left(&self) -> i64 {
        (self.not_after - Clock::system().now()) / DAY_MS
    }
}

/// The handshakes under way.
struct Handshakes {
    /// At once. Beyond: the oldest is given up.
    max: usize,
    begun: AtomicU64,
    /// By their numbers; dropping a sender gives one up.
    open: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
}

/// A handshake's place; given back when dropped.
pub struct Place {
    handshakes: Arc<Handshakes>,
    number: u64,
}

impl Handshakes {
    fn new(max: usize) -> Self {
        Self { max, begun: AtomicU64::new(0), open: Mutex::default() }
    }

    fn begin(self: &Arc<Self>) -> Begun {
        let (sender, pushed_out) = oneshot::channel();
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let mut open = self.lock();
        open.insert(number, sender);
        if open.len() > self.max {
            open.pop_first();
        }
        (Place { handshakes: Arc::clone(self), number }, pushed_out)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<()>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, and what ends when it is taken away.
pub type Begun = (Place, oneshot::Receiver<()>);

impl Drop for Place {
    fn drop(&mut self) {
        self.handshakes.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_handshake_makes_place_for_the_newest() {
        let handshakes = Arc::new(Handshakes::new(2));
        let (first, mut first_out) = handshakes.begin();
        let (second, mut second_out) = handshakes.begin();
        assert_eq!(first_out.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        let (_third, mut third_out) = handshakes.begin();
        assert_eq!(first_out.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        drop((first, second));
        let (_fourth, _fourth_out) = handshakes.begin();
        assert_eq!(third_out.try_recv(), Err(oneshot::error::TryRecvError::Empty), "a place was free");
        assert_eq!(second_out.try_recv(), Err(oneshot::error::TryRecvError::Closed), "it is over");
    }
}
