//! The health engine over simulated fleets: each fault is found, named, and told what to do about it; nothing else is.

use std::{collections::BTreeSet, time::Duration};

use supertop::{
    collect::sim::{
        Ailment, FIRST, Fault, Faults, Kind, Plan, Sim, Subject,
        mix::{Failure, Mix, causes},
        scenario,
    },
    health::Rules,
    model::{
        MetricId, Raw,
        incident::{Incident, Severity, Stage},
        metric::{Scope, gpu},
        verdict::Verdict,
    },
};

use crate::{play::Play, published, readings};

/// Plays a scenario for so long and says what is open then; whatever is open before is about the same subject.
pub(crate) fn check(
    name: &str,
    nodes: u32,
    seconds: u32,
    (rule, severity): (&str, Severity),
    reason: &str,
    action: &str,
) {
    let mut play = Play::new(nodes, 1, scenario::named(name).unwrap());
    let subject = play.subject();
    let node = subject.split([':', '/']).next().unwrap().to_owned();
    for _ in 0..seconds {
        play.step();
        for incident in play.open() {
            let its = incident.subject.to_string();
            let is_its = its.starts_with(&node) || incident.nodes.contains(&node) || subject.ends_with(' ');
            assert!(is_its, "{name}: after {} s {its}: {} ({})", play.seconds, incident.reason, incident.rule);
        }
    }
    let open = play.open();
    let [incident] = &open[..] else { panic!("{name}: {open:#?}; rules: {:#?}", problems(&play)) };
    assert_eq!((&*incident.rule, incident.severity), (rule, severity), "{name}: {incident:#?}");
    assert!(incident.subject.to_string().starts_with(&subject), "{name}: {} is not {subject}", incident.subject);
    assert!(incident.reason.contains(reason), "{name}: {}", incident.reason);
    assert!(incident.action.contains(action), "{name}: {}", incident.action);
}

/// Plays faults for so long and says what is open then of a rule.
pub(crate) fn open(faults: Faults, seconds: u32, rule: &str) -> (Play, Incident) {
    let mut play = Play::new(64, 1, faults);
    (0..seconds).for_each(|_| play.step());
    let open = play.open();
    let incident = open.iter().find(|it| it.rule == rule).cloned();
    let incident = incident.unwrap_or_else(|| panic!("no {rule}: {open:#?}; rules: {:#?}", problems(&play)));
    (play, incident)
}

/// Whether a node's job trains on several nodes and goes on for half an hour.
pub(crate) fn trains(sim: &Sim, n: u32) -> bool {
    let start = sim.plan().start;
    sim.job(n, start)
        .is_some_and(|job| job.kind == Kind::Training && job.nodes.len() > 1 && job.ends.seconds_after(start) > 1800.0)
}

/// What is wrong with rules.
fn problems(play: &Play) -> Vec<String> {
    let wrong = play.health.rules().iter().filter(|rule| !rule.problem.is_empty());
    wrong.map(|rule| format!("{}: {}", rule.id, rule.problem)).collect()
}

#[test]
fn every_rule_can_be_asked() {
    let mut play = Play::new(40, 1, Faults::Given(Vec::new()));
    play.step();
    assert_eq!(problems(&play), [""; 0]);
}

