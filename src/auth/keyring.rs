//! All that is trusted, and the one way from a credential to an identity.
//!
//! A keyring is an emulator's or not, for good. What an emulator believes lies behind [`Emulator`], which no other
//! keyring has: there is no switch that could be in the wrong place.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::emulator::Emulator;
use super::identified::{Grantor, Identified};
use super::legacy::{self, SECRET_BYTES_MIN, Secret};
use super::oidc::{self, TrustedIssuer};
use super::token::Token;
use super::{AdminKey, AuthError, Credential, Fingerprint, Issuer, KeySet};
use crate::base::Millis;
use crate::base::limits::TOKEN_BYTES_MAX;
use crate::model::Identity;

/// What is trusted. Cheap to clone; a change makes a new one.
#[derive(Clone, Debug)]
pub struct Keyring(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Emulator(Emulator),
    Production(Production),
}

/// What a keyring is made of.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Database secrets, at most 16.
    pub secrets: Vec<Secret>,
    /// Administrators' keys, at most 1,000; revoked ones open nothing.
    pub admin_keys: Vec<AdminKey>,
    /// At most 16, each once. Their keys come later: [`Keyring::with_keys`].
    pub issuers: Vec<Issuer>,
    pub leeway: Leeway,
}

/// How far clocks may be apart, in milliseconds.
#[derive(Clone, Debug)]
pub struct Leeway {
    /// For which a credential is still valid after its end.
    pub expiry_ms: Millis,
    /// For which the `iat` of a token signed with a database secret may lie ahead.
    pub legacy_issued_ms: Millis,
    /// For which `iat`, `auth_time` and `nbf` of an issuer's token may lie ahead.
    pub issued_ms: Millis,
}

/// Source: Firebase rules reference 9.3, 9.4, 9.9.
impl Default for Leeway {
    fn default() -> Self {
        Self { expiry_ms: 0, legacy_issued_ms: 60_000, issued_ms: 300_000 }
    }
}

/// Why something cannot be trusted. Who must act: the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyringError {
    WeakSecret,
    SecretWithDot,
    TooMany(&'static str),
    /// Two of the same name.
    Twice(String),
    NoAudience(String),
}

#[derive(Clone, Debug)]
struct Production {
    secrets: Arc<[Secret]>,
    admin_keys: Arc<[Arc<AdminKey>]>,
    issuers: Vec<TrustedIssuer>,
    leeway: Leeway,
}

/// Secrets of a keyring: a token is tried with each.
const SECRETS_MAX: usize = 16;
/// Administrators' keys: what is shown is compared with each.
const ADMIN_KEYS_MAX: usize = 1_000;
const ISSUERS_MAX: usize = 16;

impl Keyring {
    /// The keyring of an emulator, which believes all.
    pub fn emulator() -> Self {
        Self(Kind::Emulator(Emulator))
    }

    /// The keyring of a server in production: it believes what is proven by what it trusts, and nobody if that is
    /// nothing.
    pub fn production(trust: Trust) -> Result<Self, KeyringError> {
        bounded(trust.secrets.len(), SECRETS_MAX, "database secrets")?;
        bounded(trust.admin_keys.len(), ADMIN_KEYS_MAX, "administrators' keys")?;
        bounded(trust.issuers.len(), ISSUERS_MAX, "issuers")?;
        each_once(trust.admin_keys.iter().map(|key| key.id.as_str()))?;
        each_once(trust.issuers.iter().map(|issuer| issuer.issuer.as_str()))?;
        if let Some(issuer) = trust.issuers.iter().find(|issuer| issuer.audiences.is_empty()) {
            return Err(KeyringError::NoAudience(issuer.issuer.clone()));
        }
        let issuers = trust.issuers.into_iter();
        Ok(Self(Kind::Production(Production {
            secrets: trust.secrets.into(),
            admin_keys: trust.admin_keys.into_iter().map(Arc::new).collect(),
            issuers: issuers.map(|issuer| TrustedIssuer { issuer: Arc::new(issuer), keys: Arc::default() }).collect(),
            leeway: trust.leeway,
        })))
    }

