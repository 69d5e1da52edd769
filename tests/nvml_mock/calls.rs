//! The functions themselves, apart from those of events, GPM, processes and MIG instances.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong};

#[allow(clippy::wildcard_imports)] // Every function here is about half a dozen of these names.
use nvml_wrapper_sys::bindings::*;

use crate::{
    control::Control,
    gpu::{LINKS, Unit},
    out::{put, put_text},
    state::{answer, answer_for, handle, state},
};

const INVALID_ARGUMENT: nvmlReturn_t = nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT;
const NOT_SUPPORTED: nvmlReturn_t = nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED;

/// Guess: a MIG instance refuses what only its GPU has as an invalid argument.
pub(crate) fn whole(unit: &Unit) -> Result<&Unit, nvmlReturn_t> {
    if unit.instance.is_some() { Err(INVALID_ARGUMENT) } else { Ok(unit) }
}

/// With MIG on, a GPU has no utilisation.
pub(crate) fn undivided(unit: &Unit) -> Result<&Unit, nvmlReturn_t> {
    if unit.control.mig(unit.gpu).is_some() { Err(NOT_SUPPORTED) } else { whole(unit) }
}

/// Functions that give one number about a whole GPU.
macro_rules! numbers {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty = |$unit:ident| $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: nvmlDevice_t, $($arg: $ty,)* out: *mut $out) -> nvmlReturn_t {
            answer_for(stringify!($name), device, |unit| {
                let $unit = whole(unit)?;
                let value: Result<f64, nvmlReturn_t> = $value;
                // SAFETY: the caller's pointer, as NVML demands it.
                unsafe { put(out, value? as $out) }
            })
        }
    )*};
}

numbers! {
    nvmlDeviceGetPowerUsage() -> c_uint = |unit| Ok(unit.milliwatts());
    nvmlDeviceGetEnforcedPowerLimit() -> c_uint = |unit| Ok(1000.0 * unit.set("power.limit", 700.0));
    nvmlDeviceGetTotalEnergyConsumption() -> c_ulonglong = |unit| Ok(unit.millijoules());
    nvmlDeviceGetTemperature(_sensor: nvmlTemperatureSensors_t) -> c_uint = |unit| Ok(unit.temp());
    nvmlDeviceGetTemperatureThreshold(threshold: nvmlTemperatureThresholds_t) -> c_uint = |_unit| match threshold {
        nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_SLOWDOWN => Ok(87.0),
        nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_SHUTDOWN => Ok(92.0),
        nvmlTemperatureThresholds_enum_NVML_TEMPERATURE_THRESHOLD_MEM_MAX => Ok(95.0),
        _ => Err(NOT_SUPPORTED),
    };
    nvmlDeviceGetPersistenceMode() -> nvmlEnableState_t = |unit| Ok(unit.set("persistence", 1.0));
    nvmlDeviceGetCurrentClocksThrottleReasons() -> c_ulonglong = |unit| Ok(unit.throttle());
    nvmlDeviceGetClockInfo(kind: nvmlClockType_t) -> c_uint = |unit| match kind {
        nvmlClockType_enum_NVML_CLOCK_MEM => Ok(2619.0),
        _ => Ok(unit.clock_sm()),
    };
    nvmlDeviceGetMaxClockInfo(kind: nvmlClockType_t) -> c_uint = |unit| match kind {
        nvmlClockType_enum_NVML_CLOCK_MEM => Ok(2619.0),
        _ => Ok(unit.set("clock.sm.max", 1980.0)),
    };
    nvmlDeviceGetPerformanceState() -> nvmlPstates_t = |unit| Ok(unit.set("pstate", 0.0));
    // An SXM board has no fans. Guess: it says so instead of counting none.
    nvmlDeviceGetNumFans() -> c_uint = |unit| unit.control.value(unit.gpu, "fan").map(|_| 2.0).ok_or(NOT_SUPPORTED);
    nvmlDeviceGetFanSpeed_v2(fan: c_uint) -> c_uint = |unit| {
        unit.control.value(unit.gpu, "fan").map(|percent| percent - f64::from(fan)).ok_or(NOT_SUPPORTED)
    };
    nvmlDeviceGetCurrPcieLinkGeneration() -> c_uint = |unit| Ok(unit.set("pcie.gen", 5.0));
    nvmlDeviceGetCurrPcieLinkWidth() -> c_uint = |unit| Ok(unit.set("pcie.width", 16.0));
    nvmlDeviceGetMaxPcieLinkGeneration() -> c_uint = |_unit| Ok(5.0);
    nvmlDeviceGetMaxPcieLinkWidth() -> c_uint = |_unit| Ok(16.0);
    nvmlDeviceGetPcieReplayCounter() -> c_uint = |unit| Ok(unit.set("pcie.replay", 0.0));
    nvmlDeviceGetPcieThroughput(counter: nvmlPcieUtilCounter_t) -> c_uint = |unit| {
        // As documented, it watches the link for 20 ms. In KB/s.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let (rx, tx) = unit.pcie();
        Ok(if counter == nvmlPcieUtilCounter_enum_NVML_PCIE_UTIL_TX_BYTES { tx / 1e3 } else { rx / 1e3 })
    };
    nvmlDeviceGetTotalEccErrors(kind: nvmlMemoryErrorType_t, _counter: nvmlEccCounterType_t) -> c_ulonglong = |unit| {
        let corrected = kind == nvmlMemoryErrorType_enum_NVML_MEMORY_ERROR_TYPE_CORRECTED;
        Ok(unit.set(if corrected { "ecc.sbe" } else { "ecc.dbe" }, 0.0))
    };
    nvmlDeviceGetNvLinkState(link: c_uint) -> nvmlEnableState_t = |unit| {
        let up = unit.set("nvlink.links", LINKS.into());
        if link < LINKS { Ok(f64::from(u8::from(f64::from(link) < up))) } else { Err(INVALID_ARGUMENT) }
    };
    // An H100 counts by fields instead.
    nvmlDeviceGetNvLinkErrorCounter(_link: c_uint, _counter: nvmlNvLinkErrorCounter_t) -> c_ulonglong =
        |_unit| Err(NOT_SUPPORTED);
    nvmlDeviceGetMaxMigDeviceCount() -> c_uint = |_unit| Ok(7.0);
}

