//! One job: who it is, what it has of each node, and how it begins and ends.

use std::{ops::Range, time::Duration};

use super::super::{
    energy::Hours,
    name::{Name, Names, own},
    node::NodeId,
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
    pub given: Option<Box<[u16]>>,
    /// Slots of the GPUs that its processes use.
    pub used: Box<[u16]>,
    /// Both together, in order. Of a share that is not held any more, what it was last.
    pub slots: Box<[u16]>,
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

    /// How long after a job started the hub may hear of it.
    const HEARD_WITHIN: Duration = Duration::from_mins(2);

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

    pub(super) fn of(node: NodeId) -> Share {
        let (used, slots) = Default::default();
        Share { node, is_given: false, given: None, used, slots, is_held: false, since: None, until: None }
    }

    /// Brings what is held up to date with what is given and used.
    pub(super) fn settle(&mut self) {
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
