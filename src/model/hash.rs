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
    top: String,
    /// Scratch space for the text of a leaf.
    text: Vec<u8>,
}

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
    hash: String,
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
        Self { number_bits, open: Vec::new(), top: String::new(), text: Vec::new() }
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
                self.place(key, priority.map(ScalarRef::to_scalar), STANDARD.encode(hash));
            }
            Step::Leave => {
                if let Some(mut node) = self.open.pop() {
                    node.add_later();
                    if !node.is_empty {
                        let hash = STANDARD.encode(node.context.finish());
                        self.place(node.key.as_deref(), node.priority, hash);
                    }
                }
            }
        }
    }

    /// The hash of all that came; empty if nothing did.
    pub fn finish(self) -> String {
        self.top
    }

    /// Puts the hash of a node that has ended where it belongs.
    fn place(&mut self, key: Option<&str>, priority: Option<Scalar>, hash: String) {
        match (self.open.last_mut(), key) {
            (Some(parent), Some(key)) => match priority {
                None => parent.add(key, &hash),
                Some(priority) => {
                    let priority = IndexValue::Scalar(priority);
                    parent.later.push(Child { priority, key: key.to_owned(), hash });
                }
            },
            _ => self.top = hash,
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
    fn add(&mut self, key: &str, hash: &str) {
        self.is_empty = false;
        for part in [":", key, ":", hash] {
            self.context.update(part.as_bytes());
        }
    }

    /// Adds the children with priorities. They come behind all others; among equal priorities the sort keeps key order.
    fn add_later(&mut self) {
        let mut later = std::mem::take(&mut self.later);
        later.sort_by(|a, b| a.priority.cmp(&b.priority));
        for child in later {
            self.add(&child.key, &child.hash);
        }
    }
}

fn push_primitive(scalar: ScalarRef<'_>, number_bits: fn(f64) -> u64, out: &mut Vec<u8>) {
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
