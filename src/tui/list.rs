//! A cursor over rows of which only a window is here. It stays on its row, wherever the row moves.
//! Rows are asked for a few screens at a time, so that moving by a row asks nothing.

use crate::model::table::{Row, Table};

/// Most rows that one question asks for.
const MOST: u64 = 500;

/// Where one is in a table, and the part of it that is here.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    table: Option<Table>,
    top: u64,
    cursor: u64,
    /// The row that the cursor was put on; nothing while it has not been moved, so that the first row stays first.
    pinned: Option<String>,
    height: u64,
}

impl List {
    /// The newest answer.
    pub(crate) fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    /// How many rows there are in all.
    pub(crate) fn total(&self) -> u64 {
        self.table.as_ref().map_or(0, |t| t.total)
    }

    /// The offset and limit to ask with.
    pub(crate) fn window(&self) -> (u64, u64) {
        let height = self.height.clamp(1, MOST / 4);
        let first = (self.top / height).saturating_sub(1) * height;
        (first, height * 4)
    }

    /// How many rows are on screen.
    pub(crate) fn set_height(&mut self, height: u16) {
        self.height = u64::from(height);
        self.keep_visible();
    }

    /// Takes a new answer in. Says whether anything that can be seen changed.
    pub(crate) fn heard(&mut self, table: Table) -> bool {
        let same = self.table.as_ref().is_some_and(|old| {
            old.rows == table.rows
                && old.total == table.total
                && old.offset == table.offset
                && old.columns == table.columns
        });
        self.table = Some(table);
        if same {
            return false;
        }
        self.follow();
        true
    }

    /// Forgets the rows and goes to the top, as when the question is another one. The old rows stay on screen
    /// until the new ones come.
    pub(crate) fn restart(&mut self) {
        (self.top, self.cursor, self.pinned) = (0, 0, None);
    }

    /// Moves the cursor by so many rows.
    pub(crate) fn step(&mut self, rows: i64) {
        let last = self.total().saturating_sub(1);
        let from = self.cursor_row().unwrap_or(self.cursor);
        self.go(from.saturating_add_signed(rows).min(last));
    }

    /// Moves the cursor by so many screens of rows.
    pub(crate) fn page(&mut self, screens: f64) {
        let rows = (self.height as f64 * screens).round() as i64;
        self.step(if rows == 0 { screens.signum() as i64 } else { rows });
    }

    /// Puts the cursor on the first row.
    pub(crate) fn first(&mut self) {
        self.restart();
    }

    /// Puts the cursor on the last row.
    pub(crate) fn last(&mut self) {
        self.go(self.total().saturating_sub(1));
    }

    /// Puts the cursor on the row at this position.
    pub(crate) fn go(&mut self, row: u64) {
        self.cursor = row;
        self.pinned = self.at(row).map(|row| row.id.clone());
        self.keep_visible();
    }

    /// Whether the cursor can go no further down.
    pub(crate) fn is_at_end(&self) -> bool {
        self.cursor + 1 >= self.total()
    }

    /// The row under the cursor.
    pub(crate) fn selected(&self) -> Option<&Row> {
        self.at(self.cursor_row()?)
    }

    /// The name of the row that the cursor is on, even while it has moved out of the window.
    pub(crate) fn selected_id(&self) -> Option<&str> {
        self.pinned.as_deref().or_else(|| self.selected().map(|row| row.id.as_str()))
    }

    /// The name of the row that the cursor was on, when that row has moved to where it is not loaded.
    pub(crate) fn strayed(&self) -> Option<&str> {
        self.pinned.as_deref().filter(|_| self.cursor_row().is_none())
    }

    /// Position of the first row on screen, and the rows from there, each with whether the cursor is on it.
    pub(crate) fn visible(&self) -> (u64, impl Iterator<Item = (&Row, bool)>) {
        let (offset, rows) = self.table.as_ref().map_or((0, &[][..]), |t| (t.offset, t.rows.as_slice()));
        // Until the rows asked for are here, the nearest ones that are stay on screen.
        let latest = (offset + rows.len() as u64).saturating_sub(self.height);
        let top = self.top.min(latest).max(offset);
        let cursor = self.cursor_row();
        let skip = (top - offset) as usize;
        let shown = rows.iter().enumerate().skip(skip).take(self.height as usize);
        (top, shown.map(move |(at, row)| (row, cursor == Some(offset + at as u64))))
    }

    fn at(&self, row: u64) -> Option<&Row> {
        let table = self.table.as_ref()?;
        table.rows.get(usize::try_from(row.checked_sub(table.offset)?).ok()?)
    }

