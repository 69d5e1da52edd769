//! A table's question, cursor and columns together: a whole screen of it, or one panel of several.

use std::borrow::Cow;

use crate::{
    model::{
        series::Series,
        table::{Cell, Table},
    },
    tui::{
        action::Action,
        ask::{Ask, Sort, parse_sort},
        draw::{
            Pen, cut_end,
            rows::{self, Manner, Sheet},
        },
        errand,
        list::List,
        past,
        shared::Shared,
        theme::Role,
        views,
    },
};

/// A table with a cursor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// The question.
    pub(crate) ask: Ask,
    /// The rows and the cursor.
    pub(crate) list: List,
    /// The columns.
    pub(crate) sheet: Sheet,
    /// Keys and ranks of the columns to show; empty for all that come.
    pub(crate) wanted: Vec<(Cow<'static, str>, u8)>,
    /// Whether the next letter picks a column to sort by.
    pub(crate) letters: bool,
    /// Whether somebody sorted it by hand, and no answer has come since.
    pub(crate) is_sorted_anew: bool,
}

impl Ledger {
    /// The table of this question.
    pub(crate) fn new(ask: Ask, shared: &Shared) -> Self {
        let plain = views::ask(&ask.view, &shared.levels);
        let own = ask.show != plain.show || !ask.by.is_empty();
        let wanted = if own { Vec::new() } else { views::columns(&ask.view, &shared.levels) };
        Ledger { ask, wanted, ..Ledger::default() }
    }

    /// The table of the rows of `view` for which `condition` is true, without the columns `without`.
    pub(crate) fn panel(view: &str, condition: String, without: &[&str], shared: &Shared) -> Self {
        let mut ask = views::ask(view, &shared.levels);
        ask.scope.push(condition);
        let mut ledger = Ledger::new(ask, shared);
        ledger.wanted.retain(|(key, _)| !without.contains(&&**key));
        ledger
    }

    /// Takes on which columns a person wants of its view, and how wide.
    pub(crate) fn take_on(&mut self, shared: &Shared) {
        let wanted = shared.habits.columns(&self.ask.view, &shared.levels);
        let keys: Vec<&str> = wanted.iter().map(|(key, _)| &**key).filter(|key| *key != views::WHY).collect();
        self.ask.show = keys.join(",");
        self.wanted = wanted;
        self.sheet.widths = shared.habits.of(&self.ask.view).widths;
        if let Some(table) = self.list.table() {
            self.sheet.learn(table, &self.wanted, &shared.reading());
        }
    }

    /// The question's text for the window that is needed now, without the columns for which there is
    /// no room.
    pub(crate) fn text(&self, shared: &Shared) -> String {
        let (offset, limit) = self.list.window();
        let no_room = self.sheet.no_room(&self.wanted, shared.size.0, self.ask.sort.first(), shared.no_gpus());
        let shown = self.ask.show.split(',').filter(|key| !no_room.contains(key)).collect::<Vec<_>>().join(",");
        let ask = if no_room.is_empty() { self.ask.clone() } else { Ask { show: shown, ..self.ask.clone() } };
        ask.worded(offset, limit).text
    }

    /// The question for its rows with the columns that are shown, whether or not there is room for them.
    pub(crate) fn shown(&self) -> Ask {
        let keys = errand::shown(self.wanted.iter().map(|(key, rank)| (&**key, *rank)));
        Ask { show: if keys.is_empty() { self.ask.show.clone() } else { keys }, ..self.ask.clone() }
    }

    /// The cell under the cursor in the column with this full key.
    pub(crate) fn cell(&self, key: &str) -> Option<&Cell> {
        let at = self.list.table()?.column(key)?;
        self.list.selected()?.cells.get(at)
    }

    /// Takes an answer in. Says whether anything changed.
    pub(crate) fn heard(&mut self, mut table: Table, shared: &Shared) -> bool {
        if let Some(most) = self.ask.limit {
            table.total = table.total.min(most);
        }
        self.sheet.learn(&table, &self.wanted, &shared.reading());
        self.list.heard(table)
    }

    /// Sets how many lines it has on screen, header included.
    pub(crate) fn set_height(&mut self, lines: u16) {
        self.list.set_height(lines.saturating_sub(1));
    }

