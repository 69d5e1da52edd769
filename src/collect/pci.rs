//! PCI addresses, in the one form that all of supertop uses: `0000:9b:00.0`; and the GPUs on the bus by `/sys`.
//! What is on the bus is there whether or not a driver knows it.

use std::{fs, io, path::Path};

/// The address in the form `0000:9b:00.0`, of whichever form the driver (`00000000:9B:00.0`) or the kernel's log
/// (`0000:9b:00`) gives. Nothing when it is no address.
pub(super) fn address(text: &str) -> Option<String> {
    let (place, function) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = place.split(':').map(|part| u32::from_str_radix(part, 16).ok());
    let (domain, bus, device) = (parts.next()??, parts.next()??, parts.next()??);
    let function = u32::from_str_radix(function, 16).ok()?;
    if parts.next().is_some() || bus > 0xff || device > 0x1f || function > 7 {
        return None;
    }
    Some(format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
}

/// Addresses of the NVIDIA GPUs on the PCI bus, in order; nothing when `/sys` does not say.
pub(super) fn gpus(sys: &Path) -> Option<Vec<String>> {
    let mut found: Vec<String> = fs::read_dir(sys.join("bus/pci/devices"))
        .ok()?
        .flatten()
        .filter(|entry| is_gpu(&entry.path()))
        .filter_map(|entry| address(entry.file_name().to_str()?))
        .collect();
    found.sort();
    Some(found)
}

/// Whether there are NVSwitches on the PCI bus: NVIDIA's bridges.
pub(super) fn has_switches(sys: &Path) -> bool {
    let devices = fs::read_dir(sys.join("bus/pci/devices")).into_iter().flatten().flatten();
    devices.into_iter().any(|entry| is_nvidia(&entry.path(), &["0x0680"]))
}

/// The NUMA node nearest to the device at this address.
pub(super) fn numa_node(sys: &Path, address: &str) -> Option<u32> {
    // -1 says that the machine has but one.
    fs::read_to_string(sys.join("bus/pci/devices").join(address).join("numa_node")).ok()?.trim().parse().ok()
}

/// Errors that the kernel counted of the device at this address and that PCIe did not correct, of the `fatal` or the
/// `nonfatal` ones. Nothing where the kernel counts none: neither does the device report any then.
pub(super) fn uncorrected(sys: &Path, address: &str, kind: &str) -> io::Result<Option<u64>> {
    let path = sys.join("bus/pci/devices").join(address).join(format!("aer_dev_{kind}"));
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    // `DLP 0`, `SDES 0`, …, and at the end `TOTAL_ERR_FATAL 0`.
    let total = text.lines().find_map(|line| line.strip_prefix("TOTAL_ERR_")?.split_once(' '));
    let total = total.and_then(|(_, count)| count.trim().parse().ok());
    total.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not understood"))
}

/// VGA controllers and 3D controllers: data-centre GPUs are the latter.
fn is_gpu(device: &Path) -> bool {
    is_nvidia(device, &["0x0300", "0x0302"])
}

/// Whether it is NVIDIA's, and of one of these classes.
fn is_nvidia(device: &Path, classes: &[&str]) -> bool {
    let is = |file, wanted: &[&str]| {
        let text = fs::read_to_string(device.join(file)).unwrap_or_default();
        wanted.iter().any(|start| text.starts_with(start))
    };
    is("vendor", &["0x10de"]) && is("class", classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        let check = |text, expected: Option<&str>| assert_eq!(address(text).as_deref(), expected, "{text}");
        check("00000000:9B:00.0", Some("0000:9b:00.0"));
        check("0000:9b:00", Some("0000:9b:00.0"));
        check("0009:01:00.0", Some("0009:01:00.0"));
        check("00010000:01:00.0", Some("10000:01:00.0"));
        for text in ["", "9b:00.0", "0000:9b", "0000:9b:00:1", "0000:xy:00.0", "0000:9b:00.9", "0000:19b:00.0"] {
            check(text, None);
        }
    }

    #[test]
    fn gpus_are_counted_on_the_bus() {
        let sys = tempfile::tempdir().unwrap();
        assert!(gpus(sys.path()).is_none() && !has_switches(sys.path()));
        for (address, vendor, class, numa) in [
            ("0000:9d:00.0", "0x10de", "0x030200", "1"),
            ("0000:1b:00.0", "0x10de", "0x030000", "-1"),
            ("0000:1b:00.1", "0x10de", "0x040300", "-1"),
            ("0000:07:00.0", "0x10de", "0x068000", "0"),
            ("0000:02:00.0", "0x1a03", "0x030000", "0"),
        ] {
            let device = sys.path().join("bus/pci/devices").join(address);
            fs::create_dir_all(&device).unwrap();
            for (file, text) in [("vendor", vendor), ("class", class), ("numa_node", numa)] {
                fs::write(device.join(file), format!("{text}\n")).unwrap();
            }
        }
        assert_eq!(gpus(sys.path()).unwrap(), ["0000:1b:00.0", "0000:9d:00.0"]);
        assert!(has_switches(sys.path()));
        assert_eq!(numa_node(sys.path(), "0000:9d:00.0"), Some(1));
        assert_eq!(numa_node(sys.path(), "0000:1b:00.0"), None);
    }

    #[test]
    fn what_pcie_did_not_correct_is_counted_by_the_kernel() {
        let sys = tempfile::tempdir().unwrap();
        let device = sys.path().join("bus/pci/devices/0000:1b:00.0");
        let count = |kind| uncorrected(sys.path(), "0000:1b:00.0", kind);
        assert_eq!(count("fatal").unwrap(), None);
        fs::create_dir_all(&device).unwrap();
        let lines = "Undefined 0\nDLP 1\nSDES 0\nUnsupReq 2\n";
        fs::write(device.join("aer_dev_fatal"), format!("{lines}TOTAL_ERR_FATAL 3\n")).unwrap();
        fs::write(device.join("aer_dev_nonfatal"), lines).unwrap();
        assert_eq!(count("fatal").unwrap(), Some(3));
        assert!(count("nonfatal").is_err());
    }
}
