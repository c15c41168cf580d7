//! GET with `Accept: text/event-stream`: the connection becomes a stream of events.
//!
//! Source: Firebase REST reference 11.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;

use super::child_events::ChildEvents;
use super::error::Failure;
use super::request::{Events, Listen};
use super::rules::check_index;
use super::source::Source;
use super::value_events::ValueEvents;
use crate::base::Millis;
use crate::base::limits::RESPONSE_BYTES_MAX;
use crate::engine::{Database, Encoder, ListenRequest, Resume, Shape};
use crate::model::json::JsonWriter;
use crate::model::{Format, Path, Query};
use crate::protocols::access::Access;
use crate::protocols::{Context, answer};
use crate::transport::{EventStream, Outbox};

/// Without quotes: firebase-admin for Python compares it so. Source: REST reference 11.8.
const REVOKED: Bytes = Bytes::from_static(b"event: auth_revoked\ndata: credential is no longer valid\n\n");
const KEEP_ALIVE: Bytes = Bytes::from_static(b"event: keep-alive\ndata: null\n\n");

/// Registers the listener of a stream.
///
/// # Errors
/// 400 for combinations that are not supported and for queries without their index, 503 if the database is closing or
/// its disk fails.
pub async fn start(
    context: &Context,
    database: &Arc<Database>,
    access: Access,
    listen: Listen,
) -> Result<Box<EventStream>, Failure> {
    let Listen { path, selection, format, events } = listen;
    if selection.is_shallow && (selection.is_query() || events != Events::Values) {
        return Err(Failure::SHALLOW_QUERY);
    }
    let Access { who, ends_at } = access;
    let snapshot = database.snapshot()?;
    if !database.may_read(&snapshot, &who, &path, selection.query.as_ref().unwrap_or(&Query::default()))? {
        return Err(Failure::DENIED);
    }
    drop(snapshot);
    let outbox = Outbox::new(context.outbox_bytes);
    let (encoder, shape, resume): (Arc<dyn Encoder>, _, _) = match events {
        Events::Children { types, resume } => (Arc::new(ChildEvents(format)), Shape::Children(types), resume),
        Events::Values => {
            check_index(database, &path, &selection)?;
            let encoder = Arc::new(ValueEvents { format, is_query: selection.is_query() });
            let resume = if selection.is_shallow {
                Some(start_shallow(database, &path, &encoder, &outbox).await?)
            } else {
                None
            };
            (encoder, Shape::Value, resume)
        }
    };
    let query = selection.query.unwrap_or_default();
    let request =
        ListenRequest { who, path, query, shape, encoder, outbox: Arc::clone(&outbox), is_alone: true, resume };
    let listener = Arc::new(database.listen(request).await?);
    let on_overflow: Box<dyn Fn() + Send> = match shape {
        // What was missed is folded into one `put` of everything.
        Shape::Value => {
            let listener = Arc::clone(&listener);
            Box::new(move || listener.refresh())
        }
        // The client comes back with the last id that it got, and misses nothing.
        Shape::Children(_) => {
            let outbox = Arc::clone(&outbox);
            Box::new(move || outbox.close())
        }
    };
    let expiry = ends_at.map(|end| end_at(end.saturating_sub(database.now()), Arc::clone(&outbox)));
    Ok(Box::new(EventStream {
        head: answer::stream_head(),
        outbox,
        keep_alive: (context.keep_alive, KEEP_ALIVE),
        guard: Box::new((listener, expiry)),
        on_overflow,
    }))
}

/// Tells a stream that its credential has ended, in so many milliseconds, and closes it.
fn end_at(milliseconds: Millis, outbox: Arc<Outbox>) -> AbortOnDropHandle<()> {
    let left = Duration::from_millis(milliseconds.max(0).unsigned_abs());
    AbortOnDropHandle::new(tokio::spawn(async move {
        tokio::time::sleep(left).await;
        outbox.push(REVOKED);
        outbox.close();
    }))
}

/// Queues the first `put` of a shallow stream. What follows is the ordinary stream, from the position of that
/// snapshot on.
async fn start_shallow(
    database: &Arc<Database>,
    path: &Path,
    encoder: &Arc<ValueEvents>,
    outbox: &Outbox,
) -> Result<Resume, Failure> {
    let snapshot = database.snapshot()?;
    let (path, encoder) = (path.clone(), Arc::clone(encoder));
    let read = move || {
        let tree = snapshot.tree();
        let (mut text, after) = encoder.snapshot_frame();
        let mut json = JsonWriter::new(Format::Plain);
        let mut is_too_big = false;
        Source::shallow(&tree, &path)?.visit(&tree, &mut |step| {
            json.step(step, &mut text);
            is_too_big = text.len() as u64 > RESPONSE_BYTES_MAX;
            if is_too_big { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if is_too_big {
            return Err(Failure::READ_TOO_BIG);
        }
        json.finish(&mut text);
        text.extend_from_slice(&after);
        Ok((text, tree.seq()?))
    };
    let (text, seq) = tokio::task::spawn_blocking(read).await.map_err(|_| Failure::INTERNAL)??;
    outbox.push(Bytes::from(text));
    Ok(Resume { epoch: database.epoch().to_owned(), seq, part: None })
}
