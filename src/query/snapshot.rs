//! The fleet as one query sees it: at one time, with every node's state looked up once.
//! Reads metrics and fields of things; what is stale is unknown.

use std::{ops::Range, rc::Rc};

use crate::{
    fleet::{Account, Fleet, Happening, NodeId, Trouble},
    model::{
        incident::Stage,
        metric::{MetricId, Scope, core, energy, gpu, incident, job, mount, node, process, rule},
        raw::{Gap, Raw},
        state::State,
        syntax::{Moment, Query, When},
        time::Time,
    },
};

use super::{
    batch::Run,
    parts::{Access, NODES},
    past::Window,
    plan::resolve,
    pool::Pool,
    row::{Group, Item, Row},
    value::{Leaf, Number, Reach},
    view::Kind,
};

/// Nodes whose values are best asked for before any of them is looked at.
pub(super) const AT_ONCE: usize = 16;

/// When a query looks, and which nodes it can believe. What it finds later is of the same time.
pub(super) struct Seen {
    pub(super) now: Time,
    states: Rc<[State]>,
    /// Whether a silent node's last values are asked for, however old.
    last: bool,
    /// The one step of the past that is asked about, where it is not now.
    then: Option<Window>,
}

impl Seen {
    pub(super) fn new(fleet: &Fleet, now: Time) -> Seen {
        Seen { now, states: fleet.states(now).collect(), last: false, then: None }
    }

    /// As a question sees it, which may ask about another time.
    pub(super) async fn with(&self, access: &impl Access, query: &Query) -> Seen {
        let (now, states, last) = (self.now, self.states.clone(), asks_for_last(query.when));
        let When::At(moment, _) = query.when else { return Seen { now, states, last, then: None } };
        if last || query.over.is_some() {
            return Seen { now, states, last, then: None };
        }
        let step = access.look(Fleet::finest_step);
        let then = Window::new(step, step, resolve(moment, now));
        // Rows of jobs say themselves when they were.
        if query.view == "jobs" {
            return Seen { now, states, last, then: Some(then) };
        }
        let mut states = Vec::with_capacity(states.len());
        // A node of which something is known then was up then.
        for first in (0..self.states.len()).step_by(NODES) {
            let nodes = (first..self.states.len().min(first + NODES)).map(NodeId::at);
            access.look(|fleet| {
                let was_up = |node: NodeId| {
                    let keys = [(node::CPU, 0), (gpu::UTIL, 0)].into_iter();
                    keys.into_iter().any(|(metric, slot)| then.number(fleet, metric, Item { node, slot }).is_ok())
                };
                states.extend(nodes.map(|node| if was_up(node) { State::Up } else { State::Down }));
            });
            access.pause().await;
        }
        Seen { now, states: states.into(), last, then: Some(then) }
    }

    /// Whether it is about another time than now.
    pub(super) fn is_then(&self) -> bool {
        self.then.is_some()
    }

    /// The one step of the past that is asked about, where it is not now.
    pub(super) fn then(&self) -> Option<&Window> {
        self.then.as_ref()
    }

    /// The fleet as it was seen. Events are left out.
    pub(super) fn of<'a>(&'a self, fleet: &'a Fleet) -> Snapshot<'a> {
        let Seen { now, last, .. } = *self;
        let (window, is_then) = (self.then.as_ref(), self.is_then());
        Snapshot { fleet, now, events: Vec::new(), states: self.states.clone(), window, is_then, last }
    }

    /// The fleet as it was seen, with its events where the view is of events.
    pub(super) fn view<'a>(&'a self, fleet: &'a Fleet, kind: Kind) -> Snapshot<'a> {
        let mut snapshot = self.of(fleet);
        if let Some(then) = self.then.as_ref().filter(|_| !kind.is_of_nodes() && kind != Kind::Job) {
            // What is said of these says itself since when and until when.
            (snapshot.now, snapshot.window, snapshot.is_then) = (then.to(), None, false);
        }
        if kind == Kind::Event {
            // What happened last is what people look for first.
            snapshot.events = fleet.events().rev().collect();
        }
        snapshot
    }
}

