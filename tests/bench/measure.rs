//! Rounds, medians, and the table they end in.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::server_process::Launch;

/// How to measure, and where.
pub struct Setup {
    pub rounds: usize,
    pub is_quick: bool,
    /// Whether the peer is measured, too.
    pub with_peer: bool,
    folder: tempfile::TempDir,
}

impl Setup {
    pub fn new() -> Self {
        // On a real disk: the temporary folder of the system may be memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { rounds: 5, is_quick: false, with_peer: false, folder }
    }

    /// How long a round measures.
    pub fn time(&self, full: Duration) -> Duration {
        if self.is_quick { full / 5 } else { full }
    }

    /// A path that does not exist yet.
    pub fn fresh(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let _ = fs::remove_dir_all(&path);
        path
    }
}

/// The server on `data`.
pub fn server(data: &Path) -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_beaconfire"), data).flags(&["--durability", "full"])
}

/// What a load of many small operations came to.
pub struct Load {
    pub per_second: f64,
    /// Of the process that served it, per operation.
    pub cpu_micros: f64,
    /// In microseconds, one for each operation.
    pub latencies: Vec<u32>,
}

impl Load {
    pub fn new(latencies: Vec<u32>, time: Duration, cpu: Duration) -> Self {
        let count = latencies.len() as f64;
        Self { per_second: count / time.as_secs_f64(), cpu_micros: cpu.as_secs_f64() * 1e6 / count, latencies }
    }
}

/// The same quantity of all rounds: server, floor, and the peer where there is one.
#[derive(Default)]
pub struct Sides {
    server: Vec<f64>,
    floor: Vec<f64>,
    peer: Vec<f64>,
}

impl Sides {
    pub fn push(&mut self, server: f64, floor: f64) {
        self.server.push(server);
        self.floor.push(floor);
    }

    pub fn push_peer(&mut self, peer: f64) {
        self.peer.push(peer);
    }

    pub fn server(&self) -> f64 {
        median(&self.server)
    }

    pub fn floor(&self) -> f64 {
        median(&self.floor)
    }

    /// Server to floor.
    pub fn ratio(&self) -> f64 {
        ratio(&self.server, &self.floor)
    }

    /// The peer's figure and how many times the server's it is; empty where it was not asked.
    fn peer(&self, unit: &str) -> String {
        if self.peer.is_empty() {
            return String::new();
        }
        format!("{} {unit} ({:.2}x)", short(median(&self.peer)), ratio(&self.peer, &self.server))
    }
}

/// The median of each round's ratio: what disturbed a round disturbed both sides of it.
fn ratio(upper: &[f64], lower: &[f64]) -> f64 {
    median(&upper.iter().zip(lower).map(|(upper, lower)| upper / lower).collect::<Vec<f64>>())
}

pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(low), values.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// Latencies of all rounds.
#[derive(Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    pub fn extend(&mut self, micros: impl IntoIterator<Item = u32>) {
        self.0.extend(micros);
    }

    /// `p50 / p99` in milliseconds.
    pub fn text(&mut self) -> String {
        self.0.sort_unstable();
        let at = |share: usize| self.0.get(self.0.len() * share / 100).map_or(f64::NAN, |micros| f64::from(*micros));
        format!("{:.2} / {:.2} ms", at(50) / 1_000.0, at(99) / 1_000.0)
    }

    /// The peer's, to be said behind the server's; nothing if it was not asked.
    pub fn text_of_peer(&mut self) -> String {
        if self.0.is_empty() { String::new() } else { format!("; firebase-server {}", self.text()) }
    }
}

/// The rows of all figures.
#[derive(Default)]
pub struct Table(Vec<[String; 7]>);

impl Table {
    /// One row: the quantity, server, floor and their ratio, the peer, what is aimed at, and a remark.
    pub fn row(&mut self, what: &str, sides: &Sides, unit: &str, aim: &str, remark: &str) {
        let number = |value: f64| format!("{} {unit}", short(value));
        let (server, floor, ratio) = (number(sides.server()), number(sides.floor()), format!("{:.2}", sides.ratio()));
        let cells = [what.into(), server, floor, ratio, sides.peer(unit), aim.into(), remark.into()];
        eprintln!("    {}", cells.join(" | "));
        self.0.push(cells);
    }

    pub fn markdown(&self, setup: &Setup) -> String {
        let mut text = String::new();
        let Setup { rounds, is_quick, .. } = setup;
        let quick = if *is_quick { ", quick" } else { "" };
        let _ = writeln!(text, "{}; median of {rounds} interleaved rounds{quick}.\n", machine());
        text += "| figure | server | floor | ratio | firebase-server | aim | also |\n|---|--:|--:|--:|--:|---|---|\n";
        for row in &self.0 {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// Three digits are what is known.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2} M", value / 1e6),
        value if value >= 1e4 => format!("{:.1} k", value / 1e3),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// Date, processor, kernel, and how busy the machine was.
fn machine() -> String {
    let output = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("").to_owned();
    let (date, kernel) = (output("date", "+%F"), output("uname", "-sr"));
    format!(
        "{date}, {cores} cores of {}, {kernel}, load average {load} at the end",
        model.trim_matches([':', ' ', '\t'])
    )
}
