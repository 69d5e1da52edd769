//! Reads what the fleet knows of a job's GPUs and their hosts.

use std::{collections::BTreeMap, time::Duration};

use super::{
    super::errors::{Errors, RELEASED},
    judge::{Host, Rank},
};
use crate::{
    fleet::{Fleet, Job, NodeId, Share},
    model::{
        metric::{
            MetricId, gpu,
            nic::{self, ACTIVE},
            node,
        },
        raw::Raw,
        state::State,
        time::Time,
    },
};

/// GPUs of one job that are looked at, since others wait meanwhile.
const MOST: usize = 65_536;
/// For how long what an XID did may hold a job up.
const LATELY: Duration = Duration::from_hours(1);
/// Errors and lost links of a port within an hour that are too many.
const ERRORS: f64 = 100.0;
const FLAPS: f64 = 3.0;

/// The GPUs of a job, and the nodes that they are in, as they are now.
pub(super) struct Crew {
    pub(super) nodes: Vec<NodeId>,
    pub(super) ranks: Vec<Rank>,
    pub(super) hosts: Vec<Host>,
    /// GPUs that there was no room for.
    pub(super) left_out: usize,
}

impl Crew {
    /// Those of a job.
    pub(super) fn of(fleet: &Fleet, errors: &Errors, job: &Job, now: Time) -> Crew {
        let mut of_job = Crew { nodes: Vec::new(), ranks: Vec::new(), hosts: Vec::new(), left_out: 0 };
        let mut models: BTreeMap<&str, usize> = BTreeMap::new();
        let ports = active_ports(fleet, job, now);
        let since = job.started.unwrap_or(now - LATELY).max(now - LATELY);
        for (number, share) in job.held().enumerate() {
            if of_job.ranks.len() >= MOST {
                of_job.left_out += share.slots.len();
                continue;
            }
            of_job.nodes.push(share.node);
            of_job.hosts.push(host(fleet, share.node, &ports, now));
            let ranks = ranks(fleet, share, now, |model| {
                let next = models.len();
                *models.entry(model).or_insert(next)
            });
            of_job.ranks.extend(ranks.map(|(bus, rank)| Rank {
                host: number,
                xid: errors.lately(share.node, bus, since),
                ..rank
            }));
        }
        of_job
    }
}

/// The GPUs of one node, each with its PCI address.
fn ranks<'a>(
    fleet: &'a Fleet,
    share: &'a Share,
    now: Time,
    mut model_of: impl FnMut(&'a str) -> usize,
) -> impl Iterator<Item = (&'a str, Rank)> {
    let (id, inventory) = (share.node, &fleet.node(share.node).inventory);
    let is_up = fleet.is_up(id, now);
    share.slots.iter().filter_map(move |slot| {
        let gpu = inventory.gpus.get(usize::from(slot))?;
        let read = |metric| value(fleet.row(id, metric, now), metric, slot.into());
        let fault = inventory.gpu_fault(slot.into()).map(|fault| fault.reason.to_string());
        let rank = Rank {
            host: 0,
            slot,
            model: model_of(&gpu.model),
            util: read(gpu::UTIL),
            tensor: read(gpu::TENSOR_ACTIVE),
            power: read(gpu::POWER),
            limit: read(gpu::POWER_LIMIT),
            clock: read(gpu::CLOCK_SM),
            throttle: read(gpu::THROTTLE),
            nvlink: read(gpu::NVLINK_TX),
            links: read(gpu::NVLINK_LINKS),
            errors: read(gpu::NVLINK_ERRORS_MINUTE),
            width: read(gpu::PCIE_WIDTH),
            width_max: read(gpu::PCIE_WIDTH_MAX),
            generation: read(gpu::PCIE_GEN),
            generation_max: read(gpu::PCIE_GEN_MAX),
            procs: read(gpu::PROCS),
            xid: None,
            fault: fault.filter(|reason| is_up && reason != RELEASED),
        };
        Some((&*gpu.bus, rank))
    })
}

fn host(fleet: &Fleet, id: NodeId, ports: &BTreeMap<&str, i32>, now: Time) -> Host {
    let read = |metric| value(fleet.row(id, metric, now), metric, 0);
    Host {
        is_down: fleet.state(id, now) == State::Down,
        blocked: read(node::BLOCKED),
        swap: read(node::SWAP_USED),
        psi_cpu: read(node::PSI_CPU),
        psi_mem: read(node::PSI_MEM),
        throttled: read(node::CPU_THROTTLE_MINUTE),
        ports: bad_ports(fleet, id, ports, now),
    }
}

/// The RDMA ports of a node: each with its slot, and the slot of the nearest GPU.
fn rdma(fleet: &Fleet, id: NodeId) -> impl Iterator<Item = (usize, &str, Option<u16>)> {
    let nics = fleet.node(id).inventory.nics.iter().enumerate();
    nics.filter(|(_, port)| matches!(&*port.kind, "infiniband" | "roce")).map(|(at, port)| (at, &*port.name, port.gpu))
}

/// Of how many of the job's nodes a port of each name is active, less of how many it is not.
fn active_ports<'a>(fleet: &'a Fleet, job: &Job, now: Time) -> BTreeMap<&'a str, i32> {
    let mut ports = BTreeMap::new();
    for share in job.held() {
        let states = fleet.row(share.node, nic::STATE, now);
        for (at, name, _) in rdma(fleet, share.node) {
            if let Some(state) = states.get(at).and_then(|raw| raw.steps()) {
                *ports.entry(name).or_default() += if state == ACTIVE { 1 } else { -1 };
            }
        }
    }
    ports
}

fn bad_ports(fleet: &Fleet, id: NodeId, ports: &BTreeMap<&str, i32>, now: Time) -> Vec<(Option<u16>, String)> {
    let read = |metric, at| value(fleet.row(id, metric, now), metric, at);
    let bad = |(at, name, near): (usize, &str, Option<u16>)| {
        let is_active = read(nic::STATE, at)? as i32 == ACTIVE;
        let was_active = read(nic::LINK_DOWNED, at).is_some_and(|times| times > 0.0);
        let are_others = ports.get(name).is_some_and(|more| *more > 0);
        if !is_active {
            return (was_active || are_others).then(|| (near, format!("port {name} is down")));
        }
        let many = |metric, most: f64| read(metric, at).filter(|count| *count >= most);
        if let Some(times) = many(nic::LINK_DOWNED_HOUR, FLAPS) {
            return Some((near, format!("port {name} went down {times} times in an hour")));
        }
        many(nic::ERRORS_HOUR, ERRORS).map(|errors| (near, format!("{errors} errors of port {name} in an hour")))
    };
    rdma(fleet, id).filter_map(bad).collect()
}

fn value(row: &[Raw], metric: MetricId, slot: usize) -> Option<f64> {
    row.get(slot)?.value(metric.builtin()?.quantum)
}
