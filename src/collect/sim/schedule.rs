//! Which job runs where and when, and how much work each node has done by then.
//! The fleet is cut into blocks of nodes for good; each block runs one job after another, with a gap between them.
//!
//! A block's jobs come round again after [`CYCLES`]: so the work done up to any time is a table look-up plus the
//! work of the present job, and no sample needs a sum over the past.

use std::time::Duration;

use super::{
    Plan,
    chance::{Dice, key},
    job::{Job, Kind, Patterns, Run},
    machine,
    wave::Turn,
};
use crate::model::Time;

/// Jobs of a block until they come round again.
const CYCLES: usize = 16;
const DAY: f64 = 86_400.0;
/// Nodes of a block, and the share of all nodes that are in blocks of that size; what no larger block could take
/// goes to smaller ones.
const SIZES: [(u32, f64); 10] = [
    (512, 0.12),
    (256, 0.13),
    (128, 0.12),
    (64, 0.13),
    (32, 0.12),
    (16, 0.10),
    (8, 0.10),
    (4, 0.06),
    (2, 0.05),
    (1, 0.07),
];

/// What runs on the whole fleet.
pub(super) struct Schedule {
    start: Time,
    blocks: Vec<Block>,
    /// The block of each node.
    block_of: Vec<u32>,
    /// Each node's work at the end of each of the cycles, in seconds of full activity.
    done: Vec<[f32; CYCLES]>,
    patterns: Patterns,
}

/// How long a scheduler tells of a job that has ended, and for how long one waits at most.
const ENDED_FOR: Duration = Duration::from_mins(5);
const WAITS_FOR: Duration = Duration::from_mins(30);

/// Nodes that get jobs together.
struct Block {
    first: u32,
    nodes: u32,
    /// GPUs of each node that its jobs use.
    gpus: u16,
    class: Class,
    /// Seconds from the start of one job to the start of the next.
    period: f64,
    /// Seconds of its first cycle that lie before the fleet's start.
    offset: f64,
    key: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Batch,
    Serving,
    Debug,
}

impl Schedule {
    /// The jobs of this fleet, by its seed.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut dice = Dice::new(key(plan.seed, 0x5c4ed));
        let mut blocks = Vec::new();
        let mut first = 0;
        for end in machine::zones(plan) {
            for nodes in sizes(end - first, &mut dice) {
                blocks.push(Block::draw(plan, first, nodes, key(plan.seed, u64::from(first) << 1 | 1)));
                first += nodes;
            }
        }
        let block_of = blocks.iter().zip(0..).flat_map(|(b, at)| (0..b.nodes).map(move |_| at)).collect();
        let mut schedule =
            Schedule { start: plan.start, blocks, block_of, done: Vec::new(), patterns: Patterns::new(plan.seed) };
        schedule.done = (0..plan.nodes).map(|n| schedule.sums(n)).collect();
        schedule
    }

    /// What node `n` does at `now`.
    pub(super) fn activity(&self, n: u32, now: Time) -> Activity<'_> {
        let block = &self.blocks[self.block_of[n as usize] as usize];
        let x = block.seconds(self.start, now);
        let cycle = (x / block.period) as u64;
        let run = block.run(self.start, cycle);
        let shift = run.as_ref().map_or(0.0, |run| block.shift(run, n));
        Activity { schedule: self, block, n, x, cycle, run, shift }
    }

    /// The jobs that run at `now` or have ended a short while ago, and those that are next: of each block's three at
    /// most.
    pub(super) fn jobs(&self, now: Time) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (at, block) in (0..).zip(&self.blocks) {
            let cycle = (block.seconds(self.start, now) / block.period) as u64;
            for cycle in cycle.saturating_sub(1)..=cycle + 1 {
                let Some(run) = block.run(self.start, cycle) else { continue };
                let job = self.job(at, cycle, &run);
                if now < job.ends + ENDED_FOR && job.started < now + WAITS_FOR {
                    jobs.push(job);
                }
            }
        }
        jobs
    }

    /// A run, as a scheduler would tell of it.
    fn job(&self, at: u32, cycle: u64, run: &Run) -> Job {
        let block = &self.blocks[at as usize];
        let since_start = |into: f64| {
            let seconds = cycle as f64 * block.period + into - block.offset;
            Time::from_millis(self.start.as_millis() + (seconds * 1000.0) as i64)
        };
        let mut dice = Dice::new(key(run.key, 0x6a0b));
        let user = 1000 + dice.below(120);
        Job {
            // Unique: blocks take turns in every cycle's numbers.
            id: 4000 + cycle * self.blocks.len() as u64 + u64::from(at),
            name: format!("{}-{}", run.kind.profile().name, dice.below(90) + 10),
            user: format!("u{user}"),
            account: ["vision", "language", "speech", "robotics", "science"][(user % 5) as usize].into(),
            kind: run.kind,
            nodes: block.first..block.first + block.nodes,
            gpus: block.gpus,
            started: since_start(run.begins),
            ends: since_start(run.ends),
        }
    }

    fn sums(&self, n: u32) -> [f32; CYCLES] {
        let block = &self.blocks[self.block_of[n as usize] as usize];
        let mut sum = 0.0;
        std::array::from_fn(|cycle| {
            sum += self.work(block, n, cycle as u64, block.period);
            sum as f32
        })
    }

    /// Work that node `n` has done in this cycle, `x` seconds into it.
    fn work(&self, block: &Block, n: u32, cycle: u64, x: f64) -> f64 {
        block.run(self.start, cycle).map_or(0.0, |run| run.done(&self.patterns, block.shift(&run, n), x))
    }

    /// Work that node `n` had done before this cycle began.
    fn before(&self, n: u32, cycle: u64) -> f64 {
        let done = &self.done[n as usize];
        let (rounds, cycle) = (cycle / CYCLES as u64, cycle as usize % CYCLES);
        let this_round = if cycle == 0 { 0.0 } else { f64::from(done[cycle - 1]) };
        rounds as f64 * f64::from(done[CYCLES - 1]) + this_round
    }
}

