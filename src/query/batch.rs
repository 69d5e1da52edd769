//! Evaluates conditions and numbers for a node's things at once: half a million GPUs are few nodes with the same
//! condition, and what is known of the node is looked up once for all of its GPUs.

use std::ops::Range;

use crate::{
    fleet::NodeId,
    model::{identity::Field, raw::Gap, syntax::Operation},
};

use super::{
    evaluate::{all, any, compare, compare_known, has_flags, is_absent, is_unknown},
    row::{Item, Row},
    snapshot::Snapshot,
    text::holds_part,
    value::{Condition, Num, Number, Reach, Text},
    view::Kind,
};

/// Things that are evaluated at once, at most.
pub(super) const LANES: usize = 16;

/// Things of one node, one slot after the other, at most [`LANES`] of them.
#[derive(Clone, Debug)]
pub(super) struct Run {
    kind: Kind,
    pub(super) node: NodeId,
    pub(super) slots: Range<u32>,
}

impl Run {
    /// So many things of a node, in runs.
    pub(super) fn lanes(kind: Kind, node: NodeId, slots: Range<u32>) -> impl Iterator<Item = Run> {
        let end = slots.end;
        slots.step_by(LANES).map(move |start| Run { kind, node, slots: start..end.min(start + LANES as u32) })
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'static>> {
        let (kind, node) = (self.kind, self.node);
        self.slots.clone().map(move |slot| Row::Item(kind, Item { node, slot }))
    }

    fn first(&self) -> Row<'static> {
        Row::Item(self.kind, Item { node: self.node, slot: self.slots.start })
    }
}

impl Num {
    /// The number of each thing of the run; `out` is as long as the run.
    pub(super) fn fill(&self, snapshot: &Snapshot<'_>, run: &Run, out: &mut [Number]) {
        match self {
            Num::Leaf(leaf) if leaf.reach == Reach::Own && snapshot.run(leaf, run, out).is_some() => {}
            Num::Arithmetic(left, operation, right) => {
                let mut others = [Err(Gap::Unknown); LANES];
                let others = &mut others[..out.len()];
                left.fill(snapshot, run, out);
                right.fill(snapshot, run, others);
                for (a, b) in out.iter_mut().zip(others) {
                    *a = operation.of(*a, *b);
                }
            }
            _ if self.is_of_node() => out.fill(self.number(snapshot, run.first())),
            _ => out.iter_mut().zip(run.rows()).for_each(|(out, row)| *out = self.number(snapshot, row)),
        }
    }

    /// What `is` makes of the number of each thing of the run.
    fn fill_as(
        &self,
        snapshot: &Snapshot<'_>,
        run: &Run,
        out: &mut [Option<bool>],
        is: impl Fn(Number) -> Option<bool>,
    ) {
        let mut numbers = [Err(Gap::Unknown); LANES];
        let numbers = &mut numbers[..out.len()];
        self.fill(snapshot, run, numbers);
        out.iter_mut().zip(numbers).for_each(|(out, number)| *out = is(*number));
    }

    /// Whether it is the same for all things of a node.
    fn is_of_node(&self) -> bool {
        match self {
            // Counts are of the GPUs of the row's node.
            Num::Constant(_) | Num::State | Num::Count(_) => true,
            Num::Leaf(leaf) | Num::Past(leaf, ..) => leaf.reach == Reach::Node,
            Num::Arithmetic(left, _, right) => left.is_of_node() && right.is_of_node(),
            Num::Peers(_) | Num::Times(..) | Num::Tally(_) => false,
        }
    }
}

impl Text {
    /// Whether all things of a kind that a node has share it.
    pub(super) fn is_shared(&self, snapshot: &Snapshot<'_>, kind: Kind, node: NodeId) -> bool {
        match self {
            Text::Field(Field::Model, Reach::Own) if kind == Kind::Gpu => snapshot.fleet.model_of_all(node).is_some(),
            Text::Field(Field::Fault, Reach::Own) if kind == Kind::Gpu => !snapshot.fleet.has_faults(node),
            _ => self.is_of_node(),
        }
    }

    fn is_of_node(&self) -> bool {
        match self {
            Text::Field(_, reach) => *reach == Reach::Node,
            Text::Label(_) | Text::Level(_) => true,
            Text::Of(numeric) => numeric.num.is_of_node(),
            Text::About(_) => false,
        }
    }
}

impl Operation {
    /// `a operation b`; unknown where that is no number.
    pub(super) fn of(self, a: Number, b: Number) -> Number {
        let (a, b) = (a?, b?);
        let result = match self {
            Operation::Add => a + b,
            Operation::Subtract => a - b,
            Operation::Multiply => a * b,
            Operation::Divide => a / b,
        };
        if result.is_finite() { Ok(result) } else { Err(Gap::Unknown) }
    }
}

