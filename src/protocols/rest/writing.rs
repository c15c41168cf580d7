//! The body of a write: what it asks to be written, and what is answered once it is. Pure.
//!
//! Source: Firebase REST reference 3.2 to 3.6, 5.6, 10.7.

use super::child_events::priority_node;
use super::error::Failure;
use super::request::{Verb, Writing};
use super::value_events::{relative, write_string};
use crate::model::json::{DataError, parse_priority, parse_update};
use crate::model::{Change, Draft, Format, Key, Node, Path, Value, Write, WriteOp};

/// What is to be done for a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// `None`: nothing at all, but it succeeds.
    pub write: Option<Write>,
    pub echo: Echo,
}

/// What the answer shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Echo {
    /// The value as stored.
    Value,
    /// Each place that was written, with its value as stored.
    Members,
    /// The name of the new child.
    Name(Key),
}

impl Writing {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 for a body that is no data, and for conditions that this kind of write does not know.
    pub fn prepare(&self, body: &[u8], push_id: impl FnOnce() -> Key) -> Result<Prepared, Failure> {
        let depth = self.place.path.len();
        let body = match &self.form {
            Some(content_type) => file_in_form(content_type, body).ok_or(Failure::FORM)?,
            None => body,
        };
        let set = |draft| (Some(WriteOp::Set(draft)), Echo::Value);
        let mut path = self.place.path.clone();
        let (op, echo) = match self.verb {
            Verb::Put if self.place.is_priority => set(parse_priority(body)?),
            Verb::Delete if self.place.is_priority => set(no_priority()),
            Verb::Put => set(Draft::parse(body, depth)?),
            Verb::Post => {
                let name = push_id();
                let draft = Draft::parse(body, depth + 1)?;
                path.push(name.clone());
                (Some(WriteOp::Set(draft)).filter(|op| !is_nothing(op)), Echo::Name(name))
            }
            Verb::Patch => match parse_update(body, depth)? {
                None => set(Node::Empty.into()),
                Some(changes) => (Some(WriteOp::Update(changes)).filter(|op| !is_nothing(op)), Echo::Members),
            },
            Verb::Delete | Verb::Get => set(Node::Empty.into()),
        };
        self.check_conditions()?;
        Ok(Prepared { write: op.map(|op| Write { path, op }), echo })
    }
}

impl Echo {
    /// Writes the answer to a write at `path` that was settled to `changes`, as JSON.
    pub fn write_json(&self, path: &Path, changes: &[Change], out: &mut Vec<u8>) {
        match self {
            Self::Name(name) => {
                out.extend_from_slice(b"{\"name\":");
                write_string(name.as_str(), out);
                out.push(b'}');
            }
            Self::Value => match changes.first() {
                Some(change) => write_value(&change.value, out),
                None => out.extend_from_slice(b"null"),
            },
            Self::Members => {
                out.push(b'{');
                for (index, change) in changes.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_string(&member_name(path, change), out);
                    out.push(b':');
                    write_value(&change.value, out);
                }
                out.push(b'}');
            }
        }
    }
}

fn member_name(path: &Path, change: &Change) -> String {
    let name = relative(&change.path.strip_prefix(path).unwrap_or_default());
    match &change.value {
        Value::Node(_) => name,
        Value::Priority(_) if name.is_empty() => ".priority".to_owned(),
        Value::Priority(_) => name + "/.priority",
    }
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Node(node) => node.write_json(Format::Plain, out),
        Value::Priority(priority) => priority_node(priority.as_ref()).write_json(Format::Plain, out),
    }
}

/// A push of nothing, or an update of nothing.
fn is_nothing(op: &WriteOp) -> bool {
    match op {
        WriteOp::Set(draft) => draft.placeholders.is_empty() && draft.value == Value::Node(Node::Empty),
        WriteOp::Update(changes) => changes.is_empty(),
    }
}

fn no_priority() -> Draft {
    Draft { value: Value::Priority(None), placeholders: Vec::new() }
}

