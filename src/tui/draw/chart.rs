//! A titled graph: what it is, what it stands at now and between what it moved, and the curve below.
//! Where there is but one line of room, the curve becomes a spark beside the number.

use super::{
    Pen,
    bar::spark,
    graph::{self, Graph},
    width,
};
use crate::{
    model::{Unit, series::Line},
    tui::theme::Role,
};

/// A curve, or two that belong together.
pub(crate) struct Chart<'a> {
    /// What it is of.
    pub(crate) title: &'a str,
    /// The curves, each with a sign before its number where there are two.
    pub(crate) lines: Vec<(&'a str, Option<&'a Line>)>,
    /// What the lower line of a share is out of: `of 8 GiB`.
    pub(crate) note: String,
    /// The top of the scale, where one is known: a limit.
    pub(crate) limit: Option<f64>,
    /// The span of time, in words.
    pub(crate) span: &'a str,
}

/// Columns of a number beside a spark, and of a spark at most.
const NUMBER: u16 = 6;
const SPARK: u16 = 40;

impl Chart<'_> {
    /// Draws it over the whole of `pen`.
    pub(crate) fn draw(&self, pen: &mut Pen<'_>) {
        let (wide, high) = (pen.width(), pen.height());
        if high == 0 {
            return;
        }
        if high == 1 {
            return self.one_line(pen);
        }
        self.head(pen);
        // Two curves share the height; where that leaves one line each, they still do.
        let count = self.lines.len().max(1) as u16;
        let each = (high - 1) / count;
        for (at, (_, line)) in self.lines.iter().enumerate() {
            let Some(line) = line else { continue };
            let at = at as u16;
            // What does not divide goes to the first.
            let extra = if at == 0 { (high - 1) % count } else { 0 };
            let y = if at == 0 { 1 } else { 1 + at * each + (high - 1) % count };
            let mut part = pen.part(0, y, wide, each + extra);
            self.graph(line).draw(&mut part);
        }
    }

    /// The graph of one of its curves.
    pub(crate) fn graph<'l>(&self, line: &'l Line) -> Graph<'l> {
        let unit = line.column.unit.unwrap_or(Unit::One);
        let curves: Vec<&[Option<f64>]> =
            self.lines.iter().filter_map(|(_, l)| l.map(|l| l.values.as_slice())).collect();
        let (low, high) = graph::range(unit, &curves);
        Graph { values: &line.values, unit, range: (low, self.limit.unwrap_or(high).max(low)), edge: Role::Graph }
    }

    /// Title and numbers.
    fn head(&self, pen: &mut Pen<'_>) {
        let wide = pen.width();
        let mut x = pen.text(0, 0, self.title, Role::PanelTitle) + 1;
        for (sign, line) in &self.lines {
            let Some(line) = line else { continue };
            let unit = line.column.unit.unwrap_or(Unit::One);
            let now = line.values.iter().rev().flatten().next();
            let text = now.map_or_else(|| "–".to_owned(), |now| unit.text(*now));
            if x + width(sign) + width(&text) > wide {
                return;
            }
            x = pen.text(x, 0, sign, Role::Dim);
            x = pen.text(x, 0, &text, Role::Strong) + 2;
        }
        let mut notes = vec![self.note.clone()];
        if let [(_, Some(line))] = self.lines.as_slice() {
            notes.push(spread(line));
        }
        for note in notes.iter().filter(|note| !note.is_empty()) {
            if x + width(note) <= wide {
                x = pen.text(x, 0, note, Role::Dim) + 2;
            }
        }
        if x + width(self.span) < wide {
            pen.right(wide, 0, self.span, Role::GraphAxis);
        }
    }

    /// Where a chart of one line of this width draws its first curve, and over how many cells.
    pub(crate) fn spark(&self, wide: u16) -> (u16, u16) {
        let (title, each) = self.shares(wide);
        let (column, cells) = beside(self.lines.first().map_or("", |(sign, _)| sign), each);
        (title + 1 + column + 1, cells)
    }

    /// What the title of a chart of one line takes, and each of its curves with its number.
    fn shares(&self, wide: u16) -> (u16, u16) {
        let title = width(self.title).max(5);
        (title, wide.saturating_sub(title + 1) / self.lines.len().max(1) as u16)
    }

    fn one_line(&self, pen: &mut Pen<'_>) {
        let (title, each) = self.shares(pen.width());
        pen.text(0, 0, self.title, Role::PanelTitle);
        for (at, (sign, line)) in self.lines.iter().enumerate() {
            let Some(line) = line else { continue };
            let mut part = pen.part(title + 1 + at as u16 * each, 0, each, 1);
            let unit = line.column.unit.unwrap_or(Unit::One);
            let now = line.values.iter().rev().flatten().next();
            let number = now.map_or_else(|| "–".to_owned(), |now| unit.cell(*now));
            let text = format!("{sign}{number}");
            // The number ends where the next one's does, so that it does not jump about.
            let (column, room) = beside(sign, each);
            part.right(column.min(each), 0, &text, Role::Strong);
            let graph = self.graph(line);
            let style = part.style(Role::Spark);
            spark(&mut part, (column + 1, 0, room), &line.values, graph.range, style);
        }
    }
}

/// Columns of a number with its sign, and cells of the spark beside it, where both have so much room.
fn beside(sign: &str, each: u16) -> (u16, u16) {
    let column = width(sign) + NUMBER;
    (column, each.saturating_sub(column + 2).min(SPARK))
}

/// Between what the line moved.
fn spread(line: &Line) -> String {
    let unit = line.column.unit.unwrap_or(Unit::One);
    let known = || line.values.iter().flatten().copied();
    match (known().reduce(f64::min), known().reduce(f64::max)) {
        (Some(low), Some(high)) if low < high => format!("{}–{}", unit.cell(low), unit.cell(high)),
        _ => String::new(),
    }
}
