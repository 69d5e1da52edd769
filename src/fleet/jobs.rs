//! Jobs: which GPUs each was given and which its processes use; and, of each node, whose it is.
//! What a scheduler says and what processes show are both kept, since the two may differ. Without a scheduler, processes
//! alone make jobs.

mod granted;
mod job;
mod kept;
mod past;
mod schedule;

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use super::{
    Fleet,
    name::{Name, natural},
    node::NodeId,
    processes::{Process, Processes},
    slots::Slots,
};
use crate::model::{job::Phase, state::Scheduler, time::Time};

pub use job::{Job, Share};
pub use kept::EndedJob;

/// Why a job is not taken.
pub(super) const BEYOND: &str = "job beyond the fleet's limit";

/// All jobs of a fleet.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// By number; a number may be vacant.
    list: Vec<Option<Job>>,
    vacant: Vec<u32>,
    known: HashMap<Name, u32>,
    /// Numbers in the order of ids.
    order: Vec<u32>,
    /// What is held of each node, in the order of the jobs' ids.
    held: Vec<Vec<Held>>,
    /// What was held of each node before.
    had: Vec<Vec<Held>>,
    /// Those that ended a moment ago.
    endings: VecDeque<past::Ending>,
    /// Those that have ended and are still to be kept over a restart, and when the hub heard of it.
    unsaved: VecDeque<(u32, Time)>,
    /// What each node's processes came to when they were last gone through.
    seen: Vec<u64>,
    round: u64,
    /// Rounds of where nodes are.
    topologies: u64,
    /// Nodes that came up in this round and that the fleet does not know.
    strangers: Vec<Name>,
    /// When those that ended long ago were forgotten last, and the bytes that the rest of those that ended took then.
    forgot: Option<Time>,
    past_bytes: usize,
    /// The last end of those that were forgotten.
    forgotten: Option<Time>,
    /// Whether there was no room for a job since then, and none that could be forgotten for it.
    is_full: bool,
}

/// A share: the number of its job, and its position among that job's shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    job: u32,
    share: u32,
}

/// What a job's processes use of a node.
struct Use {
    job: Name,
    user: Name,
    started: Option<Time>,
    slots: Vec<u16>,
}

impl Jobs {
    /// Jobs that are kept, ended ones included.
    pub(super) const MOST: usize = 200_000;
    /// Shares of nodes that those had which have ended and are kept: a hundred bytes each.
    const MOST_SHARES: usize = 1_000_000;
    /// How long those are kept that have ended.
    pub(super) const KEPT: Duration = Duration::from_hours(24);
    /// Jobs that are forgotten for a new one when there is no room left: so many, so that it is seldom.
    const AT_ONCE: usize = 4096;
    const FORGET_EVERY: Duration = Duration::from_mins(1);
    /// How long a node may be silent before jobs of which only it told are not there any more.
    const SILENT: Duration = Duration::from_mins(10);

    /// Makes room for one more node.
    pub(super) fn add_node(&mut self) {
        self.held.push(Vec::new());
        self.had.push(Vec::new());
        self.seen.push(0);
    }

    fn get(&self, number: u32) -> Option<&Job> {
        self.list.get(number as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Job> {
        self.list.get_mut(number as usize)?.as_mut()
    }

    /// What is held of a node: the number of each job, and its share.
    pub(super) fn held_of(&self, node: NodeId) -> impl Iterator<Item = (u32, &Share)> {
        self.held[node.index()]
            .iter()
            .filter_map(|held| Some((held.job, self.get(held.job)?.shares.get(held.share as usize)?)))
    }

    /// Goes through a node's processes for whose they are, which mostly is as it was. Says how many of their jobs found
    /// no room.
    pub(super) fn see(&mut self, node: NodeId, processes: &Processes, now: Time) -> u64 {
        let came_to = fingerprint(processes);
        if self.seen[node.index()] == came_to {
            return 0;
        }
        let uses = uses(processes);
        let mut refused = 0;
        for one in &uses {
            let Some(number) = self.number(&one.job) else {
                refused += 1;
                continue;
            };
            self.begin_anew(number);
            let Some(job) = self.get_mut(number) else { continue };
            if !job.is_scheduled {
                // Who made a pod is known better than by its processes.
                if job.user.is_empty() || !job.is_allotted() {
                    job.user = one.user.clone();
                }
                job.started = job.started.into_iter().chain(one.started).min();
            }
            let at = self.share_of(number, node, now);
            if let Some(share) = self.share_mut(Held { job: number, share: at }) {
                share.used = one.slots.iter().copied().collect();
                share.settle();
            }
        }
        for held in self.held[node.index()].clone() {
            let goes_on = self.get(held.job).is_some_and(|job| uses.iter().any(|one| one.job == job.id));
            if !goes_on && let Some(share) = self.share_mut(held) {
                share.used = Slots::default();
                share.settle();
                self.let_go(held, now);
            }
        }
        // Who found no room tries again.
        self.seen[node.index()] = if refused > 0 { 0 } else { came_to };
        refused
    }

    /// Brings what a job holds up to date with what is given and used.
    fn settle(&mut self, number: u32, now: Time) {
        let shares = self.get(number).map_or(0, |job| job.shares.len()) as u32;
        for held in (0..shares).map(|share| Held { job: number, share }) {
            if let Some(share) = self.share_mut(held) {
                share.settle();
                self.let_go(held, now);
            }
        }
    }

    /// The number of the job with this id, which is made if need be; nothing where there is no room.
    fn number(&mut self, id: &Name) -> Option<u32> {
        if let Some(number) = self.known.get(id) {
            return Some(*number);
        }
        if self.known.len() >= Self::MOST && !self.make_room() {
            return None;
        }
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.list.push(None);
            self.list.len() as u32 - 1
        });
        let at = self.order.partition_point(|other| self.get(*other).is_some_and(|job| natural(&job.id, id).is_lt()));
        self.order.insert(at, number);
        self.list[number as usize] = Some(Job { id: id.clone(), ..Job::default() });
        self.known.insert(id.clone(), number);
        Some(number)
    }

