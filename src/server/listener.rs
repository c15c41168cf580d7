//! The port: bound with a helpful error, accepted from with a bound, drained at the end.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::{Begun, Opened, Tls};
use super::{port_owner, redirect};
use crate::base::limits::DRAIN_SECONDS;
use crate::transport::{Reply, Socket, http};

/// Why the server cannot listen there. Says what to do.
#[derive(Debug)]
pub enum BindError {
    Taken { address: SocketAddr, owner: Option<String> },
    Forbidden { address: SocketAddr },
    NoSuchAddress { address: SocketAddr },
    Other { address: SocketAddr, error: io::Error },
}

/// How many connections this process can serve: `connections_max`, or fewer where it may not open that many files. A
/// quarter, at most [`FILES_KEPT`], is kept for databases.
pub fn connections_possible(connections_max: usize) -> usize {
    let Some(files) = files_max() else { return connections_max };
    connections_max.min(files - (files / 4).min(FILES_KEPT)).max(1)
}

/// Open files kept for databases, logs and the listener. Beyond: a database cannot be opened and its requests get 503.
const FILES_KEPT: usize = 512;

/// The limit that `ulimit -n` sets, where the system tells (Linux).
fn files_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The address that `host` names: an IP address, or `localhost`.
pub fn ip(host: &str) -> IpAddr {
    host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Listens on `address`; port 0 picks a free one.
///
/// # Errors
/// See [`BindError`].
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address, owner: port_owner::find(address.port()) },
        io::ErrorKind::PermissionDenied => BindError::Forbidden { address },
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress { address },
        _ => BindError::Other { address, error },
    })
}

/// Serves connections until `drain` is cancelled, then lets running requests finish, for [`DRAIN_SECONDS`] at most.
///
/// Bound: `connections_max` at once. When all are taken, nothing is accepted until one ends; newcomers wait in the
/// kernel's queue, and beyond that queue they are refused by the kernel. With `tls`, see [`Tls::begin`] for more.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    connections_max: usize,
    handler: H,
    drain: CancellationToken,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(connections_max));
    let tasks = TaskTracker::new();
    let mut is_full = false;
    while let Some((socket, place)) = next(&listener, &places, &drain).await {
        if places.available_permits() == 0 && !is_full {
            tracing::warn!(connections_max, "all connections are taken: newcomers wait until one ends");
        }
        // Said once, and again only after a tenth of the places was free in between.
        is_full = places.available_permits() <= if is_full { connections_max / 10 } else { 0 };
        let tls = tls.as_ref().map(|tls| (Arc::clone(tls), tls.begin()));
        let (handler, drain) = (handler.clone(), drain.clone());
        tasks.spawn(async move {
            let socket = match tls {
                None => Some(Socket::from(socket)),
                // Boxed, so that the task of an idle connection does not carry the handshake's space along.
                Some((tls, begun)) => Box::pin(shake_hands(socket, &tls, begun, &drain)).await,
            };
            if let Some(socket) = socket {
                http::serve(socket, handler, drain).await;
            }
            drop(place);
        });
    }
    drop(listener);
    tasks.close();
    // The connections keep to the same bound; the second more is for those that end at the very last moment.
    if timeout(Duration::from_secs(DRAIN_SECONDS + 1), tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "cut off connections that did not end in time");
    }
}

/// The socket with TLS upon it; `None` where that is over, after a word to those that speak plain HTTP.
async fn shake_hands(socket: TcpStream, tls: &Tls, begun: Begun, drain: &CancellationToken) -> Option<Socket> {
    let opened = tokio::select! {
        opened = tls.accept(socket, begun) => opened,
        () = drain.cancelled() => Opened::Nothing,
    };
    match opened {
        Opened::Tls(socket) => Some(socket),
        Opened::PlainHttp(socket) => {
            let refuse = |_| async { Reply::from(redirect::expects_https()) };
            http::serve(socket, refuse, drain.clone()).await;
            None
        }
        Opened::Nothing => None,
    }
}

/// The next connection and its place; `None` when it is time to stop.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    drain: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accept = async {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        Some((accept(listener).await, place))
    };
    tokio::select! {
        accepted = accept => accepted,
        () = drain.cancelled() => None,
    }
}

/// Accepts, and survives what can go wrong: a peer that left already, or a process or system out of descriptors or
/// memory.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections; trying again in a second. Raise `ulimit -n`?");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { address, owner } => {
                let (port, host) = (address.port(), address.ip());
                write!(f, "port {port} of {host} is taken")?;
                if let Some(owner) = owner {
                    write!(f, " by {owner}")?;
                }
                let other = if port == u16::MAX { port - 1 } else { port + 1 };
                write!(f, ".\nEnd that, or take another port: `--port {other}`, or `--port 0` for any free one.")
            }
            Self::Forbidden { address } => write!(
                f,
                "the system does not allow port {} to this user (ports below 1024 are for administrators).\n\
                 Take another: `--port 9000`, or put a reverse proxy in front.",
                address.port()
            ),
            Self::NoSuchAddress { address } => write!(
                f,
                "{} is no address of this machine.\n\
                 Take `--host 127.0.0.1`, or `--host 0.0.0.0` for all of its addresses.",
                address.ip()
            ),
            Self::Other { address, error } => write!(f, "cannot listen on {address}: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn files_for_databases_are_kept_back() {
        let files = files_max().unwrap();
        assert_eq!(connections_possible(1), 1);
        let possible = connections_possible(usize::MAX);
        assert!(possible < files && possible >= files / 4 * 3, "{possible} of {files}");
    }
}
