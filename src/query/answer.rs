//! Answers: the cells of the rows in the window, or their values along time.

use crate::model::{
    metric::Kind as Reading,
    question::{Answer, Complaint},
    raw::Gap,
    series::{Line, Series},
    syntax::{Query, Spot},
    table::{self, Cell, Table},
    text::clean,
};

use super::{
    lexer::complain,
    order::order,
    past::Window,
    plan::{Plan, is_line},
    row::{Item, Row},
    scan::{Matches, scan},
    snapshot::Snapshot,
    text::{flags, id, words},
    value::{Leaf, Num, Number, Numeric, Reach, Shown, Text, Value},
};

/// Longest text of a cell, in characters.
const LONGEST: usize = 1024;
/// Most lines of one answer along time.
const MOST_LINES: usize = 10_000;

/// Runs a plan.
pub(super) fn run(snapshot: &Snapshot<'_>, query: &Query, plan: &Plan) -> Result<Answer, Complaint> {
    let matches = scan(snapshot, plan);
    let total = matches.len();
    let start = usize::try_from(plan.offset).unwrap_or(usize::MAX).min(total);
    let limit = plan.limit.map_or(total, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let window = start..start.saturating_add(limit).min(total);
    if let Some(past) = &plan.window {
        let lines = window.len().saturating_mul(plan.columns.iter().filter(|shown| is_line(shown)).count());
        if lines > MOST_LINES {
            let message = format!("that would be {lines} lines along time, and {MOST_LINES} are the most; add a limit");
            return Err(complain(message, query.over.map_or_else(Spot::default, |over| over.spot)));
        }
        let rows = order(snapshot, &matches, &plan.sort, window);
        return Ok(Answer::Series(series(snapshot, query, plan, past, &matches, &rows)));
    }
    let rows = order(snapshot, &matches, &plan.sort, window);
    let rows = rows.into_iter().filter_map(|at| matches.row(at)).map(|row| table::Row {
        id: clean(&id(snapshot, row), LONGEST).into_owned(),
        state: row.state(snapshot),
        cells: cells(snapshot, row, &plan.columns),
    });
    Ok(Answer::Table(Table {
        query: query.to_string(),
        time: snapshot.now,
        total: total as u64,
        stale: matches.stale(snapshot),
        offset: start as u64,
        columns: plan.columns.iter().map(|shown| shown.column.clone()).collect(),
        rows: rows.collect(),
        census: snapshot.fleet.census(snapshot.now),
    }))
}

fn series(
    snapshot: &Snapshot<'_>,
    query: &Query,
    plan: &Plan,
    past: &Window,
    matches: &Matches,
    rows: &[usize],
) -> Series {
    let then = snapshot.at(past);
    let mut lines = Vec::new();
    for row in rows.iter().filter_map(|at| matches.row(*at)) {
        let id = clean(&id(snapshot, row), LONGEST).into_owned();
        for Shown { column, value } in &plan.columns {
            let Value::Number(numeric) = value else { continue };
            let at = |step| {
                past.at.set(step);
                numeric.num.number(&then, row).ok()
            };
            let values = (0..past.steps).map(at).collect();
            lines.push(Line { id: id.clone(), column: column.clone(), values });
        }
        past.forget();
    }
    Series {
        query: query.to_string(),
        time: snapshot.now,
        start: past.from,
        step: past.step,
        total: matches.len() as u64,
        lines,
        census: snapshot.fleet.census(snapshot.now),
    }
}

fn cells(snapshot: &Snapshot<'_>, row: Row<'_>, columns: &[Shown]) -> Vec<Cell> {
    // What a group sums up is read in one walk over its members.
    let leaf = |shown: &Shown| match &shown.value {
        Value::Number(Numeric { num: Num::Leaf(leaf), .. }) if leaf.reach == Reach::Several => Some(*leaf),
        _ => None,
    };
    let leaves: Vec<Leaf> = columns.iter().filter_map(leaf).collect();
    let mut numbers = snapshot.leaves(row, &leaves).into_iter();
    let cell = |shown: &Shown| match &shown.value {
        Value::Number(Numeric { reading, .. }) if leaf(shown).is_some() => {
            number_cell(numbers.next().unwrap_or(Err(Gap::Unknown)), *reading)
        }
        value => cell(snapshot, row, value),
    };
    columns.iter().map(cell).collect()
}

fn cell(snapshot: &Snapshot<'_>, row: Row<'_>, value: &Value) -> Cell {
    match value {
        Value::Number(Numeric { num, reading, .. }) => number_cell(num.number(snapshot, row), *reading),
        Value::Each(leaf) => each(snapshot, row, leaf),
        Value::Text(text) => match text.joined(snapshot, row) {
            Some(text) => Cell::Text(clean(&text, LONGEST).into_owned()),
            // A group that was grouped by a text which its rows don't have says so.
            None if matches!((text, row), (Text::Level(_), Row::Group(..))) => Cell::Text(crate::fleet::NOWHERE.into()),
            None if text.is_absent(snapshot, row) == Some(true) => Cell::Gap(Gap::Absent),
            None => Cell::Gap(Gap::Unknown),
        },
    }
}

fn number_cell(number: Number, reading: Reading) -> Cell {
    match (number, reading) {
        (Err(gap), _) => Cell::Gap(gap),
        (Ok(value), Reading::Flags(names)) => Cell::Flags(flags(value, names)),
        (Ok(value), Reading::Choice(_)) => Cell::Text(words(value, reading)),
        (Ok(value), _) => Cell::Number(value),
    }
}

/// The values of everything of the leaf's scope that the row reaches.
fn each(snapshot: &Snapshot<'_>, row: Row<'_>, leaf: &Leaf) -> Cell {
    let mut values = Vec::new();
    row.reach(snapshot, leaf.metric.scope, &mut |node, slots| {
        values.extend(slots.map(|slot| snapshot.number(leaf, Item { node, slot }).ok()));
    });
    Cell::List(values)
}
