//! A query's conditions and values once their keys are resolved: what is evaluated for each row.

use std::{collections::HashSet, rc::Rc, time::Duration};

use regex::Regex;

use crate::model::{
    hostlist::Hostlist,
    identity::Field,
    metric::{Aggregate, Kind as Reading, MetricId, Scope},
    raw::Gap,
    syntax::{Comparison, Operation, PastFunction, Quantifier},
    table::Column,
};

use super::{
    key::{About, Tally},
    measure::Measure,
    peers::Peers,
    stored::Stored,
};

/// Bytes of a name in a list from which on it is not worth writing out: hosts' are shorter.
const WIDEST: usize = 256;

/// A number, or why there is none.
pub(super) type Number = Result<f64, Gap>;

/// What an operand came to be.
pub(super) enum Value {
    Number(Numeric),
    Text(Text),
    /// Of all GPUs below the row, one number each.
    Each(Leaf),
}

/// A number with its type.
pub(super) struct Numeric {
    pub(super) num: Num,
    pub(super) measure: Measure,
    /// How it is to be read: as a level, as flags, as a choice of names.
    pub(super) reading: Reading,
}

/// How a row gets at what a key is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is the row's own thing.
    Own,
    /// It is the row's node.
    Node,
    /// There may be several: a node's GPUs, a group's members.
    Several,
}

/// A metric of what a row reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub(super) metric: MetricId,
    pub(super) quantum: f64,
    pub(super) reach: Reach,
    /// How several become one.
    pub(super) fold: Aggregate,
}

/// A number of a row.
pub(super) enum Num {
    Constant(f64),
    Leaf(Leaf),
    /// The state's position among all states.
    State,
    Tally(Tally),
    Arithmetic(Box<Num>, Operation, Box<Num>),
    Peers(Rc<Peers<f64>>),
    /// How far it is from the middle of its peers, who are so far from it themselves; at least the quantum counts.
    Apart(Box<Num>, Rc<Peers<(f64, f64)>>, f64),
    Past(Leaf, PastFunction, Duration),
    Count(Box<Condition>),
    Times(Box<Condition>, Duration),
}

/// A text of a row; of what it reaches there may be several.
pub(super) enum Text {
    Field(Field, Reach),
    Label(String),
    Level(usize),
    About(About),
    /// The words of flags and choices, or the digits of a number: what groups are named by.
    Of(Box<Numeric>),
    /// One of each together: what peers share.
    All(Vec<Text>),
}

/// What a text is compared with.
pub(super) enum Test {
    /// Equal, in either case.
    Is(String),
    /// A host's name, short or full.
    Host(String),
    /// In natural order.
    Order(Comparison, String),
    Pattern(Regex),
    Among(HashSet<String>, Hostlist),
    /// What most of the row's peers have.
    Majority(Rc<Peers<String>>),
}

/// True, false or unknown of a row.
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Num, Comparison, Num),
    /// A condition that looks at nothing but one stored value, and what it says of each that may be stored.
    Stored(Leaf, Stored, Box<Condition>),
    /// The number is a known absence.
    Absent(Num),
    /// Some of these bits are set.
    Flags(Num, u32),
    /// The number is one of these positions in a list of names.
    Choice(Num, u64),
    /// The number, written out, is in the list.
    Listed(Num, Hostlist),
    /// One of the texts passes.
    Text(Text, Test),
    /// There is no text, and that is known.
    NoText(Text),
    UnknownNumber(Num),
    UnknownText(Text),
    Quantified(Quantifier, Box<Condition>),
    Held(Box<Condition>, Duration),
    /// A part of the row's names, in lower case.
    Name(String),
}

/// A column of an answer and what fills it.
pub(super) struct Shown {
    pub(super) column: Column,
    pub(super) value: Value,
}

impl Value {
    /// The metrics of which it is made that are of several things.
    pub(super) fn sums(&self) -> Vec<Leaf> {
        if let Value::Number(numeric) = self { several(numeric.num.leaves()) } else { Vec::new() }
    }
}

