//! What listeners and readers are told, as messages. Pure.
//!
//! Paths of pushes are absolute, without a slash in front. Source: Firebase realtime protocol 6.3, 8.

use crate::engine::{Encoder, Event, Packer, Position};
use crate::model::compound_hash::RangeMerge;
use crate::model::{Format, Node, Path};

use super::codec::{answer_frame, quoted};
use super::frames::{Segmenter, push_message};

/// The pushes of one listen.
pub struct Pushes {
    id: String,
    path: Path,
    tag: Option<i64>,
    /// As the client wrote it; empty for none.
    query: String,
}

impl Pushes {
    pub fn new(path: Path, tag: Option<i64>, query: String) -> Self {
        let id = match tag {
            Some(tag) => format!("realtime {tag} {query}"),
            None => "realtime".to_owned(),
        };
        Self { id, path, tag, query }
    }

    /// What stands before and after the data at `below`.
    fn frame(&self, kind: &str, below: &Path) -> (Vec<u8>, Vec<u8>) {
        let path = self.path.join(below).to_string();
        let before = format!(r#"{{"t":"d","d":{{"b":{{"p":{},"d":"#, quoted(path.trim_start_matches('/')));
        let tag = self.tag.map(|tag| format!(",\"t\":{tag}")).unwrap_or_default();
        (before.into_bytes(), format!("{tag}}},\"a\":\"{kind}\"}}}}").into_bytes())
    }

    fn cancel(&self) -> String {
        let path = self.path.to_string();
        let query = if self.query.is_empty() { String::new() } else { format!(",\"q\":[{}]", self.query) };
        format!(r#"{{"t":"d","d":{{"b":{{"p":{}{query}}},"a":"c"}}}}"#, quoted(path.trim_start_matches('/')))
    }
}

impl Encoder for Pushes {
    fn id(&self) -> &str {
        &self.id
    }

    fn format(&self) -> Format {
        Format::Export
    }

    fn encode(&self, event: &Event<'_>, _: Option<&Position<'_>>, out: &mut Vec<u8>) {
        let text = match event {
            Event::Put { path, node } => {
                let (mut text, after) = self.frame("d", path);
                node.write_json(Format::Export, &mut text);
                text.extend_from_slice(&after);
                text
            }
            Event::Patch { path, changes } => {
                let (mut text, after) = self.frame("m", path);
                write_members(changes, &mut text);
                text.extend_from_slice(&after);
                text
            }
            Event::Ranges { ranges } => {
                let (mut text, after) = self.frame("rm", &Path::root());
                write_ranges(ranges, &mut text);
                text.extend_from_slice(&after);
                text
            }
            Event::Cancel { .. } => self.cancel().into_bytes(),
            // Only values are listened to here, and nothing resumes.
            Event::Child { .. } | Event::Reset => return,
        };
        push_message(&text, out);
    }

    fn snapshot_frame(&self) -> (Vec<u8>, Vec<u8>) {
        self.frame("d", &Path::root())
    }

    fn packer(&self) -> Option<Box<dyn Packer>> {
        Some(Box::<Segmenter>::default())
    }
}

/// An object of nodes by path, `{"x/y":1,"z":null}`.
fn write_members(changes: &[(Path, Node)], out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (path, node)) in changes.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(quoted(path.to_string().trim_start_matches('/')).as_bytes());
        out.push(b':');
        node.write_json(Format::Export, out);
    }
    out.push(b'}');
}

/// An array of ranges with what now lies in them (12.5); an end that is not there is open.
fn write_ranges(ranges: &[RangeMerge], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, range) in ranges.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{" } else { b"{" });
        for (name, end) in [("s", &range.start), ("e", &range.end)] {
            if let Some(path) = end {
                out.extend_from_slice(format!("\"{name}\":{},", quoted(path)).as_bytes());
            }
        }
        out.extend_from_slice(b"\"m\":");
        range.data.write_json(Format::Export, out);
        out.push(b'}');
    }
    out.push(b']');
}

/// The answer to one read.
pub struct ReadAnswer {
    pub number: u64,
}

