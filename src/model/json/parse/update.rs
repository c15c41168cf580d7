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
