//! Why a credential is refused, in the words that clients know.
//!
//! Source: Firebase rules reference 9.8; REST reference 8.2; realtime protocol 15.5.

use std::borrow::Cow;
use std::fmt;

/// Why a credential is refused. `Display` gives REST's text, `Debug` what to log: neither holds the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// No token and no known secret, or not signed by whom it should be.
    Invalid,
    /// It was valid, and no longer is.
    Expired,
    /// A signed token that lacks this claim, or where it is not as it must be: not for us, not yet valid.
    Claim(Cow<'static, str>),
    /// Its header names no key.
    MissingKeyId,
    /// Its header names a key that its issuer is not known to have. `Keyring::needs_keys` tells whom to ask.
    UnknownKeyId,
    /// On an administrator's channel: no known key, or a user's token.
    NotAdmin,
    /// An override of `auth` that is neither a JSON object nor null.
    BadOverride,
    /// An override of `auth` by somebody who is no administrator.
    OverrideRefused,
}

impl AuthError {
    /// HTTP status, and the text of `error`.
    pub fn rest(&self) -> (u16, &'static str) {
        match self {
            // A claim is not named to strangers here: the hosted service does not either.
            Self::Invalid | Self::Claim(_) => (401, "Could not parse auth token."),
            Self::Expired => (401, "Auth token is expired"),
            Self::MissingKeyId => (401, "Missing claim 'kid' in auth header."),
            Self::UnknownKeyId => (401, "Invalid claim 'kid' in auth header."),
            Self::NotAdmin | Self::OverrideRefused => (401, "Unauthorized request."),
            Self::BadOverride => (400, "auth_variable_override must be a JSON object or null."),
        }
    }

    /// Status and data of the answer to `auth` or `gauth`.
    pub fn realtime(&self) -> (&'static str, Cow<'static, str>) {
        let text = match self {
            Self::Expired => return ("expired_token", "Auth token is expired.".into()),
            Self::NotAdmin => return ("permission_denied", "Access denied.".into()),
            Self::Claim(name) => return ("invalid_token", format!("Invalid claim '{name}' in auth token.").into()),
            Self::BadOverride => "authvar must be an object.",
            Self::OverrideRefused => "Only an administrator may act as somebody else.",
            Self::Invalid | Self::MissingKeyId | Self::UnknownKeyId => self.rest().1,
        };
        ("invalid_token", text.into())
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rest().1)
    }
}

impl std::error::Error for AuthError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: &AuthError, rest: (u16, &str), realtime: (&str, &str)) {
        assert_eq!(error.rest(), rest);
        assert_eq!(error.to_string(), rest.1);
        let (status, text) = error.realtime();
        assert_eq!((status, text.as_ref()), realtime);
    }

    #[test]
    fn texts_are_those_that_clients_know() {
        let parse = "Could not parse auth token.";
        check(&AuthError::Invalid, (401, parse), ("invalid_token", parse));
        let aud = AuthError::Claim("aud".into());
        check(&aud, (401, parse), ("invalid_token", "Invalid claim 'aud' in auth token."));
        let expired = ("expired_token", "Auth token is expired.");
        check(&AuthError::Expired, (401, "Auth token is expired"), expired);
        let missing = "Missing claim 'kid' in auth header.";
        check(&AuthError::MissingKeyId, (401, missing), ("invalid_token", missing));
        let unknown = "Invalid claim 'kid' in auth header.";
        check(&AuthError::UnknownKeyId, (401, unknown), ("invalid_token", unknown));
        check(&AuthError::NotAdmin, (401, "Unauthorized request."), ("permission_denied", "Access denied."));
        assert_eq!(AuthError::BadOverride.rest().0, 400);
        assert_eq!(AuthError::OverrideRefused.realtime().0, "invalid_token");
    }
}
