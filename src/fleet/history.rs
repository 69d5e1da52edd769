//! What the key metrics of every GPU and node did lately: every 10 s for as long as memory lasts, and of a small
//! fleet every second or two. Some of it is kept for longer. A GPU's history follows its identity, not its slot.

use std::{cell::Cell, time::Duration};

use super::{
    block::STEPS,
    log::Log,
    name::Name,
    node::NodeId,
    tile::Tile,
    track::{Pin, Seen, Shape, Track, read_chain},
};
use crate::model::{
    metric::{MetricId, Scope, gpu, node},
    raw::Raw,
    time::Time,
};

/// Metrics of GPUs that have a history, those asked for most first.
const GPU_KEYS: [MetricId; 11] = [
    gpu::UTIL,
    gpu::POWER,
    gpu::MEM_USED,
    gpu::MEM_UTIL,
    gpu::TEMP,
    gpu::CLOCK_SM,
    gpu::TENSOR_ACTIVE,
    gpu::NVLINK_RX,
    gpu::NVLINK_TX,
    gpu::NVLINK_ERRORS,
    gpu::PCIE_REPLAY,
];
/// Metrics of nodes that have a history.
const NODE_KEYS: [MetricId; 9] = [
    node::CPU,
    node::MEM_USED,
    node::MEM_UTIL,
    node::NET_RX,
    node::NET_TX,
    node::IB_RX,
    node::IB_TX,
    node::DISK_READ,
    node::DISK_WRITE,
];

/// Every node's history.
#[derive(Debug)]
pub(super) struct History {
    coarse: Tier,
    /// The last minutes in small steps, where the fleet is small enough.
    fine: Option<Tier>,
    lineups: Vec<Lineup>,
    /// What is kept for longer than the rest, in large steps, and where it is of each node.
    kept: Log,
    pins: Vec<Pin>,
}

/// All nodes' tracks in one step.
#[derive(Debug)]
struct Tier {
    step: u32,
    log: Log,
    tracks: Vec<Track>,
    open: usize,
    since: Option<Time>,
}

/// Which GPUs a node's slots were, lately.
#[derive(Debug, Default)]
struct Lineup {
    number: u32,
    slots: u16,
    past: Vec<(u32, Box<[Name]>)>,
}

impl History {
    /// Milliseconds between values of the lasting kind.
    const COARSE: u32 = 10_000;
    /// Nodes up to which there are steps of 1 s and of 2 s.
    const FINEST: [usize; 2] = [256, 512];
    /// Bytes of a log's segment.
    const SEGMENT: usize = 256 << 10;
    /// Slots of one node that have a history. With more, a block could outgrow a segment.
    const SLOTS: usize = 128;
    /// What is kept for longer has one of so many parts of the memory.
    const KEPT: u64 = 12;
    /// Earlier lineups of one node that can still be told from another.
    const LINEUPS: usize = 8;

    pub(super) fn new() -> Self {
        let (coarse, fine) = (Tier::new(Self::COARSE), Some(Tier::new(1000)));
        History { coarse, fine, lineups: Vec::new(), kept: Log::new(Self::SEGMENT), pins: Vec::new() }
    }

    /// Makes room for one more node.
    pub(super) fn add(&mut self) {
        let at = self.lineups.len();
        self.lineups.push(Lineup::default());
        self.pins.push(Pin { last: None, until: Time::from_millis(i64::MIN) });
        for tier in self.tiers() {
            tier.add(at);
        }
    }

    /// A node's slots are other GPUs from now on; `before` says which they were.
    pub(super) fn reshape(&mut self, id: NodeId, before: impl Iterator<Item = Name>, slots: usize) {
        let lineup = &mut self.lineups[id.index()];
        let before: Box<[Name]> = before.take(Self::SLOTS).collect();
        if !before.is_empty() {
            if lineup.past.len() >= Self::LINEUPS {
                lineup.past.remove(0);
            }
            lineup.past.push((lineup.number, before));
        }
        lineup.number += 1;
        lineup.slots = slots.min(Self::SLOTS) as u16;
        let shape = lineup.shape();
        for tier in self.tiers() {
            tier.reshape(id, shape);
        }
    }

