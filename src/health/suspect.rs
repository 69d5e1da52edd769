//! Names who holds a job up: incidents of jobs that hang, and of GPUs that others wait for, list the suspects first.

mod judge;
mod peers;
mod read;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use self::{
    judge::{Ground, Judgement, Trouble, judge},
    read::Crew,
};
use super::{errors::Errors, fold::Matter, track::Finding};
use crate::{
    fleet::{Fleet, Job, NodeId},
    model::{hostlist::Hostlist, incident::Subject, time::Time, verdict::Verdict},
};

/// Rules of jobs that do nothing.
const HANGS: [&str; 3] = ["job.hang", "job.hang.long", "job.hang.idle"];
/// Rules of GPUs that others wait for.
const STRAGGLERS: [&str; 2] = ["gpu.straggler", "gpu.straggler.far"];
/// Suspects of one job that an incident names, and jobs whose suspects it names.
const NAMED: usize = 5;
const TOLD: usize = 2;
/// Jobs of one incident whose GPUs are judged.
const JOBS: usize = 8;

/// GPUs that are not fine to their jobs, by node and slot.
pub(super) type Verdicts = Vec<((NodeId, u16), Verdict)>;

/// Who holds up which jobs at one moment: each job is looked at once, however many rules are about it.
pub(super) struct Inquiry<'a> {
    fleet: &'a Fleet,
    errors: &'a Errors,
    now: Time,
    known: RefCell<BTreeMap<(u32, Trouble), Rc<Suspects>>>,
}

impl<'a> Inquiry<'a> {
    /// One that has looked at nothing yet.
    pub(super) fn new(fleet: &'a Fleet, errors: &'a Errors, now: Time) -> Inquiry<'a> {
        Inquiry { fleet, errors, now, known: RefCell::default() }
    }

    /// The only thing against which something clear speaks, of a job that hangs: what is found on it explains the hang.
    pub(super) fn culprit(&self, finding: &Finding) -> Option<Subject> {
        let trouble = suffers(&finding.rule).filter(|trouble| *trouble == Trouble::Hang)?;
        let [job] = self.jobs([&finding.subject].into_iter())[..] else { return None };
        self.suspects(job, trouble).only().map(|suspect| suspect.subject.clone())
    }

    /// Adds to an incident about a job who holds it up: suspects to its evidence, and the only clear one to what it says.
    /// Gives the verdicts on the job's GPUs, also where another rule explains that it is held up.
    pub(super) fn accuse(&self, matter: &mut Matter) -> Verdicts {
        let mut verdicts = Verdicts::new();
        for trouble in [Trouble::Slow, Trouble::Hang] {
            let its = matter.explains.iter().filter(|(rule, _)| suffers(rule) == Some(trouble));
            for job in self.jobs(its.map(|(_, subject)| subject)) {
                verdicts.extend(&self.suspects(job, trouble).verdicts);
            }
        }
        let Some(trouble) = suffers(&matter.finding.rule) else { return verdicts };
        let mut lines = Vec::new();
        for (at, job) in self.jobs(matter.parts.iter()).into_iter().enumerate() {
            let suspects = self.suspects(job, trouble);
            if at < TOLD {
                if let Some(Suspect { name, verdict, cause, .. }) = suspects.only().filter(|_| trouble == Trouble::Hang)
                {
                    let said = format!("; {name} is {}: {cause}", in_a_sentence(*verdict));
                    // A hub that starts again has what the one before it said.
                    if !matter.finding.reason.contains(&said) {
                        matter.finding.reason.push_str(&said);
                        matter.finding.action.extend(["; begin with ", name.as_str()]);
                    }
                }
                lines.extend(suspects.lines());
            }
            verdicts.extend(&suspects.verdicts);
        }
        matter.finding.evidence.splice(0..0, lines);
        verdicts
    }

    fn suspects(&self, job: u32, trouble: Trouble) -> Rc<Suspects> {
        let Inquiry { fleet, errors, now, known } = self;
        let of = || {
            let job = fleet.job(job as usize);
            Rc::new(job.map(|job| Suspects::of(fleet, errors, job, trouble, *now)).unwrap_or_default())
        };
        known.borrow_mut().entry((job, trouble)).or_insert_with(of).clone()
    }

    /// The jobs that some things are, or work for, by their numbers.
    fn jobs<'s>(&self, parts: impl Iterator<Item = &'s Subject>) -> Vec<u32> {
        let fleet = self.fleet;
        let of_gpu = |node: &str, bus: &str| {
            let node = fleet.find(node)?;
            let slot = fleet.node(node).inventory.gpu_at(bus)? as u16;
            fleet.jobs_of(node).find(|(_, share)| share.slots.contains(slot)).map(|(number, _)| number)
        };
        let mut numbers: Vec<u32> = Vec::new();
        for part in parts {
            let number = match part {
                Subject::Job { job } => fleet.find_job(job),
                Subject::Gpu { node, bus, .. } => of_gpu(node, bus),
                _ => None,
            };
            if let Some(number) = number.filter(|number| !numbers.contains(number)) {
                numbers.push(number);
            }
            if numbers.len() == JOBS {
                break;
            }
        }
        numbers
    }
}

