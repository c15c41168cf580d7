//! Which database a request is for. A namespace is the Firebase word for the name of a database.
//!
//! The `ns` parameter, then the subdomain of the host, then the configured default. Pure: text in, name out.
//! Source: Firebase REST reference, URLs and namespaces (1.2 to 1.6).

use std::fmt;
use std::net::IpAddr;

use hyper::Uri;
use hyper::header::{HOST, HeaderMap};
use hyper::http::uri::Authority;
use percent_encoding::percent_decode_str;

/// The name of a database: `^[a-z0-9][a-z0-9_-]{0,99}$`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(String);

/// Not a name that a database can have. Clients know the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidNamespace;

/// How namespaces are found.
#[derive(Clone, Debug)]
pub struct Namespaces {
    /// For requests that name none.
    pub default: Namespace,
    /// Hosts directly below this domain are databases: with `db.example.com`, `chat.db.example.com` is `chat`.
    pub base_domain: Option<String>,
    /// Whether `X-Forwarded-Host` counts instead of `Host`: only behind a proxy that always sets it.
    pub trust_forwarded_host: bool,
}

impl Namespace {
    /// # Errors
    /// If it is no such name. Upper case is folded.
    pub fn parse(name: &str) -> Result<Self, InvalidNamespace> {
        let name = name.to_ascii_lowercase();
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let begins_well = name.bytes().next().is_some_and(is_plain);
        let is_valid = begins_well && name.len() <= 100 && name.bytes().all(|b| is_plain(b) || b == b'_' || b == b'-');
        if is_valid { Ok(Self(name)) } else { Err(InvalidNamespace) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invalid Firebase database name")
    }
}

impl std::error::Error for InvalidNamespace {}

impl Namespaces {
    /// The database that a request is for.
    ///
    /// # Errors
    /// If the name it gives is none that a database can have: answered with 403.
    pub fn resolve(&self, uri: &Uri, headers: &HeaderMap) -> Result<Namespace, InvalidNamespace> {
        if let Some(name) = parameter(uri.query().unwrap_or_default(), "ns").filter(|name| !name.is_empty()) {
            return Namespace::parse(&name);
        }
        match self.subdomain(&self.host(uri, headers)) {
            Some(name) => Namespace::parse(&name),
            None => Ok(self.default.clone()),
        }
    }

    /// The host that the client asked for, with its port if it gave one, in lower case; empty if it named none.
    pub fn host(&self, uri: &Uri, headers: &HeaderMap) -> String {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let forwarded = header("x-forwarded-host").filter(|_| self.trust_forwarded_host);
        // A chain of proxies appends: the first is what the client asked for.
        let forwarded = forwarded.and_then(|hosts| hosts.split(',').next());
        let named = forwarded.or_else(|| uri.authority().map(Authority::as_str));
        named.or_else(|| header(HOST.as_str())).unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The namespace within a host (lower case, port allowed), if it has one. The rule of the Firebase SDKs.
    fn subdomain(&self, host: &str) -> Option<String> {
        if host.starts_with('[') {
            return None; // an IPv6 address
        }
        let name = host.split(':').next().unwrap_or_default().trim_end_matches('.');
        if name.parse::<IpAddr>().is_ok() || name.is_empty() {
            return None;
        }
        let base = self.base_domain.as_deref().map(str::to_ascii_lowercase);
        if let Some(base) = base.as_deref().filter(|base| !base.is_empty()) {
            if name == base {
                return None;
            }
            if let Some(below) = name.strip_suffix(base).and_then(|below| below.strip_suffix('.')) {
                return below.rsplit('.').next().map(str::to_owned);
            }
        }
        let mut labels = name.split('.');
        let first = labels.next()?;
        let others = labels.clone().count();
        let is_below_localhost = others > 0 && labels.next_back() == Some("localhost");
        (is_below_localhost || others >= 2).then(|| first.to_owned())
    }
}

/// The request that `firebase deploy --only database` meant when it asks a plain host.
///
/// It sends `PUT /?ns=<ns>/.settings/rules.json?dryRun=true`: everything behind the name ended up in the `ns` value.
/// Where a request has that form, the URI it should have had; else `None`.
pub fn repair(uri: &Uri) -> Option<Uri> {
    let query = uri.query().filter(|_| uri.path() == "/")?;
    let value_at = if query.starts_with("ns=") { 3 } else { query.find("&ns=")? + 4 };
    let (name, rest) = query.get(value_at..)?.split_once('/')?;
    if name.contains('&') {
        return None;
    }
    let (path, rest) = rest.split_once('?').unwrap_or((rest, ""));
    let joint = if rest.is_empty() { "" } else { "&" };
    format!("/{path}?ns={name}{joint}{rest}").parse().ok()
}

/// The last value of a query parameter, decoded: `+` is a space, `%XX` a byte, what is not UTF-8 becomes U+FFFD.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut pairs = query.rsplit('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let is_named = |key: &str| key == name || key.contains(['%', '+']) && decode(key) == name;
    pairs.find(|(key, _)| is_named(key)).map(|(_, value)| decode(value))
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn namespaces() -> Namespaces {
        Namespaces {
            default: Namespace::parse("default").unwrap(),
            base_domain: Some("db.example.com".to_owned()),
            trust_forwarded_host: false,
        }
    }

