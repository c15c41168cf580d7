//! What an expression means, ready to be evaluated: names are resolved to slots, members to operations, regular
//! expressions compiled. Every part knows its number, under which its place in the text is kept.

use std::sync::Arc;

use super::pattern::Pattern;
use crate::model::Key;

/// A part of an expression.
#[derive(Debug)]
pub(super) struct Code {
    pub op: Op,
    /// Its number; see [`super::Expression::parts`].
    pub part: u32,
}

#[derive(Debug)]
pub(super) enum Op {
    Null,
    Bool(bool),
    Number(f64),
    String(Arc<str>),
    Auth,
    Now,
    Query,
    /// The database before the write, its root.
    Root,
    /// The rule's own place, before the write and after it.
    Data,
    NewData,
    /// The key of the rule's place at this depth, which a `$name` is bound to.
    Key(usize),
    /// `&&` and `||`.
    All(Vec<Code>),
    Any(Vec<Code>),
    Not(Box<Code>),
    Negate(Box<Code>),
    /// Condition, then, else.
    If(Box<[Code; 3]>),
    Equal(Box<[Code; 2]>),
    NotEqual(Box<[Code; 2]>),
    Compare(Comparison, Box<[Code; 2]>),
    Add(Box<[Code; 2]>),
    Calculate(Calculation, Box<[Code; 2]>),
    /// A member of something in `auth`.
    Member(Box<Code>, Box<str>),
    Index(Box<[Code; 2]>),
    /// Of a string.
    Length(Box<Code>),
    QueryMember(QueryMember),
    Child(Box<Code>, Names),
    Parent(Box<Code>),
    /// What a snapshot is asked that takes no argument.
    Ask(Box<Code>, Question),
    HasChild(Box<Code>, Names),
    HasChildren(Box<Code>, Vec<Names>),
    Text(Box<Code>, TextMethod, Vec<Code>),
    Matches(Box<Code>, Arc<Pattern>),
    /// A regular expression or an array where none can be: an error when it is evaluated.
    Unfit,
}

impl Op {
    /// Whether it says itself what it comes to.
    pub fn is_literal(&self) -> bool {
        matches!(self, Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calculation {
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryMember {
    OrderByKey,
    OrderByValue,
    OrderByPriority,
    OrderByChild,
    StartAt,
    EndAt,
    EqualTo,
    LimitToFirst,
    LimitToLast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Val,
    Exists,
    HasChildren,
    IsString,
    IsNumber,
    IsBoolean,
    Priority,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextMethod {
    Contains,
    BeginsWith,
    EndsWith,
    Replace,
    ToLowerCase,
    ToUpperCase,
}

impl TextMethod {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contains => "contains()",
            Self::BeginsWith => "beginsWith()",
            Self::EndsWith => "endsWith()",
            Self::Replace => "replace()",
            Self::ToLowerCase => "toLowerCase()",
            Self::ToUpperCase => "toUpperCase()",
        }
    }
}

/// The path of a child.
#[derive(Debug)]
pub(super) enum Names {
    /// As it is written in the expression.
    Fixed(Relative),
    Computed(Box<Code>),
}

/// A path below a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Relative {
    Keys(Vec<Key>),
    /// So many segments, not all of which can be keys: nothing is there.
    Nowhere(usize),
}

impl Relative {
    /// Splits at `/`; empty segments are dropped. An empty path leads nowhere.
    pub fn parse(text: &str) -> Self {
        let segments = || text.split('/').filter(|segment| !segment.is_empty());
        let keys: Result<Vec<_>, _> = segments().map(Key::parse).collect();
        match keys {
            Ok(keys) if !keys.is_empty() => Self::Keys(keys),
            _ => Self::Nowhere(segments().count().max(1)),
        }
    }
}
