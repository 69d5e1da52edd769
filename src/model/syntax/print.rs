//! Prints a syntax tree as the text that parses to it again.
//! Parentheses stand only where the tree needs them.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{
    Comparison, Expr, Moment, Operand, Operation, Over, PastFunction, PeerFunction, Quantifier, Query, Reduction, Show,
    SortKey, When, Word, is_bare, print_duration,
};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.view)?;
        if let Some(filter) = &self.filter {
            write!(f, " where {filter}")?;
        }
        list(f, " by ", &self.by)?;
        list(f, " sort ", &self.sort)?;
        match &self.show {
            Show::Default => {}
            Show::All => f.write_str(" show *")?,
            Show::These(operands) => list(f, " show ", operands)?,
        }
        if let Some(limit) = self.limit {
            write!(f, " limit {limit}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " offset {offset}")?;
        }
        if let Some(over) = &self.over {
            write!(f, " {over}")?;
        }
        match self.when {
            When::Now => Ok(()),
            When::Since(moment, _) => write!(f, " since {moment}"),
            When::At(moment, _) => write!(f, " at {moment}"),
        }
    }
}

fn list<T: Display>(f: &mut Formatter<'_>, clause: &str, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        f.write_str(if at == 0 { clause } else { ", " })?;
        write!(f, "{item}")?;
    }
    Ok(())
}

impl Display for SortKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let operand = self.operand.to_string();
        let sign = if self.descending { "-" } else { "" };
        // A sort key's own minus comes first, so a number's minus must not.
        if operand.starts_with('-') { write!(f, "{sign}({operand})") } else { write!(f, "{sign}{operand}") }
    }
}

impl Display for Over {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "over {}", print_duration(self.span))?;
        self.step.map_or(Ok(()), |step| write!(f, " step {}", print_duration(step)))
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Moment::Absolute(time) => write!(f, "{time}"),
            Moment::Ago(duration) => write!(f, "-{}", print_duration(duration)),
            Moment::Clock(s) if s.is_multiple_of(60) => write!(f, "{:02}:{:02}", s / 3600, s / 60 % 60),
            Moment::Clock(s) => write!(f, "{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
            Moment::Today => f.write_str("today"),
            Moment::Last => f.write_str("last"),
        }
    }
}

/// How tightly a condition holds together; one inside a tighter one stands in parentheses.
fn binding(expr: &Expr) -> u8 {
    match expr {
        Expr::Or(_) => 0,
        Expr::And(_) => 1,
        Expr::Not(_) => 2,
        _ => 3,
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::And(all) => join(f, all, " and ", 2),
            Expr::Or(either) => join(f, either, " or ", 1),
            Expr::Not(inner) => {
                f.write_str("not ")?;
                inside(f, inner, 2)
            }
            Expr::Compare(left, comparison, right) => write!(f, "{left} {comparison} {right}"),
            Expr::Match(operand, pattern) => write!(f, "{operand} ~ {}", Quoted(pattern)),
            Expr::In(operand, hosts) if is_bare_hostlist(hosts) => write!(f, "{operand} in {hosts}"),
            Expr::In(operand, hosts) => write!(f, "{operand} in {}", Quoted(hosts)),
            Expr::IsUnknown(operand, false) => write!(f, "{operand} is unknown"),
            Expr::IsUnknown(operand, true) => write!(f, "{operand} is not unknown"),
            Expr::Quantified(quantifier, inner) => write!(f, "{quantifier}({inner})"),
            Expr::Held(inner, duration, _) => write!(f, "held({inner}, {})", print_duration(*duration)),
            Expr::Word(word) if is_bare(word) => write!(f, "{word}"),
            Expr::Word(word) => write!(f, "{}", Quoted(word)),
        }
    }
}

fn join(f: &mut Formatter<'_>, parts: &[Expr], word: &str, tighter: u8) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        f.write_str(if at == 0 { "" } else { word })?;
        inside(f, part, tighter)?;
    }
    Ok(())
}

fn inside(f: &mut Formatter<'_>, expr: &Expr, tighter: u8) -> fmt::Result {
    if binding(expr) < tighter { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

/// Whether a hostlist ends where it should when it is written without quotes.
fn is_bare_hostlist(hosts: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-' | '[' | ']' | ',');
    hosts.starts_with(|c: char| c.is_alphanumeric() || c == '[') && hosts.chars().all(plain) && !hosts.ends_with(',')
}

/// Text in single quotes; a quote inside is doubled.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        for c in self.0.chars() {
            f.write_str(if c == '\'' { "'" } else { "" })?;
            f.write_char(c)?;
        }
        f.write_char('\'')
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Key(key) => write!(f, "{key}"),
            Operand::Number(literal) => write!(f, "{literal}"),
            Operand::Text(text) => write!(f, "{}", Quoted(text)),
            Operand::Absent(_) => f.write_str("none"),
            Operand::Arithmetic(left, operation, right) => {
                let own = tightness(*operation);
                // Chains lean to the left, so an equal on the right needs its parentheses.
                term(f, left, own)?;
                write!(f, " {operation} ")?;
                term(f, right, own + 1)
            }
            Operand::Peers(function, key, by) => {
                let by: Vec<String> = by.iter().map(Word::to_string).collect();
                write!(f, "{function}({key} by {})", by.join(","))
            }
            Operand::Below(function, key) => write!(f, "{function}({key})"),
            Operand::Past(function, key, span) => write!(f, "{function}({key}, {})", print_duration(*span)),
            Operand::Each(key) => write!(f, "each({key})"),
            Operand::Count(expr, _) => write!(f, "count({expr})"),
            Operand::Times(expr, span, _) => write!(f, "times({expr}, {})", print_duration(*span)),
        }
    }
}

fn tightness(operation: Operation) -> u8 {
    match operation {
        Operation::Add | Operation::Subtract => 0,
        Operation::Multiply | Operation::Divide => 1,
    }
}

fn term(f: &mut Formatter<'_>, operand: &Operand, at_least: u8) -> fmt::Result {
    match operand {
        Operand::Arithmetic(_, operation, _) if tightness(*operation) < at_least => write!(f, "({operand})"),
        _ => write!(f, "{operand}"),
    }
}

macro_rules! words {
    ($($kind:ident { $($name:ident $word:literal),* })*) => {
        $(impl Display for $kind {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($kind::$name => $word),* })
            }
        })*
    };
}

words! {
    Comparison { Equal "=", NotEqual "!=", Less "<", LessOrEqual "<=", Greater ">", GreaterOrEqual ">=" }
    Operation { Add "+", Subtract "-", Multiply "*", Divide "/" }
    Quantifier { Any "any", All "all" }
    PeerFunction { Median "median", Mad "mad", Majority "majority", Apart "apart" }
    Reduction { Sum "sum", Avg "avg", Min "min", Max "max", Median "median", Mad "mad" }
    PastFunction { Rate "rate", Delta "delta", Avg "avg", Min "min", Max "max" }
}
