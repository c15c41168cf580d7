//! What is to be explained: a request that somebody could make, as JSON. Pure but for [`Question::ask`].
//!
//! | member | |
//! |---|---|
//! | `auth` | who asks: null or absent (nobody), the `auth` variable of rules, or `"admin"` |
//! | `now` | when, in ms since 1970; absent: now |
//! | `read` | a path; with `query`, as REST names its parameters or as the realtime protocol does |
//! | `write` | a path, and the new `value` there (null removes it) |
//! | `update` | a path, and `values` (or `value`) by path below it |

use std::collections::BTreeMap;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::base::Millis;
use crate::base::limits::EXPLAIN_PLACES_MAX;
use crate::engine::{Database, Explained, Snapshot, StoreError};
use crate::model::json::parse_update;
use crate::model::{Draft, Identity, Path, Query, Write, WriteOp};

/// A request, and who makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub who: Identity,
    pub now: Option<Millis>,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Read(Path, Query),
    Write(Write),
}

/// Members of a JSON object, each as its text: a value must keep its null, and its numbers their form.
pub type Members = BTreeMap<String, Box<RawValue>>;

impl Question {
    /// Reads the object above.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let mut members: Members =
            serde_json::from_slice(text).map_err(|error| format!("the question must be a JSON object: {error}"))?;
        let question = Self::take(&mut members)?;
        match members.keys().next() {
            Some(unknown) => Err(format!("'{unknown}' is not known here")),
            None => Ok(question),
        }
    }

    /// The same from the members of an object, which are taken out of it; others stay.
    ///
    /// # Errors
    /// As there.
    pub fn take(members: &mut Members) -> Result<Self, String> {
        let who = members.remove("auth").map_or(Ok(Identity::Nobody), |auth| identity(&auth))?;
        let now = members.remove("now").map(|now| now.get().parse::<Millis>());
        let now = now.transpose().map_err(|_| "'now' must be a whole number of milliseconds")?;
        let mut place = |name: &str| members.remove(name).map(|raw| path(name, &raw)).transpose();
        let what = match (place("read")?, place("write")?, place("update")?) {
            (Some(path), None, None) => {
                let asked = members.remove("query").map_or(Ok(Query::default()), |asked| query(&asked));
                What::Read(path, asked?)
            }
            (None, Some(path), None) => {
                let value = members.remove("value").ok_or("'write' needs a 'value' (null removes what is there)")?;
                let draft = Draft::parse(value.get().as_bytes(), path.len()).map_err(|error| error.to_string())?;
                What::Write(Write { path, op: WriteOp::Set(draft) })
            }
            (None, None, Some(path)) => {
                let values = members.remove("values").or_else(|| members.remove("value"));
                let values = values.ok_or("'update' needs 'values', by path")?;
                let values = parse_update(values.get().as_bytes(), path.len()).map_err(|error| error.to_string())?;
                let values = values.ok_or("'values' must be an object")?;
                if values.len() > EXPLAIN_PLACES_MAX {
                    return Err(format!("'values' may have at most {EXPLAIN_PLACES_MAX} paths: ask about fewer"));
                }
                What::Write(Write { path, op: WriteOp::Update(values) })
            }
            _ => return Err("one of 'read', 'write' and 'update' must be there, with a path".to_owned()),
        };
        Ok(Self { who, now, what })
    }

    /// Asks the rules that are in force. Nothing is written. Blocks for as long as they look at data.
    ///
    /// # Errors
    /// The data cannot be read.
    pub fn ask(self, database: &Database, snapshot: &Snapshot) -> Result<Explained, StoreError> {
        let now = self.now.unwrap_or_else(|| database.now());
        match self.what {
            What::Read(path, query) => database.explain_read(snapshot, &self.who, now, &path, &query),
            What::Write(write) => database.explain_write(snapshot, &self.who, now, write),
        }
    }
}

fn identity(auth: &RawValue) -> Result<Identity, String> {
    match serde_json::from_str(auth.get()) {
        Ok(Json::String(name)) if name == "admin" => Ok(Identity::Admin),
        Ok(auth @ (Json::Null | Json::Object(_))) => Ok(Identity::of(auth)),
        _ => Err("'auth' must be null, an object such as {\"uid\": \"ann\"}, or \"admin\"".to_owned()),
    }
}

fn path(name: &str, raw: &RawValue) -> Result<Path, String> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| format!("'{name}' must be a path, as a string"))?;
    Path::parse(&text).map_err(|error| format!("'{name}' is no path: {error}"))
}

