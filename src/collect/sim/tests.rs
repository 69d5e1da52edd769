//! What a simulated fleet promises: the same values for the same seed, values that agree with each other,
//! and nothing sick before its time.

#![expect(clippy::float_cmp, reason = "values are whole counts of their metric's quantum")]

use super::*;
use crate::model::{Gap, Scope, metric::gpu};

const HEALTHY: Faults = Faults::Given(Vec::new());

fn sim(nodes: u32, seed: u64, faults: Faults) -> Sim {
    Sim::new(Plan { nodes, seed, faults, ..Plan::default() })
}

fn at(sim: &Sim, seconds: f64) -> Time {
    Time::from_millis(sim.plan().start.as_millis() + (seconds * 1000.0) as i64)
}

fn sample(sim: &Sim, n: u32, seconds: f64) -> Values {
    let mut values = sim.values();
    sim.sample(n, at(sim, seconds), &mut values);
    values
}

fn number(values: &Values, metric: MetricId, slot: usize) -> f64 {
    let quantum = metric.builtin().expect("a built-in metric").quantum;
    values.get(metric, slot).value(quantum).unwrap_or_else(|| panic!("{metric:?} is {:?}", values.get(metric, slot)))
}

/// A fleet with one fault 10 s after its start, on a node whose job trains at least until second 130.
fn with_fault(ailment: Ailment) -> (Sim, u32) {
    let healthy = sim(256, 3, HEALTHY);
    let is_right = |n: &u32| {
        let job = healthy.job(*n, at(&healthy, 0.0));
        job.is_some_and(|job| job.kind == Kind::Training && job.gpus == 8 && job.nodes.len() > 1)
            && healthy.schedule.activity(*n, at(&healthy, 0.0)).works_for(130.0)
    };
    let n = (0..192).find(is_right).expect("a node that trains");
    let subject = match ailment {
        Ailment::PowerBrake => Subject::Rack(n / RACK),
        Ailment::Silent | Ailment::DiskFull => Subject::Node(n),
        Ailment::PortDown => Subject::Port(n, 2),
        _ => Subject::Gpu(n, 2),
    };
    (sim(256, 3, Faults::Given(vec![Fault { ailment, subject, at: FIRST }])), n)
}

#[test]
fn one_seed_is_one_fleet() {
    let (a, b, other) = (sim(64, 9, Faults::Seeded), sim(64, 9, Faults::Seeded), sim(64, 10, Faults::Seeded));
    let now = at(&a, 99.5);
    for n in 0..64 {
        assert_eq!(sample(&a, n, 99.5), sample(&b, n, 99.5));
        assert_ne!(sample(&a, n, 99.5), sample(&other, n, 99.5), "node {n}");
        assert_eq!(a.inventory(n, now), b.inventory(n, now));
        assert_eq!(a.processes(n, now), b.processes(n, now));
        assert_eq!(a.introduction(n, now), b.introduction(n, now));
        assert_ne!(a.introduction(n, now).boot_id, other.introduction(n, now).boot_id);
    }
    assert_eq!(a.faults(), b.faults());
}

#[test]
fn everything_has_an_identity_of_its_own() {
    let sim = sim(256, 1, HEALTHY);
    let mut seen = std::collections::HashSet::new();
    for n in 0..256 {
        let (introduction, inventory) = (sim.introduction(n, at(&sim, 0.0)), sim.inventory(n, at(&sim, 0.0)));
        assert!(seen.insert(introduction.boot_id) && seen.insert(introduction.node));
        assert_eq!(inventory.gpus.len(), 8);
        assert_eq!(inventory.gpus_on_bus, Some(8));
        assert_eq!(inventory.nics.len(), 9);
        let buses: std::collections::HashSet<_> = inventory.gpus.iter().map(|g| &g.bus).collect();
        assert_eq!(buses.len(), 8);
        for gpu in inventory.gpus {
            assert_eq!(gpu.uuid.len(), 40);
            assert!(seen.insert(gpu.uuid) && seen.insert(gpu.serial));
        }
    }
}

