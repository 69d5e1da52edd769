//! What each kind of question costs, of 1,000 and of 62,500 nodes with 8 GPUs each.
//! `cargo bench --bench query`

use std::time::Duration;

use divan::Bencher;
use supertop::{
    fleet::{Fleet, Settings},
    model::{
        MetricId,
        job::{Job, Phase, Share},
        metric::{Scope, gpu, node},
        place::Label,
        raw::Raw,
        report::{Gpu, Introduction, Inventory, Sample, Values},
        time::Time,
    },
    query,
};

/// As the binary has it: where memory lies is part of what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    print_memory();
    divan::main();
}

/// What a fleet takes for each GPU, its node's values and inventory included, and what the allocator keeps of room that
/// grew or was left when nodes settled. Ten minutes of history at half a million
/// GPUs come on top: what `Settings::history_bytes` allows.
fn print_memory() {
    let before = resident();
    let fleet = known(62_500);
    let per_gpu = |bytes: usize| bytes / (fleet.nodes().len() * 8);
    let (all, history) = (resident() - before, fleet.history_bytes());
    println!("62,500 nodes: {} B for each GPU, of which history {} B", per_gpu(all), per_gpu(history));
}

/// Bytes of memory that this process holds.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

const NOW: Time = Time::from_millis(1_795_442_670_000);

/// Nodes of 8 GPUs, 32 to a rack, each value its own. They come in no order, as agents do.
fn fleet(nodes: usize) -> Fleet {
    let mut fleet = Fleet::new(Settings { history_bytes: Some(1 << 24), ..Settings::default() });
    for n in (0..nodes).map(|n| n * 7919 % nodes) {
        let introduction = Introduction { node: format!("gpu{n:05}"), interval_ms: 1000, ..Introduction::default() };
        let declared = Scope::SAMPLED.into_iter().flat_map(|scope| {
            scope.metrics().iter().map(move |metric| (scope, &*metric.key, metric.unit, metric.quantum))
        });
        let session = fleet.join(&introduction, declared, NOW).expect("room");
        let gpus = (0..8).map(|index| Gpu {
            index: index.to_string(),
            uuid: format!("GPU-{n}-{index}"),
            model: if n % 3 == 0 { "NVIDIA B200" } else { "NVIDIA H100 80GB HBM3" }.into(),
            ..Gpu::default()
        });
        let labels = [("rack", n / 32), ("pod", n / 1024), ("region", n / 16_384)];
        let inventory = Inventory {
            gpus: gpus.collect(),
            labels: labels.map(|(key, at)| Label { key: key.into(), value: format!("{key}{at}") }).into(),
            ..Inventory::default()
        };
        fleet.inventory(session, &inventory, NOW);
        let mut values = Values::new(8, 0);
        for (row, metric) in gpu::METRICS.iter().enumerate() {
            let id = MetricId { scope: Scope::Gpu, row: row as u16 };
            for slot in 0..8 {
                let mixed = (n * 8 + slot).wrapping_mul(2_654_435_761) >> 7;
                values.set(id, slot, Raw::new((mixed % 101) as f64, metric.quantum));
            }
        }
        values.set(node::CPU, 0, Raw::new((n % 100) as f64, 0.5));
        fleet.sample(session, &Sample { time: NOW, generation: 0, values }, NOW);
    }
    give(&mut fleet, nodes);
    for ago in (0..3).rev() {
        fleet.tick(NOW - Duration::from_secs(ago));
    }
    fleet
}

/// A scheduler has given every node to a job: 5,000 of them on 62,500 nodes.
fn give(fleet: &mut Fleet, nodes: usize) {
    const EACH: usize = 12;
    fleet.begin_schedule("slurm");
    for (job, first) in (0..nodes).step_by(EACH).enumerate() {
        let share = |n| Share { node: format!("gpu{n:05}"), gpus: Some((0..8).collect()) };
        let said = Job {
            id: (4711 + job).to_string(),
            name: format!("train-{}", job % 40),
            user: format!("u{}", job % 120),
            account: "research".into(),
            phase: Phase::Running,
            state: "running".into(),
            started: Some(NOW - Duration::from_mins(job as u64)),
            shares: (first..nodes.min(first + EACH)).map(share).collect(),
            ..Job::default()
        };
        fleet.schedule(&said, NOW);
    }
    fleet.end_schedule(Ok(()), Ok(()), NOW);
}

/// What the overview's grid asks of a fleet this large.
const GRID: &str = "racks sort region,pod,rack show region,pod,rack,node.age,node.gpus,node.gpus.expected,gpu.xid,\
                    gpu.xid.age,gpu.remap.failed,gpu.remap.pending,gpu.ecc.dbe,gpu.temp,gpu.throttle,node.mounts.bad,\
                    node.disk.used,node.mem.util,node.incidents,state,gpu.util limit 4000";

