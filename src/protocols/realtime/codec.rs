//! Messages on the wire: what clients send becomes a type, what they are told becomes text. Pure.
//!
//! Every message is one JSON text: `{"t":"c",..}` controls the connection, `{"t":"d",..}` carries a request, an answer
//! or a push. Key orders are those of the hosted service, since tools compare text. Source: Firebase realtime protocol
//! 2, 3.7, 6.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::request::{Action, Request};

/// One message of a client.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are requests, and each is moved once")]
pub enum Incoming {
    Control(Control),
    Request(Request),
}

/// Controls of a client (2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `p`: wants a pong on the same transport.
    Ping,
    /// `n`: its last message on the first transport of an upgrade.
    End,
    /// `a`: it has adopted the second transport of an upgrade.
    Adopted,
    /// None that we know. Ignored, as clients ignore ours.
    Other,
}

/// Why a connection cannot go on. `Display` gives what the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No JSON, or not of the form of a message.
    NoMessage,
    /// Longer than a message may be.
    TooLong,
}

impl Malformed {
    /// The WebSocket close code for it.
    pub fn close_code(self) -> u16 {
        match self {
            Self::NoMessage => 1002,
            Self::TooLong => 1008,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::NoMessage => "Malformed message",
            Self::TooLong => "Message too long",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Malformed {}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    t: Cow<'a, str>,
    #[serde(borrow)]
    d: Inner<'a>,
}

/// What both kinds of message have inside; absent members are the other kind's.
#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    t: Option<Cow<'a, str>>,
    r: Option<u64>,
    #[serde(borrow)]
    a: Option<Cow<'a, str>>,
    #[serde(borrow)]
    b: Option<&'a RawValue>,
}

/// Reads one whole message.
///
/// # Errors
/// [`Malformed::NoMessage`]. A request whose body is wrong is no error: it is one that is answered with a failure.
pub fn parse(text: &[u8]) -> Result<Incoming, Malformed> {
    let Envelope { t, d } = serde_json::from_slice(text).map_err(|_| Malformed::NoMessage)?;
    match (t.as_ref(), d) {
        ("c", Inner { t: Some(kind), .. }) => Ok(Incoming::Control(match kind.as_ref() {
            "p" => Control::Ping,
            "n" => Control::End,
            "a" => Control::Adopted,
            _ => Control::Other,
        })),
        ("d", Inner { r: Some(number), a: Some(action), b, .. }) => {
            Ok(Incoming::Request(Request { number, action: Action::parse(&action, b.map_or("{}", RawValue::get)) }))
        }
        _ => Err(Malformed::NoMessage),
    }
}

/// What a request comes to: a status, and what belongs to it as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: &'static str,
    pub data: Cow<'static, str>,
}

