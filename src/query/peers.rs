//! What a row's peers have in common: looked up for the whole fleet before the rows are gone over, so that each row only
//! asks for its own group.

use std::{
    cell::{Cell, OnceCell},
    collections::HashMap,
    future::Future,
    rc::Rc,
};

use crate::model::{identity::Field, metric::MetricId, syntax::PeerFunction, time::Time};

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
type Common<T> = Rc<[(String, T)]>;

/// What a row's peers have in common, once it is found.
pub(super) struct Peers<T> {
    /// What makes a row's peers.
    by: Text,
    /// In the order of names.
    of: OnceCell<Common<T>>,
    /// The group that was asked for last.
    last: Cell<usize>,
}

/// What is to be looked up before a plan can be run: of things of one kind, by a text.
pub(super) struct Wanted {
    pub(super) kind: Kind,
    /// Of what, by what, as it was asked.
    pub(super) name: String,
    pub(super) by: Text,
    pub(super) what: What,
}

/// What peers may have in common, and who wants to know it.
pub(super) enum What {
    /// A number of theirs in the middle, or how far from it they are.
    Middle(PeerFunction, Num, Rc<Peers<f64>>),
    /// Both.
    Spread(Num, Rc<Peers<(f64, f64)>>),
    /// The number that most of them have.
    Number(Num, Rc<Peers<f64>>),
    /// The text that most of them have.
    Text(Text, Rc<Peers<String>>),
}

/// Questions that are asked at the same time: what their rows' peers have in common is looked up once, by its name.
#[derive(Default)]
pub struct Round {
    /// When.
    pub now: Time,
    spreads: HashMap<String, Common<(f64, f64)>>,
    numbers: HashMap<String, Common<f64>>,
    texts: HashMap<String, Common<String>>,
}

impl<T> Peers<T> {
    /// Of rows that are made peers by this.
    pub(super) fn new(by: Text) -> Rc<Self> {
        Rc::new(Peers { by, of: OnceCell::new(), last: Cell::new(0) })
    }

    fn found(&self, of: Common<T>) {
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
        // The row before often has the same peers, or a node's things are of all groups in turn.
        let last = self.last.get();
        let is_it = |at: &usize| of.get(*at).is_some_and(|(name, _)| name == text);
        let at = [last, last + 1, 0].into_iter().find(is_it);
        let at = at.or_else(|| of.binary_search_by(|(name, _)| name.as_str().cmp(text)).ok())?;
        self.last.set(at);
        Some(at)
    }
}

impl Wanted {
    fn is_by_job(&self) -> bool {
        let is_job = |text: &Text| matches!(text, Text::Field(Field::Job, _));
        is_job(&self.by) || matches!(&self.by, Text::All(texts) if texts.iter().any(is_job))
    }

    /// Looks it up, unless it is known. Of rows that are all of one job, peers by job are on its nodes only.
    pub(super) async fn find(self, access: &impl Access, seen: &Seen, job: Option<&str>, round: &mut Round) {
        let job = job.filter(|_| self.is_by_job());
        let Wanted { kind, name, by, what } = self;
        let name = job.map_or_else(|| name.clone(), |job| format!("{name} of {job}"));
        let Round { spreads, numbers, texts, .. } = round;
        match what {
            What::Middle(function, num, peers) => {
                let find = of_numbers(access, seen, job, (kind, &num, &by), spread);
                let common = |(name, (middle, distance)): &(String, (f64, f64))| {
                    (name.clone(), if function == PeerFunction::Mad { *distance } else { *middle })
                };
                peers.found(known(spreads, name, find).await.iter().map(common).collect());
            }
            What::Spread(num, peers) => {
                peers.found(known(spreads, name, of_numbers(access, seen, job, (kind, &num, &by), spread)).await);
            }
            What::Number(num, peers) => {
                let find = of_numbers(access, seen, job, (kind, &num, &by), most_frequent);
                peers.found(known(numbers, name, find).await);
            }
            What::Text(text, peers) => {
                peers.found(known(texts, name, of_texts(access, seen, job, (kind, &text, &by))).await);
            }
        }
    }
}

