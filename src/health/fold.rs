//! Findings become few: what another one explains adds to it, and what many things have in common is one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use super::{rule::Commands, track::Finding, words::commands};
use crate::{
    fleet::{Fleet, NOWHERE, natural},
    model::{
        hostlist::Hostlist,
        incident::{Severity, Subject},
        time::Time,
    },
};

/// The rule that explains all others on its node.
const SILENT: &str = "node.silent";
/// Rules by which the driver itself says what is to be done.
const DRIVER: [&str; 2] = ["gpu.recovery", "gpu.recovery.reboot"];
/// Nodes of one place that make its incident, if they are half of it.
const OF_PLACE: usize = 3;
/// One of so many nodes of a fleet, if silent, is the hub's or its network's matter.
const OF_FLEET: usize = 5;
/// Nodes that fall silent within so long do so at once.
const AT_ONCE: Duration = Duration::from_mins(5);

/// One matter: a finding, and all that was folded into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matter {
    pub(super) finding: Finding,
    /// Of how many things it is, in words that stand before the reason.
    words: String,
    /// What it was found on, each thing once.
    pub(super) parts: Vec<Subject>,
    pub(super) nodes: Vec<String>,
    /// What it explains, by rule and subject.
    pub(super) explains: Vec<(String, Subject)>,
    pub(super) commands: Vec<String>,
}

/// What is known beside what was found.
pub(super) struct Known<'a> {
    /// Whether a rule has an open incident of this subject: what was one trouble stays so until none of it is left.
    pub(super) was: &'a dyn Fn(&str, &Subject) -> bool,
    /// What alone holds up that of which something was found: the cause is found there.
    pub(super) culprit: &'a dyn Fn(&Finding) -> Option<Subject>,
}

/// Folds what was found.
pub(super) fn fold(findings: Vec<Finding>, fleet: &Fleet, templates: &Commands, known: &Known<'_>) -> Vec<Matter> {
    let mut matters = by_node(explain(findings, known.culprit));
    matters = by_place(matters, fleet, known.was);
    matters = by_fleet(matters, fleet, known.was);
    for matter in &mut matters {
        matter.finding.reason.insert_str(0, &matter.words);
        if let Subject::Job { job } = &matter.finding.subject {
            let job = fleet.find_job(job).and_then(|number| fleet.job(number as usize));
            // Of one that has ended, those that it had last.
            let holds = job.is_some_and(|job| job.held().next().is_some());
            let shares = job.into_iter().flat_map(|job| &job.shares).filter(|share| share.is_held || !holds);
            matter.nodes = shares.map(|share| fleet.name(share.node).to_owned()).collect();
        }
        matter.nodes.sort_by(|a, b| natural(a, b));
        matter.nodes.dedup();
        matter.commands = commands(&matter.finding, &matter.parts, &matter.nodes, templates, fleet);
    }
    matters
}

/// Whether two subjects may be one and the same trouble: the same thing, or a thing and its node.
pub(super) fn meets(a: &Subject, b: &Subject) -> bool {
    match (a, b) {
        (Subject::Gpu { node, bus, index }, Subject::Gpu { node: other, bus: its, index: number }) => {
            node == other
                && (if bus.is_empty() || its.is_empty() { index == number } else { bus.eq_ignore_ascii_case(its) })
        }
        (Subject::Part { node, part }, Subject::Part { node: other, part: its }) => node == other && part == its,
        _ => a == b || a.node().is_some_and(|node| b.node() == Some(node)),
    }
}

