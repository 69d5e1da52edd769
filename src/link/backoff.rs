//! How long to wait before the next attempt: longer each time, and never in step with others.

use std::time::Duration;

/// Waiting times from 200 ms to 15 s. Each lies between half its step and the whole of it, by chance.
#[derive(Clone, Debug)]
pub struct Backoff {
    step: Duration,
    state: u64,
}

impl Backoff {
    /// The first step.
    pub const FIRST: Duration = Duration::from_millis(200);
    /// The longest step.
    pub const LONGEST: Duration = Duration::from_secs(15);

    /// Waiting times that follow from `seed`: a hash of the node's name, so that nodes differ.
    pub fn new(seed: u64) -> Backoff {
        Backoff { step: Self::FIRST, state: seed }
    }

    /// How long to wait now.
    pub fn wait(&mut self) -> Duration {
        let step = self.step;
        self.step = (step * 2).min(Self::LONGEST);
        let half = step / 2;
        half + half.mul_f64(self.chance())
    }

    /// The last attempt went well: the next wait is short again.
    pub fn reset(&mut self) {
        self.step = Self::FIRST;
    }

    /// From 0 to 1, by the splitmix64 generator.
    fn chance(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_begin_again() {
        let mut backoff = Backoff::new(7);
        let mut step = Backoff::FIRST;
        for _ in 0..20 {
            let wait = backoff.wait();
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
            step = (step * 2).min(Backoff::LONGEST);
        }
        assert_eq!(step, Backoff::LONGEST);
        backoff.reset();
        assert!(backoff.wait() <= Backoff::FIRST);
    }

    #[test]
    fn seeds_keep_nodes_apart() {
        let mut first: Vec<_> = (0..1000).map(|seed| Backoff::new(seed).wait()).collect();
        first.sort();
        let third = |from: usize| first[from..from + 100].last().unwrap().as_millis();
        assert!(third(0) < 115 && third(900) > 185, "spread over the whole step: {} to {}", third(0), third(900));
        assert_eq!(Backoff::new(3).wait(), Backoff::new(3).wait());
    }
}
