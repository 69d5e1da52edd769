//! The key metrics of every place and of the whole fleet along time: every second for 10 min, every 10 s for 6 h.
//! Summed up once a second from the nodes that are up; what was summed is kept as count, mean, least and greatest.

use std::time::Duration;

use super::{
    grid::Grid,
    log::Log,
    place::Area,
    tile::Tile,
    track::{Seen, Shape, Track},
};
use crate::model::{
    metric::{Aggregate, MetricId, Scope, gpu, node},
    raw::{Gap, Raw},
    time::Time,
    unit::Unit,
};

/// Metrics that are rolled up.
const KEYS: [MetricId; 19] = [
    gpu::UTIL,
    gpu::POWER,
    gpu::POWER_LIMIT,
    gpu::MEM_USED,
    gpu::MEM_UTIL,
    gpu::TEMP,
    gpu::SM_ACTIVE,
    gpu::TENSOR_ACTIVE,
    gpu::CLOCK_SM,
    node::CPU,
    node::MEM_USED,
    node::MEM_UTIL,
    node::NET_RX,
    node::NET_TX,
    node::IB_RX,
    node::IB_TX,
    node::DISK_USED,
    node::DISK_READ,
    node::DISK_WRITE,
];
/// Series of one metric: count, mean, least, greatest.
const PARTS: usize = 4;
const SHAPE: Shape = Shape { series: (KEYS.len() * PARTS) as u16, lineup: 0 };

/// A roll-up's values at one time, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollup {
    /// How many GPUs or nodes had a value, on average over the step.
    pub count: f64,
    /// Their sum, on average over the step.
    pub sum: f64,
    /// The smallest of any.
    pub min: f64,
    /// The largest of any.
    pub max: f64,
}

impl Rollup {
    /// Of one value.
    pub fn of(value: f64) -> Rollup {
        Rollup { count: 1.0, sum: value, min: value, max: value }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Rollup) -> Rollup {
        let (count, sum) = (self.count + other.count, self.sum + other.sum);
        Rollup { count, sum, min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// Of so many moments that were put together, what there was on average.
    pub(super) fn mean(self, moments: f64) -> Rollup {
        Rollup { count: self.count / moments, sum: self.sum / moments, ..self }
    }

    /// The one number that `aggregate` makes of it; nothing for flags, and for what takes every value to tell.
    pub fn value(&self, aggregate: Aggregate) -> Option<f64> {
        match aggregate {
            Aggregate::Sum => Some(self.sum),
            Aggregate::Mean => Some(self.sum / self.count),
            Aggregate::Max => Some(self.max),
            Aggregate::Min => Some(self.min),
            Aggregate::Union | Aggregate::Median | Aggregate::Mad => None,
        }
    }
}

/// All levels' roll-ups: the whole fleet first, then the place levels.
#[derive(Debug)]
pub(super) struct Rollups {
    levels: Vec<Level>,
    second: Option<i64>,
    ten: Option<i64>,
    /// When what was summed up last was.
    recorded: Option<Time>,
    /// Bytes that all of it took then.
    bytes: usize,
}

#[derive(Debug)]
struct Level {
    seconds: Log,
    tens: Log,
    places: Vec<Rolled>,
}

/// One place.
#[derive(Debug)]
struct Rolled {
    now: Tallies,
    last: Tallies,
    lately: Tallies,
    ticks: u32,
    seconds: Track,
    tens: Track,
}

/// What was summed up of each metric.
type Tallies = [Tally; KEYS.len()];
const NOTHING: Tallies = [Tally::NONE; KEYS.len()];

/// Values in steps of the metric's quantum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tally {
    count: u64,
    sum: i64,
    min: i32,
    /// Of numbers; while there are none, the highest of the gaps.
    max: i32,
    /// The lowest stored value, gaps among them.
    lowest: i32,
}

impl Rollups {
    /// Milliseconds of the small and of the large step, and how long each is kept.
    const SECOND: u32 = 1000;
    const TEN: u32 = 10_000;
    const SECONDS_KEPT: Duration = Duration::from_mins(10);
    const TENS_KEPT: Duration = Duration::from_hours(6);
    /// What is older than this is no longer how things are: a second, and as long as a sweep may take.
    const RECENT: Duration = Duration::from_secs(3);
    /// Bytes of a log's segment.
    const SEGMENT: usize = 64 << 10;
    /// Bytes that any level may take, however small the budget: enough for some 60 places in full.
    const LEAST: u64 = 8 << 20;
    /// Places of one level that are rolled up, the first ones.
    const PLACES: usize = 8192;

    /// For so many levels below the whole fleet.
    pub(super) fn new(levels: usize) -> Self {
        let level = || Level { seconds: Log::new(Self::SEGMENT), tens: Log::new(Self::SEGMENT), places: Vec::new() };
        Rollups { levels: (0..=levels).map(|_| level()).collect(), second: None, ten: None, recorded: None, bytes: 0 }
    }

