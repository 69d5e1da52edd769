//! Event sets: who listens to which GPU, and the XIDs that wait to be fetched.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::{c_uint, c_ulonglong},
    thread,
    time::{Duration, Instant},
};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlEventTypeXidCriticalError,
    nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST as GPU_IS_LOST,
    nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT as INVALID_ARGUMENT, nvmlReturn_enum_NVML_ERROR_TIMEOUT as TIMEOUT,
    nvmlReturn_t,
};

use crate::{
    out::put,
    state::{answer, answer_for, handle, state},
};

/// All sets there are, by their handle.
#[derive(Default)]
pub(crate) struct Sets {
    last: usize,
    sets: BTreeMap<usize, Set>,
}

#[derive(Default)]
struct Set {
    gpus: Vec<usize>,
    waiting: VecDeque<(usize, u64)>,
}

impl Sets {
    /// Hands an XID to every set that listens to the GPU.
    pub(crate) fn raise(&mut self, gpu: usize, code: u64) {
        for set in self.sets.values_mut().filter(|set| set.gpus.contains(&gpu)) {
            set.waiting.push_back((gpu, code));
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(out: *mut nvmlEventSet_t) -> nvmlReturn_t {
    answer("nvmlEventSetCreate", |_| {
        let sets = &mut state().sets;
        sets.last += 1;
        sets.sets.insert(sets.last, Set::default());
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, std::ptr::without_provenance_mut(sets.last)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetFree(set: nvmlEventSet_t) -> nvmlReturn_t {
    answer("nvmlEventSetFree", |_| state().sets.sets.remove(&set.addr()).map(drop).ok_or(INVALID_ARGUMENT))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSupportedEventTypes(device: nvmlDevice_t, out: *mut c_ulonglong) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetSupportedEventTypes", device, |_| {
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, u64::from(nvmlEventTypeXidCriticalError)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceRegisterEvents(
    device: nvmlDevice_t,
    types: c_ulonglong,
    set: nvmlEventSet_t,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceRegisterEvents", device, |unit| {
        let mut state = state();
        let set = state.sets.sets.get_mut(&set.addr()).ok_or(INVALID_ARGUMENT)?;
        if types & u64::from(nvmlEventTypeXidCriticalError) != 0 {
            set.gpus.push(unit.gpu);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(
    set: nvmlEventSet_t,
    out: *mut nvmlEventData_t,
    timeout_ms: c_uint,
) -> nvmlReturn_t {
    let deadline = Instant::now() + Duration::from_millis(timeout_ms.into());
    answer("nvmlEventSetWait_v2", |control| {
        loop {
            {
                let mut state = state();
                let set = state.sets.sets.get_mut(&set.addr()).ok_or(INVALID_ARGUMENT)?;
                // As documented: after several XIDs, each event carries the last one.
                let last = set.waiting.back().map(|(_, code)| *code);
                if let (Some((gpu, _)), Some(code)) = (set.waiting.pop_front(), last) {
                    let event = nvmlEventData_t {
                        device: handle(gpu, None),
                        eventType: nvmlEventTypeXidCriticalError.into(),
                        eventData: code,
                        gpuInstanceId: u32::MAX,
                        computeInstanceId: u32::MAX,
                    };
                    // SAFETY: the caller's pointer, as NVML demands it.
                    return unsafe { put(out, event) };
                }
                // Guess: events that were there before the GPU was lost are still delivered.
                if set.gpus.iter().any(|gpu| control.lost(*gpu)) {
                    return Err(GPU_IS_LOST);
                }
            }
            if Instant::now() >= deadline {
                return Err(TIMEOUT);
            }
            thread::sleep(Duration::from_millis(1));
        }
    })
}
