//! The bench: what to tell the scheduler of the nodes that it holds back for nothing, or should hold back.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::{
    model::{
        command::{is_plain, plain},
        hostlist::Hostlist,
        table::{Cell, Table},
    },
    tui::{
        orders::{Commands, Order, Orders, SLURM},
        verdict::{Verdict, verdict},
        views::{HIDDEN, WHY},
    },
};

/// Its columns and their ranks; by those that are hidden we judge.
pub(super) const COLUMNS: [(&str, u8); 23] = [
    ("node", 0),
    ("bench", 0),
    ("sched", 1),
    ("sched.reason", 1),
    ("sched.by", 4),
    ("sched.since", 3),
    ("node.well", 2),
    ("node.held.hours", 2),
    ("state", 4),
    ("job", 2),
    ("job.user", 5),
    (WHY, 0),
    ("sched.node", HIDDEN),
    ("node.age", HIDDEN),
    ("node.gpus", HIDDEN),
    ("node.gpus.expected", HIDDEN),
    ("gpu.xid", HIDDEN),
    ("gpu.xid.age", HIDDEN),
    ("gpu.ecc.dbe", HIDDEN),
    ("gpu.remap.failed", HIDDEN),
    ("gpu.remap.pending", HIDDEN),
    ("gpu.temp", HIDDEN),
    ("gpu.throttle", HIDDEN),
];

/// The same as a `show` clause has them.
pub(crate) fn show() -> String {
    COLUMNS.map(|(key, _)| key).into_iter().filter(|key| *key != WHY).collect::<Vec<_>>().join(",")
}

/// The question for those of these rows that are on the bench: more may be marked than are on screen. Nothing where none
/// can be a node.
pub(super) fn ask(marks: &BTreeSet<String>) -> Option<String> {
    let nodes = marks.iter().filter(|name| is_plain(name) && !name.contains(':')).map(String::as_str);
    let nodes = Hostlist::fold(nodes).to_string();
    (!nodes.is_empty()).then(|| format!("nodes where bench != none and node in {nodes} show {} limit {MARKED}", show()))
}

/// How many rows may be marked and copied.
pub(crate) const MARKED: usize = 10_000;

/// The commands for nodes with these names: to give back those that are well, and to take those that are not. Nothing
/// where there is nothing to be done, or where the tables do not have them; and why, where there is no command for it.
pub(super) fn commands(tables: &[&Table], names: &[&str], commands: &Commands) -> Option<Result<String, String>> {
    let mut names: HashSet<&str> = names.iter().copied().collect();
    let mut well: Vec<&str> = Vec::new();
    let mut ill: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for table in tables {
        let (Some(node), Some(bench)) = (table.column("sched.node"), table.column("bench")) else { continue };
        // Each as the first table has it.
        for row in table.rows.iter().filter(|row| names.remove(&*row.id)) {
            let text = |at: usize| row.cells.get(at).and_then(Cell::text).unwrap_or_default();
            let node = text(node);
            match text(bench) {
                _ if !is_plain(node) => {}
                "healthy" => well.push(node),
                "sick" | "exposed" => ill.entry(reason(&verdict(table, row))).or_default().push(node),
                _ => {}
            }
        }
    }
    if well.is_empty() && ill.is_empty() {
        return None;
    }
    // Who is on a bench has a scheduler, which is Slurm or plays it.
    let lines = |order, nodes: &[&str], reason: &str| match nodes {
        [] => Ok(Vec::new()),
        nodes => Orders::of(order, Some(SLURM), commands).map(|orders| orders.lines(nodes, reason)),
    };
    let back = lines(Order::Resume, &well, "");
    let away = ill.iter().map(|(reason, nodes)| lines(Order::Drain, nodes, reason));
    let all: Result<Vec<Vec<String>>, String> = std::iter::once(back).chain(away).collect();
    Some(all.map(|lines| lines.concat().join("\n")))
}

/// Why, in letters that mean nothing to a shell.
pub(crate) fn reason(verdict: &Verdict) -> String {
    // What is written down is read later: how long ago something was then means nothing.
    let undated = |part: &str| match part.strip_suffix(" ago").and_then(|part| part.rsplit_once(' ')) {
        Some((what, _)) => what.to_owned(),
        None => part.to_owned(),
    };
    let why = verdict.why.split(" · ").map(undated).collect::<Vec<_>>().join(", ");
    plain(&format!("supertop: {}", if why.is_empty() { "unhealthy" } else { &why }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            State,
            metric::Direction,
            raw::Gap,
            table::{Column, Row},
        },
        tui::verdict::Health,
    };

    #[test]
    fn what_is_copied_gives_back_and_takes_away() {
        let column = |key: &str| Column {
            key: key.into(),
            title: key.into(),
            width: 8,
            unit: None,
            kind: None,
            direction: Direction::Neutral,
        };
        let row = |node: &str, bench: &str, xid: Option<f64>| Row {
            id: node.into(),
            state: State::Up,
            cells: vec![
                Cell::Text(node.into()),
                Cell::Text(bench.into()),
                xid.map_or(Cell::Gap(Gap::Absent), Cell::Number),
            ],
        };
        let rows = vec![
            row("gpu001", "healthy", None),
            row("gpu002", "healthy", None),
            row("gpu003", "sick", Some(79.0)),
            row("gpu004", "broken", Some(79.0)),
            row("gpu005$(reboot)", "healthy", None),
        ];
        let columns = ["sched.node", "bench", "gpu.xid"].map(column).into();
        let table = Table { columns, rows, ..Table::default() };
        let all: Vec<&str> = table.rows.iter().map(|row| &*row.id).collect();
        let known = [("drain.slurm", "our-drain {node} \"{reason}\""), ("resume.slurm", "our-resume {node}")];
        let known: Commands = known.map(|(name, line)| (name.to_owned(), vec![line.to_owned()])).into();
        let copied =
            |tables: &[&Table], names: &[&str]| commands(tables, names, &known).map(|it| it.expect("commands"));
        let both = "our-resume 'gpu[001-002]'\nour-drain gpu003 \"supertop: XID 79\"";
        assert_eq!(copied(&[&table], &all).as_deref(), Some(both));
        assert_eq!(copied(&[&table], &["gpu004", "gpu099", "gpu005$(reboot)"]), None, "there is nothing to be done");
        let told = commands(&[&table], &all, &Commands::new()).expect("there is something to be done");
        assert!(told.is_err_and(|words| words.starts_with("no resume command for slurm")));
        let ago = Verdict { health: Health::Crit, why: "7 of 8 GPUs · XID 79 9.0s ago · GPU at 93 °C".into() };
        assert_eq!(reason(&ago), "supertop: 7 of 8 GPUs, XID 79, GPU at 93 °C");
        // What is marked and not on screen comes from elsewhere, and each only once.
        let elsewhere =
            Table { rows: vec![row("gpu001", "sick", Some(79.0)), row("gpu009", "healthy", None)], ..table.clone() };
        let both = copied(&[&table, &elsewhere], &["gpu001", "gpu009"]);
        assert_eq!(both.as_deref(), Some("our-resume 'gpu[001,009]'"));
        let marks = ["gpu001", "gpu002", "gpu7:3", "a b"].map(String::from).into();
        let asked = ask(&marks).expect("a question");
        assert!(asked.starts_with("nodes where bench != none and node in gpu[001-002] show node,bench,"), "{asked}");
        assert_eq!(ask(&["gpu7:3".to_owned()].into()), None);
    }
}
