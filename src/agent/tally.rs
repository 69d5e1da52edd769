//! What sessions have sent, for whoever puts a load on a hub and wants to know how much of one it was.
//! All sessions of a process, on whichever threads, count in one place.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::model::report::Sample;

/// Counts since it was made.
#[derive(Debug, Default)]
pub struct Tally {
    samples: AtomicU64,
    keyframes: AtomicU64,
    skipped: AtomicU64,
    bytes: AtomicU64,
    changed: AtomicU64,
    values: AtomicU64,
}

impl Tally {
    /// Counts a sample that was sent in so many `bytes`, its frame's head included. Of one that was packed as
    /// changes, `changed` values are others than before; nothing for a keyframe, which says all.
    pub fn sent(&self, sample: &Sample, bytes: usize, changed: Option<u64>) {
        self.samples.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        let Some(changed) = changed else {
            self.keyframes.fetch_add(1, Relaxed);
            return;
        };
        let numbers = sample.values.cells().iter().filter(|value| value.gap().is_none()).count();
        self.changed.fetch_add(changed, Relaxed);
        self.values.fetch_add(numbers as u64, Relaxed);
    }

    /// Counts a sample that was left out, because the link still held earlier words.
    pub fn skipped(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [samples, keyframes, skipped, bytes, changed, values] =
            [&self.samples, &self.keyframes, &self.skipped, &self.bytes, &self.changed, &self.values]
                .map(|count| count.load(Relaxed));
        let of = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let (size, without_keyframes) = (of(bytes, samples), samples - keyframes);
        write!(f, "sent {samples} samples of {size:.0} B each, {keyframes} of them keyframes; skipped {skipped}; ")?;
        write!(f, "{:.0} of {:.0} values ", of(changed, without_keyframes), of(values, without_keyframes))?;
        write!(f, "({:.0} %) changed from sample to sample", 100.0 * of(changed, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Raw, metric::gpu, report::Values, time::Time};

    #[test]
    fn what_was_sent_is_summed_up() {
        let mut sample = Sample { time: Time::default(), generation: 0, values: Values::new(4, 0) };
        sample.values.row_mut(gpu::UTIL).fill(Raw::new(50.0, 1.0));
        let tally = Tally::default();
        assert!(tally.to_string().starts_with("sent 0 samples of 0 B each"));
        tally.sent(&sample, 400, None);
        tally.sent(&sample, 100, Some(3));
        tally.sent(&sample, 100, Some(1));
        tally.skipped();
        let line = "sent 3 samples of 200 B each, 1 of them keyframes; skipped 1; \
                    2 of 4 values (50 %) changed from sample to sample";
        assert_eq!(tally.to_string(), line);
    }
}
