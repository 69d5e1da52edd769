//! Goes over the fleet for the rows that match: in the order of their identity, so that ties have one.

use std::{collections::HashMap, ops::Range};

use crate::{
    fleet::{NOWHERE, NodeId, natural},
    model::{place::Levels, state::State},
};

use super::{
    batch::{LANES, Run},
    plan::Plan,
    row::{Group, Item, Row},
    snapshot::{AT_ONCE, Snapshot},
    text::slots,
    value::{Condition, Text},
    view::{Kind, Rows},
};

/// The rows that match, in the order of their identity.
pub(super) enum Matches {
    /// Things of one kind.
    Items(Kind, Vec<Item>),
    /// Groups of things of one kind.
    Groups(Kind, Vec<Group>),
}

impl Matches {
    pub(super) fn len(&self) -> usize {
        match self {
            Matches::Items(_, items) => items.len(),
            Matches::Groups(_, groups) => groups.len(),
        }
    }

    pub(super) fn row(&self, at: usize) -> Option<Row<'_>> {
        match self {
            Matches::Items(kind, items) => items.get(at).map(|item| Row::Item(*kind, *item)),
            Matches::Groups(kind, groups) => groups.get(at).map(|group| Row::Group(*kind, group)),
        }
    }

    /// Every row, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).filter_map(|at| self.row(at))
    }

    /// How many rows are not up.
    pub(super) fn stale(&self, snapshot: &Snapshot<'_>) -> u64 {
        if let Matches::Items(kind, items) = self
            && *kind != Kind::Metric
        {
            return items.iter().filter(|item| !snapshot.is_up(item.node)).count() as u64;
        }
        self.rows().filter(|row| row.state(snapshot) != State::Up).count() as u64
    }
}

/// The rows of a plan.
pub(super) fn scan(snapshot: &Snapshot<'_>, plan: &Plan) -> Matches {
    let kind = plan.view.kind;
    let matches = match plan.view.rows {
        Rows::Each => Matches::Items(kind, items(snapshot, plan)),
        Rows::Fleet => {
            Matches::Groups(kind, fleet(snapshot).into_iter().filter(|group| keeps(snapshot, plan, group)).collect())
        }
        Rows::Places(level) => {
            let places = places(snapshot, level).into_iter();
            Matches::Groups(kind, places.filter(|group| keeps(snapshot, plan, group)).collect())
        }
    };
    if plan.by.is_empty() { matches } else { Matches::Groups(kind, group(snapshot, plan, &matches)) }
}

fn keeps(snapshot: &Snapshot<'_>, plan: &Plan, group: &Group) -> bool {
    let row = Row::Group(plan.view.kind, group);
    plan.filter.as_ref().is_none_or(|filter| filter.holds(snapshot, row) == Some(true))
}

fn items(snapshot: &Snapshot<'_>, plan: &Plan) -> Vec<Item> {
    let kind = plan.view.kind;
    let keeps = |item: &Item| match &plan.filter {
        Some(filter) => filter.holds(snapshot, Row::Item(kind, *item)) == Some(true),
        None => true,
    };
    let fleet = snapshot.fleet;
    let slot = |at: usize| Item { slot: at as u32, ..Item::default() };
    match kind {
        Kind::Metric => (0..fleet.catalogue().iter().count()).map(slot).filter(keeps).collect(),
        Kind::Event => {
            let events = snapshot.events.iter().enumerate();
            let recent = events.filter(|(_, happening)| plan.since.is_none_or(|since| happening.event.time >= since));
            recent.map(|(at, happening)| Item { node: happening.node, slot: at as u32 }).filter(keeps).collect()
        }
        _ => {
            let metrics = plan.filter.as_ref().map_or_else(Vec::new, Condition::metrics);
            let mut items = Vec::with_capacity(fleet.by_name().len());
            for nodes in fleet.by_name().chunks(AT_ONCE) {
                snapshot.fetch(nodes.iter().copied(), &metrics);
                for &node in nodes {
                    let start = items.len();
                    let all = 0..slots(snapshot, kind, node, plan.mig);
                    match &plan.filter {
                        Some(filter) => keep_run(snapshot, filter, kind, node, all, &mut items),
                        None => items.extend(all.map(|slot| Item { node, slot })),
                    }
                    if matches!(kind, Kind::Process | Kind::Mount) {
                        by_identity(snapshot, kind, node, &mut items[start..]);
                    }
                }
            }
            items
        }
    }
}

/// Keeps the things of one node for which the filter is true.
fn keep_run(
    snapshot: &Snapshot<'_>,
    filter: &Condition,
    kind: Kind,
    node: NodeId,
    slots: Range<u32>,
    items: &mut Vec<Item>,
) {
    let mut holds = [None; LANES];
    for run in Run::lanes(kind, node, slots) {
        let holds = &mut holds[..run.slots.len()];
        filter.fill(snapshot, &run, holds);
        let kept = run.slots.clone().zip(holds).filter(|(_, holds)| **holds == Some(true));
        items.extend(kept.map(|(slot, _)| Item { node, slot }));
    }
}

