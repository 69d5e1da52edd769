//! What outlives a hub's restart: the roster, the journal of events, jobs that ended, and what energy was spent on.
//! Events are acknowledged to their agents only once they are in the journal on disk. A thread of its own writes.

mod energy;
mod lines;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub(super) use self::energy::Saved;
use self::lines::{Line, Lines};
use crate::{
    fleet::{ByHour, EndedJob, Fleet, Known, Roster},
    model::{incident::Record, report::Event, time::Time},
};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The node that reported the event.
    pub node: String,
    /// The event.
    pub event: Event,
}

impl Line for Entry {
    const MOST: usize = 100_000;

    type Head = Entry;

    fn key(_: &Entry) -> Option<&str> {
        None
    }
}

/// Whom a line of the roster is about. The rest of it is long.
#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Line for Known {
    const MOST: usize = usize::MAX;

    type Head = Named;

    fn key(head: &Named) -> Option<&str> {
        Some(&head.name)
    }
}

impl Line for EndedJob {
    const MOST: usize = Fleet::MOST_JOBS;

    type Head = EndedJob;

    fn key(job: &EndedJob) -> Option<&str> {
        Some(&job.id)
    }

    fn lapses(job: &EndedJob) -> Option<(Time, Duration)> {
        Some((job.ended?, Fleet::ENDED_KEPT))
    }
}

impl Line for ByHour {
    const MOST: usize = usize::MAX;

    type Head = ByHour;

    fn key(hours: &ByHour) -> Option<&str> {
        Some(&hours.node)
    }
}

/// How long an incident that is over is kept.
const INCIDENTS_KEPT: Duration = Duration::from_hours(24 * 28);

impl Line for Record {
    const MOST: usize = 50_000;

    type Head = Record;

    fn key(record: &Record) -> Option<&str> {
        Some(&record.id)
    }

    fn lapses(record: &Record) -> Option<(Time, Duration)> {
        Some((record.incident.cleared?, INCIDENTS_KEPT))
    }
}

/// The files of lines.
#[derive(Debug)]
struct Files {
    journal: Lines<Entry>,
    roster: Lines<Known>,
    ended: Lines<EndedJob>,
    hours: Lines<ByHour>,
    incidents: Lines<Record>,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or the folder itself failed.
    #[error("cannot {action} {path}: {source}; choose another folder with --state")]
    Io {
        /// `open`, `lock`, `start the writer of`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another hub has the folder.
    #[error("another hub uses {path}; give this one its own with --state")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
}

/// An open state folder. Locked against other hubs for as long as it lives.
#[derive(Debug)]
pub struct State {
    /// Nothing once the writer is to end.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    _lock: File,
}

/// Something to be written, and whom to tell whether it was.
#[derive(Debug)]
struct Job {
    what: What,
    done: oneshot::Sender<bool>,
}

#[derive(Debug)]
enum What {
    Event(Box<Entry>),
    Roster(Arc<Vec<Known>>),
    Ended(Arc<Vec<EndedJob>>),
    Energy(Box<Saved>),
    Hours(Vec<ByHour>),
    Incidents(Vec<Record>),
}

impl State {
    /// Opens or makes the folder and restores into `fleet` what is there. Also says what could not be read, each in
    /// a line for the log.
    pub fn open(dir: &Path, fleet: &mut Fleet) -> Result<(State, Vec<String>), Error> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { action, path, source }
        };
        fs::create_dir_all(dir).map_err(failed("open", dir))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(Error::Locked { path: dir.to_owned() }),
            Err(fs::TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        let mut warnings = Vec::new();
        let mut warn = |path: &Path, unreadable| warnings.extend(left_out(path, unreadable));
        let path = dir.join("roster.jsonl");
        let restore = |known| fleet.restore(&Roster { nodes: vec![known] });
        let (roster, unreadable) = Lines::open(&path, restore).map_err(failed("open", &path))?;
        warn(&path, unreadable);
        let path = dir.join("events.jsonl");
        let restore = |Entry { node, event }| {
            // Events of nodes that are no longer on the roster stay in the journal only.
            if let Some(id) = fleet.find(&node) {
                let time = event.time;
                fleet.event(id, event, time);
            }
        };
        let (journal, unreadable) = Lines::open(&path, restore).map_err(failed("open", &path))?;
        warn(&path, unreadable);
        let path = dir.join(Saved::NAME);
        warnings.extend(Saved::restore(dir, fleet).map_err(failed("open", &path))?);
        let mut warn = |path: &Path, unreadable| warnings.extend(left_out(path, unreadable));
        // Whose they are has to be known first.
        let path = dir.join("hours.jsonl");
        let restore = |hours| fleet.restore_hours(&hours);
        let (hours, unreadable) = Lines::open(&path, restore).map_err(failed("open", &path))?;
        warn(&path, unreadable);
        let path = dir.join("jobs.jsonl");
        let restore = |ended| fleet.restore_ended(&ended);
        let (ended, unreadable) = Lines::open(&path, restore).map_err(failed("open", &path))?;
        warn(&path, unreadable);
        let path = dir.join("incidents.jsonl");
        let restore = |record| fleet.restore_incident(record);
        let (incidents, unreadable) = Lines::open(&path, restore).map_err(failed("open", &path))?;
        warn(&path, unreadable);
        let files = Files { journal, roster, ended, hours, incidents };
        let (jobs, todo) = mpsc::channel();
        let folder = dir.to_owned();
        let writer = thread::Builder::new().name("state".into()).spawn(move || write(&todo, &folder, files));
        let writer = writer.map_err(failed("start the writer of", dir))?;
        Ok((State { jobs: Some(jobs), writer: Some(writer), _lock: lock }, warnings))
    }

