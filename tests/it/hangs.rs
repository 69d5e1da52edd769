//! Jobs that hang: which rank holds them up, and what it is that they wait for.

use supertop::{
    collect::sim::{Ailment, FIRST, Fault, Faults, Plan, Sim, Subject, scenario},
    model::{
        incident::{Incident, Severity},
        metric::node,
        raw::Raw,
    },
};

use crate::{
    health::{check, open, trains},
    play::Play,
};

#[test]
fn hanging_jobs_are_found() {
    check("hang", 64, 220, ("job.hang", Severity::Warn), "busy and doing nothing", "rank");
}

#[test]
fn a_hang_belongs_to_what_is_found_on_its_only_suspect() {
    let faults = scenario::named("hang").unwrap();
    let sim = Sim::new(Plan { nodes: 64, seed: 1, faults, ..Plan::default() });
    let hang = sim.faults()[0];
    let Subject::JobOf(n) = hang.subject else { panic!("{hang:?}") };
    let check = |ailment, subject, rule: &str, its: &str| {
        let odd = Fault { ailment, subject, at: FIRST };
        let mut play = Play::new(64, 1, Faults::Given(vec![hang, odd]));
        (0..220).for_each(|_| play.step());
        let open = play.open();
        let [incident] = &open[..] else { panic!("{open:#?}") };
        assert_eq!((&*incident.rule, incident.subject.to_string()), (rule, format!("{}{its}", sim.name(n))));
        let Incident { reason, evidence, action, nodes, .. } = incident;
        assert!(reason.contains("; job ") && reason.ends_with(" waits for it"), "{incident:#?}");
        let is_told = |line: &String| line.starts_with("job.hang: busy and doing nothing");
        assert!(evidence.iter().any(is_told) && !action.contains("rank"), "{incident:#?}");
        assert_eq!(*nodes, [sim.name(n)], "the others of its job are not to be drained");
    };
    check(Ailment::PortDown, Subject::Port(n, 3), "ib.port", "/mlx5_3");
    let blocked = Ailment::Reads(node::BLOCKED, Raw::new(2.0, 1.0));
    check(blocked, Subject::Node(n), "host.blocked", "");
}

#[test]
fn a_hang_without_an_odd_rank_accuses_nobody() {
    let (_, incident) = open(scenario::named("hang").unwrap(), 220, "job.hang");
    assert!(matches!(&incident.evidence[..], [line] if line.contains("none is odd")), "{incident:#?}");
    assert!(!incident.action.contains("begin with"), "{incident:#?}");
}

#[test]
fn the_odd_rank_of_a_hang_is_named() {
    let (play, incident) = open(scenario::named("rank-gone").unwrap(), 220, "job.hang");
    let suspect = format!("{} gone: no process", play.subject());
    assert!(incident.evidence[0].starts_with(&suspect), "{incident:#?}");
    assert!(incident.evidence[1].ends_with("others wait") && incident.evidence.len() == 2, "{incident:#?}");
    let said = format!("; {} is gone", play.subject());
    assert!(incident.reason.starts_with("busy and doing nothing") && incident.reason.contains(&said), "{incident:#?}");
    assert!(incident.action.ends_with(&format!("begin with {}", play.subject())), "{incident:#?}");
}

#[test]
fn a_hang_of_gpus_without_gpm_is_found_and_its_odd_rank() {
    // The last of eight racks has A100s.
    let plan = |faults| Plan { nodes: 256, seed: 1, faults, ..Plan::default() };
    let sim = Sim::new(plan(Faults::Given(Vec::new())));
    let n = (224..256).find(|n| trains(&sim, *n)).expect("a job that lasts");
    let fault = Fault { ailment: Ailment::RankGone, subject: Subject::Gpu(n, 5), at: FIRST };
    let mut play = Play::new(256, 1, Faults::Given(vec![fault]));
    (0..210).for_each(|_| play.step());
    let open = play.open();
    let [incident] = &open[..] else { panic!("{open:#?}") };
    let suspect = format!("{}:5 gone", sim.name(n));
    assert!(incident.rule == "job.hang" && incident.evidence[0].starts_with(&suspect), "{incident:#?}");
}

#[test]
fn a_hang_at_low_utilisation_is_found() {
    check("stall", 32, 930, ("job.hang.idle", Severity::Warn), "nothing runs", "on the host");
}
