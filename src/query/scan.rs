//! Goes over the fleet for the rows that match, in the order of their identity, so that ties have one; and groups them.

use std::{collections::HashMap, ops::Range, time::Duration};

use crate::{
    fleet::{Area, Fleet, NOWHERE, NodeId, Trouble, natural},
    model::{place::Levels, state::State, time::Time},
};

use super::{
    batch::Run,
    items::Items,
    parts::{Access, MANY, NODES, sum_up},
    plan::Plan,
    row::{Group, Item, Row},
    snapshot::{AT_ONCE, Seen, Snapshot},
    text::slots,
    value::{Condition, Text},
    view::{Kind, Rows},
};

/// A small part of all nodes: one of so many.
const FEW: usize = 16;
/// How long an account is of.
const HOUR: Duration = Duration::from_hours(1);

/// The rows that match, in the order of their identity.
pub(super) enum Matches {
    /// Things of one kind.
    Items(Kind, Items),
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

    /// The thing at a position; nothing of groups.
    pub(super) fn item(&self, at: usize) -> Option<Item> {
        if let Matches::Items(_, items) = self { items.get(at) } else { None }
    }

    pub(super) fn row(&self, at: usize) -> Option<Row<'_>> {
        match self {
            Matches::Items(kind, items) => items.get(at).map(|item| Row::Item(*kind, item)),
            Matches::Groups(kind, groups) => groups.get(at).map(|group| Row::Group(*kind, group)),
        }
    }

    /// The things at some positions, which rise; nothing of groups.
    pub(super) fn only(&self, places: impl Iterator<Item = usize>) -> Option<Matches> {
        let Matches::Items(kind, items) = self else { return None };
        Some(Matches::Items(*kind, items.only(places)))
    }

    /// Those groups, in this order.
    pub(super) fn into_groups(self, rows: &[usize]) -> Vec<Group> {
        let Matches::Groups(_, groups) = self else { return Vec::new() };
        let mut groups: Vec<Option<Group>> = groups.into_iter().map(Some).collect();
        rows.iter().filter_map(|at| groups.get_mut(*at)?.take()).collect()
    }

    /// Every row, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let (kind, items, groups) = match self {
            Matches::Items(kind, items) => (*kind, Some(items), &[][..]),
            Matches::Groups(kind, groups) => (*kind, None, &groups[..]),
        };
        let things = items.into_iter().flat_map(Items::iter).map(move |item| Row::Item(kind, item));
        things.chain(groups.iter().map(move |group| Row::Group(kind, group)))
    }

    /// How many rows are not up.
    pub(super) fn stale(&self, snapshot: &Snapshot<'_>) -> u64 {
        if let Matches::Items(kind, items) = self
            && kind.has_a_node()
        {
            return items.runs().filter(|(node, _)| !snapshot.is_up(*node)).map(|(_, slots)| slots.len() as u64).sum();
        }
        self.rows().filter(|row| row.state(snapshot) != State::Up).count() as u64
    }
}

/// The rows of a plan that groups them.
pub(super) async fn groups(access: &impl Access, seen: &Seen, plan: &Plan) -> Vec<Group> {
    let kind = plan.view.kind;
    let places = access.look(|fleet| match plan.view.rows {
        Rows::Each => None,
        Rows::Fleet => Some(whole(&seen.of(fleet))),
        Rows::Places(level) => Some(places(&seen.of(fleet), level)),
    });
    let Some(places) = places else { return group(access, seen, plan).await };
    let places = keep(access, seen, plan, places).await;
    if plan.by.is_empty() {
        return places;
    }
    access.look(|fleet| {
        let (snapshot, mut groups) = (seen.of(fleet), Groups::default());
        for place in &places {
            groups.add(&snapshot, plan, Row::Group(kind, place));
        }
        groups.finish()
    })
}

/// Keeps the places for which the plan's filter is true.
async fn keep(access: &impl Access, seen: &Seen, plan: &Plan, mut places: Vec<Group>) -> Vec<Group> {
    let Some(filter) = &plan.filter else { return places };
    sum_up(access, seen, plan.view.kind, &mut places, &filter.sums()).await;
    let mut kept = Vec::with_capacity(places.len());
    for place in places {
        let row = Row::Group(plan.view.kind, &place);
        if access.look(|fleet| filter.holds(&seen.of(fleet), row)) == Some(true) {
            kept.push(place);
        }
        access.pause().await;
    }
    kept
}

