//! Host memory as sysinfo reads it, less the GPU memory that Grace systems count as host memory.

use std::path::{Path, PathBuf};

use sysinfo::System;

use super::{
    ledger::{Ledger, Value},
    source::{self, ReadError, Source},
};
use crate::model::{Gap, metric::node};

#[derive(Debug)]
pub(super) struct Memory {
    root: PathBuf,
    system: System,
    /// `meminfo` of each NUMA node that is a GPU's memory.
    gpus: Vec<Source>,
    events: Source,
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Amounts {
    total: u64,
    available: u64,
    swap_used: u64,
}

impl Memory {
    pub(super) fn new(root: &Path) -> Result<Self, sysinfo::Error> {
        let events = Source::new(root.join("proc/vmstat"));
        Ok(Memory { root: root.to_owned(), system: System::new()?, gpus: Vec::new(), events })
    }

    /// Finds the NUMA nodes that are GPU memory: the driver puts it online as "System RAM (NVIDIA)", and it shows as
    /// nodes with memory but no CPUs. (A CXL memory card is such a node as well, but without that name.)
    pub(super) fn survey(&mut self) {
        let iomem = source::text(&self.root.join("proc/iomem")).unwrap_or_default();
        if !iomem.contains("System RAM (NVIDIA)") {
            self.gpus.clear();
            return;
        }
        let folder = self.root.join("sys/devices/system/node");
        let numa = source::names(&folder).into_iter().filter(|name| {
            let number = name.strip_prefix("node").unwrap_or_default();
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        });
        let without_cpus = numa.filter(|n| source::text(&folder.join(n).join("cpulist")).is_ok_and(|l| l.is_empty()));
        self.gpus = without_cpus.map(|name| Source::new(folder.join(name).join("meminfo"))).collect();
    }

    pub(super) fn read(&mut self, ledger: &mut Ledger) {
        self.system.refresh_memory();
        let system = &self.system;
        let all = Amounts {
            total: system.total_memory(),
            available: system.available_memory(),
            swap_used: system.total_swap().saturating_sub(system.free_swap()),
        };
        put(self.without_gpus(all), ledger);
    }

    /// Counts the processes that were ended for want of it.
    pub(super) fn inspect(&mut self, ledger: &mut Ledger) {
        let kills = self.events.parse(|text| {
            let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
            // Before 4.13, the kernel did not count them.
            Some(count.map(str::parse::<f64>).transpose().ok()?.map_or(Value::Gap(Gap::Unsupported), Value::Number))
        });
        ledger.put(node::OOM, 0, kills);
    }

