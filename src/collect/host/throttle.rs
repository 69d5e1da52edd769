//! How often CPUs slowed down for their heat, package by package, as Intel's count it.
//! `/sys/devices/system/cpu/cpu*/thermal_throttle`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    ledger::{Ledger, Value},
    source,
};
use crate::model::{Gap, metric::node};

#[derive(Debug)]
pub(super) struct Throttle {
    cpus: PathBuf,
    /// A CPU's count for each package: all CPUs of a package tell the same. Nothing before they were looked for.
    packages: Option<Vec<PathBuf>>,
}

impl Throttle {
    pub(super) fn new(root: &Path) -> Self {
        Throttle { cpus: root.join("sys/devices/system/cpu"), packages: None }
    }

    pub(super) fn read(&mut self, ledger: &mut Ledger) {
        let packages = self.packages.get_or_insert_with(|| packages(&self.cpus));
        let sum = packages.iter().map(|file| source::number(file)).sum::<Result<u64, _>>();
        let is_none = packages.is_empty();
        if sum.is_err() {
            // A CPU that was taken offline takes its file along.
            self.packages = None;
        }
        let sum = sum.map(|sum| if is_none { Value::Gap(Gap::Unsupported) } else { Value::Number(sum as f64) });
        ledger.put(node::CPU_THROTTLE, 0, sum);
    }
}

/// The files of one CPU of each package.
fn packages(cpus: &Path) -> Vec<PathBuf> {
    let mut packages = BTreeMap::new();
    for cpu in source::names(cpus).into_iter().map(|name| cpus.join(name)) {
        let file = cpu.join("thermal_throttle/package_throttle_count");
        if file.exists()
            && let Ok(package) = source::text(&cpu.join("topology/physical_package_id"))
        {
            packages.entry(package).or_insert(file);
        }
    }
    packages.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    #[test]
    fn each_package_counts_once() {
        let tree = Tree::new();
        let read = |throttle: &mut Throttle| {
            let mut ledger = Ledger::default();
            throttle.read(&mut ledger);
            ledger.take().readings[0].raw
        };
        assert_eq!(read(&mut Throttle::new(tree.path())), Raw::UNSUPPORTED);
        tree.file("sys/devices/system/cpu/online", "0-3");
        for (cpu, package, count) in [(0, 0, "3"), (1, 0, "3"), (2, 1, "40"), (3, 1, "40")] {
            let cpu = format!("sys/devices/system/cpu/cpu{cpu}");
            tree.file(&format!("{cpu}/topology/physical_package_id"), &package.to_string());
            tree.file(&format!("{cpu}/thermal_throttle/package_throttle_count"), count);
        }
        let mut throttle = Throttle::new(tree.path());
        assert_eq!(read(&mut throttle), Raw::new(43.0, 1.0));
        tree.file("sys/devices/system/cpu/cpu2/thermal_throttle/package_throttle_count", "44");
        assert_eq!(read(&mut throttle), Raw::new(47.0, 1.0));
        tree.remove("sys/devices/system/cpu/cpu2");
        assert!(read(&mut throttle).steps().is_none(), "cpu2 is offline");
        assert_eq!(read(&mut throttle), Raw::new(43.0, 1.0), "another one of its package tells it");
    }
}
