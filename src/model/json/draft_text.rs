//! Drafts as text that is kept (armed onDisconnect writes), and back.
//!
//! Data is in export format with `{".sv":..}` where a server value waits. A priority alone is an object with nothing
//! but `.priority`, which as data would be empty and so cannot be mistaken for any.

use serde_json::{Value as Json, json};

use super::{DataError, Format, parse_priority};
use crate::model::{Draft, Node, Placeholder, Scalar, ServerValue, Slot, Value};

const PRIORITY_BEGIN: &str = "{\".priority\":";
const PRIORITY_END: &str = "}";

impl Draft {
    /// This draft as one line of text.
    pub fn to_text(&self) -> String {
        let (node, is_priority) = match &self.value {
            Value::Node(node) => (node, false),
            Value::Priority(priority) => (&priority.clone().map_or(Node::Empty, Node::leaf), true),
        };
        let mut text = node.to_json(Format::Export);
        if !self.placeholders.is_empty() {
            // Rare, so that the detour by serde's own tree is the cheapest thing to maintain.
            let mut json: Json = serde_json::from_str(&text).unwrap_or_default();
            for placeholder in &self.placeholders {
                if let Some(place) = place_mut(&mut json, placeholder, is_priority) {
                    *place = server_value_json(&placeholder.server_value);
                }
            }
            text = json.to_string();
        }
        if is_priority { format!("{PRIORITY_BEGIN}{text}{PRIORITY_END}") } else { text }
    }

    /// Takes back what [`Draft::to_text`] gave.
    ///
    /// # Errors
    /// As [`Draft::parse`], for text of another origin.
    pub fn from_text(text: &str) -> Result<Self, DataError> {
        let priority = text.strip_prefix(PRIORITY_BEGIN).and_then(|rest| rest.strip_suffix(PRIORITY_END));
        match priority.map(|text| parse_priority(text.as_bytes())) {
            Some(Ok(draft)) => Ok(draft),
            // An inner node with a priority begins alike, but does not end so.
            _ => Self::parse(text.as_bytes(), 0),
        }
    }
}

fn place_mut<'j>(json: &'j mut Json, placeholder: &Placeholder, is_priority: bool) -> Option<&'j mut Json> {
    let node = placeholder.path.keys().iter().try_fold(json, |json, key| json.get_mut(key.as_str()))?;
    if is_priority {
        return Some(node);
    }
    match placeholder.slot {
        Slot::Priority => node.get_mut(".priority"),
        Slot::Value if node.is_object() => node.get_mut(".value"),
        Slot::Value => Some(node),
    }
}

fn server_value_json(server_value: &ServerValue) -> Json {
    match server_value {
        ServerValue::Timestamp => json!({ ".sv": "timestamp" }),
        ServerValue::Increment(Scalar::Int(by)) => json!({ ".sv": { "increment": by } }),
        ServerValue::Increment(by) => json!({ ".sv": { "increment": by.as_f64() } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draft_comes_back_from_its_text() {
        for text in [
            "null",
            "5",
            r#"{".priority":1,"a":{".value":true,".priority":"x"}}"#,
            r#"{".sv":"timestamp"}"#,
            r#"{".value":{".sv":{"increment":0.5}},".priority":3}"#,
            r#"{".value":{".sv":{"increment":-9223372036854775808}},".priority":{".sv":"timestamp"}}"#,
            r#"{".priority":{".sv":"timestamp"},"a":{"b":{".sv":"timestamp"}},"c":["",{".sv":"timestamp"}]}"#,
            r#"{".priority":{".sv":"timestamp"},"z":1}"#,
            r#"{".priority":"}","z":"}"}"#,
        ] {
            let draft = Draft::parse(text.as_bytes(), 0).unwrap();
            assert_eq!(Draft::from_text(&draft.to_text()), Ok(draft), "{text}");
        }
    }

    #[test]
    fn priority_alone_comes_back_as_such() {
        for text in ["null", "1.5", "\"}\"", r#"{".sv":"timestamp"}"#, r#"{".sv":{"increment":2}}"#] {
            let draft = parse_priority(text.as_bytes()).unwrap();
            assert_eq!(Draft::from_text(&draft.to_text()), Ok(draft), "{text}");
        }
    }

    #[test]
    fn dummies_do_not_show() {
        let text = r#"{"a":{".priority":{".sv":"timestamp"},".value":""},"b":{".sv":"timestamp"}}"#;
        assert_eq!(Draft::parse(text.as_bytes(), 0).map(|draft| draft.to_text()).as_deref(), Ok(text));
    }
}
