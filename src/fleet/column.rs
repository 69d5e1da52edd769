//! The GPU metrics that fleets are mostly sorted and filtered by: each a column over all nodes' GPUs, so that a scan
//! over half a million of them reads little memory. All other metrics of a node lie together in its tile.

use std::collections::HashMap;

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

/// The columns, in which each node has a span of its own, the same one in all of them.
#[derive(Debug, Default)]
pub(super) struct Columns {
    cells: [Vec<Raw>; COLUMNS],
    spans: Vec<Span>,
    /// Room that nodes have left, by its length.
    free: HashMap<usize, Vec<u32>>,
}

/// A node's part of each column.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    first: u32,
    slots: u16,
}

impl Columns {
    /// Values that are fetched together, with which every span begins: half a cache line, and eight GPUs.
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
        let Span { first, slots } = self.spans[node];
        let first = first as usize;
        self.cells[column].get(first..first + usize::from(slots)).unwrap_or(&[])
    }

    /// As [`Columns::get`], to be written.
    pub(super) fn get_mut(&mut self, node: usize, column: usize) -> &mut [Raw] {
        let Span { first, slots } = self.spans[node];
        let first = first as usize;
        self.cells[column].get_mut(first..first + usize::from(slots)).unwrap_or(&mut [])
    }

    /// Puts nodes into the order in which they are scanned: memory that is read in a row is there before it is asked for.
    pub(super) fn settle(&mut self, order: &[NodeId]) {
        self.free.clear();
        let mut next = 0;
        let mut spans = self.spans.clone();
        for node in order {
            let span = &mut spans[node.index()];
            span.first = next;
            next += room(span.slots.into()) as u32;
        }
        for cells in &mut self.cells {
            let mut settled = Vec::with_capacity(next as usize);
            for node in order {
                let Span { first, slots } = self.spans[node.index()];
                settled.extend_from_slice(&cells[first as usize..first as usize + room(slots.into())]);
            }
            *cells = settled;
        }
        self.spans = spans;
    }

    fn allot(&mut self, slots: usize) -> Span {
        let room = room(slots);
        let first = self.free.get_mut(&room).and_then(Vec::pop).unwrap_or_else(|| {
            let first = self.cells[0].len();
            self.cells.iter_mut().for_each(|column| column.resize(first + room, Raw::UNKNOWN));
            first as u32
        });
        let cells = first as usize..first as usize + room;
        self.cells.iter_mut().for_each(|column| column[cells.clone()].fill(Raw::UNKNOWN));
        Span { first, slots: slots as u16 }
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
        assert!(columns.cells[0].len() < 512, "{}", columns.cells[0].len());
    }
}
