//! What is wrong with the made-up fleet, as its health engine would say.

use std::collections::HashMap;

use super::{
    Hub,
    facts::{Thing, text},
};
use crate::model::{State, raw::Gap, table::Cell};

/// Number, severity, subject, nodes, rule, reason, seconds, count.
type Told<'a> = (u32, &'a str, &'a str, &'a str, &'a str, &'a str, f64, f64);

/// Of a burst, so many are grave: with those that are always there, four hundred.
const GRAVE: usize = 398;

static TOLD: [Told<'_>; 4] = [
    (3, "crit", "gpu017:3", "gpu017", "gpu.xid", "XID 79: GPU fell off the bus (PCIe lost)", 700.0, 1.0),
    (7, "crit", "gpu099", "gpu099", "node.silent", "down, silent for 3m12s", 192.0, 1.0),
    (
        9,
        "warn",
        "gpu030:1",
        "gpu030",
        "gpu.remap.pending",
        "a row of its memory waits for a reset to be remapped",
        9600.0,
        1.0,
    ),
    (4, "warn", "gpu117/mlx5_2", "gpu117", "ib.port", "infiniband port is down", 95.0, 1.0),
];

/// Lines of which each has its number behind `word`.
fn several(n: usize, word: &str, rest: &str) -> String {
    (1..=n).map(|at| format!("{word} {at} {rest}")).collect::<Vec<_>>().join("; ")
}

impl Hub {
    pub(super) fn incidents(&self) -> Vec<Thing> {
        let of_fleet = self.told().map(|told| self.incident(told));
        of_fleet.chain((0..self.burst).map(|n| self.of_burst(n))).collect()
    }

    /// Those that are always there, where the fleet is large enough to have them.
    fn told(&self) -> impl Iterator<Item = &'static Told<'static>> {
        TOLD.iter().filter(|_| self.nodes >= 100 && self.gpus > 0)
    }

    /// How many incidents are open at a node, apart from those of a burst.
    pub(super) fn open_at(&self, node: usize) -> f64 {
        let name = self.name(node);
        self.told().filter(|(_, _, _, hosts, ..)| *hosts == name).count() as f64
    }

    /// What has come of one of many events: few are grave.
    fn of_burst(&self, n: usize) -> Thing {
        let (node, subject) = self.struck(n);
        let severity = if n < GRAVE { "crit" } else { "warn" };
        let reason = "XID 31: MMU fault, usually of the program that ran on it";
        let id = 10_000 + n as u32;
        self.incident(&(id, severity, &subject, &format!("gpu{node:03}"), "gpu.xid", reason, 1.0, 1.0))
    }

    fn incident(&self, &(id, severity, subject, hosts, rule, reason, seconds, count): &Told<'_>) -> Thing {
        let is_gpu = subject.contains(':');
        let gpu = |words: &str| if is_gpu { text(words) } else { Cell::Gap(Gap::Unknown) };
        let drain = format!("scontrol update nodename={hosts} state=drain reason=\"XID 79\"");
        let texts = [
            ("incident", text(id.to_string())),
            ("incident.severity", text(severity)),
            ("incident.stage", text("open")),
            ("incident.subject", text(subject)),
            ("incident.hosts", text(hosts)),
            ("node", text(hosts)),
            ("index", gpu(subject.split_once(':').map_or("", |(_, index)| index))),
            ("incident.rule", text(rule)),
            ("incident.reason", text(reason)),
            ("incident.since", text((self.now - std::time::Duration::from_secs_f64(seconds)).to_string())),
            (
                "incident.action",
                text("drain the node and power-cycle it; if the GPU is lost again within a day, have it replaced"),
            ),
            (
                "incident.commands",
                match (self.has_scheduler, self.is_wordy) {
                    (true, false) => text(format!("{drain}; ssh {hosts} nvidia-smi -r")),
                    (true, true) => text(format!("{drain}; {}", several(3, "ssh", hosts))),
                    (false, _) => text(""),
                },
            ),
            (
                "incident.evidence",
                if self.is_wordy {
                    text(several(12, "kernel line", "NVRM: GPU at PCI:0000:9b:00 has fallen off the bus, as was said"))
                } else {
                    text(
                        "NVRM: Xid (PCI:0000:9b:00): 79, pid=4711, GPU has fallen off the bus.; node.gpus: 7 of 8 GPUs",
                    )
                },
            ),
            ("job", text("4711")),
            ("job.user", text("u1042")),
            ("sched", text("allocated")),
            ("model", gpu("NVIDIA H100 80GB HBM3")),
            ("bus", gpu("0000:9b:00.0")),
            ("serial", gpu("1652923012345")),
        ];
        let numbers =
            [("incident.age", seconds), ("incident.seen", 1.0), ("incident.count", count), ("incident.nodes", count)];
        let mut facts: HashMap<String, Cell> = texts.map(|(key, cell)| (key.to_owned(), cell)).into();
        facts.extend(numbers.map(|(key, value)| (key.to_owned(), Cell::Number(value))));
        Thing { id: id.to_string(), state: State::Up, facts }
    }

    pub(super) fn rules() -> Vec<Thing> {
        let rule = |(id, view, when, open): (&str, &str, &str, f64)| {
            let texts = [
                ("rule", id),
                ("rule.view", view),
                ("rule.when", when),
                ("rule.severity", "crit"),
                ("rule.state", "built in"),
                ("rule.basis", "NVIDIA XID catalog"),
                ("rule.action", "drain the node"),
            ];
            let mut facts: HashMap<String, Cell> = texts.map(|(key, words)| (key.to_owned(), text(words))).into();
            facts.insert("rule.open".into(), Cell::Number(open));
            facts.insert("rule.hold".into(), Cell::Number(60.0));
            facts.insert("rule.clear.hold".into(), Cell::Number(600.0));
            Thing { id: id.into(), state: State::Up, facts }
        };
        let all = [
            ("gpu.lost", "gpus", "fault != none", 0.0),
            ("gpu.throttle.hw_thermal", "gpus", "throttle = hw_thermal", 0.0),
            ("node.silent", "nodes", "state = down", 1.0),
        ];
        all.into_iter().map(rule).collect()
    }
}
