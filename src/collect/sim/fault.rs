//! What is sick in a simulated fleet: a table of faults, each with a kind, a subject and a time.
//! A seed draws a small share of sick things; a scenario can put its own table in their place.

use std::{ops::Range, time::Duration};

use super::{
    Ailment, Mix, Plan, Sim,
    chance::{Dice, key},
    job::Kind,
    place::RACK,
};
use crate::model::{Scope, Time, report::Values};

/// No fault begins before this, so that everything has been seen healthy once.
pub const FIRST: Duration = Duration::from_secs(10);

/// What a fault has befallen. Nodes and racks count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A GPU of a node.
    Gpu(u32, u16),
    /// An RDMA port of a node.
    Port(u32, u16),
    /// A node, with all its GPUs.
    Node(u32),
    /// A rack, with all its nodes.
    Rack(u32),
    /// All nodes of the job that runs on a node when the fault begins.
    JobOf(u32),
}

/// Something that goes wrong at some time and stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub ailment: Ailment,
    /// With what.
    pub subject: Subject,
    /// How long after the fleet's start.
    pub at: Duration,
}

/// Which faults a fleet has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Faults {
    /// A small share of sick things, by the seed: the first at 10 s, all within ten minutes.
    #[default]
    Seeded,
    /// This one at 10 s, on something that is at work then, by the seed.
    One(Ailment),
    /// A node loses a GPU three times, more than a day after the last time each, and is mended in between.
    Lemon,
    /// The programs of three jobs fail on one GPU within a day, and nowhere else.
    BadGpu,
    /// These, and no others.
    Given(Vec<Fault>),
    /// What interrupts jobs, as often and in such shares as a published run had it.
    Mix(Mix),
}

/// The faults of a fleet, found by node.
#[derive(Default)]
pub(super) struct Wards(Vec<Case>);

/// A fault as one node has it.
#[derive(Clone, Copy)]
pub(super) struct Case {
    node: u32,
    pub(super) ailment: Ailment,
    /// The GPU or port; nothing when the fault is the whole node's.
    pub(super) slot: Option<u16>,
    pub(super) at: Time,
}

impl Case {
    /// Whether GPU `slot` has it.
    pub(super) fn strikes(&self, slot: u16) -> bool {
        self.slot.is_none_or(|s| s == slot)
    }

    /// Whether the node says nothing for it at `now`.
    pub(super) fn silences(&self, now: Time) -> bool {
        match self.ailment {
            Ailment::Silent => true,
            Ailment::Reboot => now.since(self.at) < Ailment::STARTS,
            _ => false,
        }
    }

    /// Writes the reading that it is, over what was written before.
    pub(super) fn read(&self, values: &mut Values) {
        let Ailment::Reads(metric, raw) = self.ailment else { return };
        match self.slot {
            Some(slot) if metric.scope != Scope::Node => values.set(metric, usize::from(slot), raw),
            _ => values.row_mut(metric).fill(raw),
        }
    }
}

impl Wards {
    /// Sorts the faults to their nodes. Those of nodes that the fleet does not have are left out.
    pub(super) fn new(plan: &Plan, faults: &[Fault], job: impl Fn(u32, Time) -> Option<Range<u32>>) -> Self {
        let mut cases = Vec::new();
        for fault in faults {
            let (nodes, slot) = match fault.subject {
                Subject::Gpu(n, slot) | Subject::Port(n, slot) => (n..n.saturating_add(1), Some(slot)),
                Subject::Node(n) => (n..n.saturating_add(1), None),
                Subject::JobOf(n) if n < plan.nodes => (job(n, plan.start + fault.at).unwrap_or(0..0), None),
                Subject::JobOf(_) => continue,
                Subject::Rack(rack) => (rack.saturating_mul(RACK)..rack.saturating_add(1).saturating_mul(RACK), None),
            };
            let at = plan.start + fault.at;
            if let (Some(ailment), Subject::Gpu(n, its)) = (fault.ailment.of_peers(), fault.subject) {
                let nodes = Some(n).filter(|n| *n < plan.nodes).and_then(|n| job(n, at)).into_iter().flatten();
                let on_its_node = (0..plan.gpus).filter(|slot| *slot != its);
                cases.extend(on_its_node.map(|slot| Case { node: n, ailment, slot: Some(slot), at }));
                cases.extend(nodes.filter(|it| *it != n).map(|node| Case { node, ailment, slot: None, at }));
            }
            let case = |node| Case { node, ailment: fault.ailment, slot, at };
            cases.extend((nodes.start..nodes.end.min(plan.nodes)).map(case));
        }
        cases.sort_by_key(|case| (case.node, case.at));
        Wards(cases)
    }

