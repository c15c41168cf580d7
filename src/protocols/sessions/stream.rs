//! The one stream of a session: opened, or resumed where its client stopped.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use percent_encoding::percent_decode_str;

use super::{codec, error};
use crate::engine::{Attachment, Database, Resume, Session, SessionError};
use crate::protocols::access::Access;
use crate::protocols::{Context, answer};
use crate::transport::{EventStream, Outbox, Reply};

const KEEP_ALIVE: &[u8] = b"event: keep-alive\ndata: null\n\n";

/// A new session and its stream.
pub async fn open(context: &Context, database: &Arc<Database>, access: Access) -> Reply {
    let session = database.open_session();
    let outbox = Outbox::new(context.outbox_bytes);
    let attached = session.attach(&outbox);
    let identified = session.identify(&access.who, access.ends_at, codec::REVOKED).await;
    match attached.and_then(|attachment| identified.map(|()| attachment)) {
        Ok(attachment) => {
            let position = Some((database.epoch(), database.seq()));
            outbox.push(hello(database, &session, &access, position));
            stream(context.keep_alive, session, outbox, attachment, database)
        }
        Err(refused) => gone(&refused),
    }
}

/// The stream of a living session again: its listeners get what they missed, then an `ack` of all that is done.
pub async fn resume(
    context: &Context,
    database: &Arc<Database>,
    session: Arc<Session>,
    access: Access,
    request: &Request<Incoming>,
) -> Reply {
    let outbox = Outbox::new(context.outbox_bytes);
    let attachment = match session.attach(&outbox) {
        Ok(attachment) => attachment,
        Err(refused) => return gone(&refused),
    };
    if let Err(refused) = session.identify(&access.who, access.ends_at, codec::REVOKED).await {
        return gone(&refused);
    }
    outbox.push(hello(database, &session, &access, None));
    // Without a readable position every listener starts afresh, which is what an unknown epoch leads to.
    let position = position(request).unwrap_or(Resume { epoch: String::new(), seq: 0, part: None });
    if let Err(refused) = session.listen_again(&position).await {
        return gone(&refused);
    }
    ack_all(&session, database.epoch()).await;
    stream(context.keep_alive, session, outbox, attachment, database)
}

fn stream(
    keep_alive: Duration,
    session: Arc<Session>,
    outbox: Arc<Outbox>,
    attachment: Attachment,
    database: &Database,
) -> Reply {
    let epoch = database.epoch().to_owned();
    let runtime = tokio::runtime::Handle::current();
    let on_overflow = Box::new(move || {
        session.refresh();
        // Acknowledgements may have been dropped with the rest.
        let (session, epoch) = (Arc::clone(&session), epoch.clone());
        runtime.spawn(async move { ack_all(&session, &epoch).await });
    });
    Reply::Stream(Box::new(EventStream {
        head: answer::stream_head(),
        outbox,
        keep_alive: (keep_alive, Bytes::from_static(KEEP_ALIVE)),
        guard: Box::new(attachment),
        on_overflow,
    }))
}

fn hello(database: &Database, session: &Session, access: &Access, position: Option<(&str, u64)>) -> Bytes {
    let grace = database.presence_grace().as_millis();
    codec::hello(session.id(), database.now(), grace, &access.who, access.ends_at, position).into()
}

/// Acknowledges everything that is done, behind all data that came of it.
async fn ack_all(session: &Session, epoch: &str) {
    let n = session.answered.lock().await.n;
    let epoch = epoch.to_owned();
    // A session that ended meanwhile needs no acknowledgement.
    let _ = session.notify(move |seq| codec::ack(n, &epoch, seq).into()).await;
}

/// Where the client stopped: `lastEventId=` or the header that `EventSource` sends by itself.
fn position(request: &Request<Incoming>) -> Option<Resume> {
    let query = request.uri().query().unwrap_or_default();
    let given = query.split('&').find_map(|pair| pair.strip_prefix("lastEventId="));
    let decoded = given.and_then(|text| percent_decode_str(text).decode_utf8().ok());
    let header = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    Resume::parse(decoded.as_deref().or(header)?)
}

fn gone(refused: &SessionError) -> Reply {
    let status = match refused {
        SessionError::Over => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    error(status, &refused.to_string())
}