    /// Moves the cursor or changes the sort. Says whether it was such an action.
    pub(crate) fn act(&mut self, action: Action, width: u16) -> bool {
        match action {
            Action::Up => self.list.step(-1),
            Action::Down => self.list.step(1),
            Action::Top => self.list.first(),
            Action::Bottom => self.list.last(),
            Action::HalfDown => self.list.page(0.5),
            Action::HalfUp => self.list.page(-0.5),
            Action::PageDown => self.list.page(1.0),
            Action::PageUp => self.list.page(-1.0),
            Action::SortBy => self.letters = true,
            Action::SortLeft => self.move_sort(width, -1),
            Action::SortRight => self.move_sort(width, 1),
            Action::SortReverse => {
                let mut sort = self.ask.sort.clone();
                if let Some(first) = sort.first_mut() {
                    first.descending = !first.descending;
                    self.sort_as(sort);
                }
            }
            _ => return false,
        }
        true
    }

    /// Sorts by the column with this letter. Says whether there is one.
    pub(crate) fn letter(&mut self, letter: Option<char>, width: u16) -> bool {
        self.letters = false;
        let letters = self.sheet.letters(width, self.ask.sort.first());
        let wanted = letter.map(|c| c.to_ascii_lowercase());
        let Some((key, _, _)) = letters.into_iter().find(|(_, _, c)| Some(*c) == wanted) else { return false };
        self.sort_by(key);
        true
    }

    /// Sorts by this column; by the same again, the other way round.
    fn sort_by(&mut self, key: String) {
        let before = self.ask.sort.first().filter(|sort| rows::names(&sort.key, &key));
        let descending = before.map_or_else(|| self.sheet.descends(&key), |sort| !sort.descending);
        self.sort_as(vec![Sort { key, descending }]);
    }

    /// Sorts by these keys, as a `sort` clause has them.
    pub(crate) fn sort(&mut self, words: &str) {
        self.sort_as(parse_sort(words));
    }

    fn sort_as(&mut self, sort: Vec<Sort>) {
        self.ask.sort = sort;
        self.is_sorted_anew = true;
        self.list.restart();
    }

    /// Takes a click on this cell, counted from its header: that sorts by the column there, a row is chosen. Says whether
    /// the row was the chosen one already.
    pub(crate) fn click(&mut self, (x, y): (u16, u16), width: u16) -> bool {
        if y == 0 {
            if let Some(key) = self.sheet.column_at(x, width, self.ask.sort.first()) {
                self.sort_by(key);
            }
            return false;
        }
        let line = usize::from(y - 1);
        let (top, rows) = self.list.visible();
        let clicked: Vec<bool> = rows.map(|(_, is_chosen)| is_chosen).collect();
        let Some(is_chosen) = clicked.get(line) else { return false };
        if !is_chosen {
            self.list.go(top + line as u64);
        }
        *is_chosen
    }

    fn move_sort(&mut self, width: u16, by: isize) {
        let first = self.ask.sort.first();
        let keys = self.sheet.sortable(width, first);
        let at = keys.iter().position(|key| first.is_some_and(|sort| rows::names(&sort.key, key)));
        let next = match at {
            Some(at) => at.saturating_add_signed(by).min(keys.len().saturating_sub(1)),
            None => 0,
        };
        if let Some(key) = keys.get(next).filter(|_| at != Some(next)) {
            self.sort_by(key.clone());
        }
    }

    /// What is said instead of rows of now, where another time is shown of which the hub knows none.
    pub(crate) fn gone(&self, shared: &Shared) -> Option<String> {
        let is_gone = shared.then.is_some() && !past::is_kept(&self.ask.view, &shared.levels);
        is_gone.then(|| past::gone(&self.ask.view))
    }

    /// Draws header and rows.
    pub(crate) fn draw(&self, pen: &mut Pen<'_>, shared: &Shared, series: Option<&Series>, focused: bool) {
        if let Some(words) = self.gone(shared) {
            pen.text(1, 0, &cut_end(&words, pen.width().saturating_sub(2)), Role::Dim);
            return;
        }
        let manner = Manner {
            reading: &shared.reading(),
            sorted: self.ask.sort.first(),
            letters: self.letters,
            marks: &shared.marks,
            series,
            focused,
        };
        rows::draw(pen, &self.sheet, &self.list, &manner);
    }
}
