//! The catalogue's rows, scope by scope: what agents read of a machine, and in `hub` what the hub works out.
//! To add a metric, add a row here and a line in a collector. A row reads: NAME "key" "TITLE" unit width / quantum, aggregate direction kind, "help", "source".

use std::borrow::Cow;

use super::{Aggregate, Direction, Kind, Metric, MetricId, Scope};
use crate::model::unit::Unit;

const MIB: f64 = 1_048_576.0;
const KB: f64 = 1000.0;

macro_rules! rows {
    ($scope:ident $(
        $name:ident $key:literal $title:literal $unit:ident $width:literal / $quantum:expr,
        $aggregate:ident $direction:ident $kind:expr, $help:literal, $source:literal;
    )*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Row { $($name),* }
        $(
            #[doc = concat!("`", $key, "`: ", $help)]
            pub const $name: MetricId = MetricId { scope: Scope::$scope, row: Row::$name as u16 };
        )*
        /// The rows of this scope.
        pub static METRICS: &[Metric] = &[$(Metric {
            key: Cow::Borrowed($key),
            title: Cow::Borrowed($title),
            scope: Scope::$scope,
            unit: Unit::$unit,
            width: $width,
            quantum: $quantum,
            aggregate: Aggregate::$aggregate,
            direction: Direction::$direction,
            kind: $kind,
            help: Cow::Borrowed($help),
            source: Cow::Borrowed($source),
        }),*];
    };
}

mod hub;

pub use hub::{energy, incident, job, rule};

/// Metrics of a GPU.
pub mod gpu {
    use super::{Aggregate, Cow, Direction, KB, Kind, MIB, Metric, MetricId, Scope, Unit};
    use Kind::{Choice, Code, Counter, Flags, Gauge};

    /// Names of the throttle reasons, lowest bit first: NVML's clocks-event-reason bits.
    pub const THROTTLE_REASONS: &[&str] = &[
        "idle",
        "app_clocks",
        "power_cap",
        "hw_slowdown",
        "sync_boost",
        "sw_thermal",
        "hw_thermal",
        "power_brake",
        "display",
    ];
    /// Names of the states of a GPU's registration with the NVLink fabric: `nvmlGpuFabricState_t`.
    pub const FABRIC_STATES: &[&str] = &["unsupported", "not started", "in progress", "completed", "unhealthy"];

    /// Names of what a GPU needs to recover: `nvmlDeviceGpuRecoveryAction_t`.
    pub const RECOVERIES: &[&str] = &["nothing", "reset", "reboot", "drain p2p", "drain and reset", "bus reset"];

