//! The values of a simulated node's GPUs. Power follows the activity of the job, temperature lags behind power, clocks
//! give way to power and heat, and the energy counter is the integral of power.

use super::{
    Ailment, Kind, MAX_GPUS, Sim,
    chance::{Jitter, key},
    count,
    fault::Case,
    fill,
    machine::Machine,
    moment::Moment,
    rate, row, steps,
};
use crate::model::{MetricId, Raw, Scope, Time, metric::gpu, report::Values};

const IDLE: i32 = 1;
const POWER_CAP: i32 = 1 << 2;
const HW_SLOWDOWN: i32 = 1 << 3;
const HW_THERMAL: i32 = 1 << 6;
const POWER_BRAKE: i32 = 1 << 7;

/// Bytes per second of each of an H100's 18 links.
const LINK_SPEED: f64 = 26.562e9;

/// A GPU's state at one time, from which all of its values follow.
#[derive(Clone, Copy, Default)]
struct Pulse {
    /// Whether the job uses it.
    used: bool,
    /// How busy it is, 0 to 1.
    load: f64,
    power: f64,
    energy: f64,
    temp: f64,
    temp_memory: f64,
    clock: f64,
    throttle: i32,
    memory: f64,
    /// Part of its job's usual traffic.
    pcie: f64,
    nvlink: f64,
    /// How much longer it works than its peers for the same step.
    toil: f64,
    /// Whether it waits in a kernel for what does not come.
    spins: bool,
    jitter: Jitter<3>,
    nature: Nature,
}

/// What a GPU is like, other than its peers.
#[derive(Clone, Copy, Default)]
struct Nature(Jitter<2>);

impl Nature {
    fn of(sim: &Sim, n: u32, slot: u16) -> Self {
        Nature(Jitter::new(key(sim.plan.seed, u64::from(n) << 16 | u64::from(slot))))
    }

    /// Watts for the same work: the silicon's quality.
    fn appetite(&self) -> f64 {
        1.0 + 0.025 * self.0.get(0)
    }

    /// Degrees for the same watts: the paste, the place in the chassis.
    fn warmth(&self, slot: u16) -> f64 {
        1.0 + 0.05 * self.0.get(1) + 0.015 * f64::from(slot % 4)
    }

    fn speed(&self) -> f64 {
        1.0 + 0.008 * self.0.get(2)
    }

    /// Joules before the simulation.
    fn burnt(&self) -> f64 {
        6e8 * (1.0 + 0.9 * self.0.get(3))
    }

    /// Corrected memory errors, packets sent again, link errors: old ones, and few.
    fn blemishes(&self) -> [i32; 3] {
        [4, 5, 6].map(|i| ((self.0.get(i) - 0.9) * 40.0).max(0.0) as i32)
    }

    fn remapped_rows(&self) -> i32 {
        i32::from(self.0.get(7) > 0.96)
    }
}

/// Writes all values of all GPUs.
pub(super) fn write(moment: &Moment, values: &mut Values) {
    let plan = &moment.sim.plan;
    let mut pulses = [Pulse::default(); MAX_GPUS as usize];
    let pulses = &mut pulses[..usize::from(plan.gpus)];
    for (slot, pulse) in (0..).zip(pulses.iter_mut()) {
        *pulse = Pulse::read(moment, slot);
    }
    write_work(moment, pulses, values);
    write_health(moment.machine, pulses, values);
    write_traffic(moment, pulses, values);
    write_counters(pulses, values);
    for case in moment.cases {
        mark(case, moment.now, moment.machine, values);
    }
}

