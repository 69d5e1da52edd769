//! What a simulated node is and has: names, addresses, serials and versions that stay the same for one seed.

use super::{
    Ailment, Sim,
    chance::{Dice, key},
    fault::Case,
    machine, place,
};
use crate::model::{
    Time,
    report::{Fault, Gpu, Introduction, Inventory, Nic},
};

/// The driver of all nodes.
const DRIVER: &str = "580.105.08";
/// The one that is left on a node that was forgotten.
const OLD_DRIVER: &str = "570.172.08";
/// PCI buses of the RDMA ports.
const PORT_BUSES: [u8; 8] = [0x18, 0x40, 0x4f, 0x5e, 0x9a, 0xc0, 0xce, 0xdc];

/// What node `n` says of itself when it connects at `now`.
pub(super) fn introduction(sim: &Sim, n: u32, now: Time) -> Introduction {
    Introduction {
        node: sim.name(n),
        boot_id: boot_id(sim, n, now),
        agent: env!("CARGO_PKG_VERSION").into(),
        started: sim.restarted(n, now).unwrap_or(sim.plan.start),
        interval_ms: u32::try_from(sim.plan.interval.as_millis()).unwrap_or(u32::MAX),
    }
}

/// What node `n` is and has at `now`.
pub(super) fn inventory(sim: &Sim, n: u32, now: Time) -> Inventory {
    let plan = &sim.plan;
    let machine = machine::of(plan, n);
    let cases = sim.wards.by(n, now);
    let has = |ailment, slot: Option<u16>| {
        cases.iter().any(|case| case.ailment == ailment && slot.is_none_or(|slot| case.strikes(slot)))
    };
    let driver = match plan.gpus {
        0 => "",
        _ if has(Ailment::OldDriver, None) => OLD_DRIVER,
        _ => DRIVER,
    };
    let gpu = |slot| {
        let vbios = if has(Ailment::OldVbios, Some(slot)) { machine.old_vbios } else { machine.vbios };
        let mig = if has(Ailment::Divided, Some(slot)) { "on" } else { "off" };
        let gsp = if has(Ailment::GspOff, Some(slot)) { "off" } else { "on" };
        Gpu { mig: mig.into(), gsp: gsp.into(), ..gpu(sim, (n, slot), machine.model, vbios) }
    };
    let told =
        |case: &Case| Some(Fault { gpu: case.slot, metric: String::new(), reason: case.ailment.answer()?.into() });
    Inventory {
        generation: 1,
        os: "Ubuntu 24.04.3 LTS".into(),
        kernel: "6.8.0-87-generic".into(),
        cpu_model: machine.cpu.into(),
        driver: driver.into(),
        cuda: if plan.gpus > 0 { "13.0".into() } else { String::new() },
        labels: place::labels(plan, n),
        gpus_on_bus: Some(u32::from(plan.gpus)),
        gpus: (0..plan.gpus).map(gpu).collect(),
        nics: nics(sim),
        notes: Vec::new(),
        faults: cases.iter().filter_map(told).collect(),
    }
}

fn gpu(sim: &Sim, (n, slot): (u32, u16), model: &str, vbios: &str) -> Gpu {
    let mut dice = Dice::new(key(sim.plan.seed ^ 0x6b0, u64::from(n) << 16 | u64::from(slot)));
    Gpu {
        index: slot.to_string(),
        uuid: format!("GPU-{}", uuid(&mut dice)),
        bus: bus(sim, n, slot),
        model: model.into(),
        serial: format!("165{:010}", dice.below(10_000_000_000)),
        vbios: vbios.into(),
        numa: Some(u32::from(slot >= sim.plan.gpus.div_ceil(2))),
        mig: "off".into(),
        gsp: "on".into(),
        parent: None,
    }
}

fn nics(sim: &Sim) -> Vec<Nic> {
    let ports = (0..sim.ports()).zip(PORT_BUSES).map(|(slot, bus)| Nic {
        name: port(slot),
        kind: "infiniband".into(),
        bus: format!("0000:{bus:02x}:00.0"),
        gpu: Some(slot),
    });
    let ethernet = Nic { name: "eth0".into(), kind: "ethernet".into(), bus: "0000:2a:00.0".into(), gpu: None };
    ports.chain([ethernet]).collect()
}

/// The name of an RDMA port.
pub(super) fn port(slot: u16) -> String {
    format!("mlx5_{slot}")
}

/// The PCI address of a GPU. A second set of eight is in a PCI domain of its own.
pub(super) fn bus(sim: &Sim, n: u32, slot: u16) -> String {
    let buses = &machine::of(&sim.plan, n).buses;
    format!("{:04x}:{:02x}:00.0", slot / 8, buses[usize::from(slot % 8)])
}

/// The kernel's boot id of node `n` at `now`.
pub(super) fn boot_id(sim: &Sim, n: u32, now: Time) -> String {
    let boot = sim.restarted(n, now).map_or(0, |up| up.as_millis() as u64);
    uuid(&mut Dice::new(key(sim.plan.seed ^ 0xb1d, u64::from(n) ^ boot << 32)))
}

/// A random UUID of version 4.
fn uuid(dice: &mut Dice) -> String {
    let (a, b) = (dice.bits(), dice.bits());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        0x8000 | b >> 48 & 0x3fff,
        b & 0xffff_ffff_ffff
    )
}
