//! Plays every fault that the simulator has, a day of them in a published run's mix, and a day without any, on time that
//! is not waited for, and prints as tables how the health engine did: what it found, how late, and what it said for nothing.
//! `cargo run --release --example harness`, or the published mix alone: `cargo run --release --example harness published`
#![allow(clippy::unwrap_used)] // What must be there and is not ends the run.

#[path = "../it/play.rs"]
mod play;
#[path = "../it/published.rs"]
mod published;
#[path = "../it/readings.rs"]
mod readings;

use std::time::{Duration, Instant};

use play::Play;
use published::{Found, Outcome};
use readings::Reading;
use supertop::collect::sim::{
    Ailment, FIRST, Faults,
    mix::{Failure, Mix, causes},
    scenario,
};

/// Nodes of a scenario, and of the day without faults; power brakes and dead racks want some racks.
const NODES: u32 = 256;
const QUIET_NODES: u32 = 64;
/// How long a fault is played after it began.
const WATCHED: u32 = 330;
const LONG: u32 = 1000;
const DAY: u32 = 86_400;
/// Nodes of the day of published failures, and a rate at which one has more than a hundred: 128 are to be expected.
const MIXED_NODES: u32 = 512;
const MIXED_RATE: u32 = 3_125;
/// Seeds of which each makes another fleet, and another subject.
const SEEDS: u64 = 3;

fn main() {
    if std::env::args().nth(1).is_some_and(|part| part == "published") {
        return mixed_day();
    }
    println!("| fault | found | after, s | as | said for nothing |");
    println!("|---|--:|--:|---|--:|");
    for name in scenario::names().filter(|name| !["none", "published"].contains(name)) {
        scenario(name);
    }
    readings();
    mixed_day();
    day();
}

/// Plays one fault on several fleets.
fn scenario(name: &str) {
    let (mut found, mut after, mut rules, mut wrong) = (0, Vec::new(), Vec::new(), 0);
    for seed in 1..=SEEDS {
        let mut play = Play::new(NODES, seed, scenario::named(name).unwrap());
        let subject = play.subject();
        let node = subject.split([':', '/']).next().unwrap().to_owned();
        let mut first = None;
        let mut others = std::collections::BTreeSet::new();
        for _ in 0..if name == Ailment::Stall.word() { LONG } else { WATCHED } {
            play.step();
            for incident in play.open() {
                let its = incident.subject.to_string();
                if its.starts_with(&node) || incident.nodes.contains(&node) || subject.ends_with(' ') {
                    first.get_or_insert((play.seconds - FIRST.as_secs() as u32, incident.rule.clone()));
                    if !rules.contains(&incident.rule) {
                        rules.push(incident.rule);
                    }
                } else {
                    others.insert(incident.id);
                }
            }
        }
        wrong += others.len();
        if let Some((seconds, _)) = first {
            found += 1;
            after.push(seconds);
        }
    }
    after.sort_unstable();
    let span = match (after.first(), after.last()) {
        (Some(first), Some(last)) if first != last => format!("{first}–{last}"),
        (Some(first), _) => first.to_string(),
        _ => "–".into(),
    };
    println!("| {name} | {found} of {SEEDS} | {span} | {} | {wrong} |", rules.join(", "));
}

/// Plays every reading that a rule judges, and then those that come near.
fn readings() {
    let all = readings::all();
    let outcome = readings::play(&all);
    println!("\n| reading | found after, s |\n|---|--:|");
    for Reading { rule, metric, value, .. } in &all {
        let after = outcome.found.get(rule).map_or("not found".into(), u32::to_string);
        println!("| {metric} {value} ({rule}) | {after} |");
    }
    let near: Vec<Reading> = all.into_iter().filter_map(|it| Some(Reading { value: it.near?, ..it })).collect();
    let came_near = readings::play(&near);
    println!(
        "\n{} readings were found, {} were raised for nothing; of {} that came near, {} were raised",
        outcome.found.len(),
        outcome.others.len(),
        near.len(),
        came_near.found.len() + came_near.others.len()
    );
}

/// A day of what interrupted a published run, more often than there.
fn mixed_day() {
    let began = Instant::now();
    // The last ones have to have time to be seen.
    let over = Duration::from_secs((DAY - WATCHED).into());
    let outcome = published::play(MIXED_NODES, 1, Mix { rate: MIXED_RATE, over, ..Mix::default() }, DAY);
    println!("\n| cause | failures | found | median, s | latest, s | as | no sign | missed |");
    println!("|---|--:|--:|--:|--:|---|--:|--:|");
    for cause in causes() {
        let its: Vec<_> = outcome.failures.iter().filter(|(failure, _)| failure.cause.name == cause.name).collect();
        line(&cause.what, &its);
    }
    line("all", &outcome.failures.iter().collect::<Vec<_>>());
    let Outcome { failures, others } = &outcome;
    for (failure, _) in failures.iter().filter(|(failure, found)| failure.cause.shows() && found.is_none()) {
        println!("- missed: {} after {:.0} s: {:?}", failure.cause.what, failure.at.as_secs_f64(), failure.fault);
    }
    let days = f64::from(MIXED_NODES) * f64::from(DAY) / 86_400.0;
    println!(
        "\n{} incidents of what had not failed in {days:.0} node-days: {}",
        others.len(),
        per_thousand(others.len(), days)
    );
    for other in others.iter().take(20) {
        println!("- {other}");
    }
    eprintln!("the mixed day took {:.0} s", began.elapsed().as_secs_f64());
}

/// One line of the mixed day's table.
fn line(what: &str, its: &[&(Failure, Option<Found>)]) {
    let found: Vec<&Found> = its.iter().filter_map(|(_, found)| found.as_ref()).collect();
    let mut after: Vec<u32> = found.iter().map(|found| found.after.ceil() as u32).collect();
    after.sort_unstable();
    let seconds = |at: Option<usize>| at.and_then(|at| after.get(at)).map_or("–".into(), u32::to_string);
    let latest = after.len().checked_sub(1);
    let (median, latest) = (seconds(latest.map(|last| last / 2)), seconds(latest));
    let mut rules: Vec<&str> = found.iter().map(|found| &*found.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let without = its.iter().filter(|(failure, _)| !failure.cause.shows()).count();
    let missed = its.len() - found.len() - without;
    let rules = if what == "all" { String::new() } else { rules.join(", ") };
    println!("| {what} | {} | {} | {median} | {latest} | {rules} | {without} | {missed} |", its.len(), found.len());
}

fn per_thousand(count: usize, days: f64) -> String {
    format!("{:.1} per 1,000", count as f64 / days * 1000.0)
}

/// A day with load, jobs that end, idle nodes and the heat of the afternoon, and nothing wrong.
fn day() {
    let began = Instant::now();
    let mut play = Play::new(QUIET_NODES, 1, Faults::Given(Vec::new()));
    let mut said = std::collections::BTreeMap::new();
    for _ in 0..DAY {
        play.step();
        for incident in play.open() {
            said.insert(incident.id, (incident.rule, incident.subject.to_string(), incident.reason, play.seconds));
        }
    }
    let days = f64::from(QUIET_NODES) * f64::from(DAY) / 86_400.0;
    println!(
        "\n{} false alarms in {days:.0} node-days without a fault: {}",
        said.len(),
        per_thousand(said.len(), days)
    );
    for (rule, subject, reason, seconds) in said.values().take(20) {
        println!("- after {seconds} s {subject}: {reason} ({rule})");
    }
    eprintln!("the day took {:.0} s", began.elapsed().as_secs_f64());
}
