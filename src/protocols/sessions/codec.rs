//! Sessions on the wire: requests, replies and stream events. Pure. The contract is `docs/sessions.md`.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::base::Millis;
use crate::engine::{Encoder, Event, Position};
use crate::model::{Draft, Format, Identity, Node, Path, Query, WriteOp, json};

/// One request, parsed.
#[derive(Debug)]
pub struct Request {
    pub n: u64,
    pub verb: Verb,
}

#[derive(Debug)]
pub enum Verb {
    Listen {
        key: String,
        path: Path,
        query: Query,
    },
    Unlisten {
        key: String,
    },
    Write {
        path: Path,
        op: WriteOp,
        if_match: Option<String>,
    },
    Get {
        path: Path,
        query: Option<Query>,
    },
    Arm(Vec<(Path, Draft)>),
    Disarm(Path),
    /// Well-formed JSON that asks for nothing we can do; the text says why.
    Refused(String),
}

/// A request as it is written: its number, one verb, and what belongs to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    n: u64,
    listen: Option<String>,
    unlisten: Option<String>,
    set: Option<String>,
    update: Option<String>,
    get: Option<String>,
    on_disconnect_set: Option<String>,
    on_disconnect_update: Option<String>,
    on_disconnect_cancel: Option<String>,
    if_match: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The credential of the session's client has ended.
pub const REVOKED: Bytes =
    Bytes::from_static(b"event: auth_revoked\ndata: expired_token: credential is no longer valid\n\n");

/// Reads the body of a POST. A request that cannot be understood becomes [`Verb::Refused`]: those beside it are still
/// done.
///
/// # Errors
/// The body is no JSON array of objects with a number `n`.
pub fn parse(body: &[u8]) -> Result<Vec<Request>, String> {
    let written: Vec<Written<'_>> =
        serde_json::from_slice(body).map_err(|error| format!("the body must be a JSON array of requests: {error}"))?;
    Ok(written
        .into_iter()
        .map(|request| Request { n: request.n, verb: verb(request).unwrap_or_else(Verb::Refused) })
        .collect())
}

fn verb(request: Written<'_>) -> Result<Verb, String> {
    // An absent `data` and `null` mean the same: nothing.
    let data = request.data.map_or("null", RawValue::get).as_bytes();
    let Written {
        listen,
        unlisten,
        set,
        update,
        get,
        on_disconnect_set,
        on_disconnect_update,
        on_disconnect_cancel,
        ..
    } = request;
    let verbs = [
        listen.map(|key| {
            let (path, query) = target(&key)?;
            Ok(Verb::Listen { key, path, query: query.unwrap_or_default() })
        }),
        unlisten.map(|key| Ok(Verb::Unlisten { key })),
        set.map(|path| set_verb(&path, data, request.if_match)),
        update.map(|path| {
            let path = place(&path)?;
            let op = update_op(&path, data)?;
            Ok(Verb::Write { path, op, if_match: None })
        }),
        get.map(|text| target(&text).map(|(path, query)| Verb::Get { path, query })),
        on_disconnect_set.map(|path| {
            let path = place(&path)?;
            let draft = draft(data, &path)?;
            Ok(Verb::Arm(vec![(path, draft)]))
        }),
        on_disconnect_update.map(|path| {
            let path = place(&path)?;
            let WriteOp::Update(places) = update_op(&path, data)? else { return Err("data must be an object".into()) };
            Ok(Verb::Arm(places.into_iter().map(|(below, draft)| (path.join(&below), draft)).collect()))
        }),
        on_disconnect_cancel.map(|path| place(&path).map(Verb::Disarm)),
    ];
    let mut verbs = verbs.into_iter().flatten();
    match (verbs.next(), verbs.next()) {
        (Some(verb), None) => verb,
        _ => Err(
            "a request has exactly one of listen, unlisten, set, update, get, onDisconnectSet, onDisconnectUpdate, \
                  onDisconnectCancel"
                .into(),
        ),
    }
}

