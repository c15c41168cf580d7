//! Feeds by path: who hears of a change at `/a/b`.
//!
//! A trie keyed by path segments. A change wakes the feeds on the path itself, on every ancestor, and below it.
//! Knows nothing of protocols. Owned by the writer, so it needs no lock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::encode::encode;
use super::event::{Encoder, Event};
use super::feed::{Feed, Subscriber};
use super::request::Shape;
use crate::model::{Identity, Key, Path, Query, Record};
use crate::store::{StoreError, Tree};
use crate::transport::Outbox;

#[derive(Default)]
pub(super) struct Listeners {
    root: Branch,
    feeds: HashMap<u64, Feed>,
    /// Feed of each listener.
    by_listener: HashMap<u64, u64>,
    /// The listeners of each link that has any.
    by_link: HashMap<u64, OfLink>,
    feed_next: u64,
}

/// The listeners of one link.
#[derive(Default)]
struct OfLink {
    all: HashSet<u64>,
    /// Those of its default family. Of several on one line of the tree only the uppermost is told anything.
    defaults: BTreeMap<Path, u64>,
}

/// A listener that is to be added.
pub(super) struct NewListener<'a> {
    pub id: u64,
    pub path: &'a Path,
    pub query: &'a Query,
    pub shape: Shape,
    pub encoder: &'a Arc<dyn Encoder>,
    pub outbox: &'a Arc<Outbox>,
    pub who: &'a Identity,
    pub is_alone: bool,
    /// The link whose it is, and whether it is of the default family.
    pub link: Option<(u64, bool)>,
}

#[derive(Default)]
struct Branch {
    feeds: Vec<u64>,
    children: HashMap<Key, Branch>,
}

impl Listeners {
    /// Adds a listener to the feed that serves it, made now if there is none. Gives the feed's number.
    pub fn add(&mut self, new: &NewListener<'_>, tree: &Tree<'_>) -> Result<u64, StoreError> {
        let format = new.encoder.format();
        let branch = self.root.at(new.path);
        let serves =
            |number: &u64| self.feeds.get(number).is_some_and(|feed| feed.serves(new.query, new.shape, format));
        let existing = branch.feeds.iter().copied().find(serves);
        let number = if let Some(number) = existing {
            number
        } else {
            let feed = Feed::new(new.path.clone(), new.query.clone(), new.shape, format, tree)?;
            self.feed_next += 1;
            branch.feeds.push(self.feed_next);
            self.feeds.insert(self.feed_next, feed);
            self.feed_next
        };
        let is_muted = self.join_link(new);
        if let Some(feed) = self.feeds.get_mut(&number) {
            feed.subscribe(
                new.encoder,
                Subscriber {
                    id: new.id,
                    outbox: Arc::clone(new.outbox),
                    who: new.who.clone(),
                    is_alone: new.is_alone,
                    link: new.link.map(|(link, _)| link),
                    is_muted,
                },
            );
        }
        self.by_listener.insert(new.id, number);
        Ok(number)
    }

    /// Removes a listener, and its feed if it was the last. `link`: the link whose it was.
    pub fn remove(&mut self, id: u64, link: Option<u64>) {
        if let Some(link) = link {
            self.leave_link(id, link);
        }
        let Some(number) = self.by_listener.remove(&id) else { return };
        let Some(feed) = self.feeds.get_mut(&number) else { return };
        if feed.unsubscribe(id)
            && let Some(feed) = self.feeds.remove(&number)
        {
            self.root.prune(feed.path.keys(), number);
        }
    }

    /// Removes all listeners of a link.
    pub fn remove_link(&mut self, link: u64) {
        for id in self.by_link.remove(&link).unwrap_or_default().all {
            self.remove(id, None);
        }
    }

    /// Notes whose listener it is. Gives whether one further up speaks for it; it speaks for those further down.
    fn join_link(&mut self, new: &NewListener<'_>) -> bool {
        let Some((link, is_default)) = new.link else { return false };
        let own = self.by_link.entry(link).or_default();
        own.all.insert(new.id);
        if !is_default {
            return false;
        }
        own.defaults.insert(new.path.clone(), new.id);
        let is_muted = own.has_default_above(new.path);
        for (_, id) in own.defaults_below(new.path) {
            self.mute(id, true);
        }
        is_muted
    }

