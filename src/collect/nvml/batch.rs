//! The values that NVML gives as numbered fields, all in one call: memory temperature, remapped rows, what a GPU needs to
//! recover, PCIe bytes.

use std::time::Instant;

use nvml_wrapper::{
    Device, enums::device::SampleValue, error::NvmlError, structs::device::FieldId, sys_exports::field_id as id,
};

use super::{
    call::{Caller, Stop, Trouble},
    news::Sheet,
    rate::Counter,
};
use crate::model::{Gap, MetricId, metric::gpu};

const CALL: &str = "nvmlDeviceGetFieldValues";
/// Nothing sends more over PCIe: 16 lanes of generation 7.
const FASTEST: f64 = 256e9;

/// The fields that this GPU has.
///
/// None of them is among 251 to 273, which driver 580.82 numbered anew. Whoever adds one of those passes the old
/// number: the wrapper maps it.
pub(super) struct Batch {
    fields: Vec<Field>,
    /// Whether the GPU counts the bytes that go over PCIe; nothing before it was asked.
    counts_pcie: Option<bool>,
}

struct Field {
    id: u32,
    metric: MetricId,
    /// For a field that counts bytes: what it was before.
    counter: Option<Counter>,
}

impl Default for Batch {
    fn default() -> Self {
        let level = |id, metric| Field { id, metric, counter: None };
        let bytes = |id, metric| Field { id, metric, counter: Some(Counter::default()) };
        let fields = vec![
            level(id::NVML_FI_DEV_MEMORY_TEMP, gpu::TEMP_MEM),
            level(id::NVML_FI_DEV_REMAPPED_COR, gpu::REMAP_CORR),
            level(id::NVML_FI_DEV_REMAPPED_UNC, gpu::REMAP_UNCORR),
            level(id::NVML_FI_DEV_REMAPPED_PENDING, gpu::REMAP_PENDING),
            level(id::NVML_FI_DEV_REMAPPED_FAILURE, gpu::REMAP_FAILED),
            level(id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, gpu::RECOVERY),
            bytes(id::NVML_FI_DEV_PCIE_COUNT_TX_BYTES, gpu::PCIE_TX),
            bytes(id::NVML_FI_DEV_PCIE_COUNT_RX_BYTES, gpu::PCIE_RX),
        ];
        Batch { fields, counts_pcie: None }
    }
}

impl Batch {
    /// Whether PCIe traffic comes from here.
    pub(super) fn counts_pcie(&self) -> Option<bool> {
        self.counts_pcie
    }

    /// Reads all fields.
    pub(super) fn read(&mut self, caller: Caller<'_>, device: &Device<'_>, sheet: &mut Sheet) -> Result<(), Stop> {
        if self.fields.is_empty() {
            return Ok(());
        }
        let ids: Vec<FieldId> = self.fields.iter().map(|field| FieldId(field.id)).collect();
        let answer = caller.call(CALL, || device.field_values_for(&ids));
        let at = Instant::now();
        let values: Vec<Result<SampleValue, Trouble>> = match answer {
            Ok(values) => {
                let value = |(field, value): (&Field, Result<_, NvmlError>)| {
                    let value =
                        value.and_then(|sample: nvml_wrapper::struct_wrappers::device::FieldValueSample| sample.value);
                    // A driver that is older than a field may take its number for a mistake.
                    let value = value.map_err(|error| match error {
                        NvmlError::InvalidArg if field.metric == gpu::RECOVERY => NvmlError::NotSupported,
                        error => error,
                    });
                    value.map_err(|error| caller.sort(&format!("{CALL} (field {})", field.id), error))
                };
                self.fields.iter().zip(values).map(value).collect()
            }
            Err(Trouble::Unsupported) => ids.iter().map(|_| Err(Trouble::Unsupported)).collect(),
            Err(Trouble::Failed(why)) => ids.iter().map(|_| Err(Trouble::Failed(why.clone()))).collect(),
            Err(Trouble::Stop(stop)) => return Err(stop),
        };
        let slot = caller.slot.unwrap_or_default();
        let mut kept = Vec::with_capacity(self.fields.len());
        for (mut field, value) in std::mem::take(&mut self.fields).into_iter().zip(values) {
            if field.settle(slot, at, value, sheet)? {
                kept.push(field);
            }
        }
        self.counts_pcie = Some(kept.iter().any(|field| field.counter.is_some()));
        self.fields = kept;
        Ok(())
    }
}

impl Field {
    /// Notes the field's value; says whether it is worth asking for again.
    fn settle(
        &mut self,
        slot: u16,
        at: Instant,
        value: Result<SampleValue, Trouble>,
        sheet: &mut Sheet,
    ) -> Result<bool, Stop> {
        let Some(counter) = &mut self.counter else {
            return match value {
                Ok(value) => {
                    sheet.value(slot, self.metric, number(&value));
                    Ok(true)
                }
                Err(trouble) => sheet.settle(slot, &[self.metric], trouble),
            };
        };
        match value {
            Ok(SampleValue::U64(bytes)) => {
                match counter.rate(at, bytes, FASTEST) {
                    Some(rate) => sheet.value(slot, self.metric, rate),
                    None => sheet.gap(slot, self.metric, Gap::Unknown),
                }
                Ok(true)
            }
            // PCIe traffic has other sources. A counter of 32 bits wraps several times between two looks.
            Ok(_) | Err(Trouble::Unsupported) => Ok(false),
            Err(trouble) => sheet.settle(slot, &[self.metric], trouble),
        }
    }
}

/// A field's value, of whichever type.
pub(super) fn number(value: &SampleValue) -> f64 {
    match *value {
        SampleValue::F64(value) => value,
        SampleValue::U32(value) => value.into(),
        SampleValue::U64(value) => value as f64,
        SampleValue::I64(value) => value as f64,
    }
}
