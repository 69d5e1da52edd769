//! What XIDs and SXids mean: how bad each is and what to do about it, by NVIDIA's tables.

use std::{collections::HashMap, sync::LazyLock};

use crate::model::incident::Severity;

/// What is known of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) remedy: Remedy,
}

/// What to do, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remedy {
    /// Nothing at once.
    Watch,
    /// The program that did it is to be mended, or just started again.
    RestartApp,
    /// Somebody has to find out.
    Inspect,
    /// A GPU is to be reset.
    Reset,
    /// All GPUs and switches of the machine are to be reset.
    ResetAll,
    /// The machine is to be started again.
    Reboot,
    /// The machine is to be cut off from power.
    PowerCycle,
}

impl Remedy {
    fn read(action: &str) -> Remedy {
        let words = |part: &str| action.contains(part);
        match action.split('|').next().unwrap_or("") {
            "RESTART_BM" => Remedy::PowerCycle,
            "RESTART_VM" | "RESTART_HOST" => Remedy::Reboot,
            "RESET_ALL_GPUS_AND_NVSWITCHES" | "SCOPE_DEPENDENT_RESET" => Remedy::ResetAll,
            "RESET_GPU" | "WORKFLOW_XID_48" | "FOLLOW_XID_48" | "WORKFLOW_NVLINK_ERR" | "WORKFLOW_NVLINK5_ERR" => {
                Remedy::Reset
            }
            "RESTART_APP" => Remedy::RestartApp,
            "CHECK_MECHANICALS" | "CHECK_UVM" | "UPDATE_SWFW" => Remedy::Inspect,
            _ if words("REBOOT") => Remedy::Reboot,
            _ => Remedy::Watch,
        }
    }

    /// In plain words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Remedy::Watch => "nothing at once; if it comes back, ask the maker",
            Remedy::RestartApp => "the job that did it ends; if several programs do it on one GPU, test the GPU",
            Remedy::Inspect => "look at the machine: cables, firmware, driver",
            Remedy::Reset => {
                "drain the node and reset the GPU when its job has ended; if it comes back, have it replaced"
            }
            Remedy::ResetAll => "drain the node and reset all of its GPUs and switches together",
            Remedy::Reboot => "drain the node and start it again",
            Remedy::PowerCycle => {
                "drain the node and power-cycle it; if the GPU is lost again within a day, have it replaced"
            }
        }
    }

    /// The commands that go with it, by their names in `[commands]`.
    pub(super) const fn commands(self) -> &'static [&'static str] {
        match self {
            Remedy::Watch | Remedy::RestartApp => &[],
            Remedy::Inspect | Remedy::ResetAll | Remedy::Reboot | Remedy::PowerCycle => &["drain"],
            Remedy::Reset => &["drain", "reset"],
        }
    }
}

static XIDS: LazyLock<HashMap<u32, Meaning>> = LazyLock::new(|| read(include_str!("xid.tsv"), 3));
static SXIDS: LazyLock<HashMap<u32, Meaning>> = LazyLock::new(|| read(include_str!("sxid.tsv"), 2));

/// A table whose columns are code, name, …, severity and action.
fn read(table: &'static str, severity_at: usize) -> HashMap<u32, Meaning> {
    let line = |line: &'static str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let severity = match *cells.get(severity_at)? {
            "crit" => Severity::Crit,
            "warn" => Severity::Warn,
            _ => Severity::Info,
        };
        let remedy = match Remedy::read(cells.get(severity_at + 1)?) {
            // What is critical and has no remedy in the table is to be looked into.
            Remedy::Watch if severity == Severity::Crit => Remedy::Inspect,
            remedy => remedy,
        };
        Some((cells[0].parse().ok()?, Meaning { name: cells[1], severity, remedy }))
    };
    table.lines().skip(1).filter_map(line).collect()
}

const UNKNOWN: Meaning = Meaning { name: "an error of no known name", severity: Severity::Warn, remedy: Remedy::Watch };

/// What an XID means.
pub(super) fn xid(code: u32) -> Meaning {
    XIDS.get(&code).copied().unwrap_or(UNKNOWN)
}

/// What an SXid means.
pub(super) fn sxid(code: u32) -> Meaning {
    SXIDS.get(&code).copied().unwrap_or(UNKNOWN)
}

/// What the driver itself says is to be done: XID 154 carries its verdict in its text.
pub(super) fn verdict(text: &str) -> Option<(Remedy, Severity)> {
    // It says from what the verdict changed, and then to what.
    let text = text.rsplit(" to ").next().unwrap_or(text).to_ascii_lowercase();
    let says = |words: &str| text.contains(words);
    if says("none") {
        Some((Remedy::Watch, Severity::Info))
    } else if says("reboot") {
        Some((Remedy::Reboot, Severity::Crit))
    } else if says("drain p2p") {
        Some((Remedy::Inspect, Severity::Warn))
    } else if says("drain and reset") || says("gpu reset") || says("bus reset") || says("reset required") {
        Some((Remedy::Reset, Severity::Crit))
    } else {
        None
    }
}

/// XIDs that what programs do causes: they fold into those of the hardware, never the other way round.
pub(super) const OF_PROGRAMS: [u32; 4] = [13, 31, 43, 45];
/// The one of them that only says that another error came before.
pub(super) const CONSEQUENCE: u32 = 45;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_whole() {
        assert_eq!(XIDS.len(), include_str!("xid.tsv").lines().count() - 1);
        assert_eq!(SXIDS.len(), include_str!("sxid.tsv").lines().count() - 1);
        let check = |code, severity, remedy| {
            let Meaning { severity: is, remedy: does, name } = xid(code);
            assert_eq!((is, does), (severity, remedy), "{code} {name}");
        };
        check(79, Severity::Crit, Remedy::PowerCycle);
        check(95, Severity::Crit, Remedy::Reset);
        check(94, Severity::Warn, Remedy::RestartApp);
        check(48, Severity::Crit, Remedy::Reset);
        check(63, Severity::Warn, Remedy::Watch);
        check(31, Severity::Warn, Remedy::RestartApp);
        check(999, Severity::Warn, Remedy::Watch);
        check(167, Severity::Crit, Remedy::Inspect);
        assert_eq!(sxid(10003).remedy, Remedy::ResetAll);
    }

    #[test]
    fn the_drivers_verdict_is_read() {
        let check = |text, expected| assert_eq!(verdict(text), expected, "{text}");
        check(
            "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)",
            Some((Remedy::Reset, Severity::Crit)),
        );
        check(
            "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)",
            Some((Remedy::Reboot, Severity::Crit)),
        );
        check(
            "GPU recovery action changed from 0x2 (Node Reboot Required) to 0x0 (None)",
            Some((Remedy::Watch, Severity::Info)),
        );
        check(
            "GPU recovery action changed from 0x0 (None) to 0x3 (Drain P2P)",
            Some((Remedy::Inspect, Severity::Warn)),
        );
        check("something else", None);
    }
}
