//! Words of a query's text, and where they stand in it, so that a complaint can point at one.
//! Two words are equal when they say the same, wherever they stand.

use std::{fmt, ops::Deref};

/// A stretch of a query's text, in bytes. All spots are equal, so that a tree that was built compares with one that
/// was parsed.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct Spot {
    /// Where it begins.
    pub at: usize,
    /// How long it is.
    pub len: usize,
}

impl Spot {
    /// The stretch from `start` up to `end`.
    pub const fn between(start: usize, end: usize) -> Spot {
        Spot { at: start, len: end.saturating_sub(start) }
    }

    /// Where it ends.
    pub const fn end(self) -> usize {
        self.at + self.len
    }

    /// The stretch that holds this one and `other`.
    pub fn to(self, other: Spot) -> Spot {
        Spot::between(self.at.min(other.at), self.end().max(other.end()))
    }
}

impl PartialEq for Spot {
    fn eq(&self, _: &Spot) -> bool {
        true
    }
}

/// A name as somebody wrote it: a view, a key, a text to compare with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// What it says, without quotes.
    pub text: String,
    /// Where it stands.
    pub spot: Spot,
}

impl Deref for Word {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Word {
        text.to_owned().into()
    }
}

impl From<String> for Word {
    fn from(text: String) -> Word {
        Word { text, spot: Spot::default() }
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Words that begin a clause; as a name each must stand in quotes.
pub const CLAUSES: [&str; 10] = ["where", "by", "sort", "show", "limit", "offset", "over", "step", "since", "at"];
/// Words of conditions; as a name each must stand in quotes.
pub const OPERATORS: [&str; 6] = ["and", "or", "not", "in", "is", "none"];

/// Whether the language keeps `text` for itself.
pub fn is_reserved(text: &str) -> bool {
    CLAUSES.iter().chain(&OPERATORS).any(|word| word.eq_ignore_ascii_case(text))
}

/// Whether a word may begin with `c`.
pub fn begins_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a word may go on with `c`. Dashes, slashes and colons belong to names, so subtraction and division stand
/// between blanks.
pub fn continues_word(c: char) -> bool {
    begins_word(c) || matches!(c, '.' | ':' | '/' | '@' | '-' | '%')
}

/// Whether `text` is one word that needs no quotes.
pub fn is_bare(text: &str) -> bool {
    text.starts_with(begins_word) && text.chars().all(continues_word) && !is_reserved(text)
}
