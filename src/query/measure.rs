//! What numbers measure, through arithmetic: watts times seconds are joules, watts plus degrees are an error.
//! Hundredths join in as what they are: half of 700 W is 350 W.

use crate::model::{
    syntax::{Comparison, Operation},
    unit::Unit,
};

/// What a number measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// A bare literal: in the unit of whatever it meets.
    Bare,
    /// A quotient of equals.
    Ratio,
    /// Hundredths.
    Percent,
    /// A quantity.
    Of(Dimension),
}

/// Powers of the base units: bytes, joules, seconds, degrees, megahertz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dimension([i8; 5]);

impl Dimension {
    fn of(unit: Unit) -> Dimension {
        Dimension(match unit {
            Unit::One | Unit::Percent => [0; 5],
            Unit::Bytes => [1, 0, 0, 0, 0],
            Unit::BytesPerSecond => [1, 0, -1, 0, 0],
            Unit::Joules => [0, 1, 0, 0, 0],
            Unit::Watts => [0, 1, -1, 0, 0],
            Unit::Seconds => [0, 0, 1, 0, 0],
            Unit::Celsius => [0, 0, 0, 1, 0],
            Unit::Megahertz => [0, 0, 0, 0, 1],
        })
    }

    fn combine(self, other: Dimension, sign: i8) -> Dimension {
        let mut powers = self.0;
        for (power, other) in powers.iter_mut().zip(other.0) {
            *power = power.saturating_add(other.saturating_mul(sign));
        }
        Dimension(powers)
    }
}

impl Measure {
    /// That of a number in `unit`.
    pub(super) fn of(unit: Unit) -> Measure {
        if unit == Unit::Percent { Measure::Percent } else { Measure::Of(Dimension::of(unit)) }
    }

    /// The unit that a column of it is printed in.
    pub(super) fn unit(self) -> Unit {
        match self {
            Measure::Bare | Measure::Ratio => Unit::One,
            Measure::Percent => Unit::Percent,
            Measure::Of(dimension) => {
                Unit::ALL.into_iter().find(|unit| Dimension::of(*unit) == dimension).unwrap_or(Unit::One)
            }
        }
    }

    /// In words, for complaints.
    pub(super) fn words(self) -> String {
        let named = |dimension| Unit::ALL.into_iter().find(|unit| Dimension::of(*unit) == dimension);
        let word = match self {
            Measure::Bare => "a bare number",
            Measure::Ratio => "a ratio",
            Measure::Percent => "a share in %",
            Measure::Of(dimension) => match named(dimension) {
                Some(Unit::One | Unit::Percent) => "a count",
                Some(unit) => return format!("in {}", unit.symbol()),
                None => "in a unit without a name",
            },
        };
        word.into()
    }

    /// Change of it per second.
    pub(super) fn per_second(self) -> Measure {
        match self {
            Measure::Bare => Measure::Bare,
            other => other.divided(Measure::of(Unit::Seconds)).measure,
        }
    }

    fn dimension(self) -> Dimension {
        if let Measure::Of(dimension) = self { dimension } else { Dimension::default() }
    }

    fn product(self, other: Measure) -> Scaled {
        let measure = |measure, scale| Scaled { measure, scale };
        match (self, other) {
            (Measure::Bare, it) | (it, Measure::Bare) => measure(it, 1.0),
            (Measure::Percent, Measure::Ratio) | (Measure::Ratio, Measure::Percent) => measure(Measure::Percent, 1.0),
            (Measure::Percent, it) | (it, Measure::Percent) => measure(it, 0.01),
            (a, b) => measure(Measure::Of(a.dimension().combine(b.dimension(), 1)), 1.0),
        }
    }

