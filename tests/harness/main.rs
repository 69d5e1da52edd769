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

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use play::Play;
use published::{Found, Outcome};
use readings::Reading;
use supertop::{
    collect::sim::{
        Faults, Plan,
        mix::{Failure, Mix, causes},
        scenario,
    },
    health::Rules,
    model::incident::Severity,
};

/// Nodes of a scenario, and of the day without faults; power brakes and dead racks want some racks.
const NODES: u32 = 256;
const QUIET_NODES: u32 = 64;
/// How long a fault is played, and one that takes its time to be one.
const WATCHED: u32 = 400;
const LONG: u32 = 1000;
/// Seconds from step to step of what goes on for days.
const STRIDE: u32 = 300;
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
    let mut raised = BTreeSet::new();
    for name in scenario::names().filter(|name| !["none", "published"].contains(name)) {
        raised.extend(Case::of(name).play(name));
    }
    let unknown = Case { has_scheduler: false, ..Case::of("straggler") };
    raised.extend(unknown.play("straggler, and no scheduler"));
    raised.extend(readings());
    let rules = Rules::default().rules;
    let silent: Vec<&str> = rules.iter().map(|rule| &*rule.id).filter(|id| !raised.contains(*id)).collect();
    println!("\nof {} rules {} were raised; not: {}", rules.len(), rules.len() - silent.len(), silent.join(", "));
    mixed_day();
    day();
}

/// How a scenario is played.
struct Case {
    scenario: &'static str,
    /// What has to be raised; where it is nothing, whatever tells of it.
    rule: Option<&'static str>,
    seconds: u32,
    stride: u32,
    has_scheduler: bool,
}

impl Case {
    fn of(scenario: &'static str) -> Case {
        let case = Case { scenario, rule: None, seconds: WATCHED, stride: 1, has_scheduler: true };
        match scenario {
            "lemon" => Case { rule: Some("node.lemon"), seconds: 51 * 3600, stride: STRIDE, ..case },
            "bad-gpu" => Case { rule: Some("gpu.xid.apps"), seconds: 21 * 3600, stride: STRIDE, ..case },
            "reboot" => Case { rule: Some("host.reboot"), ..case },
            "hang" | "stall" | "unused" | "idle" => Case { seconds: LONG, ..case },
            _ => case,
        }
    }

    /// Plays it on several fleets, prints its line, and says which rules told of it.
    fn play(&self, title: &str) -> Vec<String> {
        let (mut found, mut after, mut rules, mut wrong) = (0, Vec::new(), Vec::new(), 0);
        for seed in 1..=SEEDS {
            let faults = scenario::named(self.scenario).unwrap();
            let interval = Duration::from_secs(self.stride.into());
            let mut play = Play::of(Plan { nodes: NODES, seed, faults, interval, ..Plan::default() });
            play.queue = play.queue.take().filter(|_| self.has_scheduler);
            let subject = play.subject();
            let node = subject.split([':', '/']).next().unwrap().to_owned();
            let complete = play.sim.faults().iter().map(|fault| fault.at.as_secs() as u32).max().unwrap();
            let mut first = None;
            let mut others = BTreeSet::new();
            while play.seconds < complete.max(self.seconds) {
                play.step();
                for incident in play.told() {
                    let its = incident.subject.to_string();
                    if its.starts_with(&node) || incident.nodes.contains(&node) || subject.ends_with(' ') {
                        if self.rule.is_none_or(|rule| rule == incident.rule) {
                            first.get_or_insert(play.seconds - complete);
                        }
                        if !rules.contains(&incident.rule) {
                            rules.push(incident.rule);
                        }
                    } else if incident.severity > Severity::Info {
                        others.insert(incident.id);
                    }
                }
            }
            wrong += others.len();
            found += u64::from(first.is_some());
            after.extend(first);
        }
        after.sort_unstable();
        let span = match (after.first(), after.last()) {
            (Some(first), Some(last)) if first != last => format!("{first}–{last}"),
            (Some(first), _) => first.to_string(),
            _ => "–".into(),
        };
        println!("| {title} | {found} of {SEEDS} | {span} | {} | {wrong} |", rules.join(", "));
        rules
    }
}

/// Plays every reading that a rule judges, and then those that come near. Says which rules told of them.
fn readings() -> Vec<String> {
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
    outcome.found.into_keys().collect()
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
    let mut said = BTreeMap::new();
    for _ in 0..DAY {
        play.step();
        for incident in play.told() {
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