impl Pulse {
    fn read(moment: &Moment, slot: u16) -> Pulse {
        let Moment { sim, machine, activity, load, .. } = moment;
        let nature = Nature::of(sim, moment.n, slot);
        let jitter = Jitter::new(moment.key(u64::from(slot) << 8));
        let used = slot < activity.gpus();
        let worker = f64::from(u8::from(slot < activity.workers()));
        let (mut busy, mut warm, mut total) = (load.now * worker, load.warm * worker, load.total * worker);
        // What slows a GPU down also takes from its power, and so from its energy since then.
        for (case, factor) in moment.cases_of(slot).filter_map(|case| Some((case, damping(case)?))) {
            let before = activity.total(moment.now.seconds_after(case.at)) * worker;
            total = before + factor * (total - before);
            busy *= factor;
            warm *= factor;
        }
        let appetite = nature.appetite();
        let watts = |activity: f64| appetite * (machine.power_idle + machine.power_span * activity);
        let rest = if used { 0.4 } else { 0.15 };
        let air = moment.inlet + 5.0 + if slot >= sim.plan.gpus / 2 { 2.5 } else { 0.0 };
        let temp = air + machine.resistance * nature.warmth(slot) * watts(warm);
        let power = watts(busy) * (1.0 + 0.004 * jitter.get(0) * (busy + rest));
        let clock = clock(machine, warm, temp) * nature.speed();
        let memory = activity.run().filter(|_| used).map_or(0.0, |run| {
            let wobble = if run.kind == Kind::Serving { 180.0 } else { 20.0 };
            activity.loaded() * (machine.memory * run.memory + wobble * jitter.get(1))
        });
        let mut pulse = Pulse {
            used,
            load: if used { load.now } else { 0.0 },
            power,
            energy: nature.burnt() + appetite * (machine.power_idle * activity.seconds() + machine.power_span * total),
            temp: temp + rest * 2.4 * jitter.get(2),
            temp_memory: temp + 7.0 + 6.0 * warm + rest * 2.4 * jitter.get(3),
            clock: if used { clock + 16.0 * jitter.get(4) } else { machine.clock_idle },
            throttle: if used { i32::from(power > 0.93 * machine.power_limit) * POWER_CAP } else { IDLE },
            memory: memory.max(4.0),
            pcie: 1.0,
            nvlink: 1.0,
            toil: 1.0,
            spins: false,
            jitter,
            nature,
        };
        for case in moment.cases_of(slot) {
            pulse.suffer(case, moment.now, machine);
        }
        pulse
    }

    /// What a fault changes in what moves.
    fn suffer(&mut self, case: &Case, now: Time, machine: &Machine) {
        let pace = case.ailment.pace();
        match case.ailment {
            Ailment::Overheated if self.used => {
                let ramp = (now.seconds_after(case.at) / 5.0).min(1.0);
                let hot = machine.temp_limit - 2.0 + 3.5 * self.load + 0.8 * self.jitter.get(2);
                self.temp += ramp * (hot - self.temp).max(0.0);
                self.temp_memory = self.temp_memory.max(self.temp + 6.0);
                self.throttle = HW_THERMAL | HW_SLOWDOWN;
                self.clock *= 0.55;
                (self.pcie, self.nvlink) = (pace, pace);
            }
            Ailment::PowerBrake if self.used => {
                self.throttle = POWER_BRAKE | HW_SLOWDOWN;
                self.clock *= 0.5;
            }
            Ailment::Straggler if self.used => {
                // The same work per step takes it longer, so it is the busiest of its peers.
                self.toil = 1.06;
                // Slower than its peers, however fast it was itself.
                self.clock *= pace / self.nature.speed();
                self.throttle = 0;
                (self.pcie, self.nvlink) = (pace, pace);
            }
            // It spins until the slow one is done: as busy as ever, with less to do. All send at the slow one's rate.
            Ailment::Waits(_) if self.used => (self.toil, self.pcie, self.nvlink) = (pace, pace, pace),
            Ailment::Hang if self.used => {
                self.spins = true;
                (self.pcie, self.nvlink, self.throttle) = (0.0, 0.0, 0);
            }
            Ailment::Stall if self.used => {
                (self.load, self.clock, self.throttle) = (0.0, machine.clock_idle, IDLE);
            }
            gone if gone.ends_ranks() && self.used => {
                (self.used, self.spins, self.load, self.memory) = (false, false, 0.0, 4.0);
                (self.clock, self.throttle) = (machine.clock_idle, IDLE);
            }
            Ailment::Idle if self.used => {
                (self.load, self.memory) = (0.0, 500.0);
                (self.clock, self.throttle, self.pcie, self.nvlink) = (machine.clock_idle, IDLE, 0.0, 0.0);
            }
            Ailment::MemoryLeft if !self.used => self.memory = 0.6 * machine.memory,
            Ailment::NarrowBus => self.pcie = 0.5,
            Ailment::LinkDown => self.nvlink = f64::from(machine.links - 1) / f64::from(machine.links),
            _ => {}
        }
    }
}

