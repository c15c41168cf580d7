//! Who asks: what a credential comes to, and what security rules see of it as `auth`.
//!
//! Source: Firebase rules reference 2.1, 9.1.

use std::sync::Arc;

use serde_json::Value;

/// No `auth` variable is a string.
const ADMIN: &str = "\"admin\"";

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Identity {
    /// Nobody in particular: `auth` is null.
    #[default]
    Nobody,
    /// A user: the value of `auth`, an object with at least `uid` unless the credential says otherwise.
    User(Arc<Value>),
    /// May do all; rules are not asked.
    Admin,
}

impl Identity {
    /// A user whose `auth` variable is `auth`; nobody where that is null.
    pub fn of(auth: Value) -> Self {
        if auth.is_null() { Self::Nobody } else { Self::User(Arc::new(auth)) }
    }

    /// The `auth` variable; `None` is null.
    pub fn auth(&self) -> Option<&Value> {
        match self {
            Self::User(auth) => Some(auth),
            Self::Nobody | Self::Admin => None,
        }
    }

    pub fn is_admin(&self) -> bool {
        matches!(self, Self::Admin)
    }

    /// JSON by which it is stored: `null`, `"admin"`, or the `auth` variable.
    pub fn to_text(&self) -> String {
        match self {
            Self::Nobody => "null".to_owned(),
            Self::User(auth) => auth.to_string(),
            Self::Admin => ADMIN.to_string(),
        }
    }

    /// What [`Identity::to_text`] wrote; nobody, if it is something else.
    pub fn from_text(text: &str) -> Self {
        if text == ADMIN {
            return Self::Admin;
        }
        let auth = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
        auth.map_or(Self::Nobody, Self::of)
    }
}
