//! What is read of Slurm, in the shapes of several versions; and a `squeue` that fails, hangs, or stops halfway.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Instant};

use super::*;
use crate::model::{
    job::{Phase, Share},
    time::Time,
};

fn read(text: &str) -> (Vec<Job>, Result<(), String>) {
    let mut jobs = Vec::new();
    let result = reply::read(text.as_bytes(), "jobs", &mut |entry: job::Entry| jobs.extend(entry.job()));
    (jobs, result)
}

fn share(node: &str, gpus: &[u16]) -> Share {
    Share { node: node.into(), gpus: Some(gpus.into()) }
}

/// The same job in the shapes of three families of versions.
#[test]
fn a_job_is_the_same_in_every_version() {
    // As 21.08 and 22.05 have it: plain numbers, one word of state.
    let plain = r#"{ "meta": { "plugin": { "type": "openapi\/dbv0.0.37" }, "Slurm": { "version": { "major": 22 } } },
        "errors": [],
        "jobs": [ { "account": "physics", "array_job_id": 0, "array_task_id": null, "comment": "", "flags": [],
            "end_time": 1795446270, "gres_detail": [ "gpu:h100:2(IDX:0-1)", "gpu:h100:2(IDX:2,5)" ],
            "het_job_id": 0, "het_job_offset": 0, "job_id": 4711, "job_resources": { "nodes": "gpu[001-002]",
            "allocated_nodes": { "0": { "sockets": { "0": "unassigned" } } } }, "job_state": "RUNNING",
            "name": "llama-pre", "nodes": "gpu[001-002]", "partition": "main", "qos": "normal", "restart_cnt": 1,
            "start_time": 1795442670, "state_reason": "None", "submit_time": 1795442600, "time_limit": 60,
            "user_id": 1042, "user_name": "u1042" } ] }"#;
    // As 23.02 has it: numbers that may not be set.
    let set = r#"{ "jobs": [ { "account": "physics", "array_job_id": { "set": true, "infinite": false, "number": 0 },
            "array_task_id": { "set": false, "infinite": false, "number": 0 }, "comment": "",
            "end_time": 1795446270, "gres_detail": [ "gpu:h100:2(IDX:0-1)", "gpu:h100:2(IDX:2,5)" ],
            "het_job_id": { "set": true, "infinite": false, "number": 0 }, "job_id": 4711,
            "job_resources": { "nodes": "gpu[001-002]", "allocated_nodes": [ { "nodename": "gpu001" } ] },
            "job_state": "RUNNING", "name": "llama-pre", "nodes": "gpu[001-002]", "partition": "main",
            "qos": "normal", "restart_cnt": 1, "start_time": 1795442670, "state_reason": "None",
            "submit_time": 1795442600, "time_limit": { "set": true, "infinite": false, "number": 60 },
            "user_id": 1042, "user_name": "u1042" } ], "warnings": [], "errors": [] }"#;
    // As 23.11 to 25.11 have it: several words of state, times that may not be set, resources of another shape.
    let words = r#"{ "jobs": [ { "account": "physics", "array_job_id": { "set": true, "infinite": false, "number": 0 },
            "array_task_id": { "set": false, "infinite": false, "number": 0 }, "comment": "",
            "end_time": { "set": true, "infinite": false, "number": 1795446270 }, "exit_code": { "status": [ "SUCCESS" ],
            "signal": { "id": { "set": false, "infinite": false, "number": 0 }, "name": "" } },
            "gres_detail": [ "gpu:h100:2(IDX:0-1)", "gpu:h100:2(IDX:2,5)" ],
            "het_job_id": { "set": true, "infinite": false, "number": 0 }, "job_id": 4711,
            "job_resources": { "select_type": [ "CORE" ], "nodes": { "count": 2, "list": "gpu[001-002]",
            "allocation": [ { "index": 0, "name": "gpu001" }, { "index": 1, "name": "gpu002" } ] } },
            "job_state": [ "RUNNING" ], "name": "llama-pre", "nodes": "gpu[001-002]", "partition": "main",
            "qos": "normal", "restart_cnt": 1, "start_time": { "set": true, "infinite": false, "number": 1795442670 },
            "state_reason": "None", "submit_time": { "set": true, "infinite": false, "number": 1795442600 },
            "time_limit": { "set": true, "infinite": false, "number": 60 }, "user_id": 1042, "user_name": "u1042",
            "a_word_of_tomorrow": [ { "x": 1 } ] } ],
        "last_update": { "set": true, "infinite": false, "number": 1795442670 }, "meta": {}, "errors": [] }"#;
    let expected = Job {
        id: "4711".into(),
        name: "llama-pre".into(),
        user: "u1042".into(),
        account: "physics".into(),
        partition: "main".into(),
        qos: "normal".into(),
        phase: Phase::Running,
        state: "running".into(),
        submitted: Some(Time::from_millis(1_795_442_600_000)),
        started: Some(Time::from_millis(1_795_442_670_000)),
        limit: Some(Duration::from_hours(1)),
        restarts: 1,
        shares: vec![share("gpu001", &[0, 1]), share("gpu002", &[2, 5])],
        ..Job::default()
    };
    for text in [plain, set, words] {
        assert_eq!(read(text), (vec![expected.clone()], Ok(())), "{text}");
    }
}