    /// Starts a job that no scheduler tells of, and that does not run: a new one, or an id that came back. What holds GPUs
    /// after its end was left behind.
    fn begin_anew(&mut self, number: u32) {
        let begins = |job: &Job| !job.is_scheduled && job.phase != Phase::Running && job.holds == 0;
        if self.get(number).is_some_and(begins) {
            self.forget_all_had(number);
            self.get_mut(number).into_iter().for_each(Job::begin);
        }
    }

    /// The position of a job's share of a node, which it then holds.
    fn share_of(&mut self, number: u32, node: NodeId, now: Time) -> u32 {
        if let Some(held) = self.held[node.index()].iter().find(|held| held.job == number) {
            return held.share;
        }
        let Some(job) = self.list.get_mut(number as usize).and_then(Option::as_mut) else { return 0 };
        // It may have had some of it before.
        let had = job.shares.len() > job.holds;
        let before = if had { job.shares.iter().position(|share| share.node == node) } else { None };
        job.holds += 1;
        let at = before.unwrap_or_else(|| {
            job.shares.push(Share::of(node));
            job.shares.len() - 1
        });
        (job.shares[at].since, job.shares[at].until) = (Some(now), None);
        let share = at as u32;
        let comes_before = |other: &Held| {
            let [a, b] = [other.job, number].map(|number| self.get(number).map_or("", |job| &job.id));
            natural(a, b).is_lt()
        };
        let at = self.held[node.index()].partition_point(comes_before);
        self.forget_had(number, node);
        self.held[node.index()].insert(at, Held { job: number, share });
        share
    }

    fn share_mut(&mut self, Held { job, share }: Held) -> Option<&mut Share> {
        self.get_mut(job)?.shares.get_mut(share as usize)
    }

    /// Takes a share from its node where the job does not hold it any more. A job that only processes showed has ended
    /// with its last share.
    fn let_go(&mut self, held: Held, now: Time) {
        let Some(job) = self.list.get_mut(held.job as usize).and_then(Option::as_mut) else { return };
        let Some(share) = job.shares.get_mut(held.share as usize).filter(|share| !share.is_held) else { return };
        let (node, of_node) = (share.node, &mut self.held[share.node.index()]);
        let Some(at) = of_node.iter().position(|other| *other == held) else { return };
        of_node.remove(at);
        (share.until, share.given, share.used) = (Some(now), None, Slots::default());
        job.holds -= 1;
        let ends = !job.is_scheduled && job.phase != Phase::Ended && job.holds == 0;
        if ends {
            job.end(now);
        }
        self.had(held, node);
        if ends {
            self.ends(held.job, now, now);
        }
    }

    /// Forgets those that ended first, though it is less than a day ago. Says whether there were any.
    fn make_room(&mut self) -> bool {
        if self.is_full {
            return false;
        }
        let mut times: Vec<Option<Time>> = self.ended().map(|job| job.ended).collect();
        self.is_full = times.is_empty();
        if self.is_full {
            return false;
        }
        let last = (times.len() - 1).min(Self::AT_ONCE);
        let until = *times.select_nth_unstable(last).1;
        self.forget_those(|job| job.is_past() && job.ended <= until);
        true
    }

    /// Whether it is time to forget some.
    fn is_due(&self, now: Time) -> bool {
        self.forgot.is_none_or(|last| now.since(last) >= Self::FORGET_EVERY)
    }

