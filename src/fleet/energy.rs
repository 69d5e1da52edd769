//! What GPUs spend, and the machines that they are in: read off their energy counters every ten seconds, or else power
//! times time; booked by the hour to whoever has them, and kept over a hub's restart. A counter that was reset, and a
//! GPU that was replaced, show as something that no GPU can spend; a node that was not heard for a while made up for
//! it when its counters are there again.

mod book;
mod hours;
mod ledger;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, time::Duration};

use super::{
    Fleet,
    jobs::{Job, Share},
    name::Name,
    node::NodeId,
    place::NOWHERE,
};
use crate::model::{
    energy::{Bill, Spent, Tariff, day, hours},
    metric::{gpu, node},
    raw::Raw,
    time::Time,
};

use ledger::{Key, Ledger};

pub(super) use hours::Hours;

pub use book::{Book, ByHour, Metered};
pub use ledger::Account;

/// How often each node's meters are read.
const EVERY: Duration = Duration::from_secs(10);
/// Joules of one step of the counter.
const STEP: f64 = 100.0;
/// Watts that no GPU draws, not for ten seconds.
const MOST_WATTS: f64 = 5_000.0;
/// How long the last known power is taken for true where there is no counter: a gap is not made up.
const BELIEVED: f64 = 30.0;
/// How long whose GPUs are may be unknown after a restart, before what they spent meanwhile is booked to nobody.
const HOLDERS_WITHIN: Duration = Duration::from_mins(2);
/// How long entries are kept, and those of places of narrower levels.
const KEPT: Duration = Duration::from_hours(7 * 24);
const PLACES_KEPT: Duration = Duration::from_hours(25);

/// All meters and accounts.
#[derive(Debug, Default)]
pub(super) struct Energy {
    meters: Vec<Meters>,
    /// What was spent at the places of the widest level, and for whom.
    users: Ledger,
    /// What was spent at the places of each other level.
    places: Vec<Ledger>,
    /// What jobs had spent before the hub restarted, until they come up again.
    before: HashMap<Name, (Bill, Hours)>,
    /// When old entries were looked for last.
    swept: Time,
    /// Room for what each GPU of a node spent.
    room: Vec<Spent>,
    /// Whether the rest of any machine was ever metered.
    knows_hosts: bool,
}

/// A node's meters.
#[derive(Clone, Debug, Default, PartialEq)]
struct Meters {
    /// When they were read last.
    read: Option<Time>,
    /// Whether whose the GPUs are has yet to be known after a hub's restart, and since when the node is up again.
    is_restored: bool,
    back: Option<Time>,
    gpus: Vec<Meter>,
}

/// A GPU's meter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Meter {
    /// The counter when it was read last, and when that was.
    counter: Raw,
    counted: Option<Time>,
    /// Joules that were estimated since then.
    estimated: f64,
    /// Joules of the day on which it was read last.
    today: f64,
    hours: Hours,
}

impl Meter {
    /// What was spent since the last time, so many seconds ago.
    fn spent(&mut self, counter: Raw, power: Raw, seconds: f64, now: Time) -> Spent {
        let before = self.counter;
        let counted = before.steps().zip(counter.steps()).map(|(a, b)| (f64::from(b) - f64::from(a)) * STEP);
        let span = self.counted.map_or(0.0, |counted| now.seconds_after(counted));
        if counter.steps().is_some() {
            (self.counter, self.counted) = (counter, Some(now));
        }
        let spent = |used, estimated, gpu_seconds| Spent { used, estimated, gpu_seconds, ..Spent::default() };
        let most = MOST_WATTS * span + STEP;
        match (counted, power.steps()) {
            // What was estimated while there was no counter is in it.
            (Some(joules), _) if (0.0..=most).contains(&joules) => {
                let before = std::mem::take(&mut self.estimated);
                spent((joules - before).max(0.0), 0.0, seconds)
            }
            (_, Some(steps)) => {
                let seconds = seconds.min(BELIEVED);
                let joules = f64::from(steps) * 0.5 * seconds;
                // A counter that was reset begins anew.
                self.estimated = if counter.steps().is_some() { 0.0 } else { self.estimated + joules };
                spent(joules, joules, seconds)
            }
            _ => Spent::default(),
        }
    }
}

