//! Queries as the realtime protocol writes them.
//!
//! Source: Firebase realtime protocol 10.1, 10.2, 10.7. The array form of SDKs before 2.0 (18.2) is not read here:
//! those clients filter by themselves and are served whole nodes.

use serde_json::{Map, Value as Json};

use super::super::order::IndexValue;
use super::super::{Path, Scalar};
use super::{Bound, BoundKey, Index, Limit, Query};
use crate::base::limits::QUERY_TEXT_BYTES_MAX;

impl Query {
    /// The query object `q` of a listen or get: `sp sn sin ep en ein l vf i`, all optional, others ignored. `sp` and
    /// `ep` of null are values, not missing. Bound keys need not be legal keys. Limits beyond `u32` mean its maximum.
    /// An object that orders only gives a whole query with that index.
    ///
    /// # Errors
    /// What is wrong with it, in words for the author of the client.
    pub fn from_wire(object: &Json) -> Result<Self, String> {
        let object = object.as_object().ok_or("Invalid query: it must be an object")?;
        let index = object.get("i").map_or(Ok(Index::Priority), parse_index)?;
        let start = parse_bound(object, ["sp", "sn", "sin"], &index)?;
        let end = parse_bound(object, ["ep", "en", "ein"], &index)?;
        let limit = parse_limit(object, start.is_some())?;
        Ok(Self { index, start, end, limit })
    }
}

fn parse_index(index: &Json) -> Result<Index, String> {
    let wrong = || "Invalid query: i must be .key, .value, .priority or the path of a child".to_owned();
    match index.as_str().ok_or_else(wrong)? {
        ".key" => Ok(Index::Key),
        ".value" => Ok(Index::Value),
        ".priority" => Ok(Index::Priority),
        path => Path::parse(path).ok().filter(|path| !path.is_root()).map(Index::Child).ok_or_else(wrong),
    }
}

/// One end of the range, from the values under its three names. Without the first there is none, whatever the others.
fn parse_bound(object: &Map<String, Json>, names: [&str; 3], index: &Index) -> Result<Option<Bound>, String> {
    let [value_name, key_name, inclusive_name] = names;
    let wrong = |name, rule| Err(format!("Invalid query: {name} must be {rule}"));
    let key = match object.get(key_name) {
        // Old SDKs write null for a key that is not given.
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text),
        Some(_) => return wrong(key_name, "a string"),
    };
    let inclusive = match object.get(inclusive_name) {
        None => true,
        Some(Json::Bool(inclusive)) => *inclusive,
        Some(_) => return wrong(inclusive_name, "true or false"),
    };
    let Some(value) = object.get(value_name) else { return Ok(None) };
    let bytes = |text: Option<&str>| text.map_or(0, str::len);
    if bytes(value.as_str()).max(bytes(key.map(String::as_str))) > QUERY_TEXT_BYTES_MAX {
        return wrong(value_name, &format!("of at most {QUERY_TEXT_BYTES_MAX} bytes, and so its key"));
    }
    let key = key.map(|key| BoundKey::parse(key));
    match (index, IndexValue::from_json(value)) {
        // By key, the value is the key, and nothing is left to tell ties apart.
        (Index::Key, Some(IndexValue::Scalar(Scalar::String(key)))) => {
            Ok(Some(Bound { value: IndexValue::Null, key: Some(BoundKey::parse(&key)), inclusive }))
        }
        (Index::Key, _) => wrong(value_name, "a string when ordering by key"),
        (_, Some(value)) => Ok(Some(Bound { value, key, inclusive })),
        (_, None) => wrong(value_name, "null, a boolean, a number or a string"),
    }
}

fn parse_limit(object: &Map<String, Json>, has_start: bool) -> Result<Option<Limit>, String> {
    let is_first = match object.get("vf").map(Json::as_str) {
        None => has_start,
        Some(Some("l")) => true,
        Some(Some("r")) => false,
        Some(_) => return Err("Invalid query: vf must be l or r".to_owned()),
    };
    let Some(limit) = object.get("l") else { return Ok(None) };
    let limit = limit.as_u64().filter(|limit| *limit > 0).ok_or("Invalid query: l must be a positive integer")?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    Ok(Some(if is_first { Limit::First(limit) } else { Limit::Last(limit) }))
}

#[cfg(test)]
mod tests;
