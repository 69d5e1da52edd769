//! The health engine: rules ask their questions, what holds for long enough is found, what belongs together is folded
//! into incidents, each with its reason and what to do. It reads the fleet and changes nothing.
//!
//! `rules → questions → tracks → findings → matters → incidents`

mod book;
mod errors;
mod fold;
mod lemon;
mod nvlink5;
mod programs;
mod rule;
mod site;
mod suspect;
mod track;
mod words;
mod xid;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use self::{
    book::{Book, Proof},
    errors::Errors,
    fold::Known,
    lemon::Lemons,
    rule::{Commands, SHORT, compares, gate, group, group_at, over, placeholders, question, sizes},
    suspect::{Inquiry, Verdicts},
    track::{Finding, Sight, Tracks},
};
use crate::{
    fleet::{Fleet, NodeId},
    model::{
        hostlist::Hostlist,
        incident::{Incident, Record, Remark, Rule, Severity, Stage, Subject},
        metric::gpu,
        question::{Answer, Complaint},
        raw::Raw,
        syntax::Query,
        table::{Cell, Row, Table},
        time::Time,
        verdict::Verdict,
    },
    query::{self, Access, Round},
};

pub use self::{
    rule::takes_more,
    site::{Entry, Rules, Site, Templates, Wrong},
};

/// How often the engine looks: no rule is asked more often.
const TURN: Duration = Duration::from_secs(1);
/// Rules that have to hold for long are asked less often: so many times while they have to, and within these bounds.
const TIMES: u32 = 3;
const MOST_OFTEN: Duration = Duration::from_secs(2);
const LEAST_OFTEN: Duration = Duration::from_secs(20);
const OF_PEERS: Duration = Duration::from_secs(5);
/// How often what was found is folded anew where nothing has come or gone, so that its numbers are not older.
const ANEW: Duration = Duration::from_secs(5);
/// How long a rule that could not be asked is left alone.
const RETRY_AFTER: Duration = Duration::from_mins(1);
/// Jobs of which one question asks.
const JOBS: usize = 64;

/// The engine of one hub.
pub struct Health {
    rules: Vec<Rule>,
    commands: Commands,
    watches: Vec<Watch>,
    errors: Errors,
    lemons: Lemons,
    /// How many events it has heard.
    heard: u64,
    book: Book,
    folded: Folded,
    verdicts: Verdicts,
    is_impatient: bool,
}

/// What the incidents were made of.
#[derive(Default)]
struct Folded {
    /// When they are to be made anew, whatever happens.
    again: Time,
    /// [`Tracks::turns`] of all watches.
    turns: u64,
    of_errors: Vec<Finding>,
}

/// One rule as it is asked.
struct Watch {
    rule: usize,
    question: Query,
    /// What has to be so of something for the dear part to be asked at all.
    gate: Option<Query>,
    tracks: Tracks,
    /// When it is asked next.
    next: Time,
}

impl Health {
    /// An engine with these rules.
    pub fn new(Rules { rules, commands, severities }: Rules) -> Health {
        let watch = |(at, rule): (usize, &Rule)| {
            let is_asked = !rule.view.is_empty() && !rule.is_muted;
            let question = query::parse(&question(rule)).ok().filter(|_| is_asked)?;
            let gate = gate(&question);
            Some(Watch { rule: at, question, gate, tracks: Tracks::default(), next: Time::from_millis(i64::MIN) })
        };
        let watches = rules.iter().enumerate().filter_map(watch).collect();
        let (book, folded, lemons, verdicts) = Default::default();
        let errors = Errors::new(severities);
        Health { rules, commands, watches, errors, lemons, heard: 0, book, folded, verdicts, is_impatient: false }
    }

    /// For whoever has no time to wait: ignores holds below five minutes, and leaves out the rules that take longer, or
    /// others to compare with.
    pub fn impatient(mut self) -> Health {
        self.watches.retain(|watch| !takes_more(&self.rules[watch.rule]));
        Health { is_impatient: true, ..self }
    }

