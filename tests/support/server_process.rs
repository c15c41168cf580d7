//! A real server in a process of its own: started, watched through /proc, ended politely or by `kill -9`.
//!
//! Used by the tests that need its death or its memory, and by the benches. Linux only: it reads /proc.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::panic, reason = "a test: what is wrong here shall stop it")]

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything here may take before it counts as broken; a busy machine is far faster.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// How a server is started, each time anew.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    data: PathBuf,
    port: u16,
    extra: Vec<String>,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Launch {
    /// `program` on the data directory `data`; its log and port file are written beside that.
    pub fn new(program: &str, data: &Path) -> Self {
        Self { program: program.into(), data: data.to_owned(), port: 0, extra: Vec::new() }
    }

    /// Always on this port, so that clients find it again; else on any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.extra.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Starts it and returns at once, ready or not.
    pub fn spawn(&self) -> io::Result<Child> {
        let _ = fs::remove_file(self.port_file());
        let log = fs::OpenOptions::new().create(true).append(true).open(self.data.with_extension("log"))?;
        let mut command = Command::new(&self.program);
        // The server reads, and checks, all variables of this prefix; some of them are ours.
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("BEACONFIRE_")) {
            command.env_remove(name);
        }
        command
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .arg("--port-file")
            .arg(self.port_file())
            .arg("--data")
            .arg(&self.data)
            .args(&self.extra)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }

    /// Starts it and waits until it has written its port file.
    pub fn start(&self) -> ServerProcess {
        let mut child = self.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let mut port = None;
        wait_until("the server writes its port file", || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the server ended with {status} at start:\n{}", self.log_tail());
            }
            port = fs::read_to_string(self.port_file()).ok().and_then(|text| text.trim().parse::<u16>().ok());
            port.is_some()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_default()));
        ServerProcess { child, address }
    }

    /// The last lines of what it printed, over all its starts.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.data.with_extension("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(20)).fold(String::new(), |all, line| all + line + "\n")
    }

    fn port_file(&self) -> PathBuf {
        self.data.with_extension("port")
    }
}

impl ServerProcess {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits until it is gone.
    pub fn terminate(mut self) {
        let _ = Command::new("kill").arg(self.id().to_string()).status();
        let mut over = false;
        wait_until("the server ends after SIGTERM", || {
            over = matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
            over
        });
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User plus system time of a process so far. The kernel counts in hundredths of a second.
pub fn cpu_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field is the program's name in brackets; counting starts behind it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = |index| fields.split(' ').nth(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// What a process has used since it had used `start`.
pub fn cpu_since(process: u32, start: Duration) -> Duration {
    cpu_time(process).saturating_sub(start)
}

/// Resident memory of a process, in bytes.
pub fn resident_bytes(process: u32) -> u64 {
    status_bytes(process, "VmRSS:")
}

/// The most resident memory since [`forget_peak`], in bytes.
pub fn peak_bytes(process: u32) -> u64 {
    status_bytes(process, "VmHWM:")
}

pub fn forget_peak(process: u32) {
    let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
}

fn status_bytes(process: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1_024
}

/// Waits for a condition that nothing announces, at most [`DEADLINE`].
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}
