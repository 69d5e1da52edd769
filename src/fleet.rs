//! The hub's memory: every node's values in a tile of its own, who the nodes are, what happened, and a short history.
//! One owner, no locks, no I/O, no clock: `now` is an argument. Taking a known node's sample allocates nothing.

mod directory;
mod event;
mod inventory;
mod name;
mod node;
mod place;
mod processes;
mod roster;
mod writer;

use std::{collections::BTreeMap, time::Duration};

use self::{
    directory::Directory,
    event::{Entry, Events},
    name::Names,
    node::Presence,
    place::Places,
    writer::Layout,
};
pub use self::{
    event::Happening,
    inventory::{Fault, Gpu, Inventory, Nic, Tag},
    name::{Name, natural},
    node::{Node, NodeId, Session},
    place::{NOWHERE, Place},
    processes::{Mount, Process, Processes},
    roster::{Known, Roster},
    writer::Writer,
};
use crate::model::{
    metric::{Aggregate, Catalogue, MetricId, Scope, node as metric},
    place::Levels,
    raw::Raw,
    report::{self, Introduction, Sample, Values},
    sink::Sink,
    state::{Census, State},
    time::Time,
    unit::Unit,
};

/// What a fleet is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The place levels that are rolled up.
    pub levels: Levels,
    /// Memory that history may take, in bytes. Nothing leaves it to the fleet's size: at most 1 GiB, and
    /// little for a small fleet, whose hub shares its machine with other work.
    pub history_bytes: Option<u64>,
    /// Nodes that the fleet takes; more are refused and counted.
    pub most_nodes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { levels: Levels::default(), history_bytes: None, most_nodes: 250_000 }
    }
}

/// The hub's memory. See the module's words.
#[derive(Debug)]
pub struct Fleet {
    settings: Settings,
    catalogue: Catalogue,
    names: Names,
    directory: Directory,
    nodes: Vec<Node>,
    tiles: Vec<Values>,
    presence: Vec<Presence>,
    layouts: Vec<Layout>,
    places: Places,
    events: Events,
    sessions: u64,
    gpus: u64,
    drops: BTreeMap<&'static str, u64>,
}

/// A roll-up's values at one time, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollup {
    /// How many GPUs or nodes had a value.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Rollup {
    /// The one number that `aggregate` makes of it; nothing for flags.
    pub fn value(&self, aggregate: Aggregate) -> Option<f64> {
        match aggregate {
            Aggregate::Sum => Some(self.sum),
            Aggregate::Mean => Some(self.sum / self.count),
            Aggregate::Max => Some(self.max),
            Aggregate::Min => Some(self.min),
            Aggregate::Union => None,
        }
    }
}

/// Writing.
impl Fleet {
    /// A fleet without nodes.
    pub fn new(settings: Settings) -> Self {
        Fleet {
            places: Places::new(&settings.levels),
            settings,
            catalogue: Catalogue::default(),
            names: Names::default(),
            directory: Directory::default(),
            nodes: Vec::new(),
            tiles: Vec::new(),
            presence: Vec::new(),
            layouts: Vec::new(),
            events: Events::default(),
            sessions: 0,
            gpus: 0,
            drops: BTreeMap::new(),
        }
    }