#[test]
fn every_metric_has_a_value_or_a_reason() {
    let sim = sim(512, 2, Faults::Seeded);
    for n in 0..512 {
        let values = sample(&sim, n, 700.0);
        for scope in Scope::SAMPLED {
            for (row, metric) in scope.metrics().iter().enumerate() {
                let id = MetricId { scope, row: row as u16 };
                let from_the_hub = node::OF_THE_HUB.contains(&id) || gpu::OF_THE_HUB.contains(&id);
                for (slot, raw) in values.row(id).iter().enumerate() {
                    let gap = raw.gap();
                    assert_eq!(gap == Some(Gap::Unknown), from_the_hub, "{} of node {n}:{slot}", metric.key);
                    let lost = || sim.inventory(n, at(&sim, 700.0)).faults.iter().any(|f| f.gpu == Some(slot as u16));
                    assert!(gap != Some(Gap::Failed) || lost(), "{} of node {n}:{slot}", metric.key);
                }
            }
        }
    }
}

#[test]
fn an_old_machine_lacks_new_metrics() {
    let sim = sim(256, 1, HEALTHY);
    let (old, new) = (sample(&sim, 255, 5.0), sample(&sim, 0, 5.0));
    for metric in [gpu::SM_ACTIVE, gpu::TENSOR_ACTIVE, gpu::DRAM_ACTIVE] {
        assert_eq!(old.get(metric, 0), Raw::UNSUPPORTED);
        assert_ne!(new.get(metric, 0), Raw::UNSUPPORTED);
    }
    assert_eq!(number(&old, gpu::NVLINK_LINKS, 0), 12.0);
}

#[test]
fn energy_is_the_integral_of_power() {
    let (sick, n) = with_fault(Ailment::Overheated);
    // Long enough for jobs to begin and end on some of these.
    for (n, seconds) in [(n, 120), (0, 3000), (40, 3000), (77, 3000), (250, 3000)] {
        let (mut sums, first) = ([0.0; 8], sample(&sick, n, 0.0));
        for second in 1..=seconds {
            let values = sample(&sick, n, f64::from(second));
            for (slot, sum) in sums.iter_mut().enumerate() {
                *sum += number(&values, gpu::POWER, slot);
            }
        }
        let last = sample(&sick, n, f64::from(seconds));
        for (slot, sum) in sums.into_iter().enumerate() {
            let joules = number(&last, gpu::ENERGY, slot) - number(&first, gpu::ENERGY, slot);
            // The counter's own step is 100 J.
            assert!((joules - sum).abs() < 0.01 * sum + 200.0, "node {n}:{slot} {joules} J, {sum} Ws");
        }
    }
}

#[test]
fn energy_never_runs_backwards() {
    let sim = sim(64, 4, Faults::Seeded);
    for n in 0..64 {
        let mut last = [0.0; 8];
        for minute in 0..300 {
            let values = sample(&sim, n, f64::from(minute) * 60.0);
            for (slot, last) in last.iter_mut().enumerate() {
                let raw = values.get(gpu::ENERGY, slot);
                if raw != Raw::FAILED {
                    let joules = number(&values, gpu::ENERGY, slot);
                    assert!(joules >= *last, "node {n}:{slot} at minute {minute}: {joules} after {last}");
                    *last = joules;
                }
            }
        }
    }
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let dot = |x: &[f64], mx: f64, y: &[f64], my: f64| x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>();
    dot(a, ma, b, mb) / (dot(a, ma, a, ma) * dot(b, mb, b, mb)).sqrt()
}

