//! PCIe errors of GPUs that were not corrected, as the kernel counts them of each device (AER). No driver is asked.

use std::path::Path;

use super::news::Sheet;
use crate::{
    collect::pci,
    model::{Gap, metric::gpu},
};

/// Reads those of the GPU at this address.
pub(super) fn read(sys: &Path, slot: u16, bus: &str, sheet: &mut Sheet) {
    for (metric, kind) in [(gpu::PCIE_FATAL, "fatal"), (gpu::PCIE_NONFATAL, "nonfatal")] {
        match pci::uncorrected(sys, bus, kind) {
            Ok(Some(count)) => sheet.value(slot, metric, count as f64),
            Ok(None) => sheet.gap(slot, metric, Gap::Unsupported),
            Err(error) => sheet.failed(slot, metric, &format!("aer_dev_{kind}: {error}")),
        }
    }
}
