//! Reads a query: its view and its clauses, in any order, once each.
//! Knows the grammar only; which keys and views there are is asked when a query meets a fleet.

mod expr;
mod moment;

use crate::model::{
    question::Complaint,
    syntax::{CLAUSES, Expr, Operand, Over, Query, Show, SortKey, Spot, When, Word, is_reserved, parse_duration},
    text,
};

use super::{
    lexer::{Lexer, Place, Token, complain},
    suggest::hint,
};

/// Longest text of a query, in bytes.
pub const LONGEST: usize = 16_384;

/// Reads `text` as a query.
///
/// # Errors
/// A complaint that points at the word that does not fit, and says what was expected.
pub fn parse(text: &str) -> Result<Query, Complaint> {
    let mut parser = Parser::new(text)?;
    let query = parser.query()?;
    Ok(query)
}

/// Reads `text` as a condition alone, as a rule or a filter line holds it.
///
/// # Errors
/// As [`parse`].
pub fn parse_condition(text: &str) -> Result<Expr, Complaint> {
    let mut parser = Parser::new(text)?;
    let expr = parser.condition()?;
    match parser.lexer.peek(Place::Sign)? {
        (Token::End, _) => Ok(expr),
        (found, spot) => Err(complain(format!("expected `and`, `or` or the end, found {}", name(&found)), spot)),
    }
}