#[test]
fn gpus_of_one_training_job_move_together() {
    let (sim, n) = with_fault(Ailment::Silent);
    let job = sim.job(n, at(&sim, 0.0)).expect("a job");
    let power = |n: u32, slot: usize| -> Vec<f64> {
        (0..120).map(|second| number(&sample(&sim, n, f64::from(second)), gpu::POWER, slot)).collect()
    };
    let (first, last) = (power(job.nodes.start, 0), power(job.nodes.end - 1, 7));
    let r = correlation(&first, &last);
    assert!(r > 0.9, "within a job: {r}");
    let elsewhere = (0..192)
        .find(|other| sim.job(*other, at(&sim, 0.0)).is_some_and(|o| o.id != job.id && o.kind == Kind::Training))
        .expect("another job");
    let r = correlation(&first, &power(elsewhere, 0));
    assert!(r < 0.6, "between jobs: {r}");
}

#[test]
fn jobs_begin_and_end_and_differ_in_size() {
    let sim = sim(1024, 6, HEALTHY);
    let jobs = |seconds| -> std::collections::BTreeMap<u64, Job> {
        (0..1024).filter_map(|n| sim.job(n, at(&sim, seconds))).map(|job| (job.id, job)).collect()
    };
    let (before, after) = (jobs(0.0), jobs(1800.0));
    assert!(before.keys().any(|id| !after.contains_key(id)), "a job has ended");
    assert!(after.keys().any(|id| !before.contains_key(id)), "a job has begun");
    let sizes: std::collections::BTreeSet<usize> =
        before.values().map(|job| job.nodes.len() * usize::from(job.gpus)).collect();
    assert!(sizes.len() >= 6 && *sizes.last().unwrap() >= 512, "{sizes:?}");
    for job in before.values() {
        assert!(job.started <= at(&sim, 0.0) && at(&sim, 0.0) < job.ends, "{job:?}");
        for n in job.nodes.clone() {
            assert_eq!(sim.job(n, at(&sim, 0.0)).as_ref(), Some(job), "all nodes of a job agree");
        }
    }
    let idle = (0..1024).filter(|n| sim.job(*n, at(&sim, 0.0)).is_none()).count();
    assert!((10..300).contains(&idle), "{idle} idle nodes");
}

#[test]
fn an_idle_node_rests_and_a_busy_one_works() {
    let sim = sim(1024, 6, HEALTHY);
    for n in 0..768 {
        let values = sample(&sim, n, 60.0);
        let Some(job) = sim.job(n, at(&sim, 60.0)) else {
            assert_eq!(number(&values, gpu::UTIL, 3), 0.0);
            assert_eq!(number(&values, gpu::THROTTLE, 3), 1.0, "idle");
            assert!(number(&values, gpu::POWER, 3) < 110.0);
            assert!(number(&values, node::CPU, 0) < 2.0);
            continue;
        };
        let (power, limit) = (number(&values, gpu::POWER, 0), number(&values, gpu::POWER_LIMIT, 0));
        assert!((60.0..limit * 1.03).contains(&power), "node {n}: {power} W");
        assert!((25.0..86.0).contains(&number(&values, gpu::TEMP, 0)));
        if job.kind == Kind::Training && sim.schedule.activity(n, at(&sim, 0.0)).works_for(60.0) {
            assert!(number(&values, gpu::MEM_UTIL, 0) > 60.0);
            assert!((1200.0..1980.0).contains(&number(&values, gpu::CLOCK_SM, 0)), "node {n}");
        }
    }
}

#[test]
fn heat_follows_power_with_a_lag_and_the_hour_of_the_day() {
    let sim = sim(256, 8, HEALTHY);
    let started =
        (0..192).flat_map(|n| (0..240).map(move |minute| (n, f64::from(minute) * 60.0))).find_map(|(n, second)| {
            let job = sim.job(n, at(&sim, second)).filter(|job| job.kind == Kind::Training)?;
            let works = job.started.seconds_after(sim.plan().start) + 61.0;
            (works > 60.0 && job.ends.seconds_after(sim.plan().start) > works + 60.0).then_some((n, works))
        });
    let (n, works) = started.expect("a job that starts");
    let temp = |seconds| number(&sample(&sim, n, seconds), gpu::TEMP, 0);
    let (cold, warm) = (temp(works - 75.0), temp(works + 50.0));
    assert!(warm > cold + 15.0, "{cold} to {warm}");
    let hour = |hour: f64| moment::inlet(0, Time::from_millis((hour * 3.6e6) as i64));
    assert!(hour(15.0) > hour(3.0) + 5.0);
}