    /// An agent says who it is and which metrics it will send, in the order in which its samples list them.
    /// From now on only the returned session may write for that node. Nothing when the fleet is full.
    pub fn join<'a>(
        &mut self,
        introduction: &Introduction,
        declared: impl IntoIterator<Item = (Scope, &'a str, Unit, f64)>,
        now: Time,
    ) -> Option<Session> {
        let name = name::own(&introduction.node);
        let id = match self.directory.exact(&name) {
            Some(id) => id,
            None if self.nodes.len() >= self.settings.most_nodes => {
                self.drop("node beyond the fleet's limit");
                return None;
            }
            None => self.add(name),
        };
        let at = id.index();
        let (layout, refused) = Layout::of(declared, &mut self.catalogue);
        self.sessions += 1;
        let (node, presence) = (&mut self.nodes[at], &mut self.presence[at]);
        let boot_id = name::own(&introduction.boot_id);
        let known = presence.joined.is_some();
        let rebooted = known && node.boot_id != boot_id;
        // The same agent that dials again, its old connection not yet known to be dead, is no swap.
        if presence.connected && (rebooted || node.started != introduction.started) {
            node.swaps += 1;
        }
        if rebooted {
            node.reboots += 1;
            node.rebooted = Some(now);
        }
        node.agent = self.names.share(&introduction.agent);
        node.boot_id = boot_id;
        node.started = introduction.started;
        node.refused = refused;
        presence.joined = Some(now);
        presence.interval = Duration::from_millis(u64::from(introduction.interval_ms.max(1)));
        presence.session = self.sessions;
        presence.connected = true;
        layout.forget_others(&mut self.tiles[at]);
        self.layouts[at] = layout;
        self.fit(id);
        Some(Session { node: id, number: self.sessions })
    }

    /// Whether the session still is the one that may write for its node.
    pub fn is_current(&self, session: Session) -> bool {
        self.presence[session.node.index()].session == session.number
    }

    /// A node says what it is and has. False when that was not taken: a replaced session, or too many GPUs or NICs.
    pub fn inventory(&mut self, session: Session, said: &report::Inventory, _now: Time) -> bool {
        if !self.admit(session) {
            return false;
        }
        if said.gpus.len() > Self::MOST_SLOTS || said.nics.len() > Self::MOST_SLOTS {
            self.drop("inventory with too many GPUs or NICs");
            return false;
        }
        let inventory = Inventory::keep(said, &mut self.names);
        self.equip(session.node, inventory);
        true
    }

