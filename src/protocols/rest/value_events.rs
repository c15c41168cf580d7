//! Firebase's own event stream: `put` and `patch`.
//!
//! Firebase clients accept no other event here, and no `id` lines; data is one line of JSON. Source: Firebase REST
//! reference 11.3 to 11.6.

use std::fmt::Write as _;

use crate::engine::{Encoder, Event, Position};
use crate::model::{Format, Node, Path};

/// Writes the events of a Firebase stream.
#[derive(Debug)]
pub struct ValueEvents {
    pub format: Format,
    /// It shows what a query selects: of a primitive, which has no children, nothing.
    pub is_query: bool,
}

impl Encoder for ValueEvents {
    fn id(&self) -> &'static str {
        match (self.format, self.is_query) {
            (Format::Plain, false) => "rest.plain",
            (Format::Export, false) => "rest.export",
            (Format::Plain, true) => "rest.query.plain",
            (Format::Export, true) => "rest.query.export",
        }
    }

    fn format(&self) -> Format {
        self.format
    }

    /// A stream never resumes, so it is never reset.
    fn encode(&self, event: &Event<'_>, _position: Option<&Position<'_>>, out: &mut Vec<u8>) {
        match event {
            Event::Put { path, node } => {
                begin(out, "put", path);
                let is_hidden = self.is_query && path.is_root() && matches!(node, Node::Leaf { .. });
                if is_hidden { &Node::Empty } else { *node }.write_json(self.format, out);
                out.extend_from_slice(END);
            }
            Event::Patch { path, changes } => {
                begin(out, "patch", path);
                write_members(changes, self.format, out);
                out.extend_from_slice(END);
            }
            Event::Cancel { reason } => {
                out.extend_from_slice(b"event: cancel\ndata: ");
                write_string(reason, out);
                out.extend_from_slice(b"\n\n");
            }
            Event::Child { .. } | Event::Reset | Event::Ranges { .. } => {}
        }
    }

    fn snapshot_frame(&self) -> (Vec<u8>, Vec<u8>) {
        let mut before = Vec::new();
        begin(&mut before, "put", &Path::root());
        (before, END.to_vec())
    }
}

const END: &[u8] = b"}\n\n";

fn begin(out: &mut Vec<u8>, name: &str, path: &Path) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: {\"path\":");
    write_string(&path.to_string(), out);
    out.extend_from_slice(b",\"data\":");
}

/// An object of nodes by path, `{"x/y":1,"z":null}`.
fn write_members(changes: &[(Path, Node)], format: Format, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (path, node)) in changes.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(&relative(path), out);
        out.push(b':');
        node.write_json(format, out);
    }
    out.push(b'}');
}

/// `a/b`, as keys of an update are written.
pub fn relative(path: &Path) -> String {
    let mut text = String::new();
    for (index, key) in path.keys().iter().enumerate() {
        let separator = if index > 0 { "/" } else { "" };
        // Cannot fail: a `String` takes all.
        let _ = write!(text, "{separator}{key}");
    }
    text
}

/// `text` as a JSON string.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    // Cannot fail: a vector takes all, and a string is always JSON.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scalar;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn encoded(event: &Event<'_>) -> String {
        let mut out = Vec::new();
        let position = Position { epoch: "e", seq: 1, part: 0, is_last: true };
        ValueEvents { format: Format::Plain, is_query: false }.encode(event, Some(&position), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn put_has_raw_keys_and_no_id() {
        let node = Node::leaf(Scalar::string("x\ny"));
        assert_eq!(
            encoded(&Event::Put { path: &path("users/ü x\""), node: &node }),
            "event: put\ndata: {\"path\":\"/users/ü x\\\"\",\"data\":\"x\\ny\"}\n\n"
        );
        assert_eq!(
            encoded(&Event::Put { path: &Path::root(), node: &Node::Empty }),
            "event: put\ndata: {\"path\":\"/\",\"data\":null}\n\n"
        );
    }

    #[test]
    fn stream_of_a_query_shows_no_primitive_in_its_place() {
        let node = Node::leaf(Scalar::Int(7));
        let encoder = ValueEvents { format: Format::Plain, is_query: true };
        for (at, data) in [("/", "null"), ("/a", "7")] {
            let mut out = Vec::new();
            encoder.encode(&Event::Put { path: &path(at), node: &node }, None, &mut out);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("event: put\ndata: {{\"path\":\"{at}\",\"data\":{data}}}\n\n")
            );
        }
    }

    #[test]
    fn patch_keeps_deep_keys_deep() {
        let changes = [(path("x/y"), Node::leaf(Scalar::Int(1))), (path("z"), Node::Empty)];
        assert_eq!(
            encoded(&Event::Patch { path: &path("a"), changes: &changes }),
            "event: patch\ndata: {\"path\":\"/a\",\"data\":{\"x/y\":1,\"z\":null}}\n\n"
        );
    }

    #[test]
    fn cancel_gives_the_reason_as_json() {
        assert_eq!(
            encoded(&Event::Cancel { reason: "Permission denied" }),
            "event: cancel\ndata: \"Permission denied\"\n\n"
        );
    }

    #[test]
    fn snapshot_frame_around_json_is_a_put_at_the_root() {
        let node = Node::leaf(Scalar::Int(7));
        let (mut bytes, after) = ValueEvents { format: Format::Plain, is_query: false }.snapshot_frame();
        bytes.extend_from_slice(b"7");
        bytes.extend_from_slice(&after);
        assert_eq!(String::from_utf8(bytes).unwrap(), encoded(&Event::Put { path: &Path::root(), node: &node }));
    }
}
