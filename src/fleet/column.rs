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
/// The metrics that fleets are mostly sorted and filtered by, and which share the first band: so do a question's values.
const KEYS: [MetricId; 12] = [
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
/// Rows of the catalogue among which they are, at most.
const ROWS: usize = 64;

/// Where a GPU metric's values are: in this column of this band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Home {
    band: u16,
    column: u16,
}

impl Home {
    const fn at(position: usize) -> Self {
        Home { band: (position / BAND) as u16, column: (position % BAND) as u16 }
    }

    /// Of the GPU metric in this row of the catalogue.
    fn of(row: u16) -> Self {
        HOMES.get(usize::from(row)).copied().unwrap_or_else(|| Home::at(row.into()))
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
    /// Values of each band.
    len: usize,
    spans: Vec<Span>,
    /// Room that nodes have left, by its length.
    free: HashMap<usize, Vec<u32>>,
}

/// Where a node's values are, in every band.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    first: u32,
    slots: u16,
}

impl Span {
    /// Where its values of one column are.
    fn of(self, column: u16) -> Range<usize> {
        let slots = usize::from(self.slots);
        let first = self.first as usize + usize::from(column) * room(slots);
        first..first + slots
    }

    fn all(self) -> Range<usize> {
        let first = self.first as usize;
        first..first + BAND * room(self.slots.into())
    }
}

impl Columns {
    /// Values with which every node's part of a column begins: those of eight GPUs are half a cache line.
    const FOUR: usize = 4;

    /// Makes room for so many metrics: those of the catalogue, and what was learnt.
    pub(super) fn fit(&mut self, metrics: usize) {
        while self.bands.len() < metrics.div_ceil(BAND) {
            self.bands.push(vec![Raw::UNKNOWN; self.len]);
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
        let Home { band, column } = Home::of(row);
        let band = self.bands.get(usize::from(band)).map_or(&[][..], Vec::as_slice);
        band.get(self.spans[node].of(column)).unwrap_or(&[])
    }

    /// As [`Columns::get`], to be written.
    pub(super) fn get_mut(&mut self, node: usize, row: u16) -> &mut [Raw] {
        let Home { band, column } = Home::of(row);
        let band = self.bands.get_mut(usize::from(band)).map_or(&mut [][..], Vec::as_mut_slice);
        band.get_mut(self.spans[node].of(column)).unwrap_or(&mut [])
    }

    /// Puts nodes into the order in which they are scanned: memory that is read in a row is there before it is asked for.
    pub(super) fn settle(&mut self, order: &[NodeId]) {
        self.free.clear();
        for band in &mut self.bands {
            let mut cells = Vec::with_capacity(order.iter().map(|node| self.spans[node.index()].all().len()).sum());
            for node in order {
                cells.extend_from_slice(&band[self.spans[node.index()].all()]);
            }
            *band = cells;
        }
        self.len = 0;
        for node in order {
            let span = &mut self.spans[node.index()];
            span.first = self.len as u32;
            self.len = span.all().end;
        }
    }

    fn allot(&mut self, slots: usize) -> Span {
        let span = |first: usize| Span { first: first as u32, slots: slots as u16 };
        let Some(first) = self.free.get_mut(&room(slots)).and_then(Vec::pop) else {
            let span = span(self.len);
            self.len = span.all().end;
            self.bands.iter_mut().for_each(|band| band.resize(self.len, Raw::UNKNOWN));
            return span;
        };
        let span = span(first as usize);
        self.bands.iter_mut().for_each(|band| band[span.all()].fill(Raw::UNKNOWN));
        span
    }
}

fn room(slots: usize) -> usize {
    slots.next_multiple_of(Columns::FOUR)
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
        assert_eq!(keys, (0..KEYS.len()).map(Home::at).collect::<Vec<_>>(), "they share the first band");
        homes.sort_by_key(|home| (home.band, home.column));
        assert_eq!(homes, (0..homes.len()).map(Home::at).collect::<Vec<_>>(), "bands have no gaps");
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
                        rows += at as u16;
                        columns.fit(rows.into());
                        (0..sizes.len()).for_each(|node| mark(&mut columns, node, rows));
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
            columns.reshape(0, [8, 12, 0, 100][n % 4]);
        }
        assert!(columns.len < 512 * BAND, "{}", columns.len);
    }
}
