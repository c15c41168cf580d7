//! Text of clients into drafts: one pass of serde straight into our tree.
//!
//! Source: Firebase REST reference 3.2 to 3.4, 5.6, 5.7; realtime protocol 11.1, 11.2, 11.6 to 11.8.
//!
//! serde hands errors up as texts; ours are left in a cell on the way, and fetched from there at the end.
//!
//! - `data`: values of any kind
//! - `members`: what becomes of the members of an object
//! - `primitive`: `.value`, `.priority` and `.sv`
//! - `update`: paths to values
//! - `surrogate`: a repair for escapes that are half a character

mod data;
mod members;
mod primitive;
mod surrogate;
mod update;

use std::cell::Cell;

use serde::de::{DeserializeSeed, Error};
use serde_json::de::StrRead;

use self::data::DataSeed;
use self::members::Parsed;
use self::primitive::{PrimitiveSeed, priority_draft};
pub use self::surrogate::replace_lone_surrogates;
pub use self::update::parse_update;
use super::DataError;
use crate::base::limits::{STRING_BYTES_MAX, WRITE_LEAVES_MAX};
use crate::model::{Draft, Scalar, Slot};

impl Draft {
    /// Takes JSON `text` as the value of a place that is `depth` keys away from the root.
    ///
    /// Arrays become maps; nulls and empty containers vanish; of equal keys the last counts.
    ///
    /// # Errors
    /// Any [`DataError`] but `BadUpdate` and `Conflict`.
    pub fn parse(text: &[u8], depth: usize) -> Result<Self, DataError> {
        read(text, DataError::BadData, |json, errors| DataSeed { depth, errors }.deserialize(json))
            .map(Parsed::into_draft)
    }
}

/// Takes JSON `text` as a priority: a number, a string, null or a server value.
///
/// # Errors
/// `NoData`, `BadData`, `BadPriority`, `BadServerValue`, `StringTooLong`.
pub fn parse_priority(text: &[u8]) -> Result<Draft, DataError> {
    read(text, DataError::BadPriority, |json, errors| PrimitiveSeed { slot: Slot::Priority, errors }.deserialize(json))
        .map(priority_draft)
}

/// Runs `parse` on `text`; `malformed` stands for what serde itself finds wrong.
fn read<T>(
    text: &[u8],
    malformed: DataError,
    parse: impl Fn(&mut serde_json::Deserializer<StrRead<'_>>, Errors<'_>) -> serde_json::Result<T>,
) -> Result<T, DataError> {
    let Ok(text) = std::str::from_utf8(text) else { return Err(malformed) };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_ascii().is_empty() {
        return Err(DataError::NoData);
    }
    let found = Cell::new(None);
    let attempt = |text: &str| {
        let mut json = serde_json::Deserializer::from_str(text);
        let leaves = Cell::new(0);
        let result =
            parse(&mut json, Errors { found: &found, leaves: &leaves }).and_then(|value| json.end().map(|()| value));
        result.map_err(|_| found.take().filter(|error| *error != DataError::BadData))
    };
    match attempt(text) {
        Ok(value) => Ok(value),
        Err(Some(error)) => Err(error),
        // serde_json refuses lone surrogates. They are rare enough to look for only now.
        Err(None) => match replace_lone_surrogates(text) {
            Some(repaired) => attempt(&repaired).map_err(|error| error.unwrap_or(malformed)),
            None => Err(malformed),
        },
    }
}

/// Where the first error of ours is kept while serde unwinds, and what is counted on the way.
#[derive(Clone, Copy)]
struct Errors<'c> {
    found: &'c Cell<Option<DataError>>,
    leaves: &'c Cell<usize>,
}

impl Errors<'_> {
    fn fail<E: Error>(self, error: DataError) -> E {
        self.found.set(Some(error));
        E::custom("refused")
    }

    /// One more leaf: a short text can name so many that their tree would fill the memory.
    fn count_leaf<E: Error>(self) -> Result<(), E> {
        self.leaves.set(self.leaves.get() + 1);
        if self.leaves.get() > WRITE_LEAVES_MAX { Err(self.fail(DataError::TooManyLeaves)) } else { Ok(()) }
    }
}

impl Scalar {
    /// A JSON number as it was written: an integer if it is one of 64 bits, else a double.
    pub(in crate::model) fn from_json(number: &serde_json::Number) -> Option<Self> {
        match number.as_i64() {
            Some(value) => Some(Self::Int(value)),
            None => Self::number(number.as_f64()?),
        }
    }
}

fn unsigned(value: u64) -> Scalar {
    #[expect(clippy::cast_precision_loss, reason = "too large for an integer of ours: a double")]
    i64::try_from(value).map_or(Scalar::Double(value as f64), Scalar::Int)
}

fn double<E: Error>(value: f64, errors: Errors<'_>) -> Result<Scalar, E> {
    Scalar::number(value).ok_or_else(|| errors.fail(DataError::BadData))
}

fn string<E: Error>(text: &str, errors: Errors<'_>) -> Result<Scalar, E> {
    if text.len() > STRING_BYTES_MAX {
        return Err(errors.fail(DataError::StringTooLong));
    }
    Ok(Scalar::string(text))
}

#[cfg(test)]
mod tests;
