//! What one collector has said so far, and what is left of it when the collector fails.

use std::{collections::BTreeMap, time::Duration};

use super::{Findings, Host, MetricId, Raw, Scope};
use crate::{
    collect::{Driver, kubernetes::Pod},
    model::report::{Fault, Gpu, GpuUse, Mount, Nic, Process},
};

/// The sum of a collector's findings. The names are those of [`Findings`].
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) host: Option<Host>,
    pub(super) driver: Option<Driver>,
    pub(super) domain: Option<String>,
    pub(super) gpus: Option<Vec<Gpu>>,
    pub(super) gpus_on_bus: Option<u32>,
    pub(super) nics: Option<Vec<Nic>>,
    pub(super) readings: BTreeMap<(MetricId, u16), Raw>,
    pub(super) faults: Vec<Fault>,
    pub(super) notes: Vec<String>,
    pub(super) processes: Option<Vec<Process>>,
    pub(super) gpu_uses: Option<Vec<(u32, GpuUse)>>,
    pub(super) gpu_jobs: Option<BTreeMap<String, Vec<String>>>,
    pub(super) gpu_parts: Option<BTreeMap<String, String>>,
    pub(super) pods: Option<Vec<Pod>>,
    pub(super) cores: Option<Vec<u8>>,
    pub(super) mounts: Option<Vec<Mount>>,
    pub(super) costs: BTreeMap<&'static str, Duration>,
    /// Why the collector as a whole says nothing now.
    pub(super) failure: Option<String>,
}

impl Said {
    /// Takes new findings in. Says whether the inventory is another one now.
    pub(super) fn take(&mut self, new: Findings) -> bool {
        let mut changed = self.failure.take().is_some();
        if let Some(gpus) = new.gpus {
            let moved = self.gpus.as_ref().is_none_or(|old| !old.iter().map(gpu).eq(gpus.iter().map(gpu)));
            self.void(Scope::Gpu, moved);
            changed |= replace(&mut self.gpus, Some(gpus));
        }
        if let Some(nics) = new.nics {
            let moved = self.nics.as_ref().is_none_or(|old| !old.iter().map(nic).eq(nics.iter().map(nic)));
            self.void(Scope::Nic, moved);
            changed |= replace(&mut self.nics, Some(nics));
        }
        for reading in new.readings {
            self.readings.insert((reading.metric, reading.slot), reading.raw);
        }
        changed |= new.host.is_some_and(|host| replace(&mut self.host, Some(host)));
        changed |= new.domain.is_some_and(|domain| replace(&mut self.domain, Some(domain)));
        changed |= new.driver.is_some_and(|driver| replace(&mut self.driver, Some(driver)));
        changed |= new.gpus_on_bus.is_some_and(|n| replace(&mut self.gpus_on_bus, Some(n)));
        changed |= new.faults.is_some_and(|faults| replace(&mut self.faults, faults));
        changed |= new.notes.is_some_and(|notes| replace(&mut self.notes, notes));
        self.processes = new.processes.or(self.processes.take());
        self.gpu_uses = new.gpu_uses.or(self.gpu_uses.take());
        self.gpu_jobs = new.gpu_jobs.or(self.gpu_jobs.take());
        self.gpu_parts = new.gpu_parts.or(self.gpu_parts.take());
        self.pods = new.pods.or(self.pods.take());
        self.cores = new.cores.or(self.cores.take());
        self.mounts = new.mounts.or(self.mounts.take());
        self.costs.extend(new.costs);
        changed
    }

    /// Every metric that the collector ever gave is failed until it is given again, other than those that the
    /// hardware does not have. Lists that nobody refreshes now are dropped; what the node has, it still has.
    pub(super) fn fail(&mut self, reason: String) {
        for raw in self.readings.values_mut().filter(|raw| **raw != Raw::UNSUPPORTED) {
            *raw = Raw::FAILED;
        }
        (self.processes, self.gpu_uses, self.gpu_jobs) = (None, None, None);
        (self.pods, self.cores, self.mounts) = (None, None, None);
        self.failure = Some(reason);
    }

    fn void(&mut self, scope: Scope, moved: bool) {
        if moved {
            self.readings.retain(|(metric, _), _| metric.scope != scope);
        }
    }
}

/// What makes a GPU's slot mean that GPU.
pub(super) fn gpu(gpu: &Gpu) -> (&str, &str, Option<u16>, &str) {
    (&gpu.uuid, &gpu.bus, gpu.parent, &gpu.index)
}

/// What makes a port's slot mean that port.
pub(super) fn nic(nic: &Nic) -> (&str, &str, &str) {
    (&nic.name, &nic.kind, &nic.bus)
}

fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let changed = *old != new;
    *old = new;
    changed
}
