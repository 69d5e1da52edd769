//! One record of `/dev/kmsg`, and the lines in it by which the driver reports XIDs and SXids.
//! The format is `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,…];TEXT`, as the kernel's `Documentation/ABI/testing/dev-kmsg` says.

use std::time::Duration;

use crate::model::report::{EventKind, Subject};

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The kernel's number for it, which grows by one from each to the next.
    pub(super) sequence: u64,
    /// When it was written, since boot.
    pub(super) uptime: Duration,
    /// What it says.
    pub(super) text: &'a str,
}

/// Reads one line of the device. Nothing for the lines that continue a record, and for what is no record.
pub(super) fn record(line: &str) -> Option<Record<'_>> {
    if line.starts_with(' ') {
        return None;
    }
    let (prefix, text) = line.split_once(';')?;
    let mut fields = prefix.split(',');
    let _priority: u64 = fields.next()?.parse().ok()?;
    let sequence = fields.next()?.parse().ok()?;
    let uptime = Duration::from_micros(fields.next()?.parse().ok()?);
    Some(Record { sequence, uptime, text })
}

/// What the driver reports in a text: an XID of a GPU or an SXid of an NVSwitch.
///
/// Anyone who may write to `/dev/kmsg` is root; so are operators who test their alarms by writing such a line.
pub(super) fn incident(text: &str) -> Option<(Subject, EventKind)> {
    if let Some(rest) = text.strip_prefix("NVRM: Xid (PCI:") {
        let (bus, code) = address_and_code(rest)?;
        return Some((Subject::Gpu { bus }, EventKind::Xid(code)));
    }
    let rest = text.strip_prefix("nvidia-nvswitch").and_then(|rest| rest.split_once("SXid (PCI:"));
    let (bus, code) = address_and_code(rest?.1)?;
    Some((Subject::Switch { bus }, EventKind::Sxid(code)))
}

/// Reads `0000:9b:00): 79, …`.
fn address_and_code(text: &str) -> Option<(String, u32)> {
    // With MIG, the number of the GPU instance stands behind the address: `0000:9b:00 GPU-I:05`.
    let (place, rest) = text.split_once("):")?;
    let address = place.split_once(' ').map_or(place, |(address, _)| address);
    let rest = rest.trim_start();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some((super::super::pci::address(address)?, rest[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_when_it_was_written() {
        let text = "NVRM: Xid (PCI:0000:9b:00): 79, pid=1; name=x";
        let expected = Record { sequence: 5512, uptime: Duration::from_micros(98_123_456), text };
        assert_eq!(record(&format!("3,5512,98123456,-;{text}")), Some(expected));
        assert_eq!(record(&format!("3,5512,98123456,-,caller=T1;{text}")), Some(expected));
        assert_eq!(record(" SUBSYSTEM=pci"), None);
        for line in ["", "hello", ";", "3,1;x", "a,b,c,-;x", "3,-1,5,-;x"] {
            assert_eq!(record(line), None, "{line}");
        }
    }

    #[test]
    fn incidents_are_found() {
        let gpu = |bus: &str, xid| Some((Subject::Gpu { bus: bus.into() }, EventKind::Xid(xid)));
        let switch = |bus: &str, sxid| Some((Subject::Switch { bus: bus.into() }, EventKind::Sxid(sxid)));
        let check = |text, expected| assert_eq!(incident(text), expected, "{text}");
        check(
            "NVRM: Xid (PCI:0000:9b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
            gpu("0000:9b:00.0", 79),
        );
        check("NVRM: Xid (PCI:0008:01:00): 154, GPU recovery action changed", gpu("0008:01:00.0", 154));
        check("NVRM: Xid (PCI:0000:9B:00): 43", gpu("0000:9b:00.0", 43));
        check("NVRM: Xid (PCI:0000:9b:00 GPU-I:05): 13, pid=1", gpu("0000:9b:00.0", 13));
        check(
            "nvidia-nvswitch0: SXid (PCI:0000:07:00.0): 20034, Fatal, Link 30 LTSSM Fault Up",
            switch("0000:07:00.0", 20034),
        );
        check("nvidia-nvswitch 0000:07:00.0: SXid (PCI:0000:07:00.0): 22013, Non-fatal", switch("0000:07:00.0", 22013));
    }

    #[test]
    fn other_lines_are_no_incidents() {
        for text in [
            "",
            "NVRM: Xid",
            "NVRM: Xid (PCI:0000:9b:00",
            "NVRM: Xid (PCI:0000:9b:00): ",
            "NVRM: Xid (PCI:0000:9b:00): fell off",
            "NVRM: Xid (PCI:somewhere): 79",
            "NVRM: Xid (PCI:0000:9b:00): 99999999999",
            "python says NVRM: Xid (PCI:0000:9b:00): 79",
            "nvidia-nvswitch0: SXid (PCI:é): 5",
        ] {
            assert_eq!(incident(text), None, "{text}");
        }
    }
}
