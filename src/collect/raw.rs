//! The only unsafe code of the crate: system and driver calls that no safe crate offers.
//! Everything here returns plain values, and each call says why it is sound.
#![allow(unsafe_code)]

pub(super) mod nvml;

use std::io;

/// How well the kernel's clock is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClockState {
    /// Whether a time service keeps it in step.
    pub(super) synced: bool,
    /// The larger of its offset and its estimated error, in seconds, without sign.
    pub(super) offset: f64,
}

/// The state of the kernel's clock, by `adjtimex`. Reading it needs no rights.
#[cfg(target_os = "linux")]
pub(super) fn clock_state() -> io::Result<ClockState> {
    // SAFETY: `timex` is a struct of integers, for which all zeroes is a valid value. With `modes` 0 the call only
    // fills the struct that it is handed, which outlives it.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex)
    };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    let per_second = if timex.status & libc::STA_NANO == 0 { 1e6 } else { 1e9 };
    let (offset, error) = (timex.offset as f64 / per_second, timex.esterror as f64 / 1e6);
    Ok(ClockState { synced: timex.status & libc::STA_UNSYNC == 0, offset: offset.abs().max(error) })
}

/// Other systems tell nothing of how their clock is kept.
#[cfg(not(target_os = "linux"))]
pub(super) fn clock_state() -> io::Result<ClockState> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_tells_its_state() {
        let clock = super::clock_state().unwrap();
        assert!(clock.offset.is_finite() && clock.offset >= 0.0);
    }
}
