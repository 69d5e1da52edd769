//! XIDs reach an agent on two ways: as lines of the kernel's log, and as events of the driver's library.
//! Here the two are put together, so that each XID is reported once, by the kernel's own words where they can be read.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::model::Time;

/// How far apart the kernel's clock for its messages and the clock of our rounds may be.
const SLACK: Duration = Duration::from_secs(2);
/// How long the driver's word for an XID waits for the kernel's when nothing at all comes from there.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a kernel line is remembered as one that a word of the driver may stand for.
const MEMORY: Duration = Duration::from_mins(1);

/// What both collectors know of XIDs; its clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Xids(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// How far the kernel's log was read; nothing when it cannot be read.
    read_until: Option<Time>,
    /// Recent lines of the kernel's log.
    lines: Vec<Line>,
    /// What the driver said and the kernel has not said yet.
    waiting: Vec<Waiting>,
    last: BTreeMap<String, (u32, Time)>,
}

#[derive(Debug)]
struct Line {
    bus: String,
    code: u32,
    time: Time,
    /// Whether it already stands for an event of the driver that bore another code.
    spoken_for: bool,
}

#[derive(Debug)]
struct Waiting {
    said: Said,
    heard: Instant,
}

/// The driver's word for one XID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The GPU's PCI address.
    pub(super) bus: String,
    /// The XID; of several at once, NVML says the last one each time.
    pub(super) code: u32,
    /// It happened after this time …
    pub(super) after: Time,
    /// … and until this one.
    pub(super) until: Time,
}

impl Xids {
    /// The last XID of the GPU at this PCI address, and when it was.
    pub(super) fn last(&self, bus: &str) -> Option<(u32, Time)> {
        self.known().last.get(bus).copied()
    }

    /// Whether the kernel's log is being read.
    pub(super) fn kernel_is_read(&self) -> bool {
        self.known().read_until.is_some()
    }

    /// The kernel's log held an XID.
    pub(super) fn kernel_said(&self, bus: &str, code: u32, time: Time) {
        let mut known = self.known();
        known.note(bus, code, time);
        known.lines.push(Line { bus: bus.to_owned(), code, time, spoken_for: false });
    }

    /// The kernel's log was read as far as it went at `now`; nothing when it cannot be read.
    pub(super) fn kernel_was_read(&self, now: Option<Time>) {
        let mut known = self.known();
        known.read_until = now;
        if let Some(now) = now {
            known.lines.retain(|line| now.since(line.time) < MEMORY);
        }
    }

    /// The driver's library delivered an XID.
    pub(super) fn driver_said(&self, said: Said) {
        self.known().waiting.push(Waiting { said, heard: Instant::now() });
    }

    /// Takes what only the driver said: the kernel's log cannot be read, or was read on without a line of it.
    pub(super) fn unexplained(&self) -> Vec<Said> {
        let mut known = self.known();
        let mut alone = Vec::new();
        for waiting in std::mem::take(&mut known.waiting) {
            if known.explains(&waiting.said) {
                continue;
            }
            let read_past = known.read_until.is_none_or(|read| read >= waiting.said.until + SLACK);
            if read_past || waiting.heard.elapsed() >= PATIENCE {
                known.note(&waiting.said.bus, waiting.said.code, waiting.said.until);
                alone.push(waiting.said);
            } else {
                known.waiting.push(waiting);
            }
        }
        alone
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change is whole once it is made, so what a panicking collector leaves behind is sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether a line of the kernel's is about what the driver said. One line may stand for any number of events of
    /// its own code (the driver may deliver one twice), and for one of another: of several XIDs at once, NVML says the
    /// last one each time.
    fn explains(&mut self, said: &Said) -> bool {
        let (from, to) = (said.after - SLACK, said.until + SLACK);
        let near = |line: &&mut Line| line.bus == said.bus && (from..=to).contains(&line.time);
        let mut lines: Vec<&mut Line> = self.lines.iter_mut().filter(near).collect();
        if lines.iter().any(|line| line.code == said.code) {
            return true;
        }
        match lines.iter_mut().find(|line| !line.spoken_for) {
            Some(line) => {
                line.spoken_for = true;
                true
            }
            None => false,
        }
    }

    fn note(&mut self, bus: &str, code: u32, time: Time) {
        if self.last.get(bus).is_none_or(|(_, last)| *last <= time) {
            self.last.insert(bus.to_owned(), (code, time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUS: &str = "0000:9b:00.0";

    fn at(seconds: i64) -> Time {
        Time::from_millis(1_795_000_000_000 + 1000 * seconds)
    }

    fn said(code: u32, until: i64) -> Said {
        Said { bus: BUS.into(), code, after: at(until - 1), until: at(until) }
    }

    #[test]
    fn without_the_kernels_log_the_driver_is_believed_at_once() {
        let xids = Xids::default();
        xids.driver_said(said(79, 5));
        assert_eq!(xids.unexplained(), [said(79, 5)]);
        assert_eq!(xids.unexplained(), [], "it is said once");
        assert_eq!(xids.last(BUS), Some((79, at(5))));
    }

    #[test]
    fn what_the_kernel_said_is_not_said_again() {
        let xids = Xids::default();
        xids.kernel_was_read(Some(at(4)));
        xids.driver_said(said(79, 5));
        assert_eq!(xids.unexplained(), [], "the kernel may still say it");
        xids.kernel_said(BUS, 79, at(5));
        xids.kernel_was_read(Some(at(6)));
        assert_eq!(xids.unexplained(), []);
        xids.kernel_was_read(Some(at(9)));
        assert_eq!(xids.unexplained(), []);
    }

    #[test]
    fn what_the_kernel_does_not_say_is_said_in_the_end() {
        let xids = Xids::default();
        xids.kernel_was_read(Some(at(5)));
        xids.kernel_said("0000:1b:00.0", 79, at(5));
        xids.driver_said(said(79, 5));
        xids.kernel_was_read(Some(at(6)));
        assert_eq!(xids.unexplained(), []);
        xids.kernel_was_read(Some(at(7)));
        assert_eq!(xids.unexplained(), [said(79, 5)]);
    }

    #[test]
    fn two_xids_at_once_that_nvml_gives_one_code_are_two() {
        let xids = Xids::default();
        xids.kernel_said(BUS, 31, at(5));
        xids.kernel_said(BUS, 79, at(5));
        xids.kernel_was_read(Some(at(9)));
        xids.driver_said(said(79, 5));
        xids.driver_said(said(79, 5));
        assert_eq!(xids.unexplained(), []);
        assert_eq!(xids.last(BUS), Some((79, at(5))));
    }

    #[test]
    fn an_older_line_read_later_does_not_become_the_last() {
        let xids = Xids::default();
        xids.kernel_said(BUS, 79, at(5));
        xids.kernel_said(BUS, 31, at(3));
        assert_eq!(xids.last(BUS), Some((79, at(5))));
    }
}