    fn leave_link(&mut self, id: u64, link: u64) {
        let Some(own) = self.by_link.get_mut(&link) else { return };
        own.all.remove(&id);
        let feed = self.by_listener.get(&id).and_then(|number| self.feeds.get(number));
        let path = feed.map(|feed| feed.path.clone()).unwrap_or_default();
        if own.defaults.get(&path) == Some(&id) {
            own.defaults.remove(&path);
            let mut below = own.defaults_below(&path);
            below.retain(|(place, _)| !own.has_default_above(place));
            for (_, id) in below {
                self.mute(id, false);
            }
        }
        if self.by_link.get(&link).is_some_and(|own| own.all.is_empty()) {
            self.by_link.remove(&link);
        }
    }

    fn mute(&mut self, id: u64, is_muted: bool) {
        let feed = self.by_listener.get(&id).and_then(|number| self.feeds.get_mut(number));
        let subscribers =
            feed.into_iter().flat_map(|feed| &mut feed.outlets).flat_map(|outlet| &mut outlet.subscribers);
        for subscriber in subscribers.filter(|subscriber| subscriber.id == id) {
            subscriber.is_muted = is_muted;
        }
    }

    /// The listeners of a link, the oldest first.
    pub fn of_link(&self, link: u64) -> Vec<u64> {
        let mut ids: Vec<u64> = self.by_link.get(&link).into_iter().flat_map(|own| &own.all).copied().collect();
        ids.sort_unstable();
        ids
    }

    /// From now on these listeners are those of `who`.
    pub fn identify(&mut self, ids: &[u64], who: &Identity) {
        for &id in ids {
            let feed = self.by_listener.get(&id).and_then(|number| self.feeds.get_mut(number));
            let subscribers =
                feed.into_iter().flat_map(|feed| &mut feed.outlets).flat_map(|outlet| &mut outlet.subscribers);
            for subscriber in subscribers.filter(|subscriber| subscriber.id == id) {
                subscriber.who = who.clone();
            }
        }
    }

    /// All listeners that `is_allowed` does not allow, the oldest first.
    ///
    /// # Errors
    /// The first of `is_allowed`.
    pub fn denied<E>(
        &self,
        mut is_allowed: impl FnMut(&Identity, &Path, &Query) -> Result<bool, E>,
    ) -> Result<Vec<u64>, E> {
        let mut denied = Vec::new();
        for feed in self.feeds.values() {
            for subscriber in feed.outlets.iter().flat_map(|outlet| &outlet.subscribers) {
                if !is_allowed(&subscriber.who, &feed.path, &feed.query)? {
                    denied.push(subscriber.id);
                }
            }
        }
        denied.sort_unstable();
        Ok(denied)
    }

    /// Place and query of a listener.
    pub fn wanted(&self, id: u64) -> Option<(&Path, &Query)> {
        let feed = self.feeds.get(self.by_listener.get(&id)?)?;
        Some((&feed.path, &feed.query))
    }

    /// Tells a listener that it is over, and forgets it.
    pub fn cancel(&mut self, id: u64, reason: &str) {
        let Some(feed) = self.by_listener.get(&id).and_then(|number| self.feeds.get(number)) else { return };
        let mut link = None;
        for outlet in &feed.outlets {
            let Some(subscriber) = outlet.subscribers.iter().find(|subscriber| subscriber.id == id) else { continue };
            link = subscriber.link;
            subscriber.outbox.push(encode(outlet.encoder.as_ref(), &Event::Cancel { reason }, None));
            if subscriber.is_alone {
                subscriber.outbox.close();
            }
        }
        self.remove(id, link);
    }

    pub fn feed(&self, number: u64) -> Option<&Feed> {
        self.feeds.get(&number)
    }

    pub fn feed_mut(&mut self, number: u64) -> Option<&mut Feed> {
        self.feeds.get_mut(&number)
    }

