//! What is asked of a fleet for a rule: its question, who its peers are, and what it takes beyond one look.

use std::{collections::BTreeMap, time::Duration};

use super::{lemon, programs};
use crate::{
    model::{
        incident::Rule,
        syntax::{Expr, Operand, Query, Show, Word},
    },
    query,
};

/// Commands by their names; for a name with a dot, its second part is the scheduler that understands them.
pub(super) type Commands = BTreeMap<String, Vec<String>>;

/// Most things of one rule that are told apart: when more have it, it is one thing that they have in common. Nodes are
/// all counted, for many of them at once are another matter than some.
const MOST: usize = 5000;
const MOST_NODES: usize = 250_000;

/// What is asked for what has it: their names, and what the reason names.
pub(super) fn question(rule: &Rule) -> String {
    let mut keys = identity(&rule.view).to_owned();
    if let Some(group) = group(rule) {
        keys.extend([",", &group]);
    }
    for key in placeholders(&rule.reason).chain(placeholders(&rule.action)) {
        keys.extend([",", key]);
    }
    let most = if rule.view == "nodes" { MOST_NODES } else { MOST };
    format!("{} where {} show {keys} limit {most}", rule.view, rule.when)
}

/// What makes the peers among whom a rule's finding is to be rare.
pub(super) fn group(rule: &Rule) -> Option<String> {
    rule.rare?;
    by(&query::parse_condition(&rule.when).ok()?)
}

/// Where among the columns of a rule's question that stands.
pub(super) fn group_at(view: &str) -> usize {
    identity(view).split(',').count()
}

fn by(expr: &Expr) -> Option<String> {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().find_map(by),
        Expr::Not(inner) => by(inner),
        Expr::Compare(left, _, right) => by_of(left).or_else(|| by_of(right)),
        _ => None,
    }
}

fn by_of(operand: &Operand) -> Option<String> {
    match operand {
        Operand::Peers(_, _, by) => Some(by.iter().map(Word::to_string).collect::<Vec<_>>().join(",")),
        Operand::Arithmetic(left, _, right) => by_of(left).or_else(|| by_of(right)),
        _ => None,
    }
}

/// What is asked to know how many peers there are in each group.
pub(super) fn sizes(view: &str, group: &str) -> String {
    format!("{view} by {group} show {group},count")
}

/// What is asked to know which of some things have it no longer, and which of them are still there.
pub(super) fn over(rule: &Rule, which: &str) -> [String; 2] {
    let clear = if rule.clear.is_empty() { format!("not ({})", rule.when) } else { format!("({})", rule.clear) };
    let (view, keys) = (&rule.view, identity(&rule.view));
    let and = if which.is_empty() { String::new() } else { format!("{which} and ") };
    let there = if which.is_empty() { String::new() } else { format!(" where {which}") };
    [format!("{view} where {and}{clear} show {keys}"), format!("{view}{there} show {keys}")]
}

/// Whether a rule needs more than a short look at one machine: time, what was before, or others to compare with.
pub fn takes_more(rule: &Rule) -> bool {
    rule.hold >= SHORT || compares(rule) || counts(rule) || OF_MANY.contains(&&*rule.id)
}

/// Rules that ask no question, and find something only among several GPUs, or again and again.
const OF_MANY: [&str; 2] = [programs::APPS, lemon::LEMON];
/// What an agent counts from its own start on, beside all that ends so: `oom.hour`.
const FROM_ITS_START: [&str; 4] = ["blocked", "zombies", "reboots", "nic.outage"];
const SPANS: [&str; 2] = [".minute", ".hour"];

/// Whether a rule is about what has happened for as long as an agent has looked, which has just begun.
fn counts(rule: &Rule) -> bool {
    let mut keys = rule.when.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_');
    keys.any(|key| {
        let own = key.strip_prefix("node.").unwrap_or(key);
        FROM_ITS_START.contains(&own) || SPANS.iter().any(|span| key.ends_with(span))
    })
}

