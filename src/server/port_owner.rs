//! Who holds a port: the reason behind "address in use", where the system tells (Linux, own processes).

use std::fs;
use std::path::Path;

/// The process that listens on TCP `port`, as in `process 4711 (beaconfire)`; `None` if that cannot be known.
pub fn find(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = fs::read_to_string(table).ok()?;
        listening_inode(&table, port)
    })?;
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let owner = processes.filter(|process| is_process(process)).find(|process| holds(process, &wanted))?;
    let id = owner.file_name()?.to_string_lossy().into_owned();
    let name = fs::read_to_string(owner.join("comm")).unwrap_or_default();
    Some(format!("process {id} ({})", name.trim()))
}

/// The inode of the socket that listens on `port`, out of a table in the format of `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    const LISTENING: &str = "0A";
    let local = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let is_local = fields.next()?.ends_with(&local);
        let is_listening = fields.nth(1)? == LISTENING;
        fields.nth(5).filter(|_| is_local && is_listening).map(str::to_owned)
    })
}

fn is_process(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
}

fn holds(process: &Path, wanted: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inode_is_that_of_the_listening_socket() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:2328 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 111 1 0\n\
            1: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0\n";
        assert_eq!(listening_inode(table, 9_000).as_deref(), Some("222"));
        assert_eq!(listening_inode(table, 9_001), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn owner_of_an_own_port_is_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = find(listener.local_addr().unwrap().port()).unwrap();
        assert!(owner.starts_with(&format!("process {} (", std::process::id())), "{owner}");
    }
}
