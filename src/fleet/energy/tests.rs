//! A day's energy is what the counters say, whatever happens in between.

use std::time::Duration;

use super::{ledger::MOST, *};
use crate::{
    fleet::{
        Session, Settings,
        fixture::{builtin, introduction, inventory},
    },
    model::{
        energy::{Hourly, KWH},
        job::{self, Phase, Share},
        metric::MetricId,
        report::{self, Sample, Values},
    },
};

/// A day's beginning.
const MIDNIGHT: Time = Time::from_millis(1_795_392_000_000);

fn after(seconds: f64) -> Time {
    Time::from_millis(MIDNIGHT.as_millis() + (seconds * 1000.0) as i64)
}

fn site() -> Fleet {
    let tariff = Tariff { pue: Some(2.0), price: Some(Hourly::flat(0.5)), ..Tariff::default() };
    Fleet::new(Settings { tariff, ..Settings::default() })
}

fn join(fleet: &mut Fleet, node: &str, now: Time) -> Session {
    let session = fleet.join(&introduction(node), builtin(), now).expect("room");
    fleet.inventory(session, &inventory(node, 2), now);
    session
}

/// Two GPUs that have spent so many joules by their counters, if they have any, and draw so many watts.
fn say(fleet: &mut Fleet, session: Session, counters: Option<[f64; 2]>, watts: f64, now: Time) {
    say_all(fleet, session, counters, (watts, None, None), now);
}

/// The same, with what the whole machine draws and its CPUs do, if they have meters.
fn say_all(
    fleet: &mut Fleet,
    session: Session,
    counters: Option<[f64; 2]>,
    (watts, machine, cpus): (f64, Option<f64>, Option<f64>),
    now: Time,
) {
    let mut values = Values::new(2, 1);
    let mut set = |id: MetricId, slot, raw| values.set(id, slot, raw);
    set(node::CPU_POWER, 0, cpus.map_or(Raw::UNSUPPORTED, |watts| Raw::new(watts, 1.0)));
    set(node::TOTAL_POWER, 0, machine.map_or(Raw::UNSUPPORTED, |watts| Raw::new(watts, 1.0)));
    for slot in 0..2 {
        let counter = counters.map_or(Raw::UNSUPPORTED, |counters| Raw::new(counters[slot], STEP));
        set(gpu::ENERGY, slot, counter);
        set(gpu::POWER, slot, Raw::new(watts, 0.5));
        // The second one has nothing to do.
        set(gpu::UTIL, slot, Raw::new(if slot == 0 { 90.0 } else { 0.0 }, 1.0));
    }
    assert!(fleet.sample(session, &Sample { time: now, generation: 1, values }, now));
    fleet.tick(now);
}

/// A scheduler gave a job both GPUs.
fn give(fleet: &mut Fleet, id: &str, node: &str, now: Time) {
    fleet.begin_schedule("slurm");
    let shares = vec![Share { node: node.into(), gpus: Some(vec![0, 1]) }];
    let (user, account) = ("ann".into(), "physics".into());
    let job = job::Job { id: id.into(), user, account, phase: Phase::Running, shares, ..job::Job::default() };
    fleet.schedule(&job, now);
    fleet.end_schedule(Ok(()), Ok(()), now);
}

fn today(fleet: &Fleet, session: Session, now: Time) -> f64 {
    let row = fleet.row(session.node, gpu::ENERGY_TODAY, now);
    row.iter().filter_map(|raw| raw.steps()).map(|steps| f64::from(steps) * STEP).sum()
}

fn booked(fleet: &Fleet, is: impl Fn(&Account) -> bool) -> f64 {
    fleet.accounts().iter().filter(|account| is(account)).map(|account| account.spent.used).sum()
}

fn restart(fleet: &Fleet) -> Fleet {
    let (book, metered, hours) = (fleet.book(), fleet.metered(0, usize::MAX), fleet.spent_by_hour(0, usize::MAX));
    let roster = fleet.roster();
    let kept = serde_json::to_string(&(&book, &metered, &hours)).expect("JSON");
    let (book, metered, hours): (Book, Vec<Metered>, Vec<ByHour>) = serde_json::from_str(&kept).expect("as written");
    let mut fleet = site();
    fleet.restore(&roster);
    fleet.restore_energy(&book, &metered);
    for hours in &hours {
        fleet.restore_hours(hours);
    }
    fleet
}

