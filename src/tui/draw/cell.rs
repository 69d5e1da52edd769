//! How one value of a table looks: its text, its colour, and the small block before a share.
//! The metric's key and unit decide; nothing here knows which table it is in.

use jiff::{Timestamp, tz::TimeZone};
use ratatui::style::Style;

use super::{Pen, bar::block, cut_end, cut_middle, width};
use crate::{
    model::{
        Time, Unit,
        metric::Kind,
        raw::Gap,
        table::{Cell, Column},
    },
    tui::{
        theme::Role,
        verdict::{Health, grade, grade_word},
    },
};

/// What reading a cell takes besides the cell.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Now.
    pub(crate) now: Time,
    /// The zone that times are shown in.
    pub(crate) zone: TimeZone,
}

/// Whether the column's cells are numbers, which end on one line below each other.
pub(crate) fn is_numeric(column: &Column) -> bool {
    (column.unit.is_some() || column.kind.is_some())
        && !matches!(column.kind, Some(Kind::Flags(_) | Kind::Choice(_)))
        && !column.key.starts_with("each(")
}

/// Whether a block stands before the number: before those that one compares down a column.
fn has_block(column: &Column) -> bool {
    matches!(column.key.as_str(), "gpu.util" | "gpu.mem.util" | "node.cpu" | "core.util" | "mount.used")
}

/// The cell's text.
pub(crate) fn text(column: &Column, cell: &Cell, reading: &Reading) -> String {
    match (column.key.as_str(), cell) {
        ("event.time", Cell::Text(text)) => match text.parse::<Timestamp>() {
            Ok(time) => moment(time, reading),
            Err(_) => text.clone(),
        },
        // Known to be none: not the dash of what is unknown.
        (_, Cell::Gap(Gap::Absent)) => "·".into(),
        (_, Cell::Text(text)) if text.is_empty() => "–".into(),
        _ => cell.show(column),
    }
}

/// A time of day, with the date when it is not today's.
fn moment(time: Timestamp, reading: &Reading) -> String {
    let at = time.to_zoned_datetime(reading.zone.clone());
    let today = Timestamp::from_millisecond(reading.now.as_millis())
        .map(|now| now.to_zoned_datetime(reading.zone.clone()).date());
    let format = if today.is_ok_and(|today| today == at.date()) { "%H:%M:%S" } else { "%m-%d %H:%M:%S" };
    at.strftime(format).to_string()
}

/// Cells that the cell's whole text takes.
pub(crate) fn cells(column: &Column, cell: &Cell, reading: &Reading) -> u16 {
    match cell {
        Cell::List(values) => values.len().min(64) as u16,
        _ => width(&text(column, cell, reading)) + u16::from(has_block(column)),
    }
}

/// Draws the cell over the whole first line of `pen`, in `plain` where its value calls for nothing else.
pub(crate) fn draw(pen: &mut Pen<'_>, column: &Column, cell: &Cell, reading: &Reading, plain: Style) {
    let room = pen.width();
    if let Cell::List(values) = cell {
        return blocks(pen, column, values);
    }
    let text = text(column, cell, reading);
    let style = style(pen, column, cell, plain);
    if is_numeric(column) && !matches!(cell, Cell::Text(_)) {
        if has_block(column)
            && let Some(value) = cell.number()
        {
            let lead = room.saturating_sub(width(&text) + 1);
            let role = level(column, value / 100.0);
            pen.text(lead, 0, block(value / 100.0), role);
        }
        pen.right_styled(room, 0, &text, style);
    } else if column.key == "state" {
        let health = grade_word("state", &text);
        pen.styled(0, 0, &cut_end(&text, room), plain.patch(pen.style(health.role())));
    } else if matches!(column.key.as_str(), "node" | "event.subject" | "mount.path" | "nic.name") {
        pen.styled(0, 0, &cut_middle(&text, room), style);
    } else {
        pen.styled(0, 0, &cut_end(&text, room), style);
    }
}

/// Cells of a mark and the blank behind it.
const MARK: u16 = 2;

/// A cell by itself, away from its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Its whole text with its unit; gaps in words.
    text: String,
    /// What its value says.
    health: Health,
    role: Role,
    is_number: bool,
}

