//! The query language's syntax tree: what a query says, before anyone looks at a fleet.
//! `query::parse` makes it from text, `Display` prints it back, and the two are inverse.

mod literal;
mod print;
mod word;

use std::time::Duration;

pub use literal::{Literal, parse_duration, print_duration};
pub use word::{CLAUSES, OPERATORS, Spot, Word, begins_word, continues_word, is_bare, is_reserved};

use crate::model::time::Time;

/// A whole query: `VIEW [where EXPR] [by KEY,…] [sort [-]KEY,…] [show KEY,…|*] [limit N] [offset N]
/// [over DUR [step DUR]] [since TIME|at TIME]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The view's name as written: `gpus`, `nodes`, `racks`.
    pub view: Word,
    /// Which rows.
    pub filter: Option<Expr>,
    /// Keys to group by.
    pub by: Vec<Word>,
    /// Sort keys, the first one first. Ties go by identity.
    pub sort: Vec<SortKey>,
    /// Which columns.
    pub show: Show,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// Leave out so many rows first.
    pub offset: Option<u64>,
    /// Values along time instead of now.
    pub over: Option<Over>,
    /// When.
    pub when: When,
}

/// One key of a sort.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// What to sort by.
    pub operand: Operand,
    /// Largest first. Unknown sorts last either way.
    pub descending: bool,
}

/// Which columns an answer has.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Show {
    /// The view's own choice.
    #[default]
    Default,
    /// Every key that the view has.
    All,
    /// These, in this order. A bare key is the usual case.
    These(Vec<Operand>),
}

/// The span and step of a question about time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Over {
    /// How far back.
    pub span: Duration,
    /// Distance between values; nothing leaves it to the hub.
    pub step: Option<Duration>,
    /// Where it stands.
    pub spot: Spot,
}

/// When a query asks about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Now.
    #[default]
    Now,
    /// From then to now.
    Since(Moment, Spot),
    /// Then.
    At(Moment, Spot),
}

/// A point in time as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// An RFC 3339 time.
    Absolute(Time),
    /// So long before now: `-20m`.
    Ago(Duration),
    /// A time of the present day, UTC, in seconds after midnight: `14:02`, `14:02:30`.
    Clock(u32),
    /// The present day's beginning, UTC: `today`.
    Today,
    /// Whenever each node was last heard: `at last`, its last values, however old.
    Last,
}

/// A condition. Evaluates to true, false or unknown; a filter keeps what is true.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of them, two or more.
    And(Vec<Expr>),
    /// One of them at least; two or more.
    Or(Vec<Expr>),
    /// The opposite; unknown stays unknown.
    Not(Box<Expr>),
    /// `temp > 85`.
    Compare(Operand, Comparison, Operand),
    /// `model ~ 'H[12]00'`: an unanchored regular expression.
    Match(Operand, Word),
    /// `node in gpu[001-128,130]`: the hostlist as written.
    In(Operand, Word),
    /// `temp is unknown`; the flag is true for `is not unknown`.
    IsUnknown(Operand, bool),
    /// `any(util < 5)`, `all(…)`: over a node's GPUs.
    Quantified(Quantifier, Box<Expr>),
    /// `held(EXPR, 5m)`: true all that time.
    Held(Box<Expr>, Duration, Spot),
    /// A bare word: a part of a name, in either case.
    Word(Word),
}

/// For how many of a node's GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// Every one, and there is one.
    All,
}

/// How two operands compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A value: a key, a literal, arithmetic on them, or a function of a key or a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A key as written, short or full; or, beside a key that is text, a text that needs no quotes.
    Key(Word),
    /// `85`, in the unit of what it meets, or with its own: `5kW`.
    Number(Literal),
    /// Quoted text.
    Text(Word),
    /// `none`: a known absence.
    Absent(Spot),
    /// `a + b`.
    Arithmetic(Box<Operand>, Operation, Box<Operand>),
    /// `median(K by job)`: over the row's peers, those with the same value of the second key.
    Peers(PeerFunction, Word, Vec<Word>),
    /// `max(K)`: over the GPUs, nodes or rows below the row.
    Below(Reduction, Word),
    /// `max(K, 1m)`, `rate(K, 1m)`: over that much of the past.
    Past(PastFunction, Word, Duration),
    /// `each(gpu.util)`: the values of all GPUs below the row, as a list. Only in `show`.
    Each(Word),
    /// `count(temp > 85)`: for how many of a node's GPUs it is true.
    Count(Box<Expr>, Spot),
    /// `times(EXPR, 10m)`: how often it became true in that time.
    Times(Box<Expr>, Duration, Spot),
}

impl Operand {
    /// Where it stands in the query's text.
    pub fn spot(&self) -> Spot {
        match self {
            Operand::Key(word)
            | Operand::Text(word)
            | Operand::Below(_, word)
            | Operand::Past(_, word, _)
            | Operand::Each(word)
            | Operand::Peers(_, word, _) => word.spot,
            Operand::Number(literal) => literal.spot,
            Operand::Absent(spot) | Operand::Count(_, spot) | Operand::Times(_, _, spot) => *spot,
            Operand::Arithmetic(left, _, right) => left.spot().to(right.spot()),
        }
    }
}

/// Arithmetic on two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; by zero gives unknown.
    Divide,
}

/// What to take of a row's peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerFunction {
    /// The middle value.
    Median,
    /// The median distance from the median.
    Mad,
    /// The most frequent value.
    Majority,
    /// How far the row itself is from the median, in robust standard deviations: 1.4826 times the median distance.
    Apart,
}

/// What to take of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// All added up.
    Sum,
    /// The mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The middle one.
    Median,
    /// The median distance from the median: how far they spread.
    Mad,
}

/// What to take of a span of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastFunction {
    /// Change per second; a reset counter gives no negative.
    Rate,
    /// Change over the span.
    Delta,
    /// The mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}
