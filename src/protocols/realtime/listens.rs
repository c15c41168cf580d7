//! The listens of one connection, and what they may weigh. Pure.
//!
//! Untagged ones are told apart by path, tagged ones by tag. An old SDK asks anew for a path with another set of
//! queries before it gives up the former (18.3): one listener serves all sets. Source: Firebase realtime protocol 9.1,
//! 9.6, 18.

use std::collections::{BTreeMap, HashMap};

use super::request::ListenKey;
use crate::base::limits::{REALTIME_LISTEN_BYTES_MAX, REALTIME_LISTENS_MAX};
use crate::model::Path;

/// What a listen weighs beside its texts.
const LISTEN_BYTES: usize = 128;

#[derive(Debug, Default)]
pub struct Listens {
    by_target: HashMap<Target, Listening>,
    /// How many tagged listens there are at each path that has any.
    tagged: BTreeMap<Path, u32>,
    /// Weight of all.
    bytes: usize,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Target {
    Default(Path),
    Tagged(i64),
}

#[derive(Debug)]
struct Listening {
    /// The engine's number of the listener.
    id: u64,
    path: Path,
    /// The sets of queries that an old SDK filters by; the empty one for all others.
    queries: Vec<String>,
    bytes: usize,
}

/// There are too many listens, or their texts are too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Listens {
    /// The listener that a listen replaces, if there is room for it. `query_bytes` is the length of its query.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn replaced(&self, key: &ListenKey, query_bytes: usize) -> Result<Option<u64>, TooMany> {
        let old = self.by_target.get(&target(key));
        let is_full = old.is_none() && self.by_target.len() >= REALTIME_LISTENS_MAX;
        if is_full || self.bytes + weight(key, query_bytes) > REALTIME_LISTEN_BYTES_MAX {
            return Err(TooMany);
        }
        Ok(old.map(|old| old.id))
    }

    /// Whether a tagged listen is in force at or below `path`.
    pub fn has_tagged_below(&self, path: &Path) -> bool {
        self.tagged.range(path.clone()..).next().is_some_and(|(below, _)| below.starts_with(path))
    }

    /// Remembers a listen that [`Listens::replaced`] had room for.
    pub fn insert(&mut self, key: ListenKey, query_bytes: usize, id: u64) {
        let bytes = weight(&key, query_bytes);
        let target = target(&key);
        let (path, queries) = match key {
            ListenKey::Default { path, queries } => (path, queries),
            ListenKey::Tagged { path, .. } => (path, String::new()),
        };
        let old = self.take(&target);
        if let Target::Tagged(_) = target {
            *self.tagged.entry(path.clone()).or_default() += 1;
        }
        self.bytes -= old.as_ref().map_or(0, |old| old.bytes);
        let mut new = Listening { id, path, queries: Vec::new(), bytes: 0 };
        if let (Target::Default(_), Some(old)) = (&target, old) {
            (new.queries, new.bytes) = (old.queries, old.bytes);
        }
        if !new.queries.contains(&queries) {
            new.queries.push(queries);
            new.bytes += bytes;
        }
        self.bytes += new.bytes;
        self.by_target.insert(target, new);
    }

    /// Forgets a listen; gives the listener that nobody wants any more.
    pub fn remove(&mut self, key: &ListenKey) -> Option<u64> {
        let target = target(key);
        let listening = self.by_target.get_mut(&target)?;
        let (path, queries) = match key {
            ListenKey::Default { path, queries } => (path, queries.as_str()),
            ListenKey::Tagged { path, .. } => (path, ""),
        };
        if listening.path != *path {
            return None;
        }
        listening.queries.retain(|known| known != queries);
        if !listening.queries.is_empty() {
            return None;
        }
        let gone = self.take(&target)?;
        self.bytes -= gone.bytes;
        Some(gone.id)
    }

    fn take(&mut self, target: &Target) -> Option<Listening> {
        let taken = self.by_target.remove(target)?;
        if let Target::Tagged(_) = target
            && let Some(count) = self.tagged.get_mut(&taken.path)
        {
            *count -= 1;
            if *count == 0 {
                self.tagged.remove(&taken.path);
            }
        }
        Some(taken)
    }
}

