//! A request as REST means it: method, target, parameters and headers become one typed thing to do. Pure.
//!
//! Source: Firebase REST reference 3, 5, 8.4, 11.1. What belongs to a combination that is not supported is refused
//! here, before anything is read or written.

use hyper::Method;
use hyper::header::{ACCEPT, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use super::child_events::parse_event_id;
use super::error::Failure;
use super::params::Params;
use super::selection::Selection;
use super::target::Target;
use crate::base::Millis;
use crate::base::limits::DEPTH_MAX;
use crate::engine::EventTypes;
use crate::engine::Resume;
use crate::model::{Format, Path};

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    Read(Read),
    Listen(Listen),
    Write(Writing),
    Rules(RulesAsk),
    Settings { name: String, verb: Verb, print: Print },
    Inspect { name: String, print: Print },
}

/// What may be asked of the rules of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulesAsk {
    /// As they were uploaded, or as plain JSON, laid out as `strict` says.
    Read { strict: Option<Print> },
    /// `dry_run`: they are only checked.
    Replace { dry_run: bool },
}

/// A method, overrides taken into account. HEAD is GET: the transport leaves the body out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

/// Data, or the priority of data.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub path: Path,
    pub is_priority: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub place: Place,
    pub selection: Selection,
    pub format: Format,
    pub timeout_ms: Millis,
    pub want_etag: bool,
    pub if_none_match: Option<String>,
    pub print: Print,
    pub callback: Option<String>,
    pub download: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    pub path: Path,
    pub selection: Selection,
    pub format: Format,
    pub events: Events,
}

/// The two kinds of event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Events {
    /// Firebase's own.
    Values,
    Children {
        types: EventTypes,
        resume: Option<Resume>,
    },
}

/// A write whose body is not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    pub verb: Verb,
    pub place: Place,
    /// The content type, if the body is a form whose file is the data.
    pub form: Option<String>,
    pub rows_max: Option<u64>,
    pub want_etag: bool,
    pub if_match: Option<String>,
    pub format: Format,
    pub print: Print,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    Compact,
    Pretty,
    Silent,
}

impl Ask {
    /// Reads everything of a request but its namespace, its credentials and its body.
    ///
    /// # Errors
    /// Whatever REST answers to it; see [`Failure`].
    pub fn parse(method: &Method, path: &str, query: &str, headers: &HeaderMap) -> Result<Self, Failure> {
        let params = Params::parse(query)?;
        let verb = Verb::parse(method, headers, &params)?;
        let (place, form) = match Target::parse(path)? {
            Target::Settings(name) if name == "rules" => return RulesAsk::parse(verb, &params).map(Self::Rules),
            Target::Settings(name) => return Ok(Self::Settings { name, verb, print: print(&params) }),
            Target::Inspect(_) if verb != Verb::Get => return Err(Failure::METHOD),
            Target::Inspect(name) => return Ok(Self::Inspect { name, print: print(&params) }),
            Target::Upload(_) if verb != Verb::Post => return Err(Failure::METHOD),
            Target::Upload(path) => (Place { path, is_priority: false }, Some(text(headers, "content-type"))),
            Target::Data(path) => (Place { path, is_priority: false }, None),
            Target::Priority(path) => (Place { path, is_priority: true }, None),
        };
        if verb != Verb::Get {
            let verb = if form.is_some() { Verb::Put } else { verb };
            return Writing::parse(verb, place, form, &params, headers).map(Self::Write);
        }
        if *method != Method::HEAD && wants_events(headers) {
            return Listen::parse(place, &params, headers).map(Self::Listen);
        }
        Read::parse(place, &params, headers).map(Self::Read)
    }
}

impl RulesAsk {
    fn parse(verb: Verb, params: &Params<'_>) -> Result<Self, Failure> {
        match verb {
            Verb::Get => Ok(Self::Read { strict: (params.get("format") == Some("strict")).then(|| print(params)) }),
            Verb::Put => Ok(Self::Replace { dry_run: params.is_true("dryRun") }),
            _ => Err(Failure::METHOD),
        }
    }
}

impl Verb {
    fn parse(method: &Method, headers: &HeaderMap, params: &Params<'_>) -> Result<Self, Failure> {
        match *method {
            Method::GET | Method::HEAD => Ok(Self::Get),
            Method::PUT => Ok(Self::Put),
            Method::PATCH => Ok(Self::Patch),
            Method::DELETE => Ok(Self::Delete),
            Method::POST => {
                let header = headers.get("x-http-method-override").map(|value| value.to_str().unwrap_or_default());
                header.or_else(|| params.get("x-http-method-override")).map_or(Ok(Self::Post), Self::named)
            }
            _ => Err(Failure::METHOD),
        }
    }

