//! Bytes in the order in which they were written, up to a budget: the newest push the oldest out.
//! Kept in segments that are used again, so that a full log neither allocates nor fragments.

use std::{collections::VecDeque, num::NonZeroU32};

use crate::model::time::Time;

/// Where something was written. Reading it gives nothing once it was pushed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Segments count from 1 on, and are never numbered anew.
    pub(super) segment: NonZeroU32,
    pub(super) offset: u32,
}

/// The log. Segments count from `first` on.
#[derive(Debug)]
pub(super) struct Log {
    segments: VecDeque<Segment>,
    first: NonZeroU32,
    /// Bytes of a segment, which nothing that is written may exceed.
    segment: usize,
    most: usize,
    /// For composing what is to be written, so that writing allocates nothing.
    pub(super) scratch: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    since: Time,
    bytes: Vec<u8>,
}

impl Log {
    /// Fewer segments than this would forget everything whenever a new one begins.
    const LEAST: usize = 2;

    /// An empty log that holds two segments of so many bytes.
    pub(super) fn new(segment: usize) -> Self {
        let first = NonZeroU32::MIN;
        Log { segments: VecDeque::new(), first, segment, most: Self::LEAST, scratch: Vec::new() }
    }

    /// Holds at most so many bytes from now on, but no less than two segments.
    pub(super) fn limit(&mut self, bytes: u64) {
        self.most = usize::try_from(bytes).unwrap_or(usize::MAX) / self.segment;
        self.most = self.most.max(Self::LEAST);
        while self.segments.len() > self.most {
            self.retire();
        }
    }

    /// Writes something that begins at `since`. Nothing when it is larger than a segment.
    pub(super) fn append(&mut self, bytes: &[u8], since: Time) -> Option<Spot> {
        if bytes.len() > self.segment {
            return None;
        }
        if self.segments.back().is_none_or(|last| last.bytes.len() + bytes.len() > self.segment) {
            self.begin(since);
        }
        let number = self.first.saturating_add(self.segments.len() as u32 - 1);
        let last = self.segments.back_mut()?;
        let spot = Spot { segment: number, offset: last.bytes.len() as u32 };
        last.bytes.extend_from_slice(bytes);
        last.since = last.since.min(since);
        Some(spot)
    }

    /// What was written at `spot`, and whatever follows it in its segment. Nothing when it was pushed out.
    pub(super) fn get(&self, spot: Spot) -> Option<&[u8]> {
        let at = spot.segment.get().checked_sub(self.first.get())?;
        self.segments.get(at as usize)?.bytes.get(spot.offset as usize..)
    }

    /// The beginning of the oldest that is held, once something was pushed out.
    pub(super) fn since(&self) -> Option<Time> {
        self.segments.front().filter(|_| self.first > NonZeroU32::MIN).map(|segment| segment.since)
    }

    /// Lets go of what lies wholly before `time`.
    pub(super) fn trim(&mut self, time: Time) {
        while self.segments.len() > Self::LEAST && self.segments[1].since < time {
            self.retire();
        }
    }

    /// Bytes that the segments take.
    pub(super) fn bytes(&self) -> usize {
        self.segments.len() * self.segment
    }

    /// Bytes that were written and are held.
    pub(super) fn filled(&self) -> usize {
        self.segments.iter().map(|segment| segment.bytes.len()).sum()
    }

    /// Bytes that the segments take at most.
    pub(super) fn most(&self) -> usize {
        self.most * self.segment
    }

    fn begin(&mut self, since: Time) {
        let mut bytes = None;
        while self.segments.len() >= self.most {
            bytes = self.retire();
        }
        let mut bytes = bytes.unwrap_or_else(|| Vec::with_capacity(self.segment));
        bytes.clear();
        self.segments.push_back(Segment { since, bytes });
    }

    fn retire(&mut self) -> Option<Vec<u8>> {
        let oldest = self.segments.pop_front()?;
        self.first = self.first.saturating_add(1);
        Some(oldest.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn the_newest_push_the_oldest_out() {
        let mut log = Log::new(100);
        log.limit(300);
        let spots: Vec<_> = (0..100_u8).map(|n| log.append(&[n; 30], at(i64::from(n))).unwrap()).collect();
        assert_eq!(log.bytes(), 300);
        let held: Vec<_> = spots.iter().filter_map(|spot| log.get(*spot)).map(|bytes| bytes[0]).collect();
        assert_eq!(held, (93..100).collect::<Vec<u8>>());
        assert_eq!(log.since(), Some(at(93)));
    }

    #[test]
    fn a_smaller_limit_forgets_at_once() {
        let mut log = Log::new(10);
        log.limit(100);
        let spots: Vec<_> = (0..10_u8).map(|n| log.append(&[n; 10], at(i64::from(n))).unwrap()).collect();
        assert_eq!(log.since(), None, "nothing was pushed out so far");
        log.limit(30);
        assert_eq!(spots.iter().filter(|spot| log.get(**spot).is_some()).count(), 3);
        log.trim(at(9));
        assert_eq!(spots.iter().filter(|spot| log.get(**spot).is_some()).count(), 2);
        assert_eq!(log.append(&[0; 11], at(0)), None, "larger than a segment");
    }
}
