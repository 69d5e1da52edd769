//! One job: what it is and has, how its GPUs' clocks spread, what they did along time, and its GPUs, those first that are
//! furthest from their middle. Of a job that has ended, the GPUs that it had, and what they did before its end.

mod timeline;

use std::time::Duration;

use timeline::Timeline;

use super::{Asked, Objection, Screen, Step, table::TableScreen};
use crate::{
    model::{
        Time,
        question::{Answer, Complaint},
        table::{Cell, Table},
        unit::{Unit, grouped},
    },
    tui::{
        action::Action,
        ask::{Ask, quoted},
        draw::{Pen, bar::block, width},
        shared::Shared,
        theme::Role,
    },
};

/// How far a GPU's clock is from its job's middle, in robust standard deviations.
pub(super) const APART: &str = "apart(gpu.clock.sm by job)";
/// Lines above the graphs and the table.
const HEAD: u16 = 3;
/// Bars of the distribution.
const BARS: usize = 24;

/// Parts of what is asked, besides the table's.
const FACTS: u32 = 1;
const SPREAD: u32 = 2;
const CURVES: u32 = 3;

/// The screen of one job.
pub(crate) struct Job {
    id: String,
    gpus: TableScreen,
    facts: Option<Table>,
    /// How many GPUs have each clock.
    spread: Option<Table>,
    timeline: Timeline,
}

impl Job {
    /// The screen of the job with this id.
    pub(crate) fn new(id: &str, shared: &Shared) -> Self {
        let gpus = TableScreen::of_job(id, shared);
        let timeline = Timeline::default();
        Job { id: id.into(), gpus, facts: None, spread: None, timeline }
    }

    /// Takes in what it is. Once it has ended, other things are to be asked; and others again when it runs once more.
    fn learn(&mut self, table: Table, shared: &Shared) -> bool {
        let ended = table.cell(0, "job.ended").and_then(Cell::number);
        let ended = ended.map(|ago| table.time - Duration::from_secs_f64(ago.max(0.0)));
        // Clocks that differ leave it uncertain, and move it while it seems to be still to come.
        let is_same = |a: Time, b: Time| a == table.time || a.seconds_after(b).abs() < 30.0;
        let before = self.timeline.ended;
        if ended.is_some() != before.is_some() || ended.zip(before).is_some_and(|(a, b)| !is_same(a, b)) {
            let gpus = if ended.is_some() { TableScreen::of_ended_job } else { TableScreen::of_job };
            let filter = self.gpus.filter().unwrap_or_default().to_owned();
            (self.gpus, self.timeline, self.spread) = (gpus(&self.id, shared), Timeline::of(ended), None);
            self.gpus.set_filter(&filter);
            self.arrange(shared);
        }
        self.timeline.top_clock = table.cell(0, "gpu.clock.sm.max").and_then(Cell::number);
        super::replace_table(&mut self.facts, table)
    }

