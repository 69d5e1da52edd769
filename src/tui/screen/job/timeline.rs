//! A job's GPUs together along time: what they did on average or in all, and the one that is furthest off.

use super::super::replace_series;
use crate::{
    model::{
        Time,
        series::{Line, Series},
        unit::Unit,
    },
    tui::{
        draw::{Pen, chart::Chart, cut_end},
        shared::Shared,
        theme::Role,
    },
};

/// What is drawn: title, key, and the key of the least of any, which is said beside it.
const GRAPHS: [(&str, &str, &str); 6] = [
    ("UTIL", "gpu.util", "min(gpu.util)"),
    ("TENSOR", "gpu.tensor.active", "min(gpu.tensor.active)"),
    ("POWER", "gpu.power", "min(gpu.power)"),
    ("SM CLOCK", "gpu.clock.sm", "min(gpu.clock.sm)"),
    ("HOTTEST GPU", "gpu.temp", "min(gpu.temp)"),
    ("NVLINK", "gpu.nvlink.tx", "min(gpu.nvlink.tx)"),
];
/// What an ended job did before its end: as long as the hub keeps it.
const LAST: &str = "over 20m step 10s";
const LAST_WORDS: &str = "20 min before its end";
/// Lines that are left for what is below.
const BELOW: u16 = 10;

/// The curves of one job.
#[derive(Default)]
pub(super) struct Timeline {
    curves: Option<Series>,
    /// Why there are none.
    trouble: Option<String>,
    /// The highest clock that its GPUs have, once known.
    pub(super) top_clock: Option<f64>,
    /// When the job ended, if it did.
    pub(super) ended: Option<Time>,
}

impl Timeline {
    /// Of a job that ended at this time, or has not ended.
    pub(super) fn of(ended: Option<Time>) -> Self {
        Timeline { ended, ..Self::default() }
    }

    /// The question for the job that this condition names, and every how many seconds to ask it.
    pub(super) fn asks(&self, job: &str, shared: &Shared) -> (u64, String) {
        let keys: Vec<&str> = GRAPHS.iter().flat_map(|(_, key, least)| [*key, *least]).collect();
        let (pace, when) = match self.ended {
            Some(ended) => (60, format!("{LAST} at {ended}")),
            // Of many GPUs there is much to read, and mostly in steps of ten seconds.
            None => (shared.pace().as_secs().max(5), shared.over()),
        };
        (pace, format!("jobs where {job} show {} {when}", keys.join(",")))
    }

    /// Takes the answer in. Says whether anything changed.
    pub(super) fn heard(&mut self, series: Series) -> bool {
        replace_series(&mut self.curves, series)
    }

    /// Takes in that there are none. Says whether anything changed.
    pub(super) fn refused(&mut self, trouble: String) -> bool {
        let changed = self.trouble.as_ref() != Some(&trouble);
        self.trouble = Some(trouble);
        changed
    }

    /// Lines that it takes of so many columns and lines; none where they are needed for what is below.
    pub(super) fn height(&self, (width, height): (u16, u16)) -> u16 {
        let (rows, tall) = Self::layout(width, height);
        match &self.trouble {
            _ if self.is_known() => rows * tall,
            Some(_) if tall > 0 => 2,
            _ => 0,
        }
    }

    /// Whether anything is known of what its GPUs did.
    fn is_known(&self) -> bool {
        self.curves.iter().flat_map(|curves| &curves.lines).any(|line| line.values.iter().any(Option::is_some))
    }

    /// What is to be said of a job that has ended; nothing of one that has not.
    pub(super) fn words(&self) -> Option<&'static str> {
        self.ended?;
        Some(match &self.curves {
            Some(_) if !self.is_known() => {
                "it has ended; these are the GPUs that it had, as they are now; what they did before is not kept any more"
            }
            _ => "it has ended; these are the GPUs that it had, as they are now",
        })
    }

    /// How many rows of graphs there are, and how many lines each has.
    fn layout(width: u16, height: u16) -> (u16, u16) {
        let rows = (GRAPHS.len() as u16).div_ceil(columns(width));
        (rows, (height.saturating_sub(BELOW) / rows / 2).min(7))
    }

    /// Draws it over the whole of `pen`, which is as high as [`Timeline::height`] says.
    pub(super) fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        if let Some(trouble) = self.trouble.as_ref().filter(|_| !self.is_known()) {
            let room = pen.width().saturating_sub(2);
            pen.text(1, 0, &cut_end(trouble, room), Role::Warn);
            return;
        }
        let columns = columns(pen.width());
        let tall = pen.height() / (GRAPHS.len() as u16).div_ceil(columns);
        let each = pen.width() / columns;
        let span = if self.ended.is_some() { LAST_WORDS } else { shared.span_words() };
        for (at, (title, key, least)) in (0..).zip(GRAPHS) {
            let mut part = pen.part(at % columns * each + 1, at / columns * tall, each.saturating_sub(2), tall);
            // A blank line between one row of graphs and the next.
            let (wide, high) = (part.width(), if tall > 3 { tall - 1 } else { tall });
            let note = self.line(least).and_then(|line| {
                let last = line.values.iter().rev().flatten().next()?;
                Some(format!("least {}", line.column.unit.unwrap_or(Unit::One).text(*last)))
            });
            let limit = self.top_clock.filter(|_| key == "gpu.clock.sm");
            Chart { title, lines: vec![("", self.line(key))], note: note.unwrap_or_default(), limit, span }
                .draw(&mut part.part(0, 0, wide, high));
        }
    }

    fn line(&self, key: &str) -> Option<&Line> {
        self.curves.as_ref()?.lines.iter().find(|line| line.column.key == key)
    }
}

fn columns(width: u16) -> u16 {
    if width >= 120 { 3 } else { 2 }
}