#[test]
fn what_moves_under_load_is_no_trouble() {
    let plan = |restless| Plan { nodes: 4, restless, faults: Faults::Given(Vec::new()), ..Plan::default() };
    let [calm, restless] = [false, true].map(|restless| Sim::new(plan(restless)));
    let (mut before, mut values) = (calm.values(), restless.values());
    // In every other second all of it moves.
    let mut moved = BTreeSet::new();
    for (n, second) in (0..4).flat_map(|n| [61, 62].map(|second| (n, second))) {
        let now = restless.plan().start + Duration::from_secs(second);
        calm.sample(n, now, &mut before);
        restless.sample(n, now, &mut values);
        for scope in Scope::SAMPLED {
            let ids = scope.metrics().iter().filter_map(|metric| MetricId::find(&metric.key));
            moved
                .extend(ids.filter(|id| before.row(*id) != values.row(*id)).filter_map(|id| Some(&*id.builtin()?.key)));
        }
        // What is compared with each other moves together.
        for pair in [[gpu::PCIE_WIDTH, gpu::PCIE_WIDTH_MAX], [gpu::PCIE_GEN, gpu::PCIE_GEN_MAX]] {
            let [has, can] = pair.map(|metric| values.row(metric).to_vec());
            assert_eq!(has, can, "node {n}");
        }
    }
    assert!(moved.contains("gpu.pcie.width.max"), "{moved:?}");
    // Samples of two nodes are of different moments, and differ by a quantum.
    for rule in Rules::default().rules {
        let of_view =
            moved.iter().filter_map(|key| key.split_once('.')).filter(|(scope, _)| rule.view == format!("{scope}s"));
        for (key, differs) in of_view.flat_map(|(_, key)| ["<", ">", "!="].map(|differs| (key, differs))) {
            let compares = format!("{key} {differs} majority(");
            assert!(!rule.when.contains(&compares), "{}: {}", rule.id, rule.when);
        }
    }
}

#[test]
fn a_fleet_without_faults_raises_nothing() {
    let healthy = |seed| Play::new(96, seed, Faults::Given(Vec::new()));
    // Stages take turns and requests come in bursts: that is what they are like.
    let kinds = [Kind::Training, Kind::Pipeline, Kind::Serving];
    let plays =
        |play: &Play, kind: Kind| (0..96).filter_map(|n| play.sim.job(n, play.now())).any(|job| job.kind == kind);
    let with_all = (2..50).map(healthy).find(|play| kinds.iter().all(|kind| plays(play, *kind)));
    for mut play in [healthy(1), with_all.expect("a fleet with all kinds of jobs")] {
        for _ in 0..600 {
            play.step();
            assert_eq!(play.open(), [], "after {} s", play.seconds);
        }
    }
}

#[test]
fn lost_gpus_are_found() {
    check("xid79", 64, 30, ("gpu.xid", Severity::Crit), "XID 79", "power-cycle");
}

#[test]
fn memory_errors_are_found() {
    check("ecc-dbe", 64, 30, ("gpu.xid", Severity::Crit), "XID 94", "reset the GPU");
    check("remap-pending", 64, 30, ("gpu.remap.pending", Severity::Warn), "waits for a reset", "reset the GPU");
}

#[test]
fn hot_gpus_are_found() {
    check("hw-thermal", 64, 90, ("gpu.throttle.hw_thermal", Severity::Crit), "its own heat", "fans");
}

#[test]
fn power_brakes_are_found() {
    check("power-brake", 256, 40, ("gpu.throttle.power_brake", Severity::Crit), "power brake", "power supply");
}

#[test]
fn bad_links_are_found() {
    check("pcie-width", 64, 90, ("gpu.pcie.width", Severity::Crit), "8 of 16 lanes", "reseat");
    check("nvlink-down", 64, 30, ("gpu.xid", Severity::Crit), "XID 74", "reset");
}

#[test]
fn dead_ports_are_found() {
    check("port-down", 64, 280, ("ib.port.lost", Severity::Crit), "port is down", "cable");
}

#[test]
fn who_is_slow_for_a_known_reason_is_slow_all_the_same() {
    let mut play = Play::new(64, 1, scenario::named("hw-thermal").unwrap());
    (0..330).for_each(|_| play.step());
    let slow = play.health.verdicts().iter().filter(|(_, verdict)| *verdict == Verdict::Slow).count();
    assert_eq!(slow, 1);
}

#[test]
fn stragglers_are_found() {
    check("straggler", 64, 280, ("gpu.straggler", Severity::Warn), "the others wait", "next run");
}

#[test]
fn stragglers_are_found_where_nobody_knows_of_jobs() {
    let mut play = Play::new(64, 1, scenario::named("straggler").unwrap());
    play.queue = None;
    let subject = play.subject();
    (0..340).for_each(|_| play.step());
    let open = play.open();
    let [incident] = &open[..] else { panic!("{open:#?}; rules: {:#?}", problems(&play)) };
    assert_eq!((&*incident.rule, incident.subject.to_string()), ("gpu.straggler.node", subject), "{incident:#?}");
    assert!(incident.reason.contains("among its node's GPUs at "), "{incident:#?}");
    let mut healthy = Play::new(96, 1, Faults::Given(Vec::new()));
    healthy.queue = None;
    for _ in 0..420 {
        healthy.step();
        assert_eq!(healthy.open(), [], "after {} s", healthy.seconds);
    }
}

