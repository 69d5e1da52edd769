//! Numbers of jobs: how far each has come, what it has, and what that spends; now, and at another time.

use crate::{
    fleet::{Job, Share},
    model::{
        job::Phase,
        metric::{MetricId, gpu, job},
        raw::Gap,
        time::Time,
    },
};

use super::{
    evaluate::{FAR, apart},
    past::Window,
    peers::spread,
    row::Item,
    snapshot::{Snapshot, metered},
    value::Number,
};

impl Snapshot<'_> {
    /// A metric of a job as it is now.
    pub(super) fn of_job(&self, metric: MetricId, item: Item) -> Number {
        let job = self.fleet.job(item.slot as usize).ok_or(Gap::Unknown)?;
        let count = |n: usize| Ok(n as f64);
        let seconds = |from: Option<Time>, to: Option<Time>| {
            from.zip(to).map(|(from, to)| to.seconds_after(from).max(0.0)).ok_or(Gap::Absent)
        };
        let until = job.ended.or(Some(self.now));
        let limit = job.limit.map(|limit| limit.as_secs_f64());
        match metric {
            job::PHASE => Ok(code(job.phase)),
            job::RUNNING => count((job.phase == Phase::Running).into()),
            job::WAITING => count((job.phase == Phase::Waiting).into()),
            job::NODES => count(job.nodes()),
            // Which it had is not said of one that ended before anybody asked, and not known of strangers.
            job::GPUS if job.gpus() == 0 && (job.is_unseen || !job.strangers.is_empty()) => Err(Gap::Unknown),
            job::GPUS => count(job.gpus()),
            job::HELD => count(job.held().map(|share| share.slots.len()).sum()),
            // Without a scheduler there is nothing to compare.
            job::UNUSED | job::UNGIVEN if !job.is_allotted() => Err(Gap::Absent),
            job::UNUSED => self.compared(job, Share::unused),
            job::UNGIVEN => self.compared(job, Share::ungiven),
            job::SILENT => count(job.held().filter(|share| !self.is_up(share.node)).count()),
            job::IDLE | job::OUTLIERS if job.held().next().is_none() => Ok(0.0),
            job::IDLE => {
                let mut utils = Vec::new();
                self.of_gpus(job, gpu::UTIL, &mut utils);
                if utils.is_empty() {
                    Err(Gap::Unknown)
                } else {
                    count(utils.iter().filter(|util| **util < 1.0).count())
                }
            }
            job::OUTLIERS => {
                let mut clocks = Vec::new();
                let quantum = self.of_gpus(job, gpu::CLOCK_SM, &mut clocks);
                let far = |(middle, distance): (f64, f64)| {
                    clocks.iter().filter(|clock| apart(**clock, (middle, distance), quantum) >= FAR).count()
                };
                spread(&mut clocks.clone()).map(far).ok_or(Gap::Unknown).and_then(count)
            }
            job::AGE => seconds(job.started, until),
            job::WAIT => seconds(job.submitted, job.started.or(until)),
            job::LIMIT => limit.ok_or(Gap::Absent),
            job::LEFT if job.phase != Phase::Running => Err(Gap::Absent),
            job::LEFT => Ok(limit.ok_or(Gap::Absent)? - seconds(job.started, until)?),
            job::ENDED => seconds(job.ended, Some(self.now)),
            job::RESTARTS => Ok(f64::from(job.restarts)),
            // Nothing is known of what nobody has watched.
            _ if job.bill.spent.gpu_seconds == 0.0 => Err(Gap::Unknown),
            job::ENERGY => Ok(job.bill.spent.used),
            job::ENERGY_TODAY => Ok(job.bill.today(self.now)),
            job::ENERGY_HOUR => {
                let time = self.window.map_or(self.now, Window::time);
                self.fleet.job_energy_hour(item.slot as usize, time).ok_or(Gap::Unknown)
            }
            job::ENERGY_HOST => metered(job.bill.spent.host),
            job::ENERGY_IDLE => Ok(job.bill.spent.idle),
            job::ENERGY_ESTIMATED => Ok(job.bill.spent.estimated),
            job::COST => job.bill.cost.ok_or(Gap::Unknown),
            job::CARBON => job.bill.carbon.ok_or(Gap::Unknown),
            _ => Err(Gap::Unknown),
        }
    }

    /// The same as it was at another time: what follows from when the job was submitted, started and ended, and from which
    /// GPUs it had. The rest is not known of then.
    pub(super) fn of_job_then(&self, metric: MetricId, item: Item) -> Number {
        let job = self.fleet.job(item.slot as usize).ok_or(Gap::Unknown)?;
        let then = self.then().ok_or(Gap::Unknown)?;
        let phase = job.phase_at(then).ok_or(Gap::Unknown)?;
        let count = |n: usize| Ok(n as f64);
        let (is_waiting, is_running) = (phase == Phase::Waiting, phase == Phase::Running);
        let had = || job.shares.iter().filter(|share| job.had_at(share, then));
        let started = job.started.filter(|_| !is_waiting);
        let ended = job.ended.filter(|_| phase == Phase::Ended);
        let seconds = |from: Option<Time>, to: Option<Time>| {
            from.zip(to).map(|(from, to)| to.seconds_after(from).max(0.0)).ok_or(Gap::Absent)
        };
        let until = ended.or(Some(then));
        let limit = job.limit.map(|limit| limit.as_secs_f64());
        match metric {
            job::PHASE => Ok(code(phase)),
            job::RUNNING => count(is_running.into()),
            job::WAITING => count(is_waiting.into()),
            job::NODES | job::GPUS | job::HELD if is_waiting => Ok(0.0),
            // Of before the hub's own start it may only be known that it ran.
            job::NODES | job::GPUS | job::HELD if is_running && had().next().is_none() => Err(Gap::Unknown),
            job::NODES if is_running => count(had().count() + job.strangers.len()),
            job::GPUS if is_running && !job.strangers.is_empty() => Err(Gap::Unknown),
            job::GPUS | job::HELD if is_running => match had().map(|share| share.slots.len()).sum() {
                0 if job.is_unseen => Err(Gap::Unknown),
                n => count(n),
            },
            job::HELD => Ok(0.0),
            job::NODES | job::GPUS => self.of_job(metric, item),
            job::AGE => seconds(started, until),
            job::WAIT => seconds(job.submitted, started.or(until)),
            job::LIMIT => limit.ok_or(Gap::Absent),
            job::LEFT if is_running => Ok(limit.ok_or(Gap::Absent)? - seconds(started, until)?),
            job::LEFT => Err(Gap::Absent),
            job::ENDED => seconds(ended, Some(then)),
            _ => Err(Gap::Unknown),
        }
    }

    /// Adds the known values of a metric of the GPUs that a job has. Says the metric's quantum.
    fn of_gpus(&self, job: &Job, metric: MetricId, values: &mut Vec<f64>) -> f64 {
        let quantum = metric.builtin().map_or(1.0, |metric| metric.quantum);
        for share in job.held().filter(|share| self.believes(share.node)) {
            let row = self.fleet.last_row(share.node, metric);
            let steps = share.slots.iter().filter_map(|slot| row.get(usize::from(slot))?.steps());
            values.extend(steps.map(|steps| f64::from(steps) * quantum));
        }
        quantum
    }

    /// Adds up what shares differ by, of those nodes whose processes are known and whose GPUs the scheduler names.
    fn compared(&self, job: &Job, by: fn(&Share) -> Option<usize>) -> Number {
        let is_known =
            |share: &&Share| self.believes(share.node) && self.fleet.node(share.node).processes.time.is_some();
        let known = job.held().filter(is_known).filter_map(by);
        let sum = known.fold(None, |sum: Option<usize>, n| Some(sum.unwrap_or(0) + n));
        match sum {
            Some(sum) => Ok(sum as f64),
            None if job.held().next().is_none() => Ok(0.0),
            None => Err(Gap::Unknown),
        }
    }
}

/// The number of a phase, in the order of the words of its metric.
fn code(phase: Phase) -> f64 {
    match phase {
        Phase::Running => 0.0,
        Phase::Waiting => 1.0,
        Phase::Ended => 2.0,
    }
}