    /// What is the host's own of what the kernel calls memory.
    fn without_gpus(&mut self, mut amounts: Amounts) -> Result<Amounts, ReadError> {
        if amounts.total == 0 {
            // Nothing could be read; no machine has no memory.
            return Err(ReadError::Strange { path: "/proc/meminfo".into() });
        }
        for gpu in &mut self.gpus {
            // A GPU's node has no estimate of its own; free memory and page cache come near to it.
            let (total, available) = gpu.parse(|text| {
                let parts = ["MemFree:", "Active(file):", "Inactive(file):", "SReclaimable:"];
                let available: u64 = parts.iter().filter_map(|part| field(text, part)).sum();
                Some((field(text, "MemTotal:")?, available))
            })?;
            amounts.total = amounts.total.saturating_sub(total);
            amounts.available = amounts.available.saturating_sub(available);
        }
        Ok(amounts)
    }
}

fn put(amounts: Result<Amounts, ReadError>, ledger: &mut Ledger) {
    match amounts {
        Ok(amounts) => {
            let used = amounts.total.saturating_sub(amounts.available) as f64;
            ledger.set(node::MEM_USED, 0, used);
            ledger.set(node::MEM_TOTAL, 0, amounts.total as f64);
            let share = (amounts.total > 0).then(|| used * 100.0 / amounts.total as f64);
            ledger.set(node::MEM_UTIL, 0, share);
            ledger.set(node::SWAP_USED, 0, amounts.swap_used as f64);
        }
        Err(error) => {
            for metric in [node::MEM_TOTAL, node::MEM_UTIL, node::SWAP_USED] {
                ledger.set(metric, 0, error.gap());
            }
            ledger.put(node::MEM_USED, 0, Err::<f64, _>(error));
        }
    }
}

/// The bytes of a field in a NUMA node's file: `Node 1 MemTotal:  24684092 kB`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| {
        let line = line.strip_prefix("Node ")?.trim_start_matches(|c: char| c.is_ascii_digit());
        line.trim_start().strip_prefix(name)
    })?;
    Some(line.trim().trim_end_matches("kB").trim_end().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    const MIB: u64 = 1_048_576;

    /// What is told when the kernel says `total` and `available`, in MiB.
    fn told(memory: &mut Memory, total: u64, available: u64) -> [Raw; 4] {
        let all = Amounts { total: total * MIB, available: available * MIB, swap_used: MIB };
        let mut ledger = Ledger::default();
        put(memory.without_gpus(all), &mut ledger);
        raws(ledger)
    }

    fn raws(mut ledger: Ledger) -> [Raw; 4] {
        let readings = ledger.take().readings;
        [node::MEM_USED, node::MEM_TOTAL, node::MEM_UTIL, node::SWAP_USED]
            .map(|metric| readings.iter().find(|r| r.metric == metric).unwrap().raw)
    }

    #[test]
    fn used_is_what_is_not_available() {
        let tree = Tree::new();
        let mut memory = Memory::new(tree.path()).unwrap();
        memory.survey();
        let expected = [Raw::new(400.0, 1.0), Raw::new(1000.0, 1.0), Raw::new(40.0, 0.5), Raw::new(1.0, 1.0)];
        assert_eq!(told(&mut memory, 1000, 600), expected);
        assert_eq!(told(&mut memory, 0, 0), [Raw::FAILED; 4], "no machine has no memory");
    }

    #[test]
    fn what_the_kernel_ended_is_counted() {
        let tree = Tree::new();
        let mut memory = Memory::new(tree.path()).unwrap();
        let mut check = |vmstat: &str, expected: Raw| {
            tree.file("proc/vmstat", vmstat);
            let mut ledger = Ledger::default();
            memory.inspect(&mut ledger);
            assert_eq!(ledger.take().readings[0].raw, expected, "{vmstat}");
        };
        check("nr_free_pages 12\noom_kill 3\nunevictable_pgs_culled 0\n", Raw::new(3.0, 1.0));
        check("nr_free_pages 12\n", Raw::UNSUPPORTED);
        check("oom_kill many\n", Raw::FAILED);
    }

    #[test]
    fn this_machines_memory_is_what_the_kernel_says() {
        let mut memory = Memory::new(Path::new("/")).unwrap();
        let mut ledger = Ledger::default();
        memory.survey();
        memory.read(&mut ledger);
        let [used, total, _, _] = raws(ledger);
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let kibs: u64 = meminfo.split_whitespace().nth(1).unwrap().parse().unwrap();
        if memory.gpus.is_empty() {
            assert_eq!(total, Raw::new((kibs * 1024) as f64, MIB as f64));
        }
        assert!(used.value(1.0).unwrap() > 0.0 && used.value(1.0) < total.value(1.0));
    }

    #[test]
    fn gpu_memory_of_a_grace_system_is_not_host_memory() {
        let tree = Tree::new();
        // 480 MiB of the host's own with 80 in use; a GPU's 96 with 16 in use; a CPU node; an empty spare node.
        let (total, available) = (480 + 96, 400 + 80);
        tree.file("sys/devices/system/node/node0/cpulist", "0-71\n");
        tree.file("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 491520 kB\n");
        tree.file("sys/devices/system/node/node1/cpulist", "\n");
        let gpu = "Node 1 MemTotal: 98304 kB\nNode 1 MemFree: 71680 kB\nNode 1 Inactive(file): 10240 kB\n";
        tree.file("sys/devices/system/node/node1/meminfo", gpu);
        tree.file("sys/devices/system/node/node2/cpulist", "\n");
        tree.file("sys/devices/system/node/node2/meminfo", "Node 2 MemTotal: 0 kB\nNode 2 MemFree: 0 kB\n");
        tree.file("proc/iomem", "00000000-00000000 : System RAM\n");
        let mut memory = Memory::new(tree.path()).unwrap();
        memory.survey();
        let without_cpus = told(&mut memory, total, available)[1];
        assert_eq!(without_cpus, Raw::new(576.0, 1.0), "memory without CPUs that is no GPU's is the host's");
        tree.file("proc/iomem", "00000000-00000000 : System RAM\n  00000000-00000000 : System RAM (NVIDIA)\n");
        memory.survey();
        assert_eq!(told(&mut memory, total, available)[..2], [Raw::new(80.0, 1.0), Raw::new(480.0, 1.0)]);
        tree.file("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: many kB\n");
        assert_eq!(told(&mut memory, total, available), [Raw::FAILED; 4]);
    }
}
