//! Configuration, listener, router and life cycle: what makes the rooms one running server.
//!
//! - `config`: every setting in one table; `settings`: flags, environment and file become a config; `units`: `10s`,
//!   `4MB`
//! - `router`: which request goes to which protocol; `assets`: embedded scripts and pages
//! - `listener`: the port, the bound on connections, draining; `port_owner`: who holds a taken port
//! - `tls`: handshakes, and the certificate taken anew; `certificate`: its files, checked; `redirect`: plain HTTP
//! - `rules_file`, `trust`: rules and keys from files; `reload`: read again, by `stamp`; `issuer_keys`:
//!   fetched; `key_file`: edited
//! - `data_dir`: where data lives; `logging`: log lines
//!
//! [`Server`] is the life cycle: start, run, drain.

mod assets;
mod certificate;
pub mod config;
pub mod data_dir;
mod issuer_keys;
pub mod key_file;
mod listener;
pub mod logging;
mod port_owner;
mod redirect;
mod reload;
mod router;
mod rules_file;
pub mod settings;
mod stamp;
mod tls;
pub mod trust;
pub mod units;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use certificate::CertificateError;
use certificate::Files;
pub use config::Config;
use data_dir::DataDir;
pub use listener::BindError;
use rules_file::RulesFileError;
pub use settings::{Settings, SettingsError};
use tls::{Tls, Watch};
use trust::TrustError;

use crate::base::Clock;
use crate::base::limits::{REDIRECT_CONNECTIONS_MAX, TLS_HANDSHAKES_MAX};
use crate::engine::{DatabaseError, Durability, Engine, EngineConfig, Keyring, Powers, StoreOptions};
use crate::protocols::{Context, Namespaces};
use crate::transport::Reply;

/// A server that listens, and serves once it is [`Server::run`].
pub struct Server {
    config: Config,
    listener: TcpListener,
    address: SocketAddr,
    context: Arc<Context>,
    data: DataDir,
    connections_max: usize,
    reload: watch::Sender<()>,
    tls: Option<(Arc<Tls>, Watch)>,
    /// What sends to https.
    redirect: Option<(TcpListener, SocketAddr)>,
}

/// Why a server does not start. Says what to do.
#[derive(Debug)]
pub enum StartError {
    /// The emulator lets everyone in, and the address can be reached by others.
    Public {
        host: String,
    },
    Bind(BindError),
    Certificate(CertificateError),
    /// `http_redirect` without TLS.
    NothingToRedirectTo,
    Redirect {
        address: SocketAddr,
        error: io::Error,
    },
    Rules(RulesFileError),
    Trust(TrustError),
    /// In production no database has rules.
    NoRules,
    Data {
        path: PathBuf,
        error: io::Error,
    },
    /// A stored database cannot be opened: damaged, newer than this server, or in use.
    Database(DatabaseError),
    PortFile {
        path: PathBuf,
        error: io::Error,
    },
}

