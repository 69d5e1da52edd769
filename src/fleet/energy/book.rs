//! Meters and accounts as they are kept over a hub's restart.

use serde::{Deserialize, Serialize};

use super::{Energy, Meter, Meters};
use crate::{
    fleet::{Fleet, name::own},
    model::{
        energy::{Bill, Spent},
        raw::Raw,
        time::Time,
    },
};

/// Accounts, and what jobs have spent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// Hour in milliseconds; user, account, partition and place; used, idle, estimated and GPU seconds.
    accounts: Vec<(i64, [String; 4], [f64; 4])>,
    /// Id; used, idle, estimated and GPU seconds; day in milliseconds and what was used on it; cost and carbon.
    jobs: Vec<Spender>,
}

type Spender = (String, [f64; 4], (i64, f64), [Option<f64>; 2]);

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

fn numbers(spent: Spent) -> [f64; 4] {
    // Joules are whole in a file: nobody measures less.
    [spent.used, spent.idle, spent.estimated, spent.gpu_seconds].map(f64::round)
}

fn spent([used, idle, estimated, gpu_seconds]: [f64; 4]) -> Spent {
    Spent { used, idle, estimated, gpu_seconds }
}

impl Fleet {
    /// The accounts and what jobs have spent, to be kept.
    pub fn book(&self) -> Book {
        let accounts = self.energy.accounts.iter().map(|it| {
            let names = [&it.user, &it.account, &it.partition, &it.place].map(ToString::to_string);
            (it.hour.as_millis(), names, numbers(it.spent))
        });
        let bills = self.jobs().iter().filter_map(|number| self.job(*number as usize)).map(|job| (&job.id, &job.bill));
        let jobs = bills.chain(&self.energy.before).filter(|(_, bill)| bill.spent.gpu_seconds > 0.0);
        let jobs = jobs.map(|(id, bill)| {
            let today = (bill.day.as_millis(), bill.today.round());
            (id.to_string(), numbers(bill.spent), today, [bill.cost, bill.carbon])
        });
        Book { accounts: accounts.collect(), jobs: jobs.collect() }
    }

    /// The meters of so many nodes from one on, to be kept.
    pub fn metered(&self, from: usize, count: usize) -> Vec<Metered> {
        let nodes = self.nodes.iter().zip(&self.energy.meters).skip(from).take(count);
        let read = nodes.filter_map(|(node, meters)| Some((node, meters, meters.read?)));
        let metered = read.map(|(node, meters, read)| Metered {
            node: node.name.to_string(),
            read: read.as_millis(),
            gpus: meters.gpus.iter().map(|gpu| (gpu.counter.steps(), gpu.today.round())).collect(),
        });
        metered.collect()
    }

    /// Goes on from what was kept. Meters of nodes that are not on the roster are left out.
    pub fn restore_energy(&mut self, book: &Book, metered: &[Metered]) {
        for (hour, names, numbers) in &book.accounts {
            let [user, account, partition, place] = names.each_ref().map(|name| self.names.share(name));
            let hour = Time::from_millis(*hour);
            let at = self.energy.open((hour, place, [user, account, partition]));
            self.energy.accounts[at].spent += spent(*numbers);
        }
        let jobs = book.jobs.iter().map(|(id, numbers, (day, today), [cost, carbon])| {
            let (day, today) = (Time::from_millis(*day), *today);
            (own(id), Bill { spent: spent(*numbers), today, day, cost: *cost, carbon: *carbon })
        });
        self.energy.before = jobs.collect();
        for Metered { node, read, gpus } in metered {
            let Some(id) = self.find(node) else { continue };
            let read = Time::from_millis(*read);
            let meter = |(steps, today): &(Option<i32>, f64)| Meter {
                counter: steps.map_or(Raw::UNKNOWN, |steps| Raw::from_bits(steps.max(Raw::MIN))),
                counted: steps.map(|_| read),
                estimated: 0.0,
                today: *today,
            };
            let gpus = gpus.iter().take(Fleet::MOST_SLOTS).map(meter).collect();
            self.energy.meters[id.index()] = Meters { read: Some(read), is_restored: true, back: None, gpus };
        }
    }
}

impl Energy {
    /// Forgets what jobs of another time had spent.
    pub(super) fn forget_before(&mut self, now: Time) {
        self.before.retain(|_, bill| now.since(bill.day) < super::KEPT);
    }
}
