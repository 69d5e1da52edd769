//! XIDs and SXids as they come: those of one GPU or switch are one matter, whose strongest remedy counts.

use std::{collections::BTreeMap, time::Duration};

use super::{
    nvlink5,
    programs::{APPS, Owner, Programs, of_job},
    track::Finding,
    xid::{self, Meaning, Remedy},
};
use crate::{
    fleet::{Fleet, Happening, NodeId},
    model::{
        incident::{Rule, Severity, Subject},
        metric::gpu,
        report::{EventKind, Subject as About},
        time::Time,
    },
};

/// The rule of XIDs.
pub(super) const XID: &str = "gpu.xid";
/// The rule of SXids.
pub(super) const SXID: &str = "switch.sxid";

/// XIDs of one GPU that come within so long are one trouble.
const TOGETHER: Duration = Duration::from_secs(30);
/// How long after the last one what does not matter much is over.
const WARN_FOR: Duration = Duration::from_hours(1);
const INFO_FOR: Duration = Duration::from_mins(10);
/// Seconds from which on a node's clock is off: less is what a sample takes on its way.
const SKEWED: f64 = 5.0;
/// Different numbers that are kept of one matter, with a line of the kernel's for each.
const CODES: usize = 16;
/// GPUs and switches of one node of which anything is kept, and events of one that is not heard of yet.
const PLACES: usize = 64;
const WAITING: usize = 256;
/// How long who had a GPU is asked for: after a hub's start, its scheduler may tell of it later than the nodes do.
const TOLD_WITHIN: Duration = Duration::from_mins(10);
/// What the agent says of a GPU that it has let go of.
pub(super) const RELEASED: &str = "released";
/// The number whose text says what is to be done.
const VERDICT: u32 = 154;

/// A GPU or a switch of a node: whether it is a switch, and its PCI address.
pub(super) type Place = (NodeId, bool, String);

/// What one GPU or switch reported since its machine was started.
#[derive(Clone, Debug)]
struct Matter {
    boot: String,
    first: Time,
    last: Time,
    count: u32,
    /// Each number in the order in which they came first.
    codes: Vec<Code>,
    severity: Severity,
    remedy: Remedy,
    /// What the driver said itself, which beats the table, and when.
    verdict: Option<(Remedy, Severity, Time)>,
    /// Who had the GPU when the last one of a program came; nothing where nobody knows.
    owner: Option<Owner>,
    /// The GPU's counter of energy as it was seen last: it begins anew with the driver and with the GPU. And whether its
    /// agent has let go of the GPU.
    energy: Option<i32>,
    is_released: bool,
}

/// A number, how often it came, and the kernel's line of it.
#[derive(Clone, Debug)]
struct Code {
    number: u32,
    times: u32,
    line: String,
    /// Where to look, as its registers have it.
    look: &'static str,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    matters: BTreeMap<Place, Matter>,
    /// Events of nodes that have not said since when they run: whether these are over is not known.
    waiting: BTreeMap<NodeId, Vec<Happening>>,
    /// Whose programs had XIDs on each GPU lately.
    programs: Programs,
    /// How much an XID matters where the site says so.
    severities: BTreeMap<u32, Severity>,
}

impl Errors {
    /// None yet. How much some XIDs matter is the site's to say.
    pub(super) fn new(severities: BTreeMap<u32, Severity>) -> Errors {
        Errors { severities, ..Errors::default() }
    }

    /// Takes an event; those of another kind are none of its business.
    pub(super) fn hear(&mut self, fleet: &Fleet, happening: &Happening) {
        if !matches!(happening.event.kind, EventKind::Xid(_) | EventKind::Sxid(_)) {
            return;
        }
        if fleet.node(happening.node).boot_id.is_empty() {
            let waiting = self.waiting.entry(happening.node).or_default();
            if waiting.len() < WAITING {
                waiting.push(happening.clone());
            }
            return;
        }
        self.take(fleet, happening);
    }

