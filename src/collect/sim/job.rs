//! The kinds of jobs that run on a simulated fleet: how their load moves, and what it makes of each part of a node.
//! The load of a run is a slow curve plus a fast one, so its integral to any time is known at once.

use super::{
    chance::{Dice, key},
    wave::{Turn, Wave},
};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Data-parallel training: all GPUs take each step together, and stop together for checkpoints.
    Training,
    /// Pipeline-parallel training: stages take turns, with a bubble in each.
    Pipeline,
    /// Inference: each replica follows the day and its own bursts.
    Serving,
    /// Somebody tries something on a few GPUs.
    Debug,
}

/// What full activity of a kind of job makes a node do.
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) command: &'static str,
    /// Percent that each part of a GPU is busy.
    pub(super) sm: f64,
    pub(super) tensor: f64,
    pub(super) dram: f64,
    /// Bytes per second and GPU of an H100.
    pub(super) nvlink: f64,
    pub(super) pcie: f64,
    /// Part of an RDMA port's speed.
    pub(super) rdma: f64,
    /// Percent of the node's CPU time.
    pub(super) cpu: f64,
    /// Part of host memory.
    pub(super) ram: f64,
    /// Bytes per second over Ethernet, from disk and to disk.
    pub(super) net: f64,
    pub(super) read: f64,
    pub(super) write: f64,
    /// How far GPUs of one node differ from each other.
    pub(super) spread: f64,
}

const TRAINING: Profile = Profile {
    name: "pretrain",
    command: "python3 train.py",
    sm: 88.0,
    tensor: 46.0,
    dram: 52.0,
    nvlink: 140e9,
    pcie: 450e6,
    rdma: 0.42,
    cpu: 9.0,
    ram: 0.21,
    net: 24e6,
    read: 210e6,
    write: 3e6,
    spread: 0.015,
};

const PIPELINE: Profile = Profile {
    name: "moe-pp",
    command: "python3 pretrain_gpt.py",
    sm: 84.0,
    tensor: 52.0,
    dram: 44.0,
    nvlink: 190e9,
    rdma: 0.21,
    ..TRAINING
};

const SERVING: Profile = Profile {
    name: "serve",
    command: "VLLM::Worker",
    sm: 62.0,
    tensor: 17.0,
    dram: 71.0,
    nvlink: 38e9,
    pcie: 900e6,
    rdma: 0.004,
    cpu: 17.0,
    ram: 0.14,
    net: 160e6,
    read: 4e6,
    write: 9e6,
    spread: 0.07,
};

const DEBUG: Profile = Profile {
    name: "interactive",
    command: "python3",
    sm: 45.0,
    tensor: 9.0,
    dram: 22.0,
    nvlink: 3e9,
    pcie: 1.5e9,
    rdma: 0.0,
    cpu: 4.0,
    ram: 0.04,
    net: 3e6,
    read: 30e6,
    write: 1e6,
    spread: 0.05,
};

impl Kind {
    pub(super) fn profile(self) -> &'static Profile {
        match self {
            Kind::Training => &TRAINING,
            Kind::Pipeline => &PIPELINE,
            Kind::Serving => &SERVING,
            Kind::Debug => &DEBUG,
        }
    }

    /// How many of its processes share each GPU.
    pub(super) fn sharers(self) -> u8 {
        if self == Kind::Serving { 2 } else { 1 }
    }
}

/// The two curves of a kind of job. Their sum stays between 0.01 and 1.
struct Pattern {
    slow: Wave,
    fast: Wave,
}

/// The curves of every kind.
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// The curves by this seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(key(seed, 0x77));
        let training = Pattern {
            // A checkpoint takes four knots of the slow curve.
            slow: Wave::new(|i| if (248..252).contains(&i) { 0.26 } else { dice.between(0.89, 0.92) }),
            fast: Wave::centred(|i| match i {
                0..12 => 0.08,
                12..224 => 0.2,
                _ => 0.0, // the all-reduce and the optimizer at the end of a step
            }),
        };
        let pipeline = Pattern {
            slow: Wave::new(|i| if (100..104).contains(&i) { 0.38 } else { dice.between(0.79, 0.83) }),
            fast: Wave::centred(|i| if i < 180 { 0.45 } else { 0.0 }),
        };
        let serving = Pattern {
            // Quietest at four in the morning, one period a day.
            slow: Wave::new(|i| {
                let day = (i as f64 / super::wave::KNOTS as f64 - 4.0 / 24.0) * std::f64::consts::TAU;
                0.46 - 0.2 * day.cos()
            }),
            fast: bursts(&mut dice),
        };
        let mut left = 0;
        let debug = Pattern {
            slow: Wave::new(|_| {
                left = if left > 0 { left - 1 } else { dice.below(14).saturating_sub(4) * dice.below(2) };
                if left > 0 { dice.between(0.35, 0.6) } else { 0.03 }
            }),
            fast: Wave::centred(|i| if i % 16 < 8 { 0.015 } else { -0.015 }),
        };
        Patterns(vec![training, pipeline, serving, debug])
    }
}

