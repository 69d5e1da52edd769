//! NVIDIA GPUs by NVML. One thread makes all calls, because they share a driver-wide lock; this side waits for it with a
//! deadline, keeps what it has told, and gives up on it when a call hangs.
//!
//! A call that hangs costs its GPU's metrics: the thread is left to itself, and a new one goes on without that GPU,
//! which is tried again once the call has returned and some time has passed, more each time. If the new thread hangs as
//! well, the driver does, and no further thread is risked until one of the two comes back. What [`Gate`] does is told
//! there.

mod aer;
mod batch;
mod call;
mod event;
mod gate;
mod gpm;
mod ledger;
mod link;
mod mig;
mod news;
mod probe;
mod process;
mod rate;
mod session;
mod settings;
mod unit;
mod worker;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub use gate::Gate;
pub use settings::Settings;

use self::{
    call::{UnderWay, seconds},
    event::Deaf,
    ledger::Ledger,
    news::{End, News, Presence, Sheet},
    rate::Due,
    session::Order,
    worker::{Abandoned, Heard, Start, Worker},
};
use super::{Collector, Findings, findings::Driver, pci, raw, xid::Xids};
use crate::model::{
    Gap, Time,
    metric::{gpu, node},
    report::{Event, EventKind, Fault, Gpu, Subject},
};

/// How long a driver that hung or failed is left alone at most.
const LONGEST_BACKOFF: Duration = Duration::from_mins(10);
/// How often a driver that is not there is looked for.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// Threads that may hang at the same time.
const MOST_HUNG: usize = 2;

/// A library that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {} as the NVML library: {reason}", path.display())]
pub struct LibraryError {
    path: PathBuf,
    reason: String,
}

/// Whether the library at this path can be loaded and is NVML, for an answer before an agent starts.
pub fn check_library(path: &Path) -> Result<(), LibraryError> {
    raw::nvml::check(path).map_err(|reason| LibraryError { path: path.to_owned(), reason })
}

/// The collector of NVIDIA GPUs.
pub struct Nvml {
    settings: Settings,
    gate: Gate,
    xids: Xids,
    ledger: Ledger,
    worker: Option<Worker>,
    abandoned: Vec<Abandoned>,
    /// GPUs that a call hung on, by slot.
    hung: BTreeMap<u16, Hung>,
    /// What went wrong with the driver as a whole, and when it is tried again.
    trouble: Option<Trouble>,
    driver: Option<Driver>,
    domain: String,
    /// The GPU instances that MIG instances are of, by their UUIDs.
    parts: BTreeMap<String, String>,
    told: Option<Vec<Gpu>>,
    on_bus: Option<u32>,
    counted: Due,
    bus_errors: Due,
    costs: BTreeMap<&'static str, Duration>,
    ids: Option<Ids>,
}

/// A GPU that a call hung on.
struct Hung {
    last: Instant,
    wait: Duration,
    why: String,
}

struct Trouble {
    again: Instant,
    wait: Duration,
    /// What is to be noted of it; nothing when it is normal.
    note: Option<String>,
}

/// What the ids of events are made of.
struct Ids {
    prefix: String,
    last: u64,
}

impl Nvml {
    /// Reads GPUs through this library, or through the one that the loader finds.
    pub fn new(library: Option<PathBuf>) -> Nvml {
        Nvml::with(Settings { library, ..Settings::default() })
    }

    /// As [`Nvml::new`], with other settings.
    pub fn with(settings: Settings) -> Nvml {
        Nvml {
            settings,
            gate: Gate::default(),
            xids: Xids::default(),
            ledger: Ledger::default(),
            worker: None,
            abandoned: Vec::new(),
            hung: BTreeMap::new(),
            trouble: None,
            driver: None,
            domain: String::new(),
            parts: BTreeMap::new(),
            told: None,
            on_bus: None,
            counted: Due::default(),
            bus_errors: Due::default(),
            costs: BTreeMap::new(),
            ids: None,
        }
    }

    /// What closes and opens the driver.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// What is known of XIDs, to be shared with the collector of the kernel's log.
    pub fn xids(&self) -> Xids {
        self.xids.clone()
    }

    /// Closes the driver.
    fn release(&mut self) {
        self.trouble = None;
        if let Some(worker) = self.worker.take() {
            self.abandoned.extend(worker.close(self.settings.patience));
        }
        self.ledger.all_absent("released", Gap::Unknown);
    }

    /// Opens the driver unless it is open, or was found not to be worth trying yet.
    fn open(&mut self) {
        let waits = self.trouble.as_ref().is_some_and(|trouble| Instant::now() < trouble.again);
        if self.worker.is_some() || waits {
            return;
        }
        let start = Start {
            library: self.settings.library.clone(),
            sys: self.settings.sys.clone(),
            paces: self.settings.paces(),
            known: self.ledger.whole(),
        };
        match Worker::start(start) {
            Ok(worker) => self.worker = Some(worker),
            Err(error) => self.fail(&format!("no thread for NVML: {error}")),
        }
    }