/// Part of its usual activity that is left to a GPU by a fault that slows it down.
fn damping(case: &Case) -> Option<f64> {
    match case.ailment {
        Ailment::Overheated => Some(0.6),
        Ailment::PowerBrake => Some(0.5),
        Ailment::Straggler | Ailment::Waits(_) => Some(case.ailment.pace()),
        Ailment::Hang => Some(0.2),
        Ailment::Stall | Ailment::Idle => Some(0.0),
        other => other.ends_ranks().then_some(0.0),
    }
}

/// The SM clock under work: at the power cap, dense work and a warm chip leave less of it.
fn clock(machine: &Machine, warm: f64, temp: f64) -> f64 {
    machine.clock_max * (1.0 - 0.2 * warm * warm) - 6.0 * (temp - 65.0).max(0.0)
}

/// How much a GPU was busy with, and what it drew.
fn write_work(moment: &Moment, pulses: &[Pulse], values: &mut Values) {
    let Moment { machine, profile, .. } = moment;
    let spread = profile.map_or(0.0, |p| p.spread);
    // A kernel runs most of the time long before the GPU is full: utilisation saturates.
    each(values, gpu::UTIL, pulses, |p| {
        if p.spins {
            return count(100);
        }
        let free = 1.0 - p.load;
        percent(100.0 * (1.0 - free * free * free) + (70.0 * spread + 0.8) * p.jitter.get(5) * some(p), 1.0)
    });
    let (sm, tensor, dram) = profile.map_or((0.0, 0.0, 0.0), |p| (p.sm, p.tensor, p.dram));
    for (metric, share, i) in [(gpu::SM_ACTIVE, sm, 6), (gpu::TENSOR_ACTIVE, tensor, 7), (gpu::DRAM_ACTIVE, dram, 8)] {
        if machine.gpm {
            // One warp that waits keeps a multiprocessor, and no tensor core or memory.
            let waits = if metric == gpu::SM_ACTIVE { 9.0 } else { 0.0 };
            each(values, metric, pulses, |p| {
                if p.spins {
                    return percent(waits, 2.0);
                }
                percent(share * p.load * p.toil * (1.0 + (spread + 0.012) * p.jitter.get(i)), 2.0)
            });
        } else {
            fill(values, metric, Raw::UNSUPPORTED);
        }
    }
    each(values, gpu::MEM_USED, pulses, |p| steps(p.memory, 1.0));
    fill(values, gpu::MEM_TOTAL, steps(machine.memory, 1.0));
    each(values, gpu::MEM_UTIL, pulses, |p| percent(100.0 * p.memory / machine.memory, 2.0));
    each(values, gpu::POWER, pulses, |p| steps(p.power, 2.0));
    fill(values, gpu::POWER_LIMIT, steps(machine.power_limit, 2.0));
    each(values, gpu::ENERGY, pulses, |p| steps(p.energy, 0.01));
    fill(values, gpu::ENC, Raw::UNSUPPORTED);
    fill(values, gpu::DEC, count(0));
    let sharers = moment.activity.run().map_or(1, |run| run.kind.sharers());
    each(values, gpu::PROCS, pulses, |p| count(i32::from(p.used) * i32::from(sharers)));
}

