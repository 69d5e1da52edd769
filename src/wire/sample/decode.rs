//! Unpacks samples into a sink, and knows when it has to wait for a keyframe.

use super::{super::bits::BitReader, DecodeError, Encoded, Head, Slots, changed, code, value};
use crate::model::{Raw, Scope, sink::Sink};

/// Unpacks one node's samples of one connection. The sink's own values are what changes refer to, so between
/// two samples nobody else may change them.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The sample that the sink holds; nothing while a keyframe is awaited.
    base: Option<Base>,
    /// The newest sample that was applied, to tell a late one.
    newest: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Base {
    seq: u32,
    generation: u32,
    slots: Slots,
}

/// What became of a sample that was well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The sink now holds it.
    Applied,
    /// One before it is missing: the sink keeps what it held until the next keyframe.
    AwaitingKeyframe,
    /// It is no newer than what the sink holds, and was left out.
    Repeated,
}

impl Decoder {
    /// A decoder that waits for its first keyframe.
    pub fn new() -> Self {
        Self::default()
    }

    /// Unpacks `sample` into `sink`. `metrics` is [`super::super::Hello::counts`] of the agent's Hello. Either the
    /// sink then holds the sample whole, or, for every other outcome and error, it holds what it held before.
    /// Rows that the sink does not have are skipped.
    pub fn decode<S: Sink>(
        &mut self,
        sample: &Encoded,
        metrics: [usize; 3],
        sink: &mut S,
    ) -> Result<Outcome, DecodeError> {
        if self.newest.is_some_and(|newest| !is_after(sample.seq, newest)) {
            return Ok(Outcome::Repeated);
        }
        // Whatever goes wrong from here on, later changes have nothing to refer to.
        let base = self.base.take();
        let fits = |slots: Slots| Scope::SAMPLED.into_iter().zip(slots.of_scopes()).all(|(s, n)| sink.slots(s) == n);
        let (slots, is_keyframe) = match (sample.keyframe, base) {
            (Some(slots), _) if fits(slots) => (slots, true),
            (Some(Slots { gpus, nics }), _) => return Err(DecodeError::Shape { gpus, nics }),
            (None, Some(base)) if base.precedes(sample) && fits(base.slots) => (base.slots, false),
            (None, _) => return Ok(Outcome::AwaitingKeyframe),
        };
        let rows = Rows { metrics, slots: slots.of_scopes(), is_keyframe };
        let payload = || BitReader::new(&sample.payload);
        let broken = DecodeError::Payload { seq: sample.seq };
        if !rows.check(payload()).is_some_and(|rest| rest.is_spent()) {
            return Err(broken);
        }
        rows.apply(payload(), sink).ok_or(broken)?;
        self.base = Some(Base { seq: sample.seq, generation: sample.generation, slots });
        self.newest = Some(sample.seq);
        Ok(Outcome::Applied)
    }
}

impl Base {
    fn precedes(self, sample: &Encoded) -> bool {
        sample.seq == self.seq.wrapping_add(1) && sample.generation == self.generation
    }
}

/// Whether `seq` comes after `other`, with numbers that begin again after the largest.
fn is_after(seq: u32, other: u32) -> bool {
    (seq.wrapping_sub(other) as i32) > 0
}

/// How a payload is laid out.
#[derive(Clone, Copy)]
struct Rows {
    metrics: [usize; 3],
    slots: [usize; 3],
    is_keyframe: bool,
}

impl Rows {
    /// Scope, metric and slots of each row that is in the payload.
    fn iter(self) -> impl Iterator<Item = (Scope, usize, usize)> {
        let scopes = Scope::SAMPLED.into_iter().zip(self.metrics.into_iter().zip(self.slots));
        scopes
            .filter(|(_, (_, slots))| *slots > 0)
            .flat_map(|(scope, (metrics, slots))| (0..metrics).map(move |metric| (scope, metric, slots)))
    }

