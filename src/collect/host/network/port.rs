//! One network port: its counters, its state, and which of its counters stand at their maximum.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    collect::host::{
        ledger::{Ledger, Value},
        rate::Rate,
        source::{self, ReadError, Source},
    },
    model::{Gap, metric::nic, report::Nic},
};

/// Whether a port can carry data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    Down,
}

/// A port that has a slot in samples.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) nic: Nic,
    /// Its folder under `/sys/class`.
    folder: PathBuf,
    pub(super) rx: Traffic,
    pub(super) tx: Traffic,
    /// As it was seen last; nothing before, and when it could not be read.
    pub(super) link: Option<Link>,
    /// How often it went down, where that is counted.
    pub(super) downed: Option<u64>,
}

impl Port {
    /// An RDMA port, by its folder `/sys/class/infiniband/*/ports/*`.
    pub(super) fn rdma(nic: Nic, folder: PathBuf) -> Port {
        let (rx, tx) = if nic.kind == "efa" {
            let bytes = |name: &str| Traffic::new(folder.join("hw_counters").join(name), 1, None);
            (bytes("rx_bytes"), bytes("tx_bytes"))
        } else {
            // Counted in words of four bytes. Old cards have 32 bits for it, and stop at their end.
            let words = |name: &str| Traffic::new(folder.join("counters").join(name), 4, Some(u32::MAX.into()));
            (words("port_rcv_data"), words("port_xmit_data"))
        };
        Port { nic, folder, rx, tx, link: None, downed: None }
    }

    /// An Ethernet port, by its folder `/sys/class/net/*`.
    pub(super) fn ethernet(nic: Nic, folder: PathBuf) -> Port {
        let bytes = |name: &str| Traffic::new(folder.join("statistics").join(name), 1, None);
        let (rx, tx) = (bytes("rx_bytes"), bytes("tx_bytes"));
        Port { nic, folder, rx, tx, link: None, downed: None }
    }

    pub(super) fn is_rdma(&self) -> bool {
        self.nic.kind != "ethernet"
    }

    /// Reads what changes seldom: state, speed, errors.
    pub(super) fn inspect(&mut self, slot: usize, ledger: &mut Ledger) {
        let state = if self.is_rdma() { rdma_state(&self.folder) } else { ethernet_state(&self.folder) };
        self.link = match state {
            Ok(Some(3)) => Some(Link::Up),
            Ok(Some(_)) => Some(Link::Down),
            _ => None,
        };
        let down = self.link == Some(Link::Down);
        ledger.put(nic::STATE, slot, state.map(|state| state.map(f64::from)));
        let rate = if self.is_rdma() { rdma_rate(&self.folder) } else { ethernet_rate(&self.folder) };
        // A port without a link has negotiated no speed, whatever its file says.
        ledger.put(nic::RATE, slot, if down { Ok(Value::Gap(Gap::Absent)) } else { rate });
        ledger.put(nic::ERRORS, slot, self.errors());
        ledger.put(nic::RECOVERY, slot, self.recoveries());
        let downed = self.link_downed();
        self.downed = match downed {
            Ok(Value::Number(count)) => Some(count as u64),
            _ => None,
        };
        ledger.put(nic::LINK_DOWNED, slot, downed);
    }

    fn errors(&self) -> Result<Value, ReadError> {
        let of = |folder: &str, counters: &[(&str, Option<u64>)]| {
            let folder = self.folder.join(folder);
            let counts = counters.iter().map(|(name, limit)| count(&folder.join(name), *limit));
            Ok(Value::sum(counts.collect::<Result<Vec<_>, _>>()?))
        };
        match &*self.nic.kind {
            "efa" => of("hw_counters", &[("rx_drops", None)]),
            "ethernet" => of("statistics", &[("rx_errors", None), ("tx_errors", None)]),
            _ => of(
                "counters",
                &[
                    ("port_rcv_errors", Some(65_535)),
                    ("symbol_error", Some(65_535)),
                    ("local_link_integrity_errors", Some(15)),
                ],
            ),
        }
    }

