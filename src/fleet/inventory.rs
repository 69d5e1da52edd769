//! What a node is and has, as the hub keeps it: as `model::report` has it, with shared text.
//! 500,000 GPUs of a few models take the memory of their UUIDs and serial numbers, not that of 500,000 model names.

use super::name::{Name, Names, own};
use crate::model::{place::Label, report};

/// What a node is and has. The fields mean what they mean in [`report::Inventory`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Grows whenever a GPU or NIC is added, removed or moved.
    pub generation: u32,
    /// Operating system.
    pub os: Name,
    /// Kernel release.
    pub kernel: Name,
    /// CPU model.
    pub cpu_model: Name,
    /// NVIDIA driver version; empty without one.
    pub driver: Name,
    /// CUDA version that the driver offers; empty without one.
    pub cuda: Name,
    /// Places and other labels.
    pub labels: Vec<Tag>,
    /// NVIDIA GPUs on the PCI bus, whether or not the driver knows them.
    pub gpus_on_bus: Option<u32>,
    /// GPUs by slot; MIG instances follow after all whole GPUs.
    pub gpus: Vec<Gpu>,
    /// Network ports by slot.
    pub nics: Vec<Nic>,
    /// What the agent cannot read, each in a line.
    pub notes: Vec<Name>,
    /// Metrics that failed, and why.
    pub faults: Vec<Fault>,
}

/// A label of a node: `rack=r12`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The label's name.
    pub key: Name,
    /// Its value.
    pub value: Name,
}

/// A GPU, or a MIG instance of one; see [`report::Gpu`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Its number on the node, a label: `3`, or `3.0` for a MIG instance.
    pub index: Name,
    /// UUID.
    pub uuid: Name,
    /// PCI address.
    pub bus: Name,
    /// Model name.
    pub model: Name,
    /// Serial number of the board.
    pub serial: Name,
    /// VBIOS version.
    pub vbios: Name,
    /// MIG mode of a GPU, or profile of an instance; empty when unsupported.
    pub mig: Name,
    /// `on` or `off`: whether its system processor runs firmware; empty when it cannot.
    pub gsp: Name,
    /// Nearest NUMA node.
    pub numa: Option<u32>,
    /// The slot of the GPU that this is an instance of; nothing for a whole GPU.
    pub parent: Option<u16>,
}

/// A network port; see [`report::Nic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// Name: `mlx5_0`, `eth0`.
    pub name: Name,
    /// `infiniband`, `roce`, `efa` or `ethernet`.
    pub kind: Name,
    /// PCI address, where there is one.
    pub bus: Name,
    /// Slot of the nearest GPU by PCI topology.
    pub gpu: Option<u16>,
}

/// A reason why values are failed, or why a whole GPU does not answer; see [`report::Fault`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The slot of the GPU; nothing for the node itself.
    pub gpu: Option<u16>,
    /// The metric's full key; empty for the thing as a whole.
    pub metric: Name,
    /// In words.
    pub reason: Name,
}

impl Inventory {
    /// How many whole GPUs the node listed; MIG instances are not counted.
    pub fn whole_gpus(&self) -> usize {
        // Instances follow after all whole GPUs, so the first instance ends them.
        self.gpus.iter().position(|gpu| gpu.parent.is_some()).unwrap_or(self.gpus.len())
    }

    /// The slot of the whole GPU at a PCI address, in either case.
    pub fn gpu_at(&self, bus: &str) -> Option<usize> {
        self.gpus.iter().position(|gpu| gpu.parent.is_none() && gpu.bus.eq_ignore_ascii_case(bus))
    }

    /// The model of all GPUs and instances, where it is one.
    pub(super) fn model_of_all(&self) -> Option<&Name> {
        let first = self.gpus.first().map(|gpu| &gpu.model);
        first.filter(|model| self.gpus.iter().all(|gpu| gpu.model == **model))
    }

    /// The value of the label `key`.
    pub fn label(&self, key: &str) -> Option<&Name> {
        self.labels.iter().find(|tag| &*tag.key == key).map(|tag| &tag.value)
    }

    /// Why the GPU in `slot` does not answer as a whole: the first fault of it that names no metric.
    pub fn gpu_fault(&self, slot: usize) -> Option<&Fault> {
        self.faults.iter().find(|f| f.gpu.map(usize::from) == Some(slot) && f.metric.is_empty())
    }

    /// Whether this is what the report says: agents say it every minute, and seldom anything new.
    pub(super) fn is(&self, said: &report::Inventory) -> bool {
        let report::Inventory {
            generation,
            os,
            kernel,
            cpu_model,
            driver,
            cuda,
            labels,
            gpus_on_bus,
            gpus,
            nics,
            notes,
            faults,
        } = said;
        let texts = [(&self.os, os), (&self.kernel, kernel), (&self.cpu_model, cpu_model)];
        (self.generation, self.gpus_on_bus) == (*generation, *gpus_on_bus)
            && same(texts.into_iter().chain([(&self.driver, driver), (&self.cuda, cuda)]))
            && alike(&self.labels, labels, |kept, said| same([(&kept.key, &said.key), (&kept.value, &said.value)]))
            && alike(&self.gpus, gpus, Gpu::is)
            && alike(&self.nics, nics, Nic::is)
            && alike(&self.notes, notes, |kept, said| **kept == **said)
            && alike(&self.faults, faults, Fault::is)
    }

