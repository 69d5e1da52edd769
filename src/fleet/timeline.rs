//! What the fleet remembers of times before now: metrics along time, growth of counters, roll-ups.
//! Answers are on the steps that were asked for, whatever steps were kept.

use std::time::Duration;

use super::{
    Fleet,
    grid::Grid,
    history::{History, growth},
    name::Name,
    node::NodeId,
    place::Area,
    rollup::{Rollup, Rollups},
};
use crate::model::{
    metric::{Kind, MetricId, Scope, gpu},
    raw::Gap,
    time::Time,
};

impl Fleet {
    /// Whether history is kept of a metric.
    pub fn remembers(&self, metric: MetricId) -> bool {
        History::keeps(metric) || metric == gpu::ENERGY_HOUR
    }

    /// Whether a metric is rolled up over places.
    pub fn rolls_up(&self, metric: MetricId) -> bool {
        Rollups::keeps(metric)
    }

    /// The time that [`Fleet::history`] reaches back to, about; nothing before the first sample.
    pub fn reach(&self) -> Option<Time> {
        self.history.since()
    }

    /// Bytes that history and roll-ups take.
    pub fn history_bytes(&self) -> usize {
        self.history.bytes() + self.rollups.bytes()
    }

    /// A metric's values along time, in its unit: one for each whole step from `from` up to `to` (at most 100,000),
    /// none where unknown. A step's value is the mean of what was seen in it; of counters, flags and codes the last.
    /// The slot means the GPU that is in it now, wherever that was before.
    pub fn history(
        &self,
        id: NodeId,
        metric: MetricId,
        slot: usize,
        from: Time,
        to: Time,
        step: Duration,
    ) -> Vec<Option<f64>> {
        let Some(row) = metric.builtin() else { return Vec::new() };
        let mut grid = Grid::new(from, to, step);
        if metric == gpu::ENERGY_HOUR {
            return grid.times().map(|time| self.energy_hour(id, slot, time)).collect();
        }
        let is_gauge = row.kind == Kind::Gauge;
        self.history.read(id, (metric, &[self.thing(id, metric, slot)]), (from, to), |seen| {
            if let Some(value) = seen.values.first().and_then(|raw| raw.value(row.quantum)) {
                grid.add(seen.time, seen.span, &(value, 1.0), |(sum, n), (value, _)| {
                    if is_gauge {
                        (*sum, *n) = (*sum + value, *n + 1.0);
                    }
                });
            }
        });
        grid.finish().map(|cell| cell.map(|(sum, n): (f64, f64)| sum / n)).collect()
    }

    /// By how much a counter grew between two times, in its unit. A reset adds nothing, and what a counter that was
    /// zero for a moment comes back to is no growth either. Nothing without two values.
    pub fn increase(&self, id: NodeId, metric: MetricId, slot: usize, from: Time, to: Time) -> Option<f64> {
        let quantum = metric.builtin()?.quantum;
        let mut newest_first = Vec::new();
        let thing = self.thing(id, metric, slot);
        self.history.read(id, (metric, &[thing]), (from, to), |seen| newest_first.extend(seen.values));
        growth(newest_first.into_iter().rev()).map(|grown| grown as f64 * quantum)
    }

    /// The smallest step that history is kept in now: a second or two of a small fleet, ten seconds of a large one.
    pub fn finest_step(&self) -> Duration {
        self.history.finest_step()
    }

    /// A metric rolled up over an area along time: one value for each whole step from `from` up to `to`, none where
    /// no node was up. Of nodes, the metrics of [`Fleet::rolls_up`]; of GPUs, whole ones only.
    pub fn rollup(&self, area: Area, metric: MetricId, from: Time, to: Time, step: Duration) -> Vec<Option<Rollup>> {
        self.rollups.read(area, metric, (from, to, step))
    }

    /// A metric of an area as it was rolled up last, from the nodes that were up; or why none of them had it. Nothing
    /// for what is not rolled up, was longer than 2 s before `now`, or is of no node.
    pub fn rolled_up(&self, area: Area, metric: MetricId, now: Time) -> Option<Result<Rollup, Gap>> {
        self.rollups.latest(area, metric, now)
    }

