//! Scripts and pages that are built into the binary and served by it.
//!
//! Each has a tag made from its content, so that a browser asks again and is told 304; text is gzipped once, when it is
//! first asked for.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use tokio::sync::OnceCell;

use crate::transport::Body;
use crate::transport::body::{accepts_gzip, gzip};

/// One embedded file.
pub struct Asset {
    path: &'static str,
    content_type: HeaderValue,
    content: Bytes,
    etag: HeaderValue,
    gzipped: OnceCell<Bytes>,
}

const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const PAGE: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const STYLE: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");

/// The page at `/`.
pub static LANDING: LazyLock<Asset> = LazyLock::new(|| Asset::new("/", PAGE, include_str!("assets/index.html")));

static ASSETS: LazyLock<[Asset; 6]> = LazyLock::new(|| {
    [
        Asset::new("/firebase.js", SCRIPT, include_str!("assets/firebase.js")),
        Asset::new("/sdk/firebase.js", SCRIPT, include_str!("assets/firebase.js")),
        Asset::new("/demo/", PAGE, include_str!("assets/demo/index.html")),
        Asset::new("/demo/demo.css", STYLE, include_str!("assets/demo/demo.css")),
        Asset::new("/demo/demo.js", SCRIPT, include_str!("assets/demo/demo.js")),
        Asset::new("/demo/peers.js", SCRIPT, include_str!("assets/demo/peers.js")),
    ]
});

/// The file served at exactly this path.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    fn new(path: &'static str, content_type: HeaderValue, content: &'static str) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, content.as_bytes()));
        // Weak, since one tag stands for the plain and the gzipped form.
        let etag = format!("W/\"{}\"", hash.get(..22).unwrap_or(&hash));
        // Cannot fail: base64 letters and quotes are visible ASCII.
        let etag = HeaderValue::try_from(etag).expect("visible ASCII");
        let content = Bytes::from_static(content.as_bytes());
        Self { path, content_type, content, etag, gzipped: OnceCell::new() }
    }

    /// The file, or 304 if `request` says that its sender has this version.
    pub async fn answer(&'static self, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        // Pages of any origin load the scripts, isolated pages (COEP) too.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers
            .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.is_known_to(request) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        let body = if accepts_gzip(request) {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            self.gzipped.get_or_init(|| gzip(self.content.clone())).await
        } else {
            &self.content
        };
        *response.body_mut() = Body::full(body.clone());
        response
    }

    fn is_known_to(&self, request: &HeaderMap) -> bool {
        let own = self.etag.as_bytes().strip_prefix(b"W/").unwrap_or_default();
        let values = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == own)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::header::ACCEPT_ENCODING;

    use super::*;

    #[tokio::test]
    async fn asset_with_known_tag_is_not_sent_again() {
        let script = find("/firebase.js").unwrap();
        let first = script.answer(&HeaderMap::new()).await;
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].clone();
        let mut request = HeaderMap::from_iter([(IF_NONE_MATCH, tag)]);
        assert_eq!(script.answer(&request).await.status(), StatusCode::NOT_MODIFIED);
        request.insert(IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
        assert_eq!(script.answer(&request).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn asset_is_gzipped_for_those_who_take_it() {
        let page = find("/demo/").unwrap();
        let request = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
        let response = page.answer(&request).await;
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        let packed = response.into_body().collect().await.unwrap().to_bytes();
        assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < page.content.len());
    }
}