    /// Takes the events of those nodes that have said meanwhile since when they run.
    pub(super) fn catch_up(&mut self, fleet: &Fleet) {
        let is_known = |node: &NodeId| !fleet.node(*node).boot_id.is_empty();
        let known: Vec<NodeId> = self.waiting.keys().copied().filter(is_known).collect();
        for node in known {
            let waiting = self.waiting.remove(&node).unwrap_or_default();
            for happening in &waiting {
                self.take(fleet, happening);
            }
        }
    }

    fn take(&mut self, fleet: &Fleet, Happening { node, received, event }: &Happening) {
        let (number, is_switch, Meaning { mut severity, mut remedy, .. }) = match event.kind {
            EventKind::Xid(code) => (code, false, xid::xid(code)),
            EventKind::Sxid(code) => (code, true, xid::sxid(code)),
            _ => return,
        };
        let (About::Gpu { bus } | About::Switch { bus }) = &event.subject else { return };
        let (boot, bus) = (&*fleet.node(*node).boot_id, bus.to_ascii_lowercase());
        // An event's id begins with the boot that it is of: what happened in an older one is over.
        if !event.id.starts_with(boot) {
            return;
        }
        let decoded = nvlink5::decode(number, &event.text).filter(|_| !is_switch);
        if let Some(decoded) = decoded {
            (severity, remedy) = (decoded.severity, decoded.remedy);
        }
        if !is_switch {
            severity = self.severities.get(&number).copied().unwrap_or(severity);
        }
        let of_node = (*node, false, String::new())..=(*node, true, char::MAX.to_string());
        let place = (*node, is_switch, bus);
        if !self.matters.contains_key(&place) && self.matters.range(of_node).count() >= PLACES {
            return;
        }
        // By the hub's clock, and never of the future.
        let skew = fleet.skew(*node).filter(|seconds| seconds.abs() >= SKEWED).unwrap_or(0.0);
        let (skew, is_ahead) = (Duration::try_from_secs_f64(skew.abs()).unwrap_or_default(), skew > 0.0);
        let time = if is_ahead { event.time - skew } else { event.time + skew }.min(*received);
        let new = || Matter {
            boot: boot.to_owned(),
            first: time,
            last: time,
            count: 0,
            codes: Vec::new(),
            severity: Severity::Info,
            remedy: Remedy::Watch,
            verdict: None,
            owner: None,
            energy: None,
            is_released: false,
        };
        let is_of_program = !is_switch && xid::OF_PROGRAMS.contains(&number);
        let owner = if is_of_program { Owner::of(fleet, *node, &place.2, time) } else { None };
        if let Some(owner) = owner.as_ref().filter(|_| number != xid::CONSEQUENCE) {
            self.programs.note(&place, owner, time);
        }
        let matter = self.matters.entry(place).or_insert_with(new);
        // What another job's program does is another matter.
        let is_of_another = owner.is_some() && matter.owner.is_some() && owner != matter.owner;
        if matter.boot != boot || (is_of_another && matter.is_of_programs()) {
            *matter = new();
        }
        matter.owner = owner.or(matter.owner.take());
        matter.hear(number, &event.text, time, (severity, remedy), number == VERDICT && !is_switch, new);
        if let (Some(decoded), Some(code)) = (decoded, matter.codes.iter_mut().find(|code| code.number == number)) {
            code.look = decoded.look;
        }
    }

