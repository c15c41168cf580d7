//! Administrators' keys: made here, shown once, and kept as a fingerprint.
//!
//! `bf_<id>_<secret>`: the prefix lets scanners of source code find keys that were published by mistake, the id tells
//! which one it is, the secret is 256 random bits.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::legacy::SECRET_BYTES_MIN;
use super::{Fingerprint, KeyringError};
use crate::base::{Millis, random};

/// An administrator's key as it is kept: what is needed to know it again, and to list it. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminKey {
    /// Names it, also in logs: ten random hex digits, or what the operator calls it.
    pub id: String,
    /// What it is for, in the words of whoever made it.
    pub label: String,
    pub fingerprint: Fingerprint,
    pub created_at_ms: Millis,
    /// The first moment at which it is no longer valid.
    pub expires_at_ms: Option<Millis>,
    pub revoked_at_ms: Option<Millis>,
}

/// The text of a key. `Debug` does not show it.
pub struct KeyText(String);

impl AdminKey {
    /// A new key, and its text, which is to be shown once and kept nowhere.
    pub fn generate(label: &str, now: Millis, expires_at_ms: Option<Millis>) -> (KeyText, Self) {
        let mut secret = [0; 32];
        random::fill(&mut secret);
        let id: String = random::id().chars().take(ID_CHARS).collect();
        let text = format!("bf_{id}_{}", URL_SAFE_NO_PAD.encode(secret));
        let fingerprint = Fingerprint::of(&text);
        let label = label.to_owned();
        let key = Self { id, label, fingerprint, created_at_ms: now, expires_at_ms, revoked_at_ms: None };
        (KeyText(text), key)
    }

    /// A key whose text the operator has chosen.
    ///
    /// # Errors
    /// `WeakSecret` if it is shorter than 32 bytes.
    pub fn of_text(id: &str, text: &str, expires_at_ms: Option<Millis>) -> Result<Self, KeyringError> {
        if text.len() < SECRET_BYTES_MIN {
            return Err(KeyringError::WeakSecret);
        }
        let (id, fingerprint) = (id.to_owned(), Fingerprint::of(text));
        Ok(Self { id, label: String::new(), fingerprint, created_at_ms: 0, expires_at_ms, revoked_at_ms: None })
    }

    /// Ends it, unless that was done before.
    pub fn revoke(&mut self, now: Millis) {
        self.revoked_at_ms.get_or_insert(now);
    }

    pub fn is_revoked(&self) -> bool {
        self.revoked_at_ms.is_some()
    }
}

impl KeyText {
    /// The key itself, for whoever asked for it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(..)")
    }
}

/// 40 bits tell a million keys apart.
const ID_CHARS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_key_has_its_id_and_enough_chance_in_it() {
        let (text, key) = AdminKey::generate("backup", 5, Some(9));
        let parts: Vec<&str> = text.expose().splitn(3, '_').collect();
        assert_eq!((parts[0], parts[1]), ("bf", key.id.as_str()));
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 32);
        assert!(key.fingerprint.is(&Fingerprint::of(text.expose())));
        assert_eq!((key.created_at_ms, key.expires_at_ms, key.is_revoked()), (5, Some(9), false));
        assert_ne!(AdminKey::generate("", 0, None).0.expose(), text.expose());
    }

    #[test]
    fn kept_key_comes_back_and_does_not_hold_the_text() {
        let (text, mut key) = AdminKey::generate("backup", 5, None);
        key.revoke(7);
        key.revoke(8);
        assert_eq!(key.revoked_at_ms, Some(7));
        let kept = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<AdminKey>(&kept).unwrap(), key);
        let secret = text.expose().rsplit_once(&format!("{}_", key.id)).unwrap().1;
        for shown in [kept, format!("{key:?}"), format!("{text:?}")] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn chosen_text_must_be_long() {
        assert_eq!(AdminKey::of_text("a", &"x".repeat(31), None).unwrap_err(), KeyringError::WeakSecret);
        assert!(AdminKey::of_text("a", &"x".repeat(32), None).is_ok());
    }
}
