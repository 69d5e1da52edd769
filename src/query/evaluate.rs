//! Evaluates values and conditions of a row, in three-valued logic: what is not known is neither true nor false.

use std::collections::HashMap;

use crate::{
    fleet::natural,
    model::{
        hostlist::{same, short},
        metric::{Kind as Reading, Scope},
        raw::Gap,
        state::State,
        syntax::{Comparison, Quantifier},
    },
};

use super::{
    batch::Run,
    key::Tally,
    row::Row,
    snapshot::Snapshot,
    text::{holds_part, words},
    value::{Condition, Num, Number, Test, Text},
    view::Kind,
};

/// Standard deviations of a bell curve in its median distance.
const DEVIATIONS: f64 = 1.4826;
/// From how many of them on a thing differs from its peers.
pub(super) const FAR: f64 = 5.0;

impl Num {
    /// The row's number.
    pub(super) fn number(&self, snapshot: &Snapshot<'_>, row: Row<'_>) -> Number {
        match self {
            Num::Constant(value) => Ok(*value),
            Num::Leaf(leaf) => snapshot.leaf(row, leaf),
            Num::State => Ok(f64::from(row.state(snapshot) as u8)),
            Num::Tally(tally) => Ok(tally.count(snapshot, row)),
            Num::Arithmetic(left, operation, right) => {
                operation.of(left.number(snapshot, row), right.number(snapshot, row))
            }
            Num::Peers(peers) => peers.of(snapshot, row).copied().ok_or(Gap::Unknown),
            Num::Apart(own, peers, quantum) => {
                let value = own.number(snapshot, row)?;
                Ok(apart(value, *peers.of(snapshot, row).ok_or(Gap::Unknown)?, *quantum))
            }
            Num::Past(leaf, function, span) => snapshot.past(row, leaf, *function, *span),
            Num::Count(condition) => count(snapshot, row, condition),
            Num::Times(condition, span) => snapshot.times(condition, row, *span),
        }
    }
}

impl Tally {
    fn count(self, snapshot: &Snapshot<'_>, row: Row<'_>) -> f64 {
        if let (Tally::Rows, Row::Group(_, group)) = (self, row) {
            return group.rows as f64;
        }
        let mut n = 0u32;
        row.reach(snapshot, Scope::Node, &mut |node, _| {
            n += u32::from(match self {
                Tally::Rows | Tally::Nodes => true,
                Tally::Up => snapshot.state(node) == State::Up,
                Tally::Stale => snapshot.state(node) == State::Stale,
                Tally::Down => snapshot.state(node) == State::Down,
                Tally::Missing => snapshot.state(node) == State::Missing,
            });
        });
        f64::from(n)
    }
}

/// For how many of the row's GPUs the condition is true; unknown while it is known of none of them.
fn count(snapshot: &Snapshot<'_>, row: Row<'_>, condition: &Condition) -> Number {
    let [yes, no, unknown] = tell(snapshot, row, condition);
    if yes + no == 0 && unknown > 0 { Err(Gap::Unknown) } else { Ok(f64::from(yes)) }
}

/// Of how many of the row's GPUs the condition is true, false, and unknown.
fn tell(snapshot: &Snapshot<'_>, row: Row<'_>, condition: &Condition) -> [u32; 3] {
    let mut counts = [0; 3];
    row.gpus(snapshot, &mut |node, slots| {
        for run in Run::lanes(Kind::Gpu, node, slots) {
            let told = condition.tell(snapshot, &run).counts(run.slots.len());
            counts.iter_mut().zip(told).for_each(|(all, some)| *all += some);
        }
    });
    counts
}

