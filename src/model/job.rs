//! Jobs: work that a scheduler gives GPUs to.

use std::{fmt, time::Duration};

use super::time::Time;

/// Who knows all jobs.
pub trait Scheduler: fmt::Debug + Send + Sync {
    /// What it is called on screen: `slurm`.
    fn name(&self) -> &str;

    /// Calls `each` with every job that waits or runs, and with those that ended a short while ago. It may take long.
    ///
    /// # Errors
    /// One line that says what went wrong. The answer is then not whole; jobs that came before are true.
    fn jobs(&self, each: &mut dyn FnMut(Job)) -> Result<(), String>;

    /// Calls `each` with how it stands to every node. It may take long.
    ///
    /// # Errors
    /// As with [`Scheduler::jobs`].
    fn nodes(&self, each: &mut dyn FnMut(Standing)) -> Result<(), String>;

    /// Calls `each` with every node's place in the network, as far as it knows it: once for each of its levels. It may
    /// take long.
    ///
    /// # Errors
    /// As with [`Scheduler::jobs`].
    fn topology(&self, each: &mut dyn FnMut(Location)) -> Result<(), String>;
}

/// Where in the network a scheduler says that a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// The node, as the scheduler calls it.
    pub node: String,
    /// What the place is: `switch`, `block`.
    pub label: String,
    /// The place's name.
    pub place: String,
}

/// How a scheduler stands to a node. Texts are empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The node, as the scheduler calls it.
    pub node: String,
    /// Its states, in the scheduler's own words and in lower case: `idle`, `drain`.
    pub states: Vec<String>,
    /// Why it gets no jobs.
    pub reason: String,
    /// Who says so.
    pub by: String,
    /// Since when.
    pub since: Option<Time>,
}

/// One job, as a scheduler tells of it. Texts are empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// The id by which its processes name it: `4711`.
    pub id: String,
    /// Which task of an array it is: `4700_3`.
    pub array: String,
    /// Which component of a heterogeneous job it is: `4710+1`.
    pub het: String,
    /// What its user calls it.
    pub name: String,
    /// Who submitted it.
    pub user: String,
    /// Who pays for it.
    pub account: String,
    /// The partition or queue that it was submitted to.
    pub partition: String,
    /// Its quality of service.
    pub qos: String,
    /// How far it has come.
    pub phase: Phase,
    /// The same in the scheduler's own word, in lower case: `completing`.
    pub state: String,
    /// Why it waits, or how it ended.
    pub reason: String,
    /// What its user or an operator noted.
    pub comment: String,
    /// When it was submitted.
    pub submitted: Option<Time>,
    /// When it started.
    pub started: Option<Time>,
    /// When it ended; nothing while it waits or runs.
    pub ended: Option<Time>,
    /// How long it may run.
    pub limit: Option<Duration>,
    /// How often it was requeued.
    pub restarts: u32,
    /// What it was given.
    pub shares: Vec<Share>,
}

/// What a job was given of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The node, as the scheduler calls it.
    pub node: String,
    /// Its GPUs' numbers, as the scheduler counts them; nothing where it does not say.
    pub gpus: Option<Vec<u16>>,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It waits for nodes.
    #[default]
    Waiting,
    /// It holds nodes.
    Running,
    /// It holds none any more.
    Ended,
}

impl Phase {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Running => "running",
            Phase::Ended => "ended",
        }
    }
}
