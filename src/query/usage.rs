//! What is made of a GPU: what its scheduler gave, what processes use, and what they do with it, in one word; and in
//! another what it is to its job.

use crate::{
    fleet::{Node, NodeId, Slots},
    model::{
        metric::{Aggregate, MetricId, gpu},
        report::HIDDEN_PROCESSES,
        verdict::Verdict,
    },
};

use super::{
    row::Item,
    snapshot::Snapshot,
    value::{Leaf, Reach},
};

/// A GPU that is busy at least so much of the time, and whose multiprocessors work at most so much, does nothing: it
/// waits in a kernel.
const BUSY: f64 = 50.0;
const HOLLOW: f64 = 5.0;
/// One that is busy for less of the time has nothing to do.
const IDLE: f64 = 1.0;
/// Bytes that a GPU without processes does not hold: contexts of the driver's own take some hundred MiB.
const HAUNTED: f64 = 1_073_741_824.0;

/// The word for it; nothing where it is not known.
pub(super) fn usage(snapshot: &Snapshot<'_>, node: NodeId, slot: u32) -> Option<&'static str> {
    let Node { inventory, processes, tells_grants, .. } = snapshot.fleet.node(node);
    if !snapshot.believes(node) || processes.time.is_none() {
        return None;
    }
    let slot = u16::try_from(slot).ok()?;
    // Who uses an instance uses its GPU.
    let is_it = |it: u16| it == slot || inventory.gpus.get(usize::from(it)).is_some_and(|gpu| gpu.parent == Some(slot));
    let is_used = processes.list.iter().any(|process| process.gpus.iter().any(|gpu| is_it(gpu.slot)));
    let shares = || snapshot.fleet.jobs_of(node).map(|(_, share)| share).filter(|share| share.is_given);
    let is_given = shares().any(|share| share.given.iter().flat_map(Slots::iter).any(is_it));
    let is_sure = shares().all(|share| share.given.is_some());
    let is_scheduled = *tells_grants || snapshot.fleet.scheduler().is_some_and(|scheduler| scheduler.heard.is_some());
    Some(match (is_given, is_used) {
        // It may be one of those that a job was given and that nobody names.
        (false, false) if !is_sure => return None,
        (false, false) if is_haunted(snapshot, node, slot) => "zombie",
        (false, false) => "free",
        (true, false) => "unused",
        (false, true) if is_scheduled && is_sure => "ungiven",
        (_, true) if is_hollow(snapshot, node, slot) => "hollow",
        (_, true) if number(snapshot, node, slot, gpu::UTIL).is_some_and(|util| util < IDLE) => "idle",
        (_, true) => "used",
    })
}

/// Whether memory of it is in use though nobody is there who could use it. An agent that does not see all processes cannot
/// tell.
fn is_haunted(snapshot: &Snapshot<'_>, node: NodeId, slot: u16) -> bool {
    let notes = &snapshot.fleet.node(node).inventory.notes;
    let sees_all = !notes.iter().any(|note| note.starts_with(HIDDEN_PROCESSES));
    sees_all && number(snapshot, node, slot, gpu::MEM_USED).is_some_and(|bytes| bytes >= HAUNTED)
}

fn number(snapshot: &Snapshot<'_>, node: NodeId, slot: u16, metric: MetricId) -> Option<f64> {
    let quantum = metric.builtin().map_or(1.0, |metric| metric.quantum);
    let leaf = Leaf { metric, quantum, reach: Reach::Own, fold: Aggregate::Mean };
    snapshot.number(&leaf, Item { node, slot: slot.into() }).ok()
}

/// Whether it is busy and does nothing, as far as that can be told: not every GPU counts what its parts do.
fn is_hollow(snapshot: &Snapshot<'_>, node: NodeId, slot: u16) -> bool {
    let number = |metric| number(snapshot, node, slot, metric);
    number(gpu::UTIL).is_some_and(|util| util >= BUSY) && number(gpu::SM_ACTIVE).is_some_and(|active| active <= HOLLOW)
}

/// What a GPU is to its job. Nothing without a job, and of a node that is not heard of where nothing is said of it.
pub(super) fn verdict(snapshot: &Snapshot<'_>, Item { node, slot }: Item) -> Option<&'static str> {
    let slot = u16::try_from(slot).ok()?;
    let said = snapshot.fleet.verdict(node, slot);
    let is_known = said != Verdict::Fine || snapshot.believes(node);
    let works = || snapshot.fleet.jobs_of(node).any(|(_, share)| share.slots.contains(slot));
    (is_known && works()).then(|| said.word())
}