    /// The cursor's position; nothing while its row is not in the window.
    fn cursor_row(&self) -> Option<u64> {
        match &self.pinned {
            None => self.at(self.cursor).map(|_| self.cursor),
            Some(id) => self.at(self.cursor).filter(|row| row.id == *id).map(|_| self.cursor),
        }
    }

    /// After new rows came: the cursor goes where its row went.
    fn follow(&mut self) {
        let Some(table) = &self.table else { return };
        let last = table.total.saturating_sub(1);
        let Some(id) = &self.pinned else {
            // A jump to a row that was not here yet: it is pinned now that it is.
            if self.cursor > 0 {
                self.go(self.cursor.min(last));
            }
            return;
        };
        if let Some(at) = table.rows.iter().position(|row| row.id == *id) {
            self.cursor = table.offset + at as u64;
        } else if table.offset == 0 && table.rows.len() as u64 >= table.total {
            // All rows are here and it is not among them: it is gone.
            let row = self.cursor.min(last);
            return self.go(row);
        }
        self.keep_visible();
    }

    fn keep_visible(&mut self) {
        let height = self.height.max(1);
        let most = self.total().saturating_sub(height);
        self.top = self.top.min(self.cursor).max((self.cursor + 1).saturating_sub(height)).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::State;

    fn table(total: u64, offset: u64, ids: &[&str]) -> Table {
        let row = |id: &&str| Row { id: (*id).into(), state: State::Up, cells: vec![] };
        Table { total, offset, rows: ids.iter().map(row).collect(), ..Table::default() }
    }

    fn list(ids: &[&str]) -> List {
        let mut list = List::default();
        list.set_height(2);
        list.heard(table(ids.len() as u64, 0, ids));
        list
    }

    fn shown(list: &List) -> Vec<String> {
        let (_, rows) = list.visible();
        rows.map(|(row, here)| format!("{}{}", row.id, if here { "*" } else { "" })).collect()
    }

    #[test]
    fn the_cursor_stays_on_its_row() {
        let mut list = list(&["a", "b", "c", "d"]);
        assert_eq!(shown(&list), ["a*", "b"]);
        list.step(1);
        list.heard(table(4, 0, &["d", "c", "a", "b"]));
        assert_eq!(shown(&list), ["a", "b*"]);
        list.step(-1);
        assert_eq!(list.selected_id(), Some("a"));
    }

    #[test]
    fn an_unmoved_cursor_stays_at_the_top() {
        let mut list = list(&["a", "b", "c"]);
        list.heard(table(3, 0, &["c", "b", "a"]));
        assert_eq!(shown(&list), ["c*", "b"]);
    }

    #[test]
    fn a_row_that_is_gone_hands_the_cursor_on() {
        let mut list = list(&["a", "b", "c"]);
        list.last();
        list.heard(table(2, 0, &["a", "b"]));
        assert_eq!(shown(&list), ["a", "b*"]);
    }

    #[test]
    fn a_row_that_left_the_window_keeps_the_cursor_from_others() {
        let mut list = list(&["a", "b", "c", "d"]);
        list.step(1);
        list.heard(table(900, 0, &["x", "y", "z"]));
        assert_eq!(list.selected(), None);
        assert_eq!((list.strayed(), list.selected_id()), (Some("b"), Some("b")));
        list.heard(table(900, 0, &["x", "b", "z"]));
        assert_eq!(shown(&list), ["x", "b*"]);
    }

    #[test]
    fn far_rows_are_asked_for_and_the_near_ones_stay_meanwhile() {
        let mut list = List::default();
        list.set_height(10);
        list.heard(table(1000, 0, &["a"; 40]));
        assert_eq!(list.window(), (0, 40));
        list.last();
        assert_eq!(list.window(), (980, 40));
        assert_eq!(shown(&list).len(), 10);
        list.heard(table(1000, 980, &["z"; 20]));
        assert_eq!(list.visible().0, 990);
        assert_eq!(list.selected_id(), Some("z"));
        assert_eq!(list.window(), (980, 40), "no new question for what is here");
    }

    #[test]
    fn nothing_new_changes_nothing() {
        let mut list = list(&["a", "b"]);
        assert!(!list.heard(table(2, 0, &["a", "b"])));
        assert!(list.heard(table(2, 0, &["a", "c"])));
    }

    #[test]
    fn no_rows_are_no_harm() {
        let mut list = List::default();
        list.step(1);
        list.page(-1.0);
        list.last();
        assert_eq!(list.selected(), None);
        list.heard(table(0, 0, &[]));
        assert!(shown(&list).is_empty());
    }
}
