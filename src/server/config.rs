//! Every setting of the server, in one table: name, meaning, default, what is allowed.
//!
//! The same table makes the flags (`--presence-grace`), the environment (`BEACONFIRE_PRESENCE_GRACE`), the keys of the
//! TOML file (`presence_grace`), the help and what `beaconfire config` prints. To add a setting: a field, and a row in
//! [`KEYS`].

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::units::{DURATION_FORM, SIZE_FORM, duration, duration_text, size, size_text};
use crate::base::limits;
use crate::protocols::Namespace;

/// The effective configuration. Units and meanings: see [`KEYS`], row by row.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Clone, Debug)]
pub struct Config {
    pub host: String,
    pub port: u16,
    pub port_file: Option<PathBuf>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub http_redirect: Option<SocketAddr>,
    pub data: PathBuf,
    pub ephemeral: bool,
    pub durability: Durability,
    pub allow_public_emulator: bool,
    pub production: bool,
    pub rules: Option<PathBuf>,
    pub databases: Vec<Namespace>,
    pub secrets_file: Option<PathBuf>,
    pub issuers_file: Option<PathBuf>,
    pub firebase_project: Option<String>,
    pub default_namespace: Namespace,
    pub base_domain: Option<String>,
    pub trust_forwarded_host: bool,
    pub presence_grace: Duration,
    pub keep_alive: Duration,
    pub ping_interval: Duration,
    pub silence_max: Duration,
    pub poll_silence_max: Duration,
    pub outbox_bytes: u64,
    pub connections_max: usize,
    pub log_retention_records: u64,
    pub log_retention_bytes: u64,
    pub log_retention_age: Duration,
    pub log_level: String,
    pub log_format: LogFormat,
}

/// What an acknowledged write has survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk: power loss cannot take it.
    Full,
    /// The operating system has it: `kill -9` cannot take it, power loss may take the last second or so.
    Relaxed,
}

