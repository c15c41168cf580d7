//! Sessions over server-sent events: what `sdk-js` speaks. The contract is `docs/sessions.md`.
//!
//! - `codec`: requests, replies and events on the wire (pure)
//! - `stream`: opening and resuming the one stream of a session
//! - `requests`: a POST's requests, in order, each done once
//!
//! | route | |
//! |---|---|
//! | `GET /.beaconfire/sessions` | a new session's stream |
//! | `GET /.beaconfire/sessions/ID` | the stream of a session that lost its own |
//! | `POST /.beaconfire/sessions/ID` | requests |
//! | `POST /.beaconfire/sessions/ID/close` | its end |

mod codec;
mod requests;
mod stream;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};

use super::{Context, access, answer};
use crate::transport::Reply;

/// Where the routes of this protocol begin.
pub const PREFIX: &str = "/.beaconfire/sessions";

/// Answers a request whose path begins with [`PREFIX`].
pub async fn handle(context: &Context, request: Request<Incoming>) -> Reply {
    if request.method() == Method::OPTIONS {
        return answer::preflight(request.headers()).into();
    }
    let database = match context.database(request.uri(), request.headers()).await {
        Ok(database) => database,
        Err(refused) => return refused.into(),
    };
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().trim_start_matches('/').to_owned();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let (id, action) = (segments.next(), segments.next());
    let session = match id.map(|id| database.session(id)) {
        Some(Some(session)) => Some(session),
        Some(None) => return error(StatusCode::NOT_FOUND, "no such session: open a new one"),
        None => None,
    };
    let query = request.uri().query().unwrap_or_default();
    let access = match (access::identify(&context.engine, request.headers(), query), &session, action) {
        (Ok(access), ..) => access,
        // Who leaves is not kept by a credential that has ended meanwhile; nothing more is done for it.
        (Err(_), Some(session), Some("close")) => {
            session.end().await;
            return answer::empty(StatusCode::NO_CONTENT).into();
        }
        (Err(refused), ..) => {
            let (status, text) = refused.realtime();
            return error(StatusCode::UNAUTHORIZED, &format!("{status}: {text}"));
        }
    };
    match (request.method(), session, action) {
        (&Method::GET, None, None) => stream::open(context, &database, access).await,
        (&Method::GET, Some(session), None) => stream::resume(context, &database, session, access, &request).await,
        (&Method::POST, Some(session), None) => requests::handle(&database, &session, access.who, request).await,
        (&Method::POST, Some(session), Some("close")) => {
            requests::close(&database, &session, access.who, request).await
        }
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "sessions answer GET (streams) and POST (requests, close)"),
    }
}

fn error(status: StatusCode, text: &str) -> Reply {
    answer::error(status, text).into()
}
