//! Lemons: nodes that have to be drained again and again, however often they were mended.
//!
//! Counted are the critical incidents of a node by itself whose rule says to drain it. Those that begin within a day of
//! another are one trouble: what was found first, what followed from it, and the reboot that mended it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    book::{Book, Spell},
    track::Finding,
};
use crate::{
    fleet::Fleet,
    model::{
        incident::{Rule, Subject},
        time::Time,
    },
};

/// The rule of lemons.
pub(super) const LEMON: &str = "node.lemon";
/// The command that makes a rule's incidents count.
const DRAIN: &str = "drain";
/// Within how long they are counted, and in how long they are one.
const WITHIN: Duration = Duration::from_hours(24 * 28);
const ONE: Duration = Duration::from_hours(24);
/// How many make a lemon, of at most one of so many nodes.
const TIMES: usize = 3;
const ONE_OF: usize = 100;
/// How often they are counted.
const EVERY: Duration = Duration::from_mins(5);

/// Those that were found last.
#[derive(Clone, Debug, Default)]
pub(super) struct Lemons {
    /// When they are counted next; nothing before the first time.
    next: Option<Time>,
    findings: Vec<Finding>,
}

/// What a node had.
#[derive(Debug, Default)]
struct Past {
    /// When each trouble began, the earliest first.
    troubles: Vec<Time>,
    /// How many incidents of each rule there were.
    rules: BTreeMap<String, usize>,
}

impl Lemons {
    /// Nodes with at least three troubles in 28 days, as no more than one in a hundred has. Who is one stays so until it
    /// has less than three.
    pub(super) fn findings(&mut self, book: &mut Book, fleet: &Fleet, rules: &[Rule], now: Time) -> &[Finding] {
        if self.next.is_some_and(|next| now < next) {
            return &self.findings;
        }
        self.next = Some(now + EVERY);
        self.findings.clear();
        let Some(rule) = rules.iter().find(|rule| rule.id == LEMON && !rule.is_muted) else { return &self.findings };
        let open = book.subjects();
        let was = |node: &str| open.contains(&(LEMON.to_owned(), Subject::Node { node: node.to_owned() }));
        let asks = |rule: &&Rule| rule.id != LEMON && rule.commands.iter().any(|name| name == DRAIN);
        let drains: BTreeSet<&str> = rules.iter().filter(asks).map(|rule| &*rule.id).collect();
        let counted = |spell: &Spell| drains.contains(&*spell.rule) && fleet.find(&spell.node).is_some();
        let nodes = by_node(book.spells(now - WITHIN).filter(counted).collect());
        let all = fleet.nodes().len();
        let most = (all / ONE_OF).max(1);
        for (node, past) in nodes.iter().filter(|(_, past)| past.troubles.len() >= TIMES) {
            let like = nodes.values().filter(|other| other.troubles.len() >= past.troubles.len()).count();
            if like <= most || was(node) {
                self.findings.push(finding(rule, node, past, (like, all), now));
            }
        }
        &self.findings
    }
}

fn by_node(mut spells: Vec<Spell>) -> BTreeMap<String, Past> {
    spells.sort_unstable_by_key(|spell| spell.since);
    let mut nodes: BTreeMap<String, Past> = BTreeMap::new();
    for Spell { node, rule, since } in spells {
        let Past { troubles, rules } = nodes.entry(node).or_default();
        if troubles.last().is_none_or(|last| since.since(*last) >= ONE) {
            troubles.push(since);
        }
        *rules.entry(rule).or_default() += 1;
    }
    nodes
}