/// How log lines look on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// One setting.
pub struct Key {
    /// As in the file; the flag has `-` for `_`, the environment variable is `BEACONFIRE_` and upper case.
    pub name: &'static str,
    /// The group it is shown in.
    pub section: &'static str,
    /// What it means, units included.
    pub help: &'static str,
    /// What may be given, for messages.
    pub allowed: &'static str,
    /// A placeholder for the value in the help; empty for a switch.
    pub value_name: &'static str,
    /// Takes a text in; `None` if it is not allowed.
    pub set: fn(&mut Config, &str) -> Option<()>,
    /// As TOML.
    pub show: fn(&Config) -> String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 9_000,
            port_file: None,
            tls_cert: None,
            tls_key: None,
            http_redirect: None,
            data: PathBuf::from("./beaconfire-data"),
            ephemeral: false,
            durability: Durability::Full,
            allow_public_emulator: false,
            production: false,
            rules: None,
            databases: Vec::new(),
            secrets_file: None,
            issuers_file: None,
            firebase_project: None,
            // Cannot fail: the name is a valid one, as a test asserts.
            default_namespace: Namespace::parse("default").expect("a valid name"),
            base_domain: None,
            trust_forwarded_host: false,
            presence_grace: Duration::from_secs(10),
            keep_alive: Duration::from_secs(30),
            ping_interval: Duration::from_secs(limits::PING_SECONDS),
            silence_max: Duration::from_secs(limits::SILENCE_SECONDS),
            poll_silence_max: Duration::from_secs(limits::POLL_SILENCE_SECONDS),
            outbox_bytes: u64::try_from(limits::OUTBOX_BYTES_MAX).unwrap_or(u64::MAX),
            connections_max: limits::CONNECTIONS_MAX,
            log_retention_records: 100_000,
            log_retention_bytes: 64 << 20,
            log_retention_age: Duration::from_hours(24),
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

const SERVER: &str = "Server";
const ACCESS: &str = "Access";
const STORAGE: &str = "Storage";
const DATABASES: &str = "Databases";
const CLIENTS: &str = "Clients";
const LOGGING: &str = "Logging";
const SWITCH: &str = "true or false";
const MOMENT_FORM: &str = "a duration of at least 10ms, such as 500ms or 30s";

/// The table of settings.
pub const KEYS: &[Key] = &[
    Key {
        name: "host",
        section: SERVER,
        help: "Address to listen on. Only a loopback address unless allow_public_emulator is set",
        allowed: "an IP address, such as 127.0.0.1, ::1 or 0.0.0.0, or localhost",
        value_name: "ADDRESS",
        set: |config, text| {
            (text == "localhost" || text.parse::<IpAddr>().is_ok()).then(|| text.clone_into(&mut config.host))
        },
        show: |config| quoted(&config.host),
    },
    Key {
        name: "port",
        section: SERVER,
        help: "TCP port to listen on. 0 picks a free one and prints it",
        allowed: "a number from 0 to 65535",
        value_name: "PORT",
        set: |config, text| text.parse().ok().map(|port| config.port = port),
        show: |config| config.port.to_string(),
    },
    Key {
        name: "port_file",
        section: SERVER,
        help: "File that holds the port while the server listens, for scripts that start it with port 0. Empty: none",
        allowed: "a path, or nothing",
        value_name: "FILE",
        set: |config, text| path(text, &mut config.port_file),
        show: |config| shown_path(config.port_file.as_ref()),
    },
    Key {
        name: "tls_cert",
        section: SERVER,
        help: "PEM file with the server's certificate and the chain behind it: the port then speaks https only. Read \
               anew when it changes. Empty: no TLS",
        allowed: "a path, or nothing",
        value_name: "FILE",
        set: |config, text| path(text, &mut config.tls_cert),
        show: |config| shown_path(config.tls_cert.as_ref()),
    },
    Key {
        name: "tls_key",
        section: SERVER,
        help: "PEM file with the private key of tls_cert, without a passphrase. Read anew when it changes",
        allowed: "a path, or nothing",
        value_name: "FILE",
        set: |config, text| path(text, &mut config.tls_key),
        show: |config| shown_path(config.tls_key.as_ref()),
    },
    Key {
        name: "http_redirect",
        section: SERVER,
        help: "Second address to listen on, without TLS, that sends every request to https. Only with tls_cert. Empty: \
               none",
        allowed: "an IP address with a port, such as 0.0.0.0:80 or [::]:80, or nothing",
        value_name: "ADDRESS",
        set: |config, text| {
            config.http_redirect = if text.is_empty() { None } else { Some(text.parse().ok()?) };
            Some(())
        },
        show: |config| quoted(&config.http_redirect.map(|address| address.to_string()).unwrap_or_default()),
    },
    Key {
        name: "allow_public_emulator",
        section: SERVER,
        help: "Listen on an address that others can reach, although the emulator lets everyone read and write \
               everything",
        allowed: SWITCH,
        value_name: "",
        set: |config, text| text.parse().ok().map(|on| config.allow_public_emulator = on),
        show: |config| config.allow_public_emulator.to_string(),
    },
    Key {
        name: "connections_max",
        section: SERVER,
        help: "Open connections. When all are taken, newcomers wait in the kernel's queue until one ends",
        allowed: "a number from 1 to 1000000",
        value_name: "COUNT",
        set: |config, text| within(text, 1, 1_000_000).map(|count| config.connections_max = count),
        show: |config| config.connections_max.to_string(),
    },
    Key {
        name: "production",
        section: ACCESS,
        help: "Let nobody do what rules do not allow: rules and a key are required at start, credentials are verified, \
               databases do not spring into being, and nothing of an emulator is there",
        allowed: SWITCH,
        value_name: "",
        set: |config, text| text.parse().ok().map(|on| config.production = on),
        show: |config| config.production.to_string(),
    },
    Key {
        name: "rules",
        section: ACCESS,
        help: "File with the security rules of all databases; read again when it changes and on SIGHUP, and a broken \
               one changes nothing. Empty: the rules that were uploaded. Other than in production, a firebase.json in \
               the working directory may name it",
        allowed: "a path, or nothing",
        value_name: "FILE",
        set: |config, text| path(text, &mut config.rules),
        show: |config| shown_path(config.rules.as_ref()),
    },
    Key {
        name: "secrets_file",
        section: ACCESS,
        help: "File with database secrets, one in a line, of at least 32 bytes each: who shows one is an \
               administrator, and tokens signed with one (HS256) are believed. Read again when it changes. Only in \
               production",
        allowed: "a path, or nothing",
        value_name: "FILE",
        set: |config, text| path(text, &mut config.secrets_file),
        show: |config| shown_path(config.secrets_file.as_ref()),
    },
    Key {
        name: "issuers_file",
        section: ACCESS,
        help: "JSON file with the OIDC issuers whose tokens are believed, a list of objects such as \
               {\"issuer\": \"https://id.example.com\", \"audiences\": [\"my-app\"]}. Read again when it changes. Only in \
               production",
        allowed: "a path, or nothing",
        value_name: "FILE",
        set: |config, text| path(text, &mut config.issuers_file),
        show: |config| shown_path(config.issuers_file.as_ref()),
    },
    Key {
        name: "firebase_project",
        section: ACCESS,
        help: "Firebase project whose ID tokens are believed. Empty: none. Only in production",
        allowed: "letters, digits and -, or nothing",
        value_name: "PROJECT",
        set: |config, text| {
            let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            is_name.then(|| config.firebase_project = Some(text.to_owned()).filter(|text| !text.is_empty()))
        },
        show: |config| quoted(config.firebase_project.as_deref().unwrap_or_default()),
    },
    Key {
        name: "databases",
        section: DATABASES,
        help: "Names of the databases that there are in production, with commas between; those that are stored are \
               there, too. Empty: the default one",
        allowed: "names with commas between: a-z 0-9 _ -, at most 100 characters each; or nothing",
        value_name: "NAMES",
        set: |config, text| {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(|name| Namespace::parse(name).ok()).collect::<Option<_>>().map(|names| config.databases = names)
        },
        show: |config| quoted(&config.databases.iter().map(Namespace::as_str).collect::<Vec<_>>().join(",")),
    },
    Key {
        name: "data",
        section: STORAGE,
        help: "Directory that holds one SQLite file per database; made if it is missing",
        allowed: "a path",
        value_name: "DIR",
        set: |config, text| (!text.is_empty()).then(|| config.data = PathBuf::from(text)),
        show: |config| quoted(&config.data.to_string_lossy()),
    },
    Key {
        name: "ephemeral",
        section: STORAGE,
        help: "Keep nothing: data goes to a fresh temporary directory that is removed at the end; data and durability \
               are ignored",
        allowed: SWITCH,
        value_name: "",
        set: |config, text| text.parse().ok().map(|on| config.ephemeral = on),
        show: |config| config.ephemeral.to_string(),
    },
    Key {
        name: "durability",
        section: STORAGE,
        help: "What an acknowledged write survives. full: power loss; relaxed: kill -9, while power loss may take the \
               last seconds",
        allowed: "full or relaxed",
        value_name: "LEVEL",
        set: |config, text| {
            config.durability = match text {
                "full" => Durability::Full,
                "relaxed" => Durability::Relaxed,
                _ => return None,
            };
            Some(())
        },
        show: |config| quoted(if config.durability == Durability::Full { "full" } else { "relaxed" }),
    },
    Key {
        name: "log_retention_records",
        section: STORAGE,
        help: "Writes that a database remembers, so that streams can resume; a client further behind starts afresh",
        allowed: "a number from 0",
        value_name: "COUNT",
        set: |config, text| text.parse().ok().map(|count| config.log_retention_records = count),
        show: |config| config.log_retention_records.to_string(),
    },
    Key {
        name: "log_retention_bytes",
        section: STORAGE,
        help: "Bytes of remembered writes, for each database",
        allowed: SIZE_FORM,
        value_name: "SIZE",
        set: |config, text| size(text).map(|bytes| config.log_retention_bytes = bytes),
        show: |config| quoted(&size_text(config.log_retention_bytes)),
    },
    Key {
        name: "log_retention_age",
        section: STORAGE,
        help: "Age up to which writes are remembered",
        allowed: DURATION_FORM,
        value_name: "DURATION",
        set: |config, text| duration(text).map(|age| config.log_retention_age = age),
        show: |config| quoted(&duration_text(config.log_retention_age)),
    },
    Key {
        name: "default_namespace",
        section: DATABASES,
        help: "Database for requests that name none, by ns=NAME or by host name",
        allowed: "1 to 100 of a-z 0-9 _ -, the first a letter or digit",
        value_name: "NAME",
        set: |config, text| Namespace::parse(text).ok().map(|name| config.default_namespace = name),
        show: |config| quoted(config.default_namespace.as_str()),
    },
    Key {
        name: "base_domain",
        section: DATABASES,
        help: "Domain whose subdomains are databases: with db.example.com, chat.db.example.com is chat. Empty: only \
               the rule of the Firebase SDKs (first label of three or more, and anything below localhost)",
        allowed: "a domain name, or nothing",
        value_name: "DOMAIN",
        set: |config, text| {
            let domain = text.trim_matches('.');
            let is_domain = domain.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-".contains(letter));
            is_domain.then(|| config.base_domain = Some(domain.to_owned()).filter(|domain| !domain.is_empty()))
        },
        show: |config| quoted(config.base_domain.as_deref().unwrap_or_default()),
    },
    Key {
        name: "trust_forwarded_host",
        section: DATABASES,
        help: "Take the host name from X-Forwarded-Host. Only behind a proxy that always sets it",
        allowed: SWITCH,
        value_name: "",
        set: |config, text| text.parse().ok().map(|on| config.trust_forwarded_host = on),
        show: |config| config.trust_forwarded_host.to_string(),
    },
    Key {
        name: "presence_grace",
        section: CLIENTS,
        help: "How long a session whose stream broke may take to resume before its onDisconnect writes run",
        allowed: DURATION_FORM,
        value_name: "DURATION",
        set: |config, text| duration(text).map(|grace| config.presence_grace = grace),
        show: |config| quoted(&duration_text(config.presence_grace)),
    },
    Key {
        name: "keep_alive",
        section: CLIENTS,
        help: "Silence after which an event stream sends a keep-alive. Clients give up after 45s of silence",
        allowed: MOMENT_FORM,
        value_name: "DURATION",
        set: |config, text| moment(text).map(|period| config.keep_alive = period),
        show: |config| quoted(&duration_text(config.keep_alive)),
    },
    Key {
        name: "ping_interval",
        section: CLIENTS,
        help: "How often a WebSocket is pinged, so that its client shows that it is there",
        allowed: MOMENT_FORM,
        value_name: "DURATION",
        set: |config, text| moment(text).map(|period| config.ping_interval = period),
        show: |config| quoted(&duration_text(config.ping_interval)),
    },
    Key {
        name: "silence_max",
        section: CLIENTS,
        help: "Silence after which the client of a WebSocket counts as dead and its onDisconnect writes run. Longer \
               than ping_interval",
        allowed: MOMENT_FORM,
        value_name: "DURATION",
        set: |config, text| moment(text).map(|period| config.silence_max = period),
        show: |config| quoted(&duration_text(config.silence_max)),
    },
    Key {
        name: "poll_silence_max",
        section: CLIENTS,
        help: "Time without a poll after which a client that long-polls counts as gone and its onDisconnect writes \
               run. Pages in the background poll once a minute",
        allowed: MOMENT_FORM,
        value_name: "DURATION",
        set: |config, text| moment(text).map(|period| config.poll_silence_max = period),
        show: |config| quoted(&duration_text(config.poll_silence_max)),
    },
    Key {
        name: "outbox_bytes",
        section: CLIENTS,
        help: "Bytes that may wait for one stream or WebSocket. Beyond, a slow reader's events are folded into one \
               fresh snapshot, or its connection ends",
        allowed: "a size of at least 1KB, such as 64KB or 4MB",
        value_name: "SIZE",
        set: |config, text| {
            let bytes = size(text).filter(|bytes| *bytes >= 1_024)?;
            config.outbox_bytes = bytes;
            Some(())
        },
        show: |config| quoted(&size_text(config.outbox_bytes)),
    },
    Key {
        name: "log_level",
        section: LOGGING,
        help: "What is logged to standard error: off, error, warn, info, debug, trace; also by part, as in \
               info,beaconfire::engine=debug",
        allowed: "a level, or levels by part as in info,beaconfire::engine=debug",
        value_name: "LEVEL",
        set: |config, text| is_levels(text).then(|| text.clone_into(&mut config.log_level)),
        show: |config| quoted(&config.log_level),
    },
    Key {
        name: "log_format",
        section: LOGGING,
        help: "Log lines for people (text) or for programs (json)",
        allowed: "text or json",
        value_name: "FORMAT",
        set: |config, text| {
            config.log_format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return None,
            };
            Some(())
        },
        show: |config| quoted(if config.log_format == LogFormat::Text { "text" } else { "json" }),
    },
];

