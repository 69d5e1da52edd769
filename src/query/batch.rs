//! Evaluates conditions and numbers for a node's things at once: half a million GPUs are few nodes with the same
//! condition, and what is known of the node is looked up once for all of its GPUs.

use std::ops::Range;

use crate::{
    fleet::{Gpu, Name, NodeId, Share},
    model::{identity::Field, metric::Scope, raw::Gap, syntax::Operation, verdict::Verdict},
};

use super::{
    evaluate::{compare_known, has_flags, is_absent, is_unknown},
    row::{Item, Row},
    snapshot::Snapshot,
    stored::tell_pairs,
    text::holds_part,
    told::Told,
    value::{Condition, Num, Number, Reach, Test, Text},
    view::Kind,
};

/// Things that are evaluated at once, at most.
pub(super) const LANES: usize = 16;

/// Things of one node, one slot after the other. At most [`LANES`] of them are evaluated at once.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) kind: Kind,
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

    pub(super) fn first(&self) -> Row<'static> {
        Row::Item(self.kind, Item { node: self.node, slot: self.slots.start })
    }
}

impl Num {
    /// The number of each thing of the run; `out` is as long as the run.
    pub(super) fn fill(&self, snapshot: &Snapshot<'_>, run: &Run, out: &mut [Number]) {
        match self {
            Num::Leaf(leaf) if snapshot.own_numbers(leaf, run, out).is_some() => {}
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
            Num::Peers(peers) if peers.is_shared(snapshot, run) => out.fill(self.number(snapshot, run.first())),
            _ => out.iter_mut().zip(run.rows()).for_each(|(out, row)| *out = self.number(snapshot, row)),
        }
    }

    /// The number of each thing of the run.
    pub(super) fn numbers(&self, snapshot: &Snapshot<'_>, run: &Run) -> [Number; LANES] {
        let mut numbers = [Err(Gap::Unknown); LANES];
        self.fill(snapshot, run, &mut numbers[..run.slots.len()]);
        numbers
    }

    /// Whether it is the same for all things of a node.
    fn is_of_node(&self) -> bool {
        match self {
            // Counts are of the GPUs of the row's node.
            Num::Constant(_) | Num::State | Num::Count(_) => true,
            Num::Leaf(leaf) | Num::Past(leaf, ..) => leaf.reach == Reach::Node,
            Num::Arithmetic(left, _, right) => left.is_of_node() && right.is_of_node(),
            Num::Peers(_) | Num::Apart(..) | Num::Times(..) | Num::Tally(_) => false,
        }
    }
}

impl Text {
    /// Whether it is the name of a thing's node.
    pub(super) fn is_node_name(&self) -> bool {
        matches!(self, Text::Field(Field::Node, Reach::Own | Reach::Node))
    }

    /// Whether all things of a run share it.
    pub(super) fn is_shared(&self, snapshot: &Snapshot<'_>, run: &Run) -> bool {
        let (fleet, node) = (snapshot.fleet, run.node);
        let gpus = || &fleet.node(node).inventory.gpus[..];
        match self {
            _ if !run.kind.has_a_node() => false,
            Text::All(texts) => texts.iter().all(|text| text.is_shared(snapshot, run)),
            Text::Field(Field::Model, Reach::Own) if run.kind == Kind::Gpu => fleet.model_of_all(node).is_some(),
            Text::Field(Field::Vbios, Reach::Own) if run.kind == Kind::Gpu => are_alike(gpus(), |gpu| &gpu.vbios, run),
            Text::Field(Field::Mig, Reach::Own) if run.kind == Kind::Gpu => are_alike(gpus(), |gpu| &gpu.mig, run),
            Text::Field(Field::Gsp, Reach::Own) if run.kind == Kind::Gpu => are_alike(gpus(), |gpu| &gpu.gsp, run),
            Text::Field(Field::Fault, Reach::Own) if run.kind == Kind::Gpu => !fleet.has_faults(node),
            Text::Field(Field::Ran, _) => false,
            Text::Field(field, _) if run.kind == Kind::Gpu && field.row().scope == Scope::Job => {
                match snapshot.then() {
                    Some(then) => is_one_jobs(fleet.jobs_at(node, then), run),
                    None => is_one_jobs(fleet.jobs_of(node), run),
                }
            }
            _ => self.is_of_node(),
        }
    }

    fn is_of_node(&self) -> bool {
        match self {
            Text::Field(_, reach) => *reach == Reach::Node,
            Text::Label(_) | Text::Level(_) => true,
            Text::Of(numeric) => numeric.num.is_of_node(),
            Text::All(texts) => texts.iter().all(Text::is_of_node),
            Text::About(_) => false,
        }
    }
}

/// Whether all GPUs of a run have the same text.
fn are_alike(gpus: &[Gpu], text: fn(&Gpu) -> &Name, run: &Run) -> bool {
    let gpus = gpus.get(run.slots.start as usize..run.slots.end as usize);
    gpus.is_some_and(|gpus| gpus.iter().map(text).is_sorted_by(|a, b| a == b))
}