    /// Has a round done, and takes what is told until it is over, patience is, or a call turns out to hang.
    fn advance(&mut self, now: Time, begun: Instant) {
        let skip = self.skipped();
        for slot in &skip {
            self.ledger.presence(*slot, self.hung.get(slot).map(|hung| hung.why.as_str()), Gap::Failed);
        }
        let Some(mut worker) = self.worker.take() else { return };
        worker.order(Order { now, skip });
        loop {
            let left = self.settings.patience.saturating_sub(begun.elapsed());
            // A call that begins right after this look is looked at again before it has been out for long.
            let limit = worker
                .under_way()
                .map_or(self.settings.call_limit, |call| self.limit(call).saturating_sub(call.since.elapsed()));
            match worker.hear(left.min(limit).max(Duration::from_millis(1))) {
                Heard::News(News::Done) => {
                    self.trouble = None;
                    break;
                }
                Heard::News(News::Ended(end)) => return self.ended(end),
                Heard::News(piece) => self.take(piece),
                Heard::End => return self.fail("the thread that reads NVML has panicked"),
                Heard::Nothing => match worker.under_way().filter(|call| call.since.elapsed() >= self.limit(*call)) {
                    Some(call) => return self.give_up(worker, call),
                    None if begun.elapsed() >= self.settings.patience => break,
                    None => {}
                },
            }
        }
        self.worker = Some(worker);
    }

    fn limit(&self, call: UnderWay) -> Duration {
        if call.opens { self.settings.open_limit } else { self.settings.call_limit }
    }

    fn take(&mut self, piece: News) {
        match piece {
            News::Driver(driver) => self.driver = Some(driver),
            News::Domain(domain) => self.domain = domain,
            News::Parts(parts) => self.parts = parts,
            News::Layout(gpus) => self.ledger.lay_out(gpus),
            News::Cells(cells) => self.ledger.fill(cells),
            News::Presence(slot, Presence::Here) => self.ledger.presence(slot, None, Gap::Unknown),
            News::Presence(slot, Presence::Opening) => self.ledger.presence(slot, Some("opening"), Gap::Unknown),
            News::Presence(slot, Presence::Gone(why)) => self.ledger.presence(slot, Some(&why), Gap::Failed),
            News::Slow(slot, words) => self.ledger.slow(slot, words),
            News::Deaf(slot, words) => self.ledger.deaf(slot, words),
            News::Uses(slot, uses) => self.ledger.uses(slot, uses),
            News::Xid(said) => self.xids.driver_said(said),
            News::Cost(part, cost) => *self.costs.entry(part).or_default() += cost,
            News::Done | News::Ended(_) => {}
        }
    }

    /// Leaves a thread to the call that does not return.
    fn give_up(&mut self, worker: Worker, call: UnderWay) {
        let why = format!("hung: {} has not answered for {}", call.call, seconds(self.limit(call)));
        match call.slot {
            Some(slot) => {
                let before = self.hung.get(&slot).filter(|hung| hung.last.elapsed() < 2 * LONGEST_BACKOFF);
                let wait = before.map_or(self.settings.backoff, |hung| (2 * hung.wait).min(LONGEST_BACKOFF));
                self.hung.insert(slot, Hung { last: Instant::now(), wait, why: why.clone() });
                self.ledger.presence(slot, Some(&why), Gap::Failed);
            }
            None => self.fail(&why),
        }
        self.abandoned.push(worker.abandon(call));
        if !self.driver_hangs() {
            self.open();
        }
    }

    /// The driver is closed again.
    fn ended(&mut self, end: End) {
        let bus = self.on_bus.unwrap_or(0);
        let chosen = self.settings.library.as_ref();
        let note = match end {
            // A machine without GPUs needs no driver, and says nothing of it; who names a library wants it.
            End::NoLibrary(_) | End::NoDriver(_) if bus == 0 && chosen.is_none() => None,
            End::NoDriver(_) if bus == 0 => None,
            End::NoLibrary(why) | End::NoDriver(why) => Some(format!("NVML: {}{}", why, unused(bus))),
            End::Failed(why) => return self.fail(&why),
        };
        let absent = note.as_deref().unwrap_or("no driver").to_owned();
        self.ledger.all_absent(&absent, Gap::Failed);
        self.trouble = Some(Trouble { again: Instant::now() + LOOK_AGAIN, wait: self.settings.backoff, note });
    }

    /// The driver as a whole went wrong.
    fn fail(&mut self, why: &str) {
        self.ledger.all_absent(why, Gap::Failed);
        let wait = self.trouble.as_ref().map_or(self.settings.backoff, |before| 2 * before.wait);
        let wait = wait.min(LONGEST_BACKOFF);
        self.trouble = Some(Trouble { again: Instant::now() + wait, wait, note: Some(format!("NVML: {why}")) });
    }

    fn driver_hangs(&self) -> bool {
        self.abandoned.len() >= MOST_HUNG
    }

    /// GPUs that are left alone: while the call that hung is out, and for some time after.
    fn skipped(&self) -> Vec<u16> {
        let out = |slot: u16| self.abandoned.iter().any(|thread| thread.call.slot == Some(slot));
        let waits = |(slot, hung): &(&u16, &Hung)| out(**slot) || hung.last.elapsed() < hung.wait;
        self.hung.iter().filter(waits).map(|(slot, _)| *slot).collect()
    }