#[test]
fn most_of_what_moves_changes_each_second() {
    let sim = sim(256, 1, HEALTHY);
    let (mut cells, mut changed) = (0, 0);
    for n in (0..256).filter(|n| sim.schedule.activity(*n, at(&sim, 0.0)).works_for(30.0)) {
        if sim.job(n, at(&sim, 0.0)).is_some_and(|job| job.gpus < 8) {
            continue;
        }
        for second in 10..20 {
            let (before, after) = (sample(&sim, n, f64::from(second)), sample(&sim, n, f64::from(second) + 1.0));
            for scope in Scope::SAMPLED {
                for id in
                    (0..scope.metrics().len()).map(|row| MetricId { scope, row: row as u16 }).filter(|id| moves(*id))
                {
                    for (a, b) in before.row(id).iter().zip(after.row(id)).filter(|(a, _)| a.gap().is_none()) {
                        cells += 1;
                        changed += usize::from(a != b);
                    }
                }
            }
        }
    }
    assert!(cells > 100_000);
    assert!(changed * 100 >= cells * 60, "{} %", changed * 100 / cells);
}

#[test]
fn nothing_is_sick_before_its_time() {
    let sim = sim(512, 2, Faults::Seeded);
    assert!(!sim.faults().is_empty());
    for n in 0..512 {
        let values = sample(&sim, n, 9.9);
        assert!(!sim.silent(n, at(&sim, 9.9)));
        assert!(sim.events(n, at(&sim, -100.0), at(&sim, 9.9)).is_empty());
        assert!(sim.inventory(n, at(&sim, 9.9)).faults.is_empty());
        for slot in 0..8 {
            for metric in [gpu::ECC_DBE, gpu::REMAP_UNCORR, gpu::REMAP_PENDING, gpu::REMAP_FAILED] {
                assert_eq!(number(&values, metric, slot), 0.0);
            }
            assert_eq!(values.get(gpu::XID, slot), Raw::ABSENT);
            assert_eq!(number(&values, gpu::PCIE_WIDTH, slot), 16.0);
            assert!(number(&values, gpu::THROTTLE, slot) <= 4.0, "idle and power cap are normal");
        }
        assert_eq!(number(&values, node::IB_PORTS_UP, 0), 8.0);
        assert!(number(&values, node::DISK_USED, 0) < 90.0);
    }
    let sick = (0..512).filter(|n| sim.wards.of(*n).iter().any(|case| case.at <= at(&sim, 10.0))).count();
    assert!(sick > 0, "and then some are");
}

#[test]
fn a_gpu_off_the_bus_fails_with_a_reason_and_an_event() {
    let (sim, n) = with_fault(Ailment::OffBus);
    let values = sample(&sim, n, 12.0);
    assert_eq!(values.get(gpu::UTIL, 2), Raw::FAILED);
    assert_eq!(number(&values, gpu::XID, 2), 79.0);
    assert_eq!(number(&values, gpu::XID_AGE, 2), 2.0);
    assert_ne!(values.get(gpu::UTIL, 3), Raw::FAILED);
    assert_eq!((number(&values, node::GPUS, 0), number(&values, node::GPUS_EXPECTED, 0)), (7.0, 8.0));
    let inventory = sim.inventory(n, at(&sim, 12.0));
    assert_eq!((inventory.faults[0].gpu, inventory.faults[0].reason.as_str()), (Some(2), "lost"));
    assert!(sim.inventory_changes(n, at(&sim, 9.0), at(&sim, 10.0)));
    assert!(!sim.inventory_changes(n, at(&sim, 10.0), at(&sim, 11.0)));
    let events = sim.events(n, at(&sim, 9.0), at(&sim, 10.0));
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, crate::model::report::EventKind::Xid(79));
    assert_eq!(events[0].subject, crate::model::report::Subject::Gpu { bus: inventory.gpus[2].bus.clone() });
    assert!(sim.events(n, at(&sim, 10.0), at(&sim, 99.0)).is_empty(), "told once");
    assert_eq!(sim.processes(n, at(&sim, 12.0)).list.iter().filter(|p| !p.gpus.is_empty()).count(), 7);
}

