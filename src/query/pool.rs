//! Many numbers become one.

use crate::model::{
    metric::Aggregate,
    raw::{Gap, Raw},
};

use super::{evaluate::median, peers::spread, value::Number};

/// Several numbers on their way to be one. What is not known is left out.
pub(super) struct Pool {
    fold: Aggregate,
    value: f64,
    known: u32,
    /// The gaps' reason, while they all have the same.
    gap: Option<Gap>,
    /// All values, where it takes every one to tell.
    all: Vec<f64>,
}

impl Pool {
    pub(super) fn new(fold: Aggregate) -> Pool {
        Pool { fold, value: 0.0, known: 0, gap: None, all: Vec::new() }
    }

    pub(super) fn add(&mut self, number: Number) {
        match number {
            Ok(value) if matches!(self.fold, Aggregate::Median | Aggregate::Mad) => {
                self.known += 1;
                self.all.push(value);
            }
            Ok(value) if self.known == 0 => {
                (self.value, self.known) = (value, 1);
            }
            Ok(value) => {
                self.known += 1;
                self.value = match self.fold {
                    Aggregate::Sum | Aggregate::Mean => self.value + value,
                    Aggregate::Max => self.value.max(value),
                    Aggregate::Min => self.value.min(value),
                    Aggregate::Union => f64::from(self.value as u32 | value as u32),
                    // These have all values.
                    Aggregate::Median | Aggregate::Mad => self.value,
                };
            }
            Err(gap) => {
                let same = self.gap.is_none_or(|before| before == gap);
                self.gap = Some(if same { gap } else { Gap::Unknown });
            }
        }
    }

    /// Adds stored values: what [`Pool::add`] does to each, with whole numbers, and no branch for gaps.
    pub(super) fn add_all(&mut self, cells: &[Raw], quantum: f64) {
        if matches!(self.fold, Aggregate::Median | Aggregate::Mad) {
            let number = |cell: &Raw| cell.value(quantum).ok_or(cell.gap().unwrap_or(Gap::Unknown));
            return cells.iter().for_each(|cell| self.add(number(cell)));
        }
        let known = cells.iter().map(|cell| u32::from(cell.bits() >= Raw::MIN)).sum::<u32>();
        let steps = |gap: i32| cells.iter().map(move |cell| if cell.bits() >= Raw::MIN { cell.bits() } else { gap });
        if known > 0 {
            let value = match self.fold {
                Aggregate::Sum | Aggregate::Mean => steps(0).map(i64::from).sum::<i64>() as f64,
                Aggregate::Max => f64::from(steps(i32::MIN).fold(i32::MIN, i32::max)),
                Aggregate::Min => f64::from(steps(i32::MAX).fold(i32::MAX, i32::min)),
                Aggregate::Union => f64::from(steps(0).fold(0, |set, steps| set | steps as u32)),
                Aggregate::Median | Aggregate::Mad => 0.0,
            };
            self.add(Ok(value * quantum));
            self.known += known - 1;
        }
        if (known as usize) < cells.len() {
            cells.iter().filter_map(|cell| cell.gap()).for_each(|gap| self.add(Err(gap)));
        }
    }

    /// What they became; of nothing at all, that there is no such thing here.
    pub(super) fn number(&self) -> Number {
        match (self.known, self.fold) {
            (0, _) => Err(self.gap.unwrap_or(Gap::Unsupported)),
            (n, Aggregate::Mean) => Ok(self.value / f64::from(n)),
            (_, Aggregate::Median) => median(&mut self.all.clone()).ok_or(Gap::Unknown),
            (_, Aggregate::Mad) => spread(&mut self.all.clone()).map(|(_, distance)| distance).ok_or(Gap::Unknown),
            _ => Ok(self.value),
        }
    }
}
