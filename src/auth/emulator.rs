//! What an emulator believes without proof. Only an emulator's keyring has an [`Emulator`]; nothing else leads here.
//!
//! Source: Firebase rules reference 9.5; REST reference 7.2, 7.3, 14.

use serde_json::Value;

use super::identified::{Grantor, Identified};
use super::issuer::{self, ProviderClaim};
use super::legacy::{self, LIFE_SECONDS};
use super::token::{Claims, Token};
use super::{AuthError, Credential};
use crate::model::Identity;

/// Characters of a database secret of the hosted service. There is no dot in it, and there are two in a token.
const SECRET_CHARS: usize = 40;

/// The power to believe.
#[derive(Clone, Copy, Debug)]
pub struct Emulator;

impl Emulator {
    /// Believes a token whatever its signature and its times, and takes any text on the administrators' channels, and
    /// any that looks like a database secret, for an administrator's.
    ///
    /// Such an identity never ends: the tokens of tests have expired in 1970.
    #[allow(clippy::unused_self, reason = "whoever has no `Emulator` shall not get here")]
    pub fn identify(self, credential: &Credential<'_>) -> Result<Identified, AuthError> {
        let admin = Identified::new(Identity::Admin, Grantor::Emulator);
        match *credential {
            Credential::Bearer("") => Err(AuthError::NotAdmin),
            Credential::Bearer(_) => Ok(admin),
            Credential::Auth(text) if text.chars().count() == SECRET_CHARS && !text.contains('.') => Ok(admin),
            Credential::Auth(text) => Token::parse(text).map(|token| user(token.claims)),
        }
    }
}

fn user(claims: Claims) -> Identified {
    let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
    let mut user = Identified::new(Identity::Admin, Grantor::Emulator);
    user.expires_told = seconds("exp");
    if claims.contains_key("v") && (claims.get("d").is_some_and(Value::is_object) || legacy::flag(&claims, "admin")) {
        let issued = seconds("iat").and_then(|issued| issued.checked_add(LIFE_SECONDS));
        user.expires_told = user.expires_told.or(issued);
        return legacy::claimed(user, claims);
    }
    let uid = ["user_id", "sub", "uid"].iter().find_map(|name| claims.get(*name)).cloned().unwrap_or_default();
    let mut provider = ProviderClaim::default();
    if let Some(id) = claims.get("provider_id").and_then(Value::as_str) {
        id.clone_into(&mut provider.default); // anonymous users, by old versions of the auth emulator
    }
    let provider = provider.of(&claims);
    user.identity = Identity::of(issuer::auth(uid, provider, claims));
    user.from_claims = true;
    user
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::testing::{encode, unsigned};

    fn auth(text: &str) -> Result<Identified, AuthError> {
        Emulator.identify(&Credential::Auth(text))
    }

    #[test]
    fn unsigned_token_is_a_user_whatever_its_expiry() {
        let claims = json!({
            "sub": "s", "user_id": "u1", "iat": 0, "exp": 3600, "email": "a@b.c",
            "firebase": { "sign_in_provider": "google.com" },
        });
        let user = auth(&unsigned(&claims)).unwrap();
        let variable = json!({ "uid": "u1", "provider": "google", "token": claims });
        assert_eq!(user.identity, Identity::of(variable));
        assert_eq!((user.expires_at_ms, &user.key), (None, &Grantor::Emulator));
        let body = user.realtime_body();
        assert_eq!((&body["expires"], &body["auth"]["email"]), (&json!(3600), &json!("a@b.c")));
        assert_eq!((&body["auth"]["uid"], &body["auth"]["token"]), (&json!("u1"), &claims));
    }

    #[test]
    fn signature_is_not_looked_at() {
        let token = format!("{}.{}.AAAA", encode(r#"{"alg":"RS256","kid":"x"}"#), encode(r#"{"sub":"u"}"#));
        assert_eq!(auth(&token).unwrap().identity.auth().unwrap()["uid"], "u");
    }

    #[test]
    fn legacy_token_says_itself_what_auth_is() {
        let user = auth(&unsigned(&json!({ "v": 0, "iat": 1000, "d": { "uid": "x", "provider": "p" } }))).unwrap();
        assert_eq!(user.realtime_body(), json!({ "auth": { "provider": "p", "uid": "x" }, "expires": 87_400 }));
        let admin = auth(&unsigned(&json!({ "v": 0, "iat": 1, "admin": true, "debug": true }))).unwrap();
        assert_eq!((admin.identity.is_admin(), admin.debug, admin.simulate), (true, true, false));
        assert_eq!(admin.realtime_body(), json!({ "auth": null }));
    }

    #[test]
    fn whoever_comes_as_administrator_is_one() {
        for text in ["owner", "ya29.x", "a.b.c", &"x".repeat(500)] {
            assert!(Emulator.identify(&Credential::Bearer(text)).unwrap().identity.is_admin());
        }
        assert_eq!(Emulator.identify(&Credential::Bearer("")).unwrap_err(), AuthError::NotAdmin);
        assert!(auth(&"x".repeat(40)).unwrap().identity.is_admin());
    }

    #[test]
    fn other_text_is_refused() {
        for bad in ["", "owner", "a.b.c", &"x".repeat(41), &"x".repeat(39)] {
            assert_eq!(auth(bad).unwrap_err(), AuthError::Invalid, "{bad}");
        }
    }
}