    fn facts(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let mut x = pen.text(1, 0, &self.id, Role::Strong);
        let Some(table) = self.facts.as_ref().filter(|table| !table.rows.is_empty()) else {
            let words = match (self.facts.is_some(), shared.then.is_some()) {
                (false, _) => "asking the hub …",
                (true, false) => "no job has this id",
                (true, true) => "it was not there yet, or nobody knows any more",
            };
            pen.text(x + 2, 0, words, Role::Dim);
            return;
        };
        let text = |key: &str| table.cell(0, key).and_then(Cell::text).unwrap_or_default().to_owned();
        let number = |key: &str| match table.cell(0, key) {
            Some(Cell::Number(number)) => Some(*number),
            _ => None,
        };
        let unit = |unit: Unit, key: &str| number(key).map(|value| unit.text(value)).unwrap_or_default();
        let count = |key: &str, of: &str| {
            number(key).map(|n| format!("{} {of}{}", grouped(n as i64), if n as i64 == 1 { "" } else { "s" }))
        };
        let age = match (unit(Unit::Seconds, "job.age"), unit(Unit::Seconds, "job.limit")) {
            (age, limit) if limit.is_empty() => age,
            (age, limit) => format!("{age} of {limit}"),
        };
        let wasted = number("job.energy.idle").filter(|joules| *joules >= 3600.0);
        let cost = number("job.cost").map(|cost| format!("cost {cost:.2}"));
        let parts = [
            (Role::Accent, text("job.name")),
            (Role::Table, text("job.user")),
            (Role::Dim, text("job.account")),
            (Role::Dim, text("job.partition")),
            (Role::Strong, text("job.state")),
            (Role::Warn, text("job.reason")),
            (Role::Table, count("job.nodes", "node").unwrap_or_default()),
            (Role::Table, count("job.gpus", "GPU").unwrap_or_default()),
            (Role::Dim, age),
            (Role::Table, unit(Unit::Watts, "gpu.power")),
            (
                Role::Table,
                number("job.energy").map(|it| format!("{} by GPUs", Unit::Joules.text(it))).unwrap_or_default(),
            ),
            (Role::Warn, wasted.map(|joules| format!("{} wasted", Unit::Joules.text(joules))).unwrap_or_default()),
            (Role::Table, cost.unwrap_or_default()),
        ];
        let end = pen.width().saturating_sub(1);
        for (role, words) in parts.into_iter().filter(|(_, words)| !words.is_empty()) {
            // A number that is cut would be another one.
            if x + 3 + width(&words) > end {
                break;
            }
            x = pen.text(x, 0, " · ", Role::Faint);
            x = pen.text(x, 0, &words, role);
        }
    }

    /// How many of its GPUs differ, and how the clocks spread.
    fn spread(&self, pen: &mut Pen<'_>) {
        let mut x = 1;
        if let Some(words) = self.timeline.words() {
            pen.text(x, 1, words, Role::Dim);
            return;
        }
        let number = |key: &str| self.facts.as_ref()?.cell(0, key)?.number().map(|n| n as u64);
        let several = |n: u64| if n == 1 { "GPU differs" } else { "GPUs differ" };
        let words = match number("job.outliers") {
            None => return,
            // Where no clock is known, nothing is fine.
            Some(0) if self.spread.as_ref().and_then(bars).is_none() => return,
            Some(0) => (Role::Fine, "● no GPU's clock differs from the others'".to_owned()),
            Some(n) => (Role::Warn, format!("▲ {n} {} in clock from the others", several(n))),
        };
        x = pen.text(x, 1, &words.1, words.0);
        if let Some(idle) = number("job.idle").filter(|idle| *idle > 0) {
            x = pen.text(x, 1, &format!(" · {} idle", grouped(idle as i64)), Role::Warn);
        }
        let Some((bars, low, high)) = self.spread.as_ref().and_then(bars) else { return };
        let most = bars.iter().copied().max().unwrap_or(0).max(1);
        let label = format!(" · SM clock {low:.0} ");
        if usize::from(x) + label.chars().count() + BARS + 10 > usize::from(pen.width()) {
            return;
        }
        x = pen.text(x, 1, &label, Role::Dim);
        for count in bars {
            // What is there at all is never drawn as nothing.
            let share = if count == 0 { 0.0 } else { (count as f64 / most as f64).max(0.13) };
            x = pen.text(x, 1, if count == 0 { " " } else { block(share) }, Role::Accent);
        }
        pen.text(x, 1, &format!(" {high:.0} MHz"), Role::Dim);
    }
}

/// How many GPUs have a clock in each of some steps between the lowest and the highest.
fn bars(table: &Table) -> Option<([u64; BARS], f64, f64)> {
    let (clock, count) = (table.column("gpu.clock.sm")?, table.column("count")?);
    let number = |cell: &Cell| match cell {
        Cell::Number(number) => Some(*number),
        _ => None,
    };
    let rows =
        table.rows.iter().filter_map(|row| Some((number(row.cells.get(clock)?)?, number(row.cells.get(count)?)?)));
    let rows: Vec<(f64, f64)> = rows.collect();
    let low = rows.iter().map(|(clock, _)| *clock).reduce(f64::min)?;
    let high = rows.iter().map(|(clock, _)| *clock).reduce(f64::max)?;
    let mut bars = [0; BARS];
    for (clock, count) in rows {
        let at = (clock - low) / (high - low).max(1.0) * (BARS - 1) as f64;
        bars[(at as usize).min(BARS - 1)] += count as u64;
    }
    Some((bars, low, high))
}

