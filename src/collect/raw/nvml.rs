//! The NVML calls that the wrapper has only as raw symbols.
//! Each fills a struct that it is handed and that outlives the call; the device's handle is valid while its `Nvml` lives.

use std::{
    ffi::{CStr, c_int, c_uint},
    mem::zeroed,
    path::Path,
};

use nvml_wrapper::{
    Device, Nvml,
    error::{NvmlError, nvml_sym, nvml_try},
};
use nvml_wrapper_sys::bindings::{
    NVML_GPU_FABRIC_HEALTH_SUMMARY_UNHEALTHY, NVML_GPU_FABRIC_STATE_COMPLETED, NVML_GPU_FABRIC_STATE_NOT_SUPPORTED,
    NvmlLib, nvmlEccSramErrorStatus_t, nvmlFieldValue_t, nvmlGpuFabricInfo_v2_t, nvmlGpuFabricInfo_v3_t,
    nvmlGpuFabricInfoV_t, nvmlMarginTemperature_t, nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    nvmlReturn_enum_NVML_ERROR_UNKNOWN, nvmlReturn_enum_NVML_SUCCESS, nvmlReturn_t, nvmlRowRemapperHistogramValues_t,
    nvmlValueType_t,
};

/// The scope of a field that is asked for over all links.
pub(in crate::collect) const ALL_LINKS: u32 = u32::MAX;

/// A field, and the link that it is asked for.
pub(in crate::collect) type LinkField = (u32, u32);

/// What NVML says of a struct's version: its size, and the version in the highest byte.
const fn version<T>(number: c_uint) -> c_uint {
    size_of::<T>() as c_uint | number << 24
}

/// Position in the catalogue's fabric states of how far the GPU's registration with the NVLink fabric went.
pub(in crate::collect) fn fabric(device: &Device<'_>) -> Result<u32, NvmlError> {
    const UNHEALTHY: u32 = NVML_GPU_FABRIC_STATE_COMPLETED + 1;
    let info = fabric_info(device)?;
    match u32::from(info.state) {
        NVML_GPU_FABRIC_STATE_NOT_SUPPORTED => Err(NvmlError::NotSupported),
        NVML_GPU_FABRIC_STATE_COMPLETED
            if info.status != nvmlReturn_enum_NVML_SUCCESS
                || u32::from(info.healthSummary) == NVML_GPU_FABRIC_HEALTH_SUMMARY_UNHEALTHY =>
        {
            Ok(UNHEALTHY)
        }
        state => Ok(state),
    }
}

/// The NVLink domain that the GPU is registered with: the cluster's UUID, and the clique within it. Nothing while it is
/// not registered, and where the domain ends with the node, whose cluster then has no UUID.
pub(in crate::collect) fn domain(device: &Device<'_>) -> Result<Option<String>, NvmlError> {
    let info = fabric_info(device)?;
    let is_in = u32::from(info.state) == NVML_GPU_FABRIC_STATE_COMPLETED && info.clusterUuid != [0; 16];
    let hex = format!("{:032x}", u128::from_be_bytes(info.clusterUuid));
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    Ok(is_in.then(|| format!("{}.{}", parts.join("-"), info.cliqueId)))
}

fn fabric_info(device: &Device<'_>) -> Result<nvmlGpuFabricInfoV_t, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetGpuFabricInfoV.as_ref())?;
    // SAFETY: a struct of integers, for which all zeroes is a valid value.
    let mut info: nvmlGpuFabricInfoV_t = unsafe { zeroed() };
    info.version = version::<nvmlGpuFabricInfo_v3_t>(3);
    // SAFETY: see the module's words.
    let mut code = unsafe { call(device.handle(), &raw mut info) };
    if code == nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH {
        // Drivers before 575 know the second version, which is the third without its last member.
        info.version = version::<nvmlGpuFabricInfo_v2_t>(2);
        // SAFETY: see the module's words; the struct is larger than the version that is asked for.
        code = unsafe { call(device.handle(), &raw mut info) };
    }
    nvml_try(code)?;
    Ok(info)
}

/// Values of fields that are asked for link by link, each with its own error.
pub(in crate::collect) fn link_fields(
    device: &Device<'_>,
    fields: &[LinkField],
) -> Result<Vec<Result<u64, NvmlError>>, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetFieldValues.as_ref())?;
    let ask = |(field, link): &LinkField| {
        // SAFETY: a struct of numbers, for which all zeroes is a valid value.
        let mut value: nvmlFieldValue_t = unsafe { zeroed() };
        (value.fieldId, value.scopeId) = (*field, *link);
        value
    };
    let mut values: Vec<nvmlFieldValue_t> = fields.iter().map(ask).collect();
    // SAFETY: see the module's words; the array holds as many fields as is said.
    nvml_try(unsafe { call(device.handle(), values.len() as c_int, values.as_mut_ptr()) })?;
    Ok(values.iter().map(|value| nvml_try(value.nvmlReturn).and_then(|()| whole_number(value))).collect())
}

