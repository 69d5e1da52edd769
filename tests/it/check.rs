//! `supertop check` and the incidents behind it, by the real binary.

use std::{
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    nvml::mock::Library,
    process::{Hub, PATIENCE, Running, supertop},
};

/// What check says of a hub, and its exit code.
pub(crate) fn check(hub: &Hub, args: &[&str]) -> (Value, Option<i32>) {
    let output = supertop().arg("check").args(args).args(["-o", "json", "--hub"]).arg(&hub.socket).output().unwrap();
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    (said, output.status.code())
}

/// A simulated fleet with this scenario.
fn sim(hub: &Hub, scenario: &str) -> Running {
    let args = ["sim", "--hub", &hub.agents, "--nodes", "40", "--scenario", scenario];
    Running::start(supertop().args(args))
}

#[test]
fn a_lost_gpu_is_named_with_what_to_do_and_the_exit_code_says_critical() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let (said, code) = check(&hub, &[]);
    assert_eq!((&said["status"], code), (&"unknown".into(), Some(3)), "a hub without nodes cannot tell");
    let _sim = sim(&hub, "xid79");
    hub.await_answer("nodes", "all are up", |answer| answer["total"] == 40 && answer["stale"] == 0);
    let deadline = Instant::now() + PATIENCE;
    let said = loop {
        let (said, code) = check(&hub, &[]);
        if said["status"] == "crit" {
            assert_eq!(code, Some(2));
            break said;
        }
        assert_eq!((&said["status"], code), (&"ok".into(), Some(0)), "{said}");
        assert!(Instant::now() < deadline, "never found");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!((&said["nodes"], &said["gpus"], &said["stale"]), (&40.into(), &320.into(), &0.into()));
    let [incident] = &said["incidents"].as_array().unwrap()[..] else { panic!("{said}") };
    assert_eq!((&incident["rule"], &incident["severity"]), (&"gpu.xid".into(), &"crit".into()), "{incident}");
    assert!(incident["reason"].as_str().unwrap().contains("XID 79"), "{incident}");
    assert!(incident["action"].as_str().unwrap().contains("power-cycle"), "{incident}");
    let subject = incident["subject"].as_str().unwrap().to_owned();
    let (node, _) = subject.split_once(':').expect("a GPU");
    assert_eq!(incident["nodes"], node);

    // The same as a table, and as part of one node's.
    let table = hub.get("incidents where incident.stage = open");
    assert_eq!((&table["total"], &table["rows"][0]["incident.subject"]), (&1.into(), &(*subject).into()), "{table}");
    let (said, code) = check(&hub, &[&format!("node = {node}")]);
    assert_eq!((&said["nodes"], said["incidents"].as_array().unwrap().len(), code), (&1.into(), 1, Some(2)), "{said}");
    let (said, code) = check(&hub, &[&format!("not node = {node}")]);
    assert_eq!((&said["nodes"], said["incidents"].as_array().unwrap().len(), code), (&39.into(), 0, Some(0)), "{said}");
    // Somebody sees to it: it is no alarm any more, and comes back when told to.
    let say = |args: &[&str]| supertop().args(args).args(["--hub"]).arg(&hub.socket).output().unwrap();
    let id = incident["id"].to_string();
    assert!(say(&["ack", &id, "waits", "for", "RMA"]).status.success());
    let of_it = format!("incidents where incident = '{id}' show incident.stage,incident.note");
    let is = |stage: &'static str| move |answer: &Value| answer["rows"][0]["incident.stage"] == stage;
    let answer = hub.await_answer(&of_it, "it is acknowledged", is("acknowledged"));
    assert!(answer["rows"][0]["incident.note"].as_str().unwrap().ends_with(": waits for RMA"), "{answer}");
    assert_eq!(check(&hub, &[]).1, Some(0), "what somebody sees to is no alarm");
    assert!(say(&["silence", &id, "--for", "1s"]).status.success());
    hub.await_answer(&of_it, "it is silent for a second, and then open again", is("open"));
    assert!(say(&["ack", &id]).status.success());
    hub.await_answer(&of_it, "it is acknowledged", is("acknowledged"));
    assert!(say(&["reopen", &id]).status.success());
    hub.await_answer(&of_it, "it is open", is("open"));
    let refused = say(&["ack", "4711"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no incident 4711"));
    let far = supertop().args(["ack", &id, "--hub", &hub.agents]).output().unwrap();
    assert!(String::from_utf8_lossy(&far.stderr).contains("from this machine only"), "anybody may reach that port");

    let rules = hub.get("rules where rule.open > 0");
    assert_eq!((&rules["total"], &rules["rows"][0]["rule"]), (&1.into(), &"gpu.xid".into()), "{rules}");
}

#[test]
fn incidents_outlive_a_restart_of_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("two.toml");
    let faults = "[[fault]]\nkind = 'xid79'\nat = '1s'\nnode = 3\ngpu = 2\n\
                  [[fault]]\nkind = 'remap-pending'\nat = '3s'\nnode = 5\ngpu = 1\n";
    std::fs::write(&scenario, faults).unwrap();
    let hub = Hub::start(dir.path(), "127.0.0.1:0");
    let address = hub.agents.clone();
    let _sim = sim(&hub, scenario.to_str().unwrap());
    let open = "incidents where incident.stage = open and incident.severity != info sort incident \
                show incident,incident.rule,incident.subject,incident.since";
    let before = hub.await_answer(open, "both are found", |answer| answer["total"] == 2);
    let say = |hub: &Hub, args: &[&str]| {
        let output = supertop().args(args).arg("--hub").arg(&hub.socket).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let id = |at: usize| before["rows"][at]["incident"].as_str().unwrap().to_owned();
    say(&hub, &["ack", &id(0), "waits", "for", "RMA"]);
    say(&hub, &["silence", &id(1), "--for", "4h", "being", "moved"]);
    let said = "incidents where incident.severity != info sort incident \
                show incident,incident.stage,incident.note,incident.rule,incident.subject,incident.since";
    let before = hub.await_answer(said, "both are seen to", |answer| {
        let stages = ["acknowledged", "silenced"];
        (0..2).all(|at| answer["rows"][at]["incident.stage"] == stages[at])
    });
    for (at, note) in [": waits for RMA", ": being moved"].into_iter().enumerate() {
        assert!(before["rows"][at]["incident.note"].as_str().unwrap().ends_with(note), "{before}");
    }
    hub.process.signal(rustix::process::Signal::TERM);
    assert_eq!(hub.process.wait(), Some(0));
    let hub = Hub::start(dir.path(), &address);
    let same = |answer: &Value| answer["rows"] == before["rows"];
    hub.await_answer(said, "they are the same, with what was said of them", same);
    hub.await_answer("nodes", "all are back", |answer| answer["total"] == 40 && answer["stale"] == 0);
    for _ in 0..15 {
        let answer = hub.get(said);
        assert_eq!(answer["rows"], before["rows"], "and stay the same");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(check(&hub, &[]).1, Some(0), "what somebody sees to is no alarm");
}

#[test]
fn who_cannot_tell_says_so() {
    let code = |args: &[&str]| supertop().arg("check").args(args).output().unwrap().status.code();
    assert_eq!(code(&["--hub", "/nonexistent/hub.sock"]), Some(3), "no hub");
    assert_eq!(code(&["--nonsense"]), Some(3), "usage");
    assert_eq!(code(&["--help"]), Some(0));
}

#[test]
fn this_machine_is_judged_without_a_hub() {
    let dir = tempfile::tempdir().unwrap();
    let output = supertop().args(["check", "-o", "json"]).env("XDG_RUNTIME_DIR", dir.path()).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said["nodes"], 1);
    assert!(said["note"].as_str().unwrap().contains("this machine alone"), "{said}");
    for rule in ["gpu.straggler", "host.oom", "node.lemon"] {
        assert!(said["not_evaluated"].as_array().unwrap().contains(&rule.into()), "{said}");
    }
    let codes = [("ok", 0), ("warn", 1), ("crit", 2)];
    let expected = codes.iter().find(|(status, _)| said["status"] == **status).map(|(_, code)| *code);
    assert_eq!(output.status.code(), expected, "{said}");
}

/// The README's script for Slurm, which drains a node.
fn health_check_program() -> &'static str {
    let readme = include_str!("../../README.md");
    let (_, after) = readme.split_once("```sh\n#!/bin/sh\n").expect("the script");
    after.split_once("```").expect("its end").0
}

#[test]
fn slurm_drains_a_node_of_which_something_is_critical_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let executable = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let script = executable("check", health_check_program());
    // What the script asks of Slurm is written down; `state` is what Slurm answers.
    let (state, said) = (dir.path().join("state"), dir.path().join("said"));
    let scontrol = format!("[ \"$1\" = show ] && exec cat {}\necho \"$@\" >> {}\n", state.display(), said.display());
    executable("scontrol", &scontrol);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_supertop"), dir.path().join("supertop")).unwrap();
    let run = |control: &str, slurm: &str| {
        std::fs::write(&state, slurm).unwrap();
        let _ = std::fs::remove_file(&said);
        let mock = Library::new(control);
        let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
        let mut command = std::process::Command::new(&script);
        command
            .env("PATH", path)
            .env("SUPERTOP_NVML", mock.path())
            .env("SLURMD_NODENAME", "gpu017")
            .env("RUNTIME_DIRECTORY", dir.path());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(&said).unwrap_or_default()
    };
    let idle = "NodeName=gpu017 State=IDLE ThreadsPerCore=1";
    assert_eq!(run("gpu 3 lost", idle), "", "once may be a service that still starts");
    let drained = run("gpu 3 lost", idle);
    assert!(drained.starts_with("update nodename=gpu017 state=drain reason=supertop: "), "{drained}");
    assert!(drained.contains("lost"), "{drained}");
    assert_eq!(run("gpu 3 set persistence 0", idle), "", "a warning holds no node");
    assert_eq!(run("gpu 3 lost", idle), "", "it was well in between");
    let by_hand = "NodeName=gpu017 State=IDLE+DRAIN ThreadsPerCore=1 Reason=cabling";
    assert_eq!(run("gpu 3 lost", by_hand), "", "whoever drained it keeps the word");
}
