//! XIDs from NVML and from the kernel's log, each reported once.

use std::{fs, io::Write, time::Duration};

use supertop::{
    collect::{Collector, kmsg::Kmsg},
    model::{
        Gap,
        metric::gpu,
        report::{Event, EventKind, Subject},
    },
};

use super::mock::Bench;

fn xid(bus: &str, code: u32) -> (Subject, EventKind) {
    (Subject::Gpu { bus: bus.into() }, EventKind::Xid(code))
}

fn told(events: &[Event]) -> Vec<(Subject, EventKind)> {
    events.iter().map(|event| (event.subject.clone(), event.kind.clone())).collect()
}

#[test]
fn an_xid_is_an_event_once_and_stays_the_gpus_last() {
    let mut bench = Bench::new("");
    bench.settle();
    assert_eq!(bench.gap(gpu::XID, 3), Some(Gap::Absent), "none is a known absence");
    bench.tell("gpu 3 xid 31 1");
    bench.until("the event", |bench| !bench.events.is_empty());
    bench.round(30);
    assert_eq!(told(&bench.events), [xid("0000:61:00.0", 31)]);
    assert_eq!(bench.value(gpu::XID, 3) as u32, 31);
    assert!((30.0..33.0).contains(&bench.value(gpu::XID_AGE, 3)), "{}", bench.value(gpu::XID_AGE, 3));
    assert_eq!(bench.gap(gpu::XID, 2), Some(Gap::Absent));

    bench.tell("gpu 3 xid 31 1\n gpu 3 xid 31 2");
    bench.until("the second event", |bench| bench.events.len() == 2);
    assert_ne!(bench.events[0].id, bench.events[1].id);
    assert!(bench.value(gpu::XID_AGE, 3) < 3.0);
}

#[test]
fn the_xid_of_a_gpu_that_falls_off_the_bus_is_not_lost() {
    let mut bench = Bench::new("");
    bench.settle();
    bench.tell("gpu 3 xid 79 1\n gpu 3 lost");
    bench.until("the event", |bench| !bench.events.is_empty());
    assert_eq!(told(&bench.events), [xid("0000:61:00.0", 79)]);
    assert_eq!(bench.fault(3), Some("lost"));
    assert_eq!(bench.value(gpu::XID, 3) as u32, 79, "it tells why the GPU is lost");
}

#[test]
fn a_gpu_without_events_is_noted_and_the_others_have_theirs() {
    let mut bench = Bench::new("gpu 3 fail nvmlDeviceRegisterEvents 999");
    bench.settle_but_xids(3);
    let note = "no XIDs from NVML for GPU 3: nvmlDeviceRegisterEvents: Unknown Error";
    assert_eq!(bench.last.notes, Some(vec![note.into()]));
    assert_eq!(bench.gap(gpu::XID, 3), Some(Gap::Unknown), "nobody would know");
    bench.tell("gpu 4 xid 48 1");
    bench.until("the event", |bench| !bench.events.is_empty());
    assert_eq!(told(&bench.events), [xid("0000:9d:00.0", 48)]);
    bench.round(60);
    assert_eq!(bench.last.notes, Some(vec![]), "it is tried again");
}

/// A kernel log beside the mock.
struct Log {
    file: fs::File,
    kmsg: Kmsg,
    events: Vec<Event>,
    _folder: tempfile::TempDir,
}

impl Log {
    fn new(bench: &Bench) -> Log {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kmsg");
        let file = fs::File::create(&path).unwrap();
        let kmsg = Kmsg::new(&path).sharing(bench.nvml.xids());
        Log { file, kmsg, events: Vec::new(), _folder: folder }
    }

    fn say(&mut self, sequence: u64, text: &str) {
        writeln!(self.file, "3,{sequence},98123456,-;{text}").unwrap();
    }

    /// One round of the log's collector, at the same time as the bench's.
    fn round(&mut self, bench: &Bench) {
        self.events.extend(self.kmsg.collect(bench.now).events);
    }
}

#[test]
fn what_both_say_is_reported_once_in_the_kernels_words() {
    let mut bench = Bench::new("");
    bench.settle();
    let mut log = Log::new(&bench);
    log.round(&bench);
    bench.tell("gpu 3 xid 79 1");
    bench.round(1);
    assert_eq!(bench.events, [], "the kernel has not been read yet");
    log.say(1, "NVRM: Xid (PCI:0000:61:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.");
    for _ in 0..20 {
        log.round(&bench);
        bench.round(1);
    }
    assert_eq!(told(&log.events), [xid("0000:61:00.0", 79)]);
    assert!(log.events[0].text.contains("fallen off the bus"));
    assert_eq!(bench.events, [], "NVML's word for it is not a second one");
    assert_eq!(bench.value(gpu::XID, 3) as u32, 79);
}

#[test]
fn what_only_nvml_says_is_reported_all_the_same() {
    let mut bench = Bench::new("");
    bench.settle();
    let mut log = Log::new(&bench);
    log.round(&bench);
    bench.tell("gpu 3 xid 79 1");
    log.say(1, "NVRM: Xid (PCI:0000:1b:00): 79, another GPU's");
    for _ in 0..5 {
        bench.round(1);
        log.round(&bench);
    }
    assert_eq!(told(&log.events), [xid("0000:1b:00.0", 79)]);
    assert_eq!(told(&bench.events), [xid("0000:61:00.0", 79)]);
}

#[test]
fn an_xid_from_before_the_agent_started_is_the_gpus_last() {
    let mut bench = Bench::new("");
    let mut log = Log::new(&bench);
    log.say(1, "NVRM: Xid (PCI:0000:61:00): 94, pid=1234, name=python, Contained: SM (0x1).");
    log.round(&bench);
    bench.settle();
    assert_eq!(bench.value(gpu::XID, 3) as u32, 94);
    assert_eq!(told(&log.events), [xid("0000:61:00.0", 94)]);
    log.round(&bench);
    assert_eq!(log.events.len(), 1);
    assert!(bench.value(gpu::XID_AGE, 3) >= Duration::from_secs(1).as_secs_f64());
}
