//! Plans conditions: what stands on either side of a comparison decides how the two compare.

use crate::model::{
    hostlist::Hostlist,
    identity::Field,
    metric::Kind as Reading,
    question::Complaint,
    syntax::{Comparison, Expr, Operand, PeerFunction, Spot, Word},
    text,
};

use super::{
    super::{
        measure::{comparable, flipped},
        pattern,
        stored::Stored,
        suggest::hint,
        value::{Condition, Num, Numeric, Test, Text, Value},
        view::Kind,
    },
    Planner, complain,
    operand::scaled,
};

impl Planner<'_> {
    /// A condition of a row.
    pub(super) fn condition(&self, expr: &Expr) -> Result<Condition, Complaint> {
        self.plain(expr).map(prepared)
    }

    fn plain(&self, expr: &Expr) -> Result<Condition, Complaint> {
        let several = |parts: &[Expr]| parts.iter().map(|part| self.condition(part)).collect::<Result<Vec<_>, _>>();
        Ok(match expr {
            Expr::And(parts) => Condition::And(several(parts)?),
            Expr::Or(parts) => Condition::Or(several(parts)?),
            Expr::Not(inner) => negated(self.condition(inner)?),
            Expr::Compare(left, comparison, right) => self.compare(left, *comparison, right)?,
            Expr::Match(operand, word) => self.matched(operand, word)?,
            Expr::In(operand, word) => self.listed(operand, word)?,
            Expr::IsUnknown(operand, not) => {
                let unknown = match self.operand(operand)? {
                    Value::Number(numeric) => Condition::UnknownNumber(numeric.num),
                    Value::Text(text) => Condition::UnknownText(text),
                    Value::Each(_) => return Err(list(operand)),
                };
                if *not { negated(unknown) } else { unknown }
            }
            Expr::Quantified(quantifier, inner) => {
                self.nodes_only(Spot::default())?;
                self.no_job_then(Spot::default())?;
                let gpus = self.of_kind(Kind::Gpu);
                Condition::Quantified(*quantifier, Box::new(gpus.condition(inner)?))
            }
            Expr::Held(inner, span, spot) => {
                self.no_job(*spot)?;
                self.no_other_time("`held`", *spot)?;
                if self.past {
                    return Err(complain("`held` does not stand inside another look at the past", *spot));
                }
                Condition::Held(Box::new(Planner { past: true, ..*self }.condition(inner)?), *span)
            }
            Expr::Word(word) => Condition::Name(word.to_lowercase()),
        })
    }

    fn compare(&self, left: &Operand, comparison: Comparison, right: &Operand) -> Result<Condition, Complaint> {
        let literal = |operand: &Operand| matches!(operand, Operand::Number(_) | Operand::Text(_) | Operand::Absent(_));
        if literal(left) && !literal(right) {
            return self.compare(right, flipped(comparison), left);
        }
        if let Operand::Peers(PeerFunction::Majority, key, by) = right
            && let Value::Text(text) = self.operand(left)?
        {
            let test = Test::Majority(self.common_text(key, by)?);
            return equality(Condition::Text(text, test), comparison, right);
        }
        match (self.operand(left)?, right) {
            (Value::Each(_), _) => Err(list(left)),
            (Value::Number(numeric), Operand::Absent(_)) => {
                let condition = match numeric.reading {
                    Reading::Flags(_) => negated(Condition::Flags(numeric.num, u32::MAX)),
                    _ => Condition::Absent(numeric.num),
                };
                equality(condition, comparison, right)
            }
            (Value::Text(text), Operand::Absent(_)) => equality(Condition::NoText(text), comparison, right),
            (Value::Text(text), Operand::Key(word) | Operand::Text(word)) => Ok(text_test(text, comparison, word)),
            (Value::Text(text), Operand::Number(number)) => Ok(text_test(text, comparison, &Word::from(number.text()))),
            (Value::Text(_), _) => Err(complain("expected a text to compare with", right.spot())),
            (Value::Number(Numeric { num, reading: Reading::Flags(names), .. }), _) => {
                let bit = position(names, right)?;
                equality(Condition::Flags(num, 1u32.checked_shl(bit).unwrap_or(0)), comparison, right)
            }
            (Value::Number(Numeric { num, reading: Reading::Choice(names), .. }), _) => {
                let at = Num::Constant(f64::from(position(names, right)?));
                Ok(Condition::Compare(num, comparison, at))
            }
            (Value::Number(numeric), _) => self.numbers(numeric, left, comparison, right),
        }
    }

    fn numbers(
        &self,
        a: Numeric,
        left: &Operand,
        comparison: Comparison,
        right: &Operand,
    ) -> Result<Condition, Complaint> {
        if let Operand::Text(word) = right {
            return Err(complain("expected a number, found a text", word.spot));
        }
        let b = self.numeric(right)?;
        if matches!(b.reading, Reading::Flags(_) | Reading::Choice(_)) {
            return Err(complain("flags and states stand on the left of a comparison", right.spot()));
        }
        let Some((scale_a, scale_b)) = comparable(a.measure, b.measure) else {
            let message = format!("`{left}` is {}, and this is {}", a.measure.words(), b.measure.words());
            return Err(complain(message, right.spot()));
        };
        Ok(Condition::Compare(scaled(a.num, scale_a), comparison, scaled(b.num, scale_b)))
    }

    fn matched(&self, operand: &Operand, word: &Word) -> Result<Condition, Complaint> {
        let pattern = pattern(word).map_err(|message| complain(message, word.spot))?;
        match self.operand(operand)? {
            Value::Text(text) => Ok(Condition::Text(text, Test::Pattern(pattern))),
            Value::Number(Numeric { num, reading: Reading::Flags(names), .. }) => {
                Ok(Condition::Flags(num, bits(names, |name| pattern.is_match(name)) as u32))
            }
            Value::Number(Numeric { num, reading: Reading::Choice(names), .. }) => {
                Ok(Condition::Choice(num, bits(names, |name| pattern.is_match(name))))
            }
            Value::Number(numeric) => Ok(Condition::Text(Text::Of(Box::new(numeric)), Test::Pattern(pattern))),
            Value::Each(_) => Err(list(operand)),
        }
    }

    fn listed(&self, operand: &Operand, word: &Word) -> Result<Condition, Complaint> {
        let hosts = Hostlist::parse(word).map_err(|error| complain(error.message, word.spot))?;
        let named = |names: &[&str]| bits(names, |name| hosts.matches(name));
        match self.operand(operand)? {
            Value::Text(text) => {
                let (plain, rest) = hosts.split_plain();
                let plain = plain.into_iter().map(|name| name.to_ascii_lowercase());
                // A list of full names matches short ones, too, so these stay in the list that knows how.
                let (full, plain): (Vec<_>, Vec<_>) = plain.partition(|name| name.contains('.'));
                let rest = rest.and(Hostlist::fold(full.iter().map(String::as_str)));
                Ok(Condition::Text(text, Test::Among(plain.into_iter().collect(), rest)))
            }
            Value::Number(Numeric { num, reading: Reading::Flags(names), .. }) => {
                Ok(Condition::Flags(num, named(names) as u32))
            }
            Value::Number(Numeric { num, reading: Reading::Choice(names), .. }) => {
                Ok(Condition::Choice(num, named(names)))
            }
            Value::Number(numeric) => Ok(Condition::Listed(numeric.num, hosts)),
            Value::Each(_) => Err(list(operand)),
        }
    }
}