fn set_verb(text: &str, data: &[u8], if_match: Option<String>) -> Result<Verb, String> {
    let node = text.strip_suffix("/.priority").or_else(|| (text == ".priority").then_some(""));
    let path = place(node.unwrap_or(text))?;
    let draft = match node {
        Some(_) => json::parse_priority(data).map_err(|error| error.to_string())?,
        None => draft(data, &path)?,
    };
    Ok(Verb::Write { path, op: WriteOp::Set(draft), if_match })
}

fn draft(data: &[u8], path: &Path) -> Result<Draft, String> {
    Draft::parse(data, path.len()).map_err(|error| error.to_string())
}

fn update_op(path: &Path, data: &[u8]) -> Result<WriteOp, String> {
    match json::parse_update(data, path.len()).map_err(|error| error.to_string())? {
        Some(changes) => Ok(WriteOp::Update(changes)),
        None => Ok(WriteOp::Set(Node::Empty.into())),
    }
}

/// A path, and the query behind a `?`.
fn target(text: &str) -> Result<(Path, Option<Query>), String> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let params: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    let query = Query::from_params(&params).map_err(|error| error.to_string())?;
    Ok((place(path)?, query))
}

fn place(text: &str) -> Result<Path, String> {
    let decoded: Cow<'_, str> =
        percent_decode_str(text).decode_utf8().map_err(|_| "a path must be UTF-8 once percent-decoded".to_owned())?;
    Path::parse(&decoded).map_err(|error| error.to_string())
}

