//! What is wrong, worst first: silent nodes, lost GPUs, errors, heat, full disks.

use crate::{
    model::{
        hostlist::Hostlist,
        table::{Row, Table},
    },
    tui::{
        action::Action,
        draw::{Pen, cut_end, cut_middle, width},
        theme::Role,
        verdict::{Health, verdict},
        views::{GPU_FAULTS, Target, target},
    },
};

/// Most rows of each kind that are asked for.
const MOST: u64 = 500;

/// The question for nodes with troubles of their own.
pub(super) fn nodes_query(inside: &[String]) -> String {
    format!(
        "nodes where {}(state != up or gpus < gpus.expected or mounts.bad > 0 or disk.used >= 90 or mem.util >= 92) and bench != planned \
         sort -state,node show node,state,node.age,node.gpus,node.gpus.expected,node.mounts.bad,node.disk.used,node.mem.util \
         limit {MOST}",
        only(inside)
    )
}

/// Conditions that come before another one.
fn only(inside: &[String]) -> String {
    inside.iter().map(String::as_str).chain([""]).collect::<Vec<_>>().join(" and ")
}

/// The question for GPUs with troubles.
pub(super) fn gpus_query(inside: &[String]) -> String {
    format!(
        "gpus where {}({GPU_FAULTS}) sort -gpu.xid,node,index show node,index,fault,gpu.xid,gpu.xid.age,gpu.remap.failed,\
         gpu.remap.pending,gpu.ecc.dbe,gpu.ecc.sram,gpu.throttle,gpu.temp limit {MOST}",
        only(inside)
    )
}

/// What is known of one row.
#[derive(Clone, Debug, PartialEq)]
struct Trouble {
    id: String,
    node: String,
    health: Health,
    why: String,
}

/// One line: a trouble, or one that many have.
#[derive(Clone, Debug, PartialEq)]
struct Problem {
    id: String,
    health: Health,
    why: String,
    cure: Cure,
}

/// Where Enter goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cure {
    /// To one thing.
    Thing(Target),
    /// To the nodes of this hostlist.
    Nodes(String),
}

/// The list of problems and the cursor in it.
#[derive(Debug, Default)]
pub(super) struct Problems {
    nodes: Vec<Trouble>,
    gpus: Vec<Trouble>,
    all: Vec<Problem>,
    /// Rows that match, beyond those that are here.
    totals: (u64, u64),
    heard: bool,
    cursor: usize,
    top: usize,
    height: usize,
}

impl Problems {
    /// Takes the nodes' troubles in. Says whether anything changed.
    pub(super) fn heard_nodes(&mut self, table: &Table) -> bool {
        self.totals.0 = table.total;
        self.nodes = read(table);
        self.merge()
    }

    /// Takes the GPUs' troubles in. Says whether anything changed.
    pub(super) fn heard_gpus(&mut self, table: &Table) -> bool {
        self.totals.1 = table.total;
        self.gpus = read(table);
        self.merge()
    }

    fn merge(&mut self) -> bool {
        let first = !std::mem::replace(&mut self.heard, true);
        let chosen = self.all.get(self.cursor).map(|problem| problem.id.clone()).filter(|_| self.cursor > 0);
        let mut all = folded(&self.nodes, "nodes");
        all.extend(folded(&self.gpus, "gpus"));
        // A stable sort: within one health the hub's order stays.
        all.sort_by_key(|problem| std::cmp::Reverse(problem.health));
        if all == self.all && !first {
            return false;
        }
        self.all = all;
        let at = chosen.and_then(|id| self.all.iter().position(|problem| problem.id == id));
        self.go(at.unwrap_or(self.cursor));
        true
    }

    fn go(&mut self, to: usize) {
        self.cursor = to.min(self.all.len().saturating_sub(1));
        let height = self.height.max(1);
        self.top = self.top.min(self.cursor).max((self.cursor + 1).saturating_sub(height));
    }

    /// Sets how many problems have room.
    pub(super) fn set_height(&mut self, lines: u16) {
        self.height = usize::from(lines);
        self.go(self.cursor);
    }

    /// Moves the cursor. Says whether it moved.
    pub(super) fn act(&mut self, action: Action) -> bool {
        let (before, page) = (self.cursor, self.height.max(1));
        match action {
            Action::Up => self.go(before.saturating_sub(1)),
            Action::Down => self.go(before + 1),
            Action::Top => self.go(0),
            Action::Bottom => self.go(usize::MAX),
            Action::PageUp | Action::HalfUp => self.go(before.saturating_sub(page)),
            Action::PageDown | Action::HalfDown => self.go(before.saturating_add(page)),
            _ => {}
        }
        self.cursor != before
    }

    /// Where the problem under the cursor leads.
    pub(super) fn cure(&self) -> Option<&Cure> {
        self.all.get(self.cursor).map(|problem| &problem.cure)
    }

    /// Its name.
    pub(super) fn subject(&self) -> Option<String> {
        self.all.get(self.cursor).map(|problem| problem.id.clone())
    }