#[test]
fn a_days_energy_is_what_counters_say_over_restarts_gaps_and_resets() {
    let mut fleet = site();
    let mut session = join(&mut fleet, "gpu001", after(-60.0));
    // What each counter says, and what truly was spent since midnight.
    let (mut counters, mut truth) = ([5e6, 7e6], 0.0);
    let (mut restarts, mut silent) = (0, 0);
    for second in (-50..86_400).step_by(5) {
        let now = after(f64::from(second));
        let watts = [650.0 + 50.0 * f64::from(second / 600 % 2), 90.0];
        for (counter, watts) in counters.iter_mut().zip(watts) {
            *counter += watts * 5.0;
        }
        truth += if second > 0 { (watts[0] + watts[1]) * 5.0 } else { 0.0 };
        match second {
            // The driver is loaded anew: its counters begin again.
            20_000 | 60_000 => counters = [0.0, 0.0],
            // The hub stops for ten minutes, and later for a moment.
            30_000 | 45_005 => {
                fleet = restart(&fleet);
                session = join(&mut fleet, "gpu001", now);
                restarts += 1;
            }
            _ => {}
        }
        // The node is silent for twenty minutes, and the hub is not there for ten.
        if (29_400..30_000).contains(&second) || (50_000..51_200).contains(&second) {
            silent += 1;
            continue;
        }
        say(&mut fleet, session, Some(counters), 370.0, now);
    }
    assert_eq!((restarts, silent), (2, 360));
    let end = after(86_395.0);
    let (gpus, accounts) = (today(&fleet, session, end), booked(&fleet, |it| it.hour >= MIDNIGHT));
    for (what, got) in [("GPUs", gpus), ("accounts", accounts)] {
        assert!((got - truth).abs() < truth / 100.0, "{what}: {got} J of {truth} J");
    }
    let hours = fleet.accounts().iter().filter(|it| it.hour >= MIDNIGHT).count();
    assert_eq!(hours, 24);
}

#[test]
fn the_rest_of_a_machine_with_a_meter_is_shared_by_its_gpus() {
    let mut fleet = site();
    let [metered, plain, partly] = ["gpu001", "gpu002", "gpu003"].map(|name| join(&mut fleet, name, after(0.0)));
    give(&mut fleet, "7", "gpu001", after(0.0));
    for second in (0..=3600).step_by(5) {
        // Meters are read once a second, of nodes that are up then.
        let (now, joules) = (|n: f64| after(f64::from(second) + n), f64::from(second) * 300.0);
        say_all(&mut fleet, metered, Some([joules; 2]), (300.0, Some(1000.0), Some(250.0)), now(0.0));
        say_all(&mut fleet, plain, Some([joules; 2]), (300.0, None, None), now(1.0));
        say_all(&mut fleet, partly, Some([joules; 2]), (300.0, None, Some(250.0)), now(2.0));
    }
    let near = |got: f64, expected: f64| assert!((got - expected).abs() < expected / 100.0, "{got}, not {expected}");
    let hosts = |fleet: &Fleet, user: &str| -> f64 {
        fleet.accounts().iter().filter(|it| &*it.user == user).map(|it| it.spent.host).sum()
    };
    let job = |fleet: &Fleet| fleet.job(fleet.find_job("7").expect("a job") as usize).expect("a job").bill;
    near(job(&fleet).spent.host, 400.0 * 3600.0);
    near(job(&fleet).spent.used, 600.0 * 3600.0);
    // What the site pays for is all that its machines took.
    near(job(&fleet).cost.expect("a price"), 1000.0 * 3600.0 / KWH * 2.0 * 0.5);
    near(hosts(&fleet, "ann"), 400.0 * 3600.0);
    // Of one, the CPUs alone are known; a machine without a meter is not guessed at.
    near(hosts(&fleet, ""), 250.0 * 3600.0);
    let fleet = restart(&fleet);
    assert!(fleet.knows_hosts());
    near(hosts(&fleet, "ann"), 400.0 * 3600.0);
}

