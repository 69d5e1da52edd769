//! Failures in the mix of a published run, played: which are found, how late, as what, and what is said for nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use supertop::{
    collect::sim::{
        Ailment, Faults, Subject,
        mix::{Failure, Mix},
    },
    model::incident::{Incident, Subject as About},
};

use crate::play::Play;

/// What a play of a mix came to.
pub(crate) struct Outcome {
    /// Each failure, in order, and what was said of it first.
    pub(crate) failures: Vec<(Failure, Option<Found>)>,
    /// Incidents of what did not fail, in words.
    pub(crate) others: Vec<String>,
}

/// How a failure was found.
pub(crate) struct Found {
    /// Seconds after it began.
    pub(crate) after: f64,
    pub(crate) rule: String,
}

/// A failure with the names of what it struck.
struct Struck {
    failure: Failure,
    nodes: BTreeSet<String>,
    /// What befalls a job, or a program of one, may be told of the job.
    is_of_job: bool,
}

/// Plays a mix for so long.
pub(crate) fn play(nodes: u32, seed: u64, mix: Mix, seconds: u32) -> Outcome {
    let mut play = Play::new(nodes, seed, Faults::Mix(mix));
    let struck: Vec<Struck> = play.sim.failures().into_iter().map(|failure| Struck::new(&play, failure)).collect();
    let mut found: BTreeMap<usize, Found> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut others = BTreeMap::new();
    for _ in 0..seconds {
        play.step();
        let now = f64::from(play.seconds);
        for incident in play.open() {
            // One incident may come to be of more than it was at first.
            if !seen.insert((incident.id, incident.nodes.len())) {
                continue;
            }
            let by_now = struck.iter().enumerate().filter(|(_, it)| it.failure.at.as_secs_f64() <= now);
            let its: Vec<usize> = by_now.filter(|(_, it)| it.is_told_by(&incident)).map(|(at, _)| at).collect();
            for at in &its {
                let after = now - struck[*at].failure.at.as_secs_f64();
                found.entry(*at).or_insert_with(|| Found { after, rule: incident.rule.clone() });
            }
            if its.is_empty() {
                let Incident { subject, reason, rule, .. } = &incident;
                others.entry(incident.id).or_insert_with(|| format!("after {now} s {subject}: {reason} ({rule})"));
            }
        }
    }
    let failures = struck.into_iter().enumerate().map(|(at, it)| (it.failure, found.remove(&at))).collect();
    Outcome { failures, others: others.into_values().collect() }
}

impl Struck {
    fn new(play: &Play, failure: Failure) -> Struck {
        let subject = failure.fault.map(|fault| fault.subject);
        let nodes: Range<u32> = match subject {
            Some(Subject::Gpu(n, _) | Subject::Port(n, _) | Subject::Node(n)) => n..n + 1,
            Some(Subject::JobOf(n)) => play.sim.job(n, play.sim.plan().start + failure.at).unwrap().nodes,
            Some(Subject::Rack(_)) | None => 0..0,
        };
        let ailment = failure.fault.map(|fault| fault.ailment);
        Struck {
            nodes: nodes.map(|n| play.sim.name(n)).collect(),
            is_of_job: matches!(ailment, Some(Ailment::Hang | Ailment::Xid(13 | 31))),
            failure,
        }
    }

    fn is_told_by(&self, incident: &Incident) -> bool {
        let has = |node: &String| self.nodes.contains(node);
        match &incident.subject {
            About::Job { .. } => self.is_of_job && incident.nodes.iter().any(has),
            about => about.node().map_or_else(|| incident.nodes.iter().any(has), |node| self.nodes.contains(node)),
        }
    }
}
