//! What is to be done: of several findings on one thing the strongest, and the commands for it.

use super::*;
use crate::{
    health::words::commands,
    model::report::{Container, Grant, Processes},
};

fn asks(rule: &str, severity: Severity, commands: &[&str]) -> Finding {
    let commands = commands.iter().map(|name| (*name).to_owned()).collect();
    Finding { commands, ..finding(rule, gpu("n01", 3), severity, &["gpu.xid"]) }
}

#[test]
fn of_two_that_matter_as_much_what_has_something_to_do_beats_what_has_nothing() {
    let check = |xid: &[&str], other: Finding, expected: &str| {
        let xid = Finding { under: Vec::new(), ..asks("gpu.xid", Severity::Warn, xid) };
        let matters = folded(&fleet(1), vec![xid, other]);
        assert_eq!(matters.iter().map(|it| &*it.finding.action).collect::<Vec<_>>(), [expected]);
    };
    // XID 63 is to be watched, and the row that it is about waits for a reset.
    check(&[], asks("gpu.remap.pending", Severity::Warn, &["drain", "reset"]), "mend gpu.remap.pending");
    check(&["drain"], asks("gpu.remap.pending", Severity::Warn, &["drain", "reset"]), "mend gpu.xid");
    check(&["drain"], asks("gpu.remap.pending", Severity::Info, &["drain", "reset"]), "mend gpu.xid");
    check(&[], asks("gpu.temp", Severity::Warn, &[]), "mend gpu.xid");
    check(&["drain", "reset"], asks("gpu.recovery.reboot", Severity::Warn, &["drain"]), "mend gpu.recovery.reboot");
}

#[test]
fn a_reset_lets_go_of_the_gpu_first_and_names_its_address() {
    let rules = Rules::default();
    let xid = asks("gpu.xid", Severity::Crit, &["drain", "reset"]);
    let nodes = ["n01".to_owned()];
    let lines = commands(&xid, std::slice::from_ref(&xid.subject), &nodes, rules.commands(), &fleet(1));
    let reset = ["supertop agent release", "nvidia-smi -r -i 0000:03:00.0", "supertop agent resume"];
    assert_eq!(lines, reset.map(|line| format!("ssh n01 {line}")), "without a scheduler nothing drains");
}

#[test]
fn a_kubernetes_node_is_cordoned() {
    let mut fleet = fleet(1);
    let session = fleet.join(&introduction(0), std::iter::empty(), at(0)).unwrap();
    let grant =
        Grant { containers: vec![Container { name: "train/worker".into(), slots: vec![0] }], ..Grant::default() };
    fleet.inventory(session, &Inventory { gpus: vec![report::Gpu::default()], ..Inventory::default() }, at(0));
    fleet.processes(session, &Processes { grants: Some(vec![grant]), ..Processes::default() }, at(0));
    let xid = asks("gpu.xid", Severity::Crit, &["drain"]);
    let nodes = ["n01".to_owned()];
    let lines = commands(&xid, std::slice::from_ref(&xid.subject), &nodes, Rules::default().commands(), &fleet);
    assert_eq!(lines, ["kubectl cordon n01"]);
}

#[test]
fn how_much_an_xid_matters_is_the_sites_to_say() {
    let mut fleet = fleet(1);
    let subject = report::Subject::Gpu { bus: "0000:01:00.0".into() };
    let event = Event { id: "b:1".into(), time: at(1), subject, kind: EventKind::Xid(79), text: String::new() };
    fleet.event(fleet.find("n01").expect("it has joined"), event, at(1));
    let severity = |severities: &[(u32, Severity)]| {
        let severities = severities.iter().copied().collect();
        let mut health = Health::new(Rules { severities, ..Rules::default() });
        health.look(&&fleet, at(2)).now_or_never().expect("at once");
        health.incidents().iter().find(|it| it.rule == "gpu.xid").map(|it| it.severity)
    };
    assert_eq!((severity(&[]), severity(&[(79, Severity::Warn)])), (Some(Severity::Crit), Some(Severity::Warn)));
}
