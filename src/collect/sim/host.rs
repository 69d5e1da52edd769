//! The values of a simulated node's host side and of its network ports, which follow the job as its GPUs do.

use super::{
    Ailment, Sim,
    chance::{Jitter, key},
    count, fill,
    job::{Kind, Profile},
    machine::Machine,
    moment::Moment,
    place::RACK,
    rate, row, steps,
};
use crate::model::{
    Raw, Time,
    metric::{gpu, nic, node},
    report::Values,
};

/// Paths, types and sizes in bytes of a node's mounts.
pub(super) const MOUNTS: [(&str, &str, f64); 4] =
    [("/", "ext4", 1.9e12), ("/local", "xfs", 30.7e12), ("/home", "nfs4", 400e12), ("/scratch", "lustre", 24e15)];
pub(super) const LOCAL: usize = 1;
pub(super) const SHARED: usize = 3;

/// How full each of the mounts is, in percent.
pub(super) fn mounts_used(moment: &Moment) -> [f64; 4] {
    let Moment { sim, n, now, .. } = moment;
    let own = Jitter::<1>::new(key(sim.plan.seed ^ 0x30c, u64::from(*n)));
    let shared = Jitter::<1>::new(key(sim.plan.seed, 0x30c));
    let days = now.seconds_after(sim.plan.start).max(0.0) / 86_400.0;
    // Shared filesystems fill by half a percent a day, and are cleaned up each month.
    let grown = 0.5 * (days % 30.0);
    let mut used = [
        31.0 + 9.0 * own.get(0),
        44.0 + 20.0 * own.get(1),
        61.0 + 8.0 * shared.get(0) + grown,
        66.0 + 9.0 * shared.get(1) + grown,
    ];
    if moment.has(Ailment::DiskFull) {
        used[LOCAL] = 100.0;
    } else if moment.has(Ailment::DiskFilling) {
        used[LOCAL] = 93.0;
    }
    used
}

/// Percent of the node's CPU time that is not idle.
pub(super) fn cpu(profile: Option<&Profile>, load: f64, wobble: f64) -> f64 {
    0.5 + 0.2 * wobble + profile.map_or(0.0, |p| p.cpu * (0.3 + 0.7 * load) * (1.0 + 0.05 * wobble))
}

/// MiB of host memory in use.
pub(super) fn ram(machine: &Machine, profile: Option<&Profile>, loaded: f64, wobble: f64) -> f64 {
    machine.ram * (0.017 + profile.map_or(0.0, |p| p.ram) * loaded) + (40.0 + 260.0 * loaded) * wobble
}

/// Writes all values of the node and of its ports.
pub(super) fn write(moment: &Moment, values: &mut Values) {
    let jitter = Jitter::<2>::new(moment.key(0x4057));
    write_ports(moment, values);
    write_load(moment, &jitter, values);
    write_power(moment, &jitter, values);
    write_storage(moment, &jitter, values);
    write_state(moment, values);
}

fn write_load(moment: &Moment, jitter: &Jitter<2>, values: &mut Values) {
    let Moment { machine, profile, activity, load, .. } = moment;
    let cores = f64::from(machine.cores);
    let busy = cpu(*profile, load.now, jitter.get(0));
    let mut set = |metric, raw| fill(values, metric, raw);
    set(node::CPU, steps(busy, 2.0));
    set(node::CORES, count(i32::from(machine.cores)));
    set(node::LOAD1, steps(cores / 100.0 * cpu(*profile, load.minute, 0.1 * jitter.get(1)), 100.0));
    let used = ram(machine, *profile, activity.loaded(), jitter.get(2));
    set(node::MEM_USED, steps(used, 1.0));
    set(node::MEM_TOTAL, steps(machine.ram, 1.0));
    set(node::MEM_UTIL, steps(100.0 * used / machine.ram, 2.0));
    set(node::SWAP_USED, count(0));
    set(node::PSI_CPU, steps(0.02 * busy * (1.0 + jitter.get(3)), 10.0));
    set(node::PSI_MEM, count(0));
    let workers = f64::from(activity.gpus());
    set(node::PROCS, steps(900.0 + 4.0 * cores + 9.0 * workers + 5.0 * jitter.get(4), 1.0));
    set(node::TEMP, steps(24.0 + moment.inlet * 0.6 + load.warm * 12.0 + 1.2 * jitter.get(5), 1.0));
}

