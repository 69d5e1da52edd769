//! Questions about jobs, and about whose things are.

use std::time::Duration;

use super::{
    ask, at,
    fixture::{NOW, inventory, join, send},
    ids, lines, table_of,
};
use crate::{
    fleet::{Fleet, Settings},
    model::{
        alias::Aliases,
        job::{Job, Location, Phase, Share, Standing},
        metric::{MetricId, gpu},
        place::{Label, Levels},
        question::Answer,
        raw::Raw,
        report::{HIDDEN_PROCESSES, Inventory},
        table::Table,
        verdict::Verdict,
    },
};

/// The small fleet, whose scheduler has given GPUs to two jobs, one of which uses none of them; a third waits, and a
/// fourth has ended.
pub(super) fn fleet() -> Fleet {
    let mut fleet = super::fleet();
    let job = |id: &str, user: &str, phase, shares: &[(&str, &[u16])]| Job {
        id: id.into(),
        name: format!("train-{id}"),
        user: user.into(),
        account: "physics".into(),
        phase,
        state: format!("{phase:?}").to_lowercase(),
        submitted: Some(at(NOW - 120)),
        started: (phase != Phase::Waiting).then(|| at(NOW - 60)),
        ended: (phase == Phase::Ended).then(|| at(NOW - 10)),
        limit: Some(Duration::from_mins(3)),
        shares: shares.iter().map(|(node, gpus)| Share { node: (*node).into(), gpus: Some(gpus.to_vec()) }).collect(),
        ..Job::default()
    };
    fleet.begin_schedule("slurm");
    for said in [
        job("7", "alice", Phase::Running, &[("gpu001", &[0, 1]), ("gpu002", &[0, 1, 2, 3])]),
        job("8", "bob", Phase::Running, &[("gpu010", &[1]), ("gpu404", &[0])]),
        job("9", "alice", Phase::Waiting, &[]),
        job("6", "carol", Phase::Ended, &[("gpu010", &[0])]),
    ] {
        fleet.schedule(&said, at(NOW));
    }
    fleet.end_schedule(Ok(()), Ok(()), at(NOW));
    fleet
}

fn table(text: &str) -> Table {
    table_of(&fleet(), text)
}

fn check(text: &str, expected: &str) {
    assert_eq!(ids(&table(text)), expected, "{text}");
}

fn cells(text: &str, expected: &str) {
    assert_eq!(lines(&table(text)), expected, "{text}");
}

#[test]
fn jobs_are_rows() {
    check("jobs where account = physics", "6 7 8 9");
    check("jobs where account = physics sort phase,-gpus,job", "7 8 9 6");
    check("jobs where train-8", "8");
    check("jobs where user = alice and phase = waiting", "9");
    check("jobs where state = ended", "6");
    cells("jobs where job = 7 show job,user,gpus,nodes,age,wait,job.limit,left", "7 alice 6 2 1m00s 1m00s 3m00s 2m00s");
    cells("jobs where job = 6 show job,gpus,held,age,ended,left", "6 1 0 50s 10s none");
    cells("jobs where job = 8 show job,nodes,gpus,hosts", "8 2 1 gpu404,gpu010.site.example");
    check("jobs where left < 150s", "7 8");
}

#[test]
fn jobs_of_then_follow_from_when_they_began_and_ended() {
    check("jobs where account = physics at -130s", "");
    check("jobs where account = physics and phase = waiting at -90s", "6 7 8 9");
    check("jobs where account = physics and phase = running at -30s", "6 7 8");
    check("jobs where account = physics and phase = ended at -5s", "6");
    cells("jobs where job = 6 show job,state,nodes,gpus,age,ended at -30s", "6 running 1 1 31s none");
    cells(
        "jobs where job = 7 show job,state,gpus,held,age,wait,left,unused at -30s",
        "7 running 6 6 31s 1m00s 2m29s –",
    );
    cells("jobs where job = 7 show util,min(util),power at -30s", "90% 70% 200W");
    check("jobs where util > 60 at -30s", "7 14711 14712");
    check("jobs where account = physics sort -power,job limit 2 at -30s", "7 6");
    check("gpus where job = 7 at -30s", "gpu001:0 gpu001:1 gpu002:0 gpu002:1 gpu002:2 gpu002:3");
    check("gpus where job = 6 at -30s", "gpu010.site.example:0");
    cells("nodes where gpu010 show job,job.user at -30s", "6,8 bob,carol");
    check("gpus where job = 7 at -70s", "");
    let job = table("jobs where job = 7 show util at -30s").rows[0].cells[0].number();
    let gpus = table("gpus where job = 7 show util at -30s");
    let known: Vec<f64> = gpus.rows.iter().filter_map(|row| row.cells[0].number()).collect();
    assert_eq!(job, Some(known.iter().sum::<f64>() / known.len() as f64), "{gpus:?}");
    let complaint = ask(&fleet(), "users at -30s").expect_err("groups are not known");
    assert!(complaint.message.contains("single jobs"), "{complaint:?}");
}