/// Reads a query's text from left to right.
struct Parser<'a> {
    lexer: Lexer<'a>,
    /// How many conditions and parentheses are open.
    depth: usize,
    /// How many operators were read.
    operators: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, Complaint> {
        if text.len() > LONGEST {
            let message = format!("a query has at most {LONGEST} bytes, and this one has {}", text.len());
            return Err(complain(message, Spot { at: 0, len: text.len() }));
        }
        // What is printed back or shown in a complaint must be harmless to a terminal.
        if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control() && !c.is_whitespace()) {
            return Err(complain("a query has no control characters", Spot { at, len: c.len_utf8() }));
        }
        Ok(Parser { lexer: Lexer::new(text), depth: 0, operators: 0 })
    }

    fn query(&mut self) -> Result<Query, Complaint> {
        let mut query = Query { view: self.word("a view such as gpus or nodes")?, ..Query::default() };
        let mut seen: Vec<&str> = Vec::new();
        loop {
            let (clause, spot) = match self.lexer.take(Place::Sign)? {
                (Token::End, _) => return Ok(query),
                (Token::Word(word), spot) => (clause(word).ok_or_else(|| unknown_clause(word, spot, &query))?, spot),
                (found, spot) => return Err(expected_clause(&found, spot)),
            };
            // One span of time per query: `since` and `at` say the same thing in two ways.
            let slot = if clause == "at" { "since" } else { clause };
            if seen.contains(&slot) {
                return Err(complain(format!("`{clause}` stands here a second time"), spot));
            }
            seen.push(slot);
            self.clause(clause, spot, &mut query)?;
        }
    }

    fn clause(&mut self, clause: &str, spot: Spot, query: &mut Query) -> Result<(), Complaint> {
        match clause {
            "where" => query.filter = Some(self.condition()?),
            "by" => query.by = self.list(|parser| parser.word("a key to group by"))?,
            "sort" => query.sort = self.list(Parser::sort_key)?,
            "show" => query.show = self.show()?,
            "limit" => query.limit = Some(self.count("a number of rows")?),
            "offset" => query.offset = Some(self.count("a number of rows to leave out")?),
            "over" => query.over = Some(self.over(spot)?),
            "step" => return Err(complain("`step` follows a length of time: over 10m step 10s", spot)),
            "since" => query.when = self.moment().map(|moment| When::Since(moment, spot))?,
            _ => query.when = self.moment().map(|moment| When::At(moment, spot))?,
        }
        Ok(())
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, Complaint>) -> Result<Vec<T>, Complaint> {
        let mut items = vec![item(self)?];
        while self.sign(",")? {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn sort_key(&mut self) -> Result<SortKey, Complaint> {
        // Before a sort key a minus always means "largest first", even before a digit.
        let descending = self.sign("-")?;
        Ok(SortKey { operand: self.operand()?, descending })
    }

    fn show(&mut self) -> Result<Show, Complaint> {
        if self.sign("*")? {
            return Ok(Show::All);
        }
        self.list(Parser::operand).map(Show::These)
    }

    fn over(&mut self, spot: Spot) -> Result<Over, Complaint> {
        let span = self.duration()?;
        let step = match self.lexer.peek(Place::Sign)? {
            (Token::Word(word), _) if word.eq_ignore_ascii_case("step") => {
                self.lexer.take(Place::Sign)?;
                Some(self.duration()?)
            }
            _ => None,
        };
        Ok(Over { span, step, spot })
    }

    fn count(&mut self, what: &str) -> Result<u64, Complaint> {
        let (found, spot) = self.lexer.take(Place::Value)?;
        let number = if let Token::Word(word) = found { word.parse().ok() } else { None };
        number.ok_or_else(|| complain(format!("expected {what}, found {}", name(&found)), spot))
    }

    fn duration(&mut self) -> Result<std::time::Duration, Complaint> {
        let (found, spot) = self.lexer.take(Place::Value)?;
        let duration = if let Token::Word(word) = found { parse_duration(word) } else { None };
        duration.ok_or_else(|| {
            complain(format!("expected a length of time such as 30s, 10m or 6h, found {}", name(&found)), spot)
        })
    }

    /// A name that is none of the language's own words.
    fn word(&mut self, what: &str) -> Result<Word, Complaint> {
        match self.lexer.take(Place::Value)? {
            (Token::Word(word), spot) if !is_reserved(word) && crate::model::syntax::is_bare(word) => {
                Ok(Word { text: word.to_owned(), spot })
            }
            (found, spot) => Err(complain(format!("expected {what}, found {}", name(&found)), spot)),
        }
    }

    /// Goes past `sign` if it stands next.
    fn sign(&mut self, sign: &str) -> Result<bool, Complaint> {
        let found = matches!(self.lexer.peek(Place::Sign)?.0, Token::Sign(it) if it == sign);
        if found {
            self.lexer.take(Place::Sign)?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &str, after: &str) -> Result<Spot, Complaint> {
        let (found, spot) = self.lexer.take(Place::Sign)?;
        match found {
            Token::Sign(it) if it == sign => Ok(spot),
            _ => Err(complain(format!("expected `{sign}` {after}, found {}", name(&found)), spot)),
        }
    }

    fn operand(&mut self) -> Result<Operand, Complaint> {
        self.sum()?.operand()
    }
}

fn clause(word: &str) -> Option<&'static str> {
    CLAUSES.into_iter().find(|clause| clause.eq_ignore_ascii_case(word))
}

fn unknown_clause(word: &str, spot: Spot, query: &Query) -> Complaint {
    let near = hint(word, CLAUSES);
    let expected = if query.filter.is_some() { "`and`, `or` or a clause" } else { "a clause" };
    let all = CLAUSES.join(", ");
    let near = if near.is_empty() { format!(" ({all})") } else { near };
    complain(format!("expected {expected}, found {}{near}", name(&Token::Word(word))), spot)
}

fn expected_clause(found: &Token<'_>, spot: Spot) -> Complaint {
    let hint = if *found == Token::Sign("[") { "; a hostlist stands after `in`: node in gpu[001-128]" } else { "" };
    complain(format!("expected a clause, found {}{hint}", name(found)), spot)
}

/// A token as complaints name it.
fn name(token: &Token<'_>) -> String {
    match token {
        Token::Word(word) => format!("`{}`", text::clean(word, 40)),
        Token::Quoted(quoted) => format!("'{}'", text::clean(quoted, 40)),
        Token::Sign(sign) => format!("`{sign}`"),
        Token::End => "the end".into(),
    }
}

#[cfg(test)]
mod tests;