/// The content of the only part of a `multipart/form-data` body.
fn file_in_form<'a>(content_type: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    let (kind, parameters) = content_type.split_once(';')?;
    let boundary = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let boundary = boundary.trim_matches('"');
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") || boundary.is_empty() {
        return None;
    }
    let rest = body.strip_prefix(format!("--{boundary}\r\n").as_bytes())?;
    let content = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    // There is one part, so its end is the end of all: found from behind, whatever the size.
    let end = format!("\r\n--{boundary}--");
    let content_end = rest.windows(end.len()).rposition(|bytes| bytes == end.as_bytes())?;
    rest.get(content..content_end)
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use hyper::Method;
    use hyper::header::{HeaderMap, HeaderName, HeaderValue};

    use super::super::request::Ask;
    use super::*;

    const NO_HEADERS: &[(&str, &str)] = &[];

    fn writing(method: &Method, target: &str, headers: &[(&str, &str)]) -> Writing {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = headers.iter().map(header).collect();
        match Ask::parse(method, path, query, &headers) {
            Ok(Ask::Write(writing)) => writing,
            other => panic!("{other:?}"),
        }
    }

    fn prepare(method: &Method, target: &str, headers: &[(&str, &str)], body: &str) -> Result<Prepared, Failure> {
        writing(method, target, headers).prepare(body.as_bytes(), || Key::parse("-name").unwrap())
    }

    fn error(method: &Method, target: &str, headers: &[(&str, &str)], body: &str) -> String {
        let failure = prepare(method, target, headers, body).unwrap_err();
        assert_eq!(failure.status, 400);
        failure.text.into_owned()
    }

    /// The answer, as if the write had been settled to exactly what it asks for.
    fn echo(method: &Method, target: &str, body: &str) -> String {
        let prepared = prepare(method, target, NO_HEADERS, body).unwrap();
        let path = prepared.write.as_ref().map(|write| write.path.clone()).unwrap_or_default();
        let changes = match prepared.write.map(|write| write.op) {
            Some(WriteOp::Set(draft)) => vec![Change { path: path.clone(), value: draft.value }],
            Some(WriteOp::Update(changes)) => {
                let settled = |(below, draft): (Path, Draft)| Change { path: path.join(&below), value: draft.value };
                changes.into_iter().map(settled).collect()
            }
            None => Vec::new(),
        };
        let mut out = Vec::new();
        prepared.echo.write_json(&path, &changes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn answers_show_what_is_stored() {
        let table = [
            (Method::PUT, "/t.json", r#"{"a":[1,2],"b":null}"#, r#"{"a":[1,2]}"#),
            (Method::PUT, "/t.json", "null", "null"),
            (Method::PUT, "/t.json", "{\"a\":1,\".priority\":3}", "{\"a\":1}"),
            (Method::PUT, "/t/.priority.json", "5", "5"),
            (Method::PUT, "/t/.priority.json", "null", "null"),
            (Method::DELETE, "/t/.priority.json", "", "null"),
            (Method::DELETE, "/t.json", "whatever", "null"),
            (Method::POST, "/t.json", "{\"x\":1}", "{\"name\":\"-name\"}"),
            (Method::POST, "/t.json", "null", "{\"name\":\"-name\"}"),
            (Method::POST, "/t.json", "\"\"", "{\"name\":\"-name\"}"),
            (Method::PATCH, "/t.json", r#"{"a/0":9,"/c/":{"d":1},"z":null}"#, r#"{"a/0":9,"c":{"d":1},"z":null}"#),
            (Method::PATCH, "/t.json", r#"{"a/.priority":"p",".priority":1}"#, r#"{".priority":1,"a/.priority":"p"}"#),
            (Method::PATCH, "/t.json", "{}", "{}"),
            (Method::PATCH, "/t.json", "null", "null"),
        ];
        for (method, target, body, expected) in table {
            assert_eq!(echo(&method, target, body), expected, "{method} {target} {body}");
        }
    }

    #[test]
    fn empty_pushes_and_updates_write_nothing() {
        assert_eq!(prepare(&Method::POST, "/t.json", NO_HEADERS, "null").unwrap().write, None);
        assert_eq!(prepare(&Method::PATCH, "/t.json", NO_HEADERS, "{}").unwrap().write, None);
        let deleted = prepare(&Method::PATCH, "/t.json", NO_HEADERS, " null ").unwrap().write;
        assert_eq!(deleted, Some(Write::set(Path::parse("t").unwrap(), Node::Empty)));
    }

    #[test]
    fn bad_bodies_get_the_sources_texts() {
        let value = "Invalid data; couldn't parse JSON object, array, or value.";
        let object = "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?";
        let table = [
            (Method::PUT, "", "Error: No data supplied."),
            (Method::POST, " \n", "Error: No data supplied."),
            (Method::PATCH, "", "Error: No data supplied."),
            (Method::PUT, "{", value),
            (Method::PUT, "{\"a/b\":1}", value),
            (Method::PUT, "{\"a$\":1}", value),
            (Method::POST, "1e400", value),
            (Method::POST, "{\"\":1}", value),
            (Method::PATCH, "[1]", object),
            (Method::PATCH, "1", object),
            (Method::PATCH, "{\"a#\":1}", object),
        ];
        for (method, body, expected) in table {
            assert_eq!(error(&method, "/t.json", NO_HEADERS, body), expected, "{method} {body}");
        }
        for (method, body) in [(Method::PATCH, "{\"a\":1,\"a/b\":2}"), (Method::PUT, "{\".sv\":\"x\"}")] {
            assert!(error(&method, "/t.json", NO_HEADERS, body).starts_with("Invalid data; "), "{body}");
        }
        assert_eq!(error(&Method::PATCH, "/t.json", &[("x-firebase-etag", "true")], "[1]"), object);
    }

    #[test]
    fn conditions_follow_the_table() {
        let (etag, condition) = ([("x-firebase-etag", "true")], [("if-match", "\"abc\"")]);
        for target in ["/t.json", "/t.json?writeSizeLimit=tiny"] {
            for method in [Method::PUT, Method::DELETE] {
                assert!(prepare(&method, target, &etag, "1").is_ok());
                assert!(prepare(&method, target, &condition, "1").is_ok());
            }
            assert!(prepare(&Method::POST, target, &etag, "1").is_ok());
            assert_eq!(error(&Method::POST, target, &condition, "1"), Failure::IF_MATCH.text);
            assert_eq!(error(&Method::PATCH, target, &condition, "{\"a\":1}"), Failure::IF_MATCH.text);
            assert_eq!(error(&Method::PATCH, target, &etag, "{\"a\":1}"), Failure::ETAG.text);
        }
        assert_eq!(writing(&Method::PUT, "/t.json", &condition).if_match.as_deref(), Some("abc"));
        assert_eq!(error(&Method::PUT, "/t.json?print=silent", &condition, "1"), Failure::SILENT_IF_MATCH.text);
        assert_eq!(error(&Method::PUT, "/t/.priority.json", &condition, "1"), Failure::IF_MATCH.text);
    }

    #[test]
    fn uploaded_form_is_unwrapped() {
        let part = "Content-Disposition: form-data; name=\"myFile\"; filename=\"a.json\"";
        let body = &format!("--xY\r\n{part}\r\n\r\n{{\"a\":1}}\r\n--xY--\r\n");
        let headers = [("content-type", "multipart/form-data; boundary=xY")];
        let upload = prepare(&Method::POST, "/p/.upload", &headers, body).unwrap();
        let put = prepare(&Method::PUT, "/p.json", NO_HEADERS, "{\"a\":1}").unwrap();
        assert_eq!(upload, put);
        for broken in ["", "--xY\r\n", "--xY\r\n\r\n\r\n--xY--"] {
            assert_eq!(error(&Method::POST, "/p/.upload", &headers, broken), Failure::FORM.text, "{broken}");
        }
        assert_eq!(error(&Method::POST, "/p/.upload", NO_HEADERS, body), Failure::FORM.text);
    }
}
