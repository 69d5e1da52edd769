//! Long work in parts. Most questions are answered in one look at the fleet; what has to go over all of it for a group
//! or for the past looks many times, and lets others go on in between.

use std::future::{Future, ready};

use crate::{
    fleet::{Fleet, NodeId},
    model::metric::Scope,
};

use super::{
    pool::Pool,
    row::{Group, Item, reach_all},
    snapshot::{AT_ONCE, Seen, Snapshot},
    value::{Leaf, Number},
    view::Kind,
};

/// Nodes of one look: some tens of microseconds' work.
pub(super) const NODES: usize = 64;
/// Things of one look.
pub(super) const THINGS: usize = NODES * 8;
/// Jobs of one look: each may have many nodes.
const JOBS: usize = 4;

/// Nodes from which on going over all of them takes longer than the next frame can wait.
pub(super) const MANY: usize = 4096;

/// Where the fleet is to be looked at.
pub trait Access {
    /// Looks at the fleet.
    fn look<R>(&self, with: impl FnOnce(&Fleet) -> R) -> R;

    /// Called between two looks of one question, which may be many: lets others go on, if it is time. The fleet may
    /// change meanwhile.
    fn pause(&self) -> impl Future<Output = ()>;
}

/// A fleet that nobody else waits for.
impl Access for &Fleet {
    fn look<R>(&self, with: impl FnOnce(&Fleet) -> R) -> R {
        with(self)
    }

    fn pause(&self) -> impl Future<Output = ()> {
        ready(())
    }
}

/// Works out what each group's members sum up to, of those `leaves` that it has not got yet.
pub(super) async fn sum_up<'g>(
    access: &impl Access,
    seen: &Seen,
    kind: Kind,
    groups: impl IntoIterator<Item = &'g mut Group>,
    leaves: &[Leaf],
) {
    for group in groups {
        let mut sums: Vec<(Leaf, Pool)> = Vec::new();
        access.look(|fleet| {
            let snapshot = seen.of(fleet);
            for leaf in leaves {
                match group.sum(leaf) {
                    Some(_) => {}
                    None if sums.iter().any(|(it, _)| (it.metric, it.fold) == (leaf.metric, leaf.fold)) => {}
                    None if let Some(sum) = rolled_up(&snapshot, group, leaf) => group.sums.push((*leaf, sum)),
                    None => sums.push((*leaf, Pool::new(leaf.fold))),
                }
            }
        });
        let mut rest = &group.members[..];
        while !rest.is_empty() && !sums.is_empty() {
            let (some, others) = rest.split_at(some_of(kind, rest));
            access.look(|fleet| add(&seen.view(fleet, kind), kind, some, &mut sums));
            rest = others;
            access.pause().await;
        }
        group.sums.extend(sums.iter().map(|(leaf, pool)| (*leaf, pool.number())));
    }
}

/// What a large fleet's place came to a moment ago, of the metrics that are rolled up each second anyway.
fn rolled_up(snapshot: &Snapshot<'_>, group: &Group, leaf: &Leaf) -> Option<Number> {
    let area = group.area.filter(|_| snapshot.fleet.nodes().len() >= MANY && snapshot.is_live())?;
    match snapshot.fleet.rolled_up(area, leaf.metric, snapshot.now)? {
        Ok(rollup) => rollup.value(leaf.fold).map(Ok),
        Err(gap) => Some(Err(gap)),
    }
}

/// How many of the first things to look at in one look, so that no node's are torn apart.
fn some_of(kind: Kind, things: &[Item]) -> usize {
    if kind == Kind::Job {
        return things.len().min(JOBS);
    }
    let Some(last) = things.get(THINGS - 1) else { return things.len() };
    things[THINGS..].iter().position(|item| item.node != last.node).map_or(things.len(), |more| THINGS + more)
}

/// Adds what some of a group's members reach, in one walk over their nodes: their values may lie far from one
/// another.
fn add(snapshot: &Snapshot<'_>, kind: Kind, members: &[Item], sums: &mut [(Leaf, Pool)]) {
    sums.sort_by_key(|(leaf, _)| leaf.metric.scope);
    for sums in sums.chunk_by_mut(|(a, _), (b, _)| a.metric.scope == b.metric.scope) {
        let Some(scope) = sums.first().map(|(leaf, _)| leaf.metric.scope) else { continue };
        // What is of no node lies nowhere that could be fetched.
        let metrics: Vec<_> =
            sums.iter().map(|(leaf, _)| leaf.metric).filter(|it| Scope::SAMPLED.contains(&it.scope)).collect();
        let mut waiting: Vec<(NodeId, std::ops::Range<u32>)> = Vec::with_capacity(AT_ONCE);
        let mut take = |waiting: &mut Vec<(NodeId, std::ops::Range<u32>)>| {
            snapshot.fetch(&waiting.iter().map(|(node, _)| *node), &metrics);
            for (node, slots) in waiting.drain(..) {
                for (leaf, pool) in sums.iter_mut() {
                    snapshot.pool(pool, leaf, node, slots.clone());
                }
            }
        };
        reach_all(snapshot, kind, members, scope, &mut |node, slots| {
            waiting.push((node, slots));
            if waiting.len() == AT_ONCE {
                take(&mut waiting);
            }
        });
        take(&mut waiting);
    }
}
