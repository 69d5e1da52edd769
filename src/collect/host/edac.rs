//! Errors of host memory, as the memory controllers count them. `/sys/devices/system/edac/mc`.

use std::path::{Path, PathBuf};

use super::{
    ledger::{Ledger, Value},
    source,
};
use crate::model::{Gap, metric::node};

#[derive(Debug)]
pub(super) struct Edac(PathBuf);

impl Edac {
    pub(super) fn new(root: &Path) -> Self {
        Edac(root.join("sys/devices/system/edac/mc"))
    }

    pub(super) fn read(&self, ledger: &mut Ledger) {
        let controllers: Vec<_> = source::names(&self.0).into_iter().filter(|name| name.starts_with("mc")).collect();
        for (metric, file) in [(node::EDAC_CE, "ce_count"), (node::EDAC_UE, "ue_count")] {
            let counts = controllers.iter().map(|name| source::number(&self.0.join(name).join(file)));
            let sum = counts.sum::<Result<u64, _>>().map(|sum| Value::Number(sum as f64));
            let sum = if controllers.is_empty() { Ok(Value::Gap(Gap::Unsupported)) } else { sum };
            ledger.put(metric, 0, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    #[test]
    fn controllers_are_summed() {
        let tree = Tree::new();
        let check = |expected: [Raw; 2]| {
            let mut ledger = Ledger::default();
            Edac::new(tree.path()).read(&mut ledger);
            assert_eq!(ledger.take().readings.iter().map(|r| r.raw).collect::<Vec<_>>(), expected);
        };
        check([Raw::UNSUPPORTED; 2]);
        for (mc, ce) in [("mc0", "3"), ("mc1", "4")] {
            tree.file(&format!("sys/devices/system/edac/mc/{mc}/ce_count"), ce);
            tree.file(&format!("sys/devices/system/edac/mc/{mc}/ue_count"), "0");
        }
        tree.file("sys/devices/system/edac/mc/power/control", "auto");
        check([Raw::new(7.0, 1.0), Raw::new(0.0, 1.0)]);
        tree.file("sys/devices/system/edac/mc/mc1/ue_count", "?");
        check([Raw::new(7.0, 1.0), Raw::FAILED]);
    }
}
