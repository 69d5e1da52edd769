//! Sorts: each key becomes a column of integers, and only the window that was asked for is brought into order.
//! Ties go by identity, so rows don't jump between two answers for nothing.

use std::{cmp::Ordering, collections::HashMap, ops::Range};

use crate::{
    fleet::natural,
    model::raw::{Gap, Raw},
};

use super::{
    batch::Run,
    items::Items,
    row::{Item, Row},
    scan::Matches,
    snapshot::{AT_ONCE, Snapshot},
    value::{Num, Number, Text, Value},
};

/// What is known to be absent sorts after every number, and what is unknown after that, whichever way it sorts.
const ABSENT: u64 = u64::MAX - 1;
const UNKNOWN: u64 = u64::MAX;

/// The positions, among the matches, of the rows in `window` once they are sorted.
pub(super) fn order(
    snapshot: &Snapshot<'_>,
    matches: &Matches,
    keys: &[(Value, bool)],
    window: Range<usize>,
) -> Vec<usize> {
    let Some(((value, descending), others)) = keys.split_first().filter(|_| !window.is_empty()) else {
        return window.collect();
    };
    let (mut rows, window) = narrow(&column(snapshot, matches, value, *descending), window, others.is_empty());
    // Of fewer rows, the other keys are looked up for these only. They then go by their positions among the fewer.
    let fewer = if rows.len() < matches.len() { matches.only(rows.iter().map(|(_, at)| *at as usize)) } else { None };
    let places: Option<Vec<usize>> = fewer.is_some().then(|| rows.iter().map(|(_, at)| *at as usize).collect());
    let place = |at: usize| places.as_ref().map_or(at, |places| places[at]);
    let of = fewer.as_ref().unwrap_or(matches);
    if rows.windows(2).all(|two| two[0].0 == two[1].0) && rows.len() == of.len() {
        return order(snapshot, of, others, window).into_iter().map(place).collect();
    }
    if fewer.is_some() {
        rows.iter_mut().zip(0..).for_each(|((_, at), place)| *at = place);
    }
    let columns: Vec<Vec<u64>> =
        others.iter().map(|(value, descending)| column(snapshot, of, value, *descending)).collect();
    let compare = |a: &(u64, u32), b: &(u64, u32)| {
        let (x, y) = (a.1 as usize, b.1 as usize);
        let tie =
            || columns.iter().fold(Ordering::Equal, |order, column| order.then_with(|| column[x].cmp(&column[y])));
        a.0.cmp(&b.0).then_with(tie).then_with(|| x.cmp(&y))
    };
    select(&mut rows, window, compare).iter().map(|(_, at)| place(*at as usize)).collect()
}

/// Columns shorter than this are not worth a histogram.
const SHORT: usize = 4096;
/// Bits of a rank that the histogram tells apart, and its length.
const BITS: u32 = 16;
const BUCKETS: usize = 1 << BITS;

/// The rows of which the window is made, each with its rank, and where the window lies among these: whatever the
/// window, most rows of a long column are counted only. Where ties go by position alone, of many equal rows at either end
/// of the window only those within are taken.
fn narrow(ranks: &[u64], window: Range<usize>, alone: bool) -> (Vec<(u64, u32)>, Range<usize>) {
    let rows = ranks.iter().copied().zip(0u32..);
    if ranks.len() < SHORT || window.is_empty() {
        return (rows.collect(), window);
    }
    let (Some(least), Some(most)) = (ranks.iter().min().copied(), below_gaps(ranks)) else {
        return (rows.collect(), window);
    };
    // Buckets are spread over the ranks that there are. Gaps have the last two for themselves.
    let shift = (u64::BITS - (most.max(least) - least).leading_zeros()).saturating_sub(BITS - 1);
    let bucket = |rank: u64| match rank {
        UNKNOWN => BUCKETS - 1,
        ABSENT => BUCKETS - 2,
        rank => ((rank - least) >> shift) as usize,
    };
    let mut counts = vec![0u32; BUCKETS];
    for rank in ranks {
        counts[bucket(*rank)] += 1;
    }
    let (mut before, mut first, mut last, mut skipped) = (0, None, 0, 0);
    for (at, count) in counts.iter().enumerate() {
        let after = before + *count as usize;
        if after > window.start && first.is_none() {
            (first, skipped) = (Some(at), before);
        }
        last = at;
        if after >= window.end {
            break;
        }
        before = after;
    }
    let first = first.unwrap_or(0);
    let is_one_rank = |bucket: usize| alone && (shift == 0 || bucket >= BUCKETS - 2);
    let mut leading = if is_one_rank(first) { window.start - skipped } else { 0 };
    let mut trailing = if is_one_rank(last) { window.end - before } else { usize::MAX };
    let start = window.start - skipped - leading;
    let takes = |(rank, _): &(u64, u32)| {
        let bucket = bucket(*rank);
        if bucket == last {
            let Some(left) = trailing.checked_sub(1) else { return false };
            trailing = left;
        }
        if bucket == first
            && let Some(left) = leading.checked_sub(1)
        {
            leading = left;
            return false;
        }
        (first..=last).contains(&bucket)
    };
    (rows.filter(takes).collect(), start..start + window.len())
}

