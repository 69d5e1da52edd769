//! The memory for times before now, and who gets how much of it: the sum stays when one of them grows.

use super::Fleet;

impl Fleet {
    /// Bytes of history and roll-ups, if nobody says how many: of a fleet up to 1,000 nodes, and at most.
    const SMALL_HISTORY: u64 = 24 << 20;
    const LARGE_HISTORY: u64 = 1 << 30;

    /// Divides the memory for times before now between nodes and places.
    pub(super) fn plan(&mut self) {
        let bytes = self.past_bytes();
        self.rollups.plan(bytes / 4);
        // What the others do not take yet is the history's, so that the sum stays when they grow.
        let others = (self.rollups.bytes() + self.jobs.past_bytes()) as u64 + self.given;
        self.history.plan(bytes.saturating_sub(others).max(bytes / 2));
    }

    /// Bytes for times before now.
    fn past_bytes(&self) -> u64 {
        let nodes = self.nodes.len() as u64;
        self.settings.history_bytes.unwrap_or_else(|| {
            // 24 KB for each of 1,000 nodes, and more for each of a larger fleet: its hub has a machine of its own.
            (nodes * nodes * 24).clamp(Self::SMALL_HISTORY, Self::LARGE_HISTORY)
        })
    }

    /// The bytes for times before now, once all of them are taken.
    pub fn full_history(&self) -> Option<u64> {
        self.history.is_full().then(|| self.past_bytes())
    }

    /// History takes so many bytes less, from the next sweep on.
    pub fn give(&mut self, bytes: u64) {
        self.given = bytes;
    }
}
