//! The last values of all GPUs: a column for each metric, and the columns in bands that lie apart. A scan of one metric over
//! half a million GPUs goes through its band in small, even steps; a node's sample touches a few spans of memory.

use std::{collections::HashMap, ops::Range};

use super::node::NodeId;
use crate::model::{
    metric::{MetricId, gpu},
    raw::Raw,
};

/// Columns of a band. Measured: a scan that goes from node to node in steps of half a kilobyte takes twice as long.
const BAND: usize = 12;
/// The metrics that fleets are mostly sorted and filtered by. They are the first band: what one question asks for lies
/// together.
const KEYS: [MetricId; BAND] = [
    gpu::UTIL,
    gpu::SM_ACTIVE,
    gpu::TENSOR_ACTIVE,
    gpu::MEM_USED,
    gpu::MEM_UTIL,
    gpu::POWER,
    gpu::TEMP,
    gpu::CLOCK_SM,
    gpu::THROTTLE,
    gpu::ECC_DBE,
    gpu::REMAP_FAILED,
    gpu::XID,
];
/// Rows of the catalogue whose columns are worked out once; they are among these.
const ROWS: usize = 64;

/// Where a GPU metric's values are: in this column of a band of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Home {
    band: u16,
    column: u16,
    width: u16,
}

impl Home {
    /// Of the metric at this position. Those that agents have taught follow those of the catalogue, in bands of their own.
    const fn at(position: usize) -> Self {
        let known = gpu::METRICS.len();
        let (first, at) = if position < known { (0, position) } else { (known.div_ceil(BAND), position - known) };
        let band = first + at / BAND;
        Home { band: band as u16, column: (at % BAND) as u16, width: width(band) as u16 }
    }

    /// Of the metric in this row of the catalogue.
    fn of(row: u16) -> Self {
        HOMES.get(usize::from(row)).copied().unwrap_or_else(|| Home::at(row.into()))
    }
}

/// Columns of the band at this position: the catalogue's last one has no more than it needs.
const fn width(band: usize) -> usize {
    match gpu::METRICS.len().checked_sub(band * BAND) {
        Some(left) if 0 < left && left < BAND => left,
        _ => BAND,
    }
}

/// The key metrics come first, and all others follow in the order of the catalogue.
static HOMES: [Home; ROWS] = {
    let mut homes = [Home::at(0); ROWS];
    let (mut row, mut others) = (0, KEYS.len());
    while row < ROWS {
        homes[row] = Home::at(others);
        others += 1;
        let mut at = 0;
        while at < KEYS.len() {
            if KEYS[at].row as usize == row {
                homes[row] = Home::at(at);
                others -= 1;
            }
            at += 1;
        }
        row += 1;
    }
    homes
};

/// The columns. Each node has a span of every band, in which its values of one column follow those of another.
#[derive(Debug, Default)]
pub(super) struct Columns {
    bands: Vec<Vec<Raw>>,
    /// Values of each column.
    len: usize,
    spans: Vec<Span>,
    /// Room that nodes have left, by its length.
    free: HashMap<usize, Vec<u32>>,
}

/// Where a node's values are: counted in values of one column, and so the same in every band.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    first: u32,
    slots: u16,
}

impl Span {
    /// Where its values of one metric are in the band.
    fn of(self, home: Home) -> Range<usize> {
        let slots = usize::from(self.slots);
        let first = self.first as usize * usize::from(home.width) + usize::from(home.column) * room(slots);
        first..first + slots
    }

    /// Where its values are in the band at this position.
    fn all(self, band: usize) -> Range<usize> {
        let first = self.first as usize;
        first * width(band)..self.end() * width(band)
    }

    fn end(self) -> usize {
        self.first as usize + room(self.slots.into())
    }
}

impl Columns {
    /// Whether a metric is one of the first band.
    pub(super) fn is_key(metric: MetricId) -> bool {
        KEYS.contains(&metric)
    }

    /// Makes room for so many metrics: those of the catalogue, and what was learnt.
    pub(super) fn fit(&mut self, metrics: usize) {
        let bands = metrics.checked_sub(1).map_or(0, |last| usize::from(Home::at(last).band) + 1);
        while self.bands.len() < bands {
            self.bands.push(vec![Raw::UNKNOWN; self.len * width(self.bands.len())]);
        }
    }

    /// Makes room for one more node with so many GPUs and MIG instances, without values.
    pub(super) fn add(&mut self, slots: usize) {
        let span = self.allot(slots);
        self.spans.push(span);
    }

    /// Gives a node room for so many, without values.
    pub(super) fn reshape(&mut self, node: usize, slots: usize) {
        let Span { first, slots: before } = self.spans[node];
        self.free.entry(room(before.into())).or_default().push(first);
        self.spans[node] = self.allot(slots);
    }

    /// A node's values of the metric in this row of the catalogue; none of one without room.
    pub(super) fn get(&self, node: usize, row: u16) -> &[Raw] {
        let home = Home::of(row);
        let band = self.bands.get(usize::from(home.band)).map_or(&[][..], Vec::as_slice);
        band.get(self.spans[node].of(home)).unwrap_or(&[])
    }

    /// As [`Columns::get`], to be written.
    pub(super) fn get_mut(&mut self, node: usize, row: u16) -> &mut [Raw] {
        let home = Home::of(row);
        let band = self.bands.get_mut(usize::from(home.band)).map_or(&mut [][..], Vec::as_mut_slice);
        band.get_mut(self.spans[node].of(home)).unwrap_or(&mut [])
    }

