//! Where the parts of the host collector write what they read: values, gaps, and the reasons of those that failed.
//! A reason stands from round to round until the metric is read again.

use std::{collections::BTreeMap, time::Instant};

use super::source::ReadError;
use crate::{
    collect::Findings,
    model::{Gap, MetricId, Scope, report::Fault},
};

/// The findings of this round, and the faults that stand.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// What goes out at the end of the round; parts write to it what is no reading.
    pub(super) findings: Findings,
    faults: BTreeMap<(MetricId, usize), String>,
    changed: bool,
}

impl Ledger {
    /// Writes a value down, or why there is none. An error leaves the gap that it says, and a failure its reason.
    pub(super) fn put<V: Into<Value>>(&mut self, metric: MetricId, slot: usize, value: Result<V, ReadError>) {
        match value.map(Into::into) {
            Ok(Value::Number(number)) => self.findings.read(metric, slot, number),
            Ok(Value::Gap(gap)) => self.findings.gap(metric, slot, gap),
            Err(error) => {
                self.findings.gap(metric, slot, error.gap());
                if error.gap() == Gap::Failed {
                    return self.blame(metric, slot, error.to_string());
                }
            }
        }
        self.changed |= self.faults.remove(&(metric, slot)).is_some();
    }

    /// Writes a value down that cannot fail.
    pub(super) fn set(&mut self, metric: MetricId, slot: usize, value: impl Into<Value>) {
        self.put(metric, slot, Ok::<Value, ReadError>(value.into()));
    }

    /// Writes down that `metric` failed, and why.
    pub(super) fn fail(&mut self, metric: MetricId, slot: usize, reason: String) {
        self.findings.gap(metric, slot, Gap::Failed);
        self.blame(metric, slot, reason);
    }

    /// Drops what stands of a scope whose slots now mean other things.
    pub(super) fn forget(&mut self, scope: Scope) {
        let before = self.faults.len();
        self.faults.retain(|(metric, _), _| metric.scope != scope);
        self.findings.readings.retain(|reading| reading.metric.scope != scope);
        self.changed |= self.faults.len() != before;
    }

    /// Notes how long a part took, when it ran.
    pub(super) fn cost(&mut self, part: &'static str, ran: bool, began: Instant) {
        if ran {
            self.findings.costs.push((part, began.elapsed()));
        }
    }

    /// The round's findings. The next round begins.
    pub(super) fn take(&mut self) -> Findings {
        let mut findings = std::mem::take(&mut self.findings);
        self.findings.readings.reserve(findings.readings.len());
        if std::mem::take(&mut self.changed) {
            let fault = |((metric, _), reason): (&(MetricId, usize), &String)| Fault {
                gpu: None,
                metric: metric.builtin().map_or_else(String::new, |m| m.key.to_string()),
                reason: reason.clone(),
            };
            findings.faults = Some(self.faults.iter().map(fault).collect());
        }
        findings
    }

    fn blame(&mut self, metric: MetricId, slot: usize, reason: String) {
        let before = self.faults.insert((metric, slot), reason);
        self.changed |= before.as_ref() != self.faults.get(&(metric, slot));
    }
}

/// A number, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Gap(Gap),
}

impl Value {
    /// The sum of several; what one of them lacks, the sum lacks. Things that have no such metric do not count, and
    /// when there are no others, neither has the sum.
    pub(super) fn sum(values: impl IntoIterator<Item = Value>) -> Value {
        let mut sum = Value::Gap(Gap::Unsupported);
        for value in values {
            sum = match (sum, value) {
                (sum, Value::Gap(Gap::Unsupported)) => sum,
                (Value::Gap(Gap::Unsupported), value) => value,
                (Value::Number(a), Value::Number(b)) => Value::Number(a + b),
                (gap @ Value::Gap(_), _) | (_, gap) => gap,
            };
        }
        sum
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Number(number)
    }
}

impl From<Gap> for Value {
    fn from(gap: Gap) -> Value {
        Value::Gap(gap)
    }
}

/// Nothing is unknown.
impl From<Option<f64>> for Value {
    fn from(number: Option<f64>) -> Value {
        number.map_or(Value::Gap(Gap::Unknown), Value::Number)
    }
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use super::*;
    use crate::model::{Raw, metric::node};

    fn error(kind: io::ErrorKind) -> Result<f64, ReadError> {
        Err(ReadError::Io { path: PathBuf::from("/proc/loadavg"), error: kind.into() })
    }

    #[test]
    fn a_reason_stands_until_the_metric_is_read_again() {
        let mut ledger = Ledger::default();
        ledger.put(node::LOAD1, 0, error(io::ErrorKind::PermissionDenied));
        let first = ledger.take();
        assert_eq!(first.readings[0].raw, Raw::FAILED);
        let faults = first.faults.expect("they changed");
        assert_eq!((&*faults[0].metric, &*faults[0].reason), ("node.load1", "/proc/loadavg: permission denied"));
        ledger.put(node::LOAD1, 0, error(io::ErrorKind::PermissionDenied));
        assert_eq!(ledger.take().faults, None, "the same ones stand");
        ledger.set(node::LOAD1, 0, 1.0);
        assert_eq!(ledger.take().faults, Some(Vec::new()));
    }

    #[test]
    fn a_sum_lacks_what_one_of_its_parts_lacks() {
        let (number, gap) = (Value::Number, Value::Gap);
        let check = |values: &[Value], expected| assert_eq!(Value::sum(values.iter().copied()), expected, "{values:?}");
        check(&[], gap(Gap::Unsupported));
        check(&[number(1.0), number(2.0)], number(3.0));
        check(&[gap(Gap::Unsupported), number(2.0)], number(2.0));
        check(&[number(1.0), gap(Gap::Saturated), number(2.0)], gap(Gap::Saturated));
        check(&[number(1.0), gap(Gap::Unknown)], gap(Gap::Unknown));
    }
}
