//! Accounts: what was spent in each hour, at which place, and for whom.

use std::{collections::HashMap, time::Duration};

use super::Name;
use crate::model::{energy::Spent, time::Time};

/// How many accounts are kept of each level; what is spent beyond is booked to nobody, and what nobody has to no place.
pub(super) const MOST: usize = 200_000;

/// What was spent in one hour at one place: for one user at one of the widest level, or by all at any other place.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// When the hour began.
    pub hour: Time,
    /// Whose job had the GPUs; empty for GPUs that no job had.
    pub user: Name,
    /// Who pays for it.
    pub account: Name,
    /// The partition or queue.
    pub partition: Name,
    /// The place; empty for nodes without one.
    pub place: Name,
    /// The place of the widest level that it is in.
    pub site: Name,
    /// What was spent.
    pub spent: Spent,
}

/// Which account is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// When the hour began.
    pub(super) hour: Time,
    /// The place, and the place of the widest level that it is in.
    pub(super) place: [Name; 2],
    /// User, account and partition.
    pub(super) who: [Name; 3],
}

/// Accounts of one level's places.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Vec<Account>,
    known: HashMap<Key, usize>,
}

impl Ledger {
    /// All accounts, in the order in which they were opened.
    pub(super) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Books something to an account, which is opened if need be.
    pub(super) fn book(&mut self, mut key: Key, spent: Spent) {
        if self.accounts.len() >= MOST && !self.known.contains_key(&key) {
            if key.who.iter().all(|name| name.is_empty()) {
                key.place[0] = Name::default();
            }
            key.who = Default::default();
        }
        if let Some(at) = self.known.get(&key) {
            self.accounts[*at].spent += spent;
            return;
        }
        let Key { hour, place: [place, site], who: [user, account, partition] } = key.clone();
        self.known.insert(key, self.accounts.len());
        self.accounts.push(Account { hour, user, account, partition, place, site, spent });
    }

    /// Forgets the accounts of hours that began longer ago than that.
    pub(super) fn forget(&mut self, now: Time, kept: Duration) {
        self.accounts.retain(|account| now.since(account.hour) <= kept);
        self.known = self.accounts.iter().zip(0..).map(|(account, at)| (account.key(), at)).collect();
    }
}

impl Account {
    fn key(&self) -> Key {
        let who = [&self.user, &self.account, &self.partition].map(Name::clone);
        Key { hour: self.hour, place: [&self.place, &self.site].map(Name::clone), who }
    }
}
