//! What the machine draws, where it has a meter of its own, and what its CPUs do. `/sys/class/hwmon`,
//! `/sys/class/powercap`.
//!
//! A meter may be the baseboard's, asked by the firmware, and take its time: this is a collector of its own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    Due, OFTEN, RARELY,
    ledger::{Ledger, Value},
    rate::Rate,
    source::{self, ReadError, Source},
};
use crate::{
    collect::{Collector, Findings, clock::Clock},
    model::{Gap, Time, metric::node},
};

/// The driver of ACPI power meters, which baseboards and superchips show themselves by.
const METER: &str = "power_meter";
/// What a superchip calls the meter of all of a module, GPU included; the others are parts of it. A meter without a name is
/// the machine's.
const WHOLE: &str = "Module Power";
/// Zones of CPU packages, with the zones of their memory below them.
const PACKAGE: &str = "intel-rapl:";

/// The collector `power`.
#[derive(Debug)]
pub struct Power {
    clock: Clock,
    ledger: Ledger,
    class: PathBuf,
    meters: BTreeMap<PathBuf, Source>,
    counters: BTreeMap<PathBuf, Counter>,
    often: Due,
    rarely: Due,
}

/// A zone's energy counter, in microjoules.
#[derive(Debug)]
struct Counter {
    source: Source,
    rate: Rate,
}

impl Power {
    /// Reads the machine whose filesystem is at `root`.
    pub(super) fn new(root: &Path) -> Power {
        Power::with(root, Clock::monotonic())
    }

    fn with(root: &Path, clock: Clock) -> Power {
        let (ledger, meters, counters) = Default::default();
        let (often, rarely) = (Due::every(OFTEN), Due::every(RARELY));
        Power { clock, ledger, class: root.join("sys/class"), meters, counters, often, rarely }
    }

    /// Finds what there is to read.
    fn survey(&mut self) {
        let meters = meters(&self.class.join("hwmon"));
        self.meters.retain(|path, _| meters.contains(path));
        for path in meters {
            self.meters.entry(path.clone()).or_insert_with(|| Source::new(path));
        }
        let counters = counters(&self.class.join("powercap"));
        self.counters.retain(|path, _| counters.contains(path));
        for path in counters {
            let new = || Counter { source: Source::new(path.clone()), rate: Rate::default() };
            self.counters.entry(path.clone()).or_insert_with(new);
        }
    }

    fn read(&mut self, at: Duration) {
        let of_meters = self.meters.values_mut().map(|meter| Ok(Value::Number(meter.number()? as f64 / 1e6)));
        let machine = sum(of_meters);
        let of_counters = self.counters.values_mut().map(|counter| {
            let rate = counter.rate.per_second(counter.source.number()?, at);
            // The first time, and when the counter has begun anew, there is nothing to tell.
            Ok(rate.map_or(Value::Gap(Gap::Unknown), |rate| Value::Number(rate / 1e6)))
        });
        let cpus = sum(of_counters);
        self.ledger.put(node::TOTAL_POWER, 0, machine);
        self.ledger.put(node::CPU_POWER, 0, cpus);
    }
}

impl Collector for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn collect(&mut self, _now: Time) -> Findings {
        let at = self.clock.now();
        let began = Instant::now();
        if self.rarely.is_due(at) {
            self.survey();
        }
        let often = self.often.is_due(at);
        if often {
            self.read(at);
        }
        self.ledger.cost("meters", often, began);
        self.ledger.take()
    }
}

/// The sum of several; one that cannot be read is why there is none.
fn sum(values: impl Iterator<Item = Result<Value, ReadError>>) -> Result<Value, ReadError> {
    Ok(Value::sum(values.collect::<Result<Vec<_>, _>>()?))
}

/// The meters that together tell what the whole machine draws.
fn meters(folder: &Path) -> Vec<PathBuf> {
    let chips = source::names(folder).into_iter().map(|name| folder.join(name));
    let meters = chips.filter(|chip| source::text(&chip.join("name")).is_ok_and(|name| name == METER));
    let named = meters.filter_map(|chip| {
        let files = ["power1_average", "power1_input"].map(|name| chip.join(name));
        let path = files.into_iter().find(|path| path.exists())?;
        let name = ["power1_oem_info", "device/power1_oem_info"].map(|name| source::text(&chip.join(name)).ok());
        Some((name.into_iter().flatten().next().unwrap_or_default(), path))
    });
    let named: Vec<(String, PathBuf)> = named.collect();
    let modules: Vec<PathBuf> =
        named.iter().filter(|(name, _)| name.starts_with(WHOLE)).map(|(_, path)| path.clone()).collect();
    if !modules.is_empty() {
        return modules;
    }
    named.into_iter().filter(|(name, _)| name.is_empty()).map(|(_, path)| path).take(1).collect()
}

