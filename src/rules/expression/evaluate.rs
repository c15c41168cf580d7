//! Evaluation: code and data into true, false or an error.
//!
//! An error is no value: it ends the whole rule, which is false then. Work is counted in steps: one for each part that
//! is evaluated, and more where texts are long, so that no rule takes long. Source: Firebase rules reference 6, 7.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use super::Expression;
use super::code::{Calculation, Code, Comparison, Names, Op, QueryMember, Question, Relative, TextMethod};
use super::value::{Snapshot, Text, Value, number_text};
use crate::base::limits::{RULES_STEP_BYTES, RULES_STEPS_MAX, RULES_STRING_BYTES_MAX};
use crate::model::order::{IndexValue, cmp_utf16};
use crate::model::{Bound, BoundKey, Identity, Index, Key, Limit, Path, Query, Scalar};
use crate::rules::explain::PartResult;

/// Data as rules see it: the store, or the store with writes laid over it. Lazy: only what a rule looks at is read.
pub trait View {
    /// What stands at a place.
    ///
    /// # Errors
    /// The data cannot be read. That fails the request; it does not make a rule false.
    fn look(&self, path: &Path) -> Result<Seen, ViewError>;

    /// The priority of a place, if it has one.
    ///
    /// # Errors
    /// As for `look`.
    fn priority(&self, path: &Path) -> Result<Option<Scalar>, ViewError>;
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Absent,
    Leaf(Scalar),
    /// At least one child.
    Branch,
}

/// Why data cannot be read.
#[derive(Debug)]
pub struct ViewError(pub Box<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for ViewError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rules could not read data: {}", self.0)
    }
}

impl std::error::Error for ViewError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// All that an expression can look at.
#[derive(Clone, Copy)]
pub(in crate::rules) struct Env<'a> {
    pub identity: &'a Identity,
    pub now: i64,
    /// The keys of the rule's place.
    pub place: &'a [Key],
    /// Only for reads.
    pub query: Option<&'a Query>,
    pub before: &'a dyn View,
    /// Only for writes.
    pub after: Option<&'a dyn View>,
}

/// Why a rule is not true, though it is not false either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rules) struct EvalError {
    /// The part at which it ended.
    pub part: u32,
    pub text: String,
}

/// Why evaluation ended early.
pub(in crate::rules) enum Stop {
    Error(Box<EvalError>),
    View(ViewError),
}

/// What a part came to, as text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rules) struct Outcome {
    pub part: u32,
    pub result: PartResult,
}

impl Expression {
    /// Whether it is true. With `trace`, what every part came to is added there, in the order of evaluation.
    pub fn evaluate<'a>(&'a self, env: Env<'a>, trace: Option<&'a mut Vec<Outcome>>) -> Result<bool, Stop> {
        let mut evaluation = Evaluation { env, steps: 0, string_bytes: 0, trace };
        evaluation.bool(&self.code)
    }
}

struct Evaluation<'a> {
    env: Env<'a>,
    steps: usize,
    /// Of strings that were made.
    string_bytes: usize,
    trace: Option<&'a mut Vec<Outcome>>,
}

type Evaluated<'a> = Result<Value<'a>, Stop>;