/// Brings one node's things into the order of what they are called by, where reports list them in another.
fn by_identity(snapshot: &Snapshot<'_>, kind: Kind, node: NodeId, items: &mut [Item]) {
    let processes = &snapshot.fleet.node(node).processes;
    match kind {
        Kind::Process => items.sort_unstable_by_key(|item| {
            (processes.list.get(item.slot as usize).map_or(0, |process| process.pid), item.slot)
        }),
        Kind::Mount => items.sort_unstable_by(|a, b| {
            let path = |item: &Item| processes.mounts.get(item.slot as usize).map_or("", |mount| &mount.path);
            path(a).cmp(path(b)).then(a.slot.cmp(&b.slot))
        }),
        _ => {}
    }
}

/// The whole fleet as one row.
fn fleet(snapshot: &Snapshot<'_>) -> Vec<Group> {
    let members: Vec<Item> = snapshot.fleet.by_name().iter().map(|node| Item { node: *node, slot: 0 }).collect();
    let fleet = Levels::FLEET.to_owned();
    vec![Group {
        id: fleet.clone(),
        texts: vec![fleet.clone()],
        rows: members.len() as u64,
        state: best(snapshot, &members),
        members,
        place: Some((fleet.clone(), fleet)),
    }]
}

/// The places of a level that have nodes, in the order of their names; nodes without one come last.
fn places(snapshot: &Snapshot<'_>, level: usize) -> Vec<Group> {
    let known = snapshot.fleet.places(level);
    let label = snapshot.fleet.levels().names().get(level).cloned().unwrap_or_default();
    let mut members: Vec<Vec<Item>> = known.iter().map(|place| Vec::with_capacity(place.nodes as usize)).collect();
    for &node in snapshot.fleet.by_name() {
        let at = snapshot.fleet.places_of(node).get(level).copied().unwrap_or(0) as usize;
        if let Some(members) = members.get_mut(at) {
            members.push(Item { node, slot: 0 });
        }
    }
    let with_nodes = known.iter().zip(members).filter(|(_, members)| !members.is_empty());
    let groups = with_nodes.map(|(place, members)| Group {
        id: format!("{label}={}", place.name),
        texts: vec![place.name.to_string()],
        rows: members.len() as u64,
        state: best(snapshot, &members),
        members,
        place: Some((label.clone(), place.name.to_string())),
    });
    let mut groups: Vec<Group> = groups.collect();
    groups.sort_by(by_texts);
    groups
}

/// Groups rows by the plan's keys.
fn group(snapshot: &Snapshot<'_>, plan: &Plan, matches: &Matches) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    // The row before is often of the same group: its name and its group's position.
    let (mut name, mut before) = (String::new(), (String::new(), usize::MAX));
    for row in matches.rows() {
        name.clear();
        for (_, text) in &plan.by {
            append(snapshot, text, row, &mut name);
            name.push('\u{1f}');
        }
        let same = (name == before.0).then_some(before.1).filter(|at| *at < groups.len());
        let at = same.or_else(|| known.get(name.as_str()).copied()).unwrap_or_else(|| {
            let texts: Vec<String> = name.split_terminator('\u{1f}').map(String::from).collect();
            let parts = plan.by.iter().zip(&texts).map(|((key, _), text)| format!("{key}={text}"));
            let id = parts.collect::<Vec<_>>().join(" ");
            groups.push(Group { id, texts, state: State::Missing, ..Group::default() });
            known.insert(name.clone(), groups.len() - 1);
            groups.len() - 1
        });
        if at != before.1 {
            before = (name.clone(), at);
        }
        let group = &mut groups[at];
        group.state = group.state.min(row.state(snapshot));
        group.rows += 1;
        match row {
            Row::Item(_, item) => group.members.push(item),
            Row::Group(_, inner) => group.members.extend(&inner.members),
        }
    }
    groups.sort_by(by_texts);
    groups
}

/// Appends the row's text to the name of its group.
fn append(snapshot: &Snapshot<'_>, text: &Text, row: Row<'_>, name: &mut String) {
    let start = name.len();
    let mut several = false;
    text.each(snapshot, row, &mut |text| {
        if name.len() == start {
            name.push_str(text);
        } else {
            several |= name[start..] != *text;
        }
    });
    if several {
        name.truncate(start);
        name.push_str(&text.joined(snapshot, row).unwrap_or_default());
    }
    if name.len() == start {
        name.push_str(NOWHERE);
    }
}

fn best(snapshot: &Snapshot<'_>, members: &[Item]) -> State {
    members.iter().map(|item| snapshot.state(item.node)).min().unwrap_or_default()
}

/// The order of groups; those that nobody named come last.
fn by_texts(a: &Group, b: &Group) -> std::cmp::Ordering {
    let orders = a.texts.iter().zip(&b.texts).map(|(a, b)| {
        let nowhere = |text: &str| text == NOWHERE;
        nowhere(a).cmp(&nowhere(b)).then_with(|| natural(a, b))
    });
    orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
}
