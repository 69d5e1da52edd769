//! Reads the kernel's log for what the NVIDIA driver reports there: XIDs of GPUs and SXids of NVSwitches, in full text.
//! It begins with the oldest message that the kernel still has, so what happened before the agent started is known too.

mod line;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use super::{Collector, Findings, xid::Xids};
use crate::model::{
    Time,
    report::{Event, EventKind, Subject},
    text::clean,
};

/// The kernel's longest record has 8 KiB; a read with less room fails.
const RECORD: usize = 16 * 1024;
/// How long one round may read. A full log of 16 MiB takes less.
const BUDGET: Duration = Duration::from_millis(500);
/// How long after a failed try the log is opened again.
const RETRY: Duration = Duration::from_mins(1);
/// Longest text of an event, in characters.
const TEXT: usize = 500;

/// The collector of the kernel's log.
pub struct Kmsg {
    path: PathBuf,
    boot_id: String,
    xids: Xids,
    log: Option<Log<File>>,
    refused: Option<(Instant, String)>,
    /// When the log was last read to its end.
    read_until: Option<Time>,
}

impl Kmsg {
    /// Reads the log at this path: `/dev/kmsg`, or a recording of it.
    pub fn new(path: impl Into<PathBuf>) -> Kmsg {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Kmsg {
            path: path.into(),
            boot_id: boot_id.trim().to_owned(),
            xids: Xids::default(),
            log: None,
            refused: None,
            read_until: None,
        }
    }

    /// Tells what it reads to the collector of the driver's XIDs, so that each is reported once.
    pub fn sharing(mut self, xids: Xids) -> Kmsg {
        self.xids = xids;
        self
    }

    /// Opens the log if it is not open, and if the last failure is some time ago.
    fn open(&mut self) {
        let waits = self.refused.as_ref().is_some_and(|(when, _)| when.elapsed() < RETRY);
        if self.log.is_some() || waits {
            return;
        }
        match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&self.path) {
            Ok(file) => (self.log, self.refused) = (Some(Log::new(file)), None),
            Err(error) => self.refuse(&error),
        }
    }

    fn refuse(&mut self, error: &io::Error) {
        let why = match error.kind() {
            ErrorKind::PermissionDenied => "permission denied".to_owned(),
            ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        let why = format!(
            "{}: {why}: XIDs come from NVML without the kernel's text, and SXids not at all",
            self.path.display()
        );
        (self.log, self.refused) = (None, Some((Instant::now(), why)));
    }

    /// The events among new messages.
    fn read(&mut self, now: Time) -> Vec<Event> {
        let Some(log) = &mut self.log else { return Vec::new() };
        let uptime = clock_gettime(ClockId::Monotonic);
        let booted = now - Duration::new(uptime.tv_sec as u64, uptime.tv_nsec as u32);
        // The clock of the log drifts against the others by seconds over months, so a message that is new is not
        // believed to be older than the last look.
        let earliest = self.read_until.filter(|_| log.caught_up);
        let mut events = Vec::new();
        let end = log.drain(Instant::now() + BUDGET, |record| {
            let Some((subject, kind)) = line::incident(record.text) else { return };
            let time = (booted + record.uptime).min(now);
            let time = earliest.map_or(time, |earliest| time.max(earliest.min(now)));
            if let (Subject::Gpu { bus }, EventKind::Xid(code)) = (&subject, &kind) {
                self.xids.kernel_said(bus, *code, time);
            }
            let id = format!("{}-{}", self.boot_id, record.sequence);
            events.push(Event { id, time, subject, kind, text: clean(record.text, TEXT).into_owned() });
        });
        match end {
            Ok(true) => self.read_until = Some(now),
            Ok(false) => {}
            Err(error) => self.refuse(&error),
        }
        events
    }

    fn notes(&self) -> Vec<String> {
        let lost = self.log.as_ref().map_or(0, |log| log.lost);
        let overran = (lost > 0)
            .then(|| format!("{}: {lost} messages were overwritten before they could be read", self.path.display()));
        self.refused.iter().map(|(_, why)| why.clone()).chain(overran).collect()
    }
}

impl Collector for Kmsg {
    fn name(&self) -> &'static str {
        "kmsg"
    }

    fn collect(&mut self, now: Time) -> Findings {
        let begun = Instant::now();
        self.open();
        let events = self.read(now);
        self.xids.kernel_was_read(self.log.as_ref().and(self.read_until));
        Findings { events, notes: Some(self.notes()), costs: vec![("kmsg", begun.elapsed())], ..Findings::default() }
    }
}

/// A log that is read record by record, without waiting for more.
struct Log<R> {
    source: R,
    /// The beginning of a record whose end has not been read yet. The device gives whole records, a recording may not.
    rest: Vec<u8>,
    last: Option<u64>,
    /// Messages that the kernel overwrote before they were read.
    lost: u64,
    /// Whether the end was reached before: from then on, what is read is new.
    caught_up: bool,
}

impl<R: Read> Log<R> {
    fn new(source: R) -> Log<R> {
        Log { source, rest: Vec::new(), last: None, lost: 0, caught_up: false }
    }