    /// Takes what the hub before this one had: it is open until it is known to be over.
    pub fn restore(&mut self, kept: Vec<Record>, now: Time) {
        for record in kept {
            let Incident { rule, reason, action, since, stage, .. } = &record.incident;
            let watch = self.watches.iter_mut().find(|watch| self.rules[watch.rule].id == *rule);
            if let Some(watch) = watch.filter(|_| !matches!(stage, Stage::Verifying | Stage::Cleared)) {
                for subject in &record.parts {
                    let (subject, reason, action) = (subject.clone(), reason.clone(), action.clone());
                    watch.tracks.restore(name(&subject), Sight { subject, reason, action }, *since, now);
                }
            }
            self.book.restore(record);
        }
    }

    /// Takes what somebody says of an incident. Says whether it is one that is not over.
    pub fn remark(&mut self, remark: &Remark, now: Time) -> bool {
        self.book.remark(remark, now)
    }

    /// The incidents that were raised, have changed or are over since the last time.
    pub fn take_unsaved(&mut self) -> Vec<Record> {
        self.book.take_unsaved()
    }

    /// The rules, with what is wrong with those that could not be asked.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// All incidents that are open or were cleared lately, in the order in which they were raised.
    pub fn incidents(&self) -> Vec<Incident> {
        self.book.incidents()
    }

    /// What GPUs are to jobs that hang or are slow: those that are not fine.
    pub fn verdicts(&self) -> &[((NodeId, u16), Verdict)] {
        &self.verdicts
    }

    /// Looks at the fleet once. Says whether the incidents were brought up to date.
    pub async fn look(&mut self, access: &impl Access, now: Time) -> bool {
        let due: Vec<usize> = (0..self.watches.len()).filter(|at| self.watches[*at].next <= now).collect();
        let mut round = Round::at(now);
        let tables = self.ask(access, &due, &mut round).await;
        for (at, table) in due.into_iter().zip(tables) {
            let watch = &mut self.watches[at];
            let Some(rule) = self.rules.get_mut(watch.rule) else { continue };
            let hold = if self.is_impatient && rule.hold < SHORT { Duration::ZERO } else { rule.hold };
            let asked = match table {
                Ok(table) => watch.take(access, rule, hold, &table, &mut round).await,
                Err(complaint) => Err(complaint),
            };
            let pause = match asked {
                Ok(()) if self.is_impatient => TURN,
                Ok(()) => pace(rule, hold),
                Err(_) => RETRY_AFTER,
            };
            // A little early rather than a whole round late.
            watch.next = now + pause - TURN / 2;
            rule.problem = asked.err().map(|complaint| complaint.message).unwrap_or_default();
            access.pause().await;
        }
        let of_errors = access.look(|fleet| {
            self.errors.forget(fleet, now);
            self.errors.catch_up(fleet);
            for (number, happening) in fleet.events_after(self.heard) {
                self.heard = number;
                self.errors.hear(fleet, happening);
            }
            let lemons = self.lemons.findings(&mut self.book, fleet, &self.rules, now);
            [self.errors.findings(fleet, &self.rules), lemons.to_vec()].concat()
        });
        let turns = self.watches.iter().map(|watch| watch.tracks.turns()).sum();
        let Folded { again, turns: before, of_errors: others } = &self.folded;
        if now < *again && turns == *before && of_errors == *others {
            return false;
        }
        let found = self.watches.iter().flat_map(|watch| watch.tracks.findings(&self.rules[watch.rule]));
        let findings: Vec<Finding> = found.chain(of_errors.iter().cloned()).collect();
        self.folded = Folded { again: now + ANEW - TURN / 2, turns, of_errors };
        let open = self.book.subjects();
        let was = |rule: &str, subject: &Subject| open.contains(&(rule.to_owned(), subject.clone()));
        let (mut matters, verdicts) = access.look(|fleet| {
            let inquiry = Inquiry::new(fleet, &self.errors, now);
            let culprit = |finding: &Finding| inquiry.culprit(finding);
            let mut matters = fold::fold(findings, fleet, &self.commands, &Known { was: &was, culprit: &culprit });
            let verdicts: Verdicts = matters.iter_mut().flat_map(|matter| inquiry.accuse(matter)).collect();
            (matters, verdicts)
        });
        self.verdicts = verdicts;
        fold::worst_first(&mut matters);
        // Of events that a node's GPUs reported before the hub's restart it is not known yet whether they are over.
        let is_open = |incident: &Incident| {
            let waits = |node: &String| access.look(|fleet| Errors::waits_for(fleet, node));
            Errors::is_rule(&incident.rule) && incident.nodes.iter().any(waits)
        };
        // Of errors, only what asks for a repair has to prove itself.
        let verify = |incident: &Incident| {
            let needs_proof = incident.severity == Severity::Crit || !Errors::is_rule(&incident.rule);
            let rule = self.rules.iter().find(|rule| needs_proof && rule.id == incident.rule);
            rule.map_or(Duration::ZERO, |rule| rule.verify)
        };
        let work = |parts: &[Subject]| access.look(|fleet| parts.iter().all(|part| works(fleet, part, now)));
        self.book.update(matters, &Proof { is_open: &is_open, verify: &verify, work: &work }, now);
        true
    }

