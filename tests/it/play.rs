//! Plays a simulated fleet and its hub's memory second by second, with the health engine looking on.

use std::{cell::Cell, ops::Range, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use supertop::{
    collect::sim::{Faults, Plan, Queue, Sim, Subject},
    fleet::{Fleet, Session, Settings},
    health::{Health, Rules},
    model::{
        incident::{Incident, Severity, Stage},
        job::Scheduler as _,
        metric::Scope,
        report::Sample,
        time::Time,
    },
};

thread_local! {
    static NOW: Cell<Time> = Cell::default();
}

/// A simulated fleet and its hub's memory, played second by second.
pub(crate) struct Play {
    pub(crate) sim: Arc<Sim>,
    fleet: Fleet,
    sessions: Vec<Session>,
    sample: Sample,
    pub(crate) health: Health,
    /// The scheduler; without one, nobody knows of jobs: processes are not heard of then.
    pub(crate) queue: Option<Queue>,
    /// A node that says nothing for some of the seconds.
    pub(crate) mute: Option<(u32, Range<u32>)>,
    /// A node whose local disk is full to so many percent.
    pub(crate) fills: Option<(u32, f64)>,
    pub(crate) seconds: u32,
}

impl Play {
    pub(crate) fn new(nodes: u32, seed: u64, faults: Faults) -> Play {
        Play::of(Plan { nodes, seed, faults, ..Plan::default() })
    }

    /// One whose steps are as long as the plan's interval.
    pub(crate) fn of(plan: Plan) -> Play {
        let sim = Arc::new(Sim::new(plan));
        let mut fleet = Fleet::new(Settings::default());
        let now = sim.plan().start;
        let sessions = (0..sim.plan().nodes).map(|n| join(&mut fleet, &sim, n, now)).collect();
        let sample = Sample { time: now, generation: 1, values: sim.values() };
        let queue = Some(Queue::new(sim.clone(), || NOW.get()));
        let health = Health::new(Rules::default());
        Play { sim, fleet, sessions, sample, health, queue, mute: None, fills: None, seconds: 0 }
    }

    pub(crate) fn now(&self) -> Time {
        self.sim.plan().start + Duration::from_secs(self.seconds.into())
    }

    pub(crate) fn step(&mut self) {
        let before = self.now();
        let step = self.sim.plan().interval.as_secs() as u32;
        self.seconds += step;
        let (now, second) = (self.now(), self.seconds);
        let is_due = |every: u32| (second - 1) % every < step;
        NOW.set(now);
        for (n, session) in (0..).zip(&mut self.sessions) {
            let is_mute = self.mute.as_ref().is_some_and(|(mute, span)| *mute == n && span.contains(&second));
            if is_mute || self.sim.silent(n, now) {
                continue;
            }
            if self.sim.restarted(n, now) != self.sim.restarted(n, before) {
                *session = join(&mut self.fleet, &self.sim, n, now);
            }
            if self.sim.inventory_changes(n, before, now) {
                let mut inventory = self.sim.inventory(n, now);
                inventory.generation = self.sample.generation;
                self.fleet.inventory(*session, &inventory, now);
            }
            self.sim.sample(n, now, &mut self.sample.values);
            self.sample.time = now;
            self.fleet.sample(*session, &self.sample, now);
            for event in self.sim.events(n, before, now) {
                self.fleet.event(session.node, event, now);
            }
            if is_due(10) && self.queue.is_some() {
                let mut processes = self.sim.processes(n, now);
                if let Some((_, used)) = self.fills.filter(|(node, _)| *node == n) {
                    let local = processes.mounts.iter_mut().find(|mount| mount.path == "/local");
                    local.expect("a local disk").used = Some(used);
                }
                self.fleet.processes(*session, &processes, now);
            }
        }
        if let Some(queue) = self.queue.as_ref().filter(|_| is_due(5)) {
            self.fleet.begin_schedule("simulated scheduler");
            let fleet = std::cell::RefCell::new(&mut self.fleet);
            let jobs = queue.jobs(&mut |job| fleet.borrow_mut().schedule(&job, now));
            let nodes = queue.nodes(&mut |node| fleet.borrow_mut().stand(&node));
            self.fleet.end_schedule(jobs, nodes, now);
        }
        self.fleet.tick(now);
        self.health.look(&&self.fleet, now).now_or_never().unwrap();
    }

    /// What is open.
    pub(crate) fn told(&self) -> Vec<Incident> {
        self.health.incidents().into_iter().filter(|it| it.stage == Stage::Open).collect()
    }

    /// What is open and more than good to know.
    pub(crate) fn open(&self) -> Vec<Incident> {
        self.told().into_iter().filter(|it| it.severity > Severity::Info).collect()
    }

    /// The subject of the one fault, as an incident names it.
    pub(crate) fn subject(&self) -> String {
        match self.sim.faults()[0].subject {
            Subject::Gpu(n, slot) => format!("{}:{slot}", self.sim.name(n)),
            Subject::Port(n, port) => format!("{}/mlx5_{port}", self.sim.name(n)),
            Subject::Node(n) => self.sim.name(n),
            Subject::Rack(_) => "rack ".into(),
            Subject::JobOf(_) => "job ".into(),
        }
    }
}

/// A node says who it is, and what it has.
fn join(fleet: &mut Fleet, sim: &Sim, n: u32, now: Time) -> Session {
    let declared = Scope::SAMPLED
        .into_iter()
        .flat_map(|scope| scope.metrics().iter().map(move |metric| (scope, &*metric.key, metric.unit, metric.quantum)));
    let session = fleet.join(&sim.introduction(n, now), declared, now).unwrap();
    assert!(fleet.inventory(session, &sim.inventory(n, now), now));
    session
}
