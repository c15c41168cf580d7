//! Runs the server: settings, greeting, signals.
//!
//! Exit codes: 0 after a stop that was asked for; 1 if it cannot start; 2 for settings that cannot be; 130 or 143 if a
//! second signal (SIGINT, SIGTERM) cut the stop short.

use std::fmt::Write;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::arguments::flags;
use super::output::{Paint, complain, say};
use super::{FAILED, USAGE};
use crate::protocols::Namespace;
use crate::server::config::Durability;
use crate::server::{Config, Server, Settings, SettingsError, logging};

/// Serves until told to stop.
pub fn run(matches: &ArgMatches) -> ExitCode {
    let config = match settings(matches).and_then(|settings| settings.config()) {
        Ok(config) => config,
        Err(error) => return complain(&error, USAGE),
    };
    logging::init(&config);
    match Runtime::new() {
        Ok(runtime) => runtime.block_on(serve(config)),
        Err(error) => complain(&format!("the system gives no threads: {error}"), FAILED),
    }
}

/// `beaconfire config`: prints the effective configuration.
pub fn print_config(matches: &ArgMatches) -> ExitCode {
    match settings(matches).and_then(|settings| settings.print()) {
        Ok(text) => say(&text),
        Err(error) => complain(&error, USAGE),
    }
}

/// The settings of flags, environment and file.
fn settings(matches: &ArgMatches) -> Result<Settings, SettingsError> {
    let variables = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    let stronger = flags(matches).over(Settings::from_variables(variables)?);
    match matches.get_one::<String>("config") {
        Some(path) => Ok(stronger.over(Settings::from_file(Path::new(path))?)),
        None => Ok(stronger),
    }
}

async fn serve(config: Config) -> ExitCode {
    // Before the port file tells anyone that there is somebody to send signals to.
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return complain(&format!("cannot listen for signals: {error}"), FAILED),
    };
    let server = match Server::start(config).await {
        Ok(server) => server,
        Err(error) => return complain(&error, FAILED),
    };
    say(&greeting(&server, Paint::for_stdout()));
    let drain = CancellationToken::new();
    let leftover = server.config().ephemeral.then(|| server.data().to_owned());
    tokio::spawn(signals.watch(drain.clone(), leftover, server.reload()));
    server.run(drain).await;
    tracing::info!("stopped");
    ExitCode::SUCCESS
}

struct Signals {
    reload: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// SIGHUP reads files again. The first other signal drains, the second ends the process at once. Acknowledged
    /// writes are safe either way.
    async fn watch(mut self, drain: CancellationToken, leftover: Option<PathBuf>, reload: watch::Sender<()>) {
        self.next(&reload).await;
        tracing::info!("stopping: running requests may finish; a second signal ends it at once");
        drain.cancel();
        let code = self.next(&reload).await;
        if let Some(path) = leftover {
            let _ = std::fs::remove_dir_all(path);
        }
        std::process::exit(code);
    }

    /// The exit code that belongs to the next signal.
    async fn next(&mut self, reload: &watch::Sender<()>) -> i32 {
        loop {
            tokio::select! {
                _ = self.reload.recv() => reload.send_replace(()),
                _ = self.interrupt.recv() => return 130,
                _ = self.terminate.recv() => return 143,
            }
        }
    }
}

/// What a newcomer needs to know about a server that has started.
fn greeting(server: &Server, paint: Paint) -> String {
    let (config, address) = (server.config(), server.address());
    // An address that stands for all of them is nothing to put into a browser.
    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let host = if host.is_ipv6() { format!("[{host}]") } else { host.to_string() };
    let scheme = if server.has_tls() { "https" } else { "http" };
    let url = format!("{scheme}://{host}:{}", address.port());
    let mode = if config.production {
        "production: rules decide, credentials are verified".to_owned()
    } else if address.ip().is_loopback() {
        "emulator: rules decide once there are some, credentials are not verified".to_owned()
    } else {
        paint.warning("emulator, PUBLIC: everyone who reaches this address may read and write everything")
    };
    let mut out = format!("{} {} is ready.\n\n", paint.strong("Beaconfire"), env!("CARGO_PKG_VERSION"));
    let rows = [("URL", paint.strong(&url)), ("Mode", mode), ("Data", data(server)), ("Database", databases(config))];
    let rules = server.rules_file().map(|path| ("Rules", format!("{}, read again when it changes", path.display())));
    let demo = (!config.production).then(|| ("Demo", format!("{url}/demo/")));
    let possible = server.connections_max();
    let limit = format!("{possible} connections at once, since this process may not open more files (see `ulimit -n`)");
    let limit = (possible < config.connections_max).then_some(("Limit", limit));
    let redirect = server.redirect_address().map(|address| ("Redirect", format!("http://{address} sends to https")));
    for (name, text) in rows.into_iter().chain(rules).chain(demo).chain(redirect).chain(limit) {
        let _ = writeln!(out, "  {name:<10}{text}");
    }
    if config.production {
        out.push_str("\n  Stop with Ctrl+C; SIGHUP reads rules, keys and certificates again.\n");
        return out;
    }
    let script = paint.strong(&format!("<script src=\"{url}/firebase.js\"></script>"));
    let _ = write!(out, "\n  Paste into a page:\n    {script}\n\n  Try it:\n    curl -X PUT -d '\"hello\"' ");
    let _ = write!(out, "'{url}/greeting.json'\n\n  Stop with Ctrl+C.\n");
    out
}

fn databases(config: &Config) -> String {
    let named: Vec<&str> = config.databases.iter().map(Namespace::as_str).collect();
    if config.production && !named.is_empty() {
        return format!("{}, and those that are stored; others are not found", named.join(", "));
    }
    format!("{} where a request names none", config.default_namespace)
}

fn data(server: &Server) -> String {
    let path = server.data().display();
    match server.config().durability {
        _ if server.config().ephemeral => format!("{path}, removed at the end (--ephemeral)"),
        Durability::Full => format!("{path}, durability full: an acknowledged write survives power loss"),
        Durability::Relaxed => {
            format!("{path}, durability relaxed: power loss may take the last seconds of acknowledged writes")
        }
    }
}