fn target(key: &ListenKey) -> Target {
    match key {
        ListenKey::Default { path, .. } => Target::Default(path.clone()),
        ListenKey::Tagged { tag, .. } => Target::Tagged(*tag),
    }
}

fn weight(key: &ListenKey, query_bytes: usize) -> usize {
    let (path, queries) = match key {
        ListenKey::Default { path, queries } => (path, queries.len()),
        ListenKey::Tagged { path, .. } => (path, 0),
    };
    LISTEN_BYTES + path.keys().iter().map(|key| key.as_str().len() + 1).sum::<usize>() + queries + query_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default(path: &str, queries: &str) -> ListenKey {
        ListenKey::Default { path: Path::parse(path).unwrap(), queries: queries.to_owned() }
    }

    fn tagged(path: &str, tag: i64) -> ListenKey {
        ListenKey::Tagged { path: Path::parse(path).unwrap(), tag }
    }

    #[test]
    fn equal_path_or_tag_replaces() {
        let mut listens = Listens::default();
        for (key, id, replaced) in [
            (default("a", ""), 1, None),
            (tagged("a", 1), 2, None),
            (tagged("a", 2), 3, None),
            (default("a", ""), 4, Some(1)),
            (tagged("b", 1), 5, Some(2)),
        ] {
            assert_eq!(listens.replaced(&key, 0), Ok(replaced));
            listens.insert(key, 0, id);
        }
        assert_eq!(listens.remove(&tagged("a", 1)), None, "it moved to b");
        assert_eq!(listens.remove(&tagged("b", 1)), Some(5));
        assert_eq!(listens.remove(&default("a", "")), Some(4));
        assert_eq!(listens.remove(&default("a", "")), None);
        assert_eq!(listens.remove(&tagged("a", 2)), Some(3));
        assert_eq!((listens.bytes, listens.by_target.len()), (0, 0));
    }

    #[test]
    fn old_sets_of_queries_at_one_path_share_a_listener() {
        let mut listens = Listens::default();
        listens.insert(default("a", "[1]"), 0, 1);
        assert_eq!(listens.replaced(&default("a", "[1,2]"), 0), Ok(Some(1)));
        listens.insert(default("a", "[1,2]"), 0, 2);
        listens.insert(default("a", "[1,2]"), 0, 3);
        assert_eq!(listens.remove(&default("a", "[1]")), None);
        assert_eq!(listens.remove(&default("a", "[7]")), None);
        assert_eq!(listens.remove(&default("a", "[1,2]")), Some(3));
        assert_eq!((listens.bytes, listens.by_target.len()), (0, 0));
    }

    #[test]
    fn tagged_listens_are_found_below_a_path() {
        let mut listens = Listens::default();
        let below = |listens: &Listens, path: &str| listens.has_tagged_below(&Path::parse(path).unwrap());
        listens.insert(tagged("a/b", 1), 0, 1);
        listens.insert(tagged("a/b", 2), 0, 2);
        listens.insert(default("c", ""), 0, 3);
        assert!(below(&listens, "/") && below(&listens, "a") && below(&listens, "a/b"));
        assert!(!below(&listens, "a/b/c") && !below(&listens, "a/a") && !below(&listens, "c"));
        listens.remove(&tagged("a/b", 1));
        assert!(below(&listens, "a"));
        listens.insert(tagged("d", 2), 0, 4);
        assert!(!below(&listens, "a") && below(&listens, "d"));
    }

    #[test]
    fn listens_beyond_the_bounds_are_refused() {
        let mut listens = Listens::default();
        for n in 0..REALTIME_LISTENS_MAX {
            listens.insert(default(&n.to_string(), ""), 0, n as u64);
        }
        assert_eq!(listens.replaced(&default("another", ""), 0), Err(TooMany));
        assert_eq!(listens.replaced(&default("7", ""), 0), Ok(Some(7)));
        let mut listens = Listens::default();
        listens.insert(tagged("a", 1), REALTIME_LISTEN_BYTES_MAX / 2, 1);
        assert_eq!(listens.replaced(&tagged("a", 2), REALTIME_LISTEN_BYTES_MAX / 2), Err(TooMany));
    }
}
