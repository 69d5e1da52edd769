//! Counters that only grow, as rates; and when something is due.

use std::time::{Duration, Instant};

use crate::model::Time;

/// A counter that was read before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    last: Option<(Instant, u64)>,
}

impl Counter {
    /// How much the counter has grown per second since it was last read. Nothing the first time, when it was reset in
    /// between, and when it grew by more than `most` a second, which it can only do by being set.
    pub(super) fn rate(&mut self, at: Instant, value: u64, most: f64) -> Option<f64> {
        let (then, before) = self.last.replace((at, value))?;
        let rate = value.checked_sub(before)? as f64 / at.saturating_duration_since(then).as_secs_f64();
        (rate.is_finite() && rate <= most).then_some(rate)
    }
}

/// When something was last done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    last: Option<Time>,
}

impl Due {
    /// Whether a period has passed, or the clock was set back.
    pub(super) fn is(self, now: Time, period: Duration) -> bool {
        self.last.is_none_or(|last| now < last || now.since(last) >= period)
    }

    /// It is done now.
    pub(super) fn done(&mut self, now: Time) {
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_yields_no_rate() {
        let begin = Instant::now();
        let mut counter = Counter::default();
        let mut read = |second, value| counter.rate(begin + Duration::from_secs(second), value, 1e6);
        assert_eq!(read(0, 1000), None, "one value is no rate");
        assert_eq!(read(2, 5000), Some(2000.0));
        assert_eq!(read(3, 10), None, "a reset is not negative");
        assert_eq!(read(4, 60), Some(50.0));
        assert_eq!(read(5, 9_000_000), None, "nothing is that fast");
        assert_eq!(read(5, 9_000_050), None, "no time has passed");
        assert_eq!(read(6, 9_000_050), Some(0.0));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let (now, period) = (Time::from_millis(1_000_000), Duration::from_secs(5));
        let mut due = Due::default();
        assert!(due.is(now, period));
        due.done(now);
        assert!(!due.is(now + Duration::from_secs(4), period));
        assert!(due.is(now + Duration::from_secs(5), period));
        assert!(due.is(now - Duration::from_hours(1), period));
    }
}
