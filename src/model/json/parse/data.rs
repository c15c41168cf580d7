//! A value of any kind.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::members::{Members, Parsed};
use super::primitive::{PrimitiveSeed, next_server_value};
use super::{Errors, double, string, unsigned};
use crate::base::limits::DEPTH_MAX;
use crate::model::json::DataError;
use crate::model::{Key, Scalar, Slot};

/// Reads a value of any kind.
#[derive(Clone, Copy)]
pub(super) struct DataSeed<'c> {
    /// Keys between the root and this value.
    pub(super) depth: usize,
    pub(super) errors: Errors<'c>,
}

impl DataSeed<'_> {
    fn below(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    /// Also what keeps hostile nesting off the stack.
    fn check_depth<E: Error>(self) -> Result<(), E> {
        if self.depth > DEPTH_MAX { Err(self.errors.fail(DataError::TooDeep)) } else { Ok(()) }
    }

    fn leaf<E: Error>(self, value: Scalar) -> Result<Parsed, E> {
        self.check_depth()?;
        self.errors.count_leaf()?;
        Ok(Parsed::leaf(value))
    }
}

impl<'de> DeserializeSeed<'de> for DataSeed<'_> {
    type Value = Parsed;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Parsed, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DataSeed<'_> {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data")
    }

    fn visit_unit<E: Error>(self) -> Result<Parsed, E> {
        Ok(Parsed::default())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Parsed, E> {
        self.leaf(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Parsed, E> {
        self.leaf(Scalar::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Parsed, E> {
        self.leaf(unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Parsed, E> {
        self.leaf(double(value, self.errors)?)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Parsed, E> {
        self.leaf(string(text, self.errors)?)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Parsed, A::Error> {
        self.check_depth()?;
        let mut members = Members::default();
        let mut index = 0;
        while let Some(child) = array.next_element_seed(self.below())? {
            if !child.node.is_empty() {
                members.push(Key::index(index), child);
            }
            index += 1;
        }
        Ok(members.finish())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Parsed, A::Error> {
        self.check_depth()?;
        let mut members = Members::default();
        let mut count = 0;
        while let Some(name) = object.next_key_seed(NameSeed(self.errors))? {
            count += 1;
            match name {
                Name::Key(key) => members.push(key, object.next_value_seed(self.below())?),
                Name::Value => {
                    members.value = object.next_value_seed(PrimitiveSeed { slot: Slot::Value, errors: self.errors })?;
                }
                Name::Priority => {
                    members.priority =
                        object.next_value_seed(PrimitiveSeed { slot: Slot::Priority, errors: self.errors })?;
                }
                Name::ServerValue => members.server_value = Some(next_server_value(&mut object, self.errors)?),
            }
        }
        if members.server_value.is_some() && count > 1 {
            return Err(self.errors.fail(DataError::BadServerValue));
        }
        Ok(members.finish())
    }
}

/// The name of a member of an object.
enum Name {
    Key(Key),
    Value,
    Priority,
    ServerValue,
}

struct NameSeed<'c>(Errors<'c>);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Name, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
        match text {
            ".value" => Ok(Name::Value),
            ".priority" => Ok(Name::Priority),
            ".sv" => Ok(Name::ServerValue),
            _ => Key::parse(text).map(Name::Key).map_err(|_| self.0.fail(DataError::BadData)),
        }
    }
}
