//! Steps of a walk into JSON text, always on one line.
//!
//! Source: Firebase REST reference 4; realtime protocol 11.6, 11.7.

use serde::Serialize;

use super::Format;
use crate::model::Node;
use crate::model::walk::{ScalarRef, Step};

/// Writes the steps of one walk as JSON.
#[derive(Debug)]
pub struct JsonWriter {
    format: Format,
    /// The nodes that are open, outermost first.
    open: Vec<Open>,
    is_begun: bool,
}

/// A node whose children are being written.
#[derive(Debug)]
enum Open {
    Object {
        is_empty: bool,
    },
    /// `next` is the index of the next element.
    Array {
        next: u32,
    },
}

impl JsonWriter {
    pub fn new(format: Format) -> Self {
        Self { format, open: Vec::new(), is_begun: false }
    }

    /// Writes one step to the end of `out`.
    pub fn step(&mut self, step: Step<'_>, out: &mut Vec<u8>) {
        match step {
            Step::Enter { key, priority, array_len } => {
                self.begin(key, out);
                if self.format == Format::Plain && array_len.is_some() {
                    out.push(b'[');
                    self.open.push(Open::Array { next: 0 });
                    return;
                }
                out.push(b'{');
                let priority = self.shown(priority);
                if let Some(priority) = priority {
                    out.extend_from_slice(b"\".priority\":");
                    write_scalar(priority, out);
                }
                self.open.push(Open::Object { is_empty: priority.is_none() });
            }
            Step::Leaf { key, value, priority } => {
                self.begin(key, out);
                match self.shown(priority) {
                    None => write_scalar(value, out),
                    Some(priority) => {
                        out.extend_from_slice(b"{\".value\":");
                        write_scalar(value, out);
                        out.extend_from_slice(b",\".priority\":");
                        write_scalar(priority, out);
                        out.push(b'}');
                    }
                }
            }
            Step::Leave => match self.open.pop() {
                Some(Open::Object { .. }) => out.push(b'}'),
                Some(Open::Array { .. }) => out.push(b']'),
                None => {}
            },
        }
    }

    /// Ends the text: `null` if there was no step at all.
    pub fn finish(self, out: &mut Vec<u8>) {
        if !self.is_begun {
            out.extend_from_slice(b"null");
        }
    }

    fn shown<'a>(&self, priority: Option<ScalarRef<'a>>) -> Option<ScalarRef<'a>> {
        priority.filter(|_| self.format == Format::Export)
    }

    /// Writes what comes before a value: a comma, and its key or the gap before its index.
    fn begin(&mut self, key: Option<&str>, out: &mut Vec<u8>) {
        self.is_begun = true;
        match (self.open.last_mut(), key) {
            (Some(Open::Object { is_empty }), Some(key)) => {
                if !std::mem::take(is_empty) {
                    out.push(b',');
                }
                write_json(key, out);
                out.push(b':');
            }
            (Some(Open::Array { next }), Some(key)) => {
                let index = key.parse().unwrap_or(*next);
                if *next > 0 {
                    out.push(b',');
                }
                for _ in *next..index {
                    out.extend_from_slice(b"null,");
                }
                *next = index.saturating_add(1);
            }
            _ => {}
        }
    }
}

impl Node {
    /// Writes this node to the end of `out`.
    pub fn write_json(&self, format: Format, out: &mut Vec<u8>) {
        let mut writer = JsonWriter::new(format);
        self.walk(&mut |step| writer.step(step, out));
        writer.finish(out);
    }

    pub fn to_json(&self, format: Format) -> String {
        let mut out = Vec::new();
        self.write_json(format, &mut out);
        // Cannot fail: the writer puts out strings that serde_json escaped, numbers and ASCII.
        String::from_utf8(out).expect("JSON is UTF-8")
    }
}

pub(super) fn write_scalar(scalar: ScalarRef<'_>, out: &mut Vec<u8>) {
    match scalar {
        ScalarRef::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        ScalarRef::Int(value) => write_json(&value, out),
        ScalarRef::Double(value) => write_json(&value, out),
        ScalarRef::Str(text) => write_json(text, out),
    }
}

/// Doubles come out as the shortest text that gives the same double again; those without a fraction are so large that
/// they have an exponent.
fn write_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    // Cannot fail: strings and numbers can always be serialised, and a vector takes every byte.
    serde_json::to_writer(out, value).expect("a primitive into memory");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{Key, Scalar};

    fn steps(format: Format, steps: &[Step<'_>]) -> String {
        let mut out = Vec::new();
        let mut writer = JsonWriter::new(format);
        for step in steps {
            writer.step(*step, &mut out);
        }
        writer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_steps_are_null_and_a_node_without_children_is_an_object() {
        assert_eq!(steps(Format::Plain, &[]), "null");
        assert_eq!(Node::Empty.to_json(Format::Export), "null");
        let enter = Step::Enter { key: None, priority: None, array_len: None };
        assert_eq!(steps(Format::Plain, &[enter, Step::Leave]), "{}");
    }

    #[test]
    fn gaps_of_an_array_are_null() {
        let leaf = |key| Step::Leaf { key: Some(key), value: ScalarRef::Int(7), priority: Some(ScalarRef::Int(1)) };
        let enter = |key| Step::Enter { key, priority: Some(ScalarRef::Str("p")), array_len: Some(4) };
        let inner =
            [enter(None), leaf("1"), enter(Some("3")), leaf("0"), leaf("3"), Step::Leave, leaf("4"), Step::Leave];
        assert_eq!(steps(Format::Plain, &inner), "[null,7,null,[7,null,null,7],7]");
        let leaf = r#"{".value":7,".priority":1}"#;
        let below = format!(r#"{{".priority":"p","0":{leaf},"3":{leaf}}}"#);
        let expected = format!(r#"{{".priority":"p","1":{leaf},"3":{below},"4":{leaf}}}"#);
        assert_eq!(steps(Format::Export, &inner), expected);
    }

    #[test]
    fn strings_are_escaped_onto_one_line() {
        let text = "\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}\u{2028}é😀/";
        let node =
            Node::inner(BTreeMap::from([(Key::parse("é\"\\").unwrap(), Node::leaf(Scalar::string(text)))]), None);
        let json = node.to_json(Format::Plain);
        assert_eq!(json, "{\"é\\\"\\\\\":\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}\u{2028}é😀/\"}");
    }

    #[test]
    fn children_come_in_key_order() {
        let node = Node::inner(
            ["b", "10", "9", "-1", "a", "\u{fffd}", "😀"]
                .map(|key| (Key::parse(key).unwrap(), Node::leaf(Scalar::Bool(true))))
                .into(),
            None,
        );
        assert_eq!(
            node.to_json(Format::Plain),
            "{\"-1\":true,\"9\":true,\"10\":true,\"a\":true,\"b\":true,\"😀\":true,\"\u{fffd}\":true}"
        );
    }
}
