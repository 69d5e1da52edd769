//! A table on screen: header, rows, their marks and health, and the columns that fit.
//! Numbers end below each other and are never cut: a column that has no room for its widest number is not there.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use ratatui::style::Style;

use super::{
    Pen,
    bar::spark,
    cell::{self, Reading},
    cut_end,
    fit::{Wish, fit},
    graph, width,
};
use crate::{
    model::{
        Unit,
        metric::Direction,
        series::Series,
        table::{Cell, Column, Row, Table},
    },
    tui::{
        ask::Sort,
        list::List,
        mark,
        theme::Role,
        verdict::{Health, reads, verdict},
        views::{HIDDEN, WHY},
    },
};

/// Where a column's cells come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The answer's column at this position.
    Answer(usize),
    /// The verdict on the row.
    Why,
    /// The series' line of this row, of the answer's column at this position.
    Spark(usize),
}

#[derive(Clone, Debug, PartialEq)]
struct Shown {
    key: String,
    title: String,
    rank: u8,
    numeric: bool,
    /// Whether one looks for its largest numbers first.
    descends: bool,
    /// The widest that was to be shown in it so far: columns grow and never shrink, so that nothing jumps.
    content: u16,
    source: Source,
}

/// The columns of a table on screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    shown: Vec<Shown>,
    /// What is known of columns that the newest answer does not have.
    others: Vec<Shown>,
    /// Cells of some columns, as a person wants them.
    pub(crate) widths: BTreeMap<String, u16>,
}

/// Cells that a column is taken to need until one has seen it: most need more, and what is left over then brings in more.
const LEAST: u16 = 5;

/// The key before which [`Sheet`] sets a spark of the same metric.
pub(crate) const SPARK: &str = "spark:";

