//! The last values of every node: one contiguous tile for each, and the tiles side by side in large pieces of memory.
//! A node's sample touches few cache lines. What there is of every GPU is not in tiles, but in columns.

use std::{collections::HashMap, ops::Range};

use super::{column::Columns, node::NodeId};
use crate::model::{
    metric::{MetricId, Scope},
    raw::Raw,
};

/// How many metrics and slots of each sampled scope a tile has, and where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    metrics: [u16; Scope::SAMPLED.len()],
    slots: [u16; Scope::SAMPLED.len()],
    /// Where the rows of NICs begin: after those of the node.
    nics_at: u32,
    cells: u32,
}

/// Where the values of one metric of a node are.
enum Place {
    Tile(Range<usize>),
    Column(u16),
}

/// The last values of one node, metric by metric, in each slot by slot.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'a> {
    node: usize,
    shape: Shape,
    cells: &'a [Raw],
    columns: &'a Columns,
}

/// As [`Tile`], to be written.
#[derive(Debug)]
pub(super) struct TileMut<'a> {
    node: usize,
    shape: Shape,
    cells: &'a mut [Raw],
    columns: &'a mut Columns,
}

/// All nodes' tiles.
#[derive(Debug, Default)]
pub(super) struct Tiles {
    columns: Columns,
    pieces: Vec<Vec<Raw>>,
    positions: Vec<Position>,
    /// All nodes, in the order in which tiles lay when they settled; those that came later follow.
    order: Vec<NodeId>,
    /// Room that tiles have left, by its length.
    free: HashMap<usize, Vec<(u32, u32)>>,
    /// Pieces that held one large tile and hold none now.
    empty: Vec<u32>,
    /// The piece that new tiles go to.
    filling: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    piece: u32,
    at: u32,
    shape: Shape,
}

impl Shape {
    /// For so many metrics of each sampled scope on a node with so many GPUs and NICs.
    pub(super) fn new(metrics: [u16; Scope::SAMPLED.len()], gpus: usize, nics: usize) -> Self {
        let slots = [1, gpus as u16, nics as u16];
        let [node, _, nic] = std::array::from_fn(|at| u32::from(metrics[at]) * u32::from(slots[at]));
        Shape { metrics, slots, nics_at: node, cells: node + nic }
    }

    /// How many metrics of each sampled scope there are.
    pub(super) fn all_metrics(&self) -> [u16; Scope::SAMPLED.len()] {
        self.metrics
    }

    /// How many things of a scope there are.
    pub(super) fn slots(&self, scope: Scope) -> usize {
        self.slots.get(scope as usize).map_or(0, |n| usize::from(*n))
    }

    /// How many metrics of a scope there are.
    pub(super) fn metrics(&self, scope: Scope) -> usize {
        self.metrics.get(scope as usize).map_or(0, |n| usize::from(*n))
    }

    /// Where the row of a metric is, for those that the node has.
    fn place(&self, id: MetricId) -> Option<Place> {
        let scope = id.scope as usize;
        if scope >= Scope::SAMPLED.len() || id.row >= self.metrics[scope] {
            return None;
        }
        let first = match id.scope {
            Scope::Gpu => return Some(Place::Column(id.row)),
            Scope::Nic => self.nics_at as usize,
            _ => 0,
        };
        let slots = usize::from(self.slots[scope]);
        let start = first + usize::from(id.row) * slots;
        Some(Place::Tile(start..start + slots))
    }
}

impl<'a> Tile<'a> {
    /// How many things of a scope there are.
    pub fn slots(&self, scope: Scope) -> usize {
        self.shape.slots(scope)
    }

    /// One metric's values, one per slot. Empty for a metric that the node does not have.
    pub fn row(&self, id: MetricId) -> &'a [Raw] {
        match self.shape.place(id) {
            Some(Place::Tile(cells)) => self.cells.get(cells).unwrap_or(&[]),
            Some(Place::Column(row)) => self.columns.get(self.node, row),
            None => &[],
        }
    }

    /// One value; unknown where there is none.
    pub fn get(&self, id: MetricId, slot: usize) -> Raw {
        self.row(id).get(slot).copied().unwrap_or_default()
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }
}

impl TileMut<'_> {
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// One metric's values. Empty for a metric that the tile does not have.
    pub(super) fn row(&mut self, id: MetricId) -> &mut [Raw] {
        match self.shape.place(id) {
            Some(Place::Tile(cells)) => self.cells.get_mut(cells).unwrap_or(&mut []),
            Some(Place::Column(row)) => self.columns.get_mut(self.node, row),
            None => &mut [],
        }
    }
}

impl Tiles {
    /// Values of a piece: 4 MiB, which the system lends as they are used.
    const PIECE: usize = 1 << 20;
    /// Values of a cache line, on which every tile begins.
    const LINE: usize = 16;
    /// Values of the largest tile that shares a piece with others. Larger ones are rare, and have one of their own.
    const SHARING: usize = 1 << 12;

