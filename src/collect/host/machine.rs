//! What the machine is: names, versions, its boot, and the GPUs on its bus.

use std::path::{Path, PathBuf};

use sysinfo::System;

use super::{ledger::Ledger, source};
use crate::{
    collect::Host,
    model::{
        Time,
        report::{Event, EventKind, Subject},
    },
};

#[derive(Debug)]
pub(super) struct Machine {
    root: PathBuf,
    told: Option<Host>,
}

impl Machine {
    pub(super) fn new(root: &Path) -> Self {
        Machine { root: root.to_owned(), told: None }
    }

    /// Tells what the machine is, and the first time that it was started.
    pub(super) fn survey(&mut self, ledger: &mut Ledger) {
        ledger.findings.gpus_on_bus = self.gpus_on_bus();
        let host = self.host();
        if self.told.is_none() {
            ledger.findings.events.extend(Machine::boot(&host));
        }
        if self.told.as_ref() != Some(&host) {
            ledger.findings.host = Some(host.clone());
            self.told = Some(host);
        }
    }

    fn host(&self) -> Host {
        let name = System::name().unwrap_or_default();
        Host {
            hostname: System::host_name().unwrap_or_default(),
            os: System::os_version().map_or(name.clone(), |version| format!("{name} {version}")),
            kernel: System::kernel_version().unwrap_or_default(),
            // A core put online or offline does not make it another CPU.
            cpu_model: self.told.as_ref().map_or_else(cpu_model, |told| told.cpu_model.clone()),
            boot_id: boot_id(&self.root),
        }
    }

    /// The start of the machine as an event. Its id is the same whenever an agent tells it.
    fn boot(host: &Host) -> Option<Event> {
        let seconds = i64::try_from(System::boot_time().ok()?).ok()?;
        let text = format!("booted {}, Linux {}", host.os, host.kernel);
        let time = Time::from_millis(seconds * 1000);
        let known = !host.boot_id.is_empty();
        let id = format!("{}/boot", host.boot_id);
        known.then_some(Event { id, time, subject: Subject::Node, kind: EventKind::Boot, text })
    }

    /// NVIDIA display and 3D controllers on the PCI bus. Left out are virtual functions of one, and those that are
    /// handed to a virtual machine: no driver on this machine could show them.
    fn gpus_on_bus(&self) -> Option<u32> {
        let folder = self.root.join("sys/bus/pci/devices");
        if !folder.is_dir() {
            return None;
        }
        let is_gpu = |device: &PathBuf| {
            let is = |file, start: &str| source::text(&device.join(file)).is_ok_and(|text| text.starts_with(start));
            is("vendor", "0x10de")
                && (is("class", "0x0300") || is("class", "0x0302"))
                && !device.join("physfn").exists()
                && !std::fs::read_link(device.join("driver")).is_ok_and(|driver| driver.ends_with("vfio-pci"))
        };
        Some(source::names(&folder).into_iter().map(|bus| folder.join(bus)).filter(is_gpu).count() as u32)
    }
}

/// The kernel's boot id; empty where it has none.
pub fn boot_id(root: &Path) -> String {
    source::text(&root.join("proc/sys/kernel/random/boot_id")).unwrap_or_default()
}

fn cpu_model() -> String {
    let cpus = sysinfo::RefreshKind::nothing().with_cpu(sysinfo::CpuRefreshKind::nothing());
    let system = System::new_with_specifics(cpus).ok();
    system.and_then(|system| Some(system.cpus().first()?.brand().trim().to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::host::tree::Tree;

    #[test]
    fn the_machine_is_told_once_and_its_boot_by_a_lasting_id() {
        let tree = Tree::new();
        tree.file("proc/sys/kernel/random/boot_id", "0d1e-2f\n");
        let told = || {
            let mut ledger = Ledger::default();
            let mut machine = Machine::new(tree.path());
            machine.survey(&mut ledger);
            let first = ledger.take();
            machine.survey(&mut ledger);
            let second = ledger.take();
            assert!(second.host.is_none() && second.events.is_empty());
            first
        };
        let first = told();
        let host = first.host.expect("the first survey tells it");
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!((&*host.kernel, &*host.hostname, &*host.boot_id), (kernel.trim(), hostname.trim(), "0d1e-2f"));
        assert!(!host.os.is_empty());
        assert_eq!(first.events.len(), 1);
        let stat = std::fs::read_to_string("/proc/stat").unwrap();
        let boot: i64 = stat.lines().find_map(|line| line.strip_prefix("btime ")).unwrap().parse().unwrap();
        assert_eq!((&*first.events[0].id, first.events[0].time), ("0d1e-2f/boot", Time::from_millis(boot * 1000)));
        assert_eq!(told().events, first.events, "another agent's start is the same boot");
    }

    #[test]
    fn gpus_on_the_bus_are_those_that_this_machine_could_use() {
        let tree = Tree::new();
        let gpus = || {
            let mut ledger = Ledger::default();
            Machine::new(tree.path()).survey(&mut ledger);
            ledger.take().gpus_on_bus
        };
        assert_eq!(gpus(), None, "no bus, no count");
        for (bus, vendor, class) in [
            ("0000:00:02.0", "0x8086", "0x030000"),
            ("0000:07:00.0", "0x10de", "0x068000"),
            ("0000:18:00.0", "0x10de", "0x030200"),
            ("0000:19:00.0", "0x10de", "0x030000"),
            ("0000:19:00.1", "0x10de", "0x040300"),
            ("0000:1a:00.0", "0x10de", "0x030200"),
            ("0000:1b:00.4", "0x10de", "0x030200"),
        ] {
            tree.file(&format!("sys/bus/pci/devices/{bus}/vendor"), &format!("{vendor}\n"));
            tree.file(&format!("sys/bus/pci/devices/{bus}/class"), &format!("{class}\n"));
        }
        tree.link("sys/bus/pci/devices/0000:1a:00.0/driver", "../../../../bus/pci/drivers/vfio-pci");
        tree.link("sys/bus/pci/devices/0000:1b:00.4/physfn", "../0000:18:00.0");
        assert_eq!(gpus(), Some(2));
    }
}
