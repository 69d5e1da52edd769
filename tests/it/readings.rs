//! Readings that rules judge, of a table: each as its rule's basis has it, and one that comes near.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use supertop::{
    collect::sim::{Ailment, FIRST, Fault, Faults, Plan, Sim, Subject},
    model::{
        incident::{Severity, Stage},
        metric::{MetricId, Scope, gpu},
        raw::Raw,
    },
};

use crate::play::Play;

/// Nodes of the fleet in which they are played, each on one that is at work.
const NODES: u32 = 96;
/// Longer than the longest hold.
const WATCHED: u32 = 500;

#[derive(Deserialize)]
struct File {
    reading: Vec<Reading>,
}

/// One reading.
#[derive(Clone, Deserialize)]
pub(crate) struct Reading {
    pub(crate) rule: String,
    pub(crate) metric: String,
    pub(crate) value: f64,
    /// What else reads so on that thing, where the rule asks for more than one.
    #[serde(default)]
    pub(crate) with: BTreeMap<String, f64>,
    /// What comes near.
    pub(crate) near: Option<f64>,
    /// For how long it reads so, and then as it did before; for good where nothing is said.
    #[serde(skip)]
    pub(crate) lasts: Option<Duration>,
}

/// What a play of readings came to.
pub(crate) struct Outcome {
    /// After how many seconds each rule's incident was open, by the rule.
    pub(crate) found: BTreeMap<String, u32>,
    /// What else was raised, in words.
    pub(crate) others: Vec<String>,
}

/// All of them.
pub(crate) fn all() -> Vec<Reading> {
    let File { reading } = toml::from_str(include_str!("readings.toml")).unwrap();
    reading
}

/// Plays some readings at once, each on another node.
pub(crate) fn play(readings: &[Reading]) -> Outcome {
    let healthy = Sim::new(Plan { nodes: NODES, seed: 1, faults: Faults::Given(Vec::new()), ..Plan::default() });
    // Nodes that are at work, and those next to one another in turn, so that none makes up half of a rack.
    let works = |n: &u32| healthy.job(*n, healthy.plan().start).is_some_and(|job| job.gpus == healthy.plan().gpus);
    let at_work: Vec<u32> = (0..NODES).filter(works).collect();
    assert!(at_work.len() >= readings.len(), "{} nodes are at work", at_work.len());
    let faults = readings.iter().zip(&at_work).flat_map(|(reading, node)| reading.faults(*node, &healthy));
    let names: BTreeMap<String, String> =
        readings.iter().zip(&at_work).map(|(reading, node)| (healthy.name(*node), reading.rule.clone())).collect();
    let mut play = Play::new(NODES, 1, Faults::Given(faults.collect()));
    let mut outcome = Outcome { found: BTreeMap::new(), others: Vec::new() };
    for _ in 0..WATCHED {
        play.step();
        let all = play.health.incidents();
        for incident in all.into_iter().filter(|it| it.stage == Stage::Open) {
            let is_its = |node: &String| names.get(node).is_some_and(|rule| *rule == incident.rule);
            if !incident.nodes.is_empty() && incident.nodes.iter().all(is_its) {
                outcome.found.entry(incident.rule).or_insert(play.seconds - FIRST.as_secs() as u32);
                continue;
            }
            if incident.severity == Severity::Info {
                continue;
            }
            let words = format!("{}: {} ({})", incident.subject, incident.reason, incident.rule);
            if !outcome.others.contains(&words) {
                outcome.others.push(words);
            }
        }
    }
    outcome
}

impl Reading {
    /// What it is on a node, and its end.
    fn faults(&self, node: u32, healthy: &Sim) -> Vec<Fault> {
        let find = |key: &str| MetricId::find(key).unwrap_or_else(|| panic!("{key} is no metric"));
        let id = find(&self.metric);
        let (subject, slot) = match id.scope {
            Scope::Node => (Subject::Node(node), 0),
            Scope::Nic => (Subject::Port(node, 1), 1),
            _ => (Subject::Gpu(node, 2), 2),
        };
        let raw = |id: MetricId, value| Raw::new(value, id.builtin().unwrap().quantum);
        let fault = |id, raw, at| Fault { ailment: Ailment::Reads(id, raw), subject, at };
        let end = self.lasts.map(|lasts| {
            let mut values = healthy.values();
            healthy.sample(node, healthy.plan().start + FIRST, &mut values);
            // What moves with its job's load is not to be called slow for a reading that stands still.
            let raw = if id == gpu::CLOCK_SM { values.get(gpu::CLOCK_SM_MAX, slot) } else { values.get(id, slot) };
            fault(id, raw, FIRST + lasts)
        });
        let others = self.with.iter().map(|(key, value)| (find(key), *value));
        let begin = others.chain([(id, self.value)]).map(|(id, value)| fault(id, raw(id, value), FIRST));
        begin.chain(end).collect()
    }
}
