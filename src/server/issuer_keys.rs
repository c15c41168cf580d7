//! The public keys of issuers: fetched at start, again when they are out of date, and when a token names one that is
//! not known. Never while somebody waits for an answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Uri;
use hyper::header::CACHE_CONTROL;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, Issuer, KEY_SET_BYTES_MAX, KeySet};

type Http = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// How long an issuer may take to answer.
const FETCH_MAX: Duration = Duration::from_secs(10);
/// Keys are fetched again after the time that their issuer says, within these bounds.
const AGE_MIN: Duration = Duration::from_mins(5);
const AGE_MAX: Duration = Duration::from_hours(24);
const AGE_UNTOLD: Duration = Duration::from_hours(1);
/// After a failure.
const RETRY: Duration = Duration::from_secs(30);
/// Between two times that are asked for by tokens: anybody can make up one. Source: Firebase rules reference 9.7.
const ASKED_MIN: Duration = Duration::from_mins(1);

/// Keeps the keys of all issuers until `drain` is cancelled.
pub async fn keep(engine: Arc<Engine>, drain: CancellationToken) {
    let http = client();
    let mut last = Instant::now();
    loop {
        let mut next = AGE_MAX;
        let issuers: Vec<Arc<Issuer>> = engine.keyring().issuers().cloned().collect();
        for issuer in issuers {
            next = next.min(match fetch_keys(&http, &issuer).await {
                Ok((keys, age)) => {
                    tracing::debug!(issuer = issuer.issuer, keys = keys.len(), "fetched keys");
                    engine.change_keyring(|keyring| keyring.clone().with_keys(&issuer.issuer, keys));
                    age
                }
                Err(problem) => {
                    tracing::warn!(
                        issuer = issuer.issuer,
                        problem,
                        "its keys cannot be fetched; the former stay valid"
                    );
                    RETRY
                }
            });
        }
        let asked = async {
            engine.keys_wanted().await;
            tokio::time::sleep_until(last + ASKED_MIN).await;
        };
        tokio::select! {
            () = drain.cancelled() => return,
            () = tokio::time::sleep(next) => {}
            () = asked => {}
        }
        last = Instant::now();
    }
}

fn client() -> Http {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    let roots = HttpsConnectorBuilder::new().with_native_roots();
    let builder = roots.unwrap_or_else(|_| HttpsConnectorBuilder::new().with_webpki_roots());
    Client::builder(TokioExecutor::new()).build(builder.https_or_http().enable_http1().wrap_connector(connector))
}

/// The keys, and how long they are good for.
async fn fetch_keys(http: &Http, issuer: &Issuer) -> Result<(KeySet, Duration), String> {
    let url = if let Some(url) = &issuer.jwks_url {
        url.clone()
    } else {
        let (document, _) = fetch(http, &issuer.discovery_url()).await?;
        issuer.discovered(&document).ok_or("its discovery document is not its own, or names no https URL")?
    };
    let (document, age) = fetch(http, &url).await?;
    let keys = KeySet::parse(&document).map_err(|error| error.to_string())?;
    Ok((keys, age))
}

async fn fetch(http: &Http, url: &str) -> Result<(Bytes, Duration), String> {
    let uri: Uri = url.parse().map_err(|_| format!("{url:?} is no URL"))?;
    let answer = timeout(FETCH_MAX, async {
        let answer = http.get(uri).await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("{url} answers {}", answer.status()));
        }
        let control = answer.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let age = control.and_then(max_age).map_or(AGE_UNTOLD, |age| age.clamp(AGE_MIN, AGE_MAX));
        let body = Limited::new(answer.into_body(), KEY_SET_BYTES_MAX).collect().await;
        Ok((body.map_err(|error| error.to_string())?.to_bytes(), age))
    });
    answer.await.map_err(|_| format!("{url} does not answer"))?
}

/// `max-age` of a `Cache-Control`.
fn max_age(control: &str) -> Option<Duration> {
    let seconds = control.split(',').find_map(|part| part.trim().strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_read_from_cache_control() {
        assert_eq!(max_age("public, max-age=19845, must-revalidate"), Some(Duration::from_secs(19_845)));
        assert_eq!(max_age("no-cache"), None);
        assert_eq!(max_age("max-age=-1"), None);
    }
}
