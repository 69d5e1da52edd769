//! The GPU metrics that fleets are mostly sorted and filtered by: columns over all nodes' GPUs, close together, so that a
//! scan over half a million of them reads little memory. All other metrics of a node lie in its tile.

use std::{collections::HashMap, ops::Range};

use super::node::NodeId;
use crate::model::{
    metric::{MetricId, Scope, gpu},
    raw::Raw,
};

/// Metrics that have a column.
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
/// How many there are.
pub(super) const COLUMNS: usize = KEYS.len();
/// GPU metrics of the catalogue among which they are, at most.
const ROWS: usize = 64;

/// Where a GPU metric's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In the column at this position.
    Column(usize),
    /// In this row of a tile's GPU rows.
    Tile(usize),
}

/// Where the values of the GPU metric in this row of the catalogue are.
pub(super) fn home(row: u16) -> Home {
    match HOMES.get(usize::from(row)) {
        Some(home) => *home,
        None => Home::Tile(usize::from(row) - COLUMNS),
    }
}

static HOMES: [Home; ROWS] = {
    let mut homes = [Home::Tile(0); ROWS];
    let (mut row, mut in_tile) = (0, 0);
    while row < ROWS {
        homes[row] = Home::Tile(in_tile);
        let mut at = 0;
        while at < COLUMNS {
            if KEYS[at].row as usize == row {
                homes[row] = Home::Column(at);
            }
            at += 1;
        }
        in_tile += matches!(homes[row], Home::Tile(_)) as usize;
        row += 1;
    }
    homes
};

/// The columns. Each node has a span, in which its values of one column follow those of another: a scan in the order of
/// spans goes through memory in even steps, and a sample touches few cache lines.
#[derive(Debug, Default)]
pub(super) struct Columns {
    cells: Vec<Raw>,
    spans: Vec<Span>,
    /// Room that nodes have left, by its length.
    free: HashMap<usize, Vec<u32>>,
}

/// Where a node's values are.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    first: u32,
    slots: u16,
}

impl Span {
    /// Where its values of one column are.
    fn of(self, column: usize) -> Range<usize> {
        let slots = usize::from(self.slots);
        let first = self.first as usize + column * room(slots);
        first..first + slots
    }

    fn all(self) -> Range<usize> {
        let first = self.first as usize;
        first..first + COLUMNS * room(self.slots.into())
    }
}

impl Columns {
    /// Values with which every node's part of a column begins: half a cache line, and eight GPUs.
    const EIGHT: usize = 8;

    /// The column of a metric, for those that have one.
    pub(super) fn find(id: MetricId) -> Option<usize> {
        match (id.scope, home(id.row)) {
            (Scope::Gpu, Home::Column(column)) => Some(column),
            _ => None,
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

    /// A node's values of one column.
    pub(super) fn get(&self, node: usize, column: usize) -> &[Raw] {
        self.cells.get(self.spans[node].of(column)).unwrap_or(&[])
    }

    /// As [`Columns::get`], to be written.
    pub(super) fn get_mut(&mut self, node: usize, column: usize) -> &mut [Raw] {
        self.cells.get_mut(self.spans[node].of(column)).unwrap_or(&mut [])
    }

    /// Puts nodes into the order in which they are scanned: memory that is read in a row is there before it is asked for.
    pub(super) fn settle(&mut self, order: &[NodeId]) {
        self.free.clear();
        let mut cells = Vec::with_capacity(order.iter().map(|node| self.spans[node.index()].all().len()).sum());
        for node in order {
            let span = &mut self.spans[node.index()];
            let first = cells.len() as u32;
            cells.extend_from_slice(&self.cells[span.all()]);
            span.first = first;
        }
        self.cells = cells;
    }

    fn allot(&mut self, slots: usize) -> Span {
        let span = |first: usize| Span { first: first as u32, slots: slots as u16 };
        let Some(first) = self.free.get_mut(&room(slots)).and_then(Vec::pop) else {
            let span = span(self.cells.len());
            self.cells.resize(span.all().end, Raw::UNKNOWN);
            return span;
        };
        let span = span(first as usize);
        self.cells[span.all()].fill(Raw::UNKNOWN);
        span
    }
}

fn room(slots: usize) -> usize {
    slots.next_multiple_of(Columns::EIGHT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_metric_has_one_home() {
        let rows = gpu::METRICS.len();
        assert!(rows <= ROWS && KEYS.iter().all(|key| key.scope == Scope::Gpu && usize::from(key.row) < rows));
        let homes: Vec<Home> = (0..rows as u16 + 70).map(home).collect();
        let in_columns = homes.iter().filter(|home| matches!(home, Home::Column(_)));
        assert_eq!(in_columns.count(), COLUMNS);
        let in_tiles: Vec<usize> =
            homes.iter().filter_map(|home| if let Home::Tile(at) = home { Some(*at) } else { None }).collect();
        assert_eq!(in_tiles, (0..in_tiles.len()).collect::<Vec<_>>(), "tiles have no gaps");
        for (at, key) in KEYS.into_iter().enumerate() {
            assert_eq!(Columns::find(key), Some(at));
        }
    }

    proptest! {
        /// However nodes come, grow and settle, each keeps its own values.
        #[test]
        fn nodes_never_share_a_cell(steps in prop::collection::vec((0..3_u8, 0..6_usize, 0..20_usize), 1..40)) {
            let mut columns = Columns::default();
            let mark = |columns: &mut Columns, node: usize| {
                for column in 0..COLUMNS {
                    let value = Raw::from_bits((node * 100 + column) as i32);
                    columns.get_mut(node, column).fill(value);
                }
            };
            let mut sizes: Vec<usize> = Vec::new();
            for (what, at, slots) in steps {
                match what {
                    0 => {
                        columns.add(slots);
                        sizes.push(slots);
                        mark(&mut columns, sizes.len() - 1);
                    }
                    1 if at < sizes.len() => {
                        columns.reshape(at, slots);
                        sizes[at] = slots;
                        prop_assert!(columns.get(at, 0).iter().all(|raw| *raw == Raw::UNKNOWN));
                        mark(&mut columns, at);
                    }
                    _ => {
                        let order: Vec<NodeId> = (0..sizes.len()).rev().map(NodeId::at).collect();
                        columns.settle(&order);
                        let firsts = order.iter().map(|node| columns.spans[node.index()].first);
                        prop_assert!(firsts.is_sorted());
                    }
                }
                for (node, slots) in sizes.iter().enumerate() {
                    for column in 0..COLUMNS {
                        let values = columns.get(node, column);
                        prop_assert_eq!(values.len(), *slots);
                        prop_assert!(values.iter().all(|raw| raw.bits() == (node * 100 + column) as i32));
                    }
                }
            }
        }
    }

    #[test]
    fn room_is_used_again() {
        let mut columns = Columns::default();
        columns.add(8);
        for n in 0..10_000 {
            columns.reshape(0, [8, 12, 0, 100][n % 4]);
        }
        assert!(columns.cells.len() < 512 * COLUMNS, "{}", columns.cells.len());
    }
}