    fn resolve(namespaces: &Namespaces, target: &str, host: &str) -> String {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
        let resolved = namespaces.resolve(&target.parse().unwrap(), &headers);
        resolved.map_or_else(|error| error.to_string(), |name| name.to_string())
    }

    #[test]
    fn namespace_of_a_host_follows_the_sdk_rule() {
        for (host, expected) in [
            ("localhost:9000", "default"),
            ("127.0.0.1:9000", "default"),
            ("[::1]:9000", "default"),
            ("", "default"),
            ("chat.localhost:9000", "chat"),
            ("chat.rtdb.localhost", "chat"),
            ("my-host:9000", "default"),
            ("my-host.lan", "default"),
            ("Chat.FirebaseIO.com", "chat"),
            ("chat.europe-west1.firebasedatabase.app.", "chat"),
            ("db.example.com", "default"),
            ("chat.db.example.com:443", "chat"),
            ("eu.chat.db.example.com", "chat"),
            ("-x.localhost", "Invalid Firebase database name"),
        ] {
            assert_eq!(resolve(&namespaces(), "/a.json", host), expected, "{host}");
        }
    }

    #[test]
    fn ns_parameter_wins_and_is_folded() {
        let check = |target: &str, expected: &str| assert_eq!(resolve(&namespaces(), target, "a.localhost"), expected);
        check("/x.json?ns=Chat", "chat");
        check("/x.json?ns=", "a");
        check("/x.json?ns=one&ns=t%77o", "two");
        check("/x.json?nsx=one", "a");
        check("/x.json?ns=127", "127");
        for bad in ["..", "_a", "a/b", "a%00", "a+b", &"x".repeat(101)] {
            check(&format!("/x.json?ns={bad}"), "Invalid Firebase database name");
        }
    }

    #[test]
    fn forwarded_host_counts_only_if_trusted() {
        let headers = HeaderMap::from_iter([
            (HOST, HeaderValue::from_static("in.localhost")),
            (HeaderName::from_static("x-forwarded-host"), HeaderValue::from_static("out.localhost, in.localhost")),
        ]);
        let mut namespaces = namespaces();
        let uri = Uri::from_static("/x.json");
        assert_eq!(namespaces.resolve(&uri, &headers).unwrap().as_str(), "in");
        namespaces.trust_forwarded_host = true;
        assert_eq!(namespaces.resolve(&uri, &headers).unwrap().as_str(), "out");
    }

    #[test]
    fn request_of_firebase_deploy_is_repaired() {
        let check = |target: &str, expected: Option<&str>| {
            assert_eq!(repair(&target.parse().unwrap()).map(|uri| uri.to_string()).as_deref(), expected, "{target}");
        };
        check("/?ns=demo/.settings/rules.json?dryRun=true", Some("/.settings/rules.json?ns=demo&dryRun=true"));
        check("/?ns=demo/.settings/rules.json", Some("/.settings/rules.json?ns=demo"));
        check("/?ns=demo", None);
        check("/?x=1&ns=demo/a.json", Some("/a.json?ns=demo"));
        check("/?ns=demo&x=/", None);
        check("/a.json?ns=demo/b.json", None);
        check("/", None);
    }
}
