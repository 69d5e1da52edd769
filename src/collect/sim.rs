//! A simulated fleet: nodes whose reports can be believed, by seed and by time, up to a whole supercluster.
//! Jobs run over many nodes and their GPUs move together; days are warm, nodes lie idle, and a few things are sick.
//!
//! Nothing is kept between samples. Every value is a function of the seed, the node and the time, so that any node can
//! be asked for any moment, twice, from any thread, and a fleet of 62,500 nodes costs 70 bytes a node.

mod ailment;
mod chance;
mod event;
mod fault;
mod gpus;
mod host;
mod inventory;
mod job;
mod machine;
pub mod mix;
mod moment;
mod place;
mod process;
mod queue;
mod restless;
pub mod scenario;
mod schedule;
mod wave;

use std::time::Duration;

pub use ailment::Ailment;
pub use fault::{FIRST, Fault, Faults, Subject};
pub use job::{Job, Kind};
pub use mix::Mix;
pub use place::RACK;
pub use queue::Queue;

use crate::model::{
    MetricId, Raw, Time,
    metric::{gpu, nic, node},
    report::{Event, Introduction, Inventory, Processes, Values},
};

/// The most GPUs that a simulated node can have.
pub const MAX_GPUS: u16 = 16;

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How many nodes.
    pub nodes: u32,
    /// GPUs of each, at most [`MAX_GPUS`].
    pub gpus: u16,
    /// One seed, one fleet.
    pub seed: u64,
    /// What node names begin with.
    pub prefix: String,
    /// When the simulation begins. Jobs are running then; faults come after it.
    pub start: Time,
    /// Time between samples, for the nodes to say.
    pub interval: Duration,
    /// What is sick.
    pub faults: Faults,
    /// Whether even what stands still on a machine moves, so that at least 60 % of all numbers change each second.
    pub restless: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            nodes: 256,
            gpus: 8,
            seed: 1,
            prefix: "gpu".into(),
            start: Time::from_millis(1_800_000_000_000),
            interval: Duration::from_secs(1),
            faults: Faults::Seeded,
            restless: false,
        }
    }
}

/// A simulated fleet. Nodes count from 0 here, and from 1 in their names.
///
/// Every method that takes a node panics when the fleet has no such node.
pub struct Sim {
    plan: Plan,
    schedule: schedule::Schedule,
    faults: Vec<Fault>,
    wards: fault::Wards,
}

impl Sim {
    /// Prepares the fleet. More than [`MAX_GPUS`] GPUs are cut to that.
    pub fn new(plan: Plan) -> Self {
        let plan = Plan { gpus: plan.gpus.min(MAX_GPUS), ..plan };
        let schedule = schedule::Schedule::new(&plan);
        let mut sim = Sim { plan, schedule, faults: Vec::new(), wards: fault::Wards::default() };
        sim.faults = match &sim.plan.faults {
            Faults::Seeded => fault::draw(&sim),
            Faults::One(ailment) => fault::one(&sim, *ailment),
            Faults::Lemon => fault::lemon(&sim),
            Faults::BadGpu => fault::bad_gpu(&sim),
            Faults::Given(faults) => faults.clone(),
            Faults::Mix(_) => sim.failures().into_iter().filter_map(|failure| failure.fault).collect(),
        };
        let job = |n, at| sim.schedule.activity(n, at).job().map(|job| job.nodes);
        sim.wards = fault::Wards::new(&sim.plan, &sim.faults, job);
        sim
    }

    /// What is simulated.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What is or will be sick.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The name of node `n`.
    pub fn name(&self, n: u32) -> String {
        place::name(&self.plan, n)
    }

    /// What node `n` says of itself when it connects at `now`.
    pub fn introduction(&self, n: u32, now: Time) -> Introduction {
        inventory::introduction(self, n, now)
    }

    /// When node `n` was started anew last by `now`, since the simulation began. It says then who it is, once more.
    pub fn restarted(&self, n: u32, now: Time) -> Option<Time> {
        self.wards.restarted(n, now)
    }

    /// What node `n` is and has at `now`, and which of its GPUs do not answer.
    pub fn inventory(&self, n: u32, now: Time) -> Inventory {
        inventory::inventory(self, n, now)
    }