/// True if any part is true, unknown if any is unknown.
pub(super) fn any(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut all_known = true;
    for part in parts {
        match part {
            Some(true) => return Some(true),
            Some(false) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(false)
}

/// False if any part is false, unknown if any is unknown.
pub(super) fn all(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    any(parts.into_iter().map(|part| part.map(|known| !known))).map(|some_false| !some_false)
}

/// How `a` compares with `b`.
pub(super) fn compare(a: f64, comparison: Comparison, b: f64) -> bool {
    // Quanta such as 0.001 are no binary fractions: what differs by rounding only is equal.
    let near = (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
    match comparison {
        Comparison::Equal => near,
        Comparison::NotEqual => !near,
        Comparison::Less => a < b && !near,
        Comparison::LessOrEqual => a < b || near,
        Comparison::Greater => a > b && !near,
        Comparison::GreaterOrEqual => a > b || near,
    }
}

/// How `a` compares with `b`, where both are known.
pub(super) fn compare_known(a: Number, comparison: Comparison, b: Number) -> Option<bool> {
    match (a, b) {
        (Ok(a), Ok(b)) => Some(compare(a, comparison, b)),
        // What is known to be absent is known to be no number, too.
        (Err(Gap::Absent), Ok(_)) | (Ok(_), Err(Gap::Absent)) => Some(comparison == Comparison::NotEqual),
        _ => None,
    }
}

impl Condition {
    /// Whether it is true of the row; nothing where that is not known.
    pub(super) fn holds(&self, snapshot: &Snapshot<'_>, row: Row<'_>) -> Option<bool> {
        let number = |num: &Num| num.number(snapshot, row);
        match self {
            Condition::And(parts) => all(parts.iter().map(|part| part.holds(snapshot, row))),
            Condition::Or(parts) => any(parts.iter().map(|part| part.holds(snapshot, row))),
            Condition::Not(inner) => inner.holds(snapshot, row).map(|known| !known),
            Condition::Stored(.., plain) => plain.holds(snapshot, row),
            Condition::Compare(left, comparison, right) => compare_known(number(left), *comparison, number(right)),
            Condition::Absent(num) => is_absent(number(num)),
            Condition::Flags(num, bits) => has_flags(number(num), *bits),
            Condition::Choice(num, positions) => {
                known(number(num), |at| positions.checked_shr(at as u32).unwrap_or(0) & 1 == 1, false)
            }
            Condition::Listed(num, list) => known(number(num), |value| list.matches(&format!("{value}")), false),
            Condition::Text(text, test) => test.passes(text, snapshot, row),
            Condition::NoText(text) => text.is_absent(snapshot, row),
            Condition::UnknownNumber(num) => Some(is_unknown(number(num))),
            Condition::UnknownText(text) => Some(text.is_absent(snapshot, row).is_none()),
            Condition::Quantified(quantifier, inner) => {
                let [yes, no, unknown] = tell(snapshot, row, inner);
                match quantifier {
                    Quantifier::Any if yes > 0 => Some(true),
                    Quantifier::All if no > 0 => Some(false),
                    _ if unknown > 0 => None,
                    Quantifier::Any => Some(false),
                    // Of no GPUs at all, nothing is true.
                    Quantifier::All => Some(yes > 0),
                }
            }
            Condition::Held(inner, span) => snapshot.held(inner, row, *span),
            Condition::Name(part) => Some(holds_part(snapshot, row, part)),
        }
    }
}

/// Whether a number is a known absence.
pub(super) fn is_absent(number: Number) -> Option<bool> {
    known(number, |_| false, true)
}

/// Whether a number is not known.
pub(super) fn is_unknown(number: Number) -> bool {
    matches!(number, Err(gap) if gap != Gap::Absent)
}

/// Whether some of these bits are set in it.
pub(super) fn has_flags(number: Number, bits: u32) -> Option<bool> {
    known(number, |set| set as u32 & bits != 0, false)
}

/// `is` of a number, `absent` of a known absence, nothing of what is not known.
fn known(number: Number, is: impl Fn(f64) -> bool, absent: bool) -> Option<bool> {
    match number {
        Ok(value) => Some(is(value)),
        Err(Gap::Absent) => Some(absent),
        Err(_) => None,
    }
}

impl Test {
    fn passes(&self, text: &Text, snapshot: &Snapshot<'_>, row: Row<'_>) -> Option<bool> {
        let expected = match self {
            Test::Majority(peers) => Some(peers.of(snapshot, row)?),
            _ => None,
        };
        let mut passed = false;
        let mut seen = false;
        text.each(snapshot, row, &mut |text| {
            seen = true;
            passed = passed || expected.map_or_else(|| self.passes_text(text), |it| it.eq_ignore_ascii_case(text));
        });
        if seen { Some(passed) } else { text.is_absent(snapshot, row).map(|_| false) }
    }

    fn passes_text(&self, text: &str) -> bool {
        match self {
            Test::Is(expected) => expected.eq_ignore_ascii_case(text),
            Test::Host(name) => same(name, text),
            Test::Pattern(pattern) => pattern.is_match(text),
            Test::Among(plain, list) => {
                let plainly = || {
                    let lower = text.to_ascii_lowercase();
                    plain.contains(&lower) || plain.contains(short(&lower))
                };
                list.matches(text) || (!plain.is_empty() && plainly())
            }
            Test::Order(comparison, limit) => {
                let order = natural(text, limit);
                match comparison {
                    Comparison::Equal => order.is_eq(),
                    Comparison::NotEqual => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::LessOrEqual => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::GreaterOrEqual => order.is_ge(),
                }
            }
            Test::Majority(_) => false,
        }
    }
}

/// How far a value is from the middle of others, who are so far from it themselves, in standard deviations; these are no
/// less than the quantum.
pub(super) fn apart(value: f64, (middle, distance): (f64, f64), quantum: f64) -> f64 {
    (value - middle).abs() / (DEVIATIONS * distance).max(quantum)
}

/// The middle of some values; nothing of none.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    let middle = *middle;
    if n % 2 == 1 {
        return Some(middle);
    }
    let below = below.iter().copied().max_by(f64::total_cmp)?;
    Some(f64::midpoint(below, middle))
}

/// The most frequent of some texts; of several, the first in natural order.
pub(super) fn majority(counts: &HashMap<String, u32>) -> Option<String> {
    let best = counts.iter().max_by(|(a, n), (b, m)| n.cmp(m).then_with(|| natural(b, a)));
    best.map(|(text, _)| text.clone())
}

/// A number as groups and texts name it.
pub(super) fn spelled(number: Number, reading: Reading) -> Option<String> {
    match number {
        Ok(value) => Some(words(value, reading)),
        Err(Gap::Absent) => Some("none".into()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Option<bool>; 3] = [Some(true), Some(false), None];

    #[test]
    fn and_and_or_have_three_values() {
        for a in ALL {
            for b in ALL {
                let and = match (a, b) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
                assert_eq!(all([a, b]), and, "{a:?} and {b:?}");
                let not = |it: Option<bool>| it.map(|known| !known);
                assert_eq!(any([a, b]), not(all([not(a), not(b)])), "{a:?} or {b:?}");
            }
        }
        assert_eq!((any([]), all([])), (Some(false), Some(true)));
    }

    #[test]
    fn comparisons_forgive_rounding() {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less};
        let sum = 0.1 + 0.2;
        assert!(compare(sum, Equal, 0.3) && compare(sum, GreaterOrEqual, 0.3));
        assert!(!compare(sum, Greater, 0.3) && !compare(0.3, Less, sum));
        assert!(compare(0.0, Equal, -0.0) && compare(-1.0, Less, 0.0));
    }

    #[test]
    fn the_middle_and_the_many() {
        let check = |values: &[f64], expected| assert_eq!(median(&mut values.to_vec()), expected, "{values:?}");
        check(&[], None);
        check(&[3.0], Some(3.0));
        check(&[3.0, 1.0], Some(2.0));
        check(&[5.0, 1.0, 9.0], Some(5.0));
        let counts = [("b", 2), ("a", 2), ("c", 1)].map(|(text, n)| (text.to_owned(), n));
        assert_eq!(majority(&HashMap::from(counts)).as_deref(), Some("a"));
    }
}
