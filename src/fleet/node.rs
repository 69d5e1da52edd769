//! One node: who it is, what it has, and what is known of its connection.
//! Its values are not here but in a tile of their own and in columns, so that a scan over all nodes touches values only.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    inventory::{Gpu, Inventory, Tag},
    name::{Name, Names, own},
    processes::Processes,
    slots::Slots,
};
use crate::model::{job, state::State, time::Time};

/// A node of the fleet. It stays the same node for as long as the hub runs; nodes are never removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    pub(crate) fn at(index: usize) -> Self {
        NodeId(index as u32)
    }

    /// Its position among all nodes, counted from 0 in the order in which they came.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One agent's connection as a node. Of two with the same node, only the newer one may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The node that it speaks for.
    pub node: NodeId,
    pub(super) number: u64,
}

/// What the hub knows of one node, apart from its values.
#[derive(Debug, Default)]
pub struct Node {
    /// Its name, as its agent gave it.
    pub name: Name,
    /// The agent's version; empty for a node that has not come back.
    pub agent: Name,
    /// The kernel's boot id.
    pub boot_id: Name,
    /// When the agent started, by the node's clock.
    pub started: Time,
    /// What it is and has.
    pub inventory: Inventory,
    /// When its agent last said so, by the hub's clock; nothing for what only the roster says.
    pub inventory_received: Option<Time>,
    /// When its agent's connection last ended, by the hub's clock.
    pub disconnected: Option<Time>,
    /// GPUs that it had and that nobody sees any more. One that another took the place of is not among them.
    pub lost_gpus: Vec<Gpu>,
    /// Its latest processes, cores and mounts.
    pub processes: Processes,
    /// Whole GPUs that it should have: on its PCI bus, or on the roster, whichever are more.
    pub gpus_expected: u32,
    /// How often another agent of the same name took over while the one before was still connected.
    pub swaps: u32,
    /// How often it came back with another boot id.
    pub reboots: u32,
    /// When it last came back with another boot id, by the hub's clock.
    pub rebooted: Option<Time>,
    /// How the scheduler stands to it, if it knows it.
    pub standing: Option<Standing>,
    /// How often the scheduler held it back.
    pub holds: Holds,
    /// Places of which the scheduler's topology tells, and in which round of it each came up last.
    pub(super) topology: Vec<(Tag, u64)>,
    /// Whether its agent tells what jobs were given of it.
    pub tells_grants: bool,
    /// Pods and containers that GPUs were given to, `pod/container`, and which ones.
    pub containers: Vec<(Name, Slots)>,
    /// Keys of the agent's metrics that the hub does not take: too many new ones, or another unit or quantum.
    pub refused: Vec<Name>,
    /// Whether the roster's keeper has still to hear of a change.
    pub(super) is_unsaved: bool,
}

/// How a scheduler stands to a node; see [`job::Standing`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What the scheduler calls the node.
    pub name: Name,
    /// Its states, in the scheduler's own words.
    pub states: Box<[Name]>,
    /// Why it gets no jobs.
    pub reason: Name,
    /// Who says so.
    pub by: Name,
    /// Since when.
    pub since: Option<Time>,
    /// In which round of the scheduler's news it came up last.
    pub(super) round: u64,
}

/// How often a scheduler held a node back, as far as this hub and those before it have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// How often it began to.
    pub count: u32,
    /// Whether it does, as it said last.
    pub is_on: bool,
    /// Since when nothing is wrong with the node while it is held back.
    pub well: Option<Time>,
}

/// Slurm's words for a node that gets no jobs because something is or was wrong with it, as its answers have them.
const HELD: [&str; 10] =
    ["drain", "drained", "draining", "down", "error", "fail", "failing", "invalid_reg", "not_responding", "unknown"];
/// For one that is away for a reason that somebody planned. Slurm's `planned` is none: the next job is to come.
const PLANNED: [&str; 12] = [
    "future",
    "maint",
    "maintenance",
    "power_down",
    "power_drain",
    "power_up",
    "powered_down",
    "powering_down",
    "powering_up",
    "reboot",
    "reboot_issued",
    "reboot_requested",
];
/// For one that has jobs.
const GIVEN: [&str; 4] = ["allocated", "completing", "mixed", "alloc"];

