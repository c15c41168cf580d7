//! Regular expressions of rules, translated for an engine that takes time linear in the text.
//!
//! The dialect is small, and stricter than JavaScript's: anchors only at the ends, no empty branches, no look-around,
//! no references, nothing lazy. What it accepts is written anew, every character as its code, so that nothing
//! means something else to the engine. Source: Firebase rules reference 8.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::base::limits::{
    RULES_DEPTH_MAX, RULES_PATTERN_BYTES_MAX, RULES_PATTERN_WEIGHT_MAX, RULES_PATTERNS_WEIGHT_MAX,
};

/// A compiled regular expression.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// How many characters of the text it may look at once for, at worst: its atoms, repetitions multiplied out.
    weight: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum PatternError {
    /// Other than `i`, or more than one.
    Flags,
    Illegal {
        /// The byte of the body.
        at: usize,
        why: String,
    },
}

impl Pattern {
    /// Whether it matches anywhere in `text`, or as a whole where it is anchored.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// What a match with a text of so many bytes can cost, in looks at a byte.
    pub fn cost(&self, text_bytes: usize) -> usize {
        text_bytes.saturating_mul(self.weight)
    }
}

/// The patterns of one rules file. Equal ones are compiled once; all together have a limit.
#[derive(Debug, Default)]
pub(in crate::rules) struct Patterns {
    known: HashMap<(String, bool), Arc<Pattern>>,
    weight: usize,
}

impl Patterns {
    pub(super) fn get(&mut self, body: &str, flags: &str) -> Result<Arc<Pattern>, PatternError> {
        let ignores_case = match flags {
            "" => false,
            "i" => true,
            _ => return Err(PatternError::Flags),
        };
        let name = (body.to_owned(), ignores_case);
        if let Some(pattern) = self.known.get(&name) {
            return Ok(Arc::clone(pattern));
        }
        let (translated, weight) = Translator::translate(body)?;
        self.weight = self.weight.saturating_add(PATTERN_WEIGHT).saturating_add(weight);
        if weight > RULES_PATTERN_WEIGHT_MAX {
            return Err(illegal(0, "Its repetitions are too large."));
        }
        if self.weight > RULES_PATTERNS_WEIGHT_MAX {
            return Err(illegal(0, "Together with those before it, it is too large."));
        }
        let built = RegexBuilder::new(&translated)
            .case_insensitive(ignores_case)
            .dot_matches_new_line(true)
            .size_limit(RULES_PATTERN_BYTES_MAX)
            .dfa_size_limit(RULES_PATTERN_BYTES_MAX)
            .nest_limit(NEST_LIMIT)
            .build();
        let regex = built.map_err(|_| illegal(0, "It is too large."))?;
        let pattern = Arc::new(Pattern { regex, weight });
        self.known.insert(name, Arc::clone(&pattern));
        Ok(pattern)
    }
}

/// What a pattern weighs beside its atoms.
const PATTERN_WEIGHT: usize = 100;
/// What an atom weighs that stands for characters of several bytes.
const WIDE_WEIGHT: usize = 10;
/// Groups, and what the engine nests in them: sequences, unions, repetitions, sets.
#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
const NEST_LIMIT: u32 = RULES_DEPTH_MAX as u32 * 4 + 16;

fn illegal(at: usize, why: &str) -> PatternError {
    PatternError::Illegal { at, why: why.to_owned() }
}

struct Translator<'a> {
    body: &'a str,
    characters: Peekable<CharIndices<'a>>,
    out: String,
    depth: usize,
}

type Weight = Result<usize, PatternError>;

impl<'a> Translator<'a> {
    /// The same pattern as the engine writes it, and its weight.
    fn translate(body: &'a str) -> Result<(String, usize), PatternError> {
        let mut translator = Self { body, characters: body.char_indices().peekable(), out: String::new(), depth: 0 };
        if translator.take('^') {
            translator.out.push_str(r"\A");
        }
        translator.out.push_str("(?:");
        let weight = translator.union()?;
        translator.out.push(')');
        let end = translator.at();
        let is_anchored = translator.take('$');
        if is_anchored {
            translator.out.push_str(r"\z");
        }
        match translator.characters.next() {
            None => Ok((translator.out, weight)),
            // Nothing else ends the union.
            Some((at, _)) if !is_anchored => Err(illegal(at, "This bracket closes nothing.")),
            Some(_) => Err(illegal(end, ANCHOR)),
        }
    }

