//! Reads what a node knows of itself: the driver, `/proc` and `/sys`. It only ever reads.
//! Each collector runs apart with a deadline ([`Runner`]); [`Board`] makes one node's reports of what they find.

mod apart;
mod board;
mod clock;
mod findings;
pub mod host;
mod job_map;
pub mod kmsg;
pub mod kubernetes;
pub mod nvml;
mod outage;
mod pci;
mod raw;
mod rise;
mod runner;
pub mod sim;
mod topology;
mod watchlist;
mod xid;

pub use board::Board;
pub use findings::{Driver, Findings, Host, Reading};
pub use job_map::JobMap;
pub use runner::{Failure, Runner};
pub use watchlist::Watchlist;
pub use xid::Xids;

use crate::model::Time;

/// One source of facts about this node.
///
/// A collector may block for as long as the kernel or a driver makes it: it has a thread of its own, and whoever
/// waits for it gives up at a deadline.
pub trait Collector: Send {
    /// What faults and costs call it: `host`, `nvml`, `kmsg`, `mounts`.
    fn name(&self) -> &'static str;

    /// Reads what is due at `now`. May block.
    fn collect(&mut self, now: Time) -> Findings;
}
