//! What XIDs of programs come to: those of one job on several GPUs are its user's matter, and those of several programs on
//! one GPU the GPU's.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{errors::Place, track::Finding};
use crate::{
    fleet::{Fleet, Job, NodeId, Share},
    model::{
        incident::{Rule, Severity, Subject},
        time::Time,
    },
};

/// The rule of GPUs on which program after program fails.
pub(super) const APPS: &str = "gpu.xid.apps";
/// Programs that had XIDs on one GPU, of which it is then the GPU's fault; and within how long.
const SUSPECT: usize = 3;
const WITHIN: Duration = Duration::from_hours(24);
/// GPUs of a job from which on such XIDs are the job's.
const SEVERAL: usize = 2;
/// Jobs of one GPU that are kept, and that a reason names.
const KEPT: usize = 64;
const NAMED: usize = 8;
/// Lines of evidence of one job.
const LINES: usize = 16;
/// How much the clocks of a scheduler and of its nodes may differ.
const SLACK: Duration = Duration::from_secs(5);

/// Who had a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The job's id.
    pub(super) job: String,
    /// What ran: tasks of one array, and runs of the same thing by the same user, are one program.
    pub(super) program: String,
}

impl Owner {
    /// The job that had a node's GPU at some time, if there was one and only one.
    pub(super) fn of(fleet: &Fleet, node: NodeId, bus: &str, at: Time) -> Option<Owner> {
        let slot = fleet.node(node).inventory.gpu_at(bus)? as u16;
        let holding = fleet.jobs_of(node).filter_map(|(number, share)| Some((fleet.job(number as usize)?, share)));
        let all: Vec<(&Job, &Share)> = holding.chain(fleet.jobs_that_had(node)).collect();
        let had = |(job, share): &&(&Job, &Share), slack: Duration| {
            let (since, until) = (job.started.into_iter().chain(share.since).min(), job.ended.or(share.until));
            share.slots.contains(slot)
                && since.is_none_or(|since| at + slack >= since)
                && until.is_none_or(|until| at <= until + slack)
        };
        // One that had ended by then may have done so by another clock.
        let then = |slack: Duration| all.iter().filter(move |it| had(it, slack));
        let slack = if then(Duration::ZERO).next().is_some() { Duration::ZERO } else { SLACK };
        let mut owners = then(slack);
        let (job, _) = owners.next().filter(|_| owners.next().is_none())?;
        let program = match (&*job.name, &*job.array) {
            ("", "") => job.id.to_string(),
            ("", array) => array.to_owned(),
            (name, _) => format!("{}/{name}", job.user),
        };
        Some(Owner { job: job.id.to_string(), program })
    }
}

/// The owners that had such XIDs on each GPU lately, and when each had the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Programs(BTreeMap<Place, Vec<(Owner, Time)>>);

impl Programs {
    /// Takes that an owner's program had one on a GPU.
    pub(super) fn note(&mut self, place: &Place, owner: &Owner, time: Time) {
        let owners = self.0.entry(place.clone()).or_default();
        owners.retain(|(other, last)| other.job != owner.job && time.since(*last) < WITHIN);
        owners.push((owner.clone(), time));
        let many = owners.len().saturating_sub(KEPT);
        owners.drain(..many);
    }

    /// Forgets what is long ago.
    pub(super) fn forget(&mut self, now: Time) {
        self.0.retain(|_, owners| {
            owners.retain(|(_, last)| now.since(*last) < WITHIN);
            !owners.is_empty()
        });
    }

    /// The GPUs on which several programs failed that failed nowhere else.
    pub(super) fn suspects(&self, rule: &Rule, subject: impl Fn(&Place) -> Subject) -> Vec<Finding> {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (owner, _) in self.0.values().flatten() {
            *places.entry(&owner.job).or_default() += 1;
        }
        let suspect = |(place, owners): (&Place, &Vec<(Owner, Time)>)| {
            let alone: Vec<&(Owner, Time)> = owners.iter().filter(|(owner, _)| places[&*owner.job] < SEVERAL).collect();
            let programs: BTreeSet<&str> = alone.iter().map(|(owner, _)| &*owner.program).collect();
            (programs.len() >= SUSPECT).then(|| finding(rule, subject(place), programs.len(), &alone))
        };
        self.0.iter().filter_map(suspect).collect()
    }
}

fn finding(rule: &Rule, subject: Subject, programs: usize, owners: &[&(Owner, Time)]) -> Finding {
    let times = || owners.iter().map(|(_, last)| *last);
    let names: Vec<&str> = owners.iter().rev().take(NAMED).map(|(owner, _)| &*owner.job).collect();
    Finding {
        rule: rule.id.clone(),
        kin: String::new(),
        severity: rule.severity,
        subject,
        since: times().min().unwrap_or_default(),
        seen: times().max().unwrap_or_default(),
        count: owners.len() as u32,
        reason: format!(
            "{programs} programs had XIDs on it within a day and nowhere else, of jobs {}",
            names.join(", ")
        ),
        evidence: Vec::new(),
        action: rule.action.clone(),
        commands: rule.commands.clone(),
        under: rule.under.clone(),
    }
}

/// What a job's program did to its GPUs, one finding each: of several it is one, the user's matter and not the
/// operator's.
pub(super) fn of_job(job: &str, each: Vec<Finding>) -> Vec<Finding> {
    let gpus = each.len();
    if gpus < SEVERAL {
        return each;
    }
    let all = each.into_iter().reduce(|mut all, other| {
        (all.since, all.seen) = (all.since.min(other.since), all.seen.max(other.seen));
        all.count += other.count;
        all.evidence.extend(other.evidence);
        all.evidence.truncate(LINES);
        all
    });
    let users = |all: Finding| Finding {
        kin: String::new(),
        severity: Severity::Info,
        subject: Subject::Job { job: job.to_owned() },
        reason: format!("on {gpus} of its GPUs: {}", all.reason),
        action: "tell its user: the program is to be mended, or just started again; the GPUs are not at fault".into(),
        commands: Vec::new(),
        ..all
    };
    all.map(users).into_iter().collect()
}
