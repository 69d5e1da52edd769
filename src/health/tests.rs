//! What findings come to: folded, and numbered.

mod hangs;
mod orders;
mod trial;

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use futures_util::FutureExt as _;

use super::{
    Health, Rules,
    book::{Book, Proof},
    fold::{Known, Matter, fold},
    programs::{Owner, Programs},
    track::Finding,
};
use crate::{
    fleet::{Fleet, NodeId, Settings},
    model::{
        incident::{Incident, Remark, Rule, Severity, Stage, Subject, Verb},
        job,
        place::Label,
        report::{self, Event, EventKind, Introduction, Inventory},
        time::Time,
    },
};

fn at(seconds: i64) -> Time {
    Time::from_millis(1_800_000_000_000 + seconds * 1000)
}

fn introduction(n: usize) -> Introduction {
    Introduction { node: format!("n{:02}", n + 1), boot_id: "b".into(), interval_ms: 1000, ..Introduction::default() }
}

/// Racks of four nodes: n01 to n04 are in r1.
fn fleet(nodes: usize) -> Fleet {
    placed(nodes, &[("rack", 4)])
}

/// Places of so many nodes each.
fn placed(nodes: usize, levels: &[(&str, usize)]) -> Fleet {
    let mut fleet = Fleet::new(Settings::default());
    for n in 0..nodes {
        let session = fleet.join(&introduction(n), std::iter::empty(), at(0)).unwrap();
        let label = |(level, of): &(&str, usize)| Label {
            key: (*level).into(),
            value: format!("{}{}", &level[..1], n / of + 1),
        };
        let labels = levels.iter().map(label).collect();
        fleet.inventory(session, &Inventory { labels, ..Inventory::default() }, at(0));
    }
    fleet
}

/// Nothing has to prove itself.
fn proof(is_open: &dyn Fn(&Incident) -> bool) -> Proof<'_> {
    Proof { is_open, verify: &|_| Duration::ZERO, work: &|_| false }
}

fn gpu(node: &str, index: usize) -> Subject {
    Subject::Gpu { node: node.into(), index: index.to_string(), bus: format!("0000:0{index}:00.0") }
}

fn node(n: usize) -> Subject {
    Subject::Node { node: format!("n{n:02}") }
}

fn finding(rule: &str, subject: Subject, severity: Severity, under: &[&str]) -> Finding {
    Finding {
        rule: rule.into(),
        kin: String::new(),
        severity,
        subject,
        since: at(0),
        seen: at(0),
        count: 1,
        reason: format!("{rule} it is"),
        evidence: Vec::new(),
        action: format!("mend {rule}"),
        commands: Vec::new(),
        under: under.iter().map(|rule| (*rule).to_owned()).collect(),
    }
}

const KNOWN: Known<'_> = Known { was: &|_, _| false, culprit: &|_| None };

fn crit(rule: &str, subject: Subject) -> Finding {
    finding(rule, subject, Severity::Crit, &[])
}

fn folded(fleet: &Fleet, findings: Vec<Finding>) -> Vec<Matter> {
    fold(findings, fleet, &BTreeMap::default(), &KNOWN)
}

/// Rule, subject and reason of each matter.
fn told(matters: &[Matter]) -> Vec<String> {
    let mut told: Vec<String> =
        matters.iter().map(|it| format!("{} {}: {}", it.finding.rule, it.finding.subject, it.finding.reason)).collect();
    told.sort();
    told
}

