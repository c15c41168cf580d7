//! What a credential came to: who asks, for how long, and by whose grant.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{AdminKey, AuthError, Fingerprint, Issuer};
use crate::base::Millis;
use crate::model::Identity;

/// What a credential came to.
#[derive(Clone, Debug)]
pub struct Identified {
    pub identity: Identity,
    /// When it ends: the first moment at which it is no longer valid. `None`: when its grantor is removed.
    pub expires_at_ms: Option<Millis>,
    /// What vouched for it. It ends when a keyring no longer [grants] it.
    ///
    /// [grants]: super::Keyring::grants
    pub key: Grantor,
    /// The client wants to be told how rules decided.
    pub debug: bool,
    /// Rules are asked, and nothing is written.
    pub simulate: bool,
    /// The end that its client is told, in seconds. An emulator tells it without keeping to it.
    pub(super) expires_told: Option<i64>,
    /// `auth` is of the form uid, provider, token, and its client is told the claims beside these, too.
    pub(super) from_claims: bool,
}

/// What vouches for a credential; holds no secret.
#[derive(Clone, Debug, PartialEq)]
pub enum Grantor {
    /// Nobody: an emulator believes all.
    Emulator,
    /// A database secret, itself or as a signature.
    Secret(Fingerprint),
    /// An administrator's key as it was kept then.
    AdminKey(Arc<AdminKey>),
    /// An issuer as it was configured then: with another audience, say, it vouches for other tokens.
    Issuer(Arc<Issuer>),
}

impl Identified {
    pub(super) fn new(identity: Identity, key: Grantor) -> Self {
        Self {
            identity,
            expires_at_ms: None,
            key,
            debug: false,
            simulate: false,
            expires_told: None,
            from_claims: false,
        }
    }

    /// The administrator taken for somebody else, under rules; see [`act_as`](super::act_as).
    ///
    /// # Errors
    /// `OverrideRefused` for anyone else. (REST ignores the override then.)
    pub fn act_as(self, identity: Identity) -> Result<Self, AuthError> {
        if !self.identity.is_admin() {
            return Err(AuthError::OverrideRefused);
        }
        Ok(Self { identity, ..self })
    }

    /// Whether `now` is still before its end.
    pub fn is_valid_at(&self, now: Millis) -> bool {
        self.expires_at_ms.is_none_or(|end| now < end)
    }

    /// The data of a realtime `ok`: `{"auth": .., "expires": seconds}`, as the hosted service has it.
    ///
    /// The claims of an ID token stand beside `uid`, too; for administrators `auth` is null. Source: realtime protocol
    /// 15.4.
    pub fn realtime_body(&self) -> Value {
        let auth = match self.identity.auth() {
            Some(Value::Object(auth)) if self.from_claims => Value::Object(with_claims(auth)),
            auth => auth.cloned().unwrap_or_default(),
        };
        match self.expires_told {
            Some(expires) if !auth.is_null() => json!({ "auth": auth, "expires": expires }),
            _ => json!({ "auth": auth }),
        }
    }
}

/// `auth` and, where it has no such member itself, the claims of its token.
fn with_claims(auth: &Map<String, Value>) -> Map<String, Value> {
    let mut all = auth.get("token").and_then(Value::as_object).cloned().unwrap_or_default();
    all.extend(auth.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrator_may_act_as_others_and_nobody_else_may() {
        let admin = Identified::new(Identity::Admin, Grantor::Emulator);
        assert_eq!(admin.realtime_body(), json!({ "auth": null }));
        let user = admin.clone().act_as(Identity::of(json!({ "uid": "x" }))).unwrap();
        assert_eq!(user.realtime_body(), json!({ "auth": { "uid": "x" } }));
        assert_eq!(user.act_as(Identity::Nobody).unwrap_err(), AuthError::OverrideRefused);
        assert_eq!(admin.act_as(Identity::Nobody).unwrap().identity, Identity::Nobody);
    }

    #[test]
    fn end_is_the_first_moment_that_is_not_valid() {
        let mut user = Identified::new(Identity::Nobody, Grantor::Emulator);
        assert!(user.is_valid_at(i64::MAX));
        user.expires_at_ms = Some(1_000);
        assert_eq!((user.is_valid_at(999), user.is_valid_at(1_000)), (true, false));
    }
}
