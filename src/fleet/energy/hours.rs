//! What was spent in each of the last 24 hours, in few bytes: there is one for every GPU and every job.

use crate::model::{energy::hour, time::Time};

/// Hours that are kept beside the running one.
const BEFORE: usize = 23;
/// Stands for an hour of which nothing is known.
const UNKNOWN: u16 = u16::MAX;
/// Joules of one step of an hour that is over.
const STEP: f32 = 1000.0;

/// Joules by the hour: the running one as it is, those before it in steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::fleet) struct Hours {
    /// The running hour's number, counted from 1970; 0 before anything was added.
    number: u32,
    /// Not a number where not all of it is known.
    running: f32,
    /// The last one first.
    before: Before,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Before([u16; BEFORE]);

impl Default for Before {
    fn default() -> Self {
        Before([UNKNOWN; BEFORE])
    }
}

fn number(time: Time) -> u32 {
    u32::try_from(hour(time).as_millis() / 3_600_000).unwrap_or(0)
}

fn steps(joules: f32) -> u16 {
    if joules.is_nan() {
        return UNKNOWN;
    }
    // So much that no hour has it is the most that there can be.
    (joules / STEP).round().clamp(0.0, f32::from(UNKNOWN - 1)) as u16
}

impl Hours {
    /// Adds what was spent in the hour of `time`.
    pub(super) fn add(&mut self, time: Time, joules: f64) {
        let (at, joules) = (number(time), joules as f32);
        if self.number == 0 {
            (self.number, self.running) = (at, joules);
        } else if let Some(back) = self.number.checked_sub(at) {
            match (back as usize).checked_sub(1) {
                None => self.running += joules,
                // A clock that was put back, or a span that began in the hour before.
                Some(at) => {
                    if let Some(kept) = self.before.0.get_mut(at) {
                        let before = if *kept == UNKNOWN { 0.0 } else { f32::from(*kept) * STEP };
                        *kept = steps(before + joules);
                    }
                }
            }
        } else {
            let gone = ((at - self.number) as usize).min(BEFORE + 1);
            self.before.0.copy_within(..BEFORE.saturating_sub(gone), gone.min(BEFORE));
            self.before.0[..gone.min(BEFORE)].fill(UNKNOWN);
            if let Some(last) = self.before.0.get_mut(gone - 1) {
                *last = steps(self.running);
            }
            (self.number, self.running) = (at, joules);
        }
    }

    /// Joules of the hour of `time`; nothing of an hour of which nothing is known.
    pub(in crate::fleet) fn get(&self, time: Time) -> Option<f64> {
        let back = self.number.checked_sub(number(time)).filter(|_| self.number > 0)? as usize;
        match back.checked_sub(1) {
            None => Some(f64::from(self.running)).filter(|joules| !joules.is_nan()),
            Some(at) => {
                let kept = self.before.0.get(at).filter(|kept| **kept != UNKNOWN)?;
                Some(f64::from(f32::from(*kept) * STEP))
            }
        }
    }

    /// The number of the running hour and the steps of all, the running one first; nothing before anything was added.
    pub(super) fn kept(&self) -> Option<(u32, Vec<Option<u16>>)> {
        let all = [steps(self.running)].into_iter().chain(self.before.0);
        let mut all: Vec<_> = all.map(|kept| (kept != UNKNOWN).then_some(kept)).collect();
        all.truncate(all.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        (self.number > 0).then_some((self.number, all))
    }

    /// Goes on from what was kept.
    pub(super) fn restored(number: u32, all: &[Option<u16>]) -> Hours {
        let step = |at: usize| all.get(at).copied().flatten();
        let before = std::array::from_fn(|at| step(at + 1).unwrap_or(UNKNOWN));
        Hours { number, running: step(0).map_or(f32::NAN, |steps| f32::from(steps) * STEP), before: Before(before) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(hours: i64) -> Time {
        Time::from_millis((480_000 + hours) * 3_600_000 + 1234)
    }

    proptest! {
        #[test]
        fn each_of_the_last_hours_has_what_was_added_in_it(
            added in prop::collection::vec((0..30_i64, 0..5_000_u32), 1..60),
        ) {
            let (mut hours, mut truth, mut now) = (Hours::default(), BTreeMap::<i64, f64>::new(), 0);
            let (mut last, mut first) = (i64::MIN, i64::MAX);
            for (step, kilojoules) in added {
                // Mostly forwards, sometimes an hour back.
                now += step / 9 - i64::from(step == 29);
                hours.add(at(now), f64::from(kilojoules) * 1000.0);
                *truth.entry(now).or_default() += f64::from(kilojoules) * 1000.0;
                (last, first) = (last.max(now), first.min(now));
                for back in 0..24 {
                    let expected = truth.get(&(last - back)).copied();
                    prop_assert_eq!(hours.get(at(last - back)), expected, "{} h back", back);
                }
                prop_assert_eq!(hours.get(at(last - 24)), None);
                let (number, kept) = hours.kept().expect("something was added");
                prop_assert_eq!(Hours::restored(number, &kept), hours);
            }
        }
    }

    #[test]
    fn of_what_was_never_added_nothing_is_known() {
        let hours = Hours::default();
        assert_eq!((hours.get(at(0)), hours.kept()), (None, None));
        assert_eq!(Hours::restored(7, &[]).get(at(0)), None);
    }
}