#[test]
fn what_another_explains_adds_to_it_and_the_worst_says_what_to_do() {
    let fleet = fleet(8);
    let mut xid = finding("gpu.xid", gpu("n01", 3), Severity::Warn, &[]);
    xid.since = at(5);
    let matters = folded(
        &fleet,
        vec![
            xid,
            finding("gpu.ecc", gpu("n01", 3), Severity::Crit, &["gpu.xid"]),
            finding("gpu.remap", gpu("n01", 3), Severity::Warn, &["gpu.ecc"]),
            finding("gpu.remap", gpu("n01", 4), Severity::Warn, &["gpu.ecc"]),
        ],
    );
    assert_eq!(told(&matters), ["gpu.remap n01:4: gpu.remap it is", "gpu.xid n01:3: gpu.xid it is"]);
    let xid = matters.iter().find(|matter| matter.finding.rule == "gpu.xid").unwrap();
    assert_eq!(
        (xid.finding.severity, &*xid.finding.action, xid.finding.since),
        (Severity::Crit, "mend gpu.ecc", at(0))
    );
    assert_eq!(xid.finding.evidence, ["gpu.ecc: gpu.ecc it is", "gpu.remap: gpu.remap it is"]);
}

#[test]
fn rules_in_a_circle_explain_nothing_and_lose_nothing() {
    let fleet = fleet(1);
    let a = finding("a", gpu("n01", 1), Severity::Warn, &["b"]);
    let b = finding("b", gpu("n01", 1), Severity::Warn, &["a"]);
    assert_eq!(folded(&fleet, vec![a, b]).len(), 2);
}

#[test]
fn silence_explains_everything_on_its_node_and_is_no_older_for_it() {
    let fleet = fleet(8);
    let mut silent = crit("node.silent", node(1));
    silent.since = at(50);
    let matters =
        folded(&fleet, vec![silent, crit("host.disk", Subject::Part { node: "n01".into(), part: "/".into() })]);
    assert_eq!(told(&matters), ["node.silent n01: node.silent it is"]);
    assert_eq!(matters[0].finding.since, at(50));
}

#[test]
fn what_many_racks_have_is_the_pods() {
    let fleet = placed(16, &[("rack", 4), ("pod", 8)]);
    let said = |nodes: &mut dyn Iterator<Item = usize>| {
        told(&folded(&fleet, nodes.map(|n| finding("hot", node(n), Severity::Crit, &[])).collect()))
    };
    assert_eq!(said(&mut (1..=4)), ["hot rack r1: 4 of 4 nodes: hot it is"], "half of a pod, but of one rack");
    assert_eq!(said(&mut (1..=7)), ["hot pod p1: 7 of 8 nodes: hot it is"]);
    assert_eq!(said(&mut (3..=6)), ["hot pod p1: 4 of 8 nodes: hot it is"], "two of each rack");
    assert_eq!(said(&mut (3..=9)).len(), 2, "a pod, and one of another");
}

#[test]
fn what_many_have_is_the_nodes_the_racks_or_the_fleets() {
    let fleet = fleet(20);
    let gpus = (0..2).map(|index| crit("hot", gpu("n01", index))).collect();
    assert_eq!(told(&folded(&fleet, gpus)), ["hot n01: GPUs 0-1: hot it is"]);
    let ports = ["mlx5_0", "mlx5_1"].map(|part| crit("port", Subject::Part { node: "n01".into(), part: part.into() }));
    assert_eq!(told(&folded(&fleet, ports.into())), ["port n01: mlx5_0, mlx5_1: port it is"]);
    let rack = (5..=7).map(|n| crit("hot", node(n))).collect();
    assert_eq!(told(&folded(&fleet, rack)), ["hot rack r2: 3 of 4 nodes: hot it is"]);
    let two = (5..=6).map(|n| crit("hot", node(n))).collect();
    assert_eq!(folded(&fleet, two).len(), 2, "two nodes are two");
    let all = (1..=8).map(|n| crit("node.silent", node(n))).collect();
    let matters = folded(&fleet, all);
    assert_eq!((&matters[0].finding.subject, matters.len(), matters[0].nodes.len()), (&Subject::Fleet, 1, 8));
    let rack = (1..=4).map(|n| crit("node.silent", node(n))).collect();
    assert_eq!(
        told(&folded(&fleet, rack)),
        ["node.silent rack r1: 4 of 4 nodes: node.silent it is"],
        "a fifth is not more"
    );
}

