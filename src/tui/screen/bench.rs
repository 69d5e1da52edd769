//! The bench: what to tell the scheduler of the nodes that it holds back for nothing, or should hold back.

use crate::{
    model::{
        hostlist::Hostlist,
        table::{Cell, Row, Table},
    },
    tui::{
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
pub(super) fn show() -> String {
    COLUMNS.map(|(key, _)| key).into_iter().filter(|key| *key != WHY).collect::<Vec<_>>().join(",")
}

/// The commands for nodes with these names: to give back those that are well, and to take those that are not. Nothing
/// where there is nothing to be done, or where the table does not have them.
pub(super) fn commands(table: &Table, names: &[&str]) -> Option<String> {
    let (node, bench) = (table.column("sched.node")?, table.column("bench")?);
    let text = |row: &Row, at: usize| row.cells.get(at).and_then(Cell::text).unwrap_or_default().to_owned();
    // Names come from other machines, and what is copied goes to a shell.
    let is_plain = |row: &&Row| text(row, node).chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let rows = table.rows.iter().filter(|row| names.contains(&&*row.id)).filter(is_plain);
    let (mut well, mut ill): (Vec<String>, Vec<(String, String)>) = Default::default();
    for row in rows {
        match &*text(row, bench) {
            "healthy" => well.push(text(row, node)),
            "sick" | "exposed" => ill.push((reason(&verdict(table, row)), text(row, node))),
            _ => {}
        }
    }
    let mut commands = Vec::new();
    if !well.is_empty() {
        commands.push(format!("scontrol update nodename={} state=resume", fold(&well)));
    }
    ill.sort();
    for same in ill.chunk_by(|a, b| a.0 == b.0) {
        let nodes: Vec<String> = same.iter().map(|(_, node)| node.clone()).collect();
        commands.push(format!("scontrol update nodename={} state=drain reason=\"{}\"", fold(&nodes), same[0].0));
    }
    (!commands.is_empty()).then(|| commands.join("\n"))
}

fn fold(nodes: &[String]) -> String {
    Hostlist::fold(nodes.iter().map(String::as_str)).to_string()
}

/// Why, in words that a shell leaves as they are.
fn reason(verdict: &Verdict) -> String {
    let why = verdict.why.replace(" · ", ", ");
    let plain: String = why.chars().filter(|c| !matches!(c, '"' | '$' | '`' | '\\' | '!')).collect();
    if plain.is_empty() { "supertop: unhealthy".into() } else { format!("supertop: {plain}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{State, metric::Direction, raw::Gap, table::Column};

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
        let back = "scontrol update nodename=gpu[001-002] state=resume";
        let away = "scontrol update nodename=gpu003 state=drain reason=\"supertop: XID 79\"";
        assert_eq!(commands(&table, &all), Some(format!("{back}\n{away}")));
        assert_eq!(commands(&table, &["gpu004", "gpu099", "gpu005$(reboot)"]), None, "there is nothing to be done");
    }
}
