//! The layout of `print=pretty` and of error bodies.
//!
//! Source: Firebase REST reference 4.4, 8.1.

/// Lays compact JSON out for reading: each member of an object on a line of its own, indented by two spaces, ` : `
/// after keys, arrays on one line (but for objects in them), a newline at the end. `json` must be valid, without white
/// space between its tokens.
pub fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    // Whether each open bracket is an object's.
    let mut open = Vec::new();
    let mut rest = json;
    while let Some((token, after)) = rest.split_at_checked(token_len(rest)).filter(|(token, _)| !token.is_empty()) {
        rest = after;
        match token {
            "{}" => out.push_str("{ }"),
            "[]" => out.push_str("[ ]"),
            "{" => {
                open.push(true);
                out.push('{');
                new_line(&mut out, &open);
            }
            "[" => {
                open.push(false);
                out.push_str("[ ");
            }
            "}" => {
                open.pop();
                new_line(&mut out, &open);
                out.push('}');
            }
            "]" => {
                open.pop();
                out.push_str(" ]");
            }
            "," if open.last() == Some(&true) => {
                out.push(',');
                new_line(&mut out, &open);
            }
            "," => out.push_str(", "),
            ":" => out.push_str(" : "),
            _ => out.push_str(token),
        }
    }
    out.push('\n');
    out
}

fn new_line(out: &mut String, open: &[bool]) {
    let indent = open.iter().filter(|is_object| **is_object).count();
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", indent));
}

/// Bytes of the token at the beginning of `text`. Numbers and words come character by character.
fn token_len(text: &str) -> usize {
    match text.chars().next() {
        Some('"') => string_len(text),
        Some('{') if text.starts_with("{}") => 2,
        Some('[') if text.starts_with("[]") => 2,
        Some(character) => character.len_utf8(),
        None => 0,
    }
}

/// Bytes of the string literal at the beginning of `text`, quotes included.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_body_has_the_documented_bytes() {
        let body = pretty(r#"{"error":"Permission denied"}"#);
        assert_eq!(body, "{\n  \"error\" : \"Permission denied\"\n}\n");
        assert_eq!(body.len(), 36);
    }

    #[test]
    fn object_with_array_keeps_the_array_on_one_line() {
        let text = pretty(r#"{"name":"Jack","tags":["a","b"]}"#);
        assert_eq!(text, "{\n  \"name\" : \"Jack\",\n  \"tags\" : [ \"a\", \"b\" ]\n}\n");
    }

    #[test]
    fn nested_objects_are_indented_by_objects_only() {
        let text = pretty(r#"{"a":{"b":[{"c":1},{"d":[]}]},"e":{}}"#);
        let expected = [
            "{",
            "  \"a\" : {",
            "    \"b\" : [ {",
            "      \"c\" : 1",
            "    }, {",
            "      \"d\" : [ ]",
            "    } ]",
            "  },",
            "  \"e\" : { }",
            "}",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
    }

    #[test]
    fn primitives_and_strings_full_of_brackets_stay_as_they_are() {
        assert_eq!(pretty("null"), "null\n");
        assert_eq!(pretty("-1.5e300"), "-1.5e300\n");
        assert_eq!(pretty(r#""{\"[,:\\""#), "\"{\\\"[,:\\\\\"\n");
        assert_eq!(pretty(r#"["é😀",true]"#), "[ \"é😀\", true ]\n");
    }

    #[test]
    fn text_that_breaks_off_ends() {
        assert_eq!(pretty(r#"{"a"#), "{\n  \"a\n");
        assert_eq!(pretty(""), "\n");
    }
}
