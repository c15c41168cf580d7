//! Unguessable values from the operating system's generator.
//!
//! Asked directly: the generator of aws-lc spends 30 ms on gathering its own entropy when it is first used, which is
//! more than all the rest of a start.

/// Fills `out` with random bytes.
///
/// Should the system's generator ever fail, nothing safe can be done: the process ends with a message.
pub fn fill(out: &mut [u8]) {
    if getrandom::fill(out).is_err() {
        eprintln!("beaconfire: the operating system gives no random bytes; stopping, since ids would be guessable");
        std::process::abort();
    }
}

/// A new id of 32 lower-case hex digits: 128 random bits.
pub fn id() -> String {
    let mut bytes = [0_u8; 16];
    fill(&mut bytes);
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A random 64-bit number.
pub fn number() -> u64 {
    let mut bytes = [0_u8; 8];
    fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}