    fn named(name: &str) -> Result<Self, Failure> {
        let all = [Self::Get, Self::Put, Self::Post, Self::Patch, Self::Delete];
        let names = ["GET", "PUT", "POST", "PATCH", "DELETE"];
        let found = names.iter().zip(all).find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
        found.map(|(_, verb)| verb).ok_or(Failure::METHOD)
    }
}

impl Read {
    fn parse(place: Place, params: &Params<'_>, headers: &HeaderMap) -> Result<Self, Failure> {
        let read = Self {
            place,
            selection: Selection::parse(params)?,
            format: format(params),
            timeout_ms: params.timeout_ms()?,
            want_etag: wants_etag(headers),
            if_none_match: etag(headers, &IF_NONE_MATCH),
            print: print(params),
            callback: params.callback()?.map(str::to_owned),
            download: params.download(),
        };
        if headers.contains_key(IF_MATCH) {
            return Err(Failure::IF_MATCH);
        }
        if read.selection.is_query() && (read.want_etag || read.if_none_match.is_some()) {
            return Err(Failure::ETAG);
        }
        Ok(read)
    }
}

impl Listen {
    fn parse(place: Place, params: &Params<'_>, headers: &HeaderMap) -> Result<Self, Failure> {
        if place.is_priority {
            return Err(Failure::PRIORITY_USE);
        }
        let last_id = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()));
        let last_id = last_id.as_deref().or_else(|| params.get("lastEventId")).filter(|id| !id.is_empty());
        let events = match params.event_types()? {
            None => Events::Values,
            Some(types) => Events::Children { types, resume: last_id.map(parse_event_id) },
        };
        Ok(Self { path: place.path, selection: Selection::parse(params)?, format: format(params), events })
    }
}

impl Writing {
    fn parse(
        verb: Verb,
        place: Place,
        form: Option<String>,
        params: &Params<'_>,
        headers: &HeaderMap,
    ) -> Result<Self, Failure> {
        if place.is_priority && !matches!(verb, Verb::Put | Verb::Delete) {
            return Err(Failure::PRIORITY_USE);
        }
        if verb == Verb::Post && place.path.len() >= DEPTH_MAX {
            return Err(Failure::too_deep());
        }
        Ok(Self {
            verb,
            place,
            form,
            rows_max: params.rows_max()?,
            want_etag: wants_etag(headers),
            if_match: etag(headers, &IF_MATCH),
            format: format(params),
            print: print(params),
        })
    }

    /// Refuses conditions where there are none. To be called once the body is known to be good.
    ///
    /// # Errors
    /// 400 as in the table of 5.8.
    pub fn check_conditions(&self) -> Result<(), Failure> {
        let is_conditional = self.if_match.is_some();
        if is_conditional && (self.place.is_priority || matches!(self.verb, Verb::Post | Verb::Patch)) {
            return Err(Failure::IF_MATCH);
        }
        if self.want_etag && (self.place.is_priority || self.verb == Verb::Patch) {
            return Err(Failure::ETAG);
        }
        if is_conditional && self.print == Print::Silent {
            return Err(Failure::SILENT_IF_MATCH);
        }
        Ok(())
    }
}

fn print(params: &Params<'_>) -> Print {
    match params.get("print") {
        Some("pretty") => Print::Pretty,
        Some("silent") => Print::Silent,
        _ => Print::Compact,
    }
}

fn format(params: &Params<'_>) -> Format {
    if params.get("format") == Some("export") { Format::Export } else { Format::Plain }
}

fn wants_events(headers: &HeaderMap) -> bool {
    let names_events = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/event-stream"));
    headers.get_all(ACCEPT).iter().any(names_events)
}