/// Whether all things of a run are the same job's, or nobody's.
fn is_one_jobs<'a>(mut jobs: impl Iterator<Item = (u32, &'a Share)>, run: &Run) -> bool {
    let has_all = |share: &Share| run.slots.clone().all(|slot| share.slots.contains(slot as u16));
    jobs.next().is_none_or(|(_, share)| has_all(share)) && jobs.next().is_none()
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

impl Test {
    /// Whether all things of a run are compared with the same.
    fn is_shared(&self, snapshot: &Snapshot<'_>, run: &Run) -> bool {
        if let Test::Majority(peers) = self { peers.is_shared(snapshot, run) } else { true }
    }

    fn is_of_node(&self) -> bool {
        !matches!(self, Test::Majority(_))
    }
}

impl Condition {
    /// Of which things of the run it is true.
    pub(super) fn tell(&self, snapshot: &Snapshot<'_>, run: &Run) -> Told {
        let each =
            |num: &Num, is: &dyn Fn(Number) -> Option<bool>| Told::each(num.numbers(snapshot, run).into_iter().map(is));
        match self {
            Condition::Stored(leaf, stored, plain) => match snapshot.own_cells(leaf, run) {
                Some(cells) => stored.tell(cells),
                None => plain.tell(snapshot, run),
            },
            Condition::And(parts) => join(parts, snapshot, run, false, Told::and),
            Condition::Or(parts) => join(parts, snapshot, run, true, Told::or),
            Condition::Not(inner) => inner.tell(snapshot, run).not(),
            Condition::Compare(left, comparison, Num::Constant(right)) => {
                each(left, &|number| compare_known(number, *comparison, Ok(*right)))
            }
            Condition::Compare(Num::Leaf(a), comparison, Num::Leaf(b))
                if a.quantum.total_cmp(&b.quantum).is_eq()
                    && let Some(left) = snapshot.own_cells(a, run)
                    && let Some(right) = snapshot.own_cells(b, run) =>
            {
                tell_pairs(left, *comparison, right)
            }
            Condition::Compare(left, comparison, right) => {
                let (left, right) = (left.numbers(snapshot, run), right.numbers(snapshot, run));
                Told::each(left.into_iter().zip(right).map(|(a, b)| compare_known(a, *comparison, b)))
            }
            _ if self.is_of_node() => Told::all(self.holds(snapshot, run.first())),
            Condition::Absent(num) => each(num, &is_absent),
            Condition::Flags(num, bits) => each(num, &|number| has_flags(number, *bits)),
            Condition::UnknownNumber(num) => each(num, &|number| Some(is_unknown(number))),
            Condition::Name(part) if run.kind == Kind::Gpu => tell_names(part, snapshot, run),
            // Who looks for a bad word finds none where nothing is said.
            Condition::Text(Text::Field(Field::Verdict, Reach::Own), Test::Is(word))
                if run.kind == Kind::Gpu
                    && !word.eq_ignore_ascii_case(Verdict::Fine.word())
                    && !snapshot.is_then
                    && snapshot.is_up(run.node)
                    && !snapshot.fleet.has_verdicts(run.node) =>
            {
                Told::all(Some(false))
            }
            Condition::Text(text, test) if text.is_shared(snapshot, run) && test.is_shared(snapshot, run) => {
                Told::all(self.holds(snapshot, run.first()))
            }
            Condition::NoText(text) | Condition::UnknownText(text) if text.is_shared(snapshot, run) => {
                Told::all(self.holds(snapshot, run.first()))
            }
            _ => Told::each(run.rows().map(|row| self.holds(snapshot, row))),
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
            Condition::Text(text, test) => text.is_of_node() && test.is_of_node(),
            Condition::NoText(text) | Condition::UnknownText(text) => text.is_of_node(),
            Condition::Quantified(..) => true,
            _ => false,
        }
    }
}

/// GPUs whose node is so called all are; of others the models are looked at.
fn tell_names(part: &str, snapshot: &Snapshot<'_>, run: &Run) -> Told {
    let node = Row::Item(Kind::Node, Item { node: run.node, slot: 0 });
    if holds_part(snapshot, node, part) {
        return Told::all(Some(true));
    }
    if !part.contains(':') && snapshot.fleet.model_of_all(run.node).is_some() {
        return Told::all(Some(holds_part(snapshot, run.first(), part)));
    }
    Told::each(run.rows().map(|row| Some(holds_part(snapshot, row, part))))
}

/// Joins what the parts say. Once all of it is `settled`, no other part can change it.
fn join(parts: &[Condition], snapshot: &Snapshot<'_>, run: &Run, settled: bool, with: fn(Told, Told) -> Told) -> Told {
    let mut told = Told::all(Some(!settled));
    for part in parts {
        told = with(told, part.tell(snapshot, run));
        if told.is_all(settled, run.slots.len()) {
            break;
        }
    }
    told
}
