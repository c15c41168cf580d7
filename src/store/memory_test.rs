//! That memory does not grow with what is stored, measured in a process of its own.

use std::fs;
use std::ops::ControlFlow;
use std::process::Command;

use super::encode::{path_key, push_segment};
use super::testing::{Temp, path, set};
use crate::model::{Key, Node, Path, Scalar};

/// Set in the process that measures.
const CHILD: &str = "BEACONFIRE_MEMORY_TEST";
/// Leaves of 300 bytes each: 60 MB.
const LEAVES: usize = 200_000;
const GROWTH_KB_MAX: u64 = 12 * 1024;

#[cfg(target_os = "linux")]
#[test]
fn reading_and_deleting_200_000_leaves_takes_bounded_memory() {
    if std::env::var_os(CHILD).is_some() {
        return measure();
    }
    let test = "store::memory_test::reading_and_deleting_200_000_leaves_takes_bounded_memory";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}

fn measure() {
    let mut temp = Temp::new();
    fill(&temp.file);
    let before = peak_kb();
    let check = |what: &str| assert!(peak_kb() < before + GROWTH_KB_MAX, "{what}: {} KB after {before}", peak_kb());

    let snapshot = temp.readers.snapshot().unwrap();
    let mut leaves = 0;
    let walked = snapshot.tree().walk(&Path::root(), &mut |step| {
        leaves += usize::from(matches!(step, crate::model::walk::Step::Leaf { .. }));
        ControlFlow::Continue(())
    });
    walked.unwrap();
    assert_eq!(leaves, LEAVES);
    check("walk");
    snapshot.tree().hash(&Path::root()).unwrap();
    check("hash");

    temp.commit(vec![set("/all", Node::leaf(Scalar::Int(1)))], 0);
    check("delete");
    assert_eq!(temp.tree().rows(&path("/"), 10).unwrap(), 1);
    assert_eq!(snapshot.tree().rows(&path("/"), 1_000_000).unwrap(), (LEAVES) as u64);
    check("count");
}

/// Puts the rows there by themselves, which is quicker than by records.
fn fill(file: &std::path::Path) {
    let mut conn = rusqlite::Connection::open(file).unwrap();
    let batch = conn.transaction().unwrap();
    let mut insert = batch.prepare("INSERT INTO node (key, value) VALUES (?1, ?2)").unwrap();
    let mut key = path_key(&path("/all"));
    let above = key.len();
    let value = "v".repeat(300);
    for leaf in 0..LEAVES {
        push_segment(&mut key, &Key::index(leaf));
        insert.execute((&key, &value)).unwrap();
        key.truncate(above);
    }
    drop(insert);
    batch.commit().unwrap();
}

/// The most memory that this process ever had.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
