//! A metric's value as it is stored and sent: a count of quanta, or a named reason why there is none.
//! Unknown is never 0: every way of having no value is a value of its own.

use std::fmt;

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gap {
    /// Nobody said, or what was said is too old to be believed.
    Unknown,
    /// The hardware or driver has no such metric.
    Unsupported,
    /// Reading it went wrong; the node's faults say why.
    Failed,
    /// A known absence: no XID yet, no job.
    Absent,
    /// The counter stands at its maximum and tells nothing any more.
    Saturated,
}

impl Gap {
    /// The word that screens and JSON evidence use.
    pub const fn word(self) -> &'static str {
        match self {
            Gap::Unknown => "unknown",
            Gap::Unsupported => "unsupported",
            Gap::Failed => "failed",
            Gap::Absent => "none",
            Gap::Saturated => "saturated",
        }
    }
}

/// One stored value: the metric's quantity divided by its quantum, rounded; or a [`Gap`].
///
/// Gaps take the lowest five values of an `i32`, so that a column of `Raw` is a column of `i32`
/// and a change on the wire is a difference of two of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Raw(i32);

impl Raw {
    /// See [`Gap::Unknown`].
    pub const UNKNOWN: Raw = Raw(i32::MIN);
    /// See [`Gap::Unsupported`].
    pub const UNSUPPORTED: Raw = Raw(i32::MIN + 1);
    /// See [`Gap::Failed`].
    pub const FAILED: Raw = Raw(i32::MIN + 2);
    /// See [`Gap::Absent`].
    pub const ABSENT: Raw = Raw(i32::MIN + 3);
    /// See [`Gap::Saturated`].
    pub const SATURATED: Raw = Raw(i32::MIN + 4);
    /// The lowest count of quanta that is a number.
    pub const MIN: i32 = i32::MIN + 16;

    /// `quantity` in steps of `quantum`, clamped to what fits. Not a number is unknown.
    pub fn new(quantity: f64, quantum: f64) -> Raw {
        let steps = (quantity / quantum).round();
        if steps.is_nan() {
            return Raw::UNKNOWN;
        }
        // `as` saturates, so only the lower end needs a guard against the gaps.
        Raw((steps as i32).max(Raw::MIN))
    }

    /// The stored integer, gaps included: what the wire takes differences of.
    pub const fn bits(self) -> i32 {
        self.0
    }

    /// The value with these stored bits.
    pub const fn from_bits(bits: i32) -> Raw {
        Raw(bits)
    }

    /// The count of quanta, or nothing for a gap.
    pub const fn steps(self) -> Option<i32> {
        if self.0 >= Raw::MIN { Some(self.0) } else { None }
    }

    /// The quantity in the metric's unit, or nothing for a gap.
    pub fn value(self, quantum: f64) -> Option<f64> {
        self.steps().map(|steps| f64::from(steps) * quantum)
    }

    /// Why there is no number; nothing when there is one.
    pub const fn gap(self) -> Option<Gap> {
        if self.0 >= Raw::MIN {
            return None;
        }
        Some(match self {
            Raw::UNSUPPORTED => Gap::Unsupported,
            Raw::FAILED => Gap::Failed,
            Raw::ABSENT => Gap::Absent,
            Raw::SATURATED => Gap::Saturated,
            _ => Gap::Unknown,
        })
    }
}

impl Default for Raw {
    fn default() -> Self {
        Raw::UNKNOWN
    }
}

impl From<Gap> for Raw {
    fn from(gap: Gap) -> Raw {
        match gap {
            Gap::Unknown => Raw::UNKNOWN,
            Gap::Unsupported => Raw::UNSUPPORTED,
            Gap::Failed => Raw::FAILED,
            Gap::Absent => Raw::ABSENT,
            Gap::Saturated => Raw::SATURATED,
        }
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gap() {
            Some(gap) => f.write_str(gap.word()),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_quantum_and_clamps() {
        let check = |quantity, quantum, expected| {
            assert_eq!(Raw::new(quantity, quantum).steps(), expected, "{quantity} / {quantum}");
        };
        check(49.6, 1.0, Some(50));
        check(3.0e6, 1048576.0, Some(3));
        check(1e300, 1.0, Some(i32::MAX));
        check(-1e300, 1.0, Some(Raw::MIN));
        check(f64::NAN, 1.0, None);
    }

    #[test]
    fn every_gap_survives_and_is_no_number() {
        for gap in [Gap::Unknown, Gap::Unsupported, Gap::Failed, Gap::Absent, Gap::Saturated] {
            let raw = Raw::from(gap);
            assert_eq!(raw.gap(), Some(gap));
            assert_eq!(raw.value(1.0), None);
            assert_eq!(Raw::from_bits(raw.bits()), raw);
        }
        assert_eq!(Raw::new(0.0, 1.0).gap(), None, "zero is a number");
    }

    #[test]
    fn bits_that_nobody_defined_are_unknown() {
        assert_eq!(Raw::from_bits(i32::MIN + 9).gap(), Some(Gap::Unknown));
    }
}
