//! MIG: the instances that a GPU is divided into. They have memory, processes and GPM, and nothing else of their own.

use nvml_wrapper::{Device, error::NvmlError, struct_wrappers::device::ProcessInfo};

use super::{
    call::{Caller, Stop, Trouble},
    gpm::{self, Gpm, Whose},
    news::Sheet,
    probe::MEMORY,
};
use crate::{
    collect::raw,
    model::{Gap, MetricId, Scope, metric::gpu, report::Gpu, text::clean},
};

/// How a GPU is divided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Division {
    /// `off`, `on`, or empty when the GPU cannot be divided.
    pub(super) mode: String,
    /// Its MIG devices, by their number.
    pub(super) parts: Vec<Part>,
}

/// A MIG device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its number on the GPU.
    number: u32,
    uuid: String,
    /// `1g.10gb`.
    profile: String,
    gpu_instance: Option<u32>,
    compute_instance: Option<u32>,
}

/// A MIG device that is being read.
pub(super) struct Instance<'n> {
    pub(super) slot: u16,
    part: Part,
    device: Device<'n>,
    gpm: Gpm<'n>,
    has_memory: bool,
}

/// How the GPU is divided now. Nothing when that could not be had.
pub(super) fn division(caller: Caller<'_>, device: &Device<'_>) -> Result<Option<Division>, Stop> {
    const OFF: u32 = 0;
    match caller.call("nvmlDeviceGetMigMode", || device.mig_mode()) {
        Ok(mode) if mode.current == OFF => return Ok(Some(Division { mode: "off".into(), parts: Vec::new() })),
        Ok(_) => {}
        Err(Trouble::Unsupported) => return Ok(Some(Division::default())),
        Err(Trouble::Failed(_)) => return Ok(None),
        Err(Trouble::Stop(stop)) => return Err(stop),
    }
    let count = answer(caller.call("nvmlDeviceGetMaxMigDeviceCount", || device.mig_device_count()))?.unwrap_or(0);
    let mut parts = Vec::new();
    for number in 0..count {
        if let Some(device) = part_device(caller, device, number)? {
            parts.push(part(caller, &device, number)?);
        }
    }
    Ok(Some(Division { mode: "on".into(), parts }))
}

/// The handle of a MIG device; numbers may have gaps.
fn part_device<'n>(caller: Caller<'_>, device: &Device<'n>, number: u32) -> Result<Option<Device<'n>>, Stop> {
    let handle = caller.call("nvmlDeviceGetMigDeviceHandleByIndex", || match device.mig_device_by_index(number) {
        Err(NvmlError::NotFound | NvmlError::InvalidArg) => Ok(None),
        handle => handle.map(Some),
    });
    Ok(answer(handle)?.flatten())
}

fn part(caller: Caller<'_>, device: &Device<'_>, number: u32) -> Result<Part, Stop> {
    let uuid = answer(caller.call("nvmlDeviceGetUUID", || device.uuid()))?.unwrap_or_default();
    let name = answer(caller.call("nvmlDeviceGetName", || device.name()))?.unwrap_or_default();
    let profile = name.rsplit_once("MIG ").map_or(name.as_str(), |(_, profile)| profile);
    let profile = clean(profile, 32).into_owned();
    let gpu_instance = answer(caller.call("nvmlDeviceGetGpuInstanceId", || raw::nvml::gpu_instance(device)))?;
    let compute_instance =
        answer(caller.call("nvmlDeviceGetComputeInstanceId", || raw::nvml::compute_instance(device)))?;
    Ok(Part { number, uuid: clean(&uuid, 96).into_owned(), profile, gpu_instance, compute_instance })
}

/// What is not known of a MIG device is left out; only what stops everything stops this.
fn answer<T>(answer: Result<T, Trouble>) -> Result<Option<T>, Stop> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(_) => Ok(None),
    }
}

impl<'n> Instance<'n> {
    /// The instances of a GPU that is divided like this, at slots from `first` on.
    pub(super) fn all(caller: Caller<'n>, device: &Device<'n>, division: &Division) -> Result<Vec<Instance<'n>>, Stop> {
        let mut instances = Vec::new();
        for part in &division.parts {
            let Some(device) = part_device(caller, device, part.number)? else { continue };
            let gpm = Gpm::new(Whose::Instance(part.gpu_instance.unwrap_or_default()));
            instances.push(Instance { slot: 0, part: part.clone(), device, gpm, has_memory: true });
        }
        Ok(instances)
    }

    /// The number of its GPU instance.
    pub(super) fn number(&self) -> Option<u32> {
        self.part.gpu_instance
    }

    /// How the inventory lists it, under its GPU at slot `parent`.
    pub(super) fn listed(&self, gpu: &Gpu, parent: u16) -> Gpu {
        Gpu {
            index: format!("{}.{}", gpu.index, self.part.number),
            uuid: self.part.uuid.clone(),
            mig: self.part.profile.clone(),
            parent: Some(parent),
            ..gpu.clone()
        }
    }

    /// Whether the process runs on it.
    pub(super) fn runs(&self, process: &ProcessInfo) -> bool {
        let same = |its: Option<u32>, ours: Option<u32>| its.is_none() || ours.is_none() || its == ours;
        process.gpu_instance_id.is_some()
            && process.gpu_instance_id == self.part.gpu_instance
            && same(process.compute_instance_id, self.part.compute_instance)
    }

    /// What an instance never has.
    pub(super) fn tell_gaps(&self, sheet: &mut Sheet) {
        let has = |metric: MetricId| {
            metric == gpu::PROCS || MEMORY.metrics.contains(&metric) || gpm::ACTIVITY.contains(&metric)
        };
        for row in 0..Scope::Gpu.metrics().len() {
            let metric = MetricId { scope: Scope::Gpu, row: row as u16 };
            if !has(metric) {
                sheet.gap(self.slot, metric, Gap::Unsupported);
            }
        }
        if self.part.gpu_instance.is_none() {
            for metric in gpm::ACTIVITY {
                sheet.gap(self.slot, metric, Gap::Unsupported);
            }
        }
    }

    /// Reads its memory, and its activity by GPM samples that are asked of its GPU.
    pub(super) fn read(&mut self, caller: Caller<'n>, gpu: &Device<'n>, sheet: &mut Sheet) -> Result<(), Stop> {
        let slot = self.slot;
        if self.has_memory {
            let mut put = |metric, value| sheet.value(slot, metric, value);
            if let Err(trouble) = caller.call(MEMORY.call, || (MEMORY.read)(&self.device, &mut put)) {
                self.has_memory = sheet.settle(slot, MEMORY.metrics, trouble)?;
            }
        }
        match self.part.gpu_instance {
            Some(id) => self.gpm.read(caller, gpu, Whose::Instance(id), slot, sheet),
            None => Ok(()),
        }
    }
}