#[test]
fn after_a_crash_an_hour_of_which_a_part_is_lost_is_unknown() {
    let run = |fleet: &mut Fleet, session: Session, seconds: std::ops::RangeInclusive<u32>| {
        for second in seconds.map(f64::from).step_by(5) {
            say(fleet, session, Some([second * 300.0; 2]), 300.0, after(second));
        }
    };
    let mut fleet = site();
    let session = join(&mut fleet, "gpu001", after(0.0));
    run(&mut fleet, session, 0..=3700);
    let hours = fleet.spent_by_hour(0, 9);
    run(&mut fleet, session, 3705..=5000);
    // What is kept of the meters is newer than what is kept of the hours.
    let (roster, book, metered) = (fleet.roster(), fleet.book(), fleet.metered(0, 9));
    let mut fleet = site();
    fleet.restore(&roster);
    fleet.restore_energy(&book, &metered);
    for hours in &hours {
        fleet.restore_hours(hours);
    }
    let session = join(&mut fleet, "gpu001", after(5010.0));
    run(&mut fleet, session, 5010..=9000);
    let hour = |n: f64| fleet.energy_hour(session.node, 0, after(n * 3600.0 + 1.0));
    let near = |got: Option<f64>, expected: f64| got.is_some_and(|got| (got - expected).abs() < expected / 50.0);
    assert!(near(hour(0.0), 3600.0 * 300.0), "{:?}", hour(0.0));
    assert_eq!(hour(1.0), None);
    assert!(near(hour(2.0), 1800.0 * 300.0), "{:?}", hour(2.0));
}

#[test]
fn who_has_a_gpu_pays_for_it() {
    let mut fleet = site();
    let session = join(&mut fleet, "gpu001", after(0.0));
    let spent = |fleet: &mut Fleet, from: u32, to: u32| {
        for second in (from..to).step_by(5) {
            let joules = f64::from(second) * 500.0;
            say(fleet, session, Some([joules, joules]), 500.0, after(f64::from(second)));
        }
    };
    spent(&mut fleet, 0, 3600);
    give(&mut fleet, "4711", "gpu001", after(3600.0));
    spent(&mut fleet, 3600, 7300);
    let ann = booked(&fleet, |it| &*it.user == "ann" && &*it.account == "physics");
    let nobody = booked(&fleet, |it| it.user.is_empty());
    assert!((ann / KWH - 1.02).abs() < 0.02, "two GPUs of 500 W, for an hour and a bit: {ann} J");
    assert!((nobody / KWH - 1.0).abs() < 0.02, "{nobody} J");
    let check = |fleet: &Fleet| {
        let job = fleet.job(fleet.find_job("4711").expect("known") as usize).expect("there");
        assert!((job.bill.spent.used - ann).abs() < 2.0);
        assert!((job.bill.spent.idle - ann / 2.0).abs() < ann / 100.0, "one of the two does nothing");
        assert!((job.bill.today(after(7300.0)) - ann).abs() < 2.0);
        assert!(job.bill.today(after(90_000.0)) < 1.0, "another day");
        let cost = job.bill.cost.expect("there is a price");
        assert!((cost - ann / KWH).abs() < 0.001, "twice the energy at half the money: {cost}");
        assert_eq!(job.bill.carbon, None, "the site does not say");
    };
    check(&fleet);
    let mut again = restart(&fleet);
    give(&mut again, "4711", "gpu001", after(7400.0));
    check(&again);
}

#[test]
fn power_times_time_where_there_is_no_counter() {
    let mut fleet = site();
    let session = join(&mut fleet, "gpu001", after(0.0));
    for second in (0..=600).step_by(5).chain([4200]) {
        say(&mut fleet, session, None, 400.0, after(f64::from(second)));
    }
    let spent = fleet.accounts().iter().fold(Spent::default(), |mut sum, it| {
        sum += it.spent;
        sum
    });
    // The hour without a word is not made up, but for its first half minute.
    let expected = 2.0 * 400.0 * (600.0 + BELIEVED);
    assert!((spent.used - expected).abs() < expected / 50.0, "{spent:?}, expected {expected}");
    assert!((spent.used - spent.estimated).abs() < 1.0);
}

