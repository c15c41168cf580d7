//! A JSON Web Token taken apart. Nothing in it is believed here.
//!
//! Source: RFC 7515, RFC 7519; Firebase rules reference 9.3 (padding is allowed).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::AuthError;
use crate::base::Millis;
use crate::base::limits::TOKEN_BYTES_MAX;

/// The claims of a token.
pub type Claims = Map<String, Value>;

/// A token as its three parts say; who wrote it is not known yet.
pub struct Token<'a> {
    pub header: Header,
    pub claims: Claims,
    /// What is signed: the first two parts as they are.
    message: &'a str,
    /// In base64, without padding.
    signature: &'a str,
}

#[derive(Deserialize)]
pub struct Header {
    #[serde(default)]
    pub alg: String,
    pub kid: Option<String>,
    /// Extensions that whoever does not know them must refuse. None are known.
    crit: Option<IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Takes a token apart: at most 8 KB, three parts, two of them JSON objects (at most 127 levels deep).
    pub fn parse(text: &'a str) -> Result<Self, AuthError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Invalid);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(AuthError::Invalid)?;
        let (header, claims) = message.split_once('.').ok_or(AuthError::Invalid)?;
        let header: Header = part(header).ok_or(AuthError::Invalid)?;
        if header.crit.is_some() {
            return Err(AuthError::Invalid);
        }
        let claims = part(claims).ok_or(AuthError::Invalid)?;
        Ok(Self { header, claims, message, signature: signature.trim_end_matches('=') })
    }

    /// Whether `key`, used for `algorithm`, signed it. A key of another kind never did.
    pub fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), key, algorithm).unwrap_or(false)
    }
}

/// The JSON in one part. A second dot, or anything else that is not base64, makes it none.
fn part<T: DeserializeOwned>(part: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A claim that is a time, in milliseconds; `None` if there is none.
///
/// # Errors
/// `Claim` if it is not a number of seconds that a clock can show.
pub fn time(claims: &Claims, name: &'static str) -> Result<Option<Millis>, AuthError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let bad = AuthError::Claim(Cow::Borrowed(name));
    if let Some(seconds) = value.as_i64() {
        return seconds.checked_mul(1_000).map(Some).ok_or(bad);
    }
    let millis = value.as_f64().map(|seconds| seconds * 1_000.0).filter(|millis| millis.abs() < SAFE_MILLIS_MAX);
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked above")]
    millis.map(|millis| Some(millis.floor() as Millis)).ok_or(bad)
}

/// Beyond, a float no longer tells one millisecond from the next.
const SAFE_MILLIS_MAX: f64 = 9.0e15;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::testing::{deep_token, encode, unsigned};

    #[track_caller]
    fn check(text: &str) {
        assert_eq!(Token::parse(text).err(), Some(AuthError::Invalid), "{text}");
    }

    #[test]
    fn token_with_or_without_padding_is_taken_apart() {
        let parts = |header: &str, claims: &str| format!("{}.{}.c2ln", encode(header), encode(claims));
        for claims in [r#"{"a":1}"#, r#"{"a":1,"b":22}"#, r#"{"a":1,"b":2}"#] {
            let bare = parts(r#"{"alg":"x","kid":"k"}"#, claims);
            let (message, signature) = bare.rsplit_once('.').unwrap();
            let padded = format!("{message}==.{signature}=");
            for text in [&bare, &padded] {
                let token = Token::parse(text).unwrap_or_else(|_| panic!("{text}"));
                assert_eq!((token.header.alg.as_str(), token.header.kid.as_deref()), ("x", Some("k")));
                assert_eq!((token.signature, &token.claims["a"]), ("c2ln", &json!(1)));
            }
        }
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        for bad in ["", ".", "..", "...", "a.b.c", "owner", &"x".repeat(40)] {
            check(bad);
        }
        let header = encode(r#"{"alg":"none"}"#);
        for bad in ["", "W10", "bnVsbA", "e30.e30", "e30 ", "e3", "é"] {
            check(&format!("{header}.{bad}."));
            check(&format!("{bad}.e30."));
        }
        check(&format!("{header}.e30")); // two parts
        check(&format!("{}.e30.", encode(r#"{"alg":"none","crit":["b64"],"b64":false}"#)));
    }

    #[test]
    fn token_too_long_or_too_deep_is_refused() {
        let of_length = |letters: usize| unsigned(&json!({ "a": "x".repeat(letters) }));
        assert!(Token::parse(&of_length(6_000)).is_ok());
        check(&of_length(6_200));
        assert!(Token::parse(&deep_token(100)).is_ok());
        check(&deep_token(130));
        check(&deep_token(2_000));
    }

    #[test]
    fn time_is_seconds_that_fit() {
        let claims = |value: Value| Claims::from_iter([("exp".to_owned(), value)]);
        assert_eq!(time(&Claims::new(), "exp"), Ok(None));
        assert_eq!(time(&claims(json!(12)), "exp"), Ok(Some(12_000)));
        assert_eq!(time(&claims(json!(12.5)), "exp"), Ok(Some(12_500)));
        assert_eq!(time(&claims(json!(-1)), "exp"), Ok(Some(-1_000)));
        for bad in [json!(i64::MAX), json!(u64::MAX), json!(1e300), json!("12"), json!(null), json!([1])] {
            assert_eq!(time(&claims(bad), "exp"), Err(AuthError::Claim("exp".into())));
        }
    }
}
