//! What a job's GPUs and hosts have in common, from which the odd one differs.

use std::collections::BTreeMap;

use super::judge::{Host, IDLE, Rank};

/// What is so of most: of all but one in eight, and of all but one where they are few.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    is_so: usize,
    known: usize,
}

/// What they have in common.
#[derive(Debug, Default)]
pub(super) struct Peers {
    models: BTreeMap<usize, Model>,
    with_processes: Share,
    spinning: Share,
    idle: Share,
    waiting: Share,
    pub(super) swap: Option<f64>,
    pub(super) psi_cpu: Option<f64>,
    pub(super) psi_mem: Option<f64>,
    pub(super) throttled: Option<f64>,
}

/// The middle of what GPUs of one model read.
#[derive(Debug, Default)]
struct Model {
    /// Of those under load, and how far from it they are in the middle.
    clock: Option<(f64, f64)>,
    power: Option<f64>,
    links: Option<f64>,
    generation: Option<f64>,
}

impl Share {
    fn of<'a>(ranks: impl Iterator<Item = &'a Rank>, is_so: impl Fn(&Rank) -> Option<bool>) -> Share {
        ranks.filter_map(is_so).fold(Share::default(), |Share { is_so: yes, known }, is_so| Share {
            is_so: yes + usize::from(is_so),
            known: known + 1,
        })
    }

    /// Whether those of which it is not so are odd ones.
    fn is_most(self) -> bool {
        let odd = self.known - self.is_so;
        self.is_so > odd && odd <= (self.known / 8).max(1)
    }
}

impl Peers {
    pub(super) fn of(ranks: &[Rank], hosts: &[Host]) -> Peers {
        let mut by_model: BTreeMap<usize, Vec<&Rank>> = BTreeMap::new();
        for rank in ranks {
            by_model.entry(rank.model).or_default().push(rank);
        }
        let share = |is_so: &dyn Fn(&Rank) -> Option<bool>| Share::of(ranks.iter(), is_so);
        let of_hosts = |read: fn(&Host) -> Option<f64>| {
            // Of one alone, nothing is odd.
            if hosts.len() < 2 { None } else { lower(hosts.iter().filter_map(read).collect()) }
        };
        Peers {
            models: by_model.into_iter().map(|(model, ranks)| (model, Model::of(&ranks))).collect(),
            with_processes: share(&|rank| rank.procs.map(|procs| procs > 0.0)),
            spinning: share(&|rank| rank.util.map(|_| rank.spins())),
            idle: share(&|rank| rank.util.map(|util| util <= IDLE)),
            waiting: share(&|rank| rank.util.map(|_| rank.waits())),
            swap: of_hosts(|host| host.swap),
            psi_cpu: of_hosts(|host| host.psi_cpu),
            psi_mem: of_hosts(|host| host.psi_mem),
            throttled: of_hosts(|host| host.throttled),
        }
    }

    pub(super) fn most_have_processes(&self) -> bool {
        self.with_processes.is_most()
    }

    pub(super) fn most_spin(&self) -> bool {
        self.spinning.is_most()
    }

    pub(super) fn most_idle(&self) -> bool {
        self.idle.is_most()
    }

    pub(super) fn most_wait(&self) -> bool {
        self.waiting.is_most()
    }

    pub(super) fn clock(&self, model: usize) -> Option<(f64, f64)> {
        self.models.get(&model)?.clock
    }

    pub(super) fn power(&self, model: usize) -> Option<f64> {
        self.models.get(&model)?.power
    }

    pub(super) fn links(&self, model: usize) -> Option<f64> {
        self.models.get(&model)?.links
    }

    pub(super) fn generation(&self, model: usize) -> Option<f64> {
        self.models.get(&model)?.generation
    }
}

impl Model {
    fn of(ranks: &[&Rank]) -> Model {
        let all = |read: fn(&Rank) -> Option<f64>| ranks.iter().filter_map(|rank| read(rank)).collect();
        let clocks: Vec<f64> = ranks.iter().filter(|rank| rank.is_loaded()).filter_map(|rank| rank.clock).collect();
        let clock = upper(clocks.clone()).and_then(|clock| {
            let distances = clocks.iter().map(|other| (other - clock).abs()).collect();
            Some((clock, upper(distances)?))
        });
        Model {
            clock,
            power: lower(all(|rank| rank.power)),
            links: upper(all(|rank| rank.links)),
            generation: upper(all(|rank| rank.generation)),
        }
    }
}

/// The middle one; of two in the middle the lower, for what is bad when it is more.
fn lower(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// The same with the higher of two, for what is bad when it is less.
fn upper(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