#[test]
fn a_counter_that_is_gone_for_a_while_is_not_paid_twice() {
    // For half a minute, and for longer than it could be believed by the last ten seconds alone.
    for away in [100..130, 100..700] {
        let mut fleet = site();
        let session = join(&mut fleet, "gpu001", after(0.0));
        for second in (0..=1000).step_by(5) {
            let joules = f64::from(second) * 500.0;
            let counters = (!away.contains(&second)).then_some([joules, joules]);
            say(&mut fleet, session, counters, 500.0, after(f64::from(second)));
        }
        let (got, truth) = (booked(&fleet, |_| true), 2.0 * 500.0 * 1000.0);
        assert!((got - truth).abs() < truth / 50.0, "{away:?}: {got} J of {truth} J");
    }
}

#[test]
fn who_has_an_instance_pays_for_its_part_of_the_gpu_and_a_silent_gpu_spends_nothing_that_is_known() {
    let mut fleet = site();
    let mut said = inventory("gpu001", 2);
    said.gpus.push(report::Gpu { index: "0.0".into(), parent: Some(0), ..said.gpus[0].clone() });
    let session = fleet.join(&introduction("gpu001"), builtin(), after(0.0)).expect("room");
    fleet.inventory(session, &said, after(0.0));
    let process = report::Process {
        pid: 7,
        user: "bob".into(),
        gpus: vec![report::GpuUse { slot: 2, mem: None, sm: None }],
        workload: report::Workload { job: "9".into(), ..report::Workload::default() },
        ..report::Process::default()
    };
    let processes = report::Processes { time: after(0.0), list: vec![process], ..report::Processes::default() };
    fleet.processes(session, &processes, after(0.0));
    for second in (0..=100).step_by(5) {
        let mut values = Values::new(3, 1);
        values.set(gpu::ENERGY, 0, Raw::new(f64::from(second) * 400.0, STEP));
        let now = after(f64::from(second));
        assert!(fleet.sample(session, &Sample { time: now, generation: 1, values }, now));
        fleet.tick(now);
    }
    let bob = booked(&fleet, |it| &*it.user == "bob");
    assert!((bob - 40_000.0).abs() < 4000.0, "{bob} J");
    let row = fleet.row(session.node, gpu::ENERGY_TODAY, after(100.0));
    assert!(row[0].steps().is_some() && row[1] == Raw::UNKNOWN, "{row:?}");
}

#[test]
fn accounts_have_a_limit_and_lose_nothing() {
    let mut fleet = site();
    let place = Name::default();
    for n in 0..MOST + 10 {
        let user: Name = format!("u{n}").into();
        let spent = Spent { used: 1.0, ..Spent::default() };
        fleet.energy.book((after(0.0), after(1.0)), &place, [&user, &place, &place], spent);
    }
    assert!(fleet.accounts().len() <= MOST + 1);
    assert!((booked(&fleet, |_| true) - (MOST + 10) as f64).abs() < 0.5);
    fleet.energy.forget(after(0.0) + KEPT + Duration::from_hours(2));
    assert!(fleet.accounts().is_empty());
}

#[test]
fn a_clock_that_is_put_back_costs_nobody_twice() {
    let mut fleet = site();
    let session = join(&mut fleet, "gpu001", after(0.0));
    let mut truth = 0.0;
    for second in (0..7200).step_by(5) {
        let joules = f64::from(second) * 500.0;
        truth = 2.0 * joules;
        // By the hub's clock, the second hour begins half an hour early.
        let clock = f64::from(if second < 3600 { second } else { second - 1800 });
        say(&mut fleet, session, Some([joules, joules]), 500.0, after(clock));
    }
    let booked = booked(&fleet, |_| true);
    assert!(booked <= truth && booked > truth * 0.99, "{booked} J of {truth} J");
    assert!((today(&fleet, session, after(5395.0)) - booked).abs() < truth / 100.0);
}

