//! The command line: `serve` and the client commands.
//!
//! - `arguments`: commands and flags; those of the server come from its table of settings
//! - `serve`: runs the server: settings, greeting, signals
//! - `output`: results, errors, colours

mod arguments;
mod output;
mod serve;

use std::process::ExitCode;

const OK: u8 = 0;
/// It was tried and did not work.
const FAILED: u8 = 1;
/// What was asked makes no sense: flags, settings, a URL or JSON that cannot be.
const USAGE: u8 = 2;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let matches = arguments::command().get_matches();
    match matches.subcommand() {
        Some(("config", matches)) => serve::print_config(matches),
        Some(("serve", matches)) => serve::run(matches),
        _ => serve::run(&matches),
    }
}