    /// Makes a tile for one more node, without values.
    pub(super) fn add(&mut self, shape: Shape) {
        self.columns.fit(shape.metrics(Scope::Gpu));
        let position = self.allot(shape);
        self.order.push(NodeId::at(self.positions.len()));
        self.positions.push(position);
        self.columns.add(shape.slots(Scope::Gpu));
    }

    /// All nodes, in about the order in which their values lie. New ones come last.
    pub(super) fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// Puts tiles into the order in which they are scanned.
    pub(super) fn settle(&mut self, order: &[NodeId]) {
        let mut settled = Tiles { positions: self.positions.clone(), order: order.to_vec(), ..Tiles::default() };
        for node in order {
            let node = node.index();
            settled.positions[node] = settled.allot(self.positions[node].shape);
            settled.get_mut(node).cells.copy_from_slice(self.get(node).cells);
        }
        settled.columns = std::mem::take(&mut self.columns);
        settled.columns.settle(order);
        *self = settled;
    }

    /// One metric's values of the node at a position, as [`Tile::row`]; unknown where only other nodes have that metric.
    pub(super) fn row(&self, node: usize, id: MetricId) -> &[Raw] {
        match id.scope {
            Scope::Gpu => self.columns.get(node, id.row),
            _ => self.get(node).row(id),
        }
    }

    /// The tile of the node at a position.
    pub(super) fn get(&self, node: usize) -> Tile<'_> {
        let Position { piece, at, shape } = self.positions[node];
        let cells = &self.pieces[piece as usize][at as usize..at as usize + shape.cells as usize];
        Tile { node, shape, cells, columns: &self.columns }
    }

    /// As [`Tiles::get`], to be written.
    pub(super) fn get_mut(&mut self, node: usize) -> TileMut<'_> {
        let Position { piece, at, shape } = self.positions[node];
        let cells = &mut self.pieces[piece as usize][at as usize..at as usize + shape.cells as usize];
        TileMut { node, shape, cells, columns: &mut self.columns }
    }

    /// Gives a node a tile with room for other metrics, GPUs and NICs. `gpus` and `nics` say, for each new slot, which
    /// old one it was.
    pub(super) fn reshape(
        &mut self,
        node: usize,
        metrics: [u16; Scope::SAMPLED.len()],
        gpus: &[Option<usize>],
        nics: &[Option<usize>],
    ) {
        let old = self.get(node);
        let slots = |scope: Scope| [&[Some(0)], gpus, nics][scope as usize];
        let rows = |scope: Scope| (0..metrics[scope as usize]).map(move |row| MetricId { scope, row });
        // Where no slot is an old one there is nothing to keep, as on a node that is new.
        let stays = |scope: &Scope| slots(*scope).iter().any(Option::is_some);
        let ids = || Scope::SAMPLED.into_iter().filter(stays).flat_map(rows);
        let kept =
            |id: MetricId| slots(id.scope).iter().map(move |slot| slot.map_or(Raw::UNKNOWN, |slot| old.get(id, slot)));
        let values: Vec<Raw> = ids().flat_map(kept).collect();
        self.release(self.positions[node]);
        self.positions[node] = self.allot(Shape::new(metrics, gpus.len(), nics.len()));
        self.columns.fit(metrics[Scope::Gpu as usize].into());
        self.columns.reshape(node, gpus.len());
        let (mut new, mut values) = (self.get_mut(node), &values[..]);
        for id in ids() {
            let (row, rest) = values.split_at(slots(id.scope).len());
            new.row(id).copy_from_slice(row);
            values = rest;
        }
    }

    /// Finds room for a tile whose values are yet to be written.
    fn allot(&mut self, shape: Shape) -> Position {
        let room = room(shape);
        if room > Self::SHARING {
            let piece = self.empty.pop().unwrap_or_else(|| self.piece(Vec::new()));
            self.pieces[piece as usize] = vec![Raw::UNKNOWN; room];
            return Position { piece, at: 0, shape };
        }
        if let Some((piece, at)) = self.free.get_mut(&room).and_then(Vec::pop) {
            self.pieces[piece as usize][at as usize..at as usize + room].fill(Raw::UNKNOWN);
            return Position { piece, at, shape };
        }
        let fits = |piece: &u32| self.pieces[*piece as usize].len() + room <= Self::PIECE;
        let piece = self.filling.filter(fits).unwrap_or_else(|| {
            let mut cells: Vec<Raw> = Vec::with_capacity(Self::PIECE);
            let aligned = cells.as_ptr().align_offset(size_of::<Raw>() * Self::LINE);
            cells.resize(aligned.min(Self::LINE), Raw::UNKNOWN);
            self.piece(cells)
        });
        self.filling = Some(piece);
        let cells = &mut self.pieces[piece as usize];
        let at = cells.len() as u32;
        cells.resize(cells.len() + room, Raw::UNKNOWN);
        Position { piece, at, shape }
    }

    fn release(&mut self, Position { piece, at, shape }: Position) {
        let room = room(shape);
        if room > Self::SHARING {
            self.pieces[piece as usize] = Vec::new();
            self.empty.push(piece);
        } else {
            self.free.entry(room).or_default().push((piece, at));
        }
    }

    fn piece(&mut self, cells: Vec<Raw>) -> u32 {
        self.pieces.push(cells);
        self.pieces.len() as u32 - 1
    }
}

