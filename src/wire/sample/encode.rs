//! Packs samples: finds what changed, and decides when the whole is due.

use std::{mem::replace, time::Duration};

use bytes::Bytes;

use super::{super::bits::BitWriter, Encoded, Head, Slots, change, code};
use crate::model::{
    Scope, Time,
    report::{Sample, Values},
};

/// Packs one node's samples for one connection. What it packs must all be sent, in this order: a sample that is
/// left out after it was packed is a gap, and the receiver then waits for the next keyframe.
#[derive(Debug, Default)]
pub struct Encoder {
    seq: u32,
    /// The codes of the values last packed, in the order of [`Values::cells`].
    last: Vec<u32>,
    shape: [(usize, usize); 3],
    generation: u32,
    /// When the next keyframe is due; nothing before the first.
    due: Option<(Time, Time)>,
    phase: Duration,
    changes: Vec<u32>,
    changed: u64,
    /// Length of the last payload: the next is about as long.
    room: usize,
}

impl Encoder {
    /// From one keyframe to the next.
    pub const KEYFRAME_EVERY: Duration = Duration::from_secs(10);

    /// An encoder whose first sample will be a keyframe.
    pub fn new() -> Self {
        Self::default()
    }

    /// An encoder whose second keyframe comes earlier, by a share of the interval that follows from `seed`:
    /// so that nodes that start together do not send their keyframes together for ever.
    pub fn with_phase(seed: u64) -> Self {
        let interval = Self::KEYFRAME_EVERY.as_millis() as u64;
        Encoder { phase: Duration::from_millis(seed % interval), ..Self::default() }
    }

    /// Packs `sample`: as changes, or as a keyframe when the caller wants one, and for the first sample, every
    /// [`Encoder::KEYFRAME_EVERY`] by the samples' own time, when that time runs backwards, and when the
    /// generation, the metrics or the slots are others than before.
    pub fn encode(&mut self, sample: &Sample, keyframe: bool) -> Encoded {
        let shape = Scope::SAMPLED.map(|scope| (sample.values.metrics(scope), sample.values.slots(scope)));
        let same = shape == self.shape && sample.generation == self.generation;
        let in_time = self.due.is_some_and(|(last, due)| (last..due).contains(&sample.time));
        let keyframe = keyframe || !same || !in_time;
        if keyframe {
            // The first interval is cut short by the phase, so that all later ones are shifted by it.
            let phase = if self.due.is_none() { self.phase } else { Duration::ZERO };
            self.due = Some((sample.time, sample.time + Self::KEYFRAME_EVERY.saturating_sub(phase)));
            self.shape = shape;
            self.generation = sample.generation;
            self.last.clear();
            self.last.resize(sample.values.cells().len(), 0);
        }
        self.seq = self.seq.wrapping_add(1);
        let payload = self.pack(&sample.values, keyframe);
        let [_, (_, gpus), (_, nics)] = shape;
        Encoded {
            seq: self.seq,
            time: sample.time,
            generation: sample.generation,
            keyframe: keyframe.then_some(Slots { gpus: gpus as u16, nics: nics as u16 }),
            payload,
        }
    }

    /// How many values the samples had that were packed as changes and differ from the sample before. Together with
    /// their number it says how restless a node is.
    pub fn changed(&self) -> u64 {
        self.changed
    }

    fn pack(&mut self, values: &Values, keyframe: bool) -> Bytes {
        let mut out = Vec::with_capacity(self.room + self.room / 4 + 16);
        let mut bits = BitWriter::new(&mut out);
        let mut cells = values.cells();
        let mut last = self.last.as_mut_slice();
        for (metrics, slots) in self.shape {
            for _ in 0..if slots > 0 { metrics } else { 0 } {
                let (row, more) = cells.split_at(slots);
                let (old, older) = last.split_at_mut(slots);
                (cells, last) = (more, older);
                self.changes.clear();
                if keyframe {
                    let mut before = 0;
                    self.changes.extend(row.iter().zip(old).map(|(raw, old)| {
                        let reference = replace(&mut before, code(*raw));
                        *old = before;
                        change(reference, before)
                    }));
                    let (first, rest) = self.changes.split_at(1);
                    put_block(&mut bits, first);
                    put_block(&mut bits, rest);
                } else {
                    self.changes.extend(row.iter().zip(old).map(|(raw, old)| {
                        let new = code(*raw);
                        change(replace(old, new), new)
                    }));
                    self.changed += put_block(&mut bits, &self.changes) as u64;
                }
            }
        }
        bits.finish();
        self.room = out.len();
        Bytes::from(out)
    }
}

/// The changes of one metric, and how many of the slots do change. A block of no slots takes no bit.
fn put_block(bits: &mut BitWriter<'_>, changes: &[u32]) -> usize {
    if changes.is_empty() {
        return 0;
    }
    let (head, moved) = head(changes);
    match head {
        Head::Same => bits.put(0, 1),
        Head::All(width) | Head::Some(width) => {
            bits.put(1, 1);
            if changes.len() > 1 {
                bits.put(u32::from(matches!(head, Head::Some(_))), 1);
            }
            bits.put(width - 1, Head::WIDTH);
        }
    }
    match head {
        Head::Same => {}
        Head::All(width) => {
            for change in changes {
                bits.put(*change, width);
            }
        }
        Head::Some(width) => {
            for change in changes {
                bits.put(u32::from(*change != 0), 1);
            }
            for change in changes.iter().filter(|change| **change != 0) {
                bits.put(*change, width);
            }
        }
    }
    moved
}

/// The shorter way to write `changes`, and how many of them are changes.
fn head(changes: &[u32]) -> (Head, usize) {
    let width = u32::BITS - changes.iter().fold(0, |all, change| all | change).leading_zeros();
    if width == 0 {
        return (Head::Same, 0);
    }
    let still = changes.iter().filter(|change| **change == 0).count();
    // Naming the slots costs a bit for each, and saves a change for each that stands still.
    let head = if still * width as usize > changes.len() { Head::Some(width) } else { Head::All(width) };
    (head, changes.len() - still)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Decoder, Outcome},
        *,
    };

    #[test]
    fn numbers_begin_again_after_the_largest() {
        let mut encoder = Encoder { seq: u32::MAX - 1, ..Encoder::default() };
        let mut decoder = Decoder::new();
        let mut sink = Values::new(1, 1);
        let sample = Sample { time: Time::default(), generation: 0, values: sink.clone() };
        let metrics = Scope::SAMPLED.map(|scope| scope.metrics().len());
        for _ in 0..4 {
            let outcome = decoder.decode(&encoder.encode(&sample, false), metrics, &mut sink).unwrap();
            assert_eq!(outcome, Outcome::Applied);
        }
        assert_eq!(encoder.seq, 2);
    }
}