    rows! { Gpu
        UTIL "gpu.util" "UTIL" Percent 4 / 1.0, Mean Neutral Gauge,
            "Share of the last sample period in which a kernel ran; not how much work was done.", "nvmlDeviceGetUtilizationRates";
        SM_ACTIVE "gpu.sm.active" "SM" Percent 4 / 0.5, Mean Neutral Gauge,
            "Share of SMs that held at least one warp, averaged over time.", "GPM sm util (Hopper and newer)";
        TENSOR_ACTIVE "gpu.tensor.active" "TENS" Percent 4 / 0.5, Mean Neutral Gauge,
            "Share of cycles in which a tensor core pipe was busy.", "GPM any tensor util (Hopper and newer)";
        DRAM_ACTIVE "gpu.dram.active" "DRAM" Percent 4 / 0.5, Mean Neutral Gauge,
            "Share of peak memory bandwidth in use.", "GPM dram bw util (Hopper and newer)";
        MEM_USED "gpu.mem.used" "MEM" Bytes 6 / MIB, Sum Neutral Gauge,
            "Device memory in use, without what the driver reserves.", "nvmlDeviceGetMemoryInfo_v2";
        MEM_TOTAL "gpu.mem.total" "MEMSZ" Bytes 6 / MIB, Sum Neutral Gauge,
            "Device memory that the GPU has.", "nvmlDeviceGetMemoryInfo_v2";
        MEM_UTIL "gpu.mem.util" "MEM%" Percent 4 / 0.5, Mean Neutral Gauge,
            "Share of device memory in use.", "nvmlDeviceGetMemoryInfo_v2";
        POWER "gpu.power" "POWER" Watts 6 / 0.5, Sum Neutral Gauge,
            "Power drawn by the GPU and its memory, averaged over a second where the GPU averages.", "nvmlDeviceGetPowerUsage";
        POWER_LIMIT "gpu.power.limit" "PLIMIT" Watts 6 / 0.5, Sum Neutral Gauge,
            "Power limit that is enforced now.", "nvmlDeviceGetEnforcedPowerLimit";
        ENERGY "gpu.energy" "ENERGY" Joules 7 / 100.0, Sum Neutral Counter,
            "Energy since the driver was loaded.", "nvmlDeviceGetTotalEnergyConsumption";
        TEMP "gpu.temp" "TEMP" Celsius 4 / 1.0, Max HighIsBad Gauge,
            "Temperature of the GPU core.", "nvmlDeviceGetTemperature";
        TEMP_MEM "gpu.temp.mem" "TMEM" Celsius 4 / 1.0, Max HighIsBad Gauge,
            "Temperature of the GPU's memory.", "field 82 (memory temp)";
        TEMP_MEM_LIMIT "gpu.temp.mem.limit" "TMLIM" Celsius 5 / 1.0, Min Neutral Gauge,
            "Temperature of the GPU's memory at which the GPU slows down.", "nvmlDeviceGetTemperatureThreshold (memory max)";
        TEMP_LIMIT "gpu.temp.limit" "TLIM" Celsius 4 / 1.0, Min Neutral Gauge,
            "Core temperature at which the hardware slows down.", "nvmlDeviceGetTemperatureThreshold (slowdown)";
        TEMP_MARGIN "gpu.temp.margin" "MARGIN" Celsius 6 / 1.0, Min LowIsBad Gauge,
            "Degrees left before the GPU slows down.", "nvmlDeviceGetMarginTemperature";
        THROTTLE "gpu.throttle" "THROTTLE" One 12 / 1.0, Union HighIsBad Flags(THROTTLE_REASONS),
            "Reasons why clocks are below what was asked; idle and power_cap are normal.", "nvmlDeviceGetCurrentClocksEventReasons";
        CLOCK_SM "gpu.clock.sm" "SMCLK" Megahertz 5 / 1.0, Mean LowIsBad Gauge,
            "SM clock now.", "nvmlDeviceGetClockInfo (SM)";
        CLOCK_SM_MAX "gpu.clock.sm.max" "SMMAX" Megahertz 5 / 1.0, Max Neutral Gauge,
            "Highest SM clock.", "nvmlDeviceGetMaxClockInfo (SM)";
        CLOCK_MEM "gpu.clock.mem" "MCLK" Megahertz 5 / 1.0, Mean Neutral Gauge,
            "Memory clock now.", "nvmlDeviceGetClockInfo (memory)";
        PSTATE "gpu.pstate" "P" One 3 / 1.0, Max Neutral Code,
            "Performance state: 0 is fastest, 15 is slowest.", "nvmlDeviceGetPerformanceState";
        FAN "gpu.fan" "FAN" Percent 4 / 1.0, Max Neutral Gauge,
            "Speed of the fastest fan; boards without fans have none.", "nvmlDeviceGetFanSpeed";
        ENC "gpu.enc" "ENC" Percent 4 / 1.0, Mean Neutral Gauge,
            "Share of time in which the video encoder was busy.", "nvmlDeviceGetEncoderUtilization";
        DEC "gpu.dec" "DEC" Percent 4 / 1.0, Mean Neutral Gauge,
            "Share of time in which the video decoder was busy.", "nvmlDeviceGetDecoderUtilization";
        PROCS "gpu.procs" "PROCS" One 5 / 1.0, Sum Neutral Gauge,
            "Processes that hold a context on the GPU.", "nvmlDeviceGet{Compute,Graphics}RunningProcesses";
        PCIE_RX "gpu.pcie.rx" "PCIE↓" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "PCIe traffic from the host to the GPU.", "field 198 (PCIe bytes), else GPM, else nvmlDeviceGetPcieThroughput";
        PCIE_TX "gpu.pcie.tx" "PCIE↑" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "PCIe traffic from the GPU to the host.", "field 197 (PCIe bytes), else GPM, else nvmlDeviceGetPcieThroughput";
        PCIE_GEN "gpu.pcie.gen" "GEN" One 3 / 1.0, Min LowIsBad Gauge,
            "PCIe generation of the link now; drops while idle.", "nvmlDeviceGetCurrPcieLinkGeneration";
        PCIE_GEN_MAX "gpu.pcie.gen.max" "GENMX" One 5 / 1.0, Max Neutral Gauge,
            "Highest PCIe generation that GPU and slot have in common.", "nvmlDeviceGetMaxPcieLinkGeneration";
        PCIE_WIDTH "gpu.pcie.width" "WIDTH" One 5 / 1.0, Min LowIsBad Gauge,
            "PCIe lanes in use.", "nvmlDeviceGetCurrPcieLinkWidth";
        PCIE_WIDTH_MAX "gpu.pcie.width.max" "WIDMX" One 5 / 1.0, Max Neutral Gauge,
            "PCIe lanes that GPU and slot have in common.", "nvmlDeviceGetMaxPcieLinkWidth";
        PCIE_REPLAY "gpu.pcie.replay" "REPLAY" One 6 / 1.0, Sum HighIsBad Counter,
            "PCIe packets sent again since the driver was loaded.", "nvmlDeviceGetPcieReplayCounter";
        PCIE_REPLAY_MINUTE "gpu.pcie.replay.minute" "REPL/m" One 6 / 1.0, Sum HighIsBad Gauge,
            "PCIe packets that were sent again in the last minute.", "gpu.pcie.replay, as the agent saw it rise";
        PCIE_FATAL "gpu.pcie.fatal" "PCIFAT" One 6 / 1.0, Sum HighIsBad Counter,
            "Fatal PCIe errors that the GPU reported since boot.", "/sys/bus/pci/devices/*/aer_dev_fatal";
        PCIE_NONFATAL "gpu.pcie.nonfatal" "PCINON" One 6 / 1.0, Sum HighIsBad Counter,
            "PCIe errors that were neither corrected nor fatal, since boot.", "/sys/bus/pci/devices/*/aer_dev_nonfatal";
        PCIE_NONFATAL_HOUR "gpu.pcie.nonfatal.hour" "PCIN/h" One 6 / 1.0, Sum HighIsBad Gauge,
            "PCIe errors of the last hour that were neither corrected nor fatal.", "gpu.pcie.nonfatal, as the agent saw it rise";
        NVLINK_LINKS "gpu.nvlink.links" "LINKS" One 5 / 1.0, Sum LowIsBad Gauge,
            "NVLinks that are up.", "nvmlDeviceGetNvLinkState per link";
        NVLINK_SPEED "gpu.nvlink.speed" "NVLSPD" BytesPerSecond 6 / 1_000_000.0, Min LowIsBad Gauge,
            "Speed of the slowest NVLink that is up, one way.", "field 164 (NVLink speed) per link";
        NVLINK_RX "gpu.nvlink.rx" "NVL↓" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "NVLink data received, all links.", "GPM nvlink total rx, else field 139";
        NVLINK_TX "gpu.nvlink.tx" "NVL↑" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "NVLink data sent, all links.", "GPM nvlink total tx, else field 138";
        NVLINK_ERRORS "gpu.nvlink.errors" "NVLERR" One 6 / 1.0, Sum HighIsBad Counter,
            "NVLink replay, recovery and CRC errors, all links.", "NVLink error counters per link";
        NVLINK_ERRORS_MINUTE "gpu.nvlink.errors.minute" "NVLE/m" One 6 / 1.0, Sum HighIsBad Gauge,
            "NVLink errors of the last minute, all links.", "gpu.nvlink.errors, as the agent saw it rise";
        NVLINK_REPLAY "gpu.nvlink.replay" "NVLREP" One 6 / 1.0, Sum HighIsBad Counter,
            "NVLink packets sent again and links that recovered, all links, since the driver started.", "fields 161, 162; Blackwell: 215; else nvmlDeviceGetNvLinkErrorCounter";
        NVLINK_REPLAY_MINUTE "gpu.nvlink.replay.minute" "NVLR/m" One 6 / 1.0, Sum HighIsBad Gauge,
            "NVLink packets sent again and links that recovered in the last minute, all links.", "gpu.nvlink.replay, as the agent saw it rise";
        ECC_SBE "gpu.ecc.sbe" "ECCSB" One 5 / 1.0, Sum HighIsBad Counter,
            "ECC errors that were corrected since the driver was loaded.", "nvmlDeviceGetTotalEccErrors (corrected, volatile)";
        ECC_SBE_MINUTE "gpu.ecc.sbe.minute" "SBE/m" One 5 / 1.0, Sum HighIsBad Gauge,
            "ECC errors that were corrected in the last minute.", "gpu.ecc.sbe, as the agent saw it rise";
        ECC_DBE "gpu.ecc.dbe" "ECCDB" One 5 / 1.0, Sum HighIsBad Counter,
            "ECC errors that could not be corrected since the driver was loaded.", "nvmlDeviceGetTotalEccErrors (uncorrected, volatile)";
        ECC_SRAM "gpu.ecc.sram" "SRAM" One 4 / 1.0, Max HighIsBad Gauge,
            "1 when SRAM errors passed the maker's threshold for a replacement.", "nvmlDeviceGetSramEccErrorStatus";
        ECC_ON "gpu.ecc.on" "ECC" One 3 / 1.0, Min LowIsBad Gauge,
            "1 when the GPU's memory corrects errors.", "nvmlDeviceGetEccMode (current)";
        REMAP_CORR "gpu.remap.corr" "RMAPC" One 5 / 1.0, Sum HighIsBad Counter,
            "Memory rows remapped after correctable errors, over the GPU's life.", "field 142 (remapped rows)";
        REMAP_UNCORR "gpu.remap.uncorr" "RMAPU" One 5 / 1.0, Sum HighIsBad Counter,
            "Memory rows remapped after uncorrectable errors, over the GPU's life.", "field 143 (remapped rows)";
        REMAP_PENDING "gpu.remap.pending" "RPEND" One 5 / 1.0, Max HighIsBad Gauge,
            "1 when a row waits for a GPU reset to be remapped.", "field 144 (remapped rows)";
        REMAP_FAILED "gpu.remap.failed" "RFAIL" One 5 / 1.0, Max HighIsBad Gauge,
            "1 when a row could not be remapped: replace the GPU.", "field 145 (remapped rows)";
        REMAP_SPENT "gpu.remap.spent" "RSPENT" One 6 / 1.0, Sum HighIsBad Gauge,
            "Memory banks that have no spare rows left.", "nvmlDeviceGetRowRemapperHistogram";
        RETIRED "gpu.retired.pages" "RETIRED" One 7 / 1.0, Sum HighIsBad Counter,
            "Memory pages retired over the GPU's life; GPUs since Ampere remap rows instead.", "fields 29 and 30 (retired pages)";
        RETIRED_PENDING "gpu.retired.pending" "RETPEND" One 7 / 1.0, Max HighIsBad Gauge,
            "1 when a page waits for a reset to be retired.", "field 31 (retired pages)";
        RECOVERY "gpu.recovery" "RECOVERY" One 15 / 1.0, Max HighIsBad Choice(RECOVERIES),
            "What the driver says that the GPU needs to recover from an error.", "field 230 (GPU recovery action)";
        FABRIC "gpu.fabric" "FABRIC" One 11 / 1.0, Max Neutral Choice(FABRIC_STATES),
            "How far the GPU's registration with the NVLink fabric went.", "nvmlDeviceGetGpuFabricInfoV";
        PERSISTENCE "gpu.persistence" "PERS" One 4 / 1.0, Min LowIsBad Gauge,
            "1 when the driver stays loaded while nobody uses the GPU.", "nvmlDeviceGetPersistenceMode";
        XID "gpu.xid" "XID" One 4 / 1.0, Max HighIsBad Code,
            "Last XID error since boot, as far back as the kernel's log goes or the agent has run.", "NVML event set and /dev/kmsg";
        XID_AGE "gpu.xid.age" "XIDAGE" Seconds 6 / 1.0, Min Neutral Gauge,
            "Time since the last XID error.", "NVML event set and /dev/kmsg";
        ENERGY_TODAY "gpu.energy.today" "TODAY" Joules 7 / 100.0, Sum Neutral Gauge,
            "Energy that the GPU took today, UTC, as the hub counts it: GPUs only.", "gpu.energy, or else gpu.power × time";
        ENERGY_HOUR "gpu.energy.hour" "HOUR" Joules 7 / 100.0, Sum Neutral Gauge,
            "Energy that the GPU took in this hour, UTC; along time, in the hour in which a step begins, for a day.", "gpu.energy, or else gpu.power × time";
    }

