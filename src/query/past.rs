//! Values along time: read step by step from the fleet's history, each line of it fetched once.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Duration,
};

use crate::{
    fleet::{Area, Fleet, Job, Rollup, Share},
    model::{
        job::Phase,
        metric::{Kind as Reading, MetricId, Scope},
        raw::Gap,
        syntax::PastFunction,
        time::Time,
    },
};

use super::{
    parts::{Access, NODES},
    pool::Pool,
    row::{Item, Row},
    snapshot::Snapshot,
    value::{Condition, Leaf, Number, Reach},
};

/// Most steps that one question about the past looks at.
const MOST_STEPS: u128 = 2048;

/// A span of the past in even steps, and which of them is being looked at.
pub(super) struct Window {
    pub(super) from: Time,
    pub(super) step: Duration,
    pub(super) steps: usize,
    /// The step that conditions and values see.
    pub(super) at: Cell<usize>,
    lines: RefCell<HashMap<(MetricId, Item), Line>>,
    rollups: RefCell<HashMap<Source, Rc<Rolled>>>,
    /// What jobs came to, by their numbers.
    jobs: RefCell<HashMap<(MetricId, u32), Box<Rolled>>>,
}

/// One thing's values of one metric.
type Line = Rc<[Option<f64>]>;
/// Many things' values of one metric, together.
type Rolled = [Option<Rollup>];
/// A metric of a place.
type Source = (MetricId, Area);

impl Window {
    /// The steps of `span` up to `until`; they begin at multiples of `step`, so that they stay where they are from one
    /// answer to the next.
    pub(super) fn new(span: Duration, step: Duration, until: Time) -> Window {
        let most = Duration::from_millis((span.as_millis() / MOST_STEPS) as u64 + 1);
        let step = step.max(most).max(Duration::from_millis(1));
        let size = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let steps = span.as_millis().div_ceil(step.as_millis()).max(1) as usize;
        let end = until.as_millis().div_euclid(size).saturating_add(1).saturating_mul(size);
        let from = Time::from_millis(end) - step * steps as u32;
        let (lines, rollups, jobs) = Default::default();
        Window { from, step, steps, at: Cell::new(0), lines, rollups, jobs }
    }

    /// When the step begins that is looked at.
    pub(super) fn time(&self) -> Time {
        self.from + self.step * self.at.get() as u32
    }

    /// When the last step ends.
    pub(super) fn to(&self) -> Time {
        self.from + self.step * self.steps as u32
    }

    /// A metric of one thing at the step that is looked at.
    pub(super) fn number(&self, fleet: &Fleet, metric: MetricId, item: Item) -> Number {
        if self.steps == 1 {
            // Of one moment nothing is asked twice.
            let known = fleet.history(item.node, metric, item.slot as usize, self.from, self.to(), self.step);
            return known.first().copied().flatten().ok_or(Gap::Unknown);
        }
        let mut lines = self.lines.borrow_mut();
        let line = lines.entry((metric, item)).or_insert_with(|| {
            fleet.history(item.node, metric, item.slot as usize, self.from, self.to(), self.step).into()
        });
        line.get(self.at.get()).copied().flatten().ok_or(Gap::Unknown)
    }

    /// A metric of a place at the step that is looked at.
    pub(super) fn rollup(&self, fleet: &Fleet, area: Area, leaf: &Leaf) -> Number {
        let source = (leaf.metric, area);
        let mut rollups = self.rollups.borrow_mut();
        let line = rollups
            .entry(source)
            .or_insert_with(|| fleet.rollup(area, leaf.metric, self.from, self.to(), self.step).into());
        let rollup = line.get(self.at.get()).copied().flatten();
        rollup.and_then(|rollup| rollup.value(leaf.fold)).ok_or(Gap::Unknown)
    }

    /// A metric of what a job had at the step that is looked at, where it was worked out by [`Window::follow`].
    pub(super) fn of_job(&self, job: u32, leaf: &Leaf) -> Number {
        let jobs = self.jobs.borrow();
        let rollup = jobs.get(&(leaf.metric, job)).and_then(|line| line.get(self.at.get()).copied().flatten());
        rollup.and_then(|rollup| rollup.value(leaf.fold)).ok_or(Gap::Unknown)
    }

    /// Works out what a metric of a job's GPUs or nodes came to at each step: of each as long as it was the job's.
    pub(super) async fn follow(&self, access: &impl Access, metric: MetricId, number: u32) {
        if metric.scope == Scope::Job || self.jobs.borrow().contains_key(&(metric, number)) {
            return;
        }
        let span = (self.from, self.to(), self.step);
        let shares: Vec<_> = access.look(|fleet| {
            let job = fleet.job(number as usize);
            // Along time, what a job that runs has given back is of no interest any more; of one moment, what it had then is.
            let its = |job: &Job, share: &Share| self.steps == 1 || job.phase == Phase::Ended || share.is_held;
            let shares = job.into_iter().flat_map(|job| job.shares.iter().map(move |share| (job, share)));
            shares.filter(|(job, share)| its(job, share)).map(|(job, share)| (share.clone(), job.had(share))).collect()
        });
        let mut line: Vec<Option<Rollup>> = vec![None; self.steps];
        for shares in shares.chunks(NODES) {
            access.look(|fleet| {
                for (share, within) in shares {
                    let of_node = (metric.scope == Scope::Node).then_some(0);
                    let of_gpus = share.slots.iter().filter(|_| of_node.is_none()).map(usize::from);
                    let slots = of_node.into_iter().chain(of_gpus);
                    for (all, one) in line.iter_mut().zip(fleet.rollup_of(share.node, metric, slots, span, *within)) {
                        *all = all.take().into_iter().chain(one).reduce(Rollup::and);
                    }
                }
            });
            access.pause().await;
        }
        self.jobs.borrow_mut().insert((metric, number), line.into());
    }

