//! What a scheduler says of its jobs and nodes, round by round.

use super::{
    super::{
        Fleet,
        inventory::{Gpu, Tag},
        name::{Name, Names, own},
        node::{Holds, NodeId, Standing},
        slots::Slots,
    },
    BEYOND, Held, Jobs, Share,
};
use crate::model::{
    hostlist::Hostlist,
    job::{self, Phase},
    text::clean,
    time::Time,
};

/// What a scheduler says of a job, with the fleet's own nodes and slots.
struct Said<'a> {
    job: &'a job::Job,
    given: Vec<(NodeId, Option<Slots>)>,
    strangers: Vec<Name>,
}

impl Jobs {
    /// Takes what a scheduler says of the job with this number, and what it gave it of which node.
    fn tell(&mut self, number: u32, said: Said<'_>, names: &mut Names, now: Time) {
        let round = self.round;
        let Some(job) = self.get_mut(number) else { return };
        let job::Job { phase, restarts, .. } = *said.job;
        let begins =
            phase != Phase::Ended && (restarts > job.restarts || (phase == Phase::Running && job.phase != phase));
        (job.is_scheduled, job.round) = (true, round);
        let (ended, ends) = (job.ended, phase == Phase::Ended && job.phase != Phase::Ended);
        job.renew(said.job, names);
        job.strangers = said.strangers;
        job.is_unseen &= !begins;
        let ended = job.ended.or(ended).unwrap_or(now);
        if phase == Phase::Ended {
            job.ended = Some(ended);
        }
        if phase == Phase::Ended && job.shares.is_empty() {
            // It came and went unseen.
            job.is_unseen = true;
            let had = said.given.iter().map(|(node, slots)| (*node, slots.clone().unwrap_or_default()));
            job.shares = had.map(|(node, slots)| Share { slots, ..Share::of(node) }).collect();
            let nodes: Vec<NodeId> = job.shares.iter().map(|share| share.node).collect();
            (0..).zip(nodes).for_each(|(share, node)| self.had(Held { job: number, share }, node));
        }
        if ends {
            self.ends(number, ended, now);
        }
        let given = if phase == Phase::Running { said.given } else { Vec::new() };
        if begins {
            self.take_back(number, now);
            self.forget_all_had(number);
            self.forget_past(number);
        }
        let Some(job) = self.get_mut(number) else { return };
        let before = job.shares.iter().filter(|share| share.is_given).map(|share| (share.node, &share.given));
        if before.eq(given.iter().map(|(node, slots)| (*node, slots))) {
            return;
        }
        job.shares.iter_mut().for_each(|share| share.is_given = false);
        for (node, slots) in given {
            let share = self.share_of(number, node, now);
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
                self.ends(number, now, now);
            }
        }
    }
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
        self.restore_bill(number);
        let (mut given, mut strangers) = (Vec::with_capacity(said.shares.len()), Vec::new());
        for share in &said.shares {
            match self.find_scheduled(&share.node) {
                Some(node) => given.push((node, share.gpus.as_deref().and_then(|gpus| self.slots_of(node, gpus)))),
                None => strangers.push(own(&share.node)),
            }
        }
        self.jobs.tell(number, Said { job: said, given, strangers }, &mut self.names, now);
    }

    /// A scheduler says how it stands to a node.
    pub fn stand(&mut self, said: &job::Standing) {
        match self.find_scheduled(&said.node) {
            Some(node) => {
                let (round, at) = (self.jobs.round, &mut self.nodes[node.index()]);
                if let Some(kept) = at.standing.as_mut().filter(|kept| kept.is(said)) {
                    kept.round = round;
                    return;
                }
                let standing = at.standing.insert(Standing::keep(said, &mut self.names, round));
                let (was_on, is_on) = (at.holds.is_on, standing.is_held() && !standing.is_planned());
                if was_on != is_on {
                    at.holds = Holds { count: at.holds.count + u32::from(is_on), is_on, ..at.holds };
                    self.roster_changed(node);
                }
            }
            None => self.jobs.strangers.push(own(&said.node)),
        }
    }

    /// Begins a round of where a scheduler says that nodes are, until [`Fleet::end_topology`].
    pub fn begin_topology(&mut self) {
        self.jobs.topologies += 1;
    }

    /// A scheduler says where a node is. What its agent says of the same label counts more.
    pub fn place(&mut self, said: &job::Location) {
        let (Some(id), round) = (self.find_scheduled(&said.node), self.jobs.topologies) else { return };
        let topology = &mut self.nodes[id.index()].topology;
        if let Some(at) = topology.iter().position(|(tag, _)| *tag.key == *said.label) {
            let (tag, seen) = &mut topology[at];
            // Of several of one level, the first counts.
            if std::mem::replace(seen, round) == round || *tag.value == *said.place {
                return;
            }
            tag.value = self.names.share(&said.place);
        } else if topology.len() < Self::LOCATIONS {
            let [key, value] = [&said.label, &said.place].map(|text| self.names.share(text));
            topology.push((Tag { key, value }, round));
        } else {
            return self.drop("place beyond a node's limit");
        }
        self.locate(id);
    }

    /// Ends a round: what did not come up in it is not there any more. An error leaves all as it is.
    pub fn end_topology(&mut self, whole: &Result<(), String>) {
        let round = self.jobs.topologies;
        for at in 0..self.nodes.len() {
            let topology = &mut self.nodes[at].topology;
            let before = topology.len();
            topology.retain(|(_, seen)| whole.is_err() || *seen == round);
            if topology.len() != before {
                self.locate(NodeId::at(at));
            }
        }
    }

    /// Levels of a topology that one node may be in.
    const LOCATIONS: usize = 16;

    /// The node that a scheduler means by this name.
    fn find_scheduled(&self, name: &str) -> Option<NodeId> {
        self.find(name).or_else(|| self.find(&self.settings.aliases.of(name)?))
    }

    /// Ends a round: what became of the jobs, and of the nodes. Where that is whole, the scheduler's jobs that did not come
    /// up in it are over, and the nodes are unknown to it; where an error cut it short, all others stay as they are.
    pub fn end_schedule(&mut self, jobs: Result<(), String>, nodes: Result<(), String>, now: Time) {
        self.judge_held(now);
        let scheduler = self.scheduler.get_or_insert_default();
        if jobs.is_ok() {
            scheduler.heard = Some(now);
            self.jobs.end_round(now);
        }
        let strangers = std::mem::take(&mut self.jobs.strangers);
        if nodes.is_ok() {
            // Every answer carries them: as many as one can read.
            let all = Hostlist::fold(strangers.iter().map(|name| &**name)).to_string();
            let rest = if all.chars().nth(400).is_some() { "…" } else { "" };
            scheduler.strangers = format!("{}{rest}", clean(&all, 400));
            for node in &mut self.nodes {
                node.standing.take_if(|standing| standing.round != self.jobs.round);
            }
        }
        let problem = jobs.err().or(nodes.err());
        scheduler.problem = problem.map_or_else(String::new, |problem| clean(&problem, 200).into_owned());
    }

    /// The slots of a node's whole GPUs with these numbers; nothing before the node has said what it has.
    fn slots_of(&self, node: NodeId, numbers: &[u16]) -> Option<Slots> {
        let gpus = &self.node(node).inventory.gpus;
        let is_one = |gpu: &Gpu| gpu.parent.is_none() && gpu.index.parse().is_ok_and(|index| numbers.contains(&index));
        let slots: Slots = (0..).zip(gpus).filter(|(_, gpu)| is_one(gpu)).map(|(slot, _)| slot).collect();
        (numbers.is_empty() || !gpus.is_empty()).then_some(slots)
    }
}
