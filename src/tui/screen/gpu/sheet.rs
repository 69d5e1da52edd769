//! All metrics of a GPU by what they are about, those that it does not have included.

use crate::{
    model::table::{Cell, Column, Table},
    tui::{
        draw::{Pen, cell, width},
        theme::Role,
    },
};

/// Beginnings of keys, by the group that they belong to. What fits none is in the last group.
const GROUPS: [(&str, &[&str]); 8] = [
    ("LOAD", &["gpu.util", "gpu.sm.", "gpu.tensor", "gpu.dram", "gpu.enc", "gpu.dec", "gpu.procs"]),
    ("MEMORY", &["gpu.mem."]),
    ("POWER AND CLOCKS", &["gpu.power", "gpu.energy", "gpu.clock", "gpu.pstate", "gpu.throttle"]),
    ("HEAT", &["gpu.temp", "gpu.fan"]),
    ("PCIE", &["gpu.pcie"]),
    ("NVLINK", &["gpu.nvlink", "gpu.fabric"]),
    ("ERRORS", &["gpu.xid", "gpu.ecc", "gpu.remap", "gpu.retired", "fault"]),
    ("OTHER", &["gpu."]),
];

/// Cells of one metric: its name, a gap, and its value.
const WIDE: u16 = 25;

/// How many lines there are.
pub(super) fn lines(table: Option<&Table>) -> usize {
    table.map_or(0, |table| all(table).len())
}

/// Draws the lines from `skip` on, in as many columns as have room.
pub(super) fn draw(pen: &mut Pen<'_>, table: Option<&Table>, skip: usize, focused: bool) {
    pen.rule(0, "METRICS", focused);
    let lines = table.map(all).unwrap_or_default();
    let high = pen.height().saturating_sub(1).max(1);
    // Half a metric tells nothing: a column that does not fit is left out.
    let columns = pen.width().saturating_sub(1) / (WIDE + 2);
    let room = usize::from(columns * high);
    let skip = skip.min(lines.len().saturating_sub(room));
    for (at, line) in lines.iter().skip(skip).take(room).enumerate() {
        let (x, y) = (1 + at as u16 / high * (WIDE + 2), 1 + at as u16 % high);
        line.draw(&mut pen.part(x, y, WIDE, 1));
    }
    if lines.len() > room {
        let end = pen.width().saturating_sub(1);
        pen.right(end, 0, &format!(" {}–{} of {} ", skip + 1, skip + room, lines.len()), Role::Dim);
    }
}

fn all(table: &Table) -> Vec<Line<'_>> {
    let Some(row) = table.rows.first() else { return Vec::new() };
    let mut groups: Vec<(&str, Vec<(&Column, &Cell)>)> = GROUPS.iter().map(|(name, _)| (*name, Vec::new())).collect();
    for (column, cell) in table.columns.iter().zip(&row.cells) {
        let fits = |keys: &[&str]| keys.iter().any(|key| column.key.starts_with(key));
        let group = GROUPS.iter().position(|(_, keys)| fits(keys));
        if let Some((_, cells)) = group.and_then(|at| groups.get_mut(at)) {
            cells.push((column, cell));
        }
    }
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (name, cells) in groups.into_iter().filter(|(_, cells)| !cells.is_empty()) {
        lines.push(Line::Title(name));
        lines.extend(cells.into_iter().map(|(column, cell)| Line::Metric(column, cell)));
    }
    lines
}

enum Line<'a> {
    Title(&'a str),
    Metric(&'a Column, &'a Cell),
}

impl Line<'_> {
    fn draw(&self, pen: &mut Pen<'_>) {
        match self {
            Line::Title(name) => {
                pen.text(0, 0, name, Role::PanelTitle);
            }
            Line::Metric(column, value) => {
                let name = column.key.strip_prefix("gpu.").unwrap_or(&column.key);
                pen.text(0, 0, name, Role::Dim);
                cell::whole(column, value).draw(pen, WIDE.saturating_sub(width(name) + 1));
            }
        }
    }
}
