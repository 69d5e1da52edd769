//! GPM: what the SMs, the tensor cores and the memory really did, as an average between two samples. Hopper and newer.

use std::time::{Duration, Instant};

use nvml_wrapper::{
    Device, Nvml,
    enums::gpm::GpmMetricId,
    gpm::{GpmSample, gpm_metrics_get},
};

use super::{
    call::{Caller, Stop, Trouble},
    news::Sheet,
};
use crate::model::{MetricId, metric::gpu};

/// NVML asks for this much time between two samples.
const APART: Duration = Duration::from_millis(100);
const MIB: f64 = 1_048_576.0;

/// What GPM tells of one GPU or one MIG instance.
pub(super) struct Gpm<'n> {
    /// What is asked for: all that GPM was not found to lack.
    asked: Vec<Asked>,
    /// Whether it was answered yet.
    answered: bool,
    last: Option<(Instant, GpmSample<'n>)>,
}

#[derive(Clone, Copy)]
struct Asked {
    id: GpmMetricId,
    metric: MetricId,
    /// Units of the metric in one of GPM's.
    scale: f64,
    /// Whether the metric comes from elsewhere if not from here.
    elsewhere: bool,
}

/// Whose samples are taken.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    /// A GPU's.
    Gpu,
    /// Those of a GPU instance, by the driver's number for it.
    Instance(u32),
}

/// What a MIG instance has, too.
pub(super) const ACTIVITY: [MetricId; 3] = [gpu::SM_ACTIVE, gpu::TENSOR_ACTIVE, gpu::DRAM_ACTIVE];

impl<'n> Gpm<'n> {
    pub(super) fn new(whose: Whose) -> Self {
        let share = |id, metric| Asked { id, metric, scale: 1.0, elsewhere: false };
        let traffic = |id, metric| Asked { id, metric, scale: MIB, elsewhere: true };
        let mut asked = vec![
            share(GpmMetricId::SmUtil, gpu::SM_ACTIVE),
            share(GpmMetricId::AnyTensorUtil, gpu::TENSOR_ACTIVE),
            share(GpmMetricId::DramBwUtil, gpu::DRAM_ACTIVE),
        ];
        if let Whose::Gpu = whose {
            asked.extend([
                traffic(GpmMetricId::PcieRxPerSec, gpu::PCIE_RX),
                traffic(GpmMetricId::PcieTxPerSec, gpu::PCIE_TX),
                traffic(GpmMetricId::NvlinkTotalRxPerSec, gpu::NVLINK_RX),
                traffic(GpmMetricId::NvlinkTotalTxPerSec, gpu::NVLINK_TX),
            ]);
        }
        Gpm { asked, answered: false, last: None }
    }

    /// Whether this metric comes from here; nothing before that is known.
    pub(super) fn tells(&self, metric: MetricId) -> Option<bool> {
        let asked = self.asked.iter().any(|asked| asked.metric == metric);
        if asked && !self.answered { None } else { Some(asked) }
    }

    /// Asks no more for a metric that comes from elsewhere.
    pub(super) fn leave_out(&mut self, metric: MetricId) {
        self.asked.retain(|asked| asked.metric != metric);
    }

    /// Finds out whether the GPU has GPM at all.
    pub(super) fn find_out(
        &mut self,
        caller: Caller<'_>,
        device: &Device<'_>,
        slot: u16,
        sheet: &mut Sheet,
    ) -> Result<(), Stop> {
        match caller.call("nvmlGpmQueryDeviceSupport", || device.gpm_support()) {
            Ok(true) => Ok(()),
            Ok(false) => self.lacking(slot, Trouble::Unsupported, sheet),
            Err(trouble) => self.lacking(slot, trouble, sheet),
        }
    }

    /// Takes a sample, and tells what was between it and the one before.
    pub(super) fn read(
        &mut self,
        caller: Caller<'n>,
        device: &Device<'n>,
        whose: Whose,
        slot: u16,
        sheet: &mut Sheet,
    ) -> Result<(), Stop> {
        let too_soon = self.last.as_ref().is_some_and(|(when, _)| when.elapsed() < APART);
        if self.asked.is_empty() || too_soon {
            return Ok(());
        }
        let sample = match whose {
            Whose::Gpu => caller.call("nvmlGpmSampleGet", || device.gpm_sample()),
            Whose::Instance(id) => caller.call("nvmlGpmMigSampleGet", || device.gpm_mig_sample(id)),
        };
        let sample = match sample {
            Ok(sample) => sample,
            Err(trouble) => return self.lacking(slot, trouble, sheet),
        };
        let Some((_, before)) = self.last.replace((Instant::now(), sample)) else { return Ok(()) };
        self.compare(caller, &before, slot, sheet)
    }

    fn compare(
        &mut self,
        caller: Caller<'n>,
        before: &GpmSample<'n>,
        slot: u16,
        sheet: &mut Sheet,
    ) -> Result<(), Stop> {
        const CALL: &str = "nvmlGpmMetricsGet";
        let Some((_, now)) = &self.last else { return Ok(()) };
        let ids: Vec<GpmMetricId> = self.asked.iter().map(|asked| asked.id).collect();
        let nvml: &'n Nvml = caller.nvml;
        let answers = match caller.call(CALL, || gpm_metrics_get(nvml, before, now, &ids)) {
            Ok(answers) => answers,
            Err(trouble) => return self.lacking(slot, trouble, sheet),
        };
        self.answered = true;
        let mut kept = Vec::with_capacity(self.asked.len());
        for (asked, answer) in self.asked.iter().zip(answers) {
            let keep = match answer.map_err(|error| caller.sort(&format!("{CALL} ({})", asked.id.as_c()), error)) {
                Ok(answer) => {
                    sheet.value(slot, asked.metric, answer.value * asked.scale);
                    true
                }
                Err(Trouble::Unsupported) if asked.elsewhere => false,
                Err(trouble) => sheet.settle(slot, &[asked.metric], trouble)?,
            };
            if keep {
                kept.push(*asked);
            }
        }
        self.asked = kept;
        Ok(())
    }

    /// GPM as a whole gave nothing.
    fn lacking(&mut self, slot: u16, trouble: Trouble, sheet: &mut Sheet) -> Result<(), Stop> {
        self.last = None;
        if !self.answered {
            // It never worked, so what may come from elsewhere does not wait for it.
            self.asked.retain(|asked| !asked.elsewhere);
        }
        let metrics: Vec<MetricId> = self.asked.iter().map(|asked| asked.metric).collect();
        if !sheet.settle(slot, &metrics, trouble)? {
            self.asked.clear();
        }
        Ok(())
    }
}