/// The cell by itself.
pub(crate) fn whole(column: &Column, cell: &Cell) -> Whole {
    let is_number = matches!(cell, Cell::Number(_));
    let judged = |text, health: Health| {
        let role = if health == Health::Fine { Role::Table } else { health.role() };
        Whole { text, health, role, is_number }
    };
    match cell {
        Cell::Gap(Gap::Failed) => judged("failed".into(), Health::Warn),
        Cell::Gap(gap) => Whole { role: Role::Faint, ..judged(gap.word().into(), Health::Fine) },
        Cell::Number(value) => {
            let text = match column.unit {
                Some(unit) if unit != Unit::One => unit.text(*value),
                _ => cell.show(column),
            };
            judged(text, grade(&column.key, *value))
        }
        Cell::Flags(names) => {
            let worst = names.iter().map(|name| grade_word(&column.key, name)).max().unwrap_or_default();
            judged(cell.show(column), worst)
        }
        _ => judged(cell.show(column), Health::Fine),
    }
}

impl Whole {
    /// The same, at least so bad.
    pub(crate) fn at_least(self, health: Health) -> Whole {
        if self.health >= health { self } else { Whole { health, role: health.role(), ..self } }
    }

    /// Draws it at the right of the first line of `pen`, within `room` cells, its mark before it. A number is whole, though
    /// that leaves no room for the mark.
    pub(crate) fn draw(&self, pen: &mut Pen<'_>, room: u16) {
        let lacks_room = self.is_number && width(&self.text) + MARK > room;
        let mark = if self.health == Health::Fine || lacks_room { 0 } else { MARK };
        let end = pen.width();
        let x = pen.right(end, 0, &cut_end(&self.text, room.saturating_sub(mark)), self.role);
        if let Some(x) = x.checked_sub(mark).filter(|_| mark > 0 && x < end) {
            pen.text(x, 0, self.health.mark(), self.role);
        }
    }
}

/// The style that the value itself calls for.
fn style(pen: &Pen<'_>, column: &Column, cell: &Cell, plain: Style) -> Style {
    let health = match cell {
        Cell::Gap(_) => return plain.patch(pen.style(Role::Faint)),
        Cell::Number(value) => grade(&column.key, *value),
        Cell::Text(text) => grade_word(&column.key, text),
        Cell::Flags(names) => names.iter().map(|name| grade_word(&column.key, name)).max().unwrap_or_default(),
        Cell::List(_) => Health::Fine,
    };
    if health == Health::Fine { plain } else { plain.patch(pen.style(health.role())) }
}

/// The colour of a block: its height says how much, and colour only that there is nothing, or too much.
fn level(column: &Column, share: f64) -> Role {
    match grade(&column.key, share * 100.0) {
        Health::Fine if share < 0.02 => Role::Faint,
        Health::Fine => Role::Bar,
        health => health.role(),
    }
}

/// One block per GPU.
fn blocks(pen: &mut Pen<'_>, column: &Column, values: &[Option<f64>]) {
    let faint = pen.style(Role::Faint);
    let high = if column.unit == Some(Unit::Percent) { 100.0 } else { 1.0_f64.max(peak(values)) };
    for (x, value) in values.iter().enumerate().take(usize::from(pen.width())) {
        match value {
            Some(value) => {
                let share = value / high;
                pen.text(x as u16, 0, block(share), level(column, share));
            }
            None => {
                pen.styled(x as u16, 0, "░", faint);
            }
        }
    }
}

fn peak(values: &[Option<f64>]) -> f64 {
    values.iter().flatten().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_other_days_carry_their_date() {
        let reading = Reading { now: Time::from_millis(1_795_442_671_250), zone: TimeZone::UTC };
        let column = Column {
            key: "event.time".into(),
            title: "TIME".into(),
            width: 24,
            unit: None,
            kind: None,
            direction: crate::model::metric::Direction::Neutral,
        };
        let check = |text: &str, expected: &str| {
            assert_eq!(super::text(&column, &Cell::Text(text.into()), &reading), expected);
        };
        check("2026-11-23T13:53:01.000Z", "13:53:01");
        check("2026-11-21T13:53:01.000Z", "11-21 13:53:01");
        check("yesterday", "yesterday");
    }
}