#[test]
fn nodes_that_fell_silent_one_by_one_are_no_trouble_of_the_hub() {
    let fleet = fleet(10);
    let silent = |n: usize| Finding { since: at(n as i64 * 3600), ..crit("node.silent", node(n)) };
    assert_eq!(folded(&fleet, [1, 5, 9].map(silent).into()).len(), 3);
}

#[test]
fn other_xids_are_other_troubles() {
    let fleet = fleet(4);
    let xid = |index, kin: &str| Finding { kin: kin.into(), ..crit("gpu.xid", gpu("n01", index)) };
    assert_eq!(folded(&fleet, vec![xid(3, "79"), xid(5, "31"), xid(6, "31")]).len(), 2);
}

/// Numbers and subjects of open incidents.
fn open(book: &Book) -> Vec<String> {
    let incidents = book.incidents();
    let open = incidents.iter().filter(|incident| incident.stage == Stage::Open);
    open.map(|incident| format!("{} {}", incident.id, incident.subject)).collect()
}

/// Folds as the engine does, with what was open.
fn update(book: &mut Book, fleet: &Fleet, findings: Vec<Finding>, second: i64) {
    let known: HashSet<(String, Subject)> = book.subjects();
    let was = |rule: &str, subject: &Subject| known.contains(&(rule.to_owned(), subject.clone()));
    book.update(
        fold(findings, fleet, &BTreeMap::default(), &Known { was: &was, ..KNOWN }),
        &proof(&|_| false),
        at(second),
    );
}

#[test]
fn an_incident_keeps_its_number_however_it_grows() {
    let (fleet, mut book) = (fleet(8), Book::default());
    let hot = |gpus: &[(usize, usize)]| -> Vec<Finding> {
        gpus.iter().map(|(n, index)| crit("hot", gpu(&format!("n{n:02}"), *index))).collect()
    };
    update(&mut book, &fleet, hot(&[(1, 0)]), 1);
    assert_eq!(open(&book), ["1 n01:0"]);
    update(&mut book, &fleet, hot(&[(1, 0), (1, 1), (2, 0)]), 2);
    assert_eq!(open(&book), ["1 n01", "2 n02:0"]);
    update(&mut book, &fleet, hot(&[(1, 0), (1, 1), (2, 0), (3, 0)]), 3);
    assert_eq!(open(&book), ["1 rack r1"], "they have become one");
    update(&mut book, &fleet, hot(&[(2, 0)]), 4);
    assert_eq!(open(&book), ["1 rack r1"], "and stay one until none is left");
    update(&mut book, &fleet, Vec::new(), 5);
    let incidents = book.incidents();
    assert_eq!((incidents.len(), incidents[0].stage, incidents[0].cleared), (1, Stage::Cleared, Some(at(5))));
    update(&mut book, &fleet, hot(&[(1, 0)]), 6);
    assert_eq!(open(&book), ["3 n01:0"], "a new trouble");
}

#[test]
fn what_is_explained_for_a_while_is_the_same_afterwards() {
    let (fleet, mut book) = (fleet(8), Book::default());
    let disk = || crit("host.disk", Subject::Part { node: "n01".into(), part: "/".into() });
    update(&mut book, &fleet, vec![disk()], 1);
    update(&mut book, &fleet, vec![disk(), crit("node.silent", node(1))], 2);
    assert_eq!(open(&book), ["2 n01"]);
    update(&mut book, &fleet, vec![disk()], 3);
    assert_eq!(open(&book), ["1 n01/"]);
    let cleared: Vec<_> =
        book.incidents().into_iter().filter(|it| it.stage == Stage::Cleared).map(|it| it.id).collect();
    assert_eq!(cleared, [2]);
}

