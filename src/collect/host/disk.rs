//! What the local disks read and write: `/proc/diskstats`, each byte counted once.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    ledger::Ledger,
    rate::Rate,
    source::{self, Source},
};
use crate::model::{Gap, metric::node};

/// Diskstats counts in these, whatever the disk's own sectors are.
const SECTOR: u64 = 512;

#[derive(Debug)]
pub(super) struct Disk {
    block: PathBuf,
    diskstats: Source,
    disks: BTreeSet<String>,
    read: Rate,
    written: Rate,
}

impl Disk {
    pub(super) fn new(root: &Path) -> Self {
        Disk {
            block: root.join("sys/block"),
            diskstats: Source::new(root.join("proc/diskstats")),
            disks: BTreeSet::new(),
            read: Rate::default(),
            written: Rate::default(),
        }
    }

    /// Finds the disks: what `/sys/block` lists and has a device behind it. Partitions are not there; RAID, LVM and
    /// multipath, which would count their disks' bytes again, have no device, nor have loops, RAM and zram.
    pub(super) fn survey(&mut self) {
        let is_disk = |name: &String| self.block.join(name).join("device").exists() && !is_path_of_multipath(name);
        let disks: BTreeSet<_> = source::names(&self.block).into_iter().filter(is_disk).collect();
        if disks != self.disks {
            self.disks = disks;
            (self.read, self.written) = (Rate::default(), Rate::default());
        }
    }

    pub(super) fn read(&mut self, at: Duration, ledger: &mut Ledger) {
        if self.disks.is_empty() {
            ledger.set(node::DISK_READ, 0, Gap::Unsupported);
            ledger.set(node::DISK_WRITE, 0, Gap::Unsupported);
            return;
        }
        let disks = &self.disks;
        match self.diskstats.parse(|text| sectors(text, disks)) {
            Ok((read, written)) => {
                ledger.set(node::DISK_READ, 0, self.read.per_second(read * SECTOR, at));
                ledger.set(node::DISK_WRITE, 0, self.written.per_second(written * SECTOR, at));
            }
            Err(error) => {
                ledger.set(node::DISK_WRITE, 0, error.gap());
                ledger.put(node::DISK_READ, 0, Err::<f64, _>(error));
            }
        }
    }
}

/// `nvme0c1n1`: one of the ways to `nvme0n1`, whose bytes that one counts.
fn is_path_of_multipath(name: &str) -> bool {
    name.strip_prefix("nvme").is_some_and(|rest| rest.contains('c'))
}

/// Sectors read and written by all of `disks`.
fn sectors(text: &str, disks: &BTreeSet<String>) -> Option<(u64, u64)> {
    let mut sum = (0u64, 0u64);
    for line in text.lines() {
        let mut columns = line.split_ascii_whitespace().skip(2);
        if disks.contains(columns.next()?) {
            let read: u64 = columns.nth(2)?.parse().ok()?;
            let written: u64 = columns.nth(3)?.parse().ok()?;
            sum = (sum.0.saturating_add(read), sum.1.saturating_add(written));
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    #[test]
    fn each_byte_is_counted_once() {
        let tree = Tree::new();
        for (name, device) in
            [("sda", true), ("nvme0n1", true), ("nvme0c1n1", true), ("dm-0", false), ("loop0", false), ("md127", false)]
        {
            tree.file(&format!("sys/block/{name}/size"), "1");
            if device {
                tree.file(&format!("sys/block/{name}/device/model"), "");
            }
        }
        let stats = |n: u64| {
            let names = ["sda", "sda1", "nvme0n1", "nvme0c1n1", "dm-0", "loop0", "md127"];
            let line =
                |name: &&str| format!("   8       0 {name} 9 9 {} 9 9 9 {} 9 0 9 9 0 0 0 0 0 0\n", 1000 + n, 2 * n);
            names.iter().map(line).collect::<String>()
        };
        let mut disk = Disk::new(tree.path());
        disk.survey();
        let mut ledger = Ledger::default();
        let mut check = |seconds, n, read: Raw, written: Raw| {
            tree.file("proc/diskstats", &stats(n));
            disk.read(Duration::from_secs(seconds), &mut ledger);
            let raws: Vec<_> = ledger.take().readings.iter().map(|r| r.raw).collect();
            assert_eq!(raws, [read, written], "{n}");
        };
        check(1, 0, Raw::UNKNOWN, Raw::UNKNOWN);
        // Two disks, 1000 sectors each in 2 s.
        check(3, 1000, Raw::new(512e3, 1e3), Raw::new(1024e3, 1e3));
        check(4, 0, Raw::UNKNOWN, Raw::UNKNOWN);
    }

    #[test]
    fn no_disks_have_no_rate() {
        let tree = Tree::new();
        let mut disk = Disk::new(tree.path());
        disk.survey();
        let mut ledger = Ledger::default();
        disk.read(Duration::ZERO, &mut ledger);
        assert!(ledger.take().readings.iter().all(|r| r.raw == Raw::UNSUPPORTED));
    }
}
