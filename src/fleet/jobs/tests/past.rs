//! What is remembered of jobs that ended, and for how long.

use super::*;
use crate::model::metric::gpu;

#[test]
fn gpus_remember_the_jobs_that_had_them_until_these_run_again() {
    let (mut fleet, sessions) = of(2);
    let had = |fleet: &Fleet, at: usize| -> Vec<(String, Vec<u16>)> {
        let had = fleet.jobs_that_had(sessions[at].node);
        let mut had: Vec<_> =
            had.map(|(job, share)| (job.id.to_string(), share.slots.iter().collect::<Vec<_>>())).collect();
        had.sort();
        had
    };
    say(&mut fleet, &[job("7", &[("gpu001", &[0, 1])]), job("8", &[("gpu001", &[4])])], at(0));
    assert!(had(&fleet, 0).is_empty(), "they have them");
    say(&mut fleet, &[job("8", &[("gpu002", &[3])])], at(1000));
    assert_eq!(had(&fleet, 0), [("7".to_owned(), vec![0, 1])], "one runs on, without it");
    say(&mut fleet, &[], at(2000));
    assert_eq!(had(&fleet, 0), [("7".to_owned(), vec![0, 1]), ("8".to_owned(), vec![4])]);
    assert_eq!(had(&fleet, 1), [("8".to_owned(), vec![3])]);
    let again = job::Job { restarts: 1, ..job("8", &[("gpu002", &[5])]) };
    say(&mut fleet, &[again], at(3000));
    assert_eq!((had(&fleet, 0).len(), had(&fleet, 1).len()), (1, 0), "it runs again");
    fleet.processes(sessions[1], &processes(&[("9", 0)]), at(4000));
    fleet.processes(sessions[1], &processes(&[]), at(5000));
    assert_eq!(had(&fleet, 1), [("9".to_owned(), vec![0])], "processes alone make jobs");
    let day_after = at(5000) + Jobs::KEPT + Duration::from_mins(2);
    fleet.forget_jobs(day_after);
    assert!(had(&fleet, 0).is_empty() && had(&fleet, 1).is_empty());
}

#[test]
fn what_a_job_had_follows_its_gpus_and_is_not_taken_for_a_later_run_s() {
    let (mut fleet, sessions) = of(2);
    let had = |fleet: &Fleet, at: usize| -> Vec<Vec<u16>> {
        fleet.jobs_that_had(sessions[at].node).map(|(_, share)| share.slots.iter().collect::<Vec<_>>()).collect()
    };
    let grant = |fleet: &mut Fleet, at: usize, slots: Option<Vec<u16>>, now: Time| {
        let grants = slots.map(|slots| report::Grant { id: "ns/train".into(), slots, ..report::Grant::default() });
        let grants = Some(grants.into_iter().collect());
        let report = report::Processes { time: now, grants, ..report::Processes::default() };
        fleet.processes(sessions[at], &report, now);
    };
    grant(&mut fleet, 0, Some(vec![2, 3]), at(0));
    grant(&mut fleet, 0, None, at(1000));
    assert_eq!(had(&fleet, 0), [[2, 3]]);
    // The first GPU is gone: the others have moved up.
    let mut less = inventory("gpu001", 8);
    less.gpus.remove(0);
    fleet.inventory(sessions[0], &less, at(2000));
    assert_eq!(had(&fleet, 0), [[1, 2]]);
    // The same id runs elsewhere.
    grant(&mut fleet, 1, Some(vec![5]), at(3000));
    assert!(had(&fleet, 0).is_empty());
    grant(&mut fleet, 1, None, at(4000));
    assert_eq!((had(&fleet, 0).len(), had(&fleet, 1)), (0, vec![vec![5]]));
}

#[test]
fn ended_jobs_outlive_the_hub() {
    let (mut before, sessions) = of(2);
    let all = [("gpu001", &[2, 3][..]), ("gpu002", &[0]), ("gpu999", &[7])];
    let seven = job::Job {
        name: "llama".into(),
        comment: "x\u{1b}y".into(),
        limit: Some(Duration::from_mins(9)),
        ..job("7", &all)
    };
    say(&mut before, &[seven.clone(), job("8", &[])], at(0));
    let ended = job::Job { phase: Phase::Ended, state: "failed".into(), reason: "NonZeroExitCode".into(), ..seven };
    say(&mut before, &[ended, job("8", &[])], at(1000));
    assert!(before.take_ended(9, at(30_000)).is_empty(), "more may come");
    let mut kept = before.take_ended(9, at(31_000));
    assert!(kept.len() == 1 && before.take_ended(9, at(99_000)).is_empty());
    // The first GPU is gone, and its neighbours have moved up.
    let mut less = inventory("gpu001", 8);
    less.gpus.remove(0);
    before.inventory(sessions[0], &less, at(99_000));
    kept.extend(before.take_ended(9, at(99_000)));
    let kept: Vec<EndedJob> = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
    let mut after = fleet();
    after.restore(&before.roster());
    kept.iter().rev().for_each(|ended| after.restore_ended(ended));
    let [was, is] = [&before, &after].map(|fleet| {
        let job = get(fleet, "7");
        let texts =
            [&job.name, &job.user, &job.state, &job.reason, &job.comment, &job.strangers[0]].map(ToString::to_string);
        let shares = job.shares.iter().map(|share| (share.node, share.slots.clone(), job.had(share)));
        (texts, job.phase, [job.started, job.ended], job.limit, shares.collect::<Vec<_>>())
    });
    assert_eq!(is, was);
    assert_eq!((is.4[0].1.iter().collect::<Vec<_>>(), &*is.0[3]), (vec![1, 2], "NonZeroExitCode"));
    let had = |node: &str| after.jobs_that_had(after.find(node).unwrap()).count();
    assert_eq!((had("gpu001"), had("gpu002"), after.jobs().len()), (1, 1, 1));
    // The same id runs again.
    say(&mut after, &[job("7", &[("gpu002", &[5])])], at(200_000));
    assert_eq!((get(&after, "7").phase, of_gpu(&after, sessions[1].node, 5)), (Phase::Running, vec!["7".to_owned()]));
    assert!(after.take_ended(9, at(400_000)).is_empty());
}

