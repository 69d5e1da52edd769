//! The driver while it is open: which GPUs it has at which slots, and one round over them.

use std::{collections::BTreeMap, path::Path, sync::mpsc::Sender, time::Duration};

use nvml_wrapper::{Device, Nvml, enum_wrappers::device::TemperatureSensor};

use super::{
    call::{Caller, Stop, Trouble, Watch},
    mig::{self, Instance},
    news::{News, Presence},
    probe::Pace,
    rate::Due,
    settings::Paces,
    unit::Unit,
};
use crate::{
    collect::{findings::Driver, pci, raw},
    model::{Time, report::Gpu, text::clean},
};

/// How often GPUs that do not answer are tried again.
const RETRY: Duration = Duration::from_secs(10);

/// What one round is to do.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// The time.
    pub(super) now: Time,
    /// Slots of GPUs that must not be touched, because a call about them hung.
    pub(super) skip: Vec<u16>,
}

/// The open driver.
pub(super) struct Session<'n> {
    driver: Caller<'n>,
    sys: &'n Path,
    paces: Paces,
    news: &'n Sender<News>,
    /// Whole GPUs by slot, those that do not answer included.
    gpus: Vec<Gpu>,
    units: BTreeMap<u16, Unit<'n>>,
    /// Units that are lost, and when they were last tried.
    lost: BTreeMap<u16, Due>,
    listed: Due,
    retried: Due,
    joined: Due,
    skipped: Vec<u16>,
}

impl<'n> Session<'n> {
    /// A session in which the GPUs known before keep their slots.
    pub(super) fn new(
        nvml: &'n Nvml,
        watch: &'n Watch,
        sys: &'n Path,
        paces: Paces,
        news: &'n Sender<News>,
        known: Vec<Gpu>,
    ) -> Self {
        let driver = Caller { nvml, watch, slot: None };
        let (listed, retried) = (Due::default(), Due::default());
        let (units, lost) = (BTreeMap::new(), BTreeMap::new());
        let (joined, skipped) = (Due::default(), Vec::new());
        Session { driver, sys, paces, news, gpus: known, units, lost, listed, retried, joined, skipped }
    }

    /// Tells the driver's version.
    pub(super) fn introduce(&self) -> Result<(), Stop> {
        let version = self.driver.call("nvmlSystemGetDriverVersion", || self.driver.nvml.sys_driver_version());
        let cuda = self.driver.call("nvmlSystemGetCudaDriverVersion_v2", || self.driver.nvml.sys_cuda_driver_version());
        let cuda = known(cuda)?.map(|cuda| format!("{}.{}", cuda / 1000, cuda % 1000 / 10));
        self.tell(News::Driver(Driver {
            driver: clean(&known(version)?.unwrap_or_default(), 80).into_owned(),
            cuda: cuda.unwrap_or_default(),
        }));
        Ok(())
    }

    /// Reads what is due of every GPU.
    pub(super) fn round(&mut self, order: &Order) -> Result<(), Stop> {
        self.list(order)?;
        self.divide(order)?;
        let slots: Vec<u16> = self.units.keys().copied().filter(|slot| !order.skip.contains(slot)).collect();
        for slot in slots {
            match self.read(slot, order.now) {
                Err(Stop::Lost) => self.lose(slot, order.now),
                end => end?,
            }
        }
        self.join(order)
    }

    /// Finds out which NVLink domain the node is in: all of its GPUs are in one.
    fn join(&mut self, order: &Order) -> Result<(), Stop> {
        if !self.joined.is(order.now, self.paces.of(Pace::Fields)) {
            return Ok(());
        }
        self.joined.done(order.now);
        let here = |slot: &&u16| !order.skip.contains(*slot) && !self.lost.contains_key(*slot);
        let Some(slot) = self.units.keys().find(here).copied() else { return Ok(()) };
        let Some(unit) = self.units.get(&slot) else { return Ok(()) };
        let asked = self.about(slot).call("nvmlDeviceGetGpuFabricInfoV", || raw::nvml::domain(&unit.device));
        let domain = match asked {
            Ok(domain) => domain,
            Err(Trouble::Unsupported) => None,
            // It is as it was before.
            Err(Trouble::Failed(_)) => return Ok(()),
            Err(Trouble::Stop(Stop::Lost)) => {
                self.lose(slot, order.now);
                return Ok(());
            }
            Err(Trouble::Stop(stop)) => return Err(stop),
        };
        self.tell(News::Domain(domain.unwrap_or_default()));
        Ok(())
    }