    /// What node `n` has or will have, the earliest first.
    pub(super) fn of(&self, n: u32) -> &[Case] {
        let first = self.0.partition_point(|case| case.node < n);
        let sick = &self.0[first..];
        let n = sick.iter().take_while(|case| case.node == n).count();
        &sick[..n]
    }

    /// What node `n` has by `now`: what came since it was started anew last.
    pub(super) fn by(&self, n: u32, now: Time) -> &[Case] {
        let cases = self.of(n);
        let cases = &cases[..cases.partition_point(|case| case.at <= now)];
        let is_up_again = |case: &Case| case.ailment == Ailment::Reboot && case.at + Ailment::STARTS <= now;
        cases.iter().rposition(is_up_again).map_or(cases, |at| &cases[at..])
    }

    /// When node `n` was started anew last, by `now`.
    pub(super) fn restarted(&self, n: u32, now: Time) -> Option<Time> {
        let first = self.by(n, now).first().filter(|case| case.ailment == Ailment::Reboot)?;
        Some(first.at + Ailment::STARTS).filter(|up| *up <= now)
    }
}

/// Draws a fleet's sick things: each kind once in a fleet of 176 nodes or more, and one more for every 256 nodes.
pub(super) fn draw(sim: &Sim) -> Vec<Fault> {
    let plan = &sim.plan;
    let mut dice = Dice::new(key(plan.seed, 0xfa17));
    let mut ailments = Ailment::ALL;
    let ailments = &mut ailments[..Ailment::DRAWN];
    for i in (1..ailments.len()).rev() {
        ailments.swap(i, dice.below(i as u64 + 1) as usize);
    }
    let n = (plan.nodes as usize / 16).min(ailments.len()) + plan.nodes as usize / 256;
    let mut faults: Vec<Fault> = Vec::new();
    for (i, ailment) in ailments.iter().copied().cycle().take(n).enumerate() {
        let spread = if i % 2 == 0 { 0 } else { dice.below(590) };
        let at = FIRST + Duration::from_secs(spread);
        let subject = subject(sim, &faults, ailment, at, &mut dice);
        faults.extend(subject.map(|subject| Fault { ailment, subject, at }));
    }
    faults
}

/// One fault, at the earliest time.
pub(super) fn one(sim: &Sim, ailment: Ailment) -> Vec<Fault> {
    subject_of_one(sim, ailment).map(|subject| Fault { ailment, subject, at: FIRST }).into_iter().collect()
}

fn subject_of_one(sim: &Sim, ailment: Ailment) -> Option<Subject> {
    subject(sim, &[], ailment, FIRST, &mut Dice::new(key(sim.plan.seed, 0xfa18)))
}

/// A node that loses a GPU, is mended by being started anew, and loses it again more than a day later, and once more.
pub(super) fn lemon(sim: &Sim) -> Vec<Fault> {
    let Some(Subject::Gpu(n, slot)) = subject_of_one(sim, Ailment::OffBus) else { return Vec::new() };
    let days = (0..3).map(|day| FIRST + Duration::from_hours(25) * day);
    let faults = days.flat_map(|at| {
        let (lost, mended) = (Subject::Gpu(n, slot), at + Duration::from_hours(1));
        [(Ailment::OffBus, lost, at), (Ailment::Reboot, Subject::Node(n), mended)]
    });
    // It is there with the third.
    faults.take(5).map(|(ailment, subject, at)| Fault { ailment, subject, at }).collect()
}

