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
    let value = IndexValue::from_json(value)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64) -> IndexValue {
        IndexValue::Scalar(Scalar::Int(value))
    }

    fn string(text: &str) -> IndexValue {
        IndexValue::Scalar(Scalar::string(text))
    }

    fn text_key(text: &str) -> BoundKey {
        BoundKey::Text(text.to_owned())
    }

    fn bound(value: IndexValue, key: impl Into<Option<BoundKey>>, inclusive: bool) -> Bound {
        Bound { value, key: key.into(), inclusive }
    }

    fn query(params: &[(&str, &str)]) -> Query {
        Query::from_params(params).unwrap_or_else(|error| panic!("{params:?}: {error}")).unwrap()
    }

    #[test]
    fn request_without_query_parameters_has_no_query() {
        assert_eq!(Query::from_params(&[]), Ok(None));
        assert_eq!(Query::from_params(&[("print", "pretty"), ("ns", "x"), ("orderby", "1")]), Ok(None));
    }

    #[test]
    fn order_by_names_each_index() {
        let index = |text| query(&[("orderBy", text)]).index;
        assert_eq!(index(r#""$key""#), Index::Key);
        assert_eq!(index(r#""$value""#), Index::Value);
        assert_eq!(index(r#""$priority""#), Index::Priority);
        assert_eq!(index(r#""height""#), Index::Child(Path::parse("height").unwrap()));
        assert_eq!(index(r#""ratings/pos""#), Index::Child(Path::parse("ratings/pos").unwrap()));
        assert!(query(&[("orderBy", r#""$key""#)]).is_whole());
    }

    #[test]
    fn bounds_are_json_primitives_with_an_optional_key() {
        let by = |name, text| query(&[("orderBy", r#""a""#), (name, text)]);
        assert_eq!(by("startAt", "3").start, Some(bound(int(3), None, true)));
        assert_eq!(by("startAt", r#""x","key1""#).start, Some(bound(string("x"), text_key("key1"), true)));
        assert_eq!(by("startAt", "null").start, Some(bound(IndexValue::Null, None, true)));
        assert_eq!(
            by("endAt", "true , \"k\"").end,
            Some(bound(IndexValue::Scalar(Scalar::Bool(true)), text_key("k"), true))
        );
        assert_eq!(by("endAt", "0.5").end, Some(bound(IndexValue::Scalar(Scalar::Double(0.5)), None, true)));
        assert_eq!(by("startAfter", "3").start, Some(bound(int(3), BoundKey::Max, false)));
        assert_eq!(by("startAfter", r#"3,"k""#).start, Some(bound(int(3), text_key("k"), false)));
        assert_eq!(by("endBefore", "3").end, Some(bound(int(3), BoundKey::Min, false)));
        assert_eq!(by("endBefore", r#"3,"[MIN_NAME]""#).end, Some(bound(int(3), BoundKey::Min, false)));
        assert_eq!(by("startAt", r#"3,"[MAX_KEY]""#).start, Some(bound(int(3), BoundKey::Max, true)));
        let equal = by("equalTo", r#""x,y""#);
        assert_eq!(
            (equal.start, equal.end),
            (Some(bound(string("x,y"), None, true)), Some(bound(string("x,y"), None, true)))
        );
        let equal = by("equalTo", r#"1,"k""#);
        assert_eq!(
            (equal.start, equal.end),
            (Some(bound(int(1), text_key("k"), true)), Some(bound(int(1), text_key("k"), true)))
        );
    }

    #[test]
    fn bounds_by_key_are_keys() {
        let by = |name, text| query(&[("orderBy", r#""$key""#), (name, text)]);
        assert_eq!(by("startAt", r#""b""#).start, Some(bound(IndexValue::Null, text_key("b"), true)));
        assert_eq!(by("startAfter", r#""b""#).start, Some(bound(IndexValue::Null, text_key("b"), false)));
        assert_eq!(by("endBefore", r#""b""#).end, Some(bound(IndexValue::Null, text_key("b"), false)));
        let equal = by("equalTo", r#""b""#);
        assert_eq!(equal.start, equal.end);
    }

    #[test]
    fn limits_are_positive_integers() {
        let limit = |name, text| query(&[("orderBy", r#""$key""#), (name, text)]).limit;
        assert_eq!(limit("limitToFirst", "10"), Some(Limit::First(10)));
        assert_eq!(limit("limitToLast", "1"), Some(Limit::Last(1)));
        assert_eq!(limit("limitToLast", "99999999999999999999999"), Some(Limit::Last(u32::MAX)));
    }

    #[test]
    fn repeated_parameter_counts_as_its_last() {
        assert_eq!(query(&[("orderBy", "x"), ("orderBy", r#""$key""#)]).index, Index::Key);
    }

    #[test]
    fn bad_parameters_give_the_documented_texts() {
        let key = ("orderBy", r#""$key""#);
        let child = ("orderBy", r#""a""#);
        let no_order = "orderBy must be defined when other query parameters are defined";
        let bad_order = "orderBy must be a valid JSON encoded path";
        let bad_bound = "Constraint index field must be a JSON primitive";
        let bad_key = "Provided key index type is invalid, must be string";
        let equal_to = "equalTo cannot be specified in addition to startAfter, startAt, endAt, or endBefore";
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("limitToFirst", "x")], no_order),
            (&[("equalTo", "1"), ("ns", "x")], no_order),
            (&[("orderBy", "height")], bad_order),
            (&[("orderBy", "")], bad_order),
            (&[("orderBy", "1")], bad_order),
            (&[("orderBy", r#""""#)], bad_order),
            (&[("orderBy", r#""/a""#)], bad_order),
            (&[("orderBy", r#""a.b""#)], bad_order),
            (&[("orderBy", r#""$foo""#), ("limitToFirst", "x")], bad_order),
            (&[child, ("startAt", "x")], bad_bound),
            (&[child, ("startAt", "")], bad_bound),
            (&[child, ("startAt", "{}")], bad_bound),
            (&[child, ("endAt", "[1]")], bad_bound),
            (&[child, ("endAt", "1],[2")], bad_bound),
            (&[child, ("endAt", "1,2")], bad_bound),
            (&[child, ("endAt", r#"1,"a","b""#)], bad_bound),
            (&[child, ("equalTo", "1e400")], bad_bound),
            (&[key, ("startAt", "1"), ("endAt", "x")], bad_bound),
            (&[key, ("startAt", "1"), ("limitToFirst", "x")], bad_key),
            (&[key, ("equalTo", "null")], bad_key),
            (&[key, ("limitToFirst", "1.5"), ("limitToLast", "0")], "limitToFirst must be an integer"),
            (&[key, ("limitToFirst", "-")], "limitToFirst must be an integer"),
            (&[key, ("limitToLast", "ten")], "limitToLast must be an integer"),
            (&[key, ("limitToLast", "\"1\"")], "limitToLast must be an integer"),
            (&[key, ("limitToFirst", "0")], "limitToFirst must be positive"),
            (&[key, ("limitToFirst", "")], "limitToFirst must be positive"),
            (&[key, ("limitToLast", "-5")], "limitToLast must be positive"),
            (&[child, ("equalTo", "1"), ("endBefore", "2"), ("limitToFirst", "1"), ("limitToLast", "1")], equal_to),
            (
                &[key, ("limitToFirst", "1"), ("limitToLast", "1")],
                "limitToFirst and limitToLast cannot both be specified",
            ),
            (&[child, ("startAt", "1"), ("startAfter", "1")], "Only one of startAt and startAfter can be specified"),
            (&[child, ("endAt", "1"), ("endBefore", "1")], "Only one of endAt and endBefore can be specified"),
        ];
        for (params, text) in table {
            let error = Query::from_params(params).expect_err(text);
            assert_eq!(error.to_string(), *text, "{params:?}");
        }
    }
}
