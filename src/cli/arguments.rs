//! Commands and flags. The flags of the server come from its table of settings.

#![allow(clippy::doc_markdown, reason = "the comments on commands and flags are their help on a terminal")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Args, Command, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::server::config::{KEYS, Key as Setting};
use crate::server::units::{self, DURATION_FORM};
use crate::server::{Config, Settings};

/// A realtime database that you host yourself, for pages and programs written for Firebase.
///
/// Without a command it serves. Every flag of the server can also be given in the environment (--presence-grace as
/// BEACONFIRE_PRESENCE_GRACE) or in a TOML file (as presence_grace, with --config FILE). Flags win over the
/// environment, the environment over the file.
#[derive(Debug, Parser)]
#[command(name = "beaconfire", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Order>,
}

#[derive(Debug, Subcommand)]
pub enum Order {
    /// Run the server; the same as no command at all
    Serve,
    /// Read a value
    #[command(after_help = GET_EXAMPLES)]
    Get(Get),
    /// Replace a value
    #[command(after_help = SET_EXAMPLES)]
    Set(Write),
    /// Add a child under a new key that sorts by time, and print the key
    Push(Write),
    /// Replace the named children (keys may be deep paths), all or none; null removes
    Update(Write),
    /// Remove a value and all below it
    Remove(Place),
    /// Print changes as they happen, until stopped; reconnects by itself
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(Watch),
    /// Check a rules file, test it, and ask a server why something is allowed or denied
    #[command(subcommand, after_help = RULES_EXAMPLES)]
    Rules(Rules),
    /// Make, list and revoke administrators' keys: what opens a server in production
    #[command(subcommand, after_help = KEY_EXAMPLES)]
    Key(Key),
    /// Print the effective configuration as a TOML file, with what each setting means and where it comes from
    Config,
    /// Print a script that completes commands and flags, for one shell
    Completions {
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
}

/// Where a client command goes.
#[derive(Args, Debug)]
pub struct Place {
    /// A path such as /rooms/x, or the URL of a place on any server, hosted ones too, with or without .json
    #[arg(value_name = "URL-or-PATH")]
    pub at: String,
    /// Server for a PATH
    #[arg(long, value_name = "URL", env = "BEACONFIRE_URL", default_value = "http://127.0.0.1:9000")]
    pub url: String,
    /// Database, if it is not the server's default or in the URL
    #[arg(long, value_name = "NAME")]
    pub ns: Option<String>,
    /// Token or key that says who you are (sent as auth=TOKEN, an administrator's key as access_token=KEY)
    #[arg(long, value_name = "TOKEN", env = "BEACONFIRE_AUTH", hide_env_values = true)]
    pub auth: Option<String>,
    /// REST parameter, as in -q 'orderBy="$key"' -q limitToFirst=10; may be repeated
    #[arg(short, long = "query", value_name = "NAME=VALUE")]
    pub queries: Vec<String>,
    /// Print JSON for programs: one line for each answer or event, no colours
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Get {
    #[command(flatten)]
    pub place: Place,
    /// Only the keys of the children, each with the value true
    #[arg(long)]
    pub shallow: bool,
    /// With priorities (.priority and .value)
    #[arg(long)]
    pub export: bool,
    /// In several lines; on a terminal that is so anyway
    #[arg(long, conflicts_with = "json")]
    pub pretty: bool,
}

#[derive(Args, Debug)]
pub struct Write {
    #[command(flatten)]
    pub place: Place,
    /// JSON; or @FILE; or - to read standard input
    #[arg(value_name = "DATA", allow_hyphen_values = true)]
    pub data: String,
}

#[derive(Args, Debug)]
pub struct Watch {
    #[command(flatten)]
    pub place: Place,
    /// Child events instead of put and patch: child_added, child_changed, child_removed, child_moved, value
    #[arg(long, value_name = "EVENT,...")]
    pub on: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Look for mistakes in a rules file: each is printed as FILE:LINE:COLUMN: TEXT. Exit code 1 if there is any
    Check {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Ask a rules file who may do what, without a server. Exit code 1 if a case comes out otherwise than it says
    #[command(after_help = CASES_EXAMPLE)]
    Test {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// JSON file with data and cases
        #[arg(long, value_name = "CASES.json")]
        cases: PathBuf,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Ask a server why a read or a write would be allowed or denied: each rule, and what each part of it came to.
    /// Nothing is written
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
}

#[derive(Args, Debug)]
pub struct Explain {
    /// Path to be read
    #[arg(long, value_name = "PATH", required_unless_present_any = ["write", "update"], conflicts_with = "write")]
    pub read: Option<String>,
    /// Path to be replaced, by --value
    #[arg(long, value_name = "PATH", requires = "value", conflicts_with = "update")]
    pub write: Option<String>,
    /// Path below which children are replaced, by --value
    #[arg(long, value_name = "PATH", requires = "value", conflicts_with = "read")]
    pub update: Option<String>,
    /// JSON to be written; or @FILE; or - to read standard input
    #[arg(long, value_name = "JSON", allow_hyphen_values = true, conflicts_with = "read")]
    pub value: Option<String>,
    /// Query of the read, such as '{"orderBy":"at","limitToLast":10}'
    #[arg(long, value_name = "JSON", requires = "read")]
    pub query: Option<String>,
    /// Who asks: the auth variable of rules, such as '{"uid":"ann"}'; or admin. Without it nobody
    #[arg(long, value_name = "JSON")]
    pub auth: Option<String>,
    /// The variable now, in ms since 1970, if it is not to be the server's
    #[arg(long, value_name = "MS")]
    pub now: Option<i64>,
    /// The server
    #[arg(long, value_name = "URL", env = "BEACONFIRE_URL", default_value = "http://127.0.0.1:9000")]
    pub url: String,
    /// Database, if it is not the server's default
    #[arg(long, value_name = "NAME")]
    pub ns: Option<String>,
    /// Your key: in production only administrators may ask
    #[arg(long, value_name = "KEY", env = "BEACONFIRE_AUTH", hide_env_values = true)]
    pub token: Option<String>,
    /// Print the server's answer as it is
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key, and print it: this once, since only its fingerprint is kept
    Create {
        /// What it is for, for your own memory
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
        /// How long it is valid, such as 12h or 90d; without it until it is revoked
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
        #[command(flatten)]
        file: KeyFile,
    },
    /// List all keys, revoked ones too
    List {
        #[command(flatten)]
        file: KeyFile,
    },
    /// End a key. A running server refuses it within seconds
    Revoke {
        /// As `list` shows it: the middle part of the key
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        file: KeyFile,
    },
}

/// Where keys are.
#[derive(Args, Debug)]
pub struct KeyFile {
    /// The server's data directory; the keys are in admin-keys.json there
    #[arg(long, value_name = "DIR", env = "BEACONFIRE_DATA", default_value = "./beaconfire-data")]
    pub data: PathBuf,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = units::duration(text).filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| format!("expected {DURATION_FORM}"))
}

const EXAMPLES: &str = "\
Examples:
  beaconfire                                    serve on 127.0.0.1:9000, data in ./beaconfire-data
  beaconfire --port 0 --ephemeral               serve on any free port, keep nothing
  beaconfire config > beaconfire.toml           write all settings down, to change some
  beaconfire --config beaconfire.toml           serve with them
  beaconfire set /rooms/a '{\"topic\":\"fire\"}'    write
  beaconfire get /rooms                         read
  beaconfire watch /rooms                       see changes as they happen
  beaconfire get https://example.firebaseio.com/rooms --auth TOKEN

Exit codes:
  0 done   1 refused or failed   2 a command, setting, URL or JSON that cannot be   3 no server reached
  130, 143 a second Ctrl+C or SIGTERM cut the server's stop short";

const GET_EXAMPLES: &str = "\
Examples:
  beaconfire get /rooms
  beaconfire get /users -q 'orderBy=\"$key\"' -q 'startAt=\"b\"' -q limitToFirst=10
  beaconfire get /backup --export > backup.json";

const SET_EXAMPLES: &str = "\
Examples:
  beaconfire set /rooms/a/topic '\"fire\"'        a string needs its quotes
  beaconfire set /rooms @rooms.json
  echo '{\"a\":1}' | beaconfire set /rooms -";

const WATCH_EXAMPLES: &str = "\
Examples:
  beaconfire watch /rooms
  beaconfire watch /rooms --on child_added,child_removed
  beaconfire watch /rooms --on child_added --json | while read -r event; do echo \"$event\"; done";

const RULES_EXAMPLES: &str = "\
Examples:
  beaconfire rules check database.rules.json
  beaconfire rules test database.rules.json --cases cases.json
  beaconfire rules explain --read /rooms/a --auth '{\"uid\":\"ann\"}'
  beaconfire rules explain --write /rooms/a/topic --value '\"fire\"'";

const CASES_EXAMPLE: &str = "\
A file of cases:
  {
    \"data\": {\"rooms\": {\"a\": {\"members\": {\"ann\": true}}}},
    \"cases\": [
      {\"name\": \"members read\", \"auth\": {\"uid\": \"ann\"}, \"read\": \"/rooms/a\", \"allow\": true},
      {\"name\": \"others do not\", \"auth\": null, \"read\": \"/rooms/a\", \"allow\": false},
      {\"auth\": {\"uid\": \"ann\"}, \"write\": \"/rooms/a/topic\", \"value\": \"fire\", \"allow\": true},
      {\"auth\": \"admin\", \"update\": \"/\", \"values\": {\"a/b\": 1}, \"now\": 0, \"allow\": true}
    ]
  }
Every case finds the data as it stands there. A read may have a \"query\", such as {\"orderBy\": \"at\"}.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  beaconfire rules explain --read /rooms/a --auth '{\"uid\":\"ann\"}'
  beaconfire rules explain --read /rooms --query '{\"orderBy\":\"owner\",\"equalTo\":\"ann\"}'
  beaconfire rules explain --write /rooms/a/topic --value '\"fire\"' --token KEY
  beaconfire rules explain --update /rooms/a --value '{\"topic\":\"fire\",\"at\":{\".sv\":\"timestamp\"}}'";

const KEY_EXAMPLES: &str = "\
Examples:
  beaconfire key create --label backup --expires 90d
  KEY=$(beaconfire key create --data /var/lib/beaconfire)
  curl -H \"Authorization: Bearer $KEY\" https://db.example.org/.json
  beaconfire key list
  beaconfire key revoke 3f0c9a1b7e";

/// The whole command line.
pub fn command() -> Command {
    let command = Arguments::command().args(server_arguments());
    let command = command.mut_subcommand("serve", |serve| serve.args(server_arguments()));
    command.mut_subcommand("config", |config| config.args(server_arguments()))
}

/// The settings among the flags that were given.
pub fn flags(matches: &ArgMatches) -> Settings {
    let mut settings = Settings::default();
    for key in KEYS {
        if let Some(text) = matches.get_one::<String>(key.name) {
            settings.put_flag(key, text.clone());
        }
    }
    settings
}

fn server_arguments() -> impl Iterator<Item = Arg> {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .env("BEACONFIRE_CONFIG")
        .help_heading("Server")
        .help("TOML file with settings; `beaconfire config` prints one");
    std::iter::once(config).chain(KEYS.iter().map(argument))
}

fn argument(key: &'static Setting) -> Arg {
    let default = (key.show)(&Config::default());
    let default = default.trim_matches('"');
    let note = if default.is_empty() { String::new() } else { format!(" [default: {default}]") };
    let argument = Arg::new(key.name).long(key.flag()).help(format!("{}{note}", key.help)).help_heading(key.section);
    if key.is_switch() {
        argument.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        argument.value_name(key.value_name).allow_hyphen_values(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn switch_needs_no_value_and_takes_one() {
        let config = |arguments: &[&str]| {
            let matches = command().try_get_matches_from(arguments).unwrap();
            flags(&matches).config().unwrap()
        };
        assert!(config(&["beaconfire", "--ephemeral", "--port", "1"]).ephemeral);
        assert!(!config(&["beaconfire", "--ephemeral=false"]).ephemeral);
        assert!(command().try_get_matches_from(["beaconfire", "--port", "1", "get", "/x"]).is_err());
    }
}