    /// What no driver says: how much counters rose, as the agent saw them.
    pub const RISES: [MetricId; 5] =
        [ECC_SBE_MINUTE, PCIE_REPLAY_MINUTE, PCIE_NONFATAL_HOUR, NVLINK_ERRORS_MINUTE, NVLINK_REPLAY_MINUTE];
    /// What agents don't say, and the hub's own meters do.
    pub const OF_THE_HUB: [MetricId; 2] = [ENERGY_TODAY, ENERGY_HOUR];
}

/// Metrics of a machine.
pub mod node {
    use super::{Aggregate, Cow, Direction, KB, Kind, MIB, Metric, MetricId, Scope, Unit};
    use Kind::{Counter, Gauge};

    rows! { Node
        CPU "node.cpu" "CPU" Percent 4 / 0.5, Mean Neutral Gauge,
            "Share of CPU time that was not idle, all cores.", "/proc/stat";
        CORES "node.cpu.cores" "CORES" One 5 / 1.0, Sum Neutral Gauge,
            "Logical CPUs.", "/proc/stat";
        LOAD1 "node.load1" "LOAD1" One 6 / 0.01, Mean Neutral Gauge,
            "Runnable and uninterruptible tasks, averaged over one minute.", "/proc/loadavg";
        MEM_USED "node.mem.used" "RAM" Bytes 6 / MIB, Sum Neutral Gauge,
            "Host memory that is not available to new work; GPU memory of Grace systems left out.", "/proc/meminfo";
        MEM_TOTAL "node.mem.total" "RAMSZ" Bytes 6 / MIB, Sum Neutral Gauge,
            "Host memory; GPU memory of Grace systems left out.", "/proc/meminfo";
        MEM_UTIL "node.mem.util" "RAM%" Percent 4 / 0.5, Mean HighIsBad Gauge,
            "Share of host memory that is not available to new work.", "/proc/meminfo";
        SWAP_USED "node.swap.used" "SWAP" Bytes 6 / MIB, Sum HighIsBad Gauge,
            "Swap space in use.", "/proc/meminfo";
        NET_RX "node.net.rx" "NET↓" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "Ethernet received; each physical interface counts once.", "/sys/class/net";
        NET_TX "node.net.tx" "NET↑" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "Ethernet sent; each physical interface counts once.", "/sys/class/net";
        IB_RX "node.ib.rx" "IB↓" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "RDMA received: InfiniBand, RoCE and EFA, all ports.", "/sys/class/infiniband/*/ports/*/counters";
        IB_TX "node.ib.tx" "IB↑" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "RDMA sent: InfiniBand, RoCE and EFA, all ports.", "/sys/class/infiniband/*/ports/*/counters";
        IB_PORTS_UP "node.ib.ports.up" "IBUP" One 4 / 1.0, Sum LowIsBad Gauge,
            "RDMA ports that are active.", "/sys/class/infiniband/*/ports/*/state";
        IB_PORTS "node.ib.ports" "IB" One 4 / 1.0, Sum Neutral Gauge,
            "RDMA ports that the machine has.", "/sys/class/infiniband";
        DISK_USED "node.disk.used" "DISK" Percent 4 / 0.5, Max HighIsBad Gauge,
            "How full the fullest real mount is, of those that can be written to.", "statvfs of each mount";
        MOUNTS_BAD "node.mounts.bad" "MNTBAD" One 6 / 1.0, Sum HighIsBad Gauge,
            "Mounts that hang, fail or have gone missing.", "statvfs of each mount, /proc/self/mountinfo, /etc/fstab";
        DISK_READ "node.disk.read" "READ" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "Read from local disks.", "/proc/diskstats";
        DISK_WRITE "node.disk.write" "WRITE" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "Written to local disks.", "/proc/diskstats";
        PSI_CPU "node.psi.cpu" "PSICPU" Percent 6 / 0.1, Mean HighIsBad Gauge,
            "Share of the last 10 s in which some task waited for a CPU.", "/proc/pressure/cpu";
        PSI_MEM "node.psi.mem" "PSIMEM" Percent 6 / 0.1, Mean HighIsBad Gauge,
            "Share of the last 10 s in which some task waited for memory.", "/proc/pressure/memory";
        PSI_IO "node.psi.io" "PSIIO" Percent 6 / 0.1, Mean HighIsBad Gauge,
            "Share of the last 10 s in which some task waited for I/O.", "/proc/pressure/io";
        TEMP "node.temp" "CTEMP" Celsius 5 / 1.0, Max HighIsBad Gauge,
            "Hottest CPU sensor.", "/sys/class/hwmon";
        CPU_THROTTLE "node.cpu.throttle" "CPUTHR" One 6 / 1.0, Sum HighIsBad Counter,
            "How often CPU packages have slowed down for their heat since boot.", "/sys/devices/system/cpu/cpu*/thermal_throttle/package_throttle_count";
        CPU_THROTTLE_MINUTE "node.cpu.throttle.minute" "CPUT/m" One 6 / 1.0, Sum HighIsBad Gauge,
            "How often CPU packages slowed down for their heat in the last minute.", "node.cpu.throttle, as the agent saw it rise";
        TOTAL_POWER "node.total.power" "NODEPWR" Watts 7 / 1.0, Sum Neutral Gauge,
            "What the whole machine draws, GPUs included, where it has a meter that the kernel shows.", "/sys/class/hwmon (power_meter)";
        CPU_POWER "node.cpu.power" "CPUPWR" Watts 6 / 1.0, Sum Neutral Gauge,
            "What the CPU packages draw, with the memory at them where that is counted.", "/sys/class/powercap (energy_uj)";
        PROCS "node.procs" "PROCS" One 6 / 1.0, Sum Neutral Gauge,
            "Processes that the machine has.", "/proc";
        BLOCKED "node.blocked" "BLOCKED" One 7 / 1.0, Sum HighIsBad Gauge,
            "Processes that have been in uninterruptible sleep for five minutes or longer: storage or a driver hangs.", "/proc/PID/stat";
        ZOMBIES "node.zombies" "ZOMB" One 5 / 1.0, Sum HighIsBad Gauge,
            "Processes that ended five minutes ago or longer and that nobody has waited for.", "/proc/PID/stat";
        FABRIC_MANAGER "node.fabricmanager" "FABMGR" One 6 / 1.0, Min LowIsBad Gauge,
            "1 while the fabric manager runs; for machines with NVSwitches of their own.", "/proc/PID/comm, /sys/bus/pci/devices";
        OOM "node.oom" "OOM" One 5 / 1.0, Sum HighIsBad Counter,
            "Processes that the kernel has ended since boot because memory had run out, the machine's or what a job may use.", "/proc/vmstat (oom_kill)";
        OOM_HOUR "node.oom.hour" "OOM/h" One 5 / 1.0, Sum HighIsBad Gauge,
            "Processes that the kernel ended in the last hour because memory had run out, the machine's or what a job may use.", "node.oom, as the agent saw it rise";
        EDAC_CE "node.edac.ce" "EDACCE" One 6 / 1.0, Sum HighIsBad Counter,
            "Host memory errors that were corrected since boot.", "/sys/devices/system/edac/mc";
        EDAC_CE_HOUR "node.edac.ce.hour" "EDAC/h" One 6 / 1.0, Sum HighIsBad Gauge,
            "Host memory errors that were corrected in the last hour.", "node.edac.ce, as the agent saw it rise";
        EDAC_UE "node.edac.ue" "EDACUE" One 6 / 1.0, Sum HighIsBad Counter,
            "Host memory errors that could not be corrected since boot.", "/sys/devices/system/edac/mc";
        CLOCK_SYNCED "node.clock.synced" "SYNCED" One 6 / 1.0, Min LowIsBad Gauge,
            "1 when the kernel's clock is kept in step by a time service.", "adjtimex";
        CLOCK_OFFSET "node.clock.offset" "OFFSET" Seconds 6 / 0.001, Max HighIsBad Gauge,
            "The kernel's estimate of how far its clock is off, without sign.", "adjtimex (maximum of offset and estimated error)";
        UPTIME "node.uptime" "UPTIME" Seconds 6 / 1.0, Min Neutral Gauge,
            "Time since boot.", "/proc/uptime";
        REBOOTS "node.reboots" "BOOTS" One 5 / 1.0, Sum HighIsBad Gauge,
            "How often the machine was started since the hub has known it.", "boot ids, as the hub saw them";
        GPUS "node.gpus" "GPUS" One 5 / 1.0, Sum LowIsBad Gauge,
            "GPUs that answer, MIG instances not counted.", "nvmlDeviceGetCount_v2, less those that are lost";
        GPUS_EXPECTED "node.gpus.expected" "GPUEXP" One 6 / 1.0, Sum Neutral Gauge,
            "GPUs that the machine should have: on its PCI bus, or on the hub's roster.", "/sys/bus/pci/devices, roster";
        WELL "node.well" "WELL" Seconds 6 / 1.0, Min Neutral Gauge,
            "How long nothing has been wrong with a node that the scheduler holds back, as far as the hub has seen.", "the hub and the scheduler";
        HELD_HOURS "node.held.hours" "GPUHOURS" One 8 / 0.1, Sum Neutral Gauge,
            "GPU hours that the scheduler has held back with the node: its GPUs times how long that is.", "scheduler";
        INCIDENTS "node.incidents" "INCID" One 5 / 1.0, Sum HighIsBad Gauge,
            "Incidents that are open, matter and are about the node, a part of it, or a place that it is in.", "the hub's rules";
        AGE "node.age" "AGE" Seconds 6 / 0.1, Max HighIsBad Gauge,
            "Time since the last sample was received.", "the hub's clock";
        CLOCK_SKEW "node.clock.skew" "SKEW" Seconds 6 / 0.001, Max HighIsBad Gauge,
            "Node's clock less the hub's, as seen in its samples; includes their way.", "sample time and the hub's clock";
        SAMPLES "node.samples" "SAMPLES" One 9 / 1.0, Sum Neutral Counter,
            "Samples that were received whole and in order since the hub started.", "the hub";
    }

