//! Jobs by their processes, by a scheduler, and by both.

mod past;

use super::{super::fixture::*, *};
use crate::model::{
    job,
    report::{self, GpuUse, Workload},
};

/// A fleet of so many nodes, `gpu001` and so on, with eight GPUs each, and a session for each.
fn of(nodes: usize) -> (Fleet, Vec<super::super::Session>) {
    let mut fleet = fleet();
    let sessions = (1..=nodes).map(|n| {
        let name = format!("gpu{n:03}");
        let session = join(&mut fleet, &name, 1, at(0));
        fleet.inventory(session, &inventory(&name, 8), at(0));
        session
    });
    let sessions = sessions.collect();
    (fleet, sessions)
}

/// Processes of jobs, each on one GPU.
fn processes(uses: &[(&str, u16)]) -> report::Processes {
    let list = uses.iter().zip(1..).map(|((job, slot), pid)| report::Process {
        pid,
        user: "u1042".into(),
        started: Some(at(-60_000)),
        gpus: vec![GpuUse { slot: *slot, ..GpuUse::default() }],
        workload: Workload { job: (*job).into(), ..Workload::default() },
        ..report::Process::default()
    });
    report::Processes { time: at(0), list: list.collect(), ..report::Processes::default() }
}

/// A running job, with these GPUs of these nodes.
fn job(id: &str, shares: &[(&str, &[u16])]) -> job::Job {
    let shares = shares.iter().map(|(node, gpus)| job::Share { node: (*node).into(), gpus: Some(gpus.to_vec()) });
    job::Job {
        id: id.into(),
        user: "alice".into(),
        phase: Phase::Running,
        state: "running".into(),
        started: Some(at(-3_600_000)),
        shares: shares.collect(),
        ..job::Job::default()
    }
}

fn say(fleet: &mut Fleet, jobs: &[job::Job], now: Time) {
    fleet.begin_schedule("slurm");
    for job in jobs {
        fleet.schedule(job, now);
    }
    fleet.end_schedule(Ok(()), Ok(()), now);
}

fn get<'a>(fleet: &'a Fleet, id: &str) -> &'a Job {
    fleet.job(fleet.find_job(id).expect(id) as usize).expect(id)
}

/// The jobs of one GPU.
fn of_gpu(fleet: &Fleet, node: NodeId, slot: u16) -> Vec<String> {
    let jobs = fleet.jobs_of(node).filter(|(_, share)| share.slots.contains(slot));
    jobs.map(|(number, _)| fleet.job(number as usize).expect("a job").id.to_string()).collect()
}

#[test]
fn processes_alone_make_jobs() {
    let (mut fleet, sessions) = of(2);
    fleet.processes(sessions[0], &processes(&[("10", 0), ("10", 1), ("9", 7), ("", 5)]), at(1000));
    fleet.processes(sessions[1], &processes(&[("10", 3)]), at(2000));
    let order: Vec<&str> = fleet.jobs().iter().map(|n| &*fleet.job(*n as usize).unwrap().id).collect();
    assert_eq!(order, ["9", "10"], "by number");
    let ten = get(&fleet, "10");
    assert_eq!((ten.phase, ten.gpus(), ten.nodes(), &*ten.user), (Phase::Running, 3, 2, "u1042"));
    assert_eq!((ten.started, ten.is_scheduled), (Some(at(-60_000)), false));
    assert_eq!(of_gpu(&fleet, sessions[0].node, 1), ["10"]);
    assert!(of_gpu(&fleet, sessions[0].node, 5).is_empty());

    fleet.processes(sessions[0], &processes(&[("9", 7)]), at(11_000));
    assert_eq!((get(&fleet, "10").phase, get(&fleet, "10").held().count()), (Phase::Running, 1));
    fleet.processes(sessions[1], &processes(&[]), at(12_000));
    let ten = get(&fleet, "10");
    assert_eq!((ten.phase, ten.ended, ten.gpus()), (Phase::Ended, Some(at(12_000)), 3), "what it had is remembered");
    assert_eq!((ten.held().count(), fleet.jobs_of(sessions[1].node).count()), (0, 0));

    // The same id again is another run.
    fleet.processes(sessions[1], &processes(&[("10", 0)]), at(20_000));
    let ten = get(&fleet, "10");
    assert_eq!((ten.phase, ten.ended, ten.gpus(), ten.nodes()), (Phase::Running, None, 1, 1));
}

