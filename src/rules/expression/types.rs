//! Static types, and the members of each: tables from which expressions are checked.
//!
//! Source: Firebase rules reference 3.1, 5, 6.

use std::fmt;

use super::code::{Comparison, QueryMember, Question, TextMethod};

/// What is known of a part of an expression before it is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    Number,
    String,
    Null,
    /// One of the four above.
    Primitive,
    /// Anything that `auth` may hold.
    Any,
    Snapshot,
    Query,
    Regex,
    Array,
    /// It is faulty, which has been told: it fits everywhere.
    Faulty,
}

impl Type {
    /// Whether it is only known when it is evaluated.
    pub fn is_fuzzy(self) -> bool {
        matches!(self, Self::Primitive | Self::Any | Self::Faulty)
    }

    /// Whether its values can be compared with `==`.
    pub fn is_value(self) -> bool {
        self.is_fuzzy() || self.is_primitive()
    }

    pub fn is_primitive(self) -> bool {
        matches!(self, Self::Boolean | Self::Number | Self::String | Self::Null | Self::Primitive)
    }

    pub fn is_boolean(self) -> bool {
        matches!(self, Self::Boolean | Self::Faulty)
    }

    pub fn may_be_string(self) -> bool {
        self.is_fuzzy() || self == Self::String
    }

    pub fn may_be_number(self) -> bool {
        self.is_fuzzy() || self == Self::Number
    }

    /// The type of what is either of both.
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Faulty, _) | (_, Self::Faulty) => Self::Faulty,
            _ if self == other => self,
            _ if self.is_primitive() && other.is_primitive() => Self::Primitive,
            _ => Self::Any,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Null => "null",
            Self::Primitive => "primitive",
            Self::Any | Self::Faulty => "any",
            Self::Snapshot => "snapshot",
            Self::Query => "query",
            Self::Regex => "regex",
            Self::Array => "array",
        })
    }
}

/// A member that something has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// Of `auth` and what is in it.
    Data,
    /// Of a string.
    Length,
    Query(QueryMember, Type),
    Method,
}

impl Member {
    /// The member of this name that a value of this type has.
    pub fn of(object: Type, name: &str) -> Option<Self> {
        match object {
            // Claims may have any name, also those of methods.
            Type::Any | Type::Faulty => Some(Self::Data),
            Type::Query => {
                let found = QUERY_MEMBERS.iter().find(|(known, ..)| *known == name);
                found.map(|(_, member, result)| Self::Query(*member, *result))
            }
            Type::String | Type::Primitive if name == "length" => Some(Self::Length),
            _ => Method::of(object, name).map(|_| Self::Method),
        }
    }
}

/// A method: all that a call of it is checked by.
#[derive(Debug)]
pub(super) struct Method {
    pub name: &'static str,
    pub call: Call,
    /// Arguments; `hasChildren` is a case of its own.
    pub arity: usize,
    pub result: Type,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Child,
    Parent,
    HasChild,
    HasChildren,
    Ask(Question),
    Text(TextMethod),
    Matches,
}

impl Method {
    /// The method of this name that a value of this type has.
    pub fn of(object: Type, name: &str) -> Option<&'static Self> {
        let methods = match object {
            Type::Snapshot => SNAPSHOT_METHODS,
            Type::String | Type::Primitive | Type::Any => STRING_METHODS,
            _ => return None,
        };
        methods.iter().find(|method| method.name == name)
    }

    const fn new(name: &'static str, call: Call, arity: usize, result: Type) -> Self {
        Self { name, call, arity, result }
    }
}

/// Source: Firebase rules reference 6.1.
const SNAPSHOT_METHODS: &[Method] = &[
    Method::new("val", Call::Ask(Question::Val), 0, Type::Primitive),
    Method::new("exists", Call::Ask(Question::Exists), 0, Type::Boolean),
    Method::new("child", Call::Child, 1, Type::Snapshot),
    Method::new("parent", Call::Parent, 0, Type::Snapshot),
    Method::new("hasChild", Call::HasChild, 1, Type::Boolean),
    Method::new("hasChildren", Call::HasChildren, 0, Type::Boolean),
    Method::new("getPriority", Call::Ask(Question::Priority), 0, Type::Primitive),
    Method::new("isString", Call::Ask(Question::IsString), 0, Type::Boolean),
    Method::new("isNumber", Call::Ask(Question::IsNumber), 0, Type::Boolean),
    Method::new("isBoolean", Call::Ask(Question::IsBoolean), 0, Type::Boolean),
];

/// Source: Firebase rules reference 6.2.
const STRING_METHODS: &[Method] = &[
    Method::new("contains", Call::Text(TextMethod::Contains), 1, Type::Boolean),
    Method::new("beginsWith", Call::Text(TextMethod::BeginsWith), 1, Type::Boolean),
    Method::new("endsWith", Call::Text(TextMethod::EndsWith), 1, Type::Boolean),
    Method::new("replace", Call::Text(TextMethod::Replace), 2, Type::String),
    Method::new("toLowerCase", Call::Text(TextMethod::ToLowerCase), 0, Type::String),
    Method::new("toUpperCase", Call::Text(TextMethod::ToUpperCase), 0, Type::String),
    Method::new("matches", Call::Matches, 1, Type::Boolean),
];

/// Source: Firebase rules reference 3.1.
const QUERY_MEMBERS: &[(&str, QueryMember, Type)] = &[
    ("orderByKey", QueryMember::OrderByKey, Type::Boolean),
    ("orderByValue", QueryMember::OrderByValue, Type::Boolean),
    ("orderByPriority", QueryMember::OrderByPriority, Type::Boolean),
    ("orderByChild", QueryMember::OrderByChild, Type::String),
    ("startAt", QueryMember::StartAt, Type::Primitive),
    ("endAt", QueryMember::EndAt, Type::Primitive),
    ("equalTo", QueryMember::EqualTo, Type::Primitive),
    ("limitToFirst", QueryMember::LimitToFirst, Type::Number),
    ("limitToLast", QueryMember::LimitToLast, Type::Number),
];

impl Comparison {
    pub fn of(sign: &str) -> Option<Self> {
        Some(match sign {
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}
