//! Requests: the body of each action becomes what the engine is asked. Pure.
//!
//! A body that cannot be understood becomes an answer that says so: the connection goes on. Source: Firebase realtime
//! protocol 6.3 to 6.7, 7, 9.1, 14, 18.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::codec::Outcome;
use crate::base::limits::REALTIME_WRITE_BYTES_MAX;
use crate::engine::{Arm, Condition, Known};
use crate::model::compound_hash::CompoundHash;
use crate::model::json::{parse_priority, parse_update, replace_lone_surrogates};
use crate::model::{Draft, Path, Query, Write, WriteOp};

/// One request. Its number comes back with the answer.
#[derive(Debug)]
pub struct Request {
    pub number: u64,
    pub action: Action,
}

#[derive(Debug)]
pub enum Action {
    /// The answer is known without asking anybody.
    Answer(Outcome),
    Listen(Listen),
    Unlisten(ListenKey),
    Read {
        path: Path,
        query: Query,
    },
    Write {
        write: Write,
        condition: Option<Condition>,
    },
    Arm(Arm),
    /// From now on the connection is that of whoever the credential shows.
    Identify(Shown),
    Unauthenticate,
}

/// A credential, and whom its owner wants to be taken for.
pub struct Shown {
    pub credential: String,
    /// Whether it came where administrators send theirs.
    pub is_bearer: bool,
    /// The `auth` variable to act with, as JSON; null for nobody.
    pub act_as: Option<Json>,
}

/// Never the credential.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown")
            .field("is_bearer", &self.is_bearer)
            .field("act_as", &self.act_as)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub struct Listen {
    pub key: ListenKey,
    pub query: Query,
    /// The query as the client wrote it, to be repeated when the listen is cancelled; empty for none.
    pub query_text: String,
    pub known: Option<Known>,
}

/// What tells the listens of one connection apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenKey {
    /// Everything at the path. SDKs before 2.0 ask for it by the queries that they filter by themselves, in canonical
    /// form (18.3); empty for none.
    Default {
        path: Path,
        queries: String,
    },
    Tagged {
        path: Path,
        tag: i64,
    },
}

/// The members of all bodies.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    p: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "given")]
    d: Option<&'a RawValue>,
    #[serde(borrow)]
    h: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ch: Option<&'a RawValue>,
    #[serde(borrow)]
    q: Option<&'a RawValue>,
    t: Option<i64>,
    #[serde(borrow)]
    cred: Option<Cow<'a, str>>,
    authvar: Option<Json>,
    noauth: Option<bool>,
}

/// A null that is written is data; one that is not is a mistake.
fn given<'de, D: Deserializer<'de>>(json: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(json).map(Some)
}

impl Action {
    /// What `name` asks with `body`, a JSON text.
    pub fn parse(name: &str, body: &str) -> Self {
        match name {
            "s" | "appcheck" | "unappeck" | "unappcheck" => Self::Answer(Outcome::DONE),
            "unauth" => Self::Unauthenticate,
            "q" | "n" | "l" | "u" | "g" | "p" | "m" | "o" | "om" | "oc" | "auth" | "gauth" | "echo" => {
                Self::read(name, body).unwrap_or_else(Self::Answer)
            }
            _ => Self::Answer(Outcome::failure(format_args!("Unknown action: {name}"))),
        }
    }

    fn read(name: &str, body: &str) -> Result<Self, Outcome> {
        // Half characters are escaped by some clients, and refused by the parser.
        let repaired;
        let body = match serde_json::from_str::<Body<'_>>(body) {
            Ok(body) => body,
            Err(error) => {
                let wrong = |error: serde_json::Error| Outcome::failure(format_args!("Invalid request: {error}"));
                repaired = replace_lone_surrogates(body).ok_or_else(|| wrong(error))?;
                serde_json::from_str(&repaired).map_err(wrong)?
            }
        };
        match name {
            "auth" | "gauth" => return body.shown(name == "gauth").map(Self::Identify),
            "echo" => return Ok(Self::Answer(Outcome::ok(body.d.map_or("null", RawValue::get).to_owned()))),
            _ => {}
        }
        let place = Place::parse(body.p.as_deref().ok_or_else(|| Outcome::failure("Invalid request: no path"))?)?;
        let Some(place) = place else { return Ok(Self::Answer(of_client(name))) };
        match name {
            "q" => body.listen(place),
            "n" => Ok(Self::Unlisten(body.listen_key(place.node()?))),
            "l" => body.old_listen(place),
            "u" => Ok(Self::Unlisten(ListenKey::Default { path: place.node()?, queries: body.old_queries()? })),
            "g" => Ok(Self::Read { path: place.node()?, query: body.query()? }),
            "p" => Ok(Self::Write {
                condition: body.condition(&place),
                write: Write { op: WriteOp::Set(body.draft(&place)?), path: place.path },
            }),
            "m" => body.update(place),
            "o" => Ok(Self::Arm(Arm::Set(vec![(place.path.clone(), body.draft(&place)?)]))),
            "om" => {
                let path = place.node()?;
                let drafts = body.drafts(&path)?.into_iter().map(|(below, draft)| (path.join(&below), draft)).collect();
                Ok(Self::Arm(Arm::Set(drafts)))
            }
            _ => Ok(Self::Arm(Arm::Cancel(place.node()?))),
        }
    }
}

/// Below `.info`, which clients know by themselves, there is nothing to read and nothing may be written (7.3, 16).
fn of_client(action: &str) -> Outcome {
    match action {
        "q" | "l" => Outcome::LISTENING,
        "n" | "u" => Outcome::DONE,
        "g" => Outcome::NULL,
        _ => Outcome::DENIED,
    }
}