/// Temperatures, clocks and why they are what they are.
fn write_health(machine: &Machine, pulses: &[Pulse], values: &mut Values) {
    each(values, gpu::TEMP, pulses, |p| steps(p.temp, 1.0));
    each(values, gpu::TEMP_MEM, pulses, |p| steps(p.temp_memory, 1.0));
    fill(values, gpu::TEMP_LIMIT, steps(machine.temp_limit, 1.0));
    fill(values, gpu::TEMP_MEM_LIMIT, steps(machine.temp_limit + 20.0, 1.0));
    fill(values, gpu::ECC_ON, count(1));
    fill(values, gpu::PERSISTENCE, count(1));
    fill(values, gpu::RECOVERY, count(0));
    if machine.gpm {
        each(values, gpu::TEMP_MARGIN, pulses, |p| count(machine.temp_limit as i32 - (p.temp + 0.5) as i32));
        fill(values, gpu::FABRIC, count(3));
        fill(values, gpu::ECC_SRAM, count(0));
    } else {
        fill(values, gpu::TEMP_MARGIN, Raw::UNSUPPORTED);
        fill(values, gpu::FABRIC, Raw::UNSUPPORTED);
        fill(values, gpu::ECC_SRAM, Raw::UNSUPPORTED);
    }
    each(values, gpu::THROTTLE, pulses, |p| count(p.throttle));
    // Clocks move in steps of 15 MHz.
    each(values, gpu::CLOCK_SM, pulses, |p| count((p.clock.min(machine.clock_max) / 15.0) as i32 * 15));
    fill(values, gpu::CLOCK_SM_MAX, steps(machine.clock_max, 1.0));
    fill(values, gpu::CLOCK_MEM, steps(machine.clock_memory, 1.0));
    fill(values, gpu::PSTATE, count(0));
    fill(values, gpu::FAN, Raw::UNSUPPORTED);
}

/// What a GPU sends and receives over its links.
fn write_traffic(moment: &Moment, pulses: &[Pulse], values: &mut Values) {
    let (machine, gpus) = (moment.machine, moment.activity.gpus());
    let (pcie, nvlink) = moment.profile.map_or((0.0, 0.0), |p| (p.pcie, if gpus > 1 { p.nvlink } else { 0.0 }));
    let nvlink = nvlink * machine.link_speed;
    each(values, gpu::PCIE_RX, pulses, |p| rate(pcie * p.pcie * p.load * (1.0 + 0.02 * p.jitter.get(9)) + 8e3));
    each(values, gpu::PCIE_TX, pulses, |p| rate(0.6 * pcie * p.pcie * p.load * (1.0 + 0.02 * p.jitter.get(10)) + 5e3));
    each(values, gpu::NVLINK_RX, pulses, |p| rate(nvlink * p.nvlink * p.load * (1.0 + 0.006 * p.jitter.get(11))));
    each(values, gpu::NVLINK_TX, pulses, |p| rate(nvlink * p.nvlink * p.load * (1.0 + 0.006 * p.jitter.get(12))));
    fill(values, gpu::PCIE_GEN, count(machine.pcie));
    fill(values, gpu::PCIE_GEN_MAX, count(machine.pcie));
    fill(values, gpu::PCIE_WIDTH, count(16));
    fill(values, gpu::PCIE_WIDTH_MAX, count(16));
    fill(values, gpu::NVLINK_LINKS, count(machine.links));
    let link = 18.0 * LINK_SPEED * machine.link_speed / f64::from(machine.links);
    fill(values, gpu::NVLINK_SPEED, steps(link, 1e-6));
}

