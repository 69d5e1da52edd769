//! What is known of each slot: its GPU, its values, and why some are missing. It outlives the thread that reads them.

use std::collections::BTreeMap;

use super::{event::Deaf, news::Cell, process::Uses};
use crate::{
    collect::findings::Reading,
    model::{
        Gap, MetricId, Raw, Scope,
        metric::gpu,
        report::{Fault, Gpu},
    },
};

/// Every slot.
#[derive(Default)]
pub(super) struct Ledger {
    slots: Vec<Slot>,
    uses: BTreeMap<u16, Uses>,
}

#[derive(Clone)]
struct Slot {
    gpu: Gpu,
    /// By row of the catalogue.
    cells: Vec<Raw>,
    /// Why cells are failed, by row.
    reasons: BTreeMap<u16, String>,
    /// Why the GPU as a whole does not answer.
    absent: Option<String>,
    slow: Option<String>,
    /// Why NVML does not deliver its XIDs.
    deaf: Option<Deaf>,
}

impl Slot {
    fn new(gpu: Gpu) -> Slot {
        let cells = vec![Raw::UNKNOWN; Scope::Gpu.metrics().len()];
        Slot { gpu, cells, reasons: BTreeMap::new(), absent: None, slow: None, deaf: None }
    }

    fn leave(&mut self, why: &str, gap: Gap) {
        self.absent = Some(why.to_owned());
        self.reasons.clear();
        // What the GPU does not have, it does not have while it is away either.
        self.cells.iter_mut().filter(|cell| **cell != Raw::UNSUPPORTED).for_each(|cell| *cell = gap.into());
    }
}

impl Ledger {
    /// The GPUs by slot.
    pub(super) fn gpus(&self) -> Vec<Gpu> {
        self.slots.iter().map(|slot| slot.gpu.clone()).collect()
    }

    /// The whole GPUs by slot.
    pub(super) fn whole(&self) -> Vec<Gpu> {
        self.gpus().into_iter().filter(|gpu| gpu.parent.is_none()).collect()
    }

    /// How many whole GPUs answer.
    pub(super) fn answering(&self) -> usize {
        self.slots.iter().filter(|slot| slot.gpu.parent.is_none() && slot.absent.is_none()).count()
    }

    /// Takes a new layout; what is known of a GPU goes with it to its new slot.
    pub(super) fn lay_out(&mut self, gpus: Vec<Gpu>) {
        if self.gpus() == gpus {
            return;
        }
        let mut old: Vec<Option<Slot>> = std::mem::take(&mut self.slots).into_iter().map(Some).collect();
        for (at, gpu) in gpus.into_iter().enumerate() {
            let same = |slot: &Option<Slot>| {
                slot.as_ref().is_some_and(|slot| slot.gpu.uuid == gpu.uuid && slot.gpu.parent == gpu.parent)
            };
            // Whole GPUs keep their slots, and a UUID may not be known yet.
            let from = if gpu.parent.is_none() { Some(at) } else { old.iter().position(same) };
            let slot = from.and_then(|from| old.get_mut(from)?.take()).filter(|slot| slot.gpu.parent == gpu.parent);
            self.slots.push(slot.map_or_else(|| Slot::new(gpu.clone()), |slot| Slot { gpu: gpu.clone(), ..slot }));
        }
        self.uses.clear();
    }

    /// Takes values.
    pub(super) fn fill(&mut self, cells: Vec<Cell>) {
        for Cell { slot, metric, raw, reason } in cells {
            let Some(slot) = self.slots.get_mut(usize::from(slot)) else { continue };
            let Some(cell) = slot.cells.get_mut(usize::from(metric.row)) else { continue };
            *cell = raw;
            match reason {
                Some(reason) => slot.reasons.insert(metric.row, reason),
                None => slot.reasons.remove(&metric.row),
            };
        }
    }

    /// The GPU and its instances do not answer, and why; or they do again.
    pub(super) fn presence(&mut self, slot: u16, why: Option<&str>, gap: Gap) {
        let own = |(at, of): (usize, &Slot)| at == usize::from(slot) || of.gpu.parent == Some(slot);
        let own: Vec<usize> = (0..self.slots.len()).filter(|at| own((*at, &self.slots[*at]))).collect();
        for at in own {
            let slot = &mut self.slots[at];
            if let Some(why) = why {
                slot.leave(why, gap);
            } else {
                (slot.absent, slot.deaf) = (None, None);
            }
        }
        if why.is_some() {
            self.uses.insert(slot, Uses::new());
        }
    }

