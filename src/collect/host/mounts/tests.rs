//! Mounts that answer, hang, fail, vanish and come back.

use std::sync::{
    Arc, Mutex,
    mpsc::{Receiver, Sender, channel},
};

use super::*;
use crate::{
    collect::{clock::Hand, host::tree::Tree},
    model::{MetricId, Raw},
};

const ROOT: &str = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n";
const HOME: &str = "2 1 0:41 / /home rw - nfs4 filer:/home rw\n";
const SCRATCH: &str = "3 1 0:42 / /scratch rw - lustre mgs:/scratch rw\n";

struct Bench {
    tree: Tree,
    mounts: Mounts,
    hand: Hand,
    /// Lets one hung probe of /home go on.
    release: Sender<()>,
    /// Probes of /home that have begun.
    begun: Receiver<()>,
    failing: Arc<Mutex<Option<i32>>>,
}

/// /home hangs until it is released; / is 25 % full, all others 50 %, or fail as they are told.
fn bench(mountinfo: &str) -> Bench {
    let tree = Tree::new();
    tree.file("proc/self/mountinfo", mountinfo);
    let (clock, hand) = Clock::by_hand();
    let (release, gate) = channel();
    let (begin, begun) = channel();
    let gate = Arc::new(Mutex::new(gate));
    let failing = Arc::new(Mutex::new(None));
    let fail = failing.clone();
    let mounts = Mounts::with(tree.path(), clock, move |path| {
        if path == Path::new("/home") {
            begin.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
        }
        let used = if path == Path::new("/") { 25.0 } else { 50.0 };
        match *fail.lock().unwrap() {
            Some(code) if path == Path::new("/scratch") => Err(io::Error::from_raw_os_error(code)),
            _ => Ok(Space { size: 100, free: 40, used: Some(used), inodes: None }),
        }
    });
    Bench { tree, mounts, hand, release, begun, failing }
}

impl Bench {
    /// Collects until every mount has answered, other than so many that hang. Gives what was told last.
    fn settle(&mut self, hanging: usize) -> Findings {
        let mut told = Findings::default();
        loop {
            let findings = self.mounts.collect(Time::from_millis(0));
            let notes = findings.notes.clone().or(told.notes.take());
            if findings.mounts.is_some() {
                told = findings;
            }
            told.notes = notes;
            if self.mounts.local.threads() + self.mounts.network.threads() <= hanging {
                return told;
            }
        }
    }

    /// The next round of probes.
    fn round(&mut self, hanging: usize) -> Findings {
        self.hand.advance(EVERY);
        self.settle(hanging)
    }
}

fn states(findings: &Findings) -> Vec<(&str, &str)> {
    findings.mounts.iter().flatten().map(|m| (&*m.path, &*m.state)).collect()
}

fn get(findings: &Findings, metric: MetricId) -> Raw {
    findings.readings.iter().find(|r| r.metric == metric).expect("it was read").raw
}

#[test]
fn a_mount_that_hangs_is_hung_and_stops_no_other() {
    let mut bench = bench(&[ROOT, HOME, SCRATCH].concat());
    assert_eq!(bench.settle(1).mounts, None, "its first answer may yet come");
    bench.hand.advance(HUNG_AFTER);
    let findings = bench.settle(1);
    assert_eq!(states(&findings), [("/", "ok"), ("/home", "hung"), ("/scratch", "ok")]);
    assert_eq!(get(&findings, node::MOUNTS_BAD), Raw::new(1.0, 1.0));
    assert_eq!(get(&findings, node::DISK_USED), Raw::new(50.0, 0.5));
    assert_eq!(findings.mounts.unwrap()[1].size, None, "it has not said");

    for _ in 0..3 {
        assert_eq!(states(&bench.round(1))[1], ("/home", "hung"));
    }
    assert_eq!(bench.begun.try_iter().count(), 1, "it is not asked again while it hangs");

    bench.release.send(()).unwrap();
    let findings = bench.settle(0);
    assert_eq!(states(&findings)[1], ("/home", "ok"));
    assert_eq!(get(&findings, node::MOUNTS_BAD), Raw::new(0.0, 1.0));
    bench.release.send(()).unwrap();
    bench.round(0);
    assert_eq!(bench.begun.try_iter().count(), 1, "it is asked again once it has answered");
}

