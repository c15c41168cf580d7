//! What a `/.lp` request asks, read from its query. Pure.
//!
//! Parameters come in any order, unknown ones are ignored. Source: Firebase realtime protocol 4.2 to 4.5.

use std::collections::BTreeMap;
use std::fmt;

use super::pieces::Piece;
use crate::protocols::namespace::parameter;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A new session, and the id of the client's former one.
    Start { callback: Option<Callback>, former: Option<String> },
    /// The page that tells when the client's page goes away.
    Frame(Ticket),
    /// The client's page went away.
    Leave(Ticket),
    /// Room for messages to the client, and perhaps pieces of its own.
    Poll(Ticket, Vec<Piece>),
}

/// The number behind the names of the functions that a browser client waits with: up to ten digits, since it becomes
/// part of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback(String);

/// How a client shows that a session is its own. Letters, digits, `-` and `_`, since both become part of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub id: String,
    pub password: String,
}

/// Why a request makes no sense. Answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAsk {
    Callback,
    Ticket,
    Piece,
}

/// Bytes of an id or password. Ours have 32.
const TICKET_BYTES_MAX: usize = 64;

impl Ask {
    /// # Errors
    /// See [`BadAsk`].
    pub fn parse(query: &str) -> Result<Self, BadAsk> {
        let is_set = |name| parameter(query, name).is_some_and(|value| !value.is_empty());
        if is_set("start") {
            let callback = parameter(query, "cb").map(|digits| Callback::parse(&digits)).transpose()?;
            return Ok(Self::Start { callback, former: parameter(query, "ls") });
        }
        let ticket = Ticket::parse(query)?;
        if is_set("dframe") {
            return Ok(Self::Frame(ticket));
        }
        if is_set("disconn") {
            return Ok(Self::Leave(ticket));
        }
        Ok(Self::Poll(ticket, pieces(query)?))
    }
}

impl Callback {
    fn parse(digits: &str) -> Result<Self, BadAsk> {
        let is_number = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self(digits.to_owned())).ok_or(BadAsk::Callback)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ticket {
    fn parse(query: &str) -> Result<Self, BadAsk> {
        let part = |name| parameter(query, name).filter(|text| is_plain(text)).ok_or(BadAsk::Ticket);
        Ok(Self { id: part("id")?, password: part("pw")? })
    }
}

fn is_plain(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=TICKET_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// `seg0=..&ts0=..&d0=..&seg1=..`: number, count and text of each piece, in the order of their indexes.
fn pieces(query: &str) -> Result<Vec<Piece>, BadAsk> {
    let mut parts: BTreeMap<u32, [Option<&str>; 3]> = BTreeMap::new();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        for (place, prefix) in ["seg", "ts", "d"].into_iter().enumerate() {
            let index = name.strip_prefix(prefix).and_then(|index| index.parse().ok());
            if let Some(part) = index.and_then(|index| parts.entry(index).or_default().get_mut(place)) {
                *part = Some(value);
            }
        }
    }
    parts.into_values().map(|parts| piece(parts).ok_or(BadAsk::Piece)).collect()
}

fn piece([number, count, text]: [Option<&str>; 3]) -> Option<Piece> {
    Some(Piece { number: number?.parse().ok()?, count: count?.parse().ok()?, text: text?.to_owned() })
}

impl fmt::Display for BadAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Callback => "cb must be a number of at most ten digits",
            Self::Ticket => "id and pw are missing, or were never given out",
            Self::Piece => "a piece is incomplete: seg, ts and d belong together",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> Ticket {
        Ticket { id: "a1".to_owned(), password: "b-_2".to_owned() }
    }

    fn piece(number: u64, count: u32, text: &str) -> Piece {
        Piece { number, count, text: text.to_owned() }
    }

