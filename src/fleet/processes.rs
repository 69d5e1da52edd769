//! A node's latest processes, cores and mounts, as the hub keeps them: with shared text.
//! Every node replaces its own every 10 s, so a process of 62,500 nodes × 28 must stay small.

use super::name::{Name, Names};
use crate::model::{
    report::{self, GpuUse},
    time::Time,
};

/// What is sent whole: the processes, and what they keep busy. See [`report::Processes`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processes {
    /// When they were read, by the node's clock; nothing until the node sent any.
    pub time: Option<Time>,
    /// All GPU processes and the busiest others.
    pub list: Box<[Process]>,
    /// Utilisation of each logical CPU, in percent.
    pub cores: Box<[u8]>,
    /// Real mounts.
    pub mounts: Box<[Mount]>,
}

/// One process; see [`report::Process`].
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Process id, as the host counts.
    pub pid: u32,
    /// State letter, as `ps` prints it.
    pub state: Option<char>,
    /// Owner's name, or number where it has none. Empty when unknown.
    pub user: Name,
    /// Name.
    pub name: Name,
    /// Percent of one core.
    pub cpu: Option<f32>,
    /// Resident bytes.
    pub mem: Option<u64>,
    /// When it started.
    pub started: Option<Time>,
    /// The GPUs that it uses.
    pub gpus: Box<[GpuUse]>,
}

/// A mounted filesystem; see [`report::Mount`].
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// Where it is mounted.
    pub path: Name,
    /// Type: `ext4`, `nfs4`, `lustre`.
    pub kind: Name,
    /// `ok`, `hung`, `missing` or `read-only`.
    pub state: Name,
    /// Bytes in all; nothing when it did not answer.
    pub size: Option<u64>,
    /// Bytes that an unprivileged user can still write.
    pub free: Option<u64>,
    /// Percent in use.
    pub used: Option<f32>,
    /// Percent of inodes in use.
    pub inodes: Option<f32>,
}

impl Processes {
    /// Processes, cores and mounts that are kept of one node, each.
    pub const MOST: usize = 4096;

    /// As the report says it, with its text cleaned and shared; and how many entries found no room.
    pub(super) fn keep(said: &report::Processes, names: &mut Names) -> (Self, u64) {
        let kept = Processes {
            time: Some(said.time),
            list: said.list.iter().take(Self::MOST).map(|process| Process::keep(process, names)).collect(),
            cores: said.cores.iter().take(Self::MOST).copied().collect(),
            mounts: said.mounts.iter().take(Self::MOST).map(|mount| Mount::keep(mount, names)).collect(),
        };
        let over = [said.list.len(), said.cores.len(), said.mounts.len()].map(|n| n.saturating_sub(Self::MOST));
        (kept, over.iter().sum::<usize>() as u64)
    }
}

impl Process {
    fn keep(said: &report::Process, names: &mut Names) -> Self {
        Process {
            pid: said.pid,
            state: said.state.filter(char::is_ascii_graphic),
            user: names.share(&said.user),
            name: names.share(&said.name),
            cpu: said.cpu.map(|percent| percent as f32),
            mem: said.mem,
            started: said.started,
            gpus: said.gpus.iter().take(Processes::MOST).cloned().collect(),
        }
    }
}

impl Mount {
    fn keep(said: &report::Mount, names: &mut Names) -> Self {
        Mount {
            path: names.share(&said.path),
            kind: names.share(&said.kind),
            state: names.share(&said.state),
            size: said.size,
            free: said.free,
            used: said.used.map(|percent| percent as f32),
            inodes: said.inodes.map(|percent| percent as f32),
        }
    }
}
