//! Jobs that have ended, as they outlive the hub: who they were, how they ended, and which GPUs they had. What they spent is
//! in the books.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    super::{
        Fleet,
        name::{Name, own},
        slots::Slots,
    },
    BEYOND, Held, Job, Jobs, Share,
};
use crate::model::{job::Phase, time::Time};

/// A job that has ended. The fields mean what they mean in [`Job`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndedJob {
    /// The id by which its processes named it.
    pub id: Name,
    array: Name,
    het: Name,
    name: Name,
    user: Name,
    account: Name,
    partition: Name,
    qos: Name,
    state: Name,
    reason: Name,
    comment: Name,
    submitted: Option<Time>,
    started: Option<Time>,
    /// When it ended.
    pub ended: Option<Time>,
    /// Milliseconds.
    limit: Option<u64>,
    restarts: u32,
    is_unseen: bool,
    strangers: Vec<Name>,
    shares: Vec<KeptShare>,
}

/// Node, slots of its GPUs, since when and until when they were the job's.
type KeptShare = (Name, Vec<u16>, Option<Time>, Option<Time>);

impl Fleet {
    /// Jobs that are remembered at most.
    pub const MOST_JOBS: usize = Jobs::MOST;
    /// How long jobs are remembered that have ended.
    pub const ENDED_KEPT: Duration = Jobs::KEPT;
    /// How long after its end a job is kept: what is said of it is complete by then.
    pub const COMPLETE: Duration = Duration::from_secs(30);

    /// Jobs that have ended since this was asked before, [`Fleet::COMPLETE`] ago or longer, at most so many, the first
    /// ones first.
    pub fn take_ended(&mut self, most: usize, now: Time) -> Vec<EndedJob> {
        let is_due = |(_, heard): &(u32, Time)| now.since(*heard) >= Self::COMPLETE || now < *heard;
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((number, _)) = self.jobs.unsaved.pop_front_if(|ending| is_due(ending))
        {
            if let Some(job) = self.jobs.get_mut(number) {
                job.is_unsaved = false;
            }
            taken.extend(self.jobs.get(number).filter(|job| job.phase == Phase::Ended).map(|job| self.tell_ended(job)));
        }
        taken
    }

    fn tell_ended(&self, job: &Job) -> EndedJob {
        let share = |share: &Share| {
            (self.node(share.node).name.clone(), share.slots.iter().collect(), share.since, share.until)
        };
        EndedJob {
            id: job.id.clone(),
            array: job.array.clone(),
            het: job.het.clone(),
            name: job.name.clone(),
            user: job.user.clone(),
            account: job.account.clone(),
            partition: job.partition.clone(),
            qos: job.qos.clone(),
            state: job.state.clone(),
            reason: job.reason.clone(),
            comment: job.comment.clone(),
            submitted: job.submitted,
            started: job.started,
            ended: job.ended,
            limit: job.limit.map(|limit| limit.as_millis() as u64),
            restarts: job.restarts,
            is_unseen: job.is_unseen,
            strangers: job.strangers.clone(),
            shares: job.shares.iter().map(share).collect(),
        }
    }

    /// Enters a job that had ended before the hub was started. One that is known already is left as it is.
    pub fn restore_ended(&mut self, kept: &EndedJob) {
        let id = own(&kept.id);
        // One that spent anything on a later day ran again.
        let runs_on = kept.ended.is_some_and(|ended| self.energy.ran_after(&id, ended));
        if runs_on || self.jobs.known.contains_key(&id) {
            return;
        }
        let Some(number) = self.jobs.number(&id) else { return self.drop(BEYOND) };
        let mut strangers: Vec<Name> = kept.strangers.iter().map(|name| own(name)).collect();
        let mut shares = Vec::with_capacity(kept.shares.len());
        for (node, slots, since, until) in &kept.shares {
            let slots: Slots = slots.iter().copied().collect();
            match self.find(node) {
                Some(node) => shares.push(Share { slots, since: *since, until: *until, ..Share::of(node) }),
                None => strangers.push(own(node)),
            }
        }
        for (share, at) in shares.iter().zip(0..) {
            self.jobs.had(Held { job: number, share: at }, share.node);
        }
        let names = &mut self.names;
        let job = Job {
            id,
            array: own(&kept.array),
            het: own(&kept.het),
            name: names.share(&kept.name),
            user: names.share(&kept.user),
            account: names.share(&kept.account),
            partition: names.share(&kept.partition),
            qos: names.share(&kept.qos),
            phase: Phase::Ended,
            state: names.share(&kept.state),
            reason: names.share(&kept.reason),
            comment: names.share(&kept.comment),
            submitted: kept.submitted,
            started: kept.started,
            ended: kept.ended,
            limit: kept.limit.map(Duration::from_millis),
            restarts: kept.restarts,
            is_unseen: kept.is_unseen,
            shares,
            strangers,
            ..Job::default()
        };
        if let Some(place) = self.jobs.get_mut(number) {
            *place = job;
        }
        self.restore_bill(number);
    }
}
