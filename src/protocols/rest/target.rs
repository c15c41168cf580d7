//! What the path of a request points at.
//!
//! The suffix `.json` goes first, then percent-decoding, then splitting at `/`: so `%2F` separates and `+` stays a
//! plus. Source: Firebase REST reference 2, 10.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::error::Failure;
use crate::model::Path;
use crate::model::path::PathError;

/// The thing asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Data(Path),
    /// The priority of the node at this path.
    Priority(Path),
    /// A form that uploads a JSON file to this path.
    Upload(Path),
    /// `/.settings/<name>.json`.
    Settings(String),
    /// `/.inspect/<name>.json`.
    Inspect(String),
}

impl Target {
    /// Reads the raw path of a request target, without its query.
    ///
    /// # Errors
    /// 403 without `.json`; 400 for bad encodings, bad keys and too many segments.
    pub fn parse(raw: &str) -> Result<Self, Failure> {
        if let Some(above) = raw.strip_suffix("/.upload") {
            return Ok(Self::Upload(data_path(&decode(above)?)?));
        }
        let text = decode(raw.strip_suffix(".json").ok_or(Failure::NO_SUFFIX)?)?;
        let text = text.trim_matches('/');
        if let Some(name) = text.strip_prefix(".settings/") {
            return Ok(Self::Settings(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix(".inspect/") {
            return Ok(Self::Inspect(name.to_owned()));
        }
        match text.strip_suffix(".priority") {
            Some(above) if above.is_empty() || above.ends_with('/') => Ok(Self::Priority(data_path(above)?)),
            _ => Ok(Self::Data(data_path(text)?)),
        }
    }
}

fn data_path(text: &str) -> Result<Path, Failure> {
    Path::parse(text).map_err(|error| match error {
        PathError::Key(_) => Failure::INVALID_PATH,
        PathError::TooDeep => Failure::too_deep(),
    })
}

fn decode(raw: &str) -> Result<Cow<'_, str>, Failure> {
    if !has_valid_escapes(raw) {
        return Err(Failure::PATH_ENCODING);
    }
    percent_decode_str(raw).decode_utf8().map_err(|_| Failure::PATH_ENCODING)
}

/// Whether each `%` is followed by two hex digits (the decoder would let others pass as they are).
pub fn has_valid_escapes(text: &str) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut after_percent = text.as_bytes().split(|byte| *byte == b'%').skip(1);
    after_percent.all(|rest| is_hex(rest.first()) && is_hex(rest.get(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Target {
        Target::Data(Path::parse(text).unwrap())
    }

    #[test]
    fn paths_of_every_form_become_targets() {
        let table = [
            ("/.json", Ok(data(""))),
            ("/a/b.json", Ok(data("/a/b"))),
            ("/a/b/.json", Ok(data("/a/b"))),
            ("//a///b/.json", Ok(data("/a/b"))),
            ("/a%2Fb.json", Ok(data("/a/b"))),
            ("/a+b.json", Ok(data("/a+b"))),
            ("/sp%20ace/%C3%BC.json", Ok(data("/sp ace/ü"))),
            ("/__proto__.json", Ok(data("/__proto__"))),
            ("/p/.priority.json", Ok(Target::Priority(Path::parse("p").unwrap()))),
            ("/.priority.json", Ok(Target::Priority(Path::root()))),
            ("/.priority/.json", Ok(Target::Priority(Path::root()))),
            ("/a/.upload", Ok(Target::Upload(Path::parse("a").unwrap()))),
            ("/.upload", Ok(Target::Upload(Path::root()))),
            ("/.settings/rules.json", Ok(Target::Settings("rules".into()))),
            ("/.settings/rules/.json", Ok(Target::Settings("rules".into()))),
            ("/.inspect/databases.json", Ok(Target::Inspect("databases".into()))),
            ("/a", Err(Failure::NO_SUFFIX)),
            ("/a.JSON", Err(Failure::NO_SUFFIX)),
            ("/a%2Ejson", Err(Failure::NO_SUFFIX)),
            ("/a.json.json", Err(Failure::INVALID_PATH)),
            ("/.info/connected.json", Err(Failure::INVALID_PATH)),
            ("/a/.priority/b.json", Err(Failure::INVALID_PATH)),
            ("/x.priority.json", Err(Failure::INVALID_PATH)),
            ("/a$b.json", Err(Failure::INVALID_PATH)),
            ("/a%23b.json", Err(Failure::INVALID_PATH)),
            ("/a%00b.json", Err(Failure::INVALID_PATH)),
            ("/a%7Fb.json", Err(Failure::INVALID_PATH)),
            ("/a%5B0%5D.json", Err(Failure::INVALID_PATH)),
            ("/a%.json", Err(Failure::PATH_ENCODING)),
            ("/a%2.json", Err(Failure::PATH_ENCODING)),
            ("/a%zz.json", Err(Failure::PATH_ENCODING)),
            ("/a%FF.json", Err(Failure::PATH_ENCODING)),
            ("/a%ED%A0%80.json", Err(Failure::PATH_ENCODING)),
        ];
        for (raw, expected) in table {
            assert_eq!(Target::parse(raw), expected, "{raw}");
        }
    }

    #[test]
    fn path_limits_are_kept() {
        let deep = |count: usize| format!("{}.json", "/k".repeat(count));
        assert!(Target::parse(&deep(32)).is_ok());
        assert_eq!(Target::parse(&deep(33)).unwrap_err().status, 400);
        assert!(Target::parse(&format!("/{}.json", "k".repeat(768))).is_ok());
        assert_eq!(Target::parse(&format!("/{}.json", "k".repeat(769))).unwrap_err(), Failure::INVALID_PATH);
    }
}