#[test]
fn several_jobs_may_share_a_gpu() {
    let (mut fleet, sessions) = of(1);
    fleet.processes(sessions[0], &processes(&[("1", 0), ("2", 0)]), at(0));
    assert_eq!(of_gpu(&fleet, sessions[0].node, 0), ["1", "2"]);
}

#[test]
fn what_is_given_and_what_is_used_are_two_things() {
    let (mut fleet, sessions) = of(2);
    say(&mut fleet, &[job("7", &[("gpu001", &[0, 1]), ("gpu002", &[2])])], at(0));
    fleet.processes(sessions[0], &processes(&[("7", 1), ("7", 4)]), at(0));
    let seven = get(&fleet, "7");
    assert_eq!((&*seven.user, seven.started), ("alice", Some(at(-3_600_000))), "the scheduler knows better");
    assert_eq!((seven.gpus(), seven.nodes()), (4, 2));
    let share = seven.held().find(|share| share.node == sessions[0].node).unwrap();
    assert_eq!((share.unused(), share.ungiven()), (Some(1), Some(1)));
    assert_eq!(share.runs().collect::<Vec<_>>(), [0..2, 4..5]);

    // Its processes end before the job does, and the other way round.
    fleet.processes(sessions[0], &processes(&[]), at(10_000));
    assert_eq!((get(&fleet, "7").phase, get(&fleet, "7").gpus()), (Phase::Running, 3));
    fleet.processes(sessions[0], &processes(&[("7", 1)]), at(20_000));
    let ended = job::Job { phase: Phase::Ended, ended: Some(at(19_000)), ..job("7", &[]) };
    say(&mut fleet, &[ended], at(21_000));
    let seven = get(&fleet, "7");
    assert_eq!((seven.phase, seven.ended), (Phase::Ended, Some(at(19_000))));
    assert_eq!((seven.held().count(), seven.nodes()), (1, 2), "a process is left behind");
    assert_eq!(of_gpu(&fleet, sessions[0].node, 1), ["7"]);
    fleet.processes(sessions[0], &processes(&[]), at(30_000));
    assert_eq!(get(&fleet, "7").held().count(), 0);
}

#[test]
fn what_a_job_left_behind_does_not_bring_it_back() {
    let (mut fleet, sessions) = of(2);
    let ended = job::Job { phase: Phase::Ended, ended: Some(at(0)), ..job("7", &[("gpu001", &[0]), ("gpu002", &[0])]) };
    say(&mut fleet, &[ended], at(0));
    fleet.processes(sessions[1], &processes(&[("7", 0)]), at(1000));
    say(&mut fleet, &[], at(2000));
    fleet.processes(sessions[1], &processes(&[("7", 0), ("8", 1)]), at(3000));
    let seven = get(&fleet, "7");
    assert_eq!((seven.phase, seven.nodes(), seven.held().count()), (Phase::Ended, 2, 1));
    assert_eq!(of_gpu(&fleet, sessions[1].node, 0), ["7"]);
    fleet.processes(sessions[1], &processes(&[]), at(4000));
    fleet.processes(sessions[0], &processes(&[("7", 5)]), at(5000));
    let seven = get(&fleet, "7");
    assert_eq!((seven.phase, seven.nodes(), seven.gpus()), (Phase::Running, 1, 1), "now it is another run");
}