/// Requests come in bursts that swell and ebb.
fn bursts(dice: &mut Dice) -> Wave {
    let mut now: f64 = 0.0;
    let walk: Vec<f64> = (0..super::wave::KNOTS)
        .map(|_| {
            now = (now * 0.8 + dice.between(-0.14, 0.14)).clamp(-0.18, 0.18);
            now
        })
        .collect();
    Wave::centred(|i| walk[i])
}

/// One job on its nodes. Times are seconds from the start of the nodes' cycle.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) kind: Kind,
    /// What sets this job apart from all others: its user, name and account follow from it.
    pub(super) key: u64,
    /// When its processes start.
    pub(super) begins: f64,
    /// When it has loaded its data and the work begins.
    pub(super) works: f64,
    /// When it ends.
    pub(super) ends: f64,
    /// Part of the GPUs' memory that it takes.
    pub(super) memory: f64,
    pub(super) level: f64,
    pub(super) slow: Turn,
    pub(super) fast: Turn,
}

/// Activity while a job loads its data.
const LOADING: f64 = 0.03;

impl Run {
    /// Seconds of full activity that one of its GPUs has done by `x`. `shift` is where in the fast curve its node is.
    pub(super) fn done(&self, patterns: &Patterns, shift: f64, x: f64) -> f64 {
        let loading = LOADING * (x.min(self.works) - self.begins).max(0.0);
        let working = x.min(self.ends) - self.works;
        if working <= 0.0 {
            return loading;
        }
        let pattern = &patterns.0[self.kind as usize];
        let fast = Turn { phase: self.fast.phase + shift, ..self.fast };
        loading + self.level * (self.slow.area(&pattern.slow, working) + fast.area(&pattern.fast, working))
    }

    /// Whether its processes are there at `x`.
    pub(super) fn is_on(&self, x: f64) -> bool {
        (self.begins..self.ends).contains(&x)
    }
}

/// A job, as a scheduler would tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Who submitted it.
    pub user: String,
    /// Whom it is charged to.
    pub account: String,
    /// What it does.
    pub kind: Kind,
    /// The nodes it runs on, counted from 0.
    pub nodes: std::ops::Range<u32>,
    /// GPUs that it uses on each of them, from the first on.
    pub gpus: u16,
    /// When it started.
    pub started: crate::model::Time,
    /// When it will end.
    pub ends: crate::model::Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_is_never_negative_and_never_more_than_full() {
        let patterns = Patterns::new(3);
        for kind in [Kind::Training, Kind::Pipeline, Kind::Serving, Kind::Debug] {
            let turn = |period| Turn { period, phase: 0.4 };
            let run = Run {
                kind,
                key: 1,
                begins: 10.0,
                works: 50.0,
                ends: 5000.0,
                memory: 0.5,
                level: 1.0,
                slow: turn(900.0),
                fast: turn(7.0),
            };
            let step = 0.25;
            let (mut last, mut high) = (0.0, 0.0f64);
            for n in 0..24_000 {
                let done = run.done(&patterns, 0.0, f64::from(n) * step);
                let activity = (done - last) / step;
                assert!((-1e-6..=1.0).contains(&activity), "{kind:?} {activity} at {}", f64::from(n) * step);
                (last, high) = (done, high.max(activity));
            }
            assert!(high > 0.4, "{kind:?} reaches {high}");
            let done = |x| run.done(&patterns, 0.0, x);
            assert!(done(9.0).abs() < 1e-9, "{kind:?} works before it begins");
            assert!((done(5000.0) - done(9000.0)).abs() < 1e-9, "{kind:?} works after it has ended");
        }
    }
}
