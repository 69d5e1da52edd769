//! Things of one kind side by side, metric by metric: what stands out from the others is marked.

mod odd;

use std::collections::BTreeSet;

use super::{Asked, Screen, Step, replace_table};
use crate::{
    model::{
        question::{Answer, Complaint},
        raw::Gap,
        table::{Cell, Column, Row, Table},
        unit::grouped,
    },
    tui::{
        action::Action,
        ask::quoted,
        draw::{Pen, cell, cut_end, cut_middle, width},
        keymap::Keys,
        shared::Shared,
        theme::Role,
        verdict::Health,
        views::target,
    },
};

/// Most things that are compared.
const MOST: usize = 64;
/// Cells of the metrics' names, and of a value at least.
const NAME: u16 = 24;
const VALUE: u16 = 12;
/// Of what is not in the answer.
const UNKNOWN: Cell = Cell::Gap(Gap::Unknown);
/// Lines above the metrics.
const HEAD: u16 = 2;

/// The screen of some nodes or some GPUs.
pub(crate) struct Compare {
    view: &'static str,
    names: Vec<String>,
    table: Option<Table>,
    trouble: Option<String>,
    /// Which of them is chosen.
    chosen: usize,
    /// Lines that are scrolled away.
    scrolled: usize,
    /// Whether only what stands out is shown.
    only_odd: bool,
}

/// One metric's line.
struct Line<'a> {
    column: &'a Column,
    cells: Vec<&'a Cell>,
    odd: Vec<bool>,
}

