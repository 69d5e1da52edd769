//! Finds the few of many rows that a window is made of, so that only these are brought into order.

use std::{cmp::Ordering, ops::Range};

/// What is known to be absent sorts after every number, and what is unknown after that, whichever way it sorts.
pub(super) const ABSENT: u64 = u64::MAX - 1;
pub(super) const UNKNOWN: u64 = u64::MAX;

/// Many rows, each with its rank.
pub(super) trait Ranked {
    fn len(&self) -> usize;

    /// Calls `take` with some rows' ranks and the position of the first of them, and so with all rows, or with those of
    /// one of `every` runs, in the order of their positions.
    fn each(&self, every: usize, take: impl FnMut(&[u64], u32));
}

/// Few rows, each with its rank and its position, and where the window lies among these.
type Few = (Vec<(u64, u32)>, Range<usize>);

/// Rows from which on a look at a few of them first pays.
const MANY: usize = 1 << 15;
/// About how many rows are looked at first.
const SAMPLE: usize = 1 << 13;
/// How many of them may be of one run, and so alike.
const ALIKE: f64 = 8.0;
/// How far the window may lie from where a sample has it, in standard deviations.
const DEVIATIONS: f64 = 4.0;

/// The rows of which the window is made and few others. A sample tells between which ranks they are, and then all rows are gone over once, without a list of their ranks.
/// Where ties go by position alone, equal rows count as different. Nothing where the sample was misleading, and of few
/// rows.
pub(super) fn sift(rows: &impl Ranked, window: &Range<usize>, alone: bool) -> Option<Few> {
    let len = rows.len();
    if len < MANY || window.is_empty() {
        return None;
    }
    let place = |at: u32, otherwise: u32| if alone { at } else { otherwise };
    let mut sample = Vec::with_capacity(2 * SAMPLE);
    rows.each(len.div_ceil(SAMPLE), |ranks, first| sample.extend(ranks.iter().copied().zip(first..)));
    sample.sort_unstable();
    let least = bound(&sample, window.start, len, -1.0).map_or((0, 0), |(rank, at)| (rank, place(at, 0)));
    let most = bound(&sample, window.end, len, 1.0);
    let most = most.map_or((u64::MAX, u32::MAX), |(rank, at)| (rank, place(at, u32::MAX)));
    let (mut before, mut found) = (0, Vec::new());
    rows.each(1, |ranks, first| {
        // Most rows are told apart by their rank alone.
        if ranks.iter().all(|rank| *rank > most.0) {
            return;
        }
        if ranks.iter().all(|rank| *rank < least.0) {
            before += ranks.len();
            return;
        }
        for row in ranks.iter().copied().zip(first..) {
            if row < least {
                before += 1;
            } else if row <= most {
                found.push(row);
            }
        }
    });
    let within = window.start.checked_sub(before)?..window.end.min(len) - before;
    (within.end <= found.len()).then_some((found, within))
}

/// A row of the sample that is on one side of the row at `place` among all, almost certainly; nothing where there is
/// none.
fn bound(sample: &[(u64, u32)], place: usize, len: usize, side: f64) -> Option<(u64, u32)> {
    let (share, count) = (place as f64 / len as f64, sample.len() as f64);
    let deviation = (share * (1.0 - share) * ALIKE / count).max(0.0).sqrt();
    let at = share * count + side * (DEVIATIONS * deviation * count + 2.0 * ALIKE);
    (at >= 0.0).then(|| sample.get(at as usize)).flatten().copied()
}

/// Columns shorter than this are not worth a histogram.
const SHORT: usize = 4096;
/// Bits of a rank that the histogram tells apart, and its length.
const BITS: u32 = 16;
const BUCKETS: usize = 1 << BITS;

/// The rows of which the window is made: whatever the window, most rows of a long column are counted only. Where ties go by position alone, of many equal rows at either end
/// of the window only those within are taken.
pub(super) fn narrow(ranks: &[u64], window: Range<usize>, alone: bool) -> Few {
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
pub(super) fn select<T>(rows: &mut [T], window: Range<usize>, compare: impl Fn(&T, &T) -> Ordering) -> &[T] {
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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Ranks in runs of eight.
    struct Runs(Vec<u64>);

    impl Ranked for Runs {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn each(&self, every: usize, mut take: impl FnMut(&[u64], u32)) {
            self.0.chunks(8).zip((0..).step_by(8)).step_by(every).for_each(|(run, at)| take(run, at));
        }
    }

    fn rank() -> impl Strategy<Value = u64> {
        prop_oneof![4 => 0..5u64, 4 => any::<u64>(), 1 => Just(ABSENT), 1 => Just(UNKNOWN)]
    }

    fn sorted(ranks: &[u64]) -> Vec<(u64, u32)> {
        let mut sorted: Vec<(u64, u32)> = ranks.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        sorted
    }

    proptest! {
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
            ranks in vec(rank(), 1..40), start in 0..9000usize, len in 0..600usize,
        ) {
            let ranks: Vec<u64> = ranks.iter().copied().cycle().take(9000).collect();
            let window = start..(start + len).min(9000);
            for alone in [false, true] {
                let (mut rows, within) = narrow(&ranks, window.clone(), alone);
                prop_assert_eq!(select(&mut rows, within, Ord::cmp), &sorted(&ranks)[window.clone()]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever the values, the order in which they come and the window: sifted rows are the window's, or none are.
        #[test]
        fn sifted_rows_hold_the_window(
            values in vec(rank(), 1..60), alike in 1..200usize, start in 0..MANY, len in 1..600usize, alone: bool,
        ) {
            let ranks: Vec<u64> = (0..MANY).map(|at| values[at / alike % values.len()]).collect();
            let window = start..(start + len).min(MANY);
            if let Some((mut rows, within)) = sift(&Runs(ranks.clone()), &window, alone) {
                prop_assert_eq!(select(&mut rows, within, Ord::cmp), &sorted(&ranks)[window]);
            }
        }
    }

    #[test]
    fn few_rows_are_left_wherever_the_window_is() {
        // No two are equal, or there are two different ones only.
        for different in [u64::MAX, 2] {
            let ranks: Vec<u64> =
                (0..1 << 17).map(|at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % different).collect();
            let len = ranks.len();
            for start in [0, 50, len / 4, len / 2, len - 50] {
                let window = start..start + 50;
                let (mut rows, within) = sift(&Runs(ranks.clone()), &window, true).expect("a fair sample");
                assert!(rows.len() < len / 6, "{} rows are left at {start}", rows.len());
                assert_eq!(select(&mut rows, within, Ord::cmp), &sorted(&ranks)[window]);
            }
        }
    }

    #[test]
    fn a_misleading_sample_is_seen_through() {
        // Only rows that the sample misses are below all others.
        let every = MANY.div_ceil(SAMPLE);
        let ranks: Vec<u64> = (0..MANY).map(|at| u64::from(at / 8 % every == 0)).collect();
        assert!(sift(&Runs(ranks), &(MANY / 2..MANY / 2 + 50), true).is_none());
    }
}