    fn union(&mut self) -> Weight {
        let mut weight = self.sequence()?;
        while self.take('|') {
            self.out.push('|');
            weight = weight.saturating_add(self.sequence()?);
        }
        Ok(weight)
    }

    fn sequence(&mut self) -> Weight {
        let start = self.at();
        let mut weight: usize = 0;
        while let Some((at, next)) = self.characters.peek().copied() {
            match next {
                // Whether a `$` is the last of all is seen at the end.
                '|' | ')' | '$' => break,
                '^' => return Err(illegal(at, ANCHOR)),
                _ => weight = weight.saturating_add(self.item()?),
            }
        }
        if self.at() == start { Err(illegal(start, "A branch must not be empty.")) } else { Ok(weight) }
    }

    fn item(&mut self) -> Weight {
        let weight = self.atom()?;
        let Some((at, next)) = self.characters.peek().copied() else { return Ok(weight) };
        let times = match next {
            '*' | '+' | '?' => {
                self.characters.next();
                self.out.push(next);
                1
            }
            '{' => {
                self.characters.next();
                self.repetition(at)?
            }
            _ => return Ok(weight),
        };
        match self.characters.peek() {
            Some((at, '?')) => Err(illegal(*at, "Repetitions cannot be lazy.")),
            Some((at, '*' | '+' | '{')) => Err(illegal(*at, "There is nothing here to repeat.")),
            _ => Ok(weight.saturating_mul(times)),
        }
    }

    /// `n}`, `n,}` or `n,m}`; gives how many copies it makes of what it repeats.
    fn repetition(&mut self, at: usize) -> Weight {
        let wrong = || illegal(at, "A repetition is written {n}, {n,} or {n,m}.");
        let least = self.number().ok_or_else(wrong)?;
        let most = match self.take(',') {
            true if self.characters.peek().is_some_and(|(_, next)| *next == '}') => None,
            true => Some(self.number().ok_or_else(wrong)?),
            false => Some(least),
        };
        if !self.take('}') {
            return Err(wrong());
        }
        if most.is_some_and(|most| most < least) {
            return Err(illegal(at, "The second number of a repetition must not be less than the first."));
        }
        // Writing to a string cannot fail.
        let _ = match most {
            Some(most) => write!(self.out, "{{{least},{most}}}"),
            None => write!(self.out, "{{{least},}}"),
        };
        Ok(most.unwrap_or(least + 1).max(1))
    }

    fn number(&mut self) -> Option<usize> {
        let start = self.at();
        while self.characters.next_if(|(_, next)| next.is_ascii_digit()).is_some() {}
        // More digits than these are more copies than there may be anyway.
        self.body.get(start..self.at()).filter(|digits| digits.len() <= 6)?.parse().ok()
    }

    fn atom(&mut self) -> Weight {
        let Some((at, character)) = self.characters.next() else { return Err(illegal(self.at(), ENDS)) };
        match character {
            '(' => return self.group(at),
            '[' => return self.set(at),
            '.' => {
                self.out.push('.');
                return Ok(WIDE_WEIGHT);
            }
            '*' | '+' | '?' | '{' => return Err(illegal(at, "There is nothing here to repeat.")),
            '\\' => {
                if let Some(is_wide) = self.escape(at)? {
                    return Ok(if is_wide { WIDE_WEIGHT } else { 1 });
                }
            }
            _ => self.literal(character),
        }
        Ok(1)
    }

    fn group(&mut self, at: usize) -> Weight {
        self.depth += 1;
        if self.depth > RULES_DEPTH_MAX {
            return Err(illegal(at, "Its groups are nested too deep."));
        }
        if let Some((at, '?')) = self.characters.peek() {
            return Err(illegal(*at, "Groups cannot begin with ?: no (?:...) and no look-around."));
        }
        self.out.push_str("(?:");
        let weight = self.union()?;
        if !self.take(')') {
            let anchor = self.characters.peek().map(|(at, _)| illegal(*at, ANCHOR));
            return Err(anchor.unwrap_or_else(|| illegal(at, "This bracket is not closed.")));
        }
        self.out.push(')');
        self.depth -= 1;
        Ok(weight)
    }

    fn set(&mut self, at: usize) -> Weight {
        self.out.push('[');
        let is_negated = self.take('^');
        self.out.push_str(if is_negated { "^" } else { "" });
        let first = self.at();
        let mut is_wide = is_negated;
        loop {
            match self.characters.next() {
                None => return Err(illegal(at, "This bracket is not closed.")),
                Some((found, ']')) if found == first => return Err(illegal(at, "A set must not be empty.")),
                Some((_, ']')) => break,
                Some((found, character)) => is_wide |= self.member(found, character)?,
            }
        }
        self.out.push(']');
        Ok(if is_wide { WIDE_WEIGHT } else { 1 })
    }

