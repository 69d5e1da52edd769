//! The hub's memory: GPUs' values in columns, every node's other values in a tile of its own, who the nodes are, what
//! happened, and a short history.
//! One owner, no locks, no I/O, no clock: `now` is an argument. Taking a known node's sample allocates nothing.

mod block;
mod budget;
mod column;
mod directory;
mod energy;
mod event;
#[cfg(test)]
mod fixture;
mod grid;
mod history;
mod incident;
mod intake;
mod inventory;
mod jobs;
mod log;
mod name;
mod node;
mod place;
mod processes;
mod rollup;
mod roster;
mod slots;
mod soundness;
mod sweep;
mod tile;
mod timeline;
mod track;
mod writer;

use std::collections::{BTreeMap, VecDeque};

use self::{
    column::Columns,
    directory::Directory,
    energy::Energy,
    event::Events,
    history::History,
    jobs::Jobs,
    name::Names,
    node::{Brief, Presence},
    place::Places,
    rollup::Rollups,
    tile::Tiles,
    writer::Layout,
};
pub use self::{
    energy::{Account, Book, ByHour, Metered},
    event::Happening,
    incident::Trouble,
    inventory::{Fault, Gpu, Inventory, Nic, Tag},
    jobs::{EndedJob, Job, Share},
    name::{Name, natural},
    node::{Holds, Node, NodeId, Session, Standing},
    place::{Area, NOWHERE, Place},
    processes::{Mount, Process, Processes, Workload},
    rollup::Rollup,
    roster::{Known, Roster},
    slots::Slots,
    sweep::Sweep,
    tile::Tile,
    writer::Writer,
};
use crate::model::{
    alias::Aliases,
    energy::Tariff,
    metric::{Catalogue, MetricId, Scope, node as metric},
    place::Levels,
    raw::Raw,
    state::{Census, Scheduler, State},
    time::Time,
};

/// What a fleet is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The place levels that are rolled up.
    pub levels: Levels,
    /// Memory that history and roll-ups may take, in bytes. Nothing leaves it to the fleet's size: at most 1 GiB,
    /// and little for a small fleet, whose hub shares its machine with other work.
    pub history_bytes: Option<u64>,
    /// Nodes that the fleet takes; more are refused and counted.
    pub most_nodes: usize,
    /// What energy costs.
    pub tariff: Tariff,
    /// What agents call the nodes that the scheduler has other names for.
    pub aliases: Aliases,
}

impl Default for Settings {
    fn default() -> Self {
        let (levels, tariff, aliases) = Default::default();
        Settings { levels, history_bytes: None, most_nodes: 250_000, tariff, aliases }
    }
}

/// The hub's memory. Reports come in through [`Fleet::join`] and what takes its [`Session`]; queries read the rest.
/// Functions that take a [`NodeId`] want one of this fleet, and panic on one of a larger fleet.
#[derive(Debug)]
pub struct Fleet {
    settings: Settings,
    /// Bytes that history does without, for what else has grown.
    given: u64,
    catalogue: Catalogue,
    names: Names,
    directory: Directory,
    nodes: Vec<Node>,
    tiles: Tiles,
    presence: Vec<Presence>,
    /// [`Presence::up_until`] of each node, densely: every scan over all nodes asks for it.
    up_until: Vec<Time>,
    /// How many of each node's GPU slots are whole GPUs.
    whole_gpus: Vec<u16>,
    /// And how many network ports.
    nics: Vec<u16>,
    /// What half a million GPUs are mostly asked for, densely.
    briefs: Vec<Brief>,
    layouts: Vec<Layout>,
    places: Places,
    events: Events,
    history: History,
    rollups: Rollups,
    jobs: Jobs,
    energy: Energy,
    health: incident::Health,
    scheduler: Option<Scheduler>,
    /// How many nodes there were at the last sweep, and when they last settled.
    swept: usize,
    settled: usize,
    sessions: u64,
    gpus: u64,
    drops: BTreeMap<&'static str, u64>,
    /// Nodes of which the roster says something new, in the order of the changes.
    unsaved: VecDeque<NodeId>,
}

impl Fleet {
    /// A fleet without nodes.
    pub fn new(settings: Settings) -> Self {
        Fleet {
            places: Places::new(&settings.levels),
            rollups: Rollups::new(settings.levels.names().len()),
            settings,
            given: 0,
            catalogue: Catalogue::default(),
            names: Names::default(),
            directory: Directory::default(),
            nodes: Vec::new(),
            tiles: Tiles::default(),
            presence: Vec::new(),
            up_until: Vec::new(),
            whole_gpus: Vec::new(),
            nics: Vec::new(),
            briefs: Vec::new(),
            layouts: Vec::new(),
            events: Events::default(),
            history: History::new(),
            jobs: Jobs::default(),
            energy: Energy::default(),
            health: incident::Health::default(),
            scheduler: None,
            swept: 0,
            settled: 0,
            sessions: 0,
            gpus: 0,
            drops: BTreeMap::new(),
            unsaved: VecDeque::new(),
        }
    }

