//! The calls that give one or a few values of a whole GPU: one row each. To add one, add a row.

use nvml_wrapper::{
    Device,
    bitmasks::device::ThrottleReasons,
    enum_wrappers::device::{
        Clock, EccCounter, MemoryError, PerformanceState, TemperatureSensor, TemperatureThreshold,
    },
    error::NvmlError,
    structs::device::FieldId,
    sys_exports::field_id as id,
};

use super::batch::number;
use crate::{
    collect::raw,
    model::{MetricId, metric::gpu},
};

/// How often something is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Every round.
    Round,
    /// With the batch of field values.
    Fields,
    /// With the inventory.
    Inventory,
}

/// Takes the values that a call gave, in their metric's unit.
type Put<'a> = &'a mut dyn FnMut(MetricId, f64);

/// One call.
pub(super) struct Probe {
    /// Its name, as NVIDIA's documentation has it.
    pub(super) call: &'static str,
    /// The metrics that it gives.
    pub(super) metrics: &'static [MetricId],
    /// How often it is made.
    pub(super) pace: Pace,
    /// Makes it.
    pub(super) read: fn(&Device<'_>, Put<'_>) -> Result<(), NvmlError>,
}

/// A row: call, pace, metrics, and how the value of the first of them is read.
const fn one(
    call: &'static str,
    pace: Pace,
    metrics: &'static [MetricId],
    read: fn(&Device<'_>, Put<'_>) -> Result<(), NvmlError>,
) -> Probe {
    Probe { call, metrics, pace, read }
}

/// What a GPU and each of its MIG instances has.
pub(super) const MEMORY: Probe =
    one("nvmlDeviceGetMemoryInfo_v2", Pace::Round, &[gpu::MEM_USED, gpu::MEM_TOTAL, gpu::MEM_UTIL], |device, put| {
        let memory = device.memory_info()?;
        put(gpu::MEM_USED, memory.used as f64);
        put(gpu::MEM_TOTAL, memory.total as f64);
        // No memory has no share in use: not a number, which reads as unknown.
        put(gpu::MEM_UTIL, 100.0 * memory.used as f64 / memory.total as f64);
        Ok(())
    });

/// PCIe traffic of GPUs that have neither byte counters nor GPM. Each of the two calls watches the link for 20 ms.
pub(super) const THROUGHPUT: Probe =
    one("nvmlDeviceGetPcieThroughput", Pace::Fields, &[gpu::PCIE_RX, gpu::PCIE_TX], |device, put| {
        use nvml_wrapper::enum_wrappers::device::PcieUtilCounter::{Receive, Send};
        // In units of 1000 bytes a second.
        put(gpu::PCIE_RX, 1000.0 * f64::from(device.pcie_throughput(Receive)?));
        put(gpu::PCIE_TX, 1000.0 * f64::from(device.pcie_throughput(Send)?));
        Ok(())
    });