    /// What a node cannot know of itself: how its reports arrive, how the scheduler stands to it, and what is found wrong.
    pub const OF_THE_HUB: [MetricId; 7] = [AGE, CLOCK_SKEW, SAMPLES, WELL, HELD_HOURS, REBOOTS, INCIDENTS];
}

/// Metrics of a network port.
pub mod nic {
    use super::{Aggregate, Cow, Direction, KB, Kind, Metric, MetricId, Scope, Unit};
    use Kind::{Choice, Counter, Gauge};

    /// Names of a port's states.
    pub const STATES: &[&str] = &["down", "init", "armed", "active"];
    /// The one of them in which a port can carry data.
    pub const ACTIVE: i32 = 3;

    rows! { Nic
        STATE "nic.state" "STATE" One 6 / 1.0, Min LowIsBad Choice(STATES),
            "Whether the port can carry data.", "/sys/class/infiniband/*/ports/*/state, /sys/class/net/*/operstate";
        RATE "nic.rate" "RATE" BytesPerSecond 6 / 125_000.0, Sum Neutral Gauge,
            "Speed that the port negotiated, in bytes.", "/sys/class/infiniband/*/ports/*/rate, /sys/class/net/*/speed";
        RX "nic.rx" "RX" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "Data received per second.", "port_rcv_data, hw_counters/rx_bytes, statistics/rx_bytes";
        TX "nic.tx" "TX" BytesPerSecond 6 / KB, Sum Neutral Gauge,
            "Data sent per second.", "port_xmit_data, hw_counters/tx_bytes, statistics/tx_bytes";
        ERRORS "nic.errors" "ERRORS" One 7 / 1.0, Sum HighIsBad Counter,
            "Receive, symbol and link-integrity errors since the counters were reset.", "port counters, hw_counters/rx_drops (EFA), statistics/{rx,tx}_errors";
        ERRORS_HOUR "nic.errors.hour" "ERR/h" One 7 / 1.0, Sum HighIsBad Gauge,
            "Errors of the last hour.", "nic.errors, as the agent saw it rise";
        LINK_DOWNED "nic.link.downed" "DOWNED" One 6 / 1.0, Sum HighIsBad Counter,
            "How often the link went down since the counters were reset.", "link_downed, carrier_down_count";
        LINK_DOWNED_HOUR "nic.link.downed.hour" "DOWN/h" One 6 / 1.0, Sum HighIsBad Gauge,
            "How often the link went down in the last hour.", "nic.link.downed, as the agent saw it rise";
        RECOVERY "nic.recovery" "RECOV" One 6 / 1.0, Sum HighIsBad Counter,
            "How often the port mended its link without losing it, since the counters were reset.", "link_error_recovery";
        RECOVERY_HOUR "nic.recovery.hour" "RECOV/h" One 7 / 1.0, Sum HighIsBad Gauge,
            "How often the port mended its link in the last hour.", "nic.recovery, as the agent saw it rise";
        OUTAGE "nic.outage" "OUTAGE" Seconds 6 / 1.0, Max HighIsBad Gauge,
            "The longest time that the port was down in 24 hours, once it was up again.", "nic.state, as the agent saw it";
    }
}

