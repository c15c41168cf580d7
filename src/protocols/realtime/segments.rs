//! Messages on their way in: keep-alives are swallowed, segments put together. Pure.
//!
//! Source: Firebase realtime protocol 3.1, 3.2, 3.6.

use bytes::Bytes;

use super::codec::Malformed;
use crate::base::limits::MESSAGE_BYTES_MAX;

/// Digits of a count.
const COUNT_DIGITS_MAX: usize = 6;

/// Puts the messages of one connection together.
#[derive(Debug, Default)]
pub struct Assembly {
    open: Option<Open>,
}

/// A message of which segments are missing.
#[derive(Debug)]
struct Open {
    missing: u32,
    text: Vec<u8>,
}

impl Assembly {
    /// Takes one WebSocket text; gives a message once it is whole.
    ///
    /// # Errors
    /// The segments together are longer than [`MESSAGE_BYTES_MAX`].
    pub fn take(&mut self, text: Bytes) -> Result<Option<Bytes>, Malformed> {
        let Some(open) = &mut self.open else {
            let Some(count) = count(&text) else { return Ok(Some(text)) };
            // No segments at all: the keep-alive of clients.
            if count > 0 {
                self.open = Some(Open { missing: count, text: Vec::new() });
            }
            return Ok(None);
        };
        if open.text.len() + text.len() > MESSAGE_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        open.text.extend_from_slice(&text);
        open.missing -= 1;
        if open.missing > 0 {
            return Ok(None);
        }
        Ok(self.open.take().map(|whole| whole.text.into()))
    }

    /// How many segments are still to come.
    pub fn missing(&self) -> u32 {
        self.open.as_ref().map_or(0, |open| open.missing)
    }
}

/// A number of segments; anything else is a message.
fn count(text: &[u8]) -> Option<u32> {
    let is_count = (1..=COUNT_DIGITS_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_count)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The messages that come of these texts, and how many segments are missing then.
    fn taken(texts: &[&str]) -> (Vec<String>, u32) {
        let mut assembly = Assembly::default();
        let mut take = |text: &&str| assembly.take(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let messages = texts.iter().filter_map(&mut take).map(|text| String::from_utf8(text.to_vec()).unwrap());
        (messages.collect(), assembly.missing())
    }

    #[track_caller]
    fn check(texts: &[&str], messages: &[&str], missing: u32) {
        assert_eq!(taken(texts), (messages.iter().map(|text| (*text).to_owned()).collect(), missing), "{texts:?}");
    }

    #[test]
    fn segments_become_one_message() {
        check(&["{\"a\":1}"], &["{\"a\":1}"], 0);
        check(&["3", "{\"a\"", ":", "1}", "{}"], &["{\"a\":1}", "{}"], 0);
        check(&["1", "{}", "1", "[]"], &["{}", "[]"], 0);
        check(&["000002", "a", "b"], &["ab"], 0);
        check(&["999999", "a"], &[], 999_998);
    }

    #[test]
    fn keep_alive_is_swallowed_and_is_no_count() {
        check(&["0", "{}", "0", "0", "[]", "000"], &["{}", "[]"], 0);
    }

    #[test]
    fn number_within_a_message_is_a_segment() {
        check(&["3", "[", "0", "]"], &["[0]"], 0);
        check(&["2", "1", "2"], &["12"], 0);
    }

    #[test]
    fn what_is_no_count_is_a_message() {
        for text in ["1234567", "-1", "1.5", "1e3", " 1", "", "٣", "null"] {
            check(&[text], &[text], 0);
        }
    }

    #[test]
    fn segments_beyond_the_bound_are_refused() {
        let mut assembly = Assembly::default();
        let half = Bytes::from(vec![b'x'; MESSAGE_BYTES_MAX / 2]);
        assert_eq!(assembly.take(Bytes::from_static(b"3")), Ok(None));
        assert_eq!(assembly.take(half.clone()), Ok(None));
        assert_eq!(assembly.take(half), Ok(None));
        assert_eq!(assembly.take(Bytes::from_static(b"x")), Err(Malformed::TooLong));
    }

    proptest! {
        #[test]
        fn any_texts_are_taken(texts in prop::collection::vec("([0-9]{0,7}|\\PC{0,9})", 0..40)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (messages, missing) = taken(&texts);
            prop_assert!(messages.len() + missing.min(1) as usize <= texts.len());
        }

        #[test]
        fn text_cut_anywhere_comes_back(parts in prop::collection::vec("\\PC{0,9}", 1..40)) {
            let count = parts.len().to_string();
            let mut texts = vec![count.as_str()];
            texts.extend(parts.iter().map(String::as_str));
            prop_assert_eq!(taken(&texts), (vec![parts.concat()], 0));
        }
    }
}
