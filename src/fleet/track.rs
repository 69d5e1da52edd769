//! What one thing's series did along time: a few steps in the open, and before them a chain of packed blocks in a log.
//! Recording a step copies values; only each sixteenth step packs a block.

use std::num::NonZeroU32;

use super::{
    block::{STEPS, pack, unpack},
    log::{Log, Spot},
};
use crate::model::{raw::Raw, time::Time};

/// The series of one thing, recorded together.
#[derive(Debug)]
pub(super) struct Track {
    last: Option<Spot>,
    shape: Shape,
    /// Milliseconds of a step.
    step: u32,
    /// The first open step's number, counted in steps since the epoch; without one, the number that follows the last.
    start: i64,
    len: u8,
    room: u8,
    /// The open steps, one row of series each.
    cells: Box<[Raw]>,
}

/// Which series there are, at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// How many.
    pub(super) series: u16,
    /// A number that tells what they are to who reads them.
    pub(super) lineup: u32,
}

/// Values at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<const N: usize> {
    pub(super) time: Time,
    /// Milliseconds until the next values were due.
    pub(super) span: u32,
    pub(super) values: [Raw; N],
}

impl Track {
    /// An empty track. `stagger` spreads the packing of many tracks over time.
    pub(super) fn new(shape: Shape, stagger: usize) -> Self {
        let cells = vec![Raw::UNKNOWN; usize::from(shape.series) * STEPS].into();
        Track { last: None, shape, step: 1, start: 0, len: 0, room: (1 + stagger % STEPS) as u8, cells }
    }

    /// Bytes that its open steps take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }

    /// Changes what the series are. What was recorded so far stays.
    pub(super) fn reshape(&mut self, log: &mut Log, shape: Shape) {
        self.seal(log);
        if shape.series != self.shape.series {
            self.cells = vec![Raw::UNKNOWN; usize::from(shape.series) * STEPS].into();
        }
        self.shape = shape;
    }

    /// Records the values that `fill` writes, unless those of this step were recorded already.
    pub(super) fn record(&mut self, log: &mut Log, step: u32, now: Time, fill: impl FnOnce(&mut [Raw])) {
        let step = step.max(1);
        let number = now.as_millis().div_euclid(i64::from(step));
        let ahead = number.saturating_sub(self.start.saturating_add(i64::from(self.len)));
        if self.step == step && ahead == -1 {
            return;
        }
        // After a clock that was set back, or a long silence, a block of its own begins.
        if self.step != step || ahead < 0 || ahead >= i64::from(self.room - self.len) {
            self.seal(log);
        }
        if self.len == 0 {
            (self.start, self.step) = (number, step);
        }
        let width = usize::from(self.shape.series);
        let here = number.saturating_sub(self.start) as usize;
        self.cells[usize::from(self.len) * width..here * width].fill(Raw::UNKNOWN);
        fill(&mut self.cells[here * width..(here + 1) * width]);
        self.len = here as u8 + 1;
        if self.len >= self.room {
            self.seal(log);
        }
    }

    /// Calls `each` with what was seen in `from..to`, newest first. `first` says which series is meant (the first of
    /// `N` in a row) when the track had that shape; where it says nothing, there is nothing to see.
    pub(super) fn read<const N: usize>(
        &self,
        log: &Log,
        from: Time,
        to: Time,
        first: impl Fn(Shape) -> Option<usize>,
        mut each: impl FnMut(Seen<N>),
    ) {
        let mut show = |head: &Head, row: usize, values: [Raw; N]| {
            let seen = Seen { time: head.time(row as i64), span: head.step, values };
            if seen.time < to && head.time(row as i64 + 1) > from {
                each(seen);
            }
        };
        let open = self.head();
        if let Some(first) = first(self.shape) {
            let width = usize::from(self.shape.series);
            for row in (0..usize::from(self.len)).rev() {
                show(&open, row, std::array::from_fn(|n| self.cells[row * width + first + n]));
            }
        }
        let mut spot = self.last;
        while let Some((head, packed)) = spot.and_then(|spot| log.get(spot)).and_then(Head::read) {
            let steps = usize::from(head.len);
            if head.time(steps as i64) <= from {
                break;
            }
            if let Some(first) = first(head.shape).filter(|_| head.time(0) < to) {
                let mut series = [[Raw::UNKNOWN; STEPS]; N];
                unpack(packed, steps, first, &mut series);
                for row in (0..steps.min(STEPS)).rev() {
                    show(&head, row, std::array::from_fn(|n| series[n][row]));
                }
            }
            spot = head.before;
        }
    }

    /// Packs the open steps away.
    fn seal(&mut self, log: &mut Log) {
        if self.len == 0 {
            return;
        }
        let width = usize::from(self.shape.series);
        let mut bytes = std::mem::take(&mut log.scratch);
        bytes.clear();
        let head = self.head();
        head.write(&mut bytes);
        pack(&self.cells[..usize::from(self.len) * width], width, &mut bytes);
        // A block that is larger than a segment is lost, and the chain goes on without it.
        self.last = log.append(&bytes, head.time(0)).or(self.last);
        log.scratch = bytes;
        // The step after the last one that was recorded, so that no step is recorded twice.
        self.start = self.start.saturating_add(i64::from(self.len));
        self.len = 0;
        self.room = STEPS as u8;
    }