fn wants_etag(headers: &HeaderMap) -> bool {
    headers.get("x-firebase-etag").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// The `ETag` of a condition; spaces and quotes around it do not count. One that is no text matches nothing.
fn etag(headers: &HeaderMap, name: &hyper::header::HeaderName) -> Option<String> {
    headers.get(name).map(|value| {
        let value = value.to_str().unwrap_or_default().trim();
        let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        unquoted.unwrap_or(value).to_owned()
    })
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;
    use crate::engine::EventType;

    type Headers<'a> = &'a [(&'a str, &'a str)];

    fn ask(method: &Method, target: &str, headers: Headers<'_>) -> Result<Ask, Failure> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        Ask::parse(method, path, query, &headers.iter().map(header).collect())
    }

    fn read(target: &str, headers: Headers<'_>) -> Read {
        match ask(&Method::GET, target, headers) {
            Ok(Ask::Read(read)) => read,
            other => panic!("{other:?}"),
        }
    }

    fn listen(target: &str, headers: Headers<'_>) -> Listen {
        let headers: Vec<_> = headers.iter().copied().chain([("accept", "text/event-stream")]).collect();
        match ask(&Method::GET, target, &headers) {
            Ok(Ask::Listen(listen)) => listen,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn methods_and_their_overrides_become_verbs() {
        let header = |value| [("x-http-method-override", value)];
        let table: [(Method, &str, Headers<'_>, Result<Verb, Failure>); 12] = [
            (Method::GET, "", &[], Ok(Verb::Get)),
            (Method::HEAD, "", &[], Ok(Verb::Get)),
            (Method::PUT, "", &[], Ok(Verb::Put)),
            (Method::POST, "", &[], Ok(Verb::Post)),
            (Method::POST, "", &header("put"), Ok(Verb::Put)),
            (Method::POST, "", &header("GET"), Ok(Verb::Get)),
            (Method::POST, "", &header("TRACE"), Err(Failure::METHOD)),
            (Method::PUT, "", &header("DELETE"), Ok(Verb::Put)),
            (Method::POST, "?x-http-method-override=PATCH", &[], Ok(Verb::Patch)),
            (Method::POST, "?x-http-method-override=delete", &[], Ok(Verb::Delete)),
            (Method::GET, "?x-http-method-override=DELETE", &[], Ok(Verb::Get)),
            (Method::TRACE, "", &[], Err(Failure::METHOD)),
        ];
        for (method, query, headers, expected) in table {
            let verb = ask(&method, &format!("/a.json{query}"), headers).map(|ask| match ask {
                Ask::Write(writing) => writing.verb,
                _ => Verb::Get,
            });
            assert_eq!(verb, expected, "{method} {query} {headers:?}");
        }
    }

    #[test]
    fn special_paths_take_only_their_methods() {
        assert_eq!(ask(&Method::GET, "/a/.upload", &[]), Err(Failure::METHOD));
        assert_eq!(ask(&Method::PUT, "/.inspect/databases.json", &[]), Err(Failure::METHOD));
        assert_eq!(ask(&Method::DELETE, "/.settings/rules.json", &[]), Err(Failure::METHOD));
        let databases = Ask::Inspect { name: "databases".into(), print: Print::Compact };
        assert_eq!(ask(&Method::GET, "/.inspect/databases.json", &[]), Ok(databases));
        for method in [Method::POST, Method::PATCH] {
            assert_eq!(ask(&method, "/a/.priority.json", &[]), Err(Failure::PRIORITY_USE));
        }
        assert_eq!(ask(&Method::POST, &format!("{}.json", "/k".repeat(32)), &[]), Err(Failure::too_deep()));
    }

    #[test]
    fn rules_are_read_or_replaced() {
        let rules = |method: &Method, query: &str| ask(method, &format!("/.settings/rules.json?{query}"), &[]);
        let table = [
            (Method::GET, "", RulesAsk::Read { strict: None }),
            (Method::GET, "format=export&print=pretty", RulesAsk::Read { strict: None }),
            (Method::GET, "format=strict&ns=a", RulesAsk::Read { strict: Some(Print::Compact) }),
            (Method::GET, "format=strict&print=pretty", RulesAsk::Read { strict: Some(Print::Pretty) }),
            (Method::PUT, "", RulesAsk::Replace { dry_run: false }),
            (Method::PUT, "dryRun=false", RulesAsk::Replace { dry_run: false }),
            (Method::PUT, "dryRun=true", RulesAsk::Replace { dry_run: true }),
        ];
        for (method, query, expected) in table {
            assert_eq!(rules(&method, query), Ok(Ask::Rules(expected)), "{method} {query}");
        }
    }

    #[test]
    fn conditions_of_reads_follow_the_table() {
        let etag = ("x-firebase-etag", "True");
        assert!(read("/a.json", &[etag]).want_etag);
        assert!(!read("/a.json", &[("x-firebase-etag", "1")]).want_etag);
        assert_eq!(read("/a.json", &[("if-none-match", " \"x=\" ")]).if_none_match.as_deref(), Some("x="));
        assert_eq!(ask(&Method::GET, "/a.json", &[("if-match", "x")]), Err(Failure::IF_MATCH));
        let query = "/a.json?orderBy=%22$key%22&limitToFirst=1";
        assert_eq!(ask(&Method::GET, query, &[etag]), Err(Failure::ETAG));
        assert_eq!(ask(&Method::GET, query, &[("if-none-match", "x")]), Err(Failure::ETAG));
        assert!(read("/a.json?shallow=true", &[etag]).want_etag);
    }

    #[test]
    fn parameters_are_checked_where_they_count() {
        assert_eq!(ask(&Method::GET, "/a.json?timeout=0ms", &[]), Err(Failure::TIMEOUT));
        assert!(ask(&Method::PUT, "/a.json?timeout=0ms", &[]).is_ok());
        assert_eq!(ask(&Method::PUT, "/a.json?writeSizeLimit=x", &[]), Err(Failure::WRITE_SIZE_LIMIT));
        assert!(
            ask(&Method::GET, "/a.json?writeSizeLimit=x&_=1&auth=a.b.c&access_token=owner&format=strict", &[]).is_ok()
        );
        assert_eq!(ask(&Method::GET, "/a.json?a=%zz", &[]), Err(Failure::PARAMETER_ENCODING));
        assert_eq!(read("/a.json?print=silent", &[]).print, Print::Silent);
        assert_eq!(read("/a.json?print=loud", &[]).print, Print::Compact);
        assert_eq!(read("/a.json?format=export", &[]).format, Format::Export);
    }

    #[test]
    fn accept_of_events_makes_a_stream() {
        assert_eq!(listen("/a.json", &[]).events, Events::Values);
        assert_eq!(listen("/a.json", &[("last-event-id", "e-1")]).events, Events::Values);
        let head = ask(&Method::HEAD, "/a.json", &[("accept", "text/event-stream")]);
        assert!(matches!(head, Ok(Ask::Read(_))));
        let accept = [("accept", "text/event-stream")];
        assert_eq!(ask(&Method::GET, "/a/.priority.json", &accept), Err(Failure::PRIORITY_USE));
        assert_eq!(ask(&Method::GET, "/a.json?on=x", &accept), Err(Failure::EVENT_TYPES));
        assert!(ask(&Method::GET, "/a.json?on=x", &[]).is_ok(), "without the header it is a parameter like any other");
    }

    #[test]
    fn child_stream_resumes_by_header_before_parameter() {
        let types = EventTypes::default().with(EventType::ChildAdded);
        let resume = |id: &str| Some(parse_event_id(id)).filter(|_| !id.is_empty());
        let table: [(&str, Headers<'_>, &str); 5] = [
            ("", &[], ""),
            ("&lastEventId=", &[], ""),
            ("&lastEventId=e-1", &[], "e-1"),
            ("&lastEventId=e-1", &[("last-event-id", "e-2-0")], "e-2-0"),
            ("", &[("last-event-id", "nonsense")], "nonsense"),
        ];
        for (query, headers, id) in table {
            let events = listen(&format!("/a.json?on=child_added{query}"), headers).events;
            assert_eq!(events, Events::Children { types, resume: resume(id) }, "{query} {headers:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_request_is_understood_or_refused(
            path in "(/|[a-z%$.]|\\PC)*(\\.json|/\\.upload)?",
            query in "([a-zA-Z]{1,12}=\\PC*&)*|on=[a-z,_]*|\\PC*",
            body: Vec<u8>,
        ) {
            for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH] {
                let headers = [("accept", "text/event-stream"), ("content-type", "multipart/form-data; boundary=-")];
                match ask(&method, &format!("{path}?{query}"), &headers) {
                    Ok(Ask::Write(writing)) => drop(writing.prepare(&body, || crate::model::Key::index(0))),
                    Ok(_) => {}
                    Err(failure) => assert!(failure.status.is_client_error()),
                }
            }
        }

        #[test]
        fn any_event_id_is_a_position_or_an_unknown_one(text in "\\PC*|[0-9a-f]{1,4}(-[0-9]{1,22}){1,3}") {
            let resume = parse_event_id(&text);
            assert!(resume.epoch.is_empty() || text.starts_with(&format!("{}-", resume.epoch)));
        }
    }
}