#[test]
fn each_fault_shows_in_its_own_metric_and_no_other_gpu() {
    let check = |ailment, metric: MetricId, is_sick: fn(f64) -> bool| {
        let (sim, n) = with_fault(ailment);
        let (before, after) = (sample(&sim, n, 9.0), sample(&sim, n, 40.0));
        let slot = if metric.scope == Scope::Node { 0 } else { 2 };
        let (before, now) = (number(&before, metric, slot), number(&after, metric, slot));
        assert!(!is_sick(before) && is_sick(now), "{ailment:?}: {metric:?} was {before}, is {now}");
        if metric.scope != Scope::Node && ailment != Ailment::PowerBrake {
            assert!(!is_sick(number(&after, metric, 3)), "{ailment:?}: {metric:?} of a healthy one");
        }
        let elsewhere = (0..256).find(|other| other / RACK != n / RACK).expect("another rack");
        assert!(!is_sick(number(&sample(&sim, elsewhere, 40.0), metric, slot)), "{ailment:?} elsewhere");
    };
    check(Ailment::MemoryError, gpu::ECC_DBE, |x| x > 0.0);
    check(Ailment::RemapPending, gpu::REMAP_PENDING, |x| x > 0.0);
    check(Ailment::Overheated, gpu::TEMP, |x| x > 85.0);
    check(Ailment::Overheated, gpu::THROTTLE, |x| x as i32 & 64 != 0);
    check(Ailment::NarrowBus, gpu::PCIE_WIDTH, |x| x < 16.0);
    check(Ailment::LinkDown, gpu::NVLINK_ERRORS, |x| x > 50.0);
    check(Ailment::PowerBrake, gpu::THROTTLE, |x| x as i32 & 128 != 0);
    check(Ailment::PortDown, nic::STATE, |x| x == 0.0);
    check(Ailment::PortDown, node::IB_PORTS_UP, |x| x < 8.0);
    check(Ailment::DiskFull, node::DISK_USED, |x| x > 99.0);
}

#[test]
fn a_straggler_is_slower_than_its_peers_without_a_reason() {
    let (sim, n) = with_fault(Ailment::Straggler);
    let values = sample(&sim, n, 40.0);
    let of = |metric, slot| number(&values, metric, slot);
    assert!((0.87..0.93).contains(&(of(gpu::CLOCK_SM, 2) / of(gpu::CLOCK_SM, 3))));
    assert!(of(gpu::POWER, 2) < of(gpu::POWER, 3));
    assert!(of(gpu::TENSOR_ACTIVE, 2) > of(gpu::TENSOR_ACTIVE, 3), "it works while the others wait");
    assert_eq!(of(gpu::THROTTLE, 2), 0.0);
}

#[test]
fn a_slow_rank_has_its_whole_job_wait() {
    // One is a tenth slower than its peers, and the other more than a quarter.
    for (ailment, paces) in [(Ailment::Straggler, [0.92, 0.98, 0.95]), (Ailment::Overheated, [0.85, 0.95, 0.85])] {
        let ((sick, n), (healthy, _)) = (with_fault(ailment), with_fault(Ailment::DiskFull));
        let job = sick.job(n, at(&sick, 0.0)).expect("it trains");
        let other = job.nodes.clone().find(|other| *other != n).expect("on several nodes");
        let (mut share, mut well) = ([0.0; 3], [0.0; 3]);
        for second in 30..90 {
            for (sim, sum) in [(&sick, &mut share), (&healthy, &mut well)] {
                let values = sample(sim, other, f64::from(second));
                let of = |metric| number(&values, metric, 2);
                for (metric, sum) in [gpu::TENSOR_ACTIVE, gpu::POWER, gpu::UTIL].into_iter().zip(sum) {
                    *sum += of(metric);
                }
            }
        }
        let is_slow = share[0] < paces[0] * well[0] && share[1] < paces[1] * well[1];
        assert!(is_slow, "{ailment:?}: {share:?} of {well:?}");
        assert!(share[2] > 0.98 * well[2], "{ailment:?}: as busy as ever: {share:?} of {well:?}");
        let (values, well) = (sample(&sick, other, 60.0), sample(&healthy, other, 60.0));
        assert!(number(&values, node::IB_TX, 0) < paces[2] * number(&well, node::IB_TX, 0), "{ailment:?}");
    }
}