/// A reply that says no more than that it is done.
pub fn reply_ok(n: u64) -> String {
    format!(r#"{{"n":{n},"status":"ok"}}"#)
}

/// A reply that carries data (JSON text), and its hash where there is one.
pub fn reply_data(n: u64, status: &str, data: &str, etag: Option<&str>) -> String {
    let mut reply = format!(r#"{{"n":{n},"status":"{status}","data":{data}"#);
    if let Some(etag) = etag {
        let _ = write!(reply, r#","etag":"{etag}""#);
    }
    reply.push('}');
    reply
}

pub fn reply_error(n: u64, text: &str) -> String {
    format!(r#"{{"n":{n},"status":"error","error":{}}}"#, quoted(text))
}

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The first event of a stream. `id` only on a new session: a resumed client keeps its own position until events move
/// it.
pub fn hello(
    session: &str,
    time: Millis,
    grace_ms: u128,
    who: &Identity,
    ends_at: Option<Millis>,
    position: Option<(&str, u64)>,
) -> Vec<u8> {
    let id = position.map(|(epoch, seq)| format!("id: {epoch}-{seq}\n")).unwrap_or_default();
    let resumed = position.is_none();
    let auth = match who {
        Identity::Nobody => String::new(),
        Identity::User(auth) => format!(",\"auth\":{auth}"),
        Identity::Admin => ",\"auth\":null".to_owned(),
    };
    let expires = ends_at.map(|end| format!(",\"expires\":{}", end / 1_000)).unwrap_or_default();
    let data =
        format!(r#"{{"session":"{session}","time":{time},"grace":{grace_ms},"resumed":{resumed}{auth}{expires}}}"#);
    format!("event: hello\n{id}data: {data}\n\n").into_bytes()
}

/// All requests up to `n` are done, and their data has come before.
pub fn ack(n: u64, epoch: &str, seq: u64) -> Vec<u8> {
    format!("event: ack\nid: {epoch}-{seq}\ndata: {{\"n\":{n}}}\n\n").into_bytes()
}

/// The events of one listener of a session.
pub struct SessionEncoder {
    id: String,
    /// The listener's key as a JSON string.
    key: String,
}

impl SessionEncoder {
    pub fn new(key: &str) -> Self {
        Self { id: format!("session {key}"), key: quoted(key) }
    }

    fn begin(&self, name: &str, position: Option<&Position<'_>>, path: &Path, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        if let Some(position) = position {
            out.extend_from_slice(format!("\nid: {}-{}", position.epoch, position.seq).as_bytes());
        }
        out.extend_from_slice(b"\ndata: {\"key\":");
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(b",\"path\":");
        out.extend_from_slice(quoted(&path.to_string()).as_bytes());
        out.extend_from_slice(b",\"data\":");
    }
}

impl Encoder for SessionEncoder {
    fn id(&self) -> &str {
        &self.id
    }

    fn format(&self) -> Format {
        Format::Export
    }

    fn encode(&self, event: &Event<'_>, position: Option<&Position<'_>>, out: &mut Vec<u8>) {
        match event {
            Event::Put { path, node } => {
                self.begin("put", position, path, out);
                node.write_json(Format::Export, out);
                out.extend_from_slice(b"}\n\n");
            }
            Event::Patch { path, changes } => {
                self.begin("patch", position, path, out);
                out.push(b'{');
                for (index, (below, node)) in changes.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    let name = below.to_string();
                    out.extend_from_slice(quoted(name.trim_start_matches('/')).as_bytes());
                    out.push(b':');
                    node.write_json(Format::Export, out);
                }
                out.extend_from_slice(b"}}\n\n");
            }
            Event::Cancel { reason } => {
                let reason = quoted(reason);
                out.extend_from_slice(
                    format!("event: cancel\ndata: {{\"key\":{},\"error\":{reason}}}\n\n", self.key).as_bytes(),
                );
            }
            // Sessions listen to values only, and a `put` at the root is their reset.
            Event::Child { .. } | Event::Reset | Event::Ranges { .. } => {}
        }
    }

    fn snapshot_frame(&self) -> (Vec<u8>, Vec<u8>) {
        let mut before = Vec::new();
        self.begin("put", None, &Path::root(), &mut before);
        (before, b"}\n\n".to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scalar;

    fn check(body: &str, expected: &str) {
        let text = match parse(body.as_bytes()) {
            Err(error) => format!("error {error}"),
            Ok(requests) => requests
                .iter()
                .map(|request| format!("{} {:?}", request.n, request.verb))
                .collect::<Vec<_>>()
                .join("; "),
        };
        assert!(text.contains(expected), "{body}\n  gave {text}\n  not  {expected}");
    }

    #[test]
    fn every_verb_is_understood() {
        check(r#"[{"n":1,"listen":"/rooms/x"}]"#, "1 Listen");
        check(r#"[{"n":1,"listen":"/r?orderBy=\"age\"&limitToFirst=3"}]"#, "First(3)");
        check(r#"[{"n":1,"listen":"/what%3Froom"}]"#, "what?room");
        check(r#"[{"n":2,"unlisten":"/rooms/x"}]"#, "2 Unlisten");
        check(r#"[{"n":3,"set":"/a","data":5,"ifMatch":"x"}]"#, "if_match: Some(\"x\")");
        check(r#"[{"n":3,"set":"/a/.priority","data":5}]"#, "Priority");
        check(r#"[{"n":4,"update":"/a","data":{"b/c":1}}]"#, "Update");
        check(r#"[{"n":5,"get":"/a"}]"#, "Get");
        check(r#"[{"n":6,"onDisconnectSet":"/a"}]"#, "Arm");
        check(r#"[{"n":7,"onDisconnectCancel":"/a"}]"#, "Disarm");
    }

    #[test]
    fn bad_requests_are_refused_one_by_one_and_bad_bodies_whole() {
        check(r#"[{"n":1},{"n":2,"get":"/a"}]"#, "2 Get");
        check(r#"[{"n":1,"get":"/a","set":"/b"}]"#, "exactly one of");
        check(r#"[{"n":1,"set":"/a.b","data":1}]"#, "Refused");
        check(r#"{"n":1}"#, "error the body must be a JSON array");
        check("[", "error the body");
    }

    #[test]
    fn events_are_one_data_line_with_a_position() {
        let encoder = SessionEncoder::new("/a?orderBy=\"x\"");
        let node = Node::leaf(Scalar::string("line\nbreak"));
        let position = Position { epoch: "e", seq: 7, part: 0, is_last: true };
        let mut out = Vec::new();
        encoder.encode(&Event::Put { path: &Path::root(), node: &node }, Some(&position), &mut out);
        let data = r#"{"key":"/a?orderBy=\"x\"","path":"/","data":"line\nbreak"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), format!("event: put\nid: e-7\ndata: {data}\n\n"));
    }
}
