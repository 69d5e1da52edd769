//! How long the machine has been up, and how well its clock is kept.

use sysinfo::System;

use super::{ledger::Ledger, source::ReadError};
use crate::{
    collect::raw,
    model::{Gap, metric::node},
};

/// Time since boot.
pub(super) fn read(ledger: &mut Ledger) {
    ledger.put(node::UPTIME, 0, System::uptime().map(|seconds| seconds as f64).map_err(ReadError::from));
}

/// The clock's state, which changes slowly.
pub(super) fn inspect(ledger: &mut Ledger) {
    match raw::clock_state() {
        Ok(clock) => {
            ledger.set(node::CLOCK_SYNCED, 0, f64::from(u8::from(clock.synced)));
            // Nobody who keeps the clock, nobody who knows how far it is off.
            ledger.set(node::CLOCK_OFFSET, 0, clock.synced.then_some(clock.offset));
        }
        Err(error) => {
            ledger.fail(node::CLOCK_SYNCED, 0, format!("adjtimex: {error}"));
            ledger.set(node::CLOCK_OFFSET, 0, Gap::Failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Raw;

    #[test]
    fn uptime_and_clock_are_told() {
        let mut ledger = Ledger::default();
        read(&mut ledger);
        inspect(&mut ledger);
        let readings = ledger.take().readings;
        assert!(readings[0].raw.value(1.0).is_some_and(|seconds| seconds > 0.0));
        let synced = readings[1].raw.value(1.0).expect("the clock's state can be read without rights");
        assert_eq!(readings[2].raw == Raw::UNKNOWN, synced == 0.0, "an offset goes with a clock that is kept");
    }
}
