//! What one collector has to say, piece by piece: every piece is optional.
//! What is given takes the place of what the same collector said before; what is not given stands.

use std::{collections::BTreeMap, time::Duration};

use super::kubernetes::Pod;
use crate::model::{
    Gap, MetricId, Raw,
    report::{Event, Fault, Gpu, GpuUse, Mount, Nic, Process},
};

/// What one collector has to say after one round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// What the machine is.
    pub host: Option<Host>,
    /// What the GPU driver is.
    pub driver: Option<Driver>,
    /// The NVLink domain that the node's GPUs are in: its cluster's UUID and the clique. Empty for none.
    pub domain: Option<String>,
    /// The GPUs by slot: whole GPUs first, MIG instances after them. Another list voids the collector's earlier
    /// readings of GPUs.
    pub gpus: Option<Vec<Gpu>>,
    /// GPUs on the PCI bus, whether or not the driver knows them.
    pub gpus_on_bus: Option<u32>,
    /// The network ports by slot. Another list voids the collector's earlier readings of ports.
    pub nics: Option<Vec<Nic>>,
    /// Values of metrics of nodes, GPUs and ports. One that is not given keeps its last value.
    pub readings: Vec<Reading>,
    /// Why values are failed.
    pub faults: Option<Vec<Fault>>,
    /// What cannot be read, each in a line.
    pub notes: Option<Vec<String>>,
    /// The processes that matter on the host's side.
    pub processes: Option<Vec<Process>>,
    /// Which process uses which GPU, by pid; the board joins them with [`Findings::processes`].
    pub gpu_uses: Option<Vec<(u32, GpuUse)>>,
    /// The jobs of each GPU that has some, by the GPU's index; of a MIG instance, by that of its GPU and the number of its
    /// GPU instance: `3.7`. For processes that don't name theirs.
    pub gpu_jobs: Option<BTreeMap<String, Vec<String>>>,
    /// How [`Findings::gpu_jobs`] call each MIG instance, by its UUID.
    pub gpu_parts: Option<BTreeMap<String, String>>,
    /// The Kubernetes pods that have GPUs, or are known by their UID.
    pub pods: Option<Vec<Pod>>,
    /// Percent of each logical CPU's time that was not idle.
    pub cores: Option<Vec<u8>>,
    /// The real mounts.
    pub mounts: Option<Vec<Mount>>,
    /// What has happened since the last round.
    pub events: Vec<Event>,
    /// How long each part of this round took, waiting included.
    pub costs: Vec<(&'static str, Duration)>,
}

/// What the machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The name that the kernel gives.
    pub hostname: String,
    /// Operating system's name and version.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// CPU model.
    pub cpu_model: String,
    /// The kernel's boot id.
    pub boot_id: String,
}

/// What the GPU driver is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    /// Its version.
    pub driver: String,
    /// The CUDA version that it offers.
    pub cuda: String,
}

/// The value of one metric of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which metric.
    pub metric: MetricId,
    /// Which GPU or port; 0 for the node.
    pub slot: u16,
    /// Its value in the metric's quanta, or why there is none.
    pub raw: Raw,
}

impl Findings {
    /// Adds the value of `metric` at `slot`, in the metric's unit. Not a number reads as unknown.
    pub fn read(&mut self, metric: MetricId, slot: usize, value: f64) {
        let raw = metric.builtin().map_or(Raw::UNKNOWN, |m| Raw::new(value, m.quantum));
        self.readings.push(Reading { metric, slot: slot as u16, raw });
    }

    /// Says why `metric` has no value at `slot`.
    pub fn gap(&mut self, metric: MetricId, slot: usize, gap: Gap) {
        self.readings.push(Reading { metric, slot: slot as u16, raw: gap.into() });
    }
}
