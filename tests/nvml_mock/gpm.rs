//! GPU performance monitoring: samples, and the metrics between two of them.

use std::{ffi::c_uint, time::Instant};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlGpmMetricsGet_t, nvmlGpmSample_t, nvmlGpmSupport_t,
    nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT as INVALID_ARGUMENT, nvmlReturn_enum_NVML_ERROR_NO_DATA as NO_DATA,
    nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED as NOT_SUPPORTED, nvmlReturn_enum_NVML_SUCCESS as SUCCESS, nvmlReturn_t,
};

use crate::{
    gpu::{Unit, instance_id},
    out::put,
    state::{answer, answer_for, seconds},
};

/// What a sample holds: whose it is, and when it was taken.
#[derive(Clone, Copy, Default)]
struct Sample(Option<(usize, Option<usize>, Instant)>);

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmQueryDeviceSupport(device: nvmlDevice_t, out: *mut nvmlGpmSupport_t) -> nvmlReturn_t {
    answer_for("nvmlGpmQueryDeviceSupport", device, |_| {
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, nvmlGpmSupport_t { version: 1, isSupportedDevice: 1 }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleAlloc(out: *mut nvmlGpmSample_t) -> nvmlReturn_t {
    answer("nvmlGpmSampleAlloc", |_| {
        let sample = Box::into_raw(Box::<Sample>::default());
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, sample.cast()) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleFree(sample: nvmlGpmSample_t) -> nvmlReturn_t {
    // SAFETY: a sample comes from `nvmlGpmSampleAlloc` and is freed once, as NVML demands it.
    drop(unsafe { Box::from_raw(sample.cast::<Sample>()) });
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleGet(device: nvmlDevice_t, sample: nvmlGpmSample_t) -> nvmlReturn_t {
    answer_for("nvmlGpmSampleGet", device, |unit| {
        // SAFETY: a sample comes from `nvmlGpmSampleAlloc`, as NVML demands it.
        unsafe { put(sample.cast(), Sample(Some((unit.gpu, None, Instant::now())))) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmMigSampleGet(
    device: nvmlDevice_t,
    gpu_instance: c_uint,
    sample: nvmlGpmSample_t,
) -> nvmlReturn_t {
    answer_for("nvmlGpmMigSampleGet", device, |unit| {
        let profiles = unit.control.mig(unit.gpu).ok_or(NOT_SUPPORTED)?;
        let instance = (0..profiles.len()).find(|i| instance_id(*i) == gpu_instance).ok_or(INVALID_ARGUMENT)?;
        // SAFETY: a sample comes from `nvmlGpmSampleAlloc`, as NVML demands it.
        unsafe { put(sample.cast(), Sample(Some((unit.gpu, Some(instance), Instant::now())))) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmMetricsGet(request: *mut nvmlGpmMetricsGet_t) -> nvmlReturn_t {
    answer("nvmlGpmMetricsGet", |control| {
        // SAFETY: the caller's own request, as NVML demands it; nothing else refers to it meanwhile.
        let request = unsafe { &mut *request };
        // SAFETY: both samples come from `nvmlGpmSampleAlloc`, as NVML demands it.
        let (first, second) = unsafe { (*request.sample1.cast::<Sample>(), *request.sample2.cast::<Sample>()) };
        let (Some((gpu, instance, from)), Some((_, _, to))) = (first.0, second.0) else {
            return Err(INVALID_ARGUMENT);
        };
        // Guess: samples must lie 100 ms apart, and what happens to nearer ones is not documented.
        if to.saturating_duration_since(from).as_millis() < 100 {
            return Err(NO_DATA);
        }
        let unit = Unit { gpu, instance, seconds: seconds(), control: control.clone() };
        for metric in &mut request.metrics[..request.numMetrics as usize] {
            // Guess: PCIe and NVLink traffic belong to the whole GPU, so an instance has none.
            let value = unit.gpm(metric.metricId).filter(|_| instance.is_none() || metric.metricId < 20);
            metric.nvmlReturn = control
                .fails(Some(gpu), &format!("gpm:{}", metric.metricId))
                .unwrap_or(if value.is_some() { SUCCESS } else { NOT_SUPPORTED });
            metric.value = value.unwrap_or(f64::NAN);
        }
        Ok(())
    })
}
