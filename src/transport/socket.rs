//! The options of a connection, and its polite end.
//!
//! A peer that vanishes without a word (a pulled cable, a sleeping laptop) is noticed by the kernel: keep-alive probes
//! for an idle connection, `TCP_USER_TIMEOUT` for one with bytes under way. No timer of ours is needed.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::base::limits::{LINGER_SECONDS, PROBE_IDLE_SECONDS, PROBE_INTERVAL_SECONDS, UNACKNOWLEDGED_SECONDS};

/// Sets what every accepted connection needs: no delay, and the death of silent peers within 30 s.
///
/// # Errors
/// Those of the system; the connection is then usually gone already.
pub fn tune(socket: &TcpStream) -> io::Result<()> {
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
pub async fn linger(mut socket: TcpStream) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let _ = timeout(Duration::from_secs(LINGER_SECONDS), async {
        while socket.readable().await.is_ok() {
            if discard_input(&socket) == Input::Ended {
                break;
            }
        }
    })
    .await;
}

/// Whether a peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    Open,
    Ended,
}

/// Reads and forgets what has arrived, without waiting.
pub fn discard_input(socket: &TcpStream) -> Input {
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