/// What it asks of nodes and GPUs for its list of problems. (Here many have one: every value is as good as any other.)
const PROBLEMS: [&str; 2] = [
    "nodes where (state != up or gpus < gpus.expected or mounts.bad > 0 or disk.used >= 90 or mem.util >= 92) \
     sort -state,node show node,state,node.age,node.gpus,node.gpus.expected,node.mounts.bad,node.disk.used,\
     node.mem.util limit 500",
    "gpus where ((fault != none and not fault ~ '^gpu[.]') or xid != none or remap.failed > 0 or remap.pending > 0 \
     or ecc.dbe > 0 or ecc.sram > 0 or temp >= 85 or throttle = hw_thermal or throttle = hw_slowdown or throttle = \
     power_brake) sort -gpu.xid,node,index show node,index,fault,gpu.xid,gpu.xid.age,gpu.remap.failed,\
     gpu.remap.pending,gpu.ecc.dbe,gpu.ecc.sram,gpu.throttle,gpu.temp limit 500",
];

const QUESTIONS: &[&str] = &[
    "gpus limit 50",
    "gpus where util > 100 limit 0",
    "gpus limit 50 offset 250000",
    "gpus sort -util limit 50",
    "gpus sort -util limit 50 offset 250000",
    "gpus where util > 50 and temp > 80 limit 50",
    "gpus where model ~ B200 sort -power limit 50",
    "gpus where power > 0.9 * median(power by model) limit 50",
    "gpus where gpu004 limit 50",
    "gpus sort -node,-index limit 50",
    "gpus sort model,-power limit 50 offset 250000",
    "nodes sort -gpu.util limit 50",
    "nodes where any(temp > 99) limit 50",
    "nodes where node in gpu[00100-40000] limit 50",
    "gpus where node = gpu00100 show * limit 40",
    "racks sort -gpu.power limit 50",
    "fleet",
    "fleet show nodes,up,gpus,gpu.util,gpu.power,gpu.mem.util,gpu.temp,node.cpu",
    GRID,
    PROBLEMS[0],
    PROBLEMS[1],
    "gpus where xid != none or remap.failed > 0 or ecc.dbe > 0 or temp >= 85 sort -gpu.xid,node,index limit 40",
    "jobs sort job.phase,-job.gpus,job limit 50",
    "jobs sort -gpu.util limit 50",
    "gpus where job = 4911 limit 50",
    "gpus where job = 4911 sort -apart(clock.sm by job) limit 50",
    "gpus by use",
    "users sort -held limit 50",
    "gpus by model",
    "gpus by rack show * limit 50",
];

#[divan::bench(args = QUESTIONS)]
fn of_1k_nodes(bencher: Bencher<'_, '_>, question: &str) {
    ask(bencher, 1000, question);
}

#[divan::bench(args = QUESTIONS, sample_count = 10)]
fn of_62k_nodes(bencher: Bencher<'_, '_>, question: &str) {
    ask(bencher, 62_500, question);
}

/// One metric of every GPU, and nothing else: the first is one of those that are asked for most, the second is not.
#[divan::bench(args = ["gpu.util", "gpu.pcie.rx"], sample_count = 50)]
fn scan_of_62k_nodes(bencher: Bencher<'_, '_>, key: &str) {
    let fleet = known(62_500);
    let row = gpu::METRICS.iter().position(|metric| metric.key == key).expect("a metric of GPUs");
    let metric = MetricId { scope: Scope::Gpu, row: row as u16 };
    bencher.counter(fleet.nodes().len() * 8).bench_local(|| {
        let rows = fleet.by_name().iter().map(|node| fleet.row(*node, metric, NOW));
        rows.flatten().filter_map(|raw| raw.steps()).map(i64::from).sum::<i64>()
    });
}

thread_local! {
    static FLEETS: std::cell::RefCell<Vec<(usize, std::rc::Rc<Fleet>)>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The fleet of so many nodes, made once.
fn known(nodes: usize) -> std::rc::Rc<Fleet> {
    let known = FLEETS.with_borrow(|fleets| fleets.iter().find(|(n, _)| *n == nodes).map(|(_, fleet)| fleet.clone()));
    known.unwrap_or_else(|| {
        let fleet = std::rc::Rc::new(fleet(nodes));
        FLEETS.with_borrow_mut(|fleets| fleets.push((nodes, fleet.clone())));
        fleet
    })
}

fn ask(bencher: Bencher<'_, '_>, nodes: usize, question: &str) {
    let fleet = known(nodes);
    let query = query::parse(question).expect("a query");
    bencher.bench_local(|| query::answer(&fleet, &query, NOW).expect("an answer"));
}
