//! Paths: places in the tree, as lists of keys.

use std::fmt;

use super::key::{Key, KeyError};
use crate::base::limits::DEPTH_MAX;

/// A place in the tree: at most 32 keys, none for the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Vec<Key>);

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathError {
    Key(KeyError),
    /// More than 32 segments.
    TooDeep,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => error.fmt(f),
            Self::TooDeep => write!(f, "a path may have at most {DEPTH_MAX} segments"),
        }
    }
}

impl std::error::Error for PathError {}

impl From<KeyError> for PathError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl Path {
    pub fn root() -> Self {
        Self::default()
    }

    /// Splits at `/`; empty segments are dropped, so `//a///b/` is `/a/b`. The text is already percent-decoded.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut keys = Vec::new();
        for segment in text.split('/').filter(|segment| !segment.is_empty()) {
            if keys.len() == DEPTH_MAX {
                return Err(PathError::TooDeep);
            }
            keys.push(Key::parse(segment)?);
        }
        Ok(Self(keys))
    }

    pub fn from_keys(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    #[expect(clippy::len_without_is_empty, reason = "called is_root")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn last(&self) -> Option<&Key> {
        self.0.last()
    }

    pub fn push(&mut self, key: Key) {
        self.0.push(key);
    }

    pub fn pop(&mut self) -> Option<Key> {
        self.0.pop()
    }

    #[must_use]
    pub fn child(&self, key: Key) -> Self {
        let mut keys = Vec::with_capacity(self.0.len() + 1);
        keys.extend_from_slice(&self.0);
        keys.push(key);
        Self(keys)
    }

    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        Self(self.0.iter().chain(&below.0).cloned().collect())
    }

    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// Whether `above` is this path or one of its ancestors.
    pub fn starts_with(&self, above: &Self) -> bool {
        self.0.starts_with(&above.0)
    }

    /// This path as seen from `above`; `None` if it is not at or below it.
    pub fn strip_prefix(&self, above: &Self) -> Option<Self> {
        self.0.strip_prefix(above.0.as_slice()).map(|rest| Self(rest.to_vec()))
    }
}

/// `/a/b`, and `/` for the root. Keys are written raw.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|key| write!(f, "/{key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn empty_segments_are_dropped() {
        assert_eq!(path("//a///b/").to_string(), "/a/b");
        assert_eq!(path("").to_string(), "/");
        assert_eq!(path("///"), Path::root());
    }

    #[test]
    fn path_beyond_its_limits_is_refused() {
        assert_eq!(path(&"/a".repeat(32)).len(), 32);
        assert_eq!(Path::parse(&"/a".repeat(33)), Err(PathError::TooDeep));
        assert_eq!(Path::parse("a/b.c"), Err(PathError::Key(KeyError::Forbidden('.'))));
        assert_eq!(Path::parse(&format!("a/{}", "k".repeat(769))), Err(PathError::Key(KeyError::TooLong)));
    }

    #[test]
    fn prefix_goes_by_whole_keys() {
        assert!(path("a/b").starts_with(&path("a")));
        assert!(path("a").starts_with(&path("a")));
        assert!(path("a").starts_with(&Path::root()));
        assert!(!path("ab").starts_with(&path("a")));
        assert_eq!(path("a/b/c").strip_prefix(&path("a")), Some(path("b/c")));
        assert_eq!(path("a").strip_prefix(&path("b")), None);
        assert_eq!(path("a").join(&path("b/c")), path("a/b/c"));
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(Path::root().parent(), None);
    }

    #[test]
    fn place_sorts_directly_before_all_below_it() {
        let sorted = ["", "9", "10", "a", "a/1", "a/b", "a/b/c", "a!", "b"].map(path);
        assert!(sorted.is_sorted_by(|a, b| a < b));
    }
}
