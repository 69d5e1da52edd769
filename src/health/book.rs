//! The incidents of a hub: each keeps its number for as long as it is one trouble, however that grows or shrinks, and
//! while another one explains it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use super::fold::{Matter, meets};
use crate::model::{
    incident::{Incident, Note, Record, Remark, Severity, Stage, Subject, Verb},
    text::clean,
    time::Time,
};

/// How long something may take to prove itself: what nobody uses for so long is as good as mended.
const TRIAL: Duration = Duration::from_hours(24);
/// How long an incident that is over is still shown, and how many of them.
const KEPT_FOR: Duration = Duration::from_hours(24);
const KEPT: usize = 1000;
/// How many of those that are over are remembered by node, beyond that.
const REMEMBERED: usize = 50_000;
/// Characters of a remark that are kept.
const LONGEST: usize = 200;

/// Open incidents, and those that were cleared lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    open: Vec<Open>,
    cleared: Vec<Incident>,
    /// What was critical of a node and is over, in the order in which it was cleared.
    past: Vec<Spell>,
    last: u64,
    /// Numbers of the incidents of which something new is to be written.
    unsaved: BTreeSet<u64>,
    /// Incidents that have become parts of others since the last time.
    joined: Vec<Record>,
}

/// An incident of one node, as short as it is remembered for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spell {
    pub(super) node: String,
    pub(super) rule: String,
    pub(super) since: Time,
}

impl Spell {
    /// Of what is critical, and one node's.
    fn of(incident: &Incident) -> Option<Spell> {
        let Incident { rule, since, severity, .. } = incident;
        let node = incident.subject.node().filter(|_| *severity == Severity::Crit)?;
        Some(Spell { node: node.to_owned(), rule: rule.clone(), since: *since })
    }
}

/// An open incident, and what has it.
#[derive(Clone, Debug)]
struct Open {
    incident: Incident,
    parts: Vec<Subject>,
    /// Whether another one explains it, and is shown in its stead.
    is_explained: bool,
    /// Since when it holds no longer, where that has to prove itself.
    trial: Option<Trial>,
}

/// How long what was mended has worked since.
#[derive(Clone, Copy, Debug)]
struct Trial {
    began: Time,
    worked: Duration,
    /// When that was looked at last.
    looked: Time,
}

/// What has to be known of incidents that hold no longer.
pub(super) struct Proof<'a> {
    /// Whether it is not known of one if it is over.
    pub(super) is_open: &'a dyn Fn(&Incident) -> bool,
    /// For how long what had it has to work before it is over.
    pub(super) verify: &'a dyn Fn(&Incident) -> Duration,
    /// Whether these are at work now.
    pub(super) work: &'a dyn Fn(&[Subject]) -> bool,
}

impl Book {
    /// All incidents, in the order in which they were raised.
    pub(super) fn incidents(&self) -> Vec<Incident> {
        let open = self.open.iter().filter(|open| !open.is_explained).map(|open| &open.incident);
        let mut all: Vec<Incident> = self.cleared.iter().chain(open).cloned().collect();
        all.sort_by_key(|incident| incident.id);
        all
    }

    /// Rules and subjects of those that are open.
    pub(super) fn subjects(&self) -> HashSet<(String, Subject)> {
        let shown = self.open.iter().filter(|open| !open.is_explained);
        shown.map(|open| (open.incident.rule.clone(), open.incident.subject.clone())).collect()
    }

    /// Takes what the hub before this one had.
    pub(super) fn restore(&mut self, Record { incident, parts, into, .. }: Record) {
        self.last = self.last.max(incident.id);
        if into.is_some() {
            // The other one says it all.
        } else if incident.stage == Stage::Cleared {
            self.close(incident);
        } else {
            // Its trial begins anew, for nobody has looked on meanwhile.
            self.open.push(Open { incident, parts, is_explained: false, trial: None });
        }
    }

    /// What was critical of one node since then, open or over; what came before is forgotten. What a place or the fleet
    /// had is none of a node's.
    pub(super) fn spells(&mut self, since: Time) -> impl Iterator<Item = Spell> {
        self.past.retain(|spell| spell.since >= since);
        let open = self.open.iter().filter(|open| !open.is_explained).filter_map(|open| Spell::of(&open.incident));
        self.past.iter().cloned().chain(open.filter(move |spell| spell.since >= since))
    }

