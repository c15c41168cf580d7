//! Feeds by path: who hears of a change at `/a/b`.
//!
//! A trie keyed by path segments. A change wakes the feeds on the path itself, on every ancestor, and below it.
//! Knows nothing of protocols. Owned by the writer, so it needs no lock.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::feed::{Feed, Subscriber};
use super::request::ListenRequest;
use crate::model::{Key, Path, Record};
use crate::store::{StoreError, Tree};
use crate::transport::Outbox;

#[derive(Default)]
pub(super) struct Listeners {
    root: Branch,
    feeds: HashMap<u64, Feed>,
    /// Feed of each listener.
    by_listener: HashMap<u64, u64>,
    feed_next: u64,
}

#[derive(Default)]
struct Branch {
    feeds: Vec<u64>,
    children: HashMap<Key, Branch>,
}

impl Listeners {
    /// Adds a listener to the feed that serves it, made now if there is none. Gives the feed's number.
    pub fn add(&mut self, id: u64, request: &ListenRequest, tree: &Tree<'_>) -> Result<u64, StoreError> {
        let subscriber = Subscriber { id, outbox: Arc::clone(&request.outbox) };
        let branch = self.root.at(&request.path);
        let existing = branch.feeds.iter().copied().find(|feed| {
            self.feeds
                .get(feed)
                .is_some_and(|feed| feed.serves(&request.query, request.shape, request.encoder.as_ref()))
        });
        let number = if let Some(number) = existing {
            number
        } else {
            let encoder = Arc::clone(&request.encoder);
            let feed = Feed::new(request.path.clone(), request.query.clone(), request.shape, encoder, tree)?;
            self.feed_next += 1;
            branch.feeds.push(self.feed_next);
            self.feeds.insert(self.feed_next, feed);
            self.feed_next
        };
        if let Some(feed) = self.feeds.get_mut(&number) {
            feed.subscribers.push(subscriber);
        }
        self.by_listener.insert(id, number);
        Ok(number)
    }

    /// Removes a listener, and its feed if it was the last.
    pub fn remove(&mut self, id: u64) {
        let Some(number) = self.by_listener.remove(&id) else { return };
        let Some(feed) = self.feeds.get_mut(&number) else { return };
        feed.subscribers.retain(|subscriber| subscriber.id != id);
        if feed.subscribers.is_empty()
            && let Some(feed) = self.feeds.remove(&number)
        {
            self.root.prune(feed.path.keys(), number);
        }
    }

    pub fn feed(&self, number: u64) -> Option<&Feed> {
        self.feeds.get(&number)
    }

    pub fn feed_mut(&mut self, number: u64) -> Option<&mut Feed> {
        self.feeds.get_mut(&number)
    }

    /// The feed of a listener, and the listener's outbox.
    pub fn of_listener(&self, id: u64) -> Option<(&Feed, Arc<Outbox>)> {
        let feed = self.feeds.get(self.by_listener.get(&id)?)?;
        let subscriber = feed.subscribers.iter().find(|subscriber| subscriber.id == id)?;
        Some((feed, Arc::clone(&subscriber.outbox)))
    }

    /// The feeds that a record may concern, in the order of their making.
    pub fn touched(&self, record: &Record) -> Vec<u64> {
        if self.feeds.is_empty() {
            return Vec::new();
        }
        let mut found = BTreeSet::new();
        for change in &record.changes {
            self.root.collect(&change.path, &mut found);
        }
        found.into_iter().collect()
    }

    /// Queues an encoded event on the outbox of every listener of the feed. Full ones fall under the slow-reader rule.
    pub fn deliver(&self, number: u64, bytes: &Bytes) {
        if let Some(feed) = self.feeds.get(&number) {
            for subscriber in &feed.subscribers {
                subscriber.outbox.push(bytes.clone());
            }
        }
    }

    /// Closes every outbox and forgets all feeds: after a failure of the disk, or at the end.
    pub fn clear(&mut self) {
        for feed in self.feeds.values() {
            feed.subscribers.iter().for_each(|subscriber| subscriber.outbox.close());
        }
        *self = Self { feed_next: self.feed_next, ..Self::default() };
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
