//! How long ports were down lately: a counter of lost links does not say, and a port that comes back has a bad cable all
//! the same.

use std::{collections::VecDeque, time::Duration};

use crate::model::{
    Gap, Raw, Time,
    metric::nic::{self, ACTIVE},
    report::Values,
};

/// How long an outage is told of.
const TOLD: Duration = Duration::from_hours(24);

/// What the ports of a node went through.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// The ports are those of this generation.
    generation: u32,
    tracks: Vec<Track>,
}

/// One port's past.
#[derive(Clone, Debug, Default)]
struct Track {
    /// Whether it has been seen up.
    was_up: bool,
    /// Since when it is down, where it was seen up before.
    down: Option<Time>,
    /// When outages were over and how long they were, the latest last: those before one that was longer say nothing.
    over: VecDeque<(Time, Duration)>,
}

impl Outages {
    /// Adds to a sample how long each of its ports was down.
    pub(super) fn add(&mut self, generation: u32, now: Time, values: &mut Values) {
        if self.generation != generation {
            *self = Outages { generation, ..Outages::default() };
        }
        let states = values.row(nic::STATE).to_vec();
        self.tracks.resize_with(states.len(), Track::default);
        for (slot, (track, state)) in self.tracks.iter_mut().zip(states).enumerate() {
            let longest = match state.steps() {
                Some(state) => track.longest(state == ACTIVE, now),
                None if track.was_up => Some(track.told(now)),
                None => None,
            };
            let gap = if state.steps().is_some() { Gap::Unknown.into() } else { state };
            values.set(nic::OUTAGE, slot, longest.map_or(gap, |longest| Raw::new(longest.as_secs_f64(), 1.0)));
        }
    }
}

impl Track {
    /// The longest outage that is over; nothing for a port that was never seen up.
    fn longest(&mut self, is_up: bool, now: Time) -> Option<Duration> {
        if !is_up {
            self.down = self.down.or(self.was_up.then_some(now));
        } else if let Some(since) = self.down.take() {
            let lasted = now.since(since);
            while self.over.back().is_some_and(|(_, before)| *before <= lasted) {
                self.over.pop_back();
            }
            self.over.push_back((now, lasted));
        }
        self.was_up |= is_up;
        self.was_up.then(|| self.told(now))
    }

    /// The longest one that is still told of.
    fn told(&mut self, now: Time) -> Duration {
        while self.over.front().is_some_and(|(time, _)| now.since(*time) >= TOLD) {
            self.over.pop_front();
        }
        self.over.front().map_or(Duration::ZERO, |(_, lasted)| *lasted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outages: &mut Outages, generation: u32, second: i64, state: Raw) -> Raw {
        let mut values = Values::new(0, 1);
        values.set(nic::STATE, 0, state);
        outages.add(generation, Time::from_millis(1_800_000_000_000 + second * 1000), &mut values);
        values.get(nic::OUTAGE, 0)
    }

    fn up() -> Raw {
        Raw::new(f64::from(ACTIVE), 1.0)
    }

    fn down() -> Raw {
        Raw::new(0.0, 1.0)
    }

    fn seconds(seconds: f64) -> Raw {
        Raw::new(seconds, 1.0)
    }

    #[test]
    fn the_longest_outage_of_a_day_is_told_once_it_is_over() {
        let mut outages = Outages::default();
        let mut at = |second, state| told(&mut outages, 1, second, state);
        assert_eq!((at(0, up()), at(10, down()), at(44, down())), (seconds(0.0), seconds(0.0), seconds(0.0)));
        assert_eq!((at(45, up()), at(50, down()), at(53, up())), (seconds(35.0), seconds(35.0), seconds(35.0)));
        assert_eq!(at(24 * 3600 + 44, up()), seconds(35.0));
        assert_eq!(at(24 * 3600 + 45, up()), seconds(3.0), "the longer one was a day ago");
        assert_eq!(at(24 * 3600 + 53, up()), seconds(0.0));
    }

    #[test]
    fn what_nobody_saw_begin_is_no_outage() {
        let mut outages = Outages::default();
        let mut at = |generation, second, state| told(&mut outages, generation, second, state);
        assert_eq!((at(1, 0, down()), at(1, 60, up())), (Raw::UNKNOWN, seconds(0.0)));
        assert_eq!((at(1, 70, down()), at(2, 100, up())), (seconds(0.0), seconds(0.0)), "the ports may be others");
    }

    #[test]
    fn what_is_not_known_is_no_outage_and_hides_none() {
        let mut outages = Outages::default();
        let mut at = |second, state| told(&mut outages, 1, second, state);
        assert_eq!(at(0, Raw::UNSUPPORTED), Raw::UNSUPPORTED);
        assert_eq!((at(1, up()), at(2, Raw::FAILED), at(60, up())), (seconds(0.0), seconds(0.0), seconds(0.0)));
        assert_eq!((at(61, down()), at(92, Raw::FAILED), at(93, up())), (seconds(0.0), seconds(0.0), seconds(32.0)));
    }

    #[test]
    fn many_short_ones_take_no_room() {
        let mut outages = Outages::default();
        for second in 0..1000 {
            told(&mut outages, 1, second, if second % 2 == 0 { up() } else { down() });
        }
        assert_eq!(outages.tracks[0].over.len(), 1);
    }
}
