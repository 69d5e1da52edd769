//! Meters and accounts as they are kept over a hub's restart.

use serde::{Deserialize, Serialize};

use super::{Account, Energy, Hours, Key, Ledger, Meter, Meters};
use crate::{
    fleet::{
        Fleet,
        name::{Name, own},
        node::Node,
    },
    model::{
        energy::{Bill, Spent},
        raw::Raw,
        time::Time,
    },
};

/// Accounts, and what jobs have spent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// Hour in milliseconds; user, account, partition and place; what was spent.
    accounts: Vec<(i64, [Name; 4], Numbers)>,
    /// Id; what was spent; day in milliseconds and what was used on it; cost and carbon.
    jobs: Vec<Spender>,
    /// What jobs spent by the hour: id, the last hour's number, and kilojoules from it backwards.
    #[serde(default)]
    hours: Vec<(Name, u32, Vec<Option<u16>>)>,
    /// Of each level but the widest: hour in milliseconds, place and widest place; what was spent.
    #[serde(default)]
    places: Vec<Vec<(i64, [Name; 2], Numbers)>>,
}

/// Used, idle, estimated, GPU seconds, host; a shorter list is an older one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<f64>", from = "Vec<f64>")]
struct Numbers([f64; 5]);

impl From<Vec<f64>> for Numbers {
    fn from(list: Vec<f64>) -> Self {
        Numbers(std::array::from_fn(|at| list.get(at).copied().unwrap_or(0.0)))
    }
}

impl From<Numbers> for Vec<f64> {
    fn from(Numbers(numbers): Numbers) -> Self {
        numbers.into()
    }
}

type Spender = (Name, Numbers, (i64, f64), [Option<f64>; 2]);

/// One node's meters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metered {
    /// The node's name.
    node: String,
    /// When they were read, in milliseconds.
    read: i64,
    /// Of each GPU: its counter's steps, if it has one, and the joules of that day.
    gpus: Vec<(Option<i32>, f64)>,
}

/// What each GPU of a node spent by the hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ByHour {
    /// The node's name.
    pub node: Name,
    /// When its meters were read last, in milliseconds.
    read: i64,
    /// Of each GPU, the last hour's number, and kilojoules from it backwards.
    gpus: Vec<Option<(u32, Vec<Option<u16>>)>>,
}

fn numbers(spent: Spent) -> Numbers {
    let Spent { used, host, idle, estimated, gpu_seconds } = spent;
    // Joules are whole in a file: nobody measures less.
    Numbers([used, idle, estimated, gpu_seconds, host].map(f64::round))
}

fn spent(Numbers([used, idle, estimated, gpu_seconds, host]): Numbers) -> Spent {
    Spent { used, host, idle, estimated, gpu_seconds }
}

impl Fleet {
    /// The accounts and what jobs have spent, to be kept.
    pub fn book(&self) -> Book {
        let accounts = self.energy.users.accounts().iter().map(|it| {
            let names = [&it.user, &it.account, &it.partition, &it.place].map(Name::clone);
            (it.hour.as_millis(), names, numbers(it.spent))
        });
        let known = self.jobs().iter().filter_map(|number| self.job(*number as usize));
        let known = known.map(|job| (&job.id, &job.bill, &job.hours));
        let before = self.energy.before.iter().map(|(id, (bill, hours))| (id, bill, hours));
        let all = || known.clone().chain(before.clone()).filter(|(_, bill, _)| bill.spent.gpu_seconds > 0.0);
        let hours = all().filter_map(|(id, _, hours)| hours.kept().map(|(number, all)| (id.clone(), number, all)));
        let jobs = all().map(|(id, bill, _)| {
            let today = (bill.day.as_millis(), bill.today.round());
            (id.clone(), numbers(bill.spent), today, [bill.cost, bill.carbon])
        });
        let of_place = |it: &Account| (it.hour.as_millis(), [&it.place, &it.site].map(Name::clone), numbers(it.spent));
        let places = self.energy.places.iter().map(|level| level.accounts().iter().map(of_place).collect());
        let (accounts, jobs, hours) = (accounts.collect(), jobs.collect(), hours.collect());
        Book { accounts, jobs, hours, places: places.collect() }
    }