/// What a job suffers from of which a rule is.
fn suffers(rule: &str) -> Option<Trouble> {
    match rule {
        rule if STRAGGLERS.contains(&rule) => Some(Trouble::Slow),
        rule => HANGS.contains(&rule).then_some(Trouble::Hang),
    }
}

/// GPUs of one node against which the same speaks.
struct Suspect {
    /// `gpu017:3`, or `gpu017:0-7`.
    name: String,
    /// The GPU, or the node if it is several of its.
    subject: Subject,
    verdict: Verdict,
    ground: Ground,
    cause: String,
}

/// What makes GPUs one suspect: how much it counts, their host, and the cause.
type Alike = (usize, usize, String);

/// Who holds a job up.
#[derive(Default)]
struct Suspects {
    /// The strongest first.
    all: Vec<Suspect>,
    /// GPUs that wait.
    waiting: usize,
    /// GPUs that were not looked at.
    left_out: usize,
    verdicts: Verdicts,
}

impl Suspects {
    fn of(fleet: &Fleet, errors: &Errors, job: &Job, trouble: Trouble, now: Time) -> Suspects {
        let Crew { nodes, ranks, hosts, left_out } = Crew::of(fleet, errors, job, now);
        let judged = judge(&ranks, &hosts, trouble);
        let waiting = judged.iter().filter(|judged| judged.verdict == Verdict::Waiting).count();
        let each = ranks.iter().zip(&judged).filter(|(_, judged)| judged.verdict != Verdict::Fine);
        let verdicts = each.map(|(rank, judged)| ((nodes[rank.host], rank.slot), judged.verdict)).collect();
        // Those of one node with the same cause are one.
        let mut together: BTreeMap<Alike, (Verdict, Ground, Vec<u16>)> = BTreeMap::new();
        for (rank, Judgement { verdict, ground, cause }) in ranks.iter().zip(judged) {
            let Some(ground) = ground else { continue };
            let same = together.entry((ground.order(trouble), rank.host, cause));
            same.or_insert_with(|| (verdict, ground, Vec::new())).2.push(rank.slot);
        }
        let suspect = |((_, host, cause), (verdict, ground, slots)): (Alike, (_, _, Vec<u16>))| {
            let node = nodes[host];
            let gpus = &fleet.node(node).inventory.gpus;
            let gpus: Vec<_> = slots.iter().filter_map(|slot| gpus.get(usize::from(*slot))).collect();
            let list = Hostlist::fold(gpus.iter().map(|gpu| &*gpu.index)).to_string();
            let name = format!("{}:{}", fleet.name(node), list.trim_matches(['[', ']']));
            let node = fleet.name(node).to_owned();
            let subject = match gpus[..] {
                [gpu] => Subject::Gpu { node, index: gpu.index.to_string(), bus: gpu.bus.to_ascii_lowercase() },
                _ => Subject::Node { node },
            };
            Suspect { name, subject, verdict, ground, cause }
        };
        Suspects { all: together.into_iter().map(suspect).collect(), waiting, left_out, verdicts }
    }

    /// The only one against which something clear speaks.
    fn only(&self) -> Option<&Suspect> {
        let mut clear = self.all.iter().filter(|suspect| suspect.ground.is_clear());
        clear.next().filter(|_| clear.next().is_none())
    }

    /// At most a handful of lines.
    fn lines(&self) -> Vec<String> {
        let named = self.all.iter().take(NAMED);
        let mut lines: Vec<String> =
            named.map(|Suspect { name, verdict, cause, .. }| format!("{name} {}: {cause}", verdict.word())).collect();
        match self.all.len().saturating_sub(NAMED) {
            0 => {}
            more => lines.push(format!("{more} more like these")),
        }
        match (self.waiting, lines.is_empty()) {
            (0, _) => {}
            (1, _) => lines.push("1 waits".to_owned()),
            (waiting, true) => lines.push(format!("all {waiting} wait, and none is odd")),
            (waiting, false) => lines.push(format!("{waiting} others wait")),
        }
        if self.left_out > 0 {
            lines.push(format!("{} of its GPUs were not looked at", self.left_out));
        }
        lines
    }
}

/// A verdict where it stands in a sentence.
fn in_a_sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Link => "badly linked",
        Verdict::Host => "held up by its host",
        other => other.word(),
    }
}

#[cfg(test)]
mod tests;