/// Every other rack has machines whose baseboards show a meter.
fn write_power(moment: &Moment, jitter: &Jitter<2>, values: &mut Values) {
    let Moment { sim, n, machine, profile, load, .. } = moment;
    let busy = cpu(*profile, load.now, jitter.get(0)) / 100.0;
    let cpus = f64::from(machine.cores) * (0.9 + 2.6 * busy) + 6.0 * jitter.get(9);
    fill(values, node::CPU_POWER, steps(cpus, 1.0));
    let gpus = (0..usize::from(sim.plan.gpus)).filter_map(|slot| values.get(gpu::POWER, slot).steps());
    let gpus = 0.5 * gpus.map(f64::from).sum::<f64>();
    // Fans, ports, disks, and what supplies lose.
    let machine = 1.06 * (gpus + cpus + 480.0 + 9.0 * jitter.get(10));
    let meter = if (n / RACK).is_multiple_of(2) { steps(machine, 1.0) } else { Raw::UNSUPPORTED };
    fill(values, node::TOTAL_POWER, meter);
}

fn write_storage(moment: &Moment, jitter: &Jitter<2>, values: &mut Values) {
    let Moment { activity, load, .. } = moment;
    let (mut read, mut write, mut waits) = (20e3, 90e3, 0.05);
    if let Some(run) = activity.run() {
        let profile = run.kind.profile();
        (read, write, waits) = (profile.read * load.now, profile.write, 0.3);
        if activity.loaded() < 1.0 {
            (read, waits) = (5.2e9, 4.0);
        } else if run.kind == Kind::Training && load.now < 0.35 {
            // It waits for its checkpoint to be written.
            (write, waits) = (3.1e9, 9.0);
        }
    }
    if moment.has(Ailment::DiskFull) {
        // Whoever writes now waits in vain.
        (write, waits) = (0.0, 22.0);
    }
    let full = mounts_used(moment).into_iter().fold(0.0, f64::max);
    fill(values, node::DISK_USED, steps(full, 2.0));
    fill(values, node::DISK_READ, rate(read * (1.0 + 0.3 * jitter.get(6))));
    fill(values, node::DISK_WRITE, rate(write * (1.0 + 0.3 * jitter.get(7))));
    fill(values, node::PSI_IO, steps(waits * (1.0 + 0.8 * jitter.get(8)), 10.0));
    fill(values, node::MOUNTS_BAD, count(i32::from(moment.has(Ailment::MountHung))));
}

fn write_state(moment: &Moment, values: &mut Values) {
    let Moment { sim, n, now, cases, .. } = moment;
    let lost = cases.iter().filter(|case| case.ailment == Ailment::OffBus).count() as i32;
    let gpus = i32::from(sim.plan.gpus);
    let nature = Jitter::<1>::new(key(sim.plan.seed ^ 0xb007, u64::from(*n)));
    let mut set = |metric, raw| fill(values, metric, raw);
    set(node::GPUS, count(gpus - lost));
    set(node::GPUS_EXPECTED, count(gpus));
    set(node::UPTIME, steps(now.seconds_after(booted(sim, *n, *now)).max(0.0), 1.0));
    set(node::EDAC_CE, count(((nature.get(0) - 0.95) * 100.0).max(0.0) as i32));
    let none = [
        node::EDAC_UE,
        node::EDAC_CE_HOUR,
        node::OOM,
        node::OOM_HOUR,
        node::BLOCKED,
        node::ZOMBIES,
        node::CPU_THROTTLE,
        node::CPU_THROTTLE_MINUTE,
    ];
    for metric in none {
        set(metric, count(0));
    }
    set(node::FABRIC_MANAGER, count(1));
    set(node::CLOCK_SYNCED, count(1));
    set(node::CLOCK_OFFSET, steps(0.0004 * (1.0 + nature.get(1)), 1000.0));
    for metric in node::OF_THE_HUB {
        set(metric, Raw::UNKNOWN);
    }
}