/// What Slurms of these versions printed: 22.05 on a test's own cluster, the others on clusters in the field, with other
/// names.
#[test]
fn what_was_recorded_of_each_version_is_read() {
    let recorded = |text: &str| match read(text) {
        (mut jobs, Ok(())) if jobs.len() == 1 => jobs.remove(0),
        other => panic!("{other:?}"),
    };
    let seconds = |at: i64| Some(Time::from_millis(at * 1000));
    let job = recorded(include_str!("../../../tests/slurm/22.05.json"));
    let who = |job: &Job| [&job.user, &job.name, &job.partition, &job.state].map(Clone::clone);
    assert_eq!(who(&job), ["root", "wide", "main", "running"]);
    assert_eq!((job.phase, job.shares), (Phase::Running, vec![share("gpu001", &[0, 1]), share("gpu002", &[0, 1])]));

    let job = recorded(include_str!("../../../tests/slurm/23.02.json"));
    assert_eq!(who(&job), ["u1042", "pretrain", "gpu_p2", "running"]);
    assert_eq!((&*job.id, &*job.account, &*job.qos), ("1618871", "physics@v100", "qos_gpu-t4"));
    assert_eq!((job.submitted, job.started, job.ended), (seconds(1_701_982_989), seconds(1_701_983_394), None));
    assert_eq!((job.limit, job.phase), (Some(Duration::from_hours(100)), Phase::Running));
    assert_eq!(job.shares, [share("gpu830", &[0, 1, 2, 3, 4, 5, 6, 7])]);

    let job = recorded(include_str!("../../../tests/slurm/24.05.json"));
    assert_eq!(who(&job), ["u1042", "short", "main", "completed"]);
    assert_eq!((job.phase, job.started, job.ended), (Phase::Ended, seconds(1_746_693_312), seconds(1_746_693_312)));
    assert_eq!((job.limit, job.shares.len(), &*job.shares[0].node), (None, 1, "gpu001"));

    let job = recorded(include_str!("../../../tests/slurm/25.05.json"));
    assert_eq!(who(&job), ["u1042", "pretrain", "gpu", "running"]);
    assert_eq!((&*job.id, &*job.account, &*job.qos), ("4784", "physics", "normal"));
    assert_eq!((job.started, job.ended, job.limit), (seconds(1_762_790_653), None, Some(Duration::from_mins(1))));
    assert_eq!(job.shares, [share("gpu001", &[0, 1, 2, 3])]);

    let job = recorded(include_str!("../../../tests/slurm/25.11.json"));
    assert_eq!((who(&job), &*job.id), (["u1042", "pretrain", "gpu", "running"].map(String::from), "5650"));
    assert_eq!(job.shares, [share("gpu001", &[0, 1, 2, 3]), share("gpu002", &[0, 1, 2, 3])]);
}