#[test]
fn a_straggler_is_the_suspect_of_its_job() {
    let (play, incident) = open(scenario::named("straggler").unwrap(), 280, "gpu.straggler");
    let Incident { evidence, .. } = &incident;
    let first = evidence.first().map_or("", |line| line.as_str());
    assert!(first.starts_with(&format!("{} slow: ", play.subject())) && first.contains(" MHz"), "{evidence:?}");
    assert!(evidence.iter().skip(1).all(|line| line.ends_with("wait")), "nobody else is suspect: {evidence:?}");
    let words = |verdict| play.health.verdicts().iter().filter(|(_, said)| *said == verdict).count();
    // The others wait for a tenth of each step, which no reading of a second shows.
    assert_eq!((words(Verdict::Slow), words(Verdict::Gone), words(Verdict::Link)), (1, 0, 0));
    let (play, _) = open(scenario::named("hw-thermal").unwrap(), 280, "gpu.throttle.hw_thermal");
    let waiting = play.health.verdicts().iter().filter(|(_, said)| *said == Verdict::Waiting).count();
    assert!(waiting > 0, "the others of a job wait where one rank is a quarter slower");
}

#[test]
fn silent_nodes_are_found() {
    check("silent-node", 64, 90, ("node.silent", Severity::Crit), "silent for", "ping");
    check("dead-rack", 256, 90, ("node.silent", Severity::Crit), "32 of 32 nodes", "ping");
}

#[test]
fn a_dead_switch_is_one_incident_of_its_rack() {
    // A port of each node of the second rack loses its link at once.
    let fault = |n| Fault { ailment: Ailment::PortDown, subject: Subject::Port(n, 1), at: FIRST };
    let mut play = Play::new(128, 1, Faults::Given((32..64).map(fault).collect()));
    (0..30).for_each(|_| play.step());
    let open = play.open();
    let [incident] = &open[..] else { panic!("{open:#?}") };
    assert_eq!((&*incident.rule, incident.nodes.len()), ("ib.port", 32), "{incident:#?}");
    assert!(incident.subject.to_string().starts_with("rack ") && incident.reason.starts_with("32 of 32 nodes: "));
}

#[test]
fn full_disks_are_found() {
    check("disk-full", 64, 90, ("host.disk.full", Severity::Crit), "full", "make room");
}

#[test]
fn drivers_that_hang_or_are_slow_are_found() {
    check("driver-hung", 64, 30, ("gpu.lost", Severity::Crit), "has not answered for 3 s", "power-cycle");
    check("driver-slow", 64, 40, ("gpu.handle_slow", Severity::Warn), "took 1.4 s", "look for XID 119");
}

#[test]
fn mounts_that_hang_and_disks_that_fill_are_found() {
    check("mount-hung", 64, 60, ("host.mount", Severity::Crit), "the mount is hung", "file server");
    check("inodes-spent", 64, 90, ("host.disk.full", Severity::Crit), "100 % of inodes", "make room");
    check("disk-filling", 64, 110, ("host.disk", Severity::Warn), "93", "make room");
    check(
        "disk-read-only",
        64,
        110,
        ("host.mount.readonly", Severity::Crit),
        "on most nodes it is not",
        "mount it again",
    );
}

#[test]
fn memory_without_a_process_is_found() {
    check("memory-left", 64, 110, ("gpu.zombie", Severity::Warn), "no process holds it", "reset the GPU");
}

#[test]
fn switches_that_lose_a_link_are_found() {
    check("switch-link", 64, 30, ("switch.sxid", Severity::Crit), "SXid 20034", "reset");
}

