//! What a node says, in four kinds: inventory, sample, processes and event.
//! Live, remote, replayed, scraped and simulated reports are all of these types.

use serde::{Deserialize, Serialize};

use crate::model::{
    metric::{MetricId, Scope},
    place::Label,
    raw::Raw,
    time::Time,
};

/// Who a stream of reports is about, said once when it begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Introduction {
    /// The node's name.
    pub node: String,
    /// The kernel's boot id: another one means that the node was started anew.
    pub boot_id: String,
    /// The agent's version.
    pub agent: String,
    /// When the agent started; of two agents with one name, the newest connection wins.
    pub started: Time,
    /// Milliseconds between samples.
    pub interval_ms: u32,
}

/// What a note begins with that says that some processes cannot be seen.
pub const HIDDEN_PROCESSES: &str = "/proc: ";

/// How a process is called that has a GPU, by a number of the driver's that means nobody here.
pub const ELSEWHERE: &str = "(another PID namespace)";

/// What a node is and has: at connect, on change, and every 60 s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Grows whenever a GPU or NIC is added, removed or moved: samples say which inventory they count by.
    pub generation: u32,
    /// Operating system.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// CPU model.
    pub cpu_model: String,
    /// NVIDIA driver version; empty without one.
    pub driver: String,
    /// CUDA version that the driver offers; empty without one.
    pub cuda: String,
    /// Places and other labels.
    pub labels: Vec<Label>,
    /// NVIDIA GPUs on the PCI bus, whether or not the driver knows them.
    pub gpus_on_bus: Option<u32>,
    /// GPUs in the order in which samples list them. MIG instances follow after all whole GPUs.
    pub gpus: Vec<Gpu>,
    /// Network ports in the order in which samples list them.
    pub nics: Vec<Nic>,
    /// What this agent cannot read, each in a line: `/dev/kmsg: permission denied`.
    pub notes: Vec<String>,
    /// Metrics that failed, and why; a sample shows them as failed without saying more.
    pub faults: Vec<Fault>,
}

/// A GPU, or a MIG instance of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Its number on the node, a label: `3`, or `3.0` for a MIG instance.
    pub index: String,
    /// UUID: with the PCI address, what identifies it.
    pub uuid: String,
    /// PCI address: `0000:9b:00.0`.
    pub bus: String,
    /// Model name.
    pub model: String,
    /// Serial number of the board.
    pub serial: String,
    /// VBIOS version.
    pub vbios: String,
    /// Nearest NUMA node.
    pub numa: Option<u32>,
    /// MIG mode of a GPU (`off`, `on`), or profile of an instance (`1g.10gb`); empty when unsupported.
    pub mig: String,
    /// Whether its system processor (GSP) runs firmware of the driver: `on`, `off`, or empty when it cannot.
    pub gsp: String,
    /// The slot of the GPU that this is an instance of; nothing for a whole GPU.
    pub parent: Option<u16>,
}

/// A network port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// Name: `mlx5_0`, or `mlx5_0/2` for a second port; `eth0`.
    pub name: String,
    /// `infiniband`, `roce`, `efa` or `ethernet`.
    pub kind: String,
    /// PCI address, where there is one.
    pub bus: String,
    /// Slot of the nearest GPU by PCI topology.
    pub gpu: Option<u16>,
}

/// A reason why values are failed, or why a whole GPU does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The slot of the GPU; nothing for the node itself.
    pub gpu: Option<u16>,
    /// The metric's full key; empty for the thing as a whole.
    pub metric: String,
    /// In words: `lost`, `released`, `driver hung`, `nvmlDeviceGetPowerUsage: Unknown Error`.
    pub reason: String,
}

/// All values of a node at one time, in the order in which they are sent: scope by scope of
/// [`Scope::SAMPLED`], in each metric by metric, in each slot by slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    metrics: [u16; 3],
    slots: [u16; 3],
    cells: Vec<Raw>,
}

impl Values {
    /// All unknown, for every built-in metric of a node with so many GPUs and NICs.
    pub fn new(gpus: usize, nics: usize) -> Self {
        Self::with_metrics(Scope::SAMPLED.map(|s| s.metrics().len()), gpus, nics)
    }

    /// All unknown, for so many metrics of each sampled scope.
    pub fn with_metrics(metrics: [usize; 3], gpus: usize, nics: usize) -> Self {
        let (metrics, slots) = (metrics.map(|n| n as u16), [1, gpus as u16, nics as u16]);
        let n = metrics.iter().zip(slots).map(|(m, s)| usize::from(*m) * usize::from(s)).sum();
        Values { metrics, slots, cells: vec![Raw::UNKNOWN; n] }
    }

