//! A node at one time: what its values, processes and mounts are all worked out from, found once.

use super::{
    Ailment, Kind, Sim,
    fault::Case,
    job::Profile,
    machine::{self, Machine},
    place,
    schedule::{Activity, Load},
};
use crate::model::Time;

/// A node at one time.
pub(super) struct Moment<'a> {
    pub(super) sim: &'a Sim,
    pub(super) n: u32,
    pub(super) now: Time,
    pub(super) machine: &'static Machine,
    /// What the node has come down with by now.
    pub(super) cases: &'a [Case],
    pub(super) activity: Activity<'a>,
    pub(super) load: Load,
    /// What its job is like.
    pub(super) profile: Option<&'static Profile>,
    /// Degrees of the air that cools it.
    pub(super) inlet: f64,
}

impl<'a> Moment<'a> {
    /// Node `n` at `now`.
    pub(super) fn new(sim: &'a Sim, n: u32, now: Time) -> Self {
        let activity = sim.schedule.activity(n, now);
        Moment {
            sim,
            n,
            now,
            machine: machine::of(&sim.plan, n),
            cases: sim.wards.by(n, now),
            load: activity.load(),
            profile: activity.run().map(|run| run.kind.profile()),
            activity,
            inlet: inlet(n, now),
        }
    }

    /// Whether anything on the node has come down with `ailment`.
    pub(super) fn has(&self, ailment: Ailment) -> bool {
        self.cases.iter().any(|case| case.ailment == ailment)
    }

    /// Of its usual pace, what others leave to its job.
    pub(super) fn pace(&self) -> f64 {
        self.cases.iter().filter(|case| case.ailment.waits()).map(|case| case.ailment.pace()).fold(1.0, f64::min)
    }

    /// What its GPU `slot` has come down with.
    pub(super) fn cases_of(&self, slot: u16) -> impl Iterator<Item = &'a Case> {
        let is_in_step = self.is_in_step();
        self.cases.iter().filter(move |case| case.strikes(slot) && (is_in_step || !case.ailment.waits()))
    }

    /// Whether its job's ranks take each step together.
    pub(super) fn is_in_step(&self) -> bool {
        self.activity.run().is_some_and(|run| matches!(run.kind, Kind::Training | Kind::Pipeline))
    }

    /// A key of its own for this node, this time and a `salt`.
    pub(super) fn key(&self, salt: u64) -> u64 {
        (self.sim.plan.seed ^ salt).wrapping_mul(0xa24b_aed4_963e_e407)
            ^ (self.now.as_millis() as u64).wrapping_mul(0x9fb2_1c65_1e98_df25)
            ^ u64::from(self.n) << 20
    }
}

/// Degrees of the air that cools node `n`: warmest at three in the afternoon.
pub(super) fn inlet(n: u32, now: Time) -> f64 {
    let hours = now.as_millis() as f64 / 3.6e6 - place::hours_behind(n);
    let rack = f64::from(n / place::RACK % 5) * 0.4;
    22.0 + rack + 2.8 * ((hours - 9.0) / 24.0 * std::f64::consts::TAU).sin()
}
