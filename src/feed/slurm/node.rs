//! How Slurm stands to a node: its state with all flags, and why, by whom and since when it is out.

use serde::Deserialize;

use super::lenient::{Number, Text, Words};
use crate::model::{job::Standing, time::Time};

/// A node as Slurm writes it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    name: Text,
    state: Words,
    /// Up to 22.05 flags stand apart.
    state_flags: Words,
    reason: Text,
    reason_changed_at: Number,
    reason_set_by_user: Text,
}

impl Entry {
    /// The node's standing, unless it has no name.
    pub(super) fn standing(self) -> Option<Standing> {
        let Text(node) = self.name;
        if node.is_empty() {
            return None;
        }
        let words = self.state.0.into_iter().chain(self.state_flags.0);
        let since = self.reason_changed_at.0.filter(|seconds| *seconds > 0);
        Some(Standing {
            node,
            states: words.map(|word| word.to_lowercase()).collect(),
            reason: self.reason.0,
            by: self.reason_set_by_user.0,
            since: since.map(|seconds| Time::from_millis(seconds.saturating_mul(1000))),
        })
    }
}