/// Programs of three jobs that fail on a GPU, on the first node that has so many within a day.
pub(super) fn bad_gpu(sim: &Sim) -> Vec<Fault> {
    if sim.plan.gpus == 0 {
        return Vec::new();
    }
    let programs = |n: u32| {
        let (mut users, mut times) = (Vec::new(), Vec::new());
        for minutes in (0..20 * 60).step_by(2) {
            let at = FIRST + Duration::from_mins(minutes);
            let activity = sim.schedule.activity(n, sim.plan.start + at);
            // Users know what they run by its name: another user's is another program.
            let job = activity.job().filter(|job| activity.works_for(60.0) && !users.contains(&job.user));
            if let Some(job) = job {
                users.push(job.user);
                times.push(at);
            }
        }
        times
    };
    let fault = |n, at| Fault { ailment: Ailment::Xid(31), subject: Subject::Gpu(n, 0), at };
    let mut nodes = (0..sim.plan.nodes).map(|n| (n, programs(n)));
    let first = nodes.find(|(_, times)| times.len() >= 3);
    first.into_iter().flat_map(|(n, times)| times.into_iter().take(3).map(move |at| fault(n, at))).collect()
}

/// Something that is not sick yet and on which the fault shows: a GPU that will be at work, where there is one.
fn subject(sim: &Sim, faults: &[Fault], ailment: Ailment, at: Duration, dice: &mut Dice) -> Option<Subject> {
    let plan = &sim.plan;
    let racks = plan.nodes.div_ceil(RACK);
    if ailment == Ailment::PowerBrake {
        // One rack in less than eight would be no small share.
        return (racks >= 8).then(|| Subject::Rack(dice.below(u64::from(racks)) as u32));
    }
    let of_node = |n| thing(sim, ailment, n);
    let is_free = |n: u32| {
        !faults.iter().any(|fault| match fault.subject {
            Subject::Gpu(other, _) | Subject::Port(other, _) | Subject::Node(other) | Subject::JobOf(other) => {
                other == n
            }
            Subject::Rack(rack) => rack == n / RACK,
        })
    };
    if ailment == Ailment::MemoryLeft {
        // A GPU at which nobody looks, for as long as it takes to be told.
        let rests = |n: &u32| (0..6).all(|minute| rests(sim, *n, at + Duration::from_mins(minute)));
        let from = dice.below(u64::from(plan.nodes.max(1))) as u32;
        return (from..plan.nodes).chain(0..from).filter(|n| is_free(*n)).find(rests).and_then(of_node);
    }
    let mut any = None;
    for _ in 0..48 {
        let n = dice.below(u64::from(plan.nodes)) as u32;
        if !is_free(n) {
            continue;
        }
        any.get_or_insert(n);
        let activity = sim.schedule.activity(n, plan.start + at);
        // What does nothing shows after a while, and what waits on its hosts only where hosts wait for each other.
        let (nodes, seconds) = match ailment {
            Ailment::Stall => (2, 1100.0),
            Ailment::Unused | Ailment::Idle | Ailment::Hang => (1, 1100.0),
            _ => (1, 300.0),
        };
        let trains = activity.run().is_some_and(|run| matches!(run.kind, Kind::Training | Kind::Pipeline));
        if trains && activity.nodes() >= nodes && activity.works_for(seconds) {
            return of_node(n);
        }
    }
    any.and_then(of_node)
}

/// Whether node `n` has no job then.
fn rests(sim: &Sim, n: u32, at: Duration) -> bool {
    sim.schedule.activity(n, sim.plan.start + at).run().is_none()
}