    /// Keeps within so many bytes.
    pub(super) fn plan(&mut self, bytes: u64) {
        let all: u64 = self.levels.iter().map(|level| level.places.len() as u64).sum();
        for level in &mut self.levels {
            let share = (bytes * level.places.len() as u64 / all.max(1)).max(Self::LEAST);
            level.seconds.limit(share / 4);
            level.tens.limit(share - share / 4);
        }
    }

    /// Whether roll-ups are due: once in each second. They count as made.
    pub(super) fn is_due(&mut self, now: Time) -> bool {
        let second = now.as_millis().div_euclid(i64::from(Self::SECOND));
        self.second.replace(second) != Some(second)
    }

    /// Nodes whose values are best fetched before any of them is added. Measured: it halves the time that a tick takes
    /// with 62,500 nodes, which is spent waiting for memory.
    pub(super) const AT_ONCE: usize = 8;

    /// Has a node's values brought near, without waiting for one before asking for the next.
    pub(super) fn fetch(tile: Tile<'_>) {
        std::hint::black_box(KEYS.map(|key| tile.row(key).first().copied()));
    }

    /// Adds a node that is up, with so many whole GPUs, in the places at these positions of each level.
    pub(super) fn add(&mut self, tile: Tile<'_>, gpus: usize, places: &[u32]) {
        let sums: Tallies = std::array::from_fn(|at| {
            let row = tile.row(KEYS[at]);
            Tally::of(if KEYS[at].scope == Scope::Gpu { row.get(..gpus).unwrap_or(row) } else { row })
        });
        for (level, at) in self.levels.iter_mut().zip(std::iter::once(&0).chain(places)) {
            if let Some(place) = level.place(*at as usize) {
                place.now.iter_mut().zip(&sums).for_each(|(all, one)| all.merge(one));
            }
        }
    }

    /// Records what was added since the last time.
    pub(super) fn record(&mut self, now: Time) {
        self.recorded = Some(now);
        let ten = now.as_millis().div_euclid(i64::from(Self::TEN));
        let finished = self.ten.replace(ten).filter(|before| *before != ten);
        let finished = finished.map(|before| Time::from_millis(before * i64::from(Self::TEN)));
        for level in &mut self.levels {
            level.seconds.trim(now - Self::SECONDS_KEPT);
            level.tens.trim(now - Self::TENS_KEPT);
            for place in &mut level.places {
                if let Some(time) = finished {
                    place.record_lately(&mut level.tens, time);
                }
                place.record(&mut level.seconds, now);
            }
        }
        self.bytes = self.levels.iter().map(Level::bytes).sum();
    }

    /// Whether a metric is rolled up.
    pub(super) fn keeps(metric: MetricId) -> bool {
        KEYS.contains(&metric)
    }

    /// What was summed up of a metric last, if that was of any node and is not old.
    pub(super) fn latest(&self, area: Area, metric: MetricId, now: Time) -> Option<Result<Rollup, Gap>> {
        let recent = self.recorded.is_some_and(|recorded| now.since(recorded) <= Self::RECENT);
        let key = KEYS.iter().position(|key| *key == metric).filter(|_| recent)?;
        let quantum = metric.builtin()?.quantum;
        self.place(area)?.1.last[key].told(quantum)
    }

    fn place(&self, area: Area) -> Option<(&Level, &Rolled)> {
        let (level, at) = match area {
            Area::Fleet => (0, 0),
            Area::Place { level, at } => (level + 1, at),
        };
        let level = self.levels.get(level)?;
        Some((level, level.places.get(at)?))
    }

