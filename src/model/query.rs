//! Queries: which children of a node, in which order.
//!
//! Source: Firebase realtime protocol 10; REST reference 6. `params` reads them from REST parameters,
//! `wire` from the query objects of the realtime protocol.

mod params;
mod wire;

use std::cmp::Ordering;

use serde_json::Value as Json;

pub use self::params::QueryError;
use super::key::cmp_text;
use super::order::{IndexValue, Place};
use super::{Key, Node, Path, Scalar};

/// A query on the children of one node. The default one is everything, by priority.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    pub index: Index,
    pub start: Option<Bound>,
    pub end: Option<Bound>,
    pub limit: Option<Limit>,
}

/// What children are ordered by; ties always by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Index {
    #[default]
    Priority,
    Key,
    Value,
    /// The value at this path below each child.
    Child(Path),
}

/// One end of a range: a value, and a key among equal values.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// With [`Index::Key`] always `Null`: there only the key counts.
    pub value: IndexValue,
    /// `None`: below all keys at the start, above all keys at the end.
    pub key: Option<BoundKey>,
    pub inclusive: bool,
}

/// A key in a bound. Clients send keys here that are no legal keys (successors, `[MIN_NAME]`), so it is any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundKey {
    Min,
    Max,
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    First(u32),
    Last(u32),
}

impl Query {
    /// Whether it selects everything, in whatever order.
    pub fn is_whole(&self) -> bool {
        self.start.is_none() && self.end.is_none() && self.limit.is_none()
    }

    /// The place of a child.
    pub fn place(&self, key: &Key, child: &Node) -> Place {
        Place { value: self.index.value(key, child), key: key.clone() }
    }

    /// Whether a place lies within the bounds. The limit is the window's business.
    pub fn contains(&self, place: &Place) -> bool {
        let after_start = self.start.as_ref().is_none_or(|bound| match bound.cmp_place(place, &BoundKey::Min) {
            Ordering::Less => true,
            Ordering::Equal => bound.inclusive,
            Ordering::Greater => false,
        });
        after_start
            && self.end.as_ref().is_none_or(|bound| match bound.cmp_place(place, &BoundKey::Max) {
                Ordering::Greater => true,
                Ordering::Equal => bound.inclusive,
                Ordering::Less => false,
            })
    }
}

impl Index {
    /// The value by which `child` is ordered.
    pub fn value(&self, key: &Key, child: &Node) -> IndexValue {
        let scalar = |scalar: Option<&Scalar>| scalar.map_or(IndexValue::Null, |s| IndexValue::Scalar(s.clone()));
        let of_node = |node: Option<&Node>| match node {
            Some(Node::Leaf { value, .. }) => scalar(Some(value)),
            Some(Node::Inner(_)) => IndexValue::Inner,
            Some(Node::Empty) | None => IndexValue::Null,
        };
        match self {
            Self::Priority => scalar(child.priority()),
            Self::Key => {
                // The key itself is compared by `Place`: all index values are equal.
                let _ = key;
                IndexValue::Null
            }
            Self::Value => of_node(Some(child)),
            Self::Child(path) => of_node(child.at(path)),
        }
    }
}

impl IndexValue {
    /// A JSON primitive as what children are compared with; `None` if it is none, or no finite number.
    fn from_json(value: &Json) -> Option<Self> {
        match value {
            Json::Null => Some(Self::Null),
            Json::Bool(value) => Some(Self::Scalar(Scalar::Bool(*value))),
            Json::Number(number) => Scalar::from_json(number).map(Self::Scalar),
            Json::String(text) => Some(Self::Scalar(Scalar::string(text.as_str()))),
            Json::Array(_) | Json::Object(_) => None,
        }
    }
}

impl BoundKey {
    /// Takes any text, and the names that SDKs have for the ends of all keys.
    pub fn parse(text: &str) -> Self {
        match text {
            "[MIN_NAME]" => Self::Min,
            "[MAX_NAME]" | "[MAX_KEY]" => Self::Max,
            _ => Self::Text(text.to_owned()),
        }
    }
}

impl Bound {
    /// Compares this bound with a place; a missing key counts as `default`.
    fn cmp_place(&self, place: &Place, default: &BoundKey) -> Ordering {
        self.value.cmp(&place.value).then_with(|| match self.key.as_ref().unwrap_or(default) {
            BoundKey::Min => Ordering::Less,
            BoundKey::Max => Ordering::Greater,
            BoundKey::Text(text) => cmp_text(text, place.key.as_str()),
        })
    }
}

#[cfg(test)]
mod tests;
