//! Slurm: its jobs, by one `squeue --json` for all of them. What that prints differs between versions (22.05 to 25.11
//! are known); everything that is not known is passed over, and what cannot be read of one job costs that job's field.

mod gres;
mod lenient;
mod squeue;

use std::{
    ffi::OsString,
    io::{BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use crate::model::{job::Job, text::clean};

/// How long an answer may take: a busy controller lets whoever asks wait.
const DEADLINE: Duration = Duration::from_mins(1);
/// What is kept of a complaint, in bytes.
const COMPLAINT: u64 = 4096;

/// How to ask Slurm.
#[derive(Clone, Debug)]
pub struct Slurm {
    squeue: OsString,
    deadline: Duration,
}

impl Default for Slurm {
    fn default() -> Self {
        Slurm { squeue: "squeue".into(), deadline: DEADLINE }
    }
}

impl Slurm {
    /// Asks by another command than the `squeue` of the path.
    pub fn with_squeue(self, squeue: impl Into<OsString>) -> Slurm {
        Slurm { squeue: squeue.into(), ..self }
    }

    /// Calls `each` with every job as it is read, those included that ended a short while ago, and waits for the end.
    /// Takes as long as Slurm does, at most a minute.
    ///
    /// # Errors
    /// One line that says what went wrong: the command does not run, fails, says nothing in time, or says what is no
    /// whole answer. Jobs that came before it are true.
    pub fn jobs(&self, mut each: impl FnMut(Job)) -> Result<(), String> {
        let mut command = Command::new(&self.squeue);
        command.args(["--all", "--states=all", "--json"]);
        let name = self.squeue.to_string_lossy().into_owned();
        self.run(&name, command, |reader| squeue::read(reader, &mut each))
    }

    /// Runs a command, has its output read, and stops it when it takes too long.
    fn run(
        &self,
        name: &str,
        mut command: Command,
        read: impl FnOnce(BufReader<&mut dyn Read>) -> Result<(), String>,
    ) -> Result<(), String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot run {name}: {error}"))?;
        let (Some(mut output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(format!("{name} has no output"));
        };
        let child = Mutex::new(child);
        let (done, is_done) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let child = &child;
            let watch = scope.spawn(move || {
                let late = is_done.recv_timeout(self.deadline) == Err(mpsc::RecvTimeoutError::Timeout);
                if late {
                    stop(child);
                }
                late
            });
            let complaint = scope.spawn(|| complaint(errors));
            let result = read(BufReader::with_capacity(1 << 16, &mut output));
            // Whoever stopped reading must not be waited for.
            drop(output);
            let complaint = complaint.join().unwrap_or_default();
            drop(done);
            let is_late = watch.join().unwrap_or(false);
            let mut child = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let status = child.wait().map_err(|error| format!("cannot wait for {name}: {error}"))?;
            match result {
                _ if is_late => Err(format!("{name} took longer than {} s", self.deadline.as_secs())),
                _ if !status.success() && complaint.is_empty() => Err(format!("{name} failed: {status}")),
                _ if !status.success() => Err(format!("{name} failed: {complaint}")),
                Err(problem) => Err(format!("{name}: {problem}")),
                Ok(()) => Ok(()),
            }
        })
    }
}

fn stop(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // It may have ended by itself.
    let _ = child.kill();
}

/// The last line that a command complained in.
fn complaint(mut errors: impl Read) -> String {
    let mut text = Vec::new();
    let _ = errors.by_ref().take(COMPLAINT).read_to_end(&mut text);
    // What is beyond is read, so that nobody waits for room.
    let _ = std::io::copy(&mut errors, &mut std::io::sink());
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    clean(line.trim(), 200).into_owned()
}

#[cfg(test)]
mod tests;