/// What only a whole GPU has.
pub(super) static PROBES: &[Probe] = &[
    one("nvmlDeviceGetUtilizationRates", Pace::Round, &[gpu::UTIL], |device, put| {
        put(gpu::UTIL, device.utilization_rates()?.gpu.into());
        Ok(())
    }),
    MEMORY,
    one("nvmlDeviceGetPowerUsage", Pace::Round, &[gpu::POWER], |device, put| {
        put(gpu::POWER, f64::from(device.power_usage()?) / 1000.0);
        Ok(())
    }),
    one("nvmlDeviceGetTotalEnergyConsumption", Pace::Round, &[gpu::ENERGY], |device, put| {
        put(gpu::ENERGY, device.total_energy_consumption()? as f64 / 1000.0);
        Ok(())
    }),
    one("nvmlDeviceGetTemperature", Pace::Round, &[gpu::TEMP], |device, put| {
        put(gpu::TEMP, device.temperature(TemperatureSensor::Gpu)?.into());
        Ok(())
    }),
    one("nvmlDeviceGetMarginTemperature", Pace::Round, &[gpu::TEMP_MARGIN], |device, put| {
        put(gpu::TEMP_MARGIN, raw::nvml::margin_temperature(device)?.into());
        Ok(())
    }),
    one("nvmlDeviceGetCurrentClocksThrottleReasons", Pace::Round, &[gpu::THROTTLE], |device, put| {
        put(gpu::THROTTLE, throttle_bits(device.current_throttle_reasons()?));
        Ok(())
    }),
    one("nvmlDeviceGetClockInfo (SM)", Pace::Round, &[gpu::CLOCK_SM], |device, put| {
        put(gpu::CLOCK_SM, device.clock_info(Clock::SM)?.into());
        Ok(())
    }),
    one("nvmlDeviceGetClockInfo (memory)", Pace::Round, &[gpu::CLOCK_MEM], |device, put| {
        put(gpu::CLOCK_MEM, device.clock_info(Clock::Memory)?.into());
        Ok(())
    }),
    one("nvmlDeviceGetPerformanceState", Pace::Round, &[gpu::PSTATE], |device, put| {
        let state = device.performance_state()?;
        put(gpu::PSTATE, if state == PerformanceState::Unknown { f64::NAN } else { state.as_c().into() });
        Ok(())
    }),
    one("nvmlDeviceGetCurrPcieLinkGeneration", Pace::Round, &[gpu::PCIE_GEN], |device, put| {
        put(gpu::PCIE_GEN, device.current_pcie_link_gen()?.into());
        Ok(())
    }),
    one("nvmlDeviceGetCurrPcieLinkWidth", Pace::Round, &[gpu::PCIE_WIDTH], |device, put| {
        put(gpu::PCIE_WIDTH, device.current_pcie_link_width()?.into());
        Ok(())
    }),
    one("nvmlDeviceGetFanSpeed_v2", Pace::Fields, &[gpu::FAN], |device, put| {
        let fans = device.num_fans()?;
        let speeds = (0..fans).map(|fan| device.fan_speed(fan)).collect::<Result<Vec<u32>, NvmlError>>()?;
        let fastest = speeds.into_iter().max().ok_or(NvmlError::NotSupported)?;
        put(gpu::FAN, fastest.into());
        Ok(())
    }),
    one("nvmlDeviceGetEnforcedPowerLimit", Pace::Fields, &[gpu::POWER_LIMIT], |device, put| {
        put(gpu::POWER_LIMIT, f64::from(device.enforced_power_limit()?) / 1000.0);
        Ok(())
    }),
    one("nvmlDeviceGetEncoderUtilization", Pace::Fields, &[gpu::ENC], |device, put| {
        put(gpu::ENC, device.encoder_utilization()?.utilization.into());
        Ok(())
    }),
    one("nvmlDeviceGetDecoderUtilization", Pace::Fields, &[gpu::DEC], |device, put| {
        put(gpu::DEC, device.decoder_utilization()?.utilization.into());
        Ok(())
    }),
    one("nvmlDeviceGetPcieReplayCounter", Pace::Fields, &[gpu::PCIE_REPLAY], |device, put| {
        put(gpu::PCIE_REPLAY, device.pcie_replay_counter()?.into());
        Ok(())
    }),
    one("nvmlDeviceGetTotalEccErrors (corrected)", Pace::Fields, &[gpu::ECC_SBE], |device, put| {
        put(gpu::ECC_SBE, device.total_ecc_errors(MemoryError::Corrected, EccCounter::Volatile)? as f64);
        Ok(())
    }),
    one("nvmlDeviceGetTotalEccErrors (uncorrected)", Pace::Fields, &[gpu::ECC_DBE], |device, put| {
        put(gpu::ECC_DBE, device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)? as f64);
        Ok(())
    }),
    one("nvmlDeviceGetSramEccErrorStatus", Pace::Fields, &[gpu::ECC_SRAM], |device, put| {
        put(gpu::ECC_SRAM, f64::from(u8::from(raw::nvml::sram_threshold_exceeded(device)?)));
        Ok(())
    }),
    one("nvmlDeviceGetEccMode", Pace::Fields, &[gpu::ECC_ON], |device, put| {
        put(gpu::ECC_ON, f64::from(u8::from(device.is_ecc_enabled()?.currently_enabled)));
        Ok(())
    }),
    one("nvmlDeviceGetPersistenceMode", Pace::Fields, &[gpu::PERSISTENCE], |device, put| {
        put(gpu::PERSISTENCE, f64::from(u8::from(device.is_in_persistent_mode()?)));
        Ok(())
    }),
    one("nvmlDeviceGetRowRemapperHistogram", Pace::Fields, &[gpu::REMAP_SPENT], |device, put| {
        put(gpu::REMAP_SPENT, raw::nvml::spent_banks(device)?.into());
        Ok(())
    }),
    // GPUs since Ampere have none of them: no place in the batch that all GPUs are asked for.
    one(
        "nvmlDeviceGetFieldValues (retired pages)",
        Pace::Fields,
        &[gpu::RETIRED, gpu::RETIRED_PENDING],
        |device, put| {
            let fields = [id::NVML_FI_DEV_RETIRED_SBE, id::NVML_FI_DEV_RETIRED_DBE, id::NVML_FI_DEV_RETIRED_PENDING];
            let answers = device.field_values_for(&fields.map(FieldId))?;
            let values = answers.into_iter().map(|answer| answer?.value.map(|value| number(&value)));
            let [single, double, pending] = values.collect::<Result<Vec<f64>, NvmlError>>()?[..] else {
                return Err(NvmlError::Unknown);
            };
            put(gpu::RETIRED, single + double);
            put(gpu::RETIRED_PENDING, pending);
            Ok(())
        },
    ),
    one("nvmlDeviceGetGpuFabricInfoV", Pace::Fields, &[gpu::FABRIC], |device, put| {
        put(gpu::FABRIC, raw::nvml::fabric(device)?.into());
        Ok(())
    }),
    one("nvmlDeviceGetTemperatureThreshold", Pace::Inventory, &[gpu::TEMP_LIMIT], |device, put| {
        put(gpu::TEMP_LIMIT, device.temperature_threshold(TemperatureThreshold::Slowdown)?.into());
        Ok(())
    }),
    one("nvmlDeviceGetTemperatureThreshold (memory)", Pace::Inventory, &[gpu::TEMP_MEM_LIMIT], |device, put| {
        put(gpu::TEMP_MEM_LIMIT, device.temperature_threshold(TemperatureThreshold::MemoryMax)?.into());
        Ok(())
    }),
    one("nvmlDeviceGetMaxClockInfo (SM)", Pace::Inventory, &[gpu::CLOCK_SM_MAX], |device, put| {
        put(gpu::CLOCK_SM_MAX, device.max_clock_info(Clock::SM)?.into());
        Ok(())
    }),
    one("nvmlDeviceGetMaxPcieLinkGeneration", Pace::Inventory, &[gpu::PCIE_GEN_MAX], |device, put| {
        put(gpu::PCIE_GEN_MAX, device.max_pcie_link_gen()?.into());
        Ok(())
    }),
    one("nvmlDeviceGetMaxPcieLinkWidth", Pace::Inventory, &[gpu::PCIE_WIDTH_MAX], |device, put| {
        put(gpu::PCIE_WIDTH_MAX, device.max_pcie_link_width()?.into());
        Ok(())
    }),
];

/// The catalogue names NVML's bits in their order, and the wrapper drops those that it does not know.
fn throttle_bits(reasons: ThrottleReasons) -> f64 {
    let known = (1 << gpu::THROTTLE_REASONS.len()) - 1;
    (reasons.bits() & known) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_names_the_bits_as_nvml_does() {
        let bit = |reason: ThrottleReasons| gpu::THROTTLE_REASONS[reason.bits().trailing_zeros() as usize];
        assert_eq!(bit(ThrottleReasons::GPU_IDLE), "idle");
        assert_eq!(bit(ThrottleReasons::SW_POWER_CAP), "power_cap");
        assert_eq!(bit(ThrottleReasons::HW_SLOWDOWN), "hw_slowdown");
        assert_eq!(bit(ThrottleReasons::HW_THERMAL_SLOWDOWN), "hw_thermal");
        assert_eq!(bit(ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN), "power_brake");
        assert_eq!(bit(ThrottleReasons::DISPLAY_CLOCK_SETTING), "display");
    }
}