    /// A character, a class or a range of a set; whether it takes in characters beyond ASCII.
    fn member(&mut self, at: usize, character: char) -> Result<bool, PatternError> {
        let low = match character {
            '\\' => match self.class_or_character(at)? {
                Ok(class) => {
                    self.out.push_str(class.in_set);
                    return Ok(class.is_wide);
                }
                Err(escaped) => escaped,
            },
            plain => plain,
        };
        self.literal(low);
        let mut ahead = self.characters.clone();
        let is_range =
            ahead.next().is_some_and(|(_, next)| next == '-') && ahead.next().is_some_and(|(_, next)| next != ']');
        if !is_range {
            return Ok(!low.is_ascii());
        }
        self.characters.next();
        let Some((at, next)) = self.characters.next() else { return Err(illegal(self.at(), ENDS)) };
        let high = match next {
            '\\' => self.class_or_character(at)?.err().ok_or_else(|| illegal(at, "A range ends with a character."))?,
            plain => plain,
        };
        if high < low {
            return Err(illegal(at, "The second character of a range must not come before the first."));
        }
        self.out.push('-');
        self.literal(high);
        Ok(!high.is_ascii())
    }

    /// What stands behind a backslash, outside of sets: `Some` of whether it is wide if it was a class.
    fn escape(&mut self, at: usize) -> Result<Option<bool>, PatternError> {
        Ok(match self.class_or_character(at)? {
            Ok(class) => {
                self.out.push_str(class.alone);
                Some(class.is_wide)
            }
            Err(character) => {
                self.literal(character);
                None
            }
        })
    }

    fn class_or_character(&mut self, at: usize) -> Result<Result<&'static Class, char>, PatternError> {
        let Some((_, character)) = self.characters.next() else { return Err(illegal(at, ENDS)) };
        if let Some(class) = CLASSES.iter().find(|class| class.name == character) {
            return Ok(Ok(class));
        }
        Ok(Err(match character {
            'b' | 'B' => return Err(illegal(at, "Word boundaries are not supported.")),
            '1'..='9' => return Err(illegal(at, "References to groups are not supported.")),
            // Beyond the reference, as everybody means them.
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            'v' => '\u{b}',
            other => other,
        }))
    }

    fn literal(&mut self, character: char) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, r"\x{{{:x}}}", u32::from(character));
    }

    fn take(&mut self, wanted: char) -> bool {
        self.characters.next_if(|(_, next)| *next == wanted).is_some()
    }

    /// The byte of the body where the next character stands.
    fn at(&mut self) -> usize {
        self.characters.peek().map_or(self.body.len(), |(at, _)| *at)
    }
}

const ANCHOR: &str = "^ may only be its first character, and $ its last.";
const ENDS: &str = "It ends in the middle.";

/// Characters that have a name.
struct Class {
    name: char,
    alone: &'static str,
    in_set: &'static str,
    is_wide: bool,
}

