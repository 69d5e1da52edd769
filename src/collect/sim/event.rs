//! The events of a simulated node: what its kernel would say of the faults that befall it.

use std::time::Duration;

use super::{
    Ailment, Sim,
    fault::Case,
    inventory::{boot_id, bus, port},
};
use crate::model::{
    Time,
    report::{Event, EventKind, Subject},
};

/// The PCI address of a node's first NVSwitch.
const SWITCH: &str = "0000:07:00.0";

/// An XID that a fault makes the driver report, how long after the fault, and what the driver says with it.
struct Report {
    code: u32,
    after: Duration,
    text: &'static str,
}

const fn report(code: u32, after: u64, text: &'static str) -> Report {
    Report { code, after: Duration::from_secs(after), text }
}

/// XIDs that a scenario can ask for by their number, with what the driver says of each.
static ALONE: [Report; 6] = [
    report(13, 0, "pid=41234, name=python3, Graphics SM Warp Exception on (GPC 0, TPC 0, SM 1): Out Of Range Address"),
    report(
        31,
        0,
        "pid=41234, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f2b_4c000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ",
    ),
    report(
        48,
        0,
        "pid='<unknown>', name=<unknown>, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at physical address 0x1c0e5a000 partition 6, subpartition 0.",
    ),
    report(95, 0, "pid=41234, name=python3, Uncontained: SM (0x1). RST: Yes, D-RST: No"),
    report(
        119,
        0,
        "pid=41234, name=python3, Timeout after 6s of waiting for RPC response from GPU0 GSP! Expected function 76 (GSP_RM_CONTROL) (0x2080014b 0x5).",
    ),
    report(120, 0, "pid=41234, name=python3, GSP task exception: Instruction access fault (cause:0x1)"),
];

/// The numbers of the XIDs that a scenario can ask for.
pub(super) fn codes() -> impl Iterator<Item = u32> {
    ALONE.iter().map(|report| report.code)
}

/// XIDs of each kind of fault, the earliest first.
fn xids(ailment: Ailment) -> &'static [Report] {
    match ailment {
        Ailment::OffBus => const { &[report(79, 0, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")] },
        Ailment::MemoryError => {
            const {
                &[
                    report(94, 0, "pid=41234, name=python3, Contained: SM (0x1). RST: No, D-RST: No"),
                    report(
                        63,
                        1,
                        "pid='<unknown>', name=<unknown>, Row Remapper: New row (0x00000000c8e32f10) marked for remapping, reset gpu to activate.",
                    ),
                ]
            }
        }
        Ailment::LinkDown => {
            const {
                &[report(
                    74,
                    0,
                    "pid='<unknown>', name=<unknown>, NVLink: fatal error detected on link 7(0x10000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)",
                )]
            }
        }
        Ailment::Xid(code) => ALONE.iter().find(|report| report.code == code).map_or(&[], std::slice::from_ref),
        _ => &[],
    }
}

/// The last XID of this fault's GPU by `now`, and its age in seconds.
pub(super) fn last_xid(case: &Case, now: Time) -> Option<(u32, f64)> {
    let seen = xids(case.ailment).iter().rfind(|report| case.at + report.after <= now)?;
    Some((seen.code, now.seconds_after(case.at + seen.after)))
}

/// What happens on node `n` after `from` and by `to`.
pub(super) fn events(sim: &Sim, n: u32, from: Time, to: Time) -> Vec<Event> {
    let mut events = Vec::new();
    for (number, case) in sim.wards.of(n).iter().enumerate() {
        let mut tell = |at: Time, part: usize, subject, kind, text| {
            if from < at && at <= to {
                // The kernel's sequence numbers at boot are well below 9,000.
                let sequence = 9000 + number * 10 + part;
                events.push(Event { id: format!("{}:{sequence}", boot_id(sim, n, at)), time: at, subject, kind, text });
            }
        };
        let slot = case.slot.unwrap_or(0);
        for (part, report) in xids(case.ailment).iter().enumerate() {
            let bus = bus(sim, n, slot);
            let text = format!("NVRM: Xid (PCI:{}): {}, {}", bus.trim_end_matches(".0"), report.code, report.text);
            tell(case.at + report.after, part, Subject::Gpu { bus }, EventKind::Xid(report.code), text);
        }
        if case.ailment == Ailment::PortDown {
            let name = port(slot);
            let text = format!("{name}: port 1 state changed from ACTIVE to DOWN");
            tell(case.at, 0, Subject::Nic { name }, EventKind::Link { up: false }, text);
        }
        if case.ailment == Ailment::SwitchLink {
            let bus = String::from(SWITCH);
            let text = format!("nvidia-nvswitch0: SXid (PCI:{bus}): 20034, Fatal, Link 30 LTSSM Fault Up");
            tell(case.at, 0, Subject::Switch { bus }, EventKind::Sxid(20034), text);
        }
    }
    events.sort_by_key(|event| event.time);
    events
}
