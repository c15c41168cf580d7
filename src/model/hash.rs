//! The node hash: what transactions compare, and the `ETag` of REST.
//!
//! Source: Firebase realtime protocol 12.1, 12.2; REST reference 5.8.
//!
//! Made from the steps of a walk, in memory that grows only with children that have priorities: those are hashed in
//! another order than they come in, and wait for the end of their parent.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::order::IndexValue;
use super::walk::{ScalarRef, Step};
use super::{Node, Scalar};

/// The hash of `node`: base64 of a SHA-1; empty for no data.
pub fn hash_of(node: &Node) -> String {
    let mut hasher = Hasher::new();
    node.walk(&mut |step| hasher.step(step));
    hasher.finish()
}

/// The hash of `node` as the JavaScript SDKs make it, see [`Hasher::javascript`].
pub fn javascript_hash_of(node: &Node) -> String {
    let mut hasher = Hasher::javascript();
    node.walk(&mut |step| hasher.step(step));
    hasher.finish()
}

/// The `ETag` of data with this hash.
pub fn etag(hash: &str) -> &str {
    if hash.is_empty() { "null_etag" } else { hash }
}

/// Hashes the steps of one walk.
pub struct Hasher {
    number_bits: fn(f64) -> u64,
    /// The nodes that are open, outermost first.
    open: Vec<Open>,
    /// The hash of the topmost node, once it has ended.
    top: Option<Hash>,
    /// Scratch space for pieces of preimages.
    text: Vec<u8>,
}

/// The base64 text of a SHA-1.
type Hash = [u8; 28];

/// A node whose children are being hashed.
struct Open {
    key: Option<String>,
    priority: Option<Scalar>,
    /// Has taken in the node's own priority and the children without one.
    context: Context,
    is_empty: bool,
    later: Vec<Child>,
}

/// A child with a priority, and its hash.
struct Child {
    priority: IndexValue,
    key: String,
    hash: Hash,
}

impl Hasher {
    pub fn new() -> Self {
        Self::with(f64::to_bits)
    }

    /// Makes the hashes of the JavaScript SDKs, in which the text of some numbers is wrong. They differ from the right
    /// ones only where such a number stands.
    pub fn javascript() -> Self {
        Self::with(javascript_bits)
    }

    fn with(number_bits: fn(f64) -> u64) -> Self {
        Self { number_bits, open: Vec::new(), top: None, text: Vec::new() }
    }