/// The count that a field holds.
fn whole_number(field: &nvmlFieldValue_t) -> Result<u64, NvmlError> {
    use nvml_wrapper_sys::bindings::{
        nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT as SIGNED_INT,
        nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG as SIGNED_LONG_LONG,
        nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT as UNSIGNED_INT,
        nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG as UNSIGNED_LONG,
        nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG as UNSIGNED_LONG_LONG,
        nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_SHORT as UNSIGNED_SHORT,
    };
    const fn unexpected(kind: nvmlValueType_t) -> NvmlError {
        NvmlError::UnexpectedVariant(kind)
    }
    let (kind, value) = (field.valueType, &field.value);
    // SAFETY: the union was all zeroes and NVML has filled the member that it names; each is a plain number, for which
    // any bits are valid.
    let number = unsafe {
        match kind {
            UNSIGNED_INT => Some(value.uiVal.into()),
            UNSIGNED_LONG => Some(value.ulVal),
            UNSIGNED_LONG_LONG => Some(value.ullVal),
            SIGNED_LONG_LONG => u64::try_from(value.sllVal).ok(),
            SIGNED_INT => u64::try_from(value.siVal).ok(),
            UNSIGNED_SHORT => Some(value.usVal.into()),
            _ => None,
        }
    };
    number.ok_or(unexpected(kind))
}

/// How many memory banks have no spare rows left.
pub(in crate::collect) fn spent_banks(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetRowRemapperHistogram.as_ref())?;
    let mut values = nvmlRowRemapperHistogramValues_t { max: 0, high: 0, partial: 0, low: 0, none: 0 };
    // SAFETY: see the module's words.
    nvml_try(unsafe { call(device.handle(), &raw mut values) })?;
    Ok(values.none)
}

/// Whether SRAM errors have passed the threshold from which on the GPU should be replaced.
pub(in crate::collect) fn sram_threshold_exceeded(device: &Device<'_>) -> Result<bool, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetSramEccErrorStatus.as_ref())?;
    // SAFETY: a struct of integers, for which all zeroes is a valid value.
    let mut status: nvmlEccSramErrorStatus_t = unsafe { zeroed() };
    status.version = version::<nvmlEccSramErrorStatus_t>(1);
    // SAFETY: see the module's words.
    nvml_try(unsafe { call(device.handle(), &raw mut status) })?;
    Ok(status.bThresholdExceeded != 0)
}

/// Degrees that are left before the GPU slows down.
pub(in crate::collect) fn margin_temperature(device: &Device<'_>) -> Result<i32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetMarginTemperature.as_ref())?;
    let mut margin = nvmlMarginTemperature_t { version: version::<nvmlMarginTemperature_t>(1), marginTemperature: 0 };
    // SAFETY: see the module's words.
    nvml_try(unsafe { call(device.handle(), &raw mut margin) })?;
    Ok(margin.marginTemperature)
}

/// The driver's number for the GPU instance that a MIG device is on: what its GPM samples are asked by.
pub(in crate::collect) fn gpu_instance(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetGpuInstanceId.as_ref())?;
    let mut instance: c_uint = 0;
    // SAFETY: see the module's words.
    nvml_try(unsafe { call(device.handle(), &raw mut instance) })?;
    Ok(instance)
}

/// The driver's number for the compute instance that a MIG device is, on its GPU instance.
pub(in crate::collect) fn compute_instance(device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetComputeInstanceId.as_ref())?;
    let mut instance: c_uint = 0;
    // SAFETY: see the module's words.
    nvml_try(unsafe { call(device.handle(), &raw mut instance) })?;
    Ok(instance)
}

/// NVML's own words for an error of a call, and the wrapper's for one of its own.
pub(in crate::collect) fn words(nvml: &Nvml, error: NvmlError) -> String {
    let own = error.to_string();
    let code = nvmlReturn_t::from(error);
    let Ok(call) = nvml_sym(nvml.lib().nvmlErrorString.as_ref()) else { return own };
    // SAFETY: the call takes any number, and gives null or a string that lives as long as the library is loaded.
    let text = unsafe { call(code).as_ref().map(|text| CStr::from_ptr(text)) };
    // The wrapper gives UNKNOWN as the code of its own errors.
    let is_own = code == nvmlReturn_enum_NVML_ERROR_UNKNOWN && own != NvmlError::Unknown.to_string();
    text.filter(|_| !is_own).map_or(own, |text| text.to_string_lossy().into_owned())
}

/// Whether there is an NVML library at this path, without asking it for anything. The error is the loader's, in words.
pub(in crate::collect) fn check(library: &Path) -> Result<(), String> {
    // SAFETY: loading a library runs its code; which one is the choice of whoever starts the agent.
    let loaded = unsafe { NvmlLib::new(library) }.map_err(|error| {
        // The loader puts the path in front, and so does whoever says this.
        let text = error.to_string();
        let named = text.strip_prefix(&format!("{}: ", library.display()));
        named.map_or_else(|| text.clone(), str::to_owned)
    })?;
    loaded.nvmlInit_v2.map(drop).map_err(|error| error.to_string())
}
