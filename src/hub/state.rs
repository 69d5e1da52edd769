//! What outlives a hub's restart: the roster, and the journal of events.
//! Events are acknowledged to their agents only once they are in the journal on disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{fleet::Roster, model::report::Event};

/// Journal lines that are kept over a restart, newest last.
const KEPT_EVENTS: usize = 100_000;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The node that reported the event.
    pub node: String,
    /// The event.
    pub event: Event,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or the folder itself failed.
    #[error("cannot {action} {path}: {source}; choose another folder with --state")]
    Io {
        /// `open`, `read`, `write`.
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

/// What an earlier hub left.
#[derive(Debug, Default)]
pub struct Restored {
    /// The nodes that the fleet should have.
    pub roster: Option<Roster>,
    /// Events, oldest first.
    pub events: Vec<Entry>,
    /// What could not be read, each in a line for the log.
    pub warnings: Vec<String>,
}

/// An open state folder. Locked against other hubs for as long as it lives.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    journal: mpsc::Sender<(Entry, oneshot::Sender<bool>)>,
    _lock: File,
}

impl State {
    /// Opens or makes the folder and reads what is there.
    pub fn open(dir: &Path) -> Result<(State, Restored), Error> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { action, path, source }
        };
        fs::create_dir_all(dir).map_err(failed("open", dir))?;
        let lock_path = dir.join("lock");
        let lock = File::create(&lock_path).map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(Error::Locked { path: dir.to_owned() }),
            Err(fs::TryLockError::Error(source)) => return Err(failed("lock", &lock_path)(source)),
        }
        let mut restored = Restored::default();
        read_roster(dir, &mut restored).map_err(failed("read", &dir.join("roster.json")))?;
        let path = dir.join("events.jsonl");
        read_journal(&path, &mut restored).map_err(failed("read", &path))?;
        write_whole(&path, |file| restored.events.iter().try_for_each(|entry| write_line(file, entry)))
            .map_err(failed("write", &path))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed("open", &path))?;
        Ok((State { dir: dir.to_owned(), journal: spawn_journal(file), _lock: lock }, restored))
    }

    /// Writes an event to the journal. Resolves to true once it is on disk, to false when it could not be
    /// written: the agent then keeps it and sends it again.
    pub fn append(&self, entry: Entry) -> impl Future<Output = bool> + 'static {
        let (done, written) = oneshot::channel();
        let sent = self.journal.send((entry, done)).is_ok();
        async move { sent && written.await.unwrap_or(false) }
    }

    /// Replaces the roster on disk as a whole, so that a crash leaves the old or the new one.
    pub fn save_roster(&self, roster: &Roster) -> io::Result<()> {
        let text = serde_json::to_vec(roster).map_err(io::Error::other)?;
        write_whole(&self.dir.join("roster.json"), |file| file.write_all(&text))
    }
}

/// The thread that writes events: all that wait go to disk with one sync.
fn spawn_journal(mut file: File) -> mpsc::Sender<(Entry, oneshot::Sender<bool>)> {
    let (sender, receiver) = mpsc::channel::<(Entry, oneshot::Sender<bool>)>();
    thread::spawn(move || {
        while let Ok(first) = receiver.recv() {
            let batch: Vec<_> = std::iter::once(first).chain(receiver.try_iter()).collect();
            let written =
                batch.iter().try_for_each(|(entry, _)| write_line(&mut file, entry)).and_then(|()| file.sync_data());
            if let Err(error) = &written {
                tracing::error!("cannot write the event journal: {error}");
            }
            for (_, done) in batch {
                // Nobody waits any more when the connection is gone; the agent will send it again.
                let _ = done.send(written.is_ok());
            }
        }
    });
    sender
}

fn read_roster(dir: &Path, restored: &mut Restored) -> io::Result<()> {
    let path = dir.join("roster.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice(&text) {
        Ok(roster) => restored.roster = Some(roster),
        Err(error) => {
            let aside = dir.join("roster.json.unreadable");
            fs::rename(&path, &aside)?;
            restored.warnings.push(format!("the roster is unreadable ({error}); kept as {}", aside.display()));
        }
    }
    Ok(())
}

fn read_journal(path: &Path, restored: &mut Restored) -> io::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut unreadable = 0;
    for line in BufReader::new(file).split(b'\n') {
        match serde_json::from_slice(&line?) {
            Ok(entry) => restored.events.push(entry),
            Err(_) => unreadable += 1,
        }
    }
    if unreadable > 0 {
        restored.warnings.push(format!("{unreadable} lines of {} are unreadable and were left out", path.display()));
    }
    let surplus = restored.events.len().saturating_sub(KEPT_EVENTS);
    restored.events.drain(..surplus);
    Ok(())
}

fn write_line(file: &mut File, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry).map_err(io::Error::other)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// Writes a file beside `path` and moves it there.
fn write_whole(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    write(&mut file)?;
    file.sync_data()?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        report::{EventKind, Subject},
        time::Time,
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

    #[tokio::test]
    async fn events_outlive_a_restart_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = State::open(dir.path()).unwrap();
        for n in 0..3 {
            assert!(state.append(entry(n)).await);
        }
        drop(state);
        let (_state, restored) = State::open(dir.path()).unwrap();
        assert_eq!(restored.events, [entry(0), entry(1), entry(2)]);
        assert!(restored.warnings.is_empty(), "{:?}", restored.warnings);
    }

    #[tokio::test]
    async fn a_torn_line_costs_itself_only() {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = State::open(dir.path()).unwrap();
        assert!(state.append(entry(0)).await);
        drop(state);
        let mut file = OpenOptions::new().append(true).open(dir.path().join("events.jsonl")).unwrap();
        file.write_all(b"{\"node\":\"gpu0").unwrap();
        let (_state, restored) = State::open(dir.path()).unwrap();
        assert_eq!(restored.events, [entry(0)]);
        assert_eq!(restored.warnings.len(), 1);
    }

    #[test]
    fn an_unreadable_roster_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("roster.json"), "not json").unwrap();
        let (_state, restored) = State::open(dir.path()).unwrap();
        assert!(restored.roster.is_none());
        assert_eq!(restored.warnings.len(), 1);
        assert_eq!(fs::read(dir.path().join("roster.json.unreadable")).unwrap(), b"not json");
    }

    #[test]
    fn a_folder_serves_one_hub() {
        let dir = tempfile::tempdir().unwrap();
        let _held = State::open(dir.path()).unwrap();
        assert!(matches!(State::open(dir.path()), Err(Error::Locked { .. })));
    }
}
