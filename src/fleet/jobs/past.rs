//! What is remembered of jobs that ended: which GPUs each had, and what these did in the last minutes before.

use std::time::Duration;

use super::{super::Fleet, Held, Job, Jobs, Share};
use crate::{
    fleet::{
        history::History,
        node::{NEVER, NodeId},
        slots::Slots,
    },
    model::{job::Phase, time::Time},
};

/// A job that has ended, the history of whose nodes is still to be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    job: u32,
    /// The share whose node is next.
    next: usize,
    ended: Time,
    /// When the hub heard of it.
    heard: Time,
}

impl Jobs {
    /// How long before its end the history of a job's GPUs is kept for as long as there is room.
    const KEPT_BEFORE: Duration = Duration::from_mins(20);

    /// A job has ended.
    pub(super) fn ends(&mut self, number: u32, ended: Time, heard: Time) {
        if let Some(job) = self.get_mut(number) {
            job.shares.shrink_to_fit();
        }
        self.mark_unsaved(number, heard);
        self.endings.push_back(Ending { job: number, next: 0, ended, heard });
    }

    /// Notes that what is kept of a job that has ended is not what is known of it any more.
    fn mark_unsaved(&mut self, number: u32, heard: Time) {
        let Some(job) = self.get_mut(number) else { return };
        if std::mem::replace(&mut job.is_unsaved, true) {
            return;
        }
        if self.unsaved.len() >= Self::MOST {
            // Nobody keeps them.
            self.unsaved.pop_front();
        }
        if heard == NEVER {
            self.unsaved.push_front((number, heard));
        } else {
            self.unsaved.push_back((number, heard));
        }
    }

    /// The next node whose history is to be kept, with how many the job has, and when it ended. Its end has to be packed
    /// first: until then, nothing of it is lost.
    fn next_to_keep(&mut self, now: Time) -> Option<(NodeId, usize, Time)> {
        loop {
            let is_due = |it: &Ending| now.since(it.heard) >= History::open_for() || now < it.heard;
            let ending = self.endings.front().copied().filter(is_due)?;
            let shares = self.get(ending.job).map_or(&[][..], |job| &job.shares);
            let next = shares.get(ending.next).map(|share| (share.node, shares.len(), ending.ended));
            match (next, self.endings.front_mut()) {
                (Some(next), Some(front)) => {
                    front.next += 1;
                    return Some(next);
                }
                _ => self.endings.pop_front(),
            };
        }
    }

    /// A job does not hold its share of a node any more.
    pub(super) fn had(&mut self, share: Held, node: NodeId) {
        self.forget_had(share.job, node);
        self.had[node.index()].push(share);
    }

    /// A job holds a share of a node again, or what it had is of no interest any more.
    pub(super) fn forget_had(&mut self, job: u32, node: NodeId) {
        self.had[node.index()].retain(|had| had.job != job);
    }

    /// A node's slots are other GPUs now; of each, `origins` says the slot that it had among the `known` before. What is held
    /// is told anew. Instances of GPUs that the roster did not know are as they were before the hub's restart.
    pub(in crate::fleet) fn move_had(&mut self, node: NodeId, origins: &[Option<usize>], known: usize) {
        for had in self.had[node.index()].clone() {
            let Some(share) = self.share_mut(had).filter(|share| !share.is_held) else { continue };
            let is_its = |(_, origin): &(u16, &Option<usize>)| {
                origin.is_some_and(|slot| u16::try_from(slot).is_ok_and(|slot| share.slots.contains(slot)))
            };
            let moved = (0..).zip(origins).filter(is_its).map(|(slot, _)| slot);
            let slots: Slots = moved.chain(share.slots.iter().filter(|slot| usize::from(*slot) >= known)).collect();
            if slots != share.slots {
                share.slots = slots;
                self.mark_unsaved(had.job, NEVER);
            }
        }
    }

    /// As [`Jobs::forget_had`], of all nodes.
    pub(super) fn forget_all_had(&mut self, number: u32) {
        let Jobs { list, had, .. } = self;
        let job = list.get(number as usize).and_then(Option::as_ref);
        for share in job.into_iter().flat_map(|job| &job.shares) {
            had[share.node.index()].retain(|had| had.job != number);
        }
    }
}

impl Fleet {
    /// Nodes whose history is kept in one go: some ten microseconds' work for each.
    const KEPT_AT_ONCE: usize = 32;

    /// Keeps the history of the nodes of jobs that ended a moment ago, some at a time.
    pub(in crate::fleet) fn keep_past(&mut self, now: Time) {
        for _ in 0..Self::KEPT_AT_ONCE {
            let Some((node, nodes, ended)) = self.jobs.next_to_keep(now) else { return };
            // Of a job of so many nodes that there is no room for all of it, as much as there is room for.
            let span = self.history.keeps_of(nodes, now).min(Jobs::KEPT_BEFORE);
            self.history.keep(node, ended - span, now);
        }
    }

    /// The jobs that had something of a node at some time, for as long as they are remembered: each one's number, and its
    /// share.
    pub fn jobs_at(&self, node: NodeId, time: Time) -> impl Iterator<Item = (u32, &Share)> {
        let Jobs { held, had, .. } = &self.jobs;
        let all = held[node.index()].iter().chain(&had[node.index()]);
        all.filter_map(move |held| {
            let job = self.jobs.get(held.job)?;
            let share = job.shares.get(held.share as usize)?;
            job.had_at(share, time).then_some((held.job, share))
        })
    }

    /// Since when all jobs are known that ran, those that have ended included, as far as the hub has heard of them.
    pub fn jobs_reach(&self, now: Time) -> Time {
        self.jobs.forgotten.into_iter().fold(now - Jobs::KEPT, Time::max)
    }

    /// The jobs that had something of a node and have ended, for as long as they are remembered: each, and what it had.
    pub fn jobs_that_had(&self, node: NodeId) -> impl Iterator<Item = (&Job, &Share)> {
        self.jobs.had[node.index()].iter().filter_map(|had| {
            let job = self.jobs.get(had.job).filter(|job| job.phase == Phase::Ended)?;
            Some((job, job.shares.get(had.share as usize).filter(|share| !share.is_held)?))
        })
    }
}