/// Adds what another finding explains to that one.
fn explain(findings: Vec<Finding>, culprit: &dyn Fn(&Finding) -> Option<Subject>) -> Vec<Matter> {
    let culprits: Vec<Option<Subject>> = findings.iter().map(culprit).collect();
    let mut of_node: HashMap<String, Vec<usize>> = HashMap::new();
    let of = |subject: &Subject| subject.node().map_or_else(|| subject.to_string(), str::to_owned);
    for (at, finding) in findings.iter().enumerate() {
        of_node.entry(of(&finding.subject)).or_default().push(at);
    }
    let parent = |at: usize| {
        let what = &findings[at];
        let explains = |other: &usize, subject: &Subject| {
            let by = &findings[*other];
            let is_so = what.under.contains(&by.rule) || (by.rule == SILENT && what.rule != SILENT);
            is_so && meets(&by.subject, subject)
        };
        let near = [Some(&what.subject), culprits[at].as_ref()].into_iter().flatten();
        let near =
            near.flat_map(|subject| of_node.get(&of(subject)).into_iter().flatten().map(move |it| (it, subject)));
        let all = near.filter(|(other, subject)| explains(other, subject)).map(|(other, _)| *other);
        all.max_by_key(|other| findings[*other].severity)
    };
    let parents: Vec<Option<usize>> = (0..findings.len()).map(parent).collect();
    // What explains an explanation explains it all; rules that explain each other in a circle explain nothing.
    let root = |mut at: usize| {
        for _ in 0..parents.len().min(8) {
            match parents[at] {
                Some(next) => at = next,
                None => return Some(at),
            }
        }
        None
    };
    let roots: Vec<usize> = (0..findings.len()).map(|at| root(at).unwrap_or(at)).collect();
    let mut matters: BTreeMap<usize, Matter> = BTreeMap::new();
    for (at, _) in roots.iter().enumerate().filter(|(at, root)| at == *root) {
        let finding = findings[at].clone();
        let nodes = finding.subject.node().map(str::to_owned).into_iter().collect();
        let parts = vec![finding.subject.clone()];
        matters.insert(
            at,
            Matter { finding, words: String::new(), parts, nodes, explains: Vec::new(), commands: Vec::new() },
        );
    }
    for (at, finding) in findings.into_iter().enumerate().filter(|(at, _)| roots[*at] != *at) {
        let root = roots[at];
        let Some(Matter { finding: by, explains, .. }) = matters.get_mut(&root) else { continue };
        explains.push((finding.rule.clone(), finding.subject.clone()));
        by.evidence.push(format!("{}: {}", finding.rule, finding.reason));
        if by.rule != SILENT {
            by.since = by.since.min(finding.since);
        }
        // That something waits makes it matter more, and changes nothing about what to do.
        if culprits[at].is_some() && finding.subject != by.subject {
            by.severity = by.severity.max(finding.severity);
            let said = format!("; {} waits for it", finding.subject);
            if !by.reason.contains(&said) {
                by.reason.push_str(&said);
            }
            continue;
        }
        // Of two that matter as much, what has something to do beats what has nothing, and what the driver asks for beats
        // what a table says.
        let has_more = (by.commands.is_empty() && !finding.commands.is_empty()) || DRIVER.contains(&&*finding.rule);
        if finding.severity > by.severity || (finding.severity == by.severity && has_more) {
            (by.severity, by.action, by.commands) = (finding.severity, finding.action, finding.commands);
        }
    }
    matters.into_values().collect()
}

/// Several things of one node that have the same are the node's.
fn by_node(matters: Vec<Matter>) -> Vec<Matter> {
    let key = |matter: &Matter| {
        let Finding { rule, kin, subject, .. } = &matter.finding;
        Some((rule.clone(), kin.clone(), subject.node()?.to_owned()))
    };
    together(matters, key, |some| {
        let node = some.first().and_then(|matter| matter.finding.subject.node()).unwrap_or_default().to_owned();
        let names: Vec<String> = some.iter().flat_map(|matter| &matter.parts).map(part_name).collect();
        let is_gpu = |matter: &Matter| matches!(matter.finding.subject, Subject::Gpu { .. });
        let words = if some.iter().all(is_gpu) {
            let list = Hostlist::fold(names.iter().map(String::as_str)).to_string();
            format!("GPUs {}: ", list.trim_matches(['[', ']']))
        } else {
            format!("{}: ", names.join(", "))
        };
        (some.len() > 1).then_some((Subject::Node { node }, words))
    })
}

fn part_name(part: &Subject) -> String {
    match part {
        Subject::Gpu { index, .. } => index.clone(),
        Subject::Part { part, .. } => part.clone(),
        other => other.to_string(),
    }
}

