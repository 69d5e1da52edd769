//! What one look of the health engine costs, of 1,000 and of 62,500 simulated nodes with 8 GPUs each, all rules asked:
//! so many milliseconds each second are so many thousandths of a core.
//! `cargo bench --bench health`

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use divan::Bencher;
use futures_util::FutureExt as _;
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

/// What asking each rule once costs at 62,500 nodes, and how often it is asked: what all of them take of a core.
fn print_rules() {
    let (fleet, now) = fleet(62_500);
    let mut all = 0.0;
    for rule in Rules::default().rules {
        let mut costs: Vec<f64> = (0..5)
            .map(|_| {
                let mut alone = Rules::default();
                alone.rules = vec![rule.clone()];
                let mut health = Health::new(alone);
                let began = Instant::now();
                health.look(&&fleet, now).now_or_never().expect("nobody else waits for this fleet");
                began.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        costs.sort_by(f64::total_cmp);
        let every = health::pace(&rule, rule.hold).as_secs_f64();
        all += costs[2] / every / 10.0;
        println!("{:28} {:7.1} ms each {every:4.1} s", rule.id, costs[2]);
    }
    println!("all of them: {all:.1} % of a core");
}

thread_local! {
    static NOW: Cell<Time> = Cell::default();
}

/// A simulated fleet, some minutes after its start, with a small share of sick things.
fn fleet(nodes: u32) -> (Fleet, Time) {
    let sim = Arc::new(Sim::new(Plan { nodes, ..Plan::default() }));
    let mut fleet = Fleet::new(Settings { history_bytes: Some(1 << 24), ..Settings::default() });
    let start = sim.plan().start;
    let now = start + Duration::from_mins(5);
    NOW.set(now);
    let join = |n: u32| -> Session {
        let declared = Scope::SAMPLED.into_iter().flat_map(|scope| {
            scope.metrics().iter().map(move |metric| (scope, &*metric.key, metric.unit, metric.quantum))
        });
        let session = fleet.join(&sim.introduction(n), declared, now).expect("room");
        fleet.inventory(session, &sim.inventory(n, now), now);
        session
    };
    let sessions: Vec<Session> = (0..nodes).map(join).collect();
    let mut sample = Sample { time: now, generation: 1, values: sim.values() };
    for (n, session) in (0..).zip(sessions) {
        sim.sample(n, now, &mut sample.values);
        fleet.sample(session, &sample, now);
        fleet.processes(session, &sim.processes(n, now), now);
        sim.events(n, start, now).into_iter().for_each(|event| {
            fleet.event(session.node, event, now);
        });
    }
    let queue = Queue::new(sim, || NOW.get());
    fleet.begin_schedule("simulated scheduler");
    let shared = std::cell::RefCell::new(&mut fleet);
    let jobs = queue.jobs(&mut |job| shared.borrow_mut().schedule(&job, now));
    let standings = queue.nodes(&mut |node| shared.borrow_mut().stand(&node));
    fleet.end_schedule(jobs, standings, now);
    fleet.tick(now);
    (fleet, now)
}

#[divan::bench(args = [1000, 62_500], sample_count = 20)]
fn all_rules(bencher: Bencher<'_, '_>, nodes: u32) {
    let (fleet, now) = fleet(nodes);
    // An engine's first look asks every rule; later ones leave out those that take their time.
    bencher.with_inputs(|| Health::new(Rules::default())).bench_local_values(|mut health| {
        health.look(&&fleet, now).now_or_never().expect("nobody else waits for this fleet");
        health
    });
}
