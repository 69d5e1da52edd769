//! Where the nodes stand: the places of each level that their labels name, and how many nodes are in each.
//! A node without a level's label is in the place `–` of that level.

use std::collections::HashMap;

use super::{
    name::{Name, Names},
    node::{Node, NodeId},
};
use crate::model::place::Levels;
pub use crate::model::place::NOWHERE;

/// One place of a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name, the label's value.
    pub name: Name,
    /// How many nodes are there now. A place that all nodes have left keeps its position.
    pub nodes: u32,
}

/// The whole fleet, or one of its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// All nodes.
    Fleet,
    /// The nodes of the place at this position of [`Fleet::places`].
    ///
    /// [`Fleet::places`]: super::Fleet::places
    Place {
        /// The level's position.
        level: usize,
        /// The place's position.
        at: usize,
    },
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
    /// Places of one level.
    const MOST: usize = 65_536;

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

    /// Puts a node where its labels say, and says how many of its levels had no room for one more place: there it is
    /// in the place `–`. Nodes come in the order of their ids the first time.
    pub(super) fn put(&mut self, id: NodeId, node: &Node, names: &mut Names) -> u64 {
        let n = self.levels.len();
        let new = self.of_node.len() <= id.index() * n;
        let mut without_room = 0;
        for position in 0..n {
            let level = &mut self.levels[position];
            let name = node.label(&level.label).filter(|name| !name.is_empty());
            let at = name.and_then(|name| {
                let at = level.enter(name.clone(), Self::MOST);
                without_room += u64::from(at.is_none());
                at
            });
            let at = at.or_else(|| level.enter(names.share(NOWHERE), usize::MAX)).unwrap_or_default();
            level.places[at as usize].nodes += 1;
            if new {
                self.of_node.push(at);
            } else {
                let before = std::mem::replace(&mut self.of_node[id.index() * n + position], at);
                level.places[before as usize].nodes -= 1;
            }
        }
        without_room
    }
}

impl Level {
    /// The position of a place, entered now if it is new and there are fewer than `most`.
    fn enter(&mut self, name: Name, most: usize) -> Option<u32> {
        if let Some(at) = self.known.get(&name) {
            return Some(*at);
        }
        let at = self.places.len();
        if at >= most {
            return None;
        }
        self.known.insert(name.clone(), at as u32);
        self.places.push(Place { name, nodes: 0 });
        Some(at as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::inventory::{Inventory, Tag};

    fn labelled(rack: &str) -> Node {
        let tag = Tag { key: "rack".into(), value: rack.into() };
        Node { inventory: Inventory { labels: vec![tag], ..Inventory::default() }, ..Node::default() }
    }

    fn places() -> (Places, Names) {
        (Places::new(&Levels::new(["pod".to_owned(), "rack".to_owned()])), Names::default())
    }

    #[test]
    fn a_node_is_counted_where_it_stands_now() {
        let (mut places, mut names) = places();
        let node = NodeId::at;
        for (at, rack) in ["r1", "r2", "r1", ""].into_iter().enumerate() {
            places.put(node(at), &labelled(rack), &mut names);
        }
        let count = |places: &Places| -> Vec<(String, u32)> {
            places.of_level(1).iter().map(|place| (place.name.to_string(), place.nodes)).collect()
        };
        let expect = |of: &[(&str, u32)]| of.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(count(&places), expect(&[("r1", 2), ("r2", 1), (NOWHERE, 1)]));
        places.put(node(1), &labelled("r1"), &mut names);
        assert_eq!(count(&places), expect(&[("r1", 3), ("r2", 0), (NOWHERE, 1)]));
        assert_eq!(places.of_node(node(1)), [0, 0]);
        assert_eq!(places.of_level(0)[0].nodes, 4, "nobody names a pod");
    }

    #[test]
    fn labels_that_keep_changing_fill_no_memory() {
        let (mut places, mut names) = places();
        let mut refused = 0;
        for n in 0..Places::MOST + 10 {
            refused += places.put(NodeId::at(0), &labelled(&format!("r{n}")), &mut names);
        }
        assert_eq!(refused, 10);
        assert_eq!(places.of_level(1).len(), Places::MOST + 1);
        let at = places.of_node(NodeId::at(0))[1] as usize;
        assert_eq!(&*places.of_level(1)[at].name, NOWHERE);
    }
}