#[test]
fn a_jobs_gpus_sum_up_to_it() {
    cells("jobs where job = 7 show util,min(util),max(temp),power,cpu", "52% 20% 88° 2.0kW 50%");
    cells("jobs where job = 6 show util,power", "– –");
    // 90 80 20 30 40 are known, and they are 20 from 40 in the middle.
    cells("jobs where job = 7 show median(util),mad(util),min(util)", "40% 20% 20%");
    cells("nodes where gpu001 show median(util),mad(util)", "75% 10%");
    check("jobs where account = physics sort -median(util),job limit 2", "7 8");
    check("jobs where phase = running and power > 2 * 700W", "7");
    check("jobs where any(temp > 85)", "7 14711");
    check("jobs where count(temp > 49) >= 5", "7");
}

#[test]
fn things_know_whose_they_are() {
    check("gpus where job = 7", "gpu001:0 gpu001:1 gpu002:0 gpu002:1 gpu002:2 gpu002:3");
    check("gpus where user = bob and account = physics", "gpu010.site.example:1");
    check("nodes where job = 8", "gpu010.site.example");
    check("gpus where job = 7 and util < 25", "gpu002:0");
    check("gpus where not job = 7 and gpu002", "");
    check("gpus where job = 7 and job = 14711", "gpu001:0 gpu001:1");
    check("gpus where (job = 8 or job = 14712) and power > 100", "gpu001:2 gpu010.site.example:1");
    check("gpus where job = 404", "");
    check("nodes where job = 7 sort -util", "gpu001 gpu002");
    check("nodes where user = carol", "");
    cells("gpus where job = 8 show job,user,account,job.name", "8 bob physics train-8");
}

