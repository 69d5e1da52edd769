//! What a fleet should have, as it outlives the hub: nodes, their GPUs and ports.
//! A node of the roster that does not come back is missing, not forgotten.

use serde::{Deserialize, Serialize};

use super::{
    Fleet,
    inventory::{Gpu, Inventory, Nic, Tag},
    name::{Names, own},
    node::{Holds, Node, NodeId},
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
    /// How often its scheduler held it back.
    #[serde(default)]
    pub holds: Holds,
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
            (node.gpus_expected, node.holds) = (known.gpus_expected, known.holds);
            node.lost_gpus = known.lost_gpus.iter().map(|gpu| Gpu::keep(gpu, &mut self.names)).collect();
            let inventory = known.inventory(&mut self.names);
            self.equip(id, inventory);
            // Whoever says what was known need not be told.
            self.unsaved.pop_back();
            self.nodes[id.index()].is_unsaved = false;
        }
    }

    /// What has changed on the roster since this was asked before, of at most so many nodes, oldest change first.
    /// What was restored is no change.
    pub fn take_roster_changes(&mut self, most: usize) -> Vec<Known> {
        let some = self.unsaved.len().min(most);
        let nodes = &mut self.nodes;
        let tell = |id: NodeId| {
            let node = &mut nodes[id.index()];
            node.is_unsaved = false;
            node.tell()
        };
        self.unsaved.drain(..some).map(tell).collect()
    }

    /// Notes that the roster says something else of a node than it did.
    pub(super) fn roster_changed(&mut self, id: NodeId) {
        if !std::mem::replace(&mut self.nodes[id.index()].is_unsaved, true) {
            self.unsaved.push_back(id);
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

    /// Whether the roster said something else of it when its inventory was `before` and it should have so many GPUs,
    /// of which so many were lost.
    pub(super) fn differs(&self, before: &Inventory, expected: u32, lost: usize) -> bool {
        let now = &self.inventory;
        let whole = |inventory: &Inventory| inventory.whole_gpus();
        now.labels != before.labels
            || now.gpus[..whole(now)] != before.gpus[..whole(before)]
            || now.nics != before.nics
            || self.gpus_expected != expected
            || self.lost_gpus.len() != lost
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
            holds: self.holds,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        fleet::fixture::{at, fleet, gpu, inventory, join, send},
        model::{job::Standing, metric::gpu, state::State},
    };

    #[test]
    fn what_does_not_come_back_is_missing() {
        let mut before = fleet();
        join(&mut before, "gpu001", 2, at(0));
        join(&mut before, "gpu002", 2, at(0));
        let mut after = fleet();
        after.restore(&before.roster());
        let census = after.census(at(0));
        assert_eq!((census.missing, census.gpus), (2, 4));
        let session = join(&mut after, "gpu002", 2, at(0));
        assert_eq!(after.state(session.node, at(0)), State::Stale, "it is there, and has sent no sample");
        let census = after.census(at(0));
        assert_eq!((census.missing, census.gpus), (1, 4));
        let missing = after.find("gpu001").unwrap();
        assert_eq!(after.places_of(missing), after.places_of(session.node), "it keeps its place");
        assert_eq!(&*after.node(missing).inventory.gpus[1].uuid, "GPU-gpu001-1");
    }

    #[test]
    fn a_gpu_that_is_gone_is_expected_until_another_takes_its_place() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 4, at(0));
        let mut said = inventory("gpu001", 4);
        let fell_off = said.gpus.remove(2);
        said.gpus_on_bus = Some(3);
        fleet.inventory(session, &said, at(1));
        let lost = |fleet: &Fleet| fleet.node(session.node).lost_gpus.iter().map(Gpu::tell).collect::<Vec<_>>();
        assert_eq!(lost(&fleet), std::slice::from_ref(&fell_off));
        assert_eq!(fleet.node(session.node).gpus_expected, 4);
        let mut restarted = super::super::fixture::fleet();
        restarted.restore(&fleet.roster());
        let again = join(&mut restarted, "gpu001", 0, at(2));
        restarted.inventory(again, &said, at(2));
        assert_eq!(lost(&restarted), std::slice::from_ref(&fell_off), "known over a restart");
        said.gpus.push(report::Gpu { bus: fell_off.bus, ..gpu("gpu001", 9) });
        fleet.inventory(session, &said, at(3));
        assert_eq!(lost(&fleet), []);
        assert_eq!(fleet.node(session.node).gpus_expected, 4);
    }

    #[test]
    fn a_change_is_told_once_and_what_was_restored_is_none() {
        let mut before = fleet();
        let session = join(&mut before, "gpu001", 2, at(0));
        join(&mut before, "gpu002", 2, at(0));
        let names = |fleet: &mut super::Fleet, most| {
            fleet.take_roster_changes(most).into_iter().map(|known| known.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&mut before, 1), ["gpu001"]);
        assert_eq!(names(&mut before, 9), ["gpu002"]);
        before.inventory(session, &inventory("gpu001", 2), at(1));
        assert_eq!(names(&mut before, 9), [""; 0], "it said the same again");
        before.inventory(session, &inventory("gpu001", 1), at(2));
        before.inventory(session, &inventory("gpu001", 3), at(3));
        let told = before.take_roster_changes(9);
        assert_eq!(told.iter().map(|known| (&*known.name, known.gpus.len())).collect::<Vec<_>>(), [("gpu001", 3)]);
        let mut after = fleet();
        after.restore(&before.roster());
        assert_eq!(names(&mut after, 9), [""; 0]);
        join(&mut after, "gpu003", 1, at(4));
        assert_eq!(names(&mut after, 9), ["gpu003"]);
    }

    #[test]
    fn how_often_a_node_was_held_back_is_known_over_a_restart() {
        let say = |fleet: &mut super::Fleet, word: &str, second: i64| {
            fleet.begin_schedule("slurm");
            fleet.stand(&Standing { node: "gpu001".into(), states: vec![word.into()], ..Standing::default() });
            fleet.end_schedule(Ok(()), Ok(()), at(second * 1000));
        };
        let holds = |fleet: &super::Fleet| fleet.node(fleet.find("gpu001").unwrap()).holds;
        let mut before = fleet();
        let session = join(&mut before, "gpu001", 1, at(0));
        for word in ["drain", "idle", "drain"] {
            say(&mut before, word, 1);
        }
        assert_eq!(holds(&before), Holds { count: 2, is_on: true, well: None }, "it has not sent anything");
        assert!(send(&mut before, session, gpu::TEMP, &[40.0], at(2000)));
        say(&mut before, "drain", 2);
        let said = Holds { count: 2, is_on: true, well: Some(at(2000)) };
        assert_eq!(holds(&before), said);
        let file = before.take_roster_changes(9);
        let mut after = fleet();
        after.restore(&Roster { nodes: file });
        say(&mut after, "drain", 90);
        assert_eq!(holds(&after), said, "it is the same hold, and nothing is known to be wrong");
        say(&mut after, "idle", 91);
        assert_eq!(holds(&after), Holds { count: 2, is_on: false, well: None });
        assert_eq!(after.take_roster_changes(9)[0].holds, holds(&after), "it is written");
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z0-9.:-]{0,12}", "\\PC{0,8}"]
    }

    prop_compose! {
        fn known()(
            name in "[a-z]{1,5}[0-9]{1,3}", labels in prop::collection::vec((text(), text()), 0..3),
            gpus in 0..4_usize, lost in 0..2_usize, nics in prop::collection::vec((text(), text()), 0..3), expected in 0..9_u32,
        ) -> Known {
            let nics = nics.into_iter().map(|(name, bus)| report::Nic { name, bus, ..report::Nic::default() });
            Known {
                labels: labels.into_iter().map(|(key, value)| Label { key, value }).collect(),
                gpus: (0..gpus).map(|n| gpu(&name, n)).collect(),
                lost_gpus: (gpus..gpus + lost).map(|n| gpu(&name, n)).collect(),
                nics: nics.collect(),
                gpus_expected: expected.max((gpus + lost) as u32),
                holds: Holds { count: expected, is_on: lost > 0, well: (lost > 0).then(|| at(5)) },
                name,
            }
        }
    }

    proptest! {
        #[test]
        fn a_roster_survives_its_file(nodes in prop::collection::btree_map("[a-z]{1,3}[0-9]", known(), 0..6)) {
            let mut fleet = fleet();
            let nodes = nodes.into_iter().map(|(name, known)| Known { name, ..known }).collect();
            fleet.restore(&Roster { nodes });
            let roster = fleet.roster();
            let file = serde_json::to_string(&roster).unwrap();
            let mut again = super::super::fixture::fleet();
            again.restore(&serde_json::from_str(&file).unwrap());
            prop_assert_eq!(again.roster(), roster);
        }
    }
}