impl Key {
    /// `--presence-grace`, without the dashes in front.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// `BEACONFIRE_PRESENCE_GRACE`.
    pub fn variable(&self) -> String {
        format!("BEACONFIRE_{}", self.name.to_ascii_uppercase())
    }

    /// Whether it is a switch: the flag needs no value.
    pub fn is_switch(&self) -> bool {
        self.value_name.is_empty()
    }
}

/// A duration that something may be repeated after.
fn moment(text: &str) -> Option<Duration> {
    duration(text).filter(|period| *period >= Duration::from_millis(10))
}

fn within(text: &str, least: usize, most: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

/// `info`, or `info,beaconfire::engine=debug`. Checked here, since the log filter itself takes any word for a part's
/// name.
fn is_levels(text: &str) -> bool {
    let is_level = |level: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&level);
    text.split(',').all(|part| is_level(part.rsplit_once('=').map_or(part, |(_, level)| level)))
}

#[allow(clippy::unnecessary_wraps, reason = "every path is allowed; others are not")]
fn path(text: &str, place: &mut Option<PathBuf>) -> Option<()> {
    *place = Some(PathBuf::from(text)).filter(|_| !text.is_empty());
    Some(())
}

fn shown_path(path: Option<&PathBuf>) -> String {
    quoted(&path.cloned().unwrap_or_default().to_string_lossy())
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_of_every_key_is_allowed_and_shows_as_itself() {
        let default = Config::default();
        for key in KEYS {
            let shown = (key.show)(&default);
            let value: toml::Table = format!("x = {shown}").parse().unwrap();
            let text = value["x"].as_str().map_or(shown.clone(), str::to_owned);
            let mut config = Config::default();
            assert!((key.set)(&mut config, &text).is_some(), "{}: {text}", key.name);
            assert_eq!((key.show)(&config), shown, "{}", key.name);
        }
    }

    #[test]
    fn nonsense_is_refused_by_every_key_that_is_not_a_path() {
        for key in KEYS.iter().filter(|key| !key.allowed.starts_with("a path")) {
            assert!((key.set)(&mut Config::default(), "no such ] value").is_none(), "{}", key.name);
        }
    }
}