fn finding(
    rule: &Rule,
    node: &str,
    Past { troubles, rules }: &Past,
    (like, all): (usize, usize),
    now: Time,
) -> Finding {
    let mut names: Vec<(&String, &usize)> = rules.iter().collect();
    names.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
    let names: Vec<String> = names.into_iter().map(|(name, times)| format!("{name} {times}")).collect();
    let (times, names) = (troubles.len(), names.join(", "));
    let had = if like == 1 { "has" } else { "have" };
    Finding {
        rule: rule.id.clone(),
        kin: String::new(),
        severity: rule.severity,
        subject: Subject::Node { node: node.to_owned() },
        since: troubles.get(TIMES - 1).copied().unwrap_or(now),
        seen: now,
        count: times as u32,
        reason: format!("had to be drained {times} times in 28 days, and {like} of {all} nodes {had} so many: {names}"),
        evidence: troubles.iter().map(|since| format!("trouble since {since}")).collect(),
        action: rule.action.clone(),
        commands: rule.commands.clone(),
        under: rule.under.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fleet::Settings,
        health::Rules,
        model::{
            incident::{Incident, Record, Severity, Stage},
            report::Introduction,
        },
    };

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    fn at(seconds: i64) -> Time {
        Time::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    fn fleet(nodes: usize) -> Fleet {
        let mut fleet = Fleet::new(Settings::default());
        for n in 1..=nodes {
            let introduction = Introduction { node: format!("n{n:03}"), ..Introduction::default() };
            fleet.join(&introduction, std::iter::empty(), at(0)).unwrap();
        }
        fleet
    }

    fn gpu(n: usize) -> Subject {
        Subject::Gpu { node: format!("n{n:03}"), index: "0".into(), bus: "0000:1b:00.0".into() }
    }

    /// An incident that is over after an hour.
    fn over(book: &mut Book, rule: &str, severity: Severity, subject: Subject, since: i64) {
        let incident = Incident {
            id: 1,
            rule: rule.into(),
            severity,
            stage: Stage::Cleared,
            nodes: subject.node().map(str::to_owned).into_iter().collect(),
            subject,
            since: at(since),
            seen: at(since),
            cleared: Some(at(since + HOUR)),
            count: 1,
            reason: String::new(),
            evidence: Vec::new(),
            action: String::new(),
            commands: Vec::new(),
            note: None,
        };
        book.restore(Record { id: "1".into(), incident, parts: Vec::new(), into: None });
    }

    fn lemons(book: &mut Book, nodes: usize, day: i64) -> Vec<String> {
        let rules = Rules::default().rules;
        let (fleet, mut lemons) = (fleet(nodes), Lemons::default());
        let found = lemons.findings(book, &fleet, &rules, at(day * DAY));
        found.iter().map(|it| format!("{} {}", it.subject, it.reason)).collect()
    }

    #[test]
    fn what_is_drained_on_three_days_of_28_is_a_lemon() {
        let mut book = Book::default();
        for day in [1, 4] {
            over(&mut book, "gpu.xid", Severity::Crit, gpu(7), day * DAY);
            // What follows from it is the same trouble.
            over(&mut book, "node.silent", Severity::Crit, Subject::Node { node: "n007".into() }, day * DAY + 9 * HOUR);
        }
        assert_eq!(lemons(&mut book, 100, 9), [""; 0], "twice");
        over(&mut book, "gpu.xid", Severity::Crit, gpu(7), 8 * DAY);
        let said =
            "n007 had to be drained 3 times in 28 days, and 1 of 100 nodes has so many: gpu.xid 3, node.silent 2";
        assert_eq!(lemons(&mut book, 100, 9), [said]);
        assert_eq!(lemons(&mut book, 100, 30), [""; 0], "the first was more than 28 days ago");
    }

    #[test]
    fn what_is_not_the_nodes_own_counts_for_none() {
        let mut book = Book::default();
        for day in 1..6 {
            over(&mut book, "host.memory", Severity::Crit, Subject::Node { node: "n001".into() }, day * DAY);
            over(&mut book, "gpu.xid", Severity::Warn, gpu(2), day * DAY);
            let rack = Subject::Place { level: "rack".into(), name: "r1".into() };
            over(&mut book, "node.silent", Severity::Crit, rack, day * DAY);
            over(&mut book, LEMON, Severity::Crit, Subject::Node { node: "n003".into() }, day * DAY);
            over(&mut book, "gpu.xid", Severity::Crit, gpu(999), day * DAY);
        }
        assert_eq!(lemons(&mut book, 100, 7), [""; 0], "memory is a job's matter; n999 is no more");
    }

    #[test]
    fn what_more_than_one_in_a_hundred_have_is_no_exception() {
        let mut book = Book::default();
        for (n, times) in [(1, 5), (2, 4), (3, 4), (4, 3)] {
            (1..=times).for_each(|day| over(&mut book, "gpu.xid", Severity::Crit, gpu(n), 2 * day * DAY));
        }
        let names = |nodes: usize, book: &mut Book| -> Vec<String> {
            lemons(book, nodes, 12).iter().map(|it| it.split(' ').next().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(names(100, &mut book), ["n001"]);
        assert_eq!(names(250, &mut book), ["n001"], "of two that are alike, neither is the exception");
        assert_eq!(names(300, &mut book), ["n001", "n002", "n003"]);
        assert_eq!(names(400, &mut book), ["n001", "n002", "n003", "n004"]);
    }

    #[test]
    fn a_lemon_stays_one_though_others_catch_up() {
        let mut book = Book::default();
        for n in 1..=2 {
            (1..=3).for_each(|day| over(&mut book, "gpu.xid", Severity::Crit, gpu(n), 2 * day * DAY));
        }
        assert_eq!(lemons(&mut book, 100, 7).len(), 0);
        let subject = Subject::Node { node: "n002".into() };
        let mut open = Book::default();
        over(&mut open, LEMON, Severity::Info, subject.clone(), 6 * DAY);
        let mut incident = open.incidents().remove(0);
        (incident.stage, incident.cleared) = (Stage::Open, None);
        book.restore(Record { id: "2".into(), incident, parts: vec![subject], into: None });
        let told = lemons(&mut book, 100, 7);
        assert!(told.len() == 1 && told[0].starts_with("n002 "), "{told:?}");
    }
}
