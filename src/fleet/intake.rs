//! How reports come into the fleet: agents join, say what they have, send samples, and leave.
//! Only the newest session of a node may write; what comes from an older one is counted and left out.

use std::time::Duration;

use super::{
    Fleet,
    event::Entry,
    inventory::Inventory,
    jobs,
    name::{self, Name},
    node::{Brief, NEVER, Node, NodeId, Presence, Session},
    tile::Shape,
    writer::{Layout, Writer},
};
use crate::model::{
    metric::{MetricId, Scope},
    report::{self, Introduction, Sample},
    sink::Sink,
    time::Time,
    unit::Unit,
};

impl Fleet {
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
        presence.interval = Duration::from_millis(u64::from(introduction.interval_ms));
        presence.session = self.sessions;
        presence.connected = true;
        self.up_until[at] = presence.up_until();
        layout.forget_others(self.tiles.get_mut(at));
        self.layouts[at] = layout;
        self.fit(id);
        Some(Session { node: id, number: self.sessions })
    }

    /// Whether the session still is the one that may write for its node.
    pub fn is_current(&self, session: Session) -> bool {
        self.presence[session.node.index()].session == session.number
    }

    /// A node says what it is and has. False when that was not taken: a replaced session, or too many GPUs or NICs.
    pub fn inventory(&mut self, session: Session, said: &report::Inventory, now: Time) -> bool {
        if !self.admit(session) {
            return false;
        }
        if said.gpus.len() > Self::MOST_SLOTS || said.nics.len() > Self::MOST_SLOTS {
            self.drop("inventory with too many GPUs or NICs");
            return false;
        }
        let at = session.node.index();
        if !self.nodes[at].inventory.is(said) {
            let inventory = Inventory::keep(said, &mut self.names);
            self.equip(session.node, inventory);
        }
        self.nodes[at].inventory_received = Some(now);
        true
    }

    /// Where the node's sample is to be written. Nothing for a session that was replaced.
    pub fn writer(&mut self, session: Session) -> Option<Writer<'_>> {
        if !self.admit(session) {
            return None;
        }
        let at = session.node.index();
        Some(Writer { tile: self.tiles.get_mut(at), layout: &self.layouts[at] })
    }

    /// A sample was written, which the node took at `taken` by its own clock.
    pub fn sampled(&mut self, session: Session, taken: Time, now: Time) {
        if !self.is_current(session) {
            return;
        }
        let at = session.node.index();
        let presence = &mut self.presence[at];
        presence.heard = Some(now);
        presence.samples += 1;
        presence.skew = taken.as_millis().saturating_sub(now.as_millis());
        self.up_until[at] = presence.up_until();
        self.history.record(session.node, self.tiles.get(at), now);
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
    pub fn processes(&mut self, session: Session, said: &report::Processes, now: Time) {
        if !self.admit(session) {
            return;
        }
        let processes = &mut self.nodes[session.node.index()].processes;
        let mut over = processes.take(said, &mut self.names);
        let mut refused = self.jobs.see(session.node, processes, now);
        // Where a scheduler of ours runs in pods, it knows better who has what.
        let is_scheduled = self.nodes[session.node.index()].standing.is_some();
        self.nodes[session.node.index()].tells_grants = said.grants.is_some() && !is_scheduled;
        if let Some(grants) = &said.grants {
            let all = grants.iter().flat_map(|grant| &grant.containers);
            over += all.clone().count().saturating_sub(Self::MOST_SLOTS) as u64;
            let all = all.take(Self::MOST_SLOTS);
            let all = all.map(|it| (self.names.share(&it.name), it.slots.iter().copied().collect()));
            self.nodes[session.node.index()].containers = all.collect();
            let grants = if is_scheduled { &[][..] } else { grants };
            let gpus = self.slots(session.node, Scope::Gpu);
            refused += self.jobs.grant(session.node, grants, gpus, &mut self.names, now);
        }
        for (reason, n) in [("process, core, mount or container beyond a node's limit", over), (jobs::BEYOND, refused)]
        {
            if n > 0 {
                *self.drops.entry(reason).or_default() += n;
            }
        }
    }

    /// Whether an event with this id came before. Its journal line need not be written again.
    pub fn knows_event(&self, node: NodeId, id: &str) -> bool {
        self.events.knows(node, id)
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
    pub fn leave(&mut self, session: Session, now: Time) {
        if self.is_current(session) {
            self.presence[session.node.index()].connected = false;
            self.nodes[session.node.index()].disconnected = Some(now);
        }
    }

    /// Counts something that was dropped or refused, by reason.
    pub fn drop(&mut self, reason: &'static str) {
        *self.drops.entry(reason).or_default() += 1;
    }

    /// GPUs with their MIG instances, or NICs, that one node may list.
    pub(super) const MOST_SLOTS: usize = 2048;

    /// Whether the session may write; a write that comes too late is counted.
    fn admit(&mut self, session: Session) -> bool {
        let current = self.is_current(session);
        if !current {
            self.drop("report of a replaced agent");
        }
        current
    }

    /// Enters a node that is not known yet.
    pub(super) fn add(&mut self, name: Name) -> NodeId {
        let id = self.directory.add(name.clone());
        let node = Node { name, ..Node::default() };
        self.places.put(id, &node, &mut self.names);
        self.nodes.push(node);
        self.tiles.add(Shape::new(self.metrics(), 0, 0));
        self.presence.push(Presence::default());
        self.up_until.push(NEVER);
        self.whole_gpus.push(0);
        self.nics.push(0);
        self.briefs.push(Brief::default());
        self.layouts.push(Layout::default());
        self.history.add();
        self.jobs.add_node();
        self.energy.add_node();
        self.plan();
        self.roster_changed(id);
        id
    }

    /// Gives a node another inventory. Values, history, and what it should have follow by identity.
    pub(super) fn equip(&mut self, id: NodeId, inventory: Inventory) {
        let at = id.index();
        let before = std::mem::replace(&mut self.nodes[at].inventory, inventory);
        let node = &mut self.nodes[at];
        let (expected, lost) = (node.gpus_expected, node.lost_gpus.len());
        node.expect(&before);
        if node.differs(&before, expected, lost) {
            self.roster_changed(id);
        }
        let node = &self.nodes[at];
        let (was, is) = (before.whole_gpus(), node.inventory.whole_gpus());
        self.gpus = self.gpus + is as u64 - was as u64;
        (self.whole_gpus[at], self.nics[at]) = (is as u16, node.inventory.nics.len() as u16);
        self.briefs[at] = node.brief();
        let now = &node.inventory;
        let gpus = origins(&before.gpus, &now.gpus, |gpu| gpu.identity());
        let nics = origins(&before.nics, &now.nics, |nic| &nic.name);
        let metrics = Scope::SAMPLED.map(|scope| self.catalogue.scope(scope).len() as u16);
        if gpus.is_some() || nics.is_some() {
            let stay = |n: usize| (0..n).map(Some).collect();
            let moved = gpus.is_some();
            if let Some(origins) = &gpus {
                self.jobs.move_had(id, origins, before.gpus.len());
            }
            let (gpus, nics) =
                (gpus.unwrap_or_else(|| stay(now.gpus.len())), nics.unwrap_or_else(|| stay(now.nics.len())));
            self.tiles.reshape(at, metrics, &gpus, &nics);
            if moved {
                self.history.reshape(id, before.gpus.iter().map(|gpu| gpu.identity().clone()), now.gpus.len());
                self.plan();
            }
        }
        self.locate(id);
    }

    /// Puts a node where its labels say.
    pub(super) fn locate(&mut self, id: NodeId) {
        let without_room = self.places.put(id, &self.nodes[id.index()], &mut self.names);
        if without_room > 0 {
            *self.drops.entry("place beyond a level's limit").or_default() += without_room;
        }
    }

    /// Makes room for a node's values of metrics that were learnt since it came.
    fn fit(&mut self, id: NodeId) {
        let (metrics, shape) = (self.metrics(), self.tiles.get(id.index()).shape());
        if shape.all_metrics() != metrics {
            let slots = |scope| (0..shape.slots(scope)).map(Some).collect::<Vec<_>>();
            self.tiles.reshape(id.index(), metrics, &slots(Scope::Gpu), &slots(Scope::Nic));
        }
    }

    fn metrics(&self) -> [u16; Scope::SAMPLED.len()] {
        Scope::SAMPLED.map(|scope| self.catalogue.scope(scope).len() as u16)
    }
}

/// For each of `now`, the position that it had in `before`; nothing when each is where it was.
fn origins<T>(before: &[T], now: &[T], identity: impl Fn(&T) -> &Name) -> Option<Vec<Option<usize>>> {
    let same = |(a, b): (&T, &T)| identity(a) == identity(b);
    if before.len() == now.len() && before.iter().zip(now).all(same) {
        return None;
    }
    let find = |thing| before.iter().position(|other| identity(other) == identity(thing));
    Some(now.iter().map(find).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        fleet::{
            Processes,
            fixture::{at, builtin, fleet, gpu, introduction, inventory, join, send},
        },
        model::{
            metric::{gpu, node},
            raw::Raw,
            report::Values,
            state::State,
        },
    };

    fn drops(fleet: &Fleet, reason: &str) -> u64 {
        fleet.census(at(0)).drops.iter().find(|(r, _)| r == reason).map_or(0, |(_, n)| *n)
    }

    #[test]
    fn the_newest_connection_wins() {
        let mut fleet = fleet();
        let old = join(&mut fleet, "gpu001", 2, at(0));
        let second = Introduction { started: at(5), ..introduction("gpu001") };
        let new = fleet.join(&second, builtin(), at(10)).unwrap();
        assert_eq!(old.node, new.node);
        assert!(!fleet.is_current(old) && fleet.is_current(new));
        assert!(send(&mut fleet, new, gpu::UTIL, &[50.0, 60.0], at(20)));
        assert!(!send(&mut fleet, old, gpu::UTIL, &[1.0, 2.0], at(30)), "written by a replaced agent");
        assert!(!fleet.inventory(old, &inventory("gpu001", 4), at(30)));
        fleet.leave(old, at(30));
        assert_eq!(fleet.node(new.node).disconnected, None);
        assert_eq!(fleet.value(new.node, gpu::UTIL, 1, at(30)).steps(), Some(60));
        assert_eq!(fleet.heard(new.node), Some(at(20)));
        assert!(fleet.is_connected(new.node), "only the replaced connection is gone");
        fleet.leave(new, at(40));
        assert!(!fleet.is_connected(new.node));
        let node = fleet.node(new.node);
        assert_eq!((node.disconnected, node.inventory_received), (Some(at(40)), Some(at(0))));
        assert_eq!(drops(&fleet, "report of a replaced agent"), 2);
    }

    #[test]
    fn swaps_and_reboots_are_told_from_dialling_again() {
        let check = |steps: &[(&str, i64, bool)], swaps, reboots| {
            let mut fleet = fleet();
            let mut last = None;
            for (boot_id, started, leaves_first) in steps {
                if let (true, Some(session)) = (leaves_first, last) {
                    fleet.leave(session, at(1));
                }
                let hello = introduction("gpu001");
                let hello = Introduction { boot_id: (*boot_id).into(), started: at(*started), ..hello };
                last = fleet.join(&hello, builtin(), at(2));
            }
            let node = fleet.node(last.unwrap().node);
            assert_eq!((node.swaps, node.reboots), (swaps, reboots), "{steps:?}");
            assert_eq!(node.rebooted.is_some(), reboots > 0);
        };
        check(&[("a", 0, false)], 0, 0);
        check(&[("a", 0, false), ("a", 0, false)], 0, 0);
        check(&[("a", 0, false), ("a", 7, true)], 0, 0);
        check(&[("a", 0, false), ("a", 7, false)], 1, 0);
        check(&[("a", 0, false), ("b", 7, true)], 0, 1);
        check(&[("a", 0, false), ("a", 7, false), ("a", 0, false), ("a", 7, false)], 3, 0);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_counted() {
        let mut fleet = Fleet::new(crate::fleet::Settings { most_nodes: 1, ..crate::fleet::Settings::default() });
        let session = join(&mut fleet, "gpu001", 2, at(0));
        assert_eq!(fleet.join(&introduction("gpu002"), builtin(), at(0)), None);
        assert_eq!(drops(&fleet, "node beyond the fleet's limit"), 1);
        assert!(!fleet.inventory(session, &inventory("gpu001", Fleet::MOST_SLOTS + 1), at(0)));
        assert_eq!(drops(&fleet, "inventory with too many GPUs or NICs"), 1);
        let sample = |generation, gpus| Sample { time: at(0), generation, values: Values::new(gpus, 1) };
        assert!(!fleet.sample(session, &sample(1, 3), at(0)));
        assert!(!fleet.sample(session, &sample(2, 2), at(0)));
        assert!(fleet.sample(session, &sample(1, 2), at(0)));
        assert_eq!(drops(&fleet, "sample of another inventory"), 2);
        fleet.drop("garbage");
        assert_eq!(drops(&fleet, "garbage"), 1);
    }

    #[test]
    fn values_follow_a_gpu_to_another_slot() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 3, at(0));
        send(&mut fleet, session, gpu::TEMP, &[40.0, 50.0, 60.0], at(0));
        let mut said = inventory("gpu001", 3);
        said.gpus.remove(1);
        said.gpus.push(gpu("gpu001", 7));
        said.generation = 2;
        fleet.inventory(session, &said, at(1));
        let moved = |slot| fleet.last(session.node, gpu::TEMP, slot);
        assert_eq!([moved(0), moved(1), moved(2)], [Raw::new(40.0, 1.0), Raw::new(60.0, 1.0), Raw::UNKNOWN]);
        assert_eq!(fleet.census(at(1)).gpus, 3);
    }

    #[test]
    fn events_count_once_whoever_sends_them() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 1, at(0));
        let event = |id: &str| report::Event {
            id: id.into(),
            time: at(0),
            subject: report::Subject::Node,
            kind: report::EventKind::Boot,
            text: "up\u{1b}[2J".into(),
        };
        assert!(fleet.event(session.node, event("a"), at(0)));
        assert!(!fleet.event(session.node, event("a"), at(1)));
        assert!(fleet.event(session.node, event("b"), at(2)));
        let texts: Vec<_> = fleet.events_of(session.node).map(|h| (&*h.event.id, &*h.event.text)).collect();
        assert_eq!(texts, [("a", "up\u{fffd}[2J"), ("b", "up\u{fffd}[2J")]);
    }

    #[test]
    fn processes_are_replaced_whole_and_bounded() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 1, at(0));
        let list = |n: usize| report::Processes {
            time: at(0),
            list: (0..n).map(|pid| report::Process { pid: pid as u32, ..report::Process::default() }).collect(),
            ..report::Processes::default()
        };
        fleet.processes(session, &list(Processes::MOST + 3), at(0));
        assert_eq!(fleet.node(session.node).processes.list.len(), Processes::MOST);
        assert_eq!(drops(&fleet, "process, core, mount or container beyond a node's limit"), 3);
        fleet.processes(session, &list(2), at(0));
        assert_eq!(fleet.node(session.node).processes.list.len(), 2);
    }

    proptest! {
        #[test]
        fn a_silent_node_is_unknown_and_remembered(age in 0..200_000_i64, interval_ms in 0..40_000_u32) {
            let mut fleet = fleet();
            let hello = Introduction { interval_ms, ..introduction("gpu001") };
            let session = fleet.join(&hello, builtin(), at(0)).unwrap();
            let id = session.node;
            prop_assert_eq!(fleet.state(id, at(0)), State::Stale, "no sample so far");
            fleet.inventory(session, &inventory("gpu001", 1), at(0));
            send(&mut fleet, session, gpu::UTIL, &[50.0], at(0));
            let state = State::of(Duration::from_millis(age as u64), Duration::from_millis(interval_ms.into()));
            prop_assert_eq!(fleet.state(id, at(age)), state);
            let util = fleet.value(id, gpu::UTIL, 0, at(age));
            prop_assert_eq!(util, if state == State::Up { Raw::new(50.0, 1.0) } else { Raw::UNKNOWN });
            prop_assert_eq!(fleet.row(id, gpu::UTIL, at(age)).is_empty(), state != State::Up);
            prop_assert_eq!(fleet.last(id, gpu::UTIL, 0), Raw::new(50.0, 1.0));
            let known = fleet.value(id, node::AGE, 0, at(age)).value(0.1).unwrap();
            prop_assert!((known - age as f64 / 1000.0).abs() < 0.051, "{}", known);
            prop_assert_eq!(fleet.value(id, node::GPUS_EXPECTED, 0, at(age)).steps(), Some(1));
            let mut census = crate::model::Census::default();
            census.count(state);
            prop_assert_eq!((fleet.census(at(age)).up, fleet.census(at(age)).nodes()), (census.up, 1));
        }
    }

    #[test]
    fn the_clocks_difference_is_seen() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 1, at(0));
        let sample = Sample { time: at(2500), generation: 1, values: Values::new(1, 1) };
        fleet.sample(session, &sample, at(1000));
        let skew = |now| fleet.value(session.node, node::CLOCK_SKEW, 0, now);
        assert_eq!(skew(at(1000)), Raw::new(1.5, 0.001));
        assert_eq!(skew(at(9000)), Raw::UNKNOWN, "nobody knows a silent node's clock");
        assert_eq!(fleet.skew(session.node), Some(1.5));
    }
}