impl Server {
    /// Opens the data, listens, and writes the port file: from then on connections are taken, and answered once it
    /// runs.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let ip = listener::ip(&config.host);
        if !ip.is_loopback() && !config.allow_public_emulator && !config.production {
            return Err(StartError::Public { host: config.host });
        }
        if let Some(path) = &config.port_file {
            // A file that a killed server left behind would send scripts to a port of the past.
            let _ = std::fs::remove_file(path);
        }
        let connections_max = listener::connections_possible(config.connections_max);
        let tls = load_certificate(&config, connections_max)?;
        let redirect = bind_redirect(&config).await?;
        let listener = listener::bind(SocketAddr::new(ip, config.port)).await.map_err(StartError::Bind)?;
        let address = listener
            .local_addr()
            .map_err(|error| StartError::Bind(BindError::Other { address: SocketAddr::new(ip, config.port), error }))?;
        let data = if config.ephemeral { DataDir::temporary() } else { DataDir::at(&config.data) };
        let data = data.map_err(|error| StartError::Data { path: config.data.clone(), error })?;
        let engine = Engine::new(EngineConfig {
            data: data.path().to_owned(),
            store: store_options(&config),
            presence_grace: config.presence_grace,
            clock: Clock::system(),
            keyring: if config.production {
                trust::load(&config, data.path()).map_err(StartError::Trust)?
            } else {
                Keyring::emulator()
            },
            powers: powers(&config),
        });
        let rules = rules_file::find(&config).map(|path| rules_file::read(&path)).transpose();
        if let Some(rules) = rules.map_err(StartError::Rules)? {
            // No database is open yet that could refuse them.
            let _ = engine.set_file_rules(Arc::new(rules)).await;
        }
        engine.open_existing().await.map_err(StartError::Database)?;
        if config.production && !engine.has_rules() {
            return Err(StartError::NoRules);
        }
        let context = Arc::new(Context {
            engine,
            namespaces: Namespaces {
                default: config.default_namespace.clone(),
                base_domain: config.base_domain.clone(),
                trust_forwarded_host: config.trust_forwarded_host,
            },
            keep_alive: config.keep_alive,
            outbox_bytes: usize::try_from(config.outbox_bytes).unwrap_or(usize::MAX),
            ping_interval: config.ping_interval,
            silence_max: config.silence_max,
            poll_silence_max: config.poll_silence_max,
            realtime: Arc::default(),
        });
        if let Some(path) = &config.port_file {
            let written = write_whole(path, &address.port().to_string());
            written.map_err(|error| StartError::PortFile { path: path.clone(), error })?;
        }
        Ok(Self {
            config,
            listener,
            address,
            context,
            data,
            connections_max,
            reload: watch::Sender::default(),
            tls,
            redirect,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it speaks https; else http.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Where plain HTTP is sent to https.
    pub fn redirect_address(&self) -> Option<SocketAddr> {
        self.redirect.as_ref().map(|(_, address)| *address)
    }

    /// Where its data is.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Connections at once: fewer than configured where this process may not open that many files.
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The file that the rules of all databases come from.
    pub fn rules_file(&self) -> Option<PathBuf> {
        rules_file::find(&self.config)
    }

    /// Whatever is sent here makes the server read its files again.
    pub fn reload(&self) -> watch::Sender<()> {
        self.reload.clone()
    }

    /// Serves until `drain` is cancelled; then takes no more connections, ends streams, lets running requests finish
    /// (for a bounded time), and closes the databases.
    pub async fn run(self, drain: CancellationToken) {
        let context = Arc::clone(&self.context);
        let handler = move |request| {
            let context = Arc::clone(&context);
            async move { router::route(&context, request).await }
        };
        // Held polls are requests that run: they are answered, so that nobody has to wait for them.
        let (context, draining) = (Arc::clone(&self.context), drain.clone());
        tokio::spawn(async move {
            draining.cancelled().await;
            context.realtime.long_polls.stop();
        });
        let engine = &self.context.engine;
        let data = self.data.path().to_owned();
        let config = self.config.clone();
        let asked = self.reload.subscribe();
        tokio::spawn(reload::watch(config, data, Arc::clone(engine), asked, drain.clone()));
        if engine.keyring().issuers().next().is_some() || self.config.issuers_file.is_some() {
            tokio::spawn(issuer_keys::keep(Arc::clone(engine), drain.clone()));
        }
        if let Some((listener, _)) = self.redirect {
            let port = self.address.port();
            let handler = move |request| async move { Reply::from(redirect::to_https(&request, port)) };
            tokio::spawn(listener::serve(listener, None, REDIRECT_CONNECTIONS_MAX, handler, drain.clone()));
        }
        let tls = self.tls.map(|(tls, watch)| {
            tokio::spawn(watch.run(self.reload.subscribe(), drain.clone()));
            tls
        });
        listener::serve(self.listener, tls, self.connections_max, handler, drain).await;
        self.context.engine.shutdown().await;
        if let Some(path) = &self.config.port_file {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn load_certificate(config: &Config, connections_max: usize) -> Result<Option<(Arc<Tls>, Watch)>, StartError> {
    let files = Files::of(config.tls_cert.as_ref(), config.tls_key.as_ref()).map_err(StartError::Certificate)?;
    let handshakes_max = TLS_HANDSHAKES_MAX.min(connections_max / 4).max(1);
    files.map(|files| Tls::load(files, handshakes_max).map_err(StartError::Certificate)).transpose()
}

async fn bind_redirect(config: &Config) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let Some(address) = config.http_redirect else { return Ok(None) };
    if config.tls_cert.is_none() {
        return Err(StartError::NothingToRedirectTo);
    }
    let failed = |error| StartError::Redirect { address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Some((listener, address)))
}

fn powers(config: &Config) -> Powers {
    if !config.production {
        return Powers::Emulator;
    }
    let named = config.databases.iter();
    let default = config.databases.is_empty().then_some(&config.default_namespace);
    Powers::Production { databases: named.chain(default).map(|name| name.as_str().to_owned()).collect() }
}

fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        durability: match config.durability {
            _ if config.ephemeral => Durability::Off,
            config::Durability::Full => Durability::Full,
            config::Durability::Relaxed => Durability::Relaxed,
        },
        log_bytes_max: config.log_retention_bytes,
        log_records_max: config.log_retention_records,
        log_age_max_ms: i64::try_from(config.log_retention_age.as_millis()).unwrap_or(i64::MAX),
    }
}

/// Writes a small file so that a reader sees all of it or nothing.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public { host } => write!(
                f,
                "{host} can be reached by others, and the emulator lets everyone read and write everything.\n\
                 If that is wanted, say so: `--allow-public-emulator`. Otherwise take `--host 127.0.0.1`."
            ),
            Self::Bind(error) => write!(f, "{error}"),
            Self::Certificate(error) => write!(f, "{error}"),
            Self::NothingToRedirectTo => f.write_str(
                "`--http-redirect` sends to https, which this server does not speak.\n\
                 Give it a certificate: `--tls-cert FILE --tls-key FILE`, or leave `--http-redirect` out.",
            ),
            Self::Redirect { address, error } => write!(
                f,
                "cannot listen on {address}: {error}.\nTake another: `--http-redirect ADDRESS`, or leave it out."
            ),
            Self::Rules(error) => write!(f, "{error}"),
            Self::Trust(error) => write!(f, "{error}"),
            Self::NoRules => f.write_str(
                "in production databases need rules, and none has any.\n\
                 Name a file: `--rules FILE`. To let nobody in but administrators: {\"rules\": {}}.",
            ),
            Self::Data { path, error } => write!(
                f,
                "cannot use the data directory {}: {error}.\n\
                 Take another: `--data DIR`, or keep nothing: `--ephemeral`.",
                path.display()
            ),
            Self::Database(error) => write!(f, "{error}"),
            Self::PortFile { path, error } => write!(f, "cannot write the port file {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for StartError {}
