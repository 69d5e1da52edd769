//! NVLinks, link by link: how many are up, their errors, and their traffic where GPM does not tell it.

use std::time::Instant;

use nvml_wrapper::{Device, enum_wrappers::nv_link::ErrorCounter, error::NvmlError, sys_exports::field_id as id};
use nvml_wrapper_sys::bindings::NVML_NVLINK_MAX_LINKS;

use super::{
    call::{Caller, Stop, Trouble},
    news::Sheet,
    rate::Counter,
};
use crate::{
    collect::raw::{self, nvml::LinkField},
    model::{Gap, metric::gpu},
};

const STATE: &str = "nvmlDeviceGetNvLinkState";
const FIELDS: &str = "nvmlDeviceGetFieldValues (per link)";
/// Nothing sends more over NVLink: twice the fifth generation's 1.8 TB/s.
const FASTEST_KIB: f64 = 3.6e12 / 1024.0;

/// Links say their speed in MB/s.
const MB: f64 = 1e6;

/// The NVLinks of one GPU.
pub(super) struct Links {
    /// Numbers of the links that there are; nothing before they were asked.
    there: Option<Vec<u32>>,
    errors: Errors,
    /// Received and sent, in KiB; nothing once the GPU was found to count none.
    traffic: Option<(Counter, Counter)>,
}

/// Where the errors of a link are counted. Each generation has its own place; the next is tried when one is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errors {
    /// Fields per link, and whether what one counts is a replay or a recovery.
    Fields(&'static [(u32, bool)]),
    /// A call per counter and link: Volta and Ampere.
    Calls,
    Nowhere,
}

/// Replay, recovery and CRC errors.
const HOPPER: &[(u32, bool)] = &[
    (id::NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY, true),
    (id::NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY, true),
    (id::NVML_FI_DEV_NVLINK_ERROR_DL_CRC, false),
];
/// What `nvml.h` says takes their place on Blackwell; not seen on hardware yet.
const BLACKWELL: &[(u32, bool)] = &[
    (id::NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS, false),
    (id::NVML_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS, false),
    (id::NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS, true),
];
/// The same by calls: replays, recoveries, and CRC errors of two kinds.
const CALLS: [(ErrorCounter, bool); 4] = [
    (ErrorCounter::DlReplay, true),
    (ErrorCounter::DlRecovery, true),
    (ErrorCounter::DlCrcFlit, false),
    (ErrorCounter::DlCrcData, false),
];

/// What a GPU's links have counted together.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Errors of all kinds.
    errors: u64,
    /// Replays and recoveries among them.
    replays: u64,
}

impl Count {
    fn add(&mut self, count: u64, is_replay: bool) {
        self.errors = self.errors.saturating_add(count);
        self.replays = self.replays.saturating_add(if is_replay { count } else { 0 });
    }
}

impl Errors {
    fn next(self) -> Errors {
        match self {
            Errors::Fields(fields) if fields == HOPPER => Errors::Fields(BLACKWELL),
            Errors::Fields(_) => Errors::Calls,
            Errors::Calls | Errors::Nowhere => Errors::Nowhere,
        }
    }
}

impl Default for Links {
    fn default() -> Self {
        let counters = (Counter::default(), Counter::default());
        Links { there: None, errors: Errors::Fields(HOPPER), traffic: Some(counters) }
    }
}

impl Links {
    /// Counts the links that are up, and their errors.
    pub(super) fn read(&mut self, caller: Caller<'_>, device: &Device<'_>, sheet: &mut Sheet) -> Result<(), Stop> {
        let slot = caller.slot.unwrap_or_default();
        let asked: Vec<u32> = self.there.clone().unwrap_or_else(|| (0..NVML_NVLINK_MAX_LINKS).collect());
        let (mut there, mut up) = (Vec::new(), 0);
        for link in asked {
            match caller.call(STATE, || is_up(device, link)) {
                Ok(Some(active)) => {
                    there.push(link);
                    up += u32::from(active);
                }
                Ok(None) => break,
                Err(Trouble::Unsupported) => {}
                Err(trouble) => {
                    let metrics = [gpu::NVLINK_LINKS, gpu::NVLINK_ERRORS, gpu::NVLINK_REPLAY];
                    return sheet.settle(slot, &metrics, trouble).map(drop);
                }
            }
        }
        if there.is_empty() {
            for metric in [gpu::NVLINK_LINKS, gpu::NVLINK_ERRORS, gpu::NVLINK_REPLAY] {
                sheet.gap(slot, metric, Gap::Unsupported);
            }
        } else {
            sheet.value(slot, gpu::NVLINK_LINKS, up.into());
            self.count_errors(caller, device, &there, sheet)?;
        }
        self.there = Some(there);
        Ok(())
    }

    /// Reads how fast the slowest link is. Says why that is not known, where it is not.
    pub(super) fn read_speed(
        &self,
        caller: Caller<'_>,
        device: &Device<'_>,
        sheet: &mut Sheet,
    ) -> Result<Option<Gap>, Stop> {
        let slot = caller.slot.unwrap_or_default();
        let Some(there) = &self.there else {
            sheet.gap(slot, gpu::NVLINK_SPEED, Gap::Unknown);
            return Ok(Some(Gap::Unknown));
        };
        if there.is_empty() {
            sheet.gap(slot, gpu::NVLINK_SPEED, Gap::Unsupported);
            return Ok(Some(Gap::Unsupported));
        }
        match caller.call(FIELDS, || slowest(device, there)) {
            Ok(Some(speed)) => {
                sheet.value(slot, gpu::NVLINK_SPEED, speed as f64 * MB);
                Ok(None)
            }
            Ok(None) => {
                sheet.gap(slot, gpu::NVLINK_SPEED, Gap::Absent);
                Ok(Some(Gap::Absent))
            }
            Err(trouble) => {
                let is_worth = sheet.settle(slot, &[gpu::NVLINK_SPEED], trouble)?;
                Ok(Some(if is_worth { Gap::Failed } else { Gap::Unsupported }))
            }
        }
    }