impl Sheet {
    /// Takes the columns of a new answer in. `wanted` names those to show with their ranks; empty for all that came.
    pub(crate) fn learn(&mut self, table: &Table, wanted: &[(Cow<'static, str>, u8)], reading: &Reading) {
        let shown = if wanted.is_empty() {
            // Of columns that somebody listed, the later ones matter less.
            let ranked = table.columns.iter().enumerate();
            ranked.map(|(at, column)| answer(at, column, at.min(9) as u8)).collect()
        } else {
            wanted.iter().filter(|(_, rank)| *rank != HIDDEN).filter_map(|(key, rank)| one(table, key, *rank)).collect()
        };
        let before = std::mem::replace(&mut self.shown, shown);
        let known: Vec<Shown> = before.into_iter().chain(self.others.drain(..)).collect();
        for column in &mut self.shown {
            let old = known.iter().find(|old| old.key == column.key).map_or(0, |old| old.content);
            column.content = column.content.max(old);
            if column.source == Source::Why {
                let reasons = table.rows.iter().map(|row| width(&verdict(table, row).why));
                column.content = column.content.max(reasons.max().unwrap_or(0));
            }
            if let Source::Answer(at) = column.source
                && let Some(meta) = table.columns.get(at)
            {
                let cells = || table.rows.iter().filter_map(|row| row.cells.get(at));
                // Some numbers come as the words that they stand for.
                column.numeric &= !cells().any(|cell| matches!(cell, Cell::Text(_)));
                column.descends &= column.numeric;
                let widest = cells().map(|cell| cell::cells(meta, cell, reading)).max().unwrap_or(0);
                column.content = column.content.max(widest);
            }
        }
        self.others = known.into_iter().filter(|old| !self.shown.iter().any(|new| new.key == old.key)).collect();
    }

    /// Those of the `wanted` columns that give way within `width` cells and that no verdict reads: asking for them is a
    /// waste.
    pub(crate) fn no_room<'a>(
        &self,
        wanted: &'a [(Cow<'static, str>, u8)],
        width: u16,
        sorted: Option<&Sort>,
        no_gpus: bool,
    ) -> Vec<&'a str> {
        let can_show = |key: &str, rank: u8| rank != HIDDEN && !(no_gpus && is_about_gpus(key));
        let wanted: Vec<_> = wanted.iter().filter(|(key, rank)| can_show(key, *rank)).collect();
        let wish = |(key, rank): &&(Cow<'_, str>, u8)| {
            let known = self.shown.iter().chain(&self.others).find(|column| column.key == *key);
            let is_sorted = sorted.is_some_and(|sort| names(&sort.key, key));
            let unknown = Wish { width: LEAST, rank: if is_sorted { 0 } else { *rank }, most: LEAST };
            known.map_or(unknown, |column| self.wish(column, sorted))
        };
        let places = fit(&wanted.iter().map(wish).collect::<Vec<_>>(), width.saturating_sub(MARGIN));
        let left_out = wanted.into_iter().zip(places).filter(|(_, place)| place.is_none());
        let left_out = left_out.filter(|((key, rank), _)| *rank > 0 && !reads(key));
        left_out.map(|((key, _), _)| &**key).collect()
    }

    /// What a column wants, or what a person wants of it: of numbers never less than they take.
    fn wish(&self, column: &Shown, sorted: Option<&Sort>) -> Wish {
        let wish = column.wish(sorted);
        let Some(&cells) = self.widths.get(&column.key) else { return wish };
        let cells = if column.numeric { cells.max(wish.width) } else { cells };
        Wish { width: cells, most: cells, ..wish }
    }

    /// Where the columns stand within `width` cells.
    fn places(&self, width: u16, sorted: Option<&Sort>) -> Vec<Option<Range<u16>>> {
        let wishes: Vec<Wish> = self.shown.iter().map(|column| self.wish(column, sorted)).collect();
        let mut places = fit(&wishes, width.saturating_sub(MARGIN));
        for place in places.iter_mut().flatten() {
            *place = place.start + MARGIN..place.end + MARGIN;
        }
        places
    }

    /// The letters by which `s` sorts: of each column that is on screen, its key and the letter's place in its title.
    pub(crate) fn letters(&self, width: u16, sorted: Option<&Sort>) -> Vec<(String, usize, char)> {
        let mut taken = Vec::new();
        let on_screen = self.shown.iter().zip(self.places(width, sorted)).filter(|(_, place)| place.is_some());
        for (column, _) in on_screen.filter(|(column, _)| column.sorts()) {
            let mut letters = column.title.chars().map(|c| c.to_ascii_lowercase()).enumerate();
            let free = letters.find(|(_, c)| c.is_ascii_alphanumeric() && !taken.iter().any(|(_, _, t)| t == c));
            taken.extend(free.map(|(at, c)| (column.key.clone(), at, c)));
        }
        taken
    }

    /// Keys of the columns on screen that can be sorted by, from left to right.
    pub(crate) fn sortable(&self, width: u16, sorted: Option<&Sort>) -> Vec<String> {
        let placed = self.shown.iter().zip(self.places(width, sorted));
        placed
            .filter(|(column, place)| place.is_some() && column.sorts())
            .map(|(column, _)| column.key.clone())
            .collect()
    }

    /// The key of the column at this cell of the header, if one can sort by it.
    pub(crate) fn column_at(&self, x: u16, width: u16, sorted: Option<&Sort>) -> Option<String> {
        let mut placed = self.shown.iter().zip(self.places(width, sorted));
        let there = placed.find(|(_, place)| place.as_ref().is_some_and(|place| place.contains(&x)));
        there.filter(|(column, _)| column.sorts()).map(|(column, _)| column.key.clone())
    }

    /// Whether a first sort by the column is from the largest down.
    pub(crate) fn descends(&self, key: &str) -> bool {
        self.shown.iter().any(|column| column.key == key && column.descends)
    }
}

/// Cells at the left for marks.
const MARGIN: u16 = 3;

impl Shown {
    fn sorts(&self) -> bool {
        matches!(self.source, Source::Answer(_)) && !self.key.starts_with("each(")
    }

    fn is_sorted(&self, sorted: Option<&Sort>) -> bool {
        sorted.is_some_and(|sort| names(&sort.key, &self.key)) && self.sorts()
    }

    fn wish(&self, sorted: Option<&Sort>) -> Wish {
        let is_sorted = self.is_sorted(sorted);
        let whole = self.content.max(width(&self.title) + u16::from(is_sorted));
        // An order whose numbers are not there is a riddle.
        let rank = if is_sorted { 0 } else { self.rank };
        match self.source {
            Source::Why => Wish { width: self.content.clamp(12, 28), rank, most: 160 },
            Source::Spark(_) => Wish { width: 8, rank, most: 24 },
            Source::Answer(_) if self.numeric => Wish { width: whole, rank, most: whole },
            Source::Answer(_) => Wish { width: whole.min(18), rank, most: whole.min(160) },
        }
    }
}

/// Whether `key`, short or full, names the column `full`.
pub(crate) fn names(key: &str, full: &str) -> bool {
    full == key || full.split_once('.').is_some_and(|(_, short)| short == key)
}

fn answer(at: usize, column: &Column, rank: u8) -> Shown {
    Shown {
        key: column.key.clone(),
        // A list of what each GPU does beside its own mean must not be called the same.
        title: if column.key.starts_with("each(gpu.util)") { "GPUS".into() } else { column.title.clone() },
        rank,
        numeric: cell::is_numeric(column),
        descends: cell::is_numeric(column) && column.direction != Direction::LowIsBad,
        content: 0,
        source: Source::Answer(at),
    }
}

