//! Arguments in, exit code out.

use std::process::ExitCode;

/// Half the time of glibc's on JSON trees (dependencies.md 2.5).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    beaconfire::cli::main()
}