    /// Hands every record that there is to `take`; says whether it came to the end before the deadline.
    fn drain(&mut self, deadline: Instant, mut take: impl FnMut(line::Record<'_>)) -> io::Result<bool> {
        let mut buffer = vec![0; RECORD];
        while Instant::now() < deadline {
            match self.source.read(&mut buffer) {
                Ok(0) => return Ok(self.end()),
                Ok(n) => {
                    self.rest.extend_from_slice(&buffer[..n]);
                    self.split(&mut take);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(self.end()),
                // The kernel overwrote what was next, and goes on with what it still has; numbers tell how many it were.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn end(&mut self) -> bool {
        self.caught_up = true;
        true
    }

    fn split(&mut self, take: &mut impl FnMut(line::Record<'_>)) {
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            // No record is that long: this is no log.
            if self.rest.len() > 4 * RECORD {
                self.rest.clear();
            }
            return;
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        for line in String::from_utf8_lossy(&whole).lines() {
            let Some(record) = line::record(line) else { continue };
            // The first one read is the oldest that the kernel still has, and nothing before it counts as lost to us.
            self.lost += self.last.map_or(0, |last| record.sequence.saturating_sub(last + 1));
            self.last = Some(record.sequence);
            take(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A device that gives one answer per read.
    struct Device(VecDeque<Result<&'static str, ErrorKind>>);

    impl Read for Device {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.pop_front().unwrap_or(Err(ErrorKind::WouldBlock)) {
                Ok(text) => {
                    buffer[..text.len()].copy_from_slice(text.as_bytes());
                    Ok(text.len())
                }
                Err(kind) => Err(kind.into()),
            }
        }
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    fn sequences(log: &mut Log<Device>) -> Vec<u64> {
        let mut found = Vec::new();
        assert!(log.drain(later(), |record| found.push(record.sequence)).unwrap());
        found
    }

    #[test]
    fn an_overrun_is_counted_and_read_past() {
        let mut log = Log::new(Device([Ok("6,10,1,-;a\n"), Err(ErrorKind::BrokenPipe), Ok("6,15,2,-;b\n")].into()));
        assert_eq!(sequences(&mut log), [10, 15]);
        assert_eq!(log.lost, 4);
    }

    #[test]
    fn records_may_come_in_any_pieces() {
        let pieces = [Ok("6,1,1,-;a\n KEY=value\n6,2,"), Ok("2,-;b"), Err(ErrorKind::Interrupted), Ok("\n6,3,3,-;c\n")];
        let mut log = Log::new(Device(pieces.into()));
        assert_eq!(sequences(&mut log), [1, 2, 3]);
        assert_eq!(log.lost, 0);
    }

    #[test]
    fn a_failing_device_is_an_error() {
        let mut log = Log::new(Device([Err(ErrorKind::PermissionDenied)].into()));
        assert_eq!(log.drain(later(), |_| {}).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    const NOW: Time = Time::from_millis(1_795_442_671_250);

    #[test]
    fn a_recording_becomes_events_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kmsg");
        let xid = "3,7,4000000,-;NVRM: Xid (PCI:0000:9b:00): 79, pid=1, GPU has fallen off the bus.\n";
        fs::write(&path, format!("6,6,1,-;eth0: link up\n{xid}")).unwrap();
        let mut kmsg = Kmsg::new(&path);
        kmsg.boot_id = "b00t".into();
        let first = kmsg.collect(NOW);
        assert_eq!(first.notes, Some(vec![]));
        let [event] = &first.events[..] else { panic!("{:?}", first.events) };
        assert_eq!(event.id, "b00t-7");
        assert_eq!(event.subject, Subject::Gpu { bus: "0000:9b:00.0".into() });
        assert_eq!(event.kind, EventKind::Xid(79));
        assert!(event.text.starts_with("NVRM: Xid") && event.text.ends_with("bus."), "{}", event.text);
        assert!(event.time <= NOW);
        assert_eq!(kmsg.collect(NOW).events, [], "it was reported");
        assert_eq!(kmsg.xids.last("0000:9b:00.0"), Some((79, event.time)));

        let appended = format!(
            "6,6,1,-;eth0: link up\n{xid}2,8,5000000,-;nvidia-nvswitch0: SXid (PCI:0000:07:00.0): 20034, x\u{1b}[2J\n"
        );
        fs::write(&path, appended).unwrap();
        let later = NOW + Duration::from_secs(1);
        let second = kmsg.collect(later).events;
        assert_eq!(second.len(), 1, "{second:?}");
        assert_eq!((second[0].id.as_str(), &second[0].kind), ("b00t-8", &EventKind::Sxid(20034)));
        assert!(!second[0].text.contains('\u{1b}'));
        assert!((NOW..=later).contains(&second[0].time), "a new message is from between the two looks");
    }

    #[test]
    fn an_unreadable_log_is_one_note() {
        let mut kmsg = Kmsg::new("/nonexistent/kmsg");
        let notes = kmsg.collect(NOW).notes.unwrap();
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert!(note.starts_with("/nonexistent/kmsg: "), "{note}");
        assert!(!kmsg.xids.kernel_is_read());
    }

    #[test]
    fn a_pipe_without_news_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let mut kmsg = Kmsg::new(&path);
        // Opened for both, as a Linux pipe may be, the writing end never blocks nor ends.
        let mut writer = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        assert_eq!(kmsg.collect(NOW).events, []);
        io::Write::write_all(&mut writer, b"3,1,1,-;NVRM: Xid (PCI:0000:9b:00): 31, pid=1\n").unwrap();
        assert_eq!(kmsg.collect(NOW).events.len(), 1);
    }
}
