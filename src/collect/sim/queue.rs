//! What a scheduler of the simulated fleet would say: the jobs that run on it, those that wait, and those that have just
//! ended.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Kind, Sim,
    chance::{Dice, key},
    place::RACK,
};
use crate::model::{
    Time,
    job::{Job, Location, Phase, Scheduler, Share, Standing},
};

/// The scheduler of a simulated fleet.
#[derive(Clone)]
pub struct Queue {
    sim: Arc<Sim>,
    clock: fn() -> Time,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("plan", self.sim.plan()).finish_non_exhaustive()
    }
}

impl Queue {
    /// That of this fleet, at the time that `clock` says when it is asked.
    pub fn new(sim: Arc<Sim>, clock: fn() -> Time) -> Queue {
        Queue { sim, clock }
    }
}

impl Scheduler for Queue {
    fn name(&self) -> &'static str {
        "simulated scheduler"
    }

    fn jobs(&self, each: &mut dyn FnMut(Job)) -> Result<(), String> {
        let now = (self.clock)();
        let jobs = self.sim.schedule.jobs(now).into_iter().map(|job| self.sim.told(&job, now));
        jobs.filter(|job| job.submitted.is_some_and(|submitted| submitted <= now)).for_each(each);
        Ok(())
    }

    fn nodes(&self, each: &mut dyn FnMut(Standing)) -> Result<(), String> {
        let now = (self.clock)();
        (0..self.sim.plan().nodes).for_each(|n| each(self.sim.standing(n, now)));
        Ok(())
    }

    /// Each rack has a switch of its own.
    fn topology(&self, each: &mut dyn FnMut(Location)) -> Result<(), String> {
        for n in 0..self.sim.plan().nodes {
            let place = format!("leaf{:03}", n / RACK + 1);
            each(Location { node: self.sim.name(n), label: "switch".into(), place });
        }
        Ok(())
    }
}

/// After how long a node that says nothing is down to the scheduler.
const GIVEN_UP: Duration = Duration::from_mins(2);

impl Sim {
    /// How the scheduler stands to node `n` at `now`. An operator has drained a few, each with a word why, and has plans with
    /// others; one that is silent is down.
    fn standing(&self, n: u32, now: Time) -> Standing {
        let mut dice = Dice::new(key(u64::from(n), 0xd4a1));
        let base = match self.job(n, now) {
            None => "idle",
            Some(job) if job.gpus < self.plan().gpus => "mixed",
            Some(_) => "allocated",
        };
        let node = self.name(n);
        let silent = self.wards.by(n, now).iter().find(|case| case.silences(now));
        if let Some(case) = silent.filter(|case| now.since(case.at) > GIVEN_UP) {
            let states = ["down", "not_responding"].map(String::from).to_vec();
            let (reason, by) = ("Not responding".into(), "slurm".into());
            return Standing { node, states, reason, by, since: Some(case.at + GIVEN_UP) };
        }
        if dice.below(300) > 0 {
            let is_planned = base == "idle" && dice.below(40) == 0;
            let planned = is_planned.then(|| "maint".to_owned());
            return Standing {
                node,
                states: [base.into()].into_iter().chain(planned).collect(),
                ..Standing::default()
            };
        }
        let reasons = ["XID 79", "HBM", "NVLink errors", "RMA 1652", "firmware update"];
        Standing {
            node,
            states: vec![base.into(), "drain".into()],
            reason: reasons[dice.below(reasons.len() as u64) as usize].into(),
            by: "ops".into(),
            since: Some(self.plan().start - Duration::from_hours(1 + dice.below(200))),
        }
    }

    /// A job, as a scheduler tells of it at `now`.
    fn told(&self, job: &super::Job, now: Time) -> Job {
        let mut dice = Dice::new(key(job.id, 0x0b5e));
        let submitted = job.started - Duration::from_secs(dice.below(5400));
        // Who asks for a whole node and uses a part of it is known to every operator.
        let whole = dice.unit() < 0.4;
        let (phase, state, reason) = if now < job.started {
            (Phase::Waiting, "pending", if dice.unit() < 0.5 { "Resources" } else { "Priority" })
        } else if now < job.ends {
            (Phase::Running, "running", "")
        } else {
            let chance = dice.unit();
            match job.kind {
                Kind::Serving => (Phase::Ended, "cancelled", ""),
                _ if chance < 0.84 => (Phase::Ended, "completed", ""),
                _ if chance < 0.93 => (Phase::Ended, "failed", "NonZeroExitCode"),
                _ => (Phase::Ended, "timeout", "TimeLimit"),
            }
        };
        let gpus: Vec<u16> = (0..if whole { self.plan().gpus } else { job.gpus }).collect();
        let nodes = if phase == Phase::Waiting { 0..0 } else { job.nodes.clone() };
        // Some are one task of several, some were begun more than once, and some say something.
        let mut more = Dice::new(key(job.id, 0xa44a));
        let is_task = job.kind == Kind::Debug && more.unit() < 0.5;
        let (restarts, talks) = (u32::from(more.unit() < 0.05), more.unit() < 0.2);
        let hours = (job.ends.seconds_after(job.started) * 1.2 / 3600.0).ceil();
        Job {
            id: job.id.to_string(),
            array: if is_task { format!("{}_{}", job.id / 8 * 8, job.id % 8) } else { String::new() },
            restarts,
            comment: if talks { "checkpoint every 30 min".into() } else { String::new() },
            name: job.name.clone(),
            user: job.user.clone(),
            account: job.account.clone(),
            partition: match job.kind {
                Kind::Debug => "debug",
                Kind::Serving => "serving",
                _ => "main",
            }
            .into(),
            qos: "normal".into(),
            phase,
            state: state.into(),
            reason: reason.into(),
            submitted: Some(submitted),
            started: (phase != Phase::Waiting).then_some(job.started),
            ended: (phase == Phase::Ended).then_some(job.ends),
            limit: Some(Duration::from_secs_f64(hours * 3600.0)),
            shares: nodes.map(|n| Share { node: self.name(n), gpus: Some(gpus.clone()) }).collect(),
            ..Job::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::sim::Plan;

    fn now() -> Time {
        Plan::default().start + Duration::from_mins(3)
    }

    #[test]
    fn the_scheduler_tells_of_every_job_that_runs() {
        let sim = Arc::new(Sim::new(Plan { nodes: 512, ..Plan::default() }));
        let mut jobs = Vec::new();
        Queue::new(sim.clone(), now).jobs(&mut |job| jobs.push(job)).expect("an answer");
        let of = |phase| jobs.iter().filter(move |job| job.phase == phase);
        for n in 0..512 {
            let name = sim.name(n);
            let told: Vec<&str> = of(Phase::Running)
                .filter(|job| job.shares.iter().any(|s| s.node == name))
                .map(|job| &*job.id)
                .collect();
            let runs = sim.job(n, now()).map(|job| job.id.to_string());
            assert_eq!(told, runs.iter().map(String::as_str).collect::<Vec<_>>(), "{name}");
        }
        assert!(of(Phase::Waiting).all(|job| job.shares.is_empty() && job.started.is_none()));
        assert!(of(Phase::Ended).all(|job| job.ended.is_some_and(|ended| ended <= now())));
        assert!(of(Phase::Waiting).count() > 0 && of(Phase::Ended).count() > 0);
        let mut ids: Vec<&str> = jobs.iter().map(|job| &*job.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), jobs.len(), "every job once");
    }
}
