//! What one thing's series did along time: a few steps in the open, and before them a chain of packed blocks in a log.
//! Recording a step copies values; only each sixteenth step packs a block.

use std::{num::NonZeroU32, time::Duration};

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

/// Values at one time, of the series that were picked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) time: Time,
    /// Milliseconds until the next values were due.
    pub(super) span: u32,
    pub(super) values: &'a [Raw],
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

    /// Calls `each` with what was seen in `from..to`, newest first. `pick` says which series are meant when the track had
    /// that shape, in rising order; where it picks none, there is nothing to see.
    pub(super) fn read(
        &self,
        log: &Log,
        (from, to): (Time, Time),
        mut pick: impl FnMut(Shape, &mut Vec<usize>),
        mut each: impl FnMut(Seen<'_>),
    ) {
        let (open, width) = (self.head(), usize::from(self.shape.series));
        let (mut picked, mut values) = (Vec::new(), Vec::new());
        pick(self.shape, &mut picked);
        for row in (0..usize::from(self.len)).rev().filter(|_| !picked.is_empty()) {
            if open.has(row, from, to) {
                values.clear();
                values.extend(picked.iter().map(|at| self.cells[row * width + at]));
                each(Seen { time: open.time(row as i64), span: open.step, values: &values });
            }
        }
        read_chain(log, self.last, (from, to), pick, each);
    }

    /// Copies what came at `from` or later and is packed by `now` to another log, after the chain of copies that there is.
    /// What is still open is packed for it only where nothing comes any more. Says how far the chain goes now.
    pub(super) fn copy(&mut self, log: &mut Log, from: Time, into: &mut Log, (mut pin, now): (Pin, Time)) -> Pin {
        if now.since(self.head().time(self.len.into())) > Self::SILENT {
            self.seal(log);
        }
        if pin.until > now {
            // The clock was put back.
            pin.until = from;
        }
        let since = pin.until;
        let blocks: Vec<_> = chain(log, self.last, from.max(since)).collect();
        let mut bytes = std::mem::take(&mut into.scratch);
        for (head, packed) in blocks.into_iter().rev().filter(|(head, _)| head.time(0) >= since) {
            bytes.clear();
            Head { before: pin.last, ..head }.write(&mut bytes);
            bytes.extend_from_slice(packed);
            let until = head.time(head.len.into());
            pin = Pin { last: into.append(&bytes, head.time(0)).or(pin.last), until };
        }
        into.scratch = bytes;
        pin
    }

    /// How long ago the last step was when nothing comes any more.
    const SILENT: Duration = Duration::from_mins(1);

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
        let start = bytes.len();
        pack(&self.cells[..usize::from(self.len) * width], width, &mut bytes);
        Head::write_size(&mut bytes, start);
        // A block that is larger than a segment is lost, and the chain goes on without it.
        self.last = log.append(&bytes, head.time(0)).or(self.last);
        log.scratch = bytes;
        // The step after the last one that was recorded, so that no step is recorded twice.
        self.start = self.start.saturating_add(i64::from(self.len));
        self.len = 0;
        self.room = STEPS as u8;
    }

    /// The head of the open steps, whose size is known once they are packed.
    fn head(&self) -> Head {
        let Track { last: before, start, step, shape, len, .. } = *self;
        Head { before, start, step, shape, len, size: 0 }
    }
}

/// A chain of copied blocks: its last one, and the time that it goes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pin {
    pub(super) last: Option<Spot>,
    pub(super) until: Time,
}

