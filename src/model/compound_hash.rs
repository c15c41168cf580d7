//! Compound hashes: a mobile client that comes back tells by them what it holds, piece by piece, and is sent only the
//! pieces that have changed.
//!
//! The client cuts the leaves of its tree, in key order, into ranges and hashes each. We walk our own data once,
//! hash it over the same ranges, and keep what lies in those that differ. The priority of an inner node counts as a
//! leaf named `.priority` among its children.
//!
//! Neighbouring ranges that differ go out as one. That is not only shorter: clients apply ranges one after the other,
//! and a node that is empty in between would lose its priority. What clients would still get wrong is not sent in
//! ranges at all.
//!
//! Source: Firebase realtime protocol 12.3 to 12.5; what Android and iOS do with them was read in their code.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use serde_json::Value as Json;

use super::key::cmp_text;
use super::walk::{ScalarRef, Step};
use super::{Key, Node, Path, Scalar, hash};
use crate::base::limits::{COMPOUND_RANGES_MAX, RANGE_MERGE_BYTES_MAX};

/// What a client holds: hashes of the ranges of its leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompoundHash {
    /// Where each range but the last ends, ascending.
    cuts: Vec<Cut>,
    /// One more than `cuts`. The last is empty, as is what lies behind the last cut.
    hashes: Vec<String>,
}

/// The place of the last leaf of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    /// As the client wrote it.
    text: String,
    /// The last of them can be `.priority`.
    keys: Vec<Key>,
}

/// New content for one range: all leaves behind `start`, up to and including `end`, are replaced by those of `data`.
/// Both are paths relative to what is listened to, as the wire has them; `None` is an open end.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeMerge {
    pub start: Option<String>,
    pub end: Option<String>,
    pub data: Node,
}

impl CompoundHash {
    /// The object `ch` of a listen. `None` if it is malformed or has too many ranges: then the client gets everything.
    pub fn parse(object: &Json) -> Option<Self> {
        let strings = |name| object.get(name)?.as_array()?.iter().map(Json::as_str).collect::<Option<Vec<_>>>();
        let (paths, hashes) = (strings("ps")?, strings("hs")?);
        if hashes.len() != paths.len() + 1 || hashes.len() > COMPOUND_RANGES_MAX || hashes.last() != Some(&"") {
            return None;
        }
        let cuts: Vec<_> = paths.into_iter().map(Cut::parse).collect::<Option<_>>()?;
        let hashes = hashes.into_iter().map(str::to_owned).collect();
        cuts.is_sorted_by(|a, b| a.keys < b.keys).then_some(Self { cuts, hashes })
    }
}

impl Cut {
    fn parse(text: &str) -> Option<Self> {
        let node = text.strip_suffix(PRIORITY).filter(|node| node.is_empty() || node.ends_with('/'));
        let mut keys = Path::parse(node.unwrap_or(text)).ok()?.keys().to_vec();
        keys.extend(node.map(|_| Key::trusted(PRIORITY)));
        Some(Self { text: text.to_owned(), keys })
    }

    fn is_priority(&self) -> bool {
        self.keys.last().is_some_and(|key| key.as_str() == PRIORITY)
    }
}

/// The name under which the priority of an inner node is a leaf.
const PRIORITY: &str = ".priority";

/// Compares what a client holds with the steps of a walk over the data as it is, in memory that is bounded.
pub struct Comparison {
    client: CompoundHash,
    /// The range that is being walked through.
    at: usize,
    range: Range,
    /// Where the next range that differs begins, if the one before it does not.
    start: Option<String>,
    /// Whether the range before this one differs.
    extends: bool,
    merges: Vec<Merge>,
    /// What `merges` weigh.
    bytes: usize,
    /// There is more to send than is worth it.
    is_too_much: bool,
    /// The inner nodes that are open, outermost first, and the keys that lead from one to the next and to the leaf.
    open: Vec<Open>,
    path: Vec<Key>,
}

struct Open {
    /// Until it was its turn among the children.
    priority: Option<Scalar>,
    is_empty: bool,
}

