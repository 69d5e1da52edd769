//! Whether a node can be believed: up, stale, down or missing, and how many are which.

use std::{fmt, time::Duration};

use super::time::Time;

/// What the hub knows of a node's presence. Ordered from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Its last sample is fresh.
    Up,
    /// No sample for three intervals and at least 3 s.
    Stale,
    /// No sample for 60 s.
    Down,
    /// On the roster, and never heard of since the hub started.
    #[default]
    Missing,
}

impl State {
    /// Every state, best first.
    pub const ALL: [State; 4] = [State::Up, State::Stale, State::Down, State::Missing];

    /// Silence after which a node is down.
    pub const DOWN_AFTER: Duration = Duration::from_mins(1);

    /// The state of a node that was heard `age` ago and reports every `interval`.
    pub fn of(age: Duration, interval: Duration) -> State {
        if age >= State::DOWN_AFTER {
            State::Down
        } else if age >= State::up_for(interval) {
            State::Stale
        } else {
            State::Up
        }
    }

    /// How long a node that reports every `interval` is up after its last sample.
    pub fn up_for(interval: Duration) -> Duration {
        interval.saturating_mul(3).clamp(Duration::from_secs(3), State::DOWN_AFTER)
    }

    /// The word for it in queries, JSON and on screen.
    pub const fn word(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Stale => "stale",
            State::Down => "down",
            State::Missing => "missing",
        }
    }

    /// The state that `word` names.
    pub fn parse(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.word().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How many nodes are in which state, and what the hub had to leave out: every answer carries one,
/// so that totals say what they are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Nodes with fresh samples.
    pub up: u64,
    /// Nodes silent for three intervals or more.
    pub stale: u64,
    /// Nodes silent for 60 s or more.
    pub down: u64,
    /// Nodes of the roster that have not come back.
    pub missing: u64,
    /// GPUs that the nodes listed, MIG instances not counted.
    pub gpus: u64,
    /// What the history of GPUs and nodes reaches back to, about; nothing before the first sample.
    pub history: Option<Time>,
    /// What was dropped or refused since the hub started, by reason: `("oversized frame", 2)`.
    pub drops: Vec<(String, u64)>,
    /// How the scheduler answers that the hub asks for jobs, if it asks one.
    pub scheduler: Option<Scheduler>,
}

/// How a scheduler answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduler {
    /// What it is: `slurm`.
    pub name: String,
    /// When it answered last; nothing before its first answer.
    pub heard: Option<Time>,
    /// Why it has not answered since; empty while it answers.
    pub problem: String,
    /// Nodes that it knows and that no agent has spoken for, as a hostlist.
    pub strangers: String,
}

impl Census {
    /// All nodes, whatever their state.
    pub fn nodes(&self) -> u64 {
        self.up + self.stale + self.down + self.missing
    }

    /// Counts one more node.
    pub fn count(&mut self, state: State) {
        *match state {
            State::Up => &mut self.up,
            State::Stale => &mut self.stale,
            State::Down => &mut self.down,
            State::Missing => &mut self.missing,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_ages_a_node() {
        let check = |age_ms, interval_ms, expected| {
            let ms = Duration::from_millis;
            assert_eq!(State::of(ms(age_ms), ms(interval_ms)), expected, "{age_ms} of {interval_ms}");
        };
        check(0, 1000, State::Up);
        check(2999, 1000, State::Up);
        check(3000, 1000, State::Stale);
        check(2999, 100, State::Up);
        check(29_999, 10_000, State::Up);
        check(30_000, 10_000, State::Stale);
        check(60_000, 1000, State::Down);
        check(60_000, 30_000, State::Down);
    }

    #[test]
    fn words_name_states() {
        for state in State::ALL {
            assert_eq!(State::parse(state.word()), Some(state));
        }
        assert_eq!(State::parse("STALE"), Some(State::Stale));
        assert_eq!(State::parse("lost"), None);
    }
}
