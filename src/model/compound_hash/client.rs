//! The mobile SDKs' side of compound hashes, as their code has it, with its peculiarities.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use aws_lc_rs::digest::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use crate::model::{Draft, Format, Value};

/// Decides after each leaf, by the text since the last cut and the leaf's path, whether to cut.
pub type CutRule<'a> = &'a mut dyn FnMut(&str, &[Key]) -> bool;

/// What the SDK sends as `ch` for what it holds.
pub fn compound_hash(node: &Node, cut_rule: CutRule<'_>) -> Json {
    let mut builder =
        Builder { cut_rule, text: None, path: vec![], last: vec![], needs_comma: true, paths: vec![], hashes: vec![] };
    if !node.is_empty() {
        builder.visit(node);
        if builder.text.is_some() {
            builder.end_range();
        }
    }
    builder.hashes.push(String::new());
    json!({"ps": builder.paths, "hs": builder.hashes})
}

/// The cuts that SDKs make in a tree that they estimate to have this size.
pub fn is_cut_by_size(size: f64, text: &str, path: &[Key]) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "the SDK truncates as well, and no text is that long")]
    let len = text.encode_utf16().count() as f64;
    len > (size * 100.0).sqrt().floor().max(512.0) && path.last().is_none_or(|key| key.as_str() != PRIORITY)
}

pub fn sha1(text: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

struct Builder<'a> {
    cut_rule: CutRule<'a>,
    text: Option<String>,
    path: Vec<Key>,
    last: Vec<Key>,
    needs_comma: bool,
    paths: Vec<String>,
    hashes: Vec<String>,
}

impl Builder<'_> {
    fn visit(&mut self, node: &Node) {
        let Node::Inner(inner) = node else {
            let text = leaf_text(node);
            self.text().push_str(&text);
            self.last = self.path.clone();
            self.needs_comma = true;
            let text = self.text.clone().unwrap();
            if (self.cut_rule)(&text, &self.path) {
                self.end_range();
            }
            return;
        };
        let mut priority = inner.priority.clone();
        for (key, child) in &inner.children {
            // The priority is visited only before a child that sorts behind it.
            if cmp_text(key.as_str(), PRIORITY).is_gt()
                && let Some(priority) = priority.take()
            {
                self.child(&Key::trusted(PRIORITY), &Node::leaf(priority));
            }
            self.child(key, child);
        }
    }

    fn child(&mut self, key: &Key, node: &Node) {
        let needs_comma = self.needs_comma && self.text.is_some();
        let text = self.text();
        if needs_comma {
            text.push(',');
        }
        text.push_str(&quoted(key.as_str()));
        text.push_str(":(");
        self.path.push(key.clone());
        self.needs_comma = false;
        self.visit(node);
        self.path.pop();
        if let Some(text) = &mut self.text {
            text.push(')');
        }
        self.needs_comma = true;
    }

    /// The text of the present range, which begins with all levels that are open.
    fn text(&mut self) -> &mut String {
        self.text.get_or_insert_with(|| {
            let levels: Vec<String> = self.path.iter().map(|key| quoted(key.as_str()) + ":(").collect();
            format!("({}", levels.concat())
        })
    }

    fn end_range(&mut self) {
        let text = self.text.take().unwrap() + &")".repeat(self.path.len() + 1);
        self.hashes.push(sha1(&text));
        let path: Vec<_> = self.last.iter().map(Key::as_str).collect();
        self.paths.push(if path.is_empty() { "/".to_owned() } else { path.join("/") });
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn leaf_text(node: &Node) -> String {
    let primitive = |scalar: &Scalar| match scalar {
        Scalar::Bool(value) => format!("boolean:{value}"),
        Scalar::String(text) => format!("string:{}", quoted(text)),
        number => format!("number:{:016x}", number.as_f64().unwrap().to_bits()),
    };
    let Node::Leaf { value, priority } = node else { panic!("no leaf: {node:?}") };
    priority.as_ref().map_or(String::new(), |priority| format!("priority:{}:", primitive(priority))) + &primitive(value)
}

pub fn parse(text: &str) -> Node {
    match Draft::parse(text.as_bytes(), 0).map(|draft| draft.value) {
        Ok(Value::Node(node)) => node,
        other => panic!("{text}: {other:?}"),
    }
}

/// What the SDK makes of `node` when it is sent `merges`. It goes through children in the order of a hash table, that
/// is any: here in key order, or in the opposite one.
pub fn apply(node: &Node, merges: &[RangeMerge], backwards: bool) -> Node {
    let path = |text: &String| text.split('/').filter(|key| !key.is_empty()).map(Key::trusted).collect();
    merges.iter().fold(node.clone(), |node, merge| {
        let range = Bounds { start: merge.start.as_ref().map(path), end: merge.end.as_ref().map(path), backwards };
        let data = parse(&merge.data.to_json(Format::Export));
        range.update(&mut vec![], &node, &data).unwrap_or(node)
    })
}

struct Bounds {
    start: Option<Vec<Key>>,
    end: Option<Vec<Key>>,
    backwards: bool,
}

impl Bounds {
    /// The node at `path` with the new data; `None` if it stays the very same.
    fn update(&self, path: &mut Vec<Key>, node: &Node, data: &Node) -> Option<Node> {
        let is_leaf = |node: &Node| matches!(node, Node::Leaf { .. });
        let is_within = |bound: &Option<Vec<Key>>| bound.as_ref().is_some_and(|bound| bound.starts_with(path));
        let is_after_start = self.start.as_ref().is_none_or(|start| path.as_slice() > start.as_slice());
        let end_order = self.end.as_ref().map_or(Ordering::Less, |end| path.as_slice().cmp(end));
        let (has_start, has_end) = (is_within(&self.start), is_within(&self.end));
        if is_after_start && (end_order.is_lt() && !has_end || has_end && is_leaf(data)) {
            return Some(data.clone());
        }
        if is_after_start && end_order.is_eq() {
            return is_leaf(node).then_some(Node::Empty);
        }
        if !has_start && !has_end {
            return None;
        }
        let keys: BTreeSet<_> = node.children().chain(data.children()).map(|(key, _)| key.clone()).collect();
        let mut keys: Vec<_> = keys.into_iter().collect();
        if self.backwards {
            keys.reverse();
        }
        if node.priority().or(data.priority()).is_some() {
            keys.push(Key::trusted(PRIORITY));
        }
        let mut updated = None;
        for key in keys {
            path.push(key.clone());
            if let Some(child) = self.update(path, &child(node, &key), &child(data, &key)) {
                set_child(updated.get_or_insert_with(|| node.clone()), key, child);
            }
            path.pop();
        }
        updated
    }
}

fn child(node: &Node, key: &Key) -> Node {
    match key.as_str() {
        PRIORITY => node.priority().cloned().map_or(Node::Empty, Node::leaf),
        _ => node.child(key).cloned().unwrap_or_default(),
    }
}

fn set_child(node: &mut Node, key: Key, child: Node) {
    match (key.as_str(), child) {
        (PRIORITY, Node::Leaf { value, .. }) => node.set_priority(&[], Some(value)),
        (PRIORITY, _) => node.set_priority(&[], None),
        (_, child) => node.set(&[key], child),
    }
}
