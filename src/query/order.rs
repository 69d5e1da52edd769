//! Sorts: each key becomes a column of integers, and only the window that was asked for is brought into order.
//! Ties go by identity, so rows don't jump between two answers for nothing.

use std::{cmp::Ordering, collections::HashMap, ops::Range};

use crate::{
    fleet::{NodeId, natural},
    model::raw::{Gap, Raw},
};

use super::{
    batch::{LANES, Run},
    items::Items,
    parts::{Access, THINGS},
    row::Row,
    scan::Matches,
    sift::{ABSENT, Ranked, UNKNOWN, narrow, select, sift},
    snapshot::{AT_ONCE, Seen, Snapshot},
    value::{Num, Number, Text, Value},
    view::Kind,
};

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
    let alone = others.is_empty();
    let sifted = ranked(matches, snapshot, value, *descending).and_then(|rows| sift(&rows, &window, alone));
    let (mut rows, window) =
        sifted.unwrap_or_else(|| narrow(&column(snapshot, matches, value, *descending), window, alone));
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

/// What some things are sorted by, one column of ranks for each key, read in parts.
pub(super) async fn sort_keys(
    access: &impl Access,
    seen: &Seen,
    kind: Kind,
    items: &Items,
    keys: &[(Value, bool)],
) -> Vec<Vec<u64>> {
    let mut columns = vec![Vec::with_capacity(items.len()); keys.len()];
    let mut first = 0;
    while first < items.len() {
        let end = items.len().min(first + THINGS);
        let some = Matches::Items(kind, items.only(first..end));
        access.look(|fleet| {
            let snapshot = seen.of(fleet);
            for (ranks, (value, descending)) in columns.iter_mut().zip(keys) {
                ranks.extend(column(&snapshot, &some, value, *descending));
            }
        });
        first = end;
        access.pause().await;
    }
    columns
}

/// The positions of the rows in `window` once they are sorted by these columns; ties go by position.
pub(super) fn order_by(columns: &[Vec<u64>], window: Range<usize>) -> Vec<usize> {
    let Some((first, others)) = columns.split_first() else { return window.collect() };
    let (mut rows, window) = narrow(first, window, others.is_empty());
    let tie = |x: usize, y: usize| {
        others.iter().fold(Ordering::Equal, |order, column| order.then_with(|| column[x].cmp(&column[y])))
    };
    let compare = |a: &(u64, u32), b: &(u64, u32)| {
        let (x, y) = (a.1 as usize, b.1 as usize);
        a.0.cmp(&b.0).then_with(|| tie(x, y)).then_with(|| x.cmp(&y))
    };
    select(&mut rows, window, compare).iter().map(|(_, at)| *at as usize).collect()
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
    match matches {
        Matches::Items(kind, items) if kind.has_a_node() => {
            let mut ranks = Vec::with_capacity(items.len());
            Numbers { snapshot, kind: *kind, items, num, descending }.each(1, |some, _| ranks.extend_from_slice(some));
            ranks
        }
        _ => matches.rows().map(|row| rank(num.number(snapshot, row), descending)).collect(),
    }
}

/// Things of nodes, ranked by what need not be gathered first.
fn ranked<'a>(
    matches: &'a Matches,
    snapshot: &'a Snapshot<'a>,
    value: &'a Value,
    descending: bool,
) -> Option<Quick<'a>> {
    let Matches::Items(kind, items) = matches else { return None };
    match value {
        Value::Number(numeric) if kind.has_a_node() => {
            Some(Quick::Numbers(Numbers { snapshot, kind: *kind, items, num: &numeric.num, descending }))
        }
        Value::Text(text) if text.is_node_name() && kind.scope().is_some() => {
            Some(Quick::Names(Names::new(snapshot, items, descending)))
        }
        _ => None,
    }
}

enum Quick<'a> {
    Numbers(Numbers<'a>),
    Names(Names<'a>),
}

impl Ranked for Quick<'_> {
    fn len(&self) -> usize {
        match self {
            Quick::Numbers(Numbers { items, .. }) | Quick::Names(Names { items, .. }) => items.len(),
        }
    }

    fn each(&self, every: usize, take: impl FnMut(&[u64], u32)) {
        match self {
            Quick::Numbers(numbers) => numbers.each(every, take),
            Quick::Names(names) => names.each(every, take),
        }
    }
}

