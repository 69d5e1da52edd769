//! What a simulated node costs, and how much of a busy node's sample changes each second.
//! A hub's load test is only as honest as its simulator is cheap and its values restless.

use std::time::Duration;

use divan::{AllocProfiler, Bencher};
use supertop::{
    collect::sim::{Plan, Sim, moves},
    model::{MetricId, Scope},
};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    print_changes();
    divan::main();
}

fn fleet(nodes: u32) -> Sim {
    Sim::new(Plan { nodes, ..Plan::default() })
}

/// One tick of a whole fleet: the time per item is the time per node, and nothing is allocated.
#[divan::bench(args = [1_000, 62_500])]
fn sample(bencher: Bencher, nodes: u32) {
    let sim = fleet(nodes);
    let mut values = sim.values();
    let mut second = 0;
    bencher.counter(nodes).bench_local(|| {
        second += 1;
        let now = sim.plan().start + Duration::from_secs(second);
        for n in 0..nodes {
            sim.sample(n, now, &mut values);
        }
        values.cells()[0]
    });
}

/// Preparing a fleet, its jobs and its faults.
#[divan::bench(args = [1_000, 62_500], sample_count = 5)]
fn prepare(nodes: u32) -> Sim {
    fleet(nodes)
}

/// Processes, cores and mounts of a node, which are due every 10 s.
#[divan::bench]
fn processes(bencher: Bencher) {
    let sim = fleet(256);
    let mut n = 0;
    bencher.bench_local(|| {
        n = (n + 1) % 256;
        sim.processes(n, sim.plan().start + Duration::from_secs(30))
    });
}

/// Shares of values that differ from those of the second before.
fn print_changes() {
    println!(
        "what changes each second: of values that move on a busy machine, of all that are numbers, and of metrics, in \
         any of a node's values"
    );
    print_changes_of("", &fleet(1_000));
    print_changes_of("restless ", &Sim::new(Plan { nodes: 1_000, restless: true, ..Plan::default() }));
}

fn print_changes_of(kind: &str, sim: &Sim) {
    let start = sim.plan().start;
    let (mut before, mut after) = (sim.values(), sim.values());
    for (what, is_busy) in [("busy nodes", true), ("idle nodes", false)] {
        let (mut moving, mut all, mut metrics) = (Share::default(), Share::default(), Share::default());
        for n in (0..1_000).filter(|n| sim.job(*n, start).is_some() == is_busy) {
            for second in 1..10 {
                sim.sample(n, start + Duration::from_secs(second), &mut before);
                sim.sample(n, start + Duration::from_secs(second + 1), &mut after);
                for scope in Scope::SAMPLED {
                    for row in 0..before.metrics(scope) as u16 {
                        let id = MetricId { scope, row };
                        if before.row(id).iter().any(|value| value.gap().is_none()) {
                            metrics.count(before.row(id) != after.row(id));
                        }
                        for (a, b) in before.row(id).iter().zip(after.row(id)).filter(|(a, _)| a.gap().is_none()) {
                            all.count(a != b);
                            if moves(id) {
                                moving.count(a != b);
                            }
                        }
                    }
                }
            }
        }
        println!("  {kind}{what}: {:.0} %, {:.0} %, {:.0} %", moving.percent(), all.percent(), metrics.percent());
    }
}

#[derive(Default)]
struct Share {
    hits: u64,
    of: u64,
}

impl Share {
    fn count(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.of += 1;
    }

    fn percent(&self) -> f64 {
        100.0 * self.hits as f64 / self.of as f64
    }
}