    /// Draws title and list.
    pub(super) fn draw(&self, pen: &mut Pen<'_>, focused: bool) {
        let x = pen.rule(0, "PROBLEMS", focused);
        let (nodes, gpus) = self.totals;
        let some = |n: u64, what: &str| (n > 0).then(|| format!("{n} {what}{}", if n == 1 { "" } else { "s" }));
        let counts: Vec<String> = [some(nodes, "node"), some(gpus, "GPU")].into_iter().flatten().collect();
        if !counts.is_empty() {
            let text = format!(" {} ", counts.join(" · "));
            if x + width(&text) + 1 < pen.width() {
                let end = pen.width().saturating_sub(1);
                pen.right(end, 0, &text, Role::Strong);
            }
        }
        if self.all.is_empty() {
            let (words, role) =
                if self.heard { ("● nothing is wrong", Role::Fine) } else { ("asking the hub …", Role::Dim) };
            pen.text(2, 2.min(pen.height().saturating_sub(1)), words, role);
            return;
        }
        let names = self.all.iter().map(|problem| width(&problem.id)).max().unwrap_or(0).min(22);
        for (at, problem) in self.all.iter().enumerate().skip(self.top).take(self.height) {
            let y = (at - self.top) as u16 + 1;
            pen.text(1, y, problem.health.mark(), problem.health.role());
            pen.text(3, y, &cut_middle(&problem.id, names), Role::Strong);
            let room = pen.width().saturating_sub(names + 6);
            pen.text(names + 5, y, &cut_end(&problem.why, room), Role::Table);
            if focused && at == self.cursor {
                pen.wash(0, y, pen.width(), 1, Role::TableRowSelected);
            }
        }
    }
}

fn read(table: &Table) -> Vec<Trouble> {
    let node = |row: &Row| table.column("node").and_then(|at| row.cells.get(at)?.text()).unwrap_or(&row.id).to_owned();
    let trouble = |row: &Row| {
        let found = verdict(table, row);
        // The hub found it faulty by a value that the verdict's own limits let pass.
        let health = found.health.max(Health::Missing);
        Trouble { id: row.id.clone(), node: node(row), health, why: found.why }
    };
    table.rows.iter().map(trouble).collect()
}

/// One line for each reason: what many have in common is one problem, not hundreds.
fn folded(troubles: &[Trouble], view: &str) -> Vec<Problem> {
    let mut groups: Vec<Vec<&Trouble>> = Vec::new();
    for trouble in troubles {
        let alike = |group: &&mut Vec<&Trouble>| group.first().is_some_and(|first| kin(first) == kin(trouble));
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(trouble),
            None => groups.push(vec![trouble]),
        }
    }
    groups.into_iter().flat_map(|group| fold(&group, view)).collect()
}

/// What makes two troubles one: the reason, and for silence that alone.
fn kin(trouble: &Trouble) -> (Health, &str) {
    let silent = matches!(trouble.health, Health::Stale | Health::Down | Health::Missing);
    (trouble.health, if silent { "" } else { &trouble.why })
}

fn fold(group: &[&Trouble], view: &str) -> Vec<Problem> {
    let single = |trouble: &&Trouble| {
        let cure = target(view, &trouble.id, &[]).map(Cure::Thing)?;
        let (id, health, why) = (trouble.id.clone(), trouble.health, trouble.why.clone());
        Some(Problem { id, health, why, cure })
    };
    let mut nodes: Vec<&str> = group.iter().map(|trouble| trouble.node.as_str()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let (Some(first), true) = (group.first(), group.len() > 3) else {
        return group.iter().filter_map(single).collect();
    };
    let list = Hostlist::fold(nodes.iter().copied()).to_string();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let of = if view == "gpus" { format!("{} on ", count(group.len(), "GPU")) } else { String::new() };
    let why = format!("{of}{}: {}", count(nodes.len(), "node"), first.why);
    let cure = if nodes.len() == 1 { Cure::Thing(Target::Node(list.clone())) } else { Cure::Nodes(list.clone()) };
    vec![Problem { id: list, health: first.health, why, cure }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(node: &str, gpu: usize, why: &str) -> Trouble {
        Trouble { id: format!("{node}:{gpu}"), node: node.into(), health: Health::Crit, why: why.into() }
    }

    #[test]
    fn what_many_have_in_common_is_one_problem() {
        let mut troubles = vec![trouble("gpu007", 3, "GPU lost")];
        troubles.extend(
            (0..8).map(|gpu| trouble(if gpu < 4 { "gpu001" } else { "gpu002" }, gpu, "throttled: power brake")),
        );
        let problems = folded(&troubles, "gpus");
        let lines: Vec<String> = problems.iter().map(|problem| format!("{} {}", problem.id, problem.why)).collect();
        assert_eq!(lines, ["gpu007:3 GPU lost", "gpu[001-002] 8 GPUs on 2 nodes: throttled: power brake"]);
        assert_eq!(problems[1].cure, Cure::Nodes("gpu[001-002]".into()));
    }

    #[test]
    fn silence_is_one_problem_however_long_it_lasts() {
        let silent = |n: usize| Trouble {
            id: format!("gpu{n:03}"),
            node: format!("gpu{n:03}"),
            health: Health::Down,
            why: format!("silent for {n}m"),
        };
        let all: Vec<Trouble> = (1..=32).map(silent).collect();
        assert_eq!(folded(&all, "nodes").len(), 1);
        assert_eq!(folded(&all[..3], "nodes").len(), 3, "a few are told one by one");
    }
}
