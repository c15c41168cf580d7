//! Credentials, as an emulator takes them: decoded, not verified. Pure.
//!
//! Everyone may do everything, so a credential changes nothing but what its client is told. Source: Firebase realtime
//! protocol 15; security rules 9.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json, json};

use super::codec::Outcome;

/// Characters of a database secret. There is no dot in it, and there are two in a token.
const SECRET_LEN: usize = 40;
/// The credential of an administrator in emulator mode.
const OWNER: &str = "owner";
/// Seconds for which a legacy token without `exp` is valid.
const LEGACY_SECONDS: i64 = 24 * 60 * 60;

/// Answers `auth`: a database secret or a token. `authvar` and `noauth` are for administrators only.
pub fn auth(credential: &str, authvar: Option<&Json>, noauth: Option<bool>) -> Outcome {
    if credential.len() == SECRET_LEN && !credential.contains('.') {
        return administrator(authvar, noauth);
    }
    let Some(claims) = claims(credential) else {
        return Outcome::refused("invalid_token", "Could not parse auth token.");
    };
    if claims.get("admin") == Some(&Json::Bool(true)) && claims.contains_key("v") {
        return administrator(authvar, noauth);
    }
    if authvar.is_some() || noauth == Some(true) {
        return Outcome::refused("invalid_token", "Only an administrator may act as somebody else.");
    }
    user(claims)
}

/// Answers `gauth`: what administrators send.
pub fn gauth(credential: &str, authvar: Option<&Json>, noauth: Option<bool>) -> Outcome {
    if credential == OWNER {
        return administrator(authvar, noauth);
    }
    Outcome::refused("permission_denied", "Access denied.")
}

fn administrator(authvar: Option<&Json>, noauth: Option<bool>) -> Outcome {
    match authvar.filter(|_| noauth != Some(true)) {
        Some(auth) if !auth.is_object() => Outcome::refused("invalid_token", "authvar must be an object."),
        auth => Outcome::ok(json!({ "auth": auth }).to_string()),
    }
}

/// The claims repeated beside the names by which rules know a user, as the hosted service does.
fn user(claims: Map<String, Json>) -> Outcome {
    let seconds = |name: &str| claims.get(name).and_then(Json::as_i64);
    let mut expires = seconds("exp");
    // A legacy token says itself what `auth` is.
    let auth = match claims.get("d") {
        Some(Json::Object(data)) if claims.contains_key("v") => {
            expires = expires.or_else(|| seconds("iat")?.checked_add(LEGACY_SECONDS));
            data.clone()
        }
        _ => {
            let mut auth = claims.clone();
            let uid = claims.get("user_id").or_else(|| claims.get("sub")).or_else(|| claims.get("uid"));
            auth.insert("uid".to_owned(), uid.cloned().unwrap_or_default());
            auth.insert("provider".to_owned(), provider(&claims).into());
            auth.insert("token".to_owned(), Json::Object(claims));
            auth
        }
    };
    let mut body = json!({ "auth": auth });
    if let (Some(expires), Some(body)) = (expires, body.as_object_mut()) {
        body.insert("expires".to_owned(), expires.into());
    }
    Outcome::ok(body.to_string())
}

fn provider(claims: &Map<String, Json>) -> &str {
    let provider = claims.get("firebase").and_then(|firebase| firebase.get("sign_in_provider"));
    let provider = provider.or_else(|| claims.get("provider_id")).and_then(Json::as_str).unwrap_or("custom");
    provider.strip_suffix(".com").unwrap_or(provider)
}

/// The claims of a token of three parts; its signature may be empty and is not looked at.
fn claims(token: &str) -> Option<Map<String, Json>> {
    let mut parts = token.split('.');
    let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let object = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
        serde_json::from_slice::<Map<String, Json>>(&bytes).ok()
    };
    object(header).and_then(|_| object(claims))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", part(r#"{"alg":"none","type":"JWT"}"#), part(claims))
    }

    #[track_caller]
    fn check(outcome: &Outcome, status: &str, data: &str) {
        assert_eq!((outcome.status, outcome.data.as_ref()), (status, data));
    }

    #[test]
    fn unsigned_token_is_a_user_whatever_its_expiry() {
        let claims = concat!(
            r#"{"sub":"u1","user_id":"u1","iat":0,"exp":3600,"email":"a@b.c","#,
            r#""firebase":{"sign_in_provider":"google.com"}}"#
        );
        let outcome = auth(&token(claims), None, None);
        let body: Json = serde_json::from_str(&outcome.data).unwrap();
        assert_eq!((outcome.status, &body["expires"]), ("ok", &json!(3600)));
        let expected: Json = serde_json::from_str(claims).unwrap();
        assert_eq!(body["auth"]["token"], expected);
        assert_eq!(body["auth"]["uid"], "u1");
        assert_eq!(body["auth"]["provider"], "google");
        assert_eq!(body["auth"]["email"], "a@b.c");
    }

    #[test]
    fn legacy_token_says_itself_what_auth_is() {
        let outcome = auth(&token(r#"{"v":0,"iat":1000,"d":{"uid":"x","provider":"p"}}"#), None, None);
        check(&outcome, "ok", r#"{"auth":{"provider":"p","uid":"x"},"expires":87400}"#);
        check(&auth(&token(r#"{"v":0,"iat":1,"admin":true}"#), None, None), "ok", r#"{"auth":null}"#);
    }

    #[test]
    fn secret_and_owner_are_administrators_who_may_act_as_others() {
        let secret = "x".repeat(40);
        check(&auth(&secret, None, None), "ok", r#"{"auth":null}"#);
        check(&gauth("owner", None, None), "ok", r#"{"auth":null}"#);
        check(&gauth("owner", Some(&json!({ "uid": "x" })), None), "ok", r#"{"auth":{"uid":"x"}}"#);
        check(&gauth("owner", None, Some(true)), "ok", r#"{"auth":null}"#);
        assert_eq!(gauth("owner", Some(&json!(1)), None).status, "invalid_token");
        assert_eq!(auth(&token("{}"), Some(&json!({})), None).status, "invalid_token");
        assert_eq!(auth(&token("{}"), None, Some(true)).status, "invalid_token");
        check(&gauth("ya29.x", None, None), "permission_denied", "\"Access denied.\"");
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        let header = URL_SAFE_NO_PAD.encode("{}");
        for bad in ["", "a.b.c", "owner", &"x".repeat(41), &format!("{header}.{header}"), &format!("{header}.W10.")] {
            check(&auth(bad, None, None), "invalid_token", "\"Could not parse auth token.\"");
        }
    }
}
