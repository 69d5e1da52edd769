//! The time that rates and deadlines are counted by: it never jumps, whatever is done to the clock on the wall.
//! Tests turn it by hand.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Time since some moment in the past. It only grows.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// The kernel's monotonic clock.
    pub(crate) fn monotonic() -> Clock {
        let start = Instant::now();
        Clock(Arc::new(move || start.elapsed()))
    }

    /// The time now.
    pub(crate) fn now(&self) -> Duration {
        (self.0)()
    }

    /// A clock that stands still, and the hand that moves it.
    #[cfg(test)]
    pub(crate) fn by_hand() -> (Clock, Hand) {
        let hand = Hand(Arc::default());
        let millis = hand.0.clone();
        (Clock(Arc::new(move || Duration::from_millis(millis.load(std::sync::atomic::Ordering::SeqCst)))), hand)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// Moves a clock that tests turn by hand.
#[cfg(test)]
pub(crate) struct Hand(Arc<std::sync::atomic::AtomicU64>);

#[cfg(test)]
impl Hand {
    /// Moves it on.
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, std::sync::atomic::Ordering::SeqCst);
    }
}
