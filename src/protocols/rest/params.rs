//! The query string of a request, and the parameters that are not part of a database query.
//!
//! Names are case sensitive, a repeated one counts by its last value, unknown ones are ignored. Source: Firebase REST
//! reference 2.6, 5.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::error::Failure;
use super::target::has_valid_escapes;
use crate::base::Millis;
use crate::engine::{EventType, EventTypes};

/// Decoded names and values, in the order of the query string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    /// Reads a raw query string (without the `?`). `+` is a space here.
    ///
    /// # Errors
    /// 400 for a broken percent-encoding or text that is not UTF-8, in whatever parameter.
    pub fn parse(raw: &'a str) -> Result<Self, Failure> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Whether `name` is exactly `true`.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// The read budget of `timeout`.
    ///
    /// # Errors
    /// 400 if it is malformed, not positive or above 15 minutes.
    pub fn timeout_ms(&self) -> Result<Millis, Failure> {
        self.get("timeout").map_or(Ok(TIMEOUT_MS_MAX), |text| timeout_ms(text).ok_or(Failure::TIMEOUT))
    }

    /// Most rows that a write with this `writeSizeLimit` may touch; `None`: any number.
    ///
    /// # Errors
    /// 400 for an unknown name.
    pub fn rows_max(&self) -> Result<Option<u64>, Failure> {
        let limit = self.get("writeSizeLimit").unwrap_or(WRITE_SIZE_LIMIT_DEFAULT);
        let row = WRITE_SIZE_LIMITS.iter().find(|(name, _)| *name == limit);
        row.map(|(_, rows)| *rows).ok_or(Failure::WRITE_SIZE_LIMIT)
    }

    /// The function name of `callback`.
    ///
    /// # Errors
    /// 400 if it is no JavaScript name (dots are allowed).
    pub fn callback(&self) -> Result<Option<&str>, Failure> {
        match self.get("callback") {
            Some(name) if !is_javascript_name(name) => Err(Failure::CALLBACK),
            other => Ok(other),
        }
    }

    /// The file name of `download`, with whatever could leave the header or the directory taken out.
    pub fn download(&self) -> Option<String> {
        let is_safe = |c: &char| !c.is_control() && !matches!(c, '"' | '\\' | '/');
        self.get("download").map(|name| name.chars().filter(is_safe).collect())
    }

    /// The event types of `on`; `None` without it.
    ///
    /// # Errors
    /// 400 for an unknown or empty name.
    pub fn event_types(&self) -> Result<Option<EventTypes>, Failure> {
        let add = |types: EventTypes, name: &str| EventType::parse(name).map(|event_type| types.with(event_type));
        let parse = |list: &str| list.split(',').try_fold(EventTypes::default(), add).ok_or(Failure::EVENT_TYPES);
        self.get("on").map(parse).transpose()
    }
}

/// Default and largest read budget.
const TIMEOUT_MS_MAX: Millis = 15 * 60 * 1_000;

/// `writeSizeLimit` names the time a write may take; here it bounds the rows, old and new, that it touches.
const WRITE_SIZE_LIMITS: [(&str, Option<u64>); 5] = [
    ("tiny", Some(1_000)),
    ("small", Some(10_000)),
    ("medium", Some(100_000)),
    ("large", Some(1_000_000)),
    ("unlimited", None),
];

/// The limit of a database that sets none.
pub const WRITE_SIZE_LIMIT_DEFAULT: &str = "large";

fn decode(raw: &str) -> Result<Cow<'_, str>, Failure> {
    if !raw.contains(['%', '+']) {
        return Ok(Cow::Borrowed(raw));
    }
    if !has_valid_escapes(raw) {
        return Err(Failure::PARAMETER_ENCODING);
    }
    let spaced = raw.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| Failure::PARAMETER_ENCODING)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

