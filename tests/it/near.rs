//! What comes near to a fault raises nothing: 10 % short of a threshold, or over before it has held for long enough.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use supertop::{
    collect::sim::{Ailment, FIRST, Fault, Faults, Plan, Sim, Subject},
    health::Rules,
    model::{
        MetricId, Raw,
        metric::{gpu, nic},
    },
};

use crate::{
    health::trains,
    play::Play,
    readings::{self, Reading},
};

const NODES: u32 = 96;

/// A healthy fleet, and the nodes of some jobs of its that train on several of them and go on for long.
fn healthy<const N: usize>() -> (Sim, [Range<u32>; N]) {
    let of_seed = |seed| Sim::new(Plan { nodes: NODES, seed, faults: Faults::Given(Vec::new()), ..Plan::default() });
    let jobs = |sim: &Sim| {
        let mut all = Vec::new();
        let mut from = 0;
        while let Some(n) = (from..NODES).find(|n| trains(sim, *n)) {
            let nodes = sim.job(n, sim.plan().start + FIRST)?.nodes;
            from = nodes.end;
            all.push(nodes);
        }
        all.truncate(N);
        <[Range<u32>; N]>::try_from(all).ok()
    };
    let mut fleets = (1..200).map(of_seed);
    fleets.find_map(|sim| jobs(&sim).map(|jobs| (sim, jobs))).expect("a fleet with so many such jobs")
}

/// From so many seconds after the first fault on, something reads so.
fn reads(metric: MetricId, value: f64, subject: Subject, after: u64) -> Fault {
    let ailment = Ailment::Reads(metric, Raw::new(value, metric.builtin().unwrap().quantum));
    Fault { ailment, subject, at: FIRST + Duration::from_secs(after) }
}

/// Which rules' incidents are open at some time.
fn raised(fleet: &Sim, faults: Vec<Fault>, seconds: u32) -> BTreeSet<String> {
    let mut play = Play::new(NODES, fleet.plan().seed, Faults::Given(faults));
    let mut raised = BTreeSet::new();
    for _ in 0..seconds {
        play.step();
        raised.extend(play.open().into_iter().map(|incident| incident.rule));
    }
    raised
}

fn only(rules: &[&str]) -> BTreeSet<String> {
    rules.iter().map(|rule| (*rule).to_owned()).collect()
}

/// The SM clock in the middle of these nodes' GPUs.
fn clock(sim: &Sim, nodes: Range<u32>) -> f64 {
    let now = sim.plan().start + Duration::from_mins(2);
    let (mut values, mut clocks) = (sim.values(), Vec::new());
    for node in nodes {
        sim.sample(node, now, &mut values);
        clocks.extend(values.row(gpu::CLOCK_SM).iter().filter_map(|raw| raw.value(1.0)));
    }
    clocks.sort_by(f64::total_cmp);
    clocks[clocks.len() / 2]
}

#[test]
fn readings_that_come_near_raise_nothing() {
    let near = |reading: Reading| reading.near.map(|value| Reading { value, ..reading });
    let all: Vec<Reading> = readings::all().into_iter().filter_map(near).collect();
    let outcome = readings::play(&all);
    assert_eq!((outcome.found.len(), outcome.others), (0, vec![]));
    assert!(all.len() > 10);
}

#[test]
fn readings_that_end_before_their_hold_raise_nothing() {
    let rules = Rules::default().rules;
    let brief = |reading: Reading| {
        let hold = rules.iter().find(|rule| rule.id == reading.rule)?.hold;
        (hold >= Duration::from_secs(10)).then(|| Reading { lasts: Some(hold.mul_f64(0.9)), ..reading })
    };
    let all: Vec<Reading> = readings::all().into_iter().filter_map(brief).collect();
    let outcome = readings::play(&all);
    assert_eq!((outcome.found.into_keys().collect::<Vec<_>>(), outcome.others), (vec![], vec![]));
    assert!(all.len() > 25, "{}", all.len());
}