    /// Writes an event to the journal. Resolves to true once it is on disk, to false when it could not be
    /// written: the agent then keeps it and sends it again.
    pub fn append(&self, entry: Entry) -> impl Future<Output = bool> + 'static {
        self.order(What::Event(Box::new(entry)))
    }

    /// Writes what has changed on the roster. Resolves to true once it is on disk, to false when it could not be
    /// written.
    pub fn remember(&self, changes: Arc<Vec<Known>>) -> impl Future<Output = bool> + 'static {
        self.order(What::Roster(changes))
    }

    /// Writes which jobs ended. Resolves to true once it is on disk, to false when it could not be written.
    pub(super) fn remember_ended(&self, jobs: Arc<Vec<EndedJob>>) -> impl Future<Output = bool> + 'static {
        self.order(What::Ended(jobs))
    }

    /// Writes what has become of incidents. Resolves to true once it is on disk, to false when it could not be written.
    pub(super) fn remember_incidents(&self, records: Vec<Record>) -> impl Future<Output = bool> + 'static {
        self.order(What::Incidents(records))
    }

    /// Writes what GPUs spent by the hour. Resolves to true once it is on disk, to false when it could not be written.
    pub(super) fn save_hours(&self, hours: Vec<ByHour>) -> impl Future<Output = bool> + 'static {
        self.order(What::Hours(hours))
    }

    /// Writes what energy was spent on. Resolves to true once it is on disk, to false when it could not be written.
    pub(super) fn save_energy(&self, saved: Saved) -> impl Future<Output = bool> + 'static {
        self.order(What::Energy(Box::new(saved)))
    }

    fn order(&self, what: What) -> impl Future<Output = bool> + 'static {
        let (done, written) = oneshot::channel();
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job { what, done }).is_ok());
        async move { sent && written.await.unwrap_or(false) }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // The folder is another hub's only when nothing is written there any more.
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// What is said of lines that could not be read.
fn left_out(path: &Path, unreadable: usize) -> Option<String> {
    let line = || format!("{unreadable} lines of {} are unreadable and were left out", path.display());
    (unreadable > 0).then(line)
}

