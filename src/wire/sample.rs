//! Samples as they travel: what changed since the last one, and every ten seconds the whole.
//! Decoding checks a payload from end to end before it changes anything, and allocates nothing.
//!
//! The payload is a stream of bits, metric by metric in the order of the agent's Hello. A metric that did not change
//! on any GPU is one bit. One that did says how many bits its largest change takes, which GPUs changed where not all
//! did, and the changes in that many bits each. GPUs of one job move alike, so that one width suits them: a busy
//! 8-GPU node of 440 metrics takes about 230 bytes, where bytewise varints take 330.
//!
//! A keyframe is the same with other references: a metric's first GPU counts from *unknown*, each further one from
//! the GPU before it. Eight equal values cost one.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use decode::{Decoder, Outcome};
pub use encode::Encoder;

use super::{bits::BitReader, limit, limit::DecodeError, proto};
use crate::model::{Raw, Time};

/// One sample, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Counts the samples of one encoder, from 1; after the largest number comes 0.
    pub seq: u32,
    /// When the values were read, by the node's clock.
    pub time: Time,
    /// [`crate::model::report::Inventory::generation`] that the slots count by.
    pub generation: u32,
    /// How many slots there are; said by a keyframe, and what makes it one.
    pub keyframe: Option<Slots>,
    /// The changes, bit by bit.
    pub payload: Bytes,
}

/// How many things of each kind a sample has values for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// GPUs and MIG instances.
    pub gpus: u16,
    /// Network ports.
    pub nics: u16,
}

impl Slots {
    /// The slots of each of [`crate::model::Scope::SAMPLED`].
    fn of_scopes(self) -> [usize; 3] {
        [1, usize::from(self.gpus), usize::from(self.nics)]
    }
}

impl From<Encoded> for proto::Sample {
    fn from(sample: Encoded) -> Self {
        let slots = sample.keyframe.map(|s| proto::Slots { gpus: s.gpus.into(), nics: s.nics.into() });
        let Encoded { seq, time, generation, payload, .. } = sample;
        proto::Sample { seq, time: time.as_millis(), generation, slots, payload }
    }
}

impl TryFrom<proto::Sample> for Encoded {
    type Error = DecodeError;

    fn try_from(sample: proto::Sample) -> Result<Self, DecodeError> {
        let slots = |s: proto::Slots| {
            let gpus = limit::slot(s.gpus, limit::GPUS + limit::INSTANCES + 1, "GPU slots")?;
            Ok(Slots { gpus, nics: limit::slot(s.nics, limit::NICS + 1, "NIC slots")? })
        };
        Ok(Encoded {
            seq: sample.seq,
            time: Time::from_millis(sample.time),
            generation: sample.generation,
            keyframe: sample.slots.map(slots).transpose()?,
            payload: sample.payload,
        })
    }
}

/// A value as a number whose differences are small: gaps are 0 to 15, numbers follow them, and *unknown* is 0.
/// Every stored value has one code and every code one value.
const fn code(raw: Raw) -> u32 {
    let bits = raw.bits();
    if bits >= 0 {
        bits as u32 + GAPS
    } else if bits < Raw::MIN {
        bits.wrapping_sub(i32::MIN) as u32
    } else {
        // Negative numbers keep their bits: they lie above the largest code of a positive one.
        bits as u32
    }
}

/// The inverse of [`code`].
const fn value(code: u32) -> Raw {
    Raw::from_bits(if code < GAPS {
        (code as i32).wrapping_add(i32::MIN)
    } else if code <= i32::MAX as u32 + GAPS {
        (code - GAPS) as i32
    } else {
        code as i32
    })
}

/// Stored values below [`Raw::MIN`].
const GAPS: u32 = Raw::MIN.wrapping_sub(i32::MIN) as u32;

/// The way from one code to another, small where they are near: 0, -1, 1, -2 become 0, 1, 2, 3.
const fn change(from: u32, to: u32) -> u32 {
    let difference = to.wrapping_sub(from) as i32;
    ((difference << 1) ^ (difference >> 31)) as u32
}

/// Where the way leads.
const fn changed(from: u32, change: u32) -> u32 {
    from.wrapping_add((change >> 1) ^ (change & 1).wrapping_neg())
}

/// What stands before a block of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// Nothing changed, and nothing follows.
    Same,
    /// A change of this many bits for every slot.
    All(u32),
    /// One bit per slot, then a change of this many bits for each slot whose bit is set.
    Some(u32),
}

impl Head {
    /// Bits that say the width less one.
    const WIDTH: u32 = 5;

    #[inline]
    fn read(bits: &mut BitReader<'_>, slots: usize) -> Option<Head> {
        let word = bits.peek();
        if word & 1 == 0 {
            bits.skip(1)?;
            return Some(Head::Same);
        }
        // A block of one slot has a head only because that slot changed.
        let flags = if slots > 1 { 2 } else { 1 };
        bits.skip((flags + Head::WIDTH) as usize)?;
        let width = (word >> flags) as u32 % (1 << Head::WIDTH) + 1;
        let some = flags == 2 && word & 2 != 0;
        Some(if some { Head::Some(width) } else { Head::All(width) })
    }
}