/// They know ASCII only, as in JavaScript without flags.
const CLASSES: [Class; 6] = [
    Class { name: 's', alone: r"[\t-\r ]", in_set: r"\t-\r ", is_wide: false },
    Class { name: 'S', alone: r"[^\t-\r ]", in_set: r"[^\t-\r ]", is_wide: true },
    Class { name: 'w', alone: "[0-9A-Za-z_]", in_set: "0-9A-Za-z_", is_wide: false },
    Class { name: 'W', alone: "[^0-9A-Za-z_]", in_set: "[^0-9A-Za-z_]", is_wide: true },
    Class { name: 'd', alone: "[0-9]", in_set: "0-9", is_wide: false },
    Class { name: 'D', alone: "[^0-9]", in_set: "[^0-9]", is_wide: true },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, flags: &str, text: &str, expected: bool) {
        let pattern = Patterns::default().get(body, flags).unwrap_or_else(|error| panic!("/{body}/: {error:?}"));
        assert_eq!(pattern.is_match(text), expected, "/{body}/{flags} {text:?} as {:?}", pattern.regex);
    }

    fn matches(body: &str, text: &str) {
        check(body, "", text, true);
    }

    fn misses(body: &str, text: &str) {
        check(body, "", text, false);
    }

    #[test]
    fn match_is_searched_anywhere_unless_anchored() {
        matches("b", "abc");
        misses("^b", "abc");
        misses("b$", "abc");
        matches("^abc$", "abc");
        misses("^abc$", "abc\n");
        // The anchors bind all branches.
        misses("^a|b$", "ax");
        matches("^a|b$", "b");
        matches("(a|b)c", "xbc");
    }

    #[test]
    fn every_character_means_itself_unless_the_dialect_says_more() {
        matches(r"\{foo}", "{foo}");
        matches("a}", "a}");
        matches("]", "]");
        matches(r"\.\/\-\$\^\(\)\[\]\*\+\?\|\\", r"./-$^()[]*+?|\");
        misses(r"\.", "a");
        matches("a#b &&~~--", "a#b &&~~--");
        matches("^é😀.$", "é😀\n");
        matches(r"\n\t", "\n\t");
        matches(r"\h", "h");
        misses(r"\h", " ");
    }

    #[test]
    fn classes_know_ascii_only() {
        matches(r"^\w\d\s$", "a1 ");
        matches(r"^\W\D\S$", "é٣é");
        misses(r"\w", "é");
        misses(r"\d", "٣");
        matches(r"^[\w\-]+$", "a-b_1");
        matches(r"^[^\d]+$", "abé");
        misses(r"^[^\W]$", "-");
        matches(r"^[\S]$", "x");
    }

    #[test]
    fn sets_take_characters_and_ranges() {
        matches("^[a-c]+$", "abc");
        misses("[a-c]", "d-");
        matches("^[-a]+$", "-a");
        matches("^[a-]+$", "a-");
        matches("^[a^$.|?*+(){}[]+$", "a^$.|?*+(){}[");
        matches(r"^[\]\\]+$", r"]\");
        matches("^[&&~~]+$", "&~");
        matches("^[à-ü]$", "é");
        matches(r"^[\--0]$", ".");
        misses("^[^a-c]$", "b");
    }

    #[test]
    fn repetitions_are_counted() {
        matches("^a{2}$", "aa");
        misses("^a{2}$", "aaa");
        matches("^a{2,}$", "aaaa");
        matches("^a{2,3}b*c+d?$", "aaac");
        misses("^a{2,3}$", "a");
        matches("^(ab){0}$", "");
    }

    #[test]
    fn case_is_ignored_where_it_is_asked_for() {
        check("^straße[a-c]$", "i", "STRAßEB", true);
        check("^é$", "i", "É", true);
        check("a", "", "A", false);
    }

    #[test]
    fn what_is_not_in_the_dialect_is_refused_at_its_place() {
        let table = [
            ("", 0),
            ("^$", 1),
            ("a||b", 2),
            ("(a|)", 3),
            ("()", 1),
            ("a^b", 1),
            ("a$b", 1),
            ("(^a)", 1),
            ("(a$)", 2),
            ("^^a", 1),
            ("(?:a)", 1),
            ("(?=a)", 1),
            ("a*?", 2),
            ("a+?", 2),
            ("a{2}?", 4),
            ("a**", 2),
            ("*a", 0),
            ("(+a)", 1),
            ("{foo}", 0),
            ("a{foo}", 1),
            ("a{}", 1),
            ("a{,2}", 1),
            ("a{3,2}", 1),
            ("a{2", 1),
            ("[]", 0),
            ("[^]", 0),
            ("[a", 0),
            ("[b-a]", 3),
            (r"[a-\d]", 3),
            ("(a", 0),
            ("a)", 1),
            (r"a\", 1),
            (r"[\", 1),
            (r"\bfoo", 0),
            (r"(a)\1", 3),
        ];
        for (body, expected) in table {
            match Patterns::default().get(body, "") {
                Err(PatternError::Illegal { at, .. }) => assert_eq!(at, expected, "/{body}/"),
                other => panic!("/{body}/: {other:?}"),
            }
        }
        for flags in ["g", "ig", "ii", "m", "I"] {
            assert_eq!(Patterns::default().get("a", flags).err(), Some(PatternError::Flags));
        }
    }

    #[test]
    fn equal_patterns_are_compiled_once() {
        let mut patterns = Patterns::default();
        let one = patterns.get("a", "").unwrap();
        assert!(Arc::ptr_eq(&one, &patterns.get("a", "").unwrap()));
        assert!(!Arc::ptr_eq(&one, &patterns.get("a", "i").unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_taken_or_refused(
            body in r"([\^$|()\[\]{},*+?.\\wd/a-c0-9-]|\PC){0,20}",
            text in "[a-c0-9-]{0,9}",
        ) {
            if let Ok(pattern) = Patterns::default().get(&body, "i") {
                pattern.is_match(&text);
            }
        }
    }
}
