//! A query's answer along time: one line of values per row and metric, all on the same steps.

use std::time::Duration;

use crate::model::{state::Census, table::Column, time::Time};

/// Values along time. Line values are spaced by `step`; the first is at `start`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The query, printed back in full.
    pub query: String,
    /// When it was answered, by the hub's clock.
    pub time: Time,
    /// The time of each line's first value.
    pub start: Time,
    /// Distance between values.
    pub step: Duration,
    /// Matching rows before `limit` and `offset`.
    pub total: u64,
    /// The lines: row by row, in each column by column.
    pub lines: Vec<Line>,
    /// The whole fleet's states and drops.
    pub census: Census,
}

/// One row's values of one column along time.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What the line is about, as in a table's row.
    pub id: String,
    /// The column that it would be in a table.
    pub column: Column,
    /// The values, oldest first; none where unknown.
    pub values: Vec<Option<f64>>,
}

impl Series {
    /// The line of the thing `id` and the column `key`.
    pub fn line(&self, id: &str, key: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id && line.column.key == key)
    }
}
