//! How long the machine has been up, and how well its clock is kept.

use std::path::Path;

use super::{ledger::Ledger, source::Source};
use crate::{
    collect::raw,
    model::{Gap, metric::node},
};

#[derive(Debug)]
pub(super) struct Timekeeping {
    uptime: Source,
}

impl Timekeeping {
    pub(super) fn new(root: &Path) -> Self {
        Timekeeping { uptime: Source::new(root.join("proc/uptime")) }
    }

    pub(super) fn read(&mut self, ledger: &mut Ledger) {
        ledger.put(node::UPTIME, 0, self.uptime.parse(|text| text.split_whitespace().next()?.parse::<f64>().ok()));
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::host::tree::Tree, model::Raw};

    #[test]
    fn uptime_and_clock_are_told() {
        let tree = Tree::new();
        tree.file("proc/uptime", "5053.98 4928.32\n");
        let mut timekeeping = Timekeeping::new(tree.path());
        let mut ledger = Ledger::default();
        timekeeping.read(&mut ledger);
        Timekeeping::inspect(&mut ledger);
        let readings = ledger.take().readings;
        assert_eq!(readings[0].raw, Raw::new(5054.0, 1.0));
        let synced = readings[1].raw.value(1.0).expect("the clock's state can be read without rights");
        assert_eq!(readings[2].raw == Raw::UNKNOWN, synced == 0.0, "an offset goes with a clock that is kept");
    }
}