impl Body<'_> {
    fn shown(self, is_bearer: bool) -> Result<Shown, Outcome> {
        let credential = self.cred.ok_or_else(|| Outcome::failure("Invalid request: no credential"))?.into_owned();
        let act_as = if self.noauth == Some(true) { Some(Json::Null) } else { self.authvar };
        Ok(Shown { credential, is_bearer, act_as })
    }

    fn listen(self, place: Place) -> Result<Action, Outcome> {
        let mut query = self.query()?;
        if self.t.is_none() {
            if !query.is_whole() {
                return Err(Outcome::failure("Invalid query: a listen that is constrained needs a tag"));
            }
            // The order is the client's business, and all listeners of everything may share.
            query = Query::default();
        }
        // The first listen of a query is told that there is nothing, too (9.5).
        let known = self.known().filter(|known| self.t.is_none() || !known.hash.is_empty());
        let query_text = self.q.filter(|_| self.t.is_some()).map_or("", RawValue::get).to_owned();
        Ok(Action::Listen(Listen { key: self.listen_key(place.node()?), query, query_text, known }))
    }

    fn listen_key(&self, path: Path) -> ListenKey {
        match self.t {
            Some(tag) => ListenKey::Tagged { path, tag },
            None => ListenKey::Default { path, queries: String::new() },
        }
    }

    fn old_listen(self, place: Place) -> Result<Action, Outcome> {
        let key = ListenKey::Default { path: place.node()?, queries: self.old_queries()? };
        let known = self.known();
        Ok(Action::Listen(Listen { key, query: Query::default(), query_text: String::new(), known }))
    }

    /// What the client holds already; hashes of its parts that make no sense are left out, and it is told everything.
    fn known(&self) -> Option<Known> {
        let compound = self.ch.and_then(|ch| CompoundHash::parse(&serde_json::from_str(ch.get()).ok()?));
        Some(Known { hash: self.h.as_deref()?.to_owned(), compound })
    }

    /// The array of queries of an old SDK, whatever the order of its members.
    fn old_queries(&self) -> Result<String, Outcome> {
        let Some(queries) = self.q else { return Ok(String::new()) };
        let wrong = || Outcome::failure("Invalid query: it must be an array of objects");
        let mut queries: Vec<Json> = serde_json::from_str(queries.get()).map_err(|_| wrong())?;
        if !queries.iter().all(Json::is_object) {
            return Err(wrong());
        }
        queries.sort_by_cached_key(Json::to_string);
        Ok(Json::from(queries).to_string())
    }

    fn query(&self) -> Result<Query, Outcome> {
        let Some(query) = self.q else { return Ok(Query::default()) };
        let query: Json = serde_json::from_str(query.get()).map_err(|_| Outcome::failure("Invalid query"))?;
        Query::from_wire(&query).map_err(Outcome::failure)
    }

    fn condition(&self, place: &Place) -> Option<Condition> {
        match &self.h {
            Some(hash) => Some(Condition::Hash(hash.as_ref().to_owned())),
            // A priority alone must find the data that it is to order (11.2).
            None => place.is_priority.then_some(Condition::Present),
        }
    }

    /// The text of the data.
    fn data(&self) -> Result<&[u8], Outcome> {
        let data = self.d.ok_or_else(|| Outcome::failure("Invalid request: no data"))?.get();
        if data.len() > REALTIME_WRITE_BYTES_MAX {
            return Err(Outcome::failure(
                "Data to write exceeds the maximum size that can be modified with a single request.",
            ));
        }
        Ok(data.as_bytes())
    }

    fn draft(&self, place: &Place) -> Result<Draft, Outcome> {
        let data = self.data()?;
        let draft = if place.is_priority { parse_priority(data) } else { Draft::parse(data, place.path.len()) };
        draft.map_err(Outcome::failure)
    }

    /// The places of an update of `path`, and what they are to hold.
    fn drafts(&self, path: &Path) -> Result<Vec<(Path, Draft)>, Outcome> {
        let drafts = parse_update(self.data()?, path.len()).map_err(Outcome::failure)?;
        drafts.ok_or_else(|| Outcome::failure("Invalid data; an update must be an object."))
    }

    fn update(&self, place: Place) -> Result<Action, Outcome> {
        let path = place.node()?;
        let drafts = self.drafts(&path)?;
        if drafts.is_empty() {
            return Ok(Action::Answer(Outcome::DONE));
        }
        Ok(Action::Write { write: Write { path, op: WriteOp::Update(drafts) }, condition: None })
    }
}

/// A path of a body.
#[derive(Debug)]
struct Place {
    path: Path,
    /// Whether its last element is `.priority`: the path is that of the node.
    is_priority: bool,
}

impl Place {
    /// `None`: at or below `.info`.
    fn parse(text: &str) -> Result<Option<Self>, Outcome> {
        let text = text.trim_matches('/');
        if text.split('/').next() == Some(".info") {
            return Ok(None);
        }
        let above = text.strip_suffix(".priority").filter(|above| above.is_empty() || above.ends_with('/'));
        let path = Path::parse(above.unwrap_or(text))
            .map_err(|error| Outcome::failure(format_args!("Invalid path: {error}")))?;
        Ok(Some(Self { path, is_priority: above.is_some() }))
    }

    /// The path, where a priority alone will not do.
    fn node(self) -> Result<Path, Outcome> {
        if self.is_priority {
            return Err(Outcome::failure("Invalid path: a priority can only be written"));
        }
        Ok(self.path)
    }
}

#[cfg(test)]
mod tests;
