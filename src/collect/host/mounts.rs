//! The collector `mounts`: real mounts, how full they are, and which of them hang or have gone missing.
//! Every `statvfs` runs on a thread that can be left behind; a mount that hangs is not asked again until it answers.

mod table;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{Due, source};
use crate::{
    collect::{Collector, Findings, apart::Apart, clock::Clock},
    model::{Gap, Time, metric::node, report, text::clean},
};
use table::Entry;

/// How often the mounts are looked at.
const EVERY: Duration = Duration::from_secs(10);
/// How long a round waits for answers; later ones are used in a later round.
const PATIENCE: Duration = Duration::from_millis(100);
/// A mount that has not answered for so long hangs.
const HUNG_AFTER: Duration = Duration::from_secs(3);
/// Threads for network mounts, and as many for local ones, so that dead servers never starve the local disks.
const THREADS: usize = 16;
/// Mounts that are shown at most; a note counts the others.
const SHOWN: usize = 256;

/// What `statvfs` says, in bytes and percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Space {
    size: u64,
    free: u64,
    used: Option<f64>,
    inodes: Option<f64>,
}

type Probe = Apart<PathBuf, io::Result<Space>>;

/// The collector `mounts`.
#[derive(Debug)]
pub struct Mounts {
    root: PathBuf,
    clock: Clock,
    local: Probe,
    network: Probe,
    /// By path.
    known: BTreeMap<String, Mount>,
    due: Due,
    notes: Vec<String>,
    /// Mounts that this round left out.
    hidden: usize,
}

#[derive(Debug)]
struct Mount {
    entry: Entry,
    present: bool,
    answer: Option<io::Result<Space>>,
    /// It found no thread in this round.
    unasked: bool,
}

impl Mounts {
    /// Reads the mounts of the machine whose filesystem is at `root`.
    pub fn new(root: &Path) -> Mounts {
        Mounts::with(root, Clock::monotonic(), probe)
    }

    fn with(
        root: &Path,
        clock: Clock,
        probe: impl Fn(&Path) -> io::Result<Space> + Clone + Send + Sync + 'static,
    ) -> Mounts {
        let again = probe.clone();
        Mounts {
            root: root.to_owned(),
            clock,
            local: Apart::new(THREADS, move |path: &PathBuf| probe(path)),
            network: Apart::new(THREADS, move |path: &PathBuf| again(path)),
            known: BTreeMap::new(),
            due: Due::every(EVERY),
            notes: Vec::new(),
            hidden: 0,
        }
    }

    /// Looks which mounts there are, and asks each how full it is.
    fn survey(&mut self, at: Duration) -> Result<(), source::ReadError> {
        let mountinfo = source::text(&self.root.join("proc/self/mountinfo"))?;
        let fstab = source::text(&self.root.join("etc/fstab")).unwrap_or_default();
        let entries = table::real(&mountinfo);
        self.hidden = entries.len().saturating_sub(SHOWN);
        for mount in self.known.values_mut() {
            mount.present = false;
        }
        for entry in entries.into_iter().take(SHOWN) {
            let answer = self.known.remove(&entry.path).and_then(|old| (old.entry == entry).then_some(old.answer));
            let path = entry.path.clone();
            let mount = Mount { entry, present: true, answer: answer.flatten(), unasked: false };
            self.known.insert(path, mount);
        }
        for entry in table::expected(&fstab, &mountinfo) {
            let mount = Mount { entry, present: false, answer: None, unasked: false };
            self.known.entry(mount.entry.path.clone()).or_insert(mount);
        }
        self.known.retain(|_, mount| mount.present || !mount.entry.transient);
        for (path, mount) in self.known.iter_mut().filter(|(_, mount)| mount.present) {
            let probe = if mount.entry.network { &mut self.network } else { &mut self.local };
            mount.unasked = !probe.ask(&PathBuf::from(path), at);
        }
        Ok(())
    }

    /// Uses what answers there are, and says whether there were any.
    fn hear(&mut self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut answers = self.local.answers(patience);
        answers.extend(self.network.answers(until.saturating_duration_since(Instant::now())));
        let heard = !answers.is_empty();
        for (path, answer) in answers {
            if let Some(mount) = path.to_str().and_then(|path| self.known.get_mut(path)) {
                mount.answer = Some(answer);
            }
        }
        heard
    }

