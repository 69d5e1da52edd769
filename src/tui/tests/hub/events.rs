//! What has happened to the made-up fleet.

use std::time::Duration;

use super::{
    Hub,
    facts::{Thing, text},
};
use crate::model::State;

/// Time, node, kind, subject and words of an event.
type Told<'a> = (&'a str, usize, &'a str, &'a str, &'a str);

const TOLD: [Told<'_>; 3] = [
    (
        "2026-11-23T13:53:01.000Z",
        17,
        "xid",
        "gpu017:3",
        "NVRM: Xid (PCI:0000:4b:00): 79, pid='<unknown>', GPU has fallen off the bus.",
    ),
    (
        "2026-11-23T14:03:51.000Z",
        150,
        "xid",
        "gpu150:1",
        "NVRM: Xid (PCI:0000:2b:00): 31, pid=7001, name=python3, MMU Fault",
    ),
    ("2026-11-22T22:10:00.000Z", 17, "link", "gpu017/mlx5_2", "mlx5_2: link up"),
];

impl Hub {
    pub(super) fn events(&self) -> Vec<Thing> {
        let known = TOLD.iter().filter(|(_, node, ..)| *node <= self.nodes);
        let known = known.map(|told| self.event((*told.3).to_owned(), *told));
        known.chain((0..self.burst).map(|n| self.fault(n))).collect()
    }

    /// One of many that have come within this second, the latest first.
    fn fault(&self, n: usize) -> Thing {
        let time = (self.now - Duration::from_millis(n as u64 * 1000 / self.burst as u64)).to_string();
        let (node, subject) = self.struck(n);
        self.event(format!("burst {n}"), (&time, node, "xid", &subject, "NVRM: Xid (PCI:0000:2b:00): 31, MMU Fault"))
    }

    /// The node and the GPU that the nth of them is about.
    pub(super) fn struck(&self, n: usize) -> (usize, String) {
        let node = n % self.nodes.max(1) + 1;
        (node, format!("gpu{node:03}:{}", n / self.nodes.max(1) % self.gpus.max(1)))
    }

    fn event(&self, id: String, (time, node, kind, subject, words): Told<'_>) -> Thing {
        let mut facts = self.places(node);
        let texts = [("event.time", time), ("event.kind", kind), ("event.subject", subject), ("event.text", words)];
        facts.extend(texts.map(|(key, words)| (key.to_owned(), text(words))));
        Thing { id, state: State::Up, facts }
    }
}
