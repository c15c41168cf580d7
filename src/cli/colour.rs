//! JSON in colours, byte by byte as it comes in: keys, strings, and all other values.

use super::output::Paint;

const KEY: &str = "36";
const STRING: &str = "32";
const SCALAR: &str = "33";

/// Puts colours into JSON text that arrives in pieces. Text that is not JSON comes out with odd colours, never changed.
#[derive(Debug)]
pub struct Colouring {
    paint: Paint,
    /// For each open bracket, whether it is an object's.
    open: Vec<bool>,
    token: Token,
    /// Within an object: a string that begins now is a key.
    is_key_next: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    None,
    String { is_escaped: bool },
    Scalar,
}

impl Colouring {
    pub fn new(paint: Paint) -> Self {
        Self { paint, open: Vec::new(), token: Token::None, is_key_next: false }
    }

    /// The next piece of text, coloured.
    pub fn add(&mut self, piece: &[u8]) -> Vec<u8> {
        if !self.paint.is_on() {
            return piece.to_vec();
        }
        let mut out = Vec::with_capacity(piece.len() * 2);
        for byte in piece {
            self.add_byte(*byte, &mut out);
        }
        out
    }

    fn add_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if let Token::String { is_escaped } = self.token {
            out.push(byte);
            self.token = Token::String { is_escaped: byte == b'\\' && !is_escaped };
            if byte == b'"' && !is_escaped {
                self.end(out);
            }
            return;
        }
        let is_scalar = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        if self.token == Token::Scalar && !is_scalar {
            self.end(out);
        }
        match byte {
            b'"' => self.begin(Token::String { is_escaped: false }, if self.is_key_next { KEY } else { STRING }, out),
            _ if is_scalar && self.token == Token::None => self.begin(Token::Scalar, SCALAR, out),
            b'{' | b'[' => self.open.push(byte == b'{'),
            b'}' | b']' => drop(self.open.pop()),
            _ => {}
        }
        if matches!(byte, b'{' | b'[' | b'}' | b']' | b',' | b':') {
            self.is_key_next = byte != b':' && self.open.last() == Some(&true);
        }
        out.push(byte);
    }

    fn begin(&mut self, token: Token, colour: &str, out: &mut Vec<u8>) {
        self.token = token;
        out.extend_from_slice(format!("\x1b[{colour}m").as_bytes());
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.token = Token::None;
        out.extend_from_slice(b"\x1b[0m");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str) -> String {
        let mut colouring = Colouring::new(Paint::on());
        let coloured: Vec<u8> = text.as_bytes().chunks(3).flat_map(|piece| colouring.add(piece)).collect();
        let coloured = String::from_utf8(coloured).unwrap();
        let names = [(KEY, "<k>"), (STRING, "<s>"), (SCALAR, "<v>"), ("0", "</>")];
        names.iter().fold(coloured, |text, (code, name)| text.replace(&format!("\x1b[{code}m"), name))
    }

    #[test]
    fn keys_strings_and_scalars_have_colours_of_their_own() {
        assert_eq!(marked(r#"{"a":"b"}"#), r#"{<k>"a"</>:<s>"b"</>}"#);
        assert_eq!(
            marked(r#"{"a\"":[1,true,"x",{"y":-1.5e+3}], "b":null}"#),
            r#"{<k>"a\""</>:[<v>1</>,<v>true</>,<s>"x"</>,{<k>"y"</>:<v>-1.5e+3</>}], <k>"b"</>:<v>null</>}"#
        );
    }

    #[test]
    fn text_without_colours_is_as_it_was() {
        let text = r#"{"a":[1,"ü\\"]}"#;
        assert_eq!(Colouring::new(Paint::off()).add(text.as_bytes()), text.as_bytes());
    }
}