/// Sizes of the blocks that a stretch of `nodes` is cut into, in random order.
fn sizes(nodes: u32, dice: &mut Dice) -> Vec<u32> {
    let mut out = Vec::new();
    let (mut left, mut due) = (nodes, 0.0);
    for (size, share) in SIZES {
        due += share * f64::from(nodes);
        while due + 1e-9 >= f64::from(size) && left >= size {
            out.push(size);
            due -= f64::from(size);
            left -= size;
        }
    }
    out.extend((0..left).map(|_| 1));
    for i in (1..out.len()).rev() {
        out.swap(i, dice.below(i as u64 + 1) as usize);
    }
    out
}

impl Block {
    fn draw(plan: &Plan, first: u32, nodes: u32, key: u64) -> Block {
        let mut dice = Dice::new(key);
        let chance = dice.unit();
        let class = match nodes {
            1 if chance < 0.45 => Class::Debug,
            1..=2 if chance < 0.65 => Class::Serving,
            4..=16 if chance < 0.25 => Class::Serving,
            _ => Class::Batch,
        };
        let (period, gpus) = match class {
            Class::Debug => (dice.between(240.0, 900.0), 1 << dice.below(4)),
            // A round of all cycles takes whole days, so that its jobs keep their hours.
            Class::Serving => (DAY / 2.0, plan.gpus),
            Class::Batch => (dice.between(900.0, 3000.0) * f64::from(nodes).sqrt(), plan.gpus),
        };
        let offset = dice.between(1.0, CYCLES as f64) * period;
        Block { first, nodes, gpus: gpus.min(plan.gpus), class, period, offset, key }
    }

    /// Seconds since its first cycle.
    fn seconds(&self, start: Time, now: Time) -> f64 {
        (self.offset + now.seconds_after(start)).max(0.0)
    }

    /// The job of a cycle; none in some.
    fn run(&self, start: Time, cycle: u64) -> Option<Run> {
        let key = key(self.key, cycle % CYCLES as u64);
        let mut dice = Dice::new(key);
        let (idle, gap, step) = match self.class {
            Class::Debug => (0.25, 0.4, 9.0),
            Class::Serving => (0.0, 0.01, 700.0),
            Class::Batch => (0.06, 0.08, dice.between(3.0, 13.0)),
        };
        if dice.unit() < idle {
            return None;
        }
        let kind = match self.class {
            Class::Debug => Kind::Debug,
            Class::Serving => Kind::Serving,
            Class::Batch if self.nodes >= 8 && dice.unit() < 0.3 => Kind::Pipeline,
            Class::Batch => Kind::Training,
        };
        let begins = self.period * gap * dice.unit();
        let works = begins + dice.between(20.0, 60.0);
        let ends = self.period * (1.0 - gap * dice.unit());
        let slow = match kind {
            Kind::Serving => {
                let cycle = (cycle % CYCLES as u64) as f64;
                let since_midnight = start.as_millis() as f64 / 1000.0 - self.offset + cycle * self.period + works;
                Turn { period: DAY, phase: (since_midnight / DAY).rem_euclid(1.0) }
            }
            _ => Turn { period: dice.between(600.0, 1500.0), phase: dice.unit() },
        };
        let fast = match kind {
            Kind::Pipeline => Turn { period: step * 2.5, phase: dice.unit() },
            _ => Turn { period: step, phase: dice.unit() },
        };
        let level = dice.between(0.86, 1.0);
        let memory = match kind {
            Kind::Debug => dice.between(0.08, 0.6),
            Kind::Serving => 0.9,
            _ => dice.between(0.68, 0.94),
        };
        Some(Run { kind, key, begins, works, ends, memory, level, slow, fast })
    }