    /// How many things of a scope there are.
    pub fn slots(&self, scope: Scope) -> usize {
        self.slots.get(scope as usize).map_or(0, |n| usize::from(*n))
    }

    /// How many metrics of a scope there are.
    pub fn metrics(&self, scope: Scope) -> usize {
        self.metrics.get(scope as usize).map_or(0, |n| usize::from(*n))
    }

    /// One metric's values, one per slot. Empty for a metric that these values don't hold.
    pub fn row(&self, id: MetricId) -> &[Raw] {
        self.span(id).and_then(|(at, n)| self.cells.get(at..at + n)).unwrap_or(&[])
    }

    /// As [`Values::row`], to be written.
    pub fn row_mut(&mut self, id: MetricId) -> &mut [Raw] {
        match self.span(id) {
            Some((at, n)) => self.cells.get_mut(at..at + n).unwrap_or(&mut []),
            None => &mut [],
        }
    }

    /// One value; unknown where there is none.
    pub fn get(&self, id: MetricId, slot: usize) -> Raw {
        self.row(id).get(slot).copied().unwrap_or_default()
    }

    /// Sets one value. One that has no place is left out.
    pub fn set(&mut self, id: MetricId, slot: usize, raw: Raw) {
        if let Some(cell) = self.row_mut(id).get_mut(slot) {
            *cell = raw;
        }
    }

    /// Every value, in the order in which they are sent.
    pub fn cells(&self) -> &[Raw] {
        &self.cells
    }

    /// Makes every value unknown, as when a node has been silent for too long.
    pub fn forget(&mut self) {
        self.cells.fill(Raw::UNKNOWN);
    }

    fn span(&self, id: MetricId) -> Option<(usize, usize)> {
        let scope = id.scope as usize;
        let (metrics, slots) = (*self.metrics.get(scope)?, usize::from(*self.slots.get(scope)?));
        if id.row >= metrics {
            return None;
        }
        let before: usize = (0..scope).map(|s| usize::from(self.metrics[s]) * usize::from(self.slots[s])).sum();
        Some((before + usize::from(id.row) * slots, slots))
    }
}

/// Numbers, every interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When the values were read, by the node's clock.
    pub time: Time,
    /// [`Inventory::generation`] that the slots count by.
    pub generation: u32,
    /// The values.
    pub values: Values,
}

/// What is sent whole, every 10 s: the processes, and what they keep busy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processes {
    /// When they were read, by the node's clock.
    pub time: Time,
    /// All GPU processes and the 20 busiest others.
    pub list: Vec<Process>,
    /// Utilisation of each logical CPU, in percent; [`Processes::OFFLINE`] for one that is offline.
    pub cores: Vec<u8>,
    /// Real mounts.
    pub mounts: Vec<Mount>,
    /// What jobs were given of the node's GPUs; nothing where nobody on the node says, or not yet.
    pub grants: Option<Vec<Grant>>,
}

/// What a job was given of a node, as its kubelet says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The job's id, by which its processes name it: `namespace/name`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who submitted it. Empty when unknown.
    pub user: String,
    /// Who pays for it: its namespace.
    pub account: String,
    /// The queue that it was submitted to. Empty when unknown.
    pub partition: String,
    /// Its GPUs' slots.
    pub slots: Vec<u16>,
    /// Which of its containers have which of them.
    pub containers: Vec<Container>,
}

/// A container that was given GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its pod's name and its own: `pod/container`.
    pub name: String,
    /// Its GPUs' slots.
    pub slots: Vec<u16>,
}

impl Processes {
    /// Stands in [`Processes::cores`] for a CPU that is offline, or has only just come online.
    pub const OFFLINE: u8 = u8::MAX;
}

/// One process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// Process id, as the host counts.
    pub pid: u32,
    /// Owner's name, or number where it has none. Empty when unknown.
    pub user: String,
    /// Name; the kernel's 15 characters, or the command's first words where they can be read.
    pub name: String,
    /// State letter, as `ps` prints it.
    pub state: Option<char>,
    /// Percent of one core.
    pub cpu: Option<f64>,
    /// Resident bytes.
    pub mem: Option<u64>,
    /// When it started.
    pub started: Option<Time>,
    /// The GPUs that it uses.
    pub gpus: Vec<GpuUse>,
    /// Whose work it is.
    pub workload: Workload,
}

