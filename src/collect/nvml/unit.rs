//! One GPU that answers: what is due to be read of it, in turn, and within a budget so that a slow GPU does not hold up
//! the others.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nvml_wrapper::Device;

use super::{
    batch::Batch,
    call::{Caller, Stop, seconds},
    event::{Deaf, Events},
    gpm::{Gpm, Whose},
    link::Links,
    mig::{Division, Instance},
    news::{News, Sheet},
    probe::{PROBES, Pace, Probe, THROUGHPUT},
    process::Processes,
    rate::Due,
    settings::Paces,
};
use crate::{
    collect::xid::Said,
    model::{Gap, MetricId, Time, metric::gpu},
};

/// How long one round may deal with one GPU; what is left is first in the next.
const BUDGET: Duration = Duration::from_millis(300);
/// What takes longer than this is worth telling.
const SLOW: Duration = Duration::from_millis(150);

/// What the parts of a round took.
type Costs = BTreeMap<&'static str, Duration>;

/// A GPU.
pub(super) struct Unit<'n> {
    pub(super) device: Device<'n>,
    bus: String,
    pub(super) division: Division,
    pub(super) divided: Due,
    pub(super) instances: Vec<Instance<'n>>,
    events: Events<'n>,
    readings: Readings<'n>,
    /// Whether the last round was slow.
    slow: bool,
    deaf: Option<Deaf>,
}

/// What is read of it, apart from its division and its events: all of it begins anew when the GPU is divided anew.
struct Readings<'n> {
    /// The duty whose turn is next.
    turn: usize,
    duties: Vec<State>,
    batch: Batch,
    links: Links,
    gpm: Gpm<'n>,
    found_out: bool,
    processes: Processes,
}

#[derive(Clone, Copy, Default)]
struct State {
    due: Due,
    lacking: bool,
    failed: bool,
}

/// One thing to read.
#[derive(Clone, Copy)]
enum Duty {
    Batch,
    Gpm,
    Probe(&'static Probe),
    Links,
    LinkSpeed,
    LinkTraffic,
    PcieTraffic,
    Processes,
    Instances,
}

/// Those that are no probes. The batch comes first: it tells whether GPM is to tell PCIe traffic.
const OTHERS: [Duty; 8] = [
    Duty::Batch,
    Duty::Gpm,
    Duty::Links,
    Duty::LinkSpeed,
    Duty::LinkTraffic,
    Duty::PcieTraffic,
    Duty::Processes,
    Duty::Instances,
];

impl Duty {
    const COUNT: usize = OTHERS.len() + PROBES.len();

    fn at(turn: usize) -> Duty {
        OTHERS.get(turn).copied().unwrap_or_else(|| Duty::Probe(&PROBES[turn - OTHERS.len()]))
    }

    fn pace(self) -> Pace {
        match self {
            Duty::Probe(probe) => probe.pace,
            Duty::Gpm | Duty::Instances => Pace::Round,
            // It changes only when links are trained anew.
            Duty::LinkSpeed => Pace::Inventory,
            Duty::Batch | Duty::Links | Duty::LinkTraffic | Duty::PcieTraffic | Duty::Processes => Pace::Fields,
        }
    }

    /// What its cost is told under.
    fn part(self) -> &'static str {
        match self {
            Duty::Batch | Duty::Links | Duty::LinkSpeed | Duty::LinkTraffic | Duty::PcieTraffic => "nvml.fields",
            Duty::Gpm | Duty::Instances => "nvml.gpm",
            Duty::Processes => "nvml.processes",
            Duty::Probe(_) => "nvml.probes",
        }
    }

    fn call(self) -> &'static str {
        match self {
            Duty::Batch | Duty::LinkSpeed | Duty::LinkTraffic => "nvmlDeviceGetFieldValues",
            Duty::Gpm | Duty::Instances => "nvmlGpmSampleGet",
            Duty::Probe(probe) => probe.call,
            Duty::Links => "nvmlDeviceGetNvLinkState",
            Duty::PcieTraffic => THROUGHPUT.call,
            Duty::Processes => "nvmlDeviceGetComputeRunningProcesses_v3",
        }
    }
}

impl Readings<'_> {
    fn new() -> Self {
        Readings {
            turn: 0,
            duties: vec![State::default(); Duty::COUNT],
            batch: Batch::default(),
            links: Links::default(),
            gpm: Gpm::new(Whose::Gpu),
            found_out: false,
            processes: Processes::default(),
        }
    }
}