    /// What some watches find, all asked together; those with a gate only once it is known to be open.
    async fn ask(&self, access: &impl Access, due: &[usize], round: &mut Round) -> Vec<Result<Table, Complaint>> {
        let watches = || due.iter().map(|at| &self.watches[*at]);
        let first: Vec<&Query> = watches().map(|watch| watch.gate.as_ref().unwrap_or(&watch.question)).collect();
        let mut tables = ask(access, &first, round).await;
        let is_open = |(watch, table): (&Watch, &Result<Table, _>)| {
            watch.gate.is_some() && table.as_ref().is_ok_and(|table| table.total > 0)
        };
        let open: Vec<bool> = watches().zip(&tables).map(is_open).collect();
        let questions: Vec<&Query> =
            watches().zip(&open).filter(|(_, is_open)| **is_open).map(|(watch, _)| &watch.question).collect();
        let opened = tables.iter_mut().zip(open).filter(|(_, is_open)| *is_open).map(|(table, _)| table);
        opened.zip(ask(access, &questions, round).await).for_each(|(table, asked)| *table = asked);
        tables
    }
}

/// How often a rule is asked that has to hold for so long. To compare things with each other is dear.
pub fn pace(rule: &Rule, hold: Duration) -> Duration {
    let least = if compares(rule) { OF_PEERS } else { MOST_OFTEN };
    rule.every.unwrap_or((hold / TIMES).clamp(least, LEAST_OFTEN)).max(TURN)
}