    /// Puts nodes into the order in which they are scanned: memory that is read in a row is there before it is asked for.
    pub(super) fn settle(&mut self, order: &[NodeId]) {
        self.free.clear();
        for (at, band) in self.bands.iter_mut().enumerate() {
            let spans = || order.iter().map(|node| self.spans[node.index()].all(at));
            let settled: usize = spans().map(|span| span.len()).sum();
            // More nodes settle again once they are a sixteenth; until then no band is to grow by copying all of it.
            let mut cells = Vec::with_capacity(settled + settled / 8);
            for span in spans() {
                cells.extend_from_slice(&band[span]);
            }
            *band = cells;
        }
        self.len = 0;
        for node in order {
            let span = &mut self.spans[node.index()];
            span.first = self.len as u32;
            self.len = span.end();
        }
    }

    fn allot(&mut self, slots: usize) -> Span {
        let left = self.free.get_mut(&room(slots)).and_then(Vec::pop);
        let span = Span { first: left.unwrap_or(self.len as u32), slots: slots as u16 };
        self.len = self.len.max(span.end());
        for (at, band) in self.bands.iter_mut().enumerate() {
            band.resize(self.len * width(at), Raw::UNKNOWN);
            band[span.all(at)].fill(Raw::UNKNOWN);
        }
        span
    }
}

/// Values that a node takes in each column: eight are half a cache line. A node with many has one of a few lengths, so that
/// room it has left fits the next one.
fn room(slots: usize) -> usize {
    if slots <= 64 { slots.next_multiple_of(4) } else { slots.next_power_of_two() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_metric_has_one_home() {
        let rows = gpu::METRICS.len();
        assert!(rows <= ROWS && KEYS.iter().all(|key| usize::from(key.row) < rows));
        let mut homes: Vec<Home> = (0..rows as u16 + 70).map(Home::of).collect();
        let keys: Vec<Home> = KEYS.iter().map(|key| Home::of(key.row)).collect();
        assert_eq!(keys, (0..KEYS.len()).map(Home::at).collect::<Vec<_>>());
        assert!(keys.iter().all(|home| home.band == 0), "they share the first band");
        homes.sort_by_key(|home| (home.band, home.column));
        assert_eq!(homes, (0..homes.len()).map(Home::at).collect::<Vec<_>>(), "each has a column of its own");
        let known = homes[..rows].chunk_by(|a, b| a.band == b.band);
        assert!(
            known.into_iter().all(|band| band.iter().all(|home| usize::from(home.width) == band.len())),
            "without gaps"
        );
    }

    proptest! {
        /// However nodes come, grow and settle, each keeps its own values.
        #[test]
        fn nodes_never_share_a_cell(steps in prop::collection::vec((0..4_u8, 0..6_usize, 0..20_usize), 1..40)) {
            let mut columns = Columns::default();
            let mut rows = gpu::METRICS.len() as u16;
            columns.fit(rows.into());
            let mark = |columns: &mut Columns, node: usize, rows: u16| {
                for row in 0..rows {
                    let value = Raw::from_bits((node * 1000) as i32 + i32::from(row));
                    columns.get_mut(node, row).fill(value);
                }
            };
            let mut sizes: Vec<usize> = Vec::new();
            for (what, at, slots) in steps {
                match what {
                    0 => {
                        columns.add(slots);
                        sizes.push(slots);
                        mark(&mut columns, sizes.len() - 1, rows);
                    }
                    1 if at < sizes.len() => {
                        columns.reshape(at, slots);
                        sizes[at] = slots;
                        prop_assert!(columns.get(at, 0).iter().all(|raw| *raw == Raw::UNKNOWN));
                        mark(&mut columns, at, rows);
                    }
                    2 => {
                        let new = rows..rows + at as u16;
                        columns.fit(new.end.into());
                        for (node, slots) in sizes.iter().enumerate() {
                            for row in new.clone() {
                                prop_assert_eq!(columns.get(node, row), &vec![Raw::UNKNOWN; *slots]);
                                columns.get_mut(node, row).fill(Raw::from_bits((node * 1000) as i32 + i32::from(row)));
                            }
                        }
                        rows = new.end;
                    }
                    _ => {
                        let order: Vec<NodeId> = (0..sizes.len()).rev().map(NodeId::at).collect();
                        columns.settle(&order);
                        let firsts = order.iter().map(|node| columns.spans[node.index()].first);
                        prop_assert!(firsts.is_sorted());
                    }
                }
                for (node, slots) in sizes.iter().enumerate() {
                    for row in 0..rows {
                        let values = columns.get(node, row);
                        prop_assert_eq!(values.len(), *slots);
                        prop_assert!(values.iter().all(|raw| raw.bits() == (node * 1000) as i32 + i32::from(row)));
                    }
                }
            }
        }
    }

    #[test]
    fn room_is_used_again() {
        let mut columns = Columns::default();
        columns.fit(gpu::METRICS.len());
        columns.add(8);
        for n in 0..10_000 {
            columns.reshape(0, [8, 12, 0, 100, n % 2000][n % 5]);
        }
        assert!(columns.len < 8192, "{}", columns.len);
    }
}