/// Writes for as long as there are orders: all events and roster lines that wait go to disk with one sync.
fn write(jobs: &mpsc::Receiver<Job>, dir: &Path, files: Files) {
    let Files { mut journal, mut roster, mut ended, mut hours, mut incidents } = files;
    let succeeded = |what, outcome: io::Result<()>| {
        outcome.inspect_err(|error| tracing::error!("cannot write the {what}: {error}")).is_ok()
    };
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).collect();
        let events =
            batch.iter().filter_map(|job| if let What::Event(entry) = &job.what { Some(&**entry) } else { None });
        let events = succeeded("event journal", journal.append(events));
        let known = batch.iter().filter_map(|job| if let What::Roster(known) = &job.what { Some(known) } else { None });
        let known = succeeded("roster", roster.append(known.flat_map(|known| known.iter())));
        for Job { what, done } in batch {
            // Nobody waits any more when the connection is gone; the agent will send it again.
            let _ = done.send(match what {
                What::Event(_) => events,
                What::Roster(_) => known,
                What::Ended(jobs) => succeeded("jobs that ended", ended.append(jobs.iter())),
                What::Incidents(records) => succeeded("incidents", incidents.append(&records)),
                What::Hours(of_nodes) => succeeded("hours of energy", hours.append(&of_nodes)),
                What::Energy(saved) => succeeded("energy file", saved.write(dir)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fleet::Settings,
        model::report::{EventKind, Subject},
    };

    fn entry(n: i64) -> Entry {
        let event = Event {
            id: format!("boot/{n}"),
            time: Time::from_millis(n),
            subject: Subject::Node,
            kind: EventKind::Boot,
            text: "started".into(),
        };
        Entry { node: "gpu001".into(), event }
    }

    fn open(dir: &Path) -> (State, Fleet, Vec<String>) {
        let mut fleet = Fleet::new(Settings::default());
        let (state, warnings) = State::open(dir, &mut fleet).unwrap();
        (state, fleet, warnings)
    }

    #[tokio::test]
    async fn roster_and_events_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (state, ..) = open(dir.path());
        let known = Known { name: "gpu001".into(), gpus_expected: 8, ..Known::default() };
        assert!(state.remember(Arc::new(vec![known.clone()])).await);
        for n in 0..3 {
            assert!(state.append(entry(n)).await);
        }
        drop(state);
        let (_state, fleet, warnings) = open(dir.path());
        assert_eq!(fleet.roster().nodes, [known]);
        assert!(fleet.events().map(|happening| &happening.event).eq([0, 1, 2].map(|n| entry(n).event).iter()));
        assert_eq!(warnings, [""; 0]);
    }

    #[tokio::test]
    async fn energy_outlives_a_restart_and_a_broken_file_is_laid_aside() {
        let dir = tempfile::tempdir().unwrap();
        let (state, ..) = open(dir.path());
        let known = Known { name: "gpu001".into(), gpus_expected: 1, ..Known::default() };
        assert!(state.remember(Arc::new(vec![known])).await);
        let json = r#"{"book":{"accounts":[[3600000,["ann","physics","h100","eu"],[5000.0,0.0,0.0,10.0,700.0]]],"jobs":[]},
            "nodes":[{"node":"gpu001","read":7200000,"gpus":[[50,5000.0]]}]}"#;
        let saved = || serde_json::from_str::<Saved>(json).unwrap();
        assert!(state.save_energy(saved()).await);
        drop(state);
        let (state, fleet, warnings) = open(dir.path());
        assert_eq!((Saved { book: fleet.book(), nodes: fleet.metered(0, 9) }, warnings.len()), (saved(), 0));
        drop(state);
        fs::write(dir.path().join("energy.json"), "{\"book\":").unwrap();
        let (_state, fleet, warnings) = open(dir.path());
        assert_eq!((fleet.book(), warnings.len()), (Saved::default().book, 1), "{warnings:?}");
        assert!(dir.path().join("energy.json.unreadable").exists());
    }

    #[tokio::test]
    async fn jobs_that_ended_and_gpus_hours_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (state, ..) = open(dir.path());
        let known = Known { name: "gpu001".into(), gpus_expected: 1, ..Known::default() };
        assert!(state.remember(Arc::new(vec![known])).await);
        let energy = r#"{"book":{"accounts":[],"jobs":[["7",[5000.0,0.0,0.0,10.0,0.0],[0,0.0],[null,null]]]},
            "nodes":[{"node":"gpu001","read":7200000,"gpus":[[50,5000.0]]}]}"#;
        assert!(state.save_energy(serde_json::from_str(energy).unwrap()).await);
        let hours = r#"{"node":"gpu001","read":7200000,"gpus":[[2,[5,7,null,1]]]}"#;
        let hours = || serde_json::from_str::<ByHour>(hours).unwrap();
        assert!(state.save_hours(vec![hours()]).await);
        let ended = r#"{"id":"7","name":"llama","state":"failed","ended":7000000,"shares":[["gpu001",[0],null,null]]}"#;
        assert!(state.remember_ended(Arc::new(vec![serde_json::from_str(ended).unwrap()])).await);
        drop(state);
        let (_state, fleet, warnings) = open(dir.path());
        assert_eq!((fleet.spent_by_hour(0, 9), warnings.len()), (vec![hours()], 0));
        let job = fleet.job(fleet.find_job("7").unwrap() as usize).unwrap();
        assert_eq!((&*job.name, &*job.state, job.gpus(), job.bill.spent.used), ("llama", "failed", 1, 5000.0));
    }

    #[tokio::test]
    async fn what_is_unreadable_is_said_and_left_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("roster.jsonl"), "{\"name\":\"gpu001\"}\nnot json\n{\"name\":\"gpu0").unwrap();
        let (_state, fleet, warnings) = open(dir.path());
        assert_eq!(fleet.roster().nodes.len(), 1);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("2 lines of"), "{warnings:?}");
    }

    #[test]
    fn a_folder_serves_one_hub() {
        let dir = tempfile::tempdir().unwrap();
        let _held = open(dir.path());
        let other = State::open(dir.path(), &mut Fleet::new(Settings::default()));
        assert!(matches!(other, Err(Error::Locked { .. })));
    }
}