/// The largest rank that is a number's.
fn below_gaps(ranks: &[u64]) -> Option<u64> {
    ranks.iter().copied().filter(|rank| *rank < ABSENT).max()
}

/// Sorts no more than the window: everything before it, and everything after it, only moves to its side.
fn select<T>(rows: &mut [T], window: Range<usize>, compare: impl Fn(&T, &T) -> Ordering) -> &[T] {
    let end = window.end.min(rows.len());
    let start = window.start.min(end);
    let mut rest = rows;
    if end < rest.len() {
        let (before, ..) = rest.select_nth_unstable_by(end, &compare);
        rest = before;
    }
    if start > 0 && start < rest.len() {
        rest.select_nth_unstable_by(start, &compare);
    }
    let rest = rest.get_mut(start..end).unwrap_or_default();
    rest.sort_unstable_by(&compare);
    rest
}

fn column(snapshot: &Snapshot<'_>, matches: &Matches, value: &Value, descending: bool) -> Vec<u64> {
    match value {
        Value::Number(numeric) => numbers(snapshot, matches, &numeric.num, descending),
        Value::Text(text) => texts(snapshot, matches, text, descending),
        // Planning refuses to sort by a list.
        Value::Each(_) => vec![UNKNOWN; matches.len()],
    }
}

fn numbers(snapshot: &Snapshot<'_>, matches: &Matches, num: &Num, descending: bool) -> Vec<u64> {
    let (kind, items) = match matches {
        Matches::Items(kind, items) if kind.has_a_node() => (kind, items),
        _ => return matches.rows().map(|row| rank(num.number(snapshot, row), descending)).collect(),
    };
    let mut ranks = Vec::with_capacity(items.len());
    let metrics = num.metrics();
    let mut runs = items.runs().peekable();
    let mut some = Vec::with_capacity(AT_ONCE);
    while runs.peek().is_some() {
        some.extend(runs.by_ref().take(AT_ONCE));
        snapshot.fetch(&some.iter().map(|(node, _)| *node), &metrics);
        for (node, slots) in some.drain(..) {
            for run in Run::lanes(*kind, node, slots) {
                let len = run.slots.len();
                match num {
                    Num::Leaf(leaf) if let Some(cells) = snapshot.own_cells(leaf, &run) => {
                        let missing = std::iter::repeat_n(&Raw::UNKNOWN, len);
                        ranks.extend(cells.iter().chain(missing).take(len).map(|raw| rank_raw(*raw, descending)));
                    }
                    _ => ranks.extend(num.numbers(snapshot, &run)[..len].iter().map(|it| rank(*it, descending))),
                }
            }
        }
    }
    ranks
}

/// As [`rank`], of a stored value.
fn rank_raw(raw: Raw, descending: bool) -> u64 {
    match raw.bits() {
        bits if bits >= Raw::MIN => u64::from(if descending { !bits } else { bits }.wrapping_sub(i32::MIN) as u32),
        _ if raw == Raw::ABSENT => ABSENT,
        _ => UNKNOWN,
    }
}

/// An integer that sorts as the number does.
fn rank(number: Number, descending: bool) -> u64 {
    match number {
        Ok(value) => {
            // Adding 0 makes one zero of the two.
            let bits = (value + 0.0).to_bits();
            let up = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
            let ranked = if descending { !up } else { up };
            ranked.min(ABSENT - 1)
        }
        Err(Gap::Absent) => ABSENT,
        Err(_) => UNKNOWN,
    }
}

/// Integers that sort as the texts do: each different text is compared once, however many rows have it.
fn texts(snapshot: &Snapshot<'_>, matches: &Matches, text: &Text, descending: bool) -> Vec<u64> {
    let mut known = Texts::default();
    match matches {
        Matches::Items(kind, items) if text.is_node_name() && kind.scope().is_some() => {
            return node_names(snapshot, items, descending);
        }
        Matches::Items(kind, items) => {
            for (node, slots) in items.runs() {
                let mut rows = slots.map(|slot| Row::Item(*kind, Item { node, slot }));
                if text.is_shared(snapshot, *kind, node) {
                    let shared = rows.next().and_then(|row| known.of(snapshot, text, row));
                    known.rows.extend(std::iter::repeat_n(shared, rows.len() + 1));
                } else {
                    rows.for_each(|row| known.add(snapshot, text, row));
                }
            }
        }
        Matches::Groups(..) => matches.rows().for_each(|row| known.add(snapshot, text, row)),
    }
    known.ranks(descending)
}

