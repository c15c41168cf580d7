//! Database secrets, and the tokens that are signed with them.
//!
//! Source: Firebase rules reference 9.3, 9.7.

use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::identified::{Grantor, Identified};
use super::token::{Claims, Token, time};
use super::{AuthError, Fingerprint, KeyringError, Leeway};
use crate::base::Millis;
use crate::model::Identity;

/// Seconds for which a token without `exp` is valid.
pub const LIFE_SECONDS: i64 = 24 * 60 * 60;
/// Bytes that a secret must have.
pub const SECRET_BYTES_MIN: usize = 32;
/// Characters of `uid`.
const UID_CHARS_MAX: usize = 256;

/// A database secret: itself an administrator's credential, and the key of tokens. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Secret {
    fingerprint: Fingerprint,
    /// Wiped when dropped, and printed as `[redacted]`, by its library.
    key: DecodingKey,
}

impl Secret {
    /// # Errors
    /// `WeakSecret` if it is shorter than 32 bytes. `SecretWithDot`: it could be taken for a token.
    pub fn new(text: &str) -> Result<Self, KeyringError> {
        if text.len() < SECRET_BYTES_MIN {
            return Err(KeyringError::WeakSecret);
        }
        if text.contains('.') {
            return Err(KeyringError::SecretWithDot);
        }
        Ok(Self { fingerprint: Fingerprint::of(text), key: DecodingKey::from_secret(text.as_bytes()) })
    }