/// One range of our data.
#[derive(Default)]
struct Range {
    /// `None` before the first leaf.
    context: Option<Context>,
    /// The place of the last leaf, and whether that leaf has a priority.
    last: Vec<Key>,
    ends_with_priority: bool,
    /// All leaves, unless they weigh too much.
    leaves: Vec<Leaf>,
    bytes: usize,
    is_too_much: bool,
}

struct Leaf {
    path: Vec<Key>,
    value: Scalar,
    priority: Option<Scalar>,
}

/// A range merge in the making.
struct Merge {
    start: Option<String>,
    end: Option<String>,
    leaves: Vec<Leaf>,
}

impl Comparison {
    pub fn new(client: CompoundHash) -> Self {
        Self {
            client,
            at: 0,
            range: Range::default(),
            start: None,
            extends: false,
            merges: Vec::new(),
            bytes: 0,
            is_too_much: false,
            open: Vec::new(),
            path: Vec::new(),
        }
    }

    /// Takes the next step of the walk, which goes in key order.
    pub fn step(&mut self, step: Step<'_>) {
        if self.is_too_much {
            return;
        }
        match step {
            Step::Enter { key, priority, .. } => {
                self.path.extend(key.map(Key::trusted));
                self.open.push(Open { priority: priority.map(ScalarRef::to_scalar), is_empty: true });
            }
            Step::Leaf { key, value, priority } => {
                self.path.extend(key.map(Key::trusted));
                self.pass_priorities();
                self.leaf(value, priority);
                self.path.pop();
            }
            Step::Leave => {
                if let Some(Open { priority: Some(priority), is_empty: false }) = self.open.pop() {
                    self.priority(self.path.len(), &priority);
                }
                self.path.pop();
            }
        }
    }

    /// The ranges that differ, in order. `None` if the client is to be sent everything instead.
    ///
    /// Clients do not hash a priority that sorts behind all children of its node. So none can differ although something
    /// does, which the node hash tells: then, too, the client is to be sent everything.
    pub fn finish(mut self) -> Option<Vec<RangeMerge>> {
        while self.at < self.client.hashes.len() {
            self.end_range();
        }
        // No client cuts directly behind a priority. Should one do so, that priority could get lost with a sibling.
        let is_unsafe = !self.merges.is_empty() && self.client.cuts.iter().any(Cut::is_priority);
        if self.is_too_much || is_unsafe {
            return None;
        }
        self.merges.into_iter().map(Merge::finish).collect()
    }

    /// Before a leaf: takes in the priorities of open nodes that sort before the child that leads to the leaf.
    fn pass_priorities(&mut self) {
        for depth in 0..self.open.len() {
            let is_due = self.path.get(depth).is_some_and(|key| cmp_text(key.as_str(), PRIORITY).is_gt());
            let node = self.open.get_mut(depth);
            let priority = node.and_then(|node| {
                node.is_empty = false;
                node.priority.take_if(|_| is_due)
            });
            if let Some(priority) = priority {
                self.priority(depth, &priority);
            }
        }
    }

    /// Takes in the priority of the open node at this depth.
    fn priority(&mut self, depth: usize, priority: &Scalar) {
        let below = self.path.split_off(depth);
        self.path.push(Key::trusted(PRIORITY));
        self.leaf(priority.borrowed(), None);
        self.path.truncate(depth);
        self.path.extend(below);
    }

    /// Takes in the leaf at the present path.
    fn leaf(&mut self, value: ScalarRef<'_>, priority: Option<ScalarRef<'_>>) {
        while self.client.cuts.get(self.at).is_some_and(|cut| self.path > cut.keys) {
            self.end_range();
        }
        self.range.hash(&self.path, value, priority);
        self.range.keep(&self.path, value, priority, RANGE_MERGE_BYTES_MAX.saturating_sub(self.bytes));
    }

