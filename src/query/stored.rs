//! Conditions on one stored value or two, worked out in whole quanta before half a million values are looked at.

use std::ops::RangeInclusive;

use crate::model::{
    raw::{Gap, Raw},
    syntax::Comparison,
};

use super::{
    batch::LANES,
    evaluate::{compare, compare_known, has_flags, is_absent, is_unknown},
    told::Told,
    value::{Condition, Leaf, Num, Number, Reach},
};

/// What a condition says of each value that may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Of which numbers it says `inside`; it says the opposite of all others.
    numbers: Numbers,
    inside: bool,
    absent: Option<bool>,
    /// Of what is not known.
    unknown: Option<bool>,
}

/// Some of the numbers that may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Numbers {
    /// So many quanta.
    Within(RangeInclusive<i32>),
    /// Those with some of these bits set.
    Flags(u32),
}

const ALL: RangeInclusive<i32> = Raw::MIN..=i32::MAX;

impl Stored {
    /// What the condition says of the stored values of a metric, if that is all that it looks at.
    pub(super) fn of(condition: &Condition) -> Option<(Leaf, Stored)> {
        let tell: &dyn Fn(Number) -> Option<bool> = match condition {
            Condition::Compare(_, comparison, Num::Constant(right)) => {
                &|number| compare_known(number, *comparison, Ok(*right))
            }
            Condition::Absent(_) => &is_absent,
            Condition::UnknownNumber(_) => &|number| Some(is_unknown(number)),
            Condition::Flags(_, bits) => &|number| has_flags(number, *bits),
            _ => return None,
        };
        let (Condition::Compare(num, ..)
        | Condition::Absent(num)
        | Condition::UnknownNumber(num)
        | Condition::Flags(num, _)) = condition
        else {
            return None;
        };
        let Num::Leaf(leaf @ Leaf { reach: Reach::Own, .. }) = num else { return None };
        let (numbers, inside) = match condition {
            Condition::Compare(_, comparison, Num::Constant(right)) => quanta(leaf.quantum, *comparison, *right),
            // Flags are counted in ones.
            Condition::Flags(_, bits) => (Numbers::Flags(*bits), true),
            // All numbers are alike.
            _ => (Numbers::Within(ALL), tell(Ok(0.0)) == Some(true)),
        };
        Some((*leaf, Stored { numbers, inside, absent: tell(Err(Gap::Absent)), unknown: tell(Err(Gap::Unknown)) }))
    }

    /// What it says of each of a run's values. Those that are missing are not known.
    pub(super) fn tell(&self, cells: &[Raw]) -> Told {
        let numbers = lanes(cells, |bits| bits >= Raw::MIN);
        let within = match &self.numbers {
            Numbers::Within(quanta) => {
                let (low, high) = (*quanta.start(), *quanta.end());
                lanes(cells, |bits| (low..=high).contains(&bits))
            }
            Numbers::Flags(flags) => lanes(cells, |bits| bits.max(0).cast_unsigned() & flags != 0),
        };
        let told = Told::these(numbers, if self.inside { within } else { !within });
        if numbers.count_ones() as usize == LANES {
            return told;
        }
        let absent = lanes(cells, |bits| bits == Raw::ABSENT.bits());
        let unknown = !(numbers | absent);
        told.with(Told::all(self.absent).only(absent)).with(Told::all(self.unknown).only(unknown))
    }
}

/// How things' stored values of two metrics compare that count the same quanta. Those that are missing are not known.
pub(super) fn tell_pairs(left: &[Raw], comparison: Comparison, right: &[Raw]) -> Told {
    let number = |bits: i32| bits >= Raw::MIN;
    let numbers = lanes(left, number) & lanes(right, number);
    let pairs = left.iter().zip(right).take(LANES).zip(0..);
    let quanta = |raw: &Raw| f64::from(raw.bits());
    let yes = pairs.fold(0, |yes, ((a, b), at)| yes | u16::from(compare(quanta(a), comparison, quanta(b))) << at);
    let told = Told::these(numbers, yes);
    if numbers.count_ones() as usize == LANES {
        return told;
    }
    let absent = |bits: i32| bits == Raw::ABSENT.bits();
    let one_is_absent = lanes(left, number) & lanes(right, absent) | lanes(left, absent) & lanes(right, number);
    told.with(Told::all(Some(comparison == Comparison::NotEqual)).only(one_is_absent))
}

/// A bit for each value that `is` true of.
fn lanes(cells: &[Raw], is: impl Fn(i32) -> bool) -> u16 {
    let cells = cells.get(..LANES).unwrap_or(cells);
    // By eights, which the compiler looks at side by side.
    let (eights, rest) = cells.as_chunks::<8>();
    let mut lanes = 0;
    for (at, eight) in (0..).step_by(8).zip(eights) {
        let bits = eight.iter().zip(0..).fold(0, |bits, (cell, at)| bits | u16::from(is(cell.bits())) << at);
        lanes |= bits << at;
    }
    let after = eights.len() * 8;
    rest.iter().zip(after..).fold(lanes, |lanes, (cell, at)| lanes | u16::from(is(cell.bits())) << at)
}

