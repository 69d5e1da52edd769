//! Failures as a published run had them: each of a cause drawn by its share, at a rate, with a time and a subject of its
//! own. Nothing is drawn twice: one seed is one row of failures.

use std::{collections::HashSet, ops::Range, sync::LazyLock, time::Duration};

use serde::Deserialize;

use super::{
    Ailment, FIRST, Fault, Sim, Subject,
    chance::{Dice, key},
    fault, job,
    scenario::{self, Words},
};
use crate::model::{text::nearest, time::span};

/// Unplanned interruptions per 100,000 GPU-days of the published run: 419 in 54 days of 16,384 GPUs.
pub const PUBLISHED: u32 = 47;
/// The highest rate of a scenario: each GPU fails ten times a day.
const MOST: u32 = 1_000_000;
const DAY: Duration = Duration::from_hours(24);
/// A job that has failed works for so long yet, had it not: time to be seen.
const LASTS: f64 = 420.0;
/// Nodes of a job that may hang: one is no use any more, and few nodes of a fleet are to be.
const HANGING: usize = 8;
/// Nodes that are looked at to find one that can fail.
const TRIES: u32 = 512;

/// Something that interrupts jobs.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Entry")]
pub struct Cause {
    /// Its word in scenarios.
    pub name: String,
    /// What it is.
    pub what: String,
    /// How often it came in the published run.
    pub count: u32,
    /// How it shows, and the share of each; nothing where no node tells of it.
    signs: Vec<(Ailment, u32)>,
}

/// `[[cause]]` of the published run's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    what: String,
    count: u32,
    signs: Vec<Sign>,
}

#[derive(Deserialize)]
struct Sign {
    #[serde(flatten)]
    words: Words,
    share: u32,
}

impl TryFrom<Entry> for Cause {
    type Error = String;

    fn try_from(Entry { name, what, count, signs }: Entry) -> Result<Cause, String> {
        let signs = signs.iter().map(|sign| Ok((scenario::ailment(&sign.words)?, sign.share)));
        Ok(Cause { name, what, count, signs: signs.collect::<Result<_, String>>()? })
    }
}

impl Cause {
    /// Whether anything on a node tells of it.
    pub fn shows(&self) -> bool {
        !self.signs.is_empty()
    }

    fn sign(&self, dice: &mut Dice) -> Option<Ailment> {
        drawn(self.signs.iter().map(|(_, share)| *share), dice).map(|at| self.signs[at].0)
    }
}

fn read(text: &str) -> Result<Vec<Cause>, toml::de::Error> {
    #[derive(Deserialize)]
    struct File {
        cause: Vec<Cause>,
    }
    toml::from_str(text).map(|File { cause }| cause)
}

/// The causes of the published run, the most frequent first.
pub fn causes() -> &'static [Cause] {
    // A test reads them.
    static CAUSES: LazyLock<Vec<Cause>> = LazyLock::new(|| read(include_str!("published.toml")).unwrap_or_default());
    &CAUSES
}

/// Which causes come how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Interruptions per 100,000 GPU-days.
    pub rate: u32,
    /// For how long after the fleet's start they come.
    pub over: Duration,
    /// How often each of [`causes`] comes, against the others.
    pub weights: Vec<u32>,
}

impl Default for Mix {
    fn default() -> Self {
        Mix { rate: PUBLISHED, over: DAY, weights: causes().iter().map(|cause| cause.count).collect() }
    }
}

/// One interruption.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What it comes from.
    pub cause: &'static Cause,
    /// How long after the fleet's start.
    pub at: Duration,
    /// How it shows; nothing where no node tells of it.
    pub fault: Option<Fault>,
}

/// `[mix]` of a scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    rate: Option<u32>,
    over: Option<String>,
    /// Weights of the causes that come; without it those of the published run.
    causes: Option<std::collections::BTreeMap<String, u32>>,
}