impl Energy {
    /// Makes room for one more node.
    pub(super) fn add_node(&mut self) {
        self.meters.push(Meters::default());
    }

    /// Whether a job that has not come up again since the hub was last stopped had spent anything on a later day than that.
    pub(super) fn ran_after(&self, job: &Name, time: Time) -> bool {
        self.before.get(job).is_some_and(|(bill, _)| bill.day > day(time))
    }

    /// What the job had spent when the hub was last stopped.
    pub(super) fn restored(&mut self, job: &Name) -> Option<(Bill, Hours)> {
        if self.before.is_empty() { None } else { self.before.remove(job) }
    }

    /// Whether a node's meters are to be read: each has its turn, so that not all are read in the same second.
    fn is_due(&self, node: NodeId, now: Time) -> bool {
        // A clock that was put back is no reason to wait.
        let Some(read) = self.meters[node.index()].read.filter(|read| *read <= now) else { return true };
        let (seconds, every) = (now.as_millis() / 1000, EVERY.as_secs() as i64);
        let has_turn = (seconds + node.index() as i64) % every == 0;
        let ago = now.since(read);
        (has_turn && ago >= EVERY / 2) || ago > EVERY * 2
    }

    /// Books what was spent between two times, for whom and at which place of the widest level.
    fn book(&mut self, (from, to): (Time, Time), place: &Name, who: [&Name; 3], spent: Spent) {
        for (hour, share) in hours(from, to) {
            let key = Key { hour, place: [place, place].map(Name::clone), who: who.map(Name::clone) };
            self.users.book(key, spent.part(share));
        }
    }

    /// Forgets what is old; once an hour is enough.
    pub(super) fn forget(&mut self, now: Time) {
        if now.since(self.swept) < Duration::from_hours(1) {
            return;
        }
        self.swept = now;
        self.forget_before(now);
        self.places.iter_mut().for_each(|level| level.forget(now, PLACES_KEPT));
        self.users.forget(now, KEPT);
    }
}

/// Watts that a machine draws beside its GPUs; nothing where it has no meter, or one of them does not tell.
fn rest(machine: &[Raw], gpus: &[Raw], count: usize) -> Option<f64> {
    let machine = machine.first()?.steps()?;
    let gpus = gpus.get(..count).filter(|gpus| !gpus.is_empty())?;
    let gpus = gpus.iter().map(|power| power.steps().map(i64::from)).sum::<Option<i64>>()?;
    Some((f64::from(machine) - gpus as f64 * 0.5).max(0.0))
}

impl Job {
    fn pays(&self) -> [&Name; 3] {
        [&self.user, &self.account, &self.partition]
    }
}

impl Fleet {
    /// What GPUs spent, by hour, place of the widest level and user.
    pub fn accounts(&self) -> &[Account] {
        self.energy.users.accounts()
    }

    /// What was spent by hour and place of the level at `position`; of the widest level by user, too.
    pub fn accounts_of(&self, position: usize) -> &[Account] {
        match position.checked_sub(1) {
            None => self.energy.users.accounts(),
            Some(at) => self.energy.places.get(at).map_or(&[], Ledger::accounts),
        }
    }

    /// Whether it is known of any machine what it takes beside its GPUs.
    pub fn knows_hosts(&self) -> bool {
        self.energy.knows_hosts
    }

    /// What energy costs.
    pub fn tariff(&self) -> &Tariff {
        &self.settings.tariff
    }