/// The counts of quanta that compare so with a number; or, with false, those that don't.
fn quanta(quantum: f64, comparison: Comparison, right: f64) -> (Numbers, bool) {
    // The first count for which something is true that stays true for all larger ones.
    let first = |is: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (i64::from(Raw::MIN), i64::from(i32::MAX) + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if is(middle as f64 * quantum) { high = middle } else { low = middle + 1 }
        }
        low
    };
    let equal = first(&|value| compare(value, Comparison::GreaterOrEqual, right));
    let above = first(&|value| compare(value, Comparison::Greater, right));
    let ((start, end), inside) = match comparison {
        Comparison::Equal => ((equal, above), true),
        Comparison::NotEqual => ((equal, above), false),
        Comparison::Less => ((equal, i64::MAX), false),
        Comparison::GreaterOrEqual => ((equal, i64::MAX), true),
        Comparison::LessOrEqual => ((above, i64::MAX), false),
        Comparison::Greater => ((above, i64::MAX), true),
    };
    match (i32::try_from(start), i32::try_from((end - 1).min(i64::from(i32::MAX)))) {
        (Ok(start), Ok(end)) if start <= end => (Numbers::Within(start..=end), inside),
        // None of them: those outside all that there are.
        _ => (Numbers::Within(ALL), !inside),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::model::metric::{Aggregate, Kind, Scope, gpu};

    const COMPARISONS: [Comparison; 6] = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];

    fn number(cell: Raw, quantum: f64) -> Number {
        match cell.steps() {
            Some(steps) => Ok(f64::from(steps) * quantum),
            None => Err(cell.gap().unwrap_or(Gap::Unknown)),
        }
    }

    fn raw() -> impl Strategy<Value = Raw> {
        let bits = prop_oneof![-20..220_i32, Raw::MIN..=i32::MAX, Just(Raw::MIN), i32::MIN..i32::MIN + 5];
        bits.prop_map(Raw::from_bits)
    }

    proptest! {
        /// Whole quanta tell the same as numbers do.
        #[test]
        fn quanta_tell_what_numbers_tell(
            quantum in prop::sample::select(vec![0.001, 0.01, 0.5, 1.0, 100.0, 1_048_576.0]),
            right in prop_oneof![(-10..110_i32).prop_map(|n| f64::from(n) / 2.0), (-10..110_i32).prop_map(|n| f64::from(n) * 0.001),
                -1e300..1e300, Just(0.0)],
            cells in vec(raw(), 0..=LANES),
            flags: u32,
        ) {
            let leaf = Leaf { metric: gpu::UTIL, quantum, reach: Reach::Own, fold: Aggregate::Mean };
            let own = || Num::Leaf(leaf);
            let compared = COMPARISONS.map(|it| Condition::Compare(own(), it, Num::Constant(right)));
            let others = [Condition::Absent(own()), Condition::UnknownNumber(own()), Condition::Flags(own(), flags)];
            for condition in compared.into_iter().chain(others) {
                let quantum = if matches!(condition, Condition::Flags(..)) { 1.0 } else { quantum };
                let (of, stored) = Stored::of(&condition).expect("of one stored value");
                prop_assert_eq!(of.metric, leaf.metric);
                let tell = |cell: &Raw| {
                    let number = number(*cell, quantum);
                    match &condition {
                        Condition::Compare(_, it, _) => compare_known(number, *it, Ok(right)),
                        Condition::Absent(_) => is_absent(number),
                        Condition::Flags(..) => has_flags(number, flags),
                        _ => Some(is_unknown(number)),
                    }
                };
                let expected = cells.iter().map(tell).chain(std::iter::repeat_n(tell(&Raw::UNKNOWN), LANES - cells.len()));
                prop_assert_eq!(stored.tell(&cells), Told::each(expected), "{:?}", &stored);
            }
        }

        /// Two values' quanta compare as the numbers do.
        #[test]
        fn pairs_tell_what_numbers_tell(
            quantum in prop::sample::select(vec![0.001, 0.5, 1.0, 1_048_576.0]),
            pairs in vec((raw(), raw()), 0..=LANES),
            missing in 0..3_usize,
        ) {
            let (left, mut right): (Vec<Raw>, Vec<Raw>) = pairs.into_iter().unzip();
            right.truncate(right.len().saturating_sub(missing));
            let at = |cells: &[Raw], at: usize| number(cells.get(at).copied().unwrap_or(Raw::UNKNOWN), quantum);
            for comparison in COMPARISONS {
                let expected = (0..LANES).map(|n| compare_known(at(&left, n), comparison, at(&right, n)));
                prop_assert_eq!(tell_pairs(&left, comparison, &right), Told::each(expected), "{:?}", comparison);
            }
        }
    }

    #[test]
    fn flags_are_counted_in_ones() {
        let metrics = Scope::SAMPLED.into_iter().flat_map(Scope::metrics);
        let quanta: Vec<f64> = metrics.filter(|it| matches!(it.kind, Kind::Flags(_))).map(|it| it.quantum).collect();
        assert_eq!(quanta, [1.0]);
    }

    #[test]
    fn what_looks_at_more_is_no_stored_value() {
        let leaf = |reach| Num::Leaf(Leaf { metric: gpu::UTIL, quantum: 1.0, reach, fold: Aggregate::Mean });
        let above = |num, limit| Condition::Compare(num, Comparison::Greater, limit);
        assert!(Stored::of(&above(leaf(Reach::Several), Num::Constant(1.0))).is_none());
        assert!(Stored::of(&above(leaf(Reach::Own), leaf(Reach::Own))).is_none());
        assert!(Stored::of(&above(Num::State, Num::Constant(1.0))).is_none());
    }
}