    fn divided(self, other: Measure) -> Scaled {
        let (scale, over) = match (self, other) {
            (it, Measure::Bare) => return Scaled { measure: it, scale: 1.0 },
            (Measure::Percent, Measure::Percent) => (1.0, Dimension::default()),
            (Measure::Percent, Measure::Ratio) => return Scaled { measure: Measure::Percent, scale: 1.0 },
            (it, Measure::Percent) => return Scaled { measure: it, scale: 100.0 },
            (Measure::Percent, it) => (0.01, it.dimension()),
            (_, it) => (1.0, it.dimension()),
        };
        let dimension = self.dimension().combine(over, -1);
        let measure = if dimension == Dimension::default() { Measure::Ratio } else { Measure::Of(dimension) };
        Scaled { measure, scale }
    }
}

/// What an operation's result measures, and what it must be multiplied by to be in that measure's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scaled {
    pub(super) measure: Measure,
    pub(super) scale: f64,
}

/// The result of `a operation b`, or nothing where the two don't fit.
pub(super) fn arithmetic(a: Measure, operation: Operation, b: Measure) -> Option<Scaled> {
    match operation {
        Operation::Multiply => Some(a.product(b)),
        Operation::Divide => Some(a.divided(b)),
        Operation::Add | Operation::Subtract => match (a, b) {
            (Measure::Bare, it) | (it, Measure::Bare) => Some(Scaled { measure: it, scale: 1.0 }),
            _ => (a == b).then_some(Scaled { measure: a, scale: 1.0 }),
        },
    }
}

/// What both sides must be multiplied by to be compared, or nothing where they don't fit.
pub(super) fn comparable(a: Measure, b: Measure) -> Option<(f64, f64)> {
    let one = Measure::of(Unit::One);
    match (a, b) {
        (Measure::Percent, Measure::Ratio) => Some((0.01, 1.0)),
        (Measure::Ratio, Measure::Percent) => Some((1.0, 0.01)),
        (Measure::Bare, _) | (_, Measure::Bare) => Some((1.0, 1.0)),
        (Measure::Ratio, it) | (it, Measure::Ratio) if it == one => Some((1.0, 1.0)),
        _ => (a == b).then_some((1.0, 1.0)),
    }
}

/// The comparison with its sides swapped.
pub(super) fn flipped(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same @ (Comparison::Equal | Comparison::NotEqual) => same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_follow_arithmetic() {
        use Operation::{Add, Divide, Multiply, Subtract};
        let of = Measure::of;
        let check = |a, operation, b, expected: Option<(Measure, f64)>| {
            assert_eq!(arithmetic(a, operation, b).map(|s| (s.measure, s.scale)), expected, "{a:?} {operation} {b:?}");
        };
        check(of(Unit::Watts), Multiply, of(Unit::Seconds), Some((of(Unit::Joules), 1.0)));
        check(of(Unit::Bytes), Divide, of(Unit::Seconds), Some((of(Unit::BytesPerSecond), 1.0)));
        check(of(Unit::Watts), Divide, of(Unit::Watts), Some((Measure::Ratio, 1.0)));
        check(of(Unit::Watts), Add, of(Unit::Celsius), None);
        check(of(Unit::Watts), Subtract, Measure::Bare, Some((of(Unit::Watts), 1.0)));
        check(Measure::Percent, Multiply, of(Unit::Watts), Some((of(Unit::Watts), 0.01)));
        check(Measure::Percent, Multiply, Measure::Bare, Some((Measure::Percent, 1.0)));
        check(of(Unit::Watts), Divide, Measure::Percent, Some((of(Unit::Watts), 100.0)));
        check(Measure::Percent, Divide, Measure::Percent, Some((Measure::Ratio, 1.0)));
        assert_eq!(of(Unit::Joules).per_second(), of(Unit::Watts));
    }

    #[test]
    fn only_alike_compares() {
        let of = Measure::of;
        assert_eq!(comparable(of(Unit::Watts), of(Unit::Celsius)), None);
        assert_eq!(comparable(Measure::Ratio, Measure::Percent), Some((1.0, 0.01)));
        assert_eq!(comparable(of(Unit::One), Measure::Percent), None, "5 % of processes are no count");
        assert_eq!(comparable(of(Unit::Watts), Measure::Bare), Some((1.0, 1.0)));
    }
}
