//! The made-up hub's jobs, one of which has ended, and what their users spend.

use super::{
    Hub,
    facts::{ENDED, Facts, Thing, is_idle, rolled_up, text, user},
};
use crate::model::{State, raw::Gap, table::Cell};

impl Hub {
    /// A job on each 24 nodes, but for those that idle: their job waits.
    pub(super) fn jobs(&self) -> Vec<Thing> {
        let job = |job: usize| {
            let nodes: Vec<usize> = (1..=self.nodes).filter(|node| node / 24 == job).collect();
            let waits = is_idle(job);
            let gpus = nodes.iter().flat_map(|node| (0..self.gpus).map(move |gpu| self.gpu(*node, gpu)));
            let gpus: Vec<Thing> = if waits { Vec::new() } else { gpus.filter(|gpu| gpu.state == State::Up).collect() };
            let mut facts = rolled_up(gpus.iter());
            let least = gpus.iter().filter_map(|gpu| gpu.facts["gpu.util"].number()).reduce(f64::min);
            facts.insert("min(gpu.util)".into(), least.map_or(Cell::Gap(Gap::Unknown), Cell::Number));
            let has = |n: usize| if waits { 0.0 } else { n as f64 };
            let numbers = [
                ("job.phase", f64::from(u8::from(waits))),
                ("job.nodes", has(nodes.len())),
                ("job.gpus", has(nodes.len() * self.gpus)),
                ("job.held", has(nodes.len() * self.gpus)),
                ("job.unused", if job == 2 { 3.0 } else { 0.0 }),
                ("job.ungiven", 0.0),
                ("job.idle", 0.0),
                ("job.silent", 0.0),
                ("job.outliers", if job == 5 { 1.0 } else { 0.0 }),
                ("job.limit", 259_200.0),
                ("job.energy", 4e8 * has(nodes.len()) * (1.0 + job as f64)),
                ("job.energy.idle", if job == 2 { 9e7 } else { 0.0 }),
            ];
            facts.extend(numbers.map(|(key, value)| (key.to_owned(), Cell::Number(value))));
            let age = 3600.0 * (1.0 + 7.0 * job as f64) + self.seconds() % 60.0;
            facts.insert("job.age".into(), if waits { Cell::Gap(Gap::Absent) } else { Cell::Number(age) });
            let id = (4711 + job).to_string();
            let names = ["llama-pre", "vllm-serve", "diffusion", "sweep-lr", "eval"];
            let texts = [
                ("job", id.clone()),
                ("job.name", names[job % names.len()].into()),
                ("job.user", user(job)),
                ("job.account", "research".into()),
                ("job.partition", "main".into()),
                ("job.state", if waits { "pending" } else { "running" }.into()),
                ("job.reason", if waits { "Resources" } else { "" }.into()),
            ];
            facts.extend(
                texts.map(|(key, it)| (key.to_owned(), if it.is_empty() { Cell::Gap(Gap::Absent) } else { text(it) })),
            );
            Thing { id, state: State::Up, facts }
        };
        (0..=self.nodes / 24).map(job).collect()
    }

    /// One that failed twelve minutes ago.
    pub(super) fn ended_job(&self) -> Thing {
        let nodes = (1..=self.nodes).filter(|node| is_idle(node / 24)).count() as f64;
        let numbers = [
            ("job.phase", 2.0),
            ("job.nodes", nodes),
            ("job.gpus", nodes * self.gpus as f64),
            ("job.held", 0.0),
            ("job.age", 92_000.0),
            ("job.limit", 259_200.0),
            ("job.ended", 720.0),
            ("job.energy", 3e10),
        ];
        let texts = [
            ("job", ENDED),
            ("job.name", "llama-pre"),
            ("job.user", "u1042"),
            ("job.account", "research"),
            ("job.partition", "main"),
            ("job.state", "failed"),
            ("job.reason", "NonZeroExitCode"),
        ];
        let numbers = numbers.map(|(key, value)| (key.to_owned(), Cell::Number(value)));
        let mut facts: Facts = numbers.into_iter().chain(texts.map(|(key, it)| (key.to_owned(), text(it)))).collect();
        // What its GPUs did, for the lines along time.
        let before = [
            ("gpu.util", 91.0),
            ("min(gpu.util)", 62.0),
            ("gpu.tensor.active", 44.0),
            ("min(gpu.tensor.active)", 31.0),
            ("gpu.power", 81_000.0),
            ("min(gpu.power)", 410.0),
            ("gpu.clock.sm", 1930.0),
            ("min(gpu.clock.sm)", 1215.0),
            ("max(gpu.temp)", 78.0),
            ("gpu.nvlink.tx", 4.1e13),
            ("min(gpu.nvlink.tx)", 1.9e11),
        ];
        facts.extend(before.map(|(key, value)| (key.to_owned(), Cell::Number(value))));
        Thing { id: ENDED.into(), state: State::Up, facts }
    }

