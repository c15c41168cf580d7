//! `.value`, `.priority` and `.sv`: what may stand where an object says more than its children.
//!
//! Source: Firebase realtime protocol 11.2, 11.8.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::members::{Held, Parsed};
use super::{Errors, double, string, unsigned};
use crate::model::json::DataError;
use crate::model::{Draft, Node, Scalar, ServerValue, Slot, Value};

/// What may stand as `.value` or `.priority`.
pub(super) enum Primitive {
    Scalar(Scalar),
    Server(ServerValue),
}

impl Primitive {
    /// The scalar for this slot; a server value leaves a dummy there, and itself in `held`.
    pub(super) fn fill(self, slot: Slot, held: &mut Vec<Held>) -> Scalar {
        match self {
            Self::Scalar(scalar) => scalar,
            Self::Server(server_value) => {
                held.push(Held { keys: Vec::new(), slot, server_value });
                Scalar::string("")
            }
        }
    }
}

pub(super) fn priority_draft(priority: Option<Primitive>) -> Draft {
    let mut held = Vec::new();
    let value = Value::Priority(priority.map(|priority| priority.fill(Slot::Priority, &mut held)));
    Draft { value, ..Parsed { node: Node::Empty, held }.into_draft() }
}

/// Reads a `.value` or a `.priority`; null gives `None`.
pub(super) struct PrimitiveSeed<'c> {
    pub(super) slot: Slot,
    pub(super) errors: Errors<'c>,
}

impl PrimitiveSeed<'_> {
    fn refuse<E: Error>(self) -> E {
        self.errors.fail(match self.slot {
            Slot::Value => DataError::BadValue,
            Slot::Priority => DataError::BadPriority,
        })
    }
}

impl<'de> DeserializeSeed<'de> for PrimitiveSeed<'_> {
    type Value = Option<Primitive>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PrimitiveSeed<'_> {
    type Value = Option<Primitive>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a primitive value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        match self.slot {
            Slot::Value => Ok(Some(Primitive::Scalar(Scalar::Bool(value)))),
            Slot::Priority => Err(self.refuse()),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Primitive::Scalar(Scalar::Int(value))))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Primitive::Scalar(unsigned(value))))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(Primitive::Scalar(double(value, self.errors)?)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Primitive::Scalar(string(text, self.errors)?)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.refuse())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        if object.next_key::<String>()?.as_deref() != Some(".sv") {
            return Err(self.refuse());
        }
        let server_value = next_server_value(&mut object, self.errors)?;
        if object.next_key::<String>()?.is_some() {
            return Err(self.errors.fail(DataError::BadServerValue));
        }
        Ok(Some(Primitive::Server(server_value)))
    }
}

pub(super) fn next_server_value<'de, A: MapAccess<'de>>(
    object: &mut A,
    errors: Errors<'_>,
) -> Result<ServerValue, A::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Wanted {
        Timestamp,
        Increment(serde_json::Number),
    }
    let refuse = || errors.fail(DataError::BadServerValue);
    match object.next_value::<Wanted>().map_err(|_| refuse())? {
        Wanted::Timestamp => Ok(ServerValue::Timestamp),
        Wanted::Increment(by) => Scalar::from_json(&by).map(ServerValue::Increment).ok_or_else(refuse),
    }
}
