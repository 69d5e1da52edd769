//! Jobs: which GPUs each was given and which its processes use; and, of each node, whose it is.
//! What a scheduler says and what processes show are both kept, since the two may differ. Without a scheduler, processes
//! alone make jobs.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::Range,
    time::Duration,
};

use super::{
    Fleet,
    inventory::Gpu,
    name::{Name, Names, natural, own},
    node::NodeId,
    processes::{Process, Processes},
};
use crate::model::{
    job::{self, Phase},
    time::Time,
};

/// Why a job is not taken.
pub(super) const BEYOND: &str = "job beyond the fleet's limit";

/// A job; see [`job::Job`].
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// The id by which its processes name it.
    pub id: Name,
    /// Which task of an array it is.
    pub array: Name,
    /// Which component of a heterogeneous job it is.
    pub het: Name,
    /// What its user calls it.
    pub name: Name,
    /// Whose it is: who submitted it, or else who owns its processes.
    pub user: Name,
    /// Who pays for it.
    pub account: Name,
    /// The partition or queue.
    pub partition: Name,
    /// Its quality of service.
    pub qos: Name,
    /// How far it has come.
    pub phase: Phase,
    /// The same in the scheduler's own word.
    pub state: Name,
    /// Why it waits, or how it ended.
    pub reason: Name,
    /// What its user or an operator noted.
    pub comment: Name,
    /// When it was submitted.
    pub submitted: Option<Time>,
    /// When it started.
    pub started: Option<Time>,
    /// When it ended.
    pub ended: Option<Time>,
    /// How long it may run.
    pub limit: Option<Duration>,
    /// How often it was requeued.
    pub restarts: u32,
    /// What it has of each node, or had last.
    pub shares: Vec<Share>,
    /// Nodes that it was given and that the fleet does not know.
    pub strangers: Vec<Name>,
    /// Whether a scheduler tells of it.
    pub is_scheduled: bool,
    /// How many shares it holds.
    holds: usize,
    /// In which round of the scheduler's news it came up last.
    round: u64,
}

/// A job's share of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The node.
    pub node: NodeId,
    /// Slots of the GPUs that the scheduler gave it; nothing where it gave none, or does not say which.
    pub given: Option<Box<[u16]>>,
    /// Slots of the GPUs that its processes use.
    pub used: Box<[u16]>,
    /// Both together, in order. Of a share that is not held any more, what it was last.
    pub slots: Box<[u16]>,
    /// Whether the job has it now.
    pub is_held: bool,
}

impl Job {
    /// GPUs that it has, or had last.
    pub fn gpus(&self) -> usize {
        self.shares.iter().map(|share| share.slots.len()).sum()
    }

    /// Nodes that it has, or had last, those included that the fleet does not know.
    pub fn nodes(&self) -> usize {
        self.shares.len() + self.strangers.len()
    }

    /// What it has now.
    pub fn held(&self) -> impl Iterator<Item = &Share> {
        self.shares.iter().filter(|share| share.is_held)
    }
}

impl Share {
    /// Its GPUs' slots, as runs of those next to one another.
    pub fn runs(&self) -> impl Iterator<Item = Range<u32>> {
        self.slots.chunk_by(|a, b| a + 1 == *b).filter_map(|run| {
            let (first, last) = (*run.first()?, *run.last()?);
            Some(u32::from(first)..u32::from(last) + 1)
        })
    }

    /// How many of its GPUs were given and are not used.
    pub fn unused(&self) -> usize {
        self.given.iter().flatten().filter(|slot| !self.used.contains(slot)).count()
    }

    /// How many of its GPUs are used and were not given.
    pub fn ungiven(&self) -> usize {
        let given = self.given.as_deref().unwrap_or_default();
        self.used.iter().filter(|slot| !given.contains(slot)).count()
    }

    fn of(node: NodeId) -> Share {
        Share { node, given: None, used: Box::default(), slots: Box::default(), is_held: false }
    }

    /// Brings what is held up to date with what is given and used.
    fn settle(&mut self) {
        self.is_held = self.given.is_some() || !self.used.is_empty();
        if self.is_held {
            let given = self.given.iter().flat_map(|slots| slots.iter().copied());
            let mut slots: Vec<u16> = given.chain(self.used.iter().copied()).collect();
            slots.sort_unstable();
            slots.dedup();
            self.slots = slots.into();
        }
    }
}

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
    /// What each node's processes came to when they were last gone through.
    seen: Vec<u64>,
    round: u64,
    /// When those that ended long ago were forgotten last.
    forgot: Option<Time>,
}

/// A share: the number of its job, and its position among that job's shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    job: u32,
    share: u32,
}

