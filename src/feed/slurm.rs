//! Slurm: its jobs and its nodes, by one command for all of each, or by slurmrestd. What these print differs between versions (22.05 to 25.11
//! are known); everything that is not known is passed over, and what cannot be read of one job costs that job's field.

mod gres;
mod job;
mod lenient;
mod node;
mod reply;
mod rest;
mod topology;

use std::{
    io::{BufReader, Read},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

pub use rest::Rest;

use crate::model::{
    job::{Job, Location, Scheduler, Standing},
    text::clean,
};

/// How long an answer may take: a busy controller lets whoever asks wait.
const DEADLINE: Duration = Duration::from_mins(1);
/// What is kept of a complaint, in bytes.
const COMPLAINT: u64 = 4096;

/// How to ask Slurm.
#[derive(Clone, Debug)]
pub struct Slurm {
    folder: Option<PathBuf>,
    deadline: Duration,
}

impl Default for Slurm {
    fn default() -> Self {
        Slurm { folder: None, deadline: DEADLINE }
    }
}

impl Slurm {
    /// Asks by the commands in this folder, rather than by those of the path.
    pub fn with_commands(self, folder: impl Into<PathBuf>) -> Slurm {
        Slurm { folder: Some(folder.into()), ..self }
    }

    /// Runs a command, has its output read, and stops it when it takes too long.
    fn run(
        &self,
        name: &str,
        args: &[&str],
        read: impl FnOnce(BufReader<&mut dyn Read>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut command = Command::new(self.folder.as_ref().map_or_else(|| name.into(), |folder| folder.join(name)));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| format!("cannot run {name}: {error}"))?;
        let (Some(mut output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(format!("{name} has no output"));
        };
        let pid = Pid::from_child(&child);
        let (done, is_done) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let watch = thread::Builder::new().spawn_scoped(scope, move || {
                let is_late = is_done.recv_timeout(self.deadline) == Err(mpsc::RecvTimeoutError::Timeout);
                if is_late {
                    stop(pid);
                }
                is_late
            });
            let complaint = thread::Builder::new().spawn_scoped(scope, || complaint(errors));
            let (Ok(watch), Ok(complaint)) = (watch, complaint) else {
                stop(pid);
                let _ = child.wait();
                return Err(format!("no thread can be started to read {name}"));
            };
            let result = read(BufReader::with_capacity(1 << 16, &mut output));
            if result.is_ok() {
                // Whoever says more than that is not to fail for it.
                let _ = std::io::copy(&mut output, &mut std::io::sink());
            }
            drop(output);
            let complaint = complaint.join().unwrap_or_default();
            let status = child.wait();
            drop(done);
            let is_late = watch.join().unwrap_or(false);
            let status = status.map_err(|error| format!("cannot wait for {name}: {error}"))?;
            match result {
                _ if is_late => Err(format!("{name} took longer than {} s", self.deadline.as_secs())),
                _ if !status.success() && !complaint.is_empty() => Err(format!("{name} failed: {complaint}")),
                Err(problem) if status.success() => Err(format!("{name}: {problem}")),
                // It may have failed because nobody read on.
                Err(problem) => Err(format!("{name}: {problem} ({status})")),
                Ok(()) if status.success() => Ok(()),
                Ok(()) => Err(format!("{name} failed: {status}")),
            }
        })
    }
}

/// Each job is told as it is read. Takes as long as Slurm does, at most a minute.
impl Scheduler for Slurm {
    fn name(&self) -> &'static str {
        "slurm"
    }

    fn jobs(&self, each: &mut dyn FnMut(Job)) -> Result<(), String> {
        self.run("squeue", &["--all", "--states=all", "--json"], |reader| {
            reply::read(reader, "jobs", &mut |entry: job::Entry| entry.job().into_iter().for_each(&mut *each))
        })
    }

    fn nodes(&self, each: &mut dyn FnMut(Standing)) -> Result<(), String> {
        let mut ask = |command, args: &[&str]| {
            self.run(command, args, |reader| {
                let mut each = |entry: node::Entry| entry.standing().into_iter().for_each(&mut *each);
                reply::read(reader, "nodes", &mut each)
            })
        };
        // Up to 22.05 it is the one that says it, later it is the other.
        match ask("scontrol", &["show", "nodes", "--json"]) {
            Err(problem) if problem.contains("--json") => ask("sinfo", &["--all", "--json"]),
            result => result,
        }
    }

    fn topology(&self, each: &mut dyn FnMut(Location)) -> Result<(), String> {
        self.run("scontrol", &["--oneliner", "show", "topology"], |reader| topology::read(reader, each))
    }
}

/// Stops a command and all that it has started.
fn stop(pid: Pid) {
    // It may have ended by itself.
    let _ = kill_process_group(pid, Signal::KILL);
}

/// The last two lines of what a command complained first: the one before the last often says more.
fn complaint(mut errors: impl Read) -> String {
    let mut text = Vec::new();
    let _ = errors.by_ref().take(COMPLAINT).read_to_end(&mut text);
    // What is beyond is read, so that nobody waits for room.
    let _ = std::io::copy(&mut errors, &mut std::io::sink());
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    clean(&lines[lines.len().saturating_sub(2)..].join("; "), 200).into_owned()
}

#[cfg(test)]
mod tests;
