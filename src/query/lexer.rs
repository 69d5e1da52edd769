//! Cuts a query's text into words, quoted texts and signs, one at a time.
//! What a character means depends on where it stands, so the parser says whether it expects a value or a sign.

use crate::model::{
    question::Complaint,
    syntax::{Spot, begins_word, continues_word},
};

/// What stands next in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A word or a number.
    Word(&'a str),
    /// What stood between quotes.
    Quoted(String),
    /// An operator, a parenthesis or a comma.
    Sign(&'static str),
    /// The text's end.
    End,
}

/// Where the reader is: before a value, `-5` is a number and `/data` a path; before a sign, they subtract and divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Value,
    Sign,
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 16] = ["!=", "<=", ">=", "==", "=", "<", ">", "~", "(", ")", ",", "+", "-", "*", "/", "["];

/// A query's text and how far it has been read.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Lexer { text, at: 0 }
    }

    /// What stands next, and where, without going past it.
    pub(super) fn peek(&mut self, place: Place) -> Result<(Token<'a>, Spot), Complaint> {
        self.skip_blanks();
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else {
            return Ok((Token::End, Spot { at: self.text.len(), len: 0 }));
        };
        if first == '\'' || first == '"' {
            return self.quoted(first);
        }
        let value = place == Place::Value;
        let negative = value && first == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit());
        if begins_word(first) || negative || (value && first == '/' && rest[1..].starts_with(begins_word)) {
            let len = first.len_utf8()
                + rest[first.len_utf8()..].find(|c| !continues_word(c)).unwrap_or(rest.len() - first.len_utf8());
            return Ok((Token::Word(&rest[..len]), Spot { at: self.at, len }));
        }
        match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => Ok((Token::Sign(sign), Spot { at: self.at, len: sign.len() })),
            None => Err(complain(format!("unexpected `{first}`"), Spot { at: self.at, len: first.len_utf8() })),
        }
    }

    /// What stands next, and where, and goes past it.
    pub(super) fn take(&mut self, place: Place) -> Result<(Token<'a>, Spot), Complaint> {
        let (token, spot) = self.peek(place)?;
        self.at = spot.end();
        Ok((token, spot))
    }

    /// Text that has its own grammar (a pattern, a hostlist, a time): in quotes, or up to a blank, a comma before a
    /// blank, or a parenthesis that was not opened in it.
    pub(super) fn take_raw(&mut self) -> Result<(String, Spot), Complaint> {
        self.skip_blanks();
        let rest = &self.text[self.at..];
        if let Some(quote @ ('\'' | '"')) = rest.chars().next() {
            let (token, spot) = self.quoted(quote)?;
            self.at = spot.end();
            let Token::Quoted(text) = token else { return Ok((String::new(), spot)) };
            return Ok((text, spot));
        }
        let mut depth = 0usize;
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            match c {
                '(' => depth += 1,
                ')' if depth > 0 => depth -= 1,
                ',' if !rest[at + 1..].starts_with(|c: char| c.is_whitespace()) => {}
                ')' | ',' => end = end.min(at),
                _ if c.is_whitespace() => end = end.min(at),
                _ => {}
            }
            if end < rest.len() {
                break;
            }
        }
        let spot = Spot { at: self.at, len: end };
        self.at += end;
        Ok((rest[..end].to_owned(), spot))
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Quoted text; a doubled quote in it is one.
    fn quoted(&self, quote: char) -> Result<(Token<'a>, Spot), Complaint> {
        let rest = &self.text[self.at + 1..];
        let (mut text, mut from) = (String::new(), 0);
        while let Some(len) = rest[from..].find(quote) {
            text.push_str(&rest[from..from + len]);
            from += len + 1;
            if !rest[from..].starts_with(quote) {
                return Ok((Token::Quoted(text), Spot { at: self.at, len: from + 1 }));
            }
            text.push(quote);
            from += 1;
        }
        Err(complain("this quote has no end", Spot { at: self.at, len: 1 }))
    }
}

/// A complaint about what stands at `spot`.
pub(super) fn complain(message: impl Into<String>, spot: Spot) -> Complaint {
    Complaint { message: message.into(), at: spot.at, len: spot.len }
}