/// The energy counters of CPU packages and of the memory at them. What else a package counts is in its own.
fn counters(folder: &Path) -> Vec<PathBuf> {
    let zones = source::names(folder).into_iter().filter(|name| name.starts_with(PACKAGE));
    let counts = |name: &str| name.starts_with("package") || name == "dram";
    let counted = zones
        .map(|zone| folder.join(zone))
        .filter(|zone| source::text(&zone.join("name")).is_ok_and(|name| counts(&name)));
    counted.map(|zone| zone.join("energy_uj")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    /// What it tells of the machine and of its CPUs.
    fn read(power: &mut Power) -> [Raw; 2] {
        let findings = power.collect(Time::default());
        [node::TOTAL_POWER, node::CPU_POWER]
            .map(|metric| findings.readings.iter().find(|it| it.metric == metric).map(|it| it.raw).expect("told"))
    }

    fn of(tree: &Tree) -> [Raw; 2] {
        read(&mut Power::with(tree.path(), Clock::by_hand().0))
    }

    #[test]
    fn a_machine_has_one_meter_or_one_for_each_module() {
        let tree = Tree::new();
        assert_eq!(of(&tree), [Raw::UNSUPPORTED; 2]);
        tree.file("sys/class/hwmon/hwmon0/name", "nvme");
        tree.file("sys/class/hwmon/hwmon0/power1_input", "9000000");
        assert_eq!(of(&tree)[0], Raw::UNSUPPORTED, "a disk is no machine");
        tree.file("sys/class/hwmon/hwmon1/name", "power_meter");
        tree.file("sys/class/hwmon/hwmon1/power1_average", "5250000000");
        assert_eq!(of(&tree)[0], Raw::new(5250.0, 1.0));
        for (chip, name, power) in [
            ("hwmon2", "Module Power Socket 0", "610000000"),
            ("hwmon3", "Grace Power Socket 0", "150000000"),
            ("hwmon4", "Module Power Socket 1", "590000000"),
        ] {
            tree.file(&format!("sys/class/hwmon/{chip}/name"), "power_meter");
            tree.file(&format!("sys/class/hwmon/{chip}/power1_average"), power);
            tree.file(&format!("sys/class/hwmon/{chip}/device/power1_oem_info"), name);
        }
        assert_eq!(of(&tree)[0], Raw::new(1200.0, 1.0));
        tree.file("sys/class/hwmon/hwmon4/power1_average", "?");
        assert_eq!(of(&tree)[0], Raw::FAILED, "a part is not the whole");
    }

    #[test]
    fn packages_and_their_memory_are_summed() {
        let tree = Tree::new();
        let count = |zone: &str, name: &str, joules: u64| {
            tree.file(&format!("sys/class/powercap/{zone}/name"), name);
            tree.file(&format!("sys/class/powercap/{zone}/energy_uj"), &(joules * 1_000_000).to_string());
        };
        let all = |joules: u64| {
            count("intel-rapl:0", "package-0", 1000 + joules);
            count("intel-rapl:0:0", "core", joules / 2);
            count("intel-rapl:0:1", "dram", joules / 10);
            count("intel-rapl:1", "package-1", 5000 + joules);
            count("intel-rapl:2", "psys", 9 * joules);
            count("intel-rapl-mmio:0", "package-0", joules);
        };
        all(0);
        let (clock, hand) = Clock::by_hand();
        let mut power = Power::with(tree.path(), clock);
        assert_eq!(read(&mut power)[1], Raw::UNKNOWN, "one look is no rate");
        all(1000);
        hand.advance(Duration::from_secs(5));
        assert_eq!(read(&mut power)[1], Raw::new(420.0, 1.0));
        all(10);
        hand.advance(Duration::from_secs(5));
        assert_eq!(read(&mut power)[1], Raw::UNKNOWN, "it began anew");
    }
}