    /// Reads a node's meters if it is time: what its GPUs spent since the last time goes to the jobs that have them.
    pub(super) fn meter(&mut self, id: NodeId, now: Time) {
        if !self.energy.is_due(id, now) || self.awaits_holders(id, now) {
            return;
        }
        let (at, gpus) = (id.index(), self.whole_gpus(id));
        let [counters, powers] = [gpu::ENERGY, gpu::POWER].map(|metric| self.tiles.row(at, metric));
        let meters = &mut self.energy.meters[at];
        let from = meters.read.replace(now).filter(|read| *read < now);
        meters.gpus.resize(gpus, Meter::default());
        let seconds = from.map_or(0.0, |from| now.seconds_after(from));
        self.energy.room.clear();
        for (slot, meter) in meters.gpus.iter_mut().enumerate() {
            let cell = |row: &[Raw]| row.get(slot).copied().unwrap_or_default();
            self.energy.room.push(meter.spent(cell(counters), cell(powers), seconds, now));
        }
        let Some(from) = from else { return };
        let cpus = || self.tiles.row(at, node::CPU_POWER).first()?.steps().map(f64::from);
        if let Some(watts) =
            rest(self.tiles.row(at, node::TOTAL_POWER), powers, gpus).or_else(cpus).filter(|_| gpus > 0)
        {
            let each = watts * seconds.min(BELIEVED) / gpus as f64;
            self.energy.room.iter_mut().filter(|it| it.gpu_seconds > 0.0).for_each(|it| it.host = each);
            self.energy.knows_hosts = true;
        }
        // Of a span over midnight, only what came after it is today's.
        let midnight = day(now);
        let of_today = if from < midnight { now.seconds_after(midnight) / seconds } else { 1.0 };
        for (meter, spent) in meters.gpus.iter_mut().zip(&self.energy.room) {
            let before = if from < midnight { 0.0 } else { meter.today };
            meter.today = before + spent.used * of_today;
            if spent.gpu_seconds > 0.0 {
                hours(from, now).for_each(|(hour, share)| meter.hours.add(hour, spent.used * share));
            }
        }
        self.attribute(id, (from, now));
        // Of a GPU that tells nothing, nothing is known.
        let known = |(meter, spent): (&Meter, &Spent)| {
            let tells = meter.today > 0.0 || spent.gpu_seconds > 0.0;
            if tells { Raw::new(meter.today, STEP) } else { Raw::UNKNOWN }
        };
        let today = self.energy.meters[at].gpus.iter().zip(&self.energy.room).map(known);
        let hour = |meter: &Meter| meter.hours.get(now).map_or(Raw::UNKNOWN, |joules| Raw::new(joules, STEP));
        let hour = self.energy.meters[at].gpus.iter().map(hour);
        let mut tile = self.tiles.get_mut(at);
        tile.row(gpu::ENERGY_TODAY).iter_mut().zip(today).for_each(|(cell, raw)| *cell = raw);
        tile.row(gpu::ENERGY_HOUR).iter_mut().zip(hour).for_each(|(cell, raw)| *cell = raw);
    }

    /// Joules that a GPU took in the hour of `time`, as far as it was metered in the last 24 hours.
    pub(super) fn energy_hour(&self, id: NodeId, slot: usize, time: Time) -> Option<f64> {
        self.energy.meters[id.index()].gpus.get(slot)?.hours.get(time)
    }

    /// Joules that a job took in the hour of `time`, as far as it was watched in the last 24 hours.
    pub fn job_energy_hour(&self, job: usize, time: Time) -> Option<f64> {
        self.job(job)?.hours.get(time)
    }

    /// Whether a node that was metered before the hub restarted has yet to say whose its GPUs are.
    fn awaits_holders(&mut self, id: NodeId, now: Time) -> bool {
        let meters = &mut self.energy.meters[id.index()];
        if !meters.is_restored {
            return false;
        }
        let back = *meters.back.get_or_insert(now);
        let has_processes = self.nodes[id.index()].processes.time.is_some();
        let has_jobs = self.scheduler.as_ref().is_none_or(|scheduler| scheduler.heard.is_some());
        let waits = !(has_processes && has_jobs) && now.since(back) < HOLDERS_WITHIN;
        meters.is_restored = waits;
        waits
    }