impl Round {
    /// Questions that are asked at this time.
    pub fn at(now: Time) -> Round {
        Round { now, ..Round::default() }
    }
}

/// What is known by this name, or else what `find` does find.
async fn known<T>(
    known: &mut HashMap<String, Common<T>>,
    name: String,
    find: impl Future<Output = Common<T>>,
) -> Common<T> {
    if let Some(common) = known.get(&name) {
        return common.clone();
    }
    let common = find.await;
    known.insert(name, common.clone());
    common
}

/// The text that most of each group have.
async fn of_texts(
    access: &impl Access,
    seen: &Seen,
    job: Option<&str>,
    (kind, text, by): (Kind, &Text, &Text),
) -> Common<String> {
    let mut groups: Groups<HashMap<String, u32>> = Groups::default();
    let mut count = |snapshot: &Snapshot<'_>, row: Row<'_>, things: u32| {
        by.each(snapshot, row, &mut |name| {
            let counts = groups.of(name);
            text.each(snapshot, row, &mut |text| match counts.get_mut(text) {
                Some(count) => *count += things,
                None => drop(counts.insert(text.to_owned(), things)),
            });
        });
    };
    each(access, seen, job, (kind, &[]), |snapshot, run| {
        if by.is_shared(snapshot, &run) && text.is_shared(snapshot, &run) {
            return count(snapshot, run.first(), run.slots.len() as u32);
        }
        run.rows().for_each(|row| count(snapshot, row, 1));
    })
    .await;
    by_name(groups.all.into_iter().filter_map(|(name, counts)| Some((name, majority(&counts)?))).collect())
}

/// What the numbers of each group come to.
async fn of_numbers<T>(
    access: &impl Access,
    seen: &Seen,
    job: Option<&str>,
    (kind, num, by): (Kind, &Num, &Text),
    come_to: impl Fn(&mut [f64]) -> Option<T>,
) -> Common<T> {
    let mut groups: Groups<Vec<f64>> = Groups::default();
    let metrics = num.metrics();
    each(access, seen, job, (kind, &metrics), |snapshot, run| {
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
    by_name(all)
}

fn by_name<T>(mut all: Vec<(String, T)>) -> Common<T> {
    all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    all.into()
}

/// Calls `take` with all things of a kind, or with those on one job's nodes, whose metrics are about to be read.
async fn each(
    access: &impl Access,
    seen: &Seen,
    job: Option<&str>,
    (kind, metrics): (Kind, &[MetricId]),
    mut take: impl FnMut(&Snapshot<'_>, Run),
) {
    let nodes = access.look(|fleet| match job {
        Some(job) => nodes_of(fleet, job),
        None => fleet.by_name().to_vec(),
    });
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

/// What is gathered by name. The one before is often the next one, too, or a node's things have names in turn.
#[derive(Default)]
struct Groups<T> {
    all: Vec<(String, T)>,
    known: HashMap<String, usize>,
    /// Which came after each.
    next: Vec<usize>,
    last: usize,
}

impl<T: Default> Groups<T> {
    fn of(&mut self, name: &str) -> &mut T {
        let is_it = |at: &usize| self.all.get(*at).is_some_and(|(known, _)| known == name);
        let expected = [self.last, self.next.get(self.last).copied().unwrap_or_default()].into_iter().find(is_it);
        let at = expected.or_else(|| self.known.get(name).copied()).unwrap_or_else(|| {
            self.all.push((name.to_owned(), T::default()));
            self.known.insert(name.to_owned(), self.all.len() - 1);
            self.next.push(0);
            self.all.len() - 1
        });
        if at != self.last {
            self.next[self.last] = at;
            self.last = at;
        }
        &mut self.all[at].1
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

/// The most frequent number; of several, the smallest.
fn most_frequent(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let runs = values.chunk_by(|a, b| a.total_cmp(b).is_eq());
    // The last maximum wins, so they are looked at backwards.
    runs.rev().max_by_key(|run| run.len()).and_then(|run| run.first().copied())
}
