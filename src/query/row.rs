//! Rows: a thing of a node, or a group of things; and what a row reaches from where it stands.

use std::ops::Range;

use crate::{
    fleet::{Area, Fleet, Node, NodeId, Share},
    model::{metric::Scope, report::Subject, state::State},
};

use super::{
    snapshot::Snapshot,
    value::{Leaf, Number},
    view::Kind,
};

/// A thing of a node: the node itself, or one of its GPUs, ports, processes. Of the views that are about no node
/// (`metrics`), the slot alone counts; of accounts of energy, the node stands for the level of their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) node: NodeId,
    pub(super) slot: u32,
}

/// Things that became one row.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The row's id: `rack=r12`.
    pub(super) id: String,
    /// What its members have in common, one text for each key that it was grouped by.
    pub(super) texts: Vec<String>,
    /// Its members, those of one node next to one another.
    pub(super) members: Vec<Item>,
    /// How many rows were grouped.
    pub(super) rows: u64,
    /// That of the best node in it.
    pub(super) state: State,
    /// The place that it is, when it is one.
    pub(super) area: Option<Area>,
    /// What its members sum up to, of those metrics that were asked for.
    pub(super) sums: Vec<(Leaf, Number)>,
}

impl Group {
    /// What its members sum up to, if that was worked out.
    pub(super) fn sum(&self, leaf: &Leaf) -> Option<Number> {
        let is_it = |it: &Leaf| (it.metric, it.fold) == (leaf.metric, leaf.fold);
        self.sums.iter().find(|(it, _)| is_it(it)).map(|(_, sum)| *sum)
    }
}

/// One row, as conditions and values see it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row<'a> {
    /// A thing of this kind.
    Item(Kind, Item),
    /// A group of such things.
    Group(Kind, &'a Group),
}

impl Row<'_> {
    /// Whether the row can be believed. What is about no node always can.
    pub(super) fn state(self, snapshot: &Snapshot<'_>) -> State {
        match self {
            Row::Item(kind, _) if !kind.has_a_node() => State::Up,
            Row::Item(_, item) => snapshot.state(item.node),
            Row::Group(_, group) => group.state,
        }
    }

    /// Calls `visit` with each run of slots of `scope` that the row reaches, node by node.
    pub(super) fn reach(self, snapshot: &Snapshot<'_>, scope: Scope, visit: &mut dyn FnMut(NodeId, Range<u32>)) {
        match self {
            Row::Item(kind, item) => reach(snapshot, kind, item, scope, visit),
            Row::Group(kind, group) => reach_all(snapshot, kind, &group.members, scope, visit),
        }
    }

    /// Calls `visit` with each run of GPUs of the row's nodes, or of the row's members where these are GPUs.
    pub(super) fn gpus(self, snapshot: &Snapshot<'_>, visit: &mut dyn FnMut(NodeId, Range<u32>)) {
        match self {
            Row::Item(Kind::Job | Kind::Energy | Kind::Incident | Kind::Rule, _)
            | Row::Group(Kind::Gpu | Kind::Node | Kind::Job | Kind::Energy | Kind::Incident | Kind::Rule, _) => {
                self.reach(snapshot, Scope::Gpu, visit);
            }
            Row::Item(_, item) => reach(snapshot, Kind::Node, item, Scope::Gpu, visit),
            Row::Group(..) => self.reach(snapshot, Scope::Node, &mut |node, _| {
                reach(snapshot, Kind::Node, Item { node, slot: 0 }, Scope::Gpu, visit);
            }),
        }
    }
}

/// Reaches from several things, those of one node next to one another. A node is reached once, however many of its
/// things there are.
pub(super) fn reach_all(
    snapshot: &Snapshot<'_>,
    kind: Kind,
    members: &[Item],
    scope: Scope,
    visit: &mut dyn FnMut(NodeId, Range<u32>),
) {
    if !kind.has_a_node() {
        return members.iter().for_each(|item| reach(snapshot, kind, *item, scope, visit));
    }
    for run in members.chunk_by(|a, b| a.node == b.node) {
        let Some(first) = run.first() else { continue };
        match scope {
            Scope::Node => visit(first.node, 0..1),
            _ if kind.scope() == Some(scope) => {
                for slots in run.chunk_by(|a, b| a.slot + 1 == b.slot) {
                    visit(first.node, first_slot(slots)..first_slot(slots) + slots.len() as u32);
                }
            }
            _ if kind == Kind::Node => reach(snapshot, kind, *first, scope, visit),
            _ => reach_once(snapshot, kind, run, scope, visit),
        }
    }
}

fn first_slot(items: &[Item]) -> u32 {
    items.first().map_or(0, |item| item.slot)
}

/// Reaches from several things of one node, each thing once: two GPUs may share a process.
fn reach_once(
    snapshot: &Snapshot<'_>,
    kind: Kind,
    run: &[Item],
    scope: Scope,
    visit: &mut dyn FnMut(NodeId, Range<u32>),
) {
    let mut slots = Vec::new();
    for item in run {
        reach(snapshot, kind, *item, scope, &mut |_, range| slots.extend(range));
    }
    slots.sort_unstable();
    slots.dedup();
    for slot in slots {
        visit(run[0].node, slot..slot + 1);
    }
}