    /// Forgets what is over: what mattered little and is some time ago, and what a new start of the machine, the driver or
    /// the GPU has mended.
    pub(super) fn forget(&mut self, fleet: &Fleet, now: Time) {
        self.programs.forget(now);
        // A job's are over together: what is left of them would be another trouble.
        let mut of_jobs: BTreeMap<String, (Time, Severity)> = BTreeMap::new();
        for ((node, _, bus), matter) in self.matters.iter_mut().filter(|(_, matter)| matter.is_of_programs()) {
            if matter.owner.is_none() && now.since(matter.last) < TOLD_WITHIN {
                matter.owner = Owner::of(fleet, *node, bus, matter.last);
            }
            if let Some(owner) = &matter.owner {
                let (last, severity) = of_jobs.entry(owner.job.clone()).or_insert((matter.last, matter.severity));
                (*last, *severity) = (matter.last.max(*last), matter.severity.max(*severity));
            }
        }
        self.matters.retain(|place, matter| !matter.is_mended(fleet, place, now));
        self.matters.retain(|(node, ..), matter| {
            let of_job = matter.owner.as_ref().filter(|_| matter.is_of_programs());
            let of_job = of_job.and_then(|owner| of_jobs.get(&owner.job)).copied();
            let (last, severity) = of_job.unwrap_or((matter.last, matter.severity()));
            let stays_for = match severity {
                Severity::Crit => None,
                Severity::Warn => Some(WARN_FOR),
                Severity::Info => Some(INFO_FOR),
            };
            *matter.boot == *fleet.node(*node).boot_id && stays_for.is_none_or(|span| now.since(last) < span)
        });
    }

    /// Whether it is not known yet if what this node's GPUs and switches reported is over.
    pub(super) fn waits_for(fleet: &Fleet, node: &str) -> bool {
        fleet.find(node).is_none_or(|node| fleet.node(node).boot_id.is_empty())
    }

    /// The number of the XIDs of a node's GPU that matter and came since then, if there were any: the first one, unless
    /// that is a consequence only.
    pub(super) fn lately(&self, node: NodeId, bus: &str, since: Time) -> Option<u32> {
        let matter = self.matters.get(&(node, false, bus.to_ascii_lowercase()))?;
        let matters = matter.severity() >= Severity::Warn && matter.remedy() > Remedy::Watch && matter.last >= since;
        let cause = matter.codes.iter().find(|code| code.number != xid::CONSEQUENCE);
        cause.or(matter.codes.first()).filter(|_| matters).map(|code| code.number)
    }

    /// Whether a rule is one of events.
    pub(super) fn is_rule(id: &str) -> bool {
        [XID, SXID, APPS].contains(&id)
    }

    /// What they come to.
    pub(super) fn findings(&self, fleet: &Fleet, rules: &[Rule]) -> Vec<Finding> {
        let rule = |id: &str| rules.iter().find(|rule| rule.id == id && !rule.is_muted);
        let mut findings = Vec::new();
        let mut of_jobs: BTreeMap<&str, Vec<Finding>> = BTreeMap::new();
        for (place, matter) in &self.matters {
            let Some(rule) = rule(if place.1 { SXID } else { XID }) else { continue };
            let finding = matter.finding(rule, subject(fleet, place), place.1);
            match matter.owner.as_ref().filter(|_| matter.is_of_programs()) {
                Some(owner) => of_jobs.entry(&owner.job).or_default().push(finding),
                None => findings.push(finding),
            }
        }
        findings.extend(of_jobs.into_iter().flat_map(|(job, each)| of_job(job, each)));
        findings.extend(rule(APPS).into_iter().flat_map(|rule| self.programs.suspects(rule, |it| subject(fleet, it))));
        findings
    }
}