#[test]
fn incidents_outlive_a_restart_and_are_written_when_they_change() {
    let (fleet, mut book) = (fleet(8), Book::default());
    let mut hot = crit("hot", gpu("n01", 0));
    update(&mut book, &fleet, vec![hot.clone()], 1);
    assert_eq!(book.take_unsaved().len(), 1);
    hot.reason = "hotter".into();
    update(&mut book, &fleet, vec![hot.clone()], 2);
    assert_eq!(book.take_unsaved(), [], "numbers alone are no reason to write");
    update(&mut book, &fleet, vec![hot.clone(), crit("hot", gpu("n01", 1))], 3);
    let kept = book.take_unsaved();
    let mut next = Book::default();
    for record in kept {
        next.restore(record);
    }
    assert_eq!(open(&next), ["1 n01"]);
    next.update(Vec::new(), &proof(&|_| true), at(4));
    assert_eq!(open(&next), ["1 n01"], "nobody knows yet");
    update(&mut next, &fleet, vec![hot, crit("cold", gpu("n02", 1))], 5);
    assert_eq!(open(&next), ["1 n01:0", "2 n02:1"]);
    update(&mut next, &fleet, Vec::new(), 6);
    assert_eq!(next.take_unsaved().iter().filter(|it| it.incident.stage == Stage::Cleared).count(), 2);
}

#[test]
fn what_becomes_worse_keeps_its_number() {
    let (fleet, mut book) = (fleet(8), Book::default());
    let mild = || finding("port", gpu("n01", 1), Severity::Warn, &["port.lost"]);
    update(&mut book, &fleet, vec![mild()], 1);
    update(&mut book, &fleet, vec![mild(), crit("port.lost", gpu("n01", 1))], 2);
    assert_eq!((open(&book), book.incidents()[0].severity), (vec!["1 n01:1".to_owned()], Severity::Crit));
}

#[test]
fn gpus_are_told_apart_by_their_addresses() {
    let (fleet, mut book) = (fleet(4), Book::default());
    update(&mut book, &fleet, vec![crit("hot", gpu("n01", 0))], 1);
    let renumbered = Subject::Gpu { node: "n01".into(), index: "5".into(), bus: "0000:00:00.0".into() };
    update(&mut book, &fleet, vec![crit("hot", renumbered)], 2);
    assert_eq!(open(&book), ["1 n01:5"]);
    update(
        &mut book,
        &fleet,
        vec![crit("hot", Subject::Gpu { node: "n01".into(), index: "5".into(), bus: "0000:77:00.0".into() })],
        3,
    );
    assert_eq!(open(&book), ["2 n01:5"]);
}

#[test]
fn incidents_are_made_anew_when_something_came_or_went_and_now_and_then() {
    let mut fleet = fleet(8);
    let mut health = Health::new(Rules::default());
    let mut look = |fleet: &Fleet, seconds: i64| health.look(&fleet, at(seconds)).now_or_never().expect("at once");
    let looks = [0, 1, 2, 5, 6].map(|second| look(&fleet, second));
    assert_eq!(looks, [true, false, false, true, false]);
    let subject = report::Subject::Gpu { bus: "0000:01:00.0".into() };
    let (id, text) = ("b:1".into(), "fallen off the bus".into());
    let node = fleet.find("n01").expect("it has joined");
    fleet.event(node, Event { id, time: at(7), subject, kind: EventKind::Xid(79), text }, at(7));
    assert_eq!([7, 8].map(|second| look(&fleet, second)), [true, false]);
}

/// A job, and which GPUs of which nodes it has.
type Given<'a> = (&'a str, &'a [(&'a str, &'a [u16])]);

