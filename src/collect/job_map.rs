//! The collector `job map`: which job has which GPU, as schedulers' prologs note it for dcgm-exporter: a folder with a file
//! for each GPU that is called as its index, or for each MIG instance as that and the number of its GPU instance, with one
//! job id a line. It tells what jobs were given, and whose processes are that neither name their job in their cgroup nor in
//! their environment.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{Collector, Findings, clock::Clock};
use crate::model::{Time, text::clean};

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_secs(10);
/// How much of a file is read, and of an id kept.
const LONGEST_FILE: u64 = 4096;
const LONGEST_ID: usize = 64;
/// How many files are read: more GPUs has no machine.
const MOST_FILES: usize = 256;

/// The collector.
#[derive(Debug)]
pub struct JobMap {
    folder: PathBuf,
    clock: Clock,
    next: Duration,
}

impl JobMap {
    /// Looks into this folder.
    pub fn new(folder: PathBuf) -> JobMap {
        JobMap::with(folder, Clock::monotonic())
    }

    fn with(folder: PathBuf, clock: Clock) -> JobMap {
        JobMap { folder, clock, next: Duration::ZERO }
    }

    /// The jobs of each GPU, by its index.
    fn read(&self) -> std::io::Result<BTreeMap<String, Vec<String>>> {
        let mut jobs = BTreeMap::new();
        for entry in self.folder.read_dir()?.take(MOST_FILES) {
            let entry = entry?;
            let Ok(index) = entry.file_name().into_string() else { continue };
            // `GPU`, or `GPU.GI` for a MIG instance.
            let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
            if !index.split_once('.').map_or(is_number(&index), |(gpu, part)| is_number(gpu) && is_number(part)) {
                continue;
            }
            let mut text = String::new();
            // It may be gone by now, or be written at this moment.
            let read = File::open(entry.path()).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text));
            if read.is_err() {
                continue;
            }
            let ids = text.lines().map(str::trim).filter(|id| !id.is_empty());
            let mut ids: Vec<String> = ids.map(|id| clean(id, LONGEST_ID).into_owned()).collect();
            ids.sort_unstable();
            ids.dedup();
            if !ids.is_empty() {
                jobs.insert(index, ids);
            }
        }
        Ok(jobs)
    }
}

impl Collector for JobMap {
    fn name(&self) -> &'static str {
        "job map"
    }

    fn collect(&mut self, _: Time) -> Findings {
        let mut findings = Findings::default();
        let at = self.clock.now();
        if at < self.next {
            return findings;
        }
        self.next = at + EVERY;
        let began = Instant::now();
        let (jobs, trouble) = match self.read() {
            Ok(jobs) => (jobs, None),
            Err(error) => (BTreeMap::new(), Some(format!("{}: {error}", self.folder.display()))),
        };
        findings.gpu_jobs = Some(jobs);
        findings.notes = Some(trouble.into_iter().collect());
        findings.costs.push(("job map", began.elapsed()));
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gpu_and_instance_has_the_jobs_of_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("0", "4711\n");
        write("1", "4711\n4712\n");
        write("2", "\n");
        write("3.7", "4713\n");
        write("4", "4714\u{1b}[31m");
        write("README", "4715");
        std::fs::create_dir(folder.path().join("5")).expect("a folder");
        let (clock, hand) = Clock::by_hand();
        let mut map = JobMap::with(folder.path().into(), clock);
        let mut look = || map.collect(Time::from_millis(0));
        let jobs = look().gpu_jobs.expect("it was read");
        let told: Vec<_> = jobs.iter().map(|(index, jobs)| (index.as_str(), jobs.join(" "))).collect();
        assert_eq!(told[..3], [("0", "4711".into()), ("1", "4711 4712".into()), ("3.7", "4713".into())]);
        assert!(told.len() == 4 && told[3].0 == "4" && !told[3].1.contains('\u{1b}'), "{told:?}");
        assert!(look().gpu_jobs.is_none(), "not so soon");
        drop(folder);
        hand.advance(EVERY);
        let gone = look();
        assert!(gone.gpu_jobs.is_some_and(|jobs| jobs.is_empty()) && gone.notes.is_some_and(|notes| notes.len() == 1));
    }
}
