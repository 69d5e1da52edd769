//! Chance that can be asked again: every draw is a function of a seed and of what it is for.
//! Nothing here keeps a state between samples, so any node can be asked for any time.

/// Mixes all bits of `x` (the finaliser of splitmix64).
pub(super) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A key of its own for each pair.
pub(super) const fn key(of: u64, what: u64) -> u64 {
    mix(of ^ mix(what))
}

/// A row of draws that follows from one key.
pub(super) struct Dice(u64);

impl Dice {
    /// The row of draws of this key.
    pub(super) const fn new(key: u64) -> Self {
        Dice(key)
    }

    /// 64 even bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// At least 0, below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// At least `low`, below `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Below `n`; 0 for an `n` of 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        // The bias of the remainder is far below anything that a simulated fleet could show.
        self.bits().checked_rem(n).unwrap_or(0)
    }
}

/// Small independent wobbles between -1 and 1, six to a word.
#[derive(Clone, Copy)]
pub(super) struct Jitter<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Jitter<WORDS> {
    /// The wobbles of this key.
    pub(super) fn new(key: u64) -> Self {
        let (mut dice, mut words) = (Dice::new(key), [0; WORDS]);
        for word in &mut words {
            *word = dice.bits();
        }
        Jitter(words)
    }

    /// The wobble number `i`, below six times `WORDS`.
    pub(super) fn get(&self, i: usize) -> f64 {
        let field = (self.0[i / 6] >> (10 * (i % 6))) & 1023;
        field as f64 / 511.5 - 1.0
    }
}

impl<const WORDS: usize> Default for Jitter<WORDS> {
    fn default() -> Self {
        Jitter([0; WORDS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_stay_in_their_bounds() {
        let mut dice = Dice::new(key(7, 7));
        let mean =
            (0..10_000).map(|_| dice.between(2.0, 4.0)).inspect(|x| assert!((2.0..4.0).contains(x))).sum::<f64>()
                / 10_000.0;
        assert!((mean - 3.0).abs() < 0.05, "{mean}");
        assert!((0..1000).all(|_| dice.below(3) < 3));
        assert_eq!(dice.below(0), 0);
    }

    #[test]
    fn wobbles_of_one_key_differ_and_are_centred() {
        let all: Vec<f64> = (0..500)
            .flat_map(|k| {
                let jitter = Jitter::<2>::new(k);
                (0..12).map(move |i| jitter.get(i))
            })
            .collect();
        assert!(all.iter().all(|x| (-1.0..=1.0).contains(x)));
        assert!((all.iter().sum::<f64>() / all.len() as f64).abs() < 0.05);
        assert!(all.windows(2).filter(|w| (w[0] - w[1]).abs() < 1e-9).count() < 40);
    }
}