    /// As [`report::Inventory`] says it, with its text cleaned and shared.
    pub(super) fn keep(said: &report::Inventory, names: &mut Names) -> Self {
        Inventory {
            generation: said.generation,
            os: names.share(&said.os),
            kernel: names.share(&said.kernel),
            cpu_model: names.share(&said.cpu_model),
            driver: names.share(&said.driver),
            cuda: names.share(&said.cuda),
            labels: said.labels.iter().map(|label| Tag::keep(label, names)).collect(),
            gpus_on_bus: said.gpus_on_bus,
            gpus: said.gpus.iter().map(|gpu| Gpu::keep(gpu, names)).collect(),
            nics: said.nics.iter().map(|nic| Nic::keep(nic, names)).collect(),
            notes: said.notes.iter().map(|note| names.share(note)).collect(),
            faults: said.faults.iter().map(|fault| Fault::keep(fault, names)).collect(),
        }
    }
}

impl Tag {
    pub(super) fn keep(said: &Label, names: &mut Names) -> Self {
        Tag { key: names.share(&said.key), value: names.share(&said.value) }
    }

    pub(super) fn tell(&self) -> Label {
        Label { key: self.key.as_ref().into(), value: self.value.as_ref().into() }
    }
}

/// Whether all texts are kept as they were said.
fn same<'a>(texts: impl IntoIterator<Item = (&'a Name, &'a String)>) -> bool {
    texts.into_iter().all(|(kept, said)| **kept == **said)
}

/// Whether two lists are as long, and `is` holds for each of their items.
fn alike<A, B>(kept: &[A], said: &[B], is: impl Fn(&A, &B) -> bool) -> bool {
    kept.len() == said.len() && kept.iter().zip(said).all(|(kept, said)| is(kept, said))
}

impl Gpu {
    fn is(&self, said: &report::Gpu) -> bool {
        let report::Gpu { index, uuid, bus, model, serial, vbios, numa, mig, gsp, parent } = said;
        let own = [(&self.uuid, uuid), (&self.serial, serial), (&self.index, index), (&self.bus, bus)];
        let shared = [(&self.model, model), (&self.vbios, vbios), (&self.mig, mig), (&self.gsp, gsp)];
        (self.numa, self.parent) == (*numa, *parent) && same(own.into_iter().chain(shared))
    }

    pub(super) fn keep(said: &report::Gpu, names: &mut Names) -> Self {
        Gpu {
            index: names.share(&said.index),
            uuid: own(&said.uuid),
            bus: names.share(&said.bus),
            model: names.share(&said.model),
            serial: own(&said.serial),
            vbios: names.share(&said.vbios),
            mig: names.share(&said.mig),
            gsp: names.share(&said.gsp),
            numa: said.numa,
            parent: said.parent,
        }
    }

    pub(super) fn tell(&self) -> report::Gpu {
        let text = |name: &Name| name.as_ref().to_owned();
        report::Gpu {
            index: text(&self.index),
            uuid: text(&self.uuid),
            bus: text(&self.bus),
            model: text(&self.model),
            serial: text(&self.serial),
            vbios: text(&self.vbios),
            mig: text(&self.mig),
            gsp: text(&self.gsp),
            numa: self.numa,
            parent: self.parent,
        }
    }

    /// What identifies it: the UUID, or the PCI address where it has none.
    pub(super) fn identity(&self) -> &Name {
        if self.uuid.is_empty() { &self.bus } else { &self.uuid }
    }
}

impl Nic {
    fn is(&self, said: &report::Nic) -> bool {
        let report::Nic { name, kind, bus, gpu } = said;
        self.gpu == *gpu && same([(&self.name, name), (&self.kind, kind), (&self.bus, bus)])
    }

    pub(super) fn keep(said: &report::Nic, names: &mut Names) -> Self {
        Nic { name: names.share(&said.name), kind: names.share(&said.kind), bus: names.share(&said.bus), gpu: said.gpu }
    }

    pub(super) fn tell(&self) -> report::Nic {
        let text = |name: &Name| name.as_ref().to_owned();
        report::Nic { name: text(&self.name), kind: text(&self.kind), bus: text(&self.bus), gpu: self.gpu }
    }
}

impl Fault {
    fn is(&self, said: &report::Fault) -> bool {
        let report::Fault { gpu, metric, reason } = said;
        self.gpu == *gpu && same([(&self.metric, metric), (&self.reason, reason)])
    }

    fn keep(said: &report::Fault, names: &mut Names) -> Self {
        Fault { gpu: said.gpu, metric: names.share(&said.metric), reason: names.share(&said.reason) }
    }
}
