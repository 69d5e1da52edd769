//! The collector `processes`: those that use a GPU, the busiest others, how many there are, and what they tell of the
//! machine.
//! Looking at thousands of processes costs milliseconds, so it is done every few seconds, and less often where it
//! costs more. It runs apart from the host's other metrics: reading a stuck process may hang.

mod pick;
mod stuck;
mod title;
mod user;
mod workload;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::source;
use crate::{
    collect::{Collector, Findings, Watchlist, clock::Clock, pci},
    model::{
        Gap, Time,
        metric::node,
        report::{ELSEWHERE, HIDDEN_PROCESSES, Process},
        text::clean,
    },
};
use pick::{Candidate, Picked};
use stuck::Stuck;
use user::Users;

/// How often processes are looked at, at the most and at the least.
const EVERY: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_mins(1);
/// The second look comes early: only then there is a CPU time to compare with.
const FIRST: Duration = Duration::from_secs(1);
/// A look that took so long is followed by a rest of a thousand times that: a thousandth of a core.
const SHARE: u32 = 1000;
/// The PID namespace of the machine itself: the kernel's `PROC_PID_INIT_INO`.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";
/// What the kernel calls the fabric manager: as much of `nv-fabricmanager` as it keeps.
const FABRIC_MANAGER: &str = "nv-fabricmanage";
/// How much of the kernel's name for a process is kept: kernel workers have up to 64 characters.
const LONGEST: usize = 64;

/// The collector `processes`.
#[derive(Debug)]
pub struct Processes {
    root: PathBuf,
    clock: Clock,
    system: System,
    watchlist: Watchlist,
    users: Users,
    /// CPU time of each process at the last look, by pid and start.
    seen: HashMap<(u32, u64), u64>,
    last: Option<Duration>,
    next: Duration,
    stuck: Stuck,
    /// Whether the machine has NVSwitches of its own, which the fabric manager is to run for.
    has_switches: bool,
    /// Whether it does.
    manages_fabric: bool,
    /// What is known for good of the processes that were reported last, by pid and start.
    known: HashMap<(u32, u64), Known>,
    noted: bool,
}

/// What does not change of a process.
#[derive(Debug)]
struct Known {
    name: String,
    /// The job that its environment names.
    job: String,
}

impl Processes {
    /// Looks at the processes of this machine; those on `watchlist` are reported however idle they are. What sysinfo
    /// does not know of them is read below `root`. Fails when sysinfo knows nothing of this kind of system.
    pub fn new(root: &Path, watchlist: Watchlist) -> Result<Processes, sysinfo::Error> {
        Processes::with(root, watchlist, Clock::monotonic())
    }

    fn with(root: &Path, watchlist: Watchlist, clock: Clock) -> Result<Processes, sysinfo::Error> {
        Ok(Processes {
            root: root.to_owned(),
            clock,
            system: System::new()?,
            watchlist,
            users: Users::new(root),
            seen: HashMap::new(),
            last: None,
            next: Duration::ZERO,
            stuck: Stuck::default(),
            has_switches: pci::has_switches(&root.join("sys")),
            manages_fabric: false,
            known: HashMap::new(),
            noted: false,
        })
    }

