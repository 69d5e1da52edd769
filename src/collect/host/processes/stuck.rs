//! Processes that get no further: in uninterruptible sleep, or ended and not waited for.

use std::{collections::HashMap, time::Duration};

use sysinfo::ProcessStatus;

/// For how long one has to be so at every look to count.
const LONG: Duration = Duration::from_mins(5);
/// The parent of all threads of the kernel's own. Some of these sleep so for good.
const KERNEL: u32 = 2;

/// Those that were so at the last look.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    /// Since when, by pid and start.
    blocked: HashMap<(u32, u64), Duration>,
    zombies: HashMap<(u32, u64), Duration>,
}

/// A look at all processes.
pub(super) struct Look<'a> {
    before: &'a Stuck,
    now: Stuck,
    at: Duration,
}

impl Stuck {
    /// Begins to look at them.
    pub(super) fn look(&self, at: Duration) -> Look<'_> {
        Look { before: self, now: Stuck::default(), at }
    }

    /// How many are blocked, and how many are zombies, for long enough at `at`.
    pub(super) fn counts(&self, at: Duration) -> [usize; 2] {
        let long = |since: &&Duration| at.saturating_sub(**since) >= LONG;
        [&self.blocked, &self.zombies].map(|some| some.values().filter(long).count())
    }
}

impl Look<'_> {
    /// Takes a process, by pid and start.
    pub(super) fn consider(&mut self, key: (u32, u64), parent: Option<u32>, status: ProcessStatus) {
        let (before, now) = match status {
            ProcessStatus::UninterruptibleDiskSleep if parent != Some(KERNEL) => {
                (&self.before.blocked, &mut self.now.blocked)
            }
            ProcessStatus::Zombie => (&self.before.zombies, &mut self.now.zombies),
            _ => return,
        };
        now.insert(key, before.get(&key).copied().unwrap_or(self.at));
    }

    /// Those that are so now.
    pub(super) fn done(self) -> Stuck {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stuck_for_long_at_every_look_counts() {
        use ProcessStatus::{Run, UninterruptibleDiskSleep as Blocked, Zombie};
        let mut stuck = Stuck::default();
        let mut look = |seconds: u64, all: &[(u32, Option<u32>, ProcessStatus)]| {
            let at = Duration::from_secs(seconds);
            let mut look = stuck.look(at);
            for (pid, parent, status) in all {
                look.consider((*pid, 1), *parent, *status);
            }
            stuck = look.done();
            stuck.counts(at)
        };
        let all = [(10, Some(1), Blocked), (11, Some(2), Blocked), (12, None, Zombie), (13, Some(1), Blocked)];
        assert_eq!(look(0, &all), [0, 0]);
        assert_eq!(look(100, &[(13, Some(1), Run), (10, Some(1), Blocked), (12, None, Zombie)]), [0, 0]);
        assert_eq!(look(300, &all), [1, 1], "one went on meanwhile, and one is the kernel's");
        assert_eq!(look(400, &all), [1, 1]);
        assert_eq!(look(401, &[]), [0, 0]);
    }
}