    /// The same with other keys of the issuer of this name, as they were fetched.
    #[must_use]
    pub fn with_keys(mut self, issuer: &str, keys: KeySet) -> Self {
        if let Kind::Production(production) = &mut self.0
            && let Some(trusted) = production.issuers.iter_mut().find(|trusted| trusted.issuer.issuer == issuer)
        {
            trusted.keys = Arc::new(keys);
        }
        self
    }

    /// The same with the keys that `former` has of those issuers that both trust in the same way.
    #[must_use]
    pub fn with_keys_of(mut self, former: &Self) -> Self {
        if let (Kind::Production(production), Kind::Production(former)) = (&mut self.0, &former.0) {
            for trusted in &mut production.issuers {
                if let Some(known) = former.issuers.iter().find(|known| known.issuer == trusted.issuer) {
                    trusted.keys = Arc::clone(&known.keys);
                }
            }
        }
        self
    }

    /// Whose keys are to be fetched.
    pub fn issuers(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        let issuers = match &self.0 {
            Kind::Emulator(_) => [].iter(),
            Kind::Production(production) => production.issuers.iter(),
        };
        issuers.map(|trusted| &trusted.issuer)
    }

    /// Whose keys are to be fetched anew, since `token` names one that is not known: its issuer may have changed keys.
    ///
    /// Anybody can make up such a token, so do it rarely. Source: Firebase rules reference 9.7 (once a minute).
    pub fn needs_keys(&self, token: &str) -> Option<&Arc<Issuer>> {
        match &self.0 {
            Kind::Emulator(_) => None,
            Kind::Production(production) => oidc::needs_keys(&production.issuers, &Token::parse(token).ok()?),
        }
    }

    /// Who it is that shows `credential`.
    ///
    /// # Errors
    /// Whatever is wrong with it. Nobody is let in as [`Identity::Nobody`] then: that is who shows none.
    pub fn identify(&self, credential: &Credential<'_>, now: Millis) -> Result<Identified, AuthError> {
        let (Credential::Auth(text) | Credential::Bearer(text)) = credential;
        if text.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Invalid);
        }
        match &self.0 {
            Kind::Emulator(emulator) => emulator.identify(credential),
            Kind::Production(production) => production.identify(credential, now),
        }
    }

    /// Whether what vouched for somebody is still trusted. Ask on each change of the keyring, for whoever is connected.
    pub fn grants(&self, key: &Grantor) -> bool {
        match (&self.0, key) {
            (Kind::Emulator(_), Grantor::Emulator) => true,
            (Kind::Production(production), key) => production.grants(key),
            (Kind::Emulator(_), _) => false,
        }
    }
}

impl Production {
    fn identify(&self, credential: &Credential<'_>, now: Millis) -> Result<Identified, AuthError> {
        match *credential {
            Credential::Auth(text) => self.auth(text, now),
            Credential::Bearer(text) => self.bearer(text, now).map_err(|error| match error {
                AuthError::Invalid | AuthError::Claim(_) => AuthError::NotAdmin,
                error => error,
            }),
        }
    }

    fn auth(&self, text: &str, now: Millis) -> Result<Identified, AuthError> {
        let shown = Fingerprint::of(text);
        if let Some(secret) = self.secrets.iter().find(|secret| secret.fingerprint().is(&shown)) {
            return Ok(Identified::new(Identity::Admin, Grantor::Secret(*secret.fingerprint())));
        }
        let token = Token::parse(text)?;
        match token.header.alg.as_str() {
            "HS256" => legacy::identify(&self.secrets, token, now, &self.leeway),
            _ => oidc::verify(&self.issuers, token, now, &self.leeway)?.user(),
        }
    }

    fn bearer(&self, text: &str, now: Millis) -> Result<Identified, AuthError> {
        let shown = Fingerprint::of(text);
        if let Some(key) = self.admin_keys.iter().find(|key| key.fingerprint.is(&shown)) {
            return admin(key, now);
        }
        let verified = oidc::verify(&self.issuers, Token::parse(text)?, now, &self.leeway)?;
        if verified.is_admin() {
            Ok(verified.admin())
        } else if verified.issuer.users_in_bearer {
            verified.user()
        } else {
            Err(AuthError::NotAdmin)
        }
    }

    fn grants(&self, key: &Grantor) -> bool {
        match key {
            Grantor::Emulator => false,
            Grantor::AdminKey(key) => self.admin_keys.contains(key) && !key.is_revoked(),
            Grantor::Issuer(issuer) => self.issuers.iter().any(|trusted| trusted.issuer == *issuer),
            Grantor::Secret(print) => self.secrets.iter().any(|secret| secret.fingerprint() == print),
        }
    }
}

