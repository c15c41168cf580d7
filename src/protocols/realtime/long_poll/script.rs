//! Answers are scripts: calls of two functions of the client, one for commands, one for messages. Pure.
//!
//! A browser loads them as scripts, Node evaluates them. Messages are taken out of the WebSocket frames they were made
//! for, joined where they were cut, and become elements of an array literal. Source: Firebase realtime protocol 4.2,
//! 4.3, 4.6, 4.8.

use super::params::{Callback, Ticket};
use crate::transport::frame::{self, TEXT};

/// The session is over: the client connects anew.
pub const CLOSE: &str = "pLPCommand('close');";

/// No more polls; the client closes once it has response `number`, the last.
pub fn close_after(number: u64) -> String {
    format!("pLPCommand('close',{number});")
}

/// The start of a session.
pub fn start(ticket: &Ticket) -> String {
    format!("pLPCommand('start','{}','{}');\n", ticket.id, ticket.password)
}

/// What comes first where a browser starts: the two functions, which forward to the page above the frame that the
/// script runs in.
pub fn functions(callback: &Callback) -> String {
    let callback = callback.as_str();
    format!(
        "function pLPCommand(c,a,b){{var f=parent.window[\"pLPCommand{callback}\"];f&&f(c,a,b);}}\n\
         function pRTLPCB(n,m){{var f=parent.window[\"pRTLPCB{callback}\"];f&&f(n,m);}}\n"
    )
}

/// Appends response `number` with these messages, as WebSocket frames.
pub fn push_response(number: u64, frames: &[u8], out: &mut Vec<u8>) {
    let mut response = ResponseWriter::begin(number, out);
    response.frames(frames, out);
    response.end(out);
}

/// Writes messages as one response: `pRTLPCB(number,[..]);`.
#[derive(Debug)]
pub struct ResponseWriter {
    has_messages: bool,
    /// Segments that the open message still lacks.
    missing: u32,
    literal: Literal,
}

impl ResponseWriter {
    pub fn begin(number: u64, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(format!("pRTLPCB({number},[").as_bytes());
        Self { has_messages: false, missing: 0, literal: Literal::default() }
    }

    /// Appends what the frames in `bytes` carry: whole frames, which may be segments of a message that goes on in the
    /// next. Control frames are left out.
    pub fn frames(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for (opcode, text) in frame::split(bytes) {
            if opcode == TEXT {
                self.text(text, out);
            }
        }
    }

    /// Gives whether all segments of the last message have come.
    pub fn end(self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(b"]);");
        self.missing == 0
    }

    /// One text of the WebSocket protocol: a message, a segment, or a number of segments.
    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if self.missing > 0 {
            self.missing -= 1;
        } else {
            if self.has_messages {
                out.push(b',');
            }
            self.has_messages = true;
            if let Some(count) = count(text) {
                self.missing = count;
                return;
            }
        }
        self.literal.push(text, out);
        if self.missing == 0 {
            self.literal.finish(out);
        }
    }
}

/// A number of segments: what no message is.
fn count(text: &[u8]) -> Option<u32> {
    let is_count = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_count)?.parse().ok()
}

/// Turns JSON into JavaScript that means the same, byte by byte.
///
/// Three things differ. U+2028 and U+2029 end a line in a literal of old JavaScript. `</script` ends a script within
/// HTML. A member `"__proto__":` would set the prototype; as a computed one it is a member like others.
#[derive(Debug, Default)]
struct Literal {
    /// The byte before, held back or not.
    last: u8,
    /// How much of [`PROTO`] the newest bytes are. These are held back.
    matched: usize,
}

const PROTO: &[u8] = b"\"__proto__\":";
const PROTO_COMPUTED: &[u8] = b"[\"__proto__\"]:";