/// Whether a rule compares things with each other.
pub(super) fn compares(rule: &Rule) -> bool {
    ["majority(", "median(", "mad(", "apart("].iter().any(|it| rule.when.contains(it))
}

/// What of a question's condition takes no comparing, asked of one thing: without such a one the rest need not be asked.
pub(super) fn gate(question: &Query) -> Option<Query> {
    let Some(Expr::And(parts)) = &question.filter else { return None };
    let is_dear =
        |expr: &Expr| matches!(expr, Expr::Compare(left, _, right) if is_of_peers(left) || is_of_peers(right));
    let cheap: Vec<Expr> = parts.iter().filter(|part| !is_dear(part)).cloned().collect();
    let is_worth = !cheap.is_empty() && cheap.len() < parts.len();
    let show = Show::Default;
    is_worth.then(|| Query { filter: Some(Expr::And(cheap)), show, limit: Some(1), ..question.clone() })
}

fn is_of_peers(operand: &Operand) -> bool {
    match operand {
        Operand::Peers(..) => true,
        Operand::Arithmetic(left, _, right) => is_of_peers(left) || is_of_peers(right),
        _ => false,
    }
}

/// Holds shorter than that are ignored where there is no time to wait.
pub(super) const SHORT: Duration = Duration::from_mins(5);

/// The keys that tell what a row of the view is.
fn identity(view: &str) -> &'static str {
    match view {
        "gpus" => "node,index,bus",
        "nics" => "node,nic.name",
        "mounts" => "node,mount.path",
        "processes" => "node,proc.pid",
        "jobs" => "job",
        _ => "node",
    }
}

/// What stands in braces in a text.
pub(super) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_no_comparing_is_asked_first() {
        let check = |text: &str, expected: Option<&str>| {
            let gate = gate(&query::parse(text).expect(text));
            assert_eq!(gate.map(|gate| gate.filter.expect("a condition").to_string()).as_deref(), expected, "{text}");
        };
        check("gpus where util > 50 and clock.sm < 0.9 * median(clock.sm by job)", Some("util > 50"));
        check("gpus where clock.sm < 0.9 * median(clock.sm by job)", None);
        check("gpus where util > 50 and temp > 50", None);
        check("nics where state != active and majority(state by name) = active", Some("state != active"));
    }

    #[test]
    fn what_one_look_at_one_machine_cannot_find_is_known() {
        let rules = crate::health::Rules::default().rules;
        let ids: Vec<&str> = rules.iter().filter(|rule| takes_more(rule)).map(|rule| &*rule.id).collect();
        let expected = "gpu.xid.apps node.lemon host.ecc.corrected host.oom host.blocked host.zombies host.reboot \
                        host.driver host.clock host.clock.far host.cpu_throttle host.mount.readonly ib.port.lost \
                        ib.flap ib.outage ib.errors ib.recovery ib.rate gpu.ecc.sbe gpu.ecc.mode gpu.mem.size gpu.mig gpu.gsp gpu.vbios \
                        gpu.power.limit gpu.straggler.far gpu.straggler gpu.straggler.node gpu.pcie.nonfatal \
                        gpu.pcie.replay nvlink.down nvlink.speed nvlink.replay.many nvlink.replay nvlink.errors nvlink.errors.many job.hang.long \
                        job.hang.idle job.unused job.idle";
        assert_eq!(ids.join(" "), expected);
    }

    #[test]
    fn what_a_look_at_one_machine_finds_is_asked() {
        let check = |when: &str, expected: bool| {
            let rule = Rule { when: when.into(), ..Rule::default() };
            assert_eq!(takes_more(&rule), expected, "{when}");
        };
        check("temp > 70", false);
        check("use = zombie", false);
        check("nic.link.downed > 0", false);
        check("node.oom.hour > 0", true);
        check("node.blocked > 0 and temp > 70", true);
    }
}
