//! Reads conditions and operands, tightest last: `or`, `and`, `not`, comparisons, sums, products.
//! A parenthesis may hold either, so both are read as a [`Term`] and told apart where it matters.

use crate::model::{
    hostlist::Hostlist,
    question::Complaint,
    syntax::{
        Comparison, Expr, Literal, Operand, Operation, PastFunction, PeerFunction, Quantifier, Reduction, Spot, Word,
        is_reserved,
    },
};

use super::{Parser, Place, Token, complain, hint, name};

/// Most conditions and parentheses inside one another.
const DEEPEST: usize = 32;
/// Most operators of one query.
const OPERATORS: usize = 256;

/// A condition or a value, and where it stands.
pub(super) struct Term {
    kind: Kind,
    spot: Spot,
}

enum Kind {
    Expr(Expr),
    Operand(Operand),
}

impl Term {
    fn of(operand: Operand, spot: Spot) -> Term {
        Term { kind: Kind::Operand(operand), spot }
    }

    /// As a condition. A word alone asks for names that it is a part of.
    fn expr(self) -> Result<Expr, Complaint> {
        match self.kind {
            Kind::Expr(expr) => Ok(expr),
            Kind::Operand(Operand::Key(word) | Operand::Text(word)) => Ok(Expr::Word(word)),
            Kind::Operand(Operand::Number(number)) => {
                Ok(Expr::Word(Word { text: number.text().to_owned(), spot: number.spot }))
            }
            Kind::Operand(operand) => {
                Err(complain(format!("expected a comparison such as `{operand} > 5`, found a value alone"), self.spot))
            }
        }
    }

    /// As a value.
    pub(super) fn operand(self) -> Result<Operand, Complaint> {
        match self.kind {
            Kind::Operand(operand) => Ok(operand),
            Kind::Expr(_) => Err(complain("expected a value, found a condition", self.spot)),
        }
    }
}

/// The functions, as they are named.
const FUNCTIONS: [&str; 17] = [
    "any", "all", "count", "held", "times", "median", "mad", "majority", "apart", "rate", "delta", "avg", "min", "max",
    "sum", "each", "mean",
];