/// Nodes as Slurms of these versions printed them, with other names.
#[test]
fn what_was_recorded_of_nodes_is_read() {
    let check = |text: &str, states: &[&str], reason: &str, by: &str, since: Option<i64>| {
        let mut nodes = Vec::new();
        let result = reply::read(text.as_bytes(), "nodes", &mut |entry: node::Entry| nodes.extend(entry.standing()));
        let states = states.iter().map(|state| (*state).to_owned()).collect();
        let since = since.map(|seconds| Time::from_millis(seconds * 1000));
        let (node, reason, by) = ("gpu001".into(), reason.into(), by.into());
        assert_eq!((nodes, result), (vec![Standing { node, states, reason, by, since }], Ok(())), "{text}");
    };
    macro_rules! recorded {
        ($version:literal) => {
            include_str!(concat!("../../../tests/slurm/nodes/", $version, ".json"))
        };
    }
    check(recorded!("21.08"), &["mixed"], "", "", None);
    check(recorded!("23.02"), &["idle", "drain"], "ECC memory error", "root", Some(1_727_343_318));
    check(recorded!("23.11"), &["mixed", "drain"], "ECC memory error", "root", Some(1_732_027_838));
    check(recorded!("24.05"), &["mixed"], "", "", None);
    check(recorded!("24.11"), &["down", "drain"], "Power dead", "root", Some(1_732_027_684));
    check(recorded!("25.05"), &["mixed", "drain"], "batch job complete failure", "slurm", Some(1_779_953_428));
    check(recorded!("25.11"), &["down", "dynamic_norm"], "Not responding", "slurm", Some(1_769_096_589));
}