    /// A metric rolled up over some of a node's slots along time, as [`Fleet::rollup`], of what was seen `within` a span.
    /// Of counters, flags and codes each step has the last.
    pub fn rollup_of(
        &self,
        id: NodeId,
        metric: MetricId,
        slots: impl IntoIterator<Item = usize>,
        (from, to, step): (Time, Time, Duration),
        within: (Option<Time>, Option<Time>),
    ) -> Vec<Option<Rollup>> {
        let Some(row) = metric.builtin() else { return Vec::new() };
        let things: Vec<_> = slots.into_iter().map(|slot| self.thing(id, metric, slot)).collect();
        let mut grid = Grid::new(from, to, step);
        let is_gauge = row.kind == Kind::Gauge;
        let seen_in = (within.0.map_or(from, |begin| begin.max(from)), within.1.map_or(to, |end| end.min(to)));
        self.history.read(id, (metric, &things), seen_in, |seen| {
            let known = seen.values.iter().filter_map(|raw| raw.value(row.quantum)).map(Rollup::of);
            if let Some(all) = known.reduce(Rollup::and) {
                grid.add(seen.time, seen.span, &(all, 1.0), |(all, n), (one, _)| {
                    if is_gauge {
                        (*all, *n) = (all.and(*one), *n + 1.0);
                    }
                });
            }
        });
        grid.finish().map(|cell| cell.map(|(all, n)| all.mean(n))).collect()
    }

