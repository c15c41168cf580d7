//! Certificates made on the spot, and a tunnel: a plain port whose connections go on to a server over TLS.
//!
//! Through it every client of the other tests speaks TLS, unchanged. The TLS is that of another implementation's client
//! side (rustls), which trusts one certificate and nothing else.

#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test: what is wrong shall stop it")]

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate that signs itself, and its key.
pub struct Pair {
    der: CertificateDer<'static>,
    pub certificate: String,
    pub key: String,
}

impl Pair {
    /// For `localhost` and `127.0.0.1`, valid for long.
    pub fn new() -> Self {
        Self::until(2_100)
    }

    /// Valid from 2000 to the beginning of a year.
    pub fn until(year: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2_000, 1, 1), date_time_ymd(year, 1, 1));
        let certificate = params.self_signed(&key).unwrap();
        Self { der: certificate.der().clone(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes `cert.pem` and `key.pem`.
    pub fn write(&self, directory: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        fs::write(&key, &self.key).unwrap();
        fs::write(&certificate, &self.certificate).unwrap();
        (certificate, key)
    }
}

/// Forwards what comes to `address`; ends when dropped.
pub struct Tunnel {
    pub address: SocketAddr,
    refused: Arc<AtomicUsize>,
    torn: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Tunnel {
    /// To a server that shows the certificate of `pair`. Where it shows another, connections are closed at once.
    pub fn open(server: SocketAddr, pair: &Pair) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(pair.der.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (refused, torn) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&refused), Arc::clone(&torn));
        runtime.spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (connector, (refused, torn)) = (connector.clone(), counts.clone());
                tokio::spawn(async move {
                    let far = TcpStream::connect(server).await.unwrap();
                    far.set_nodelay(true).unwrap();
                    socket.set_nodelay(true).unwrap();
                    match connector.connect("localhost".try_into().unwrap(), far).await {
                        Ok(far) => forward(socket, far, &torn).await,
                        Err(_) => drop(refused.fetch_add(1, Ordering::SeqCst)),
                    }
                });
            }
        });
        Self { address, refused, torn, _runtime: runtime }
    }

    /// Connections that did not come to be: another certificate was shown, or none.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// Connections that the server ended without saying so: a client cannot know that nothing is missing.
    pub fn torn(&self) -> usize {
        self.torn.load(Ordering::SeqCst)
    }
}

async fn forward(mut near: TcpStream, mut far: tokio_rustls::client::TlsStream<TcpStream>, torn: &AtomicUsize) {
    if let Err(error) = copy_bidirectional(&mut near, &mut far).await
        && error.kind() == ErrorKind::UnexpectedEof
    {
        torn.fetch_add(1, Ordering::SeqCst);
    }
}
