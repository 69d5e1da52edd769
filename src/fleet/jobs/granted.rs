//! What nodes say that jobs were given of them: jobs of which no scheduler tells, such as those that pods are of.

use super::{
    super::{
        name::{Names, own},
        node::NodeId,
        slots::Slots,
    },
    Held, Jobs,
};
use crate::model::{report::Grant, time::Time};

impl Jobs {
    /// Takes what jobs were given of a node that has so many GPUs. Says how many of them found no room.
    pub(in super::super) fn grant(
        &mut self,
        node: NodeId,
        grants: &[Grant],
        gpus: usize,
        names: &mut Names,
        now: Time,
    ) -> u64 {
        let mut refused = 0;
        for grant in grants {
            let Some(number) = self.number(&own(&grant.id)) else {
                refused += 1;
                continue;
            };
            self.begin_anew(number);
            let Some(job) = self.get_mut(number).filter(|job| !job.is_scheduled) else { continue };
            // Who owns its processes is one of its containers' users.
            let user = if grant.user.is_empty() { job.user.clone() } else { names.share(&grant.user) };
            job.user = user;
            let texts = [
                (&mut job.name, &grant.name),
                (&mut job.account, &grant.account),
                (&mut job.partition, &grant.partition),
            ];
            for (kept, said) in texts {
                names.renew(kept, said);
            }
            let at = self.share_of(number, node, now);
            if let Some(share) = self.share_mut(Held { job: number, share: at }) {
                let slots = grant.slots.iter().copied().filter(|slot| usize::from(*slot) < gpus);
                (share.is_given, share.given) = (true, Some(slots.collect()));
                share.settle();
            }
        }
        for held in self.held[node.index()].clone() {
            let goes_on = self
                .get(held.job)
                .is_none_or(|job| job.is_scheduled || grants.iter().any(|grant| *grant.id == *job.id));
            if !goes_on && let Some(share) = self.share_mut(held).filter(|share| share.is_given) {
                (share.is_given, share.given) = (false, None);
                share.settle();
                self.let_go(held, now);
            }
        }
        refused
    }

    /// What a node said of its jobs is not true any more since it fell silent: they may go on elsewhere. A scheduler's jobs
    /// are as the scheduler says.
    pub(super) fn release(&mut self, node: NodeId, since: Time) {
        for held in self.held[node.index()].clone() {
            if self.get(held.job).is_none_or(|job| job.is_scheduled) {
                continue;
            }
            if let Some(share) = self.share_mut(held) {
                (share.is_given, share.given, share.used) = (false, None, Slots::default());
                share.settle();
                self.let_go(held, since);
            }
        }
        // It may come back with the same.
        self.seen[node.index()] = 0;
    }
}