    /// What history is to be asked of a slot: of GPUs, whose it is.
    fn thing(&self, id: NodeId, metric: MetricId, slot: usize) -> (usize, Option<&Name>) {
        let gpu = self.node(id).inventory.gpus.get(slot).filter(|_| metric.scope == Scope::Gpu);
        (slot, gpu.map(super::Gpu::identity))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        fleet::{
            NOWHERE, Settings,
            fixture::{at, builtin, fleet, introduction, inventory, join, send},
        },
        model::{
            job::{Job, Phase},
            metric::node,
            raw::Raw,
            sink::Sink as _,
        },
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn area(fleet: &Fleet, level: &str, place: &str) -> Option<Area> {
        let Some(level) = fleet.levels().position(level) else { return Some(Area::Fleet) };
        let at = fleet.places(level).iter().position(|it| &*it.name == place)?;
        Some(Area::Place { level, at })
    }

    #[test]
    fn a_small_fleet_has_every_second() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 2, at(0));
        for second in 0..100 {
            send(&mut fleet, session, gpu::UTIL, &[second as f64, 100.0 - second as f64], at(second * 1000 + 300));
        }
        let read = |slot, from, to, step| fleet.history(session.node, gpu::UTIL, slot, at(from), at(to), step);
        assert_eq!(read(0, 95_000, 100_000, SECOND), [95.0, 96.0, 97.0, 98.0, 99.0].map(Some));
        assert_eq!(read(1, 95_000, 97_000, SECOND), [5.0, 4.0].map(Some));
        let tens = read(0, 0, 100_000, Duration::from_secs(10));
        assert_eq!(tens, (0..10).map(|n| Some(f64::from(n) * 10.0 + 4.5)).collect::<Vec<_>>());
        assert_eq!(read(0, 98_000, 102_000, SECOND), [Some(98.0), Some(99.0), None, None]);
        assert_eq!(fleet.reach(), Some(at(300)));
        assert!(fleet.remembers(gpu::UTIL) && !fleet.remembers(gpu::FAN));
        assert_eq!(fleet.history(session.node, gpu::FAN, 0, at(0), at(2000), SECOND), [None, None]);
    }

    #[test]
    fn history_follows_a_gpu_to_another_slot() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 3, at(0));
        send(&mut fleet, session, gpu::TEMP, &[40.0, 50.0, 60.0], at(0));
        let mut said = inventory("gpu001", 3);
        said.gpus.remove(0);
        fleet.inventory(session, &said, at(500));
        send(&mut fleet, session, gpu::TEMP, &[51.0, 61.0], at(1000));
        let read = |slot| fleet.history(session.node, gpu::TEMP, slot, at(0), at(2000), SECOND);
        assert_eq!(read(0), [Some(50.0), Some(51.0)]);
        assert_eq!(read(1), [Some(60.0), Some(61.0)]);
        assert_eq!(read(2), [None, None], "no GPU is there now");
    }

    #[test]
    fn a_counter_grows_by_what_was_added() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 1, at(0));
        for (second, errors) in [100.0, 104.0, 0.0, 3.0].into_iter().enumerate() {
            send(&mut fleet, session, gpu::NVLINK_ERRORS, &[errors], at(second as i64 * 1000));
        }
        let increase = |to| fleet.increase(session.node, gpu::NVLINK_ERRORS, 0, at(0), at(to));
        assert_eq!(increase(4000), Some(7.0));
        assert_eq!(increase(2000), Some(4.0));
        assert_eq!(increase(1000), None, "one value is no growth");
    }

    /// More nodes than have small steps, and a budget that holds a part of what they send.
    #[test]
    fn memory_for_history_is_bounded_and_the_newest_is_kept() {
        let budget = 2 << 20;
        let mut fleet = Fleet::new(Settings { history_bytes: Some(budget), ..Settings::default() });
        let sessions: Vec<_> = (0..513).map(|n| join(&mut fleet, &format!("gpu{n:03}"), 1, at(0))).collect();
        let last = 2_500_000;
        for step in 0..=last / 10_000 {
            for (n, session) in sessions.iter().enumerate() {
                let noise = (step * 7919 + n as i64 * 104_729) % 1_000_003 * 1_000_000;
                send(&mut fleet, *session, gpu::NVLINK_RX, &[noise as f64], at(step * 10_000));
            }
            fleet.tick(at(step * 10_000));
        }
        assert!(fleet.history_bytes() as u64 <= budget, "{}", fleet.history_bytes());
        assert!(fleet.reach() > Some(at(0)), "the oldest was pushed out");
        let (from, step) = (at(last - 60_000), Duration::from_secs(10));
        let read = fleet.history(sessions[512].node, gpu::NVLINK_RX, 0, from, at(last), step);
        assert!(read.iter().all(Option::is_some) && read.len() == 6, "{read:?}");
        // What is not taken by others is used; and jobs that ended take of it.
        let used = |fleet: &Fleet| (fleet.history_bytes() + fleet.jobs.past_bytes()) as u64;
        let full = budget - (512 << 10)..=budget;
        assert!(full.contains(&used(&fleet)), "{}", used(&fleet));
        for id in 0..500 {
            let (id, phase) = (id.to_string(), Phase::Ended);
            fleet.schedule(&Job { id, phase, ended: Some(at(last)), ..Job::default() }, at(last));
        }
        fleet.tick(at(last + 60_000));
        assert!(fleet.jobs.past_bytes() > 256 << 10, "{}", fleet.jobs.past_bytes());
        assert!(full.contains(&used(&fleet)), "{}", used(&fleet));
    }

    proptest! {
        /// Roll-ups are what summing up all nodes would give, by level, with nobody counted who is not up.
        #[test]
        fn rollups_are_sums_over_the_nodes_that_are_up(
            nodes in prop::collection::vec((0..3_usize, prop::collection::vec(0..=1000_u32, 2), any::<bool>()), 1..12),
        ) {
            let mut fleet = fleet();
            let mut expected = vec![Vec::new(); 3];
            for (n, (rack, power, is_up)) in nodes.iter().enumerate() {
                let name = format!("gpu{n:03}");
                let session = fleet.join(&introduction(&name), builtin(), at(-9000)).unwrap();
                let mut said = inventory(&name, 2);
                said.labels[0].value = format!("r{rack}");
                fleet.inventory(session, &said, at(-9000));
                let values = [f64::from(power[0]) / 2.0, f64::from(power[1]) / 2.0];
                send(&mut fleet, session, gpu::POWER, &values, if *is_up { at(0) } else { at(-9000) });
                if *is_up {
                    expected[*rack].extend(values);
                }
            }
            fleet.tick(at(100));
            fleet.tick(at(200));
            let check = |level: &str, place: &str, values: &[f64]| {
                let rolled = area(&fleet, level, place)
                    .map_or_else(|| vec![None], |area| fleet.rollup(area, gpu::POWER, at(0), at(1000), SECOND));
                let Some(rolled) = rolled[0] else {
                    prop_assert!(values.is_empty(), "{} {} has no roll-up", level, place);
                    return Ok(());
                };
                prop_assert_eq!(rolled.count as usize, values.len());
                prop_assert!((rolled.sum - values.iter().sum::<f64>()).abs() <= 0.02 * values.len() as f64);
                prop_assert_eq!(Some(rolled.min), values.iter().copied().reduce(f64::min));
                prop_assert_eq!(Some(rolled.max), values.iter().copied().reduce(f64::max));
                let last = area(&fleet, level, place).and_then(|area| fleet.rolled_up(area, gpu::POWER, at(3100)));
                let Some(Ok(last)) = last else { panic!("{level} {place}: {last:?}") };
                prop_assert_eq!((last.count, last.min, last.max), (rolled.count, rolled.min, rolled.max));
                prop_assert!((last.sum - values.iter().sum::<f64>()).abs() < 1e-6);
                Ok(())
            };
            for (rack, values) in expected.iter().enumerate() {
                check("rack", &format!("r{rack}"), values)?;
            }
            check("fleet", "", &expected.concat())?;
            check("pod", NOWHERE, &expected.concat())?;
            check("pod", "elsewhere", &[])?;
            prop_assert_eq!(fleet.rolled_up(Area::Fleet, gpu::POWER, at(3101)), None, "too old to be now");
            prop_assert_eq!(fleet.rolled_up(Area::Fleet, gpu::XID, at(200)), None, "not rolled up");
        }
    }

    #[test]
    fn a_roll_up_of_gaps_says_which() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 2, at(0));
        let rolled = |fleet: &mut Fleet, values: &[Raw; 2], second: i64| {
            let mut writer = fleet.writer(session).expect("room");
            writer.row(Scope::Gpu, usize::from(gpu::POWER.row)).expect("a row").copy_from_slice(values);
            fleet.sampled(session, at(second * 1000), at(second * 1000));
            fleet.tick(at(second * 1000));
            fleet.rolled_up(Area::Fleet, gpu::POWER, at(second * 1000)).expect("rolled up")
        };
        assert_eq!(rolled(&mut fleet, &[Raw::UNSUPPORTED; 2], 1), Err(Gap::Unsupported));
        assert_eq!(rolled(&mut fleet, &[Raw::UNSUPPORTED, Raw::FAILED], 2), Err(Gap::Unknown));
        assert_eq!(rolled(&mut fleet, &[Raw::FAILED, Raw::from_bits(0)], 3).map(|r| r.count), Ok(1.0));
    }

    #[test]
    fn rollups_reach_back_in_ten_second_steps() {
        let mut fleet = fleet();
        let session = join(&mut fleet, "gpu001", 1, at(0));
        for second in 0..9000 {
            send(&mut fleet, session, node::CPU, &[(second % 10 * 10) as f64], at(second * 1000));
            fleet.tick(at(second * 1000 + 1));
        }
        let end = at(9_000_000);
        let read = |from, step| fleet.rollup(Area::Fleet, node::CPU, from, end, step);
        let last = read(end - Duration::from_mins(10), SECOND);
        assert!(
            last.iter().enumerate().all(|(n, r)| r.is_some_and(|r| r.sum.total_cmp(&((n % 10 * 10) as f64)).is_eq()))
        );
        let all = read(at(0), Duration::from_secs(10));
        assert_eq!(all.len(), 900);
        for (n, rolled) in all.into_iter().enumerate() {
            let Some(Rollup { count, sum, min, max }) = rolled else { panic!("step {n} is unknown") };
            assert_eq!((count, min, max), (1.0, 0.0, 90.0), "step {n}");
            assert!((sum - 45.0).abs() < 0.1, "step {n}: {sum}");
        }
    }
}