impl Parser<'_> {
    /// A whole condition.
    pub(super) fn condition(&mut self) -> Result<Expr, Complaint> {
        self.either()?.expr()
    }

    fn either(&mut self) -> Result<Term, Complaint> {
        self.chain("or", Parser::both, Expr::Or)
    }

    fn both(&mut self) -> Result<Term, Complaint> {
        self.chain("and", Parser::negation, Expr::And)
    }

    fn chain(
        &mut self,
        word: &str,
        next: fn(&mut Self) -> Result<Term, Complaint>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Term, Complaint> {
        let first = next(self)?;
        if !self.keyword(word)? {
            return Ok(first);
        }
        let mut spot = first.spot;
        let mut parts = vec![first.expr()?];
        loop {
            let part = next(self)?;
            spot = spot.to(part.spot);
            parts.push(part.expr()?);
            if !self.keyword(word)? {
                return Ok(Term { kind: Kind::Expr(join(parts)), spot });
            }
        }
    }

    fn negation(&mut self) -> Result<Term, Complaint> {
        let (_, start) = self.lexer.peek(Place::Value)?;
        if !self.keyword("not")? {
            return self.comparison();
        }
        let inner = self.deeper(start, Parser::negation)?;
        let spot = start.to(inner.spot);
        Ok(Term { kind: Kind::Expr(Expr::Not(Box::new(inner.expr()?))), spot })
    }

    fn comparison(&mut self) -> Result<Term, Complaint> {
        let left = self.sum()?;
        let start = left.spot;
        let (token, spot) = self.lexer.peek(Place::Sign)?;
        let comparison = match token {
            Token::Sign("=" | "==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Sign("~") => {
                self.lexer.take(Place::Sign)?;
                return self.pattern(left);
            }
            Token::Word(word) if word.eq_ignore_ascii_case("in") => {
                self.lexer.take(Place::Sign)?;
                return self.hosts(left);
            }
            Token::Word(word) if word.eq_ignore_ascii_case("is") => {
                self.lexer.take(Place::Sign)?;
                return self.unknown(left);
            }
            _ => return Ok(left),
        };
        self.lexer.take(Place::Sign)?;
        self.operator(spot)?;
        let left = left.operand()?;
        let right = self.sum()?;
        let spot = start.to(right.spot);
        Ok(Term { kind: Kind::Expr(Expr::Compare(left, comparison, right.operand()?)), spot })
    }

    fn pattern(&mut self, left: Term) -> Result<Term, Complaint> {
        let whole = left.spot;
        let (text, spot) = self.lexer.take_raw()?;
        if spot.len == 0 {
            return Err(complain("expected a pattern, such as `model ~ H[12]00`", spot));
        }
        crate::query::pattern(&text).map_err(|message| complain(message, spot))?;
        let expr = Expr::Match(left.operand()?, Word { text, spot });
        Ok(Term { kind: Kind::Expr(expr), spot: whole.to(spot) })
    }

    fn hosts(&mut self, left: Term) -> Result<Term, Complaint> {
        let whole = left.spot;
        let (text, spot) = self.lexer.take_raw()?;
        Hostlist::parse(&text).map_err(|error| {
            // In quotes, offsets are not those of the query.
            let bare = spot.len == text.len() && error.len > 0;
            let part = Spot { at: spot.at + error.at, len: error.len };
            complain(error.message, if bare { part } else { spot })
        })?;
        let expr = Expr::In(left.operand()?, Word { text, spot });
        Ok(Term { kind: Kind::Expr(expr), spot: whole.to(spot) })
    }

    fn unknown(&mut self, left: Term) -> Result<Term, Complaint> {
        let whole = left.spot;
        let negated = self.keyword("not")?;
        match self.lexer.take(Place::Sign)? {
            (Token::Word(word), spot) if word.eq_ignore_ascii_case("unknown") => {
                let expr = Expr::IsUnknown(left.operand()?, negated);
                Ok(Term { kind: Kind::Expr(expr), spot: whole.to(spot) })
            }
            (found, spot) => {
                let found = name(&found);
                Err(complain(
                    format!("expected `unknown` after `is`, found {found}; other values stand after `=`"),
                    spot,
                ))
            }
        }
    }

    pub(super) fn sum(&mut self) -> Result<Term, Complaint> {
        let signs = [("+", Operation::Add), ("-", Operation::Subtract)];
        self.arithmetic(signs, |parser| {
            parser.arithmetic([("*", Operation::Multiply), ("/", Operation::Divide)], Parser::primary)
        })
    }

    fn arithmetic(
        &mut self,
        signs: [(&str, Operation); 2],
        next: fn(&mut Self) -> Result<Term, Complaint>,
    ) -> Result<Term, Complaint> {
        let mut left = next(self)?;
        loop {
            let (token, spot) = self.lexer.peek(Place::Sign)?;
            let Some((_, operation)) =
                signs.into_iter().find(|(sign, _)| matches!(token, Token::Sign(it) if it == *sign))
            else {
                return Ok(left);
            };
            self.lexer.take(Place::Sign)?;
            self.operator(spot)?;
            let right = next(self)?;
            let whole = left.spot.to(right.spot);
            let operand = Operand::Arithmetic(Box::new(left.operand()?), operation, Box::new(right.operand()?));
            left = Term::of(operand, whole);
        }
    }

    fn primary(&mut self) -> Result<Term, Complaint> {
        let (token, spot) = self.lexer.take(Place::Value)?;
        match token {
            Token::Sign("(") => {
                let inner = self.deeper(spot, Parser::either)?;
                let end = self.expect(")", "for the open parenthesis")?;
                Ok(Term { kind: inner.kind, spot: spot.to(end) })
            }
            Token::Quoted(text) => Ok(Term::of(Operand::Text(Word { text, spot }), spot)),
            Token::Word(word) if word.eq_ignore_ascii_case("none") => Ok(Term::of(Operand::Absent(spot), spot)),
            Token::Word(word) if !is_reserved(word) => {
                if self.sign("(")? {
                    return self.deeper(spot, |parser| parser.call(word, spot));
                }
                let operand = match Literal::parse(word) {
                    Some(literal) => Operand::Number(literal.at(spot)),
                    // A path needs no quotes to be read, but it is no key.
                    None if word.starts_with(['/', '-']) => Operand::Text(Word { text: word.to_owned(), spot }),
                    None => Operand::Key(Word { text: word.to_owned(), spot }),
                };
                Ok(Term::of(operand, spot))
            }
            Token::Sign("[") => {
                Err(complain("unexpected `[`; a hostlist stands after `in`: node in gpu[001-128]", spot))
            }
            found => Err(complain(format!("expected a key, a value or a condition, found {}", name(&found)), spot)),
        }
    }

    /// What stands in a function's parentheses, the first of which is read already.
    fn call(&mut self, function: &str, start: Spot) -> Result<Term, Complaint> {
        let lower = function.to_ascii_lowercase();
        let kind = match lower.as_str() {
            "any" => Kind::Expr(Expr::Quantified(Quantifier::Any, Box::new(self.condition()?))),
            "all" => Kind::Expr(Expr::Quantified(Quantifier::All, Box::new(self.condition()?))),
            "count" => Kind::Operand(Operand::Count(Box::new(self.condition()?), start)),
            "held" => {
                let (condition, span) = self.condition_and_span()?;
                Kind::Expr(Expr::Held(condition, span, start))
            }
            "times" => {
                let (condition, span) = self.condition_and_span()?;
                Kind::Operand(Operand::Times(condition, span, start))
            }
            "each" => Kind::Operand(Operand::Each(self.word("a key")?)),
            "median" => self.peers(PeerFunction::Median, Some(Reduction::Median))?,
            "mad" => self.peers(PeerFunction::Mad, Some(Reduction::Mad))?,
            "majority" => self.peers(PeerFunction::Majority, None)?,
            "apart" => self.peers(PeerFunction::Apart, None)?,
            "rate" => self.past(PastFunction::Rate, None)?,
            "delta" => self.past(PastFunction::Delta, None)?,
            "avg" | "mean" => self.past(PastFunction::Avg, Some(Reduction::Avg))?,
            "min" => self.past(PastFunction::Min, Some(Reduction::Min))?,
            "max" => self.past(PastFunction::Max, Some(Reduction::Max))?,
            "sum" => Kind::Operand(Operand::Below(Reduction::Sum, self.word("a key")?)),
            _ => {
                let near = hint(function, FUNCTIONS);
                return Err(complain(format!("unknown function `{function}`{near}"), start));
            }
        };
        let end = self.expect(")", &format!("at the end of `{lower}(…`"))?;
        Ok(Term { kind, spot: start.to(end) })
    }

    fn condition_and_span(&mut self) -> Result<(Box<Expr>, std::time::Duration), Complaint> {
        let condition = self.condition()?;
        self.expect(",", "and a length of time after the condition")?;
        Ok((Box::new(condition), self.duration()?))
    }

    /// A function of a key over the row's peers; `alone` is what it means where nobody says who these are.
    fn peers(&mut self, function: PeerFunction, alone: Option<Reduction>) -> Result<Kind, Complaint> {
        let key = self.word("a key")?;
        if !self.keyword("by")? {
            if let Some(reduction) = alone {
                return Ok(Kind::Operand(Operand::Below(reduction, key)));
            }
            let (found, spot) = self.lexer.peek(Place::Sign)?;
            return Err(complain(format!("expected `by` and what peers share, found {}", name(&found)), spot));
        }
        let mut by = vec![self.word("what peers share: model, rack, …")?];
        while self.sign(",")? {
            by.push(self.word("what peers share, too")?);
        }
        Ok(Kind::Operand(Operand::Peers(function, key, by)))
    }

    /// A function of a key and a length of time; `alone` is what it means without the latter.
    fn past(&mut self, function: PastFunction, alone: Option<Reduction>) -> Result<Kind, Complaint> {
        let key = self.word("a key")?;
        match alone {
            None => drop(self.expect(",", "and a length of time after the key")?),
            Some(reduction) if !self.sign(",")? => return Ok(Kind::Operand(Operand::Below(reduction, key))),
            Some(_) => {}
        }
        Ok(Kind::Operand(Operand::Past(function, key, self.duration()?)))
    }

    /// Goes past `word` if it stands next.
    fn keyword(&mut self, word: &str) -> Result<bool, Complaint> {
        let found = match self.lexer.peek(Place::Value) {
            Ok((Token::Word(it), spot)) if it.eq_ignore_ascii_case(word) => Some(spot),
            _ => None,
        };
        if let Some(spot) = found {
            self.lexer.take(Place::Value)?;
            self.operator(spot)?;
        }
        Ok(found.is_some())
    }

    fn operator(&mut self, spot: Spot) -> Result<(), Complaint> {
        self.operators += 1;
        if self.operators > OPERATORS {
            return Err(complain(format!("a query has at most {OPERATORS} operators"), spot));
        }
        Ok(())
    }

    fn deeper<T>(&mut self, spot: Spot, read: impl FnOnce(&mut Self) -> Result<T, Complaint>) -> Result<T, Complaint> {
        if self.depth >= DEEPEST {
            return Err(complain(format!("at most {DEEPEST} conditions stand inside one another"), spot));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}
