//! The hottest CPU sensor. `/sys/class/hwmon`, and `/sys/class/thermal` where that has none.

use std::path::{Path, PathBuf};

use super::{
    ledger::Ledger,
    source::{self, ReadError, Source},
};
use crate::model::{Gap, metric::node};

/// Drivers of sensors in CPUs, best first; of the first one that is there, the hottest sensor counts.
const DRIVERS: [&str; 7] = ["coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal", "apm_xgene", "acpitz"];
/// Thermal zones that are CPUs, for machines whose CPU sensors are nowhere else.
const ZONES: [&str; 4] = ["x86_pkg_temp", "cpu", "soc", "acpitz"];

#[derive(Debug)]
pub(super) struct Sensor {
    class: PathBuf,
    inputs: Vec<(PathBuf, Source)>,
}

impl Sensor {
    pub(super) fn new(root: &Path) -> Self {
        Sensor { class: root.join("sys/class"), inputs: Vec::new() }
    }

    /// Finds the sensors to read.
    pub(super) fn survey(&mut self) {
        let mut paths = hwmon(&self.class.join("hwmon"));
        if paths.is_empty() {
            paths = zones(&self.class.join("thermal"));
        }
        if !paths.iter().eq(self.inputs.iter().map(|(path, _)| path)) {
            self.inputs = paths.into_iter().map(|path| (path.clone(), Source::new(path))).collect();
        }
    }

    pub(super) fn read(&mut self, ledger: &mut Ledger) {
        let mut hottest: Option<f64> = None;
        let mut error: Option<ReadError> = None;
        for (_, input) in &mut self.inputs {
            match input.parse(|text| text.trim().parse::<f64>().ok()) {
                // A sensor of a sleeping or broken core reads some absurd constant.
                Ok(millis) if (-50_000.0..200_000.0).contains(&millis) => {
                    hottest = Some(hottest.map_or(millis, |h| h.max(millis)));
                }
                Ok(_) => {}
                Err(e) => error = Some(e),
            }
        }
        match (hottest, error) {
            (Some(millis), _) => ledger.set(node::TEMP, 0, millis / 1000.0),
            (None, Some(error)) => ledger.put(node::TEMP, 0, Err::<f64, _>(error)),
            (None, None) => ledger.set(node::TEMP, 0, Gap::Unsupported),
        }
    }
}

fn hwmon(folder: &Path) -> Vec<PathBuf> {
    let chips: Vec<_> = source::names(folder)
        .into_iter()
        .map(|name| folder.join(name))
        .filter_map(|chip| Some((source::text(&chip.join("name")).ok()?, chip)))
        .collect();
    for driver in DRIVERS {
        let of_driver = chips.iter().filter(|(name, _)| name == driver);
        let inputs: Vec<_> = of_driver.flat_map(|(_, chip)| temperatures(chip)).collect();
        if !inputs.is_empty() {
            return inputs;
        }
    }
    Vec::new()
}

/// A chip's sensors; only those of whole packages where it has such, as they are the maximum of their cores and
/// each core's own costs an interrupt on that core.
fn temperatures(chip: &Path) -> Vec<PathBuf> {
    let inputs: Vec<_> =
        source::names(chip).into_iter().filter(|name| name.starts_with("temp") && name.ends_with("_input")).collect();
    let is_package = |input: &&String| {
        let label = chip.join(input.replace("_input", "_label"));
        source::text(&label).is_ok_and(|label| label.starts_with("Package"))
    };
    let packages: Vec<_> = inputs.iter().filter(is_package).cloned().collect();
    let chosen = if packages.is_empty() { inputs } else { packages };
    chosen.into_iter().map(|input| chip.join(input)).collect()
}

fn zones(folder: &Path) -> Vec<PathBuf> {
    let is_cpu = |zone: &PathBuf| {
        source::text(&zone.join("type")).is_ok_and(|kind| ZONES.iter().any(|z| kind.to_lowercase().starts_with(z)))
    };
    let zones = source::names(folder).into_iter().filter(|name| name.starts_with("thermal_zone"));
    zones.map(|name| folder.join(name)).filter(is_cpu).map(|zone| zone.join("temp")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    fn read(tree: &Tree) -> Raw {
        let mut sensor = Sensor::new(tree.path());
        let mut ledger = Ledger::default();
        sensor.survey();
        sensor.read(&mut ledger);
        ledger.take().readings[0].raw
    }

    #[test]
    fn the_hottest_package_counts() {
        let tree = Tree::new();
        assert_eq!(read(&tree), Raw::UNSUPPORTED);
        tree.file("sys/class/thermal/thermal_zone0/type", "iwlwifi");
        tree.file("sys/class/thermal/thermal_zone0/temp", "99000");
        tree.file("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp");
        tree.file("sys/class/thermal/thermal_zone1/temp", "41000");
        assert_eq!(read(&tree), Raw::new(41.0, 1.0), "thermal zones, where there is nothing better");
        for (chip, name, sensor, label, millis) in [
            ("hwmon0", "nvme", 1, "Composite", "88000"),
            ("hwmon1", "acpitz", 1, "", "77000"),
            ("hwmon2", "coretemp", 1, "Package id 0", "50000"),
            ("hwmon2", "coretemp", 2, "Core 0", "66000"),
            ("hwmon3", "coretemp", 1, "Package id 1", "55000"),
        ] {
            tree.file(&format!("sys/class/hwmon/{chip}/name"), &format!("{name}\n"));
            tree.file(&format!("sys/class/hwmon/{chip}/temp{sensor}_label"), label);
            tree.file(&format!("sys/class/hwmon/{chip}/temp{sensor}_input"), millis);
        }
        assert_eq!(read(&tree), Raw::new(55.0, 1.0));
        tree.file("sys/class/hwmon/hwmon3/temp1_input", "999999000");
        assert_eq!(read(&tree), Raw::new(50.0, 1.0), "an absurd figure is no temperature");
    }

    #[test]
    fn a_chip_without_packages_counts_all_its_sensors() {
        let tree = Tree::new();
        tree.file("sys/class/hwmon/hwmon0/name", "k10temp");
        tree.file("sys/class/hwmon/hwmon0/temp1_input", "61500");
        tree.file("sys/class/hwmon/hwmon0/temp3_input", "63250");
        assert_eq!(read(&tree), Raw::new(63.0, 1.0));
    }
}