    /// Whether the inventory of node `n` changes after `from` and by `to`, and has to be sent anew.
    pub fn inventory_changes(&self, n: u32, from: Time, to: Time) -> bool {
        self.wards.of(n).iter().any(|case| case.ailment.is_of_inventory() && from < case.at && case.at <= to)
    }

    /// Room for the values of one node.
    pub fn values(&self) -> Values {
        Values::new(usize::from(self.plan.gpus), usize::from(self.ports()) + 1)
    }

    /// Writes every value of node `n` at `now`. `values` is made by [`Sim::values`], and may be any node's.
    pub fn sample(&self, n: u32, now: Time, values: &mut Values) {
        let moment = moment::Moment::new(self, n, now);
        gpus::write(&moment, values);
        host::write(&moment, values);
        for case in moment.cases {
            case.read(values);
        }
        if self.plan.restless {
            restless::stir(&moment, values);
        }
    }

    /// The processes, cores and mounts of node `n` at `now`.
    pub fn processes(&self, n: u32, now: Time) -> Processes {
        process::processes(&moment::Moment::new(self, n, now))
    }

    /// What has happened on node `n` after `from` and by `to`, in order.
    pub fn events(&self, n: u32, from: Time, to: Time) -> Vec<Event> {
        event::events(self, n, from, to)
    }

    /// Whether node `n` says nothing at `now`, though its connection may stand.
    pub fn silent(&self, n: u32, now: Time) -> bool {
        self.wards.by(n, now).iter().any(|case| case.silences(now))
    }

    /// The job that runs on node `n` at `now`.
    pub fn job(&self, n: u32, now: Time) -> Option<Job> {
        self.schedule.activity(n, now).job()
    }

    /// RDMA ports of a node: one for each GPU, at most eight.
    fn ports(&self) -> u16 {
        self.plan.gpus.min(8)
    }
}

/// Whether a metric moves from second to second on a busy machine: utilisation, power, temperatures, clocks and
/// traffic do; sizes, limits, link states and error counters do not. Of those that move, a busy node's samples
/// change at least 60 % each second, as real ones do: the load that they put on a hub is honest.
pub fn moves(metric: MetricId) -> bool {
    MOVING.contains(&metric)
}

const MOVING: [MetricId; 31] = [
    gpu::UTIL,
    gpu::SM_ACTIVE,
    gpu::TENSOR_ACTIVE,
    gpu::DRAM_ACTIVE,
    gpu::MEM_USED,
    gpu::POWER,
    gpu::ENERGY,
    gpu::TEMP,
    gpu::TEMP_MEM,
    gpu::TEMP_MARGIN,
    gpu::CLOCK_SM,
    gpu::PCIE_RX,
    gpu::PCIE_TX,
    gpu::NVLINK_RX,
    gpu::NVLINK_TX,
    node::CPU,
    node::LOAD1,
    node::MEM_USED,
    node::NET_RX,
    node::NET_TX,
    node::IB_RX,
    node::IB_TX,
    node::DISK_READ,
    node::DISK_WRITE,
    node::PSI_CPU,
    node::PSI_IO,
    node::TEMP,
    node::PROCS,
    node::UPTIME,
    nic::RX,
    nic::TX,
];

/// A quantity that is not negative, in steps of one over `per_unit`.
fn steps(quantity: f64, per_unit: f64) -> Raw {
    // As `Raw::new`, without the division and the call to `round` that would be half of a sample's cost.
    Raw::from_bits(((quantity * per_unit + 0.5) as i32).max(Raw::MIN))
}

/// A count.
fn count(n: i32) -> Raw {
    Raw::from_bits(n.max(Raw::MIN))
}

/// Sets the values of one metric, slot by slot.
fn row(values: &mut Values, metric: MetricId, raws: impl IntoIterator<Item = Raw>) {
    for (cell, raw) in values.row_mut(metric).iter_mut().zip(raws) {
        *cell = raw;
    }
}

/// Sets one metric of every slot to one value.
fn fill(values: &mut Values, metric: MetricId, raw: Raw) {
    values.row_mut(metric).fill(raw);
}

/// A rate in bytes per second.
fn rate(bytes: f64) -> Raw {
    steps(bytes, 1e-3)
}

#[cfg(test)]
mod tests;