    /// A metric's roll-ups on each step of `from..to`.
    pub(super) fn read(
        &self,
        area: Area,
        metric: MetricId,
        (from, to, step): (Time, Time, Duration),
    ) -> Vec<Option<Rollup>> {
        let mut grid = Grid::new(from, to, step);
        let key = KEYS.iter().position(|key| *key == metric);
        if let (Some(key), Some((level, place)), Some(metric)) = (key, self.place(area), metric.builtin()) {
            let mut add = |seen: Seen<'_>| {
                if let Some(rollup) = tell(seen.values, metric.quantum, scale(metric.unit)) {
                    grid.add(seen.time, seen.span, &(rollup, 1.0), merge);
                }
            };
            let parts = |_: Shape, picked: &mut Vec<usize>| picked.extend(key * PARTS..(key + 1) * PARTS);
            let mut earliest = to;
            place.seconds.read(&level.seconds, (from, to), parts, |seen| {
                earliest = earliest.min(seen.time);
                add(seen);
            });
            // Before the first of the small steps, the large ones.
            place.tens.read(&level.tens, (from, earliest), parts, add);
        }
        grid.finish().map(|cell| cell.map(|(all, n): (Rollup, f64)| all.mean(n))).collect()
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Level {
    /// The place at a position, made when it is new. Nothing for those that are too many: they have no history.
    fn place(&mut self, at: usize) -> Option<&mut Rolled> {
        while self.places.len() <= at && at < Rollups::PLACES {
            self.places.push(Rolled::new(self.places.len()));
        }
        self.places.get_mut(at)
    }

    fn bytes(&self) -> usize {
        let place = |place: &Rolled| size_of::<Rolled>() + place.seconds.bytes() + place.tens.bytes();
        self.seconds.bytes() + self.tens.bytes() + self.places.iter().map(place).sum::<usize>()
    }
}

impl Rolled {
    fn new(at: usize) -> Self {
        let track = || Track::new(SHAPE, at);
        Rolled { now: NOTHING, last: NOTHING, lately: NOTHING, ticks: 0, seconds: track(), tens: track() }
    }

    fn record(&mut self, seconds: &mut Log, now: Time) {
        self.seconds.record(seconds, Rollups::SECOND, now, |cells| write(&self.now, 1, cells));
        self.lately.iter_mut().zip(&self.now).for_each(|(all, one)| all.merge(one));
        self.ticks += 1;
        self.last = std::mem::replace(&mut self.now, NOTHING);
    }

    /// Records what came together in the ten seconds that began at `time`.
    fn record_lately(&mut self, tens: &mut Log, time: Time) {
        if self.ticks > 0 {
            self.tens.record(tens, Rollups::TEN, time, |cells| write(&self.lately, self.ticks, cells));
        }
        (self.lately, self.ticks) = (NOTHING, 0);
    }
}

impl Tally {
    const NONE: Tally = Tally { count: 0, sum: 0, min: i32::MAX, max: i32::MIN, lowest: i32::MAX };

    fn of(row: &[Raw]) -> Tally {
        // Without a branch for gaps, so that the compiler can do several at a time.
        row.iter().fold(Tally::NONE, |all, raw| {
            let (bits, is_number) = (raw.bits(), raw.bits() >= Raw::MIN);
            Tally {
                count: all.count + u64::from(is_number),
                sum: all.sum + if is_number { i64::from(bits) } else { 0 },
                min: all.min.min(if is_number { bits } else { i32::MAX }),
                max: all.max.max(bits),
                lowest: all.lowest.min(bits),
            }
        })
    }

    fn merge(&mut self, other: &Tally) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.lowest = self.lowest.min(other.lowest);
    }

    /// As numbers, or why there are none; nothing when nothing was added.
    fn told(&self, quantum: f64) -> Option<Result<Rollup, Gap>> {
        if self.count > 0 {
            let [min, max] = [self.min, self.max].map(|steps| f64::from(steps) * quantum);
            return Some(Ok(Rollup { count: self.count as f64, sum: self.sum as f64 * quantum, min, max }));
        }
        let gap = Raw::from_bits(self.lowest).gap()?;
        Some(Err(if self.lowest == self.max { gap } else { Gap::Unknown }))
    }
}

/// Writes sums of so many ticks as the series of a track.
fn write(sums: &Tallies, ticks: u32, cells: &mut [Raw]) {
    for ((cells, sum), key) in cells.chunks_exact_mut(PARTS).zip(sums).zip(KEYS) {
        if sum.count == 0 {
            cells.fill(Raw::UNKNOWN);
            continue;
        }
        let scale = key.builtin().map_or(1.0, |metric| scale(metric.unit));
        cells[0] = Raw::new(sum.count as f64 / f64::from(ticks), 1.0);
        cells[1] = Raw::new(sum.sum as f64 / sum.count as f64 * scale, 1.0);
        cells[2] = Raw::from_bits(sum.min);
        cells[3] = Raw::from_bits(sum.max);
    }
}

/// Parts of a quantum in which means are kept. Rates come in kB/s, where parts would not fit 32 bits and tell nothing.
fn scale(unit: Unit) -> f64 {
    if unit == Unit::BytesPerSecond { 1.0 } else { 16.0 }
}

fn tell(values: &[Raw], quantum: f64, scale: f64) -> Option<Rollup> {
    let [count, mean, min, max]: [Raw; PARTS] = values.try_into().ok()?;
    let count = count.value(1.0)?;
    let (mean, min, max) = (mean.value(quantum / scale)?, min.value(quantum)?, max.value(quantum)?);
    Some(Rollup { count, sum: mean * count, min, max })
}

fn merge((all, n): &mut (Rollup, f64), (one, _): &(Rollup, f64)) {
    (*all, *n) = (all.and(*one), *n + 1.0);
}