/// As [`Track::read`], of a chain of blocks that ends with `last`.
pub(super) fn read_chain(
    log: &Log,
    last: Option<Spot>,
    (from, to): (Time, Time),
    mut pick: impl FnMut(Shape, &mut Vec<usize>),
    mut each: impl FnMut(Seen<'_>),
) {
    let (mut picked, mut series, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (head, packed) in chain(log, last, from).filter(|(head, _)| head.time(0) < to) {
        picked.clear();
        pick(head.shape, &mut picked);
        if picked.is_empty() {
            continue;
        }
        let steps = usize::from(head.len).min(STEPS);
        unpack(packed, steps, &picked, &mut series);
        for row in (0..steps).rev().filter(|row| head.has(*row, from, to)) {
            values.clear();
            values.extend(series.iter().map(|steps| steps[row]));
            each(Seen { time: head.time(row as i64), span: head.step, values: &values });
        }
    }
}

/// The blocks of the chain that ends with `last`, newest first, which end after `from` and are still there.
fn chain(log: &Log, last: Option<Spot>, from: Time) -> impl Iterator<Item = (Head, &[u8])> {
    let read = |spot: Option<Spot>| spot.and_then(|spot| log.get(spot)).and_then(Head::read);
    let all = std::iter::successors(read(last), move |(head, _)| read(head.before));
    all.take_while(move |(head, _)| head.time(head.len.into()) > from)
}

/// What stands before a block's packed series.
#[derive(Clone, Copy)]
struct Head {
    before: Option<Spot>,
    start: i64,
    step: u32,
    shape: Shape,
    len: u8,
    /// Bytes that the packed series take.
    size: u32,
}

impl Head {
    /// When the step `row` begins.
    fn time(&self, row: i64) -> Time {
        Time::from_millis(self.start.saturating_add(row).saturating_mul(i64::from(self.step)))
    }

    /// Whether the step `row` reaches into `from..to`.
    fn has(&self, row: usize, from: Time, to: Time) -> bool {
        self.time(row as i64) < to && self.time(row as i64 + 1) > from
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before.map_or(0, |spot| spot.segment.get()).to_le_bytes());
        out.extend_from_slice(&self.before.map_or(0, |spot| spot.offset).to_le_bytes());
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.step.to_le_bytes());
        out.extend_from_slice(&self.shape.lineup.to_le_bytes());
        out.extend_from_slice(&self.shape.series.to_le_bytes());
        out.push(self.len);
        out.extend_from_slice(&self.size.to_le_bytes());
    }

    /// Enters the size of what follows a head that ends at `start`.
    fn write_size(block: &mut [u8], start: usize) {
        let size = (block.len() - start) as u32;
        block[start - size_of::<u32>()..start].copy_from_slice(&size.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<(Head, &[u8])> {
        let (segment, bytes) = bytes.split_first_chunk()?;
        let (offset, bytes) = bytes.split_first_chunk()?;
        let (start, bytes) = bytes.split_first_chunk()?;
        let (step, bytes) = bytes.split_first_chunk()?;
        let (lineup, bytes) = bytes.split_first_chunk()?;
        let (series, bytes) = bytes.split_first_chunk()?;
        let (len, bytes) = bytes.split_first()?;
        let (size, packed) = bytes.split_first_chunk()?;
        let size = u32::from_le_bytes(*size);
        let offset = u32::from_le_bytes(*offset);
        let before = NonZeroU32::new(u32::from_le_bytes(*segment)).map(|segment| Spot { segment, offset });
        let shape = Shape { series: u16::from_le_bytes(*series), lineup: u32::from_le_bytes(*lineup) };
        let (start, step) = (i64::from_le_bytes(*start), u32::from_le_bytes(*step));
        let packed = packed.get(..size as usize)?;
        Some((Head { before, start, step, shape, len: *len, size }, packed))
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
                let pick = |s: Shape, picked: &mut Vec<usize>| {
                    if s == shape {
                        picked.extend([0, 2]);
                    }
                };
                track.read(&log, (from, to), pick, |s| seen.push((s.time.as_millis(), [s.values[0], s.values[1]])));
                seen.retain(|(_, values)| values[0] != Raw::UNKNOWN);
                seen.reverse();
                seen
            };
            let held = read(i64::MIN, i64::MAX);
            let expected: Vec<_> = recorded.iter().map(|n| (n * 1000, [value(*n, 0), value(*n, 2)])).collect();
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
        let pick = |_: Shape, picked: &mut Vec<usize>| picked.push(0);
        track.read(&log, (from, to), pick, |s| seen.push((s.time.as_millis(), s.values[0].bits())));
        assert_eq!(seen, [(21_000, 4), (20_000, 3), (51_000, 2), (50_000, 1)]);
    }

    #[test]
    fn what_is_copied_stays_when_the_log_goes_on_and_is_copied_once() {
        let shape = Shape { series: 1, lineup: 0 };
        let (mut log, mut kept, mut track) = (Log::new(100), Log::new(4096), Track::new(shape, 0));
        let at = |second: i64| Time::from_millis(second * 1000);
        let mut pin = Pin { last: None, until: at(0) };
        for second in 0..200 {
            track.record(&mut log, 1000, at(second), |cells| cells[0] = Raw::from_bits(second as i32));
            if [116, 118].contains(&second) {
                pin = track.copy(&mut log, at(80), &mut kept, (pin, at(second)));
            }
        }
        let mut seen = Vec::new();
        let pick = |_: Shape, picked: &mut Vec<usize>| picked.push(0);
        track.read(&log, (at(0), at(100)), pick, |s| seen.push(s.values[0].bits()));
        assert!(seen.is_empty(), "the log has gone on");
        read_chain(&kept, pin.last, (at(0), at(1000)), pick, |s| seen.push(s.values[0].bits()));
        let (first, last) = (seen[seen.len() - 1], seen[0]);
        assert!(first <= 80 && last >= 99, "{seen:?}");
        assert!(seen.iter().copied().eq((first..=last).rev()), "each once: {seen:?}");
        // What is open is copied once nothing comes any more, as of a node that has died.
        let pin = track.copy(&mut log, at(190), &mut kept, (pin, at(500)));
        read_chain(&kept, pin.last, (at(199), at(200)), pick, |s| assert_eq!(s.values[0].bits(), 199));
        assert_eq!(pin.until, at(200));
    }
}
