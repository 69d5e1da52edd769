//! How much counters rose lately: whether errors still come says more than how many there ever were.

use std::{collections::VecDeque, time::Duration};

use crate::model::{
    Gap, MetricId, Raw, Time,
    metric::{gpu, nic, node},
    report::Values,
};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Counters, what tells how much each rose, and in how long.
static RISES: [(MetricId, MetricId, Duration); 11] = [
    (gpu::ECC_SBE, gpu::ECC_SBE_MINUTE, MINUTE),
    (gpu::PCIE_REPLAY, gpu::PCIE_REPLAY_MINUTE, MINUTE),
    (gpu::NVLINK_ERRORS, gpu::NVLINK_ERRORS_MINUTE, MINUTE),
    (gpu::NVLINK_REPLAY, gpu::NVLINK_REPLAY_MINUTE, MINUTE),
    (gpu::PCIE_NONFATAL, gpu::PCIE_NONFATAL_HOUR, HOUR),
    (nic::ERRORS, nic::ERRORS_HOUR, HOUR),
    (nic::RECOVERY, nic::RECOVERY_HOUR, HOUR),
    (nic::LINK_DOWNED, nic::LINK_DOWNED_HOUR, HOUR),
    (node::EDAC_CE, node::EDAC_CE_HOUR, HOUR),
    (node::OOM, node::OOM_HOUR, HOUR),
    (node::CPU_THROTTLE, node::CPU_THROTTLE_MINUTE, MINUTE),
];

/// In so many steps a span moves on.
const STEPS: u32 = 12;

/// What the counters of a node's things have been.
#[derive(Debug, Default)]
pub(super) struct Rises {
    /// The things are those of this generation.
    generation: u32,
    /// By counter and slot.
    tracks: [Vec<Track>; RISES.len()],
}

/// One counter's past.
#[derive(Clone, Debug, Default)]
struct Track {
    /// As it was seen last.
    count: Option<i32>,
    /// How much it has risen since it was first seen. A fall is a reset, or one of several that it sums up: nobody knows
    /// what is new of the rest.
    risen: u64,
    /// How much it had risen at some times, the earliest first.
    marks: VecDeque<(Time, u64)>,
}

impl Rises {
    /// Adds to a sample how much each of its counters rose.
    pub(super) fn add(&mut self, generation: u32, now: Time, values: &mut Values) {
        if self.generation != generation {
            *self = Rises { generation, ..Rises::default() };
        }
        for (tracks, (counter, rise, within)) in self.tracks.iter_mut().zip(RISES) {
            let counts = values.row(counter).to_vec();
            tracks.resize_with(counts.len(), Track::default);
            for (slot, (track, raw)) in tracks.iter_mut().zip(counts).enumerate() {
                let risen = match raw.steps() {
                    Some(count) => {
                        track.rise(count, now, within).map_or(Gap::Unknown.into(), |n| Raw::new(n as f64, 1.0))
                    }
                    // It stands at its end, and what it rose by is forgotten in time as of any other.
                    None if raw == Raw::SATURATED && track.count.is_some() => {
                        let count = track.count.unwrap_or(0);
                        track.rise(count, now, within).map_or(raw, |n| Raw::new(n as f64, 1.0))
                    }
                    None => raw,
                };
                values.set(rise, slot, risen);
            }
        }
    }
}

