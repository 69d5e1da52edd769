//! The bench: what the scheduler says of a node against what we see of it, in one word.

use crate::fleet::NodeId;

use super::snapshot::Snapshot;

/// The word for it; nothing for a node of which both say that it is well, and without a scheduler.
pub(super) fn bench(snapshot: &Snapshot<'_>, id: NodeId) -> Option<&'static str> {
    let node = snapshot.fleet.node(id);
    let standing = node.standing.as_ref()?;
    if standing.is_planned() {
        return Some("planned");
    }
    match (standing.is_held(), snapshot.fleet.is_sick(id, snapshot.state(id), snapshot.now)?) {
        (true, true) if node.holds.count > 1 => Some("again"),
        (true, true) => Some("broken"),
        (true, false) => Some("healthy"),
        (false, true) if standing.is_given() => Some("sick"),
        (false, true) => Some("exposed"),
        (false, false) => None,
    }
}