/// Functions that give two things about a whole GPU.
macro_rules! pairs {
    ($($name:ident -> $first:ty, $second:ty = |$unit:ident| $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: nvmlDevice_t, first: *mut $first, second: *mut $second) -> nvmlReturn_t {
            answer_for(stringify!($name), device, |unit| {
                let $unit = unit;
                let value: Result<(f64, f64), nvmlReturn_t> = $value;
                let (one, two) = value?;
                // SAFETY: the caller's pointers, as NVML demands them.
                unsafe { put(first, one as $first).and_then(|()| put(second, two as $second)) }
            })
        }
    )*};
}

pairs! {
    nvmlDeviceGetEncoderUtilization -> c_uint, c_uint = |unit| undivided(unit).map(|unit| (unit.set("enc", 0.0), 1e6));
    nvmlDeviceGetDecoderUtilization -> c_uint, c_uint = |unit| undivided(unit).map(|unit| (unit.set("dec", 3.0), 1e6));
    nvmlDeviceGetEccMode -> nvmlEnableState_t, nvmlEnableState_t = |unit| {
        whole(unit).map(|unit| (unit.set("ecc.on", 1.0), 1.0))
    };
    nvmlDeviceGetGspFirmwareMode -> c_uint, c_uint = |unit| whole(unit).map(|unit| (unit.set("gsp", 1.0), 1.0));
    nvmlDeviceGetMigMode -> c_uint, c_uint = |unit| {
        let on = f64::from(u8::from(unit.control.mig(unit.gpu).is_some()));
        whole(unit).map(|_| (on, on))
    };
}

/// Functions that give a string.
macro_rules! texts {
    ($($name:ident = |$unit:ident| $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: nvmlDevice_t, out: *mut c_char, room: c_uint) -> nvmlReturn_t {
            answer_for(stringify!($name), device, |unit| {
                let $unit = unit;
                // SAFETY: the caller's buffer, as NVML demands it.
                unsafe { put_text(out, room, &$value) }
            })
        }
    )*};
}

