//! Raw quotes in query strings, which URIs do not allow and many clients send.
//!
//! Firebase's own documentation writes `curl '.../a.json?orderBy="$key"'`, and curl sends the quotes as they are. The
//! URI type of `http` refuses them (and `<`, `>`), so they are percent-encoded before hyper sees them.

/// The beginning of a request with `"`, `<` and `>` percent-encoded in the query of its first line; `None`: nothing to
/// do.
///
/// Only reads have queries with strings in them, and only what lies in `bytes` is seen.
pub(super) fn encode_quotes(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"GET /") && !bytes.starts_with(b"HEAD /") {
        return None;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at_checked(end)?;
    let (path, query) = line.split_at_checked(line.iter().position(|byte| *byte == b'?')?)?;
    let is_refused = |byte: &u8| matches!(byte, b'"' | b'<' | b'>');
    query.iter().find(|byte| is_refused(byte))?;
    let mut out = path.to_vec();
    for byte in query {
        match byte {
            b'"' => out.extend_from_slice(b"%22"),
            b'<' => out.extend_from_slice(b"%3C"),
            b'>' => out.extend_from_slice(b"%3E"),
            other => out.push(*other),
        }
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_encoded_in_the_query_of_reads_only() {
        let encoded = |text: &str| encode_quotes(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        let rest = "HTTP/1.1\r\nX: \"?\"\r\n\r\n";
        assert_eq!(
            encoded(&format!("GET /a\"?orderBy=\"$key\"&x=<> {rest}")),
            Some(format!("GET /a\"?orderBy=%22$key%22&x=%3C%3E {rest}"))
        );
        assert_eq!(encoded("HEAD /?a=\""), Some("HEAD /?a=%22".to_owned()));
        for text in
            ["GET /a HTTP/1.1\r\nX: ?\"\r\n\r\n", "POST /a?x=\" HTTP/1.1\r\n", "{\"GET /?\":\"", "", "GET /?a=b"]
        {
            assert_eq!(encoded(text), None, "{text}");
        }
    }
}
