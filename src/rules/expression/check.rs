//! From what is written to what it means: names are looked up, types and arguments checked.
//!
//! A faulty part is told once; what is made of it is not judged any more, but the rest of the expression is.
//! Source: Firebase rules reference 3, 5, 6, 10.1.

use std::sync::Arc;

use super::code::{Calculation, Code, Comparison, Names, Op, Question, Relative};
use super::parser::{Syntax, SyntaxKind};
use super::pattern::{Pattern, PatternError, Patterns};
use super::types::{Call, Member, Method, Type};
use super::{Fault, Part, RuleKind, Scope};

/// Gives each part its number, and notes what is wrong.
pub(super) struct Checker<'a> {
    pub scope: &'a Scope<'a>,
    pub patterns: &'a mut Patterns,
    pub parts: Vec<Part>,
    pub faults: Vec<Fault>,
}

type Typed = (Code, Type);

impl Checker<'_> {
    /// A whole rule.
    pub fn rule(&mut self, syntax: &Syntax) -> Code {
        let (code, found) = self.check(syntax);
        if !found.is_boolean() {
            self.fault(syntax.start, "Expression must evaluate to a boolean.");
        }
        code
    }

    fn check(&mut self, syntax: &Syntax) -> Typed {
        let (op, found) = match &syntax.kind {
            SyntaxKind::Null => (Op::Null, Type::Null),
            SyntaxKind::Bool(value) => (Op::Bool(*value), Type::Boolean),
            SyntaxKind::Number(value) => (Op::Number(*value), Type::Number),
            SyntaxKind::String(value) => (Op::String(value.as_str().into()), Type::String),
            SyntaxKind::Regex { body, flags } => {
                self.pattern(syntax, body, flags);
                (Op::Unfit, Type::Regex)
            }
            SyntaxKind::Array(items) => {
                self.check_all(items);
                (Op::Unfit, Type::Array)
            }
            SyntaxKind::Name(name) => self.name(syntax, name),
            SyntaxKind::Unary(sign, operand) => self.unary(sign, operand),
            SyntaxKind::Chain(sign, operands) => self.chain(sign, operands),
            SyntaxKind::Binary(sign, sides) => self.binary(sign, sides, syntax),
            SyntaxKind::Conditional(parts) => self.conditional(parts),
            SyntaxKind::Member(object, name, at) => {
                let object = self.check(object);
                self.member(object, name, *at)
            }
            SyntaxKind::Index(parts) => self.index(parts),
            SyntaxKind::Call(callee, arguments) => self.call(syntax, callee, arguments),
        };
        (self.code(op, syntax), found)
    }

    fn name(&mut self, syntax: &Syntax, name: &str) -> (Op, Type) {
        let is_read = self.scope.kind == RuleKind::Read;
        match name {
            "auth" => (Op::Auth, Type::Any),
            "now" => (Op::Now, Type::Number),
            "root" => (Op::Root, Type::Snapshot),
            "data" => (Op::Data, Type::Snapshot),
            "newData" if !is_read => (Op::NewData, Type::Snapshot),
            "query" if is_read => (Op::Query, Type::Query),
            _ => match self.scope.bound.iter().find(|(bound, _)| bound == name) {
                Some((_, depth)) => (Op::Key(*depth), Type::String),
                None => self.faulty(syntax.start, format!("Unknown variable '{name}'.")),
            },
        }
    }

    fn unary(&mut self, sign: &str, operand: &Syntax) -> (Op, Type) {
        let (code, found) = self.check(operand);
        if sign == "!" {
            if !found.is_boolean() {
                self.fault(operand.start, "! only operates on booleans.");
            }
            return (Op::Not(Box::new(code)), Type::Boolean);
        }
        if !found.may_be_number() {
            self.fault(operand.start, "Invalid - expression: operand is not a number.");
        }
        (Op::Negate(Box::new(code)), Type::Number)
    }

    fn chain(&mut self, sign: &str, operands: &[Syntax]) -> (Op, Type) {
        let mut codes = Vec::with_capacity(operands.len());
        for (index, operand) in operands.iter().enumerate() {
            let (code, found) = self.check(operand);
            if !found.is_boolean() {
                let side = if index == 0 { "Left" } else { "Right" };
                self.fault(operand.start, format!("{side} operand of {sign} must be boolean."));
            }
            codes.push(code);
        }
        (if sign == "&&" { Op::All(codes) } else { Op::Any(codes) }, Type::Boolean)
    }

    fn binary(&mut self, sign: &str, [left, right]: &[Syntax; 2], whole: &Syntax) -> (Op, Type) {
        let (left_code, left_type) = self.check(left);
        let (right_code, right_type) = self.check(right);
        let sides = Box::new([left_code, right_code]);
        let mut must = |fits: fn(Type) -> bool, what: &str| {
            for (side, syntax, found) in [("left", left, left_type), ("right", right, right_type)] {
                if !fits(found) {
                    let text = format!("Invalid {sign} expression: {side} operand is not {what}.");
                    self.faults.push(Fault::new(syntax.start, text));
                }
            }
        };
        if let Some(comparison) = Comparison::of(sign) {
            let fits = |found: Type| found.is_value() && found != Type::Boolean;
            must(fits, "a number or string");
            if fits(left_type) && fits(right_type) && differ(left_type, right_type) {
                let text = format!("Invalid {sign} expression: {left_type} and {right_type} cannot be compared.");
                self.fault(whole.start, text);
            }
            return (Op::Compare(comparison, sides), Type::Boolean);
        }
        let calculation = match sign {
            "+" => {
                let is_string = left_type == Type::String || right_type == Type::String;
                let is_number = left_type == Type::Number && right_type == Type::Number;
                must(|found| found.may_be_string() || found.may_be_number(), "a number or string");
                let known = if is_number { Type::Number } else { Type::Primitive };
                return (Op::Add(sides), if is_string { Type::String } else { known });
            }
            "-" => Calculation::Subtract,
            "*" => Calculation::Multiply,
            "/" => Calculation::Divide,
            "%" => Calculation::Remainder,
            _ => {
                must(Type::is_value, "a number, boolean, string, or null");
                let op = if sign.starts_with('!') { Op::NotEqual(sides) } else { Op::Equal(sides) };
                return (op, Type::Boolean);
            }
        };
        must(Type::may_be_number, "a number");
        (Op::Calculate(calculation, sides), Type::Number)
    }

    fn conditional(&mut self, [condition, yes, no]: &[Syntax; 3]) -> (Op, Type) {
        let (condition_code, found) = self.check(condition);
        if !found.is_boolean() {
            self.fault(condition.start, "Condition of ? must be boolean.");
        }
        let (yes, yes_type) = self.check(yes);
        let (no, no_type) = self.check(no);
        (Op::If(Box::new([condition_code, yes, no])), yes_type.or(no_type))
    }

    fn member(&mut self, (object, object_type): Typed, name: &str, at: usize) -> (Op, Type) {
        match Member::of(object_type, name) {
            Some(Member::Data) => (Op::Member(Box::new(object), name.into()), object_type),
            Some(Member::Length) => (Op::Length(Box::new(object)), Type::Number),
            Some(Member::Query(member, result)) => (Op::QueryMember(member), result),
            Some(Member::Method) => {
                self.faulty(at, format!("Type error: '{name}' is a method, it must be called: {name}()."))
            }
            None => self.faulty(at, no_such(name)),
        }
    }

    fn index(&mut self, [object, index]: &[Syntax; 2]) -> (Op, Type) {
        let object = self.check(object);
        if object.1.is_fuzzy() && object.1 != Type::Primitive {
            let (index_code, index_type) = self.check(index);
            if !index_type.is_value() {
                return self.faulty(index.start, INVALID_ACCESS.to_owned());
            }
            return (Op::Index(Box::new([object.0, index_code])), object.1);
        }
        if let SyntaxKind::String(name) = &index.kind {
            return self.member(object, name, index.start);
        }
        self.check(index);
        self.faulty(index.start, INVALID_ACCESS.to_owned())
    }

    fn call(&mut self, whole: &Syntax, callee: &Syntax, arguments: &[Syntax]) -> (Op, Type) {
        let (object, name, at) = match &callee.kind {
            SyntaxKind::Member(object, name, at) => (&**object, name, *at),
            SyntaxKind::Index(parts) => match &**parts {
                [object, Syntax { kind: SyntaxKind::String(name), start, .. }] => (object, name, *start),
                [_, index] => return self.faulty(index.start, INVALID_ACCESS.to_owned()),
            },
            _ => {
                self.check(callee);
                return self.faulty(whole.start, NOT_A_FUNCTION.to_owned());
            }
        };
        let (object, object_type) = self.check(object);
        let Some(method) = Method::of(object_type, name) else {
            self.check_all(arguments);
            return match Member::of(object_type, name) {
                Some(Member::Length | Member::Query(..)) => self.faulty(at, NOT_A_FUNCTION.to_owned()),
                _ if object_type == Type::Faulty => (Op::Unfit, Type::Faulty),
                _ => self.faulty(at, no_such(name)),
            };
        };
        // The result has its type however it was called, so that more can be said of the rest.
        (self.method(Box::new(object), method, whole, arguments), method.result)
    }

    fn method(&mut self, object: Box<Code>, method: &Method, whole: &Syntax, arguments: &[Syntax]) -> Op {
        let Method { name, call, arity, .. } = method;
        if *call == Call::HasChildren {
            return self.has_children(object, arguments);
        }
        if arguments.len() != *arity {
            self.check_all(arguments);
            let found = arguments.len();
            self.fault(whole.start, format!("{name} expects {arity} arguments, but got {found} instead"));
            return Op::Unfit;
        }
        match (call, arguments) {
            (Call::Parent, _) => Op::Parent(object),
            (Call::Ask(question), _) => Op::Ask(object, *question),
            (Call::Text(method), _) => {
                let arguments = arguments.iter().enumerate();
                Op::Text(object, *method, arguments.map(|(index, syntax)| self.text(name, index, syntax)).collect())
            }
            (Call::Child, [path]) => Op::Child(object, self.names(path, |found| no_string(name, 0, found))),
            (Call::HasChild, [path]) => Op::HasChild(object, self.names(path, |found| no_string(name, 0, found))),
            (Call::Matches, [pattern]) => match self.regex(name, pattern) {
                Some(pattern) => Op::Matches(object, pattern),
                None => Op::Unfit,
            },
            _ => Op::Unfit,
        }
    }

    /// For what may be wrong in them only.
    fn check_all(&mut self, parts: &[Syntax]) {
        for part in parts {
            self.check(part);
        }
    }

    fn regex(&mut self, method: &str, syntax: &Syntax) -> Option<Arc<Pattern>> {
        if let SyntaxKind::Regex { body, flags } = &syntax.kind {
            return self.pattern(syntax, body, flags);
        }
        let (_, found) = self.check(syntax);
        self.fault(syntax.start, format!("{method} expects argument 1 to be a regex literal, but got {found}"));
        None
    }

    fn has_children(&mut self, object: Box<Code>, arguments: &[Syntax]) -> Op {
        let (first, more) = match arguments {
            [first, more @ ..] => (first, more.first()),
            [] => return Op::Ask(object, Question::HasChildren),
        };
        if let Some(more) = more {
            self.check_all(arguments);
            self.fault(more.start, "Too many arguments to hasChildren");
            return Op::Unfit;
        }
        match &first.kind {
            SyntaxKind::Array(items) if items.is_empty() => {
                self.fault(first.start, "hasChildren got an empty array, expected some strings in there");
                Op::Unfit
            }
            SyntaxKind::Array(items) => {
                let names = items.iter().map(|item| self.names(item, |_| HAS_CHILDREN.to_owned()));
                Op::HasChildren(object, names.collect())
            }
            _ => {
                self.check(first);
                self.fault(first.start, HAS_CHILDREN);
                Op::Unfit
            }
        }
    }

    /// A path that `child` and its kin are called with; `wrong` says what is wrong with another type.
    fn names(&mut self, syntax: &Syntax, wrong: impl Fn(Type) -> String) -> Names {
        if let SyntaxKind::String(path) = &syntax.kind {
            return Names::Fixed(Relative::parse(path));
        }
        let (code, found) = self.check(syntax);
        if !found.may_be_string() {
            self.fault(syntax.start, wrong(found));
        }
        Names::Computed(Box::new(code))
    }

    /// An argument that must be a string.
    fn text(&mut self, method: &str, index: usize, syntax: &Syntax) -> Code {
        let (code, found) = self.check(syntax);
        if !found.may_be_string() {
            self.fault(syntax.start, no_string(method, index, found));
        }
        code
    }

    fn pattern(&mut self, syntax: &Syntax, body: &str, flags: &str) -> Option<Arc<Pattern>> {
        match self.patterns.get(body, flags) {
            Ok(pattern) => Some(pattern),
            Err(PatternError::Flags) => {
                self.fault(syntax.start, "Unsupported regular expression flags.");
                None
            }
            Err(PatternError::Illegal { at, why }) => {
                // Behind the slash.
                self.fault(syntax.start + 1 + at, format!("Illegal regular expression. {why}"));
                None
            }
        }
    }

    fn code(&mut self, op: Op, syntax: &Syntax) -> Code {
        let part = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        self.parts.push(Part { start: syntax.start, end: syntax.end, is_literal: op.is_literal() });
        Code { op, part }
    }

    fn faulty(&mut self, at: usize, text: String) -> (Op, Type) {
        self.fault(at, text);
        (Op::Unfit, Type::Faulty)
    }

    fn fault(&mut self, at: usize, text: impl Into<String>) {
        self.faults.push(Fault::new(at, text));
    }
}

/// Whether both are known, and not the same.
fn differ(left: Type, right: Type) -> bool {
    !left.is_fuzzy() && !right.is_fuzzy() && left != right
}

fn no_string(method: &str, index: usize, found: Type) -> String {
    format!("{method} expects argument {} to be a string, but got {found}", index + 1)
}

fn no_such(name: &str) -> String {
    format!("No such method/property '{name}'.")
}

const INVALID_ACCESS: &str = "Invalid property access.";
const NOT_A_FUNCTION: &str = "Type error: Function call on target that is not a function.";
const HAS_CHILDREN: &str = "hasChildren takes 1 argument: an array of strings";