texts! {
    nvmlDeviceGetUUID = |unit| unit.uuid();
    nvmlDeviceGetName = |unit| match unit.profile() {
        Some(profile) => format!("NVIDIA H100 80GB HBM3 MIG {profile}"),
        None => "NVIDIA H100 80GB HBM3".into(),
    };
    nvmlDeviceGetSerial = |unit| format!("16521230{:05}", whole(unit)?.gpu);
    nvmlDeviceGetVbiosVersion = |unit| whole(unit).map(|_| "96.00.A5.00.01")?;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlInit_v2() -> nvmlReturn_t {
    answer("nvmlInit_v2", |_| {
        state().opened += 1;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlShutdown() -> nvmlReturn_t {
    answer("nvmlShutdown", |_| {
        state().opened -= 1;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlErrorString(code: nvmlReturn_t) -> *const c_char {
    // The words of a real library, as `nvidia-smi` shows them.
    let words: &CStr = match code {
        nvmlReturn_enum_NVML_SUCCESS => c"The operation was successful",
        nvmlReturn_enum_NVML_ERROR_UNINITIALIZED => c"Uninitialized",
        INVALID_ARGUMENT => c"Invalid Argument",
        NOT_SUPPORTED => c"Not Supported",
        nvmlReturn_enum_NVML_ERROR_NO_PERMISSION => c"Insufficient Permissions",
        nvmlReturn_enum_NVML_ERROR_NOT_FOUND => c"Not Found",
        nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE => c"Insufficient Size",
        nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED => c"Driver Not Loaded",
        nvmlReturn_enum_NVML_ERROR_TIMEOUT => c"Timeout",
        nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST => c"GPU is lost",
        nvmlReturn_enum_NVML_ERROR_LIB_RM_VERSION_MISMATCH => c"Driver/library version mismatch",
        _ => c"Unknown Error",
    };
    words.as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(out: *mut c_char, room: c_uint) -> nvmlReturn_t {
    answer("nvmlSystemGetDriverVersion", |control: &Control| {
        // SAFETY: the caller's buffer, as NVML demands it.
        unsafe { put_text(out, room, &control.driver) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(out: *mut c_int) -> nvmlReturn_t {
    // SAFETY: the caller's pointer, as NVML demands it.
    answer("nvmlSystemGetCudaDriverVersion_v2", |_| unsafe { put(out, 12_080) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(out: *mut c_uint) -> nvmlReturn_t {
    // SAFETY: the caller's pointer, as NVML demands it.
    answer("nvmlDeviceGetCount_v2", |control| unsafe { put(out, control.listed().len() as c_uint) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, out: *mut nvmlDevice_t) -> nvmlReturn_t {
    let mut found = None;
    let code = answer("nvmlDeviceGetHandleByIndex_v2", |control| {
        let gpu = *control.listed().get(index as usize).ok_or(INVALID_ARGUMENT)?;
        found = Some(handle(gpu, None));
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, handle(gpu, None)) }
    });
    // A handle can be refused, or can hang, by the GPU that it is for.
    match found {
        Some(device) if code == nvmlReturn_enum_NVML_SUCCESS => {
            answer_for("nvmlDeviceGetHandleByIndex_v2", device, |_| Ok(()))
        }
        _ => code,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: nvmlDevice_t, out: *mut nvmlPciInfo_t) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetPciInfo_v3", device, |unit| {
        let (domain, bus, slot) = whole(unit)?.address();
        // SAFETY: the struct holds integers only, for which all zeroes is a valid value.
        let mut info: nvmlPciInfo_t = unsafe { std::mem::zeroed() };
        (info.domain, info.bus, info.device) = (domain, bus, slot);
        (info.pciDeviceId, info.pciSubSystemId) = (0x2330_10de, 0x16c1_10de);
        for (at, byte) in format!("{domain:08X}:{bus:02X}:{slot:02X}.0").bytes().enumerate() {
            info.busId[at] = byte as c_char;
        }
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, info) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: nvmlDevice_t, out: *mut nvmlUtilization_t) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetUtilizationRates", device, |unit| {
        let gpu = undivided(unit)?.util() as c_uint;
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, nvmlUtilization_t { gpu, memory: gpu / 2 }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: nvmlDevice_t, out: *mut nvmlMemory_v2_t) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetMemoryInfo_v2", device, |unit| {
        let (total, reserved, used) = unit.memory();
        let (total, reserved, used) = (total as u64, reserved as u64, used as u64);
        let version = size_of::<nvmlMemory_v2_t>() as c_uint | 2 << 24;
        let free = total.saturating_sub(reserved + used);
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, nvmlMemory_v2_t { version, total, reserved, free, used }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMarginTemperature(
    device: nvmlDevice_t,
    out: *mut nvmlMarginTemperature_t,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetMarginTemperature", device, |unit| {
        // SAFETY: the caller's pointer, as NVML demands it.
        let margin = unsafe { out.as_mut() }.ok_or(INVALID_ARGUMENT)?;
        versioned(margin.version, size_of::<nvmlMarginTemperature_t>(), 1)?;
        margin.marginTemperature = (87.0 - whole(unit)?.temp()) as c_int;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSramEccErrorStatus(
    device: nvmlDevice_t,
    out: *mut nvmlEccSramErrorStatus_t,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetSramEccErrorStatus", device, |unit| {
        // SAFETY: the caller's pointer, as NVML demands it.
        let status = unsafe { out.as_mut() }.ok_or(INVALID_ARGUMENT)?;
        versioned(status.version, size_of::<nvmlEccSramErrorStatus_t>(), 1)?;
        status.bThresholdExceeded = whole(unit)?.set("ecc.sram", 0.0) as c_uint;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRowRemapperHistogram(
    device: nvmlDevice_t,
    out: *mut nvmlRowRemapperHistogramValues_t,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetRowRemapperHistogram", device, |unit| {
        let none = whole(unit)?.set("remap.spent", 0.0) as c_uint;
        let values = nvmlRowRemapperHistogramValues_t { max: 2560 - none, high: 0, partial: 0, low: 0, none };
        // SAFETY: the caller's pointer, as NVML demands it.
        unsafe { put(out, values) }
    })
}

/// Knows the second version of the struct and the third, as a driver since 575 does; `fabric.old` knows the second.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuFabricInfoV(
    device: nvmlDevice_t,
    out: *mut nvmlGpuFabricInfo_v2_t,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetGpuFabricInfoV", device, |unit| {
        let unit = whole(unit)?;
        // SAFETY: the caller's pointer; the second version is where the third begins.
        let info = unsafe { out.as_mut() }.ok_or(INVALID_ARGUMENT)?;
        let third = versioned(info.version, size_of::<nvmlGpuFabricInfo_v3_t>(), 3).is_ok();
        if !third || unit.control.value(unit.gpu, "fabric.old").is_some() {
            versioned(info.version, size_of::<nvmlGpuFabricInfo_v2_t>(), 2)?;
        }
        info.state = unit.set("fabric", 3.0) as u8;
        info.clusterUuid[15] = unit.set("fabric.cluster", 0.0) as u8;
        info.cliqueId = unit.set("fabric.clique", 0.0) as c_uint;
        info.status = unit.set("fabric.status", 0.0) as nvmlReturn_t;
        if third {
            let health = unit.set("fabric.health", f64::from(NVML_GPU_FABRIC_HEALTH_SUMMARY_HEALTHY)) as u8;
            // SAFETY: the caller said by its version that the struct is the third's.
            unsafe { (*out.cast::<nvmlGpuFabricInfo_v3_t>()).healthSummary = health };
        }
        Ok(())
    })
}

/// What NVML checks of a struct that says its own size and version.
fn versioned(asked: c_uint, size: usize, version: c_uint) -> Result<(), nvmlReturn_t> {
    let known = size as c_uint | version << 24;
    if asked == known { Ok(()) } else { Err(nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: nvmlDevice_t,
    count: c_int,
    values: *mut nvmlFieldValue_t,
) -> nvmlReturn_t {
    answer_for("nvmlDeviceGetFieldValues", device, |unit| {
        let unit = whole(unit)?;
        // As an H200 does with driver 580.
        if count < 1 {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: the caller's array, as NVML demands it.
        let values = unsafe { std::slice::from_raw_parts_mut(values, count as usize) };
        for field in values {
            let value = unit.field(field.fieldId, field.scopeId);
            let refused = unit.control.fails(Some(unit.gpu), &format!("field:{}", field.fieldId));
            field.nvmlReturn = refused.unwrap_or(if value.is_some() { 0 } else { NOT_SUPPORTED });
            match field.fieldId {
                82 | 91 | 142..=145 | 230 => {
                    field.valueType = nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT;
                    field.value.uiVal = value.unwrap_or(0.0) as c_uint;
                }
                _ => {
                    field.valueType = nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
                    field.value.ullVal = value.unwrap_or(0.0) as c_ulonglong;
                }
            }
        }
        Ok(())
    })
}