/// Plays a scenario to its end and says what is told of its node then by a rule.
fn told(mut play: Play, seconds: u32, rule: &str) -> Incident {
    let subject = play.subject();
    let node = subject.split(':').next().unwrap().to_owned();
    while play.seconds < seconds {
        play.step();
        let others = play.open().into_iter().filter(|it| !it.subject.to_string().starts_with(&node));
        assert_eq!(others.collect::<Vec<_>>(), [], "after {} s", play.seconds);
    }
    let told = play.told();
    told.iter().find(|it| it.rule == rule).cloned().unwrap_or_else(|| panic!("no {rule}: {told:#?}"))
}

#[test]
fn what_is_older_than_its_peers_is_told_of() {
    let play = |name| Play::new(64, 1, scenario::named(name).unwrap());
    let driver = told(play("old-driver"), 400, "host.driver");
    assert!(driver.reason.starts_with("driver 570.172.08"), "{driver:#?}");
    let vbios = told(play("old-vbios"), 400, "gpu.vbios");
    assert!(vbios.reason.starts_with("VBIOS 96.00.74.00.01") && vbios.severity == Severity::Info, "{vbios:#?}");
    let gsp = told(play("gsp-off"), 400, "gpu.gsp");
    assert!(gsp.reason.starts_with("GSP firmware is off") && gsp.severity == Severity::Info, "{gsp:#?}");
    let divided = told(play("divided"), 400, "gpu.mig");
    assert!(divided.reason.starts_with("MIG is on") && divided.severity == Severity::Info, "{divided:#?}");
}

#[test]
fn a_node_that_starts_anew_is_silent_and_then_told_of() {
    let mut play = Play::new(64, 1, scenario::named("reboot").unwrap());
    (0..100).for_each(|_| play.step());
    assert_eq!(play.open().iter().map(|it| &*it.rule).collect::<Vec<_>>(), ["node.silent"]);
    let reboot = told(play, 280, "host.reboot");
    assert!(reboot.reason.starts_with("it came back"), "{reboot:#?}");
}

/// A scenario of days, on a few nodes that say something every five minutes.
fn slowly(name: &str, hours: u32, rule: &str) -> Incident {
    let (faults, interval) = (scenario::named(name).unwrap(), Duration::from_mins(5));
    told(Play::of(Plan { nodes: 16, faults, interval, ..Plan::default() }), 3600 * hours, rule)
}

#[test]
fn a_node_that_loses_a_gpu_on_three_days_is_a_lemon() {
    let lemon = slowly("lemon", 51, "node.lemon");
    assert!(
        lemon.reason.starts_with("had to be drained 3 times in 28 days, and 1 of 16 nodes has so many"),
        "{lemon:#?}"
    );
}

#[test]
fn a_gpu_on_which_three_programs_fail_is_suspect() {
    let suspect = slowly("bad-gpu", 21, "gpu.xid.apps");
    assert!(suspect.reason.starts_with("3 programs had XIDs on it within a day and nowhere else"), "{suspect:#?}");
}

#[test]
fn gpus_that_a_job_keeps_and_does_not_use_are_told_of() {
    let mut play = Play::new(64, 1, scenario::named("unused").unwrap());
    (0..960).for_each(|_| play.step());
    let told = play.told();
    assert!(told.iter().any(|it| it.rule == "job.unused" && it.reason.contains("have had no process")), "{told:#?}");
    assert_eq!(play.open(), []);
}

#[test]
fn gpus_that_have_a_process_and_do_nothing_are_told_of() {
    let mut play = Play::new(64, 1, scenario::named("idle").unwrap());
    (0..960).for_each(|_| play.step());
    let told: Vec<(String, String)> = play.told().into_iter().map(|it| (it.rule, it.reason)).collect();
    assert!(matches!(&told[..], [(rule, reason)] if rule == "job.idle" && reason.starts_with("1 of its ")), "{told:?}");
}