/// Metrics of a process.
pub mod process {
    use super::{Aggregate, Cow, Direction, Kind, MIB, Metric, MetricId, Scope, Unit};
    use Kind::{Code, Gauge};

    rows! { Process
        PID "proc.pid" "PID" One 8 / 1.0, Max Neutral Code,
            "Process id, as the host counts.", "/proc";
        MEM_GPU "proc.mem.gpu" "GPUMEM" Bytes 6 / MIB, Sum Neutral Gauge,
            "Device memory that the process holds, all its GPUs.", "nvmlDeviceGet{Compute,Graphics}RunningProcesses";
        SM "proc.sm" "SM" Percent 4 / 1.0, Sum Neutral Gauge,
            "Share of SM time that went to the process, highest of its GPUs.", "nvmlDeviceGetProcessUtilization";
        CPU "proc.cpu" "CPU" Percent 5 / 0.1, Sum Neutral Gauge,
            "CPU time per time; one busy core is 100.", "/proc/PID/stat";
        MEM "proc.mem" "RES" Bytes 6 / MIB, Sum Neutral Gauge,
            "Host memory that the process holds, shared pages included.", "/proc/PID/stat";
        AGE "proc.age" "AGE" Seconds 6 / 1.0, Max Neutral Gauge,
            "Time since the process started.", "/proc/PID/stat";
    }
}

