//! Observations along time, put onto the steps that a question asks for.
//! A step without an observation of its own takes the one that still held when it began.

use std::time::Duration;

use crate::model::time::Time;

/// The steps of a question, with what was seen in each.
pub(super) struct Grid<T> {
    from: i64,
    step: i64,
    seen: Vec<Option<T>>,
    held: Vec<Option<T>>,
}

impl<T: Clone> Grid<T> {
    /// Steps that one question may have; those beyond are left out.
    const MOST: i64 = 100_000;

    /// Whole steps from `from` up to `to`.
    pub(super) fn new(from: Time, to: Time, step: Duration) -> Self {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let span = i64::try_from(to.since(from).as_millis()).unwrap_or(i64::MAX);
        let n = (span / step).min(Self::MOST) as usize;
        Grid { from: from.as_millis(), step, seen: vec![None; n], held: vec![None; n] }
    }

    /// When each step begins.
    pub(super) fn times(&self) -> impl Iterator<Item = Time> + use<T> {
        let (from, step) = (self.from, self.step);
        (0..self.seen.len() as i64).map(move |at| Time::from_millis(from + at * step))
    }

    /// Adds an observation that held for `span` milliseconds. The newest comes first; `merge` makes one of two.
    pub(super) fn add(&mut self, time: Time, span: u32, value: &T, merge: impl FnOnce(&mut T, &T)) {
        let since = time.as_millis().saturating_sub(self.from);
        let at = since.div_euclid(self.step);
        if let Some(seen) = usize::try_from(at).ok().and_then(|at| self.seen.get_mut(at)) {
            match seen {
                Some(newer) => merge(newer, value),
                None => *seen = Some(value.clone()),
            }
        }
        // Later steps that begin while it held.
        let last = (since.saturating_add(i64::from(span)) - 1).div_euclid(self.step);
        for held in (at + 1).max(0)..=last {
            match self.held.get_mut(held as usize) {
                Some(held) if held.is_none() => *held = Some(value.clone()),
                Some(_) => {}
                None => break,
            }
        }
    }

    /// One value for each step.
    pub(super) fn finish(self) -> impl Iterator<Item = Option<T>> {
        self.seen.into_iter().zip(self.held).map(|(seen, held)| seen.or(held))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Each step has the sum of what was seen in it, or what still held when it began.
        #[test]
        fn every_step_has_what_was_seen_in_it(
            times in prop::collection::btree_set(0..5_000_i64, 0..50),
            from in -1_000..5_000_i64,
            length in 0..5_000_i64,
            step in 1..700_i64,
            span in 1..900_u32,
        ) {
            let to = from + length;
            let time = Time::from_millis;
            let mut grid = Grid::new(time(from), time(to), Duration::from_millis(step as u64));
            for at in times.iter().rev() {
                grid.add(time(*at), span, at, |all, one| *all += one);
            }
            let cells: Vec<_> = grid.finish().collect();
            prop_assert_eq!(cells.len() as i64, length / step);
            for (n, cell) in cells.into_iter().enumerate() {
                let begin = from + n as i64 * step;
                let within: Vec<_> = times.range(begin..begin + step).collect();
                let held = times.range(..begin).next_back().filter(|at| *at + i64::from(span) > begin);
                let expected = if within.is_empty() { held.copied() } else { Some(within.into_iter().sum()) };
                prop_assert_eq!(cell, expected, "step {}", n);
            }
        }
    }

    #[test]
    fn a_question_for_endless_steps_is_cut() {
        let grid = Grid::<f64>::new(Time::from_millis(i64::MIN), Time::from_millis(i64::MAX), Duration::ZERO);
        assert_eq!(grid.finish().count(), 100_000);
    }
}
