//! How busy the CPUs are, each and all, and the load: `/proc/stat` and `/proc/loadavg`.

use std::path::Path;

use super::{ledger::Ledger, source::Source};
use crate::model::{Gap, metric::node, report::Processes};

/// CPU time since boot, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ticks {
    idle: u64,
    all: u64,
}

#[derive(Debug)]
pub(super) struct Cpu {
    stat: Source,
    loadavg: Source,
    last: Table,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Table {
    total: Ticks,
    /// By number; a CPU that is offline has no line and no ticks.
    cores: Vec<Option<Ticks>>,
}

impl Cpu {
    pub(super) fn new(root: &Path) -> Self {
        Cpu {
            stat: Source::new(root.join("proc/stat")),
            loadavg: Source::new(root.join("proc/loadavg")),
            last: Table::default(),
        }
    }

    pub(super) fn read(&mut self, ledger: &mut Ledger) {
        ledger.put(node::LOAD1, 0, self.loadavg.parse(|text| text.split_whitespace().next()?.parse::<f64>().ok()));
        match self.stat.parse(table) {
            Ok(table) => {
                let online = table.cores.iter().flatten().count();
                ledger.set(node::CORES, 0, online as f64);
                // When nothing was counted since the last round, what was said then still stands.
                if self.last.total.all == 0 {
                    ledger.set(node::CPU, 0, Gap::Unknown);
                } else if let Some(share) = busy(self.last.total, table.total) {
                    ledger.set(node::CPU, 0, share);
                    ledger.findings.cores = Some(cores(&self.last.cores, &table.cores));
                }
                self.last = table;
            }
            Err(error) => {
                ledger.set(node::CORES, 0, error.gap());
                ledger.put(node::CPU, 0, Err::<f64, _>(error));
            }
        }
    }
}

/// The CPU lines of `/proc/stat`, which come first.
fn table(text: &str) -> Option<Table> {
    let mut table = Table::default();
    for line in text.lines().take_while(|line| line.starts_with("cpu")) {
        let (name, counts) = line.split_once(' ')?;
        let ticks = ticks(counts)?;
        match name[3..].parse::<usize>() {
            Err(_) => table.total = ticks,
            Ok(number) if number < 65_536 => {
                table.cores.resize(table.cores.len().max(number + 1), None);
                table.cores[number] = Some(ticks);
            }
            Ok(_) => return None,
        }
    }
    (table.total.all > 0).then_some(table)
}

/// user nice system idle iowait irq softirq steal; what guests use is in user already.
fn ticks(counts: &str) -> Option<Ticks> {
    let mut ticks = Ticks::default();
    let mut columns = 0;
    for (column, count) in counts.split_ascii_whitespace().take(8).enumerate() {
        let count: u64 = count.parse().ok()?;
        ticks.all = ticks.all.saturating_add(count);
        if column == 3 || column == 4 {
            ticks.idle = ticks.idle.saturating_add(count);
        }
        columns = column + 1;
    }
    (columns >= 4).then_some(ticks)
}

/// Percent of the time between that was not idle. Nothing when none has passed.
fn busy(before: Ticks, after: Ticks) -> Option<f64> {
    let all = after.all.checked_sub(before.all).filter(|all| *all > 0)?;
    // The kernel takes back some I/O wait now and then, so idle time may shrink.
    let idle = after.idle.saturating_sub(before.idle).min(all);
    Some((all - idle) as f64 * 100.0 / all as f64)
}

fn cores(before: &[Option<Ticks>], after: &[Option<Ticks>]) -> Vec<u8> {
    let share = |(number, after): (usize, &Option<Ticks>)| {
        let before = before.get(number).copied().flatten()?;
        // A core that counted nothing at all slept through.
        after.map(|after| busy(before, after).map_or(0, |percent| percent.round() as u8))
    };
    after.iter().enumerate().map(|core| share(core).unwrap_or(Processes::OFFLINE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    #[test]
    fn busy_is_what_was_not_idle() {
        let tree = Tree::new();
        tree.file("proc/loadavg", "1.25 0.02 0.06 1/92 12157\n");
        let mut cpu = Cpu::new(tree.path());
        let mut ledger = Ledger::default();
        let mut check = |stat: &str, util: Raw, cores: Option<&[u8]>| {
            tree.file("proc/stat", stat);
            cpu.read(&mut ledger);
            let findings = ledger.take();
            let raw = |metric| findings.readings.iter().find(|r| r.metric == metric).map(|r| r.raw);
            assert_eq!(raw(node::CPU).unwrap_or_default(), util, "{stat}");
            assert_eq!(raw(node::LOAD1), Some(Raw::new(1.25, 0.01)));
            assert_eq!(raw(node::CORES), Some(Raw::new(2.0, 1.0)));
            assert_eq!(findings.cores.as_deref(), cores, "{stat}");
        };
        check("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 1 1 1\ncpu2 1 1 1 1\nintr 9 9\n", Raw::UNKNOWN, None);
        // 100 more ticks, of which 40 idle and 10 waiting; guest time is not counted twice.
        let second = "cpu  120 0 120 740 110 0 5 5 70 0\ncpu0 1 1 1 11\ncpu2 11 1 1 1\nintr 9 9\n";
        check(second, Raw::new(50.0, 0.5), Some(&[0, Processes::OFFLINE, 100]));
        // The kernel took I/O wait back: never above 100.
        let third = "cpu  130 0 120 740 90 10 5 15 70 0\ncpu0 1 1 1 12\ncpu2 12 1 1 1\n";
        check(third, Raw::new(100.0, 0.5), Some(&[0, Processes::OFFLINE, 100]));
    }

    #[test]
    fn a_strange_file_is_a_failure_with_its_name() {
        let tree = Tree::new();
        tree.file("proc/stat", "cpu  1 2 x 4\n");
        let mut ledger = Ledger::default();
        Cpu::new(tree.path()).read(&mut ledger);
        let findings = ledger.take();
        assert!(findings.readings.iter().any(|r| r.metric == node::CPU && r.raw == Raw::FAILED));
        assert!(findings.readings.iter().any(|r| r.metric == node::LOAD1 && r.raw == Raw::UNSUPPORTED));
        assert!(findings.faults.unwrap()[0].reason.ends_with("proc/stat: not understood"));
    }
}