fn admin(key: &Arc<AdminKey>, now: Millis) -> Result<Identified, AuthError> {
    if key.is_revoked() {
        return Err(AuthError::NotAdmin);
    }
    let mut admin = Identified::new(Identity::Admin, Grantor::AdminKey(Arc::clone(key)));
    admin.expires_at_ms = key.expires_at_ms;
    if admin.is_valid_at(now) { Ok(admin) } else { Err(AuthError::Expired) }
}

fn bounded(count: usize, max: usize, what: &'static str) -> Result<(), KeyringError> {
    if count > max { Err(KeyringError::TooMany(what)) } else { Ok(()) }
}

fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), KeyringError> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(KeyringError::Twice(twice.to_owned())),
        None => Ok(()),
    }
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WeakSecret => {
                write!(f, "a secret must have at least {SECRET_BYTES_MIN} bytes; take random ones")
            }
            Self::SecretWithDot => f.write_str("a database secret must have no dot: it could be taken for a token"),
            Self::TooMany(what) => write!(f, "too many {what}"),
            Self::Twice(name) => write!(f, "'{name}' is there twice"),
            Self::NoAudience(issuer) => write!(f, "the issuer '{issuer}' needs an audience: for whom its tokens are"),
        }
    }
}

impl std::error::Error for KeyringError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::testing::{NOW_MS, NOW_S, SECRET, hs256, unsigned};

    fn production() -> Keyring {
        let secrets = vec![Secret::new(SECRET).unwrap()];
        Keyring::production(Trust { secrets, ..Trust::default() }).unwrap()
    }

    #[track_caller]
    fn check(keyring: &Keyring, credential: Credential<'_>, expected: &Result<Identity, AuthError>) {
        assert_eq!(keyring.identify(&credential, NOW_MS).map(|user| user.identity), *expected);
    }

    #[test]
    fn secret_is_an_administrator_where_users_come_and_signs_their_tokens() {
        let keyring = production();
        check(&keyring, Credential::Auth(SECRET), &Ok(Identity::Admin));
        check(&keyring, Credential::Bearer(SECRET), &Err(AuthError::NotAdmin));
        let token = hs256(SECRET, &json!({ "v": 0, "iat": NOW_S, "d": { "uid": "u" } }));
        check(&keyring, Credential::Auth(&token), &Ok(Identity::of(json!({ "uid": "u" }))));
        check(&keyring, Credential::Bearer(&token), &Err(AuthError::NotAdmin));
    }

    #[test]
    fn emulators_powers_do_not_exist_in_production() {
        for keyring in [production(), Keyring::production(Trust::default()).unwrap()] {
            check(&keyring, Credential::Bearer("owner"), &Err(AuthError::NotAdmin));
            let token = unsigned(&json!({ "sub": "u", "iat": 0, "exp": 3600 }));
            check(&keyring, Credential::Auth(&token), &Err(AuthError::Invalid));
            check(&keyring, Credential::Bearer(&token), &Err(AuthError::NotAdmin));
            let token = unsigned(&json!({ "v": 0, "iat": NOW_S, "admin": true, "d": { "uid": "u" } }));
            check(&keyring, Credential::Auth(&token), &Err(AuthError::Invalid));
            for text in ["", "owner", &"x".repeat(40), &SECRET[1..], &format!("{SECRET}x"), &"x".repeat(100_000)] {
                check(&keyring, Credential::Auth(text), &Err(AuthError::Invalid));
            }
        }
        check(&Keyring::emulator(), Credential::Bearer("owner"), &Ok(Identity::Admin));
    }

    #[test]
    fn removed_secret_no_longer_grants() {
        let keyring = production();
        let key = keyring.identify(&Credential::Auth(SECRET), NOW_MS).unwrap().key;
        assert!(keyring.grants(&key));
        assert!(!Keyring::production(Trust::default()).unwrap().grants(&key));
        assert!(!Keyring::emulator().grants(&key) && !keyring.grants(&Grantor::Emulator));
        assert!(Keyring::emulator().grants(&Grantor::Emulator));
    }
}