fn timeout_ms(text: &str) -> Option<Millis> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        _ => return None,
    };
    let total = digits.parse::<Millis>().ok()?.checked_mul(unit_ms)?;
    (1..=TIMEOUT_MS_MAX).contains(&total).then_some(total)
}

fn is_javascript_name(name: &str) -> bool {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$');
    name.bytes().next().is_some_and(is_start)
        && name.bytes().all(|byte| is_start(byte) || byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(raw: &str) -> Params<'_> {
        Params::parse(raw).unwrap()
    }

    #[test]
    fn query_string_is_decoded_and_last_value_wins() {
        let params = params("ns=a&&x=1+2%2B3&orderBy=%22$key%22&ns=b&flag&=empty");
        assert_eq!(params.get("ns"), Some("b"));
        assert_eq!(params.get("x"), Some("1 2+3"));
        assert_eq!(params.get("orderBy"), Some("\"$key\""));
        assert_eq!(params.get("flag"), Some(""));
        assert_eq!(params.get("NS"), None);
    }

    #[test]
    fn broken_encodings_are_refused() {
        for raw in ["a=%", "a=%2", "a=%zz", "a=%FF", "%C3=1", "a=%ED%A0%80"] {
            assert_eq!(Params::parse(raw), Err(Failure::PARAMETER_ENCODING), "{raw}");
        }
    }

    #[test]
    fn timeouts_have_a_unit_and_a_range() {
        let table = [
            ("", Ok(900_000)),
            ("timeout=1ms", Ok(1)),
            ("timeout=3s", Ok(3_000)),
            ("timeout=15min", Ok(900_000)),
            ("timeout=16min", Err(Failure::TIMEOUT)),
            ("timeout=0ms", Err(Failure::TIMEOUT)),
            ("timeout=-1s", Err(Failure::TIMEOUT)),
            ("timeout=10", Err(Failure::TIMEOUT)),
            ("timeout=ms", Err(Failure::TIMEOUT)),
            ("timeout=1h", Err(Failure::TIMEOUT)),
            ("timeout=99999999999999999999s", Err(Failure::TIMEOUT)),
            ("timeout=9223372036854775807min", Err(Failure::TIMEOUT)),
            ("timeout=", Err(Failure::TIMEOUT)),
        ];
        for (raw, expected) in table {
            assert_eq!(params(raw).timeout_ms(), expected, "{raw}");
        }
    }

    #[test]
    fn write_size_limits_are_rows() {
        assert_eq!(params("").rows_max(), Ok(Some(1_000_000)));
        assert_eq!(params("writeSizeLimit=tiny").rows_max(), Ok(Some(1_000)));
        assert_eq!(params("writeSizeLimit=unlimited").rows_max(), Ok(None));
        assert_eq!(params("writeSizeLimit=huge").rows_max(), Err(Failure::WRITE_SIZE_LIMIT));
    }

    #[test]
    fn callbacks_are_names() {
        assert_eq!(params("callback=a.b$_1").callback(), Ok(Some("a.b$_1")));
        for raw in ["callback=", "callback=1a", "callback=a(b", "callback=a-b", "callback=%C3%BC"] {
            assert_eq!(params(raw).callback(), Err(Failure::CALLBACK), "{raw}");
        }
    }

    #[test]
    fn download_name_keeps_nothing_dangerous() {
        assert_eq!(params("download=..%2Fa%22b%5C%0D%0A.json").download().as_deref(), Some("..ab.json"));
    }

    #[test]
    fn event_types_are_a_list_of_known_names() {
        let types = params("on=child_added,value").event_types().unwrap().unwrap();
        assert!(types.contains(EventType::ChildAdded) && types.contains(EventType::Value));
        assert!(!types.contains(EventType::ChildMoved));
        assert_eq!(params("").event_types(), Ok(None));
        for raw in ["on=", "on=child_added,", "on=added", "on=child_added,,value"] {
            assert_eq!(params(raw).event_types(), Err(Failure::EVENT_TYPES), "{raw}");
        }
    }
}
