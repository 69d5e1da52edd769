//! Whether the driver may be held open. An open NVML handle keeps `nvidia-smi -r` from resetting a GPU and the driver
//! from being unloaded, so an operator can have it closed, and opened again.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A handle to open and close the driver by; its clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    released: bool,
    closed: bool,
}

impl Gate {
    /// Asks for the driver to be closed. The collector does so at its next round; see [`Gate::wait_closed`].
    pub fn release(&self) {
        self.state().released = true;
    }

    /// Lets the driver be opened again, at the collector's next round.
    pub fn resume(&self) {
        let mut state = self.state();
        (state.released, state.closed) = (false, false);
    }

    /// Whether the driver is to stay closed.
    pub fn is_released(&self) -> bool {
        self.state().released
    }

    /// Waits until nothing holds the driver open any more; false if that takes longer than `patience`. It never comes
    /// true while a call hangs in the driver.
    pub fn wait_closed(&self, patience: Duration) -> bool {
        let waited = self.0.changed.wait_timeout_while(self.state(), patience, |state| !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// Says whether anything still holds the driver open.
    pub(super) fn set_closed(&self, closed: bool) {
        self.state().closed = closed;
        self.0.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