#[test]
fn what_was_spent_while_the_hub_was_away_is_whose_the_gpus_are_afterwards() {
    let uses = |job: &str| report::Processes {
        list: (0..2)
            .map(|slot| report::Process {
                pid: 7 + u32::from(slot),
                user: "ann".into(),
                gpus: vec![report::GpuUse { slot, ..report::GpuUse::default() }],
                workload: report::Workload { job: job.into(), ..report::Workload::default() },
                ..report::Process::default()
            })
            .collect(),
        ..report::Processes::default()
    };
    let mut fleet = site();
    let mut session = join(&mut fleet, "gpu001", after(0.0));
    fleet.processes(session, &uses("7"), after(0.0));
    for second in (0..1800).step_by(5) {
        let joules = f64::from(second) * 500.0;
        match second {
            600 => fleet = restart(&fleet),
            // It is away for ten minutes, and hears of processes a while after the first samples.
            1200 => session = join(&mut fleet, "gpu001", after(1200.0)),
            1225 => fleet.processes(session, &uses("7"), after(1225.0)),
            _ => {}
        }
        if !(600..1200).contains(&second) {
            say(&mut fleet, session, Some([joules, joules]), 500.0, after(f64::from(second)));
        }
    }
    let [anns, nobodys] = [true, false].map(|anns| booked(&fleet, |it| (&*it.user == "ann") == anns));
    assert!(anns > 0.97 * 1800.0 * 1000.0 && nobodys == 0.0, "{anns} J are ann's, and {nobodys} J nobody's");

    // Where nobody says so in time, they are nobody's.
    fleet = restart(&fleet);
    session = join(&mut fleet, "gpu001", after(2400.0));
    for second in (2400..2600).step_by(5) {
        let joules = f64::from(second) * 500.0;
        say(&mut fleet, session, Some([joules, joules]), 500.0, after(f64::from(second)));
    }
    let nobodys = booked(&fleet, |it| it.user.is_empty());
    assert!(nobodys > 0.9 * 800.0 * 1000.0, "{nobodys} J");
}

#[test]
fn every_place_has_its_hours() {
    let mut fleet = site();
    let session = join(&mut fleet, "gpu001", after(0.0));
    give(&mut fleet, "7", "gpu001", after(0.0));
    for second in (0..=7200).step_by(5) {
        say(&mut fleet, session, Some([f64::from(second) * 300.0; 2]), 300.0, after(f64::from(second)));
    }
    let rack = fleet.levels().position("rack").expect("a level");
    let check = |fleet: &Fleet| {
        let racks = fleet.accounts_of(rack);
        assert_eq!(racks.len(), 2, "{racks:?}");
        for (it, at) in racks.iter().zip([0.0, 3600.0]) {
            assert_eq!((it.hour, &*it.place), (after(at), "r1"));
            let Spent { used, idle, gpu_seconds, .. } = it.spent;
            // One of the two has nothing to do.
            for (got, expected) in [(used, 600.0 * 3600.0), (idle, 300.0 * 3600.0), (gpu_seconds, 7200.0)] {
                assert!((got - expected).abs() < expected / 100.0, "{got}, not {expected}");
            }
        }
        assert_eq!(fleet.accounts_of(99), []);
        // So have its GPUs, and the jobs that have them.
        let hour = Duration::from_hours(1);
        let id = fleet.find("gpu001").expect("a node");
        let of_gpu = fleet.history(id, gpu::ENERGY_HOUR, 1, after(-3600.0), after(7200.0), hour);
        let job = fleet.find_job("7").map(|number| number as usize);
        let of_job = job.map(|job| fleet.job_energy_hour(job, after(4000.0)));
        assert_eq!((of_gpu.len(), of_gpu[0]), (3, None));
        for (got, expected) in [(of_gpu[1], 300.0), (of_gpu[2], 300.0), (of_job.unwrap_or(Some(600.0 * 3600.0)), 600.0)]
        {
            let (got, expected) = (got.expect("known"), expected * 3600.0);
            assert!((got - expected).abs() < expected / 100.0, "{got}, not {expected}");
        }
    };
    check(&fleet);
    let mut fleet = restart(&fleet);
    check(&fleet);
    give(&mut fleet, "7", "gpu001", after(7210.0));
    check(&fleet);
    fleet.energy.forget(after(27.0 * 3600.0));
    assert_eq!(fleet.accounts_of(rack), []);
}