fn reach(snapshot: &Snapshot<'_>, kind: Kind, item: Item, scope: Scope, visit: &mut dyn FnMut(NodeId, Range<u32>)) {
    let Item { node: id, slot } = item;
    let one = |slot: usize| slot as u32..slot as u32 + 1;
    if kind.scope() == Some(scope) {
        return visit(id, slot..slot + 1);
    }
    let node = || snapshot.fleet.node(id);
    let job_of = |is: &dyn Fn(&Share) -> bool, visit: &mut dyn FnMut(NodeId, Range<u32>)| {
        let mut see = |(number, share): (u32, &Share)| {
            if is(share) {
                visit(id, number..number + 1);
            }
        };
        match snapshot.then() {
            Some(then) => snapshot.fleet.jobs_at(id, then).for_each(&mut see),
            None => snapshot.fleet.jobs_of(id).for_each(&mut see),
        }
    };
    match (kind, scope) {
        (Kind::Metric | Kind::Energy | Kind::Rule, _) => {}
        (Kind::Incident, _) => reach_troubled(snapshot, slot, scope, visit),
        (Kind::Job, Scope::Node | Scope::Gpu) => {
            let Some(job) = snapshot.fleet.job(slot as usize) else { return };
            let has = |share: &&Share| snapshot.then().map_or(share.is_held, |then| job.had_at(share, then));
            for share in job.shares.iter().filter(has) {
                match scope {
                    Scope::Node => visit(share.node, 0..1),
                    _ => share.runs().for_each(|slots| visit(share.node, slots)),
                }
            }
        }
        (Kind::Node, Scope::Job) => job_of(&|_| true, visit),
        (Kind::Gpu, Scope::Job) => job_of(&|share| share.slots.contains(slot as u16), visit),
        (Kind::Process, Scope::Job) => {
            let process = node().processes.list.get(slot as usize);
            let job = process.and_then(|process| process.workload.as_ref()).map(|workload| &workload.job);
            let number = job.and_then(|job| snapshot.fleet.find_job(job));
            if let Some(number) = number {
                visit(id, number..number + 1);
            }
        }
        (_, Scope::Node) => visit(id, 0..1),
        (Kind::Node, _) => visit(id, 0..count(snapshot.fleet, id, scope)),
        (Kind::Gpu, Scope::Process) => {
            let uses = |process: &crate::fleet::Process| process.gpus.iter().any(|gpu| u32::from(gpu.slot) == slot);
            let list = node().processes.list.iter().enumerate();
            list.filter(|(_, process)| uses(process)).for_each(|(at, _)| visit(id, one(at)));
        }
        (Kind::Gpu, Scope::Nic) => {
            let near = node().inventory.nics.iter().enumerate();
            near.filter(|(_, nic)| nic.gpu.map(u32::from) == Some(slot)).for_each(|(at, _)| visit(id, one(at)));
        }
        (Kind::Process, Scope::Gpu) => {
            let uses = node().processes.list.get(slot as usize).map_or(&[][..], |process| &process.gpus);
            let known = count(snapshot.fleet, id, Scope::Gpu);
            uses.iter()
                .map(|gpu| u32::from(gpu.slot))
                .filter(|gpu| *gpu < known)
                .for_each(|gpu| visit(id, gpu..gpu + 1));
        }
        (Kind::Nic, Scope::Gpu) => {
            let near = node().inventory.nics.get(slot as usize).and_then(|nic| nic.gpu);
            if let Some(gpu) = near {
                visit(id, one(usize::from(gpu)));
            }
        }
        (Kind::Event, Scope::Gpu) => {
            let gpu =
                snapshot.events.get(slot as usize).and_then(|happening| subject_gpu(node(), &happening.event.subject));
            if let Some(gpu) = gpu {
                visit(id, one(gpu));
            }
        }
        _ => {}
    }
}

/// Reaches from an incident: its nodes, their GPUs or the one that it is about, and the jobs on these.
fn reach_troubled(snapshot: &Snapshot<'_>, slot: u32, scope: Scope, visit: &mut dyn FnMut(NodeId, Range<u32>)) {
    let Some(trouble) = snapshot.fleet.troubles().get(slot as usize) else { return };
    match scope {
        Scope::Node => trouble.nodes.iter().for_each(|node| visit(*node, 0..1)),
        Scope::Gpu => trouble.gpus(snapshot.fleet).into_iter().for_each(|(node, slots)| visit(node, slots)),
        Scope::Job => {
            let jobs = trouble.jobs(snapshot.fleet).into_iter();
            jobs.for_each(|number| visit(NodeId::default(), number..number + 1));
        }
        _ => {}
    }
}

/// The slot of the GPU that an event is about.
pub(super) fn subject_gpu(node: &Node, subject: &Subject) -> Option<usize> {
    let Subject::Gpu { bus } = subject else { return None };
    node.inventory.gpu_at(bus)
}

/// How many things of `scope` a node has; of GPUs, whole ones.
pub(super) fn count(fleet: &Fleet, id: NodeId, scope: Scope) -> u32 {
    let node = || fleet.node(id);
    let n = match scope {
        Scope::Node => 1,
        Scope::Gpu => fleet.whole_gpus(id),
        Scope::Nic => fleet.nics(id),
        Scope::Process => node().processes.list.len(),
        Scope::Core => node().processes.cores.len(),
        Scope::Mount => node().processes.mounts.len(),
        Scope::Job => fleet.jobs_of(id).count(),
        // Accounts and incidents are of no one node.
        Scope::Energy | Scope::Incident | Scope::Rule => 0,
    };
    n as u32
}
