//! Plain HTTP where TLS is spoken: what asks on the redirect's port is sent to https, on the TLS port it is told so.

use hyper::header::{CONNECTION, HOST, HeaderValue, LOCATION};
use hyper::http::uri::Authority;
use hyper::{Request, Response, StatusCode};

use crate::protocols::answer;
use crate::transport::Body;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Sends any request to the same place by https on `port`: 308, so that method and body stay; 400 where the request
/// does not say which host it means.
pub fn to_https<B>(request: &Request<B>, port: u16) -> Response<Body> {
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let host = host.and_then(|host| Authority::try_from(host).ok()).or_else(|| request.uri().authority().cloned());
    let target = host.and_then(|host| {
        let path = request.uri().path_and_query().map(ToString::to_string);
        let path = path.filter(|path| path.starts_with('/')).unwrap_or_else(|| "/".to_owned());
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        HeaderValue::try_from(format!("https://{}{port}{path}", host.host())).ok()
    });
    let Some(target) = target else {
        return closing(answer::error(StatusCode::BAD_REQUEST, "a Host header is missing; use https"));
    };
    let mut response = answer::empty(StatusCode::PERMANENT_REDIRECT);
    response.headers_mut().insert(LOCATION, target);
    closing(response)
}

/// The answer on the TLS port. No redirect: a client that is set up with `http:` would send what is secret in the clear
/// each time, and nobody would notice.
pub fn expects_https() -> Response<Body> {
    closing(answer::error(StatusCode::BAD_REQUEST, "this port speaks TLS: use https, not http"))
}

fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, CLOSE);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, host: Option<&str>, port: u16, expected: Option<&str>) {
        let mut request = Request::get(target).body(()).unwrap();
        if let Some(host) = host {
            request.headers_mut().insert(HOST, HeaderValue::try_from(host).unwrap());
        }
        let response = to_https(&request, port);
        let status = if expected.is_some() { StatusCode::PERMANENT_REDIRECT } else { StatusCode::BAD_REQUEST };
        assert_eq!(response.status(), status, "{target} {host:?}");
        assert_eq!(response.headers().get(LOCATION).map(|to| to.to_str().unwrap()), expected);
    }

    #[test]
    fn requests_are_sent_to_the_same_place_by_https() {
        check("/a.json?x=%22", Some("db.example.com"), 443, Some("https://db.example.com/a.json?x=%22"));
        check("/", Some("db.example.com:80"), 9443, Some("https://db.example.com:9443/"));
        check("/", Some("[::1]:80"), 443, Some("https://[::1]/"));
        check("http://a.example/b", None, 443, Some("https://a.example/b"));
        check("*", Some("a.example"), 443, Some("https://a.example/"));
        check("/", Some("user:secret@a.example"), 443, Some("https://a.example/"));
    }

    #[test]
    fn request_without_a_host_is_refused() {
        check("/", None, 443, None);
        check("/", Some("no host / at all"), 443, None);
    }
}