#[test]
fn a_jobs_gpus_are_one_line_along_time() {
    // It began at second 40; steps begin at second 10 and each 20 s after it.
    let text = "jobs where job = 7 show util,min(util),power over 100s step 20s";
    let Ok(Answer::Series(series)) = ask(&fleet(), text) else { panic!("{text}") };
    let line = |key: &str| &series.lines.iter().find(|line| line.column.key == key).expect(key).values;
    let near =
        |value: Option<f64>, expected: f64| assert!(value.is_some_and(|it| (it - expected).abs() < 1e-6), "{value:?}");
    assert_eq!((series.lines.len(), line("gpu.util")[0]), (3, None), "its GPUs were others' before");
    near(line("gpu.util")[2], (2.0 * 59.5 + 50.0 + 300.0) / 6.0);
    near(line("min(util)")[2], 0.0);
    near(line("gpu.power")[2], 200.0);
    // The same GPUs one by one.
    let Ok(Answer::Series(each)) = ask(&fleet(), "gpus where job = 7 show util over 100s step 20s") else { panic!() };
    let sum: f64 = each.lines.iter().map(|line| line.values[3].expect("known")).sum();
    near(line("gpu.util")[3], sum / 6.0);

    let Ok(Answer::Series(then)) = ask(&fleet(), "jobs where job = 7 show util over 40s step 20s at -30s") else {
        panic!()
    };
    assert_eq!(then.lines[0].values, line("gpu.util")[2..4], "as it was before");
    for wrong in [
        "users over 10m",
        "jobs show job.age over 10m",
        "jobs by user show user,util over 10m",
        "jobs show count(util < 5) over 10m",
        "jobs where held(util > 3, 10s)",
    ] {
        assert!(ask(&fleet(), wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_a_job_gave_back_is_in_its_past_no_longer_than_it_was_its() {
    let mut fleet = fleet();
    let share = |node: &str, gpus: &[u16]| Share { node: node.into(), gpus: Some(gpus.to_vec()) };
    let say = |fleet: &mut Fleet, shares: Vec<Share>, phase, now: i64| {
        fleet.begin_schedule("slurm");
        let job = Job {
            id: "7".into(),
            phase,
            started: Some(at(NOW - 60)),
            ended: (phase == Phase::Ended).then(|| at(now)),
            shares,
            ..Job::default()
        };
        fleet.schedule(&job, at(now));
        fleet.end_schedule(Ok(()), Ok(()), at(now));
    };
    let line = |fleet: &Fleet| match ask(fleet, "jobs where job = 7 show util over 60s step 20s") {
        Ok(Answer::Series(series)) => series.lines[0].values.clone(),
        other => panic!("{other:?}"),
    };
    let whole = line(&fleet);
    say(&mut fleet, vec![share("gpu001", &[0, 1])], Phase::Running, NOW);
    let of_one = line(&fleet);
    assert!(of_one != whole && of_one[0] == Some(59.5), "what runs on is gpu001's: {of_one:?}");
    say(&mut fleet, Vec::new(), Phase::Ended, NOW);
    assert_eq!(line(&fleet)[..2], whole[..2], "both were its until then");
    say(&mut fleet, Vec::new(), Phase::Ended, NOW - 40);
    let known: Vec<bool> = line(&fleet).iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false, false], "it had ended long before it was heard of");
}

#[test]
fn gpus_are_known_by_the_jobs_that_had_them() {
    check("gpus where ran = 6", "gpu010.site.example:0");
    check("gpus where ran != none", "gpu010.site.example:0");
    check("gpus where ran = 7", "");
    check("nodes where ran = 6", "gpu010.site.example");
    cells("gpus where node = gpu010 show index,ran,job", "0 6 none / 1 none 8");
}

#[test]
fn where_the_scheduler_says_that_nodes_are_is_a_place() {
    let levels = Levels::new(["switch".to_owned(), "rack".to_owned()]);
    let aliases = Aliases::new([("n([0-9]+)-hsn".to_owned(), "gpu${1}".to_owned())]).expect("a pattern");
    let mut fleet = Fleet::new(Settings { levels, aliases, ..Settings::default() });
    for name in ["gpu001", "gpu002", "gpu003"] {
        let mut said = inventory(name, 1, "H100", &[("rack", "r1")]);
        if name == "gpu003" {
            said.labels.push(Label { key: "switch".into(), value: "own".into() });
        }
        join(&mut fleet, name, &said, at(0));
    }
    let tell = |fleet: &mut Fleet, all: &[(&str, &str)], result: Result<(), String>| {
        fleet.begin_topology();
        for (node, place) in all {
            let [node, label, place] = [node, "switch", place].map(str::to_owned);
            fleet.place(&Location { node, label, place });
        }
        fleet.end_topology(&result);
    };
    let places = |fleet: &Fleet| match ask(fleet, "nodes show node,switch") {
        Ok(Answer::Table(table)) => lines(&table),
        other => panic!("{other:?}"),
    };
    tell(&mut fleet, &[("n001-hsn", "leaf1"), ("gpu002", "leaf1"), ("gpu003", "leaf2"), ("gpu404", "leaf2")], Ok(()));
    assert_eq!(places(&fleet), "gpu001 leaf1 / gpu002 leaf1 / gpu003 own", "a node's own word counts more");
    let Ok(Answer::Table(table)) = ask(&fleet, "switches show switch,nodes") else { panic!() };
    assert_eq!(lines(&table), "leaf1 2 / own 1");
    let twice = [("gpu001", "leaf1"), ("gpu001", "leaf2"), ("gpu002", "leaf1"), ("gpu003", "leaf2")];
    tell(&mut fleet, &twice, Ok(()));
    assert_eq!(places(&fleet), "gpu001 leaf1 / gpu002 leaf1 / gpu003 own", "of two switches, the first counts");
    tell(&mut fleet, &[("gpu001", "leaf2")], Err("cut short".into()));
    assert_eq!(places(&fleet), "gpu001 leaf2 / gpu002 leaf1 / gpu003 own");
    tell(&mut fleet, &[("gpu001", "leaf2")], Ok(()));
    assert_eq!(places(&fleet), "gpu001 leaf2 / gpu002 none / gpu003 own");
}

#[test]
fn what_is_held_back_for_nothing_is_counted() {
    let mut fleet = super::fleet();
    let say = |fleet: &mut Fleet, now: i64| {
        fleet.begin_schedule("slurm");
        for (node, state) in [("gpu001", "idle"), ("gpu002", "drain"), ("gpu010", "drain"), ("gpu003", "maint")] {
            let since = Some(at(NOW - 3600));
            fleet.stand(&Standing { node: node.into(), states: vec![state.into()], since, ..Standing::default() });
        }
        fleet.end_schedule(Ok(()), Ok(()), at(now));
    };
    say(&mut fleet, NOW - 5);
    say(&mut fleet, NOW);
    let text = "nodes where bench != none show node,bench,node.well,node.held.hours";
    let Ok(Answer::Table(table)) = ask(&fleet, text) else { panic!("{text}") };
    // gpu002 has lost a GPU, and gpu001 is not held back; of the others it is known since the scheduler was first heard.
    assert_eq!(
        lines(&table),
        "gpu001 exposed none none / gpu002 broken none 4 / gpu003 planned none none / \
         gpu010.site.example healthy 5.0s 2"
    );
}

#[test]
fn things_are_grouped_by_their_jobs() {
    // Processes of gpu001 say that they are of a job of their own.
    cells("gpus where account = physics by job show job,count,power", "7 4 900W / 7,14711 2 1.1kW / 8 1 200W");
    cells("jobs where account = physics by user show user,count,held", "alice 2 6 / bob 1 1 / carol 1 0");
    cells("jobs where account = physics by account show account,count,power,nodes", "physics 4 2.2kW 5");
    check("gpus where power > 1.2 * median(power by job) and user = alice", "gpu001:0 gpu001:1");
}

#[test]
fn what_is_given_and_what_is_used_are_told_apart() {
    // Processes are known of gpu001 only: there they are of another job than the scheduler says.
    cells("jobs where account = physics show job,unused,ungiven", "6 0 0 / 7 2 0 / 8 – – / 9 0 0");
    cells("jobs where job = 14711 show unused,ungiven", "none none");
    check("jobs where unused > 0", "7");
}

#[test]
fn a_job_says_how_many_of_its_nodes_are_not_up() {
    let mut fleet = fleet();
    let shares = ["gpu001", "gpu003"].map(|node| Share { node: node.into(), gpus: Some(vec![0]) });
    fleet.begin_schedule("slurm");
    let job = |id: &str, shares: &[Share]| Job {
        id: id.into(),
        phase: Phase::Running,
        shares: shares.into(),
        ..Job::default()
    };
    fleet.schedule(&job("70", &shares), at(NOW));
    fleet.schedule(&job("71", &shares[..1]), at(NOW));
    fleet.end_schedule(Ok(()), Ok(()), at(NOW));
    let shown = |text: &str| match ask(&fleet, text) {
        Ok(Answer::Table(table)) => lines(&table),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(shown("jobs where job = 70 or job = 71 show job,nodes,silent"), "70 2 1 / 71 1 0");
    assert_eq!(shown("jobs where silent > 0 show job"), "70");
}

#[test]
fn what_is_made_of_a_gpu_is_one_word() {
    // Processes are known of gpu001 only. Its GPU 2 has one of a job to which nobody gave it.
    cells("gpus where gpu001 show index,use", "0 used / 1 used / 2 ungiven / 3 free");
    check("gpus where use = unused", "");
    cells("gpus by use show use,count", "free 1 / ungiven 1 / used 2 / – 9");
    check("gpus where use is unknown and gpu010", "gpu010.site.example:0 gpu010.site.example:1");
    check("gpus where use = none", "");
}

#[test]
fn a_gpu_has_a_verdict_where_it_works_for_a_job() {
    let mut fleet = fleet();
    let node = fleet.find("gpu001").expect("it is there");
    let said = [(0, Verdict::Waiting), (0, Verdict::Slow), (1, Verdict::Waiting), (3, Verdict::Gone)];
    fleet.set_verdicts(&said.map(|(slot, verdict)| ((node, slot), verdict)));
    let shown = |text: &str| match ask(&fleet, text) {
        Ok(Answer::Table(table)) => lines(&table),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(shown("gpus where gpu001 show index,verdict"), "0 slow / 1 waiting / 2 fine / 3 none");
    assert_eq!(shown("gpus where verdict = slow show node,index"), "gpu001 0");
    assert_eq!(shown("gpus where verdict in slow,gone show node,index"), "gpu001 0");
    assert_eq!(shown("gpus where gpu001 and verdict = none show index"), "3", "nobody's job waits for it");
    assert_eq!(
        shown("gpus where not verdict = slow and (gpu001 or gpu002) show index,verdict"),
        "1 waiting / 2 fine / 3 none / 0 fine / 1 fine / 2 fine / 3 fine"
    );
    assert_eq!(shown("gpus where gpu002 and verdict = FINE show index"), "0 / 1 / 2 / 3");
    assert_eq!(shown("gpus at last where gpu003 and verdict != slow"), "", "what it was last is not known");
    assert_eq!(shown("gpus where gpu003 and (verdict = slow or verdict != slow)"), "", "it is silent");
    assert_eq!(shown("gpus where gpu002 and not verdict = slow by verdict show verdict,count"), "fine 4");
    assert_eq!(shown("gpus where gpu001 by verdict show verdict,count"), "fine 1 / slow 1 / waiting 1 / none 1");
}

#[test]
fn who_is_busy_and_does_nothing_is_hollow() {
    let mut fleet = super::fleet();
    let model = "NVIDIA H100 80GB HBM3";
    let one = inventory("gpu001", 4, model, &[("rack", "r1"), ("region", "eu")]);
    let session = join(&mut fleet, "gpu001", &one, at(NOW));
    // Processes use 0 to 2: one waits in a kernel, one works, and of one it is not told.
    let unsupported = [(gpu::SM_ACTIVE, 2, Raw::UNSUPPORTED)];
    let values: [(MetricId, &[f64]); 2] =
        [(gpu::UTIL, &[100.0, 100.0, 100.0, 0.0]), (gpu::SM_ACTIVE, &[1.0, 60.0, 0.0, 0.0])];
    send(&mut fleet, session, &values, &unsupported, at(NOW));
    let Ok(Answer::Table(table)) = ask(&fleet, "gpus where gpu001 show index,use") else { panic!("no table") };
    assert_eq!(lines(&table), "0 hollow / 1 used / 2 used / 3 free");
    let Ok(Answer::Table(table)) = ask(&fleet, "gpus where use = hollow") else { panic!("no table") };
    assert_eq!(ids(&table), "gpu001:0");
}

#[test]
fn memory_that_nobody_uses_is_told_where_all_processes_are_seen() {
    let mut fleet = super::fleet();
    let says = |fleet: &mut Fleet, notes: Vec<String>| {
        let model = "NVIDIA H100 80GB HBM3";
        let one = Inventory { notes, ..inventory("gpu001", 4, model, &[("rack", "r1"), ("region", "eu")]) };
        let session = join(fleet, "gpu001", &one, at(NOW));
        send(fleet, session, &[(gpu::MEM_USED, &[4e9, 4e9, 4e9, 4e9])], &[], at(NOW));
        match ask(fleet, "gpus where gpu001:3 show use") {
            Ok(Answer::Table(table)) => lines(&table),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(says(&mut fleet, Vec::new()), "zombie");
    assert_eq!(says(&mut fleet, vec![format!("{HIDDEN_PROCESSES}hidepid")]), "free", "who knows");
}

#[test]
fn jobs_by_what_they_have_in_common_are_views() {
    cells("users where account = physics show user,running,waiting,held", "alice 1 1 6 / bob 1 0 1 / carol 0 0 0");
    check("accounts where account = physics", "job.account=physics");
    cells("users where account = physics sort -power,user show user,power limit 1", "alice 2.0kW");
    cells("partitions where account = physics show count", "4");
}

#[test]
fn a_scheduler_may_know_jobs_before_any_node_is_there() {
    let mut fleet = Fleet::new(crate::fleet::Settings::default());
    fleet.begin_schedule("slurm");
    let shares = vec![Share { node: "gpu001".into(), gpus: Some(vec![0]) }];
    fleet.schedule(
        &Job { id: "7".into(), user: "alice".into(), phase: Phase::Running, shares, ..Job::default() },
        at(NOW),
    );
    fleet.end_schedule(Ok(()), Ok(()), at(NOW));
    for question in [
        "users",
        "jobs",
        "jobs by user show held,util",
        "jobs sort -util",
        "jobs sort user,held show *",
        "jobs where any(util > 3)",
    ] {
        let Ok(Answer::Table(table)) = ask(&fleet, question) else { panic!("{question}") };
        assert!(table.total <= 1, "{question}");
    }
}

#[test]
fn jobs_have_no_functions_of_the_past_and_no_peers() {
    let complaint = |text: &str| ask(&fleet(), text).expect_err(text).message;
    for question in
        ["jobs where held(util < 5, 10m)", "jobs where avg(util, 1m) > 3", "jobs where times(util > 3, 1m) > 2"]
    {
        assert!(complaint(question).contains("known along time only by `over`"), "{question}");
    }
    for question in ["fleet show job.held", "racks sort job.held", "gpus by user show job.held", "users show node.cpu"]
    {
        assert!(complaint(question).contains("may be"), "{question}");
    }
    assert!(complaint("jobs where age > median(age by user)").contains("peers"));
}

#[test]
fn a_jobs_gpus_are_compared_with_one_another() {
    // 90 80 20 30 40: the middle is 40, and they are 20 from it in the middle.
    check("gpus where job = 7 and apart(util by job) > 1.5", "gpu001:0");
    cells("gpus where job = 7 sort -apart(util by job) limit 2 show apart(util by job)", "1.69 / 1.35");
    check("gpus where job = 8 and apart(util by job) > 0", "");
}

#[test]
fn what_differs_or_does_nothing_is_counted() {
    let mut fleet = super::fleet();
    let shares = vec![Share { node: "gpu001".into(), gpus: Some(vec![0, 1, 2, 3]) }];
    fleet.begin_schedule("slurm");
    fleet.schedule(&Job { id: "5".into(), phase: Phase::Running, shares, ..Job::default() }, at(NOW));
    fleet.schedule(&Job { id: "6".into(), phase: Phase::Waiting, ..Job::default() }, at(NOW));
    fleet.end_schedule(Ok(()), Ok(()), at(NOW));
    let shown = |fleet: &Fleet, text: &str| match ask(fleet, text) {
        Ok(Answer::Table(table)) => lines(&table),
        other => panic!("{text}: {other:?}"),
    };
    // Three run at 1980 MHz, and one at 345.
    assert_eq!(shown(&fleet, "jobs where job in 5,6 show job,outliers,idle"), "5 1 0 / 6 0 0");
    assert_eq!(shown(&fleet, "gpus where job = 5 and apart(clock.sm by job) >= 5 show index"), "3");
    let session = join(&mut fleet, "gpu001", &inventory("gpu001", 4, "H100", &[]), at(NOW));
    send(&mut fleet, session, &[(gpu::UTIL, &[0.0, 90.0, 0.0, 90.0])], &[], at(NOW));
    assert_eq!(shown(&fleet, "jobs where idle > 0 and job = 5 show job,outliers,idle"), "5 – 2", "no clock is known");
}

#[test]
fn the_bench_holds_the_schedulers_word_against_ours() {
    let mut fleet = super::fleet();
    let say = |fleet: &mut Fleet, said: &[(&str, &str)]| {
        fleet.begin_schedule("slurm");
        for (node, state) in said {
            let states = state.split('+').map(String::from).collect();
            fleet.stand(&Standing { node: (*node).into(), states, reason: "why".into(), ..Standing::default() });
        }
        fleet.end_schedule(Ok(()), Ok(()), at(NOW));
    };
    let bench = |fleet: &Fleet| match ask(fleet, "nodes where bench != none show node,bench") {
        Ok(Answer::Table(table)) => lines(&table),
        other => panic!("{other:?}"),
    };
    assert_eq!(bench(&fleet), "", "nobody holds anything back");
    say(&mut fleet, &[("gpu001", "idle"), ("gpu002", "idle+drain"), ("gpu003", "allocated"), ("gpu010", "maint")]);
    let said = "gpu001 exposed / gpu002 broken / gpu010.site.example planned";
    assert_eq!(bench(&fleet), said);
    say(&mut fleet, &[("gpu001", "idle+drain"), ("gpu002", "mixed"), ("gpu003", "drain"), ("gpu010", "drain")]);
    let said = "gpu001 broken / gpu002 sick / gpu010.site.example healthy";
    assert_eq!(bench(&fleet), said);
    say(&mut fleet, &[("gpu001", "idle")]);
    say(&mut fleet, &[("gpu001", "down")]);
    assert_eq!(bench(&fleet), "gpu001 again", "the scheduler knows no others any more");
}
