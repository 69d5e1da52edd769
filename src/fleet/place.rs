//! Where the nodes stand: the places of each level that their labels name, and how many nodes are in each.
//! A node without a level's label is in the place `–` of that level.

use std::collections::HashMap;

use super::{
    inventory::Inventory,
    name::{Name, Names},
    node::NodeId,
};
use crate::model::place::Levels;

/// The place of nodes that have no label for a level.
pub const NOWHERE: &str = "–";

/// One place of a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name, the label's value.
    pub name: Name,
    /// How many nodes are there now. A place that all nodes have left keeps its position.
    pub nodes: u32,
}

/// All levels' places.
#[derive(Debug)]
pub(super) struct Places {
    levels: Vec<Level>,
    /// For each node, level after level, the position of its place.
    of_node: Vec<u32>,
}

#[derive(Debug, Default)]
struct Level {
    label: String,
    places: Vec<Place>,
    known: HashMap<Name, u32>,
}

impl Places {
    pub(super) fn new(levels: &Levels) -> Self {
        let levels = levels.names().iter().map(|label| Level { label: label.clone(), ..Level::default() });
        Places { levels: levels.collect(), of_node: Vec::new() }
    }

    /// The places of the level at `position`; empty where there is no such level.
    pub(super) fn of_level(&self, position: usize) -> &[Place] {
        self.levels.get(position).map_or(&[], |level| &level.places)
    }

    /// The positions of the places of one node, level after level. Empty for a node that was never put anywhere.
    pub(super) fn of_node(&self, node: NodeId) -> &[u32] {
        let n = self.levels.len();
        self.of_node.get(node.index() * n..(node.index() + 1) * n).unwrap_or(&[])
    }

    /// The place called `name` in the level at `position`.
    pub(super) fn find(&self, position: usize, name: &str) -> Option<usize> {
        self.levels.get(position)?.known.get(name).map(|at| *at as usize)
    }

    /// Puts a node where its labels say. Nodes come in the order of their ids the first time.
    pub(super) fn put(&mut self, node: NodeId, inventory: &Inventory, names: &mut Names) {
        let n = self.levels.len();
        let new = self.of_node.len() <= node.index() * n;
        for position in 0..n {
            let level = &mut self.levels[position];
            let name = inventory.label(&level.label).filter(|name| !name.is_empty());
            let name = name.cloned().unwrap_or_else(|| names.share(NOWHERE));
            let at = level.enter(name);
            level.places[at as usize].nodes += 1;
            if new {
                self.of_node.push(at);
            } else {
                let before = std::mem::replace(&mut self.of_node[node.index() * n + position], at);
                level.places[before as usize].nodes -= 1;
            }
        }
    }
}

impl Level {
    fn enter(&mut self, name: Name) -> u32 {
        if let Some(at) = self.known.get(&name) {
            return *at;
        }
        let at = self.places.len() as u32;
        self.known.insert(name.clone(), at);
        self.places.push(Place { name, nodes: 0 });
        at
    }
}
