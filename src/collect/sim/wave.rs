//! A periodic curve that knows its own integral, so that power, its mean over any span, and energy agree exactly.
//! It is linear between 256 knots; the integral to any time is found without a sum over the past.

/// Knots in a period.
pub(super) const KNOTS: usize = 256;

/// One period of a curve.
pub(super) struct Wave {
    level: [f32; KNOTS + 1],
    sum: [f64; KNOTS + 1],
}

impl Wave {
    /// The curve through these knots.
    pub(super) fn new(mut knot: impl FnMut(usize) -> f64) -> Self {
        let mut level = [0.0; KNOTS + 1];
        for (i, cell) in level.iter_mut().take(KNOTS).enumerate() {
            *cell = knot(i) as f32;
        }
        level[KNOTS] = level[0];
        let mut sum = [0.0; KNOTS + 1];
        for i in 0..KNOTS {
            sum[i + 1] = sum[i] + f64::midpoint(f64::from(level[i]), f64::from(level[i + 1]));
        }
        Wave { level, sum }
    }

    /// The curve through these knots, moved so that its mean is zero.
    pub(super) fn centred(knot: impl FnMut(usize) -> f64) -> Self {
        let wave = Wave::new(knot);
        let mean = wave.sum[KNOTS] / KNOTS as f64;
        Wave::new(|i| f64::from(wave.level[i]) - mean)
    }

    /// The area under the curve, in periods, from phase 0 to `turns` periods later. `turns` is not negative.
    pub(super) fn area(&self, turns: f64) -> f64 {
        let whole = turns as u64 as f64;
        let x = (turns - whole) * KNOTS as f64;
        // A fraction that rounds up to 1 would be the knot after the last.
        let i = (x as usize).min(KNOTS - 1);
        let (f, low, high) = (x - i as f64, f64::from(self.level[i]), f64::from(self.level[i + 1]));
        (whole * self.sum[KNOTS] + self.sum[i] + f * (low + 0.5 * f * (high - low))) / KNOTS as f64
    }
}

/// How fast a curve runs, and where in its period it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Turn {
    /// Seconds in a period.
    pub(super) period: f64,
    /// Part of a period that has passed at second 0.
    pub(super) phase: f64,
}

impl Turn {
    /// The area under `wave` over the first `seconds`, in seconds.
    pub(super) fn area(self, wave: &Wave, seconds: f64) -> f64 {
        (wave.area(self.phase + seconds / self.period) - wave.area(self.phase)) * self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_the_integral_of_the_curve() {
        let wave = Wave::new(|i| (i as f64 * 0.7).sin() + 1.2);
        let turn = Turn { period: 60.0, phase: 0.3 };
        let (step, mut sum) = (0.001, 0.0);
        for n in 0..150_000 {
            let at = turn.phase + (f64::from(n) + 0.5) * step / turn.period;
            let x = at.fract() * KNOTS as f64;
            let (low, high) = (f64::from(wave.level[x as usize]), f64::from(wave.level[x as usize + 1]));
            sum += step * (low + x.fract() * (high - low));
        }
        assert!((turn.area(&wave, 150.0) - sum).abs() < 0.01, "{} {sum}", turn.area(&wave, 150.0));
    }

    #[test]
    fn a_centred_curve_adds_nothing_over_a_period() {
        let wave = Wave::centred(|i| (i % 7) as f64);
        assert!(wave.area(3.0).abs() < 1e-4, "{}", wave.area(3.0));
        assert!(wave.area(3.1).abs() > 1e-4);
    }
}