    /// Keeps within so many bytes, open steps included.
    pub(super) fn plan(&mut self, bytes: u64) {
        let nodes = self.lineups.len();
        let step = Self::FINEST.iter().position(|most| nodes <= *most).map(|at| 1000 * (at as u32 + 1));
        match (step, &mut self.fine) {
            (Some(step), Some(fine)) => fine.step = step,
            (None, fine) => *fine = None,
            (Some(_), None) => {}
        }
        let open: usize = self.tiers().map(|tier| tier.open).sum();
        self.kept.limit(bytes / Self::KEPT);
        let rest = bytes.saturating_sub((open + self.kept.bytes()) as u64);
        let fine = if self.fine.is_some() { rest * 2 / 5 } else { 0 };
        self.coarse.log.limit(rest - fine);
        if let Some(tier) = &mut self.fine {
            tier.log.limit(fine);
        }
    }

    /// Records a node's values, where a step is due.
    pub(super) fn record(&mut self, id: NodeId, tile: Tile<'_>, now: Time) {
        let slots = usize::from(self.lineups[id.index()].slots);
        for tier in self.tiers() {
            tier.since.get_or_insert(now);
            tier.tracks[id.index()].record(&mut tier.log, tier.step, now, |cells| copy(tile, slots, cells));
        }
    }

    /// Whether a metric has a history.
    pub(super) fn keeps(metric: MetricId) -> bool {
        GPU_KEYS.contains(&metric) || NODE_KEYS.contains(&metric)
    }

    /// For how long there is room to keep the history of so many nodes, by what that took lately. What was kept before of
    /// others is not all pushed out by it.
    pub(super) fn keeps_of(&self, nodes: usize, now: Time) -> Duration {
        let Some(since) = self.since() else { return Duration::MAX };
        let taken = self.coarse.log.filled() as f64 / self.lineups.len().max(1) as f64;
        let each = taken / now.seconds_after(since).max(1.0);
        let room = self.kept.most() as f64 * 3.0 / 4.0;
        Duration::try_from_secs_f64(room / (each * nodes as f64)).unwrap_or(Duration::MAX)
    }

    /// Keeps what a node did from `from` until now for longer than the rest: until there is no room for it beside what is
    /// kept later.
    pub(super) fn keep(&mut self, id: NodeId, from: Time, now: Time) {
        let (pin, coarse) = (&mut self.pins[id.index()], &mut self.coarse);
        *pin = coarse.tracks[id.index()].copy(&mut coarse.log, from, &mut self.kept, (*pin, now));
    }

    /// How long what comes may be open, before it can be kept.
    pub(super) fn open_for() -> Duration {
        Duration::from_millis(u64::from(Self::COARSE)) * (STEPS as u32 + 1)
    }

    /// Calls `each` with what was seen of one metric of some things in `from..to`, newest first. A thing is its slot, and
    /// of GPUs the identity of the one that is there now.
    pub(super) fn read(
        &self,
        id: NodeId,
        (metric, things): (MetricId, &[(usize, Option<&Name>)]),
        (from, to): (Time, Time),
        mut each: impl FnMut(Seen<'_>),
    ) {
        let Some(lineup) = self.lineups.get(id.index()) else { return };
        let pick = |shape: Shape, picked: &mut Vec<usize>| {
            picked.extend(things.iter().filter_map(|(slot, gpu)| lineup.series(shape, metric, *slot, *gpu)));
            picked.sort_unstable();
        };
        let earliest = Cell::new(to);
        let mut each = |seen: Seen<'_>| {
            earliest.set(earliest.get().min(seen.time));
            each(seen);
        };
        // Before the first of the small steps, the large ones; and before these, what was kept.
        if let Some(fine) = &self.fine {
            fine.tracks[id.index()].read(&fine.log, (from, to), pick, &mut each);
        }
        let (coarse, until) = (&self.coarse, earliest.get());
        coarse.tracks[id.index()].read(&coarse.log, (from, until), pick, &mut each);
        read_chain(&self.kept, self.pins[id.index()].last, (from, earliest.get()), pick, each);
    }

    /// The smallest step that is kept.
    pub(super) fn finest_step(&self) -> Duration {
        Duration::from_millis(u64::from(self.fine.as_ref().unwrap_or(&self.coarse).step))
    }

    /// Whether the newest pushes the oldest out.
    pub(super) fn is_full(&self) -> bool {
        self.coarse.log.since().is_some()
    }

    /// How far back it reaches, about.
    pub(super) fn since(&self) -> Option<Time> {
        self.coarse.log.since().or(self.coarse.since)
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let tiers = std::iter::once(&self.coarse).chain(&self.fine);
        tiers.map(|tier| tier.open + tier.log.bytes()).sum::<usize>() + self.kept.bytes()
    }