    /// The meters of so many nodes from one on, to be kept.
    pub fn metered(&self, from: usize, count: usize) -> Vec<Metered> {
        let metered = |(node, meters): (&Node, &Meters)| {
            Some(Metered {
                node: node.name.to_string(),
                read: meters.read?.as_millis(),
                gpus: meters.gpus.iter().map(|gpu| (gpu.counter.steps(), gpu.today.round())).collect(),
            })
        };
        self.meters(from, count).filter_map(metered).collect()
    }

    /// What the GPUs of so many nodes from one on spent by the hour, to be kept.
    pub fn spent_by_hour(&self, from: usize, count: usize) -> Vec<ByHour> {
        let hourly = |(node, meters): (&Node, &Meters)| {
            let read = meters.read?.as_millis();
            let gpus: Vec<_> = meters.gpus.iter().map(|gpu| gpu.hours.kept()).collect();
            gpus.iter().any(Option::is_some).then(|| ByHour { node: node.name.clone(), read, gpus })
        };
        self.meters(from, count).filter_map(hourly).collect()
    }

    fn meters(&self, from: usize, count: usize) -> impl Iterator<Item = (&Node, &Meters)> {
        self.nodes.iter().zip(&self.energy.meters).skip(from).take(count)
    }

    /// Goes on from what was kept. Meters of nodes that are not on the roster are left out.
    pub fn restore_energy(&mut self, book: &Book, metered: &[Metered]) {
        for (hour, names, numbers) in &book.accounts {
            let [user, account, partition, place] = names.each_ref().map(|name| self.names.share(name));
            let hour = Time::from_millis(*hour);
            let spent = spent(*numbers);
            let key = Key { hour, place: [place.clone(), place], who: [user, account, partition] };
            self.energy.users.book(key, spent);
            self.energy.knows_hosts |= spent.host > 0.0;
        }
        // Of a hub whose levels are others now, places of the same names are taken for the same.
        self.energy.places.resize_with(book.places.len(), Ledger::default);
        for (level, kept) in self.energy.places.iter_mut().zip(&book.places) {
            for (hour, names, numbers) in kept {
                let [place, site] = names.each_ref().map(|name| self.names.share(name));
                let key = Key { hour: Time::from_millis(*hour), place: [place, site], who: Default::default() };
                level.book(key, spent(*numbers));
            }
        }
        let jobs = book.jobs.iter().map(|(id, numbers, (day, today), [cost, carbon])| {
            let (day, today) = (Time::from_millis(*day), *today);
            let bill = Bill { spent: spent(*numbers), today, day, cost: *cost, carbon: *carbon };
            (own(id), (bill, Hours::default()))
        });
        self.energy.before = jobs.collect();
        for (id, number, all) in &book.hours {
            if let Some((_, hours)) = self.energy.before.get_mut(id) {
                *hours = Hours::restored(*number, all);
            }
        }
        for Metered { node, read, gpus } in metered {
            let Some(id) = self.find(node) else { continue };
            let read = Time::from_millis(*read);
            let meter = |(steps, today): &(Option<i32>, f64)| Meter {
                counter: steps.map_or(Raw::UNKNOWN, |steps| Raw::from_bits(steps.max(Raw::MIN))),
                counted: steps.map(|_| read),
                estimated: 0.0,
                today: *today,
                hours: Hours::default(),
            };
            let gpus = gpus.iter().take(Fleet::MOST_SLOTS).map(meter).collect();
            self.energy.meters[id.index()] = Meters { read: Some(read), is_restored: true, back: None, gpus };
        }
    }

    /// Goes on from what a node's GPUs spent by the hour; of those without a meter it is left out. Where the meters were
    /// kept at another time, what that hour came to is not known.
    pub fn restore_hours(&mut self, kept: &ByHour) {
        let Some(id) = self.find(&kept.node) else { return };
        let meters = &mut self.energy.meters[id.index()];
        let Some(read) = meters.read else { return };
        for (meter, hours) in meters.gpus.iter_mut().zip(&kept.gpus) {
            if let Some((number, all)) = hours {
                meter.hours = Hours::restored(*number, all);
                if read.as_millis() != kept.read {
                    meter.hours.add(read, f64::NAN);
                }
            }
        }
    }
}

impl Energy {
    /// Forgets what jobs of another time had spent.
    pub(super) fn forget_before(&mut self, now: Time) {
        self.before.retain(|_, (bill, _)| now.since(bill.day) < super::KEPT);
    }
}