    /// Books what the GPUs of a node spent to the jobs that have them, and to nobody what no job has.
    fn attribute(&mut self, id: NodeId, span: (Time, Time)) {
        let room = std::mem::take(&mut self.energy.room);
        let utils = self.tiles.row(id.index(), gpu::UTIL);
        let is_idle = |slot: usize| utils.get(slot).and_then(|util| util.steps()).is_some_and(|steps| steps < 1);
        let places: Vec<Name> = self
            .places_of(id)
            .iter()
            .enumerate()
            .map(|(level, at)| {
                let place = self.places.of_level(level).get(*at as usize).map(|place| place.name.clone());
                place.filter(|place| &**place != NOWHERE).unwrap_or_default()
            })
            .collect();
        let place = places.first().cloned().unwrap_or_default();
        let mut sharers = vec![0u32; room.len()];
        // Who has an instance has a part of its GPU.
        let gpus = &self.nodes[id.index()].inventory.gpus;
        let whole = |share: &Share| {
            let whole = |slot: u16| gpus.get(usize::from(slot)).and_then(|gpu| gpu.parent).unwrap_or(slot);
            let mut slots: Vec<usize> = share.slots.iter().map(|slot| usize::from(whole(slot))).collect();
            slots.sort_unstable();
            slots.dedup();
            slots.retain(|slot| *slot < room.len());
            slots
        };
        for slot in self.jobs.held_of(id).flat_map(|(_, share)| whole(share)) {
            sharers[slot] += 1;
        }
        let of_share = |share: &Share| {
            let mut sum = Spent::default();
            for slot in whole(share) {
                let part = room[slot].part(1.0 / f64::from(sharers[slot]));
                sum += Spent { idle: if is_idle(slot) { part.used } else { 0.0 }, ..part };
            }
            sum
        };
        let holders: Vec<(u32, Spent)> =
            self.jobs.held_of(id).map(|(number, share)| (number, of_share(share))).collect();
        let mut all = Spent::default();
        for (_, spent) in &holders {
            all += *spent;
        }
        for (number, spent) in holders.into_iter().filter(|(_, spent)| spent.gpu_seconds > 0.0) {
            self.restore_bill(number);
            let Some(job) = self.jobs.get_mut(number) else { continue };
            for (hour, share) in hours(span.0, span.1) {
                job.bill.add(spent.part(share), hour, &place, &self.settings.tariff);
                job.hours.add(hour, spent.used * share);
            }
            self.energy.book(span, &place, job.pays(), spent);
        }
        let mut free = Spent::default();
        room.iter().zip(&sharers).filter(|(_, sharers)| **sharers == 0).for_each(|(spent, _)| free += *spent);
        if free.gpu_seconds > 0.0 {
            self.energy.book(span, &place, [&Name::default(); 3], free);
        }
        all += free;
        if all.gpu_seconds > 0.0 {
            self.energy.places.resize_with(places.len().saturating_sub(1), Ledger::default);
            for (level, narrow) in self.energy.places.iter_mut().zip(places.iter().skip(1)) {
                for (hour, share) in hours(span.0, span.1) {
                    let key = Key { hour, place: [narrow, &place].map(Name::clone), who: Default::default() };
                    level.book(key, all.part(share));
                }
            }
        }
        self.energy.room = room;
    }

    /// Gives a job back what it had spent before the hub restarted.
    pub(super) fn restore_bill(&mut self, number: u32) {
        let Some(job) = self.jobs.get_mut(number) else { return };
        if let Some(before) = self.energy.restored(&job.id) {
            (job.bill, job.hours) = before;
        }
    }
}