#[test]
fn a_job_that_begins_again_keeps_only_what_it_holds() {
    let (mut fleet, sessions) = of(3);
    let nodes: [(&str, &[u16]); 3] = [("gpu001", &[0]), ("gpu002", &[0]), ("gpu003", &[0])];
    say(&mut fleet, &[job("7", &nodes)], at(0));
    fleet.processes(sessions[2], &processes(&[("7", 0)]), at(0));
    say(&mut fleet, &[job::Job { restarts: 1, ..job("7", &[("gpu002", &[4])]) }], at(1000));
    let seven = get(&fleet, "7");
    assert_eq!((seven.nodes(), seven.gpus(), seven.held().count()), (2, 2, 2));
    assert_eq!(of_gpu(&fleet, sessions[2].node, 0), ["7"]);
    fleet.processes(sessions[2], &processes(&[]), at(2000));
    assert_eq!((get(&fleet, "7").held().count(), of_gpu(&fleet, sessions[1].node, 4)), (1, vec!["7".to_owned()]));
}

#[test]
fn a_scheduler_may_not_say_which_gpus_it_gave() {
    let (mut fleet, sessions) = of(1);
    let silent =
        |phase| job::Job { phase, shares: vec![job::Share { node: "gpu001".into(), gpus: None }], ..job("7", &[]) };
    say(&mut fleet, &[silent(Phase::Running)], at(0));
    fleet.processes(sessions[0], &processes(&[("7", 3)]), at(0));
    let share = get(&fleet, "7").held().next().unwrap();
    assert_eq!((share.unused(), share.ungiven(), share.slots.clone()), (None, None, Slots::from_iter([3])));
    say(&mut fleet, &[job("7", &[("gpu001", &[2, 3])])], at(1000));
    say(&mut fleet, &[silent(Phase::Running)], at(2000));
    let share = get(&fleet, "7").held().next().unwrap();
    assert_eq!((share.unused(), share.ungiven()), (Some(1), Some(0)), "what it said before is still so");
    let waits = job::Job { phase: Phase::Waiting, ..job("8", &[]) };
    say(&mut fleet, &[silent(Phase::Running), waits], at(3000));
    say(&mut fleet, &[silent(Phase::Running)], at(4000));
    assert_eq!(get(&fleet, "8").phase, Phase::Ended, "one that waited and is not told of any more is over, too");
}

#[test]
fn a_job_that_the_scheduler_forgot_is_over() {
    let (mut fleet, sessions) = of(1);
    say(&mut fleet, &[job("7", &[("gpu001", &[0])]), job("8", &[("gpu001", &[1])])], at(0));
    fleet.processes(sessions[0], &processes(&[("8", 1)]), at(0));
    fleet.begin_schedule("slurm");
    fleet.end_schedule(Err("late".into()), Ok(()), at(15_000));
    assert_eq!(get(&fleet, "7").phase, Phase::Running, "nothing is over because nobody answers");
    let scheduler = fleet.census(at(16_000)).scheduler.unwrap();
    assert_eq!((&*scheduler.name, scheduler.heard, &*scheduler.problem), ("slurm", Some(at(0)), "late"));
    say(&mut fleet, &[], at(30_000));
    assert_eq!((get(&fleet, "7").phase, get(&fleet, "7").ended), (Phase::Ended, Some(at(30_000))));
    assert_eq!(get(&fleet, "8").phase, Phase::Running, "its processes say so");
    fleet.processes(sessions[0], &processes(&[]), at(31_000));
    assert_eq!(get(&fleet, "8").phase, Phase::Ended);
}

