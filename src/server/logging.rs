//! Log lines on standard error, for people or for programs.
//!
//! House rule: no secrets, and no URLs as they were sent (they carry tokens and session ids), at any level.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use super::config::{Config, LogFormat};

/// Begins logging for this process. Later calls do nothing.
pub fn init(config: &Config) {
    // The migrations of each new database are no news, unless they fail.
    let filter = EnvFilter::new(format!("refinery_core=warn,{}", config.log_level));
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = match config.log_format {
        LogFormat::Text => builder.with_ansi(wants_colour()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

fn wants_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