impl Matter {
    fn hear(
        &mut self,
        number: u32,
        line: &str,
        time: Time,
        (severity, remedy): (Severity, Remedy),
        is_verdict: bool,
        new: impl Fn() -> Matter,
    ) {
        if !is_verdict
            && let Some((said, its, at)) = self.verdict
            && time.since(at) > TOGETHER
        {
            // What comes after a verdict is another trouble than what it was about; it stands until the driver takes it
            // back, unless something worse comes.
            match said {
                Remedy::Watch => *self = new(),
                _ if xid::OF_PROGRAMS.contains(&number) => {}
                _ => (self.remedy, self.severity, self.verdict) = (said, its, None),
            }
        }
        if severity > self.severity && time.since(self.last) > TOGETHER {
            self.first = time;
        }
        (self.first, self.last) = (self.first.min(time), self.last.max(time));
        self.count += 1;
        match self.codes.iter().position(|code| code.number == number) {
            Some(at) => self.codes[at].times += 1,
            None if self.codes.len() < CODES => {
                self.codes.push(Code { number, times: 1, line: line.to_owned(), look: "" });
            }
            None => {}
        }
        if is_verdict {
            let said = xid::verdict(line).map(|(remedy, severity)| (remedy, severity, time));
            self.verdict = said.or(self.verdict);
            return;
        }
        self.severity = self.severity.max(severity);
        self.remedy = self.remedy.max(remedy);
    }

    /// Whether nothing but programs caused it.
    fn is_of_programs(&self) -> bool {
        self.verdict.is_none() && self.codes.iter().all(|code| xid::OF_PROGRAMS.contains(&code.number))
    }

    fn severity(&self) -> Severity {
        self.verdict.map_or(self.severity, |(_, severity, _)| severity)
    }

    fn remedy(&self) -> Remedy {
        self.verdict.map_or(self.remedy, |(remedy, ..)| remedy)
    }

    /// Whether its GPU has begun anew since: it was reset, or the driver was loaded again.
    fn is_mended(&mut self, fleet: &Fleet, (node, is_switch, bus): &Place, now: Time) -> bool {
        let inventory = &fleet.node(*node).inventory;
        let Some(slot) = inventory.gpu_at(bus).filter(|_| !is_switch) else { return false };
        let fault = inventory.gpu_fault(slot);
        let was_released = std::mem::replace(&mut self.is_released, fault.is_some_and(|it| &*it.reason == RELEASED));
        let energy = fleet.row(*node, gpu::ENERGY, now).get(slot).and_then(|raw| raw.steps());
        let before = self.energy;
        self.energy = energy.or(before);
        let begins_anew = energy.zip(before).is_some_and(|(now, before)| now < before);
        begins_anew || (was_released && fault.is_none())
    }

    fn finding(&self, rule: &Rule, subject: Subject, is_switch: bool) -> Finding {
        let remedy = self.remedy();
        // What programs cause, beside what the hardware does, is its consequence.
        let is_of_programs = |code: &Code| !is_switch && xid::OF_PROGRAMS.contains(&code.number);
        let only_programs = self.codes.iter().all(is_of_programs);
        let codes: Vec<&Code> = self.codes.iter().filter(|code| only_programs || !is_of_programs(code)).collect();
        let name = |code: &&Code| {
            let Code { number, times, look, .. } = code;
            let (word, meaning) = if is_switch { ("SXid", xid::sxid(*number)) } else { ("XID", xid::xid(*number)) };
            let times = if *times > 1 { format!(", {times} times") } else { String::new() };
            let look = if look.is_empty() { String::new() } else { format!(": {look}") };
            format!("{word} {number}{times}: {}{look}", meaning.name)
        };
        let known = remedy.commands().iter().filter(|name| rule.commands.iter().any(|it| it == *name));
        Finding {
            rule: rule.id.clone(),
            kin: codes.iter().map(|code| code.number.to_string()).collect::<Vec<_>>().join(","),
            severity: self.severity(),
            subject,
            since: self.first,
            seen: self.last,
            count: self.count,
            reason: codes.iter().map(name).collect::<Vec<_>>().join("; "),
            evidence: self.codes.iter().map(|code| code.line.clone()).collect(),
            action: remedy.words().into(),
            commands: known.map(|name| (*name).to_owned()).collect(),
            under: rule.under.clone(),
        }
    }
}