fn one(table: &Table, key: &str, rank: u8) -> Option<Shown> {
    if key == WHY {
        let (key, title) = (WHY.into(), "WHY".into());
        return Some(Shown { key, title, rank, numeric: false, descends: false, content: 0, source: Source::Why });
    }
    if let Some(metric) = key.strip_prefix(SPARK) {
        let at = table.column(metric)?;
        let (key, title) = (key.into(), String::new());
        return Some(Shown {
            key,
            title,
            rank,
            numeric: false,
            descends: false,
            content: 0,
            source: Source::Spark(at),
        });
    }
    let at = table.column(key)?;
    let idle = is_about_gpus(key) && table.census.gpus == 0 && table.census.nodes() > 0;
    // And what a scheduler says, where none is asked and nobody else says it.
    let of_scheduler = ["sched", "job.name", "job.unused", "job.limit", "job.partition", "job.account", "job.reason"];
    let says_nothing = || table.rows.iter().all(|row| matches!(row.cells.get(at), None | Some(Cell::Gap(_))));
    let is_of_scheduler = of_scheduler.iter().any(|start| key.starts_with(start));
    let idle = idle || (table.census.scheduler.is_none() && is_of_scheduler && says_nothing());
    (!idle).then(|| answer(at, &table.columns[at], rank))
}

/// Half of the columns are about GPUs and those who share them; where nobody has one, they only hide the rest.
fn is_about_gpus(key: &str) -> bool {
    let starts = ["gpu.", "each(gpu.", "proc.gpu", "proc.sm", "proc.mem.gpu", "proc.job"];
    starts.iter().any(|start| key.starts_with(start))
}

/// What drawing a table takes besides its rows.
pub(crate) struct Manner<'a> {
    /// Times and zones.
    pub(crate) reading: &'a Reading,
    /// How the rows are sorted.
    pub(crate) sorted: Option<&'a Sort>,
    /// Whether the next key picks a column to sort by.
    pub(crate) letters: bool,
    /// Names of marked rows.
    pub(crate) marks: &'a BTreeSet<String>,
    /// Lines for spark columns.
    pub(crate) series: Option<&'a Series>,
    /// Whether the cursor is in this table.
    pub(crate) focused: bool,
}

/// Draws header and rows over the whole of `pen`.
pub(crate) fn draw(pen: &mut Pen<'_>, sheet: &Sheet, list: &List, how: &Manner<'_>) {
    let Some(table) = list.table() else { return };
    let places = sheet.places(pen.width(), how.sorted);
    header(pen, sheet, &places, how);
    let (_, rows) = list.visible();
    for (y, (row, here)) in rows.enumerate() {
        let y = y as u16 + 1;
        draw_row(pen, y, (sheet, &places), (table, row, here), how);
        if here && how.focused {
            pen.wash(0, y, pen.width(), 1, Role::TableRowSelected);
        }
    }
}

fn header(pen: &mut Pen<'_>, sheet: &Sheet, places: &[Option<Range<u16>>], how: &Manner<'_>) {
    let letters = if how.letters { sheet.letters(pen.width(), how.sorted) } else { Vec::new() };
    for (column, place) in sheet.shown.iter().zip(places) {
        let Some(place) = place else { continue };
        let sorted = column.is_sorted(how.sorted);
        let role = if sorted { Role::TableHeaderSorted } else { Role::TableHeader };
        let arrow = match how.sorted {
            Some(sort) if sorted => {
                if sort.descending {
                    "▾"
                } else {
                    "▴"
                }
            }
            _ => "",
        };
        let title = cut_end(&format!("{}{arrow}", column.title), place.len() as u16);
        let x = if column.numeric { place.end - width(&title) } else { place.start };
        pen.text(x, 0, &title, role);
        if let Some((_, at, letter)) = letters.iter().find(|(key, _, _)| *key == column.key) {
            let before: String = column.title.chars().take(*at).collect();
            let shown = column.title.chars().nth(*at).unwrap_or(*letter).to_string();
            pen.text(x + width(&before), 0, &shown, Role::TableHeaderLetter);
        }
    }
}

