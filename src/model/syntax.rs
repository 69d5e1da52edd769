//! The query language's syntax tree: what a query says, before anyone looks at a fleet.
//! `query::parse` makes it from text, `Display` prints it back, and the two are inverse.

use std::time::Duration;

use crate::model::{time::Time, unit::Unit};

/// A whole query: `VIEW [where EXPR] [by KEY,…] [sort [-]KEY,…] [show KEY,…|*] [limit N] [offset N]
/// [over DUR [step DUR]] [since TIME|at TIME]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The view's name as written: `gpus`, `nodes`, `racks`.
    pub view: String,
    /// Which rows.
    pub filter: Option<Expr>,
    /// Keys to group by.
    pub by: Vec<String>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// How far back.
    pub span: Duration,
    /// Distance between values; nothing leaves it to the hub.
    pub step: Option<Duration>,
}

/// When a query asks about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Now.
    #[default]
    Now,
    /// From then to now.
    Since(Moment),
    /// Then.
    At(Moment),
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
}

/// A condition. Evaluates to true, false or unknown; a filter keeps what is true.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Both.
    And(Box<Expr>, Box<Expr>),
    /// Either.
    Or(Box<Expr>, Box<Expr>),
    /// The opposite; unknown stays unknown.
    Not(Box<Expr>),
    /// `temp > 85`.
    Compare(Operand, Comparison, Operand),
    /// `model ~ 'H[12]00'`: an unanchored regular expression.
    Match(Operand, String),
    /// `node in gpu[001-128,130]`: the hostlist as written.
    In(Operand, String),
    /// `temp is unknown`; the flag is true for `is not unknown`.
    IsUnknown(Operand, bool),
    /// `any(util < 5)`, `all(…)`: over a node's GPUs.
    Quantified(Quantifier, Box<Expr>),
    /// `count(temp > 85) >= 2`: over a node's GPUs.
    Count(Box<Expr>, Comparison, u64),
    /// `held(EXPR, 5m)`: true all that time.
    Held(Box<Expr>, Duration),
    /// `times(EXPR, 10m) >= 6`: how often it became true in that time.
    Times(Box<Expr>, Duration, Comparison, u64),
    /// A bare word: a part of a name, in either case.
    Word(String),
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

/// A value: a key, a literal, arithmetic on them, or a function of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A key as written, short or full.
    Key(String),
    /// A number in the unit of what it meets: `85`.
    Number(f64),
    /// A number with its unit: `5kW` is 5000 W.
    Quantity(f64, Unit),
    /// Quoted text, or a bare word where only a value can stand.
    Text(String),
    /// `none`: a known absence.
    Absent,
    /// `a + b`.
    Arithmetic(Box<Operand>, Operation, Box<Operand>),
    /// `median(K by job)`: over the row's peers.
    Peers(PeerFunction, String, String),
    /// `max(K)`: over the GPUs, nodes or rows below the row.
    Below(Reduction, String),
    /// `max(K, 1m)`, `rate(K, 1m)`: over that much of the past.
    Past(PastFunction, String, Duration),
    /// `each(gpu.util)`: the values of all GPUs below the row, as a list. Only in `show`.
    Each(String),
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