/// What only ever grows, and of which a healthy GPU has little.
fn write_counters(pulses: &[Pulse], values: &mut Values) {
    let metrics = [gpu::ECC_SBE, gpu::PCIE_REPLAY, gpu::NVLINK_ERRORS];
    for (i, metric) in metrics.into_iter().enumerate() {
        each(values, metric, pulses, |p| count(p.nature.blemishes()[i]));
    }
    each(values, gpu::REMAP_CORR, pulses, |p| count(p.nature.remapped_rows()));
    for metric in [gpu::NVLINK_REPLAY, gpu::ECC_DBE, gpu::REMAP_UNCORR, gpu::REMAP_PENDING, gpu::REMAP_FAILED] {
        fill(values, metric, count(0));
    }
    // Old errors: none of them is of the last minute.
    gpu::RISES.into_iter().chain([gpu::PCIE_FATAL, gpu::PCIE_NONFATAL]).for_each(|it| fill(values, it, count(0)));
    for metric in [gpu::RETIRED, gpu::RETIRED_PENDING] {
        fill(values, metric, Raw::UNSUPPORTED);
    }
    fill(values, gpu::REMAP_SPENT, count(0));
    fill(values, gpu::XID, Raw::ABSENT);
    fill(values, gpu::XID_AGE, Raw::ABSENT);
}

/// What a fault leaves in counters and states.
fn mark(case: &Case, now: Time, machine: &Machine, values: &mut Values) {
    let since = now.seconds_after(case.at);
    let Some(slot) = case.slot.map(usize::from) else { return };
    match case.ailment {
        Ailment::OffBus | Ailment::DriverHung => {
            let all = (0..gpu::METRICS.len()).map(|row| MetricId { scope: Scope::Gpu, row: row as u16 });
            all.filter(|id| !gpu::OF_THE_HUB.contains(id)).for_each(|id| values.set(id, slot, Raw::FAILED));
        }
        Ailment::MemoryError => {
            values.set(gpu::ECC_DBE, slot, count(1));
            values.set(gpu::REMAP_UNCORR, slot, count(1));
            values.set(gpu::REMAP_PENDING, slot, count(1));
            values.set(gpu::RECOVERY, slot, count(1));
        }
        Ailment::RemapPending => {
            values.set(gpu::ECC_SBE, slot, count(40 + (since * 0.05) as i32));
            values.set(gpu::ECC_SBE_MINUTE, slot, count(3));
            values.set(gpu::REMAP_CORR, slot, count(1));
            values.set(gpu::REMAP_PENDING, slot, count(1));
        }
        Ailment::NarrowBus => values.set(gpu::PCIE_WIDTH, slot, count(8)),
        Ailment::LinkDown => {
            values.set(gpu::NVLINK_LINKS, slot, count(machine.links - 1));
            values.set(gpu::NVLINK_ERRORS, slot, count(60 + (since * 1.5) as i32));
            values.set(gpu::NVLINK_ERRORS_MINUTE, slot, count(90));
            values.set(gpu::NVLINK_REPLAY, slot, count(20 + (since * 0.5) as i32));
            values.set(gpu::NVLINK_REPLAY_MINUTE, slot, count(30));
        }
        Ailment::Xid(_) => {}
        // These show in what moves, or are not about a GPU: their slot may be a port's.
        _ => return,
    }
    if let Some((code, age)) = super::event::last_xid(case, now) {
        values.set(gpu::XID, slot, count(code as i32));
        values.set(gpu::XID_AGE, slot, steps(age, 1.0));
    }
}

/// 1 for a GPU that a job uses: one at rest reads exactly zero.
fn some(pulse: &Pulse) -> f64 {
    f64::from(u8::from(pulse.load > 0.0))
}

fn percent(value: f64, per_unit: f64) -> Raw {
    steps(value.clamp(0.0, 100.0), per_unit)
}

fn each(values: &mut Values, metric: MetricId, pulses: &[Pulse], read: impl Fn(&Pulse) -> Raw) {
    row(values, metric, pulses.iter().map(read));
}