/// Values that a tile takes: whole cache lines, so that the next tile begins on one.
fn room(shape: Shape) -> usize {
    (shape.cells as usize).next_multiple_of(Tiles::LINE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(gpus: usize, nics: usize) -> Shape {
        Shape::new(Scope::SAMPLED.map(|scope| scope.metrics().len() as u16), gpus, nics)
    }

    fn ids() -> impl Iterator<Item = MetricId> {
        let rows = |scope: Scope| (0..scope.metrics().len() as u16).map(move |row| MetricId { scope, row });
        Scope::SAMPLED.into_iter().flat_map(rows)
    }

    /// A value that no other cell of any node has.
    fn mark(tiles: &mut Tiles, node: usize) {
        for id in ids() {
            for (slot, cell) in tiles.get_mut(node).row(id).iter_mut().enumerate() {
                *cell = marked(node, id, slot);
            }
        }
    }

    fn marked(node: usize, id: MetricId, slot: usize) -> Raw {
        Raw::from_bits((node << 24 | (id.scope as usize) << 20 | usize::from(id.row) << 12 | slot) as i32)
    }

    proptest! {
           /// However nodes grow and shrink, each keeps its own values, and those of the slots that stayed.
           #[test]
           fn tiles_never_share_a_cell(changes in prop::collection::vec((0..5_usize, 0..150_u16, 0..20_u16), 1..40)) {
               let mut tiles = Tiles::default();
               for node in 0..5 {
                   tiles.add(shape(8, 2));
                   mark(&mut tiles, node);
               }
               for (node, gpus, nics) in changes {
                   let old = tiles.get(node).shape();
                   let from = |n: u16, scope| {
    let old = old.slots(scope);
    (0..usize::from(n)).map(|slot| (slot < old).then_some(slot)).collect::<Vec<_>>()
    };
    let (gpus, nics) = (from(gpus, Scope::Gpu), from(nics, Scope::Nic));
                   tiles.reshape(node, old.all_metrics(), &gpus, &nics);
                   if gpus.len() % 7 == 0 {
                       tiles.settle(&[3, 1, 4, 0, 2].map(NodeId::at));
                   }
                   for id in ids() {
                       for (slot, value) in tiles.get(node).row(id).iter().enumerate() {
                           let expected = if slot < old.slots(id.scope) { marked(node, id, slot) } else { Raw::UNKNOWN };
                           prop_assert_eq!(*value, expected);
                       }
                   }
                   mark(&mut tiles, node);
                   for node in 0..5 {
                       let all = |id| tiles.get(node).row(id).iter().enumerate().all(|(slot, v)| *v == marked(node, id, slot));
                       prop_assert!(ids().all(all), "node {} was written by another", node);
                   }
               }
           }
       }

    #[test]
    fn room_is_used_again() {
        let mut tiles = Tiles::default();
        tiles.add(shape(8, 2));
        for n in 0..100_000 {
            let nics = vec![None; if n % 2 == 0 { 4 } else { 8 }];
            tiles.reshape(0, shape(0, 0).all_metrics(), &[], &nics);
        }
        assert_eq!(tiles.pieces.len(), 1);
        assert!(tiles.pieces[0].len() < 4096, "{}", tiles.pieces[0].len());
        for _ in 0..10 {
            tiles.reshape(0, shape(0, 0).all_metrics(), &[], &[None; 500]);
            tiles.reshape(0, shape(0, 0).all_metrics(), &[], &[]);
        }
        assert_eq!(tiles.pieces.len(), 2, "a large tile has a piece of its own, which the next large one takes");
    }

    #[test]
    fn what_a_tile_does_not_have_is_unknown() {
        let mut tiles = Tiles::default();
        tiles.add(shape(2, 0));
        let tile = tiles.get(0);
        assert_eq!(tile.row(MetricId { scope: Scope::Gpu, row: 999 }), []);
        assert_eq!(tile.row(MetricId { scope: Scope::Nic, row: 0 }), []);
        assert_eq!(tile.row(MetricId { scope: Scope::Process, row: 0 }), []);
        assert_eq!(tile.get(MetricId { scope: Scope::Gpu, row: 0 }, 2), Raw::UNKNOWN);
        assert_eq!((tile.slots(Scope::Gpu), tile.slots(Scope::Node)), (2, 1));
    }
}
