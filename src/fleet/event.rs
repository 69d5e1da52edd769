//! What happened lately, bounded per node and in all, each event once.
//! The hub's journal keeps events for good; this is what screens and queries show.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

use super::node::NodeId;
use crate::model::{
    report::{Event, Subject},
    text::clean,
    time::Time,
};

/// An event as the hub keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The node that sent it.
    pub node: NodeId,
    /// When the hub received it, by its own clock.
    pub received: Time,
    /// What happened.
    pub event: Event,
}

/// Recent events of all nodes, in the order in which they were received.
#[derive(Debug, Default)]
pub(super) struct Events {
    next: u64,
    all: BTreeMap<u64, Happening>,
    of_node: Vec<VecDeque<u64>>,
    ids: Ids,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is new, and there was room.
    New,
    /// It is new, and an older one of the same node had to go.
    NewForNodes,
    /// It is new, and the oldest of all had to go.
    NewForOldest,
    /// It was known.
    Known,
}

impl Events {
    /// Events that are kept of one node.
    const OF_NODE: usize = 256;
    /// Events that are kept in all.
    const IN_ALL: usize = 32_768;

    /// Whether an event with this id came before.
    pub(super) fn knows(&self, node: NodeId, id: &str) -> bool {
        self.ids.knows(node, id)
    }

    /// Takes an event, unless it is one that came before.
    pub(super) fn add(&mut self, node: NodeId, event: Event, received: Time) -> Entry {
        if !self.ids.enter(node, &event.id) {
            return Entry::Known;
        }
        if self.of_node.len() <= node.index() {
            self.of_node.resize_with(node.index() + 1, VecDeque::new);
        }
        let entry = self.make_room(node);
        self.all.insert(self.next, Happening { node, received, event: cleaned(event) });
        self.of_node[node.index()].push_back(self.next);
        self.next += 1;
        entry
    }

    fn make_room(&mut self, node: NodeId) -> Entry {
        let own = &mut self.of_node[node.index()];
        if own.len() >= Self::OF_NODE {
            if let Some(oldest) = own.pop_front() {
                self.all.remove(&oldest);
            }
            return Entry::NewForNodes;
        }
        if self.all.len() < Self::IN_ALL {
            return Entry::New;
        }
        if let Some((_, oldest)) = self.all.pop_first() {
            // The oldest of all is the oldest of its node, too.
            self.of_node[oldest.node.index()].pop_front();
        }
        Entry::NewForOldest
    }

    /// All that are kept, oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Happening> + ExactSizeIterator {
        self.all.values()
    }

    /// Those that came after the first `seen` ones, oldest first, each with how many had come with it.
    pub(super) fn after(&self, seen: u64) -> impl Iterator<Item = (u64, &Happening)> {
        self.all.range(seen..).map(|(number, happening)| (number + 1, happening))
    }

    /// Those of one node, oldest first.
    pub(super) fn of(&self, node: NodeId) -> impl DoubleEndedIterator<Item = &Happening> {
        self.of_node.get(node.index()).into_iter().flatten().filter_map(|at| self.all.get(at))
    }
}

fn cleaned(event: Event) -> Event {
    let clean = |text: String, max| clean(&text, max).into_owned();
    let subject = match event.subject {
        Subject::Node => Subject::Node,
        Subject::Gpu { bus } => Subject::Gpu { bus: clean(bus, 64) },
        Subject::Nic { name } => Subject::Nic { name: clean(name, 64) },
        Subject::Switch { bus } => Subject::Switch { bus: clean(bus, 64) },
    };
    Event { id: clean(event.id, 256), subject, text: clean(event.text, 1024), ..event }
}

/// The ids that came lately, as hashes: agents resend what is not acknowledged.
#[derive(Debug, Default)]
struct Ids {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Ids {
    /// Ids that are remembered; a duplicate comes seconds after its original, not hundreds of thousands of events.
    const MOST: usize = 262_144;

    /// Whether an event with this id came before.
    fn knows(&self, node: NodeId, id: &str) -> bool {
        self.known.contains(&self.hasher.hash_one((node, id)))
    }

    /// Whether the id is new. It is known from now on.
    fn enter(&mut self, node: NodeId, id: &str) -> bool {
        let hash = self.hasher.hash_one((node, id));
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > Self::MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::EventKind;

    fn event(id: usize) -> Event {
        Event {
            id: id.to_string(),
            time: Time::default(),
            subject: Subject::Node,
            kind: EventKind::Boot,
            text: String::new(),
        }
    }

    fn ids<'a>(events: impl Iterator<Item = &'a Happening>) -> Vec<usize> {
        events.map(|happening| happening.event.id.parse().unwrap()).collect()
    }

    #[test]
    fn a_noisy_node_pushes_out_its_own() {
        let mut events = Events::default();
        events.add(NodeId::at(1), event(7), Time::default());
        for id in 0..Events::OF_NODE + 3 {
            let expected = if id < Events::OF_NODE { Entry::New } else { Entry::NewForNodes };
            assert_eq!(events.add(NodeId::at(0), event(id), Time::default()), expected);
        }
        assert_eq!(ids(events.of(NodeId::at(0))), (3..Events::OF_NODE + 3).collect::<Vec<_>>());
        assert_eq!(ids(events.of(NodeId::at(1))), [7]);
        assert_eq!(events.iter().len(), Events::OF_NODE + 1);
        assert_eq!(events.add(NodeId::at(0), event(0), Time::default()), Entry::Known, "known though pushed out");
    }

    #[test]
    fn the_oldest_of_all_goes_when_memory_is_full() {
        let mut events = Events::default();
        for id in 0..Events::IN_ALL + 5 {
            events.add(NodeId::at(id / 200), event(id), Time::default());
        }
        assert_eq!(events.iter().len(), Events::IN_ALL);
        assert_eq!(ids(events.of(NodeId::at(0))), (5..200).collect::<Vec<_>>());
        assert_eq!(events.add(NodeId::at(9999), event(0), Time::default()), Entry::NewForOldest);
        let all = Events::IN_ALL as u64 + 6;
        assert_eq!(events.after(all - 2).map(|(number, _)| number).collect::<Vec<_>>(), [all - 1, all]);
        assert_eq!(events.after(all).count(), 0);
    }

    #[test]
    fn ids_are_forgotten_in_time() {
        let mut ids = Ids::default();
        assert!((0..=Ids::MOST).all(|id| ids.enter(NodeId::at(0), &id.to_string())));
        assert_eq!(ids.known.len(), Ids::MOST);
        assert!(!ids.enter(NodeId::at(0), "5"));
        assert!(ids.enter(NodeId::at(0), "0"), "the oldest");
    }
}