    /// Where the node's sample is to be written. Nothing for a session that was replaced.
    pub fn writer(&mut self, session: Session) -> Option<Writer<'_>> {
        if !self.admit(session) {
            return None;
        }
        let at = session.node.index();
        Some(Writer { tile: &mut self.tiles[at], layout: &self.layouts[at] })
    }

    /// A sample was written, which the node took at `taken` by its own clock.
    pub fn sampled(&mut self, session: Session, taken: Time, now: Time) {
        if !self.is_current(session) {
            return;
        }
        let presence = &mut self.presence[session.node.index()];
        presence.heard = Some(now);
        presence.skew = taken.as_millis().saturating_sub(now.as_millis());
    }

    /// Takes a whole sample whose metrics are in the order that the node declared. False when it was not taken:
    /// a replaced session, or a sample that counts its slots by another inventory.
    pub fn sample(&mut self, session: Session, sample: &Sample, now: Time) -> bool {
        let generation = self.nodes[session.node.index()].inventory.generation;
        let Some(mut writer) = self.writer(session) else { return false };
        let fits = Scope::SAMPLED.iter().all(|s| sample.values.slots(*s) == writer.slots(*s));
        if !fits || sample.generation != generation {
            self.drop("sample of another inventory");
            return false;
        }
        for scope in Scope::SAMPLED {
            for row in 0..sample.values.metrics(scope) {
                if let Some(cells) = writer.row(scope, row) {
                    cells.copy_from_slice(sample.values.row(MetricId { scope, row: row as u16 }));
                }
            }
        }
        self.sampled(session, sample.time, now);
        true
    }

    /// A node says its processes, cores and mounts.
    pub fn processes(&mut self, session: Session, said: &report::Processes) {
        if !self.admit(session) {
            return;
        }
        let (kept, over) = Processes::keep(said, &mut self.names);
        self.nodes[session.node.index()].processes = kept;
        if over > 0 {
            *self.drops.entry("process, core or mount beyond a node's limit").or_default() += over;
        }
    }

    /// Something happened on a node. False when it was known already. Sessions don't matter here: what a replaced
    /// agent saw did happen.
    pub fn event(&mut self, node: NodeId, event: report::Event, now: Time) -> bool {
        match self.events.add(node, event, now) {
            Entry::New => true,
            Entry::NewForNodes => {
                self.drop("older event of a node with many");
                true
            }
            Entry::NewForOldest => {
                self.drop("oldest event of all");
                true
            }
            Entry::Known => false,
        }
    }

    /// The session's connection is gone. The node ages from its last sample.
    pub fn leave(&mut self, session: Session, _now: Time) {
        if self.is_current(session) {
            self.presence[session.node.index()].connected = false;
        }
    }

    /// Counts something that was dropped or refused, by reason.
    pub fn drop(&mut self, reason: &'static str) {
        *self.drops.entry(reason).or_default() += 1;
    }

    /// What is to be done once a second: roll-ups.
    pub fn tick(&mut self, _now: Time) {}

    /// GPUs with their MIG instances, or NICs, that one node may list.
    const MOST_SLOTS: usize = 2048;

    /// Whether the session may write; a write that comes too late is counted.
    fn admit(&mut self, session: Session) -> bool {
        let current = self.is_current(session);
        if !current {
            self.drop("report of a replaced agent");
        }
        current
    }

    /// Enters a node that is not known yet.
    fn add(&mut self, name: Name) -> NodeId {
        let id = self.directory.add(name.clone());
        let node = Node { name, ..Node::default() };
        self.places.put(id, &node.inventory, &mut self.names);
        self.nodes.push(node);
        self.tiles.push(Values::with_metrics(self.metrics(), 0, 0));
        self.presence.push(Presence::default());
        self.layouts.push(Layout::default());
        id
    }

    /// Gives a node another inventory. Values, and what it should have, follow by identity.
    fn equip(&mut self, id: NodeId, inventory: Inventory) {
        let at = id.index();
        let before = std::mem::replace(&mut self.nodes[at].inventory, inventory);
        let node = &mut self.nodes[at];
        let (old, new) = (&before.gpus, &node.inventory.gpus);
        let gpus = new.iter().map(|gpu| old.iter().position(|other| other.identity() == gpu.identity()));
        let gpus: Vec<_> = gpus.collect();
        let nics = node.inventory.nics.iter().map(|nic| before.nics.iter().position(|other| other.name == nic.name));
        let nics: Vec<_> = nics.collect();
        let same = |from: &[Option<usize>], n| from.len() == n && from.iter().enumerate().all(|(i, j)| *j == Some(i));
        if !same(&gpus, old.len()) || !same(&nics, before.nics.len()) {
            self.tiles[at] = writer::reshape(&self.tiles[at], self.metrics(), &gpus, &nics);
        }
        self.gpus = self.gpus + self.nodes[at].inventory.whole_gpus() as u64 - before.whole_gpus() as u64;
        self.nodes[at].expect(&before);
        self.places.put(id, &self.nodes[at].inventory, &mut self.names);
    }

    /// Makes room in a node's tile for metrics that were learnt since it was made.
    fn fit(&mut self, id: NodeId) {
        let (metrics, tile) = (self.metrics(), &mut self.tiles[id.index()]);
        if Scope::SAMPLED.map(|s| tile.metrics(s)) != metrics {
            let slots = |scope| (0..tile.slots(scope)).map(Some).collect::<Vec<_>>();
            *tile = writer::reshape(tile, metrics, &slots(Scope::Gpu), &slots(Scope::Nic));
        }
    }

    fn metrics(&self) -> [usize; Scope::SAMPLED.len()] {
        Scope::SAMPLED.map(|scope| self.catalogue.scope(scope).len())
    }
}

/// Reading.
impl Fleet {
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

    /// What is known of a node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Whether a node can be believed.
    pub fn state(&self, id: NodeId, now: Time) -> State {
        self.presence[id.index()].state(now)
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
        self.tiles[id.index()].slots(scope)
    }