/// As REST has it if one of its names is there: `{"orderBy": "at", "limitToLast": 5}`.
fn query(raw: &RawValue) -> Result<Query, String> {
    let json: Json = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    let members = json.as_object().ok_or("'query' must be an object")?;
    let is_rest = members.keys().any(|name| REST.contains(&name.as_str()));
    let known: &[&str] = if is_rest { &REST } else { &WIRE };
    if let Some(unknown) = members.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("'{unknown}' is not known in a query; these are: {}", known.join(", ")));
    }
    if !is_rest {
        return Query::from_wire(&json);
    }
    let texts: Vec<(&str, String)> = members.iter().map(|(name, value)| (name.as_str(), rest_text(value))).collect();
    let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Query::from_params(&texts).map(Option::unwrap_or_default).map_err(|error| error.to_string())
}

/// A value as it would stand in a URL; with a key among equal values, `[value, key]`.
fn rest_text(value: &Json) -> String {
    match value {
        Json::Array(parts) => parts.iter().map(Json::to_string).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

const REST: [&str; 8] =
    ["orderBy", "startAt", "startAfter", "endAt", "endBefore", "equalTo", "limitToFirst", "limitToLast"];
const WIRE: [&str; 9] = ["sp", "sn", "sin", "ep", "en", "ein", "l", "vf", "i"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Limit;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn question_of_each_kind_is_read() {
        let read = Question::parse(br#"{"read":"/a"}"#).unwrap();
        let what = What::Read(path("a"), Query::default());
        assert_eq!(read, Question { who: Identity::Nobody, now: None, what });
        let write = Question::parse(br#"{"auth":{"uid":"x"},"now":5,"write":"a/b","value":null}"#).unwrap();
        let op = WriteOp::Set(Draft::parse(b"null", 2).unwrap());
        let what = What::Write(Write { path: path("a/b"), op });
        assert_eq!(write, Question { who: Identity::of(json!({"uid": "x"})), now: Some(5), what });
        let update = Question::parse(br#"{"auth":"admin","update":"/","values":{"a/b":1}}"#).unwrap();
        let op = WriteOp::Update(parse_update(br#"{"a/b":1}"#, 0).unwrap().unwrap());
        assert_eq!((update.who, update.what), (Identity::Admin, What::Write(Write { path: Path::root(), op })));
    }

    #[test]
    fn query_is_read_in_both_forms() {
        let query = |text: &str| match Question::parse(format!("{{\"read\":\"/\",\"query\":{text}}}").as_bytes())
            .map(|ask| ask.what)
        {
            Ok(What::Read(_, query)) => Ok(query),
            Ok(other) => panic!("{other:?}"),
            Err(wrong) => Err(wrong),
        };
        let rest = query(r#"{"orderBy":"at","startAt":[3,"k"],"limitToFirst":2}"#).unwrap();
        assert_eq!(rest, query(r#"{"i":"at","sp":3,"sn":"k","l":2,"vf":"l"}"#).unwrap());
        assert_eq!(rest.limit, Some(Limit::First(2)));
        assert_eq!(query("{}").unwrap(), Query::default());
        assert!(query(r#"{"orderby":"at"}"#).unwrap_err().contains("'orderby' is not known"));
        assert!(query(r#"{"orderBy":"at","limit":1}"#).unwrap_err().contains("limitToLast"));
        assert!(query(r#"{"limitToFirst":1}"#).unwrap_err().starts_with("orderBy must be defined"));
        assert!(query("[]").is_err());
    }

    #[test]
    fn nonsense_is_refused_with_what_is_wrong() {
        for (text, part) in [
            ("", "must be a JSON object"),
            ("[]", "must be a JSON object"),
            ("{}", "one of 'read', 'write' and 'update'"),
            (r#"{"read":"/","write":"/","value":1}"#, "one of 'read', 'write' and 'update'"),
            (r#"{"write":"/a"}"#, "needs a 'value'"),
            (r#"{"write":"/a","value":{"a.b":1}}"#, "Invalid data"),
            (r#"{"update":"/a"}"#, "needs 'values'"),
            (r#"{"update":"/a","values":null}"#, "must be an object"),
            (r#"{"read":"/a.b"}"#, "'read' is no path"),
            (r#"{"read":5}"#, "'read' must be a path"),
            (r#"{"read":"/","auth":"ann"}"#, "'auth' must be null"),
            (r#"{"read":"/","now":"x"}"#, "'now' must be"),
            (r#"{"read":"/","value":1}"#, "'value' is not known here"),
        ] {
            let error = Question::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let update = |count: usize| {
            let values: BTreeMap<String, usize> = (0..count).map(|number| (number.to_string(), number)).collect();
            Question::parse(json!({"update": "/", "values": values}).to_string().as_bytes())
        };
        assert!(update(EXPLAIN_PLACES_MAX).is_ok());
        assert!(update(EXPLAIN_PLACES_MAX + 1).unwrap_err().contains("ask about fewer"));
    }
}
