//! Whether something is wrong with a node, as far as what is known of it says: what it should not be given jobs with.

use super::{Fleet, node::NodeId};
use crate::model::{metric::gpu, raw::Raw, state::State, time::Time};

/// XIDs after which a GPU is not to be trusted with a job; those that programs cause are not among them.
const BROKEN: [i32; 12] = [48, 62, 64, 74, 79, 95, 119, 120, 140, 143, 151, 154];

impl Fleet {
    /// Whether something is wrong with a node that is in this state; nothing of one that has just fallen silent, or was not
    /// heard of yet.
    pub fn is_sick(&self, id: NodeId, state: State, now: Time) -> Option<bool> {
        match state {
            State::Up => Some(self.has_fault(id, now)),
            State::Down => Some(true),
            State::Stale | State::Missing => None,
        }
    }

    fn has_fault(&self, id: NodeId, now: Time) -> bool {
        let inventory = &self.nodes[id.index()].inventory;
        if (self.whole_gpus(id) as u32) < self.nodes[id.index()].gpus_expected {
            return true;
        }
        if self.has_faults(id) && inventory.faults.iter().any(|fault| fault.gpu.is_some() && fault.metric.is_empty()) {
            return true;
        }
        let any = |metric, is: &dyn Fn(i32) -> bool| {
            self.row(id, metric, now).iter().filter_map(|raw: &Raw| raw.steps()).any(is)
        };
        let counts = [gpu::REMAP_FAILED, gpu::REMAP_PENDING, gpu::ECC_DBE, gpu::ECC_SRAM];
        counts.into_iter().any(|metric| any(metric, &|steps| steps > 0))
            || any(gpu::XID, &|code| BROKEN.contains(&code))
    }

    /// Notes since when nothing is wrong with the nodes that the scheduler holds back.
    pub(super) fn judge_held(&mut self, now: Time) {
        for at in 0..self.nodes.len() {
            // Of one of which the scheduler said nothing yet, it is as it was before the hub's restart.
            let Some(standing) = &self.nodes[at].standing else { continue };
            let (id, before) = (NodeId::at(at), self.nodes[at].holds.well);
            let is_held = standing.is_held() && !standing.is_planned();
            let is_sick = || self.is_sick(id, self.presence[at].state(now), now);
            let well = match is_held.then(is_sick) {
                None | Some(Some(true)) => None,
                Some(Some(false)) => before.or(Some(now)),
                Some(None) => before,
            };
            if well != before {
                self.nodes[at].holds.well = well;
                self.roster_changed(id);
            }
        }
    }
}