impl Compare {
    /// The screen of these things: of the GPUs among them, or of the nodes, whichever are more.
    ///
    /// # Errors
    /// Why not, in a line for whoever asked.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>, keys: &Keys) -> Result<Compare, String> {
        let names: BTreeSet<&str> = names.into_iter().filter(|name| !name.contains(['/', '='])).collect();
        let (gpus, nodes): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| name.contains(':'));
        let (view, names) = if gpus.len() >= nodes.len() { ("gpus", gpus) } else { ("nodes", nodes) };
        match names.len() {
            0 | 1 => {
                let how = keys.told(Action::Mark, |key| format!(", with {key},"));
                Err(format!("mark two nodes or GPUs at least{how} to compare them"))
            }
            n if n > MOST => Err(format!("{n} are marked, and {MOST} are the most that can be compared")),
            _ => Ok(Compare {
                view,
                names: names.into_iter().map(String::from).collect(),
                table: None,
                trouble: None,
                chosen: 0,
                scrolled: 0,
                only_odd: false,
            }),
        }
    }

    fn condition(&self) -> String {
        let one = |name: &String| match name.rsplit_once(':') {
            Some((node, index)) => format!("(node = {} and index = {})", quoted(node), quoted(index)),
            None => format!("node = {}", quoted(name)),
        };
        self.names.iter().map(one).collect::<Vec<_>>().join(" or ")
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.table.as_ref()?.rows.iter().find(|row| row.id == name)
    }

    /// The metrics that any of them has.
    fn lines(&self) -> Vec<Line<'_>> {
        let Some(table) = &self.table else { return Vec::new() };
        let rows: Vec<Option<&Row>> = self.names.iter().map(|name| self.row(name)).collect();
        let line = |(at, column)| {
            let cells: Vec<&Cell> =
                rows.iter().map(|row| row.and_then(|row| row.cells.get(at)).unwrap_or(&UNKNOWN)).collect();
            let is_known = cells.iter().any(|cell| !matches!(cell, Cell::Gap(Gap::Unknown | Gap::Absent)));
            let odd = odd::odd(column, &cells);
            is_known.then_some(Line { column, cells, odd })
        };
        (0..).zip(&table.columns).filter(|(_, column)| column.key != "node").filter_map(line).collect()
    }

    fn shown(&self) -> Vec<Line<'_>> {
        let is_shown = |line: &Line<'_>| !self.only_odd || line.odd.contains(&true);
        self.lines().into_iter().filter(is_shown).collect()
    }

    /// Cells of each column of values: what there is for each, where the names have room in that.
    fn wide(&self, wide: u16) -> u16 {
        let name = self.names.iter().map(|name| width(name) + 1).max().unwrap_or(0).clamp(VALUE, 2 * VALUE);
        (wide.saturating_sub(NAME + 1) / self.names.len() as u16).clamp(name, 3 * VALUE)
    }

    /// The things whose columns have room, so that the chosen one is among them.
    fn columns(&self, wide: u16) -> std::ops::Range<usize> {
        let room = usize::from(wide.saturating_sub(NAME + 1) / self.wide(wide)).max(1);
        let first = (self.chosen + 1).saturating_sub(room);
        first..(first + room).min(self.names.len())
    }

    fn open(&self, shared: &Shared) -> Step {
        match target(self.view, &self.names[self.chosen], &shared.levels) {
            Some(target) => Step::Open(super::of(target, &[], shared)),
            None => Step::Same,
        }
    }

    fn scroll(&mut self, action: Action, page: usize) -> bool {
        let last = self.shown().len().saturating_sub(1);
        let to = match action {
            Action::Down => self.scrolled + 1,
            Action::Up => self.scrolled.saturating_sub(1),
            Action::PageDown => self.scrolled + page,
            Action::HalfDown => self.scrolled + page / 2,
            Action::PageUp => self.scrolled.saturating_sub(page),
            Action::HalfUp => self.scrolled.saturating_sub(page / 2),
            Action::Top => 0,
            Action::Bottom => last,
            _ => return false,
        };
        // The last line may not leave the bottom.
        self.scrolled = to.min((last + 1).saturating_sub(page));
        true
    }

    fn caption(&self, pen: &mut Pen<'_>, lines: usize, odd: usize, keys: &Keys) {
        let what = format!("COMPARE {} {}", self.names.len(), self.view);
        let x = pen.text(1, 0, &what, Role::PanelTitle);
        let far = match odd {
            0 => "● nothing stands out".to_owned(),
            1 => "▲ 1 metric stands out".to_owned(),
            n => format!("▲ {n} metrics stand out"),
        };
        let room = pen.width().saturating_sub(x + 3);
        let x = pen.text(x + 2, 0, &cut_end(&far, room), if odd > 0 { Role::Warn } else { Role::Fine });
        let all = || keys.told(Action::Faults, |key| format!("; {key} shows all"));
        let words = if self.only_odd { format!("· only these{}", all()) } else { format!("· of {lines}") };
        let room = pen.width().saturating_sub(x + 2);
        pen.text(x + 1, 0, &cut_end(&words, room), Role::Dim);
    }

    fn draw_line(&self, pen: &mut Pen<'_>, y: u16, line: &Line<'_>, shown: std::ops::Range<usize>) {
        let scope = self.view.trim_end_matches('s');
        let name =
            line.column.key.strip_prefix(scope).and_then(|key| key.strip_prefix('.')).unwrap_or(&line.column.key);
        let is_odd = line.odd.contains(&true);
        if is_odd {
            pen.text(1, y, Health::Warn.mark(), Role::Warn);
        }
        pen.text(3, y, &cut_end(name, NAME - 4), if is_odd { Role::Strong } else { Role::Dim });
        let wide = self.wide(pen.width());
        for (at, thing) in (0..).zip(shown) {
            let whole = cell::whole(line.column, line.cells[thing]);
            let whole = if line.odd[thing] { whole.at_least(Health::Warn) } else { whole };
            whole.draw(&mut pen.part(NAME + at * wide, y, wide, 1), wide - 1);
        }
    }
}

impl Screen for Compare {
    fn crumb(&self) -> String {
        format!("compare {}", self.view)
    }