fn draw_row(
    pen: &mut Pen<'_>,
    y: u16,
    (sheet, places): (&Sheet, &[Option<Range<u16>>]),
    (table, row, here): (&Table, &Row, bool),
    how: &Manner<'_>,
) {
    let verdict = verdict(table, row);
    let silent = matches!(verdict.health, Health::Stale | Health::Down | Health::Missing);
    // Under the cursor even a silent node's row is to be read.
    let quiet = silent && !(here && how.focused);
    let plain = pen.style(if quiet { Role::TableRowStale } else { Role::TableRow });
    let marked = how.marks.contains(mark::name(table, row));
    if marked {
        pen.text(0, y, "*", Role::TableRowMarked);
    }
    if verdict.health != Health::Fine {
        pen.text(1, y, verdict.health.mark(), verdict.health.role());
    }
    for (column, place) in sheet.shown.iter().zip(places) {
        let Some(place) = place else { continue };
        let mut part = pen.part(place.start, y, place.len() as u16, 1);
        match column.source {
            Source::Why => {
                part.styled(0, 0, &cut_end(&verdict.why, place.len() as u16), plain);
            }
            Source::Spark(at) => draw_spark(&mut part, &table.columns[at], row, how),
            Source::Answer(at) => {
                if let (Some(meta), Some(cell)) = (table.columns.get(at), row.cells.get(at)) {
                    let name = matches!(meta.key.as_str(), "node" | "index");
                    let plain = if marked && name { part.style(Role::TableRowMarked) } else { plain };
                    cell::draw(&mut part, meta, cell, how.reading, plain);
                }
            }
        }
    }
}

fn draw_spark(pen: &mut Pen<'_>, column: &Column, row: &Row, how: &Manner<'_>) {
    let line = how.series.and_then(|series| series.line(&row.id, &column.key));
    let values = line.map_or(&[][..], |line| line.values.as_slice());
    let range = graph::range(column.unit.unwrap_or(Unit::One), &[values]);
    let style: Style = pen.style(Role::Spark);
    let cells = pen.width();
    if !values.is_empty() {
        spark(pen, (0, 0, cells), values, range, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_room_are_not_asked_for() {
        let wanted =
            [("node", 0), ("each(gpu.util)", 0), ("gpu.util", 1), ("node.cpu", 2), ("why", 3), ("fault", HIDDEN)];
        let wanted = wanted.map(|(key, rank)| (Cow::Borrowed(key), rank));
        let by_cpu = Sort { key: "cpu".into(), descending: true };
        let check = |width, sorted, no_gpus, expected: &[&str]| {
            assert_eq!(Sheet::default().no_room(&wanted, width, sorted, no_gpus), expected, "{width}");
        };
        check(80, None, false, &[]);
        check(26, None, false, &["why"]);
        check(25, None, false, &["node.cpu", "why"]);
        check(20, Some(&by_cpu), false, &["gpu.util", "why"]);
        check(20, None, true, &[]);
        check(3, None, false, &["gpu.util", "node.cpu", "why"]);
        let judged = [("node", 0), ("gpu.temp", 9)].map(|(key, rank)| (Cow::Borrowed(key), rank));
        assert_eq!(Sheet::default().no_room(&judged, 8, None, false), [""; 0]);
    }

    #[test]
    fn what_gave_way_is_not_asked_for_again_until_there_is_room() {
        let column = |key: &str, title: &str| Column {
            key: key.into(),
            title: title.into(),
            width: 4,
            unit: None,
            kind: None,
            direction: Direction::Neutral,
        };
        let columns = vec![column("node", "NODE"), column("model", "MODEL"), column("node.cpu", "CPU")];
        let whole = Table { columns: columns.clone(), ..Table::default() };
        let part = Table { columns: vec![columns[0].clone(), columns[2].clone()], ..Table::default() };
        let wanted = [("node", 0), ("model", 2), ("node.cpu", 1)].map(|(key, rank)| (Cow::Borrowed(key), rank));
        let reading = Reading { now: crate::model::Time::from_millis(0), zone: jiff::tz::TimeZone::UTC };
        let mut sheet = Sheet::default();
        assert_eq!(sheet.no_room(&wanted, 20, None, false), [""; 0]);
        sheet.learn(&whole, &wanted, &reading);
        assert_eq!(sheet.no_room(&wanted, 16, None, false), ["model"]);
        sheet.learn(&part, &wanted, &reading);
        assert_eq!(sheet.no_room(&wanted, 16, None, false), ["model"], "its width is still known");
        assert_eq!(sheet.no_room(&wanted, 17, None, false), [""; 0]);
    }

    #[test]
    fn short_keys_name_columns() {
        let check = |key, full, expected| assert_eq!(names(key, full), expected, "{key} {full}");
        check("power", "gpu.power", true);
        check("gpu.power", "gpu.power", true);
        check("power", "gpu.power.limit", false);
        check("er", "gpu.power", false);
        check("util", "gpu.mem.util", false);
    }
}
