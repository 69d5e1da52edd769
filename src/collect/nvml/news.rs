//! What the thread that talks to NVML tells the collector, piece by piece, so that what was read before a call hangs is
//! not lost with it.

use std::{collections::BTreeMap, time::Duration};

use super::{
    call::{Stop, Trouble},
    event::Deaf,
    process::Uses,
};
use crate::{
    collect::{findings::Driver, xid::Said},
    model::{Gap, MetricId, Raw, report::Gpu},
};

/// One piece.
#[derive(Debug)]
pub(super) enum News {
    /// The driver is open.
    Driver(Driver),
    /// The NVLink domain that the GPUs are in; empty for none.
    Domain(String),
    /// The GPUs by slot: whole ones first, MIG instances after them.
    Layout(Vec<Gpu>),
    /// The GPU instances that MIG instances are of: by the UUID of each, the GPU's index and the instance's number.
    Parts(BTreeMap<String, String>),
    /// Values.
    Cells(Vec<Cell>),
    /// Whether the GPU answers.
    Presence(u16, Presence),
    /// The GPU answers slowly, in words, or it does no more.
    Slow(u16, Option<String>),
    /// The processes on a GPU and its MIG instances, by pid.
    Uses(u16, Uses),
    /// Why the XIDs of this GPU cannot be had from NVML, or that they can.
    Deaf(u16, Option<Deaf>),
    /// An XID.
    Xid(Said),
    /// What a part of the round cost.
    Cost(&'static str, Duration),
    /// The round is over.
    Done,
    /// The driver is closed again, and why.
    Ended(End),
}

/// Whether a GPU answers.
#[derive(Debug)]
pub(super) enum Presence {
    /// It does.
    Here,
    /// It has not been asked yet.
    Opening,
    /// It does not, and why.
    Gone(String),
}

/// Why the driver is closed.
#[derive(Debug)]
pub(super) enum End {
    /// There is no library, in words.
    NoLibrary(String),
    /// There is no driver or no GPU, in words.
    NoDriver(String),
    /// It went wrong, in words.
    Failed(String),
}

/// One value.
#[derive(Debug)]
pub(super) struct Cell {
    /// The slot.
    pub(super) slot: u16,
    /// The metric.
    pub(super) metric: MetricId,
    /// Its value.
    pub(super) raw: Raw,
    /// Why it has none, when it failed.
    pub(super) reason: Option<String>,
}

/// The values of one GPU and its instances that a round has brought so far.
#[derive(Debug, Default)]
pub(super) struct Sheet(pub(super) Vec<Cell>);

impl Sheet {
    /// A value, in the metric's unit.
    pub(super) fn value(&mut self, slot: u16, metric: MetricId, value: f64) {
        let raw = metric.builtin().map_or(Raw::UNKNOWN, |m| Raw::new(value, m.quantum));
        self.0.push(Cell { slot, metric, raw, reason: None });
    }

    /// No value, for a reason that needs no words.
    pub(super) fn gap(&mut self, slot: u16, metric: MetricId, gap: Gap) {
        self.0.push(Cell { slot, metric, raw: gap.into(), reason: None });
    }

    /// No value, because the call failed.
    pub(super) fn failed(&mut self, slot: u16, metric: MetricId, reason: &str) {
        self.0.push(Cell { slot, metric, raw: Raw::FAILED, reason: Some(reason.to_owned()) });
    }

    /// Settles metrics whose values were to come from one call. Says whether it is worth asking again.
    pub(super) fn settle(&mut self, slot: u16, metrics: &[MetricId], trouble: Trouble) -> Result<bool, Stop> {
        match trouble {
            Trouble::Unsupported => {
                for metric in metrics {
                    self.gap(slot, *metric, Gap::Unsupported);
                }
                Ok(false)
            }
            Trouble::Failed(reason) => {
                for metric in metrics {
                    self.failed(slot, *metric, &reason);
                }
                Ok(true)
            }
            Trouble::Stop(stop) => Err(stop),
        }
    }
}
