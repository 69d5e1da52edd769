//! Rates of counters that may be reset at any time.

use std::time::Duration;

/// Turns a growing count into a rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    last: Option<(Duration, u64)>,
}

impl Rate {
    /// How much it grew per second since it was last told. Nothing the first time, when no time has passed, and
    /// when the count shrank: it was reset, and what it counted since is anybody's guess.
    pub(super) fn per_second(&mut self, count: u64, at: Duration) -> Option<f64> {
        let (before, last) = self.last.replace((at, count))?;
        let seconds = at.checked_sub(before)?.as_secs_f64();
        let grown = count.checked_sub(last)?;
        (seconds > 0.0).then(|| grown as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reset_is_no_rate_at_all() {
        let mut rate = Rate::default();
        let mut at = |seconds, count| rate.per_second(count, Duration::from_secs(seconds));
        assert_eq!(at(10, 1000), None);
        assert_eq!(at(12, 3000), Some(1000.0));
        assert_eq!(at(13, 5), None, "reset");
        assert_eq!(at(14, 105), Some(100.0));
        assert_eq!(at(14, 200), None, "no time has passed");
        assert_eq!(at(13, 300), None, "time ran backwards");
    }

    proptest! {
        #[test]
        fn no_rate_is_negative_or_more_than_was_counted(told in prop::collection::vec((0u64..1000, any::<u64>()), 2..20)) {
            let (mut rate, mut at, mut last) = (Rate::default(), Duration::ZERO, 0);
            for (millis, count) in told {
                at += Duration::from_millis(millis);
                if let Some(value) = rate.per_second(count, at) {
                    // Divided as the rate is: multiplied back, it may come out larger by a rounding.
                    prop_assert!(value >= 0.0 && value <= (count - last) as f64 / 0.001, "{value}");
                }
                last = count;
            }
        }
    }
}
