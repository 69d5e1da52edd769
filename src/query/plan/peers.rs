//! What a row's peers have in common: looked up for the whole fleet when a query is planned, so that each row only
//! asks for its own group.

use std::collections::HashMap;

use crate::model::{
    metric::Kind as Reading,
    question::Complaint,
    syntax::{PeerFunction, Word},
};

use super::{
    super::{
        evaluate::{majority, median},
        row::{Item, Row},
        text::slots,
        value::{Num, Numeric, Peers, Text, Value},
        view::Kind,
    },
    Planner, complain,
};

impl Planner<'_> {
    /// `median(K by …)` and its kin, as a number.
    pub(super) fn peers(&self, function: PeerFunction, key: &Word, by: &Word) -> Result<Value, Complaint> {
        if self.past {
            return Err(complain("peers are not known along time", key.spot));
        }
        let (numeric, groups) = self.collect(key, by)?;
        let of = groups.into_iter().filter_map(|(name, mut values)| Some((name, common(function, &mut values)?)));
        let peers = Peers { by: self.group_key(by)?.1, of: of.collect() };
        let Numeric { measure, reading, .. } = numeric;
        if function != PeerFunction::Majority && matches!(reading, Reading::Flags(_) | Reading::Choice(_)) {
            return Err(complain("flags and states have a majority, but no middle", key.spot));
        }
        Ok(Value::Number(Numeric { num: Num::Peers(Box::new(peers)), measure, reading }))
    }

    /// `majority(K by …)` of a text.
    pub(super) fn common_text(&self, key: &Word, by: &Word) -> Result<Peers<String>, Complaint> {
        let groups = self.collect_texts(key, by)?;
        let of = groups.into_iter().filter_map(|(name, counts)| Some((name, majority(&counts)?)));
        Ok(Peers { by: self.group_key(by)?.1, of: of.collect() })
    }

    /// The numbers of all things that a key is measured on, by what makes them peers.
    fn collect(&self, key: &Word, by: &Word) -> Result<(Numeric, HashMap<String, Vec<f64>>), Complaint> {
        let metric = self.leaf(key)?.metric;
        let kind = Kind::of(metric.scope);
        let things = self.of_kind(kind);
        let Value::Number(numeric) = things.value(&super::Key::Metric(metric), key.spot)? else {
            return Err(complain("expected a metric", key.spot));
        };
        let (_, by) = things.group_key(by)?;
        let mut groups: HashMap<String, Vec<f64>> = HashMap::new();
        self.visit(kind, &by, &mut |name, row| {
            if let Ok(value) = numeric.num.number(self.snapshot, row) {
                entry(&mut groups, name).push(value);
            }
        });
        Ok((numeric, groups))
    }

    fn collect_texts(&self, key: &Word, by: &Word) -> Result<HashMap<String, HashMap<String, u32>>, Complaint> {
        let super::Key::Field(field) = self.keys.find(key)? else {
            return Err(complain("expected a key that is text", key.spot));
        };
        let kind = Kind::of(field.row().scope);
        let things = self.of_kind(kind);
        let (_, text) = things.group_key(key)?;
        let (_, by) = things.group_key(by)?;
        let mut groups: HashMap<String, HashMap<String, u32>> = HashMap::new();
        self.visit(kind, &by, &mut |name, row| {
            text.each(self.snapshot, row, &mut |text| *entry(entry(&mut groups, name), text) += 1);
        });
        Ok(groups)
    }

    /// Every thing of a kind, with the text that tells its peers.
    fn visit(&self, kind: Kind, by: &Text, each: &mut dyn FnMut(&str, Row<'_>)) {
        for node in self.snapshot.fleet.nodes() {
            for slot in 0..slots(self.snapshot, kind, node, false) {
                let row = Row::Item(kind, Item { node, slot });
                by.each(self.snapshot, row, &mut |name| each(name, row));
            }
        }
    }
}

/// The entry of a name, without copying the name when it is there.
fn entry<'a, T: Default>(map: &'a mut HashMap<String, T>, name: &str) -> &'a mut T {
    if !map.contains_key(name) {
        map.insert(name.to_owned(), T::default());
    }
    map.get_mut(name).expect("it was entered on the line above")
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