#[test]
fn a_requeued_job_begins_again() {
    let (mut fleet, sessions) = of(2);
    say(&mut fleet, &[job("7", &[("gpu001", &[0])])], at(0));
    let waits = job::Job { phase: Phase::Waiting, started: None, restarts: 1, ..job("7", &[]) };
    say(&mut fleet, &[waits], at(1000));
    assert_eq!((get(&fleet, "7").phase, get(&fleet, "7").held().count()), (Phase::Waiting, 0));
    say(&mut fleet, &[job::Job { restarts: 1, ..job("7", &[("gpu002", &[3])]) }], at(2000));
    let seven = get(&fleet, "7");
    assert_eq!((seven.phase, seven.restarts, seven.gpus(), seven.nodes()), (Phase::Running, 1, 1, 1));
    assert!(of_gpu(&fleet, sessions[0].node, 0).is_empty());
    assert_eq!(of_gpu(&fleet, sessions[1].node, 3), ["7"]);
}

#[test]
fn nodes_that_are_not_known_are_listed_and_taken_when_they_come() {
    let (mut fleet, _) = of(1);
    let said = [job("7", &[("gpu001", &[0]), ("gpu009", &[1, 2])])];
    say(&mut fleet, &said, at(0));
    let seven = get(&fleet, "7");
    assert_eq!((seven.nodes(), seven.gpus(), seven.strangers.len()), (2, 1, 1));
    let session = join(&mut fleet, "gpu009", 1, at(1000));
    say(&mut fleet, &said, at(1000));
    assert_eq!((get(&fleet, "7").gpus(), get(&fleet, "7").strangers.len()), (1, 0), "its GPUs are not known yet");
    fleet.inventory(session, &inventory("gpu009", 8), at(2000));
    say(&mut fleet, &said, at(2000));
    assert_eq!(get(&fleet, "7").gpus(), 3);
}

#[test]
fn nodes_stand_as_the_scheduler_says() {
    let (mut fleet, sessions) = of(2);
    let standing = |node: &str, states: &[&str]| job::Standing {
        node: node.into(),
        states: states.iter().map(|state| (*state).into()).collect(),
        reason: "XID 79".into(),
        ..job::Standing::default()
    };
    let round = |fleet: &mut Fleet, nodes: &[job::Standing], result| {
        fleet.begin_schedule("slurm");
        for node in nodes {
            fleet.stand(node);
        }
        fleet.end_schedule(Ok(()), result, at(0));
    };
    let known = |fleet: &Fleet, n: usize| fleet.node(sessions[n].node).standing.as_ref().map(|it| it.states.join("+"));
    let all =
        [standing("gpu001", &["idle", "drain"]), standing("gpu002", &["allocated"]), standing("gpu009", &["idle"])];
    round(&mut fleet, &all, Ok(()));
    assert_eq!((known(&fleet, 0).as_deref(), known(&fleet, 1).as_deref()), (Some("idle+drain"), Some("allocated")));
    assert_eq!(fleet.scheduler().unwrap().strangers, "gpu009");
    round(&mut fleet, &all[..1], Err("late".into()));
    assert_eq!(known(&fleet, 1).as_deref(), Some("allocated"), "half an answer takes nothing away");
    assert_eq!(fleet.scheduler().unwrap().problem, "late");
    round(&mut fleet, &all[..1], Ok(()));
    assert_eq!((known(&fleet, 0).is_some(), known(&fleet, 1)), (true, None));
    assert_eq!(fleet.scheduler().unwrap().strangers, "");
}

#[test]
fn those_that_ended_long_ago_are_forgotten_and_their_numbers_used_again() {
    let (mut fleet, _) = of(1);
    say(&mut fleet, &[job("7", &[("gpu001", &[0])])], at(0));
    say(&mut fleet, &[], at(1000));
    let day = Jobs::KEPT.as_millis() as i64;
    fleet.tick(at(day));
    assert!(fleet.find_job("7").is_some());
    fleet.tick(at(day + 120_000));
    assert!(fleet.find_job("7").is_none() && fleet.jobs().is_empty());
    say(&mut fleet, &[job("8", &[("gpu001", &[0])])], at(day + 200_000));
    assert_eq!(fleet.find_job("8"), Some(0));
}