    #[test]
    fn requests_of_clients_are_read() {
        let check = |query: &str, expected: Ask| assert_eq!(Ask::parse(query), Ok(expected), "{query}");
        let start = |callback: Option<&str>, last: Option<&str>| Ask::Start {
            callback: callback.map(|digits| Callback(digits.to_owned())),
            former: last.map(str::to_owned),
        };
        check("start=t&ser=41467376&cb=1&v=5&p=1:2:web:3&ns=foo", start(Some("1"), None));
        check("v=5&ser=41467376&start=t&ls=abc", start(None, Some("abc")));
        check("dframe=t&id=a1&pw=b-_2&ns=foo", Ask::Frame(ticket()));
        check("disconn=t&id=a1&pw=b-_2", Ask::Leave(ticket()));
        check("id=a1&pw=b-_2&ser=11096611&ns=foo", Ask::Poll(ticket(), vec![]));
        check(
            "id=a1&pw=b-_2&ser=1&ns=foo&seg0=1&ts0=1&d0=eyJ0Ijoi&seg1=2&ts1=7&d1=eyJ0-_..",
            Ask::Poll(ticket(), vec![piece(1, 1, "eyJ0Ijoi"), piece(2, 7, "eyJ0-_..")]),
        );
        check(
            "d1=b&d0=a&ts0=1&ts1=2&seg1=9&seg0=8&pw=b-_2&id=a1&d=x&dx=1&seg=2",
            Ask::Poll(ticket(), vec![piece(8, 1, "a"), piece(9, 2, "b")]),
        );
    }

    #[test]
    fn what_could_become_script_is_refused() {
        for digits in ["alert(1)", "1;x", "", "12345678901", "1%3b", "-1", "%31%0a", "１"] {
            assert_eq!(Ask::parse(&format!("start=t&cb={digits}")), Err(BadAsk::Callback), "{digits}");
        }
        let long = "x".repeat(65);
        for (id, password) in [("", "b"), ("a", "'"), ("a%27", "b"), ("</script>", "b"), ("a", long.as_str())] {
            for query in ["", "&dframe=t", "&disconn=t"] {
                assert_eq!(Ask::parse(&format!("id={id}&pw={password}{query}")), Err(BadAsk::Ticket), "{id}");
            }
        }
        assert_eq!(Ask::parse(""), Err(BadAsk::Ticket));
    }

    #[test]
    fn incomplete_pieces_are_refused() {
        let whole = ["seg0=1", "ts0=1", "d0=e30"];
        for missing in 0..3 {
            let parts: Vec<&str> = (0..3).filter(|part| *part != missing).map(|part| whole[part]).collect();
            let query = format!("id=a&pw=b&{}", parts.join("&"));
            assert_eq!(Ask::parse(&query), Err(BadAsk::Piece), "{query}");
        }
        for bad in ["seg0=-1&ts0=1&d0=a", "seg0=1&ts0=4294967296&d0=a", "seg0=x&ts0=1&d0=a", "seg0=&ts0=1&d0=a"] {
            assert_eq!(Ask::parse(&format!("id=a&pw=b&{bad}")), Err(BadAsk::Piece), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "([a-z]{1,6}[0-9]{0,11}=?[\\PC&=]{0,9}&?){0,12}") {
            match Ask::parse(&query) {
                Ok(Ask::Start { callback, .. }) => {
                    prop_assert!(callback.is_none_or(|digits| digits.as_str().parse::<u64>().is_ok()));
                }
                Ok(Ask::Frame(ticket) | Ask::Leave(ticket) | Ask::Poll(ticket, _)) => {
                    prop_assert!(is_plain(&ticket.id) && is_plain(&ticket.password));
                }
                Err(_) => {}
            }
        }

        #[test]
        fn pieces_in_any_order_are_read(
            pieces in prop::collection::vec((any::<u64>(), any::<u32>(), "[A-Za-z0-9_.-]{0,20}"), 0..6),
            seed in any::<u64>(),
        ) {
            let mut parts: Vec<String> = vec!["id=a".to_owned(), "pw=b".to_owned()];
            for (index, (number, count, text)) in pieces.iter().enumerate() {
                let (number, count) = (format!("seg{index}={number}"), format!("ts{index}={count}"));
                parts.extend([number, count, format!("d{index}={text}")]);
            }
            let count = parts.len().max(1);
            parts.rotate_left(usize::try_from(seed).unwrap_or(usize::MAX) % count);
            let expected = pieces.iter().map(|(number, count, text)| piece(*number, *count, text)).collect();
            let ticket = Ticket { id: "a".to_owned(), password: "b".to_owned() };
            prop_assert_eq!(Ask::parse(&parts.join("&")), Ok(Ask::Poll(ticket, expected)));
        }
    }
}
