//! Who shows a credential; what was verified once is remembered.
//!
//! A signature takes tens of microseconds to verify, as much as a write: and clients of REST show theirs with each
//! request. Remembered are fingerprints, never credentials.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::auth::{AuthError, Credential, Fingerprint, Identified, Keyring};
use crate::base::Millis;

/// Credentials that are remembered. When there are more all are forgotten, and verified again.
const REMEMBERED_MAX: usize = 10_000;

/// A credential and the channel that it came on.
type Shown = (Fingerprint, bool);

/// What is trusted, and who was identified by it.
pub(super) struct Identifier {
    keyring: RwLock<Arc<Keyring>>,
    remembered: Mutex<HashMap<Shown, Identified>>,
    /// Notified when a token is shown whose issuer is trusted, but whose key is not known.
    pub keys_wanted: Notify,
}

impl Identifier {
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring: RwLock::new(Arc::new(keyring)), remembered: Mutex::default(), keys_wanted: Notify::new() }
    }

    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Trusts what `change` makes of what is trusted now.
    pub fn change(&self, change: impl FnOnce(&Keyring) -> Keyring) {
        let mut keyring = self.keyring.write().unwrap_or_else(PoisonError::into_inner);
        *keyring = Arc::new(change(&keyring));
        // Still under the lock: whoever was identified by the former keyring is not remembered after this.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn identify(&self, credential: &Credential<'_>, now: Millis) -> Result<Identified, AuthError> {
        let shown = match credential {
            Credential::Auth(text) => (Fingerprint::of(text), false),
            Credential::Bearer(text) => (Fingerprint::of(text), true),
        };
        let known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&shown).cloned();
        if let Some(known) = known.filter(|known| known.is_valid_at(now)) {
            return Ok(known);
        }
        // Held until it is remembered, so that a change meanwhile forgets it, too.
        let keyring = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        let outcome = keyring.identify(credential, now);
        match &outcome {
            Ok(identified) => {
                let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
                if remembered.len() >= REMEMBERED_MAX {
                    remembered.clear();
                }
                remembered.insert(shown, identified.clone());
            }
            Err(AuthError::UnknownKeyId) => self.keys_wanted.notify_one(),
            Err(_) => {}
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AdminKey, Trust};

    fn keyring(text: &str, end: Option<Millis>) -> Keyring {
        let admin_keys = vec![AdminKey::of_text("k", text, end).unwrap()];
        Keyring::production(Trust { admin_keys, ..Trust::default() }).unwrap()
    }

    #[test]
    fn what_is_remembered_ends_with_its_time_and_with_its_key() {
        let (one, other) = ("1".repeat(40), "2".repeat(40));
        let identifier = Identifier::new(keyring(&one, Some(1_000)));
        let ask = |text: &str, now| identifier.identify(&Credential::Bearer(text), now).is_ok();
        for _ in 0..2 {
            assert!(ask(&one, 999) && !ask(&other, 999));
            assert!(identifier.identify(&Credential::Auth(&one), 999).is_err(), "the channel counts");
        }
        assert!(!ask(&one, 1_000));
        identifier.change(|_| keyring(&one, None));
        assert!(ask(&one, 1_000));
        identifier.change(|_| keyring(&other, None));
        assert!(!ask(&one, 1_000) && ask(&other, 1_000));
        assert!(!format!("{:?}", identifier.remembered.lock().unwrap()).contains(&other));
    }
}
