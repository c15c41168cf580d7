//! Commands and flags. The flags of the server come from its table of settings.

use clap::{Arg, ArgMatches, Command};

use crate::server::Settings;
use crate::server::config::{KEYS, Key};

pub fn command() -> Command {
    Command::new("beaconfire")
        .version(env!("CARGO_PKG_VERSION"))
        .args(server_arguments())
        .subcommand(Command::new("serve").about("Run the server (the default)").args(server_arguments()))
        .subcommand(Command::new("config").about("Print the effective configuration").args(server_arguments()))
}

fn server_arguments() -> impl Iterator<Item = Arg> {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .env("BEACONFIRE_CONFIG")
        .help("TOML file with settings (`beaconfire config` prints one)");
    std::iter::once(config).chain(KEYS.iter().map(argument))
}

fn argument(key: &'static Key) -> Arg {
    let argument = Arg::new(key.name).long(key.flag()).help(key.help).help_heading(key.section);
    if key.is_switch() {
        argument.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        argument.value_name(key.value_name)
    }
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