    fn count_bus(&mut self, now: Time) {
        if self.counted.is(now, self.settings.inventory) {
            self.counted.done(now);
            self.on_bus = pci::gpus(&self.settings.sys).map(|gpus| gpus.len() as u32);
        }
    }

    /// Reads the PCIe errors of the GPUs that answer.
    fn count_bus_errors(&mut self, now: Time) {
        if !self.bus_errors.is(now, self.settings.fields) {
            return;
        }
        let mut sheet = Sheet::default();
        for (slot, bus) in self.ledger.here() {
            aer::read(&self.settings.sys, slot, bus, &mut sheet);
        }
        if !sheet.0.is_empty() {
            self.bus_errors.done(now);
            self.ledger.fill(sheet.0);
        }
    }

    /// XIDs that only NVML told, as events.
    fn events(&mut self, now: Time) -> Vec<Event> {
        let alone = self.xids.unexplained();
        let ids = self.ids.get_or_insert_with(|| {
            let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            Ids { prefix: format!("{}-{}-nvml", boot.trim(), now.as_millis()), last: 0 }
        });
        let event = |said: super::xid::Said| {
            ids.last += 1;
            Event {
                id: format!("{}-{}", ids.prefix, ids.last),
                time: said.until,
                subject: Subject::Gpu { bus: said.bus },
                kind: EventKind::Xid(said.code),
                text: format!("XID {}, told by NVML; the kernel's log has no text for it", said.code),
            }
        };
        alone.into_iter().map(event).collect()
    }

    fn notes(&self) -> Vec<String> {
        let trouble = self.trouble.iter().filter_map(|trouble| trouble.note.clone());
        trouble.chain(self.ledger.deaf_notes()).collect()
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = self.ledger.faults();
        if self.driver_hangs() {
            let call = self.abandoned.last().map_or("a call", |thread| thread.call.call);
            let reason = format!("driver hung: {call} does not return");
            faults.push(Fault { gpu: None, metric: String::new(), reason });
        }
        faults
    }

    fn findings(&mut self, now: Time) -> Findings {
        let gpus = self.ledger.gpus();
        let known = self.driver.is_some() || self.trouble.is_some() || self.gate.is_released();
        let mut findings = Findings {
            driver: self.driver.clone(),
            domain: Some(self.domain.clone()),
            gpu_parts: Some(self.parts.clone()),
            gpus: (known && self.told.as_ref() != Some(&gpus)).then(|| gpus.clone()),
            gpus_on_bus: self.on_bus,
            readings: self.ledger.readings().collect(),
            faults: Some(self.faults()),
            notes: Some(self.notes()),
            gpu_uses: self.ledger.all_uses(),
            events: self.events(now),
            costs: std::mem::take(&mut self.costs).into_iter().collect(),
            ..Findings::default()
        };
        if known {
            self.told = Some(gpus);
            findings.read(node::GPUS, 0, self.ledger.answering() as f64);
            let expected = self.on_bus.unwrap_or(0).max(self.ledger.whole().len() as u32);
            findings.read(node::GPUS_EXPECTED, 0, expected.into());
        }
        for (slot, bus, deaf) in self.ledger.hearing() {
            if let Some((code, time)) = self.xids.last(bus) {
                findings.read(gpu::XID, slot.into(), code.into());
                findings.read(gpu::XID_AGE, slot.into(), now.seconds_after(time).max(0.0));
            } else {
                let gap = match deaf {
                    Some(Deaf::Unsupported) if !self.xids.kernel_is_read() => Gap::Unsupported,
                    Some(Deaf::Failed(_)) if !self.xids.kernel_is_read() => Gap::Unknown,
                    _ => Gap::Absent,
                };
                findings.gap(gpu::XID, slot.into(), gap);
                findings.gap(gpu::XID_AGE, slot.into(), gap);
            }
        }
        findings
    }
}

/// What is missed by not having the driver.
fn unused(on_bus: u32) -> String {
    match on_bus {
        0 => String::new(),
        1 => ", though there is an NVIDIA GPU on the PCI bus".into(),
        n => format!(", though there are {n} NVIDIA GPUs on the PCI bus"),
    }
}

impl Collector for Nvml {
    fn name(&self) -> &'static str {
        "nvml"
    }

    fn collect(&mut self, now: Time) -> Findings {
        let begun = Instant::now();
        self.abandoned.retain(|thread| !thread.is_over());
        self.count_bus(now);
        if self.gate.is_released() {
            self.release();
        } else if self.driver_hangs() {
            self.ledger.all_absent("driver hung", Gap::Failed);
        } else {
            self.open();
            self.advance(now, begun);
            if self.driver_hangs() {
                self.ledger.all_absent("driver hung", Gap::Failed);
            }
        }
        self.count_bus_errors(now);
        self.gate.set_closed(self.worker.is_none() && self.abandoned.is_empty());
        self.findings(now)
    }
}
