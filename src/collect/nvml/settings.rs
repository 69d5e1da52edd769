//! What there is to choose about the collector: where it looks, how often, and how long it waits.

use std::{path::PathBuf, time::Duration};

use super::probe::Pace;

/// What there is to choose about the collector. The defaults are for real drivers, other values for tests.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The library; nothing for the one that the loader finds.
    pub library: Option<PathBuf>,
    /// Where sysfs is mounted.
    pub sys: PathBuf,
    /// How often field values, NVLinks, processes and the other slowly moving things are read.
    pub fields: Duration,
    /// How often the inventory and what else never changes is read.
    pub inventory: Duration,
    /// How long one round waits for the thread that reads.
    pub patience: Duration,
    /// From when on a call hangs.
    pub call_limit: Duration,
    /// From when on a call hangs that brings up the driver or a GPU: without persistence mode that takes seconds.
    pub open_limit: Duration,
    /// How long a GPU that hung is left alone at first.
    pub backoff: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            library: None,
            sys: "/sys".into(),
            fields: Duration::from_secs(5),
            inventory: Duration::from_mins(5),
            patience: Duration::from_millis(1500),
            call_limit: Duration::from_secs(3),
            open_limit: Duration::from_secs(30),
            backoff: Duration::from_secs(30),
        }
    }
}

impl Settings {
    pub(super) fn paces(&self) -> Paces {
        Paces { fields: self.fields, inventory: self.inventory }
    }
}

/// How often what is read.
#[derive(Clone, Copy)]
pub(super) struct Paces {
    fields: Duration,
    inventory: Duration,
}

impl Paces {
    /// How much time lies between two looks.
    pub(super) fn of(self, pace: Pace) -> Duration {
        match pace {
            Pace::Round => Duration::ZERO,
            Pace::Fields => self.fields,
            Pace::Inventory => self.inventory,
        }
    }
}
