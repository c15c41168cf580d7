//! How much of a node is asked for: all of it, what a query selects, or only the names of its children.
//!
//! Source: Firebase REST reference 5.2, 6. `shallow` goes with queries only where shipped tools send both: with
//! `limitToFirst` and `startAfter` (a raw key) but no `orderBy`, and from the emulator's page, which does not quote.

use super::error::Failure;
use super::params::Params;
use crate::model::Query;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Children show as `true`.
    pub is_shallow: bool,
    /// Present if the request has an `orderBy`, or limits the keys of a shallow answer.
    pub query: Option<Query>,
}

impl Selection {
    /// # Errors
    /// 400 with the texts of 5.2 and 6.7.
    pub fn parse(params: &Params<'_>) -> Result<Self, Failure> {
        let is_shallow = params.is_true("shallow");
        let given: Vec<(&str, &str)> = NAMES.iter().filter_map(|name| Some((*name, params.get(name)?))).collect();
        let query = match (is_shallow, params.get("orderBy").is_some()) {
            (false, _) => query(&given)?,
            (true, true) => {
                let values: Vec<_> = given.iter().map(|(name, value)| (*name, lenient(name, value))).collect();
                query(&borrowed(&values))?
            }
            (true, false) => shallow_keys(&given)?,
        };
        Ok(Self { is_shallow, query })
    }

    pub fn is_query(&self) -> bool {
        self.query.is_some()
    }
}

/// `shallow=true` without `orderBy`: the two parameters that may go with it are about keys.
fn shallow_keys(given: &[(&str, &str)]) -> Result<Option<Query>, Failure> {
    let mut values = vec![("orderBy", "\"$key\"".to_owned())];
    for (name, value) in given {
        match *name {
            "limitToFirst" => values.push((name, (*value).to_owned())),
            "startAfter" => values.push((name, quoted_key(value))),
            _ => return Err(Failure::SHALLOW_QUERY),
        }
    }
    if given.is_empty() { Ok(None) } else { query(&borrowed(&values)) }
}

/// The parameters of a query.
const NAMES: [&str; 8] =
    ["orderBy", "limitToFirst", "limitToLast", "startAt", "startAfter", "endAt", "endBefore", "equalTo"];

fn query(params: &[(&str, &str)]) -> Result<Option<Query>, Failure> {
    Query::from_params(params).map_err(|error| Failure::invalid(error.to_string()))
}

fn borrowed<'a>(values: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    values.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// A value as it is where it is JSON, else as a string (limits apart).
fn lenient(name: &str, value: &str) -> String {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok();
    let has_key = value.rsplit_once(",\"").is_some_and(|(_, key)| key.ends_with('"'));
    if name.starts_with("limit") || is_json || has_key { value.to_owned() } else { quoted(value) }
}

/// A raw key as a JSON string; one that already is a JSON string stays.
fn quoted_key(raw: &str) -> String {
    if serde_json::from_str::<String>(raw).is_ok() { raw.to_owned() } else { quoted(raw) }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bound, BoundKey, Index, Limit, Path};

    fn selection(raw: &str) -> Result<Selection, Failure> {
        Selection::parse(&Params::parse(raw).unwrap())
    }

    fn shallow_query(raw: &str) -> Query {
        let selection = selection(raw).unwrap();
        assert!(selection.is_shallow);
        selection.query.unwrap()
    }

    #[test]
    fn nothing_special_selects_everything() {
        assert_eq!(selection("print=pretty&ns=a"), Ok(Selection::default()));
        assert_eq!(selection("shallow=false"), Ok(Selection::default()));
        assert_eq!(selection("shallow=true"), Ok(Selection { is_shallow: true, query: None }));
    }

    #[test]
    fn query_parameters_make_a_query_or_the_sources_text() {
        let query = selection("orderBy=%22$key%22&limitToLast=2").unwrap().query.unwrap();
        assert_eq!((query.index, query.limit), (Index::Key, Some(Limit::Last(2))));
        let error = selection("limitToFirst=2").unwrap_err();
        assert_eq!(error.text, "orderBy must be defined when other query parameters are defined");
    }

    #[test]
    fn shallow_goes_with_raw_keys_and_a_limit() {
        let query = shallow_query("shallow=true&limitToFirst=100&startAfter=a%20b&timeout=200ms");
        assert_eq!((&query.index, query.limit), (&Index::Key, Some(Limit::First(100))));
        let expected = |text: &str| Some(BoundKey::Text(text.into()));
        assert!(matches!(query.start, Some(Bound { key, inclusive: false, .. }) if key == expected("a b")));
        let query = shallow_query("shallow=true&startAfter=%22q%22");
        assert!(matches!(query.start, Some(Bound { key, .. }) if key == expected("q")));
        let query = shallow_query("shallow=true&startAfter=12");
        assert!(matches!(query.start, Some(Bound { key, .. }) if key == expected("12")));
        for refused in ["limitToLast=1", "startAt=a", "endAt=a", "endBefore=a", "equalTo=1"] {
            assert_eq!(selection(&format!("shallow=true&{refused}")), Err(Failure::SHALLOW_QUERY), "{refused}");
        }
    }

    #[test]
    fn shallow_with_order_takes_what_the_emulators_page_does_not_quote() {
        let query = shallow_query("shallow=true&orderBy=a/b&limitToFirst=50&equalTo=x");
        assert_eq!(query.index, Index::Child(Path::parse("a/b").unwrap()));
        assert_eq!(query, shallow_query("shallow=true&orderBy=%22a/b%22&limitToFirst=50&equalTo=%22x%22"));
        assert_eq!(query.limit, Some(Limit::First(50)));
    }
}