#[test]
fn what_comes_near_to_a_fault_raises_nothing() {
    let (healthy, [job, other, third]) = healthy();
    let now = healthy.plan().start + Duration::from_mins(2);
    let (n, clock) = (job.start, clock(&healthy, job));
    let rests = (0..NODES).find(|n| (0..4).all(|minute| healthy.job(*n, now + Duration::from_mins(minute)).is_none()));
    let rests = rests.expect("a node without a job");
    let [slow, capped, idle] = [Subject::Gpu(n, 2), Subject::Gpu(n, 5), Subject::Gpu(other.start, 2)];
    let port = Subject::Port(other.start, 1);
    let faults = [
        // A straggler is 10 % slower than its peers, and memory that is left behind 1 GiB.
        reads(gpu::CLOCK_SM, 0.91 * clock, slow, 0),
        reads(gpu::MEM_USED, 0.9 * 1_073_741_824.0, Subject::Gpu(rests, 2), 0),
        // At its power cap alone, a GPU may be as slow as it has to.
        reads(gpu::CLOCK_SM, 0.7 * clock, capped, 0),
        reads(gpu::THROTTLE, 4.0, capped, 0),
        // Links are slow under load only, and so are GPUs.
        reads(gpu::UTIL, 45.0, idle, 0),
        reads(gpu::PCIE_GEN, 3.0, idle, 0),
        reads(gpu::CLOCK_SM, 0.5 * clock, idle, 0),
        // A port is down for five seconds.
        reads(nic::LINK_DOWNED, 1.0, port, 0),
        reads(nic::STATE, 0.0, port, 0),
        reads(nic::STATE, 3.0, port, 4),
    ];
    let mut play = Play::new(NODES, healthy.plan().seed, Faults::Given(faults.into()));
    // A silent node is silent for a minute, and a disk that fills up is full to 90 %.
    play.mute = Some((third.start, 100..154));
    play.fills = Some((rests, 81.0));
    for _ in 0..360 {
        play.step();
        assert_eq!(play.open(), [], "after {} s", play.seconds);
    }
}

#[test]
fn what_comes_near_to_something_worse_is_not_that() {
    let (healthy, [job, other]) = healthy();
    let (n, clock, other) = (job.start, clock(&healthy, job), other.start);
    let [offset, links] =
        ["node.clock.offset", "gpu.nvlink.errors.minute"].map(|key| MetricId::find(key).expect("a metric"));
    let faults = vec![
        reads(gpu::CLOCK_SM, 0.775 * clock, Subject::Gpu(n, 2), 0),
        reads(offset, 0.9, Subject::Node(other), 0),
        reads(links, 5400.0, Subject::Gpu(other, 3), 0),
        reads(gpu::NVLINK_REPLAY_MINUTE, 9.0, Subject::Gpu(other, 3), 0),
        Fault { ailment: Ailment::PortDown, subject: Subject::Port(other, 1), at: FIRST },
        reads(nic::STATE, 3.0, Subject::Port(other, 1), 216),
    ];
    let raised = raised(&healthy, faults, 420);
    assert_eq!(raised, only(&["gpu.straggler", "host.clock", "ib.port", "nvlink.replay"]));
}

#[test]
fn jobs_that_hang_nearly_do_not() {
    let (healthy, jobs) = healthy();
    let ailments = [Ailment::Hang, Ailment::Hang, Ailment::Stall, Ailment::Hang];
    let befalls = |(ailment, nodes): (Ailment, &Range<u32>)| {
        let subject = Subject::JobOf(nodes.start);
        Fault { ailment, subject, at: FIRST }
    };
    let mut faults: Vec<Fault> = ailments.into_iter().zip(&jobs).map(befalls).collect();
    let mut values = healthy.values();
    let mut draws = |n: u32, share: f64, after: u64| {
        healthy.sample(n, healthy.plan().start, &mut values);
        let limit = values.row(gpu::POWER_LIMIT)[0].value(0.5).unwrap();
        reads(gpu::POWER, share * limit, Subject::Node(n), after)
    };
    let [strong, few, idle, long] = jobs;
    // What hangs draws less than 40 % of its limit, busy or idle.
    faults.extend(strong.chain(idle).map(|n| draws(n, 0.44, 0)));
    // It is three quarters of a job at least: here it is two thirds.
    let gpus = few.flat_map(|n| (0..8).map(move |slot| Subject::Gpu(n, slot)));
    faults.extend(gpus.step_by(3).map(|gpu| reads(gpu::TENSOR_ACTIVE, 20.0, gpu, 0)));
    // And what hangs for ten minutes is worse than what does for three.
    faults.extend(long.map(|n| draws(n, 0.44, 540)));
    assert_eq!(raised(&healthy, faults, 960), only(&["job.hang"]));
}
