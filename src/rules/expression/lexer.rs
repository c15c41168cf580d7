//! Expressions as tokens.
//!
//! Words, numbers and operators are those of JavaScript, also the ones that rules may not use: so they can be named
//! when they are refused. A `/` begins a regular expression where a value may stand, and divides elsewhere; the token
//! before tells which. Source: Firebase rules reference 4.

use super::Fault;

/// A token, and the bytes of the text that it takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub kind: TokenKind<'a>,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind<'a> {
    Number(f64),
    String(String),
    Regex {
        body: &'a str,
        flags: &'a str,
    },
    Name(&'a str),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    offset: usize,
    /// Whether a value may stand next, rather than an operator.
    expects_value: bool,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, offset: 0, expects_value: true }
    }

    /// The next token; at the end, [`TokenKind::End`] for ever.
    pub fn next(&mut self) -> Result<Token<'a>, Fault> {
        self.skip_space()?;
        let start = self.offset;
        let kind = match self.rest().as_bytes() {
            [] => TokenKind::End,
            [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => self.number()?,
            [b'\'' | b'"', ..] => self.string()?,
            [b'/', ..] if self.expects_value => self.regex()?,
            _ => self.name_or_sign()?,
        };
        self.expects_value = match &kind {
            TokenKind::Sign(sign) => !matches!(*sign, ")" | "]" | "}" | "++" | "--"),
            _ => false,
        };
        Ok(Token { kind, start, end: self.offset })
    }

    fn skip_space(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|found: char| found.is_whitespace() || found == '\u{feff}');
            self.offset += rest.len() - trimmed.len();
            let len = if trimmed.starts_with("//") {
                trimmed.find('\n').unwrap_or(trimmed.len())
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                comment.find("*/").ok_or_else(|| Fault::new(self.offset, "unterminated comment"))? + 4
            } else {
                return Ok(());
            };
            self.offset += len;
        }
    }

    fn number(&mut self) -> Result<TokenKind<'a>, Fault> {
        let start = self.offset;
        let digits = |lexer: &mut Self| lexer.take_while(|found| found.is_ascii_digit()).len();
        digits(self);
        if self.take(".") {
            digits(self);
        }
        let mantissa = self.offset;
        if self.take("e") || self.take("E") {
            let _ = self.take("+") || self.take("-");
            if digits(self) == 0 {
                self.offset = mantissa;
            }
        }
        let text = self.text.get(start..self.offset).unwrap_or_default();
        // A name may not follow at once: `1a`, `0x10`, `1.foo`.
        match text.parse() {
            Ok(value) if !self.rest().starts_with(is_name_part) => Ok(TokenKind::Number(value)),
            _ => Err(Fault::new(start, "number format error")),
        }
    }

    fn string(&mut self) -> Result<TokenKind<'a>, Fault> {
        let start = self.offset;
        let rest = self.rest();
        let mut characters = rest.char_indices();
        let quote = characters.next().map(|(_, quote)| quote);
        // As JavaScript has strings: two escapes may make one character.
        let mut units = Vec::new();
        while let Some((at, found)) = characters.next() {
            match found {
                _ if Some(found) == quote => {
                    self.offset = start + at + 1;
                    return Ok(TokenKind::String(String::from_utf16_lossy(&units)));
                }
                '\n' | '\r' => break,
                '\\' => match unescape(&mut characters) {
                    Some(unit) => units.push(unit),
                    None => return Err(Fault::new(start + at, "syntax error: this escape is not known")),
                },
                _ => units.extend_from_slice(found.encode_utf16(&mut [0; 2])),
            }
        }
        Err(Fault::new(start, "unterminated string literal"))
    }

    fn regex(&mut self) -> Result<TokenKind<'a>, Fault> {
        let start = self.offset;
        let behind = self.rest().get(1..).unwrap_or_default();
        let mut is_escaped = false;
        let is_end = |found: char| {
            let is_end = matches!(found, '\n' | '\r') || (found == '/' && !is_escaped);
            is_escaped = found == '\\' && !is_escaped;
            is_end
        };
        let len = behind.find(is_end).unwrap_or(behind.len());
        let (body, after) = behind.split_at(len);
        if !after.starts_with('/') {
            return Err(Fault::new(start, "unterminated regular expression literal"));
        }
        self.offset = start + len + 2;
        let flags = self.take_while(is_name_part);
        Ok(TokenKind::Regex { body, flags })
    }

    fn name_or_sign(&mut self) -> Result<TokenKind<'a>, Fault> {
        let name = self.take_while(is_name_part);
        if !name.is_empty() {
            return Ok(TokenKind::Name(name));
        }
        let rest = self.rest();
        let is_next = |sign: &&&str| match **sign {
            // `a?.5:1` is no optional chain.
            "?." => rest.starts_with("?.") && !rest.get(2..).is_some_and(|rest| rest.starts_with(is_digit)),
            sign => rest.starts_with(sign),
        };
        match SIGNS.iter().find(is_next) {
            Some(sign) => {
                self.offset += sign.len();
                Ok(TokenKind::Sign(sign))
            }
            None => Err(Fault::new(self.offset, "illegal character")),
        }
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        self.offset += if found { wanted.len() } else { 0 };
        found
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|found| !is_part(found)).unwrap_or(rest.len());
        self.offset += len;
        rest.get(..len).unwrap_or_default()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }
}

/// Longer ones before those that they begin with.
const SIGNS: &[&str] = &[
    ">>>=", "===", "!==", "**=", "<<=", ">>=", ">>>", "...", "&&=", "||=", "??=", "==", "!=", "<=", ">=", "&&", "||",
    "??", "?.", "=>", "++", "--", "**", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "(", ")", "[", "]",
    "{", "}", ".", ",", "?", ":", "!", "<", ">", "+", "-", "*", "/", "%", ";", "=", "&", "|", "^", "~",
];

fn is_digit(found: char) -> bool {
    found.is_ascii_digit()
}

fn is_name_part(found: char) -> bool {
    found.is_alphanumeric() || found == '_' || found == '$'
}

/// The UTF-16 unit that an escape means; the backslash is behind us.
fn unescape(characters: &mut std::str::CharIndices<'_>) -> Option<u16> {
    let (_, found) = characters.next()?;
    let mut hex = |count: u16| (0..count).try_fold(0, |sum, _| Some(sum << 4 | characters.next()?.1.to_digit(16)?));
    let unit = match found {
        '\'' | '"' | '\\' | '/' => u32::from(found),
        'b' => 0x08,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'v' => 0x0b,
        '0' => 0x00,
        'x' => hex(2)?,
        'u' => hex(4)?,
        _ => return None,
    };
    u16::try_from(unit).ok()
}
