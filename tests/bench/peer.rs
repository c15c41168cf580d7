//! npm `firebase-server`, the other server of the realtime protocol, as a child process: Node, all data in memory,
//! nothing on disk.
//!
//! Its packages are pinned in `firebase-server/` and fetched by `npm ci` the first time they are asked for.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::server_process::wait_until;

const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/firebase-server");
const PROGRAM: &str = "node_modules/firebase-server/bin/firebase-server.js";

/// The running process; ended when dropped.
pub struct Peer {
    child: Child,
    pub address: SocketAddr,
}

impl Peer {
    /// Empty, on a free port.
    pub fn start() -> Self {
        let program = Path::new(PACKAGES).join(PROGRAM);
        if !program.exists() {
            install();
        }
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("node")
            .arg(program)
            .args(["--address", "127.0.0.1", "--port", &address.port().to_string(), "--name", "localhost"])
            .env("NODE_ENV", "production")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("firebase-server listens", || TcpStream::connect(address).is_ok());
        Self { child, address }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn install() {
    eprintln!("    fetching the packages of {PACKAGES} ...");
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    let status = Command::new("npm").args(arguments).current_dir(PACKAGES).status().unwrap();
    assert!(status.success() && fs::exists(Path::new(PACKAGES).join(PROGRAM)).unwrap(), "npm ci failed");
}