impl Table {
    /// The mix that it tells of.
    pub(super) fn read(&self) -> Result<Mix, String> {
        let mut mix = Mix::default();
        if let Some(rate) = self.rate {
            mix.rate = rate;
        }
        if mix.rate > MOST {
            return Err(format!("mix: a rate of {} is more than {MOST}, each GPU ten times a day", mix.rate));
        }
        if let Some(over) = &self.over {
            mix.over = span(over).map_err(|problem| format!("mix: over {over}: {problem}"))?;
        }
        if let Some(weights) = &self.causes {
            mix.weights.fill(0);
            for (name, weight) in weights {
                let Some(at) = causes().iter().position(|cause| cause.name == *name) else {
                    let nearest = nearest(name, causes().iter().map(|cause| &*cause.name));
                    return Err(format!("mix: `{name}` is no cause; did you mean `{nearest}`?"));
                };
                mix.weights[at] = *weight;
            }
        }
        Ok(mix)
    }
}

impl Sim {
    /// What interrupts jobs, in order, where the plan's faults are a mix.
    pub fn failures(&self) -> Vec<Failure> {
        match &self.plan.faults {
            super::Faults::Mix(mix) => draw(self, mix),
            _ => Vec::new(),
        }
    }
}

/// Draws the interruptions: times as chance has them, each on nodes that train and that nothing has befallen yet. Where
/// there are none, none is interrupted; and no more come once half of the fleet has failed.
fn draw(sim: &Sim, mix: &Mix) -> Vec<Failure> {
    let plan = &sim.plan;
    let a_day = f64::from(mix.rate) / 1e5 * f64::from(plan.nodes) * f64::from(plan.gpus);
    let mean = DAY.as_secs_f64() / a_day;
    let mut dice = Dice::new(key(plan.seed, 0xfa19));
    let (mut failures, mut failed) = (Vec::new(), HashSet::new());
    let mut at = FIRST.as_secs_f64();
    while failed.len() * 2 <= plan.nodes as usize {
        at -= mean * (1.0 - dice.unit()).ln();
        // Also where the rate, and with it the number of failures, is none.
        let Some(at) = Duration::try_from_secs_f64(at).ok().filter(|at| *at <= mix.over) else { break };
        let Some(cause) = drawn(mix.weights.iter().copied(), &mut dice).and_then(|at| causes().get(at)) else { break };
        let fault = match cause.sign(&mut dice) {
            None => None,
            Some(ailment) => {
                let Some((subject, nodes)) = subject(sim, &failed, ailment, at, &mut dice) else { continue };
                failed.extend(nodes);
                Some(Fault { ailment, subject, at })
            }
        };
        failures.push(Failure { cause, at, fault });
    }
    failures
}

/// The number of one of these, by their weights.
fn drawn(weights: impl Iterator<Item = u32> + Clone, dice: &mut Dice) -> Option<usize> {
    let all: u64 = weights.clone().map(u64::from).sum();
    let mut left = dice.below(all);
    weights.map(u64::from).position(|weight| {
        let is_it = left < weight;
        left = left.saturating_sub(weight);
        is_it
    })
}