fn schedule(fleet: &mut Fleet, jobs: &[Given<'_>], now: Time) {
    fleet.begin_schedule("slurm");
    for (id, gpus) in jobs {
        let share = |(node, slots): &(&str, &[u16])| job::Share { node: (*node).into(), gpus: Some(slots.to_vec()) };
        let shares = gpus.iter().map(share).collect();
        let (id, phase) = ((*id).to_owned(), job::Phase::Running);
        fleet.schedule(&job::Job { id, phase, shares, ..job::Job::default() }, now);
    }
    fleet.end_schedule(Ok(()), Ok(()), now);
}

#[test]
fn what_a_program_does_to_many_gpus_is_its_users_matter_and_to_one_gpu_again_and_again_the_gpus() {
    let mut fleet = fleet(2);
    let gpu = |index: usize| {
        let (index, bus) = (index.to_string(), format!("0000:0{index}:00.0"));
        report::Gpu { uuid: format!("GPU-{index}"), index, bus, ..report::Gpu::default() }
    };
    for name in ["n01", "n02"] {
        let introduction = Introduction { node: name.into(), boot_id: "b".into(), ..Introduction::default() };
        let session = fleet.join(&introduction, std::iter::empty(), at(0)).expect("room");
        fleet.inventory(session, &Inventory { gpus: (0..4).map(gpu).collect(), ..Inventory::default() }, at(0));
    }
    let mut health = Health::new(Rules::default());
    let mut number = 0;
    let mut xid = |fleet: &mut Fleet, node: &str, slot: usize, code: u32, seconds: i64| {
        number += 1;
        let subject = report::Subject::Gpu { bus: format!("0000:0{slot}:00.0") };
        let (id, kind) = (format!("b:{number}"), EventKind::Xid(code));
        let event = Event { id, time: at(seconds), subject, kind, text: String::new() };
        fleet.event(fleet.find(node).expect(node), event, at(seconds));
    };
    let mut open = |fleet: &Fleet, seconds: i64| -> Vec<String> {
        health.look(&fleet, at(seconds)).now_or_never().expect("at once");
        let all = health.incidents().into_iter().filter(|it| it.stage == Stage::Open && it.rule.starts_with("gpu.xid"));
        let mut words: Vec<String> =
            all.map(|it| format!("{} {} {} {}", it.severity.word(), it.rule, it.subject, it.count)).collect();
        words.sort_unstable();
        words
    };
    schedule(&mut fleet, &[("4711", &[("n01", &[0, 1]), ("n02", &[1])]), ("a", &[("n01", &[3])])], at(1));
    xid(&mut fleet, "n01", 3, 13, 2);
    xid(&mut fleet, "n01", 0, 31, 2);
    assert_eq!(open(&fleet, 3), ["warn gpu.xid n01:0 1", "warn gpu.xid n01:3 1"], "each job has one GPU so far");
    xid(&mut fleet, "n01", 1, 31, 4);
    xid(&mut fleet, "n02", 1, 31, 4);
    xid(&mut fleet, "n02", 2, 79, 4);
    let all = open(&fleet, 5);
    assert!(all.contains(&"info gpu.xid job 4711 3".to_owned()), "{all:?}");
    assert!(all.contains(&"crit gpu.xid n02:2 1".to_owned()) && all.len() == 3, "{all:?}");
    for (job, seconds) in [("b", 10), ("c", 20)] {
        schedule(&mut fleet, &[(job, &[("n01", &[3])])], at(seconds));
        xid(&mut fleet, "n01", 3, 43, seconds + 1);
        xid(&mut fleet, "n01", 3, 45, seconds + 1);
    }
    // Whoever looks later finds the jobs that had it then.
    let all = open(&fleet, 22);
    assert!(all.contains(&"warn gpu.xid.apps n01:3 3".to_owned()), "{all:?}");
}

#[test]
fn one_program_that_fails_again_and_again_is_no_gpus_fault() {
    let run = |name: &str, id: &str, gpus: &[(NodeId, &str)], seconds: i64, programs: &mut Programs| {
        for (node, bus) in gpus {
            let owner = Owner { job: id.into(), program: name.into() };
            programs.note(&(*node, false, (*bus).to_owned()), &owner, at(seconds));
        }
    };
    let (here, there) = (NodeId::at(0), NodeId::at(1));
    let suspects = |programs: &Programs| -> Vec<String> {
        let rule = Rule { id: "gpu.xid.apps".into(), ..Rule::default() };
        let subject = |place: &(NodeId, bool, String)| gpu(&format!("n{}", place.0.index()), 0);
        programs.suspects(&rule, subject).into_iter().map(|it| format!("{} {}", it.subject, it.reason)).collect()
    };
    let mut programs = Programs::default();
    for (task, seconds) in ["7_1", "7_2", "7_3", "7_4"].into_iter().zip(0..) {
        run("ann/sweep", task, &[(here, "a")], seconds, &mut programs);
    }
    assert_eq!(suspects(&programs), [""; 0], "tasks of one program");
    run("ann/large", "8", &[(here, "a"), (there, "a")], 5, &mut programs);
    run("bob/x", "9", &[(here, "a")], 6, &mut programs);
    assert_eq!(suspects(&programs), [""; 0], "one of the three failed elsewhere, too");
    run("eve/y", "10", &[(here, "a")], 7, &mut programs);
    let said = "n0:0 3 programs had XIDs on it within a day and nowhere else, of jobs 10, 9, 7_4, 7_3, 7_2, 7_1";
    assert_eq!(suspects(&programs), [said]);
    programs.forget(at(86_400 + 6));
    assert_eq!(suspects(&programs), [""; 0], "a day later");
}

#[test]
fn ten_thousand_events_in_a_second_are_few_incidents() {
    let mut fleet = fleet(40);
    for n in 0..10_000 {
        let (node, gpu) = (n % 40, n / 40 % 8);
        let event = Event {
            id: format!("b/{n}"),
            time: at(0),
            subject: report::Subject::Gpu { bus: format!("0000:0{gpu}:00.0") },
            kind: EventKind::Xid(79),
            text: format!("NVRM: Xid (PCI:0000:0{gpu}:00): 79, GPU has fallen off the bus."),
        };
        assert!(fleet.event(NodeId::at(node), event, at(0)));
    }
    let mut health = Health::new(Rules::default());
    health.look(&&fleet, at(1)).now_or_never().expect("nobody else waits for this fleet");
    let told = health.incidents();
    let told: Vec<&Incident> = told.iter().filter(|it| it.rule == "gpu.xid").collect();
    assert_eq!(told.len(), 10, "one for each rack");
    assert_eq!(told.iter().map(|it| it.count).sum::<u32>(), 10_000, "and none is lost");
    for Incident { reason, evidence, commands, .. } in told {
        assert!(reason.starts_with("4 of 4 nodes: ") && reason.len() < 120, "{reason}");
        assert!(evidence.len() <= 16 && commands.len() <= 64, "{evidence:?} {commands:?}");
    }
}

#[test]
fn a_gpu_that_answers_slowly_is_not_lost() {
    let rules = |words: &str| -> Vec<String> {
        let mut fleet = fleet(1);
        let session = fleet.join(&introduction(0), std::iter::empty(), at(0)).unwrap();
        let gpus = vec![report::Gpu { index: "0".into(), ..report::Gpu::default() }];
        let faults = vec![report::Fault { gpu: Some(0), metric: String::new(), reason: words.into() }];
        fleet.inventory(session, &Inventory { gpus, faults, ..Inventory::default() }, at(0));
        let mut health = Health::new(Rules::default());
        for second in 1..=14 {
            health.look(&&fleet, at(second)).now_or_never().expect("at once");
        }
        health.incidents().into_iter().map(|it| it.rule).filter(|rule| rule.starts_with("gpu.")).collect()
    };
    assert_eq!(rules("slow: nvmlDeviceGetTemperature took 1.4 s"), ["gpu.handle_slow"]);
    assert_eq!(rules("slow: nvmlDeviceGetTemperature took 0.9 s"), [""; 0]);
    assert_eq!(rules("hung: nvmlDeviceGetTemperature has not answered for 3 s"), ["gpu.lost"]);
}