impl Watch {
    /// Takes what has it, and asks what of that which had it has it no longer.
    async fn take(
        &mut self,
        access: &impl Access,
        rule: &Rule,
        hold: Duration,
        table: &Table,
        round: &mut Round,
    ) -> Result<(), Complaint> {
        let now = round.now;
        let (words, more) = (placeholders(&rule.reason).count(), placeholders(&rule.action).count());
        let first = table.columns.len().saturating_sub(words + more);
        let common = match group(rule).zip(rule.rare) {
            Some((group, share)) => common(access, rule, (&group, share), table, round).await?,
            None => HashSet::new(),
        };
        let (ordinary, rare): (Vec<&Row>, Vec<&Row>) = table.rows.iter().partition(|row| common.contains(&*row.id));
        let found = rare.into_iter().map(|row| {
            let cells = |from, count| words::cells(&table.columns, row, from, count);
            let reason = words::fill(&rule.reason, &cells(first, words));
            let action = words::fill(&rule.action, &cells(first + words, more));
            let subject = subject(&rule.view, table, row);
            (name(&subject), Sight { subject, reason, action })
        });
        self.tracks.found(found, rule, hold, now);
        let ordinary: HashSet<String> =
            ordinary.into_iter().map(|row| name(&subject(&rule.view, table, row))).collect();
        let unseen = self.tracks.unseen(now);
        if unseen.is_empty() {
            return Ok(());
        }
        // Of a node that is not heard of, nothing is known: it need not be asked.
        let is_known = |subject: &Subject| match subject.node() {
            Some(node) if rule.view != "nodes" => {
                access.look(|fleet| fleet.find(node).is_some_and(|node| fleet.is_up(node, now)))
            }
            _ => true,
        };
        let known = unseen.iter().filter(|(_, subject, _)| is_known(subject));
        // Of what is no incident yet it is enough that it does not hold any more: it begins anew if it does again.
        let is_asked = |(_, _, is_raised): &&(String, Subject, bool)| *is_raised || !rule.gap.is_zero();
        let (asked, dropped): (Vec<_>, Vec<_>) = known.partition(is_asked);
        let texts = among(rule, asked.iter().map(|(_, subject, _)| subject)).into_iter().flat_map(|it| over(rule, &it));
        let queries = texts.map(|text| query::parse(&text)).collect::<Result<Vec<Query>, Complaint>>()?;
        // In turn, those of which it is over and those that are still there.
        let mut names = [HashSet::new(), HashSet::new()];
        let tables = ask(access, &queries.iter().collect::<Vec<_>>(), round).await;
        for (table, turn) in tables.into_iter().zip((0..2).cycle()) {
            let table = table?;
            names[turn].extend(table.rows.iter().map(|row| name(&subject(&rule.view, &table, row))));
        }
        let [ended, there] = names;
        // What is there no longer has nothing any more.
        let asked: HashSet<&str> = asked.into_iter().map(|(name, ..)| &**name).collect();
        let dropped: HashSet<&str> = dropped.into_iter().map(|(name, ..)| &**name).collect();
        let is_over = |name: &str| {
            ordinary.contains(name)
                || dropped.contains(name)
                || ended.contains(name)
                || (asked.contains(name) && !there.contains(name))
        };
        self.tracks.over(is_over, rule, now);
        Ok(())
    }
}

/// Percent of the time from which on a GPU is at work.
const AT_WORK: f64 = 50.0;

/// Whether something is at work: a GPU, or all that its node has.
fn works(fleet: &Fleet, part: &Subject, now: Time) -> bool {
    let Some(node) = part.node().and_then(|node| fleet.find(node)) else { return true };
    let is_busy = |raw: &Raw| raw.value(1.0).is_some_and(|percent| percent >= AT_WORK);
    let utils = fleet.row(node, gpu::UTIL, now);
    match part {
        Subject::Gpu { bus, index, .. } => {
            let inventory = &fleet.node(node).inventory;
            let by_index = || inventory.gpus.iter().position(|gpu| *gpu.index == **index);
            let slot = if bus.is_empty() { by_index() } else { inventory.gpu_at(bus) };
            slot.and_then(|slot| utils.get(slot)).is_some_and(is_busy)
        }
        // One that has none proves nothing by them.
        _ => fleet.node(node).inventory.gpus.is_empty() || (!utils.is_empty() && utils.iter().all(is_busy)),
    }
}