    /// Walks over the payload without looking at values; nothing when it ends too early.
    fn check(self, mut bits: BitReader<'_>) -> Option<BitReader<'_>> {
        for (_, _, slots) in self.iter() {
            self.skip_row(&mut bits, slots)?;
        }
        Some(bits)
    }

    fn skip_row(self, bits: &mut BitReader<'_>, slots: usize) -> Option<()> {
        if self.is_keyframe {
            skip_block(bits, 1)?;
            return skip_block(bits, slots - 1);
        }
        skip_block(bits, slots)
    }

    /// Writes the payload's values into `sink`. After [`Rows::check`] it always comes to its end.
    fn apply<S: Sink>(self, mut bits: BitReader<'_>, sink: &mut S) -> Option<()> {
        for (scope, metric, slots) in self.iter() {
            match sink.row(scope, metric) {
                Some(row) if row.len() == slots => self.apply_row(&mut bits, row)?,
                _ => self.skip_row(&mut bits, slots)?,
            }
        }
        Some(())
    }

    fn apply_row(self, bits: &mut BitReader<'_>, row: &mut [Raw]) -> Option<()> {
        if !self.is_keyframe {
            return each_change(bits, row.len(), |slot, change| {
                if let Some(cell) = row.get_mut(slot) {
                    *cell = value(changed(code(*cell), change));
                }
            });
        }
        let (first, rest) = row.split_first_mut()?;
        *first = Raw::UNKNOWN;
        each_change(bits, 1, |_, change| *first = value(changed(0, change)))?;
        // Slots whose change is not written are as the slot before them.
        let (mut before, mut done) = (*first, 0);
        each_change(bits, rest.len(), |slot, change| {
            if let Some(still) = rest.get_mut(done..slot) {
                still.fill(before);
            }
            before = value(changed(code(before), change));
            if let Some(cell) = rest.get_mut(slot) {
                *cell = before;
            }
            done = slot + 1;
        })?;
        if let Some(still) = rest.get_mut(done..) {
            still.fill(before);
        }
        Some(())
    }
}

/// Goes over the changes of one block.
fn skip_block(bits: &mut BitReader<'_>, slots: usize) -> Option<()> {
    if slots == 0 {
        return Some(());
    }
    match Head::read(bits, slots)? {
        Head::Same => Some(()),
        Head::All(width) => bits.skip(slots * width as usize),
        Head::Some(width) => {
            let mut count = 0;
            for width in chunks(slots) {
                count += bits.take(width)?.count_ones() as usize;
            }
            bits.skip(count * width as usize)
        }
    }
}

/// Calls `f` with the slot and the change, in the slots' order, for each change that is written.
fn each_change(bits: &mut BitReader<'_>, slots: usize, mut f: impl FnMut(usize, u32)) -> Option<()> {
    if slots == 0 {
        return Some(());
    }
    match Head::read(bits, slots)? {
        Head::Same => {}
        Head::All(width) => {
            let (together, mask) = ((BitReader::PEEKED / width) as usize, (1u64 << width) - 1);
            let mut slot = 0;
            while slot < slots {
                let (mut word, end) = (bits.peek(), slots.min(slot + together));
                bits.skip((end - slot) * width as usize)?;
                while slot < end {
                    f(slot, (word & mask) as u32);
                    word >>= width;
                    slot += 1;
                }
            }
        }
        Head::Some(width) => {
            let mut mask = bits.clone();
            bits.skip(slots)?;
            let mut at = 0;
            for chunk in chunks(slots) {
                let mut set = mask.take(chunk)?;
                while set != 0 {
                    f(at + set.trailing_zeros() as usize, bits.take(width)?);
                    set &= set - 1;
                }
                at += chunk as usize;
            }
        }
    }
    Some(())
}

/// `slots` bits in pieces that can be read at once.
fn chunks(slots: usize) -> impl Iterator<Item = u32> {
    (0..slots).step_by(32).map(move |at| (slots - at).min(32) as u32)
}