impl<'n> Unit<'n> {
    pub(super) fn new(device: Device<'n>, bus: String) -> Unit<'n> {
        Unit {
            device,
            bus,
            division: Division::default(),
            divided: Due::default(),
            instances: Vec::new(),
            events: Events::default(),
            readings: Readings::new(),
            slow: false,
            deaf: None,
        }
    }

    /// As if nothing were known of what it supports.
    pub(super) fn begin_anew(&mut self) {
        self.readings = Readings::new();
    }

    /// The XIDs since the last round; and what there is to say when they cannot be had.
    pub(super) fn poll_events(&mut self, caller: Caller<'n>, now: Time) -> Result<(Vec<Said>, Option<News>), Stop> {
        let said = self.events.poll(caller, &self.device, &self.bus, now)?;
        let changed = self.deaf != self.events.deaf;
        self.deaf.clone_from(&self.events.deaf);
        Ok((said, changed.then(|| News::Deaf(caller.slot.unwrap_or_default(), self.deaf.clone()))))
    }

    /// Reads what is due, as far as the budget goes. Hands out what it has even when it has to stop.
    pub(super) fn round(
        &mut self,
        caller: Caller<'n>,
        now: Time,
        paces: &Paces,
        mut tell: impl FnMut(News),
    ) -> Result<(), Stop> {
        let (mut sheet, mut costs) = (Sheet::default(), Costs::new());
        let end = self.read(caller, now, paces, &mut sheet, &mut costs, &mut tell);
        tell(News::Cells(sheet.0));
        for (part, cost) in costs {
            tell(News::Cost(part, cost));
        }
        end
    }

    fn read(
        &mut self,
        caller: Caller<'n>,
        now: Time,
        paces: &Paces,
        sheet: &mut Sheet,
        costs: &mut Costs,
        tell: &mut impl FnMut(News),
    ) -> Result<(), Stop> {
        let slot = caller.slot.unwrap_or_default();
        let begun = Instant::now();
        let mut slowest = (Duration::ZERO, "");
        for _ in 0..Duty::COUNT {
            let turn = self.readings.turn;
            let duty = Duty::at(turn);
            let state = self.readings.duties[turn];
            let soon = if state.failed && duty.pace() == Pace::Inventory { Pace::Fields } else { duty.pace() };
            if !state.lacking && state.due.is(now, paces.of(soon)) {
                if begun.elapsed() > BUDGET {
                    break;
                }
                let made = Instant::now();
                self.readings.duties[turn].due.done(now);
                self.perform(turn, duty, caller, sheet, tell)?;
                slowest = slowest.max((made.elapsed(), duty.call()));
                *costs.entry(duty.part()).or_default() += made.elapsed();
            }
            self.readings.turn = (turn + 1) % Duty::COUNT;
        }
        self.tell_slowness(slot, slowest, tell);
        Ok(())
    }

    /// Tells of the slowest duty of a round. Once may happen, as when the driver sets something up at the first call.
    fn tell_slowness(&mut self, slot: u16, slowest: (Duration, &str), tell: &mut impl FnMut(News)) {
        let slow = slowest.0 > SLOW;
        if slow && self.slow {
            tell(News::Slow(slot, Some(format!("slow: {} took {}", slowest.1, seconds(slowest.0)))));
        } else if self.slow {
            tell(News::Slow(slot, None));
        }
        self.slow = slow;
    }

    fn perform(
        &mut self,
        turn: usize,
        duty: Duty,
        caller: Caller<'n>,
        sheet: &mut Sheet,
        tell: &mut impl FnMut(News),
    ) -> Result<(), Stop> {
        let (device, readings) = (&self.device, &mut self.readings);
        match duty {
            Duty::Probe(probe) => return self.probe(turn, probe, caller, sheet),
            Duty::Batch => {
                readings.batch.read(caller, device, sheet)?;
                if readings.batch.counts_pcie() == Some(true) {
                    readings.gpm.leave_out(gpu::PCIE_RX);
                    readings.gpm.leave_out(gpu::PCIE_TX);
                }
            }
            Duty::Gpm => {
                let slot = caller.slot.unwrap_or_default();
                if !std::mem::replace(&mut readings.found_out, true) {
                    readings.gpm.find_out(caller, device, slot, sheet)?;
                }
                readings.gpm.read(caller, device, Whose::Gpu, slot, sheet)?;
            }
            Duty::Links => readings.links.read(caller, device, sheet)?,
            Duty::LinkSpeed => {
                let gap = readings.links.read_speed(caller, device, sheet)?;
                let state = &mut readings.duties[turn];
                (state.failed, state.lacking) = (gap.is_some(), gap == Some(Gap::Unsupported));
            }
            Duty::LinkTraffic => {
                if readings.gpm.tells(gpu::NVLINK_RX) == Some(false) {
                    readings.links.read_traffic(caller, device, sheet)?;
                }
            }
            Duty::PcieTraffic => {
                let elsewhere =
                    readings.batch.counts_pcie() != Some(false) || readings.gpm.tells(gpu::PCIE_RX) != Some(false);
                if !elsewhere {
                    return self.probe(turn, &THROUGHPUT, caller, sheet);
                }
            }
            Duty::Processes => {
                if let Some(uses) = readings.processes.read(caller, device, &self.instances, sheet)? {
                    tell(News::Uses(caller.slot.unwrap_or_default(), uses));
                }
            }
            Duty::Instances => {
                for instance in &mut self.instances {
                    instance.read(caller, device, sheet)?;
                }
            }
        }
        Ok(())
    }

    fn probe(&mut self, turn: usize, probe: &Probe, caller: Caller<'n>, sheet: &mut Sheet) -> Result<(), Stop> {
        let slot = caller.slot.unwrap_or_default();
        let state = &mut self.readings.duties[turn];
        let mut put = |metric: MetricId, value: f64| sheet.value(slot, metric, value);
        match caller.call(probe.call, || (probe.read)(&self.device, &mut put)) {
            Ok(()) => state.failed = false,
            Err(trouble) => {
                state.lacking = !sheet.settle(slot, probe.metrics, trouble)?;
                state.failed = true;
            }
        }
        Ok(())
    }

    /// Until it is read, an instance's values are unknown, except for those that it never has.
    pub(super) fn tell_gaps(&self) -> Sheet {
        let mut sheet = Sheet::default();
        for instance in &self.instances {
            sheet.gap(instance.slot, gpu::PROCS, Gap::Unknown);
            instance.tell_gaps(&mut sheet);
        }
        sheet
    }
}