impl<'a> Evaluation<'a> {
    fn value(&mut self, code: &'a Code) -> Evaluated<'a> {
        self.spend(code, 0)?;
        let outcome = self.op(code);
        self.note(code, &outcome);
        outcome
    }

    fn note(&mut self, code: &Code, outcome: &Evaluated<'a>) {
        let Some(trace) = self.trace.as_deref_mut() else { return };
        let result = match outcome {
            _ if code.op.is_literal() => return,
            Ok(value) => PartResult::Value(value.describe()),
            Err(Stop::Error(error)) => PartResult::Error(error.text.clone()),
            Err(Stop::View(_)) => return,
        };
        trace.push(Outcome { part: code.part, result });
    }

    fn op(&mut self, code: &'a Code) -> Evaluated<'a> {
        Ok(match &code.op {
            Op::Null => Value::Null,
            Op::Bool(value) => Value::Bool(*value),
            Op::Number(value) => Value::Number(*value),
            Op::String(text) => Value::String(Text::Borrowed(text)),
            Op::Auth => self.env.identity.auth().map_or(Value::Null, Value::of_json),
            #[expect(clippy::cast_precision_loss, reason = "numbers of the language are doubles")]
            Op::Now => Value::Number(self.env.now as f64),
            Op::Query => Value::Query,
            Op::Root => Value::Snapshot(Snapshot { is_after: false, path: Path::root(), lost: 0 }),
            Op::Data | Op::NewData => {
                let path = Path::from_keys(self.env.place.to_vec());
                Value::Snapshot(Snapshot { is_after: matches!(code.op, Op::NewData), path, lost: 0 })
            }
            Op::Key(depth) => match self.env.place.get(*depth) {
                Some(key) => Value::String(Text::Borrowed(key.as_str())),
                None => Value::Null,
            },
            Op::All(parts) => self.chain(parts, false)?,
            Op::Any(parts) => self.chain(parts, true)?,
            Op::Not(part) => Value::Bool(!self.bool(part)?),
            Op::Negate(part) => Value::Number(-self.number(part, "-")?),
            Op::If(parts) => {
                let [condition, yes, no] = &**parts;
                let is_true = self.bool(condition)?;
                self.value(if is_true { yes } else { no })?
            }
            Op::Equal(sides) => Value::Bool(self.equal(sides)?),
            Op::NotEqual(sides) => Value::Bool(!self.equal(sides)?),
            Op::Compare(comparison, sides) => self.compare(code, *comparison, sides)?,
            Op::Add(sides) => self.add(code, sides)?,
            Op::Calculate(calculation, sides) => self.calculate(*calculation, sides)?,
            Op::Member(object, name) => self.value(object)?.member(name),
            Op::Index(parts) => self.index(parts)?,
            Op::Length(object) => match self.value(object)? {
                Value::String(text) => {
                    self.spend(code, text.as_str().len())?;
                    text.utf16_len()
                }
                _ => Value::Null,
            },
            Op::QueryMember(member) => self.env.query.map_or(Value::Null, |query| query_member(query, *member)),
            Op::Child(object, names) => Value::Snapshot(self.child(object, names)?),
            Op::Parent(object) => {
                let parent = self.snapshot(object)?.parent();
                Value::Snapshot(parent.ok_or_else(|| error(code, "the root has no parent()"))?)
            }
            Op::Ask(object, question) => self.ask(code, object, *question)?,
            Op::HasChild(object, names) => {
                let child = self.child(object, names)?;
                Value::Bool(!matches!(self.look(code, &child)?, Seen::Absent))
            }
            Op::HasChildren(object, names) => self.has_children(code, object, names)?,
            Op::Text(object, method, arguments) => self.text_method(code, object, *method, arguments)?,
            Op::Matches(object, pattern) => {
                let text = self.text(object, "matches()")?;
                self.spend(code, pattern.cost(text.as_str().len()))?;
                Value::Bool(pattern.is_match(text.as_str()))
            }
            Op::Unfit => return Err(error(code, "type error: this is no value")),
        })
    }

    /// The first of `parts` that is `end`, or its opposite.
    fn chain(&mut self, parts: &'a [Code], end: bool) -> Evaluated<'a> {
        for part in parts {
            if self.bool(part)? == end {
                return Ok(Value::Bool(end));
            }
        }
        Ok(Value::Bool(!end))
    }

    fn equal(&mut self, [left, right]: &'a [Code; 2]) -> Result<bool, Stop> {
        let (left_value, right_value) = (self.value(left)?, self.value(right)?);
        if let (Value::String(one), Value::String(_)) = (&left_value, &right_value) {
            self.spend(right, one.as_str().len())?;
        }
        Ok(left_value.equals(&right_value))
    }

    fn compare(&mut self, code: &Code, comparison: Comparison, [left, right]: &'a [Code; 2]) -> Evaluated<'a> {
        let order = match (self.value(left)?, self.value(right)?) {
            (Value::Number(one), Value::Number(other)) => one.partial_cmp(&other),
            (Value::String(one), Value::String(other)) => {
                self.spend(code, one.as_str().len())?;
                Some(cmp_utf16(one.as_str(), other.as_str()))
            }
            (one, other) => {
                let (sign, one, other) = (comparison.sign(), one.kind(), other.kind());
                let text = format!("type error: {sign} compares two numbers or two strings, not {one} with {other}");
                return Err(error(code, text));
            }
        };
        // NaN is neither less nor more.
        Ok(Value::Bool(order.is_some_and(|order: Ordering| comparison.holds(order))))
    }

    fn add(&mut self, code: &Code, [left, right]: &'a [Code; 2]) -> Evaluated<'a> {
        let number = |value: f64| Cow::Owned(number_text(value));
        let (left, right) = (self.value(left)?, self.value(right)?);
        let (one, other): (Cow<'_, str>, Cow<'_, str>) = match (&left, &right) {
            (Value::Number(one), Value::Number(other)) => return Ok(Value::Number(one + other)),
            (Value::String(one), Value::String(other)) => (one.as_str().into(), other.as_str().into()),
            (Value::String(one), Value::Number(other)) => (one.as_str().into(), number(*other)),
            (Value::Number(one), Value::String(other)) => (number(*one), other.as_str().into()),
            (one, other) => {
                let text = format!("type error: + adds numbers and strings, not {} and {}", one.kind(), other.kind());
                return Err(error(code, text));
            }
        };
        self.make(code, one.len() + other.len())?;
        Ok(Value::String(Text::Shared([one, other].concat().into())))
    }

    fn calculate(&mut self, calculation: Calculation, [left, right]: &'a [Code; 2]) -> Evaluated<'a> {
        let sign = match calculation {
            Calculation::Subtract => "-",
            Calculation::Multiply => "*",
            Calculation::Divide => "/",
            Calculation::Remainder => "%",
        };
        let (left, right) = (self.number(left, sign)?, self.number(right, sign)?);
        Ok(Value::Number(match calculation {
            Calculation::Subtract => left - right,
            Calculation::Multiply => left * right,
            // Not infinite, whatever the left side.
            Calculation::Divide if right == 0.0 => f64::NAN,
            Calculation::Divide => left / right,
            Calculation::Remainder => left % right,
        }))
    }

    fn index(&mut self, [object, index]: &'a [Code; 2]) -> Evaluated<'a> {
        let object = self.value(object)?;
        Ok(match self.value(index)? {
            Value::String(name) => object.member(name.as_str()),
            Value::Number(number) => object.member(&number_text(number)),
            _ => Value::Null,
        })
    }

    fn ask(&mut self, code: &'a Code, object: &'a Code, question: Question) -> Evaluated<'a> {
        let snapshot = self.snapshot(object)?;
        if question == Question::Priority {
            let priority = if snapshot.lost > 0 { None } else { self.view(&snapshot).priority(&snapshot.path)? };
            return Ok(priority.as_ref().map_or(Value::Null, Value::of_scalar));
        }
        let seen = self.look(code, &snapshot)?;
        Ok(Value::Bool(match (question, &seen) {
            (Question::Val | Question::Priority, Seen::Absent) => return Ok(Value::Null),
            (Question::Val | Question::Priority, Seen::Branch) => return Ok(Value::Branch),
            (Question::Val | Question::Priority, Seen::Leaf(scalar)) => return Ok(Value::of_scalar(scalar)),
            (Question::Exists, seen) => *seen != Seen::Absent,
            (Question::HasChildren, seen) => *seen == Seen::Branch,
            (Question::IsString, seen) => matches!(seen, Seen::Leaf(Scalar::String(_))),
            (Question::IsNumber, seen) => matches!(seen, Seen::Leaf(Scalar::Int(_) | Scalar::Double(_))),
            (Question::IsBoolean, seen) => matches!(seen, Seen::Leaf(Scalar::Bool(_))),
        }))
    }

    fn has_children(&mut self, code: &'a Code, object: &'a Code, names: &'a [Names]) -> Evaluated<'a> {
        let snapshot = self.snapshot(object)?;
        // All are evaluated before the first is looked for; what they are only matters if it is their turn.
        let mut paths = Vec::with_capacity(names.len());
        for name in names {
            paths.push(match name {
                Names::Fixed(_) => None,
                Names::Computed(path) => Some(self.value(path)?),
            });
        }
        for (name, path) in names.iter().zip(paths) {
            let child = self.below(snapshot.clone(), name, path)?;
            if self.look(code, &child)? == Seen::Absent {
                return Ok(Value::Bool(false));
            }
        }
        Ok(Value::Bool(true))
    }

    fn child(&mut self, object: &'a Code, names: &'a Names) -> Result<Snapshot, Stop> {
        let snapshot = self.snapshot(object)?;
        let path = match names {
            Names::Fixed(_) => None,
            Names::Computed(path) => Some(self.value(path)?),
        };
        self.below(snapshot, names, path)
    }

    /// The place below a snapshot that `names` come to; `path` is their value unless they are fixed.
    fn below(&mut self, snapshot: Snapshot, names: &'a Names, path: Option<Value<'a>>) -> Result<Snapshot, Stop> {
        Ok(match (names, path) {
            (Names::Fixed(names), _) => snapshot.child(names),
            (Names::Computed(code), path) => {
                let path = text_of(code, path.unwrap_or(Value::Null), "the path of a child")?;
                self.spend(code, path.as_str().len())?;
                snapshot.child(&Relative::parse(path.as_str()))
            }
        })
    }

    fn text_method(
        &mut self,
        code: &Code,
        object: &'a Code,
        method: TextMethod,
        arguments: &'a [Code],
    ) -> Evaluated<'a> {
        let text = self.text(object, method.name())?;
        let text = text.as_str();
        self.spend(code, text.len())?;
        let mut arguments = arguments.iter();
        let mut argument = || arguments.next().map(|argument| self.text(argument, method.name())).transpose();
        let (first, second) = (argument()?, argument()?);
        let [first, second] = [&first, &second].map(|text| text.as_ref().map_or("", Text::as_str));
        let bytes = match method {
            TextMethod::Replace if !first.is_empty() => {
                let count = text.matches(first).count();
                text.len() - count * first.len() + count.saturating_mul(second.len())
            }
            TextMethod::Replace | TextMethod::ToLowerCase | TextMethod::ToUpperCase => text.len(),
            TextMethod::Contains => return Ok(Value::Bool(text.contains(first))),
            TextMethod::BeginsWith => return Ok(Value::Bool(text.starts_with(first))),
            TextMethod::EndsWith => return Ok(Value::Bool(text.ends_with(first))),
        };
        self.make(code, bytes)?;
        Ok(Value::String(Text::Shared(match method {
            TextMethod::Replace if !first.is_empty() => text.replace(first, second).into(),
            TextMethod::ToLowerCase => text.to_lowercase().into(),
            TextMethod::ToUpperCase => text.to_uppercase().into(),
            _ => text.into(),
        })))
    }

    fn bool(&mut self, code: &'a Code) -> Result<bool, Stop> {
        match self.value(code)? {
            Value::Bool(value) => Ok(value),
            other => Err(error(code, format!("type error: expected a boolean, not {}", other.kind()))),
        }
    }

    fn number(&mut self, code: &'a Code, sign: &str) -> Result<f64, Stop> {
        match self.value(code)? {
            Value::Number(value) => Ok(value),
            other => Err(error(code, format!("type error: {sign} needs a number, not {}", other.kind()))),
        }
    }

    fn text(&mut self, code: &'a Code, what: &str) -> Result<Text<'a>, Stop> {
        let value = self.value(code)?;
        text_of(code, value, what)
    }

    fn snapshot(&mut self, code: &'a Code) -> Result<Snapshot, Stop> {
        match self.value(code)? {
            Value::Snapshot(snapshot) => Ok(snapshot),
            other => Err(error(code, format!("type error: expected a snapshot, not {}", other.kind()))),
        }
    }

    fn look(&mut self, code: &Code, snapshot: &Snapshot) -> Result<Seen, Stop> {
        self.spend(code, 0)?;
        if snapshot.lost > 0 {
            return Ok(Seen::Absent);
        }
        let seen = self.view(snapshot).look(&snapshot.path)?;
        if let Seen::Leaf(Scalar::String(text)) = &seen {
            self.spend(code, text.len())?;
        }
        Ok(seen)
    }

    fn view(&self, snapshot: &Snapshot) -> &'a dyn View {
        self.env.after.filter(|_| snapshot.is_after).unwrap_or(self.env.before)
    }

    /// Counts a step, and those that so many bytes of text are worth.
    fn spend(&mut self, code: &Code, bytes: usize) -> Result<(), Stop> {
        self.steps += if bytes == 0 { 1 } else { bytes / RULES_STEP_BYTES };
        if self.steps > RULES_STEPS_MAX {
            return Err(error(code, format!("the rule takes more than {RULES_STEPS_MAX} steps")));
        }
        Ok(())
    }

    /// Counts a string that is about to be made.
    fn make(&mut self, code: &Code, bytes: usize) -> Result<(), Stop> {
        self.string_bytes = self.string_bytes.saturating_add(bytes);
        if self.string_bytes > RULES_STRING_BYTES_MAX {
            return Err(error(code, format!("the rule makes strings of more than {RULES_STRING_BYTES_MAX} bytes")));
        }
        self.spend(code, bytes.max(1))
    }
}

impl From<ViewError> for Stop {
    fn from(error: ViewError) -> Self {
        Self::View(error)
    }
}

fn text_of<'a>(code: &Code, value: Value<'a>, what: &str) -> Result<Text<'a>, Stop> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(error(code, format!("type error: {what} needs a string, not {}", other.kind()))),
    }
}

fn error(code: &Code, text: impl Into<String>) -> Stop {
    Stop::Error(Box::new(EvalError { part: code.part, text: text.into() }))
}

/// Source: Firebase rules reference 3.1.
fn query_member<'a>(query: &Query, member: QueryMember) -> Value<'a> {
    // Without an index and without bounds, a read is one by key.
    let is_plain = query.index == Index::Priority && query.is_whole();
    let equal_to = query.start.as_ref().filter(|start| start.inclusive && Some(*start) == query.end.as_ref());
    let bound = |bound: Option<&Bound>| bound.map_or(Value::Null, |bound| bound_value(&query.index, bound));
    let limit = |limit: Option<u32>| limit.map_or(Value::Null, |limit| Value::Number(f64::from(limit)));
    match member {
        QueryMember::OrderByKey => Value::Bool(is_plain || query.index == Index::Key),
        QueryMember::OrderByValue => Value::Bool(query.index == Index::Value),
        QueryMember::OrderByPriority => Value::Bool(!is_plain && query.index == Index::Priority),
        QueryMember::OrderByChild => match &query.index {
            Index::Child(path) => shared(path.to_string().trim_start_matches('/')),
            _ => Value::Null,
        },
        QueryMember::EqualTo => bound(equal_to),
        QueryMember::StartAt => bound(query.start.as_ref().filter(|_| equal_to.is_none())),
        QueryMember::EndAt => bound(query.end.as_ref().filter(|_| equal_to.is_none())),
        QueryMember::LimitToFirst => limit(match query.limit {
            Some(Limit::First(limit)) => Some(limit),
            _ => None,
        }),
        QueryMember::LimitToLast => limit(match query.limit {
            Some(Limit::Last(limit)) => Some(limit),
            _ => None,
        }),
    }
}

/// The value of a bound; by key, that is the key.
fn bound_value<'a>(index: &Index, bound: &Bound) -> Value<'a> {
    match (index, &bound.value, &bound.key) {
        (Index::Key, _, Some(BoundKey::Text(key))) => shared(key),
        (_, IndexValue::Scalar(scalar), _) => Value::of_scalar(scalar),
        _ => Value::Null,
    }
}

fn shared<'a>(text: &str) -> Value<'a> {
    Value::String(Text::Shared(Arc::from(text)))
}