fn asks_for_last(when: When) -> bool {
    matches!(when, When::At(Moment::Last, _))
}

/// The fleet at one time.
pub(super) struct Snapshot<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) now: Time,
    /// Events, newest first; looked up for the `events` view only.
    pub(super) events: Vec<&'a Happening>,
    states: Rc<[State]>,
    /// Set while something is evaluated in the past.
    pub(super) window: Option<&'a Window>,
    /// Whether the question is about another time than now, and not along time.
    pub(super) is_then: bool,
    last: bool,
}

impl<'a> Snapshot<'a> {
    /// The same fleet, with values read from the past.
    pub(super) fn at<'b>(&self, window: &'b Window) -> Snapshot<'b>
    where
        'a: 'b,
    {
        Snapshot {
            fleet: self.fleet,
            now: self.now,
            events: self.events.clone(),
            states: self.states.clone(),
            window: Some(window),
            is_then: self.is_then,
            last: self.last,
        }
    }

    /// The other time that the question is about, where it is about one.
    pub(super) fn then(&self) -> Option<Time> {
        self.window.filter(|_| self.is_then).map(Window::to)
    }

    pub(super) fn state(&self, node: NodeId) -> State {
        self.states.get(node.index()).copied().unwrap_or_default()
    }

    /// Whether the node's values are fresh.
    pub(super) fn is_up(&self, node: NodeId) -> bool {
        self.state(node) == State::Up
    }

    /// Whether the question is about now, and not about a silent node's last values.
    pub(super) fn is_live(&self) -> bool {
        !self.last && self.window.is_none()
    }

    /// Whether the node's values count: they are fresh, or the question is about the last ones.
    pub(super) fn believes(&self, node: NodeId) -> bool {
        self.last || self.is_up(node)
    }

    /// A metric of what the row reaches.
    pub(super) fn leaf(&self, row: Row<'_>, leaf: &Leaf) -> Number {
        match (leaf.reach, row) {
            (Reach::Own, Row::Item(_, item)) => self.number(leaf, item),
            (Reach::Node, Row::Item(_, item)) => self.number(leaf, Item { node: item.node, slot: 0 }),
            (_, Row::Item(Kind::Job, item)) if let Some(window) = self.window => window.of_job(item.slot, leaf),
            (_, Row::Group(_, Group { area: Some(area), .. })) if let Some(window) = self.window => {
                window.rollup(self.fleet, *area, leaf)
            }
            (_, Row::Group(_, group))
                if self.window.is_none()
                    && let Some(sum) = group.sum(leaf) =>
            {
                sum
            }
            (_, row) => {
                let mut pool = Pool::new(leaf.fold);
                row.reach(self, leaf.metric.scope, &mut |node, slots| self.pool(&mut pool, leaf, node, slots));
                pool.number()
            }
        }
    }

    /// Adds a metric of a node's things to others.
    pub(super) fn pool(&self, pool: &mut Pool, leaf: &Leaf, node: NodeId, slots: Range<u32>) {
        if !is_stored(leaf.metric) || self.window.is_some() {
            return slots.for_each(|slot| pool.add(self.number(leaf, Item { node, slot })));
        }
        if !self.believes(node) {
            return slots.for_each(|_| pool.add(Err(Gap::Unknown)));
        }
        let cells = self.fleet.last_row(node, leaf.metric);
        let (start, end) = (slots.start as usize, slots.end as usize);
        match cells.get(start..end) {
            Some(cells) => pool.add_all(cells, leaf.quantum),
            None => slots.for_each(|_| pool.add(Err(Gap::Unknown))),
        }
    }

    /// Has nodes' values of some metrics brought near, without waiting for one before asking for the next: a scan over
    /// half a million GPUs spends most of its time waiting for memory.
    pub(super) fn fetch(&self, nodes: &(impl Iterator<Item = NodeId> + Clone), metrics: &[MetricId]) {
        for id in metrics.iter().filter(|id| !Fleet::is_near(**id)) {
            for node in nodes.clone() {
                std::hint::black_box(self.fleet.last_row(node, *id).first().copied());
            }
        }
    }

    /// A metric of each thing of a run, where samples hold it; nothing where it is to be read one by one.
    pub(super) fn own_numbers(&self, leaf: &Leaf, run: &Run, out: &mut [Number]) -> Option<()> {
        let cells = self.own_cells(leaf, run)?;
        out.fill(Err(Gap::Unknown));
        for (out, cell) in out.iter_mut().zip(cells) {
            *out = number(*cell, leaf.quantum);
        }
        Some(())
    }

    /// The stored values of a run's things, as many as are to be believed; nothing where samples hold none.
    pub(super) fn own_cells(&self, leaf: &Leaf, run: &Run) -> Option<&'a [Raw]> {
        let stored = leaf.reach == Reach::Own && matches!(leaf.metric.scope, Scope::Gpu | Scope::Nic);
        if self.window.is_some() || !stored {
            return None;
        }
        if !self.believes(run.node) {
            return Some(&[]);
        }
        let cells = self.fleet.last_row(run.node, leaf.metric);
        Some(cells.get(run.slots.start as usize..).unwrap_or(&[]))
    }

    /// A metric of one thing.
    pub(super) fn number(&self, leaf: &Leaf, item: Item) -> Number {
        let Item { node, slot } = item;
        if let Some(window) = self.window {
            return match leaf.metric {
                job::ENERGY_HOUR => self.of_job(leaf.metric, item),
                metric if self.is_then && metric.scope == Scope::Job => self.of_job_then(metric, item),
                metric => window.number(self.fleet, metric, item),
            };
        }
        match leaf.metric.scope {
            Scope::Gpu | Scope::Nic if self.believes(node) => {
                number(self.fleet.last(node, leaf.metric, slot as usize), leaf.quantum)
            }
            Scope::Gpu | Scope::Nic => Err(Gap::Unknown),
            Scope::Node => match self.fleet.value(node, leaf.metric, 0, self.now) {
                Raw::UNKNOWN if self.last => number(self.fleet.last(node, leaf.metric, 0), leaf.quantum),
                raw => number(raw, leaf.quantum),
            },
            Scope::Process => self.of_process(leaf.metric, item),
            Scope::Core => self.of_core(leaf.metric, item),
            Scope::Mount => self.of_mount(leaf.metric, item),
            Scope::Job => self.of_job(leaf.metric, item),
            Scope::Energy => self.of_account(leaf.metric, item),
            Scope::Incident => self.of_incident(leaf.metric, item),
            Scope::Rule => self.of_rule(leaf.metric, item),
        }
    }

    fn of_process(&self, metric: MetricId, Item { node, slot }: Item) -> Number {
        let processes = &self.fleet.node(node).processes;
        let process = processes.list.get(slot as usize).ok_or(Gap::Unknown)?;
        // The number is the process's name, known however old the rest is.
        if metric == process::PID {
            return Ok(f64::from(process.pid));
        }
        if !self.believes(node) {
            return Err(Gap::Unknown);
        }
        let gpus = || process.gpus.iter();
        let absent = if process.gpus.is_empty() { Gap::Absent } else { Gap::Unknown };
        match metric {
            process::CPU => process.cpu.map(f64::from).ok_or(Gap::Unknown),
            process::MEM => process.mem.map(|bytes| bytes as f64).ok_or(Gap::Unknown),
            process::MEM_GPU => {
                let known = gpus().filter_map(|gpu| gpu.mem).map(|bytes| bytes as f64);
                known.reduce(|a, b| a + b).ok_or(absent)
            }
            process::SM => gpus().filter_map(|gpu| gpu.sm).map(f64::from).reduce(f64::max).ok_or(absent),
            process::AGE => {
                // Both by the node's clock, so that a skewed one does not count.
                let age = process.started.zip(processes.time).map(|(started, read)| read.seconds_after(started));
                age.ok_or(Gap::Unknown)
            }
            _ => Err(Gap::Unknown),
        }
    }

    fn of_incident(&self, metric: MetricId, item: Item) -> Number {
        let incident = &self.fleet.troubles().get(item.slot as usize).ok_or(Gap::Unknown)?.incident;
        let cleared = incident.cleared.filter(|cleared| *cleared <= self.now);
        let stage = if incident.cleared.is_some() && cleared.is_none() { Stage::Open } else { incident.stage };
        let seconds = |to: Time, from: Time| to.seconds_after(from).max(0.0);
        match metric {
            incident::SEVERITY => Ok(f64::from(incident.severity as u8)),
            incident::STAGE => Ok(f64::from(stage as u8)),
            incident::AGE => Ok(seconds(cleared.unwrap_or(self.now), incident.since)),
            incident::SEEN => Ok(seconds(self.now, incident.seen)),
            incident::COUNT => Ok(f64::from(incident.count)),
            incident::NODES => Ok(incident.nodes.len() as f64),
            _ => Err(Gap::Unknown),
        }
    }

    fn of_rule(&self, metric: MetricId, item: Item) -> Number {
        let rule = self.fleet.rules().get(item.slot as usize).ok_or(Gap::Unknown)?;
        let is_open = |trouble: &&Trouble| trouble.incident.stage != Stage::Cleared && trouble.incident.rule == rule.id;
        match metric {
            rule::SEVERITY => Ok(f64::from(rule.severity as u8)),
            rule::HOLD => Ok(rule.hold.as_secs_f64()),
            rule::CLEAR_HOLD => Ok(rule.clear_hold.as_secs_f64()),
            rule::OPEN => Ok(self.fleet.troubles().iter().filter(is_open).count() as f64),
            _ => Err(Gap::Unknown),
        }
    }

    fn of_account(&self, metric: MetricId, item: Item) -> Number {
        let accounts = self.fleet.accounts_of(item.node.index());
        let account = accounts.get(item.slot as usize).ok_or(Gap::Unknown)?;
        let (Account { hour, site: place, spent, .. }, tariff) = (account, self.fleet.tariff());
        match metric {
            energy::USED => Ok(spent.used),
            energy::HOST => metered(spent.host),
            energy::IDLE => Ok(spent.idle),
            energy::ESTIMATED => Ok(spent.estimated),
            energy::GPU_TIME => Ok(spent.gpu_seconds),
            energy::COST => tariff.cost(place, *hour, spent.all()).ok_or(Gap::Unknown),
            energy::CARBON => tariff.carbon(place, *hour, spent.all()).ok_or(Gap::Unknown),
            _ => Err(Gap::Unknown),
        }
    }

    fn of_core(&self, metric: MetricId, Item { node, slot }: Item) -> Number {
        if metric == core::INDEX {
            return Ok(f64::from(slot));
        }
        let percent = self.fleet.node(node).processes.cores.get(slot as usize);
        percent
            .filter(|_| metric == core::UTIL && self.believes(node))
            .map(|percent| f64::from(*percent))
            .ok_or(Gap::Unknown)
    }

    fn of_mount(&self, metric: MetricId, Item { node, slot }: Item) -> Number {
        let mount = self.fleet.node(node).processes.mounts.get(slot as usize);
        let mount = mount.filter(|_| self.believes(node)).ok_or(Gap::Unknown)?;
        let value = match metric {
            mount::USED => mount.used.map(f64::from),
            mount::FREE => mount.free.map(|bytes| bytes as f64),
            mount::SIZE => mount.size.map(|bytes| bytes as f64),
            mount::INODES => mount.inodes.map(f64::from),
            _ => None,
        };
        value.ok_or(Gap::Unknown)
    }
}

/// Joules of the rest of machines, if any of these has a meter.
pub(super) fn metered(joules: f64) -> Number {
    if joules > 0.0 { Ok(joules) } else { Err(Gap::Unknown) }
}

/// Whether samples hold a metric, rather than anything else that is known of its thing.
fn is_stored(metric: MetricId) -> bool {
    Scope::SAMPLED.contains(&metric.scope) && !Fleet::derives(metric)
}

/// A stored value as a number in its metric's unit.
fn number(raw: Raw, quantum: f64) -> Number {
    match raw.steps() {
        Some(steps) => Ok(f64::from(steps) * quantum),
        None => Err(raw.gap().unwrap_or(Gap::Unknown)),
    }
}
