//! What can go wrong with a simulated fleet: the kinds of faults, and what of a node each of them touches.

use std::time::Duration;

use crate::model::{MetricId, Raw};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ailment {
    /// XID 79: the GPU has fallen off the bus.
    OffBus,
    /// XID 94 and 63: an uncorrectable memory error, contained, whose row waits to be remapped.
    MemoryError,
    /// A row waits to be remapped after many corrected errors.
    RemapPending,
    /// Cooling has failed, and the hardware slows the GPU down.
    Overheated,
    /// The GPU's PCIe link runs on half its lanes.
    NarrowBus,
    /// XID 74: one NVLink is down.
    LinkDown,
    /// A GPU runs at a lower clock, and nothing says why.
    Straggler,
    /// The power supply makes the GPUs brake.
    PowerBrake,
    /// The node says nothing any more.
    Silent,
    /// An RDMA port has lost its link.
    PortDown,
    /// The local disk is full.
    DiskFull,
    /// The job's ranks wait for each other for good: busy, and doing nothing.
    Hang,
    /// One rank of a job has ended, and all others wait for it for good: they hang.
    RankGone,
    /// The job's ranks wait for each other on their hosts: nothing runs on its GPUs any more.
    Stall,
    /// The job's ranks have ended, and the job goes on and keeps its GPUs.
    Unused,
    /// A rank has begun and does nothing: its process holds the GPU, and next to none of its memory.
    Idle,
    /// A GPU that no job has still holds the memory of a process that is gone.
    MemoryLeft,
    /// The driver does not answer any more when it is asked about the GPU.
    DriverHung,
    /// The driver takes more than a second to answer when it is asked about the GPU.
    DriverSlow,
    /// The GPU has an older VBIOS than others of its model.
    OldVbios,
    /// The node has an older driver than others.
    OldDriver,
    /// Somebody has divided the GPU with MIG, and no other of its model.
    Divided,
    /// The driver runs the GPU without its system processor's firmware, and no other of its model.
    GspOff,
    /// A shared filesystem does not answer on the node.
    MountHung,
    /// The kernel has made the local disk read-only.
    DiskReadOnly,
    /// The local disk is nearly full.
    DiskFilling,
    /// Small files have used up the local disk's inodes, and there is room for their bytes.
    InodesSpent,
    /// SXid 20034: an NVSwitch has lost a link.
    SwitchLink,
    /// The node starts anew: it is gone for three minutes, and whatever it had before is mended.
    Reboot,
    /// Another rank of the job is slow, and this one waits for it in each step: at so many percent of its usual pace. No
    /// fault of its own.
    Waits(u8),
    /// The driver reports this XID, of those that a scenario can ask for, and nothing else shows.
    Xid(u32),
    /// A metric reads so, whatever its thing does.
    Reads(MetricId, Raw),
}

impl Ailment {
    /// Every kind of fault, apart from single XIDs and readings.
    pub const ALL: [Ailment; 29] = [
        Ailment::OffBus,
        Ailment::MemoryError,
        Ailment::RemapPending,
        Ailment::Overheated,
        Ailment::NarrowBus,
        Ailment::LinkDown,
        Ailment::Straggler,
        Ailment::PowerBrake,
        Ailment::Silent,
        Ailment::PortDown,
        Ailment::DiskFull,
        Ailment::Hang,
        Ailment::RankGone,
        Ailment::Stall,
        Ailment::Unused,
        Ailment::Idle,
        Ailment::MemoryLeft,
        Ailment::DriverHung,
        Ailment::DriverSlow,
        Ailment::OldVbios,
        Ailment::OldDriver,
        Ailment::Divided,
        Ailment::GspOff,
        Ailment::MountHung,
        Ailment::DiskReadOnly,
        Ailment::DiskFilling,
        Ailment::InodesSpent,
        Ailment::SwitchLink,
        Ailment::Reboot,
    ];

