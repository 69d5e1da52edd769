//! One job: what it is and has, how its GPUs' clocks spread, and its GPUs, those first that are furthest from their middle.

use super::{Asked, Objection, Screen, Step, table::TableScreen};
use crate::{
    model::{
        question::{Answer, Complaint},
        table::{Cell, Table},
        unit::{Unit, grouped},
    },
    tui::{
        action::Action,
        ask::quoted,
        draw::{Pen, bar::block, width},
        shared::Shared,
        theme::Role,
    },
};

/// How far a GPU's clock is from its job's middle, in robust standard deviations.
pub(super) const APART: &str = "apart(gpu.clock.sm by job)";
/// From how many of them on a GPU differs from the others.
const OUTLIER: f64 = 5.0;
/// Lines above the table.
const HEAD: u16 = 3;
/// Bars of the distribution.
const BARS: usize = 24;

/// Parts of what is asked, besides the table's.
const FACTS: u32 = 1;
const SPREAD: u32 = 2;
const OUTLIERS: u32 = 3;
const IDLE: u32 = 4;

/// The screen of one job.
pub(crate) struct Job {
    id: String,
    gpus: TableScreen,
    facts: Option<Table>,
    /// How many GPUs have each clock.
    spread: Option<Table>,
    outliers: Option<u64>,
    idle: Option<u64>,
}

impl Job {
    /// The screen of the job with this id.
    pub(crate) fn new(id: &str, shared: &Shared) -> Self {
        let gpus = TableScreen::of_job(id, shared);
        Job { id: id.into(), gpus, facts: None, spread: None, outliers: None, idle: None }
    }

    fn facts(&self, pen: &mut Pen<'_>) {
        let mut x = pen.text(1, 0, &self.id, Role::Strong);
        let Some(table) = self.facts.as_ref().filter(|table| !table.rows.is_empty()) else {
            let words = if self.facts.is_some() { "no job has this id" } else { "asking the hub …" };
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
            (Role::Table, unit(Unit::Joules, "job.energy")),
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
        let several = |n: u64| if n == 1 { "GPU differs" } else { "GPUs differ" };
        let words = match self.outliers {
            None => return,
            // Where no clock is known, nothing is fine.
            Some(0) if self.spread.as_ref().and_then(bars).is_none() => return,
            Some(0) => (Role::Fine, "● no GPU's clock differs from the others'".to_owned()),
            Some(n) => (Role::Warn, format!("▲ {n} {} in clock from the others", several(n))),
        };
        x = pen.text(x, 1, &words.1, words.0);
        if let Some(idle) = self.idle.filter(|idle| *idle > 0) {
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
                     job.limit,gpu.power,job.energy,job.energy.idle,job.cost";
        let mut asks = self.gpus.asks(shared);
        asks.push(Asked::every(2, FACTS, format!("jobs where {job} show {facts} limit 1")));
        asks.push(Asked::every(
            5,
            SPREAD,
            format!("gpus where {job} by gpu.clock.sm show gpu.clock.sm,count limit 500"),
        ));
        asks.push(Asked::every(3, OUTLIERS, format!("gpus where {job} and {APART} >= {OUTLIER} limit 0")));
        asks.push(Asked::every(3, IDLE, format!("gpus where {job} and util < 1 limit 0")));
        asks
    }

    fn heard(&mut self, part: u32, answer: Result<Answer, Complaint>, shared: &Shared) -> Step {
        let table = match (part, answer) {
            (FACTS | SPREAD | OUTLIERS | IDLE, Ok(Answer::Table(table))) => table,
            (FACTS | SPREAD | OUTLIERS | IDLE, _) => return Step::Same,
            (_, answer) => return self.gpus.heard(part, answer, shared),
        };
        Step::when(match part {
            FACTS => super::replace_table(&mut self.facts, table),
            SPREAD => super::replace_table(&mut self.spread, table),
            OUTLIERS => self.outliers.replace(table.total) != Some(table.total),
            _ => self.idle.replace(table.total) != Some(table.total),
        })
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        self.gpus.act(action, shared)
    }

    fn arrange(&mut self, shared: &Shared) {
        self.gpus.arrange_in(shared.body().1.saturating_sub(HEAD));
    }

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        self.facts(pen);
        if pen.height() > 1 {
            self.spread(pen);
        }
        let (wide, high) = (pen.width(), pen.height());
        if high > HEAD {
            self.gpus.draw(&mut pen.part(0, HEAD, wide, high - HEAD), shared);
        }
    }

    fn hints(&self) -> &'static [Action] {
        self.gpus.hints()
    }

    fn subject(&self) -> Option<String> {
        self.gpus.subject()
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
