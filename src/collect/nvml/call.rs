//! The one way by which every NVML call is made: watched from outside, because it may hang, and its error sorted by
//! what is to be done about it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use nvml_wrapper::{Nvml, error::NvmlError};

use crate::collect::raw;

/// What a thread that makes calls is doing, to be looked at by one that waits for it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    under_way: Mutex<Option<UnderWay>>,
    cancelled: AtomicBool,
}

/// A call that has not returned yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    /// Its name.
    pub(super) call: &'static str,
    /// The GPU that it is about.
    pub(super) slot: Option<u16>,
    /// When it was made.
    pub(super) since: Instant,
    /// Whether it brings up a GPU or the driver, which may take seconds.
    pub(super) opens: bool,
}

/// Why a call gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The GPU or the driver does not have it: it is not asked for again.
    Unsupported,
    /// It erred, in NVML's words behind the call's name.
    Failed(String),
    /// There is no point in making further calls.
    Stop(Stop),
}

/// Why further calls are pointless.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The GPU has fallen off the bus.
    Lost,
    /// The driver has gone away, in words.
    Over(String),
    /// Nobody waits for this thread any more.
    Cancelled,
}

impl Watch {
    /// The call under way.
    pub(super) fn under_way(&self) -> Option<UnderWay> {
        *self.call()
    }

    /// Has the thread make no further calls.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Makes a call that brings up a GPU or the driver.
    pub(super) fn open<T>(&self, call: &'static str, make: impl FnOnce() -> T) -> T {
        self.make(UnderWay { call, slot: None, since: Instant::now(), opens: true }, make)
    }

    fn make<T>(&self, under_way: UnderWay, make: impl FnOnce() -> T) -> T {
        *self.call() = Some(under_way);
        let answer = make();
        *self.call() = None;
        answer
    }

    fn call(&self) -> MutexGuard<'_, Option<UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes calls about one GPU, or about the driver itself.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) nvml: &'a Nvml,
    pub(super) watch: &'a Watch,
    /// The GPU's slot.
    pub(super) slot: Option<u16>,
}

impl Caller<'_> {
    /// Makes a call that should answer within milliseconds.
    pub(super) fn call<T>(
        &self,
        call: &'static str,
        make: impl FnOnce() -> Result<T, NvmlError>,
    ) -> Result<T, Trouble> {
        self.make(UnderWay { call, slot: self.slot, since: Instant::now(), opens: false }, make)
    }

    /// Makes a call that may have to bring up the GPU.
    pub(super) fn open<T>(
        &self,
        call: &'static str,
        make: impl FnOnce() -> Result<T, NvmlError>,
    ) -> Result<T, Trouble> {
        self.make(UnderWay { call, slot: self.slot, since: Instant::now(), opens: true }, make)
    }

    /// What is to be done about an error of this call.
    pub(super) fn sort(&self, call: &str, error: NvmlError) -> Trouble {
        // What a driver gives that is older than a struct that we ask with (ARGUMENT_VERSION_MISMATCH), or that has
        // dropped a call (DEPRECATED); the wrapper has no names for them.
        const OLDER: u32 = 25;
        const DROPPED: u32 = 26;
        match error {
            NvmlError::NotSupported
            | NvmlError::FailedToLoadSymbol(_)
            | NvmlError::FunctionNotFound
            | NvmlError::UnexpectedVariant(OLDER | DROPPED) => Trouble::Unsupported,
            NvmlError::GpuLost => Trouble::Stop(Stop::Lost),
            error => {
                let over = matches!(
                    error,
                    NvmlError::Uninitialized | NvmlError::DriverNotLoaded | NvmlError::LibRmVersionMismatch
                );
                let words = format!("{call}: {}", raw::nvml::words(self.nvml, error));
                if over { Trouble::Stop(Stop::Over(words)) } else { Trouble::Failed(words) }
            }
        }
    }

    fn make<T>(&self, under_way: UnderWay, make: impl FnOnce() -> Result<T, NvmlError>) -> Result<T, Trouble> {
        if self.watch.cancelled.load(Ordering::Relaxed) {
            return Err(Trouble::Stop(Stop::Cancelled));
        }
        self.watch.make(under_way, make).map_err(|error| self.sort(under_way.call, error))
    }
}

/// How long a call has taken, in words: `3 s`, `0.4 s`.
pub(super) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 && (seconds - seconds.round()).abs() > 0.05 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}