    fn recoveries(&self) -> Result<Value, ReadError> {
        if matches!(&*self.nic.kind, "infiniband" | "roce") {
            count(&self.folder.join("counters/link_error_recovery"), Some(255))
        } else {
            Ok(Value::Gap(Gap::Unsupported))
        }
    }

    fn link_downed(&self) -> Result<Value, ReadError> {
        if self.is_rdma() {
            count(&self.folder.join("counters/link_downed"), Some(255))
        } else {
            count(&self.folder.join("carrier_down_count"), None)
        }
    }
}

/// A counter of bytes, or of some bytes each.
#[derive(Debug)]
pub(super) struct Traffic {
    source: Source,
    scale: u64,
    limit: Option<u64>,
    rate: Rate,
}

impl Traffic {
    fn new(path: PathBuf, scale: u64, limit: Option<u64>) -> Self {
        Traffic { source: Source::new(path), scale, limit, rate: Rate::default() }
    }

    /// Bytes per second since it was last read.
    pub(super) fn rate(&mut self, at: Duration) -> Result<Value, ReadError> {
        let count = self.source.number()?;
        let rate = self.rate.per_second(count.saturating_mul(self.scale), at);
        Ok(if Some(count) == self.limit { Value::Gap(Gap::Saturated) } else { rate.into() })
    }
}

/// A counter, saturated where it stands at `limit`, the end of its width in the InfiniBand specification. A counter
/// that has passed it is a wider one.
fn count(path: &Path, limit: Option<u64>) -> Result<Value, ReadError> {
    match source::number(path) {
        Ok(count) if Some(count) == limit => Ok(Value::Gap(Gap::Saturated)),
        Ok(count) => Ok(Value::Number(count as f64)),
        // A card that lacks one counter of several may well have the others.
        Err(error) if error.gap() == Gap::Unsupported => Ok(Value::Gap(Gap::Unsupported)),
        Err(error) => Err(error),
    }
}

/// `4: ACTIVE`, as a place in [`nic::STATES`].
fn rdma_state(folder: &Path) -> Result<Option<u8>, ReadError> {
    source::parsed(&folder.join("state"), |text| {
        let number: u8 = text.split(':').next()?.trim().parse().ok()?;
        // 0 is no state, 5 an active port whose link is being mended.
        Some(Some(number.clamp(1, 4) - 1))
    })
}

/// The state of an Ethernet port as a place in [`nic::STATES`]; nothing where the driver does not say.
fn ethernet_state(folder: &Path) -> Result<Option<u8>, ReadError> {
    Ok(match &*source::text(&folder.join("operstate"))? {
        "up" => Some(3),
        "dormant" | "testing" => Some(1),
        // Drivers that do not keep the state may know the carrier. Reading that of a port that is shut off is an error.
        "unknown" => source::number(&folder.join("carrier")).ok().map(|carrier| if carrier == 0 { 0 } else { 3 }),
        _ => Some(0),
    })
}

/// `400 Gb/sec (4X NDR)`, in bytes per second.
fn rdma_rate(folder: &Path) -> Result<Value, ReadError> {
    source::parsed(&folder.join("rate"), |text| {
        let gigabits: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some(Value::Number(gigabits * 1e9 / 8.0))
    })
}

/// Megabits per second, in bytes per second; −1 where the driver knows none.
fn ethernet_rate(folder: &Path) -> Result<Value, ReadError> {
    match source::parsed(&folder.join("speed"), |text| text.parse::<f64>().ok()) {
        Ok(megabits) if megabits > 0.0 && megabits < f64::from(u32::MAX) => Ok(Value::Number(megabits * 1e6 / 8.0)),
        Ok(_) => Ok(Value::Gap(Gap::Unsupported)),
        Err(ReadError::Io { error, .. }) if error.raw_os_error() == Some(libc::EINVAL) => {
            Ok(Value::Gap(Gap::Unsupported))
        }
        Err(error) => Err(error),
    }
}
