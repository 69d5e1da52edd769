//! Where a session's reports come from: this machine's collectors, or a simulation of many nodes.

use std::time::Duration;

use crate::model::{
    report::{Event, Introduction, Inventory, Processes, Sample},
    time::Time,
};

/// One or more nodes that have something to report. Nodes are numbered from 0.
pub trait Source {
    /// How many nodes there are.
    fn nodes(&self) -> usize;

    /// Time between samples.
    fn interval(&self) -> Duration;

    /// Who a node is.
    fn introduction(&self, node: usize) -> Introduction;

    /// Changes when a node was started anew while others of the same source went on: it has to say again who it is.
    fn boots(&self, _node: usize) -> u64 {
        0
    }

    /// Takes a fresh look at a node. What the other calls give is as of the last look. False when the node
    /// has nothing to say now, as a hung one in a simulation.
    fn look(&mut self, node: usize, now: Time) -> bool;

    /// The numbers of the last look. A source that makes its numbers up makes them here, where they are sent.
    fn sample(&mut self, node: usize) -> &Sample;

    /// What the node is and has.
    fn inventory(&mut self, node: usize, now: Time) -> Inventory;

    /// Changes whenever [`Source::inventory`] would say something else.
    fn revision(&self, node: usize) -> u64;

    /// The node's processes, cores and mounts.
    fn processes(&mut self, node: usize, now: Time) -> Processes;

    /// Events since this was last asked; up to `now`; the session keeps them until they
    /// are acknowledged. Asked once after each look.
    fn take_events(&mut self, node: usize, now: Time) -> Vec<Event>;
}