/// The condition, with what it says of each stored value where it looks at nothing else.
fn prepared(condition: Condition) -> Condition {
    match (Stored::of(&condition), condition) {
        (Some((leaf, stored)), condition) => Condition::Stored(leaf, stored, Box::new(condition)),
        (None, Condition::Not(inner)) => negated(prepared(*inner)),
        (None, condition) => condition,
    }
}

/// A condition that is equality, or its opposite.
fn equality(is: Condition, comparison: Comparison, right: &Operand) -> Result<Condition, Complaint> {
    match comparison {
        Comparison::Equal => Ok(is),
        Comparison::NotEqual => Ok(negated(is)),
        other => Err(complain(format!("`{other}` has no meaning here; `=` and `!=` have"), right.spot())),
    }
}

fn negated(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn list(operand: &Operand) -> Complaint {
    complain("`each` gives a list; it stands only after `show`", operand.spot())
}

fn text_test(text: Text, comparison: Comparison, word: &Word) -> Condition {
    let is_node = matches!(text, Text::Field(Field::Node, _));
    let expected = word.text.clone();
    let equal = || if is_node { Test::Host(expected.clone()) } else { Test::Is(expected.clone()) };
    match comparison {
        Comparison::Equal => Condition::Text(text, equal()),
        Comparison::NotEqual => negated(Condition::Text(text, equal())),
        other => Condition::Text(text, Test::Order(other, word.text.clone())),
    }
}

/// The position of the name that an operand says.
fn position(names: &[&str], operand: &Operand) -> Result<u32, Complaint> {
    let (Operand::Key(word) | Operand::Text(word)) = operand else {
        return Err(complain(format!("expected one of {}", names.join(", ")), operand.spot()));
    };
    let at = names.iter().position(|name| name.eq_ignore_ascii_case(word));
    at.map(|at| at as u32).ok_or_else(|| {
        let near = hint(word, names.iter().copied());
        let tail = if near.is_empty() { format!("; expected one of {}", names.join(", ")) } else { near };
        complain(format!("unknown name `{}`{tail}", text::clean(word, 40)), word.spot)
    })
}

/// A bit for each name that passes.
fn bits(names: &[&str], is: impl Fn(&str) -> bool) -> u64 {
    names.iter().take(64).enumerate().filter(|(_, name)| is(name)).fold(0, |bits, (at, _)| bits | 1 << at)
}