    fn read(&mut self, slot: u16, now: Time) -> Result<(), Stop> {
        let caller = self.about(slot);
        let Some(unit) = self.units.get_mut(&slot) else { return Ok(()) };
        let (said, deaf) = unit.poll_events(caller, now)?;
        let news = self.news;
        let tell = |piece| drop(news.send(piece));
        said.into_iter().map(News::Xid).chain(deaf).for_each(tell);
        if let Some(tried) = self.lost.get_mut(&slot) {
            if !tried.is(now, RETRY) {
                return Ok(());
            }
            tried.done(now);
            // Any answer but the same one shows that it is back. The call has to go to the GPU: the library remembers
            // names and the like.
            let temperature = || unit.device.temperature(TemperatureSensor::Gpu);
            if let Err(Trouble::Stop(stop)) = caller.call("nvmlDeviceGetTemperature", temperature) {
                return Err(stop);
            }
            self.lost.remove(&slot);
            unit.begin_anew();
            tell(News::Presence(slot, Presence::Here));
        }
        unit.round(caller, now, &self.paces, tell)
    }

    fn lose(&mut self, slot: u16, now: Time) {
        self.lost.entry(slot).or_default().done(now);
        self.tell(News::Presence(slot, Presence::Gone("lost".into())));
    }

    /// Takes in the GPUs that the driver lists and that are not read yet.
    fn list(&mut self, order: &Order) -> Result<(), Stop> {
        let now = order.now;
        let waits = |slot: &u16| !self.units.contains_key(slot) && !order.skip.contains(slot);
        let all_here = !(0..self.gpus.len() as u16).any(|slot| waits(&slot));
        let freed = self.skipped != order.skip;
        self.skipped.clone_from(&order.skip);
        let due = self.listed.is(now, self.paces.of(Pace::Inventory)) || !all_here && self.retried.is(now, RETRY);
        if !due && !freed {
            return Ok(());
        }
        self.listed.done(now);
        self.retried.done(now);
        let count = match self.driver.call("nvmlDeviceGetCount_v2", || self.driver.nvml.device_count()) {
            Ok(count) => count,
            Err(Trouble::Stop(stop)) => return Err(stop),
            Err(Trouble::Failed(why)) => return Err(Stop::Over(why)),
            Err(Trouble::Unsupported) => return Err(Stop::Over("nvmlDeviceGetCount_v2: not in this library".into())),
        };
        self.make_room(count);
        let mut here: Vec<u16> = order.skip.iter().chain(self.units.keys()).copied().collect();
        for index in 0..count {
            let slot = self.slot_of(index);
            if !slot.is_some_and(|slot| order.skip.contains(&slot) || self.units.contains_key(&slot)) {
                // One that has no slot yet gets a new one.
                let expected = slot.unwrap_or(self.gpus.len() as u16);
                here.push(self.take_in(index, expected)?);
            }
        }
        for slot in (0..self.gpus.len() as u16).filter(|slot| !here.contains(slot)) {
            let why = format!("missing: the driver lists {count} GPUs, and not this one");
            self.tell(News::Presence(slot, Presence::Gone(why)));
        }
        self.lay_out();
        Ok(())
    }

    /// Has a slot for each GPU that the driver lists, before any of them is touched: a call may hang.
    fn make_room(&mut self, count: u32) {
        // The driver numbers GPUs in the order of their addresses; what is on the bus and what it lists may differ.
        let bus = pci::gpus(self.sys).filter(|found| found.len() == count as usize).unwrap_or_default();
        let new = self.gpus.len()..count as usize;
        for index in new.clone() {
            let bus = bus.get(index).cloned().unwrap_or_default();
            self.gpus.push(Gpu { index: index.to_string(), bus, ..Gpu::default() });
        }
        self.lay_out();
        new.for_each(|slot| self.tell(News::Presence(slot as u16, Presence::Opening)));
    }

    /// Opens the GPU of this index, expected at this slot; says at which slot it is.
    fn take_in(&mut self, index: u32, expected: u16) -> Result<u16, Stop> {
        let caller = self.about(expected);
        let opened = caller.open("nvmlDeviceGetHandleByIndex_v2", || self.driver.nvml.device_by_index(index));
        let (slot, presence) = match opened.and_then(|device| self.identify(caller, device, index)) {
            Ok((device, gpu)) => {
                let slot = self.place(gpu, expected);
                let bus = self.gpus[usize::from(slot)].bus.clone();
                self.units.insert(slot, Unit::new(device, bus));
                (slot, Presence::Here)
            }
            Err(Trouble::Stop(Stop::Lost)) => (expected, Presence::Gone("lost".into())),
            Err(Trouble::Stop(stop)) => return Err(stop),
            Err(Trouble::Failed(why)) => (expected, Presence::Gone(why)),
            Err(Trouble::Unsupported) => (expected, Presence::Gone("not supported by this driver".into())),
        };
        self.tell(News::Presence(slot, presence));
        Ok(slot)
    }

