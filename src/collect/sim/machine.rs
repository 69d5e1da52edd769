//! The kinds of machine that a simulated fleet has, with the figures that their makers and drivers state.
//! Most racks are H100; the last eighth is A100, which has no GPM metrics, and the eighth before it B200.

use super::{Plan, place::RACK};

/// A kind of machine, and of the GPUs in it.
pub(super) struct Machine {
    /// The GPU's model.
    pub(super) model: &'static str,
    /// GPU memory in MiB.
    pub(super) memory: f64,
    /// Power limit in watts.
    pub(super) power_limit: f64,
    /// Watts at rest.
    pub(super) power_idle: f64,
    /// Watts that full activity adds.
    pub(super) power_span: f64,
    /// Degrees that a watt adds.
    pub(super) resistance: f64,
    /// Core temperature at which the hardware slows down.
    pub(super) temp_limit: f64,
    /// Highest SM clock in MHz.
    pub(super) clock_max: f64,
    /// SM clock at rest.
    pub(super) clock_idle: f64,
    /// Memory clock.
    pub(super) clock_memory: f64,
    /// Whether the GPU has GPM metrics, and with them a margin temperature and a fabric state.
    pub(super) gpm: bool,
    /// PCIe generation.
    pub(super) pcie: i32,
    /// How many of its links reach an NVSwitch.
    pub(super) links: i32,
    /// NVLink bandwidth as a multiple of an H100's.
    pub(super) link_speed: f64,
    /// Speed of an RDMA port in bytes per second.
    pub(super) port_rate: f64,
    /// VBIOS version.
    pub(super) vbios: &'static str,
    /// One from before it.
    pub(super) old_vbios: &'static str,
    /// CPU model.
    pub(super) cpu: &'static str,
    /// Logical CPUs.
    pub(super) cores: u16,
    /// Host memory in MiB.
    pub(super) ram: f64,
    /// PCI buses of the GPUs.
    pub(super) buses: [u8; 8],
}

const H100: Machine = Machine {
    model: "NVIDIA H100 80GB HBM3",
    memory: 81_559.0,
    power_limit: 700.0,
    power_idle: 72.0,
    power_span: 620.0,
    resistance: 0.057,
    temp_limit: 90.0,
    clock_max: 1980.0,
    clock_idle: 345.0,
    clock_memory: 2619.0,
    gpm: true,
    pcie: 5,
    links: 18,
    link_speed: 1.0,
    port_rate: 50e9,
    vbios: "96.00.89.00.01",
    old_vbios: "96.00.74.00.01",
    cpu: "Intel(R) Xeon(R) Platinum 8480C",
    cores: 224,
    ram: 2_063_900.0,
    buses: [0x1b, 0x43, 0x52, 0x61, 0x9d, 0xc3, 0xd1, 0xdf],
};

const B200: Machine = Machine {
    model: "NVIDIA B200",
    memory: 183_359.0,
    power_limit: 1000.0,
    power_idle: 140.0,
    power_span: 835.0,
    resistance: 0.041,
    temp_limit: 92.0,
    clock_max: 1965.0,
    clock_idle: 120.0,
    clock_memory: 3996.0,
    link_speed: 2.0,
    vbios: "97.00.88.00.0F",
    old_vbios: "97.00.65.00.0F",
    cpu: "Intel(R) Xeon(R) Platinum 8570",
    ..H100
};

const A100: Machine = Machine {
    model: "NVIDIA A100-SXM4-80GB",
    memory: 81_920.0,
    power_limit: 400.0,
    power_idle: 55.0,
    power_span: 335.0,
    resistance: 0.094,
    temp_limit: 90.0,
    clock_max: 1410.0,
    clock_idle: 210.0,
    clock_memory: 1593.0,
    gpm: false,
    pcie: 4,
    links: 12,
    link_speed: 0.66,
    port_rate: 25e9,
    vbios: "92.00.45.00.03",
    old_vbios: "92.00.36.00.03",
    cpu: "AMD EPYC 7742 64-Core Processor",
    cores: 256,
    ram: 1_031_800.0,
    buses: [0x07, 0x0f, 0x47, 0x4e, 0x87, 0x90, 0xb7, 0xbd],
};

static KINDS: [Machine; 3] = [H100, B200, A100];

/// The machine of node `n`.
pub(super) fn of(plan: &Plan, n: u32) -> &'static Machine {
    let zones = zones(plan);
    &KINDS[usize::from(n >= zones[0]) + usize::from(n >= zones[1])]
}

/// The ends of the stretches of nodes that have one kind of machine each.
pub(super) fn zones(plan: &Plan) -> [u32; 3] {
    let racks = plan.nodes.div_ceil(RACK);
    [racks - racks / 8 * 2, racks - racks / 8, racks].map(|end| (end * RACK).min(plan.nodes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rack_has_one_kind_of_machine() {
        for nodes in [1, 31, 255, 256, 1000, 62_500] {
            let plan = Plan { nodes, ..Plan::default() };
            let zones = zones(&plan);
            assert_eq!(zones[2], nodes);
            for n in 0..nodes {
                assert_eq!(of(&plan, n).model, of(&plan, n / RACK * RACK).model, "node {n} of {nodes}");
            }
        }
    }

    #[test]
    fn a_large_fleet_has_every_kind() {
        let plan = Plan { nodes: 256, ..Plan::default() };
        let models: Vec<&str> = [0, 191, 192, 224, 255].map(|n| of(&plan, n).model).to_vec();
        assert_eq!(models, [H100.model, H100.model, B200.model, A100.model, A100.model]);
    }
}