    pub fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Enter { key, priority, .. } => {
                let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                context.update(self.preimage(priority, None));
                self.open.push(Open {
                    key: key.map(str::to_owned),
                    priority: priority.map(ScalarRef::to_scalar),
                    context,
                    is_empty: true,
                    later: Vec::new(),
                });
            }
            Step::Leaf { key, value, priority } => {
                let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, self.preimage(priority, Some(value)));
                self.place(key, priority.map(ScalarRef::to_scalar), encode(hash.as_ref()));
            }
            Step::Leave => {
                if let Some(mut node) = self.open.pop() {
                    node.add_later(&mut self.text);
                    if !node.is_empty {
                        let hash = encode(node.context.finish().as_ref());
                        self.place(node.key.as_deref(), node.priority, hash);
                    }
                }
            }
        }
    }

    /// The hash of all that came; empty if nothing did.
    pub fn finish(self) -> String {
        self.top.iter().flatten().map(|byte| char::from(*byte)).collect()
    }

    /// Puts the hash of a node that has ended where it belongs.
    fn place(&mut self, key: Option<&str>, priority: Option<Scalar>, hash: Hash) {
        match (self.open.last_mut(), key) {
            (Some(parent), Some(key)) => match priority {
                None => parent.add(key, &hash, &mut self.text),
                Some(priority) => {
                    let priority = IndexValue::Scalar(priority);
                    parent.later.push(Child { priority, key: key.to_owned(), hash });
                }
            },
            _ => self.top = Some(hash),
        }
    }

    /// What a node's hash begins with; all of it for a leaf.
    fn preimage(&mut self, priority: Option<ScalarRef<'_>>, value: Option<ScalarRef<'_>>) -> &[u8] {
        self.text.clear();
        if let Some(priority) = priority {
            self.text.extend_from_slice(b"priority:");
            push_primitive(priority, self.number_bits, &mut self.text);
            self.text.push(b':');
        }
        if let Some(value) = value {
            push_primitive(value, self.number_bits, &mut self.text);
        }
        &self.text
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Open {
    fn add(&mut self, key: &str, hash: &Hash, text: &mut Vec<u8>) {
        self.is_empty = false;
        text.clear();
        for part in [b":", key.as_bytes(), b":", hash] {
            text.extend_from_slice(part);
        }
        self.context.update(text);
    }

    /// Adds the children with priorities. They come behind all others; among equal priorities the sort keeps key order.
    fn add_later(&mut self, text: &mut Vec<u8>) {
        let mut later = std::mem::take(&mut self.later);
        later.sort_by(|a, b| a.priority.cmp(&b.priority));
        for child in later {
            self.add(&child.key, &child.hash, text);
        }
    }
}

/// The base64 text of a SHA-1.
pub(super) fn encode(sha1: &[u8]) -> Hash {
    let mut hash = [0; 28];
    // Cannot fail: 20 bytes become 28 characters.
    STANDARD.encode_slice(sha1, &mut hash).expect("a SHA-1 fits");
    hash
}

/// Writes a value as preimages have it, numbers by their bits.
pub(super) fn push_primitive(scalar: ScalarRef<'_>, number_bits: fn(f64) -> u64, out: &mut Vec<u8>) {
    #[expect(clippy::cast_precision_loss, reason = "the hash goes by the nearest double")]
    let number = match scalar {
        ScalarRef::Bool(value) => return out.extend_from_slice(if value { b"boolean:true" } else { b"boolean:false" }),
        ScalarRef::Str(text) => {
            out.extend_from_slice(b"string:");
            return out.extend_from_slice(text.as_bytes());
        }
        ScalarRef::Int(value) => value as f64,
        ScalarRef::Double(value) => value,
    };
    out.extend_from_slice(format!("number:{:016x}", number_bits(number)).as_bytes());
}

/// The bits that JavaScript SDKs take for those of `value`: they get the exponent from a rounded logarithm.
fn javascript_bits(value: f64) -> u64 {
    let magnitude = value.abs();
    if magnitude < f64::MIN_POSITIVE {
        return value.to_bits();
    }
    let log = (magnitude.ln() / std::f64::consts::LN_2).floor().min(1023.0);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most four digits")]
    let log = log as i32;
    let scale = 2_f64.powi(52 - log);
    let fraction = (magnitude * scale - 2_f64.powi(52) + 0.5).floor();
    // Where the scale overflows, JavaScript's remainders are NaN, which it takes for zeros.
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    let fraction = if fraction.is_finite() { fraction as i64 } else { 0 };
    let exponent = i64::from(log) + 1023;
    let sign = i64::from(value.is_sign_negative());
    #[expect(clippy::cast_sign_loss, reason = "the bits are wanted")]
    let bits = (sign << 63 | (exponent & 0x7ff) << 52 | fraction & ((1 << 52) - 1)) as u64;
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Draft, Value, arbitrary};
    use proptest::prelude::*;

    fn node(text: &str) -> Node {
        match Draft::parse(text.as_bytes(), 0) {
            Ok(Draft { value: Value::Node(node), .. }) => node,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn javascript(node: &Node) -> String {
        let mut hasher = Hasher::javascript();
        node.walk(&mut |step| hasher.step(step));
        hasher.finish()
    }

    fn sha1(text: &str) -> String {
        STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
    }

    /// The preimage as the spec defines it, made the plain way.
    fn preimage(node: &Node) -> String {
        let primitive = |scalar: &Scalar| match scalar {
            Scalar::Bool(value) => format!("boolean:{value}"),
            Scalar::String(text) => format!("string:{text}"),
            number => format!("number:{:016x}", number.as_f64().unwrap().to_bits()),
        };
        let own = node.priority().map_or(String::new(), |priority| format!("priority:{}:", primitive(priority)));
        if let Node::Leaf { value, .. } = node {
            return own + &primitive(value);
        }
        let mut children: Vec<_> = node.children().collect();
        let priority = |node: &Node| node.priority().cloned().map_or(IndexValue::Null, IndexValue::Scalar);
        children.sort_by_key(|(key, child)| (priority(child), (*key).clone()));
        children.iter().fold(own, |text, (key, child)| text + &format!(":{key}:{}", sha1(&preimage(child))))
    }

    /// The table of the spec, whole: data, preimage and hash.
    const VECTORS: &str = include_str!("hash/vectors.tsv");

    #[test]
    fn hash_is_that_of_every_vector() {
        for vector in VECTORS.lines() {
            let [text, text_preimage, hash] = vector.split('\t').collect::<Vec<_>>().try_into().unwrap();
            assert_eq!(preimage(&node(text)), text_preimage, "{text}");
            assert_eq!(hash_of(&node(text)), hash, "{text}");
            assert_eq!(javascript(&node(text)), hash, "{text}");
        }
        assert_eq!(VECTORS.lines().count(), 30);
    }

    #[test]
    fn no_data_has_an_empty_hash_and_its_own_etag() {
        assert_eq!(hash_of(&Node::Empty), "");
        assert_eq!(etag(&hash_of(&Node::Empty)), "null_etag");
        assert_eq!(etag("z6sRbrNLwbHX5fdjpvsTtWgXUFc="), "z6sRbrNLwbHX5fdjpvsTtWgXUFc=");
    }

    #[test]
    fn node_without_children_in_a_walk_counts_as_none() {
        let enter = |key| Step::Enter { key, priority: Some(ScalarRef::Int(1)), array_len: None };
        let mut hasher = Hasher::new();
        let leaf = Step::Leaf { key: Some("a"), value: ScalarRef::Int(1), priority: None };
        for step in [enter(None), leaf, enter(Some("b")), Step::Leave, Step::Leave] {
            hasher.step(step);
        }
        assert_eq!(hasher.finish(), hash_of(&node(r#"{"a":1,".priority":1}"#)));
        let mut hasher = Hasher::new();
        hasher.step(enter(None));
        hasher.step(Step::Leave);
        assert_eq!(hasher.finish(), "");
    }

    #[test]
    fn javascript_hash_has_the_fault_of_the_sdks() {
        let victim = node("9007199254740991");
        assert_eq!(hash_of(&victim), "zP1cy9AKj8mOJfzxsijijNJ8QdY=");
        assert_eq!(javascript(&victim), "m4qsp/5BbIWTdjthNlnOX+WCTB0=");
        assert_eq!(javascript_bits(9_007_199_254_740_991.0), 0x4340_0000_0000_0000);
        assert_eq!(javascript_bits(281_474_976_710_655.0), 0x42ff_ffff_ffff_fff0);
        assert_eq!(javascript_bits(-281_474_976_710_655.0), 0xc2ff_ffff_ffff_fff0);
        for right in [0.0, 1.0, -1.0, 0.1, 1e300, 5e-324, 2_999_999.0] {
            assert_eq!(javascript_bits(right), right.to_bits(), "{right}");
        }
    }

    /// What the code of the JS SDK gives in Node 20: which powers of two, and which numbers directly below one, it gets
    /// wrong. The machine's logarithm must round as V8's does.
    #[test]
    fn javascript_bits_are_wrong_for_the_same_numbers_as_in_v8() {
        let power = |exponent: i32| f64::from_bits(u64::try_from(exponent + 1023).unwrap() << 52);
        let is_wrong = |value: f64| javascript_bits(value) != value.to_bits();
        let powers: Vec<_> = (-1022..=1023).filter(|exponent| is_wrong(power(*exponent))).collect();
        assert_eq!(powers.len(), 219);
        let newest: Vec<_> = powers.iter().rev().take(12).copied().collect();
        assert_eq!(newest, [-29, -31, -39, -47, -51, -55, -58, -59, -62, -78, -93, -94]);
        let below = |exponent: i32| f64::from_bits(power(exponent).to_bits() - 1);
        assert_eq!((-1021..=1023).filter(|exponent| is_wrong(below(*exponent))).count(), 1836);
    }

    proptest! {
        #[test]
        fn hash_of_any_node_is_that_of_its_preimage(node in arbitrary::node()) {
            let expected = if node.is_empty() { String::new() } else { sha1(&preimage(&node)) };
            prop_assert_eq!(hash_of(&node), expected);
        }
    }
}
