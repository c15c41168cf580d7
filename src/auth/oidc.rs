//! Tokens that an OIDC issuer has signed; Firebase's ID tokens are such.
//!
//! The algorithm is the issuer's as configured, the key is one for that algorithm: what a token says of both only picks
//! among these. Nothing else of its header counts; it cannot bring its own key.
//! Source: Firebase rules reference 9.4, 9.7; OIDC Core 3.1.3.7; RFC 8725.

use std::sync::Arc;

use serde_json::Value;

use super::identified::{Grantor, Identified};
use super::issuer::Issuer;
use super::key_set::KeySet;
use super::token::{Claims, Token, time};
use super::{Algorithm, AuthError, Leeway};
use crate::base::Millis;
use crate::model::Identity;

/// An issuer, and the keys that it is known to have.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    pub issuer: Arc<Issuer>,
    pub keys: Arc<KeySet>,
}

/// A token that was issued by whom it says, for us, and is valid now.
#[derive(Debug)]
pub struct Verified {
    pub issuer: Arc<Issuer>,
    claims: Claims,
    /// By its claim, without leeway.
    expires: Millis,
    expires_at_ms: Millis,
}

/// Checks a token against the issuer that it names.
pub fn verify(
    trusted: &[TrustedIssuer],
    token: Token<'_>,
    now: Millis,
    leeway: &Leeway,
) -> Result<Verified, AuthError> {
    let Signed { algorithm, key_id, trusted } = signed_by(trusted, &token)?;
    let TrustedIssuer { issuer, keys } = trusted;
    if !issuer.algorithms.contains(&algorithm) {
        return Err(AuthError::Invalid);
    }
    let Some(key) = keys.get(key_id, algorithm) else {
        return Err(if keys.has(key_id) { AuthError::Invalid } else { AuthError::UnknownKeyId });
    };
    if !token.is_signed_by(key, algorithm.for_verifying()) {
        return Err(AuthError::Invalid);
    }
    let expires = check_claims(issuer, &token.claims, now, leeway)?;
    let expires_at_ms = expires.saturating_add(leeway.expiry_ms);
    if now >= expires_at_ms {
        return Err(AuthError::Expired);
    }
    Ok(Verified { issuer: Arc::clone(issuer), claims: token.claims, expires, expires_at_ms })
}

/// The issuer of a token that it is not known to have the key of.
pub fn needs_keys<'a>(trusted: &'a [TrustedIssuer], token: &Token<'_>) -> Option<&'a Arc<Issuer>> {
    let Signed { algorithm, key_id, trusted } = signed_by(trusted, token).ok()?;
    let unknown = trusted.issuer.algorithms.contains(&algorithm) && !trusted.keys.has(key_id);
    unknown.then_some(&trusted.issuer)
}

/// How, with which key and by whom a token says that it is signed.
struct Signed<'a, 't> {
    algorithm: Algorithm,
    key_id: &'t str,
    trusted: &'a TrustedIssuer,
}

fn signed_by<'a, 't>(trusted: &'a [TrustedIssuer], token: &'t Token<'_>) -> Result<Signed<'a, 't>, AuthError> {
    let algorithm = Algorithm::parse(&token.header.alg).filter(|_| !trusted.is_empty()).ok_or(AuthError::Invalid)?;
    let key_id = token.header.kid.as_deref().ok_or(AuthError::MissingKeyId)?;
    let issuer = token.claims.get("iss").and_then(Value::as_str);
    let trusted = trusted.iter().find(|trusted| Some(trusted.issuer.issuer.as_str()) == issuer);
    Ok(Signed { algorithm, key_id, trusted: trusted.ok_or(AuthError::Claim("iss".into()))? })
}

/// When it expires.
fn check_claims(issuer: &Issuer, claims: &Claims, now: Millis, leeway: &Leeway) -> Result<Millis, AuthError> {
    let ours = |audience: &Value| issuer.audiences.iter().any(|ours| audience.as_str() == Some(ours));
    let is_ours = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(ours),
        Some(audience) => ours(audience),
        None => false,
    };
    if !is_ours {
        return Err(AuthError::Claim("aud".into()));
    }
    let soon = now.saturating_add(leeway.issued_ms);
    for name in ["iat", "auth_time", "nbf"] {
        if time(claims, name)?.is_some_and(|at| at > soon) {
            return Err(AuthError::Claim(name.into()));
        }
    }
    if let Some(lacking) = issuer.required_claims.iter().find(|required| !required.holds(claims)) {
        return Err(AuthError::Claim(lacking.claim.clone().into()));
    }
    time(claims, "exp")?.ok_or(AuthError::Claim("exp".into()))
}

impl Verified {
    /// Whether the issuer's administrators are such people.
    pub fn is_admin(&self) -> bool {
        self.issuer.admin_claim.as_ref().is_some_and(|admin| admin.holds(&self.claims))
    }

    pub fn admin(self) -> Identified {
        let admin = Identified::new(Identity::Admin, Grantor::Issuer(self.issuer));
        Identified { expires_at_ms: Some(self.expires_at_ms), ..admin }
    }

    /// # Errors
    /// `Claim` if it tells of nobody.
    pub fn user(self) -> Result<Identified, AuthError> {
        let identity = Identity::of(self.issuer.auth(self.claims)?);
        let mut user = Identified::new(identity, Grantor::Issuer(self.issuer));
        user.expires_at_ms = Some(self.expires_at_ms);
        user.expires_told = Some(self.expires.div_euclid(1_000));
        user.from_claims = true;
        Ok(user)
    }
}
