//! Repair of escapes that are half a character.
//!
//! Source: Firebase realtime protocol 11.1.

/// Puts `\ufffd` where an escape stands for half a surrogate pair. `None`: there is no such place.
pub fn replace_lone_surrogates(text: &str) -> Option<String> {
    let escape_at = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut repaired = String::new();
    let mut copied = 0;
    let mut at = 0;
    // A backslash outside of strings is an error anyway, so strings need not be told apart.
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        let unit = escape_at(at);
        let next = escape_at(at + 6);
        let is_pair = matches!(unit, Some(0xd800..0xdc00)) && matches!(next, Some(0xdc00..0xe000));
        if !is_pair && matches!(unit, Some(0xd800..0xe000)) {
            repaired.push_str(text.get(copied..at)?);
            repaired.push_str("\\ufffd");
            copied = at + 6;
        }
        at += match unit {
            Some(_) if is_pair => 12,
            Some(_) => 6,
            // The second byte may be a backslash or a quote; it never starts an escape. It may also begin a longer
            // character, which then is an error that the second attempt finds again.
            None => 2,
        };
        while at < text.len() && !text.is_char_boundary(at) {
            at += 1;
        }
    }
    if copied == 0 {
        return None;
    }
    repaired.push_str(text.get(copied..)?);
    Some(repaired)
}