    /// No GPU answers, and why.
    pub(super) fn all_absent(&mut self, why: &str, gap: Gap) {
        self.slots.iter_mut().for_each(|slot| slot.leave(why, gap));
        self.uses.values_mut().for_each(Vec::clear);
    }

    /// The GPU answers slowly, in words; or it does no more.
    pub(super) fn slow(&mut self, slot: u16, words: Option<String>) {
        if let Some(slot) = self.slots.get_mut(usize::from(slot)) {
            slot.slow = words;
        }
    }

    /// Why NVML does not deliver the GPU's XIDs, or that it does.
    pub(super) fn deaf(&mut self, slot: u16, why: Option<Deaf>) {
        if let Some(slot) = self.slots.get_mut(usize::from(slot)) {
            slot.deaf = why;
        }
    }

    /// The processes on a GPU.
    pub(super) fn uses(&mut self, slot: u16, uses: Uses) {
        self.uses.insert(slot, uses);
    }

    /// The processes on all GPUs; nothing before any were read.
    pub(super) fn all_uses(&self) -> Option<Uses> {
        (!self.uses.is_empty()).then(|| self.uses.values().flatten().cloned().collect())
    }

    /// Every value, apart from those that XIDs are told by.
    pub(super) fn readings(&self) -> impl Iterator<Item = Reading> {
        let cells = |(at, slot): (usize, &Slot)| {
            let reading = move |(row, raw): (usize, Raw)| Reading {
                metric: MetricId { scope: Scope::Gpu, row: row as u16 },
                slot: at as u16,
                raw,
            };
            slot.cells.clone().into_iter().enumerate().map(reading)
        };
        let xid = |reading: &Reading| {
            let whole = self.slots.get(usize::from(reading.slot)).is_some_and(|slot| slot.gpu.parent.is_none());
            whole && [gpu::XID, gpu::XID_AGE].contains(&reading.metric)
        };
        self.slots.iter().enumerate().flat_map(cells).filter(move |reading| {
            !xid(reading) && !gpu::OF_THE_HUB.contains(&reading.metric) && !gpu::RISES.contains(&reading.metric)
        })
    }

    /// The whole GPUs: slot, PCI address, and why NVML does not deliver their XIDs.
    pub(super) fn hearing(&self) -> impl Iterator<Item = (u16, &str, Option<&Deaf>)> {
        let whole = self.slots.iter().enumerate().filter(|(_, slot)| slot.gpu.parent.is_none());
        whole.map(|(at, slot)| (at as u16, slot.gpu.bus.as_str(), slot.deaf.as_ref()))
    }

    /// The whole GPUs that answer: slot and PCI address.
    pub(super) fn here(&self) -> impl Iterator<Item = (u16, &str)> {
        let here = |slot: &Slot| slot.gpu.parent.is_none() && slot.absent.is_none();
        let slots = self.slots.iter().enumerate().filter(move |(_, slot)| here(slot));
        slots.map(|(at, slot)| (at as u16, slot.gpu.bus.as_str()))
    }

    /// What there is to say of GPUs whose XIDs NVML does not deliver, a line for each reason.
    pub(super) fn deaf_notes(&self) -> Vec<String> {
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for slot in &self.slots {
            let why = match &slot.deaf {
                Some(Deaf::Failed(why)) => why,
                Some(Deaf::Unsupported) => "not supported",
                None => continue,
            };
            reasons.entry(why).or_default().push(&slot.gpu.index);
        }
        reasons.iter().map(|(why, gpus)| format!("no XIDs from NVML for GPU {}: {why}", gpus.join(","))).collect()
    }

    /// Why values are missing.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (at, slot) in self.slots.iter().enumerate() {
            let gpu = Some(at as u16);
            if let Some(reason) = slot.absent.as_ref().or(slot.slow.as_ref()) {
                faults.push(Fault { gpu, metric: String::new(), reason: reason.clone() });
            }
            for (row, reason) in &slot.reasons {
                let key = Scope::Gpu.metrics().get(usize::from(*row)).map(|metric| metric.key.to_string());
                faults.push(Fault { gpu, metric: key.unwrap_or_default(), reason: reason.clone() });
            }
        }
        faults
    }
}