/// What a scheduler says of a job, with the fleet's own nodes and slots.
struct Said<'a> {
    job: &'a job::Job,
    given: Vec<(NodeId, Box<[u16]>)>,
    strangers: Vec<Name>,
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
    /// How long those are kept that have ended.
    const KEPT: Duration = Duration::from_hours(24);
    const FORGET_EVERY: Duration = Duration::from_mins(1);

    /// Makes room for one more node.
    pub(super) fn add_node(&mut self) {
        self.held.push(Vec::new());
        self.seen.push(0);
    }

    fn get(&self, number: u32) -> Option<&Job> {
        self.list.get(number as usize)?.as_ref()
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Job> {
        self.list.get_mut(number as usize)?.as_mut()
    }

    /// Goes through a node's processes for whose they are, which mostly is as it was. Says how many of their jobs found
    /// no room.
    pub(super) fn see(&mut self, node: NodeId, processes: &Processes, now: Time) -> u64 {
        let came_to = fingerprint(processes);
        if std::mem::replace(&mut self.seen[node.index()], came_to) == came_to {
            return 0;
        }
        let uses = uses(processes);
        let mut refused = 0;
        for one in &uses {
            let Some(number) = self.number(&one.job) else {
                refused += 1;
                continue;
            };
            let Some(job) = self.get_mut(number) else { continue };
            if !job.is_scheduled {
                if job.phase != Phase::Running {
                    // A new one, or an id that came back.
                    job.begin();
                }
                job.user = one.user.clone();
                job.started = job.started.into_iter().chain(one.started).min();
            }
            let at = self.share_of(number, node);
            if let Some(share) = self.share_mut(Held { job: number, share: at }) {
                share.used = one.slots.clone().into();
                share.settle();
            }
        }
        for held in self.held[node.index()].clone() {
            let goes_on = self.get(held.job).is_some_and(|job| uses.iter().any(|one| one.job == job.id));
            if !goes_on && let Some(share) = self.share_mut(held) {
                share.used = Box::default();
                share.settle();
                self.let_go(held, now);
            }
        }
        refused
    }

    /// Takes what a scheduler says of the job with this number, and what it gave it of which node.
    fn tell(&mut self, number: u32, said: Said<'_>, names: &mut Names, now: Time) {
        let round = self.round;
        let Some(job) = self.get_mut(number) else { return };
        let job::Job { phase, restarts, .. } = *said.job;
        let begins =
            phase != Phase::Ended && (restarts > job.restarts || (phase == Phase::Running && job.phase != phase));
        (job.is_scheduled, job.round) = (true, round);
        let ended = job.ended;
        job.renew(said.job, names);
        job.strangers = said.strangers;
        if phase == Phase::Ended {
            job.ended = job.ended.or(ended).or(Some(now));
        }
        if phase == Phase::Ended && job.shares.is_empty() {
            // It came and went unseen.
            let had = said.given.iter().map(|(node, slots)| Share { slots: slots.clone(), ..Share::of(*node) });
            job.shares = had.collect();
        }
        let given = if phase == Phase::Running { said.given } else { Vec::new() };
        if begins {
            self.take_back(number, now);
            if let Some(job) = self.get_mut(number).filter(|job| job.holds == 0) {
                job.shares.clear();
            }
        }
        let Some(job) = self.get_mut(number) else { return };
        let before = job.shares.iter().filter_map(|share| Some((share.node, share.given.as_ref()?)));
        if before.eq(given.iter().map(|(node, slots)| (*node, slots))) {
            return;
        }
        job.shares.iter_mut().for_each(|share| share.given = None);
        for (node, slots) in given {
            let share = self.share_of(number, node);
            if let Some(share) = self.share_mut(Held { job: number, share }) {
                share.given = Some(slots);
            }
        }
        self.settle(number, now);
    }

    /// Takes all that was given to a job.
    fn take_back(&mut self, number: u32, now: Time) {
        let Some(job) = self.get_mut(number) else { return };
        job.shares.iter_mut().for_each(|share| share.given = None);
        self.settle(number, now);
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

    /// Ends the jobs of which the scheduler says nothing any more.
    fn end_round(&mut self, now: Time) {
        let round = self.round;
        for number in 0..self.list.len() as u32 {
            let Some(job) = self.get_mut(number).filter(|job| job.is_scheduled && job.round != round) else { continue };
            job.is_scheduled = false;
            if job.phase == Phase::Ended {
                continue;
            }
            self.take_back(number, now);
            if let Some(job) = self.get_mut(number).filter(|job| job.phase != Phase::Ended && job.holds == 0) {
                job.end(now);
            }
        }
    }

    /// The number of the job with this id, which is made if need be; nothing where there is no room.
    fn number(&mut self, id: &Name) -> Option<u32> {
        if let Some(number) = self.known.get(id) {
            return Some(*number);
        }
        if self.known.len() >= Self::MOST {
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

    /// The position of a job's share of a node, which it then holds.
    fn share_of(&mut self, number: u32, node: NodeId) -> u32 {
        if let Some(held) = self.held[node.index()].iter().find(|held| held.job == number) {
            return held.share;
        }
        let Some(job) = self.list.get_mut(number as usize).and_then(Option::as_mut) else { return 0 };
        // It may have had some of it before.
        let had = job.shares.len() > job.holds;
        let before = if had { job.shares.iter().position(|share| share.node == node) } else { None };
        job.holds += 1;
        let share = before.unwrap_or_else(|| {
            job.shares.push(Share::of(node));
            job.shares.len() - 1
        }) as u32;
        let comes_before = |other: &Held| {
            let [a, b] = [other.job, number].map(|number| self.get(number).map_or("", |job| &job.id));
            natural(a, b).is_lt()
        };
        let at = self.held[node.index()].partition_point(comes_before);
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
        let Some(share) = job.shares.get(held.share as usize).filter(|share| !share.is_held) else { return };
        let of_node = &mut self.held[share.node.index()];
        let Some(at) = of_node.iter().position(|other| *other == held) else { return };
        of_node.remove(at);
        job.holds -= 1;
        if !job.is_scheduled && job.phase == Phase::Running && job.holds == 0 {
            job.end(now);
        }
    }

    /// Forgets those that ended long ago; once a minute is enough.
    pub(super) fn forget(&mut self, now: Time) {
        if self.forgot.is_some_and(|last| now.since(last) < Self::FORGET_EVERY) {
            return;
        }
        self.forgot = Some(now);
        let is_old = |job: &Job| {
            job.phase == Phase::Ended && job.ended.is_none_or(|ended| now.since(ended) > Self::KEPT) && job.holds == 0
        };
        let Jobs { list, vacant, known, order, .. } = self;
        order.retain(|number| {
            let place = &mut list[*number as usize];
            let Some(old) = place.take_if(|job| is_old(job)) else { return true };
            known.remove(&old.id);
            vacant.push(*number);
            false
        });
    }
}

impl Job {
    /// Becomes what the scheduler says, but for its shares.
    fn renew(&mut self, said: &job::Job, names: &mut Names) {
        let texts = [
            (&mut self.array, &said.array),
            (&mut self.het, &said.het),
            (&mut self.name, &said.name),
            (&mut self.user, &said.user),
            (&mut self.account, &said.account),
            (&mut self.partition, &said.partition),
            (&mut self.qos, &said.qos),
            (&mut self.state, &said.state),
            (&mut self.reason, &said.reason),
            (&mut self.comment, &said.comment),
        ];
        for (kept, said) in texts {
            names.renew(kept, said);
        }
        (self.phase, self.restarts, self.limit) = (said.phase, said.restarts, said.limit);
        (self.submitted, self.started, self.ended) = (said.submitted, said.started, said.ended);
    }

    /// Starts anew.
    fn begin(&mut self) {
        (self.phase, self.started, self.ended) = (Phase::Running, None, None);
        self.state = "running".into();
        // It holds none of them.
        self.shares.clear();
    }

    fn end(&mut self, now: Time) {
        (self.phase, self.ended) = (Phase::Ended, Some(now));
        self.state = "ended".into();
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
    /// Begins a round of a scheduler's news: all that it says of each of its jobs, until [`Fleet::end_schedule`].
    pub fn begin_schedule(&mut self, name: &str) {
        self.jobs.round += 1;
        self.scheduler.get_or_insert_default().name = name.into();
    }

    /// A scheduler says what it knows of a job.
    pub fn schedule(&mut self, said: &job::Job, now: Time) {
        let Some(number) = self.jobs.number(&own(&said.id)) else {
            return self.drop(BEYOND);
        };
        let (mut given, mut strangers) = (Vec::with_capacity(said.shares.len()), Vec::new());
        for share in &said.shares {
            match self.find(&share.node) {
                Some(node) => given.push((node, self.slots_of(node, share.gpus.as_deref().unwrap_or_default()))),
                None => strangers.push(own(&share.node)),
            }
        }
        self.jobs.tell(number, Said { job: said, given, strangers }, &mut self.names, now);
    }

    /// Ends a round. Of a whole one, the scheduler's jobs that did not come up in it are over; of one that a `problem`
    /// cut short, all others stay as they are.
    pub fn end_schedule(&mut self, result: Result<(), String>, now: Time) {
        let scheduler = self.scheduler.get_or_insert_default();
        match result {
            Ok(()) => {
                (scheduler.heard, scheduler.problem) = (Some(now), String::new());
                self.jobs.end_round(now);
            }
            Err(problem) => scheduler.problem = problem,
        }
    }

    /// The slots of a node's whole GPUs with these numbers.
    fn slots_of(&self, node: NodeId, numbers: &[u16]) -> Box<[u16]> {
        let gpus = &self.node(node).inventory.gpus;
        let is_one = |gpu: &Gpu| gpu.parent.is_none() && gpu.index.parse().is_ok_and(|index| numbers.contains(&index));
        (0..).zip(gpus).filter(|(_, gpu)| is_one(gpu)).map(|(slot, _)| slot).collect()
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
        self.jobs.held[node.index()].iter().filter_map(|held| {
            let share = self.job(held.job as usize)?.shares.get(held.share as usize)?;
            Some((held.job, share))
        })
    }
}

#[cfg(test)]
mod tests;
