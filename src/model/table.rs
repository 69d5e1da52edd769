//! A query's answer as rows: only those in the window asked for, and how many there are in all.

use crate::model::{
    metric::{Direction, Kind},
    raw::Gap,
    state::{Census, State},
    time::Time,
    unit::Unit,
};

/// Rows and columns, and what a reader must know to believe them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The query, printed back in full.
    pub query: String,
    /// When it was answered, by the hub's clock.
    pub time: Time,
    /// Matching rows before `limit` and `offset`.
    pub total: u64,
    /// Matching rows that are not `up`.
    pub stale: u64,
    /// Matching rows before the first one here.
    pub offset: u64,
    /// The columns, each of which every row has a cell for.
    pub columns: Vec<Column>,
    /// The rows of the window.
    pub rows: Vec<Row>,
    /// The whole fleet's states and drops.
    pub census: Census,
}

impl Table {
    /// The position of the column with this full key.
    pub fn column(&self, key: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.key == key)
    }

    /// The cell of `row` in the column with this full key.
    pub fn cell(&self, row: usize, key: &str) -> Option<&Cell> {
        self.rows.get(row)?.cells.get(self.column(key)?)
    }
}

/// One column: all that drawing it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The key that rows carry in JSON: `gpu.util`, `node`, or a function as printed: `max(gpu.temp)`.
    pub key: String,
    /// The title.
    pub title: String,
    /// Cells that it wants.
    pub width: u8,
    /// What its numbers measure; nothing for text.
    pub unit: Option<Unit>,
    /// How its numbers are to be read; nothing for text.
    pub kind: Option<Kind>,
    /// Which end is bad.
    pub direction: Direction,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What the row is about, the same in every answer: `gpu017:3`, `gpu017`, `rack=r12`, `gpu017/4711`.
    pub id: String,
    /// Whether its node can be believed. A group is as good as the best node in it.
    pub state: State,
    /// One cell per column.
    pub cells: Vec<Cell>,
}

/// One value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// There is none, and why.
    Gap(Gap),
    /// A number in the column's unit.
    Number(f64),
    /// Text; control characters are gone already.
    Text(String),
    /// Names of the flags that are set.
    Flags(Vec<String>),
    /// One number per GPU, none where unknown.
    List(Vec<Option<f64>>),
}

impl Cell {
    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Cell::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, where it is text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The cell as one short string in the column's unit; `–` for what is not there.
    pub fn show(&self, column: &Column) -> String {
        match self {
            Cell::Gap(Gap::Absent) => "none".into(),
            Cell::Gap(Gap::Saturated) => "sat".into(),
            Cell::Gap(_) => "–".into(),
            Cell::Number(value) => show_number(*value, column),
            Cell::Text(text) => text.clone(),
            Cell::Flags(names) if names.is_empty() => "none".into(),
            Cell::Flags(names) => names.join("+"),
            Cell::List(values) => {
                let each = values.iter().map(|v| v.map_or("–".into(), |v| show_number(v, column)));
                each.collect::<Vec<_>>().join(" ")
            }
        }
    }
}

fn show_number(value: f64, column: &Column) -> String {
    match column.kind {
        Some(Kind::Choice(names)) => {
            names.get(value as usize).map_or_else(|| format!("{value}"), |name| (*name).to_owned())
        }
        Some(Kind::Code) => format!("{value:.0}"),
        _ => column.unit.unwrap_or(Unit::One).cell(value),
    }
}
