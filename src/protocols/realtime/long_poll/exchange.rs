//! Which poll gets what: the newest is held until there is something to say. Pure.
//!
//! Responses are numbered, and the client takes them in that order, whatever request carries them. A number that never
//! arrives stalls it for ever, so a poll that is let go with nothing to say gets an empty answer, which has no number:
//! the connection of a poll that was held for long may be dead by then. Source: Firebase realtime protocol 4.3, 4.6,
//! 4.7.

use super::script;

/// The exchange with one client. `P` is a poll that waits for its answer.
#[derive(Debug)]
pub struct Exchange<P> {
    held: Option<P>,
    /// The number of the next response.
    next: u64,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Messages go out here.
    Open,
    /// One last message is to be said: everything later goes out elsewhere.
    Due,
    /// It was said, in the response of that number.
    Said(u64),
}

/// A poll and its answer.
pub type Answer<P> = (P, Vec<u8>);

impl<P> Exchange<P> {
    pub fn new() -> Self {
        Self { held: None, next: 0, end: End::Open }
    }

    /// Holds a poll, or none. The one held before, if any, is given back: it is to get an empty answer.
    pub fn hold(&mut self, poll: Option<P>) -> Option<P> {
        std::mem::replace(&mut self.held, poll)
    }

    /// The poll that is held.
    pub fn held(&self) -> Option<&P> {
        self.held.as_ref()
    }

    /// The same, to wait for its end.
    pub fn held_mut(&mut self) -> Option<&mut P> {
        self.held.as_mut()
    }

    /// Whether messages can be said now.
    pub fn is_ready(&self) -> bool {
        self.held.is_some() && self.end == End::Open
    }

    /// The held poll and the number of the response that it is to get.
    pub fn respond(&mut self) -> Option<(P, u64)> {
        let poll = self.held.take()?;
        let number = self.next;
        self.next += 1;
        Some((poll, number))
    }

    /// From now on there is one last message to say.
    pub fn finish(&mut self) {
        if self.end == End::Open {
            self.end = End::Due;
        }
    }

    /// The answer for the held poll behind [`Exchange::finish`]: the last message (as a frame), later the number that
    /// it had.
    pub fn last(&mut self, last: &[u8]) -> Option<Answer<P>> {
        match self.end {
            End::Open => None,
            End::Due => {
                let (poll, number) = self.respond()?;
                self.end = End::Said(number);
                let mut out = Vec::new();
                script::push_response(number, last, &mut out);
                Some((poll, out))
            }
            End::Said(number) => Some((self.held.take()?, script::close_after(number).into_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transport::frame;

    fn last() -> Vec<u8> {
        let mut out = Vec::new();
        frame::push_text(&mut out, b"\"n\"");
        out
    }

    #[test]
    fn newest_poll_is_held_and_the_older_let_go() {
        let mut exchange = Exchange::new();
        assert!(!exchange.is_ready());
        assert_eq!(exchange.respond(), None);
        assert_eq!(exchange.hold(Some('a')), None);
        assert_eq!(exchange.respond(), Some(('a', 0)));
        assert_eq!(exchange.hold(Some('b')), None);
        assert_eq!(exchange.hold(Some('c')), Some('b'));
        assert_eq!(exchange.hold(None), Some('c'));
        assert_eq!(exchange.hold(Some('d')), None);
        assert_eq!(exchange.respond(), Some(('d', 1)), "what was let go took no number");
    }

    #[test]
    fn last_message_is_said_once_and_its_number_to_every_later_poll() {
        let mut exchange = Exchange::new();
        exchange.hold(Some(0));
        exchange.respond();
        assert_eq!(exchange.last(&last()), None, "nothing is over yet");
        exchange.finish();
        assert_eq!(exchange.last(&last()), None, "no poll is there");
        exchange.hold(Some(1));
        assert!(!exchange.is_ready());
        assert_eq!(exchange.last(&last()), Some((1, b"pRTLPCB(1,[\"n\"]);".to_vec())));
        assert_eq!(exchange.last(&last()), None);
        for poll in 2..4 {
            exchange.finish();
            exchange.hold(Some(poll));
            assert_eq!(exchange.last(&last()), Some((poll, b"pLPCommand('close',1);".to_vec())));
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Poll,
        /// The server has something to say.
        Say,
        /// A poll was held for long enough.
        LetGo,
        /// The client ends the transport.
        Finish,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![4 => Just(Step::Poll), 6 => Just(Step::Say), 1 => Just(Step::LetGo), 1 => Just(Step::Finish)]
    }

    proptest! {
        #[test]
        fn responses_have_no_gap_and_each_poll_one_answer(steps in prop::collection::vec(step(), 0..60)) {
            let mut exchange = Exchange::new();
            let (mut polls, mut answered, mut numbers) = (0_u32, Vec::new(), Vec::new());
            let (mut finished, mut said, mut lasts) = (false, 0, 0);
            for step in steps {
                match step {
                    Step::Poll => {
                        answered.extend(exchange.hold(Some(polls)));
                        polls += 1;
                    }
                    Step::Say if exchange.is_ready() => {
                        let (poll, number) = exchange.respond().unwrap();
                        answered.push(poll);
                        numbers.push(number);
                        said += 1;
                        prop_assert!(!finished, "nothing is said behind the last");
                    }
                    Step::Say => {}
                    Step::LetGo => answered.extend(exchange.hold(None)),
                    Step::Finish => {
                        exchange.finish();
                        finished = true;
                    }
                }
                if let Some((poll, script)) = exchange.last(&last()) {
                    let script = String::from_utf8(script).unwrap();
                    answered.push(poll);
                    lasts += u32::from(script == format!("pRTLPCB({said},[\"n\"]);"));
                    prop_assert!(lasts == 1, "first the last message, once: {}", script);
                    let is_repeat = script == script::close_after(said);
                    prop_assert!(is_repeat || script.ends_with("\"n\"]);"), "{}", script);
                }
            }
            answered.extend(exchange.hold(None));
            prop_assert_eq!(answered, (0..polls).collect::<Vec<_>>());
            prop_assert_eq!(numbers, (0..said).collect::<Vec<_>>());
        }
    }
}