    /// What jobs have that have this key's value in common.
    pub(super) fn in_common(&self, key: &str) -> Vec<Thing> {
        let jobs = self.jobs();
        let mut values: Vec<&str> = Vec::new();
        for value in jobs.iter().filter_map(|job| job.facts[key].text()) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let of_value = |value: &str| {
            let is_its = |job: &&Thing| job.facts[key].text() == Some(value);
            let its: Vec<&Thing> = jobs.iter().filter(is_its).collect();
            let sum = |key: &str| its.iter().filter_map(|job| job.facts.get(key)?.number()).sum::<f64>();
            let running = its.iter().filter(|job| job.facts["job.phase"].number() == Some(0.0)).count() as f64;
            let mean = |key: &str| if running > 0.0 { sum(key) / running } else { 0.0 };
            let numbers = [
                ("count", its.len() as f64),
                ("job.running", running),
                ("job.waiting", its.len() as f64 - running),
                ("job.held", sum("job.held")),
                ("job.unused", sum("job.unused")),
                ("gpu.util", mean("gpu.util")),
                ("gpu.tensor.active", mean("gpu.tensor.active")),
                ("gpu.power", sum("gpu.power")),
                ("job.energy.today", sum("job.energy") / 9.0),
                ("job.energy.idle", sum("job.energy.idle")),
                ("gpu.mem.util", mean("gpu.mem.util")),
                ("gpu.clock.sm", mean("gpu.clock.sm")),
            ];
            let mut facts: Facts = numbers.map(|(key, value)| (key.to_owned(), Cell::Number(value))).into();
            facts.insert(key.into(), text(value));
            Thing { id: format!("{key}={value}"), state: State::Up, facts }
        };
        values.into_iter().map(of_value).collect()
    }

    /// What each user spent in two hours.
    pub(super) fn accounts(&self) -> Vec<Thing> {
        let hours = ["2026-11-23T13:00Z", "2026-11-23T14:00Z"];
        let all =
            hours.into_iter().flat_map(|hour| self.in_common("job.user").into_iter().map(move |user| (hour, user)));
        let account = |(hour, user): (&str, Thing)| {
            let (name, watts) = (user.facts["job.user"].clone(), user.facts["gpu.power"].number().unwrap_or(0.0));
            let seconds = if hour == hours[0] { 3600.0 } else { 270.0 };
            let texts = [
                ("energy.hour", text(hour)),
                ("energy.user", name.clone()),
                ("energy.account", text("research")),
                ("energy.place", text("east")),
            ];
            let numbers = [
                ("energy.used", watts * seconds),
                ("energy.host", 0.4 * watts * seconds),
                ("energy.idle", 0.01 * watts * seconds),
                ("energy.gpu.time", user.facts["job.held"].number().unwrap_or(0.0) * seconds),
                ("energy.estimated", 0.0),
            ];
            let id = format!("{hour} east {}", name.text().unwrap_or_default());
            let facts = numbers.map(|(key, value)| (key.to_owned(), Cell::Number(value)));
            let facts = facts.into_iter().chain(texts.map(|(key, cell)| (key.to_owned(), cell))).collect();
            Thing { id, state: State::Up, facts }
        };
        all.map(account).collect()
    }
}