/// What a process is a part of. Empty texts are of what it is not, or of what its agent cannot tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Id of the scheduler's job: `4711`.
    pub job: String,
    /// The job's step: `0`, `batch`, `extern`, `interactive`.
    pub step: String,
    /// UID of the Kubernetes pod.
    pub pod: String,
    /// Id of the container: 64 hexadecimal digits.
    pub container: String,
}

/// A process's share of one GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuUse {
    /// The GPU's slot.
    pub slot: u16,
    /// Bytes of device memory, where the driver says.
    pub mem: Option<u64>,
    /// Percent of SM time, where the driver says.
    pub sm: Option<u8>,
}

/// A mounted filesystem.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mount {
    /// Where it is mounted.
    pub path: String,
    /// Type: `ext4`, `nfs4`, `lustre`.
    pub kind: String,
    /// `ok`, `hung`, `missing`, `failed` (a stale NFS handle), `read-only`, or `unknown` when this agent may not ask.
    pub state: String,
    /// Bytes in all; nothing when it did not answer.
    pub size: Option<u64>,
    /// Bytes that an unprivileged user can still write.
    pub free: Option<u64>,
    /// Percent in use.
    pub used: Option<f64>,
    /// Percent of inodes in use.
    pub inodes: Option<f64>,
}

/// Something that happened: sent at once, resent until acknowledged, never lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Survives an agent's restart: boot id and the kernel's own sequence number for kernel messages,
    /// boot id, agent start and a number otherwise. Two events of one id are one event.
    pub id: String,
    /// When, by the node's clock.
    pub time: Time,
    /// What it is about.
    pub subject: Subject,
    /// What happened.
    pub kind: EventKind,
    /// The kernel's line, or the agent's words.
    pub text: String,
}

/// What an event is about. A GPU is named by what outlives a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// The node as a whole.
    Node,
    /// The GPU at this PCI address.
    Gpu {
        /// `0000:9b:00.0`.
        bus: String,
    },
    /// The port with this name.
    Nic {
        /// `mlx5_0`.
        name: String,
    },
    /// The NVSwitch at this PCI address.
    Switch {
        /// `0000:07:00.0`.
        bus: String,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// The driver reported an error with this XID.
    Xid(u32),
    /// An NVSwitch reported an error with this SXid.
    Sxid(u32),
    /// A port went up or down.
    Link {
        /// Whether it is up now.
        up: bool,
    },
    /// The node was started.
    Boot,
}

impl EventKind {
    /// The word for it in queries and on screen.
    pub const fn word(&self) -> &'static str {
        match self {
            EventKind::Xid(_) => "xid",
            EventKind::Sxid(_) => "sxid",
            EventKind::Link { .. } => "link",
            EventKind::Boot => "boot",
        }
    }
}

/// Any report.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// Who I am, what I have.
    Inventory(Inventory),
    /// Numbers.
    Sample(Sample),
    /// Processes, cores and mounts.
    Processes(Processes),
    /// Something that happened.
    Event(Event),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metric::{gpu, nic, node};

    #[test]
    fn every_cell_has_one_place() {
        let mut values = Values::new(8, 2);
        let mut n = 0;
        for scope in Scope::SAMPLED {
            for row in 0..scope.metrics().len() {
                for slot in 0..values.slots(scope) {
                    let id = MetricId { scope, row: row as u16 };
                    assert_eq!(values.get(id, slot), Raw::UNKNOWN, "{id:?} {slot} was set before");
                    values.set(id, slot, Raw::new(f64::from(n), 1.0));
                    n += 1;
                }
            }
        }
        assert_eq!(values.cells().len(), n as usize);
        assert!(values.cells().iter().enumerate().all(|(at, raw)| raw.steps() == Some(at as i32)));
    }

    #[test]
    fn a_value_without_a_place_is_left_out() {
        let mut values = Values::new(1, 0);
        values.set(gpu::UTIL, 1, Raw::new(5.0, 1.0));
        values.set(nic::RX, 0, Raw::new(5.0, 1.0));
        values.set(MetricId { scope: Scope::Node, row: 999 }, 0, Raw::new(5.0, 1.0));
        assert!(values.cells().iter().all(|raw| *raw == Raw::UNKNOWN));
        assert_eq!(values.row(node::CPU).len(), 1);
    }
}