    fn tiers(&mut self) -> impl Iterator<Item = &mut Tier> {
        std::iter::once(&mut self.coarse).chain(&mut self.fine)
    }
}

impl Tier {
    fn new(step: u32) -> Self {
        Tier { step, log: Log::new(History::SEGMENT), tracks: Vec::new(), open: 0, since: None }
    }

    fn add(&mut self, at: usize) {
        let track = Track::new(Lineup::default().shape(), at);
        self.open += track.bytes();
        self.tracks.push(track);
    }

    fn reshape(&mut self, id: NodeId, shape: Shape) {
        let track = &mut self.tracks[id.index()];
        self.open -= track.bytes();
        track.reshape(&mut self.log, shape);
        self.open += track.bytes();
    }
}

impl Lineup {
    fn shape(&self) -> Shape {
        let series = GPU_KEYS.len() * usize::from(self.slots) + NODE_KEYS.len();
        Shape { series: series as u16, lineup: self.number }
    }

    /// Which series of a track of that shape is the metric of the GPU.
    fn series(&self, shape: Shape, metric: MetricId, slot: usize, gpu: Option<&Name>) -> Option<usize> {
        let slots = usize::from(shape.series).checked_sub(NODE_KEYS.len())? / GPU_KEYS.len();
        if metric.scope == Scope::Node {
            let row = NODE_KEYS.iter().position(|key| *key == metric)?;
            return (slot == 0).then_some(GPU_KEYS.len() * slots + row);
        }
        let row = GPU_KEYS.iter().position(|key| *key == metric)?;
        let slot = if shape.lineup == self.number {
            slot
        } else {
            let (_, past) = self.past.iter().find(|(number, _)| *number == shape.lineup)?;
            past.iter().position(|name| Some(name) == gpu)?
        };
        (slot < slots).then_some(row * slots + slot)
    }
}

/// Copies the metrics that have a history, in the order in which [`Lineup::series`] finds them.
fn copy(tile: Tile<'_>, slots: usize, cells: &mut [Raw]) {
    let (gpus, nodes) = cells.split_at_mut(GPU_KEYS.len() * slots);
    for (cells, key) in gpus.chunks_exact_mut(slots.max(1)).zip(GPU_KEYS) {
        match tile.row(key).get(..slots) {
            Some(row) => cells.copy_from_slice(row),
            None => cells.fill(Raw::UNKNOWN),
        }
    }
    for (cell, key) in nodes.iter_mut().zip(NODE_KEYS) {
        *cell = tile.get(key, 0);
    }
}

/// By how much a counter grew over `values`, oldest first, in steps of its quantum. A reset adds nothing, and neither
/// does a value that falls and is back at the next one. None without two values.
pub(super) fn growth(values: impl Iterator<Item = Raw>) -> Option<i64> {
    let mut values = values.filter_map(Raw::steps).map(i64::from);
    let mut last = values.next()?;
    let mut before_reset = None;
    let mut grown = None;
    for value in values {
        let base = before_reset.take().filter(|before| value >= *before).unwrap_or(last);
        if value < base {
            before_reset = Some(base);
        }
        grown = Some(grown.unwrap_or(0) + (value - base).max(0));
        last = value;
    }
    grown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn resets_and_moments_of_zero_are_no_growth() {
        let check = |values: &[i32], expected| {
            assert_eq!(growth(values.iter().map(|v| Raw::from_bits(*v))), expected, "{values:?}");
        };
        check(&[], None);
        check(&[5], None);
        check(&[5, 9, 9, 12], Some(7));
        check(&[1000, 5, 20], Some(15));
        check(&[1000, 0, 1010], Some(10));
        check(&[1000, i32::MIN, 1003], Some(3));
        check(&[9, 0, 3, 0, 4], Some(4));
    }

    proptest! {
        #[test]
        fn growth_is_never_negative_and_never_giant(values in prop::collection::vec(0..1_000_000_i32, 2..40)) {
            let grown = growth(values.iter().map(|v| Raw::from_bits(*v))).unwrap();
            let upwards: i64 = values.windows(2).map(|pair| i64::from((pair[1] - pair[0]).max(0))).sum();
            prop_assert!((0..=upwards).contains(&grown));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let total = i64::from(sorted[sorted.len() - 1] - sorted[0]);
            prop_assert_eq!(growth(sorted.into_iter().map(Raw::from_bits)), Some(total));
        }
    }
}