    /// Keeps one that is over.
    fn close(&mut self, incident: Incident) {
        self.past.extend(Spell::of(&incident));
        let many = self.past.len().saturating_sub(REMEMBERED);
        self.past.drain(..many);
        self.cleared.push(incident);
    }

    /// Takes what somebody says of an incident. Says whether it is one that is not over.
    pub(super) fn remark(&mut self, remark: &Remark, now: Time) -> bool {
        let shown = self.open.iter_mut().filter(|open| !open.is_explained);
        let Some(Open { incident, trial, .. }) = shown.into_iter().find(|open| open.incident.id == remark.incident)
        else {
            return false;
        };
        let note = |until| {
            let words = |text: &str| clean(text, LONGEST).into_owned();
            Some(Note { by: words(&remark.by), at: now, text: words(&remark.text), until })
        };
        incident.note = match remark.verb {
            Verb::Acknowledge => note(None),
            Verb::Silence(span) => note(Some(now + span)),
            Verb::Reopen => None,
        };
        if trial.is_none() {
            incident.stage = incident.stage_at(now);
        }
        self.unsaved.insert(incident.id);
        true
    }

    /// The incidents of which something new is to be written: they were raised, have changed, or are over.
    pub(super) fn take_unsaved(&mut self) -> Vec<Record> {
        let unsaved = std::mem::take(&mut self.unsaved);
        let open = self.open.iter().map(|open| (&open.incident, &open.parts[..]));
        let all = open.chain(self.cleared.iter().map(|incident| (incident, &[][..])));
        let changed = all.filter(|(incident, _)| unsaved.contains(&incident.id));
        let changed: Vec<Record> = changed.map(|(incident, parts)| record(incident.clone(), parts.to_vec())).collect();
        changed.into_iter().chain(std::mem::take(&mut self.joined)).collect()
    }

    /// Takes what is wrong at `now`: new troubles are raised, known ones brought up to date, and others cleared, unless it
    /// is not known of them whether they are over, or they have to prove it.
    pub(super) fn update(&mut self, matters: Vec<Matter>, proof: &Proof<'_>, now: Time) {
        let mut before: Vec<Option<Open>> = std::mem::take(&mut self.open).into_iter().map(Some).collect();
        let known = Index::new(&before);
        let mut explained: HashMap<(String, String), Vec<Subject>> = HashMap::new();
        for matter in &matters {
            for (rule, subject) in &matter.explains {
                explained.entry(key(rule, subject)).or_default().push(subject.clone());
            }
        }
        for matter in matters {
            let mut same = known.like(&before, &matter).into_iter().filter_map(|at| before[at].take());
            // Of several that have become one, the eldest goes on.
            let eldest = same.next();
            for Open { incident, .. } in same {
                let into = eldest.as_ref().map(|open| open.incident.id);
                let incident = Incident { stage: Stage::Cleared, cleared: Some(now), ..incident };
                self.joined.push(Record { into, ..record(incident, Vec::new()) });
            }
            // What has become worse is still the same trouble, though another rule says so now.
            let milder = || known.explained(&before, &matter).and_then(|at| before[at].take());
            let before = eldest.or_else(milder);
            let id = before.as_ref().map_or_else(
                || {
                    self.last += 1;
                    self.last
                },
                |open| open.incident.id,
            );
            let mut incident = incident(id, &matter);
            // What was said of it holds until it has become worse.
            incident.note = before
                .as_ref()
                .filter(|before| before.incident.severity >= incident.severity)
                .and_then(|before| before.incident.note.clone());
            incident.stage = incident.stage_at(now);
            if before.is_none_or(|before| before.is_other(&incident, &matter.parts)) {
                self.unsaved.insert(id);
            }
            self.open.push(Open { incident, parts: matter.parts, is_explained: false, trial: None });
        }
        for mut open in before.into_iter().flatten() {
            let is_explained = open.parts.iter().any(|part| {
                let near = explained.get(&key(&open.incident.rule, part));
                near.is_some_and(|subjects| subjects.iter().any(|subject| meets(part, subject)))
            });
            let was_explained = std::mem::replace(&mut open.is_explained, is_explained);
            if is_explained || (!was_explained && (proof.is_open)(&open.incident)) {
                self.open.push(open);
            } else if !was_explained && open.is_on_trial(proof, now) {
                if open.incident.stage != Stage::Verifying {
                    open.incident.stage = Stage::Verifying;
                    self.unsaved.insert(open.incident.id);
                }
                self.open.push(open);
            } else if !was_explained {
                self.unsaved.insert(open.incident.id);
                self.close(Incident { stage: Stage::Cleared, cleared: Some(now), ..open.incident });
            }
        }
        self.open.sort_by_key(|open| open.incident.id);
        self.cleared.retain(|incident| incident.cleared.is_none_or(|cleared| now.since(cleared) < KEPT_FOR));
        let many = self.cleared.len().saturating_sub(KEPT);
        self.cleared.drain(..many);
    }
}

