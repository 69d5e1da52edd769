//! A fleet in which even what stands still on a machine moves: the most that a hub would have to bear.
//! Limits, old errors and what links can do go up by one quantum, by two, and down again. Nothing that tells of a fault
//! is touched, and nothing of which a node that differs from most is in trouble: samples of two nodes are never of the
//! same moment.

use super::moment::Moment;
use crate::model::{
    MetricId,
    metric::{gpu, nic, node},
    report::Values,
};

/// Metrics that no machine changes from second to second, and whose next value is as good as the last.
const STILL: [MetricId; 35] = [
    gpu::POWER_LIMIT,
    gpu::TEMP_LIMIT,
    gpu::TEMP_MEM_LIMIT,
    gpu::CLOCK_SM_MAX,
    gpu::CLOCK_MEM,
    gpu::PSTATE,
    gpu::DEC,
    gpu::PROCS,
    gpu::PCIE_GEN,
    gpu::PCIE_GEN_MAX,
    gpu::PCIE_WIDTH,
    gpu::PCIE_WIDTH_MAX,
    gpu::PCIE_REPLAY,
    gpu::PCIE_REPLAY_MINUTE,
    gpu::NVLINK_ERRORS,
    gpu::NVLINK_REPLAY,
    gpu::PCIE_NONFATAL,
    gpu::ECC_SBE,
    gpu::ECC_SBE_MINUTE,
    gpu::REMAP_CORR,
    gpu::REMAP_UNCORR,
    nic::ERRORS,
    nic::ERRORS_HOUR,
    nic::LINK_DOWNED,
    nic::LINK_DOWNED_HOUR,
    nic::RECOVERY,
    nic::OUTAGE,
    node::CORES,
    node::MEM_TOTAL,
    node::SWAP_USED,
    node::PSI_MEM,
    node::EDAC_CE,
    node::EDAC_CE_HOUR,
    node::ZOMBIES,
    node::CLOCK_OFFSET,
];

/// Moves them: one and two quanta higher, second by second.
pub(super) fn stir(moment: &Moment, values: &mut Values) {
    let step = (moment.now.as_millis() / 1000 % 3) as i32;
    for metric in STILL {
        for cell in values.row_mut(metric) {
            if let Some(steps) = cell.steps() {
                *cell = super::count(steps + step);
            }
        }
    }
}
