//! Expressions as trees of what is written: precedence, brackets, and nothing of what it means.
//!
//! A Pratt parser: operators have a binding power, and an operand takes all that binds more tightly. Recursion goes as
//! deep as brackets are nested, which has a limit, and so has the height of the tree. The words of refusals are those
//! of Rhino, which the hosted service has them from. Source: Firebase rules reference 4, 10.1.

use super::Fault;
use super::lexer::{Lexer, Token, TokenKind};
use crate::base::limits::{RULES_DEPTH_MAX, RULES_EXPRESSION_HEIGHT_MAX};

/// A part of an expression, and the bytes of the text that it takes, without brackets around it.
#[derive(Debug)]
pub(super) struct Syntax {
    pub kind: SyntaxKind,
    pub start: usize,
    pub end: usize,
    /// Of the tree: 1 for a leaf.
    height: usize,
}

#[derive(Debug)]
pub(super) enum SyntaxKind {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Regex {
        body: String,
        flags: String,
    },
    Name(String),
    Array(Vec<Syntax>),
    Unary(&'static str, Box<Syntax>),
    /// Any operator with two sides but the next two.
    Binary(&'static str, Box<[Syntax; 2]>),
    /// `a && b && c` or `a || b || c`: two or more.
    Chain(&'static str, Vec<Syntax>),
    /// Condition, then, else.
    Conditional(Box<[Syntax; 3]>),
    /// Object and name, with the byte where the name begins.
    Member(Box<Syntax>, String, usize),
    Index(Box<[Syntax; 2]>),
    Call(Box<Syntax>, Vec<Syntax>),
}

impl Syntax {
    /// Reads a whole text.
    ///
    /// # Errors
    /// The first thing that is no expression.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        let mut parser = Parser { lexer, token, end: 0, depth: 0 };
        let syntax = parser.expression(0)?;
        let ends_statement = parser.take(";")?;
        match parser.token.kind {
            TokenKind::End => Ok(syntax),
            _ if ends_statement => Err(Fault::new(parser.token.start, "syntax error: a rule is a single expression")),
            _ => Err(parser.unexpected("missing ; before statement")),
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next one.
    token: Token<'a>,
    /// Where the one before ended.
    end: usize,
    /// Expressions around the present one.
    depth: usize,
}

impl Parser<'_> {
    /// An expression within another.
    fn nested(&mut self, power: u8) -> Result<Syntax, Fault> {
        self.depth += 1;
        if self.depth > RULES_DEPTH_MAX {
            let text = format!("syntax error: nested more than {RULES_DEPTH_MAX} deep");
            return Err(Fault::new(self.token.start, text));
        }
        let syntax = self.expression(power)?;
        self.depth -= 1;
        Ok(syntax)
    }

    /// An operand and all operators behind it that bind at least as tightly as `power`.
    fn expression(&mut self, power: u8) -> Result<Syntax, Fault> {
        let start = self.token.start;
        let mut left = self.unary()?;
        loop {
            let TokenKind::Sign(sign) = self.token.kind else { return Ok(left) };
            let Some(tightness) = binding_power(sign).filter(|tightness| *tightness >= power) else { return Ok(left) };
            self.advance()?;
            left = if sign == "?" {
                self.conditional(start, left)?
            } else {
                // At most as deep as there are binding powers.
                let right = self.expression(tightness + 1)?;
                self.binary(start, sign, left, right)?
            };
        }
    }

    fn binary(&self, start: usize, sign: &'static str, left: Syntax, right: Syntax) -> Result<Syntax, Fault> {
        let below = left.height.max(right.height);
        match (sign, left) {
            // One more of a chain; one in brackets begins behind its bracket.
            ("&&" | "||", Syntax { kind: SyntaxKind::Chain(other, mut operands), start: at, height, .. })
                if other == sign && at == start =>
            {
                let below = right.height.max(height - 1);
                operands.push(right);
                self.node_upon(below, start, SyntaxKind::Chain(sign, operands))
            }
            ("&&" | "||", left) => self.node_upon(below, start, SyntaxKind::Chain(sign, vec![left, right])),
            (_, left) => self.node_upon(below, start, SyntaxKind::Binary(sign, Box::new([left, right]))),
        }
    }

    fn conditional(&mut self, start: usize, condition: Syntax) -> Result<Syntax, Fault> {
        let yes = self.nested(0)?;
        self.require(":", "missing : in conditional expression")?;
        let no = self.nested(0)?;
        self.node(start, SyntaxKind::Conditional(Box::new([condition, yes, no])))
    }

    fn unary(&mut self) -> Result<Syntax, Fault> {
        let start = self.token.start;
        match self.token.kind {
            TokenKind::Sign(sign @ ("!" | "-")) => {
                self.advance()?;
                let operand = self.nested(UNARY_POWER)?;
                self.node(start, SyntaxKind::Unary(sign, Box::new(operand)))
            }
            TokenKind::Sign(sign @ ("+" | "~" | "++" | "--")) => Err(foreign(start, sign)),
            TokenKind::Name(word @ ("typeof" | "new" | "void" | "delete")) => Err(foreign(start, word)),
            _ => self.postfix(),
        }
    }

    fn postfix(&mut self) -> Result<Syntax, Fault> {
        let start = self.token.start;
        let mut object = self.primary()?;
        loop {
            let kind = match self.token.kind {
                TokenKind::Sign(".") => {
                    self.advance()?;
                    let TokenKind::Name(name) = self.token.kind else {
                        return Err(self.unexpected("missing name after . operator"));
                    };
                    let at = self.token.start;
                    self.advance()?;
                    SyntaxKind::Member(Box::new(object), name.to_owned(), at)
                }
                TokenKind::Sign("[") => {
                    self.advance()?;
                    let index = self.nested(0)?;
                    self.require("]", "missing ] in index expression")?;
                    SyntaxKind::Index(Box::new([object, index]))
                }
                TokenKind::Sign("(") => {
                    self.advance()?;
                    SyntaxKind::Call(Box::new(object), self.list(")", "missing ) after argument list")?)
                }
                _ => return Ok(object),
            };
            object = self.node(start, kind)?;
        }
    }

    fn primary(&mut self) -> Result<Syntax, Fault> {
        let start = self.token.start;
        let kind = match std::mem::replace(&mut self.token.kind, TokenKind::End) {
            TokenKind::Number(value) => SyntaxKind::Number(value),
            TokenKind::String(value) => SyntaxKind::String(value),
            TokenKind::Regex { body, flags } => SyntaxKind::Regex { body: body.to_owned(), flags: flags.to_owned() },
            TokenKind::Name("true") => SyntaxKind::Bool(true),
            TokenKind::Name("false") => SyntaxKind::Bool(false),
            TokenKind::Name("null") => SyntaxKind::Null,
            TokenKind::Name(name) => SyntaxKind::Name(name.to_owned()),
            TokenKind::Sign("(") => {
                self.advance()?;
                let inner = self.nested(0)?;
                self.require(")", "missing ) in parenthetical")?;
                return Ok(inner);
            }
            TokenKind::Sign("[") => {
                self.advance()?;
                let items = self.list("]", "missing ] after element list")?;
                return self.node(start, SyntaxKind::Array(items));
            }
            kind => {
                self.token.kind = kind;
                return Err(self.unexpected("syntax error"));
            }
        };
        self.advance()?;
        self.node(start, kind)
    }

    /// Expressions with commas between, up to the bracket that closes them.
    fn list(&mut self, close: &'static str, missing: &str) -> Result<Vec<Syntax>, Fault> {
        let mut items = Vec::new();
        if self.take(close)? {
            return Ok(items);
        }
        loop {
            items.push(self.nested(0)?);
            if !self.take(",")? {
                self.require(close, missing)?;
                return Ok(items);
            }
        }
    }

    fn node(&self, start: usize, kind: SyntaxKind) -> Result<Syntax, Fault> {
        let below = match &kind {
            SyntaxKind::Array(parts) | SyntaxKind::Chain(_, parts) => height(parts),
            SyntaxKind::Unary(_, part) | SyntaxKind::Member(part, ..) => part.height,
            SyntaxKind::Binary(_, parts) | SyntaxKind::Index(parts) => height(&**parts),
            SyntaxKind::Conditional(parts) => height(&**parts),
            SyntaxKind::Call(part, parts) => height(parts).max(part.height),
            _ => 0,
        };
        self.node_upon(below, start, kind)
    }

    /// A node that ends where the last token did, upon parts of this height.
    fn node_upon(&self, below: usize, start: usize, kind: SyntaxKind) -> Result<Syntax, Fault> {
        if below == RULES_EXPRESSION_HEIGHT_MAX {
            let text = format!("syntax error: more than {RULES_EXPRESSION_HEIGHT_MAX} operators, one upon the other");
            return Err(Fault::new(start, text));
        }
        Ok(Syntax { kind, start, end: self.end, height: below + 1 })
    }

    fn advance(&mut self) -> Result<(), Fault> {
        self.end = self.token.end;
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn take(&mut self, sign: &str) -> Result<bool, Fault> {
        let is_there = matches!(self.token.kind, TokenKind::Sign(found) if found == sign);
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    fn require(&mut self, sign: &str, missing: &str) -> Result<(), Fault> {
        if self.take(sign)? { Ok(()) } else { Err(self.unexpected(missing)) }
    }

    /// What is said of the next token where it does not fit.
    fn unexpected(&self, text: &str) -> Fault {
        let at = self.token.start;
        match &self.token.kind {
            TokenKind::Sign(sign) if is_foreign(sign) => foreign(at, sign),
            TokenKind::Name(word @ ("in" | "instanceof")) => foreign(at, word),
            TokenKind::End => Fault::new(at, format!("{text}: the expression ends here")),
            TokenKind::Sign(found) | TokenKind::Name(found) => Fault::new(at, format!("{text}: found '{found}'")),
            TokenKind::Number(_) => Fault::new(at, format!("{text}: found a number")),
            TokenKind::String(_) => Fault::new(at, format!("{text}: found a string")),
            TokenKind::Regex { .. } => Fault::new(at, format!("{text}: found a regular expression")),
        }
    }
}

fn height(parts: &[Syntax]) -> usize {
    parts.iter().map(|part| part.height).max().unwrap_or_default()
}

/// How tightly an operator with two sides binds; it takes what binds at least as tightly on its left, and more tightly
/// on its right.
fn binding_power(sign: &str) -> Option<u8> {
    Some(match sign {
        "?" => 1,
        "||" => 2,
        "&&" => 3,
        "==" | "===" | "!=" | "!==" => 4,
        "<" | "<=" | ">" | ">=" => 5,
        "+" | "-" => 6,
        "*" | "/" | "%" => 7,
        _ => return None,
    })
}

const UNARY_POWER: u8 = 8;

/// Whether it is an operator of JavaScript that rules do not have.
fn is_foreign(sign: &str) -> bool {
    binding_power(sign).is_none() && !matches!(sign, "(" | ")" | "[" | "]" | "{" | "}" | "." | "," | ":" | ";" | "!")
}

fn foreign(at: usize, operator: &str) -> Fault {
    Fault::new(at, format!("Rule expressions may not contain {operator} operator"))
}
