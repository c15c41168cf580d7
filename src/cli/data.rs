//! `get`, `set`, `push`, `update`, `remove`: one REST request each.

use std::io::{IsTerminal, Read, Write as _};
use std::process::ExitCode;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Response};
use serde::de::IgnoredAny;

use super::arguments::{Get, Place, Write};
use super::client::{Client, ClientError};
use super::colour::Colouring;
use super::output::{Paint, say};
use super::place::rest_url;
use super::{FAILED, OK};

/// Prints a value, as it comes in: the answer may be larger than memory.
pub async fn get(get: &Get) -> Result<ExitCode, ClientError> {
    let is_terminal = std::io::stdout().is_terminal();
    let is_pretty = get.pretty || is_terminal && !get.place.json;
    let mut parameters = Vec::new();
    for (is_on, parameter) in
        [(get.shallow, ("shallow", "true")), (get.export, ("format", "export")), (is_pretty, ("print", "pretty"))]
    {
        if is_on {
            parameters.push(parameter);
        }
    }
    let response = request(&Method::GET, &get.place, &parameters, Bytes::new()).await?;
    let paint = if get.place.json { Paint::off() } else { Paint::for_stdout() };
    print_body(response, paint).await
}

/// Replaces a value.
pub async fn set(write: &Write) -> Result<ExitCode, ClientError> {
    change(&Method::PUT, &write.place, body(&write.data)?, "set").await
}

/// Replaces some children.
pub async fn update(write: &Write) -> Result<ExitCode, ClientError> {
    change(&Method::PATCH, &write.place, body(&write.data)?, "updated").await
}

/// Removes a value.
pub async fn remove(place: &Place) -> Result<ExitCode, ClientError> {
    change(&Method::DELETE, place, Bytes::new(), "removed").await
}

/// Adds a child and prints its key; with `--json` the answer, `{"name":"..."}`.
pub async fn push(write: &Write) -> Result<ExitCode, ClientError> {
    let response = request(&Method::POST, &write.place, &[], body(&write.data)?).await?;
    let bytes = collect(response).await?;
    if write.place.json {
        return Ok(say(&format!("{}\n", String::from_utf8_lossy(&bytes).trim_end())));
    }
    let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let name = answer.get("name").and_then(serde_json::Value::as_str);
    Ok(say(&format!("{}\n", name.ok_or_else(|| ClientError::Broken("the answer has no name".to_owned()))?)))
}

/// A write whose answer only `--json` wants to see.
async fn change(method: &Method, place: &Place, body: Bytes, done: &str) -> Result<ExitCode, ClientError> {
    if place.json {
        let response = request(method, place, &[], body).await?;
        return print_body(response, Paint::off()).await;
    }
    request(method, place, &[("print", "silent")], body).await?;
    if std::io::stdout().is_terminal() {
        return Ok(say(&format!("{}\n", Paint::for_stdout().quiet(&format!("{done} {}", place.at)))));
    }
    Ok(ExitCode::from(OK))
}

async fn request(
    method: &Method,
    place: &Place,
    parameters: &[(&str, &str)],
    body: Bytes,
) -> Result<Response<Incoming>, ClientError> {
    let uri = rest_url(place, parameters).map_err(ClientError::Usage)?;
    Client::new().send(method, &uri, &HeaderMap::new(), body).await
}

/// The JSON that was given: as it stands, in a file, or on standard input.
pub fn body(data: &str) -> Result<Bytes, ClientError> {
    let unreadable = |what: &str, error: std::io::Error| ClientError::Usage(format!("cannot read {what}: {error}"));
    let bytes = if data == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(|error| unreadable("standard input", error))?;
        bytes
    } else if let Some(path) = data.strip_prefix('@') {
        std::fs::read(path).map_err(|error| unreadable(path, error))?
    } else {
        data.as_bytes().to_vec()
    };
    // The server would refuse it too, but only after it has travelled, and without knowing of shells.
    match serde_json::from_slice::<IgnoredAny>(&bytes) {
        Ok(_) => Ok(bytes.into()),
        Err(error) => Err(ClientError::Usage(format!(
            "the data is not JSON: {error}.\nA string needs quotes within the shell's own: '\"text\"'."
        ))),
    }
}

pub async fn collect(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = response.into_body().collect().await;
    Ok(body.map_err(|error| ClientError::Broken(error.to_string()))?.to_bytes())
}

async fn print_body(response: Response<Incoming>, paint: Paint) -> Result<ExitCode, ClientError> {
    let mut body = response.into_body();
    let mut out = std::io::stdout().lock();
    let mut colouring = Colouring::new(paint);
    let mut last = b'\n';
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ClientError::Broken(error.to_string()))?;
        let Ok(piece) = frame.into_data() else { continue };
        last = piece.last().copied().unwrap_or(last);
        match out.write_all(&colouring.add(&piece)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::from(OK)),
            Err(_) => return Ok(ExitCode::from(FAILED)),
        }
    }
    let end: &[u8] = if last == b'\n' { b"" } else { b"\n" };
    let done = out.write_all(end).and_then(|()| out.flush());
    Ok(ExitCode::from(if done.is_ok() { OK } else { FAILED }))
}
