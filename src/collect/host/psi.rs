//! Pressure: the share of time in which tasks waited for CPU, memory or I/O. `/proc/pressure`.

use std::path::Path;

use super::{ledger::Ledger, source::Source};
use crate::model::{MetricId, metric::node};

#[derive(Debug)]
pub(super) struct Psi([(MetricId, Source); 3]);

impl Psi {
    pub(super) fn new(root: &Path) -> Self {
        let files = [(node::PSI_CPU, "cpu"), (node::PSI_MEM, "memory"), (node::PSI_IO, "io")];
        Psi(files.map(|(metric, file)| (metric, Source::new(root.join("proc/pressure").join(file)))))
    }

    pub(super) fn read(&mut self, ledger: &mut Ledger) {
        for (metric, source) in &mut self.0 {
            ledger.put(*metric, 0, source.parse(some));
        }
    }
}

/// `some avg10=0.12 avg60=…`: percent of the last 10 s.
fn some(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_ascii_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    #[test]
    fn pressure_is_the_last_ten_seconds_of_some() {
        let tree = Tree::new();
        tree.file("proc/pressure/cpu", "some avg10=12.30 avg60=1.00 avg300=0.00 total=5\n");
        tree.file("proc/pressure/io", "full avg10=1.00\n");
        let mut ledger = Ledger::default();
        Psi::new(tree.path()).read(&mut ledger);
        let raws: Vec<_> = ledger.take().readings.iter().map(|r| r.raw).collect();
        assert_eq!(raws, [Raw::new(12.3, 0.1), Raw::UNSUPPORTED, Raw::FAILED]);
    }
}