    /// The feed of a listener, its encoder and its outbox.
    pub fn of_listener(&self, id: u64) -> Option<(&Feed, &Arc<dyn Encoder>, Arc<Outbox>)> {
        let feed = self.feeds.get(self.by_listener.get(&id)?)?;
        feed.outlets.iter().find_map(|outlet| {
            let subscriber = outlet.subscribers.iter().find(|subscriber| subscriber.id == id)?;
            Some((feed, &outlet.encoder, Arc::clone(&subscriber.outbox)))
        })
    }

    /// The feeds that a record may concern, in the order of their making, those of queries first.
    ///
    /// A Firebase SDK takes what it is told of a listen without a tag for its queries further up, too: told first, it
    /// would show a query half of an update (seen in 2.4.2 and 12).
    pub fn touched(&self, record: &Record) -> Vec<u64> {
        if self.feeds.is_empty() {
            return Vec::new();
        }
        let mut found = BTreeSet::new();
        for change in &record.changes {
            self.root.collect(&change.path, &mut found);
        }
        let mut found: Vec<u64> = found.into_iter().collect();
        found.sort_by_key(|number| self.feeds.get(number).is_some_and(|feed| feed.query.is_whole()));
        found
    }

    /// Queues an encoded event on the outbox of every listener of a feed's outlet. Full ones fall under the slow-reader
    /// rule.
    pub fn deliver(&self, number: u64, outlet: usize, bytes: &Bytes) {
        let outlet = self.feeds.get(&number).and_then(|feed| feed.outlets.get(outlet));
        let subscribers = outlet.map(|outlet| outlet.subscribers.as_slice()).unwrap_or_default();
        for subscriber in subscribers.iter().filter(|subscriber| !subscriber.is_muted) {
            subscriber.outbox.push(bytes.clone());
        }
    }

    /// Closes every outbox and forgets all feeds: after a failure of the disk, or at the end.
    pub fn clear(&mut self) {
        for feed in self.feeds.values() {
            let subscribers = feed.outlets.iter().flat_map(|outlet| &outlet.subscribers);
            subscribers.for_each(|subscriber| subscriber.outbox.close());
        }
        *self = Self { feed_next: self.feed_next, ..Self::default() };
    }
}

impl OfLink {
    fn has_default_above(&self, path: &Path) -> bool {
        let mut above = path.clone();
        while above.pop().is_some() {
            if self.defaults.contains_key(&above) {
                return true;
            }
        }
        false
    }

    /// Places below `path`: they follow it in the order of paths.
    fn defaults_below(&self, path: &Path) -> Vec<(Path, u64)> {
        let behind = self.defaults.range((Bound::Excluded(path), Bound::Unbounded));
        behind.take_while(|(below, _)| below.starts_with(path)).map(|(below, id)| (below.clone(), *id)).collect()
    }
}

impl Branch {
    fn at(&mut self, path: &Path) -> &mut Self {
        path.keys().iter().fold(self, |branch, key| branch.children.entry(key.clone()).or_default())
    }

    fn collect(&self, path: &Path, found: &mut BTreeSet<u64>) {
        let mut branch = self;
        found.extend(&branch.feeds);
        for key in path.keys() {
            match branch.children.get(key) {
                Some(child) => branch = child,
                None => return,
            }
            found.extend(&branch.feeds);
        }
        branch.collect_below(found);
    }

    fn collect_below(&self, found: &mut BTreeSet<u64>) {
        for child in self.children.values() {
            found.extend(&child.feeds);
            child.collect_below(found);
        }
    }

    /// Takes a feed out and cuts branches that hold nothing any more.
    fn prune(&mut self, path: &[Key], number: u64) {
        match path.split_first() {
            None => self.feeds.retain(|feed| *feed != number),
            Some((key, rest)) => {
                if let Some(child) = self.children.get_mut(key) {
                    child.prune(rest, number);
                    if child.feeds.is_empty() && child.children.is_empty() {
                        self.children.remove(key);
                    }
                }
            }
        }
    }
}