/// Those of several things.
fn several(mut leaves: Vec<Leaf>) -> Vec<Leaf> {
    leaves.retain(|leaf| leaf.reach == Reach::Several);
    leaves
}

/// Those that samples hold.
fn sampled(leaves: &[Leaf]) -> Vec<MetricId> {
    leaves.iter().map(|leaf| leaf.metric).filter(|metric| Scope::SAMPLED.contains(&metric.scope)).collect()
}

impl Num {
    /// The metrics that it reads now.
    fn leaves(&self) -> Vec<Leaf> {
        match self {
            Num::Leaf(leaf) => vec![*leaf],
            Num::Arithmetic(left, _, right) => [left.leaves(), right.leaves()].concat(),
            Num::Apart(own, ..) => own.leaves(),
            Num::Count(condition) => condition.leaves(),
            _ => Vec::new(),
        }
    }

    /// The metrics that it reads from samples.
    pub(super) fn metrics(&self) -> Vec<MetricId> {
        sampled(&self.leaves())
    }

    fn looks_back(&self) -> bool {
        match self {
            Num::Past(..) | Num::Times(..) => true,
            Num::Arithmetic(left, _, right) => left.looks_back() || right.looks_back(),
            Num::Apart(own, ..) => own.looks_back(),
            Num::Count(condition) => condition.looks_back(),
            _ => false,
        }
    }
}

impl Condition {
    /// The metrics that it reads now.
    fn leaves(&self) -> Vec<Leaf> {
        match self {
            Condition::And(parts) | Condition::Or(parts) => parts.iter().flat_map(Condition::leaves).collect(),
            Condition::Not(inner) | Condition::Quantified(_, inner) | Condition::Stored(.., inner) => inner.leaves(),
            Condition::Compare(left, _, right) => [left.leaves(), right.leaves()].concat(),
            Condition::Flags(num, _)
            | Condition::Choice(num, _)
            | Condition::Listed(num, _)
            | Condition::Absent(num)
            | Condition::UnknownNumber(num) => num.leaves(),
            _ => Vec::new(),
        }
    }

    /// The metrics that it reads from samples.
    pub(super) fn metrics(&self) -> Vec<MetricId> {
        sampled(&self.leaves())
    }

    /// The metrics of which it is made that are of several things.
    pub(super) fn sums(&self) -> Vec<Leaf> {
        several(self.leaves())
    }

    /// The hosts of which a thing must be for it to be true, where it names one, or a list of no more than so many.
    pub(super) fn hosts(&self, most: usize) -> Option<Vec<String>> {
        match self {
            Condition::And(parts) => parts.iter().find_map(|part| part.hosts(most)),
            Condition::Text(Text::Field(Field::Node, _), Test::Host(name)) => Some(vec![name.clone()]),
            Condition::Text(Text::Field(Field::Node, _), Test::Among(plain, list)) => {
                let most = most.checked_sub(plain.len()).filter(|_| list.width() <= WIDEST)?;
                let listed = list.expand(most).ok()?;
                Some(plain.iter().cloned().chain(listed).collect())
            }
            _ => None,
        }
    }

    /// The one job that a thing must be of for it to be true, or have been of if that is enough, where there is one.
    pub(super) fn job(&self, once: bool) -> Option<&str> {
        match self {
            Condition::And(parts) => parts.iter().find_map(|part| part.job(once)),
            // Ids that are numbers are the same in either case.
            Condition::Text(Text::Field(field, _), Test::Is(id))
                if (*field == Field::Job || (once && *field == Field::Ran))
                    && id.bytes().all(|c| c.is_ascii_digit()) =>
            {
                Some(id)
            }
            _ => None,
        }
    }

    /// Whether a thing's history has to be looked at to tell.
    pub(super) fn looks_back(&self) -> bool {
        match self {
            Condition::And(parts) | Condition::Or(parts) => parts.iter().any(Condition::looks_back),
            Condition::Not(inner) | Condition::Quantified(_, inner) | Condition::Stored(.., inner) => {
                inner.looks_back()
            }
            Condition::Compare(left, _, right) => left.looks_back() || right.looks_back(),
            Condition::Held(..) => true,
            _ => false,
        }
    }
}
