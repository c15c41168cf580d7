//! `watch`: prints the events of a stream, and opens the stream again when it breaks.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use super::arguments::Watch;
use super::client::{Client, ClientError};
use super::colour::Colouring;
use super::events::{Event, Events};
use super::output::{Paint, note, say};
use super::place::rest_url;
use super::{FAILED, OK};
use crate::base::random;

/// Servers send a keep-alive every 30 s; after this silence the connection is taken for dead.
const SILENCE_SECONDS: u64 = 75;
/// The wait before the first new try, doubled with each, up to the largest; a random half is taken off.
const BACKOFF_MS: u64 = 500;
const BACKOFF_MS_MAX: u64 = 30_000;

/// Watches until stopped, or until the events asked for have come.
pub async fn watch(watch: &Watch) -> Result<ExitCode, ClientError> {
    let parameters: Vec<_> = watch.on.iter().map(|on| ("on", on.as_str())).collect();
    let uri = rest_url(&watch.place, &parameters).map_err(ClientError::Usage)?;
    let mut watcher = Watcher { client: Client::new(), uri, watch, last_id: String::new(), seen: 0, tries: 0 };
    // The first try must succeed: a server that was never there is more likely a wrong URL than a pause.
    let mut events = watcher.open().await?;
    loop {
        let broken = match watcher.follow(&mut events).await {
            Ended::Done(code) => return Ok(code),
            Ended::Broken(reason) => reason,
        };
        note(&format!("{broken}; connecting again"));
        events = watcher.reopen().await?;
    }
}

struct Watcher<'a> {
    client: Client,
    uri: Uri,
    watch: &'a Watch,
    /// Where to go on after a break: the newest event that had an id.
    last_id: String,
    seen: u64,
    /// Tries since the last event.
    tries: u32,
}

enum Ended {
    Done(ExitCode),
    Broken(String),
}

impl Watcher<'_> {
    async fn open(&self) -> Result<Events, ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Ok(id) = HeaderValue::from_str(&self.last_id)
            && !id.is_empty()
        {
            headers.insert(HeaderName::from_static("last-event-id"), id);
        }
        let response = self.client.send(&Method::GET, &self.uri, &headers, Bytes::new()).await?;
        Ok(Events::new(response.into_body()))
    }

    /// Tries until it succeeds, or until the server says that it never will.
    async fn reopen(&mut self) -> Result<Events, ClientError> {
        loop {
            sleep(self.pause()).await;
            self.tries += 1;
            match self.open().await {
                Err(ClientError::Refused { status, .. }) if status.is_server_error() => {}
                Err(ClientError::Unreached { .. } | ClientError::Broken(_)) => {}
                outcome => return outcome,
            }
        }
    }

    fn pause(&self) -> Duration {
        let full = BACKOFF_MS.saturating_mul(1 << self.tries.min(16)).min(BACKOFF_MS_MAX);
        Duration::from_millis(full / 2 + random::number() % (full / 2 + 1))
    }

    async fn follow(&mut self, events: &mut Events) -> Ended {
        loop {
            let event = match timeout(Duration::from_secs(SILENCE_SECONDS), events.next()).await {
                Err(_) => return Ended::Broken(format!("nothing came for {SILENCE_SECONDS} seconds")),
                Ok(None) => return Ended::Broken("the server ended the stream".to_owned()),
                Ok(Some(Err(reason))) => return Ended::Broken(format!("the connection broke ({reason})")),
                Ok(Some(Ok(event))) => event,
            };
            self.tries = 0;
            if !event.id.is_empty() {
                self.last_id.clone_from(&event.id);
            }
            if event.event == "keep-alive" {
                continue;
            }
            let printed = say(&line(&event, self.watch.place.json, Paint::for_stdout()));
            self.seen += 1;
            if printed != ExitCode::from(OK) || self.watch.count == Some(self.seen) {
                return Ended::Done(printed);
            }
            if event.event == "cancel" || event.event == "auth_revoked" {
                return Ended::Done(ExitCode::from(FAILED));
            }
        }
    }
}

/// The members of an event's data. Their values stay text, so that the order of keys within them stays the server's.
type Members = BTreeMap<String, Box<RawValue>>;

/// An event as one line.
fn line(event: &Event, is_json: bool, paint: Paint) -> String {
    let members: Option<Members> = serde_json::from_str(&event.data).ok();
    if is_json {
        return json_line(event, members);
    }
    let name = paint.strong(&format!("{:<13}", event.event));
    let coloured = |text: &str| String::from_utf8_lossy(&Colouring::new(paint).add(text.as_bytes())).into_owned();
    let member = |member: &str| members.as_ref().and_then(|members| members.get(member)).map(|raw| raw.get());
    // `put` and `patch` have a path and data, child events a key and a value; whatever else comes is shown as it is.
    let (place, value) = match (member("path"), member("key")) {
        (Some(path), _) => (path, member("data")),
        (None, Some(key)) => (key, member("value")),
        (None, None) => return format!("{name} {}\n", coloured(&event.data)),
    };
    let place: Option<String> = serde_json::from_str(place).unwrap_or_default();
    let place = place.map(|place| format!("{place} ")).unwrap_or_default();
    format!("{name} {place}{}\n", coloured(value.unwrap_or("null")))
}

/// `{"data":1,"event":"put","path":"/"}`: the members of the event's data beside its name and id.
fn json_line(event: &Event, members: Option<Members>) -> String {
    let raw = |text: &str| serde_json::value::to_raw_value(text).unwrap_or_default();
    let mut members = members.unwrap_or_else(|| match event.data.as_str() {
        "null" => Members::new(),
        data => {
            let data = serde_json::from_str(data).unwrap_or_else(|_| raw(data));
            std::iter::once(("data".to_owned(), data)).collect()
        }
    });
    members.insert("event".to_owned(), raw(&event.event));
    if !event.id.is_empty() {
        members.insert("id".to_owned(), raw(&event.id));
    }
    format!("{}\n", serde_json::to_string(&members).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: &str, data: &str) -> Event {
        Event { event: name.to_owned(), id: id.to_owned(), data: data.to_owned(), retry: None }
    }

    #[test]
    fn event_is_one_line_for_people() {
        for (event, expected) in [
            (event("put", "", r#"{"path":"/a","data":{"9":1,"10":2}}"#), "put           /a {\"9\":1,\"10\":2}\n"),
            (event("child_added", "e-1", r#"{"key":"k","value":"v","prevKey":null}"#), "child_added   k \"v\"\n"),
            (event("value", "e-1", r#"{"key":null,"value":2}"#), "value         2\n"),
            (event("cancel", "", r#""Permission denied""#), "cancel        \"Permission denied\"\n"),
            (
                event("auth_revoked", "", "credential is no longer valid"),
                "auth_revoked  credential is no longer valid\n",
            ),
        ] {
            assert_eq!(line(&event, false, Paint::off()), expected);
        }
    }

    #[test]
    fn event_is_one_object_for_programs() {
        for (event, expected) in [
            (event("put", "", r#"{"path":"/a","data":1}"#), r#"{"data":1,"event":"put","path":"/a"}"#),
            (event("child_removed", "e-1", r#"{"key":"k"}"#), r#"{"event":"child_removed","id":"e-1","key":"k"}"#),
            (event("reset", "", "null"), r#"{"event":"reset"}"#),
            (event("auth_revoked", "", "no longer"), r#"{"data":"no longer","event":"auth_revoked"}"#),
        ] {
            assert_eq!(line(&event, true, Paint::off()).trim_end(), expected);
        }
    }
}