    fn end_range(&mut self) {
        let range = std::mem::take(&mut self.range);
        let end = self.client.cuts.get(self.at).map(|cut| cut.text.clone());
        let wanted = self.client.hashes.get(self.at);
        self.at += 1;
        let ends_with_priority = range.ends_with_priority;
        let (hash, leaves, bytes, is_too_much) = range.finish();
        if wanted.is_some_and(|wanted| *wanted == hash) {
            self.extends = false;
            // Clients drop the priority of a leaf that is itself the start of a range. Where nothing can be below it,
            // it makes no other difference to start a little later.
            self.start = if ends_with_priority { end.map(|end| end + "/~") } else { end };
            return;
        }
        self.is_too_much |= is_too_much;
        self.bytes += bytes;
        match self.merges.last_mut().filter(|_| self.extends) {
            Some(merge) => {
                merge.end = end;
                merge.leaves.extend(leaves);
            }
            None => self.merges.push(Merge { start: self.start.take(), end, leaves }),
        }
        self.extends = true;
    }
}

impl Range {
    /// Adds to the hash what the text of a range has for this leaf.
    fn hash(&mut self, path: &[Key], value: ScalarRef<'_>, priority: Option<ScalarRef<'_>>) {
        let mut text = Vec::new();
        let same = self.last.iter().zip(path).take_while(|(last, key)| last == key).count();
        if self.context.is_none() {
            text.push(b'(');
        } else {
            text.extend(self.last.iter().skip(same).map(|_| b')'));
            text.push(b',');
        }
        for key in path.iter().skip(same) {
            push_quoted(key.as_str(), &mut text);
            text.extend_from_slice(b":(");
        }
        if let Some(priority) = priority {
            text.extend_from_slice(b"priority:");
            push_scalar(priority, &mut text);
            text.push(b':');
        }
        push_scalar(value, &mut text);
        self.context.get_or_insert_with(|| Context::new(&SHA1_FOR_LEGACY_USE_ONLY)).update(&text);
        self.last.clear();
        self.last.extend_from_slice(path);
        self.ends_with_priority = priority.is_some();
    }

    /// Keeps the leaf, if all that is kept weighs at most `bytes_max`.
    fn keep(&mut self, path: &[Key], value: ScalarRef<'_>, priority: Option<ScalarRef<'_>>, bytes_max: usize) {
        let text = |scalar| if let ScalarRef::Str(text) = scalar { text.len() } else { 0 };
        let key = path.last().map_or(0, |key| key.as_str().len());
        self.bytes += size_of::<Leaf>() + size_of_val(path) + key + text(value) + priority.map_or(0, text);
        self.is_too_much |= self.bytes > bytes_max;
        if self.is_too_much {
            self.leaves.clear();
            return;
        }
        let priority = priority.map(ScalarRef::to_scalar);
        self.leaves.push(Leaf { path: path.to_vec(), value: value.to_scalar(), priority });
    }

    /// The hash, the leaves, what they weigh, and whether that was too much to keep them.
    fn finish(self) -> (String, Vec<Leaf>, usize, bool) {
        let hash = self.context.map(|mut context| {
            context.update(&vec![b')'; self.last.len() + 1]);
            hash::encode(context.finish().as_ref())
        });
        let hash = hash.iter().flatten().map(|byte| char::from(*byte)).collect();
        (hash, self.leaves, self.bytes, self.is_too_much)
    }
}

impl Merge {
    /// `None` if the data of the merge would have a priority where it has no children: clients read that as nothing.
    fn finish(self) -> Option<RangeMerge> {
        let is_priority = |leaf: &Leaf| leaf.path.last().is_some_and(|key| key.as_str() == PRIORITY);
        let (priorities, leaves): (Vec<_>, Vec<_>) = self.leaves.into_iter().partition(is_priority);
        let mut data = Node::Empty;
        for Leaf { path, value, priority } in leaves {
            data.set(&path, Node::Leaf { value, priority });
        }
        for Leaf { mut path, value, .. } in priorities {
            path.pop();
            let path = Path::from_keys(path);
            data.at(&path)?;
            data.set_priority(path.keys(), Some(value));
        }
        Some(RangeMerge { start: self.start, end: self.end, data })
    }
}

fn push_scalar(scalar: ScalarRef<'_>, out: &mut Vec<u8>) {
    match scalar {
        ScalarRef::Str(text) => {
            out.extend_from_slice(b"string:");
            push_quoted(text, out);
        }
        other => hash::push_primitive(other, f64::to_bits, out),
    }
}

fn push_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod client;
#[cfg(test)]
mod tests;
