//! JSON as rules files have it: with comments, and with strings that may run over several lines.
//!
//! Every value and every name keeps the byte at which it stands, so that whatever is found wrong with it can be shown
//! in the file. Source: Firebase rules reference 1.1.

use super::error::Fault;
use crate::base::limits::RULES_DEPTH_MAX;

/// A value, and the byte where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Json {
    pub offset: usize,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<Member>),
}

/// A name with its value. No two of an object have the same name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub offset: usize,
    pub name: String,
    pub json: Json,
}

impl Json {
    /// Reads a whole text.
    pub fn parse(source: &str) -> Result<Self, Fault> {
        let mut reader = Reader { source, offset: 0, depth: 0 };
        if source.starts_with('\u{feff}') {
            reader.offset = '\u{feff}'.len_utf8();
        }
        let json = reader.value()?;
        match reader.peek()? {
            None => Ok(json),
            Some(_) => Err(reader.unexpected("the end")),
        }
    }

    /// Appends it as plain JSON: compact, no comments, strings on one line.
    pub fn write_strict(&self, out: &mut String) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Number(text) => out.push_str(text),
            Value::String(text) => write_string(text, out),
            Value::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write_strict(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (index, member) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    write_string(&member.name, out);
                    out.push(':');
                    member.json.write_strict(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

struct Reader<'a> {
    source: &'a str,
    offset: usize,
    /// Open brackets.
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Json, Fault> {
        let next = self.peek()?;
        let offset = self.offset;
        let value = match next {
            Some(b'{') => Value::Object(self.members()?),
            Some(b'[') => Value::Array(self.items()?),
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9' | b'a'..=b'z') => self.word()?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Json { offset, value })
    }

    fn members(&mut self) -> Result<Vec<Member>, Fault> {
        let mut members = Vec::new();
        let mut names = std::collections::HashSet::new();
        self.list(b'}', "',' or '}'", |reader| {
            if reader.peek()? != Some(b'"') {
                return Err(reader.unexpected("a name in double quotes"));
            }
            let offset = reader.offset;
            let name = reader.string()?;
            if !names.insert(name.clone()) {
                return Err(Fault::parse(offset, &format!("The name {name:?} is there twice.")));
            }
            if reader.peek()? != Some(b':') {
                return Err(reader.unexpected("':'"));
            }
            reader.offset += 1;
            members.push(Member { offset, name, json: reader.value()? });
            Ok(())
        })?;
        Ok(members)
    }

    fn items(&mut self) -> Result<Vec<Json>, Fault> {
        let mut items = Vec::new();
        self.list(b']', "',' or ']'", |reader| {
            items.push(reader.value()?);
            Ok(())
        })?;
        Ok(items)
    }

    /// What stands between two brackets, with commas between.
    fn list(
        &mut self,
        close: u8,
        separators: &str,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > RULES_DEPTH_MAX {
            return Err(Fault::parse(self.offset, &format!("Nested more than {RULES_DEPTH_MAX} deep.")));
        }
        self.offset += 1;
        if self.peek()? == Some(close) {
            self.offset += 1;
        } else {
            loop {
                item(self)?;
                let next = self.peek()?;
                if next != Some(b',') && next != Some(close) {
                    return Err(self.unexpected(separators));
                }
                self.offset += 1;
                if next == Some(close) {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// A string; afterwards the reader stands behind it.
    fn string(&mut self) -> Result<String, Fault> {
        let start = self.offset;
        let rest = self.rest().get(1..).unwrap_or_default();
        let (mut is_escaped, mut is_broken) = (false, false);
        let is_end = |byte: &u8| {
            // A line end cannot be escaped, and it would look as if it were once it is an escape itself.
            is_broken |= is_escaped && *byte < b' ';
            let found = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            found
        };
        let Some(len) = rest.as_bytes().iter().position(is_end) else {
            return Err(Fault::parse(start, "The string has no end."));
        };
        let raw = rest.get(..len).unwrap_or_default();
        // As strict JSON: white space within it, line ends too, is written as escapes.
        let strict = raw.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
        let text = serde_json::from_str(&format!("\"{strict}\"")).ok().filter(|_| !is_broken);
        self.offset = start + len + 2;
        text.ok_or_else(|| Fault::parse(start, "The string has an escape or a character that JSON does not know."))
    }

    /// A number, or one of the three words.
    fn word(&mut self) -> Result<Value, Fault> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let len = self.rest().bytes().take_while(is_part).count();
        let word = self.rest().get(..len).unwrap_or_default();
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ if serde_json::from_str::<serde_json::Number>(word).is_ok() => Value::Number(word.to_owned()),
            _ => return Err(self.unexpected("a value")),
        };
        self.offset += len;
        Ok(value)
    }

    /// The next byte that is neither white space nor part of a comment; the reader stands there then.
    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let rest = self.rest();
            let len = match rest.as_bytes() {
                [b' ' | b'\t' | b'\n' | b'\r', ..] => 1,
                [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
                [b'/', b'*', behind @ ..] => match behind.windows(2).position(|bytes| bytes == b"*/") {
                    Some(len) => len + 4,
                    None => return Err(Fault::parse(self.offset, "The comment has no end.")),
                },
                other => return Ok(other.first().copied()),
            };
            self.offset += len;
        }
    }

    fn rest(&self) -> &str {
        self.source.get(self.offset..).unwrap_or_default()
    }

    fn unexpected(&self, expected: &str) -> Fault {
        let found = match self.rest().chars().next() {
            Some(character) => format!("{character:?}"),
            None => "the end".to_owned(),
        };
        Fault::parse(self.offset, &format!("Expected {expected}, found {found}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(source: &str) -> String {
        let mut out = String::new();
        Json::parse(source).unwrap_or_else(|fault| panic!("{source}: {fault:?}")).write_strict(&mut out);
        out
    }

    #[test]
    fn comments_and_line_breaks_in_strings_are_taken() {
        let source = "\u{feff}// a \"comment\"\r\n{ /**/ \"a\" /* {} */ : \"x &&\n\t'//' \\\"y\\\" /* z */\", // end\n\
            \"b\":[]}//";
        assert_eq!(strict(source), r#"{"a":"x &&\n\t'//' \"y\" /* z */","b":[]}"#);
    }

    #[test]
    fn every_value_of_json_is_read() {
        let source = r#" {"n":-1.5e+3,"l":[null,true,false,[{}]],"s":"\u00e9\ud83d\ude00\\/\/"} "#;
        assert_eq!(strict(source), r#"{"n":-1.5e+3,"l":[null,true,false,[{}]],"s":"é😀\\//"}"#);
    }

    #[test]
    fn values_and_names_know_where_they_stand() {
        let json = Json::parse("{ \"a\": \"x\" }").unwrap();
        let Value::Object(members) = &json.value else { panic!() };
        assert_eq!((json.offset, members[0].offset, members[0].json.offset), (0, 2, 7));
    }

    #[test]
    fn text_that_is_not_the_dialect_is_refused_where_it_goes_wrong() {
        let table = [
            ("", 0, "Expected a value, found the end."),
            ("// only", 7, "Expected a value, found the end."),
            ("{", 1, "Expected a name in double quotes, found the end."),
            ("{\"a\":1,}", 7, "Expected a name in double quotes, found '}'."),
            ("{a:1}", 1, "Expected a name in double quotes, found 'a'."),
            ("{'a':1}", 1, "Expected a name in double quotes, found '\\''."),
            ("{\"a\" 1}", 5, "Expected ':', found '1'."),
            ("{\"a\":1 \"b\":2}", 7, "Expected ',' or '}', found '\"'."),
            ("[1,]", 3, "Expected a value, found ']'."),
            ("[1}", 2, "Expected ',' or ']', found '}'."),
            ("{\"a\":tru}", 5, "Expected a value, found 't'."),
            ("{\"a\":01}", 5, "Expected a value, found '0'."),
            ("{\"a\":é}", 5, "Expected a value, found 'é'."),
            ("{} {}", 3, "Expected the end, found '{'."),
            ("{\"a\":1,\"a\":2}", 7, "The name \"a\" is there twice."),
            ("{\"a", 1, "The string has no end."),
            ("\"\\\"", 0, "The string has no end."),
            ("{} /* ", 3, "The comment has no end."),
            ("{} /*/", 3, "The comment has no end."),
            ("\"\\x\"", 0, "The string has an escape or a character that JSON does not know."),
            ("\"\\ud83d\"", 0, "The string has an escape or a character that JSON does not know."),
            ("\"a\\\nb\"", 0, "The string has an escape or a character that JSON does not know."),
            ("\"\u{1}\"", 0, "The string has an escape or a character that JSON does not know."),
        ];
        for (source, offset, detail) in table {
            assert_eq!(Json::parse(source), Err(Fault::parse(offset, detail)), "{source}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| Json::parse(&("[".repeat(depth) + &"]".repeat(depth)));
        assert!(nested(RULES_DEPTH_MAX).is_ok());
        assert_eq!(nested(RULES_DEPTH_MAX + 1).unwrap_err().offset, RULES_DEPTH_MAX);
        assert!(nested(1_000_000).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(source in "([{}\\[\\]:,\"\\\\/* \n]|//|/\\*|\\*/|null|1|\\PC)*") {
            if let Ok(json) = Json::parse(&source) {
                let mut text = String::new();
                json.write_strict(&mut text);
                assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
            }
        }
    }
}
