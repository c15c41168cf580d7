//! Secrets of high entropy, as they are kept and compared.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The SHA-256 of a secret. It tells secrets apart and leads back to none that nobody could guess: those that are let
/// in are random, or at least 32 bytes long. That is why no slow hash is needed, and none is paid for by each request.
///
/// As text, also in serde: 64 lower-case hex digits. `Debug` shows the first eight, to find it in a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }

    /// Whether both are of the same secret, in a time that does not tell how much of them agrees.
    pub fn is(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a fingerprint is 64 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_kept_as_hex_and_comes_back() {
        let print = Fingerprint::of("abc");
        let text = serde_json::to_string(&print).unwrap();
        assert_eq!(text, "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), print);
        assert!(print.is(&Fingerprint::of("abc")) && !print.is(&Fingerprint::of("abd")));
        assert_eq!(format!("{print:?}"), "ba7816bf..");
        for bad in ["", "ba78", &"g".repeat(64), &"+1".repeat(32), &"é".repeat(32)] {
            assert!(serde_json::from_value::<Fingerprint>(bad.into()).is_err(), "{bad}");
        }
    }
}
