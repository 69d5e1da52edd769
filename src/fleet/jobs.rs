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
    node::{NodeId, Standing},
    processes::{Process, Processes},
};
use crate::model::{
    hostlist::Hostlist,
    job::{self, Phase},
    state::Scheduler,
    text::clean,
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
    /// Whether the scheduler gave the job something of it.
    pub is_given: bool,
    /// Slots of the GPUs that it gave; nothing where it does not say which.
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

    /// How many of its GPUs were given and are not used; nothing where the scheduler does not say which it gave.
    pub fn unused(&self) -> Option<usize> {
        let given = self.gave()?;
        Some(given.iter().filter(|slot| !self.used.contains(slot)).count())
    }

    /// How many of its GPUs are used and were not given; nothing where the scheduler does not say which it gave.
    pub fn ungiven(&self) -> Option<usize> {
        let given = self.gave()?;
        Some(self.used.iter().filter(|slot| !given.contains(slot)).count())
    }

    /// The GPUs that the scheduler gave, as far as it says.
    fn gave(&self) -> Option<&[u16]> {
        if self.is_given { self.given.as_deref() } else { Some(&[]) }
    }

    fn of(node: NodeId) -> Share {
        let (used, slots) = Default::default();
        Share { node, is_given: false, given: None, used, slots, is_held: false }
    }

    /// Brings what is held up to date with what is given and used.
    fn settle(&mut self) {
        self.is_held = self.is_given || !self.used.is_empty();
        if self.is_held {
            let given = self.given.iter().filter(|_| self.is_given).flat_map(|slots| slots.iter().copied());
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
    /// Nodes that came up in this round and that the fleet does not know.
    strangers: Vec<Name>,
    /// When those that ended long ago were forgotten last.
    forgot: Option<Time>,
    /// Whether there was no room for a job since then, and none that could be forgotten for it.
    is_full: bool,
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
    given: Vec<(NodeId, Option<Box<[u16]>>)>,
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
    /// Jobs that are forgotten for a new one when there is no room left: so many, so that it is seldom.
    const AT_ONCE: usize = 4096;
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
            let Some(job) = self.get_mut(number) else { continue };
            if !job.is_scheduled {
                if job.phase != Phase::Running && job.holds == 0 {
                    // A new one, or an id that came back. What holds GPUs after its end was left behind.
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
        // Who found no room tries again.
        self.seen[node.index()] = if refused > 0 { 0 } else { came_to };
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
            let had = said.given.iter().map(|(node, slots)| (*node, slots.clone().unwrap_or_default()));
            job.shares = had.map(|(node, slots)| Share { slots, ..Share::of(node) }).collect();
        }
        let given = if phase == Phase::Running { said.given } else { Vec::new() };
        if begins {
            self.take_back(number, now);
            self.forget_past(number);
        }
        let Some(job) = self.get_mut(number) else { return };
        let before = job.shares.iter().filter(|share| share.is_given).map(|share| (share.node, &share.given));
        if before.eq(given.iter().map(|(node, slots)| (*node, slots))) {
            return;
        }
        job.shares.iter_mut().for_each(|share| share.is_given = false);
        for (node, slots) in given {
            let share = self.share_of(number, node);
            if let Some(share) = self.share_mut(Held { job: number, share }) {
                share.is_given = true;
                // Of a job that is about to end it may not be said any more.
                share.given = slots.or_else(|| share.given.take());
            }
        }
        self.settle(number, now);
    }

    /// Takes all that was given to a job.
    fn take_back(&mut self, number: u32, now: Time) {
        let Some(job) = self.get_mut(number) else { return };
        job.shares.iter_mut().for_each(|share| (share.is_given, share.given) = (false, None));
        self.settle(number, now);
    }

    /// Lets a job keep only what it holds.
    fn forget_past(&mut self, number: u32) {
        let Jobs { list, held, .. } = self;
        let Some(job) = list.get_mut(number as usize).and_then(Option::as_mut) else { return };
        job.shares.retain(|share| share.is_held);
        for (share, at) in job.shares.iter().zip(0..) {
            if let Some(held) = held[share.node.index()].iter_mut().find(|held| held.job == number) {
                held.share = at;
            }
        }
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
        if !job.is_scheduled && job.phase != Phase::Ended && job.holds == 0 {
            job.end(now);
        }
    }

    /// Forgets those that ended first, though it is less than a day ago. Says whether there were any.
    fn make_room(&mut self) -> bool {
        if self.is_full {
            return false;
        }
        let has_ended = |job: &Job| job.phase == Phase::Ended && job.holds == 0;
        let ended = self.list.iter().flatten().filter(|job| has_ended(job));
        let mut times: Vec<Option<Time>> = ended.map(|job| job.ended).collect();
        self.is_full = times.is_empty();
        if self.is_full {
            return false;
        }
        let last = (times.len() - 1).min(Self::AT_ONCE);
        let until = *times.select_nth_unstable(last).1;
        self.forget_those(|job| has_ended(job) && job.ended <= until);
        true
    }

    /// Forgets those that ended long ago; once a minute is enough.
    pub(super) fn forget(&mut self, now: Time) {
        if self.forgot.is_some_and(|last| now.since(last) < Self::FORGET_EVERY) {
            return;
        }
        (self.forgot, self.is_full) = (Some(now), false);
        self.forget_those(|job| {
            job.phase == Phase::Ended && job.ended.is_none_or(|ended| now.since(ended) > Self::KEPT) && job.holds == 0
        });
    }

    fn forget_those(&mut self, is_old: impl Fn(&Job) -> bool) {
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
        for (kept, said) in [(&mut self.array, &said.array), (&mut self.het, &said.het)] {
            if **kept != **said {
                *kept = own(said);
            }
        }
        (self.phase, self.restarts, self.limit) = (said.phase, said.restarts, said.limit);
        (self.submitted, self.started, self.ended) = (said.submitted, said.started, said.ended);
    }

    /// Starts anew.
    fn begin(&mut self) {
        // Nothing of the run before is true of it, and it holds nothing.
        let id = std::mem::take(&mut self.id);
        *self = Job { id, phase: Phase::Running, state: "running".into(), ..Job::default() };
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
    /// Begins a round of a scheduler's news: all that it says of each of its jobs, and how it stands to each
    /// node, until [`Fleet::end_schedule`].
    pub fn begin_schedule(&mut self, name: &str) {
        self.jobs.round += 1;
        self.jobs.strangers.clear();
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
                Some(node) => given.push((node, share.gpus.as_deref().map(|gpus| self.slots_of(node, gpus)))),
                None => strangers.push(own(&share.node)),
            }
        }
        self.jobs.tell(number, Said { job: said, given, strangers }, &mut self.names, now);
    }

    /// A scheduler says how it stands to a node.
    pub fn stand(&mut self, said: &job::Standing) {
        match self.find(&said.node) {
            Some(node) => {
                let standing = Standing::keep(said, &mut self.names, self.jobs.round);
                self.nodes[node.index()].standing = Some(standing);
            }
            None => self.jobs.strangers.push(own(&said.node)),
        }
    }

    /// Ends a round: what became of the jobs, and of the nodes. Where that is whole, the scheduler's jobs that did not come
    /// up in it are over, and the nodes are unknown to it; where an error cut it short, all others stay as they are.
    pub fn end_schedule(&mut self, jobs: Result<(), String>, nodes: Result<(), String>, now: Time) {
        let scheduler = self.scheduler.get_or_insert_default();
        if jobs.is_ok() {
            scheduler.heard = Some(now);
            self.jobs.end_round(now);
        }
        let strangers = std::mem::take(&mut self.jobs.strangers);
        if nodes.is_ok() {
            scheduler.strangers = Hostlist::fold(strangers.iter().map(|name| &**name)).to_string();
            for node in &mut self.nodes {
                node.standing.take_if(|standing| standing.round != self.jobs.round);
            }
        }
        let problem = jobs.err().or(nodes.err());
        scheduler.problem = problem.map_or_else(String::new, |problem| clean(&problem, 200).into_owned());
    }

    /// The slots of a node's whole GPUs with these numbers.
    fn slots_of(&self, node: NodeId, numbers: &[u16]) -> Box<[u16]> {
        let gpus = &self.node(node).inventory.gpus;
        let is_one = |gpu: &Gpu| gpu.parent.is_none() && gpu.index.parse().is_ok_and(|index| numbers.contains(&index));
        (0..).zip(gpus).filter(|(_, gpu)| is_one(gpu)).map(|(slot, _)| slot).collect()
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
        self.jobs.held[node.index()].iter().filter_map(|held| {
            let share = self.job(held.job as usize)?.shares.get(held.share as usize)?;
            Some((held.job, share))
        })
    }
}

#[cfg(test)]
mod tests;