    /// How far node `n` is from the block's first in the fast curve of a job.
    fn shift(&self, run: &Run, n: u32) -> f64 {
        match run.kind {
            Kind::Training | Kind::Debug => 0.0,
            Kind::Pipeline => f64::from(n - self.first) / f64::from(self.nodes),
            Kind::Serving => (key(run.key, u64::from(n)) >> 40) as f64 / f64::from(1u32 << 24),
        }
    }
}

/// How busy a working GPU of a node is, 0 to 1.
pub(super) struct Load {
    /// Over the last second.
    pub(super) now: f64,
    /// Over the last 25 s, as heat lags behind.
    pub(super) warm: f64,
    /// Over the last minute.
    pub(super) minute: f64,
    /// Seconds of full activity, all told.
    pub(super) total: f64,
}

/// What a node does at one time, and what it has done before it.
pub(super) struct Activity<'a> {
    schedule: &'a Schedule,
    block: &'a Block,
    n: u32,
    /// Seconds since the block's first cycle.
    x: f64,
    cycle: u64,
    run: Option<Run>,
    shift: f64,
}

impl Activity<'_> {
    /// Seconds that the node has been on for.
    pub(super) fn seconds(&self) -> f64 {
        self.x
    }

    /// The job that runs now.
    pub(super) fn run(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.is_on(self.in_cycle()))
    }

    /// Whether the job does its work, and goes on doing it for `seconds`.
    pub(super) fn works_for(&self, seconds: f64) -> bool {
        self.run.as_ref().is_some_and(|run| self.in_cycle() > run.works && self.in_cycle() + seconds < run.ends)
    }

    /// How far the job has come with loading its data, 0 to 1.
    pub(super) fn loaded(&self) -> f64 {
        self.run().map_or(0.0, |run| ((self.in_cycle() - run.begins) / (run.works - run.begins)).min(1.0))
    }

    /// GPUs of the node that its job uses.
    pub(super) fn gpus(&self) -> u16 {
        self.run().map_or(0, |_| self.block.gpus)
    }

    /// Nodes of the job.
    pub(super) fn nodes(&self) -> u32 {
        self.block.nodes
    }

    /// GPUs that this node's jobs use when there is one: those beyond have never worked.
    pub(super) fn workers(&self) -> u16 {
        self.block.gpus
    }

    /// Seconds of full activity that a working GPU of the node has done by `seconds` ago.
    pub(super) fn total(&self, ago: f64) -> f64 {
        let x = (self.x - ago).max(0.0);
        let into = x - self.cycle as f64 * self.block.period;
        let (schedule, n) = (self.schedule, self.n);
        if into >= 0.0 {
            let now = self.run.as_ref().map_or(0.0, |run| run.done(&schedule.patterns, self.shift, into));
            return schedule.before(n, self.cycle) + now;
        }
        let cycle = (x / self.block.period) as u64;
        let into = x - cycle as f64 * self.block.period;
        schedule.before(n, cycle) + schedule.work(self.block, n, cycle, into)
    }

    /// How busy its working GPUs are.
    pub(super) fn load(&self) -> Load {
        let total = self.total(0.0);
        let mean = |seconds| ((total - self.total(seconds)) / seconds).max(0.0);
        Load { now: mean(1.0), warm: mean(25.0), minute: mean(60.0), total }
    }

    /// The job, as a scheduler would tell of it.
    pub(super) fn job(&self) -> Option<Job> {
        let run = self.run()?;
        Some(self.schedule.job(self.schedule.block_of[self.n as usize], self.cycle, run))
    }

    fn in_cycle(&self) -> f64 {
        self.x - self.cycle as f64 * self.block.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_fill_the_fleet_with_all_sizes() {
        let mut dice = Dice::new(1);
        for nodes in [0, 1, 5, 32, 192, 1000, 47_000] {
            let sizes = sizes(nodes, &mut dice);
            assert_eq!(sizes.iter().sum::<u32>(), nodes);
        }
        let large = sizes(47_000, &mut dice);
        for (size, _) in SIZES {
            assert!(large.contains(&size), "{size}");
        }
    }

    #[test]
    fn work_is_continuous_over_the_ends_of_cycles() {
        let plan = Plan { nodes: 64, seed: 5, ..Plan::default() };
        let schedule = Schedule::new(&plan);
        for n in 0..plan.nodes {
            let mut last = schedule.activity(n, plan.start).total(0.0);
            for minute in 1..300 {
                let now = Time::from_millis(plan.start.as_millis() + minute * 60_000);
                let activity = schedule.activity(n, now);
                let total = activity.total(0.0);
                assert!((-0.1..=60.1).contains(&(total - last)), "node {n}: {last} to {total}");
                assert!(
                    (activity.total(60.0) - last).abs() < 0.1,
                    "node {n}: the minute before is the same as seen then"
                );
                last = total;
            }
        }
    }
}