    fn asks(&self, _: &Shared) -> Vec<Asked> {
        let text = format!("{} where {} show * limit {MOST} at last", self.view, self.condition());
        vec![Asked::every(1, 0, text)]
    }

    fn heard(&mut self, _: u32, answer: Result<Answer, Complaint>, _: &Shared) -> Step {
        Step::when(match answer {
            Ok(Answer::Table(table)) => replace_table(&mut self.table, table),
            Ok(Answer::Series(_)) => false,
            Err(complaint) => {
                let trouble = Some(complaint.message);
                std::mem::replace(&mut self.trouble, trouble.clone()) != trouble
            }
        })
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        let last = self.names.len() - 1;
        match action {
            Action::Left => self.chosen = self.chosen.saturating_sub(1),
            Action::Right => self.chosen = (self.chosen + 1).min(last),
            Action::Faults => (self.only_odd, self.scrolled) = (!self.only_odd, 0),
            Action::Open => return self.open(shared),
            _ if self.scroll(action, usize::from(shared.body().1.saturating_sub(HEAD)).max(1)) => {}
            _ => return Step::Unhandled,
        }
        Step::Changed
    }

    fn click(&mut self, (x, y): (u16, u16), shared: &Shared) -> Step {
        let wide = shared.body().0;
        let column = x.checked_sub(NAME).filter(|_| y > 0).map(|x| usize::from(x / self.wide(wide)));
        let Some(thing) = column.and_then(|column| self.columns(wide).nth(column)) else { return Step::Same };
        let was = std::mem::replace(&mut self.chosen, thing);
        if was == thing { self.open(shared) } else { Step::Changed }
    }

    fn arrange(&mut self, _: &Shared) {}

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        if self.table.is_none() {
            pen.text(1, 0, self.trouble.as_deref().unwrap_or("asking the hub …"), Role::Dim);
            return;
        }
        let all = self.lines();
        let odd = all.iter().filter(|line| line.odd.contains(&true)).count();
        self.caption(pen, all.len(), odd, &shared.keys);
        let (columns, wide) = (self.columns(pen.width()), self.wide(pen.width()));
        for (at, thing) in (0..).zip(columns.clone()) {
            let name = &self.names[thing];
            let role = match (thing == self.chosen, self.row(name)) {
                (true, _) => Role::TableHeaderSorted,
                (false, None) => Role::Missing,
                (false, Some(_)) => Role::TableHeader,
            };
            let mut pen = pen.part(NAME + at * wide, 1, wide, 1);
            let end = pen.width();
            pen.right(end, 0, &cut_middle(name, wide - 1), role);
        }
        let lines = self.shown();
        let room = usize::from(pen.height().saturating_sub(HEAD));
        let skip = self.scrolled.min(lines.len().saturating_sub(room));
        for (y, line) in (HEAD..).zip(lines.iter().skip(skip).take(room)) {
            self.draw_line(pen, y, line, columns.clone());
        }
        let n = |at: usize| grouped(at as i64);
        if columns.len() < self.names.len() {
            let words = format!("{}–{} of {} →", n(columns.start + 1), n(columns.end), n(self.names.len()));
            let end = pen.width().saturating_sub(1);
            pen.right(end, 0, &words, Role::Strong);
        }
        if lines.len() > room && room > 0 {
            let words = format!("{}–{} of {}", n(skip + 1), n(skip + room), n(lines.len()));
            pen.text(1, 1, &cut_end(&words, NAME - 2), Role::Dim);
        }
    }

    fn hints(&self) -> &'static [Action] {
        &[
            Action::Right,
            Action::Open,
            Action::Back,
            Action::Faults,
            Action::Copy,
            Action::Command,
            Action::NextView,
            Action::Help,
        ]
    }

    fn subject(&self) -> Option<String> {
        self.names.get(self.chosen).cloned()
    }

    fn onward(&self) -> Option<Action> {
        Some(Action::Right)
    }
}