impl Outcome {
    /// Success with nothing to say.
    pub const DONE: Self = Self::constant("ok", "\"\"");
    /// Success of a listen.
    pub const LISTENING: Self = Self::constant("ok", "{}");
    pub const LISTENING_WITHOUT_INDEX: Self = Self::constant("ok", r#"{"w":["no_index"]}"#);
    pub const NULL: Self = Self::constant("ok", "null");
    pub const UNAUTHENTICATED: Self = Self::constant("ok", "\"unauthenticated\"");
    pub const DENIED: Self = Self::constant("permission_denied", "\"Permission denied\"");
    pub const STALE: Self = Self::constant("datastale", "\"Transaction hash does not match\"");
    pub const UNAVAILABLE: Self = Self::constant("unavailable", "\"The service is unavailable\"");
    pub const TOO_BIG: Self = Self::constant(
        "too_big",
        "\"The data requested exceeds the maximum size that can be accessed with a single request.\"",
    );

    const fn constant(status: &'static str, data: &'static str) -> Self {
        Self { status, data: Cow::Borrowed(data) }
    }

    /// Success with data, as JSON text.
    pub fn ok(data: String) -> Self {
        Self { status: "ok", data: Cow::Owned(data) }
    }

    /// A refusal with a text for people.
    pub fn refused(status: &'static str, text: &str) -> Self {
        Self { status, data: Cow::Owned(quoted(text)) }
    }

    /// What cannot be done as asked.
    pub fn failure(text: impl fmt::Display) -> Self {
        Self::refused("failure", &text.to_string())
    }
}

/// The answer to request `number`.
pub fn answer(number: u64, outcome: &Outcome) -> String {
    let (before, after) = answer_frame(number, outcome.status);
    [&before, outcome.data.as_ref(), after].concat()
}

/// What stands before and after the JSON text of an answer's data.
pub fn answer_frame(number: u64, status: &str) -> (String, &'static str) {
    (format!(r#"{{"t":"d","d":{{"r":{number},"b":{{"s":"{status}","d":"#), "}}}")
}

/// The first message of a connection (2.2): the server's time in milliseconds, the host for the client's next
/// connection, and the id of its session.
pub fn hello(time: i64, host: &str, session: &str) -> String {
    let data = format!(r#"{{"ts":{time},"v":"5","h":{},"s":{}}}"#, quoted(host), quoted(session));
    control("h", &data)
}

/// Stops the client for good (2.4): it comes back only when its application says so.
pub fn shutdown(reason: &str) -> String {
    control("s", &quoted(reason))
}

/// Sends the client to a host (2.3).
pub fn reset(host: &str) -> String {
    control("r", &quoted(host))
}

/// What went wrong; the client logs it.
pub fn error(text: &str) -> String {
    control("e", &quoted(text))
}

/// The connection's credential has ended: a client of today comes back with a new one. Source: 15.6.
pub fn revoked() -> String {
    r#"{"t":"d","d":{"b":{"s":"expired_token","d":"Auth token is expired."},"a":"ac"}}"#.to_owned()
}

pub fn pong() -> String {
    control("o", "{}")
}

/// The last message on the first transport of an upgrade.
pub fn end() -> String {
    control("n", "{}")
}

/// The first message on the second transport of an upgrade.
pub fn accepted() -> String {
    control("a", "{}")
}

fn control(kind: &str, data: &str) -> String {
    format!(r#"{{"t":"c","d":{{"t":"{kind}","d":{data}}}}}"#)
}

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> String {
        match parse(text.as_bytes()) {
            Ok(Incoming::Control(control)) => format!("{control:?}"),
            Ok(Incoming::Request(request)) => format!("{} {:?}", request.number, request.action),
            Err(malformed) => malformed.to_string(),
        }
    }

    #[test]
    fn controls_are_told_apart() {
        let control = |kind: &str| parsed(&format!(r#"{{"t":"c","d":{{"t":"{kind}","d":{{}}}}}}"#));
        assert_eq!(["p", "n", "a", "x"].map(control), ["Ping", "End", "Adopted", "Other"]);
    }

    #[test]
    fn requests_have_a_number_and_an_action() {
        let done = format!("7 {:?}", Action::Answer(Outcome::DONE));
        assert_eq!(parsed(r#"{"t":"d","d":{"r":7,"a":"s","b":{"c":{"sdk.node.12-19-0":1}}}}"#), done);
        assert_eq!(parsed(r#" {"d":{"b":{},"a":"s","x":1,"r":7},"t":"d","y":[]} "#), done);
        assert_eq!(parsed(r#"{"t":"d","d":{"r":7,"a":"s"}}"#), done);
        let unknown = format!("0 {:?}", Action::Answer(Outcome::failure("Unknown action: x\"")));
        assert_eq!(parsed(r#"{"t":"d","d":{"r":0,"a":"x\"","b":{}}}"#), unknown);
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        for text in [
            "",
            "0",
            "7",
            "null",
            "[]",
            "{}",
            "{\"t\":\"d\"}",
            r#"{"t":"d","d":{}}"#,
            r#"{"t":"d","d":{"r":1,"b":{}}}"#,
            r#"{"t":"d","d":{"a":"s","b":{}}}"#,
            r#"{"t":"d","d":{"r":-1,"a":"s"}}"#,
            r#"{"t":"d","d":{"r":"1","a":"s"}}"#,
            r#"{"t":"d","d":[1]}"#,
            r#"{"t":"c","d":{}}"#,
            r#"{"t":"x","d":{"t":"p","d":{}}}"#,
            r#"{"t":1,"d":{}}"#,
            r#"{"t":"c","d":{"t":"p","d":{}}"#,
            r#"{"t":"c","d":{"t":"p","d":{}}}}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(parsed(text), "Malformed message", "{text}");
        }
        assert!(parse(b"{\"t\":\"c\",\"d\":{\"t\":\"\xff\"}}").is_err());
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn messages_have_the_key_order_of_the_hosted_service() {
        assert_eq!(
            hello(1_795_197_713_650, "127.0.0.1:9000", "fc26"),
            r#"{"t":"c","d":{"t":"h","d":{"ts":1795197713650,"v":"5","h":"127.0.0.1:9000","s":"fc26"}}}"#
        );
        assert_eq!(answer(2, &Outcome::LISTENING), r#"{"t":"d","d":{"r":2,"b":{"s":"ok","d":{}}}}"#);
        assert_eq!(
            answer(3, &Outcome::failure("a \"b\"")),
            r#"{"t":"d","d":{"r":3,"b":{"s":"failure","d":"a \"b\""}}}"#
        );
        assert_eq!(pong(), r#"{"t":"c","d":{"t":"o","d":{}}}"#);
        assert_eq!(accepted(), r#"{"t":"c","d":{"t":"a","d":{}}}"#);
        assert_eq!(end(), r#"{"t":"c","d":{"t":"n","d":{}}}"#);
        assert_eq!(shutdown("no \"x\""), r#"{"t":"c","d":{"t":"s","d":"no \"x\""}}"#);
        assert_eq!(reset("h:1"), r#"{"t":"c","d":{"t":"r","d":"h:1"}}"#);
        assert_eq!(error("bad"), r#"{"t":"c","d":{"t":"e","d":"bad"}}"#);
    }

    /// Texts near to messages, so that all branches are met.
    fn near_message() -> impl Strategy<Value = String> {
        let body = "(null|[0-9]|\"[a-z/.]{0,9}\"|\\{(\"[pdhqtc]\":(null|1|\"/a\"|\\{\\}|\\[\\]|true),?){0,5}\\})";
        (0_u32..3, "(s|q|n|g|p|m|o|om|oc|l|u|auth|gauth|unauth|echo|x)", body)
            .prop_map(|(r, action, body)| format!(r#"{{"t":"d","d":{{"r":{r},"a":"{action}","b":{body}}}}}"#))
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_malformed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn request_of_any_form_is_answered(text in near_message()) {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn any_text_is_quoted_as_json(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&quoted(&text)).unwrap(), text);
        }
    }
}
