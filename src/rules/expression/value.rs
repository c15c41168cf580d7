//! Values of expressions while they are evaluated.
//!
//! Source: Firebase rules reference 6, 7.

use std::sync::Arc;

use serde_json::Value as Json;

use super::code::Relative;
use crate::base::limits::DEPTH_MAX;
use crate::model::{Path, Scalar};

/// What a part of an expression comes to.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(f64),
    String(Text<'a>),
    /// Data with children: not null, and equal to nothing.
    Branch,
    /// An object or an array in `auth`.
    Json(&'a Json),
    Snapshot(Snapshot),
    Query,
}

#[derive(Clone, Debug)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Arc<str>),
}

/// A place in the database as it was before a write, or is after it.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub is_after: bool,
    pub path: Path,
    /// Segments further down that no data can have.
    pub lost: usize,
}

impl<'a> Value<'a> {
    pub fn of_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::String(Text::Borrowed(text)),
            Json::Array(_) | Json::Object(_) => Self::Json(json),
        }
    }

    pub fn of_scalar(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Bool(value) => Self::Bool(*value),
            Scalar::String(text) => Self::String(Text::Shared(Arc::clone(text))),
            number => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    /// `==`: same type and same value. Objects of `auth` are equal only to themselves.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            #[expect(clippy::float_cmp, reason = "as the language has it")]
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::String(a), Self::String(b)) => a.as_str() == b.as_str(),
            (Self::Json(a), Self::Json(b)) => std::ptr::eq(*a, *b),
            _ => false,
        }
    }

    /// The member `name` of what is in `auth`: null where there is none.
    pub fn member(&self, name: &str) -> Self {
        match self {
            Self::Json(Json::Object(members)) => members.get(name).map_or(Self::Null, Self::of_json),
            Self::Json(Json::Array(items)) => {
                let index = name.parse::<usize>().ok();
                index.and_then(|index| items.get(index)).map_or(Self::Null, Self::of_json)
            }
            Self::String(text) if name == "length" => text.utf16_len(),
            _ => Self::Null,
        }
    }

    /// What it is, for people who wonder why it does not fit.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Branch => "data with children",
            Self::Json(Json::Array(_)) => "an array",
            Self::Json(_) => "an object",
            Self::Snapshot(_) => "a snapshot",
            Self::Query => "a query",
        }
    }

    /// The value as people read it, cut off where it is long.
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => number_text(*value),
            Self::String(text) => {
                let shown: String = text.as_str().chars().take(SHOWN_CHARS_MAX).collect();
                let cut = if shown.len() < text.as_str().len() { "…" } else { "" };
                format!("{}{cut}", Json::from(shown))
            }
            Self::Branch => "{…}".to_owned(),
            Self::Json(json) => describe_json(json),
            Self::Snapshot(Snapshot { is_after, path, lost }) => {
                let what = if *is_after { "new data" } else { "data" };
                if *lost > 0 { "nothing: no key is called so".to_owned() } else { format!("{what} at {path}") }
            }
            Self::Query => "the query".to_owned(),
        }
    }
}

/// Characters of a value that are shown.
const SHOWN_CHARS_MAX: usize = 100;

/// Its text cut off, without making all of it first.
fn describe_json(json: &Json) -> String {
    match json {
        Json::Array(items) => format!("[… {} items]", items.len()),
        Json::Object(members) => {
            let names: Vec<_> = members.keys().take(8).map(String::as_str).collect();
            let more = if names.len() < members.len() { ", …" } else { "" };
            let shown: String = names.join(", ").chars().take(SHOWN_CHARS_MAX).collect();
            format!("{{{shown}{more}}}")
        }
        primitive => Value::of_json(primitive).describe(),
    }
}

impl<'a> Text<'a> {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }

    pub fn utf16_len(&self) -> Value<'a> {
        #[expect(clippy::cast_precision_loss, reason = "a length")]
        Value::Number(self.as_str().encode_utf16().count() as f64)
    }
}

impl Snapshot {
    pub fn child(mut self, names: &Relative) -> Self {
        match names {
            Relative::Keys(keys) if self.lost == 0 && self.path.len() + keys.len() <= DEPTH_MAX => {
                for key in keys {
                    self.path.push(key.clone());
                }
            }
            Relative::Keys(keys) => self.lost += keys.len(),
            Relative::Nowhere(len) => self.lost += len,
        }
        self
    }

    /// `None` above the root.
    pub fn parent(mut self) -> Option<Self> {
        if self.lost > 0 {
            self.lost -= 1;
            return Some(self);
        }
        self.path.pop().map(|_| self)
    }
}

/// A number as JavaScript writes it: the shortest digits, an exponent from 1e21 and below 1e-6.
pub(super) fn number_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&value.abs()) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}