impl Standing {
    /// Whether the scheduler gives it no jobs because something is or was wrong with it.
    pub fn is_held(&self) -> bool {
        self.has_one_of(&HELD)
    }

    /// Whether it is away, or is to be, for a reason that somebody planned.
    pub fn is_planned(&self) -> bool {
        // Reserved nodes have the jobs of those for whom they are.
        self.has_one_of(&PLANNED) || (self.has_one_of(&["reserved"]) && !self.is_given() && !self.is_held())
    }

    /// Whether it has jobs.
    pub fn is_given(&self) -> bool {
        self.has_one_of(&GIVEN)
    }

    fn has_one_of(&self, words: &[&str]) -> bool {
        self.states.iter().any(|state| words.contains(&&**state))
    }

    /// Whether that is what was said.
    pub(super) fn is(&self, said: &job::Standing) -> bool {
        let job::Standing { node, states, reason, by, since } = said;
        let texts = [(&self.name, node), (&self.reason, reason), (&self.by, by)];
        self.states.iter().map(|state| &**state).eq(states.iter().map(|state| &**state))
            && texts.iter().all(|(kept, said)| ***kept == ***said)
            && self.since == *since
    }

    pub(super) fn keep(said: &job::Standing, names: &mut Names, round: u64) -> Standing {
        Standing {
            name: own(&said.node),
            states: said.states.iter().map(|state| names.share(state)).collect(),
            reason: names.share(&said.reason),
            by: names.share(&said.by),
            since: said.since,
            round,
        }
    }
}

/// What queries look for in every node, kept apart from [`Node`] in few bytes.
#[derive(Debug, Default)]
pub(super) struct Brief {
    /// The model of all GPUs and instances, where it is one.
    pub(super) model: Option<Name>,
    pub(super) has_faults: bool,
    pub(super) gpus_expected: u32,
}

impl Node {
    /// The value of the label `key`: its agent's, or else the scheduler's.
    pub fn label(&self, key: &str) -> Option<&Name> {
        let told = || self.topology.iter().find(|(tag, _)| &*tag.key == key).map(|(tag, _)| &tag.value);
        self.inventory.label(key).or_else(told)
    }

    pub(super) fn brief(&self) -> Brief {
        Brief {
            model: self.inventory.model_of_all().cloned(),
            has_faults: !self.inventory.faults.is_empty(),
            gpus_expected: self.gpus_expected,
        }
    }
}

/// Before any time that there is.
pub(super) const NEVER: Time = Time::from_millis(i64::MIN);

/// When a node was heard. Kept apart from [`Node`], densely, since every query looks at it for every node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presence {
    /// When the last sample was received.
    pub(super) heard: Option<Time>,
    /// When its agent said Hello.
    pub(super) joined: Option<Time>,
    /// Between samples.
    pub(super) interval: Duration,
    /// The node's clock less the hub's, in milliseconds.
    pub(super) skew: i64,
    /// The session that may write; 0 before the first.
    pub(super) session: u64,
    /// Samples that were applied.
    pub(super) samples: u64,
    /// Whether that session still is connected.
    pub(super) connected: bool,
}

impl Presence {
    /// The time from which on the node is not up, unless another sample comes.
    pub(super) fn up_until(&self) -> Time {
        self.heard.map_or(NEVER, |heard| heard + State::up_for(self.interval))
    }

    /// Whether the node can be believed at `now`.
    pub(super) fn state(&self, now: Time) -> State {
        match (self.heard, self.joined) {
            (Some(heard), _) => State::of(now.since(heard), self.interval),
            // Connected and without a sample so far: there is nothing yet to call it up for.
            (None, Some(joined)) => State::of(now.since(joined), self.interval).max(State::Stale),
            (None, None) => State::Missing,
        }
    }
}
