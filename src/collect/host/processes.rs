//! The collector `processes`: those that use a GPU, the busiest others, and how many there are.
//! Looking at thousands of processes costs milliseconds, so it is done every few seconds, and less often where it
//! costs more. It runs apart from the host's other metrics: reading a stuck process may hang.

mod stat;
mod title;
mod user;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::{machine, source};
use crate::{
    collect::{Collector, Findings, Watchlist, clock::Clock},
    model::{Gap, Time, metric::node, report::Process},
};
use stat::Stat;
use user::Users;

/// How often processes are looked at, at the most and at the least.
const EVERY: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_mins(1);
/// The second look comes early: only then there is a CPU time to compare with.
const FIRST: Duration = Duration::from_secs(1);
/// A look that took so long is followed by a rest of a thousand times that: a thousandth of a core.
const SHARE: u32 = 1000;
/// How many processes are reported besides those on the watchlist.
const BUSIEST: usize = 20;

/// The collector `processes`.
#[derive(Debug)]
pub struct Processes {
    root: PathBuf,
    clock: Clock,
    watchlist: Watchlist,
    users: Users,
    /// What was seen of each process last, by pid.
    seen: HashMap<u32, Seen>,
    last: Option<Duration>,
    next: Duration,
    /// Names of the processes that were reported last, by pid and start.
    titles: HashMap<(u32, u64), String>,
    boot: Option<i64>,
    noted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    started: u64,
    ticks: u64,
}

/// A process that is to be reported.
#[derive(Debug)]
struct Candidate {
    pid: u32,
    stat: Stat,
    /// CPU time since the last look, where there was one.
    grown: Option<u64>,
}

impl Processes {
    /// Reads the processes of the machine whose filesystem is at `root`; those on `watchlist` are reported however
    /// idle they are.
    pub fn new(root: &Path, watchlist: Watchlist) -> Processes {
        Processes::with(root, watchlist, Clock::monotonic())
    }

    fn with(root: &Path, watchlist: Watchlist, clock: Clock) -> Processes {
        Processes {
            root: root.to_owned(),
            clock,
            watchlist,
            users: Users::new(root),
            seen: HashMap::new(),
            last: None,
            next: Duration::ZERO,
            titles: HashMap::new(),
            boot: None,
            noted: false,
        }
    }

    /// Looks at every process, and picks those to report.
    fn look(&mut self, at: Duration) -> io::Result<(usize, Vec<Candidate>)> {
        let watched = self.watchlist.pids();
        let mut picked = Picked::new(watched);
        let mut seen = HashMap::with_capacity(self.seen.len() + 16);
        stat::each(&self.root.join("proc"), |pid, stat| {
            let before = self.seen.get(&pid).filter(|before| before.started == stat.started);
            // One that was not there at the last look has used all its time since.
            let grown = self.last.map(|_| stat.ticks.saturating_sub(before.map_or(0, |before| before.ticks)));
            seen.insert(pid, Seen { started: stat.started, ticks: stat.ticks });
            picked.consider(pid, &stat, grown);
        })?;
        let count = seen.len();
        self.seen = seen;
        self.last = Some(at);
        Ok((count, picked.take()))
    }

    fn describe(&mut self, candidates: Vec<Candidate>, elapsed: Option<Duration>, at: Duration) -> Vec<Process> {
        let folder = self.root.join("proc");
        let hertz = rustix::param::clock_ticks_per_second() as f64;
        let page = rustix::param::page_size() as u64;
        let boot = *self.boot.get_or_insert_with(|| machine::boot_time(&self.root).unwrap_or(0));
        let mut titles = HashMap::with_capacity(candidates.len());
        let proc = rustix::fs::open(&folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let mut list = Vec::with_capacity(candidates.len());
        for Candidate { pid, stat, grown } in candidates {
            let key = (pid, stat.started);
            let known = self.titles.remove(&key);
            let name = known.unwrap_or_else(|| title::of(&folder.join(pid.to_string()), &stat.name()));
            titles.insert(key, name.clone());
            let owner = proc.as_ref().ok().and_then(|proc| {
                rustix::fs::statat(proc, pid.to_string(), AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| stat.st_uid)
            });
            let seconds = elapsed.map(|e| e.as_secs_f64()).filter(|seconds| *seconds > 0.0);
            let started = Time::from_millis(boot * 1000 + (stat.started as f64 * 1000.0 / hertz) as i64);
            list.push(Process {
                pid,
                user: owner.map_or_else(String::new, |uid| self.users.name(uid, at)),
                name,
                state: Some(stat.state),
                cpu: grown.zip(seconds).map(|(ticks, seconds)| ticks as f64 / hertz / seconds * 100.0),
                mem: Some(stat.pages * page),
                started: (boot > 0).then_some(started),
                gpus: Vec::new(),
            });
        }
        self.titles = titles;
        list
    }

    /// What this agent cannot see of other users' processes.
    fn notes(&self) -> Vec<String> {
        let mounts = source::text(&self.root.join("proc/self/mountinfo")).unwrap_or_default();
        let hides = mounts.lines().any(|line| {
            let hidden = |options: &str| {
                options.split(',').any(|o| o.starts_with("hidepid=") && !o.ends_with("=0") && !o.ends_with("=off"))
            };
            line.split_once(" - proc ").is_some_and(|(_, right)| right.split(' ').any(hidden))
        });
        let note = "/proc: other users' processes are hidden from this agent (hidepid)";
        if hides && !rustix::process::geteuid().is_root() { vec![note.into()] } else { Vec::new() }
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
        match self.look(at) {
            Ok((count, candidates)) => {
                let elapsed = last.map(|last| at.saturating_sub(last));
                findings.processes = Some(self.describe(candidates, elapsed, at));
                findings.read(node::PROCS, 0, count as f64);
            }
            Err(error) => {
                findings.gap(node::PROCS, 0, Gap::Failed);
                findings.notes = Some(vec![format!("{}: {error}", self.root.join("proc").display())]);
                self.last = Some(at);
            }
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

/// The watched processes, and the busiest of the others so far.
struct Picked {
    watched: BTreeSet<u32>,
    wanted: Vec<Candidate>,
    busiest: Vec<Candidate>,
}

impl Picked {
    fn new(watched: BTreeSet<u32>) -> Picked {
        Picked { watched, wanted: Vec::new(), busiest: Vec::with_capacity(BUSIEST + 1) }
    }

    fn consider(&mut self, pid: u32, stat: &Stat, grown: Option<u64>) {
        let candidate = || Candidate { pid, stat: stat.clone(), grown };
        if self.watched.contains(&pid) {
            self.wanted.push(candidate());
            return;
        }
        // By CPU time since the last look; by memory where that tells nothing.
        let rank = (grown, stat.pages);
        let place = self.busiest.partition_point(|other| (other.grown, other.stat.pages) >= rank);
        if place < BUSIEST {
            self.busiest.insert(place, candidate());
            self.busiest.truncate(BUSIEST);
        }
    }

    fn take(mut self) -> Vec<Candidate> {
        self.wanted.append(&mut self.busiest);
        self.wanted
    }
}

#[cfg(test)]
mod tests;
