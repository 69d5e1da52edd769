//! What the machine is: names, versions, its boot, and the GPUs on its bus.

use std::path::{Path, PathBuf};

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
            ledger.findings.events.extend(self.boot(&host));
        }
        if self.told.as_ref() != Some(&host) {
            ledger.findings.host = Some(host.clone());
            self.told = Some(host);
        }
    }

    fn host(&self) -> Host {
        let kernel = |file| source::text(&self.root.join("proc/sys/kernel").join(file)).unwrap_or_default();
        Host {
            hostname: kernel("hostname"),
            os: self.os(),
            kernel: kernel("osrelease"),
            // A core put online or offline does not make it another CPU.
            cpu_model: self.told.as_ref().map_or_else(|| self.cpu_model(), |told| told.cpu_model.clone()),
            boot_id: boot_id(&self.root),
        }
    }

    fn os(&self) -> String {
        let files = ["etc/os-release", "usr/lib/os-release"];
        let release = files.iter().find_map(|file| source::text(&self.root.join(file)).ok()).unwrap_or_default();
        let field = |name: &str| release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        field("PRETTY_NAME").or_else(|| field("NAME")).unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    }

    fn cpu_model(&self) -> String {
        let info = source::text(&self.root.join("proc/cpuinfo")).unwrap_or_default();
        let field = |name: &str| {
            let mut fields = info.lines().filter_map(|line| line.split_once(':'));
            fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
        };
        // ARM gives numbers only; sysinfo knows the names that go with them, but only of the live machine.
        let named = || {
            let refresh = sysinfo::RefreshKind::nothing().with_cpu(sysinfo::CpuRefreshKind::nothing());
            let system = sysinfo::System::new_with_specifics(refresh).ok()?;
            system.cpus().first().map(|cpu| cpu.brand().to_owned())
        };
        let model = field("model name").or_else(|| field("CPU part").is_some().then(named).flatten());
        model.unwrap_or_default()
    }

    /// The start of the machine as an event. Its id is the same whenever an agent tells it.
    fn boot(&self, host: &Host) -> Option<Event> {
        let seconds = boot_time(&self.root)?;
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

/// When the machine was started, in seconds since the epoch.
pub(super) fn boot_time(root: &Path) -> Option<i64> {
    let stat = source::text(&root.join("proc/stat")).ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::host::tree::Tree;

    #[test]
    fn the_machine_is_told_once_and_its_boot_by_a_lasting_id() {
        let tree = Tree::new();
        tree.file("proc/sys/kernel/hostname", "gpu017\n");
        tree.file("proc/sys/kernel/osrelease", "6.8.0-51-generic\n");
        tree.file("proc/sys/kernel/random/boot_id", "0d1e-2f\n");
        tree.file("etc/os-release", "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\n");
        tree.file("proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC 9654\n");
        tree.file("proc/stat", "cpu 1 1 1 1\nbtime 1700000000\n");
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
        let host = Host {
            hostname: "gpu017".into(),
            os: "Ubuntu 24.04.1 LTS".into(),
            kernel: "6.8.0-51-generic".into(),
            cpu_model: "AMD EPYC 9654".into(),
            boot_id: "0d1e-2f".into(),
        };
        assert_eq!(first.host, Some(host));
        assert_eq!(first.events.len(), 1);
        assert_eq!(
            (&*first.events[0].id, first.events[0].time),
            ("0d1e-2f/boot", Time::from_millis(1_700_000_000_000))
        );
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