#[test]
fn a_gpu_that_was_reset_has_to_prove_itself() {
    let sim = Sim::new(Plan { nodes: 64, seed: 1, faults: Faults::Given(Vec::new()), ..Plan::default() });
    let subject = Subject::Gpu((0..64).find(|n| trains(&sim, *n)).expect("a job that lasts"), 2);
    // Its counter of energy begins anew.
    let anew = Ailment::Reads(gpu::ENERGY, Raw::new(5.0, 100.0));
    let faults = [(Ailment::Xid(119), FIRST), (anew, FIRST + Duration::from_mins(1))];
    let faults = faults.map(|(ailment, at)| Fault { ailment, subject, at });
    let mut play = Play::new(64, 1, Faults::Given(faults.into()));
    let stages = |play: &Play| play.health.incidents().iter().map(|it| it.stage).collect::<Vec<_>>();
    (0..60).for_each(|_| play.step());
    assert_eq!(stages(&play), [Stage::Open]);
    (0..30).for_each(|_| play.step());
    assert_eq!(stages(&play), [Stage::Verifying]);
    (0..600).for_each(|_| play.step());
    assert_eq!(stages(&play), [Stage::Cleared]);
}

#[test]
fn every_fault_has_a_scenario() {
    let names: Vec<_> = scenario::names().collect();
    assert!(Ailment::ALL.iter().all(|it| names.contains(&it.word())));
}

#[test]
fn readings_are_found_by_the_rules_that_judge_them() {
    let all = readings::all();
    let outcome = readings::play(&all);
    let missed: Vec<&str> =
        all.iter().map(|reading| &*reading.rule).filter(|rule| !outcome.found.contains_key(*rule)).collect();
    assert_eq!((missed, outcome.others), (vec![], vec![]));
}

#[test]
fn failures_in_the_published_mix_are_found_and_nothing_else() {
    // The frequent causes less often than they came, so that few failures are of many kinds: forty in four minutes, and
    // five more minutes for the last ones to be seen.
    let weights = causes().iter().map(|cause| cause.count.min(8)).collect();
    let outcome = published::play(96, 1, Mix { rate: 1_900_000, over: Duration::from_mins(4), weights }, 550);
    let words = |failure: &Failure| format!("{} at {:?}: {:?}", failure.cause.name, failure.at, failure.fault);
    let missed: Vec<String> = outcome
        .failures
        .iter()
        .filter(|(failure, found)| failure.cause.shows() && found.is_none())
        .map(|(failure, _)| words(failure))
        .collect();
    assert_eq!((missed, outcome.others), (vec![], vec![]));
    let late = outcome.failures.iter().filter_map(|(_, found)| found.as_ref()).filter(|found| found.after > 300.0);
    assert_eq!(late.map(|found| (&*found.rule, found.after)).collect::<Vec<_>>(), []);
    let kind = |failure: &Failure| failure.fault.map_or("none", |fault| fault.ailment.word());
    let pairs = outcome.failures.iter().filter_map(|(failure, found)| Some((kind(failure), &*found.as_ref()?.rule)));
    let expected = [
        ("ecc-dbe", "gpu.xid"),
        ("hang", "job.hang"),
        ("hw-thermal", "gpu.temp.over"),
        ("port-down", "ib.port"),
        ("remap-pending", "gpu.remap.pending"),
        ("silent-node", "node.silent"),
        ("straggler", "gpu.straggler"),
        ("xid", "gpu.xid"),
        ("xid79", "gpu.xid"),
    ];
    assert_eq!(pairs.collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    let came: BTreeSet<&str> = outcome.failures.iter().map(|(failure, _)| &*failure.cause.name).collect();
    assert!(came.len() > 8, "{came:?}");
}

#[test]
fn what_many_of_a_model_have_is_no_exception() {
    let raised = |nodes: u32, sick: u32| {
        let ailment = Ailment::Reads(gpu::ECC_ON, Raw::new(0.0, 1.0));
        let fault = |n| Fault { ailment, subject: Subject::Node(n), at: FIRST };
        let mut play = Play::new(nodes, 1, Faults::Given((0..sick).map(fault).collect()));
        let mut found = BTreeSet::new();
        for _ in 0..420 {
            play.step();
            let open = play.open().into_iter().filter(|it| it.rule == "gpu.ecc.mode");
            found.extend(open.flat_map(|it| it.nodes));
        }
        assert_eq!(problems(&play), [""; 0]);
        found.len()
    };
    assert_eq!(raised(64, 1), 1);
    assert_eq!(raised(64, 24), 0, "more than a tenth");
    assert_eq!(raised(2, 1), 0, "of two, none is the exception");
}
