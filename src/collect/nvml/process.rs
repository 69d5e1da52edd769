//! Which processes use a GPU, how much of its memory, and how much of its time.

use std::collections::BTreeMap;

use nvml_wrapper::{Device, enums::device::UsedGpuMemory, error::NvmlError, struct_wrappers::device::ProcessInfo};

use super::{
    call::{Caller, Stop, Trouble},
    mig::Instance,
    news::Sheet,
};
use crate::model::{metric::gpu, report::GpuUse};

/// The processes of one GPU.
pub(super) struct Processes {
    /// Time of the newest sample of utilisation by process, in microseconds; nothing once the GPU was found to have none.
    seen: Option<u64>,
    supported: bool,
}

/// Uses of a GPU by pid.
pub(super) type Uses = Vec<(u32, GpuUse)>;

impl Default for Processes {
    fn default() -> Self {
        Processes { seen: Some(0), supported: true }
    }
}

impl Processes {
    /// Lists the processes, each at the slot of the MIG instance that it runs on, or else of the GPU. Nothing when that
    /// could not be had.
    pub(super) fn read(
        &mut self,
        caller: Caller<'_>,
        device: &Device<'_>,
        instances: &[Instance<'_>],
        sheet: &mut Sheet,
    ) -> Result<Option<Uses>, Stop> {
        if !self.supported {
            return Ok(None);
        }
        let slot = caller.slot.unwrap_or_default();
        let listed = caller
            .call("nvmlDeviceGetComputeRunningProcesses_v3", || settled(device.running_compute_processes()))
            .and_then(|compute| Ok((compute, graphics(caller, device)?)));
        let (compute, graphics) = match listed {
            Ok(lists) => lists,
            Err(trouble) => {
                self.supported = sheet.settle(slot, &[gpu::PROCS], trouble)?;
                return Ok(None);
            }
        };
        // Processes came and went while they were listed: the next round has them.
        let (Some(compute), Some(graphics)) = (compute, graphics) else { return Ok(None) };
        let shares = self.shares(caller, device)?;
        let mut uses = BTreeMap::new();
        for process in compute.into_iter().chain(graphics) {
            let on = instances.iter().find(|instance| instance.runs(&process)).map_or(slot, |instance| instance.slot);
            let mem = match process.used_gpu_memory {
                UsedGpuMemory::Used(bytes) => Some(bytes),
                UsedGpuMemory::Unavailable => None,
            };
            let sm = shares.get(&process.pid).copied();
            // A process with a context of either kind is listed twice, with the same memory.
            let found = uses.entry((process.pid, on)).or_insert(GpuUse { slot: on, mem, sm });
            found.mem = found.mem.max(mem);
        }
        let uses: Uses = uses.into_iter().map(|((pid, _), found)| (pid, found)).collect();
        count(slot, instances, &uses, sheet);
        Ok(Some(uses))
    }

    /// Percent of SM time by pid. A process without a sample since the last look has no figure.
    fn shares(&mut self, caller: Caller<'_>, device: &Device<'_>) -> Result<BTreeMap<u32, u8>, Stop> {
        let Some(seen) = &mut self.seen else { return Ok(BTreeMap::new()) };
        let samples =
            caller.call("nvmlDeviceGetProcessUtilization", || match device.process_utilization_stats(*seen) {
                Err(NvmlError::NotFound) => Ok(Vec::new()),
                samples => samples,
            });
        let samples = match samples {
            Ok(samples) => samples,
            Err(Trouble::Unsupported) => {
                self.seen = None;
                return Ok(BTreeMap::new());
            }
            // What a process does with its time is shown as unknown; a reason would find no place there.
            Err(Trouble::Failed(_)) => return Ok(BTreeMap::new()),
            Err(Trouble::Stop(stop)) => return Err(stop),
        };
        let mut newest = BTreeMap::new();
        for sample in samples {
            *seen = sample.timestamp.max(*seen);
            let of = newest.entry(sample.pid).or_insert((0, 0));
            // Drivers were seen to hand out shares above 100 %, which say nothing.
            if sample.sm_util <= 100 && sample.timestamp >= of.0 {
                *of = (sample.timestamp, sample.sm_util as u8);
            }
        }
        Ok(newest.into_iter().filter(|(_, (when, _))| *when > 0).map(|(pid, (_, share))| (pid, share)).collect())
    }
}

/// Graphics processes; a GPU that has none of that kind has an empty list.
fn graphics(caller: Caller<'_>, device: &Device<'_>) -> Result<Option<Vec<ProcessInfo>>, Trouble> {
    let listed =
        caller.call("nvmlDeviceGetGraphicsRunningProcesses_v3", || settled(device.running_graphics_processes()));
    if listed == Err(Trouble::Unsupported) { Ok(Some(Vec::new())) } else { listed }
}

/// Nothing for a list that has grown between the question for its length and that for its contents.
fn settled(list: Result<Vec<ProcessInfo>, NvmlError>) -> Result<Option<Vec<ProcessInfo>>, NvmlError> {
    match list {
        Ok(list) => Ok(Some(list)),
        Err(NvmlError::InsufficientSize(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A GPU's processes include those on its instances.
fn count(slot: u16, instances: &[Instance<'_>], uses: &Uses, sheet: &mut Sheet) {
    let mut pids: Vec<u32> = uses.iter().map(|(pid, _)| *pid).collect();
    pids.dedup();
    sheet.value(slot, gpu::PROCS, pids.len() as f64);
    for instance in instances {
        let here = uses.iter().filter(|(_, found)| found.slot == instance.slot).count();
        sheet.value(instance.slot, gpu::PROCS, here as f64);
    }
}
