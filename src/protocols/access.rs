//! Who an HTTP request is from: the credentials that Firebase's clients send with one.
//!
//! Source: Firebase REST reference 7.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::namespace::parameter;
use crate::base::Millis;
use crate::engine::{AuthError, Credential, Engine, act_as};
use crate::model::Identity;

/// Who a request is from, and for how long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Access {
    pub who: Identity,
    /// When the credential ends, in milliseconds since 1970; `None`: never.
    pub ends_at: Option<Millis>,
}

/// Reads `Authorization: Bearer`, `access_token` or `auth`, the first of them that is there, and for administrators
/// `auth_variable_override`. Nobody where there is none.
///
/// # Errors
/// What is wrong with the credential; whoever shows a bad one is refused, even where nobody would be let in.
pub fn identify(engine: &Engine, headers: &HeaderMap, query: &str) -> Result<Access, AuthError> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer_of);
    let token = bearer.map(str::to_owned).or_else(|| parameter(query, "access_token"));
    let user = if token.is_some() { None } else { parameter(query, "auth") };
    let credential = match (&token, &user) {
        (Some(token), _) => Credential::Bearer(token),
        (None, Some(user)) => Credential::Auth(user),
        (None, None) => return Ok(Access::default()),
    };
    let mut identified = engine.identify(&credential)?;
    // Of anyone else it is ignored (7.4).
    if identified.identity.is_admin()
        && let Some(text) = parameter(query, "auth_variable_override")
    {
        identified = identified.act_as(act_as(&text)?)?;
    }
    Ok(Access { who: identified.identity, ends_at: identified.expires_at_ms })
}

/// Whether `who` may see and change what is beside the data: rules, settings, explanations.
pub fn may_administer(engine: &Engine, who: &Identity) -> bool {
    engine.is_emulator() || who.is_admin()
}

/// The token of `Bearer <token>`; the scheme in any case.
fn bearer_of(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_is_found_in_any_case() {
        assert_eq!(bearer_of("Bearer owner"), Some("owner"));
        assert_eq!(bearer_of("bearer  x.y.z "), Some("x.y.z"));
        assert_eq!(bearer_of("Basic dTpw"), None);
        assert_eq!(bearer_of("Bearer"), None);
    }
}
