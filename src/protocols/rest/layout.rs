//! How JSON text is laid out for the client: compact, pretty, or as a call of a JavaScript function.
//!
//! A filter over compact JSON that comes in pieces, so that answers of any size pass through. Compact text is not
//! touched. Source: Firebase REST reference 4.4, 5.5.

use super::request::Print;

/// Lays one JSON text out.
#[derive(Debug)]
pub struct Layout {
    pretty: Option<Pretty>,
    callback: Option<String>,
}

impl Layout {
    pub fn new(print: Print, callback: Option<&str>) -> Self {
        Self { pretty: (print == Print::Pretty).then(Pretty::default), callback: callback.map(str::to_owned) }
    }

    /// Whether the text goes out as it comes in.
    pub fn is_plain(&self) -> bool {
        self.pretty.is_none() && self.callback.is_none()
    }

    pub fn begin(&self, out: &mut Vec<u8>) {
        if let Some(name) = &self.callback {
            // The comment keeps the answer from being taken for anything but a script.
            out.extend_from_slice(format!("/**/{name}(").as_bytes());
        }
    }

    /// Adds a piece of the compact text, cut between tokens or anywhere in one but not within a character.
    pub fn add(&mut self, json: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        match &mut self.pretty {
            Some(pretty) => pretty.add(json, out),
            None => out.extend_from_slice(json),
        }
        if self.callback.is_some() {
            escape_line_separators(out, start);
        }
    }

    pub fn end(&self, out: &mut Vec<u8>) {
        if self.callback.is_some() {
            out.extend_from_slice(b");");
        } else if self.pretty.is_some() {
            out.push(b'\n');
        }
    }
}

/// U+2028 and U+2029 are line ends to older JavaScript, which it does not allow in strings. JSON has them only there.
fn escape_line_separators(out: &mut Vec<u8>, start: usize) {
    let is_separator = |bytes: &[u8]| matches!(bytes, [0xe2, 0x80, 0xa8 | 0xa9]);
    let tail = out.get(start..).unwrap_or_default();
    if !tail.windows(3).any(is_separator) {
        return;
    }
    let text = String::from_utf8_lossy(tail).replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    out.truncate(start);
    out.extend_from_slice(text.as_bytes());
}

/// The layout of `print=pretty`: members of objects on lines of their own, arrays on one line but for objects in them.
#[derive(Debug, Default)]
struct Pretty {
    /// Whether each open bracket is an object's.
    open: Vec<bool>,
    /// A bracket has just been opened; whether anything is in it is not known yet.
    is_fresh: bool,
    in_string: bool,
    is_escaped: bool,
}

impl Pretty {
    fn add(&mut self, json: &[u8], out: &mut Vec<u8>) {
        for &byte in json {
            if self.in_string {
                self.in_string = byte != b'"' || self.is_escaped;
                self.is_escaped = byte == b'\\' && !self.is_escaped;
                out.push(byte);
            } else {
                self.add_token(byte, out);
            }
        }
    }

    fn add_token(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_close = matches!(byte, b'}' | b']');
        if std::mem::take(&mut self.is_fresh) {
            if is_close {
                self.open.pop();
                out.extend_from_slice(&[b' ', byte]);
                return;
            }
            self.separate(out);
        }
        match byte {
            b'{' | b'[' => {
                self.open.push(byte == b'{');
                self.is_fresh = true;
                out.push(byte);
            }
            b'}' | b']' => {
                if self.open.pop() == Some(true) {
                    self.new_line(out);
                } else {
                    out.push(b' ');
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                self.separate(out);
            }
            b':' => out.extend_from_slice(b" : "),
            _ => {
                self.in_string = byte == b'"';
                out.push(byte);
            }
        }
    }

    /// What stands between two members of an object, or two elements of an array.
    fn separate(&self, out: &mut Vec<u8>) {
        if self.open.last() == Some(&true) {
            self.new_line(out);
        } else {
            out.push(b' ');
        }
    }

    fn new_line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        let depth = self.open.iter().filter(|is_object| **is_object).count();
        out.extend(std::iter::repeat_n(b' ', 2 * depth));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(json: &str, print: Print, callback: Option<&str>) -> String {
        let mut texts = [Vec::new(), Vec::new()];
        // Whole, and character by character: the same must come out.
        let pieces: Vec<String> = json.chars().map(String::from).collect();
        for (out, pieces) in texts.iter_mut().zip([vec![json.to_owned()], pieces]) {
            let mut layout = Layout::new(print, callback);
            layout.begin(out);
            for piece in &pieces {
                layout.add(piece.as_bytes(), out);
            }
            layout.end(out);
        }
        assert_eq!(texts[0], texts[1]);
        String::from_utf8(texts[0].clone()).unwrap()
    }

    #[test]
    fn pretty_is_laid_out_as_by_the_original() {
        let table = [
            (r#"{"name":"Jack","tags":["a","b"]}"#, "{\n  \"name\" : \"Jack\",\n  \"tags\" : [ \"a\", \"b\" ]\n}\n"),
            ("null", "null\n"),
            ("{}", "{ }\n"),
            (r#"{"a":{"b":1.5}}"#, "{\n  \"a\" : {\n    \"b\" : 1.5\n  }\n}\n"),
            (r#"[{"a":1},null,[2]]"#, "[ {\n  \"a\" : 1\n}, null, [ 2 ] ]\n"),
            (r#""{\"a\\\\\":[1,2]}""#, "\"{\\\"a\\\\\\\\\\\":[1,2]}\"\n"),
        ];
        for (json, expected) in table {
            assert_eq!(laid_out(json, Print::Pretty, None), expected);
        }
    }

    #[test]
    fn callback_wraps_and_escapes_line_separators() {
        assert_eq!(
            laid_out("{\"a\":\"\u{2028}é\u{2029}\"}", Print::Compact, Some("f.g")),
            "/**/f.g({\"a\":\"\\u2028é\\u2029\"});"
        );
        assert_eq!(laid_out("[1,2]", Print::Pretty, Some("f")), "/**/f([ 1, 2 ]);");
    }

    #[test]
    fn compact_stays_as_it_is() {
        assert_eq!(laid_out(r#"{"a":[1, 2]}"#, Print::Compact, None), r#"{"a":[1, 2]}"#);
    }
}
