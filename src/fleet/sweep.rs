//! What is to be done every second: roll-ups, in small parts.

use super::{Fleet, node::NodeId, rollup::Rollups};
use crate::model::time::Time;

/// A sweep over all nodes that is not done yet.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    now: Time,
    next: usize,
}

impl Sweep {
    /// How many nodes are done.
    pub fn done(&self) -> usize {
        self.next
    }
}

impl Fleet {
    /// What is to be done every second: roll-ups. Called more often, it does nothing in between.
    pub fn tick(&mut self, now: Time) {
        let mut sweep = self.sweep(now);
        while let Some(some) = sweep {
            sweep = self.go_on(some);
        }
    }

    /// [`Fleet::tick`] in small parts, for whoever has other work in between: what is to be handed to
    /// [`Fleet::go_on`]. Nothing when nothing is due.
    pub fn sweep(&mut self, now: Time) -> Option<Sweep> {
        self.rollups.is_due(now).then_some(Sweep { now, next: 0 })
    }

    /// Does some of the work, and says what is left.
    pub fn go_on(&mut self, sweep: Sweep) -> Option<Sweep> {
        let Sweep { now, next } = sweep;
        let end = (next + Self::SWEPT_AT_ONCE).min(self.nodes.len());
        let mut part = next;
        while part < end {
            let mut some = [NodeId::default(); Rollups::AT_ONCE];
            let some = &mut some[..Rollups::AT_ONCE.min(end - part)];
            some.copy_from_slice(&self.tiles.order()[part..part + some.len()]);
            part += some.len();
            for id in some.iter() {
                Rollups::fetch(self.tiles.get(id.index()));
            }
            for &id in some.iter() {
                if now < self.up_until[id.index()] {
                    let gpus = self.whole_gpus(id);
                    self.rollups.add(self.tiles.get(id.index()), gpus, self.places.of_node(id));
                    self.meter(id, now);
                }
            }
        }
        self.keep_past(now);
        if end < self.nodes.len() {
            return Some(Sweep { now, next: end });
        }
        self.settle();
        self.rollups.record(now);
        self.forget_jobs(now);
        self.energy.forget(now);
        self.plan();
        None
    }

    /// Puts nodes' values into the order in which they are scanned, once many came since the last time and no more came
    /// since the last sweep.
    fn settle(&mut self) {
        let nodes = self.nodes.len();
        let grows = std::mem::replace(&mut self.swept, nodes) != nodes;
        if !grows && nodes > self.settled + self.settled / 16 {
            self.settled = nodes;
            self.directory.settle();
            self.tiles.settle(self.directory.order());
        }
    }

    /// Nodes that are rolled up in one go: about a quarter of a millisecond's work.
    const SWEPT_AT_ONCE: usize = 256;
}
