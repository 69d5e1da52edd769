//! Which GPU is nearest to a network port: the one with which it shares the most PCIe bridges.
//! Paths come from `/sys/bus/pci/devices`, whose links lead through every bridge from the root down.

use std::path::{Path, PathBuf};

/// The PCI tree below a filesystem root.
#[derive(Debug)]
pub(super) struct Topology {
    devices: PathBuf,
}

impl Topology {
    /// The tree of the machine whose filesystem is at `root`.
    pub(super) fn new(root: &Path) -> Self {
        Topology { devices: root.join("sys/bus/pci/devices") }
    }

    /// For each port, the slot of its nearest GPU, both given by PCI address. Of several that are equally near, each
    /// is given to one port before any is given to a second. Nothing for a port that shares no bridge with a GPU:
    /// the same host bridge alone says nothing, as every device of a virtual machine has that in common.
    pub(super) fn nearest(&self, nics: &[&str], gpus: &[&str]) -> Vec<Option<u16>> {
        let paths: Vec<_> = gpus.iter().map(|bus| self.path(bus)).collect();
        let mut given = vec![0u32; gpus.len()];
        let mut nearest = Vec::with_capacity(nics.len());
        for nic in nics {
            let nic = self.path(nic);
            let shared = |gpu: &[String]| nic.iter().zip(gpu).take_while(|(a, b)| a == b).count();
            let best = paths
                .iter()
                .enumerate()
                .map(|(slot, path)| (shared(path), std::cmp::Reverse((given[slot], slot))))
                .filter(|(shared, _)| *shared >= 2)
                .max();
            nearest.push(best.map(|(_, std::cmp::Reverse((_, slot)))| {
                given[slot] += 1;
                slot as u16
            }));
        }
        nearest
    }

    /// The bridges above the device, from the host bridge down. Empty for a device that is not there.
    fn path(&self, bus: &str) -> Vec<String> {
        if bus.is_empty() || bus.contains('/') {
            return Vec::new();
        }
        let Ok(link) = std::fs::read_link(self.devices.join(bus)) else { return Vec::new() };
        let names = link.iter().map(|part| part.to_string_lossy().into_owned());
        let mut bridges: Vec<_> = names.skip_while(|part| !part.starts_with("pci")).collect();
        bridges.pop();
        bridges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(devices: &[&str]) -> (tempfile::TempDir, Topology) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sys/bus/pci/devices");
        std::fs::create_dir_all(&folder).unwrap();
        for device in devices {
            let bus = device.rsplit('/').next().unwrap();
            std::os::unix::fs::symlink(format!("../../../devices/{device}"), folder.join(bus)).unwrap();
        }
        let topology = Topology::new(dir.path());
        (dir, topology)
    }

    #[test]
    fn the_nearest_gpu_shares_the_most_bridges() {
        let (_dir, topology) = tree(&[
            "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0",
            "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0/0000:04:00.0",
            "pci0000:80/0000:80:01.0/0000:81:00.0/0000:82:00.0/0000:83:00.0",
            "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0/0000:05:00.0",
            "pci0000:80/0000:80:01.0/0000:81:00.0/0000:82:01.0/0000:84:00.0",
            "pci0000:80/0000:80:02.0/0000:90:00.0",
        ]);
        let gpus = ["0000:03:00.0", "0000:04:00.0", "0000:83:00.0"];
        let nics = ["0000:05:00.0", "0000:84:00.0", "0000:90:00.0", "", "0000:ff:00.0"];
        assert_eq!(topology.nearest(&nics, &gpus), [Some(1), Some(2), None, None, None]);
    }

    #[test]
    fn equally_near_gpus_are_shared_out() {
        let switch = "pci0000:00/0000:00:01.0/0000:01:00.0";
        let devices: Vec<_> = (3..7).map(|n| format!("{switch}/0000:02:0{n}.0/0000:1{n}:00.0")).collect();
        let (_dir, topology) = tree(&devices.iter().map(String::as_str).collect::<Vec<_>>());
        let (gpus, nics) = (["0000:13:00.0", "0000:14:00.0"], ["0000:15:00.0", "0000:16:00.0"]);
        assert_eq!(topology.nearest(&nics, &gpus), [Some(0), Some(1)]);
    }

    #[test]
    fn a_virtual_machines_flat_bus_says_nothing() {
        let (_dir, topology) = tree(&["pci0000:00/0000:00:03.0", "pci0000:00/0000:00:04.0"]);
        assert_eq!(topology.nearest(&["0000:00:03.0"], &["0000:00:04.0"]), [None]);
    }
}
