//! What the made-up hub knows: a fleet with a few sick parts, whose values move with its clock.

use std::collections::HashMap;

use super::{Hub, catalogue};
use crate::model::{MetricId, State, metric::Aggregate, question::Complaint, raw::Gap, table::Cell};

pub(super) type Facts = HashMap<String, Cell>;

/// A row, before it is asked for.
pub(super) struct Thing {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) facts: Facts,
}

/// A number that looks like chance, from 0 to 1.
pub(super) fn chance(seed: usize) -> f64 {
    let mut n = (seed as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((n ^ (n >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

pub(super) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// A job that has ended: the nodes that idle had it.
pub(super) const ENDED: &str = "4700";
const GIB: f64 = 1_073_741_824.0;

impl Hub {
    pub(super) fn state(node: usize) -> State {
        match node {
            42 | 43 => State::Stale,
            99 => State::Down,
            200 => State::Missing,
            _ => State::Up,
        }
    }

    pub(super) fn name(&self, node: usize) -> String {
        if self.nodes == 1 { "workbench".into() } else { format!("gpu{node:03}") }
    }

    pub(super) fn seconds(&self) -> f64 {
        (self.now.as_millis() % 100_000_000) as f64 / 1000.0
    }

    pub(super) fn gpu(&self, node: usize, index: usize) -> Thing {
        let job = node / 24;
        let wave = (self.seconds() / 17.0 + job as f64).sin() * 4.0;
        let own = chance(node * 16 + index);
        let idle = is_idle(job);
        let util = if idle { 0.0 } else { (94.0 + wave + own * 3.0).clamp(0.0, 100.0).round() };
        let hot = (node, index) == (121, 5);
        let lost = (node, index) == (17, 3);
        let temp = if hot { 93.0 } else { (34.0 + util * 0.26 + own * 9.0).round() };
        let mut facts = self.places(node);
        let mut put = |key: &str, cell: Cell| facts.insert(key.into(), cell);
        let numbers = [
            ("gpu.util", util),
            ("gpu.sm.active", util * 0.93),
            ("gpu.tensor.active", (util * 0.48).round()),
            ("gpu.dram.active", (util * 0.37).round()),
            ("gpu.mem.used", (if idle { 0.6 } else { 61.0 + own * 9.0 }) * GIB),
            ("gpu.mem.total", 80.0 * GIB),
            ("gpu.mem.util", if idle { 1.0 } else { 76.0 + own * 11.0 }),
            ("gpu.power", 72.0 + util * 5.6 + own * 30.0),
            ("gpu.power.limit", 700.0),
            ("gpu.energy", 3.1e9),
            ("gpu.temp", temp),
            ("gpu.temp.mem", temp + 8.0),
            ("gpu.temp.limit", 92.0),
            ("gpu.clock.sm", if hot { 1215.0 } else { 1980.0 }),
            ("gpu.clock.sm.max", 1980.0),
            ("apart(gpu.clock.sm by job)", if hot { 17.2 } else { 0.0 }),
            ("gpu.clock.mem", 2619.0),
            ("gpu.pstate", 0.0),
            ("gpu.procs", if idle { 0.0 } else { 1.0 }),
            ("gpu.pcie.rx", util * 2.1e8),
            ("gpu.pcie.tx", util * 0.7e8),
            ("gpu.pcie.gen", 5.0),
            ("gpu.pcie.gen.max", 5.0),
            ("gpu.pcie.width", 16.0),
            ("gpu.pcie.width.max", 16.0),
            ("gpu.pcie.replay", 0.0),
            ("gpu.nvlink.links", 18.0),
            ("gpu.nvlink.rx", util * 3.0e9),
            ("gpu.nvlink.tx", util * 2.9e9),
            ("gpu.nvlink.errors", 0.0),
            ("gpu.ecc.sbe", 2.0),
            ("gpu.ecc.dbe", 0.0),
            ("gpu.ecc.sram", 0.0),
            ("gpu.remap.pending", 0.0),
            ("gpu.remap.failed", 0.0),
        ];
        for (key, value) in numbers {
            put(key, if lost { Cell::Gap(Gap::Unknown) } else { Cell::Number(value) });
        }
        put("gpu.fan", Cell::Gap(Gap::Unsupported));
        put("gpu.fabric", Cell::Gap(Gap::Failed));
        let throttle = if hot {
            vec!["hw_thermal".into()]
        } else if idle {
            vec!["idle".into()]
        } else {
            vec![]
        };
        put("gpu.throttle", Cell::Flags(throttle));
        let xid = match (node, index) {
            (17, 3) => Some((79.0, 700.0)),
            (150, 1) => Some((31.0, 40.0)),
            _ => None,
        };
        put("gpu.xid", xid.map_or(Cell::Gap(Gap::Absent), |(code, _)| Cell::Number(code)));
        put("gpu.xid.age", xid.map_or(Cell::Gap(Gap::Absent), |(_, age)| Cell::Number(age)));
        put("fault", if lost { text("lost") } else { Cell::Gap(Gap::Absent) });
        let of_job = |it: String| if idle { Cell::Gap(Gap::Absent) } else { text(it) };
        put("job", of_job((4711 + job).to_string()));
        put("job.user", of_job(user(job)));
        let verdict = if lost {
            "gone"
        } else if (node, index) == (220, 6) {
            "slow"
        } else {
            "fine"
        };
        put("verdict", of_job(verdict.into()));
        put("ran", if idle { text(ENDED) } else { Cell::Gap(Gap::Absent) });
        put("index", text(index.to_string()));
        put("model", text("NVIDIA H100 80GB HBM3"));
        put("bus", text(format!("0000:{:02x}:00.0", 0x1b + index * 0x10)));
        put("serial", text(format!("16524{:08}", node * 8 + index)));
        put("uuid", text(format!("GPU-{:08x}-7a1c-4c1e-9d7e-0123456789ab", node * 8 + index)));
        put("vbios", text("96.00.89.00.01"));
        put("numa", text((index / 4).to_string()));
        put("mig", text("off"));
        Thing { id: format!("{}:{index}", self.name(node)), state: Hub::state(node), facts }
    }

    pub(super) fn places(&self, node: usize) -> Facts {
        let mut facts = Facts::new();
        facts.insert("node".into(), text(self.name(node)));
        facts.insert("state".into(), text(Hub::state(node).word()));
        if self.nodes > 1 {
            let rack = (node - 1) / 32;
            facts.insert("rack".into(), text(format!("r{:02}", rack + 1)));
            facts.insert("pod".into(), text(format!("p{}", rack / 4 + 1)));
            facts.insert("domain".into(), text(format!("d{:02}", (node - 1) / 16 + 1)));
            facts.insert("region".into(), text("east"));
        }
        facts
    }

    fn node(&self, node: usize) -> Thing {
        let mut facts = self.places(node);
        let own = chance(node * 31);
        let wave = (self.seconds() / 11.0 + own * 6.0).sin();
        let numbers = [
            ("node.cpu", 9.0 + own * 14.0 + wave * 4.0),
            ("node.cpu.cores", 128.0),
            ("node.load1", 11.0 + own * 9.0),
            ("node.mem.used", 540.0 * GIB),
            ("node.mem.total", 2015.0 * GIB),
            ("node.mem.util", 26.0 + own * 9.0),
            ("node.swap.used", 0.0),
            ("node.net.rx", 2.1e7 * (1.0 + own)),
            ("node.net.tx", 0.9e7 * (1.0 + own)),
            ("node.ib.rx", 3.8e10 * (0.5 + own)),
            ("node.ib.tx", 3.7e10 * (0.5 + own)),
            ("node.disk.used", if node == 77 { 98.0 } else { 41.0 }),
            ("node.mounts.bad", 0.0),
            ("node.incidents", self.open_at(node)),
            ("node.disk.read", 4.0e6 * own),
            ("node.disk.write", 1.3e8 * own),
            ("node.psi.cpu", 3.0),
            ("node.psi.mem", 0.0),
            ("node.psi.io", 1.0),
            ("node.temp", 51.0),
            ("node.procs", 1893.0),
            ("node.uptime", 1_048_000.0),
            ("node.clock.skew", 0.002),
            ("node.gpus", if node == 17 { self.gpus as f64 - 1.0 } else { self.gpus as f64 }),
            ("node.gpus.expected", self.gpus as f64),
        ];
        facts.extend(numbers.map(|(key, value)| (key.to_owned(), Cell::Number(value))));
        let age = match Hub::state(node) {
            State::Up => 0.3 + own,
            State::Stale => 12.0,
            _ => 192.0,
        };
        let gpus: Vec<Thing> = (0..self.gpus).map(|index| self.gpu(node, index)).collect();
        facts.extend(rolled_up(gpus.iter()));
        if Hub::state(node) != State::Up {
            facts
                .values_mut()
                .filter(|cell| !matches!(cell, Cell::Text(_)))
                .for_each(|cell| *cell = Cell::Gap(Gap::Unknown));
        }
        facts.insert("node.age".into(), Cell::Number(age));
        let (sched, reason) = match node {
            17 => ("drain,mixed", text("XID 79")),
            99 | 200 => ("down", text("Not responding")),
            30 => ("drain,idle", text("HBM")),
            _ if is_idle(node / 24) => ("idle", Cell::Gap(Gap::Absent)),
            _ => ("allocated", Cell::Gap(Gap::Absent)),
        };
        facts.insert("sched".into(), text(sched));
        facts.insert("sched.reason".into(), reason);
        let bench = match node {
            17 | 99 => text("broken"),
            30 => text("healthy"),
            _ => Cell::Gap(Gap::Absent),
        };
        let held = matches!(node, 17 | 30 | 99 | 200);
        let of_held = |cell: Cell| if held { cell } else { Cell::Gap(Gap::Absent) };
        let by = if matches!(node, 17 | 30) { text("ops") } else { text("slurm") };
        facts.insert("bench".into(), bench);
        facts.insert("sched.node".into(), text(self.name(node)));
        facts.insert("sched.by".into(), of_held(by));
        facts.insert("sched.since".into(), of_held(text("2026-11-20T13:04Z")));
        facts.insert("node.held.hours".into(), of_held(Cell::Number(self.gpus as f64 * 262_800.0)));
        facts.insert("node.well".into(), if node == 30 { Cell::Number(252_000.0) } else { Cell::Gap(Gap::Absent) });
        let texts = [
            ("os", "Ubuntu 24.04.1 LTS"),
            ("kernel", "6.8.0-49-generic"),
            ("cpu.model", "AMD EPYC 9654"),
            ("driver", if self.gpus > 0 { "570.86.15" } else { "" }),
            ("cuda", if self.gpus > 0 { "12.8" } else { "" }),
            ("agent", "0.1.0"),
            ("notes", "/dev/kmsg: permission denied"),
        ];
        facts.extend(texts.map(|(key, value)| (key.to_owned(), text(value))));
        Thing { id: self.name(node), state: Hub::state(node), facts }
    }

    pub(super) fn make(&self, view: &str, only: Option<usize>) -> Result<Vec<Thing>, Complaint> {
        let all = only.map_or(1..=self.nodes, |node| node..=node.min(self.nodes));
        Ok(match view {
            "nodes" => all.map(|n| self.node(n)).collect(),
            "gpus" => all.flat_map(|n| (0..self.gpus).map(move |g| self.gpu(n, g))).collect(),
            "fleet" => {
                let nodes: Vec<Thing> = all.map(|n| self.node(n)).collect();
                vec![Thing { id: "fleet".into(), state: State::Up, facts: together(&nodes) }]
            }
            "racks" | "pods" | "regions" => self.groups(view.trim_end_matches('s')),
            "processes" => all.flat_map(|n| self.processes(n)).collect(),
            "nics" => all.flat_map(|n| self.nics(n)).collect(),
            "cores" => all.flat_map(|n| self.cores(n)).collect(),
            "mounts" => all.flat_map(|n| self.mounts(n)).collect(),
            "events" => self.events(),
            "jobs" => self.jobs().into_iter().chain([self.ended_job()]).collect(),
            "users" => self.in_common("job.user"),
            "accounts" => self.in_common("job.account"),
            "partitions" => self.in_common("job.partition"),
            "energy" => self.accounts(),
            "incidents" => self.incidents(),
            "rules" => Hub::rules(),
            "metrics" => catalogue::metrics(),
            _ => return Err(Complaint { message: format!("{view} has no data yet"), at: 0, len: view.len() }),
        })
    }

    fn groups(&self, level: &str) -> Vec<Thing> {
        let mut groups: Vec<(String, Vec<Thing>)> = Vec::new();
        for node in (1..=self.nodes).map(|n| self.node(n)) {
            let place = node.facts.get(level).and_then(Cell::text).unwrap_or("–").to_owned();
            match groups.last_mut().filter(|(name, _)| *name == place) {
                Some((_, nodes)) => nodes.push(node),
                None => groups.push((place, vec![node])),
            }
        }
        let thing = |(name, nodes): (String, Vec<Thing>)| {
            let mut facts = together(&nodes);
            for level in ["region", "pod", "rack"] {
                facts.extend(nodes[0].facts.get(level).map(|cell| (level.to_owned(), cell.clone())));
            }
            let state = nodes.iter().map(|node| node.state).min().unwrap_or_default();
            Thing { id: format!("{level}={name}"), state, facts }
        };
        groups.into_iter().map(thing).collect()
    }

    fn processes(&self, node: usize) -> Vec<Thing> {
        let gpu = (0..self.gpus).map(|g| (7000 + g, "u1042", format!("python3 train.py --rank {g}"), Some(g), 103.0));
        let names = [
            "kworker/3:1",
            "日本語の名前",
            "systemd-journald",
            "node_exporter",
            "Xorg",
            "rust-analyzer",
            "sshd: ops",
            "cargo build",
        ];
        let host = names
            .iter()
            .enumerate()
            .map(|(at, name)| (300 + at, "root", (*name).to_owned(), None, 61.0 / (at + 1) as f64));
        gpu.chain(host)
            .map(|(pid, user, name, gpu, cpu)| {
                let mut facts = self.places(node);
                facts.extend(
                    [
                        ("proc.pid", Cell::Number(pid as f64)),
                        ("proc.user", text(user)),
                        ("proc.job", gpu.map_or(Cell::Gap(Gap::Absent), |_| text("4711"))),
                        ("proc.name", text(name)),
                        ("proc.state", text("S")),
                        ("proc.gpu", gpu.map_or(Cell::Gap(Gap::Absent), |g| text(g.to_string()))),
                        ("proc.sm", gpu.map_or(Cell::Gap(Gap::Absent), |_| Cell::Number(94.0))),
                        ("proc.mem.gpu", gpu.map_or(Cell::Gap(Gap::Absent), |_| Cell::Number(66.0 * GIB))),
                        ("proc.cpu", Cell::Number(cpu)),
                        ("proc.mem", Cell::Number(cpu * 3.0e7)),
                        ("proc.age", Cell::Number(273_000.0)),
                    ]
                    .map(|(key, cell)| (key.to_owned(), cell)),
                );
                Thing { id: format!("{}/{pid}", self.name(node)), state: Hub::state(node), facts }
            })
            .collect()
    }

    fn nics(&self, node: usize) -> Vec<Thing> {
        let ports =
            (0..self.gpus).map(|n| (format!("mlx5_{n}"), "infiniband")).chain([("eno1".to_owned(), "ethernet")]);
        ports
            .enumerate()
            .map(|(at, (name, kind))| {
                let own = chance(node * 64 + at);
                let mut facts = self.places(node);
                facts.extend(
                    [
                        ("nic.name", text(name.clone())),
                        ("nic.kind", text(kind)),
                        ("nic.state", text("active")),
                        ("nic.rate", Cell::Number(5.0e10)),
                        ("nic.rx", Cell::Number(4.0e9 + own * 1.0e9)),
                        ("nic.tx", Cell::Number(4.0e9 + own * 0.8e9)),
                        ("nic.errors", if at == 2 { Cell::Gap(Gap::Saturated) } else { Cell::Number(0.0) }),
                        ("nic.link.downed", Cell::Number(0.0)),
                        ("nic.gpu", text(at.to_string())),
                    ]
                    .map(|(key, cell)| (key.to_owned(), cell)),
                );
                Thing { id: format!("{}/{name}", self.name(node)), state: Hub::state(node), facts }
            })
            .collect()
    }

    fn cores(&self, node: usize) -> Vec<Thing> {
        (0..128)
            .map(|core| {
                let mut facts = self.places(node);
                facts.insert("core.index".into(), Cell::Number(f64::from(core)));
                facts.insert("core.util".into(), Cell::Number(chance(node + core as usize).powi(3) * 100.0));
                Thing { id: format!("{}/cpu{core}", self.name(node)), state: State::Up, facts }
            })
            .collect()
    }

    fn mounts(&self, node: usize) -> Vec<Thing> {
        let mounts = [("/", "ext4", 41.0, 1.8e12), ("/scratch", "xfs", 83.0, 2.8e13), ("/home", "nfs4", 62.0, 4.0e14)];
        mounts
            .iter()
            .map(|(path, kind, used, size)| {
                let mut facts = self.places(node);
                facts.extend(
                    [
                        ("mount.path", text(*path)),
                        ("mount.kind", text(*kind)),
                        ("mount.state", text("ok")),
                        ("mount.used", Cell::Number(*used)),
                        ("mount.free", Cell::Number(size * (1.0 - used / 100.0))),
                        ("mount.size", Cell::Number(*size)),
                        ("mount.inodes", Cell::Number(7.0)),
                    ]
                    .map(|(key, cell)| (key.to_owned(), cell)),
                );
                Thing { id: format!("{}{path}", self.name(node)), state: State::Up, facts }
            })
            .collect()
    }
}

/// Whether the nodes of this job idle.
pub(super) fn is_idle(job: usize) -> bool {
    job % 5 == 3
}

pub(super) fn user(job: usize) -> String {
    format!("u10{}", 42 + job % 4)
}

/// What nodes of one place are, taken together.
fn together(nodes: &[Thing]) -> Facts {
    let mut facts = rolled_up(nodes.iter());
    let up = nodes.iter().filter(|node| node.state == State::Up).count();
    facts.extend([("nodes", nodes.len()), ("up", up)].map(|(key, n)| (key.into(), Cell::Number(n as f64))));
    facts
}

/// Means, sums and maxima of what lies below, roughly as the catalogue has them.
pub(super) fn rolled_up<'a>(things: impl Iterator<Item = &'a Thing> + Clone) -> Facts {
    let mut facts = Facts::new();
    let Some(first) = things.clone().next() else { return facts };
    for key in first.facts.keys() {
        let Some(metric) = MetricId::find(key).and_then(MetricId::builtin) else { continue };
        let known: Vec<f64> = things.clone().filter_map(|thing| thing.facts.get(key)?.number()).collect();
        if let Cell::Flags(_) = first.facts[key] {
            let mut names: Vec<String> = Vec::new();
            for thing in things.clone() {
                if let Some(Cell::Flags(more)) = thing.facts.get(key) {
                    names.extend(more.clone());
                }
            }
            names.sort();
            names.dedup();
            facts.insert(key.clone(), Cell::Flags(names));
            continue;
        }
        let value = match metric.aggregate {
            Aggregate::Sum => known.iter().copied().reduce(|a, b| a + b),
            Aggregate::Mean => known.iter().copied().reduce(|a, b| a + b).map(|sum| sum / known.len() as f64),
            Aggregate::Min => known.iter().copied().reduce(f64::min),
            _ => known.iter().copied().reduce(f64::max),
        };
        let gap = if key.starts_with("gpu.xid") { Gap::Absent } else { Gap::Unknown };
        facts.insert(key.clone(), value.map_or(Cell::Gap(gap), Cell::Number));
    }
    let each = things.map(|thing| thing.facts.get("gpu.util").and_then(Cell::number));
    facts.insert("each(gpu.util)".into(), Cell::List(each.collect()));
    facts
}
