//! Server values: placeholders that the server fills in when it settles a write.
//!
//! Source: Firebase realtime protocol 11.8.

use super::{Draft, Node, Path, Scalar, Value};
use crate::base::Millis;

/// What `{".sv": ...}` asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerValue {
    /// The time of the write, one for the whole write.
    Timestamp,
    /// The number before the write plus this one.
    Increment(Scalar),
}

/// Which part of a node it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    Value,
    Priority,
}

/// A server value and its place, relative to the value that holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Placeholder {
    pub path: Path,
    pub slot: Slot,
    pub server_value: ServerValue,
}

impl ServerValue {
    /// The settled value; `before` is what stood at the same place before the write (a leaf's value, else `None`).
    pub fn settle(&self, before: Option<&Scalar>, now: Millis) -> Scalar {
        match self {
            Self::Timestamp => Scalar::Int(now),
            Self::Increment(by) => match (before, by) {
                (Some(Scalar::Int(old)), Scalar::Int(by)) if old.checked_add(*by).is_some() => {
                    Scalar::Int(old.wrapping_add(*by))
                }
                (Some(old), by) => match (old.as_f64(), by.as_f64()) {
                    (Some(old), Some(add)) => Scalar::number(old + add).unwrap_or_else(|| by.clone()),
                    _ => by.clone(),
                },
                (None, by) => by.clone(),
            },
        }
    }
}

impl Draft {
    /// Fills in the server values. `before` gives what stood at a place (relative to this draft) before the write: the
    /// value of a leaf, or with [`Slot::Priority`] its priority; it is asked for increments only.
    pub fn settle(self, mut before: impl FnMut(&Path, Slot) -> Option<Scalar>, now: Millis) -> Value {
        let mut value = self.value;
        for Placeholder { path, slot, server_value } in self.placeholders {
            let old = match server_value {
                ServerValue::Timestamp => None,
                ServerValue::Increment(_) => before(&path, slot),
            };
            let settled = server_value.settle(old.as_ref(), now);
            match (&mut value, slot) {
                (Value::Priority(priority), _) => *priority = Some(settled),
                (Value::Node(node), Slot::Priority) => node.set_priority(path.keys(), Some(settled)),
                (Value::Node(node), Slot::Value) => {
                    if let Some(Node::Leaf { value, .. }) = node.at_mut(&path) {
                        *value = settled;
                    }
                }
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Format;

    const NOW: Millis = 1_700_000_000_123;

    fn settled(text: &str, before: &[(&str, Slot, Scalar)]) -> String {
        let before = |path: &Path, slot: Slot| {
            let found = before.iter().find(|(place, of, _)| *place == path.to_string() && *of == slot);
            found.map(|(_, _, scalar)| scalar.clone())
        };
        match Draft::parse(text.as_bytes(), 0).unwrap().settle(before, NOW) {
            Value::Node(node) => node.to_json(Format::Export),
            Value::Priority(priority) => panic!("{priority:?}"),
        }
    }

    #[test]
    fn timestamp_is_one_for_the_whole_draft() {
        assert_eq!(settled(r#"{".sv":"timestamp"}"#, &[]), NOW.to_string());
        assert_eq!(
            settled(r#"{"a":{".sv":"timestamp"},"b":{"c":1,".priority":{".sv":"timestamp"}}}"#, &[]),
            format!(r#"{{"a":{NOW},"b":{{".priority":{NOW},"c":1}}}}"#)
        );
        assert_eq!(
            settled(r#"{"a":{".value":{".sv":"timestamp"},".priority":{".sv":"timestamp"}}}"#, &[]),
            format!(r#"{{"a":{{".value":{NOW},".priority":{NOW}}}}}"#)
        );
    }

    #[test]
    fn increment_adds_to_what_stood_at_its_own_place() {
        let before = [("/n", Slot::Value, Scalar::Int(40)), ("/n", Slot::Priority, Scalar::Int(7))];
        let n = r#"{".value":{".sv":{"increment":2}},".priority":{".sv":{"increment":1}}}"#;
        let text = format!(r#"{{"n":{n},"m":{{".sv":{{"increment":5}}}}}}"#);
        assert_eq!(settled(&text, &before), r#"{"m":5,"n":{".value":42,".priority":8}}"#);
    }

    #[test]
    fn priority_alone_is_settled() {
        let draft = crate::model::json::parse_priority(br#"{".sv":{"increment":1.5}}"#).unwrap();
        let value = draft.settle(|_, slot| (slot == Slot::Priority).then_some(Scalar::Int(1)), NOW);
        assert_eq!(value, Value::Priority(Some(Scalar::Double(2.5))));
    }

    #[test]
    fn increment_of_each_kind_follows_the_table() {
        let max = Scalar::Int(i64::MAX);
        let table = [
            (None, Scalar::Int(3), Scalar::Int(3)),
            (Some(Scalar::Int(1)), Scalar::Int(-3), Scalar::Int(-2)),
            (Some(Scalar::Int(1)), Scalar::Double(0.5), Scalar::Double(1.5)),
            (Some(Scalar::Double(0.5)), Scalar::Double(0.5), Scalar::Int(1)),
            (Some(Scalar::string("x")), Scalar::Int(3), Scalar::Int(3)),
            (Some(Scalar::Bool(true)), Scalar::Int(3), Scalar::Int(3)),
            (Some(max.clone()), Scalar::Int(-1), Scalar::Int(i64::MAX - 1)),
            (Some(max), Scalar::Int(1), Scalar::Double(9_223_372_036_854_775_808.0)),
            (Some(Scalar::Double(f64::MAX)), Scalar::Double(f64::MAX), Scalar::Double(f64::MAX)),
        ];
        for (before, by, expected) in table {
            assert_eq!(
                ServerValue::Increment(by.clone()).settle(before.as_ref(), NOW),
                expected,
                "{before:?} + {by:?}"
            );
        }
    }
}
