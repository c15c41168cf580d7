//! The command line: `serve` and the client commands.
//!
//! - `arguments`: commands and flags; those of the server come from its table of settings
//! - `serve`: runs the server: settings, greeting, signals
//! - `place`: from `/rooms/x` or a URL to the URL of a request; `client`: sends it
//! - `data`: get, set, push, update, remove; `watch`, `events`: streams
//! - `rules`: check, test; `explain`: what a server says of its own, and explanations as text; `key`: administrators'
//!   keys
//! - `output`, `colour`: results, errors, colours

mod arguments;
mod client;
mod colour;
mod data;
mod events;
mod explain;
mod key;
mod output;
mod place;
mod rules;
mod serve;
mod watch;

use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches};
use tokio::runtime::Builder;

use self::arguments::{Arguments, Order, Rules};
use self::client::ClientError;
use self::output::{complain, complain_json, say};

const OK: u8 = 0;
/// It was tried and did not work.
const FAILED: u8 = 1;
/// What was asked makes no sense: flags, settings, a URL or JSON that cannot be.
const USAGE: u8 = 2;
/// A client command reached no server.
const UNREACHED: u8 = 3;

/// Runs the command that the process was started with. Exit codes: see `beaconfire --help`.
pub fn main() -> ExitCode {
    let matches = arguments::command().get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let own = matches.subcommand().map_or(&matches, |(_, own): (&str, &ArgMatches)| own);
    match arguments.command {
        None | Some(Order::Serve) => serve::run(own),
        Some(Order::Config) => serve::print_config(own),
        Some(Order::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut arguments::command(), "beaconfire", &mut script);
            say(&String::from_utf8_lossy(&script))
        }
        Some(Order::Key(order)) => key::run(order),
        Some(Order::Rules(Rules::Check { file, json })) => rules::check(&file, json),
        Some(order) => ask(&order),
    }
}

/// Runs a client command.
fn ask(order: &Order) -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, FAILED),
    };
    let (outcome, is_json) = match order {
        Order::Get(get) => (runtime.block_on(data::get(get)), get.place.json),
        Order::Set(write) => (runtime.block_on(data::set(write)), write.place.json),
        Order::Push(write) => (runtime.block_on(data::push(write)), write.place.json),
        Order::Update(write) => (runtime.block_on(data::update(write)), write.place.json),
        Order::Remove(place) => (runtime.block_on(data::remove(place)), place.json),
        Order::Watch(watch) => (runtime.block_on(watch::watch(watch)), watch.place.json),
        Order::Rules(Rules::Test { file, cases, json }) => (runtime.block_on(rules::test(file, cases, *json)), *json),
        Order::Rules(Rules::Explain(explain)) => (runtime.block_on(explain::explain(explain)), explain.json),
        Order::Serve | Order::Config | Order::Completions { .. } | Order::Key(_) | Order::Rules(_) => {
            (Ok(ExitCode::from(OK)), false)
        }
    };
    outcome.unwrap_or_else(
        |error: ClientError| {
            if is_json { complain_json(&error, error.code()) } else { complain(&error, error.code()) }
        },
    )
}