#[test]
fn a_mount_that_disappears_is_missing_until_it_is_back() {
    let mut bench = bench(&[ROOT, SCRATCH].concat());
    assert_eq!(states(&bench.settle(0)), [("/", "ok"), ("/scratch", "ok")]);
    bench.tree.file("proc/self/mountinfo", ROOT);
    let findings = bench.round(0);
    assert_eq!(states(&findings), [("/", "ok"), ("/scratch", "missing")]);
    assert_eq!(get(&findings, node::MOUNTS_BAD), Raw::new(1.0, 1.0));
    assert_eq!(get(&findings, node::DISK_USED), Raw::new(25.0, 0.5));
    bench.tree.file("proc/self/mountinfo", &[ROOT, SCRATCH].concat());
    assert_eq!(states(&bench.round(0)), [("/", "ok"), ("/scratch", "ok")]);
}

#[test]
fn a_mount_that_comes_and_goes_is_not_missed() {
    let mut bench = bench(&[ROOT, "4 1 0:43 / /mnt/bucket rw - fuse.s3fs s3fs rw\n"].concat());
    assert_eq!(states(&bench.settle(0)).len(), 2);
    bench.tree.file("proc/self/mountinfo", ROOT);
    assert_eq!(states(&bench.round(0)), [("/", "ok")]);
}

#[test]
fn what_fstab_lists_is_missed_from_the_start() {
    let mut bench = bench(ROOT);
    bench.tree.file("etc/fstab", "mgs:/scratch /scratch lustre _netdev 0 0\n");
    assert_eq!(states(&bench.settle(0)), [("/", "ok"), ("/scratch", "missing")]);
}

#[test]
fn a_stale_handle_is_bad_and_a_refusal_is_unknown() {
    let mut bench = bench(&[ROOT, SCRATCH].concat());
    *bench.failing.lock().unwrap() = Some(libc::ESTALE);
    let findings = bench.settle(0);
    assert_eq!(states(&findings)[1], ("/scratch", "failed"));
    assert_eq!(get(&findings, node::MOUNTS_BAD), Raw::new(1.0, 1.0));
    assert!(findings.notes.unwrap()[0].starts_with("/scratch: statvfs: Stale"));
    *bench.failing.lock().unwrap() = Some(libc::EACCES);
    let findings = bench.round(0);
    assert_eq!(states(&findings)[1], ("/scratch", "unknown"));
    assert_eq!(get(&findings, node::MOUNTS_BAD), Raw::new(0.0, 1.0));
    *bench.failing.lock().unwrap() = None;
    assert_eq!(bench.round(0).notes, Some(Vec::new()));
}

#[test]
fn a_read_only_mount_says_so_and_fills_no_disk() {
    let mut bench = bench(&[ROOT, "3 1 0:42 / /scratch ro - lustre mgs:/scratch ro\n"].concat());
    let findings = bench.settle(0);
    assert_eq!(states(&findings), [("/", "ok"), ("/scratch", "read-only")]);
    assert_eq!(get(&findings, node::DISK_USED), Raw::new(25.0, 0.5));
}

#[test]
fn dead_servers_leave_threads_for_the_disks_and_a_note() {
    let home = |n| format!("{n} 1 0:{n} / /home{n} rw - nfs4 filer:/{n} rw\n");
    let many = (100..105 + THREADS).map(home).collect::<Vec<_>>().concat();
    let tree = Tree::new();
    tree.file("proc/self/mountinfo", &[ROOT, &many].concat());
    let (clock, hand) = Clock::by_hand();
    let (release, gate) = channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let mut mounts = Mounts::with(tree.path(), clock, move |path| {
        if path != Path::new("/") {
            let _ = gate.lock().unwrap().recv();
        }
        Ok(Space { size: 100, free: 40, used: Some(7.0), inodes: None })
    });
    mounts.collect(Time::from_millis(0));
    while mounts.local.threads() > 0 {
        mounts.collect(Time::from_millis(0));
    }
    hand.advance(HUNG_AFTER);
    let findings = mounts.collect(Time::from_millis(0));
    assert_eq!(get(&findings, node::DISK_USED), Raw::new(7.0, 0.5));
    assert_eq!(get(&findings, node::MOUNTS_BAD), Raw::new(THREADS as f64, 1.0));
    assert_eq!(findings.notes.unwrap(), ["5 mounts are not looked at, because 16 others hang"]);
    drop(release);
}

#[test]
fn the_real_root_can_be_asked() {
    let space = probe(Path::new("/")).unwrap();
    assert!(space.size > 0 && space.free <= space.size);
    assert!(space.used.is_some_and(|used| (0.0..=100.0).contains(&used)));
}
