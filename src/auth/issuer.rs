//! Issuers of OIDC tokens as they are configured, and what their claims mean. Firebase is one of them.
//!
//! Source: Firebase rules reference 9.1, 9.4, 9.7; OIDC Core 2, OIDC Discovery 4.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AuthError;
use super::token::Claims;

/// Whose tokens are believed, for whom they must be, and what their claims mean. As it stands in a config file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The claim `iss`, to the letter.
    pub issuer: String,
    /// The claim `aud` must be, or contain, one of these. At least one.
    pub audiences: Vec<String>,
    /// Where its keys are: a JWKS, or a map of X.509 certificates. Default: what its discovery document says.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// Algorithms that its tokens may be signed with.
    #[serde(default = "Algorithm::all")]
    pub algorithms: Vec<Algorithm>,
    /// The claim that becomes `auth.uid`: a text, not empty.
    #[serde(default = "subject")]
    pub uid_claim: String,
    /// Characters that it may have.
    #[serde(default = "uid_chars_max")]
    pub uid_chars_max: usize,
    /// What becomes `auth.provider`.
    #[serde(default)]
    pub provider: ProviderClaim,
    /// What a token must also say.
    #[serde(default)]
    pub required_claims: Vec<ClaimIs>,
    /// Tokens that say this make administrators on the administrators' channels.
    #[serde(default)]
    pub admin_claim: Option<ClaimIs>,
    /// Whether its other tokens are let in as users on these channels, too.
    #[serde(default)]
    pub users_in_bearer: bool,
}

/// A signature that a token may have. Those of shared secrets are not among them: a public key is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSA, PKCS #1 v1.5, SHA-256; keys of 2048 to 8192 bits.
    RS256,
    /// ECDSA on P-256, SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

/// A claim, and what it must be. A claim is named by its name, or by the names on the way to it: `firebase.tenant`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimIs {
    pub claim: String,
    /// The value, or an element of the list that the claim is. `None`: it only has to be there.
    #[serde(default)]
    pub equals: Option<Value>,
}

/// How `auth.provider` is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderClaim {
    pub claim: String,
    /// Other names for some of its values. A value that is not here loses a `.com` at its end.
    pub names: BTreeMap<String, String>,
    /// Where there is no such claim.
    pub default: String,
}

impl Default for ProviderClaim {
    /// As Firebase's tokens have it.
    fn default() -> Self {
        let claim = "firebase.sign_in_provider".to_owned();
        Self { claim, names: BTreeMap::new(), default: "custom".to_owned() }
    }
}

impl ProviderClaim {
    pub(super) fn of(&self, claims: &Claims) -> String {
        let Some(name) = find(claims, &self.claim).and_then(Value::as_str) else { return self.default.clone() };
        let known = self.names.get(name).map(String::as_str);
        known.unwrap_or_else(|| name.strip_suffix(".com").unwrap_or(name)).to_owned()
    }
}

impl ClaimIs {
    pub(super) fn holds(&self, claims: &Claims) -> bool {
        match (find(claims, &self.claim), &self.equals) {
            (None | Some(Value::Null), _) => false,
            (Some(_), None) => true,
            (Some(value), Some(wanted)) => {
                value == wanted || value.as_array().is_some_and(|list| list.contains(wanted))
            }
        }
    }
}

impl Algorithm {
    /// As `alg` of a header has it.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// As the library calls it.
    pub(super) fn for_verifying(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }

    fn all() -> Vec<Self> {
        vec![Self::RS256, Self::ES256, Self::EdDSA]
    }
}

impl Issuer {
    /// An issuer with the usual settings.
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audiences: vec![audience.to_owned()],
            jwks_url: None,
            algorithms: Algorithm::all(),
            uid_claim: subject(),
            uid_chars_max: uid_chars_max(),
            provider: ProviderClaim::default(),
            required_claims: Vec::new(),
            admin_claim: None,
            users_in_bearer: false,
        }
    }

    /// Firebase Authentication of this project. Source: Firebase rules reference 9.4.
    pub fn firebase(project: &str) -> Self {
        let keys = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
        Self {
            jwks_url: Some(keys.to_owned()),
            algorithms: vec![Algorithm::RS256],
            uid_chars_max: 128,
            ..Self::new(&format!("https://securetoken.google.com/{project}"), project)
        }
    }

    /// Where its discovery document is, which says where its keys are.
    pub fn discovery_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))
    }

    /// Where its keys are, by its discovery document. `None` unless that is its own, and the place is an `https` URL.
    pub fn discovered(&self, document: &[u8]) -> Option<String> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }
        let document: Document = serde_json::from_slice(document).ok()?;
        (document.issuer == self.issuer && document.jwks_uri.starts_with("https://")).then_some(document.jwks_uri)
    }

    /// The `auth` variable: uid, provider, and all claims as `token`. Source: Firebase rules reference 9.1.
    ///
    /// # Errors
    /// `Claim` if the uid is not as it must be.
    pub(super) fn auth(&self, claims: Claims) -> Result<Value, AuthError> {
        let uid = find(&claims, &self.uid_claim).and_then(Value::as_str);
        let uid = uid.filter(|uid| !uid.is_empty() && uid.chars().count() <= self.uid_chars_max);
        let uid = uid.ok_or_else(|| AuthError::Claim(self.uid_claim.clone().into()))?.to_owned();
        Ok(auth(uid.into(), self.provider.of(&claims), claims))
    }
}

