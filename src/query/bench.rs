//! The bench: what the scheduler says of a node against what we see of it, in one word.

use crate::{
    fleet::{Node, NodeId},
    model::{metric::gpu, raw::Raw, state::State},
};

use super::snapshot::Snapshot;

/// XIDs after which a GPU is not to be trusted with a job; those that programs cause are not among them.
const BROKEN: [i32; 12] = [48, 62, 64, 74, 79, 95, 119, 120, 140, 143, 151, 154];

/// The word for it; nothing for a node of which both say that it is well, and without a scheduler.
pub(super) fn bench(snapshot: &Snapshot<'_>, id: NodeId) -> Option<&'static str> {
    let node = snapshot.fleet.node(id);
    let standing = node.standing.as_ref()?;
    if standing.is_planned() {
        return Some("planned");
    }
    match (standing.is_held(), is_sick(snapshot, id, node)?) {
        (true, true) if standing.holds > 1 => Some("again"),
        (true, true) => Some("broken"),
        (true, false) => Some("healthy"),
        (false, true) if standing.is_given() => Some("sick"),
        (false, true) => Some("exposed"),
        (false, false) => None,
    }
}

/// Whether something is wrong with a node; nothing of one that has just fallen silent, or was not heard of yet.
fn is_sick(snapshot: &Snapshot<'_>, id: NodeId, node: &Node) -> Option<bool> {
    match snapshot.state(id) {
        State::Up => Some(has_fault(snapshot, id, node)),
        State::Down => Some(true),
        State::Stale | State::Missing => None,
    }
}

fn has_fault(snapshot: &Snapshot<'_>, id: NodeId, node: &Node) -> bool {
    let fleet = snapshot.fleet;
    if (fleet.whole_gpus(id) as u32) < node.gpus_expected {
        return true;
    }
    if fleet.has_faults(id) && node.inventory.faults.iter().any(|fault| fault.gpu.is_some() && fault.metric.is_empty())
    {
        return true;
    }
    let any = |metric, is: &dyn Fn(i32) -> bool| {
        fleet.row(id, metric, snapshot.now).iter().filter_map(|raw: &Raw| raw.steps()).any(is)
    };
    let counts = [gpu::REMAP_FAILED, gpu::REMAP_PENDING, gpu::ECC_DBE, gpu::ECC_SRAM];
    counts.into_iter().any(|metric| any(metric, &|steps| steps > 0)) || any(gpu::XID, &|code| BROKEN.contains(&code))
}