/// When node `n` was started, by `now`: 2 to 60 days before the simulation.
pub(super) fn booted(sim: &Sim, n: u32, now: Time) -> Time {
    if let Some(up) = sim.restarted(n, now) {
        return up;
    }
    let hours = 48 + key(sim.plan.seed ^ 0xb007, u64::from(n)) % 1392;
    Time::from_millis(sim.plan.start.as_millis() - (hours * 3_600_000 + 1234) as i64)
}

/// What flows through a port.
#[derive(Clone, Copy, Default)]
struct Flow {
    down: bool,
    rx: f64,
    tx: f64,
}

fn write_ports(moment: &Moment, values: &mut Values) {
    let (sim, machine, load) = (moment.sim, moment.machine, &moment.load);
    let ports = usize::from(sim.ports());
    let pace = if moment.is_in_step() { moment.pace() } else { 1.0 };
    let data = match moment.profile {
        Some(_) if moment.cases.iter().any(|case| case.ailment.stops_traffic()) => 0.0,
        Some(profile) if moment.activity.nodes() > 1 => pace * profile.rdma * machine.port_rate * load.now,
        _ => 0.0,
    };
    // The last one is the Ethernet port.
    let mut flows = [Flow::default(); 9];
    let flows = &mut flows[..=ports];
    for (slot, flow) in (0..).zip(flows.iter_mut()) {
        let jitter = Jitter::<1>::new(moment.key(0x1b00 + slot));
        let is_ethernet = slot == ports as u64;
        let (base, wobble) = if is_ethernet {
            (40e3 + moment.profile.map_or(0.0, |p| p.net * load.now), 0.15)
        } else {
            // Ports that carry no data still carry the fabric's own management.
            (data + 1.5e3, 0.008)
        };
        let strikes = |case: &super::fault::Case| case.ailment == Ailment::PortDown && case.strikes(slot as u16);
        flow.down = !is_ethernet && moment.cases.iter().any(strikes);
        if !flow.down {
            (flow.rx, flow.tx) = (base * (1.0 + wobble * jitter.get(0)), base * (1.0 + wobble * jitter.get(1)));
        }
    }
    let (rdma, ethernet) = flows.split_at(ports);
    let rates = (0..=ports).map(|slot| if slot < ports { machine.port_rate } else { 12.5e9 });
    row(values, nic::STATE, flows.iter().map(|f| count(if f.down { 0 } else { 3 })));
    row(values, nic::RATE, rates.map(|bytes| steps(bytes, 1.0 / 125_000.0)));
    row(values, nic::RX, flows.iter().map(|f| rate(f.rx)));
    row(values, nic::TX, flows.iter().map(|f| rate(f.tx)));
    fill(values, nic::ERRORS, count(0));
    for metric in [nic::ERRORS_HOUR, nic::RECOVERY, nic::RECOVERY_HOUR, nic::OUTAGE] {
        fill(values, metric, count(0));
    }
    for metric in [nic::LINK_DOWNED, nic::LINK_DOWNED_HOUR] {
        row(values, metric, flows.iter().map(|f| count(i32::from(f.down))));
    }
    fill(values, node::IB_RX, rate(rdma.iter().map(|f| f.rx).sum()));
    fill(values, node::IB_TX, rate(rdma.iter().map(|f| f.tx).sum()));
    fill(values, node::IB_PORTS, count(ports as i32));
    fill(values, node::IB_PORTS_UP, count(rdma.iter().filter(|f| !f.down).count() as i32));
    row(values, node::NET_RX, ethernet.iter().map(|f| rate(f.rx)));
    row(values, node::NET_TX, ethernet.iter().map(|f| rate(f.tx)));
}