/// What a failure befalls, and the nodes that are no use for another one then.
fn subject(
    sim: &Sim,
    failed: &HashSet<u32>,
    ailment: Ailment,
    at: Duration,
    dice: &mut Dice,
) -> Option<(Subject, Range<u32>)> {
    let now = sim.plan.start + at;
    (0..TRIES).find_map(|_| {
        let n = dice.below(u64::from(sim.plan.nodes)) as u32;
        let activity = sim.schedule.activity(n, now);
        let job = activity.job().filter(|job| matches!(job.kind, job::Kind::Training | job::Kind::Pipeline))?;
        let (subject, nodes) = match ailment {
            Ailment::Hang => (Subject::JobOf(n), job.nodes),
            // Its own power supply, where a rack's would be.
            Ailment::PowerBrake => (Subject::Node(n), n..n + 1),
            _ => (fault::thing(sim, ailment, n)?, n..n + 1),
        };
        let is_free =
            activity.works_for(LASTS) && nodes.len() <= HANGING && nodes.clone().all(|n| !failed.contains(&n));
        is_free.then_some((subject, nodes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::sim::{Faults, Plan};

    fn failures(nodes: u32, seed: u64, mix: Mix) -> Vec<Failure> {
        Sim::new(Plan { nodes, seed, faults: Faults::Mix(mix), ..Plan::default() }).failures()
    }

    #[test]
    fn the_published_counts_are_read_whole() {
        let read = read(include_str!("published.toml")).expect("a table that can be read");
        assert_eq!(read.iter().map(|cause| cause.count).sum::<u32>(), 419);
        assert!(read.is_sorted_by_key(|cause| std::cmp::Reverse(cause.count)));
        assert_eq!((419.0_f64 / 54.0 / 16_384.0 * 1e5).round() as u32, PUBLISHED);
        let without: Vec<&str> = read.iter().filter(|cause| !cause.shows()).map(|cause| &*cause.name).collect();
        assert_eq!(without, ["corruption", "dependency"]);
    }

    #[test]
    fn causes_come_by_their_shares() {
        let check = |all: &[Failure]| {
            let n = all.len() as f64;
            for cause in causes() {
                let share = f64::from(cause.count) / 419.0;
                let came = all.iter().filter(|failure| failure.cause.name == cause.name).count() as f64;
                // Four standard deviations.
                let off = 4.0 * (n * share * (1.0 - share)).sqrt();
                assert!((came - n * share).abs() < off, "{}: {came} of {n}, not {share}", cause.name);
            }
            let gpu = || all.iter().filter(|failure| failure.cause.name == "gpu").filter_map(|failure| failure.fault);
            let odd = gpu().filter(|fault| fault.ailment == Ailment::Straggler).count() as f64 / gpu().count() as f64;
            assert!((odd - 0.4).abs() < 0.08, "{odd}");
        };
        let large = failures(20_000, 1, Mix { rate: 2_000, ..Mix::default() });
        assert!(large.len() > 2_000, "{}", large.len());
        check(&large);
        let small: Vec<Failure> =
            (1..=20).flat_map(|seed| failures(512, seed, Mix { rate: 3_125, ..Mix::default() })).collect();
        let expected: f64 = 20.0 * 128.0;
        assert!((small.len() as f64 - expected).abs() < 4.0 * expected.sqrt(), "{} of {expected}", small.len());
        check(&small);
    }

    #[test]
    fn failures_come_at_the_rate_and_over_the_whole_time() {
        let check = |nodes, rate, days: u32| {
            let over = DAY * days;
            let all = failures(nodes, 3, Mix { rate, over, ..Mix::default() });
            let expected = f64::from(rate) / 1e5 * f64::from(nodes) * 8.0 * f64::from(days);
            assert!((all.len() as f64 - expected).abs() < 4.0 * expected.sqrt(), "{} of {expected}", all.len());
            let late = all.iter().filter(|failure| failure.at > over / 2).count() as f64;
            assert!((late - expected / 2.0).abs() < 3.0 * expected.sqrt(), "{late} in the second half");
            assert!(all.is_sorted_by_key(|failure| failure.at));
            assert!(all.iter().all(|failure| (FIRST..=over).contains(&failure.at)));
        };
        check(62_500, PUBLISHED, 1);
        check(12_500, PUBLISHED, 7);
        check(2_000, 1_000, 1);
        assert!(failures(2_000, 3, Mix { rate: 0, ..Mix::default() }).is_empty());
        assert!(failures(0, 3, Mix::default()).is_empty());
    }

    #[test]
    fn each_failure_has_nodes_of_its_own_which_are_at_work() {
        let sim = Sim::new(Plan {
            nodes: 512,
            faults: Faults::Mix(Mix { rate: 4_000, ..Mix::default() }),
            ..Plan::default()
        });
        let mut failed = HashSet::new();
        for fault in sim.failures().into_iter().filter_map(|failure| failure.fault) {
            let nodes = match fault.subject {
                Subject::JobOf(n) => sim.job(n, sim.plan.start + fault.at).expect("a job").nodes,
                Subject::Gpu(n, _) | Subject::Port(n, _) | Subject::Node(n) => n..n + 1,
                Subject::Rack(_) => panic!("a rack is no one failure"),
            };
            for n in nodes {
                assert!(sim.job(n, sim.plan.start + fault.at).is_some(), "node {n} is at work");
                assert!(failed.insert(n), "node {n} fails once");
            }
        }
        assert!(failed.len() > 100, "{}", failed.len());
        let again = Sim::new(sim.plan().clone());
        assert_eq!(again.faults(), sim.faults());
        assert_eq!(sim.faults().len(), sim.failures().iter().filter(|failure| failure.fault.is_some()).count());
    }

    #[test]
    fn a_fleet_does_not_fail_altogether() {
        let all = failures(64, 1, Mix { rate: MOST, ..Mix::default() });
        let shown = all.iter().filter(|failure| failure.fault.is_some()).count();
        assert!((8..=33).contains(&shown), "{shown}");
    }
}