/// Runs of one node's things with the position of the first, one of `every`.
fn places(items: &Items, every: usize) -> impl Iterator<Item = (u32, NodeId, Range<u32>)> {
    let mut next = 0;
    let runs = items.runs().map(move |(node, slots)| {
        let first = next;
        next += slots.len() as u32;
        (first, node, slots)
    });
    runs.step_by(every)
}

/// Things by the names of their nodes: their order is known.
struct Names<'a> {
    items: &'a Items,
    /// Of each node.
    ranks: Vec<u32>,
}

impl<'a> Names<'a> {
    fn new(snapshot: &Snapshot<'_>, items: &'a Items, descending: bool) -> Self {
        let order = snapshot.fleet.by_name();
        let mut ranks = vec![0; order.len()];
        for (rank, node) in (0..).zip(order) {
            ranks[node.index()] = if descending { order.len() as u32 - rank } else { rank };
        }
        Names { items, ranks }
    }

    fn each(&self, every: usize, mut take: impl FnMut(&[u64], u32)) {
        for (first, node, slots) in places(self.items, every) {
            let ranks = [u64::from(self.ranks[node.index()]); LANES];
            for start in (0..slots.len()).step_by(LANES) {
                take(&ranks[..LANES.min(slots.len() - start)], first + start as u32);
            }
        }
    }
}

/// Things by a number.
struct Numbers<'a> {
    snapshot: &'a Snapshot<'a>,
    kind: Kind,
    items: &'a Items,
    num: &'a Num,
    descending: bool,
}

impl Numbers<'_> {
    fn each(&self, every: usize, mut take: impl FnMut(&[u64], u32)) {
        let Numbers { snapshot, kind, items, num, descending } = *self;
        let metrics = num.metrics();
        let mut runs = places(items, every).peekable();
        let mut some = Vec::with_capacity(AT_ONCE);
        while runs.peek().is_some() {
            some.extend(runs.by_ref().take(AT_ONCE));
            snapshot.fetch(&some.iter().map(|(_, node, _)| *node), &metrics);
            for (mut at, node, slots) in some.drain(..) {
                for run in Run::lanes(kind, node, slots) {
                    let mut ranks = [UNKNOWN; LANES];
                    let ranks = &mut ranks[..run.slots.len()];
                    match num {
                        Num::Leaf(leaf) if let Some(cells) = snapshot.own_cells(leaf, &run) => {
                            ranks.iter_mut().zip(cells).for_each(|(to, raw)| *to = rank_raw(*raw, descending));
                        }
                        _ => {
                            let numbers = num.numbers(snapshot, &run);
                            ranks.iter_mut().zip(numbers).for_each(|(to, it)| *to = rank(it, descending));
                        }
                    }
                    take(ranks, at);
                    at += ranks.len() as u32;
                }
            }
        }
    }
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
            let mut ranks = Vec::with_capacity(items.len());
            Names::new(snapshot, items, descending).each(1, |some, _| ranks.extend_from_slice(some));
            return ranks;
        }
        Matches::Items(kind, items) => {
            for (node, slots) in items.runs() {
                let run = Run { kind: *kind, node, slots };
                if text.is_shared(snapshot, &run) {
                    let shared = known.of(snapshot, text, run.first());
                    known.rows.extend(std::iter::repeat_n(shared, run.slots.len()));
                } else {
                    run.rows().for_each(|row| known.add(snapshot, text, row));
                }
            }
        }
        Matches::Groups(..) => matches.rows().for_each(|row| known.add(snapshot, text, row)),
    }
    known.ranks(descending)
}

/// Different texts, numbered as they come.
#[derive(Default)]
struct Texts {
    known: HashMap<String, u32>,
    /// The last one: the next row's is often the same.
    last: Option<(String, u32)>,
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
                first = Some(self.number(text));
            }
        });
        if several {
            first = text.joined(snapshot, row).map(|joined| self.number(&joined));
        }
        first
    }

    fn number(&mut self, text: &str) -> u32 {
        if let Some((last, number)) = &self.last
            && last == text
        {
            return *number;
        }
        let next = self.known.len() as u32;
        let number = self.known.get(text).copied().unwrap_or_else(|| {
            self.known.insert(text.to_owned(), next);
            next
        });
        self.last = Some((text.to_owned(), number));
        number
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    }
}
