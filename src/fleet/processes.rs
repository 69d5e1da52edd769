//! A node's latest processes, cores and mounts, as the hub keeps them: with shared text.
//! Every node replaces its own every 10 s, so a process of 62,500 nodes × 28 must stay small.

use std::sync::Arc;

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
    /// Whose work it is; nothing for nobody's. Shared with the process before where that is of the same.
    pub workload: Option<Arc<Workload>>,
}

/// What a process is a part of; see [`report::Workload`].
#[derive(Debug, PartialEq, Eq)]
pub struct Workload {
    /// Id of the scheduler's job.
    pub job: Name,
    /// The job's step.
    pub step: Name,
    /// UID of the Kubernetes pod.
    pub pod: Name,
    /// Id of the container.
    pub container: Name,
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
            let mut before = None;
            for (kept, said) in self.list.iter_mut().zip(list) {
                kept.take(said, before.as_ref(), names);
                before.clone_from(&kept.workload);
            }
        } else {
            let mut before = None;
            let keep = |said| {
                let kept = Process::keep(said, before.as_ref(), names);
                before.clone_from(&kept.workload);
                kept
            };
            self.list = list.iter().map(keep).collect();
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
    fn keep(said: &report::Process, before: Option<&Arc<Workload>>, names: &mut Names) -> Self {
        let mut kept = Process {
            user: names.share(&said.user),
            name: names.share(&said.name),
            pid: 0,
            state: None,
            cpu: None,
            mem: None,
            started: None,
            gpus: Box::default(),
            workload: None,
        };
        kept.take(said, before, names);
        kept
    }

    fn take(&mut self, said: &report::Process, before: Option<&Arc<Workload>>, names: &mut Names) {
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
        if !is_of(self.workload.as_deref(), &said.workload) {
            let same = before.filter(|before| is_of(Some(before), &said.workload));
            self.workload = same.cloned().or_else(|| Workload::keep(&said.workload, names));
        }
    }
}

/// Whether what is kept is what was said.
fn is_of(kept: Option<&Workload>, said: &report::Workload) -> bool {
    let report::Workload { job, step, pod, container } = said;
    match kept {
        None => *said == report::Workload::default(),
        Some(kept) => {
            let pairs = [(&kept.job, job), (&kept.step, step), (&kept.pod, pod), (&kept.container, container)];
            pairs.iter().all(|(kept, said)| ***kept == **said)
        }
    }
}

impl Workload {
    /// What was said; nothing where that is nothing.
    fn keep(said: &report::Workload, names: &mut Names) -> Option<Arc<Workload>> {
        let report::Workload { job, step, pod, container } = said;
        let kept = || Workload {
            job: names.share(job),
            step: names.share(step),
            pod: names.share(pod),
            container: names.share(container),
        };
        (*said != report::Workload::default()).then(kept).map(Arc::new)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_one_job_share_what_they_belong_to() {
        let (mut kept, mut names) = (Processes::default(), Names::default());
        let mut take = |jobs: &[&str]| {
            let list = jobs.iter().map(|job| report::Process {
                workload: report::Workload { job: (*job).into(), ..report::Workload::default() },
                ..report::Process::default()
            });
            kept.take(&report::Processes { list: list.collect(), ..report::Processes::default() }, &mut names);
            let workloads = kept.list.iter().map(|process| process.workload.clone()).collect::<Vec<_>>();
            let told = workloads.iter().map(|workload| workload.as_ref().map_or("", |workload| &workload.job));
            assert_eq!(told.collect::<Vec<_>>(), jobs);
            workloads
        };
        let same = |a: &Option<Arc<Workload>>, b: &Option<Arc<Workload>>| {
            a.as_ref().zip(b.as_ref()).is_some_and(|(a, b)| Arc::ptr_eq(a, b))
        };
        let first = take(&["7", "7", "", "8"]);
        assert!(same(&first[0], &first[1]) && first[2].is_none());
        let again = take(&["7", "7", "", "8"]);
        assert!(same(&first[0], &again[0]) && same(&first[3], &again[3]), "nothing new is made of what is known");
        let next = take(&["9", "9", "9", "8"]);
        assert!(same(&next[0], &next[2]));
        take(&["", "9"]);
    }
}