/// The things of some nodes that match, in the order of their identity: in one look, so that what they are sorted by
/// and what is shown of them is still what matched.
pub(super) fn items(snapshot: &Snapshot<'_>, plan: &Plan, nodes: &[NodeId]) -> Items {
    let mut items = Items::with_capacity(nodes.len());
    add_items(snapshot, plan, nodes, &mut items);
    items
}

/// For each of some plans, the nodes that have something that matches, where they are a small part of a large fleet:
/// these are then looked at again in one look, and all others need not be. They are looked for in many looks, and for all
/// plans side by side: what keeps a walk over a large fleet waiting is its memory.
pub(super) async fn few_nodes(access: &impl Access, asked: &[(&Seen, &Plan)]) -> Vec<Option<Vec<NodeId>>> {
    let mut few: Vec<_> = asked.iter().map(|(_, plan)| access.look(|fleet| named_nodes(fleet, plan))).collect();
    let is_sought = |at: &usize| few[*at].is_none() && asked[*at].1.is_of_few();
    let mut sought: Vec<(usize, Vec<NodeId>)> = (0..asked.len()).filter(is_sought).map(|at| (at, Vec::new())).collect();
    let is_large = |fleet: &Fleet| fleet.nodes().len() >= MANY && !sought.is_empty();
    let all = access.look(|fleet| if is_large(fleet) { fleet.by_name().to_vec() } else { Vec::new() });
    if all.is_empty() {
        return few;
    }
    let mut items = Items::default();
    for nodes in all.chunks(NODES) {
        access.look(|fleet| {
            for (at, few) in &mut sought {
                let (seen, plan) = asked[*at];
                items.clear();
                add_items(&seen.of(fleet), plan, nodes, &mut items);
                for (node, _) in items.runs() {
                    if few.last() != Some(&node) {
                        few.push(node);
                    }
                }
            }
        });
        sought.retain(|(_, few)| few.len() <= all.len() / FEW);
        if sought.is_empty() {
            break;
        }
        access.pause().await;
    }
    for (at, nodes) in sought {
        few[at] = Some(nodes);
    }
    few
}

/// The nodes of the few hosts or of the one job that a plan's filter names.
fn named_nodes(fleet: &Fleet, plan: &Plan) -> Option<Vec<NodeId>> {
    let filter = plan.filter.as_ref().filter(|_| plan.is_of_few())?;
    if let Some(names) = filter.hosts(fleet.nodes().len() / FEW) {
        return Some(match names.as_slice() {
            [name] => fleet.alike(name),
            names => in_order(fleet, names.iter().flat_map(|name| fleet.alike(name))),
        });
    }
    let job = filter.job(true).filter(|_| matches!(plan.view.kind, Kind::Gpu | Kind::Node))?;
    Some(nodes_of(fleet, job))
}

/// The nodes of which a job holds something or held something, in the order of their names.
pub(super) fn nodes_of(fleet: &Fleet, job: &str) -> Vec<NodeId> {
    let job = fleet.find_job(job).and_then(|number| fleet.job(number as usize));
    in_order(fleet, job.into_iter().flat_map(|job| &job.shares).map(|share| share.node))
}

/// Some nodes in the order of their names, each once.
fn in_order(fleet: &Fleet, nodes: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
    let mut is_its = vec![false; fleet.nodes().len()];
    nodes.for_each(|node| is_its[node.index()] = true);
    fleet.by_name().iter().copied().filter(|node| is_its[node.index()]).collect()
}

/// As [`items`], in many looks.
pub(super) async fn items_in_parts(access: &impl Access, seen: &Seen, plan: &Plan) -> Items {
    let mut items = Items::default();
    each_part(access, seen, plan, |_, some| some.runs().for_each(|(node, slots)| items.push(node, slots))).await;
    items
}

