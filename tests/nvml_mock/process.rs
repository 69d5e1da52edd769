//! Processes, and the MIG instances that they may run on.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlProcessInfo_t, nvmlProcessUtilizationSample_t,
    nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT as INVALID_ARGUMENT, nvmlReturn_enum_NVML_ERROR_NOT_FOUND as NOT_FOUND,
    nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED as NOT_SUPPORTED, nvmlReturn_t,
};

use crate::{
    calls::{undivided, whole},
    gpu::instance_id,
    out::{put, put_list},
    state::{answer_for, from_handle, handle},
};

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: nvmlDevice_t,
    room: *mut c_uint,
    out: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetComputeRunningProcesses_v3", device, |unit| {
        let process = |(pid, memory, _, instance): (u32, f64, u32, Option<usize>)| nvmlProcessInfo_t {
            pid,
            usedGpuMemory: memory as c_ulonglong,
            gpuInstanceId: instance.map_or(u32::MAX, instance_id),
            computeInstanceId: instance.map_or(u32::MAX, |_| 0),
        };
        let list: Vec<nvmlProcessInfo_t> = whole(unit)?.processes().into_iter().map(process).collect();
        // SAFETY: the caller's buffer and its size, as NVML demands them.
        unsafe { put_list(out, room, &list) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: nvmlDevice_t,
    room: *mut c_uint,
    out: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetGraphicsRunningProcesses_v3", device, |unit| {
        whole(unit)?;
        // SAFETY: the caller's buffer and its size, as NVML demands them.
        unsafe { put_list(out, room, &[]) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: nvmlDevice_t,
    out: *mut nvmlProcessUtilizationSample_t,
    room: *mut c_uint,
    since: c_ulonglong,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetProcessUtilization", device, |unit| {
        let timeStamp = (unit.seconds * 1e6) as c_ulonglong;
        let sample = |(pid, _, smUtil, _): (u32, f64, u32, Option<usize>)| nvmlProcessUtilizationSample_t {
            pid,
            timeStamp,
            smUtil,
            memUtil: 0,
            encUtil: 0,
            decUtil: 0,
        };
        let list: Vec<_> = undivided(unit)?.processes().into_iter().map(sample).collect();
        // As watched on hardware by others: nothing new since then is an error, not an empty list.
        if list.is_empty() || timeStamp <= since {
            return Err(NOT_FOUND);
        }
        // SAFETY: the caller's buffer and its size, as NVML demands them.
        unsafe { put_list(out, room, &list) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: nvmlDevice_t,
    index: c_uint,
    out: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetMigDeviceHandleByIndex", device, |unit| {
        let profiles = whole(unit)?.control.mig(unit.gpu).ok_or(NOT_SUPPORTED)?;
        if index as usize >= profiles.len() {
            return Err(NOT_FOUND);
        }
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, handle(unit.gpu, Some(index as usize))) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstanceId(device: nvmlDevice_t, out: *mut c_uint) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetGpuInstanceId", device, |unit| {
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, instance_id(unit.instance.ok_or(INVALID_ARGUMENT)?)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeInstanceId(device: nvmlDevice_t, out: *mut c_uint) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetComputeInstanceId", device, |unit| {
        // Each GPU instance here holds one compute instance.
        let id = unit.instance.map(|_| 0).ok_or(INVALID_ARGUMENT)?;
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, id) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceIsMigDeviceHandle(device: nvmlDevice_t, out: *mut c_uint) -> nvmlReturn_t {
    let instance = from_handle(device).is_some_and(|(_, instance)| instance.is_some());
    // SAFETY: the caller's pointer, as NVML demands it.
    answer_for("nvmlDeviceIsMigDeviceHandle", device, |_| unsafe { put(out, instance.into()) })
}
