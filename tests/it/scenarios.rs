//! The scenarios that come along, played by `supertop sim` over real sockets, and what `supertop check` says of them.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use supertop::{
    collect::sim::{Plan, Sim, Subject, scenario},
    hub::wall_clock,
    model::hostlist::Hostlist,
};

use crate::{
    check::check,
    process::{Hub, Running, supertop},
};

const NODES: u32 = 256;
/// By when the slowest is found: its hold of four minutes, and how often it is asked.
const SLOWEST: Duration = Duration::from_mins(5);
/// By when each has been found on a busy machine.
const FOUND: Duration = Duration::from_mins(8);
/// How long each goes on once it was found, for what else might be raised.
const ON: Duration = Duration::from_secs(30);

/// A scenario, the rules by which it may be found, words of the reason and of the action, and the exit code.
type Case = (&'static str, &'static [&'static str], &'static str, &'static str, i32);

const CASES: [Case; 11] = [
    ("xid79", &["gpu.xid"], "XID 79", "power-cycle", 2),
    ("ecc-dbe", &["gpu.xid"], "uncorrectable ECC", "reset the GPU", 2),
    ("remap-pending", &["gpu.remap.pending"], "waits for a reset", "reset the GPU when its job has ended", 1),
    ("hw-thermal", &["gpu.temp.over", "gpu.throttle.hw_thermal"], "°C", "fans, coolant and air", 2),
    ("power-brake", &["gpu.throttle.power_brake"], "32 of 32 nodes", "rack power", 2),
    ("pcie-width", &["gpu.pcie.width"], "8 of 16 lanes", "reseat or replace", 2),
    ("nvlink-down", &["gpu.xid"], "XID 74", "reset the GPU", 2),
    ("straggler", &["gpu.straggler"], "the others wait for it", "take the node out", 1),
    ("hang", &["job.hang"], "busy and doing nothing", "look for the rank", 1),
    ("silent-node", &["node.silent"], "silent for", "ping it", 2),
    ("dead-rack", &["node.silent"], "32 of 32 nodes", "ping it", 2),
];

/// What is wrong in a fleet without faults, for as long as the others may take.
const NOTHING: &str = "none";

/// A hub of its own, and the fleet that reports to it.
fn play(dir: &tempfile::TempDir, name: &str) -> (Hub, Running) {
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let args = ["sim", "--hub", &hub.agents, "--nodes", &NODES.to_string(), "--scenario", name];
    let sim = Running::start(supertop().args(args));
    hub.await_answer("nodes", "all are up", |answer| answer["total"] == NODES);
    (hub, sim)
}

/// What the scenario befalls as an incident of it names it, and one of its nodes.
fn subject(name: &str) -> (String, String) {
    let faults = scenario::named(name).expect("it is a scenario");
    let sim = Sim::new(Plan { nodes: NODES, faults, start: wall_clock(), ..Plan::default() });
    match sim.faults()[0].subject {
        Subject::Gpu(n, slot) => (format!("{}:{slot}", sim.name(n)), sim.name(n)),
        Subject::Port(n, port) => (format!("{}/mlx5_{port}", sim.name(n)), sim.name(n)),
        Subject::Node(n) => (sim.name(n), sim.name(n)),
        Subject::Rack(rack) => (format!("rack r{:03}", rack + 1), sim.name(rack * 32)),
        Subject::JobOf(n) => ("job ".into(), sim.name(n)),
    }
}

/// Checks until the fault is found, and then on, for what else might be raised. Says after how long it was found.
fn watch(&(name, rules, reason, action, code): &Case) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let (hub, _sim) = play(&dir, name);
    let (subject, node) = subject(name);
    let (began, mut found, mut last) = (Instant::now(), None, Value::Null);
    while found.is_none_or(|at: Duration| began.elapsed() < at + ON) {
        assert!(found.is_some() || began.elapsed() < FOUND, "{name}: never found");
        let (said, exit) = check(&hub, &[]);
        let status = ["ok", "warn", "crit"].get(exit.unwrap_or(-1) as usize);
        assert_eq!(said["status"].as_str(), status.copied(), "{name}: {said}");
        assert_eq!((&said["nodes"], &said["gpus"]), (&NODES.into(), &(8 * NODES).into()), "{name}: {said}");
        for incident in said["incidents"].as_array().unwrap() {
            found.get_or_insert_with(|| began.elapsed());
            let nodes = Hostlist::parse(incident["nodes"].as_str().unwrap()).unwrap();
            let text = |key: &str| incident[key].as_str().unwrap();
            assert!(rules.contains(&text("rule")), "{name}: {said}");
            assert!(text("subject").starts_with(&*subject), "{name}: it befell {subject}: {said}");
            assert!(nodes.matches(&node), "{name}: it befell {node}: {said}");
            assert!(text("since").ends_with('Z') && incident["id"].is_u64(), "{name}: {said}");
        }
        last = json!([said, exit]);
        thread::sleep(Duration::from_secs(2));
    }
    let [incident] = &last[0]["incidents"].as_array().unwrap()[..] else { panic!("{name}: {last}") };
    assert!(incident["reason"].as_str().unwrap().contains(reason), "{name}: {incident}");
    assert!(incident["action"].as_str().unwrap().contains(action), "{name}: {incident}");
    assert_eq!(last[1], code, "{name}: {incident}");
    found.unwrap_or_default()
}

/// Checks that all is well, for as long as the slowest of the others takes.
fn watch_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, _sim) = play(&dir, NOTHING);
    let began = Instant::now();
    while began.elapsed() < SLOWEST {
        let (said, exit) = check(&hub, &[]);
        assert_eq!((&said["status"], &said["incidents"], exit), (&"ok".into(), &json!([]), Some(0)), "{said}");
        thread::sleep(Duration::from_secs(2));
    }
}

#[test]
#[ignore = "five minutes of real time, on a machine of its own; `health` plays the same faults on paused time"]
fn each_scenario_is_named_with_its_reason_and_what_to_do_and_nothing_else_is() {
    thread::scope(|scope| {
        scope.spawn(watch_nothing);
        for case in &CASES {
            scope.spawn(move || println!("{}: found after {:.0?}, and nothing else", case.0, watch(case)));
        }
    });
}