#[test]
fn a_rank_that_is_gone_leaves_the_others_spinning() {
    let (sim, n) = with_fault(Ailment::RankGone);
    let job = sim.job(n, at(&sim, 0.0)).expect("it trains");
    let other = job.nodes.clone().find(|other| *other != n).expect("on several nodes");
    for (node, slot, util, procs) in [(n, 2, 0.0, 0.0), (n, 3, 100.0, 1.0), (other, 2, 100.0, 1.0)] {
        let values = sample(&sim, node, 60.0);
        assert_eq!(
            (number(&values, gpu::UTIL, slot), number(&values, gpu::PROCS, slot)),
            (util, procs),
            "{node}:{slot}"
        );
        assert!(number(&values, gpu::POWER, slot) < 0.4 * number(&values, gpu::POWER_LIMIT, slot), "{node}:{slot}");
    }
    let slots =
        |n| sim.processes(n, at(&sim, 60.0)).list.into_iter().flat_map(|it| it.gpus).map(|it| it.slot).collect();
    assert_eq!((slots(n), slots(other)), (vec![0, 1, 3, 4, 5, 6, 7], vec![0, 1, 2, 3, 4, 5, 6, 7]));
}

#[test]
fn a_rank_that_stalls_is_there_and_runs_nothing() {
    let (sim, n) = with_fault(Ailment::Stall);
    let values = sample(&sim, n, 60.0);
    assert_eq!((number(&values, gpu::UTIL, 2), number(&values, gpu::PROCS, 2)), (0.0, 1.0));
    assert_eq!((number(&values, gpu::NVLINK_TX, 2), number(&values, node::IB_TX, 0) < 1e6), (0.0, true));
}

#[test]
fn a_silent_node_is_silent_from_its_time_on() {
    let (sim, n) = with_fault(Ailment::Silent);
    assert!(!sim.silent(n, at(&sim, 9.9)) && sim.silent(n, at(&sim, 10.0)) && sim.silent(n, at(&sim, 1e6)));
    assert!(!sim.silent(n + 1, at(&sim, 1e6)));
}

#[test]
fn each_gpu_of_a_busy_node_has_a_rank() {
    let (sim, n) = with_fault(Ailment::Silent);
    let now = at(&sim, 5.0);
    let processes = sim.processes(n, now);
    let ranks: Vec<_> = processes.list.iter().filter(|p| !p.gpus.is_empty()).collect();
    let slots: Vec<u16> = ranks.iter().map(|p| p.gpus[0].slot).collect();
    assert_eq!(slots, [0, 1, 2, 3, 4, 5, 6, 7]);
    for rank in ranks {
        assert!(rank.user.starts_with('u') && rank.name.starts_with("python3"), "{rank:?}");
        assert!(rank.gpus[0].mem.is_some_and(|mem| mem > 10 << 30));
        assert!(rank.cpu.is_some_and(|cpu| cpu > 10.0));
        assert_eq!(rank.workload.job, sim.job(n, now).unwrap().id.to_string());
    }
    assert!(processes.list.iter().all(|p| p.gpus.is_empty() == p.workload.job.is_empty()), "daemons have no job");
    assert!(processes.list.len() > 15);
    assert_eq!(processes.cores.len(), number(&sample(&sim, n, 5.0), node::CORES, 0) as usize);
    let cpu = processes.cores.iter().map(|c| f64::from(*c)).sum::<f64>() / processes.cores.len() as f64;
    assert!((cpu - number(&sample(&sim, n, 5.0), node::CPU, 0)).abs() < 3.0, "cores agree with the node: {cpu}");
    assert_eq!(processes.mounts.len(), 4);
}