/// As [`texts`], of the names of the things' nodes: their order is known.
fn node_names(snapshot: &Snapshot<'_>, items: &Items, descending: bool) -> Vec<u64> {
    let order = snapshot.fleet.by_name();
    let mut ranks = vec![0; order.len()];
    for (rank, node) in (0..).zip(order) {
        ranks[node.index()] = if descending { order.len() as u64 - rank } else { rank };
    }
    items.runs().flat_map(|(node, slots)| std::iter::repeat_n(ranks[node.index()], slots.len())).collect()
}

/// Different texts, numbered as they come.
#[derive(Default)]
struct Texts {
    known: HashMap<String, u32>,
    /// That of each row.
    rows: Vec<Option<u32>>,
}

impl Texts {
    fn add(&mut self, snapshot: &Snapshot<'_>, text: &Text, row: Row<'_>) {
        let number = self.of(snapshot, text, row);
        self.rows.push(number);
    }

    /// The number of a row's text.
    fn of(&mut self, snapshot: &Snapshot<'_>, text: &Text, row: Row<'_>) -> Option<u32> {
        let mut first = None;
        let mut several = false;
        text.each(snapshot, row, &mut |text| {
            several |= first.is_some();
            if first.is_none() {
                first = Some(number_of(&mut self.known, text));
            }
        });
        if several {
            first = text.joined(snapshot, row).map(|joined| number_of(&mut self.known, &joined));
        }
        first
    }

    /// Integers that sort as the rows' texts do.
    fn ranks(self, descending: bool) -> Vec<u64> {
        let mut sorted: Vec<(&String, u32)> = self.known.iter().map(|(text, at)| (text, *at)).collect();
        sorted.sort_unstable_by(|(a, _), (b, _)| if descending { natural(b, a) } else { natural(a, b) });
        let mut ranks = vec![0u64; sorted.len()];
        for (rank, (_, at)) in (0..).zip(&sorted) {
            ranks[*at as usize] = rank;
        }
        self.rows.into_iter().map(|at| at.map_or(UNKNOWN, |at| ranks[at as usize])).collect()
    }
}

fn number_of(known: &mut HashMap<String, u32>, text: &str) -> u32 {
    if let Some(at) = known.get(text) {
        return *at;
    }
    let at = known.len() as u32;
    known.insert(text.to_owned(), at);
    at
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn number() -> impl Strategy<Value = Number> {
        prop_oneof![
            8 => any::<f64>().prop_filter("a number", |v| v.is_finite()).prop_map(Ok),
            2 => (-3..3i32).prop_map(|v| Ok(f64::from(v))),
            1 => Just(Err(Gap::Absent)),
            1 => Just(Err(Gap::Unknown)),
        ]
    }

    proptest! {
        #[test]
        fn ranks_sort_as_numbers_do_and_unknown_last(a in number(), b in number(), descending: bool) {
            let (x, y) = (rank(a, descending), rank(b, descending));
            match (a, b) {
                (Ok(a), Ok(b)) => {
                    let expected = if descending { b.partial_cmp(&a) } else { a.partial_cmp(&b) };
                    prop_assert_eq!(Some(x.cmp(&y)), expected);
                }
                (Ok(_), Err(_)) | (Err(Gap::Absent), Err(Gap::Unknown)) => prop_assert!(x < y),
                (Err(_), Ok(_)) | (Err(Gap::Unknown), Err(Gap::Absent)) => prop_assert!(x > y),
                _ => prop_assert_eq!(x, y),
            }
        }

        #[test]
        fn a_window_is_a_slice_of_the_sorted_whole(values in vec(0..20u32, 0..80), start in 0..90usize, len in 0..40usize) {
            let rows: Vec<(u32, usize)> = values.iter().copied().zip(0..).collect();
            let mut sorted = rows.clone();
            sorted.sort_unstable();
            let window = start.min(rows.len())..(start + len).min(rows.len());
            let mut selected = rows.clone();
            prop_assert_eq!(select(&mut selected, start..start + len, Ord::cmp), &sorted[window]);
        }

        #[test]
        fn a_window_of_a_long_column_is_a_slice_of_the_sorted_whole(
            numbers in vec(number(), 1..40), whole: bool, descending: bool, start in 0..9000usize, len in 0..600usize,
        ) {
            // Of quanta there are few different ones.
            let of = |number: &Number| match number {
                Ok(value) if whole => rank_raw(Raw::from_bits((*value as i32).rem_euclid(5)), descending),
                number => rank(*number, descending),
            };
            let ranks: Vec<u64> = numbers.iter().cycle().take(9000).map(of).collect();
            let mut sorted: Vec<(u64, u32)> = ranks.iter().copied().zip(0..).collect();
            sorted.sort_unstable();
            let window = start..(start + len).min(9000);
            for alone in [false, true] {
                let (mut rows, within) = narrow(&ranks, window.clone(), alone);
                prop_assert_eq!(select(&mut rows, within, Ord::cmp), &sorted[window.clone()]);
            }
        }
    }
}
