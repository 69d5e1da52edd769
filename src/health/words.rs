//! Reasons with their numbers filled in, and commands with their names.

use super::{
    rule::{Commands, placeholders},
    track::Finding,
};
use crate::{
    fleet::Fleet,
    model::{
        command::{filled, is_plain},
        hostlist::Hostlist,
        incident::Subject,
        table::{Cell, Column, Row},
    },
};

/// Most lines of commands of one incident: an incident of a rack has one line for all of its nodes where the scheduler
/// takes a list, and one for each where it does not.
const LINES: usize = 64;
/// Bytes of all of them.
const ROOM: usize = 1000;

/// The text with the cells of its placeholders in their places. `cells` are those of the placeholders, in their order.
pub(super) fn fill(text: &str, cells: &[(&Column, &Cell)]) -> String {
    let mut filled = String::new();
    let mut rest = text;
    for ((column, cell), key) in cells.iter().zip(placeholders(text)) {
        let Some((before, after)) = rest.split_once(&format!("{{{key}}}")) else { break };
        filled.push_str(before);
        filled.push_str(&show(column, cell));
        rest = after;
    }
    filled + rest
}

/// A cell in running text, its number with its unit.
fn show(column: &Column, cell: &Cell) -> String {
    use crate::model::metric::Kind;
    match (cell, column.unit, column.kind) {
        (Cell::Number(value), Some(unit), Some(Kind::Gauge | Kind::Counter)) => unit.text(*value),
        _ => cell.show(column),
    }
}

/// The cells of a row from this position on, so many of them.
pub(super) fn cells<'a>(columns: &'a [Column], row: &'a Row, from: usize, count: usize) -> Vec<(&'a Column, &'a Cell)> {
    columns.iter().zip(&row.cells).skip(from).take(count).collect()
}

/// The commands that a finding names, for these nodes and things.
pub(super) fn commands(
    finding: &Finding,
    parts: &[Subject],
    nodes: &[String],
    all: &Commands,
    fleet: &Fleet,
) -> Vec<String> {
    let mut lines = Vec::new();
    for name in &finding.commands {
        let by_scheduler =
            scheduler(fleet, nodes).and_then(|scheduler| Some((scheduler, all.get(&format!("{name}.{scheduler}"))?)));
        let (takes_lists, templates) = match by_scheduler {
            Some((scheduler, templates)) => (scheduler == SLURM, templates),
            None => match all.get(name) {
                Some(templates) => (false, templates),
                None => continue,
            },
        };
        if takes_lists {
            let known: Vec<&str> = nodes.iter().map(|node| called(fleet, node)).filter(|node| is_plain(node)).collect();
            let list = Hostlist::fold(known.iter().copied()).to_string();
            let list = if known.len() > 1 { format!("'{list}'") } else { list };
            lines.extend(
                templates.iter().filter(|_| !known.is_empty()).map(|line| filled(line, &list, "", &finding.reason)),
            );
        } else if templates.iter().any(|line| line.contains("{bus}")) {
            for part in parts {
                if let Subject::Gpu { node, bus, .. } = part
                    && is_plain(node)
                    && is_plain(bus)
                {
                    lines.extend(templates.iter().map(|line| filled(line, node, bus, &finding.reason)));
                }
            }
        } else {
            for node in nodes.iter().filter(|node| is_plain(node)) {
                lines.extend(templates.iter().map(|line| filled(line, node, "", &finding.reason)));
            }
        }
    }
    // An answer's cell takes so much, and half a command is another one.
    let mut room = ROOM;
    let fits = |line: &String| room.checked_sub(line.len() + 2).inspect(|left| room = *left).is_some();
    lines.into_iter().take(LINES).take_while(fits).collect()
}

const SLURM: &str = "slurm";
const KUBERNETES: &str = "kubernetes";

/// Whose nodes they are.
fn scheduler(fleet: &Fleet, nodes: &[String]) -> Option<&'static str> {
    if fleet.scheduler().is_some() {
        return Some(SLURM);
    }
    let mut known = nodes.iter().filter_map(|name| fleet.find(name));
    known.any(|node| !fleet.node(node).containers.is_empty()).then_some(KUBERNETES)
}

/// What the scheduler calls a node.
fn called<'a>(fleet: &'a Fleet, node: &'a str) -> &'a str {
    let standing = fleet.find(node).and_then(|id| fleet.node(id).standing.as_ref());
    standing.map(|standing| &*standing.name).filter(|name| !name.is_empty()).unwrap_or(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        metric::{Direction, Kind},
        raw::Gap,
        unit::Unit,
    };

    #[test]
    fn numbers_stand_in_reasons_with_their_units() {
        let column = |unit, kind| Column {
            key: "k".into(),
            title: "K".into(),
            width: 4,
            unit,
            kind,
            direction: Direction::Neutral,
        };
        let (temp, word) = (column(Some(Unit::Celsius), Some(Kind::Gauge)), column(None, None));
        let (number, text, gap) = (Cell::Number(91.0), Cell::Text("a {b}".into()), Cell::Gap(Gap::Unknown));
        let cells = [(&temp, &number), (&word, &text), (&temp, &gap)];
        assert_eq!(fill("at {temp} on {x} and {temp.mem}!", &cells), "at 91 °C on a {b} and –!");
        assert_eq!(fill("nothing", &[]), "nothing");
    }
}