#[test]
fn there_is_room_for_so_many_and_the_rest_is_counted() {
    let (mut fleet, sessions) = of(1);
    fleet.begin_schedule("slurm");
    (0..=Jobs::MOST).for_each(|n| fleet.schedule(&job(&n.to_string(), &[]), at(0)));
    fleet.processes(sessions[0], &processes(&[("another", 0)]), at(0));
    assert_eq!(fleet.jobs().len(), Jobs::MOST);
    assert_eq!(fleet.census(at(0)).drops, [(BEYOND.to_owned(), 2)]);
    // Those that have ended make room, the oldest first.
    fleet.tick(at(61_000));
    for n in 0..3 {
        let ended = job::Job { phase: Phase::Ended, ended: Some(at(n)), ..job(&n.to_string(), &[]) };
        fleet.schedule(&ended, at(61_000));
    }
    fleet.processes(sessions[0], &processes(&[("another", 0)]), at(62_000));
    assert!(fleet.find_job("another").is_some() && fleet.find_job("0").is_none());
    assert_eq!(fleet.find_job("3").map(|n| fleet.job(n as usize).map(|job| job.phase)), Some(Some(Phase::Running)));
}

#[test]
fn hostile_text_is_cleaned() {
    let (mut fleet, _) = of(1);
    say(&mut fleet, &[job::Job { name: "a\u{1b}[31mb\nc".into(), ..job("7\r\n", &[("gpu\u{7}001", &[0])]) }], at(0));
    let all: Vec<&Job> = fleet.jobs().iter().filter_map(|n| fleet.job(*n as usize)).collect();
    let texts = [&all[0].id, &all[0].name, &all[0].strangers[0]];
    assert!(texts.iter().all(|text| !text.chars().any(char::is_control)), "{texts:?}");
}

/// What nodes say that jobs were given.
fn granted(grants: &[(&str, &[u16])], uses: &[(&str, u16)]) -> report::Processes {
    let grant = |(id, slots): &(&str, &[u16])| report::Grant {
        id: (*id).into(),
        name: "llama".into(),
        account: "ml".into(),
        slots: slots.to_vec(),
        ..report::Grant::default()
    };
    report::Processes { grants: Some(grants.iter().map(grant).collect()), ..processes(uses) }
}

#[test]
fn nodes_say_what_jobs_were_given_of_them() {
    let (mut fleet, sessions) = of(2);
    let given: &[(&str, &[u16])] = &[("ml/llama", &[0, 1, 99])];
    fleet.processes(sessions[0], &granted(given, &[("ml/llama", 0), ("ml/llama", 5)]), at(1000));
    fleet.processes(sessions[1], &granted(given, &[]), at(1000));
    let job = get(&fleet, "ml/llama");
    assert_eq!((job.phase, &*job.name, &*job.account, &*job.user), (Phase::Running, "llama", "ml", "u1042"));
    assert_eq!((job.gpus(), job.nodes(), job.is_scheduled), (5, 2, false), "no slot that the node has not");
    let counts = |job: &Job| {
        let counts = |share: &Share| (share.unused().expect("known"), share.ungiven().expect("known"));
        job.held().map(counts).collect::<Vec<_>>()
    };
    assert_eq!(counts(job), [(1, 1), (2, 0)]);

    fleet.processes(sessions[0], &granted(&[], &[("ml/llama", 5)]), at(11_000));
    assert_eq!(
        counts(get(&fleet, "ml/llama")),
        [(0, 1), (2, 0)],
        "one node took its part back, and one process stayed"
    );
    fleet.processes(sessions[0], &granted(&[], &[]), at(21_000));
    fleet.processes(sessions[1], &granted(&[], &[]), at(21_000));
    let job = get(&fleet, "ml/llama");
    assert_eq!((job.phase, job.ended, job.held().count(), job.gpus()), (Phase::Ended, Some(at(21_000)), 0, 3));

    fleet.processes(sessions[1], &granted(&[("ml/llama", &[7])], &[]), at(31_000));
    let job = get(&fleet, "ml/llama");
    assert_eq!((job.phase, job.ended, job.gpus(), &*job.name), (Phase::Running, None, 1, "llama"), "and it came again");
}