/// What of node `n` such a fault befalls.
pub(super) fn thing(sim: &Sim, ailment: Ailment, n: u32) -> Option<Subject> {
    let gpus = sim.plan.gpus;
    match ailment {
        Ailment::Silent
        | Ailment::Reboot
        | Ailment::MountHung
        | Ailment::DiskFull
        | Ailment::DiskFilling
        | Ailment::InodesSpent
        | Ailment::DiskReadOnly => Some(Subject::Node(n)),
        Ailment::OldDriver | Ailment::SwitchLink => (gpus > 0).then_some(Subject::Node(n)),
        Ailment::Reads(metric, _) if metric.scope == Scope::Node => Some(Subject::Node(n)),
        Ailment::Reads(metric, _) if metric.scope == Scope::Nic => (sim.ports() > 0).then_some(Subject::Port(n, 0)),
        Ailment::Hang | Ailment::Stall | Ailment::Unused => (gpus > 0).then_some(Subject::JobOf(n)),
        Ailment::PortDown => (sim.ports() > 0).then(|| Subject::Port(n, (n % 7) as u16 % sim.ports())),
        _ => (gpus > 0).then(|| Subject::Gpu(n, (n % 5) as u16 % gpus)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Raw, metric::gpu};

    #[test]
    fn a_fault_is_found_at_its_node() {
        let plan = Plan { nodes: 40, ..Plan::default() };
        let at = Duration::from_secs(10);
        let fault = |ailment, subject| Fault { ailment, subject, at };
        let wards = Wards::new(
            &plan,
            &[
                fault(Ailment::OffBus, Subject::Gpu(7, 3)),
                fault(Ailment::PowerBrake, Subject::Rack(1)),
                fault(Ailment::Silent, Subject::Node(7)),
                fault(Ailment::Silent, Subject::Node(99)),
                fault(Ailment::Silent, Subject::Rack(u32::MAX)),
                fault(Ailment::Hang, Subject::JobOf(8)),
                fault(Ailment::RankGone, Subject::Gpu(20, 6)),
            ],
            |n, _| Some(n..n + 2),
        );
        let of = |n| wards.of(n).iter().map(|c| c.ailment).collect::<Vec<_>>();
        assert_eq!(of(7), [Ailment::OffBus, Ailment::Silent]);
        assert_eq!((of(6), of(8), of(9), of(10)), (vec![], vec![Ailment::Hang], vec![Ailment::Hang], vec![]));
        let strikes = |n, slot| wards.of(n).iter().filter(|case| case.strikes(slot)).map(|case| case.ailment).collect();
        let [gone, other, elsewhere]: [Vec<_>; 3] = [strikes(20, 6), strikes(20, 5), strikes(21, 6)];
        assert_eq!((gone, other, elsewhere), (vec![Ailment::RankGone], vec![Ailment::Hang], vec![Ailment::Hang]));
        assert_eq!(of(31), []);
        assert_eq!((32..40).map(|n| of(n).len()).collect::<Vec<_>>(), [1; 8]);
        let (mut values, raw) = (Values::new(4, 0), Raw::new(5.0, 1.0));
        let case = |slot, metric| Case { node: 0, ailment: Ailment::Reads(metric, raw), slot, at: plan.start };
        case(Some(2), gpu::ECC_SBE).read(&mut values);
        case(None, gpu::ECC_DBE).read(&mut values);
        assert_eq!(values.row(gpu::ECC_SBE).iter().position(|it| *it == raw), Some(2));
        assert_eq!(values.row(gpu::ECC_DBE), [raw; 4]);
        assert!(wards.of(7)[0].strikes(3) && !wards.of(7)[0].strikes(2) && wards.of(7)[1].strikes(2));
    }

    #[test]
    fn a_demo_has_every_fault_once_and_a_large_fleet_a_small_share() {
        let sim = Sim::new(Plan { nodes: 256, ..Plan::default() });
        for ailment in &Ailment::ALL[..Ailment::DRAWN] {
            assert!(sim.faults().iter().any(|f| f.ailment == *ailment), "{ailment:?}");
        }
        let sim = Sim::new(Plan { nodes: 20_000, ..Plan::default() });
        assert!((50..200).contains(&sim.faults().len()), "{}", sim.faults().len());
        assert!(sim.faults().iter().all(|f| f.at >= FIRST));
    }
}
