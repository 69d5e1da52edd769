//! One job: who it is, what it has of each node, and how it begins and ends.

use std::{ops::Range, time::Duration};

use super::super::{
    energy::Hours,
    name::{Name, Names, own},
    node::NodeId,
    slots::Slots,
};
use crate::model::{
    energy::Bill,
    job::{self, Phase},
    time::Time,
};

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
    /// Whether it had ended before the hub heard of it: which GPUs it had may not be known.
    pub is_unseen: bool,
    /// What its GPUs spent for it, over all of its runs.
    pub bill: Bill,
    /// The same by the hour.
    pub(in crate::fleet) hours: Hours,
    /// Whether it has ended, and that is still to be kept.
    pub(super) is_unsaved: bool,
    /// How many shares it holds.
    pub(super) holds: usize,
    /// In which round of the scheduler's news it came up last.
    pub(super) round: u64,
}

/// A job's share of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The node.
    pub node: NodeId,
    /// Whether the scheduler gave the job something of it.
    pub is_given: bool,
    /// Slots of the GPUs that it gave; nothing where it does not say which.
    pub given: Option<Slots>,
    /// Slots of the GPUs that its processes use.
    pub used: Slots,
    /// Both together. Of a share that is not held any more, what it was last.
    pub slots: Slots,
    /// Whether the job has it now.
    pub is_held: bool,
    /// Since when, and until when if it has it no more, as far as the hub has seen.
    pub since: Option<Time>,
    /// See [`Share::since`].
    pub until: Option<Time>,
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

    /// Whether anybody says what it was given: a scheduler, or one of its nodes.
    pub fn is_allotted(&self) -> bool {
        self.is_scheduled || self.shares.iter().any(|share| share.is_given)
    }

    /// The time for which a share of its was its own, as far as that is known.
    pub fn had(&self, share: &Share) -> (Option<Time>, Option<Time>) {
        // Schedulers are heard some time after they gave it.
        let with_it = |started: &Time| share.since.is_none_or(|since| since.since(*started) <= Self::HEARD_WITHIN);
        let from = self.started.filter(with_it).or(share.since);
        let until = [share.until, self.ended].into_iter().flatten().min();
        (from, until)
    }

    /// Whether a share of its was its own at some time, as far as that is known.
    pub fn had_at(&self, share: &Share, time: Time) -> bool {
        let (from, until) = self.had(share);
        from.is_some_and(|from| from <= time) && until.is_none_or(|until| time < until)
    }

    /// How far it had come at some time; nothing before it was there, or where that is not known.
    pub fn phase_at(&self, time: Time) -> Option<Phase> {
        let by_then = |moment: Option<Time>| moment.is_some_and(|moment| moment <= time);
        // Who waits may have run before, of which nothing is known any more.
        let shares = if self.phase == Phase::Waiting { &[][..] } else { &self.shares };
        let since = || shares.iter().filter_map(|share| share.since).min();
        match () {
            () if by_then(self.ended) => Some(Phase::Ended),
            () if by_then(self.started.or_else(since)) => Some(Phase::Running),
            () => (by_then(self.submitted) && self.restarts == 0).then_some(Phase::Waiting),
        }
    }

    /// How long after a job started the hub may hear of it.
    const HEARD_WITHIN: Duration = Duration::from_mins(2);

    /// Whether it has ended and left nothing behind.
    pub(super) fn is_past(&self) -> bool {
        self.phase == Phase::Ended && self.holds == 0
    }

    /// Bytes that one takes that has ended, without its shares, about: it and its texts, and that it is found.
    pub(super) const BYTES: usize = size_of::<Job>() + 160;

    /// What it has now.
    pub fn held(&self) -> impl Iterator<Item = &Share> {
        self.shares.iter().filter(|share| share.is_held)
    }
}

impl Share {
    /// Its GPUs' slots, as runs of those next to one another.
    pub fn runs(&self) -> impl Iterator<Item = Range<u32>> {
        let mut slots = self.slots.iter().map(u32::from).peekable();
        std::iter::from_fn(move || {
            let first = slots.next()?;
            let mut end = first + 1;
            while slots.next_if_eq(&end).is_some() {
                end += 1;
            }
            Some(first..end)
        })
    }

    /// How many of its GPUs were given and are not used; nothing where the scheduler does not say which it gave.
    pub fn unused(&self) -> Option<usize> {
        Some(self.gave()?.without(&self.used))
    }

    /// How many of its GPUs are used and were not given; nothing where the scheduler does not say which it gave.
    pub fn ungiven(&self) -> Option<usize> {
        Some(self.used.without(&self.gave()?))
    }

    /// The GPUs that the scheduler gave, as far as it says.
    fn gave(&self) -> Option<Slots> {
        if self.is_given { self.given.clone() } else { Some(Slots::default()) }
    }

    /// Bytes that one takes, about: it, and that its node is found.
    pub(super) const BYTES: usize = size_of::<Share>() + 16;

    pub(super) fn of(node: NodeId) -> Share {
        let (used, slots) = Default::default();
        Share { node, is_given: false, given: None, used, slots, is_held: false, since: None, until: None }
    }

    /// Brings what is held up to date with what is given and used.
    pub(super) fn settle(&mut self) {
        self.is_held = self.is_given || !self.used.is_empty();
        if self.is_held {
            let given = self.given.iter().filter(|_| self.is_given).flat_map(Slots::iter);
            self.slots = given.chain(self.used.iter()).collect();
        }
    }
}

impl Job {
    /// Becomes what the scheduler says, but for its shares.
    pub(super) fn renew(&mut self, said: &job::Job, names: &mut Names) {
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
    pub(super) fn begin(&mut self) {
        // Nothing of the run before is true of it, and it holds nothing.
        let (id, bill, hours) = (std::mem::take(&mut self.id), self.bill, self.hours);
        *self = Job { id, bill, hours, phase: Phase::Running, state: "running".into(), ..Job::default() };
    }

    pub(super) fn end(&mut self, now: Time) {
        (self.phase, self.ended) = (Phase::Ended, Some(now));
        self.state = "ended".into();
    }
}