/// The GPU or switch at a PCI address.
fn subject(fleet: &Fleet, (node, is_switch, bus): &Place) -> Subject {
    let (node, name) = (*node, fleet.name(*node).to_owned());
    if *is_switch {
        return Subject::Part { node: name, part: format!("switch {bus}") };
    }
    let inventory = &fleet.node(node).inventory;
    let index = inventory.gpu_at(bus).map(|slot| inventory.gpus[slot].index.to_string());
    Subject::Gpu { node: name, index: index.unwrap_or_else(|| bus.clone()), bus: bus.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    fn new() -> Matter {
        Matter {
            boot: "b".into(),
            first: at(0),
            last: at(0),
            count: 0,
            codes: Vec::new(),
            severity: Severity::Info,
            remedy: Remedy::Watch,
            verdict: None,
            owner: None,
            energy: None,
            is_released: false,
        }
    }

    /// What XIDs at these seconds come to: severity, remedy and the numbers that are named.
    fn check(xids: &[(i64, u32, &str)], severity: Severity, remedy: Remedy, named: &str) {
        let mut matter = new();
        for &(second, number, line) in xids {
            let Meaning { severity, remedy, .. } = xid::xid(number);
            matter.hear(number, line, at(second), (severity, remedy), number == VERDICT, new);
        }
        let finding = matter.finding(&Rule { id: XID.into(), ..Rule::default() }, Subject::Fleet, false);
        assert_eq!((finding.severity, &*finding.action, &*finding.kin), (severity, remedy.words(), named), "{xids:?}");
    }

    #[test]
    fn the_strongest_remedy_of_xids_counts() {
        check(&[(0, 13, "")], Severity::Warn, Remedy::RestartApp, "13");
        check(&[(0, 13, ""), (1, 43, ""), (2, 79, "")], Severity::Crit, Remedy::PowerCycle, "79");
        check(&[(0, 79, ""), (1, 31, "")], Severity::Crit, Remedy::PowerCycle, "79");
        check(&[(0, 94, ""), (1, 63, "")], Severity::Warn, Remedy::RestartApp, "94,63");
        check(&[(0, 94, ""), (1, 95, "")], Severity::Crit, Remedy::Reset, "94,95");
    }

    #[test]
    fn the_drivers_own_verdict_beats_the_table() {
        let reboot = "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)";
        let none = "GPU recovery action changed from 0x2 (Node Reboot Required) to 0x0 (None)";
        check(&[(0, 95, ""), (1, 154, reboot)], Severity::Crit, Remedy::Reboot, "95,154");
        check(&[(0, 95, ""), (1, 154, reboot), (2, 154, "?")], Severity::Crit, Remedy::Reboot, "95,154");
        check(&[(0, 95, ""), (9, 154, none)], Severity::Info, Remedy::Watch, "95,154");
        check(&[(0, 95, ""), (9, 154, none), (600, 79, "")], Severity::Crit, Remedy::PowerCycle, "79");
        check(&[(0, 95, ""), (1, 154, reboot), (600, 79, "")], Severity::Crit, Remedy::PowerCycle, "95,154,79");
        check(&[(0, 95, ""), (1, 154, reboot), (600, 45, "")], Severity::Crit, Remedy::Reboot, "95,154");
        check(&[(0, 95, ""), (1, 154, reboot), (600, 48, "")], Severity::Crit, Remedy::Reboot, "95,154,48");
        let p2p = "GPU recovery action changed from 0x0 (None) to 0x3 (Drain P2P)";
        check(&[(0, 95, ""), (1, 154, p2p), (600, 31, "")], Severity::Warn, Remedy::Inspect, "95,154");
    }

    #[test]
    fn what_has_become_worse_begins_anew() {
        let mut matter = new();
        matter.hear(31, "", at(0), (Severity::Warn, Remedy::RestartApp), false, new);
        matter.hear(79, "", at(2400), (Severity::Crit, Remedy::PowerCycle), false, new);
        assert_eq!((matter.first, matter.count), (at(2400), 2));
    }
}
