//! Queries as REST parameters give them.
//!
//! Source: Firebase REST reference 6.1 to 6.3, 6.7.

use std::fmt;

use serde_json::Value as Json;

use super::super::order::IndexValue;
use super::super::{Path, Scalar};
use super::{Bound, BoundKey, Index, Limit, Query};

/// Why parameters are no query. `Display` gives what REST answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    NoOrderBy,
    BadOrderBy,
    /// A bound that is no JSON primitive, or whose second part is no string.
    BadBound,
    /// A bound by key that is no string.
    BadKeyBound,
    /// The limit of this name is no integer.
    LimitNoInteger(&'static str),
    /// The limit of this name is 0, less or empty.
    LimitNotPositive(&'static str),
    EqualToWithBound,
    BothLimits,
    BothStarts,
    BothEnds,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoOrderBy => "orderBy must be defined when other query parameters are defined",
            Self::BadOrderBy => "orderBy must be a valid JSON encoded path",
            Self::BadBound => "Constraint index field must be a JSON primitive",
            Self::BadKeyBound => "Provided key index type is invalid, must be string",
            Self::LimitNoInteger(name) => return write!(f, "{name} must be an integer"),
            Self::LimitNotPositive(name) => return write!(f, "{name} must be positive"),
            Self::EqualToWithBound => {
                "equalTo cannot be specified in addition to startAfter, startAt, endAt, or endBefore"
            }
            Self::BothLimits => "limitToFirst and limitToLast cannot both be specified",
            Self::BothStarts => "Only one of startAt and startAfter can be specified",
            Self::BothEnds => "Only one of endAt and endBefore can be specified",
        })
    }
}

impl std::error::Error for QueryError {}

impl Query {
    /// The query among the parameters of a request, names and values already percent-decoded; `None` if there is none.
    /// Other parameters are ignored; of a repeated one the last counts. Limits beyond `u32` mean its maximum.
    ///
    /// # Errors
    /// See [`QueryError`]; of several errors the one that is listed first there.
    pub fn from_params(params: &[(&str, &str)]) -> Result<Option<Self>, QueryError> {
        let find = |name: &str| params.iter().rev().find(|(found, _)| *found == name).map(|(_, value)| *value);
        let Some(order_by) = find("orderBy") else {
            return if OTHERS.iter().any(|name| find(name).is_some()) { Err(QueryError::NoOrderBy) } else { Ok(None) };
        };
        let index = parse_index(order_by).ok_or(QueryError::BadOrderBy)?;

        let bound = |name| find(name).map(|text| parse_bound(text).ok_or(QueryError::BadBound)).transpose();
        let (start_at, start_after) = (bound("startAt")?, bound("startAfter")?);
        let (end_at, end_before, equal_to) = (bound("endAt")?, bound("endBefore")?, bound("equalTo")?);
        let bound = |bound: Option<Bound>| bound.map(|bound| bound.of_index(&index)).transpose();
        let (start_at, start_after) = (bound(start_at)?, bound(start_after)?);
        let (end_at, end_before, equal_to) = (bound(end_at)?, bound(end_before)?, bound(equal_to)?);
        let limit = |name| find(name).map(|text| parse_limit(name, text)).transpose();
        let (first, last) = (limit("limitToFirst")?, limit("limitToLast")?);

        if equal_to.is_some() && [&start_at, &start_after, &end_at, &end_before].iter().any(|bound| bound.is_some()) {
            return Err(QueryError::EqualToWithBound);
        }
        let both = |a: bool, b: bool, error| if a && b { Err(error) } else { Ok(()) };
        both(first.is_some(), last.is_some(), QueryError::BothLimits)?;
        both(start_at.is_some(), start_after.is_some(), QueryError::BothStarts)?;
        both(end_at.is_some(), end_before.is_some(), QueryError::BothEnds)?;
        Ok(Some(Self {
            start: start_at.or(start_after.map(|bound| bound.exclusive(BoundKey::Max))).or(equal_to.clone()),
            end: end_at.or(end_before.map(|bound| bound.exclusive(BoundKey::Min))).or(equal_to),
            limit: first.map(Limit::First).or(last.map(Limit::Last)),
            index,
        }))
    }
}

/// All query parameters but `orderBy`.
const OTHERS: [&str; 7] = ["startAt", "startAfter", "endAt", "endBefore", "equalTo", "limitToFirst", "limitToLast"];

impl Bound {
    /// The same bound as `index` wants it: by key, the value is the key.
    fn of_index(self, index: &Index) -> Result<Self, QueryError> {
        match (index, self.value) {
            (Index::Key, IndexValue::Scalar(Scalar::String(key))) => {
                Ok(Self { value: IndexValue::Null, key: Some(BoundKey::parse(&key)), inclusive: true })
            }
            (Index::Key, _) => Err(QueryError::BadKeyBound),
            (_, value) => Ok(Self { value, ..self }),
        }
    }

    /// The same bound without its own place. Without a key it leaves out all children of its value; `edge` is the key
    /// that does so.
    fn exclusive(self, edge: BoundKey) -> Self {
        Self { key: self.key.or(Some(edge)), inclusive: false, ..self }
    }
}

impl BoundKey {
    /// Takes any text, and the names that SDKs have for the ends of all keys.
    pub fn parse(text: &str) -> Self {
        match text {
            "[MIN_NAME]" => Self::Min,
            "[MAX_NAME]" | "[MAX_KEY]" => Self::Max,
            _ => Self::Text(text.to_owned()),
        }
    }
}

fn parse_index(text: &str) -> Option<Index> {
    let name: String = serde_json::from_str(text).ok()?;
    match name.as_str() {
        "$key" => Some(Index::Key),
        "$value" => Some(Index::Value),
        "$priority" => Some(Index::Priority),
        path if path.starts_with('/') => None,
        path => Path::parse(path).ok().filter(|path| !path.is_root()).map(Index::Child),
    }
}

/// A primitive, and after a comma possibly a key: together the inside of a JSON array.
fn parse_bound(text: &str) -> Option<Bound> {
    let parts: Vec<Json> = serde_json::from_str(&format!("[{text}]")).ok()?;
    let (value, key) = match parts.as_slice() {
        [value] => (value, None),
        [value, Json::String(key)] => (value, Some(BoundKey::parse(key))),
        _ => return None,
    };
    let value = match value {
        Json::Null => IndexValue::Null,
        Json::Bool(value) => IndexValue::Scalar(Scalar::Bool(*value)),
        Json::Number(number) => IndexValue::Scalar(Scalar::from_json(number)?),
        Json::String(text) => IndexValue::Scalar(Scalar::string(text.as_str())),
        Json::Array(_) | Json::Object(_) => return None,
    };
    Some(Bound { value, key, inclusive: true })
}

fn parse_limit(name: &'static str, text: &str) -> Result<u32, QueryError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || (digits.is_empty() && !text.is_empty()) {
        return Err(QueryError::LimitNoInteger(name));
    }
    if text.starts_with('-') || digits.bytes().all(|byte| byte == b'0') {
        return Err(QueryError::LimitNotPositive(name));
    }
    Ok(digits.parse().unwrap_or(u32::MAX))
}