impl Condition {
    /// Whether it is true of each thing of the run; `out` is as long as the run.
    pub(super) fn fill(&self, snapshot: &Snapshot<'_>, run: &Run, out: &mut [Option<bool>]) {
        match self {
            Condition::And(parts) => fill_all(parts, snapshot, run, out, Some(false), |a, b| all([a, b])),
            Condition::Or(parts) => fill_all(parts, snapshot, run, out, Some(true), |a, b| any([a, b])),
            Condition::Not(inner) => {
                inner.fill(snapshot, run, out);
                for known in out {
                    *known = known.map(|known| !known);
                }
            }
            Condition::Compare(Num::Leaf(leaf), comparison, Num::Constant(right))
                if leaf.reach == Reach::Own
                    && let Some(cells) = snapshot.cells(leaf, run) =>
            {
                // The most frequent of all conditions, without a detour through numbers.
                out.fill(None);
                for (out, cell) in out.iter_mut().zip(cells) {
                    *out = match cell.steps() {
                        Some(steps) => Some(compare(f64::from(steps) * leaf.quantum, *comparison, *right)),
                        None => compare_known(Err(cell.gap().unwrap_or(Gap::Unknown)), *comparison, Ok(*right)),
                    };
                }
            }
            Condition::Compare(left, comparison, Num::Constant(right)) => {
                left.fill_as(snapshot, run, out, |number| compare_known(number, *comparison, Ok(*right)));
            }
            Condition::Compare(left, comparison, right) => {
                let mut numbers = [[Err(Gap::Unknown); LANES]; 2];
                let [a, b] = &mut numbers;
                left.fill(snapshot, run, &mut a[..out.len()]);
                right.fill(snapshot, run, &mut b[..out.len()]);
                for (out, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
                    *out = compare_known(*a, *comparison, *b);
                }
            }
            _ if self.is_of_node() => out.fill(self.holds(snapshot, run.first())),
            Condition::Absent(num) => num.fill_as(snapshot, run, out, is_absent),
            Condition::Flags(num, bits) => num.fill_as(snapshot, run, out, |number| has_flags(number, *bits)),
            Condition::UnknownNumber(num) => num.fill_as(snapshot, run, out, |number| Some(is_unknown(number))),
            Condition::Name(part) if run.kind == Kind::Gpu => fill_names(part, snapshot, run, out),
            Condition::Text(text, _) | Condition::NoText(text) | Condition::UnknownText(text)
                if text.is_shared(snapshot, run.kind, run.node) =>
            {
                out.fill(self.holds(snapshot, run.first()));
            }
            _ => out.iter_mut().zip(run.rows()).for_each(|(out, row)| *out = self.holds(snapshot, row)),
        }
    }

    /// Whether it is the same for all things of a node.
    fn is_of_node(&self) -> bool {
        match self {
            Condition::Flags(num, _)
            | Condition::Choice(num, _)
            | Condition::Listed(num, _)
            | Condition::Absent(num)
            | Condition::UnknownNumber(num) => num.is_of_node(),
            Condition::Text(text, _) | Condition::NoText(text) | Condition::UnknownText(text) => text.is_of_node(),
            Condition::Quantified(..) => true,
            _ => false,
        }
    }
}

/// GPUs whose node is so called all are; of others the models are looked at.
fn fill_names(part: &str, snapshot: &Snapshot<'_>, run: &Run, out: &mut [Option<bool>]) {
    let node = Row::Item(Kind::Node, Item { node: run.node, slot: 0 });
    if holds_part(snapshot, node, part) {
        return out.fill(Some(true));
    }
    if part.contains(':') {
        return out.iter_mut().zip(run.rows()).for_each(|(out, row)| *out = Some(holds_part(snapshot, row, part)));
    }
    if snapshot.fleet.model_of_all(run.node).is_some() {
        return out.fill(Some(holds_part(snapshot, run.first(), part)));
    }
    out.iter_mut().zip(run.rows()).for_each(|(out, row)| *out = Some(holds_part(snapshot, row, part)));
}

/// Joins what the parts say. Once all of it is `settled`, no other part can change it.
fn fill_all(
    parts: &[Condition],
    snapshot: &Snapshot<'_>,
    run: &Run,
    out: &mut [Option<bool>],
    settled: Option<bool>,
    join: fn(Option<bool>, Option<bool>) -> Option<bool>,
) {
    out.fill(settled.map(|known| !known));
    let mut others = [None; LANES];
    let others = &mut others[..out.len()];
    for part in parts {
        if out.iter().all(|known| *known == settled) {
            return;
        }
        part.fill(snapshot, run, others);
        for (a, b) in out.iter_mut().zip(others.iter()) {
            *a = join(*a, *b);
        }
    }
}