impl Literal {
    /// Appends a piece of JSON. Pieces are cut between characters.
    fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        out.reserve(text.len());
        for &byte in text {
            if self.matched > 0 && PROTO.get(self.matched) == Some(&byte) {
                self.matched += 1;
                if self.matched == PROTO.len() {
                    self.matched = 0;
                    out.extend_from_slice(PROTO_COMPUTED);
                }
            } else {
                self.finish(out);
                match byte {
                    // A quote behind a backslash is part of a string; a backslash before one that ends or begins a
                    // string is impossible, or the last of a pair, behind which `__proto__` cannot come.
                    b'"' if self.last != b'\\' => self.matched = 1,
                    b'/' if self.last == b'<' => out.extend_from_slice(b"\\/"),
                    0xA8 | 0xA9 if out.ends_with(&[0xE2, 0x80]) => {
                        out.truncate(out.len() - 2);
                        out.extend_from_slice(if byte == 0xA8 { b"\\u2028" } else { b"\\u2029" });
                    }
                    _ => out.push(byte),
                }
            }
            self.last = byte;
        }
    }

    /// Appends what was held back.
    fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(PROTO.get(..self.matched).unwrap_or_default());
        self.matched = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::params::Ask;
    use super::*;

    /// The literal of a text that comes in pieces of `size` characters.
    fn literal(text: &str, size: usize) -> String {
        let (mut literal, mut out) = (Literal::default(), Vec::new());
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(size) {
            literal.push(piece.iter().collect::<String>().as_bytes(), &mut out);
        }
        literal.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn frames(texts: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for text in texts {
            frame::push_text(&mut out, text.as_bytes());
        }
        out
    }

    fn response(frames: &[u8]) -> String {
        let mut out = Vec::new();
        push_response(7, frames, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn start_in_a_browser_makes_the_functions_first() {
        let Ok(Ask::Start { callback: Some(callback), .. }) = Ask::parse("start=t&cb=12") else { panic!("a start") };
        assert_eq!(
            functions(&callback),
            "function pLPCommand(c,a,b){var f=parent.window[\"pLPCommand12\"];f&&f(c,a,b);}\n\
             function pRTLPCB(n,m){var f=parent.window[\"pRTLPCB12\"];f&&f(n,m);}\n"
        );
        let ticket = Ticket { id: "a".to_owned(), password: "b".to_owned() };
        assert_eq!(start(&ticket), "pLPCommand('start','a','b');\n");
        assert_eq!(close_after(4), "pLPCommand('close',4);");
    }

    #[test]
    fn messages_are_joined_and_listed() {
        let check = |texts: &[&str], expected: &str| assert_eq!(response(&frames(texts)), expected, "{texts:?}");
        check(&[], "pRTLPCB(7,[]);");
        check(&["{}"], "pRTLPCB(7,[{}]);");
        check(
            &["{}", "3", "{\"a\"", ":", "1}", "1", "{\"b\":2}", "{\"n\":\"1\"}"],
            "pRTLPCB(7,[{},{\"a\":1},{\"b\":2},{\"n\":\"1\"}]);",
        );
        check(&["2", "1", "2", "{}"], "pRTLPCB(7,[12,{}]);");
        check(&["{}", "3", "{\"__pro", "to_", "_\":1}"], "pRTLPCB(7,[{},{[\"__proto__\"]:1}]);");
        let controls = [&frame::ping()[..], &frames(&["{}"]), &frame::close(1_000, "bye")].concat();
        assert_eq!(response(&controls), "pRTLPCB(7,[{}]);");
    }

    #[test]
    fn message_that_lacks_segments_is_not_whole() {
        for (texts, expected) in [(vec![], true), (vec!["2", "{"], false), (vec!["2", "{", "}"], true)] {
            let mut out = Vec::new();
            let mut writer = ResponseWriter::begin(0, &mut out);
            writer.frames(&frames(&texts), &mut out);
            assert_eq!(writer.end(&mut out), expected, "{texts:?}");
        }
    }

    #[test]
    fn json_that_is_no_javascript_is_rewritten() {
        let check = |json: &str, expected: &str| {
            for size in [1, 2, 5, 100] {
                assert_eq!(literal(json, size), expected, "{json} by {size}");
            }
        };
        check("{\"a\":[1,-2.5e3,null,true]}", "{\"a\":[1,-2.5e3,null,true]}");
        check("\"\u{2028}\u{2029}\u{2027}é😀\"", "\"\\u2028\\u2029\u{2027}é😀\"");
        check("\"</script></SCRIPT><\\/a\"", "\"<\\/script><\\/SCRIPT><\\/a\"");
        check(r#"{"__proto__":{"__proto__":1}}"#, r#"{["__proto__"]:{["__proto__"]:1}}"#);
        check(r#"["__proto__","__proto__"]"#, r#"["__proto__","__proto__"]"#);
        // Within strings it is text.
        check(r#"{"\"__proto__\":":1,"a\"__proto__":2}"#, r#"{"\"__proto__\":":1,"a\"__proto__":2}"#);
        check(r#"{"\\":1,"__proto__":2}"#, r#"{"\\":1,["__proto__"]:2}"#);
        check(r#"{"":"","_":"\\","__proto__x":1}"#, r#"{"":"","_":"\\","__proto__x":1}"#);
    }

    proptest! {
        #[test]
        fn literal_means_what_the_json_means(
            texts in prop::collection::vec("(__proto__|[\"\\\\:<>/,\u{2026}-\u{202a}_a]|\\PC){0,12}", 1..6),
            size in 1_usize..9,
        ) {
            // Each text once as a key and once as a value, one in another.
            let nested = texts.iter().fold(Value::Null, |inner, text| {
                let members = [(text.clone(), inner), ("__proto__".to_owned(), Value::from(text.as_str()))];
                Value::Object(members.into_iter().collect())
            });
            let out = literal(&nested.to_string(), size);
            prop_assert!(!out.contains(['\u{2028}', '\u{2029}']) && !out.contains("</"), "{}", out);
            prop_assert!(!out.contains("{\"__proto__\":") && !out.contains(",\"__proto__\":"), "{}", out);
            // Nowhere else in JSON can `"]:` follow an opening quote.
            let back = out.replace("[\"__proto__\"]:", "\"__proto__\":");
            prop_assert_eq!(serde_json::from_str::<Value>(&back).unwrap(), nested);
        }

        #[test]
        fn any_frames_make_a_response(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            push_response(7, &bytes, &mut out);
            prop_assert!(out.starts_with(b"pRTLPCB(7,[") && out.ends_with(b"]);"));
        }
    }
}