    /// The metrics that are known, those learnt from agents among them.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The place levels, widest first.
    pub fn levels(&self) -> &Levels {
        &self.settings.levels
    }

    /// Every node, in the order in which they came.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        (0..self.nodes.len()).map(NodeId::at)
    }

    /// Every node in the natural order of their names: `gpu2` before `gpu10`.
    pub fn by_name(&self) -> &[NodeId] {
        self.directory.order()
    }

    /// The node that `name` means: so called, or its short form, or the short form's full name, if just one fits.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.directory.find(name)
    }

    /// All nodes that a question may mean by `name`, short or full and in either case, in the order of their names.
    pub fn alike(&self, name: &str) -> Vec<NodeId> {
        self.directory.alike(name)
    }

    /// A node's name.
    pub fn name(&self, id: NodeId) -> &str {
        self.directory.name(id)
    }

    /// What is known of a node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Whether a node can be believed.
    pub fn state(&self, id: NodeId, now: Time) -> State {
        self.presence[id.index()].state(now)
    }

    /// Whether each node can be believed, in the order of [`Fleet::nodes`].
    pub fn states(&self, now: Time) -> impl ExactSizeIterator<Item = State> {
        let all = self.up_until.iter().zip(&self.presence);
        all.map(move |(until, presence)| if now < *until { State::Up } else { presence.state(now) })
    }

    /// Whether a node is up: [`Fleet::state`] in one comparison.
    pub fn is_up(&self, id: NodeId, now: Time) -> bool {
        now < self.up_until[id.index()]
    }

    /// Whether the node's agent is connected; one that is may still hang and be stale.
    pub fn is_connected(&self, id: NodeId) -> bool {
        self.presence[id.index()].connected
    }

    /// When the node's last sample was received, by the hub's clock.
    pub fn heard(&self, id: NodeId) -> Option<Time> {
        self.presence[id.index()].heard
    }

    /// The node's clock less the hub's when its last sample was received, in seconds.
    pub fn skew(&self, id: NodeId) -> Option<f64> {
        let presence = &self.presence[id.index()];
        presence.heard.map(|_| presence.skew as f64 / 1000.0)
    }

    /// How many things of `scope` a node has, counting only scopes that samples speak of.
    pub fn slots(&self, id: NodeId, scope: Scope) -> usize {
        self.tiles.get(id.index()).slots(scope)
    }

    /// How many whole GPUs a node listed; MIG instances are not counted.
    pub fn whole_gpus(&self, id: NodeId) -> usize {
        usize::from(self.whole_gpus[id.index()])
    }

    /// How many whole GPUs all nodes have.
    pub fn all_gpus(&self) -> u64 {
        self.gpus
    }

    /// How many network ports all nodes have.
    pub fn all_nics(&self) -> u64 {
        self.nics.iter().map(|ports| u64::from(*ports)).sum()
    }

    /// How many network ports a node has.
    pub fn nics(&self, id: NodeId) -> usize {
        usize::from(self.nics[id.index()])
    }

    /// Whether a metric is one of those that are asked for most: all nodes' values of these lie so close together that a
    /// scan need not fetch them ahead.
    pub fn is_near(metric: MetricId) -> bool {
        Columns::is_key(metric)
    }

    /// The model of the GPU in a slot.
    pub fn model(&self, id: NodeId, slot: usize) -> Option<&Name> {
        let of_all = self.model_of_all(id);
        of_all.or_else(|| self.nodes[id.index()].inventory.gpus.get(slot).map(|gpu| &gpu.model))
    }

    /// The model of all of a node's GPUs, where it is one.
    pub fn model_of_all(&self, id: NodeId) -> Option<&Name> {
        self.briefs[id.index()].model.as_ref()
    }

    /// Whether anything failed on a node: whether its inventory has faults.
    pub fn has_faults(&self, id: NodeId) -> bool {
        self.briefs[id.index()].has_faults
    }

    /// Whether the hub itself knows a node metric, rather than an agent's sample.
    pub fn derives(metric: MetricId) -> bool {
        metric == metric::GPUS_EXPECTED || metric::OF_THE_HUB.contains(&metric)
    }

    /// One value, as queries see it: unknown unless the node is up. What the hub itself knows
    /// (`node.age`, `node.samples`, `node.reboots`, `node.incidents`, `node.gpus.expected`, `node.held.hours`) is known of
    /// any node.
    pub fn value(&self, id: NodeId, metric: MetricId, slot: usize, now: Time) -> Raw {
        if metric.scope == Scope::Node
            && let Some(raw) = self.derived(id, metric, slot, now)
        {
            return raw;
        }
        self.row(id, metric, now).get(slot).copied().unwrap_or_default()
    }

    /// One metric's values of a node, one per slot; empty unless the node is up. Those of a metric that it does not have are
    /// unknown, or there are none.
    /// Unlike [`Fleet::value`] it knows nothing of the node metrics that the hub derives.
    pub fn row(&self, id: NodeId, metric: MetricId, now: Time) -> &[Raw] {
        if self.is_up(id, now) { self.last_row(id, metric) } else { &[] }
    }

    /// The last value that a node sent, however old.
    pub fn last(&self, id: NodeId, metric: MetricId, slot: usize) -> Raw {
        self.last_row(id, metric).get(slot).copied().unwrap_or_default()
    }

    /// The last values of one metric that a node sent, one per slot, however old.
    pub fn last_row(&self, id: NodeId, metric: MetricId) -> &[Raw] {
        self.tiles.row(id.index(), metric)
    }

    /// All values that a node sent last, however old.
    pub fn last_values(&self, id: NodeId) -> Tile<'_> {
        self.tiles.get(id.index())
    }

    /// The metrics that the hub derives, rather than storing what agents say of them.
    fn derived(&self, id: NodeId, metric: MetricId, slot: usize, now: Time) -> Option<Raw> {
        if !Fleet::derives(metric) {
            return None;
        }
        let quantum = metric.builtin()?.quantum;
        let presence = &self.presence[id.index()];
        let raw = match metric {
            metric::AGE => presence.heard.map(|heard| Raw::new(now.since(heard).as_secs_f64(), quantum)),
            metric::CLOCK_SKEW if !self.is_up(id, now) => None,
            metric::CLOCK_SKEW => self.skew(id).map(|seconds| Raw::new(seconds, quantum)),
            metric::SAMPLES => Some(Raw::new(presence.samples as f64, quantum)),
            metric::REBOOTS => Some(Raw::new(f64::from(self.nodes[id.index()].reboots), quantum)),
            metric::INCIDENTS => self.incidents_of(id).map(|open| Raw::new(f64::from(open), quantum)),
            metric::WELL | metric::HELD_HOURS => return Some(self.held(id, metric, now)),
            metric::GPUS_EXPECTED => Some(Raw::new(f64::from(self.briefs[id.index()].gpus_expected), quantum)),
            _ => return None,
        };
        Some(raw.filter(|_| slot == 0).unwrap_or_default())
    }

    /// For how long the scheduler has held a node back, times its GPUs, and for how long that was for nothing. Absent of a
    /// node that it does not hold back.
    fn held(&self, id: NodeId, metric: MetricId, now: Time) -> Raw {
        let standing = self.nodes[id.index()].standing.as_ref();
        let Some(held) = standing.filter(|it| it.is_held() && !it.is_planned()) else { return Raw::ABSENT };
        let (since, times, quantum) = match metric {
            metric::WELL => (self.nodes[id.index()].holds.well, 1.0, 1.0),
            _ => (held.since, f64::from(self.briefs[id.index()].gpus_expected) / 3600.0, 0.1),
        };
        let absent = if metric == metric::WELL { Raw::ABSENT } else { Raw::UNKNOWN };
        since.map_or(absent, |since| Raw::new(now.since(since).as_secs_f64() * times, quantum))
    }

    /// The places of the level at `position`, in the order in which they came. See [`Levels::position`].
    pub fn places(&self, position: usize) -> &[Place] {
        self.places.of_level(position)
    }

    /// The positions of a node's places among [`Fleet::places`], one per level, widest first.
    pub fn places_of(&self, id: NodeId) -> &[u32] {
        self.places.of_node(id)
    }

    /// How many nodes are in which state, how many GPUs there are, and what was dropped.
    pub fn census(&self, now: Time) -> Census {
        let scheduler = self.scheduler.clone();
        let mut census = Census { gpus: self.gpus, history: self.reach(), scheduler, ..Census::default() };
        // Most are up, and are counted in a row.
        census.up = self.up_until.iter().filter(|until| now < **until).count() as u64;
        let others = self.up_until.iter().zip(&self.presence).filter(|(until, _)| now >= **until);
        others.for_each(|(_, presence)| census.count(presence.state(now)));
        census.drops = self.drops.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect();
        census
    }

    /// Recent events of all nodes, in the order in which they were received.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Happening> + ExactSizeIterator {
        self.events.iter()
    }

    /// Events that came after the first `seen` ones, as far as they are kept, each with how many had come with it.
    pub fn events_after(&self, seen: u64) -> impl Iterator<Item = (u64, &Happening)> {
        self.events.after(seen)
    }

    /// Recent events of one node, in the order in which they were received.
    pub fn events_of(&self, id: NodeId) -> impl DoubleEndedIterator<Item = &Happening> {
        self.events.of(id)
    }
}
