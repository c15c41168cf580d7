//! What is printed: results on standard output, errors on standard error, colours only on a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use super::{FAILED, OK};

/// Prints a result. If that fails the exit code is not 0: nobody reads any more.
pub fn say(text: &str) -> ExitCode {
    let mut out = io::stdout();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::from(if printed.is_ok() { OK } else { FAILED })
}

/// Prints an error and gives back its exit code.
pub fn complain(error: &dyn Display, code: u8) -> ExitCode {
    note(&error.to_string());
    ExitCode::from(code)
}

/// The same for programs: `{"error":"..."}`.
pub fn complain_json(error: &dyn Display, code: u8) -> ExitCode {
    // Nobody is left to tell if standard error is closed; the exit code still says it.
    let _ = writeln!(io::stderr(), "{}", serde_json::json!({ "error": error.to_string() }));
    ExitCode::from(code)
}

/// Says something to the person at the terminal, beside the result.
pub fn note(text: &str) {
    let name = Paint::for_stderr().warning("beaconfire:");
    let _ = writeln!(io::stderr(), "{name} {text}");
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

    pub fn off() -> Self {
        Self { is_on: false }
    }

    #[cfg(test)]
    pub fn on() -> Self {
        Self { is_on: true }
    }

    pub fn is_on(self) -> bool {
        self.is_on
    }

    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub fn quiet(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub fn warning(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn may_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
