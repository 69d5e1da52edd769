//! What a row's peers have in common: looked up for the whole fleet before the rows are gone over, so that each row only
//! asks for its own group.

use std::{
    cell::{Cell, OnceCell},
    collections::HashMap,
    rc::Rc,
};

use crate::{
    fleet::NodeId,
    model::{identity::Field, metric::MetricId, syntax::PeerFunction},
};

use super::{
    batch::Run,
    evaluate::{majority, median},
    parts::{Access, NODES},
    row::Row,
    scan::nodes_of,
    snapshot::{AT_ONCE, Seen, Snapshot},
    text::slots,
    value::{Num, Text},
    view::Kind,
};

/// What each group of peers has in common, by the text that makes them peers.
pub(super) struct Peers<T> {
    /// What makes a row's peers.
    by: Text,
    /// By name, once it is found.
    of: OnceCell<Vec<(String, T)>>,
    /// The group that was asked for last.
    last: Cell<usize>,
}

/// What is to be looked up before a plan can be run.
pub(super) enum Wanted {
    /// Of things of this kind, a number by a text.
    Number { kind: Kind, function: PeerFunction, num: Num, by: Text, peers: Rc<Peers<f64>> },
    /// The middle of a number, and how far from it they are in the middle.
    Spread { kind: Kind, num: Num, by: Text, peers: Rc<Peers<(f64, f64)>> },
    /// The text that most of them have.
    Text { kind: Kind, text: Text, by: Text, peers: Rc<Peers<String>> },
}

impl<T> Peers<T> {
    /// Of rows that are made peers by this.
    pub(super) fn new(by: Text) -> Rc<Self> {
        Rc::new(Peers { by, of: OnceCell::new(), last: Cell::new(0) })
    }

    fn found(&self, mut of: Vec<(String, T)>) {
        of.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        self.of.get_or_init(|| of);
    }

    /// Whether all things of a run have the same peers.
    pub(super) fn is_shared(&self, snapshot: &Snapshot<'_>, run: &Run) -> bool {
        self.by.is_shared(snapshot, run)
    }

    /// What the row's peers have in common.
    pub(super) fn of(&self, snapshot: &Snapshot<'_>, row: Row<'_>) -> Option<&T> {
        let of = self.of.get()?;
        let mut found = None;
        self.by.each(snapshot, row, &mut |text| {
            if found.is_none() {
                found = self.position(of, text);
            }
        });
        found.and_then(|at| of.get(at)).map(|(_, it)| it)
    }

    fn position(&self, of: &[(String, T)], text: &str) -> Option<usize> {
        // The row before often has the same peers.
        let last = self.last.get();
        if of.get(last).is_some_and(|(name, _)| name == text) {
            return Some(last);
        }
        let at = of.binary_search_by(|(name, _)| name.as_str().cmp(text)).ok()?;
        self.last.set(at);
        Some(at)
    }
}

impl Wanted {
    fn is_by_job(&self) -> bool {
        let (Wanted::Number { by, .. } | Wanted::Spread { by, .. } | Wanted::Text { by, .. }) = self;
        let is_job = |text: &Text| matches!(text, Text::Field(Field::Job, _));
        is_job(by) || matches!(by, Text::All(texts) if texts.iter().any(is_job))
    }

    /// Looks it up. Of rows that are all of one job, peers by job are on its nodes only.
    pub(super) async fn find(self, access: &impl Access, seen: &Seen, job: Option<&str>) {
        let all = access.look(|fleet| match job.filter(|_| self.is_by_job()) {
            Some(job) => nodes_of(fleet, job),
            None => fleet.by_name().to_vec(),
        });
        let nodes = all.as_slice();
        match self {
            Wanted::Number { kind, function, num, by, peers } => {
                peers.found(of_numbers(access, seen, nodes, (kind, &num, &by), |it| common(function, it)).await);
            }
            Wanted::Spread { kind, num, by, peers } => {
                peers.found(of_numbers(access, seen, nodes, (kind, &num, &by), spread).await);
            }
            Wanted::Text { kind, text, by, peers } => {
                let mut groups: Groups<HashMap<String, u32>> = Groups::default();
                each(access, seen, nodes, (kind, &[]), |snapshot, run| {
                    for row in run.rows() {
                        by.each(snapshot, row, &mut |name| {
                            let counts = groups.of(name);
                            text.each(snapshot, row, &mut |text| match counts.get_mut(text) {
                                Some(count) => *count += 1,
                                None => drop(counts.insert(text.to_owned(), 1)),
                            });
                        });
                    }
                })
                .await;
                peers.found(
                    groups.all.into_iter().filter_map(|(name, counts)| Some((name, majority(&counts)?))).collect(),
                );
            }
        }
    }
}

/// What the numbers of each group come to.
async fn of_numbers<T>(
    access: &impl Access,
    seen: &Seen,
    nodes: &[NodeId],
    (kind, num, by): (Kind, &Num, &Text),
    come_to: impl Fn(&mut [f64]) -> Option<T>,
) -> Vec<(String, T)> {
    let mut groups: Groups<Vec<f64>> = Groups::default();
    let metrics = num.metrics();
    each(access, seen, nodes, (kind, &metrics), |snapshot, run| {
        let numbers = num.numbers(snapshot, &run);
        if by.is_shared(snapshot, &run) {
            let known = || numbers.iter().filter_map(|number| number.ok());
            return by.each(snapshot, run.first(), &mut |name| groups.of(name).extend(known()));
        }
        let known = run.rows().zip(numbers).filter_map(|(row, number)| Some((row, number.ok()?)));
        known.for_each(|(row, value)| by.each(snapshot, row, &mut |name| groups.of(name).push(value)));
    })
    .await;
    let mut all = Vec::with_capacity(groups.all.len());
    for (name, mut values) in groups.all {
        all.extend(come_to(&mut values).map(|it| (name, it)));
        access.pause().await;
    }
    all
}

/// Calls `take` with all things of a kind of some nodes, whose metrics are about to be read.
async fn each(
    access: &impl Access,
    seen: &Seen,
    nodes: &[NodeId],
    (kind, metrics): (Kind, &[MetricId]),
    mut take: impl FnMut(&Snapshot<'_>, Run),
) {
    for nodes in nodes.chunks(NODES) {
        access.look(|fleet| {
            let snapshot = seen.of(fleet);
            for nodes in nodes.chunks(AT_ONCE) {
                snapshot.fetch(&nodes.iter().copied(), metrics);
                for &node in nodes {
                    let all = 0..slots(&snapshot, kind, node, false);
                    Run::lanes(kind, node, all).for_each(|run| take(&snapshot, run));
                }
            }
        });
        access.pause().await;
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

/// The middle of some values, and how far from it they are in the middle.
pub(super) fn spread(values: &mut [f64]) -> Option<(f64, f64)> {
    let middle = median(values)?;
    for value in values.iter_mut() {
        *value = (*value - middle).abs();
    }
    Some((middle, median(values)?))
}

fn common(function: PeerFunction, values: &mut [f64]) -> Option<f64> {
    match function {
        // How far a row is from the middle is its own.
        PeerFunction::Median | PeerFunction::Apart => median(values),
        PeerFunction::Mad => spread(values).map(|(_, distance)| distance),
        PeerFunction::Majority => {
            values.sort_unstable_by(f64::total_cmp);
            let runs = values.chunk_by(|a, b| a.total_cmp(b).is_eq());
            // Of several that are as frequent, the smallest: the last maximum wins, so they are looked at backwards.
            runs.rev().max_by_key(|run| run.len()).and_then(|run| run.first().copied())
        }
    }
}
