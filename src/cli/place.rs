//! From what people type (`/rooms/x`, `localhost:9000/x`, a whole URL) to the URL of a REST request. Pure.

use hyper::Uri;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::arguments::Place;

/// What has to be encoded, beside what is not ASCII: what a URL cannot hold as it is.
const UNSAFE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');
const UNSAFE_IN_VALUE: &AsciiSet = &UNSAFE.add(b'%').add(b'&').add(b'+').add(b'#');

/// The URL of the REST request for `place`, with `parameters` added behind those that it has.
///
/// # Errors
/// If that is no URL; says what one looks like.
pub fn rest_url(place: &Place, parameters: &[(&str, &str)]) -> Result<Uri, String> {
    let is_url = place.at.starts_with("http://") || place.at.starts_with("https://");
    let (base, rest) = if is_url {
        (place.at.clone(), String::new())
    } else if is_host_and_port(&place.at) {
        (format!("http://{}", place.at), String::new())
    } else {
        (place.url.clone(), place.at.clone())
    };
    let named = if rest.is_empty() { &place.at } else { &place.url };
    let (base, base_query) = split(&base);
    let (path, query) = split(&rest);
    let path = format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'));
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".json").unwrap_or(path);
    // `http://host` alone is the root: its data is at `/.json`.
    let is_root = path.split('/').skip(3).all(str::is_empty);
    let path = format!("{}{}.json", encode(path.trim_end_matches('/')), if is_root { "/" } else { "" });

    let mut pairs: Vec<String> =
        [base_query, query].iter().filter(|query| !query.is_empty()).map(|query| encode(query)).collect();
    let mut add = |name: &str, value: &str| {
        pairs.push(format!("{}={}", encode(name), utf8_percent_encode(value, UNSAFE_IN_VALUE)));
    };
    for query in &place.queries {
        let (name, value) = query.split_once('=').ok_or_else(|| format!("`{query}` is no NAME=VALUE"))?;
        add(name, value);
    }
    for (name, value) in parameters {
        add(name, value);
    }
    // An administrator's key is no token of a user, and is not taken for one.
    let is_key = place.auth.as_deref().is_some_and(|auth| auth.starts_with("bf_"));
    for (name, value) in [("ns", &place.ns), (if is_key { "access_token" } else { "auth" }, &place.auth)] {
        if let Some(value) = value {
            add(name, value);
        }
    }
    let mark = if pairs.is_empty() { "" } else { "?" };
    let uri: Uri = format!("{path}{mark}{}", pairs.join("&")).parse().map_err(|_| not_a_url(named))?;
    if uri.host().is_none_or(str::is_empty) || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(not_a_url(named));
    }
    Ok(uri)
}

fn not_a_url(text: &str) -> String {
    format!("`{text}` is no path such as /rooms/x, and no URL such as http://127.0.0.1:9000/rooms/x")
}

/// `localhost:9000/x` and `127.0.0.1:9000/x`: more likely a server than a key with a colon.
fn is_host_and_port(text: &str) -> bool {
    let host = text.split('/').next().unwrap_or_default();
    host.rsplit_once(':').is_some_and(|(host, port)| {
        let is_host = host == "localhost" || host.ends_with(".localhost") || host.parse::<std::net::Ipv4Addr>().is_ok();
        is_host && port.parse::<u16>().is_ok()
    })
}

fn split(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// Encodes what a URL cannot hold; `%XX` stays, a lone `%` becomes `%25`.
fn encode(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut out = utf8_percent_encode(pieces.next().unwrap_or_default(), UNSAFE).to_string();
    for piece in pieces {
        let is_code = piece.len() >= 2 && piece.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
        out += if is_code { "%" } else { "%25" };
        out.extend(utf8_percent_encode(piece, UNSAFE));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place {
            at: text.to_owned(),
            url: "http://127.0.0.1:9000".to_owned(),
            ns: None,
            auth: None,
            queries: Vec::new(),
            json: false,
        }
    }

    #[test]
    fn path_or_url_becomes_the_url_of_its_data() {
        for (text, expected) in [
            ("/rooms/x", "http://127.0.0.1:9000/rooms/x.json"),
            ("rooms/x/", "http://127.0.0.1:9000/rooms/x.json"),
            ("/", "http://127.0.0.1:9000/.json"),
            ("", "http://127.0.0.1:9000/.json"),
            ("/rooms.json", "http://127.0.0.1:9000/rooms.json"),
            ("/a b/ü", "http://127.0.0.1:9000/a%20b/%C3%BC.json"),
            ("/100%/50%25", "http://127.0.0.1:9000/100%25/50%25.json"),
            ("/a?orderBy=\"$key\"", "http://127.0.0.1:9000/a.json?orderBy=%22$key%22"),
            ("https://x.firebaseio.com", "https://x.firebaseio.com/.json"),
            ("https://x.firebaseio.com/", "https://x.firebaseio.com/.json"),
            ("https://x.firebaseio.com/.json", "https://x.firebaseio.com/.json"),
            ("https://x.firebaseio.com/a.json?print=pretty", "https://x.firebaseio.com/a.json?print=pretty"),
            ("localhost:9001/a", "http://localhost:9001/a.json"),
            ("chat.localhost:9001", "http://chat.localhost:9001/.json"),
            ("a:1/b", "http://127.0.0.1:9000/a:1/b.json"),
        ] {
            assert_eq!(rest_url(&place(text), &[]).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn parameters_of_all_sources_are_sent() {
        let mut place = place("/a?x=1");
        place.url = "http://h:1/base?ns=one".to_owned();
        place.queries = vec!["orderBy=\"a&b\"".to_owned(), "limitToFirst=2".to_owned()];
        place.ns = Some("two".to_owned());
        place.auth = Some("t+k%".to_owned());
        let expected =
            "http://h:1/base/a.json?ns=one&x=1&orderBy=%22a%26b%22&limitToFirst=2&shallow=true&ns=two&auth=t%2Bk%25";
        assert_eq!(rest_url(&place, &[("shallow", "true")]).unwrap().to_string(), expected);
        place.auth = Some("bf_1_x".to_owned());
        assert!(rest_url(&place, &[]).unwrap().to_string().ends_with("&ns=two&access_token=bf_1_x"));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["http://", "https:///x", "http://a b/x"] {
            assert!(rest_url(&place(text), &[]).unwrap_err().contains("http://127.0.0.1:9000/rooms/x"), "{text}");
        }
        let mut bad = place("/x");
        bad.queries = vec!["limitToFirst".to_owned()];
        assert!(rest_url(&bad, &[]).unwrap_err().contains("NAME=VALUE"));
        bad.queries.clear();
        bad.url = "9000".to_owned();
        assert!(rest_url(&bad, &[]).unwrap_err().contains("`9000`"));
    }
}