    /// Reads the traffic over all links from their own counters.
    pub(super) fn read_traffic(
        &mut self,
        caller: Caller<'_>,
        device: &Device<'_>,
        sheet: &mut Sheet,
    ) -> Result<(), Stop> {
        let Some((received, sent)) = &mut self.traffic else { return Ok(()) };
        let slot = caller.slot.unwrap_or_default();
        let all = raw::nvml::ALL_LINKS;
        let fields =
            [(id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, all), (id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, all)];
        let answer = caller.call(FIELDS, || raw::nvml::link_fields(device, &fields)?.into_iter().collect());
        let values: Vec<u64> = match answer {
            Ok(values) => values,
            Err(trouble) => {
                if !sheet.settle(slot, &[gpu::NVLINK_RX, gpu::NVLINK_TX], trouble)? {
                    self.traffic = None;
                }
                return Ok(());
            }
        };
        let at = Instant::now();
        for ((metric, counter), kib) in [(gpu::NVLINK_RX, received), (gpu::NVLINK_TX, sent)].into_iter().zip(values) {
            match counter.rate(at, kib, FASTEST_KIB) {
                Some(rate) => sheet.value(slot, metric, rate * 1024.0),
                None => sheet.gap(slot, metric, Gap::Unknown),
            }
        }
        Ok(())
    }

    fn count_errors(
        &mut self,
        caller: Caller<'_>,
        device: &Device<'_>,
        links: &[u32],
        sheet: &mut Sheet,
    ) -> Result<(), Stop> {
        let slot = caller.slot.unwrap_or_default();
        loop {
            let count = match self.errors {
                Errors::Fields(fields) => caller.call(FIELDS, || count_by_fields(device, fields, links)),
                Errors::Calls => caller.call("nvmlDeviceGetNvLinkErrorCounter", || count_by_calls(device, links)),
                Errors::Nowhere => Err(Trouble::Unsupported),
            };
            match count {
                Ok(Count { errors, replays }) => {
                    sheet.value(slot, gpu::NVLINK_ERRORS, errors as f64);
                    sheet.value(slot, gpu::NVLINK_REPLAY, replays as f64);
                    return Ok(());
                }
                Err(Trouble::Unsupported) if self.errors != Errors::Nowhere => self.errors = self.errors.next(),
                Err(trouble) => {
                    return sheet.settle(slot, &[gpu::NVLINK_ERRORS, gpu::NVLINK_REPLAY], trouble).map(drop);
                }
            }
        }
    }
}

/// Whether a link is up; nothing when there is no link of that number.
fn is_up(device: &Device<'_>, link: u32) -> Result<Option<bool>, NvmlError> {
    match device.link_wrapper_for(link).is_active() {
        Ok(active) => Ok(Some(active)),
        Err(NvmlError::InvalidArg) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The speed in MB/s of the slowest link that has one; nothing when all are down.
fn slowest(device: &Device<'_>, links: &[u32]) -> Result<Option<u64>, NvmlError> {
    let asked: Vec<LinkField> = links.iter().map(|link| (id::NVML_FI_DEV_NVLINK_GET_SPEED, *link)).collect();
    let mut speeds = Vec::new();
    for speed in raw::nvml::link_fields(device, &asked)? {
        match speed {
            Ok(speed) => speeds.push(speed),
            Err(NvmlError::NotSupported | NvmlError::InvalidArg) => {}
            Err(error) => return Err(error),
        }
    }
    if speeds.is_empty() {
        return Err(NvmlError::NotSupported);
    }
    Ok(speeds.into_iter().filter(|speed| *speed > 0).min())
}

/// What the links that count have counted; an error when none does.
fn count_by_fields(device: &Device<'_>, fields: &[(u32, bool)], links: &[u32]) -> Result<Count, NvmlError> {
    let all =
        || links.iter().flat_map(|link| fields.iter().map(move |(field, is_replay)| ((*field, *link), *is_replay)));
    let asked: Vec<LinkField> = all().map(|(field, _)| field).collect();
    let mut sum: Option<Count> = None;
    for (value, (_, is_replay)) in raw::nvml::link_fields(device, &asked)?.into_iter().zip(all()) {
        match value {
            Ok(count) => sum.get_or_insert_default().add(count, is_replay),
            Err(NvmlError::NotSupported | NvmlError::InvalidArg) => {}
            Err(error) => return Err(error),
        }
    }
    sum.ok_or(NvmlError::NotSupported)
}

fn count_by_calls(device: &Device<'_>, links: &[u32]) -> Result<Count, NvmlError> {
    let mut sum = Count::default();
    for link in links {
        for (counter, is_replay) in CALLS {
            sum.add(device.link_wrapper_for(*link).error_counter(counter)?, is_replay);
        }
    }
    Ok(sum)
}