    /// Lets go of what was fetched: the next row has other lines.
    pub(super) fn forget(&self) {
        self.lines.borrow_mut().clear();
        self.jobs.borrow_mut().clear();
    }
}

/// The step at which a span is looked at when nobody says: about 120 of them, none smaller than is kept. Places are
/// kept every second for 10 min, and every ten seconds after that.
pub(super) fn natural_step(fleet: &Fleet, span: Duration, placed: bool) -> Duration {
    let least = match placed {
        true if span <= Duration::from_mins(10) => Duration::from_secs(1),
        true => Duration::from_secs(10),
        false => fleet.finest_step(),
    };
    let steps = (span.as_millis() / 120).div_ceil(least.as_millis().max(1)).max(1);
    least * u32::try_from(steps).unwrap_or(u32::MAX)
}

impl Snapshot<'_> {
    /// A function of a metric over the last `span`, of what the row reaches.
    pub(super) fn past(&self, row: Row<'_>, leaf: &Leaf, function: PastFunction, span: Duration) -> Number {
        let mut pool = Pool::new(leaf.fold);
        let mut add = |item: Item| pool.add(self.past_of(leaf, function, span, item));
        match (leaf.reach, row) {
            (Reach::Own, Row::Item(_, item)) => add(item),
            (Reach::Node, Row::Item(_, item)) => add(Item { node: item.node, slot: 0 }),
            _ => row.reach(self, leaf.metric.scope, &mut |node, slots| slots.for_each(|slot| add(Item { node, slot }))),
        }
        pool.number()
    }

    fn past_of(&self, leaf: &Leaf, function: PastFunction, span: Duration, item: Item) -> Number {
        let (fleet, metric, slot) = (self.fleet, leaf.metric, item.slot as usize);
        let window = Window::new(span, fleet.finest_step(), self.now);
        let line = fleet.history(item.node, metric, slot, window.from, window.to(), window.step);
        let known: Vec<(usize, f64)> =
            line.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?))).collect();
        let (Some((start, first)), Some((end, last))) = (known.first(), known.last()) else { return Err(Gap::Unknown) };
        let counter = fleet.catalogue().get(metric).is_some_and(|metric| metric.kind == Reading::Counter);
        // A counter's growth begins at the value that still held when the first step began.
        let (change, steps) = if counter {
            let grown = fleet.increase(item.node, metric, slot, window.from, window.to());
            (grown.ok_or(Gap::Unknown), end - start + 1)
        } else {
            (Ok(last - first), end - start)
        };
        let values = known.iter().map(|(_, value)| *value);
        let value = match function {
            PastFunction::Avg => values.sum::<f64>() / known.len() as f64,
            PastFunction::Min => values.fold(f64::INFINITY, f64::min),
            PastFunction::Max => values.fold(f64::NEG_INFINITY, f64::max),
            PastFunction::Delta => change?,
            PastFunction::Rate => change? / (window.step.as_secs_f64() * steps as f64),
        };
        if value.is_finite() { Ok(value) } else { Err(Gap::Unknown) }
    }

    /// What a condition was at each step of the last `span`, oldest first.
    fn along(&self, condition: &Condition, row: Row<'_>, span: Duration) -> Vec<Option<bool>> {
        // One step more: the last one has only begun, and the span begins within the first.
        let step = self.fleet.finest_step();
        let window = Window::new(span + step, step, self.now);
        let past = self.at(&window);
        let at = |step| {
            window.at.set(step);
            condition.holds(&past, row)
        };
        (0..window.steps).map(at).collect()
    }

    /// Whether a condition was true all through the last `span`.
    pub(super) fn held(&self, condition: &Condition, row: Row<'_>, span: Duration) -> Option<bool> {
        let steps = self.along(condition, row, span);
        if steps.contains(&Some(false)) {
            return Some(false);
        }
        // The step that has just begun may hold nothing yet.
        let settled = if steps.len() > 1 { &steps[..steps.len() - 1] } else { &steps };
        if settled.contains(&None) { None } else { Some(true) }
    }

    /// How often a condition became true in the last `span`.
    pub(super) fn times(&self, condition: &Condition, row: Row<'_>, span: Duration) -> Number {
        let steps: Vec<bool> = self.along(condition, row, span).into_iter().flatten().collect();
        if steps.is_empty() {
            return Err(Gap::Unknown);
        }
        Ok(steps.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64)
    }
}