impl Open {
    /// Whether it has yet to prove that it is over.
    fn is_on_trial(&mut self, proof: &Proof<'_>, now: Time) -> bool {
        let verify = (proof.verify)(&self.incident);
        if verify.is_zero() {
            return false;
        }
        let trial = self.trial.get_or_insert(Trial { began: now, worked: Duration::ZERO, looked: now });
        if (proof.work)(&self.parts) {
            trial.worked += now.since(trial.looked);
        }
        trial.looked = now;
        trial.worked < verify && now.since(trial.began) < TRIAL
    }

    /// Whether it has become another one than its last line says: numbers alone are no reason to write.
    fn is_other(&self, incident: &Incident, parts: &[Subject]) -> bool {
        let Open { incident: old, parts: its, .. } = self;
        (&old.rule, old.severity, old.stage, &old.subject)
            != (&incident.rule, incident.severity, incident.stage, &incident.subject)
            || its != parts
    }
}

/// Open incidents by rule and node.
struct Index(HashMap<(String, String), Vec<usize>>);

impl Index {
    fn new(open: &[Option<Open>]) -> Index {
        let mut index: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, Open { incident, parts, .. }) in (0..).zip(open.iter().flatten()) {
            for part in parts {
                let known = index.entry(key(&incident.rule, part)).or_default();
                if known.last() != Some(&at) {
                    known.push(at);
                }
            }
        }
        Index(index)
    }

    /// Those that are about the same as the matter, the eldest first.
    fn like(&self, open: &[Option<Open>], matter: &Matter) -> Vec<usize> {
        let mut near = Vec::new();
        for part in &matter.parts {
            let known = self.0.get(&key(&matter.finding.rule, part)).into_iter().flatten().copied();
            near.extend(known.filter(|at| is_about(open, *at, part)));
        }
        near.sort_unstable();
        near.dedup();
        near
    }

    /// The eldest of those that the matter explains and that are about the very same.
    fn explained(&self, open: &[Option<Open>], matter: &Matter) -> Option<usize> {
        let is_same = |(_, subject): &&(String, Subject)| *subject == matter.finding.subject;
        let same = matter.explains.iter().filter(is_same);
        let near = same.filter_map(|(rule, subject)| self.0.get(&key(rule, subject)).map(|known| (known, subject)));
        near.flat_map(|(known, subject)| known.iter().copied().filter(|at| is_about(open, *at, subject))).min()
    }
}

fn is_about(open: &[Option<Open>], at: usize, part: &Subject) -> bool {
    open[at].as_ref().is_some_and(|open| open.parts.iter().any(|other| meets(part, other)))
}

fn record(incident: Incident, parts: Vec<Subject>) -> Record {
    Record { id: incident.id.to_string(), incident, parts, into: None }
}

/// By which a trouble is found.
fn key(rule: &str, part: &Subject) -> (String, String) {
    (rule.to_owned(), part.node().map_or_else(|| part.to_string(), str::to_owned))
}

fn incident(id: u64, matter: &Matter) -> Incident {
    let Matter { finding, nodes, commands, .. } = matter.clone();
    Incident {
        id,
        rule: finding.rule,
        severity: finding.severity,
        stage: Stage::Open,
        subject: finding.subject,
        nodes,
        since: finding.since,
        seen: finding.seen,
        cleared: None,
        count: finding.count,
        reason: finding.reason,
        evidence: finding.evidence,
        action: finding.action,
        commands,
        note: None,
    }
}