    pub(super) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// Whom a token says that one of these secrets has signed.
///
/// # Errors
/// `Invalid` if none has; `Claim`, `Expired`.
pub fn identify(secrets: &[Secret], token: Token<'_>, now: Millis, leeway: &Leeway) -> Result<Identified, AuthError> {
    let signed_by = secrets.iter().find(|secret| token.is_signed_by(&secret.key, Algorithm::HS256));
    let secret = signed_by.ok_or(AuthError::Invalid)?;
    let expires = check_times(&token.claims, now, leeway)?;
    check_user(&token.claims)?;
    let mut user = Identified::new(Identity::Nobody, Grantor::Secret(secret.fingerprint));
    user.expires_told = Some(expires.div_euclid(1_000));
    user.expires_at_ms = Some(expires.saturating_add(leeway.expiry_ms));
    if !user.is_valid_at(now) {
        return Err(AuthError::Expired);
    }
    Ok(claimed(user, token.claims))
}

/// When it expires.
fn check_times(claims: &Claims, now: Millis, leeway: &Leeway) -> Result<Millis, AuthError> {
    let claim = |name: &'static str| AuthError::Claim(name.into());
    let issued = time(claims, "iat")?.ok_or_else(|| claim("iat"))?;
    if issued > now.saturating_add(leeway.legacy_issued_ms) {
        return Err(claim("iat"));
    }
    if time(claims, "nbf")?.is_some_and(|begins| begins > now) {
        return Err(claim("nbf"));
    }
    Ok(time(claims, "exp")?.unwrap_or_else(|| issued.saturating_add(LIFE_SECONDS * 1_000)))
}

/// Version, and a user's id; administrators need none.
fn check_user(claims: &Claims) -> Result<(), AuthError> {
    if claims.get("v").and_then(Value::as_f64) != Some(0.0) {
        return Err(AuthError::Claim("v".into()));
    }
    let uid = match claims.get("d") {
        None => None,
        Some(Value::Object(data)) => data.get("uid"),
        Some(_) => return Err(AuthError::Claim("d".into())),
    };
    let good = match uid {
        None => flag(claims, "admin"),
        Some(uid) => uid.as_str().is_some_and(|uid| uid.chars().count() <= UID_CHARS_MAX),
    };
    if good { Ok(()) } else { Err(AuthError::Claim("uid".into())) }
}

/// `user` as these claims say: an administrator, or `d` as `auth`; and the flags.
pub fn claimed(mut user: Identified, mut claims: Claims) -> Identified {
    user.debug = flag(&claims, "debug");
    user.simulate = flag(&claims, "simulate");
    user.identity =
        if flag(&claims, "admin") { Identity::Admin } else { Identity::of(claims.remove("d").unwrap_or_default()) };
    user
}

pub fn flag(claims: &Claims, name: &str) -> bool {
    claims.get(name) == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::testing::{NOW_MS, NOW_S, SECRET, hs256};

    fn identify_with(leeway: &Leeway, text: &str, now: Millis) -> Result<Identified, AuthError> {
        let secrets = ["another secret that is long enough too", SECRET].map(|text| Secret::new(text).unwrap());
        identify(&secrets, Token::parse(text)?, now, leeway)
    }

    /// What a token with these claims, beside a version and an issue now, comes to.
    fn identified(claims: &Value) -> Result<Identified, AuthError> {
        let mut all = json!({ "v": 0, "iat": NOW_S, "d": { "uid": "u1" } });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        identify_with(&Leeway::default(), &hs256(SECRET, &all), NOW_MS)
    }

    #[track_caller]
    fn check_claim(claims: &Value, name: &'static str) {
        assert_eq!(identified(claims).unwrap_err(), AuthError::Claim(name.into()), "{claims}");
    }

    #[test]
    fn data_becomes_auth_verbatim_for_a_day() {
        let user = identified(&json!({ "d": { "uid": "u1", "provider": "p", "n": [1] } })).unwrap();
        assert_eq!(user.identity, Identity::of(json!({ "uid": "u1", "provider": "p", "n": [1] })));
        assert_eq!(user.expires_at_ms, Some(NOW_MS + 24 * 3_600_000));
        assert_eq!(user.key, Grantor::Secret(Fingerprint::of(SECRET)));
        assert_eq!((user.debug, user.simulate), (false, false));
        assert_eq!(user.realtime_body()["expires"], json!(NOW_S + 24 * 3_600));
    }

    #[test]
    fn administrator_needs_no_data() {
        for data in [json!(null), json!({}), json!({ "uid": "a" })] {
            let admin = identified(&json!({ "admin": true, "d": data, "simulate": true })).unwrap();
            assert_eq!((&admin.identity, admin.debug, admin.simulate), (&Identity::Admin, false, true));
            assert_eq!(admin.realtime_body(), json!({ "auth": null }));
        }
        let user = identified(&json!({ "admin": "true", "debug": true })).unwrap();
        assert_eq!((user.identity.is_admin(), user.debug), (false, true));
    }

    #[test]
    fn version_other_than_zero_is_refused() {
        assert!(identified(&json!({ "v": 0.0 })).is_ok());
        for bad in [json!(1), json!("0"), json!(false), json!(null), json!([])] {
            check_claim(&json!({ "v": bad }), "v");
        }
    }

    #[test]
    fn user_needs_an_id_of_bounded_length() {
        assert!(identified(&json!({ "d": { "uid": "ü".repeat(256) } })).is_ok());
        assert!(identified(&json!({ "d": { "uid": "" } })).is_ok());
        for bad in [json!({}), json!({ "uid": 1 }), json!({ "uid": null }), json!({ "uid": "x".repeat(257) })] {
            check_claim(&json!({ "d": bad }), "uid");
        }
        check_claim(&json!({ "d": null }), "uid");
        check_claim(&json!({ "admin": true, "d": { "uid": 1 } }), "uid");
        for bad in [json!("x"), json!([1])] {
            check_claim(&json!({ "d": bad }), "d");
        }
    }

    #[test]
    fn time_of_issue_may_lie_ahead_by_a_minute() {
        assert!(identified(&json!({ "iat": NOW_S + 60 })).is_ok());
        for bad in [json!(NOW_S + 61), json!(null), json!("1"), json!(i64::MAX)] {
            check_claim(&json!({ "iat": bad }), "iat");
        }
    }

    #[test]
    fn token_is_not_valid_before_it_begins() {
        assert!(identified(&json!({ "nbf": NOW_S })).is_ok());
        check_claim(&json!({ "nbf": NOW_S + 1 }), "nbf");
        check_claim(&json!({ "nbf": "x" }), "nbf");
    }

    #[test]
    fn token_ends_to_the_second() {
        assert_eq!(identified(&json!({ "exp": NOW_S + 1 })).unwrap().expires_at_ms, Some(NOW_MS + 1_000));
        assert_eq!(identified(&json!({ "exp": NOW_S })).unwrap_err(), AuthError::Expired);
        assert_eq!(identified(&json!({ "iat": NOW_S - 24 * 3_600 })).unwrap_err(), AuthError::Expired);
        assert_eq!(identified(&json!({ "iat": i64::MIN / 1_000 })).unwrap_err(), AuthError::Expired);
        check_claim(&json!({ "exp": "never" }), "exp");
    }

    #[test]
    fn leeway_is_as_configured() {
        let token = hs256(SECRET, &json!({ "v": 0, "iat": NOW_S, "exp": NOW_S + 10, "d": { "uid": "x" } }));
        let leeway = Leeway { expiry_ms: 5_000, legacy_issued_ms: 0, ..Leeway::default() };
        let at = |ms: i64| identify_with(&leeway, &token, NOW_MS + ms).map(|user| user.expires_at_ms);
        assert_eq!(at(14_999), Ok(Some(NOW_MS + 15_000)));
        assert_eq!(at(15_000), Err(AuthError::Expired));
        assert_eq!(at(-1), Err(AuthError::Claim("iat".into())));
    }

    #[test]
    fn signature_by_anyone_else_is_refused() {
        let claims = json!({ "v": 0, "iat": NOW_S, "d": { "uid": "x" } });
        let good = hs256(SECRET, &claims);
        let check = |text: &str| {
            let refused = identify_with(&Leeway::default(), text, NOW_MS).unwrap_err();
            assert_eq!(refused, AuthError::Invalid, "{text}");
        };
        check(&hs256("some other secret that is long enough..", &claims));
        check(&hs256("", &claims));
        let (message, signature) = good.rsplit_once('.').unwrap();
        for bad in ["", "AAAA", &signature[1..], &signature[..42], &format!("{signature}A"), &format!(" {signature}")] {
            check(&format!("{message}.{bad}"));
        }
        let other = hs256(SECRET, &json!({ "v": 0, "iat": NOW_S, "d": { "uid": "y" } }));
        check(&format!("{}.{signature}", other.rsplit_once('.').unwrap().0));
        assert!(identify_with(&Leeway::default(), &format!("{good}="), NOW_MS).is_ok());
    }

    #[test]
    fn secret_must_be_long_and_is_not_printed() {
        assert_eq!(Secret::new(&"x".repeat(31)).unwrap_err(), KeyringError::WeakSecret);
        assert_eq!(Secret::new(&"x.".repeat(20)).unwrap_err(), KeyringError::SecretWithDot);
        let shown = format!("{:?}", Secret::new(SECRET).unwrap());
        assert!(!shown.contains(SECRET) && !shown.contains(&format!("{:?}", SECRET.as_bytes())[1..20]), "{shown}");
    }
}