impl Encoder for ReadAnswer {
    fn id(&self) -> &'static str {
        "realtime read"
    }

    fn format(&self) -> Format {
        Format::Export
    }

    fn encode(&self, event: &Event<'_>, _: Option<&Position<'_>>, out: &mut Vec<u8>) {
        // A read is told nothing else.
        if let Event::Put { node, .. } = event {
            let (mut text, after) = self.snapshot_frame();
            node.write_json(Format::Export, &mut text);
            text.extend_from_slice(&after);
            push_message(&text, out);
        }
    }

    fn snapshot_frame(&self) -> (Vec<u8>, Vec<u8>) {
        let (before, after) = answer_frame(self.number, "ok");
        (before.into_bytes(), after.as_bytes().to_vec())
    }

    fn packer(&self) -> Option<Box<dyn Packer>> {
        Some(Box::<Segmenter>::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Draft, Value};
    use crate::transport::frame;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn node(text: &str) -> Node {
        match Draft::parse(text.as_bytes(), 0).unwrap().value {
            Value::Node(node) => node,
            Value::Priority(_) => unreachable!(),
        }
    }

    /// The one message of an event.
    fn encoded(encoder: &dyn Encoder, event: &Event<'_>) -> String {
        let mut out = Vec::new();
        encoder.encode(event, None, &mut out);
        let texts: Vec<_> = frame::split(&out).map(|(_, text)| String::from_utf8(text.to_vec()).unwrap()).collect();
        assert_eq!(texts.len(), 1);
        texts.concat()
    }

    fn pushes(at: &str, tag: Option<i64>) -> Pushes {
        Pushes::new(path(at), tag, tag.map_or(String::new(), |_| r#"{"l":2,"vf":"r"}"#.to_owned()))
    }

    #[test]
    fn pushes_have_absolute_paths_without_a_slash_and_the_tag_behind() {
        let table = [
            ("rooms/r1", None, "", r#"{"t":"d","d":{"b":{"p":"rooms/r1","d":{"n":1}},"a":"d"}}"#),
            ("rooms", Some(1), "r1/ü\"", r#"{"t":"d","d":{"b":{"p":"rooms/r1/ü\"","d":{"n":1},"t":1},"a":"d"}}"#),
            ("", None, "", r#"{"t":"d","d":{"b":{"p":"","d":{"n":1}},"a":"d"}}"#),
            ("", Some(2), "x", r#"{"t":"d","d":{"b":{"p":"x","d":{"n":1},"t":2},"a":"d"}}"#),
        ];
        let node = node(r#"{"n":1}"#);
        for (at, tag, below, expected) in table {
            let event = Event::Put { path: &path(below), node: &node };
            assert_eq!(encoded(&pushes(at, tag), &event), expected);
        }
    }

    #[test]
    fn several_places_are_one_merge_in_export_format() {
        let changes = [(path("r3"), Node::Empty), (path("r9/x"), node(r#"{"n":["a"],".priority":7}"#))];
        let event = Event::Patch { path: &Path::root(), changes: &changes };
        assert_eq!(
            encoded(&pushes("rooms", Some(1)), &event),
            r#"{"t":"d","d":{"b":{"p":"rooms","d":{"r3":null,"r9/x":{".priority":7,"n":{"0":"a"}}},"t":1},"a":"m"}}"#
        );
    }

    #[test]
    fn cancel_repeats_the_query_as_an_array_of_one() {
        let event = Event::Cancel { reason: "Permission denied" };
        assert_eq!(encoded(&pushes("a/b", None), &event), r#"{"t":"d","d":{"b":{"p":"a/b"},"a":"c"}}"#);
        assert_eq!(
            encoded(&pushes("a", Some(1)), &event),
            r#"{"t":"d","d":{"b":{"p":"a","q":[{"l":2,"vf":"r"}]},"a":"c"}}"#
        );
    }

    #[test]
    fn snapshot_in_pieces_is_what_is_written_at_once() {
        let data = node(&format!(r#"{{"text":"{}"}}"#, "é".repeat(20_000)));
        let encoders: [&dyn Encoder; 3] = [&pushes("a", None), &pushes("a", Some(3)), &ReadAnswer { number: 7 }];
        for encoder in encoders {
            let (mut at_once, mut in_pieces) = (Vec::new(), Vec::new());
            encoder.encode(&Event::Put { path: &Path::root(), node: &data }, None, &mut at_once);
            let (before, after) = encoder.snapshot_frame();
            let text = [before, data.to_json(Format::Export).into_bytes(), after].concat();
            let mut packer = encoder.packer().unwrap();
            text.chunks(1_000).for_each(|piece| packer.measure(piece));
            text.chunks(777).for_each(|piece| packer.pack(piece, &mut in_pieces));
            packer.finish(&mut in_pieces);
            assert!(in_pieces == at_once);
        }
    }

    #[test]
    fn read_is_answered_with_its_number_and_data() {
        let event = Event::Put { path: &Path::root(), node: &node(r#"{"r2":{"n":2}}"#) };
        assert_eq!(
            encoded(&ReadAnswer { number: 19 }, &event),
            r#"{"t":"d","d":{"r":19,"b":{"s":"ok","d":{"r2":{"n":2}}}}}"#
        );
    }
}