fn one(fields: &str) -> Job {
    let (mut jobs, result) = read(&format!(r#"{{"jobs": [{{"job_id": 7, {fields}}}]}}"#));
    assert_eq!(result, Ok(()), "{fields}");
    jobs.pop().expect("a job")
}

#[test]
fn jobs_that_wait_and_have_ended_are_told_apart() {
    let waits = one(r#""job_state": ["PENDING"], "state_reason": "Resources", "nodes": "", "start_time": 1795442670"#);
    assert_eq!((waits.phase, &*waits.reason, waits.started), (Phase::Waiting, "Resources", None));
    let completing = one(r#""job_state": ["CANCELLED", "COMPLETING"], "nodes": "gpu001", "end_time": 5"#);
    assert_eq!((completing.phase, &*completing.state), (Phase::Running, "cancelled+completing"));
    assert_eq!((completing.ended, completing.shares.len()), (None, 1));
    let ended =
        one(r#""job_state": "NODE_FAIL", "nodes": "gpu001", "start_time": 3, "end_time": 5, "gres_detail": []"#);
    assert_eq!((ended.phase, ended.ended), (Phase::Ended, Some(Time::from_millis(5000))));
    assert_eq!(ended.shares, [Share { node: "gpu001".into(), gpus: None }]);
    assert_eq!(one(r#""job_state": "OF_TOMORROW", "nodes": "gpu001""#).phase, Phase::Running);
    assert_eq!(one(r#""job_state": "OF_TOMORROW""#).phase, Phase::Waiting);
}

#[test]
fn arrays_and_components_are_called_as_slurm_calls_them() {
    assert_eq!(one(r#""array_job_id": 4, "array_task_id": 0"#).array, "4_0");
    assert_eq!(
        one(r#""array_job_id": {"set": true, "number": 4}, "array_task_id": {"set": true, "number": 3}"#).array,
        "4_3"
    );
    assert_eq!(one(r#""array_job_id": 4, "array_task_id": null, "array_task_string": "1-9%2""#).array, "4_[1-9%2]");
    assert_eq!(one(r#""het_job_id": 6, "het_job_offset": 1"#).het, "6+1");
    assert_eq!(one(r#""user_name": "", "user_id": 1042"#).user, "1042");
    assert_eq!(one(r#""time_limit": 4294967295"#).limit, None);
}

#[test]
fn an_answer_that_is_no_whole_one_says_so() {
    let check = |text: &str, jobs: usize, part: &str| {
        let (read, result) = read(text);
        let error = result.expect_err(text);
        assert!(error.contains(part) && read.len() == jobs, "{error}, {} jobs: {text}", read.len());
    };
    check(r#"{"jobs": [{"job_id": 1}, {"job_id": 2}, {"job_i"#, 2, "ends before it is whole");
    check("", 0, "ends before it is whole");
    check("slurm_load_jobs error", 0, "no answer that can be read");
    check("{}", 0, "no jobs");
    check(r#"{"jobs": {"1": 2}}"#, 0, "no answer that can be read");
    check(r#"{"errors": [{"error": "Unable to contact slurm controller"}]}"#, 0, "Unable to contact");
    // As 22.05 says that its controller is not there.
    let absent = r#"{"meta": {"plugin": {"type": "openapi\/v0.0.38"}}, "errors": [{"description": "Failed while looking for jobs",
        "error_number": -1, "error": "Unspecified error", "source": "slurm_load_jobs"}], "jobs": []}"#;
    check(absent, 0, "Failed while looking for jobs: Unspecified error");
}

#[test]
fn what_cannot_be_read_costs_one_field() {
    let job = one(
        r#""name": {"x": [1, {"y": 2}]}, "user_name": 5, "nodes": "gpu[001-", "gres_detail": "x", "start_time": "soon""#,
    );
    assert_eq!((job.name.as_str(), job.user.as_str(), job.shares.len(), job.started), ("", "", 0, None));
    let huge = one(r#""nodes": "gpu[000000000-999999999]", "job_state": "RUNNING""#);
    assert_eq!(huge.shares.len(), 0, "more nodes than there are");
    let (jobs, result) = read(r#"{"jobs": [{}, {"job_id": 0}, {"job_id": -3}, {"job_id": null}]}"#);
    assert_eq!((jobs.len(), result), (0, Ok(())), "a job without an id is none");
    let (jobs, result) = read(r#"{"jobs": [3]}"#);
    assert!(jobs.is_empty() && result.is_err());
}

/// Slurm of this script as its `squeue`.
/// Gives 100,000 jobs without holding them all.
struct Many {
    next: usize,
    rest: Vec<u8>,
}

impl Read for Many {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() && self.next <= 100_001 {
            self.rest = match self.next {
                0 => br#"{"jobs":["#.to_vec(),
                100_001 => br#"],"errors":[]}"#.to_vec(),
                n => {
                    let comma = if n > 1 { "," } else { "" };
                    format!(
                        r#"{comma}{{"job_id":{n},"job_state":["RUNNING"],"nodes":"gpu[{:05}-{:05}]","name":"n{n}",
                        "user_name":"u{}","gres_detail":["gpu:h100:8(IDX:0-7)","gpu:h100:8(IDX:0-7)"]}}"#,
                        n,
                        n + 1,
                        n % 90
                    )
                    .into_bytes()
                }
            };
            self.next += 1;
        }
        let n = self.rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.rest[..n]);
        self.rest.drain(..n);
        Ok(n)
    }
}

#[test]
fn a_hundred_thousand_jobs_are_read_one_by_one() {
    let (mut jobs, mut gpus) = (0, 0);
    let from = BufReader::new(Many { next: 0, rest: Vec::new() });
    let result = reply::read(from, "jobs", &mut |entry: job::Entry| {
        if let Some(job) = entry.job() {
            jobs += 1;
            gpus += job.shares.iter().filter_map(|share| share.gpus.as_ref()).map(Vec::len).sum::<usize>();
        }
    });
    assert_eq!((result, jobs, gpus), (Ok(()), 100_000, 1_600_000));
}

fn script(text: &str) -> (tempfile::TempDir, Slurm) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("squeue");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("may run");
    let slurm = Slurm::default().with_commands(dir.path());
    (dir, slurm)
}

fn ask(slurm: &Slurm) -> (Vec<String>, Result<(), String>) {
    let mut ids = Vec::new();
    let result = slurm.jobs(&mut |job| ids.push(job.id));
    (ids, result)
}

#[test]
fn a_command_is_run_and_its_failure_told() {
    let (_dir, slurm) =
        script(r#"[ "$*" = "--all --states=all --json" ] && echo '{"jobs": [{"job_id": 1}, {"job_id": 2}]}'"#);
    assert_eq!(ask(&slurm), (vec!["1".into(), "2".into()], Ok(())));
    let (_dir, slurm) = script("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1");
    let (ids, result) = ask(&slurm);
    assert!(
        ids.is_empty() && result.as_ref().is_err_and(|error| error.ends_with("Unable to contact slurm controller")),
        "{result:?}"
    );
    let (_dir, slurm) = script("echo '{\"jobs\": []}'; echo done; sleep 0.1; echo done");
    assert_eq!(ask(&slurm), (vec![], Ok(())), "what comes after it is nothing to us");
    let (_dir, slurm) = script("yes 'no json' 2>/dev/null");
    assert!(ask(&slurm).1.is_err_and(|error| error.contains("no answer that can be read")));
    let (_dir, slurm) = script("echo '{\"jobs\": [{\"job_id\": 1},'");
    assert!(ask(&slurm).1.is_err_and(|error| error.contains("ends before")));
    let slurm = Slurm::default().with_commands("/nowhere");
    assert!(ask(&slurm).1.is_err_and(|error| error.starts_with("cannot run squeue: ")));
}

#[test]
fn a_command_that_hangs_is_stopped() {
    // A wrapper's own child holds its output, too.
    let (_dir, slurm) = script("echo '{\"jobs\": [{\"job_id\": 1},'; sleep 600; true");
    let slurm = Slurm { deadline: Duration::from_millis(300), ..slurm };
    let began = Instant::now();
    let (ids, result) = ask(&slurm);
    assert_eq!(ids, ["1"]);
    assert!(result.is_err_and(|error| error.contains("took longer")), "after {:?}", began.elapsed());
}

#[test]
fn nodes_have_their_states_and_reasons_in_every_version() {
    let read = |text: &str| {
        let mut nodes = Vec::new();
        reply::read(text.as_bytes(), "nodes", &mut |entry: node::Entry| nodes.extend(entry.standing()))
            .expect("an answer");
        nodes
    };
    let plain = r#"{"nodes": [{"name": "gpu001", "state": "idle", "state_flags": ["DRAIN"], "reason": "XID \"79\"",
        "reason_changed_at": 1795663456, "reason_set_by_user": "root"},
        {"name": "gpu002", "state": "idle", "state_flags": [], "reason": "", "reason_changed_at": 0, "reason_set_by_user": null}]}"#;
    let set = r#"{"nodes": [{"name": "gpu001", "state": ["IDLE", "DRAIN"], "reason": "XID \"79\"",
        "reason_changed_at": {"set": true, "infinite": false, "number": 1795663456}, "reason_set_by_user": "root"},
        {"name": "gpu002", "state": ["IDLE"], "reason": "", "reason_changed_at": {"set": true, "infinite": false, "number": 0},
        "reason_set_by_user": ""}, {"state": ["IDLE"]}]}"#;
    let drained = Standing {
        node: "gpu001".into(),
        states: vec!["idle".into(), "drain".into()],
        reason: "XID \"79\"".into(),
        by: "root".into(),
        since: Some(Time::from_millis(1_795_663_456_000)),
    };
    let idle = Standing { node: "gpu002".into(), states: vec!["idle".into()], ..Standing::default() };
    for text in [plain, set] {
        assert_eq!(read(text), [drained.clone(), idle.clone()], "{text}");
    }
}

#[test]
fn nodes_are_asked_for_as_the_version_has_it() {
    let (dir, slurm) = script("exit 3");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("may run");
    };
    let ask = || {
        let mut names = Vec::new();
        slurm.nodes(&mut |standing| names.push(standing.node)).map(|()| names)
    };
    write("scontrol", "echo '{\"nodes\": [{\"name\": \"new\"}]}'");
    write("sinfo", "echo '{\"nodes\": [{\"name\": \"old\"}]}'");
    assert_eq!(ask(), Ok(vec!["new".into()]));
    write("scontrol", "echo \"scontrol: unrecognized option '--json'\" >&2; echo 'Try --help' >&2; exit 1");
    assert_eq!(ask(), Ok(vec!["old".into()]));
    write("scontrol", "echo 'slurm_load_node error: Unable to contact slurm controller' >&2; exit 1");
    assert!(ask().is_err_and(|error| error.contains("Unable to contact")));
}