    /// One value, as queries see it: unknown unless the node is up. What the hub itself knows
    /// (`node.age`, `node.gpus.expected`) is known of any node.
    pub fn value(&self, id: NodeId, metric: MetricId, slot: usize, now: Time) -> Raw {
        if metric.scope == Scope::Node
            && let Some(raw) = self.derived(id, metric, slot, now)
        {
            return raw;
        }
        self.row(id, metric, now).get(slot).copied().unwrap_or_default()
    }

    /// One metric's values of a node, one per slot; empty unless the node is up and has that metric.
    /// Unlike [`Fleet::value`] it knows nothing of the three node metrics that the hub derives.
    pub fn row(&self, id: NodeId, metric: MetricId, now: Time) -> &[Raw] {
        if self.state(id, now) == State::Up { self.tiles[id.index()].row(metric) } else { &[] }
    }

    /// The last value that a node sent, however old.
    pub fn last(&self, id: NodeId, metric: MetricId, slot: usize) -> Raw {
        self.tiles[id.index()].get(metric, slot)
    }

    /// All values that a node sent last, however old.
    pub fn last_values(&self, id: NodeId) -> &Values {
        &self.tiles[id.index()]
    }

    /// The metrics that the hub derives, rather than storing what agents say of them.
    fn derived(&self, id: NodeId, metric: MetricId, slot: usize, now: Time) -> Option<Raw> {
        let quantum = metric.builtin()?.quantum;
        let presence = &self.presence[id.index()];
        let raw = match metric {
            metric::AGE => presence.heard.map(|heard| Raw::new(now.since(heard).as_secs_f64(), quantum)),
            metric::CLOCK_SKEW if presence.state(now) != State::Up => None,
            metric::CLOCK_SKEW => self.skew(id).map(|seconds| Raw::new(seconds, quantum)),
            metric::GPUS_EXPECTED => Some(Raw::new(f64::from(self.nodes[id.index()].gpus_expected), quantum)),
            _ => return None,
        };
        Some(raw.filter(|_| slot == 0).unwrap_or_default())
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
        let mut census = Census { gpus: self.gpus, ..Census::default() };
        for presence in &self.presence {
            census.count(presence.state(now));
        }
        census.drops = self.drops.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect();
        census
    }

    /// Recent events of all nodes, in the order in which they were received.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Happening> + ExactSizeIterator {
        self.events.iter()
    }

    /// Recent events of one node, in the order in which they were received.
    pub fn events_of(&self, id: NodeId) -> impl DoubleEndedIterator<Item = &Happening> {
        self.events.of(id)
    }

    /// Whether history is kept of a metric.
    pub fn remembers(&self, _metric: MetricId) -> bool {
        false
    }

    /// A metric's values along time, in its unit: one for each step from `from` up to `to`, none where unknown.
    /// A step's value is the mean of what was seen in it; of counters, flags and codes the last.
    pub fn history(
        &self,
        _id: NodeId,
        _metric: MetricId,
        _slot: usize,
        from: Time,
        to: Time,
        step: Duration,
    ) -> Vec<Option<f64>> {
        vec![None; (to.since(from).as_millis() / step.as_millis().max(1)) as usize]
    }

    /// By how much a counter grew between two times, in its unit. A reset adds nothing. None without two values.
    pub fn increase(&self, _id: NodeId, _metric: MetricId, _slot: usize, _from: Time, _to: Time) -> Option<f64> {
        None
    }

    /// The earliest time that [`Fleet::history`] still knows of.
    pub fn reach(&self) -> Option<Time> {
        None
    }

    /// A metric rolled up over a place along time: one value for each step from `from` up to `to`.
    /// `level` is [`Levels::FLEET`] (whatever the `place`), or one of [`Fleet::levels`].
    pub fn rollup(
        &self,
        _level: &str,
        _place: &str,
        _metric: MetricId,
        from: Time,
        to: Time,
        step: Duration,
    ) -> Vec<Option<Rollup>> {
        vec![None; (to.since(from).as_millis() / step.as_millis().max(1)) as usize]
    }
}
