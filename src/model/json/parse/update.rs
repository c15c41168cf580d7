//! Updates: paths to values.
//!
//! Source: Firebase REST reference 3.4.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::data::DataSeed;
use super::primitive::{PrimitiveSeed, priority_draft};
use super::{Errors, read};
use crate::base::limits::DEPTH_MAX;
use crate::model::json::DataError;
use crate::model::{Draft, Path, Slot, Value};

/// Takes JSON `text` as an update of a place that is `depth` keys away from the root: each key is a path below it, each
/// value replaces what is there. `null` gives `None`.
///
/// Keys may have slashes around them, and `.priority` as their last segment. Of equal paths the last counts. The result
/// is sorted by path, priorities after all data, so that they find the data that the same update writes.
///
/// # Errors
/// Any [`DataError`] but `BadData`.
pub fn parse_update(text: &[u8], depth: usize) -> Result<Option<Vec<(Path, Draft)>>, DataError> {
    let Some(entries) =
        read(text, DataError::BadUpdate, |json, errors| UpdateSeed { depth, errors }.deserialize(json))?
    else {
        return Ok(None);
    };
    let mut by_place = BTreeMap::new();
    for (path, draft) in entries {
        // At the same path the data sorts before its priority.
        by_place.insert((path, matches!(draft.value, Value::Priority(_))), draft);
    }
    // All places below a path follow it directly, so only the last data seen can lie above the next place.
    let mut upper: Option<&Path> = None;
    for (path, is_priority) in by_place.keys() {
        if let Some(upper) = upper.filter(|upper| path.starts_with(upper)) {
            return Err(DataError::Conflict { upper: upper.clone(), lower: path.clone() });
        }
        if !is_priority {
            upper = Some(path);
        }
    }
    let (priorities, mut all): (Vec<_>, Vec<_>) = by_place.into_iter().partition(|((_, is_priority), _)| *is_priority);
    all.extend(priorities);
    Ok(Some(all.into_iter().map(|((path, _), draft)| (path, draft)).collect()))
}

/// Reads an update: paths to drafts; null gives `None`.
struct UpdateSeed<'c> {
    depth: usize,
    errors: Errors<'c>,
}

impl<'de> DeserializeSeed<'de> for UpdateSeed<'_> {
    type Value = Option<Vec<(Path, Draft)>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UpdateSeed<'_> {
    type Value = Option<Vec<(Path, Draft)>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = object.next_key::<String>()? {
            let (path, slot) = update_place(&name).ok_or_else(|| self.errors.fail(DataError::BadUpdate))?;
            let depth = self.depth + path.len();
            if depth > DEPTH_MAX {
                return Err(self.errors.fail(DataError::TooDeep));
            }
            let errors = self.errors;
            let draft = match slot {
                Slot::Value => object.next_value_seed(DataSeed { depth, errors })?.into_draft(),
                Slot::Priority => priority_draft(object.next_value_seed(PrimitiveSeed { slot, errors })?),
            };
            entries.push((path, draft));
        }
        Ok(Some(entries))
    }
}