#[test]
fn fleets_of_any_shape_can_be_asked_anything() {
    for (nodes, gpus) in [(0, 8), (1, 0), (1, 1), (3, 16), (33, 99), (5, 4)] {
        let sim = Sim::new(Plan { nodes, gpus, ..Plan::default() });
        assert!(sim.plan().gpus <= MAX_GPUS);
        for n in 0..nodes {
            for seconds in [-1e9, -1.0, 0.0, 15.0, 1e9] {
                let now = at(&sim, seconds);
                let values = sample(&sim, n, seconds);
                assert_eq!(values.slots(Scope::Gpu), usize::from(sim.plan().gpus));
                assert_eq!(sim.inventory(n, now).nics.len(), values.slots(Scope::Nic));
                assert_eq!(sim.processes(n, now).mounts.len(), 4);
            }
        }
    }
}

#[test]
fn a_node_that_starts_anew_is_gone_and_comes_back_as_another_boot() {
    let fault = Fault { ailment: Ailment::Reboot, subject: Subject::Node(3), at: FIRST };
    let sim = sim(8, 1, Faults::Given(vec![fault]));
    let up = at(&sim, 190.0);
    let said = |second: f64| (sim.silent(3, at(&sim, second)), sim.restarted(3, at(&sim, second)));
    assert_eq!((said(9.0), said(189.0), said(190.0)), ((false, None), (true, None), (false, Some(up))));
    let [before, after] = [100.0, 200.0].map(|second| sim.introduction(3, at(&sim, second)));
    assert_ne!(before.boot_id, after.boot_id);
    assert_eq!((before.node, before.started, after.started), (after.node, sim.plan().start, up));
    assert_eq!(sample(&sim, 3, 200.0).get(node::UPTIME, 0).steps(), Some(10));
    assert!(sim.processes(3, at(&sim, 200.0)).list.iter().all(|process| process.started >= Some(up)));
    assert_eq!(sim.restarted(2, at(&sim, 900.0)), None);
}

#[test]
fn a_lemon_loses_its_gpu_three_times_and_a_bad_gpu_fails_three_programs() {
    for seed in 1..=4 {
        let of =
            |fault: &Fault| if let Subject::Gpu(n, slot) = fault.subject { (n, slot) } else { panic!("{fault:?}") };
        let lemon = sim(64, seed, Faults::Lemon);
        let lost: Vec<&Fault> = lemon.faults().iter().filter(|fault| fault.ailment == Ailment::OffBus).collect();
        assert!(lost.len() == 3 && lost.iter().all(|fault| of(fault) == of(lost[0])), "{lost:?}");
        assert!(lost.windows(2).all(|pair| pair[0].at + Duration::from_hours(24) < pair[1].at), "{lost:?}");
        let faults_at = |hours: f64| lemon.inventory(of(lost[0]).0, at(&lemon, hours * 3600.0)).faults.len();
        assert_eq!([0.5, 2.0, 25.5, 27.0, 50.5].map(faults_at), [1, 0, 1, 0, 1], "it is mended in between");
        let bad = sim(64, seed, Faults::BadGpu);
        assert!(bad.faults().len() == 3 && bad.faults().iter().all(|fault| of(fault) == of(&bad.faults()[0])));
        let job = |fault: &Fault| bad.job(of(fault).0, bad.plan().start + fault.at).expect("it is at work").user;
        let users: std::collections::BTreeSet<String> = bad.faults().iter().map(job).collect();
        assert!(users.len() == 3 && bad.faults()[2].at < Duration::from_hours(20), "{users:?}");
    }
}