#[test]
fn of_a_schedulers_job_the_scheduler_says_what_it_was_given() {
    let (mut fleet, sessions) = of(1);
    say(&mut fleet, &[job("7", &[("gpu001", &[0, 1])])], at(0));
    fleet.processes(sessions[0], &granted(&[("7", &[5])], &[]), at(1000));
    assert_eq!((get(&fleet, "7").gpus(), &*get(&fleet, "7").name), (2, ""));
    fleet.processes(sessions[0], &granted(&[], &[]), at(2000));
    assert_eq!(get(&fleet, "7").gpus(), 2);
}

#[test]
fn what_is_not_known_changes_nothing() {
    let (mut fleet, sessions) = of(1);
    fleet.processes(sessions[0], &granted(&[("ml/llama", &[0, 1])], &[]), at(0));
    fleet.processes(sessions[0], &processes(&[]), at(10_000));
    assert_eq!(get(&fleet, "ml/llama").held().count(), 1, "an agent that has just started does not know yet");
    fleet.processes(sessions[0], &granted(&[], &[]), at(20_000));
    assert_eq!(get(&fleet, "ml/llama").phase, Phase::Ended);
}

#[test]
fn a_scheduler_that_runs_in_pods_is_believed_and_not_its_pods() {
    let (mut fleet, sessions) = of(1);
    say(&mut fleet, &[job("7", &[("gpu001", &[0, 1])])], at(0));
    let pods = granted(&[("slurm/worker-0", &[0, 1, 2, 3, 4, 5, 6, 7])], &[]);
    fleet.processes(sessions[0], &pods, at(0));
    assert_eq!(of_gpu(&fleet, sessions[0].node, 0), ["7", "slurm/worker-0"], "it may be another cluster's node");
    fleet.begin_schedule("slurm");
    fleet.schedule(&job("7", &[("gpu001", &[0, 1])]), at(1000));
    fleet.stand(&job::Standing { node: "gpu001".into(), states: vec!["mixed".into()], ..job::Standing::default() });
    fleet.end_schedule(Ok(()), Ok(()), at(1000));
    fleet.processes(sessions[0], &pods, at(2000));
    assert_eq!(of_gpu(&fleet, sessions[0].node, 0), ["7"]);
}

#[test]
fn jobs_of_a_node_that_fell_silent_end() {
    let (mut fleet, sessions) = of(2);
    say(&mut fleet, &[job("7", &[("gpu001", &[0, 1])])], at(0));
    let said = granted(&[("ml/llama", &[2, 3])], &[("9", 4)]);
    for session in &sessions {
        fleet.processes(*session, &said, at(0));
        send(&mut fleet, *session, crate::model::metric::gpu::UTIL, &[50.0; 8], at(0));
    }
    let late = at(700_000);
    send(&mut fleet, sessions[1], crate::model::metric::gpu::UTIL, &[50.0; 8], late);
    fleet.tick(late);
    let llama = get(&fleet, "ml/llama");
    assert_eq!((llama.phase, llama.held().count(), llama.gpus()), (Phase::Running, 1, 2 + 2), "it goes on elsewhere");
    assert_eq!(get(&fleet, "7").held().count(), 1, "the scheduler says so still");

    let later = at(1_500_000);
    fleet.tick(later);
    assert_eq!(
        (get(&fleet, "ml/llama").phase, get(&fleet, "ml/llama").ended),
        (Phase::Ended, Some(late)),
        "last heard"
    );
    fleet.processes(sessions[0], &said, later);
    assert_eq!((get(&fleet, "9").phase, get(&fleet, "ml/llama").held().count()), (Phase::Running, 1), "it came back");
}
