//! Which processes are worth a report: those that are watched, and the busiest of the others.

use std::{collections::BTreeSet, time::Duration};

/// How many processes are reported besides those that are watched.
pub(super) const BUSIEST: usize = 20;

/// A process that may be reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) pid: u32,
    /// CPU time since the last look, where there was one.
    pub(super) grown: Option<Duration>,
    /// Resident memory, in bytes.
    pub(super) memory: u64,
}

/// The watched processes, and the busiest of the others so far.
pub(super) struct Picked {
    watched: BTreeSet<u32>,
    wanted: Vec<Candidate>,
    busiest: Vec<Candidate>,
}

impl Picked {
    pub(super) fn new(watched: BTreeSet<u32>) -> Picked {
        Picked { watched, wanted: Vec::new(), busiest: Vec::with_capacity(BUSIEST + 1) }
    }

    pub(super) fn consider(&mut self, candidate: Candidate) {
        if self.watched.contains(&candidate.pid) {
            self.wanted.push(candidate);
            return;
        }
        // By CPU time since the last look; by memory where that tells nothing.
        let rank = |candidate: &Candidate| (candidate.grown, candidate.memory);
        let place = self.busiest.partition_point(|other| rank(other) >= rank(&candidate));
        if place < BUSIEST {
            self.busiest.insert(place, candidate);
            self.busiest.truncate(BUSIEST);
        }
    }

    /// The watched ones first, then the busiest, most busy first.
    pub(super) fn take(mut self) -> Vec<Candidate> {
        self.wanted.append(&mut self.busiest);
        self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watched_come_first_then_the_busiest() {
        let pick = |candidates: &[(u32, Option<u64>, u64)]| {
            let mut picked = Picked::new([7].into());
            for (pid, grown, memory) in candidates {
                picked.consider(Candidate { pid: *pid, grown: grown.map(Duration::from_millis), memory: *memory });
            }
            picked.take().iter().map(|candidate| candidate.pid).collect::<Vec<_>>()
        };
        let unknown: Vec<_> = (100..150).map(|pid| (pid, None, u64::from(pid))).chain([(7, None, 3)]).collect();
        let by_memory: Vec<_> = [7].into_iter().chain((130..150).rev()).collect();
        assert_eq!(pick(&unknown), by_memory, "as long as nothing is known of CPU time");
        let known = [(1, Some(0), 900), (2, Some(50), 1), (7, Some(0), 0), (3, Some(500), 1), (4, Some(50), 2)];
        assert_eq!(pick(&known), [7, 3, 4, 2, 1]);
    }
}