/// Metrics of a logical CPU.
pub mod core {
    use super::{Aggregate, Cow, Direction, Kind, Metric, MetricId, Scope, Unit};
    use Kind::{Code, Gauge};

    rows! { Core
        INDEX "core.index" "CORE" One 4 / 1.0, Max Neutral Code,
            "Number of the logical CPU.", "/proc/stat";
        UTIL "core.util" "UTIL" Percent 4 / 1.0, Mean Neutral Gauge,
            "Share of the logical CPU's time that was not idle.", "/proc/stat";
    }
}

/// Metrics of a mounted filesystem.
pub mod mount {
    use super::{Aggregate, Cow, Direction, Kind, MIB, Metric, MetricId, Scope, Unit};
    use Kind::Gauge;

    rows! { Mount
        USED "mount.used" "USED" Percent 4 / 0.5, Max HighIsBad Gauge,
            "Share of the filesystem that is in use.", "statvfs";
        FREE "mount.free" "FREE" Bytes 6 / MIB, Sum LowIsBad Gauge,
            "Space that an unprivileged user can still write.", "statvfs";
        SIZE "mount.size" "SIZE" Bytes 6 / MIB, Sum Neutral Gauge,
            "Size of the filesystem.", "statvfs";
        INODES "mount.inodes" "INODE" Percent 5 / 0.5, Max HighIsBad Gauge,
            "Share of the filesystem's inodes that is in use.", "statvfs";
    }
}
