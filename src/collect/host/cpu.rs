//! How busy the CPUs are, each and all, and the load, as sysinfo counts them.

use std::{path::Path, time::Instant};

use sysinfo::{CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, System};

use super::{
    ledger::Ledger,
    source::{ReadError, Source},
};
use crate::model::{Gap, metric::node, report::Processes};

#[derive(Debug)]
pub(super) struct Cpu {
    system: System,
    /// Which CPUs are online. sysinfo pairs them by their place in the list, so another list is counted anew.
    online: Source,
    listed: String,
    /// When CPU time was counted first. There is no share before the second time.
    since: Option<Instant>,
}

impl Cpu {
    pub(super) fn new(root: &Path) -> Result<Self, sysinfo::Error> {
        Ok(Cpu {
            system: System::new()?,
            online: Source::new(root.join("sys/devices/system/cpu/online")),
            listed: String::new(),
            since: None,
        })
    }

    pub(super) fn read(&mut self, ledger: &mut Ledger) {
        ledger.put(node::LOAD1, 0, System::load_average().map(|load| load.one).map_err(ReadError::from));
        self.count();
        let cores = self.system.cpus().len();
        if cores == 0 {
            let error = ReadError::Strange { path: "/proc/stat".into() };
            ledger.set(node::CORES, 0, error.gap());
            return ledger.put(node::CPU, 0, Err::<f64, _>(error));
        }
        ledger.set(node::CORES, 0, cores as f64);
        if self.since.is_some_and(|since| since.elapsed() >= MINIMUM_CPU_UPDATE_INTERVAL) {
            ledger.set(node::CPU, 0, f64::from(self.system.global_cpu_usage()));
            let shares = self.system.cpus().iter().map(|cpu| (cpu.name(), cpu.usage()));
            ledger.findings.cores = Some(by_number(shares));
        } else {
            ledger.set(node::CPU, 0, Gap::Unknown);
            self.since.get_or_insert_with(Instant::now);
        }
    }

    fn count(&mut self) {
        let online = self.online.read().unwrap_or_default();
        let usage = CpuRefreshKind::nothing().with_usage();
        if self.since.is_none() || online != self.listed {
            self.listed = online.to_owned();
            self.since = None;
            self.system.refresh_cpu_list(usage);
        } else {
            self.system.refresh_cpu_specifics(usage);
        }
    }
}

/// Percent of each CPU in the place of its number; a CPU that is offline is not among `shares`.
fn by_number<'a>(shares: impl Iterator<Item = (&'a str, f32)>) -> Vec<u8> {
    let mut cores = Vec::new();
    for (name, share) in shares {
        let number = name.strip_prefix("cpu").and_then(|number| number.parse::<u16>().ok());
        let Some(number) = number.map(usize::from) else { continue };
        cores.resize(cores.len().max(number + 1), Processes::OFFLINE);
        cores[number] = share.round() as u8;
    }
    cores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    fn value(cpu: &mut Cpu) -> (Raw, Option<Vec<u8>>) {
        let mut ledger = Ledger::default();
        cpu.read(&mut ledger);
        let findings = ledger.take();
        (findings.readings.iter().find(|r| r.metric == node::CPU).unwrap().raw, findings.cores)
    }

    fn until_known(cpu: &mut Cpu) -> (f64, Vec<u8>) {
        loop {
            if let (raw, Some(cores)) = value(cpu) {
                return (raw.value(0.5).expect("shares come together"), cores);
            }
        }
    }

    #[test]
    fn the_share_of_a_busy_machine_is_known_the_second_time() {
        let mut cpu = Cpu::new(Path::new("/")).unwrap();
        assert_eq!(value(&mut cpu), (Raw::UNKNOWN, None), "nothing to compare with");
        let (share, cores) = until_known(&mut cpu);
        assert!(share > 0.0 && share <= 100.0, "{share}: this test is busy itself");
        assert!(cores.iter().any(|core| (1..=100).contains(core)), "{cores:?}");
    }

    #[test]
    fn another_list_of_cpus_is_counted_anew() {
        let tree = Tree::new();
        tree.file("sys/devices/system/cpu/online", "0-1\n");
        let mut cpu = Cpu::new(tree.path()).unwrap();
        value(&mut cpu);
        until_known(&mut cpu);
        tree.file("sys/devices/system/cpu/online", "0\n");
        assert_eq!(value(&mut cpu), (Raw::UNKNOWN, None));
    }

    #[test]
    fn cpus_that_are_offline_leave_a_gap() {
        let shares = [("cpu0", 0.4), ("cpu3", 99.6), ("cpu", 50.0)];
        let offline = Processes::OFFLINE;
        assert_eq!(by_number(shares.into_iter()), [0, offline, offline, 100]);
    }
}
