//! What a fleet should have, as it outlives the hub: nodes, their GPUs and ports.
//! A node of the roster that does not come back is missing, not forgotten.

use serde::{Deserialize, Serialize};

use super::{
    Fleet,
    inventory::{Gpu, Inventory, Nic, Tag},
    name::{Names, own},
    node::Node,
};
use crate::model::{place::Label, report};

/// What a state file holds of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The nodes, in the order of their names.
    pub nodes: Vec<Known>,
}

/// A node that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Places and other labels.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Its GPUs by slot, without MIG instances.
    #[serde(default)]
    pub gpus: Vec<report::Gpu>,
    /// GPUs that it had and that nobody sees any more.
    #[serde(default)]
    pub lost_gpus: Vec<report::Gpu>,
    /// Its network ports.
    #[serde(default)]
    pub nics: Vec<report::Nic>,
    /// Whole GPUs that it should have.
    #[serde(default)]
    pub gpus_expected: u32,
}

impl Fleet {
    /// What the fleet should have, to be kept over a restart.
    pub fn roster(&self) -> Roster {
        Roster { nodes: self.by_name().iter().map(|id| self.node(*id).tell()).collect() }
    }

    /// Enters what a roster lists; nodes that are known already are left as they are.
    /// Those that are new are missing until they come back.
    pub fn restore(&mut self, roster: &Roster) {
        for known in &roster.nodes {
            let name = own(&known.name);
            if self.directory.exact(&name).is_some() {
                continue;
            }
            if self.nodes.len() >= self.settings.most_nodes {
                self.drop("node beyond the fleet's limit");
                continue;
            }
            let id = self.add(name);
            let node = &mut self.nodes[id.index()];
            node.gpus_expected = known.gpus_expected;
            node.lost_gpus = known.lost_gpus.iter().map(|gpu| Gpu::keep(gpu, &mut self.names)).collect();
            let inventory = known.inventory(&mut self.names);
            self.equip(id, inventory);
        }
    }
}

impl Known {
    fn inventory(&self, names: &mut Names) -> Inventory {
        let whole = self.gpus.iter().filter(|gpu| gpu.parent.is_none()).take(Fleet::MOST_SLOTS);
        Inventory {
            labels: self.labels.iter().map(|label| Tag::keep(label, names)).collect(),
            gpus: whole.map(|gpu| Gpu::keep(gpu, names)).collect(),
            nics: self.nics.iter().take(Fleet::MOST_SLOTS).map(|nic| Nic::keep(nic, names)).collect(),
            ..Inventory::default()
        }
    }
}

impl Node {
    /// Brings what the node should have up to date, after its inventory was `before`.
    pub(super) fn expect(&mut self, before: &Inventory) {
        let now = &self.inventory.gpus;
        let before = before.gpus.iter().filter(|gpu| gpu.parent.is_none());
        self.lost_gpus.extend(before.cloned());
        // A GPU that answers again is not lost, and one whose place another has taken was replaced.
        self.lost_gpus.retain(|lost| {
            !now.iter().any(|gpu| gpu.identity() == lost.identity() || (!gpu.bus.is_empty() && gpu.bus == lost.bus))
        });
        self.lost_gpus.truncate(Fleet::MOST_SLOTS);
        let seen = (self.inventory.whole_gpus() + self.lost_gpus.len()) as u32;
        self.gpus_expected = self.gpus_expected.max(seen).max(self.inventory.gpus_on_bus.unwrap_or(0));
    }

    fn tell(&self) -> Known {
        let whole = &self.inventory.gpus[..self.inventory.whole_gpus()];
        Known {
            name: self.name.as_ref().into(),
            labels: self.inventory.labels.iter().map(Tag::tell).collect(),
            gpus: whole.iter().map(Gpu::tell).collect(),
            lost_gpus: self.lost_gpus.iter().map(Gpu::tell).collect(),
            nics: self.inventory.nics.iter().map(Nic::tell).collect(),
            gpus_expected: self.gpus_expected,
        }
    }
}