    fn head(&self) -> Head {
        Head { before: self.last, start: self.start, step: self.step, shape: self.shape, len: self.len }
    }
}

/// What stands before a block's packed series.
struct Head {
    before: Option<Spot>,
    start: i64,
    step: u32,
    shape: Shape,
    len: u8,
}

impl Head {
    /// When the step `row` begins.
    fn time(&self, row: i64) -> Time {
        Time::from_millis(self.start.saturating_add(row).saturating_mul(i64::from(self.step)))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before.map_or(0, |spot| spot.segment.get()).to_le_bytes());
        out.extend_from_slice(&self.before.map_or(0, |spot| spot.offset).to_le_bytes());
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.step.to_le_bytes());
        out.extend_from_slice(&self.shape.lineup.to_le_bytes());
        out.extend_from_slice(&self.shape.series.to_le_bytes());
        out.push(self.len);
    }

    fn read(bytes: &[u8]) -> Option<(Head, &[u8])> {
        let (segment, bytes) = bytes.split_first_chunk()?;
        let (offset, bytes) = bytes.split_first_chunk()?;
        let (start, bytes) = bytes.split_first_chunk()?;
        let (step, bytes) = bytes.split_first_chunk()?;
        let (lineup, bytes) = bytes.split_first_chunk()?;
        let (series, bytes) = bytes.split_first_chunk()?;
        let (len, packed) = bytes.split_first()?;
        let offset = u32::from_le_bytes(*offset);
        let before = NonZeroU32::new(u32::from_le_bytes(*segment)).map(|segment| Spot { segment, offset });
        let shape = Shape { series: u16::from_le_bytes(*series), lineup: u32::from_le_bytes(*lineup) };
        let (start, step) = (i64::from_le_bytes(*start), u32::from_le_bytes(*step));
        Some((Head { before, start, step, shape, len: *len }, packed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SERIES: usize = 3;

    fn value(number: i64, series: usize) -> Raw {
        Raw::from_bits((number * 7 % 1000) as i32 + series as i32)
    }

    proptest! {
        /// What was recorded is read back, whatever span is asked for, as long as the log holds it.
        #[test]
        fn any_span_reads_back(
            pauses in prop::collection::vec(prop_oneof![8 => 0..3_000_i64, 1 => 3_000..90_000_i64], 1..300),
            (from, to) in (-20_000..400_000_i64, -20_000..400_000_i64),
            stagger in 0..40_usize,
            segments in 2..20_u64,
        ) {
            let shape = Shape { series: SERIES as u16, lineup: 9 };
            let (mut log, mut track) = (Log::new(400), Track::new(shape, stagger));
            log.limit(segments * 400);
            let mut now = 0;
            let mut recorded = BTreeSet::new();
            for pause in pauses {
                now += pause;
                let number = now.div_euclid(1000);
                track.record(&mut log, 1000, Time::from_millis(now), |cells| {
                    cells.iter_mut().enumerate().for_each(|(n, cell)| *cell = value(number, n));
                });
                recorded.insert(number);
            }
            let read = |from, to| {
                let mut seen = Vec::new();
                let (from, to) = (Time::from_millis(from), Time::from_millis(to));
                track.read::<2>(&log, from, to, |s| (s == shape).then_some(1), |s| seen.push((s.time.as_millis(), s.values)));
                seen.retain(|(_, values)| values[0] != Raw::UNKNOWN);
                seen.reverse();
                seen
            };
            let held = read(i64::MIN, i64::MAX);
            let expected: Vec<_> = recorded.iter().map(|n| (n * 1000, [value(*n, 1), value(*n, 2)])).collect();
            prop_assert!(expected.ends_with(&held), "all that is held is the newest");
            prop_assert!(held.len() >= expected.len().min(STEPS), "the newest are held");
            let slice: Vec<_> = held.iter().copied().filter(|(time, _)| *time < to && time + 1000 > from).collect();
            prop_assert_eq!(read(from, to), slice);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_loses_nothing_new() {
        let shape = Shape { series: 1, lineup: 0 };
        let (mut log, mut track) = (Log::new(4096), Track::new(shape, 15));
        for (ms, value) in [(50_000, 1), (51_000, 2), (20_000, 3), (21_000, 4)] {
            track.record(&mut log, 1000, Time::from_millis(ms), |cells| cells[0] = Raw::from_bits(value));
        }
        let mut seen = Vec::new();
        let (from, to) = (Time::from_millis(0), Time::from_millis(100_000));
        track.read::<1>(&log, from, to, |_| Some(0), |s| seen.push((s.time.as_millis(), s.values[0].bits())));
        assert_eq!(seen, [(21_000, 4), (20_000, 3), (51_000, 2), (50_000, 1)]);
    }
}
