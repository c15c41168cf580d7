//! PUT, POST, PATCH and DELETE: the body is read, written by the engine, and what became of it is answered.
//!
//! Source: Firebase REST reference 3, 5.4, 5.8.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;

use super::error::Failure;
use super::layout::Layout;
use super::reply::{Answer, Text};
use super::request::{Print, Writing};
use super::writing::{Echo, Prepared};
use crate::engine::{Condition, Current, Database, WriteError, WriteRequest, Written};
use crate::model::{Identity, Path, hash};

/// Bytes of a body that is parsed, and answered, where the request is handled. Beyond: on a thread that may block.
pub const BODY_INLINE_MAX: usize = 64 * 1024;

/// Answers a write whose body has been read.
///
/// # Errors
/// 401 where the rules do not allow it, 400 for what cannot be written, 503 if it certainly was not written and may be
/// tried again.
pub async fn answer(database: Arc<Database>, who: Identity, writing: Writing, body: Bytes) -> Result<Answer, Failure> {
    let is_large = body.len() > BODY_INLINE_MAX;
    let (writing, prepared) = {
        let database = Arc::clone(&database);
        let prepare = move || {
            let prepared = writing.prepare(&body, || database.push_id());
            (writing, prepared)
        };
        run(is_large, prepare).await?
    };
    let Prepared { write, echo } = prepared?;
    // Both say what the data is now, so both come with its ETag.
    let want_etag = writing.want_etag || writing.if_match.is_some();
    let Some(write) = write else {
        let etag = want_etag.then(|| hash::etag("").to_owned());
        return Ok(Answer { etag, ..success(writing.print, &echo, &Path::root(), None) });
    };
    let path = match &echo {
        Echo::Name(_) => Path::root(),
        Echo::Value | Echo::Members => write.path.clone(),
    };
    let if_match = writing.if_match.map(Condition::Etag);
    let request = WriteRequest { who, write, if_match, rows_max: writing.rows_max, want_etag };
    match database.write(request).await {
        Ok(written) => run(is_large, move || success(writing.print, &echo, &path, Some(written))).await,
        Err(WriteError::Stale(Some(current))) => {
            let Current { node, etag } = *current;
            let show = move || lay_out(writing.print, |out| node.write_json(writing.format, out));
            let text = Text::Whole(run(true, show).await?);
            Ok(Answer { etag: Some(etag), text, ..Answer::new(StatusCode::PRECONDITION_FAILED) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Runs `work` here, or where it may take its time.
pub async fn run<T: Send + 'static>(is_large: bool, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    if !is_large {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::INTERNAL)
}

fn success(print: Print, echo: &Echo, path: &Path, written: Option<Written>) -> Answer {
    let (changes, etag) = written.map(|written| (written.changes, written.etag)).unwrap_or_default();
    if print == Print::Silent {
        return Answer { etag, ..Answer::new(StatusCode::NO_CONTENT) };
    }
    let text = lay_out(print, |out| echo.write_json(path, &changes, out));
    Answer { etag, text: Text::Whole(text), ..Answer::new(StatusCode::OK) }
}

/// JSON text in the layout asked for.
pub fn lay_out(print: Print, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut json = Vec::new();
    write(&mut json);
    let mut layout = Layout::new(print, None);
    if layout.is_plain() {
        return json;
    }
    let mut out = Vec::new();
    layout.add(&json, &mut out);
    layout.end(&mut out);
    out
}
