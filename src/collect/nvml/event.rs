//! XIDs as NVML delivers them: one event set per GPU, because the wrapper drops a whole set on an error.

use std::time::Duration;

use nvml_wrapper::{Device, EventSet, bitmasks::event::EventTypes, enums::event::XidError, error::NvmlError};

use super::{
    call::{Caller, Stop, Trouble},
    rate::Due,
};
use crate::{collect::xid::Said, model::Time};

/// How long after a failed try the events of a GPU are asked for again.
const RETRY: Duration = Duration::from_mins(1);
/// Events that one round takes at most: a GPU in a storm of XIDs must not hold up the others.
const AT_ONCE: usize = 64;
/// What NVML gives for an XID that it has no number for.
const UNNAMED: u32 = 999;

/// Why NVML does not deliver the XIDs of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deaf {
    /// It has no such events.
    Unsupported,
    /// They could not be had, in words.
    Failed(String),
}

/// The events of one GPU.
#[derive(Default)]
pub(super) struct Events<'n> {
    set: Option<EventSet<'n>>,
    registered: Due,
    /// Why there is no set.
    pub(super) deaf: Option<Deaf>,
    looked: Option<Time>,
}

impl<'n> Events<'n> {
    /// Takes the XIDs that have come since the last look.
    pub(super) fn poll(
        &mut self,
        caller: Caller<'n>,
        device: &Device<'n>,
        bus: &str,
        now: Time,
    ) -> Result<Vec<Said>, Stop> {
        let unsupported = self.deaf == Some(Deaf::Unsupported);
        if self.set.is_none() && !unsupported && self.registered.is(now, RETRY) {
            self.registered.done(now);
            self.register(caller, device)?;
        }
        let Some(set) = &self.set else { return Ok(Vec::new()) };
        let after = self.looked.replace(now).unwrap_or(now);
        let mut said = Vec::new();
        for _ in 0..AT_ONCE {
            let event = caller.call("nvmlEventSetWait_v2", || match set.wait(0) {
                Err(NvmlError::Timeout) => Ok(None),
                event => event.map(|event| event.event_data),
            });
            let code = match event {
                Ok(Some(XidError::Value(code))) => u32::try_from(code).unwrap_or(UNNAMED),
                Ok(Some(XidError::Unknown)) => UNNAMED,
                // If the GPU is lost, the calls that follow find out; what came before is not lost with it.
                Ok(None) | Err(Trouble::Stop(Stop::Lost)) => break,
                Err(Trouble::Stop(stop)) => return Err(stop),
                Err(Trouble::Failed(why)) => {
                    (self.set, self.deaf) = (None, Some(Deaf::Failed(why)));
                    break;
                }
                Err(Trouble::Unsupported) => {
                    (self.set, self.deaf) = (None, Some(Deaf::Unsupported));
                    break;
                }
            };
            said.push(Said { bus: bus.to_owned(), code, after: after.min(now), until: now });
        }
        Ok(said)
    }

    fn register(&mut self, caller: Caller<'n>, device: &Device<'n>) -> Result<(), Stop> {
        match listen(caller, device) {
            Ok(set) => (self.set, self.deaf) = (Some(set), None),
            Err(Trouble::Unsupported) => self.deaf = Some(Deaf::Unsupported),
            Err(Trouble::Failed(why)) => self.deaf = Some(Deaf::Failed(why)),
            Err(Trouble::Stop(stop)) => return Err(stop),
        }
        Ok(())
    }
}

/// A set that the GPU's XIDs come to.
fn listen<'n>(caller: Caller<'n>, device: &Device<'n>) -> Result<EventSet<'n>, Trouble> {
    let xids = EventTypes::CRITICAL_XID_ERROR;
    let known = caller.call("nvmlDeviceGetSupportedEventTypes", || device.supported_event_types())?;
    if !known.contains(xids) {
        return Err(Trouble::Unsupported);
    }
    let set = caller.call("nvmlEventSetCreate", || caller.nvml.create_event_set())?;
    caller.call("nvmlDeviceRegisterEvents", || device.register_events(xids, set).map_err(|failed| failed.error))
}