/// Ids of the rows that are no exception: of their peers, more than a share have it, or as many as not.
async fn common(
    access: &impl Access,
    rule: &Rule,
    (group, share): (&str, f64),
    table: &Table,
    round: &mut Round,
) -> Result<HashSet<String>, Complaint> {
    if table.rows.is_empty() {
        return Ok(HashSet::new());
    }
    let peers = query::parse(&sizes(&rule.view, group))?;
    let peers = ask(access, &[&peers], round).await.remove(0)?;
    let text = |row: &Row, at: usize| row.cells.get(at).and_then(Cell::text).unwrap_or_default().to_owned();
    let of_peers = |row: &Row| text(row, group_at(&rule.view));
    let mut found: HashMap<String, usize> = HashMap::new();
    for row in &table.rows {
        *found.entry(of_peers(row)).or_default() += 1;
    }
    let count = |row: &Row| peers.column("count").and_then(|at| row.cells.get(at)?.number()).unwrap_or(0.0);
    let sizes: HashMap<String, f64> = peers.rows.iter().map(|row| (text(row, 0), count(row))).collect();
    // Of few peers, one node with all that it has of them is not many.
    let of_node = if rule.view == "gpus" { 8.0 } else { 1.0 };
    let is_common = |row: &&Row| {
        let group = of_peers(row);
        let (found, size) = (found[&group] as f64, sizes.get(&group).copied().unwrap_or(0.0));
        found > of_node + share * size || found * 2.0 >= size || table.total > table.rows.len() as u64
    };
    Ok(table.rows.iter().filter(is_common).map(|row| row.id.clone()).collect())
}

/// The answers to some questions, asked together.
async fn ask(access: &impl Access, queries: &[&Query], round: &mut Round) -> Vec<Result<Table, Complaint>> {
    let table = |answer| match answer {
        Answer::Table(table) => Ok(table),
        Answer::Series(_) => {
            Err(Complaint { message: "a rule asks for no values along time".into(), ..Complaint::default() })
        }
    };
    let answers = query::answer_together(access, queries, round).await;
    answers.into_iter().map(|answer| answer.and_then(table)).collect()
}

/// Conditions that together mean these things, or their nodes: as many as make cheap questions.
fn among<'a>(rule: &Rule, subjects: impl Iterator<Item = &'a Subject>) -> Vec<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match &*rule.view {
        "jobs" => {
            let jobs: Vec<String> = subjects.map(|job| format!("job = {}", quoted(&job_id(job)))).collect();
            jobs.chunks(JOBS).map(|some| format!("({})", some.join(" or "))).collect()
        }
        "nodes" | "gpus" | "nics" | "mounts" | "processes" => {
            let nodes: BTreeSet<&str> = subjects.filter_map(Subject::node).collect();
            // In a list only plain names mean what they say.
            let is_plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
            let (plain, odd): (Vec<&str>, Vec<&str>) = nodes.into_iter().partition(|name| is_plain(name));
            let list = (!plain.is_empty()).then(|| format!("node in {}", Hostlist::fold(plain)));
            odd.into_iter().map(|node| format!("node = {}", quoted(node))).chain(list).collect()
        }
        // Of places, fleets and kinds there are few.
        _ => vec![String::new()],
    }
}

fn job_id(subject: &Subject) -> String {
    if let Subject::Job { job } = subject { job.clone() } else { subject.to_string() }
}

/// By what a thing is known again: a GPU by its address, for its number may be another one's after a reboot.
fn name(subject: &Subject) -> String {
    match subject {
        Subject::Gpu { node, bus, .. } if !bus.is_empty() => format!("{node} {bus}"),
        other => other.to_string(),
    }
}

/// What a row of a view is.
fn subject(view: &str, table: &Table, row: &Row) -> Subject {
    let text = |key: &str| {
        let cell = table.column(key).and_then(|at| row.cells.get(at));
        cell.and_then(Cell::text).unwrap_or_default().to_owned()
    };
    match view {
        "nodes" => Subject::Node { node: row.id.clone() },
        "gpus" => Subject::Gpu { node: text("node"), index: text("index"), bus: text("bus").to_ascii_lowercase() },
        "nics" => Subject::Part { node: text("node"), part: text("nic.name") },
        "mounts" => Subject::Part { node: text("node"), part: text("mount.path") },
        "jobs" => Subject::Job { job: row.id.clone() },
        _ => match row.id.split_once('/') {
            Some((node, part)) => Subject::Part { node: node.into(), part: part.into() },
            None => match row.id.split_once('=') {
                Some((level, name)) => Subject::Place { level: level.into(), name: name.into() },
                None => Subject::Node { node: row.id.clone() },
            },
        },
    }
}

#[cfg(test)]
mod tests;
