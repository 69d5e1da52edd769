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

    /// Becomes what the report says, with its text cleaned and shared; and says how many entries found no room. Most of
    /// it is as it was, and stays where it is.
    pub(super) fn take(&mut self, said: &report::Processes, names: &mut Names) -> u64 {
        self.time = Some(said.time);
        let list = &said.list[..said.list.len().min(Self::MOST)];
        if self.list.len() == list.len() {
            self.list.iter_mut().zip(list).for_each(|(kept, said)| kept.take(said, names));
        } else {
            self.list = list.iter().map(|said| Process::keep(said, names)).collect();
        }
        let cores = &said.cores[..said.cores.len().min(Self::MOST)];
        if self.cores.len() == cores.len() {
            self.cores.copy_from_slice(cores);
        } else {
            self.cores = cores.into();
        }
        let mounts = &said.mounts[..said.mounts.len().min(Self::MOST)];
        if self.mounts.len() == mounts.len() {
            self.mounts.iter_mut().zip(mounts).for_each(|(kept, said)| kept.take(said, names));
        } else {
            self.mounts = mounts.iter().map(|said| Mount::keep(said, names)).collect();
        }
        let over = [said.list.len(), said.cores.len(), said.mounts.len()].map(|n| n.saturating_sub(Self::MOST));
        over.iter().sum::<usize>() as u64
    }
}

impl Process {
    fn keep(said: &report::Process, names: &mut Names) -> Self {
        let mut kept = Process {
            user: names.share(&said.user),
            name: names.share(&said.name),
            pid: 0,
            state: None,
            cpu: None,
            mem: None,
            started: None,
            gpus: Box::default(),
        };
        kept.take(said, names);
        kept
    }

    fn take(&mut self, said: &report::Process, names: &mut Names) {
        self.pid = said.pid;
        self.state = said.state.filter(char::is_ascii_graphic);
        names.renew(&mut self.user, &said.user);
        names.renew(&mut self.name, &said.name);
        self.cpu = said.cpu.map(|percent| percent as f32);
        self.mem = said.mem;
        self.started = said.started;
        let gpus = &said.gpus[..said.gpus.len().min(Processes::MOST)];
        if self.gpus.len() == gpus.len() {
            self.gpus.clone_from_slice(gpus);
        } else {
            self.gpus = gpus.into();
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

    fn take(&mut self, said: &report::Mount, names: &mut Names) {
        names.renew(&mut self.path, &said.path);
        names.renew(&mut self.kind, &said.kind);
        names.renew(&mut self.state, &said.state);
        self.size = said.size;
        self.free = said.free;
        self.used = said.used.map(|percent| percent as f32);
        self.inodes = said.inodes.map(|percent| percent as f32);
    }
}