    /// Forgets those that ended long ago.
    fn forget(&mut self, now: Time) {
        (self.forgot, self.is_full) = (Some(now), false);
        self.forget_those(|job| job.is_past() && job.ended.is_none_or(|ended| now.since(ended) > Self::KEPT));
        self.forget_beyond(Self::MOST_SHARES);
        let shares: usize = self.ended().map(|job| job.shares.len()).sum();
        self.past_bytes = self.ended().count() * Job::BYTES + shares * Share::BYTES;
    }

    /// Those that have ended and hold nothing any more.
    fn ended(&self) -> impl Iterator<Item = &Job> {
        self.list.iter().flatten().filter(|job| job.is_past())
    }

    /// Bytes that those take which have ended, about.
    pub(super) fn past_bytes(&self) -> usize {
        self.past_bytes
    }

    /// Forgets those that ended first, once all that have ended had more shares of nodes than `most`.
    fn forget_beyond(&mut self, most: usize) {
        let mut beyond = self.ended().map(|job| job.shares.len()).sum::<usize>().saturating_sub(most);
        if beyond == 0 {
            return;
        }
        let mut first: Vec<(Option<Time>, usize)> = self.ended().map(|job| (job.ended, job.shares.len())).collect();
        first.sort_unstable();
        let last = first.into_iter().find(|(_, shares)| {
            beyond = beyond.saturating_sub(*shares);
            beyond == 0
        });
        if let Some((until, _)) = last {
            self.forget_those(|job| job.is_past() && job.ended <= until);
        }
    }

    fn forget_those(&mut self, is_old: impl Fn(&Job) -> bool) {
        let Jobs { list, vacant, known, order, had, forgotten, .. } = self;
        order.retain(|number| {
            let place = &mut list[*number as usize];
            let Some(old) = place.take_if(|job| is_old(job)) else { return true };
            known.remove(&old.id);
            *forgotten = old.ended.into_iter().chain(*forgotten).max();
            old.shares.iter().for_each(|share| had[share.node.index()].retain(|had| had.job != *number));
            vacant.push(*number);
            false
        });
    }
}

/// A number that mostly changes with what [`uses`] finds.
fn fingerprint(processes: &Processes) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (process, job) in of_jobs(processes) {
        job.hash(&mut hasher);
        process.gpus.iter().for_each(|gpu| gpu.slot.hash(&mut hasher));
    }
    hasher.finish()
}

/// The processes that use GPUs for a job.
fn of_jobs(processes: &Processes) -> impl Iterator<Item = (&Process, &Name)> {
    processes.list.iter().filter(|process| !process.gpus.is_empty()).filter_map(|process| {
        let job = process.workload.as_ref().map(|workload| &workload.job)?;
        (!job.is_empty()).then_some((process, job))
    })
}

/// What each job uses.
fn uses(processes: &Processes) -> Vec<Use> {
    let mut uses: Vec<Use> = Vec::new();
    for (process, job) in of_jobs(processes) {
        let at = uses.iter().position(|one| one.job == *job).unwrap_or_else(|| {
            let (job, user) = (job.clone(), process.user.clone());
            uses.push(Use { job, user, started: None, slots: Vec::new() });
            uses.len() - 1
        });
        let one = &mut uses[at];
        one.started = one.started.into_iter().chain(process.started).min();
        one.slots.extend(process.gpus.iter().map(|gpu| gpu.slot));
    }
    for one in &mut uses {
        one.slots.sort_unstable();
        one.slots.dedup();
    }
    uses
}

impl Fleet {
    /// Once a minute, jobs that ended long ago are forgotten, and those of which only silent nodes told end.
    pub(super) fn forget_jobs(&mut self, now: Time) {
        if !self.jobs.is_due(now) {
            return;
        }
        for at in 0..self.nodes.len() {
            if let Some(heard) = self.presence[at].heard
                && now.since(heard) > Jobs::SILENT
                && !self.jobs.held[at].is_empty()
            {
                self.jobs.release(NodeId::at(at), heard);
            }
        }
        self.jobs.forget(now);
    }

    /// How the scheduler answers, if one is asked.
    pub fn scheduler(&self) -> Option<&Scheduler> {
        self.scheduler.as_ref()
    }

    /// The job with this number; a number may be vacant.
    pub fn job(&self, number: usize) -> Option<&Job> {
        self.jobs.list.get(number)?.as_ref()
    }

    /// The numbers of all jobs, in the order of their ids.
    pub fn jobs(&self) -> &[u32] {
        &self.jobs.order
    }

    /// The number of the job with this id.
    pub fn find_job(&self, id: &str) -> Option<u32> {
        self.jobs.known.get(id).copied()
    }

    /// The jobs that hold something of a node: each one's number, and its share.
    pub fn jobs_of(&self, node: NodeId) -> impl Iterator<Item = (u32, &Share)> {
        self.jobs.held_of(node)
    }
}

#[cfg(test)]
mod tests;
