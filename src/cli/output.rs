//! What is printed: results on standard output, errors on standard error, colours only on a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use super::{FAILED, OK};

/// Prints a result. A reader that went away (`| head`) is no error, but the end.
pub fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => ExitCode::from(OK),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(OK),
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Prints an error and gives back its exit code.
pub fn complain(error: &dyn Display, code: u8) -> ExitCode {
    let name = Paint::for_stderr().warning("beaconfire:");
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "{name} {error}");
    ExitCode::from(code)
}

/// Puts colours around text, or not.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    is_on: bool,
}

impl Paint {
    /// On a terminal, unless `NO_COLOR` is set.
    pub fn for_stdout() -> Self {
        Self { is_on: io::stdout().is_terminal() && may_colour() }
    }

    pub fn for_stderr() -> Self {
        Self { is_on: io::stderr().is_terminal() && may_colour() }
    }

    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub fn warning(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub fn wrap(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn may_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
