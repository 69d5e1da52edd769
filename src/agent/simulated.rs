//! Simulated nodes as a source: some of a simulation's nodes, all on one link.

use std::{ops::Range, sync::Arc, time::Duration};

use crate::{
    agent::Source,
    collect::sim::Sim,
    model::{
        report::{Event, Introduction, Inventory, Processes, Sample},
        time::Time,
    },
};

/// Simulated nodes that share a link.
pub struct Simulated {
    sim: Arc<Sim>,
    nodes: Range<u32>,
    /// When each node was looked at last.
    looked: Vec<Time>,
    /// How often each node's inventory has changed.
    revisions: Vec<u64>,
    sample: Sample,
}

impl Simulated {
    /// All nodes of a simulation, spread evenly over so many links.
    pub fn spread(sim: &Arc<Sim>, links: usize) -> Vec<Simulated> {
        let (nodes, links) = (sim.plan().nodes as usize, links.max(1));
        let first = |link: usize| (nodes * link / links) as u32;
        (0..links).map(|link| Simulated::new(sim, first(link)..first(link + 1))).collect()
    }

    fn new(sim: &Arc<Sim>, nodes: Range<u32>) -> Simulated {
        let start = sim.plan().start;
        let sample = Sample { time: start, generation: 1, values: sim.values() };
        let n = nodes.len();
        Simulated { sim: sim.clone(), nodes, looked: vec![start; n], revisions: vec![0; n], sample }
    }

    fn number(&self, node: usize) -> u32 {
        self.nodes.start + node as u32
    }
}

impl Source for Simulated {
    fn nodes(&self) -> usize {
        self.nodes.len()
    }

    fn interval(&self) -> Duration {
        self.sim.plan().interval
    }

    fn introduction(&self, node: usize) -> Introduction {
        self.sim.introduction(self.number(node), self.looked[node])
    }

    fn boots(&self, node: usize) -> u64 {
        self.sim.restarted(self.number(node), self.looked[node]).map_or(0, |up| up.as_millis() as u64)
    }

    fn look(&mut self, node: usize, now: Time) -> bool {
        let n = self.number(node);
        if self.sim.inventory_changes(n, self.looked[node], now) {
            self.revisions[node] += 1;
        }
        self.sample.time = now;
        !self.sim.silent(n, now)
    }

    fn sample(&mut self, node: usize) -> &Sample {
        self.sim.sample(self.number(node), self.sample.time, &mut self.sample.values);
        &self.sample
    }

    fn inventory(&mut self, node: usize, now: Time) -> Inventory {
        self.sim.inventory(self.number(node), now)
    }

    fn revision(&self, node: usize) -> u64 {
        self.revisions[node]
    }

    fn processes(&mut self, node: usize, now: Time) -> Processes {
        self.sim.processes(self.number(node), now)
    }

    fn take_events(&mut self, node: usize, now: Time) -> Vec<Event> {
        let from = std::mem::replace(&mut self.looked[node], now);
        self.sim.events(self.number(node), from, now)
    }
}