impl Track {
    /// How much it rose within so long, or since it was first seen; nothing when that is now.
    fn rise(&mut self, count: i32, now: Time, within: Duration) -> Option<u64> {
        let before = self.count.replace(count)?;
        let by = count.saturating_sub(before).max(0);
        if self.marks.is_empty() {
            self.marks.push_back((now, 0));
        }
        self.risen += u64::try_from(by).unwrap_or(0);
        let step = within / STEPS;
        if self.marks.back().is_none_or(|(last, _)| now.since(*last) >= step || now < *last) {
            self.marks.push_back((now, self.risen));
        }
        while self.marks.get(1).is_some_and(|(time, _)| now.since(*time) >= within)
            || self.marks.len() > 2 * STEPS as usize
        {
            self.marks.pop_front();
        }
        self.marks.front().map(|(_, before)| self.risen - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    /// What a counter rose by in a minute, at each of some times.
    fn play(counts: &[(i64, i32)]) -> Vec<Option<u64>> {
        let mut track = Track::default();
        counts.iter().map(|(second, count)| track.rise(*count, at(*second), MINUTE)).collect()
    }

    #[test]
    fn what_rose_is_forgotten_after_its_span() {
        assert_eq!(play(&[(0, 7), (1, 7), (2, 10), (10, 11)]), [None, Some(0), Some(3), Some(4)]);
        let mut track = Track::default();
        let rises =
            (0..=200).map(|second| track.rise(if second < 30 { 0 } else { 5 }, at(second), MINUTE).unwrap_or(0));
        let rises: Vec<u64> = rises.collect();
        assert_eq!((rises[29], rises[30], rises[89]), (0, 5, 5));
        let gone = rises.iter().rposition(|rise| *rise == 5).expect("it rose");
        assert!((89..=95).contains(&gone), "a minute after it rose, or a step later: {gone}");
        assert!(track.marks.len() <= STEPS as usize + 2);
    }

    #[test]
    fn a_fall_is_no_rise() {
        assert_eq!(play(&[(0, 40), (1, 42), (2, 3), (3, 4)]), [None, Some(2), Some(2), Some(3)]);
    }

    #[test]
    fn a_counter_at_its_end_has_risen_and_does_so_no_more() {
        let mut rises = Rises::default();
        let mut told = |second, raw| {
            let mut values = Values::new(1, 0);
            values.set(gpu::ECC_SBE, 0, raw);
            rises.add(1, at(second), &mut values);
            values.get(gpu::ECC_SBE_MINUTE, 0)
        };
        assert_eq!(told(0, Raw::SATURATED), Raw::SATURATED, "nobody saw it rise");
        told(1, Raw::new(3.0, 1.0));
        assert_eq!(told(2, Raw::new(9.0, 1.0)), Raw::new(6.0, 1.0));
        assert_eq!(told(3, Raw::SATURATED), Raw::new(6.0, 1.0));
        let later: Vec<Raw> = (4..80).map(|second| told(second, Raw::SATURATED)).collect();
        assert_eq!(later.last(), Some(&Raw::new(0.0, 1.0)));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_more_than_it_needs() {
        let mut track = Track::default();
        for n in 0..1000 {
            track.rise(n, at(-7 * i64::from(n)), MINUTE);
        }
        assert!(track.marks.len() <= 2 * STEPS as usize);
    }

    #[test]
    fn each_slot_has_its_own_and_gaps_stay_what_they_are() {
        let mut rises = Rises::default();
        let mut told = |generation, second, counts: [Raw; 2]| {
            let mut values = Values::new(2, 0);
            (0..).zip(counts).for_each(|(slot, raw)| values.set(gpu::ECC_SBE, slot, raw));
            rises.add(generation, at(second), &mut values);
            values.row(gpu::ECC_SBE_MINUTE).to_vec()
        };
        let count = |n: f64| Raw::new(n, 1.0);
        assert_eq!(told(1, 0, [count(1.0), Raw::UNSUPPORTED]), [Raw::UNKNOWN, Raw::UNSUPPORTED]);
        assert_eq!(told(1, 1, [count(4.0), count(9.0)]), [count(3.0), Raw::UNKNOWN]);
        assert_eq!(told(1, 2, [Raw::FAILED, count(9.0)]), [Raw::FAILED, count(0.0)]);
        assert_eq!(told(2, 3, [count(9.0), count(9.0)]), [Raw::UNKNOWN; 2], "they may be others");
    }
}
