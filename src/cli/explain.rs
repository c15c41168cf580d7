//! `rules explain`: asks a server what its rules say of a read or write; and explanations as text for people.

use std::fmt::Write;
use std::process::ExitCode;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::FAILED;
use super::arguments::Explain;
use super::client::{Client, ClientError};
use super::data::{body, collect};
use super::output::{Paint, complain, complain_json, say};
use crate::engine::{Explained, PartResult};
use crate::protocols::admin::{EXPLAIN, Question};

/// Asks, and prints the answer. Whatever the rules say, the exit code is 0: the question was answered.
pub async fn explain(asked: &Explain) -> Result<ExitCode, ClientError> {
    let question = question(asked)?;
    let mut headers = HeaderMap::new();
    if let Some(token) = &asked.token {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let bearer =
            bearer.map_err(|_| ClientError::Usage("the token is none: it has line breaks in it".to_owned()))?;
        headers.insert(AUTHORIZATION, bearer);
    }
    let response = match Client::new().send(&Method::POST, &url(asked)?, &headers, question.into()).await {
        Err(ClientError::Refused { status: StatusCode::UNAUTHORIZED, text }) => {
            let text = format!("{text} Only administrators may ask: show a key with `--token KEY`.");
            return Ok(if asked.json { complain_json(&text, FAILED) } else { complain(&text, FAILED) });
        }
        other => other?,
    };
    let bytes = collect(response).await?;
    if asked.json {
        return Ok(say(&format!("{}\n", String::from_utf8_lossy(&bytes).trim_end())));
    }
    let explained: Explained = serde_json::from_slice(&bytes)
        .map_err(|error| ClientError::Broken(format!("the answer is no explanation: {error}")))?;
    Ok(say(&text(&explained, Paint::for_stdout())))
}

/// The question as JSON; the server would refuse another one, too, but only after it has travelled.
fn question(asked: &Explain) -> Result<String, ClientError> {
    let value = asked.value.as_deref().map(body).transpose()?;
    let value = value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
    let auth = asked.auth.as_deref().map(|auth| if auth == "admin" { "\"admin\"" } else { auth }.to_owned());
    let members = [
        ("read", asked.read.as_ref().map(quoted)),
        ("write", asked.write.as_ref().map(quoted)),
        ("update", asked.update.as_ref().map(quoted)),
        (if asked.update.is_some() { "values" } else { "value" }, value),
        ("query", asked.query.clone()),
        ("auth", auth.clone()),
        ("now", asked.now.map(|now| now.to_string())),
    ];
    for (name, json) in [("query", &asked.query), ("auth", &auth)] {
        if let Some(error) = json.as_ref().and_then(|json| serde_json::from_str::<serde::de::IgnoredAny>(json).err()) {
            return Err(ClientError::Usage(format!("`--{name}` is not JSON: {error}")));
        }
    }
    let members = members.iter().filter_map(|(name, json)| Some(format!("\"{name}\":{}", json.as_ref()?)));
    let question = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    Question::parse(question.as_bytes()).map_err(ClientError::Usage)?;
    Ok(question)
}

fn url(asked: &Explain) -> Result<Uri, ClientError> {
    let ns = asked.ns.as_deref().map(|ns| format!("?ns={}", utf8_percent_encode(ns, NON_ALPHANUMERIC)));
    let text = format!("{}{EXPLAIN}{}", asked.url.trim_end_matches('/'), ns.unwrap_or_default());
    let uri = text.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    uri.ok_or_else(|| ClientError::Usage(format!("`{}` is no URL such as http://127.0.0.1:9000", asked.url)))
}

/// An explanation for people: the verdict, then each rule with what its parts came to.
pub fn text(explained: &Explained, paint: Paint) -> String {
    let mut out = format!("{}: {}\n", verdict(explained.allowed, paint), explained.because);
    for place in &explained.places {
        let why = &place.explanation;
        if explained.places.len() > 1 {
            let verdict = verdict(why.allowed, paint);
            let _ = write!(out, "\n{} {verdict}: {}\n", paint.strong(&place.path), why.because);
        }
        for rule in &why.rules {
            let (kind, path, position) = (rule.kind.name(), &rule.path, rule.position);
            let title = paint.strong(&format!("{kind} of {path}"));
            let _ = writeln!(out, "\n  {title} ({position}): {}", shown(&rule.result, paint));
            for part in &rule.parts {
                let at = paint.quiet(&format!("{:>4}:{:<4}", part.position.line, part.position.column));
                let _ = writeln!(out, "  {at} {} = {}", one_line(&part.text), shown(&part.result, paint));
            }
        }
        if why.is_cut {
            let _ = writeln!(out, "\n  {}", paint.quiet("... and more, which is not told"));
        }
    }
    out
}

fn verdict(allowed: bool, paint: Paint) -> String {
    if allowed { paint.good("allowed") } else { paint.bad("denied") }
}

fn shown(result: &PartResult, paint: Paint) -> String {
    match result {
        PartResult::Value(value) if value == "true" => paint.good(value),
        PartResult::Value(value) if value == "false" => paint.bad(value),
        PartResult::Value(value) => value.clone(),
        PartResult::Error(error) => paint.bad(error),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanation_becomes_text() {
        let json = r#"{"allowed":false,"because":"so","places":[{"path":"/a","decided_by":{"line":2,"column":3},
            "allowed":false,"because":"so","is_cut":false,"rules":[{"kind":"write","path":"/a","text":"auth  != null",
            "position":{"line":2,"column":3},"value":"false","parts":[
                {"position":{"line":2,"column":3},"text":"auth","value":"null"},
                {"position":{"line":2,"column":3},"text":"auth  != null","error":"type error: x"}]}]}]}"#;
        let explained: Explained = serde_json::from_str(json).unwrap();
        assert_eq!(
            text(&explained, Paint::off()),
            "denied: so\n\n  .write of /a (line 2, column 3): false\n     2:3    auth = null\n     2:3    \
             auth != null = type error: x\n"
        );
        assert!(text(&explained, Paint::on()).starts_with("\x1b[31mdenied\x1b[0m: so"));
    }
}
