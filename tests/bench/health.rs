//! What one look of the health engine costs, of 1,000 and of 62,500 simulated nodes with 8 GPUs each, all rules asked:
//! so many milliseconds each second are so many thousandths of a core.
//! `cargo bench --bench health`

use std::{cell::Cell, sync::Arc, time::Duration};

use divan::Bencher;
use futures_util::FutureExt as _;
use rustix::time::{ClockId, clock_gettime};
use supertop::{
    collect::sim::{Plan, Queue, Sim},
    fleet::{Fleet, Session, Settings},
    health::{self, Health, Rules},
    model::{job::Scheduler as _, metric::Scope, report::Sample, time::Time},
};

fn main() {
    print_rules();
    divan::main();
}

/// What asking each rule once by itself costs at 62,500 nodes, and how often it is asked; and what asking all of them
/// takes of a core, second by second.
fn print_rules() {
    let mut site = Site::new(62_500);
    for rule in Rules::default().rules {
        let every = health::pace(&rule, rule.hold).as_secs_f64();
        let mut costs: Vec<f64> = (0..5)
            .map(|_| {
                let mut alone = Rules::default();
                alone.rules = vec![rule.clone()];
                site.look(&mut Health::new(alone)).as_secs_f64() * 1e3
            })
            .collect();
        costs.sort_by(f64::total_cmp);
        println!("{:28} {:7.1} ms each {every:4.1} s", rule.id, costs[2]);
    }
    let mut health = Health::new(Rules::default());
    let mut seconds = |n: u32| -> Duration {
        let second = |_| {
            site.go_on();
            site.look(&mut health)
        };
        (0..n).map(second).sum()
    };
    // At first, all of them are asked at once.
    seconds(10);
    // The longest time between two questions of one rule is a minute.
    println!("all of them: {:.1} % of a core", seconds(60).as_secs_f64() / 60.0 * 100.0);
    // What has held for long enough is found, folded, and its suspects are named.
    seconds(240);
    let busy = seconds(60).as_secs_f64() / 60.0 * 100.0;
    println!("with {} incidents: {busy:.1} % of a core", health.incidents().len());
}

thread_local! {
    static NOW: Cell<Time> = Cell::default();
}

/// A simulated fleet, some minutes after its start, with a small share of sick things.
struct Site {
    sim: Arc<Sim>,
    fleet: Fleet,
    sessions: Vec<Session>,
    sample: Sample,
}

impl Site {
    fn new(nodes: u32) -> Site {
        let sim = Arc::new(Sim::new(Plan { nodes, ..Plan::default() }));
        let mut fleet = Fleet::new(Settings { history_bytes: Some(1 << 24), ..Settings::default() });
        let start = sim.plan().start;
        let now = start + Duration::from_mins(5);
        NOW.set(now);
        let join = |n: u32| -> Session {
            let declared = Scope::SAMPLED.into_iter().flat_map(|scope| {
                scope.metrics().iter().map(move |metric| (scope, &*metric.key, metric.unit, metric.quantum))
            });
            let session = fleet.join(&sim.introduction(n, sim.plan().start), declared, now).expect("room");
            fleet.inventory(session, &sim.inventory(n, now), now);
            fleet.processes(session, &sim.processes(n, now), now);
            sim.events(n, start, now).into_iter().for_each(|event| {
                fleet.event(session.node, event, now);
            });
            session
        };
        let sessions: Vec<Session> = (0..nodes).map(join).collect();
        let queue = Queue::new(sim.clone(), || NOW.get());
        fleet.begin_schedule("simulated scheduler");
        let shared = std::cell::RefCell::new(&mut fleet);
        let jobs = queue.jobs(&mut |job| shared.borrow_mut().schedule(&job, now));
        let standings = queue.nodes(&mut |node| shared.borrow_mut().stand(&node));
        fleet.end_schedule(jobs, standings, now);
        let sample = Sample { time: now, generation: 1, values: sim.values() };
        let mut site = Site { sim, fleet, sessions, sample };
        site.go_on();
        site
    }

    /// A second later every node has sent a sample.
    fn go_on(&mut self) {
        let now = self.sample.time + Duration::from_secs(1);
        self.sample.time = now;
        for (n, session) in (0..).zip(&self.sessions) {
            self.sim.sample(n, now, &mut self.sample.values);
            self.fleet.sample(*session, &self.sample, now);
        }
        self.fleet.tick(now);
    }

    /// Has the engine look once, and says how long the CPU was busy with it.
    fn look(&self, health: &mut Health) -> Duration {
        let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("time that has passed");
        let began = cpu();
        health.look(&&self.fleet, self.sample.time).now_or_never().expect("nobody else waits for this fleet");
        cpu().saturating_sub(began)
    }
}

#[divan::bench(args = [1000, 62_500], sample_count = 20)]
fn all_rules(bencher: Bencher<'_, '_>, nodes: u32) {
    let site = Site::new(nodes);
    // An engine's first look asks every rule; later ones leave out those that take their time.
    bencher.with_inputs(|| Health::new(Rules::default())).bench_local_values(|mut health| {
        site.look(&mut health);
        health
    });
}