/// The place that a key of an update names. `None` if it names none; the place itself has no name but its priority.
fn update_place(name: &str) -> Option<(Path, Slot)> {
    let trimmed = name.trim_matches('/');
    if trimmed == ".priority" {
        return Some((Path::root(), Slot::Priority));
    }
    let (path, slot) = match trimmed.strip_suffix("/.priority") {
        Some(above) => (above, Slot::Priority),
        None => (trimmed, Slot::Value),
    };
    Path::parse(path).ok().filter(|path| !path.is_root()).map(|path| (path, slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries as `path=text`, in order.
    fn entries(text: &str, depth: usize) -> Result<Option<Vec<String>>, DataError> {
        let show = |(path, draft): (Path, Draft)| format!("{path}={}", draft.to_text());
        parse_update(text.as_bytes(), depth).map(|all| all.map(|all| all.into_iter().map(show).collect()))
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let expected = expected.iter().map(|entry| (*entry).to_owned()).collect();
        assert_eq!(entries(text, 0), Ok(Some(expected)), "{text}");
    }

    #[test]
    fn update_with_null_as_body_is_none_and_empty_one_has_no_entries() {
        assert_eq!(entries("null", 0), Ok(None));
        check("{}", &[]);
    }

    #[test]
    fn update_names_paths_with_or_without_outer_slashes() {
        check(r#"{"b":1,"/a/c/":{"x":null,"y":[2]},"a/b":null}"#, &["/a/b=null", r#"/a/c={"y":{"0":2}}"#, "/b=1"]);
        check(r#"{"a//b":1}"#, &["/a/b=1"]);
    }

    #[test]
    fn update_of_priorities_comes_after_all_data() {
        check(
            r#"{".priority":1,"a/.priority":null,"b":2,"c/.priority":{".sv":"timestamp"}}"#,
            &["/b=2", r#"/={".priority":1}"#, r#"/a={".priority":null}"#, r#"/c={".priority":{".sv":"timestamp"}}"#],
        );
    }

    #[test]
    fn update_of_equal_paths_keeps_the_last() {
        check(r#"{"a":1,"a":2}"#, &["/a=2"]);
        check(r#"{"a":1,"/a":2}"#, &["/a=2"]);
    }

    #[test]
    fn update_holds_server_values_by_their_place_in_the_entry() {
        check(
            r#"{"a":{"b":{".sv":{"increment":1}}},"c":{".sv":"timestamp"}}"#,
            &[r#"/a={"b":{".sv":{"increment":1}}}"#, r#"/c={".sv":"timestamp"}"#],
        );
    }

    #[test]
    fn update_of_a_place_and_one_below_it_conflicts() {
        let conflict = |upper: &str, lower: &str| {
            let path = |text| Path::parse(text).unwrap();
            Err(DataError::Conflict { upper: path(upper), lower: path(lower) })
        };
        assert_eq!(entries(r#"{"a/b":1,"a":2}"#, 0), conflict("a", "a/b"));
        assert_eq!(entries(r#"{"a":1,"a!":3,"a/b/c":2}"#, 0), conflict("a", "a/b/c"));
        assert_eq!(entries(r#"{"a":1,"a/.priority":2}"#, 0), conflict("a", "a"));
        assert_eq!(entries(r#"{"a":1,"a/b/.priority":2}"#, 0), conflict("a", "a/b"));
        check(r#"{"a/b":1,"a/.priority":2}"#, &["/a/b=1", r#"/a={".priority":2}"#]);
        check(r#"{"a/b/.priority":1,"a/.priority":2}"#, &[r#"/a={".priority":2}"#, r#"/a/b={".priority":1}"#]);
        check(r#"{"ab":1,"a":2}"#, &["/a=2", "/ab=1"]);
    }

    #[test]
    fn update_that_is_no_object_or_has_bad_keys_is_refused() {
        for text in [
            "[1]",
            "1",
            "\"a\"",
            "true",
            "{",
            r#"{"":1}"#,
            r#"{"/":1}"#,
            r#"{"a.b":1}"#,
            r#"{"a/$":1}"#,
            r#"{"a":{"b/c":1}}"#,
            r#"{".value":1}"#,
            r#"{".sv":"timestamp"}"#,
            r#"{"a/.value":1}"#,
            r#"{".priority/a":1}"#,
            r#"{"b":"\ud800","a":{"$":1}}"#,
            r#"{"a":1e400}"#,
        ] {
            assert_eq!(entries(text, 0), Err(DataError::BadUpdate), "{text}");
        }
        assert_eq!(entries("", 0), Err(DataError::NoData));
        assert_eq!(entries(r#"{"a/.priority":true}"#, 0), Err(DataError::BadPriority));
        assert_eq!(entries(r#"{"a":{".sv":1}}"#, 0), Err(DataError::BadServerValue));
    }

    #[test]
    fn update_counts_depth_through_path_and_value() {
        assert!(entries(r#"{"a/b":{"c":1}}"#, 29).is_ok());
        assert_eq!(entries(r#"{"a/b":{"c":1}}"#, 30), Err(DataError::TooDeep));
        assert_eq!(entries(r#"{"a/b/c":null}"#, 30), Err(DataError::TooDeep));
        assert!(entries(r#"{"a/b/.priority":1}"#, 30).is_ok());
    }
}
