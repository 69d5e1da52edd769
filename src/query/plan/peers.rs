//! What a row's peers have in common: looked up for the whole fleet when a query is planned, so that each row only
//! asks for its own group.

use std::collections::HashMap;

use crate::model::{
    metric::{Kind as Reading, MetricId},
    question::Complaint,
    raw::Gap,
    syntax::{Operand, PeerFunction, Word},
};

use super::{
    super::{
        batch::{LANES, Run},
        evaluate::{majority, median},
        key::Key,
        snapshot::AT_ONCE,
        text::slots,
        value::{Num, Numeric, Peers, Value},
        view::Kind,
    },
    Planner, complain,
};

impl Planner<'_> {
    /// `median(K by …)` and its kin, as a number.
    pub(super) fn peers(&self, function: PeerFunction, key: &Word, by: &Word) -> Result<Value, Complaint> {
        self.now_only("what peers have in common", key.spot)?;
        let metric = self.leaf(key)?.metric;
        let things = self.of_kind(Kind::of(metric.scope));
        let numeric = things.numeric(&Operand::Key(key.clone()))?;
        if function != PeerFunction::Majority && matches!(numeric.reading, Reading::Flags(_) | Reading::Choice(_)) {
            return Err(complain("flags and states have a majority, but no middle", key.spot));
        }
        let (_, peers) = things.group_key(by)?;
        let mut groups: Groups<Vec<f64>> = Groups::default();
        let mut numbers = [Err(Gap::Unknown); LANES];
        things.runs(&numeric.num.metrics(), |run| {
            let numbers = &mut numbers[..run.slots.len()];
            numeric.num.fill(self.snapshot, &run, numbers);
            for (row, number) in run.rows().zip(numbers) {
                if let Ok(value) = number {
                    peers.each(self.snapshot, row, &mut |name| groups.of(name).push(*value));
                }
            }
        });
        let of = groups.all.into_iter().filter_map(|(name, mut values)| Some((name, common(function, &mut values)?)));
        let peers = Peers::new(self.group_key(by)?.1, of.collect());
        Ok(Value::Number(Numeric { num: Num::Peers(Box::new(peers)), ..numeric }))
    }

    /// `majority(K by …)` of a text.
    pub(super) fn common_text(&self, key: &Word, by: &Word) -> Result<Peers<String>, Complaint> {
        let Key::Field(field) = self.keys.find(key)? else {
            return Err(complain("expected a key that is text", key.spot));
        };
        let things = self.of_kind(Kind::of(field.row().scope));
        let ((_, text), (_, peers)) = (things.group_key(key)?, things.group_key(by)?);
        let mut groups: Groups<HashMap<String, u32>> = Groups::default();
        things.runs(&[], |run| {
            for row in run.rows() {
                peers.each(self.snapshot, row, &mut |name| {
                    let counts = groups.of(name);
                    text.each(self.snapshot, row, &mut |text| match counts.get_mut(text) {
                        Some(count) => *count += 1,
                        None => drop(counts.insert(text.to_owned(), 1)),
                    });
                });
            }
        });
        let of = groups.all.into_iter().filter_map(|(name, counts)| Some((name, majority(&counts)?)));
        Ok(Peers::new(self.group_key(by)?.1, of.collect()))
    }

    /// Every thing of this planner's kind, whose metrics are about to be read.
    fn runs(&self, metrics: &[MetricId], mut take: impl FnMut(Run)) {
        let kind = self.keys.kind;
        for nodes in self.snapshot.fleet.by_name().chunks(AT_ONCE) {
            self.snapshot.fetch(nodes.iter().copied(), metrics);
            for &node in nodes {
                Run::lanes(kind, node, 0..slots(self.snapshot, kind, node, false)).for_each(&mut take);
            }
        }
    }
}

/// What is gathered by name. The one before is often the next one, too.
#[derive(Default)]
struct Groups<T> {
    all: Vec<(String, T)>,
    known: HashMap<String, usize>,
    last: usize,
}

impl<T: Default> Groups<T> {
    fn of(&mut self, name: &str) -> &mut T {
        if self.all.get(self.last).is_none_or(|(last, _)| last != name) {
            self.last = self.known.get(name).copied().unwrap_or_else(|| {
                self.all.push((name.to_owned(), T::default()));
                self.known.insert(name.to_owned(), self.all.len() - 1);
                self.all.len() - 1
            });
        }
        &mut self.all[self.last].1
    }
}

fn common(function: PeerFunction, values: &mut [f64]) -> Option<f64> {
    let middle = median(values);
    match function {
        PeerFunction::Median => middle,
        PeerFunction::Mad => {
            let middle = middle?;
            for value in values.iter_mut() {
                *value = (*value - middle).abs();
            }
            median(values)
        }
        PeerFunction::Majority => {
            values.sort_unstable_by(f64::total_cmp);
            let runs = values.chunk_by(|a, b| a.total_cmp(b).is_eq());
            // Of several that are as frequent, the smallest: the last maximum wins, so they are looked at backwards.
            runs.rev().max_by_key(|run| run.len()).and_then(|run| run.first().copied())
        }
    }
}