#[test]
fn instances_that_an_ended_job_had_are_known_over_a_restart() {
    let (mut before, sessions) = of(1);
    let mut whole = inventory("gpu001", 8);
    whole.gpus.push(report::Gpu { uuid: "MIG-1".into(), parent: Some(0), ..report::Gpu::default() });
    before.inventory(sessions[0], &whole, at(0));
    before.processes(sessions[0], &processes(&[("7", 8)]), at(1000));
    before.processes(sessions[0], &processes(&[]), at(2000));
    let kept = before.take_ended(9, at(60_000));
    let mut after = fleet();
    after.restore(&before.roster());
    for ended in &kept {
        after.restore_ended(ended);
    }
    join(&mut after, "gpu001", 8, at(70_000));
    let session = join(&mut after, "gpu001", 8, at(71_000));
    after.inventory(session, &whole, at(71_000));
    let had: Vec<_> =
        after.jobs_that_had(session.node).map(|(_, share)| share.slots.iter().collect::<Vec<_>>()).collect();
    assert_eq!((kept.len(), had), (1, vec![vec![8]]));
}

#[test]
fn those_that_ended_first_are_forgotten_when_all_had_too_much() {
    let (mut fleet, _) = of(3);
    let ids = |fleet: &Fleet| -> Vec<String> {
        fleet.jobs().iter().map(|n| fleet.job(*n as usize).expect("a job").id.to_string()).collect()
    };
    let all = [("gpu001", &[0][..]), ("gpu002", &[0]), ("gpu003", &[0])];
    for (at_second, id) in (1..).zip(["3", "1", "2"]) {
        say(&mut fleet, &[job(id, &all)], at(at_second * 10_000));
        say(&mut fleet, &[], at(at_second * 10_000 + 5000));
    }
    say(&mut fleet, &[job("9", &all)], at(90_000));
    fleet.jobs.forget_beyond(9);
    assert_eq!(ids(&fleet), ["1", "2", "3", "9"]);
    fleet.jobs.forget_beyond(8);
    assert_eq!(ids(&fleet), ["1", "2", "9"], "what runs does not count");
    fleet.jobs.forget_beyond(0);
    assert_eq!(ids(&fleet), ["9"]);
}

#[test]
fn what_a_jobs_gpus_did_before_its_end_outlives_the_rest() {
    const STEP: Duration = Duration::from_secs(10);
    let mut fleet = Fleet::new(crate::fleet::Settings { history_bytes: Some(0), ..Default::default() });
    let sessions = ["gpu001", "gpu002"].map(|name| join(&mut fleet, name, 8, at(0)));
    let noise = |step: i64, slot: i64| (step * 7919 + slot * 104_729) % 1_000_003 * 1_000_000;
    let send_step = |fleet: &mut Fleet, step: i64| {
        let now = at(step * 10_000);
        let values: Vec<f64> = (0..8).map(|slot| noise(step, slot) as f64).collect();
        assert!(sessions.iter().all(|session| send(fleet, *session, gpu::NVLINK_RX, &values, now)));
        fleet.tick(now);
    };
    let end = 180;
    (0..end).for_each(|step| send_step(&mut fleet, step));
    let end = at(end * 10_000);
    say(&mut fleet, &[job("7", &[("gpu001", &[3])])], end - STEP);
    say(&mut fleet, &[], end);
    let read = |fleet: &Fleet, node: usize, from: Time, to: Time| -> Vec<Option<f64>> {
        fleet.history(sessions[node].node, gpu::NVLINK_RX, 3, from, to, STEP)
    };
    let from = end - Duration::from_mins(20);
    let whole = read(&fleet, 0, from, end);
    assert!(whole.len() == 120 && whole.iter().all(Option::is_some));
    (180..20_000).for_each(|step| send_step(&mut fleet, step));
    assert!(fleet.reach() > Some(end), "the log has gone on");
    assert_eq!(read(&fleet, 0, from, end), whole);
    assert!(read(&fleet, 1, from, end).iter().all(Option::is_none), "no job ended there");
    assert!(read(&fleet, 0, from - Duration::from_mins(10), from - STEP * 20).iter().all(Option::is_none));
    // As one, too.
    let rolled = fleet.rollup_of(sessions[0].node, gpu::NVLINK_RX, [3], (from, end, STEP), (None, None));
    assert!(rolled.iter().map(|it| it.map(|it| it.sum)).eq(whole));
}