    fn is_hung(&self, mount: &Mount, at: Duration) -> bool {
        let probe = if mount.entry.network { &self.network } else { &self.local };
        let since = probe.running(&PathBuf::from(&mount.entry.path));
        since.is_some_and(|since| at.saturating_sub(since) >= HUNG_AFTER)
    }

    /// The word for a mount's state; nothing while its first answer may yet come.
    fn state(&self, mount: &Mount, at: Duration) -> Option<&'static str> {
        Some(match &mount.answer {
            _ if !mount.present => "missing",
            _ if self.is_hung(mount, at) => "hung",
            None if mount.unasked => "unknown",
            None => return None,
            Some(Err(error)) if is_refusal(error) => "unknown",
            Some(Err(_)) => "failed",
            Some(Ok(_)) if mount.entry.read_only => "read-only",
            Some(Ok(_)) => "ok",
        })
    }

    fn report(&self, at: Duration) -> Option<Vec<report::Mount>> {
        let report = |mount: &Mount| {
            let state = self.state(mount, at)?;
            let answers = state == "ok" || state == "read-only";
            let space = mount.answer.as_ref().and_then(|a| a.as_ref().ok()).filter(|_| answers);
            Some(report::Mount {
                path: clean(&mount.entry.path, 256).into_owned(),
                kind: mount.entry.kind.clone(),
                state: state.into(),
                size: space.map(|s| s.size),
                free: space.map(|s| s.free),
                used: space.and_then(|s| s.used),
                inodes: space.and_then(|s| s.inodes),
            })
        };
        self.known.values().map(report).collect()
    }

    fn remarks(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (path, mount) in &self.known {
            if let Some(Err(error)) = &mount.answer {
                notes.push(format!("{}: statvfs: {error}", clean(path, 256)));
            }
        }
        let unasked = self.known.values().filter(|mount| mount.unasked).count();
        if unasked > 0 {
            notes.push(format!("{unasked} mounts are not looked at, because {} others hang", self.network.threads()));
        }
        if self.hidden > 0 {
            notes.push(format!("{} mounts are not shown", self.hidden));
        }
        notes
    }
}

impl Collector for Mounts {
    fn name(&self) -> &'static str {
        "mounts"
    }

    fn collect(&mut self, _: Time) -> Findings {
        let (at, began) = (self.clock.now(), Instant::now());
        let mut findings = Findings::default();
        let due = self.due.is_due(at);
        if due && let Err(error) = self.survey(at) {
            findings.gap(node::DISK_USED, 0, error.gap());
            findings.gap(node::MOUNTS_BAD, 0, error.gap());
            findings.notes = Some(vec![error.to_string()]);
            return findings;
        }
        let waiting = self.local.threads() + self.network.threads() > 0;
        let heard = self.hear(if due { PATIENCE } else { Duration::ZERO });
        if !due && !heard && !waiting {
            return findings;
        }
        let Some(mounts) = self.report(at) else { return findings };
        let bad = mounts.iter().filter(|m| matches!(&*m.state, "hung" | "missing" | "failed")).count();
        findings.read(node::MOUNTS_BAD, 0, bad as f64);
        // What cannot be written to cannot fill up either.
        let fullest = mounts.iter().filter(|m| m.state == "ok").filter_map(|m| m.used).max_by(f64::total_cmp);
        match fullest {
            Some(used) => findings.read(node::DISK_USED, 0, used),
            None if mounts.is_empty() => findings.gap(node::DISK_USED, 0, Gap::Unsupported),
            None => findings.gap(node::DISK_USED, 0, Gap::Unknown),
        }
        findings.mounts = Some(mounts);
        let notes = self.remarks();
        if notes != self.notes {
            self.notes.clone_from(&notes);
            findings.notes = Some(notes);
        }
        findings.costs.push(("mounts", began.elapsed()));
        findings
    }
}

/// Whether the mount may be well and only does not speak to this agent.
fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Asks the kernel how full a mount is. May hang for ever.
fn probe(path: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(path)?;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree);
    // As df does: root's reserve is neither used nor free, so a disk that users cannot write to any more is 100 % full.
    let usable = used.saturating_add(stat.f_bavail);
    let percent = |part: u64, whole: u64| (whole > 0).then(|| part as f64 * 100.0 / whole as f64);
    Ok(Space {
        size: stat.f_blocks.saturating_mul(stat.f_frsize),
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        used: percent(used, usable),
        inodes: percent(stat.f_files.saturating_sub(stat.f_ffree), stat.f_files),
    })
}

#[cfg(test)]
mod tests;