/// Calls `take` with all things that match, those of a few nodes at a time.
async fn each_part(access: &impl Access, seen: &Seen, plan: &Plan, mut take: impl FnMut(&Snapshot<'_>, &Items)) {
    let kind = plan.view.kind;
    if !kind.is_of_nodes() {
        return access.look(|fleet| {
            let snapshot = seen.view(fleet, kind);
            take(&snapshot, &items(&snapshot, plan, &[]));
        });
    }
    let nodes = access.look(|fleet| fleet.by_name().to_vec());
    let mut items = Items::default();
    for nodes in nodes.chunks(NODES) {
        access.look(|fleet| {
            let snapshot = seen.of(fleet);
            items.clear();
            add_items(&snapshot, plan, nodes, &mut items);
            take(&snapshot, &items);
        });
        access.pause().await;
    }
}

/// Adds those things of some nodes that match.
fn add_items(snapshot: &Snapshot<'_>, plan: &Plan, nodes: &[NodeId], items: &mut Items) {
    let kind = plan.view.kind;
    let keeps = |item: &Item| match &plan.filter {
        Some(filter) => filter.holds(snapshot, Row::Item(kind, *item)) == Some(true),
        None => true,
    };
    let mut add = |item: Item| items.push(item.node, item.slot..item.slot + 1);
    match kind {
        Kind::Metric => {
            let all = 0..snapshot.fleet.catalogue().iter().count() as u32;
            all.map(|slot| Item { slot, ..Item::default() }).filter(keeps).for_each(add);
        }
        Kind::Job => {
            jobs(snapshot).map(|slot| Item { slot, ..Item::default() }).filter(keeps).for_each(add);
        }
        Kind::Incident | Kind::Rule => {
            let fleet = snapshot.fleet;
            let all = if kind == Kind::Rule { fleet.rules().len() } else { fleet.troubles().len() };
            let was_open = |item: &Item| {
                let trouble = plan.then.zip(fleet.troubles().get(item.slot as usize));
                trouble.is_none_or(|(then, Trouble { incident, .. })| {
                    incident.since <= then && incident.cleared.is_none_or(|cleared| cleared > then)
                })
            };
            let all = (0..all as u32).map(|slot| Item { slot, ..Item::default() });
            all.filter(was_open).filter(keeps).for_each(add);
        }
        Kind::Energy => {
            let accounts = (0..).zip(snapshot.fleet.accounts_of(plan.level));
            let recent = accounts.filter(|(_, it)| plan.since.is_none_or(|since| it.hour + HOUR > since));
            let node = NodeId::at(plan.level);
            recent.map(|(slot, _)| Item { node, slot }).filter(keeps).for_each(add);
        }
        Kind::Event => {
            let events = (0..).zip(&snapshot.events);
            let is_asked =
                |time: Time| plan.since.is_none_or(|since| time >= since) && plan.then.is_none_or(|then| time <= then);
            let recent = events.filter(|(_, happening)| is_asked(happening.event.time));
            recent.map(|(slot, it)| Item { node: it.node, slot }).filter(keeps).for_each(add);
        }
        Kind::Process | Kind::Mount => {
            for &node in nodes {
                let all = 0..slots(snapshot, kind, node, plan.mig);
                let mut kept: Vec<Item> = all.map(|slot| Item { node, slot }).filter(keeps).collect();
                by_identity(snapshot, kind, node, &mut kept);
                kept.into_iter().for_each(&mut add);
            }
        }
        Kind::Node | Kind::Gpu | Kind::Nic | Kind::Core => {
            let metrics = plan.filter.as_ref().map_or_else(Vec::new, Condition::metrics);
            for nodes in nodes.chunks(AT_ONCE) {
                snapshot.fetch(&nodes.iter().copied(), &metrics);
                for &node in nodes {
                    let all = 0..slots(snapshot, kind, node, plan.mig);
                    match &plan.filter {
                        Some(filter) => keep_run(snapshot, filter, kind, node, all, items),
                        None => items.push(node, all),
                    }
                }
            }
        }
    }
}

/// The numbers of the jobs that there are, or that there were at the time that is asked about.
pub(super) fn jobs(snapshot: &Snapshot<'_>) -> impl Iterator<Item = u32> {
    let (fleet, then) = (snapshot.fleet, snapshot.then());
    let was = move |number: &u32| {
        then.is_none_or(|then| fleet.job(*number as usize).is_some_and(|job| job.phase_at(then).is_some()))
    };
    fleet.jobs().iter().copied().filter(was)
}

/// Keeps the things of one node for which the filter is true.
fn keep_run(
    snapshot: &Snapshot<'_>,
    filter: &Condition,
    kind: Kind,
    node: NodeId,
    slots: Range<u32>,
    items: &mut Items,
) {
    if slots.len() == 1 {
        let holds = filter.holds(snapshot, Row::Item(kind, Item { node, slot: slots.start }));
        return if holds == Some(true) {
            items.push(node, slots);
        };
    }
    for run in Run::lanes(kind, node, slots) {
        let first = run.slots.start;
        for (start, end) in filter.tell(snapshot, &run).runs(run.slots.len()) {
            items.push(node, first + start..first + end);
        }
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
fn whole(snapshot: &Snapshot<'_>) -> Vec<Group> {
    let members: Vec<Item> = snapshot.fleet.by_name().iter().map(|node| Item { node: *node, slot: 0 }).collect();
    let fleet = Levels::FLEET.to_owned();
    vec![Group {
        id: fleet.clone(),
        texts: vec![fleet],
        rows: members.len() as u64,
        state: best(snapshot, &members),
        members,
        area: Some(Area::Fleet),
        sums: Vec::new(),
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
    let with_nodes = known.iter().zip(members).enumerate().filter(|(_, (_, members))| !members.is_empty());
    let groups = with_nodes.map(|(at, (place, members))| Group {
        id: format!("{label}={}", place.name),
        texts: vec![place.name.to_string()],
        rows: members.len() as u64,
        state: best(snapshot, &members),
        members,
        area: Some(Area::Place { level, at }),
        sums: Vec::new(),
    });
    let mut groups: Vec<Group> = groups.collect();
    groups.sort_by(by_texts);
    groups
}

/// Groups the things that match by the plan's keys.
async fn group(access: &impl Access, seen: &Seen, plan: &Plan) -> Vec<Group> {
    let mut groups = Groups::default();
    each_part(access, seen, plan, |snapshot, items| {
        items.runs().for_each(|(node, slots)| groups.add_run(snapshot, plan, node, slots));
    })
    .await;
    groups.finish()
}

/// Groups as they come about.
#[derive(Default)]
struct Groups {
    all: Vec<Group>,
    known: HashMap<String, usize>,
    /// The name that the last row's group has, and its position: the next row is often of the same.
    name: String,
    last: usize,
    /// Room for a name.
    next: String,
}

impl Groups {
    /// Adds things of one node, which often share what they are grouped by.
    fn add_run(&mut self, snapshot: &Snapshot<'_>, plan: &Plan, node: NodeId, slots: Range<u32>) {
        let run = Run { kind: plan.view.kind, node, slots };
        if plan.by.iter().all(|(_, text)| text.is_shared(snapshot, &run)) {
            self.add(snapshot, plan, run.first());
            let others = run.slots.clone().skip(1).map(|slot| Item { node, slot });
            let group = &mut self.all[self.last];
            group.rows += others.len() as u64;
            group.members.extend(others);
        } else {
            run.rows().for_each(|row| self.add(snapshot, plan, row));
        }
    }

    fn add(&mut self, snapshot: &Snapshot<'_>, plan: &Plan, row: Row<'_>) {
        self.next.clear();
        for (_, text) in &plan.by {
            append(snapshot, text, row, &mut self.next);
            self.next.push('\u{1f}');
        }
        if self.all.is_empty() || self.next != self.name {
            self.last = self.known.get(&self.next).copied().unwrap_or_else(|| self.found(plan));
            self.name.clone_from(&self.next);
        }
        let group = &mut self.all[self.last];
        group.state = group.state.min(row.state(snapshot));
        group.rows += 1;
        match row {
            Row::Item(_, item) => group.members.push(item),
            Row::Group(_, inner) => group.members.extend(&inner.members),
        }
    }

    /// Begins the group that the next row is of.
    fn found(&mut self, plan: &Plan) -> usize {
        let texts: Vec<String> = self.next.split_terminator('\u{1f}').map(String::from).collect();
        let parts = plan.by.iter().zip(&texts).map(|((key, _), text)| format!("{key}={text}"));
        let id = parts.collect::<Vec<_>>().join(" ");
        self.all.push(Group { id, texts, state: State::Missing, ..Group::default() });
        self.known.insert(self.next.clone(), self.all.len() - 1);
        self.all.len() - 1
    }

    fn finish(mut self) -> Vec<Group> {
        self.all.sort_by(by_texts);
        self.all
    }
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
