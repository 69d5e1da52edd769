//! Which processes use a GPU, so that the host's side looks at those too, however idle their CPU side is.
//! The board writes it, the process collector reads it; both hold the same list.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// The pids of processes that are to be reported even when they are not among the busiest.
#[derive(Clone, Debug, Default)]
pub struct Watchlist(Arc<Mutex<BTreeSet<u32>>>);

impl Watchlist {
    /// Replaces the list.
    pub fn set(&self, pids: impl IntoIterator<Item = u32>) {
        let pids = pids.into_iter().collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pids;
    }

    /// The list as it is now.
    pub fn pids(&self) -> BTreeSet<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