impl Screen for Job {
    fn crumb(&self) -> String {
        format!("job {}", self.id)
    }

    fn asks(&self, shared: &Shared) -> Vec<Asked> {
        let job = format!("job = {}", quoted(&self.id));
        let facts = "job,job.name,job.user,job.account,job.partition,job.state,job.reason,job.nodes,job.gpus,job.age,\
                     job.limit,job.ended,job.outliers,job.idle,gpu.clock.sm.max,gpu.power,job.energy,job.energy.idle,job.cost";
        let mut asks = self.gpus.asks(shared);
        asks.push(Asked::every(2, FACTS, format!("jobs where {job} show {facts} limit 1")));
        let (pace, text) = self.timeline.asks(&job, shared);
        asks.push(Asked::every(pace, CURVES, text));
        if self.timeline.ended.is_some() {
            return asks;
        }
        asks.push(Asked::every(
            5,
            SPREAD,
            format!("gpus where {job} by gpu.clock.sm show gpu.clock.sm,count limit 500"),
        ));
        asks
    }

    fn heard(&mut self, part: u32, answer: Result<Answer, Complaint>, shared: &Shared) -> Step {
        let table = match (part, answer) {
            (FACTS | SPREAD, Ok(Answer::Table(table))) => table,
            (CURVES, Ok(Answer::Series(series))) => {
                let had = self.timeline.height(shared.body());
                let changed = self.timeline.heard(series);
                if self.timeline.height(shared.body()) != had {
                    self.arrange(shared);
                }
                return Step::when(changed);
            }
            (CURVES, Err(complaint)) => return Step::when(self.timeline.refused(complaint.message)),
            (FACTS | SPREAD | CURVES, _) => return Step::Same,
            (_, answer) => return self.gpus.heard(part, answer, shared),
        };
        Step::when(match part {
            FACTS => self.learn(table, shared),
            _ => super::replace_table(&mut self.spread, table),
        })
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        self.gpus.act(action, shared)
    }

    fn click(&mut self, (x, y): (u16, u16), shared: &Shared) -> Step {
        let above = HEAD + self.timeline.height(shared.body());
        y.checked_sub(above).map_or(Step::Same, |y| self.gpus.click((x, y), shared))
    }

    fn arrange(&mut self, shared: &Shared) {
        let above = HEAD + self.timeline.height(shared.body());
        self.gpus.arrange_in(shared.body().1.saturating_sub(above));
    }

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        self.facts(pen, shared);
        if pen.height() > 1 {
            self.spread(pen);
        }
        let (wide, high) = (pen.width(), pen.height());
        let graphs = self.timeline.height((wide, high));
        if graphs > 0 {
            self.timeline.draw(&mut pen.part(0, HEAD, wide, graphs), shared);
        }
        let above = HEAD + graphs;
        if high > above {
            self.gpus.draw(&mut pen.part(0, above, wide, high - above), shared);
        }
    }

    fn hints(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Back,
            Action::Filter,
            Action::SortBy,
            Action::ZoomIn,
            Action::ZoomOut,
            Action::Faults,
            Action::Command,
            Action::Mark,
            Action::Copy,
            Action::Help,
        ]
    }

    fn subject(&self) -> Option<String> {
        self.gpus.subject()
    }

    fn onward(&self) -> Option<Action> {
        self.gpus.onward()
    }

    fn sheet(&self) -> Option<Ask> {
        self.gpus.sheet()
    }

    fn command(&self) -> Option<String> {
        Some(format!("job {}", self.id))
    }

    fn wants_letter(&self) -> bool {
        self.gpus.wants_letter()
    }

    fn letter(&mut self, letter: Option<char>, shared: &Shared) -> Step {
        self.gpus.letter(letter, shared)
    }

    fn filter(&self) -> Option<&str> {
        self.gpus.filter()
    }

    fn set_filter(&mut self, text: &str) {
        self.gpus.set_filter(text);
    }

    fn objection(&self) -> Option<&Objection> {
        self.gpus.objection()
    }

    fn sort(&mut self, words: &str) -> bool {
        self.gpus.sort(words)
    }
}