    /// Looks at every process, and picks those to report. Nothing when not even this agent's own is to be seen.
    fn look(&mut self, at: Duration) -> Option<(usize, Vec<Candidate>)> {
        // A thread is no process.
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory().with_user(UpdateKind::Always).without_tasks();
        if self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind) == 0 {
            return None;
        }
        let processes = self.system.processes();
        let mut picked = Picked::new(self.watchlist.pids());
        let mut seen = HashMap::with_capacity(processes.len());
        let mut stuck = self.stuck.look(at);
        self.manages_fabric = false;
        for (pid, process) in processes {
            let (key, time) = ((pid.as_u32(), process.start_time()), process.accumulated_cpu_time());
            // One that was not there at the last look has used all its time since.
            let before = self.seen.get(&key).copied().unwrap_or(0);
            let grown = self.last.map(|_| Duration::from_millis(time.saturating_sub(before)));
            seen.insert(key, time);
            stuck.consider(key, process.parent().map(Pid::as_u32), process.status());
            self.manages_fabric |= process.name() == FABRIC_MANAGER;
            picked.consider(Candidate { pid: key.0, grown, memory: process.memory() });
        }
        self.seen = seen;
        self.last = Some(at);
        self.stuck = stuck.done();
        Some((processes.len(), picked.take()))
    }

    /// What all processes together say of the machine; nothing where only some of them can be seen.
    fn tell_state(&self, at: Duration, findings: &mut Findings) {
        let [blocked, zombies] = self.stuck.counts(at).map(|n| n as f64);
        let manages = f64::from(u8::from(self.manages_fabric));
        let sees_all = !self.is_apart() && !self.is_kept_out();
        let all = [(node::BLOCKED, blocked), (node::ZOMBIES, zombies), (node::FABRIC_MANAGER, manages)];
        for (metric, value) in all {
            if metric == node::FABRIC_MANAGER && !self.has_switches {
                findings.gap(metric, 0, Gap::Absent);
            } else if !sees_all {
                findings.gap(metric, 0, Gap::Unsupported);
            } else {
                findings.read(metric, 0, value);
            }
        }
    }

    fn describe(&mut self, candidates: &[Candidate], elapsed: Option<Duration>, at: Duration) -> Vec<Process> {
        let folder = self.root.join("proc");
        let mut known = HashMap::with_capacity(candidates.len());
        let mut list = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let Some(process) = self.system.process(Pid::from_u32(candidate.pid)) else { continue };
            let key = (candidate.pid, process.start_time());
            let own = folder.join(candidate.pid.to_string());
            let Known { name, job } = known.entry(key).or_insert(self.known.remove(&key).unwrap_or_else(|| {
                let kernel = process.name().to_string_lossy();
                Known { name: title::of(&own, &clean(&kernel, LONGEST)), job: workload::job_of_environ(&own) }
            }));
            let mut workload = workload::of_cgroup(&own);
            if workload.job.is_empty() {
                workload.job.clone_from(job);
            }
            let seconds = elapsed.map(|e| e.as_secs_f64()).filter(|seconds| *seconds > 0.0);
            list.push(Process {
                pid: candidate.pid,
                user: process.effective_user_id().map_or_else(String::new, |uid| self.users.name(**uid, at)),
                name: name.clone(),
                state: letter(process.status()),
                cpu: candidate.grown.zip(seconds).map(|(grown, seconds)| grown.as_secs_f64() / seconds * 100.0),
                mem: Some(candidate.memory),
                started: Some(Time::from_millis(process.start_time() as i64 * 1000)),
                gpus: Vec::new(),
                workload,
            });
        }
        self.known = known;
        if self.is_apart() {
            // The driver counts as the machine does, mostly.
            let watched = self.watchlist.pids();
            list.retain(|process| !watched.contains(&process.pid) || has_a_gpu(&folder.join(process.pid.to_string())));
            let others = watched.into_iter().filter(|pid| list.iter().all(|process| process.pid != *pid));
            let others: Vec<u32> = others.collect();
            list.extend(others.into_iter().map(|pid| Process { pid, name: ELSEWHERE.into(), ..Process::default() }));
        }
        list
    }

    /// Whether this agent is in a PID namespace of its own, where numbers mean others than on the machine.
    fn is_apart(&self) -> bool {
        let space = std::fs::read_link(self.root.join("proc/self/ns/pid"));
        space.is_ok_and(|space| space.as_os_str() != FIRST_NAMESPACE)
    }

    /// Whether others' processes are hidden from this agent.
    fn is_kept_out(&self) -> bool {
        let mounts = source::text(&self.root.join("proc/self/mountinfo")).unwrap_or_default();
        let hides = mounts.lines().any(|line| {
            let hidden = |options: &str| {
                options.split(',').any(|o| o.starts_with("hidepid=") && !o.ends_with("=0") && !o.ends_with("=off"))
            };
            line.split_once(" - proc ").is_some_and(|(_, right)| right.split(' ').any(hidden))
        });
        hides && !rustix::process::geteuid().is_root()
    }

    /// What this agent cannot see of others' processes.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.is_apart() {
            let note = "this agent is in a PID namespace of its own (a container without hostPID): of processes in others \
                        only what they use of GPUs is known";
            notes.push(format!("{HIDDEN_PROCESSES}{note}"));
        }
        let note = "other users' processes are hidden from this agent (hidepid)";
        if self.is_kept_out() {
            notes.push(format!("{HIDDEN_PROCESSES}{note}"));
        }
        notes
    }
}

impl Collector for Processes {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn collect(&mut self, _: Time) -> Findings {
        let at = self.clock.now();
        let mut findings = Findings::default();
        if self.last.is_some() && at < self.next {
            return findings;
        }
        let (began, last) = (Instant::now(), self.last);
        if let Some((count, candidates)) = self.look(at) {
            let elapsed = last.map(|last| at.saturating_sub(last));
            findings.processes = Some(self.describe(&candidates, elapsed, at));
            findings.read(node::PROCS, 0, count as f64);
            self.tell_state(at, &mut findings);
        } else {
            for metric in [node::PROCS, node::BLOCKED, node::ZOMBIES, node::FABRIC_MANAGER] {
                findings.gap(metric, 0, Gap::Failed);
            }
            findings.notes = Some(vec![format!("{HIDDEN_PROCESSES}no process can be seen")]);
            self.last = Some(at);
        }
        if !std::mem::replace(&mut self.noted, true) && findings.notes.is_none() {
            findings.notes = Some(self.notes());
        }
        let cost = began.elapsed();
        let rest = if last.is_none() { FIRST } else { (cost * SHARE).clamp(EVERY, SELDOM) };
        self.next = at + rest;
        findings.costs.push(("processes", cost));
        findings
    }
}

/// Whether a process holds a GPU's device file open.
fn has_a_gpu(own: &Path) -> bool {
    let files = std::fs::read_dir(own.join("fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .any(|file| file.to_str().is_some_and(|path| path.starts_with("/dev/nvidia")))
}

/// The state letter that `ps` prints.
fn letter(status: ProcessStatus) -> Option<char> {
    Some(match status {
        ProcessStatus::Run => 'R',
        ProcessStatus::Sleep => 'S',
        ProcessStatus::Idle => 'I',
        ProcessStatus::UninterruptibleDiskSleep => 'D',
        ProcessStatus::Zombie => 'Z',
        ProcessStatus::Stop => 'T',
        ProcessStatus::Tracing => 't',
        ProcessStatus::Dead => 'X',
        ProcessStatus::Wakekill => 'K',
        ProcessStatus::Waking => 'W',
        ProcessStatus::Parked => 'P',
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