/// Several nodes of one place that have the same are the place's: of one of the narrowest first, and several of these of
/// a wider one.
fn by_place(mut matters: Vec<Matter>, fleet: &Fleet, was: &dyn Fn(&str, &Subject) -> bool) -> Vec<Matter> {
    for (level, name) in fleet.levels().names().iter().enumerate().rev() {
        let place = |matter: &Matter| {
            let is_of_place = matches!(matter.finding.subject, Subject::Place { .. });
            let first = matter.nodes.first().filter(|_| is_of_place).map(String::as_str);
            let node = fleet.find(matter.finding.subject.node().or(first)?)?;
            let at = *fleet.places_of(node).get(level)?;
            fleet.places(level).get(at as usize).filter(|place| &*place.name != NOWHERE)
        };
        let key = |matter: &Matter| {
            Some((matter.finding.rule.clone(), matter.finding.kin.clone(), place(matter)?.name.to_string()))
        };
        matters = together(matters, key, |some| {
            let place = some.first().and_then(place)?;
            let nodes: HashSet<&str> = some.iter().flat_map(|matter| &matter.nodes).map(String::as_str).collect();
            let (n, all) = (nodes.len(), place.nodes as usize);
            let subject = Subject::Place { level: name.clone(), name: place.name.to_string() };
            let is_place = (some.len() > 1 && n >= OF_PLACE && n * 2 >= all) || was(&some[0].finding.rule, &subject);
            is_place.then(|| (subject, format!("{n} of {all} nodes: ")))
        });
    }
    matters
}

/// Many nodes that have fallen silent at once are the hub's matter, or its network's.
fn by_fleet(matters: Vec<Matter>, fleet: &Fleet, was: &dyn Fn(&str, &Subject) -> bool) -> Vec<Matter> {
    let all = fleet.nodes().len();
    let silent = matters.iter().filter(|matter| matter.finding.rule == SILENT);
    let mut times: Vec<(Time, usize)> = silent.map(|it| (it.finding.since, it.nodes.len())).collect();
    times.sort_unstable();
    // The span in which most of them fell silent.
    let within = |from: Time| {
        let some = times.iter().filter(move |(since, _)| *since >= from && since.since(from) <= AT_ONCE);
        some.map(|(_, nodes)| nodes).sum::<usize>()
    };
    let Some((most, from)) = times.iter().map(|(from, _)| (within(*from), *from)).max_by_key(|(most, _)| *most) else {
        return matters;
    };
    let is_of_hub = (most >= OF_PLACE && most * OF_FLEET > all) || was(SILENT, &Subject::Fleet);
    let is_one = |matter: &Matter| {
        let Finding { rule, since, .. } = &matter.finding;
        (is_of_hub && rule == SILENT && *since >= from && since.since(from) <= AT_ONCE).then_some(())
    };
    together(matters, is_one, |some| {
        let n: usize = some.iter().map(|matter| matter.nodes.len()).sum();
        Some((Subject::Fleet, format!("{n} of {all} nodes, the hub's network perhaps: ")))
    })
}

/// Joins those with the same key, where `join` says as what and with which words before the reason.
fn together<K: Ord>(
    matters: Vec<Matter>,
    key: impl Fn(&Matter) -> Option<K>,
    join: impl Fn(&[Matter]) -> Option<(Subject, String)>,
) -> Vec<Matter> {
    let mut groups: BTreeMap<K, Vec<Matter>> = BTreeMap::new();
    let mut all = Vec::new();
    for matter in matters {
        match key(&matter) {
            Some(key) => groups.entry(key).or_default().push(matter),
            None => all.push(matter),
        }
    }
    for mut some in groups.into_values() {
        let Some((subject, words)) = join(&some) else {
            all.append(&mut some);
            continue;
        };
        // The worst one speaks for all.
        let worst = (0..some.len()).max_by_key(|at| (some[*at].finding.severity, usize::MAX - at)).unwrap_or(0);
        let mut joined = some.swap_remove(worst);
        joined.words = words;
        joined.finding.subject = subject;
        for other in some {
            let by = &mut joined.finding;
            by.since = by.since.min(other.finding.since);
            by.seen = by.seen.max(other.finding.seen);
            by.count += other.finding.count;
            by.evidence.extend(other.finding.evidence);
            joined.parts.extend(other.parts);
            joined.nodes.extend(other.nodes);
            joined.explains.extend(other.explains);
        }
        joined.finding.evidence.truncate(EVIDENCE);
        all.push(joined);
    }
    all
}

/// Most lines of evidence of one matter.
const EVIDENCE: usize = 16;

/// What matters most first.
pub(super) fn worst_first(matters: &mut [Matter]) {
    let rank = |matter: &Matter| (std::cmp::Reverse::<Severity>(matter.finding.severity), matter.finding.since);
    matters.sort_by_key(rank);
}
