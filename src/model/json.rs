//! JSON text into nodes and back.
//!
//! Source: Firebase REST reference 3.3, 4; realtime protocol 11.2, 11.6, 11.7.
//!
//! - `parse`: text of clients into drafts
//! - `draft_text`: drafts as text that is kept, and back
//! - `write`: steps of a walk into text

mod draft_text;
mod parse;
mod write;

use std::fmt;

pub use self::parse::{parse_priority, parse_update, replace_lone_surrogates};
pub use self::write::JsonWriter;
use super::Path;
use crate::base::limits::{DEPTH_MAX, STRING_BYTES_MAX};

/// How data is written as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// No priorities; maps whose keys look like an array's are arrays.
    #[default]
    Plain,
    /// Priorities as `.priority` and `.value`; no arrays.
    Export,
}

/// Why a text is no data. `Display` gives what REST answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataError {
    /// Nothing but white space.
    NoData,
    /// Not JSON, or with an illegal key.
    BadData,
    /// An update that is no JSON object, or has an illegal key.
    BadUpdate,
    /// A priority that is neither number, string, null nor server value.
    BadPriority,
    /// A `.value` that is an array or an object, and no server value.
    BadValue,
    /// A `.sv` that no server value is known for, or that has neighbours.
    BadServerValue,
    /// A value more than 32 keys away from the root.
    TooDeep,
    /// A string of more than 10 MB.
    StringTooLong,
    /// More leaves than one write may have.
    TooManyLeaves,
    /// An update that writes to a place and also to one at or above it.
    Conflict { upper: Path, lower: Path },
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData => f.write_str("Error: No data supplied."),
            Self::BadData => f.write_str("Invalid data; couldn't parse JSON object, array, or value."),
            Self::BadUpdate => f.write_str(
                "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?",
            ),
            Self::BadPriority => f.write_str("Invalid data; a priority must be a number, a string or null."),
            Self::BadValue => f.write_str("Invalid data; '.value' must be a boolean, a number, a string or null."),
            Self::BadServerValue => f.write_str(
                "Invalid data; '.sv' must be \"timestamp\" or {\"increment\": number}, and the only key beside it.",
            ),
            Self::TooDeep => {
                write!(f, "Invalid data; it may be at most {DEPTH_MAX} levels deep, counted from the root.")
            }
            Self::TooManyLeaves => {
                f.write_str("Data to write exceeds the maximum size that can be modified with a single request.")
            }
            Self::StringTooLong => write!(f, "Invalid data; a string may have at most {STRING_BYTES_MAX} bytes."),
            Self::Conflict { upper, lower } => {
                write!(f, "Invalid data; one path of an update must not contain another: '{upper}' and '{lower}'.")
            }
        }
    }
}

impl std::error::Error for DataError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_texts_are_those_that_clients_know() {
        assert_eq!(DataError::NoData.to_string(), "Error: No data supplied.");
        assert_eq!(DataError::BadData.to_string(), "Invalid data; couldn't parse JSON object, array, or value.");
        assert_eq!(
            DataError::BadUpdate.to_string(),
            "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?"
        );
    }

    #[test]
    fn own_texts_name_the_limit_or_the_places() {
        let conflict = DataError::Conflict { upper: Path::parse("a").unwrap(), lower: Path::parse("a/b").unwrap() };
        assert!(conflict.to_string().ends_with("'/a' and '/a/b'."));
        assert!(DataError::TooDeep.to_string().contains("32 levels"));
        assert!(DataError::StringTooLong.to_string().contains("10485760 bytes"));
    }
}
