//! What clients show, and whom administrators ask to be taken for.

use std::fmt;

use serde_json::Value;

use super::AuthError;
use crate::model::Identity;

/// What a client shows, by the channel that it came on. Source: Firebase rules reference 9.2; REST reference 7.1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// `auth=` of REST, `auth` of the realtime protocol: a user's token, or a database secret.
    Auth(&'a str),
    /// `Authorization: Bearer`, `access_token=`, `gauth`: an administrator's key.
    Bearer(&'a str),
}

/// The channel, never the text.
impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth(_) => "Auth(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

/// Reads `auth_variable_override` or `authvar`: the `auth` variable, or null for nobody. For [`Identified::act_as`].
///
/// # Errors
/// `BadOverride` for anything else. Source: REST reference 7.4; realtime protocol 15.3.
///
/// [`Identified::act_as`]: super::Identified::act_as
pub fn act_as(text: &str) -> Result<Identity, AuthError> {
    match serde_json::from_str(text) {
        Ok(auth @ (Value::Null | Value::Object(_))) => Ok(Identity::of(auth)),
        _ => Err(AuthError::BadOverride),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn override_is_an_object_or_null() {
        assert_eq!(act_as(r#"{"uid":"u1","n":null}"#), Ok(Identity::of(json!({"uid": "u1", "n": null}))));
        assert_eq!(act_as(" null "), Ok(Identity::Nobody));
        for bad in ["", "1", "[]", "\"x\"", "{", "{}x", &"[".repeat(1_000), &"{\"a\":".repeat(1_000)] {
            assert_eq!(act_as(bad), Err(AuthError::BadOverride), "{bad}");
        }
    }

    #[test]
    fn credential_does_not_print_its_text() {
        for credential in [Credential::Auth("hush"), Credential::Bearer("hush")] {
            assert!(!format!("{credential:?}").contains("hush"));
        }
    }
}