/// The `auth` variable of a user of whom a token tells.
pub(super) fn auth(uid: Value, provider: String, claims: Claims) -> Value {
    let members = [("uid", uid), ("provider", provider.into()), ("token", claims.into())];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The claim of this name; else the one at the end of the way that its dots describe.
pub(super) fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, name| value.get(name))
    })
}

fn subject() -> String {
    "sub".to_owned()
}

fn uid_chars_max() -> usize {
    256
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn firebase_user_has_uid_provider_and_all_claims() {
        let token = json!({ "sub": "u1", "email": "a@b.c", "firebase": { "sign_in_provider": "google.com" } });
        let auth = Issuer::firebase("p").auth(claims(&token)).unwrap();
        assert_eq!(auth, json!({ "uid": "u1", "provider": "google", "token": token }));
    }

    #[test]
    fn uid_is_a_text_of_bounded_length() {
        let issuer = Issuer::firebase("p");
        let uid = |uid: Value| issuer.auth(claims(&json!({ "sub": uid }))).map(|auth| auth["provider"].clone());
        assert_eq!(uid("ü".repeat(128).into()), Ok("custom".into()));
        for bad in [json!("ü".repeat(129)), json!(""), json!(1), json!(null)] {
            assert_eq!(uid(bad), Err(AuthError::Claim("sub".into())));
        }
        assert!(issuer.auth(Claims::new()).is_err());
    }

    #[test]
    fn claims_are_found_by_name_and_by_way() {
        let claims = claims(&json!({ "https://x.org/r": ["a", "b"], "a": { "b": { "c": 1 } }, "n": null, "a.b": 2 }));
        let is = |claim: &str, equals: Option<Value>| ClaimIs { claim: claim.to_owned(), equals }.holds(&claims);
        assert!(is("https://x.org/r", Some("a".into())) && is("https://x.org/r", None));
        assert!(is("a.b.c", Some(1.into())) && is("a.b", Some(2.into())));
        assert!(!is("a.b.d", None) && !is("n", None) && !is("", None) && !is("a.b.c", Some("1".into())));
    }

    #[test]
    fn provider_may_be_renamed() {
        let names = BTreeMap::from([("wf".to_owned(), "passkey".to_owned())]);
        let provider = ProviderClaim { claim: "amr".to_owned(), names, default: "none".to_owned() };
        let of = |value: &Value| provider.of(&claims(value));
        assert_eq!((of(&json!({ "amr": "wf" })), of(&json!({ "amr": "x.com" }))), ("passkey".into(), "x".into()));
        assert_eq!((of(&json!({})), of(&json!({ "amr": 1 }))), ("none".into(), "none".into()));
    }

    #[test]
    fn config_takes_defaults_and_refuses_what_it_does_not_know() {
        let least = json!({ "issuer": "https://i", "audiences": ["a"] });
        assert_eq!(serde_json::from_value::<Issuer>(least).unwrap(), Issuer::new("https://i", "a"));
        for bad in [
            json!({ "issuer": "i", "audiences": ["a"], "algorithms": ["HS256"] }),
            json!({ "issuer": "i", "audiences": ["a"], "algorithms": ["none"] }),
            json!({ "issuer": "i", "audiences": ["a"], "audience": "b" }),
            json!({ "issuer": "i" }),
        ] {
            assert!(serde_json::from_value::<Issuer>(bad).is_err());
        }
    }

    #[test]
    fn discovery_is_believed_only_of_the_issuer_itself() {
        let issuer = Issuer::new("https://i.org/", "a");
        assert_eq!(issuer.discovery_url(), "https://i.org/.well-known/openid-configuration");
        let found = |document: &str| issuer.discovered(document.as_bytes());
        assert_eq!(found(r#"{"issuer":"https://i.org/","jwks_uri":"https://k"}"#), Some("https://k".to_owned()));
        assert_eq!(found(r#"{"issuer":"https://j.org","jwks_uri":"https://k"}"#), None);
        assert_eq!(found(r#"{"issuer":"https://i.org/","jwks_uri":"http://k"}"#), None);
        assert_eq!(found("{"), None);
    }
}