    fn identify(&self, caller: Caller<'_>, device: Device<'n>, index: u32) -> Result<(Device<'n>, Gpu), Trouble> {
        let text = |text: Option<String>| clean(&text.unwrap_or_default(), 96).into_owned();
        let pci = known(caller.call("nvmlDeviceGetPciInfo_v3", || device.pci_info())).map_err(Trouble::Stop)?;
        let bus = pci.and_then(|pci| pci::address(&pci.bus_id)).unwrap_or_default();
        let gsp = known(caller.call("nvmlDeviceGetGspFirmwareMode", || device.gsp_firmware_mode()));
        let gsp = gsp.map_err(Trouble::Stop)?;
        let gpu = Gpu {
            index: index.to_string(),
            uuid: text(known(caller.call("nvmlDeviceGetUUID", || device.uuid())).map_err(Trouble::Stop)?),
            model: text(known(caller.call("nvmlDeviceGetName", || device.name())).map_err(Trouble::Stop)?),
            serial: text(known(caller.call("nvmlDeviceGetSerial", || device.serial())).map_err(Trouble::Stop)?),
            vbios: text(
                known(caller.call("nvmlDeviceGetVbiosVersion", || device.vbios_version())).map_err(Trouble::Stop)?,
            ),
            numa: pci::numa_node(self.sys, &bus),
            mig: String::new(),
            gsp: text(gsp.map(|mode| if mode.enabled { "on".into() } else { "off".into() })),
            parent: None,
            bus,
        };
        Ok((device, gpu))
    }

    /// Lists the GPU at the slot where it was before, or else where it was expected, or else at a new one.
    fn place(&mut self, gpu: Gpu, expected: u16) -> u16 {
        let same =
            |old: &Gpu| old.uuid == gpu.uuid && !gpu.uuid.is_empty() || old.bus == gpu.bus && !gpu.bus.is_empty();
        let stranger = |old: &Gpu| !old.uuid.is_empty() || !old.bus.is_empty();
        let at = self.gpus.iter().position(same).unwrap_or_else(|| {
            let expected = usize::from(expected);
            if self.gpus.get(expected).is_none_or(stranger) { self.gpus.len() } else { expected }
        });
        // Numbers shift when a GPU goes: one whose number another has taken is known by its address.
        for (other, old) in self.gpus.iter_mut().enumerate() {
            if other != at && old.index == gpu.index {
                old.index.clone_from(&old.bus);
            }
        }
        match self.gpus.get_mut(at) {
            Some(old) => *old = gpu,
            None => self.gpus.push(gpu),
        }
        at as u16
    }

    /// Finds out how GPUs are divided by MIG.
    fn divide(&mut self, order: &Order) -> Result<(), Stop> {
        let mut changed = false;
        let here = |slot: &u16| !order.skip.contains(slot) && !self.lost.contains_key(slot);
        let slots: Vec<u16> = self.units.keys().copied().filter(here).collect();
        for slot in slots {
            match self.divide_one(slot, order.now) {
                Ok(other) => changed |= other,
                Err(Stop::Lost) => self.lose(slot, order.now),
                Err(stop) => return Err(stop),
            }
        }
        if changed {
            self.lay_out();
            for unit in self.units.values() {
                self.tell(News::Cells(unit.tell_gaps().0));
            }
        }
        Ok(())
    }

    /// Whether this GPU is divided otherwise than before.
    fn divide_one(&mut self, slot: u16, now: Time) -> Result<bool, Stop> {
        let caller = self.about(slot);
        let Some(unit) = self.units.get_mut(&slot) else { return Ok(false) };
        if !unit.divided.is(now, self.paces.of(Pace::Fields)) {
            return Ok(false);
        }
        unit.divided.done(now);
        let Some(division) = mig::division(caller, &unit.device)? else { return Ok(false) };
        if division == unit.division {
            return Ok(false);
        }
        if division.mode != unit.division.mode {
            // What a whole GPU supports, a divided one may not.
            unit.begin_anew();
        }
        unit.instances = Instance::all(caller, &unit.device, &division)?;
        unit.division = division;
        Ok(true)
    }

    /// Numbers the slots of MIG instances, and tells all slots.
    fn lay_out(&mut self) {
        let (mut layout, mut parts) = (self.gpus.clone(), BTreeMap::new());
        for (slot, unit) in &mut self.units {
            let gpu = &mut layout[usize::from(*slot)];
            gpu.mig.clone_from(&unit.division.mode);
            let gpu = gpu.clone();
            for instance in &mut unit.instances {
                instance.slot = layout.len() as u16;
                let listed = instance.listed(&gpu, *slot);
                if let Some(number) = instance.number() {
                    parts.insert(listed.uuid.clone(), format!("{}.{number}", gpu.index));
                }
                layout.push(listed);
            }
        }
        self.tell(News::Parts(parts));
        self.tell(News::Layout(layout));
    }

    fn slot_of(&self, index: u32) -> Option<u16> {
        let label = index.to_string();
        self.gpus.iter().position(|gpu| gpu.index == label).map(|slot| slot as u16)
    }

    fn about(&self, slot: u16) -> Caller<'n> {
        Caller { slot: Some(slot), ..self.driver }
    }

    fn tell(&self, piece: News) {
        // Nobody listens to a thread that was given up.
        drop(self.news.send(piece));
    }
}

/// What can be said of something that may not be known; only what stops everything stops this.
fn known<T>(answer: Result<T, Trouble>) -> Result<Option<T>, Stop> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(_) => Ok(None),
    }
}
