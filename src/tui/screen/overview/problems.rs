//! What is wrong: the open incidents, worst first.

use crate::{
    model::{
        table::{Cell, Table},
        unit::{Unit, grouped},
    },
    tui::{
        action::Action,
        draw::{Pen, cut_end, cut_middle, width},
        mark,
        screen::Step,
        shared::Shared,
        theme::Role,
        verdict::Health,
    },
};

/// Most incidents that are asked for.
const MOST: u64 = 500;
/// Cells of an incident's age.
const AGE: u16 = 6;

/// The question for the incidents of what `inside` describes; of everything where it is empty.
pub(super) fn query(inside: &[String]) -> String {
    let all = ["incident.stage = open", "incident.severity != info"].into_iter();
    let all = all.chain(inside.iter().map(String::as_str)).collect::<Vec<_>>().join(" and ");
    format!(
        "incidents where {all} \
         sort -incident.severity,incident.age,incident \
         show incident,incident.severity,incident.subject,incident.reason,incident.age,incident.commands limit {MOST}"
    )
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
struct Problem {
    id: String,
    health: Health,
    subject: String,
    reason: String,
    age: String,
    commands: String,
}

/// The list of problems and the cursor in it.
#[derive(Debug, Default)]
pub(super) struct Problems {
    all: Vec<Problem>,
    /// How many there are, also of those that are not here.
    total: u64,
    heard: bool,
    cursor: usize,
    top: usize,
    height: usize,
}

impl Problems {
    /// Takes the incidents in. Says whether anything changed.
    pub(super) fn heard(&mut self, table: &Table) -> bool {
        let first = !std::mem::replace(&mut self.heard, true);
        let chosen = self.all.get(self.cursor).map(|problem| problem.id.clone()).filter(|_| self.cursor > 0);
        let all: Vec<Problem> = (0..table.rows.len()).map(|row| problem(table, row)).collect();
        if all == self.all && table.total == self.total && !first {
            return false;
        }
        (self.all, self.total) = (all, table.total);
        let at = chosen.and_then(|id| self.all.iter().position(|problem| problem.id == id));
        self.go(at.unwrap_or(self.cursor));
        true
    }

    fn go(&mut self, to: usize) {
        self.cursor = to.min(self.all.len().saturating_sub(1));
        let height = self.height.max(1);
        self.top = self.top.min(self.cursor).max((self.cursor + 1).saturating_sub(height));
    }

    /// Sets how many problems have room.
    pub(super) fn set_height(&mut self, lines: u16) {
        self.height = usize::from(lines);
        self.go(self.cursor);
    }

    /// Moves the cursor.
    pub(super) fn act(&mut self, action: Action) -> Step {
        let (before, page) = (self.cursor, self.height.max(1));
        match action {
            Action::Up => self.go(before.saturating_sub(1)),
            Action::Down => self.go(before + 1),
            Action::Top => self.go(0),
            Action::Bottom => self.go(usize::MAX),
            Action::PageUp | Action::HalfUp => self.go(before.saturating_sub(page)),
            Action::PageDown | Action::HalfDown => self.go(before.saturating_add(page)),
            _ => return Step::Unhandled,
        }
        Step::when(self.cursor != before)
    }

    /// Puts the cursor on this line of the list. Says whether it was there already.
    pub(super) fn click(&mut self, line: u16) -> bool {
        let to = self.top.saturating_add(usize::from(line));
        if usize::from(line) >= self.height || to >= self.all.len() {
            return false;
        }
        let was = self.cursor;
        self.go(to);
        was == to
    }

    /// The number of the incident under the cursor.
    pub(super) fn chosen(&self) -> Option<&str> {
        self.all.get(self.cursor).map(|problem| &*problem.id)
    }

    /// What it is about.
    pub(super) fn subject(&self) -> Option<String> {
        self.all.get(self.cursor).map(|problem| problem.subject.clone())
    }

    /// What is to be done about it, as the hub has it.
    pub(super) fn commands(&self) -> Option<&str> {
        self.all.get(self.cursor).map(|problem| &*problem.commands)
    }

    /// Draws title and list.
    pub(super) fn draw(&self, pen: &mut Pen<'_>, focused: bool, shared: &Shared) {
        let x = pen.rule(0, "PROBLEMS", focused);
        self.draw_counts(pen, x);
        if self.all.is_empty() {
            let (words, role) =
                if self.heard { ("● nothing is wrong", Role::Fine) } else { ("asking the hub …", Role::Dim) };
            pen.text(2, 2.min(pen.height().saturating_sub(1)), words, role);
            return;
        }
        let names = self.all.iter().map(|problem| width(&problem.subject)).max().unwrap_or(0).min(22);
        // Where there is little room, why matters more than since when.
        let ages = if pen.width() >= 48 { AGE + 1 } else { 0 };
        for (at, problem) in self.all.iter().enumerate().skip(self.top).take(self.height) {
            let y = (at - self.top) as u16 + 1;
            mark::draw(pen, y, mark::of_subject(&problem.subject), shared);
            pen.text(1, y, problem.health.mark(), problem.health.role());
            pen.text(3, y, &cut_middle(&problem.subject, names), Role::Strong);
            let room = pen.width().saturating_sub(names + 6 + ages);
            pen.text(names + 5, y, &cut_end(&problem.reason, room), Role::Table);
            if ages > 0 {
                let end = pen.width().saturating_sub(1);
                pen.right(end, y, &problem.age, Role::Dim);
            }
            if focused && at == self.cursor {
                pen.wash(0, y, pen.width(), 1, Role::TableRowSelected);
            }
        }
    }

    /// How many are how bad, in the title's line, which is drawn up to `x`.
    fn draw_counts(&self, pen: &mut Pen<'_>, x: u16) {
        let crit = self.all.iter().filter(|problem| problem.health == Health::Crit).count() as u64;
        let count = |n: u64, word: &str| (n > 0).then(|| format!("{} {word}", grouped(n as i64)));
        // The worst come first: where all that are here are critical, of the others nobody knows.
        let is_told = crit < self.all.len() as u64 || crit == self.total;
        let counts = if is_told {
            [count(crit, "crit"), count(self.total.saturating_sub(crit), "warn")]
        } else {
            [count(self.total, "open"), None]
        };
        let text = counts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
        if !text.is_empty() && x + width(&text) + 3 < pen.width() {
            let end = pen.width().saturating_sub(1);
            pen.right(end, 0, &format!(" {text} "), Role::Strong);
        }
    }
}

fn problem(table: &Table, row: usize) -> Problem {
    let text = |key: &str| table.cell(row, key).and_then(Cell::text).unwrap_or_default().to_owned();
    let health = if text("incident.severity") == "crit" { Health::Crit } else { Health::Warn };
    let age = table.cell(row, "incident.age").and_then(Cell::number);
    Problem {
        id: table.rows[row].id.clone(),
        health,
        subject: text("incident.subject"),
        reason: text("incident.reason"),
        commands: text("incident.commands"),
        age: age.map_or_else(String::new, |age| Unit::Seconds.cell(age)),
    }
}