    /// Those that a seed draws, of [`Ailment::ALL`] the first. The others are told of by name only.
    pub(super) const DRAWN: usize = 11;

    /// How long a node that starts anew is gone.
    pub(super) const STARTS: Duration = Duration::from_mins(3);

    /// The name that scenarios call it by.
    pub const fn word(self) -> &'static str {
        match self {
            Ailment::OffBus => "xid79",
            Ailment::MemoryError => "ecc-dbe",
            Ailment::RemapPending => "remap-pending",
            Ailment::Overheated => "hw-thermal",
            Ailment::NarrowBus => "pcie-width",
            Ailment::LinkDown => "nvlink-down",
            Ailment::Straggler => "straggler",
            Ailment::PowerBrake => "power-brake",
            Ailment::Silent => "silent-node",
            Ailment::PortDown => "port-down",
            Ailment::DiskFull => "disk-full",
            Ailment::Hang => "hang",
            Ailment::RankGone => "rank-gone",
            Ailment::Stall => "stall",
            Ailment::Unused => "unused",
            Ailment::Idle => "idle",
            Ailment::MemoryLeft => "memory-left",
            Ailment::DriverHung => "driver-hung",
            Ailment::DriverSlow => "driver-slow",
            Ailment::OldVbios => "old-vbios",
            Ailment::OldDriver => "old-driver",
            Ailment::Divided => "divided",
            Ailment::GspOff => "gsp-off",
            Ailment::MountHung => "mount-hung",
            Ailment::DiskReadOnly => "disk-read-only",
            Ailment::DiskFilling => "disk-filling",
            Ailment::InodesSpent => "inodes-spent",
            Ailment::SwitchLink => "switch-link",
            Ailment::Reboot => "reboot",
            Ailment::Waits(_) => "waits",
            Ailment::Xid(_) => "xid",
            Ailment::Reads(..) => "reads",
        }
    }

    /// What all other GPUs of its job have when one has this.
    pub(super) fn of_peers(self) -> Option<Ailment> {
        match self {
            Ailment::RankGone => Some(Ailment::Hang),
            // A published fleet found one machine in two hundred to be 10 % slower.
            Ailment::Straggler => Some(Ailment::Waits(90)),
            Ailment::Overheated => Some(Ailment::Waits(75)),
            _ => None,
        }
    }

    /// Whether it is that of another that it waits for.
    pub(super) fn waits(self) -> bool {
        matches!(self, Ailment::Waits(_))
    }

    /// Of its usual pace, what it leaves to a GPU, and to those that wait for it.
    pub(super) fn pace(self) -> f64 {
        match self.of_peers().unwrap_or(self) {
            Ailment::Waits(percent) => f64::from(percent) / 100.0,
            _ => 1.0,
        }
    }

    /// What the agent says of a GPU that has this instead of its readings, or beside them.
    pub(super) fn answer(self) -> Option<&'static str> {
        match self {
            Ailment::OffBus => Some("lost"),
            Ailment::DriverHung => Some("hung: nvmlDeviceGetTemperature has not answered for 3 s"),
            Ailment::DriverSlow => Some("slow: nvmlDeviceGetTemperature took 1.4 s"),
            _ => None,
        }
    }

    /// Whether what the node is and has reads otherwise from then on.
    pub(super) fn is_of_inventory(self) -> bool {
        use Ailment::{Divided, GspOff, OldDriver, OldVbios};
        self.answer().is_some() || matches!(self, OldVbios | OldDriver | Divided | GspOff)
    }

    /// Whether the ranks are gone on whose GPU it is.
    pub(super) fn ends_ranks(self) -> bool {
        matches!(self, Ailment::RankGone | Ailment::Unused)
    }

    /// Whether nothing flows any more between the nodes of its job.
    pub(super) fn stops_traffic(self) -> bool {
        matches!(self, Ailment::Hang | Ailment::Stall | Ailment::Unused)
    }
}
