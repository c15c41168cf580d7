//! `cargo bench`: what the server costs, as ratios to a floor measured in the same run.
//!
//! ```text
//! cargo bench                          all figures, one markdown table
//! cargo bench -- writes fan            those whose name contains one of these words
//! cargo bench -- realtime --peer       the realtime protocol, beside npm firebase-server (Node; fetched by npm ci)
//! cargo bench -- --rounds 7 --quick    more rounds, each of them shorter
//! ```
//!
//! The server is the release binary in a process of its own; this process is the load. A floor does the same duty
//! with nothing but the crate below (SQLite, sockets, hyper). Floor and server take turns, so that a noisy neighbour
//! meets both, and each figure is the median of the rounds. CPU is what /proc says of the server's process, user and
//! system.
//!
//! - `measure`: rounds, medians, the table
//! - `client`: a lean HTTP client on tokio; `websocket`, `realtime`: one of the realtime protocol; `receivers`:
//!   thousands of sockets that are read
//! - `floor`: what the floors serve, run as child processes of this program; `sqlite`: the floor of the store
//! - `peer`: firebase-server
//! - one file per figure: `writes`, `reads`, `fan_out`, `rooms`, `windows`, `idle`, `start_up`, `million`

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench: what is wrong here shall stop it, and its numbers are small"
)]

mod client;
mod fan_out;
mod floor;
mod idle;
mod measure;
mod million;
mod peer;
mod reads;
mod realtime;
mod receivers;
mod rooms;
mod sqlite;
mod start_up;
mod websocket;
mod windows;
mod writes;

#[path = "../support/server_process.rs"]
mod server_process;

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use self::measure::{Setup, Table};

/// A figure, or a family of them: name, and what adds its rows.
type Figure = (&'static str, fn(&Setup, &mut Table));

const FIGURES: [Figure; 12] = [
    ("writes", writes::rest),
    ("rules", writes::under_rules),
    ("fan-out", fan_out::streams),
    ("idle", idle::streams),
    ("reads", reads::run),
    ("start-up", start_up::run),
    ("million", million::run),
    ("realtime-writes", writes::over_realtime),
    ("realtime-fan-out", fan_out::realtime),
    ("realtime-rooms", rooms::run),
    ("realtime-idle", idle::web_sockets),
    ("realtime-windows", windows::run),
];

/// Open files that the largest figure needs in one process.
const FILES: u64 = 12_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, duty] = arguments.as_slice()
        && flag == "--floor"
    {
        return floor::serve(duty);
    }
    raise_file_limit();
    let mut setup = Setup::new();
    let mut names = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peer" => setup.with_peer = true,
            "--quick" => setup.is_quick = true,
            "--rounds" => setup.rounds = arguments.next().and_then(|text| text.parse().ok()).expect("--rounds NUMBER"),
            name => names.push(name.to_owned()),
        }
    }
    let mut table = Table::default();
    for (name, figure) in FIGURES {
        if names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str())) {
            eprintln!("{name} ...");
            figure(&setup, &mut table);
        }
    }
    println!("{}", table.markdown(&setup));
}

/// Starts this program again with as many open files as the system allows, unless it has enough.
fn raise_file_limit() {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or("");
    let mut numbers = line.split_whitespace().map_while(|field| field.parse::<u64>().ok());
    let (soft, hard) = (numbers.next().unwrap_or(u64::MAX), numbers.next().unwrap_or(u64::MAX));
    if soft < FILES && hard > soft {
        let program = env::current_exe().unwrap();
        let script = "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\"";
        let error = Command::new("sh").args(["-c", script]).arg(program).args(env::args().skip(1)).exec();
        eprintln!("cannot raise the limit of open files: {error}");
    }
}
