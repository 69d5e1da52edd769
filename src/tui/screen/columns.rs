//! Chooses the columns of a view, their order and their width; what is chosen holds at once and is remembered.

use super::{Asked, Screen, Step};
use crate::{
    model::question::{Answer, Complaint},
    tui::{
        action::Action,
        draw::{Pen, cut_end},
        habits::{Choice, Habit, choices},
        keymap::Keys,
        shared::Shared,
        theme::Role,
        views::HIDDEN,
    },
};

/// Where keys, titles, widths and meanings begin.
const KEY: u16 = 5;
const TITLE: u16 = 32;
const WIDTH: u16 = 46;
const HELP: u16 = 52;

/// The chooser of one view's columns.
pub(crate) struct Columns {
    view: String,
    habit: Habit,
    /// Those that are shown first, in their order, and then all others.
    all: Vec<Choice>,
    /// How many are shown.
    shown: usize,
    cursor: usize,
    height: usize,
}

impl Columns {
    /// The chooser of this view's columns; nothing where the hub chooses them.
    pub(crate) fn new(view: &str, shared: &Shared) -> Option<Columns> {
        let mut all = choices(view, &shared.levels);
        let now = shared.habits.columns(view, &shared.levels);
        let now: Vec<&str> = now.iter().filter(|(_, rank)| *rank != HIDDEN).map(|(key, _)| &**key).collect();
        if now.is_empty() {
            return None;
        }
        let place = |choice: &Choice| now.iter().position(|key| *key == choice.key).unwrap_or(usize::MAX);
        all.sort_by_key(place);
        let shown = all.iter().filter(|choice| now.contains(&&*choice.key)).count();
        Some(Columns { view: view.into(), habit: shared.habits.of(view), all, shown, cursor: 0, height: 0 })
    }

    /// Shows the column under the cursor, as the last one, or does not.
    fn toggle(&mut self) {
        if self.cursor >= self.shown {
            self.all[self.shown..=self.cursor].rotate_right(1);
            self.shown += 1;
            self.cursor = (self.cursor + 1).min(self.all.len() - 1);
        } else if self.shown > 1 {
            self.all[self.cursor..self.shown].rotate_left(1);
            self.shown -= 1;
        }
    }

    /// Moves the column under the cursor one place on; the first one stays what rows are known by.
    fn shift(&mut self, by: isize) {
        let to = self.cursor.saturating_add_signed(by);
        if self.cursor < self.shown && to < self.shown {
            self.all.swap(self.cursor, to);
            self.cursor = to;
        }
    }

    fn step(&mut self, to: usize) {
        self.cursor = to.min(self.all.len().saturating_sub(1));
    }

    fn chosen(&self, shared: &Shared) -> Step {
        let columns: Vec<String> = self.all[..self.shown].iter().map(|choice| choice.key.clone()).collect();
        let plain = crate::tui::views::columns(&self.view, &shared.levels);
        let is_plain = plain.iter().filter(|(_, rank)| *rank != HIDDEN).map(|(key, _)| &**key).eq(columns.iter());
        let columns = if is_plain { Vec::new() } else { columns };
        Step::Wish(self.view.clone(), Habit { columns, ..self.habit.clone() })
    }
}

/// Which keys do what here.
fn how(keys: &Keys) -> String {
    let ways: [(&[Action], &str); 5] = [
        (&[Action::Mark], "shows or hides"),
        (&[Action::SortLeft, Action::SortRight], "move"),
        (&[Action::Left, Action::Right], "size"),
        (&[Action::Unmark], "as at first"),
        (&[Action::Open], "goes back"),
    ];
    let told = ways.map(|(actions, word)| {
        let keys: String = actions.iter().map(|action| keys.told(*action, |key| format!("{key} "))).collect();
        if keys.is_empty() { keys } else { keys + word }
    });
    told.into_iter().filter(|told| !told.is_empty()).collect::<Vec<_>>().join(" · ")
}

impl Screen for Columns {
    fn crumb(&self) -> String {
        "columns".into()
    }

    fn asks(&self, _: &Shared) -> Vec<Asked> {
        Vec::new()
    }

    fn heard(&mut self, _: u32, _: Result<Answer, Complaint>, _: &Shared) -> Step {
        Step::Same
    }

    fn act(&mut self, action: Action, shared: &Shared) -> Step {
        let (at, page) = (self.cursor, self.height.max(1));
        match action {
            Action::Up => self.step(at.saturating_sub(1)),
            Action::Down => self.step(at + 1),
            Action::PageUp => self.step(at.saturating_sub(page)),
            Action::PageDown => self.step(at + page),
            Action::HalfUp => self.step(at.saturating_sub(page / 2)),
            Action::HalfDown => self.step(at + page / 2),
            Action::Top => self.step(0),
            Action::Bottom => self.step(usize::MAX),
            Action::Open => return Step::Back,
            Action::Mark | Action::SortLeft | Action::SortRight | Action::Left | Action::Right => {
                match action {
                    Action::Mark => self.toggle(),
                    Action::SortLeft => self.shift(-1),
                    Action::SortRight => self.shift(1),
                    _ => {
                        let Choice { key, width, .. } = &self.all[at];
                        self.habit.resize(key, *width, if action == Action::Left { -1 } else { 1 });
                    }
                }
                return self.chosen(shared);
            }
            Action::Unmark => {
                let plain = Habit { sort: self.habit.sort.clone(), ..Habit::default() };
                return Step::Wish(self.view.clone(), plain);
            }
            _ => return Step::Unhandled,
        }
        Step::Changed
    }

    fn arrange(&mut self, shared: &Shared) {
        self.height = usize::from(shared.body().1.saturating_sub(2));
        // It may have been put back to what it was at first.
        if let Some(anew) = Columns::new(&self.view, shared).filter(|anew| anew.habit != self.habit) {
            *self = Columns { height: self.height, cursor: self.cursor, ..anew };
        }
    }

    fn draw(&self, pen: &mut Pen<'_>, shared: &Shared) {
        let wide = pen.width();
        let x = pen.text(1, 0, &format!("COLUMNS OF {}", self.view.to_uppercase()), Role::PanelTitle);
        pen.text(x + 2, 0, &cut_end(&how(&shared.keys), wide.saturating_sub(x + 3)), Role::Dim);
        let height = usize::from(pen.height().saturating_sub(2));
        let top = (self.cursor + 1).saturating_sub(height);
        for (y, (at, choice)) in (2..).zip(self.all.iter().enumerate().skip(top).take(height)) {
            let is_shown = at < self.shown;
            let role = if is_shown { Role::Table } else { Role::Dim };
            pen.text(1, y, if is_shown { "[x]" } else { "[ ]" }, role);
            pen.text(KEY, y, &cut_end(&choice.key, (TITLE - KEY - 1).min(wide.saturating_sub(KEY))), role);
            pen.text(TITLE, y, &cut_end(&choice.title, WIDTH - TITLE - 1), Role::Dim);
            if let Some(width) = self.habit.widths.get(&choice.key) {
                pen.right(HELP - 2, y, &width.to_string(), Role::Accent);
            }
            pen.text(HELP, y, &cut_end(&choice.help, wide.saturating_sub(HELP + 1)), Role::Dim);
            if at == self.cursor {
                pen.wash(0, y, wide, 1, Role::TableRowSelected);
            }
        }
    }

    fn hints(&self) -> &'static [Action] {
        &[Action::Mark, Action::SortLeft, Action::SortRight, Action::Right, Action::Unmark, Action::Back, Action::Help]
    }
}
