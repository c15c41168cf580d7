//! Our own event stream of children: `child_added`, `child_changed`, `child_removed`, `child_moved` and `value`.
//!
//! ```text
//! event: child_added
//! id: 5f0c2a9be1d4a7c3-42
//! data: {"key":"k","value":{"a":1},"prevKey":null,"priority":null}
//! ```
//!
//! `value` is what a plain GET of the child shows (with `format=export` what that shows); `prevKey` is the key before
//! it in the query's order, `null` for the first. The event `value` has the whole listened value, and no keys.
//!
//! The id is a place in the log, `<epoch>-<sequence>`; where one record causes several events, all but the last carry
//! `-<part>` behind it. A client that comes back with the newest id that it got (`Last-Event-ID`, or `?lastEventId=`)
//! gets exactly the events after it. If the log does not reach back that far, an event `reset` with `null` comes first
//! and then everything from the start. The first events carry no id, except the last of them: a stream that breaks
//! before it starts afresh.

use std::io::Write as _;

use super::value_events::write_string;
use crate::engine::{Encoder, Event, EventType, Position, Resume};
use crate::model::{Format, Key, Node, Scalar};

/// Writes the events of a child stream.
#[derive(Debug)]
pub struct ChildEvents(pub Format);

impl Encoder for ChildEvents {
    fn id(&self) -> &'static str {
        match self.0 {
            Format::Plain => "rest.children.plain",
            Format::Export => "rest.children.export",
        }
    }

    /// Priorities are told in their own member, so their changes show in either format.
    fn format(&self) -> Format {
        Format::Export
    }

    fn encode(&self, event: &Event<'_>, position: Option<&Position<'_>>, out: &mut Vec<u8>) {
        match event {
            Event::Child { event_type, key, node, prev_key } => {
                begin(out, event_type.name(), position);
                self.write_child(*key, node, *prev_key, out);
                out.extend_from_slice(b"\n\n");
            }
            Event::Reset => {
                begin(out, "reset", None);
                out.extend_from_slice(b"null\n\n");
            }
            Event::Cancel { reason } => {
                begin(out, "cancel", None);
                write_string(reason, out);
                out.extend_from_slice(b"\n\n");
            }
            Event::Put { .. } | Event::Patch { .. } | Event::Ranges { .. } => {}
        }
    }

    fn snapshot_frame(&self) -> (Vec<u8>, Vec<u8>) {
        let mut before = Vec::new();
        begin(&mut before, EventType::Value.name(), None);
        before.extend_from_slice(b"{\"key\":null,\"value\":");
        (before, b",\"prevKey\":null,\"priority\":null}\n\n".to_vec())
    }
}

impl ChildEvents {
    fn write_child(&self, key: Option<&Key>, node: &Node, prev_key: Option<&Key>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"key\":");
        write_key(key, out);
        out.extend_from_slice(b",\"value\":");
        node.write_json(self.0, out);
        out.extend_from_slice(b",\"prevKey\":");
        write_key(prev_key, out);
        out.extend_from_slice(b",\"priority\":");
        priority_node(node.priority()).write_json(Format::Plain, out);
        out.push(b'}');
    }
}

/// A priority as a value of its own.
pub fn priority_node(priority: Option<&Scalar>) -> Node {
    priority.map_or(Node::Empty, |scalar| Node::leaf(scalar.clone()))
}

fn write_key(key: Option<&Key>, out: &mut Vec<u8>) {
    match key {
        Some(key) => write_string(key.as_str(), out),
        None => out.extend_from_slice(b"null"),
    }
}

fn begin(out: &mut Vec<u8>, name: &str, position: Option<&Position<'_>>) {
    // Cannot fail: a vector takes all.
    let _ = writeln!(out, "event: {name}");
    if let Some(Position { epoch, seq, part, is_last }) = position {
        let _ = if *is_last { writeln!(out, "id: {epoch}-{seq}") } else { writeln!(out, "id: {epoch}-{seq}-{part}") };
    }
    out.extend_from_slice(b"data: ");
}

/// Where a client with this event id stopped. A text that is none of our ids is a place that no log knows.
pub fn parse_event_id(text: &str) -> Resume {
    let parse = || {
        let mut parts = text.split('-');
        let epoch = parts.next()?.to_owned();
        let seq = parts.next()?.parse().ok()?;
        let part = parts.next().map(str::parse).transpose().ok()?;
        parts.next().is_none().then_some(Resume { epoch, seq, part })
    };
    parse().unwrap_or(Resume { epoch: String::new(), seq: 0, part: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(format: Format, event: &Event<'_>, position: Option<&Position<'_>>) -> String {
        let mut out = Vec::new();
        ChildEvents(format).encode(event, position, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn child_event_has_key_value_previous_key_and_priority() {
        let (key, before) = (Key::parse("ü").unwrap(), Key::parse("a").unwrap());
        let node = Node::Leaf { value: Scalar::Int(1), priority: Some(Scalar::string("p")) };
        let event =
            Event::Child { event_type: EventType::ChildAdded, key: Some(&key), node: &node, prev_key: Some(&before) };
        let mut position = Position { epoch: "ab", seq: 7, part: 2, is_last: false };
        assert_eq!(
            encoded(Format::Plain, &event, Some(&position)),
            "event: child_added\nid: ab-7-2\ndata: {\"key\":\"ü\",\"value\":1,\"prevKey\":\"a\",\"priority\":\"p\"}\n\n"
        );
        position.is_last = true;
        assert!(encoded(Format::Plain, &event, Some(&position)).contains("\nid: ab-7\n"));
        assert!(!encoded(Format::Plain, &event, None).contains("id:"));
        assert!(encoded(Format::Export, &event, None).contains("\"value\":{\".value\":1,\".priority\":\"p\"},"));
    }

    #[test]
    fn value_event_has_no_keys_and_equals_its_snapshot_frame() {
        let node = Node::leaf(Scalar::Int(1));
        let event = Event::Child { event_type: EventType::Value, key: None, node: &node, prev_key: None };
        let text = encoded(Format::Plain, &event, None);
        assert_eq!(text, "event: value\ndata: {\"key\":null,\"value\":1,\"prevKey\":null,\"priority\":null}\n\n");
        let (before, after) = ChildEvents(Format::Plain).snapshot_frame();
        assert_eq!(text.into_bytes(), [before, b"1".to_vec(), after].concat());
    }

    #[test]
    fn reset_has_no_data() {
        assert_eq!(encoded(Format::Plain, &Event::Reset, None), "event: reset\ndata: null\n\n");
    }

    #[test]
    fn event_ids_come_back_as_positions() {
        let resume = |epoch: &str, seq, part| Resume { epoch: epoch.into(), seq, part };
        assert_eq!(parse_event_id("ab12-7"), resume("ab12", 7, None));
        assert_eq!(parse_event_id("ab12-7-3"), resume("ab12", 7, Some(3)));
        for unknown in ["ab12", "ab12-x", "ab12-7-x", "ab12-7-3-1", "ab12--7", "-", "ab-99999999999999999999"] {
            assert_eq!(parse_event_id(unknown), resume("", 0, None), "{unknown}");
        }
    }
}
